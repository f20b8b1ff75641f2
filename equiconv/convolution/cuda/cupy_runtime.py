"""The fused kernel on an NVIDIA GPU: compiled by NVRTC and launched through CuPy, for CuPy arrays and torch CUDA tensors.

Both libraries use the device's one context, so that an address of either is good for a kernel of the other. What orders
the work is the stream: a kernel runs on the current stream of the library that the signal belongs to.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

import numpy as np
import torch

from equiconv.arrays import Array, DType, library, namespace
from equiconv.convolution.cuda.execution import Arguments
from equiconv.convolution.cuda.schedule import Limits, Pass, Schedule
from equiconv.convolution.cuda.source import ENTRY, OPTIONS, Variant, kernel_source
from equiconv.convolution.cuda.tables import mirror, twiddles

__all__ = ["CupyRuntime", "device_limits", "runtime"]


def device_limits(like: Array | int = 0) -> Limits:
    """The limits of the GPU that holds an array, or of that with this number: what `find_schedule` asks for.

    Raises `ImportError` where CuPy is not installed, and CuPy's own error where there is no such GPU.
    """
    return _limits_of(like if isinstance(like, int) else _device_number(like))


@cache
def _limits_of(number: int) -> Limits:
    attributes = _cupy().cuda.Device(number).attributes
    return Limits(
        block_bytes=int(attributes["MaxSharedMemoryPerBlockOptin"]),
        multiprocessor_bytes=int(attributes["MaxSharedMemoryPerMultiprocessor"]),
        threads=int(attributes["MaxThreadsPerMultiProcessor"]),
        # not every CuPy lists these two; the least of the devices of the last ten years, and what NVIDIA reserves
        blocks=int(attributes.get("MaxBlocksPerMultiprocessor", 16)),
        registers=int(attributes["MaxRegistersPerMultiprocessor"]),
        reserved_bytes=int(attributes.get("ReservedSharedMemoryPerBlock", 1024)),
    )


@cache
def runtime() -> CupyRuntime:
    """The one runtime of this process."""
    return CupyRuntime()


class CupyRuntime:
    """Compiles each kernel once for a device, when it is first launched there, and keeps it and its tables."""

    def __init__(self) -> None:
        cupy = _cupy()
        self.out_of_memory: tuple[type[BaseException], ...] = (
            cupy.cuda.memory.OutOfMemoryError,
            torch.cuda.OutOfMemoryError,
        )
        self._kernels: dict[tuple[int, Schedule, Pass, Variant], Any] = {}
        self._tables: dict[tuple[int, Schedule, Pass], tuple[Any, Any]] = {}
        self._lock = threading.Lock()

    def check(self, schedule: Schedule, like: Array) -> None:
        """Raise `ValueError` where the device of `like` has less to give than the schedule takes."""
        limits = device_limits(like)
        needed = max(p.shared_bytes for p in schedule.passes)
        if needed > limits.block_bytes:
            raise ValueError(
                f"the schedule takes {needed} bytes of shared memory a block and the device of x has "
                f"{limits.block_bytes}; find one with find_schedule(..., limits=device_limits(x))"
            )

    def empty(self, shape: tuple[int, ...], dtype: DType, like: Array) -> Array:
        """Memory of the library, device and stream of `like`."""
        with _device_of(like):
            return namespace(like).empty(shape, dtype=dtype, device=like.device)

    def tables(self, schedule: Schedule, launched: Pass, like: Array) -> tuple[int, int]:
        """The addresses of the twiddles and of the mirror table, which lie on the device from the first use on."""
        key = (_device_number(like), schedule, launched)
        with self._lock:
            if key not in self._tables:
                self._tables[key] = self._upload(schedule, launched, like)
            turns, pairs = self._tables[key]
        return int(turns.data.ptr), 0 if pairs is None else int(pairs.data.ptr)

    def _upload(self, schedule: Schedule, launched: Pass, like: Array) -> tuple[Any, Any]:
        cupy = _cupy()
        precision = np.complex64 if schedule.real_bytes == 4 else np.complex128
        with _device_of(like):
            turns = cupy.asarray(twiddles(launched.stages).astype(precision))
            pairs = cupy.asarray(mirror(schedule)[0].astype(np.int32)) if schedule.mode == "half" else None
            cupy.cuda.get_current_stream().synchronize()  # other streams will read them too
        return turns, pairs

    def launch(
        self, schedule: Schedule, launched: Pass, variant: Variant, blocks: int, arguments: Arguments, like: Array
    ) -> None:
        """Launch the kernel of the pass on the current stream of the library of `like`."""
        # CuPy passes a Python integer as 64 bits, which addresses and counts are, and a NumPy scalar as it is
        scale = np.float32(arguments.scale) if schedule.real_bytes == 4 else np.float64(arguments.scale)
        values = arguments._replace(scale=scale)
        with _device_of(like), _stream_of(like):
            kernel = self._kernel(schedule, launched, variant, _device_number(like))
            kernel((blocks,), (launched.threads,), tuple(values), shared_mem=launched.shared_bytes)

    def _kernel(self, schedule: Schedule, launched: Pass, variant: Variant, device: int) -> Any:
        key = (device, schedule, launched, variant)
        with self._lock:
            if key not in self._kernels:
                module = _cupy().RawModule(code=kernel_source(schedule, launched, variant), options=OPTIONS)
                kernel = module.get_function(ENTRY)
                kernel.max_dynamic_shared_size_bytes = launched.shared_bytes  # beyond 48 KB a kernel must ask
                # The rest of a multiprocessor's memory is its cache: a hint, so that as many blocks fit as were reckoned
                # with, and the tables have what is left.
                limits = schedule.limits
                taken = launched.min_blocks * (launched.shared_bytes + limits.reserved_bytes)
                kernel.preferred_shared_memory_carveout = min(100, -(-100 * taken // limits.multiprocessor_bytes))
                self._kernels[key] = kernel
            return self._kernels[key]


class _Stream:
    """A stream by its address, in the protocol by which libraries hand them on; not every torch speaks it."""

    def __init__(self, address: int) -> None:
        self.address = address

    def __cuda_stream__(self) -> tuple[int, int]:
        return 0, self.address


def _cupy() -> Any:
    try:
        import cupy
    except ImportError as error:
        raise ImportError(
            "the fused CUDA kernel is compiled and launched by CuPy, which is not installed; "
            "pip install 'equiconv[cuda12]' or 'equiconv[cuda13]', whichever CUDA the driver supports"
        ) from error
    return cupy


def _device_number(like: Array) -> int:
    if library(like) == "torch":
        return int(like.device.index)
    return int(like.device.id)


@contextmanager
def _device_of(like: Array) -> Iterator[None]:
    """The device of an array as the current one, of CuPy."""
    with _cupy().cuda.Device(_device_number(like)):
        yield


@contextmanager
def _stream_of(like: Array) -> Iterator[None]:
    """The current stream of the library of `like`, as CuPy's."""
    if library(like) == "torch":
        number = _device_number(like)
        stream, cuda = torch.cuda.current_stream(number), _cupy().cuda
        if hasattr(cuda.Stream, "from_external"):  # CuPy 14, where ExternalStream is deprecated
            with cuda.Stream.from_external(_Stream(stream.cuda_stream)):
                yield
        else:
            with cuda.ExternalStream(stream.cuda_stream, number):
                yield
    else:
        yield  # CuPy's own current stream on this device
