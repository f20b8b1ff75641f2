"""`equiconv::circular_conv` is one operation: fully registered, whole in graphs, differentiable and mappable."""

from __future__ import annotations

import io
from contextlib import nullcontext
from typing import Any

import pytest
import torch
from torch import nn
from torch.autograd import forward_ad
from torch.fx.experimental.proxy_tensor import make_fx
from torch.utils._python_dispatch import TorchDispatchMode

from equiconv.nn import CircularConv1d, CircularConv2d, CircularConv3d, circular_conv, use_algorithm

OP = torch.ops.equiconv.circular_conv.default
INPUT_ADJOINT = torch.ops.equiconv.circular_conv_input_adjoint.default
WEIGHT_ADJOINT = torch.ops.equiconv.circular_conv_weight_adjoint.default
ALGORITHMS = ("direct", "spectral")

# (sizes, kernel_size, stride, padding, dilation): asymmetric padding, more than one wrap, strides, dilation.
GEOMETRIES = [
    ((5,), (3,), (1,), (1, 1), (1,)),
    ((4,), (2,), (2,), (6, 1), (3,)),
    ((3, 4), (2, 3), (1, 2), (0, 1, 5, 0), (2, 1)),
    ((2, 3, 2), (2, 1, 2), (1, 2, 1), (0, 1, 0, 0, 1, 2), (1, 1, 2)),
]


