"""The spectrum that a circulant keeps between products is never that of another kernel."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest
import torch

from equiconv import Circulant, Shift, Toeplitz
from equiconv.arrays import to_numpy
from equiconv.operators import kept
from equiconv.operators.circulant import SingularCirculantError
from tests.operators.suite import to


def column(seed: int, n: int = 16) -> np.ndarray:
    c = np.random.default_rng(seed).standard_normal(n)
    c[0] += 20
    return c


def test_a_kernel_that_is_written_to_is_seen() -> None:
    c, x = column(0), np.random.default_rng(1).standard_normal(16)
    C = Circulant(c)
    np.testing.assert_allclose(C.dense() @ (C @ x), C.dense() @ C.dense() @ x)
    np.testing.assert_allclose(C.dense() @ C.solve(x), x)
    c[3] += 1
    np.testing.assert_allclose(C @ x, C.dense() @ x)
    np.testing.assert_allclose(C.dense() @ C.solve(x), x)
    c[...] = 1  # singular now, after it was found regular
    with pytest.raises(SingularCirculantError):
        C.solve(x)
    with pytest.raises(SingularCirculantError):
        C.inv()
    c[...] = column(2)
    np.testing.assert_allclose(C.dense() @ C.solve(x), x)


def test_a_singular_kernel_is_refused_every_time() -> None:
    C = Circulant(np.ones(8))
    for _ in range(3):
        with pytest.raises(SingularCirculantError):
            C.solve(np.ones(8))
        np.testing.assert_allclose(C @ np.arange(8.0), 28)


def test_other_dtypes_have_their_own_spectrum() -> None:
    c = column(0).astype(np.float32)
    C, x = Circulant(c), np.random.default_rng(1).standard_normal(16)
    for _ in range(2):
        assert (C @ x.astype(np.float32)).dtype == np.float32
        np.testing.assert_allclose(C @ x, C.dense().astype(np.float64) @ x, rtol=1e-12)  # not that of float32
        np.testing.assert_allclose(C @ (x + 1j), C.dense().astype(np.float64) @ (x + 1j), rtol=1e-12)


def test_what_is_kept_is_not_shared() -> None:
    c = column(0)
    C = Circulant(c)
    x = np.arange(16.0)
    C.solve(x)
    other = copy.deepcopy(C)
    c[...] = column(5)
    np.testing.assert_allclose(other @ x, other.dense() @ x)
    np.testing.assert_allclose(C @ x, C.dense() @ x)
    for result in (C.T, C.inv(), C @ C, C + C, 2 * C, C.power(3)):
        np.testing.assert_allclose(result @ x, result.dense() @ x, rtol=1e-9)
    S = Shift(3, 16)
    np.testing.assert_array_equal(S @ x, np.roll(x, 3))


def test_not_a_number_is_never_taken_for_the_same() -> None:
    c = column(0)
    C = Circulant(c)
    c[2] = np.nan
    assert np.isnan(C @ np.ones(16)).all()
    c[2] = 1.0
    assert np.isfinite(C @ np.ones(16)).all()


@pytest.mark.parametrize("dtype", [np.float32, np.complex64])
def test_small_kernels_lose_no_digits(dtype: type) -> None:
    """The spectrum over N would underflow, which the result is far from."""
    n = 2**18
    rng = np.random.default_rng(0)
    c = (column(0, n) * 3e-38).astype(dtype)
    x = (rng.standard_normal(n) * 1e30).astype(dtype)
    wide = np.complex128 if dtype is np.complex64 else np.float64
    truth = Circulant(c.astype(wide)) @ x.astype(wide)
    error = np.abs(Circulant(c) @ x - truth).max() / np.abs(truth).max()
    assert error < 1e-6  # it was 1e-5; NumPy's own transforms err by 2e-7
    both = Circulant(np.stack([c, column(1, n).astype(dtype)]))  # a large one beside it changes nothing
    assert np.abs(both.apply(x)[0] - truth).max() / np.abs(truth).max() < 1e-6


# -- everything that reads the kept spectrum, before and after a kernel is written to --------------------------------

READERS: dict[str, Callable[[Circulant], Any]] = {
    "eigvals": lambda C: C.eigvals(),
    "inv": lambda C: C.inv().kernel,
    "pinv": lambda C: C.pinv().kernel,
    "power": lambda C: C.power(3).kernel,
    "logabsdet": lambda C: C.slogdet().logabsdet,
    "cond": lambda C: C.cond(),
    "product": lambda C: C @ to("torch" if isinstance(C.kernel, torch.Tensor) else "numpy", np.arange(16.0)),
    "solve": lambda C: C.solve(to("torch" if isinstance(C.kernel, torch.Tensor) else "numpy", np.eye(16)[:, :3])),
}


@pytest.mark.parametrize("name", READERS)
@pytest.mark.parametrize("library", ["numpy", "torch"])
@pytest.mark.parametrize("dtype", ["float64", "complex128"])
def test_every_function_sees_what_is_written(dtype: str, library: str, name: str) -> None:
    read = READERS[name]
    w = to(library, column(0).astype(dtype))
    C = Circulant(w)
    first = to_numpy(read(C))
    assert C._kept is not None, "otherwise nothing is tried here"
    assert np.array_equal(to_numpy(read(C)), first), "kept or not, the result is the same"
    w[5] += 2.5  # in place, by NumPy or torch
    second = to_numpy(read(C))
    assert not np.allclose(second, first)
    np.testing.assert_array_equal(second, to_numpy(read(Circulant(to(library, to_numpy(w))))))
    w[5] -= 2.5
    w[0] = to(library, column(0).astype(dtype))[0]
    np.testing.assert_allclose(to_numpy(read(C)), first, rtol=1e-12)


@pytest.mark.parametrize("library", ["numpy", "torch"])
def test_memory_that_is_shared_is_seen(library: str) -> None:
    """A tensor's memory written to through NumPy, of which torch counts nothing."""
    memory = column(0)
    C = Circulant(memory if library == "numpy" else torch.from_numpy(memory))
    C.solve(to(library, np.ones(16)))
    memory[3] -= 4
    found = to_numpy(C.solve(to(library, np.ones(16))))
    np.testing.assert_allclose(np.asarray(to_numpy(C.dense())) @ found, 1)


