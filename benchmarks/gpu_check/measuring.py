"""One row of a table: every method on the same data, in turns, each checked against float64 before it is timed."""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from benchmarks.gpu_check.lane import Lane
from equiconv.arrays import fourier_bound
from equiconv.convolution.cuda import Schedule, convolve, find_schedule, prepare_kernel

COPY = "copy"
OURS = "ours"
PAIRS = "ours, pairs"

# Signals whose error is looked at: the first and the last of the batch, which lie in different blocks.
_CHECKED = 16


@dataclass(frozen=True)
class Work:
    """Signals of `sizes` in `dtype`, with one kernel for all or (`channels`) one for each of so many channels."""

    table: str
    sizes: tuple[int, ...]
    dtype: str
    channels: int = 1

    def __str__(self) -> str:
        return "×".join(map(str, self.sizes))


@dataclass(frozen=True)
class Row:
    """One method at one work. `error` is the largest error over its bound; both are None for the copy."""

    work: Work
    method: str
    signals: int
    seconds: float
    spread: float
    fraction_of_copy: float
    error: float | None
    layout: str


def measure(work: Work, samples: int, repetitions: int, lane: Lane) -> list[Row]:
    """Every method on `samples` samples in all (rounded down to whole signals); the methods take turns."""
    xp = lane.xp
    length = math.prod(work.sizes)
    rows = max(1, samples // length // work.channels)
    rng = xp.random.default_rng(0)
    x = _normal(xp, rng, (rows, work.channels, *work.sizes), work.dtype)
    w = _normal(xp, rng, (work.channels, *work.sizes), work.dtype)
    out = xp.empty_like(x)
    expected, bound = _expected(x, w, work, xp)

    methods, layouts = _methods(x, w, out, work, lane)
    errors: dict[str, float | None] = {}
    for name, method in methods.items():
        result = method()  # the first call compiles and plans
        errors[name] = None if name == COPY else _error(result, expected, bound)
        if name == COPY and not (result == x).all():
            raise AssertionError("a copy is not what was copied")
        del result
        lane.free()
    for method in methods.values():
        method()
    times: dict[str, list[float]] = {name: [] for name in methods}
    for _ in range(repetitions):
        for name, method in methods.items():
            times[name].append(lane.seconds(method))
    medians = {name: statistics.median(t) for name, t in times.items()}
    return [
        Row(
            work,
            name,
            rows * work.channels,
            medians[name],
            (max(times[name]) - min(times[name])) / medians[name],
            medians[COPY] / medians[name],
            errors[name],
            layouts.get(name, ""),
        )
        for name in methods
    ]


def _normal(xp: Any, rng: Any, shape: tuple[int, ...], dtype: str) -> Any:
    real = np.float32 if dtype in ("float32", "complex64") else np.float64
    if np.dtype(dtype) == real:
        return rng.standard_normal(shape, dtype=real)
    values = xp.empty(shape, dtype)
    values.real = rng.standard_normal(shape, dtype=real)
    values.imag = rng.standard_normal(shape, dtype=real)
    return values


def _methods(x: Any, w: Any, out: Any, work: Work, lane: Lane) -> tuple[dict[str, Callable[[], Any]], dict[str, str]]:
    """What is timed, by name; and how our kernel lays out the work."""
    xp, fft = lane.xp, lane.fft
    methods: dict[str, Callable[[], Any]] = {}
    layouts: dict[str, str] = {}

    def copy() -> Any:
        out[...] = x
        return out

    methods[COPY] = copy
    for name, pairs in ((OURS, False), (PAIRS, True)):
        schedule = find_schedule(work.sizes, work.dtype, pairs=pairs, limits=lane.limits)
        if isinstance(schedule, Schedule) and (not pairs or schedule.mode == "pair"):
            kernel = prepare_kernel(w, schedule)
            layouts[name] = schedule.explain()
            methods[name] = _ours(x, kernel, out, lane)

    forward, backward = _transforms(xp.fft, work)
    stock = forward(w)
    methods["cupy"] = lambda: backward(forward(x) * stock)
    scaled = stock / math.prod(work.sizes)
    _, fast_backward = _transforms(fft, work, norm="forward", overwrite_x=True)
    plain_forward, _ = _transforms(fft, work)

    def overwriting() -> Any:
        """Stock CuPy at its best: the scale in the spectrum, products in place, the inverse in its input's memory."""
        spectrum = plain_forward(x)
        spectrum *= scaled
        return fast_backward(spectrum)

    methods["cupy, overwriting"] = overwriting
    if lane.torch_device != "none":
        methods["torch"] = _torch(x, w, work, lane.torch_device)
    return methods, layouts


def _ours(x: Any, kernel: Any, out: Any, lane: Lane) -> Callable[[], Any]:
    return lambda: convolve(x, kernel, out, runtime=lane.runtime)


def _transforms(module: Any, work: Work, **backward: Any) -> tuple[Callable[[Any], Any], Callable[[Any], Any]]:
    """The transform and its inverse, of real data where they are real; `backward` goes to the inverse."""
    names = ("fft", "ifft") if work.dtype.startswith("complex") else ("rfft", "irfft")
    if len(work.sizes) == 1:
        one, other = (getattr(module, name) for name in names)
        return one, lambda z: other(z, work.sizes[0], **backward)
    axes = tuple(range(-len(work.sizes), 0))
    one, other = (getattr(module, name + "n") for name in names)
    return lambda a: one(a, None, axes), lambda z: other(z, work.sizes, axes, **backward)


def _torch(x: Any, w: Any, work: Work, device: str) -> Callable[[], Any]:
    import torch

    signals, kernel = (torch.as_tensor(a, device=device) for a in (x, w))
    forward, backward = _transforms(torch.fft, work)
    spectrum = forward(kernel)
    return lambda: backward(forward(signals) * spectrum)


def _some(a: Any) -> Any:
    """The first and the last of the rows, of the first channel."""
    return a[: _CHECKED // 2, 0], a[-_CHECKED // 2 :, 0]


def _expected(x: Any, w: Any, work: Work, xp: Any) -> tuple[tuple[Any, ...], tuple[Any, ...]]:
    """The checked results in double precision, and the bound of each."""
    axes = tuple(range(-len(work.sizes), 0))
    spectrum = xp.fft.fftn(w[0].astype(np.complex128), axes=axes)
    results, bounds = [], []
    for part in _some(x):
        y = xp.fft.ifftn(xp.fft.fftn(part.astype(np.complex128), axes=axes) * spectrum, axes=axes)
        results.append(y if work.dtype.startswith("complex") else y.real)
        norm = xp.sqrt((abs(part.astype(np.complex128)) ** 2).sum(axis=axes, keepdims=True))
        kernel = float(xp.sqrt((abs(w[0].astype(np.complex128)) ** 2).sum()))
        bounds.append(fourier_bound(norm, kernel, work.sizes, np.dtype(work.dtype)))
    return tuple(results), tuple(bounds)


def _error(result: Any, expected: tuple[Any, ...], bound: tuple[Any, ...]) -> float:
    """The largest error over its bound. More than 1 is no rounding: nothing wrong is timed."""
    if type(result).__module__.startswith("torch"):
        parts = [p.cpu().numpy() for p in _some(result)]
        expected, bound = tuple(map(_host, expected)), tuple(map(_host, bound))
    else:
        parts = list(_some(result))
    largest = max(float((abs(p - e) / b).max()) for p, e, b in zip(parts, expected, bound, strict=True))
    if not largest <= 1:
        raise AssertionError(f"the result is {largest:.3g} times its bound away from float64: that is no rounding")
    return largest


def _host(a: Any) -> Any:
    return a.get() if hasattr(a, "get") else a
