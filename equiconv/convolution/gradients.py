"""Gradients of convolutions on the CPU, block by block like the convolutions themselves.

With y = x ⋆ u along axes of N samples in all, and g the gradient of y,

    the gradient of x is   F⁻¹(F g ⊙ conj(F u)),     that of u is   F⁻¹(Σ F g ⊙ conj(F x)),

the sum running over the signals that meet the same kernel: three transforms of each signal for both, and the sum is
formed of spectra, so that there is one transform back for each kernel. Short signals meet the matrix itself, and kernels
of few taps sums of products. Complex gradients are as torch defines them.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from equiconv.arrays import dtype_name
from equiconv.convolution.blocks import signals_in_block, split
from equiconv.convolution.dense import circulant_matrix, differences
from equiconv.convolution.engines.base import spectrum_shape
from equiconv.convolution.engines.pool import TransformKey, give, take
from equiconv.convolution.multipliers import kernel_multiplier, signals_of
from equiconv.convolution.parallel import run_parallel
from equiconv.convolution.stencil import Stencil, tap_gradients

__all__ = ["gradients_by_blocks", "gradients_by_matrix", "gradients_by_taps", "taps_of"]

Array = npt.NDArray[Any]
# Below this many bytes one thread is faster.
_PARALLEL = 2**20
# Bytes of rows that are multiplied at a time.
_ROWS = 2**20


def gradients_by_blocks(
    x: Array, g: Array, u: Array, levels: int, engine: str, threads: int, *, of_x: bool, of_u: bool
) -> tuple[Array | None, Array | None]:
    """The gradients of x and of u, those that are wanted, for x and g of shape (*batch, *sizes).

    The kernels u, on the signals' own grid, have as many batch axes, with one entry where they broadcast, or none.
    """
    sizes, dtype = g.shape[g.ndim - levels :], g.dtype
    u = u.reshape((1,) * (g.ndim - u.ndim) + u.shape)
    blocks = _Blocks(x, g, u.shape[: g.ndim - levels], levels, engine, threads)
    grad_x = multiplier = scale = total = None
    if of_x:
        grad_x = np.empty(g.shape, dtype=dtype)
        multiplier, scale = kernel_multiplier(u, levels, sizes, engine, threads)
        np.conjugate(multiplier, out=multiplier)
    # the product of two spectra may overflow where the gradient does not, of which it is N times as large
    with np.errstate(over="ignore", invalid="ignore"):
        total = blocks.run(grad_x, multiplier, of_u=of_u)
    if grad_x is not None and scale is not None:
        np.multiply(grad_x, scale, out=grad_x)
    if total is None:
        return grad_x, None
    if not np.isfinite(total).all():
        small = 0.5 ** math.prod(sizes).bit_length()  # a power of two, which rounds nothing
        total = blocks.run(None, None, of_u=True, scale=small)
        assert total is not None
        total /= small
    total /= math.prod(sizes)
    spectrum = total.astype(np.result_type(dtype, np.complex64), copy=False)
    return grad_x, signals_of(spectrum, sizes, dtype, engine, threads)


class _Blocks:
    """Signals x and cotangents g, taken through the transforms block by block.

    Of one block the engine divides the work among threads; of several each thread takes a run, whose sum is always the
    same.
    """

    def __init__(self, x: Array, g: Array, kernels: tuple[int, ...], levels: int, engine: str, threads: int) -> None:
        self.x, self.g = x, g
        batch, sizes, name = g.shape[: g.ndim - levels], g.shape[g.ndim - levels :], dtype_name(g.dtype)
        block, self.parts = split(batch, max(1, signals_in_block(engine, name, sizes, g.dtype.itemsize) // 2))
        self.runs = min(threads, len(self.parts)) if g.nbytes >= _PARALLEL else 1
        axes = tuple(range(len(batch), g.ndim))
        self.key = TransformKey(engine, (*block, *sizes), axes, name, threads if len(self.parts) == 1 else 1)
        # the axes of the batch along which kernels broadcast
        self.summed = tuple(a for a, n in enumerate(kernels) if n == 1)
        self.spectra = kernels + spectrum_shape(sizes, range(levels), g.dtype.kind == "f")

    def run(
        self, grad_x: Array | None, multiplier: Array | None, *, of_u: bool, scale: float = 1.0
    ) -> npt.NDArray[np.complex128] | None:
        """Write F⁻¹(F g ⊙ multiplier) to `grad_x`, where there is one; Σ F g ⊙ conj(F x)·scale, if wanted."""
        sums = [np.zeros(self.spectra, dtype=np.complex128) if of_u else None for _ in range(self.runs)]

        def run(which: Iterable[int]) -> None:
            of_g, of_x = take(self.key), take(self.key)
            for k in which:
                for part in self.parts[k * len(self.parts) // self.runs : (k + 1) * len(self.parts) // self.runs]:
                    at = tuple(slice(0, 1) if a in self.summed else s for a, s in enumerate(part))
                    spectrum, of_run = of_g.forward(self.g[part]), sums[k]
                    if of_run is not None:
                        products = of_x.forward(self.x[part])
                        np.conjugate(products, out=products)
                        if scale != 1.0:
                            products *= scale
                        np.multiply(products, spectrum, out=products)
                        if self.summed:
                            products = products.sum(axis=self.summed, dtype=np.complex128, keepdims=True)
                        of_run[at] += products
                    if grad_x is not None and multiplier is not None:
                        np.multiply(spectrum, multiplier[at], out=spectrum)
                        of_g.inverse(spectrum, grad_x[part])
            give(self.key, of_g)
            give(self.key, of_x)

        run_parallel(run, range(self.runs), self.runs)
        found = [s for s in sums if s is not None]
        return sum(found[1:], start=found[0]) if found else None


def gradients_by_matrix(
    x: Array, g: Array, u: Array, levels: int, *, of_x: bool, of_u: bool
) -> tuple[Array | None, Array | None]:
    """The same by matrix products, for one short kernel u: y = x D with D[j, i] = u[(i − j) mod n]."""
    sizes = u.shape[u.ndim - levels :]
    n = math.prod(sizes)
    signals, rows = x.reshape(-1, n), g.reshape(-1, n)
    grad_x = np.empty(rows.shape, dtype=g.dtype) if of_x else None
    transposed = circulant_matrix(u.reshape(sizes), levels).conj().T if of_x else np.empty(0)
    of_matrix = np.zeros((n, n), dtype=np.result_type(g.dtype, np.float64))
    step = max(1, _ROWS // rows[0].nbytes)
    for i in range(0, len(rows), step):
        some = rows[i : i + step]
        if grad_x is not None:
            np.dot(some, transposed, out=grad_x[i : i + step])
        if of_u:
            of_matrix += signals[i : i + step].conj().T @ some
    grad_u = None
    if of_u:
        # every entry of u stands n times in D
        index = differences(sizes).ravel()
        parts = [np.bincount(index, p.ravel(), n) for p in _parts(of_matrix)]
        whole = parts[0] if len(parts) == 1 else parts[0] + 1j * parts[1]
        grad_u = whole.astype(g.dtype).reshape(u.shape)
    return None if grad_x is None else grad_x.reshape(g.shape), grad_u


def gradients_by_taps(
    x: Array, g: Array, w: Array, origin: Sequence[int], *, correlate: bool, of_x: bool, of_w: bool
) -> tuple[Array | None, Array | None]:
    """The gradients of x and of a kernel of few taps, which has the axes of `gradients_by_blocks`: sums of products.

    They are exact on small integers.
    """
    levels = len(origin)
    sizes = g.shape[g.ndim - levels :]
    grad_x = None
    if of_x:
        grad_x = np.empty(g.shape, dtype=g.dtype)
        Stencil(w.conj(), sizes, origin, correlate=not correlate)(g, grad_x)
    return grad_x, tap_gradients(x, g, w.shape, origin, correlate=correlate) if of_w else None


def _parts(a: Array) -> list[Array]:
    return [a.real, a.imag] if np.iscomplexobj(a) else [a]


def taps_of(grad_u: Array, kernel_sizes: Sequence[int], origin: Sequence[int], *, correlate: bool) -> Array:
    """The gradient of a kernel's own taps: tap t stands at t − o on the grid, or at o − t for a correlation (mod n)."""
    for axis, (m, o) in enumerate(zip(kernel_sizes, origin, strict=True), start=grad_u.ndim - len(kernel_sizes)):
        taps = np.arange(m)
        grad_u = np.take(grad_u, ((o - taps) if correlate else (taps - o)) % grad_u.shape[axis], axis)
    return grad_u
