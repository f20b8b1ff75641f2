"""The layers' three kernels by windows: wrap the signal, then torch's own convolution, which wraps nothing.

The convolution, and its two adjoints. Each is linear in each operand and none conjugates. In float64 and on small
integers they are exact, and so commute with shifts bitwise.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from equiconv.nn.padding import circular_pad
from equiconv.nn.window import Window

__all__ = [
    "Layout",
    "convolve",
    "gradients",
    "input_adjoint",
    "layout",
    "recorded_layout",
    "weight_adjoint",
    "whole_layout",
]

# Bytes of padded signals and of results at a time, for each thread; but no single signals, with which torch is slower.
_CACHED_BYTES = 2**22
_LEAST_SIGNALS = 2
# Padded signals of at most this many samples are gathered by indices, which takes less than the slices that torch copies
# on one core; and by `torch.take` up to the second number. Where gradients are recorded, torch's of an index takes less
# than that of its padding for many more.
_GATHERED, _TAKEN, _GATHERED_RECORDED = 2**15, 2**11, 2**17
# Indices are kept for each of the latest shapes, in 8 bytes.
_MOST_INDICES = 2**15


class Layout(NamedTuple):
    """How signals are padded: that many at once, by `indices` where there are some (of each of all padded samples, or of
    those of one channel of one signal), and else by `padding`, as torch lists it, where that wraps once around at most."""

    signals: int
    indices: Tensor | None = None
    padding: tuple[int, ...] | None = None


def convolve(
    input: Tensor, weight: Tensor, window: Window, bias: Tensor | None = None, how: Layout | None = None
) -> Tensor:
    """y[b, o, i] = bias[o] + Σ_c Σ_t weight[o, c, t]·input[b, c, i·stride + t·dilation − left mod n].

    `how` is the `layout` of these, where it is known; by their `recorded_layout` or `whole_layout` torch may record a gradient.
    """
    step, indices, padding = how or layout(input, weight, window)
    if indices is not None:
        padded = _gather(input, indices)
    elif step < len(input):
        return _convolve_parts(input, weight, window, bias, step)
    elif padding is None:
        padded = _wrap(input, window)
    else:
        padded = F.pad(input, padding, "circular") if padding else input
    none = (0,) * len(window.stride)
    y = torch.convolution(padded, weight, bias, window.stride, none, window.dilation, False, none, window.groups)
    return y.contiguous()


def _convolve_parts(input: Tensor, weight: Tensor, window: Window, bias: Tensor | None, step: int) -> Tensor:
    y = input.new_empty((len(input), len(weight), *window.output_sizes(input.shape[2:], weight.shape[2:])))
    for i in range(0, len(input), step):
        y[i : i + step] = convolve(input[i : i + step], weight, window, bias, Layout(step))
    return y


def _gather(x: Tensor, indices: Tensor) -> Tensor:
    if indices.ndim == x.ndim:
        return torch.take(x, indices)
    channels = x.shape[:2]
    return x.reshape(channels.numel(), -1).index_select(1, indices.view(-1)).view(*channels, *indices.shape)


def layout(input: Tensor, weight: Tensor, window: Window) -> Layout:
    """How signals of this shape are padded where no gradient is recorded.

    On a CPU, signals that are in the cache from the padding to the result were measured to take up to a third less time,
    and half of it where the padded signals would be memory that comes fresh from the system. Each call lays out the
    weight anew, so that large weights take all signals at once.
    """
    batch, channels, *sizes = input.shape
    whole = whole_layout(input, window)
    if not input.is_cpu or not any(window.padding):
        return whole
    gathered = _gathered(input, window, _GATHERED)
    if gathered is not None:
        return gathered
    padded = channels * math.prod(_padded_sizes(sizes, window))
    outputs = len(weight) * math.prod(window.output_sizes(sizes, weight.shape[2:]))
    cached, of_signal = _CACHED_BYTES * torch.get_num_threads(), (padded + outputs) * input.element_size()
    step = max(_LEAST_SIGNALS, cached // of_signal)
    if step >= batch or batch * of_signal < 2 * cached or 2 * weight.numel() > step * padded:
        return whole
    return Layout(-(-batch // -(-batch // step)))  # parts of about the same size


def whole_layout(input: Tensor, window: Window) -> Layout:
    """All signals at once, by torch's own padding where that can."""
    pairs = zip(input.shape[2:], window.left, window.right, strict=True)
    padding: tuple[int, ...] | None = None
    if not any(window.padding):
        padding = ()
    elif all(max(pair) <= n for n, *pair in pairs):
        padding = tuple(_last_first(window))
    return Layout(len(input), padding=padding)


