"""What a test of a symmetry found, as data and as text, and the failure that carries it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from equiconv.measurement.sampling import rate_bound
from equiconv.testing.counterexample import Counterexample

__all__ = ["EquivarianceReport", "LawFailure", "Rate", "VacuousWarning", "Worst"]

Floats = npt.NDArray[np.float64]


class VacuousWarning(UserWarning):
    """A law held, and could not have failed: the output does not depend on the input, or nothing moved."""


class LawFailure(AssertionError):
    """A law does not hold. ``report`` is what was compared; ``counterexample`` the smallest failure, where one was searched for."""

    def __init__(self, report: EquivarianceReport) -> None:
        super().__init__(str(report))
        self.report = report
        self.counterexample = report.counterexample


@dataclass(frozen=True)
class Worst:
    """The comparison with the largest error, counted in bounds.

    element: that moved the input. input: which of the inputs. output: which part of what f returns. error: max |got − expected|. bound: what rounding
    explains, or the tolerance that the caller gave.
    """

    element: Any
    input: str
    output: str
    error: float
    bound: float

    @property
    def ratio(self) -> float:
        """Error over bound: the law fails above 1."""
        return self.error / self.bound if self.bound else (float("inf") if self.error else 0.0)


@dataclass(frozen=True)
class Rate:
    """How often the law failed on independent, uniform draws of an element, each with a fresh standard normal input.

    draws, failures, seed: of that sample, which nothing else looked at.
    """

    draws: int
    failures: int
    seed: int

    @property
    def below(self) -> float | None:
        """The failure rate excluded at 95 %, 3/N; None where there were failures."""
        return None if self.failures else rate_bound(self.draws)

    def __str__(self) -> str:
        drawn = f"{self.failures} failures in {self.draws:,} uniform draws (seed {self.seed})"
        return drawn if self.below is None else f"{drawn}: the rate is below {self.below:.2g} at 95 %"


@dataclass(frozen=True, eq=False, repr=False)
class EquivarianceReport:
    """A law, what it was tried on, and what came out. True as a condition where no comparison failed.

    Attributes
    ----------
    name: of f. law: such as ``"f(S x) = S f(x)"``. what: ``"value"``, or the derivative or the way of running that was compared.
    group: the symmetries. coverage: which of them were tried. complete: they were all of them.
    elements, inputs: the columns and rows of `errors`, `bounds`, which hold NaN where ρ says nothing, f refused the input, or the input did not move.
    outputs: for each entry, which part of the output that is.
    library, dtype, device: of the input. bound: what the bounds are made of.
    vacuous: why the law could not have failed; None where it could. rate: of a separate uniform sample, where one was asked for.
    counterexample: the smallest failure, where one was searched for and found. searched: what the search tried.
    notes: what else was noticed. also: the reports on what else was compared, where several things were; this one passes only if they do.
    """

    name: str
    law: str
    group: str
    coverage: str
    complete: bool
    elements: tuple[Any, ...]
    inputs: tuple[str, ...]
    outputs: tuple[tuple[str, ...], ...]
    errors: Floats
    bounds: Floats
    library: str
    dtype: str
    device: str
    bound: str
    what: str = "value"
    vacuous: str | None = None
    rate: Rate | None = None
    counterexample: Counterexample | None = None
    searched: str = ""
    notes: tuple[str, ...] = field(default=())
    also: tuple[EquivarianceReport, ...] = field(default=())

    @property
    def failed(self) -> npt.NDArray[np.bool_]:
        """Which comparisons failed: the error is above its bound."""
        with np.errstate(invalid="ignore"):
            return self.errors > self.bounds

    @property
    def compared(self) -> int:
        """How many pairs of input and element were compared."""
        return int(np.count_nonzero(~np.isnan(self.errors)))

    @property
    def failures(self) -> int:
        """How many of them failed."""
        return int(np.count_nonzero(self.failed))

    @property
    def passed(self) -> bool:
        """No comparison failed, nor any of the separate sample, and no counterexample was found; and the same of each in ``also``."""
        return self._own and all(report.passed for report in self.also)

    @property
    def _own(self) -> bool:
        return not self.failures and self.counterexample is None and not (self.rate and self.rate.failures)

    def __bool__(self) -> bool:
        return self.passed

    @property
    def worst(self) -> Worst | None:
        """The largest error, counted in bounds; None where nothing was compared."""
        if not self.compared:
            return None
        with np.errstate(divide="ignore", invalid="ignore"):
            ratio = np.where(self.bounds > 0, self.errors / self.bounds, np.where(self.errors > 0, np.inf, 0.0))
        ratio[np.isnan(self.errors)] = -1.0
        row, column = np.unravel_index(int(np.argmax(ratio)), ratio.shape)
        return Worst(
            self.elements[column],
            self.inputs[row],
            self.outputs[row][column],
            float(self.errors[row, column]),
            float(self.bounds[row, column]),
        )

    @property
    def verdict(self) -> str:
        """``"failed"``, ``"vacuous"`` (held, and could not have failed) or ``"verified"``."""
        return "failed" if not self.passed else "vacuous" if self.vacuous else "verified"

    def as_dict(self) -> dict[str, Any]:
        """The report as plain data."""
        worst = self.worst
        return {
            "name": self.name,
            "law": self.law,
            "what": self.what,
            "verdict": self.verdict,
            "group": self.group,
            "coverage": self.coverage,
            "complete": self.complete,
            "inputs": list(self.inputs),
            "library": self.library,
            "dtype": self.dtype,
            "device": self.device,
            "compared": self.compared,
            "failures": self.failures,
            "worst": worst
            and {
                "element": _text(worst.element),
                "input": worst.input,
                "output": worst.output,
                "error": worst.error,
                "bound": worst.bound,
            },
            "bound": self.bound,
            "vacuous": self.vacuous,
            "rate": self.rate
            and {
                "draws": self.rate.draws,
                "failures": self.rate.failures,
                "seed": self.rate.seed,
                "below": self.rate.below,
            },
            "counterexample": self.counterexample and self.counterexample.as_dict(),
            "searched": self.searched,
            "notes": list(self.notes),
            "also": [report.as_dict() for report in self.also],
        }

    def __repr__(self) -> str:
        return f"<{self.law} for {self.name}: {self.verdict}, {self.failures} of {self.compared:,} comparisons failed>"

    def __str__(self) -> str:
        subject = f"{self.name}" if self.what == "value" else f"{self.name} ({self.what})"
        heads = {
            "failed": f"{subject}: {self.law} fails"
            + (f" in {self.failures:,} of {self.compared:,} comparisons" if self.failures else ""),
            "vacuous": f"{subject}: {self.law} holds, and could not have failed: {self.vacuous}",
            "verified": f"{subject}: {self.law} holds in {self.compared:,} comparisons",
        }
        lines = [
            heads["failed" if not self._own else "vacuous" if self.vacuous else "verified"],
            f"  group    {self.group}",
            f"  tried    {self.coverage}, on {_listed(self.inputs)}",
        ]
        if (worst := self.worst) is not None:
            lines.append(
                f"  worst    {_text(worst.element)} on {worst.input}: {worst.output} differs by {worst.error:.3g}, bound {worst.bound:.3g}"
            )
        lines.append(f"  bound    {self.bound}; {self.library} {self.dtype} on {self.device}")
        if self.rate is not None:
            lines.append(f"  rate     {self.rate}")
        if self.searched:
            lines.append(f"  search   {self.searched}")
        lines += [f"  note     {note}" for note in self.notes]
        if self.counterexample is not None:
            lines.append(str(self.counterexample))
        return "\n".join([*lines, *map(str, self.also)])


def _text(element: Any) -> str:
    shifts = getattr(element, "shifts", None)
    return f"shift by {shifts}" if shifts is not None else str(element)


def _listed(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
