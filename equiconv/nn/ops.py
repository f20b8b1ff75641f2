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
how it is computed (`direct`, `spectral`) may depend on sizes without a trace of that in the graph. It has a fake (meta)
kernel, gradients of every order, and batching rules. (`torch.func.grad` and forward-mode derivatives do not reach
custom operations in torch: differentiate with `torch.autograd`, and map with `torch.func.vmap` or `is_grads_batched`.)
Autocasting is the business of the layers' function, `equiconv.nn.circular_conv`: called by itself, the operation
computes in the dtype that it is given.

**Gradients.** With T(x, w, g) = Σ g·conv(x, w), linear in each argument, the three operations are the three partial
gradients: conv(x, w) = ∂T/∂g, input_adjoint(g, w) = ∂T/∂x and weight_adjoint(g, x) = ∂T/∂w. Hence the gradients of each
are made of the other two, to every order. None conjugates; the gradients do, by torch's convention for complex numbers.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import nullcontext
from typing import Any

import torch
from torch import Tensor

from equiconv.convolution.prepared import is_plain
from equiconv.nn import direct, spectral
from equiconv.nn.cost import choose_algorithm
from equiconv.nn.window import Window

__all__ = ["are_plain", "circular_conv_op", "convolve_plain", "input_adjoint_op", "require_once", "weight_adjoint_op"]

_WINDOW = "SymInt[] stride, SymInt[] padding, SymInt[] dilation, SymInt groups"
_NARROW = (torch.float16, torch.bfloat16)


def _window(stride: Sequence[int], padding: Sequence[int], dilation: Sequence[int], groups: int) -> Window:
    return Window(tuple(stride), tuple(padding), tuple(dilation), groups)


def _compute(
    name: str,
    a: Tensor,
    b: Tensor,
    size: Sequence[int] | None,
    window: Window,
    shapes: tuple[Sequence[int], Sequence[int]],
    bias: Tensor | None = None,
) -> Tensor:
    """One of the three bilinear kernels, by the method that suits the shapes of the input and the weight.

    A bias is added to a convolution: by torch's own where it can, which saves a pass over the result.

    Complex operands take four real products. Narrow floats are computed in float32, except for direct kernels on
    devices, whose libraries accumulate in float32 by themselves.
    """
    of_input, of_weight = name == "input_adjoint", name == "weight_adjoint"
    method = choose_algorithm(*shapes, window, a.dtype, a.device, of_input=of_input, of_weight=of_weight)
    kernel = getattr({"direct": direct, "spectral": spectral}[method], name)
    extra = () if size is None else (tuple(size),)
    # Inside an autocast region torch's convolution would be cast again, behind the back of the fake kernel.
    device = a.device.type
    with torch.autocast(device, enabled=False) if torch.is_autocast_enabled(device) else nullcontext():
        if a.is_complex():
            (ar, ai), (br, bi) = (torch.view_as_real(t.resolve_conj()).unbind(-1) for t in (a, b))
            real = kernel(ar, br, *extra, window) - kernel(ai, bi, *extra, window)
            y = torch.complex(real, kernel(ar, bi, *extra, window) + kernel(ai, br, *extra, window))
            return _with_bias(y, bias)
        if a.dtype in _NARROW and (method == "spectral" or device == "cpu"):
            wide: Tensor = kernel(a.float(), b.float(), *extra, window)
            return _with_bias(wide.to(a.dtype).contiguous(), bias)
        if bias is not None and method == "direct":
            return direct.convolve(a, b, window, bias).contiguous()
        result: Tensor = kernel(a, b, *extra, window)
        return _with_bias(result.contiguous(), bias)


def _with_bias(y: Tensor, bias: Tensor | None) -> Tensor:
    return y if bias is None else y.add_(bias.reshape(-1, *(1,) * (y.ndim - 2)))


# ---------------------------------------------------------------------------------------------------------------------
# The three operations: what they compute, and the shapes of their results
# ---------------------------------------------------------------------------------------------------------------------


def are_plain(*operands: Tensor | None) -> bool:
    """Whether nothing records, transforms, traces or watches what is computed of these tensors on the CPU.

    Then a function may compute without the operation, whose dispatch takes longer than a small convolution. Compiled and
    exported programs never do: they are traced with tensors that are not plain.
    """
    if torch.compiler.is_compiling() or torch._C._get_tracing_state() is not None:
        return False
    return all(is_plain(t) for t in operands if t is not None)


