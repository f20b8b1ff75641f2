"""Circulants against their dense truth, the lecture's example and equations, dtypes, sizes and gradients."""

import itertools
import math

import numpy as np
import pytest
import torch

from equiconv import arrays
from equiconv.operators import Circulant, Shift
from tests.operators.spectral_suite import SpectralSuite
from tests.operators.suite import (
    LIBRARIES,
    assert_same,
    definition,
    random,
    to,
)


class TestCirculant(SpectralSuite):
    # (batch, levels, convention)
    CASES = (
        ((), (1,), "convolution"),
        ((), (7,), "convolution"),
        ((), (8,), "correlation"),
        ((3,), (5,), "correlation"),
        ((2, 1), (6,), "convolution"),
        ((), (11,), "convolution"),
        ((), (3, 4), "convolution"),
        ((3,), (4, 3), "correlation"),
        ((), (2, 3, 2), "convolution"),
        # halves of spectra: planes of their own conjugates at 0 and n/2, alone and beside pairs, and no pairs at all
        ((2,), (4, 4), "convolution"),
        ((), (5, 2), "correlation"),
        ((), (3, 1), "convolution"),
        ((), (2,), "convolution"),
    )

    @pytest.fixture(params=CASES, ids=lambda c: f"{c[0]}-{c[1]}-{c[2]}")
    def case(self, request):
        return request.param

    def build(self, case, library, dtype, rng):
        batch, sizes, convention = case
        w = random(rng, (*batch, *sizes), dtype)
        # One dominant entry makes it regular; being off the diagonal, it gives the determinant a sign.
        dominant = tuple(n // 2 for n in sizes)
        w[(..., *dominant)] = 1.5 * np.sum(np.abs(w), axis=tuple(range(-len(sizes), 0)))
        return Circulant(to(library, w), len(sizes), convention), definition(w, len(sizes), convention)

    def parameters(self, case, dtype):
        batch, sizes, convention = case
        w = torch.randn((*batch, *sizes), dtype=dtype, requires_grad=True)
        return [w], lambda w: Circulant(w, len(sizes), convention)

    def test_kernel_comes_back(self, case, pair, library, dtype, rng):
        operator, truth = pair
        assert operator.convention == case[2]
        again = Circulant(operator.kernel, operator.ndim, operator.convention)
        assert_same(again.dense(), truth, library, dtype)

    def test_other_convention_is_the_transpose(self, pair, library, dtype):
        operator, truth = pair
        other = "correlation" if operator.convention == "convolution" else "convolution"
        assert_same(
            Circulant(operator.kernel, operator.ndim, other).dense(), np.swapaxes(truth, -1, -2), library, dtype
        )

    def test_integers_are_refused(self, case, library):
        batch, sizes, convention = case
        with pytest.raises(TypeError, match="w must be real or complex floating, got int64; write"):
            Circulant(to(library, np.ones((*batch, *sizes), dtype=np.int64)), len(sizes), convention)
        C = Circulant(to(library, np.ones((*batch, *sizes))), len(sizes), convention)
        with pytest.raises(TypeError, match="x must be real or complex floating, got int64; write"):
            C @ to(library, np.ones(math.prod(sizes), dtype=np.int64))
        with pytest.raises(TypeError, match="b must be real or complex floating"):
            Circulant(to(library, np.eye(3)[0])).solve(to(library, np.ones(3, dtype=np.int64)))


@pytest.mark.skipif("cupy" not in LIBRARIES, reason="CuPy with a GPU is needed for the suite's CuPy lane")
def test_cupy_lane_is_part_of_the_suite():
    assert isinstance(Circulant(to("cupy", np.eye(4)[1])) @ to("cupy", np.ones(4)), LIBRARIES["cupy"].ndarray)


# -- the lecture ------------------------------------------------------------------------------------------------------


def test_the_printed_example_of_the_lecture():
    """L25's 5×5 matrix for k = 3 is the correlation's; the definition beside it gives the transpose."""
    w = np.array([1.0, 2.0, 3.0, 0.0, 0.0])
    printed = np.array([[1, 2, 3, 0, 0], [0, 1, 2, 3, 0], [0, 0, 1, 2, 3], [3, 0, 0, 1, 2], [2, 3, 0, 0, 1]])
    assert np.array_equal(Circulant(w, convention="correlation").dense(), printed)
    assert np.array_equal(Circulant(w).dense(), printed.T)
    assert not np.array_equal(Circulant(w).dense(), printed)


def test_convolution_is_the_product():
    """(9) and (13): the sum over j of x[j] w[i − j], in the exact lane through dense()."""
    n = 6
    x, w = np.random.default_rng(0).integers(-4, 5, (2, n)).astype(float)
    expected = [sum(x[j] * w[(i - j) % n] for j in range(n)) for i in range(n)]
    assert np.array_equal(Circulant(w).dense() @ x, expected)
    bound = arrays.fourier_bound(np.linalg.norm(x), np.linalg.norm(w), n, np.float64)
    assert np.all(np.abs(Circulant(w) @ x - expected) <= bound)


def test_most_general_equivariant_map():
    """L30, both ways: circulants commute with shifts, and what commutes with shifts is its own projection."""
    rng = np.random.default_rng(0)
    S = Shift(1, 5).dense()
    M = rng.integers(-9, 9, (5, 5)).astype(float) * 5  # diagonal means are then integers
    average = sum(np.linalg.matrix_power(S.T, k) @ M @ np.linalg.matrix_power(S, k) for k in range(5)) / 5
    P = Circulant.nearest(M)
    assert np.array_equal(P.dense(), average)
    assert np.array_equal(P.dense() @ S, S @ P.dense())
    assert not np.array_equal(M @ S, S @ M)
    assert Circulant.distance(M) > 0.1


# -- dtypes, devices, size --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_narrow_floats_are_computed_wide_and_returned_as_they_came(dtype):
    generator = torch.Generator().manual_seed(0)
    w, x = (torch.randn(12, generator=generator).to(dtype) for _ in range(2))
    C = Circulant(w)
    y = C @ x
    assert y.dtype == C.inv().dtype == C.pinv().dtype == C.power(2).dtype == C.solve(x).dtype == dtype
    assert C.eigvals().dtype == torch.complex64
    truth = definition(w.double().numpy(), 1, "convolution") @ x.double().numpy()
    bound = arrays.fourier_bound(float(torch.linalg.norm(x.double())), float(torch.linalg.norm(w.double())), 12, dtype)
    assert np.all(np.abs(y.double().numpy() - truth) <= bound)


def test_numpy_float16_and_longdouble():
    w = np.array([2.0, 1.0, 0.0])
    assert (Circulant(w.astype(np.float16)) @ w.astype(np.float16)).dtype == np.float16
    wide = Circulant(w.astype(np.longdouble))
    assert (wide @ w.astype(np.longdouble)).dtype == np.longdouble
    assert wide.eigvals().dtype == np.clongdouble
    assert (wide @ wide.inv()).dtype == np.longdouble


def test_mixed_precision_is_never_narrowed():
    w32, w64 = torch.ones(3), torch.ones(3, dtype=torch.float64)
    assert (Circulant(w32) @ w64).dtype == torch.float64
    assert (Circulant(w64) @ w32).dtype == torch.float64
    assert (Circulant(w32) @ Circulant(w64)).dtype == torch.float64
    assert (Circulant(w32) + Circulant(w64)).dtype == torch.float64


def test_mixed_libraries_and_devices_are_refused():
    C = Circulant(np.ones(3))
    with pytest.raises(TypeError, match="different libraries"):
        C @ torch.ones(3)
    with pytest.raises(TypeError, match="different libraries"):
        C.apply(torch.ones(3))
    with pytest.raises(TypeError, match="different libraries"):
        C @ Circulant(torch.ones(3))
    with pytest.raises(ValueError, match="different devices"):
        Circulant(torch.ones(3)) @ torch.ones(3, device="meta")


def test_nothing_is_written_out():
    """A dense matrix of this size would take 8 TB."""
    n = 2**20
    w = np.zeros(n)
    w[[0, 1]] = 4, 1
    C = Circulant(w)
    x = np.zeros(n)
    x[n - 1] = 1
    y = C @ x
    bound = arrays.fourier_bound(np.linalg.norm(w), 1.0, n, np.float64)
    assert abs(y[n - 1] - 4) <= bound
    assert abs(y[0] - 1) <= bound
    assert np.max(np.abs(y[1:-1])) <= bound
    assert np.max(np.abs(C @ C.solve(x) - x)) <= 100 * bound
    assert C.inv().T.shape == (n, n)


def test_batches_of_operators_broadcast():
    rng = np.random.default_rng(0)
    w, v = rng.standard_normal((3, 1, 4)), rng.standard_normal((2, 4))
    product = Circulant(w) @ Circulant(v)
    assert product.batch == (3, 2)
    for i, j in itertools.product(range(3), range(2)):
        expected = definition(w[i, 0], 1, "convolution") @ definition(v[j], 1, "convolution")
        np.testing.assert_allclose(product.dense()[i, j], expected, atol=1e-13)
    with pytest.raises(ValueError, match=r"batch shape \(3,\) does not broadcast with the batch shape \(2,\)"):
        Circulant(w[:, 0]) @ Circulant(v)
    with pytest.raises(ValueError, match="does not broadcast"):
        Circulant(w[:, 0]) + Circulant(v)


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: Circulant(np.ones(3), ndim=2), ValueError, r"at least ndim = 2 axes, got shape \(3,\)"),
        (lambda: Circulant(np.ones(3), ndim=0), ValueError, "ndim must be at least 1"),
        (lambda: Circulant(np.ones(3), ndim=1.0), TypeError, "ndim must be an integer"),
        (lambda: Circulant(np.ones((2, 0))), ValueError, "at least one entry on each"),
        (lambda: Circulant([1.0, 2.0]), TypeError, "w must be a NumPy, CuPy or torch array"),
        (lambda: Circulant(np.ones(3), convention="conv"), ValueError, 'convention must be "convolution"'),
        (lambda: Circulant(np.ones(3)).power(0.5), TypeError, "p must be an integer, got 0.5"),
        (lambda: Circulant(np.ones(3)).power(True), TypeError, "p must be an integer"),
        (lambda: Circulant(np.ones(3)) @ Circulant(np.ones(4)), ValueError, r"levels \(3,\) and \(4,\)"),
        (lambda: Circulant(np.ones((2, 2)), 2) @ Circulant(np.ones(4)), ValueError, r"levels \(2, 2\) and \(4,\)"),
        (lambda: Circulant(np.ones((2, 2)), 2).apply(np.ones(4)), ValueError, "at least 2 axes, one per level"),
        (lambda: Circulant(np.ones(3)) / 0, ZeroDivisionError, "division by zero"),
    ],
)
def test_bad_input_is_refused(make, error, message):
    with pytest.raises(error, match=message):
        make()


