"""From the MODEL that a user types to a network in evaluation mode, with what is known of its input.

Every way in fails with a message that names what came, what is accepted and what to do.
"""

from __future__ import annotations

import importlib
import importlib.util
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from operator import attrgetter
from pathlib import Path
from types import ModuleType
from typing import Any

import torch
from torch import nn

from equiconv.cli.errors import BadInput, close_to, first_line
from equiconv.cli.weights import parameters_on_meta

FORMS = """\
  timm:NAME                  a network of timm, by its name there: timm:resnet18
  torchvision:NAME           one of torchvision's: torchvision:resnet18
  transformers:NAME          one of transformers': a known name (resnet-18), a model type (vit), a class
                             (ResNetForImageClassification), or a folder with a config.json
  package.module:attribute   a network, a class of networks or a function that returns one; importing it runs its code
  file.py:attribute          the same, from a file; loading it runs its code
  FILE.pt2                   a program saved by torch.export.save"""

_WEIGHT_FILES = {".pt", ".pth", ".bin", ".ckpt", ".pkl", ".pickle", ".tar", ".safetensors"}
_OTHER_FILES = {".onnx", ".h5", ".keras", ".pb", ".tflite", ".mlmodel", ".gguf", ".npz", ".jit"}

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)


@dataclass(frozen=True)
class LoadedModel:
    """A network and what its source says about the input.

    Attributes:
        name: what the user typed.
        model: in evaluation mode.
        weights: where the weights come from, in words.
        channels: channels of the input, None where the source does not say.
        size: the height and width it was designed for, None where the source does not say.
        shape: the one shape that a saved program accepts, else None.
        mean, std: normalisation of pixels in [0, 1], one value a channel; empty where the source does not say.
        named: True where the weights are the library's initial ones, so that only the architecture was chosen.
    """

    name: str
    model: nn.Module
    weights: str
    channels: int | None = None
    size: tuple[int, int] | None = None
    shape: tuple[int, ...] | None = None
    mean: tuple[float, ...] = ()
    std: tuple[float, ...] = ()
    named: bool = False


def resolve(name: str, *, size: tuple[int, int] | None = None, seed: int = 0, values: bool = True) -> LoadedModel:
    """The network that MODEL names.

    ``size`` is passed to architectures whose weights depend on it (a ViT's position embedding). Weights of a network
    chosen by name alone are its library's initial ones, drawn with ``seed``; without ``values`` such a network has none
    (its parameters lie on the meta device), and any other comes as it is.

    Raises:
        BadInput: where nothing can be made of it.
    """
    from equiconv.cli import registries, saved

    prefix, colon, rest = name.partition(":")
    if colon and prefix in registries.SOURCES:
        if not rest:
            raise BadInput(
                f"MODEL {name!r} names no network after {prefix}:, as in {registries.SOURCES[prefix].example}"
            )
        if values:
            return registries.SOURCES[prefix].build(rest, size, seed)
        with parameters_on_meta():
            bare = registries.SOURCES[prefix].build(rest, size, seed)
        return replace(bare, weights="none (the parameters are on the meta device)", named=False)
    path = Path(name)
    if path.suffix == ".pt2":
        return saved.exported_program(path)
    if path.suffix in _WEIGHT_FILES:
        raise BadInput(
            f"MODEL {name!r} is a file of weights, and weights alone are no network (a pickled module would run its "
            "code when loaded, so none is). Name the network and give the weights: equiconv audit timm:resnet18 "
            f"--checkpoint {name}; or save a program: torch.export.save(torch.export.export(model, (x,)), 'model.pt2')"
        )
    if path.suffix in _OTHER_FILES:
        raise BadInput(
            f"MODEL {name!r} is in a format that equiconv does not read. Save it from PyTorch as a program: "
            "torch.export.save(torch.export.export(model, (x,)), 'model.pt2')"
        )
    if colon:
        return _from_code(name, name.rpartition(":")[0], seed)
    if name and path.is_dir():
        return registries.SOURCES["transformers"].build(name, size, seed)
    raise BadInput(
        f"MODEL {name!r} is none of the forms that are accepted.{registries.suggest(name)}\nAccepted:\n{FORMS}"
    )


