"""Recurrent layers: a function of the whole sequence and of all features, the same for every member of the batch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from equiconv.certification.registry import rule
from equiconv.certification.rules.contraction import Operand, fibres
from equiconv.certification.states import Constant, Dim, Signal
from equiconv.certification.step import Step, UnknownOperation, signals_in, still

THEOREM = "partial_reduction"
CAUSE, REMEDY = "order", "let it run along another dim, or use an aggregate of the whole axis"


@rule(
    "aten.lstm.input",
    "aten.gru.input",
    "aten.rnn_tanh.input",
    "aten.rnn_relu.input",
    family="reduction",
    theorem=THEOREM,
)
def recurrent(step: Step) -> Any:
    """(time, batch, features), or batch first: time and features are read in order, the batch is what they are read for."""
    x = step.signal("input")
    states = step["hx"] if isinstance(step["hx"], (list, tuple)) else [step["hx"]]
    if signals_in(step["params"]):
        raise UnknownOperation("its weights depend on the input; a rule would have to say how they move")
    sequence = ["b", "t", "f"] if step["batch_first"] else ["t", "b", "f"]
    return _claims(step, [(x, sequence), *((_operand(step, h), ["l", "b", "h"]) for h in states)], sequence.index("b"))


@rule(
    "aten.lstm_cell.default",
    "aten.gru_cell.default",
    "aten.rnn_tanh_cell.default",
    "aten.rnn_relu_cell.default",
    family="reduction",
    theorem=THEOREM,
)
def cell(step: Step) -> Any:
    """One step: (batch, features) and the state before it to the state after it."""
    x = step["input"]
    states = step["hx"] if isinstance(step["hx"], (list, tuple)) else [step["hx"]]
    if signals_in([step.arguments.get(name) for name in ("w_ih", "w_hh", "b_ih", "b_hh")]):
        raise UnknownOperation("its weights depend on the input; a rule would have to say how they move")
    return _claims(step, [(_operand(step, x), ["b", "f"]), *((_operand(step, h), ["b", "h"]) for h in states)], 0)


def _operand(step: Step, operand: Any) -> Signal | Constant:
    if isinstance(operand, Signal):
        return step.settle(operand)
    if isinstance(operand, Constant):
        return operand
    raise UnknownOperation("one of its states is no tensor")


def _claims(step: Step, operands: Sequence[Operand], batch: int) -> Any:
    """The batch moves as it did; every other dim of a result is read in order, and is still."""
    (along,) = fibres(
        step,
        operands,
        ["b"],
        CAUSE,
        "a recurrent layer runs along the {axes} from a fixed starting position, or reads it as features",
        REMEDY,
    )
    value = step.node.value
    results = value if isinstance(value, (list, tuple)) else [value]
    claims = []
    for number, tensor in enumerate(results):
        shape = [int(s) for s in tensor.shape]
        # The first result of a sequence is laid out as the input is, the states after it are (layers, batch, features).
        at = batch if number == 0 or len(shape) == 2 else 1
        dims: list[Dim] = [along if d == at else still(s) for d, s in enumerate(shape)]
        claims.append(step.result(dims, shape))
    return claims if isinstance(value, (list, tuple)) else claims[0]
