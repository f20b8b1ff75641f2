"""Plain arrays: memory and nothing else, of which results may be computed at once, behind the back of torch.

A tensor may stand for more than its memory: torch may record a gradient through it, trace a program with it, map over
it, or hand its operations to a mode that watches. What is computed of such a tensor goes through torch's own operations.
"""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import torch
from torch.autograd import forward_ad

from equiconv.arrays import Array

__all__ = ["Host", "host", "is_bare", "is_plain", "is_watched"]

Host: TypeAlias = npt.NDArray[Any]

# What NumPy does not have, or computes slowly, and what it is computed in.
_WIDER = {torch.float16: torch.float32, torch.bfloat16: torch.float32, torch.complex32: torch.complex64}


_TENSORS = (torch.Tensor, torch.nn.Parameter)


def is_watched() -> bool:
    """Whether torch compiles, traces, transforms or watches what is called now, whatever it is called with."""
    return (
        torch.compiler.is_compiling()  # first: a compiler cannot follow the others
        or torch._C._functorch.peek_interpreter_stack() is not None
        or torch._C._get_tracing_state() is not None
        or torch._C._len_torch_dispatch_stack() > 0
        or torch._C._len_torch_function_stack() > 0
        or forward_ad._current_level >= 0
    )


def _is_strided(x: torch.Tensor) -> bool:
    """Whether a tensor is read as its memory lies: it is neither sparse nor lazily conjugate, negative, zero or mapped."""
    return (
        x.layout == torch.strided
        and not (x.is_conj() or x.is_neg() or x._is_zerotensor())
        and not torch._C._functorch.is_legacy_batchedtensor(x)  # what `is_grads_batched` maps
    )


def _keys_of_memory() -> frozenset[int]:
    """The dispatch keys of tensors on the CPU that are memory and no more, made in inference mode or not.

    Each thing that a tensor may be beside its memory has a key of its own, so that one look tells.
    """
    found = []
    for inference in (False, True):
        with torch.inference_mode(inference):
            x = torch.empty(0, device="cpu")
        if type(x) is torch.Tensor and _is_strided(x):  # not so below a mode that makes tensors of its own
            found.append(torch._C._dispatch_keys(x).raw_repr())
    return frozenset(found)


_MEMORY = _keys_of_memory()


def is_bare(x: torch.Tensor) -> bool:
    """Whether `x` is memory on some device, read as it lies; a gradient may be recorded."""
    return type(x) in _TENSORS and (torch._C._dispatch_keys(x).raw_repr() in _MEMORY or _is_strided(x))


def is_plain(x: Array) -> bool:
    """Whether `x` is memory on the CPU and nothing else: nothing records, transforms or watches what is done to it.

    >>> is_plain(np.zeros(2)), is_plain(torch.zeros(2, requires_grad=True))
    (True, False)
    """
    if not isinstance(x, torch.Tensor):
        return type(x) is np.ndarray
    return not is_watched() and is_bare(x) and x.is_cpu and not (x.requires_grad and torch.is_grad_enabled())


def host(x: Array) -> Host:
    """NumPy's view of a plain array, in native byte order."""
    if isinstance(x, torch.Tensor):
        x = x.detach() if x.requires_grad else x
        wider = _WIDER.get(x.dtype)
        memory: Host = (x if wider is None else x.to(wider)).numpy()
        return memory
    array: Host = x
    return array if array.dtype.isnative else array.astype(array.dtype.newbyteorder("="))
