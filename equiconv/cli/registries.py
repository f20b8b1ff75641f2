"""Networks by name from timm, torchvision and transformers: built, never downloaded."""

from __future__ import annotations

import importlib
import importlib.util
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from equiconv.cli.errors import BadInput, close_to, first_line
from equiconv.cli.models import IMAGENET_MEAN, IMAGENET_STD, LoadedModel

Size = tuple[int, int] | None

_RESNET = {"embedding_size": 64, "hidden_sizes": [256, 512, 1024, 2048], "layer_type": "bottleneck"}
_BASIC = {"embedding_size": 64, "hidden_sizes": [64, 128, 256, 512], "layer_type": "basic"}

KNOWN_CONFIGS: dict[str, tuple[str, dict[str, Any]]] = {
    "resnet-18": ("ResNet", _BASIC | {"depths": [2, 2, 2, 2]}),
    "resnet-26": ("ResNet", _RESNET | {"depths": [2, 2, 2, 2]}),
    "resnet-34": ("ResNet", _BASIC | {"depths": [3, 4, 6, 3]}),
    "resnet-50": ("ResNet", _RESNET | {"depths": [3, 4, 6, 3]}),
    "resnet-101": ("ResNet", _RESNET | {"depths": [3, 4, 23, 3]}),
    "resnet-152": ("ResNet", _RESNET | {"depths": [3, 8, 36, 3]}),
    "convnext-tiny": ("ConvNext", {"depths": [3, 3, 9, 3], "hidden_sizes": [96, 192, 384, 768]}),
    "convnext-small": ("ConvNext", {"depths": [3, 3, 27, 3], "hidden_sizes": [96, 192, 384, 768]}),
    "convnext-base": ("ConvNext", {"depths": [3, 3, 27, 3], "hidden_sizes": [128, 256, 512, 1024]}),
    "convnext-large": ("ConvNext", {"depths": [3, 3, 27, 3], "hidden_sizes": [192, 384, 768, 1536]}),
    "vit-base-patch16": ("ViT", {}),
}
"""Published architectures of transformers: the class's stem, and what differs from the default of its configuration."""


@dataclass(frozen=True)
class Source:
    """A library of networks: how one is built, what there is, and the package that has it."""

    package: str
    example: str
    build: Callable[[str, Size, int], LoadedModel]
    names: Callable[[], Iterable[str]]


def suggest(name: str) -> str:
    """The nearest networks in whichever registries are installed, written as they are to be typed."""
    known = {
        f"{prefix}:{each}": each
        for prefix, source in SOURCES.items()
        if importlib.util.find_spec(source.package)
        for each in source.names()
    }
    exact = [full for full, each in known.items() if each == name]
    return f" Did you mean {' or '.join(exact)}?" if exact else close_to(name, known)


def _require(package: str, name: str) -> Any:
    try:
        return importlib.import_module(package)
    except ImportError as error:
        if importlib.util.find_spec(package) is None:
            raise BadInput(
                f"MODEL {name!r} needs {package}, which is not installed: pip install 'equiconv[models]'"
            ) from error
        raise BadInput(f"MODEL {name!r}: {package} is installed but does not import ({first_line(error)})") from error


