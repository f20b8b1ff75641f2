"""The layers' three kernels by the convolution theorem (lecture L24; Vasilache et al., fbfft, arXiv 1412.7580).

A window that slides over the torus with stride 1 is a product of spectra; a stride keeps some of its outputs, and a
padding beyond the torus repeats some. With X = F x and

    W[f] = Σ_t w[t]·ω^(f·(t·dilation − left)),   ω = e^(2πi/n),

the convolution is F⁻¹(X ⊙ W), its input's adjoint F⁻¹(G ⊙ conj W), and its weight's adjoint is F⁻¹(conj G ⊙ X) read at
the positions t·dilation − left, where G is the spectrum of the gradient put back on the torus. Channels are contracted
at each frequency. All operands are real, so that half of the last axis' frequencies suffice.

**Real arithmetic.** At each frequency the spectrum of the signals is a matrix of 2·batch rows, real parts first, and
that of the kernel one of 2·channels rows. With X′ = [[Re X, −Im X], [Im X, Re X]] the product over channels is one real
matrix product, Y = X′·W, and the adjoints are its two transposes.

**Kernels** are much smaller than their spectra: W comes from one product with a matrix an axis (the phases above, real
and imaginary parts apart), which is right for every left, dilation and k, wraps included. The product along the last
axis is made for a block of frequencies at a time, whose W is used in the cache and forgotten: the whole spectrum, which
can be larger than all signals together, is never in memory. Only kernels that are long along some axis are transformed,
and their spectra are held whole. A kernel with one channel and one filter a group needs no matrices: its spectrum is as
small as one signal, and the signals go through `equiconv.convolution.blocks`.

**Memory**, beside operands and result: at most three spectra of the input and of the output, a block, and for the kernel
2·∏n·k·channels·filters reals (all sizes but the last, the last axis' taps k), or four of its spectra where it is long.

Each entry of a convolution errs by at most `equiconv.arrays.fourier_bound` of ‖x‖₂ (over all channels of one signal)
and ‖w‖₁ (of one filter), plus γ·‖x‖₂·‖w‖₁ with γ for Σ_a kₐ + channels + 4·axes roundings: the matrix products that
make W, and the sum over channels.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple, TypeAlias

import numpy as np
import torch
from torch import Tensor

from equiconv.convolution.blocks import BlockedProduct
from equiconv.convolution.costs import transform_seconds
from equiconv.convolution.engines import available
from equiconv.nn.window import Window

__all__ = ["KernelSpectrum", "convolve", "input_adjoint", "kernel_spectrum", "kernel_spectrum_bytes", "weight_adjoint"]

Index: TypeAlias = tuple[slice, slice]

# The matrix product costs k multiply-adds a frequency, the transform some log2 n at a much lower rate: measured, they
# meet near k = 500. The matrix itself has n·k entries, which must stay small beside the signals.
_LONGEST_KERNEL = 256
_LARGEST_MATRIX = 2**19
# What a block of frequencies touches on a CPU: half of a second-level cache of 2 MiB. Other devices take all at once.
_BLOCK_BYTES = 2**20
# What is made of a kernel by the product along the other axes at a time there, but at least some lines, since each part
# reads the whole kernel.
_PART_BYTES = 2**23
_LEAST_LINES = 4


def convolve(input: Tensor, weight: Tensor, window: Window, spectrum: KernelSpectrum | None = None) -> Tensor:
    """y[b, o, i] = Σ_c Σ_t weight[o, c, t]·input[b, c, i·stride + t·dilation − left mod n].

    `spectrum` is the `kernel_spectrum` of the same weight, sizes and window, where it was made before.
    """
    sizes = input.shape[2:]
    kernel = weight if spectrum is None else spectrum
    if is_by_channel(weight.shape, window):
        y = _by_channel(input, kernel, sizes, window)
    else:
        y = _signal(_contract(_rotated_spectrum(input, window), kernel, sizes, window), sizes, window)
    counts = window.output_sizes(sizes, weight.shape[2:])
    for dim, (step, count) in enumerate(zip(window.stride, counts, strict=True), start=2):
        y = _take(y, dim, step, count)
    return y


def input_adjoint(grad: Tensor, weight: Tensor, sizes: Sequence[int], window: Window) -> Tensor:
    """The transpose of `convolve` in its input, applied to `grad`: the shape of the input."""
    torus = _put_all(grad, sizes, window)
    if is_by_channel(weight.shape, window):
        return _by_channel(torus, weight, sizes, window, adjoint=True)
    return _signal(_contract_adjoint(_spectrum(torus, window), weight, sizes, window), sizes, window)


def weight_adjoint(grad: Tensor, input: Tensor, kernel_size: Sequence[int], window: Window) -> Tensor:
    """The transpose of `convolve` in its weight, applied to `grad`: the shape of the weight."""
    sizes = input.shape[2:]
    torus = _put_all(grad, sizes, window)
    shape = (grad.shape[1], input.shape[1] // window.groups, *kernel_size)
    if is_by_channel(shape, window):
        dims = tuple(range(2, input.ndim))
        spectra, gradients = torch.fft.rfftn(input, dim=dims), torch.fft.rfftn(torus, dim=dims)
        products = torch.view_as_real(gradients.mul_(spectra.conj_physical_()).sum(0))
        products = products.reshape(*_frequencies(sizes, window), 2, 1)

        def blocks(rows: slice) -> Iterator[tuple[Index, Tensor]]:
            yield (rows, slice(0, products.shape[1])), products[rows]

    else:
        x, g = _rotated_spectrum(input, window), _spectrum(torus, window)
        kernel_shape = _kernel_shape(shape, sizes, window)

        def blocks(rows: slice) -> Iterator[tuple[Index, Tensor]]:
            for index in _blocks(len(input), kernel_shape, x, rows.start, rows.stop):
                part = g[index]
                yield (
                    index,
                    torch.bmm(x[index].flatten(0, 1).mT, part.flatten(0, 1)).view(*part.shape[:2], -1, part.shape[3]),
                )

    return _weight_of(blocks, shape, sizes, window, input)


# ---------------------------------------------------------------------------------------------------------------------
# Kernels' spectra, held
# ---------------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class KernelSpectrum:
    """What `convolve` needs of a weight, made once for signals of certain sizes.

    `values` has shape (rows, frequencies, 2·channels, filters); for one channel and filter a group it is the complex
    multiplier of each plane, (1, groups, *frequencies).
    """

    values: Tensor
    product: BlockedProduct | None = None

    @property
    def nbytes(self) -> int:
        """The bytes that are held."""
        return self.values.nbytes


def kernel_spectrum(weight: Tensor, sizes: Sequence[int], window: Window) -> KernelSpectrum:
    """The spectrum of a weight for signals of these sizes, as `convolve` takes it."""
    if is_by_channel(weight.shape, window):
        multiplier = _multiplier(weight, sizes, window)
        return KernelSpectrum(multiplier, _blocked(multiplier, sizes) if weight.device.type == "cpu" else None)
    values = weight.new_empty(_kernel_shape(weight.shape, sizes, window))
    for (rows, halves), block in _kernel_blocks(weight, sizes, window, 1):
        values[rows, halves] = block
    return KernelSpectrum(values)


def kernel_spectrum_bytes(weight: Tensor, sizes: Sequence[int], window: Window) -> int:
    """The bytes that `kernel_spectrum` will hold.

    >>> window = Window(stride=(1, 1), padding=(1, 1, 1, 1), dilation=(1, 1), groups=1)
    >>> kernel_spectrum_bytes(torch.zeros(64, 64, 3, 3), (56, 56), window) == 56 * 29 * 64 * 64 * 8
    True
    """
    return math.prod(_kernel_shape(weight.shape, sizes, window)) * weight.element_size()


def _kernel_shape(weight_shape: Sequence[int], sizes: Sequence[int], window: Window) -> tuple[int, int, int, int]:
    return *_frequencies(sizes, window), 2 * weight_shape[1], weight_shape[0] // window.groups


# ---------------------------------------------------------------------------------------------------------------------
# One channel and one filter a group
# ---------------------------------------------------------------------------------------------------------------------


def is_by_channel(weight_shape: Sequence[int], window: Window) -> bool:
    """Whether each filter reads one channel and each channel is read by one filter.

    >>> is_by_channel((8, 1, 3), Window(stride=(1,), padding=(1, 1), dilation=(1,), groups=8))
    True
    """
    return weight_shape[1] == 1 and weight_shape[0] == window.groups


def _by_channel(
    x: Tensor, kernel: Tensor | KernelSpectrum, sizes: Sequence[int], window: Window, *, adjoint: bool = False
) -> Tensor:
    """F⁻¹(F x ⊙ W), with conj W for the adjoint."""
    product = kernel.product if isinstance(kernel, KernelSpectrum) else None
    if product is None:
        multiplier = kernel.values if isinstance(kernel, KernelSpectrum) else _multiplier(kernel, sizes, window)
        if adjoint:
            multiplier = multiplier.conj_physical()
        if x.device.type != "cpu":
            dims = tuple(range(2, x.ndim))
            spectrum = torch.fft.rfftn(x, dim=dims).mul_(multiplier)
            y: Tensor = torch.fft.irfftn(spectrum, s=tuple(sizes), dim=dims, norm="forward")
            return y
        product = _blocked(multiplier, sizes)
    out = np.empty(x.shape, dtype=product.dtype)
    product(x.detach().resolve_neg().numpy(), out)
    return torch.from_numpy(out)


def _multiplier(weight: Tensor, sizes: Sequence[int], window: Window) -> Tensor:
    """The spectrum of each channel's kernel over N, (1, groups, *frequencies), complex."""
    values = weight.new_empty(_kernel_shape(weight.shape, sizes, window))
    for (rows, halves), block in _kernel_blocks(weight, sizes, window, 1):
        torch.div(block, math.prod(sizes), out=values[rows, halves])
    return torch.view_as_complex(values.reshape(1, window.groups, *sizes[:-1], -1, 2))


