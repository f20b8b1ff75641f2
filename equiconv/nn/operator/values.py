"""Singular values of many small matrices at once."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from equiconv.arrays import eps, gamma

# Smaller matrices are decomposed at once. Larger ones are looked at so many entries at a time, and those that may have
# the largest value are decomposed in so many at a time.
_SMALL = 12
_PIECE = 2**17
_AT_ONCE = 4

__all__ = ["decomposition_bound", "frobenius", "largest_singular_values", "singular_values"]


def singular_values(matrices: Tensor) -> Tensor:
    """(…, M, N) to (…, min(M, N)), descending. A row or a column has its 2-norm, and is not decomposed."""
    if min(matrices.shape[-2:]) == 1:
        return frobenius(matrices).unsqueeze(-1)
    if matrices.numel() == 0:
        return matrices.real.new_zeros((*matrices.shape[:-2], min(matrices.shape[-2:])))
    values: Tensor = torch.linalg.svdvals(matrices)
    if not bool(values.isnan().any()):
        return values
    broken = values.isnan().any(-1) & matrices.isfinite().all(-1).all(-1)
    return _mended(matrices, broken) if bool(broken.any()) else values


def _mended(matrices: Tensor, broken: Tensor) -> Tensor:
    """The singular values where LAPACK's divide and conquer returned NaN for finite matrices, in single precision.

    It does so for some matrices of low rank with entries of 1e-20 beside 1. Their singular values are those of the
    matrix with its columns reversed; double precision is the last resort.
    """
    sound = torch.where(broken[..., None, None], torch.zeros_like(matrices), matrices)  # no NaN in its gradient
    values: Tensor = torch.linalg.svdvals(sound)
    again: Tensor = torch.linalg.svdvals(matrices[broken].flip(-1))
    if bool(again.isnan().any()):
        wide = torch.complex128 if matrices.is_complex() else torch.float64
        again = torch.linalg.svdvals(matrices[broken].to(wide)).to(values.dtype)
    if bool(again.isnan().any()):
        raise ArithmeticError("the singular values of a finite matrix came out as NaN, in double precision too")
    return values.index_put((broken,), again)


def frobenius(matrices: Tensor) -> Tensor:
    """(…, M, N) to (…): the Frobenius norm. Of real and imaginary parts as reals, which is many times faster."""
    if matrices.is_complex():
        matrices = torch.view_as_real(matrices.resolve_conj()).flatten(-2)
    norm: Tensor = torch.linalg.vector_norm(matrices.flatten(-2), dim=-1)
    return norm


def largest_singular_values(matrices: Tensor) -> Tensor:
    """The largest singular value among (R, …, M, N) along the first axis: (…).

    Only candidates are decomposed, and what they give is that of `singular_values`. A matrix B whose Frobenius norm is
    below the largest singular value σ of another one is no candidate, nor is one for which σ²·I − B·Bᴴ is positive
    definite, which a Cholesky decomposition finds out at a fraction of the cost.
    """
    if min(matrices.shape[-2:]) < _SMALL or len(matrices) == 1:
        return singular_values(matrices)[..., 0].amax(0)
    flat = matrices.reshape(len(matrices), -1, *matrices.shape[-2:])
    columns = range(flat.shape[1])
    with torch.no_grad():
        best = [_largest(flat[:, column]) for column in columns]
    return singular_values(flat[best, list(columns)])[..., 0].reshape(matrices.shape[1:-2])


def _largest(matrices: Tensor) -> int:
    """Which of (R, M, N) has the largest singular value, but for ties to rounding."""
    rows, columns = sorted(matrices.shape[-2:])
    # The Gram matrix of a B with σ₁ = 1 errs by γ·‖B‖_F² ≤ γ·rows with γ for `columns` terms, and its Cholesky
    # decomposition by as much for `rows` terms (Higham, Theorem 10.3); what is that close is decomposed.
    margin = min(2 * rows * (rows + columns + 8) * eps(matrices.dtype), 0.5)
    lost = math.sqrt(2 * rows * columns * torch.finfo(matrices.dtype).tiny)  # squares that vanish from a norm
    norms = frobenius(matrices)
    order = norms.argsort(descending=True)
    norms = norms[order]
    best = int(order[0])
    lower = float(singular_values(matrices[best])[0])
    # In pieces that stay in the cache, those of the largest norms first: the bound is soon tight.
    length = max(1, _PIECE // (rows * columns))
    for start in range(0, len(order), length):
        piece = order[start : start + length]
        if lower == 0 or float(norms[start]) + lost < lower * (1 - margin):
            break
        # Divided by what is attained, so that no square overflows or vanishes.
        scale, some = lower, matrices[piece] / lower
        gram = some @ some.mH if some.shape[-2] <= some.shape[-1] else some.mH @ some
        promise = frobenius(gram)  # at least the square of the largest singular value
        while len(piece):
            shifted = -gram
            shifted.diagonal(dim1=-2, dim2=-1).add_((1 - margin) * (lower / scale) ** 2)
            above = torch.linalg.cholesky_ex(shifted).info != 0
            piece, gram, promise = piece[above], gram[above], promise[above]
            if len(piece) == 0:
                break
            # The most promising are decomposed, and the others held to what these have.
            chosen = promise.topk(min(_AT_ONCE, len(piece))).indices
            found = singular_values(matrices[piece[chosen]])[:, 0]
            if float(found.max()) > lower:
                best, lower = int(piece[chosen[found.argmax()]]), float(found.max())
            rest = torch.ones_like(piece, dtype=torch.bool).index_fill(0, chosen, False)
            piece, gram, promise = piece[rest], gram[rest], promise[rest]
    return best


def decomposition_bound(rows: int, columns: int, dtype: torch.dtype) -> float:
    """How far a computed singular value is from the exact one of the same matrix, relative to the largest.

    A decomposition is exact for a matrix that differs by p(M, N)·eps·σ₁, p growing modestly (LAPACK Users' Guide, 3rd
    ed., §4.9.1). It is not derived further than that; p = max(M, N) + 8 holds with wide margins in the tests. A norm is
    a sum of squares.
    """
    if min(rows, columns) == 1:
        return gamma(rows * columns + 2, dtype)
    return (max(rows, columns) + 8) * eps(dtype)
