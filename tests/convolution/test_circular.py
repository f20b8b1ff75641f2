"""Circular convolution against its definition, in two lanes: exact on small integers, and within stated bounds."""

from __future__ import annotations

import itertools
from typing import Any

import array_api_strict
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from equiconv.arrays import direct_bound, fourier_bound, to_numpy
from equiconv.convolution import circular_convolve, circular_correlate

FUNCTIONS = (circular_convolve, circular_correlate)
METHODS = ("definition", "fourier", "auto")
LIBRARIES = {"numpy": np.asarray, "torch": torch.as_tensor, "array_api_strict": array_api_strict.asarray}


def loop(function: Any, x: Any, w: Any, axes: tuple[int, ...], origin: tuple[int, ...], dtype: Any = None) -> Any:
    """The defining sum, entry by entry and tap by tap, sharing no code with the library.

    `axes` are negative and increasing, `w` has either these axes alone or all that broadcast.
    """
    if w.ndim == len(axes):
        shape = [1] * x.ndim
        for a, m in zip(axes, w.shape, strict=True):
            shape[a] = m
        w = w.reshape(shape)
    rank = max(x.ndim, w.ndim)
    x, w = x.reshape((1,) * (rank - x.ndim) + x.shape), w.reshape((1,) * (rank - w.ndim) + w.shape)
    places = [a + rank for a in axes]
    shape = tuple(x.shape[a] if a in places else np.broadcast_shapes(x.shape[a], w.shape[a])[0] for a in range(rank))
    y = np.zeros(shape, dtype=dtype or np.result_type(x, w))
    sign = -1 if function is circular_convolve else 1
    for i in np.ndindex(*shape):
        for taps in itertools.product(*(range(w.shape[a]) for a in places)):
            at_x, at_w = list(i), list(i)
            for a, t, o in zip(places, taps, origin, strict=True):
                at_x[a] = (i[a] + sign * (t - o)) % x.shape[a]
                at_w[a] = t
            for a in range(rank):
                at_x[a], at_w[a] = min(at_x[a], x.shape[a] - 1), min(at_w[a], w.shape[a] - 1)  # broadcasting
            y[i] += y.dtype.type(x[tuple(at_x)]) * y.dtype.type(w[tuple(at_w)])
    return y


@st.composite
def problems(draw: st.DrawFn, max_size: int = 5) -> tuple[Any, Any, tuple[int, ...], tuple[int, ...]]:
    """Small integers in float64 or complex128: (x, w, axes, origin), kernels up to twice as long as the signal."""
    rank = draw(st.integers(1, 3))
    count = draw(st.integers(1, min(rank, 2)))
    axes = tuple(sorted(draw(st.permutations(range(-rank, 0)))[:count]))
    x_shape = [draw(st.integers(1, 3)) for _ in range(rank)]
    for a in axes:
        x_shape[a] = draw(st.integers(1, max_size))
    taps = [draw(st.integers(1, 2 * x_shape[a])) for a in axes]
    if draw(st.booleans()):
        w_shape = taps
    else:
        w_shape = [draw(st.sampled_from((1, n))) for n in x_shape]
        for a, m in zip(axes, taps, strict=True):
            w_shape[a] = m
        if draw(st.booleans()):
            w_shape = [2, *w_shape]
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    origin = tuple(draw(st.integers(-3, 7)) for _ in axes)

    def integers(shape: list[int]) -> Any:
        values = rng.integers(-9, 10, shape).astype(np.float64)
        return values + 1j * rng.integers(-9, 10, shape) if draw(st.booleans()) else values

    return integers(x_shape), integers(w_shape), axes, origin


@pytest.mark.parametrize("function", FUNCTIONS)
@pytest.mark.parametrize("library", LIBRARIES)
@settings(max_examples=60, deadline=None)
@given(problem=problems())
def test_definition_is_exact_on_small_integers(function: Any, library: str, problem: Any) -> None:
    x, w, axes, origin = problem
    asarray = LIBRARIES[library]
    y = function(asarray(x), asarray(w), axes, origin, method="definition")
    expected = loop(function, x, w, axes, origin)
    assert type(y) is type(asarray(x))
    assert to_numpy(y).dtype == expected.dtype
    np.testing.assert_array_equal(to_numpy(y), expected)


