"""Layer by layer: how far each tensor inside a torch model is from following a shift, beside its own rounding floor.

A row is one operation, or one call of a torch layer, judged by its last result. Reshapes only move entries, so they break
nothing and have no row. No rule of any operation is used: the error is measured, and the action that explains it best is
named.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils import _pytree as pytree

from equiconv.graph import Graph, Node, SourceLine
from equiconv.graph.capture import largest_difference
from equiconv.measurement.actions import roll_amounts
from equiconv.measurement.rounding import BEYOND, Shaker, floats
from equiconv.measurement.subject import Subject

__all__ = ["LayerError", "default_layer_shifts", "measure_layers"]

# What only moves, copies or renames entries.
_MOVES = {
    *(
        "aten.view",
        "aten.reshape",
        "aten._unsafe_view",
        "aten.flatten",
        "aten.unflatten",
        "aten.squeeze",
        "aten.unsqueeze",
    ),
    *("aten.permute", "aten.transpose", "aten.t", "aten.movedim", "aten.expand", "aten.view_as_real"),
    *("aten.clone", "aten.contiguous", "aten.alias", "aten.detach", "aten.lift_fresh_copy", "aten._to_copy", "aten.to"),
    "aten.dropout",  # of a model in evaluation mode
}

STAYS = "stays"
REARRANGED = "rearranged"
PHASES = "phases"
UNDEFINED = "undefined"


@dataclass(frozen=True)
class LayerError:
    """One tensor inside a model under the shifts of the per-layer run.

    Attributes
    ----------
    node, operation: in the graph. module, module_type: dotted path and class. source: the user's line.
    shape: of the tensor. scale: its largest entry. floor: its rounding floor.
    errors: for each shift the largest |T(g·x) − ρ(g)·T(x)|, NaN where the tensor has no action to compare with (a shift
        by 1 after a stride of 2).
    actions: for each shift, the ρ that was used. ``"rolls (2, 3)"``: these dims roll, by k·m/n for size m. ``"stays"``:
        none does. ``"undefined"``: none to compare with. ``"rearranged"``: some permutation of the entries, not named
        further; the error is then that between the sorted entries, the least that any permutation leaves. ``"phases"``:
        complex entries, as in a spectrum, change their phases only; the error is then that between the moduli.
    """

    node: str
    operation: str
    module: str
    module_type: str
    source: SourceLine | None
    shape: tuple[int, ...]
    errors: tuple[float, ...]
    actions: tuple[str, ...]
    floor: float
    scale: float

    @property
    def error(self) -> float:
        """The largest error over the shifts that can be compared; NaN where none can."""
        return max((e for e in self.errors if not math.isnan(e)), default=math.nan)

    @property
    def relative(self) -> float:
        """The error as a share of the tensor's largest entry."""
        return (
            self.error / self.scale
            if self.scale
            else (math.nan if math.isnan(self.error) else 0.0 if self.error == 0 else math.inf)
        )

    def breaks(self, index: int) -> bool:
        """Whether the error under the shift of this number is beyond rounding."""
        return self.errors[index] > BEYOND * self.floor

    @property
    def label(self) -> str:
        """The module's path and the operation, such as ``layer1.0.conv1 (conv2d)``."""
        word = self.operation.removeprefix("aten.").split(".")[0]
        return f"{self.module or 'model'} ({'batch_norm' if 'batch_norm' in word else word})"

    def as_dict(self) -> dict[str, Any]:
        """The row as plain data."""
        return {
            "node": self.node,
            "operation": self.operation,
            "module": self.module,
            "module_type": self.module_type,
            "source": self.source.as_dict() if self.source else None,
            "shape": list(self.shape),
            "errors": list(self.errors),
            "actions": list(self.actions),
            "floor": self.floor,
            "scale": self.scale,
        }


