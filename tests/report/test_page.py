"""The page: complete, self-contained, safe, and readable without looking at it."""

from __future__ import annotations

import base64
import io
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from equiconv.report import Audit
from equiconv.report.html import page, raster
from tests.report.networks import EVIL
from tests.report.page_reader import Page

ORDER = [
    "The obstacles",
    "One input, and its shifted twin",
    "Without wrap-around",
    "Errors over shifts",
    "Errors layer by layer",
    "The smallest counterexample",
    "The circular twin",
    "Why to believe it",
    "What was sampled, and with what",
]


@pytest.mark.parametrize("name", ["classifier", "sampled", "segmenter", "undecided", "refused", "dangerous"])
def test_every_page_is_well_formed_self_contained_and_safe(name: str, request: pytest.FixtureRequest) -> None:
    read = Page(page(request.getfixturevalue(name)))
    assert read.problems == []
    assert read.count("script") == 1
    assert read.count("h1") == 1
    assert not re.search(r"https?://", read.source)
    assert not re.search(r"\bNone\b(?! are known|:|\.)", read.text)


@pytest.mark.parametrize(
    ("source", "problem"),
    [
        ("<p><b>x</p>", "closes"),
        ("<div>", "never closed"),
        ('<img src="https://elsewhere/x.png" alt="x">', "refers to"),
        ('<img src="data:image/png;base64,AA">', "text alternative"),
        ('<p onclick="x()">x</p>', "handler"),
        ('<link rel="stylesheet" href="x.css">', "does not belong"),
        ('<b id="a"></b><b id="a"></b>', "used twice"),
        ("<style>@import x</style>", "outside"),
        ("<svg></svg>", "text alternative"),
    ],
)
def test_the_reader_catches_bad_pages(source: str, problem: str) -> None:
    assert any(problem in p for p in Page(source).problems)


def test_parts_come_in_order(classifier: Audit) -> None:
    read = Page(page(classifier))
    assert read.headings == ORDER
    assert classifier.headline in read.text


def test_obstacles_are_all_there_with_their_lines(classifier: Audit) -> None:
    c = classifier.certificate
    assert c is not None
    read = Page(page(classifier))
    assert c.obstacles
    for o in c.obstacles:
        assert o.source is not None
        assert o.source.code in read.text
        assert f"{o.source.short}:{o.source.line}" in read.text
        assert o.module in read.text
        assert o.theorem in read.text
        assert o.remedy is not None
        assert o.remedy in read.text
    assert "Z × Z → {0} × {0}" in read.text


def test_the_three_answers(classifier: Audit) -> None:
    text = Page(page(classifier)).text
    assert "Only the shift by 0. This is exact" in text
    assert "2 paddings (2 convolutions) bring in values that do not move" in text
    assert "Make both paddings circular: 2Z × 2Z would hold, 16 of 64 shifts" in text
    assert "1 stride lets only coarser shifts through: second (leaves 2Z × 2Z)" in text


def test_predictions_are_shown_and_random_weights_are_said(classifier: Audit) -> None:
    text = Page(page(classifier)).text
    scene = classifier.scene
    assert f"{scene.predicted(False).name}, {100 * scene.predicted(False).share_before:.1f} %" in text
    assert f"{scene.predicted(True).name}, {100 * scene.predicted(True).share_after:.1f} %" in text
    assert "The classes below mean nothing" in text
    assert "The right class is zero" in text


def test_weights_that_are_not_random_get_no_warning(sampled: Audit) -> None:
    assert "mean nothing" not in Page(page(sampled)).text


def test_maps_mark_the_safe_shifts(classifier: Audit) -> None:
    read = Page(page(classifier))
    # one map of all 64 shifts as it stands (1 is safe), and one of the twin (16 are)
    assert read.count("circle", "safe") == 1 + 16
    assert read.count("svg", "map") == 2


def test_a_sampled_map_marks_its_safe_shifts(sampled: Audit) -> None:
    assert sampled.network.grid is not None
    assert sampled.twin is not None
    assert sampled.twin.certificate is not None
    shifts = np.concatenate([m.shifts for m in (sampled.twin.grid, sampled.twin.near) if m is not None])
    safe = (shifts % np.array(sampled.twin.certificate.strides) == 0).all(axis=1).sum()
    read = Page(page(sampled))
    assert read.count("svg", "map") == 4
    assert read.count("circle", "safe") == 2 + safe  # the shift by 0 on both maps of the network as it stands


def test_layers_have_a_dot_each(classifier: Audit) -> None:
    m = classifier.measurement
    read = Page(page(classifier))
    expected = sum(np.isfinite(e) and row.scale > 0 for row in m.layers for e in row.errors)
    assert read.count("circle", "error") == expected
    assert all(row.label in read.text for row in m.layers)


