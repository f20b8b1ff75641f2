"""Where a layer's window reads on the torus: checked once, and asked by everything else in this folder."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from equiconv.operators.base import integer

__all__ = ["Geometry", "each"]

Indices = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Geometry:
    """y[i] = Σ_t w[t]·x[(i·stride + t·dilation − left) mod n] along each axis, for i = 0 … n/stride − 1.

    The stride divides n, so that the outputs are all samples of a torus of n/stride: the *periods* of the layer.
    """

    sizes: tuple[int, ...]
    kernel_size: tuple[int, ...]
    stride: tuple[int, ...]
    dilation: tuple[int, ...]
    left: tuple[int, ...]
    groups: int

    @property
    def axes(self) -> int:
        return len(self.sizes)

    @property
    def periods(self) -> tuple[int, ...]:
        """n/stride along each axis: the sizes of the outputs, and the order of the group of shifts that is kept."""
        return tuple(n // s for n, s in zip(self.sizes, self.stride, strict=True))

    @property
    def phases(self) -> int:
        """The number of samples of the input for each of the output, ∏ stride."""
        return math.prod(self.stride)

    @property
    def span(self) -> tuple[int, ...]:
        """dilation·(k − 1): how far beyond its first sample a window reads."""
        return tuple(d * (k - 1) for d, k in zip(self.dilation, self.kernel_size, strict=True))

    def positions(self, axis: int) -> Indices:
        """Where each tap reads along an axis relative to its output: t·dilation − left mod n."""
        taps = np.arange(self.kernel_size[axis], dtype=np.int64)
        return (taps * self.dilation[axis] - self.left[axis]) % self.sizes[axis]

    def window(self) -> tuple[list[int], list[int], list[int], int] | None:
        """(stride, padding, dilation, groups) as the layers' operations take them, or None where `left` has no padding.

        Right of the window there is as much padding as the span leaves: the outputs are then n/stride.
        """
        if any(not 0 <= left <= span for left, span in zip(self.left, self.span, strict=True)):
            return None
        padding = [p for left, span in zip(self.left, self.span, strict=True) for p in (left, span - left)]
        return list(self.stride), padding, list(self.dilation), self.groups

    def reversed(self) -> Geometry:
        """Of the transpose of a layer of stride 1, whose kernel is flipped: what read at p now reads at −p."""
        return replace(self, left=tuple(span - left for span, left in zip(self.span, self.left, strict=True)))


def each(value: int | Iterable[int], axes: int, name: str, least: int | None = None) -> tuple[int, ...]:
    """`value` as one integer for each axis. Raises `TypeError` or `ValueError` naming the argument."""
    given = tuple(value) if isinstance(value, Iterable) else (value,) * axes
    if len(given) != axes:
        raise ValueError(f"{name} must be an integer or one for each of the {axes} spatial axes, got {value!r}")
    return tuple(integer(v, name, least) for v in given)
