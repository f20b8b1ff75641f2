"""Plans that try: the fastest way on this machine is taken, whatever the table says, and only of those that are allowed."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from equiconv.arrays import fourier_bound
from equiconv.convolution import circular_convolve, measuring, plan, planning
from equiconv.convolution.planning import plan_of


class Clock:
    """A clock that only moves when something runs."""

    def __init__(self) -> None:
        self.now = 0.0
        self.calls: list[str] = []

    def __call__(self) -> float:
        return self.now

    def run(self, name: str, seconds: Callable[[int], float]) -> Callable[[Any], None]:
        def run(x: Any) -> None:
            self.calls.append(f"{name}{x}")
            self.now += seconds(len(self.calls))

        return run


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(measuring.time, "perf_counter", clock)
    return clock


def test_times_are_a_call_s(clock: Clock) -> None:
    runs = [clock.run("a", lambda _: 3e-6), clock.run("b", lambda _: 0.25)]
    np.testing.assert_allclose(measuring.seconds_of(runs, ["0", "1"]), [3e-6, 0.25])
    assert {"a0", "a1", "b0", "b1"} == set(clock.calls)  # inputs rotate


def test_what_disturbs_some_calls_does_not_count(clock: Clock) -> None:
    # every third call of either takes ten times as long
    runs = [clock.run(name, lambda i, t=t: 10 * t if i % 3 == 0 else t) for name, t in (("a", 0.010), ("b", 0.011))]
    np.testing.assert_allclose(measuring.seconds_of(runs, [""]), [0.010, 0.011])


def test_the_first_call_does_not_count(clock: Clock) -> None:
    seen: set[str] = set()

    def seconds(name: str) -> float:
        first = name not in seen
        seen.add(name)
        return 5.0 if first else 0.01

    runs = [clock.run(name, lambda _, name=name: seconds(name)) for name in ("a", "b")]
    np.testing.assert_allclose(measuring.seconds_of(runs, [""]), [0.01, 0.01])


@pytest.fixture
def tried(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """The runs that were tried; the last of them is found the fastest."""
    seen: list[Any] = []

    def seconds_of(runs: Any, inputs: Any) -> list[float]:
        for run in runs:
            run(inputs[0])
        seen.extend(run.func.plan.chosen for run in runs)
        return [1.0 + len(runs) - i for i in range(len(runs))]

    monkeypatch.setattr(planning, "seconds_of", seconds_of)
    planning._times.cache_clear()
    plan_of.cache_clear()
    yield seen
    planning._times.cache_clear()
    plan_of.cache_clear()


def test_the_fastest_is_taken(tried: list[Any]) -> None:
    p = plan((600, 4096), (4096,), dtype="float32", effort="measure")
    assert len(tried) > 1
    assert p.chosen.name == tried[-1].name
    assert p.chosen.measured is not None
    assert plan((600, 4096), (4096,), dtype="float32").chosen.name != p.chosen.name
    rng = np.random.default_rng(0)
    x, w = (rng.standard_normal(shape).astype(np.float32) for shape in ((600, 4096), (4096,)))
    error = np.abs(p(x, w) - circular_convolve(x.astype(float), w.astype(float)))
    assert error.max() <= fourier_bound(np.linalg.norm(x, axis=1).max(), np.linalg.norm(w), p.chosen.grid, "float32")
    text = p.explain()
    assert "fastest of those that were tried" in text
    assert "measured on this one" in text


def test_measured_times_are_those_of_the_plan_s_rows(tried: list[Any]) -> None:
    few, many = (plan((rows, 4096), (4096,), effort="measure") for rows in (600, 1200))
    assert many.chosen.measured == pytest.approx(2 * (few.chosen.measured or 0))
    assert len(tried) == len({c.name for c in tried})  # one shape class is tried once


@pytest.mark.parametrize("options", [{"engine": "torch"}, {"method": "direct"}, {"workspace": 300_000}])
def test_only_what_is_allowed_is_tried(options: dict[str, Any], tried: list[Any]) -> None:
    p = plan((600, 4096), (7,), effort="measure", **options)
    for way in [*tried, p.chosen]:
        assert way.engine == options.get("engine", way.engine)
        assert way.method == options.get("method", way.method)
        assert way.workspace <= options.get("workspace", np.inf)


def test_the_random_state_is_left_alone() -> None:
    planning._times.cache_clear()
    plan_of.cache_clear()
    before, state = np.random.get_state()[1].tolist(), torch.get_rng_state()  # type: ignore[union-attr]  # noqa: NPY002
    plan((5, 37), (37,), effort="measure")
    assert np.random.get_state()[1].tolist() == before  # type: ignore[union-attr]  # noqa: NPY002
    assert torch.equal(torch.get_rng_state(), state)


@pytest.mark.parametrize(
    ("library", "dtype"), [("numpy", "float32"), ("numpy", "complex128"), ("torch", "float64"), ("torch", "float16")]
)
def test_trying_for_any_arrays(library: str, dtype: str) -> None:
    p = plan((3, 12, 10), (3, 1, 5), (0, 2), dtype, library=library, effort="measure")
    x, w = ((np.arange(math.prod(s)) % 5).reshape(s).astype(dtype) for s in ((3, 12, 10), (3, 1, 5)))
    if library == "torch":
        x, w = torch.from_numpy(x), torch.from_numpy(w)
    y = p(x, w)
    truth = circular_convolve(np.asarray(x).astype(complex), np.asarray(w).astype(complex), (0, 2), method="definition")
    np.testing.assert_allclose(np.asarray(y), truth if "complex" in dtype else truth.real, rtol=2e-3, atol=1e-4)
