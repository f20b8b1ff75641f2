"""The layers' three kernels by windows: wrap the signal, then torch's own convolution, which wraps nothing.

The convolution, and its two adjoints. Each is linear in each operand and none conjugates. In float64 and on small
integers they are exact, and so commute with shifts bitwise.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from equiconv.nn.padding import circular_pad
from equiconv.nn.window import Window

__all__ = ["convolve", "input_adjoint", "weight_adjoint"]

# Bytes of padded signals and of results at a time, for each thread; but no single signals, with which torch is slower.
_CACHED_BYTES = 2**22
_LEAST_SIGNALS = 2


def convolve(input: Tensor, weight: Tensor, window: Window, bias: Tensor | None = None) -> Tensor:
    """y[b, o, i] = bias[o] + Σ_c Σ_t weight[o, c, t]·input[b, c, i·stride + t·dilation − left mod n]."""
    step = _signals_at_once(input, weight, window)
    if step >= len(input):
        return _convolve(input, weight, window, bias)
    y = input.new_empty((len(input), len(weight), *window.output_sizes(input.shape[2:], weight.shape[2:])))
    for i in range(0, len(input), step):
        y[i : i + step] = _convolve(input[i : i + step], weight, window, bias)
    return y


def _convolve(input: Tensor, weight: Tensor, window: Window, bias: Tensor | None) -> Tensor:
    none = [0] * window.axes
    return torch.convolution(
        _wrap(input, window), weight, bias, window.stride, none, window.dilation, False, none, window.groups
    )


def _signals_at_once(input: Tensor, weight: Tensor, window: Window) -> int:
    """How many signals to pad and convolve at a time.

    On a CPU, signals that are in the cache from the padding to the result were measured to take up to a third less time,
    and half of it where the padded signals would be memory that comes fresh from the system. Each call lays out the
    weight anew, so that large weights take all signals at once.
    """
    batch = len(input)
    if input.device.type != "cpu":
        return batch
    padded, outputs = input.shape[1], len(weight)
    sizes = window.output_sizes(input.shape[2:], weight.shape[2:])
    for n, m, left, right in zip(input.shape[2:], sizes, window.left, window.right, strict=True):
        padded, outputs = padded * (n + left + right), outputs * m
    cached, of_signal = _CACHED_BYTES * torch.get_num_threads(), (padded + outputs) * input.element_size()
    step = max(_LEAST_SIGNALS, cached // of_signal)
    if step >= batch or batch * of_signal < 2 * cached or 2 * weight.numel() > step * padded:
        return batch
    return -(-batch // -(-batch // step))  # parts of about the same size


def input_adjoint(grad: Tensor, weight: Tensor, sizes: Sequence[int], window: Window) -> Tensor:
    """The transpose of `convolve` in its input, applied to `grad`: the shape of the input."""
    padded = [n + left + right for n, left, right in zip(sizes, window.left, window.right, strict=True)]
    like = grad.new_empty(1).expand(grad.shape[0], weight.shape[1] * window.groups, *padded)
    return _unwrap(_backward(grad, like, weight, window, of_input=True), sizes, window)


def weight_adjoint(grad: Tensor, input: Tensor, kernel_size: Sequence[int], window: Window) -> Tensor:
    """The transpose of `convolve` in its weight, applied to `grad`: the shape of the weight."""
    like = grad.new_empty(1).expand(grad.shape[1], input.shape[1] // window.groups, *kernel_size)
    return _backward(grad, _wrap(input, window), like, window, of_input=False)


def _backward(grad: Tensor, input: Tensor, weight: Tensor, window: Window, *, of_input: bool) -> Tensor:
    none = [0] * window.axes
    mask = [of_input, not of_input, False]
    grads: tuple[Tensor, Tensor, Tensor] = torch.ops.aten.convolution_backward(
        grad, input, weight, None, window.stride, none, window.dilation, False, none, window.groups, mask
    )
    return grads[0] if of_input else grads[1]


def _wrap(x: Tensor, window: Window) -> Tensor:
    last_first = [p for pair in reversed(list(zip(window.left, window.right, strict=True))) for p in pair]
    return circular_pad(x, last_first)


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
