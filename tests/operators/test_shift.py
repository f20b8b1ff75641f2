"""Shifts: circulants that move entries, exactly."""

import itertools

import numpy as np
import pytest
import torch

from equiconv import arrays
from equiconv.groups import Translations
from equiconv.operators import Circulant, Shift, Toeplitz
from tests.operators.spectral_suite import SpectralSuite
from tests.operators.suite import LIBRARIES, assert_same, definition, random, to


class TestShift(SpectralSuite):
    """The circulants' suite. A shift alone is NumPy float64, and its products are bitwise."""

    CASES = ((0, 5), (2, 5), (3, 1), (-1, 8), (1, 2), ((1, 2), (3, 4)), ((1, 0, 1), (2, 3, 2)))

    @pytest.fixture(params=CASES, ids=str)
    def case(self, request):
        return request.param

    @pytest.fixture
    def lane(self):
        return "numpy", "float64"

    def build(self, case, library, dtype, rng):
        k, n = case
        # other seeds are other shifts, so that sums and products are not of one with itself
        turn = int(rng.integers(0, 9))
        shifts = tuple(j + turn for j in np.atleast_1d(k).tolist())
        sizes = tuple(np.atleast_1d(n).tolist())
        unit = np.zeros(sizes)
        unit[tuple(j % m for j, m in zip(shifts, sizes, strict=True))] = 1
        return Shift(shifts, sizes), definition(unit, len(sizes), "convolution")

    def product_bound(self, operator, truth, x, dtype):
        return np.zeros_like(np.abs(truth @ x))

    def parameters(self, case, dtype):
        return [], lambda: self.build(case, "numpy", "float64", np.random.default_rng(0))[0]

    def test_algebra_stays_among_shifts(self, pair):
        operator, _ = pair
        for result in (operator @ operator, operator.T, operator.H, operator.inv(), operator.pinv(), operator.power(3)):
            assert isinstance(result, Shift)
        assert operator @ operator.inv() == operator.power(0)
        assert operator.solve(np.arange(float(operator.shape[-1]))).shape == (operator.shape[-1],)

    def test_it_is_the_circulant_of_a_unit_vector(self, pair, library, dtype):
        operator, truth = pair
        assert isinstance(operator, Circulant)
        assert_same(Circulant(operator.kernel, operator.ndim).dense(), truth, library, dtype)


@pytest.mark.parametrize("library", LIBRARIES)
@pytest.mark.parametrize("dtype", ["bool", "int32", "float32", "float64", "complex64"])
@pytest.mark.parametrize("k", [0, 1, -1, 3, 17])
def test_product_is_roll_bitwise(library, dtype, k):
    rng = np.random.default_rng(0)
    x = (1000 * rng.standard_normal(8)).astype(dtype)
    assert_same(Shift(k, 8) @ to(library, x), np.roll(x, k), library, dtype)
    assert_same(Shift(k, 8).solve(to(library, x)), np.roll(x, -k), library, dtype)
    assert_same(Shift(k, 8, convention="correlation") @ to(library, x), np.roll(x, -k), library, dtype)
    X = (1000 * rng.standard_normal((2, 8, 3))).astype(dtype)
    assert_same(Shift(k, 8) @ to(library, X), np.roll(X, k, axis=-2), library, dtype)
    assert_same(Shift(k, 8).apply(to(library, X), axes=1), np.roll(X, k, axis=1), library, dtype)
    two = Shift((k, 1), (8, 3))
    assert_same(two.apply(to(library, X)), np.roll(X, (k, 1), axis=(1, 2)), library, dtype)
    flat = X[0].reshape(-1)
    assert_same(two @ to(library, flat), np.roll(X[0], (k, 1), axis=(0, 1)).reshape(-1), library, dtype)


def test_special_values_move_too():
    """A Fourier transform would smear these over all entries."""
    x = np.array([np.nan, np.inf, -0.0, 1e-310, 1e308])
    y = Shift(2, 5) @ x
    assert np.array_equal(y.view(np.uint64), np.roll(x, 2).view(np.uint64))


def test_the_two_equations_of_the_lecture():
    """L26: (11), x[i + k], holds under the correlation convention, x[i − k] under the definition. S_0 = I is (12)."""
    x = np.arange(5.0)
    n, k = 5, 2
    assert (Shift(k, n, "correlation") @ x).tolist() == [x[(i + k) % n] for i in range(n)]
    assert (Shift(k, n) @ x).tolist() == [x[(i - k) % n] for i in range(n)]
    for convention in ("convolution", "correlation"):
        assert np.array_equal(Shift(0, n, convention).dense(), np.eye(n))
        unit = np.eye(n)[k]
        S = Shift(k, n, convention)
        assert np.array_equal(S.dense(), Circulant(unit, convention=convention).dense())
        assert S.k == k
        assert np.array_equal(S.kernel, unit)
        assert (S @ S).k == 4
        assert (S @ S).convention == convention


