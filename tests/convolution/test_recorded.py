"""Gradients of eager calls: by blocks, by a matrix and by torch's own transforms, each held to those of the definition."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.utils._python_dispatch import TorchDispatchMode

from equiconv import circular_convolve, circular_correlate, plan
from equiconv.arrays import fourier_bound
from equiconv.convolution import gradients, recorded

FUNCTIONS = (circular_convolve, circular_correlate)
DTYPES = (torch.float32, torch.float64, torch.complex64, torch.complex128)


@pytest.fixture
def at_once(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """No signal is short; the list holds the ways that backward passes took."""
    seen: list[str] = []

    def spy(name: str) -> None:
        original = getattr(recorded, name)
        monkeypatch.setattr(recorded, name, lambda *a, **k: seen.append(name) or original(*a, **k))

    for name in ("gradients_by_blocks", "gradients_by_matrix", "gradients_by_taps", "_by_operations"):
        spy(name)
    monkeypatch.setattr(recorded, "_SHORT", {"fourier": 0, "dense": 0})
    return seen


@st.composite
def problems(draw: st.DrawFn) -> tuple[Any, ...]:
    """(x shape, w shape, axes, origin): axes anywhere, kernels alone or with a batch, shorter or longer than the signal."""
    levels, batches = draw(st.integers(1, 3)), draw(st.integers(0, 2))
    rank = levels + batches
    axes = tuple(sorted(draw(st.permutations(range(-rank, 0)))[:levels]))
    x_shape = [draw(st.integers(2, 9)) if a in axes else draw(st.sampled_from([1, 2, 3])) for a in range(-rank, 0)]
    taps = {a: draw(st.integers(1, x_shape[a] + 2)) for a in axes}
    if draw(st.booleans()) or not batches:
        w_shape = [taps[a] for a in axes]
    else:
        w_shape = []
        for a in range(-rank, 0):
            n = x_shape[a]
            w_shape.append(taps[a] if a in axes else draw(st.sampled_from([1, n] if n > 1 else [1, 4])))
    origin = tuple(draw(st.integers(-4, 12)) for _ in axes)
    return tuple(x_shape), tuple(w_shape), axes, origin


def error_and_bound(found: torch.Tensor, exact: torch.Tensor, scale: float, sizes: Any) -> tuple[float, float]:
    """In the Euclidean norm: three transforms of each operand at most, and the sum over signals in double precision."""
    error = (found.to(exact.dtype) - exact).norm().item()
    return error, 2 * fourier_bound(1.0, scale, sizes, found.dtype)


@settings(max_examples=150, deadline=None)
@given(
    problem=problems(),
    dtype=st.sampled_from(DTYPES),
    function=st.sampled_from(FUNCTIONS),
    wanted=st.sampled_from([(True, True), (True, False), (False, True)]),
    method=st.sampled_from(["fourier", "dense", "direct", "auto"]),
    short=st.booleans(),
    seed=st.integers(0, 2**31),
)
def test_gradients_are_those_of_the_definition(
    problem: Any, dtype: torch.dtype, function: Any, wanted: Any, method: str, short: bool, seed: int
) -> None:
    x_shape, w_shape, axes, origin = problem
    if method == "dense" and np.prod([x_shape[a] for a in axes]) > 128:
        method = "fourier"
    taps = w_shape if len(w_shape) == len(axes) else [w_shape[a] for a in axes]
    if method == "direct" and any(m > x_shape[a] for m, a in zip(taps, axes, strict=True)):
        method = "fourier"
    generator = torch.Generator().manual_seed(seed)
    operands = [torch.randn(s, dtype=dtype, generator=generator) for s in (x_shape, w_shape)]
    wide = torch.complex128 if dtype.is_complex else torch.float64
    exact = [t.to(wide).requires_grad_(r) for t, r in zip(operands, wanted, strict=True)]
    leaves = [t.requires_grad_(r) for t, r in zip(operands, wanted, strict=True)]
    before = recorded._SHORT
    recorded._SHORT = dict.fromkeys(before, 2**16 if short else 0)
    try:
        y = function(*leaves, axes, origin, method=method)
        g = torch.randn(y.shape, dtype=dtype, generator=generator)
        found = torch.autograd.grad(y, [t for t in leaves if t.requires_grad], g)
    finally:
        recorded._SHORT = before
    expected = torch.autograd.grad(
        function(*exact, axes, origin, method="definition"), [t for t in exact if t.requires_grad], g.to(wide)
    )
    others = [t for t, r in zip((leaves[1], leaves[0]), wanted, strict=True) if r]
    for a, c, other in zip(found, expected, others, strict=True):
        assert a.shape == c.shape
        assert a.dtype == dtype
        # each entry of either gradient is a sum of products of g's entries with the other operand's
        scale = (g.abs().double().sum() * other.detach().abs().double().sum()).item()
        error, bound = error_and_bound(a, c, scale, [x_shape[a] for a in axes])
        assert error <= bound


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("function", FUNCTIONS)
@pytest.mark.parametrize("shape", [(300, 1024), (3, 2, 70, 60), (5, 2**17), (9, 13, 64)])
def test_many_blocks_and_threads(function: Any, shape: Any, threads: int, at_once: list[str]) -> None:
    """Of batches that take many blocks, with a kernel for all and one for each signal; the same bits at every call."""
    generator = torch.Generator().manual_seed(0)
    axes = (-2, -1) if len(shape) == 4 else (-1,)
    sizes = [shape[a] for a in axes]
    for w_shape in (tuple(sizes), (*shape[: -len(axes)], *(5,) * len(axes))):
        x = torch.randn(shape, dtype=torch.float64, generator=generator, requires_grad=True)
        w = torch.randn(w_shape, dtype=torch.float64, generator=generator, requires_grad=True)
        g = torch.randn(shape, dtype=torch.float64, generator=generator)
        p = plan(
            shape,
            w_shape,
            axes,
            "float64",
            "fourier",
            library="torch",
            threads=threads,
            correlate=function is FUNCTIONS[1],
        )
        found = torch.autograd.grad(p(x, w), (x, w), g)
        again = torch.autograd.grad(p(x, w), (x, w), g)
        spectra = torch.fft.rfftn(x, dim=axes), torch.fft.rfftn(w, s=sizes, dim=axes)
        y = torch.fft.irfftn(
            spectra[0] * (spectra[1] if function is FUNCTIONS[0] else spectra[1].conj()), s=sizes, dim=axes
        )
        for a, b, c in zip(found, again, torch.autograd.grad(y, (x, w), g), strict=True):
            assert torch.equal(a, b)
            torch.testing.assert_close(a, c, rtol=1e-9, atol=1e-9)
    assert set(at_once) == {"gradients_by_blocks"}


def test_the_ways(at_once: list[str]) -> None:
    """A short kernel for all signals by a matrix, others by blocks; gradients of gradients by torch's own operations."""
    x = torch.randn(500, 16, requires_grad=True)
    circular_convolve(x, torch.randn(16, requires_grad=True)).sum().backward()  # type: ignore[no-untyped-call]
    circular_convolve(x, torch.randn(500, 16)).sum().backward()  # type: ignore[no-untyped-call]
    circular_convolve(torch.randn(9, 999, requires_grad=True), torch.randn(2)).sum().backward()  # type: ignore[no-untyped-call]
    (first,) = torch.autograd.grad(circular_convolve(x, torch.randn(16)).square().sum(), x, create_graph=True)
    assert first.requires_grad
    assert at_once == ["gradients_by_matrix", "gradients_by_blocks", "gradients_by_taps", "_by_operations"]


