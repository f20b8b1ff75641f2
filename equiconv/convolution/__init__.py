"""Circular convolution: the definition, Fourier transforms, and the plan that chooses between them."""

from equiconv.convolution.circular import circular_convolve as circular_convolve
from equiconv.convolution.circular import circular_correlate as circular_correlate
from equiconv.convolution.planning import Plan as Plan
from equiconv.convolution.planning import plan as plan
from equiconv.convolution.prepared import PreparedConvolution as PreparedConvolution

__all__ = ["Plan", "PreparedConvolution", "circular_convolve", "circular_correlate", "plan"]
