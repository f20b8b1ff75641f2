"""What each way of computing a convolution is expected to take, from a table of measurements.

The table, `timings.json`, is data: nanoseconds a sample for grids of one to three axes, smooth and prime, for each
engine, layout and dtype, on one core. `python -m benchmarks.timings` writes it anew. Only the ratios decide, and these
move less from machine to machine than the times do.
"""

from __future__ import annotations

import itertools
import json
import math
from collections.abc import Sequence
from functools import lru_cache
from importlib.resources import files
from typing import Any

from equiconv.arrays import fast_length

__all__ = ["dense_seconds", "is_smooth", "largest_prime_factor", "padded_grid", "stencil_seconds", "transform_seconds"]

# Engines transform by chirps beyond factors of about this size, at several times the cost.
LARGE_PRIME = 11
# Fewer signals than this are measured on their own.
FEW = 4


@lru_cache(maxsize=1)
def _table() -> dict[str, Any]:
    text = files("equiconv.convolution").joinpath("timings.json").read_text(encoding="utf-8")
    table: dict[str, Any] = json.loads(text)
    return table


@lru_cache(maxsize=256)
def largest_prime_factor(n: int) -> int:
    """The largest prime factor of n, 1 for n = 1.

    >>> largest_prime_factor(360), largest_prime_factor(101)
    (5, 101)
    """
    largest, p = 1, 2
    while p * p <= n:
        while n % p == 0:
            largest, n = p, n // p
        p += 1
    return max(largest, n)


def is_smooth(sizes: Sequence[int]) -> bool:
    """Whether no size has a prime factor of `LARGE_PRIME` or more, beyond which transforms are slower."""
    return all(largest_prime_factor(n) < LARGE_PRIME for n in sizes)


def padded_grid(n: int) -> int:
    """The length of a fast transform that holds a signal of n samples and every shift of it: at least 2n − 1.

    A multiple of 16 where that is little longer: libraries have their best kernels for powers of 2.

    >>> padded_grid(1009), padded_grid(11)
    (2048, 21)
    """
    even = 16 * fast_length(-(-(2 * n - 1) // 16))
    return even if n >= 64 else fast_length(2 * n - 1)


def transform_seconds(engine: str, layout: str, dtype: str, grid: Sequence[int], rows: float) -> float | None:
    """The time of `rows` products of spectra on this grid; None where the table has nothing like it."""
    lengths = [n for n in grid if n > 1] or [1]
    kind = "smooth" if is_smooth(lengths) else "prime"
    measured = _table()["transforms"].get(f"{engine}/{layout}", {}).get(dtype, {}).get(str(min(len(lengths), 3)), {})
    samples = math.prod(grid)
    if rows < FEW and f"one {kind}" in measured:  # too few for the lanes of a vector register
        return float(rows * samples * _interpolated(measured[f"one {kind}"], samples) * 1e-9)
    smooth, prime = measured.get("smooth"), measured.get("prime")
    if not (smooth or prime):
        return None
    # axes of both kinds: each has its share of the work, by log2 of its length
    slow = sum(math.log(n) for n in lengths if not is_smooth((n,)))
    share = slow / math.log(samples) if slow else 0.0
    once = sum(
        part * _interpolated(points, samples)
        for part, points in ((1 - share, smooth or prime), (share, prime or smooth))
        if part
    )
    return float(_table()["calls"][engine] * 1e-6 + rows * samples * once * 1e-9)


def stencil_seconds(dtype: str, axes: int, taps: int, samples: int) -> float:
    """The time of the defining sum over this many samples in all."""
    entry = _table()["stencil"][dtype]
    return float(entry["call"] * taps * 1e-6 + samples * (entry["once"] + taps * entry["tap"][min(axes, 3) - 1]) * 1e-9)


def dense_seconds(dtype: str, n: int, rows: int) -> float:
    """The time of a product with an n × n matrix."""
    entry = _table()["dense"][dtype]
    return float(entry["call"] * 1e-6 + rows * n * _interpolated(entry["points"], n) * 1e-9)


def _interpolated(points: Sequence[Sequence[float]], samples: int) -> float:
    """Nanoseconds a sample, linear in log N between the measured points and constant beyond them."""
    if samples <= points[0][0]:
        return points[0][1]
    for (low, before), (high, after) in itertools.pairwise(points):
        if samples <= high:
            weight = math.log(samples / low) / math.log(high / low)
            return before + weight * (after - before)
    return points[-1][1]
