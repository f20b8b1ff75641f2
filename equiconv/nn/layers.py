"""Convolutional layers on the torus, with the signature and the state of `torch.nn.Conv1d`, `Conv2d` and `Conv3d`.

They differ from torch's layers with `padding_mode="circular"` in three ways: padding may wrap more than once, large
kernels are computed in the frequency domain, and the whole layer is one operation in a graph,
`equiconv::circular_conv`.
"""

from __future__ import annotations

from typing import Any, Literal, TypeVar

import torch
from torch import Tensor, nn

from equiconv.nn.computation import route_of
from equiconv.nn.eager import convolve, is_eager
from equiconv.nn.functional import circular_conv
from equiconv.nn.preparation import convolve_prepared, is_prepared
from equiconv.nn.window import Window, kept_window_of

__all__ = ["CircularConv1d", "CircularConv2d", "CircularConv3d"]

_Layer = TypeVar("_Layer", bound="_CircularConv")

torch.fx.wrap("circular_conv")  # a layer that `torch.fx.symbolic_trace` meets is one call


class _CircularConv(nn.modules.conv._ConvNd):
    """What the three layers share."""

    _torch_layer: type[nn.Module]

    def _conv_forward(self, input: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        if not is_eager(input, weight, bias):
            return circular_conv(input, weight, bias, self.stride, self.padding, self.dilation, self.groups)
        window = self._window(weight)
        alone = input.ndim == weight.ndim - 1
        x = input.unsqueeze(0) if alone else input
        route = route_of(x, weight, bias, window)
        by_spectrum = route.prepared == "spectral" and is_prepared(self)
        y = convolve_prepared(self, x, weight, bias, window) if by_spectrum else None
        if y is None:
            y = convolve(x, weight, bias, window, route)
        return y.squeeze(0) if alone else y

    def _window(self, weight: Tensor) -> Window:
        """The window of the layer's arguments as they are now: that of the last call where they are the same objects."""
        kept = self.__dict__.get("_kept_window")
        if (
            kept is None
            or kept[0] is not self.stride
            or kept[1] is not self.padding
            or kept[2] is not self.dilation
            or kept[3] is not self.groups
            or kept[4] != weight.shape
        ):
            given = self.stride, self.padding, self.dilation, self.groups
            kept = self.__dict__["_kept_window"] = *given, weight.shape, kept_window_of(weight.shape[2:], *given)
        window: Window = kept[5]
        return window

    @classmethod
    def from_torch(cls: type[_Layer], layer: nn.Module, *, copy: bool = False) -> _Layer:
        """The circular layer with the arguments and the parameters of a torch layer of the same number of axes.

        The parameters are shared: the same objects, so that optimisers and ties survive. `copy=True` clones them. Where
        `layer` pads with `padding_mode="circular"` (or not at all) the result computes the same function; where it pads
        with anything else, the result wraps instead.

        Raises `TypeError` for anything but a plain torch layer or a circular one: subclasses, parametrised layers and
        layers with hooks may compute something else, which would be lost.

        >>> layer = nn.Conv2d(3, 4, 3, padding=1, padding_mode="circular")
        >>> CircularConv2d.from_torch(layer).weight is layer.weight
        True
        """
        if type(layer) not in (cls._torch_layer, cls) or not isinstance(layer.weight, nn.Parameter):
            raise TypeError(
                f"layer must be a plain torch.nn.{cls._torch_layer.__name__} or {cls.__name__}, got "
                f"{type(layer).__module__}.{type(layer).__name__}, which may compute something else; remove "
                f"parametrisations first, for instance with torch.nn.utils.parametrize.remove_parametrizations"
            )
        if layer._forward_hooks or layer._forward_pre_hooks or layer._backward_hooks or layer._backward_pre_hooks:
            raise TypeError("layer has hooks, which would be lost; remove them first, and register them on the result")
        names = ("in_channels", "out_channels", "kernel_size", "stride", "padding", "dilation", "groups")
        arguments: dict[str, Any] = {name: getattr(layer, name) for name in names}
        made = cls(**arguments, bias=layer.bias is not None, device="meta")
        for name, parameter in layer.named_parameters():
            kept = nn.Parameter(parameter.detach().clone(), parameter.requires_grad) if copy else parameter
            made.register_parameter(name, kept)
        return made.train(layer.training)


class CircularConv1d(_CircularConv, nn.Conv1d):
    """`torch.nn.Conv1d` on the torus: (N, C, n) or (C, n) to (N, C', m) or (C', m).

    The arguments, their defaults and the state are those of `torch.nn.Conv1d`, and the output is that of
    `torch.nn.Conv1d(…, padding_mode="circular")`, see `CircularConv2d`.

    >>> import torch
    >>> CircularConv1d(2, 3, 5, padding="same")(torch.zeros(1, 2, 4)).shape
    torch.Size([1, 3, 4])
    """

    _torch_layer = nn.Conv1d

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int | tuple[int],
        stride: int | tuple[int] = 1,
        padding: str | int | tuple[int] = 0,
        dilation: int | tuple[int] = 1,
        groups: int = 1,
        bias: bool = True,
        padding_mode: Literal["circular"] = "circular",
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        _require_circular(padding_mode)
        super().__init__(
            in_channels,
            out_channels,
            kernel_size,
            stride,
            padding,
            dilation,
            groups,
            bias,
            padding_mode,
            device,
            dtype,
        )


class CircularConv2d(_CircularConv, nn.Conv2d):
    """`torch.nn.Conv2d` on the torus: (N, C, h, w) or (C, h, w) to (N, C', h', w') or (C', h', w').

    The arguments, their defaults and the state are those of `torch.nn.Conv2d`, and the output is that of
    `torch.nn.Conv2d(…, padding_mode="circular")`. In particular `padding=0` wraps nothing: the kernel
    stays inside the image, and the map does not commute with shifts of the torus. With stride 1 write `padding="same"`
    to cover the whole torus, for any kernel size and dilation; with a stride, `padding=(k − 1) // 2` for an odd kernel
    size k.

    `padding` may exceed the image, which then wraps more than once; torch refuses that. `"same"` with an even kernel
    puts the odd entry at the right and the bottom, as torch does. The only `padding_mode` is `"circular"`.

    Shapes, dtypes, autocasting and errors of the forward pass are those of `equiconv.nn.circular_conv`.

    >>> import torch
    >>> CircularConv2d(2, 3, 9, stride=2, padding=4)(torch.zeros(1, 2, 3, 6)).shape
    torch.Size([1, 3, 2, 3])
    """

    _torch_layer = nn.Conv2d

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int | tuple[int, int],
        stride: int | tuple[int, int] = 1,
        padding: str | int | tuple[int, int] = 0,
        dilation: int | tuple[int, int] = 1,
        groups: int = 1,
        bias: bool = True,
        padding_mode: Literal["circular"] = "circular",
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        _require_circular(padding_mode)
        super().__init__(
            in_channels,
            out_channels,
            kernel_size,
            stride,
            padding,
            dilation,
            groups,
            bias,
            padding_mode,
            device,
            dtype,
        )


class CircularConv3d(_CircularConv, nn.Conv3d):
    """`torch.nn.Conv3d` on the torus: (N, C, d, h, w) or (C, d, h, w) to (N, C', d', h', w') or (C', d', h', w').

    The arguments, their defaults and the state are those of `torch.nn.Conv3d`, and the output is that of
    `torch.nn.Conv3d(…, padding_mode="circular")`, see `CircularConv2d`.

    >>> import torch
    >>> CircularConv3d(2, 3, 3, padding=1)(torch.zeros(2, 4, 5, 6)).shape
    torch.Size([3, 4, 5, 6])
    """

    _torch_layer = nn.Conv3d

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int | tuple[int, int, int],
        stride: int | tuple[int, int, int] = 1,
        padding: str | int | tuple[int, int, int] = 0,
        dilation: int | tuple[int, int, int] = 1,
        groups: int = 1,
        bias: bool = True,
        padding_mode: Literal["circular"] = "circular",
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        _require_circular(padding_mode)
        super().__init__(
            in_channels,
            out_channels,
            kernel_size,
            stride,
            padding,
            dilation,
            groups,
            bias,
            padding_mode,
            device,
            dtype,
        )


def _require_circular(padding_mode: str) -> None:
    if padding_mode != "circular":
        raise ValueError(
            f"padding_mode must be 'circular', got {padding_mode!r}; for other paddings use torch's own layer"
        )
