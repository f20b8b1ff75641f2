"""The layers' three kernels by the convolution theorem (lecture L24; Vasilache et al., fbfft, arXiv 1412.7580).

A window that slides over the torus with stride 1 is a product of spectra; a stride keeps some of its outputs, and a
padding beyond the torus repeats some. With X = F x and

    W[f] = Σ_t w[t]·ω^(f·(t·dilation − left)),   ω = e^(2πi/n),

the convolution is F⁻¹(X ⊙ W), its input's adjoint F⁻¹(G ⊙ conj W), and its weight's adjoint is F⁻¹(conj G ⊙ X) read at
the positions t·dilation − left, where G is the spectrum of the gradient put back on the torus. Channels are contracted
at each frequency. All operands are real, so that half of the last axis' frequencies suffice.

A kernel is much smaller than its spectrum: W comes from one product with an n × k matrix an axis (the phases above),
which is right for every left, dilation and k, wraps included, and faster than the transform of a kernel filled with
zeros. Only kernels that are long along some axis are transformed.

Each entry of a convolution errs by at most `equiconv.arrays.fourier_bound` of ‖x‖₂ (over all channels of one signal)
and ‖w‖₁ (of one filter), plus γ·‖x‖₂·‖w‖₁ with γ for Σ_a kₐ + channels + 4·axes roundings: the matrix products that
make W, and the sum over channels.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache

import torch
from torch import Tensor

from equiconv.nn.window import Window

__all__ = ["convolve", "input_adjoint", "weight_adjoint"]

# The matrix product costs k multiply-adds a frequency, the transform some log2 n at a much lower rate: measured, they
# meet near k = 500. The matrix itself has n·k entries, which must stay small beside the signals.
_LONGEST_KERNEL = 256
_LARGEST_MATRIX = 2**19


def convolve(input: Tensor, weight: Tensor, window: Window) -> Tensor:
    """y[b, o, i] = Σ_c Σ_t weight[o, c, t]·input[b, c, i·stride + t·dilation − left mod n]."""
    sizes = input.shape[2:]
    x = _spectrum(input, window)  # (f…, groups, batch, in)
    w = _kernel_spectrum(weight, sizes, window)  # (f…, groups, out, in)
    y = _signal(_contract(x, w.mT), sizes, window)
    counts = window.output_sizes(sizes, weight.shape[2:])
    for dim, (step, count) in enumerate(zip(window.stride, counts, strict=True), start=2):
        y = _take(y, dim, step, count)
    return y


def input_adjoint(grad: Tensor, weight: Tensor, sizes: Sequence[int], window: Window) -> Tensor:
    """The transpose of `convolve` in its input, applied to `grad`: the shape of the input."""
    g = _spectrum(_put_all(grad, sizes, window), window)  # (f…, groups, batch, out)
    w = _kernel_spectrum(weight, sizes, window)  # (f…, groups, out, in)
    return _signal(_contract(g, w.conj()), sizes, window)


def weight_adjoint(grad: Tensor, input: Tensor, kernel_size: Sequence[int], window: Window) -> Tensor:
    """The transpose of `convolve` in its weight, applied to `grad`: the shape of the weight."""
    sizes = input.shape[2:]
    g = _spectrum(_put_all(grad, sizes, window), window)  # (f…, groups, batch, out)
    x = _spectrum(input, window)  # (f…, groups, batch, in)
    return _kernel_from_spectrum(_contract(g.mH, x), sizes, kernel_size, window)


# ---------------------------------------------------------------------------------------------------------------------
# Signals
# ---------------------------------------------------------------------------------------------------------------------


def _spectrum(x: Tensor, window: Window) -> Tensor:
    """(batch, groups·c, *sizes) to (*frequencies, groups, batch, c)."""
    axes = window.axes
    spectrum: Tensor = torch.fft.rfftn(x, dim=tuple(range(2, x.ndim)))
    spectrum = spectrum.reshape(x.shape[0], window.groups, -1, *spectrum.shape[2:])
    return spectrum.permute(*range(3, 3 + axes), 1, 0, 2)


def _signal(spectrum: Tensor, sizes: Sequence[int], window: Window) -> Tensor:
    """(*frequencies, groups, batch, c) to (batch, groups·c, *sizes)."""
    axes = window.axes
    spectrum = spectrum.permute(axes + 1, axes, axes + 2, *range(axes)).flatten(1, 2)
    signal: Tensor = torch.fft.irfftn(spectrum, s=tuple(sizes), dim=tuple(range(2, 2 + axes)))
    return signal


def _contract(a: Tensor, b: Tensor) -> Tensor:
    """The matrix product at each frequency and group; a plain product where it sums over one channel."""
    return a * b if a.shape[-1] == 1 else a @ b


def _take(y: Tensor, dim: int, step: int, count: int) -> Tensor:
    """y[i·step mod n] for i = 0 … count − 1."""
    n = y.shape[dim]
    if step * (count - 1) < n:
        return y[(slice(None),) * dim + (slice(0, step * (count - 1) + 1, step),)]
    return y.index_select(dim, torch.arange(count, device=y.device) * step % n)


def _put_all(grad: Tensor, sizes: Sequence[int], window: Window) -> Tensor:
    """The transpose of `_take` along every axis: what was read from one sample is added there."""
    for dim, (n, step) in enumerate(zip(sizes, window.stride, strict=True), start=2):
        count = grad.shape[dim]
        if step == 1 and count == n:
            continue
        index = torch.arange(count, device=grad.device) * step % n
        torus = grad.new_zeros((*grad.shape[:dim], n, *grad.shape[dim + 1 :]))
        grad = torus.index_add_(dim, index, grad)
    return grad


# ---------------------------------------------------------------------------------------------------------------------
# Kernels
# ---------------------------------------------------------------------------------------------------------------------


def _kernel_spectrum(weight: Tensor, sizes: Sequence[int], window: Window) -> Tensor:
    """(groups·o, c, *kernel_size) to (*frequencies, groups, o, c)."""
    axes, channels = window.axes, weight.shape[:2]
    taps = weight.permute(*range(2, 2 + axes), 0, 1)
    if _is_long(weight.shape[2:], sizes):
        for a, n in enumerate(sizes):
            torus = taps.new_zeros((*taps.shape[:a], n, *taps.shape[a + 1 :]))
            taps = torus.index_add_(a, -_positions(a, n, weight.shape[2 + a], window, taps.device) % n, taps)
        spectrum: Tensor = torch.fft.rfftn(taps, dim=tuple(range(axes)))
    else:
        spectrum = taps.flatten(-2)
        for a in range(axes):
            phases = _phases_of(a, sizes, weight.shape[2:], weight, window)
            shape = (*spectrum.shape[:a], phases.shape[0], *spectrum.shape[a + 1 :])
            columns = spectrum.reshape(math.prod(shape[:a]), spectrum.shape[a], -1)
            product = _real_times(phases, columns[0]) if a == 0 else phases @ columns
            spectrum = product.reshape(shape)
    frequencies = spectrum.shape[:axes]
    return spectrum.reshape(*frequencies, window.groups, channels[0] // window.groups, channels[1])


def _kernel_from_spectrum(spectrum: Tensor, sizes: Sequence[int], kernel_size: Sequence[int], window: Window) -> Tensor:
    """(*frequencies, groups, o, c) to (groups·o, c, *kernel_size): the signal, read at the kernel's positions."""
    axes = window.axes
    spectrum = spectrum.flatten(axes, axes + 1)
    channels = spectrum.shape[axes:]
    taps: Tensor
    if _is_long(kernel_size, sizes):
        taps = torch.fft.irfftn(spectrum, s=tuple(sizes), dim=tuple(range(axes)))
        for a, n in enumerate(sizes):
            taps = taps.index_select(a, _positions(a, n, kernel_size[a], window, taps.device))
    else:
        taps = spectrum.flatten(axes)
        for a in range(axes):
            phases = _phases_of(a, sizes, kernel_size, taps.real, window).mT
            shape = (*taps.shape[:a], phases.shape[0], *taps.shape[a + 1 :])
            columns = taps.reshape(math.prod(shape[:a]), taps.shape[a], -1)
            if a == axes - 1:
                # Each frequency that the real transform leaves out is the conjugate of one that it keeps.
                n, halves = sizes[a], torch.arange(phases.shape[1], device=phases.device)
                twice = 2 - ((halves == 0) | (2 * halves == n)).to(phases.real.dtype)
                taps = ((phases.real * twice) @ columns.real - (phases.imag * twice) @ columns.imag).reshape(shape)
            else:
                taps = (phases @ columns).reshape(shape)
        taps = taps.reshape(*taps.shape[:axes], *channels) / math.prod(sizes)
    return taps.permute(axes, axes + 1, *range(axes))


