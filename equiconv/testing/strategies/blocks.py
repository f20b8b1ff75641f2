"""Modules that drawn networks are put together with."""

from __future__ import annotations

import torch
from torch import Tensor, nn

__all__ = ["Branches", "Residual"]


class Residual(nn.Module):
    """x + body(x), where the body keeps the shape.

    >>> Residual(nn.Identity())(torch.ones(2))
    tensor([2., 2.])
    """

    def __init__(self, body: nn.Module) -> None:
        super().__init__()
        self.body = body

    def forward(self, x: Tensor) -> Tensor:
        result: Tensor = x + self.body(x)
        return result


class Branches(nn.Module):
    """The outputs of several modules on one input, their channels (dim 1) one after another.

    >>> Branches(nn.Identity(), nn.ReLU())(torch.tensor([[-1.0]]))
    tensor([[-1.,  0.]])
    """

    def __init__(self, *branches: nn.Module) -> None:
        super().__init__()
        self.branches = nn.ModuleList(branches)

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([branch(x) for branch in self.branches], dim=1)