@torch.library.custom_op(
    "equiconv::circular_conv",
    mutates_args=(),
    schema=f"(Tensor input, Tensor weight, Tensor? bias, {_WINDOW}) -> Tensor",
)
def circular_conv_op(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    stride: Sequence[int],
    padding: Sequence[int],
    dilation: Sequence[int],
    groups: int,
) -> Tensor:
    return convolve_plain(input, weight, bias, _window(stride, padding, dilation, groups))


def convolve_plain(input: Tensor, weight: Tensor, bias: Tensor | None, window: Window) -> Tensor:
    """What the operation computes, without its dispatch: for tensors that nothing records, transforms or watches."""
    require_once(input, weight, bias, window)
    return _compute("convolve", input, weight, None, window, (input.shape, weight.shape), bias)


def require_once(input: Tensor, weight: Tensor, bias: Tensor | None, window: Window) -> None:
    """`Window.require`, which looks at shapes and dtypes alone, once for each combination of these.

    After a convolution little of the interpreter is left in the cache: then each line costs some microseconds.
    """
    of_bias = None if bias is None else (bias.shape, bias.dtype)
    key = (window, input.shape, weight.shape, input.dtype, weight.dtype, of_bias)
    if key in _FITTING:
        return
    window.require(input, weight, bias)
    if len(_FITTING) >= _MOST_FITTING:
        _FITTING.clear()
    _FITTING.add(key)


_FITTING: set[tuple[Any, ...]] = set()
_MOST_FITTING = 256


@torch.library.custom_op(
    "equiconv::circular_conv_input_adjoint",
    mutates_args=(),
    schema=f"(Tensor grad, Tensor weight, SymInt[] sizes, {_WINDOW}) -> Tensor",
)
def input_adjoint_op(
    grad: Tensor,
    weight: Tensor,
    sizes: Sequence[int],
    stride: Sequence[int],
    padding: Sequence[int],
    dilation: Sequence[int],
    groups: int,
) -> Tensor:
    window = _window(stride, padding, dilation, groups)
    input_shape = (grad.shape[0], weight.shape[1] * groups, *sizes)
    return _compute("input_adjoint", grad, weight, sizes, window, (input_shape, weight.shape))


