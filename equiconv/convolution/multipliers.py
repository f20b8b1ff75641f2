"""The spectrum of a kernel, ready to be multiplied: on the grid of the transform, with the factor 1/N of the inverse."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

from equiconv.arrays import dtype_name
from equiconv.convolution.blocks import split
from equiconv.convolution.engines.base import spectrum_shape
from equiconv.convolution.engines.pool import TransformKey, give, take

__all__ = ["continued", "kernel_multiplier", "signals_of", "spectrum_of", "usual_peaks"]

Array = npt.NDArray[Any]
_BLOCK = 2**18


def kernel_multiplier(
    u: Array,
    levels: int,
    grid: Sequence[int],
    engine: str,
    threads: int = 1,
    *,
    measured: bool = False,
    transform: Callable[..., Array] | None = None,
) -> tuple[Array, Array | None]:
    """F u / N for kernels u of shape (*batch, *sizes) on the signals' own grid, and the scale of the result, if any.

    Where a kernel is so small that F u / N would underflow, it is first raised by a power of two, which is exact, and
    one so large that F u would overflow is lowered; the result is then to be multiplied by `scale`, of shape
    (*batch, 1, …, 1). `transform` takes the place of `spectrum_of` where frequencies are to lie in another order.
    """
    axes = tuple(range(u.ndim - levels, u.ndim))
    peak = np.abs(u).max(axis=axes, keepdims=True)
    least, most, room = usual_peaks(dtype_name(u.dtype), math.prod(grid))
    scale = None
    usual = least <= peak.item() <= most if peak.size == 1 else bool(((peak >= least) & (peak <= most)).all())
    if not usual:
        if np.iscomplexobj(u):  # a modulus may overflow where the parts do not
            peak = np.maximum(np.abs(u.real), np.abs(u.imag)).max(axis=axes, keepdims=True)
        is_small = (peak > 0) & (peak < least)
        is_large = np.isfinite(peak) & (peak > most)
        if is_small.any() or is_large.any():
            exponent = np.where(is_small, np.frexp(peak)[1], np.where(is_large, room, 0))
            raised = np.ldexp(u.real, -exponent)
            u = (raised + 1j * np.ldexp(u.imag, -exponent) if np.iscomplexobj(u) else raised).astype(
                u.dtype, copy=False
            )
            scale = np.ldexp(np.ones_like(peak), exponent)
    spectrum = (transform or spectrum_of)(continued(u, levels, grid), levels, engine, threads, measured=measured)
    spectrum *= 1 / math.prod(grid)
    return spectrum, scale


@lru_cache(maxsize=256)
def usual_peaks(dtype: str, samples: int) -> tuple[float, float, int]:
    """Between which largest entries a kernel is taken as it is, and by which power of two a larger one is lowered."""
    information = np.finfo(dtype)
    # An error of `tiny` in each multiplier reaches an entry of y as at most N·tiny·‖x‖₂, which must stay below
    # eps·‖x‖₂·‖u‖₂, and ‖u‖₂ ≥ max|u|.
    least = samples * float(information.tiny) / float(information.eps)
    # Within a transform sums of up to N entries are formed, of complex ones up to twice as large.
    room = (4 * samples).bit_length()
    return least, float(np.ldexp(information.max, -room)), room


def continued(u: Array, levels: int, grid: Sequence[int]) -> Array:
    """u on a longer grid: v[r] = u[r mod n] for −n < r < n, zero between, so that signals of n samples see no end of it.

    >>> continued(np.asarray([1.0, 2.0, 3.0]), 1, (6,))
    array([1., 2., 3., 0., 2., 3.])
    """
    for axis, length in zip(range(u.ndim - levels, u.ndim), grid, strict=True):
        n = u.shape[axis]
        if n == length:
            continue
        v = np.zeros((*u.shape[:axis], length, *u.shape[axis + 1 :]), dtype=u.dtype)
        before = (slice(None),) * axis
        v[(*before, slice(0, n))] = u
        v[(*before, slice(length - n + 1, length))] = u[(*before, slice(1, n))]
        u = v
    return u


def spectrum_of(u: Array, levels: int, engine: str, threads: int = 1, *, measured: bool = False) -> Array:
    """F u over the last `levels` axes, half of it for real u."""
    batch, grid = u.shape[: u.ndim - levels], u.shape[u.ndim - levels :]
    axes = tuple(range(len(batch), u.ndim))
    block, parts = split(batch, max(1, _BLOCK // (math.prod(grid) * u.dtype.itemsize)))
    key = TransformKey(engine, (*block, *grid), axes, dtype_name(u.dtype), threads, measured)
    transform = take(key)
    if len(parts) == 1:
        spectrum: Array = np.array(transform.forward(u))
    else:
        is_real = u.dtype.kind == "f"
        spectrum = np.empty(spectrum_shape(u.shape, axes, is_real), dtype=transform.spectrum_dtype)
        for part in parts:
            spectrum[part] = transform.forward(u[part])
    give(key, transform)
    return spectrum


def signals_of(spectrum: Array, sizes: Sequence[int], dtype: np.dtype[Any], engine: str, threads: int = 1) -> Array:
    """n·F⁻¹ S over the last axes, signals of these sizes and this dtype; S, half of a spectrum for a real one, is lost."""
    batch = spectrum.shape[: spectrum.ndim - len(sizes)]
    signals = np.empty((*batch, *sizes), dtype=dtype)
    block, parts = split(batch, max(1, _BLOCK // (math.prod(sizes) * dtype.itemsize)))
    axes = tuple(range(len(batch), signals.ndim))
    key = TransformKey(engine, (*block, *sizes), axes, dtype_name(dtype), threads)
    transform = take(key)
    for part in parts:
        transform.inverse(transform.own_spectrum(spectrum[part]), signals[part])
    give(key, transform)
    return signals