def test_acts_as_the_group_does():
    G = Translations((3, 4))
    x = random(np.random.default_rng(0), (3, 4), "float64")
    for g, h in itertools.product(G.elements(), repeat=2):
        S, R = Shift(g.shifts, G.shape), Shift(h.shifts, G.shape)
        assert np.array_equal(S.apply(x), g.act(x))
        product = S @ R
        assert product == Shift((g * h).shifts, G.shape)
        assert S.inv() == Shift(g.inverse().shifts, G.shape)


@pytest.mark.parametrize("sizes", [(1,), (2,), (5,), (6,), (2, 2), (3, 4), (2, 3, 4)])
def test_sign_is_that_of_the_permutation(sizes):
    for k in np.ndindex(sizes):
        S = Shift(k, sizes)
        sign, logarithm = S.slogdet()
        assert sign == round(np.linalg.det(S.dense()))
        assert logarithm == 0
        assert S.det() == sign
        assert S.cond() == 1


def test_eigenvalues_are_exact_roots_of_unity():
    """Reduced in integers first, a shift by 10^15 + 1 has the eigenvalues of a shift by 1."""
    assert np.array_equal(Shift(10**15 * 7 + 1, 7).eigvals(), Shift(1, 7).eigvals())
    expected = np.exp(-2j * np.pi * np.arange(7) / 7)
    assert np.max(np.abs(Shift(1, 7).eigvals() - expected)) <= 2.0**-52


@pytest.mark.parametrize("library", LIBRARIES)
def test_beside_another_operand_it_follows_that_one(library):
    w = to(library, np.asarray([1.0, 2.0, 4.0], dtype=np.float32))
    C, S = Circulant(w), Shift(1, 3)
    for result, expected in (
        (C @ S, [4, 1, 2]),
        (S @ C, [4, 1, 2]),
        (C + S, [1, 3, 4]),
        (S + C, [1, 3, 4]),
        (S - C, [-1, -1, -4]),
    ):
        assert type(result) is Circulant
        assert_same(result.kernel, np.asarray(expected, dtype=float), library, "float32")
    scalar = to(library, np.asarray(2.0, dtype=np.float32))
    assert_same((S * scalar).kernel, np.asarray([0.0, 2.0, 0.0]), library, "float32")
    assert_same(S.dense(like=w), np.roll(np.eye(3), 1, axis=0), library, "float32")


def test_combinations_of_shifts_alone_are_numpy():
    stencil = Shift(1, 5) + Shift(-1, 5) - 2 * Shift(0, 5)
    assert stencil.kernel.tolist() == [-2, 1, 0, 0, 1]
    assert (2j * Shift(1, 3)).dtype == np.complex128


def test_batched_circulants_combine_with_a_shift():
    w = random(np.random.default_rng(0), (2, 4), "float64")
    assert np.array_equal((Shift(1, 4) @ Circulant(w)).kernel, np.roll(w, 1, axis=-1))
    assert (Shift(1, 4) + Circulant(w)).batch == (2,)


def test_gradients_flow_through_a_shift():
    x = torch.arange(4.0, requires_grad=True)
    (Shift(1, 4) @ x)[0].backward()
    assert x.grad.tolist() == [0, 0, 0, 1]
    scalar = torch.tensor(3.0, requires_grad=True)
    (scalar * Shift(1, 4)).kernel.sum().backward()
    assert scalar.grad == 1


def test_equality_repr_and_hash():
    assert Shift(1, 5) == Shift(6, 5) == Shift(4, 5, "correlation") != Shift(1, 6)
    assert len({Shift(1, 5), Shift(-4, 5)}) == 1
    assert Shift(1, 5) != 1
    assert repr(Shift(-1, 5)) == "Shift(4, 5)"
    assert repr(Shift((1, 2), (3, 4), "correlation")) == "Shift((1, 2), (3, 4), convention='correlation')"
    assert arrays.library(Shift(1, 5).dense()) == "numpy"


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: Shift(1.0, 5), TypeError, "k must be an integer, got 1.0"),
        (lambda: Shift(1, 5.0), TypeError, "n must be an integer"),
        (lambda: Shift(1, 0), ValueError, "n must be at least 1"),
        (lambda: Shift((1, 2), 5), ValueError, r"one entry for each level.*k = \(1, 2\) and n = 5"),
        (lambda: Shift((), ()), ValueError, "at least one"),
        (lambda: Shift(1, 5, "left"), ValueError, "convention must be"),
        (lambda: Shift(1, 5).power(0.5), TypeError, "p must be an integer"),
        (lambda: Shift(1, 5) @ Shift(1, 4), ValueError, r"levels \(5,\) and \(4,\)"),
        (lambda: Shift(1, 5) @ [1, 2, 3, 4, 5], TypeError, "must be a NumPy, CuPy or torch array"),
        (lambda: Shift(1, 2) @ Toeplitz(np.ones(2), np.ones(2)), TypeError, r"Shift @ Toeplitz .* B\.dense\(\)"),
    ],
)
def test_bad_input_is_refused(make, error, message):
    with pytest.raises(error, match=message):
        make()
