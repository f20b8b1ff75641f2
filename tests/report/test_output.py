"""The audit as text, as tables and as data."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from equiconv.certification import Certificate
from equiconv.report import Audit

ALL = ["classifier", "sampled", "segmenter", "undecided", "refused", "dangerous"]


def rendered(audit: Audit, width: int = 80) -> str:
    console = Console(file=io.StringIO(), width=width, force_terminal=False, color_system=None)
    console.print(audit)
    output: str = console.file.getvalue()  # type: ignore[attr-defined]
    return output


def strict(text: str) -> Any:
    def refuse(token: str) -> None:
        raise AssertionError(f"{token} is no JSON")

    return json.loads(text, parse_constant=refuse)


@pytest.mark.parametrize("name", ALL)
def test_json_is_plain_and_loads_back(name: str, request: pytest.FixtureRequest, tmp_path: Path) -> None:
    audit: Audit = request.getfixturevalue(name)
    path = audit.json(tmp_path / "audit.json")
    data = strict(path.read_text(encoding="utf-8"))
    assert data == audit.as_dict()
    assert (data["format"], data["version"]) == ("equiconv-audit", 1)
    assert data["verdict"]["kind"] == audit.kind
    assert data["verdict"]["headline"] == audit.headline
    assert [p.name for p in tmp_path.iterdir()] == ["audit.json"]


def test_json_holds_everything(classifier: Audit) -> None:
    data = classifier.as_dict()
    c = classifier.certificate
    assert c is not None
    assert len(data["network"]["certificate"]["obstacles"]) == len(c.obstacles)
    assert len(data["network"]["measurement"]["errors"]) == 64
    assert data["network"]["measurement"]["classification"]["worst_shift_accuracy"] is not None
    assert len(data["network"]["measurement"]["layers"]) == len(classifier.measurement.layers)
    assert data["twin"]["certificate"]["strides"] == [2, 2]
    assert data["twin"]["check"]["holds"] is True
    assert data["counterexample"]["script"]
    assert data["scene"]["classes"]
    assert data["versions"]["torch"]


def test_certificate_in_the_json_is_a_certificate(classifier: Audit, tmp_path: Path) -> None:
    path = tmp_path / "certificate.json"
    path.write_text(json.dumps(classifier.as_dict()["network"]["certificate"]), encoding="utf-8")
    assert Certificate.load(path).obstacles == (classifier.certificate and classifier.certificate.obstacles)


def test_writing_json_is_whole_or_not_at_all(classifier: Audit, tmp_path: Path) -> None:
    with pytest.raises(OSError, match="none"):
        classifier.json(tmp_path / "none" / "a.json")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize("show", [str, rendered])
def test_text_says_the_verdict_and_what_is_next(name: str, show: Any, request: pytest.FixtureRequest) -> None:
    audit: Audit = request.getfixturevalue(name)
    text = " ".join(show(audit).replace("│", " ").split())
    assert audit.headline in text
    for part in ("numbers", "counterexample", "what was measured", "next"):
        assert part in text
    assert "Traceback" not in text


@pytest.mark.parametrize("show", [str, lambda audit: rendered(audit, 160)])
def test_text_holds_the_findings(show: Any, classifier: Audit) -> None:
    text = show(classifier)
    flat = " ".join(text.split())
    assert "obstacles (3)" in text
    assert "Z × Z → {0} × {0}" in text
    assert "x = self.first(x).relu()" in text
    assert "Make both paddings circular" in flat
    assert "2Z × 2Z (invariant)" in text
    assert "right under every shift measured" in text
    assert "torch.roll" in text


def test_plain_text_needs_no_rich(classifier: Audit) -> None:
    assert "\x1b" not in str(classifier)
    assert "─" not in str(classifier)


def test_square_brackets_are_no_markup(dangerous: Audit) -> None:
    assert "</style><script>alert(3)</script>[/bold]" in rendered(dangerous, 200)


def test_refusal_is_said_once(refused: Audit) -> None:
    assert str(refused).count("its control flow depends on the data") == 1
