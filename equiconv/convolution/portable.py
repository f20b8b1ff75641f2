"""Convolution and its adjoints by the operations of an array library, which differentiates them where it can."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import torch
from torch import Tensor

from equiconv.arrays import Array, namespace, promote
from equiconv.convolution.definition import convolve_by_definition
from equiconv.convolution.fourier import convolve_by_fourier
from equiconv.convolution.geometry import Geometry

__all__ = ["aligned_shape", "convolve_by_library", "convolve_short", "kernel_adjoint_by_library", "sum_to_signal"]


def convolve_by_library(
    x: Array, w: Array, shapes: Geometry, origin: Sequence[int], *, correlate: bool, sums: bool
) -> Array:
    """A sum of rolls, or Fourier transforms of whole arrays.

    `shapes` are those of x and w, and `origin` has one entry for each of their axes.

    >>> import numpy as np
    >>> from equiconv.convolution.geometry import geometry
    >>> shapes = geometry((3, 2), (2,), 0)
    >>> convolve_by_library(np.eye(3, 2), np.asarray([1.0, 5.0]), shapes, (0,), correlate=False, sums=True).tolist()
    [[1.0, 0.0], [5.0, 1.0], [0.0, 5.0]]
    """
    (x, w), dtype = promote(x, w)
    xp = namespace(x, w)
    last = tuple(range(-len(shapes.axes), 0))
    if not shapes.alone:
        w = xp.moveaxis(w, shapes.axes, last)
    run = convolve_by_definition if sums else convolve_by_fourier
    y = run(xp.moveaxis(x, shapes.axes, last), w, origin, correlate=correlate)
    return xp.astype(xp.moveaxis(y, last, shapes.axes), dtype, copy=False)


def convolve_short(x: Tensor, w: Tensor, origin: Sequence[int], *, correlate: bool) -> Tensor:
    """The same along the last axes by as few of torch's operations as there can be, for signals of microseconds.

    `w` has these axes alone, none longer than that of x; a correlation is of real operands.

    >>> convolve_short(torch.eye(2, 3), torch.tensor([1.0, 5.0]), (0,), correlate=False).round().tolist()
    [[1.0, 5.0, 0.0], [0.0, 1.0, 5.0]]
    """
    sizes, axes = x.shape[x.ndim - w.ndim :], tuple(range(-w.ndim, 0))
    # Both spectra are divided by √N before they meet, and the inverse divides by nothing: neither the product nor those of
    # the gradients, which meet either spectrum, then overflow long before their results would.
    if x.is_complex():
        kernel = torch.fft.fftn(w, sizes, axes, norm="ortho")
        y = torch.fft.ifftn(torch.fft.fftn(x, dim=axes, norm="ortho") * kernel, dim=axes, norm="forward")
    else:
        kernel = torch.fft.rfftn(w, sizes, axes, norm="ortho")
        kernel = kernel.conj() if correlate else kernel
        spectrum = torch.fft.rfftn(x, dim=axes, norm="ortho") * kernel
        y = torch.fft.irfftn(spectrum, sizes, axes, norm="forward")
    if any(origin):
        y = torch.roll(y, tuple(origin) if correlate else tuple(-o for o in origin), axes)
    made: Tensor = y
    return made


def kernel_adjoint_by_library(
    grad: Tensor,
    x: Tensor,
    kernel_shape: Sequence[int],
    axes: Sequence[int],
    origin: Sequence[int],
    *,
    correlate: bool,
    sums: bool,
) -> Tensor:
    """Σ_i grad[i]·x[i − t + origin] for every tap t, or Σ_i grad[i]·x[i + t − origin] with `correlate`.

    `kernel_shape` is that of a kernel which has the convolved axes at the same places as x, counted from the end; the sum
    runs over the axes along which it was broadcast, too.

    >>> g, x = torch.tensor([1.0, 0.0, 0.0]), torch.tensor([1.0, 2.0, 3.0])
    >>> kernel_adjoint_by_library(g, x, [2], [-1], [0], correlate=False, sums=True)
    tensor([1., 3.])
    """
    (grad, x), dtype = promote(grad, x)
    levels, rank = len(axes), len(kernel_shape)
    last = tuple(range(-levels, 0))
    taps = [kernel_shape[a] for a in axes]
    batch = [kernel_shape[a] for a in range(-rank, 0) if a not in axes]
    g, s = grad.movedim(tuple(axes), last), x.movedim(tuple(axes), last)
    # an empty batch is refused by some libraries' transforms
    if sums or 0 in (*g.shape, *s.shape):
        terms = []
        for tap in itertools.product(*map(range, taps)):
            shift = tuple(o - t if correlate else t - o for t, o in zip(tap, origin, strict=True))
            terms.append(_sum_to((g * s.roll(shift, last)).sum(dim=last), batch))
        result = torch.stack(terms, dim=-1).reshape(*batch, *taps)
    else:
        # Σ_i a[i + r]·b[i] for every r, of which tap t is that at r = t − origin
        a, b = (s, g) if correlate else (g, s)
        # `conj_physical`: below a dispatch mode, where operations may run, torch forgets to conjugate what only says it is
        sizes = s.shape[-levels:]
        if x.is_complex():
            spectrum = torch.fft.fftn(a, dim=last) * torch.fft.fftn(b.conj_physical(), dim=last).conj_physical()
            every = torch.fft.ifftn(_sum_to(spectrum, [*batch, *spectrum.shape[-levels:]], levels), dim=last)
        else:
            spectrum = torch.fft.rfftn(a, dim=last) * torch.fft.rfftn(b, dim=last).conj_physical()
            every = torch.fft.irfftn(_sum_to(spectrum, [*batch, *spectrum.shape[-levels:]], levels), s=sizes, dim=last)
        for axis, n, m, o in zip(last, sizes, taps, origin, strict=True):
            every = every.index_select(axis, (torch.arange(m, device=x.device) - o) % n)
        result = every
    made: Tensor = result.movedim(last, tuple(axes)).to(dtype)
    return made


def _sum_to(t: Tensor, shape: Sequence[int], kept: int = 0) -> Tensor:
    """The sum over the axes along which `shape` was broadcast to that of t; the last `kept` axes are alike in both."""
    extra = t.ndim - len(shape)
    if extra:
        t = t.sum(dim=tuple(range(extra)))
    single = [a for a, n in enumerate(shape[: len(shape) - kept]) if n == 1]
    return t.sum(dim=single, keepdim=True) if single else t


def aligned_shape(w_shape: Sequence[int], axes: Sequence[int]) -> tuple[int, ...]:
    """The shape of the kernel with its convolved axes at the same places as the signal's, counted from the end."""
    if len(w_shape) > len(axes):
        return tuple(w_shape)
    sizes = dict(zip(axes, w_shape, strict=True))
    return tuple(sizes.get(a, 1) for a in range(axes[0], 0))


def sum_to_signal(t: Tensor, x_shape: Sequence[int], kernel_shape: Sequence[int], axes: Sequence[int]) -> Tensor:
    """The sum over the axes along which a signal was broadcast to a larger (aligned) kernel: no other size is asked."""
    rank = len(x_shape)
    over = [
        a for a in range(-min(rank, len(kernel_shape)), 0) if a not in axes and kernel_shape[a] != 1 and x_shape[a] == 1
    ]
    t = t.sum(dim=over, keepdim=True) if over else t
    return t.sum(dim=tuple(range(t.ndim - rank))) if t.ndim > rank else t
