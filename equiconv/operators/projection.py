"""The orthogonal projection of matrices onto the circulants, in the Frobenius norm (lecture item L30).

The positions (i, j) of a matrix fall into N classes by i − j modulo the levels, the wrapped diagonals. Circulants are
the matrices that are constant on each, so the nearest one takes each diagonal's mean. It is also the average of S⁻¹ M
S over all shifts S, hence the projection onto what commutes with them.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

from equiconv.arrays import Array, device, is_complex, namespace, promote, require_floating
from equiconv.operators.base import integer
from equiconv.operators.indexing import wrapped_diagonals

__all__ = ["mean_diagonals", "relative_distance"]


def mean_diagonals(M: Array, sizes: int | Iterable[int] | None) -> Array:
    """The first column of the nearest circulant to M (..., N, N), (..., n1, …, nd)."""
    levels = _levels_of(M, sizes)
    (wide,), dtype = promote(M)
    xp = namespace(wide)
    column = xp.mean(_wrapped_diagonals(wide, levels), axis=-1)
    return xp.astype(xp.reshape(column, (*M.shape[:-2], *levels)), dtype, copy=False)


def relative_distance(M: Array, sizes: int | Iterable[int] | None) -> Array:
    """‖M − P(M)‖ / ‖M‖, (...,), real; 0 for M = 0."""
    levels = _levels_of(M, sizes)
    (wide,), dtype = promote(M)
    xp = namespace(wide)
    # Dividing by the largest entry keeps the squares from overflowing or vanishing.
    largest = xp.max(xp.abs(wide), axis=(-2, -1), keepdims=True)
    unit = wide / xp.where(largest == 0, xp.ones_like(largest), largest)
    diagonals = _wrapped_diagonals(unit, levels)
    rest = xp.linalg.vector_norm(diagonals - xp.mean(diagonals, axis=-1, keepdims=True), axis=(-2, -1))
    norm = xp.linalg.vector_norm(diagonals, axis=(-2, -1))
    ratio = rest / xp.where(norm == 0, xp.ones_like(norm), norm)
    return ratio if is_complex(M) else xp.astype(ratio, dtype, copy=False)


def _levels_of(M: Array, sizes: int | Iterable[int] | None) -> tuple[int, ...]:
    """The levels of a square matrix M, checked."""
    require_floating(M, "M")
    if M.ndim < 2 or M.shape[-1] != M.shape[-2] or M.shape[-1] == 0:
        raise ValueError(f"M must be a non-empty square matrix (..., N, N), got shape {tuple(M.shape)}")
    N = int(M.shape[-1])
    if sizes is None:
        return (N,)
    levels = tuple(integer(n, "sizes", least=1) for n in (sizes if isinstance(sizes, Iterable) else (sizes,)))
    if not levels or math.prod(levels) != N:
        raise ValueError(f"sizes must be the levels (n1, …, nd) of M with product {N}, got {sizes!r}")
    return levels


def _wrapped_diagonals(M: Array, levels: tuple[int, ...]) -> Array:
    """M[j + k, j] for the shift k (row) and the column j: (..., N, N). A circulant has constant rows here."""
    xp = namespace(M)
    N = math.prod(levels)
    index = xp.asarray(wrapped_diagonals(levels).reshape(-1), device=device(M))
    flat = xp.take(xp.reshape(M, (*M.shape[:-2], N * N)), index, axis=-1)
    return xp.reshape(flat, (*M.shape[:-2], N, N))
