"""Spectral filters and transforms back, against NumPy's transforms in double precision."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch

from equiconv.arrays import eps
from equiconv.convolution.filtering import SpectralFilter, filter_spectrum, from_spectrum, half_spectrum

DTYPES = ["float32", "float64", "complex64", "complex128"]


def random(rng: np.random.Generator, shape: tuple[int, ...], dtype: str) -> np.ndarray:
    values = rng.standard_normal(shape)
    if dtype.startswith("complex"):
        values = values + 1j * rng.standard_normal(shape)
    return values.astype(dtype)


def tolerance(dtype: str, n: int) -> float:
    return 20 * eps(np.dtype(dtype)) * (1 + np.log2(n))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(
    ("batch", "sizes"),
    [
        ((), (1,)),
        ((), (2,)),
        ((3,), (7,)),
        ((2, 3), (12,)),
        ((), (5, 6)),
        ((2,), (4, 3, 5)),
        ((300,), (2048,)),  # in several blocks
        ((), (65536,)),
    ],
    ids=str,
)
def test_there_and_back(batch: tuple[int, ...], sizes: tuple[int, ...], dtype: str) -> None:
    x = random(np.random.default_rng(0), (*batch, *sizes), dtype)
    axes = tuple(range(-len(sizes), 0))
    is_real = not dtype.startswith("complex")
    wide = x.astype(np.result_type(x.dtype, np.float64))
    for kind in (np.asarray, torch.from_numpy):
        spectrum = half_spectrum(kind(x), len(sizes))
        truth = np.fft.rfftn(wide, axes=axes) if is_real else np.fft.fftn(wide, axes=axes)
        n = int(np.prod(sizes))
        assert np.abs(np.asarray(spectrum) - truth).max() <= tolerance(dtype, n) * np.sqrt(n) * np.abs(x).max()
        back = np.asarray(from_spectrum(spectrum, sizes, is_real=is_real))
        assert back.dtype == x.dtype
        assert back.shape == x.shape
        assert np.abs(back - x).max() <= tolerance(dtype, n) * np.abs(x).max()


@pytest.mark.parametrize("sizes", [(6,), (7,), (4, 6), (3, 4, 5)], ids=str)
def test_what_no_real_signal_has_is_dropped(sizes: tuple[int, ...]) -> None:
    """A half that is no real signal's: NumPy's real part of the whole, of which the planes are projected."""
    rng = np.random.default_rng(0)
    half = random(rng, (*sizes[:-1], sizes[-1] // 2 + 1), "complex128")
    expected = np.fft.irfftn(half, s=sizes, axes=tuple(range(len(sizes))))
    found = from_spectrum(half.copy(), sizes, is_real=True)
    np.testing.assert_allclose(found, expected, atol=1e-14)
    recorded = torch.from_numpy(half).requires_grad_()
    np.testing.assert_allclose(from_spectrum(recorded, sizes, is_real=True).detach().numpy(), expected, atol=1e-14)


@pytest.mark.parametrize("dtype", DTYPES)
def test_batches_broadcast_both_ways(dtype: str) -> None:
    rng = np.random.default_rng(0)
    n = 24
    for spectra, signals, gap in (
        ((), (), 0),
        ((), (2, 3), 0),
        ((3,), (), 0),
        ((1,), (), 0),
        ((1, 1), (4,), 0),
        ((2, 1), (5,), 0),
        ((3,), (4,), 1),
        ((3,), (2, 3, 4), 1),
        ((1,), (4,), 1),
        ((), (4,), 1),
        ((0,), (), 0),
        ((2,), (0, 2), 0),
    ):
        w, x = random(rng, (*spectra, n), dtype), random(rng, (*signals, n), dtype)
        S = half_spectrum(w, 1)
        aligned = w.reshape(*spectra, *(1,) * gap, n)
        expected = np.fft.ifft(np.fft.fft(x.astype(np.complex128)) * np.fft.fft(aligned.astype(np.complex128)))
        made = SpectralFilter(S, (n,), np.dtype(dtype))
        for _ in range(2):
            found = made(x, gap)
            assert found.dtype == np.dtype(dtype)
            assert found.shape == expected.shape
            np.testing.assert_allclose(found, expected, atol=tolerance(dtype, n) * 10 * n)
        if not gap:
            assert np.array_equal(filter_spectrum(x, S, 1), found)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(
    ("n", "length", "grid"),
    [
        (5, 3, 8),
        (1, 8, 8),
        (8, 1, 8),
        (8, 3, 8),
        (1, 1, 1),
        (40, 90, 140),
        (3000, 5000, 8000),
        (9, 2**19, 2**19 + 2**12),
        (2**19 + 100, 40, 2**19 + 2**12),
    ],
    ids=str,
)
def test_short_signals_and_results(n: int, length: int, grid: int, dtype: str) -> None:
    """In blocks and, for long rows, in tiles: signals are continued by zeros, results cut."""
    rng = np.random.default_rng(0)
    w = random(rng, (grid,), dtype)
    made = SpectralFilter(half_spectrum(w, 1), (grid,), np.dtype(dtype))
    spectrum = np.fft.fft(w.astype(np.complex128))
    for batch in ((), (2,), (3, 2)):
        x = random(rng, (*batch, n), dtype)
        expected = np.fft.ifft(np.fft.fft(x.astype(np.complex128), grid) * spectrum)[..., :length]
        found = made(x, length=length)
        assert found.shape == (*batch, length)
        scale = np.linalg.norm(w) * np.linalg.norm(x, axis=-1).max()
        assert np.abs(found - expected).max() <= tolerance(dtype, grid) * scale


@pytest.mark.parametrize("gap", [0, 1])
def test_batches_of_several_blocks(gap: int) -> None:
    """Each block of signals meets its own spectra."""
    rng = np.random.default_rng(0)
    w, n = rng.standard_normal((3, 2048)), 2048
    made = SpectralFilter(half_spectrum(w, 1), (n,), w.dtype)
    x = rng.standard_normal((40, 3, 5, n) if gap else (60, 3, n))
    expected = np.fft.irfft(np.fft.rfft(x) * np.fft.rfft(w[:, None] if gap else w))
    np.testing.assert_allclose(made(x, gap), expected, atol=1e-10)


def test_one_filter_of_signals_of_many_lengths() -> None:
    rng = np.random.default_rng(0)
    w = rng.standard_normal(30)
    made = SpectralFilter(half_spectrum(w, 1), (30,), w.dtype)
    for n, length in ((4, 7), (9, 3), (4, 3), (30, 30), (1, 30)):
        x = rng.standard_normal((2, 3, n))
        expected = np.fft.irfft(np.fft.rfft(x, 30) * np.fft.rfft(w))[..., :length]
        np.testing.assert_allclose(made(x, length=length), expected, atol=1e-12)


def test_strided_signals() -> None:
    rng = np.random.default_rng(0)
    S = half_spectrum(rng.standard_normal(64), 1)
    made = SpectralFilter(S, (64,), np.dtype(np.float64))
    x = rng.standard_normal((64, 16))
    for view in (x.T, x.T[::-2, ::-1], np.broadcast_to(x[:, 0], (3, 64))):
        np.testing.assert_allclose(made(view), np.fft.irfft(np.fft.rfft(view) * S), atol=1e-12)


def test_small_spectra_beside_large_ones() -> None:
    """Divided by N at once, one of them would lose its digits."""
    rng = np.random.default_rng(0)
    n = 2**12
    w = rng.standard_normal((2, n)).astype(np.float32)
    w[0] *= np.float32(1e-37)
    x = (rng.standard_normal(n) * 1e30).astype(np.float32)
    expected = np.fft.irfft(np.fft.rfft(x.astype(float)) * np.fft.rfft(w.astype(float)))
    S = half_spectrum(w, 1)
    for found, truth in (
        (SpectralFilter(S, (n,), w.dtype)(x), expected),
        (SpectralFilter(S[:1], (n,), w.dtype)(x), expected[:1]),
        (SpectralFilter(S[0], (n,), w.dtype)(x), expected[0]),
        (SpectralFilter(S, (n,), w.dtype)(x[None], gap=1), expected[:, None]),
    ):
        assert found.shape == truth.shape
        assert np.all(np.abs(found - truth).max(axis=-1) <= 2e-6 * np.abs(truth).max(axis=-1))


def test_one_filter_in_many_threads() -> None:
    rng = np.random.default_rng(0)
    S = half_spectrum(rng.standard_normal((3, 128)), 1)
    made = SpectralFilter(S, (128,), np.dtype(np.float64))
    inputs = [rng.standard_normal(shape) for shape in ((128,), (3, 128), (4, 3, 128), (60, 3, 128))]
    expected = [SpectralFilter(S, (128,), np.dtype(np.float64))(x) for x in inputs]
    with ThreadPoolExecutor(8) as pool:
        found = pool.map(lambda i: np.array_equal(made(inputs[i % 4]), expected[i % 4]), range(800))
        assert all(found)
