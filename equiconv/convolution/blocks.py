"""Products of spectra on the CPU, block by block: y = F⁻¹(F x ⊙ M) with each block in the cache from forth to back.

Whole-array passes (a transform of everything, a product of everything, a transform back) read and write main memory at
every step. A block of two megabytes or less goes through all steps before the next is touched, so that memory is read
once and written once. Signals that are larger than the cache themselves are the business of `tiles`.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from equiconv.arrays import dtype_name
from equiconv.convolution.engines.base import Transform
from equiconv.convolution.engines.pool import TransformKey, give, take
from equiconv.convolution.engines.registry import make_transform
from equiconv.convolution.parallel import run_parallel

__all__ = ["BlockedProduct", "signals_in_block", "split"]

Array = npt.NDArray[Any]
Index = tuple[slice, ...]

# Bytes of signal in a block, as measured. FFTW copies into buffers of its own and holds three times as much; a call of
# torch costs more.
_BLOCK = {"fftw": 2**17, "ducc0": 2**21, "mkl": 2**21, "torch": 2**20, "scipy": 2**19}
# Engines that gather several rows, one in each lane of a vector register, are given as many; but not where they would
# then take tens of megabytes.
_LANES = {"ducc0": 8, "scipy": 4}
_LARGE, _VERY_LARGE = 2**19, 2**21
# ducc0 gathers 16 rows of float32 for AVX-512; where rows lie a multiple of a page apart, they share their places in the
# cache and throw each other out, and fewer rows are twice as fast.
_PAGE, _SHARING = 4096, 8
# Transforms that one product keeps to itself: one for each thread that calls it, up to this many.
_HELD = 4
# Frequencies from which a product of spectra is as fast as one long row.
_LONG_ROW = 400
# Threads cost some 50 µs to start: below this many bytes of signal one is faster.
_PARALLEL = 2**20


class BlockedProduct:
    """y = F⁻¹(F x ⊙ M) over the last axes of x, for one multiplier M.

    `multiplier` has shape (*batch, *frequencies), the frequencies being those of `grid` (half of the last axis' for
    real signals), and holds the factor 1/N of the inverse. Its batch axes are as many as those of the signals, or none,
    and broadcast. `sizes` are those of the signals along the last axes, which are continued by zeros to `grid`.
    """

    def __init__(
        self,
        multiplier: Array,
        sizes: Sequence[int],
        grid: Sequence[int],
        dtype: npt.DTypeLike,
        engine: str,
        threads: int = 1,
        *,
        measured: bool = False,
    ) -> None:
        self.multiplier = multiplier
        self.sizes, self.grid = tuple(sizes), tuple(grid)
        self.dtype = np.dtype(dtype)
        self._dtype_name = dtype_name(self.dtype)
        self.engine, self.threads, self.measured = engine, threads, measured
        self._levels = len(self.sizes)
        self._shared = math.prod(multiplier.shape[: multiplier.ndim - self._levels]) == 1
        if self._shared:
            self.multiplier = multiplier.reshape(multiplier.shape[multiplier.ndim - self._levels :])
        self.keep = False  # whether transforms stay here between calls, for an object that is called again
        self._held: list[tuple[TransformKey, Transform]] = []
        self._layouts: dict[tuple[tuple[int, ...], bool], _Layout] = {}

    def __call__(self, x: Array, out: Array) -> None:
        """Write the product with `x`, of shape (*batch, *sizes), to `out` of the same shape.

        Where signals are continued, `out` may hold any other first corner of the grid.
        """
        grouped = self._shared and x.ndim > self._levels and x.flags.c_contiguous and out.flags.c_contiguous
        layout = self._layouts.get((x.shape, grouped))
        if layout is None:
            layout = self._lay_out(x.shape, grouped)
        key, parts, batch, multiplier = layout
        if grouped:
            x, out = x.reshape(*batch, *self.sizes), out.reshape(*batch, *out.shape[-self._levels :])
        if len(parts) == 1:
            item = self._own(key)
            item[1].filter(x, multiplier, out)
            if self.keep and len(self._held) < _HELD:
                self._held.append(item)
            else:
                give(*item)
            return
        run_parallel(lambda some: self._run(key, some, x, out, multiplier), parts, self._threads(x.nbytes))

    def _threads(self, size: int) -> int:
        """Among how many threads blocks of so many bytes in all are dealt out."""
        return self.threads if size >= _PARALLEL and self.engine != "torch" else 1

    def single(self, shape: tuple[int, ...]) -> Callable[[Array], Array] | None:
        """For signals of this shape that are one block, a function that returns the product; it serves one thread.

        None where there are several blocks, or signals are continued.
        """
        key, parts, *_ = self._lay_out(shape, grouped=False)
        if len(parts) > 1 or self.sizes != self.grid or key.shape != shape:
            return None
        multiplier = self.multiplier
        if self._shared and multiplier.size < _LONG_ROW:
            multiplier = np.ascontiguousarray(np.broadcast_to(multiplier, (*shape[: -self._levels], *multiplier.shape)))
        return make_transform(key.engine, key.shape, key.axes, key.dtype, key.threads, measured=key.measured).filtered(
            multiplier
        )

    def _own(self, key: TransformKey) -> tuple[TransformKey, Transform]:
        """The transform of the last call, if no other thread has it and it is of this kind."""
        try:
            item = self._held.pop()
        except IndexError:
            return key, take(key)
        if item[0] is key:
            return item
        give(*item)
        return key, take(key)

    def _run(self, key: TransformKey, parts: Iterable[Index], x: Array, out: Array, multiplier: Array) -> None:
        transform = take(key)
        # Samples that lie far apart share their places in the cache. A copy of the block in the order in which it lies
        # reads memory once; ducc0, which gathers several signals at once, needs none.
        is_apart = x.strides[-1] != x.itemsize and self.engine != "ducc0"
        for part in parts:
            block = np.array(x[part]) if is_apart else x[part]
            factors = multiplier if self._shared else _multiplier_of(multiplier, part)
            transform.filter(block, factors, out[part])
        give(key, transform)

    def _lay_out(self, shape: tuple[int, ...], grouped: bool) -> _Layout:
        """Blocks for signals of this shape; `grouped` where their batch may be seen as any other of as many signals."""
        batch, multiplier = shape[: len(shape) - self._levels], self.multiplier
        most = signals_in_block(self.engine, self._dtype_name, self.grid, self.dtype.itemsize)
        total, threads = math.prod(batch), self._threads(math.prod(shape) * self.dtype.itemsize)
        if total > most and threads > 1:
            # as many blocks for each thread, so that none waits for the last one of another
            rounds = -(-total // (most * threads))
            most = -(-total // (rounds * threads))
        if grouped:
            group = _group(total, multiplier.size, most)
            batch = (total // group, group) if group > 1 else (total,)
            if group > 1:
                multiplier = np.ascontiguousarray(np.broadcast_to(multiplier, (group, *multiplier.shape)))
                blocks = -(-total // most)
                most = -(-batch[0] // blocks) * group  # as many blocks, of whole groups
        block, parts = split(batch, most)
        axes = tuple(range(len(batch), len(batch) + self._levels))
        # One block is the engine's to divide among threads; of several, each thread takes some.
        threads = threads if len(parts) == 1 else 1
        key = TransformKey(self.engine, (*block, *self.grid), axes, self._dtype_name, threads, self.measured)
        if len(self._layouts) >= 8:
            self._layouts.clear()
        layout = self._layouts[shape, grouped] = _Layout(key, parts, batch, multiplier)
        return layout


class _Layout(NamedTuple):
    """How signals of one shape are cut up: the transform of a block, where blocks lie, the batch, and the multiplier."""

    key: TransformKey
    parts: list[Index]
    batch: tuple[int, ...]
    multiplier: Array


def _multiplier_of(multiplier: Array, part: Index) -> Array:
    return multiplier[tuple(s if n > 1 else slice(0, 1) for s, n in zip(part, multiplier.shape))]  # noqa: B905


def _group(signals: int, frequencies: int, most: int) -> int:
    """How many signals share multipliers that are written out for each of them: NumPy is slower on short rows.

    Few of the `most` that go together, so that these can be divided among blocks.

    >>> _group(16384, 33, 4096), _group(100, 33, 4096), _group(16384, 33, 16), _group(16384, 1025, 256)
    (16, 4, 4, 1)
    """
    group = 1
    while group * frequencies < _LONG_ROW and 8 * group <= most and signals % (2 * group) == 0:
        group *= 2
    return group


def signals_in_block(engine: str, dtype: str, grid: Sequence[int], itemsize: int) -> int:
    """How many signals go through the transforms together, at most.

    >>> signals_in_block("fftw", "float64", (1024,), 8)
    16
    """
    signal = math.prod(grid) * itemsize
    most = max(1, _BLOCK[engine] // signal)
    single = dtype in ("float32", "complex64")
    if engine in _LANES and len(grid) == 1 and signal <= _VERY_LARGE:
        most = max(most, _LANES[engine] if signal <= _LARGE * (1 + single) else 4)
    if engine == "ducc0" and single and len(grid) == 1 and signal % _PAGE == 0:
        most = min(most, _SHARING)
    return most


def split(batch: Sequence[int], most: int) -> tuple[tuple[int, ...], list[Index]]:
    """Blocks of at most `most` signals: the shape of the largest, and where each lies in the batch.

    >>> split((2, 5), 2)[0], len(split((2, 5), 2)[1])
    ((1, 2), 6)
    """
    if not batch:
        return (), [()]
    if math.prod(batch) <= most:
        return tuple(batch), [tuple(slice(0, n) for n in batch)]
    axis, inner = len(batch) - 1, 1
    while axis > 0 and inner * batch[axis] <= most:
        inner *= batch[axis]
        axis -= 1
    count = -(-batch[axis] // max(1, most // inner))
    step = -(-batch[axis] // count)  # blocks of about the same size
    outer = itertools.product(*(range(n) for n in batch[:axis]))
    rest = tuple(slice(0, n) for n in batch[axis + 1 :])
    parts = [
        (*(slice(i, i + 1) for i in before), slice(i, min(i + step, batch[axis])), *rest)
        for before in outer
        for i in range(0, batch[axis], step)
    ]
    return (*(1,) * axis, step, *batch[axis + 1 :]), parts
