"""Singular and nearly singular circulants: what is refused, what is named, and what is solved."""

import math

import numpy as np
import pytest
import torch

from equiconv import arrays
from equiconv.operators import Circulant, SingularCirculantError
from tests.operators.suite import LIBRARIES, definition, to


def test_singular_solve_names_the_eigenvalue():
    # 1 + z vanishes at z = −1, which is frequency n/2
    C = Circulant(np.array([1.0, 1.0, 0.0, 0.0, 0.0, 0.0]))
    for attempt in (lambda: C.solve(np.ones(6)), C.inv, lambda: C.power(-2)):
        with pytest.raises(SingularCirculantError, match=r"eigenvalue 3 is zero to rounding.*use pinv\(\)") as caught:
            attempt()
        assert isinstance(caught.value, np.linalg.LinAlgError)
        assert caught.value.indices == ((3,),)
    assert C.slogdet().sign == 0
    assert C.slogdet().logabsdet == -math.inf
    assert C.det() == 0
    assert C.cond() == math.inf


@pytest.mark.parametrize("library", LIBRARIES)
def test_every_zero_is_named_in_a_batch_of_levels(library):
    w = np.zeros((2, 4, 3))
    w[0, 0, 0] = 1.0
    w[1, :, 0] = 1.0  # the mean over the first level: zero at every frequency that is not 0 there
    C = Circulant(to(library, w), ndim=2)
    with pytest.raises(
        SingularCirculantError, match=r"eigenvalue \(1, 0\) of batch entry \(1,\) \(and 8 more\)"
    ) as caught:
        C.inv()
    assert set(caught.value.indices) == {(1, k, l) for k in (1, 2, 3) for l in range(3)}
    assert arrays.to_numpy(C.cond()).tolist() == [1, math.inf]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("n", [6, 97, 360])
def test_zero_eigenvalues_are_found_through_rounding(n, dtype):
    """Differences annihilate constants; scaled by 1/3 and mixed, no eigenvalue is computed as 0 exactly."""
    rng = np.random.default_rng(n)
    w = rng.standard_normal(n).astype(dtype)
    w -= w.mean(dtype=np.float64).astype(dtype)
    C = Circulant(w)
    with pytest.raises(SingularCirculantError) as caught:
        C.inv()
    assert (0,) in caught.value.indices


def test_nearly_singular_is_solved():
    """Above the bound it is solved, and the error is what the condition number says; below it is refused."""
    n = 64
    base = np.zeros(n)
    base[:2] = 1, -1
    for shift in (1e-6, 1e-9, 1e-12):
        w = base.copy()
        w[0] += shift
        C = Circulant(w)
        assert C.cond() > 1 / shift
        x = np.cos(2 * np.pi * np.arange(n) / n) + 1
        # b is exact to a few roundings by a direct sum
        b = C.dense() @ x
        error = np.linalg.norm(C.solve(b) - x) / np.linalg.norm(x)
        assert error <= 16 * C.cond() * 2.0**-52 * math.log2(n)
    w[0] = 1 + 2.0**-52
    with pytest.raises(SingularCirculantError):
        Circulant(w).solve(np.ones(n))


def test_a_regular_matrix_in_float64_may_be_singular_in_float32():
    w = np.zeros(64)
    w[:2] = 1 + 1e-6, -1
    Circulant(w).inv()
    with pytest.raises(SingularCirculantError, match="wider dtype"):
        Circulant(w.astype(np.float32)).inv()


@pytest.mark.parametrize("library", LIBRARIES)
@pytest.mark.parametrize("w", [[1, -1, 0, 0], [1, 1, 1, 1], [0, 0, 0, 0], [2, -1, 0, 0, -1], [1, 1j, -1, -1j]])
def test_pseudo_inverse_of_singular_matrices(library, w):
    """The four conditions of Moore and Penrose. All eigenvalues and entries are of order 1: 64 roundings are ample."""
    w = np.asarray(w, dtype=complex if np.iscomplexobj(w) else float)
    A = definition(w, 1, "convolution")
    X = arrays.to_numpy(Circulant(to(library, w)).pinv().dense())
    for left, right in ((A @ X @ A, A), (X @ A @ X, X), ((A @ X).conj().T, A @ X), ((X @ A).conj().T, X @ A)):
        assert np.max(np.abs(left - right)) <= 64 * 2.0**-52
    assert X.dtype == w.dtype


def test_nan_is_not_called_singular():
    with np.errstate(invalid="ignore"):
        assert np.all(np.isnan(Circulant(np.array([1.0, np.nan, 0.0])).inv().kernel))


@pytest.mark.parametrize("library", LIBRARIES)
@pytest.mark.parametrize("n", [7, 13, 101, 243, 1009])
def test_sign_where_conjugate_pairs_are_imaginary(n, library):
    """The real parts of these eigenvalues are rounding noise, of any sign; only frequency 0 decides."""
    a = np.random.default_rng(n).standard_normal(n)
    antisymmetric = a - np.roll(a[::-1], 1)
    assert Circulant(to(library, antisymmetric + 1)).slogdet().sign == 1
    assert Circulant(to(library, antisymmetric - 1)).slogdet().sign == -1


def test_pseudo_inverse_has_a_finite_gradient_at_a_zero_eigenvalue():
    w = torch.tensor([1.0, -1.0, 0.0, 0.0], dtype=torch.float64, requires_grad=True)
    Circulant(w).pinv().kernel.sum().backward()
    assert torch.all(torch.isfinite(w.grad))


def _pair_at_the_bound(dtype):
    """A real kernel of 97 × 4 with a pair of conjugate eigenvalues one of which rounding puts below the bound, and which."""
    sizes, rng = (97, 4), np.random.default_rng(0)
    spectrum = np.fft.fftn(rng.standard_normal(sizes))
    for trial in range(2000):
        k = (1 + trial % 96, 0)
        opposite = (97 - k[0], 0)
        w = np.fft.ifftn(spectrum).real.astype(dtype)
        bound = float(Circulant(w, 2)._zero_bound(w).max())
        near = spectrum.copy()
        near[k] = bound * (1 + 0.1 * rng.standard_normal()) * np.exp(2j * np.pi * rng.random())
        near[opposite] = near[k].conj()
        w = np.fft.ifftn(near).real.astype(dtype)
        C = Circulant(w, 2)
        half = np.abs(C._half(w, None))
        below = half <= C._zero_bound(w)
        if below.sum() == 1 and below[k] != below[opposite]:
            return C, k, opposite
    raise AssertionError("no such pair was found")


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_conjugate_eigenvalues_are_zero_together(dtype):
    """A reciprocal of one alone would come back as half a reciprocal of both."""
    C, k, opposite = _pair_at_the_bound(dtype)
    with pytest.raises(SingularCirculantError) as caught:
        C.inv()
    assert set(caught.value.indices) == {k, opposite}
    products = np.abs(C.pinv().eigvals() * C.eigvals()).reshape(97, 4)
    singular = [products[k], products[opposite]]
    products[k] = products[opposite] = 1
    np.testing.assert_allclose(products, 1, atol=1e-3)
    np.testing.assert_allclose(singular, 0, atol=1e-3)
