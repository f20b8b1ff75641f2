"""What an adversary found in the planned convolution: memory of every kind, copies, forks, and torch watching."""

from __future__ import annotations

import copy
import dataclasses
import multiprocessing
import os
import pickle
import subprocess
import sys
import tracemalloc
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch._subclasses.fake_tensor import FakeTensorMode

from equiconv import circular_convolve, plan
from equiconv.convolution import Plan
from equiconv.convolution.engines import available, pool
from equiconv.convolution.tiles.rows import _twiddles

Array = Any
WAYS = ("direct", "dense", *available())


def plan_by(way: str, x_shape: Any, w_shape: Any, **options: Any) -> Plan:
    if way in available():
        return plan(x_shape, w_shape, method="fourier", engine=way, threads=1, **options)
    return plan(x_shape, w_shape, method=way, threads=1, **options)  # type: ignore[arg-type]


def arrays(*shapes: tuple[int, ...]) -> list[Array]:
    rng = np.random.default_rng(0)
    return [rng.standard_normal(shape) for shape in shapes]


def record_field(a: Array) -> Array:
    """The same numbers as a field of packed records: strides are no whole number of entries."""
    records = np.zeros(a.shape, dtype=[("flag", "u1"), ("value", a.dtype)])
    records["value"] = a
    return records["value"]


def off_by_three_bytes(a: Array) -> Array:
    b = np.frombuffer(bytearray(a.nbytes + 3), dtype=a.dtype, count=a.size, offset=3).reshape(a.shape)
    b[...] = a
    return b


def reversed_axis_of_one(a: Array) -> Array:
    """Contiguous to NumPy, whose flags ignore the strides of axes of one sample, but not to torch."""
    return np.lib.stride_tricks.as_strided(a, strides=(-8, *a.strides[1:]))


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("lay", [record_field, off_by_three_bytes])
def test_any_memory_is_read_and_written(way: str, lay: Callable[[Array], Array]) -> None:
    x, w = arrays((3, 64), (7,))
    want = circular_convolve(x, w, method="definition")
    p = plan_by(way, x.shape, w.shape)
    prepared = p.prepare(lay(w))
    out = lay(np.zeros_like(x))
    for _ in range(3):  # the way is a shorter one from the second call on
        np.testing.assert_allclose(prepared(lay(x)), want, atol=1e-13)
        assert prepared(lay(x), out=out) is out
        np.testing.assert_allclose(out, want, atol=1e-13)
    np.testing.assert_allclose(p(lay(x), lay(w)), want, atol=1e-13)


@pytest.mark.parametrize("way", WAYS)
def test_an_axis_of_one_sample_may_have_any_stride(way: str) -> None:
    x, w = arrays((1, 64), (7,))
    prepared = plan_by(way, x.shape, w.shape).prepare(w)
    want = prepared(x)
    out = reversed_axis_of_one(np.zeros_like(x))
    assert out.flags.carray
    for _ in range(2):
        prepared(reversed_axis_of_one(x), out=out)
        np.testing.assert_allclose(out, want, atol=1e-13)


@pytest.mark.parametrize("shape", [(33,), (1, 33), (64, 33), (4, 8, 33)])
def test_dense_calls_are_the_same_bits_for_strided_rows(shape: tuple[int, ...]) -> None:
    x, w = arrays(shape, (33,))
    strided = np.repeat(x, 2, axis=-1)[..., ::2]
    prepared = plan_by("dense", x.shape, w.shape).prepare(w)
    first = prepared(strided)
    for _ in range(3):
        np.testing.assert_array_equal(prepared(strided), first)
        np.testing.assert_array_equal(prepared(strided, out=np.empty(shape)), first)


