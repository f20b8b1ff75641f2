"""The layers' convolution as one custom operation, `equiconv::circular_conv`, and the two that make its gradients.

    equiconv::circular_conv(Tensor input, Tensor weight, Tensor? bias, SymInt[] stride, SymInt[] padding,
                            SymInt[] dilation, SymInt groups) -> Tensor

    y[b, o, i] = bias[o] + Σ_c Σ_t weight[o, c, t] · input[b, c, (i·stride + t·dilation − left) mod n]

for i = 0 … ⌊(n + left + right − dilation·(k − 1) − 1)/stride⌋ along each axis: torch's cross-correlation of the input
continued periodically, whatever the padding. Shapes are input (batch, channels, *sizes), bias (filters,), and weight
(filters, channels // groups, *kernel_size) with 1 to 3 spatial axes. `stride` and `dilation` have one entry an axis.
**`padding` has two an axis, first axis first: [left_0, right_0, left_1, right_1, …].** (`torch.nn.functional.pad`
lists the last axis first.)

Because it is one operation, an exported graph keeps it whole, a rule of the certifier reads it as it is written, and
how it is computed (`computation`) may depend on sizes without a trace of that in the graph. It has a fake (meta)
kernel, gradients of every order, and batching rules. Autocasting is the business of the layers' function,
`equiconv.nn.circular_conv`: called by itself, the operation computes in the dtype that it is given.

**Gradients.** With T(x, w, g) = Σ g·conv(x, w), linear in each argument, the three operations are the three partial
gradients: conv(x, w) = ∂T/∂g, input_adjoint(g, w) = ∂T/∂x and weight_adjoint(g, x) = ∂T/∂w. Hence the gradients of each
are made of the other two, to every order. None conjugates; the gradients do, by torch's convention for complex numbers. Inside
`torch.func` derivatives, and where an operand has a tangent (forward-mode derivatives), they are differentiated as the
operations of torch that the kernels by windows are made of: gradients that are registered with `torch.library` refuse
the former, and drop the latter without a word.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from torch import Tensor
from torch.autograd import forward_ad

from equiconv.nn import computation
from equiconv.nn.window import Window

__all__ = ["circular_conv_op", "convolution_gradients", "expand_convolution", "input_adjoint_op", "weight_adjoint_op"]

_LIBRARY = torch.library.Library("equiconv", "FRAGMENT")  # type: ignore[no-untyped-call]
_WINDOW = "SymInt[] stride, SymInt[] padding, SymInt[] dilation, SymInt groups"
for _schema in (
    f"circular_conv(Tensor input, Tensor weight, Tensor? bias, {_WINDOW}) -> Tensor",
    f"circular_conv_input_adjoint(Tensor grad, Tensor weight, SymInt[] sizes, {_WINDOW}) -> Tensor",
    f"circular_conv_weight_adjoint(Tensor grad, Tensor input, SymInt[] kernel_size, {_WINDOW}) -> Tensor",
):
    _LIBRARY.define(_schema, tags=(torch.Tag.pt2_compliant_tag,))  # type: ignore[no-untyped-call]

circular_conv_op = torch.ops.equiconv.circular_conv.default
input_adjoint_op = torch.ops.equiconv.circular_conv_input_adjoint.default
weight_adjoint_op = torch.ops.equiconv.circular_conv_weight_adjoint.default


def _window(stride: Sequence[int], padding: Sequence[int], dilation: Sequence[int], groups: int) -> Window:
    return Window(tuple(stride), tuple(padding), tuple(dilation), groups)


def _without_casts(x: Tensor) -> AbstractContextManager[Any]:
    """Inside an autocast region torch's convolution would be cast again, behind the back of the fake kernel."""
    device = x.device.type
    return torch.autocast(device, enabled=False) if torch.is_autocast_enabled(device) else nullcontext()


# ---------------------------------------------------------------------------------------------------------------------
# The three operations: what they compute, and the shapes of their results
# ---------------------------------------------------------------------------------------------------------------------


