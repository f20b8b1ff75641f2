"""Options to an input that fits the network, and generic weights."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest
import torch
from PIL import Image
from torch import nn

from equiconv.cli import inputs
from equiconv.cli.errors import BadInput
from equiconv.cli.models import LoadedModel
from equiconv.cli.prepare import prepare
from equiconv.cli.weights import make_generic


def loaded(**known: object) -> LoadedModel:
    return LoadedModel(name="net", model=nn.Conv2d(3, 2, 1), weights="", **known)  # type: ignore[arg-type]


@pytest.mark.parametrize("text", ["", "0", "0x3", "3x", "x3", "3x4x5", "-3", "big", "3.5"])
def test_what_is_no_size_is_refused(text: str) -> None:
    with pytest.raises(BadInput, match=r"--size: .* came; give HEIGHTxWIDTH"):
        inputs.parse_size(text)


@pytest.mark.parametrize(
    ("parse", "text", "option"),
    [
        (inputs.parse_shape, "3", "--shape"),
        (inputs.parse_shape, "3x0", "--shape"),
        (inputs.parse_axes, "a,b", "--axes"),
        (inputs.parse_dtype, "int8", "--dtype"),
    ],
)
def test_other_options_that_cannot_be_read(parse: object, text: str, option: str) -> None:
    with pytest.raises(BadInput, match=f"{option}: '{text}' came"):
        parse(text)  # type: ignore[operator]


def test_noise_has_the_networks_size_and_the_seed_decides_it() -> None:
    net = loaded(channels=3, size=(5, 7))
    a, b, c = (inputs.build_inputs(net, seed=seed).x for seed in (0, 0, 1))
    assert a.shape == (1, 3, 5, 7)
    assert torch.equal(a, b)
    assert not torch.equal(a, c)
    assert inputs.build_inputs(net, size=(4, 4)).x.shape == (1, 3, 4, 4)
    assert inputs.build_inputs(net, shape=(2, 3, 9)).x.shape == (2, 3, 9)
    assert inputs.build_inputs(loaded()).x.shape == (1, 3, 224, 224)


def test_the_input_has_the_networks_dtype() -> None:
    net = loaded(size=(4, 4))
    net.model.to(torch.float64)
    assert inputs.build_inputs(net).x.dtype == torch.float64


def test_pictures_are_shown_and_kept(tmp_path: Path) -> None:
    Image.new("RGB", (6, 4), (255, 0, 0)).save(tmp_path / "red.png")
    built = inputs.build_inputs(loaded(size=(2, 2), mean=(0.5,) * 3, std=(0.5,) * 3), folder=tmp_path)
    assert built.pixels is not None
    assert built.pixels[0, :, 0, 0].tolist() == [1, 0, 0]
    assert built.x[0, :, 0, 0].tolist() == [1, -1, -1]
    assert built.names == ("red.png",)


def test_noise_in_place_of_photographs_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "takes 5 channels" in inputs.build_inputs(loaded(channels=5, size=(4, 4)), photographs=True).note
    find = importlib.util.find_spec
    monkeypatch.setattr(
        "importlib.util.find_spec", lambda name, *rest: None if name == "sklearn" else find(name, *rest)
    )
    built = inputs.build_inputs(loaded(size=(4, 4)), photographs=True)
    assert built.pixels is None
    assert "scikit-learn, which ships photographs, is not installed" in built.note


def test_contradictions_are_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="leave out --size and --images"):
        inputs.build_inputs(loaded(), shape=(1, 3, 4, 4), size=(4, 4))
    fixed = loaded(shape=(2, 3, 4, 4), size=(4, 4), channels=3)
    with pytest.raises(BadInput, match="--size: 5x5 came, and net was exported for inputs of 2x3x4x4"):
        inputs.build_inputs(fixed, size=(5, 5))
    with pytest.raises(BadInput, match="--shape: 1x3x4x4 came"):
        inputs.build_inputs(fixed, shape=(1, 3, 4, 4))
    Image.new("RGB", (4, 4)).save(tmp_path / "one.png")
    with pytest.raises(BadInput, match="1 pictures came, and net was exported for batches of 2"):
        inputs.build_inputs(fixed, folder=tmp_path)
    assert inputs.build_inputs(fixed).x.shape == (2, 3, 4, 4)


def test_generic_weights_leave_no_branch_at_zero_and_move_nothing_else() -> None:
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.LayerNorm(5))
    nn.init.zeros_(model[1].weight)
    model.register_buffer("mask", torch.zeros(3))
    kernel, steps = model[0].weight.detach().clone(), model[1].num_batches_tracked.clone()
    count = make_generic(model)
    assert count == 6  # BatchNorm's weight, bias, mean and variance; LayerNorm's weight and bias
    assert (model[1].weight != 0).all()
    assert (model[1].running_var > 0).all()
    assert torch.equal(model[0].weight, kernel)
    assert torch.equal(model[1].num_batches_tracked, steps)
    assert torch.equal(model.mask, torch.zeros(3))
    twin = nn.BatchNorm2d(4)
    make_generic(twin, seed=1)
    assert not torch.equal(twin.bias, model[1].bias)


@pytest.mark.skipif(importlib.util.find_spec("timm") is None, reason="timm is not installed: it is in the extra models")
def test_prepare_says_what_it_did(tmp_path: Path) -> None:
    prepared = prepare("timm:test_resnet", size="64", dtype="float64")
    assert prepared.inputs.x.dtype == torch.float64
    assert "redrawn" in prepared.describe()
    torch.save(prepared.model.state_dict(), tmp_path / "w.pt")
    again = prepare("timm:test_resnet", size="64x64", checkpoint=tmp_path / "w.pt")
    assert "those in w.pt" in again.describe()
    assert "redrawn" not in again.describe()


def test_code_keeps_the_weights_it_made(tmp_path: Path) -> None:
    (tmp_path / "net.py").write_text("import torch\nnet = torch.nn.BatchNorm2d(3)\n")
    prepared = prepare(f"{tmp_path / 'net.py'}:net", size="4")
    assert torch.equal(prepared.model.weight, torch.ones(3))
