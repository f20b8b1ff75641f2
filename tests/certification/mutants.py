"""Perturbed rules: the certifier's own source with one thing wrong, and the samples that must notice it.

A mutant is one change of the syntax tree, in the direction that claims too much. Its functions replace the code of the true ones for as long as a
judgement lasts. Only networks that run the changed line are asked, so that hundreds of mutants take minutes.
"""

from __future__ import annotations
import __future__

import ast
import copy
import importlib
import random
import signal
import sys
import types
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

import torch
from torch._subclasses.fake_tensor import FakeTensor

from equiconv.certification import RULES, rules
from equiconv.certification.certify import claims_of
from equiconv.certification.checker import SLACK, layout_error, square_error
from equiconv.certification.derivation import Derivation, derive
from equiconv.certification.refutation import shifted
from equiconv.certification.states import Constant
from equiconv.certification.validation import Draw, Unfit, apply, overload
from equiconv.graph import Graph, capture, wrapped
from tests.certification import directed_rules, directed_states
from tests.certification.networks import SHAPE, cases
from tests.certification.samples import SAMPLES, network

#: A statement of several lines runs as some of them: a mutant counts as run when a line this near to it did.
REACH = 3
#: A judgement takes milliseconds; what takes so long pays for the same digits for ever.
CPU_SECONDS = 2
MOVED = {"x": (2, 3)}
ROOM = "equiconv.certification"
MODULES = (
    f"{ROOM}.moves",
    f"{ROOM}.alignment",
    f"{ROOM}.step",
    f"{ROOM}.states",
    f"{ROOM}.digits",
    f"{ROOM}.rolling",
    f"{ROOM}.spectra",
    f"{ROOM}.phases",
    *sorted(f"{ROOM}.rules.{path.stem}" for path in Path(str(rules.__file__)).parent.glob("[!_]*.py")),
)
#: Calls that give symmetry up: a mutant leaves one out.
GIVING_UP = {
    "shrink",
    "shrink_to_step",
    "give_up",
    "reduce",
    "pay",
    "pay_all",
    "quench",
    "give_up_phases",
    "give_up_spectra",
    "give_up_by_cast",
    "_ordered",
    "channels_mixed",
    "_check_roll",
    "_entry",
}


#: Mutants by name that no network can tell from the certifier, that can only claim less, or that claim more and rightly; and why.
EQUIVALENT = {
    "alignment._coincide: permutes(a, axis) always": "what moves like a permutation and is none has crops of one entry, of which nothing is claimed",
    "alignment._fixed: uniform, not still(size)": "only the permutation of the dim is read, and that of both is the identity",
    "alignment._torn: without forget": "tells windows apart by the names of their signals: more digits are paid for, never fewer",
    "phases._dim_of: without forget": "tells windows apart by the names of their signals: more phases are given up, never fewer",
    "rules.fourier.transform: without give_up": "says which length was asked for; _lost gives up the same axis for another cause",
    "rules.shape.blocks: uniform, not still(part.shape[d]) (2)": "that dim is dropped from the state that is kept, and it moves in neither",
}


@dataclass(frozen=True)
class Mutant:
    """What was changed: change ``number`` of the module's statement ``at``. ``name`` says where without a line, so that it outlives other changes."""

    module: str
    line: int
    says: str
    name: str
    at: int
    number: int

    @property
    def about_conditions(self) -> bool:
        """True for a condition with a part left out, which may well claim less; the others claim too much, or move wrongly."""
        return " in " in self.says and self.says.startswith("without")

    def __str__(self) -> str:
        return f"{self.name}, line {self.line}"


# Changes of the syntax tree -------------------------------------------------------------------------------------------

Change = Callable[[], None]


def _changes(tree: ast.AST) -> Iterator[tuple[int, str, Change]]:
    """Every change of a syntax tree: the line, what it says, and a function that makes it in the tree."""
    for parent in ast.walk(tree):
        for name, value in ast.iter_fields(parent):
            for at, node in enumerate(value if isinstance(value, list) else [value]):
                if isinstance(node, ast.AST):
                    place = (parent, name, at if isinstance(value, list) else None)
                    for says, new in _instead(node, parent):
                        yield node.lineno, says, _replace(place, new)


