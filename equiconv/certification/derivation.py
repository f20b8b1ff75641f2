"""The derivation: push the group through a graph, one rule an operation, and record every loss."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

import torch
from torch import Tensor, fx
from torch.utils import _pytree as pytree

import equiconv.certification.rules  # noqa: F401  (fills the registry)
from equiconv.certification.advice import wanted
from equiconv.certification.registry import find, is_random, of_invariants
from equiconv.certification.spectra import give_up_spectra, has_spectrum, turns_real_numbers
from equiconv.certification.states import Constant, Dim, Signal, Window
from equiconv.certification.step import Loss, Step, UnknownOperation, constants_in, signals_in, still
from equiconv.graph import Graph, Node, without_values
from equiconv.graph.wrapping import WRAPPABLE, bind


@dataclass(frozen=True)
class Unknown:
    """An operation that the derivation could not pass, and what a rule for it would have to say."""

    node: str
    operation: str
    reason: str


@dataclass(frozen=True)
class Wrap:
    """A padding that was taken to wrap: the dims of the operand it concerns, K before it, and the group axes it would have cost."""

    dims: tuple[int, ...]
    before: tuple[int, ...]
    axes: tuple[int, ...]


@dataclass
class Derivation:
    """What one pass over the graph found.

    states: claim of every node (Signal, Constant, or a list of them for several results). outputs: the claims of the graph's outputs
    without digits. losses: every shrink, in order.
    wrapped: nodes whose padding was taken to wrap. unknown: operations without a rule. behind: nodes that such an operation reaches.
    of_invariants: nodes whose own rule does not cover their use, and whose operands K leaves alone.
    """

    states: dict[str, Any] = field(default_factory=dict)
    outputs: dict[str, Signal] = field(default_factory=dict)
    losses: list[Loss] = field(default_factory=list)
    wrapped: dict[str, Wrap] = field(default_factory=dict)
    unknown: list[Unknown] = field(default_factory=list)
    behind: set[str] = field(default_factory=set)
    of_invariants: set[str] = field(default_factory=set)


def derive(
    graph: Graph,
    shape: tuple[int, ...],
    moved: Mapping[str, tuple[int, ...]],
    circular: bool = False,
    generic: bool = False,
    accept: Callable[[Node, Any], Any] | None = None,
) -> Derivation:
    """Derive the claim of every node.

    shape: sizes of the group's axes. moved: for each input that the group acts on, the dims that carry its axes. circular: as though every
    padding wrapped. generic: do not use the values of parameters. accept: called with every node and what its rule makes of its operands; what it
    returns is the node's claim (a checker of proofs puts in what was claimed before).
    """
    found = Derivation()
    values = found.states
    for node in graph.nodes:
        if node.kind == "input":
            values[node.name] = _input(node, shape, moved.get(node.name))
        elif node.kind == "subgraph":
            values[node.name] = None
        elif node.kind != "operation":
            value = graph.state[node.name]
            if generic and node.kind == "parameter":
                value = without_values(value)
            values[node.name] = Constant(value, label=f"{node.kind} {node.path}" if node.path else "a constant")
        else:
            values[node.name] = _operation(node, values, shape, circular, found)
            if (found.unknown and found.unknown[-1].node == node.name) or not found.behind.isdisjoint(node.inputs):
                found.behind.add(node.name)
        if accept is not None:
            values[node.name] = accept(node, values[node.name])
    for _, name in graph.outputs:
        # What is returned rolls dim by dim: nobody can be asked to turn an odometer back.
        if isinstance(state := values[name], Signal):
            step = Step(graph[name], {"output": state}, shape, circular)
            step.pay_all()
            found.outputs[name] = step.settle(state)
            found.losses.extend(step.losses)
    return found


def _input(node: Node, shape: tuple[int, ...], dims: tuple[int, ...] | None) -> Any:
    if not isinstance(node.value, Tensor):
        return node.value  # a number or None: fixed for the graph
    sizes = [int(d) for d in node.value.shape]
    factors: list[Dim] = [still(size) for size in sizes]
    for axis, dim in enumerate(dims or ()):
        if shape[axis] > 1:
            factors[dim] = (Window(shape[axis], axis, Fraction(1), shape[axis]),)
    return Signal((1,) * len(shape), tuple(factors))


def _operation(node: Node, values: Mapping[str, Any], shape: tuple[int, ...], circular: bool, found: Derivation) -> Any:
    args, kwargs = fx.node.map_arg((node.args, dict(node.kwargs)), lambda n: values[n.name])
    is_overload = isinstance(node.target, torch._ops.OpOverload)
    random = is_random(node.target) and not draws_nothing(node, kwargs, args)
    if is_overload:
        arguments = bind(node.target, args, kwargs)
    else:
        arguments = {str(i): a for i, a in enumerate(args)} | dict(kwargs)
    step = Step(node, arguments, shape, circular)
    # Behind an operation without a rule nothing seems to move: there every operation needs a rule, so that all that lack one are named.
    known = found.behind.isdisjoint(node.inputs)
    try:
        if random:
            raise UnknownOperation("it draws random numbers, so the output is no function of the input")
        if is_overload and node.target._schema.is_mutable:
            raise UnknownOperation("it writes to its argument, and export should have removed that")
        if known and _is_empty(node):
            return Constant(torch.empty(node.value.shape, dtype=node.value.dtype), False, "an empty tensor")
        if not signals_in((args, kwargs)) and not _has_none_subgraph(node, values):
            return _constant(node, args, kwargs)
        rule = find(node.target)
        if rule is None and known and _unmoved(step):
            rule = of_invariants(node.target)
        if rule is None:
            raise UnknownOperation(wanted(step, known))
        step.theorem = rule.theorem
        # A digit and a spectrum never meet in a rule: the digits of a tensor with phases are paid for.
        if not rule.digits or any(map(has_spectrum, signals_in(step.arguments))):
            step.pay_all()
        if not rule.spectral:
            give_up_spectra(step)
        try:
            result = rule.transfer(step)
        except AssertionError:
            raise
        except Exception:
            # A use that the rule did not foresee (a tensor without dims) is covered all the same where no operand moves.
            step = Step(node, arguments, shape, circular)
            rest = of_invariants(node.target) if known and _unmoved(step) else None
            if rest is None or rest is rule:
                raise
            step.theorem = rest.theorem
            result = rest.transfer(step)
            found.of_invariants.add(node.name)
        if turns_real_numbers(result, node.value, shape):
            raise AssertionError("it claims that a shift turns real numbers by phases other than signs")
        if step.wrapped and node.operation not in WRAPPABLE:
            raise AssertionError("its padding was taken to wrap, but nothing can run it so")
    except UnknownOperation as error:
        found.unknown.append(Unknown(node.name, node.operation, str(error)))
        return _nothing_known(node, shape)
    except AssertionError as error:
        found.unknown.append(
            Unknown(node.name, node.operation, f"its rule contradicted itself, so its claim is dropped ({error})")
        )
        return _nothing_known(node, shape)
    except Exception as error:  # noqa: BLE001  (a use that no rule foresaw must end as "undecided", whatever it trips over)
        found.unknown.append(
            Unknown(node.name, node.operation, f"its rule does not cover this use ({type(error).__name__}: {error})")
        )
        return _nothing_known(node, shape)
    found.losses.extend(step.losses)
    if step.wrapped:
        before = tuple(Step(node, arguments, shape, circular).strides)
        found.wrapped[node.name] = Wrap(tuple(sorted(step.wrapped)), before, step.wrapped_axes)
    return result


def _unmoved(step: Step) -> bool:
    """True where K leaves every operand alone."""
    return not any(step.moving_axes(signal.dims) for signal in signals_in(step.arguments))


def draws_nothing(node: Node, kwargs: Mapping[str, Any], args: Sequence[Any]) -> bool:
    """Dropout out of training, and attention without dropout, draw nothing."""
    name = node.operation
    if name in (
        "aten.dropout.default",
        "aten.native_dropout.default",
        "aten.feature_dropout.default",
        "aten.alpha_dropout.default",
    ):
        bound = bind(node.target, args, kwargs)
        return not bound["train"] or bound["p"] == 0
    if name.startswith(
        ("aten.lstm.", "aten.gru.", "aten.rnn_")
    ):  # tagged as random for the dropout between layers in training
        bound = bind(node.target, args, kwargs)
        return not bound["train"] or bound["dropout"] == 0
    if "scaled_dot_product" in name:
        return not bind(node.target, args, kwargs).get("dropout_p")
    if name in ("aten.rrelu.default", "aten.rrelu_with_noise.default"):
        return not bind(node.target, args, kwargs)["training"]
    return False


def _is_empty(node: Node) -> bool:
    """True for a tensor that never has an entry, and so nothing that could depend on the input (sizes that depend on it are not fixed)."""
    fixed = isinstance(node.target, torch._ops.OpOverload) and torch.Tag.dynamic_output_shape not in node.target.tags
    return fixed and isinstance(node.value, Tensor) and 0 in node.value.shape


def _has_none_subgraph(node: Node, values: Mapping[str, Any]) -> bool:
    return any(name in values and values[name] is None for name in node.inputs)


def _constant(node: Node, args: Any, kwargs: Any) -> Any:
    """Evaluate an operation whose operands do not depend on the input."""
    constants = constants_in((args, kwargs))
    names = list(dict.fromkeys(c.label for c in constants if c.label != "a constant"))
    label = names[0] if len(names) == 1 else "a constant"
    # Of weights that must not be used and of uninitialised memory only the shape is known, and so of what is made from them.
    if any(c.generic for c in constants) or "empty" in node.operation:
        if not isinstance(node.value, (Tensor, list, tuple)) and "sym_" not in node.operation:
            raise UnknownOperation("it reads a number off weights that are not to be used")
        return pytree.tree_map(
            lambda v: Constant(without_values(v), label=label) if isinstance(v, Tensor) else v, node.value
        )
    plain_args, plain_kwargs = pytree.tree_map(
        lambda v: v.value if isinstance(v, Constant) else torch.device("cpu") if v == torch.device("meta") else v,
        (args, kwargs),
        is_leaf=lambda v: isinstance(v, Constant),
    )
    with torch.no_grad():
        value = node.target(*plain_args, **plain_kwargs)
    if isinstance(value, (list, tuple)):
        return [Constant(v, label=label) if isinstance(v, Tensor) else v for v in value]
    return Constant(value, label=label) if isinstance(value, Tensor) else value


def _nothing_known(node: Node, shape: tuple[int, ...]) -> Any:
    def claim(value: Any) -> Any:
        if isinstance(value, Tensor):
            return Signal(tuple(shape), tuple(still(int(d)) for d in value.shape))
        # A number read off a tensor is a tensor without dims, so that what it enters does not pass for a constant.
        return (
            Signal(tuple(shape), ())
            if isinstance(value, (bool, int, float, torch.SymInt, torch.SymFloat, torch.SymBool))
            else value
        )

    if isinstance(node.value, (list, tuple)):
        return [claim(v) for v in node.value]
    return claim(node.value)
