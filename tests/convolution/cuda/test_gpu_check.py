"""`make gpu-check`: what it says without a GPU, and that its measurements and pages work, on this processor."""

from __future__ import annotations

import csv
import dataclasses
import io
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks.gpu_check import __main__ as command
from benchmarks.gpu_check import lane, machine, measuring, output
from benchmarks.gpu_check.measuring import Work
from benchmarks.gpu_check.work import WORK
from tests.convolution.cuda import host

needs_compiler = pytest.mark.skipif(host.compiler() is None, reason="no C++ compiler to build fused.cu with")
MACHINE = {"device": "NVIDIA H100 80GB", "commit": "abc", "date": "2026-01-02 03:04 UTC"}


def test_no_gpu_has_a_status_of_its_own(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(machine, "no_gpu", lambda: "CuPy 14 finds none")
    monkeypatch.setattr(command, "run_tests", lambda: pytest.fail("tests were run"))
    assert command.main([]) == command.NO_GPU == 3
    assert "no NVIDIA GPU: CuPy 14 finds none" in capsys.readouterr().err


def test_missing_packages_are_named(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(machine, "no_gpu", lambda: None)
    monkeypatch.setattr(machine, "missing", lambda: ["hypothesis"])
    assert command.main([]) == command.NO_PACKAGE == 4
    assert "lacks hypothesis" in capsys.readouterr().err


def test_failed_tests_stop_the_check(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(machine, "no_gpu", lambda: None)
    monkeypatch.setattr(machine, "missing", list)
    monkeypatch.setattr(command, "run_tests", lambda: (1, "1 failed"))
    assert command.main([]) == command.FAILED
    assert "the tests failed (1 failed)" in capsys.readouterr().err


def test_versions_and_commit() -> None:
    found = machine.versions()
    assert found["numpy"] == np.__version__
    assert re.fullmatch(r"[0-9a-f]{12}( with changes)?|unknown", found["commit"])


@needs_compiler
def test_a_check_from_end_to_end(tmp_path: Path) -> None:
    """With NumPy, SciPy and torch on the processor in place of CuPy and torch on a GPU."""
    here = lane.processor(host.Host())
    works = (
        Work("one axis, float32", (64,), "float32"),
        Work("one axis, float32", (143,), "float32"),
        Work("one axis, float32", (2**17,), "float32"),
        Work("one kernel a channel, float32", (64,), "float32", 3),
        Work("planes, float32", (9, 10), "float64"),
        Work("one axis, complex64", (182,), "complex64"),
    )
    rows = [row for work in works for row in measuring.measure(work, 2**12, 3, here)]
    by_method = {(str(row.work), row.work.channels, row.method) for row in rows}
    assert ("64", 1, "ours") in by_method
    assert ("143", 1, "ours, pairs") in by_method
    assert ("131072", 1, "ours") not in by_method  # left to cuFFT
    assert all(row.seconds > 0 and (row.error is None or row.error <= 1) for row in rows)
    assert {row.method for row in rows} == {"copy", "ours", "ours, pairs", "cupy", "cupy, overwriting", "torch"}

    page, table = output.write(rows, MACHINE, "3 passed", tmp_path)
    assert page.name == "gpu-nvidia-h100-80gb-2026-01-02.md"
    text = page.read_text()
    assert "Tests: 3 passed" in text
    assert "none: left to cuFFT" in text
    assert "fused CUDA kernel for 64 samples" in text
    tables = [line for line in text.splitlines() if line.startswith("|")]
    for one in re.split(r"\n## ", text)[1:]:
        widths = {line.count("|") for line in one.splitlines() if line.startswith("|")}
        assert len(widths) == 1, one
    assert len(tables) == 2 + len(MACHINE) + 2 * 4 + len(works)
    lines = list(csv.DictReader(io.StringIO(table.read_text())))
    assert len(lines) == len(rows)
    assert float(lines[0]["fraction_of_copy"]) == 1


@needs_compiler
def test_a_wrong_result_is_not_timed(monkeypatch: pytest.MonkeyPatch) -> None:
    right = measuring.convolve

    def wrong(*given: Any, **named: Any) -> Any:
        y = right(*given, **named)
        y[0, 0, 0] += 1
        return y

    monkeypatch.setattr(measuring, "convolve", wrong)
    with pytest.raises(AssertionError, match="that is no rounding"):
        measuring.measure(Work("one axis, float32", (64,), "float32"), 2**10, 1, lane.processor(host.Host()))


def test_what_is_measured_has_goals() -> None:
    """The two tables with goals are measured at sizes that reach them, in float32."""
    for table, steps in output.GOALS.items():
        sizes = [work.sizes[-1] for work in WORK if work.table == table]
        assert steps[-1][0] in sizes
        assert {work.dtype for work in WORK if work.table == table} == {"float32"}
    assert len({dataclasses.astuple(work) for work in WORK}) == len(WORK)
