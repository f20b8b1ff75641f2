"""The libraries whose Fourier transforms are used on the CPU, each behind the same two calls: forth, and back."""

from equiconv.convolution.engines.base import Transform as Transform
from equiconv.convolution.engines.registry import ENGINES as ENGINES
from equiconv.convolution.engines.registry import available as available
from equiconv.convolution.engines.registry import make_transform as make_transform

__all__ = ["ENGINES", "Transform", "available", "make_transform"]
