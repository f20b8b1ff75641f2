"""One operation under analysis: its operands, how they meet, and the only way to end the claims along an axis."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, TypeAlias

from torch import Tensor

from equiconv.certification.interior.grids import (
    Dim,
    Factor,
    Grid,
    Local,
    axes_of,
    canonical,
    grids_of,
    longest_run,
    sample,
    size_of,
    still,
    together,
)
from equiconv.certification.interior.result import Ended, Extent
from equiconv.certification.states import Constant, Still
from equiconv.certification.step import UnknownOperation, axis_names
from equiconv.graph import Node

Operand: TypeAlias = Local | Constant


@dataclass
class Scan:
    """An operation under analysis. shape: sizes of the group's axes. ended: what has ended the claims along each axis, the operands' ends to begin with."""

    node: Node
    arguments: Mapping[str, Any]
    shape: tuple[int, ...]
    ended: list[Ended | None] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.ended = [None] * len(self.shape)
        for local in locals_in(self.arguments):
            self.ended = [mine or theirs for mine, theirs in zip(self.ended, local.ended, strict=True)]

    def __getitem__(self, name: str) -> Any:
        return self.arguments[name]

    @property
    def out_shape(self) -> tuple[int, ...]:
        return tuple(int(d) for d in self.node.value.shape)

    def local(self, name: str) -> Local:
        """The named operand, which must depend on the input."""
        operand = self.arguments[name]
        if not isinstance(operand, Local):
            raise UnknownOperation(
                f"has an argument {name} that does not depend on the input, and no rule says what follows"
            )
        return self.settle(operand)

    def settle(self, operand: Local) -> Local:
        """The operand, without claims along the axes that are ended by now."""
        return Local(tuple(self.canonical(dim) for dim in operand.dims), tuple(self.ended))

    def canonical(self, dim: Iterable[Factor]) -> Dim:
        return canonical(dim, self.ended)

    def end(self, axes: Iterable[int], reason: str) -> None:
        """Nothing is claimed along ``axes`` from here on; ``{axes}`` in the reason stands for their names."""
        fresh = sorted({a for a in axes if self.ended[a] is None})
        for axis in fresh:
            said = reason.replace("{axes}", axis_names(fresh, self.shape))
            self.ended[axis] = ended_by(self.node, said, True, self._before(axis))

    def end_along(self, dims: Iterable[Dim], reason: str) -> None:
        """End the axes that any of the dims lie along."""
        self.end(axes_of(self.canonical(dim) for dim in dims), reason)

    def _before(self, axis: int) -> Extent | None:
        return extent_of([dim for local in locals_in(self.arguments) for dim in local.dims], axis)

    def result(self, dims: Sequence[Iterable[Factor]], shape: Sequence[int] | None = None) -> Local:
        """The state of the result, whose dims must have the true sizes. An axis along which two of them lie is ended: no single translation moves both."""
        found = [self.canonical(dim) for dim in dims]
        axes = [grid.axis for grid in grids_of(found)]
        self.end({a for a in axes if axes.count(a) > 1}, "meets every position along the {axes} with every other")
        local = Local(tuple(self.canonical(dim) for dim in found), tuple(self.ended))
        expected = tuple(shape) if shape is not None else self.out_shape
        if local.shape != expected:
            raise AssertionError(
                f"{self.node.operation}: found the shape {local.shape} for a tensor of shape {expected}"
            )
        return local

    def nothing(self, shape: Sequence[int], reason: str) -> Local:
        """A result of which nothing is claimed."""
        self.end(range(len(self.shape)), reason)
        return self.result([still(int(d)) for d in shape], shape)


def locals_in(arguments: Any) -> list[Local]:
    """Every operand that depends on the input."""
    if isinstance(arguments, Local):
        return [arguments]
    if isinstance(arguments, Mapping):
        arguments = list(arguments.values())
    return [s for value in arguments for s in locals_in(value)] if isinstance(arguments, (list, tuple)) else []


def ended_by(node: Node, reason: str, known: bool, before: Extent | None) -> Ended:
    return Ended(node.name, node.operation, node.module, node.source, reason, known, before)


def extent_of(dims: Sequence[Dim], axis: int) -> Extent | None:
    """The first dim along the axis, as it is told: a grid and the indices inside its positions are one finer grid."""
    for position, dim in enumerate(dims):
        for i, f in enumerate(dim):
            if isinstance(f, Grid) and f.axis == axis:
                inner = size_of(dim[i + 1 :])
                alone = i == 0 and inner > 1 and not axes_of([dim[1:]])
                g = (sample(f, f.size * inner, [[0]] * inner, 1) if alone else f) or f
                return Extent(axis, position, g.size, g.step, g.windows, g.start, g.stop)
    return None


# Operands that meet entry by entry ---------------------------------------------------------------------------------------


def align(scan: Scan, operands: Sequence[Operand], shape: Sequence[int]) -> list[Dim]:
    """Dims of f(a, b, …) for any f that acts entry by entry on operands broadcast to ``shape``."""
    met: list[Dim] = [()] * len(shape)
    for operand in operands:
        if not isinstance(operand, Local):
            continue
        missing = len(shape) - len(operand.dims)
        for position, dim in enumerate(scan.settle(operand).dims, missing):
            if size_of(dim) != shape[position]:
                scan.end_along([dim], "repeats one position along the {axes} everywhere")
            else:
                met[position] = _meet(scan, met[position], dim) if size_of(met[position]) == shape[position] else dim
    # An index that no operand varies along.
    dims = [dim if size_of(dim) == size else still(size) for dim, size in zip(met, shape, strict=True)]
    for operand in operands:
        if isinstance(operand, Constant) and isinstance(operand.value, Tensor):
            dims = _beside(scan, dims, operand)
    return dims


def _meet(scan: Scan, a: Dim, b: Dim) -> Dim:
    """One dim that both operands have; they must lie on the image in the same way."""
    a, b = scan.canonical(a), scan.canonical(b)
    if not a or not b or a == b:
        return a or b
    left, right, out = list(a), list(b), []
    while left and right:
        f, g = left.pop(0), right.pop(0)
        if f.size != g.size:
            small = min(f.size, g.size)
            if small == 1 or max(f.size, g.size) % small:
                scan.end_along([a, b], "combines tensors that cut the {axes} in different ways")
                return still(size_of(a))
            if f.size > small:
                f, rest = split(scan, f, small)
                left.insert(0, rest)
            else:
                g, rest = split(scan, g, small)
                right.insert(0, rest)
        if isinstance(f, Grid) and isinstance(g, Grid):
            both = together(f, g)
            if both is None:
                scan.end({f.axis, g.axis}, "combines tensors whose positions along the {axes} have different steps")
            out.append(both or Still(f.size))
        elif isinstance(f, Still) and isinstance(g, Still):
            out.append(f)
        else:
            scan.end_along(
                [(f,), (g,)],
                "combines positions along the {axes} with values that differ from one position to the next and do not move",
            )
            out.append(Still(f.size))
    return scan.canonical([*out, *left, *right])


def _beside(scan: Scan, dims: list[Dim], constant: Constant) -> list[Dim]:
    """What is left where a constant is combined: the longest run of positions along which its values repeat."""
    value = constant.value
    missing = len(dims) - value.ndim
    out = list(dims)
    differs: set[int] = set()
    for position in range(max(missing, 0), len(dims)):
        if value.shape[position - missing] == 1:
            continue
        dim = scan.canonical(dims[position])
        kept: list[Factor] = list(dim)
        for i, factor in enumerate(dim):
            if isinstance(factor, Grid):
                digits = [size_of(dim[:i]), factor.size, size_of(dim[i + 1 :])]
                along = value.movedim(position - missing, 0)
                rows = along.reshape(*digits, -1).movedim(1, 0).reshape(factor.size, -1)
                alike = _alike(factor, rows, constant.generic)
                kept[i] = alike or Still(factor.size)
                differs |= set() if alike else {factor.axis}
        out[position] = tuple(kept)
    scan.end(
        differs, f"combines it with {constant.label}, which differs from one position to the next along the {{axes}}"
    )
    return out


def _alike(grid: Grid, rows: Tensor, generic: bool) -> Grid | None:
    """The grid where the constant's rows repeat with its period; None where no two of them do."""
    p = grid.period
    if grid.stop - grid.start <= p:
        return grid  # no two of the clean positions are compared
    if generic or rows.is_meta:
        return None
    held = (rows[grid.start : grid.stop - p] == rows[grid.start + p : grid.stop]).all(1).tolist()
    start, stop = longest_run(held)
    return replace(grid, start=grid.start + start, stop=grid.start + stop + p) if stop > start else None


