"""One suite for all operators: a subclass supplies an operator and its dense truth, and inherits the tests.

The truth is a NumPy matrix in double precision that the subclass builds entry by entry from the definition. What
moves or copies entries must be equal; what goes through a Fourier transform is compared with its rounding bound.
"""

from __future__ import annotations

import importlib.util
import itertools
import math
from typing import Any, ClassVar

import array_api_strict
import numpy as np
import pytest
import torch

from equiconv import arrays


def cupy_is_usable() -> bool:
    if importlib.util.find_spec("cupy") is None:
        return False
    import cupy

    try:
        return cupy.cuda.runtime.getDeviceCount() > 0
    except cupy.cuda.runtime.CUDARuntimeError:
        return False


LIBRARIES: dict[str, Any] = {"numpy": np, "torch": torch, "array_api_strict": array_api_strict}
if cupy_is_usable():
    import cupy

    LIBRARIES["cupy"] = cupy
DTYPES = ["float32", "float64", "complex64", "complex128"]
# What is portable is so in every dtype: the strict library is slow and need not run them all.
LANES = [
    (library, dtype)
    for library in LIBRARIES
    for dtype in (DTYPES if library != "array_api_strict" else ["float32", "complex128"])
]


def random(rng: np.random.Generator, shape: tuple[int, ...], dtype: str) -> np.ndarray:
    values = rng.standard_normal(shape)
    if dtype.startswith("complex"):
        values = values + 1j * rng.standard_normal(shape)
    return values.astype(dtype)


def to(library: str, values: np.ndarray) -> Any:
    """A NumPy array as one of the library."""
    return LIBRARIES[library].asarray(np.array(values))


def assert_within(actual: Any, expected: np.ndarray, bound: Any, library: str, dtype: str | None = None) -> None:
    """`actual` is of the library and dtype, has the shape of `expected`, and each entry errs by `bound` at most."""
    assert arrays.library(actual) == library
    if dtype is not None:
        assert arrays.dtype_name(actual.dtype) == dtype
    assert tuple(actual.shape) == np.shape(expected)
    error = np.abs(arrays.to_numpy(actual) - expected)
    assert np.all(error <= bound), f"error {np.max(error)} exceeds the bound {np.max(bound)}"


def assert_same(actual: Any, expected: np.ndarray, library: str, dtype: str) -> None:
    """Every entry is equal, with no rounding at all."""
    assert arrays.library(actual) == library
    assert arrays.dtype_name(actual.dtype) == dtype
    assert np.array_equal(arrays.to_numpy(actual), expected)


def norm(x: np.ndarray, axis: int) -> np.ndarray:
    return np.linalg.norm(x, axis=axis)