def test_the_script_is_there_to_paste(classifier: Audit) -> None:
    assert classifier.counterexample is not None
    assert classifier.counterexample.script in Page(page(classifier)).text


def test_the_twin_stands_beside_the_network(classifier: Audit) -> None:
    text = Page(page(classifier)).text
    assert "As it stands" in text
    assert "2Z × 2Z (invariant)" in text
    assert "Worst error under the shifts in 2Z × 2Z / largest output" in text


def test_refutations_are_listed(classifier: Audit) -> None:
    c = classifier.certificate
    assert c is not None
    assert c.refutations is not None
    read = Page(page(classifier))
    assert f"{len(c.refutations)} of {len(c.refutations)} minimal larger subgroups refuted" in read.text
    assert all(str(r.shift) in read.text for r in c.refutations)


def test_sampling_and_versions_are_said(sampled: Audit) -> None:
    text = Page(page(sampled)).text
    assert "40 of 1,920 shifts, uniform, seed 0" in text
    assert "shifts on a grid and 9 around 0" in text
    assert sampled.versions["torch"] in text


def test_outputs_that_roll_are_pictures(segmenter: Audit) -> None:
    read = Page(page(segmenter))
    assert "their difference" in read.text
    assert read.count("img") == 5
    assert "rolls dim 2 by k" not in read.text  # as it stands nothing is certified of the output


def test_undecided_names_what_is_missing(undecided: Audit) -> None:
    text = Page(page(undecided)).text
    assert "undecided" in text
    assert "aten._linalg_svd.default" in text
    assert "return torch.linalg.svdvals(x).sum(-1)" in text
    assert "Operations without a rule" in text


def test_refused_says_why(refused: Audit) -> None:
    read = Page(page(refused))
    assert "its control flow depends on the data" in read.text
    assert "if x.sum() > 0:" in read.text
    assert "The obstacles" not in read.headings
    assert "Errors over shifts" in read.headings


def test_hostile_names_stay_text(dangerous: Audit) -> None:
    read = Page(page(dangerous))
    assert EVIL in read.text
    assert "</style><script>alert(3)</script>[/bold]" in read.text
    assert all("alert" not in script for script in read.scripts)
    assert not any(tag == "img" and attributes.get("src") == "x" for tag, attributes in read.tags)


def test_pictures_decode(segmenter: Audit) -> None:
    read = Page(page(segmenter))
    sizes = []
    for tag, attributes in read.tags:
        uri = attributes.get("src") if tag == "img" else attributes.get("href") if tag == "image" else None
        if uri:
            kind, data = uri.removeprefix("data:image/").split(";base64,")
            image = Image.open(io.BytesIO(base64.b64decode(data)))
            assert image.format is not None
            assert image.format.lower() == kind
            sizes.append(image.size)
    # two photographs, the one under its interior, three maps of the output, and the maps over all 12 × 10 shifts of the network and its twin
    assert sizes == [(10, 12)] * 8


def test_writing_is_whole_or_not_at_all(classifier: Audit, tmp_path: Path) -> None:
    path = classifier.html(tmp_path / "report.html")
    assert path.read_text(encoding="utf-8") == page(classifier)
    assert [p.name for p in tmp_path.iterdir()] == ["report.html"]
    with pytest.raises(OSError, match="none"):
        classifier.html(tmp_path / "none" / "report.html")
    (tmp_path / "folder").mkdir()
    with pytest.raises(OSError, match="folder"):
        classifier.html(tmp_path / "folder")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["folder", "report.html"]


def test_colours_darken_evenly_and_mark_what_is_missing() -> None:
    values = np.linspace(0, 2, 50)
    rgb = raster.colours(values, 2.0).astype(float)
    lightness = rgb @ np.array([0.2126, 0.7152, 0.0722])
    assert (np.diff(lightness) < 0).all()
    assert raster.colours(np.array([np.nan]), 1.0).tolist() == [[148, 148, 148]]
    assert raster.colours(np.array([5.0]), 1.0).tolist() == raster.colours(np.array([1.0]), 1.0).tolist()


def test_the_interior_is_drawn_on_the_image(segmenter: Audit, classifier: Audit) -> None:
    read = Page(page(segmenter))
    drawn = read.source
    assert "Without wrap-around" in drawn
    assert "rows 1…10 × columns 1…8 of 12 × 10 (67 %) see no border" in read.text
    assert 'M1 1H9V11H1Z" class="inside"' in drawn  # in pixels: columns 1 … 8, rows 1 … 10
    assert 'class="field"' in drawn
    ended = Page(page(classifier)).source
    assert "the last tensor before its claims end" in ended
    for audit in (segmenter, classifier):
        assert "without wrap-around" in str(audit)