@pytest.mark.parametrize("function", FUNCTIONS)
@pytest.mark.parametrize("dtype", [torch.float64, torch.complex128])
@pytest.mark.parametrize(
    ("x_shape", "w_shape", "axes"), [((3, 10), (10,), -1), ((3, 10), (3, 4), -1), ((4, 2, 5), (3, 2), (0, 2))]
)
def test_gradients_of_every_order(
    function: Any, dtype: Any, x_shape: Any, w_shape: Any, axes: Any, at_once: Any
) -> None:
    x, w = (torch.randn(s, dtype=dtype, requires_grad=True) for s in (x_shape, w_shape))

    def f(x: Any, w: Any) -> Any:
        return function(x, w, axes, 1 if isinstance(axes, int) else (1, 0), method="fourier")

    assert torch.autograd.gradcheck(f, (x, w))
    assert torch.autograd.gradgradcheck(f, (x, w))
    y = f(x, w)
    rows = torch.eye(y.numel(), dtype=dtype).reshape(-1, *y.shape)[:7]
    batched = torch.autograd.grad(y, (x, w), rows, is_grads_batched=True, retain_graph=True)
    for k, row in enumerate(rows):
        for a, c in zip(batched, torch.autograd.grad(y, (x, w), row, retain_graph=True), strict=True):
            torch.testing.assert_close(a[k], c)


