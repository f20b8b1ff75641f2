"""A registry of tiny models that behave as badly as models do, for the atlas's workers."""

from __future__ import annotations

import os
import time

import torch
from torch import Tensor, nn

from benchmarks.atlas.timm_models import Entry
from equiconv.cli.weights import parameters_on_meta


class Net(nn.Module):
    """A convolution and a pool over all positions, with something in between."""

    def __init__(self, padding_mode: str = "zeros", stride: int = 2) -> None:
        super().__init__()
        self.conv = nn.Conv2d(1, 2, 3, stride=stride, padding=1, padding_mode=padding_mode)

    def forward(self, x: Tensor) -> Tensor:
        return self.conv(x).relu().mean((-2, -1))


class Branches(Net):
    def forward(self, x: Tensor) -> Tensor:
        return x if x.sum() > 0 else -x


class Draws(Net):
    """No rule can say what a random draw does."""

    def forward(self, x: Tensor) -> Tensor:
        return self.conv(x) * torch.rand_like(x[..., ::2, ::2])


class Talks(Net):
    def forward(self, x: Tensor) -> Tensor:
        print("{}")
        return super().forward(x)


class Positions(Net):
    def __init__(self) -> None:
        super().__init__("circular")
        self.position = nn.Parameter(torch.zeros(6, 4))

    def forward(self, x: Tensor) -> Tensor:
        return (self.conv(x) + self.position).relu().mean((-2, -1))


def _hangs() -> Net:
    time.sleep(600)
    return Net()


def _dies() -> Net:
    os._exit(3)


def _eats() -> Net:
    torch.ones(3 * 2**30)  # 12 GB
    return Net()


MODELS = {
    "wraps": lambda: Net("circular"),
    "zeros": lambda: Net("zeros"),
    "wide": lambda: Net("zeros", stride=1),
    "positions": Positions,
    "talks": Talks,
    "branches": Branches,
    "draws": Draws,
    "hangs": _hangs,
    "dies": _dies,
    "eats": _eats,
}


def catalogue() -> list[Entry]:
    return [Entry(name, "plain" if name in ("zeros", "wide") else name, 1000 + len(name)) for name in MODELS]


def build(name: str, values: bool) -> tuple[nn.Module, Tensor]:
    x = torch.randn(1, 1, 12, 8, generator=torch.Generator().manual_seed(0))
    if values:
        return MODELS[name]().eval(), x
    with parameters_on_meta():
        return MODELS[name]().eval(), x.to("meta")


def version() -> str:
    return "fakes 1"
