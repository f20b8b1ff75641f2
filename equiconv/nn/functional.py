"""`circular_conv`: the layers' convolution as a function, with the arguments of `torch.nn.functional.conv*d`."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from equiconv.nn.ops import are_plain, circular_conv_op, convolve_plain
from equiconv.nn.window import Window

__all__ = ["circular_conv", "window_arguments"]


def circular_conv(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: int | Sequence[int] = 1,
    padding: int | Sequence[int] | str = 0,
    dilation: int | Sequence[int] = 1,
    groups: int = 1,
) -> Tensor:
    """The convolution of a layer on the torus: torch's cross-correlation of a periodic signal (lecture L7, L22).

    y[b, o, i] = bias[o] + Σ_c Σ_t weight[o, c, t]·input[b, c, (i·stride + t·dilation − padding) mod n], with as many
    outputs i as `torch.nn.functional.conv2d` has for these arguments. The rank of `weight` decides how many
    spatial axes there are, 1 to 3.

    Parameters
    ----------
    input : (batch, channels, *sizes) or (channels, *sizes), real or complex floating.
    weight : (filters, channels // groups, *kernel_size).
    bias : (filters), or None.
    stride, dilation : an int, or one for each spatial axis.
    padding : how far the signal is continued at both sides, an int or one for each spatial axis; it may exceed the
        signal. `"valid"` is 0. `"same"` continues by dilation·(k − 1) in all, the odd entry at the right, so that there
        are as many outputs as inputs: the whole torus.
    groups : the number of groups of channels that do not mix.

    Under `torch.autocast`, operands other than float64 are cast to its dtype, as torch casts those of its convolutions.
    The result has the dtype of the (cast) input. The kernel is applied by windows or by spectra, whichever is estimated
    to be faster.

    Raises
    ------
    ValueError : shapes, strides, paddings, dilations or groups that do not fit; `"same"` with a stride.
    TypeError : dtypes that are not floating, or differ.

    Examples
    --------
    >>> x = torch.tensor([[[1.0, 2.0, 3.0, 4.0]]])
    >>> circular_conv(x, torch.tensor([[[1.0, 10.0, 100.0]]]), padding="same")
    tensor([[[214., 321., 432., 143.]]])
    """
    strides, pads, dilations = window_arguments(weight, stride, padding, dilation)
    device = input.device.type
    if torch.amp.is_autocast_available(device) and torch.is_autocast_enabled(device):
        dtype = torch.get_autocast_dtype(device)
        input, weight = _autocast(input, dtype), _autocast(weight, dtype)
        bias = None if bias is None else _autocast(bias, dtype)
    alone = input.ndim == weight.ndim - 1
    x = input.unsqueeze(0) if alone else input
    if are_plain(input, weight, bias):
        y = convolve_plain(x, weight, bias, Window(tuple(strides), tuple(pads), tuple(dilations), groups))
    else:
        y = circular_conv_op(x, weight, bias, strides, pads, dilations, groups)
    return y.squeeze(0) if alone else y


def window_arguments(
    weight: Tensor, stride: int | Sequence[int], padding: int | Sequence[int] | str, dilation: int | Sequence[int]
) -> tuple[list[int], list[int], list[int]]:
    """Stride, padding and dilation as the operation takes them: an entry an axis, and two of padding."""
    axes = weight.ndim - 2
    strides, dilations = _each(stride, axes), _each(dilation, axes)
    if isinstance(padding, str):
        return strides, _named_padding(padding, weight.shape[2:], strides, dilations), dilations
    return strides, [p for p in _each(padding, axes) for _ in range(2)], dilations


def _each(value: int | Sequence[int], axes: int) -> list[int]:
    return [value] * axes if isinstance(value, int) else list(value)


def _named_padding(name: str, kernel_size: Sequence[int], stride: list[int], dilation: list[int]) -> list[int]:
    if name == "valid":
        return [0] * (2 * len(kernel_size))
    if name != "same":
        raise ValueError(f"padding must be 'same', 'valid', an integer or one for each axis, got {name!r}")
    if any(s != 1 for s in stride):
        raise ValueError(f"padding='same' has as many outputs as inputs and needs stride 1, got {tuple(stride)}")
    totals = [d * (k - 1) for k, d in zip(kernel_size, dilation, strict=True)]
    return [half for total in totals for half in (total // 2, total - total // 2)]


def _autocast(x: Tensor, dtype: torch.dtype) -> Tensor:
    eligible = x.is_floating_point() and x.dtype != torch.float64
    return x.to(dtype) if eligible else x
