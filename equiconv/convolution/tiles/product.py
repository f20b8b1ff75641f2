"""The product with one multiplier for signals that do not fit into the cache, one signal after another."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from equiconv.convolution.tiles.columns import STRIP
from equiconv.convolution.tiles.grids import TILE, GridPasses
from equiconv.convolution.tiles.rows import RowPasses

__all__ = ["TiledProduct", "tiles_workspace"]

Array = npt.NDArray[Any]


class TiledProduct:
    """y = F⁻¹(F x ⊙ M) as `BlockedProduct` has it, for a grid that does not fit into the cache.

    The spectrum of one signal is held in memory, `workspace` bytes. With `ordered=True`, M lies as `tiled_spectra`
    returns it.
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
        ordered: bool = False,
    ) -> None:
        self.sizes, self.grid, self.dtype = tuple(sizes), tuple(grid), np.dtype(dtype)
        self.engine, self.threads, self.measured = engine, threads, measured
        self._passes = _passes(self.grid, self.dtype, engine, threads, measured=measured)
        self.multiplier = multiplier if ordered else self._passes.laid_out(multiplier)
        self._spare: list[Array] = []  # the spectrum of the last call: new memory costs as much as a pass

    @property
    def workspace(self) -> int:
        """The bytes of the spectrum of one signal."""
        return math.prod(self._passes.frequencies) * self._passes.spectrum_dtype.itemsize

    def __call__(self, x: Array, out: Array) -> None:
        """Write the product with `x`, of shape (*batch, *sizes), to `out` of the same shape.

        Where signals are continued, `out` may hold any other first corner of the grid.
        """
        levels, view = len(self.sizes), self._passes.view
        batch = x.shape[: x.ndim - levels]
        try:
            spectrum = self._spare.pop()
        except IndexError:
            spectrum = self._passes.empty()
        for index in np.ndindex(*batch):
            of = tuple(i if n > 1 else 0 for i, n in zip(index, self.multiplier.shape[: len(batch)]))  # noqa: B905
            multiplier = self.multiplier[of] if self.multiplier.ndim > self._passes.rank else self.multiplier
            if self.sizes == self.grid:
                source, target = x[index].reshape(view), out[index]
                whole = target.reshape(view) if target.flags.c_contiguous else np.empty(view, self.dtype)
            else:
                source = np.zeros(self.grid, dtype=self.dtype)
                source[tuple(slice(0, n) for n in self.sizes)] = x[index]
                source, whole = source.reshape(view), np.empty(view, self.dtype)
            self._passes.filter(source, spectrum, multiplier, whole)
            if self.sizes != self.grid or not out[index].flags.c_contiguous:
                out[index] = whole.reshape(self.grid)[tuple(slice(0, n) for n in out.shape[-levels:])]
        if not self._spare:
            self._spare.append(spectrum)


def tiled_spectra(u: Array, levels: int, engine: str, threads: int = 1, *, measured: bool = False) -> Array:
    """F u over the last `levels` axes, half of it for real u, in the order in which a product in tiles takes it."""
    grid = u.shape[u.ndim - levels :]
    return _passes(grid, u.dtype, engine, threads, measured=measured).spectra(u)


def _passes(
    grid: tuple[int, ...], dtype: np.dtype[Any], engine: str, threads: int, *, measured: bool
) -> RowPasses | GridPasses:
    made = RowPasses if len(grid) == 1 else GridPasses
    return made(grid, dtype, engine, threads, measured=measured)


def tiles_workspace(grid: Sequence[int], itemsize: int, threads: int, *, is_padded: bool) -> int:
    """The bytes that a product in tiles holds beside its operands, at most.

    The spectrum of one signal, for a continued one the signal and its result; and for each thread a slab (which is as large
    as the signal where the first axis has one entry) or some rows, and a strip of columns where no library transforms it
    in place, each with its spectrum and its result.
    """
    signal = math.prod(grid) * itemsize
    slab = math.prod(grid[1:]) * itemsize if len(grid) > 1 else 0
    tile = max(max(TILE.values()), slab) + STRIP
    spectra = 2 + 2 * is_padded  # each a little more than the signal, for the frequency at n/2
    return spectra * signal + threads * 3 * tile + threads * 2**16
