"""Trying the ways to compute a convolution, on this machine: what a plan with `effort="measure"` chooses by.

The table of `costs` comes from another machine. What it expects to be fast is tried here, on noise of the same shape
class, in turns, so that whatever else the machine does meets all of them.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

__all__ = ["noise", "seconds_of"]

Run = TypeVar("Run", bound=Callable[[Any], Any])

# Seconds that all turns together may take, and how many turns there are.
_LONGEST = 0.4
_TURNS = (5, 40)
# Calls shorter than this are timed several at once.
_CLOCK = 2e-5


def noise(shape: Sequence[int], dtype: str, seed: int) -> npt.NDArray[Any]:
    """Normal noise; the random state of the process is left alone.

    >>> noise((2, 3), "complex64", 0).dtype
    dtype('complex64')
    """
    rng = np.random.default_rng(seed)
    x = rng.standard_normal(shape)
    return (x + 1j * rng.standard_normal(shape) if dtype.startswith("complex") else x).astype(dtype)


def seconds_of(runs: Sequence[Run], inputs: Sequence[Any]) -> list[float]:
    """What a call of each takes, in turns on the inputs: the lower quartile, for what disturbs only makes it longer.

    >>> len(seconds_of([abs, str], [0, 1]))
    2
    """
    once = [_timed(run, inputs, 2) for run in runs]  # and all that is done at a first call
    once = [_timed(run, inputs, 1) for run in runs]
    inner = [max(1, int(_CLOCK / max(t, 1e-7))) for t in once]
    total = sum(t * n for t, n in zip(once, inner, strict=True))
    turns = min(max(_TURNS[0], int(_LONGEST / max(total, 1e-7))), _TURNS[1])
    times: list[list[float]] = [[] for _ in runs]
    for turn in range(turns):
        for i in range(len(runs)):
            which = (i + turn) % len(runs)
            times[which].append(_timed(runs[which], inputs, inner[which]))
    return [float(np.quantile(t, 0.25)) for t in times]


def _timed(run: Callable[[Any], Any], inputs: Sequence[Any], calls: int) -> float:
    """Seconds a call, after one that puts what it keeps to itself into the cache, as in a loop."""
    run(inputs[-1])
    start = time.perf_counter()
    for call in range(calls):
        run(inputs[call % len(inputs)])
    return (time.perf_counter() - start) / calls
