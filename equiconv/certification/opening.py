"""The graph that is certified: what no rule covers is replaced by what torch says that it is made of."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch

from equiconv.certification.registry import find
from equiconv.graph import Graph, capture


def captured(model: torch.nn.Module, args: tuple[Any, ...], kwargs: Mapping[str, Any] | None = None) -> Graph:
    """Capture ``model`` as it is certified; whoever compares a graph with a certificate must capture it so. See :func:`equiconv.graph.capture`.

    >>> class Net(torch.nn.Module):
    ...     def forward(self, x):
    ...         return torch.tensordot(x, x, 1)
    >>> "aten.mm.default" in [node.operation for node in captured(Net().eval(), (torch.ones(2, 2),)).nodes]
    True
    """
    return capture(model, args, kwargs, opens=lambda target: find(target) is None)