def _replace(place: tuple[ast.AST, str, int | None], new: ast.AST) -> Change:
    def change() -> None:
        parent, name, at = place
        old = getattr(parent, name) if at is None else getattr(parent, name)[at]
        ast.fix_missing_locations(ast.copy_location(new, old))
        if at is None:
            setattr(parent, name, new)
        else:
            getattr(parent, name)[at] = new

    return change


def _called(node: ast.AST) -> str:
    if not isinstance(node, ast.Call):
        return ""
    return node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")


def _instead(node: ast.AST, parent: ast.AST) -> Iterator[tuple[str, ast.AST]]:
    """What may stand in place of a node."""
    source = ast.unparse(node)[:60].split("\n")[0] if isinstance(node, (ast.expr, ast.Expr)) else ""
    if isinstance(node, ast.Expr) and _called(node.value) in GIVING_UP:
        yield f"without {_called(node.value)}", ast.Pass()
    if _called(node) in ("weaken", "forget") and not isinstance(parent, ast.keyword):
        assert isinstance(node, ast.Call)
        yield f"without {_called(node)}", node.args[0]
    if _called(node) == "still" and isinstance(node, ast.Call):
        uniform = ast.Call(ast.Attribute(ast.Name("_states_", ast.Load()), "Uniform", ast.Load()), node.args, [])
        yield f"uniform, not {source}", ast.Tuple([uniform], ast.Load())
    if isinstance(node, ast.Attribute) and node.attr == "rolls":
        yield f"{source} always", ast.Constant(True)
    if _called(node) == "permutes":
        yield f"{source} always", ast.Constant(True)
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub) and "step" in source:
        yield f"the sign of {source}", node.operand
    if (
        isinstance(node, ast.BinOp)
        and "step" in source
        and isinstance(node.op, (ast.Mult, ast.Div))
        and not isinstance(node.left, (ast.List, ast.Tuple))
    ):
        swapped = ast.Div() if isinstance(node.op, ast.Mult) else ast.Mult()
        yield f"the inverse in {source}", ast.BinOp(node.left, swapped, node.right)
    if isinstance(node, ast.BoolOp) and isinstance(node.op, (ast.And, ast.Or)):
        for i in range(len(node.values)):
            rest = [v for j, v in enumerate(node.values) if j != i]
            kept = rest[0] if len(rest) == 1 else ast.BoolOp(node.op, rest)
            yield f"without {ast.unparse(node.values[i])[:40]} in {source}", kept


@cache
def source_of(module: str) -> tuple[str, ast.Module]:
    path = Path(str(importlib.import_module(module).__file__))
    text = path.read_text(encoding="utf-8")
    return str(path), ast.parse(text)


@cache
def mutants() -> tuple[Mutant, ...]:
    """All of them, in the order of the source; those in the registration of rules and in messages make no difference and are left out."""
    found = []
    for module in MODULES:
        again: Counter[str] = Counter()
        for at, statement in enumerate(source_of(module)[1].body):
            for number, (line, says, _) in enumerate(_changes(statement)):
                name = f"{module.removeprefix(ROOM + '.')}.{_function_at(statement, line)}: {says}"
                again[name] += 1
                name += f" ({again[name]})" if again[name] > 1 else ""
                found.append(Mutant(module, line, says, name, at, number))
    return tuple(m for m in found if _codes(m))


def _function_at(statement: ast.stmt, line: int) -> str:
    """The innermost function around a line."""
    around = [n for n in ast.walk(statement) if isinstance(n, ast.FunctionDef) and n.lineno <= line <= n.end_lineno]
    return max(around, key=lambda n: n.lineno).name if around else ""


# Functions with a change in them --------------------------------------------------------------------------------------


