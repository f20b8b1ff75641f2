"""Where a measurement runs: the array libraries, their transforms, a clock. A GPU's, or (in the tests) this processor's."""

from __future__ import annotations

import importlib
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from equiconv.convolution.cuda import HOPPER, Limits, device_limits
from equiconv.convolution.cuda.execution import Runtime


@dataclass(frozen=True)
class Lane:
    """`xp` is CuPy (or NumPy), `fft` its SciPy-like transforms with `overwrite_x`, `torch_device` where torch runs.

    `seconds(f)` is how long one call of f takes on the device; `runtime` what runs the fused kernel (None: the GPU).
    """

    xp: Any
    fft: Any
    torch_device: str
    seconds: Callable[[Callable[[], Any]], float]
    free: Callable[[], None]
    limits: Limits
    runtime: Runtime | None


def gpu() -> Lane:
    """The GPU that CuPy and torch call number 0."""
    cupy: Any = importlib.import_module("cupy")
    torch: Any = importlib.import_module("torch")

    def seconds(f: Callable[[], Any]) -> float:
        # Both libraries default to the legacy stream, in whose order these events stand.
        start, end = cupy.cuda.Event(), cupy.cuda.Event()
        start.record()
        f()
        end.record()
        end.synchronize()
        return float(cupy.cuda.get_elapsed_time(start, end)) / 1e3

    def free() -> None:
        cupy.fft.config.get_plan_cache().clear()
        cupy.get_default_memory_pool().free_all_blocks()
        if torch.cuda.is_available():
            torch.cuda.empty_cache()

    # Where torch sees no GPU, CuPy is measured alone.
    device = "cuda" if torch.cuda.is_available() else "none"
    return Lane(cupy, importlib.import_module("cupyx.scipy.fft"), device, seconds, free, device_limits(0), None)


def processor(runtime: Runtime) -> Lane:
    """This processor, with the fused kernel run by `runtime`: to see that a measurement works, not how fast anything is."""
    numpy: Any = importlib.import_module("numpy")

    def seconds(f: Callable[[], Any]) -> float:
        start = time.perf_counter()
        f()
        return time.perf_counter() - start

    return Lane(numpy, importlib.import_module("scipy.fft"), "cpu", seconds, lambda: None, HOPPER, runtime)
