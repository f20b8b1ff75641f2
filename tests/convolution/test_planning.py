"""The plan is the one place that chooses, it says why, and `circular_convolve` follows it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from equiconv.convolution import Plan, circular_convolve, plan


@pytest.mark.parametrize(
    ("x_shape", "w_shape", "axes", "method"),
    [
        ((64,), (5,), -1, "definition"),
        ((64,), (6,), -1, "fourier"),
        ((7, 64, 64), (3, 3), (-2, -1), "definition"),
        ((7, 64, 64), (2, 5), (-2, -1), "fourier"),
        ((101,), (12,), -1, "definition"),
        ((101,), (13,), -1, "fourier"),
        ((22, 64), (2, 6), (0, 1), "definition"),
        ((64, 101), (6,), 0, "fourier"),
    ],
)
def test_the_choice_depends_on_the_taps_and_the_sizes(x_shape: Any, w_shape: Any, axes: Any, method: str) -> None:
    assert plan(x_shape, w_shape, axes).method == method


def test_the_choice_does_not_depend_on_the_batch() -> None:
    for taps in range(1, 20):
        assert len({plan((batch, 60), (taps,)).method for batch in (1, 2, 7, 1000)}) == 1


@pytest.mark.parametrize("taps", [4, 9])
def test_circular_convolve_follows_the_plan(taps: int) -> None:
    rng = np.random.default_rng(taps)
    x, w = rng.standard_normal((3, 32)), rng.standard_normal(taps)
    chosen = plan(x.shape, w.shape).method
    other = "fourier" if chosen == "definition" else "definition"
    np.testing.assert_array_equal(circular_convolve(x, w), circular_convolve(x, w, method=chosen))
    # The two methods round differently, so that the equality above says which one ran.
    assert not np.array_equal(circular_convolve(x, w), circular_convolve(x, w, method=other))


def test_a_plan_describes_the_geometry() -> None:
    p = plan((5, 2, 6), (7, 3, 1, 8), (2, 0), dtype=torch.complex64)
    assert isinstance(p, Plan)
    assert (p.axes, p.sizes, p.kernel_sizes, p.shape) == ((-3, -1), (5, 6), (3, 8), (7, 5, 2, 6))
    assert p.dtype == "complex64"


def test_predicted_counts() -> None:
    p = plan((10, 100), (3,), dtype="float32")
    assert p.definition.flops == 2 * 3 * 1000
    assert p.definition.bytes == 4 * 3 * 7 * 1000
    assert plan((10, 100), (3,), dtype="complex64").definition.flops == 8 * 3 * 1000
    # The definition's cost grows with the taps, that of Fourier transforms does not.
    more = plan((10, 100), (30,), dtype="float32")
    assert more.definition.flops == 10 * p.definition.flops
    assert more.fourier == p.fourier
    # A half of the work for real data.
    assert plan((10, 100), (3,), dtype="complex128").fourier.flops == 2 * p.fourier.flops


@pytest.mark.parametrize("dtype", [np.float16, "bfloat16", torch.bfloat16, np.dtype("float32")])
def test_narrow_dtypes_are_planned_in_the_dtype_they_are_computed_in(dtype: Any) -> None:
    assert plan((8,), (3,), dtype=dtype).dtype == "float32"


@pytest.mark.parametrize("method", ["definition", "fourier"])
def test_explain_names_the_shapes_the_method_and_the_reason(method: Any) -> None:
    for p in (plan((8, 64), (2 if method == "definition" else 20,)), plan((8, 64), (9,), method=method)):
        text = p.explain()
        assert f"method: {method}, because {p.reason}" in text
        assert "(8, 64)" in text
        assert "no timing table yet" in text
    assert p.reason == "the caller asked for it"


def test_explain_speaks_of_large_primes_only_where_there_are_some() -> None:
    assert "large prime" in plan((101,), (8,)).explain()
    assert "large prime" not in plan((100,), (8,)).explain()


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"dtype": "int64"}, TypeError, "dtype must be real or complex floating, got int64"),
        ({"method": "fast"}, ValueError, "'auto', 'definition', 'fourier', got 'fast'"),
        ({"axes": ()}, ValueError, "at least one axis"),
        ({"axes": 2}, ValueError, "axis 2"),
        ({"x_shape": (3, 0)}, ValueError, "x of shape \\(3, 0\\) is empty"),
        ({"w_shape": (0,)}, ValueError, "w of shape \\(0,\\) is empty"),
    ],
)
def test_bad_input(arguments: dict[str, Any], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        plan(**{"x_shape": (3, 8), "w_shape": (3,), **arguments})
