"""Circular convolution passes whole through torch.compile and torch.export, forward and backward, and stays what it is."""

from __future__ import annotations

import io
import shutil
from collections.abc import Iterator
from typing import Any

import pytest
import torch
import torch.autograd.forward_ad as forward_ad
from torch import nn
from torch._dynamo.testing import CompileCounterWithBackend
from torch.utils._python_dispatch import TorchDispatchMode

from equiconv.convolution import circular_convolve, circular_correlate
from equiconv.convolution.operation import expand_convolution, expand_kernel_adjoint
from equiconv.convolution.portable import sum_to_signal

OP = torch.ops.equiconv.circular_convolve.default
ADJOINT = torch.ops.equiconv.circular_convolve_kernel_adjoint.default
FUNCTIONS = (circular_convolve, circular_correlate)
METHODS = ("definition", "fourier", "auto")

# (x, w, axes, origin): short and long kernels, several axes with and without others between them, kernels that broadcast
# with signals and signals with kernels, more axes in one than in the other, an empty batch.
PROBLEMS = [
    ((4, 16), (3,), (-1,), (1,)),
    ((2, 5), (12,), (-1,), (7,)),
    ((2, 300), (200,), (-1,), (-3,)),
    ((2, 3, 4, 5), (2, 7), (-2, -1), (1, 0)),
    ((3, 2, 4), (2, 3), (-3, -1), (1, 2)),
    ((3, 5), (3, 1), (-2,), (1,)),
    ((2, 1, 6), (4, 3), (-1,), (0,)),
    ((2, 4, 6), (4, 3), (-1,), (0,)),
    ((6,), (4, 3), (-1,), (2,)),
    ((6, 1), (3, 4), (-2,), (0,)),
    ((0, 6), (3,), (-1,), (0,)),
]


@pytest.fixture(autouse=True)
def _fresh() -> Iterator[None]:
    """No program of another test is met again, and none counts towards torch's limit of recompilations."""
    torch._dynamo.reset()
    yield
    torch._dynamo.reset()


def integers(shape: Any, dtype: torch.dtype = torch.float64, seed: int = 0) -> torch.Tensor:
    """Small integers, of which sums of products are exact."""
    generator = torch.Generator().manual_seed(seed)
    values = torch.randint(-9, 10, tuple(shape), generator=generator).to(dtype)
    return values + 1j * torch.randint(-9, 10, tuple(shape), generator=generator) if dtype.is_complex else values


def operands(problem: Any, dtype: torch.dtype = torch.float64) -> tuple[torch.Tensor, torch.Tensor]:
    return integers(problem[0], dtype), integers(problem[1], dtype, seed=1)


def compiled(f: Any, **options: Any) -> Any:
    return torch.compile(f, backend="aot_eager", fullgraph=True, **options)


class Smooth(nn.Module):
    def __init__(self, function: Any = circular_convolve, taps: Any = 3, **arguments: Any) -> None:
        super().__init__()
        self.weight = nn.Parameter(integers((taps,) if isinstance(taps, int) else taps, seed=1))
        self.function, self.arguments = function, arguments

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y: torch.Tensor = self.function(x, self.weight, **self.arguments)
        return y


# ---------------------------------------------------------------------------------------------------------------------
# torch.compile
# ---------------------------------------------------------------------------------------------------------------------


# both functions, sizes that are fixed and sizes that are not: what they share is traced once
@pytest.mark.parametrize(("function", "dynamic"), [(FUNCTIONS[0], False), (FUNCTIONS[1], True)])
@pytest.mark.parametrize("problem", PROBLEMS)
def test_compiled_calls_are_the_eager_ones_bit_for_bit(function: Any, problem: Any, dynamic: bool) -> None:
    """The same plan runs in both, on the sizes that there are."""
    *_, axes, origin = problem
    for dtype in (torch.float32, torch.complex128):
        x, w = operands(problem, dtype)
        f = compiled(lambda x, w: function(x, w, axes, origin), dynamic=dynamic)
        y, expected = f(x, w), function(x, w, axes, origin)
        assert y.dtype == expected.dtype
        assert torch.equal(y, expected)


