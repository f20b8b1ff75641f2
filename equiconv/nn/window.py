"""The geometry that the layers' three kernels share: how a window slides over the torus.

    y[i] = Σ_t w[t] · x[(i·stride + t·dilation − left) mod n]

for i = 0 … m − 1 along each spatial axis, where m is the size that torch's convolution of the padded signal has.
"""

from __future__ import annotations

import operator
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any

import torch
from torch import Tensor

__all__ = ["Window", "kept_window_of", "window_of"]


@dataclass(frozen=True)
class Window:
    """Stride, padding and dilation along each spatial axis, and the number of channel groups.

    `padding` holds 2 entries an axis, first axis first: (left_0, right_0, left_1, right_1, …).
    """

    stride: tuple[int, ...]
    padding: tuple[int, ...]
    dilation: tuple[int, ...]
    groups: int

    @cached_property
    def _hash(self) -> int:
        return hash((self.stride, self.padding, self.dilation, self.groups))

    def __hash__(self) -> int:  # asked for at every call of a layer
        return self._hash

    @property
    def axes(self) -> int:
        """The number of spatial axes."""
        return len(self.stride)

    @property
    def left(self) -> tuple[int, ...]:
        return self.padding[0::2]

    @property
    def right(self) -> tuple[int, ...]:
        return self.padding[1::2]

    def output_sizes(self, sizes: Sequence[int], kernel_size: Sequence[int]) -> tuple[int, ...]:
        """m = ⌊(n + left + right − dilation·(k − 1) − 1)/stride⌋ + 1 along each axis; < 1 where no window fits."""
        return tuple(
            (n + left + right - d * (k - 1) - 1) // s + 1
            for n, k, s, d, left, right in zip(
                sizes, kernel_size, self.stride, self.dilation, self.left, self.right, strict=True
            )
        )

    def require(self, input: Tensor, weight: Tensor, bias: Tensor | None) -> None:
        """Refuse operands that do not fit together, naming the argument, what came and what is accepted."""
        axes = weight.ndim - 2
        if axes not in (1, 2, 3):
            raise ValueError(
                f"weight must have shape (out_channels, in_channels // groups, *kernel_size) with 1 to 3 spatial axes, "
                f"got {tuple(weight.shape)}"
            )
        if input.ndim != weight.ndim:
            raise ValueError(
                f"input must have shape (batch, channels, *sizes) with {axes} spatial axes, as weight of shape "
                f"{tuple(weight.shape)} has; got {tuple(input.shape)}"
            )
        for name, values, count, least in (
            ("stride", self.stride, axes, 1),
            ("padding", self.padding, 2 * axes, 0),
            ("dilation", self.dilation, axes, 1),
            ("groups", (self.groups,), 1, 1),
        ):
            if len(values) != count or min(values) < least:
                raise ValueError(f"{name} must hold {count} integers of at least {least}, got {values}")
        if weight.shape[0] % self.groups or input.shape[1] != weight.shape[1] * self.groups:
            raise ValueError(
                f"weight of shape {tuple(weight.shape)} in groups = {self.groups} takes "
                f"{weight.shape[1] * self.groups} channels and needs a number of output channels that groups divides; "
                f"got input of shape {tuple(input.shape)}"
            )
        if bias is not None and tuple(bias.shape) != (weight.shape[0],):
            raise ValueError(f"bias must have shape ({weight.shape[0]},), one for each filter, got {tuple(bias.shape)}")
        for name, other in (("weight", weight), ("bias", bias)):
            if other is not None and other.dtype != input.dtype:
                raise TypeError(
                    f"input and {name} must have one dtype, got {input.dtype} and {other.dtype}; convert one of them, "
                    f"for instance with input.to({name}.dtype)"
                )
        if not (input.is_floating_point() or input.is_complex()):
            raise TypeError(f"input must be real or complex floating, got {input.dtype}; write input.float()")
        if any(n == 0 for n in (*input.shape[2:], *weight.shape[2:])):
            raise ValueError(
                f"input of shape {tuple(input.shape)} and weight of shape {tuple(weight.shape)} need at least one "
                f"sample along each spatial axis"
            )
        sizes = self.output_sizes(input.shape[2:], weight.shape[2:])
        if any(m < 1 for m in sizes):  # not min(), which would compare symbolic sizes with each other
            raise ValueError(
                f"the kernel of size {tuple(weight.shape[2:])} with dilation {self.dilation} does not fit into "
                f"input of shape {tuple(input.shape)} with padding {self.padding}; pad more, for "
                f"instance with padding='same'"
            )

    def require_adjoint(self, grad: Tensor, input: Tensor, weight: Tensor) -> None:
        """Refuse a gradient of the result of `input` and `weight` that does not fit them."""
        self.require(input, weight, None)
        shape = len(input), len(weight), *self.output_sizes(input.shape[2:], weight.shape[2:])
        if tuple(grad.shape) != shape:
            raise ValueError(f"grad must have the shape of the result, {shape}, got {tuple(grad.shape)}")
        if grad.dtype != input.dtype:
            raise TypeError(f"grad and input must have one dtype, got {grad.dtype} and {input.dtype}")