def default_layer_shifts(graph: Graph, subject: Subject) -> tuple[tuple[int, ...], ...]:
    """Along each axis the shift by 1, and the coarsest step below n of a convolution's or pool's output.

    The second is the shift that still has a place at every layer before the global pool.
    """
    rank, shape = subject.example.ndim, subject.group.shape
    coarsest = [1] * len(shape)
    for node in graph.nodes:
        sizes = _shape(node)
        # Other operations may have their channels in these dims.
        if sizes is None or len(sizes) != rank or not ("conv" in node.operation or "pool" in node.operation):
            continue
        for a, (axis, n) in enumerate(zip(subject.axes, shape, strict=True)):
            m = sizes[axis]
            if m > 1 and n % m == 0:
                coarsest[a] = max(coarsest[a], n // m)
    found = []
    for steps in ([1] * len(shape), coarsest):
        for a, n in enumerate(shape):
            shift = tuple(steps[a] if b == a else 0 for b in range(len(shape)))
            if n > 1 and shift not in found:
                found.append(shift)
    return tuple(found)


def measure_layers(
    graph: Graph,
    subject: Subject,
    shifts: Iterable[Sequence[int]],
    seed: int = 0,
    dtype: torch.dtype = torch.float64,
    progress: Callable[[str], None] | None = None,
) -> tuple[LayerError, ...]:
    """The error of every row under each shift, computed in `dtype` throughout (casts inside the model included).

    graph: of the subject's model, captured on the subject's arguments.
    """
    say = progress or (lambda _text: None)
    args, kwargs = subject.arguments()
    leaves = graph.flatten(args, kwargs)
    rows = _rows(graph, {graph.inputs[i] for i in subject.moved})
    base: dict[str, Tensor] = {}

    def keep(node: Node, value: Any) -> None:
        if node.name in rows and floats(value):
            base[node.name] = value

    graph.run(leaves, keep, dtype)
    say("layers: rounding floors")
    floors = _floors(graph, leaves, base, dtype, seed)
    cells: dict[str, list[tuple[float, str]]] = {name: [] for name in rows}
    chosen = [tuple(int(k) for k in shift) for shift in shifts]
    for shift in chosen:
        say(f"layers: shift {shift}")

        def compare(node: Node, value: Any, shift: tuple[int, ...] = shift) -> None:
            if node.name in base:
                cells[node.name].append(_cell(value, base[node.name], subject, shift, floors[node.name]))

        graph.run(subject.shifted(shift, leaves), compare, dtype)
    found = []
    for name in rows:
        if name not in base:
            continue  # whole numbers
        node, value = graph[name], base[name]
        errors, actions = tuple(e for e, _ in cells[name]), tuple(a for _, a in cells[name])
        place = name, _operation(graph, node), node.module, node.module_type, node.source
        found.append(
            LayerError(*place, tuple(value.shape), errors, actions, floors[name], scale=float(value.abs().max()))
        )
    return tuple(found)


def _floors(
    graph: Graph, leaves: Sequence[Any], base: Mapping[str, Tensor], dtype: torch.dtype, seed: int, samples: int = 2
) -> dict[str, float]:
    """For each row the largest change when every result on the way to it is perturbed by its own roundoff."""
    found = dict.fromkeys(base, 0.0)
    for sample in range(samples):
        shaker = Shaker(seed + sample)

        def perturb(node: Node, value: Any, shaker: Shaker = shaker) -> Any:
            if node.kind != "operation":
                return None
            shaken = pytree.tree_map(lambda v: v.clone() if floats(v) else v, value)
            for tensor in pytree.tree_leaves(shaken):
                if floats(tensor):
                    shaker.shake(tensor)
            if node.name in found:
                found[node.name] = max(found[node.name], largest_difference(shaken, base[node.name]))
            return shaken

        graph.run(leaves, perturb, dtype)
    return found


def _rows(graph: Graph, moved: set[str]) -> dict[str, None]:
    """The nodes with a row: those that depend on an input that moves, and of each call of a torch layer the last one."""
    dependent = set(moved)
    rows: list[Node] = []
    place: object = None
    for node in graph.nodes:
        if node.kind != "operation" or not dependent.intersection(node.inputs):
            continue
        dependent.add(node.name)
        here = (node.module, (node.source.file, node.source.line) if node.source else None)
        if _moves_only(node) or _shape(node) is None:
            continue
        if rows and here == place and node.module_type.startswith("torch.nn."):
            rows.pop()  # a circular pad before its convolution
        rows.append(node)
        place = here
    return dict.fromkeys(node.name for node in rows)


def _operation(graph: Graph, node: Node) -> str:
    """The operation that computed a node's value; a getitem only picks one of its results."""
    return graph[node.inputs[0]].operation if node.operation == "getitem" else node.operation


def _moves_only(node: Node) -> bool:
    return ".".join(node.operation.split(".")[:2]) in _MOVES


def _shape(node: Node) -> tuple[int, ...] | None:
    """Shape of a node's tensor; None where it is several."""
    return tuple(int(s) for s in node.value.shape) if isinstance(node.value, Tensor) else None


def _cell(got: Tensor, base: Tensor, subject: Subject, shift: tuple[int, ...], floor: float) -> tuple[float, str]:
    """The error of one tensor under one shift, and the action that explains it best.

    Tried in turn: the roll at the input's positions, the roll with channels last, staying, other phases, any
    rearrangement; the first that holds to rounding is credited. Where none holds, the error reported is that of the better roll; NaN for a
    tensor of the input's rank for which no roll is defined; that of staying for a vector per image; and else what the
    best rearrangement leaves.
    """
    if got.shape != base.shape:
        return math.inf, STAYS
    limit = BEYOND * floor
    rolls: list[tuple[float, str]] = []
    layouts = _layouts(base, subject)
    spatial = bool(layouts) and all(any(base.shape[d] > 1 for d in dims) for dims in layouts)
    for dims in layouts if spatial else ():
        amounts = roll_amounts([base.shape[d] for d in dims], subject.group.shape, shift)
        if amounts is not None:
            rolls.append((largest_difference(got, torch.roll(base, amounts, dims)), f"rolls {dims}"))
            if rolls[-1][0] <= limit:
                return rolls[-1]
    still = largest_difference(got, base)
    if still <= limit:
        return still, STAYS
    if base.is_complex() and (modulus := largest_difference(got.abs(), base.abs())) <= limit:
        return modulus, PHASES
    if _could_be_rearranged(got, base, limit) and (sorted_error := _sorted_difference(got, base)) <= limit:
        return sorted_error, REARRANGED
    if spatial:
        return min(rolls, default=(math.nan, UNDEFINED))
    if base.ndim <= 2 or base.ndim == subject.example.ndim or base.is_complex():
        return still, STAYS
    return _sorted_difference(got, base), REARRANGED


def _could_be_rearranged(a: Tensor, b: Tensor, limit: float) -> bool:
    """False where no permutation can bring the entries within the limit.

    The extremes, and the mean of |·|, move by no more than the entries do.
    """
    if a.is_complex():
        return False
    if max(abs(float(a.max() - b.max())), abs(float(a.min() - b.min()))) > limit:
        return False
    means = float(a.abs().mean()), float(b.abs().mean())
    rounding = torch.finfo(a.dtype).eps * a.numel() * max(means)
    return abs(means[0] - means[1]) <= limit + rounding


def _sorted_difference(a: Tensor, b: Tensor) -> float:
    """The least that max |a − P b| takes over permutations P of all entries: that of the sorted ones."""
    return largest_difference(_ascending(a), _ascending(b))


def _ascending(value: Tensor) -> Tensor:
    """All entries in order. NumPy's sort is several times faster than torch's, which also keeps the places."""
    if value.device.type == "cpu":
        return torch.from_numpy(np.sort(value.flatten().numpy()))
    return value.flatten().sort().values


def _layouts(value: Tensor, subject: Subject) -> list[tuple[int, ...]]:
    """Dims that could carry the shifts in a tensor of the input's rank: the input's own, and those with channels last."""
    if value.ndim != subject.example.ndim:
        return []
    own = tuple(a + value.ndim for a in subject.axes)
    trailing = own == tuple(range(value.ndim - len(own), value.ndim))
    last = tuple(d - 1 for d in own)
    return [own, last] if trailing and last[0] >= 1 else [own]
