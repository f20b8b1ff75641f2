"""The suite of what circulants of all kinds can do beyond being operators: spectrum, inverses, powers."""

import numpy as np
import pytest

from equiconv import arrays
from equiconv.operators import Circulant, Shift
from tests.operators.suite import OperatorSuite, assert_same, assert_within, norm, random, to


class SpectralSuite(OperatorSuite):
    """What every circulant must do. The cases are regular matrices."""

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
