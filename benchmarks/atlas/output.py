"""What the atlas is written as: a table (CSV), a page (HTML) and the findings as text."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.atlas.findings import sentences
from benchmarks.atlas.page import page
from equiconv.certification.certificate import write_whole

COLUMNS = (
    "family", "model", "parameters", "input", "weights", "strides", "kind", "potential", "potential_kind", "exact", "potential_exact",
    "breaks_cause", "breaks_module", "breaks_line", "then_cause", "then_module", "then_line", "unknown", "export_seconds", "derive_seconds",
    "peak_mb", "error",
)  # fmt: skip


def write(rows: Sequence[Mapping[str, Any]], confirmed: Mapping[str, Any], known: int, version: str, out: Path) -> str:
    """Write ``atlas.csv``, ``index.html`` and ``findings.md`` into the folder, and return the findings as text."""
    out.mkdir(parents=True, exist_ok=True)
    rows = sorted(rows, key=lambda row: (row["family"], row["parameters"], row["model"]))
    found = sentences(rows, confirmed, known, version)
    write_whole(out / "atlas.csv", table([flat(row, confirmed.get(row["model"])) for row in rows]))
    write_whole(out / "index.html", page([flat(row, confirmed.get(row["model"])) for row in rows], rows, found))
    write_whole(out / "findings.md", "# The atlas: findings\n\n" + "".join(f"- {text}\n" for text in found))
    return "\n".join(found)


def flat(row: Mapping[str, Any], confirmed: Mapping[str, Any] | None) -> dict[str, Any]:
    """A row as one value a column; strides and sizes joined with ×, exactness empty where it was not tried."""
    breaks, then = row.get("breaks") or {}, row.get("then_breaks") or {}
    ran = confirmed or {}
    line = {
        "input": "×".join(map(str, row.get("input", []))),
        "strides": "×".join(map(str, row.get("strides", []))) if row.get("kind") != "undecided" else "",
        "potential": "×".join(map(str, row.get("potential", []))) if row.get("potential_kind") != "undecided" else "",
        "exact": _tried(ran.get("as_is")),
        "potential_exact": _tried(ran.get("circular")),
        "breaks_cause": breaks.get("cause", ""),
        "breaks_module": breaks.get("module", ""),
        "breaks_line": breaks.get("line", ""),
        "then_cause": then.get("cause", ""),
        "then_module": then.get("module", ""),
        "then_line": then.get("line", ""),
        "unknown": " ".join(row.get("unknown", [])),
    }
    return {name: line.get(name, row.get(name, "")) for name in COLUMNS}


def _tried(ran: Mapping[str, Any] | None) -> bool | str:
    """Whether every larger subgroup is refuted; empty where none was tried."""
    return "" if ran is None or ran["exact"] is None else ran["exact"]


def table(lines: Sequence[Mapping[str, Any]]) -> str:
    """The rows as CSV."""
    text = io.StringIO()
    writer = csv.DictWriter(text, COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(lines)
    return text.getvalue()