def _blocked(multiplier: Tensor, sizes: Sequence[int]) -> BlockedProduct:
    dtype = "float64" if multiplier.dtype == torch.complex128 else "float32"
    grid = tuple(sizes)
    engine = _engine(dtype, grid)
    return BlockedProduct(multiplier.numpy(), grid, grid, dtype, engine, torch.get_num_threads())


@lru_cache(maxsize=64)
def _engine(dtype: str, grid: tuple[int, ...]) -> str:
    """The installed engine that is expected to be the fastest on planes of this size."""
    seconds = {engine: transform_seconds(engine, "blocks", dtype, grid, 64) for engine in available()}
    return min((some, engine) for engine, some in seconds.items() if some is not None)[1]


# ---------------------------------------------------------------------------------------------------------------------
# Signals
# ---------------------------------------------------------------------------------------------------------------------


def _frequencies(sizes: Sequence[int], window: Window) -> tuple[int, int]:
    """How many rows there are (groups and frequencies of all axes but the last), and how many frequencies in each."""
    return window.groups * math.prod(sizes[:-1]), sizes[-1] // 2 + 1


def _spectrum(x: Tensor, window: Window) -> Tensor:
    """(batch, groups·c, *sizes) to G, (rows, frequencies, 2·batch, c): real parts, then imaginary parts."""
    parts = _parts(x, window)
    return parts.reshape(*_frequencies(x.shape[2:], window), -1, parts.shape[-1])


