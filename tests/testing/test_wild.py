"""Bugs from the wild, each as a small stand-in that the laws catch, beside the true thing that passes."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest
import scipy.linalg
import torch
import torch.nn.functional as F
from torch import Tensor

import equiconv as eq
from equiconv.testing import verify_laws
from tests.testing.faults import right, right_torch


def broken(f: Any, **options: Any) -> set[str]:
    """The laws that a function breaks."""
    table = verify_laws(f, "convolution", examples=10, shrink=False, **options)
    return {row.law.name for row in table.rows if row.status == "failed"}


# cupy #5022: the second rfft2 of a shape, on a plan kept from the first, is wrong ---------------------------------------------


class CachedPlan:
    """Convolves two axes. The plan of the first call of a shape keeps the strides of its input: an input laid out otherwise is read as though it were not."""

    def __init__(self, right: bool) -> None:
        self.right = right
        self.plans: dict[Any, bool] = {}

    def rfft2(self, x: Any) -> Any:
        in_order = x.flags.c_contiguous
        kept = self.plans.setdefault((x.shape, x.dtype), in_order)
        if not self.right and kept != in_order:
            x = (
                np.ascontiguousarray(x).ravel(order="F").reshape(x.shape)
            )  # the memory is read in the order of the first input
        return np.fft.rfft2(x)

    def __call__(self, x: Any, w: Any) -> Any:
        room = np.zeros(x.shape, x.dtype)
        for t in np.ndindex(*w.shape):
            room[tuple(i % n for i, n in zip(t, x.shape, strict=True))] += w[t]
        return np.fft.irfft2(self.rfft2(x) * np.fft.rfft2(room), s=x.shape).astype(x.dtype)


def test_cupy_5022_a_plan_kept_from_the_first_call() -> None:
    options = {"dims": (2,), "library": "numpy", "dtypes": ("float64", "float32")}
    assert broken(CachedPlan(right=True), **options) == set()
    assert "strided" in broken(CachedPlan(right=False), **options)


class SecondCall:
    """The other half of the report: the second call of a shape overwrites the spectrum that it works on, and returns the first call's."""

    def __init__(self) -> None:
        self.plans: dict[Any, Any] = {}

    def __call__(self, x: Any, w: Any) -> Any:
        key = x.shape, w.shape, x.dtype
        spectrum = self.plans.setdefault(key, np.fft.fft(x))
        room = np.zeros(x.shape, x.dtype)
        np.add.at(room, np.arange(len(w)) % len(x), w)
        return np.fft.ifft(spectrum * np.fft.fft(room)).real.astype(x.dtype)


def test_cupy_5022_the_first_call_is_right_and_the_second_is_not() -> None:
    x, w = np.arange(5.0), np.array([1.0, 2.0])
    f = SecondCall()
    assert np.allclose(f(x, w), right(x, w))  # a test of one call passes
    assert "stateless" in broken(SecondCall(), dims=1, library="numpy", dtypes=("float64",))


# pytorch #109448: the backward of an inverse FFT is silently wrong ------------------------------------------------------------


class InverseTransform(torch.autograd.Function):
    """irfft with a backward that forgets that the frequencies between the first and the last count twice."""

    @staticmethod
    def forward(ctx: Any, spectrum: Tensor, n: int) -> Tensor:
        ctx.n = n
        return torch.fft.irfft(spectrum, n)

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> tuple[Tensor, None]:
        return torch.fft.rfft(g) / ctx.n, None


def by_transform(inverse: Any) -> Any:
    def f(x: Tensor, w: Tensor) -> Tensor:
        n = x.shape[-1]
        kernel = torch.zeros(n, dtype=x.dtype).index_add(0, torch.arange(w.shape[0]) % n, w)
        return inverse(torch.fft.rfft(x) * torch.fft.rfft(kernel), n)

    return f


def test_pytorch_109448_a_backward_that_is_silently_wrong() -> None:
    options = {"dims": 1, "library": "torch", "dtypes": ("float64", "float32")}
    assert broken(by_transform(torch.fft.irfft), **options) == set()
    found = broken(by_transform(InverseTransform.apply), **options)
    assert "gradients" in found
    assert not found & {
        "definition",
        "shift_x",
        "float64",
    }  # the forward pass is right, so that no test of it sees anything


