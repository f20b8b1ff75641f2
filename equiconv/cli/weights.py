"""Weights of a network that was chosen by name alone: random, and generic; or none at all.

Libraries start many parameters at one value: the last normalisation of a residual branch at 0, a layer scale at 1e-6, a
position embedding at 0. Such a value is an accident of the beginning: a branch that is multiplied by zero hides every
obstacle inside it, and no trained network has it.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import torch
from torch import nn
from torch.nn.modules.batchnorm import _NormBase
from torch.overrides import TorchFunctionMode

_SPREAD = 0.1


def make_generic(model: nn.Module, seed: int = 0) -> int:
    """Move every parameter that is one value throughout, and every normalisation's running statistics, by up to 0.1.

    Returns the number of tensors redrawn. The rest, which its library drew at random, stays; so does every other
    buffer, which may be a mask or an index. In place, with a generator of its own.

    >>> norm = nn.BatchNorm2d(3).eval()
    >>> make_generic(norm), bool((norm.weight - 1).abs().max() <= 0.1), bool(norm.running_var.min() > 0)
    (4, True, True)
    """
    generator = torch.Generator().manual_seed(seed)
    tensors = [p.data for p in model.parameters() if _is_one_value(p.data)]
    for module in model.modules():
        if isinstance(module, _NormBase):
            statistics = (module.running_mean, module.running_var)
            tensors += [s for s in statistics if s is not None and _is_one_value(s)]
    for tensor in tensors:
        noise = 2 * torch.rand(tensor.shape, generator=generator, dtype=torch.float64) - 1
        tensor += (_SPREAD * noise).to(tensor)
    return len(tensors)


def _is_one_value(tensor: torch.Tensor) -> bool:
    return tensor.is_floating_point() and tensor.numel() > 0 and bool((tensor == tensor.flatten()[0]).all())


class _KeepValues(TorchFunctionMode):
    """What a constructor makes on the device of its parameters (a mask, a table of indices) is made on the CPU instead."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        named = dict(kwargs or {})
        if "device" in named and named["device"] is not None and torch.device(named["device"]).type == "meta":
            named["device"] = "cpu"
        return func(*args, **named)


@contextlib.contextmanager
def parameters_on_meta() -> Iterator[None]:
    """While this is open, a network is built without its weights: every parameter lies on the meta device, buffers keep their values.

    ``torch.device("meta")`` would lose the buffers too, and with them the tables of indices by which windowed attention finds its biases.

    >>> with parameters_on_meta():
    ...     net = nn.BatchNorm2d(3)
    >>> net.weight.device.type, net.running_var
    ('meta', tensor([1., 1., 1.]))
    """
    register = nn.Module.register_parameter

    def register_on_meta(self: nn.Module, name: str, param: nn.Parameter | None) -> None:
        register(self, name, param)
        if param is not None and not param.is_meta and not nn.parameter.is_lazy(param):
            self._parameters[name] = nn.Parameter(param.to("meta"), requires_grad=param.requires_grad)

    nn.Module.register_parameter = register_on_meta  # type: ignore[method-assign]
    try:
        with _KeepValues():
            yield
    finally:
        nn.Module.register_parameter = register  # type: ignore[method-assign]
