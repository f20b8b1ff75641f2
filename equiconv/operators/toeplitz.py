"""Toeplitz matrices: constant along each diagonal, without wrapping round (lecture item L10).

A convolution that does not wrap is one: `Toeplitz.valid` is the lecture's equation (5). A Toeplitz matrix is a corner
of a larger circulant, so its product with a vector costs a circular convolution of about twice the length.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import torch

from equiconv.arrays import (
    Array,
    DType,
    device,
    fast_length,
    is_complex,
    namespace,
    promote,
    require_floating,
)
from equiconv.convolution.filtering import SpectralFilter, half_spectrum, is_fast
from equiconv.convolution.plain import host
from equiconv.operators.base import Convention, Operator, broadcast, check_convention, integer, scale
from equiconv.operators.kept import kept_of
from equiconv.operators.mapping import unmapped

__all__ = ["Toeplitz"]


class Toeplitz(Operator["Toeplitz"]):
    """The m×n Toeplitz matrix T[i, j] = first_column[i − j] for i ≥ j and first_row[j − i] for i < j.

    `first_column` has shape (*batch, m) and `first_row` (*batch, n); the batches broadcast. Their first entries are
    the same entry of the matrix and must be equal. The product with a vector or matrix is computed by a circulant
    embedding and never writes the matrix out; torch gradients flow.

    Raises `TypeError` for dtypes that are not floating or mixed libraries, `ValueError` for empty axes, batches that do
    not broadcast, or corners that differ.

    >>> T = Toeplitz(np.asarray([1.0, 2.0, 3.0]), np.asarray([1.0, 5.0]))
    >>> T.dense().tolist()
    [[1.0, 5.0], [2.0, 1.0], [3.0, 2.0]]
    >>> bool(np.allclose(T @ np.asarray([1.0, 1.0]), [6.0, 3.0, 5.0]))
    True
    """

    def __init__(self, first_column: Array, first_row: Array) -> None:
        for array, name in ((first_column, "first_column"), (first_row, "first_row")):
            require_floating(array, name)
            if array.ndim == 0 or array.shape[-1] == 0:
                raise ValueError(
                    f"{name} must have at least one entry on its last axis, got shape {tuple(array.shape)}"
                )
        xp = namespace(first_column, first_row)
        column, row = first_column, first_row
        if column.dtype != row.dtype:
            dtype = xp.result_type(column.dtype, row.dtype)
            column, row = xp.astype(column, dtype, copy=False), xp.astype(row, dtype, copy=False)
        batch = tuple(column.shape[:-1])
        if batch != tuple(row.shape[:-1]):
            batch = broadcast(batch, tuple(row.shape[:-1]), "first_row")
            column = xp.broadcast_to(column, (*batch, column.shape[-1]))
            row = xp.broadcast_to(row, (*batch, row.shape[-1]))
        differs = unmapped(column[..., 0] != row[..., 0])
        if bool(xp.any(differs) if differs.ndim else differs):
            raise ValueError(
                "first_column[..., 0] and first_row[..., 0] are the same entry of the matrix and must be equal"
            )
        self._column, self._row = column, row

    @classmethod
    def valid(cls, w: Array, n: int, convention: Convention = "convolution") -> Toeplitz:
        """The (n − k + 1)×n matrix that slides a kernel of k ≤ n entries over a signal of n, inside its borders.

        Under `convention="correlation"` its rows are (w_1 … w_k 0 …), (0 w_1 … w_k 0 …), …: the lecture's equation (5).
        Under `convention="convolution"` the kernel is reversed, as in `numpy.convolve(x, w, "valid")`.

        >>> Toeplitz.valid(np.asarray([1.0, 2.0]), 4, convention="correlation").dense().tolist()
        [[1.0, 2.0, 0.0, 0.0], [0.0, 1.0, 2.0, 0.0], [0.0, 0.0, 1.0, 2.0]]
        """
        check_convention(convention)
        require_floating(w, "w")
        size = integer(n, "n", least=1)
        k = int(w.shape[-1]) if w.ndim else 0
        if not 1 <= k <= size:
            raise ValueError(
                f"w must have between 1 and n = {size} entries on its last axis, got shape {tuple(w.shape)}: "
                f"a longer kernel has no place inside the signal"
            )
        xp = namespace(w)
        taps = w if convention == "correlation" else xp.flip(w, axis=-1)
        zeros = xp.zeros((*w.shape[:-1], size - k), dtype=w.dtype, device=device(w))
        return cls(xp.concat([taps[..., :1], zeros], axis=-1), xp.concat([taps, zeros], axis=-1))

    @property
    def batch(self) -> tuple[int, ...]:
        return tuple(int(n) for n in self._column.shape[:-1])

    @property
    def sizes_in(self) -> tuple[int, ...]:
        return (int(self._row.shape[-1]),)

    @property
    def sizes_out(self) -> tuple[int, ...]:
        return (int(self._column.shape[-1]),)

    @property
    def dtype(self) -> DType:
        """The dtype of the entries."""
        return self._column.dtype

    @property
    def first_column(self) -> Array:
        """The first column, (*batch, m)."""
        return self._column

    @property
    def first_row(self) -> Array:
        """The first row, (*batch, n)."""
        return self._row

    def __repr__(self) -> str:
        batch = f", batch={self.batch}" if self.batch else ""
        return f"Toeplitz({self.sizes_out[0]}×{self.sizes_in[0]}, {str(self.dtype).rpartition('.')[2]}{batch})"

    def _transform(self, x: Array, gap: int) -> Array:
        (x, column, row), dtype = promote(x, self._column, self._row)
        m = self.sizes_out[0]
        kept = kept_of(self._kept, (column, row), _embedded, levels=1) if is_fast(x) else None
        if kept is not None or (is_fast(x) and is_fast(column) and is_fast(row)):
            if kept is not None:
                self._kept = kept
                product = kept.product()
            else:
                kernel = _embedded(host(column), host(row))
                product = SpectralFilter(half_spectrum(kernel, 1), kernel.shape[-1:], kernel.dtype)
            result = product(host(x), gap, length=m)
            y = torch.from_numpy(result) if isinstance(x, torch.Tensor) else result
            return y if y.dtype == dtype else namespace(y).astype(y, dtype, copy=False)
        xp = namespace(x)
        kernel = _embedded(column, row)
        length = int(kernel.shape[-1])
        kernel = xp.reshape(kernel, (*self.batch, *(1,) * gap, length))
        if 0 in (*x.shape, *kernel.shape):  # torch transforms no empty batch; this one keeps the gradient's way
            y = x[..., :1] * kernel[..., :m]
        elif is_complex(x):
            y = xp.fft.ifft(xp.fft.fft(x, n=length) * xp.fft.fft(kernel))
        else:
            y = xp.fft.irfft(xp.fft.rfft(x, n=length) * xp.fft.rfft(kernel), n=length)
        return xp.astype(y[..., :m], dtype, copy=False)

    def dense(self) -> Array:
        """The matrix itself, (*batch, m, n): the only place where it is written out."""
        xp = namespace(self._column)
        m, n = self.sizes_out[0], self.sizes_in[0]
        diagonals = xp.concat([xp.flip(self._row[..., 1:], axis=-1), self._column], axis=-1)
        position = np.arange(m)[:, None] - np.arange(n)[None, :] + n - 1
        index = xp.asarray(position.reshape(-1), device=device(self._column))
        return xp.reshape(xp.take(diagonals, index, axis=-1), self.shape)

    @property
    def T(self) -> Toeplitz:
        """The transpose: row and column change places."""
        return Toeplitz(self._row, self._column)

    @property
    def H(self) -> Toeplitz:
        """The adjoint: the conjugate of the transpose."""
        if not is_complex(self._column):
            return self.T
        xp = namespace(self._column)
        return Toeplitz(xp.conj(self._row), xp.conj(self._column))

    def __add__(self, other: Any) -> Toeplitz:
        if not isinstance(other, Toeplitz):
            return NotImplemented
        if (self.sizes_out, self.sizes_in) != (other.sizes_out, other.sizes_in):
            raise ValueError(f"Toeplitz matrices of shapes {self.shape} and {other.shape} cannot be added")
        broadcast(self.batch, other.batch, "the other Toeplitz matrix")
        return Toeplitz(self._column + other._column, self._row + other._row)

    def __sub__(self, other: Any) -> Toeplitz:
        return self + (-other) if isinstance(other, Toeplitz) else NotImplemented

    def _scaled(self, scalar: Any) -> Toeplitz:
        return Toeplitz(scale(self._column, scalar), scale(self._row, scalar))

    def apply(self, x: Array, axes: int | Iterable[int] | None = None) -> Array:
        """The same map along one named axis of `x` (default: the last), whose size changes from n to m.

        The batch broadcasts against the other axes of `x`. Raises as `T @ x` does.

        >>> Toeplitz.valid(np.ones(2), 3).apply(np.ones((3, 5)), axes=0).shape
        (2, 5)
        """
        return super().apply(x, axes)


def _embedded(column: Array, row: Array) -> Array:
    """(column, 0, …, 0, reversed rest of the row), (*batch, L): its circulant has the matrix as its upper left corner.

    L ≥ m + n − 1 is a length that transforms are fast at.
    """
    xp = namespace(column, row)
    m, n = int(column.shape[-1]), int(row.shape[-1])
    length = fast_length(m + n - 1)
    if type(column) is np.ndarray:  # the same with fewer calls
        kernel = np.zeros((*column.shape[:-1], length), dtype=column.dtype)
        kernel[..., :m] = column
        kernel[..., length - n + 1 :] = row[..., :0:-1]
        return kernel
    between = xp.zeros((*column.shape[:-1], length - m - n + 1), dtype=column.dtype, device=device(column))
    return xp.concat([column, between, xp.flip(row[..., 1:], axis=-1)], axis=-1)
