"""The pass over the graph: the state of every tensor without wrap-around, and the interior of an output."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import Any

import torch
from torch import Tensor, fx

import equiconv.certification.interior.rules  # noqa: F401  (fills the table)
from equiconv.certification.derivation import Derivation, draws_nothing
from equiconv.certification.interior.grids import Dim, Grid, Local, still
from equiconv.certification.interior.result import Interior
from equiconv.certification.interior.scan import Scan, ended_by, extent_of, locals_in
from equiconv.certification.interior.table import rule_for
from equiconv.certification.registry import is_random
from equiconv.certification.step import UnknownOperation, signals_in
from equiconv.graph import Graph, Node
from equiconv.graph.wrapping import bind


def localise(
    graph: Graph, derivation: Derivation, shape: tuple[int, ...], moved: Mapping[str, tuple[int, ...]]
) -> dict[str, Any]:
    """The state of every node: a :class:`Local` where it depends on the input, and what the derivation holds of it where it does not.

    shape: sizes of the image's axes. moved: for each image among the inputs, the dims that carry the axes; other inputs are the same for both images.
    """
    values: dict[str, Any] = {}
    uncovered = {unknown.node for unknown in derivation.unknown}
    for node in graph.nodes:
        state = derivation.states[node.name]
        if not signals_in(state):
            values[node.name] = state
        elif node.kind == "input":
            values[node.name] = _input(node, shape, moved.get(node.name, ()))
        else:
            values[node.name] = _operation(node, values, shape, node.name not in uncovered)
    return values


def interior_of(state: Any, rank: int) -> Interior | None:
    """The interior of an output in that state; None where it does not depend on the input."""
    if not isinstance(state, Local):
        return None
    return Interior(tuple(extent_of(state.dims, axis) for axis in range(rank)), state.ended)


def _input(node: Node, shape: tuple[int, ...], dims: Sequence[int]) -> Local:
    factors: list[Dim] = [still(int(size)) for size in node.value.shape]
    for axis, dim in enumerate(dims):
        n = shape[axis]
        if n > 1:
            zero = Fraction(0)
            factors[dim] = (Grid(n, axis, Fraction(1), ((zero, zero),), 0, n),)
    return Local(tuple(factors), (None,) * len(shape))


def _operation(node: Node, values: Mapping[str, Any], shape: tuple[int, ...], certified: bool) -> Any:
    args, kwargs = fx.node.map_arg((node.args, dict(node.kwargs)), lambda n: values[n.name])
    arguments: dict[str, Any]
    if isinstance(node.target, torch._ops.OpOverload):
        arguments = bind(node.target, args, kwargs)
    else:
        arguments = {str(i): a for i, a in enumerate(args)} | dict(kwargs)
    scan = Scan(node, arguments, shape)
    try:
        if is_random(node.target) and not draws_nothing(node, kwargs, args):
            raise UnknownOperation("draws random numbers")
        rule = rule_for(node.target, certified)
        if rule is None:
            raise UnknownOperation("has no rule that says which positions its results see")
        return rule(scan)
    except UnknownOperation as error:
        reason = str(error)
    except Exception as error:  # noqa: BLE001  (a use that no rule foresaw must end as "not known", whatever it trips over)
        reason = f"is used in a way that its rule does not cover ({type(error).__name__}: {error})"
    return _unknown(node, Scan(node, arguments, shape), reason)


def _unknown(node: Node, scan: Scan, reason: str) -> Any:
    before = [dim for local in locals_in(scan.arguments) for dim in local.dims]
    ended = tuple(
        known or ended_by(node, reason, False, extent_of(before, axis)) for axis, known in enumerate(scan.ended)
    )

    def claim(value: Any) -> Any:
        return Local(tuple(still(int(d)) for d in value.shape) if isinstance(value, Tensor) else (), ended)

    return [claim(v) for v in node.value] if isinstance(node.value, (list, tuple)) else claim(node.value)
