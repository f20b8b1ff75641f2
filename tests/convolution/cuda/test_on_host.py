"""The kernel's own source, built by a C++ compiler and run on this machine, held to the definition."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import get_args

import numpy as np
import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st

from equiconv.convolution.cuda import (
    Epilogue,
    convolve,
    convolve_with_gradient,
    execution,
    find_schedule,
    prepare_kernel,
)
from equiconv.convolution.cuda.source import Activation
from tests.convolution.cuda import cases, host
from tests.convolution.cuda.cases import CASES, EPILOGUE_CASES, SMALL, Case

ROOT = Path(__file__).resolve().parents[3]

pytestmark = pytest.mark.skipif(
    host.compiler() is None, reason="no C++ compiler (g++ or clang++) to build fused.cu with"
)


@pytest.mark.parametrize("case", CASES, ids=str)
def test_the_kernel_meets_the_definition(case: Case) -> None:
    runtime = host.Host()
    cases.check(case, runtime, np.asarray, np.asarray)
    assert {kind for kind, _ in runtime.launches} == {p.kind for p in case.schedule().passes}


def test_the_cases_cover_the_kernel() -> None:
    """Every radix, every mode, every pass, with gaps in shared memory; a barrier-free and a many-stage schedule."""
    schedules = [case.schedule() for case in CASES]
    stages = [s for schedule in schedules for p in schedule.passes for s in p.stages]
    assert {s.radix for s in stages} == set(range(1, 17))
    assert {schedule.mode for schedule in schedules} == {"complex", "half", "single", "pair"}
    assert {p.kind for schedule in schedules for p in schedule.passes} == {"whole", "rows", "columns", "rows_back"}
    assert {1, 2, 3, 4} <= {len(schedule.passes[0].stages) for schedule in schedules}


@pytest.mark.parametrize("case", [c for c in CASES if np.prod(c.sizes) < 5000][::3], ids=str)
def test_no_result_depends_on_the_order_of_threads(case: Case) -> None:
    """Backwards and stirred, between barriers and from block to block: a missing barrier shows."""
    x, w = cases.draw(case)
    kernel = prepare_kernel(w, case.schedule())
    results = [convolve(x, kernel, runtime=host.Host(order)) for order in range(3)]
    np.testing.assert_array_equal(results[0], results[1])
    np.testing.assert_array_equal(results[0], results[2])


def test_a_missing_barrier_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    """The tester, tested: without the barriers of the forward transform, the order of threads shows in the result."""
    case = Case((2048,), "float32")
    (launched,) = case.schedule().passes
    sound = host.kernel_source(case.schedule(), launched)
    broken = sound.replace("    __syncthreads();\n    forward<S + 1>(g);", "    forward<S + 1>(g);")
    assert broken != sound
    monkeypatch.setattr(host, "kernel_source", lambda schedule, launched, variant: broken)
    x, w = cases.draw(case)
    kernel = prepare_kernel(w, case.schedule())
    results = [convolve(x, kernel, runtime=host.Host(order)) for order in range(2)]
    assert not np.array_equal(results[0], results[1])


@pytest.mark.parametrize("activation", get_args(Activation))
@pytest.mark.parametrize("case", EPILOGUE_CASES[:1], ids=str)
def test_activations(case: Case, activation: str) -> None:
    cases.check_epilogue(case, activation, host.Host(), np.asarray, np.asarray)


@pytest.mark.parametrize("case", EPILOGUE_CASES[1:], ids=str)
def test_epilogue(case: Case) -> None:
    cases.check_epilogue(case, "relu", host.Host(), np.asarray, np.asarray)


def test_a_complex_epilogue() -> None:
    schedule = find_schedule((6,), "complex128")
    rng = np.random.default_rng(0)
    x, w, bias = (rng.standard_normal(s) + 1j * rng.standard_normal(s) for s in ((4, 6), (6,), (4,)))
    y = convolve(x, prepare_kernel(w, schedule), epilogue=Epilogue(scale=2.0, bias=bias), runtime=host.Host())
    np.testing.assert_allclose(y, 2 * cases.truth(x, w, 1).astype(complex) + bias[:, None], rtol=0, atol=1e-13)


@st.composite
def leading(draw: st.DrawFn) -> tuple[tuple[int, ...], ...]:
    """Leading axes of a signal, a kernel and a bias: some of those of the result, 1 for the others or none at all."""
    result = draw(st.lists(st.integers(1, 3), max_size=4))

    def some() -> tuple[int, ...]:
        kept = tuple(n if draw(st.booleans()) else 1 for n in result)
        return kept[draw(st.integers(0, next((i for i, n in enumerate(kept) if n != 1), len(kept)))) :]

    x, w = some(), some()
    shape = np.broadcast_shapes(x, w)
    bias = tuple(n if draw(st.booleans()) else 1 for n in shape)
    return x, w, bias[draw(st.integers(0, len(bias))) :]


@settings(max_examples=150, deadline=None)
@given(
    leading(), st.sampled_from([Case((6,), "float64"), Case((15,), "float64", pairs=True), Case((12,), "complex128")])
)
@example(((2, 3, 4), (3, 1), (3, 1)), Case((6,), "float64"))
@example(((2, 3, 3), (3, 1), (2, 1, 1)), Case((15,), "float64", pairs=True))
@example(((2, 3, 4), (2, 1, 4), (2, 1, 4)), Case((15,), "float64", pairs=True))
def test_leading_axes_broadcast(shapes: tuple[tuple[int, ...], ...], case: Case) -> None:
    """Any kernel with any signal, any bias with any result: which of them meet is arithmetic on indices in the kernel."""
    rng = np.random.default_rng(0)
    (x, w), bias = (
        (rng.standard_normal((*s, *case.sizes)).astype(case.dtype) for s in shapes[:2]),
        rng.standard_normal(shapes[2]),
    )
    bias = bias.astype(case.dtype)
    y = convolve(x, prepare_kernel(w, case.schedule()), epilogue=Epilogue(bias=bias), runtime=host.Host())
    expected = cases.truth(x, w, 1) + bias[..., None]
    assert y.shape == expected.shape
    np.testing.assert_allclose(y, expected.astype(y.dtype), rtol=0, atol=1e-12)


def test_small_integers_are_exact() -> None:
    """In float64 a convolution of small integers is within a rounding of integers, so that rounding it gives them."""
    rng = np.random.default_rng(0)
    x, w = rng.integers(-4, 5, (7, 240)), rng.integers(-4, 5, 240)
    kernel = prepare_kernel(w.astype(float), find_schedule((240,), "float64"))
    y = convolve(x.astype(float), kernel, runtime=host.Host())
    expected = np.stack([np.array([(row * w[(i - np.arange(240)) % 240]).sum() for i in range(240)]) for row in x])
    np.testing.assert_array_equal(np.rint(y), expected)


def test_signals_do_not_touch_each_other() -> None:
    """What is not finite in one signal stays there, and a small signal beside a large one keeps its digits."""
    kernel = prepare_kernel(np.eye(1, 6)[0], find_schedule((6,), "float64"))
    x = np.array([[1e300] * 6, [1e-300] * 6, [np.nan] * 6, [1.0] * 6, [np.inf] * 6, [2.0] * 6])
    with np.errstate(invalid="ignore"):
        y = convolve(x, kernel, runtime=host.Host())
    np.testing.assert_allclose(y[[0, 1, 3, 5]], x[[0, 1, 3, 5]], rtol=1e-15)
    assert not np.isfinite(y[[2, 4]]).any()


def test_memory_beyond_the_arrays_is_left_alone() -> None:
    """Signals and result lie in the middle of larger arrays; NaN around the one, a mark around the other."""
    for case in (Case((7,), "float64"), Case((509,), "float32", limits=SMALL), Case((17, 37), "float64", limits=SMALL)):
        x, w = cases.draw(case)
        around = np.full((5, *case.sizes), np.nan, case.dtype)
        around[1:4] = x
        result = np.full_like(around, 12345)
        out = result[1:4]
        kernel = prepare_kernel(w, case.schedule())
        assert convolve(around[1:4], kernel, out, runtime=host.Host()) is out
        np.testing.assert_array_equal(out, convolve(x, kernel, runtime=host.Host()))
        assert (result[[0, 4]] == 12345).all()


@pytest.mark.parametrize("at_end", [True, False])
def test_nothing_beyond_an_array_is_touched(at_end: bool) -> None:
    """Every array ends (or begins) where memory may not be read: in a process of its own, which would not survive it."""
    script = f"""
