"""What the layers' three operations compute: by the method that suits the shapes, in the dtype that suits the method.

Complex operands take four real products. Narrow floats are computed in float32, except for direct kernels on devices,
whose libraries accumulate in float32 by themselves. `ops` makes operations of it, `eager` does without.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor

from equiconv.nn import direct, spectral
from equiconv.nn.cost import Algorithm, choose_algorithm, forced_algorithm
from equiconv.nn.window import Window

__all__ = [
    "Route",
    "bias_gradient",
    "convolve",
    "convolve_by_windows",
    "gradients",
    "input_adjoint",
    "input_adjoint_by_windows",
    "route_of",
    "weight_adjoint",
    "weight_adjoint_by_windows",
]

_NARROW = (torch.float16, torch.bfloat16)
_WIDE = (torch.float32, torch.float64)


class Route(NamedTuple):
    """How a convolution is computed. `layout` is there where it is by windows and in the operands' own dtype, and
    `recorded` where its gradients are as well and torch's own are as fast; `prepared` is the method where the kernel's
    spectrum is there."""

    method: Algorithm
    prepared: Algorithm
    layout: direct.Layout | None
    recorded: direct.Layout | None


def route_of(input: Tensor, weight: Tensor, bias: Tensor | None, window: Window) -> Route:
    """The route of these operands; raises the errors of `Window.require`.

    All that shapes and dtypes decide is decided once for each combination of them. After a convolution little of the
    interpreter is left in the cache: then each line costs some microseconds.
    """
    dtype, of_bias = input.dtype, None if bias is None else (bias.shape, bias.dtype)
    settings = input.is_cpu, torch.get_num_threads(), forced_algorithm()
    key = window, input.shape, weight.shape, dtype, weight.dtype, of_bias, settings
    route = _ROUTES.get(key)
    if route is None:
        route = _route(input, weight, bias, window)
        if len(_ROUTES) >= _MOST_ROUTES:
            _ROUTES.clear()
        _ROUTES[key] = route
    return route


_ROUTES: dict[tuple[Any, ...], Route] = {}
_MOST_ROUTES = 128


def _route(input: Tensor, weight: Tensor, bias: Tensor | None, window: Window) -> Route:
    window.require(input, weight, bias)
    given = input.shape, weight.shape, window, input.dtype, input.device
    method = choose_algorithm(*given)
    is_kept = input.is_cpu and input.dtype in _WIDE
    prepared = choose_algorithm(*given, prepared=True) if is_kept else "direct"
    if (
        0 in (*input.shape, *weight.shape)
        or method != "direct"
        or not (input.dtype in _WIDE or (input.dtype in _NARROW and not input.is_cpu))
    ):
        return Route(method, prepared, None, None)
    is_recorded = _are_direct(input, weight, window, of_input=True, of_weight=True) and forced_algorithm() is None
    recorded = direct.recorded_layout(input, window) if is_recorded else None
    return Route(method, prepared, direct.layout(input, weight, window), recorded)


def convolve(input: Tensor, weight: Tensor, bias: Tensor | None, window: Window, route: Route | None = None) -> Tensor:
    """y[b, o, i] = bias[o] + Σ_c Σ_t weight[o, c, t]·input[b, c, i·stride + t·dilation − left mod n]."""
    route = route or route_of(input, weight, bias, window)
    if route.layout is not None:
        return direct.convolve(input, weight, window, bias, route.layout)
    if 0 in (*input.shape, *weight.shape):  # torch loses filters without channels
        y = input.new_zeros((len(input), len(weight), *window.output_sizes(input.shape[2:], weight.shape[2:])))
    else:
        # a bias is added by torch's convolution where it can, which saves a pass over the result
        y = _compute("convolve", route.method, input, weight, (), window)
    return y if bias is None else y.add_(bias.reshape(-1, *(1,) * window.axes))


def input_adjoint(grad: Tensor, weight: Tensor, sizes: Sequence[int], window: Window) -> Tensor:
    """The transpose of `convolve` in its input of these sizes, applied to `grad`: the shape of the input."""
    shapes = (grad.shape[0], weight.shape[1] * window.groups, *sizes), weight.shape
    if 0 in (*shapes[0], *shapes[1]):
        return grad.new_zeros(shapes[0])
    method = choose_algorithm(*shapes, window, grad.dtype, grad.device, of_input=True)
    return _compute("input_adjoint", method, grad, weight, (tuple(sizes),), window)


def weight_adjoint(grad: Tensor, input: Tensor, kernel_size: Sequence[int], window: Window) -> Tensor:
    """The transpose of `convolve` in its weight of this size, applied to `grad`: the shape of the weight."""
    shapes = input.shape, (grad.shape[1], input.shape[1] // window.groups, *kernel_size)
    if 0 in (*shapes[0], *shapes[1]):
        return grad.new_zeros(shapes[1])
    method = choose_algorithm(*shapes, window, grad.dtype, grad.device, of_weight=True)
    return _compute("weight_adjoint", method, grad, input, (tuple(kernel_size),), window)


def bias_gradient(grad: Tensor) -> Tensor:
    """The gradient of the bias: the sum over all but the filters."""
    return grad.sum(dim=(0, *range(2, grad.ndim)))


def gradients(
    grad: Tensor, input: Tensor, weight: Tensor, window: Window, wanted: Sequence[bool]
) -> tuple[Tensor | None, ...]:
    """The gradients of the input, the weight and the bias, those that are wanted, as torch defines them."""
    of_input, of_weight, of_bias = wanted
    is_empty = 0 in (*input.shape, *weight.shape)
    if (
        grad.dtype in _WIDE
        and not is_empty
        and _are_direct(input, weight, window, of_input=of_input, of_weight=of_weight)
    ):
        made = direct.gradients(grad, input, weight, window, of_input=of_input, of_weight=of_weight)
        return *made, bias_gradient(grad) if of_bias else None
    return (
        input_adjoint(grad, weight.conj(), input.shape[2:], window) if of_input else None,
        weight_adjoint(grad, input.conj(), weight.shape[2:], window) if of_weight else None,
        bias_gradient(grad) if of_bias else None,
    )


def _are_direct(input: Tensor, weight: Tensor, window: Window, *, of_input: bool, of_weight: bool) -> bool:
    given = input.shape, weight.shape, window, input.dtype, input.device
    return (not of_input or choose_algorithm(*given, of_input=True) == "direct") and (
        not of_weight or choose_algorithm(*given, of_weight=True) == "direct"
    )


def convolve_by_windows(input: Tensor, weight: Tensor, bias: Tensor | None, window: Window) -> Tensor:
    """`convolve` by operations that torch differentiates."""
    whole = direct.whole_layout(input, window)
    if not input.is_complex():
        return direct.convolve(input, weight, window, bias, whole)
    y = _bilinear(lambda x, w: direct.convolve(x, w, window, how=whole), input, weight)
    return y if bias is None else y + bias.reshape(-1, *(1,) * window.axes)


def input_adjoint_by_windows(grad: Tensor, weight: Tensor, sizes: Sequence[int], window: Window) -> Tensor:
    """`input_adjoint` by operations that torch differentiates."""
    return _bilinear(lambda g, w: direct.input_adjoint(g, w, sizes, window), grad, weight)


def weight_adjoint_by_windows(grad: Tensor, input: Tensor, kernel_size: Sequence[int], window: Window) -> Tensor:
    """`weight_adjoint` by operations that torch differentiates."""
    return _bilinear(lambda g, x: direct.weight_adjoint(g, x, kernel_size, window), grad, input)


def _compute(name: str, method: Algorithm, a: Tensor, b: Tensor, size: tuple[Any, ...], window: Window) -> Tensor:
    """One of the three bilinear kernels by one of the methods."""
    of_method = getattr({"direct": direct, "spectral": spectral}[method], name)

    def kernel(a: Tensor, b: Tensor) -> Tensor:
        result: Tensor = of_method(a, b, *size, window)
        return result

    if a.dtype in _NARROW and (method == "spectral" or a.is_cpu):
        y = kernel(a.float(), b.float()).to(a.dtype).contiguous()
    else:
        y = _bilinear(kernel, a, b).contiguous()
    # a view of nobody else's memory; as one, it could not be written to where a gradient is recorded
    return torch.ops.aten._unsafe_view(y, y.shape) if y._is_view() else y


def _bilinear(kernel: Callable[[Tensor, Tensor], Tensor], a: Tensor, b: Tensor) -> Tensor:
    """A kernel of real operands, of complex ones too."""
    if not a.is_complex():
        return kernel(a, b)
    (ar, ai), (br, bi) = (torch.view_as_real(t.resolve_conj()).unbind(-1) for t in (a, b))
    return torch.complex(kernel(ar, br) - kernel(ai, bi), kernel(ar, bi) + kernel(ai, br))