@pytest.mark.parametrize("function", FUNCTIONS)
@pytest.mark.parametrize("library", LIBRARIES)
@settings(max_examples=60, deadline=None)
@given(problem=problems())
def test_fourier_is_within_its_bound(function: Any, library: str, problem: Any) -> None:
    x, w, axes, origin = problem
    asarray = LIBRARIES[library]
    y = to_numpy(function(asarray(x), asarray(w), axes, origin, method="fourier"))
    expected = loop(function, x, w, axes, origin)
    assert y.dtype == expected.dtype
    assert y.shape == expected.shape
    # ‖x‖ over the whole array is at least that of any batch entry; |w| folds to no less than w does, and folding m taps
    # onto fewer samples is a sum of at most m terms.
    sizes = tuple(x.shape[a] for a in axes)
    w_norm = np.abs(w).sum()
    bound = fourier_bound(np.linalg.norm(x), w_norm, sizes, y.dtype) + direct_bound(
        np.linalg.norm(x) * w_norm, w.size, y.dtype
    )
    assert np.abs(y - expected).max() <= bound


@pytest.mark.parametrize("dtype", ["float32", "float64", "complex64", "complex128"])
@pytest.mark.parametrize("library", ["numpy", "torch"])
@pytest.mark.parametrize(
    ("n", "m"),
    [(1, 1), (1, 7), (2, 2), (16, 5), (17, 17), (64, 200), (101, 3), (360, 360), (1009, 64), (1024, 1024)],
)
def test_errors_stay_below_the_bounds(dtype: str, library: str, n: int, m: int) -> None:
    rng = np.random.default_rng(n * m)

    def noise(size: int) -> Any:
        values = rng.standard_normal(size)
        return (values + 1j * rng.standard_normal(size) if dtype.startswith("complex") else values).astype(dtype)

    x, w = noise(n), noise(m)
    wide = np.clongdouble if dtype.startswith("complex") else np.longdouble
    truth = circular_convolve(x.astype(wide), w.astype(wide), method="definition")
    magnitude = circular_convolve(np.abs(x).astype(np.float64), np.abs(w).astype(np.float64), method="definition")
    folded = np.bincount(np.arange(m) % n, weights=np.abs(w), minlength=n)

    asarray = LIBRARIES[library]
    direct = to_numpy(circular_convolve(asarray(x), asarray(w), method="definition"))
    assert (np.abs(direct - truth) <= direct_bound(magnitude, m, direct.dtype)).all()
    fourier = to_numpy(circular_convolve(asarray(x), asarray(w), method="fourier"))
    assert fourier.dtype == direct.dtype == np.dtype(dtype)
    assert (np.abs(fourier - truth) <= fourier_bound(np.linalg.norm(x), np.linalg.norm(folded), n, dtype)).all()


def test_the_bounds_can_fail() -> None:
    """A float32 result is far outside the float64 bounds: they are not so wide that anything passes."""
    rng = np.random.default_rng(0)
    x, w = rng.standard_normal((2, 1024))
    truth = circular_convolve(x, w, method="definition")
    narrow = circular_convolve(x.astype(np.float32), w.astype(np.float32), method="fourier")
    error = np.abs(narrow - truth).max()
    assert error > fourier_bound(np.linalg.norm(x), np.linalg.norm(w), 1024, np.float64)
    assert error > direct_bound(circular_convolve(np.abs(x), np.abs(w)), 1024, np.float64).max()


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
@pytest.mark.parametrize("method", METHODS)
def test_narrow_floats_are_computed_in_float32_and_rounded_once(dtype: torch.dtype, method: Any) -> None:
    generator = torch.Generator().manual_seed(0)
    x, w = (torch.randn(3, 40, generator=generator).to(dtype) for _ in range(2))
    y = circular_convolve(x, w, method=method)
    assert y.dtype == dtype
    wide = circular_convolve(x.float(), w.float(), method=method)
    assert torch.equal(y, wide.to(dtype))
    # Negative control: summing in the narrow type itself gives something else.
    narrow = sum(w[:, t : t + 1] * torch.roll(x, t, dims=-1) for t in range(40))
    assert not torch.equal(y, narrow)


def test_numpy_float16_comes_back_as_float16() -> None:
    x = np.array([1.0, 2.0, 3.0], dtype=np.float16)
    y = circular_convolve(x, x)
    assert y.dtype == np.float16
    np.testing.assert_array_equal(y, [13, 13, 10])


