"""Toeplitz matrices against their dense truth."""

import itertools
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch

from equiconv import arrays
from equiconv.operators import Circulant, Toeplitz
from tests.operators.suite import LIBRARIES, OperatorSuite, assert_same, random, to


def definition(column, row):
    """T[i, j], entry by entry."""
    m, n = column.shape[-1], row.shape[-1]
    batch = np.broadcast_shapes(column.shape[:-1], row.shape[:-1])
    matrix = np.zeros((*batch, m, n), dtype=np.result_type(column.dtype, np.float64))
    for i, j in itertools.product(range(m), range(n)):
        matrix[..., i, j] = column[..., i - j] if i >= j else row[..., j - i]
    return matrix


class TestToeplitz(OperatorSuite):
    # (batch of the column, batch of the row, m, n)
    CASES = (
        ((), (), 1, 1),
        ((), (), 4, 4),
        ((), (), 3, 6),
        ((), (), 7, 2),
        ((), (), 1, 5),
        ((), (), 5, 1),
        ((3,), (3,), 4, 5),
        ((2, 1), (3,), 3, 4),
    )

    @pytest.fixture(params=CASES, ids=str)
    def case(self, request):
        return request.param

    def build(self, case, library, dtype, rng):
        column_batch, row_batch, m, n = case
        column, row = random(rng, (*column_batch, m), dtype), random(rng, (*row_batch, n), dtype)
        column[..., 0], row[..., 0] = 0.75, 0.75
        return Toeplitz(to(library, column), to(library, row)), definition(column, row)

    def kernel_norm(self, truth):
        """The embedding holds the first column and the rest of the first row."""
        column, rest = truth[..., :, 0], truth[..., 0, 1:]
        return np.sqrt(np.sum(np.abs(column) ** 2, axis=-1) + np.sum(np.abs(rest) ** 2, axis=-1))

    def transformed(self, operator):
        return (arrays.fast_length(operator.shape[-1] + operator.shape[-2] - 1),)

    def parameters(self, case, dtype):
        column_batch, row_batch, m, n = case
        column = torch.randn((*column_batch, m - 1), dtype=dtype, requires_grad=True)
        row = torch.randn((*row_batch, n - 1), dtype=dtype, requires_grad=True)
        corner = torch.randn(1, dtype=dtype, requires_grad=True)

        def make(column, row, corner):
            columns = torch.cat([corner.expand(*column_batch, 1), column], dim=-1)
            return Toeplitz(columns, torch.cat([corner.expand(*row_batch, 1), row], dim=-1))

        return [column, row, corner], make

    def test_first_row_and_column_come_back(self, pair, library, dtype):
        operator, truth = pair
        assert_same(operator.first_column, truth[..., :, 0], library, dtype)
        assert_same(operator.first_row, truth[..., 0, :], library, dtype)

    def test_it_is_a_corner_of_a_circulant(self, pair, library, dtype):
        _, truth = pair
        m, n = truth.shape[-2:]
        column = np.concatenate([truth[..., :, 0], truth[..., 0, :0:-1]], axis=-1).astype(dtype)
        corner = arrays.to_numpy(Circulant(to(library, column)).dense())[..., :m, :n]
        assert np.array_equal(corner, truth)


def test_equation_five_of_the_lecture():
    """L10: x of length 4 and a filter of size 2."""
    w1, w2 = 2.0, 3.0
    T = Toeplitz.valid(np.array([w1, w2]), 4, convention="correlation")
    assert T.dense().tolist() == [[w1, w2, 0, 0], [0, w1, w2, 0], [0, 0, w1, w2]]


@pytest.mark.parametrize(("k", "n"), [(1, 1), (1, 5), (3, 5), (5, 5), (2, 30)])
@pytest.mark.parametrize("library", LIBRARIES)
def test_valid_convolution_and_correlation(k, n, library):
    rng = np.random.default_rng(0)
    w, x = (rng.integers(-5, 6, size).astype(float) for size in (k, n))
    sizes = arrays.fast_length(2 * n - k)
    bound = arrays.fourier_bound(np.linalg.norm(w), np.linalg.norm(x), sizes, np.float64)
    for convention, expected in (
        ("convolution", np.convolve(x, w, "valid")),
        ("correlation", [np.dot(x[i : i + k], w) for i in range(n - k + 1)]),
    ):
        T = Toeplitz.valid(to(library, w), n, convention)
        assert T.shape == (n - k + 1, n)
        assert np.array_equal(arrays.to_numpy(T.dense()) @ x, expected), "exact in integers"
        assert np.all(np.abs(arrays.to_numpy(T @ to(library, x)) - expected) <= bound)


