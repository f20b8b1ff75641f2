"""Pooling on the torus: torch's pooling layers, whose padding and overhang wrap instead of being filled (lecture L14).

torch pads a max pool with −∞ and an average pool with zeros, and with `ceil_mode` lets the last windows hang over the
edge. Each breaks the symmetry under shifts. Here the signal is continued periodically as far as the windows of torch's
layer reach, so that the output has the size that torch's has and every window is full. In a graph that is a circular
pad and a pool without padding.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from equiconv.nn.padding import circular_pad

__all__ = [
    "CircularAvgPool1d",
    "CircularAvgPool2d",
    "CircularAvgPool3d",
    "CircularMaxPool1d",
    "CircularMaxPool2d",
    "CircularMaxPool3d",
]

_Size = int | Sequence[int]


def _each(value: _Size, axes: int) -> tuple[int, ...]:
    return (value,) * axes if isinstance(value, int) else tuple(value)


def _wrap(
    input: Tensor, axes: int, kernel: _Size, stride: _Size, padding: _Size, dilation: _Size, ceil_mode: bool
) -> tuple[Tensor, tuple[int, ...]]:
    """The input continued as far as the windows reach, and how far it was continued at the left of each axis."""
    if input.ndim not in (axes + 1, axes + 2):
        raise ValueError(
            f"input must have shape (batch, channels, *sizes) or (channels, *sizes) with {axes} spatial axes, got "
            f"{tuple(input.shape)}"
        )
    sizes = input.shape[-axes:]
    pads: list[int] = []
    lefts = _each(padding, axes)
    for n, k, s, p, d in zip(
        sizes, _each(kernel, axes), _each(stride, axes), lefts, _each(dilation, axes), strict=True
    ):
        reach = d * (k - 1) + 1
        right = p
        if ceil_mode:
            # torch's count: rounded up, but no window may start in the right padding.
            count = -((reach - n - 2 * p) // s) + 1
            if (count - 1) * s >= n + p:
                count -= 1
            right = max(p, (count - 1) * s + reach - n - p)
        if n + p + right < reach:
            raise ValueError(
                f"the window of size {reach} does not fit into input of shape {tuple(input.shape)} with padding {p}; "
                f"pad more, or take a smaller window"
            )
        pads = [p, right, *pads]
    return circular_pad(input, pads), lefts


def _unwrapped_indices(indices: Tensor, padded: Sequence[int], sizes: Sequence[int], lefts: Sequence[int]) -> Tensor:
    """Flat positions in the padded signal to flat positions of the samples that they are copies of."""
    result, scale = torch.zeros_like(indices), 1
    for q, n, left in reversed(list(zip(padded, sizes, lefts, strict=True))):
        result = result + scale * ((indices % q - left) % n)
        indices, scale = indices // q, scale * n
    return result


def _max_pool(pool: nn.modules.pooling._MaxPoolNd, input: Tensor, axes: int) -> Tensor | tuple[Tensor, Tensor]:
    padded, lefts = _wrap(input, axes, pool.kernel_size, pool.stride, pool.padding, pool.dilation, pool.ceil_mode)
    function = (F.max_pool1d, F.max_pool2d, F.max_pool3d)[axes - 1]
    if not pool.return_indices:
        output: Tensor = function(padded, pool.kernel_size, pool.stride, 0, pool.dilation)
        return output
    output, indices = function(padded, pool.kernel_size, pool.stride, 0, pool.dilation, return_indices=True)
    return output, _unwrapped_indices(indices, padded.shape[-axes:], input.shape[-axes:], lefts)


class CircularMaxPool1d(nn.MaxPool1d):
    """`torch.nn.MaxPool1d` on the circle, see `CircularMaxPool2d`.

    >>> CircularMaxPool1d(3, stride=2, padding=1)(torch.tensor([[1.0, 2.0, 3.0, 4.0]]))
    tensor([[4., 4.]])
    """

    def forward(self, input: Tensor) -> Tensor | tuple[Tensor, Tensor]:
        return _max_pool(self, input, 1)


class CircularMaxPool2d(nn.MaxPool2d):
    """`torch.nn.MaxPool2d` whose padding wraps: (N, C, h, w) or (C, h, w) to the shape that torch's layer gives.

    The arguments are torch's. `padding` is how far the image is continued periodically at each side, where torch has
    −∞, and it may exceed half of the window. With `ceil_mode=True` there are as many outputs as in torch's layer, and
    the windows that hang over the edge wrap. With `return_indices=True` indices refer to the input, not to its
    continuation.

    >>> CircularMaxPool2d(2, ceil_mode=True)(torch.arange(9.0).reshape(1, 3, 3))
    tensor([[[4., 5.],
             [7., 8.]]])
    """

    def forward(self, input: Tensor) -> Tensor | tuple[Tensor, Tensor]:
        return _max_pool(self, input, 2)


class CircularMaxPool3d(nn.MaxPool3d):
    """`torch.nn.MaxPool3d` on the torus, see `CircularMaxPool2d`.

    >>> CircularMaxPool3d(3, stride=1, padding=1)(torch.arange(8.0).reshape(1, 2, 2, 2)).min()
    tensor(7.)
    """

    def forward(self, input: Tensor) -> Tensor | tuple[Tensor, Tensor]:
        return _max_pool(self, input, 3)


class CircularAvgPool1d(nn.AvgPool1d):
    """`torch.nn.AvgPool1d` on the circle, see `CircularAvgPool2d`.

    >>> CircularAvgPool1d(3, stride=2, padding=1)(torch.tensor([[0.0, 3.0, 6.0, 3.0]]))
    tensor([[2., 4.]])
    """

    def forward(self, input: Tensor) -> Tensor:
        padded, _ = _wrap(input, 1, self.kernel_size, self.stride, self.padding, 1, self.ceil_mode)
        return F.avg_pool1d(padded, self.kernel_size, self.stride)


class CircularAvgPool2d(nn.AvgPool2d):
    """`torch.nn.AvgPool2d` whose padding wraps: (N, C, h, w) or (C, h, w) to the shape that torch's layer gives.

    The arguments are torch's; padding and `ceil_mode` as in `CircularMaxPool2d`. Every window is full, so that it is
    divided by its size or by `divisor_override`, and `count_include_pad` has nothing to decide.

    >>> CircularAvgPool2d(2, ceil_mode=True)(torch.arange(9.0).reshape(1, 3, 3))
    tensor([[[2.0000, 2.5000],
             [3.5000, 4.0000]]])
    """

    def forward(self, input: Tensor) -> Tensor:
        padded, _ = _wrap(input, 2, self.kernel_size, self.stride, self.padding, 1, self.ceil_mode)
        return F.avg_pool2d(padded, self.kernel_size, self.stride, divisor_override=self.divisor_override)


class CircularAvgPool3d(nn.AvgPool3d):
    """`torch.nn.AvgPool3d` on the torus, see `CircularAvgPool2d`.

    >>> CircularAvgPool3d(3, stride=1, padding=1)(torch.ones(1, 2, 2, 2)).unique()
    tensor([1.])
    """

    def forward(self, input: Tensor) -> Tensor:
        padded, _ = _wrap(input, 3, self.kernel_size, self.stride, self.padding, 1, self.ceil_mode)
        return F.avg_pool3d(padded, self.kernel_size, self.stride, divisor_override=self.divisor_override)
