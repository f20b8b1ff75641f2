"""A kernel met once, on signals so short that calls are what costs: the shortest way through a plan in NumPy.

What `prepared` does in steps that serve every case is done here for the plainest one: one kernel for all signals, the
convolved axes last, one block on the signals' own grid.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from equiconv.convolution.candidates import SMALL, Candidate
from equiconv.convolution.engines.pool import TransformKey, give, take
from equiconv.convolution.fourier import kernel_places
from equiconv.convolution.geometry import Geometry
from equiconv.convolution.multipliers import usual_peaks

__all__ = ["OnceProduct", "OnceSums", "once_way"]

Host: TypeAlias = npt.NDArray[Any]


def once_way(
    shapes: Geometry, way: Candidate, dtype: str, origin: Sequence[int], *, correlate: bool, measured: bool
) -> OnceProduct | OnceSums | None:
    """The shortest way for a plan on arrays of its own shapes and dtype, where there is one."""
    if OnceProduct.serves(shapes, way):
        return OnceProduct(shapes, way, dtype, origin, correlate=correlate, measured=measured)
    return OnceSums(shapes, origin, correlate=correlate) if OnceSums.serves(shapes, way) else None


class OnceProduct:
    """y = F⁻¹(F x ⊙ F u), u the kernel on the grid of the signals, for arrays of the shapes and dtype of a plan."""

    def __init__(
        self, shapes: Geometry, way: Candidate, dtype: str, origin: Sequence[int], *, correlate: bool, measured: bool
    ) -> None:
        batch = len(shapes.shape) - len(shapes.sizes)
        self._dtype = np.dtype(dtype)
        self._sizes, self._shape = shapes.sizes, shapes.shape
        self._places = kernel_places(shapes.kernel_sizes, shapes.sizes, tuple(origin), correlate)
        self._least, self._most, _ = usual_peaks(dtype, shapes.samples)
        self._scale = 1 / shapes.samples
        axes = tuple(range(len(shapes.sizes)))
        self._of_kernel = TransformKey(way.engine, shapes.sizes, axes, dtype, 1, measured)
        self._of_signals = TransformKey(way.engine, shapes.shape, tuple(a + batch for a in axes), dtype, 1, measured)

    @staticmethod
    def serves(shapes: Geometry, way: Candidate) -> bool:
        """Whether the plan is so plain a one."""
        return (
            way.method == "fourier"
            and way.layout == "blocks"
            and way.grid == shapes.sizes
            and _is_plain(shapes)
            and all(m <= n for m, n in zip(shapes.kernel_sizes, shapes.sizes, strict=True))
        )

    def __call__(self, x: Host, w: Host) -> Host | None:
        """The convolution; None where the kernel is so small or so large that it is to be scaled first."""
        u = np.zeros(self._sizes, dtype=self._dtype)
        for to, of in self._places:
            u[to] = w[of]
        if not self._least <= np.abs(u).max() <= self._most:
            return None
        kernel = take(self._of_kernel)
        multiplier = kernel.forward(u)
        np.multiply(multiplier, self._scale, out=multiplier)
        signals = take(self._of_signals)
        out = np.empty(self._shape, dtype=self._dtype)
        signals.filter(x, multiplier, out)
        give(self._of_signals, signals)
        give(self._of_kernel, kernel)
        return out


class OnceSums:
    """Σ_t w[t]·x[i − t + o] along the last axis, for few taps: one product and one sum for each, of the whole array."""

    def __init__(self, shapes: Geometry, origin: Sequence[int], *, correlate: bool) -> None:
        (n,), (m,), (o,) = shapes.sizes, shapes.kernel_sizes, origin
        # b[j] = x[(j + start) mod n] holds all windows: tap t reads b[i + t], or b[i + m − 1 − t] where it convolves
        start = (-o if correlate else o - (m - 1)) % n
        self._pieces = [
            slice(start, min(n, start + n + m - 1)),
            slice(0, min(n, start + m - 1)),
            slice(0, start + m - 1 - n),
        ]
        self._pieces = [p for p in self._pieces if p.stop > p.start]
        self._windows = [slice(at, at + n) for at in (range(m) if correlate else range(m - 1, -1, -1))]

    @staticmethod
    def serves(shapes: Geometry, way: Candidate) -> bool:
        """Whether the plan is so plain a one."""
        return (
            way.method == "direct"
            and _is_plain(shapes)
            and len(shapes.sizes) == 1
            and 0 < shapes.kernel_sizes[0] <= shapes.sizes[0]
        )

    def __call__(self, x: Host, w: Host) -> Host:
        """The convolution, with the terms added in the order of the taps."""
        b = np.concatenate([x[..., piece] for piece in self._pieces], axis=-1)
        out: Host = b[..., self._windows[0]] * w[0]
        for tap in range(1, len(self._windows)):
            out += b[..., self._windows[tap]] * w[tap]
        return out


def _is_plain(shapes: Geometry) -> bool:
    """One kernel for all signals, the convolved axes last, and few samples in all."""
    few = 0 < math.prod(shapes.shape) <= SMALL
    return few and shapes.alone and shapes.is_last and shapes.shape == shapes.x_shape
