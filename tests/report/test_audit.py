"""audit: one call, all of it, for whatever network comes."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

import equiconv as eq
from equiconv.report import Audit
from tests.report.networks import (
    Classifier,
    Noisy,
    OneBatch,
    Scaled,
    Segmenter,
    Several,
    Sound,
    Volume,
    noise,
)


def test_network_and_twin(classifier: Audit) -> None:
    c, twin = classifier.certificate, classifier.twin
    assert c is not None
    assert twin is not None
    assert twin.certificate is not None
    assert c.strides == (8, 8)
    assert c.exact
    assert classifier.kind == "none"
    assert c.potential == twin.certificate.strides == (2, 2)
    assert twin.certificate.exact
    assert twin.check is not None
    assert twin.check
    assert classifier.measurement.complete
    assert twin.measurement.complete


def test_numbers_are_those_of_running_the_network(classifier: Audit) -> None:
    net, x, m = Classifier(), noise(3, 1, 8, 8), classifier.measurement
    with torch.no_grad():
        base = net(x)
        for shift, error in zip(m.shifts.tolist(), m.errors, strict=True):
            moved = net(torch.roll(x, shift, (-2, -1)))
            assert abs(float((moved - base).abs().max()) - error) <= 2 * m.floor + 1e-7


def test_twin_holds_on_its_subgroup_and_the_network_does_not(classifier: Audit) -> None:
    assert classifier.twin is not None
    for side, holds in ((classifier.twin, True), (classifier.network, False)):
        m = side.measurement
        inside = (m.shifts % 2 == 0).all(axis=1) & (m.shifts != 0).any(axis=1)
        assert bool(m.beyond_rounding[inside].any()) is not holds


def test_scene_shows_the_worst_shift(classifier: Audit) -> None:
    net, x, scene = Classifier(), noise(3, 1, 8, 8)[:1], classifier.scene
    with torch.no_grad():
        before, after = net(x)[0], net(torch.roll(x, scene.shift, (-2, -1)))[0]
    for score in scene.classes:
        assert score.before == pytest.approx(float(before[score.index]), abs=1e-6)
        assert score.after == pytest.approx(float(after[score.index]), abs=1e-6)
    assert scene.predicted(False).index == int(before.argmax())
    assert scene.flips is bool(before.argmax() != after.argmax())
    assert scene.label == "zero"
    assert scene.picture is not None
    assert scene.shifted is not None
    assert np.array_equal(np.roll(scene.picture, scene.shift, (1, 2)), scene.shifted)
    assert sum(s.share_before for s in scene.classes) <= 1 + 1e-9


def test_labels_give_accuracies(classifier: Audit) -> None:
    c = classifier.measurement.classification
    assert c is not None
    assert c.accuracy is not None
    assert c.worst_shift_accuracy is not None
    assert c.worst_shift_accuracy <= c.accuracy
    assert c.images == 3


def test_counterexample_fails_for_the_network(classifier: Audit) -> None:
    found, net = classifier.counterexample, Classifier()
    assert found is not None
    with torch.no_grad():
        change = float((net(torch.roll(found.x, found.shift, found.axes)) - net(found.x)).abs().max())
    assert change == pytest.approx(found.error, rel=1e-4)
    assert change > 100 * found.floor


def test_a_group_too_large_is_drawn_from_and_looked_at_on_grids(sampled: Audit) -> None:
    side = sampled.network
    assert side.measurement.uniform
    assert len(side.measurement.shifts) == 40
    assert side.grid is not None
    assert side.near is not None
    assert len(side.near.shifts) == 9
    assert sampled.twin is not None
    assert sampled.twin.grid is not None
    # the grid meets the twin's subgroup 2Z × 2Z: no measured shift in it fails, and the network fails on some
    inside = (sampled.twin.grid.shifts % 2 == 0).all(axis=1)
    assert inside.sum() > 1
    assert not sampled.twin.grid.beyond_rounding[inside].any()
    assert side.grid.beyond_rounding[inside].any()
    assert any("40 of 1,920" in line for line in sampled.sampling)


def test_already_circular_has_no_twin() -> None:
    found = eq.audit(Segmenter(), noise(1, 3, 6, 5))
    assert found.kind == "equivariant"
    assert found.twin is None
    assert "would not add a shift" in found.twin_reason
    assert found.counterexample is None
    assert found.counterexample_note
    assert not found.measurement.beyond_rounding.any()


def test_undecided_is_said_and_measured_all_the_same(undecided: Audit) -> None:
    assert undecided.kind == "undecided"
    assert "_linalg_svd" in undecided.headline  # what svdvals is made of
    assert undecided.certificate is not None
    assert undecided.certificate.strides == (6, 6)
    assert undecided.network.check is None
    assert undecided.twin is None
    assert undecided.measurement.complete


def test_refused_by_export_is_said_and_measured_all_the_same(refused: Audit) -> None:
    assert refused.kind == "undecided"
    assert refused.certificate is None
    assert refused.refusal is not None
    assert "depends on the data" in refused.refusal
    assert "could not be captured" in refused.headline
    assert refused.measurement.complete
    assert not refused.measurement.layers


def test_random_operation_is_undecided() -> None:
    found = eq.audit(Noisy().eval(), noise(1, 1, 4, 4))
    assert found.kind == "undecided"
    assert "random" in found.headline
    assert "deterministic" in found.counterexample_note


def test_output_that_rolls(segmenter: Audit) -> None:
    scene = segmenter.scene
    assert not scene.classes
    assert scene.flips is None
    assert scene.maps is not None
    expected, got, difference = scene.maps
    assert expected.shape == got.shape == difference.shape == (12, 10)
    assert difference.max() > 0
    assert segmenter.twin is not None
    assert segmenter.twin.certificate is not None
    assert segmenter.twin.certificate.strides == (1, 1)


def test_several_outputs() -> None:
    found = eq.audit(Several(), noise(2, 3, 6, 6), counterexample=False)
    assert found.certificate is not None
    assert {o.kind for o in found.certificate.outputs} == {"invariant", "equivariant"}
    assert len(found.measurement.outputs) == 3
    assert found.scene.output == 'output["logits"]'


@pytest.mark.parametrize(
    ("net", "shape", "axes"), [(Sound(), (1, 1, 24), -1), (Volume(), (1, 1, 4, 4, 4), (-3, -2, -1))]
)
def test_other_numbers_of_axes(net: nn.Module, shape: tuple[int, ...], axes: int | tuple[int, ...]) -> None:
    found = eq.audit(net, noise(*shape), axes=axes, counterexample=False)
    assert found.certificate is not None
    assert found.certificate.shape == shape[2:]
    assert found.scene.picture is None
    assert found.twin is not None
    assert "Audit" in repr(found)


def test_a_network_for_one_size_of_batch_is_audited_on_the_whole_batch() -> None:
    found = eq.audit(OneBatch(), noise(3, 1, 8, 8), counterexample=False, twin=False)
    assert found.certificate is not None
    assert found.certificate.input_shapes == ((3, 1, 8, 8),)
    single = eq.audit(Classifier(), noise(3, 1, 8, 8), counterexample=False, twin=False)
    assert single.certificate is not None
    assert single.certificate.input_shapes == ((1, 1, 8, 8),)


def test_keyword_arguments() -> None:
    found = eq.audit(Scaled(), {"image": noise(1, 1, 8, 8), "scale": torch.tensor(2.0)}, counterexample=False)
    assert found.certificate is not None
    assert found.certificate.potential == (2, 2)
    assert found.twin is not None


def test_exported_program() -> None:
    x = noise(1, 1, 8, 8)
    found = eq.audit(torch.export.export(Classifier(), (x,)), x, counterexample=False)
    assert found.certificate is not None
    assert found.certificate.strides == (8, 8)
    assert found.certificate.potential == (2, 2)
    assert found.twin is not None or found.twin_reason


def test_the_same_seed_gives_the_same_audit() -> None:
    def once() -> dict[str, object]:
        data = eq.audit(Classifier(), noise(1, 1, 8, 8), draws=5, seed=3, twin=False).as_dict()
        del data["seconds"], data["versions"]
        return data

    assert once() == once()


def test_silent_unless_asked(capsys: pytest.CaptureFixture[str]) -> None:
    said: list[str] = []
    eq.audit(Classifier(), noise(1, 1, 8, 8), progress=said.append, counterexample=False)
    assert any("certifying" in line for line in said)
    assert any("twin" in line for line in said)
    eq.audit(Classifier(), noise(1, 1, 8, 8), counterexample=False, twin=False)
    captured = capsys.readouterr()
    assert captured.out == captured.err == ""


@pytest.mark.parametrize("option", ["html", "json"])
def test_unwritable_path_is_refused_before_the_work(option: str, tmp_path: Path) -> None:
    said: list[str] = []
    with pytest.raises(FileNotFoundError, match=f"{option}: the folder .* does not exist"):
        eq.audit(Classifier(), noise(1, 1, 8, 8), progress=said.append, **{option: tmp_path / "none" / "report"})  # type: ignore[arg-type]
    with pytest.raises(IsADirectoryError, match=f"{option}: .* is a folder"):
        eq.audit(Classifier(), noise(1, 1, 8, 8), progress=said.append, **{option: tmp_path})  # type: ignore[arg-type]
    assert not said
    assert not list(tmp_path.iterdir())


def test_paths_are_written(tmp_path: Path) -> None:
    html, json = tmp_path / "report.html", tmp_path / "report.json"
    eq.audit(Classifier(), noise(1, 1, 4, 4), counterexample=False, twin=False, html=html, json=json)
    assert html.read_text(encoding="utf-8").startswith("<!doctype html>")
    assert json.stat().st_size > 0
    assert sorted(p.name for p in tmp_path.iterdir()) == ["report.html", "report.json"]


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"images": torch.zeros(1, 2, 8, 8)}, ValueError, "images: got the shape"),
        ({"images": torch.zeros(1, 3, 4, 8)}, ValueError, "images: got the shape"),
        ({"images": torch.full((1, 3, 8, 8), 255.0)}, ValueError, "images: .* 0 … 1"),
        ({"labels": torch.tensor([7])}, ValueError, "labels"),
        ({"labels": torch.tensor([0, 1])}, ValueError, "labels"),
        ({"draws": 0}, ValueError, "draws: got 0"),
        ({"cells": -1}, ValueError, "cells: got -1"),
        ({"radius": -1}, ValueError, "radius: got -1"),
        ({"axes": (-7,)}, ValueError, "axes"),
        ({"build": "model = ("}, ValueError, "name"),
    ],
)
def test_bad_options_are_named(options: dict[str, object], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        eq.audit(Classifier(), noise(1, 1, 8, 8), **options)  # type: ignore[arg-type]


def test_bad_networks_and_inputs_are_refused() -> None:
    x = noise(1, 1, 8, 8)
    with pytest.raises(ValueError, match="training mode"):
        eq.audit(Classifier().train(), x)
    with pytest.raises(TypeError, match=r"integer|int64"):
        eq.audit(Classifier(), torch.zeros(1, 1, 8, 8, dtype=torch.int64))
    broken = Classifier()
    with torch.no_grad():
        broken.first.weight[0, 0, 0, 0] = math.nan
    with pytest.raises(ValueError, match="NaN"):
        eq.audit(broken, x)


def test_build_is_what_the_script_runs() -> None:
    lines = "from tests.report.networks import Classifier\nmodel = Classifier()"
    found = eq.audit(Classifier(), noise(1, 1, 8, 8), twin=False, build=lines)
    assert found.counterexample is not None
    assert "model = Classifier()" in found.counterexample.script
    exec(compile(found.counterexample.script, "<script>", "exec"), {})
