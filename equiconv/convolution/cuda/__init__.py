"""The fused kernel: a circular convolution in one pass over memory on an NVIDIA GPU, compiled for each size when it is first used."""

from equiconv.convolution.cuda.schedule import HOPPER as HOPPER
from equiconv.convolution.cuda.schedule import Limits as Limits
from equiconv.convolution.cuda.schedule import Schedule as Schedule
from equiconv.convolution.cuda.schedule import Unsupported as Unsupported
from equiconv.convolution.cuda.schedule import find_schedule as find_schedule

__all__ = ["HOPPER", "Limits", "Schedule", "Unsupported", "find_schedule"]
