"""Brute force on networks drawn from the samples: which shifts truly hold, beside those that are certified."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import torch
from torch import Tensor

from equiconv.certification.action import act
from equiconv.certification.certify import claims_of
from equiconv.certification.checker import SLACK, CheckReport, square_error, squares
from equiconv.certification.derivation import Derivation, derive
from equiconv.certification.refutation import shifted, unexplained
from equiconv.certification.states import Signal, permutes
from equiconv.certification.validation import Draw
from equiconv.graph import Graph, wrapped
from equiconv.graph.capture import largest_difference

MOVED = {"x": (2, 3)}


def attack(draw: Draw, graph: Graph, circular: bool) -> tuple[Derivation, CheckReport]:
    """Derive, and compare every claim with commuting squares."""
    derivation = derive(graph, draw.shape, MOVED, circular=circular)
    override = {n: wrapped(graph[n], w.dims) for n, w in derivation.wrapped.items()}
    return derivation, squares(graph, [draw.input], MOVED, draw.shape, claims_of(graph, derivation), override)


def contradicted(draw: Draw, graph: Graph, derivation: Derivation) -> list[tuple[str, tuple[int, ...], float]]:
    """Every element of K, not only its generators, on every output: those that fail."""
    base = graph.run([draw.input], dtype=torch.float64)
    floors = graph.rounding([draw.input], torch.float64)
    wrong = []
    states = [derivation.states[name] for _, name in graph.outputs]
    common = [max((s.strides[a] for s in states if isinstance(s, Signal)), default=1) for a in range(len(draw.shape))]
    elements = itertools.product(*(range(0, n, s) for n, s in zip(draw.shape, common, strict=True)))
    for g in elements:
        got = graph.run(shifted([draw.input], graph, MOVED, g), dtype=torch.float64)
        for (_, name), a, b, state in zip(graph.outputs, got, base, states, strict=True):
            if isinstance(state, Signal) and all(k % s == 0 for k, s in zip(g, state.strides, strict=True)):
                if all(permutes(dim) for dim in state.dims):
                    error = largest_difference(a, _acted(b, state, g))
                elif sum(map(bool, g)) == 1:
                    axis = next(i for i, k in enumerate(g) if k)
                    error = square_error(a, b, state, axis, g[axis]) or 0.0
                else:
                    continue
                if error > SLACK * floors.get(name, 0.0):
                    wrong.append((name, g, error))
    return wrong


def _acted(value: Tensor, state: Signal, g: Sequence[int]) -> Tensor:
    for axis, k in enumerate(g):
        if k:
            value, _ = act(state.dims, value, axis, k)
    return value


def looser(draw: Draw, graph: Graph, derivation: Derivation) -> list[tuple[int, int, int]]:
    """(axis, certified, true) for each axis along which a smaller stride holds of the last output, by rolls of its dims."""
    label, name = graph.outputs[-1]
    state = derivation.states[name]
    if not isinstance(state, Signal) or not all(permutes(dim) for dim in state.dims):
        return []
    single = Graph(graph.nodes, graph.inputs, graph.input_labels, ((label, name),), graph.state, (), None)
    base = single.run([draw.input], dtype=torch.float64)[0]
    floor = single.rounding([draw.input], torch.float64).get(name, 0.0)
    found = []
    for axis, n in enumerate(draw.shape):
        for s in (s for s in range(1, state.strides[axis]) if state.strides[axis] % s == 0):
            g = [s if a == axis else 0 for a in range(len(draw.shape))]
            got = single.run(shifted([draw.input], single, MOVED, g), dtype=torch.float64)[0]
            if unexplained(got, base, state) <= SLACK * floor and n > 1:
                found.append((axis, state.strides[axis], s))
                break
    return found