def test_a_prepared_kernel_passes_gradients_on(at_once: list[str]) -> None:
    p = plan((64, 256), (256,), library="torch", dtype="float64")
    x, w = (torch.randn(s, dtype=torch.float64) for s in ((64, 256), (256,)))
    smooth, x = p.prepare(w), x.requires_grad_()
    g = torch.randn(64, 256, dtype=torch.float64)
    (found,) = torch.autograd.grad(smooth(x), x, g)
    assert at_once == ["gradients_by_blocks"]
    torch.testing.assert_close(found, circular_correlate(g, w))
    assert torch.equal(smooth(x), smooth(x.detach()))


def test_the_values_are_those_of_a_call_that_records_nothing(at_once: list[str]) -> None:
    x, w = torch.randn(64, 512, requires_grad=True), torch.randn(512, requires_grad=True)
    y = circular_convolve(x, w)
    assert y.requires_grad
    assert torch.equal(y, circular_convolve(x.detach(), w.detach()))
    assert not at_once


def test_operands_that_change_before_the_backward_pass_are_noticed(at_once: list[str]) -> None:
    x, w = torch.randn(64, 512, requires_grad=True), torch.randn(512, requires_grad=True)
    y = circular_convolve(x, w)
    with torch.no_grad():
        w.mul_(2)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        y.sum().backward()  # type: ignore[no-untyped-call]
    assert not at_once


def test_what_watches_sees_torchs_operations(at_once: list[str]) -> None:
    """Below a dispatch mode nothing is computed behind its back, forward or backward."""
    seen: list[Any] = []

    class Watch(TorchDispatchMode):  # type: ignore[no-untyped-call]
        def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            seen.append(str(func))
            return func(*args, **(kwargs or {}))

    x, w = (torch.randn(s, dtype=torch.float64, requires_grad=True) for s in ((64, 512), (512,)))
    with Watch():  # type: ignore[no-untyped-call]
        y = circular_convolve(x, w)
    assert any("fft" in name for name in seen)
    recorded_outside = circular_convolve(x, w)
    seen.clear()
    g = torch.randn(64, 512, dtype=torch.float64)
    with Watch():  # type: ignore[no-untyped-call]
        found = torch.autograd.grad(recorded_outside, (x, w), g)
    assert any("equiconv.circular_convolve.default" in name for name in seen)
    assert at_once == ["_by_operations"]
    for a, c in zip(found, torch.autograd.grad(y, (x, w), g), strict=True):
        torch.testing.assert_close(a, c)


def test_a_kernel_so_small_that_its_spectrum_underflows(at_once: list[str]) -> None:
    x = torch.randn(64, 512, requires_grad=True)
    w = torch.randn(512) * 1e-40
    (found,) = torch.autograd.grad(circular_convolve(x, w), x, torch.ones(64, 512))
    exact = circular_correlate(torch.ones(64, 512, dtype=torch.float64), w.double())
    assert (found.double() - exact).abs().max() <= 1e-5 * exact.abs().max()
    assert at_once == ["gradients_by_blocks"]


def test_a_sum_over_many_signals_is_formed_in_double_precision() -> None:
    """A million products of one sign in float32: summed one by one they would lose four digits."""
    x = np.ones((2**16, 16), dtype=np.float32)
    g = np.full((2**16, 16), np.float32(0.1))
    u = np.ones(16, dtype=np.float32)
    _, found = gradients.gradients_by_blocks(x, g, u, 1, "scipy", 1, of_x=False, of_u=True)
    assert found is not None
    assert np.abs(found / (np.float64(np.float32(0.1)) * 2**20) - 1).max() < 2e-6


