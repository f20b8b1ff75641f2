"""Transforms along the first axis of a matrix, where its entries lie: a strip of columns at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

from equiconv.convolution.engines import available
from equiconv.convolution.engines.base import Transform
from equiconv.convolution.engines.pool import TransformKey, borrow
from equiconv.convolution.parallel import run_parallel

__all__ = ["STRIP", "Columns"]

Array = npt.NDArray[Any]

# Bytes of a strip of columns, and how many columns it has at the least.
STRIP = 2**22
_LEAST = 64


class Columns:
    """The transforms of the columns of (n, count) arrays of one dtype, strip by strip, dealt out among threads."""

    def __init__(self, n: int, count: int, dtype: np.dtype[Any], threads: int) -> None:
        self._starts = range(0, count, width := _width(n, count, dtype.itemsize, threads))
        self._width, self._threads = width, threads
        self._key = TransformKey(_engine(), (n, width), (0,), dtype.name)

    def __call__(self, run: Callable[[Transform, slice], None]) -> None:
        """`run` with a transform along axis 0 for each strip, whose columns the slice names."""

        def some(starts: Iterable[int]) -> None:
            with borrow(self._key) as transform:
                for j in starts:
                    run(transform, slice(j, j + self._width))

        run_parallel(some, self._starts, self._threads)

    def forth(self, x: Array, out: Array) -> None:
        """Write F x of every column to `out`."""
        self(lambda transform, some: transform.forward_into(x[:, some], out[:, some]))

    def back(self, spectrum: Array, out: Array) -> None:
        """Write n·F⁻¹ of every column to `out`; the spectrum is lost."""
        self(lambda transform, some: transform.inverse(spectrum[:, some], out[:, some]))

    def filter(self, x: Array, multiplier: Array) -> None:
        """n·F⁻¹(F x ⊙ M) of every complex column, in place."""

        def run(transform: Transform, some: slice) -> None:
            strip = x[:, some]
            transform.forward_into(strip, strip)
            np.multiply(strip, multiplier[:, some], out=strip)
            transform.inverse(strip, strip)

        self(run)


def _width(n: int, count: int, itemsize: int, threads: int) -> int:
    """Columns of a strip: about as many in each, few enough for the cache and for every thread to have some."""
    most = max(_LEAST, min(STRIP // (n * itemsize), -(-count // threads)))
    return -(-count // -(-count // most))


@lru_cache(maxsize=1)
def _engine() -> str:
    """One that gathers several columns at once, if there is one; torch is always there."""
    return next(engine for engine in ("ducc0", "scipy", "torch") if engine in available())
