"""Functions of what does not move: the result does not move either, whatever the function."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, fx

from equiconv.certification.registry import rule
from equiconv.certification.states import Signal
from equiconv.certification.step import Step, UnknownOperation, signals_in, still


@rule("of invariants", family="reduction", theorem="partial_reduction")
def of_invariants(step: Step) -> Any:
    """Any function of operands that K leaves alone: its results are left alone by K."""
    if step.moving_axes([dim for signal in signals_in(step.arguments) for dim in signal.dims]):
        raise UnknownOperation("no rule, and an operand moves")
    return whole(step)


def whole(step: Step) -> Any:
    """The claim of a function of all entries of its operands, of which none moves under K: every result is still."""
    value = step.node.value
    if isinstance(value, Tensor):
        return _still(step, value.shape)
    if isinstance(value, (list, tuple)) and all(isinstance(v, Tensor) for v in value):
        return [_still(step, v.shape) for v in value]
    raise UnknownOperation("it returns what is no tensor, and no rule says what follows")


def _still(step: Step, shape: Sequence[int]) -> Signal:
    return step.result([still(int(d)) for d in shape], [int(d) for d in shape])


def obstruct(step: Step, cause: str, message: str, remedy: str | None = None, theorem: str = "") -> Any:
    """An operation that no shift of its operands survives: every axis that moves in one of them is given up, and the results are still.

    Sound for any function of the operands: what is left of K moves none of them.
    """
    moving = step.moving_axes([dim for signal in signals_in(step.arguments) for dim in signal.dims])
    step.give_up(moving, cause, message, remedy, theorem=theorem)
    return whole(step)


_LAYOUT = "use unfold, slices or reshape, which name the dims that they cut"


@rule(
    "aten.as_strided.default", "aten.as_strided_copy.default", family="slice, select, index", theorem="part_of_a_period"
)
def by_memory(step: Step) -> Any:
    """Entries by their place in memory: which ones those are is not said in terms of the dims.

    A view shares its memory with the tensor that it shows a part of, and places outside the part can be read: then nothing but the shift by 0 is safe,
    for what lies there may move though the part does not.
    """
    if not _has_own_memory(step):
        step.give_up(
            range(len(step.shape)),
            "layout",
            "reads the memory of a view by place (as_strided), which reaches entries that the view does not show",
            _LAYOUT,
            theorem="part_of_a_period",
        )
        return whole(step)
    return obstruct(
        step,
        "layout",
        "reads entries by their place in memory (as_strided), which does not move with the image",
        _LAYOUT,
    )


def _has_own_memory(step: Step) -> bool:
    """True where the operand was made by an operation that fills memory of its own, and no place beyond its entries is read."""
    given = step.node.args[0] if step.node.args else step.node.kwargs.get("self")
    maker = given.target if isinstance(given, fx.Node) else None
    if not isinstance(maker, torch._ops.OpOverload) or any(r.alias_info is not None for r in maker._schema.returns):
        return False
    last = sum((int(n) - 1) * int(s) for n, s in zip(step["size"], step["stride"], strict=True))
    entries: int = math.prod(step["self"].shape)
    return 0 <= last + int(step["storage_offset"] or 0) < entries


@rule("aten.as_strided_scatter.default", family="slice, select, index", theorem="part_of_a_period")
def written_by_memory(step: Step) -> Any:
    """Entries written by their place in memory, in a copy of the operand: what lies outside it is not read."""
    return obstruct(
        step,
        "layout",
        "writes entries by their place in memory (as_strided), which does not move with the image",
        _LAYOUT,
    )


__all__ = ["obstruct", "whole"]
