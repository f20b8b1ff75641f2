"""Eager calls of which torch records gradients: forward by the plan, backward block by block, all in memory of the CPU.

Nothing is saved beside the operands. Gradients of gradients, and those that torch maps or watches, are those of the
operation `equiconv::circular_convolve`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from equiconv.arrays import Array
from equiconv.convolution.fourier import embed_kernel
from equiconv.convolution.geometry import Geometry
from equiconv.convolution.gradients import gradients_by_blocks, gradients_by_matrix, gradients_by_taps, taps_of
from equiconv.convolution.multipliers import usual_peaks
from equiconv.convolution.plain import Host, host, is_bare, is_plain, is_watched
from equiconv.convolution.portable import aligned_shape, convolve_short, sum_to_signal

if TYPE_CHECKING:
    from equiconv.convolution.planning import Plan

__all__ = ["SHORT", "is_recordable", "record", "record_short"]

# Up to this many samples torch's own transforms take less than the calls of a backward pass in Python.
SHORT = 2**16
_SHORT = {"fourier": SHORT, "dense": 2**13}


def is_recordable(plan: Plan, x: Array, w: Array) -> bool:
    """Whether a call records a gradient that this module finds."""
    if not (isinstance(x, Tensor) and isinstance(w, Tensor) and torch.is_grad_enabled()):
        return False
    return (
        (x.requires_grad or w.requires_grad)
        and plan.method != "definition"
        and plan.dtype == plan.result_dtype
        and not is_watched()
        and is_bare(x)
        and is_bare(w)
        and x.is_cpu
        and w.is_cpu
        and 0 not in (*x.shape, *w.shape)
        and (plan.method == "direct" or plan.gradient_engine is not None)
    )


def record(plan: Plan, x: Tensor, w: Tensor, compute: Callable[[], Array]) -> Tensor:
    """`compute()`, the convolution of x with w, with its gradients recorded."""
    short = record_short(plan, x, w)
    if short is not None:
        return short
    # a tensor of inference mode cannot be saved for the backward pass, a copy of it can
    x, w = (t.clone() if t.is_inference() else t for t in (x, w))
    y: Tensor = _Convolution.apply(plan, compute, x, w)
    return y


def record_short(plan: Plan, x: Tensor, w: Tensor) -> Tensor | None:
    """The same by torch's own transforms, where that takes less."""
    if not (x.numel() <= _SHORT.get(plan.method, 0) and _is_simple(plan, x) and _is_usual(plan, w)):
        return None
    x, w = (t.clone() if t.is_inference() else t for t in (x, w))
    return convolve_short(x, w, plan.origin, correlate=plan.correlate)


def _is_simple(plan: Plan, x: Tensor) -> bool:
    g = plan.geometry
    no_wrap = all(m <= n for m, n in zip(g.kernel_sizes, g.sizes, strict=True))
    return g.alone and g.is_last and no_wrap and not (plan.correlate and x.is_complex())


def _is_usual(plan: Plan, w: Tensor) -> bool:
    """Whether the entries of w are neither so small nor so large that its spectrum would have to be scaled."""
    least, most, _ = usual_peaks(plan.dtype, math.prod(plan.sizes))
    return bool(least <= np.abs(host(w)).max() <= most)


class _Convolution(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, plan: Plan, compute: Callable[[], Tensor], x: Tensor, w: Tensor) -> Tensor:
        ctx.plan = plan
        ctx.save_for_backward(x, w)
        return compute()

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        x, w = ctx.saved_tensors
        of_x, of_w = ctx.needs_input_grad[2:]
        if torch.is_grad_enabled() or not (is_plain(grad) and is_plain(x) and is_plain(w)):
            return None, None, *_by_operations(ctx.plan, grad, x, w, of_x=of_x, of_w=of_w)
        return None, None, *_at_once(ctx.plan, host(grad), host(x), host(w), of_x=of_x, of_w=of_w)


