"""Reads and writes at places that an index tensor names. Where the dims that it indexes are still, each entry of the result is a function of its own
fibre of the source and of its own index; where they move, a place named by a number is a fixed place, and a shift brings another value there.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from equiconv.certification.alignment import align
from equiconv.certification.moves import narrow
from equiconv.certification.registry import rule
from equiconv.certification.rules.contraction import Operand, fibres
from equiconv.certification.rules.invariants import obstruct
from equiconv.certification.states import Constant, Signal, Uniform
from equiconv.certification.step import Step, UnknownOperation, still

FAMILY, THEOREM = "slice, select, index", "pointwise"
REMEDY = "index a dim that the image axes are not in"


def _read(what: str) -> str:
    return f"{what} places along the {{axes}} by their number: a shift brings other values there"


def tensor(step: Step, operand: Any, shape: Sequence[int] | None = None) -> Signal | Constant:
    """The operand under the current K; a number as a constant without dims. ``shape``: cut to these sizes, from 0 on."""
    if isinstance(operand, (bool, int, float, complex)):
        return Constant(torch.tensor(operand))
    if not isinstance(operand, (Signal, Constant)):
        raise UnknownOperation("one of its operands is no tensor")
    if shape is None or list(operand.shape) == list(shape):
        return step.settle(operand) if isinstance(operand, Signal) else operand
    if isinstance(operand, Constant):
        return Constant(operand.value[tuple(slice(0, s) for s in shape)], operand.generic, operand.label)
    dims = [narrow(step, dim, 0, size) for dim, size in zip(operand.dims, shape, strict=True)]
    return step.settle(Signal(tuple(step.strides), tuple(dims)))


def _labels(rank: int, d: int, own: str) -> list[str]:
    return [own if i == d else f"p{i}" for i in range(rank)]


@rule("aten.gather.default", family=FAMILY, theorem=THEOREM)
def gather(step: Step) -> Signal:
    """out[p, j] = self[p, index[p, j]]: the dim of j is a fibre of the source."""
    rank = len(step.out_shape)
    if not rank:
        return obstruct(step, "index", "reads one place by its number", REMEDY, "part_of_a_period")  # type: ignore[no-any-return]
    d = int(step["dim"]) % rank
    index = tensor(step, step["index"])
    size = step["self"].shape[d]
    source = tensor(step, step["self"], [size if i == d else s for i, s in enumerate(step.out_shape)])
    operands = [(source, _labels(rank, d, "from")), (index, _labels(rank, d, "to"))]
    return step.result(
        fibres(step, operands, _labels(rank, d, "to"), "index", _read("gathers from"), REMEDY), step.out_shape
    )


@rule(
    "aten.scatter.src",
    "aten.scatter.value",
    "aten.scatter.reduce",
    "aten.scatter.value_reduce",
    "aten.scatter_add.default",
    "aten.scatter_reduce.two",
    family=FAMILY,
    theorem=THEOREM,
)
def scatter(step: Step) -> Signal:
    """out[p, index[p, j]] = src[p, j]: all of a line p of the result is a function of that line of the operands."""
    rank = len(step.out_shape)
    if not rank:
        return obstruct(step, "index", "writes one place by its number", REMEDY, "part_of_a_period")  # type: ignore[no-any-return]
    d = int(step["dim"]) % rank
    index, source = tensor(step, step["index"]), tensor(step, step["src"] if "src" in step.arguments else step["value"])
    if any(index.shape[i] != step.out_shape[i] for i in range(rank) if i != d):
        # Only a corner is written to, so the other lines are not alike.
        return obstruct(  # type: ignore[no-any-return]
            step, "index", "writes to a corner of the tensor, which does not move", REMEDY, "part_of_a_period"
        )
    operands: list[Operand] = [(tensor(step, step["self"]), _labels(rank, d, "to")), (index, _labels(rank, d, "from"))]
    if source.shape:
        operands.append((tensor(step, source, index.shape), _labels(rank, d, "from")))
    return _lines(step, operands, d, _read("scatters to"))


def index_by_signals(step: Step, x: Signal | Constant, chosen: Sequence[tuple[int, Any]]) -> Signal:
    """x[…, i, j, …] at places that depend on the input: each entry of the result is a function of the indexed dims of x and of its own place.

    chosen: the indexed dims with their index tensors, which are broadcast together.
    """
    if "indices" in step.arguments and any(_is_mask(step, d) for d, _ in chosen):
        raise UnknownOperation("it picks the entries under a mask that depends on the input, as many as there are")
    indices = [tensor(step, i) for _, i in chosen]
    width = max(len(i.shape) for i in indices)
    placed = [f"q{n}" for n in range(width)]
    operands: list[Operand] = [(i, placed[width - len(i.shape) :]) for i in indices]
    flat = [d for d, _ in chosen]
    rest = [f"p{d}" for d in range(len(x.shape)) if d not in flat]
    operands.append((x, [f"from{d}" if d in flat else f"p{d}" for d in range(len(x.shape))]))
    # The indices' dims stand where the indexed ones were, or first when those were apart.
    lead = flat[0] if flat == list(range(flat[0], flat[-1] + 1)) else 0
    out = [*rest[:lead], *placed, *rest[lead:]]
    return step.result(fibres(step, operands, out, "index", _read("indexes"), REMEDY))


@rule("aten.searchsorted.Tensor", "aten.bucketize.Tensor", family=FAMILY, theorem=THEOREM)
def look_up_place(step: Step) -> Signal:
    """The place of each value in a sorted row: a function of the value and of the whole row."""
    values, row = tensor(step, step["self"]), step.arguments.get("sorted_sequence", step.arguments.get("boundaries"))
    row = tensor(step, row)
    own = [f"p{d}" for d in range(len(values.shape))]
    lead = own[:-1] if len(row.shape) > 1 else []
    if step.arguments.get("sorter") is not None:
        raise UnknownOperation("it looks values up in a row that a sorter puts in order")
    found = fibres(step, [(values, own), (row, [*lead, "sorted"])], own, "index", _read("looks values up at"), REMEDY)
    return step.result(found)


@rule("aten.masked_scatter.default", family=FAMILY, theorem="part_of_a_period")
def masked_scatter(step: Step) -> Any:
    """The n-th place of a mask gets the n-th value: which one that is depends on where counting starts."""
    return obstruct(
        step,
        "order",
        "writes values one after the other to the places of a mask, counted from the first position",
        "use torch.where with values laid out as the image is",
    )


@rule("aten.index_put.default", "aten._unsafe_index_put.default", family=FAMILY, theorem=THEOREM)
def index_put(step: Step) -> Any:
    """Write at places: through a mask of whole positions with one value it is pointwise; on still dims, a function of each fibre."""
    x, values = tensor(step, step["self"]), tensor(step, step["values"])
    chosen = [(d, i) for d, i in enumerate(step["indices"]) if i is not None]
    (first, mask), rank = chosen[0], len(step.out_shape)
    is_mask = _is_mask(step, first)
    if len(chosen) == 1 and is_mask and all(s == 1 for s in values.shape):
        after = rank - first - len(mask.shape)
        operands = [x, _widened(step, mask, after), _flat(step, values)]
        return step.result(align(step, operands, step.out_shape).dims)
    if len(chosen) == 1 and not is_mask and len(mask.shape) == 1:
        return _put_along(step, x, first, mask, values)
    return obstruct(step, "index", "writes to places named by their numbers", REMEDY, "part_of_a_period")


def _is_mask(step: Step, position: int) -> bool:
    """True for an index that says of each place whether it is meant, and does not number places."""
    operand = step["indices"][position]
    if isinstance(operand, Constant):
        dtype = operand.value.dtype
    else:
        indices = step.node.args[1] if len(step.node.args) > 1 else step.node.kwargs["indices"]
        dtype = indices[position].meta["val"].dtype
    return dtype in (torch.bool, torch.uint8)


def _widened(step: Step, mask: Signal | Constant, after: int) -> Signal | Constant:
    """The mask with ``after`` dims of one entry behind it, to lie along the first dims of what it masks."""
    if isinstance(mask, Constant):
        return Constant(mask.value[(..., *([None] * after))], mask.generic, mask.label)
    return step.settle(Signal(mask.strides, (*mask.dims, *([()] * after))))


def _flat(step: Step, values: Signal | Constant) -> Signal | Constant:
    """One value, without dims."""
    if isinstance(values, Constant):
        return Constant(values.value.reshape(()), values.generic, values.label)
    if moving := step.moving_axes(values.dims):
        step.give_up(
            moving, "crop", "writes one entry of a moving signal everywhere", REMEDY, theorem="part_of_a_period"
        )
    return Signal(tuple(step.strides), ())


def _put_along(step: Step, x: Signal | Constant, d: int, index: Signal | Constant, values: Signal | Constant) -> Signal:
    """Whole slices of dim d overwritten: every line along d is a function of its own fibres."""
    rank, count = len(step.out_shape), index.shape[0]
    shape = [count if i == d else s for i, s in enumerate(step.out_shape)]
    missing = rank - len(values.shape)
    lined: list[Operand] = [(x, _labels(rank, d, "to")), (index, ["from"])]
    sizes = [1] * missing + list(values.shape)
    if isinstance(values, Constant):
        spread: Signal | Constant = Constant(values.value.reshape(sizes), values.generic, values.label)
    else:
        spread = Signal(values.strides, (*([()] * missing), *values.dims))
    if any(s not in (1, t) for s, t in zip(sizes, shape, strict=True)):
        raise UnknownOperation(f"it writes values of shape {tuple(values.shape)} to slices of shape {tuple(shape)}")
    lined.append((spread, _labels(rank, d, "from")))
    return _lines(step, lined, d, _read("writes to"))


def interleave(step: Step, x: Signal | Constant, source: Signal | Constant, d: int, start: int, stride: int) -> Signal:
    """Overwrite every ``stride``-th entry of dim d, from ``start`` on.

    Of whole blocks of ``stride`` entries it is pointwise: where(mask, source with each entry repeated ``stride`` times, x), and the mask is a constant.
    """
    rank, size = len(step.out_shape), step.out_shape[d]
    if size % stride == 0 and source.shape[d] == size // stride:
        mask = (torch.arange(size) % stride == start).reshape([size if i == d else 1 for i in range(rank)])
        places = Constant(mask, False, f"the mask of every {stride} places")
        return step.result(align(step, [x, _spread(step, source, d, stride), places], step.out_shape).dims)
    lines: list[Operand] = [(x, _labels(rank, d, "to")), (source, _labels(rank, d, "from"))]
    return _lines(step, lines, d, _read("writes to"))


def _spread(step: Step, source: Signal | Constant, d: int, times: int) -> Signal | Constant:
    """Every entry of dim d ``times`` over."""
    if isinstance(source, Constant):
        return Constant(source.value.repeat_interleave(times, d), source.generic, source.label)
    dims = [(*dim, Uniform(times)) if i == d else dim for i, dim in enumerate(source.dims)]
    return step.settle(Signal(source.strides, tuple(dims)))


def _lines(step: Step, operands: Sequence[Operand], d: int, message: str) -> Signal:
    """The claim where each line along dim d of the result is a function of that line of the operands."""
    rank = len(step.out_shape)
    out = [label for label in _labels(rank, d, "to") if label != "to"]
    found = fibres(step, operands, out, "index", message, REMEDY)
    return step.result([*found[:d], still(step.out_shape[d]), *found[d:]])
