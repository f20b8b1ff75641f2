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

# Bytes of a strip of columns, and how many columns it has at the least; of one that is copied, which stays in the cache.
STRIP, COPIED = 2**22, 2**18
_LEAST = 64


class Columns:
    """The transforms of the columns of (n, count) arrays of one dtype, strip by strip, dealt out among threads.

    With `copied`, strips go through buffers. The entries of a column lie a row apart, often a power of two, where they
    share their places in the cache and no prefetcher sees them coming: this pays where they come from main memory.
    """

    def __init__(self, n: int, count: int, dtype: np.dtype[Any], threads: int, *, copied: bool = False) -> None:
        most = max(_LEAST, min((COPIED if copied else STRIP) // (n * dtype.itemsize), -(-count // threads)))
        self._width = -(-count // -(-count // most))  # strips of about the same size
        self._starts, self._threads, self._copied = range(0, count, self._width), threads, copied
        self._key = TransformKey(_engine(), (n, self._width), (0,), dtype.name)

    def forth(self, x: Array, out: Array) -> None:
        """Write F x of every column to `out`."""

        def run(transform: Transform, some: slice, held: Array | None) -> None:
            if held is None:
                transform.forward_into(x[:, some], out[:, some])
            else:
                held[...] = x[:, some]
                out[:, some] = transform.forward(held)

        self._run(run)

    def back(self, spectrum: Array, out: Array) -> None:
        """Write n·F⁻¹ of every column to `out`; the spectrum is lost."""

        def run(transform: Transform, some: slice, held: Array | None) -> None:
            if held is None:
                transform.inverse(spectrum[:, some], out[:, some])
            else:
                transform.inverse(np.array(spectrum[:, some]), held)
                out[:, some] = held

        self._run(run)

    def filter(self, x: Array, multiplier: Array) -> None:
        """n·F⁻¹(F x ⊙ M) of every complex column, in place."""

        def run(transform: Transform, some: slice, _: Array | None) -> None:
            strip = x[:, some]
            transform.forward_into(strip, strip)
            np.multiply(strip, multiplier[:, some], out=strip)
            transform.inverse(strip, strip)

        self._run(run)

    def _run(self, run: Callable[[Transform, slice, Array | None], None]) -> None:
        """`run` with a transform along axis 0, which columns, and memory for them if they are copied; for each strip."""
        count, width = self._starts.stop, self._width

        def strips(starts: Iterable[int]) -> None:
            held = np.empty(self._key.shape, dtype=self._key.dtype) if self._copied else None
            with borrow(self._key) as transform:
                for j in starts:
                    run(transform, slice(j, j + width), None if held is None else held[:, : count - j])

        run_parallel(strips, self._starts, self._threads)


@lru_cache(maxsize=1)
def _engine() -> str:
    """One that gathers several columns at once, if there is one; torch is always there."""
    return next(engine for engine in ("ducc0", "scipy", "torch") if engine in available())
