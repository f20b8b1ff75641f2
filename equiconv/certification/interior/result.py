"""The answer for one output: receptive field, interior, and what ended either."""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction

from equiconv.graph import SourceLine


@dataclass(frozen=True)
class Extent:
    """What the positions of a tensor see along one image axis.

    Attributes
    ----------
    axis: the group axis. dim: the dim of the tensor whose positions lie along it. size: their number.
    step: input positions from one to the next. windows: (lo, hi) for each u mod p; position u sees the inputs step·u + lo … step·u + hi, both included.
    start, stop: the interior, start … stop − 1. There position u computes, for equal u mod p, one and the same function of its window.
    """

    axis: int
    dim: int
    size: int
    step: Fraction
    windows: tuple[tuple[Fraction, Fraction], ...]
    start: int
    stop: int

    def __post_init__(self) -> None:
        if self.size < 1 or not self.windows or not self.step or not 0 <= self.start <= self.stop <= self.size:
            raise ValueError(
                f"an extent has windows, a step and an interval inside its positions; "
                f"{len(self.windows)} windows, the step {self.step} and {self.start} … {self.stop} of {self.size} came"
            )

    @property
    def stride(self) -> int:
        """Translations of the image by multiples of it move the interior by whole positions."""
        return int(abs(self.step) * len(self.windows))

    @property
    def receptive_field(self) -> int:
        """Input positions from the first that a position sees to the last, were there no border; the largest of all positions."""
        return max(int(hi - lo) + 1 for lo, hi in self.windows)

    @property
    def share(self) -> float:
        """The part of the positions that is interior."""
        return (self.stop - self.start) / self.size

    def window(self, position: int) -> tuple[int, int]:
        """First and last input position that ``position`` sees, were there no border (they may lie outside the image).

        >>> Extent(0, 2, 4, Fraction(2), ((Fraction(-1), Fraction(1)),), 1, 4).window(1)
        (1, 3)
        """
        lo, hi = self.windows[position % len(self.windows)]
        return math.ceil(self.step * position + lo), math.floor(self.step * position + hi)


@dataclass(frozen=True)
class Ended:
    """The operation after which nothing is claimed along an image axis.

    known: True where its result does depend on all of the axis, or on the absolute position; False where no rule covers it. reason: which.
    before: the last tensor of which something is claimed along the axis, the operation's operand.
    """

    node: str
    operation: str
    module: str
    source: SourceLine | None
    reason: str
    known: bool = True
    before: Extent | None = None

    @property
    def place(self) -> str:
        """Where, in words."""
        return f"{self.operation} at {self.module or 'the model itself'}" + (f" ({self.source})" if self.source else "")


@dataclass(frozen=True)
class Interior:
    """Where an output is exactly equivariant to translations of an image that does not wrap.

    For two images x, x′ and a translation k by multiples of ``strides``, with x′[i + k] = x[i] for the inputs i that position u sees: if u and u + k/step both
    lie in the interior, T(x′)[u + k/step] = T(x)[u]. Nothing is asked of the images elsewhere.

    Attributes
    ----------
    extents: for each group axis what the output's positions see; None where something ended the claims, or the output has no positions along the axis.
    ended: for each group axis the operation that ended them, with the last tensor before it; None where none did.
    """

    extents: tuple[Extent | None, ...]
    ended: tuple[Ended | None, ...]

    def __post_init__(self) -> None:
        if len(self.extents) != len(self.ended):
            raise ValueError(
                f"an interior has an entry an axis; {len(self.extents)} extents and {len(self.ended)} ends came"
            )

    @property
    def exists(self) -> bool:
        """True where the interior has at least one position: no axis was ended."""
        return not any(self.ended) and all(e is None or e.stop > e.start for e in self.extents)

    @property
    def fraction(self) -> float:
        """The part of the output's positions that is interior; 0 where an axis was ended."""
        return 0.0 if any(self.ended) else math.prod(e.share for e in self.extents if e is not None)

    @property
    def known(self) -> bool:
        """False where an operation without a rule stands in the way."""
        return all(e is None or e.known for e in self.ended)

    @property
    def last(self) -> tuple[Extent | None, ...]:
        """For each axis the output's own extent, or that of the last tensor before the claims ended."""
        return tuple(x or (e.before if e else None) for x, e in zip(self.extents, self.ended, strict=True))

    @property
    def receptive_field(self) -> tuple[int, ...]:
        """Size of the receptive field along every axis that has one; of the last tensor that has one where the claims ended."""
        return tuple(e.receptive_field for e in self.last if e is not None)

    @property
    def strides(self) -> tuple[int, ...]:
        """Translations by multiples of these move the interior by whole positions, for every axis that has one; see ``receptive_field``."""
        return tuple(e.stride for e in self.last if e is not None)

    def __str__(self) -> str:
        extents = [e for e in self.last if e is not None]
        ended = {e.node: e for e in reversed(self.ended) if e is not None}
        if not ended and not extents:
            return "does not depend on positions of the image"
        sizes, fields, steps = (
            " × ".join(words)
            for words in (
                [str(e.size) for e in extents],
                [str(e.receptive_field) for e in extents],
                ["Z" if e.stride == 1 else f"{e.stride}Z" for e in extents],
            )
        )
        where = f"{_intervals(extents)} of {sizes} ({_percent(math.prod(e.share for e in extents))}) see no border"
        if not all(e.stop > e.start for e in extents):
            where = f"every one of {sizes} positions sees the border"
        facts = f"{where}; receptive field {fields}, step {steps}"
        if ended:
            lines = [f"{'none' if e.known else 'not known'}: {e.place} {e.reason}" for e in ended.values()]
            return "; ".join(lines + ([f"before it, {facts}"] if extents else []))
        if not self.exists:
            return f"empty: {facts}"
        return f"{where}: exactly equivariant to translations by {steps}; receptive field {fields}"


def _intervals(extents: list[Extent]) -> str:
    names = ("rows", "columns") if [e.axis for e in extents] == [0, 1] else ("positions",) * len(extents)
    return " × ".join(
        f"{name} {e.start}…{e.stop - 1}" if e.stop > e.start else f"no {name}"
        for name, e in zip(names, extents, strict=True)
    )


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %" if share in (0, 1) or share >= 0.1 else f"{100 * share:.1f} %"
