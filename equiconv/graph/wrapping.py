"""Run an operation as though its padding wrapped: the executable form of "were every padding circular".

The padded dims are extended periodically first and the operation runs without padding, so nothing but the padding changes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.utils import _pytree as pytree

from equiconv.graph.capture import Node

aten = torch.ops.aten


def wrap(x: Tensor, dims: Sequence[int], before: Sequence[int], after: Sequence[int]) -> Tensor:
    """Extend ``x`` periodically by ``before`` and ``after`` entries along ``dims``; negative numbers crop; any number of wraps.

    >>> wrap(torch.arange(3), [0], [4], [1])
    tensor([2, 0, 1, 2, 0, 1, 2, 0])
    """
    for dim, left, right in zip(dims, before, after, strict=True):
        if left or right:
            n = x.shape[dim]
            x = x.index_select(dim, torch.arange(-left, n + right, device=x.device) % n)
    return x


def bind(target: Any, args: Sequence[Any], kwargs: Any) -> dict[str, Any]:
    """Arguments of an ATen overload by their schema's names, with defaults filled in."""
    bound: dict[str, Any] = {}
    for position, argument in enumerate(target._schema.arguments):
        if position < len(args):
            bound[argument.name] = args[position]
        elif argument.name in kwargs:
            bound[argument.name] = kwargs[argument.name]
        elif argument.has_default_value():
            bound[argument.name] = argument.default_value
        else:
            raise TypeError(f"{target}: the argument {argument.name} is missing")
    return bound


def per_dim(value: Any, rank: int, default: int = 0) -> list[int]:
    """A per-dim list from ATen's shorthands: empty means ``default``, one entry holds for every dim."""
    entries = [int(v) for v in value] if isinstance(value, (list, tuple)) else [int(value)]
    if not entries:
        return [default] * rank
    return entries * rank if len(entries) == 1 else entries


def paddings(padding: Any, kernel: Sequence[int], dilation: Sequence[int]) -> tuple[list[int], list[int]]:
    """Padding before and after each dim, from a number, a list, "same" or "valid"."""
    if padding == "same":
        return same_padding(kernel, dilation)
    if padding == "valid":
        return [0] * len(kernel), [0] * len(kernel)
    both = per_dim(padding, len(kernel))
    return both, list(both)


def same_padding(kernel: Sequence[int], dilation: Sequence[int]) -> tuple[list[int], list[int]]:
    """torch's padding="same": d·(k − 1) in all, the larger half on the right."""
    total = [d * (k - 1) for k, d in zip(kernel, dilation, strict=True)]
    return [t // 2 for t in total], [t - t // 2 for t in total]


def _sliding(node: Node, dims: Sequence[int]) -> Callable[..., Any]:
    target = node.target

    def run(*args: Any, **kwargs: Any) -> Any:
        bound = bind(target, args, kwargs)
        name = "input" if "input" in bound else "self"
        x = bound[name]
        kernel = (
            list(bound["weight"].shape[2:]) if "weight" in bound else per_dim(bound["kernel_size"], _pool_rank(target))
        )
        rank = len(kernel)
        dilation = per_dim(bound.get("dilation", 1), rank, 1)
        before, after = paddings(bound["padding"], kernel, dilation)
        chosen = [d - (x.ndim - rank) for d in dims]  # the operation's own dims, from 0
        if "padding" in str(target).split(".")[-1]:
            # The string form has no per-dim padding: pad what stays with zeros by hand, wrap the rest.
            rest = [d for d in range(rank) if d not in chosen]
            zeros = [p for d in reversed(range(rank)) for p in ((before[d], after[d]) if d in rest else (0, 0))]
            bound[name], bound["padding"] = torch.nn.functional.pad(x, zeros), "valid"
        else:
            bound["padding"] = [0 if d in chosen else before[d] for d in range(rank)]
        bound[name] = wrap(bound[name], list(dims), [before[d] for d in chosen], [after[d] for d in chosen])
        result = target(**bound)
        # ceil_mode drops windows that start in the padding, of which nothing is left now: drop them by hand.
        if bound.get("ceil_mode"):
            return pytree.tree_map(lambda y, like: _crop(y, dims, like.shape), result, node.value)
        return result

    return run


def _crop(y: Tensor, dims: Sequence[int], shape: Sequence[int]) -> Tensor:
    for d in dims:
        y = y.narrow(d, 0, int(shape[d]))
    return y.contiguous()  # as the operation itself returns it, so that a view of it stays one


def _pool_rank(target: Any) -> int:
    if "im2col" in str(target):
        return 2
    return int(str(target).split("d.")[0].split("d_with")[0][-1])


def _pad(node: Node, dims: Sequence[int]) -> Callable[..., Any]:
    target = node.target

    def run(*args: Any, **kwargs: Any) -> Any:
        bound = bind(target, args, kwargs)
        name = "pad" if "pad" in bound else "padding"
        x, pad = bound["self"], [int(p) for p in bound[name]]
        position = {x.ndim - 1 - i: i for i in range(len(pad) // 2)}
        chosen = [position[d] for d in dims]
        bound[name] = [0 if i // 2 in chosen else p for i, p in enumerate(pad)]
        rest = target(**bound) if any(bound[name]) else x
        return wrap(rest, list(dims), [pad[2 * i] for i in chosen], [pad[2 * i + 1] for i in chosen])

    return run


#: Operations whose padding can be made to wrap, with what builds the wrapped form from the node.
WRAPPABLE: dict[str, Callable[[Node, Sequence[int]], Callable[..., Any]]] = {
    **{f"aten.conv{d}d.{o}": _sliding for d in (1, 2, 3) for o in ("default", "padding")},
    "aten.convolution.default": _sliding,
    **{f"aten.{kind}_pool{d}d.default": _sliding for kind in ("max", "avg") for d in (1, 2, 3)},
    **{f"aten.max_pool{d}d_with_indices.default": _sliding for d in (1, 2, 3)},
    "aten.im2col.default": _sliding,
    "aten.pad.default": _pad,
    "aten.constant_pad_nd.default": _pad,
    **{f"aten.{kind}_pad{d}d.default": _pad for kind in ("reflection", "replication") for d in (1, 2, 3)},
}


def wrapped(node: Node, dims: Sequence[int]) -> Callable[..., Any]:
    """A function with the arguments of ``node``'s operation that computes it with circular padding along ``dims`` of its operand.

    Raises KeyError for an operation that has no padding to wrap (see :data:`WRAPPABLE`).
    """
    return WRAPPABLE[node.operation](node, dims)
