"""Running a plan: on the CPU through NumPy's view of the memory, elsewhere through the array library's own operations.

A kernel is prepared once (its spectrum, its matrix, or its taps as numbers), and then meets signals. `execute` does both
for one signal; `PreparedConvolution` keeps the kernel.
"""

from __future__ import annotations

import itertools
import math
import operator
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
import torch
from torch.autograd.graph import increment_version

from equiconv.arrays import Array, device, dtype_name, library, namespace, require_floating
from equiconv.convolution.blocks import BlockedProduct
from equiconv.convolution.dense import DenseProduct
from equiconv.convolution.engines.base import is_regular
from equiconv.convolution.fourier import embed_kernel
from equiconv.convolution.fused import convolve_fused, prepare_fused
from equiconv.convolution.geometry import geometry, long_axes
from equiconv.convolution.multipliers import kernel_multiplier
from equiconv.convolution.plain import Host, host, is_plain
from equiconv.convolution.portable import convolve_by_library
from equiconv.convolution.recorded import is_recordable, record
from equiconv.convolution.stencil import Stencil
from equiconv.convolution.tiles import TiledProduct, tiled_spectra

if TYPE_CHECKING:
    from equiconv.convolution.planning import Plan

__all__ = ["PreparedConvolution", "execute", "run"]

# Up to this many samples calls count as much as what they do.
_SHORT = 2**16

Kernel: TypeAlias = Callable[[Host, Host], None]


class PreparedConvolution:
    """The convolution with one kernel, made by `Plan.prepare`: call it with signals, as often as you like.

    Signals have the sizes of the plan along the convolved axes, its number of axes, its library, device and dtype; there
    may be any number of them. One object may be called from several threads at once.

    >>> import numpy as np
    >>> from equiconv import plan
    >>> smooth = plan((4,), (2,)).prepare(np.array([0.5, 0.5]))
    >>> out = np.empty(4)
    >>> smooth(np.array([1.0, 2.0, 3.0, 4.0]), out=out) is out, out
    (True, array([2.5, 1.5, 2.5, 3.5]))
    """

    def __init__(self, plan: Plan, w: Array) -> None:
        _require_operand(plan, w, "w")
        if tuple(w.shape) != plan.geometry.w_shape:
            raise ValueError(f"w must have the plan's shape {plan.geometry.w_shape}, got {tuple(w.shape)}")
        if _requires_grad(w):
            raise ValueError(
                "w requires a gradient, which a prepared kernel would lose; pass w.detach(), or use "
                "equiconv.circular_convolve, which is differentiable"
            )
        self.plan = plan
        # in inference mode the copy could not be used by a call that records a gradient
        with torch.inference_mode(False):
            self._w = namespace(w).asarray(w, copy=True)
        self._kernel = _prepared(plan, host(self._w)) if _is_fast(plan, w) else None
        self._fused = prepare_fused(plan, w) if plan.engine == "fused" else None
        if isinstance(self._kernel, BlockedProduct):
            self._kernel.keep = True
        self._seen: tuple[tuple[int, ...] | None, tuple[int, ...], list[Callable[[Host], Host]]] = None, (), []
        self._dtype = np.dtype(plan.dtype) if self._kernel is not None and plan.dtype == plan.result_dtype else None

    def __reduce__(self) -> tuple[type[PreparedConvolution], tuple[Plan, Array]]:
        # Copies and pickles are made anew: transforms own plans and buffers that refer to each other by address.
        return PreparedConvolution, (self.plan, self._w)

    def __repr__(self) -> str:
        p = self.plan
        return f"PreparedConvolution({p.geometry.w_shape} along {p.axes} of {p.geometry.x_shape}, {p.chosen.name})"

    def __call__(self, x: Array, out: Array | None = None) -> Array:
        """The convolution of `x` with the prepared kernel.

        Parameters
        ----------
        x : the signals, (*batch, …) with the plan's sizes along the convolved axes.
        out : where to write the result, an array of its shape, library, device and dtype. It may be x itself where the
            result has its shape, and may not overlap with it otherwise.

        Raises `TypeError` for another library or dtype, `ValueError` for another device, other sizes, batches that do
        not broadcast, or an `out` that does not fit.
        """
        seen, strides, singles = self._seen  # read at once: another thread may meet another shape meanwhile
        if type(x) is np.ndarray and x.shape == seen and x.dtype == self._dtype and self._kernel is not None:
            # seen before: only what `out` is remains to be looked at
            if out is None:
                try:
                    single = singles.pop()  # no other thread has it
                except IndexError:
                    out = np.empty(x.shape, dtype=self._dtype)
                else:
                    y = single(x)
                    singles.append(single)
                    return y
            elif not (_is_simple(out, x) and out.strides == strides):
                return self._checked(x, out)
            self._kernel(x, out)
            return out
        return self._checked(x, out)

    def _checked(self, x: Array, out: Array | None) -> Array:
        _require_operand(self.plan, x, "x")
        shape = _result_shape(self.plan, x)
        if out is not None:
            _require_out(self.plan, x, out, shape)
        if self._kernel is None or not is_plain(x):
            if self._fused is not None:
                kernel = self._w if _requires_grad(x) else self._fused
                return _stored(convolve_fused(self.plan, x, kernel), out)
            kept = self._kernel
            if kept is not None and out is None and is_recordable(self.plan, x, self._w):
                return record(self.plan, x, self._w, lambda: _run(self.plan, kept, x.detach(), shape, None))
            return _stored(_by_library(self.plan, x, self._w), out)
        y = _run(self.plan, self._kernel, x, shape, out)
        # the shortest way next time: a plain array whose axes need not be moved
        simple = type(x) is np.ndarray and x.size and x.dtype.isnative
        if simple and self.plan.geometry.is_last and shape == x.shape != self._seen[0]:
            kernel, single = self._kernel, None
            if x.size <= _SHORT and isinstance(kernel, (BlockedProduct, DenseProduct)):
                single = kernel.single(x.shape)
            # an axis of one sample may have any stride, which torch minds: `out` is to have those of new memory
            strides = tuple(itertools.accumulate(x.shape[:0:-1], operator.mul, initial=x.itemsize))[::-1]
            self._seen = x.shape, strides, [] if single is None else [single]
        return y


