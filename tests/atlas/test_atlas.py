"""The atlas's tool: rows in spite of models that hang, die or eat memory; going on where a run stopped; and what is written."""

from __future__ import annotations

import csv
import json
from collections.abc import Sequence
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from benchmarks.atlas import work
from benchmarks.atlas.__main__ import main, smallest
from benchmarks.atlas.findings import confirmation, potentials, sentences
from benchmarks.atlas.output import COLUMNS, flat
from benchmarks.atlas.record import Record
from benchmarks.atlas.timm_models import Entry
from equiconv.certification import registry
from tests.atlas import fake_models

GOOD = ["wraps", "zeros", "positions", "talks"]
BAD = ["branches", "draws", "dies", "eats"]


def run(folder: Path, *options: str) -> int:
    """The command, with the fakes for a registry."""
    places = ["--work", str(folder / "work"), "--out", str(folder / "out"), "--source", "tests.atlas.fake_models"]
    return main([*places, "--jobs", "1", "--memory", "8", *options])


@pytest.fixture(scope="module")
def first(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder after one run over everything that ends by itself."""
    folder = tmp_path_factory.mktemp("atlas")
    assert run(folder, "--confirm", "--models", *GOOD, *BAD) == 0
    return folder


def rows(folder: Path) -> dict[str, dict[str, Any]]:
    return Record(folder / "work" / "rows.jsonl").rows


def lines(folder: Path) -> int:
    return len((folder / "work" / "rows.jsonl").read_text().splitlines())


def test_verdicts_are_those_of_certify(first: Path) -> None:
    found = rows(first)
    assert {name: (found[name]["strides"], found[name]["potential"]) for name in GOOD} == {
        "wraps": ([2, 2], [2, 2]),
        "zeros": ([12, 8], [2, 2]),
        "positions": ([12, 8], [12, 8]),  # zeros at first, which generic weights do not use
        "talks": ([12, 8], [2, 2]),
    }
    assert found["wraps"]["breaks"] is None
    assert found["zeros"]["breaks"]["cause"] == "padding"
    assert found["zeros"]["breaks"]["module"] == "conv"
    assert "fake_models.py" in found["zeros"]["breaks"]["line"]
    assert found["zeros"]["then_breaks"] is None
    assert found["positions"]["then_breaks"]["cause"] == "constant"
    assert all(found[name]["weights"] == "generic" and found[name]["exact"] is None for name in GOOD)


def test_a_bad_model_costs_its_own_row_only(first: Path) -> None:
    found = rows(first)
    assert set(found) == {*GOOD, *BAD}
    assert "depends on the data" in found["branches"]["error"]
    assert "status 3" in found["dies"]["error"]
    assert "emory" in found["eats"]["error"]
    assert found["draws"]["kind"] == "undecided"
    assert any("rand" in name for name in found["draws"]["unknown"])


def test_a_model_that_hangs_is_stopped(tmp_path: Path) -> None:
    assert run(tmp_path, "--models", "hangs", "--seconds", "2") == 0
    assert rows(tmp_path)["hangs"]["error"] == "Timeout: no answer within 2 s"


def test_a_second_run_goes_on_and_retries_only_when_asked(first: Path) -> None:
    before = lines(first)
    run(first, "--models", *GOOD, *BAD)
    assert lines(first) == before
    run(first, "--models", *GOOD, "branches", "draws", "--retry")
    assert lines(first) == before + 2


def test_a_line_that_was_cut_off_is_done_again(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    Record(path).add({"model": "a", "kind": "none"})
    path.write_text(path.read_text() + '{"model": "b", "ki')
    record = Record(path)
    assert record.missing(["a", "b"], retry=False) == ["b"]
    record.add({"model": "b", "kind": "none"})
    assert set(Record(path).rows) == {"a", "b"}


def test_the_table(first: Path) -> None:
    run(first, "--write-only", "--models", *GOOD, *BAD)
    table = list(csv.DictReader((first / "out" / "atlas.csv").open()))
    assert tuple(table[0]) == COLUMNS
    by_name = {row["model"]: row for row in table}
    assert set(by_name) == {*GOOD, *BAD}
    assert by_name["wraps"]["strides"] == "2×2"
    assert by_name["wraps"]["exact"] == "True"
    assert by_name["draws"]["strides"] == ""
    assert by_name["draws"]["unknown"]
    assert by_name["zeros"]["breaks_line"].startswith(rows(first)["zeros"]["breaks"]["line"])


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.verdicts: list[str] = []
        self.links: list[str] = []
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: Sequence[tuple[str, str | None]]) -> None:
        named = dict(attrs)
        if "data-verdict" in named:
            self.verdicts.append(named["data-verdict"] or "")
        self.links += [v for k, v in named.items() if k in ("src", "href") and v]
        if tag not in ("meta", "input", "br", "wbr"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_the_page_is_whole_and_stands_alone(first: Path) -> None:
    run(first, "--write-only", "--models", *GOOD, *BAD)
    text = (first / "out" / "index.html").read_text()
    reader = _Reader()
    reader.feed(text)
    assert not reader.open
    assert not reader.links
    assert "://" not in text
    assert "&lt;span" not in text  # no markup that was escaped
    assert '<span class="badge good">invariant</span> <span class="nobreak">2Z × 2Z</span>' in text
    assert sorted(reader.verdicts) == sorted(
        ["respects mendable", "none mendable", "none mendable", "none hopeless", "undecided", "error", "error", "error"]
    )


def test_the_findings_count_what_the_rows_say(first: Path) -> None:
    confirmed = Record(first / "work" / "confirmed.jsonl").rows
    found = "\n".join(sentences(list(rows(first).values()), confirmed, 10, "fakes 1"))
    assert "8 of its 10 architectures, from 8 families; 4 are decided, 1 undecided" in found
    assert "As they stand, 1 of 4 (25%) provably respect any circular shift but that by 0: wraps." in found
    assert "Were every padding circular, 3 of 4 (75%) would (3 invariant)." in found
    assert "One change makes 2 of the 3 that respect nothing respect something" in found
    assert "every larger subgroup is refuted for 4 of 4 models" in found
    assert "of which 0 contradict their certificate" in found
    assert potentials([r for n, r in rows(first).items() if n in GOOD]) == [("2Z × 2Z", 3), ("{0} × {0}", 1)]


def test_brute_force_catches_an_unsound_rule(monkeypatch: pytest.MonkeyPatch) -> None:
    honest = registry.RULES["aten.conv2d.default"]

    def ignores_padding(step: Any) -> Any:
        step.circular = True
        result = honest.transfer(step)
        step.wrapped.clear()
        return result

    assert not work.confirm(fake_models, "zeros", 10.0)["as_is"]["contradictions"]
    false = registry.Rule(honest.target, honest.family, honest.theorem, ignores_padding)
    monkeypatch.setitem(registry.RULES, honest.target, false)
    assert work.confirm(fake_models, "zeros", 10.0)["as_is"]["contradictions"]


def test_a_contradiction_is_shouted(first: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = first / "work" / "confirmed.jsonl"
    kept = path.read_text()
    record = json.loads(next(line for line in kept.splitlines() if '"wraps"' in line))
    record["as_is"]["contradictions"] = ["conv2d aten.conv2d.default (2, 0): 1 > 1e-16"]
    path.write_text(kept + json.dumps(record) + "\n")
    try:
        assert run(first, "--write-only", "--models", *GOOD) == 1
    finally:
        path.write_text(kept)
    out = capsys.readouterr()
    assert "CONTRADICTION: wraps" in out.err
    assert "of which 1 contradict their certificate (wraps)" in out.out


def test_of_a_slow_model_the_claims_are_run_and_nothing_larger_is_tried() -> None:
    slow, fast = work.confirm(fake_models, "zeros", 0.0), work.confirm(fake_models, "zeros", 10.0)
    assert (slow["circular"]["exact"], fast["circular"]["exact"]) == (None, True)
    assert slow["circular"]["claims"] == fast["circular"]["claims"] > 0
    row = work.survey(fake_models, "zeros") | {"family": "zeros", "model": "zeros"}
    counted = confirmation([row], {"zeros": slow})
    assert (counted.checked, counted.tried, counted.exact) == (["zeros"], [], [])
    assert flat(row, slow)["exact"] == ""


def test_the_smallest_of_each_family_stands_for_it() -> None:
    entries = [
        Entry("test_a", "x", 1),
        Entry("b", "x", 5),
        Entry("a", "x", 5),
        Entry("big", "x", 9),
        Entry("test_y", "y", 2),
    ]
    assert [e.model for e in smallest(entries)] == ["a", "test_y"]
    assert [e.model for e in smallest(fake_models.catalogue())][-2:] == ["talks", "wraps"]


def test_an_unknown_name_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match="has no nothing"):
        run(tmp_path, "--models", "nothing")