def _seeded(build: Callable[[], nn.Module], seed: int, name: str) -> nn.Module:
    """Build with the seed, the caller's generator left as it was; what the builder refuses is quoted."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        try:
            return build().eval()
        except (TypeError, ValueError, RuntimeError, AssertionError, KeyError, ImportError, OSError) as error:
            raise BadInput(f"MODEL {name!r} could not be built: {first_line(error)}") from error


def _initial(seed: int) -> str:
    return f"random, as its library draws them (seed {seed})"


# --- timm -------------------------------------------------------------------------------------------------------------


def _timm_names() -> list[str]:
    return list(importlib.import_module("timm").list_models())


def _build_timm(name: str, size: Size, seed: int) -> LoadedModel:
    timm = _require("timm", f"timm:{name}")
    if not timm.is_model(name):
        raise BadInput(
            f"MODEL 'timm:{name}': timm {timm.__version__} has no network of this "
            f"name.{close_to(name, timm.list_models())} timm.list_models() lists them all"
        )
    config = timm.get_pretrained_cfg(name)
    # Position embeddings and attention windows are sized when the network is built.
    options = {"img_size": size} if size and config is not None and config.fixed_input_size else {}
    model = _seeded(lambda: timm.create_model(name, pretrained=False, **options), seed, f"timm:{name}")
    own: dict[str, Any] = dict(getattr(model, "pretrained_cfg", None) or {})
    channels, height, width = own.get("input_size") or (3, 224, 224)
    return LoadedModel(
        name=f"timm:{name}",
        model=model,
        weights=_initial(seed),
        channels=channels,
        size=(height, width),
        mean=tuple(own.get("mean") or ()),
        std=tuple(own.get("std") or ()),
        named=True,
    )


# --- torchvision ------------------------------------------------------------------------------------------------------


def _torchvision_names() -> list[str]:
    models = importlib.import_module("torchvision.models")
    return [*models.list_models(module=models), *models.list_models(module=models.segmentation)]


def _build_torchvision(name: str, size: Size, seed: int) -> LoadedModel:
    _require("torchvision", f"torchvision:{name}")
    models = importlib.import_module("torchvision.models")
    names = _torchvision_names()
    if name not in names:
        if name in models.list_models():
            raise BadInput(
                f"MODEL 'torchvision:{name}' does not map one batch of images to tensors (it is made for detection, "
                "video, optical flow or quantised inference). The networks for classification and segmentation are "
                "accepted"
            )
        raise BadInput(
            f"MODEL 'torchvision:{name}': torchvision has no network of this name.{close_to(name, names)} "
            "torchvision.models.list_models() lists them all"
        )
    options: dict[str, Any] = {"weights": None}
    if name in models.list_models(module=models.segmentation):
        options["weights_backbone"] = None  # or else the backbone's would be downloaded
    if name.startswith("vit_") and size:
        if size[0] != size[1]:
            raise BadInput(f"--size: torchvision:{name} takes square images only, and {size[0]}x{size[1]} came")
        options["image_size"] = size[0]
    if name in ("googlenet", "inception_v3"):
        options["init_weights"] = True  # said, because leaving it out warns
    model = _seeded(lambda: models.get_model(name, **options), seed, f"torchvision:{name}")
    transforms = models.get_model_weights(name).DEFAULT.transforms()
    side = getattr(transforms, "crop_size", None) or getattr(transforms, "resize_size", None) or [224]
    return LoadedModel(
        name=f"torchvision:{name}",
        model=model,
        weights=_initial(seed),
        channels=3,
        size=(side[0], side[-1]),
        mean=tuple(transforms.mean),
        std=tuple(transforms.std),
        named=True,
    )


# --- transformers -----------------------------------------------------------------------------------------------------


def _image_model_types() -> dict[str, str]:
    """Model type to class of image classifier; where there are several classes, the first."""
    auto = importlib.import_module("transformers.models.auto.modeling_auto")
    mapping = auto.MODEL_FOR_IMAGE_CLASSIFICATION_MAPPING_NAMES
    return {kind: names if isinstance(names, str) else names[0] for kind, names in mapping.items()}


def _transformers_names() -> list[str]:
    kinds = _image_model_types()
    return [*KNOWN_CONFIGS, *kinds, *kinds.values()]


def _build_transformers(name: str, size: Size, seed: int) -> LoadedModel:
    transformers = _require("transformers", f"transformers:{name}")
    if Path(name).is_dir():
        return _build_folder(transformers, Path(name), size, seed)
    last = name.split("/")[-1]  # microsoft/resnet-18, facebook/convnext-tiny-224
    known = next((k for k in (last, re.sub(r"-\d+$", "", last)) if k in KNOWN_CONFIGS), None)
    kind: Any
    if known is not None:
        stem, changes = KNOWN_CONFIGS[known]
        config = getattr(transformers, f"{stem}Config")(num_labels=1000, **changes)
        kind = getattr(transformers, f"{stem}ForImageClassification")
    else:
        kind = getattr(transformers, _image_model_types().get(name, name), None)
        if not _is_model_class(transformers, kind):
            raise BadInput(
                f"MODEL 'transformers:{name}' is no known name ({', '.join(KNOWN_CONFIGS)}), no model type of an image "
                f"classifier, no class of models in transformers {transformers.__version__}, and no "
                f"folder.{close_to(name, _transformers_names())}"
            )
        config = kind.config_class()
    _resize(config, size)
    model = _seeded(lambda: kind(config), seed, f"transformers:{name}")
    return _describe(f"transformers:{name}", model, _initial(seed), named=True)


def _is_model_class(transformers: Any, kind: Any) -> bool:
    """The bases and the automatic classes have no configuration of their own."""
    is_model = isinstance(kind, type) and issubclass(kind, transformers.PreTrainedModel)
    return is_model and getattr(kind, "config_class", None) is not None


def _build_folder(transformers: Any, folder: Path, size: Size, seed: int) -> LoadedModel:
    """A folder written by ``save_pretrained``: its configuration, and its weights where it has any."""
    name = str(folder)
    if not (folder / "config.json").is_file():
        raise BadInput(
            f"MODEL: the folder {name!r} has no config.json; a folder must be one that save_pretrained wrote"
        )
    try:
        config = transformers.AutoConfig.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise BadInput(
            f"MODEL: {name}/config.json does not describe a model of transformers ({first_line(error)})"
        ) from error
    architecture = next(iter(config.architectures or ()), None)
    kind = getattr(transformers, architecture or "", transformers.AutoModelForImageClassification)
    if any(folder.glob("*.safetensors")):

        def build() -> Any:
            return kind.from_pretrained(folder, local_files_only=True, use_safetensors=True)

        model = _seeded(build, seed, name)
        if size is not None and _resize(model.config, size):
            raise BadInput(f"--size: the weights in {name!r} are for the image_size in its config.json; give no other")
        return _describe(name, model, f"those in {name}")
    if any(folder.glob("*.bin")):
        raise BadInput(
            f"MODEL: the weights in {name!r} are a pickle; save them as safetensors (save_pretrained does), or remove "
            "them and give --checkpoint FILE"
        )
    _resize(config, size)
    build_random = getattr(kind, "_from_config", None) or kind.from_config
    return _describe(name, _seeded(lambda: build_random(config), seed, name), _initial(seed), named=True)


def _resize(config: Any, size: Size) -> bool:
    """Give the size to a configuration that has one; whether that changed it."""
    if size is None or getattr(config, "image_size", None) is None:
        return False
    own = config.image_size
    before = tuple(own) if isinstance(own, list | tuple) else (own, own)
    if before != size:
        config.image_size = size[0] if size[0] == size[1] else list(size)
    return before != size


def _describe(name: str, model: nn.Module, weights: str, *, named: bool = False) -> LoadedModel:
    if getattr(model, "main_input_name", "pixel_values") != "pixel_values":
        raise BadInput(
            f"MODEL {name!r} takes {getattr(model, 'main_input_name', '')!r}, not images ('pixel_values'). From "
            "Python, equiconv.certify(model, example) takes any tensors"
        )
    config: Any = model.config
    channels = int(getattr(config, "num_channels", None) or 3)
    own = getattr(config, "image_size", None) or 224
    size = (own[0], own[1]) if isinstance(own, list | tuple) else (own, own)
    imagenet = channels == 3
    return LoadedModel(
        name=name,
        model=model,
        weights=weights,
        channels=channels,
        size=size,
        mean=IMAGENET_MEAN if imagenet else (),
        std=IMAGENET_STD if imagenet else (),
        named=named,
    )


SOURCES = {
    "timm": Source("timm", "timm:resnet18", _build_timm, _timm_names),
    "torchvision": Source("torchvision", "torchvision:resnet18", _build_torchvision, _torchvision_names),
    "transformers": Source("transformers", "transformers:resnet-18", _build_transformers, _transformers_names),
}