def _rotated_spectrum(x: Tensor, window: Window) -> Tensor:
    """(batch, groups·c, *sizes) to X′ = [[Re X, −Im X], [Im X, Re X]], (rows, frequencies, 2·batch, 2·c)."""
    parts = _parts(x, window)
    real, imag = parts.select(-3, 0), parts.select(-3, 1)
    result = parts.new_empty((*parts.shape[:-1], 2, parts.shape[-1]))
    result[..., 0, :] = parts
    torch.neg(imag, out=result[..., 0, :, 1, :])
    result[..., 1, :, 1, :] = real
    return result.view(*_frequencies(x.shape[2:], window), 2 * x.shape[0], -1)


def _parts(x: Tensor, window: Window) -> Tensor:
    """The spectrum as it comes, seen as (groups, *frequencies, 2, batch, c)."""
    spectrum = torch.view_as_real(torch.fft.rfftn(x, dim=tuple(range(2, x.ndim))))
    spectrum = spectrum.view(x.shape[0], window.groups, -1, *spectrum.shape[2:])
    return spectrum.permute(1, *range(3, 4 + window.axes), 0, 2)


def _empty_spectrum(shape: Sequence[int], like: Tensor) -> Tensor:
    """Memory for a spectrum of (rows, frequencies, 2·batch, c), whose frequencies are a little apart.

    Reading an entry of all of them, as `_signal` does, would otherwise hit few sets of the cache, where the matrices
    have a power of two of entries: measured, five times slower.
    """
    rows, halves, *matrix = shape
    entries = math.prod(matrix)
    memory = like.new_empty((rows, halves, entries + 16))
    return memory[..., :entries].view(rows, halves, *matrix)