def test_dense_rows_over_several_axes_take_the_matrix_product() -> None:
    # `dot` with more than two axes is a loop of scalar products, thirty times slower
    x, w = arrays((4, 8, 33), (33,))
    prepared = plan_by("dense", x.shape, w.shape).prepare(w)
    prepared(x)
    assert prepared._kernel.single((4, 8, 33)) is None  # type: ignore[union-attr]
    assert prepared._kernel.single((32, 33)) is not None  # type: ignore[union-attr]


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("batch", [(1,), (2,), (3,), (0,)])
def test_a_plan_called_with_another_batch(way: str, batch: tuple[int, ...]) -> None:
    x, w = arrays((*batch, 64), (64,))
    y = plan_by(way, (2, 64), (64,))(x, w)
    assert y.shape == x.shape
    np.testing.assert_allclose(y, circular_convolve(x, w, method="definition"), atol=1e-13)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("shape", [(2, 32), (2, 65), (2, 0), (64,), (2, 2, 64)])
def test_a_plan_called_with_other_sizes(way: str, shape: tuple[int, ...]) -> None:
    x, w = arrays(shape, (64,))
    p = plan_by(way, (2, 64), (64,))
    with pytest.raises(ValueError, match=r"x must have 2 axes and sizes \(64,\)"):
        p(x, w)


def test_a_plan_of_library_operations_called_with_other_sizes() -> None:
    # the origin is one modulo the plan's size, and another modulo this one's
    p = plan((2, 64), (64,), library="torch", origin=-1)
    with pytest.raises(ValueError, match=r"x must have 2 axes and sizes \(64,\)"):
        p(torch.ones((2, 50), dtype=torch.float64, requires_grad=True), torch.ones(64, dtype=torch.float64))


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(("dtype", "large", "small"), [("complex64", 3e38, 1e-30), ("complex128", 1.5e308, 1e-300)])
def test_a_kernel_whose_modulus_overflows(way: str, dtype: str, large: float, small: float) -> None:
    x, w = np.zeros((2, 64), dtype), np.zeros((2, 64), dtype)
    x[:, 3], w[0, :2], w[1, :2] = small, [large * (1 + 1j), large / 2], [1, 2]
    want = circular_convolve(x.astype(np.clongdouble), w.astype(np.clongdouble), method="definition")
    y = plan_by(way, x.shape, w.shape, dtype=dtype)(x, w)
    error = np.abs(y - want).max(axis=1) / np.abs(want).max(axis=1)
    assert (error <= 100 * np.finfo(dtype).eps).all()


@pytest.mark.parametrize("engine", [name for name in ("fftw", "mkl") if name in available()])
def test_the_process_may_end_while_a_daemon_computes(engine: str) -> None:
    # (libraries in C++, torch, ducc0 and SciPy, end such a process by `terminate`, whatever they compute; signals in
    # tiles, which longer ones would be, take one of them for their columns)
    program = f"""if True:
        import threading
        import numpy as np
        from equiconv import plan

        prepared = plan((4, 16384), (16384,), method="fourier", engine={engine!r}, threads=1).prepare(np.ones(16384))
        begun = threading.Barrier(5)

        def run():
            x = np.ones((4, 16384))
            prepared(x)
            begun.wait()
            while True:
                prepared(x)

        for _ in range(4):
            threading.Thread(target=run, daemon=True).start()
        begun.wait()
    """
    for _ in range(3):
        ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
        assert (ended.returncode, ended.stderr) == (0, "")


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("again", [copy.copy, copy.deepcopy, lambda p: pickle.loads(pickle.dumps(p))])
def test_copies_and_pickles_compute(way: str, again: Callable[[Any], Any]) -> None:
    x, w = arrays((3, 64), (7,))
    prepared = plan_by(way, x.shape, w.shape).prepare(w)
    prepared(x)
    want = prepared(x)
    copied = again(prepared)
    out = np.empty_like(x)
    copied(2 * x)
    np.testing.assert_array_equal(copied(x), want)
    np.testing.assert_array_equal(copied(x, out=out), want)
    np.testing.assert_array_equal(prepared(x), want)
    assert copied.plan == prepared.plan


