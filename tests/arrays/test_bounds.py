"""The rounding bounds hold on hard inputs, are not vacuous, and are broken by a computation that is wrong."""

from fractions import Fraction

import numpy as np
import pytest
import torch

from equiconv import arrays

SMOOTH = [1, 2, 3, 5, 7, 8, 12, 35, 49, 64, 105, 128, 1000, 1024]
OTHER = [11, 13, 31, 53, 97, 101, 221, 509, 997, 1009]


def signals(n, rng):
    """Pairs that have been known to be hard: random, constant, alternating, a spike, a chirp, entries of all sizes."""
    i = np.arange(n)
    chirp = np.cos(np.pi * i**2 / n)
    kinds = [
        rng.standard_normal(n),
        np.ones(n),
        (-1.0) ** i,
        np.where(i == n // 2, 1.0, 0.0),
        chirp,
        rng.standard_normal(n) * 10.0 ** rng.integers(-12, 12, n),
    ]
    return [(x.astype(np.float32), w.astype(np.float32)) for x in kinds for w in kinds]


def convolve(x, w, xp):
    return xp.fft.irfft(xp.fft.rfft(x) * xp.fft.rfft(w), n=x.shape[-1])


def ratios(n, compute):
    """Error over bound, for each pair of signals of length n; the truth is computed in float64."""
    for x, w in signals(n, np.random.default_rng(n)):
        truth = convolve(x.astype(np.float64), w.astype(np.float64), np)
        norms = np.linalg.norm(x.astype(np.float64)), np.linalg.norm(w.astype(np.float64))
        bound = arrays.fourier_bound(*norms, n, np.float32)
        yield float(np.max(np.abs(compute(x, w) - truth)) / bound)


def by_numpy(x, w):
    return convolve(x, w, np)


def by_torch(x, w):
    return convolve(torch.from_numpy(x), torch.from_numpy(w), torch).numpy()


@pytest.mark.parametrize("compute", [by_numpy, by_torch])
@pytest.mark.parametrize("n", SMOOTH + OTHER)
def test_fourier_bound_holds(n, compute):
    assert max(ratios(n, compute)) <= 1


@pytest.mark.parametrize("compute", [by_numpy, by_torch])
def test_fourier_bound_is_within_two_orders_of_what_happens(compute):
    assert max(max(ratios(n, compute)) for n in SMOOTH) > 0.01
    assert max(max(ratios(n, compute)) for n in OTHER) > 0.001


@pytest.mark.parametrize("n", [8, 105, 1009])
def test_fourier_bound_refutes_wrong_computations(n):
    def correlated(x, w):
        return np.fft.irfft(np.conj(np.fft.rfft(w)) * np.fft.rfft(x), n=n).astype(np.float32)

    def in_bfloat16(x, w):
        return by_numpy((x.view(np.uint32) & 0xFFFF0000).view(np.float32), w)

    for wrong in (correlated, in_bfloat16):
        assert max(ratios(n, wrong)) > 1


@pytest.mark.parametrize("shape", [(8, 8), (3, 35), (5, 11), (4, 1, 6)])
def test_fourier_bound_in_several_dimensions(shape):
    rng = np.random.default_rng(0)
    x, w = (rng.standard_normal(shape).astype(np.float32) for _ in range(2))
    axes = range(len(shape))

    def compute(x, w):
        return np.fft.irfftn(np.fft.rfftn(x, axes=axes) * np.fft.rfftn(w, axes=axes), s=shape, axes=axes)

    error = np.max(np.abs(compute(x, w) - compute(x.astype(float), w.astype(float))))
    assert error <= arrays.fourier_bound(np.linalg.norm(x), np.linalg.norm(w), shape, np.float32)


@pytest.mark.parametrize("n", SMOOTH + OTHER)
def test_transform_bound_holds_and_is_not_vacuous(n):
    worst = 0.0
    for x, _ in signals(n, np.random.default_rng(n)):
        error = np.max(np.abs(np.fft.fft(x.astype(np.complex64)) - np.fft.fft(x.astype(np.complex128))))
        worst = max(worst, error / arrays.transform_bound(np.sum(np.abs(x.astype(float))), n, np.float32))
    assert worst <= 1
    if n > 2:  # up to two samples a transform is additions of these signals, often exact
        assert worst > 1e-4


def exact_sum(x, w):
    return sum((Fraction(float(a)) * Fraction(float(b)) for a, b in zip(x, w, strict=True)), Fraction(0))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("n", [1, 2, 10, 1000])
def test_direct_bound_holds_in_any_order(n, dtype):
    rng = np.random.default_rng(n)
    x = (rng.standard_normal(n) * 10.0 ** rng.integers(-3, 3, n)).astype(dtype)
    w = rng.standard_normal(n).astype(dtype)
    bound = arrays.direct_bound(float(exact_sum(np.abs(x), np.abs(w))), n, dtype)
    truth = exact_sum(x, w)
    for order in (np.arange(n), rng.permutation(n), np.argsort(-np.abs(x * w))):
        total = dtype(0)
        for term in (x * w)[order]:
            total += term
        assert abs(Fraction(float(total)) - truth) <= bound
    assert abs(Fraction(float(np.dot(x, w))) - truth) <= bound


@pytest.mark.parametrize("n", [1, 2, 50])
def test_direct_bound_holds_for_complex(n):
    rng = np.random.default_rng(n)
    for _ in range(50):
        x, w = ((rng.standard_normal(n) + 1j * rng.standard_normal(n)).astype(np.complex64) for _ in range(2))
        error = abs(complex(np.sum(x * w)) - complex(np.sum(x.astype(complex) * w.astype(complex))))
        assert error <= arrays.direct_bound(float(np.sum(np.abs(x) * np.abs(w))), n, np.complex64)


def test_direct_bound_refutes_a_sum_in_half_precision():
    rng = np.random.default_rng(0)
    x, w = (rng.standard_normal(100).astype(np.float32) for _ in range(2))
    narrow = float(np.sum(x.astype(np.float16) * w.astype(np.float16)))
    assert abs(narrow - float(exact_sum(x, w))) > arrays.direct_bound(np.sum(np.abs(x * w)), 100, np.float32)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_narrow_results_are_rounded_once(dtype):
    generator = torch.Generator().manual_seed(0)
    x, w = (torch.randn(100, generator=generator).to(dtype) for _ in range(2))
    truth = float(exact_sum(x.float().numpy(), w.float().numpy()))
    magnitude = float(torch.sum(torch.abs(x.double() * w.double())))
    bound = arrays.direct_bound(magnitude, 100, dtype)
    assert abs(float(torch.dot(x.float(), w.float()).to(dtype)) - truth) <= bound
    assert bound < 3 * arrays.eps(dtype) * magnitude
    one = arrays.fourier_bound(1.0, 1.0, 1024, dtype)
    assert arrays.eps(dtype) < one < 1.1 * arrays.eps(dtype)


def test_bounds_hold_under_underflow():
    tiny = np.float32(1e-30)
    assert float(Fraction(float(tiny)) ** 2) > 0
    assert tiny * tiny == 0
    assert float(Fraction(float(tiny)) ** 2) <= arrays.direct_bound(float(tiny) ** 2, 1, np.float32)


def test_bounds_of_arrays_keep_library_and_shape():
    norms = torch.ones(3)
    bound = arrays.fourier_bound(norms, norms, (4, 4), torch.float32)
    assert bound.shape == (3,)
    assert bound.dtype == torch.float32


def test_what_has_no_bound_is_refused():
    with pytest.raises(ValueError, match="no certain digit; use a wider dtype"):
        arrays.gamma(2**11, np.float16)
    with pytest.raises(ValueError, match="at least 0"):
        arrays.gamma(-1, np.float32)
    with pytest.raises(TypeError, match="integers do not round"):
        arrays.eps(np.dtype("int64"))
    with pytest.raises(ValueError, match="sizes of at least 1"):
        arrays.fourier_bound(1.0, 1.0, (4, 0), np.float32)
