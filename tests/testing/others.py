"""Circular convolutions that others wrote, each in the few lines that it takes to point the laws at it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import scipy.linalg
import scipy.ndimage
import scipy.signal
import torch
import torch.nn.functional as F
from torch import Tensor

WIDE = ("float64", "float32", "complex128", "complex64")
REAL = ("float64", "float32")


@dataclass(frozen=True)
class Other:
    """A function, and how it differs from the textbook: what is passed to `assert_laws`. broken: laws that it really breaks."""

    f: Any
    options: dict[str, Any] = field(default_factory=dict)
    broken: tuple[str, ...] = ()


# NumPy -----------------------------------------------------------------------------------------------------------------------


def numpy_fft(x: Any, w: Any) -> Any:
    """The one-liner of every tutorial, for complex numbers; a kernel as long as the signal."""
    return np.fft.ifft(np.fft.fft(x) * np.fft.fft(w))


def numpy_rfft(x: Any, w: Any) -> Any:
    """The same for real numbers; the length of the inverse must be said."""
    return np.fft.irfft(np.fft.rfft(x) * np.fft.rfft(w, x.shape[-1]), x.shape[-1]).astype(x.dtype)


# SciPy -----------------------------------------------------------------------------------------------------------------------


def wrapped_around(x: Any, w: Any) -> Any:
    """scipy.signal.fftconvolve, whose full result is wrapped around the signal."""
    full = scipy.signal.fftconvolve(x, w)
    y = np.zeros_like(full, shape=x.shape)
    np.add.at(y, np.ix_(*(np.arange(m) % n for m, n in zip(full.shape, x.shape, strict=True))), full)
    return y


def ndimage_convolve(x: Any, w: Any) -> Any:
    return scipy.ndimage.convolve(x, w, mode="wrap")


def ndimage_convolve1d(x: Any, w: Any) -> Any:
    """Along axis 0; the other is a batch."""
    return scipy.ndimage.convolve1d(x, w, axis=0, mode="wrap")


def ndimage_correlate(x: Any, w: Any) -> Any:
    return scipy.ndimage.correlate(x, w, mode="wrap")


def circulant_matrix(x: Any, w: Any) -> Any:
    return scipy.linalg.circulant(w) @ x


def circulant_solve(x: Any, w: Any) -> Any:
    """Solving with the inverse's column: C_v y = x for the v with C_v = C_w⁻¹, so y = C_w x."""
    c = np.zeros(len(x), x.dtype)
    c[: len(w)] = w
    c = c + 100 * np.eye(1, len(x), dtype=x.dtype)[0]  # far from singular
    inverse = scipy.linalg.solve_circulant(c, np.eye(1, len(x), dtype=x.dtype)[0])
    return (scipy.linalg.solve_circulant(inverse, x) - 100 * x).astype(x.dtype)


# torch -----------------------------------------------------------------------------------------------------------------------


def torch_circular_pad(x: Tensor, w: Tensor) -> Tensor:
    """conv1d after circular padding: a correlation, its centre where 'same' puts it. torch's pad wraps once at most, and says so."""
    m = w.shape[0]
    left = (m - 1) // 2
    padded = F.pad(x[None, None], (left, m - 1 - left), mode="circular")
    return F.conv1d(padded, w[None, None])[0, 0]


def torch_circular_pad2d(x: Tensor, w: Tensor) -> Tensor:
    h, v = w.shape
    top, left = (h - 1) // 2, (v - 1) // 2
    padded = F.pad(x[None, None], (left, v - 1 - left, top, h - 1 - top), mode="circular")
    return F.conv2d(padded, w[None, None])[0, 0]


def fft_conv(x: Tensor, w: Tensor) -> Tensor:
    """What fft-conv-pytorch does: a product with the conjugate spectrum (a correlation), the valid part cut out; here after circular padding."""
    d = w.ndim
    axes = tuple(range(-d, 0))
    pads = [p for m in reversed(w.shape) for p in ((m - 1) // 2, m - 1 - (m - 1) // 2)]
    signal = F.pad(x[None, None], pads, mode="circular")[0, 0]
    sizes = signal.shape
    kernel = F.pad(w, [p for n, m in zip(reversed(sizes), reversed(w.shape), strict=True) for p in (0, n - m)])
    spectrum = torch.fft.rfftn(signal, dim=axes) * torch.conj(torch.fft.rfftn(kernel, dim=axes))
    y = torch.fft.irfftn(spectrum, s=sizes, dim=axes)
    return y[tuple(slice(0, n) for n in x.shape)]


# scipy.ndimage takes weights below 2⁻⁵² for zeros, and kernels whose halves differ by less for symmetric, whatever the size of the others.
ABSOLUTE = ("extreme",)
# Of a signal that is broadcast along an axis (stride 0) its n-dimensional filters read neighbours that are not there: ones by [1, 2, 1] give 3, 2, …, 4.
BROADCAST = (*ABSOLUTE, "strided")
CENTRED = "(m-1)//2"

OTHERS: dict[str, Other] = {
    "numpy.fft": Other(numpy_fft, {"kernel": "equal", "dtypes": ("complex128", "complex64")}),
    "numpy.fft, real": Other(numpy_rfft, {"kernel": "fit", "dtypes": REAL}),
    "scipy.signal.fftconvolve": Other(wrapped_around, {"dims": (1, 2), "dtypes": WIDE}),
    "scipy.ndimage.convolve": Other(ndimage_convolve, {"dims": (1, 2), "origin": "m//2", "dtypes": REAL}, BROADCAST),
    "scipy.ndimage.convolve1d": Other(ndimage_convolve1d, {"axes": (-2,), "origin": "m//2", "dtypes": REAL}, ABSOLUTE),
    "scipy.ndimage.correlate": Other(
        ndimage_correlate, {"correlate": True, "dims": (1, 2), "origin": "m//2", "dtypes": REAL}, BROADCAST
    ),
    "scipy.linalg.circulant": Other(circulant_matrix, {"kernel": "equal", "dtypes": WIDE, "batch": False}),
    "torch conv1d": Other(
        torch_circular_pad, {"library": "torch", "correlate": True, "origin": CENTRED, "dtypes": REAL}
    ),
    "torch conv2d": Other(
        torch_circular_pad2d, {"library": "torch", "dims": 2, "correlate": True, "origin": CENTRED, "dtypes": REAL}
    ),
    "fft-conv-pytorch's way": Other(
        fft_conv, {"library": "torch", "dims": (1, 2), "correlate": True, "origin": CENTRED, "dtypes": REAL}
    ),
}
