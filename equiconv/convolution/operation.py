"""Circular convolution as a custom operation of torch, for programs that are compiled or exported.

    equiconv::circular_convolve(Tensor x, Tensor w, int[] axes, SymInt[] origin, bool correlate, str method) -> Tensor

    y[i] = Σ_t w[t]·x[i − t + origin], or Σ_t w[t]·x[i + t − origin] with `correlate`

`axes` are negative and increasing, and `origin` has one entry for each; x and w have one dtype. Otherwise operands and
result are those of `equiconv.circular_convolve`, which makes them so. Because it is one operation, a graph keeps it whole,
with sizes that may be symbolic, and how it is computed is planned where it runs, on the sizes that it meets there.

**Gradients.** T(x, w, g) = Σ g·convolve(x, w) is linear in each argument. ∂T/∂x is the correlation of g with w (the
convolution, for a correlation), summed over the axes along which x was broadcast; ∂T/∂w is an operation of its own,
`equiconv::circular_convolve_kernel_adjoint`, whose gradients are convolutions and correlations again: so there are
gradients of every order. None conjugates; the gradients do, by torch's convention for complex numbers.

Inside `torch.func` derivatives, and where an operand has a tangent (forward-mode derivatives), the operation is
differentiated as what it is made of, `expand_convolution`: gradients that are registered with `torch.library` refuse the
former, and drop the latter without a word. Eager calls do not come here.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache
from typing import Any, cast, get_args

import torch
from torch import Tensor

from equiconv.arrays import Array, Device, device, dtype_name, library, normalize_axes, promote, require_floating
from equiconv.convolution.geometry import Geometry, lay_out
from equiconv.convolution.planning import Method, Plan, normalize_origins, plan
from equiconv.convolution.portable import (
    aligned_shape,
    convolve_by_library,
    kernel_adjoint_by_library,
    sum_to_signal,
)
from equiconv.convolution.prepared import run

__all__ = [
    "are_integers",
    "circular_convolve_op",
    "convolve_planned",
    "convolve_traced",
    "expand_convolution",
    "expand_kernel_adjoint",
    "kernel_adjoint_op",
]

_SUMS = ("definition", "direct")
_FLOATING = frozenset(
    {
        torch.float16,
        torch.bfloat16,
        torch.float32,
        torch.float64,
        torch.complex32,
        torch.complex64,
        torch.complex128,
    }
)
# Integers of a schema have 64 bits.
_LARGEST_ORIGIN = 2**62


# ---------------------------------------------------------------------------------------------------------------------
# What is computed, where sizes are numbers
# ---------------------------------------------------------------------------------------------------------------------


def convolve_planned(
    x: Array, w: Array, axes: int | Iterable[int], origin: int | Iterable[int], method: Method, *, correlate: bool
) -> Array:
    """The convolution of arrays of one library, device and dtype, by the plan for their shapes."""
    return run(_plan_for(x, tuple(w.shape), axes, origin, method, correlate), x, w)


def _plan_for(
    x: Array,
    w_shape: tuple[int, ...],
    axes: int | Iterable[int],
    origin: int | Iterable[int],
    method: Method,
    correlate: bool,
) -> Plan:
    known = are_integers(axes) and are_integers(origin) and type(method) is str
    return (cast(Callable[..., Plan], _planned) if known else _plan)(
        tuple(map(int, x.shape)),
        tuple(map(int, w_shape)),
        axes,
        origin,
        dtype_name(x.dtype),
        method,
        correlate,
        library(x),
        device(x),
        torch.get_num_threads(),
    )


def _plan(
    x_shape: tuple[int, ...],
    w_shape: tuple[int, ...],
    axes: int | Iterable[int],
    origin: int | Iterable[int],
    dtype: str,
    method: Method,
    correlate: bool,
    array_library: str,
    place: Device,
    threads: int,
) -> Plan:
    return plan(
        x_shape,
        w_shape,
        axes,
        dtype,
        method,
        origin=origin,
        correlate=correlate,
        library=array_library,
        device=place,
        threads=threads,
        once=True,
    )


_planned = lru_cache(maxsize=512)(_plan)


def are_integers(value: int | Iterable[int]) -> bool:
    """Integers themselves: what only equals one (True, for 1) must not find the plan of another call."""
    return type(value) is int or (type(value) is tuple and all(type(v) is int for v in value))


# ---------------------------------------------------------------------------------------------------------------------
# The call that is traced
# ---------------------------------------------------------------------------------------------------------------------


def convolve_traced(
    x: Tensor, w: Tensor, axes: int | Iterable[int], origin: int | Iterable[int], method: Method, *, correlate: bool
) -> Tensor:
    """`circular_convolve` of tensors that a compiler or an export traces: checks, and one operation.

    The checks are Python that torch.compile follows, rather than the fake kernel's, so that without `fullgraph` they
    raise what they raise in eager calls. Sizes may be symbolic, and nothing of them is remembered.
    """
    for operand, name in ((x, "x"), (w, "w")):
        if operand.dtype not in _FLOATING:
            require_floating(operand, name)
    if x.device != w.device:
        raise ValueError(
            f"the arrays are on different devices ({x.device}, {w.device}); move them to one first, for instance with "
            f"x.to(device)"
        )
    if x.dtype != w.dtype:
        dtype = torch.promote_types(x.dtype, w.dtype)
        x, w = x.to(dtype), w.to(dtype)
    along = tuple(axes) if isinstance(axes, Iterable) else (axes,)
    along = normalize_axes(along, x.ndim)
    shapes = lay_out(tuple(x.shape), tuple(w.shape), along)
    origins = list(normalize_origins(origin, along))
    for position, o in enumerate(origins):
        if not -_LARGEST_ORIGIN < o < _LARGEST_ORIGIN:
            origins[position] = o % shapes.sizes[position]
    if method not in get_args(Method):
        raise ValueError(f"method must be one of {', '.join(map(repr, get_args(Method)))}, got {method!r}")
    # Asking for the level makes a compiled program ask at each call: none drops the tangents of a later one.
    if torch.autograd.forward_ad._current_level >= 0:
        return _expanded(x, w, shapes, origins, correlate=correlate, sums=method in _SUMS)
    y: Tensor = circular_convolve_op(x, w, list(shapes.axes), origins, correlate, method)
    return y


# ---------------------------------------------------------------------------------------------------------------------
# The two operations: what they compute, and the shapes of their results
# ---------------------------------------------------------------------------------------------------------------------


_LIBRARY = torch.library.Library("equiconv", "FRAGMENT")  # type: ignore[no-untyped-call]
_LIBRARY.define(  # type: ignore[no-untyped-call]
    "circular_convolve(Tensor x, Tensor w, int[] axes, SymInt[] origin, bool correlate, str method) -> Tensor",
    tags=(torch.Tag.pt2_compliant_tag,),
)
_LIBRARY.define(  # type: ignore[no-untyped-call]
    "circular_convolve_kernel_adjoint(Tensor grad, Tensor x, SymInt[] kernel_shape, int[] axes, SymInt[] origin, "
    "bool correlate, str method) -> Tensor",
    tags=(torch.Tag.pt2_compliant_tag,),
)
circular_convolve_op = torch.ops.equiconv.circular_convolve.default
kernel_adjoint_op = torch.ops.equiconv.circular_convolve_kernel_adjoint.default


def _convolution(
    x: Tensor, w: Tensor, axes: Sequence[int], origin: Sequence[int], correlate: bool, method: str
) -> Tensor:
    _require(x, w, axes, origin)
    y: Tensor = convolve_planned(x, w, tuple(axes), tuple(origin), cast(Method, method), correlate=correlate)
    return y.contiguous()


def _kernel_adjoint(grad: Tensor, x: Tensor, kernel_shape: Sequence[int], *arguments: Any) -> Tensor:
    return expand_kernel_adjoint(grad, x, kernel_shape, *arguments).contiguous()


def _fake_convolution(
    x: Tensor,
    w: Tensor,
    axes: Sequence[int],
    origin: Sequence[int],
    correlate: bool,  # noqa: ARG001
    method: str,  # noqa: ARG001
) -> Tensor:
    return x.new_empty(_require(x, w, axes, origin).shape)


def _fake_kernel_adjoint(grad: Tensor, x: Tensor, kernel_shape: Sequence[int], *arguments: Any) -> Tensor:  # noqa: ARG001
    return grad.new_empty(tuple(kernel_shape))


def _require(x: Tensor, w: Tensor, axes: Sequence[int], origin: Sequence[int]) -> Geometry:
    """What `convolve_traced` has seen to, for those who call the operation itself."""
    if x.dtype != w.dtype:
        raise TypeError(f"x and w must have one dtype, got {x.dtype} and {w.dtype}; convert one of them")
    ordered = all(a < b for a, b in itertools.pairwise((*axes, 0)))
    if not axes or not ordered or axes[0] < -x.ndim or len(origin) != len(axes):
        raise ValueError(
            f"axes must be negative, increasing and axes of x, with one origin for each, got axes {list(axes)} and "
            f"{len(origin)} origins for x of shape {tuple(x.shape)}; or call equiconv.circular_convolve"
        )
    return lay_out(tuple(x.shape), tuple(w.shape), tuple(a + x.ndim for a in axes))


# ---------------------------------------------------------------------------------------------------------------------
# The same, made of torch's own operations
# ---------------------------------------------------------------------------------------------------------------------


def expand_convolution(
    x: Tensor, w: Tensor, axes: Sequence[int], origin: Sequence[int], correlate: bool, method: str
) -> Tensor:
    """What `equiconv::circular_convolve` computes, in torch's operations: rolls and products, or Fourier transforms.

    It serves `run_decompositions`, for whoever reads graphs in which only torch's operations have a meaning. Arguments,
    result and errors are those of the operation: `TypeError` for two dtypes, `ValueError` for axes that are not negative,
    increasing and of x, and for shapes that do not broadcast.

    >>> expand_convolution(torch.tensor([1.0, 2.0, 3.0]), torch.tensor([0.0, 1.0]), [-1], [0], False, "definition")
    tensor([3., 1., 2.])
    """
    shapes = _require(x, w, axes, origin)
    sums = method in _SUMS
    if _known(*x.shape, *w.shape, *origin):
        # as an eager call that records a gradient does
        chosen = _plan_for(x, tuple(w.shape), tuple(axes), tuple(origin), cast(Method, method), correlate)
        sums, origin = chosen.method in _SUMS, chosen.origin
    return _expanded(x, w, shapes, origin, correlate=correlate, sums=sums)


def _expanded(x: Tensor, w: Tensor, shapes: Geometry, origin: Sequence[int], *, correlate: bool, sums: bool) -> Tensor:
    if sums or _known(*shapes.sizes, *shapes.kernel_sizes, *origin):
        y: Tensor = convolve_by_library(x, w, shapes, origin, correlate=correlate, sums=sums)
        return y
    # the same with sizes of which nothing is asked, not even which is larger
    (x, w), dtype = promote(x, w)
    axes, last = shapes.axes, tuple(range(-len(shapes.axes), 0))
    x = x.movedim(axes, last)
    if not shapes.alone:
        w = w.movedim(axes, last)
    for axis, n, m, o in zip(last, shapes.sizes, shapes.kernel_sizes, origin, strict=True):
        taps, place = torch.arange(m, device=w.device), axis + w.ndim
        torus = w.new_zeros((*w.shape[:place], n, *w.shape[place + 1 :]))
        w = torus.index_add(place, ((o - taps) if correlate else (taps - o)) % n, w)
    if x.is_complex():
        z = torch.fft.ifftn(torch.fft.fftn(x, dim=last) * torch.fft.fftn(w, dim=last), dim=last)
    else:
        z = torch.fft.irfftn(torch.fft.rfftn(x, dim=last) * torch.fft.rfftn(w, dim=last), s=shapes.sizes, dim=last)
    result: Tensor = z.movedim(last, axes).to(dtype)
    return result


def _known(*numbers: int) -> bool:
    return all(isinstance(n, int) for n in numbers)


def expand_kernel_adjoint(
    grad: Tensor,
    x: Tensor,
    kernel_shape: Sequence[int],
    axes: Sequence[int],
    origin: Sequence[int],
    correlate: bool,
    method: str,
) -> Tensor:
    """What `equiconv::circular_convolve_kernel_adjoint` computes, in torch's operations, by the method of the forward.

    That is Σ_i grad[i]·x[i − t + origin], or Σ_i grad[i]·x[i + t − origin] with `correlate`. `kernel_shape` is that of a
    kernel which has the convolved axes at the same places as x, counted from the end; the sum runs over the axes along
    which it was broadcast, too.

    >>> g, x = torch.tensor([1.0, 0.0, 0.0]), torch.tensor([1.0, 2.0, 3.0])
    >>> expand_kernel_adjoint(g, x, [2], [-1], [0], False, "definition")
    tensor([1., 3.])
    """
    sums = method in _SUMS
    if not sums and 0 not in (*grad.shape, *x.shape) and _known(*x.shape, *kernel_shape, *origin):
        chosen = _plan_for(x, tuple(kernel_shape), tuple(axes), tuple(origin), cast(Method, method), correlate)
        sums = chosen.method in _SUMS
    return kernel_adjoint_by_library(grad, x, kernel_shape, axes, origin, correlate=correlate, sums=sums)


# ---------------------------------------------------------------------------------------------------------------------
# Gradients
# ---------------------------------------------------------------------------------------------------------------------


def _below_autograd(op: Any, keyset: Any, arguments: Sequence[Any]) -> Tensor:
    with torch._C._AutoDispatchBelowAutograd():
        result: Tensor = op.redispatch(keyset & torch._C._after_autograd_keyset, *arguments)
        return result


class _Convolution(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, keyset: Any, x: Tensor, w: Tensor, *arguments: Any) -> Tensor:
        ctx.save_for_backward(x, w)
        ctx.arguments = arguments
        return _below_autograd(circular_convolve_op, keyset, (x, w, *arguments))

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        x, w = ctx.saved_tensors
        axes, origin, correlate, method = ctx.arguments
        _, of_x, of_w = ctx.needs_input_grad[:3]
        kernel_shape = aligned_shape(w.shape, axes)
        grad_x = grad_w = None
        if of_x:
            every = circular_convolve_op(grad, w.conj(), axes, origin, not correlate, method)
            grad_x = sum_to_signal(every, x.shape, kernel_shape, axes)
        if of_w:
            grad_w = kernel_adjoint_op(grad, x.conj(), kernel_shape, axes, origin, correlate, method).reshape(w.shape)
        return None, grad_x, grad_w, None, None, None, None


class _KernelAdjoint(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, keyset: Any, grad: Tensor, x: Tensor, kernel_shape: Any, *arguments: Any) -> Tensor:
        ctx.save_for_backward(grad, x)
        ctx.arguments = arguments
        return _below_autograd(kernel_adjoint_op, keyset, (grad, x, kernel_shape, *arguments))

    @staticmethod
    def backward(ctx: Any, cotangent: Tensor) -> tuple[Tensor | None, ...]:
        grad, x = ctx.saved_tensors
        axes, origin, correlate, method = ctx.arguments
        _, of_grad, of_x = ctx.needs_input_grad[:3]
        grad_grad = grad_x = None
        if of_grad:
            grad_grad = circular_convolve_op(x.conj(), cotangent, axes, origin, correlate, method)
        if of_x:
            every = circular_convolve_op(grad.conj(), cotangent, axes, origin, not correlate, method)
            grad_x = sum_to_signal(every, x.shape, cotangent.shape, axes)
        return None, grad_grad, grad_x, *(None,) * 5


def _differentiable(op: Any, function: Any, expand: Callable[..., Tensor]) -> Callable[..., Tensor]:
    """What the operation does where gradients may be recorded."""

    def differentiate(keyset: Any, a: Tensor, b: Tensor, *arguments: Any) -> Tensor:
        if torch._C._are_functorch_transforms_active() or _has_tangent(a) or _has_tangent(b):
            return expand(a, b, *arguments)
        if torch.is_grad_enabled() and (a.requires_grad or b.requires_grad):
            result: Tensor = function.apply(keyset, a, b, *arguments)
            return result
        return _below_autograd(op, keyset, (a, b, *arguments))

    return differentiate


def _has_tangent(t: Tensor) -> bool:
    level = torch.autograd.forward_ad._current_level
    return level >= 0 and torch.autograd.forward_ad.unpack_dual(t).tangent is not None  # type: ignore[no-untyped-call]


# ---------------------------------------------------------------------------------------------------------------------
# Batching rules: a mapped axis is one more batch axis in front
# ---------------------------------------------------------------------------------------------------------------------


def _front(t: Tensor, dim: int, rank: int) -> Tensor:
    """The mapped dim in front of `rank` others, of which those that t lacks have one entry."""
    t = t.movedim(dim, 0)
    return t.reshape(t.shape[0], *(1,) * (rank + 1 - t.ndim), *t.shape[1:])


def _map_convolution(
    _info: Any, in_dims: Any, x: Tensor, w: Tensor, axes: Sequence[int], *arguments: Any
) -> tuple[Tensor, int]:
    x_dim, w_dim = in_dims[:2]
    if w_dim is not None:
        w = w.movedim(w_dim, 0)
        w = w.reshape(w.shape[0], *aligned_shape(w.shape[1:], axes))
    rank = max(x.ndim - (x_dim is not None), w.ndim - (w_dim is not None))
    if x_dim is not None:
        x = _front(x, x_dim, rank)
    if w_dim is not None:
        w = _front(w, 0, rank)
    return circular_convolve_op(x, w, axes, *arguments), 0


def _map_kernel_adjoint(
    info: Any, in_dims: Any, grad: Tensor, x: Tensor, kernel_shape: Sequence[int], *arguments: Any
) -> tuple[Tensor, int]:
    size, (g_dim, x_dim) = info.batch_size, in_dims[:2]
    rank = grad.ndim - (g_dim is not None)
    grad = grad.expand(size, *grad.shape) if g_dim is None else grad.movedim(g_dim, 0)
    if x_dim is not None:
        x = _front(x, x_dim, rank)
    mapped = (size, *(1,) * (rank - len(kernel_shape)), *kernel_shape)
    return kernel_adjoint_op(grad, x, mapped, *arguments).reshape(size, *kernel_shape), 0


# ---------------------------------------------------------------------------------------------------------------------
# Registration
# ---------------------------------------------------------------------------------------------------------------------

for _op, _compute, _fake, _map, _gradients in (
    (
        circular_convolve_op,
        _convolution,
        _fake_convolution,
        _map_convolution,
        _differentiable(circular_convolve_op, _Convolution, expand_convolution),
    ),
    (
        kernel_adjoint_op,
        _kernel_adjoint,
        _fake_kernel_adjoint,
        _map_kernel_adjoint,
        _differentiable(kernel_adjoint_op, _KernelAdjoint, expand_kernel_adjoint),
    ),
):
    _LIBRARY.impl(_op, _compute, "CompositeExplicitAutograd")  # type: ignore[no-untyped-call]
    _LIBRARY.impl(_op, _gradients, "Autograd", with_keyset=True)  # type: ignore[no-untyped-call]
    torch.library.register_fake(_op, _fake, lib=_LIBRARY)
    torch.library.register_vmap(_op, _map, lib=_LIBRARY)