def operands(geometry: Any, dtype: torch.dtype, groups: int = 1, batch: int = 2) -> tuple[torch.Tensor, ...]:
    sizes, kernel_size, *_ = geometry
    generator = torch.Generator().manual_seed(0)
    shapes = ((batch, 2, *sizes), (2, 2 // groups, *kernel_size), (2,))
    return tuple(torch.randn(shape, dtype=dtype, generator=generator, requires_grad=True) for shape in shapes)


@pytest.mark.parametrize("geometry", GEOMETRIES)
@pytest.mark.parametrize("dtype", [torch.float32, torch.complex128])
def test_opcheck(geometry: Any, dtype: torch.dtype) -> None:
    """torch's own test of schema, fake kernels, autograd registration and tracing with dynamic shapes."""
    x, w, b = operands(geometry, dtype, groups=2)
    window = (*geometry[2:], 2)
    torch.library.opcheck(OP, (x, w, b, *window))
    g = torch.randn_like(OP(x, w, None, *window), requires_grad=True)
    torch.library.opcheck(INPUT_ADJOINT, (g, w, list(x.shape[2:]), *window))
    torch.library.opcheck(WEIGHT_ADJOINT, (g, x, list(w.shape[2:]), *window))


@pytest.mark.parametrize("algorithm", ALGORITHMS)
@pytest.mark.parametrize("memory_format", [torch.contiguous_format, torch.channels_last])
def test_results_have_the_strides_that_the_fake_kernels_claim(algorithm: Any, memory_format: Any) -> None:
    """Contiguous ones, whatever the operands' and the algorithm's: compiled code relies on it."""
    x, w = (torch.randn(shape).contiguous(memory_format=memory_format) for shape in ((2, 3, 5, 6), (4, 3, 3, 3)))
    window = ([1, 1], [0, 1, 2, 1], [1, 1], 1)
    with use_algorithm(algorithm):
        y = OP(x, w, None, *window)
        g = torch.randn_like(y).contiguous(memory_format=memory_format)
        results = y, INPUT_ADJOINT(g, w, [5, 6], *window), WEIGHT_ADJOINT(g, x, [3, 3], *window)
    assert all(result.is_contiguous() for result in results)


@pytest.mark.parametrize("algorithm", ALGORITHMS)
@pytest.mark.parametrize("geometry", GEOMETRIES)
@pytest.mark.parametrize(("dtype", "groups"), [(torch.float64, 1), (torch.float64, 2), (torch.complex128, 1)])
def test_gradients_of_first_and_second_order(algorithm: Any, geometry: Any, dtype: torch.dtype, groups: int) -> None:
    inputs = operands(geometry, dtype, groups, batch=1)

    def f(x: Any, w: Any, b: Any) -> Any:
        return OP(x, w, b, *geometry[2:], groups)

    with use_algorithm(algorithm):
        assert torch.autograd.gradcheck(f, inputs, fast_mode=True)
        assert torch.autograd.gradgradcheck(f, inputs, fast_mode=True)


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_gradcheck_entry_by_entry(algorithm: Any) -> None:
    """The slow mode of gradcheck, which compares the whole Jacobian, on one small case."""
    inputs = operands(GEOMETRIES[1], torch.float64, batch=1)
    with use_algorithm(algorithm):
        assert torch.autograd.gradcheck(lambda x, w, b: OP(x, w, b, *GEOMETRIES[1][2:], 1), inputs)
        assert torch.autograd.gradgradcheck(lambda x, w, b: OP(x, w, b, *GEOMETRIES[1][2:], 1), inputs)


def test_gradcheck_would_notice_a_wrong_gradient() -> None:
    """Negative control: the input's gradient with the kernel not reversed (the same map again, not its transpose)."""
    x, w, _ = operands(GEOMETRIES[0], torch.float64)

    class Wrong(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: Any) -> Any:
            return OP(x, w.detach(), None, *GEOMETRIES[0][2:], 1)

        @staticmethod
        def backward(ctx: Any, grad: Any) -> Any:  # type: ignore[override]
            return OP(grad, w.detach().transpose(0, 1), None, *GEOMETRIES[0][2:], 1)

    assert not torch.autograd.gradcheck(Wrong.apply, (x,), raise_exception=False)


def test_gradients_are_torchs() -> None:
    generator = torch.Generator().manual_seed(0)
    x = torch.randint(-9, 10, (2, 4, 6, 5), generator=generator).double().requires_grad_()
    ours = CircularConv2d(4, 6, 3, stride=2, padding=1, groups=2, dtype=torch.float64)
    with torch.no_grad():
        for parameter in ours.parameters():
            parameter.copy_(torch.randint(-9, 10, parameter.shape, generator=generator))
    theirs = nn.Conv2d(4, 6, 3, stride=2, padding=1, groups=2, padding_mode="circular", dtype=torch.float64)
    theirs.load_state_dict(ours.state_dict())
    g = torch.randint(-9, 10, ours(x).shape, generator=generator).double()
    with use_algorithm("direct"):
        mine = torch.autograd.grad(ours(x), (x, *ours.parameters()), g)
    for a, b in zip(mine, torch.autograd.grad(theirs(x), (x, *theirs.parameters()), g), strict=True):
        assert torch.equal(a, b)


# ---------------------------------------------------------------------------------------------------------------------
# torch.func
# ---------------------------------------------------------------------------------------------------------------------


def integers(*shape: int, seed: int) -> torch.Tensor:
    return torch.randint(-9, 10, shape, generator=torch.Generator().manual_seed(seed)).double()


@pytest.mark.parametrize(
    "in_dims", [(0, None, None), (None, 0, None), (None, None, 0), (1, 2, None), (2, 0, 1), (0, 1, 0)]
)
@pytest.mark.parametrize("groups", [1, 2])
def test_vmap_is_a_loop(in_dims: Any, groups: int) -> None:
    shapes = [(2, 4, 5, 6), (6, 4 // groups, 3, 2), (6,)]
    inputs = [
        integers(*shape, seed=k) if dim is None else integers(*shape[:dim], 3, *shape[dim:], seed=k)
        for k, (shape, dim) in enumerate(zip(shapes, in_dims, strict=True))
    ]

    def f(x: Any, w: Any, b: Any) -> Any:
        return circular_conv(x, w, b, stride=(2, 1), padding=(1, 2), groups=groups)

    def slice_of(k: int) -> list[torch.Tensor]:
        return [t if dim is None else t.select(dim, k) for t, dim in zip(inputs, in_dims, strict=True)]

    with use_algorithm("direct"):
        expected = torch.stack([f(*slice_of(k)) for k in range(3)])
        assert torch.equal(torch.func.vmap(f, in_dims)(*inputs), expected)


@pytest.mark.parametrize("in_dims", [(0, None), (None, 0), (2, 1)])
@pytest.mark.parametrize("groups", [1, 2])
def test_vmap_of_the_adjoints_is_a_loop(in_dims: Any, groups: int) -> None:
    window = ([2, 1], [1, 1, 2, 2], [1, 1], groups)
    x, w, g = integers(2, 4, 5, 6, seed=0), integers(6, 4 // groups, 3, 2, seed=1), integers(2, 6, 3, 9, seed=2)

    def many(t: torch.Tensor, dim: int | None) -> torch.Tensor:
        return t if dim is None else torch.stack([t, 2 * t - 1, -t], dim)

    def loop(f: Any, a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
        one = [
            [t if dim is None else t.select(dim, k) for t, dim in zip((a, b), in_dims, strict=True)] for k in range(3)
        ]
        return torch.stack([f(*pair) for pair in one])

    def to_input(g: torch.Tensor, w: torch.Tensor) -> torch.Tensor:
        return INPUT_ADJOINT(g, w, [5, 6], *window)

    def to_weight(g: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
        return WEIGHT_ADJOINT(g, x, [3, 2], *window)

    with use_algorithm("direct"):
        for f, a, b in ((to_input, g, w), (to_weight, g, x)):
            a, b = many(a, in_dims[0]), many(b, in_dims[1])
            assert torch.equal(torch.func.vmap(f, in_dims)(a, b), loop(f, a, b))


@pytest.mark.parametrize("algorithm", [*ALGORITHMS, None])
def test_batched_gradients(algorithm: Any) -> None:
    """autograd's `is_grads_batched`, which maps the backward pass, gives the rows of the Jacobian."""
    x, w = integers(1, 2, 5, seed=0).requires_grad_(), integers(3, 2, 3, seed=1).requires_grad_()
    with use_algorithm(algorithm) if algorithm else nullcontext():
        y = circular_conv(x, w, padding=1)
        rows = torch.eye(y.numel(), dtype=y.dtype).reshape(-1, *y.shape)
        batched = torch.autograd.grad(y, (x, w), rows, is_grads_batched=True, retain_graph=True)
        for k, row in enumerate(rows):
            for a, b in zip(batched, torch.autograd.grad(y, (x, w), row, retain_graph=True), strict=True):
                assert torch.equal(a[k].round(decimals=9), b.round(decimals=9))


def test_a_mapped_bias_must_fit() -> None:
    x, w = torch.randn(3, 1, 2, 6), torch.randn(4, 2, 3)
    for b, error in (
        (torch.randn(1), ValueError),
        (torch.randn(1, 4), ValueError),
        (torch.randn(4).double(), TypeError),
    ):
        with pytest.raises(error):
            torch.func.vmap(lambda x, b=b: circular_conv(x, w, b))(x)
    with pytest.raises(ValueError, match="bias must have shape"):
        torch.func.vmap(lambda b: circular_conv(x[0], w, b))(torch.randn(5, 3))


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_the_adjoints_refuse_what_does_not_fit(algorithm: Any) -> None:
    window = ([1, 1], [1] * 4, [1, 1], 1)
    one = torch.ones
    with use_algorithm(algorithm):
        for g, w, sizes in (
            (one(1, 4, 5, 5), one(3, 2, 3, 3), [5, 5]),  # another number of filters
            (one(1, 3, 5, 5), one(3, 2, 3, 3), [5, 6]),
            (one(1, 3, 5, 5), one(3, 2, 3, 3), [5]),
            (one(1, 3, 5), one(3, 2, 3, 3), [5, 5]),
        ):
            with pytest.raises(ValueError, match="must"):
                INPUT_ADJOINT(g, w, sizes, *window)
        for g, x, taps in (
            (one(4, 3, 5, 5), one(1, 2, 5, 5), [3, 3]),  # another batch
            (one(1, 3, 5, 5), one(1, 2, 5, 5), [3, 2]),
            (one(1, 3, 5), one(1, 2, 5, 5), [3, 3]),
        ):
            with pytest.raises(ValueError, match="must"):
                WEIGHT_ADJOINT(g, x, taps, *window)
        with pytest.raises(TypeError):
            INPUT_ADJOINT(one(1, 3, 5, 5).int(), one(3, 2, 3, 3).int(), [5, 5], *window)
        with pytest.raises(TypeError):
            INPUT_ADJOINT(one(1, 3, 5, 5).double(), one(3, 2, 3, 3), [5, 5], *window)


def test_no_channels_at_all() -> None:
    x, w = torch.zeros(2, 0, 6, requires_grad=True), torch.zeros(4, 0, 6, requires_grad=True)
    y = OP(x, w, None, [1], [2, 3], [1], 1)
    assert torch.equal(y, torch.zeros(2, 4, 6))
    for t, g in zip((x, w), torch.autograd.grad(y.sum(), (x, w)), strict=True):
        assert g.shape == t.shape


def transformed(f: Any, operand: torch.Tensor, tangent: torch.Tensor) -> dict[str, torch.Tensor]:
    """The derivative of f along a tangent, by each of torch's ways."""

    def along(jacobian: torch.Tensor) -> torch.Tensor:
        return torch.tensordot(jacobian, tangent, operand.ndim)

    def rows(x: torch.Tensor) -> torch.Tensor:
        flat = f(x).flatten()
        basis = torch.eye(len(flat), dtype=flat.dtype)
        made: torch.Tensor = torch.func.vmap(torch.func.grad(lambda x, v: (f(x).flatten() * v).sum()), (None, 0))(
            x, basis
        )
        return made.reshape(*f(x).shape, *x.shape)

    with forward_ad.dual_level():  # type: ignore[no-untyped-call]
        y = f(forward_ad.make_dual(operand, tangent))  # type: ignore[no-untyped-call]
        dual = forward_ad.unpack_dual(y).tangent  # type: ignore[no-untyped-call]
    found = {"dual": dual, "jvp": torch.func.jvp(f, (operand,), (tangent,))[1]}
    if not operand.is_complex():  # the others are of real functions
        found |= {"jacfwd": along(torch.func.jacfwd(f)(operand)), "jacrev": along(torch.func.jacrev(f)(operand))}
        found["vmap of grad"] = along(rows(operand))
    return found


@pytest.mark.parametrize("geometry", GEOMETRIES)
@pytest.mark.parametrize("dtype", [torch.float64, torch.complex128])
@pytest.mark.parametrize("of", [0, 1])
@pytest.mark.parametrize("operation", [OP, INPUT_ADJOINT, WEIGHT_ADJOINT])
def test_derivatives_by_transforms(geometry: Any, dtype: torch.dtype, of: int, operation: Any) -> None:
    """`torch.func` and forward mode, none of which may drop a tangent: each operation is linear in each operand."""
    x, w, b = (t.detach() for t in operands(geometry, dtype, batch=1))
    window = (*geometry[2:], 1)
    g = OP(x, w, None, *window)
    pair, rest = {OP: ([x, w], b), INPUT_ADJOINT: ([g, w], x.shape[2:]), WEIGHT_ADJOINT: ([g, x], w.shape[2:])}[
        operation
    ]
    tangent = torch.randn_like(pair[of])

    def f(t: torch.Tensor, rest: Any = rest) -> torch.Tensor:
        a, c = (t, pair[1]) if of == 0 else (pair[0], t)
        y: torch.Tensor = operation(a, c, rest, *window)
        return y

    expected = f(tangent, None if operation is OP else rest)
    assert expected.abs().max() > 0
    for way, found in transformed(f, pair[of], tangent).items():
        assert found is not None, way
        torch.testing.assert_close(found, expected, msg=lambda m, way=way: f"{way}: {m}")


def test_derivatives_of_layers_by_transforms() -> None:
    """Through the public face: per-sample gradients, Hessians, tangents; compiled before a level is entered, too."""
    layer, x = CircularConv2d(2, 3, 3, padding=1, dtype=torch.float64), torch.randn(4, 2, 5, 4, dtype=torch.float64)
    weights = dict(layer.named_parameters())

    def loss(parameters: Any, x: torch.Tensor) -> torch.Tensor:
        y: torch.Tensor = torch.func.functional_call(layer, parameters, x.unsqueeze(0))
        return y.pow(3).sum()

    per_sample = torch.func.vmap(torch.func.grad(loss), (None, 0))(weights, x)
    for i, one in enumerate(x):
        expected = torch.autograd.grad(loss(weights, one), list(weights.values()))
        for found, gradient in zip(per_sample.values(), expected, strict=True):
            torch.testing.assert_close(found[i], gradient)
    w = layer.weight.detach()

    def of_weight(w: torch.Tensor) -> torch.Tensor:
        return circular_conv(x, w, padding=1).pow(3).sum()

    hessian = torch.func.hessian(of_weight)(w)
    torch.testing.assert_close(hessian, torch.autograd.functional.hessian(of_weight, w))
    compiled = torch.compile(lambda w: circular_conv(x, w, padding=1), backend="eager")
    before = compiled(w)
    with forward_ad.dual_level():  # type: ignore[no-untyped-call]
        dual = compiled(forward_ad.make_dual(w, w))  # type: ignore[no-untyped-call]
        torch.testing.assert_close(forward_ad.unpack_dual(dual).tangent, before)  # type: ignore[no-untyped-call]


@pytest.mark.parametrize("algorithm", ALGORITHMS)
@pytest.mark.parametrize("taps", [3, 31])
@pytest.mark.parametrize("dtype", [torch.float64, torch.complex128])
def test_below_a_dispatch_mode(algorithm: Any, taps: int, dtype: torch.dtype) -> None:
    """Where torch's own lazy conjugates are not resolved: a counter of flops, say, around a training step."""

    class Watch(TorchDispatchMode):  # type: ignore[no-untyped-call]
        def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            return func(*args, **(kwargs or {}))

    x, w = (
        integers(2, 3, 40, seed=0).to(dtype).requires_grad_(),
        integers(4, 3, taps, seed=1).to(dtype).requires_grad_(),
    )

    def step() -> tuple[torch.Tensor, ...]:
        y = circular_conv(x, w, padding=taps // 2)
        return y, *torch.autograd.grad(y.abs().square().sum(), (x, w))

    with use_algorithm(algorithm):
        expected = step()
        with Watch():  # type: ignore[no-untyped-call]
            found = step()
    for a, b in zip(found, expected, strict=True):
        assert torch.equal(a, b)


# ---------------------------------------------------------------------------------------------------------------------
# Graphs
# ---------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("layer", "shape", "arguments"),
    [
        (CircularConv1d(2, 4, 3, padding="same", bias=False), (2, 2, 7), ([1], [1, 1], [1], 1)),
        (CircularConv2d(2, 4, 4, padding="same"), (2, 2, 7, 5), ([1, 1], [1, 2, 1, 2], [1, 1], 1)),
        (
            CircularConv2d(2, 4, 3, stride=(1, 2), padding=(1, 9), groups=2),
            (2, 2, 7, 5),
            ([1, 2], [1, 1, 9, 9], [1, 1], 2),
        ),
        (CircularConv3d(2, 4, 3, padding=2, dilation=2), (2, 2, 5, 6, 4), ([1] * 3, [2] * 6, [2] * 3, 1)),
    ],
)
def test_export_keeps_the_operation_whole(layer: nn.Module, shape: Any, arguments: Any) -> None:
    """Whatever the padding; stride, padding (left and right of each axis), dilation and groups can be read from it."""
    x = torch.randn(shape)
    program = torch.export.export(layer.eval(), (x,)).run_decompositions({})
    calls = [node for node in program.graph.nodes if node.op == "call_function"]
    assert [node.target for node in calls] == [OP]
    assert tuple(calls[0].args[3:]) == arguments
    assert torch.equal(program.module()(x), layer(x))


def test_export_with_dynamic_sizes() -> None:
    layer = CircularConv2d(2, 4, 3, stride=2, padding=1)
    dims = {0: torch.export.Dim("batch"), 2: torch.export.Dim("h", min=3), 3: torch.export.Dim("w", min=3)}
    program = torch.export.export(layer, (torch.randn(2, 2, 8, 6),), dynamic_shapes=(dims,))
    x = torch.randn(3, 2, 5, 13)
    assert torch.equal(program.module()(x), layer(x))


@pytest.mark.parametrize("strict", [False, True])
def test_export_of_a_kernel_whose_size_is_a_symbol(strict: bool) -> None:
    """With strides and paddings as tuples, for which eager calls look their windows up by the kernel's size."""

    class Call(nn.Module):
        def forward(self, x: torch.Tensor, w: torch.Tensor) -> torch.Tensor:
            return circular_conv(x, w, stride=(2,), padding=(1,), dilation=(1,))

    x, w = torch.randn(2, 3, 12), torch.randn(4, 3, 5)
    sizes = {"x": {0: torch.export.Dim("b")}, "w": {2: torch.export.Dim("k", min=2, max=8)}}
    program = torch.export.export(Call(), (x, w), dynamic_shapes=sizes, strict=strict)
    x, w = torch.randn(3, 3, 12), torch.randn(4, 3, 3)
    torch.testing.assert_close(program.module()(x, w), Call()(x, w))


def test_exported_programs_survive_a_file() -> None:
    layer, x = CircularConv1d(2, 4, 3, padding=1), torch.randn(2, 2, 7)
    file = io.BytesIO()
    torch.export.save(torch.export.export(layer, (x,)), file)
    file.seek(0)
    assert torch.equal(torch.export.load(file).module()(x), layer(x))


def test_weights_on_the_meta_device() -> None:
    layer = CircularConv2d(2, 4, 3, stride=2, padding=1, device="meta")
    y = layer(torch.empty(2, 2, 9, 7, device="meta"))
    assert y.shape == (2, 4, 5, 4)
    assert y.device.type == "meta"


def test_compile_without_a_graph_break() -> None:
    """With the backend that traces forward and backward but needs no compiler."""
    layer, x = CircularConv2d(2, 4, 3, padding=1), torch.randn(2, 2, 7, 5, requires_grad=True)
    compiled = torch.compile(layer, backend="aot_eager", fullgraph=True)
    expected = torch.autograd.grad(layer(x).pow(2).sum(), (x, *layer.parameters()))
    found = torch.autograd.grad(compiled(x).pow(2).sum(), (x, *layer.parameters()))
    assert torch.equal(compiled(x), layer(x))
    for a, b in zip(found, expected, strict=True):
        torch.testing.assert_close(a, b)  # sums over other blocks


# ---------------------------------------------------------------------------------------------------------------------
# Autocast
# ---------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
@pytest.mark.parametrize("compiled", [False, True])
def test_autocast_casts_as_for_torchs_convolutions(dtype: torch.dtype, compiled: bool) -> None:
    layer, x = CircularConv2d(2, 4, 3, padding=1), torch.randn(2, 2, 7, 5, requires_grad=True)
    f = torch.compile(layer, backend="aot_eager", fullgraph=True) if compiled else layer
    with torch.autocast("cpu", dtype=dtype):
        y = f(x)
        assert nn.Conv2d.forward(nn.Conv2d(2, 4, 3), x).dtype == y.dtype == dtype
    y.float().sum().backward()
    assert x.grad is not None
    assert x.grad.dtype == layer.weight.grad.dtype == torch.float32
    expected = circular_conv(x.to(dtype), layer.weight.to(dtype), layer.bias.to(dtype), padding=1)
    assert torch.equal(y, expected)


def test_autocast_leaves_float64_alone() -> None:
    layer, x = CircularConv2d(2, 4, 3, padding=1, dtype=torch.float64), torch.randn(2, 2, 7, 5, dtype=torch.float64)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.equal(layer(x), nn.Conv2d.forward(layer, x))
        assert layer(x).dtype == torch.float64


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_the_bare_operation_keeps_its_dtype_under_autocast(algorithm: Any) -> None:
    """As its fake kernel says: its own call of torch's convolution must not be cast behind its back."""
    x, w, b = (t.detach() for t in operands(GEOMETRIES[2], torch.float32))
    with use_algorithm(algorithm):
        expected = OP(x, w, b, *GEOMETRIES[2][2:], 1)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            y = OP(x, w, b, *GEOMETRIES[2][2:], 1)
    assert y.dtype == torch.float32
    assert torch.equal(y, expected)


def test_the_operation_is_dispatched_wherever_something_watches() -> None:
    """Tensors that nothing traces or watches are computed without its dispatch; all others go through it."""
    seen: list[Any] = []

    class Watch(TorchDispatchMode):  # type: ignore[no-untyped-call]
        def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            seen.append(func)
            return func(*args, **(kwargs or {}))

    layer, x = CircularConv2d(2, 3, 3, padding=1), torch.randn(1, 2, 5, 4)
    with torch.no_grad():
        plain = layer(x)
        with Watch():  # type: ignore[no-untyped-call]
            watched = layer(x)
        traced = torch.jit.trace(layer, (x,), check_trace=False)  # type: ignore[no-untyped-call]
        symbolic = make_fx(layer)(x)  # type: ignore[no-untyped-call]
    assert seen == [OP]
    assert "equiconv::circular_conv" in str(traced.inlined_graph)
    assert OP in [node.target for node in symbolic.graph.nodes]
    assert torch.equal(plain, watched)
    assert torch.equal(plain, OP(x, layer.weight, layer.bias, [1, 1], [1] * 4, [1, 1], 1))
    assert torch.equal(plain, layer(x))
