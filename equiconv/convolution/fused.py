"""The plan's way to the fused CUDA kernel: axes moved last, kernels embedded, gradients where they are asked for.

No GPU has run the kernel yet: its source is executed on the CPU by the tests. Until `make gpu-check` has passed on one it
is taken only where a caller asks for it (`engine="fused"`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from equiconv.arrays import Array, namespace, promote
from equiconv.convolution import cuda
from equiconv.convolution.fourier import embed_kernel

if TYPE_CHECKING:
    from equiconv.convolution.planning import Plan

__all__ = ["convolve_fused", "prepare_fused"]

# What runs the kernel: None for the GPU that holds the signal.
_runtime: cuda.execution.Runtime | None = None


def prepare_fused(plan: Plan, w: Array) -> cuda.PreparedKernel:
    """The kernel `w` in the form that the fused kernel reads.

    Raises `ValueError`, with the reason, for sizes that the device has no room for, and `ImportError` without CuPy.
    """
    return cuda.prepare_kernel(_embedded(plan, w), _schedule(plan, w))


def convolve_fused(plan: Plan, x: Array, w: Array | cuda.PreparedKernel) -> Array:
    """The convolution of `x` with `w`, an array or prepared; gradients flow to x and to an array w."""
    (x,), dtype = promote(x)
    xp, axes, last = namespace(x), plan.axes, tuple(range(-len(plan.axes), 0))
    moved = xp.moveaxis(x, axes, last)
    if isinstance(w, cuda.PreparedKernel):
        y = cuda.convolve(moved, w, runtime=_runtime)
    elif isinstance(x, torch.Tensor) and torch.is_grad_enabled() and (x.requires_grad or w.requires_grad):
        y = cuda.convolve_with_gradient(moved, _embedded(plan, w), _schedule(plan, w), runtime=_runtime)
    else:
        y = cuda.convolve(moved, prepare_fused(plan, w), runtime=_runtime)
    return xp.astype(xp.moveaxis(y, last, axes), dtype, copy=False)


def _embedded(plan: Plan, w: Array) -> Array:
    (w,), _ = promote(w)
    if not plan.geometry.alone:
        w = namespace(w).moveaxis(w, plan.axes, tuple(range(-len(plan.axes), 0)))
    return embed_kernel(w, plan.sizes, plan.origin, correlate=plan.correlate)


def _schedule(plan: Plan, w: Array) -> cuda.Schedule:
    found = cuda.find_schedule(plan.sizes, plan.dtype, limits=cuda.device_limits(w))
    if isinstance(found, cuda.Unsupported):
        raise ValueError(f"the fused kernel cannot convolve signals of {plan.sizes}: {found.reason}; use engine='auto'")
    return found
