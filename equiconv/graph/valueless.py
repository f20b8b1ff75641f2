"""Tensors without values: a model on the meta device is captured in the memory of its graph.

torch.export is shown stand-ins: fake tensors with the shapes and dtypes of those on meta, on the device of the rest (the CPU where there is none).
The graph is the one that the loaded model would have: what it makes from numbers alone (ranges, masks, grids) is recorded on a device with values.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensor, FakeTensorMode
from torch.fx.experimental.symbolic_shapes import ShapeEnv
from torch.utils import _pytree as pytree


def has_values(value: Any) -> bool:
    """False for a tensor of which only the shape and the dtype are known.

    >>> has_values(torch.zeros(2)), has_values(torch.zeros(2, device="meta")), has_values(3)
    (True, False, True)
    """
    return not (isinstance(value, Tensor) and (value.is_meta or isinstance(value, FakeTensor)))


def without_values(value: Any) -> Any:
    """The tensor's shape, strides and dtype on the meta device; anything else as it is.

    >>> without_values(torch.ones(2, 3)).device
    device(type='meta')
    """
    if not isinstance(value, Tensor) or value.is_meta:
        return value
    if value.layout is not torch.strided:
        return torch.empty(value.shape, dtype=value.dtype, device="meta")
    return torch.empty_strided(value.shape, value.stride(), dtype=value.dtype, device="meta")


@contextlib.contextmanager
def stand_ins(model: Any, example: Any) -> Iterator[Any]:
    """While this is open, stand-ins take the place of the model's tensors on meta; yields the example with its own replaced.

    Where everything has values, nothing is touched and the example is yielded as it came.
    """
    modules = list(model.modules()) if isinstance(model, nn.Module) else []
    stores: list[dict[str, Any]] = [
        s for module in modules for s in (module._parameters, module._buffers, module.__dict__)
    ]
    slots = [
        (store, name, value)
        for store in stores
        for name, value in store.items()
        if isinstance(value, Tensor) and not has_values(value)
    ]
    if not slots and all(map(has_values, pytree.tree_leaves(example))):
        yield example
        return
    known = [v for module in modules for v in (*module._parameters.values(), *module._buffers.values())]
    known += pytree.tree_leaves(example)
    device = next((v.device for v in known if isinstance(v, Tensor) and has_values(v)), torch.device("cpu"))
    mode = FakeTensorMode(shape_env=ShapeEnv(), allow_non_fake_inputs=True)
    made: dict[int, Any] = {}  # a tensor that is used twice stays one

    def stand_in(value: Any) -> Any:
        if has_values(value):
            return value
        if id(value) not in made:
            with mode:
                fake = torch.empty_strided(value.shape, value.stride(), dtype=value.dtype, device=device)
            weight = isinstance(value, nn.Parameter)
            made[id(value)] = nn.Parameter(fake, requires_grad=value.requires_grad) if weight else fake
        return made[id(value)]

    try:
        for store, name, value in slots:
            store[name] = stand_in(value)
        yield pytree.tree_map(stand_in, example)
    finally:
        for store, name, value in slots:
            store[name] = value
