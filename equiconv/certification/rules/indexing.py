"""Slices, selections and constant indices. A cut of a moving axis is a crop of it; a step through it is a stride."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise

import torch

from equiconv.certification.moves import narrow, regroup, strided
from equiconv.certification.registry import rule
from equiconv.certification.rules.gathering import index_by_signals, interleave
from equiconv.certification.rules.shape import blocks
from equiconv.certification.spectra import carried, give_up_by_cast, give_up_spectra, picked, pull, turned
from equiconv.certification.states import Constant, Dim, Signal, Window, axes_of, size_of
from equiconv.certification.step import Step, UnknownOperation, axis_names, still

THEOREM = "halo_and_crop"


def _operand(step: Step) -> str | None:
    """Name of the tensor that is cut."""
    first = step.node.args[0] if step.node.args else None
    return getattr(first, "name", None)


@rule(
    "aten.slice.Tensor",
    "aten.slice_copy.Tensor",
    family="slice, select, index",
    theorem=THEOREM,
    digits=True,
    spectral=True,
)
def slice_(step: Step) -> Signal:
    d = int(step["dim"]) % len(step["self"].dims)
    x = step.pay_for("self", [d])
    size = size_of(x.dims[d])
    start, stop, stride = slice(step["start"], step["end"], step["step"]).indices(size)
    length = max(0, -(-(stop - start) // stride))
    if not length:
        raise UnknownOperation("it makes an empty tensor")
    dims = list(x.dims)
    dims[d] = narrow(step, _recall(step, d), start, length, stride, _operand(step))
    return step.result(dims, keep=d)


def _recall(step: Step, d: int) -> Dim:
    """The dim with the memory of where it was cut from."""
    return step.canonical(step["self"].dims[d])


@rule(
    "aten.narrow.default",
    "aten.narrow_copy.default",
    family="slice, select, index",
    theorem=THEOREM,
    digits=True,
    spectral=True,
)
def narrow_(step: Step) -> Signal:
    d = int(step["dim"]) % len(step["self"].dims)
    x = step.pay_for("self", [d])
    dims = list(x.dims)
    dims[d] = narrow(
        step, _recall(step, d), int(step["start"]) % size_of(x.dims[d]), int(step["length"]), 1, _operand(step)
    )
    return step.result(dims, keep=d)


@rule(
    "aten.split.Tensor",
    "aten.split_with_sizes.default",
    "aten.chunk.default",
    "aten.split.sizes",
    "aten.tensor_split.sections",
    "aten.tensor_split.indices",
    "aten.unsafe_split.Tensor",
    "aten.unsafe_split_with_sizes.default",
    "aten.unsafe_chunk.default",
    "aten.split_copy.Tensor",
    "aten.split_with_sizes_copy.default",
    family="slice, select, index",
    theorem=THEOREM,
    digits=True,
    spectral=True,
)
def split(step: Step) -> list[Signal]:
    """Consecutive cuts; each keeps its own K."""
    d = int(step["dim"]) % len(step["self"].dims)
    step.pay_for("self", [d])
    results, start = [], 0
    for value in step.node.value:
        part = Step(step.node, step.arguments, step.shape, step.circular, step.theorem)
        x = part.signal("self")
        dims = list(x.dims)
        length = int(value.shape[d])
        dims[d] = narrow(part, _recall(part, d), start, length, 1, _operand(step))
        start += length
        results.append(part.result(dims, [int(s) for s in value.shape], keep=d))
        step.losses.extend(part.losses)
    return results


@rule(
    "aten.select.int",
    "aten.select_copy.int",
    family="slice, select, index",
    theorem=THEOREM,
    digits=True,
    spectral=True,
)
def select(step: Step) -> Signal:
    """One entry of a dim, which goes away: an obstacle where the entry moves."""
    if isinstance(step["index"], Signal):
        raise UnknownOperation(
            "it picks a place that depends on the input, as a number: index with a tensor, or gather"
        )
    d = int(step["dim"]) % len(step["self"].dims)
    x = step.pay_for("self", [d])
    dims = list(x.dims)
    dropped = _entry(step, x.dims[d], int(step["index"]) % size_of(x.dims[d]))
    del dims[d]
    return step.result(carried(step, dims, dropped))


def _entry(step: Step, dim: Dim, index: int) -> Dim:
    """One entry of a dim that goes away; returns the phase that is left of it."""
    shared, left = pull(step, step.canonical(narrow(step, dim, index, 1)))
    if moving := axes_of(left):
        step.give_up(
            moving,
            "select",
            f"picks one position along the {axis_names(moving, step.shape)}: a shift brings another value there",
            "aggregate over the axis instead of picking one position",
            theorem="part_of_a_period",
        )
    return turned(step, shared)


@rule(
    "aten.unbind.int",
    "aten.unbind_copy.int",
    family="slice, select, index",
    theorem=THEOREM,
    digits=True,
    spectral=True,
)
def unbind(step: Step) -> list[Signal]:
    d = int(step["dim"]) % len(step["self"].dims)
    step.pay_for("self", [d])
    results = []
    for index, value in enumerate(step.node.value):
        part = Step(step.node, step.arguments, step.shape, step.circular, step.theorem)
        x = part.signal("self")
        dims = list(x.dims)
        dropped = _entry(part, x.dims[d], index)
        del dims[d]
        results.append(part.result(carried(part, dims, dropped), [int(s) for s in value.shape]))
        step.losses.extend(part.losses)
    return results


@rule("aten.index_select.default", family="slice, select, index", theorem=THEOREM, spectral=True)
def index_select(step: Step) -> Signal:
    index = step["index"]
    d = int(step["dim"]) % len(step["self"].shape)
    if not isinstance(index, Constant) or index.generic:
        return index_by_signals(step, _whole(step, "self"), [(d, index)])
    x = step.signal("self")
    dims = list(x.dims)
    dims[d] = _gather(step, x.dims[d], index.value.reshape(-1).tolist())
    return step.result(dims)


@rule("aten.index.Tensor", "aten._unsafe_index.Tensor", family="slice, select, index", theorem=THEOREM, spectral=True)
def index(step: Step) -> Signal:
    """One constant index tensor; a constant cyclic index is a roll."""
    chosen = [(d, i) for d, i in enumerate(step["indices"]) if i is not None]
    if not all(isinstance(i, Constant) and not i.generic for _, i in chosen):
        return index_by_signals(step, _whole(step, "self"), chosen)
    x = step.signal("self")
    dims = list(x.dims)
    if len(chosen) != 1:
        if any(i.value.dtype in (torch.bool, torch.uint8) and i.value.ndim != 1 for _, i in chosen):
            raise UnknownOperation("it indexes with a mask over several dims")
        if moving := step.moving_axes([dims[d] for d, _ in chosen]):
            step.give_up(
                moving,
                "index",
                f"indexes several dims at once, the {axis_names(moving, step.shape)} among them",
                theorem="part_of_a_period",
            )
        return step.result(_rebuilt(step, x.dims, [d for d, _ in chosen]))
    d, constant = chosen[0]
    value = constant.value
    if value.dtype in (torch.bool, torch.uint8):
        if value.ndim != 1:
            raise UnknownOperation("it indexes with a mask over several dims")
        value = value.nonzero().reshape(-1)
    gathered = _gather(step, dims[d], value.reshape(-1).tolist())
    dims[d : d + 1] = regroup(step, [gathered], [int(s) for s in value.shape]) if value.ndim != 1 else [gathered]
    return step.result(dims)


def _rebuilt(step: Step, dims: Sequence[Dim], flat: Sequence[int]) -> list[Dim]:
    """Dims of advanced indexing: the indices' dims stand where the indexed ones were, or first when those were apart."""
    rest = [i for i in range(len(dims)) if i not in flat]
    adjacent = list(flat) == list(range(flat[0], flat[-1] + 1))
    inserted = len(step.out_shape) - len(rest)
    lead = flat[0] if adjacent else 0
    shape = step.out_shape
    out: list[Dim] = [dims[i] for i in rest[:lead]] if adjacent else []
    out += [still(s) for s in shape[lead : lead + inserted]]
    return out + [dims[i] for i in (rest[lead:] if adjacent else rest)]