def test_out_that_repeats_memory_is_refused_and_an_empty_one_is_not() -> None:
    x, w = arrays((4, 8), (8,))
    p = plan(x.shape, w.shape)
    row = np.zeros(8)
    repeated = np.lib.stride_tricks.as_strided(row, (4, 8), (0, 8))
    with pytest.raises(ValueError, match="repeats memory"):
        p(x, w, out=repeated)
    with pytest.raises(ValueError, match="repeats memory"):
        p(repeated, w, out=repeated)
    p = plan(x.shape, w.shape, library="torch")
    with pytest.raises(ValueError, match="repeats memory"):
        p(torch.as_tensor(x), torch.as_tensor(w), out=torch.as_tensor(row).expand(4, 8))
    empty = torch.from_numpy(np.zeros((0, 8)))
    assert 0 in empty.stride()
    assert plan((0, 8), (8,), library="torch")(empty, torch.as_tensor(w), out=empty) is empty


@pytest.mark.parametrize("engine", available())
@pytest.mark.parametrize("dtype", ["float32", "float64", "complex128"])
def test_a_kernel_near_overflow(engine: str, dtype: str) -> None:
    x, w = (np.abs(a).astype(dtype) + 1 for a in arrays((2, 1024), (1024,)))
    w *= float(np.finfo(dtype).max) / 64
    x *= float(np.finfo(dtype).eps) ** 2
    want = circular_convolve(x * 2.0**20, w * 2.0**-20, method="definition")
    y = plan(x.shape, w.shape, dtype=dtype, method="fourier", engine=engine).prepare(w)(x)
    np.testing.assert_allclose(y, want, rtol=1e3 * float(np.finfo(dtype).eps))


def test_twiddles_of_long_rows_take_little_memory() -> None:
    _twiddles.cache_clear()
    tracemalloc.start()
    fine, coarse = _twiddles(512, 1024, 257, 20, "complex64")
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 257 * 1024 * 8 // 2  # what all of them would take, at least twice over
    table = (coarse[:, None] * fine).reshape(-1, 1024)[:257]
    angles = np.outer(np.arange(257), np.arange(1024)) / (512 * 1024)
    np.testing.assert_allclose(table, np.exp(-2j * np.pi * angles), rtol=3e-7)


# ---------------------------------------------------------------------------------------------------------------------
# torch
# ---------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("way", WAYS)
def test_autograd_notices_that_out_was_written(way: str) -> None:
    x, w = (torch.as_tensor(a) for a in arrays((3, 64), (7,)))
    p = plan_by(way, x.shape, w.shape, library="torch")
    leaf = torch.zeros_like(x, requires_grad=True)
    saved = leaf.exp()  # its gradient is itself
    with torch.no_grad():
        p(x, w, out=saved)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        torch.autograd.backward(saved.sum())


@pytest.mark.parametrize("way", WAYS)
def test_conjugate_and_negative_views_are_written(way: str) -> None:
    rng = np.random.default_rng(0)
    x, w = (torch.as_tensor(rng.standard_normal(s) + 1j * rng.standard_normal(s)) for s in ((3, 64), (7,)))
    p = plan_by(way, x.shape, w.shape, library="torch", dtype="complex128")
    want = p(x, w)
    out = torch.zeros_like(x).conj()
    assert p(x, w, out=out) is out
    torch.testing.assert_close(out, want, rtol=0, atol=1e-12)
    flipped = x.conj().clone().conj()  # x again, as a conjugate view
    p(flipped, w, out=flipped)
    torch.testing.assert_close(flipped, want, rtol=0, atol=1e-12)
    real = plan_by(way, x.shape, w.shape, library="torch")
    negative = torch.zeros_like(x).conj().imag
    assert negative.is_neg()
    real(x.real, w.real, out=negative)
    torch.testing.assert_close(negative, real(x.real, w.real), rtol=0, atol=1e-12)


@pytest.mark.filterwarnings("ignore:ComplexHalf support is experimental")
def test_complex32() -> None:
    x, w = torch.tensor([1 + 1j, 2, 3, 4]), torch.tensor([1j, 1])
    y = circular_convolve(x.to(torch.complex32), w.to(torch.complex32))
    assert y.dtype == torch.complex32
    assert torch.equal(y.to(torch.complex64), circular_convolve(x, w, method="definition"))
    out = torch.zeros(4, dtype=torch.complex32)
    plan((4,), (2,), dtype=torch.complex32, library="torch")(x.to(torch.complex32), w.to(torch.complex32), out=out)
    assert torch.equal(out.to(torch.complex64), y.to(torch.complex64))


