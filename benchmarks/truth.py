"""What contenders are held to: circular convolution by SciPy in a wider floating type than theirs."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import scipy.fft

__all__ = ["as_circular", "eps_of_truth", "exact", "exact_solution"]

Array = npt.NDArray[Any]
# the widest float there is: 80 bits on x86, and no more than float64 on some other processors
_WIDER = {"float32": np.float64, "complex64": np.complex128, "float64": np.longdouble, "complex128": np.clongdouble}


def exact(x: Array, w: Array, axes: tuple[int, ...]) -> Array:
    """y[i] = Σ_j x[j]·w[(i − j) mod n] along the axes of x, which are all of w's, computed in the next wider type.

    >>> exact(np.float32([[1, 2, 3]]), np.float32([0, 1, 0]), (1,)).round(12)
    array([[3., 1., 2.]])
    """
    wide = _WIDER[x.dtype.name]
    spectrum = scipy.fft.fftn(w.astype(wide))
    y: Array = scipy.fft.ifftn(scipy.fft.fftn(x.astype(wide), axes=axes) * spectrum, axes=axes)
    return y if np.iscomplexobj(x) else np.real(y)


def eps_of_truth(dtype: str) -> float:
    """The spacing at 1 of the type that `exact` computes in for operands of this dtype.

    >>> eps_of_truth("float32") == 2.0**-52 and eps_of_truth("float64") <= 2.0**-52
    True
    """
    return float(np.finfo(_WIDER[dtype]).eps)


def as_circular(w: Array, sizes: tuple[int, ...]) -> Array:
    """The kernel on the whole grid whose convolution is the centred correlation with w, of odd sizes.

    >>> as_circular(np.array([1.0, 2.0, 3.0]), (5,))
    array([2., 1., 0., 0., 3.])
    """
    if any(k % 2 == 0 or k > n for k, n in zip(w.shape, sizes, strict=True)):
        raise ValueError(f"a centred kernel has odd sizes, at most those of the grid {sizes}; this one has {w.shape}")
    whole = np.zeros(sizes, w.dtype)
    whole[tuple(slice(k) for k in w.shape)] = np.flip(w)
    return np.roll(whole, [-(k // 2) for k in w.shape], tuple(range(w.ndim)))


def exact_solution(c: Array, b: Array) -> Array:
    """y with c ⊛ y = b along the first axis of b, in the next wider type.

    >>> exact_solution(np.array([2.0, 0.0]), np.array([[1.0], [3.0]])).astype(float)
    array([[0.5],
           [1.5]])
    """
    wide = _WIDER[b.dtype.name]
    spectrum = scipy.fft.fft(c.astype(wide)).reshape(-1, *(1,) * (b.ndim - 1))
    y: Array = scipy.fft.ifft(scipy.fft.fft(b.astype(wide), axis=0) / spectrum, axis=0)
    return y if np.iscomplexobj(b) else np.real(y)