def test_two_convolutions_are_one():
    """L11: T_v T_w is the valid convolution by the full convolution of v and w."""
    v, w, n = np.array([1.0, 2.0]), np.array([3.0, -1.0, 4.0]), 8
    inner = Toeplitz.valid(w, n)
    outer = Toeplitz.valid(v, n - 2)
    assert np.array_equal(outer.dense() @ inner.dense(), Toeplitz.valid(np.convolve(v, w), n).dense())


def test_a_batch_of_kernels():
    w = random(np.random.default_rng(0), (2, 3), "float32")
    T = Toeplitz.valid(w, 6)
    assert T.shape == (2, 4, 6)
    assert T.dtype == np.float32


def test_valid_keeps_gradients():
    generator = torch.Generator().manual_seed(0)
    w, x = (torch.randn(size, dtype=torch.float64, generator=generator, requires_grad=True) for size in (3, 7))
    assert torch.autograd.gradcheck(lambda w, x: Toeplitz.valid(w, 7) @ x, (w, x))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_narrow_floats(dtype):
    T = Toeplitz(torch.ones(3, dtype=dtype), torch.ones(4, dtype=dtype))
    assert (T @ torch.ones(4, dtype=dtype)).dtype == dtype
    assert T.dense().dtype == dtype


def test_nothing_is_written_out():
    n = 2**20
    T = Toeplitz.valid(np.array([1.0, -1.0]), n, convention="correlation")
    y = T @ np.arange(n, dtype=float)
    assert y.shape == (n - 1,)
    bound = arrays.fourier_bound(2.0**0.5, np.linalg.norm(np.arange(n, dtype=float)), 2 * n, np.float64)
    assert np.max(np.abs(y + 1)) <= bound


