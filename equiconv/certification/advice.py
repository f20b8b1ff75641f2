"""What to do about operations without a rule: what a rule for each would have to say, and how one is written."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from equiconv.certification.states import Signal
from equiconv.certification.step import Step


def wanted(step: Step, known: bool) -> str:
    """What a rule for the operation at hand would have to say. known: nothing before it lacks a rule."""
    names = [f"{name} is {operand}" for name, operand in step.arguments.items() if isinstance(operand, Signal)]
    if not known:
        given = "how its operands move is not known either, for want of a rule before it"
    elif names:
        given = "a shift moves its operands so: " + "; ".join(names)
    else:
        given = "its operands are no plain tensors"
    return f"no rule; one would have to say how a shift moves {_results(step.node.value)}, where {given}"


def _results(value: Any) -> str:
    results = [v for v in (value if isinstance(value, (list, tuple)) else [value]) if isinstance(v, Tensor)]
    if not results:
        return "what it returns"
    shapes = [str([int(s) for s in v.shape]) for v in results]
    return f"its {'result' if len(shapes) == 1 else 'results'} of shape {', '.join(shapes)}"


def how_to_decide(operations: Sequence[str]) -> list[str]:
    """Lines that say how to write rules for these operations, given by name.

    >>> print("\\n".join(how_to_decide(["mylib.my_relu.default"])))
    to decide it, write a rule for it (docs/certifier.md); where every entry of its result depends only on the entries of its operands at the same place:
        from equiconv.certification import rule
        @rule("mylib.my_relu.default", family="pointwise", theorem="pointwise")
        def entry_by_entry(step):
            return step.result(step.signal("x").dims)
    then certificate.check(model, x) compares what it claims with what the operation does. Or certify the parts of the model on either side of it.
    """
    names = list(dict.fromkeys(operations))
    mine = [name for name in names if not name.startswith(("aten.", "prims."))] or names
    operand = _first_operand(mine[0])
    one = len(names) == 1
    it = "it" if one else "them"
    quoted = ", ".join(f'"{name}"' for name in mine)
    return [
        f"to decide it, write a rule for {'it' if one else 'each'} (docs/certifier.md); where every entry of "
        f"{'its' if one else 'a'} result depends only on the entries of {'its' if one else 'the'} operands at the same place:",
        "    from equiconv.certification import rule",
        f'    @rule({quoted}, family="pointwise", theorem="pointwise")',
        "    def entry_by_entry(step):",
        f'        return step.result(step.signal("{operand}").dims)',
        f"then certificate.check(model, x) compares what it claims with what the operation does. Or certify the parts of the model on either side of {it}.",
    ]


def _first_operand(name: str) -> str:
    """Name of the operation's first tensor, by its schema; x where the operation is not loaded."""
    parts = name.split(".")
    try:
        overload = getattr(getattr(getattr(torch.ops, parts[0]), parts[1]), parts[2])
        return str(next(a.name for a in overload._schema.arguments if isinstance(a.type, torch.TensorType)))
    except (AttributeError, IndexError, RuntimeError, StopIteration):
        return "x"
