"""Which engines there are, and which of them this machine has."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from importlib import import_module
from importlib.util import find_spec

import numpy.typing as npt

from equiconv.convolution.engines import dfti
from equiconv.convolution.engines.base import Transform

__all__ = ["ENGINES", "available", "make_transform"]

# name: the package it needs, the module here, its class. In the order in which ties are decided.
ENGINES = {
    "fftw": ("pyfftw", "fftw", "FFTWTransform"),
    "ducc0": ("ducc0", "ducc", "DuccTransform"),
    "mkl": ("torch", "mkl", "MKLTransform"),
    "torch": ("torch", "torch_fft", "TorchTransform"),
    "scipy": ("scipy", "pocketfft", "SciPyTransform"),
}


@lru_cache(maxsize=1)
def available() -> tuple[str, ...]:
    """The engines that this machine has; torch is always one of them.

    >>> "torch" in available()
    True
    """
    return tuple(
        name
        for name, (package, _, _) in ENGINES.items()
        if find_spec(package) is not None and (name != "mkl" or dfti.is_available())
    )


def make_transform(
    engine: str,
    shape: Sequence[int],
    axes: Sequence[int],
    dtype: npt.DTypeLike,
    threads: int = 1,
    *,
    measured: bool = False,
) -> Transform:
    """A `Transform` by the engine of this name; `measured` lets it try its own algorithms first, where it can.

    >>> make_transform("torch", (2, 8), (1,), "float32").spectrum_shape
    (2, 5)
    """
    _, module, name = ENGINES[engine]
    made = getattr(import_module(f"equiconv.convolution.engines.{module}"), name)
    options = {"measured": True} if measured and engine == "fftw" else {}
    transform: Transform = made(shape, axes, dtype, threads, **options)
    return transform