@pytest.mark.parametrize("library", ["numpy", "torch"])
@pytest.mark.parametrize("dtype", ["float32", "float64", "complex64", "complex128"])
@pytest.mark.parametrize(
    ("m", "n"), [(300, 300), (1000, 37), (37, 1000), (1, 4096), (4096, 1), (2**14, 2**14 - 5), (10, 2**19), (2**19, 10)]
)
def test_long_products(m, n, dtype, library):
    """Rows of the product by their definition, some of them and both ends, alone and of a matrix."""
    rng = np.random.default_rng(m)
    column, row = random(rng, (m,), dtype), random(rng, (n,), dtype)
    row[0] = column[0]
    x = random(rng, (n, 3), dtype)
    T = Toeplitz(to(library, column), to(library, row))
    rows = np.unique([0, m // 3, m // 2, m - 1])
    diagonals = np.concatenate([row[:0:-1], column]).astype(np.complex128)  # T[i, j] at i − j + n − 1
    dense = np.stack([diagonals[i : i + n][::-1] for i in rows])
    norms = np.linalg.norm(diagonals) * np.linalg.norm(x.astype(np.complex128), axis=0)
    bound = arrays.fourier_bound(norms, 1.0, arrays.fast_length(m + n - 1), np.dtype(dtype))
    for _ in range(2):
        found = arrays.to_numpy(T @ to(library, x))
        assert found.shape == (m, 3)
        assert found.dtype == np.dtype(dtype)
        assert np.all(np.abs(found[rows] - dense @ x) <= bound)
        alone = arrays.to_numpy(T @ to(library, x[:, 0]))
        assert alone.shape == (m,)
        assert np.all(np.abs(alone[rows] - dense @ x[:, 0]) <= bound[0])


@pytest.mark.parametrize("library", ["numpy", "torch"])
def test_entries_that_are_written_to_are_seen(library):
    rng = np.random.default_rng(0)
    column, row = rng.standard_normal(7), rng.standard_normal(5)
    row[0] = column[0]
    x = to(library, rng.standard_normal(5))
    column, row = to(library, column), to(library, row)
    T = Toeplitz(column, row)
    before = arrays.to_numpy(T @ x)
    assert T._kept is not None, "otherwise nothing is tried here"
    for entries in (column, row):
        entries[3] += 2
        found = arrays.to_numpy(T @ x)
        assert not np.allclose(found, before)
        np.testing.assert_allclose(found, arrays.to_numpy(T.dense()) @ arrays.to_numpy(x), atol=1e-13)
        before = found


def test_kept_spectra_are_those_of_the_dtype_that_is_computed_in():
    rng = np.random.default_rng(0)
    column = rng.standard_normal(9).astype(np.float32)
    T, x = Toeplitz(column, column), rng.standard_normal(9)
    dense = T.dense().astype(np.float64)
    for _ in range(2):
        assert (T @ x.astype(np.float32)).dtype == np.float32
        np.testing.assert_allclose(T @ x, dense @ x, rtol=1e-12)
        np.testing.assert_allclose(T @ (x + 1j), dense @ (x + 1j), rtol=1e-12)
    swapped = Toeplitz(column.astype(">f4"), column.astype(">f4"))
    np.testing.assert_allclose(swapped @ x.astype(">f8"), dense @ x, rtol=1e-12)


def test_batches_take_vectors_and_matrices_in_turn():
    rng = np.random.default_rng(0)
    column, row = rng.standard_normal((2, 1, 6)), rng.standard_normal((3, 8))
    column[..., 0], row[..., 0] = 1, 1
    T = Toeplitz(column, row)
    for _ in range(2):
        for shape in ((8,), (8, 4), (3, 8, 2), (5, 2, 3, 8, 1)):
            x = rng.standard_normal(shape)
            np.testing.assert_allclose(T @ x, T.dense() @ x, atol=1e-13)
        assert T.apply(np.ones(8)).shape == (2, 3, 6)
    empty = Toeplitz(np.ones((0, 3)), np.ones((0, 5)))
    assert (empty @ np.ones((5, 2))).shape == (0, 3, 2)


def test_small_entries_lose_no_digits():
    rng = np.random.default_rng(0)
    n = 2**14
    column = (rng.standard_normal(n) * 1e-37).astype(np.float32)
    x = (rng.standard_normal(n) * 1e30).astype(np.float32)
    truth = Toeplitz(column.astype(float), column.astype(float)) @ x.astype(float)
    assert np.abs((Toeplitz(column, column) @ x) - truth).max() <= 2e-6 * np.abs(truth).max()


def test_threads_share_an_operator():
    rng = np.random.default_rng(0)
    column = rng.standard_normal(200)
    T = Toeplitz(column, column)
    inputs = [rng.standard_normal(shape) for shape in ((200,), (200, 3), (200, 90))]
    expected = [Toeplitz(column, column) @ x for x in inputs]
    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(lambda i: np.array_equal(T @ inputs[i % 3], expected[i % 3]), range(600)))


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: Toeplitz(np.array([1.0, 2.0]), np.array([3.0, 2.0])), ValueError, "same entry of the matrix"),
        (lambda: Toeplitz(np.ones(0), np.ones(2)), ValueError, "first_column must have at least one entry"),
        (lambda: Toeplitz(np.ones(2), np.asarray(1.0)), ValueError, "first_row must have at least one entry"),
        (lambda: Toeplitz(np.ones(2, dtype=int), np.ones(2)), TypeError, "first_column must be real or complex"),
        (lambda: Toeplitz(np.ones(2), torch.ones(2)), TypeError, "different libraries"),
        (lambda: Toeplitz(np.ones((2, 2)), np.ones((3, 2))), ValueError, "does not broadcast"),
        (lambda: Toeplitz.valid(np.ones(5), 4), ValueError, r"between 1 and n = 4 entries.*\(5,\)"),
        (lambda: Toeplitz.valid(np.asarray(1.0), 4), ValueError, "between 1 and n = 4"),
        (lambda: Toeplitz.valid(np.ones(0), 4), ValueError, "between 1 and n = 4"),
        (lambda: Toeplitz.valid(np.ones(2), 4, "same"), ValueError, "convention must be"),
        (lambda: Toeplitz.valid(np.ones(2, dtype=int), 4), TypeError, "w must be real or complex"),
        (lambda: Toeplitz(np.ones(2), np.ones(2)) @ np.ones(2, dtype=int), TypeError, "x must be real or complex"),
        (lambda: Toeplitz(np.ones(2), np.ones(2)) + Toeplitz(np.ones(2), np.ones(3)), ValueError, "cannot be added"),
        (lambda: Toeplitz(np.ones(2), np.ones(2)) @ Circulant(np.ones(2)), TypeError, "Toeplitz @ Circulant has no"),
        (lambda: Circulant(np.ones(2)) @ Toeplitz(np.ones(2), np.ones(2)), TypeError, "Circulant @ Toeplitz has no"),
        (lambda: Circulant(np.ones(2)) + Toeplitz(np.ones(2), np.ones(2)), TypeError, "unsupported operand"),
    ],
)
def test_bad_input_is_refused(make, error, message):
    with pytest.raises(error, match=message):
        make()


@pytest.mark.parametrize("dtype", [torch.float64, torch.complex128])
@pytest.mark.parametrize(
    ("batch", "shape"), [((0,), (3,)), ((0,), (3, 2)), ((2, 0), (2, 1, 3, 2)), ((), (3, 0)), ((2,), (0, 2, 3, 1))]
)
def test_empty_batches_have_gradients(batch, shape, dtype):
    column = torch.ones((*batch, 2), dtype=dtype, requires_grad=True)
    row = torch.ones((*batch, 3), dtype=dtype, requires_grad=True)
    x = torch.ones(shape, dtype=dtype, requires_grad=True)
    y = Toeplitz(column, row) @ x
    assert y.shape == (torch.ones((*batch, 2, 3)) @ torch.ones(shape)).shape
    assert y.dtype == dtype
    for gradient, of in zip(torch.autograd.grad(y.abs().sum(), (column, row, x)), (column, row, x), strict=True):
        assert gradient.shape == of.shape
        assert not gradient.any()
