"""Circulants against their dense truth: products, spectrum, inverses, powers, projection."""

import itertools
import math

import numpy as np
import pytest
import torch

from equiconv import arrays
from equiconv.operators import Circulant, Shift, SingularCirculantError
from tests.operators.suite import (
    LIBRARIES,
    OperatorSuite,
    assert_same,
    assert_within,
    definition,
    norm,
    random,
    to,
)


class SpectralSuite(OperatorSuite):
    """What circulants of all kinds can do beyond being operators. The cases are regular matrices."""

    def kernel_norm(self, truth):
        return norm(truth[..., :, 0], -1)

    def transformed(self, operator):
        return operator.sizes

    def spectrum_bound(self, operator, truth, dtype):
        """How well the eigenvalues are known, (*batch, 1)."""
        magnitude = np.sum(np.abs(truth[..., :, 0]), axis=-1, keepdims=True)
        return arrays.transform_bound(magnitude, operator.sizes, np.dtype(dtype))

    def eigenvalues(self, operator, truth):
        """The eigenvalues by definition, as Rayleigh quotients of the Fourier vectors; and these vectors as columns."""
        grid = np.indices(operator.sizes).reshape(operator.ndim, -1)
        turns = sum(np.outer(g, g) % n / n for g, n in zip(grid, operator.sizes, strict=True))
        vectors = np.exp(2j * np.pi * turns)
        return np.einsum("jk,...jk->...k", vectors.conj(), truth @ vectors) / len(vectors), vectors

    def inverse_bound(self, operator, truth, dtype):
        """The bound on an entry of C⁻¹ b for a b of norm 1, (*batch, 1).

        An error δ of an eigenvalue moves its reciprocal by δ/|λ|² to first order, which the factor 2 covers since δ is
        below |λ|/4 here; the mean over the frequencies of that times |F b| is at most its maximum.
        """
        values = np.abs(self.eigenvalues(operator, truth)[0])
        delta = self.spectrum_bound(operator, truth, dtype)
        least = np.min(values, axis=-1, keepdims=True)
        assert np.all(delta < least / 4)
        column = np.sqrt(np.mean(values**-2.0, axis=-1, keepdims=True))  # ‖c⁻¹‖₂, by Parseval
        return 2 * delta / least**2 + arrays.fourier_bound(column, 1.0, operator.sizes, np.dtype(dtype))

    def test_product_is_a_circulant(self, case, pair, library, dtype):
        operator, truth = pair
        other, other_truth = self.build(case, library, dtype, np.random.default_rng(1))
        product = operator @ other
        assert isinstance(product, Circulant)
        bound = self.product_bound(operator, truth, other_truth, dtype)
        assert_within(product.dense(), truth @ other_truth, bound, library, dtype)
        assert_within((other @ operator).dense(), truth @ other_truth, bound, library, dtype)

    def test_shift_equivariance(self, pair, library, dtype):
        """C S = S C, bitwise: both only move the entries of C (lecture L29)."""
        operator, truth = pair
        S = Shift((1,) * operator.ndim, operator.sizes)
        expected = truth @ S.dense()
        assert np.array_equal(expected, S.dense() @ truth)
        assert_same((operator @ S).dense(), expected, library, dtype)
        assert_same((S @ operator).dense(), expected, library, dtype)
        assert_same((operator + S).dense(), truth.astype(dtype) + S.dense().astype(dtype), library, dtype)
        assert_same((S - operator).dense(), S.dense().astype(dtype) - truth.astype(dtype), library, dtype)

    def test_eigenvalues(self, pair, library, dtype):
        operator, truth = pair
        expected, vectors = self.eigenvalues(operator, truth)
        reference = arrays.direct_bound(np.abs(truth) @ np.abs(vectors), len(vectors), np.complex128)
        assert np.all(np.abs(truth @ vectors - vectors * expected[..., None, :]) <= 4 * reference)
        bound = self.spectrum_bound(operator, truth, dtype) + 4 * np.max(reference)
        assert_within(operator.eigvals(), expected, bound, library, str(np.result_type(dtype, np.complex64)))

    def test_inverse(self, pair, library, dtype):
        """A·X − I is bounded by the row sums of |A| times the error of X."""
        operator, truth = pair
        N = truth.shape[-1]
        rows = np.sum(np.abs(truth), axis=-1)[..., None]
        for inverse in (operator.inv(), operator.pinv(), operator.power(-1)):
            assert isinstance(inverse, Circulant)
            X = inverse.dense()
            assert arrays.dtype_name(X.dtype) == dtype
            product = truth @ arrays.to_numpy(X).astype(self.reference)
            residual = arrays.direct_bound(np.abs(truth) @ np.abs(arrays.to_numpy(X)), N, self.reference)
            bound = rows * self.inverse_bound(operator, truth, dtype)[..., None] + residual
            assert np.all(np.abs(product - np.eye(N)) <= bound)

    def test_solve(self, pair, library, dtype, rng):
        operator, truth = pair
        N = truth.shape[-1]
        for shape in ((N,), (N, 3), (2, *operator.batch, N, 3)):
            b = random(rng, shape, dtype)
            x = operator.solve(to(library, b))
            assert arrays.library(x) == library
            assert arrays.dtype_name(x.dtype) == dtype
            columns = b[:, None] if b.ndim == 1 else b
            found = arrays.to_numpy(x).astype(self.reference)
            found = found[..., None] if b.ndim == 1 else found
            batch = np.broadcast_shapes(operator.batch, columns.shape[:-2])
            assert found.shape == (*batch, *columns.shape[-2:])
            rows = np.sum(np.abs(truth), axis=-1)[..., None]
            bound = rows * self.inverse_bound(operator, truth, dtype)[..., None] * norm(columns, -2)[..., None, :]
            bound = bound + arrays.direct_bound(np.abs(truth) @ np.abs(found), N, self.reference)
            assert np.all(np.abs(truth @ found - columns) <= bound)

    def test_determinant_and_trace(self, pair, library, dtype):
        operator, truth = pair
        N = truth.shape[-1]
        values = np.abs(self.eigenvalues(operator, truth)[0])
        delta = self.spectrum_bound(operator, truth, dtype)
        eps = arrays.eps(np.dtype(dtype))
        sign, logarithm = np.linalg.slogdet(truth)
        # Σ log|λ|: each moves by δ/|λ|, and the sum rounds; the LU factors of these dominant matrices do no worse.
        bound = 2 * np.sum(delta / values, axis=-1) + N * eps * np.sum(1 + np.abs(np.log(values)), axis=-1)
        found = operator.slogdet()
        assert_within(found.logabsdet, logarithm, bound, library)
        assert_within(found.sign, sign, bound if dtype.startswith("complex") else 0.0, library)
        # exp(s) errs by its relative condition |δs|
        assert_within(operator.det(), sign * np.exp(logarithm), 4 * (bound + N * eps) * np.exp(logarithm), library)
        traced = arrays.direct_bound(
            np.sum(np.abs(np.diagonal(truth, axis1=-2, axis2=-1)), axis=-1), N, np.dtype(dtype)
        )
        assert_within(operator.trace(), np.trace(truth, axis1=-2, axis2=-1), traced, library)

    def test_condition_number(self, pair, library, dtype):
        operator, truth = pair
        expected = np.linalg.cond(truth)
        values = np.abs(self.eigenvalues(operator, truth)[0])
        relative = 4 * self.spectrum_bound(operator, truth, dtype)[..., 0] / np.min(values, axis=-1)
        assert_within(operator.cond(), expected, (relative + 1e-12) * expected, library)

    @pytest.mark.parametrize("p", [0, 1, 2, 5])
    def test_powers(self, pair, library, dtype, p):
        operator, truth = pair
        N = truth.shape[-1]
        values = np.abs(self.eigenvalues(operator, truth)[0])
        delta = self.spectrum_bound(operator, truth, dtype)
        largest = np.max(values, axis=-1, keepdims=True)
        # p·λ^(p−1)·δ to first order (twice that is ample), p rounded products, and the transform back
        moved = 2 * p * largest ** max(p - 1, 0) * delta + 8 * (p + 1) * arrays.eps(np.dtype(dtype)) * largest**p
        back = arrays.transform_bound(np.mean(values**p, axis=-1, keepdims=True), operator.sizes, np.dtype(dtype))
        reference = p * arrays.direct_bound(np.linalg.matrix_power(np.abs(truth), p), N, self.reference)
        power = operator.power(p)
        assert isinstance(power, Circulant)
        assert_within(
            power.dense(), np.linalg.matrix_power(truth, p), (moved + back)[..., None] + reference, library, dtype
        )

    def test_negative_powers(self, pair, library, dtype):
        operator, truth = pair
        cube = operator.power(3) @ operator.power(-3)
        error = np.abs(arrays.to_numpy(cube.dense()) - np.eye(truth.shape[-1]))
        condition = np.asarray(np.linalg.cond(truth))[..., None, None]
        relative = (self.spectrum_bound(operator, truth, dtype) / np.max(np.abs(truth), axis=(-2, -1))[..., None])[
            ..., None
        ]
        assert np.all(error <= 8 * condition**4 * relative)

    def test_nearest_of_itself(self, pair, library, dtype):
        operator, truth = pair
        N = truth.shape[-1]
        nearest = Circulant.nearest(operator.dense(), sizes=operator.sizes)
        bound = arrays.direct_bound(np.abs(truth), N, np.dtype(dtype))
        assert_within(nearest.dense(), truth, bound, library, dtype)
        distance = Circulant.distance(operator.dense(), sizes=operator.sizes)
        assert_within(distance, np.zeros(operator.batch), 2 * N * arrays.eps(np.dtype(dtype)), library)


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


