"""symmetrize: a network that keeps more shifts, with the weights it had, verified by a certificate."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from typing import Any, Literal, overload

import torch
from torch import nn

from equiconv.certification import Certificate, Signal, certify
from equiconv.certification.certificate import strides_text
from equiconv.certification.certify import call_of, carriers
from equiconv.certification.derivation import Derivation, derive
from equiconv.certification.opening import captured
from equiconv.graph import Graph, Node
from equiconv.graph.wrapping import bind
from equiconv.symmetrization.calls import family_of, read, rewrite
from equiconv.symmetrization.sites import AmbiguousCall, plan, record
from equiconv.symmetrization.wrapping import Dims, make_circular

METHODS = ("circular",)


class SymmetrizationError(ValueError):
    """The network could not be changed so that it certifies; the message says what is in the way."""


@overload
def symmetrize(
    model: nn.Module,
    x: Any,
    method: str = ...,
    axes: int | Sequence[int] = ...,
    *,
    return_certificate: Literal[False] = ...,
    seed: int = ...,
) -> nn.Module: ...


@overload
def symmetrize(
    model: nn.Module,
    x: Any,
    method: str = ...,
    axes: int | Sequence[int] = ...,
    *,
    return_certificate: Literal[True],
    seed: int = ...,
) -> tuple[nn.Module, Certificate]: ...


def symmetrize(
    model: nn.Module,
    x: Any,
    method: str = "circular",
    axes: int | Sequence[int] = (-2, -1),
    *,
    return_certificate: bool = False,
    seed: int = 0,
) -> nn.Module | tuple[nn.Module, Certificate]:
    """A copy of ``model`` that certifies: every padding along the axes made circular, weights kept.

    Zero, reflect and replicate padding of convolutions, pools and pads wraps, in layers and in functional calls
    alike; a pad of anything else (channels, say) stays. The result holds what ``certify(model, x).potential``
    promised. Losses in which padding has no part (strides, ``ceil_mode``, flattening) remain, and the certificate of
    the result lists them. Where no window of the model reaches its padding, the outputs are those of the model.

    The copy has the model's modules, parameters, buffers and hooks, and a ``state_dict`` with the same keys. A module
    whose calls wrap is an instance of a subclass of its class (``CircularConv2d`` of ``Conv2d``). It trains, exports,
    and runs on other batches and sizes; the certificate is for the shapes of ``x``.

    A network that already keeps what circular padding would give it is returned as an equal copy.

    Parameters
    ----------
    model: a module in evaluation mode, or an exported program (the result is its module). It is not altered.
    x: an example, as for :func:`equiconv.certify`: a tensor, a tuple of arguments, or a dict of keyword arguments.
    method: ``"circular"``.
    axes: dims of the input that carry the shifts; padding of others stays.
    return_certificate: return ``(copy, certificate of the copy)``; only then are larger subgroups tried.
    seed: of the random inputs of those tries.

    Raises
    ------
    SymmetrizationError (a ValueError): an operation has no rule, so that nothing can be certified; one padding
        cannot be told from another; or the result does not certify for the potential. What is in the way is named.
    TypeError: no module.
    ValueError: another method, and whatever :func:`equiconv.certify` refuses (a model in training mode, NaN weights).

    Examples
    --------
    >>> import torch, equiconv as eq
    >>> net = torch.nn.Sequential(torch.nn.Conv2d(1, 2, 3, padding=1), torch.nn.AdaptiveAvgPool2d(1)).eval()
    >>> x = torch.randn(1, 1, 8, 8)
    >>> eq.certify(net, x).strides, eq.certify(eq.symmetrize(net, x), x).strides
    ((8, 8), (1, 1))
    """
    if method not in METHODS:
        raise ValueError(f'method: got {method!r}; pass "circular", which makes every padding wrap')
    mended = _module(model)
    before = certify(mended, x, axes, refute=False)
    if before.kind == "undecided":
        unknown = [f"{u.operation} in {u.module or 'the model'} ({u.source}): {u.reason}" for u in before.unknown]
        raise SymmetrizationError(
            "model: nothing can be certified about it, before or after: " + "; ".join(unknown or before.notes)
        )
    if not _has_all(before):
        _wrap(mended, x, before)
    after = certify(mended, x, axes, refute=return_certificate, seed=seed)
    _require(after, before)
    return (mended, after) if return_certificate else mended


def _module(model: Any) -> Any:
    """The model as a module of its own, so that nothing of the caller's is changed."""
    if isinstance(model, torch.export.ExportedProgram):
        model = model.module()
        for part in model.modules():
            part.training = False  # eval() is refused by it: its mode is part of its graph
    try:
        return copy.deepcopy(model)
    except Exception as error:
        error.add_note("model: symmetrize changes a copy, and copy.deepcopy could not make one")
        raise


