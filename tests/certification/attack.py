"""Attack the certifier on one network: derive both runs and compare every claim with commuting squares."""

from __future__ import annotations

import torch
from torch import nn

from equiconv.certification.certify import carriers, claims_of
from equiconv.certification.checker import CheckReport, squares
from equiconv.certification.derivation import Derivation, derive
from equiconv.certification.opening import captured
from equiconv.graph import Graph, wrapped


def attack(net: nn.Module, x: torch.Tensor) -> tuple[Graph, dict[bool, tuple[Derivation, CheckReport]]]:
    """For the network as it stands (False) and with circular padding (True): the derivation, and what checking its claims found."""
    graph = captured(net, (x,))
    shape, moved, _ = carriers(graph, [x], (-2, -1))
    found = {}
    for circular in (False, True):
        derivation = derive(graph, shape, moved, circular=circular)
        override = {n: wrapped(graph[n], w.dims) for n, w in derivation.wrapped.items()}
        found[circular] = derivation, squares(graph, [x], moved, shape, claims_of(graph, derivation), override)
    return graph, found
