"""What a call of the fused kernel does: check, lay out, launch. On what it runs is a `Runtime`'s business.

A runtime compiles and launches kernels; `cupy_runtime` is the one for NVIDIA GPUs. Everything else stands here, on
arrays of any library, so that it can be tested without a GPU.
"""

from __future__ import annotations

import math
import warnings
from dataclasses import dataclass
from numbers import Real
from typing import Any, NamedTuple, Protocol

from equiconv.arrays import Array, DType, device, dtype_name, library, namespace
from equiconv.convolution.cuda.memory import Memory, memory_of, overlap
from equiconv.convolution.cuda.schedule import Pass, Schedule
from equiconv.convolution.cuda.source import Activation, Variant
from equiconv.convolution.cuda.tables import prepared_spectrum

__all__ = ["Arguments", "Epilogue", "PreparedKernel", "Runtime", "convolve", "prepare_kernel"]

# What lies between two of the three passes stays in the second-level cache of a data-centre GPU (50 MB on an H100) when
# it is no larger than this: then only the signal itself goes to memory and back.
WORKSPACE_BYTES = 32 * 2**20

# Blocks of one launch.
_LARGEST_GRID = 2**31 - 1


@dataclass(frozen=True)
class Epilogue:
    """What is done to the convolution before it is written: activation(scale · y + bias).

    `scale` is a real number. `bias` has the leading axes of the signal (those before the convolved ones), or axes that broadcast with them;
    its dtype is the signal's. `activation` is `"none"`, `"relu"`, `"gelu"` (with erf), `"gelu_tanh"` or `"silu"`; complex
    signals have none.
    """

    scale: Any = 1.0
    bias: Array | None = None
    activation: Activation = "none"


@dataclass(frozen=True)
class PreparedKernel:
    """Kernels in the form that the fused kernel reads. Made by `prepare_kernel`.

    `spectrum` has shape (kernels, `schedule.spectrum_length`); `batch` is the shape of the kernels' leading axes.
    """

    schedule: Schedule
    batch: tuple[int, ...]
    spectrum: Array


class Arguments(NamedTuple):
    """The arguments of `fused` in fused.cu, in their order: addresses first, 0 for what a pass does not use."""

    x: int
    out: int
    workspace: int
    spectrum: int
    twiddles: int
    mirror: int
    bias: int
    scale: Any  # a real number of the schedule's precision
    first_transform: int
    transforms: int
    sharing: int
    kernels: int
    repeat: int
    channels: int
    channel_repeat: int


class Runtime(Protocol):
    """Something that runs the fused kernel."""

    #: What `empty` raises where memory does not suffice.
    out_of_memory: tuple[type[BaseException], ...]

    def check(self, schedule: Schedule, like: Array) -> None:
        """Raise where the device of `like` cannot run the schedule."""

    def empty(self, shape: tuple[int, ...], dtype: DType, like: Array) -> Array:
        """An array of the library and device of `like`, with any content."""

    def tables(self, schedule: Schedule, launched: Pass, like: Array) -> tuple[int, int]:
        """The addresses of the twiddles of a pass and of the mirror table (0 where there is none)."""

    def launch(
        self, schedule: Schedule, launched: Pass, variant: Variant, blocks: int, arguments: Arguments, like: Array
    ) -> None:
        """Run the kernel of the pass in `blocks` blocks, after what was asked for before on the caller's stream."""


def prepare_kernel(w: Array, schedule: Schedule) -> PreparedKernel:
    """The kernels `w`, of shape (…, \\*schedule.sizes), ready for `convolve`: once for every use of the same kernels.

    `w` lies on the signal's own grid with its origin at index 0 (`equiconv.convolution.fourier.embed_kernel`). Any
    library and device will do, as long as the signals have the same; torch kernels keep their gradient. Raises
    `TypeError` for another dtype than the schedule's and `ValueError` for other sizes.

    >>> import numpy as np
    >>> from equiconv.convolution.cuda import find_schedule
    >>> prepare_kernel(np.ones((3, 100), np.float32), find_schedule((100,), "float32")).spectrum.shape
    (3, 90)
    """
    batch = _leading(w, "w", schedule)
    xp = namespace(w)
    if 0 in batch:  # nothing to transform, which some libraries refuse to do
        none = xp.zeros((0, schedule.spectrum_length), dtype=_complex_dtype(schedule, w), device=device(w))
        return PreparedKernel(schedule, batch, none)
    kernels = xp.reshape(w, (math.prod(batch), *schedule.sizes))
    return PreparedKernel(schedule, batch, prepared_spectrum(kernels, schedule))


