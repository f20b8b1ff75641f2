"""Values of tensors that torch.func transforms: what a question about all of them is asked of."""

from __future__ import annotations

import torch

from equiconv.arrays import Array

__all__ = ["unmapped"]


def unmapped(x: Array) -> Array:
    """`x` as its values lie in memory, with the axes that `torch.func.vmap` maps in front, the outermost first.

    No gradient passes through it. Arrays that nothing transforms are returned as they are.

    >>> torch.func.vmap(lambda row: row * int(unmapped(row).ndim))(torch.ones(1, 2))
    tensor([[2., 2.]])
    """
    # a compiler cannot follow the others, and maps nothing that it asks values of
    if not isinstance(x, torch.Tensor) or torch.compiler.is_compiling():
        return x
    functorch = torch._C._functorch
    while functorch.is_functorch_wrapped_tensor(x):
        # the innermost transform is the outermost wrapper, so that each axis comes before those found already
        axis = functorch.maybe_get_bdim(x) if functorch.is_batchedtensor(x) else None
        x = functorch.get_unwrapped(x)
        if axis is not None:
            x = x.movedim(axis, 0)
    return x
