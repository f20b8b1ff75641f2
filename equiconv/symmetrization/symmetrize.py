"""symmetrize: a network that keeps more shifts, with the weights it had, verified by a certificate."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any, Literal, overload

import torch
from torch import nn

from equiconv.certification import Certificate, Signal, certify
from equiconv.certification.certificate import strides_text
from equiconv.certification.certify import call_of, carriers
from equiconv.certification.derivation import Derivation, derive
from equiconv.graph import Graph, Node, capture
from equiconv.graph.wrapping import bind
from equiconv.symmetrization.calls import family_of, read
from equiconv.symmetrization.sites import AmbiguousCall, record, sites_of
from equiconv.symmetrization.wrapping import Dims, make_circular

METHODS = ("circular",)


class SymmetrizationError(ValueError):
    """The network could not be changed so that it certifies; the message says what is in the way."""


@overload
def symmetrize(
    model: nn.Module, x: Any, method: str = ..., axes: int | Sequence[int] = ..., *, return_certificate: Literal[False] = ..., seed: int = ...
) -> nn.Module: ...


@overload
def symmetrize(
    model: nn.Module, x: Any, method: str = ..., axes: int | Sequence[int] = ..., *, return_certificate: Literal[True], seed: int = ...
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

    Zero, reflect and replicate padding of convolutions, pools and pads wraps, in layers and in functional calls alike; a pad of anything else
    (channels, say) stays. The result holds what :attr:`Certificate.potential` of the model promised. Losses that padding has no part in
    (strides, ``ceil_mode``, flattening) remain. Away from the border, as far as no window reaches the padding, the outputs are those of the model.

    The copy has the model's modules, parameters, buffers and hooks, and a ``state_dict`` with the same keys. A module whose calls wrap is an
    instance of a subclass of its class (``Conv2d`` of ``CircularConv2d``). It trains, exports, and runs on other sizes and batches.
    The certificate holds for the shapes of ``x``: at others, certify again.

    Parameters
    ----------
    model: a module in evaluation mode. It is not altered.
    x: an example input, as for :func:`equiconv.certify`: a tensor, a tuple of arguments, or a dict of keyword arguments.
    method: ``"circular"``. axes: dims of the input that carry the shifts; padding of others stays.
    return_certificate: also return the certificate of the result, with larger subgroups tried (``seed`` is of those tries).

    A network that already has what circular padding would give it is returned as an equal copy.

    Raises
    ------
    SymmetrizationError (a ValueError): an operation has no rule, so nothing can be certified; a padding cannot be told from another; or
        the result does not certify for ``model``'s potential. What is in the way is named. TypeError: no module, or one traced into a graph.
    ValueError: another method, and whatever :func:`equiconv.certify` refuses.

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
    if isinstance(model, (torch.export.ExportedProgram, torch.fx.GraphModule, torch.jit.ScriptModule)):
        raise TypeError(f"model: got {type(model).__name__}, a graph whose calls are fixed; pass the module that it was made from")
    before = certify(model, x, axes, refute=False)
    if before.kind == "undecided":
        reasons = [f"{u.operation} in {u.module or 'the model'} ({u.source}): {u.reason}" for u in before.unknown] or list(before.notes)
        raise SymmetrizationError("model: cannot be certified, before or after: " + "; ".join(reasons))
    mended = _copy(model)
    if not _has_all(before):
        _wrap(mended, x, before)
    after = certify(mended, x, axes, refute=return_certificate, seed=seed)
    _require(after, before)
    return (mended, after) if return_certificate else mended


def _copy(model: nn.Module) -> nn.Module:
    try:
        return copy.deepcopy(model)
    except Exception as error:
        error.add_note("model: symmetrize changes a copy, and copy.deepcopy refused to make one")
        raise


def _has_all(before: Certificate) -> bool:
    """Circular padding would give nothing that the network lacks: it has no padding to wrap, or it is better off as it is."""
    if not before.wrapped:
        return True
    least = all(q % s == 0 for s, q in zip(before.strides, before.potential, strict=True))
    nothing_lost = all(s < n or n == 1 for s, n in zip(before.potential, before.shape, strict=True))
    return least and (nothing_lost or before.strides != before.potential)


def _wrap(mended: nn.Module, x: Any, before: Certificate) -> None:
    """Make every padding along the axes circular, in place."""
    args, kwargs = call_of(x)
    graph = capture(mended, args, kwargs)
    shape, moved, _ = carriers(graph, graph.flatten(args, kwargs), before.axes)
    derivation = derive(graph, shape, moved, circular=True)
    wanted = {name: _dims(graph, name, wrap.dims) for name, wrap in derivation.wrapped.items()}
    for name, dims in _behind_losses(graph, derivation, shape, moved).items():
        wanted[name] = tuple(sorted({*wanted.get(name, ()), *dims}))
    try:
        sites = sites_of(mended, graph, record(mended, args, kwargs), wanted)
    except AmbiguousCall as error:
        raise SymmetrizationError(f"model: {error}") from error
    for module, chosen in sites:
        if isinstance(module, (torch.fx.GraphModule, torch.jit.ScriptModule)):
            raise TypeError(f"model: holds a {type(module).__name__}, a graph whose calls are fixed; put the module that it was made from in its place")
        make_circular(module, chosen)


def _operand(graph: Graph, node: Node) -> Node:
    bound = bind(node.target, node.args, node.kwargs)
    return graph[bound["input" if "input" in bound else "self"].name]


def _dims(graph: Graph, name: str, dims: Sequence[int]) -> Dims:
    rank = _operand(graph, graph[name]).value.ndim
    return tuple(d - rank for d in dims)


def _behind_losses(graph: Graph, derivation: Derivation, shape: tuple[int, ...], moved: dict[str, tuple[int, ...]]) -> dict[str, Dims]:
    """Padding of convolutions and pools along an axis that was lost earlier, for a reason that has nothing to do with padding.

    At an odd size the first stride loses the axis, and nothing of it moves thereafter. So that the same network does well at a size that its strides
    divide, what pads the dims where the axis entered wraps all the same.
    """
    ranks = {graph[name].value.ndim for name in moved}
    if len(ranks) != 1:
        return {}
    rank = ranks.pop()
    places = [{dims[a] - rank for dims in moved.values()} for a in range(len(shape))]
    feeds_window = {name for node in graph.nodes if family_of(node.target) not in (None, "pad") for name in node.inputs}
    found: dict[str, Dims] = {}
    for node in graph.nodes:
        family = family_of(node.target) if node.kind == "operation" else None
        if family is None or (family == "pad" and node.name not in feeds_window):
            continue
        operand = _operand(graph, node)
        state = derivation.states[operand.name]
        if not isinstance(state, Signal) or len(state.dims) != rank:
            continue
        lost = {p for a, n in enumerate(shape) if n > 1 and state.strides[a] == n for p in places[a]}
        bound = bind(node.target, node.args, node.kwargs)
        fake = {**bound, "weight": graph[bound["weight"].name].value} if "weight" in bound else bound
        call = read(node.target, (), fake)
        dims = tuple(sorted(lost & set(call.padding))) if call is not None else ()
        if dims and all(side >= 0 for d in dims for side in call.padding[d]):
            found[node.name] = dims
    return found


def _require(after: Certificate, before: Certificate) -> None:
    """The result must hold what the model's potential promised, or more."""
    if all(q % s == 0 for s, q in zip(after.strides, before.potential, strict=True)) and after.kind != "undecided":
        return
    left = [o.describe(after.shape) for o in after.obstacles if o.removable] or [o.describe(after.shape) for o in after.obstacles]
    raise SymmetrizationError(
        f"model: with circular padding it should keep {strides_text(before.potential, before.shape)}, but only {strides_text(after.strides, after.shape)} "
        f"certifies; what is left:\n" + "\n".join(left)
    )


__all__ = ["METHODS", "SymmetrizationError", "symmetrize"]
