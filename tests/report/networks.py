"""Small networks that an audit meets: each with something that the report must say."""

from __future__ import annotations

import torch
from torch import Tensor, nn


def noise(*shape: int, seed: int = 0) -> Tensor:
    """Normal entries, the same in every run."""
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


class Classifier(nn.Module):
    """Two convolutions, one of stride 2, a global mean and a linear layer: circular it would be invariant under 2Z ×
    2Z."""

    def __init__(self, padding_mode: str = "zeros", channels: int = 1, classes: int = 4) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.first = nn.Conv2d(channels, 4, 3, padding=1, padding_mode=padding_mode)
        self.second = nn.Conv2d(4, 6, 3, stride=2, padding=1, padding_mode=padding_mode)
        self.head = nn.Linear(6, classes)
        self.eval()

    def forward(self, x: Tensor) -> Tensor:
        x = self.first(x).relu()
        x = self.second(x).relu()
        return self.head(x.mean((2, 3)))


class Segmenter(nn.Module):
    """An output that rolls with its input."""

    def __init__(self, padding_mode: str = "circular") -> None:
        super().__init__()
        torch.manual_seed(0)
        self.body = nn.Conv2d(3, 4, 3, padding=1, padding_mode=padding_mode)
        self.eval()

    def forward(self, x: Tensor) -> Tensor:
        return self.body(x).relu()


class Several(nn.Module):
    """Three outputs: logits, a grid and a vector."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.body = nn.Conv2d(3, 4, 3, padding=1, padding_mode="circular")
        self.head = nn.Linear(4, 3)
        self.eval()

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        features = self.body(x).relu()
        return {"logits": self.head(features.mean((2, 3))), "features": features, "top": features.amax((2, 3))}


class WithoutRule(nn.Module):
    """Singular values: an operation that no rule covers."""

    def forward(self, x: Tensor) -> Tensor:
        return torch.linalg.svdvals(x).sum(-1)


class Branches(nn.Module):
    """Control flow that depends on the data: torch.export refuses it."""

    def forward(self, x: Tensor) -> Tensor:
        if x.sum() > 0:
            return x.mean((2, 3))
        return x.amax((2, 3))


class Noisy(nn.Module):
    """Draws random numbers."""

    def forward(self, x: Tensor) -> Tensor:
        return nn.functional.dropout(x, 0.5, training=True).mean((2, 3))


class Sound(nn.Module):
    """One axis instead of two."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.body = nn.Conv1d(1, 4, 5, stride=4, padding=2)
        self.head = nn.Linear(4, 3)
        self.eval()

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.body(x).relu().mean(-1))


class Volume(nn.Module):
    """Three axes."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.body = nn.Conv3d(1, 2, 3, padding=1)
        self.eval()

    def forward(self, x: Tensor) -> Tensor:
        return self.body(x).relu().mean((2, 3, 4))


class OneBatch(nn.Module):
    """Made for a batch of three and for no other."""

    def __init__(self) -> None:
        super().__init__()
        self.inner = Classifier()
        self.eval()

    def forward(self, x: Tensor) -> Tensor:
        return self.inner(x.reshape(3, 1, 8, 8))


class Scaled(nn.Module):
    """Takes keyword arguments, of which one does not move."""

    def __init__(self) -> None:
        super().__init__()
        self.inner = Classifier()
        self.eval()

    def forward(self, image: Tensor, scale: Tensor) -> Tensor:
        return self.inner(image) * scale


EVIL = "<img src=x onerror=alert(1)>&[bold]"


def hostile() -> nn.Module:
    """A network whose class and module have names that are markup."""
    body = nn.Sequential()
    body.add_module(EVIL, nn.Conv2d(1, 2, 3, padding=1))
    body.add_module("pool", nn.AdaptiveAvgPool2d(1))
    body.add_module("flat", nn.Flatten())
    body.__class__ = type("<script>alert(2)</script>", (nn.Sequential,), {})
    return body.eval()