def _functions(module: str) -> Iterator[types.FunctionType]:
    """Functions of a module: its own, its rules, its classes' methods."""
    space = importlib.import_module(module)
    found: dict[int, types.FunctionType] = {}
    candidates: list[Any] = [*vars(space).values(), *(rule.transfer for rule in RULES.values())]
    for value in [*candidates]:
        if isinstance(value, type) and value.__module__ == module:
            candidates += [getattr(v, "fget", v) for v in vars(value).values()]
    for value in candidates:
        if isinstance(value, types.FunctionType) and value.__module__ == module and value.__name__ != "__str__":
            found[id(value)] = value
    yield from found.values()


def _walk(code: types.CodeType) -> Iterator[types.CodeType]:
    yield code
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            yield from _walk(constant)


@cache
def _codes(mutant: Mutant) -> tuple[tuple[types.FunctionType, types.CodeType], ...]:
    """The functions that a mutant changes, with their changed code."""
    path, tree = source_of(mutant.module)
    changed = copy.deepcopy(tree.body[mutant.at])
    change = next(c for number, (_, _, c) in enumerate(_changes(changed)) if number == mutant.number)
    change()
    made = compile(ast.Module([changed], []), path, "exec", __future__.annotations.compiler_flag, dont_inherit=True)
    key = lambda code: (code.co_qualname, code.co_firstlineno)  # noqa: E731
    new = {key(code): code for code in _walk(made)}
    found = []
    for function in _functions(mutant.module):
        code = new.get(key(function.__code__))
        if (
            code is not None
            and code.co_freevars == function.__code__.co_freevars
            and not _alike(code, function.__code__)
        ):
            found.append((function, code))
    return tuple(found)


def _alike(a: types.CodeType, b: types.CodeType) -> bool:
    mine = [c for c in a.co_consts if not isinstance(c, types.CodeType)]
    theirs = [c for c in b.co_consts if not isinstance(c, types.CodeType)]
    inner = zip(
        (c for c in a.co_consts if isinstance(c, types.CodeType)),
        (c for c in b.co_consts if isinstance(c, types.CodeType)),
        strict=False,
    )
    same = (a.co_code, a.co_names, mine) == (b.co_code, b.co_names, theirs)
    return same and all(_alike(x, y) for x, y in inner)


@cache
def _places() -> dict[str, set[int]]:
    """By file, the lines within reach of a mutant."""
    found: dict[str, set[int]] = {}
    for module in MODULES:
        path, tree = source_of(module)
        found[path] = {line + d for line, _, _ in _changes(tree) for d in range(-REACH, REACH + 1)}
    return found


@cache
def _near(code: types.CodeType) -> frozenset[tuple[str, int]]:
    """The lines of a function that are within reach of a mutant."""
    places = _places().get(code.co_filename, set())
    first = code.co_firstlineno
    return frozenset((code.co_filename, n) for _, _, n in code.co_lines() if n in places and n != first)


@contextmanager
def planted(mutant: Mutant) -> Iterator[None]:
    """The certifier with this change in it."""
    states = importlib.import_module(f"{ROOM}.states")
    changed = _codes(mutant)
    true = [(function, function.__code__) for function, _ in changed]
    for function, code in changed:
        function.__globals__["_states_"] = states
        function.__code__ = code
    try:
        yield
    finally:
        for function, code in true:
            function.__code__ = code
            function.__globals__.pop("_states_", None)


# Judgement ------------------------------------------------------------------------------------------------------------


def _equal(a: torch.Tensor, b: torch.Tensor) -> bool:
    return a.shape == b.shape and torch.equal(a, b)


