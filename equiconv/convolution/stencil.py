"""The defining sum on the CPU, for kernels of few taps: one multiply-add over a block in the cache for each tap.

The block is first continued periodically by the length of the kernel, so that a tap reads a plain slice and nothing is
rolled.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from equiconv.convolution.blocks import split
from equiconv.convolution.engines.torch_fft import undisturbed

__all__ = ["Stencil", "tap_gradients"]

Array = npt.NDArray[Any]
Index = tuple[slice, ...]
_BLOCK = 2**18


class Stencil:
    """Σ_t w[t]·x[i − t + o], or with `correlate` Σ_t w[t]·x[i + t − o], over the last axes of x.

    `w` has shape (*batch, *kernel_sizes) with batch axes as many as those of the signals or none; it has at most as many
    taps along each axis as the signals have samples. The terms are added in the order of the taps, the last axis
    fastest.
    """

    def __init__(self, w: Array, sizes: Sequence[int], origin: Sequence[int], *, correlate: bool = False) -> None:
        self.sizes = tuple(sizes)
        levels = len(self.sizes)
        taps = w.shape[w.ndim - levels :]
        if any(m > n for m, n in zip(taps, self.sizes, strict=True)):
            raise ValueError(f"a kernel of {taps} taps is longer than signals of {self.sizes} samples")
        self.dtype = w.dtype
        self._padded, self._copies, windows = _layout(taps, self.sizes, tuple(origin), correlate)
        self._shared = math.prod(w.shape[: w.ndim - levels]) == 1
        weights = (
            w.reshape(-1).tolist()
            if self._shared
            # one for each kernel of the batch
            else [w[(..., *tap)][(..., *(None,) * levels)] for tap in np.ndindex(*taps)]
        )
        self._taps: list[tuple[Index, Any]] = list(zip(windows, weights, strict=True))

    def __call__(self, x: Array, out: Array) -> None:
        """Write the sum for `x`, of shape (*batch, *sizes), to `out` of the same shape."""
        levels = len(self.sizes)
        batch = x.shape[: x.ndim - levels]
        if self._shared and len(batch) > 1 and x.flags.c_contiguous and out.flags.c_contiguous:
            x, out = x.reshape(-1, *self.sizes), out.reshape(-1, *self.sizes)
            batch = x.shape[:1]
        most = max(1, _BLOCK // (math.prod(self._padded) * self.dtype.itemsize))
        shape, parts = split(batch, most)
        padded = np.empty((*shape, *self._padded), dtype=self.dtype)
        with undisturbed():
            for part in parts:
                block = x[part]
                piece = padded[tuple(slice(0, n) for n in block.shape[: len(batch)])]
                every = (slice(None),) * len(batch)
                for to, of in self._copies:
                    piece[(*every, *to)] = block[(*every, *of)]
                self._sum(torch.from_numpy(piece), torch.from_numpy(out[part]), (every, part))

    def _sum(self, source: torch.Tensor, result: torch.Tensor, place: tuple[Index, Index]) -> None:
        every, part = place
        for index, (window, weight) in enumerate(self._taps):
            term = source[(*every, *window)]
            if not self._shared:
                factor = torch.from_numpy(weight[_broadcast(part, weight.shape)])
                torch.mul(term, factor, out=result) if index == 0 else result.addcmul_(term, factor)
            elif index == 0:
                torch.mul(term, weight, out=result)
            else:
                result.add_(term, alpha=weight)


def tap_gradients(x: Array, g: Array, w_shape: Sequence[int], origin: Sequence[int], *, correlate: bool) -> Array:
    """Σ_i g[i]·conj(x[i − t + o]) for every tap t, or Σ_i g[i]·conj(x[i + t − o]) with `correlate`.

    x and g have shape (*batch, *sizes); the sum runs over the batch axes too that a kernel of `w_shape` broadcasts along,
    which has one entry there, or no batch axes at all.
    """
    levels = len(origin)
    batch, sizes, taps = g.shape[: g.ndim - levels], g.shape[g.ndim - levels :], tuple(w_shape)[-levels:]
    kernels = (1,) * (len(batch) + levels - len(w_shape)) + tuple(w_shape)[: len(w_shape) - levels]
    padded_sizes, copies, windows = _layout(taps, sizes, tuple(origin), correlate)
    shape, parts = split(batch, max(1, _BLOCK // (math.prod(padded_sizes) * g.dtype.itemsize)))
    padded = np.empty((*shape, *padded_sizes), dtype=g.dtype)
    every = (slice(None),) * len(batch)
    summed = tuple(a for a, n in enumerate(kernels) if n == 1) + tuple(range(len(batch), g.ndim))
    # over many blocks in double precision, over one by torch, whose sums of sums lose little
    sums = np.zeros((*kernels, *taps), dtype=np.result_type(g.dtype, np.float64))
    with undisturbed():
        for part in parts:
            block = x[part]
            piece = padded[tuple(slice(0, n) for n in block.shape[: len(batch)])]
            for to, of in copies:
                np.conjugate(block[(*every, *of)], out=piece[(*every, *to)])
            source, cotangent = torch.from_numpy(piece), torch.from_numpy(np.ascontiguousarray(g[part]))
            products = torch.empty_like(cotangent)
            at = _broadcast(part, kernels)
            for tap, window in zip(np.ndindex(*taps), windows, strict=True):
                torch.mul(source[(*every, *window)], cotangent, out=products)
                total = products.sum(dim=summed).numpy()
                sums[(*at, *tap)] += total.reshape(sums[(*at, *tap)].shape)
    return sums.astype(g.dtype).reshape(tuple(w_shape))


@lru_cache(maxsize=256)
def _layout(
    taps: tuple[int, ...], sizes: tuple[int, ...], origin: tuple[int, ...], correlate: bool
) -> tuple[tuple[int, ...], list[tuple[Index, Index]], list[Index]]:
    """The sizes of the padded signal b, the slices of b and of x that are the same, and the window of each tap."""
    padded = tuple(n + m - 1 for n, m in zip(sizes, taps, strict=True))
    # The padded signal is b[j] = x[(j + start) mod n]; tap t reads b[i + t], or b[i + m − 1 − t] where it convolves.
    starts = [(-o if correlate else o - (m - 1)) % n for o, m, n in zip(origin, taps, sizes, strict=True)]
    pieces = [_pieces(s, n, p) for s, n, p in zip(starts, sizes, padded, strict=True)]
    copies = [(tuple(to for to, _ in copy), tuple(of for _, of in copy)) for copy in itertools.product(*pieces)]
    windows = [
        tuple(slice(a, a + n) for a, n in zip(at, sizes, strict=True))
        for at in (
            tuple(t if correlate else m - 1 - t for t, m in zip(tap, taps, strict=True)) for tap in np.ndindex(*taps)
        )
    ]
    return padded, copies, windows


def _pieces(start: int, n: int, length: int) -> list[tuple[slice, slice]]:
    """Where b[j] = x[(j + start) mod n], j = 0 … length − 1, is copied from, piece by piece: (of b, of x)."""
    pieces, j = [], 0
    while j < length:
        at = (j + start) % n
        count = min(n - at, length - j)
        pieces.append((slice(j, j + count), slice(at, at + count)))
        j += count
    return pieces


def _broadcast(part: Sequence[slice], shape: Sequence[int]) -> tuple[slice, ...]:
    return tuple(s if n > 1 else slice(0, 1) for s, n in zip(part, shape))  # noqa: B905 (the axes of the batch only)
