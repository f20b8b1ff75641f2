"""MKL's Fourier transforms where torch brings MKL with it (x86 on Linux), called by their C interface, DFTI.

The interface is Intel's and stable (oneMKL developer reference, "Fourier Transform Functions"). Called directly, it is
given batches, strides and memory to write to, and costs a microsecond a call where torch's own functions cost ten.
"""

from __future__ import annotations

import ctypes
import math
import platform
import weakref
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

from equiconv.convolution.engines.forking import forks

__all__ = ["LARGEST_RANK", "Descriptor", "is_available"]

# Transforms of more axes are refused.
LARGEST_RANK = 7

# Values of the enumerations DFTI_CONFIG_PARAM and DFTI_CONFIG_VALUE.
_NUMBER_OF_TRANSFORMS, _CONJUGATE_EVEN_STORAGE, _PLACEMENT = 7, 10, 11
_INPUT_STRIDES, _OUTPUT_STRIDES, _INPUT_DISTANCE, _OUTPUT_DISTANCE = 12, 13, 14, 15
_THREAD_LIMIT = 27
_COMPLEX, _REAL = 32, 33
_COMPLEX_COMPLEX, _NOT_INPLACE = 39, 44

_SYMBOLS = {
    "DftiCreateDescriptor_s_1d": ctypes.c_long,
    "DftiCreateDescriptor_s_md": ctypes.c_long,
    "DftiCreateDescriptor_d_1d": ctypes.c_long,
    "DftiCreateDescriptor_d_md": ctypes.c_long,
    "DftiSetValue": ctypes.c_long,
    "DftiCommitDescriptor": ctypes.c_long,
    "DftiComputeForward": ctypes.c_long,
    "DftiComputeBackward": ctypes.c_long,
    "DftiFreeDescriptor": ctypes.c_long,
    "DftiErrorMessage": ctypes.c_char_p,
}


@lru_cache(maxsize=1)
def _library() -> ctypes.CDLL | None:
    """torch's own library, where it has MKL's functions in it, or is linked with an MKL that has them."""
    if platform.machine() not in ("x86_64", "AMD64") or ctypes.sizeof(ctypes.c_long) != 8:
        return None  # elsewhere MKL is missing, or its integers are shorter
    path = Path(torch.__file__).parent / "lib" / "libtorch_cpu.so"
    if not path.exists():
        return None
    try:
        library = ctypes.CDLL(str(path))  # already loaded: this is another handle of it
        for name, result in _SYMBOLS.items():
            getattr(library, name).restype = result
    except (OSError, AttributeError):  # built without MKL, or with its symbols hidden
        return None
    for name in ("DftiComputeForward", "DftiComputeBackward"):
        getattr(library, name).argtypes = [ctypes.c_void_p] * 3
    return library


def is_available() -> bool:
    """Whether torch brings MKL's transforms along, and they can be called.

    >>> is_available() in (True, False)
    True
    """
    return _library() is not None


class Descriptor:
    """`count` transforms over the grid `sizes`, signal after signal in memory, from one array to another.

    Real signals have `sizes` entries, and spectra half of the last axis' frequencies and one. Nothing is normalised. A
    real transform goes one way only, forth or (`inverse`) back; a complex one goes both ways. It belongs to one thread at
    a time.

    >>> if is_available():
    ...     x, spectrum = np.array([1.0, 2.0, 3.0]), np.empty(2, complex)
    ...     Descriptor((3,), 1, "float64").forward(x.ctypes.data, spectrum.ctypes.data)
    ...     assert np.allclose(spectrum, np.fft.rfft(x))
    """

    def __init__(
        self, sizes: Sequence[int], count: int, dtype: npt.DTypeLike, *, inverse: bool = False, threads: int = 1
    ) -> None:
        library = _library()
        if library is None:
            raise RuntimeError("torch has no MKL here; use another engine")
        self._library, self._handle = library, ctypes.c_void_p()
        self._forward, self._backward = library.DftiComputeForward, library.DftiComputeBackward
        dtype = np.dtype(dtype)
        is_real, rank = dtype.kind == "f", len(sizes)
        precision = "s" if dtype in (np.float32, np.complex64) else "d"
        domain = ctypes.c_int(_REAL if is_real else _COMPLEX)
        if rank == 1:
            create = getattr(library, f"DftiCreateDescriptor_{precision}_1d")
            status = create(ctypes.byref(self._handle), domain, ctypes.c_long(sizes[0]))
        else:
            create = getattr(library, f"DftiCreateDescriptor_{precision}_md")
            lengths = (ctypes.c_long * rank)(*sizes)
            status = create(ctypes.byref(self._handle), domain, ctypes.c_long(rank), lengths)
        self._check(status)
        freed = weakref.finalize(self, _free, library, self._handle, forks())
        # When the process ends its memory goes with it, and a daemon thread may still be computing.
        freed.atexit = False

        spectrum = (*sizes[:-1], sizes[-1] // 2 + 1) if is_real else tuple(sizes)
        source, target = (spectrum, tuple(sizes)) if inverse else (tuple(sizes), spectrum)
        self._set(_PLACEMENT, ctypes.c_int(_NOT_INPLACE))
        if is_real:
            self._set(_CONJUGATE_EVEN_STORAGE, ctypes.c_int(_COMPLEX_COMPLEX))
        self._set(_NUMBER_OF_TRANSFORMS, ctypes.c_long(count))
        self._set(_INPUT_STRIDES, _strides(source))
        self._set(_OUTPUT_STRIDES, _strides(target))
        self._set(_INPUT_DISTANCE, ctypes.c_long(math.prod(source)))
        self._set(_OUTPUT_DISTANCE, ctypes.c_long(math.prod(target)))
        self._set(_THREAD_LIMIT, ctypes.c_long(threads))
        self._check(library.DftiCommitDescriptor(self._handle))

    def forward(self, source: int, target: int) -> None:
        """The transforms of what lies at one address, written to the other."""
        status = self._forward(self._handle, source, target)
        if status:
            self._check(status)

    def backward(self, source: int, target: int) -> None:
        """The transforms back."""
        status = self._backward(self._handle, source, target)
        if status:
            self._check(status)

    def _set(self, parameter: int, value: object) -> None:
        self._check(self._library.DftiSetValue(self._handle, ctypes.c_int(parameter), value))

    def _check(self, status: int) -> None:
        if status:
            message = self._library.DftiErrorMessage(ctypes.c_long(status)).decode()
            raise RuntimeError(f"MKL refused a Fourier transform: {message}")


def _free(library: ctypes.CDLL, handle: ctypes.c_void_p, made_in: int) -> None:
    if made_in == forks():  # a forked process waits for ever for locks that its parent's threads held
        library.DftiFreeDescriptor(ctypes.byref(handle))


def _strides(shape: Sequence[int]) -> ctypes.Array[ctypes.c_long]:
    """The offset of the first entry, and the entries from one index of each axis to the next."""
    steps = [math.prod(shape[axis + 1 :]) for axis in range(len(shape))]
    return (ctypes.c_long * (len(shape) + 1))(0, *steps)