def recorded_layout(input: Tensor, window: Window) -> Layout | None:
    """How signals of this shape are padded so that torch records the gradients, or None where `gradients` takes less."""
    if not any(window.padding):
        return whole_layout(input, window)
    return _gathered(input, window, _GATHERED_RECORDED) if input.is_cpu else None


def _gathered(input: Tensor, window: Window, most: int) -> Layout | None:
    """The layout by indices, where there are at most so many samples, and some."""
    batch, channels, *sizes = input.shape
    of_channel = math.prod(_padded_sizes(sizes, window))
    padded = batch * channels * of_channel
    if not (0 < padded <= most and of_channel <= _MOST_INDICES):
        return None
    # indices outlive the call: in inference mode they could not be used by one that records a gradient
    with torch.inference_mode(False):
        index = torch.zeros((), dtype=torch.int64, device="cpu")
        for n, left, right in zip(sizes, window.left, window.right, strict=True):
            index = index.unsqueeze(-1) * n + torch.arange(-left, n + right, device="cpu") % n
        if padded <= _TAKEN:
            planes = torch.arange(batch * channels, device="cpu").reshape(batch, channels, *(1,) * window.axes)
            index = planes * math.prod(sizes) + index
    return Layout(batch, index)


def _padded_sizes(sizes: Sequence[int], window: Window) -> list[int]:
    return [n + left + right for n, left, right in zip(sizes, window.left, window.right, strict=True)]


def input_adjoint(grad: Tensor, weight: Tensor, sizes: Sequence[int], window: Window) -> Tensor:
    """The transpose of `convolve` in its input, applied to `grad`: the shape of the input."""
    like = _padded_like(grad, (grad.shape[0], weight.shape[1] * window.groups, *sizes), window)
    return _unwrap(_backward(grad, like, weight, window, of_input=True), sizes, window)


def weight_adjoint(grad: Tensor, input: Tensor, kernel_size: Sequence[int], window: Window) -> Tensor:
    """The transpose of `convolve` in its weight, applied to `grad`: the shape of the weight."""
    like = grad.new_empty(1).expand(grad.shape[1], input.shape[1] // window.groups, *kernel_size)
    return _backward(grad, _wrap(input, window), like, window, of_input=False)


def gradients(
    grad: Tensor, input: Tensor, weight: Tensor, window: Window, *, of_input: bool, of_weight: bool
) -> tuple[Tensor | None, Tensor | None]:
    """Both adjoints of real operands, those that are wanted, by one call of torch's."""
    if not (of_input or of_weight):
        return None, None
    none = [0] * window.axes
    x = _wrap(input, window) if of_weight else _padded_like(grad, input.shape, window)
    # the bias's gradient is not asked of it: in float32 that sum loses digits
    in_input, of_kernel, _ = torch.ops.aten.convolution_backward(
        grad,
        x,
        weight,
        None,
        window.stride,
        none,
        window.dilation,
        False,
        none,
        window.groups,
        [of_input, of_weight, False],
    )
    return (
        _unwrap(in_input, input.shape[2:], window).contiguous() if of_input else None,
        of_kernel.contiguous() if of_weight else None,
    )


def _backward(grad: Tensor, input: Tensor, weight: Tensor, window: Window, *, of_input: bool) -> Tensor:
    none = [0] * window.axes
    mask = [of_input, not of_input, False]
    grads: tuple[Tensor, Tensor, Tensor] = torch.ops.aten.convolution_backward(
        grad, input, weight, None, window.stride, none, window.dilation, False, none, window.groups, mask
    )
    return grads[0] if of_input else grads[1]


def _wrap(x: Tensor, window: Window) -> Tensor:
    return circular_pad(x, _last_first(window))


def _last_first(window: Window) -> list[int]:
    """The padding as torch lists it."""
    return [p for pair in reversed(list(zip(window.left, window.right, strict=True))) for p in pair]


def _padded_like(grad: Tensor, shape: Sequence[int], window: Window) -> Tensor:
    """A tensor of the shape of a padded input, whose values do not count."""
    return grad.new_empty(1).expand(*shape[:2], *_padded_sizes(shape[2:], window))


def _unwrap(x: Tensor, sizes: Sequence[int], window: Window) -> Tensor:
    """The transpose of `_wrap`: every padded sample is added to the one that it is a copy of."""
    for dim, (n, left, right) in enumerate(zip(sizes, window.left, window.right, strict=True), start=2):
        if not (left or right):
            continue
        if left <= n and right <= n:
            core = x.narrow(dim, left, n).clone()
            core.narrow(dim, n - left, left).add_(x.narrow(dim, 0, left))
            core.narrow(dim, 0, right).add_(x.narrow(dim, left + n, right))
            x = core
        else:
            index = torch.arange(-left, n + right, device=x.device) % n
            x = x.new_zeros((*x.shape[:dim], n, *x.shape[dim + 1 :])).index_add_(dim, index, x)
    return x
