"""What is measured."""

from __future__ import annotations

from benchmarks.gpu_check.measuring import Work

WORK = (
    *(Work("one axis, float32", (n,), "float32") for n in (256, 512, 1024, 2048, 4096, 8192, 16384, 32768)),
    *(Work("one axis, float32, other sizes", (n,), "float32") for n in (225, 1000, 1009, 4099, 12000)),
    *(Work("one kernel a channel, float32", (n,), "float32", 256) for n in (1024, 4096, 16384)),
    *(Work("planes, float32", (n, n), "float32") for n in (32, 56, 64, 96, 112, 128, 224, 240, 256, 512, 1024)),
    *(Work("one axis, complex64", (n,), "complex64") for n in (256, 4096, 16384)),
    *(Work("one axis, float64", (n,), "float64") for n in (256, 4096, 16384)),
)
