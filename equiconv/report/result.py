"""The audit as data: what was found about a network and about its circular twin."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from equiconv.certification import Certificate, CheckReport
from equiconv.certification.certificate import write_whole
from equiconv.measurement import Measurement
from equiconv.report import findings
from equiconv.report.scene import Scene
from equiconv.testing import Counterexample

if TYPE_CHECKING:
    from rich.console import RenderableType

#: Version of the JSON: raised when a reader of the old form would be misled.
SCHEMA = 1


@dataclass(frozen=True, eq=False)
class Side:
    """What was found about one network: as it stands, or its circular twin.

    certificate: None where the network could not be captured. check: the certificate's claims run on the example; None
        where it claims nothing. measurement: over all shifts, or uniform draws.
    grid, near: over a coarse grid of all shifts, and all shifts near 0, on the example alone; None where the
        measurement covers every shift.
    """

    certificate: Certificate | None
    check: CheckReport | None
    measurement: Measurement
    grid: Measurement | None = None
    near: Measurement | None = None

    @property
    def measurements(self) -> tuple[Measurement, ...]:
        """All that was measured."""
        return tuple(m for m in (self.measurement, self.grid, self.near) if m is not None)

    def as_dict(self) -> dict[str, Any]:
        """All of it as plain data."""
        check = self.check
        return {
            "certificate": None if self.certificate is None else self.certificate.as_dict(),
            "check": None if check is None else asdict(check) | {"holds": bool(check), "text": str(check)},
            "measurement": self.measurement.as_dict(),
            "grid": None if self.grid is None else self.grid.as_dict(),
            "near": None if self.near is None else self.near.as_dict(),
        }


@dataclass(frozen=True, eq=False)
class Audit:
    """All that was found about a network: what holds, what fails, by how much, and what mending it would give.

    Attributes
    ----------
    name: of the network. weights: where its weights come from, in words, "" where that was not said. notes: what the
        caller had to say of the input.
    network: what was found about it. refusal: why no certificate could be derived, or None.
    twin: the same about its circular twin, None where there is none, with the reason in twin_reason.
    counterexample: the smallest input and shift that fail, None where none was found; counterexample_note: what was
        tried then.
    scene: one picture before and after a shift. sampling: what was measured on what, in sentences. versions: of
        everything. seconds: that each step took.

    ``str(audit)`` is the report as plain text, ``rich.print(audit)`` as tables; ``audit.html(path)`` and
    ``audit.json(path)`` write files.
    """

    name: str
    weights: str
    notes: tuple[str, ...]
    network: Side
    refusal: str | None
    twin: Side | None
    twin_reason: str
    counterexample: Counterexample | None
    counterexample_note: str
    scene: Scene
    sampling: tuple[str, ...]
    versions: Mapping[str, str]
    seconds: Mapping[str, float]
    seed: int

    @property
    def certificate(self) -> Certificate | None:
        """The network's certificate."""
        return self.network.certificate

    @property
    def measurement(self) -> Measurement:
        """The network's measurement."""
        return self.network.measurement

    @property
    def kind(self) -> str:
        """The certificate's kind; ``"undecided"`` where there is no certificate."""
        return "undecided" if self.certificate is None else self.certificate.kind

    @property
    def remarks(self) -> tuple[str, ...]:
        """What was measured on what, and what a reader of the numbers must know besides."""
        said = [
            n for n in self.measurement.notes if self.refusal is None or not n.startswith("layers were not measured")
        ]
        return (*self.sampling, *said)

    @property
    def headline(self) -> str:
        """The verdict in one sentence."""
        if self.certificate is None:
            return (
                f"Undecided: {self.name} could not be captured as a graph, so nothing can be certified about it. It "
                "was run and measured all the same."
            )
        return findings.headline(self.certificate, self.name)

    def as_dict(self) -> dict[str, Any]:
        """The audit as plain data, as it is saved: NaN is None."""
        c = self.certificate
        data = {
            "format": "equiconv-audit",
            "version": SCHEMA,
            "name": self.name,
            "weights": self.weights,
            "notes": list(self.notes),
            "seed": self.seed,
            "verdict": {
                "kind": self.kind,
                "headline": self.headline,
                "strides": None if c is None else list(c.strides),
                "exact": c is not None and c.exact,
                "potential": None if c is None else list(c.potential),
                "safe": None if c is None else findings.safe(c),
                "breaks": [self.refusal] if c is None else findings.breaks(c),
                "changes": [] if c is None else findings.changes(c),
            },
            "network": self.network.as_dict(),
            "refusal": self.refusal,
            "twin": None if self.twin is None else self.twin.as_dict(),
            "twin_reason": self.twin_reason,
            "counterexample": None if self.counterexample is None else self.counterexample.as_dict(),
            "counterexample_note": self.counterexample_note,
            "scene": self.scene.as_dict(),
            "sampling": list(self.sampling),
            "versions": dict(self.versions),
            "seconds": dict(self.seconds),
        }
        plain: dict[str, Any] = _plain(data)
        return plain

    def json(self, path: str | os.PathLike[str]) -> Path:
        """Write the audit as JSON; the file appears whole or not at all. Raises OSError where it cannot be written."""
        return write_whole(path, json.dumps(self.as_dict(), indent=1, allow_nan=False, ensure_ascii=False) + "\n")

    def html(self, path: str | os.PathLike[str]) -> Path:
        """Write the audit as one page that opens from disk and needs no network; whole or not at all. Raises OSError
        where it cannot be written."""
        from equiconv.report.html import page

        return write_whole(path, page(self))

    def __str__(self) -> str:
        from equiconv.report.text import describe

        return describe(self)

    def __repr__(self) -> str:
        return f"<Audit of {self.name}: {self.headline}>"

    def __rich__(self) -> RenderableType:
        from equiconv.report.terminal import render

        return render(self)


def _plain(value: Any) -> Any:
    """Plain data for JSON: NaN becomes None, infinity the string ``"inf"``, fractions their text."""
    if isinstance(value, Mapping):
        return {str(k): _plain(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(v) for v in value]
    if isinstance(value, (np.ndarray, np.generic)):
        return _plain(value.tolist())
    if isinstance(value, Fraction):
        return str(value)
    if isinstance(value, float) and not np.isfinite(value):
        return None if np.isnan(value) else "inf" if value > 0 else "-inf"
    return value
