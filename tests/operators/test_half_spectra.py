"""Functions of real circulants by half of their spectrum: against the whole one, with gradients of any order."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from equiconv import arrays
from equiconv.operators import Circulant
from equiconv.operators.spectra import between, mirrored, self_conjugate
from tests.operators.suite import LIBRARIES, random, to

SIZES = [(1,), (2,), (5,), (6,), (97,), (3, 4), (4, 3), (4, 4), (5, 1), (2, 3, 4)]


def regular(rng: np.random.Generator, shape: tuple[int, ...], levels: int, dtype: str) -> np.ndarray:
    """Random columns, made regular by a dominant entry off the diagonal."""
    w = random(rng, shape, dtype)
    w[(..., *(n // 2 for n in shape[-levels:]))] += 2 * np.abs(w).sum()
    return w


def spectrum(w: np.ndarray, levels: int) -> np.ndarray:
    """All eigenvalues, by NumPy in double precision."""
    wide = w.astype(np.result_type(w.dtype, np.float64))
    return np.fft.fftn(wide, axes=tuple(range(-levels, 0)))


# -- what a half stands for -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("sizes", SIZES, ids=str)
def test_frequencies_of_a_half(sizes: tuple[int, ...]) -> None:
    """Where −k = k, and how many frequencies each of a half stands for, by counting."""
    grid = np.indices(sizes).reshape(len(sizes), -1)
    modulus = np.asarray(sizes)[:, None]
    own = np.all(-grid % modulus == grid, axis=0).reshape(sizes)
    selected = np.zeros(sizes, dtype=bool)
    selected[self_conjugate(sizes)] = True
    assert np.array_equal(selected, own)
    kept = sizes[-1] // 2 + 1
    stands_for = np.ones(kept, dtype=int)
    stands_for[between(sizes[-1])] += 1
    assert stands_for.sum() == sizes[-1]
    half = own[..., :kept]
    assert half.sum() == own.sum(), "each frequency that is its own conjugate lies in the half"


@pytest.mark.parametrize("library", LIBRARIES)
@pytest.mark.parametrize("sizes", SIZES, ids=str)
def test_mirrored_is_the_whole(sizes: tuple[int, ...], library: str) -> None:
    rng = np.random.default_rng(0)
    # integers below 2¹⁰ whose transforms by definition are compared entry by entry: a wrong place is no rounding
    w = rng.integers(-512, 512, (2, *sizes)).astype(np.float64)
    whole = spectrum(w, len(sizes))
    found = arrays.to_numpy(mirrored(to(library, whole[..., : sizes[-1] // 2 + 1]), sizes))
    assert found.shape == whole.shape
    bound = arrays.transform_bound(np.abs(w).sum(), sizes, np.float64)
    assert np.all(np.abs(found - whole) <= 2 * bound)


@pytest.mark.parametrize("library", LIBRARIES)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("sizes", [*SIZES, (1009,), (360,), (7, 11), (16, 30)], ids=str)
def test_eigenvalues_of_real_matrices_are_conjugate_in_pairs_exactly(
    sizes: tuple[int, ...], dtype: str, library: str
) -> None:
    w = random(np.random.default_rng(1), (3, *sizes), dtype)
    values = arrays.to_numpy(Circulant(to(library, w), len(sizes)).eigvals()).reshape(3, *sizes)
    assert values.dtype == np.result_type(dtype, np.complex64)
    axes = tuple(range(1, values.ndim))
    assert np.array_equal(values, np.conj(np.roll(np.flip(values, axes), 1, axes)))
    bound = arrays.transform_bound(np.abs(w.astype(np.float64)).sum(axis=axes, keepdims=True), sizes, np.dtype(dtype))
    assert np.all(np.abs(values - spectrum(w, len(sizes))) <= 2 * bound)


# -- functions against the whole spectrum -----------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", ["float32", "float64", "complex64", "complex128"])
@pytest.mark.parametrize("sizes", [*SIZES, (1024,), (1000,), (40, 60)], ids=str)
@pytest.mark.parametrize("library", ["numpy", "torch"])
def test_functions_are_those_of_the_whole_spectrum(library: str, sizes: tuple[int, ...], dtype: str) -> None:
    """All on matrices of condition below 3, so that a few roundings a level are ample for relative errors."""
    levels = len(sizes)
    w = regular(np.random.default_rng(2), (2, *sizes), levels, dtype)
    w /= np.abs(w).max()
    C, axes, values = Circulant(to(library, w), levels), tuple(range(-levels, 0)), spectrum(w, levels)
    tolerance = 100 * arrays.eps(np.dtype(dtype)) * (1 + np.log2(np.prod(sizes)))

    def column(function: Any) -> np.ndarray:
        result = np.fft.ifftn(function, axes=axes)
        return result if dtype.startswith("complex") else result.real

    for found, expected in (
        (C.inv(), 1 / values),
        (C.pinv(), 1 / values),
        (C.power(3), values**3),
        (C.power(-2), values**-2.0),
        (C.power(0), np.ones_like(values)),
    ):
        kernel = arrays.to_numpy(found.kernel)
        assert kernel.dtype == np.dtype(dtype)
        assert np.abs(kernel - column(expected)).max() <= tolerance * np.abs(expected).max()
    modulus = np.abs(values)
    sign, logarithm = C.slogdet()
    expected = np.log(modulus).sum(axis=axes)
    assert np.all(np.abs(arrays.to_numpy(logarithm) - expected) <= tolerance * modulus[0].size)
    phase = np.prod(values / modulus, axis=axes)
    bound = tolerance * modulus[0].size if dtype.startswith("complex") else 1e-6
    assert np.all(np.abs(arrays.to_numpy(sign) - phase) <= bound)
    expected = modulus.max(axis=axes) / modulus.min(axis=axes)
    assert np.all(np.abs(arrays.to_numpy(C.cond()) - expected) <= tolerance * expected)


def test_each_frequency_counts_once_in_the_determinant() -> None:
    """A matrix with one eigenvalue of its own at every pair in turn: a pair counted once, or a plane twice, shows."""
    for sizes in SIZES:
        grid = list(np.ndindex(sizes))
        for k in grid:
            values = np.ones(sizes)
            minus = tuple(-i % n for i, n in zip(k, sizes, strict=True))
            values[k] = values[minus] = 16.0
            w = np.fft.ifftn(values).real
            expected = np.log(16.0) * (1 if k == minus else 2)
            found = Circulant(w, len(sizes)).slogdet()
            assert found.sign == 1
            assert abs(found.logabsdet - expected) < 1e-10, (sizes, k)
            values[k] = values[minus] = -16.0
            found = Circulant(np.fft.ifftn(values).real, len(sizes)).slogdet()
            assert found.sign == (-1 if k == minus else 1), (sizes, k)


@pytest.mark.parametrize("library", LIBRARIES)
@pytest.mark.parametrize("dtype", ["float64", "complex128"])
@pytest.mark.parametrize("levels", [1, 2])
def test_empty_batches(levels: int, dtype: str, library: str) -> None:
    C = Circulant(to(library, np.ones((0, 3, *(4, 6)[:levels]), dtype=dtype)), levels)
    n = 4 if levels == 1 else 24
    assert tuple(C.eigvals().shape) == (0, 3, n)
    for batch in (*C.slogdet(), C.cond(), C.det(), C.trace()):
        assert tuple(batch.shape) == (0, 3)
    for result in (C.inv(), C.pinv(), C.power(3), C.power(-1)):
        assert result.shape == (0, 3, n, n)
    assert tuple((C @ to(library, np.ones((n, 2), dtype=dtype))).shape) == (0, 3, n, 2)
    assert tuple(C.solve(to(library, np.ones((n, 2), dtype=dtype))).shape) == (0, 3, n, 2)


def test_empty_batches_have_gradients() -> None:
    w = torch.ones((0, 6), dtype=torch.float64, requires_grad=True)
    C = Circulant(w)
    for result in (C.inv().kernel, C.pinv().kernel, C.eigvals().abs(), C @ torch.ones(6, 2, dtype=torch.float64)):
        (gradient,) = torch.autograd.grad(result.sum(), w)
        assert gradient.shape == (0, 6)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_narrow_floats(dtype: torch.dtype) -> None:
    w = torch.tensor([[4.0, 1, 0, 1, 2], [8.0, 1, -1, 0.5, 0]], dtype=dtype)
    C, wide = Circulant(w), Circulant(w.float())
    assert torch.equal(C.eigvals(), wide.eigvals())
    assert torch.equal(C.slogdet().logabsdet, wide.slogdet().logabsdet)
    assert torch.equal(C.cond(), wide.cond())
    for name in ("inv", "pinv"):
        assert torch.equal(getattr(C, name)().kernel, getattr(wide, name)().kernel.to(dtype))


# -- gradients --------------------------------------------------------------------------------------------------------


FUNCTIONS = {
    "inv": lambda C: C.inv().kernel,
    "pinv": lambda C: C.pinv().kernel,
    "power": lambda C: C.power(3).kernel,
    "negative power": lambda C: C.power(-2).kernel,
    "slogdet": lambda C: C.slogdet().logabsdet,
    "eigvals": lambda C: torch.view_as_real(C.eigvals()),
}


@pytest.mark.parametrize("name", FUNCTIONS)
@pytest.mark.parametrize("dtype", ["float64", "complex128"])
@pytest.mark.parametrize("shape", [((), (5,)), ((), (6,)), ((2,), (4,)), ((), (3, 4)), ((), (4, 3)), ((2,), (2, 2))])
def test_gradients_of_any_order(shape: tuple[tuple[int, ...], tuple[int, ...]], dtype: str, name: str) -> None:
    batch, sizes = shape
    w = torch.from_numpy(regular(np.random.default_rng(3), (*batch, *sizes), len(sizes), dtype) / 16)
    w.requires_grad_()

    def function(w: torch.Tensor) -> torch.Tensor:
        return FUNCTIONS[name](Circulant(w, len(sizes)))

    assert torch.autograd.gradcheck(function, w)
    assert torch.autograd.gradgradcheck(function, w)


@pytest.mark.parametrize("name", ["pinv", "power", "slogdet", "eigvals"])
@pytest.mark.parametrize("sizes", [(6,), (3, 4)], ids=str)
def test_torch_func(sizes: tuple[int, ...], name: str) -> None:
    w = torch.from_numpy(regular(np.random.default_rng(4), (3, *sizes), len(sizes), "float64"))

    def function(w: torch.Tensor) -> torch.Tensor:
        return FUNCTIONS[name](Circulant(w, len(sizes)))

    torch.testing.assert_close(torch.func.vmap(function)(w), function(w))
    jacobian = torch.func.vmap(torch.func.jacrev(function))(w)
    for i in range(3):
        torch.testing.assert_close(jacobian[i], torch.autograd.functional.jacobian(function, w[i]))
    torch.testing.assert_close(torch.func.vmap(torch.func.jacfwd(function))(w), jacobian)


def test_the_inverse_in_torch_func() -> None:
    w = torch.from_numpy(regular(np.random.default_rng(5), (6,), 1, "float64"))
    expected = torch.autograd.functional.jacobian(lambda w: Circulant(w).inv().kernel, w)
    torch.testing.assert_close(torch.func.jacrev(lambda w: Circulant(w).inv().kernel)(w), expected)
