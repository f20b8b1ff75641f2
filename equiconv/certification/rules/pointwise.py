"""Operations that act entry by entry: they commute with every permutation of entries that all operands share."""

from __future__ import annotations

import torch

from equiconv.certification.alignment import align
from equiconv.certification.registry import rule
from equiconv.certification.states import Constant, Positions, Signal
from equiconv.certification.step import Step, UnknownOperation, axis_names, constants_in, signals_in

THEOREM = "pointwise"


@rule("pointwise", family="pointwise", theorem=THEOREM, digits=True)
@rule(
    *(
        f"aten.{name}"
        for name in (
            "hardswish.default",
            "log_sigmoid.default",
            "floor_divide.default",
            "floor_divide.Scalar",
            "rrelu.default",
            "masked_fill.Tensor",
            "hardtanh.default",
            "where.ScalarSelf",
            "where.Scalar",
        )
    ),
    family="pointwise",
    theorem=THEOREM,
    digits=True,
)
def pointwise(step: Step) -> Signal | list[Signal]:
    """f(a, b, …) entry by entry, operands broadcast."""
    return step.result(align(step, [*signals_in(step.arguments), *constants_in(step.arguments)], step.out_shape).dims)


@rule("aten.prelu.default", family="pointwise", theorem=THEOREM, digits=True)
def prelu(step: Step) -> Signal:
    """One slope, or one a channel: the slopes lie along dim 1."""
    x, weight = step.signal("self"), step["weight"]
    if not isinstance(weight, Constant):
        raise UnknownOperation("its slope depends on the input")
    value = weight.value
    if value.numel() > 1:
        value = value.reshape([1, -1] + [1] * (len(x.dims) - 2))
    return step.result(align(step, [x, Constant(value, weight.generic, weight.label)], step.out_shape).dims)


@rule("aten.fill.Scalar", "aten.fill.Tensor", family="pointwise", theorem=THEOREM, digits=True, spectral=True)
def fill(step: Step) -> Constant:
    """Overwrites every entry: what was there does not matter."""
    value = step["value"]
    if isinstance(value, Signal):
        raise UnknownOperation("it fills with a value that depends on the input")
    plain = value.value if isinstance(value, Constant) else value
    like = step.node.value
    filled = torch.zeros(step.out_shape, dtype=like.dtype, device=like.device) + plain
    return Constant(filled.to(like.dtype), isinstance(value, Constant) and value.generic, "a filled tensor")


@rule(
    *(
        f"aten.{name}"
        for name in (
            "zeros_like.default",
            "ones_like.default",
            "full_like.default",
            "new_zeros.default",
            "new_ones.default",
            "new_full.default",
            "zero.default",
        )
    ),
    family="pointwise",
    theorem="constant_stabiliser",
    digits=True,
    spectral=True,
)
def made_like(step: Step) -> Constant:
    """A constant tensor of a signal's shape: its values do not depend on the input."""
    like = step.node.value
    number = 1 if "ones" in step.node.operation else step.arguments.get("fill_value", 0)
    if isinstance(number, (Signal, Constant)):
        raise UnknownOperation("it fills with a tensor")
    return Constant(torch.full(step.out_shape, number, dtype=like.dtype, device=like.device), False, "a filled tensor")


@rule("getitem", family="pointwise", theorem=THEOREM, digits=True, spectral=True)
def getitem(step: Step) -> object:
    """One of several results. Of positions nothing is claimed where they may move: then whoever reads them keeps no shift."""
    first, chosen = step["0"][0], step["0"][step["1"]]
    if not isinstance(chosen, Positions):
        return chosen
    step.strides = list(first.strides)
    lost = [a for a, (s, n) in enumerate(zip(first.strides, step.shape, strict=True)) if chosen.strides[a] == n > s]
    step.give_up(
        lost,
        "index",
        f"reads positions along the {axis_names(lost, step.shape)}, which a shift renumbers",
        "use the values, not their positions",
        theorem="positions_renumbered",
    )
    return step.settle(chosen)