def _convolution(input: Tensor, weight: Tensor, bias: Tensor | None, *window: Any) -> Tensor:
    with _without_casts(input):
        return computation.convolve(input, weight, bias, _window(*window))


def _input_adjoint(grad: Tensor, weight: Tensor, sizes: Sequence[int], *window: Any) -> Tensor:
    of = _window(*window)
    _require_rank(grad, "weight", weight)
    shape = (len(grad), weight.shape[1] * of.groups, *sizes)
    of.require_adjoint(grad, grad.new_empty(shape, device="meta"), weight)
    with _without_casts(grad):
        return computation.input_adjoint(grad, weight, sizes, of)


def _weight_adjoint(grad: Tensor, input: Tensor, kernel_size: Sequence[int], *window: Any) -> Tensor:
    of = _window(*window)
    _require_rank(grad, "input", input)
    shape = (grad.shape[1], input.shape[1] // max(1, of.groups), *kernel_size)
    of.require_adjoint(grad, input, grad.new_empty(shape, device="meta"))
    with _without_casts(grad):
        return computation.weight_adjoint(grad, input, kernel_size, of)


def _require_rank(grad: Tensor, name: str, other: Tensor) -> None:
    if grad.ndim != other.ndim or grad.ndim < 3:
        raise ValueError(
            f"grad and {name} must have as many axes, a batch, channels and 1 to 3 spatial ones, got {tuple(grad.shape)} "
            f"and {tuple(other.shape)}"
        )


def _fake_convolution(input: Tensor, weight: Tensor, bias: Tensor | None, *window: Any) -> Tensor:
    of = _window(*window)
    of.require(input, weight, bias)
    return input.new_empty((input.shape[0], weight.shape[0], *of.output_sizes(input.shape[2:], weight.shape[2:])))


def _fake_input_adjoint(grad: Tensor, weight: Tensor, sizes: Sequence[int], *window: Any) -> Tensor:
    return grad.new_empty((grad.shape[0], weight.shape[1] * window[-1], *sizes))


def _fake_weight_adjoint(grad: Tensor, input: Tensor, kernel_size: Sequence[int], *window: Any) -> Tensor:
    return grad.new_empty((grad.shape[1], input.shape[1] // window[-1], *kernel_size))


# ---------------------------------------------------------------------------------------------------------------------
# By windows, of operations that torch differentiates
# ---------------------------------------------------------------------------------------------------------------------


def expand_convolution(input: Tensor, weight: Tensor, bias: Tensor | None, *window: Any) -> Tensor:
    """The convolution as torch's padding and torch's convolution."""
    of = _window(*window)
    of.require(input, weight, bias)
    with _without_casts(input):
        return computation.convolve_by_windows(input, weight, bias, of)


def _expand_input_adjoint(grad: Tensor, weight: Tensor, sizes: Sequence[int], *window: Any) -> Tensor:
    with _without_casts(grad):
        return computation.input_adjoint_by_windows(grad, weight, sizes, _window(*window))


def _expand_weight_adjoint(grad: Tensor, input: Tensor, kernel_size: Sequence[int], *window: Any) -> Tensor:
    with _without_casts(grad):
        return computation.weight_adjoint_by_windows(grad, input, kernel_size, _window(*window))


# ---------------------------------------------------------------------------------------------------------------------
# Gradients
# ---------------------------------------------------------------------------------------------------------------------


def convolution_gradients(
    grad: Tensor, input: Tensor, weight: Tensor, window: Window, wanted: Sequence[bool]
) -> tuple[Tensor | None, ...]:
    """The gradients of the input, the weight and the bias, those that are wanted, by operations with gradients."""
    of_input, of_weight, of_bias = wanted
    arguments = list(window.stride), list(window.padding), list(window.dilation), window.groups
    return (
        input_adjoint_op(grad, weight.conj(), input.shape[2:], *arguments) if of_input else None,
        weight_adjoint_op(grad, input.conj(), weight.shape[2:], *arguments) if of_weight else None,
        computation.bias_gradient(grad) if of_bias else None,
    )


class _Convolution(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, keyset: Any, input: Tensor, weight: Tensor, bias: Tensor | None, *window: Any) -> Tensor:
        ctx.save_for_backward(input, weight)
        ctx.window = window
        return _below_autograd(circular_conv_op, keyset, (input, weight, bias, *window))

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        input, weight = ctx.saved_tensors
        wanted = ctx.needs_input_grad[1:4]
        return None, *convolution_gradients(grad, input, weight, _window(*ctx.window), wanted), *(None,) * 4


class _InputAdjoint(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, keyset: Any, grad: Tensor, weight: Tensor, sizes: Sequence[int], *window: Any) -> Tensor:
        ctx.save_for_backward(grad, weight)
        ctx.window = window
        return _below_autograd(input_adjoint_op, keyset, (grad, weight, sizes, *window))

    @staticmethod
    def backward(ctx: Any, cotangent: Tensor) -> tuple[Tensor | None, ...]:
        grad, weight = ctx.saved_tensors
        _, of_grad, of_weight = ctx.needs_input_grad[:3]
        return (
            None,
            circular_conv_op(cotangent, weight.conj(), None, *ctx.window) if of_grad else None,
            weight_adjoint_op(grad.conj(), cotangent, weight.shape[2:], *ctx.window) if of_weight else None,
            *(None,) * 5,
        )


class _WeightAdjoint(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, keyset: Any, grad: Tensor, input: Tensor, kernel_size: Sequence[int], *window: Any) -> Tensor:
        ctx.save_for_backward(grad, input)
        ctx.window = window
        return _below_autograd(weight_adjoint_op, keyset, (grad, input, kernel_size, *window))

    @staticmethod
    def backward(ctx: Any, cotangent: Tensor) -> tuple[Tensor | None, ...]:
        grad, input = ctx.saved_tensors
        _, of_grad, of_input = ctx.needs_input_grad[:3]
        return (
            None,
            circular_conv_op(input.conj(), cotangent, None, *ctx.window) if of_grad else None,
            input_adjoint_op(grad.conj(), cotangent, input.shape[2:], *ctx.window) if of_input else None,
            *(None,) * 5,
        )


def _below_autograd(op: Any, keyset: Any, arguments: Sequence[Any]) -> Tensor:
    with torch._C._AutoDispatchBelowAutograd():
        result: Tensor = op.redispatch(keyset & torch._C._after_autograd_keyset, *arguments)
        return result


def _differentiable(op: Any, function: Any, expand: Callable[..., Tensor]) -> Callable[..., Tensor]:
    """What the operation does where gradients may be recorded."""

    def differentiate(keyset: Any, *arguments: Any) -> Tensor:
        tensors = [t for t in arguments[:3] if isinstance(t, Tensor)]
        if torch._C._are_functorch_transforms_active() or any(map(_has_tangent, tensors)):
            return expand(*arguments)
        if torch.is_grad_enabled() and any(t.requires_grad for t in tensors):
            result: Tensor = function.apply(keyset, *arguments)
            return result
        return _below_autograd(op, keyset, arguments)

    return differentiate


def _has_tangent(t: Tensor) -> bool:
    level = forward_ad._current_level
    return level >= 0 and forward_ad.unpack_dual(t).tangent is not None  # type: ignore[no-untyped-call]


# ---------------------------------------------------------------------------------------------------------------------
# Batching rules: a batch of weights becomes groups of channels, a batch of signals alone joins the batch axis
# ---------------------------------------------------------------------------------------------------------------------


def _front(x: Tensor, dim: int | None, size: int) -> Tensor:
    """The mapped dim in front; an operand that is not mapped is repeated."""
    return x.expand(size, *x.shape) if dim is None else x.movedim(dim, 0)


def _one(x: Tensor, dim: int | None) -> Tensor:
    return x if dim is None else x.select(dim, 0)


def _channels(x: Tensor) -> Tensor:
    """(v, batch, channels, …) to (batch, v·channels, …)."""
    return x.movedim(0, 1).flatten(1, 2)


def _grouped(window: Sequence[Any], size: int) -> tuple[Any, ...]:
    *lists, groups = window
    return *lists, groups * size


def _map_convolution(
    info: Any, in_dims: Any, input: Tensor, weight: Tensor, bias: Tensor | None, *window: Any
) -> tuple[Tensor, int]:
    size, (x_dim, w_dim, b_dim) = info.batch_size, in_dims[:3]
    # one of each, as if nothing were mapped
    _window(*window).require(_one(input, x_dim), _one(weight, w_dim), None if bias is None else _one(bias, b_dim))
    if w_dim is not None:
        x, w = _channels(_front(input, x_dim, size)), _front(weight, w_dim, size).flatten(0, 1)
        y = circular_conv_op(x, w, None, *_grouped(window, size)).unflatten(1, (size, -1)).movedim(1, 0)
    elif x_dim is not None:
        x = _front(input, x_dim, size)
        y = circular_conv_op(x.flatten(0, 1), weight, None, *window).unflatten(0, x.shape[:2])
    else:
        y = _front(circular_conv_op(input, weight, None, *window), None, size)
    if bias is not None:
        b = _front(bias, b_dim, size)
        y = y + b.reshape(size, 1, -1, *(1,) * (y.ndim - 3))
    return y, 0


def _map_input_adjoint(
    info: Any, in_dims: Any, grad: Tensor, weight: Tensor, sizes: Any, *window: Any
) -> tuple[Tensor, int]:
    size, (g_dim, w_dim) = info.batch_size, in_dims[:2]
    if w_dim is None:
        g = _front(grad, g_dim, size)
        x = input_adjoint_op(g.flatten(0, 1), weight, sizes, *window)
        return x.unflatten(0, g.shape[:2]), 0
    g, w = _channels(_front(grad, g_dim, size)), _front(weight, w_dim, size).flatten(0, 1)
    x = input_adjoint_op(g, w, sizes, *_grouped(window, size))
    return x.unflatten(1, (size, -1)), 1


def _map_weight_adjoint(
    info: Any, in_dims: Any, grad: Tensor, input: Tensor, kernel_size: Any, *window: Any
) -> tuple[Tensor, int]:
    size, (g_dim, x_dim) = info.batch_size, in_dims[:2]
    g, x = (_channels(_front(t, dim, size)) for t, dim in ((grad, g_dim), (input, x_dim)))
    w = weight_adjoint_op(g, x, kernel_size, *_grouped(window, size))
    return w.unflatten(0, (size, -1)), 0


# ---------------------------------------------------------------------------------------------------------------------
# Registration
# ---------------------------------------------------------------------------------------------------------------------

for _op, _compute, _fake, _map, _function, _expand in (
    (circular_conv_op, _convolution, _fake_convolution, _map_convolution, _Convolution, expand_convolution),
    (
        input_adjoint_op,
        _input_adjoint,
        _fake_input_adjoint,
        _map_input_adjoint,
        _InputAdjoint,
        _expand_input_adjoint,
    ),
    (
        weight_adjoint_op,
        _weight_adjoint,
        _fake_weight_adjoint,
        _map_weight_adjoint,
        _WeightAdjoint,
        _expand_weight_adjoint,
    ),
):
    _gradients = _differentiable(_op, _function, _expand)
    _LIBRARY.impl(_op, _compute, "CompositeExplicitAutograd")  # type: ignore[no-untyped-call]
    _LIBRARY.impl(_op, _gradients, "Autograd", with_keyset=True)  # type: ignore[no-untyped-call]
    torch.library.register_fake(_op, _fake, lib=_LIBRARY)
    torch.library.register_vmap(_op, _map, lib=_LIBRARY)
