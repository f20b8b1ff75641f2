"""Circular convolution by the convolution theorem: y = F⁻¹(F x ⊙ F w) (lecture L24, equation (10)).

The kernel is first written on the signal's own grid: folded modulo its size where it is longer, filled with zeros where
it is shorter, and rolled so that its origin lies at index 0. A correlation is the convolution with the kernel reversed,
w[−t], which needs no conjugation and so is right for complex kernels too. Real data use the real transform, half of the
work and of the memory.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

from equiconv.arrays import Array, device, is_complex, namespace
from equiconv.convolution.definition import convolve_by_definition

__all__ = ["convolve_by_fourier", "embed_kernel", "kernel_places"]


def convolve_by_fourier(x: Array, w: Array, origin: Sequence[int], *, correlate: bool = False) -> Array:
    """The sums of `convolve_by_definition`, computed with Fourier transforms over the last `len(origin)` axes.

    `x` has shape (..., n1, …, nd) and `w` (..., m1, …, md), of one library, device and dtype (not float16 or bfloat16,
    which have no transform), every size at least 1; their leading axes broadcast. Each entry errs by at most
    `equiconv.arrays.fourier_bound` of the 2-norms of x and of the embedded kernel.

    >>> import numpy as np
    >>> convolve_by_fourier(np.array([1.0, 2.0, 3.0]), np.array([0.0, 1.0]), (0,)).round(12)
    array([3., 1., 2.])
    """
    if 0 in (*x.shape, *w.shape):  # an empty batch, which some libraries (MKL in torch 2.13) refuse to transform
        return convolve_by_definition(x, w, origin, correlate=correlate)
    xp = namespace(x, w)
    axes = tuple(range(-len(origin), 0))
    sizes = tuple(int(x.shape[a]) for a in axes)
    kernel = embed_kernel(w, sizes, origin, correlate=correlate)
    if is_complex(x):
        return xp.fft.ifftn(xp.fft.fftn(x, axes=axes) * xp.fft.fftn(kernel, axes=axes), axes=axes)
    spectrum = xp.fft.rfftn(x, axes=axes) * xp.fft.rfftn(kernel, axes=axes)
    return xp.fft.irfftn(spectrum, s=sizes, axes=axes)


def embed_kernel(w: Array, sizes: Sequence[int], origin: Sequence[int], *, correlate: bool = False) -> Array:
    """The kernel on the grid of the signal: u of shape (..., n1, …, nd) with `x ⋆ u` the wanted convolution.

    u[r] = Σ w[t] over all taps t with t − o ≡ r (mod n), or with o − t ≡ r (mod n) for a correlation.

    >>> import numpy as np
    >>> embed_kernel(np.array([1.0, 2.0, 3.0, 4.0]), (3,), (1,))
    array([2., 3., 5.])
    """
    xp = namespace(w)
    if type(w) is np.ndarray and all(m <= n for m, n in zip(w.shape[-len(sizes) :], sizes, strict=True)):
        return _laid_out(w, tuple(sizes), tuple(origin), correlate=correlate)
    axes = tuple(range(-len(sizes), 0))
    for axis, n in zip(axes, sizes, strict=True):
        w = _fold(w, axis, n)
    if correlate:
        # flip(v)[n − 1 − t] = v[t], so that a roll by o + 1 puts tap t at o − t.
        return xp.roll(xp.flip(w, axis=axes), tuple(o + 1 for o in origin), axis=axes)
    return xp.roll(w, tuple(-o for o in origin), axis=axes)


def _laid_out(
    w: npt.NDArray[Any], sizes: tuple[int, ...], origin: tuple[int, ...], *, correlate: bool
) -> npt.NDArray[Any]:
    """`embed_kernel` in NumPy, for a kernel that is nowhere longer than the signal: a few slices are copied."""
    levels = len(sizes)
    u = np.zeros((*w.shape[: w.ndim - levels], *sizes), dtype=w.dtype)
    for to, of in kernel_places(w.shape[w.ndim - levels :], sizes, origin, correlate):
        u[to] = w[of]
    return u


@lru_cache(maxsize=256)
def kernel_places(
    taps: tuple[int, ...], sizes: tuple[int, ...], origin: tuple[int, ...], correlate: bool
) -> list[tuple[tuple[Any, ...], tuple[Any, ...]]]:
    """The slices of the embedded kernel and those of w that they are copies of, where w is nowhere longer than it.

    >>> kernel_places((3,), (8,), (1,), False)
    [((Ellipsis, slice(7, 8, None)), (Ellipsis, slice(0, 1, None))), ((Ellipsis, slice(0, 2, None)), (Ellipsis, slice(1, 3, None)))]
    """
    along = []
    for m, n, o in zip(taps, sizes, origin, strict=True):
        # tap t lies at t − o, and of a correlation tap m − 1 − s at s + (o − m + 1): there w is read backwards
        start = (o - m + 1 if correlate else -o) % n
        first = min(m, n - start)
        pieces = [(slice(start, start + first), slice(0, first)), (slice(0, m - first), slice(first, m))]
        along.append([(to, _backwards(of, m) if correlate else of) for to, of in pieces[: 1 + (m > first)]])
    return [
        ((..., *(to for to, _ in pieces)), (..., *(of for _, of in pieces))) for pieces in itertools.product(*along)
    ]


def _backwards(part: slice, m: int) -> slice:
    """The entries of `part` in w[::-1], as a slice of w."""
    last = m - part.stop
    return slice(m - 1 - part.start, last - 1 if last else None, -1)


def _fold(w: Array, axis: int, n: int) -> Array:
    """v[r] = Σ w[t] over t ≡ r (mod n): the kernel wrapped around a cycle of n samples."""
    xp = namespace(w)
    wraps = -(-int(w.shape[axis]) // n)
    missing = wraps * n - int(w.shape[axis])
    axis %= w.ndim
    if missing:
        gap = (*w.shape[:axis], missing, *w.shape[axis + 1 :])
        w = xp.concat([w, xp.zeros(gap, dtype=w.dtype, device=device(w))], axis=axis)
    if wraps == 1:
        return w
    return xp.sum(xp.reshape(w, (*w.shape[:axis], wraps, n, *w.shape[axis + 1 :])), axis=axis)