@pytest.mark.parametrize("method", METHODS)
def test_one_program_serves_every_batch(method: Any) -> None:
    counter = CompileCounterWithBackend("aot_eager")
    f = torch.compile(
        lambda x, w: circular_convolve(x, w, method=method), backend=counter, fullgraph=True, dynamic=True
    )
    w = integers((3,), seed=1)
    for batch in (2, 3, 17, 400):
        x = integers((batch, 16))
        assert torch.equal(f(x, w), circular_convolve(x, w, method=method))
    assert counter.frame_count == 1


def test_one_program_serves_every_size() -> None:
    """Signals and kernels of any length, the origin in the middle of the kernel."""
    counter = CompileCounterWithBackend("aot_eager")

    def f(x: torch.Tensor, w: torch.Tensor) -> torch.Tensor:
        y: torch.Tensor = circular_correlate(x, w, origin=w.shape[-1] // 2)
        return y

    g = torch.compile(f, backend=counter, fullgraph=True, dynamic=True)
    # the sizes of the first call are different ones, which torch would otherwise take for one
    for batch, n, m in ((2, 16, 3), (3, 5, 12), (4, 300, 201), (64, 64, 64)):
        x, w = integers((batch, n)), integers((m,), seed=1)
        assert torch.equal(g(x, w), f(x, w))
    assert counter.frame_count == 1


def test_the_count_of_programs_can_fail() -> None:
    """Negative control: with static sizes each batch has a program of its own."""
    counter = CompileCounterWithBackend("aot_eager")
    f = torch.compile(lambda x, w: circular_convolve(x, w), backend=counter, fullgraph=True, dynamic=False)
    for batch in (2, 3, 17):
        f(integers((batch, 16)), integers((3,)))
    assert counter.frame_count == 3


@pytest.mark.skipif(shutil.which("c++") is None, reason="inductor compiles C++, and there is no compiler (c++)")
def test_inductor() -> None:
    """The compiler that torch takes by default, with operations around the convolution, forward and backward."""
    x, w = integers((4, 3, 16), torch.float32).requires_grad_(), integers((3, 1, 5), torch.float32, 1).requires_grad_()

    def f(x: torch.Tensor, w: torch.Tensor) -> torch.Tensor:
        y: torch.Tensor = circular_convolve((x * 2).transpose(0, 1), w, method="definition").relu() + 1
        return y

    g = torch.compile(f, fullgraph=True, dynamic=True)
    for batch in (4, 6):
        x = integers((batch, 3, 16), torch.float32).requires_grad_()
        assert torch.equal(g(x, w), f(x, w))
        found, expected = (torch.autograd.grad(h(x, w).sum(), (x, w)) for h in (g, f))
        assert all(torch.equal(a, b) for a, b in zip(found, expected, strict=True))


@pytest.mark.parametrize("dtypes", [(torch.float16, torch.float16), (torch.float32, torch.complex128)])
def test_dtypes_are_promoted_as_in_eager_calls(dtypes: Any) -> None:
    x, w = integers((4, 16), dtypes[0]), integers((3,), dtypes[1], seed=1)
    y, expected = compiled(circular_convolve)(x, w), circular_convolve(x, w)
    assert y.dtype == expected.dtype
    assert torch.equal(y, expected)


def test_origins_beyond_64_bits() -> None:
    x, w = operands(PROBLEMS[0])
    expected = circular_convolve(x, w, origin=2**70 + 5)
    assert torch.equal(compiled(lambda x, w: circular_convolve(x, w, origin=2**70 + 5))(x, w), expected)
    assert not torch.equal(expected, circular_convolve(x, w))


@pytest.mark.parametrize("method", METHODS)
def test_results_have_the_strides_that_the_fake_kernels_claim(method: Any) -> None:
    """Contiguous ones, whatever the operands': compiled code relies on it."""
    x, w = integers((6, 5, 4)).permute(2, 0, 1), integers((3, 2), seed=1)
    y = OP(x, w, [-3, -1], [0, 0], False, method)
    g = integers(y.shape[::-1]).permute(2, 1, 0)
    for result in (y, ADJOINT(g, x, [3, 6, 2], [-3, -1], [0, 0], False, method)):
        assert result.is_contiguous()


# ---------------------------------------------------------------------------------------------------------------------
# Gradients
# ---------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("function", "dynamic"), [(FUNCTIONS[0], False), (FUNCTIONS[1], True)])
@pytest.mark.parametrize("problem", PROBLEMS)
def test_gradients_of_compiled_calls_are_the_eager_ones(function: Any, problem: Any, dynamic: bool) -> None:
    *_, axes, origin = problem
    for method in METHODS:
        for dtype in (torch.float64, torch.complex128):
            x, w = (t.requires_grad_() for t in operands(problem, dtype))

            def f(x: Any, w: Any, method: Any = method) -> Any:
                return function(x, w, axes, origin, method=method)

            g = integers(f(x, w).shape, dtype, seed=2)
            expected = torch.autograd.grad(f(x, w), (x, w), g)
            found = torch.autograd.grad(compiled(f, dynamic=dynamic)(x, w), (x, w), g)
            for a, b in zip(found, expected, strict=True):
                assert a.shape == b.shape
                if method == "definition":
                    assert torch.equal(a, b)
                else:
                    torch.testing.assert_close(a, b, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("dtypes", [(torch.float64, torch.complex128), (torch.complex128, torch.float64)])
def test_gradients_of_mixed_dtypes(dtypes: Any) -> None:
    """A real operand beside a complex one has a real gradient."""
    x, w = integers((4, 16), dtypes[0]).requires_grad_(), integers((3,), dtypes[1], seed=1).requires_grad_()
    g = integers((4, 16), torch.complex128, seed=2)
    found, expected = (
        torch.autograd.grad(f(x, w), (x, w), g) for f in (compiled(circular_convolve), circular_convolve)
    )
    for a, b in zip(found, expected, strict=True):
        assert a.dtype == b.dtype
        torch.testing.assert_close(a, b, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("problem", [p for p in PROBLEMS if 0 not in p[0] and 300 not in p[0]])
@pytest.mark.parametrize("correlate", [False, True])
@pytest.mark.parametrize("method", ["definition", "fourier"])
@pytest.mark.parametrize("dtype", [torch.float64, torch.complex128])
def test_gradients_of_first_and_second_order(problem: Any, correlate: bool, method: str, dtype: torch.dtype) -> None:
    x, w = (t.requires_grad_() for t in operands(problem, dtype))

    def f(x: Any, w: Any) -> Any:
        return OP(x, w, list(problem[2]), list(problem[3]), correlate, method)

    assert torch.autograd.gradcheck(f, (x, w), fast_mode=True)
    assert torch.autograd.gradgradcheck(f, (x, w), fast_mode=True)


@pytest.mark.parametrize("correlate", [False, True])
def test_gradcheck_entry_by_entry(correlate: bool) -> None:
    """The slow mode, which compares whole Jacobians, of the operation and of its adjoint."""
    x, w = (t.requires_grad_() for t in operands(PROBLEMS[6], torch.complex128))
    g = integers((2, 4, 6), torch.complex128, seed=2).requires_grad_()
    for check in (torch.autograd.gradcheck, torch.autograd.gradgradcheck):
        assert check(lambda x, w: OP(x, w, [-1], [2], correlate, "auto"), (x, w))
        assert check(lambda g, x: ADJOINT(g, x, [4, 3], [-1], [2], correlate, "auto"), (g, x))


@pytest.mark.parametrize("problem", PROBLEMS)
def test_signals_get_gradients_of_their_own_shape(problem: Any) -> None:
    """Without autograd's engine, which would sum what is broadcast."""
    x, w = operands(problem)
    y = OP(x, w, list(problem[2]), list(problem[3]), False, "auto")
    kernel_shape = w.shape if problem[2] != (-3, -1) else (2, 1, 3)
    found = sum_to_signal(y, x.shape, kernel_shape, problem[2])
    assert torch.equal(found, y.sum_to_size(x.shape))


def test_gradcheck_would_notice_a_wrong_gradient() -> None:
    """Negative control: the signal's gradient with the kernel not reversed (the same map again, not its transpose)."""
    x, w = operands(PROBLEMS[0])

    class Wrong(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: Any) -> Any:
            return OP(x, w, [-1], [1], False, "auto")

        @staticmethod
        def backward(ctx: Any, grad: Any) -> Any:  # type: ignore[override]
            return OP(grad, 2 * w - w.flip(0), [-1], [1], False, "auto")

    assert not torch.autograd.gradcheck(Wrong.apply, (x.requires_grad_(),), raise_exception=False)


# ---------------------------------------------------------------------------------------------------------------------
# The operations
# ---------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("problem", PROBLEMS)
@pytest.mark.parametrize(("dtype", "method"), [(torch.float32, "auto"), (torch.complex128, "definition")])
def test_opcheck(problem: Any, dtype: torch.dtype, method: str) -> None:
    """torch's own test of schema, fake kernels, autograd registration and tracing with dynamic shapes."""
    axes, origin = map(list, problem[2:])
    x, w = (t.requires_grad_() for t in operands(problem, dtype))
    torch.library.opcheck(OP, (x, w, axes, origin, True, method))
    y = OP(x, w, axes, origin, True, method)
    shape = list(w.shape)
    if axes == [-3, -1]:
        shape.insert(1, 1)
    g = integers(y.shape, dtype, seed=2).requires_grad_()
    torch.library.opcheck(ADJOINT, (g, x, shape, axes, origin, True, method))


@pytest.mark.parametrize("problem", PROBLEMS)
@pytest.mark.parametrize("correlate", [False, True])
def test_the_expansions_compute_what_the_operations_do(problem: Any, correlate: bool) -> None:
    axes, origin = problem[2:]
    x, w = operands(problem, torch.complex128)
    for method in METHODS:
        arguments = (axes, origin, correlate, method)
        y = OP(x, w, *arguments)
        torch.testing.assert_close(expand_convolution(x, w, *arguments), y, rtol=1e-9, atol=1e-9)
        shape = w.shape if axes != (-3, -1) else (2, 1, 3)
        # ∂T/∂w, unconjugated, by torch's own derivative of the definition
        probe = w.clone().requires_grad_()
        g = integers(y.shape, torch.complex128, seed=2)
        function = FUNCTIONS[correlate]
        y = function(x.conj().resolve_conj(), probe, axes, origin, method="definition")
        (expected,) = torch.autograd.grad(y, probe, g)
        for f in (ADJOINT, expand_kernel_adjoint):
            found = f(g, x, list(shape), list(axes), list(origin), correlate, method)
            torch.testing.assert_close(found.reshape(w.shape), expected, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("problem", PROBLEMS)
@pytest.mark.parametrize("in_dims", [(0, None), (None, 0), (0, 0), (-1, 1)])
def test_vmap_is_a_loop(problem: Any, in_dims: Any) -> None:
    x_shape, w_shape, axes, origin = problem
    x, w = (
        integers(shape if dim is None else (*shape, 3), seed=k).movedim(-1, dim if dim is not None else -1)
        for k, (shape, dim) in enumerate(zip((x_shape, w_shape), in_dims, strict=True))
    )

    def rows(t: torch.Tensor, dim: int | None) -> list[torch.Tensor]:
        return [t] * 3 if dim is None else list(t.unbind(dim))

    def f(x: Any, w: Any) -> Any:
        return OP(x, w, list(axes), list(origin), False, "definition")

    pairs = list(zip(rows(x, in_dims[0]), rows(w, in_dims[1]), strict=True))
    y = torch.func.vmap(f, in_dims)(x, w)
    assert torch.equal(y, torch.stack([f(*pair) for pair in pairs]))
    g = integers(y.shape, seed=2)
    shape = list(w_shape) if axes != (-3, -1) else [2, 1, 3]
    for g_dim in (None, 0):

        def adjoint(g: Any, x: Any) -> Any:
            return ADJOINT(g, x, shape, list(axes), list(origin), False, "definition")

        if g_dim is None and in_dims[0] is None:
            continue
        of = g[0] if g_dim is None else g
        found = torch.func.vmap(adjoint, (g_dim, in_dims[0]))(of, x)
        expected = [adjoint(*pair) for pair in zip(rows(of, g_dim), rows(x, in_dims[0]), strict=True)]
        assert torch.equal(found, torch.stack(expected))


class _Watch(TorchDispatchMode):  # type: ignore[no-untyped-call]
    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return func(*args, **(kwargs or {}))


@pytest.mark.parametrize("problem", PROBLEMS)
@pytest.mark.parametrize("dtype", [torch.float64, torch.complex128])
def test_below_a_dispatch_mode(problem: Any, dtype: torch.dtype) -> None:
    """Where torch's own lazy conjugates are not resolved, and where each operation of a compiled program runs at first."""
    axes, origin = map(list, problem[2:])
    x, w = (t.requires_grad_() for t in operands(problem, dtype))
    for method in METHODS:
        y = OP(x, w, axes, origin, False, method)
        g = integers(y.shape, dtype, seed=2)
        expected = (y, *torch.autograd.grad(y, (x, w), g))
        with _Watch():  # type: ignore[no-untyped-call]
            y = OP(x, w, axes, origin, False, method)
            found = (y, *torch.autograd.grad(y, (x, w), g))
        for a, b in zip(found, expected, strict=True):
            assert torch.equal(a, b)


def test_batched_gradients() -> None:
    """autograd's `is_grads_batched`, which maps the backward pass, gives the rows of the Jacobian."""
    x, w = (t.requires_grad_() for t in operands(PROBLEMS[6]))
    y = OP(x, w, [-1], [0], False, "definition")
    rows = torch.eye(y.numel(), dtype=y.dtype).reshape(-1, *y.shape)
    batched = torch.autograd.grad(y, (x, w), rows, is_grads_batched=True, retain_graph=True)
    for k, row in enumerate(rows):
        for a, b in zip(batched, torch.autograd.grad(y, (x, w), row, retain_graph=True), strict=True):
            assert torch.equal(a[k], b)


def _tangent(f: Any, x: torch.Tensor, w: torch.Tensor) -> Any:
    with forward_ad.dual_level():
        return forward_ad.unpack_dual(f(forward_ad.make_dual(x, x), w)).tangent


TRANSFORMS = {
    "grad": lambda f, x, w: torch.func.grad(lambda w: f(x, w).square().sum())(w),
    "vmap": lambda f, x, w: torch.func.vmap(lambda x: f(x, w))(x),
    "grad of vmap": lambda f, x, w: torch.func.grad(lambda w: torch.func.vmap(lambda x: f(x, w))(x).square().sum())(w),
    "vmap of grad": lambda f, x, w: torch.func.vmap(torch.func.grad(lambda x: f(x, w).square().sum()))(x),
    "jvp": lambda f, x, w: torch.func.jvp(lambda x: f(x, w), (x,), (x,))[1],
    "jacrev": lambda f, x, w: torch.func.jacrev(f, argnums=1)(x, w),
    "jacfwd": lambda f, x, w: torch.func.jacfwd(f, argnums=1)(x, w),
    "hessian": lambda f, x, w: torch.func.hessian(lambda w: f(x, w).square().sum())(w),
    "dual numbers": _tangent,
}


@pytest.mark.parametrize("transform", TRANSFORMS)
@pytest.mark.parametrize("way", ["operation", "compiled", "compiled, dynamic", "exported"])
@pytest.mark.parametrize("method", ["definition", "auto"])
def test_transforms(transform: str, way: str, method: Any) -> None:
    """torch.func and forward-mode derivatives pass through, and none is dropped."""
    x, w = integers((4, 16)), integers((3,), seed=1)

    def f(x: torch.Tensor, w: torch.Tensor) -> torch.Tensor:
        y: torch.Tensor = circular_convolve(x, w, method=method)
        return y

    transformed = TRANSFORMS[transform]
    expected = transformed(f, x, w)
    if way == "operation":
        found = transformed(lambda x, w: OP(x, w, [-1], [0], False, method), x, w)
    elif way.startswith("compiled"):
        found = compiled(lambda x, w: transformed(f, x, w), dynamic="dynamic" in way)(x, w)
    else:
        if "vmap" in transform:
            x = x[:, None]
            expected = transformed(f, x, w)

        class Model(nn.Module):
            def forward(self, x: torch.Tensor, w: torch.Tensor) -> torch.Tensor:
                return f(x, w)

        example = x[0] if "vmap" in transform else x
        found = transformed(torch.export.export(Model(), (example, w)).module(), x, w)
    assert found is not None
    torch.testing.assert_close(found, expected, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("fullgraph", [False, True])
def test_a_compiled_program_drops_no_tangent_that_comes_later(fullgraph: bool) -> None:
    """It was compiled without one; met again, torch refuses (fullgraph) or computes it."""
    x, w = operands(PROBLEMS[0])
    f = torch.compile(circular_convolve, backend="aot_eager", fullgraph=fullgraph)
    f(x, w)
    if fullgraph:
        with pytest.raises(RuntimeError, match="tangent"):
            _tangent(f, x, w)
    else:
        torch.testing.assert_close(_tangent(f, x, w), circular_convolve(x, w))


# ---------------------------------------------------------------------------------------------------------------------
# torch.export
# ---------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("strict", [False, True])
@pytest.mark.parametrize("function", FUNCTIONS)
def test_export_keeps_the_operation_whole_and_takes_every_batch(function: Any, strict: bool) -> None:
    model = Smooth(function, (2, 5), axes=(1, -1), origin=(0, 2))
    dims = {0: torch.export.Dim("batch")}
    program = torch.export.export(model, (integers((3, 4, 5, 8)),), dynamic_shapes=(dims,), strict=strict)
    calls = [node for node in program.run_decompositions({}).graph.nodes if node.op == "call_function"]
    assert [node.target for node in calls] == [OP]
    assert tuple(calls[0].args[2:]) == ([-3, -1], [0, 2], function is circular_correlate, "auto")
    with torch.no_grad():  # an eager call that records gradients sums in another order
        for batch in (1, 2, 50):
            x = integers((batch, 4, 5, 8))
            assert torch.equal(program.module()(x), model(x))


def test_export_of_a_batch_that_depends_on_values() -> None:
    """Its size is known to no one, and nothing needs to be asked of it."""

    class Positive(Smooth):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return super().forward(x[x[:, 0] > 0])

    model = Positive(taps=(1, 3))
    program = torch.export.export(model, (integers((9, 16)),))
    with torch.no_grad():
        for seed in (0, 1, 2):
            x = integers((9, 16), seed=seed)
            assert torch.equal(program.module()(x), model(x))


def test_export_with_dynamic_sizes() -> None:
    model = Smooth(taps=5, origin=1)
    dims = {0: torch.export.Dim("batch"), 1: torch.export.Dim("length", min=2)}
    program = torch.export.export(model, (integers((3, 16)),), dynamic_shapes=(dims,))
    with torch.no_grad():
        for shape in ((2, 3), (7, 100)):
            assert torch.equal(program.module()(integers(shape)), model(integers(shape)))


def test_exported_programs_survive_a_file() -> None:
    model = Smooth()
    program = torch.export.export(model, (integers((3, 16)),), dynamic_shapes=({0: torch.export.Dim("batch")},))
    file = io.BytesIO()
    torch.export.save(program, file)
    file.seek(0)
    x = integers((9, 16)).requires_grad_()
    loaded = torch.export.load(file).module()
    with torch.no_grad():
        assert torch.equal(loaded(x), model(x))
    expected = torch.autograd.grad(model(x).square().sum(), (x, model.weight))
    found = torch.autograd.grad(loaded(x).square().sum(), (x, *loaded.parameters()))
    for a, b in zip(found, expected, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-9, atol=1e-9)


# ---------------------------------------------------------------------------------------------------------------------
# Errors
# ---------------------------------------------------------------------------------------------------------------------

X, W = torch.zeros(2, 8), torch.zeros(3)
ERRORS = [
    ((X, W, 2), ValueError, "axes = 2 names axis 2|names axis 2, but the array has 2 axes"),
    ((X, W, ()), ValueError, "axes must name at least one axis"),
    ((X, torch.zeros(3, 3), (-1, 1)), ValueError, "names an axis twice"),
    ((X, W, 1.0), TypeError, "axes must be an integer"),
    ((X, W, (0, 1)), ValueError, "w of shape .* has no axis -2"),
    ((X, torch.zeros(3, 3), -1), ValueError, "do not broadcast along axis -2"),
    ((torch.zeros(2, 0), W), ValueError, "x of shape .* is empty"),
    ((X, W, -1, 0.5), TypeError, "origin must be an integer"),
    ((X, W, -1, (0, 1)), ValueError, "one for each of the 1 axes"),
    ((X.int(), W), TypeError, "x must be .*floating, got int32; write x.to"),
    ((X, W.bool()), TypeError, "w must be .*floating, got bool; write w.to"),
    ((X, W.to("meta")), ValueError, "different devices"),
]


@pytest.mark.parametrize(("arguments", "error", "message"), ERRORS)
def test_bad_input(arguments: Any, error: type[Exception], message: str) -> None:
    """Compiled calls raise what eager ones do; with fullgraph torch wraps it, and its message stays."""
    with pytest.raises(error, match=message):
        circular_convolve(*arguments)
    with pytest.raises(error, match=message):
        torch.compile(lambda: circular_convolve(*arguments), backend="aot_eager")()
    with pytest.raises(torch._dynamo.exc.Unsupported, match=message):
        compiled(lambda: circular_convolve(*arguments))()


def test_an_unknown_method() -> None:
    message = r"method must be one of .*got 'fast'"
    with pytest.raises(ValueError, match=message):
        torch.compile(circular_convolve, backend="aot_eager")(X, W, method="fast")
    with pytest.raises(ValueError, match=message):  # when it is exported, not when it is run
        torch.export.export(Smooth(method="fast"), (X.double(),))


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ((X, W.double(), [-1], [0]), TypeError, "must have one dtype, got torch.float32 and torch.float64"),
        ((X, W, [1], [0]), ValueError, "axes must be negative, increasing"),
        ((X, W, [-1, -2], [0, 0]), ValueError, "axes must be negative, increasing"),
        ((X, W, [-3], [0]), ValueError, "axes must be negative, increasing"),
        ((X, W, [], []), ValueError, "axes must be negative, increasing"),
        ((X, W, [-1], [0, 0]), ValueError, "axes must be negative, increasing.*2 origins"),
        ((X, torch.zeros(3, 3), [-1], [0]), ValueError, "do not broadcast"),
    ],
)
def test_bad_input_of_the_operation_itself(arguments: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        OP(*arguments, False, "auto")
    with pytest.raises(error, match=message):
        OP(*(t.to("meta") if isinstance(t, torch.Tensor) else t for t in arguments), False, "auto")
