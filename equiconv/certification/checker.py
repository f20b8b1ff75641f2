"""Commuting squares: run a network on x and on g·x and compare *every* intermediate tensor with its claimed action, in float64.

This tests every claim of a certificate on one input. A contradiction is a soundness bug of the certifier, or a certificate of another network.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from equiconv.certification.certificate import Certificate, Claim
from equiconv.certification.opening import captured
from equiconv.certification.refutation import shifted
from equiconv.certification.spectra import modulated, spectral
from equiconv.certification.states import Signal, axes_of, source_indices
from equiconv.graph import Graph, Node, has_values, wrapped
from equiconv.graph.capture import largest_difference

#: A claim fails when the difference exceeds this many times the node's rounding floor.
SLACK = 256.0


@dataclass(frozen=True)
class Violation:
    """A claim that an input contradicts: the difference beside the rounding floor."""

    node: str
    operation: str
    module: str
    shift: tuple[int, ...]
    error: float
    floor: float


@dataclass(frozen=True)
class CheckReport:
    """What checking a certificate found. True as a condition when no claim failed and at least one was checked.

    claims: squares compared. shifts: group elements used. worst: the largest error in units of the rounding floor.
    """

    claims: int
    shifts: tuple[tuple[int, ...], ...]
    worst: float
    violations: tuple[Violation, ...]

    def __bool__(self) -> bool:
        return not self.violations and self.claims > 0

    def __str__(self) -> str:
        if not self.claims:
            return "checked nothing: the certificate claims only the zero shift everywhere"
        head = f"{self.claims} commuting squares over {len(self.shifts)} shifts, worst error {self.worst:.3g} × the rounding floor"
        if not self.violations:
            return head + ": all hold"
        v = self.violations[0]
        return (
            head
            + f": {len(self.violations)} FAIL, first at {v.node} ({v.operation}, {v.module or 'model'}): {v.error:.3g} under {v.shift}"
        )


def check(certificate: Certificate, model: torch.nn.Module, x: Any) -> CheckReport:
    """Compare every intermediate tensor of ``model`` with its claim, on the input ``x``.

    Parameters
    ----------
    certificate: a certificate of this model for inputs of these shapes. x: a tensor, a tuple or a dict of keyword arguments.

    Raises
    ------
    ValueError: the model's graph, or the shapes of ``x``, are not those of the certificate.
    """
    from equiconv.certification.certify import call_of

    args, kwargs = call_of(x)
    graph = captured(model, args, kwargs)
    leaves = graph.flatten(args, kwargs)
    _same_network(certificate, graph, leaves)
    if not all(map(has_values, [*leaves, *graph.state.values()])):
        raise ValueError(
            "model, x: tensors on the meta device have no values to run; load the weights, and pass an input with values"
        )
    moved = {name: certificate.axes_of_input(leaves[graph.inputs.index(name)].ndim) for name in certificate.moved}
    override = (
        {name: wrapped(graph[name], dims) for name, dims in certificate.wrapped}
        if certificate.padding == "circular"
        else None
    )
    return squares(graph, leaves, moved, certificate.shape, certificate.claims, override)


def squares(
    graph: Graph,
    leaves: Sequence[Any],
    moved: Mapping[str, tuple[int, ...]],
    shape: tuple[int, ...],
    claims: Sequence[Claim],
    override: Mapping[str, Callable[..., Any]] | None = None,
) -> CheckReport:
    """Check claims on one input, for the distinct strides that occur at any node: early tensors keep more than the output."""
    graph = graph.cast(torch.float64)
    by_node: dict[str, list[Claim]] = {}
    for claim in claims:
        by_node.setdefault(claim.node, []).append(claim)
    base: dict[str, Any] = {}

    def keep(node: Node, value: Any) -> None:
        if node.name in by_node:
            base[node.name] = value

    graph.run(leaves, keep, torch.float64, override)
    floors = graph.rounding(leaves, torch.float64, override)
    shifts: list[tuple[int, ...]] = []
    for axis, n in enumerate(shape):
        for stride in sorted({claim.state.strides[axis] for claim in claims}):
            if stride < n:
                shifts.append(tuple(stride if a == axis else 0 for a in range(len(shape))))
    count, worst, violations = 0, 0.0, []
    for shift in shifts:
        axis = next(a for a, k in enumerate(shift) if k)
        seen: list[tuple[Claim, float]] = []

        def compare(
            node: Node, value: Any, axis: int = axis, k: int = max(shift), seen: list[tuple[Claim, float]] = seen
        ) -> None:
            for claim in by_node.get(node.name, ()):
                if k % claim.state.strides[axis] == 0:
                    a, b = (
                        (value, base[node.name])
                        if claim.result is None
                        else (value[claim.result], base[node.name][claim.result])
                    )
                    seen.append((claim, square_error(a, b, claim.state, axis, k)))

        graph.run(shifted(leaves, graph, moved, shift), compare, torch.float64, override)
        for claim, error in seen:
            count += 1
            floor = floors.get(claim.node, 0.0)
            worst = max(worst, error / floor if floor else (float("inf") if error else 0.0))
            if error > SLACK * floor:
                violations.append(Violation(claim.node, claim.operation, claim.module, shift, error, floor))
    return CheckReport(count, tuple(shifts), worst, tuple(violations))


def square_error(got: Tensor, base: Tensor, state: Signal, axis: int, k: int) -> float:
    """max |T(g·x) − ρ(g)·T(x)| over the entries about which the state says something."""
    expected = base
    for d, dim in enumerate(state.dims):
        if axis not in axes_of(dim):
            continue
        source, valid = source_indices(dim, axis, k)
        expected = expected.index_select(d, torch.from_numpy(source))
        if spectral(dim):
            expected = modulated(expected, dim, d, axis, k)
        if not valid.all():
            keep = torch.from_numpy(valid.nonzero()[0])
            got, expected = got.index_select(d, keep), expected.index_select(d, keep)
    return largest_difference(got, expected)


def _same_network(certificate: Certificate, graph: Graph, leaves: Sequence[Any]) -> None:
    shapes = tuple(tuple(v.shape) for v in leaves if isinstance(v, Tensor))
    if shapes != certificate.input_shapes:
        raise ValueError(
            f"x: has the shapes {shapes}, the certificate is for {certificate.input_shapes}; pass inputs of those shapes or certify anew"
        )
    ours = {(c.node, c.operation) for c in certificate.claims}
    theirs = {(n.name, n.operation) for n in graph.nodes}
    if missing := sorted(ours - theirs):
        raise ValueError(
            f"model: is not the certified network: its graph lacks {missing[0][0]} ({missing[0][1]}); certify this model"
        )
