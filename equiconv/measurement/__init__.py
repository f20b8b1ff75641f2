"""Equivariance error as data: how large it is, over shifts and layer by layer, and how that compares with rounding."""

from equiconv.measurement.classification import Classification
from equiconv.measurement.layers import LayerError
from equiconv.measurement.measurement import Measurement, OutputError
from equiconv.measurement.measuring import measure
from equiconv.measurement.rounding import BEYOND

__all__ = ["BEYOND", "Classification", "LayerError", "Measurement", "OutputError", "measure"]
