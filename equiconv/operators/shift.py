"""Shift matrices: the circulants of unit vectors (lecture items L26, L29)."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import numpy as np

from equiconv.arrays import Array, asarray_like, library, namespace
from equiconv.operators.base import Convention, Operator, check_convention, integer
from equiconv.operators.circulant import Circulant, Slogdet
from equiconv.operators.indexing import grid_of

__all__ = ["Shift"]


class Shift(Circulant):
    """The shift matrix S_k = Circulant(e_k): S_k @ x = roll(x, k), that is (S_k x)[i] = x[i − k mod n].

    `n` is the size of the level and `k` any integer; tuples of both make a shift of several levels. It belongs to no
    array library or dtype: it moves the entries of any array, integers too, and exactly. Where it must become an array
    by itself (`dense`, sums and multiples of shifts alone) that is NumPy float64; beside another operand it follows
    that one.

    Under `convention="correlation"` it is the circulant of e_k in that convention, (S_k x)[i] = x[i + k mod n], which
    is the lecture's equation (11). The product of two shifts is a shift, and so are powers, inverse and transpose.

    Raises `TypeError` for what is not an integer and `ValueError` for sizes below 1 or different numbers of levels.

    >>> S = Shift(1, 4)
    >>> S @ np.asarray([10.0, 20.0, 30.0, 40.0])
    array([40., 10., 20., 30.])
    >>> S @ S, S.inv(), S.power(4)
    (Shift(2, 4), Shift(3, 4), Shift(0, 4))
    """

    def __init__(self, k: int | Iterable[int], n: int | Iterable[int], convention: Convention = "convolution") -> None:
        check_convention(convention)
        sizes = tuple(integer(m, "n", least=1) for m in (n if isinstance(n, Iterable) else (n,)))
        shifts = tuple(integer(j, "k") for j in (k if isinstance(k, Iterable) else (k,)))
        if not sizes or len(shifts) != len(sizes):
            raise ValueError(f"k and n must have one entry for each level, at least one, got k = {k!r} and n = {n!r}")
        sign = 1 if convention == "convolution" else -1
        self._sizes = sizes
        self._shifts = tuple(sign * j % m for j, m in zip(shifts, sizes, strict=True))
        self._convention = convention

    def _moved(self, shifts: Iterable[int]) -> Shift:
        """The shift that rolls by `shifts`, its k read in this one's convention."""
        sign = 1 if self._convention == "convolution" else -1
        return Shift(tuple(sign * j for j in shifts), self._sizes, self._convention)

    @property
    def k(self) -> int | tuple[int, ...]:
        """The k with `Shift(k, n, convention)` equal to this matrix, reduced modulo n; a tuple for several levels."""
        sign = 1 if self._convention == "convolution" else -1
        k = tuple(sign * j % m for j, m in zip(self._shifts, self._sizes, strict=True))
        return k[0] if len(k) == 1 else k

    @property
    def sizes(self) -> tuple[int, ...]:
        return self._sizes

    @property
    def batch(self) -> tuple[int, ...]:
        return ()

    @property
    def _column(self) -> Array:
        column = np.zeros(self._sizes)
        column[self._shifts] = 1
        return column

    def _column_like(self, x: Array) -> Array:
        return asarray_like(self._column, x)

    def __repr__(self) -> str:
        n = self._sizes[0] if len(self._sizes) == 1 else self._sizes
        convention = "" if self._convention == "convolution" else f", convention={self._convention!r}"
        return f"Shift({self.k}, {n}{convention})"

    def __eq__(self, other: object) -> bool:
        """Whether both are the same matrix."""
        if not isinstance(other, Shift):
            return NotImplemented
        return (self._shifts, self._sizes) == (other._shifts, other._sizes)

    def __hash__(self) -> int:
        return hash((self._shifts, self._sizes))

    def _check_signal(self, x: Array, name: str) -> None:  # noqa: ARG002 (any dtype can be moved)
        library(x)

    def _transform(self, x: Array, gap: int) -> Array:  # noqa: ARG002 (no batch to align)
        return namespace(x).roll(x, self._shifts, axis=tuple(range(-self.ndim, 0)))

    def _compose(self, other: Operator[Any]) -> Any:
        """S_j S_k = S_{j+k}; S_k C_w = C_{S_k w}, whose entries are those of w, moved."""
        if not isinstance(other, Circulant):
            return super()._compose(other)
        self._require_same_sizes(other)
        if isinstance(other, Shift):
            return self._moved(a + b for a, b in zip(self._shifts, other._shifts, strict=True))
        return self._with_column(self._transform(other._column, 0))

    def _scaled(self, scalar: Any) -> Circulant:
        if isinstance(scalar, (int, float, complex)):
            return super()._scaled(scalar)
        column = self._column_like(scalar)
        return self._with_column(column * scalar)

    def dense(self, like: Array | None = None) -> Array:
        """The permutation matrix, (N, N), in NumPy float64, or in the library, dtype and device of the array `like`.

        >>> Shift(1, 3).dense().tolist()
        [[0.0, 0.0, 1.0], [1.0, 0.0, 0.0], [0.0, 1.0, 0.0]]
        """
        dense = super().dense()
        return dense if like is None else asarray_like(dense, like)

    @property
    def T(self) -> Shift:
        """The transpose, which is the inverse."""
        return self.inv()

    @property
    def H(self) -> Shift:
        """The adjoint, which is the inverse."""
        return self.inv()

    def inv(self) -> Shift:
        """The shift back."""
        return self.power(-1)

    def pinv(self) -> Shift:
        """The inverse: a shift is never singular."""
        return self.inv()

    def solve(self, b: Array) -> Array:
        """The x with S @ x = b, exactly."""
        return self.inv() @ b

    def power(self, p: int) -> Shift:
        """S^p, the shift by p·k, for any integer p."""
        exponent = integer(p, "p")
        return self._moved(exponent * j for j in self._shifts)

    def _spectrum(self) -> Array:
        """exp(−2πi·Σ_a j_a·k_a/n_a), its exponent reduced modulo 1 in integers first."""
        grid = grid_of(self._sizes)
        turns = sum((j * g % m) / m for j, g, m in zip(self._shifts, grid, self._sizes, strict=True))
        return np.exp(-2j * np.pi * np.asarray(turns)).reshape(self._sizes)

    def cond(self) -> Array:
        """1: a shift is orthogonal."""
        return np.float64(1.0)

    def slogdet(self) -> Slogdet:
        """The sign of the permutation, and 0.

        A roll by j on a cycle of n is an n-cycle to the power j, of sign (−1)^((n−1)·j), once for each line of the
        grid.
        """
        N = math.prod(self._sizes)
        odd = sum((m - 1) * j * (N // m) for j, m in zip(self._shifts, self._sizes, strict=True)) % 2
        return Slogdet(np.float64(-1.0 if odd else 1.0), np.float64(0.0))
