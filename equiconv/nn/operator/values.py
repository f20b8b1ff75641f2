"""Singular values of many small matrices at once."""

from __future__ import annotations

import torch
from torch import Tensor

from equiconv.arrays import eps, gamma

# A squaring of the Gram matrices costs about a tenth of decomposing them; candidates are decomposed once they are few.
_MOST_SQUARINGS = 3
_FEW = 0.1

__all__ = ["decomposition_bound", "largest_singular_values", "singular_values"]


def singular_values(matrices: Tensor) -> Tensor:
    """(…, M, N) to (…, min(M, N)), descending. A row or a column has its 2-norm, and is not decomposed."""
    if min(matrices.shape[-2:]) == 1:
        norm: Tensor = torch.linalg.vector_norm(matrices, dim=(-2, -1)).unsqueeze(-1)
        return norm
    if matrices.numel() == 0:
        return matrices.real.new_zeros((*matrices.shape[:-2], min(matrices.shape[-2:])))
    values: Tensor = torch.linalg.svdvals(matrices)
    return values


def largest_singular_values(matrices: Tensor) -> Tensor:
    """The largest singular value among (R, …, M, N) along the first axis: (…).

    Only candidates are decomposed. With A the Gram matrix of the shorter side, ‖A^p‖_F^(1/2p) is at least the largest
    singular value, and the more nearly so the larger p. The matrix with the largest bound is decomposed; none whose
    bound is smaller than what it gives, by more than rounding, can hold the maximum.
    """
    rows, columns = matrices.shape[-2:]
    if min(rows, columns) == 1 or len(matrices) == 1:
        return singular_values(matrices)[..., 0].amax(0)
    flat = matrices.flatten(1, -3) if matrices.ndim > 3 else matrices.unsqueeze(1)
    candidates = _candidates(flat.detach())
    values = singular_values(flat[candidates])[..., 0]
    # Minus infinity where there is no candidate: each column has one at least.
    every = values.new_full(candidates.shape, -torch.inf).masked_scatter(candidates, values)
    return every.amax(0).reshape(matrices.shape[1:-2])


def _candidates(matrices: Tensor) -> Tensor:
    """Which of (R, B, M, N) may have the largest singular value of their column, (R, B)."""
    # A bound is a sum over all entries after a few products of matrices; this exceeds its error.
    slack = 1 + 64 * sum(matrices.shape[-2:]) * eps(matrices.dtype)
    bounds = torch.linalg.vector_norm(matrices, dim=(-2, -1))
    alive = torch.ones_like(bounds, dtype=torch.bool)
    columns = torch.arange(bounds.shape[1], device=bounds.device)
    lower = torch.zeros_like(bounds[0])
    gram, power = matrices[:0, 0], 1.0
    for squarings in range(_MOST_SQUARINGS + 1):
        if squarings:
            # Divided by their norms, so that no power overflows or vanishes.
            if squarings == 1:
                norms = bounds[alive]
                gram = matrices[alive] / torch.where(norms > 0, norms, 1)[:, None, None]
                gram = gram @ gram.mH if gram.shape[-2] <= gram.shape[-1] else gram.mH @ gram
            else:
                gram = gram @ gram
            power /= 2
            bounds = torch.full_like(bounds, -1.0)
            bounds[alive] = norms * torch.linalg.vector_norm(gram, dim=(-2, -1)) ** power
        before = alive
        best = bounds.argmax(0)
        lower = torch.maximum(lower, singular_values(matrices[best, columns])[..., 0])
        alive = alive & (bounds * slack >= lower)
        if alive.sum() <= _FEW * alive.numel():
            break
        if squarings:
            kept = alive[before]
            gram, norms = gram[kept], norms[kept]
    return alive


def decomposition_bound(rows: int, columns: int, dtype: torch.dtype) -> float:
    """How far a computed singular value is from the exact one of the same matrix, relative to the largest.

    A decomposition is exact for a matrix that differs by p(M, N)·eps·σ₁, p growing modestly (LAPACK Users' Guide, 3rd
    ed., §4.9.1). It is not derived further than that; p = max(M, N) + 8 holds with wide margins in the tests. A norm is
    a sum of squares.
    """
    if min(rows, columns) == 1:
        return gamma(rows * columns + 2, dtype)
    return (max(rows, columns) + 8) * eps(dtype)
