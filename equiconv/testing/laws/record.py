"""What a law is, what one check of it compares, and what becomes of it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import numpy as np

__all__ = [
    "KINDS",
    "Check",
    "Comparison",
    "Crashed",
    "Draw",
    "Failure",
    "Law",
    "Refused",
    "Row",
    "Vacuous",
    "attempts",
    "first_line",
]

#: What a law can be about, and so what ``as_`` names.
KINDS = ("convolution", "layer", "model", "operator")

#: Hypothesis's ``data.draw``.
Draw: TypeAlias = Callable[..., Any]


class Refused(Exception):
    """The function does not accept an example: neither for the law nor against it."""


class Vacuous(Exception):
    """The law could not have failed on this example, whatever the function does; the message says why."""


class Crashed(Exception):
    """The function raised what no refusal raises (an IndexError, a ZeroDivisionError), or returned no array."""


@dataclass(frozen=True, eq=False)
class Comparison:
    """What the law says of one example, and what the function did.

    got, expected: NumPy arrays. bound: how far they may be apart, 0 where the law holds bit by bit. fault: what is wrong without any number (a dtype, a
    shape); then the arrays are of no account. script: writes the lines. shown: what to print of the example, by name. sides: the two expressions.
    """

    got: Any
    expected: Any
    bound: float
    sides: tuple[str, str]
    shown: tuple[tuple[str, str], ...]
    script: Callable[[], str]
    fault: str | None = None

    @property
    def error(self) -> float:
        """The largest difference; infinity where either side holds a NaN (every example is finite, and so must be what is made of it), or an infinity alone."""
        got, expected = np.asarray(self.got), np.asarray(self.expected)
        if got.shape != expected.shape:
            return float("inf")
        if got.size == 0:
            return 0.0
        with np.errstate(invalid="ignore", over="ignore"):
            difference = np.abs(np.where(got == expected, 0, got - expected))
        largest = float(difference.max())
        return float("inf") if np.isnan(largest) else largest

    @property
    def broken(self) -> bool:
        """Whether the law fails here."""
        return self.fault is not None or not self.error <= self.bound


def first_line(error: BaseException) -> str:
    """The class and the first line of what was raised."""
    text = str(error).strip()
    return f"{type(error).__name__}: {text.splitlines()[0][:200]}" if text else type(error).__name__


Check: TypeAlias = Callable[[Any, Draw], Sequence[Comparison]]


def attempts(subject: Any, comparisons: Iterable[Callable[[], Comparison]]) -> list[Comparison]:
    """Several comparisons of one example up to the first that breaks the law; what the function refuses of them is remembered, and they go on.

    Raises `Refused` where it refuses all.
    """
    found: list[Comparison] = []
    for compare in comparisons:
        try:
            found.append(compare())
        except Refused as refusal:
            subject.refusals.append(str(refusal))
            continue
        if found[-1].broken:
            break
    if not found:
        raise Refused(subject.refusals.pop() if subject.refusals else "nothing of it")
    return found


@dataclass(frozen=True)
class Law:
    """A law that can be run.

    Attributes
    ----------
    name: as ``--law`` takes it.
    items: of the lecture, L1 to L32; none for a law of good conduct (it does not write to its input).
    statement: the law in one line.
    kind: one of `KINDS`.
    check: draws an example for a subject, runs it and returns what it compared; raises `Refused` where the function does not take it.
    theorem: the name of the theorem in ``proofs/`` that proves it for all n, where there is one.
    applies: why the law says nothing of a subject, None where it does.
    share: the part of the profile's examples that the law is run on, for checks that walk through many cases in one; 0 for a single example.
    """

    name: str
    items: tuple[str, ...]
    statement: str
    kind: str
    check: Check
    theorem: str | None = None
    applies: Callable[[Any], str | None] = field(default=lambda _subject: None)
    share: float = 1.0

    @property
    def title(self) -> str:
        """Name, lecture items and statement."""
        items = f" ({', '.join(self.items)})" if self.items else ""
        return f"{self.name}{items}: {self.statement}"


@dataclass(frozen=True, eq=False)
class Failure:
    """The smallest example found that breaks a law.

    comparison: what was compared; None where the function raised. raised: what it raised. notes: what else was seen (it fails from time to time).
    """

    law: Law
    subject: str
    comparison: Comparison | None
    raised: str | None = None
    shown: tuple[tuple[str, str], ...] = ()
    script: str = ""
    notes: tuple[str, ...] = ()
    complete: bool = True

    def __str__(self) -> str:
        smallest = "the smallest found" if self.complete else "not shrunk"
        lines = [f"law {self.law.title}", f"  is broken by {self.subject}; {smallest}:"]
        lines += [f"    {name} = {text}" for name, text in self.shown]
        if self.raised is not None:
            lines.append(f"    raised {self.raised}")
        if (found := self.comparison) is not None:
            lines.append(f"    {found.sides[0]}   should be   {found.sides[1]}")
            if found.fault is not None:
                lines.append(f"    {found.fault}")
            else:
                lines += [f"    expected  {_head(found.expected)}", f"    got       {_head(found.got)}"]
                lines.append(f"    error {found.error:.3g}, bound {found.bound:.3g}")
        lines += [f"    {note}" for note in self.notes]
        if self.script:
            lines += ["  to reproduce it:", *(f"    {line}" for line in self.script.splitlines())]
        return "\n".join(lines)

    def as_dict(self) -> dict[str, Any]:
        """The failure as plain data."""
        found = self.comparison
        return {
            "shown": dict(self.shown),
            "raised": self.raised,
            "sides": list(found.sides) if found else None,
            "fault": found.fault if found else None,
            "error": _finite(found.error) if found and found.fault is None else None,
            "bound": found.bound if found else None,
            "notes": list(self.notes),
            "script": self.script,
        }


@dataclass(frozen=True, eq=False)
class Row:
    """What became of one law on one subject.

    status: ``"passed"``, ``"failed"``, ``"skipped"`` or ``"vacuous"`` (nothing it compared depended on the example). examples: that the law was run on.
    refused: that the function did not take, which count neither way. reason: why it was skipped, or what was refused. largest: the largest error in bounds;
    None where nothing was computed. exact: every error was 0.
    """

    law: Law
    subject: str
    status: str
    examples: int = 0
    refused: int = 0
    reason: str | None = None
    largest: float | None = None
    exact: bool = False
    failure: Failure | None = None

    def as_dict(self) -> dict[str, Any]:
        """The row as plain data."""
        return {
            "law": self.law.name,
            "items": list(self.law.items),
            "statement": self.law.statement,
            "theorem": self.law.theorem,
            "subject": self.subject,
            "status": self.status,
            "examples": self.examples,
            "refused": self.refused,
            "reason": self.reason,
            "largest error in bounds": _finite(self.largest),
            "exact": self.exact,
            "failure": self.failure.as_dict() if self.failure else None,
        }


def _finite(value: float | None) -> Any:
    """A number that JSON has."""
    return value if value is None or np.isfinite(value) else str(value)


def _head(value: Any) -> str:
    value = np.asarray(value)
    if value.size <= 16:
        return f"{np.array2string(value, separator=', ', precision=6).replace(chr(10), ' ')}  ({value.dtype})"
    flat = ", ".join(f"{v:.6g}" for v in value.reshape(-1)[:6])
    return f"{flat}, …  ({value.dtype} {value.shape})"
