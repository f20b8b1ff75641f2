"""A layer on the torus at each frequency: a small matrix, and the way there and back.

A layer of stride s commutes with the shifts by s, so that it is a convolution without stride between polyphase
components (Vaidyanathan, *Multirate Systems and Filter Banks*, 1993): the sample at position s·q + r of a channel is
sample q of component r, on a torus of L = n/s. A tap that reads position p reads component p mod s at ⌊p/s⌋, and at the
frequency f = 0 … L − 1

    B[f][o, (c, r)] = Σ_{t : p_t mod s = r} w[o, c, t]·e^(2πi·f·⌊p_t/s⌋/L)

is the layer, a matrix of filters × (channels·∏s). The change to components is a permutation and the transform, scaled,
is unitary: the singular values of the layer are those of all B[f] (Sedghi, Gupta & Long, *The Singular Values of
Convolutional Layers*, 2019, for s = 1). The columns of B[f] span the same space as the s aliases f + j·L of the input's
spectrum, from which they differ by a unitary matrix; but in components no root of s enters, a tap is one phase in one
column, and for real weights B[−f] is the conjugate of B[f] as it stands.
"""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np
import torch
from torch import Tensor

from equiconv.arrays import eps, gamma, transform_bound
from equiconv.nn.operator.geometry import Geometry, Indices

__all__ = [
    "blocks",
    "components",
    "frequencies",
    "from_components",
    "grid",
    "kernel_of_blocks",
    "spectrum_bound",
    "torus_kernel",
    "unique_frequencies",
]

# One product with a matrix of phases, frequencies × taps, is cheaper than transforming a kernel filled with zeros up to
# about this many taps, and its matrix must stay small beside the blocks.
_MOST_TAPS = 128
_LARGEST_MATRIX = 2**22


# ---------------------------------------------------------------------------------------------------------------------
# Which frequencies
# ---------------------------------------------------------------------------------------------------------------------


def grid(periods: tuple[int, ...]) -> Indices:
    """All frequencies in row-major order, (∏L, axes)."""
    return np.indices(periods, dtype=np.int64).reshape(len(periods), -1).T