def _signal(spectrum: Tensor, sizes: Sequence[int], window: Window) -> Tensor:
    """(rows, frequencies, 2·batch, c) to (batch, groups·c, *sizes)."""
    axes, channels = window.axes, spectrum.shape[-1]
    spectrum = spectrum.reshape(window.groups, *sizes[:-1], spectrum.shape[1], 2, -1, channels)
    spectrum = spectrum.permute(axes + 2, 0, axes + 3, *range(1, axes + 2)).contiguous()
    signal: Tensor = torch.fft.irfftn(
        torch.view_as_complex(spectrum).flatten(1, 2), s=tuple(sizes), dim=tuple(range(2, 2 + axes))
    )
    return signal


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
# The product over channels at each frequency, Y = X′·W, and its two transposes
# ---------------------------------------------------------------------------------------------------------------------


def _contract(x: Tensor, kernel: Tensor | KernelSpectrum, sizes: Sequence[int], window: Window) -> Tensor:
    """Y = X′·W, (rows, frequencies, 2·batch, filters)."""
    if isinstance(kernel, KernelSpectrum):
        whole = kernel.values
        filters = whole.shape[-1]
        parts = ((index, whole[index]) for index in _blocks(x.shape[2] // 2, whole.shape, whole))
    else:
        filters = kernel.shape[0] // window.groups
        parts = _kernel_blocks(kernel, sizes, window, x.shape[2] // 2)
    y = _empty_spectrum((*x.shape[:3], filters), x)
    for index, w in parts:
        torch.bmm(x[index].flatten(0, 1), w.flatten(0, 1), out=y[index].flatten(0, 1))
    return y


def _contract_adjoint(g: Tensor, weight: Tensor, sizes: Sequence[int], window: Window) -> Tensor:
    """X = G·Wᵀ and the transpose of ′, (rows, frequencies, 2·batch, channels)."""
    batch = g.shape[2] // 2
    x = _empty_spectrum((*g.shape[:3], weight.shape[1]), g)
    for index, w in _kernel_blocks(weight, sizes, window, batch):
        parts = torch.bmm(g[index].flatten(0, 1), w.flatten(0, 1).mT)
        parts = parts.view(len(parts), 2, batch, 2, -1)
        out = x[index].flatten(0, 1).view(len(parts), 2, batch, -1)
        torch.add(parts[:, 0, :, 0], parts[:, 1, :, 1], out=out[:, 0])
        torch.sub(parts[:, 1, :, 0], parts[:, 0, :, 1], out=out[:, 1])
    return x


def _blocks(batch: int, shape: Sequence[int], like: Tensor, first: int = 0, last: int | None = None) -> Iterator[Index]:
    """The frequencies, cut into blocks whose matrices fit into the cache together: whole rows, or parts of one.

    `shape` is that of the kernel's spectrum; `first` and `last` bound the rows.
    """
    rows, halves, twice_channels, filters = shape
    last = rows if last is None else last
    entries = twice_channels * filters + 2 * batch * (twice_channels + filters)
    most = max(1, _BLOCK_BYTES // (entries * like.element_size())) if like.device.type == "cpu" else rows * halves
    step, half_step = (most // halves, halves) if most >= halves else (1, most)
    for i in range(first, last, step):
        for j in range(0, halves, half_step):
            yield slice(i, min(i + step, last)), slice(j, min(j + half_step, halves))


# ---------------------------------------------------------------------------------------------------------------------
# Kernels
# ---------------------------------------------------------------------------------------------------------------------


def _kernel_blocks(weight: Tensor, sizes: Sequence[int], window: Window, batch: int) -> Iterator[tuple[Index, Tensor]]:
    """The spectrum of a weight (groups·o, c, *kernel_size), as blocks of (rows, frequencies, 2·c, o).

    The blocks suit a batch of this size. One holds until the next is made.
    """
    shape = _kernel_shape(weight.shape, sizes, window)
    axes, kernel_size = window.axes, weight.shape[2:]
    if _is_long(kernel_size, sizes):
        whole = _transformed_kernel(weight, sizes, window).reshape(shape)
        for index in _blocks(batch, shape, weight):
            yield index, whole[index]
        return
    taps = weight.view(window.groups, -1, *weight.shape[1:])  # (groups, o, c, *kernel_size)
    taps = taps.permute(0, *range(3, 3 + axes), 2, 1).contiguous()
    last = _stage(axes - 1, sizes, kernel_size, weight, window)
    memory: Tensor | None = None
    for part in _parts_of_rows(weight.shape, sizes, window, weight):
        columns = taps[part.groups]
        for a in range(axes - 1):
            matrix = _stage(a, sizes, kernel_size, weight, window)
            if a == 0:
                matrix = matrix[2 * part.lines.start : 2 * part.lines.stop]
            count = len(columns) if a == 0 else len(columns) * columns.shape[1] // 2
            columns = _product(matrix, columns.reshape(count, matrix.shape[1], -1))
        first, stop = part.rows.start, part.rows.stop
        columns = columns.reshape(stop - first, last.shape[1], -1)  # (rows, parts and taps, c·o)
        for rows, halves in _blocks(batch, shape, weight, first, stop):
            some, phases = columns[rows.start - first : rows.stop - first], last[2 * halves.start : 2 * halves.stop]
            if memory is None or len(some) > len(memory):
                memory = some.new_empty((len(some), len(phases), some.shape[-1]))
            block = memory[: len(some), : len(phases)]
            torch.bmm(phases.expand(len(some), *phases.shape), some, out=block)
            yield (rows, halves), block.view(len(some), -1, *shape[2:])


def _weight_of(
    products: Callable[[slice], Iterator[tuple[Index, Tensor]]],
    shape: Sequence[int],
    sizes: Sequence[int],
    window: Window,
    like: Tensor,
) -> Tensor:
    """The transpose of `_kernel_blocks`, over N and with the frequencies that real transforms leave out.

    `products` gives the blocks of a part of the rows.
    """
    axes, kernel_size = window.axes, shape[2:]
    rows, halves, twice_channels, filters = _kernel_shape(shape, sizes, window)
    channels = twice_channels // 2
    if _is_long(kernel_size, sizes):
        whole = like.new_empty((rows, halves, twice_channels, filters))
        for index, block in products(slice(0, rows)):
            whole[index] = block
        return _kernel_from_transform(whole, shape, sizes, window)

    last = _stage(axes - 1, sizes, kernel_size, like, window)
    # Each frequency that the real transform leaves out is the conjugate of one that it keeps.
    half = torch.arange(halves, device=like.device)
    twice = (2 - ((half == 0) | (2 * half == sizes[-1])).to(like.dtype)) / math.prod(sizes)
    adjoint = (last * twice.repeat_interleave(2)[:, None]).mT  # (parts and taps, 2·frequencies)
    taps = like.new_zeros((window.groups, *kernel_size, channels, filters))
    for part in _parts_of_rows(shape, sizes, window, like):
        first = part.rows.start
        columns = like.new_empty((part.rows.stop - first, last.shape[1], channels * filters))
        for (some, bins), block in products(part.rows):
            phases = adjoint[:, 2 * bins.start : 2 * bins.stop].expand(len(block), -1, -1)
            target = columns[some.start - first : some.stop - first]
            source = block.reshape(len(block), phases.shape[-1], -1)
            if bins.start == 0:
                torch.bmm(phases, source, out=target)
            else:
                target.baddbmm_(phases, source)
        groups = part.groups.stop - part.groups.start
        for a in reversed(range(axes - 1)):
            matrix = _stage(a, sizes, kernel_size, like, window)
            if a == 0:
                matrix = matrix[2 * part.lines.start : 2 * part.lines.stop]
            count = groups if a == 0 else groups * (part.lines.stop - part.lines.start) * math.prod(sizes[1:a])
            columns = _product(matrix.mT, columns.reshape(count, matrix.shape[0], -1))
        taps[part.groups] += columns.reshape(groups, *taps.shape[1:])
    return taps.permute(0, axes + 2, axes + 1, *range(1, axes + 1)).reshape(*shape)


class _Part(NamedTuple):
    """Some of the rows: these groups, these frequencies of the first axis, and all of the other axes'."""

    groups: slice
    lines: slice
    rows: slice


def _parts_of_rows(shape: Sequence[int], sizes: Sequence[int], window: Window, like: Tensor) -> Iterator[_Part]:
    """The rows, cut so that what the product along all axes but the last makes of a kernel stays small.

    Fresh memory of more than some 32 MiB comes from the system page by page, which takes longer than to fill it.
    """
    groups = window.groups
    if window.axes == 1:
        yield _Part(slice(0, groups), slice(0, 1), slice(0, groups))
        return
    n, inner = sizes[0], math.prod(sizes[1:-1])
    of_line = inner * 2 * math.prod((shape[-1], shape[1], shape[0] // groups)) * like.element_size()
    most = max(1, _PART_BYTES // of_line) if like.device.type == "cpu" else groups * n
    if most >= n:
        step = min(most // n, groups)
        for g in range(0, groups, step):
            stop = min(g + step, groups)
            yield _Part(slice(g, stop), slice(0, n), slice(g * n * inner, stop * n * inner))
        return
    step = max(most, _LEAST_LINES)
    for g in range(groups):
        for i in range(0, n, step):
            stop = min(i + step, n)
            yield _Part(slice(g, g + 1), slice(i, stop), slice((g * n + i) * inner, (g * n + stop) * inner))


def _is_long(kernel_size: Sequence[int], sizes: Sequence[int]) -> bool:
    return any(k > _LONGEST_KERNEL or n * k > _LARGEST_MATRIX for n, k in zip(sizes, kernel_size, strict=True))


def _transformed_kernel(weight: Tensor, sizes: Sequence[int], window: Window) -> Tensor:
    """A long kernel's spectrum, (groups, *frequencies, 2, c, o)."""
    axes = window.axes
    for a, n in enumerate(sizes):
        torus = weight.new_zeros((*weight.shape[: 2 + a], n, *weight.shape[3 + a :]))
        positions = -_positions(a, n, weight.shape[2 + a], window, weight.device) % n
        weight = torus.index_add_(2 + a, positions, weight)
    spectrum = torch.view_as_real(torch.fft.rfftn(weight, dim=tuple(range(2, 2 + axes))))
    spectrum = spectrum.unflatten(0, (window.groups, -1))  # (groups, o, c, *frequencies, 2)
    return spectrum.permute(0, *range(3, 4 + axes), 2, 1)


def _kernel_from_transform(whole: Tensor, shape: Sequence[int], sizes: Sequence[int], window: Window) -> Tensor:
    """The adjoint's signal, read at the positions of a long kernel."""
    axes = window.axes
    whole = whole.reshape(window.groups, *sizes[:-1], -1, 2, shape[1], shape[0] // window.groups)
    whole = whole.permute(0, axes + 3, axes + 2, *range(1, axes + 2)).contiguous()
    spectrum = torch.view_as_complex(whole).flatten(0, 1).conj()
    taps: Tensor = torch.fft.irfftn(spectrum, s=tuple(sizes), dim=tuple(range(2, 2 + axes)))
    for a, n in enumerate(sizes):
        taps = taps.index_select(2 + a, _positions(a, n, shape[2 + a], window, taps.device))
    return taps


def _positions(axis: int, n: int, k: int, window: Window, device: torch.device) -> Tensor:
    """Where tap t reads along an axis, relative to its output: t·dilation − left mod n."""
    return (torch.arange(k, device=device) * window.dilation[axis] - window.left[axis]) % n


def _stage(axis: int, sizes: Sequence[int], kernel_size: Sequence[int], like: Tensor, window: Window) -> Tensor:
    """The phases of one axis as a real matrix: a row for each frequency and part, a column for each part and tap.

    The kernel is real before the first axis, which has columns for the taps alone. The last axis has half of the
    frequencies.
    """
    half = axis == window.axes - 1
    return _phases(axis, int(sizes[axis]), int(kernel_size[axis]), half, window, like.dtype, like.device)


@lru_cache(maxsize=16)
def _phases(axis: int, n: int, k: int, half: bool, window: Window, dtype: torch.dtype, device: torch.device) -> Tensor:
    cpu = torch.device("cpu")
    frequencies = torch.arange(n // 2 + 1 if half else n, device=cpu)
    # The exponent is reduced modulo n as an integer: the angle is then as accurate for the last frequency as for the
    # first.
    angles = (torch.outer(frequencies, _positions(axis, n, k, window, cpu)) % n).to(torch.float64) * (2 * math.pi / n)
    real, imag = angles.cos(), angles.sin()
    to_real, to_imag = (real, imag) if axis == 0 else (torch.cat([real, -imag], 1), torch.cat([imag, real], 1))
    return torch.stack([to_real, to_imag], 1).flatten(0, 1).to(device=device, dtype=dtype)


def _product(matrix: Tensor, columns: Tensor) -> Tensor:
    """matrix @ columns for each of a batch of columns; on a CPU, as many columns at a time as the cache holds."""
    batch, _, width = columns.shape
    result = columns.new_empty((batch, matrix.shape[0], width))
    step = width
    if columns.device.type == "cpu":
        step = max(64, _BLOCK_BYTES // (sum(matrix.shape) * columns.element_size()))
    for source, target in zip(columns, result, strict=True):
        for j in range(0, width, step):
            torch.mm(matrix, source[:, j : j + step], out=target[:, j : j + step])
    return result