@pytest.mark.parametrize(
    ("x_dtype", "w_dtype", "expected"),
    [
        ("float32", "float32", "float32"),
        ("float32", "float64", "float64"),
        ("float32", "complex64", "complex64"),
        ("complex64", "float32", "complex64"),
        ("float64", "complex64", "complex128"),
        ("complex128", "complex64", "complex128"),
    ],
)
@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("library", ["numpy", "torch"])
def test_dtypes_promote_as_the_library_does(
    x_dtype: str, w_dtype: str, expected: str, method: Any, library: str
) -> None:
    asarray = LIBRARIES[library]
    x, w = asarray(np.ones(6, dtype=x_dtype)), asarray(np.ones(4, dtype=w_dtype))
    y = to_numpy(circular_convolve(x, w, method=method))
    assert y.dtype == np.dtype(expected)
    np.testing.assert_allclose(y, np.full(6, 4), rtol=1e-6)


def test_real_data_give_what_complex_data_with_no_imaginary_part_give() -> None:
    rng = np.random.default_rng(1)
    x, w = rng.standard_normal((4, 6, 9)), rng.standard_normal((3, 5))
    y = circular_convolve(x, w, (-2, -1), method="fourier")
    z = circular_convolve(x.astype(complex), w.astype(complex), (-2, -1), method="fourier")
    assert np.abs(y - z).max() <= 2 * fourier_bound(np.linalg.norm(x), np.linalg.norm(w), (6, 9), np.float64)


# ---------------------------------------------------------------------------------------------------------------------
# What the arguments mean
# ---------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", METHODS)
def test_the_printed_definition(method: Any) -> None:
    """y[i] = Σ_j x[j] w[i − j mod n] (lecture equation (9)), and the correlation is its transpose, not conjugated."""
    n = 5
    rng = np.random.default_rng(2)
    x, w = (rng.integers(-9, 10, n) + 1j * rng.integers(-9, 10, n) for _ in range(2))
    matrix = np.array([[w[(i - j) % n] for j in range(n)] for i in range(n)])
    np.testing.assert_allclose(circular_convolve(x, w, method=method), matrix @ x, atol=1e-12)
    np.testing.assert_allclose(circular_correlate(x, w, method=method), matrix.T @ x, atol=1e-12)


