"""Functions and networks that a counterexample's script imports."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn


class Classifier(nn.Module):
    """A convolution, ReLU, a mean over the image and a linear layer."""

    def __init__(self, padding_mode: str = "zeros", channels: int = 2) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, 4, 3, padding=1, padding_mode=padding_mode)
        self.head = nn.Linear(4, 3)

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        return {"logits": self.head(self.conv(x).relu().mean((-2, -1)))}


def build(padding_mode: str = "zeros") -> nn.Module:
    """A network whose weights are the same in every process."""
    torch.manual_seed(0)
    return Classifier(padding_mode).eval()


ZERO_PADDED = build()


def seam(x: np.ndarray) -> np.ndarray:
    """Products of neighbours, but for those across the seam: neither invariant nor linear."""
    return (x[1:] * x[:-1]).sum(axis=0)


def energy(x: Tensor, weight: Tensor, power: int) -> Tensor:
    """Depends on the input in nothing but its weighted entries."""
    return (x * weight).pow(power).sum()


def dense_only(x: Tensor) -> Tensor:
    """Sees an input only where most of it differs from zero; the first row then counts."""
    return (x != 0).double().mean().gt(0.5) * x[0].sum()


def reflected(shift: tuple[int, ...], y: Tensor) -> Tensor:
    """The action of a shift on an output that was turned round."""
    return torch.roll(y, [-k for k in shift], (-2, -1))
