"""Seeded faults: functions and layers that are wrong in one way, each beside its correct twin and the laws that must kill it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

Make = Callable[[], Any]


@dataclass(frozen=True, eq=False)
class Fault:
    """make, twin: of the wrong and of the right one, fresh for each law, since some keep state. killers: laws that must fail."""

    name: str
    make: Make
    twin: Make
    killers: tuple[str, ...]
    kind: str = "convolution"
    options: dict[str, Any] = field(default_factory=dict)


# Right -----------------------------------------------------------------------------------------------------------------------


def fold(w: Any, sizes: tuple[int, ...]) -> Any:
    """The kernel wrapped around the grid of the signal."""
    out = np.zeros(sizes, w.dtype)
    for t in np.ndindex(*w.shape):
        out[tuple(i % n for i, n in zip(t, sizes, strict=True))] += w[t]
    return out


def right(x: Any, w: Any) -> Any:
    """By Fourier transforms, in any number of axes; leading axes of x are a batch."""
    sizes = x.shape[x.ndim - w.ndim :]
    axes = tuple(range(-w.ndim, 0))
    narrow = x.dtype == np.float16
    a, b = (v.astype(np.float32) if narrow else v for v in (x, fold(w, sizes)))
    y = np.fft.ifftn(np.fft.fftn(a, axes=axes) * np.fft.fftn(b, axes=axes), axes=axes)
    return (y if np.iscomplexobj(x) else y.real).astype(x.dtype)


def right_torch(x: Tensor, w: Tensor) -> Tensor:
    """A sum of rolls, one axis, differentiable; leading axes are a batch."""
    wide = torch.float32 if x.dtype in (torch.float16, torch.bfloat16) else x.dtype
    a, b = x.to(wide), w.to(wide)
    return sum(b[t] * torch.roll(a, t, -1) for t in range(w.shape[0])).to(x.dtype)


ONE = {"dims": (1,), "library": "numpy"}
TWO = {"dims": (2,), "library": "numpy"}
BOTH = {"dims": (1, 2), "library": "numpy"}
TORCH = {"dims": (1,), "library": "torch"}


# Wrong in the result ---------------------------------------------------------------------------------------------------------


def zero_padded(x: Any, w: Any) -> Any:
    sizes = x.shape[x.ndim - w.ndim :]
    room = [n + m for n, m in zip(sizes, w.shape, strict=True)]
    big = np.zeros((*x.shape[: x.ndim - w.ndim], *room), x.dtype)
    inside = (..., *(slice(0, n) for n in sizes))
    big[inside] = x
    return right(big, w)[inside]


def off_by_one(x: Any, w: Any) -> Any:
    return np.roll(right(x, w), 1, -1)


def flipped_kernel(x: Any, w: Any) -> Any:
    return right(x, np.flip(w))


def correlation(x: Any, w: Any) -> Any:
    v = np.roll(np.flip(fold(w, x.shape[x.ndim - w.ndim :])), (1,) * w.ndim, tuple(range(w.ndim)))
    return right(x, v)


def swapped_kernel_axes(x: Any, w: Any) -> Any:
    return right(x, w.T)


def swapped_result_axes(x: Any, w: Any) -> Any:
    y = right(x, w)
    return np.swapaxes(y, -1, -2) if y.ndim >= 2 and y.shape[-1] == y.shape[-2] else y


def extra_conjugate(x: Any, w: Any) -> Any:
    return right(x, np.conj(w))


def dropped_imaginary(x: Any, w: Any) -> Any:
    return right(x, w).real.astype(x.dtype)


def normalised_by_n(x: Any, w: Any) -> Any:
    return right(x, w) / x.dtype.type(x.shape[-1])


def not_normalised(x: Any, w: Any) -> Any:
    n = np.prod(x.shape[x.ndim - w.ndim :])
    return right(x, w) * x.dtype.type(n)


def float32_inside(x: Any, w: Any) -> Any:
    narrow = {np.dtype("float64"): np.float32, np.dtype("complex128"): np.complex64}.get(x.dtype, x.dtype)
    return right(x.astype(narrow), w.astype(narrow)).astype(x.dtype)


def float64_outside(x: Any, w: Any) -> Any:
    return right(x.astype(np.complex128 if np.iscomplexobj(x) else np.float64), w)


def absolute_kernel(x: Any, w: Any) -> Any:
    return right(x, np.abs(w).astype(w.dtype))


def dropped_mean(x: Any, w: Any) -> Any:
    """Without the frequency 0, as where a spectrum's first entry is overwritten."""
    axes = tuple(range(x.ndim - w.ndim, x.ndim))
    y = right(x, w)
    return (y - y.mean(axis=axes, keepdims=True)).astype(x.dtype)