from tests.convolution.cuda import cases, host
from tests.convolution.cuda.cases import SMALL, Case
from equiconv.convolution.cuda import Epilogue, convolve, prepare_kernel
import dataclasses, numpy as np
for case in (Case((64,), "float32", (5,)), Case((34,), "float32"), Case((143,), "float64"), Case((12,), "complex128", (5,)),
             Case((17, 37), "float64", (2,), limits=SMALL), Case((45, 45), "float32", (3,), pairs=True, limits=SMALL)):
    runtime = host.Host(guarded={at_end})
    x, w = cases.draw(case)
    kernel = prepare_kernel(w, case.schedule())
    kernel = dataclasses.replace(kernel, spectrum=host.guarded(kernel.spectrum, {at_end}))
    bias = host.guarded(np.ones(case.batch, case.dtype), {at_end})
    y = convolve(host.guarded(x, {at_end}), kernel, epilogue=Epilogue(bias=bias), runtime=runtime)
    np.testing.assert_array_equal(y, convolve(x, kernel, epilogue=Epilogue(bias=bias), runtime=host.Host()))
print("survived")
"""
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])}
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=False, cwd=ROOT, env=environment
    )
    assert done.stdout == "survived\n", done.stderr[-2000:] or f"killed by signal {-done.returncode}"


def test_guards_guard() -> None:
    """The tester, tested: a read one element beyond a guarded array is the end of the process that does it."""
    for at_end, index in ((True, 5), (False, -1)):
        script = (
            f"from tests.convolution.cuda import host; import numpy as np, ctypes; a = host.guarded(np.ones(5), {at_end}); "
            f"ctypes.c_double.from_address(a.ctypes.data + 8 * {index}).value"
        )
        done = subprocess.run(
            [sys.executable, "-c", script],
            cwd=ROOT,
            env=os.environ | {"PYTHONPATH": str(ROOT)},
            check=False,
            capture_output=True,
        )
        assert done.returncode == -signal.SIGSEGV, done.stderr


def test_neighbours_at_odd_addresses() -> None:
    """A signal that begins between two pairs of reals is read one by one."""
    case = Case((64,), "float32", (5,))
    x, w = cases.draw(case)
    shifted = np.zeros(x.size + 1, np.float32)[1:].reshape(x.shape)
    shifted[...] = x
    if shifted.ctypes.data % 8 == 0:
        pytest.skip("the allocator put the array at an odd place itself")
    kernel = prepare_kernel(w, case.schedule())
    np.testing.assert_array_equal(
        convolve(shifted, kernel, runtime=host.Host()), convolve(x, kernel, runtime=host.Host())
    )


def test_what_is_not_contiguous_is_copied() -> None:
    case = Case((64,), "float32", (5,))
    x, w = cases.draw(case)
    kernel = prepare_kernel(w, case.schedule())
    y = convolve(x, kernel, runtime=host.Host())
    np.testing.assert_array_equal(convolve(np.asfortranarray(x), kernel, runtime=host.Host()), y)
    np.testing.assert_array_equal(convolve(x.astype(">f4"), kernel, runtime=host.Host()), y)


def test_an_empty_batch() -> None:
    schedule = find_schedule((8,), "float32")
    runtime = host.Host()
    empty = np.zeros((0, 8), np.float32)
    assert convolve(empty, prepare_kernel(np.ones(8, np.float32), schedule), runtime=runtime).shape == (0, 8)
    assert convolve(np.ones(8, np.float32), prepare_kernel(empty, schedule), runtime=runtime).shape == (0, 8)
    assert runtime.launches == []


@pytest.mark.parametrize(
    "case", [Case((6,), "float64", (1000, 3), (3,)), Case((35, 35), "float32", (2, 3), limits=SMALL)], ids=str
)
def test_more_blocks_than_a_launch_has(case: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    x, w = cases.draw(case)
    kernel = prepare_kernel(w, case.schedule())
    y = convolve(x, kernel, runtime=host.Host())
    monkeypatch.setattr(execution, "_LARGEST_GRID", 10)
    runtime = host.Host()
    np.testing.assert_array_equal(convolve(x, kernel, runtime=runtime), y)
    assert max(blocks for _, blocks in runtime.launches) <= 10
    assert len(runtime.launches) > len(case.schedule().passes)


def test_the_workspace_is_bounded() -> None:
    """Planes in three passes go through a workspace in portions; each portion is three launches."""
    case = Case((35, 35), "float32", (2, 3), limits=SMALL)
    x, w = cases.draw(case)
    kernel = prepare_kernel(w, case.schedule())
    one = case.schedule().workspace_elements() * 8
    whole, parts = host.Host(), host.Host()
    y = convolve(x, kernel, runtime=whole)
    np.testing.assert_array_equal(convolve(x, kernel, workspace_bytes=4 * one, runtime=parts), y)
    assert [kind for kind, _ in whole.launches] == ["rows", "columns", "rows_back"]
    assert [kind for kind, _ in parts.launches] == ["rows", "columns", "rows_back"] * 2

    # out of memory: a smaller workspace, and the caller is told
    short = host.Host(memory=2 * one)
    with pytest.warns(RuntimeWarning, match=f"no {6 * one} bytes .* runs with {2 * one}"):
        np.testing.assert_array_equal(convolve(x, kernel, np.empty_like(x), runtime=short), y)
    with pytest.raises(MemoryError, match=f"at least {one} bytes"):
        convolve(x, kernel, np.empty_like(x), runtime=host.Host(memory=one - 1))
    with pytest.raises(MemoryError, match=f"the result needs {x.nbytes} bytes"):
        convolve(x, kernel, runtime=host.Host(memory=x.nbytes - 1))


@pytest.mark.parametrize(
    "case",
    [Case((6,), "float64"), Case((17,), "float64"), Case((3, 4), "complex128"), Case((15,), "float64", pairs=True)],
    ids=str,
)
def test_gradients(case: Case) -> None:
    """First and second derivatives against differences, with leading axes that broadcast."""
    dtype = getattr(torch, case.dtype)
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(2, 1, *case.sizes, dtype=dtype, generator=generator, requires_grad=True)
    w = torch.randn(2, *case.sizes, dtype=dtype, generator=generator, requires_grad=True)
    schedule, runtime = case.schedule(), host.Host()

    def f(x: torch.Tensor, w: torch.Tensor) -> torch.Tensor:
        return convolve_with_gradient(x, w, schedule, runtime=runtime)

    y = f(x, w)
    np.testing.assert_allclose(
        y.detach(), cases.truth(x.detach().numpy(), w.detach().numpy(), len(case.sizes)).astype(case.dtype), atol=1e-12
    )
    assert torch.autograd.gradcheck(f, (x, w))
    assert torch.autograd.gradgradcheck(f, (x, w), fast_mode=True)


def test_a_lazy_conjugate_is_conjugated() -> None:
    schedule, runtime = find_schedule((6,), "complex128"), host.Host()
    generator = torch.Generator().manual_seed(0)
    x, w = (torch.randn(6, dtype=torch.complex128, generator=generator) for _ in range(2))
    kernel = prepare_kernel(w.conj(), schedule)
    expected = cases.truth(x.numpy().conj(), w.numpy().conj(), 1).astype(complex)
    np.testing.assert_allclose(convolve(x.conj(), kernel, runtime=runtime), expected, atol=1e-13)
