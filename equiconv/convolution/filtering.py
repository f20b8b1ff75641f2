"""Multiplying a signal's spectrum: what circulant operators do with `function(F c)` in place of a kernel's F w."""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import torch

from equiconv.arrays import Array, dtype_name, is_complex, namespace
from equiconv.convolution.blocks import BlockedProduct
from equiconv.convolution.candidates import SMALL, candidates
from equiconv.convolution.costs import FEW
from equiconv.convolution.geometry import geometry
from equiconv.convolution.multipliers import signals_of, spectrum_of
from equiconv.convolution.plain import host, is_plain
from equiconv.convolution.tiles import TiledProduct

__all__ = ["SpectralFilter", "filter_spectrum", "from_spectrum", "half_spectrum", "is_fast"]

Host: TypeAlias = npt.NDArray[Any]
Product: TypeAlias = BlockedProduct | TiledProduct
_FAST = ("float32", "float64", "complex64", "complex128")


def is_fast(x: Array) -> bool:
    """Whether `x` is memory of the CPU and nothing else, in a dtype that the engines have.

    >>> is_fast(np.zeros(2)), is_fast(np.zeros(2, dtype=np.float16))
    (True, False)
    """
    return dtype_name(x.dtype) in _FAST and is_plain(x)


def half_spectrum(column: Array, levels: int) -> Array:
    """F c over the last `levels` axes: half of the last axis' frequencies for real c, all of them for complex c.

    >>> half_spectrum(np.asarray([1.0, 2.0, 3.0, 4.0]), 1).tolist()
    [(10+0j), (-2+2j), (-2+0j)]
    """
    if is_fast(column) and 0 not in column.shape:
        values = host(column)
        engine, _ = _engine(values.shape[values.ndim - levels :], dtype_name(values.dtype), values.size)
        spectrum = spectrum_of(values, levels, engine, torch.get_num_threads())
        return torch.from_numpy(spectrum) if isinstance(column, torch.Tensor) else spectrum
    xp, axes = namespace(column), tuple(range(-levels, 0))
    if 0 in column.shape[: column.ndim - levels]:  # torch transforms no empty batch; this one keeps the gradient's way
        if is_complex(column):
            return column * 1
        return xp.astype(column[..., : column.shape[-1] // 2 + 1], xp.result_type(column.dtype, xp.complex64))
    return xp.fft.fftn(column, axes=axes) if is_complex(column) else xp.fft.rfftn(column, axes=axes)


def from_spectrum(spectrum: Array, sizes: tuple[int, ...], *, is_real: bool) -> Array:
    """F⁻¹ S over the last axes, of the given sizes, for S as `half_spectrum` lays it out. S may be overwritten.

    The imaginary parts that no real signal has, at a frequency that is its own conjugate, are dropped. Gradients flow.

    >>> from_spectrum(np.asarray([10.0 + 0j, -2 + 2j, -2]), (4,), is_real=True).tolist()
    [1.0, 2.0, 3.0, 4.0]
    """
    if is_fast(spectrum) and 0 not in spectrum.shape:
        values = host(spectrum)
        dtype = values.real.dtype if is_real else values.dtype
        count = values.size // math.prod(values.shape[values.ndim - len(sizes) :]) * math.prod(sizes)
        engine, _ = _engine(sizes, dtype_name(dtype), count)
        signals = signals_of(values, sizes, dtype, engine, torch.get_num_threads())
        signals *= 1 / math.prod(sizes)
        return torch.from_numpy(signals) if isinstance(spectrum, torch.Tensor) else signals
    xp, axes = namespace(spectrum), tuple(range(-len(sizes), 0))
    if 0 in spectrum.shape[: spectrum.ndim - len(sizes)]:
        return xp.real(xp.concat([spectrum, spectrum], axis=-1)[..., : sizes[-1]]) if is_real else spectrum * 1
    return xp.fft.irfftn(spectrum, s=sizes, axes=axes) if is_real else xp.fft.ifftn(spectrum, axes=axes)


def filter_spectrum(x: Array, spectrum: Array, levels: int) -> Array:
    """F⁻¹(F x ⊙ S) over the last `levels` axes, for S as `half_spectrum` lays it out; the other axes broadcast.

    `x` and `spectrum` are of one library and device, x in the dtype that S is the complex one of. Gradients flow.

    >>> x = np.asarray([1.0, 2.0, 3.0, 4.0])
    >>> filter_spectrum(x, np.asarray([1.0 + 0j, 0, 0]), 1).tolist()
    [2.5, 2.5, 2.5, 2.5]
    """
    sizes = tuple(int(n) for n in x.shape[x.ndim - levels :])
    if is_fast(x) and is_plain(spectrum):
        source = host(x)
        y = SpectralFilter(host(spectrum), sizes, source.dtype)(source)
        return torch.from_numpy(y) if isinstance(x, torch.Tensor) else y
    return from_spectrum(half_spectrum(x, levels) * spectrum, sizes, is_real=not is_complex(x))


class SpectralFilter:
    """`filter_spectrum` by one spectrum, for memory of the CPU: what does not depend on the signals is prepared once.

    `spectrum` is on the grid of these `sizes` and the signals are of this dtype. Shorter signals are continued by zeros.
    One object may be called from several threads.

    >>> mean = SpectralFilter(np.asarray([1.0 + 0j, 0, 0]), (4,), np.dtype(np.float64))
    >>> mean(np.asarray([1.0, 2.0, 3.0, 4.0])).tolist(), mean(np.ones((2, 1)), length=2).tolist()
    ([2.5, 2.5, 2.5, 2.5], [[0.25, 0.25], [0.25, 0.25]])
    """

    def __init__(self, spectrum: Host, sizes: tuple[int, ...], dtype: np.dtype[Any]) -> None:
        levels = len(sizes)
        self._sizes, self._dtype, self._dtype_name = sizes, dtype, dtype_name(dtype)
        self._batch = spectrum.shape[: spectrum.ndim - levels]
        self._shared = math.prod(self._batch) == 1  # one multiplier for all signals, whatever their batch
        scale = dtype.type(1 / math.prod(sizes)).real
        # Divided by N, so small a spectrum would lose digits to underflow, as in `kernel_multiplier`: the result is.
        self._after: Host | None = None
        limit = _least(self._dtype_name) * math.prod(sizes)
        if spectrum.size and not (moduli := np.abs(spectrum)).min() >= limit:
            late = moduli.max(axis=tuple(range(-levels, 0)), keepdims=True) < limit
            if late.any():
                self._after = np.where(late, scale, np.ones_like(scale))
                scale = np.where(late, np.ones_like(scale), scale)
        self._factors: Host = spectrum * scale
        self._products: dict[tuple[str, str, int, tuple[int, ...]], Product] = {}

    def __call__(self, x: Host, gap: int = 0, length: int | None = None) -> Host:
        """The filtered signals; `gap` axes of x before the last ones are none of the batch of the spectrum.

        With `length`, for signals of one axis, x may be shorter than the spectrum's grid and only the first `length`
        samples of the result are returned.
        """
        levels = len(self._sizes)
        batch = x.shape[: x.ndim - levels]
        view: tuple[int, ...] = ()
        if self._shared:
            rank = len(self._batch) + gap - len(batch)
            batch = (1,) * rank + batch if rank > 0 and self._batch else batch
        else:
            view = (*self._batch, *(1,) * gap)
            batch = np.broadcast_shapes(batch, view)
            view = (1,) * (len(batch) - len(view)) + view
        signal = x.shape[x.ndim - levels :]
        # Engines write as many samples as are asked for; a whole signal, they take as a whole.
        short = length is not None and signal != self._sizes
        out = np.empty((*batch, length) if short else (*batch, *self._sizes), dtype=self._dtype)
        if out.size:
            source = x if x.shape == (*batch, *signal) else np.broadcast_to(x, (*batch, *signal))
            samples = math.prod(batch) * math.prod(self._sizes)
            self._product_for(samples, view, signal)(source, out)
            if self._after is not None:
                np.multiply(out, self._after.reshape((*view, *(1,) * levels)), out=out)
        return out if length is None or short else out[..., :length]

    def _product_for(self, samples: int, view: tuple[int, ...], signal: tuple[int, ...]) -> Product:
        engine, layout = _engine(self._sizes, self._dtype_name, samples)
        key = engine, layout, torch.get_num_threads(), view
        product = self._products.get(key)
        if product is None or product.sizes != signal:
            made = TiledProduct if layout == "tiles" else BlockedProduct
            factors = self._factors.reshape((*view, *self._factors.shape[len(self._batch) :]))
            product = made(factors, signal, self._sizes, self._dtype, engine, key[2])
            # Few and many signals may go different ways; what is made of other batches takes the place of both.
            if len(self._products) >= 2:
                self._products.clear()
            self._products[key] = product
        return product


@lru_cache(maxsize=8)
def _least(dtype: str) -> float:
    """The least number whose products lose nothing to underflow."""
    information = np.finfo(dtype)
    return float(information.tiny) / float(information.eps)


def _engine(sizes: tuple[int, ...], dtype: str, samples: int) -> tuple[str, str]:
    """The engine and the layout that the plan would take for a kernel as long as the signal, and for so many samples."""
    rows = 1 if samples <= SMALL else min(samples // math.prod(sizes), FEW)
    return _choice(sizes, dtype, rows)


@lru_cache(maxsize=256)
def _choice(sizes: tuple[int, ...], dtype: str, rows: int) -> tuple[str, str]:
    if rows == FEW:  # or more
        rows += 2**20 // math.prod(sizes)
    shapes = geometry((rows, *sizes), sizes, range(1, len(sizes) + 1))
    ways = candidates(shapes, dtype, measured=False, threads=1, on_cpu=True)
    best = min((c for c in ways if c.method == "fourier" and c.grid == shapes.sizes), key=lambda c: c.score)
    return best.engine, best.layout