def attribute_of(name: str, seed: int = 0) -> Any:
    """What ``package.module:attribute`` or ``file.py:attribute`` names, as it is. Loading it runs its code.

    Raises:
        BadInput: where there is no such thing.
    """
    source, _, attribute = name.rpartition(":")
    if not source or not attribute:
        raise BadInput(
            f"MODEL {name!r} needs both sides of the colon, as in package.module:attribute or file.py:attribute"
        )
    is_file = source.endswith(".py") or Path(source).is_file()
    with torch.random.fork_rng(devices=[]):  # what the code draws comes out the same each time
        torch.manual_seed(seed)
        module = _load_file(Path(source)) if is_file else _import_module(source)
        return _attribute(module, source, attribute)


def _from_code(name: str, source: str, seed: int) -> LoadedModel:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = construct(attribute_of(name, seed), name)
    mode = " (put in evaluation mode)" if any(part.training for part in model.modules()) else ""
    return LoadedModel(
        name=name,
        model=model.eval(),
        weights=f"as {source} made them (torch seed {seed}){mode}",
        channels=_input_channels(model),
    )


def _load_file(path: Path) -> ModuleType:
    if not path.is_file():
        what = "is a folder" if path.is_dir() else "does not exist"
        raise BadInput(f"MODEL: the file {str(path)!r} {what}; give a Python file, as in file.py:attribute")
    name = f"equiconv_loaded_{path.stem}"
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise BadInput(f"MODEL: {str(path)!r} is no Python file (its name must end with .py)")
    module = importlib.util.module_from_spec(spec)
    loader = spec.loader
    sys.modules[name] = module  # classes look their module up by name
    folder = str(path.resolve().parent)  # so that the file can import its neighbours, as when it is run

    def load() -> None:
        sys.path.insert(0, folder)
        try:
            loader.exec_module(module)
        finally:
            sys.path.remove(folder)

    _run_foreign(load, f"MODEL: running {str(path)!r}")
    return module


def _import_module(source: str) -> ModuleType:
    if not all(part.isidentifier() for part in source.split(".")):
        raise BadInput(
            f"MODEL: {source!r} before the colon is neither a module's name (package.module) nor a file that exists.\n"
            f"Accepted:\n{FORMS}"
        )
    here = str(Path.cwd())
    if here not in sys.path:  # as `python -m` does; a console script alone does not see the current folder
        sys.path.insert(0, here)
    loaded: list[ModuleType] = []

    def load() -> None:
        try:
            loaded.append(importlib.import_module(source))
        except ModuleNotFoundError as error:
            missing = error.name or ""
            if source == missing or source.startswith(missing + "."):
                raise BadInput(
                    f"MODEL: there is no module named {missing!r} to import {source!r} from. Run where it can be "
                    "imported (its folder, or its environment), or name its file: "
                    f"path/to/{source.split('.')[-1]}.py:attribute"
                ) from error
            raise

    _run_foreign(load, f"MODEL: importing {source!r}")
    return loaded[0]


def _attribute(module: ModuleType, source: str, attribute: str) -> Any:
    try:
        return attrgetter(attribute)(module)
    except AttributeError as error:
        known = [n for n in dir(module) if not n.startswith("_")]
        raise BadInput(
            f"MODEL: {source!r} has no attribute {attribute!r}; name a network, a class or a function that returns one"
            f".{close_to(attribute, known)}"
        ) from error


def construct(value: Any, name: str) -> nn.Module:
    """A network as it is; of a class or a function, what it returns without arguments."""
    if isinstance(value, nn.Module):
        return value
    if not callable(value):
        raise BadInput(
            f"MODEL {name!r} is of type {type(value).__name__}; it must be a torch.nn.Module, a class of modules, or a "
            "function without arguments that returns one"
        )
    made: list[Any] = []
    _run_foreign(
        lambda: made.append(value()),
        f"MODEL: calling {name!r} without arguments",
        "If it needs arguments, write a function that gives them and name that: def build(): return Net(width=64)",
    )
    if not isinstance(made[0], nn.Module):
        raise BadInput(f"MODEL: {name!r} returned a {type(made[0]).__name__}; it must return a torch.nn.Module")
    return made[0]


def _run_foreign(run: Callable[[], None], what: str, advice: str = "") -> None:
    """Run the user's own code; whatever it raises becomes a message that says whose code raised it."""
    try:
        run()
    except BadInput:
        raise
    except (Exception, SystemExit) as error:
        raise BadInput(f"{what} raised {first_line(error)}.{' ' + advice if advice else ''}") from error


def _input_channels(model: nn.Module) -> int | None:
    """The channels of the first convolution that is registered, which is nearly always the first that runs."""
    convolutions = (m for m in model.modules() if isinstance(m, nn.Conv1d | nn.Conv2d | nn.Conv3d))
    first = next(convolutions, None)
    return None if first is None else first.in_channels
