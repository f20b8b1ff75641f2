"""The spectrum that a circulant keeps between products is never that of another kernel."""

from __future__ import annotations

import copy

import numpy as np
import pytest

from equiconv import Circulant, Shift
from equiconv.operators.circulant import SingularCirculantError


def column(seed: int, n: int = 16) -> np.ndarray:
    c = np.random.default_rng(seed).standard_normal(n)
    c[0] += 20
    return c


def test_a_kernel_that_is_written_to_is_seen() -> None:
    c, x = column(0), np.random.default_rng(1).standard_normal(16)
    C = Circulant(c)
    np.testing.assert_allclose(C.dense() @ (C @ x), C.dense() @ C.dense() @ x)
    np.testing.assert_allclose(C.dense() @ C.solve(x), x)
    c[3] += 1
    np.testing.assert_allclose(C @ x, C.dense() @ x)
    np.testing.assert_allclose(C.dense() @ C.solve(x), x)
    c[...] = 1  # singular now, after it was found regular
    with pytest.raises(SingularCirculantError):
        C.solve(x)
    with pytest.raises(SingularCirculantError):
        C.inv()
    c[...] = column(2)
    np.testing.assert_allclose(C.dense() @ C.solve(x), x)


def test_a_singular_kernel_is_refused_every_time() -> None:
    C = Circulant(np.ones(8))
    for _ in range(3):
        with pytest.raises(SingularCirculantError):
            C.solve(np.ones(8))
        np.testing.assert_allclose(C @ np.arange(8.0), 28)


def test_other_dtypes_have_their_own_spectrum() -> None:
    c = column(0).astype(np.float32)
    C, x = Circulant(c), np.random.default_rng(1).standard_normal(16)
    for _ in range(2):
        assert (C @ x.astype(np.float32)).dtype == np.float32
        np.testing.assert_allclose(C @ x, C.dense().astype(np.float64) @ x, rtol=1e-12)  # not that of float32
        np.testing.assert_allclose(C @ (x + 1j), C.dense().astype(np.float64) @ (x + 1j), rtol=1e-12)


def test_what_is_kept_is_not_shared() -> None:
    c = column(0)
    C = Circulant(c)
    x = np.arange(16.0)
    C.solve(x)
    other = copy.deepcopy(C)
    c[...] = column(5)
    np.testing.assert_allclose(other @ x, other.dense() @ x)
    np.testing.assert_allclose(C @ x, C.dense() @ x)
    for result in (C.T, C.inv(), C @ C, C + C, 2 * C, C.power(3)):
        np.testing.assert_allclose(result @ x, result.dense() @ x, rtol=1e-9)
    S = Shift(3, 16)
    np.testing.assert_array_equal(S @ x, np.roll(x, 3))


def test_not_a_number_is_never_taken_for_the_same() -> None:
    c = column(0)
    C = Circulant(c)
    c[2] = np.nan
    assert np.isnan(C @ np.ones(16)).all()
    c[2] = 1.0
    assert np.isfinite(C @ np.ones(16)).all()


@pytest.mark.parametrize("dtype", [np.float32, np.complex64])
def test_small_kernels_lose_no_digits(dtype: type) -> None:
    """The spectrum over N would underflow, which the result is far from."""
    n = 2**18
    rng = np.random.default_rng(0)
    c = (column(0, n) * 3e-38).astype(dtype)
    x = (rng.standard_normal(n) * 1e30).astype(dtype)
    wide = np.complex128 if dtype is np.complex64 else np.float64
    truth = Circulant(c.astype(wide)) @ x.astype(wide)
    error = np.abs(Circulant(c) @ x - truth).max() / np.abs(truth).max()
    assert error < 1e-6  # it was 1e-5; NumPy's own transforms err by 2e-7
    both = Circulant(np.stack([c, column(1, n).astype(dtype)]))  # a large one beside it changes nothing
    assert np.abs(both.apply(x)[0] - truth).max() / np.abs(truth).max() < 1e-6
