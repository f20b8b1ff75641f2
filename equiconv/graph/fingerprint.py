"""Fingerprints of a captured graph: what two runs, two machines or two people compare to know that they speak of one network.

The text that is hashed says what is computed and nothing of where: no path, no address in memory, no device. It identifies a graph; that a
certificate holds for it is established by checking its steps, never by a hash.
"""

from __future__ import annotations

import hashlib
import operator
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, fx

from equiconv.graph.capture import Graph
from equiconv.graph.valueless import has_values


@dataclass(frozen=True)
class Fingerprint:
    """SHA-256 of a graph, in parts that tell apart how two networks differ.

    nodes: names, operations, arguments, wiring, shapes and dtypes. structure: the same with the nodes numbered in place of named, so that it
    survives a torch that names them otherwise. parameters, constants: dtype, shape and bytes of the parameters, and of the buffers and lifted
    constants, in the order of the graph; None where the values are not to be used, or where there are none (the meta device).
    """

    nodes: str
    structure: str
    parameters: str | None
    constants: str | None


def fingerprint(graph: Graph, generic: bool = False) -> Fingerprint:
    """The fingerprint of a graph; ``generic`` leaves the values of the parameters out.

    >>> from equiconv.graph import capture
    >>> def conv(seed, channels=1):
    ...     torch.manual_seed(seed)
    ...     return fingerprint(capture(torch.nn.Conv2d(1, channels, 3).eval(), (torch.zeros(1, 1, 8, 8),)))
    >>> conv(0) == conv(0), conv(0).nodes == conv(1).nodes, conv(0).parameters == conv(1).parameters
    (True, True, False)
    >>> conv(0).nodes == conv(0, channels=2).nodes
    False
    """
    return Fingerprint(
        _hash_lines(canonical_lines(graph)),
        _hash_lines(canonical_lines(graph, numbered=True)),
        None if generic else _hash_values(graph, ("parameter",)),
        _hash_values(graph, ("buffer", "constant")),
    )


def canonical_lines(graph: Graph, numbered: bool = False) -> Iterator[str]:
    """The graph as text, a node a line; ``numbered`` writes %0, %1, … in place of the names.

    >>> from equiconv.graph import capture
    >>> for line in canonical_lines(capture(torch.nn.ReLU().eval(), (torch.zeros(2, 3),)), numbered=True):
    ...     print(line)
    %0 = input[0][0]: input() -> float32[2, 3]
    %1 = aten.relu.default(%0) -> float32[2, 3]
    output = %1
    """
    labels = {node.name: f"%{i}" if numbered else node.name for i, node in enumerate(graph.nodes)}
    called = dict(zip(graph.inputs, graph.input_labels, strict=True))
    for node in graph.nodes:
        what = f"{called[node.name]}: input" if node.kind == "input" else _operation(node.target, node.kind)
        arguments = [_text(a, labels) for a in node.args]
        arguments += [f"{key}={_text(node.kwargs[key], labels)}" for key in sorted(node.kwargs)]
        yield f"{labels[node.name]} = {what}({', '.join(arguments)}) -> {_text(node.value, labels)}"
    for label, name in graph.outputs:
        yield f"{label} = {labels[name]}"
    for path in graph.mutates:
        yield f"writes to {path}"


def _operation(target: Any, kind: str) -> str:
    if target is None:
        return kind
    if target is operator.getitem:
        return "getitem"
    if isinstance(target, (torch._ops.OpOverload, torch._ops.HigherOrderOperator)):
        return str(target)
    # str() of a plain function holds its address.
    return f"{getattr(target, '__module__', '')}.{getattr(target, '__qualname__', type(target).__qualname__)}"


def _text(value: Any, labels: Mapping[str, str]) -> str:
    """One argument or value. What has no canonical text is written as its type."""
    if isinstance(value, fx.Node):
        return labels.get(value.name, value.name)
    if isinstance(value, Tensor):
        return f"{str(value.dtype).removeprefix('torch.')}{[int(s) for s in value.shape]}"
    if value is None or isinstance(value, (bool, int, float, complex, str)):
        return repr(value)
    if isinstance(value, (torch.dtype, torch.layout, torch.memory_format)):
        return str(value)
    if isinstance(value, (list, tuple)):
        return f"[{', '.join(_text(v, labels) for v in value)}]"
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{key!r}: {_text(value[key], labels)}" for key in sorted(value, key=str)) + "}"
    if isinstance(value, slice):
        return f"slice({', '.join(_text(v, labels) for v in (value.start, value.stop, value.step))})"
    if isinstance(value, fx.GraphModule):
        return "{" + "; ".join(_inner(value)) + "}"
    if isinstance(value, (torch.SymInt, torch.SymFloat, torch.SymBool)):
        return str(value)
    if isinstance(value, torch.device):
        return "device"  # where it is computed is no part of what is computed
    return f"<{type(value).__module__}.{type(value).__qualname__}>"


def _inner(module: fx.GraphModule) -> Iterator[str]:
    """The subgraph of a higher-order operation."""
    labels = {node.name: f"%{i}" for i, node in enumerate(module.graph.nodes)}
    for node in module.graph.nodes:
        what = node.op if node.op in ("placeholder", "output") else _operation(node.target, node.op)
        if isinstance(node.target, str) and node.op == "get_attr":
            what = f"get_attr {_text(operator.attrgetter(node.target)(module), labels)}"
        arguments = [_text(a, labels) for a in node.args]
        arguments += [f"{key}={_text(node.kwargs[key], labels)}" for key in sorted(node.kwargs)]
        yield f"{labels[node.name]} = {what}({', '.join(arguments)})"


def _hash_lines(lines: Iterator[str]) -> str:
    digest = hashlib.sha256()
    for line in lines:
        digest.update(line.encode() + b"\n")
    return digest.hexdigest()


def _hash_values(graph: Graph, kinds: tuple[str, ...]) -> str | None:
    digest = hashlib.sha256()
    for node in graph.nodes:
        value = graph.state.get(node.name)
        if node.kind in kinds and isinstance(value, Tensor):
            if not has_values(value):
                return None
            digest.update(f"{_text(value, {})}\n".encode())
            whole = value.detach().cpu().resolve_conj().resolve_neg().contiguous().reshape(-1)
            if whole.numel():
                digest.update(whole.view(torch.uint8).numpy().data)
    return digest.hexdigest()