def kept_window_of(
    kernel_size: Sequence[int],
    stride: int | Sequence[int],
    padding: int | Sequence[int] | str,
    dilation: int | Sequence[int],
    groups: int,
) -> Window:
    """`window_of`, kept between calls: layers ask for the same windows again and again. Sizes must be numbers."""
    if type(stride) is tuple and type(dilation) is tuple:
        if type(padding) is tuple:
            return _kept(kernel_size, groups, len(stride), len(padding), *stride, *padding, *dilation)
        if type(padding) is str:
            return _kept(kernel_size, groups, len(stride), padding, *stride, *dilation)
    return window_of(kernel_size, stride, padding, dilation, groups)


# By types, of which the cache looks at those of its own arguments: so a
# float that equals an integer does not find the integer's window.
@lru_cache(maxsize=1024, typed=True)
def _kept(kernel_size: Sequence[int], groups: int, axes: int, pads: int | str, *values: int) -> Window:
    padding = pads if isinstance(pads, str) else values[axes : axes + pads]
    count = 0 if isinstance(pads, str) else pads
    return window_of(kernel_size, values[:axes], padding, values[axes + count :], groups)


def window_of(
    kernel_size: Sequence[int],
    stride: int | Sequence[int],
    padding: int | Sequence[int] | str,
    dilation: int | Sequence[int],
    groups: int,
) -> Window:
    """The window of a kernel by the arguments of torch's layers: integers, one for each axis, or a name of a padding.

    Raises `TypeError` for what is no integer, `ValueError` for another name, and for `"same"` with a stride.
    """
    axes = len(kernel_size)
    strides, dilations = _each(stride, axes), _each(dilation, axes)
    if isinstance(padding, str):
        pads = _named_padding(padding, kernel_size, strides, dilations)
    else:
        pads = tuple(p for p in _each(padding, axes) for _ in range(2))
    return Window(strides, pads, dilations, groups)


def _each(value: int | Sequence[int], axes: int) -> tuple[int, ...]:
    return (value,) * axes if isinstance(value, int) else tuple(_integer(v) for v in value)


def _integer(value: Any) -> int:
    symbol: int = value  # of an export with sizes that are not numbers
    return symbol if isinstance(value, torch.SymInt) else operator.index(value)


def _named_padding(
    name: str, kernel_size: Sequence[int], stride: tuple[int, ...], dilation: tuple[int, ...]
) -> tuple[int, ...]:
    if name == "valid":
        return (0,) * (2 * len(kernel_size))
    if name != "same":
        raise ValueError(f"padding must be 'same', 'valid', an integer or one for each axis, got {name!r}")
    if any(s != 1 for s in stride):
        raise ValueError(f"padding='same' has as many outputs as inputs and needs stride 1, got {stride}")
    totals = [d * (k - 1) for k, d in zip(kernel_size, dilation, strict=True)]
    return tuple(half for total in totals for half in (total // 2, total - total // 2))
