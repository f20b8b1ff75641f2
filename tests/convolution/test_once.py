"""Kernels that are met once: the short way gives what the long one does, and steps aside where it would not."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from equiconv.arrays import fourier_bound
from equiconv.convolution import circular_convolve, circular_correlate, plan
from equiconv.convolution.engines import available
from equiconv.convolution.once import OnceProduct, OnceSums

DTYPES = ("float32", "float64", "complex64", "complex128")


def noise(rng: np.random.Generator, shape: tuple[int, ...], dtype: str) -> Any:
    x = rng.standard_normal(shape)
    return (x + 1j * rng.standard_normal(shape) if dtype.startswith("complex") else x).astype(dtype)


@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_the_short_way_is_the_convolution(data: st.DataObject) -> None:
    levels = data.draw(st.integers(1, 3))
    sizes = tuple(data.draw(st.integers(1, 9)) for _ in range(levels))
    taps = tuple(data.draw(st.integers(1, n)) for n in sizes)
    origin = tuple(data.draw(st.integers(-12, 12)) for _ in sizes)
    batch = tuple(data.draw(st.lists(st.integers(1, 3), max_size=2)))
    dtype, engine = data.draw(st.sampled_from(DTYPES)), data.draw(st.sampled_from(available()))
    correlate = data.draw(st.booleans())
    rng = np.random.default_rng(data.draw(st.integers(0, 2**32 - 1)))
    x, w = noise(rng, (*batch, *sizes), dtype), noise(rng, taps, dtype)
    if data.draw(st.booleans()):
        x = x[..., ::-1].copy()[..., ::-1]  # the same values, backwards in memory
    axes = tuple(range(len(batch), len(batch) + levels))
    options: dict[str, Any] = {"origin": origin, "correlate": correlate, "threads": 1}
    p = plan(x.shape, w.shape, axes, dtype, "fourier", engine=engine, **options)
    if p.chosen.grid != sizes:
        return
    assert p.once is not None
    y = p.once(x, w)
    assert y is not None
    assert y.dtype == x.dtype
    wide = np.complex128 if dtype.startswith("complex") else np.float64
    function = circular_correlate if correlate else circular_convolve
    truth = function(x.astype(wide), w.astype(wide), axes, origin, method="definition")
    last = tuple(range(-levels, 0))
    signal = np.sqrt((np.abs(x) ** 2).sum(last, keepdims=True))
    assert (np.abs(y - truth) <= fourier_bound(signal, np.linalg.norm(w.reshape(-1)), sizes, dtype)).all()


@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_the_short_sum_is_the_definition(data: st.DataObject) -> None:
    """Exact lane: bitwise on small integers, wherever the window starts, and whatever the signal's memory."""
    n = data.draw(st.integers(1, 12))
    m = data.draw(st.integers(1, n))
    origin, correlate = data.draw(st.integers(-15, 15)), data.draw(st.booleans())
    batch = tuple(data.draw(st.lists(st.integers(1, 3), max_size=2)))
    dtype = data.draw(st.sampled_from(DTYPES))
    rng = np.random.default_rng(data.draw(st.integers(0, 2**32 - 1)))
    x, w = (rng.integers(-9, 10, s).astype(dtype) for s in ((*batch, n), (m,)))
    if dtype.startswith("complex"):
        x, w = x + 1j * np.flip(x, -1), (w * (1 + 2j)).astype(dtype)
    if data.draw(st.booleans()):
        x = x[..., ::-1].copy()[..., ::-1]
    x = x.astype(dtype, copy=False)
    once = plan(x.shape, w.shape, -1, dtype, "direct", origin=origin, correlate=correlate).once
    assert isinstance(once, OnceSums)
    y = once(x, w)
    function = circular_correlate if correlate else circular_convolve
    assert y.dtype == x.dtype
    assert np.array_equal(y, function(x, w, -1, origin, method="definition"))
    assert not np.shares_memory(y, x)