@pytest.mark.parametrize("k", [1, 3, 5])
def test_torch_layer_is_the_correlation_about_the_centre(k: int) -> None:
    generator = torch.Generator().manual_seed(k)
    layer = torch.nn.Conv2d(1, 1, k, padding=(k - 1) // 2, padding_mode="circular", bias=False, dtype=torch.float64)
    with torch.no_grad():
        layer.weight.copy_(torch.randint(-9, 10, layer.weight.shape, generator=generator))
    x = torch.randint(-9, 10, (2, 1, 6, 7), generator=generator).double()
    y = circular_correlate(x, layer.weight, (-2, -1), (k - 1) // 2, method="definition")
    assert torch.equal(layer(x), y)
    if k > 1:  # Negative control: about another point, or as a convolution, it is another map.
        assert not torch.equal(layer(x), circular_correlate(x, layer.weight, (-2, -1), 0, method="definition"))
        assert not torch.equal(
            layer(x), circular_convolve(x, layer.weight, (-2, -1), (k - 1) // 2, method="definition")
        )


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("origin", [-4, 0, 2, 11])
def test_origin_is_a_shift_of_the_result(method: Any, origin: int) -> None:
    x, w = np.arange(7.0), np.array([1.0, -2.0, 5.0])
    y = circular_convolve(x, w, method=method)
    np.testing.assert_allclose(circular_convolve(x, w, origin=origin, method=method), np.roll(y, -origin), atol=1e-12)
    z = circular_correlate(x, w, method=method)
    np.testing.assert_allclose(circular_correlate(x, w, origin=origin, method=method), np.roll(z, origin), atol=1e-12)


def test_origins_follow_the_order_of_the_axes() -> None:
    rng = np.random.default_rng(3)
    x, w = rng.integers(-9, 10, (4, 5)).astype(float), rng.integers(-9, 10, (2, 3)).astype(float)
    y = circular_convolve(x, w, (0, 1), (1, 2))
    np.testing.assert_array_equal(circular_convolve(x, w, (1, 0), (2, 1)), y)
    np.testing.assert_array_equal(circular_convolve(x, w, (-1, -2), (2, 1)), y)
    assert not np.array_equal(circular_convolve(x, w, (1, 0), (1, 2)), y)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(
    ("x_shape", "w_shape", "axes", "expected"),
    [
        ((6,), (3,), -1, (6,)),
        ((2, 6), (3,), -1, (2, 6)),
        ((6, 2), (3,), 0, (6, 2)),
        ((6, 2), (3, 1), 0, (6, 2)),
        ((6, 1), (3, 4), 0, (6, 4)),
        ((6,), (4, 3), -1, (4, 6)),
        ((2, 1, 6), (4, 3), 2, (2, 4, 6)),
        ((5, 2, 6), (3, 8), (0, 2), (5, 2, 6)),
        ((5, 2, 6), (7, 3, 1, 8), (0, 2), (7, 5, 2, 6)),
        ((0, 6), (3,), -1, (0, 6)),
    ],
)
def test_shapes(method: Any, x_shape: Any, w_shape: Any, axes: Any, expected: Any) -> None:
    rng = np.random.default_rng(4)
    x, w = rng.standard_normal(x_shape), rng.standard_normal(w_shape)
    for asarray in LIBRARIES.values():
        y = to_numpy(circular_convolve(asarray(x), asarray(w), axes, method=method))
        assert y.shape == expected
        named = (axes,) if isinstance(axes, int) else axes
        ends = tuple(a if a < 0 else a - x.ndim for a in named)
        np.testing.assert_allclose(y, loop(circular_convolve, x, w, ends, (0,) * len(ends)), atol=1e-12)


# ---------------------------------------------------------------------------------------------------------------------
# Laws
# ---------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("function", FUNCTIONS)
def test_commutes_with_every_shift_bitwise_and_zero_padding_does_not(function: Any) -> None:
    """Lecture L29, exhaustively on a 4×6 torus."""
    rng = np.random.default_rng(5)
    x, w = rng.integers(-9, 10, (4, 6)).astype(float), rng.integers(-9, 10, (3, 3)).astype(float)

    def zero_padded(x: Any, w: Any) -> Any:
        return circular_convolve(np.pad(x, 2), w, (0, 1))[2:-2, 2:-2]

    y, broken = function(x, w, (0, 1), method="definition"), 0
    for shift in np.ndindex(4, 6):
        moved = np.roll(x, shift, (0, 1))
        np.testing.assert_array_equal(function(moved, w, (0, 1), method="definition"), np.roll(y, shift, (0, 1)))
        broken += not np.array_equal(zero_padded(moved, w), np.roll(zero_padded(x, w), shift, (0, 1)))
    assert broken == 4 * 6 - 1


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 12), st.integers(1, 12), st.integers(0, 2**32 - 1))
def test_correlation_is_the_adjoint_of_convolution(n: int, m: int, seed: int) -> None:
    """⟨w ⋆ x, y⟩ = ⟨x, w ⋆ᵀ y⟩ for real data, bitwise on small integers."""
    rng = np.random.default_rng(seed)
    x, y, w = (rng.integers(-9, 10, size).astype(float) for size in (n, n, m))
    forward = circular_convolve(x, w, origin=3, method="definition") @ y
    assert forward == x @ circular_correlate(y, w, origin=3, method="definition")


@pytest.mark.parametrize("method", METHODS)
def test_a_longer_kernel_wraps(method: Any) -> None:
    x, w = np.array([1.0, 2.0, 3.0]), np.array([1.0, 0.0, 0.0, 10.0, 100.0, 0.0, 1000.0])
    folded = np.array([1011.0, 100.0, 0.0])
    np.testing.assert_allclose(circular_convolve(x, w, method=method), circular_convolve(x, folded), rtol=1e-12)


# ---------------------------------------------------------------------------------------------------------------------
# Gradients
# ---------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("function", FUNCTIONS)
@pytest.mark.parametrize("method", ["definition", "fourier"])
@pytest.mark.parametrize("dtype", [torch.float64, torch.complex128])
@pytest.mark.parametrize("taps", [(2, 3), (5, 2)])
def test_gradients_of_first_and_second_order(function: Any, method: Any, dtype: torch.dtype, taps: Any) -> None:
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(2, 3, 4, dtype=dtype, generator=generator, requires_grad=True)
    w = torch.randn(*taps, dtype=dtype, generator=generator, requires_grad=True)

    def f(x: Any, w: Any) -> Any:
        return function(x, w, (-2, -1), (1, 0), method=method)

    assert torch.autograd.gradcheck(f, (x, w))
    assert torch.autograd.gradgradcheck(f, (x, w))


def test_gradient_of_a_real_kernel_on_a_complex_signal_is_real() -> None:
    x = torch.randn(5, dtype=torch.complex128)
    w = torch.randn(3, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda w: circular_convolve(x, w, method="fourier"), (w,))
    circular_convolve(x, w).abs().sum().backward()
    assert w.grad is not None
    assert w.grad.dtype == torch.float64
