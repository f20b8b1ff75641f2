"""The C interface of MKL: what it computes, what it refuses, and what there is where it is missing."""

from __future__ import annotations

import ctypes
import gc
import math
import multiprocessing
import os
from typing import Any

import numpy as np
import pytest

from equiconv.convolution import plan
from equiconv.convolution.engines import dfti, make_transform, registry
from equiconv.convolution.engines.base import spectrum_shape
from equiconv.convolution.planning import plan_of

needs_mkl = pytest.mark.skipif(not dfti.is_available(), reason="torch has no MKL here")


@needs_mkl
@pytest.mark.parametrize("dtype", ["float32", "float64", "complex64", "complex128"])
@pytest.mark.parametrize("sizes", [(1,), (2,), (17,), (1009,), (4, 6), (5, 1, 7), (3, 2, 2, 3), (2,) * 7])
@pytest.mark.parametrize("count", [1, 3])
def test_transforms_are_the_discrete_ones(dtype: str, sizes: tuple[int, ...], count: int) -> None:
    rng = np.random.default_rng(0)
    is_real = dtype.startswith("float")
    x = rng.standard_normal((count, *sizes)) + (0 if is_real else 1j * rng.standard_normal((count, *sizes)))
    axes = tuple(range(1, x.ndim))
    truth = (np.fft.rfftn if is_real else np.fft.fftn)(x, axes=axes)
    x = x.astype(dtype)
    spectrum = np.empty(spectrum_shape(x.shape, axes, is_real), dtype=np.result_type(dtype, np.complex64))
    dfti.Descriptor(sizes, count, dtype).forward(x.ctypes.data, spectrum.ctypes.data)
    eps = float(np.finfo(dtype).eps)
    scale = eps * math.sqrt(math.prod(sizes)) * 20 * (1 + math.log2(math.prod(sizes)))
    assert np.abs(spectrum - truth).max() <= scale * (1 if max(sizes) < 1000 else 4)
    back = np.empty_like(x)
    dfti.Descriptor(sizes, count, dtype, inverse=True).backward(spectrum.ctypes.data, back.ctypes.data)
    assert np.abs(back - x * math.prod(sizes)).max() <= 4 * scale * math.sqrt(math.prod(sizes))


@needs_mkl
def test_what_mkl_refuses_is_said() -> None:
    with pytest.raises(RuntimeError, match=r"MKL refused a Fourier transform: .+"):
        dfti.Descriptor((2,) * (dfti.LARGEST_RANK + 1), 1, "float32")
    with pytest.raises(RuntimeError, match="MKL refused"):
        dfti.Descriptor((-4,), 1, "float32")


@needs_mkl
def test_descriptors_are_freed(monkeypatch: pytest.MonkeyPatch) -> None:
    freed: list[int] = []
    library = dfti._library()
    assert library is not None

    class Counting:
        def __getattr__(self, name: str) -> Any:
            return getattr(library, name)

        def DftiFreeDescriptor(self, handle: Any) -> int:
            freed.append(handle._obj.value)
            status: int = library.DftiFreeDescriptor(handle)
            return status

    monkeypatch.setattr(dfti, "_library", Counting)
    made = dfti.Descriptor((8,), 1, "float64")
    handle = made._handle.value
    assert handle
    del made
    gc.collect()
    assert freed == [handle]


@needs_mkl
def test_more_axes_than_mkl_takes_go_elsewhere() -> None:
    shape = (2,) * (dfti.LARGEST_RANK + 1)
    p = plan(shape, shape, range(len(shape)), "float32")
    assert "mkl" not in {c.engine for c in p.candidates}
    assert "mkl" in {c.engine for c in plan(shape[:-1], shape[:-1], range(len(shape) - 1), "float32").candidates}


@needs_mkl
def test_other_axes_than_the_last_are_refused() -> None:
    with pytest.raises(ValueError, match="last axes"):
        make_transform("mkl", (4, 5), (0,), "float32")


@pytest.mark.parametrize("reason", ["no file", "no symbols", "another processor", "short integers"])
def test_a_torch_without_mkl(reason: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    if reason == "no file":
        monkeypatch.setattr(dfti.torch, "__file__", str(tmp_path / "__init__.py"))
    elif reason == "no symbols":
        monkeypatch.setattr(dfti.ctypes, "CDLL", lambda _: object())
    elif reason == "another processor":
        monkeypatch.setattr(dfti.platform, "machine", lambda: "aarch64")
    else:
        monkeypatch.setattr(dfti.ctypes, "c_long", ctypes.c_int32)
    caches = (dfti._library, registry.available, plan_of)
    for cache in caches:
        cache.cache_clear()
    try:
        assert not dfti.is_available()
        assert "mkl" not in registry.available()
        assert "mkl" not in {c.engine for c in plan((8, 300), (300,)).candidates}
        with pytest.raises(ValueError, match=r"'mkl' is not installed .* a torch that brings MKL along"):
            plan((8, 300), (300,), engine="mkl")
        with pytest.raises(RuntimeError, match="use another engine"):
            dfti.Descriptor((8,), 1, "float32")
    finally:
        monkeypatch.undo()
        for cache in caches:
            cache.cache_clear()


@needs_mkl
@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_forked_process_leaves_mkl_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """MKL guards its memory by locks, which a thread of the parent may have held: a call may wait for ever."""
    rng = np.random.default_rng(0)
    x, w = rng.standard_normal((3, 64)).astype(np.float32), rng.standard_normal(64).astype(np.float32)
    p = plan(x.shape, w.shape, dtype="float32", method="fourier", engine="mkl", threads=2)
    prepared = p.prepare(w)
    want = [prepared(x) for _ in range(2)][1]
    context = multiprocessing.get_context("fork")
    here, there = context.Pipe()

    def child() -> None:
        calls: list[str] = []

        class Watched:
            def __getattr__(self, name: str) -> Any:
                calls.append(name)
                raise AssertionError(f"MKL's {name} was called")

        def touched(*_: Any) -> int:
            calls.append("a transform")
            raise AssertionError("MKL was called")

        monkeypatch.setattr(dfti, "_library", Watched)
        monkeypatch.setattr(dfti.Descriptor, "forward", touched)
        monkeypatch.setattr(dfti.Descriptor, "backward", touched)
        results = [prepared(x), prepared(x), prepared(x, out=np.empty_like(x)), prepared(x[:1]), p(x, w)]
        results += [plan((2, 5), (5,), dtype="float32", method="fourier", engine="mkl")(x[:2, :5], w[:5])]
        there.send((results, calls))

    process = context.Process(target=child)
    process.start()
    try:
        assert here.poll(600), "the forked process hangs"
        results, calls = here.recv()
    finally:
        process.kill()
        process.join()
    assert calls == []
    truth = [want] * 3 + [want[:1], want, np.real(np.fft.ifft(np.fft.fft(x[:2, :5]) * np.fft.fft(w[:5])))]
    for result, expected in zip(results, truth, strict=True):
        np.testing.assert_allclose(result, expected, atol=1e-4)


@needs_mkl
def test_a_descriptor_of_the_parent_is_not_freed_in_a_child(monkeypatch: pytest.MonkeyPatch) -> None:
    library = dfti._library()
    made = dfti.Descriptor((8,), 1, "float64")
    handle = made._handle
    before = handle.value
    monkeypatch.setattr(dfti, "forks", lambda: 1)
    del made
    gc.collect()
    assert handle.value == before  # freeing sets it to nothing
    monkeypatch.undo()
    assert library is not None
    dfti._free(library, handle, 0)
    assert handle.value != before
