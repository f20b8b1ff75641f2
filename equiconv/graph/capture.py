"""Capture a torch model as a functional graph of ATen operations and run it node by node.

``torch.export`` followed by ``run_decompositions({})`` removes every in-place write and alias (an analysis that ignores aliasing is
unsound) and still keeps convolutions, pools and pads whole.
"""

from __future__ import annotations

import math
import operator
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor, fx
from torch.export.graph_signature import InputKind, OutputKind
from torch.utils import _pytree as pytree

from equiconv.convolution.operation import expand_convolution, expand_kernel_adjoint
from equiconv.graph.refusal import CaptureError, call, explain, quiet, refuse
from equiconv.graph.source import SourceLine, full_stacks, source_of
from equiconv.graph.valueless import has_values, stand_ins, without_values

_LOW = {torch.float16, torch.bfloat16, torch.float32}
_LOW_COMPLEX = {torch.complex32, torch.complex64}
# What a model may write to so that its next call sees it; not every torch has a kind for parameters.
_STATEFUL = [kind for kind in OutputKind if kind.name in ("BUFFER_MUTATION", "PARAMETER_MUTATION")]
# Levels of decompositions that are opened: what an operation is made of may have to be opened in its turn.
_DEPTH = 4
# Circular convolution stands in exported programs as one operation; here it is what it is made of, rolls or Fourier transforms, so
# that one set of rules judges it, whatever calls it.
_OWN: dict[Any, Callable[..., Any]] = {
    torch.ops.equiconv.circular_convolve.default: expand_convolution,
    torch.ops.equiconv.circular_convolve_kernel_adjoint.default: expand_kernel_adjoint,
}
# Checks that export leaves in the graph; they compute nothing.
_ASSERTIONS = ("aten._assert", "aten.sym_constrain", "aten._assert_tensor_metadata")


@dataclass(frozen=True, eq=False)
class Node:
    """One operation of a captured model.

    Attributes
    ----------
    name: unique name in the graph.
    kind: ``"input"``, ``"parameter"``, ``"buffer"``, ``"constant"`` (a lifted tensor) or ``"operation"``.
    target: the ATen overload of an operation, else None.
    args, kwargs: its arguments; a reference to another node is a :class:`torch.fx.Node` with that node's name.
    module: dotted path of the module that ran it, ``""`` for the root.
    source: the user's line that made it, or None.
    path: for a parameter or buffer, its name in the state_dict.
    value: shape and dtype as a fake tensor (or a tuple of them).
    """

    name: str
    kind: str
    target: Any = None
    args: tuple[Any, ...] = ()
    kwargs: Mapping[str, Any] = field(default_factory=dict)
    module: str = ""
    module_type: str = ""
    source: SourceLine | None = None
    path: str = ""
    value: Any = None

    @property
    def operation(self) -> str:
        """The operation's name, such as ``aten.conv2d.default``; the kind where there is none."""
        if self.target is None:
            return self.kind
        return "getitem" if self.target is operator.getitem else str(self.target)

    @property
    def inputs(self) -> tuple[str, ...]:
        """Names of the nodes it reads, in order, without repeats."""
        found: dict[str, None] = {}
        fx.node.map_arg((self.args, dict(self.kwargs)), lambda n: found.setdefault(n.name))
        return tuple(found)


