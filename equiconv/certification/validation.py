"""Fuzz a rule: apply its operation to operands in random states and compare every claim with commuting squares.

A rule is sound when no network contradicts it. What an operation does to a tensor depends on how the group acts on it, so its operands are drawn
in many states: rolling dims in any position, halos, crops, strides, several axes in one dim, blocks beside an image, values that do not vary.
"""

from __future__ import annotations

import math
import operator
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, fx

from equiconv.certification.certify import claims_of
from equiconv.certification.checker import Violation, squares
from equiconv.certification.derivation import Derivation, derive
from equiconv.certification.registry import find
from equiconv.certification.states import Constant
from equiconv.graph import Graph, Node, wrapped

aten = torch.ops.aten

SHAPES = ((12, 8), (6, 6), (9, 4), (4, 4), (8, 1), (5, 7), (16, 2))
_LARGEST = 3000


class Unfit(Exception):
    """What was drawn does not suit the operation; another draw may."""


class Draw:
    """A random network under construction: a graph of ATen calls, run as it grows.

    shape: sizes of the group's axes, the last two dims of the input. pool: every tensor made so far, as nodes that calls take for operands.
    """

    def __init__(self, seed: int, shape: Sequence[int] | None = None) -> None:
        self.rng = random.Random(seed)
        self.generator = torch.Generator().manual_seed(seed)
        self.shape: tuple[int, ...] = tuple(shape) if shape is not None else self.rng.choice(SHAPES)
        self.pool: list[fx.Node] = []
        self._graph = fx.Graph()
        self._nodes: list[Node] = []
        self._state: dict[str, Any] = {}
        lead = [self.rng.choice((1, 1, 2, self.shape[0])), self.rng.choice((1, 2, 3, self.shape[-1]))]
        self.input = torch.randn(*lead, *self.shape, generator=self.generator, dtype=torch.float64)
        self.image = self._graph.placeholder("x")
        self._keep(self.image, Node("x", "input", value=self.input), self.input)

    def _keep(self, made: fx.Node, node: Node, value: Any) -> None:
        made.meta["val"] = value
        self._nodes.append(node)
        if isinstance(value, Tensor) and node.kind != "constant":
            self.pool.append(made)

    # Values -------------------------------------------------------------------------------------------------------------

    @staticmethod
    def value(node: fx.Node) -> Any:
        """What the node holds on the drawn input."""
        return node.meta["val"]

    def sizes(self, node: fx.Node) -> list[int]:
        """The shape of the node's tensor."""
        return [int(s) for s in self.value(node).shape]

    def dim(self, node: fx.Node) -> int:
        """One of the node's dims, counted from either end."""
        rank = self.value(node).ndim
        if not rank:
            raise Unfit("a tensor without dims")
        return self.rng.randrange(-rank, rank)

    def normal(self, *shape: int) -> Tensor:
        """Random normal entries."""
        return torch.randn(shape, generator=self.generator, dtype=torch.float64)

    def periodic(self, sizes: Sequence[int]) -> Tensor:
        """A constant of these sizes, along each dim of a random period."""
        periods = [self.rng.choice([p for p in range(1, n + 1) if n % p == 0]) for n in sizes]
        counts = [n // p for n, p in zip(sizes, periods, strict=True)]
        return self.normal(*periods).repeat(counts) if sizes else self.normal()

    def constant(self, value: Tensor) -> fx.Node:
        """A tensor that does not depend on the input."""
        made = self._graph.placeholder("constant")
        self._state[made.name] = value
        self._keep(made, Node(made.name, "constant", path=made.name, value=value), value)
        return made

    def call(self, target: Any, *args: Any, **kwargs: Any) -> fx.Node:
        """Apply an overload. Raises Unfit where it refuses its arguments, or makes nothing, too much or no finite numbers."""
        plain_args, plain_kwargs = fx.node.map_arg((args, kwargs), self.value)
        try:
            with torch.no_grad():
                value = target(*plain_args, **plain_kwargs)
        except (RuntimeError, IndexError, ValueError, NotImplementedError, TypeError) as error:
            raise Unfit(f"{target}: {error}") from error
        results = value if isinstance(value, (list, tuple)) else [value]
        for result in results:
            if isinstance(result, Tensor) and not (_finite(result) and result.numel() <= _LARGEST):
                raise Unfit(f"{target}: makes {result.numel()} entries, or some that are not finite")
        if isinstance(value, Tensor) and not value.numel():
            raise Unfit(f"{target}: makes an empty tensor")
        made = self._graph.call_function(target, args, kwargs)
        self._keep(made, Node(made.name, "operation", target, args, kwargs, value=value), value)
        return made

    def results(self, node: fx.Node) -> list[fx.Node]:
        """The tensors that a call made: itself, or each of its results."""
        value = self.value(node)
        if isinstance(value, Tensor):
            return [node]
        if isinstance(value, (list, tuple)):
            return [
                self.call(operator.getitem, node, i) for i, v in enumerate(value) if isinstance(v, Tensor) and v.numel()
            ]
        return [self.call(aten.mul.Scalar, self.image, value)]

    # Operands -----------------------------------------------------------------------------------------------------------

    def operand(self, rank: int | Sequence[int] | None = None, deep: int = 3) -> fx.Node:
        """A tensor that depends on the input, in a random state, with ``rank`` dims (one of several, or any number)."""
        found = self.rng.choice([self.image, *self.pool])
        for _ in range(self.rng.randrange(deep + 1)):
            found = self.disturb(found)
        if deep and self.rng.random() < 0.35:  # most rules fail on cuts and blocks first
            found = self.disturb(found, (_cut, _cut, _halo, _tokens, _merge))
        if rank is None:
            return found
        return self.with_rank(found, rank if isinstance(rank, int) else self.rng.choice(list(rank)))

    def with_rank(self, node: fx.Node, rank: int) -> fx.Node:
        """The same entries in ``rank`` dims."""
        while len(sizes := self.sizes(node)) > rank:
            ones = [d for d, s in enumerate(sizes) if s == 1]
            if len(sizes) == 1 or (ones and self.rng.random() < 0.7):
                if not ones:
                    raise Unfit("more than one entry for a scalar")
                node = self.call(aten.squeeze.dim, node, self.rng.choice(ones))
            else:
                at = self.rng.randrange(len(sizes) - 1)
                merged = [*sizes[:at], sizes[at] * sizes[at + 1], *sizes[at + 2 :]]
                node = self.call(aten.reshape.default, node, merged)
        while len(sizes) < rank:
            node = self.call(aten.unsqueeze.default, node, self.rng.randrange(len(sizes) + 1))
            sizes = self.sizes(node)
        return node

    def disturb(self, node: fx.Node, changes: Sequence[Change] = ()) -> fx.Node:
        """The node in another state: cut, padded, merged, repeated, joined, …; itself where the drawn change does not fit."""
        try:
            return self.rng.choice(changes or _CHANGES)(self, node)
        except (Unfit, ValueError, IndexError):
            return node

    def beside(self, node: fx.Node, constant: float = 0.4) -> fx.Node:
        """A second operand that broadcasts with ``node``: a constant with or without symmetries, or a tensor that moves alike, or otherwise."""
        sizes = self.sizes(node)
        if self.rng.random() < constant:
            return self.constant(self.periodic([s if self.rng.random() < 0.6 else 1 for s in sizes]))
        alike = [n for n in self.pool if self.sizes(n) == sizes and self.value(n).is_floating_point()]
        choice = self.rng.randrange(6)
        if choice == 0 and alike:
            return self.rng.choice(alike)
        if choice == 1 and sizes:
            return self.call(aten.mean.dim, node, [self.dim(node)], True)
        if choice == 2 and sizes:
            return self.call(aten.flip.default, node, [self.dim(node)])
        if choice == 3 and sizes:
            return self.call(aten.roll.default, node, [self.rng.randrange(1, 4)], [self.dim(node)])
        square = [(a, b) for a in range(len(sizes)) for b in range(a) if sizes[a] == sizes[b] > 1]
        if choice == 4 and square:
            return self.call(aten.transpose.int, node, *self.rng.choice(square))
        if choice == 5 and len(sizes) > 1:
            return self.call(aten.select.int, node, 0, self.rng.randrange(sizes[0]))
        return self.call(aten.tanh.default, node)

    def integers(self, node: fx.Node) -> fx.Node:
        """The node's values as small whole numbers."""
        return self.call(aten._to_copy.default, self.call(aten.mul.Scalar, node, 3.0), dtype=torch.int64)

    def truth(self, node: fx.Node) -> fx.Node:
        """Where the node's values are positive."""
        return self.call(aten.gt.Scalar, node, 0.0)

    def complex(self, node: fx.Node) -> fx.Node:
        """A complex tensor of the node's values."""
        return self.call(aten.mul.Scalar, node, complex(0.5, 2.0))

    def graph(self, outputs: Sequence[fx.Node] = ()) -> Graph:
        """The network as it stands; ``outputs`` defaults to the last tensor."""
        chosen = list(outputs) or self.pool[-1:]
        named = tuple((f"output{i}", node.name) for i, node in enumerate(chosen))
        return Graph(tuple(self._nodes), ("x",), ("x",), named, self._state, (), None)

    def __str__(self) -> str:
        lines = []
        for node in self._nodes:
            size = list(node.value.shape) if isinstance(node.value, Tensor) else ""
            words = f"{node.operation}{(*node.args, *node.kwargs.values())}" if node.kind == "operation" else node.kind
            lines.append(f"  {node.name} = {words}  {size}")
        return "\n".join(lines)


def _finite(value: Tensor) -> bool:
    return bool(torch.isfinite(value).all())


Change = Callable[[Draw, fx.Node], fx.Node]


def _cut(draw: Draw, x: fx.Node) -> fx.Node:
    d = draw.dim(x)
    n = draw.sizes(x)[d]
    return draw.call(aten.slice.Tensor, x, d, draw.rng.randrange(3), n - draw.rng.randrange(3))


def _every(draw: Draw, x: fx.Node) -> fx.Node:
    return draw.call(aten.slice.Tensor, x, draw.dim(x), draw.rng.randrange(2), None, draw.rng.choice((2, 3)))


def _one(draw: Draw, x: fx.Node) -> fx.Node:
    d = draw.dim(x)
    return draw.call(aten.narrow.default, x, d, draw.rng.randrange(draw.sizes(x)[d]), 1)


def _halo(draw: Draw, x: fx.Node) -> fx.Node:
    d = draw.dim(x)
    n = draw.sizes(x)[d]
    a, b = (draw.rng.randrange(min(4, n)) for _ in range(2))
    cuts = [draw.call(aten.narrow.default, x, d, n - a, a)] if a else []
    cuts += [x, draw.call(aten.narrow.default, x, d, 0, b)] if b else [x]
    return draw.call(aten.cat.default, cuts, d)


def _merge(draw: Draw, x: fx.Node) -> fx.Node:
    return draw.with_rank(x, draw.value(x).ndim - 1)


def _divide(draw: Draw, x: fx.Node) -> fx.Node:
    sizes = draw.sizes(x)
    d = draw.dim(x) % len(sizes)
    factors = [f for f in range(2, sizes[d]) if sizes[d] % f == 0]
    f = draw.rng.choice(factors or [1])
    if len(sizes) > 5:
        raise Unfit("many dims")
    return draw.call(aten.reshape.default, x, [*sizes[:d], sizes[d] // f, f, *sizes[d + 1 :]])


def _tokens(draw: Draw, x: fx.Node) -> fx.Node:
    sizes = draw.sizes(x)
    d = draw.dim(x) % len(sizes)
    shape = [draw.rng.randrange(1, 3) if i == d else s for i, s in enumerate(sizes)]
    value = draw.periodic(shape) if draw.rng.random() < 0.4 else draw.normal(1).expand(shape).clone()
    parts = [draw.constant(value), x]
    draw.rng.shuffle(parts)
    return draw.call(aten.cat.default, parts, d)


def _zeros(draw: Draw, x: fx.Node) -> fx.Node:
    pads = [draw.rng.choice((0, 1, 2, -1)) for _ in range(2 * min(2, draw.value(x).ndim))]
    return draw.call(aten.constant_pad_nd.default, x, pads, draw.rng.choice((0.0, 1.5)))


def _even(draw: Draw, x: fx.Node) -> fx.Node:
    sizes = draw.sizes(x)
    mean = draw.call(aten.mean.dim, x, [draw.dim(x)], True)
    return draw.call(aten.expand.default, mean, sizes)


def _mean(draw: Draw, x: fx.Node) -> fx.Node:
    return draw.call(aten.mean.dim, x, [draw.dim(x)], draw.rng.random() < 0.6)


def _order(draw: Draw, x: fx.Node) -> fx.Node:
    order = list(range(draw.value(x).ndim))
    draw.rng.shuffle(order)
    return draw.call(aten.permute.default, x, order)


def _reverse(draw: Draw, x: fx.Node) -> fx.Node:
    return draw.call(aten.flip.default, x, [draw.dim(x)])


def _widen(draw: Draw, x: fx.Node) -> fx.Node:
    return draw.call(aten.repeat_interleave.self_int, x, draw.rng.choice((2, 3)), draw.dim(x))


def _again(draw: Draw, x: fx.Node) -> fx.Node:
    rank = draw.value(x).ndim
    d = draw.dim(x) % rank
    return draw.call(aten.repeat.default, x, [2 if i == d else 1 for i in range(rank)])


def _twice(draw: Draw, x: fx.Node) -> fx.Node:
    parts = [x, draw.call(aten.sigmoid.default, x)]
    draw.rng.shuffle(parts)
    return draw.call(aten.cat.default, parts, draw.dim(x))


def _constant(draw: Draw, x: fx.Node) -> fx.Node:
    target = draw.rng.choice((aten.add.Tensor, aten.mul.Tensor))
    return draw.call(target, x, draw.beside(x, constant=1.0))


def _meet(draw: Draw, x: fx.Node) -> fx.Node:
    return draw.call(aten.add.Tensor, x, draw.beside(x, constant=0.0))


def _nonlinear(draw: Draw, x: fx.Node) -> fx.Node:
    return draw.call(draw.rng.choice((aten.sigmoid.default, aten.sin.default)), x)


_CHANGES: tuple[Change, ...] = (
    _cut,
    _every,
    _one,
    _halo,
    _merge,
    _divide,
    _tokens,
    _zeros,
    _even,
    _mean,
    _order,
    _reverse,
    _widen,
    _again,
    _twice,
    _constant,
    _meet,
    _nonlinear,
)

Sample = Callable[[Draw], Any]


@dataclass(frozen=True)
class RuleReport:
    """What fuzzing a rule found. True as a condition when no claim failed and at least one of the operation's own claims was more than the zero shift.

    target: the operation. networks: how many were drawn. undecided: those that the rule did not cover. claims: commuting squares compared, over all
    tensors. kept: networks in which the rule kept a shift other than 0. violations: claims that a network contradicts, each with the network's text.
    """

    target: str
    networks: int
    undecided: int
    claims: int
    kept: int
    violations: tuple[tuple[Violation, str], ...]

    def __bool__(self) -> bool:
        return not self.violations and self.kept > 0

    def __str__(self) -> str:
        head = f"{self.target}: {self.networks} networks, {self.undecided} undecided, {self.kept} keep a shift, {self.claims} commuting squares"
        if not self.violations:
            return head + ": all hold" if self.kept else head + ": nothing was claimed of it"
        found, text = self.violations[0]
        return f"{head}: {len(self.violations)} FAIL, first {found}\n{text}"


def apply(draw: Draw, target: Any, sample: Sample) -> tuple[fx.Node, list[fx.Node]]:
    """Call ``target`` on what ``sample`` draws: the call, and its tensors. Raises Unfit."""
    try:
        drawn = sample(draw)
    except (IndexError, ValueError, ZeroDivisionError) as error:
        raise Unfit(f"the sample found nothing to draw from: {error}") from error
    args, kwargs = drawn if isinstance(drawn, tuple) and len(drawn) == 2 and isinstance(drawn[1], dict) else (drawn, {})
    call = draw.call(target, *(args if isinstance(args, tuple) else (args,)), **kwargs)
    return call, draw.results(call)


def overload(target: str) -> Any:
    """The operation of a rule's target, such as ``aten.relu.default``. Raises ValueError for a name that torch does not have."""
    if target == "getitem":
        return operator.getitem
    found: Any = torch.ops
    for part in target.split("."):
        found = getattr(found, part, None)
    if not isinstance(found, torch._ops.OpOverload):
        raise ValueError(
            f"target: torch has no operation {target!r}; name an overload in full, such as 'aten.relu.default', and import "
            "what registers it first"
        )
    return found


def validate_rule(target: str, sample: Sample, networks: int = 40, seed: int = 0) -> RuleReport:
    """Fuzz the rule of an operation: draw operands in random states, apply the operation, compare every claim with commuting squares.

    Parameters
    ----------
    target: the overload's name in full, such as ``mylib.my_relu.default``; it must have a rule.
    sample: a function of a :class:`Draw` that returns the arguments of one call: a tuple, or a tuple and a dict of keywords. ``draw.operand(rank)`` is a
        tensor in a random state, ``draw.beside(x)`` one that broadcasts with x, ``draw.constant(tensor)`` a constant; ``draw.rng`` draws numbers.
    networks: how many to draw, each of them analysed as it stands and as though padding wrapped. seed: of the first.

    Returns
    -------
    RuleReport: true where every claim held and the rule kept a shift in at least one network.

    Raises
    ------
    ValueError: torch has no such operation, it has no rule, or no draw suits it.

    Examples
    --------
    >>> from equiconv.certification import validate_rule
    >>> bool(validate_rule("aten.flip.default", lambda draw: ((x := draw.operand()), [draw.dim(x)]), networks=10))
    True
    """
    operation = overload(target)
    if find(operation) is None:
        raise ValueError(f"target: {target} has no rule to validate; add one with equiconv.certification.rule")
    drawn = undecided = claims = kept = 0
    violations: list[tuple[Violation, str]] = []
    for attempt in range(20 * networks):
        if drawn == networks:
            break
        draw = Draw(seed * 1_000_003 + attempt)
        try:
            call, results = apply(draw, operation, sample)
        except Unfit:
            continue
        drawn += 1
        names = {call.name, *(node.name for node in results)}
        graph = draw.graph(results)
        for circular in (False, True):
            derivation = derive(graph, draw.shape, {"x": (2, 3)}, circular=circular)
            made = claims_of(graph, derivation)
            override = {n: wrapped(graph[n], w.dims) for n, w in derivation.wrapped.items()}
            report = squares(graph, [draw.input], {"x": (2, 3)}, draw.shape, made, override)
            claims += report.claims
            found = [*report.violations, *_wrong_constants(draw, graph, derivation)]
            violations += [(v, f"circular={circular}, {draw.shape}\n{draw}") for v in found]
            if not circular:
                undecided += any(u.node in names for u in derivation.unknown)
                fixed = isinstance(derivation.states[call.name], Constant)
                kept += fixed or any(_more(c.state.strides, draw.shape) for c in made if c.node in names)
    if not drawn:
        raise ValueError(f"sample: none of {20 * networks} draws suits {target}; return arguments that it takes")
    return RuleReport(target, drawn, undecided, claims, kept, tuple(violations))


def _wrong_constants(draw: Draw, graph: Graph, derivation: Derivation) -> list[Violation]:
    """Constants that the derivation worked out and that are not what the network holds."""
    found = []
    for node in graph.nodes:
        state = derivation.states[node.name]
        valued = isinstance(state, Constant) and isinstance(node.value, Tensor) and not state.generic
        if valued and not torch.equal(state.value, node.value):
            found.append(
                Violation(
                    node.name, node.operation, "", (0,) * len(draw.shape), float((state.value != node.value).sum()), 0.0
                )
            )
    return found


def _more(strides: Sequence[int], shape: Sequence[int]) -> bool:
    """True for a subgroup with another shift than 0."""
    return math.prod(strides) < math.prod(shape)


__all__ = ["SHAPES", "Draw", "RuleReport", "Sample", "Unfit", "apply", "overload", "validate_rule"]