# -- projection -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("sizes", [(4,), (2, 2), (2, 4), (2, 2, 2)])
@pytest.mark.parametrize("convention", ["convolution", "correlation"])
def test_projection_is_orthogonal(sizes, convention):
    """M − P(M) is orthogonal to every shift, which span the circulants: exact, in integers divisible by N."""
    N = math.prod(sizes)
    rng = np.random.default_rng(0)
    M = N * rng.integers(-9, 10, (3, N, N)).astype(float)
    P = Circulant.nearest(M, sizes=sizes, convention=convention)
    assert P.convention == convention
    assert P.batch == (3,)
    assert P.sizes == sizes
    rest = M - P.dense()
    for k in np.ndindex(sizes):
        assert np.array_equal(np.sum(rest * Shift(k, sizes).dense(), axis=(-2, -1)), np.zeros(3))
    expected = np.linalg.norm(rest, axis=(-2, -1)) / np.linalg.norm(M, axis=(-2, -1))
    np.testing.assert_allclose(Circulant.distance(M, sizes=sizes), expected, rtol=4 * N * N * 2.0**-52)
    if len(sizes) > 1:
        assert not np.array_equal(Circulant.nearest(M).dense(), P.dense()), "one level is another space"


def test_distance_at_the_extremes():
    assert Circulant.distance(np.zeros((3, 3))) == 0
    assert Circulant.distance(np.diag([1.0, -1.0])) == 1
    assert Circulant.distance(np.full((2, 2), 1e300)) == 0
    assert 0.5 < Circulant.distance(1e-200 * np.diag([1.0, -1.0, 0.5])) <= 1
    assert np.isnan(Circulant.distance(np.full((2, 2), np.nan)))
    values = Circulant.distance(torch.eye(4, dtype=torch.float16).expand(2, 4, 4))
    assert values.dtype == torch.float16
    assert values.tolist() == [0, 0]


