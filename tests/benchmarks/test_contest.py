"""The contest: turns, checks, and what counts as a peer."""

from __future__ import annotations

import itertools
import math
from typing import Any

import numpy as np
import pytest

from benchmarks.contest import COPY, OURS, Result, contest

INPUTS = [np.array([1.0, 2.0]), np.array([3.0, 4.0])]
TWICE = {OURS: lambda x: 2 * x, "theirs": lambda x: x + x}


def run(contenders: dict[str, Any] | None = None, **options: Any) -> Result:
    chosen = TWICE if contenders is None else contenders
    options = {"limits": dict.fromkeys(chosen, 1e-9), "samples": 2, "seconds": 1e-3, **options}
    return contest("twice", chosen, INPUTS, 2 * INPUTS[0], **options)


def test_a_copy_is_measured_and_is_nobody_s_peer() -> None:
    found = run(beside_copy=True)
    assert set(found.seconds) == set(found.spread) == {OURS, "theirs", COPY}
    assert set(found.errors) == {OURS, "theirs"}
    assert found.peers == ["theirs"]
    assert min(found.seconds.values()) > 0


def test_without_a_copy_there_is_no_fraction_of_it() -> None:
    found = run()
    assert COPY not in found.seconds
    assert found.of_copy() is None


def test_ratios_are_those_of_the_best_peer_however_fast_the_copy_is() -> None:
    seconds = {OURS: 2.0, f"{OURS}, made anew": 0.5, "fast": 3.0, "slow": 9.0, COPY: 0.1}
    errors = {OURS: 3e-8, f"{OURS}, made anew": 0.0, "fast": 4e-8, "slow": 2e-8}
    found = Result("case", 8, seconds, {}, errors)
    assert (found.best_peer, found.most_exact_peer) == ("fast", "slow")
    assert found.ratio == 1.5
    assert found.of_copy() == 0.05
    assert found.of_copy("fast") == pytest.approx(0.1 / 3)
    assert found.error_over("slow") == pytest.approx(1.5)


def test_an_error_over_an_exact_peer_is_infinite() -> None:
    found = Result("case", 8, {OURS: 1.0, "theirs": 1.0}, {}, {OURS: 1e-8, "theirs": 0.0})
    assert found.error_over("theirs") == math.inf
    assert Result("case", 8, found.seconds, {}, {OURS: 0.0, "theirs": 0.0}).error_over("theirs") == 1


def test_a_wrong_contender_stops_the_run() -> None:
    with pytest.raises(AssertionError, match="twice: theirs errs by"):
        run({**TWICE, "theirs": lambda x: 2 * x + 1e-6})
    with pytest.raises(AssertionError, match="twice: theirs errs by nan"):
        run({**TWICE, "theirs": lambda x: x * math.nan})


def test_contenders_take_turns_and_inputs_rotate(monkeypatch: pytest.MonkeyPatch) -> None:
    """By a clock on which every call takes a second, so that each is timed by itself, and as often as is asked."""
    ticks = itertools.count()
    monkeypatch.setattr("benchmarks.contest.time.perf_counter", lambda: float(next(ticks)))
    calls: list[tuple[str, float]] = []

    def noting(name: str) -> Any:
        def run(x: Any) -> Any:
            calls.append((name, float(x[0])))
            return 2 * x

        return run

    found = run({OURS: noting(OURS), "theirs": noting("theirs")}, least=4)
    assert found.seconds == {OURS: 1.0, "theirs": 1.0}

    def turn(name: str, timed: float) -> list[tuple[str, float]]:
        """A call that is not timed, on the input before, and one that is."""
        return [(name, 4.0 - timed), (name, timed)]

    checks = [(OURS, 1.0), ("theirs", 1.0)]
    roughly = [*turn(OURS, 1.0), *turn("theirs", 1.0)]
    turns = [*turn(OURS, 1.0), *turn("theirs", 1.0), *turn("theirs", 3.0), *turn(OURS, 3.0)] * 2
    assert calls == checks + roughly + turns


def test_short_calls_are_timed_many_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    ticks = itertools.count()
    monkeypatch.setattr("benchmarks.contest.time.perf_counter", lambda: next(ticks) * 1e-5)
    seen: list[float] = []

    def ours(x: Any) -> Any:
        seen.append(float(x[0]))
        return 2 * x

    run({OURS: ours, "theirs": TWICE["theirs"]}, least=2, seconds=0.0)
    # the check, a call that is timed roughly, and twice ten calls of 1e-5 seconds on both inputs, each after one that is not
    assert seen == [1.0, 3.0, 1.0] + [3.0, *[1.0, 3.0] * 5] * 2


def test_the_name_of_the_copy_is_taken() -> None:
    with pytest.raises(ValueError, match="'copy' is the name of the copy"):
        run({**TWICE, COPY: lambda x: 2 * x})


def test_an_engine_is_one_of_the_contenders() -> None:
    assert run(engine="theirs").engine == "theirs"
    with pytest.raises(ValueError, match="the engine 'other' is none of the contenders: equiconv, theirs"):
        run(engine="other")
