"""The ways to compute a convolution of given shapes, each with what it is expected to cost."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, TypeAlias

from equiconv.convolution import costs
from equiconv.convolution.blocks import signals_in_block
from equiconv.convolution.engines import available
from equiconv.convolution.engines.dfti import LARGEST_RANK
from equiconv.convolution.geometry import Geometry, long_axes
from equiconv.convolution.tiles import factor_pair, tiles_workspace

__all__ = ["SMALL", "Candidate", "Layout", "Method", "candidates", "scored_rows"]

Method: TypeAlias = Literal["definition", "direct", "dense", "fourier"]
Layout: TypeAlias = Literal["", "blocks", "tiles"]

ITEM_SIZE = {"float32": 4, "float64": 8, "complex64": 8, "complex128": 16, "float128": 16, "complex256": 32}

# The matrix of a dense product is as large as this many signals; beyond, a transform is faster at any batch.
_LARGEST_DENSE = 128
# A signal larger than this (bytes) does not stay in the cache from the transform to the way back.
_LARGEST_BLOCK = 2**18
# Seconds that it takes to prepare a kernel, without what grows with its size.
_PREPARED = {"direct": 3e-6, "dense": 7e-6, "fourier": 6e-6}
# Bytes a second of a small matrix product that waits for its matrix.
_BANDWIDTH = 5e9
# Tiles depend more on what else the caches hold than the table, which was measured with warm ones, can say.
_TILES_MARGIN = 1.05
# Up to this many samples in all, the calls count as much as the samples do.
SMALL = 2**13
_LARGE_ROWS = 2**20


@dataclass(frozen=True)
class Candidate:
    """One way: its method, engine and layout, the transformed grid, and what it costs.

    `seconds` is the prediction of the table for this many signals on one core (None where it has none), `flops` counts
    floating-point operations, `bytes` what is read from and written to memory outside the cache, `workspace` the bytes
    held while it runs, beside the operands. `measured` is what it took on this machine, where it was tried.
    """

    method: Method
    engine: str
    layout: Layout
    grid: tuple[int, ...]
    seconds: float | None
    score: float
    flops: float
    bytes: float
    workspace: float
    measured: float | None = None

    @property
    def name(self) -> str:
        """For instance "fourier by ducc0 in blocks"."""
        engine = f" by {self.engine}" if self.engine else ""
        return f"{self.method}{engine}{f' in {self.layout}' if self.layout else ''}"


def candidates(
    geometry: Geometry,
    dtype: str,
    *,
    measured: bool,
    threads: int,
    on_cpu: bool,
    on_gpu: bool = False,
    once: bool = False,
) -> Iterator[Candidate]:
    """Every way to compute these shapes, in the order in which ties are decided.

    `on_cpu` is False where the array library's own operations are the only ones there are, but for the fused kernel
    where `on_gpu`. The score by which a choice is made depends on the sizes and on whether there are many samples, never on how many.
    With `once` it counts what it takes to prepare the kernel too, which meets these signals and no others.
    """
    item = ITEM_SIZE[dtype]
    rows = math.prod(geometry.shape) // geometry.samples
    moved = item * (math.prod(geometry.x_shape) + math.prod(geometry.shape))
    kernels = math.prod(geometry.w_shape) // geometry.taps
    is_complex = dtype.startswith("complex")
    scored = scored_rows(geometry.samples, rows)
    # kernels among as many signals as are scored
    among = kernels if kernels == 1 else kernels * scored / max(1, rows)

    tap_flops = (8 if is_complex else 2) * geometry.taps * math.prod(geometry.shape)
    if not (on_cpu and dtype in ("float32", "float64", "complex64", "complex128")):
        passes = geometry.taps * item * (3 * math.prod(geometry.x_shape) + 4 * math.prod(geometry.shape))
        flops, bytes_, work = _transforms(geometry, geometry.sizes, kernels, item, is_complex)
        few = _few_taps(geometry)
        if on_gpu and dtype in ("float32", "float64", "complex64", "complex128"):
            # taken where it is asked for: no GPU has confirmed it yet
            kernel = 2 * kernels * geometry.samples * item
            yield Candidate("fourier", "fused", "", geometry.sizes, None, math.inf, flops, moved + kernel, kernel)
        yield Candidate("definition", "", "", geometry.sizes, None, geometry.taps, tap_flops, passes, 2 * moved)
        yield Candidate("fourier", "library", "", geometry.sizes, None, few + 0.5, flops, bytes_, work)
        return

    if all(m <= n for m, n in zip(geometry.kernel_sizes, geometry.sizes, strict=True)):
        padded = math.prod(n + m - 1 for n, m in zip(geometry.sizes, geometry.kernel_sizes, strict=True))

        def stencil(count: int) -> float:
            return costs.stencil_seconds(dtype, len(geometry.sizes), geometry.taps, count * geometry.samples)

        yield Candidate(
            "direct",
            "",
            "",
            geometry.sizes,
            stencil(rows),
            stencil(scored) + once * _PREPARED["direct"],
            tap_flops,
            moved,
            max(padded * item, min(rows * padded * item, _LARGEST_BLOCK)),
        )
    if geometry.samples <= _LARGEST_DENSE:
        # the matrix of a kernel of its own is read from memory for a signal or a few
        matrix = geometry.samples**2 * item / _BANDWIDTH
        yield Candidate(
            "dense",
            "",
            "",
            geometry.sizes,
            costs.dense_seconds(dtype, geometry.samples, rows) + (kernels if kernels > 1 else 0) * matrix,
            costs.dense_seconds(dtype, geometry.samples, scored)
            + (among if kernels > 1 else 0) * matrix
            + once * (_PREPARED["dense"] + among * matrix),
            (8 if is_complex else 2) * geometry.samples * math.prod(geometry.shape),
            moved + kernels * geometry.samples**2 * item,
            kernels * geometry.samples**2 * item,
        )
    for grid in _grids(geometry):
        flops, bytes_, _ = _transforms(geometry, grid, kernels, item, is_complex)
        signal, long = math.prod(grid) * item, tuple(grid[a] for a in long_axes(grid))
        for engine in available():
            if engine == "mkl" and len(grid) > LARGEST_RANK:
                continue
            name = "fftw measured" if engine == "fftw" and measured else engine
            for layout in _layouts(long, signal):
                seconds = costs.transform_seconds(name, layout, dtype, grid, rows)
                score = costs.transform_seconds(name, layout, dtype, grid, scored)
                if once and score is not None:
                    score += _PREPARED["fourier"] + 0.5 * (
                        costs.transform_seconds(name, layout, dtype, grid, among) or 0
                    )
                if layout == "tiles":
                    workspace = tiles_workspace(long, item, threads, is_padded=grid != geometry.sizes)
                else:
                    together = min(rows, signals_in_block(engine, dtype, grid, item))
                    # a signal, its spectrum (of half the frequencies and one) and the result, padded where they are
                    workspace = 4 * together * signal * (1 if rows * signal < 2**20 else threads)
                yield Candidate(
                    "fourier",
                    engine,
                    layout,
                    grid,
                    seconds,
                    math.inf if score is None else score * (_TILES_MARGIN if layout == "tiles" else 1.0),
                    flops,
                    moved if layout == "blocks" and signal <= _LARGEST_BLOCK else bytes_,
                    workspace,
                )


def scored_rows(samples: int, rows: int) -> int:
    """The number of signals that a choice is made for: as many as there are where these are few, else a megasample."""
    if rows * samples <= SMALL or rows < costs.FEW:
        return max(1, rows)
    return max(costs.FEW, _LARGE_ROWS // samples)


def _few_taps(geometry: Geometry) -> int:
    """Up to how many taps a sum of rolls is cheaper than transforms, where nothing was measured."""
    if not costs.is_smooth(geometry.sizes):
        return 12
    return 9 if len(geometry.sizes) > 1 else 5


def _grids(geometry: Geometry) -> list[tuple[int, ...]]:
    """The signal's own grid, and where sizes have large prime factors a smooth one that holds it with all its shifts."""
    sizes = geometry.sizes
    if costs.is_smooth(sizes):
        return [sizes]
    return [sizes, tuple(n if costs.is_smooth((n,)) else costs.padded_grid(n) for n in sizes)]


def _layouts(grid: tuple[int, ...], signal: int) -> tuple[Layout, ...]:
    large = signal >= _LARGEST_BLOCK and (len(grid) > 1 or factor_pair(grid[0]) is not None)
    return ("blocks", "tiles") if large else ("blocks",)


def _transforms(
    geometry: Geometry, grid: tuple[int, ...], kernels: int, item: int, is_complex: bool
) -> tuple[float, float, float]:
    """Flops, bytes and workspace of transforms of whole arrays."""
    n = math.prod(grid)
    x, y = (math.prod(shape) // geometry.samples * n for shape in (geometry.x_shape, geometry.shape))
    # 5·n·log2(n) flops a complex transform, half of it a real one; per axis one read and one write; 6 flops a complex
    # product.
    half = 1.0 if is_complex else 0.5
    transformed = x + kernels * n + y
    flops = half * (5 * math.log2(max(n, 2)) * transformed + 6 * y)
    return flops, item * (2 * len(grid) * transformed + 2 * kernels * n + 3 * y), item * (x + kernels * n + y)
