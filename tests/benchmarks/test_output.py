"""Tables, pages and names of files."""

from __future__ import annotations

import csv
from pathlib import Path

from benchmarks.contest import COPY, OURS, Result
from benchmarks.output import names_of, stem, write_table

WITH_COPY = Result(
    "1×8 1-D float32",
    8,
    {OURS: 2e-6, "ducc0": 3e-6, "numpy": 9e-6, COPY: 1e-7},
    {OURS: 0.01, "ducc0": 0.02, "numpy": 0.03, COPY: 0.04},
    {OURS: 3e-8, "ducc0": 2e-8, "numpy": 6e-8},
    chosen="fourier by ducc0 in blocks",
    bound=3e-6,
    engine="ducc0",
)
WITHOUT = Result("dense", 8, {OURS: 2e-6, "numpy": 1e-6}, {OURS: 0.1, "numpy": 0.1}, {OURS: 3e-8, "numpy": 3e-8})


def lines_of(page: Path) -> list[str]:
    return page.read_text(encoding="utf-8").splitlines()


def test_ours_is_first_and_the_copy_last() -> None:
    assert names_of([WITHOUT, WITH_COPY]) == [OURS, "ducc0", "numpy", COPY]


def test_files_are_named_by_threads() -> None:
    assert stem("growth", 1) == "cpu-growth-1-thread"
    assert stem("growth", 2) == "cpu-growth-2-threads"


def test_a_table_with_copy_engine_and_bound(tmp_path: Path) -> None:
    write_table([WITH_COPY], tmp_path, "some", "Some", 2, "One cell")
    lines = lines_of(tmp_path / "cpu-some-2-threads.md")
    assert lines[0] == "# Some"
    assert "| case | way | ratio | of copy | equiconv | ducc0 | numpy | copy |" in lines
    assert "| 1×8 1-D float32 | fourier by ducc0 in blocks | 1.50 | 0.05 | 2 | 3 | 9 | 0.1 |" in lines
    assert (
        "| case | ours | engine's | ours / engine's | most exact peer's | ours / its | bound | ours / bound |" in lines
    )
    assert (
        "| 1×8 1-D float32 | 3.0e-08 | 2.0e-08 (ducc0) | 1.50 | 2.0e-08 (ducc0) | 1.50 | 3.0e-06 | 1.0e-02 |" in lines
    )


def test_a_table_without_them_has_no_empty_columns(tmp_path: Path) -> None:
    write_table([WITHOUT], tmp_path, "some", "Some", 1, "One cell")
    text = (tmp_path / "cpu-some-1-thread.md").read_text(encoding="utf-8")
    assert "| case | ratio | equiconv | numpy |\n|---|---:|---:|---:|\n| dense | 0.50 | 2 | 1 |" in text
    assert "| dense | 3.0e-08 | 3.0e-08 (numpy) | 1.00 |" in text
    assert not any(word in text for word in ("copy", "bound", "engine"))


def test_the_numbers_are_all_in_the_csv(tmp_path: Path) -> None:
    write_table([WITH_COPY, WITHOUT], tmp_path, "some", "Some", 1, "Two cells")
    with (tmp_path / "cpu-some-1-thread.csv").open(encoding="utf-8") as file:
        first, second = csv.DictReader(file)
    assert (first["ratio"], first["best peer"], first["fraction of copy"]) == ("1.500", "ducc0", "0.050")
    assert (first["bound"], first["engine"], first["copy s"]) == ("3e-06", "ducc0", "1e-07")
    assert (second["fraction of copy"], second["bound"], second["copy s"], second["ducc0 s"]) == ("", "", "", "")
    assert "copy error" not in first
