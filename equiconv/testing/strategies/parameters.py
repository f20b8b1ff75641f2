"""Generic parameters: no weight is 0 or 1 or like another, so that no symmetry holds by accident."""

from __future__ import annotations

import math
from typing import Any, TypeVar

import torch
from torch import nn

from equiconv.testing.strategies.backends import native_dtype

__all__ = ["seeded"]

_Module = TypeVar("_Module", bound=nn.Module)


def seeded(module: _Module, seed: int = 0, dtype: Any = "float64") -> _Module:
    """The same module in evaluation mode, its parameters and statistics filled from a seed, in this dtype.

    Weights of linear maps are normal with variance 1/(inputs of one output), so that depth neither blows up nor dies out;
    other parameters and running means are normal; running variances lie between 1/2 and 3/2.

    Parameters
    ----------
    module: any module with its values; it is changed in place. seed: an integer. dtype: a name or a torch dtype, real.

    Raises
    ------
    ValueError: a dtype that torch lacks.

    Examples
    --------
    >>> from torch import nn
    >>> seeded(nn.Conv2d(1, 1, 1), seed=3).weight.dtype
    torch.float64
    """
    module.to(native_dtype(dtype, "torch"))
    generator = torch.Generator().manual_seed(seed)
    # Drawn in double precision and rounded, so that the same seed gives the same numbers in every dtype.
    with torch.no_grad():
        for parameter in module.parameters():
            values = torch.randn(parameter.shape, generator=generator, dtype=torch.float64)
            if parameter.ndim >= 2:
                values /= math.sqrt(parameter[0].numel())
            parameter.copy_(values)
        for name, buffer in module.named_buffers():
            if name.endswith("running_mean"):
                buffer.copy_(torch.randn(buffer.shape, generator=generator, dtype=torch.float64))
            elif name.endswith("running_var"):
                buffer.copy_(0.5 + torch.rand(buffer.shape, generator=generator, dtype=torch.float64))
    return module.eval()
