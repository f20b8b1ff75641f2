"""What is known so far: one JSON line a model, appended as it comes, so that a run can be stopped and gone on with."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any


class Record:
    """A file of JSON lines, one a model; the last line of a model counts.

    failed: a row with an error, which a later run may try again.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.rows: dict[str, dict[str, Any]] = {}
        if path.exists():
            for line in path.read_text(encoding="utf-8").splitlines():
                try:
                    row = json.loads(line)
                except json.JSONDecodeError:
                    continue  # the last line of a run that was cut off
                self.rows[row["model"]] = row

    def add(self, row: dict[str, Any]) -> None:
        """Append a row, whole, to the file."""
        self.rows[row["model"]] = row
        self.path.parent.mkdir(parents=True, exist_ok=True)
        cut = self.path.exists() and self.path.stat().st_size and self.path.read_bytes()[-1:] != b"\n"
        with self.path.open("a", encoding="utf-8") as file:
            file.write("\n" * bool(cut) + json.dumps(row) + "\n")

    def missing(self, models: list[str], retry: bool) -> list[str]:
        """The models to do: those without a row, and with ``retry`` those whose row is a failure or undecided."""
        return [m for m in models if m not in self.rows or (retry and unsettled(self.rows[m]))]


def unsettled(row: dict[str, Any]) -> bool:
    """True for a row that a later version, or more time, could settle."""
    return "error" in row or row.get("kind") == "undecided"
