"""The workspace that a plan states is what it holds: a cap that is not kept is worse than none."""

from __future__ import annotations

import tracemalloc
from typing import Any

import numpy as np
import pytest

from equiconv.convolution import plan
from equiconv.convolution.engines import available
from equiconv.convolution.engines.pool import set_idle_limit

SHAPES = [
    ((1000, 1024), (1024,)),
    ((300, 1009), (1009,)),
    ((40, 2**14), (2**14,)),
    ((4, 2**17), (2**17,)),
    ((300, 40, 40), (40, 40)),
    ((3, 512, 600), (512, 600)),
    ((2, 1, 2**18), (1, 2**18)),
    ((2, 2, 2**17), (2, 2**17)),
    ((2, 3, 5 * 2**15), (3, 5 * 2**15)),
    ((2, 2**17, 2), (2**17, 2)),
]


@pytest.mark.parametrize("engine", available())
@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize("dtype", ["float32", "complex128"])
@pytest.mark.parametrize(("x_shape", "w_shape"), SHAPES)
def test_no_more_is_held_than_is_stated(engine: str, threads: int, dtype: Any, x_shape: Any, w_shape: Any) -> None:
    rng = np.random.default_rng(0)
    x, w = rng.standard_normal(x_shape).astype(dtype), rng.standard_normal(w_shape).astype(dtype)
    p = plan(x_shape, w_shape, range(1, len(x_shape)), dtype, "fourier", engine=engine, threads=threads)
    prepared, out = p.prepare(w), np.empty_like(x)
    before = set_idle_limit(0)  # what earlier calls left at rest would not be counted
    tracemalloc.start()
    try:
        prepared(x, out=out)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
        set_idle_limit(before)
    assert peak <= p.chosen.workspace + 2**16  # objects of Python's own
