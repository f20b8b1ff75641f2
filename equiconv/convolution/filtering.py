"""Multiplying a signal's spectrum: what circulant operators do with `function(F c)` in place of a kernel's F w."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import TypeAlias

import numpy as np
import torch

from equiconv.arrays import Array, dtype_name, is_complex, namespace
from equiconv.convolution.blocks import BlockedProduct
from equiconv.convolution.candidates import SMALL, candidates
from equiconv.convolution.geometry import geometry
from equiconv.convolution.multipliers import spectrum_of
from equiconv.convolution.prepared import host, is_plain
from equiconv.convolution.tiles import TiledProduct

__all__ = ["filter_spectrum", "half_spectrum"]

Function: TypeAlias = Callable[[Array], Array]
_FAST = ("float32", "float64", "complex64", "complex128")


def half_spectrum(column: Array, levels: int) -> Array:
    """F c over the last `levels` axes: half of the last axis' frequencies for real c, all of them for complex c.

    >>> half_spectrum(np.asarray([1.0, 2.0, 3.0, 4.0]), 1).tolist()
    [(10+0j), (-2+2j), (-2+0j)]
    """
    if is_plain(column) and dtype_name(column.dtype) in _FAST and column.size:
        values = host(column)
        engine, _ = _engine(values.shape[values.ndim - levels :], dtype_name(values.dtype), values.size <= SMALL)
        spectrum = spectrum_of(values, levels, engine, torch.get_num_threads())
        return torch.from_numpy(spectrum) if isinstance(column, torch.Tensor) else spectrum
    xp, axes = namespace(column), tuple(range(-levels, 0))
    return xp.fft.fftn(column, axes=axes) if is_complex(column) else xp.fft.rfftn(column, axes=axes)


def filter_spectrum(x: Array, spectrum: Array, levels: int) -> Array:
    """F⁻¹(F x ⊙ S) over the last `levels` axes, for S as `half_spectrum` lays it out; the other axes broadcast.

    `x` and `spectrum` are of one library and device, x in the dtype that S is the complex one of. Gradients flow.

    >>> x = np.asarray([1.0, 2.0, 3.0, 4.0])
    >>> filter_spectrum(x, np.asarray([1.0 + 0j, 0, 0]), 1).tolist()
    [2.5, 2.5, 2.5, 2.5]
    """
    sizes = tuple(int(n) for n in x.shape[x.ndim - levels :])
    if is_plain(x) and is_plain(spectrum) and dtype_name(x.dtype) in _FAST:
        return _filter(x, spectrum, sizes)
    xp, axes = namespace(x, spectrum), tuple(range(-levels, 0))
    if is_complex(x):
        return xp.fft.ifftn(xp.fft.fftn(x, axes=axes) * spectrum, axes=axes)
    return xp.fft.irfftn(xp.fft.rfftn(x, axes=axes) * spectrum, s=sizes, axes=axes)


def _filter(x: Array, spectrum: Array, sizes: tuple[int, ...]) -> Array:
    source, multiplier, levels = host(x), host(spectrum), len(sizes)
    batch = np.broadcast_shapes(source.shape[: source.ndim - levels], multiplier.shape[: multiplier.ndim - levels])
    out = np.empty((*batch, *sizes), dtype=source.dtype)
    if out.size:
        multiplier = multiplier.reshape((1,) * (out.ndim - multiplier.ndim) + multiplier.shape)
        engine, layout = _engine(sizes, dtype_name(source.dtype), out.size <= SMALL)
        made = TiledProduct if layout == "tiles" else BlockedProduct
        scale = source.dtype.type(1 / math.prod(sizes)).real
        # Divided by N, so small a spectrum would lose digits to underflow, as in `kernel_multiplier`: the result is.
        peak = np.abs(multiplier).max(axis=tuple(range(-levels, 0)), keepdims=True)
        late = peak * scale < np.finfo(source.dtype).tiny / np.finfo(source.dtype).eps
        factors = multiplier * np.where(late, np.ones_like(scale), scale)
        product = made(factors, sizes, sizes, source.dtype, engine, torch.get_num_threads())
        product(np.broadcast_to(source, out.shape), out)
        if late.any():
            np.multiply(out, np.where(late, scale, np.ones_like(scale)), out=out)
    return torch.from_numpy(out) if isinstance(x, torch.Tensor) else out


@lru_cache(maxsize=256)
def _engine(sizes: Sequence[int], dtype: str, is_small: bool) -> tuple[str, str]:
    """The engine and the layout that the plan would take for a kernel as long as the signal."""
    rows = 1 if is_small else 2**20 // math.prod(sizes) + 1
    shapes = geometry((rows, *sizes), sizes, range(1, len(sizes) + 1))
    ways = candidates(shapes, dtype, measured=False, threads=1, on_cpu=True)
    best = min((c for c in ways if c.method == "fourier" and c.grid == shapes.sizes), key=lambda c: c.score)
    return best.engine, best.layout
