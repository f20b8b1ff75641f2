"""The circulant matrix itself, for signals so short that a product with it beats a transform."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["DenseProduct", "circulant_matrix", "differences"]

Array = npt.NDArray[Any]


class DenseProduct:
    """y = x ⋆ u as a matrix product over the last axes of x, for kernels u of shape (*batch, *sizes).

    The batch axes of the kernel are as many as those of the signals, or none, and broadcast.
    """

    def __init__(self, u: Array, sizes: Sequence[int]) -> None:
        self.sizes = tuple(sizes)
        matrix = circulant_matrix(u, len(self.sizes))
        self._shared = math.prod(matrix.shape[:-2]) == 1
        self.matrix = matrix.reshape(matrix.shape[-2:]) if self._shared else matrix

    def __call__(self, x: Array, out: Array) -> None:
        """Write the product with `x`, of shape (*batch, *sizes), to `out` of the same shape."""
        n = math.prod(self.sizes)
        batch = x.shape[: x.ndim - len(self.sizes)]
        if not self._shared:
            out[...] = (x.reshape(*batch, 1, n) @ self.matrix).reshape(out.shape)
            return
        # by `dot` here and in `single`, so that bits do not depend on the way; it copies rows that BLAS cannot read
        rows = x.reshape(-1, n)
        if out.flags.c_contiguous:
            rows.dot(self.matrix, out.reshape(-1, n))
        else:
            out[...] = rows.dot(self.matrix).reshape(out.shape)

    def single(self, shape: tuple[int, ...]) -> Callable[[Array], Array] | None:
        """For signals of this shape, a function that returns the product; None where they are not rows already.

        `dot` of more axes than two is not a matrix product of BLAS, but a loop of scalar products.
        """
        if not self._shared or len(self.sizes) > 1 or len(shape) > 2:
            return None
        matrix = self.matrix
        return lambda x: x.dot(matrix)


def circulant_matrix(u: Array, levels: int) -> Array:
    """D[j, i] = u[(i − j) mod n] over flattened indices, (*batch, N, N), so that x @ D is x ⋆ u.

    >>> circulant_matrix(np.asarray([1.0, 2.0, 3.0]), 1).tolist()
    [[1.0, 2.0, 3.0], [3.0, 1.0, 2.0], [2.0, 3.0, 1.0]]
    """
    sizes = u.shape[u.ndim - levels :]
    if levels == 1:  # D[j, i] = (u, u)[n − j + i]: each row is a window of the kernel written twice
        n = sizes[0]
        twice = np.concatenate([u, u], axis=-1)
        step = twice.strides[-1]  # no itemsize where the axes of u were moved: what is joined lies as its parts do
        windows = np.lib.stride_tricks.as_strided(
            twice[..., n:], (*u.shape[:-1], n, n), (*twice.strides[:-1], -step, step), writeable=False
        )
        return np.ascontiguousarray(windows)
    flat = u.reshape(*u.shape[: u.ndim - levels], -1)
    return np.ascontiguousarray(flat[..., differences(sizes)])


@lru_cache(maxsize=16)
def differences(sizes: tuple[int, ...]) -> Array:
    """(i − j) mod n over flattened indices."""
    index = np.zeros((1, 1), dtype=np.intp)
    for n in sizes:
        difference = (np.arange(n)[None, :] - np.arange(n)[:, None]) % n
        # the flattened index of a pair is that of the axes before, times n, plus this axis'
        index = (index[:, None, :, None] * n + difference[None, :, None, :]).reshape(len(index) * n, -1)
    index.flags.writeable = False
    return index
