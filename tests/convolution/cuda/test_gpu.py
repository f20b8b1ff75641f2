"""The same products on a real GPU, through CuPy and through torch, and what only a GPU can show."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from typing import Any, get_args

import numpy as np
import pytest
import torch

import equiconv as eq
from equiconv.convolution.cuda import (
    HOPPER,
    Schedule,
    convolve,
    convolve_with_gradient,
    device_limits,
    find_schedule,
    prepare_kernel,
)
from equiconv.convolution.cuda.source import Activation
from tests.convolution.cuda import cases
from tests.convolution.cuda.cases import CASES, EPILOGUE_CASES, Case


def _reason() -> str | None:
    """Why there is nothing to test on; None where there is."""
    if importlib.util.find_spec("cupy") is None:
        return "CuPy is not installed"
    import cupy

    try:
        count = cupy.cuda.runtime.getDeviceCount()
    except cupy.cuda.runtime.CUDARuntimeError as error:
        return f"CuPy finds no GPU: {error}"
    return None if count else "CuPy finds no GPU"


REASON = _reason()
pytestmark = [pytest.mark.gpu, pytest.mark.skipif(REASON is not None, reason=str(REASON))]


def _libraries() -> dict[str, tuple[Callable[[Any], Any], Callable[[Any], Any]]]:
    """To the device and back, by library."""

    def to_cupy(a: Any) -> Any:
        import cupy

        return cupy.asarray(a)

    found = {"cupy": (to_cupy, lambda a: a.get())}
    if torch.cuda.is_available():
        found["torch"] = (lambda a: torch.from_numpy(np.ascontiguousarray(a)).cuda(), lambda a: a.cpu().numpy())
    return found


LIBRARIES = _libraries()


@pytest.fixture(params=["cupy", "torch"])
def moved(request: pytest.FixtureRequest) -> tuple[Callable[[Any], Any], Callable[[Any], Any]]:
    if request.param not in LIBRARIES:
        pytest.skip("this torch finds no GPU")
    return LIBRARIES[request.param]


LARGE = (
    Case((4096,), "float32", (1000,)),
    Case((16384,), "float32", (300,)),
    Case((8192,), "complex64", (300,)),
    Case((16384,), "float64", (3,)),
    Case((224, 224), "float32", (2,)),
    Case((300, 250), "float32", (3,)),
)


@pytest.mark.parametrize("case", [*CASES, *LARGE], ids=str)
def test_the_kernel_meets_the_definition(case: Case, moved: Any) -> None:
    if max(p.shared_bytes for p in case.schedule().passes) > device_limits().block_bytes:
        pytest.skip("this GPU has less shared memory than the schedule takes")
    cases.check(case, None, *moved)


@pytest.mark.parametrize("activation", get_args(Activation))
@pytest.mark.parametrize("case", EPILOGUE_CASES, ids=str)
def test_epilogue(case: Case, activation: str, moved: Any) -> None:
    cases.check_epilogue(case, activation, None, *moved)


def test_the_limits_are_the_device_s(moved: Any) -> None:
    limits = device_limits(moved[0](np.zeros(1, np.float32)))
    assert limits.block_bytes <= limits.multiprocessor_bytes
    assert limits.block_bytes >= 48 * 1024
    assert limits.registers == HOPPER.registers


def test_a_schedule_for_a_larger_device_is_refused(moved: Any) -> None:
    from equiconv.convolution.cuda.schedule import Limits

    schedule = find_schedule((60_000,), "float32", limits=Limits(2**20, 2**20))
    assert isinstance(schedule, Schedule)
    kernel = prepare_kernel(moved[0](np.zeros(60_000, np.float32)), schedule)
    with pytest.raises(ValueError, match="bytes of shared memory a block and the device of x has"):
        convolve(moved[0](np.zeros(60_000, np.float32)), kernel)


def test_the_current_stream_is_used(moved: Any) -> None:
    """On a stream of the caller's, behind work that takes long: the kernel waits for it, and the reader for the kernel."""
    to_device, to_host = moved
    case = Case((1024,), "float32", (2**14,))
    x, w = cases.draw(case)
    kernel = prepare_kernel(to_device(w), case.schedule())
    expected = to_host(convolve(to_device(x), kernel))
    if isinstance(kernel.spectrum, torch.Tensor):
        stream = torch.cuda.Stream()
        torch.cuda.synchronize()
        with torch.cuda.stream(stream):
            moving = to_device(np.zeros_like(x))
            torch.cuda._sleep(10**8)
            moving.copy_(torch.from_numpy(x), non_blocking=True)
            y = convolve(moving, kernel).cpu()
        result = y.numpy()
    else:
        import cupy

        with cupy.cuda.Stream(non_blocking=True) as own:
            result = cupy.asnumpy(convolve(cupy.asarray(x), kernel), stream=own)
            own.synchronize()
    np.testing.assert_array_equal(result, expected)


def test_two_runs_are_equal_to_the_last_bit(moved: Any) -> None:
    case = Case((4096,), "float32", (1000,))
    x, w = (moved[0](a) for a in cases.draw(case))
    kernel = prepare_kernel(w, case.schedule())
    first = moved[1](convolve(x, kernel))
    for _ in range(5):
        np.testing.assert_array_equal(moved[1](convolve(x, kernel)), first)


def test_gradients() -> None:
    if "torch" not in LIBRARIES:
        pytest.skip("this torch finds no GPU")
    for sizes, dtype in (((24,), torch.float64), ((17,), torch.float64), ((5, 6), torch.complex128)):
        schedule = find_schedule(sizes, dtype)
        assert isinstance(schedule, Schedule)
        x = torch.randn(3, 1, *sizes, dtype=dtype, device="cuda", requires_grad=True)
        w = torch.randn(2, *sizes, dtype=dtype, device="cuda", requires_grad=True)

        def f(x: torch.Tensor, w: torch.Tensor, schedule: Schedule = schedule) -> torch.Tensor:
            return convolve_with_gradient(x, w, schedule)

        assert torch.autograd.gradcheck(f, (x, w))
        assert torch.autograd.gradgradcheck(f, (x, w), fast_mode=True)


@pytest.mark.parametrize("correlate", [False, True])
@pytest.mark.parametrize("dtype", ["float32", "float64", "complex64", "complex128"])
def test_the_public_functions_on_a_gpu(dtype: str, correlate: bool, moved: Any) -> None:
    """`circular_convolve` and `circular_correlate` take these arrays, by whichever method their plan chooses."""
    function = eq.circular_correlate if correlate else eq.circular_convolve
    for shape, kernel, axes in (((3, 64), (64,), -1), ((2, 20, 36), (5, 4), (-2, -1)), ((4, 17), (4, 30), -1)):
        rng = np.random.default_rng(0)
        x, w = rng.standard_normal(shape).astype(dtype), rng.standard_normal(kernel).astype(dtype)
        on_host = function(x, w, axes=axes, origin=1)
        on_device = moved[1](function(moved[0](x), moved[0](w), axes=axes, origin=1))
        assert on_device.dtype == on_host.dtype
        scale = np.linalg.norm(x.reshape(-1)) * np.linalg.norm(w.reshape(-1))
        assert np.abs(on_device - on_host).max() <= 64 * np.finfo(dtype).eps * scale