@pytest.mark.parametrize("way", WAYS)
def test_modes_and_transforms_do_not_reach_numpy_arrays(way: str) -> None:
    x, w = arrays((3, 64), (7,))
    want = circular_convolve(x, w, method="definition")
    p = plan_by(way, x.shape, w.shape)
    prepared = p.prepare(w)
    prepared(x)

    def inside(t: torch.Tensor) -> torch.Tensor:
        for y in (p(x, w), prepared(x), prepared(x, out=np.empty_like(x)), p.prepare(w)(x)):
            np.testing.assert_allclose(y, want, atol=1e-13)
        # captured, but not transformed itself
        y = circular_convolve(torch.as_tensor(x), torch.as_tensor(w))
        result: torch.Tensor = (t * t).sum() + 0 * y.sum()
        return result

    pool.set_idle_limit(pool.set_idle_limit(0))  # transforms are made inside, too
    with FakeTensorMode():
        for y in (p(x, w), prepared(x), prepared(x, out=np.empty_like(x)), p.prepare(w)(x)):
            np.testing.assert_allclose(y, want, atol=1e-13)
    t = torch.ones(3)
    assert torch.equal(torch.func.grad(inside)(t), 2 * t)
    assert torch.func.jvp(inside, (t,), (t,))[1] == 6
    assert torch.func.functionalize(inside)(t) == 3
    np.testing.assert_allclose(p(x, w), want, atol=1e-13)  # nothing of the modes stays in the pool


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::torch.jit.TracerWarning")
def test_a_traced_convolution_convolves_what_it_is_given() -> None:
    x, w = (torch.as_tensor(a) for a in arrays((3, 64), (64,)))
    prepared = plan(x.shape, w.shape, library="torch").prepare(w)
    functions: list[Any] = [lambda a: circular_convolve(a, w), lambda a: prepared(a)]
    for function in functions:
        traced: Any = torch.jit.trace(function, (x,))  # type: ignore[no-untyped-call]
        torch.testing.assert_close(traced(x + 1), function(x + 1), rtol=0, atol=1e-12)


# ---------------------------------------------------------------------------------------------------------------------
# Forked processes
# ---------------------------------------------------------------------------------------------------------------------


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.parametrize("engine", ["fftw", "mkl"])
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_forked_process_does_not_wait_for_the_threads_of_its_parent(engine: str) -> None:
    if engine not in available():
        pytest.skip(f"no {engine} here")
    n = 2**18
    x, w = arrays((n,), (n,))
    p = plan((n,), (n,), method="fourier", engine=engine, threads=2)
    blocks = next(c for c in p.candidates if c.engine == engine and c.layout == "blocks")
    p = dataclasses.replace(p, chosen=blocks)
    prepared = p.prepare(w)
    want = prepared(x)
    prepared(x)
    context = multiprocessing.get_context("fork")
    here, there = context.Pipe()

    def child() -> None:
        there.send((prepared(x), p(x, w)))

    process = context.Process(target=child)
    process.start()
    try:
        assert here.poll(600), "the forked process hangs"  # rather than the whole run with it
        for y in here.recv():
            np.testing.assert_allclose(y, want, atol=1e-9)
    finally:
        process.kill()
        process.join()


@pytest.mark.skipif("fftw" not in available(), reason="needs FFTW")
def test_in_a_forked_process_fftw_is_given_one_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    import pyfftw

    from equiconv.convolution.engines import fftw, forking

    threads: list[int] = []
    original = pyfftw.FFTW

    def planned(*args: Any, **options: Any) -> Any:
        threads.append(options["threads"])
        return original(*args, **options)

    monkeypatch.setattr(pyfftw, "FFTW", planned)
    (x,) = arrays((4, 1000))
    transform = fftw.FFTWTransform((4, 1000), (1,), "float64", threads=2)
    run = transform.filtered(np.ones(501))
    want = run(x)
    monkeypatch.setattr(forking, "_forks", forking.forks() + 1)
    np.testing.assert_allclose(run(x), want, atol=1e-9)
    out = np.empty_like(x)
    transform.filter(x, np.ones(501), out)
    np.testing.assert_allclose(out, want, atol=1e-9)
    fftw.FFTWTransform((4, 1000), (1,), "float64", threads=2)
    assert threads == [2, 2, 1, 1, 1, 1]


