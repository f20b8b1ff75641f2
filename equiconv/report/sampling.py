"""Which shifts an audit measures: all where there are few; else uniform draws for the statistics, and two grids to look
at."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from equiconv.measurement.sampling import ALL

# Entries (positions of the group) that one network is run on, per purpose: what bounds the time of an audit at any size
# of the image.
_DRAWN, _GRID, _NEAR = 3_000_000, 10_000_000, 4_000_000


@dataclass(frozen=True)
class ShiftPlan:
    """The shifts to measure.

    draws: uniform draws, or None for all shifts. grid: values along each axis of a coarse grid over the whole group;
        near: of all shifts up to a few positions
    either way. Both are None where all shifts are measured, or where the group has more than two axes.
    """

    draws: int | None
    grid: tuple[tuple[int, ...], ...] | None
    near: tuple[tuple[int, ...], ...] | None


def plan_shifts(
    shape: Sequence[int],
    steps: Sequence[int],
    draws: int | None = None,
    cells: int | None = None,
    radius: int | None = None,
) -> ShiftPlan:
    """Choose the shifts to measure on a group of this shape.

    steps: strides that the grid should hit (those of the largest subgroup there is to see). draws: how many uniform
        draws; by default 3,000,000 over the number of
    shifts, 32 to 128. cells: about how many shifts in the grid; by default 10,000,000 over the number of shifts, 48 to
    256. radius: of the shifts near 0; by default 2 to 4. A group of at most 1,024 shifts is measured whole unless draws
    are asked for.

    >>> plan = plan_shifts((224, 224), (32, 32))
    >>> plan.draws, len(plan.grid[0]), plan.near[0]
    (59, 14, (-4, -3, -2, -1, 0, 1, 2, 3, 4))
    """
    total = math.prod(shape)
    for name, value in (("draws", draws), ("cells", cells)):
        if value is not None and value < 1:
            raise ValueError(f"{name}: got {value}; measure at least one shift")
    if radius is not None and radius < 0:
        raise ValueError(f"radius: got {radius}; pass a number of positions, 0 or more")
    if total <= ALL and draws is None:
        return ShiftPlan(None, None, None)
    draws = draws or max(32, min(128, _DRAWN // total))
    if len(shape) > 2:
        return ShiftPlan(draws, None, None)
    cells = cells or max(48, min(256, _GRID // total))
    if radius is None:
        radius = 4 if 81 * total <= _NEAR * 1.1 else 3 if 49 * total <= _NEAR * 1.1 else 2
    spacing = (total / cells) ** (1 / max(1, sum(n > 1 for n in shape)))
    grid = tuple(tuple(range(0, n, _nearest(spacing, s, n))) for n, s in zip(shape, steps, strict=True))
    near = tuple(tuple(range(-min(radius, (n - 1) // 2), min(radius, (n - 1) // 2) + 1)) for n in shape)
    return ShiftPlan(draws, grid, near)


def _nearest(spacing: float, stride: int, n: int) -> int:
    """The divisor or multiple of the stride nearest to the spacing (in ratio), so that the grid meets the stride's
    multiples regularly."""
    if stride >= n:
        return max(1, min(n, round(spacing)))
    divisors = [d for d in range(1, stride + 1) if stride % d == 0]
    multiples = range(stride, n + 1, stride)
    nearest: int = min([*divisors, *multiples], key=lambda g: abs(math.log(g / spacing)))
    return nearest
