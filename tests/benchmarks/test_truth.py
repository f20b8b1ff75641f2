"""What contenders are held to is the definition, in a wider type."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import equiconv as eq
from benchmarks.truth import as_circular, eps_of_truth, exact, exact_solution


def definition(x: Any, w: Any, axes: tuple[int, ...]) -> Any:
    """A sum of rolls, in the widest type there is."""
    wide = np.clongdouble if np.iscomplexobj(x) else np.longdouble
    y = np.zeros(x.shape, wide)
    for index in np.ndindex(w.shape):
        y += np.roll(x.astype(wide), index, axes) * w[index].astype(wide)
    return y


@pytest.mark.parametrize("dtype", ["float32", "float64", "complex64", "complex128"])
@pytest.mark.parametrize(("shape", "axes"), [((3, 12), (1,)), ((2, 7), (1,)), ((2, 4, 5), (1, 2))])
def test_it_is_the_definition(shape: tuple[int, ...], axes: tuple[int, ...], dtype: str) -> None:
    rng = np.random.default_rng(0)
    x, w = (rng.standard_normal(s).astype(dtype) for s in (shape, shape[1:]))
    if dtype.startswith("complex"):
        x, w = (a + 1j * rng.standard_normal(a.shape).astype(x.real.dtype) for a in (x, w))
    found = exact(x, w, axes)
    assert np.iscomplexobj(found) == np.iscomplexobj(x)
    assert np.abs(found - definition(x, w, axes)).max() <= 100 * eps_of_truth(dtype) * np.linalg.norm(
        x
    ) * np.linalg.norm(w)


@pytest.mark.parametrize(("sizes", "kernel"), [((9,), (3,)), ((5,), (5,)), ((6, 7), (3, 5)), ((4,), (1,))])
def test_a_centred_correlation_as_a_convolution(sizes: tuple[int, ...], kernel: tuple[int, ...]) -> None:
    rng = np.random.default_rng(0)
    x, w = rng.standard_normal((2, *sizes)), rng.standard_normal(kernel)
    axes = tuple(range(1, 1 + len(sizes)))
    expected = eq.circular_correlate(x, w, axes, tuple(k // 2 for k in kernel), method="definition")
    assert np.abs(exact(x, as_circular(w, sizes), axes) - expected).max() < 1e-13


@pytest.mark.parametrize(("kernel", "sizes"), [((2,), (8,)), ((9,), (8,)), ((3, 4), (8, 8))])
def test_kernels_without_a_centre_are_refused(kernel: tuple[int, ...], sizes: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="a centred kernel has odd sizes, at most those of the grid"):
        as_circular(np.ones(kernel), sizes)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("shape", [(8,), (8, 3)])
def test_a_solution_solves(shape: tuple[int, ...], dtype: str) -> None:
    rng = np.random.default_rng(0)
    c = rng.standard_normal(8).astype(dtype)
    c[0] += 8
    b = rng.standard_normal(shape).astype(dtype)
    y = exact_solution(c, b)
    rows = y.reshape(8, -1).T
    back = sum(np.roll(rows, j, 1) * c[j] for j in range(8))
    assert np.abs(back - b.reshape(8, -1).T).max() <= 1000 * eps_of_truth(dtype)
