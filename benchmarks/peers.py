"""The same product of spectra by each library, as its documentation would have it written."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import scipy.fft
import torch

__all__ = ["spectral_peers"]

Array = npt.NDArray[Any]
_LARGEST_MEASURED = 2**20


def spectral_peers(
    w: Array, axes: tuple[int, ...], shape: tuple[int, ...], threads: int
) -> dict[str, Callable[[Array], Array]]:
    """y = F⁻¹(F x ⊙ F w) along the last axes, for real or complex x of this shape; the spectrum of w is prepared.

    Each has a spectrum of its own: one that all share would be in the cache for each of them, as it is for no user.
    """
    real = not np.iscomplexobj(w)
    sizes = tuple(w.shape)
    dtype = w.dtype
    forth = np.fft.rfftn if real else np.fft.fftn
    W = forth(w.astype(np.complex128 if not real else np.float64)).astype(np.result_type(dtype, np.complex64))
    for_numpy, for_scipy, for_torch = W.copy(), W.copy(), torch.from_numpy(W.copy())
    last = tuple(range(-len(axes), 0))
    peers: dict[str, Callable[[Array], Array]] = {}

    def by_numpy(x: Array) -> Array:
        if real:
            return np.fft.irfftn(np.fft.rfftn(x, axes=last) * for_numpy, s=sizes, axes=last)
        return np.fft.ifftn(np.fft.fftn(x, axes=last) * for_numpy, axes=last)

    def by_scipy(x: Array) -> Array:
        if real:
            product = scipy.fft.rfftn(x, axes=last, workers=threads) * for_scipy
            return scipy.fft.irfftn(product, s=sizes, axes=last, workers=threads, overwrite_x=True)
        product = scipy.fft.fftn(x, axes=last, workers=threads) * for_scipy
        return scipy.fft.ifftn(product, axes=last, workers=threads, overwrite_x=True)

    def by_torch(x: Array) -> Array:
        t = torch.from_numpy(x)
        if real:
            return torch.fft.irfftn(torch.fft.rfftn(t, dim=last) * for_torch, s=sizes, dim=last).numpy()
        return torch.fft.ifftn(torch.fft.fftn(t, dim=last) * for_torch, dim=last).numpy()

    peers |= {"numpy": by_numpy, "scipy": by_scipy, "torch": by_torch}
    _add_ducc0(peers, W.copy(), sizes, axes, threads, real)
    _add_mkl(peers, W.copy(), sizes, last, real)
    _add_fftw(peers, W, shape, dtype, axes, threads, math.prod(sizes))
    return peers


def _add_ducc0(peers: dict[str, Any], W: Array, sizes: tuple[int, ...], axes: Any, threads: int, real: bool) -> None:
    try:
        from ducc0 import fft
    except ImportError:
        return

    def run(x: Array) -> Array:
        if real:
            product = fft.r2c(x, axes=axes, nthreads=threads)
            product *= W
            return fft.c2r(
                product,
                axes=axes,
                lastsize=sizes[-1],
                forward=False,
                inorm=2,
                nthreads=threads,
                allow_overwriting_input=True,
            )
        product = fft.c2c(x, axes=axes, nthreads=threads)
        product *= W
        return fft.c2c(product, axes=axes, forward=False, inorm=2, nthreads=threads)

    peers["ducc0"] = run


def _add_mkl(peers: dict[str, Any], W: Array, sizes: tuple[int, ...], last: Any, real: bool) -> None:
    try:
        import mkl_fft
    except ImportError:
        return

    def run(x: Array) -> Array:
        if real:
            return mkl_fft.irfftn(mkl_fft.rfftn(x, axes=last) * W, s=sizes, axes=last)
        return mkl_fft.ifftn(mkl_fft.fftn(x, axes=last) * W, axes=last)

    peers["mkl_fft"] = run


def _add_fftw(
    peers: dict[str, Any], W: Array, shape: tuple[int, ...], dtype: Any, axes: Any, threads: int, samples: int
) -> None:
    try:
        import pyfftw
    except ImportError:
        return
    flag = "FFTW_MEASURE" if samples <= _LARGEST_MEASURED else "FFTW_ESTIMATE"
    half = (*shape[: len(shape) - W.ndim], *W.shape)
    source, spectrum = pyfftw.empty_aligned(shape, dtype=dtype), pyfftw.empty_aligned(half, dtype=W.dtype)
    options = {"axes": axes, "threads": threads, "flags": (flag,), "planning_timelimit": 2.0}
    forth = pyfftw.FFTW(source, spectrum, **options)
    back = pyfftw.FFTW(spectrum, source, direction="FFTW_BACKWARD", **options)
    factors = W / samples

    def run(x: Array) -> Array:
        source[...] = x
        forth.execute()
        np.multiply(spectrum, factors, out=spectrum)
        back.execute()
        return np.array(source)

    peers["pyFFTW"] = run
