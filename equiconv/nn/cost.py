"""The one place that decides whether the layers' convolution runs by windows (`direct`) or by spectra (`spectral`).

Both costs are sums of a few counts, each with a price. The prices were fitted to timings of 150 random problems on one
x86 core (AVX-512, float32 and float64, 1 to 3 axes, dense, grouped and depthwise, strides, dilations, kernels of 3 to 129
taps an axis), for the convolution, each of its gradients, and the convolution with a prepared spectrum. Spectra must
promise a tenth less: where the two are close, nothing may be slower than torch's own layer. With several
threads torch's convolution was measured to take almost as many times less (1.8 times with two), the spectral method
not, so that it is taken where it promises less than that. On other devices the prices were not measured, and the spectral method
must promise half.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache
from typing import Literal, TypeAlias

import torch

from equiconv.convolution.costs import is_smooth
from equiconv.nn.spectral import by_channel_seconds, is_by_channel, kernel_products
from equiconv.nn.window import Window

__all__ = ["Algorithm", "choose_algorithm", "forced_algorithm", "use_algorithm"]

Algorithm: TypeAlias = Literal["direct", "spectral"]
Work: TypeAlias = Literal["output", "input", "weight"]

# Nanoseconds, in float32; float64 moves twice as much.
_DIRECT_CALL = 1.2e4
# A multiply-add of torch's convolution, of its input's gradient and of its weight's: of several channels, in float32 and
# float64; of one channel a group; of one channel a group and several filters, which has no fast way.
_MULTIPLY_ADD: dict[Work, dict[torch.dtype, tuple[float, float, float]]] = {
    "output": {torch.float32: (0.009, 0.012, 0.15), torch.float64: (0.055, 0.29, 0.39)},
    "input": {torch.float32: (0.010, 0.030, 0.25), torch.float64: (0.050, 0.25, 0.25)},
    "weight": {torch.float32: (0.010, 0.42, 0.20), torch.float64: (0.055, 0.42, 0.49)},
}
# The weight's gradient of a depthwise convolution of at most 3×3 taps in float32 has a kernel of its own.
_SMALL_DEPTHWISE_WEIGHT = 0.03
# torch vectorises over this many channels of the result, half as many for the input in float64, and wastes what is missing.
_VECTOR = 16
# Gradients in float32 take twice as long for kernels that are longer along some axis; and the input's of a depthwise
# convolution in three axes or with dilation takes several times as long.
_LARGEST_GRADIENT_KERNEL = 13
_SLOW_DEPTHWISE_INPUT = 4.0
# A sample that is padded or written by the direct method.
_SAMPLE = 0.65

# Calls: with matrices, by channel, by channel with the spectrum prepared.
_SPECTRAL_CALL, _BY_CHANNEL_CALL, _PREPARED_CALL = 1.3e5, 1.6e5, 3.0e4
# A sample that is transformed and laid out by frequency, times more for sizes with large prime factors, and for spectra so
# large that the system supplies their memory page by page.
_TRANSFORMED, _ROUGH, _FRESH = 3.6, 2.7, 1.8
_FRESH_SAMPLES = 2**22
# Products by channel against the table of the plans, which was measured with less data; and the weight's gradient, which
# goes through memory.
_BY_CHANNEL = {"output": 1.5, "input": 1.5, "weight": 2.5}
# A frequency of a kernel's spectrum that is written, or only read; a multiply-add of its matrices; a sample of a kernel
# that is transformed.
_KERNEL_FREQUENCY, _HELD_FREQUENCY, _KERNEL_MULTIPLY_ADD, _TRANSFORMED_KERNEL = 0.92, 0.46, 0.042, 3.1
# A real multiply-add over channels.
_CONTRACTED = 0.0235

_MARGIN, _UNMEASURED_DEVICE_MARGIN = 1.1, 2.0
# The direct method on t threads takes t to this power times less.
_SPEEDUP = 0.9

_forced: Algorithm | None = None


def choose_algorithm(
    input_shape: Sequence[int],
    weight_shape: Sequence[int],
    window: Window,
    dtype: torch.dtype = torch.float32,
    device: torch.device | str = "cpu",
    *,
    of_input: bool = False,
    of_weight: bool = False,
    prepared: bool = False,
) -> Algorithm:
    """How a convolution of these shapes is computed, or its gradient: `of_input`, or `of_weight`.

    `prepared` says that the kernel's spectrum is there.

    Raises `ValueError` where both gradients are asked for, which are computed one by one.

    >>> window = Window(stride=(1, 1), padding=(1, 1, 1, 1), dilation=(1, 1), groups=1)
    >>> choose_algorithm((8, 64, 56, 56), (64, 64, 3, 3), window)
    'direct'
    >>> window = Window(stride=(1, 1), padding=(15, 15, 15, 15), dilation=(1, 1), groups=1)
    >>> choose_algorithm((8, 64, 56, 56), (64, 64, 31, 31), window)
    'spectral'
    """
    if of_input and of_weight:
        raise ValueError("of_input and of_weight are two computations; ask for one of them")
    work: Work = "input" if of_input else "weight" if of_weight else "output"
    if input_shape[0] * weight_shape[0] * weight_shape[1] == 0:
        return "direct"  # no transform of nothing
    if _forced is not None:
        return _forced
    is_wide = dtype in (torch.float64, torch.complex128)
    is_cpu = (device if isinstance(device, torch.device) else torch.device(device)).type == "cpu"
    threads = torch.get_num_threads() if is_cpu else 1
    return _cheaper(tuple(input_shape), tuple(weight_shape), window, work, is_wide, is_cpu, prepared, threads)


def forced_algorithm() -> Algorithm | None:
    """What `use_algorithm` says, if anything."""
    return _forced


@lru_cache(maxsize=256)
def _cheaper(
    input_shape: tuple[int, ...],
    weight_shape: tuple[int, ...],
    window: Window,
    work: Work,
    is_wide: bool,
    is_cpu: bool,
    prepared: bool,
    threads: int,
) -> Algorithm:
    direct = _direct_cost(input_shape, weight_shape, window, work, is_wide=is_wide, threads=threads)
    spectral = _spectral_cost(input_shape, weight_shape, window, work, is_wide=is_wide, prepared=prepared)
    margin = _MARGIN if is_cpu else _UNMEASURED_DEVICE_MARGIN
    return "spectral" if direct > margin * spectral else "direct"


def _direct_cost(
    input_shape: Sequence[int],
    weight_shape: Sequence[int],
    window: Window,
    work: Work,
    *,
    is_wide: bool,
    threads: int = 1,
) -> float:
    batch, channels, *sizes = input_shape
    filters, group_channels, *kernel_size = weight_shape
    group_filters, taps = filters // window.groups, math.prod(kernel_size)
    outputs = batch * filters * math.prod(window.output_sizes(sizes, kernel_size))
    padded = math.prod(n + p + q for n, p, q in zip(sizes, window.left, window.right, strict=True))
    dense, depthwise, multiplied = _MULTIPLY_ADD[work][torch.float64 if is_wide else torch.float32]
    if group_channels > 1 or window.groups == 1:
        results = group_channels if work == "input" else group_filters
        vector = _VECTOR // 2 if is_wide and work == "input" else _VECTOR
        price = dense * max(1.0, vector / results)
        if work != "output" and max(kernel_size) > _LARGEST_GRADIENT_KERNEL:
            price *= 2
    elif group_filters > 1:
        price = multiplied
    elif work == "weight" and not is_wide and taps <= 9:
        price = _SMALL_DEPTHWISE_WEIGHT
    else:
        price = depthwise
        if work == "input" and not is_wide and (window.axes == 3 or max(window.dilation) > 1):
            price *= _SLOW_DEPTHWISE_INPUT
    samples = (batch * channels * padded + outputs) * (2 if is_wide else 1)
    speedup: float = threads**_SPEEDUP
    return _DIRECT_CALL + (outputs * group_channels * taps * price + samples * _SAMPLE) / speedup


def _spectral_cost(
    input_shape: Sequence[int],
    weight_shape: Sequence[int],
    window: Window,
    work: Work,
    *,
    is_wide: bool,
    prepared: bool,
) -> float:
    batch, channels, *sizes = input_shape
    filters, group_channels = weight_shape[:2]
    rough = 1.0 if is_smooth(sizes) else _ROUGH
    samples, pairs = math.prod(sizes), filters * group_channels
    is_long, products = kernel_products(weight_shape, sizes, window)
    of_kernel = samples * _TRANSFORMED_KERNEL * rough if is_long else products * _KERNEL_MULTIPLY_ADD
    if prepared:
        of_kernel = 0.0
    scale = 2 if is_wide else 1
    if is_by_channel(weight_shape, window):
        call = _PREPARED_CALL if prepared else _BY_CHANNEL_CALL
        planes = by_channel_seconds("float64" if is_wide else "float32", tuple(sizes), batch * channels) * 1e9
        return call + planes * _BY_CHANNEL[work] + scale * pairs * of_kernel
    frequencies = math.prod(sizes[:-1]) * (sizes[-1] // 2 + 1)
    if batch * (channels + filters) * samples * scale > _FRESH_SAMPLES:
        rough *= _FRESH
    return _SPECTRAL_CALL + scale * (
        batch * (channels + filters) * samples * _TRANSFORMED * rough
        + pairs * of_kernel
        + pairs * frequencies * (_HELD_FREQUENCY if prepared else _KERNEL_FREQUENCY)
        + 4 * batch * pairs * frequencies * _CONTRACTED
    )


@contextmanager
def use_algorithm(algorithm: Algorithm) -> Iterator[None]:
    """Compute the layers' convolutions inside this context by `"direct"` or `"spectral"`, whatever would be chosen.

    For measurements, and for results that must not depend on the choice: `"direct"` is exact on small integers in
    float64. It holds for the whole process, backward passes included where they run inside the context, and not for
    empty batches, which are always direct.

    Raises `ValueError` for another name.

    >>> with use_algorithm("direct"):
    ...     pass
    """
    global _forced
    if algorithm not in ("direct", "spectral"):
        raise ValueError(f"algorithm must be 'direct' or 'spectral', got {algorithm!r}")
    before, _forced = _forced, algorithm
    try:
        yield
    finally:
        _forced = before
