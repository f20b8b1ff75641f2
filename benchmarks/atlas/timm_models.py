"""timm as a source of models: what there is, and one of them with its weights or without."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from equiconv.cli.weights import make_generic, parameters_on_meta


@dataclass(frozen=True)
class Entry:
    """An architecture: its name, its family (timm's module) and its number of parameters."""

    model: str
    family: str
    parameters: int


def catalogue() -> list[Entry]:
    """Every architecture of the installed timm, built without weights to count its parameters."""
    import timm

    found = []
    for name in timm.list_models():
        family = timm.models.model_entrypoint(name).__module__.rsplit(".", 1)[-1]
        found.append(Entry(name, family, sum(p.numel() for p in _create(name, values=False).parameters())))
    return found


def build(name: str, values: bool) -> tuple[nn.Module, Tensor]:
    """The network in evaluation mode and an input of the size that it was designed for.

    values: with timm's random weights, those that start at one value redrawn; else every parameter, and the input, without values (meta).
    """
    torch.manual_seed(0)
    model = _create(name, values).eval()
    shape = (1, *model.pretrained_cfg.get("input_size", (3, 224, 224)))
    if not values:
        return model, torch.empty(shape, device="meta")
    make_generic(model)
    return model, torch.randn(shape, generator=torch.Generator().manual_seed(1))


def version() -> str:
    """What the rows were made from."""
    import timm

    return f"timm {timm.__version__}"


def _create(name: str, values: bool) -> Any:
    import timm

    if values:
        return timm.create_model(name)
    try:
        with parameters_on_meta():
            return timm.create_model(name)
    except RuntimeError:  # a constructor that combines a parameter with a tensor of its own: everything on meta then
        with torch.device("meta"):
            return timm.create_model(name)
