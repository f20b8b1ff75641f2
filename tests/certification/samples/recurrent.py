"""Calls of recurrent layers and of their cells."""

from __future__ import annotations

import torch
from torch import fx

from equiconv.certification.validation import Draw
from tests.certification.samples.registry import sample

aten = torch.ops.aten
GATES = {"lstm": 4, "gru": 3, "rnn_tanh": 1, "rnn_relu": 1}


def parameters(draw: Draw, kind: str, width: int, hidden: int) -> list[fx.Node]:
    rows = GATES[kind] * hidden
    sizes = [(rows, width), (rows, hidden), (rows,), (rows,)]
    return [draw.constant(draw.periodic(s) if draw.rng.random() < 0.3 else draw.normal(*s)) for s in sizes]


for _kind in GATES:

    @sample(f"aten.{_kind}.input")
    def layer(draw: Draw, kind: str = _kind):
        x = draw.operand(3)
        batch_first = draw.rng.random() < 0.5
        batch = draw.sizes(x)[0 if batch_first else 1]
        both = draw.rng.random() < 0.3
        weights = parameters(draw, kind, draw.sizes(x)[2], 2)
        weights += parameters(draw, kind, draw.sizes(x)[2], 2) if both else []
        start = [draw.constant(draw.periodic([2 if both else 1, batch, 2])) for _ in range(2)]
        return x, start if kind == "lstm" else start[0], weights, True, 1, 0.0, False, both, batch_first

    @sample(f"aten.{_kind}_cell.default")
    def cell(draw: Draw, kind: str = _kind):
        x = draw.operand(2)
        batch, width = draw.sizes(x)
        start = [draw.constant(draw.periodic([batch, 2])) for _ in range(2)]
        if draw.rng.random() < 0.4 and width >= 2:
            start[0] = draw.call(aten.narrow.default, draw.call(aten.tanh.default, x), 1, 0, 2)
        return x, start if kind == "lstm" else start[0], *parameters(draw, kind, width, 2)
