"""The one place that decides whether the layers' convolution runs by windows (`direct`) or by spectra (`spectral`).

Both costs are sums of a few counts, each with a price. The prices were fitted to 60 timings of each method on one x86
core (AVX-512, float32 and float64, 1 to 3 axes, dense, grouped and depthwise, kernels of 3 to 513 taps an axis), where
the choice was at most 1.4 times slower than the better method, and as much slower than torch's at worst. Only their
ratios matter, and these move little with the number of cores. On other devices the prices were not measured, and the
spectral method must promise twice as much before it is taken.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Literal, TypeAlias

import torch

from equiconv.nn.window import Window

__all__ = ["Algorithm", "choose_algorithm", "use_algorithm"]

Algorithm: TypeAlias = Literal["direct", "spectral"]

# Nanoseconds. Calls.
_DIRECT_CALL, _SPECTRAL_CALL = 3.2e4, 1.2e5
# A multiply-add of torch's convolution: over several channels, and depthwise; float64 has no fast path there.
_MULTIPLY_ADD = {torch.float32: (0.019, 0.029), torch.float64: (0.076, 0.46)}
# The weight's gradient of a depthwise convolution beyond 3×3 taps, which runs without vector instructions there.
_DEPTHWISE_WEIGHT_MULTIPLY_ADD = 0.8
# A sample that is padded or written by the direct method.
_SAMPLE = 0.64
# A sample transformed and laid out by frequency; a frequency of the kernel's spectrum, and the same for each tap along
# the last axis; a complex multiply-add over channels.
_TRANSFORMED, _KERNEL_FREQUENCY, _KERNEL_TAP, _CONTRACTED = 2.7, 6.2, 0.045, 0.081

_UNMEASURED_DEVICE_MARGIN = 2.0

_forced: Algorithm | None = None


def choose_algorithm(
    input_shape: Sequence[int],
    weight_shape: Sequence[int],
    window: Window,
    dtype: torch.dtype = torch.float32,
    device: torch.device | str = "cpu",
    *,
    of_weight: bool = False,
) -> Algorithm:
    """How a convolution of these shapes and its input's adjoint are computed; its weight's with `of_weight=True`.

    >>> window = Window(stride=(1, 1), padding=(1, 1, 1, 1), dilation=(1, 1), groups=1)
    >>> choose_algorithm((8, 64, 56, 56), (64, 64, 3, 3), window)
    'direct'
    >>> window = Window(stride=(1, 1), padding=(15, 15, 15, 15), dilation=(1, 1), groups=1)
    >>> choose_algorithm((8, 64, 56, 56), (64, 64, 31, 31), window)
    'spectral'
    """
    batch, sizes = input_shape[0], tuple(input_shape[2:])
    filters, channels, kernel_size = weight_shape[0], weight_shape[1], tuple(weight_shape[2:])
    if batch * filters * channels == 0:
        return "direct"  # no transform of nothing
    if _forced is not None:
        return _forced
    scale = 2 if dtype in (torch.float64, torch.complex128) else 1
    dense, depthwise = _MULTIPLY_ADD[torch.float64 if scale == 2 else torch.float32]
    if of_weight and math.prod(kernel_size) > 9:
        depthwise = max(depthwise, _DEPTHWISE_WEIGHT_MULTIPLY_ADD)

    outputs = batch * filters * math.prod(window.output_sizes(sizes, kernel_size))
    padded = math.prod(n + p + q for n, p, q in zip(sizes, window.left, window.right, strict=True))
    direct = (
        _DIRECT_CALL
        + outputs * channels * math.prod(kernel_size) * (depthwise if channels == 1 else dense)
        + (batch * channels * window.groups * padded + outputs) * _SAMPLE * scale
    )

    frequencies = math.prod(sizes[:-1]) * (sizes[-1] // 2 + 1)
    spectral = _SPECTRAL_CALL + scale * (
        batch * (channels * window.groups + filters) * math.prod(sizes) * _TRANSFORMED
        + filters * channels * frequencies * (_KERNEL_FREQUENCY + kernel_size[-1] * _KERNEL_TAP)
        + (batch * filters * channels * frequencies * _CONTRACTED if channels > 1 else 0)
    )
    margin = 1.0 if torch.device(device).type == "cpu" else _UNMEASURED_DEVICE_MARGIN
    return "spectral" if direct > margin * spectral else "direct"


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
