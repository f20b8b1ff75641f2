"""The demonstration, end to end, on smaller stand-ins: what is printed and written, and what is refused beforehand."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from equiconv.cli import demo, digits
from equiconv.cli.app import ANSWERED, REFUSED, app

pytest.importorskip("sklearn", reason="scikit-learn is in the extra demo")

TINY = """
from torch import nn
from transformers import ResNetConfig, ResNetForImageClassification

def net():
    return ResNetForImageClassification(
        ResNetConfig(embedding_size=4, hidden_sizes=[4, 8], depths=[1, 1], layer_type="basic")
    )
"""


def test_the_demonstration(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("transformers", reason="transformers is in the extra demo")
    (tmp_path / "tiny.py").write_text(TINY)
    monkeypatch.setattr(demo, "_RESNET", f"{tmp_path / 'tiny.py'}:net")
    monkeypatch.setattr(demo, "_RESNET_SIZE", "33x40")
    monkeypatch.setattr(demo, "_SHOWN", 2)
    monkeypatch.setattr(digits, "EPOCHS", 1)
    folder = tmp_path / "report"
    result = CliRunner().invoke(app, ["audit", "--out", str(folder)], catch_exceptions=False)
    assert result.exit_code == ANSWERED

    stems = ("digits-zeros", "digits-circular", "resnet-18")
    assert {p.name for p in folder.iterdir()} == {"index.html", *(f"{s}{e}" for s in stems for e in (".html", ".json"))}
    zeros, circular, resnet = (json.loads((folder / f"{stem}.json").read_text())["verdict"] for stem in stems)
    assert (zeros["strides"], zeros["potential"]) == ([32, 32], [8, 8])
    assert (circular["strides"], circular["kind"]) == ([8, 8], "invariant")
    assert resnet["strides"] == [33, 40]

    # The sizes are said: what is done about them, and what a crop would keep.
    assert "33 × 40 is odd and not square, and is kept" in result.stdout
    assert "on a crop to multiples of 32 (32 × 32), which keeps 77.6% of the pixels" in result.stdout
    # It ends with where the report lies.
    assert result.stdout.rstrip().splitlines()[-1] == f"The report: {(folder / 'index.html').resolve().as_uri()}"

    page = (folder / "index.html").read_text()
    assert all(f'href="{stem}.html"' in page and f'href="{stem}.json"' in page for stem in stems)
    assert "http" not in page.replace("http-equiv", "")  # nothing is fetched from a network


def test_a_folder_that_cannot_be_written_is_refused_before_the_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setattr(demo, "run_demo", lambda *_, **__: pytest.fail("the work began"))
    result = CliRunner().invoke(app, ["audit", "--out", str(tmp_path / "file")])
    assert result.exit_code == REFUSED
    assert "is a file; give a folder" in result.stderr


def test_what_is_missing_is_refused_before_the_work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "sklearn", None)
    result = CliRunner().invoke(app, ["audit", "--out", str(tmp_path / "report")])
    assert result.exit_code == REFUSED
    assert "pip install 'equiconv[demo]'" in result.stderr
    assert not (tmp_path / "report").exists()
