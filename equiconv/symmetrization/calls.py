"""Calls of torch functions that pad, and the same calls with padding that wraps.

A convolution, a pool or a pad is recognised however it is called (``torch.nn.functional``, ``torch``,
``torch.ops.aten``) and read into named arguments. Dims are counted from the last, so that what is said of a call
holds with and without a batch dim.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, fx

from equiconv.graph.wrapping import paddings, per_dim
from equiconv.nn.padding import circular_pad

_CONV = ("input", "weight", "bias", "stride", "padding", "dilation", "groups")
_MAX_POOL = ("input", "kernel_size", "stride", "padding", "dilation", "ceil_mode", "return_indices")
_AVG_POOL = ("input", "kernel_size", "stride", "padding", "ceil_mode", "count_include_pad", "divisor_override")

#: ATen's name of each operation → its family, spatial rank (0 for a pad) and arguments in order.
_SIGNATURES: dict[str, tuple[str, int, tuple[str, ...]]] = {
    "pad": ("pad", 0, ("input", "pad", "mode", "value")),
    "constant_pad_nd": ("pad", 0, ("input", "pad", "value")),
    # core ATen's one convolution, whose rank is that of its weight: see read
    "convolution": ("conv2d", 2, (*_CONV[:-1], "transposed", "output_padding", "groups")),
    "im2col": ("unfold", 2, ("input", "kernel_size", "dilation", "padding", "stride")),
}
for _rank in (1, 2, 3):
    _SIGNATURES[f"conv{_rank}d"] = (f"conv{_rank}d", _rank, _CONV)
    _SIGNATURES[f"avg_pool{_rank}d"] = (f"avg_pool{_rank}d", _rank, _AVG_POOL)
    for _name in (f"max_pool{_rank}d", f"max_pool{_rank}d_with_indices"):
        _SIGNATURES[_name] = (f"max_pool{_rank}d", _rank, _MAX_POOL)
    for _mode in ("reflection", "replication"):
        _SIGNATURES[f"{_mode}_pad{_rank}d"] = ("pad", 0, ("input", "pad"))

_FUNCTIONS: dict[Any, str] = {F.unfold: "im2col"} | {
    getattr(space, name): name for name in _SIGNATURES for space in (torch, F, torch._C._nn) if hasattr(space, name)
}


def family_of(function: Any) -> str | None:
    """``"conv2d"``, ``"max_pool1d"``, ``"avg_pool3d"``, ``"unfold"``, ``"pad"``, …; None for a function that does not
    pad.

    >>> family_of(F.max_pool2d), family_of(torch.ops.aten.constant_pad_nd.default), family_of(torch.relu)
    ('max_pool2d', 'pad', None)
    """
    name = _name_of(function)
    return None if name is None else _SIGNATURES[name][0]


def _name_of(function: Any) -> str | None:
    if isinstance(function, (torch._ops.OpOverload, torch._ops.OpOverloadPacket)):
        full = function._schema.name if isinstance(function, torch._ops.OpOverload) else function._qualified_op_name
        space, name = full.split("::")
        return name if space == "aten" and name in _SIGNATURES else None
    try:
        return _FUNCTIONS.get(function)
    except TypeError:  # unhashable, so none of ours
        return None


@dataclass(frozen=True)
class PaddedCall:
    """A call that may pad.

    family: see :func:`family_of`. rank: spatial rank, 0 for a pad. arguments: by name. with_indices: a max pool that
    also returns positions. padding: entries before and after, for each padded dim (negative). A pad that is circular
    has none.
    """

    family: str
    rank: int
    arguments: Mapping[str, Any]
    with_indices: bool
    padding: Mapping[int, tuple[int, int]]


def read(function: Any, args: Sequence[Any], kwargs: Mapping[str, Any]) -> PaddedCall | None:
    """The call in named arguments; None for a function that does not pad.

    >>> read(F.pad, (torch.zeros(1, 2, 5, 5), (1, 0, 2, 2)), {}).padding
    {-1: (1, 0), -2: (2, 2)}
    """
    name = _name_of(function)
    if name == "convolution":
        return _read_convolution(args, kwargs)
    return None if name is None else _read(name, args, kwargs)


def _read_convolution(args: Sequence[Any], kwargs: Mapping[str, Any]) -> PaddedCall | None:
    arguments = dict(zip(_SIGNATURES["convolution"][2], args, strict=False)) | dict(kwargs)
    arguments.pop("output_padding", None)
    if arguments.pop("transposed", False):
        return None
    rank = arguments["weight"].ndim - 2
    return PaddedCall(f"conv{rank}d", rank, arguments, False, _padding(arguments, rank))


def _read(name: str, args: Sequence[Any], kwargs: Mapping[str, Any]) -> PaddedCall:
    family, rank, names = _SIGNATURES[name]
    ours = {"self": "input"} if rank else {"self": "input", "padding": "pad"}
    arguments = dict(zip(names, args, strict=False)) | {ours.get(key, key): value for key, value in kwargs.items()}
    if name.startswith(("reflection", "replication")):
        arguments["mode"] = "reflect" if name.startswith("reflection") else "replicate"
    indices = bool(arguments.pop("return_indices", False)) or name.endswith("_with_indices")
    return PaddedCall(family, rank, arguments, indices, _padding(arguments, rank))


def _padding(arguments: Mapping[str, Any], rank: int) -> dict[int, tuple[int, int]]:
    if not rank:
        if arguments.get("mode", "constant") == "circular":
            return {}
        pad = arguments["pad"]
        pairs = {-1 - i: (pad[2 * i], pad[2 * i + 1]) for i in range(len(pad) // 2)}
    else:
        dilation = per_dim(arguments.get("dilation", 1), rank, 1)
        before, after = paddings(arguments.get("padding", 0), _kernel(arguments, rank), dilation)
        pairs = {d - rank: sides for d, sides in enumerate(zip(before, after, strict=True))}
    return {d: sides for d, sides in pairs.items() if any(sides)}


def _kernel(arguments: Mapping[str, Any], rank: int) -> list[int]:
    return list(arguments["weight"].shape[2:]) if "weight" in arguments else per_dim(arguments["kernel_size"], rank)


def circularly(call: PaddedCall, dims: Iterable[int]) -> Any:
    """The call's result were its padding along ``dims`` circular; the padding of other dims stays as it is.

    The signal is continued periodically first and the function runs on that without padding, so nothing but the padding
    changes: shapes are those of the call as it stands, and positions of a max count in the signal, modulo its size.

    >>> x = torch.arange(4.0).reshape(1, 1, 4)
    >>> circularly(read(F.max_pool1d, (x, 3), {"stride": 1, "padding": 1}), [-1])
    tensor([[[3., 2., 3., 3.]]])
    """
    chosen = {d: call.padding[d] for d in dims if d in call.padding}
    rest = {d: sides for d, sides in call.padding.items() if d not in chosen}
    x = call.arguments["input"]
    if call.family == "pad":
        if rest:
            length = len(call.arguments["pad"])
            x = F.pad(x, _flat(rest, length), call.arguments.get("mode", "constant"), call.arguments.get("value"))
        return circular_pad(x, _flat(chosen))
    padded = circular_pad(x, _flat(chosen))
    if any(before != after for before, after in rest.values()):  # padding="same" of an even kernel
        padded, rest = F.pad(padded, _flat(rest)), {}
    kept = [rest.get(d, (0, 0))[0] for d in range(-call.rank, 0)]
    arguments = {**call.arguments, "input": padded, "padding": kept}
    function: Callable[..., Any] = getattr(F, call.family)
    if not call.with_indices:
        return _cut(function(**arguments), call)
    values, positions = function(**arguments, return_indices=True)
    return _cut(values, call), _cut(_unwrapped(positions, x, padded, chosen, call.rank), call)


def rewrite(graph: fx.GraphModule, calls: Mapping[fx.Node, Iterable[int]]) -> None:
    """Replace calls of a traced graph, in place, by the same calls with padding that wraps along the given dims."""
    for node, dims in calls.items():
        node.args = (_name_of(node.target), tuple(dims), *node.args)
        node.target = circular_call
        node.meta["is_wrapped"] = True  # tracing the graph again, as unpickling does, keeps the call whole
    graph.recompile()


def circular_call(name: str, dims: Sequence[int], *args: Any, **kwargs: Any) -> Any:
    """What stands in a traced graph for a call of ATen's operation ``name`` that wraps along ``dims``."""
    return circularly(_read(name, args, kwargs), dims)