def _gather(step: Step, dim: Dim, indices: Sequence[int]) -> Dim:
    """Entries of a dim in a constant order."""
    dim = step.canonical(dim)
    size = size_of(dim)
    indices = [i % size for i in indices]
    if not indices:
        raise UnknownOperation("it makes an empty tensor")
    if (found := picked(step, dim, indices)) is not None:
        return found
    if indices == list(range(size)):
        return dim
    if len(dim) == 1 and isinstance(window := dim[0], Window):
        p = window.period
        pace = (indices[1] - indices[0]) % p if len(indices) > 1 else 1
        if all((b - a) % p == pace for a, b in pairwise(indices)):
            if pace == 1:
                return (replace(window, size=len(indices), origin=None, offset=0),)
            if pace == p - 1:
                return (replace(window, size=len(indices), step=-window.step, origin=None, offset=0),)
            if pace and p % pace == 0:
                return strided(step, window, len(indices), pace, "indexing")
    step.give_up(
        axes_of(dim),
        "index",
        f"picks positions along the {axis_names(axes_of(dim), step.shape)} by a constant index that is no shift of them",
        # what it leaves out, else what it takes twice, else that it is a permutation which is no shift
        theorem="part_of_a_period"
        if len(set(indices)) < size
        else "seen_unevenly"
        if len(indices) > size
        else "permutation_commutant",
    )
    return still(len(indices))


