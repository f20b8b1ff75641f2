"""The block-wise sum and the circulant matrix: exact on small integers, as the definition is."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from equiconv import circular_convolve, circular_correlate
from equiconv.convolution.dense import circulant_matrix
from equiconv.convolution.stencil import Stencil


@pytest.mark.parametrize("method", ["direct", "dense"])
@pytest.mark.parametrize("function", [circular_convolve, circular_correlate])
@settings(max_examples=80, deadline=None)
@given(data=st.data())
def test_exact_on_small_integers(method: Any, function: Any, data: st.DataObject) -> None:
    levels = data.draw(st.integers(1, 3))
    sizes = tuple(data.draw(st.integers(1, 5)) for _ in range(levels))
    taps = tuple(data.draw(st.integers(1, n)) for n in sizes)
    batch = tuple(data.draw(st.lists(st.integers(1, 3), max_size=2)))
    kernels = data.draw(st.sampled_from([(), (1,) * len(batch), batch]))
    origin = tuple(data.draw(st.integers(-7, 7)) for _ in sizes)
    rng = np.random.default_rng(data.draw(st.integers(0, 2**32 - 1)))

    def integers(shape: tuple[int, ...]) -> Any:
        values = rng.integers(-9, 10, shape).astype(np.float64)
        return values + 1j * rng.integers(-9, 10, shape) if is_complex else values

    is_complex = data.draw(st.booleans())
    x, w, axes = integers((*batch, *sizes)), integers((*kernels, *taps)), tuple(range(-levels, 0))
    expected = function(x, w, axes, origin, method="definition")
    np.testing.assert_array_equal(function(x, w, axes, origin, method=method), expected)
    np.testing.assert_array_equal(
        function(x.swapaxes(0, -1).copy().swapaxes(0, -1), w, axes, origin, method=method), expected
    )


def test_several_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("equiconv.convolution.stencil._BLOCK", 2**9)
    rng = np.random.default_rng(0)
    x = rng.integers(-9, 10, (7, 5, 16)).astype(np.float64)
    for w in (rng.integers(-9, 10, 3).astype(np.float64), rng.integers(-9, 10, (5, 4)).astype(np.float64)):
        w_ = w if w.ndim == 1 else w[None]
        np.testing.assert_array_equal(
            circular_convolve(x, w_, method="direct"), circular_convolve(x, w_, method="definition")
        )


def test_a_kernel_that_is_longer_than_the_signal_is_no_stencil() -> None:
    with pytest.raises(ValueError, match="longer than"):
        Stencil(np.ones(4), (3,), (0,))


def test_the_matrix_is_that_of_the_definition() -> None:
    u = np.arange(6.0).reshape(2, 3)
    matrix = circulant_matrix(u, 2)
    for j in range(6):
        for i in range(6):
            assert matrix[j, i] == u[(i // 3 - j // 3) % 2, (i % 3 - j % 3) % 3]


@pytest.mark.parametrize("order", ["C", "F"])
def test_the_matrices_of_kernels_in_any_memory(order: Any) -> None:
    u = np.asarray(np.arange(6.0).reshape(2, 3), order=order)
    matrix = circulant_matrix(u, 1)
    for b in range(2):
        for j in range(3):
            for i in range(3):
                assert matrix[b, j, i] == u[b, (i - j) % 3]


@pytest.mark.parametrize("method", ["dense", "fourier", "auto"])
@pytest.mark.parametrize("function", [circular_convolve, circular_correlate])
@pytest.mark.parametrize("is_moved", [False, True])
@pytest.mark.parametrize(("n", "taps", "count"), [(2, 5, 4), (3, 4, 2), (4, 11, 3), (8, 9, 2)])
def test_kernels_for_each_signal_that_wrap(
    n: int, taps: int, count: int, is_moved: bool, function: Any, method: Any
) -> None:
    """A folded kernel lies in memory as the kernel itself does, which with its axes moved is in another order."""
    rng = np.random.default_rng(0)
    x, w = rng.integers(-9, 10, (n, count)).astype(np.float64), rng.integers(-9, 10, (taps, count)).astype(np.float64)
    axis = -2
    if is_moved:  # the same memory, convolved along its last axis
        x, w, axis = x.T, w.T, -1
    expected = function(x, w, axis, -1, method="definition")
    np.testing.assert_allclose(function(x, w, axis, -1, method=method), expected, atol=1e-11)
