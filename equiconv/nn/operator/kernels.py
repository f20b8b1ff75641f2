"""Kernels by their taps: transposed, put into other groups, and two of them joined to one. Exact on small integers."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

__all__ = ["joined", "joined_size", "regrouped", "split_axis", "transposed"]


def transposed(weight: Tensor, axes: int, groups: int) -> Tensor:
    """The kernel of the transpose, (*batch, groups·C, F // groups, *k) for (*batch, F, C, *k): flipped, ends swapped."""
    lead = weight.ndim - axes - 2
    swapped = split_axis(weight, lead, (groups, -1)).transpose(lead + 1, lead + 2).flatten(lead, lead + 1)
    return torch.flip(swapped, tuple(range(-axes, 0)))


def regrouped(weight: Tensor, axes: int, groups: int, fewer: int) -> Tensor:
    """The same map in `fewer` groups, which divides `groups`: (*batch, F, channels // fewer, *k), zeros between them."""
    if groups == fewer:
        return weight
    lead, per = weight.ndim - axes - 2, groups // fewer
    channels = weight.shape[lead + 1]
    split = split_axis(weight, lead, (fewer, per, -1))  # (*batch, fewer, per, F/groups, C, *k)
    wide = split.new_zeros((*split.shape[: lead + 3], per, channels, *split.shape[lead + 4 :]))
    index: tuple[Any, ...] = (slice(None),) * (lead + 1)
    for j in range(per):
        wide[(*index, j, slice(None), j)] = split[(*index, j)]
    return wide.flatten(lead + 3, lead + 4).flatten(lead, lead + 2)


def joined_size(
    first: Sequence[int], second: Sequence[int], first_dilation: Sequence[int], second_dilation: Sequence[int]
) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """(kernel_size, dilation) of the kernel that two windows make one after the other.

    The dilations are those on the input of the first, so that of the second is its own times the first's stride.
    """
    sizes, dilations = [], []
    for k1, k2, d1, d2 in zip(first, second, first_dilation, second_dilation, strict=True):
        # One tap has no spacing, and leaves that of the other as it is.
        d = math.gcd(d1 if k1 > 1 else 0, d2 if k2 > 1 else 0) or 1
        sizes.append((d1 * (k1 - 1) + d2 * (k2 - 1)) // d + 1)
        dilations.append(d)
    return tuple(sizes), tuple(dilations)


def joined(
    first: tuple[Tensor, Sequence[int], int], second: tuple[Tensor, Sequence[int], int], axes: int
) -> tuple[Tensor, tuple[int, ...], int]:
    """Of two kernels, each (weight, dilation, groups), the one that applies `second` to what `first` gives.

    W[o, c, T] = Σ_m Σ_{t₁d₁ + t₂d₂ = T·d} w₂[o, m, t₂]·w₁[m, c, t₁], as (weight, dilation, groups). The batch axes of
    the weights broadcast.
    """
    (w1, d1, g1), (w2, d2, g2) = first, second
    size, d = joined_size(w1.shape[-axes:], w2.shape[-axes:], d1, d2)
    g = math.gcd(g1, g2)
    w1, w2 = regrouped(w1, axes, g1, g), regrouped(w2, axes, g2, g)
    batch = np.broadcast_shapes(w1.shape[: -axes - 2], w2.shape[: -axes - 2])
    m1, m2 = (_matrices(w, axes, g, len(batch)) for w in (w1, w2))
    # A dilation that d does not divide belongs to a single tap, and steps over none.
    step1, step2 = (tuple(max(a // b, 1) for a, b in zip(step, d, strict=True)) for step in (d1, d2))
    result = m1.new_zeros((*size, *batch, g, m2.shape[-2], m1.shape[-1]))
    few_second = math.prod(m2.shape[:axes]) <= math.prod(m1.shape[:axes])
    few, few_step, many, many_step = (m2, step2, m1, step1) if few_second else (m1, step1, m2, step2)
    lengths = many.shape[:axes]
    for tap in itertools.product(*map(range, few.shape[:axes])):
        where = tuple(
            slice(t * own, t * own + other * (k - 1) + 1, other)
            for t, own, other, k in zip(tap, few_step, many_step, lengths, strict=True)
        )
        matrix = few[tap]
        result[where] += matrix @ many if few_second else many @ matrix
    weight = result.movedim(tuple(range(axes)), tuple(range(-axes, 0)))
    return weight.flatten(len(batch), len(batch) + 1), d, g


def _matrices(weight: Tensor, axes: int, groups: int, batch: int) -> Tensor:
    """Matrices last, one for each tap: (*k, *batch, groups, filters // groups, channels), with `batch` axes."""
    ones = (1,) * (batch - (weight.ndim - axes - 2))
    split = split_axis(weight, weight.ndim - axes - 2, (groups, -1)).movedim(tuple(range(-axes, 0)), tuple(range(axes)))
    return split.reshape(*split.shape[:axes], *ones, *split.shape[axes:])


def split_axis(x: Tensor, dim: int, sizes: tuple[int, ...]) -> Tensor:
    """`x.unflatten(dim, sizes)`, with a type."""
    result: Tensor = x.unflatten(dim, sizes)  # type: ignore[no-untyped-call]
    return result
