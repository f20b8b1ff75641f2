"""From the nodes of a graph to the calls that made them: record what each module calls as it runs, match that with
the graph, and say which calls are to wrap.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import fx, nn
from torch.overrides import TorchFunctionMode

from equiconv.graph import Graph, Node
from equiconv.symmetrization.calls import family_of, read
from equiconv.symmetrization.wrapping import MODULE_CALL, Dims, Lines, Sites, lines_within


class AmbiguousCall(ValueError):
    """A padding of the graph cannot be told from another one in the running model."""


@dataclass(frozen=True)
class Record:
    """One call of a padding function: who made it, the lines of its code on the way, and the dims that it pads."""

    module: nn.Module
    family: str
    lines: Lines
    padded: frozenset[int]


class _Recorder(TorchFunctionMode):
    def __init__(self, records: list[Record]) -> None:
        super().__init__()
        self.records = records

    def __torch_function__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        call = read(function, args, kwargs)
        if call is not None:
            lines, end = lines_within(sys._getframe(1), MODULE_CALL)
            if end is not None:
                self.records.append(Record(end.f_locals["self"], call.family, lines, frozenset(call.padding)))
        return function(*args, **kwargs)


def record(model: nn.Module, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> list[Record]:
    """Every call of a padding function, in order, as the model runs on the example."""
    records: list[Record] = []
    with torch.no_grad(), _Recorder(records):
        model(*args, **kwargs)
    return records


@dataclass(frozen=True)
class Plan:
    """The calls that are to wrap: of modules, and of modules that are traced graphs, where each call is a node."""

    modules: tuple[tuple[nn.Module, Sites], ...]
    graphs: tuple[tuple[fx.GraphModule, Mapping[fx.Node, Dims]], ...]


def plan(model: nn.Module, graph: Graph, records: Sequence[Record], wanted: Mapping[str, Dims]) -> Plan:
    """Which calls of which modules made the named nodes.

    wanted: the dims (negative) along which the padding of each named node is to wrap.

    Raises
    ------
    AmbiguousCall: a node's call was not seen, or one line makes calls that need different treatment.
    """
    nodes: dict[tuple[int, str], list[Node]] = {}
    for node in graph.nodes:
        if (family := family_of(node.target)) is not None:
            nodes.setdefault((id(_owner(model, node.module.split("@")[0])), family), []).append(node)
    calls: dict[tuple[int, str], list[Record]] = {}
    for entry in records:
        calls.setdefault((id(entry.module), entry.family), []).append(entry)
    pairs = {key: _matched(nodes.get(key, []), calls.get(key, []), wanted) for key in {**nodes, **calls}}
    sites: dict[int, Sites] = {}
    traced: dict[int, dict[fx.Node, Dims]] = {}
    owners = {id(part): part for part in model.modules()}
    for (owner_id, family), own in pairs.items():
        dims = frozenset(d for _, along in own for d in along)
        owner = owners[owner_id]
        if not dims:
            continue
        if isinstance(owner, fx.GraphModule):
            traced.setdefault(owner_id, {}).update(_in_graph(owner, family, own))
            continue
        # What a part of the module makes circular is out of its sight: only the rest must stay clear of these dims.
        others = [pair for part in owner.modules() if part is not owner for pair in pairs.get((id(part), family), ())]
        clear = all(entry.padded & dims <= set(along) for entry, along in others)
        found = sites.setdefault(owner_id, Sites({}, {}))
        if clear and _serves(dims, own):
            sites[owner_id] = Sites({**found.anywhere, family: tuple(sorted(dims))}, found.lines)
        else:
            sites[owner_id] = Sites(found.anywhere, {**found.lines, **_by_line(own, family)})
    modules = tuple((owners[i], found) for i, found in sites.items())
    return Plan(modules, tuple((owners[i], found) for i, found in traced.items()))  # type: ignore[misc]


def _owner(model: nn.Module, path: str) -> nn.Module:
    """The module that makes the calls of a node with this path: a traced graph makes those of what it absorbed."""
    module, rest = model, path
    while rest:
        if isinstance(module, fx.GraphModule):
            called = [str(node.target) for node in module.graph.nodes if node.op == "call_module"]
            step = next((name for name in called if rest == name or rest.startswith(name + ".")), None)
            if step is None:
                return module
        else:
            step = rest.split(".")[0]
        module, rest = module.get_submodule(step), rest[len(step) + 1 :]
    return module


def _in_graph(owner: fx.GraphModule, family: str, pairs: Sequence[tuple[Record, Dims]]) -> dict[fx.Node, Dims]:
    made = [node for node in owner.graph.nodes if node.op == "call_function" and family_of(node.target) == family]
    if len(made) != len(pairs):
        raise AmbiguousCall(f"a {type(owner).__name__} ran {len(pairs)} calls of {family} and holds {len(made)}")
    return {node: along for node, (_, along) in zip(made, pairs, strict=True) if along}


def _matched(nodes: Sequence[Node], records: Sequence[Record], wanted: Mapping[str, Dims]) -> list[tuple[Record, Dims]]:
    """Each call of a module and family, with the dims along which it is to wrap. Nodes come in the order of calls."""
    if len(nodes) == len(records):
        return [(entry, wanted.get(node.name, ())) for node, entry in zip(nodes, records, strict=True)]
    # Some calls left no node (nothing used their result), or a torch function made them out of sight: go by the line.
    pairs: dict[int, Dims] = {}
    for place in dict.fromkeys(_place(node) for node in nodes):
        here = [node for node in nodes if _place(node) == place]
        same = [i for i, entry in enumerate(records) if (entry.lines[0] if entry.lines else None) == place]
        if len(here) == len(same):
            pairs.update((i, wanted.get(node.name, ())) for node, i in zip(here, same, strict=True))
        elif lost := [node for node in here if node.name in wanted]:
            raise AmbiguousCall(
                f"{lost[0].operation} in {lost[0].module or 'the model'} ({lost[0].source}): its call was not seen "
                "while the model ran, so its padding cannot be changed; pad by a call of its own in the forward"
            )
    return [(entry, pairs.get(i, ())) for i, entry in enumerate(records)]


def _place(node: Node) -> tuple[str, int] | None:
    return (node.source.file, node.source.line) if node.source else None


def _serves(dims: frozenset[int], pairs: Sequence[tuple[Record, Dims]]) -> bool:
    """Wrapping ``dims`` wraps of each call exactly what is wanted."""
    return all(entry.padded & dims == set(wanted) for entry, wanted in pairs)


def _by_line(pairs: Sequence[tuple[Record, Dims]], family: str) -> dict[tuple[str, Lines], Dims]:
    groups: dict[Lines, list[tuple[Record, Dims]]] = {}
    for entry, wanted in pairs:
        groups.setdefault(entry.lines, []).append((entry, wanted))
    found: dict[tuple[str, Lines], Dims] = {}
    for lines, group in groups.items():
        dims = frozenset(d for _, wanted in group for d in wanted)
        # One convolution or pool for the image and for something that stays may wrap for both; a pad may not.
        if family == "pad" and not _serves(dims, group):
            where = f"{lines[0][0]}:{lines[0][1]}" if lines else "one line"
            raise AmbiguousCall(
                f"{where}: pads the image and, at the same place, something that must stay; write the two pads on "
                "lines of their own"
            )
        if dims:
            found[family, lines] = tuple(sorted(dims))
    return found


__all__ = ["AmbiguousCall", "Plan", "Record", "plan", "record"]
