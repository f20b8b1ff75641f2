"""MODEL to a network: every form that is accepted, and every refusal with what came and what to do."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest
import torch
from torch import nn

from equiconv.cli.errors import BadInput
from equiconv.cli.models import resolve


def needs(package: str, extra: str) -> pytest.MarkDecorator:
    """Skip where a package is not installed; only one of the tests' own extras has it."""
    missing = importlib.util.find_spec(package) is None
    return pytest.mark.skipif(missing, reason=f"{package} is not installed: it is in the extra {extra}")


NETS = """
import torch
from torch import nn
from neighbour import WIDTH

class Net(nn.Module):
    def __init__(self, width=WIDTH):
        super().__init__()
        self.conv = nn.Conv2d(2, width, 3)
    def forward(self, x):
        return self.conv(x).mean((-2, -1))

class Holder:
    net = Net()

class Needy(nn.Module):
    def __init__(self, width):
        super().__init__()

def build():
    return Net(7)

def build_nothing():
    return 3

def leave():
    raise SystemExit("bye")

network = Net()
number = 3
"""


@pytest.fixture
def nets(tmp_path: Path) -> Path:
    (tmp_path / "nets.py").write_text(NETS)
    (tmp_path / "neighbour.py").write_text("WIDTH = 5\n")
    return tmp_path / "nets.py"


@pytest.mark.parametrize(("attribute", "width"), [("Net", 5), ("network", 5), ("build", 7), ("Holder.net", 5)])
def test_a_file_gives_a_network_a_class_or_a_factory(nets: Path, attribute: str, width: int) -> None:
    loaded = resolve(f"{nets}:{attribute}")
    assert loaded.model.conv.out_channels == width
    assert not any(part.training for part in loaded.model.modules())
    assert "evaluation mode" in loaded.weights
    assert loaded.channels == 2
    assert not loaded.named


