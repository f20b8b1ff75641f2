"""What is known of a tensor without wrap-around: which of its dims lie on the image, what each position sees, and where the border is not seen.

The claim, for one image axis at a time, all other indices held: position u of a :class:`Grid` reads no input along its axis outside

    step·u + lo[u mod p] … step·u + hi[u mod p],

and for all u in start … stop − 1 with the same u mod p the value is **one and the same function** of that window (and of all of the image along the other
axes). So a translation by a multiple of step·p moves the values inside by whole positions. Nothing is claimed of the positions outside start … stop − 1.

The claims of two axes make one of rectangles: a function that reads only the rows R and only the columns C reads only R × C, and one translation follows
the other.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import TypeAlias

from equiconv.certification.interior.result import Ended
from equiconv.certification.states import Still

Span: TypeAlias = tuple[Fraction, Fraction]

#: Above this many positions before a pattern repeats nothing is claimed: it never repeats within a tensor.
LONGEST_PERIOD = 4096


@dataclass(frozen=True)
class Grid:
    """A dim, or a digit of one, whose positions lie along an image axis; see the module for the claim.

    windows: lo and hi for each u mod p, so that p is their number. start, stop: the clean positions; equal where there are none.
    """

    size: int
    axis: int
    step: Fraction
    windows: tuple[Span, ...]
    start: int
    stop: int

    @property
    def period(self) -> int:
        """How many positions lie between two that compute the same function."""
        return len(self.windows)


Factor: TypeAlias = Still | Grid
Dim: TypeAlias = tuple[Factor, ...]


@dataclass(frozen=True)
class Local:
    """State of a tensor that depends on the input: its dims, and for each image axis what ended the claims along it (None where nothing did)."""

    dims: tuple[Dim, ...]
    ended: tuple[Ended | None, ...]

    @property
    def shape(self) -> tuple[int, ...]:
        return tuple(size_of(dim) for dim in self.dims)


def size_of(dim: Iterable[Factor]) -> int:
    return math.prod(factor.size for factor in dim)


def still(size: int) -> Dim:
    return (Still(size),) if size != 1 else ()


def grids_of(dims: Iterable[Dim]) -> list[Grid]:
    """Every grid in the dims."""
    return [factor for dim in dims for factor in dim if isinstance(factor, Grid)]


def axes_of(dims: Iterable[Dim]) -> set[int]:
    return {grid.axis for grid in grids_of(dims)}


def canonical(dim: Iterable[Factor], ended: Sequence[Ended | None]) -> Dim:
    """Grids of ended axes are still, and neighbours that are still are one."""
    out: list[Factor] = []
    for factor in dim:
        if isinstance(factor, Grid) and ended[factor.axis] is not None:
            factor = Still(factor.size)
        if isinstance(factor, Still):
            if factor.size == 1:
                continue
            if out and isinstance(out[-1], Still):
                out[-1] = Still(out[-1].size * factor.size)
                continue
        out.append(factor)
    return tuple(out)


def longest_run(inside: Sequence[bool]) -> tuple[int, int]:
    """Start and stop of the longest run of True, the first of equals; (0, 0) without one.

    >>> longest_run([True, False, True, True])
    (2, 4)
    """
    best, begin = (0, 0), None
    for i, held in enumerate([*inside, False]):
        if held and begin is None:
            begin = i
        elif not held and begin is not None:
            best = (begin, i) if i - begin > best[1] - best[0] else best
            begin = None
    return best


def sample(
    grid: Grid, size: int, reads: Sequence[Sequence[int]], advance: int, good: tuple[int, int] | None = None
) -> Grid | None:
    """The grid of a tensor whose position r + f·q computes, for every q, the same function of the positions reads[r] + advance·q of ``grid``, f = len(reads).

    good: positions for which that holds; all of them by default. A read outside the tensor makes its reader unclean. None where the pattern does not
    repeat soon.
    """
    f, p = len(reads), grid.period
    step = grid.step * advance / f
    period = f * (p // math.gcd(p, advance))  # q must carry the reads by whole periods: advance·q ∈ p·Z
    if period > LONGEST_PERIOD:
        return None
    windows: list[Span] = []
    for r in range(period):
        at = [v + advance * (r // f) for v in reads[r % f]]
        low = min(grid.step * v + grid.windows[v % p][0] for v in at)
        high = max(grid.step * v + grid.windows[v % p][1] for v in at)
        windows.append((low - step * r, high - step * r))
    first, last = [min(r) for r in reads], [max(r) for r in reads]
    begin, end = good or (0, size)
    inside = [
        begin <= u < end
        and first[u % f] + advance * (u // f) >= grid.start
        and last[u % f] + advance * (u // f) < grid.stop
        for u in range(size)
    ]
    start, stop = longest_run(inside)
    return Grid(size, grid.axis, step, tuple(windows), start, stop)


def embed(grid: Grid, size: int, offset: int) -> Grid:
    """The grid as positions offset … of a longer (or, for a negative offset or a smaller size, cut) dim; what is new is unclean."""
    p = grid.period
    windows = [grid.windows[(r - offset) % p] for r in range(p)]
    start, stop = max(0, grid.start + offset), min(size, grid.stop + offset)
    if stop <= start:
        start = stop = 0
    return replace(
        grid,
        size=size,
        windows=tuple((lo - grid.step * offset, hi - grid.step * offset) for lo, hi in windows),
        start=start,
        stop=stop,
    )


def together(a: Grid, b: Grid) -> Grid | None:
    """The grid of f(a[u], b[u]), None where a translation moves the two by different numbers of positions."""
    if (a.axis, a.step, a.size) != (b.axis, b.step, b.size):
        return None
    period = math.lcm(a.period, b.period)
    if period > LONGEST_PERIOD:
        return None
    pairs = [(a.windows[r % a.period], b.windows[r % b.period]) for r in range(period)]
    start, stop = max(a.start, b.start), min(a.stop, b.stop)
    if stop <= start:
        start = stop = 0
    return replace(a, windows=tuple((min(x[0], y[0]), max(x[1], y[1])) for x, y in pairs), start=start, stop=stop)
