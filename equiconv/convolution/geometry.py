"""How a kernel lines up with a signal: axes, sizes and the shape of the result, checked once."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache

from equiconv.arrays import normalize_axes

__all__ = ["Geometry", "geometry", "lay_out", "long_axes"]


@dataclass(frozen=True)
class Geometry:
    """The shapes of a convolution.

    `axes` are the axes that are convolved, counted from the end, in increasing order; they are the same in the signal,
    in the kernel (unless the kernel has these axes only: `alone`) and in the result. `sizes` and `kernel_sizes` are the
    sizes along them, `shape` is that of the result.
    """

    x_shape: tuple[int, ...]
    w_shape: tuple[int, ...]
    axes: tuple[int, ...]
    shape: tuple[int, ...]
    sizes: tuple[int, ...]
    kernel_sizes: tuple[int, ...]
    alone: bool

    @property
    def taps(self) -> int:
        """The number of entries of one kernel."""
        return math.prod(self.kernel_sizes)

    @property
    def samples(self) -> int:
        """The number of entries of one signal, along the convolved axes."""
        return math.prod(self.sizes)

    @property
    def is_last(self) -> bool:
        """Whether the convolved axes are the last ones."""
        return self.axes[0] == -len(self.axes)

    @property
    def is_shared(self) -> bool:
        """Whether one kernel serves all signals."""
        return math.prod(self.w_shape) == self.taps


def geometry(x_shape: Sequence[int], w_shape: Sequence[int], axes: int | Iterable[int] = -1) -> Geometry:
    """The `Geometry` of these shapes.

    Raises `TypeError` for axes that are no integers, and `ValueError` for axes that are missing from x or w, named twice
    or none at all, for empty axes, and for batch shapes that do not broadcast.

    >>> geometry((5, 2, 6), (7, 3, 1, 8), (2, 0)).shape
    (7, 5, 2, 6)
    """
    signal, kernel = tuple(int(n) for n in x_shape), tuple(int(m) for m in w_shape)
    return _geometry(signal, kernel, normalize_axes(axes, len(signal)))


def lay_out(x_shape: tuple[int, ...], w_shape: tuple[int, ...], axes: tuple[int, ...]) -> Geometry:
    """`geometry` for axes that are normalized, and for sizes that may be symbolic, of which nothing is remembered.

    >>> lay_out((5, 2, 6), (7, 3, 1, 8), (2, 0)).shape
    (7, 5, 2, 6)
    """
    ends = tuple(sorted(a - len(x_shape) for a in axes))
    alone = len(w_shape) == len(ends)  # a kernel with the convolved axes and no other
    if not alone and -ends[0] > len(w_shape):
        raise ValueError(
            f"w of shape {w_shape} has no axis {ends[0]}, along which x of shape {x_shape} is convolved; give w the "
            f"{len(ends)} convolved axes alone, or all axes that broadcast with x"
        )
    w_axes = tuple(range(-len(ends), 0)) if alone else ends
    sizes, kernel_sizes = tuple(x_shape[a] for a in ends), tuple(w_shape[a] for a in w_axes)
    for name, shape, along in (("x", x_shape, sizes), ("w", w_shape, kernel_sizes)):
        if any(n < 1 for n in along):
            raise ValueError(
                f"{name} of shape {shape} is empty along the axes {axes} of x, where at least one sample is needed"
            )
    shape = _result_shape(x_shape, w_shape, ends, w_axes)
    return Geometry(x_shape, w_shape, ends, shape, sizes, kernel_sizes, alone)


_geometry = lru_cache(maxsize=256)(lay_out)


def _result_shape(
    x_shape: tuple[int, ...], w_shape: tuple[int, ...], ends: tuple[int, ...], w_axes: tuple[int, ...]
) -> tuple[int, ...]:
    """The sizes of x along the convolved axes, and the broadcast of x and w along the others."""
    if w_axes != ends or len(w_shape) == len(ends):
        return x_shape
    rank = max(len(x_shape), len(w_shape))
    shape = []
    for axis in range(-rank, 0):
        n = x_shape[axis] if -axis <= len(x_shape) else 1
        m = w_shape[axis] if -axis <= len(w_shape) else 1
        # in this order, so that no question is asked of a symbolic batch that meets one kernel
        if axis not in ends and m != 1 and n != 1 and n != m:
            raise ValueError(
                f"x of shape {x_shape} and w of shape {w_shape} do not broadcast along axis {axis} ({n} against {m}); "
                f"the sizes of axes that are not convolved must be equal, or 1"
            )
        shape.append(n if axis in ends or m == 1 else m)
    return tuple(shape)


def long_axes(grid: Sequence[int]) -> tuple[int, ...]:
    """The axes of more than one entry: those along which anything is transformed; the last one where there is none.

    >>> long_axes((1, 8, 1, 5)), long_axes((1, 1))
    ((1, 3), (1,))
    """
    return tuple(a for a, n in enumerate(grid) if n > 1) or (len(grid) - 1,)
