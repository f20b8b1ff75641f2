"""show_versions says what a bug report needs, and imports nothing to say it."""

from __future__ import annotations

import subprocess
import sys
from importlib.metadata import version

import pytest

import equiconv
from equiconv.versions import versions


def test_versions_are_those_installed() -> None:
    found = versions()
    assert found["equiconv"] == equiconv.__version__
    assert found["numpy"] == version("numpy")
    assert found["python"].startswith(".".join(map(str, sys.version_info[:3])))
    assert any(name.startswith("cupy") for name in found)
    assert "cpu threads" in found


def test_a_missing_package_is_said_to_be_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    import equiconv.versions as module

    monkeypatch.setattr(module, "_OPTIONAL", ("no-such-package",))
    assert module.versions()["no-such-package"] == "not installed"


def test_show_versions_prints_every_line(capsys: pytest.CaptureFixture[str]) -> None:
    equiconv.show_versions()
    printed = capsys.readouterr().out
    assert all(name in printed and value in printed for name, value in versions().items())


def test_showing_versions_imports_none_of_what_it_lists() -> None:
    code = (
        "import sys, equiconv\nequiconv.show_versions()\n"
        "listed = {'timm', 'transformers', 'sklearn', 'matplotlib', 'cupy', 'hypothesis'}\n"
        "assert not listed & set(sys.modules), listed & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)
