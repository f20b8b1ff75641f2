"""Digits: what a reshape makes of a rolling dim.

The index u = (…, d₁, d₀) of a rolling signal moves as u ↦ u − m modulo its period. A digit moves by itself only where nothing is carried into it, but all of
them together always do: an odometer. So a reshape costs nothing as long as no operation touches one digit without those below it.

The digits of one signal in a tensor form a chain: places 1, b₁, b₁·b₂, …, each level once; the highest that is present may occur several times, because all its
copies take the same carry (the queries and keys of attention over blocks). Levels above may be missing: what is below does not depend on them.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace
from fractions import Fraction

from equiconv.certification.states import Digit, Dim, Factor, Still, Window, canonical

Signals = dict[tuple[int, Fraction, int], list[Digit]]
Copies = Counter[tuple[tuple[int, Fraction, int], int]]


def digits_of(dims: Iterable[Sequence[Factor]]) -> Signals:
    """All digits in the dims, by the signal they are digits of."""
    found: Signals = {}
    for dim in dims:
        for factor in dim:
            if isinstance(factor, Digit):
                found.setdefault(factor.signal, []).append(factor)
    return found


def chained(digits: Iterable[Digit]) -> bool:
    """True when every digit is there with all those below it, each once, so that its carry is known."""
    levels = sorted(Counter((digit.place, digit.size) for digit in digits).items())
    expected = 1
    for position, ((place, size), copies) in enumerate(levels):
        if place != expected or (copies > 1 and position < len(levels) - 1):
            return False
        expected *= size
    return True


def faulty(dims: Iterable[Sequence[Factor]]) -> list[Digit]:
    """The digits of a signal whose action on the tensor is not known, or an empty list."""
    return next((digits for digits in digits_of(dims).values() if not chained(digits)), [])


def place_paid(digits: Sequence[Digit]) -> int:
    """The smallest number of entries such that under shifts by its multiples each digit stays put or rolls by itself: nothing is carried."""
    return math.lcm(*(d.place if d.place * d.size == d.period else d.place * d.size for d in digits))


def normal(dims: Iterable[Sequence[Factor]], strides: Sequence[int], shape: Sequence[int]) -> tuple[Dim, ...]:
    """Canonical form of the dims of a whole tensor under K.

    Digits that no shift in K moves are still, the others are digits of the signal of those blocks, a signal's only digit is a roll, and neighbours
    (outer, inner) are one digit again.
    """
    laid = [tuple(dim) for dim in dims]
    signals = digits_of(laid)
    if signals:
        settled = {signal: _settled(digits, strides[signal[0]]) for signal, digits in signals.items()}
        laid = [tuple(settled[f.signal][f] if isinstance(f, Digit) else f for f in dim) for dim in laid]
        copies = copies_of(laid)
        laid = [merged(dim, copies) for dim in laid]
    return tuple(canonical(dim, strides, shape) for dim in laid)


def _settled(digits: Sequence[Digit], stride: int) -> dict[Digit, Factor]:
    """What each digit is under shifts by multiples of ``stride``."""
    moved = int(stride / abs(digits[0].step))  # entries of the signal
    if moved % place_paid(digits) == 0:
        return {d: _by_itself(d, moved) for d in digits}
    # Blocks of entries that every shift in K moves whole: a digit within the block is still, the others are digits of the block's number.
    block = max(
        b
        for b in {1, *(d.place for d in digits)}
        if moved % b == 0 and all(d.place % b == 0 or b % (d.place * d.size) == 0 for d in digits)
    )
    return {
        d: Still(d.size)
        if d.place % block
        else _alone(replace(d, step=d.step * block, period=d.period // block, place=d.place // block))
        for d in digits
    }


def _by_itself(digit: Digit, moved: int) -> Factor:
    """A digit into which nothing is carried: u ↦ u − moved is d ↦ d − moved/place, modulo its size."""
    if moved % (digit.place * digit.size) == 0:
        return Still(digit.size)
    return Window(digit.size, digit.axis, digit.step * digit.place, digit.size)


def _alone(digit: Digit) -> Factor:
    """A digit that is its whole signal is a roll."""
    whole = digit.place == 1 and digit.size == digit.period
    return Window(digit.size, digit.axis, digit.step, digit.period) if whole else digit


def copies_of(dims: Iterable[Sequence[Factor]]) -> Copies:
    """How often each level of a signal occurs in a tensor."""
    return Counter((d.signal, d.place) for digits in digits_of(dims).values() for d in digits)


def merged(dim: Sequence[Factor], copies: Copies) -> Dim:
    """Neighbours (outer, inner) as one digit. Not where a copy of the outer one would be left without the inner one."""
    out: list[Factor] = []
    for factor in dim:
        last = out[-1] if out else None
        if (
            isinstance(last, Digit)
            and isinstance(factor, Digit)
            and last.signal == factor.signal
            and last.place == factor.place * factor.size
            and copies[last.signal, last.place] == 1
            and copies[factor.signal, factor.place] == 1
        ):
            out[-1] = _alone(replace(factor, size=last.size * factor.size))
        else:
            out.append(factor)
    return tuple(out)


__all__ = ["chained", "copies_of", "digits_of", "faulty", "merged", "normal", "place_paid"]