@settings(max_examples=60, deadline=None)
@given(
    problem=problems(),
    function=st.sampled_from(FUNCTIONS),
    dtype=st.sampled_from(DTYPES[1::2]),
    seed=st.integers(0, 99),
)
def test_gradients_of_sums_are_exact_on_small_integers(problem: Any, function: Any, dtype: Any, seed: int) -> None:
    """Exact lane: those of the direct method are bitwise those of the definition."""
    x_shape, w_shape, axes, origin = problem
    taps = w_shape if len(w_shape) == len(axes) else [w_shape[a] for a in axes]
    if any(m > x_shape[a] for m, a in zip(taps, axes, strict=True)):
        return
    generator = torch.Generator().manual_seed(seed)
    parts = 2 if dtype.is_complex else 1

    def integers(shape: Any) -> torch.Tensor:
        values = torch.randint(-9, 10, (*shape, parts), generator=generator).double()
        return torch.view_as_complex(values) if dtype.is_complex else values[..., 0]

    x, w = integers(x_shape).requires_grad_(), integers(w_shape).requires_grad_()
    y = function(x, w, axes, origin, method="direct")
    g = integers(y.shape)
    exact = function(x, w, axes, origin, method="definition")
    assert torch.equal(y, exact)
    for a, c in zip(torch.autograd.grad(y, (x, w), g), torch.autograd.grad(exact, (x, w), g), strict=True):
        assert torch.equal(a, c)


def test_complex_correlations_of_short_signals() -> None:
    """A correlation does not conjugate its kernel, and half a spectrum does not serve."""
    x, w = (torch.randn(s, dtype=torch.complex128, requires_grad=True) for s in ((3, 8), (8,)))
    exact = circular_correlate(x, w, method="definition")
    torch.testing.assert_close(circular_correlate(x, w, method="fourier"), exact)


@pytest.mark.parametrize("function", FUNCTIONS)
@pytest.mark.parametrize("w_shape", [(3,), (3, 1, 2), (1, 50, 2), (3, 50, 2)])
def test_taps_of_many_blocks(function: Any, w_shape: Any, at_once: list[str]) -> None:
    """Exact on small integers: one kernel for all signals, some, each; the last block shorter than the others."""
    generator = torch.Generator().manual_seed(0)
    x = torch.randint(-9, 10, (3, 50, 1000), generator=generator).double().requires_grad_()
    w = torch.randint(-9, 10, w_shape, generator=generator).double().requires_grad_()
    g = torch.randint(-9, 10, (3, 50, 1000), generator=generator).double()
    found = torch.autograd.grad(function(x, w, origin=1, method="direct"), (x, w), g)
    expected = torch.autograd.grad(function(x, w, origin=1, method="definition"), (x, w), g)
    for a, c in zip(found, expected, strict=True):
        assert torch.equal(a, c)
    assert at_once == ["gradients_by_taps"]


def test_gradients_of_sums_stay_exact_where_operations_take_them(at_once: list[str]) -> None:
    generator = torch.Generator().manual_seed(0)
    x, w, g = (torch.randint(-9, 10, s, generator=generator).double() for s in ((3, 50), (3,), (3, 50)))
    x.requires_grad_()
    w.requires_grad_()
    expected = torch.autograd.grad(circular_convolve(x, w, method="definition"), (x, w), g)
    y = circular_convolve(x, w, method="direct")
    for a, c in zip(torch.autograd.grad(y, (x, w), g, create_graph=True), expected, strict=True):
        assert torch.equal(a, c)
    batched = torch.autograd.grad(y, (x, w), torch.stack([g, 2 * g]), is_grads_batched=True)
    for a, c in zip(batched, expected, strict=True):
        assert torch.equal(a, torch.stack([c, 2 * c]))
    assert at_once == ["_by_operations", "_by_operations"]


@pytest.mark.parametrize(("n", "size"), [(1000, 1e17), (1000, 1e-19), (70001, 1e15), (70001, 1e-19)])
def test_a_recorded_call_overflows_no_sooner_than_another(n: int, size: float) -> None:
    x = torch.full((n,), 1e17)
    w = torch.full((n,), size)
    w[0] = 0
    y = circular_convolve(x.clone().requires_grad_(), w, method="fourier")
    plain = circular_convolve(x, w, method="fourier")
    assert plain.isfinite().all()
    assert y.isfinite().all()
    assert (y - plain).abs().max() <= 1e-5 * plain.abs().max()