def dropped_nyquist(x: Any, w: Any) -> Any:
    """irfft without the length: of an even one the result is right, an odd one loses a sample (here: repeats one)."""
    if x.ndim > 1 or np.iscomplexobj(x) or x.dtype == np.float16:
        return right(x, w)
    spectrum = np.fft.rfft(x) * np.fft.rfft(fold(w, x.shape))
    y = np.fft.irfft(spectrum)
    return np.resize(y, x.shape).astype(x.dtype)


def wrong_for_seven(x: Any, w: Any) -> Any:
    y = right(x, w)
    return np.roll(y, 1, -1) if x.shape[-1] == 7 else y


def wrong_for_large_primes(x: Any, w: Any) -> Any:
    n = x.shape[-1]
    y = right(x, w)
    return y + y.dtype.type(1) if n in (11, 13, 17, 19, 23, 31, 37) else y


def cropped_kernel(x: Any, w: Any) -> Any:
    """Kernels longer than the signal are cut off, as by fft(w, n)."""
    sizes = x.shape[x.ndim - w.ndim :]
    return right(x, w[tuple(slice(0, n) for n in sizes)])


def biased(x: Any, w: Any) -> Any:
    return right(x, w) + x.dtype.type(1)


def position_weighted(x: Any, w: Any) -> Any:
    y = right(x, w)
    y[..., 0] *= 2
    return y


def dead(x: Any, w: Any) -> Any:
    return np.zeros_like(x)


def thresholded(x: Any, w: Any) -> Any:
    """Small entries of the spectrum are taken for rounding and set to 0."""
    y = right(x, w)
    return np.where(np.abs(y) < 1e-3, 0, y).astype(x.dtype)


# Wrong in conduct ------------------------------------------------------------------------------------------------------------


def batch_leak(x: Any, w: Any) -> Any:
    y = right(x, w)
    return y + x.dtype.type(0.5) * y.mean(axis=0, keepdims=True).astype(x.dtype) if x.ndim > w.ndim else y


def writes_its_input(x: Any, w: Any) -> Any:
    y = right(x, w)
    x *= x.dtype.type(2)
    return y


def writes_its_kernel(x: Any, w: Any) -> Any:
    y = right(x, w)
    w[(0,) * w.ndim] += 1
    return y


class StaleKernel:
    """The kernel of the first call of a shape is kept."""

    def __init__(self) -> None:
        self.kept: dict[Any, Any] = {}

    def __call__(self, x: Any, w: Any) -> Any:
        key = x.shape, w.shape, x.dtype
        return right(x, self.kept.setdefault(key, w.copy()))


class ReusedBuffer:
    """The result is written into one buffer a shape, which the next call overwrites."""

    def __init__(self) -> None:
        self.kept: dict[Any, Any] = {}

    def __call__(self, x: Any, w: Any) -> Any:
        y = self.kept.setdefault((x.shape, x.dtype), np.empty_like(x))
        y[...] = right(x, w)
        return y


class Accumulates:
    """Each call adds to what the last one of its shape returned: the first is right."""

    def __init__(self) -> None:
        self.kept: dict[Any, Any] = {}

    def __call__(self, x: Any, w: Any) -> Any:
        y = right(x, w) + self.kept.get((x.shape, x.dtype), 0)
        self.kept[x.shape, x.dtype] = (y * 0.5).astype(x.dtype)
        return y


class Random:
    """Rounding is drawn anew at every call."""

    def __init__(self) -> None:
        self.drawn = np.random.default_rng(0)

    def __call__(self, x: Any, w: Any) -> Any:
        y = right(x, w)
        return (y * (1 + np.finfo(x.dtype).eps * self.drawn.integers(-1, 2, y.shape))).astype(x.dtype)


