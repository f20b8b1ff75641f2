"""Between layers and operators: what a layer computes on a torus, and two layers in one."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils.parametrize import type_before_parametrizations

from equiconv.arrays import compute_dtype
from equiconv.nn.layers import CircularConv1d, CircularConv2d, CircularConv3d
from equiconv.nn.operator import kernels
from equiconv.nn.operator.geometry import each
from equiconv.nn.window import Window

__all__ = ["compose_layers", "read_layer"]

_CIRCULAR = {1: CircularConv1d, 2: CircularConv2d, 3: CircularConv3d}
_AXES: dict[type[nn.Module], int] = {nn.Conv1d: 1, nn.Conv2d: 2, nn.Conv3d: 3} | {
    layer: axes for axes, layer in _CIRCULAR.items()
}


def read_layer(layer: nn.Module, sizes: int | Iterable[int], bias: str) -> dict[str, Any]:
    """The arguments of `ConvOperator` for a layer on a torus, or why there are none."""
    window = _window(layer, "layer")
    if bias not in ("refuse", "drop"):
        raise ValueError(f"bias must be 'refuse' or 'drop', got {bias!r}")
    if layer.bias is not None and bias == "refuse":
        raise ValueError(
            "layer has a bias, with which it is affine and no linear map; write bias='drop' for its linear part, which "
            "has the same Lipschitz constant, and add the bias yourself where you apply it"
        )
    torus = each(sizes, window.axes, "sizes", 1)
    weight: Any = layer.weight
    outputs = window.output_sizes(torus, weight.shape[2:])
    for a, (n, s, m) in enumerate(zip(torus, window.stride, outputs, strict=True)):
        if n % s == 0 and m != n // s:
            k, d = weight.shape[2 + a], window.dilation[a]
            raise ValueError(
                f"layer has {max(m, 0)} outputs along axis {a} of a torus of {n}, where stride {s} has {n // s} samples: "
                f"its outputs do not cover the torus. With kernel size {k} and dilation {d} the paddings at both sides "
                f"must add up to {d * (k - 1)} or up to {s - 1} less, and are {window.left[a]} and {window.right[a]}"
            )
    return {
        "weight": weight,
        "sizes": torus,
        "stride": window.stride,
        "padding": window.left,
        "dilation": window.dilation,
        "groups": window.groups,
    }


def compose_layers(first: nn.Module, second: nn.Module) -> CircularConv1d | CircularConv2d | CircularConv3d:
    """One circular layer that computes `second(first(x))` on every torus that its stride divides.

    Its kernel is the convolution of the two, of size k₁ + s₁·(k₂ − 1) where neither is dilated, with s₁ the stride of
    `first`; the strides multiply. Its bias is that of `second` plus what it makes of the bias of `first`. The parameters
    are new, without gradient history; for a kernel through which gradients flow, write
    `ConvOperator.from_layer(second, …) @ ConvOperator.from_layer(first, …)`. Where the torus is shorter than the kernel,
    the layer wraps; the product of operators folds the kernel instead.

    One kernel has filters·channels·(k₁ + k₂ − 1)ᵈ weights, which can be more or fewer than the two have together.
    Even kernels with padding="same" can leave the joint window off centre; then the kernel is widened by zeros.

    Parameters
    ----------
    first, second : layers as `ConvOperator.from_layer` takes them, of one number of axes, dtype and device; the
        channels that `first` gives are those that `second` takes. Their outputs must cover the torus.

    Raises
    ------
    TypeError : other modules, layers with hooks, different dtypes.
    ValueError : channels, axes or devices that differ, paddings with which the outputs do not cover the torus.

    Examples
    --------
    >>> first, second = CircularConv2d(3, 8, 3, padding="same"), CircularConv2d(8, 4, 5, stride=2, padding=2)
    >>> joint = compose_layers(first, second)
    >>> joint.kernel_size, joint.stride, joint.padding
    ((7, 7), (2, 2), (3, 3))
    >>> x = torch.randn(1, 3, 8, 8)
    >>> torch.allclose(joint(x), second(first(x)), atol=1e-5)
    True
    """
    one, two = _window(first, "first"), _window(second, "second")
    (w1, b1), (w2, b2) = _parameters(first), _parameters(second)
    if w1.ndim != w2.ndim:
        raise ValueError(f"first has {one.axes} spatial axes and second {two.axes}; both must have as many")
    if w1.shape[0] != w2.shape[1] * two.groups:
        raise ValueError(f"first gives {w1.shape[0]} channels, but second takes {w2.shape[1] * two.groups}")
    if w1.dtype != w2.dtype:
        raise TypeError(f"first is {w1.dtype} and second {w2.dtype}; convert one, for instance with second.to(dtype)")
    if w1.device != w2.device:
        raise ValueError(
            f"first is on {w1.device} and second on {w2.device}; move one, for instance with second.to(device)"
        )
    for name, window, weight in (("first", one, w1), ("second", two, w2)):
        _require_cover(name, window, weight)
    between = [d * s for d, s in zip(two.dilation, one.stride, strict=True)]
    dtype, device = w1.dtype, w1.device
    w1, w2, b1, b2 = _wide(w1), _wide(w2), b1 if b1 is None else _wide(b1), b2 if b2 is None else _wide(b2)
    weight, dilation, groups = kernels.joined((w1, one.dilation, one.groups), (w2, between, two.groups), one.axes)
    stride = tuple(a * b for a, b in zip(one.stride, two.stride, strict=True))
    left = [a + s * b for a, s, b in zip(one.left, one.stride, two.left, strict=True)]
    weight, padding, dilation = _centred(weight, left, stride, dilation)
    bias = _joint_bias(b1, b2, w2, two.groups)
    kind: Any = _CIRCULAR[one.axes]
    made = kind(
        w1.shape[1] * one.groups,
        w2.shape[0],
        tuple(weight.shape[2:]),
        stride,
        padding,
        dilation,
        groups,
        bias is not None,
        device=device,
        dtype=dtype,
    )
    with torch.no_grad():
        made.weight.copy_(weight)
        if bias is not None and made.bias is not None:
            made.bias.copy_(bias)
    joint: CircularConv1d | CircularConv2d | CircularConv3d = made.train(second.training)
    return joint


def _window(layer: nn.Module, name: str) -> Window:
    """The window of a layer that is linear and circular, or a `TypeError` or `ValueError` that says why it is neither."""
    kind = type_before_parametrizations(layer) if isinstance(layer, nn.Module) else type(layer)
    if kind not in _AXES:
        raise TypeError(
            f"{name} must be an equiconv.nn.CircularConv*d or a plain torch.nn.Conv*d, got {kind.__module__}."
            f"{kind.__name__}; for another convolution pass its weight to ConvOperator"
        )
    if layer._forward_hooks or layer._forward_pre_hooks:
        raise TypeError(f"{name} has forward hooks, which may compute something else; remove them first")
    axes = _AXES[kind]
    conv: Any = layer
    spans = [d * (k - 1) for d, k in zip(conv.dilation, conv.kernel_size, strict=True)]
    if conv.padding == "valid":
        padding = [0] * (2 * axes)
    elif conv.padding == "same":
        padding = [half for span in spans for half in (span // 2, span - span // 2)]
    else:
        padding = [p for p in conv.padding for _ in range(2)]
    if any(padding) and conv.padding_mode != "circular":
        raise ValueError(
            f"{name} pads with padding_mode={conv.padding_mode!r} and is no convolution on the torus; make it circular with "
            f"padding_mode='circular', or with equiconv.nn.{_CIRCULAR[axes].__name__}.from_torch({name})"
        )
    return Window(tuple(conv.stride), tuple(padding), tuple(conv.dilation), conv.groups)


def _parameters(layer: Any) -> tuple[Tensor, Tensor | None]:
    """Weight and bias without their gradients."""
    return layer.weight.detach(), None if layer.bias is None else layer.bias.detach()


def _wide(x: Tensor) -> Tensor:
    """In the dtype that it is computed in: half precision is rounded once, at the end."""
    return x.to(compute_dtype(x.dtype))


def _require_cover(name: str, window: Window, weight: Tensor) -> None:
    for a, (k, s, d, left, right) in enumerate(
        zip(weight.shape[2:], window.stride, window.dilation, window.left, window.right, strict=True)
    ):
        if not 1 - s <= left + right - d * (k - 1) <= 0:
            raise ValueError(
                f"the outputs of {name} do not cover the torus along axis {a}: with kernel size {k}, dilation {d} and "
                f"stride {s} the paddings at both sides must add up to {d * (k - 1)} or up to {s - 1} less, and are "
                f"{left} and {right}"
            )


def _centred(
    weight: Tensor, left: Sequence[int], stride: Sequence[int], dilation: Sequence[int]
) -> tuple[Tensor, tuple[int, ...], tuple[int, ...]]:
    """A kernel of the same map with as much padding at both sides, `left` for the given one: (weight, padding, dilation).

    With a padding p at both sides the outputs cover the torus where 2p − dilation·(k − 1) lies in [1 − stride, 0].
    Zeros in front move the window by one tap each, and zeros behind lengthen it alone.
    """
    paddings, dilations = [], []
    for a, (p, s, d) in enumerate(zip(left, stride, dilation, strict=True)):
        dim = 2 + a
        front, behind = _zeros(2 * p - d * (weight.shape[dim] - 1), s, d)
        if front is None:
            # Taps d apart miss the interval: the kernel is spelt out, with its zeros, and then meets it.
            spelt = weight.new_zeros((*weight.shape[:dim], d * (weight.shape[dim] - 1) + 1, *weight.shape[dim + 1 :]))
            spelt[(slice(None),) * dim + (slice(None, None, d),)] = weight
            weight, d = spelt, 1
            front, behind = _zeros(2 * p - (weight.shape[dim] - 1), s, d)
            assert front is not None
        ends = [0, 0] * (weight.ndim - dim - 1) + [front, behind]
        weight = nn.functional.pad(weight, ends)
        paddings.append(p + front * d)
        dilations.append(d)
    return weight, tuple(paddings), tuple(dilations)


def _zeros(excess: int, stride: int, dilation: int) -> tuple[int | None, int]:
    """How many zeros in front, or behind, bring `excess` into [1 − stride, 0]; None where no number does."""
    front = max(0, math.ceil((1 - stride - excess) / dilation))
    behind = max(0, math.ceil(excess / dilation))
    after = excess + dilation * (front - behind)
    return (front, behind) if 1 - stride <= after <= 0 else (None, 0)


def _joint_bias(b1: Tensor | None, b2: Tensor | None, w2: Tensor, groups: int) -> Tensor | None:
    """What the second layer makes of the first one's bias, a constant signal, plus its own."""
    if b1 is None:
        return b2
    sums = kernels.split_axis(w2.sum(dim=tuple(range(2, w2.ndim))), 0, (groups, -1))
    made: Tensor = (sums @ b1.reshape(groups, -1, 1)).flatten()
    return made if b2 is None else made + b2
