"""Timing contenders side by side: interleaved repetitions, rotated inputs, medians, and each result checked."""

from __future__ import annotations

import gc
import math
import platform
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np

__all__ = ["COPY", "OURS", "Result", "contest", "described_machine", "geometric_mean"]

OURS = "equiconv"
COPY = "copy"
Contender = Callable[[Any], Any]


@dataclass(frozen=True)
class Result:
    """Medians in seconds, quartiles as a fraction of them, and errors over the largest entry of the truth.

    `bound` is what our own error is stated to stay below, over the same entry; None where nothing is stated. A copy
    of the input that took part has a time and no error, and is nobody's peer. `engine` names the peer whose
    transforms are ours as well, "" where there is none.
    """

    case: str
    samples: int
    seconds: dict[str, float]
    spread: dict[str, float]
    errors: dict[str, float]
    chosen: str = ""
    bound: float | None = None
    engine: str = ""

    @property
    def peers(self) -> list[str]:
        """The other libraries: neither our own contenders nor the copy."""
        return [name for name in self.seconds if name != COPY and not name.startswith(OURS)]

    @property
    def best_peer(self) -> str:
        return min(self.peers, key=lambda name: self.seconds[name])

    @property
    def most_exact_peer(self) -> str:
        return min(self.peers, key=lambda name: self.errors[name])

    @property
    def ratio(self) -> float:
        """The best peer's time over ours: above 1, ours is faster."""
        return self.seconds[self.best_peer] / self.seconds[OURS]

    @property
    def is_behind(self) -> bool:
        """Whether the best peer is faster by more than noise, which is what the quartiles of both times span."""
        return self.ratio < 1 - sum(self.spread.get(name, 0.0) for name in (OURS, self.best_peer))

    def error_over(self, peer: str) -> float:
        """Our error over a peer's: below 1, ours is the more exact. Infinite where theirs is 0 and ours is not."""
        ours, theirs = self.errors[OURS], self.errors[peer]
        return ours / theirs if theirs else (math.inf if ours else 1.0)

    def of_copy(self, name: str = OURS) -> float | None:
        """The time of the copy over that of `name`: 1 is one read and one write. None where no copy took part."""
        return self.seconds[COPY] / self.seconds[name] if COPY in self.seconds else None


def contest(
    case: str,
    contenders: dict[str, Contender],
    inputs: Sequence[Any],
    truth: Any,
    limits: dict[str, float],
    *,
    samples: int,
    seconds: float = 0.5,
    least: int = 7,
    chosen: str = "",
    bound: float | None = None,
    engine: str = "",
    beside_copy: bool = False,
) -> Result:
    """Time every contender on the inputs in turn; `truth` is the result for the first of them, in float64 or wider.

    A contender whose error exceeds its limit (relative to the largest entry of the truth) raises `AssertionError`: a
    fast wrong answer is no contender. With `beside_copy` a plain copy of the inputs, NumPy arrays of one shape, takes
    its turns as well; its result is held to the input. `chosen`, `bound` and `engine` are kept in the result.
    """
    if engine and engine not in contenders:
        raise ValueError(f"the engine {engine!r} is none of the contenders: {', '.join(contenders)}")
    if COPY in contenders:
        raise ValueError(f"{COPY!r} is the name of the copy: name the contender otherwise")
    scale = np.abs(truth).max()
    errors = {}
    for name, run in contenders.items():
        errors[name] = float(np.abs(np.asarray(run(inputs[0])) - truth).max() / scale)
        if not errors[name] <= limits[name]:
            raise AssertionError(f"{case}: {name} errs by {errors[name]:.3g}, more than {limits[name]:.3g}")
    if beside_copy:
        contenders = {**contenders, COPY: _copy_of(inputs[0])}
    once = {name: _timed(run, inputs, 1) for name, run in contenders.items()}
    # short calls are timed many at a time, so that the clock does not matter
    inner = {name: max(1, math.ceil(1e-4 / t)) for name, t in once.items()}
    total = sum(once[name] * inner[name] for name in contenders)
    repetitions = min(60, max(least, int(seconds / total)))
    times: dict[str, list[float]] = {name: [] for name in contenders}
    gc.collect()
    gc.disable()
    try:
        names = list(contenders)
        for i in range(repetitions):
            for name in names[i % len(names) :] + names[: i % len(names)]:
                times[name].append(_timed(contenders[name], inputs, inner[name], i * inner[name]))
    finally:
        gc.enable()
    medians = {name: float(np.median(t)) for name, t in times.items()}
    spread = {
        name: float((np.quantile(t, 0.75) - np.quantile(t, 0.25)) / 2 / medians[name]) for name, t in times.items()
    }
    return Result(case, samples, medians, spread, errors, chosen, bound, engine)


def _copy_of(first: Any) -> Contender:
    """A copy into memory that is already there, as large as the input: the least that a result could cost."""
    out = np.empty_like(first)

    def copy(x: Any) -> Any:
        out[...] = x
        return out

    if not np.array_equal(copy(first), first):
        raise AssertionError("a copy is not what was copied")
    return copy


def _timed(run: Contender, inputs: Sequence[Any], inner: int, first: int = 0) -> float:
    """Seconds a call, of `inner` calls on the inputs in turn, from the one numbered `first` on.

    A call that is not timed comes before: what a contender keeps to itself is in the cache again, as it is in a loop.
    """
    count = len(inputs)
    run(inputs[(first - 1) % count])
    start = time.perf_counter()
    for i in range(first, first + inner):
        run(inputs[i % count])
    return (time.perf_counter() - start) / inner


def geometric_mean(values: Sequence[float]) -> float:
    """exp of the mean logarithm.

    >>> geometric_mean([1.0, 4.0])
    2.0
    """
    return math.exp(sum(math.log(v) for v in values) / len(values))


def described_machine(packages: Sequence[str]) -> dict[str, str]:
    """The processor and the versions that figures depend on."""
    found = {"processor": _processor(), "python": platform.python_version(), "system": platform.system()}
    for package in packages:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = "not installed"
    return found


def _processor() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        for line in cpuinfo.read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()
