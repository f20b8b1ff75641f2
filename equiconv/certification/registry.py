"""The rules: what each operation does to a group's action, by ATen name.

A missing rule is never guessed: the operation is reported as unknown and the verdict is "undecided".
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

import torch

from equiconv.certification.step import Step

Transfer: TypeAlias = Callable[[Step], Any]


@dataclass(frozen=True)
class Rule:
    """How an operation transforms what is known of its operands.

    target: the overload's name, such as ``aten.conv2d.default``. family: its row in the documentation. theorem: the law it rests on.
    digits: the transfer understands :class:`~equiconv.certification.states.Digit` factors; any other never sees one.
    spectral: it knows what to do with the phases of a spectrum (:class:`~equiconv.certification.states.Frequency`); for any other rule the shifts
    that turn one are given up before it runs.
    """

    target: str
    family: str
    theorem: str
    transfer: Transfer
    digits: bool = False
    spectral: bool = False


RULES: dict[str, Rule] = {}


def rule(
    *targets: str, family: str, theorem: str, digits: bool = False, spectral: bool = False
) -> Callable[[Transfer], Transfer]:
    """Register a transfer function for operations named in full (``aten.relu.default``); a second rule for one name is refused.

    The function receives a :class:`~equiconv.certification.step.Step` and returns a Signal (or a tuple of them, one an output). Unless it says
    ``digits=True``, the digits of its operands are paid for before it runs: each stays put or rolls by itself. Unless it says ``spectral=True``, the
    shifts that turn an entry of a spectrum are given up before it runs.
    """

    def register(transfer: Transfer) -> Transfer:
        for target in targets:
            if target in RULES:
                raise ValueError(
                    f"rule: {target} has a rule already, in {RULES[target].transfer.__module__}; remove one of the two"
                )
            RULES[target] = Rule(target, family, theorem, transfer, digits, spectral)
        return transfer

    return register


def find(target: Any) -> Rule | None:
    """The rule for an overload, or None. Operations that torch tags as pointwise and deterministic share one rule."""
    name = "getitem" if target is operator.getitem else str(target)
    if name in RULES:
        return RULES[name]
    if isinstance(target, torch._ops.OpOverload):
        tags = target.tags
        # aten.equal carries the tag too, though it compares whole tensors: only operations that return one tensor are entry by entry.
        tensors = [isinstance(r.type, torch.TensorType) for r in target._schema.returns] == [True]
        if (
            torch.Tag.pointwise in tags
            and torch.Tag.nondeterministic_seeded not in tags
            and not target._schema.is_mutable
            and tensors
        ):
            return RULES["pointwise"]
    return None


#: Words in the names of functions of what lies in memory beside their operands' entries.
_BY_MEMORY = ("empty", "as_strided", "resize", "_reshape_alias", "set_")


def of_invariants(target: Any) -> Rule | None:
    """The rule for an operation without one of its own whose operands the group leaves alone: then it leaves the result alone.

    Only for torch's own functions, which compute the same on the same operands: none that draws numbers, leaves memory as it was, writes to
    an argument, or makes a tensor whose size depends on values. A user's operation may do anything, so it needs a rule of its own.
    """
    if not isinstance(target, torch._ops.OpOverload) or target.namespace not in ("aten", "prims"):
        return None
    tags = (torch.Tag.nondeterministic_seeded, torch.Tag.dynamic_output_shape, torch.Tag.data_dependent_output)
    if any(tag in target.tags for tag in tags) or target._schema.is_mutable:
        return None
    if any(word in str(target) for word in _BY_MEMORY):
        return None
    return RULES["of invariants"]


def is_random(target: Any) -> bool:
    """True for an operation that draws random numbers."""
    return isinstance(target, torch._ops.OpOverload) and torch.Tag.nondeterministic_seeded in target.tags
