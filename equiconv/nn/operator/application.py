"""A kernel on the torus applied to signals, and the systems with it solved."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from equiconv.nn.operator.frequencies import blocks, components, frequencies, from_components
from equiconv.nn.operator.geometry import Geometry
from equiconv.nn.operator.kernels import split_axis
from equiconv.nn.ops import circular_conv_op, input_adjoint_op

__all__ = ["apply_kernel", "solve_kernel", "spread"]


def apply_kernel(x: Tensor, weight: Tensor, geometry: Geometry, gap: int, *, transposed: bool) -> Tensor:
    """The layer, or its transpose, on the last axes of x, by the layers' operations.

    `x` is (…, [gap], channels, *sizes), or (…, [gap], filters, *periods) for the transpose, of the dtype of `weight`,
    whose batch broadcasts with the axes before the gap.
    """
    axes, levels = geometry.axes, geometry.axes + 1
    last = tuple(range(-axes, 0))
    window = geometry.window()
    moved = window is None
    if window is None:
        # A window that starts elsewhere than a padding could put it: the signal is moved instead.
        window = replace(geometry, left=(0,) * axes).window()
        assert window is not None
    if moved and not transposed:
        x = torch.roll(x, geometry.left, last)
    batch, ends = weight.shape[: -levels - 1], weight.shape[-levels - 1 :]
    spread_batch = (*batch, *(1,) * gap)
    lead = np.broadcast_shapes(x.shape[:-levels], spread_batch)
    if math.prod(batch) == 1:
        outer, inner = lead, ()
    else:
        # A batch of operators is one layer whose groups do not mix: their batch goes to the channels.
        outer, inner = lead[: len(lead) - len(spread_batch)], lead[len(lead) - len(spread_batch) :]
        weight = weight.reshape(*spread_batch, *ends).expand(*inner, *ends)
    count = math.prod(inner)
    signals = x.expand(*lead, *x.shape[-levels:])
    signals = signals.reshape(math.prod(outer), count * x.shape[-levels], *x.shape[-axes:])
    weight = weight.reshape(count * ends[0], *ends[1:])
    arguments = (*window[:3], geometry.groups * count)
    y: Tensor
    if transposed:
        y = input_adjoint_op(signals, weight, list(geometry.sizes), *arguments)
    else:
        y = circular_conv_op(signals, weight, None, *arguments)
    y = y.reshape(*lead, y.shape[1] // count, *y.shape[2:])
    if moved and transposed:
        y = torch.roll(y, tuple(-p for p in geometry.left), last)
    return y


def solve_kernel(b: Tensor, weight: Tensor, geometry: Geometry, gap: int, *, transposed: bool) -> Tensor:
    """The signals that the layer, or its transpose, maps to b, where its blocks are square and regular.

    Shapes and dtypes are those of the result and the argument of `apply_kernel`.
    """
    axes, periods, groups = geometry.axes, geometry.periods, geometry.groups
    real, last = not weight.is_complex(), tuple(range(-axes, 0))
    matrices = blocks(weight, geometry, frequencies(periods, real=real))
    if transposed:
        # Aᵀ x = b is Aᴴ conj(x) = conj(b), and the blocks of Aᴴ are the adjoints of those of A.
        matrices, b = matrices.mH, components(b.conj(), geometry)
        b = b.flatten(-axes - 2, -axes - 1)  # (…, channels·phases, *periods)
    spectrum = torch.fft.rfftn(b, dim=last) if real else torch.fft.fftn(b, dim=last)
    shape = spectrum.shape[-axes:]
    rhs = split_axis(spectrum.flatten(-axes).movedim(-1, 0), -1, (groups, -1))  # (R, …, [gap], groups, rows)
    # The columns that a gap holds become those of the systems.
    rhs = rhs.movedim(-3, -1) if gap else rhs.unsqueeze(-1)
    lead = np.broadcast_shapes(rhs.shape[1:-3], matrices.shape[1:-3])
    x = torch.linalg.solve(spread(matrices, lead), spread(rhs, lead))
    x = x.movedim(-1, -3) if gap else x.squeeze(-1)
    x = split_axis(x.flatten(-2).movedim(0, -1), -1, tuple(shape))
    x = torch.fft.irfftn(x, s=periods, dim=last) if real else torch.fft.ifftn(x, dim=last)
    if transposed:
        conjugate: Tensor = x.conj()
        return conjugate
    return from_components(split_axis(x, -axes - 1, (-1, geometry.phases)), geometry)


def spread(matrices: Tensor, lead: tuple[int, ...]) -> Tensor:
    """(R, *batch, groups, rows, columns) with the batch broadcast to `lead`."""
    batch, ends = matrices.shape[1:-3], matrices.shape[-3:]
    ones = (1,) * (len(lead) - len(batch))
    return matrices.reshape(len(matrices), *ones, *batch, *ends).expand(len(matrices), *lead, *ends)