def execute(plan: Plan, x: Array, w: Array, out: Array | None = None) -> Array:
    """The convolution of `x` with `w` by the plan, for shapes and arrays that fit it."""
    _require_operand(plan, x, "x")
    _require_operand(plan, w, "w")
    if tuple(w.shape) != plan.geometry.w_shape:
        raise ValueError(f"w must have the plan's shape {plan.geometry.w_shape}, got {tuple(w.shape)}")
    shape = _result_shape(plan, x)
    if out is not None:
        _require_out(plan, x, out, shape)
    return run(plan, x, w, out)


def run(plan: Plan, x: Array, w: Array, out: Array | None = None) -> Array:
    """`execute` on operands that are known to fit the plan."""
    if not (_is_fast(plan, w) and is_plain(x)):
        if out is None and is_recordable(plan, x, w):
            return record(plan, x, w, lambda: run(plan, x.detach(), w.detach()))
        by = convolve_fused if plan.engine == "fused" else _by_library
        return _stored(by(plan, x, w), out)
    if plan.once is not None and out is None and x.shape == plan.geometry.x_shape:  # a plan serves other batches too
        y = plan.once(host(x), host(w))
        if y is not None:
            return torch.from_numpy(y) if isinstance(x, torch.Tensor) else y
    return _run(plan, _prepared(plan, host(w)), x, _result_shape(plan, x), out)


# ---------------------------------------------------------------------------------------------------------------------
# The CPU
# ---------------------------------------------------------------------------------------------------------------------


def _is_fast(plan: Plan, w: Array) -> bool:
    fast = plan.method in ("direct", "dense") or bool(plan.chosen.layout)
    return fast and is_plain(w)


