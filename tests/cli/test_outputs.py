"""Files are looked at before the work and are there whole or not at all."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from equiconv.cli.errors import BadInput
from equiconv.cli.outputs import require_folder, require_writable, write


def test_a_file_in_an_existing_folder(tmp_path: Path) -> None:
    path = require_writable(tmp_path / "a.json", "--json")
    assert not path.exists()
    write(path, lambda p: p.write_text("whole"))
    assert path.read_text() == "whole"
    assert [p.name for p in tmp_path.iterdir()] == ["a.json"]
    mask = os.umask(0)
    os.umask(mask)
    assert path.stat().st_mode & 0o777 == 0o666 & ~mask


def test_a_failure_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_text("old")

    def fail(p: Path) -> None:
        p.write_text("half")
        raise RuntimeError("stop")

    with pytest.raises(RuntimeError, match="stop"):
        write(path, fail)
    assert path.read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["a.json"]


def test_folders_are_made_only_when_something_is_written(tmp_path: Path) -> None:
    folder = require_folder(tmp_path / "new" / "deep")
    assert not folder.exists()
    write(folder / "a.txt", lambda p: p.write_text("x"))
    assert (folder / "a.txt").read_text() == "x"


def test_what_cannot_be_written_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(BadInput, match=r"--json: .* is a folder; give the name of a file in it: .*report.json"):
        require_writable(tmp_path, "--json")
    with pytest.raises(BadInput, match=r"--html: the folder .* does not exist; make it first"):
        require_writable(tmp_path / "nosuch" / "a.html", "--html")
    with pytest.raises(BadInput, match=r"--out: .* is a file; give a folder"):
        require_folder(tmp_path / "file")
    with pytest.raises(BadInput, match=r"--out: .*file' is a file"):
        require_folder(tmp_path / "file" / "deep")

    def refuse(**_: object) -> None:  # permissions do not stop root, who may run the tests
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("tempfile.TemporaryFile", refuse)
    with pytest.raises(BadInput, match=r"--json: .* cannot be written: permission denied"):
        require_writable(tmp_path / "a.json", "--json")
    with pytest.raises(BadInput, match=r"--out: .* cannot be written: permission denied"):
        require_folder(tmp_path / "new")
