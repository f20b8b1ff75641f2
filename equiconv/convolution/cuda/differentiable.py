"""The fused kernel as a torch function with a gradient, to any order.

The gradient with respect to the signal is the adjoint circulant: the convolution with the conjugate of the reversed
kernel, by the fused kernel again. That with respect to the kernel is a correlation of the output's gradient with the
signal, summed over the signals that share the kernel; it goes through torch's FFT, and the sum is taken between the
transforms.
"""

from __future__ import annotations

from typing import Any

import torch

from equiconv.arrays import library
from equiconv.convolution.cuda.execution import Runtime, convolve, prepare_kernel
from equiconv.convolution.cuda.schedule import Schedule

__all__ = ["convolve_with_gradient"]


def convolve_with_gradient(
    x: torch.Tensor, w: torch.Tensor, schedule: Schedule, *, runtime: Runtime | None = None
) -> torch.Tensor:
    """The circular convolution of torch tensors x of shape (…, \\*sizes) and w of shape (…, \\*sizes), differentiable in both.

    The leading axes broadcast. Errors are those of `prepare_kernel` and `convolve`, and `TypeError` for what is no torch
    tensor. Where the kernel stays the same over many calls and needs no gradient, prepare it once instead.
    """
    for name, tensor in (("x", x), ("w", w)):
        if library(tensor) != "torch":
            raise TypeError(f"{name} must be a torch tensor, got a {library(tensor)} array; only torch keeps gradients")
    result: torch.Tensor = _Convolve.apply(x, w, schedule, runtime)
    return result


class _Convolve(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, x: torch.Tensor, w: torch.Tensor, schedule: Schedule, runtime: Runtime | None
    ) -> torch.Tensor:
        ctx.save_for_backward(x, w)
        ctx.schedule, ctx.runtime = schedule, runtime
        result: torch.Tensor = convolve(x.detach(), prepare_kernel(w.detach(), schedule), runtime=runtime)
        return result

    @staticmethod
    def backward(ctx: Any, *gradients: torch.Tensor) -> tuple[torch.Tensor | None, torch.Tensor | None, None, None]:
        (gradient,) = gradients
        x, w = ctx.saved_tensors
        rank = len(ctx.schedule.sizes)
        of_x = of_w = None
        if ctx.needs_input_grad[0]:
            adjoint = _Convolve.apply(gradient, _reversed(w, rank).conj().resolve_conj(), ctx.schedule, ctx.runtime)
            of_x = adjoint.sum_to_size(x.shape)
        if ctx.needs_input_grad[1]:
            of_w = _correlated(gradient, x, w.shape, rank)
        return of_x, of_w, None, None


def _reversed(w: torch.Tensor, rank: int) -> torch.Tensor:
    """w[−t] along the last `rank` axes."""
    axes = tuple(range(-rank, 0))
    return torch.roll(torch.flip(w, axes), (1,) * rank, axes)


def _correlated(gradient: torch.Tensor, x: torch.Tensor, shape: torch.Size, rank: int) -> torch.Tensor:
    """Σ_i gradient[i]·conj(x[i − t]) at each t, summed over the leading axes to `shape`."""
    axes = tuple(range(-rank, 0))
    if x.is_complex():
        product = torch.fft.fftn(gradient, dim=axes) * torch.fft.fftn(x, dim=axes).conj()
        of_w: torch.Tensor = torch.fft.ifftn(product.sum_to_size(shape), dim=axes)
    else:
        product = torch.fft.rfftn(gradient, dim=axes) * torch.fft.rfftn(x, dim=axes).conj()
        halves = torch.Size((*shape[:-rank], *product.shape[-rank:]))
        of_w = torch.fft.irfftn(product.sum_to_size(halves), s=shape[-rank:], dim=axes)
    return of_w