def _has_all(before: Certificate) -> bool:
    """Circular padding would give nothing that the network lacks: there is none to wrap, or it would do harm."""
    if not before.wrapped:
        return True
    at_least = all(q % s == 0 for s, q in zip(before.strides, before.potential, strict=True))
    lost = any(s == n > 1 for s, n in zip(before.potential, before.shape, strict=True))
    # An axis that is lost either way costs nothing to wrap, and at another size it may not be lost.
    return at_least and (before.strides != before.potential or not lost)


def _wrap(mended: nn.Module, x: Any, before: Certificate) -> None:
    """Make every padding along the axes circular, in place."""
    args, kwargs = call_of(x)
    graph = captured(mended, args, kwargs)
    shape, moved, _ = carriers(graph, graph.flatten(args, kwargs), before.axes)
    derivation = derive(graph, shape, moved, circular=True)
    wanted = _behind_losses(graph, derivation, shape, moved)
    for name, wrap in derivation.wrapped.items():
        rank = _operand(graph, graph[name]).value.ndim
        wanted[name] = tuple(sorted({*wanted.get(name, ()), *(d - rank for d in wrap.dims)}))
    try:
        todo = plan(mended, graph, record(mended, args, kwargs), wanted)
    except AmbiguousCall as error:
        raise SymmetrizationError(f"model: {error}") from error
    for module, sites in todo.modules:
        make_circular(module, sites)
    for traced, calls in todo.graphs:
        rewrite(traced, calls)


def _operand(graph: Graph, node: Node) -> Node:
    bound = bind(node.target, node.args, node.kwargs)
    return graph[bound["input" if "input" in bound else "self"].name]


def _behind_losses(
    graph: Graph, derivation: Derivation, shape: tuple[int, ...], moved: Mapping[str, tuple[int, ...]]
) -> dict[str, Dims]:
    """Padding for windows along an axis that was lost earlier, for a reason in which padding has no part.

    At an odd size the first stride loses the axis, and after it nothing moves that could be followed. So that the
    same network does well at a size that its strides divide, the dims where the axis entered wrap all the same.
    """
    found: dict[str, Dims] = {}
    ranks = {graph[name].value.ndim for name in moved}
    if len(ranks) != 1:
        return found
    rank = ranks.pop()
    places = [{dims[a] - rank for dims in moved.values()} for a in range(len(shape))]
    feeds_window = {name for node in graph.nodes if family_of(node.target) not in (None, "pad") for name in node.inputs}
    for node in graph.nodes:
        family = family_of(node.target)
        if family is None or (family == "pad" and node.name not in feeds_window):
            continue
        state = derivation.states[_operand(graph, node).name]
        arguments = bind(node.target, node.args, node.kwargs)
        if "weight" in arguments:
            arguments["weight"] = graph[arguments["weight"].name].value
        call = read(node.target, (), arguments)
        if call is None or not isinstance(state, Signal) or len(state.dims) != rank:
            continue
        lost = {place for a, n in enumerate(shape) if state.strides[a] == n > 1 for place in places[a]}
        if dims := sorted(d for d, sides in call.padding.items() if d in lost and min(sides) >= 0):
            found[node.name] = tuple(dims)
    return found


def _require(after: Certificate, before: Certificate) -> None:
    """The result must hold what the model's potential promised, or more."""
    kept = all(q % s == 0 for s, q in zip(after.strides, before.potential, strict=True))
    if kept and after.kind != "undecided":
        return
    left = [o for o in after.obstacles if o.removable] or list(after.obstacles)
    raise SymmetrizationError(
        f"model: with circular padding it should keep {strides_text(before.potential, before.shape)}, but "
        f"{strides_text(after.strides, after.shape)} is what certifies; what is left:\n"
        + "\n".join(o.describe(after.shape) for o in left)
    )


__all__ = ["METHODS", "SymmetrizationError", "symmetrize"]