def ignores_strides(x: Any, w: Any) -> Any:
    """Reads the memory in order, whatever the strides: wrong for slices."""
    if not x.flags.c_contiguous and x.base is not None:
        base = x.base.reshape(-1)
        x = np.resize(base[: x.size], x.shape)
    return right(x, w)


def nan_for_negative_zero(x: Any, w: Any) -> Any:
    y = right(x, w)
    if x.dtype.kind == "f" and np.any((x == 0) & np.signbit(x)):
        y = np.full_like(y, np.nan)
    return y


def squares_inside(x: Any, w: Any) -> Any:
    """Scaled by its norm and back: x² overflows long before x does."""
    if x.dtype != np.float64:
        return right(x, w)
    scale = np.sqrt((x**2).sum())
    return right(x, w) if scale == 0 else right(x / scale, w) * scale


def absolute_tolerance(x: Any, w: Any) -> Any:
    return right(x, w).round(12) if x.dtype == np.float64 else right(x, w)


# Wrong in torch --------------------------------------------------------------------------------------------------------------


class WrongBackward(torch.autograd.Function):
    """The gradient is a convolution, where it must be the adjoint."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, w: Tensor) -> Tensor:
        ctx.save_for_backward(x, w)
        return right_torch(x, w)

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> tuple[Tensor, Tensor]:
        x, w = ctx.saved_tensors
        return right_torch(g, w), torch.stack([(g * torch.roll(x, t, -1)).sum() for t in range(w.shape[0])])


class DetachedKernel(torch.autograd.Function):
    """First derivatives are right; in the second the kernel counts as a constant."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, w: Tensor) -> Tensor:
        ctx.save_for_backward(x, w)
        return right_torch(x, w)

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> tuple[Tensor, Tensor]:
        x, w = ctx.saved_tensors
        in_x = torch.stack([w.detach()[t].conj() * torch.roll(g, -t, -1) for t in range(w.shape[0])]).sum(0)
        in_w = torch.stack([(g * torch.roll(x, t, -1).conj()).sum() for t in range(w.shape[0])])
        return in_x, in_w


def missing_conjugate_backward(x: Tensor, w: Tensor) -> Tensor:
    class Function(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: Tensor, w: Tensor) -> Tensor:
            ctx.save_for_backward(x, w)
            return right_torch(x, w)

        @staticmethod
        def backward(ctx: Any, g: Tensor) -> tuple[Tensor, Tensor]:
            x, w = ctx.saved_tensors
            in_x = sum(w[t] * torch.roll(g, -t, -1) for t in range(w.shape[0]))
            return in_x, torch.stack([(g * torch.roll(x, t, -1)).sum() for t in range(w.shape[0])])

    return Function.apply(x, w)


def item_kernel(x: Tensor, w: Tensor) -> Tensor:
    """Taps are read as Python numbers: no gradient, and no vmap over kernels."""
    taps = w.tolist()
    return sum(tap * torch.roll(x, t, -1) for t, tap in enumerate(taps)).to(x.dtype) + 0 * w.sum()


# Wrong layers ----------------------------------------------------------------------------------------------------------------


def seeded(make: Callable[[], nn.Module]) -> nn.Module:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return make().eval()


class Conv(nn.Conv2d):
    """A circular convolution of 3×3, its forward left to the faults."""

    def __init__(self, stride: int = 1, channels: int = 2) -> None:
        super().__init__(channels, 3, 3, stride=stride, padding=1, padding_mode="circular")

    def run(self, x: Tensor) -> Tensor:
        return super().forward(x)


class FlippedLayer(Conv):
    def forward(self, x: Tensor) -> Tensor:
        return self._conv_forward(x, self.weight.flip(-1), self.bias)


class OffByOneLayer(Conv):
    def forward(self, x: Tensor) -> Tensor:
        return torch.roll(self.run(x), 1, -1)


class SwappedLayer(Conv):
    def forward(self, x: Tensor) -> Tensor:
        return self._conv_forward(x, self.weight.transpose(-1, -2), self.bias)


