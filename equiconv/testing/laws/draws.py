"""What the laws draw: grids, kernel sizes and values that shrink to something small enough to be read."""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Any

import numpy as np

from equiconv.testing.laws.record import Draw

__all__ = ["LONG", "SIZES", "draw_floats", "draw_grid", "draw_integers", "draw_kernel_sizes", "draw_shift"]

#: Grids that the law `sizes` walks through, by the number of axes: 1, primes, odd, even, powers of two, with large prime factors, not square.
SIZES: dict[int, tuple[tuple[int, ...], ...]] = {
    1: tuple((n,) for n in (*range(1, 18), 19, 22, 23, 27, 31, 32, 37, 64, 97, 121)),
    2: (*((a, b) for a in range(1, 6) for b in range(1, 6)), (3, 7), (7, 3), (1, 8), (8, 1), (8, 8), (6, 9), (11, 4), (13, 2), (16, 5)),
    3: ((1, 1, 1), (1, 2, 3), (3, 1, 2), (2, 2, 2), (3, 3, 3), (2, 3, 4), (4, 3, 2), (5, 2, 1), (1, 4, 4), (2, 5, 3), (4, 4, 4)),
}  # fmt: skip

#: Grids of the law `long`, which are too long to be written out; the dense matrix of each still fits in memory.
LONG: dict[int, tuple[tuple[int, ...], ...]] = {
    1: ((521,), (1031,)),
    2: ((3, 257), (67, 5), (33, 32)),
    3: ((11, 10, 9), (2, 3, 70)),
}

_LARGEST = {1: 16, 2: 6, 3: 4}
_BEYOND = (17, 24, 31, 32, 45, 64, 97)  # more entries than are drawn one by one
_ENTRIES = 96  # that are drawn one by one


@lru_cache(maxsize=512)
def _integers(low: int, high: int) -> Any:
    from hypothesis import strategies as st

    return st.integers(low, high)


@lru_cache(maxsize=1024)
def _lists(count: int, low: int, high: int) -> Any:
    from hypothesis import strategies as st

    return st.lists(st.integers(low, high), min_size=count, max_size=count)


def draw_grid(draw: Draw, dims: int, least: int = 1, cap: int | None = None) -> tuple[int, ...]:
    """Sizes of a grid with so many axes, now and then a long one, or at most `cap`. They shrink to `least`."""
    if cap is not None:
        return tuple(draw(_integers(least, max(cap, least))) for _ in range(dims))
    largest = _LARGEST.get(dims, 2)
    sizes = [draw(_integers(least, max(largest, least))) for _ in range(dims)]
    if dims == 1 and sizes[0] == largest:
        sizes = [_BEYOND[draw(_integers(0, len(_BEYOND) - 1))]]
    return tuple(sizes)


def draw_kernel_sizes(draw: Draw, grid: tuple[int, ...], length: str) -> tuple[int, ...]:
    """Sizes of a kernel: ``"fit"`` (at most the grid's), ``"equal"``, or ``"longer"`` along one axis at least."""
    if length == "equal":
        return grid
    if length == "fit":
        return tuple(draw(_integers(1, n)) for n in grid)
    axis = draw(_integers(0, len(grid) - 1))
    times = 4 if len(grid) < 3 else 3  # rounds at most, such that all entries can be written out
    return tuple(
        draw(_integers(n + 1, times * n + 2)) if a == axis else draw(_integers(1, n + 1)) for a, n in enumerate(grid)
    )


def draw_integers(draw: Draw, shape: tuple[int, ...], complex_: bool = False, largest: int = 3) -> Any:
    """Integers from −3 to 3 in float64 (Gaussian ones in complex128). They shrink to 0, entry by entry.

    Beyond 96 entries they are the product of a seed, and do not shrink.
    """
    if complex_:
        real = draw_integers(draw, shape, largest=largest)
        return real + 1j * draw_integers(draw, shape, largest=largest)
    count = math.prod(shape)
    if count > _ENTRIES:
        return np.random.default_rng(draw(_integers(0, 2**16))).integers(-largest, largest + 1, shape).astype(float)
    return np.array(draw(_lists(count, -largest, largest)), dtype=float).reshape(shape)


def draw_floats(draw: Draw, shape: tuple[int, ...], complex_: bool = False) -> Any:
    """Numbers k/1021 from −4 to 4 in double precision: all their digits are used, and none fits a narrower dtype. They shrink to 0, 1, −1, …"""
    drawn = draw_integers(draw, shape, complex_, largest=4084)
    return np.where(np.abs(drawn) <= 3, drawn, drawn / 1021)


def draw_shift(draw: Draw, sizes: tuple[int, ...], strides: tuple[int, ...] | None = None) -> tuple[int, ...]:
    """A shift by multiples of the strides, other than 0 where there is one; it shrinks to a step along the last axis."""
    steps = strides or (1,) * len(sizes)
    counts = [n // s for n, s in zip(sizes, steps, strict=True)]
    code = draw(_integers(1, math.prod(counts) - 1)) if math.prod(counts) > 1 else 0
    shift = []
    for count, step in zip(reversed(counts), reversed(steps), strict=True):
        code, digit = divmod(code, count)
        shift.append(digit * step)
    return tuple(reversed(shift))