class Case:
    """A network, what the true rules say of it, the lines they ran, and its values under every shift along one axis, worked out once."""

    def __init__(self, draw: Draw, graph: Graph, circular: bool) -> None:
        self.draw, self.graph, self.circular = draw, graph, circular
        self.witness: Witness | None = None
        self.lines: set[tuple[str, int]] = set()
        sys.settrace(self._trace)
        try:
            self.true = self.derive()
        finally:
            sys.settrace(None)
        self.values: dict[tuple[int, ...], dict[str, Any]] = {}
        self.floors: dict[str, float] = {}
        self.wrapped = self._wrapping(self.true)

    def _trace(self, frame: types.FrameType, event: str, argument: Any) -> Any:
        """Lines near a mutant, and of each function only until all of those have run: a trace is slow."""
        if event == "call":
            lines = _near(frame.f_code)
            return self._trace if lines and not lines <= self.lines else None
        if event == "line":
            self.lines.add((frame.f_code.co_filename, frame.f_lineno))
        return self._trace

    def derive(self) -> Derivation:
        return derive(self.graph, self.draw.shape, MOVED, circular=self.circular)

    @staticmethod
    def _wrapping(derivation: Derivation) -> dict[str, tuple[int, ...]]:
        return {name: w.dims for name, w in derivation.wrapped.items()}

    def _run(self, shift: tuple[int, ...]) -> dict[str, Any]:
        if shift not in self.values:
            kept: dict[str, Any] = {}

            def keep(node: Any, value: Any) -> None:
                kept[node.name] = value

            override = {n: wrapped(self.graph[n], dims) for n, dims in self.wrapped.items()}
            self.graph.run(shifted([self.draw.input], self.graph, MOVED, shift), keep, torch.float64, override)
            if not self.floors:
                self.floors = self.graph.rounding([self.draw.input], torch.float64, override)
            self.values[shift] = kept
        return self.values[shift]

    def judge(self) -> str:
        """What a network says of the certifier as it is now.

        ``contradicted``: a claim is false. ``undecided``: a rule tripped over itself. ``weaker``: a shift was given up that holds. ``different``:
        another claim, and true here. ``same``: nothing changed.
        """
        found = self.derive()
        if self._wrapping(found) != self.wrapped:
            return "different"
        zero = (0,) * len(self.draw.shape)
        base = self._run(zero)
        claims = claims_of(self.graph, found)
        for node in self.graph.nodes:
            state = found.states[node.name]
            valued = isinstance(state, Constant) and isinstance(node.value, torch.Tensor)
            if valued and not isinstance(node.value, FakeTensor) and not _equal(state.value, node.value):
                return "contradicted"
        known = {(c.node, c.result): c.state for c in claims_of(self.graph, self.true)}
        changed = [c for c in claims if known.get((c.node, c.result)) != c.state]
        for claim in changed:
            value = base[claim.node] if claim.result is None else base[claim.node][claim.result]
            if tuple(value.shape) != claim.state.shape:
                return "undecided"
            floor = SLACK * self.floors.get(claim.node, 0.0)
            if layout_error(value, claim.state) > floor:
                return "contradicted"
            for axis, (n, s) in enumerate(zip(self.draw.shape, claim.state.strides, strict=True)):
                if s < n:
                    moved = self._run(tuple(s if a == axis else 0 for a in range(len(zero))))[claim.node]
                    moved = moved if claim.result is None else moved[claim.result]
                    if (square_error(moved, value, claim.state, axis, s) or 0.0) > floor:
                        return "contradicted"
        if len(found.unknown) > len(self.true.unknown):
            return "undecided"
        if any(not self._weaker(c.state.strides, known[c.node, c.result].strides) for c in changed):
            return "different"
        coarser = any(c.state.strides != known[c.node, c.result].strides for c in changed)
        return "weaker" if coarser else "different" if changed else "same"

    @staticmethod
    def _weaker(strides: tuple[int, ...], true: tuple[int, ...]) -> bool:
        return all(a % b == 0 for a, b in zip(strides, true, strict=True))


@dataclass(frozen=True)
class Witness:
    """A network that can be made again: a call of an operation on drawn operands, a random network, or a small one by its name."""

    source: str
    seed: int = 0
    circular: bool = False


NETWORK, SPECTRAL, SMALL = "network", "spectral network", "small: "
#: What a network of spectra is drawn from, besides transforms.
LINEAR = (
    *("mul.Tensor", "add.Tensor", "div.Tensor", "where.self", "sum.dim_IntList", "matmul.default", "pow.Tensor_Scalar"),
    *("cat.default", "slice.Tensor", "select.int", "slice_scatter.default", "constant_pad_nd.default"),
    *("index_select.default", "index.Tensor", "roll.default", "flip.default", "reshape.default", "permute.default"),
    *("real.default", "imag.default", "view_as_real.default", "view_as_complex.default", "_to_copy.default"),
)