def _prepared(plan: Plan, w: Host) -> Kernel:
    """What the method needs of the kernel, as a function that writes the convolution of its first argument to its second.

    The convolved axes of both come last, and their other axes are those of the result.
    """
    g, levels = plan.geometry, len(plan.sizes)
    w = w.astype(plan.dtype, copy=False)
    if not g.alone:
        w = np.moveaxis(w, g.axes, range(-levels, 0))
        w = w.reshape((1,) * (len(g.shape) - w.ndim) + w.shape)
    if w.size == 0:
        return lambda x, out: None  # noqa: ARG005 (an empty batch)
    if plan.method == "direct":
        return Stencil(np.array(w), plan.sizes, plan.origin, correlate=plan.correlate)
    u = embed_kernel(w, plan.sizes, plan.origin, correlate=plan.correlate)
    if plan.method == "dense":
        return DenseProduct(u, plan.sizes)
    sizes, grid = plan.sizes, plan.chosen.grid
    if len(long := long_axes(grid)) < levels and math.prod(grid) > _SHORT:
        sizes, grid = tuple(sizes[a] for a in long), tuple(grid[a] for a in long)
        product = _spectral(plan, u.reshape(*u.shape[: u.ndim - levels], *sizes), sizes, grid)

        def without_short_axes(x: Host, out: Host) -> None:
            # views, whatever the strides: an axis of one entry has none
            batch = x.shape[: x.ndim - levels]
            product(x.reshape(*batch, *sizes), out.reshape(*batch, *sizes))

        return without_short_axes
    return _spectral(plan, u, sizes, grid)


def _spectral(plan: Plan, u: Host, sizes: tuple[int, ...], grid: tuple[int, ...]) -> Kernel:
    """The product with the spectrum of u, a kernel on the signals' own grid."""
    levels, threads, engine, measured = len(grid), plan.threads, plan.engine, plan.effort == "measure"
    product: BlockedProduct | TiledProduct
    if plan.chosen.layout == "blocks":
        multiplier, scale = kernel_multiplier(u, levels, grid, engine, threads, measured=measured)
        product = BlockedProduct(multiplier, sizes, grid, plan.dtype, engine, threads, measured=measured)
    else:
        multiplier, scale = kernel_multiplier(
            u, levels, grid, engine, threads, measured=measured, transform=tiled_spectra
        )
        product = TiledProduct(multiplier, sizes, grid, plan.dtype, engine, threads, measured=measured, ordered=True)
    if scale is None:
        return product

    def scaled(x: Host, out: Host) -> None:
        product(x, out)
        np.multiply(out, scale, out=out)

    return scaled


def _run(plan: Plan, kernel: Kernel, x: Array, shape: tuple[int, ...], out: Array | None) -> Array:
    source = host(x)
    narrow = plan.dtype != plan.result_dtype
    if narrow:
        source = source.astype(plan.dtype, copy=False)
    direct = out is not None and not narrow and (_is_host(out) if isinstance(out, torch.Tensor) else _is_native(out))
    result = host(out) if direct and out is not None else np.empty(shape, dtype=plan.dtype)
    if result.size:
        g = plan.geometry
        source = np.broadcast_to(source, shape) if source.shape != shape else source
        if g.is_last:
            kernel(source, result)
        else:
            last = range(-len(g.axes), 0)
            kernel(np.moveaxis(source, g.axes, last), np.moveaxis(result, g.axes, last))
    if direct:
        if isinstance(out, torch.Tensor) and not out.is_inference():
            increment_version(out)  # what autograd has saved of it is no longer what it was
        return out
    y: Array = torch.from_numpy(result).to(x.dtype) if isinstance(x, torch.Tensor) else result
    if narrow and isinstance(x, np.ndarray):
        y = y.astype(plan.result_dtype)
    return _stored(y, out)


# ---------------------------------------------------------------------------------------------------------------------
# Any library, differentiable where it is
# ---------------------------------------------------------------------------------------------------------------------


def _by_library(plan: Plan, x: Array, w: Array) -> Array:
    sums = plan.method in ("definition", "direct")
    return convolve_by_library(x, w, plan.geometry, plan.origin, correlate=plan.correlate, sums=sums)


# ---------------------------------------------------------------------------------------------------------------------
# What fits a plan
# ---------------------------------------------------------------------------------------------------------------------


