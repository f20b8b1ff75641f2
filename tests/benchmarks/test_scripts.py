"""Each benchmark from end to end, on a tiny selection, and without a word on how long anything took."""

from __future__ import annotations

import csv
import doctest
import importlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import equiconv as eq
from benchmarks import conv_operator, convolution, gradients, growth, layers, one_shot, solve
from benchmarks.contest import COPY, OURS
from benchmarks.truth import exact

PNG = b"\x89PNG\r\n"


@pytest.fixture(autouse=True)
def one_thread(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """As the benchmarks ask for; torch's threads as they were afterwards."""
    before = torch.get_num_threads()
    for name in ("MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    yield
    torch.set_num_threads(before)


def read(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8") as file:
        return list(csv.DictReader(file))


@pytest.mark.parametrize("name", ["contest", "output", "running", "truth", "drawing", "convolution", "growth"])
def test_the_examples_hold(name: str) -> None:
    found = doctest.testmod(importlib.import_module(f"benchmarks.{name}"))
    assert found.attempted
    assert not found.failed


def test_convolution(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    some = [((1, 16), 1, "float32"), ((2, 1009), 1, "float32"), ((4, 8, 8), 2, "float64"), ((1, 2048), 1, "complex64")]
    monkeypatch.setattr(convolution, "cases", lambda quick: some)
    convolution.main(["--out", str(tmp_path), "--seconds", "0.001"])
    rows = read(tmp_path / "cpu-convolution-1-thread.csv")
    assert [row["case"] for row in rows] == [convolution.name_of(cell) for cell in some]
    for row in rows:
        assert row["best peer"] not in (OURS, COPY)
        assert float(row["fraction of copy"]) > 0
        assert float(row["equiconv error"]) <= float(row["bound"])
    assert "2 cells of more than 1024 samples" in capsys.readouterr().out
    page = (tmp_path / "cpu-convolution-1-thread.md").read_text(encoding="utf-8")
    assert "## Errors" in page
    assert "| of copy |" in page
    assert (tmp_path / "cpu-convolution-1-thread.png").read_bytes().startswith(PNG)


@pytest.mark.parametrize(
    ("shape", "kernel", "options"),
    [
        ((3, 64), (64,), {"method": "fourier"}),
        ((3, 64), (5,), {"method": "direct"}),
        ((3, 16), (16,), {"method": "dense"}),
        ((2, 1009), (1009,), {"method": "fourier"}),
        ((2, 211, 16), (211, 16), {"method": "fourier"}),
    ],
)
def test_the_stated_bound_holds_and_is_not_empty(shape: Any, kernel: Any, options: Any) -> None:
    rng = np.random.default_rng(0)
    axes = tuple(range(1, len(shape)))
    x, w = (rng.standard_normal(s).astype(np.float32) for s in (shape, kernel))
    plan = eq.plan(shape, kernel, axes, "float32", threads=1, **options)
    bound = convolution.stated_bound(plan, x, w)
    whole = np.zeros(shape[1:], np.float32)
    whole[tuple(slice(k) for k in kernel)] = w
    truth = exact(x, whole, axes)
    assert np.abs(plan(x, w) - truth).max() <= bound < np.abs(truth).max() / 100


def test_a_result_beyond_the_stated_bound_stops_the_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(convolution, "stated_bound", lambda plan, x, w: 1e-12)
    with pytest.raises(AssertionError, match="equiconv errs by"):
        convolution.run_case((2, 64), 1, "float32", 1, 1e-3)


def test_one_shot(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(one_shot, "CASES", [((2, 32), (3,)), ((2, 16, 16), (3, 5))])
    one_shot.main(["--out", str(tmp_path), "--seconds", "0.001"])
    rows = read(tmp_path / "cpu-one-shot-1-thread.csv")
    assert [row["case"] for row in rows] == [one_shot.name_of(cell) for cell in one_shot.cases(quick=False)]
    assert all(row["scipy.ndimage wrap s"] and row["torch conv s"] for row in rows)


def test_contenders_that_need_too_much_memory_are_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(one_shot, "LARGEST_UNFOLDED", 2 * 32 * 8 * 3 - 1)
    assert "torch conv" not in one_shot.run_case((2, 32), (3,), "float64", 1e-3).seconds
    assert "torch conv" in one_shot.run_case((2, 32), (3,), "float32", 1e-3).seconds


def test_gradients(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gradients, "CASES", [((2, 32), (3,)), ((2, 16, 16), (3, 5))])
    gradients.main(["--out", str(tmp_path), "--seconds", "0.001"])
    rows = read(tmp_path / "cpu-gradients-1-thread.csv")
    assert [row["case"] for row in rows] == [gradients.name_of(cell) for cell in gradients.cases(quick=False)]
    assert all(row["torch.fft s"] and row["torch conv s"] for row in rows)


def test_a_wrong_gradient_of_the_kernel_stops_the_run(monkeypatch: pytest.MonkeyPatch) -> None:
    """The signal's gradient is held to the truth by the contest, as every result is; the kernel's here."""
    original = gradients.gradients

    def wrong(f: Any, w: Any, g: Any, x: Any) -> Any:
        of_x, of_w = original(f, w, g, x)
        return of_x, of_w.flip(0) if w.dtype == torch.float32 else of_w

    monkeypatch.setattr(gradients, "gradients", wrong)
    with pytest.raises(AssertionError, match="equiconv: the kernel's gradient is wrong"):
        gradients.run_case((2, 32), (3,), "float32", 1e-3)


def test_solve(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(solve, "cases", lambda quick: [(16, 1, "float32"), (2048, 2, "float64")])
    solve.main(["--out", str(tmp_path), "--seconds", "0.001"])
    small, large = read(tmp_path / "cpu-circulant-solve-1-thread.csv")
    assert small["dense s"]
    assert not large["dense s"]


def test_every_panel_of_growth(tmp_path: Path) -> None:
    few = [growth.Cell(panel, value) for panel in growth.PANELS for value in panel.values[:2]]
    found = [(cell, cell.panel.run(growth.name_of(cell), cell.value, 1e-3)) for cell in few]
    path = tmp_path / "cpu-growth-1-thread"
    growth.write(found, path, 1)
    growth.plot(found, path.with_suffix(".png"))
    rows = read(path.with_suffix(".csv"))
    for panel in growth.PANELS:
        ours = [row for row in rows if row["panel"] == panel.name and row["contender"] == OURS]
        assert [int(row["value"]) for row in ours] == list(panel.values[:2])
        others = {row["contender"] for row in rows if row["panel"] == panel.name} - {COPY}
        assert len(others) >= 3
    assert path.with_suffix(".md").read_text(encoding="utf-8").count("\n## ") == len(growth.PANELS) == 6
    assert path.with_suffix(".png").read_bytes().startswith(PNG)


def test_growth_draws_the_fastest_peers_and_those_that_are_there_for_a_part() -> None:
    def result(**seconds: float) -> growth.Result:
        return growth.Result("case", 1, {OURS: 1.0, COPY: 0.1, **seconds}, {}, {})

    first = result(a=1.0, b=2.0, c=3.0, d=4.0, short=9.0)
    second = result(a=9.0, b=2.0, c=3.0, d=4.0)
    assert growth.drawn([first, second]) == [OURS, "a", "b", "c", "short", COPY]


def test_growth_takes_a_selection(tmp_path: Path) -> None:
    growth.main(["--out", str(tmp_path), "--quick", "--only", "batch 2", "--seconds", "0.001"])
    assert {row["panel"] for row in read(tmp_path / "cpu-growth-1-thread.csv")} == {"batch"}
    assert (tmp_path / "cpu-growth-1-thread.png").read_bytes().startswith(PNG)


def test_layers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def some(kernels: tuple[int, ...]) -> Iterator[layers.Case]:
        for k in kernels:
            yield layers.Case("2→2, 8²", 2, 2, k, (1, 8, 8))
        yield layers.Case("2→2, 16", 2, 2, 3, (1, 16))

    monkeypatch.setattr(layers, "cases", some)
    layers.main(["--out", str(tmp_path), "--turns", "1", "--kernels", "3", "5"])
    rows = read(tmp_path / "cpu-layers-1-thread.csv")
    assert [(r["case"], r["kernel"], r["work"]) for r in rows] == [
        (case.name, str(case.kernel), work) for case in some((3, 5)) for work in layers.WORKS
    ]
    page = (tmp_path / "cpu-layers-1-thread.md").read_text(encoding="utf-8")
    assert "| layer | work | 3 | 5 |" in page
    assert (tmp_path / "cpu-layers-1-thread.png").read_bytes().startswith(PNG)


def test_layers_are_timed_in_training_at_every_kernel() -> None:
    planned = layers.jobs(layers.KERNELS, layers.WORKS)
    steps = {(case.name, case.kernel) for case, work in planned if work == "step"}
    for name in ("64→64, 56²", "depthwise 128, 56²"):
        assert {k for n, k in steps if n == name} == set(layers.KERNELS) >= {3, 21, 31}
    with pytest.raises(SystemExit, match="no case's name contains 'none'"):
        layers.jobs(layers.KERNELS, layers.WORKS, "none")


def test_conv_operator(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    some = [conv_operator.Case(2, 2, 3, 6, small=6), conv_operator.Case(2, 2, 3, 8, small=4, stride=2)]
    monkeypatch.setattr(conv_operator, "CASES", some)
    conv_operator.main(["--out", str(tmp_path), "--repeats", "1"])
    first, second = read(tmp_path / "cpu-conv-operator-1-thread.csv")
    assert first["published s"]
    assert first["dense s"]
    assert not second["published s"]
    assert all(0 <= float(row["largest error / bound"]) <= 1 for row in (first, second))
    page = (tmp_path / "cpu-conv-operator-1-thread.md").read_text(encoding="utf-8")
    assert "| 2→2, 3×3, 6×6, float32 |" in page
    assert "| 2→2, 3×3, 6×6, float32 |" in capsys.readouterr().out


@pytest.mark.parametrize(("engine", "peer"), [("fftw", "pyFFTW"), ("scipy", "scipy"), ("torch", "torch")])
def test_the_engine_is_named_as_its_peer_is(monkeypatch: pytest.MonkeyPatch, engine: str, peer: str) -> None:
    made = eq.plan
    monkeypatch.setattr(
        eq, "plan", lambda *shapes, **options: made(*shapes, **options, method="fourier", engine=engine)
    )
    assert convolution.run_case((2, 64), 1, "float32", 1, 1e-3).engine == peer


def test_an_engine_without_a_peer_has_none(monkeypatch: pytest.MonkeyPatch) -> None:
    made = eq.plan
    monkeypatch.setattr(
        eq, "plan", lambda *shapes, **options: made(*shapes, **options, method="fourier", engine="scipy")
    )
    peers = convolution.spectral_peers
    monkeypatch.setattr(
        convolution, "spectral_peers", lambda *given: {k: v for k, v in peers(*given).items() if k != "scipy"}
    )
    assert convolution.run_case((2, 64), 1, "float32", 1, 1e-3).engine == ""
