"""From the nodes of a graph to the calls that made them: record what each module calls, match it with the graph, and say which calls
are to wrap.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from torch.overrides import TorchFunctionMode

from equiconv.graph import Graph, Node
from equiconv.symmetrization.calls import family_of, read
from equiconv.symmetrization.wrapping import MODULE_CALL, Dims, Lines, Sites, lines_within


class AmbiguousCall(ValueError):
    """A padding of the graph cannot be told from another one in the running model."""


@dataclass(frozen=True)
class Record:
    """One call of a padding function while the model ran: who made it, the lines of its code on the way, and the dims that it pads."""

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


def sites_of(model: nn.Module, graph: Graph, records: Sequence[Record], wanted: Mapping[str, Dims]) -> list[tuple[nn.Module, Sites]]:
    """For each module that makes a call to be wrapped, which calls those are.

    wanted: the dims (negative) along which the padding of each named node is to wrap.

    Raises
    ------
    AmbiguousCall: a node's call was not seen, or one line makes calls that need different treatment.
    """
    nodes: dict[tuple[int, str], list[Node]] = {}
    owners: dict[int, nn.Module] = {}
    for node in graph.nodes:
        family = family_of(node.target) if node.kind == "operation" else None
        if family is not None:
            owner = model.get_submodule(node.module.split("@")[0])
            owners[id(owner)] = owner
            nodes.setdefault((id(owner), family), []).append(node)
    calls: dict[tuple[int, str], list[Record]] = {}
    for entry in records:
        calls.setdefault((id(entry.module), entry.family), []).append(entry)
    pairs = {key: _matched(nodes.get(key, []), made, wanted) for key, made in calls.items()}
    for key, made in nodes.items():
        if key not in pairs:
            _matched(made, [], wanted)
    found: dict[int, tuple[dict[str, Dims], dict[tuple[str, Lines], Dims]]] = {}
    for (owner_id, family), own in pairs.items():
        dims = frozenset(d for _, along in own for d in along)
        if not dims:
            continue
        below = {id(part) for part in owners[owner_id].modules()} - {owner_id}
        # What a part of the module makes circular is out of its sight, so that only the rest must stay clear of these dims.
        clear = all(entry.padded & dims <= set(along) for part in below for entry, along in pairs.get((part, family), ()))
        anywhere, lines = found.setdefault(owner_id, ({}, {}))
        if clear and _serves(dims, own):
            anywhere[family] = tuple(sorted(dims))
        else:
            lines.update({(family, where): d for where, d in _by_line(own, family).items() if d})
    return [(owners[owner_id], Sites(anywhere, lines)) for owner_id, (anywhere, lines) in found.items()]


def _matched(nodes: Sequence[Node], records: Sequence[Record], wanted: Mapping[str, Dims]) -> list[tuple[Record, Dims]]:
    """Each call with the dims along which it is to wrap; calls and nodes of one module and family come in the same order."""
    if len(nodes) == len(records):
        return [(entry, wanted.get(node.name, ())) for node, entry in zip(nodes, records, strict=True)]
    # Some calls left no node (their result was not used), or were made out of sight by a torch function: go by the line.
    pairs: dict[int, Dims] = {}
    for place in dict.fromkeys(_place(node) for node in nodes):
        here = [node for node in nodes if _place(node) == place]
        same = [i for i, entry in enumerate(records) if (entry.lines[0] if entry.lines else None) == place]
        if len(here) == len(same):
            pairs.update((i, wanted.get(node.name, ())) for node, i in zip(here, same, strict=True))
        elif lost := [node for node in here if node.name in wanted]:
            raise AmbiguousCall(
                f"{lost[0].operation} in {lost[0].module or 'the model'} ({lost[0].source}): its call was not seen while the model ran, so its padding cannot be changed; "
                "call torch.nn.functional.pad, conv or pool by itself in the module's forward"
            )
    return [(entry, pairs.get(i, ())) for i, entry in enumerate(records)]


def _place(node: Node) -> tuple[str, int] | None:
    return (node.source.file, node.source.line) if node.source else None


def _serves(dims: frozenset[int], pairs: Sequence[tuple[Record, Dims]]) -> bool:
    """Wrapping ``dims`` wraps of each call exactly what is wanted."""
    return all(entry.padded & dims == set(wanted) for entry, wanted in pairs)


def _by_line(pairs: Sequence[tuple[Record, Dims]], family: str) -> dict[Lines, Dims]:
    groups: dict[Lines, list[tuple[Record, Dims]]] = {}
    for entry, wanted in pairs:
        groups.setdefault(entry.lines, []).append((entry, wanted))
    found: dict[Lines, Dims] = {}
    for lines, group in groups.items():
        dims = frozenset(d for _, wanted in group for d in wanted)
        # One convolution or pool for the image and for something that stays may wrap for both; a pad may not.
        if family == "pad" and not _serves(dims, group):
            where = f"{lines[0][0]}:{lines[0][1]}" if lines else "one line"
            raise AmbiguousCall(f"{where}: pads the image and, at the same place, something that must stay; write the two pads on lines of their own")
        found[lines] = tuple(sorted(dims))
    return found


__all__ = ["AmbiguousCall", "Record", "record", "sites_of"]
