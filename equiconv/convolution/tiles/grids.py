"""Planes and volumes, over axes 1 … d: each slab along axes 2 … d; then columns along axis 1, multiplied and back; then
each slab back.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import numpy as np
import numpy.typing as npt

from equiconv.convolution.engines.base import spectrum_shape
from equiconv.convolution.engines.pool import TransformKey, borrow
from equiconv.convolution.parallel import run_parallel
from equiconv.convolution.tiles.columns import Columns

__all__ = ["TILE", "GridPasses"]

Array = npt.NDArray[Any]

# Bytes of a slab, if it has more than one entry along the first axis. FFTW copies it into buffers of its own.
TILE = {"fftw": 2**18, "ducc0": 2**20, "mkl": 2**20, "torch": 2**20, "scipy": 2**20}


class GridPasses:
    """The three passes over a grid of two axes or more."""

    def __init__(
        self, grid: tuple[int, ...], dtype: np.dtype[Any], engine: str, threads: int, *, measured: bool
    ) -> None:
        self.view = grid
        self.spectrum_dtype = np.result_type(dtype, np.complex64)
        self.frequencies = spectrum_shape(grid, tuple(range(len(grid))), dtype.kind == "f")
        self.rank = len(grid)
        self._threads = threads
        self._columns = Columns(grid[0], math.prod(self.frequencies[1:]), self.spectrum_dtype, threads)
        rows = max(1, min(-(-grid[0] // threads), TILE[engine] // (math.prod(grid[1:]) * dtype.itemsize)))
        self._slabs = TransformKey(engine, (rows, *grid[1:]), tuple(range(1, len(grid))), dtype.name, 1, measured)

    def empty(self) -> Array:
        """Memory for the spectrum of one signal."""
        return np.empty(self.frequencies, dtype=self.spectrum_dtype)

    def laid_out(self, multiplier: Array) -> Array:
        """The multiplier in the order in which it is used: its own."""
        return np.ascontiguousarray(multiplier)

    def spectra(self, u: Array) -> Array:
        """F u over the last axes."""
        batch = u.shape[: u.ndim - self.rank]
        result: Array = np.empty((*batch, *self.frequencies), dtype=self.spectrum_dtype)
        for index in np.ndindex(*batch):
            self._forth(u[index], result[index])
            flat = result[index].reshape(len(result[index]), -1)
            self._columns.forth(flat, flat)
        return result

    def filter(self, x: Array, spectrum: Array, multiplier: Array, out: Array) -> None:
        """Write n·F⁻¹(F x ⊙ M) to `out`, by way of `spectrum`."""
        n = len(x)
        self._forth(x, spectrum)
        self._columns.filter(spectrum.reshape(n, -1), multiplier.reshape(n, -1))
        rows = self._slabs.shape[0]

        def run(starts: Iterable[int]) -> None:
            with borrow(self._slabs) as transform:
                for i in starts:
                    own = transform.own_spectrum(spectrum[i : i + rows])
                    transform.inverse(own, out[i : i + rows])

        run_parallel(run, range(0, n, rows), self._threads)

    def _forth(self, x: Array, spectrum: Array) -> None:
        rows = self._slabs.shape[0]

        def run(starts: Iterable[int]) -> None:
            with borrow(self._slabs) as transform:
                for i in starts:
                    transform.forward_into(x[i : i + rows], spectrum[i : i + rows])

        run_parallel(run, range(0, len(x), rows), self._threads)