@pytest.mark.parametrize("library", ["numpy", "torch"])
def test_results_may_be_written_to(library: str) -> None:
    for dtype in ("float64", "complex128"):
        C = Circulant(to(library, column(0).astype(dtype)))
        x = to(library, np.arange(16.0))
        before = to_numpy(C @ x)
        for result in (C.eigvals(), C.inv().kernel, C.pinv().kernel, C.power(1).kernel, C @ x, C.solve(x)):
            result[...] = 0
        assert np.array_equal(to_numpy(C @ x), before)
        assert np.abs(to_numpy(C.eigvals())).min() > 1


@pytest.mark.parametrize("sizes", [(64,), (2**18,), (16, 16), (500, 500), (32, 32, 32)], ids=str)
@pytest.mark.parametrize("dtype", ["float32", "float64", "complex64"])
def test_functions_leave_what_is_kept(dtype: str, sizes: tuple[int, ...]) -> None:
    """Engines overwrite the spectra that they transform back."""
    n = int(np.prod(sizes))
    w = column(0, n)
    w[0] += 4 * n
    C = Circulant(w.astype(dtype).reshape(sizes), len(sizes))
    values = C.eigvals()
    assert C._kept is not None
    for function in (C.inv, C.pinv, lambda: C.power(0), lambda: C.power(1), lambda: C.power(2), lambda: C.power(-1)):
        function()
        assert np.array_equal(C.eigvals(), values)


