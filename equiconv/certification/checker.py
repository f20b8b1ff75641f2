"""Commuting squares: run a network on x and on g·x and compare *every* intermediate tensor with its claimed action, in float64.

This tests every claim of a certificate on one input, and that the tensor is laid out as it says: alike where its values are said not to
vary, periodic where a halo repeats it. The input moves by definition, so it is no claim, and a square with nothing left to compare is none. A
contradiction is a soundness bug of the certifier, or a certificate of another network.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from equiconv.certification.action import act
from equiconv.certification.certificate import Certificate, Claim
from equiconv.certification.opening import captured
from equiconv.certification.refutation import shifted
from equiconv.certification.states import Dim, Signal, first_alike, windows_of
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

    claims: squares compared, the input's aside. shifts: group elements used. worst: the largest error in units of the rounding floor.
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
    """Check claims on one input, for the distinct strides that occur at any node (early tensors keep more than the output) and more shifts of crops."""
    graph = graph.cast(torch.float64)
    by_node: dict[str, list[Claim]] = {}
    for claim in claims:
        if claim.operation != "input":
            by_node.setdefault(claim.node, []).append(claim)
    base: dict[str, Any] = {}

    def keep(node: Node, value: Any) -> None:
        if node.name in by_node:
            base[node.name] = value

    graph.run(leaves, keep, torch.float64, override)
    floors = graph.rounding(leaves, torch.float64, override)
    shifts: list[tuple[int, ...]] = []
    for axis, n in enumerate(shape):
        for k in _amounts(claims, axis, n):
            shifts.append(tuple(k if a == axis else 0 for a in range(len(shape))))
    count, worst, violations = 0, 0.0, list[Violation]()

    def judge(claim: Claim, error: float, shift: tuple[int, ...]) -> None:
        nonlocal worst
        floor = floors.get(claim.node, 0.0)
        worst = max(worst, error / floor if floor else (float("inf") if error else 0.0))
        if error > SLACK * floor:
            violations.append(Violation(claim.node, claim.operation, claim.module, shift, error, floor))

    for claim in (claim for made in by_node.values() for claim in made):
        value = base[claim.node] if claim.result is None else base[claim.node][claim.result]
        judge(claim, layout_error(value, claim.state), (0,) * len(shape))
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
                    if (error := square_error(a, b, claim.state, axis, k)) is not None:
                        seen.append((claim, error))

        graph.run(shifted(leaves, graph, moved, shift), compare, torch.float64, override)
        for claim, error in seen:
            count += 1
            judge(claim, error, shift)
    return CheckReport(count, tuple(shifts), worst, tuple(violations))


def _amounts(claims: Sequence[Claim], axis: int, n: int) -> list[int]:
    """Shifts to try along an axis: every stride that is claimed; and for what is a crop there, its multiples by powers of 2, and its inverse.

    A whole signal that follows a generator follows its multiples, and so does a halo, which shows all of it. A crop shows part of the signal only: a claim may
    hold at the stride, and fail at a multiple that brings together what no single step does.
    """
    found = {claim.state.strides[axis] for claim in claims}
    for s in {c.state.strides[axis] for c in claims if any(_is_cut(dim, axis) for dim in c.state.dims)}:
        found |= {n - s, *(s << doublings for doublings in range(n.bit_length()))}
    return sorted(k for k in found if 0 < k < n)


def _is_cut(dim: Dim, axis: int) -> bool:
    return any(window.axis == axis and window.size < window.period for window in windows_of(dim))


def square_error(got: Tensor, base: Tensor, state: Signal, axis: int, k: int) -> float | None:
    """max |T(g·x) − ρ(g)·T(x)| over the entries about which the state says something; None where there are none."""
    expected, known = act(state.dims, base, axis, k)
    if known is not None:
        got, expected = got[known], expected[known]
    return largest_difference(got, expected) if got.numel() else None


def layout_error(value: Tensor, state: Signal) -> float:
    """max |T[i] − T[j]| over entries that the state says are equal: those of a uniform index, and those of a halo one period apart."""
    alike = value
    for d, dim in enumerate(state.dims):
        first = first_alike(dim)
        if not np.array_equal(first, np.arange(len(first))):
            alike = alike.index_select(d, torch.from_numpy(first))
    return largest_difference(value, alike) if alike is not value else 0.0


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