@cache
def _small() -> dict[str, Any]:
    return {**cases(), **directed_states.directed(), **directed_rules.directed(), **directed_rules.conditions()}


@cache
def case_of(witness: Witness) -> Case | None:
    """The network, or None where the draw does not suit the operation, or nothing would wrap."""
    if witness.source.startswith(SMALL):
        net = copy.deepcopy(_small()[witness.source.removeprefix(SMALL)][0]).eval()
        image = torch.randn(1, 1, *SHAPE, generator=torch.Generator().manual_seed(1))
        drawn, graph = Draw(0, SHAPE), capture(net, (image,))
        drawn.input = image.double()
    elif witness.source == SPECTRAL:
        transforms = [t for t in SAMPLES if "fft" in t]
        targets = [*transforms, *(f"aten.{name}" for name in LINEAR)]
        drawn, outputs = network(witness.seed, length=3 + witness.seed % 3, targets=targets)
        graph = drawn.graph(outputs)
    elif witness.source == NETWORK:
        drawn, outputs = network(witness.seed, length=2 + witness.seed % 3)
        graph = drawn.graph(outputs)
    else:
        drawn = Draw(witness.seed)
        try:
            _, results = apply(drawn, overload(witness.source), SAMPLES[witness.source])
        except Unfit:
            return None
        graph = drawn.graph(results)
    case = Case(drawn, graph, witness.circular)
    case.witness = witness
    return case if case.wrapped or not witness.circular else None


@cache
def corpus(each: int, networks: int, seed: int = 0) -> tuple[Case, ...]:
    """``each`` calls of every sample, as many random networks of up to four operations, and the small networks if there are any of those."""
    found: list[Case] = []
    for source in SAMPLES:
        made = attempt = 0
        while made < each and attempt < 40 * each:
            witness = Witness(source, seed * 7_919 + attempt)
            attempt += 1
            if (case := case_of(witness)) is not None:
                made += 1
                found += [case, *filter(None, [case_of(replace(witness, circular=True))])]
    others = [Witness(NETWORK, seed * 7_919 + number) for number in range(networks)]
    others += [Witness(SPECTRAL, seed * 7_919 + number) for number in range(networks)]
    others += [Witness(SMALL + name) for name in _small()] if networks else []
    for witness in others:
        found += filter(None, [case_of(witness), case_of(replace(witness, circular=True))])
    random.Random(seed).shuffle(found)  # so that a budget meets calls of every kind
    return tuple(found)


@contextmanager
def _patience(seconds: float) -> Iterator[None]:
    """TimeoutError after so much processor time: a loop that no longer gives anything up does not end."""

    def stop(number: int, frame: object) -> None:
        raise TimeoutError("a mutant does not come to an end")

    before = signal.signal(signal.SIGVTALRM, stop)
    signal.setitimer(signal.ITIMER_VIRTUAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, before)


def verdict(mutant: Mutant, cases: tuple[Case, ...], budget: int = 500) -> tuple[str, int, Witness | None]:
    """The worst that any network says of a mutant, how many were asked, and which of them said so: ``contradicted`` ends the search."""
    path, _ = source_of(mutant.module)
    reach = range(mutant.line - REACH, mutant.line + REACH + 1)
    seen, asked = "not run", 0
    worst: Witness | None = None
    order = ["not run", "same", "different", "weaker", "undecided", "contradicted"]
    with planted(mutant):
        near = [case for case in cases if any((path, line) in case.lines for line in reach)]
        for case in sorted(near, key=lambda case: (path, mutant.line) not in case.lines):
            asked += 1
            try:
                with _patience(CPU_SECONDS):
                    found = case.judge()
            except (
                TimeoutError,
                AssertionError,
                AttributeError,
                IndexError,
                ValueError,
                ZeroDivisionError,
                KeyError,
                TypeError,
                RuntimeError,
            ):
                found = "undecided"  # outside a rule, where certify would fail loudly
            if order.index(found) > order.index(seen):
                seen, worst = found, case.witness
            if seen == "contradicted" or asked == budget:
                break
    return seen, asked, worst