# pytorch #57911: circular padding cannot wrap twice ---------------------------------------------------------------------------


def test_pytorch_57911_a_padding_that_wraps_twice_is_refused_and_seen_to_be() -> None:
    def padded(x: Tensor, w: Tensor) -> Tensor:
        return F.conv1d(F.pad(x[None, None], (w.shape[0] - 1, 0), mode="circular"), w.flip(0)[None, None])[0, 0]

    table = verify_laws(
        padded, "convolution", dims=1, library="torch", dtypes=("float64",), laws=["wraps", "definition"], examples=30
    )
    wraps = next(row for row in table.rows if row.law.name == "wraps")
    assert wraps.status == "passed"
    assert wraps.refused > 0
    assert "wrapping around more than once" in wraps.reason
    own = verify_laws(eq.circular_convolve, "convolution", dims=1, library="torch", laws=["wraps"], examples=30)
    assert own.rows[0].refused == 0


def test_pytorch_57911_tiled_by_hand_and_one_short() -> None:
    """The usual way around it, with a tile too few."""

    def tiled(x: Tensor, w: Tensor) -> Tensor:
        n, m = x.shape[0], w.shape[0]
        long = x.repeat(2)  # enough only for kernels up to n + 1
        long = F.pad(long, (max(0, m - 1 - n), 0))
        return F.conv1d(long[None, None, -(n + m - 1) :], w.flip(0)[None, None])[0, 0]

    assert broken(tiled, dims=1, library="torch", dtypes=("float64",)) == {"wraps"}
    assert broken(right_torch, dims=1, library="torch", dtypes=("float64",)) == set()


# scipy.linalg.solve_circulant: a float64 tolerance for float32 ---------------------------------------------------------------


def divided(solve: Any) -> Any:
    """x ⋆ w through a circulant that float32 cannot tell from a singular one: C_v⁻¹ C_v (x ⋆ w), where v sums to 2⁻²² and |v| to 2."""

    def f(x: Any, w: Any) -> Any:
        n = len(x)
        v = np.zeros(n, x.dtype)
        v[0] = 1
        if n > 1:
            v[n // 2] = -1 + 2.0**-22
        return solve(v, right(right(x, w), v)).astype(x.dtype)

    return f


def test_scipy_solve_circulant_does_not_recognise_a_singular_float32_circulant() -> None:
    """Ten times 0.1 less 1 is no number but rounding: it is above the float64 tolerance that SciPy compares it with, and not above float32's."""
    c = np.array([0.1] * 10 + [-1.0], dtype=np.float32)
    assert 0 < abs(np.fft.fft(c)[0]) < 8 * np.finfo(np.float32).eps * np.abs(c).sum()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        solved = scipy.linalg.solve_circulant(c, np.ones(11, np.float32))
    assert np.abs(solved).max() > 1e5  # made of rounding, and not a word of it
    with pytest.raises(np.linalg.LinAlgError, match="zero"):
        eq.Circulant(c).solve(np.ones(11, np.float32))


def test_the_laws_catch_what_such_a_solve_returns_and_see_the_refusal_of_one_that_knows() -> None:
    options = {"dims": 1, "library": "numpy", "kernel": "fit", "dtypes": ("float32",), "batch": False}
    found = broken(divided(scipy.linalg.solve_circulant), **options)
    assert {"float32", "definition"} <= found
    knows = verify_laws(
        divided(lambda v, y: eq.Circulant(v).solve(y)), "convolution", laws=["float32"], examples=10, **options
    )
    assert not knows.failed
    assert knows.rows[0].refused > 0
    assert "SingularCirculantError" in knows.rows[0].reason


# scipy.ndimage: weights below 2⁻⁵² are zeros ----------------------------------------------------------------------------------


def test_scipy_ndimage_drops_small_weights() -> None:
    from scipy.ndimage import convolve1d

    def f(x: Any, w: Any) -> Any:
        return convolve1d(x, w, mode="wrap")

    assert (
        f(np.array([0.0, 0.0, 1.0]), np.array([0.0, 0.0, 1e-20]))[1] != 0
    )  # halves that differ by little are taken for equal
    assert broken(f, dims=1, origin="m//2", library="numpy", dtypes=("float64", "float32")) == {"extreme"}
