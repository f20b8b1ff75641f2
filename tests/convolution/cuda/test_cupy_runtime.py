"""What the runtime asks of CuPy, with a stand-in for CuPy whose kernels run on this processor."""

from __future__ import annotations

import sys
from contextlib import nullcontext
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest

from equiconv.convolution.cuda import HOPPER, Limits, convolve, cupy_runtime, device_limits, prepare_kernel
from tests.convolution.cuda import cases, host
from tests.convolution.cuda.cases import SMALL, Case

ATTRIBUTES = {
    "MaxSharedMemoryPerBlockOptin": 227 * 1024,
    "MaxSharedMemoryPerMultiprocessor": 228 * 1024,
    "MaxThreadsPerMultiProcessor": 2048,
    "MaxRegistersPerMultiprocessor": 65536,
    "MaxBlocksPerMultiprocessor": 32,
    "ReservedSharedMemoryPerBlock": 1024,
}


class Device:
    """A device that remembers which one is current."""

    current: list[int] = []  # noqa: RUF012 - shared by all, as the current device is

    def __init__(self, number: int) -> None:
        self.id = number
        self.attributes = ATTRIBUTES

    def __enter__(self) -> None:
        self.current.append(self.id)

    def __exit__(self, *error: object) -> None:
        self.current.pop()


class Kernel:
    """What `RawModule.get_function` returns: called with a grid, a block and arguments."""

    def __init__(self, code: str, log: list[Any]) -> None:
        self.code, self.log = code, log
        self.max_dynamic_shared_size_bytes = 48 * 1024
        self.preferred_shared_memory_carveout = -1

    def __call__(self, grid: tuple[int], block: tuple[int], args: tuple[Any, ...], *, shared_mem: int) -> None:
        assert Device.current, "a kernel was launched on no device in particular"
        assert shared_mem <= self.max_dynamic_shared_size_bytes
        assert 0 < self.preferred_shared_memory_carveout <= 100
        assert f"#define THREADS {block[0]}\n" in self.code
        assert f"#define REAL {'float' if isinstance(args[7], np.float32) else 'double'}\n" in self.code
        assert isinstance(args[7], (np.float32, np.float64))
        assert all(type(a) is int for i, a in enumerate(args) if i != 7)  # which CuPy passes as 64 bits
        self.log.append((grid, block, shared_mem))
        host.run(self.code, args, grid[0], shared_mem)


@pytest.fixture
def log(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """A stand-in for CuPy in place of the real one, and its launches and modules."""
    happened: list[Any] = []

    class RawModule:
        def __init__(self, *, code: str, options: tuple[str, ...]) -> None:
            assert "--std=c++17" in options
            happened.append("compiled")
            self.code = code

        def get_function(self, name: str) -> Kernel:
            assert name == "fused"
            return Kernel(self.code, happened)

    def asarray(a: np.ndarray[Any, Any]) -> Any:
        kept = np.array(a)
        return SimpleNamespace(data=SimpleNamespace(ptr=kept.ctypes.data), kept=kept)

    fake = ModuleType("cupy")
    fake.RawModule, fake.asarray = RawModule, asarray  # type: ignore[attr-defined]
    stream = SimpleNamespace(synchronize=lambda: happened.append("synchronized"))
    memory = SimpleNamespace(OutOfMemoryError=MemoryError)
    fake.cuda = SimpleNamespace(Device=Device, get_current_stream=lambda: stream, memory=memory)  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "cupy", fake)
    monkeypatch.setattr(cupy_runtime, "_device_number", lambda like: 0)
    cupy_runtime._limits_of.cache_clear()
    yield happened
    cupy_runtime._limits_of.cache_clear()


needs_compiler = pytest.mark.skipif(host.compiler() is None, reason="no C++ compiler to build fused.cu with")


@needs_compiler
@pytest.mark.parametrize(
    "case",
    [
        Case((64,), "float32", (5,)),
        Case((143,), "float64"),
        Case((12,), "complex128"),
        Case((40, 36), "float32", limits=SMALL),
    ],
    ids=str,
)
def test_kernels_are_compiled_once_and_launched(case: Case, log: list[Any]) -> None:
    runtime = cupy_runtime.CupyRuntime()
    cases.check(case, runtime, np.asarray, np.asarray)
    passes = case.schedule().passes
    assert log.count("compiled") == len(passes)
    assert log.count("synchronized") == len(passes)  # after the tables of each were brought to the device
    first = len(log)
    cases.check(case, runtime, np.asarray, np.asarray)
    launches = log[first:]
    assert [(block, shared) for _, block, shared in launches] == [((p.threads,), p.shared_bytes) for p in passes]
    assert not Device.current


def test_limits_are_read_from_the_device(log: list[Any], monkeypatch: pytest.MonkeyPatch) -> None:
    assert device_limits(0) == device_limits(np.zeros(1)) == HOPPER
    few = {
        k: v for k, v in ATTRIBUTES.items() if k not in ("MaxBlocksPerMultiprocessor", "ReservedSharedMemoryPerBlock")
    }
    monkeypatch.setitem(globals(), "ATTRIBUTES", few)
    cupy_runtime._limits_of.cache_clear()
    assert device_limits(0) == Limits(227 * 1024, 228 * 1024, blocks=16)


def test_a_schedule_for_a_larger_device_is_refused(log: list[Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(globals(), "ATTRIBUTES", ATTRIBUTES | {"MaxSharedMemoryPerBlockOptin": 99 * 1024})
    case = Case((32768,), "float32")
    kernel = prepare_kernel(np.zeros(32768, np.float32), case.schedule())
    with pytest.raises(ValueError, match=r"takes 139312 bytes of shared memory .* has 101376; find one with .*limits="):
        convolve(np.zeros((2, 32768), np.float32), kernel, runtime=cupy_runtime.CupyRuntime())


def test_without_cupy_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "cupy", None)
    with pytest.raises(ImportError, match=r"pip install 'equiconv\[cuda12\]' or 'equiconv\[cuda13\]'"):
        cupy_runtime.CupyRuntime()


@pytest.mark.parametrize("modern", [True, False], ids=["from_external", "ExternalStream"])
def test_torch_s_current_stream_is_handed_to_cupy(
    modern: bool, log: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    import torch

    fake, taken = sys.modules["cupy"], list[Any]()

    def from_external(stream: Any) -> Any:
        taken.append(stream.__cuda_stream__())
        return nullcontext()

    def external(address: int, device: int) -> Any:
        taken.append((0, address))
        return nullcontext()

    fake.cuda.Stream = SimpleNamespace(from_external=from_external) if modern else SimpleNamespace()  # type: ignore[attr-defined]
    fake.cuda.ExternalStream = external  # type: ignore[attr-defined]
    monkeypatch.setattr(torch.cuda, "current_stream", lambda device: SimpleNamespace(cuda_stream=1234))
    with cupy_runtime._stream_of(torch.zeros(1)):
        assert taken == [(0, 1234)]