class StridePhase(Conv):
    """Keeps the odd samples where the width is a multiple of 4, as a pooled size rounded the wrong way does."""

    def __init__(self) -> None:
        super().__init__(stride=2)

    def forward(self, x: Tensor) -> Tensor:
        y = self.run(x)
        dense = F.conv2d(F.pad(x, (1, 1, 1, 1), mode="circular"), self.weight, self.bias)
        y[:, :, -1:] = dense[:, :, -1:, ::2]
        return y


class PositionBias(Conv):
    def __init__(self) -> None:
        super().__init__()
        self.ramp = 0.1

    def forward(self, x: Tensor) -> Tensor:
        return self.run(x) + self.ramp * torch.linspace(0, 1, x.shape[-1], dtype=x.dtype)


class Float32Inside(Conv):
    def forward(self, x: Tensor) -> Tensor:
        narrow = torch.float32 if x.dtype == torch.float64 else x.dtype
        y = self._conv_forward(x.to(narrow), self.weight.to(narrow), self.bias.to(narrow))
        return y.to(x.dtype)


class Float64Outside(Conv):
    def forward(self, x: Tensor) -> Tensor:
        return self.run(x).double()


class BatchLeak(Conv):
    def forward(self, x: Tensor) -> Tensor:
        y = self.run(x)
        return y - 0.1 * y.mean(0, keepdim=True)


class BatchStatistics(nn.BatchNorm2d):
    """Normalises by the statistics of the batch even in evaluation mode."""

    def __init__(self) -> None:
        super().__init__(2, track_running_stats=False)