def _by_operations(
    plan: Plan, grad: Tensor, x: Tensor, w: Tensor, *, of_x: bool, of_w: bool
) -> tuple[Tensor | None, Tensor | None]:
    axes, origin, correlate = list(plan.axes), list(plan.origin), plan.correlate
    kernel_shape = aligned_shape(w.shape, axes)
    method = "direct" if plan.method == "direct" else "fourier"  # sums stay sums, which are exact on small integers
    operations = torch.ops.equiconv  # of the module `operation`, which is made of this one
    grad_x = grad_w = None
    if of_x:
        every = operations.circular_convolve(grad, w.conj(), axes, origin, not correlate, method)
        grad_x = sum_to_signal(every, x.shape, kernel_shape, axes)
    if of_w:
        found = operations.circular_convolve_kernel_adjoint(
            grad, x.conj(), kernel_shape, axes, origin, correlate, method
        )
        grad_w = found.reshape(w.shape)
    return grad_x, grad_w


def _at_once(
    plan: Plan, grad: Host, x: Host, w: Host, *, of_x: bool, of_w: bool
) -> tuple[Tensor | None, Tensor | None]:
    shapes, levels = plan.geometry, len(plan.sizes)
    last = tuple(range(-levels, 0))
    g = np.moveaxis(grad, shapes.axes, last)
    signals = np.broadcast_to(np.moveaxis(x, shapes.axes, last), g.shape)
    kernels = w if shapes.alone else np.moveaxis(w, shapes.axes, last)
    if plan.method == "direct":
        kernels = kernels if shapes.alone else kernels.reshape((1,) * (g.ndim - kernels.ndim) + kernels.shape)
        grad_x, taps = gradients_by_taps(
            signals, g, kernels, plan.origin, correlate=plan.correlate, of_x=of_x, of_w=of_w
        )
        return _of_signal(grad_x, x.shape, shapes.axes), _of_kernel(taps, w.shape, shapes)
    u = embed_kernel(kernels, plan.sizes, plan.origin, correlate=plan.correlate)
    if plan.method == "dense" and math.prod(u.shape[: u.ndim - levels]) == 1:
        grad_x, grad_u = gradients_by_matrix(signals, g, u, levels, of_x=of_x, of_u=of_w)
    else:
        engine = plan.gradient_engine
        assert engine is not None
        grad_x, grad_u = gradients_by_blocks(signals, g, u, levels, engine, plan.threads, of_x=of_x, of_u=of_w)
    taps = None
    if grad_u is not None:
        taps = taps_of(grad_u, shapes.kernel_sizes, plan.origin, correlate=plan.correlate)
    return _of_signal(grad_x, x.shape, shapes.axes), _of_kernel(taps, w.shape, shapes)


def _of_signal(grad: Host | None, shape: Sequence[int], axes: Sequence[int]) -> Tensor | None:
    """The gradient of a signal of this shape, by that of the signals that it was broadcast to, whose axes come last."""
    if grad is None:
        return None
    whole, rank = np.moveaxis(grad, range(-len(axes), 0), axes), len(shape)
    over = tuple(a for a in range(-rank, 0) if shape[a] != whole.shape[a])
    whole = whole.sum(axis=over, keepdims=True) if over else whole
    whole = whole.sum(axis=tuple(range(whole.ndim - rank))) if whole.ndim > rank else whole
    return torch.from_numpy(np.ascontiguousarray(whole))


def _of_kernel(taps: Host | None, shape: Sequence[int], shapes: Geometry) -> Tensor | None:
    """The gradient of a kernel of this shape, by that of its taps, whose axes come last."""
    if taps is None:
        return None
    if not shapes.alone:
        moved = np.moveaxis(np.empty(shape, dtype=bool), shapes.axes, range(-len(shapes.axes), 0)).shape
        taps = np.moveaxis(taps.reshape(moved), range(-len(shapes.axes), 0), shapes.axes)
    return torch.from_numpy(np.ascontiguousarray(taps.reshape(tuple(shape))))
