"""Circular padding: a signal on {0 … n−1} seen as periodic, [x]_k = [x]_{k mod n} (lecture L22).

torch's own circular padding refuses to wrap more than once around the signal; here any padding is accepted, by the
definition.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

__all__ = ["CircularPad1d", "CircularPad2d", "CircularPad3d", "circular_pad"]


def circular_pad(x: Tensor, padding: Sequence[int]) -> Tensor:
    """`x` continued periodically by `padding` entries at each side: y[i] = x[(i − left) mod n].

    `padding` is ordered as in `torch.nn.functional.pad`, the last dim first: (left, right), then (top, bottom), and so
    on. A padding larger than the signal wraps more than once; a negative one crops. The dtype is any.

    In an exported graph this is one `aten.pad(mode="circular")`, or where torch refuses that, one `aten.index_select` a
    dim.

    Raises `ValueError` for a `padding` of odd length or with more pairs than x has dims, and where x is empty or would
    become empty.

    >>> circular_pad(torch.tensor([[1.0, 2.0, 3.0]]), (1, 5))
    tensor([[3., 1., 2., 3., 1., 2., 3., 1., 2.]])
    """
    pairs = list(zip(padding[0::2], padding[1::2], strict=False))
    if len(padding) % 2 or len(pairs) > x.ndim:
        raise ValueError(
            f"padding must hold a left and a right entry for each of the last dims, the last dim first, at most "
            f"{x.ndim} pairs for x of shape {tuple(x.shape)}; got {tuple(padding)}"
        )
    if not any(padding):
        return x
    for dim, (left, right) in zip(range(-1, -x.ndim - 1, -1), pairs, strict=False):
        if x.shape[dim] == 0 or x.shape[dim] + left + right < 1:
            raise ValueError(
                f"padding {left}, {right} leaves nothing along dim {dim} of x, whose shape is {tuple(x.shape)}; "
                f"a periodic signal has at least one sample"
            )
    once = all(
        0 <= min(pair) <= max(pair) <= x.shape[dim]
        for dim, pair in zip(range(-1, -x.ndim - 1, -1), pairs, strict=False)
    )
    # torch pads the last 1 to 3 dims of a signal that has a channel dim, and a batch dim or none. (It accepts some
    # negative paddings too, and returns uninitialised memory for (-4, 3) on 4 samples.)
    if once and x.ndim - len(pairs) in (1, 2) and len(pairs) <= 3:
        return F.pad(x, tuple(padding), mode="circular")
    for dim, (left, right) in zip(range(-1, -x.ndim - 1, -1), pairs, strict=False):
        if left or right:
            n = x.shape[dim]
            x = x.index_select(dim, torch.arange(-left, n + right, device=x.device) % n)
    return x


class CircularPad1d(nn.CircularPad1d):
    """`torch.nn.CircularPad1d` that may wrap more than once: (N, C, n) or (C, n), see `circular_pad`.

    >>> CircularPad1d(4)(torch.arange(3.0).reshape(1, 3))
    tensor([[2., 0., 1., 2., 0., 1., 2., 0., 1., 2., 0.]])
    """

    def forward(self, input: Tensor) -> Tensor:
        self._check_input_dim(input)
        return circular_pad(input, self.padding)


class CircularPad2d(nn.CircularPad2d):
    """`torch.nn.CircularPad2d` that may wrap more than once: (N, C, h, w) or (C, h, w), see `circular_pad`.

    >>> CircularPad2d((0, 0, 3, 0))(torch.arange(2.0).reshape(1, 2, 1)).flatten()
    tensor([1., 0., 1., 0., 1.])
    """

    def forward(self, input: Tensor) -> Tensor:
        self._check_input_dim(input)
        return circular_pad(input, self.padding)


class CircularPad3d(nn.CircularPad3d):
    """`torch.nn.CircularPad3d` that may wrap more than once: (N, C, d, h, w) or (C, d, h, w), see `circular_pad`.

    >>> CircularPad3d(2)(torch.zeros(1, 1, 1, 1)).shape
    torch.Size([1, 5, 5, 5])
    """

    def forward(self, input: Tensor) -> Tensor:
        self._check_input_dim(input)
        return circular_pad(input, self.padding)