class WritesInput(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv = Conv()

    def forward(self, x: Tensor) -> Tensor:
        return self.conv.run(x.relu_())


class WritesNothing(WritesInput):
    def forward(self, x: Tensor) -> Tensor:
        return self.conv.run(x.relu())


class StaleFirst(Conv):
    """Keeps the padded input of its first call."""

    def forward(self, x: Tensor) -> Tensor:
        if getattr(self, "kept", None) is None or self.kept.shape != x.shape:
            self.kept = x.detach().clone()
        return self.run(x + 0.5 * (self.kept - x))


class Counts(Conv):
    """Counts its calls in a buffer."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("calls", torch.zeros(()))

    def forward(self, x: Tensor) -> Tensor:
        self.calls += 1
        return self.run(x)


class GlobalMean(Conv):
    """Every output sees the whole image."""

    def forward(self, x: Tensor) -> Tensor:
        return self.run(x) + x.mean((1, 2, 3), keepdim=True)


class Squared(Conv):
    def forward(self, x: Tensor) -> Tensor:
        return self.run(x) ** 2


class Noise(Conv):
    def forward(self, x: Tensor) -> Tensor:
        return self.run(x) + 1e-3 * torch.rand(x.shape[-1], dtype=x.dtype)


class MemoryOrder(Conv):
    """Reads the memory of its input in order."""

    def forward(self, x: Tensor) -> Tensor:
        return self.run(torch.as_strided(x, x.shape, torch.empty(x.shape).stride(), x.storage_offset()))


class DeadLayer(Conv):
    def forward(self, x: Tensor) -> Tensor:
        return self.run(torch.zeros_like(x))


class GradientAtBorder(Conv):
    """The forward pass is right; a hook stops the gradient at the last column."""

    def forward(self, x: Tensor) -> Tensor:
        return self.run(torch.cat([x[..., :-1], x[..., -1:].detach()], -1))


class WrongWidth(Conv):
    """Zeros in place of the wrap where the width is odd."""

    def forward(self, x: Tensor) -> Tensor:
        if x.shape[-1] % 2:
            return F.conv2d(x, self.weight, self.bias, padding=1)
        return self.run(x)


def layer(
    name: str, make: Callable[[], nn.Module], twin: Callable[[], nn.Module], *killers: str, **options: Any
) -> Fault:
    kept = {"shape": (1, 2, 6, 8), **options}
    return Fault(name, lambda: seeded(make), lambda: seeded(twin), killers, "layer", kept)


# Wrong models ----------------------------------------------------------------------------------------------------------------


def network(padding: str = "circular", *, pool: nn.Module | None = None, head: nn.Module | None = None) -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(1, 3, 3, padding=1, padding_mode=padding),
        nn.ReLU(),
        pool or nn.MaxPool2d(2),
        head or nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(3, 2)),
    )


class Padded(nn.Module):
    """Pads images to a multiple of 8 with zeros: right at its own size only."""

    def __init__(self) -> None:
        super().__init__()
        self.inner = network()

    def forward(self, x: Tensor) -> Tensor:
        h, w = x.shape[-2:]
        return self.inner(F.pad(x, (0, -w % 8, 0, -h % 8)))


class Inner(Padded):
    def forward(self, x: Tensor) -> Tensor:
        return self.inner(x)


def model(name: str, make: Callable[[], nn.Module], *killers: str, **options: Any) -> Fault:
    kept = {"shape": (1, 1, 8, 8), "strides": (2, 2), **options}
    return Fault(name, lambda: seeded(make), lambda: seeded(network), killers, "model", kept)


# Found by an attack on the suite, which let them pass ----------------------------------------------------------------------


def wrong_beyond_256(x, w):
    y = right(x, w)
    if x.shape[-1] > 256:
        y[..., 256:] = 0
    return y


def wraps_three_times(x, w):
    return right(x, w[tuple(slice(3 * n) for n in x.shape[x.ndim - w.ndim :])])


def batch_beyond_three(x, w):
    y = right(x, w)
    if x.ndim > w.ndim:
        y[3:] = 0
    return y


def returns_its_argument(x, w):
    return x if w.size == 1 and w.flat[0] == 1 else right(x, w)


def conjugates_in_place(x, w):
    y = right(x, w)
    np.conj(w, out=w)
    return y


def small_taps_dropped(x, w):
    return right(x, np.where(np.abs(w) < 1e-7 * np.abs(w).max(), 0, w))


def nan_made_zero(x, w):
    return np.nan_to_num(right(x, w))


def broadcast_misread(x, w):
    return right(x * 0 if 0 in x.strides and x.size > 1 else x, w)


def signal_detached(x, w):
    return right_torch(x.detach(), w)


def other_value_with_graph(x, w):
    y = right_torch(x, w)
    return y + 1e-3 if y.requires_grad else y


def conjugate_view_misread(x, w):
    return right_torch(x.conj() if x.is_conj() else x, w)


def mapped_kernel(x, w):
    y = right_torch(x, w)
    return 2 * y if torch._C._functorch.is_batchedtensor(w) else y


def backward(change: Callable[..., Any]) -> Any:
    """`right_torch` with a backward pass of its own, whose two gradients `change` alters."""

    class Function(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x, w):
            ctx.save_for_backward(x, w)
            return right_torch(x, w)

        @staticmethod
        def backward(ctx, g):
            x, w = ctx.saved_tensors
            in_x = sum(w[t].conj() * torch.roll(g, -t, -1) for t in range(w.shape[0]))
            in_w = torch.stack([(g * torch.roll(x, t, -1).conj()).sum() for t in range(w.shape[0])])
            return change(ctx, x, w, g, in_x, in_w)

    return Function.apply


half_the_batch = backward(lambda ctx, x, w, g, in_x, in_w: (in_x, in_w / 2 if x.ndim > 1 and x.shape[0] > 1 else in_w))
silent_second = backward(lambda ctx, x, w, g, in_x, in_w: (in_x.detach(), in_w.detach()))
frozen_signal = backward(lambda ctx, x, w, g, in_x, in_w: (in_x, in_w if ctx.needs_input_grad[0] else in_w * 0))
misread_sum = backward(lambda ctx, x, w, g, in_x, in_w: (in_x if g.is_contiguous() else in_x * 0, in_w))
float32_backward = backward(
    lambda ctx, x, w, g, in_x, in_w: (in_x.cfloat().cdouble() if x.is_complex() else in_x.float().double(), in_w)
)
uncropped = backward(lambda ctx, x, w, g, in_x, in_w: (in_x, in_w * (torch.arange(len(w)) < x.shape[-1])))
second_of_w = backward(
    lambda ctx, x, w, g, in_x, in_w: (
        in_x,
        torch.stack([(g * torch.roll(x.detach(), t, -1).conj()).sum() for t in range(len(w))]),
    )
)


def ramp(y: Tensor) -> Tensor:
    return torch.linspace(0, 1, y.shape[-1], dtype=y.dtype)


class TinyBias(Conv):
    """A bias by position that has only begun to grow."""

    def forward(self, x):
        return super().forward(x) + 1e-7 * ramp(x)


class WrongBetweenIntegers(Conv):
    def forward(self, x):
        y = super().forward(x)
        return y if bool((x == x.round()).all()) else y * (1 + ramp(y))


class Saturates(Conv):
    def forward(self, x):
        y = super().forward(x)
        return y + F.relu(y - 20) * ramp(y)


class OtherValueWithGraph(Conv):
    def forward(self, x):
        y = super().forward(x)
        return y + ramp(y) if torch.is_grad_enabled() else y


class ForgetsRows(Conv):
    def forward(self, x):
        y = super().forward(x)
        return y * (torch.arange(len(x)) < 3).to(y)[:, None, None, None]


def function(name: str, make: Callable[..., Any], options: dict[str, Any], *killers: str, twin: Any = None) -> Fault:
    made = make if isinstance(make, type) else lambda: make
    correct = twin or (right_torch if options["library"] == "torch" else right)
    return Fault(name, made, lambda: correct, killers, "convolution", options)


FAULTS: tuple[Fault, ...] = (
    function("zero padded", zero_padded, BOTH, "definition", "shift_x", "total"),
    function("off by one", off_by_one, BOTH, "definition", "identity", "impulse"),
    function("flipped kernel", flipped_kernel, BOTH, "definition", "impulse"),
    function("correlation", correlation, BOTH, "definition", "commutative", "shift_w"),
    function("swapped axes of the kernel", swapped_kernel_axes, TWO, "definition"),
    function("swapped axes of the result", swapped_result_axes, TWO, "sizes"),
    function("conjugated kernel", extra_conjugate, BOTH, "complex128", "complex64"),
    function("dropped imaginary part", dropped_imaginary, BOTH, "complex128"),
    function("divided by n", normalised_by_n, ONE, "definition", "identity", "total"),
    function("not normalised", not_normalised, BOTH, "convolution_theorem", "total"),
    function("float32 inside float64", float32_inside, BOTH, "float64", "complex128"),
    function("float64 for float32", float64_outside, BOTH, "float32", "complex64"),
    function("absolute value of the kernel", absolute_kernel, BOTH, "linear_in_w", "definition"),
    function("frequency 0 dropped", dropped_mean, BOTH, "identity", "total"),
    function("length of the inverse transform left out", dropped_nyquist, ONE, "sizes", "definition"),
    function("wrong for 7 points", wrong_for_seven, ONE, "sizes"),
    function("wrong for large primes", wrong_for_large_primes, ONE, "sizes"),
    function("longer kernels cropped", cropped_kernel, BOTH, "wraps"),
    function("a bias", biased, BOTH, "linear_in_x", "linear_in_w"),
    function("first sample doubled", position_weighted, BOTH, "shift_x"),
    function("dead", dead, BOTH, "definition", "identity"),
    function("small results set to 0", thresholded, BOTH, "homogeneous"),
    function("rounded to 12 decimals", absolute_tolerance, BOTH, "homogeneous"),
    function("batch leak", batch_leak, ONE, "batch"),
    function("writes its input", writes_its_input, BOTH, "unwritten"),
    function("writes its kernel", writes_its_kernel, BOTH, "unwritten"),
    function("stale kernel", StaleKernel, BOTH, "stateless"),
    function("reused buffer", ReusedBuffer, BOTH, "owned"),
    function("accumulates", Accumulates, BOTH, "stateless", "deterministic"),
    function("random rounding", Random, BOTH, "deterministic"),
    function("ignores strides", ignores_strides, BOTH, "strided"),
    function("NaN for negative zero", nan_for_negative_zero, BOTH, "signed_zero"),
    function("overflows inside", squares_inside, BOTH, "extreme"),
    function("wrong gradient", WrongBackward.apply, TORCH, "gradients", "gradients_complex"),
    function("gradient without conjugate", missing_conjugate_backward, TORCH, "gradients_complex"),
    function("wrong second derivative", DetachedKernel.apply, TORCH, "double_backward"),
    function("taps as numbers", item_kernel, TORCH, "gradients"),
    function("wrong beyond 256 points", wrong_beyond_256, BOTH, "long"),
    function("wraps three times at most", wraps_three_times, BOTH, "wraps"),
    function("forgets the fourth row", batch_beyond_three, BOTH, "batch"),
    function("returns its argument", returns_its_argument, BOTH, "owned"),
    function("conjugates its kernel in place", conjugates_in_place, BOTH, "unwritten"),
    function("small taps dropped", small_taps_dropped, BOTH, "uneven"),
    function("NaN made 0", nan_made_zero, BOTH, "nan"),
    function("broadcast misread", broadcast_misread, BOTH, "strided"),
    function("signal detached", signal_detached, TORCH, "gradients"),
    function("other value with a graph", other_value_with_graph, TORCH, "gradients"),
    function("conjugate view misread", conjugate_view_misread, TORCH, "strided"),
    function("wrong where the kernel is mapped", mapped_kernel, TORCH, "vmap"),
    function("half the gradient of a batch", half_the_batch, TORCH, "gradients_batch"),
    function("second derivative silently 0", silent_second, TORCH, "double_backward"),
    function("second derivative of w misses x", second_of_w, TORCH, "double_backward"),
    function("no gradient beside a frozen signal", frozen_signal, TORCH, "gradients"),
    function("gradient of a sum misread", misread_sum, TORCH, "gradients"),
    function("float32 backward", float32_backward, TORCH, "gradients"),
    function("gradient of a longer kernel cropped", uncropped, TORCH, "gradients"),
    layer("tiny bias by position", TinyBias, Conv, "shift_float64"),
    layer("wrong between the integers", WrongBetweenIntegers, Conv, "shift_float64"),
    layer("saturates by position", Saturates, Conv, "shift"),
    layer("other value with a graph in a layer", OtherValueWithGraph, Conv, "gradients"),
    layer("forgets the fourth row in a layer", ForgetsRows, Conv, "batch"),
    layer("zero padding", lambda: nn.Conv2d(2, 3, 3, padding=1), Conv, "shift", "constant", "definition"),
    layer("kernel flipped in a layer", FlippedLayer, Conv, "definition"),
    layer("layer off by one", OffByOneLayer, Conv, "definition", "local"),
    layer("layer with swapped axes", SwappedLayer, Conv, "definition"),
    layer("stride phase", StridePhase, lambda: Conv(stride=2), "shift", "definition"),
    layer("bias by position", PositionBias, Conv, "constant", "shift"),
    layer("float32 inside a float64 layer", Float32Inside, Conv, "wide"),
    layer("float64 out of a float32 layer", Float64Outside, Conv, "dtype"),
    layer("batch leak in a layer", BatchLeak, Conv, "batch"),
    layer("statistics of the batch", BatchStatistics, lambda: nn.BatchNorm2d(2), "batch"),
    layer("layer writes its input", WritesInput, WritesNothing, "unwritten"),
    layer("stale state in a layer", StaleFirst, Conv, "stateless"),
    layer("counts its calls", Counts, Conv, "unchanged"),
    layer("sees the whole image", GlobalMean, Conv, "local"),
    layer("squared", Squared, Conv, "affine"),
    layer("noise", Noise, Conv, "deterministic"),
    layer("reads memory in order", MemoryOrder, Conv, "strided"),
    layer("dead layer", DeadLayer, Conv, "depends"),
    layer("gradient stops at the border", GradientAtBorder, Conv, "gradients"),
    layer("zeros for odd widths", WrongWidth, Conv, "shift", "constant"),
    model("zero padding in a model", lambda: network("zeros"), "shift"),
    model("pooling over 3", lambda: network(pool=nn.MaxPool2d(3)), "shift"),
    model("flattened", lambda: network(head=nn.Sequential(nn.Flatten(), nn.Linear(48, 2))), "shift"),
    model("pads other sizes with zeros", Padded, "sizes"),
)  # fmt: skip
