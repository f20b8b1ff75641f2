"""Singular values of many small matrices at once."""

from __future__ import annotations

import torch
from torch import Tensor

from equiconv.arrays import eps, gamma

# Smaller matrices are decomposed at once. Of larger ones, candidates are looked for until few are left.
_SMALL = 12
_FEW = 0.05
_ROUNDS = 3

__all__ = ["decomposition_bound", "frobenius", "largest_singular_values", "singular_values"]


def singular_values(matrices: Tensor) -> Tensor:
    """(…, M, N) to (…, min(M, N)), descending. A row or a column has its 2-norm, and is not decomposed."""
    if min(matrices.shape[-2:]) == 1:
        return frobenius(matrices).unsqueeze(-1)
    if matrices.numel() == 0:
        return matrices.real.new_zeros((*matrices.shape[:-2], min(matrices.shape[-2:])))
    values: Tensor = torch.linalg.svdvals(matrices)
    return values


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
    candidates = _candidates(flat.detach())
    values = singular_values(flat[candidates])[..., 0]
    every = values.new_full(candidates.shape, -torch.inf).masked_scatter(candidates, values)
    return every.amax(0).reshape(matrices.shape[1:-2])


def _candidates(matrices: Tensor) -> Tensor:
    """Which of (R, B, M, N) may have the largest singular value of their column, (R, B): one in each column at least."""
    rows, columns = sorted(matrices.shape[-2:])
    # The Gram matrix of a B with σ₁ = 1 errs by γ·‖B‖_F² ≤ γ·rows with γ for `columns` terms, and its Cholesky
    # decomposition by as much for `rows` terms (Higham, Theorem 10.3); what is that close counts as a candidate.
    margin = min(2 * rows * (rows + columns + 8) * eps(matrices.dtype), 0.5)
    every = torch.arange(matrices.shape[1], device=matrices.device)
    bounds = frobenius(matrices)
    best = bounds.argmax(0)
    lower = singular_values(matrices[best, every])[..., 0]
    decomposed = torch.zeros_like(bounds, dtype=torch.bool)
    decomposed[best, every] = True
    candidates: Tensor = (bounds >= lower * (1 - margin)) | decomposed
    if candidates.sum() <= _FEW * candidates.numel():
        return candidates
    found = candidates
    # Divided by what is already attained, so that no square overflows or vanishes.
    scale = torch.where(lower > 0, lower, 1)
    small = matrices[found] / scale.expand_as(found)[found][:, None, None]
    gram = small @ small.mH if small.shape[-2] <= small.shape[-1] else small.mH @ small
    bounds = torch.zeros_like(bounds)
    bounds[found] = frobenius(gram)  # at least the square of the largest singular value
    for _ in range(_ROUNDS):
        # The most promising candidate of each column is decomposed, and the others are held to what it has.
        best = torch.where(candidates & ~decomposed, bounds, -1).argmax(0)
        lower = torch.maximum(lower, singular_values(matrices[best, every])[..., 0])
        decomposed[best, every] |= candidates[best, every]
        limit = (((1 - margin) * (lower / scale) ** 2).expand_as(bounds))[candidates]
        shifted = -gram[candidates[found]]
        shifted.diagonal(dim1=-2, dim2=-1).add_(limit[:, None])
        below = torch.zeros_like(candidates)
        below[candidates] = torch.linalg.cholesky_ex(shifted).info == 0
        candidates = (candidates & ~below) | decomposed
        if candidates.sum() <= _FEW * candidates.numel():
            break
    return candidates


def decomposition_bound(rows: int, columns: int, dtype: torch.dtype) -> float:
    """How far a computed singular value is from the exact one of the same matrix, relative to the largest.

    A decomposition is exact for a matrix that differs by p(M, N)·eps·σ₁, p growing modestly (LAPACK Users' Guide, 3rd
    ed., §4.9.1). It is not derived further than that; p = max(M, N) + 8 holds with wide margins in the tests. A norm is
    a sum of squares.
    """
    if min(rows, columns) == 1:
        return gamma(rows * columns + 2, dtype)
    return (max(rows, columns) + 8) * eps(dtype)
