"""Every engine, in blocks and in tiles, against the definition; and what holds the transforms at rest."""

from __future__ import annotations

import math
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from equiconv.arrays import fourier_bound
from equiconv.convolution import circular_convolve, plan
from equiconv.convolution.blocks import BlockedProduct, split
from equiconv.convolution.engines import ENGINES, available, make_transform
from equiconv.convolution.engines.pool import TransformKey, borrow, set_idle_limit
from equiconv.convolution.multipliers import kernel_multiplier
from equiconv.convolution.parallel import run_parallel
from equiconv.convolution.tiles import TiledProduct, factor_pair, tiled_spectra

DTYPES = ("float32", "float64", "complex64", "complex128")


def engines() -> list[Any]:
    missing = {name: package for name, (package, _, _) in ENGINES.items() if name not in available()}
    return [
        pytest.param(name, marks=[pytest.mark.skip(reason=f"{missing[name]} is not installed, or has no {name}")])
        if name in missing
        else name
        for name in ENGINES
    ]


def noise(rng: np.random.Generator, shape: tuple[int, ...], dtype: str) -> Any:
    x = rng.standard_normal(shape)
    return (x + 1j * rng.standard_normal(shape) if dtype.startswith("complex") else x).astype(dtype)


def check(product: type, engine: str, x: Any, u: Any, grid: tuple[int, ...], threads: int = 1) -> None:
    """The product of spectra on `grid`, for signals x and kernels u on the last axes, is their convolution."""
    levels = len(grid)
    sizes = x.shape[x.ndim - levels :]
    multiplier, scale = kernel_multiplier(u, levels, grid, engine)
    out, before = np.full_like(x, np.nan), (x.copy(), multiplier.copy())
    product(multiplier, sizes, grid, x.dtype, engine, threads)(x, out)
    # libraries may use what they are given as memory of their own where they are not told otherwise
    assert np.array_equal(x, before[0])
    assert np.array_equal(multiplier, before[1])
    out = out if scale is None else out * scale
    axes = tuple(range(-levels, 0))
    wide = np.complex128 if np.iscomplexobj(x) else np.float64
    full = u.reshape((1,) * (x.ndim - u.ndim) + u.shape).astype(wide)
    truth = np.fft.ifftn(np.fft.fftn(x.astype(wide), axes=axes) * np.fft.fftn(full, axes=axes), axes=axes)
    bound = fourier_bound(
        np.sqrt((np.abs(x) ** 2).sum(axes, keepdims=True)),
        np.sqrt((np.abs(full) ** 2).sum(axes, keepdims=True)),
        grid,
        x.dtype,
    )
    assert (np.abs(out - (truth if np.iscomplexobj(x) else truth.real)) <= bound).all()


@pytest.mark.parametrize("engine", engines())
@pytest.mark.parametrize("dtype", DTYPES)
@settings(max_examples=25, deadline=None)
@given(data=st.data())
def test_blocks_compute_the_convolution(engine: str, dtype: str, data: st.DataObject) -> None:
    levels = data.draw(st.integers(1, 3))
    sizes = tuple(data.draw(st.integers(1, 12 if levels < 3 else 5)) for _ in range(levels))
    batch = tuple(data.draw(st.lists(st.integers(1, 4), max_size=3)))
    kernels = data.draw(st.sampled_from([(), tuple(data.draw(st.sampled_from([1, n])) for n in batch)]))
    grid = tuple(n if data.draw(st.booleans()) else 2 * n - 1 + data.draw(st.integers(0, 3)) for n in sizes)
    rng = np.random.default_rng(data.draw(st.integers(0, 2**32 - 1)))
    x = noise(rng, (*batch, *sizes), dtype)
    if data.draw(st.booleans()):
        x = x[::-1].swapaxes(0, -1).copy().swapaxes(0, -1)[::-1]  # the same values, strided
    check(BlockedProduct, engine, x, noise(rng, (*kernels, *sizes), dtype), grid)


