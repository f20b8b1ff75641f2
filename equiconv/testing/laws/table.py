"""The outcome of a suite: a row for each law and subject, what they add up to, and how they print."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from equiconv.testing.laws.record import Failure, Row

__all__ = ["LawTable", "told"]

_TOLD = 2  # counterexamples that the text tells in full
_MARKS = {"passed": "✓", "failed": "✗", "skipped": "–", "vacuous": "○"}


@dataclass(frozen=True, eq=False, repr=False)
class LawTable:
    """What became of every law on every subject. True where nothing failed, nothing was vacuous, and something passed.

    rows: one for each law and subject. profile: how much was tried. seed: of everything random. notes: what was decided on the caller's behalf.
    diagnosis: what a wrong result looks like. seconds: that it took.
    """

    rows: tuple[Row, ...]
    profile: str
    seed: int
    notes: tuple[str, ...] = ()
    diagnosis: tuple[str, ...] = ()
    seconds: float = 0.0

    def _having(self, status: str) -> tuple[Row, ...]:
        return tuple(row for row in self.rows if row.status == status)

    @property
    def passed(self) -> int:
        """How many rows passed."""
        return len(self._having("passed"))

    @property
    def failed(self) -> int:
        """How many failed."""
        return len(self._having("failed"))

    @property
    def skipped(self) -> int:
        """How many were not run: the law says nothing of the subject, or the subject took no example."""
        return len(self._having("skipped"))

    @property
    def vacuous(self) -> int:
        """How many passed on nothing but one and the same number."""
        return len(self._having("vacuous"))

    @property
    def subjects(self) -> tuple[str, ...]:
        """The subjects, in order."""
        return tuple(dict.fromkeys(row.subject for row in self.rows))

    @property
    def failures(self) -> tuple[Failure, ...]:
        """The counterexamples."""
        return tuple(row.failure for row in self.rows if row.failure is not None)

    def __bool__(self) -> bool:
        return not self.failed and not self.vacuous and self.passed > 0

    @property
    def summary(self) -> str:
        """The counts in a line."""
        told = [f"{self.passed} passed", f"{self.failed} failed", f"{self.vacuous} vacuous", f"{self.skipped} skipped"]
        return f"{', '.join(told)}  (profile {self.profile}, seed {self.seed}, {self.seconds:.1f} s)"

    def __str__(self) -> str:
        return "\n".join([*self.lines(), "", *self.report(), self.summary])

    __repr__ = __str__

    def lines(self) -> list[str]:
        """A line for each row; of several subjects one for each, with what did not pass below it."""
        found: list[str] = []
        for subject in self.subjects:
            rows = [row for row in self.rows if row.subject == subject]
            if len(self.subjects) == 1:
                found += [subject, *_listed(rows)]
                continue
            counts = Counter(row.status for row in rows)
            worst = next(s for s in ("failed", "vacuous", "passed", "skipped") if counts[s])
            said = ", ".join(f"{counts[s]} {s}" for s in _MARKS if counts[s])
            found.append(f"{_MARKS[worst]} {subject}: {said}")
            found += [f"  {line}" for line in _listed([r for r in rows if r.status in ("failed", "vacuous")])]
            for reason, names in _by_reason(rows).items():
                listed = ", ".join(names) if len(names) < len(rows) else "every law"
                found.append(f"    {_MARKS['skipped']} {listed}: {reason}")
        return [*found, *(f"note: {note}" for note in self.notes)]

    def report(self) -> list[str]:
        """Diagnosis and counterexamples."""
        lines = [f"diagnosis: {text}" for text in self.diagnosis]
        for failure in self.failures[:_TOLD]:
            lines += [*str(failure).splitlines(), ""]
        if rest := self.failures[_TOLD:]:
            lines += [
                f"broken too: {', '.join(dict.fromkeys(f.law.name for f in rest))}; their examples are in .failures",
                "",
            ]
        return lines

    def as_dict(self) -> dict[str, Any]:
        """The table as plain data."""
        return {
            "passed": self.passed,
            "failed": self.failed,
            "vacuous": self.vacuous,
            "skipped": self.skipped,
            "verified": bool(self),
            "profile": self.profile,
            "seed": self.seed,
            "seconds": self.seconds,
            "notes": list(self.notes),
            "diagnosis": list(self.diagnosis),
            "rows": [row.as_dict() for row in self.rows],
        }

    def save(self, path: str | Path) -> None:
        """Write the table as JSON."""
        Path(path).write_text(json.dumps(self.as_dict(), indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def _by_reason(rows: Sequence[Row]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for row in rows:
        if row.status == "skipped":
            found.setdefault(row.reason or "", []).append(row.law.name)
    return found


def _listed(rows: Sequence[Row]) -> list[str]:
    width = max((len(row.law.name) for row in rows), default=0)
    return [f"  {_MARKS[row.status]} {row.law.name:<{width}}  {told(row)}" for row in rows]


def told(row: Row, statement: bool = True) -> str:
    """What became of a row, in words, after its statement."""
    if statement:
        items = f"{', '.join(row.law.items)}  " if row.law.items else ""
        return f"{items}{row.law.statement}  [{told(row, statement=False)}]"
    if row.status == "skipped":
        return f"skipped: {row.reason}"
    count = f"{row.examples} example{'' if row.examples == 1 else 's'}"
    if row.status == "failed":
        assert row.failure is not None
        found = row.failure.comparison
        what = row.failure.raised or (
            found.fault if found and found.fault else f"error {found.error:.3g}" if found else ""
        )
        return f"FAILED: {what}"
    size = "exact" if row.exact else f"largest error {row.largest or 0:.2g} of the bound"
    more = f"; {row.reason}" if row.reason else ""
    if row.status == "vacuous":
        return f"VACUOUS: no result depended on its example; {count}{more}"
    return f"{count}, {size}{more}"
