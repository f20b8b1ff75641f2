"""What a verdict owes to the values of the weights: it is derived once more without them, and compared."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from equiconv.certification.certificate import strides_text
from equiconv.certification.derivation import Derivation
from equiconv.certification.states import Constant
from equiconv.graph import Graph

_NAMED = 3  # parameters that the note names: behind the first that cost all, others have nothing left to cost


def reliance(
    graph: Graph,
    shape: tuple[int, ...],
    these: Derivation,
    without: Callable[[], Derivation],
    strides: Callable[[Derivation], Sequence[int]],
    condition: str = "",
) -> str | None:
    """A note where a subgroup holds for the values that some weights have and is not derived whatever they are; else None.

    these: the derivation with the values. without: makes the one that uses none. strides: of the subgroup that a derivation finds.
    condition: under which both hold, in words.
    """
    if these.unknown or all(s == n for s, n in zip(strides(these), shape, strict=True)):
        return None  # no weights can hold less than nothing
    generic = without()
    if not generic.unknown and all(s % g == 0 for g, s in zip(strides(generic), strides(these), strict=True)):
        return None
    kept = {(loss.node, loss.cause, loss.axis, loss.after) for loss in these.losses}
    nodes = [u.node for u in generic.unknown] or [
        loss.node for loss in generic.losses if (loss.node, loss.cause, loss.axis, loss.after) not in kept
    ]
    named = list(dict.fromkeys(_parameters(graph, generic, nodes)))
    first = f", {', '.join(named[:_NAMED])} first" if named else ""
    found = f"{strides_text(strides(generic), shape)} is all that is derived"
    if generic.unknown:
        found = "it is undecided"
    return (
        f"{condition}{strides_text(strides(these), shape)} rests on the values that some weights have{first}: "
        f"with others {found} (weights='generic')"
    )


def _parameters(graph: Graph, generic: Derivation, nodes: Iterable[str]) -> Iterable[str]:
    """Names of the parameters that the constant operands of these nodes are made of."""
    waiting = [name for node in nodes for name in graph[node].inputs]
    seen: set[str] = set()
    while waiting:
        name = waiting.pop(0)
        state = generic.states.get(name)
        if name in seen or not (isinstance(state, Constant) and state.generic):
            continue
        seen.add(name)
        if graph[name].kind == "parameter":
            yield graph[name].path
        waiting += graph[name].inputs
