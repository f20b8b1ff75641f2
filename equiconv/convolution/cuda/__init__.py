"""The fused kernel: circular convolution in one pass over memory on an NVIDIA GPU, compiled for each size at its first use.

    schedule = find_schedule((4096,), x.dtype, limits=device_limits(x))     # or Unsupported, with the reason
    kernel = prepare_kernel(embed_kernel(w, (4096,), (0,)), schedule)       # once for a kernel
    y = convolve(x, kernel, epilogue=Epilogue(bias=b, activation="relu"))   # one launch

Nothing here imports CuPy before a GPU is asked for.
"""

from equiconv.convolution.cuda.cupy_runtime import device_limits as device_limits
from equiconv.convolution.cuda.differentiable import convolve_with_gradient as convolve_with_gradient
from equiconv.convolution.cuda.execution import Epilogue as Epilogue
from equiconv.convolution.cuda.execution import PreparedKernel as PreparedKernel
from equiconv.convolution.cuda.execution import convolve as convolve
from equiconv.convolution.cuda.execution import prepare_kernel as prepare_kernel
from equiconv.convolution.cuda.schedule import HOPPER as HOPPER
from equiconv.convolution.cuda.schedule import Limits as Limits
from equiconv.convolution.cuda.schedule import Schedule as Schedule
from equiconv.convolution.cuda.schedule import Unsupported as Unsupported
from equiconv.convolution.cuda.schedule import find_schedule as find_schedule

__all__ = [
    "HOPPER",
    "Epilogue",
    "Limits",
    "PreparedKernel",
    "Schedule",
    "Unsupported",
    "convolve",
    "convolve_with_gradient",
    "device_limits",
    "find_schedule",
    "prepare_kernel",
]
