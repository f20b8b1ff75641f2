"""What the assertions of this process verified, in order: the pytest plugin reads it for its summary."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from equiconv.testing.report import EquivarianceReport

__all__ = ["add", "drain"]

_entries: list[dict[str, Any]] = []
_MOST = 10_000  # a process that never reads them must not grow for ever


def add(report: EquivarianceReport) -> None:
    """Remember what a summary needs of a report."""
    worst = report.worst
    _entries.append(
        {
            "name": report.name,
            "law": report.law,
            "what": report.what,
            "group": report.group,
            "coverage": report.coverage,
            "dtype": report.dtype,
            "device": report.device,
            "library": report.library,
            "verdict": report.verdict,
            "why": report.vacuous or "",
            "compared": report.compared,
            "ratio": None if worst is None else worst.ratio,
        }
    )
    del _entries[:-_MOST]


def drain() -> list[dict[str, Any]]:
    """What was remembered since the last call, which is then forgotten."""
    found, _entries[:] = list(_entries), []
    return found
