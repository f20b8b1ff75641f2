"""`circular_conv`: the layers' convolution as a function, with the arguments of `torch.nn.functional.conv*d`."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.autograd import forward_ad

from equiconv.nn.eager import convolve, is_eager
from equiconv.nn.ops import circular_conv_op, expand_convolution
from equiconv.nn.window import kept_window_of, window_of

__all__ = ["circular_conv"]


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
    if is_eager(input, weight, bias):
        window = kept_window_of(weight.shape[2:], stride, padding, dilation, groups)
        if input.ndim == weight.ndim - 1:
            return convolve(input.unsqueeze(0), weight, bias, window).squeeze(0)
        return convolve(input, weight, bias, window)
    device = input.device.type
    if torch.amp.is_autocast_available(device) and torch.is_autocast_enabled(device):
        dtype = torch.get_autocast_dtype(device)
        input, weight = _autocast(input, dtype), _autocast(weight, dtype)
        bias = None if bias is None else _autocast(bias, dtype)
    w = window_of(weight.shape[2:], stride, padding, dilation, groups)
    alone = input.ndim == weight.ndim - 1
    x = input.unsqueeze(0) if alone else input
    arguments = list(w.stride), list(w.padding), list(w.dilation), w.groups
    # Asking for the level makes a compiled program ask at each call: none drops the tangents of a later one.
    operation = circular_conv_op if forward_ad._current_level < 0 else expand_convolution
    y: Tensor = operation(x, weight, bias, *arguments)
    return y.squeeze(0) if alone else y


def _autocast(x: Tensor, dtype: torch.dtype) -> Tensor:
    eligible = x.is_floating_point() and x.dtype != torch.float64
    return x.to(dtype) if eligible else x
