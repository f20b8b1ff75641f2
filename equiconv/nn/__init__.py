"""torch layers on the torus, and networks built on them.

Importing this room registers the operation `equiconv::circular_conv`, which a saved exported program with such a layer
needs in order to be loaded.
"""

from equiconv.nn.classifier import LectureClassifier as LectureClassifier
from equiconv.nn.cost import choose_algorithm as choose_algorithm
from equiconv.nn.cost import use_algorithm as use_algorithm
from equiconv.nn.evaluation import prepared as prepared
from equiconv.nn.functional import circular_conv as circular_conv
from equiconv.nn.layers import CircularConv1d as CircularConv1d
from equiconv.nn.layers import CircularConv2d as CircularConv2d
from equiconv.nn.layers import CircularConv3d as CircularConv3d
from equiconv.nn.operator import ConvOperator as ConvOperator
from equiconv.nn.operator import SingularConvolutionError as SingularConvolutionError
from equiconv.nn.operator import compose_layers as compose_layers
from equiconv.nn.padding import CircularPad1d as CircularPad1d
from equiconv.nn.padding import CircularPad2d as CircularPad2d
from equiconv.nn.padding import CircularPad3d as CircularPad3d
from equiconv.nn.padding import circular_pad as circular_pad
from equiconv.nn.pooling import CircularAvgPool1d as CircularAvgPool1d
from equiconv.nn.pooling import CircularAvgPool2d as CircularAvgPool2d
from equiconv.nn.pooling import CircularAvgPool3d as CircularAvgPool3d
from equiconv.nn.pooling import CircularMaxPool1d as CircularMaxPool1d
from equiconv.nn.pooling import CircularMaxPool2d as CircularMaxPool2d
from equiconv.nn.pooling import CircularMaxPool3d as CircularMaxPool3d
from equiconv.nn.preparation import Preparation as Preparation
from equiconv.nn.window import Window as Window

__all__ = [
    "CircularAvgPool1d",
    "CircularAvgPool2d",
    "CircularAvgPool3d",
    "CircularConv1d",
    "CircularConv2d",
    "CircularConv3d",
    "CircularMaxPool1d",
    "CircularMaxPool2d",
    "CircularMaxPool3d",
    "CircularPad1d",
    "CircularPad2d",
    "CircularPad3d",
    "ConvOperator",
    "LectureClassifier",
    "Preparation",
    "SingularConvolutionError",
    "Window",
    "choose_algorithm",
    "circular_conv",
    "circular_pad",
    "compose_layers",
    "prepared",
    "use_algorithm",
]