def _is_long(kernel_size: Sequence[int], sizes: Sequence[int]) -> bool:
    return any(k > _LONGEST_KERNEL or n * k > _LARGEST_MATRIX for n, k in zip(sizes, kernel_size, strict=True))


def _positions(axis: int, n: int, k: int, window: Window, device: torch.device) -> Tensor:
    """Where tap t reads along an axis, relative to its output: t·dilation − left mod n."""
    return (torch.arange(k, device=device) * window.dilation[axis] - window.left[axis]) % n


def _phases_of(axis: int, sizes: Sequence[int], kernel_size: Sequence[int], like: Tensor, window: Window) -> Tensor:
    """The matrix ω^(f·(t·dilation − left)) of one axis, frequencies f by taps t, in the complex dtype of `like`."""
    half = axis == window.axes - 1
    return _phases(axis, int(sizes[axis]), int(kernel_size[axis]), half, window, like.dtype, like.device)


@lru_cache(maxsize=16)
def _phases(axis: int, n: int, k: int, half: bool, window: Window, dtype: torch.dtype, device: torch.device) -> Tensor:
    cpu = torch.device("cpu")
    frequencies = torch.arange(n // 2 + 1 if half else n, device=cpu)
    # The exponent is reduced modulo n as an integer: the angle is then as accurate for the last frequency as for the
    # first.
    angles = (torch.outer(frequencies, _positions(axis, n, k, window, cpu)) % n).to(torch.float64) * (2 * math.pi / n)
    complex_dtype = torch.complex128 if dtype == torch.float64 else torch.complex64
    return torch.polar(torch.ones_like(angles), angles).to(device=device, dtype=complex_dtype)


def _real_times(phases: Tensor, columns: Tensor) -> Tensor:
    """phases @ columns for complex phases and real columns, as one real product."""
    parts = torch.cat([phases.real, phases.imag]) @ columns
    return torch.complex(parts[: phases.shape[0]], parts[phases.shape[0] :])