# -- gradients --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", [torch.float64, torch.complex128])
@pytest.mark.parametrize("sizes", [(5,), (2, 4)])
def test_gradients_of_functions(sizes, dtype):
    generator = torch.Generator().manual_seed(0)
    w = torch.randn(sizes, dtype=dtype, generator=generator)
    w[(0,) * len(sizes)] += 8
    w.requires_grad_()
    b = torch.randn(math.prod(sizes), dtype=dtype, generator=generator, requires_grad=True)

    def C(w):
        return Circulant(w, len(sizes))

    functions = {
        "inv": lambda w: C(w).inv().kernel,
        "pinv": lambda w: C(w).pinv().kernel,
        "power": lambda w: C(w).power(3).kernel,
        "negative power": lambda w: C(w).power(-2).kernel,
        "eigvals": lambda w: torch.view_as_real(C(w).eigvals()),
        "slogdet": lambda w: C(w).slogdet().logabsdet,
        "det": lambda w: C(w).det(),
        "cond": lambda w: C(w).cond(),
        "trace": lambda w: C(w).trace(),
        "correlation": lambda w: Circulant(w, len(sizes), "correlation").T.H.dense(),
        "product": lambda w: (C(w) @ C(w)).kernel,
        "shifted": lambda w: (Shift((1,) * len(sizes), sizes) @ C(w)).kernel,
    }
    for name, function in functions.items():
        assert torch.autograd.gradcheck(function, w), name
    assert torch.autograd.gradcheck(lambda w, b: C(w).solve(b), (w, b))
    assert torch.autograd.gradgradcheck(lambda w, b: C(w).solve(b), (w, b))