def _flat(padding: Mapping[int, tuple[int, int]], length: int = 0) -> list[int]:
    """The list that ``torch.nn.functional.pad`` takes, last dim first."""
    count = max([-d for d in padding] + [length // 2])
    return [entries for i in range(count) for entries in padding.get(-1 - i, (0, 0))]


def _cut(result: Tensor, call: PaddedCall) -> Tensor:
    """Only the windows that the call has: with ``ceil_mode`` torch drops one that would start in the padding on the
    right."""
    if not call.arguments.get("ceil_mode", False):
        return result
    kernel = _kernel(call.arguments, call.rank)
    dilation = per_dim(call.arguments.get("dilation", 1), call.rank, 1)
    stride = per_dim(call.arguments["stride"], call.rank) if call.arguments.get("stride") else kernel
    for d in range(-call.rank, 0):
        n, p, s = call.arguments["input"].shape[d], call.padding.get(d, (0, 0))[0], stride[d]
        count = -(-(n + 2 * p - dilation[d] * (kernel[d] - 1) - 1) // s) + 1
        result = result.narrow(d, 0, count - 1 if (count - 1) * s >= n + p else count)
    return result


def _unwrapped(
    positions: Tensor, x: Tensor, padded: Tensor, chosen: Mapping[int, tuple[int, int]], rank: int
) -> Tensor:
    """Flat positions in the continued signal as flat positions in the signal itself."""
    result, scale = torch.zeros_like(positions), 1
    for d in range(-1, -1 - rank, -1):
        size, n = padded.shape[d], x.shape[d]
        entry = torch.remainder(positions, size)
        positions = torch.div(positions, size, rounding_mode="floor")
        result = result + torch.remainder(entry - chosen.get(d, (0, 0))[0], n) * scale
        scale = scale * n
    return result


__all__ = ["PaddedCall", "circular_call", "circularly", "family_of", "read", "rewrite"]
