"""Hypothesis strategies for what equivariance is about: grids and their shifts, kernels, arrays of any library, layers and networks.

Each says what it draws and what it shrinks to. Hypothesis is imported when one is made, and not before.
"""

from equiconv.testing.strategies.backends import LIBRARIES as LIBRARIES
from equiconv.testing.strategies.backends import absent as absent
from equiconv.testing.strategies.backends import devices as devices
from equiconv.testing.strategies.backends import dtypes as dtypes
from equiconv.testing.strategies.backends import libraries as libraries
from equiconv.testing.strategies.backends import present as present
from equiconv.testing.strategies.blocks import Branches as Branches
from equiconv.testing.strategies.blocks import Residual as Residual
from equiconv.testing.strategies.composition import LAYER_KINDS as LAYER_KINDS
from equiconv.testing.strategies.composition import DrawnNetwork as DrawnNetwork
from equiconv.testing.strategies.composition import layers as layers
from equiconv.testing.strategies.composition import networks as networks
from equiconv.testing.strategies.entries import ENTRYWISE as ENTRYWISE
from equiconv.testing.strategies.entries import KINDS as KINDS
from equiconv.testing.strategies.entries import arrays as arrays
from equiconv.testing.strategies.entries import kinds as kinds
from equiconv.testing.strategies.geometry import dilations as dilations
from equiconv.testing.strategies.geometry import divisors as divisors
from equiconv.testing.strategies.geometry import grids as grids
from equiconv.testing.strategies.geometry import kernel_sizes as kernel_sizes
from equiconv.testing.strategies.geometry import origins as origins
from equiconv.testing.strategies.geometry import shifts as shifts
from equiconv.testing.strategies.geometry import strides as strides
from equiconv.testing.strategies.geometry import subgroups as subgroups
from equiconv.testing.strategies.pairs import signals_and_kernels as signals_and_kernels
from equiconv.testing.strategies.parameters import seeded as seeded
from equiconv.testing.strategies.pixels import VALUES as VALUES
from equiconv.testing.strategies.pixels import Pixels as Pixels
from equiconv.testing.strategies.pixels import indices as indices
from equiconv.testing.strategies.pixels import sparse_pixels as sparse_pixels

__all__ = [
    "ENTRYWISE",
    "KINDS",
    "LAYER_KINDS",
    "LIBRARIES",
    "VALUES",
    "Branches",
    "DrawnNetwork",
    "Pixels",
    "Residual",
    "absent",
    "arrays",
    "devices",
    "dilations",
    "divisors",
    "dtypes",
    "grids",
    "indices",
    "kernel_sizes",
    "kinds",
    "layers",
    "libraries",
    "networks",
    "origins",
    "present",
    "seeded",
    "shifts",
    "signals_and_kernels",
    "sparse_pixels",
    "strides",
    "subgroups",
]
