"""Aggregation over dims. Over whole periods it does not see a roll; over part of one it does."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch import Tensor, fx

from equiconv.certification.moves import reduce, reduce_dims
from equiconv.certification.registry import rule
from equiconv.certification.rules.invariants import obstruct
from equiconv.certification.rules.sliding import renumbered
from equiconv.certification.states import Dim, Signal, axes_of, size_of
from equiconv.certification.step import Step, axis_names, still

THEOREM = "reduction"


def positions(dim: Any, rank: int) -> list[int]:
    """Dims as non-negative numbers; None or an empty list means all."""
    if dim is None or (isinstance(dim, (list, tuple)) and not dim):
        return list(range(rank))
    dims = dim if isinstance(dim, (list, tuple)) else [dim]
    return sorted({int(d) % rank for d in dims}) if rank else []


def reduced(step: Step, x: Signal, dims: Sequence[int], keepdim: bool, what: str) -> list[Dim]:
    """Dims that are left when ``dims`` are aggregated."""
    gone = set(dims)
    left = reduce_dims(step, x.dims, gone, what)
    return [() if i in gone else dim for i, dim in enumerate(left) if keepdim or i not in gone]


@rule(
    *(
        f"aten.{name}"
        for name in (
            "amax.default",
            "amin.default",
            "max.default",
            "min.default",
            "var.correction",
            "var.dim",
            "var.default",
            "std.correction",
            "std.dim",
            "std.default",
            "norm.ScalarOpt_dim",
            "norm.Scalar",
            "prod.default",
            "prod.dim_int",
            "any.default",
            "any.dim",
            "any.dims",
            "all.default",
            "all.dim",
            "all.dims",
            "nanmean.default",
            "nansum.default",
            "median.default",
            "nanmedian.default",
            "count_nonzero.default",
            "count_nonzero.dim_IntList",
            "logsumexp.default",
        )
    ),
    family="reduction",
    theorem=THEOREM,
    digits=True,
)
def aggregate(step: Step) -> Signal:
    """A symmetric function of the entries along some dims."""
    x = step.signal("self")
    dims = positions(step.arguments.get("dim"), len(x.dims))
    name = step.node.operation.split(".")[1]
    return step.result(reduced(step, x, dims, bool(step.arguments.get("keepdim", False)), name))


@rule("aten.var_mean.correction", "aten.std_mean.correction", family="reduction", theorem=THEOREM, digits=True)
def aggregate_twice(step: Step) -> tuple[Signal, Signal]:
    x = step.signal("self")
    left = reduced(step, x, positions(step["dim"], len(x.dims)), bool(step["keepdim"]), "variance")
    shape = [int(d) for d in step.node.value[0].shape]
    return step.result(left, shape), step.result(left, shape)


@rule(
    "aten.max.dim",
    "aten.min.dim",
    "aten.mode.default",
    "aten.kthvalue.default",
    family="reduction",
    theorem=THEOREM,
)
def extreme(step: Step) -> tuple[Signal, Signal]:
    """The value is symmetric in the entries; its index is a position, which a shift renumbers."""
    x = step.signal("self")
    dim = positions(step["dim"], len(x.dims))
    moving = step.moving_axes([x.dims[d] for d in dim])
    left = reduced(step, x, dim, bool(step["keepdim"]), "maximum")
    shape = [int(d) for d in step.node.value[0].shape]
    values = step.result(left, shape)
    return values, renumbered(step, moving, values)


@rule("aten.median.dim", "aten.nanmedian.dim", family="reduction", theorem=THEOREM)
def median(step: Step) -> Any:
    """As an extreme; but torch's own kernel is wrong on a tensor that was expanded, and then no shift survives it.

    On x.expand(2, 4) of a row x, torch 2.14 returns other values for median(0) than on its copy: it selects in place, in memory that all rows share.
    """
    given = step.node.args[0] if step.node.args else step.node.kwargs.get("self")
    value = given.meta.get("val") if isinstance(given, fx.Node) else None
    if not isinstance(value, Tensor) or any(s == 0 and n > 1 for n, s in zip(value.shape, value.stride(), strict=True)):
        return obstruct(
            step,
            "layout",
            "takes the median of an expanded tensor, whose entries share memory: torch's kernel selects in place there and returns wrong values",
            "copy the tensor first (.clone())",
            THEOREM,
        )
    return extreme(step)


@rule("aten.argmax.default", "aten.argmin.default", family="reduction", theorem=THEOREM)
def index_of_extreme(step: Step) -> Signal:
    """Positions: invariant only where the dims searched do not move."""
    x = step.signal("self")
    dims = positions(step["dim"], len(x.dims))
    if moving := step.moving_axes([x.dims[d] for d in dims]):
        step.give_up(
            moving,
            "index",
            f"returns a position along the {axis_names(moving, step.shape)}, which a shift renumbers",
            "use the value, not its position",
            theorem="positions_renumbered",
        )
    return step.result(reduced(step, x, dims, bool(step["keepdim"]), "argmax"))


@rule(
    "aten.softmax.int",
    "aten._softmax.default",
    "aten.log_softmax.int",
    "aten._log_softmax.default",
    "aten._safe_softmax.default",
    family="normalisation",
    theorem="normalisation",
    digits=True,
)
def softmax(step: Step) -> Signal:
    """A reduction along the dim, then a pointwise map of the input and it."""
    x = step.signal("self")
    return step.result(reduce_dims(step, x.dims, [int(step["dim"]) % len(x.dims)], "softmax"))


@rule("aten.cumsum.default", "aten.cumprod.default", "aten.logcumsumexp.default", family="reduction", theorem=THEOREM)
def cumulative(step: Step) -> Signal:
    """A running sum depends on where it starts; that of equal entries is not uniform."""
    x = step.signal("self")
    d = int(step["dim"]) % max(len(x.dims), 1)
    _ordered(step, x, d, "accumulates")
    return step.result([still(size_of(dim)) if i == d else dim for i, dim in enumerate(x.dims)])


@rule("aten.cummax.default", "aten.cummin.default", family="reduction", theorem=THEOREM)
def cumulative_extreme(step: Step) -> tuple[Signal, Signal]:
    """The largest entry so far, and its position."""
    x = step.signal("self")
    d = int(step["dim"]) % max(len(x.dims), 1)
    _ordered(step, x, d, "looks for the largest so far")
    shape = [int(s) for s in step.node.value[0].shape]
    claim = step.result([still(size_of(dim)) if i == d else dim for i, dim in enumerate(x.dims)], shape)
    return claim, claim


@rule("aten.sort.default", "aten.sort.stable", "aten.topk.default", family="reduction", theorem=THEOREM)
def ordered(step: Step) -> tuple[Signal, Signal]:
    """Sorted values are symmetric functions of the entries (whole periods only); their indices are positions.

    The largest without an order come as they were found, which depends on where the search starts.
    """
    x = step.signal("self")
    d = int(step.arguments.get("dim", -1)) % len(x.dims)
    if not step.arguments.get("sorted", True):
        _ordered(step, x, d, "picks the largest, in no order,")
    moving = step.moving_axes([x.dims[d]])
    reduce(step, x.dims[d], "sorting")
    shape = [int(s) for s in step.node.value[0].shape]
    values = step.result([still(shape[d]) if i == d else dim for i, dim in enumerate(x.dims)], shape)
    return values, renumbered(step, moving, values)


def _ordered(step: Step, x: Signal, dim: int, what: str) -> None:
    if moving := axes_of(step.canonical(x.dims[dim % len(x.dims)])):
        step.give_up(
            moving,
            "order",
            f"{what} along the {axis_names(moving, step.shape)}, from a fixed starting position",
            "use an aggregate of the whole axis",
            theorem="part_of_a_period",
        )


__all__ = ["aggregate", "positions", "reduced"]
