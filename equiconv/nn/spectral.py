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
can be larger than all signals together, is never in memory. Only long kernels are transformed, some filters at a time,
and so are those of a few channels. A kernel with one channel and one filter a group needs no matrices: its spectrum is as
small as one signal, and the signals go through `equiconv.convolution.blocks`.

**Memory**, beside operands and result: at most four spectra of the input and of the output, a block of 1 MiB, and for
kernels on their way to spectra a copy and 24 MiB, or what eight filters of each group need if that is more:
2·∏n·k·channels reals a filter (all sizes but the last, the last axis' taps k), three spectra where they are long. On
other devices than CPUs nothing is cut.

Each entry of a convolution errs by at most `equiconv.arrays.fourier_bound` of ‖x‖₂ (over all channels of one signal)
and ‖w‖₁ (of one filter), plus γ·‖x‖₂·‖w‖₁ with γ for Σ_a kₐ + channels + 4·axes roundings: the matrix products that
make W, and the sum over channels.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TypeAlias

import numpy as np
import torch
from torch import Tensor

from equiconv.convolution.blocks import BlockedProduct
from equiconv.convolution.costs import transform_seconds
from equiconv.convolution.engines import available
from equiconv.nn.window import Window

__all__ = [
    "KernelSpectrum",
    "convolve",
    "input_adjoint",
    "is_by_channel",
    "kernel_products",
    "kernel_spectrum",
    "kernel_spectrum_bytes",
    "weight_adjoint",
]

Index: TypeAlias = tuple[slice, slice]

# A kernel is long where its products with matrices take more multiply-adds a sample of its spectrum than this, at which
# they were measured to take as long as a transform; where such a matrix is larger than signals usually are; or where a
# group has so few pairs of a channel and a filter that the products are slow.
_LONGEST_PRODUCTS = 150
_LEAST_COLUMNS = 16
_LARGEST_MATRIX = 2**19
# What a block of frequencies touches on a CPU: half of a second-level cache of 2 MiB. Other devices take all at once.
_BLOCK_BYTES = 2**20
# What is made of the kernels of some filters on the way to their spectra. Memory of more than 32 MiB comes from the
# system page by page at each call, which was measured to take longer than to fill it.
_KERNEL_BYTES = 24 * 2**20
_LEAST_FILTERS = 8


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

        def blocks(filters: slice) -> Iterator[tuple[Index, Tensor]]:  # noqa: ARG001 (there is one)
            yield (slice(0, products.shape[0]), slice(0, products.shape[1])), products

    else:
        x, g = _rotated_spectrum(input, window), _spectrum(torus, window)
        kernel_shape = _kernel_shape(shape, sizes, window)

        def blocks(filters: slice) -> Iterator[tuple[Index, Tensor]]:
            for index in _blocks(len(input), kernel_shape, x):
                part = g[index][..., filters]
                product = torch.bmm(x[index].flatten(0, 1).mT, part.flatten(0, 1))
                yield index, product.view(*part.shape[:2], *product.shape[1:])

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
    for filters, index, block in _kernel_blocks(weight, sizes, window, 1):
        values[index][..., filters] = block
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
    for _, index, block in _kernel_blocks(weight, sizes, window, 1):
        torch.div(block, math.prod(sizes), out=values[index])
    return torch.view_as_complex(values.reshape(1, window.groups, *sizes[:-1], -1, 2))


def _blocked(multiplier: Tensor, sizes: Sequence[int]) -> BlockedProduct:
    dtype = "float64" if multiplier.dtype == torch.complex128 else "float32"
    grid = tuple(sizes)
    engine = _fastest(dtype, grid, 64)[1]
    return BlockedProduct(multiplier.numpy(), grid, grid, dtype, engine, torch.get_num_threads())


def by_channel_seconds(dtype: str, sizes: tuple[int, ...], planes: int) -> float:
    """How long the product of so many planes with multipliers is expected to take, without what precedes it.

    >>> 0 < by_channel_seconds("float32", (32, 32), 64) < by_channel_seconds("float32", (32, 32), 640)
    True
    """
    return _fastest(dtype, sizes, planes)[0]


@lru_cache(maxsize=64)
def _fastest(dtype: str, sizes: tuple[int, ...], planes: int) -> tuple[float, str]:
    """The installed engine that is expected to be the fastest on planes of this size, and its time."""
    seconds = {engine: transform_seconds(engine, "blocks", dtype, sizes, planes) for engine in available()}
    return min((some, engine) for engine, some in seconds.items() if some is not None)


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
    blocks: Iterator[tuple[slice, Index, Tensor]]
    if isinstance(kernel, KernelSpectrum):
        whole, filters = kernel.values, kernel.values.shape[-1]
        blocks = ((slice(0, filters), index, whole[index]) for index in _blocks(x.shape[2] // 2, whole.shape, whole))
    else:
        filters = kernel.shape[0] // window.groups
        blocks = _kernel_blocks(kernel, sizes, window, x.shape[2] // 2)
    y = _empty_spectrum((*x.shape[:3], filters), x)
    for some, index, w in blocks:
        target = y[index][..., some]
        target.copy_(torch.bmm(x[index].flatten(0, 1), w.flatten(0, 1)).view(target.shape))
    return y


def _contract_adjoint(g: Tensor, weight: Tensor, sizes: Sequence[int], window: Window) -> Tensor:
    """X = G·Wᵀ and the transpose of ′, (rows, frequencies, 2·batch, channels)."""
    batch = g.shape[2] // 2
    x = _empty_spectrum((*g.shape[:3], weight.shape[1]), g)
    for some, index, w in _kernel_blocks(weight, sizes, window, batch):
        parts = torch.bmm(g[index][..., some].flatten(0, 1), w.flatten(0, 1).mT)
        (rr, ri), (ir, ii) = (rows.unbind(2) for rows in parts.view(len(parts), 2, batch, 2, -1).unbind(1))
        real, imag = x[index].flatten(0, 1).view(len(parts), 2, batch, -1).unbind(1)
        if some.start == 0:
            torch.add(rr, ii, out=real)
            torch.sub(ir, ri, out=imag)
        else:
            real.add_(rr).add_(ii)
            imag.add_(ir).sub_(ri)
    return x


def _blocks(batch: int, shape: Sequence[int], like: Tensor) -> Iterator[Index]:
    """The frequencies, cut into blocks whose matrices fit into the cache together: whole rows, or parts of one.

    `shape` is that of the kernel's spectrum.
    """
    rows, halves, twice_channels, filters = shape
    entries = twice_channels * filters + 2 * batch * (twice_channels + filters)
    most = max(1, _BLOCK_BYTES // (entries * like.element_size())) if like.device.type == "cpu" else rows * halves
    step, half_step = (most // halves, halves) if most >= halves else (1, most)
    for i in range(0, rows, step):
        for j in range(0, halves, half_step):
            yield slice(i, min(i + step, rows)), slice(j, min(j + half_step, halves))


# ---------------------------------------------------------------------------------------------------------------------
# Kernels
# ---------------------------------------------------------------------------------------------------------------------


def _kernel_blocks(
    weight: Tensor, sizes: Sequence[int], window: Window, batch: int
) -> Iterator[tuple[slice, Index, Tensor]]:
    """The spectrum of a weight (groups·o, c, *kernel_size), as blocks of (rows, frequencies, 2·c, some of o).

    The blocks suit a batch of this size. One holds until the next is made.
    """
    axes, kernel_size = window.axes, weight.shape[2:]
    rows, halves, *_ = _kernel_shape(weight.shape, sizes, window)
    weight = weight.reshape(window.groups, -1, *weight.shape[1:])  # (groups, o, c, *kernel_size)
    last = None if _is_long(weight.shape, sizes) else _stage(axes - 1, sizes, kernel_size, weight, window)
    for filters in _filters(weight.shape, sizes, weight):
        taps = weight[:, filters]
        shape = (rows, halves, 2 * taps.shape[2], taps.shape[1])
        if last is None:
            whole = _transformed_kernel(taps, sizes, window).reshape(shape)
            for index in _blocks(batch, shape, weight):
                yield filters, index, whole[index]
            continue
        taps = taps.permute(0, *range(3, 3 + axes), 2, 1)
        for a in range(axes - 1):
            matrix = _stage(a, sizes, kernel_size, weight, window)
            taps = _product(matrix, taps.reshape(window.groups * math.prod(sizes[:a]), matrix.shape[1], -1))
        taps = taps.reshape(rows, last.shape[1], -1)  # (rows, parts and taps, c·o)
        memory: Tensor | None = None
        for index in _blocks(batch, shape, weight):
            some, phases = taps[index[0]], last[2 * index[1].start : 2 * index[1].stop]
            if memory is None:  # the first block is as large as any
                memory = some.new_empty((len(some), len(phases), some.shape[-1]))
            block = memory[: len(some), : len(phases)]
            torch.bmm(phases.expand(len(some), *phases.shape), some, out=block)
            yield filters, index, block.view(len(some), -1, *shape[2:])


def _weight_of(
    products: Callable[[slice], Iterator[tuple[Index, Tensor]]],
    shape: Sequence[int],
    sizes: Sequence[int],
    window: Window,
    like: Tensor,
) -> Tensor:
    """The transpose of `_kernel_blocks`, over N and with the frequencies that real transforms leave out.

    `products` gives the blocks of some filters.
    """
    axes, channels, kernel_size = window.axes, shape[1], shape[2:]
    rows, halves, *_ = _kernel_shape(shape, sizes, window)
    weight = like.new_empty((window.groups, shape[0] // window.groups, *shape[1:]))
    is_long = _is_long(weight.shape, sizes)
    if not is_long:
        last = _stage(axes - 1, sizes, kernel_size, like, window)
        # Each frequency that the real transform leaves out is the conjugate of one that it keeps.
        half = torch.arange(halves, device=like.device)
        twice = (2 - ((half == 0) | (2 * half == sizes[-1])).to(like.dtype)) / math.prod(sizes)
        adjoint = (last * twice.repeat_interleave(2)[:, None]).mT.contiguous()  # (parts and taps, 2·frequencies)
    for filters in _filters(weight.shape, sizes, like):
        target = weight[:, filters]
        if is_long:
            whole = like.new_empty((rows, halves, 2 * channels, target.shape[1]))
            for index, block in products(filters):
                whole[index] = block
            target.copy_(_kernel_from_transform(whole, kernel_size, sizes, window))
            continue
        taps = like.new_empty((rows, len(adjoint), channels * target.shape[1]))
        for (some, bins), block in products(filters):
            phases = adjoint[:, 2 * bins.start : 2 * bins.stop].expand(len(block), -1, -1)
            columns = block.reshape(len(block), phases.shape[-1], -1)
            if bins.start == 0:
                torch.bmm(phases, columns, out=taps[some])
            else:
                taps[some].baddbmm_(phases, columns)
        for a in reversed(range(axes - 1)):
            matrix = _stage(a, sizes, kernel_size, like, window).mT
            taps = _product(matrix, taps.reshape(window.groups * math.prod(sizes[:a]), matrix.shape[1], -1))
        taps = taps.reshape(window.groups, *kernel_size, channels, -1)
        target.copy_(taps.permute(0, axes + 2, axes + 1, *range(1, axes + 1)))
    return weight.flatten(0, 1)


def _filters(shape: Sequence[int], sizes: Sequence[int], like: Tensor) -> Iterator[slice]:
    """The filters of each group, cut so that what is made of their kernels takes at most some memory.

    `shape` is (groups, o, c, *kernel_size).
    """
    groups, filters, channels, *kernel_size = shape
    # three spectra of a long kernel; otherwise what the products along all axes but the last make
    entries = 3 * math.prod(sizes) if _is_long(shape, sizes) else 2 * math.prod(sizes[:-1]) * kernel_size[-1]
    most = _KERNEL_BYTES // (groups * channels * entries * like.element_size())
    step = max(_LEAST_FILTERS, most) if like.device.type == "cpu" else filters
    for i in range(0, filters, step):
        yield slice(i, min(i + step, filters))


def kernel_products(weight_shape: Sequence[int], sizes: Sequence[int], window: Window) -> tuple[bool, int]:
    """Whether a kernel's spectrum is made by a transform, and the multiply-adds for each of its channels by matrices.

    >>> window = Window(stride=(1,), padding=(1, 1), dilation=(1,), groups=1)
    >>> kernel_products((8, 8, 3), (16,), window)
    (False, 54)
    """
    filters = weight_shape[0] // window.groups
    is_long, products = _products(tuple(weight_shape[2:]), tuple(sizes))
    return is_long or filters * weight_shape[1] < _LEAST_COLUMNS, products


@lru_cache(maxsize=64)
def _products(kernel_size: tuple[int, ...], sizes: tuple[int, ...]) -> tuple[bool, int]:
    products, done = 0, 1
    for a, (n, k) in enumerate(zip(sizes, kernel_size, strict=True)):
        outputs = 2 * n if a < len(sizes) - 1 else 2 * (n // 2 + 1)
        products += done * outputs * k * (1 if a == 0 else 2) * math.prod(kernel_size[a + 1 :])
        done *= n
    too_large = any(n * k > _LARGEST_MATRIX for n, k in zip(sizes, kernel_size, strict=True))
    return too_large or products > _LONGEST_PRODUCTS * done, products


def _is_long(shape: Sequence[int], sizes: Sequence[int]) -> bool:
    """The same for kernels of shape (groups, o, c, *kernel_size)."""
    return shape[1] * shape[2] < _LEAST_COLUMNS or _products(tuple(shape[3:]), tuple(sizes))[0]


def _transformed_kernel(taps: Tensor, sizes: Sequence[int], window: Window) -> Tensor:
    """The spectrum of (groups, o, c, *kernel_size) by a transform, seen as (groups, *frequencies, 2, c, o)."""
    axes = window.axes
    for a, n in enumerate(sizes, start=3):
        torus = taps.new_zeros((*taps.shape[:a], n, *taps.shape[a + 1 :]))
        taps = torus.index_add_(a, -_positions(a - 3, n, taps.shape[a], window, taps.device) % n, taps)
    spectrum = torch.view_as_real(torch.fft.rfftn(taps, dim=tuple(range(3, 3 + axes))))
    return spectrum.permute(0, *range(3, 4 + axes), 2, 1)


def _kernel_from_transform(whole: Tensor, kernel_size: Sequence[int], sizes: Sequence[int], window: Window) -> Tensor:
    """The adjoint's signal, read at the positions of a long kernel: (groups, o, c, *kernel_size)."""
    axes = window.axes
    whole = whole.view(window.groups, *sizes[:-1], whole.shape[1], 2, -1, whole.shape[-1])
    whole = whole.permute(0, axes + 3, axes + 2, *range(1, axes + 2)).contiguous()
    # not lazily: below a dispatch mode, where operations may run, torch forgets to conjugate what only says it is
    spectrum = torch.view_as_complex(whole).conj_physical()
    taps: Tensor = torch.fft.irfftn(spectrum, s=tuple(sizes), dim=tuple(range(3, 3 + axes)))
    for a, n in enumerate(sizes):
        taps = taps.index_select(3 + a, _positions(a, n, kernel_size[a], window, taps.device))
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
    step = max(64, _BLOCK_BYTES // (sum(matrix.shape) * columns.element_size()))
    if columns.device.type != "cpu" or step >= width:
        return torch.bmm(matrix.expand(batch, *matrix.shape), columns)
    result = columns.new_empty((batch, matrix.shape[0], width))
    for source, target in zip(columns, result, strict=True):
        for j in range(0, width, step):
            torch.mm(matrix, source[:, j : j + step], out=target[:, j : j + step])
    return result