# ---------------------------------------------------------------------------------------------------------------------
# Arguments
# ---------------------------------------------------------------------------------------------------------------------


def test_axes_may_come_from_an_iterator() -> None:
    assert plan((4, 5), (4, 5), iter((0, 1))) == plan((4, 5), (4, 5), (0, 1))
    x, w = arrays((4, 5), (2, 2))
    np.testing.assert_array_equal(circular_convolve(x, w, iter((0, 1))), circular_convolve(x, w, (0, 1)))


@pytest.mark.parametrize(
    ("dtype", "name"),
    [
        (float, "float64"),
        (complex, "complex128"),
        ("f4", "float32"),
        ("float", "float64"),
        ("torch.float", "float32"),
        ("longdouble", np.dtype(np.longdouble).name),
    ],
)
def test_dtypes_by_any_name(dtype: Any, name: str) -> None:
    assert plan((4,), (2,), dtype=dtype).dtype == name


def test_a_device_without_an_index_is_any_of_its_kind() -> None:
    assert plan((4,), (2,), library="torch", device="cpu:0").device == "cpu"
    meta = plan((4,), (2,), library="torch", device="meta")
    assert meta(torch.zeros(4, device="meta").double(), torch.zeros(2, device="meta").double()).shape == (4,)


@pytest.mark.parametrize("method", ["definition", "fourier"])
def test_an_origin_of_any_size(method: Any) -> None:
    x, w = (torch.as_tensor(a).requires_grad_() for a in arrays((7,), (3,)))
    far = circular_convolve(x, w, origin=7 * 10**30 + 2, method=method)
    torch.testing.assert_close(far, circular_convolve(x, w, origin=2, method=method))


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"x_shape": (4.7,)}, TypeError, "x_shape must be a shape"),
        ({"x_shape": "44"}, TypeError, "x_shape must be a shape"),
        ({"w_shape": (True,)}, TypeError, "w_shape must be a shape"),
        ({"x_shape": (-3, 4)}, ValueError, "x_shape must hold sizes of at least 0"),
        ({"threads": 1.5}, TypeError, "threads must be an integer"),
        ({"threads": float("nan")}, TypeError, "threads must be an integer"),
        ({"threads": "2"}, TypeError, "threads must be an integer"),
        ({"threads": True}, TypeError, "threads must be an integer"),
        ({"workspace": "1 MB"}, TypeError, "workspace must be a number of bytes"),
        ({"workspace": float("nan")}, ValueError, "workspace must be a number of bytes"),
        ({"workspace": -1}, ValueError, "workspace must be a number of bytes"),
        ({"dtype": [1]}, TypeError, "dtype must be real or complex floating"),
        ({"dtype": "foo.float32"}, TypeError, "dtype must be real or complex floating"),
        ({"dtype": None}, TypeError, "dtype must be real or complex floating"),
        ({"device": "cuda"}, ValueError, "device must be 'cpu' for numpy arrays"),
        ({"device": "gpu", "library": "torch"}, ValueError, "device must be one of torch's"),
        ({"method": np.array(["auto", "fourier"])}, ValueError, "method must be one of"),
    ],
)
def test_nonsense_is_refused(options: dict[str, Any], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        plan(**{"x_shape": (4,), "w_shape": (2,), **options})


def test_a_method_that_is_no_string_is_refused_by_name() -> None:
    with pytest.raises(ValueError, match="method must be one of"):
        circular_convolve(np.ones(4), np.ones(2), method=["auto"])  # type: ignore[arg-type]