def frequencies(periods: tuple[int, ...], *, real: bool) -> Indices:
    """Those that a transform keeps: all, or for a real one 0 … L/2 along the last axis."""
    return grid((*periods[:-1], periods[-1] // 2 + 1)) if real else grid(periods)


@lru_cache(maxsize=32)
def unique_frequencies(periods: tuple[int, ...]) -> tuple[Indices, Indices, Indices]:
    """One of each pair {f, −f}: these, (R, axes); which of them each frequency of the grid has, (∏L,); and how many do.

    The representative lies in the half grid. A frequency that is its own negative is counted once, the others twice.
    """
    every = grid(periods)
    negative = np.ravel_multi_index(tuple((-every % np.asarray(periods)).T), periods)
    flat, last, n = np.arange(len(every)), every[:, -1], periods[-1]
    on_edge = (last == 0) | (2 * last == n)
    chosen = np.where(2 * last > n, negative, np.where(on_edge, np.minimum(flat, negative), flat))
    kept, inverse, counts = np.unique(chosen, return_inverse=True, return_counts=True)
    return every[kept], inverse.astype(np.int64), counts.astype(np.int64)


# ---------------------------------------------------------------------------------------------------------------------
# From a kernel to its blocks, and back
# ---------------------------------------------------------------------------------------------------------------------


def blocks(weight: Tensor, geometry: Geometry, chosen: Indices) -> Tensor:
    """B[f] for each group, (R, *batch, groups, filters // groups, channels // groups · ∏s), complex.

    `weight` is (*batch, filters, channels // groups, *kernel_size) in a dtype to compute in; `chosen` is (R, axes),
    within the half grid where the weight is real.
    """
    parts = (_by_phases if _few(geometry) else _by_transform)(weight, geometry, chosen)
    batch, (filters, channels) = weight.shape[: -2 - geometry.axes], weight.shape[-2 - geometry.axes :][:2]
    # (R, phases, *batch, filters, channels) to (R, *batch, groups, filters/groups, channels·phases)
    parts = parts.movedim(1, -1) if geometry.phases > 1 else parts[:, 0].unsqueeze(-1)
    g = geometry.groups
    return parts.reshape(len(chosen), *batch, g, filters // g, channels * geometry.phases)


def _few(geometry: Geometry) -> bool:
    taps = math.prod(geometry.kernel_size)
    return taps <= _MOST_TAPS and taps * math.prod(geometry.periods) <= _LARGEST_MATRIX


def _by_phases(weight: Tensor, geometry: Geometry, chosen: Indices) -> Tensor:
    """(R, phases, *batch, filters, channels), by one matrix product for each polyphase component."""
    shape = weight.shape[: -geometry.axes]
    columns = weight.reshape(math.prod(shape), -1).mT  # (taps, everything else)
    turns = _turns(geometry, chosen)
    residues = _residues(geometry)
    result = []
    for r in range(geometry.phases):
        (taps,) = np.nonzero(residues == r)
        if len(taps) == 0:
            zeros = columns.new_zeros(len(chosen), columns.shape[1])
            result.append(zeros if zeros.is_complex() else torch.complex(zeros, zeros))
            continue
        mine = columns if len(taps) == len(residues) else columns[torch.as_tensor(taps, device=weight.device)]
        angles = turns[:, taps] * (2 * math.pi)
        cosines, sines = (
            torch.as_tensor(values).to(device=weight.device, dtype=weight.dtype.to_real())
            for values in (np.cos(angles), np.sin(angles))
        )
        if weight.is_complex():
            result.append(torch.complex(cosines, sines) @ mine)
        else:  # a complex matrix times a real one, as one real product
            product = torch.cat([cosines, sines]) @ mine
            result.append(torch.complex(product[: len(chosen)], product[len(chosen) :]))
    return torch.stack(result, dim=1).reshape(len(chosen), geometry.phases, *shape)


def _turns(geometry: Geometry, chosen: Indices) -> np.ndarray[tuple[int, int], np.dtype[np.float64]]:
    """Σ_a f_a·⌊p_a/s_a⌋/L_a for each frequency and tap, (R, taps), in (−½, ½].

    It is reduced as an integer, over the common multiple of the periods: the angle of the last frequency is then as
    accurate as that of the first.
    """
    common = math.lcm(*geometry.periods)
    numerator = np.zeros((len(chosen), 1), dtype=np.int64)
    for a, (period, s) in enumerate(zip(geometry.periods, geometry.stride, strict=True)):
        steps = np.outer(chosen[:, a], geometry.positions(a) // s) % period * (common // period)
        numerator = ((numerator[:, :, None] + steps[:, None, :]) % common).reshape(len(chosen), -1)
    return np.where(2 * numerator > common, numerator - common, numerator) / common


def _residues(geometry: Geometry) -> Indices:
    """The polyphase component that each tap reads, (taps,)."""
    result = np.zeros(1, dtype=np.int64)
    for a, s in enumerate(geometry.stride):
        result = (result[:, None] * s + geometry.positions(a)[None, :] % s).reshape(-1)
    return result


def _by_transform(weight: Tensor, geometry: Geometry, chosen: Indices) -> Tensor:
    """(R, phases, *batch, filters, channels), by transforming the components of the kernel on the torus."""
    axes = geometry.axes
    parts = components(torus_kernel(weight, geometry), geometry)  # (…, phases, *periods)
    last = tuple(range(-axes, 0))
    if weight.is_complex():
        spectrum = torch.fft.ifftn(parts, dim=last, norm="forward")
        shape = geometry.periods
    else:
        spectrum = torch.fft.rfftn(parts, dim=last).conj()
        shape = (*geometry.periods[:-1], geometry.periods[-1] // 2 + 1)
    flat = torch.as_tensor(np.ravel_multi_index(tuple(chosen.T), shape), device=weight.device)
    selected: Tensor = spectrum.flatten(-axes).index_select(-1, flat)
    return selected.movedim((-1, -2), (0, 1))


def torus_kernel(weight: Tensor, geometry: Geometry) -> Tensor:
    """The kernel by position instead of by tap, (*batch, filters, channels, *sizes): what coincides is added."""
    for a, n in enumerate(geometry.sizes):
        dim = weight.ndim - geometry.axes + a
        index = torch.as_tensor(geometry.positions(a), device=weight.device)
        torus = weight.new_zeros((*weight.shape[:dim], n, *weight.shape[dim + 1 :]))
        weight = torus.index_add(dim, index, weight)
    return weight


def components(x: Tensor, geometry: Geometry) -> Tensor:
    """The polyphase components of the last axes: (…, *sizes) to (…, ∏s, *periods)."""
    axes, lead = geometry.axes, x.ndim - geometry.axes
    if geometry.phases == 1:
        return x.unsqueeze(lead)
    digits = [size for pair in zip(geometry.periods, geometry.stride, strict=True) for size in pair]
    x = x.reshape(*x.shape[:lead], *digits)
    order = [lead + 1 + 2 * a for a in range(axes)] + [lead + 2 * a for a in range(axes)]
    return x.permute(*range(lead), *order).flatten(lead, lead + axes - 1)


def from_components(x: Tensor, geometry: Geometry) -> Tensor:
    """The inverse of `components`: (…, ∏s, *periods) to (…, *sizes)."""
    axes, lead = geometry.axes, x.ndim - geometry.axes - 1
    x = x.reshape(*x.shape[:lead], *geometry.stride, *geometry.periods)
    order = [lead + a + half * axes for a in range(axes) for half in (1, 0)]
    return x.permute(*range(lead), *order).reshape(*x.shape[:lead], *geometry.sizes)


def kernel_of_blocks(matrices: Tensor, geometry: Geometry, *, real: bool) -> tuple[Tensor, Geometry]:
    """The kernel with these blocks, as many taps as the torus has samples, and where it reads.

    `matrices` is (R, *batch, groups, filters // groups, channels // groups · ∏s) on the half grid, or on all
    frequencies where the kernel is not real. Of `geometry` only the sizes, the stride and the groups count.
    """
    axes, periods = geometry.axes, geometry.periods
    shape = (*periods[:-1], periods[-1] // 2 + 1) if real else periods
    batch, (groups, filters, columns) = matrices.shape[1:-3], matrices.shape[-3:]
    spectrum = matrices.movedim(0, -1).reshape(*batch, groups * filters, columns // geometry.phases, -1, *shape)
    last = tuple(range(-axes, 0))
    if real:
        parts = torch.fft.irfftn(spectrum.conj(), s=periods, dim=last)
    else:
        parts = torch.fft.fftn(spectrum, dim=last, norm="forward")
    torus = from_components(parts, geometry)
    # Centred, so that a layer with this kernel and padding="same" is the same map.
    left = tuple((n - 1) // 2 for n in geometry.sizes)
    placed = Geometry(geometry.sizes, geometry.sizes, geometry.stride, (1,) * axes, left, geometry.groups)
    return torch.roll(torus, left, last), placed


# ---------------------------------------------------------------------------------------------------------------------
# Rounding
# ---------------------------------------------------------------------------------------------------------------------


def spectrum_bound(magnitude: Tensor, geometry: Geometry, dtype: torch.dtype) -> Tensor:
    """A bound on the error of each entry of a block, for a kernel of 1-norm `magnitude` there.

    By phases: a phase has an angle of three roundings, below π, and one of its sine; the sum over the taps is a direct
    one. By transform: `equiconv.arrays.transform_bound`.
    """
    if _few(geometry):
        return magnitude * (gamma(math.prod(geometry.kernel_size) + 2, dtype) + 8 * eps(torch.float64))
    bound: Tensor = transform_bound(magnitude, geometry.periods, dtype)
    # Taps that coincide on the torus are added first.
    return bound + magnitude * gamma(math.prod(geometry.kernel_size), dtype)
