"""Saved programs and checkpoints: read when they hold tensors, refused, and never run, when they hold more."""

from __future__ import annotations

import io
import os
import pickle
import zipfile
from pathlib import Path

import pytest
import torch
from torch import nn

from equiconv.cli.errors import BadInput
from equiconv.cli.models import resolve
from equiconv.cli.saved import load_checkpoint


class Bomb:
    """Unpickling it makes a file: the sign that code was run."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, ...]:
        return Path.touch, (self.path,)


def small() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.BatchNorm2d(4), nn.Dropout(0.5)).eval()


@pytest.fixture
def program(tmp_path: Path) -> Path:
    path = tmp_path / "net.pt2"
    torch.export.save(torch.export.export(small(), (torch.zeros(2, 3, 8, 6),)), path)
    return path


def rewrite(path: Path, change: dict[str, bytes]) -> Path:
    """The archive with some entries replaced or added, named by their ends."""
    out = path.with_name("changed.pt2")
    left = dict(change)
    with zipfile.ZipFile(path) as old, zipfile.ZipFile(out, "w") as new:
        root = old.namelist()[0].split("/")[0]
        for name in old.namelist():
            key = next((k for k in left if name.endswith(k)), None)
            new.writestr(name, left.pop(key) if key else old.read(name))
        for name, content in left.items():
            new.writestr(f"{root}/{name}", content)
    return out


def test_a_saved_program_is_a_network_of_one_shape(program: Path) -> None:
    loaded = resolve(str(program))
    assert (loaded.shape, loaded.size, loaded.channels) == ((2, 3, 8, 6), (8, 6), 3)
    assert not any(part.training for part in loaded.model.modules())
    x = torch.randn(2, 3, 8, 6)
    assert torch.equal(loaded.model(x), small()(x))


def test_rewriting_alone_changes_nothing(program: Path) -> None:
    """The control for the tests below: the archive survives being written anew."""
    assert resolve(str(rewrite(program, {}))).shape == (2, 3, 8, 6)


@pytest.mark.parametrize(
    "where", ["data/constants/opaque_obj_0", "data/constants/custom_obj_0", "data/weights/x.pt", "data/constants/x.pt"]
)
def test_an_archive_with_pickled_objects_is_refused(program: Path, tmp_path: Path, where: str) -> None:
    sign = tmp_path / "ran"
    with pytest.raises(BadInput, match="only an unsafe unpickling"):
        resolve(str(rewrite(program, {where: pickle.dumps(Bomb(sign))})))
    assert not sign.exists()


def test_pickled_weights_are_refused(program: Path) -> None:
    with zipfile.ZipFile(program) as archive:
        name = next(n for n in archive.namelist() if n.endswith("weights_config.json"))
        config = archive.read(name).replace(b'"use_pickle": false', b'"use_pickle": true')
    with pytest.raises(BadInput, match="only an unsafe unpickling"):
        resolve(str(rewrite(program, {"weights_config.json": config})))


def test_example_inputs_that_need_an_unsafe_reader_are_refused(program: Path, tmp_path: Path) -> None:
    """torch falls back to an unsafe reader here by itself: this is the archive that would run code."""
    sign = tmp_path / "ran"
    buffer = io.BytesIO()
    torch.save(Bomb(sign), buffer)
    with pytest.raises(BadInput, match="only an unsafe unpickling"):
        resolve(str(rewrite(program, {"sample_inputs/model.pt": buffer.getvalue()})))
    assert not sign.exists()


def test_the_environment_is_left_as_it_was(program: Path) -> None:
    before = dict(os.environ)
    resolve(str(program))
    assert dict(os.environ) == before


def test_files_that_are_no_programs_are_refused(tmp_path: Path) -> None:
    (tmp_path / "text.pt2").write_text("hello")
    with pytest.raises(BadInput, match="not a zip archive"):
        resolve(str(tmp_path / "text.pt2"))
    torch.save(small().state_dict(), tmp_path / "state.pt2")
    with pytest.raises(BadInput, match="no exported program of this format"):
        resolve(str(tmp_path / "state.pt2"))
    (tmp_path / "folder.pt2").mkdir()
    with pytest.raises(BadInput, match="is a folder"):
        resolve(str(tmp_path / "folder.pt2"))


def test_a_damaged_program_is_refused(program: Path) -> None:
    with pytest.raises(BadInput, match="could not be loaded by torch"):
        resolve(str(rewrite(program, {"models/model.json": b"{}"})))


def test_a_program_of_two_inputs_is_refused(tmp_path: Path) -> None:
    class Sum(nn.Module):
        def forward(self, a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
            return a + b

    torch.export.save(torch.export.export(Sum(), (torch.zeros(2), torch.zeros(2))), tmp_path / "two.pt2")
    with pytest.raises(BadInput, match="takes 2 inputs"):
        resolve(str(tmp_path / "two.pt2"))


def other() -> dict[str, torch.Tensor]:
    return {k: v + 1 for k, v in small().state_dict().items()}


@pytest.mark.parametrize(
    ("wrap", "said"),
    [
        (lambda w: w, ""),
        (lambda w: {"state_dict": w, "epoch": 3}, "under the key 'state_dict'"),
        (lambda w: {f"module.{k}": v for k, v in w.items()}, "without the prefix 'module.'"),
    ],
)
def test_a_checkpoint_is_loaded(tmp_path: Path, wrap: object, said: str) -> None:
    torch.save(wrap(other()), tmp_path / "w.pt")  # type: ignore[operator]
    model = small()
    note = load_checkpoint(model, tmp_path / "w.pt")
    assert said in note
    assert all(torch.equal(v, other()[k]) for k, v in model.state_dict().items())


def test_a_safetensors_checkpoint_is_loaded(tmp_path: Path) -> None:
    torch_format = pytest.importorskip("safetensors.torch", reason="safetensors is in the extra models")
    torch_format.save_file(other(), tmp_path / "w.safetensors")
    model = small()
    load_checkpoint(model, tmp_path / "w.safetensors")
    assert all(torch.equal(v, other()[k]) for k, v in model.state_dict().items())
    (tmp_path / "bad.safetensors").write_bytes(b"nothing")
    with pytest.raises(BadInput, match="is no safetensors file"):
        load_checkpoint(model, tmp_path / "bad.safetensors")


def test_a_pickle_of_more_than_tensors_is_refused_and_not_run(tmp_path: Path) -> None:
    sign = tmp_path / "ran"
    torch.save({"weights": Bomb(sign)}, tmp_path / "w.pt")
    with pytest.raises(BadInput, match="holds more than tensors"):
        load_checkpoint(small(), tmp_path / "w.pt")
    assert not sign.exists()
    torch.load(tmp_path / "w.pt", weights_only=False)  # the control: the bomb does go off where it is let
    assert sign.exists()


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        ([1, 2], "is no dict of names and tensors"),
        ({}, "is no dict of names and tensors"),
        ({"0.weight": torch.zeros(1)}, "lacks: .*shapes that differ: 0.weight"),
        ({"nosuch": torch.zeros(1)}, "the network lacks: nosuch"),
    ],
)
def test_a_checkpoint_that_does_not_fit_is_refused_and_changes_nothing(
    tmp_path: Path, weights: object, message: str
) -> None:
    torch.save(weights, tmp_path / "w.pt")
    model = small()
    with pytest.raises(BadInput, match=message):
        load_checkpoint(model, tmp_path / "w.pt")
    assert all(torch.equal(v, small().state_dict()[k]) for k, v in model.state_dict().items())


def test_a_checkpoint_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"--checkpoint: the file .* cannot be read: no such file"):
        load_checkpoint(small(), tmp_path / "nosuch.pt")