class OperatorSuite:
    """What every operator must do. The fixture `case` is the subclass's list of shapes and options."""

    # The dtype in which NumPy computes the reference products.
    reference: ClassVar[type] = np.complex128

    @pytest.fixture(params=LANES, ids="-".join)
    def lane(self, request):
        return request.param

    @pytest.fixture
    def library(self, lane):
        return lane[0]

    @pytest.fixture
    def dtype(self, lane):
        return lane[1]

    @pytest.fixture
    def rng(self):
        return np.random.default_rng(0)

    @pytest.fixture
    def case(self):
        raise NotImplementedError("a subclass parametrises the cases")

    def build(self, case, library: str, dtype: str, rng) -> tuple[Any, np.ndarray]:
        """An operator of the case, and its dense truth."""
        raise NotImplementedError

    @pytest.fixture
    def pair(self, case, library, dtype, rng):
        return self.build(case, library, dtype, rng)

    def kernel_norm(self, truth: np.ndarray) -> np.ndarray:
        """A bound on the 2-norm of the kernel that the operator transforms, (*batch,)."""
        raise NotImplementedError

    def transformed(self, operator) -> tuple[int, ...]:
        """The sizes of its Fourier transforms."""
        raise NotImplementedError

    def product_bound(self, operator, truth: np.ndarray, x: np.ndarray, dtype: str) -> np.ndarray:
        """The bound on `operator @ x` for matrices x (..., N, m), and on the reference product."""
        kernel = self.kernel_norm(truth)[..., None, None]
        fourier = arrays.fourier_bound(kernel, norm(x, -2)[..., None, :], self.transformed(operator), np.dtype(dtype))
        return fourier + arrays.direct_bound(np.abs(truth) @ np.abs(x), truth.shape[-1], self.reference)

    # -- the matrix ---------------------------------------------------------------------------------------------------

    def test_dense_is_the_truth(self, pair, library, dtype):
        operator, truth = pair
        assert operator.shape == truth.shape
        assert operator.batch == truth.shape[:-2]
        assert_same(operator.dense(), truth, library, dtype)

    def test_transpose_and_adjoint(self, pair, library, dtype):
        operator, truth = pair
        assert_same(operator.T.dense(), np.swapaxes(truth, -1, -2), library, dtype)
        assert_same(operator.H.dense(), np.conj(np.swapaxes(truth, -1, -2)), library, dtype)
        assert_same(operator.T.T.dense(), truth, library, dtype)

    def test_sums_and_multiples(self, case, pair, library, dtype):
        operator, truth = pair
        other, other_truth = self.build(case, library, dtype, np.random.default_rng(1))
        assert_same((operator + other).dense(), truth.astype(dtype) + other_truth.astype(dtype), library, dtype)
        assert_same((operator - other).dense(), truth.astype(dtype) - other_truth.astype(dtype), library, dtype)
        assert_same((operator * 2).dense(), 2 * truth, library, dtype)
        assert_same((-operator / 4).dense(), truth / -4, library, dtype)
        scalar = to(library, np.asarray(0.5, dtype=dtype))
        assert_same((operator * scalar).dense(), truth / 2, library, dtype)
        if library != "array_api_strict":  # which refuses foreign operands on its right by itself
            assert_same((scalar * operator).dense(), truth / 2, library, dtype)
        assert_same((1j * operator).dense(), 1j * truth, library, str(np.result_type(dtype, np.complex64)))

    # -- the map ------------------------------------------------------------------------------------------------------

    def test_product_with_a_vector(self, pair, library, dtype, rng):
        operator, truth = pair
        x = random(rng, (truth.shape[-1],), dtype)
        bound = self.product_bound(operator, truth, x[:, None], dtype)[..., 0]
        assert_within(operator @ to(library, x), truth @ x, bound, library, dtype)

    @pytest.mark.parametrize("stack", [(), (1,), (2, 3)])
    def test_product_with_a_stack_of_matrices(self, pair, library, dtype, rng, stack):
        operator, truth = pair
        if len(stack) == 2 and operator.batch:
            stack = (2, *operator.batch)
        x = random(rng, (*stack, truth.shape[-1], 4), dtype)
        bound = self.product_bound(operator, truth, x, dtype)
        assert_within(operator @ to(library, x), truth @ x, bound, library, dtype)

    def test_the_comparison_would_catch_the_transpose(self, pair, library, dtype, rng):
        """The false twin: unless the matrix is its own transpose, the transposed product is outside the bound."""
        operator, truth = pair
        if truth.shape[-1] != truth.shape[-2] or np.array_equal(truth, np.swapaxes(truth, -1, -2)):
            return
        x = random(rng, (truth.shape[-1], 4), dtype)
        bound = self.product_bound(operator, truth, x, dtype)
        with pytest.raises(AssertionError, match="exceeds the bound"):
            assert_within(operator.T @ to(library, x), truth @ x, bound, library, dtype)

    def test_apply_along_any_axes(self, pair, library, dtype, rng):
        operator, truth = pair
        d = operator.ndim
        others = (*operator.batch, 2)
        x = random(rng, (*others, *operator.sizes_in), dtype)
        # batch axes align with the last of the other axes, so the extra axis goes first
        x = np.moveaxis(x, len(others) - 1, 0)
        flat = x.reshape(*x.shape[:-d], -1, 1)
        expected = (truth @ flat)[..., 0]
        bound = self.product_bound(operator, truth, flat, dtype)[..., 0]
        shape = (*expected.shape[:-1], *operator.sizes_out)
        expected, bound = expected.reshape(shape), bound.reshape(shape)
        last = tuple(range(x.ndim - d, x.ndim))
        for positions in {last, tuple(range(d)), last[::-1], (x.ndim - 1, *range(d - 1))}:
            moved = to(library, np.moveaxis(x, last, positions))
            target = (np.moveaxis(e, last, positions) for e in (expected, bound))
            assert_within(operator.apply(moved, axes=positions), *target, library, dtype)
            negative = tuple(p - x.ndim for p in positions)
            assert (
                arrays.to_numpy(operator.apply(moved, axes=negative)).shape
                == np.moveaxis(expected, last, positions).shape
            )
        assert_within(operator.apply(to(library, x)), expected, bound, library, dtype)

    def test_batches_broadcast_when_applied(self, pair, library, dtype, rng):
        """Without other axes in x, the batch of the operator appears in front."""
        operator, truth = pair
        x = random(rng, operator.sizes_in, dtype)
        y = operator.apply(to(library, x))
        assert tuple(y.shape) == (*operator.batch, *operator.sizes_out)
        flat = x.reshape(-1, 1)
        bound = self.product_bound(operator, truth, flat, dtype)[..., 0]
        assert_within(y, (truth @ flat)[..., 0].reshape(y.shape), bound.reshape(y.shape), library, dtype)

    def test_real_operator_on_complex_signal_and_the_other_way_round(self, pair, library, dtype, rng):
        operator, truth = pair
        flipped = {"float32": "complex64", "float64": "complex128", "complex64": "float32", "complex128": "float64"}[
            dtype
        ]
        x = random(rng, (truth.shape[-1], 2), flipped)
        bound = self.product_bound(operator, truth, x, dtype)
        returned = dtype if dtype.startswith("complex") else flipped
        assert_within(operator @ to(library, x), truth @ x, bound, library, returned)

    # -- refusals -----------------------------------------------------------------------------------------------------

    def test_row_vectors_are_refused_with_the_reason(self, pair, library, dtype):
        operator, truth = pair
        for shape in ((truth.shape[-2],), (3, truth.shape[-2])):
            # array_api_strict refuses foreign operands itself
            match = "acts on the signal to its right" if library != "array_api_strict" else "Expected Array"
            with pytest.raises(TypeError, match=match):
                to(library, np.ones(shape, dtype)) @ operator

    def test_it_never_becomes_an_array_by_itself(self, pair):
        operator, _ = pair
        with pytest.raises(TypeError, match=r"call \.dense\(\)"):
            np.asarray(operator)

    def test_wrong_shapes_are_refused(self, pair, library, dtype):
        operator, truth = pair
        N = truth.shape[-1]
        for shape in ((N + 1,), (N + 1, 2), (2, N + 1, 3)):
            with pytest.raises(ValueError, match=rf"has {N + 1} rows, but the operator .* has {N} columns"):
                operator @ to(library, np.ones(shape, dtype))
        with pytest.raises(ValueError, match="got a 0-d array"):
            operator @ to(library, np.asarray(1.0, dtype))
        if N > 1:
            with pytest.raises(ValueError, match=r"goes through C\.apply\(x\)"):
                operator @ to(library, np.ones((N + 1, N), dtype))
        with pytest.raises(ValueError, match=r"sizes .* along axes .*, but the operator maps levels"):
            operator.apply(to(library, np.ones([n + 1 for n in operator.sizes_in], dtype)))
        with pytest.raises(ValueError, match="must name"):
            operator.apply(to(library, np.ones((9,) * (operator.ndim + 1), dtype)), axes=range(operator.ndim + 1))
        if operator.batch:
            wrong = tuple(n + 5 if n > 1 else n for n in operator.batch)
            with pytest.raises(ValueError, match=r"does not broadcast with the batch shape .* of x"):
                operator @ to(library, np.ones((*wrong, N, 1), dtype))
            with pytest.raises(ValueError, match=r"does not broadcast with the batch shape .* of x"):
                operator.apply(to(library, np.ones((*wrong, *operator.sizes_in), dtype)))

    def test_other_operands_are_refused(self, pair, library, dtype):
        operator, _ = pair
        with pytest.raises(TypeError, match="no elementwise product"):
            operator * operator
        with pytest.raises(TypeError, match=r"write A @ B\.inv"):
            operator / operator
        with pytest.raises(TypeError, match="unsupported operand"):
            operator + 1
        with pytest.raises(TypeError, match="unsupported operand"):
            operator - 1
        with pytest.raises(ValueError, match="number or a 0-d array"):
            operator * to(library, np.ones(3, dtype))
        with pytest.raises(TypeError, match="must be a NumPy, CuPy or torch array"):
            operator @ [1.0] * operator.shape[-1]

    # -- torch --------------------------------------------------------------------------------------------------------

    def parameters(self, case, dtype: torch.dtype) -> tuple[list[torch.Tensor], Any]:
        """Tensors with gradients, and a function from them to an operator of the case."""
        raise NotImplementedError

    @pytest.mark.parametrize("torch_dtype", [torch.float64, torch.complex128])
    def test_gradients_flow(self, case, torch_dtype):
        torch.manual_seed(0)
        tensors, make = self.parameters(case, torch_dtype)
        operator = make(*tensors)
        x = torch.randn(operator.shape[-1], 1, dtype=torch_dtype, requires_grad=True)
        for function in (lambda x, *p: make(*p) @ x, lambda x, *p: make(*p).H @ (make(*p) @ x)):
            assert torch.autograd.gradcheck(function, (x, *tensors))
            if math.prod(operator.shape) <= 200:
                assert torch.autograd.gradgradcheck(function, (x, *tensors))
        if tensors:
            assert torch.autograd.gradcheck(lambda *p: (2 * make(*p)).dense(), tensors)


def definition(w: np.ndarray, levels: int, convention: str) -> np.ndarray:
    """The circulant matrix of w, entry by entry from the definition."""
    sizes = w.shape[w.ndim - levels :]
    N = math.prod(sizes)
    matrix = np.zeros((*w.shape[: w.ndim - levels], N, N), dtype=w.dtype)
    for (a, i), (b, j) in itertools.product(enumerate(np.ndindex(sizes)), repeat=2):
        sign = 1 if convention == "convolution" else -1
        k = tuple(sign * (p - q) % n for p, q, n in zip(i, j, sizes, strict=True))
        matrix[..., a, b] = w[(..., *k)]
    return matrix.astype(np.result_type(w.dtype, np.float64))
