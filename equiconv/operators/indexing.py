"""Index arithmetic on a periodic grid of several levels, flattened in row-major order. Host integers only."""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
import numpy.typing as npt

__all__ = ["differences", "grid_of", "wrapped_diagonals"]

Indices: TypeAlias = npt.NDArray[np.intp]


def grid_of(sizes: tuple[int, ...]) -> Indices:
    """The multi-index of each flat index, (d, N)."""
    grid: Indices = np.indices(sizes, dtype=np.intp).reshape(len(sizes), -1)
    return grid


def differences(sizes: tuple[int, ...]) -> Indices:
    """The flat index of (i − j) mod n for flat indices i, j: (N, N)."""
    grid = grid_of(sizes)
    wrapped = (grid[:, :, None] - grid[:, None, :]) % np.asarray(sizes)[:, None, None]
    return _flat(wrapped, sizes)


def wrapped_diagonals(sizes: tuple[int, ...]) -> Indices:
    """The flat position in an N×N matrix of its entry (j + k, j), for the shift k (row) and the column j: (N, N)."""
    grid = grid_of(sizes)
    wrapped = (grid[:, :, None] + grid[:, None, :]) % np.asarray(sizes)[:, None, None]
    N = grid.shape[1]
    positions: Indices = _flat(wrapped, sizes) * N + np.arange(N, dtype=np.intp)
    return positions


def _flat(index: Indices, sizes: tuple[int, ...]) -> Indices:
    """The flat index of the multi-indices along the first axis."""
    flat: Indices = np.asarray(np.ravel_multi_index(tuple(index), sizes), dtype=np.intp)
    return flat
