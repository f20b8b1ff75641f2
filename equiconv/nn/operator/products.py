"""Products of kernels on the torus, strides and wraps included, and what a stride does to a determinant's sign."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
from torch import Tensor

from equiconv.nn.operator import kernels
from equiconv.nn.operator.application import spread
from equiconv.nn.operator.frequencies import blocks, frequencies, kernel_of_blocks
from equiconv.nn.operator.geometry import Geometry

__all__ = ["after_transpose", "components_sign", "joined"]

# Taps by which one kernel is moved over another; beyond, their blocks are multiplied.
_MOST_TAPS = 256

Kernel = tuple[Tensor, Geometry]


def joined(first: Kernel, second: Kernel) -> Kernel:
    """The kernel that applies `second` to what `first` gives.

    Keeping each s-th sample and then a convolution is a convolution with its taps s times as far apart, and then
    keeping each s-th sample (the noble identity).
    """
    (w1, g), (w2, h) = first, second
    between = tuple(d * s for d, s in zip(h.dilation, g.stride, strict=True))
    stride = tuple(a * b for a, b in zip(g.stride, h.stride, strict=True))
    moved = tuple(left * s for left, s in zip(h.left, g.stride, strict=True))
    size, _ = kernels.joined_size(g.kernel_size, h.kernel_size, g.dilation, between)
    fits = all(k <= n for k, n in zip(size, g.sizes, strict=True))
    if fits and min(math.prod(g.kernel_size), math.prod(h.kernel_size)) <= _MOST_TAPS:
        weight, dilation, groups = kernels.joined((w1, g.dilation, g.groups), (w2, between, h.groups), g.axes)
        left = tuple(a + b for a, b in zip(g.left, moved, strict=True))
        return weight, Geometry(g.sizes, size, stride, dilation, left, groups)
    # Longer than the torus, or of many taps: as products of matrices at each frequency, both without stride.
    ones = (1,) * g.axes
    matrices, plain, real = _common_blocks(
        (w1, replace(g, stride=ones)),
        (w2, Geometry(g.sizes, h.kernel_size, ones, between, moved, h.groups)),
    )
    weight, placed = kernel_of_blocks(matrices[1] @ matrices[0], plain, real=real)
    return weight, replace(placed, stride=stride)


def after_transpose(left: Kernel, right: Kernel) -> Kernel:
    """The kernel, without stride and on the torus of the periods, of `left` after the transpose of `right`.

    Both have one stride. The transpose of A has at f the transpose of what A has at −f, and that is the adjoint of what
    the conjugate of A has at f.
    """
    (weight, h) = right
    matrices, plain, real = _common_blocks(left, (weight.conj(), h))
    ones = (1,) * plain.axes
    plain = Geometry(plain.periods, plain.periods, ones, ones, ones, plain.groups)
    return kernel_of_blocks(matrices[0] @ matrices[1].mH, plain, real=real)


def _common_blocks(one: Kernel, two: Kernel) -> tuple[list[Tensor], Geometry, bool]:
    """The blocks of two kernels in common groups and a common batch, the geometry of the first, and whether real."""
    axes, groups = one[1].axes, math.gcd(one[1].groups, two[1].groups)
    real = not one[0].is_complex()
    matrices = [
        blocks(
            kernels.regrouped(weight, axes, g.groups, groups),
            replace(g, groups=groups),
            frequencies(g.periods, real=real),
        )
        for weight, g in (one, two)
    ]
    lead = np.broadcast_shapes(*(m.shape[1:-3] for m in matrices))
    return [spread(m, lead) for m in matrices], replace(one[1], groups=groups), real


def components_sign(geometry: Geometry, channels: int) -> int:
    """The sign of the permutation from samples (channel, s·q + r, …) to polyphase components (channel, r, …, q, …)."""
    digits = [(a, kind) for a in range(geometry.axes) for kind in ("q", "r")]
    size = {(a, "q"): n for a, n in enumerate(geometry.periods)} | {(a, "r"): s for a, s in enumerate(geometry.stride)}
    total, exchanges = math.prod(size.values()), 0
    order = sorted(digits, key=lambda digit: (digit[1] == "q", digit[0]))
    for target, digit in enumerate(order):
        for place in range(digits.index(digit), target, -1):
            # Neighbouring digits of sizes a and b, with `inner` entries below them, change places.
            a, b = size[digits[place - 1]], size[digits[place]]
            inner = math.prod(size[d] for d in digits[place + 1 :])
            outer = total // (a * b * inner)
            exchanges += outer * inner**2 * (a * (a - 1) // 2) * (b * (b - 1) // 2)
            digits[place - 1], digits[place] = digits[place], digits[place - 1]
    return -1 if exchanges * channels % 2 else 1
