"""Products for the fused kernel, their truth in extended precision, and what is held to it, wherever the kernel runs."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from equiconv.arrays import fourier_bound
from equiconv.convolution.cuda import (
    HOPPER,
    Epilogue,
    Limits,
    Schedule,
    convolve,
    find_schedule,
    prepare_kernel,
)
from equiconv.convolution.cuda.execution import Runtime
from equiconv.convolution.definition import convolve_by_definition

Array = npt.NDArray[Any]

# Kernels of more taps have few that are not zero: the definition takes a while for each.
_DENSE = 1500

#: A device with little shared memory, on which small planes take three passes.
SMALL = Limits(block_bytes=6000, multiprocessor_bytes=64 * 1024)


@dataclass(frozen=True)
class Case:
    """Signals of `sizes`, `batch` of them, with kernels of `kernels` leading axes."""

    sizes: tuple[int, ...]
    dtype: str
    batch: tuple[int, ...] = (3,)
    kernels: tuple[int, ...] = ()
    pairs: bool = False
    limits: Limits = HOPPER

    def __str__(self) -> str:
        sizes = "x".join(map(str, self.sizes))
        return f"{sizes}-{self.dtype}{'-pairs' * self.pairs}{'-small' * (self.limits is SMALL)}"

    def schedule(self) -> Schedule:
        found = find_schedule(self.sizes, self.dtype, pairs=self.pairs, limits=self.limits)
        assert isinstance(found, Schedule), found.reason
        return found


CASES = (
    # one axis, real, a whole signal a transform of half its length: every order of stages
    Case((1,), "float32"),
    Case((2,), "float32"),
    Case((6,), "float64"),
    Case((64,), "float32", (5,)),
    Case((256,), "float32", (2, 9), (9,)),
    Case((1000,), "float64"),
    Case((2048,), "float32", (3, 2), (2,)),
    Case((4096,), "float64", (2,)),
    Case((32768,), "float32", (1,)),
    # odd: a transform of the whole length
    Case((7,), "float64", (300,)),
    Case((143,), "float64"),
    Case((225,), "float32"),
    # sizes with a large prime factor, even and odd
    Case((17,), "float64", (4, 2), (2,)),
    Case((34,), "float32"),
    Case((1009,), "float32", (2,)),
    Case((509,), "float32", limits=SMALL),
    # two signals a transform, an odd number of them among them
    Case((81,), "float32", (5,), pairs=True),
    Case((125,), "float64", (4, 3), (3,), pairs=True),
    Case((19683,), "float32", (3,), pairs=True),
    # complex
    Case((12,), "complex128", (5,)),
    Case((182,), "complex64", (2, 3), (3,)),
    Case((1024,), "complex64", (2,)),
    Case((23,), "complex128"),
    # several axes
    Case((9, 10), "float64"),
    Case((14, 15), "float32"),
    Case((15, 14), "float64", (2, 3), (3,)),
    Case((64, 48), "float32", (2,)),
    Case((7, 17), "float32"),
    Case((19, 6), "float64"),
    Case((4, 1, 2), "float64"),
    Case((5, 6, 7), "float32"),
    Case((11, 13, 2), "complex64"),
    # planes in three passes
    Case((40, 36), "float32", (2, 3), (3,), limits=SMALL),
    Case((17, 37), "float64", (2,), limits=SMALL),
    Case((45, 45), "float32", (3,), pairs=True, limits=SMALL),
    Case((33, 48), "complex64", (2,), limits=SMALL),
)


def draw(case: Case, seed: int = 0) -> tuple[Array, Array]:
    """Signals of very different size, side by side, and their kernels."""
    rng = np.random.default_rng(seed)

    def normal(shape: tuple[int, ...]) -> Array:
        real = rng.standard_normal(shape)
        return real + 1j * rng.standard_normal(shape) if case.dtype.startswith("complex") else real

    x = normal((*case.batch, *case.sizes))
    if not case.pairs:  # which share their rounding
        x *= 10.0 ** rng.integers(-6, 7, (*case.batch, *(1,) * len(case.sizes)))
    w = normal((*case.kernels, *case.sizes))
    if math.prod(case.sizes) > _DENSE:
        w *= rng.random(w.shape) < 64 / math.prod(case.sizes)
    return x.astype(case.dtype), w.astype(case.dtype)


def truth(x: Array, w: Array, axes: int) -> Array:
    """x ⋆ w along the last axes by the definition, in extended precision."""
    wide = np.clongdouble if np.iscomplexobj(x) else np.longdouble
    x, w = x.astype(wide), w.astype(wide)
    if math.prod(w.shape[-axes:]) <= _DENSE:
        return convolve_by_definition(x, w, (0,) * axes)
    along = tuple(range(-axes, 0))
    y = np.zeros(np.broadcast_shapes(x.shape, w.shape), wide)
    for tap in np.argwhere(w.reshape(-1, *w.shape[-axes:]).any(axis=0)):  # the same sum, without the taps that are zero
        weight = w[(..., *(slice(t, t + 1) for t in tap))]
        y += weight * np.roll(x, tuple(tap), axis=along)
    return y


def norms(a: Array, axes: int) -> Array:
    """2-norms along the last axes, which stay."""
    wide = np.abs(a).astype(np.float64)
    return np.sqrt((wide**2).sum(axis=tuple(range(-axes, 0)), keepdims=True))


def bound(case: Case, x: Array, w: Array) -> Array:
    """`fourier_bound` for each signal; with pairs, for the norm of all signals that have one kernel."""
    axes = len(case.sizes)
    x_norm = norms(x, axes)
    if case.pairs:
        x_norm = np.sqrt((x_norm**2).sum())
    return np.asarray(fourier_bound(x_norm, norms(w, axes), case.sizes, case.dtype))


def check(
    case: Case, runtime: Runtime | None, to_device: Callable[[Array], Any], to_host: Callable[[Any], Array]
) -> float:
    """The fused kernel against the definition, each signal within its bound; the largest share of it that was used."""
    x, w = draw(case)
    kernel = prepare_kernel(to_device(w), case.schedule())
    y = to_host(convolve(to_device(x), kernel, runtime=runtime))
    expected = truth(x, w, len(case.sizes))
    assert y.dtype == x.dtype
    assert y.shape == expected.shape
    share = np.abs(y - expected) / bound(case, x, w)
    assert share.max() <= 1, f"{case}: error {share.max():.3g} times its bound"
    return float(share.max())


def activated(y: Array, activation: str) -> Array:
    """The activations by their definitions, in float64."""
    if activation == "relu":
        return np.maximum(y, 0)
    if activation == "gelu":
        return y / 2 * (1 + np.vectorize(math.erf)(y / math.sqrt(2)))
    if activation == "gelu_tanh":
        return y / 2 * (1 + np.tanh(math.sqrt(2 / math.pi) * (y + 0.044715 * y**3)))
    if activation == "silu":
        return y / (1 + np.exp(-y))
    assert activation == "none"
    return y


#: Where an epilogue is tried: each way of writing a result.
EPILOGUE_CASES = (
    Case((20,), "float64", (2, 3), (3,)),
    Case((17,), "float32", (2, 3)),
    Case((81,), "float32", (2, 3), (3,), pairs=True),
    Case((35, 35), "float32", (2, 3), limits=SMALL),
)


def check_epilogue(
    case: Case,
    activation: Any,
    runtime: Runtime | None,
    to_device: Callable[[Array], Any],
    to_host: Callable[[Any], Array],
) -> None:
    """activation(scale·y + bias) against its definition. The slope of each activation is at most 1.2."""
    rng = np.random.default_rng(1)
    x, w = (
        a / math.sqrt(math.prod(case.sizes))
        for a in (rng.standard_normal((*b, *case.sizes)) for b in (case.batch, case.kernels))
    )
    x, w = x.astype(case.dtype), w.astype(case.dtype)
    bias = rng.standard_normal(case.batch[-1:]).astype(case.dtype)
    kernel = prepare_kernel(to_device(w), case.schedule())
    epilogue = Epilogue(scale=-1.5, bias=to_device(bias), activation=activation)
    y = to_host(convolve(to_device(x), kernel, epilogue=epilogue, runtime=runtime))
    spread = bias.reshape(-1, *(1,) * len(case.sizes))
    before = -1.5 * truth(x, w, len(case.sizes)).astype(np.float64) + spread
    expected = activated(before, activation)
    tolerance = 2 * bound(case, x, w) + 8 * np.finfo(case.dtype).eps * (1 + np.abs(before))
    assert np.all(np.abs(y - expected) <= tolerance)