@pytest.mark.parametrize("shape", [(4,), (3, 4), (0, 0)])
def test_nearest_refuses_what_is_not_square(shape):
    for function in (Circulant.nearest, Circulant.distance):
        with pytest.raises(ValueError, match="M must be a non-empty square matrix"):
            function(np.ones(shape))
    with pytest.raises(ValueError, match="with product 4"):
        Circulant.nearest(np.ones((4, 4)), sizes=(2, 3))
    with pytest.raises(TypeError, match="M must be real or complex floating"):
        Circulant.distance(np.ones((2, 2), dtype=int))


# -- singular and nearly singular -------------------------------------------------------------------------------------


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


def test_gradients_of_projection():
    generator = torch.Generator().manual_seed(0)
    M = torch.randn(2, 4, 4, dtype=torch.float64, generator=generator, requires_grad=True)
    assert torch.autograd.gradcheck(lambda M: Circulant.nearest(M, (2, 2)).kernel, M)
    assert torch.autograd.gradcheck(lambda M: Circulant.distance(M, (2, 2)), M)


def test_pseudo_inverse_has_a_finite_gradient_at_a_zero_eigenvalue():
    w = torch.tensor([1.0, -1.0, 0.0, 0.0], dtype=torch.float64, requires_grad=True)
    Circulant(w).pinv().kernel.sum().backward()
    assert torch.all(torch.isfinite(w.grad))
