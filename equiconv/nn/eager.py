"""The layers' convolution outside of graphs, where the dispatch of an operation takes longer than a small convolution.

Where nothing traces, transforms or watches what is computed, nothing is lost by computing at once. `convolve` does, and
records its gradients, by torch's own convolution where that is as fast, and else by one `torch.autograd.Function`.
Gradients of gradients of the latter are left to the operations.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from equiconv.convolution.plain import is_bare, is_watched
from equiconv.nn import computation, direct, ops
from equiconv.nn.window import Window

__all__ = ["convolve", "is_eager", "is_recorded"]


def is_eager(input: Tensor, weight: Tensor, bias: Tensor | None) -> bool:
    """Whether a function of these may compute at once: they are memory, and nothing traces, transforms or watches.

    Compiled and exported programs never are: they are traced with tensors that are not memory. Nor is what is called
    below `torch.autocast`, whose casts come first.
    """
    if is_watched() or not (is_bare(input) and is_bare(weight) and (bias is None or is_bare(bias))):
        return False
    if input.is_cpu:
        return not torch.is_autocast_enabled("cpu")
    return input.is_cuda and not torch.is_autocast_enabled("cuda")


def is_recorded(input: Tensor, weight: Tensor, bias: Tensor | None) -> bool:
    """Whether torch records gradients of what is computed of these."""
    return torch.is_grad_enabled() and (
        input.requires_grad or weight.requires_grad or (bias is not None and bias.requires_grad)
    )


def convolve(
    input: Tensor, weight: Tensor, bias: Tensor | None, window: Window, route: computation.Route | None = None
) -> Tensor:
    """`equiconv::circular_conv` of operands that are eager; `route` is theirs, where it is known."""
    route = route or computation.route_of(input, weight, bias, window)
    if not is_recorded(input, weight, bias):
        if route.layout is not None:
            return direct.convolve(input, weight, window, bias, route.layout)
        return computation.convolve(input, weight, bias, window, route)
    # a tensor of inference mode cannot be saved for the backward pass, a copy of it can
    input = input.clone() if input.is_inference() else input
    weight = weight.clone() if weight.is_inference() else weight
    if route.recorded is not None:
        return direct.convolve(input, weight, window, bias, route.recorded)
    recorded: Tensor = _Convolution.apply(input, weight, bias, window, route)
    return recorded


class _Convolution(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, input: Tensor, weight: Tensor, bias: Tensor | None, window: Window, route: computation.Route
    ) -> Tensor:
        ctx.save_for_backward(input, weight)
        ctx.window = window
        return computation.convolve(input, weight, bias, window, route)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        input, weight = ctx.saved_tensors
        wanted = ctx.needs_input_grad[:3]
        at_once = not torch.is_grad_enabled() and is_eager(grad, input, weight)
        gradients = computation.gradients if at_once else ops.convolution_gradients
        return (*gradients(grad, input, weight, ctx.window, wanted), None, None)