def test_a_module_gives_a_network(nets: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The current folder is on the path, as for ``python -m``."""
    (nets.parent / "a_package_of_the_tests").mkdir()
    (nets.parent / "a_package_of_the_tests" / "inner.py").write_text("import torch\nnetwork = torch.nn.Linear(3, 2)\n")
    monkeypatch.chdir(nets.parent)
    monkeypatch.setattr("sys.path", [p for p in __import__("sys").path if p])
    loaded = resolve("a_package_of_the_tests.inner:network")
    assert isinstance(loaded.model, nn.Linear)
    assert loaded.channels is None
    assert isinstance(resolve("torch.nn:Identity").model, nn.Identity)


@pytest.mark.parametrize(
    ("attribute", "message"),
    [
        ("Nett", "no attribute 'Nett'; name a network, a class or a function that returns one. Did you mean Net"),
        ("number", "is of type int; it must be a torch.nn.Module"),
        ("Needy", "without arguments raised TypeError.*write a function that gives them"),
        ("build_nothing", "returned a int; it must return a torch.nn.Module"),
        ("leave", "raised SystemExit: bye"),
    ],
)
def test_a_file_without_a_network_is_refused(nets: Path, attribute: str, message: str) -> None:
    with pytest.raises(BadInput, match=message):
        resolve(f"{nets}:{attribute}")


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("nosuch.inner:net", "no module named 'nosuch'.*Run where it can be imported"),
        ("torch.nosuch:net", "no module named 'torch.nosuch'"),
        ("not a name:net", "neither a module's name .* nor a file"),
        ("nosuch.py:net", "'nosuch.py' does not exist"),
        (":net", "needs both sides of the colon"),
        ("torch.nn:", "needs both sides of the colon"),
        ("timm:", "names no network after timm:, as in timm:resnet18"),
        ("", "none of the forms that are accepted"),
        ("gibberish-without-form", "none of the forms.*\n.*timm:NAME"),
        ("weights.pth", "weights alone are no network.*--checkpoint.*torch.export.save"),
        ("net.onnx", "format that equiconv does not read.*torch.export.save"),
        ("nosuch.pt2", "'nosuch.pt2' cannot be read: no such file"),
    ],
)
def test_what_does_not_resolve_is_refused(name: str, message: str) -> None:
    with pytest.raises(BadInput, match=f"(?s){message}"):
        resolve(name)


def test_code_that_fails_is_said_to_be_the_users(tmp_path: Path) -> None:
    (tmp_path / "broken.py").write_text("import nosuch_inside\n")
    with pytest.raises(
        BadInput, match=r"running '.*broken.py' raised ModuleNotFoundError: No module named 'nosuch_inside'"
    ):
        resolve(f"{tmp_path / 'broken.py'}:net")
    (tmp_path / "wrong.py").write_text("def (\n")
    with pytest.raises(BadInput, match=r"raised SyntaxError"):
        resolve(f"{tmp_path / 'wrong.py'}:net")


def test_an_import_that_fails_inside_a_module_is_not_mistaken_for_a_missing_module(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "fails_inside.py").write_text("import nosuch_inside\n")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(
        BadInput, match=r"importing 'fails_inside' raised ModuleNotFoundError: No module named 'nosuch_inside'"
    ):
        resolve("fails_inside:net")


@needs("transformers", "demo")
def test_a_folder_without_a_configuration_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"has no config.json"):
        resolve(str(tmp_path))
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(BadInput, match=r"config.json does not describe a model of transformers"):
        resolve(str(tmp_path))


@needs("timm", "models")
class TestTimm:
    def test_by_name(self) -> None:
        loaded = resolve("timm:resnet18")
        assert (loaded.channels, loaded.size, loaded.named) == (3, (224, 224), True)
        assert loaded.mean == pytest.approx((0.485, 0.456, 0.406))
        assert not loaded.model.training

    def test_the_seed_decides_the_weights_and_leaves_the_callers_generator(self) -> None:
        torch.manual_seed(5)
        before = torch.get_rng_state()
        a, b, c = (resolve("timm:test_resnet", seed=seed).model.state_dict() for seed in (1, 1, 2))
        assert torch.equal(torch.get_rng_state(), before)
        assert all(torch.equal(a[k], b[k]) for k in a)
        assert not all(torch.equal(a[k], c[k]) for k in a)

    def test_a_size_reaches_a_network_that_is_built_for_one(self) -> None:
        model = resolve("timm:test_vit", size=(64, 96)).model
        assert model(torch.zeros(1, 3, 64, 96)).shape[0] == 1

    def test_an_unknown_name_brings_near_ones(self) -> None:
        with pytest.raises(BadInput, match=r"no network of this name. Did you mean resnet18"):
            resolve("timm:resnet81")
        with pytest.raises(BadInput, match=r"Did you mean .*timm:resnet18"):
            resolve("resnet18")


@needs("torchvision", "models")
class TestTorchvision:
    def test_by_name(self) -> None:
        loaded = resolve("torchvision:resnet18")
        assert (loaded.channels, loaded.size, loaded.named) == (3, (224, 224), True)

    def test_segmentation_downloads_no_backbone(self) -> None:
        model = resolve("torchvision:lraspp_mobilenet_v3_large").model
        assert model(torch.zeros(1, 3, 32, 32))["out"].shape == (1, 21, 32, 32)

    def test_what_takes_no_batch_of_images_is_refused(self) -> None:
        with pytest.raises(BadInput, match="does not map one batch of images to tensors"):
            resolve("torchvision:fasterrcnn_resnet50_fpn")
        with pytest.raises(BadInput, match=r"no network of this name. Did you mean resnet18"):
            resolve("torchvision:resnet81")


@needs("transformers", "demo")
class TestTransformers:
    @pytest.mark.parametrize("name", ["resnet-18", "microsoft/resnet-18"])
    def test_by_a_known_name(self, name: str) -> None:
        loaded = resolve(f"transformers:{name}")
        # He et al. 2015, table 1: 11.69 million parameters
        assert sum(p.numel() for p in loaded.model.parameters()) == 11_689_512
        assert (loaded.channels, loaded.size, loaded.named) == (3, (224, 224), True)

    def test_known_architectures_have_the_published_numbers_of_parameters(self) -> None:
        # He et al. 2015 and Liu et al. 2022 as counted by torchvision for the same architectures
        published = {"resnet-34": 21_797_672, "resnet-50": 25_557_032, "convnext-tiny": 28_589_128}
        for name, count in published.items():
            with torch.device("meta"):
                model = resolve(f"transformers:{name}").model
            assert sum(p.numel() for p in model.parameters()) == count, name

    def test_by_class_and_by_type(self) -> None:
        assert (
            type(resolve("transformers:ResNetForImageClassification").model).__name__ == "ResNetForImageClassification"
        )
        assert (
            type(resolve("transformers:mobilevit", size=(64, 64)).model).__name__ == "MobileViTForImageClassification"
        )

    def test_a_folder_with_a_configuration_and_perhaps_weights(self, tmp_path: Path) -> None:
        import transformers

        config = transformers.ResNetConfig(
            embedding_size=4, hidden_sizes=[4, 8], depths=[1, 1], layer_type="basic", num_channels=1
        )
        model = transformers.ResNetForImageClassification(config)
        model.save_pretrained(tmp_path)
        loaded = resolve(str(tmp_path))
        assert loaded.channels == 1
        assert not loaded.named
        assert all(torch.equal(a, b) for a, b in zip(loaded.model.parameters(), model.parameters(), strict=True))
        (tmp_path / "model.safetensors").unlink()
        assert resolve(f"transformers:{tmp_path}").named
        (tmp_path / "pytorch_model.bin").write_bytes(b"")
        with pytest.raises(BadInput, match="are a pickle; save them as safetensors"):
            resolve(str(tmp_path))

    @pytest.mark.parametrize(
        ("name", "message"),
        [
            ("resnet-19", "is no known name .* Did you mean resnet-18"),
            ("BertModel", "takes 'input_ids', not images"),
            ("AutoModel", "is no known name"),
            ("pipeline", "is no known name"),
        ],
    )
    def test_what_is_no_network_of_images_is_refused(self, name: str, message: str) -> None:
        with pytest.raises(BadInput, match=message):
            resolve(f"transformers:{name}")


def test_a_registry_that_is_not_installed_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "timm", None)
    monkeypatch.setattr("equiconv.cli.registries.importlib.util.find_spec", lambda name: None)
    with pytest.raises(BadInput, match=r"needs timm, which is not installed: pip install 'equiconv\[models\]'"):
        resolve("timm:resnet18")


def test_weights_that_a_file_draws_come_out_the_same(tmp_path: Path) -> None:
    """--seed seeds what the user's code draws, and leaves the caller's generator alone."""
    file = tmp_path / "drawn.py"
    file.write_text(
        "import torch\n\nclass Net(torch.nn.Linear):\n    def __init__(self):\n        super().__init__(2, 2)\n"
    )
    torch.manual_seed(7)
    expected = torch.rand(1)
    torch.manual_seed(7)
    first, again, other = (resolve(f"{file}:Net", seed=s).model.weight for s in (0, 0, 1))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    assert torch.equal(torch.rand(1), expected)