def convolve(
    x: Array,
    kernel: PreparedKernel,
    out: Array | None = None,
    epilogue: Epilogue | None = None,
    *,
    workspace_bytes: int = WORKSPACE_BYTES,
    runtime: Runtime | None = None,
) -> Array:
    """The circular convolution of signals with prepared kernels, by the fused kernel, on the caller's current stream.

    Parameters
    ----------
    x : the signals, of shape (…, \\*sizes) with the sizes and the dtype of the kernel's schedule: a CuPy array or a torch
        CUDA tensor. Its leading axes and those of the kernel broadcast. What is not contiguous is copied first.
    kernel : from `prepare_kernel`, on the same device.
    out : where to write the result: an array of the result's shape and the same dtype and device, contiguous, that
        shares no memory with what is read. Made where it is None.
    epilogue : what is done to the result before it is written.
    workspace_bytes : the most that the three passes over a large plane may keep between them; at least one plane (or
        pair of planes) is needed.
    runtime : what runs the kernel; by default the GPU that holds x.

    Returns
    -------
    `out`, or a new array. No gradient flows through it: `equiconv.convolution.cuda.differentiable` is for that.

    Raises
    ------
    TypeError : an array of another library or dtype, or not on a GPU; an activation of complex numbers.
    ValueError : other sizes than the schedule's, shapes that do not broadcast, another device, an `out` that does not
        fit, a device that has less shared memory than the schedule needs.
    MemoryError : with the amount, where not even the least workspace, or the result, can be had. A smaller workspace
        than asked for is taken with a `RuntimeWarning`.
    """
    schedule, epilogue = kernel.schedule, epilogue or Epilogue()
    memory, lead = memory_of(x), _leading(x, "x", schedule)
    given = [a for a in (x, kernel.spectrum, out, epilogue.bias) if a is not None]
    xp = namespace(*given)  # refuses another library or device
    if runtime is None:
        runtime = _runtime_of(x)
    runtime.check(schedule, x)
    shape = _broadcast(lead, kernel.batch, "the leading axes of x", "those of the kernel")
    full = (*shape, *schedule.sizes)
    count = math.prod(shape)
    x = _readable(xp.broadcast_to(x, full) if lead != shape else x, memory, schedule)
    spectrum, kernels, repeat = _lanes(kernel.spectrum, kernel.batch, shape, schedule.spectrum_length)
    spectrum = _readable(spectrum, memory, schedule)
    bias, channels, channel_repeat = _bias(epilogue, shape, x, memory, schedule)
    if out is None:
        out = _allocate(runtime, full, x.dtype, x, schedule, "the result")
    else:
        _check_out(out, full, x, memory, schedule)
        for name, other in (("x", x), ("the kernel", spectrum), ("the bias", bias)):
            if other is not None and overlap(memory, out, other):
                raise ValueError(
                    f"out shares memory with {name}, which is read while out is written; pass another array"
                )
    if count == 0:
        return out

    pair = 2 * schedule.real_bytes
    x_address, out_address = memory.address(x), memory.address(out)
    even = schedule.padded_sizes[2] % 2 == 0 and x_address % pair == 0 and out_address % pair == 0
    variant = Variant(epilogue.scale != 1.0, bias is not None, epilogue.activation, schedule.mode != "half" or even)
    sharing = count // kernels
    transforms = kernels * (-(-sharing // 2) if schedule.mode == "pair" else sharing)
    workspace, chunk = _workspace(runtime, schedule, transforms, workspace_bytes, x)
    chunk = min([chunk, *(_LARGEST_GRID * p.units // _parts(schedule, p) for p in schedule.passes)])
    for first in range(0, transforms, chunk):
        part = min(chunk, transforms - first)
        for launched in schedule.passes:
            twiddles, mirror = runtime.tables(schedule, launched, x)
            arguments = Arguments(
                x=x_address,
                out=out_address,
                workspace=0 if workspace is None else memory.address(workspace),
                spectrum=memory.address(spectrum),
                twiddles=twiddles,
                mirror=mirror,
                bias=0 if bias is None else memory.address(bias),
                scale=float(epilogue.scale),
                first_transform=first,
                transforms=part,
                sharing=sharing,
                kernels=kernels,
                repeat=repeat,
                channels=channels,
                channel_repeat=channel_repeat,
            )
            blocks = -(-part * _parts(schedule, launched) // launched.units)
            runtime.launch(schedule, launched, variant, blocks, arguments, x)
    return out


def _parts(schedule: Schedule, launched: Pass) -> int:
    """Units that a transform is in this pass."""
    if launched.kind == "whole":
        return 1
    return -(-schedule.grid[2] // launched.tile) if launched.kind == "columns" else schedule.padded_sizes[1]


# ---------------------------------------------------------------------------------------------------------------------
# Checks
# ---------------------------------------------------------------------------------------------------------------------


def _leading(a: Array, name: str, schedule: Schedule) -> tuple[int, ...]:
    """The leading axes of an array that the schedule is for."""
    library(a)  # refuses what is no array
    if dtype_name(a.dtype) != schedule.dtype:
        raise TypeError(
            f"{name} is {dtype_name(a.dtype)} and the schedule was made for {schedule.dtype}; find another schedule, "
            f"or convert {name}: nothing is cast here"
        )
    shape, rank = tuple(int(n) for n in a.shape), len(schedule.sizes)
    if shape[len(shape) - rank :] != schedule.sizes or len(shape) < rank:
        raise ValueError(
            f"{name} of shape {shape} does not end in the sizes {schedule.sizes} that the schedule was made for; find "
            f"another schedule"
        )
    return shape[: len(shape) - rank]


def _runtime_of(x: Array) -> Runtime:
    # imported here: the rest of the room needs neither CuPy nor a GPU
    from equiconv.convolution.cuda.cupy_runtime import runtime

    if library(x) == "cupy" or (library(x) == "torch" and x.device.type == "cuda"):
        return runtime()
    raise TypeError(
        f"the fused kernel takes CuPy arrays and torch CUDA tensors, and x is a {library(x)} array on {device(x)}; "
        f"move it, for instance with cupy.asarray(x) or x.cuda(), or let equiconv.circular_convolve choose the method"
    )


def _broadcast(a: tuple[int, ...], b: tuple[int, ...], name_a: str, name_b: str) -> tuple[int, ...]:
    rank = max(len(a), len(b))
    left, right = (1,) * (rank - len(a)) + a, (1,) * (rank - len(b)) + b
    if any(n != m and 1 not in (n, m) for n, m in zip(left, right, strict=True)):
        raise ValueError(f"{name_a} {a} and {name_b} {b} do not broadcast; their sizes must be equal, or 1")
    return tuple(m if n == 1 else n for n, m in zip(left, right, strict=True))


def _check_out(out: Array, shape: tuple[int, ...], x: Array, memory: Memory, schedule: Schedule) -> None:
    if tuple(out.shape) != shape:
        raise ValueError(f"out has shape {tuple(out.shape)}, and the result has {shape}")
    if out.dtype != x.dtype:
        raise TypeError(f"out is {dtype_name(out.dtype)} and the result is {dtype_name(x.dtype)}; nothing is cast here")
    if not memory.is_contiguous(out):
        raise ValueError("out must be contiguous (C order); convolve into a new array and assign it")
    if not memory.is_plain(out):
        raise ValueError("out must be a plain tensor: no gradient, no lazy conjugate; pass out.detach() or a new one")
    if memory.address(out) % schedule.item_bytes:
        raise ValueError(
            f"out begins at address {memory.address(out):#x}, which is no multiple of the {schedule.item_bytes} bytes "
            f"of {schedule.dtype}; pass an array that does"
        )


def _bias(
    epilogue: Epilogue, shape: tuple[int, ...], x: Array, memory: Memory, schedule: Schedule
) -> tuple[Array | None, int, int]:
    """The biases in a row, how many they are, and how many signals in a row have the same one."""
    if epilogue.activation not in ("none", "relu", "gelu", "gelu_tanh", "silu"):
        raise ValueError(
            f"activation must be 'none', 'relu', 'gelu', 'gelu_tanh' or 'silu', got {epilogue.activation!r}"
        )
    if isinstance(epilogue.scale, bool) or not isinstance(epilogue.scale, Real):
        raise TypeError(f"scale must be a real number, got {epilogue.scale!r}; scale the kernel for anything else")
    if schedule.mode == "complex" and epilogue.activation != "none":
        raise TypeError(f"the activation {epilogue.activation!r} is not defined on complex numbers; pass 'none'")
    bias = epilogue.bias
    if bias is None:
        return None, 1, 1
    if bias.dtype != x.dtype:
        raise TypeError(f"the bias is {dtype_name(bias.dtype)} and x is {dtype_name(x.dtype)}; nothing is cast here")
    given = tuple(int(n) for n in bias.shape)
    if _broadcast(shape, given, "the leading axes of the result", "the axes of the bias") != shape:
        raise ValueError(f"a bias of shape {given} does not broadcast to the leading axes {shape} of the result")
    lanes, channels, repeat = _lanes(bias, given, shape, 1)
    return _readable(lanes, memory, schedule), channels, repeat


# ---------------------------------------------------------------------------------------------------------------------
# Layout
# ---------------------------------------------------------------------------------------------------------------------


def _lanes(a: Array, batch: tuple[int, ...], shape: tuple[int, ...], length: int) -> tuple[Array, int, int]:
    """The lanes of `a` so that signal s, counted through `shape`, has lane (s // repeat) % lanes.

    `a` has one lane of `length` for each index of `batch`, which broadcasts to `shape`. Where the axes along which the
    lanes differ are not neighbours in `shape`, the axes between them are written out.
    """
    padded = (1,) * (len(shape) - len(batch)) + batch
    differing = [i for i, n in enumerate(padded) if n != 1]
    if not differing:
        return a.reshape(1, length), 1, 1
    first, last = differing[0], differing[-1]
    written = (*(1,) * first, *shape[first : last + 1], *(1,) * (len(shape) - last - 1))
    lanes = a.reshape(*padded, length)
    if written != padded:
        lanes = namespace(a).broadcast_to(lanes, (*written, length))
    count = math.prod(written)
    return lanes.reshape(count, length), max(count, 1), max(math.prod(shape[last + 1 :]), 1)


def _readable(a: Array, memory: Memory, schedule: Schedule) -> Array:
    """The array with its elements in a row, at an address that the kernel can read from: itself or a copy."""
    a = memory.in_a_row(a)
    return memory.copy(a) if memory.address(a) % schedule.item_bytes else a


def _complex_dtype(schedule: Schedule, like: Array) -> DType:
    return getattr(namespace(like), "complex64" if schedule.real_bytes == 4 else "complex128")


def _workspace(
    runtime: Runtime, schedule: Schedule, transforms: int, limit: int, like: Array
) -> tuple[Array | None, int]:
    """Memory between passes and the number of transforms that it holds."""
    each = schedule.workspace_elements()
    if not each:
        return None, transforms
    complex_bytes = 2 * schedule.real_bytes
    chunk = wanted = min(transforms, max(1, limit // (each * complex_bytes)))
    while True:
        try:
            made = runtime.empty((chunk, each), _complex_dtype(schedule, like), like)
        except runtime.out_of_memory as error:
            if chunk == 1:
                raise MemoryError(
                    f"the convolution of {schedule.sizes} needs a workspace of at least {each * complex_bytes} bytes, "
                    f"which the device does not have; free some, or split the signals"
                ) from error
            chunk = -(-chunk // 2)
            continue
        if chunk < wanted:
            warnings.warn(
                f"the device has no {wanted * each * complex_bytes} bytes for the workspace of a circular convolution; "
                f"it runs with {chunk * each * complex_bytes}, in more launches",
                RuntimeWarning,
                stacklevel=3,
            )
        return made, chunk


def _allocate(
    runtime: Runtime, shape: tuple[int, ...], dtype: DType, like: Array, schedule: Schedule, name: str
) -> Array:
    try:
        return runtime.empty(shape, dtype, like)
    except runtime.out_of_memory as error:
        size = math.prod(shape) * schedule.item_bytes
        raise MemoryError(
            f"{name} needs {size} bytes, which the device does not have; free some or pass out="
        ) from error