def test_recorded_tensors_and_plain_ones_do_not_meet() -> None:
    w = torch.from_numpy(column(0)).requires_grad_()
    C, x = Circulant(w), torch.arange(16.0, dtype=torch.float64)
    with torch.no_grad():
        plain = C @ x
        with torch.inference_mode():
            torch.testing.assert_close(C @ x, plain)
    (gradient,) = torch.autograd.grad((C @ x).sum(), w)
    torch.testing.assert_close(gradient, x.sum().expand(16))
    b = torch.ones(16, dtype=torch.float64, requires_grad=True)
    fixed = Circulant(w.detach())
    (gradient,) = torch.autograd.grad(fixed.solve(b).sum(), b)  # a kept spectrum, and a signal that is recorded
    torch.testing.assert_close(gradient, fixed.T.solve(torch.ones(16, dtype=torch.float64)))


def test_libraries_are_not_mixed_by_what_is_kept() -> None:
    for w, x in ((column(0), torch.ones(16, dtype=torch.float64)), (torch.from_numpy(column(0)), np.ones(16))):
        C = Circulant(w)
        C @ w
        C.solve(w)
        for attempt in (lambda C=C, x=x: C @ x, lambda C=C, x=x: C.solve(x)):
            with pytest.raises(TypeError, match="different libraries"):
                attempt()


def test_batches_take_vectors_and_matrices_in_turn() -> None:
    rng = np.random.default_rng(0)
    w = rng.standard_normal((2, 3, 16))
    w[..., 0] += 20
    C = Circulant(w)
    for _ in range(2):
        for shape in ((16,), (16, 4), (3, 16, 2), (5, 2, 3, 16, 1)):
            x = rng.standard_normal(shape)
            np.testing.assert_allclose(C @ x, C.dense() @ x, atol=1e-11)
            columns = x[:, None] if x.ndim == 1 else x
            solved = np.linalg.solve(C.dense(), np.broadcast_to(columns, (*columns.shape[:-2], *columns.shape[-2:])))
            found = C.solve(x)
            np.testing.assert_allclose(found[..., None] if x.ndim == 1 else found, solved, atol=1e-11)
        np.testing.assert_allclose(C.apply(np.ones(16))[..., 0], w.sum(axis=-1))


def test_copies_and_pickles_keep_nothing() -> None:
    x = np.arange(16.0)
    for operator in (Circulant(column(0)), Toeplitz.valid(column(0)[:5], 16)):
        y = operator @ x
        for made in (copy.copy(operator), copy.deepcopy(operator), pickle.loads(pickle.dumps(operator))):
            assert made._kept is None
            assert np.array_equal(made @ x, y)


def test_what_is_kept_is_bounded() -> None:
    for n, is_kept in ((kept.LARGEST, True), (kept.LARGEST + 1, False)):
        C = Circulant(np.eye(1, n)[0])
        C @ np.ones(n)
        assert (C._kept is not None) == is_kept
    half = kept.LARGEST // 2
    for n, is_kept in ((half, True), (half + 1, False)):
        T = Toeplitz(np.ones(n), np.ones(n))
        assert (T @ np.ones(n))[0] == pytest.approx(n)
        assert (T._kept is not None) == is_kept
    C = Circulant(np.stack([column(i) for i in range(3)]))
    for shape in ((16,), (16, 1), (4, 3, 16, 1), (2, 3, 3, 16, 2), (16, 2000)):
        C @ np.ones(shape)
        C.solve(np.ones(shape))
    assert C._kept is not None
    for made in (C._kept.product(), C._kept.inverse()):
        assert len(made._products) <= 2


def test_threads_share_an_operator() -> None:
    """Products, solutions and matrices of several shapes at once, while one thread writes another operator's kernel."""
    rng = np.random.default_rng(0)
    C = Circulant(column(0, 512))
    inputs = [rng.standard_normal(shape) for shape in ((512,), (512, 3), (512, 40))] * 20
    expected = [(Circulant(column(0, 512)) @ x, Circulant(column(0, 512)).solve(x)) for x in inputs]
    other = column(1, 512)
    D = Circulant(other)

    def run(i: int) -> bool:
        x = inputs[i % len(inputs)]
        product, solution = expected[i % len(inputs)]
        if i % 7 == 0:
            other[1] = i
            D.solve(x)
        return np.array_equal(C @ x, product) and np.array_equal(C.solve(x), solution)

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(run, range(600)))
