"""The defining sums of circular convolution and correlation, written as they are read (lecture L22, L23, L21).

Both are one sum over the taps of the kernel, each a multiple of a rolled copy of the signal:

    convolution   y[i] = Σ_t w[t] · x[i − t + o]
    correlation   y[i] = Σ_t w[t] · x[i + t − o]

with indices of x taken modulo its size and o the origin, the index of the kernel's centre. Nothing is assumed about the
length of w: a kernel longer than the signal wraps because the rolls do. This is the reference that every faster method
is held to, and the fastest method itself where the kernel has few taps.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence

from equiconv.arrays import Array, namespace

__all__ = ["convolve_by_definition"]


def convolve_by_definition(x: Array, w: Array, origin: Sequence[int], *, correlate: bool = False) -> Array:
    """Σ_t w[t]·x[i − t + o] over the last `len(origin)` axes, or Σ_t w[t]·x[i + t − o] with `correlate=True`.

    `x` has shape (..., n1, …, nd) and `w` (..., m1, …, md), of one library, device and dtype, every size at least 1;
    their leading axes broadcast. The terms are added in the order of the taps (the last axis fastest), so that each
    entry errs by at most `equiconv.arrays.direct_bound` with m1·…·md terms.

    >>> import numpy as np
    >>> convolve_by_definition(np.array([1.0, 2.0, 3.0]), np.array([0.0, 1.0]), (0,))
    array([3., 1., 2.])
    >>> convolve_by_definition(np.array([1.0, 2.0, 3.0]), np.array([0.0, 1.0]), (0,), correlate=True)
    array([2., 3., 1.])
    """
    xp = namespace(x, w)
    axes = tuple(range(-len(origin), 0))
    y = None
    for tap in itertools.product(*(range(int(w.shape[a])) for a in axes)):
        # roll(x, k)[i] = x[i − k]
        shift = tuple(o - t if correlate else t - o for t, o in zip(tap, origin, strict=True))
        weight = w[(..., *(slice(t, t + 1) for t in tap))]  # keeps its axes, of size 1, so that it broadcasts
        term = weight * xp.roll(x, shift, axis=axes)
        y = term if y is None else y + term
    return y
