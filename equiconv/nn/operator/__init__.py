"""A convolution layer on the torus as a linear operator: exact singular values, inverse, and products."""

from equiconv.nn.operator.convolution import ConvOperator as ConvOperator
from equiconv.nn.operator.convolution import SingularConvolutionError as SingularConvolutionError
from equiconv.nn.operator.layers import compose_layers as compose_layers

__all__ = ["ConvOperator", "SingularConvolutionError", "compose_layers"]
