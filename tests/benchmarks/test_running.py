"""Options, threads, and the walk through the cells."""

from __future__ import annotations

import argparse
from collections.abc import Iterator

import pytest
import scipy.fft
import torch

from benchmarks.contest import OURS, Result
from benchmarks.running import options_of, parser, run_cells, summary, use_threads

VARIABLES = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "OMP_WAIT_POLICY")


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch) -> Iterator[pytest.MonkeyPatch]:
    """Without any of the variables, and torch's threads as they were afterwards."""
    before = torch.get_num_threads()
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
    yield monkeypatch
    torch.set_num_threads(before)


def result(case: str, ours: float = 1.0, spread: float = 0.1) -> Result:
    spreads = {OURS: spread, "theirs": 0.1}
    return Result(case, 8, {OURS: ours, "theirs": 2.0}, spreads, {OURS: 3e-8, "theirs": 2e-8})


def test_threads_that_the_environment_does_not_give_are_refused(environment: pytest.MonkeyPatch) -> None:
    with pytest.raises(ValueError, match="run OMP_NUM_THREADS=1 python -m … --threads 1, or make bench THREADS=1"):
        use_threads(1)
    environment.setenv("OMP_NUM_THREADS", "1")
    use_threads(1)
    assert torch.get_num_threads() == 1
    environment.setenv("MKL_NUM_THREADS", "2")
    with pytest.raises(ValueError, match="run OMP_NUM_THREADS=1 MKL_NUM_THREADS=1 python"):
        use_threads(1)


def test_several_threads_must_rest_between_turns(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("OMP_NUM_THREADS", "2")
    with pytest.raises(ValueError, match="run OMP_NUM_THREADS=2 OMP_WAIT_POLICY=PASSIVE python"):
        use_threads(2)
    environment.setenv("OMP_WAIT_POLICY", "passive")
    use_threads(2)
    assert torch.get_num_threads() == 2


def test_options(environment: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    environment.setenv("OMP_NUM_THREADS", "1")
    options = options_of(parser("What it is.\n\nAnd more."), ["--quick", "--seconds", "0.1"])
    assert (options.quick, options.seconds, options.threads, options.only) == (True, 0.1, 1, "")
    for arguments, reason in ((["--threads", "0"], "at least 1, got 0"), (["--threads", "3"], "OMP_NUM_THREADS=3")):
        with pytest.raises(SystemExit):
            options_of(parser("What it is."), arguments)
        assert reason in capsys.readouterr().err


def test_cells_are_chosen_by_name_and_scipy_has_the_threads(capsys: pytest.CaptureFixture[str]) -> None:
    workers = []

    def run(cell: int) -> Result:
        workers.append(scipy.fft.get_workers())
        return result(f"cell {cell}")

    options = argparse.Namespace(only="1", threads=2)
    found = run_cells([1, 2, 10], str, run, options)
    assert [(cell, r.case) for cell, r in found] == [(1, "cell 1"), (10, "cell 10")]
    assert workers == [2, 2]
    assert "cell 10" in capsys.readouterr().out
    options.only = "eleven"
    with pytest.raises(SystemExit, match="no cell's name contains 'eleven'"):
        run_cells([1, 2, 10], str, run, options)


def test_summary() -> None:
    words = summary([result("a"), result("b", ours=4.0)])
    assert words == (
        "2 cells: geometric mean 1.00, least 0.50, 1 behind by more than noise; "
        "errors at most 1.50 times the most exact peer's"
    )
    noisy = [result("c", ours=4.0, spread=0.45), result("d", ours=2.1)]
    assert "least 0.50, none behind by more than noise" in summary(noisy)
    assert summary([], "of more than 8 samples") == "No cells of more than 8 samples"