@torch.library.custom_op(
    "equiconv::circular_conv_weight_adjoint",
    mutates_args=(),
    schema=f"(Tensor grad, Tensor input, SymInt[] kernel_size, {_WINDOW}) -> Tensor",
)
def weight_adjoint_op(
    grad: Tensor,
    input: Tensor,
    kernel_size: Sequence[int],
    stride: Sequence[int],
    padding: Sequence[int],
    dilation: Sequence[int],
    groups: int,
) -> Tensor:
    window = _window(stride, padding, dilation, groups)
    weight_shape = (grad.shape[1], input.shape[1] // groups, *kernel_size)
    return _compute("weight_adjoint", grad, input, kernel_size, window, (input.shape, weight_shape))


@circular_conv_op.register_fake
def _(input: Tensor, weight: Tensor, bias: Tensor | None, *window_arguments: Any) -> Tensor:
    window = _window(*window_arguments)
    window.require(input, weight, bias)
    sizes = window.output_sizes(input.shape[2:], weight.shape[2:])
    return input.new_empty((input.shape[0], weight.shape[0], *sizes))


@input_adjoint_op.register_fake
def _(grad: Tensor, weight: Tensor, sizes: Sequence[int], *window_arguments: Any) -> Tensor:
    groups = window_arguments[-1]
    return grad.new_empty((grad.shape[0], weight.shape[1] * groups, *sizes))


@weight_adjoint_op.register_fake
def _(grad: Tensor, input: Tensor, kernel_size: Sequence[int], *window_arguments: Any) -> Tensor:
    groups = window_arguments[-1]
    return grad.new_empty((grad.shape[1], input.shape[1] // groups, *kernel_size))


# ---------------------------------------------------------------------------------------------------------------------
# Gradients
# ---------------------------------------------------------------------------------------------------------------------


def _save_convolution(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:  # noqa: ARG001
    input, weight, _, *ctx.window = inputs
    ctx.save_for_backward(input, weight)


def _save_adjoint(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:  # noqa: ARG001
    grad, other, _, *ctx.window = inputs
    ctx.save_for_backward(grad, other)


def _convolution_backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
    input, weight = ctx.saved_tensors
    of_input, of_weight, of_bias = ctx.needs_input_grad[:3]
    return (
        input_adjoint_op(grad, weight.conj(), input.shape[2:], *ctx.window) if of_input else None,
        weight_adjoint_op(grad, input.conj(), weight.shape[2:], *ctx.window) if of_weight else None,
        grad.sum(dim=(0, *range(2, grad.ndim))) if of_bias else None,
        *(None,) * 4,
    )


def _input_adjoint_backward(ctx: Any, cotangent: Tensor) -> tuple[Tensor | None, ...]:
    grad, weight = ctx.saved_tensors
    of_grad, of_weight = ctx.needs_input_grad[:2]
    return (
        circular_conv_op(cotangent, weight.conj(), None, *ctx.window) if of_grad else None,
        weight_adjoint_op(grad.conj(), cotangent, weight.shape[2:], *ctx.window) if of_weight else None,
        *(None,) * 5,
    )


def _weight_adjoint_backward(ctx: Any, cotangent: Tensor) -> tuple[Tensor | None, ...]:
    grad, input = ctx.saved_tensors
    of_grad, of_input = ctx.needs_input_grad[:2]
    return (
        circular_conv_op(input.conj(), cotangent, None, *ctx.window) if of_grad else None,
        input_adjoint_op(grad.conj(), cotangent, input.shape[2:], *ctx.window) if of_input else None,
        *(None,) * 5,
    )


circular_conv_op.register_autograd(_convolution_backward, setup_context=_save_convolution)
input_adjoint_op.register_autograd(_input_adjoint_backward, setup_context=_save_adjoint)
weight_adjoint_op.register_autograd(_weight_adjoint_backward, setup_context=_save_adjoint)


# ---------------------------------------------------------------------------------------------------------------------
# Batching rules: a batch of weights becomes groups of channels, a batch of signals alone joins the batch axis
# ---------------------------------------------------------------------------------------------------------------------


def _front(x: Tensor, dim: int | None, size: int) -> Tensor:
    """The mapped dim in front; an operand that is not mapped is repeated."""
    return x.expand(size, *x.shape) if dim is None else x.movedim(dim, 0)


def _channels(x: Tensor) -> Tensor:
    """(v, batch, channels, …) to (batch, v·channels, …)."""
    return x.movedim(0, 1).flatten(1, 2)


def _grouped(window: Sequence[Any], size: int) -> tuple[Any, ...]:
    *lists, groups = window
    return *lists, groups * size


@circular_conv_op.register_vmap
def _(info: Any, in_dims: Any, input: Tensor, weight: Tensor, bias: Tensor | None, *window: Any) -> tuple[Tensor, int]:
    size, (x_dim, w_dim, b_dim) = info.batch_size, in_dims[:3]
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


@input_adjoint_op.register_vmap
def _(info: Any, in_dims: Any, grad: Tensor, weight: Tensor, sizes: Any, *window: Any) -> tuple[Tensor, int]:
    size, (g_dim, w_dim) = info.batch_size, in_dims[:2]
    if w_dim is None:
        g = _front(grad, g_dim, size)
        x = input_adjoint_op(g.flatten(0, 1), weight, sizes, *window)
        return x.unflatten(0, g.shape[:2]), 0
    g, w = _channels(_front(grad, g_dim, size)), _front(weight, w_dim, size).flatten(0, 1)
    x = input_adjoint_op(g, w, sizes, *_grouped(window, size))
    return x.unflatten(1, (size, -1)), 1


@weight_adjoint_op.register_vmap
def _(info: Any, in_dims: Any, grad: Tensor, input: Tensor, kernel_size: Any, *window: Any) -> tuple[Tensor, int]:
    size, (g_dim, x_dim) = info.batch_size, in_dims[:2]
    g, x = (_channels(_front(t, dim, size)) for t, dim in ((grad, g_dim), (input, x_dim)))
    w = weight_adjoint_op(g, x, kernel_size, *_grouped(window, size))
    return w.unflatten(0, (size, -1)), 0