@rule("aten.embedding.default", family="slice, select, index", theorem="pointwise")
def embedding(step: Step) -> Signal:
    """A look-up entry by entry: the index tensor's action, and a still dim beside it."""
    weight = step["weight"]
    if not isinstance(weight, Constant):
        raise UnknownOperation("its table depends on the input")
    return step.result([*step.signal("indices").dims, still(int(weight.shape[1]))])


@rule("aten.select_scatter.default", family="slice, select, index", theorem="concatenation", spectral=True)
def select_scatter(step: Step) -> Signal:
    """Overwrite one entry of a dim: the entries before it, the new one, the entries after it. What is written is cast to the others' dtype."""
    give_up_by_cast(step, step.node.value.dtype)
    x, source = _whole(step, "self"), _whole(step, "src")
    d = int(step["dim"]) % len(step.out_shape)
    i = int(step["index"]) % step.out_shape[d]
    if isinstance(source, Signal):
        source = Signal(source.strides, (*source.dims[:d], (), *source.dims[d:]))
    else:
        source = Constant(source.value.unsqueeze(d), source.generic, source.label)
    return _overwrite(step, x, source, d, i, i + 1)


@rule("aten.slice_scatter.default", family="slice, select, index", theorem="concatenation", spectral=True)
def slice_scatter(step: Step) -> Signal | Constant:
    """Overwrite a range of a dim: the entries before it, the new ones, the entries after it. What is written is cast to the others' dtype."""
    give_up_by_cast(step, step.node.value.dtype)
    x, source = _whole(step, "self"), _whole(step, "src")
    d = int(step["dim"]) % len(step.out_shape)
    start, stop, stride = slice(step["start"], step["end"], step["step"]).indices(step.out_shape[d])
    if stride != 1:
        give_up_spectra(step)
        return interleave(step, _whole(step, "self"), _whole(step, "src"), d, start, stride)
    if start == 0 and stop == step.out_shape[d]:
        return step.result(source.dims) if isinstance(source, Signal) else source
    return _overwrite(step, x, source, d, start, stop)


def _whole(step: Step, name: str) -> Signal | Constant:
    operand = step[name]
    return step.settle(operand) if isinstance(operand, Signal) else operand


def _overwrite(step: Step, x: Signal | Constant, source: Signal | Constant, d: int, start: int, stop: int) -> Signal:
    size = step.out_shape[d]
    parts = [_cut(step, x, d, 0, start), source, _cut(step, x, d, stop, size)]
    return blocks(step, [p for p in parts if p is not None], d, named=False)


def _cut(step: Step, x: Signal | Constant, d: int, start: int, stop: int) -> Signal | Constant | None:
    if start >= stop:
        return None
    if isinstance(x, Constant):
        return Constant(x.value.narrow(d, start, stop - start), x.generic, x.label)
    dims = list(x.dims)
    dims[d] = narrow(step, dims[d], start, stop - start)
    return Signal(tuple(step.strides), tuple(step.canonical(dim) for dim in dims))