@pytest.mark.parametrize("shape", [(2, 65537), (64, 4096)])
def test_gradients_of_kernels_overflow_no_sooner_than_they_must(shape: Any) -> None:
    """N times as large as the gradient is the product of the spectra that it is made of."""
    x, w, g = (torch.full(s, 1e16) for s in (shape, shape[-1:], shape))
    x[..., 0], g[..., 1] = -1e16, 3e16
    x.requires_grad_()
    w.requires_grad_()
    found = torch.autograd.grad(circular_convolve(x, w, method="fourier"), (x, w), g)
    wide = [t.detach().double().requires_grad_() for t in (x, w)]
    expected = torch.autograd.grad(circular_convolve(wide[0], wide[1], method="fourier"), wide, g.double())
    for a, c in zip(found, expected, strict=True):
        assert c.abs().max() < torch.finfo(torch.float32).max
        assert (a.double() - c).abs().max() <= 1e-5 * c.abs().max()


def test_a_short_kernel_of_the_smallest_numbers_keeps_its_digits() -> None:
    x = torch.randn(64, 512, generator=torch.Generator().manual_seed(0))
    w = torch.randn(512, generator=torch.Generator().manual_seed(1)) * 1e-40
    exact = circular_convolve(x.double(), w.double())
    for y in (circular_convolve(x, w), circular_convolve(x.requires_grad_(), w)):
        assert (y.double() - exact).abs().max() <= 1e-6 * exact.abs().max()


@pytest.mark.parametrize("rows", [8, 80])
@pytest.mark.parametrize("method", ["fourier", "direct"])
def test_operands_of_inference_mode(rows: int, method: Any) -> None:
    with torch.inference_mode():
        w = torch.randn(1000) if method == "fourier" else torch.randn(2)
        kept = plan((rows, 1000), tuple(w.shape), library="torch", dtype="float32", method=method).prepare(w)
    x = torch.randn(rows, 1000, requires_grad=True)
    y = circular_convolve(x, w, method=method)
    (found,) = torch.autograd.grad(y.sum(), x)
    (again,) = torch.autograd.grad(kept(x).sum(), x)
    torch.testing.assert_close(found, again)
    torch.testing.assert_close(found, w.sum().expand_as(found).clone(), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
@pytest.mark.parametrize("shape", [(4, 64), (80, 1000)])
def test_narrow_floats_keep_their_dtype(dtype: torch.dtype, shape: Any) -> None:
    x, w = torch.randn(shape).to(dtype).requires_grad_(), torch.randn(9).to(dtype).requires_grad_()
    y = circular_convolve(x, w)
    found = torch.autograd.grad(y, (x, w), torch.ones_like(y))
    assert [t.dtype for t in (y, *found)] == [dtype] * 3
    assert (found[0].float() - w.detach().float().sum()).abs().max() <= 0.02 * w.detach().float().abs().sum()


def test_empty_batches() -> None:
    x, w = torch.randn(0, 1000, requires_grad=True), torch.randn(1000, requires_grad=True)
    found = torch.autograd.grad(circular_convolve(x, w).sum(), (x, w))
    assert found[0].shape == (0, 1000)
    assert torch.equal(found[1], torch.zeros(1000))


@pytest.mark.parametrize("way", ["matrix", "taps"])
def test_other_sums_over_many_signals_keep_their_digits(way: str) -> None:
    x, g = np.ones((2**17, 16), dtype=np.float32), np.full((2**17, 16), np.float32(0.1))
    if way == "matrix":
        _, found = gradients.gradients_by_matrix(x, g, np.ones(16, dtype=np.float32), 1, of_x=False, of_u=True)
    else:
        w = np.ones(2, dtype=np.float32)
        _, found = gradients.gradients_by_taps(x, g, w, (0,), correlate=False, of_x=False, of_w=True)
    assert found is not None
    assert np.abs(found / (np.float64(np.float32(0.1)) * 2**21) - 1).max() < 3e-6