def _require_operand(plan: Plan, x: Array, name: str) -> None:
    require_floating(x, name)
    if library(x) != plan.library:
        raise TypeError(f"{name} must be a {plan.library} array, as the plan was made for, got one of {library(x)}")
    if dtype_name(x.dtype) != plan.result_dtype:
        raise TypeError(
            f"{name} must be {plan.result_dtype}, as the plan was made for, got {dtype_name(x.dtype)}; convert it, or "
            f"make a plan for that dtype"
        )
    place = str(device(x))
    if plan.device not in (place, place.partition(":")[0]):
        raise ValueError(f"{name} must be on {plan.device}, as the plan was made for, got one on {device(x)}")


def _result_shape(plan: Plan, x: Array) -> tuple[int, ...]:
    g = plan.geometry
    if tuple(x.shape) == g.x_shape:
        return g.shape
    sizes = tuple(x.shape[a] for a in g.axes) if x.ndim == len(g.x_shape) else None
    if sizes != g.sizes:
        raise ValueError(
            f"x must have {len(g.x_shape)} axes and sizes {g.sizes} along axes {g.axes}, as the plan was made for, got "
            f"shape {tuple(x.shape)}"
        )
    return geometry(x.shape, g.w_shape, g.axes).shape


def _require_out(plan: Plan, x: Array, out: Array, shape: tuple[int, ...]) -> None:
    _require_operand(plan, out, "out")
    if tuple(out.shape) != shape:
        raise ValueError(f"out must have the shape of the result, {shape}, got {tuple(out.shape)}")
    if isinstance(out, torch.Tensor):
        if _requires_grad(out) or _requires_grad(x):
            raise ValueError("out= records no gradient; leave it out, or call with detached tensors")
        repeats = any(s == 0 and n > 1 for s, n in zip(out.stride(), out.shape, strict=True))
        # anything else than memory is computed in memory of its own first
        first, second = (host_memory(x), host_memory(out)) if _is_host(x) and _is_host(out) else (None, None)
    elif isinstance(out, np.ndarray):
        if not out.flags.writeable:
            raise ValueError("out is read-only; pass an array that may be written")
        repeats = any(s == 0 and n > 1 for s, n in zip(out.strides, out.shape, strict=True))
        first, second = x, out
    else:
        return
    if repeats and 0 not in shape:
        raise ValueError("out repeats memory (an expanded or broadcast array); pass one with memory of its own")
    if first is None or second is None or _is_same(first, second) or not np.may_share_memory(first, second):
        return
    if np.shares_memory(first, second):
        raise ValueError("out overlaps x without being x; pass memory of its own, or x itself")


def _is_simple(out: Array, x: Host) -> bool:
    """Whether `out` fits `x`, but for its strides: for anything else there are the full checks."""
    return (
        type(out) is np.ndarray
        and out.shape == x.shape
        and out.dtype == x.dtype
        and out.flags.behaved
        and not np.may_share_memory(x, out)
    )


def _is_native(x: Host) -> bool:
    # torch takes no negative strides
    return x.dtype.isnative and is_regular(x) and all(stride >= 0 for stride in x.strides)


def _is_host(x: torch.Tensor) -> bool:
    """Whether NumPy can see the memory of a tensor, and sees what the tensor means."""
    return (
        type(x) in (torch.Tensor, torch.nn.Parameter)
        and x.device.type == "cpu"
        and x.layout == torch.strided
        and not (x.is_conj() or x.is_neg())
        and not torch._C._functorch.is_functorch_wrapped_tensor(x)
    )


def host_memory(x: torch.Tensor) -> Host:
    """NumPy's view of a tensor's memory, whatever its dtype."""
    as_integers = {torch.float16: torch.int16, torch.bfloat16: torch.int16, torch.complex32: torch.int32}.get(x.dtype)
    x = x.detach()
    array: Host = (x if as_integers is None else x.view(as_integers)).numpy()
    return array


def _is_same(x: Host, out: Host) -> bool:
    same = x.__array_interface__["data"][0] == out.__array_interface__["data"][0]
    return same and x.shape == out.shape and x.strides == out.strides


def _stored(y: Array, out: Array | None) -> Array:
    if out is None:
        return y
    out[...] = y
    return out


def _requires_grad(x: Array) -> bool:
    return isinstance(x, torch.Tensor) and x.requires_grad and torch.is_grad_enabled()