@dataclass(frozen=True, eq=False)
class Graph:
    """A captured model: nodes in the order they run, the values of its parameters, and its outputs.

    ``outputs`` holds ``(label, node name)`` for every tensor in the model's output, labelled by its path in the pytree
    (``"output"`` for a single tensor).
    """

    nodes: tuple[Node, ...]
    inputs: tuple[str, ...]
    input_labels: tuple[str, ...]
    outputs: tuple[tuple[str, str], ...]
    state: Mapping[str, Any]
    mutates: tuple[str, ...]
    in_spec: Any

    def __getitem__(self, name: str) -> Node:
        return self._index[name]

    @property
    def _index(self) -> dict[str, Node]:
        cached: dict[str, Node] | None = self.__dict__.get("_by_name")
        if cached is None:
            cached = {node.name: node for node in self.nodes}
            object.__setattr__(self, "_by_name", cached)
        return cached

    def flatten(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> list[Any]:
        """The call's leaves, in the order of the graph's inputs; raises ValueError when the structure differs."""
        leaves, spec = pytree.tree_flatten((args, dict(kwargs)))
        if spec != self.in_spec:
            raise ValueError(
                f"inputs: the call has the structure {spec}, the graph was captured with {self.in_spec}; "
                "pass inputs of the same structure as the example"
            )
        return leaves

    def run(
        self,
        inputs: Sequence[Any],
        observe: Callable[[Node, Any], Any] | None = None,
        dtype: torch.dtype | None = None,
        override: Mapping[str, Callable[..., Any]] | None = None,
    ) -> list[Tensor]:
        """Run the graph on the flat ``inputs`` and return the output tensors, in the order of ``outputs``.

        observe: called with every node and its value as it is made; what it returns, unless None, replaces the value.
        dtype: float64 runs the whole graph in double precision, casts inside the model included.
        override: functions to run in place of the operation of the named nodes, with its arguments.
        """
        override = override or {}
        last = self._last_use()
        values: dict[str, Any] = {}
        leaves = iter(inputs)
        with torch.no_grad():
            for position, node in enumerate(self.nodes):
                if node.kind == "input":
                    value = _cast(next(leaves), dtype)
                elif node.kind != "operation":
                    value = _cast(self.state[node.name], dtype)
                else:
                    args, kwargs = fx.node.map_arg((node.args, dict(node.kwargs)), lambda n: values[n.name])
                    if dtype is not None:
                        args, kwargs = _widen_arguments((args, kwargs), dtype)
                    value = override.get(node.name, node.target)(*args, **kwargs)
                    if not node.inputs:  # made by the default dtype (eye, linspace), which no argument names
                        value = pytree.tree_map(lambda v: _cast(v, dtype), value)
                if observe is not None:
                    replaced = observe(node, value)
                    value = value if replaced is None else replaced
                values[node.name] = value
                for name in last.get(position, ()):
                    values.pop(name, None)
        return [values[name] for _, name in self.outputs]

    def cast(self, dtype: torch.dtype) -> Graph:
        """The graph with its weights in another precision, so that a run in it converts none."""
        return replace(self, state={name: _cast(value, dtype) for name, value in self.state.items()})

    def _last_use(self) -> dict[int, list[str]]:
        keep = {name for _, name in self.outputs}
        last: dict[str, int] = {}
        for position, node in enumerate(self.nodes):
            last[node.name] = position
            for name in node.inputs:
                last[name] = position
        release: dict[int, list[str]] = {}
        for name, position in last.items():
            if name not in keep:
                release.setdefault(position, []).append(name)
        return release

    def rounding(
        self,
        inputs: Sequence[Any],
        dtype: torch.dtype | None = None,
        override: Mapping[str, Callable[..., Any]] | None = None,
        samples: int = 2,
        seed: int = 0,
        exact: Mapping[str, Any] | None = None,
    ) -> dict[str, float]:
        """The rounding floor of every node: the largest change seen when each node's result is perturbed by about one unit roundoff.

        Random rounding (CESTAC, Vignes 1978): every entry of every floating result is multiplied by 1 + δ, |δ| ≤ 2·eps, and the effect is
        carried through the network, so the floor knows how the network amplifies error and owes nothing to any comparison under test.
        What no input reaches is left alone: it has the same bits in every run, and where a constant is cut in pieces (arange % 4) a change of one
        unit would pass for a whole period.
        No floating result is known better than to its own last place, though every perturbation may have rounded away.
        Integers and truth values that rounding can flip have a floor of 1, the difference that :func:`largest_difference` gives them.

        exact: the unperturbed values of some nodes, where they are known already; then the floors of those nodes only are found, and no other value is kept.
        """
        if exact is None:
            everything: dict[str, Any] = {}

            def keep(node: Node, value: Any) -> None:
                everything[node.name] = value

            self.run(inputs, keep, dtype, override)
            exact = everything
        known = exact
        reached = set(self.inputs)
        for node in self.nodes:
            if not reached.isdisjoint(node.inputs):
                reached.add(node.name)
        floors: dict[str, float] = {}
        for sample in range(samples):
            generator = torch.Generator().manual_seed(seed + sample)

            def perturb(node: Node, value: Any, generator: torch.Generator = generator) -> Any:
                # A view rounds nothing, and what reads memory by place must find in it what it finds in every other run.
                kept = node.name not in reached or _is_view(node.target)
                shaken = value if kept else pytree.tree_map(lambda v: _shake(v, generator), value)
                if node.name not in known:
                    return shaken
                for after, before in zip(pytree.tree_leaves(shaken), pytree.tree_leaves(known[node.name]), strict=True):
                    if isinstance(after, Tensor) and after.numel():
                        change = max(
                            largest_difference(after, before), 0.0 if node.name not in reached else _last_place(before)
                        )
                        floors[node.name] = max(floors.get(node.name, 0.0), change)
                return shaken

            self.run(inputs, perturb, dtype, override)
        return floors


def largest_difference(a: Tensor, b: Tensor) -> float:
    """max |a − b|, where equal infinities differ by 0 and a NaN on one side only by infinity."""
    if not a.numel():
        return 0.0
    if not (a.is_floating_point() or a.is_complex()):
        return float((a != b).any())
    plain = float((a - b).abs().max())
    if math.isfinite(plain):
        return plain
    same = (a == b) | (torch.isnan(a) & torch.isnan(b))
    difference = torch.where(same, torch.zeros((), dtype=a.dtype, device=a.device), a - b).abs()
    return float(torch.nan_to_num(difference, nan=float("inf")).max())


def _shake(value: Any, generator: torch.Generator) -> Any:
    if not isinstance(value, Tensor) or not (value.is_floating_point() or value.is_complex()):
        return value
    reach = 2 * torch.finfo(value.dtype).eps  # uniform in ±2·eps: one eps on the average
    real = value.real.dtype if value.is_complex() else value.dtype
    relative = torch.empty(value.shape, dtype=real).uniform_(-reach, reach, generator=generator).to(value.device)
    shaken = torch.addcmul(value, value, relative)
    if bool(torch.isfinite(shaken).all()):
        return shaken
    return torch.where(torch.isfinite(value), shaken, value)  # −∞, which a max pool pads with, is no rounded number


def _is_view(target: Any) -> bool:
    """True where the result shares its operand's memory, or picks one of several results that do."""
    return target is operator.getitem or (isinstance(target, torch._ops.OpOverload) and bool(target.is_view))


def _last_place(value: Tensor) -> float:
    """eps · max |value| over the finite entries; 0 for integers and truth values."""
    if not (value.is_floating_point() or value.is_complex()):
        return 0.0
    size = value.abs()
    return torch.finfo(value.dtype).eps * float(torch.where(torch.isfinite(size), size, 0.0).max())


def _cast(value: Any, dtype: torch.dtype | None) -> Any:
    if dtype is None or not isinstance(value, Tensor):
        return value
    if value.is_floating_point():
        return value.to(dtype)
    if value.is_complex():
        return value.to(torch.complex128 if dtype is torch.float64 else torch.complex64)
    return value


def _widen_arguments(arguments: Any, dtype: torch.dtype) -> Any:
    def widen(value: Any) -> Any:
        if value in _LOW:
            return dtype
        if value in _LOW_COMPLEX:
            return torch.complex128
        return value

    return pytree.tree_map(lambda v: widen(v) if isinstance(v, torch.dtype) else v, arguments)


def _strip_assertions(graph_module: fx.GraphModule) -> None:
    graph = graph_module.graph
    for node in reversed(list(graph.nodes)):
        if node.op == "call_function" and not node.users and str(node.target).startswith(_ASSERTIONS):
            graph.erase_node(node)
    graph.eliminate_dead_code()


def _module_of(node: fx.Node) -> tuple[str, str]:
    stack = node.meta.get("nn_module_stack")
    if not stack:
        return "", ""
    path, kind = list(stack.values())[-1]
    name = kind if isinstance(kind, str) else f"{kind.__module__}.{kind.__qualname__}"
    return str(path), name


def _labels(spec: Any, prefix: str) -> list[str]:
    dummy = pytree.tree_unflatten(list(range(spec.num_leaves)), spec)
    labels = []
    for path, _ in pytree.tree_flatten_with_path(dummy)[0]:
        labels.append(prefix + pytree.keystr(path))
    return labels


def capture(
    model: torch.nn.Module,
    args: tuple[Any, ...],
    kwargs: Mapping[str, Any] | None = None,
    opens: Callable[[Any], bool] | None = None,
) -> Graph:
    """Capture ``model`` as it runs on ``args`` and ``kwargs``, checked to compute what the model computes.

    Parameters
    ----------
    model: an :class:`torch.nn.Module` in evaluation mode, or a loaded :class:`torch.export.ExportedProgram`.
    args, kwargs: example inputs; the graph holds for their shapes and dtypes.
    opens: True for an operation that is to be replaced by what torch says it is made of, where torch does say so.

    Raises
    ------
    CaptureError: export refused the model (data-dependent control flow, most often), or the graph and the model disagree on
        the example, as a model that branches on being exported does. They are not compared where tensors have no values (meta).

    >>> graph = capture(torch.nn.Conv2d(1, 1, 3).eval(), (torch.zeros(1, 1, 8, 8),))
    >>> [node.operation for node in graph.nodes if node.kind == "operation"]
    ['aten.conv2d.default']
    """
    kwargs = dict(kwargs or {})
    refuse(model, (args, kwargs))
    with warnings.catch_warnings(), torch.no_grad(), stand_ins(model, (args, kwargs)) as (given, named):
        warnings.simplefilter("ignore")  # export's own deprecation notices are not about the user's model
        program: torch.export.ExportedProgram
        if isinstance(model, torch.export.ExportedProgram):
            program = model
            callee: Callable[..., Any] = model.module()
        else:
            callee = model
            try:
                with full_stacks(), quiet():
                    program = torch.export.export(model, given, named, strict=False)
            except Exception as error:
                if given is args:
                    call(model, args, kwargs)  # a model that does not run on the example says so itself
                raise CaptureError(explain(error)) from error
        try:
            program = program.run_decompositions(_OWN)
            if opens is not None:
                program = _opened(program, opens)
        except Exception as error:
            raise CaptureError(explain(error)) from error
    _strip_assertions(program.graph_module)
    graph = _from_program(program)
    leaves = graph.flatten(args, kwargs)
    valued = all(map(has_values, [*leaves, *graph.state.values()]))
    expected = call(callee, args, kwargs) if valued else []
    try:
        graph = _concrete(graph, leaves)
    except Exception as error:
        if valued:
            raise
        raise CaptureError(
            f"model: a size or a number in it depends on values, and tensors on the meta device have none ({type(error).__name__}: "
            f"{str(error)[:200]}); load the weights and pass an input with values"
        ) from error
    if valued:
        _agree(graph, expected, leaves)
    return graph


def _opened(program: torch.export.ExportedProgram, opens: Callable[[Any], bool]) -> torch.export.ExportedProgram:
    """The program with the operations that ``opens`` names replaced by their decompositions, level by level."""
    known: Any = None
    refused: set[Any] = set()
    for _ in range(_DEPTH):
        targets = {n.target for n in program.graph.nodes if isinstance(n.target, torch._ops.OpOverload)}
        closed = [target for target in targets - refused if opens(target)]
        if closed and known is None:
            known = torch.export.default_decompositions()
        table = {target: known[target] for target in sorted(closed, key=str) if target in known}
        if not table:
            break
        opened = program.run_decompositions(table)
        if not _has_effects(opened):
            program = opened
            continue
        for target, made_of in table.items():  # one by one, to leave only those closed that cannot be opened
            alone = program.run_decompositions({target: made_of})
            if _has_effects(alone):
                refused.add(target)
            else:
                program = alone
    return program


def _has_effects(program: torch.export.ExportedProgram) -> bool:
    """True where something has effects (a check that may raise), which no graph of tensors can hold."""
    return any(spec.kind is InputKind.TOKEN for spec in program.graph_signature.input_specs)


def _concrete(graph: Graph, leaves: Sequence[Any]) -> Graph:
    """The graph with the example's sizes in place of symbolic ones (a dynamic batch, a constant mask)."""
    if all(_is_concrete(node.value) for node in graph.nodes):
        return graph
    seen: dict[str, Any] = {}

    def keep(node: Node, value: Any) -> None:
        seen[node.name] = pytree.tree_map(
            lambda v: torch.empty_like(v, device="meta") if isinstance(v, Tensor) else v, value
        )

    graph.run(leaves, keep)
    nodes = tuple(node if _is_concrete(node.value) else replace(node, value=seen[node.name]) for node in graph.nodes)
    return replace(graph, nodes=nodes)


def _is_concrete(value: Any) -> bool:
    leaves = pytree.tree_leaves(value)
    numbers = [n for v in leaves for n in (v.shape if isinstance(v, Tensor) else [v])]
    return not any(isinstance(n, (torch.SymInt, torch.SymFloat, torch.SymBool)) for n in numbers)


def _from_program(program: torch.export.ExportedProgram) -> Graph:
    signature = program.graph_signature
    kinds = {InputKind.PARAMETER: "parameter", InputKind.BUFFER: "buffer", InputKind.CONSTANT_TENSOR: "constant"}
    specs = {spec.arg.name: spec for spec in signature.input_specs}
    # A model that writes to its input is still a function of it (the graph is functional); one that writes to a buffer is not.
    mutated = tuple(str(spec.target) for spec in signature.output_specs if spec.kind in _STATEFUL)
    nodes: list[Node] = []
    state: dict[str, Any] = {}
    inputs: list[str] = []
    for node in program.graph.nodes:
        if node.op == "placeholder":
            spec = specs[node.name]
            if spec.kind is InputKind.USER_INPUT:
                nodes.append(Node(node.name, "input", value=node.meta.get("val")))
                inputs.append(node.name)
            elif spec.kind in kinds:
                path = str(spec.target)
                value = program.state_dict[path] if path in program.state_dict else program.constants[path]
                if not has_values(value):
                    state[node.name] = without_values(value)
                else:
                    state[node.name] = value.detach().clone() if path in mutated else value.detach()
                nodes.append(Node(node.name, kinds[spec.kind], path=path, value=node.meta.get("val")))
            else:
                raise CaptureError(
                    f"model: has an input of kind {spec.kind.name}, which is not a tensor; only tensors can be analysed"
                )
        elif node.op == "get_attr":
            value = operator.attrgetter(str(node.target))(program.graph_module)
            # What is no tensor is the subgraph of a higher-order operation, which has no rule and will be named as unknown.
            state[node.name] = value.detach() if isinstance(value, Tensor) else value
            kind = "constant" if isinstance(value, Tensor) else "subgraph"
            nodes.append(Node(node.name, kind, path=str(node.target), value=value))
        elif node.op == "call_function":
            module, kind = _module_of(node)
            source = source_of(node.meta.get("stack_trace"))
            nodes.append(
                Node(
                    node.name,
                    "operation",
                    node.target,
                    tuple(node.args),
                    dict(node.kwargs),
                    module,
                    kind,
                    source,
                    value=node.meta.get("val"),
                )
            )
        elif node.op != "output":
            raise CaptureError(f"model: its graph holds a {node.op} node ({node.name}), which cannot be analysed")
    out_labels = _labels(program.call_spec.out_spec, "output")
    user = [spec for spec in signature.output_specs if spec.kind is OutputKind.USER_OUTPUT]
    outputs = []
    known = {n.name for n in nodes}
    for label, spec in zip(out_labels, user, strict=True):
        name = getattr(spec.arg, "name", None)
        if name in known and isinstance(_value(nodes, name), Tensor):
            outputs.append((label, name))
    in_labels = _labels(program.call_spec.in_spec, "input")
    return Graph(
        tuple(nodes), tuple(inputs), tuple(in_labels), tuple(outputs), state, mutated, program.call_spec.in_spec
    )


def _value(nodes: Sequence[Node], name: str) -> Any:
    return next(node.value for node in nodes if node.name == name)


def _agree(graph: Graph, expected: Sequence[Tensor], leaves: Sequence[Any]) -> None:
    """Refuse a graph that does not compute what the model computes: a model can branch on being exported."""
    got = graph.run(leaves)
    if len(expected) != len(got):
        raise CaptureError(
            f"model: returns {len(expected)} tensors, its exported graph {len(got)}; it branches on being exported"
        )
    floors: dict[str, float] = {}
    for (label, name), a, b in zip(graph.outputs, expected, got, strict=True):
        if a.shape != b.shape or a.dtype != b.dtype:
            raise CaptureError(
                f"model: {label} is {a.dtype}{tuple(a.shape)}, its exported graph gives {b.dtype}{tuple(b.shape)}; it branches on being exported"
            )
        error = largest_difference(a, b)
        if error == 0.0:
            continue
        floors = floors or graph.rounding(leaves, samples=1)
        floor = floors.get(name, 0.0)
        if error > 1000 * floor:
            raise CaptureError(
                f"model: {label} differs from the exported graph by {error:.3g} on the example (rounding explains {floor:.3g}); "
                "the model is random, or branches on being exported, and cannot be certified from its graph"
            )
