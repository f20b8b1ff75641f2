"""How a shift of the input should act on an output: the ρ of f(g·x) = ρ(g)·f(x), and for which shifts it is defined."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

from equiconv.arrays import Array, namespace
from equiconv.measurement.outputs import Part, copied, parts_of

__all__ = ["ACTIONS", "Action", "OutputAction", "roll_amounts"]

#: What `measure` and `falsify` take as output_action: a name, or a function of the shift and the unshifted output.
OutputAction: TypeAlias = str | Callable[[tuple[int, ...], Any], Any]

ACTIONS = ("natural", "invariant", "equivariant")


def roll_amounts(sizes: Sequence[int], shape: Sequence[int], shift: Sequence[int]) -> tuple[int, ...] | None:
    """By how much dims of these sizes roll when axes of sizes `shape` are shifted: k·m/n each, or None where that is no
    integer.

    A grid of m points that samples an axis of n points moves by k·m/n when the axis moves by k. A single point stays.

    >>> roll_amounts((4, 1), (8, 8), (6, 5)), roll_amounts((4,), (8,), (3,))
    ((3, 0), None)
    """
    amounts = []
    for m, n, k in zip(sizes, shape, shift, strict=True):
        if m == 1:
            amounts.append(0)
        elif k * m % n:
            return None
        else:
            amounts.append(k * m // n)
    return tuple(amounts)


class Action:
    """ρ, worked out for the outputs of one function.

    natural: an output of the input's rank rolls in the dims at the input's positions, counted from the end, by k·m/n
    for size m; every other output stays as it is. invariant: every output stays. equivariant: every output rolls,
    whatever its rank. A function is given the shift and the unshifted output, and returns what f should return, or None
    where it has nothing to say of that shift.

    Raises `ValueError` or `TypeError` for another word, or where "equivariant" is asked of an output without those
    dims.
    """

    def __init__(
        self, rule: OutputAction, rank: int, axes: Sequence[int], shape: Sequence[int], parts: Sequence[Part], raw: Any
    ) -> None:
        if not callable(rule) and rule not in ACTIONS:
            raise ValueError(
                f"output_action: got {rule!r}; pass one of {ACTIONS} or a function (shift, output) → output"
            )
        self.rule = rule
        self.shape = tuple(shape)
        self.parts = tuple(parts)
        # A bare array is handed out as our copy, which no later call of f can overwrite.
        self.raw = parts[0].value if len(parts) == 1 and not parts[0].path else raw
        self.dims: tuple[tuple[int, ...], ...] = tuple(self._dims(part, rank, axes) for part in parts)

    def _dims(self, part: Part, rank: int, axes: Sequence[int]) -> tuple[int, ...]:
        """The dims in which a part rolls, from the end; none where it stays."""
        if callable(self.rule) or self.rule == "invariant":
            return ()
        lacks = any(-a > part.value.ndim for a in axes)
        if self.rule == "equivariant" and lacks:
            raise ValueError(
                f'output_action: "equivariant" needs the dims {tuple(axes)} in {part.label}, '
                f"which has the shape {tuple(part.value.shape)}"
            )
        if lacks or (self.rule == "natural" and part.value.ndim != rank):
            return ()
        return tuple(axes)

    def sizes(self, index: int) -> tuple[int, ...]:
        """Sizes of the dims in which the part rolls; none where it stays."""
        return tuple(int(self.parts[index].value.shape[d]) for d in self.dims[index])

    def strides(self, index: int) -> tuple[int, ...]:
        """Per group axis, the step of the shifts for which the part's action is defined."""
        if not self.dims[index]:
            return (1,) * len(self.shape)
        return tuple(1 if m == 1 else n // math.gcd(n, m) for m, n in zip(self.sizes(index), self.shape, strict=True))

    def expected(self, shift: tuple[int, ...]) -> list[Array | None]:
        """What each part should be after the shift; None where the action is not defined for it."""
        if callable(self.rule):
            acted = self.rule(shift, copied(self.raw))  # which may write into what it is given
            if acted is None:
                return [None] * len(self.parts)
            values = parts_of(acted)
            if [p.path for p in values] != [p.path for p in self.parts]:
                raise TypeError(
                    f"output_action: returned {[p.label for p in values]} for the shift {shift}, but f returns "
                    f"{[p.label for p in self.parts]}; return the same structure"
                )
            return [p.value for p in values]
        return [self._rolled(i, shift) for i in range(len(self.parts))]

    def _rolled(self, index: int, shift: tuple[int, ...]) -> Array | None:
        value = self.parts[index].value
        if not self.dims[index]:
            return value
        amounts = roll_amounts(self.sizes(index), self.shape, shift)
        if amounts is None:
            return None
        return value if not any(amounts) else namespace(value).roll(value, amounts, axis=self.dims[index])

    def describe(self, index: int) -> str:
        """The part's action in words."""
        if callable(self.rule):
            return f"acts by {getattr(self.rule, '__name__', 'the given function')}"
        return f"rolls in the dims {self.dims[index]}" if self.moves(index) else "stays"

    def moves(self, index: int) -> bool:
        """Whether any shift moves the part."""
        return bool(self.dims[index]) and any(m > 1 for m in self.sizes(index))
