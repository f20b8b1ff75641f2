"""Products of spectra on the CPU for signals that are larger than the cache: three passes over memory, tile by tile.

**Planes and volumes**, over axes 1 … d: transform each slab along axes 2 … d; then, a few columns at a time, transform
along axis 1, multiply, transform back; then each slab back.

**Long rows**, n = n₁·n₂ samples. With i = i₁·n₂ + i₂ and k = k₁ + n₁·k₂ (Cooley & Tukey 1965),

    X[k₁ + n₁·k₂] = Σ_{i₂} ω_{n₂}^(i₂·k₂) · ω_n^(i₂·k₁) · Σ_{i₁} ω_{n₁}^(i₁·k₁) x[i₁·n₂ + i₂],

a transform of columns, a twiddle, and a transform of rows. A product of spectra may stand in any order of frequencies,
so that no transposition is needed: a row k₁ goes through its twiddle, the transform, the product, the transform back and
the twiddle back while it is in the cache. For real signals X[−k] = conj X[k] pairs the row k₁ with −k₁: the rows
0 … n₁/2, which a real transform of the columns leaves, are enough.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

from equiconv.convolution.engines.base import spectrum_shape
from equiconv.convolution.engines.pool import TransformKey, borrow
from equiconv.convolution.parallel import run_parallel

__all__ = ["TiledProduct", "factor_pair", "tiles_workspace"]

Array = npt.NDArray[Any]

_BLOCK = 2**18
# Columns are copied into a buffer, as many as fill some cache lines each.
_LEAST_LINE = 128


class TiledProduct:
    """y = F⁻¹(F x ⊙ M) as `BlockedProduct` has it, for a grid that does not fit into the cache.

    The spectrum of one signal is held in memory, `workspace` bytes.
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
        self.sizes, self.grid, self.dtype = tuple(sizes), tuple(grid), np.dtype(dtype)
        self.engine, self.threads, self.measured = engine, threads, measured
        self._is_real = self.dtype.kind == "f"
        self._spectrum_dtype = np.result_type(self.dtype, np.complex64)
        self._is_row = len(self.grid) == 1
        self._view: tuple[int, ...] = self.grid
        if self._is_row:
            pair = factor_pair(self.grid[0])
            if pair is None:
                raise ValueError(f"a row of {self.grid[0]} samples does not split into two factors")
            self._view = pair
            multiplier = _by_rows(multiplier, self.grid[0], pair, self._is_real)
        else:
            batch = multiplier.ndim - len(self.grid)
            multiplier = np.ascontiguousarray(np.moveaxis(multiplier, batch, -1))  # axis 1 last, as it is used
        self.multiplier = multiplier
        self._spare: list[Array] = []  # the spectrum of the last call: new memory costs as much as a pass

    @property
    def workspace(self) -> int:
        """The bytes of the spectrum of one signal."""
        return math.prod(self._frequencies) * self._spectrum_dtype.itemsize

    @property
    def _frequencies(self) -> tuple[int, ...]:
        axes = range(len(self._view))
        return spectrum_shape(self._view, (1, 0) if self._is_row else tuple(axes), self._is_real)

    def __call__(self, x: Array, out: Array) -> None:
        """Write the product with `x`, of shape (*batch, *sizes), to `out` of the same shape.

        Where signals are continued, `out` may hold any other first corner of the grid.
        """
        levels = len(self.sizes)
        batch = x.shape[: x.ndim - levels]
        try:
            spectrum = self._spare.pop()
        except IndexError:
            spectrum = _apart(self._frequencies, self._spectrum_dtype)
        run = self._row if self._is_row else self._grid
        for index in np.ndindex(*batch):
            of = tuple(i if n > 1 else 0 for i, n in zip(index, self.multiplier.shape[: len(batch)]))  # noqa: B905
            multiplier = self.multiplier[of] if self.multiplier.ndim > len(self._view) else self.multiplier
            if self.sizes == self.grid:
                source, target = _viewed(x[index], self._view), out[index]
                whole = target.reshape(self._view) if target.flags.c_contiguous else np.empty(self._view, self.dtype)
            else:
                source = np.zeros(self.grid, dtype=self.dtype)
                source[tuple(slice(0, n) for n in self.sizes)] = x[index]
                source, whole = source.reshape(self._view), np.empty(self._view, self.dtype)
            run(source, spectrum, multiplier, whole)
            if self.sizes != self.grid or not out[index].flags.c_contiguous:
                out[index] = whole.reshape(self.grid)[tuple(slice(0, n) for n in out.shape[-levels:])]
        if not self._spare:
            self._spare.append(spectrum)

    # -- planes and volumes -----------------------------------------------------------------------------------------

    def _grid(self, x: Array, spectrum: Array, multiplier: Array, out: Array) -> None:
        n, rest = x.shape[0], tuple(range(1, x.ndim))
        rows = max(1, _BLOCK // (math.prod(x.shape[1:]) * self.dtype.itemsize))
        slabs = self._key((min(rows, n), *x.shape[1:]), rest, self.dtype)
        flat, factors = spectrum, multiplier.reshape(-1, n)
        columns, inner = spectrum.T, spectrum_shape(x.shape, tuple(range(x.ndim)), self._is_real)[1:]
        width = self._width(n)
        lines = self._key((width, n), (1,), self._spectrum_dtype)

        def forth(starts: Iterable[int]) -> None:
            with borrow(slabs) as transform:
                for i in starts:
                    slab = transform.forward(x[i : i + rows])
                    flat[i : i + rows] = slab.reshape(len(slab), -1)

        def middle(starts: Iterable[int]) -> None:
            with borrow(lines) as transform:
                for j in starts:
                    line = transform.forward(columns[j : j + width])
                    np.multiply(line, factors[j : j + width], out=line)
                    transform.inverse(line, columns[j : j + width])

        def back(starts: Iterable[int]) -> None:
            with borrow(slabs) as transform:
                for i in starts:
                    slab = flat[i : i + rows]
                    own = transform.own_spectrum(slab.reshape(len(slab), *inner))
                    transform.inverse(own, out[i : i + rows])

        for run, count, step in ((forth, n, rows), (middle, len(columns), width), (back, n, rows)):
            run_parallel(run, list(range(0, count, step)), self.threads)

    # -- long rows --------------------------------------------------------------------------------------------------

    def _row(self, x: Array, spectrum: Array, multiplier: Array, out: Array) -> None:
        n1, n2 = self._view
        half = spectrum.shape[0]
        twiddles = _twiddles(n1, n2, half, self._spectrum_dtype.name)
        width = self._width(n1)
        columns = self._key((width, n1), (1,), self.dtype)
        heads = spectrum.T
        rows = max(1, _BLOCK // (n2 * self._spectrum_dtype.itemsize))
        lines = self._key((min(rows, half), n2), (1,), self._spectrum_dtype)

        def forth(starts: Iterable[int]) -> None:
            strip = _apart((n1, width), self.dtype)
            with borrow(columns) as transform:
                for j in starts:
                    part = x[:, j : j + width]
                    held = strip[:, : part.shape[1]]
                    held[...] = part
                    heads[j : j + width] = transform.forward(held.T)

        def middle(starts: Iterable[int]) -> None:
            with borrow(lines) as transform:
                for i in starts:
                    part = spectrum[i : i + rows]
                    np.multiply(part, twiddles[i : i + rows], out=part)
                    line = transform.forward(part)
                    np.multiply(line, multiplier[i : i + rows], out=line)
                    transform.inverse(line, part)
                    np.multiply(part, np.conj(twiddles[i : i + rows]), out=part)

        def back(starts: Iterable[int]) -> None:
            strip = _apart((n1, width), self.dtype)
            with borrow(columns) as transform:
                for j in starts:
                    part = out[:, j : j + width]
                    held = strip[:, : part.shape[1]]
                    transform.inverse(transform.own_spectrum(heads[j : j + width]), held.T)
                    part[...] = held

        for run, count, step in ((forth, n2, width), (middle, half, rows), (back, n2, width)):
            run_parallel(run, list(range(0, count, step)), self.threads)

    # -- shapes -----------------------------------------------------------------------------------------------------

    def _width(self, n: int) -> int:
        item = self._spectrum_dtype.itemsize
        return max(_LEAST_LINE // item, _BLOCK // (n * item))

    def _key(self, shape: tuple[int, ...], axes: tuple[int, ...], dtype: np.dtype[Any]) -> TransformKey:
        threads = 1
        return TransformKey(self.engine, shape, axes, dtype.name, threads, self.measured)


def _apart(shape: tuple[int, ...], dtype: np.dtype[Any]) -> Array:
    """An array of rows (all axes after the first in one) that lie no power of two apart.

    Where they do, the entries of a column share their places in the cache, and are gone before the next column is read.
    """
    length = math.prod(shape[1:])
    line = _LEAST_LINE // dtype.itemsize
    return np.empty((shape[0], length + line), dtype=dtype)[:, :length]


def _viewed(x: Array, shape: tuple[int, ...]) -> Array:
    return x.reshape(shape)


def tiles_workspace(grid: Sequence[int], itemsize: int, threads: int, *, is_padded: bool) -> int:
    """The bytes that a product in tiles holds beside its operands, at most.

    The spectrum of one signal, for a long row the twiddles, for a continued one the signal and its result; and for each
    thread the buffers of a tile.
    """
    signal = math.prod(grid) * itemsize
    longest = max(grid) if len(grid) > 1 else max(factor_pair(grid[0]) or grid)
    tile = max(_BLOCK, 2 * longest * itemsize, _LEAST_LINE * longest)
    if len(grid) > 1:
        tile = max(tile, math.prod(grid[1:]) * itemsize)
    spectra = 2 + (len(grid) == 1) + 2 * is_padded  # each a little more than the signal, for the frequency at n/2
    return spectra * signal + threads * 8 * tile


def factor_pair(n: int) -> tuple[int, int] | None:
    """n = n₁·n₂ with the factors as equal as can be, n₁ ≤ n₂; None where one would be smaller than 64.

    >>> factor_pair(2**18), factor_pair(2**17), factor_pair(2 * 65537)
    ((512, 512), (256, 512), None)
    """
    for n1 in range(math.isqrt(n), 63, -1):
        if n % n1 == 0:
            return n1, n // n1
    return None


@lru_cache(maxsize=4)
def _twiddles(n1: int, n2: int, half: int, dtype: str) -> Array:
    """ω_n^(−k₁·i₂), (half, n₂). The exponent is reduced modulo n as an integer, so that each angle is accurate."""
    n = n1 * n2
    table: Array = np.empty((half, n2), dtype=dtype)
    columns = np.arange(n2, dtype=np.int64)
    for k in range(half):  # row by row: the whole in double precision would take several times the memory
        table[k] = np.exp((k * columns % n) * (-2j * np.pi / n))
    table.flags.writeable = False
    return table


def _by_rows(multiplier: Array, n: int, pair: tuple[int, int], is_real: bool) -> Array:
    """M[k₁ + n₁·k₂] as an array over (k₁, k₂), from the half spectrum of a real kernel or the whole of a complex one."""
    n1, n2 = pair
    half = n1 // 2 + 1 if is_real else n1
    k = np.arange(half)[:, None] + n1 * np.arange(n2)[None, :]
    if not is_real:
        return np.ascontiguousarray(multiplier[..., k])
    mirrored = k > n // 2
    taken = multiplier[..., np.where(mirrored, n - k, k)]
    result: Array = np.where(mirrored, np.conj(taken), taken)
    return result