@pytest.mark.parametrize("engine", engines())
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize(
    ("batch", "sizes", "grid"),
    [
        ((), (4096,), (4096,)),
        ((2,), (64 * 65,), (64 * 65,)),
        ((2, 2), (67 * 71,), (67 * 71,)),
        ((3,), (2050,), (4160,)),
        ((2,), (300, 7), (300, 7)),
        ((), (5, 700), (9, 1400)),
        ((2,), (6, 10, 9), (6, 10, 9)),
    ],
)
def test_tiles_compute_the_convolution(
    engine: str, dtype: str, threads: int, batch: Any, sizes: Any, grid: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    # several tiles of each kind
    monkeypatch.setattr("equiconv.convolution.tiles.columns.STRIP", 2**12)
    monkeypatch.setattr("equiconv.convolution.tiles.columns.COPIED", 2**12)
    monkeypatch.setattr("equiconv.convolution.tiles.rows._LARGE", 2**15)  # the columns of some are copied
    monkeypatch.setattr("equiconv.convolution.tiles.grids.TILE", dict.fromkeys(ENGINES, 2**12))
    monkeypatch.setattr("equiconv.convolution.tiles.columns._LEAST", 8)
    rng = np.random.default_rng(0)
    x = noise(rng, (*batch, *sizes), dtype)
    check(TiledProduct, engine, x, noise(rng, sizes, dtype), grid, threads)
    if batch:
        check(TiledProduct, engine, x, noise(rng, (*batch[:-1], 1, *sizes), dtype), grid, threads)


@pytest.mark.parametrize("columns", [name for name in ("ducc0", "scipy", "torch") if name in available()])
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("sizes", [(64 * 65,), (2 * 64 * 65,), (70, 66), (66, 6, 9)])
def test_columns_of_tiles_by_every_library(
    columns: str, dtype: str, sizes: tuple[int, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where they lie and copied, one strip and several; by a library that has no ducc0 the results are as exact."""
    monkeypatch.setattr("equiconv.convolution.tiles.columns._engine", lambda: columns)
    rng = np.random.default_rng(0)
    for strip, large in ((2**22, 2**30), (2**12, 2**30), (2**12, 0)):
        monkeypatch.setattr("equiconv.convolution.tiles.columns.STRIP", strip)
        monkeypatch.setattr("equiconv.convolution.tiles.columns.COPIED", strip)
        monkeypatch.setattr("equiconv.convolution.tiles.rows._LARGE", large)
        check(TiledProduct, "torch", noise(rng, (2, *sizes), dtype), noise(rng, sizes, dtype), sizes)


@pytest.mark.parametrize("engine", engines())
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("sizes", [(64 * 66,), (67 * 71,), (40, 9), (6, 10, 9)])
@pytest.mark.parametrize("batch", [(), (2,), (2, 1)])
def test_kernels_in_the_order_of_tiles(engine: str, dtype: str, sizes: tuple[int, ...], batch: tuple[int, ...]) -> None:
    """A kernel that tiles transform and one whose spectrum they lay out anew are one multiplier, up to rounding."""
    u = noise(np.random.default_rng(0), (*batch, *sizes), dtype)
    laid_out = TiledProduct(kernel_multiplier(u, len(sizes), sizes, engine)[0], sizes, sizes, dtype, engine).multiplier
    ordered, scale = kernel_multiplier(u, len(sizes), sizes, engine, transform=tiled_spectra)
    assert scale is None
    assert ordered.shape == laid_out.shape
    np.testing.assert_allclose(ordered, laid_out, atol=50 * np.finfo(dtype).eps * np.abs(laid_out).max())


@pytest.mark.parametrize("engine", engines())
@pytest.mark.parametrize("threads", [1, 4])
def test_many_blocks_among_threads(engine: str, threads: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("equiconv.convolution.blocks._PARALLEL", 0)
    monkeypatch.setitem(__import__("equiconv.convolution.blocks", fromlist=["_BLOCK"])._BLOCK, engine, 2**9)
    rng = np.random.default_rng(0)
    x = noise(rng, (3, 37, 5, 16), "float32")
    check(BlockedProduct, engine, x, noise(rng, (16,), "float32"), (16,), threads)
    check(BlockedProduct, engine, x, noise(rng, (1, 37, 1, 16), "float32"), (16,), threads)
    # short rows share multipliers that are written out for several of them; those of other strides, and continued, do not
    even = noise(rng, (4, 36, 5, 16), "float32")
    for signals in (even, even[:, ::-1]):
        check(BlockedProduct, engine, signals, noise(rng, (16,), "float32"), (16,), threads)
        check(BlockedProduct, engine, signals, noise(rng, (16,), "float32"), (33,), threads)


@pytest.mark.parametrize(("threads", "blocks"), [(1, 3), (2, 4), (3, 3), (4, 4)])
def test_every_thread_has_as_many_blocks(threads: int, blocks: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Three blocks among two threads would leave one of them idle for half of the time."""
    monkeypatch.setattr("equiconv.convolution.blocks._PARALLEL", 0)
    monkeypatch.setattr("equiconv.convolution.blocks.signals_in_block", lambda *_: 25)
    seen: list[int] = []

    def recorded(run: Any, parts: Any, threads: int) -> None:
        seen.append(len(parts))
        run_parallel(run, parts, threads)

    monkeypatch.setattr("equiconv.convolution.blocks.run_parallel", recorded)
    rng = np.random.default_rng(0)
    check(
        BlockedProduct,
        "ducc0" if "ducc0" in available() else "scipy",
        noise(rng, (64, 12), "float32"),
        noise(rng, (12,), "float32"),
        (12,),
        threads,
    )
    assert seen == [blocks]


@given(batch=st.lists(st.integers(1, 6), max_size=4), most=st.integers(1, 40))
def test_blocks_cover_the_batch_once(batch: list[int], most: int) -> None:
    shape, parts = split(batch, most)
    seen = np.zeros(batch, dtype=int)
    for part in parts:
        seen[part] += 1
        assert all(n <= m for n, m in zip(seen[part].shape, shape, strict=True))
    assert (seen == 1).all()
    assert math.prod(shape) <= most or shape == (1,) * len(batch)


@pytest.mark.parametrize("engine", engines())
@pytest.mark.parametrize("dtype", ["float32", "complex64"])
def test_kernels_that_would_underflow_are_raised_first(engine: str, dtype: str) -> None:
    rng = np.random.default_rng(0)
    x, w = noise(rng, (2, 4096), dtype) * np.float32(1e30), noise(rng, (2, 4096), dtype)
    w[0] *= np.float32(1e-36)
    p = plan(x.shape, w.shape, dtype=dtype, engine=engine, method="fourier")
    y = p(x, w)
    wide = "complex128" if dtype == "complex64" else "float64"
    truth = circular_convolve(x.astype(wide), w.astype(wide))
    for entry, expected, signal, kernel in zip(y, truth, x, w, strict=True):
        norms = (np.linalg.norm(a.astype(wide)) for a in (signal, kernel))
        assert np.abs(entry - expected).max() <= fourier_bound(*norms, 4096, dtype)


@pytest.mark.parametrize("engine", engines())
def test_measured_plans_compute_the_same(engine: str) -> None:
    rng = np.random.default_rng(0)
    x, w = rng.standard_normal((5, 48)), rng.standard_normal(48)
    options: dict[str, Any] = {"method": "fourier", "engine": engine}
    measured = plan(x.shape, w.shape, effort="measure", **options)(x, w)
    np.testing.assert_allclose(measured, plan(x.shape, w.shape, **options)(x, w), atol=1e-12)


@pytest.mark.parametrize("engine", engines())
def test_the_end_of_a_signal_is_forgotten(engine: str) -> None:
    """A transform that has seen long signals continues shorter ones by zeros, not by what it held before."""
    transform = make_transform(engine, (2, 8), (1,), "float64")
    transform.forward(np.ones((2, 8)))
    np.testing.assert_allclose(transform.forward(np.ones((2, 3)))[:, 0], 3)
    transform.inverse(transform.forward(np.ones((1, 5))), np.empty((1, 5)))
    np.testing.assert_allclose(transform.forward(np.ones((2, 5)))[:, 0], 5)


def test_no_more_than_the_limit_is_kept_at_rest() -> None:
    before = set_idle_limit(10_000)
    try:
        key = TransformKey("torch", (16,), (0,), "float64")
        with borrow(key) as first:
            pass
        with borrow(key) as again:
            assert again is first
            with borrow(key) as other:  # in use: another thread would get its own
                assert other is not first
        assert set_idle_limit(0) == 10_000
        with borrow(key) as fresh:
            assert fresh is not first
            assert fresh is not other
    finally:
        set_idle_limit(before)
    with pytest.raises(ValueError, match="limit"):
        set_idle_limit(-1)


def test_factor_pairs() -> None:
    assert factor_pair(64 * 64) == (64, 64)
    assert factor_pair(63 * 64) is None
    assert factor_pair(3 * 10007) is None
    assert all(a * b == n for n in (4096, 10000, 2**20, 360360) for a, b in [factor_pair(n) or (0, 0)])


@pytest.mark.parametrize("engine", engines())
def test_an_object_meets_signals_of_one_shape_and_other_strides(engine: str) -> None:
    """Contiguous signals of short rows are seen as another batch; those of other strides, and such results, are not."""
    rng = np.random.default_rng(0)
    x, w = rng.standard_normal((64, 64, 64)), rng.standard_normal((1, 1, 64))
    prepared = plan(x.shape, w.shape, method="fourier", engine=engine, threads=1).prepare(w)
    y = prepared(x)
    np.testing.assert_allclose(y, np.fft.irfft(np.fft.rfft(x) * np.fft.rfft(w), 64), atol=1e-10)
    np.testing.assert_allclose(prepared(x[::-1])[::-1], y, atol=1e-12)
    np.testing.assert_allclose(prepared(x, out=np.zeros_like(x).transpose(1, 0, 2)), y, atol=1e-12)
    np.testing.assert_allclose(prepared(x), y, atol=1e-12)


@pytest.mark.parametrize("engine", engines())
@pytest.mark.parametrize("layout", ["blocks", "tiles"])
@pytest.mark.parametrize("sizes", [(1, 2**17), (2**17, 1), (1, 2**9, 1, 2**8), (1, 65537)])
def test_axes_of_one_entry_cost_nothing(engine: str, layout: str, sizes: tuple[int, ...]) -> None:
    """A plane of one row is a row, whatever the kernel along that axis: its taps there are summed."""
    rng = np.random.default_rng(0)
    x, w = rng.standard_normal((2, *sizes)), rng.standard_normal(tuple(3 if n == 1 else n for n in sizes))
    axes = range(1, len(sizes) + 1)
    found = plan(x.shape, w.shape, axes, method="fourier", engine=engine)
    ways = [c for c in found.candidates if c.engine == engine and c.layout == layout and c.grid == sizes]
    if layout == "tiles" and 65537 in sizes:
        assert not ways  # no two factors
        return
    way = replace(found, chosen=ways[0])
    summed = w.sum(axis=tuple(a for a, n in enumerate(sizes) if n == 1), keepdims=True)
    truth = np.fft.irfftn(np.fft.rfftn(x, axes=axes) * np.fft.rfftn(summed), s=sizes, axes=axes)
    np.testing.assert_allclose(way(x, w), truth, atol=1e-9)
    turned = np.moveaxis(np.moveaxis(x, 0, -1).copy(), -1, 0)
    np.testing.assert_allclose(way(turned, w), truth, atol=1e-9)


@pytest.mark.parametrize("sizes", [(2**16,), (512, 128)])
def test_tiles_keep_the_spectrum_of_one_call(sizes: tuple[int, ...]) -> None:
    """However many threads have called at once, one spectrum stays for the next call; it is taken, not made anew."""
    rng = np.random.default_rng(0)
    x, spectrum = rng.standard_normal((3, *sizes)), np.fft.rfftn(rng.standard_normal(sizes))
    product = TiledProduct(spectrum, sizes, sizes, np.float64, "torch")
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda _: product(x, np.empty_like(x)), range(12)))
    assert len(product._spare) == 1
    kept = product._spare[0]
    product(x, np.empty_like(x))
    assert product._spare[0] is kept
    assert kept.nbytes == product.workspace


@pytest.mark.parametrize("engine", engines())
@pytest.mark.parametrize("sizes", [(2**18,), (512, 512)])
def test_tiles_are_dealt_out_among_the_threads_of_the_plan(
    engine: str, sizes: tuple[int, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[tuple[int, int]] = []

    def recorded(run: Any, parts: Any, threads: int) -> None:
        seen.append((threads, len(parts)))
        run_parallel(run, parts, threads)

    for module in ("columns", "rows", "grids"):
        monkeypatch.setattr(f"equiconv.convolution.tiles.{module}.run_parallel", recorded)
    rng = np.random.default_rng(0)
    x, w = rng.standard_normal(sizes), rng.standard_normal(sizes)
    found = plan(sizes, sizes, range(len(sizes)), method="fourier", engine=engine, threads=3)
    tiles = replace(found, chosen=next(c for c in found.candidates if (c.engine, c.layout) == (engine, "tiles")))
    prepared = tiles.prepare(w)
    seen.clear()
    prepared(x)
    assert len(seen) == 3  # three passes
    assert all(threads == 3 and parts >= 3 for threads, parts in seen)
