"""From the losses of a derivation to the obstacles of a certificate: one for each node and cause, in the order of the graph."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from equiconv.certification.certificate import Obstacle
from equiconv.certification.derivation import Derivation
from equiconv.certification.moves import WRAP
from equiconv.certification.states import Signal
from equiconv.certification.step import axis_names
from equiconv.graph import Graph


class Verdict(Protocol):
    """What is used of a verdict: for each output that is cropped, its node, the axes it loses, and its strides."""

    @property
    def crops(self) -> tuple[tuple[str, tuple[int, ...], tuple[int, ...]], ...]: ...


def obstacles_of(
    graph: Graph, as_is: Derivation, wrapping: Derivation, held: Verdict, best: Verdict, shape: tuple[int, ...]
) -> tuple[Obstacle, ...]:
    """Everything that costs symmetry: the losses as it stands, and, where padding costs any, each padding on its own and the losses behind it."""
    found: dict[tuple[str, str], Obstacle] = {}
    _collect(graph, as_is, found, shape)
    _collect_crops(graph, held, found, shape)
    # Where no padding costs anything as the network stands, wrapping it is no remedy (a padded sum, say) and is not listed.
    if as_is is not wrapping and any(loss.removable for loss in as_is.losses):
        for name, wrap in wrapping.wrapped.items():
            node = graph[name]
            after = tuple(n if a in wrap.axes else s for a, (s, n) in enumerate(zip(wrap.before, shape, strict=True)))
            message = f"pads the {axis_names(wrap.axes, shape)} with values that do not move with the image"
            earlier = found.get((name, "padding"))
            found[name, "padding"] = Obstacle(
                name,
                node.operation,
                node.module,
                node.source,
                "padding",
                earlier.message if earlier else message,
                wrap.axes,
                wrap.before,
                after,
                WRAP,
                True,
                earlier.theorem if earlier else "zero_padding",
            )
        _collect(graph, wrapping, found, shape)
        _collect_crops(graph, best, found, shape)
    order = {node.name: i for i, node in enumerate(graph.nodes)}
    return tuple(sorted(found.values(), key=lambda o: (order[o.node], o.cause != "padding")))


def _collect(
    graph: Graph, derivation: Derivation, found: dict[tuple[str, str], Obstacle], shape: tuple[int, ...]
) -> None:
    groups: dict[tuple[str, str], list[Any]] = {}
    for loss in derivation.losses:
        groups.setdefault((loss.node, loss.cause), []).append(loss)
    for key, losses in groups.items():
        if key in found:
            continue
        node = graph[key[0]]
        operand = next((s for n in node.inputs if isinstance(s := derivation.states.get(n), Signal)), None)
        before = list(operand.strides) if operand else [1] * len(shape)
        after = list(before)
        said: set[tuple[int, str]] = set()
        for loss in losses:
            if (loss.axis, loss.message) in said:
                continue  # a reshape is paid for wherever its digits are taken apart, and is to blame once
            said.add((loss.axis, loss.message))
            before[loss.axis] = loss.before
            after[loss.axis] = loss.after
        found[key] = Obstacle(
            node.name,
            node.operation,
            node.module,
            node.source,
            key[1],
            _merged(losses, shape),
            tuple(sorted({loss.axis for loss in losses})),
            tuple(before),
            tuple(after),
            losses[0].remedy,
            losses[0].removable,
            losses[0].theorem,
        )


def _merged(losses: Sequence[Any], shape: tuple[int, ...]) -> str:
    """One message for losses that say the same of several axes."""
    together: dict[str, list[int]] = {}
    for loss in losses:
        together.setdefault(loss.message.replace(axis_names([loss.axis], shape), "\0"), []).append(loss.axis)
    whole = (text.replace("\0", axis_names(set(axes), shape)) for text, axes in together.items())
    return "; ".join(dict.fromkeys(whole))  # a message that names several axes itself is said once


def _collect_crops(
    graph: Graph, verdict: Verdict, found: dict[tuple[str, str], Obstacle], shape: tuple[int, ...]
) -> None:
    for name, axes, strides in verdict.crops:
        node = graph[name]
        after = tuple(n if a in axes else s for a, (s, n) in enumerate(zip(strides, shape, strict=True)))
        found.setdefault(
            (name, "crop"),
            Obstacle(
                name,
                node.operation,
                node.module,
                node.source,
                "crop",
                f"the output is not one whole period along the {axis_names(axes, shape)}, so no roll of it answers a shift of the input",
                axes,
                strides,
                after,
                "pad circularly so that the output has whole periods",
                False,
                "part_of_a_period",
            ),
        )