# Digits ------------------------------------------------------------------------------------------------------------------


def split(scan: Scan, factor: Factor, outer: int) -> tuple[Factor, Factor]:
    """Cut a factor in two digits: block v holds the positions b·v … b·v + b − 1, and the place inside is an index like any other."""
    b = factor.size // outer
    if isinstance(factor, Still):
        return Still(outer), Still(b)
    blocks = sample(factor, outer, [range(b)], b)
    if blocks is None:
        scan.end([factor.axis], "cuts the {axes} into blocks whose pattern does not repeat")
        return Still(outer), Still(b)
    return blocks, Still(b)


def whole(scan: Scan, dim: Dim, doing: str) -> Grid | None:
    """The dim as one grid; None where no position of it lies on the image, and where it is a mixture, which ends its axes."""
    dim = scan.canonical(dim)
    if not axes_of([dim]):
        return None
    first = dim[0]
    if isinstance(first, Grid) and not axes_of([dim[1:]]):
        b = size_of(dim[1:])
        grid = first if b == 1 else sample(first, first.size * b, [[0]] * b, 1)
        if grid is not None:
            return grid
    scan.end_along([dim], f"{doing} a dim of which the {{axes}} are only a part")
    return None


def regroup(scan: Scan, dims: Sequence[Dim], shape: Sequence[int]) -> list[Dim]:
    """Read the index as one mixed-radix number and cut it anew. Dims that stay at either end stay as they are."""
    dims = [scan.canonical(dim) for dim in dims]
    head = 0
    while head < min(len(dims), len(shape)) and size_of(dims[head]) == shape[head]:
        head += 1
    tail = 0
    while tail < min(len(dims), len(shape)) - head and size_of(dims[-1 - tail]) == shape[len(shape) - 1 - tail]:
        tail += 1
    middle, target = dims[head : len(dims) - tail], shape[head : len(shape) - tail]
    pending = [f for dim in middle for f in dim]
    # A position of one entry has no place among other digits: merged or dropped, it is one fixed place of the image.
    scan.end(
        {f.axis for f in pending if isinstance(f, Grid) and f.size == 1},
        "merges the one position along the {axes} with other dims",
    )
    pending = list(scan.canonical(pending))
    out: list[Dim] = []
    for size in target:
        taken: list[Factor] = []
        need = int(size)
        while need > 1:
            factor = pending.pop(0)
            if need % factor.size == 0:
                taken.append(factor)
                need //= factor.size
            elif factor.size % need == 0:
                outer, inner = split(scan, factor, need)
                taken.append(outer)
                pending.insert(0, inner)
                need = 1
            else:  # the boundary falls inside two factors at once
                other = pending.pop(0)
                if isinstance(factor, Grid) and isinstance(other, Still):
                    finer = sample(factor, factor.size * other.size, [[0]] * other.size, 1)
                    if finer is not None:
                        pending.insert(0, finer)
                        continue
                scan.end_along([(factor, other)], "cuts the {axes} across the boundaries of its dims")
                pending.insert(0, Still(factor.size * other.size))
        out.append(tuple(taken))
    assert math.prod(f.size for f in pending) == 1
    return [scan.canonical(dim) for dim in [*dims[:head], *out, *dims[len(dims) - tail :]]]