def test_what_is_kept_of_a_call_serves_no_other() -> None:
    """Arguments that hash alike, or that follow a call of the same shapes, are looked at as if they came first."""
    x, w = np.arange(6.0), np.array([1.0, 2.0, 4.0])
    expected = circular_convolve(x, w)
    for wrong in (True, 0.0, np.float64(0.0)):
        with pytest.raises(TypeError):
            circular_convolve(x, w, origin=wrong)  # type: ignore[arg-type]
    for wrong in ((True,), [True], (1.0,)):
        circular_convolve(x, w, (0,), (1,))
        with pytest.raises(TypeError):
            circular_convolve(x, w, (0,), wrong)  # type: ignore[arg-type]
    with pytest.raises(TypeError):
        circular_convolve(x.astype(int), w)
    with pytest.raises(TypeError):
        circular_convolve(x.astype(int), w.astype(int))
    with pytest.raises(ValueError, match="method"):
        circular_convolve(x, w, method="fast")  # type: ignore[arg-type]
    assert np.array_equal(circular_convolve(x.astype(">f8"), w.astype(">f8")), expected)
    assert circular_convolve(x.astype(np.float32), w.astype(np.float32)).dtype == np.float32
    assert np.array_equal(circular_convolve(x, w, -1, 1), np.roll(expected, -1))
    assert np.array_equal(circular_convolve(x, w), expected)
    # tensors of the same shapes, with a gradient and without, and lazily conjugate
    tensors = torch.from_numpy(x), torch.from_numpy(w)
    assert torch.equal(circular_convolve(*tensors), torch.from_numpy(expected))
    recorded = circular_convolve(tensors[0].requires_grad_(), tensors[1])
    assert recorded.requires_grad
    torch.testing.assert_close(recorded.detach(), torch.from_numpy(expected))
    z = torch.from_numpy(x) * (1 + 2j)
    lazy = circular_convolve(z.conj(), torch.from_numpy(w).to(z.dtype))
    torch.testing.assert_close(lazy, torch.from_numpy(expected) * (1 - 2j))
    with pytest.raises(TypeError):
        circular_convolve(x, torch.from_numpy(w))


@pytest.mark.parametrize("size", [1e-38, 3e38])
def test_kernels_out_of_range_take_the_long_way(size: float) -> None:
    x = np.full((1, 64), 1e-3 if size > 1 else 1e3, np.float32)
    w = np.full(64, size, np.float32)
    p = plan(x.shape, w.shape, dtype="float32", method="fourier")
    assert p.once is not None
    assert p.once(x, w) is None
    np.testing.assert_allclose(p(x, w), np.full((1, 64), 64.0 * x[0, 0] * float(w[0])), rtol=1e-5)


@pytest.mark.parametrize(
    ("x_shape", "w_shape", "axes", "options"),
    [
        ((1, 64), (1, 64), -1, {}),  # a kernel that has a batch axis
        ((64, 2), (64,), 0, {}),  # another axis than the last
        ((2, 64), (65,), -1, {}),  # a kernel that wraps
        ((2**10, 64), (64,), -1, {}),  # many samples
        ((0, 64), (64,), -1, {}),
        ((1, 64), (64,), -1, {"method": "dense", "engine": "auto"}),
        ((1, 64), (64,), -1, {"dtype": "float16", "library": "torch"}),
    ],
)
def test_what_is_not_plain_has_no_short_way(x_shape: Any, w_shape: Any, axes: int, options: dict[str, Any]) -> None:
    assert plan((1, 64), (64,), method="fourier", engine="torch").once is not None
    assert plan(x_shape, w_shape, axes, **{"method": "fourier", "engine": "torch", **options}).once is None


def test_another_grid_has_no_short_way() -> None:
    p = plan((1, 1009), (1009,), dtype="float32", method="fourier")
    assert (p.once is None) == (p.chosen.grid != (1009,))


def test_the_long_and_the_short_way_agree(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    x, w = noise(rng, (3, 96), "float64"), noise(rng, (5,), "float64")
    calls: list[int] = []
    original = OnceProduct.__call__

    def counted(self: OnceProduct, x: Any, w: Any) -> Any:
        calls.append(1)
        return original(self, x, w)

    monkeypatch.setattr(OnceProduct, "__call__", counted)
    short = circular_convolve(x, w, method="fourier")
    by_torch = circular_convolve(torch.from_numpy(x), torch.from_numpy(w), method="fourier")
    assert len(calls) == 2
    assert isinstance(by_torch, torch.Tensor)
    np.testing.assert_array_equal(short, by_torch.numpy())
    long = plan(x.shape, w.shape, method="fourier").prepare(w)(x)
    np.testing.assert_allclose(short, long, atol=1e-13)
    assert len(calls) == 2
    swapped = circular_convolve(x.astype(">f8"), w.astype(">f8"), method="fourier")
    np.testing.assert_array_equal(swapped, short)


def test_many_threads_may_meet_kernels_at_once() -> None:
    rng = np.random.default_rng(0)
    x = noise(rng, (2, 256), "float64")
    kernels = [noise(rng, (256,), "float64") for _ in range(64)]
    want = [circular_convolve(x, w, method="fourier") for w in kernels]
    with ThreadPoolExecutor(8) as pool:
        for got, expected in zip(
            pool.map(lambda w: circular_convolve(x, w, method="fourier"), kernels), want, strict=True
        ):
            np.testing.assert_array_equal(got, expected)


def test_what_is_prepared_for_one_call_counts() -> None:
    """A matrix for each signal is more work than the transforms; for one kernel and many signals it is none."""
    assert plan((4096, 16), (16,), dtype="float32", once=True).method == "dense"
    assert plan((4096, 16), (4096, 16), dtype="float32", once=True).method != "dense"
    assert plan((1, 16384), (7,), dtype="float32", once=True).method == "direct"
