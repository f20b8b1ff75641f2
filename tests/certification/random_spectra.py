"""Random operations on spectra, drawn for :class:`tests.certification.random_networks.Program`."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from tests.certification.random_networks import Operation

Step = Callable[[Tensor, list[Tensor]], Tensor]


def draw(rng: random.Random, generator: torch.Generator, history: list[Tensor]) -> Operation:
    """One operation and its text: a transform every other time, else something that meets the spectrum."""
    x = history[-1]
    if x.is_complex() and rng.random() < 0.12:
        name = rng.choice(["abs", "real", "imag", "angle"])
        return name, lambda t, h: getattr(t, name)() if name in ("abs", "angle") else getattr(t, name).clone()
    if rng.random() < 0.45:
        return _transform(rng, x)
    drawn = rng.choice([_moves, _moves, _joins, _joins, _products, _products, _sums, _reductions, _others])
    return drawn(rng, generator, history)


def _transform(rng: random.Random, x: Tensor) -> Operation:
    rank = x.ndim
    kind = rng.choice(["fft", "ifft", "rfft", "irfft", "irfft", "hfft", "ihfft"])
    if x.is_complex() and kind in ("rfft", "ihfft"):
        kind = rng.choice(["ifft", "irfft"])
    count = rng.choice([1, 1, 2, 2, 3])
    dims = rng.sample(range(rank), min(count, rank))
    if rng.random() < 0.5:
        dims = list(range(max(0, rank - min(count, 2)), rank))
    sizes: Any = None
    if rng.random() < 0.35:
        sizes = [max(1, x.shape[d] + rng.choice([0, 0, 0, -1, 1, 2, -2, x.shape[d]])) for d in dims]
        if kind in ("irfft", "hfft"):
            sizes[-1] = rng.choice(
                [2 * x.shape[dims[-1]] - 2, 2 * x.shape[dims[-1]] - 1, x.shape[dims[-1]], 4, 6, 8, 12]
            )
    norm = rng.choice([None, "ortho", "forward"])
    function = getattr(torch.fft, f"{kind}n")
    return f"{kind}n(s={sizes},dim={dims})", lambda t, h: function(t, s=sizes, dim=dims, norm=norm)


def _moves(rng: random.Random, generator: torch.Generator, history: list[Tensor]) -> Operation:
    x = history[-1]
    rank = x.ndim
    d = rng.randrange(rank)
    size = x.shape[d]
    k = rng.randrange(1, 5)
    kind = rng.choice(
        ["fftshift", "ifftshift", "roll", "flip", "slice", "select", "index", "permute", "flatten", "split", "repeat"]
    )
    if kind == "fftshift":
        return f"fftshift({d})", lambda t, h: torch.fft.fftshift(t, dim=d)
    if kind == "ifftshift":
        return f"ifftshift({d})", lambda t, h: torch.fft.ifftshift(t, dim=d)
    if kind == "roll":
        whole = rng.random() < 0.1
        return f"roll({k},{'all' if whole else d})", lambda t, h: torch.roll(t, k) if whole else torch.roll(t, k, d)
    if kind == "flip":
        return f"flip({d})", lambda t, h: t.flip(d)
    if kind == "slice":
        a, b, step = rng.randrange(0, 3), size - rng.randrange(0, 4), rng.choice([1, 1, 1, 2, 3])
        index = tuple(slice(a, b, step) if i == d else slice(None) for i in range(rank))
        return f"slice({d},{a}:{b}:{step})", lambda t, h: t[index]
    if kind == "select":
        at = rng.randrange(size)
        return f"select({d},{at})", lambda t, h: t.select(d, at)
    if kind == "index":
        index = rng.choice([torch.randperm(size, generator=generator), torch.arange(0, size, 2), torch.arange(1, size)])
        return f"index_select({d},{index.tolist()})", lambda t, h: t.index_select(d, index)
    if kind == "permute":
        order = rng.sample(range(rank), rank)
        return f"permute({order})", lambda t, h: t.permute(order)
    if kind == "flatten" and rank >= 2:
        a = rng.randrange(rank - 1)
        return f"flatten({a},{a + 1})", lambda t, h: t.flatten(a, a + 1)
    if kind == "repeat":
        if rng.random() < 0.5:
            return f"repeat_interleave({d})", lambda t, h: t.repeat_interleave(2, d)
        return f"repeat({d})", lambda t, h: t.repeat([2 if i == d else 1 for i in range(t.ndim)])
    factors = [f for f in range(2, size) if size % f == 0]
    if not factors or rank > 5:
        return f"unsqueeze({d})", lambda t, h: t.unsqueeze(d)
    f = rng.choice(factors)
    return f"unflatten({d},({size // f},{f}))", lambda t, h: t.unflatten(d, (size // f, f))


def _like(generator: torch.Generator, shape: list[int], t: Tensor) -> Tensor:
    values = torch.randn(shape, generator=generator, dtype=torch.float64)
    return torch.complex(values, values.flip(0)) if t.is_complex() else values


def _joins(rng: random.Random, generator: torch.Generator, history: list[Tensor]) -> Operation:
    x = history[-1]
    d = rng.randrange(x.ndim)
    size, k = x.shape[d], rng.randrange(1, 4)
    block = [k if i == d else s for i, s in enumerate(x.shape)]
    constant = _like(generator, block, x)
    other = history[rng.randrange(len(history))]
    kind = rng.choice(
        ["zeros", "constant", "self", "conj", "other", "stack", "pad", "pad 1", "write", "write block", "middle"]
    )
    if kind == "zeros":
        return f"cat(x, zeros, {d})", lambda t, h: torch.cat([t, torch.zeros(block, dtype=t.dtype)], d)
    if kind == "constant":
        return f"cat(x, constant, {d})", lambda t, h: torch.cat([t, constant.to(t.dtype)], d)
    if kind == "self":
        return f"cat(x[-{k}:], x, {d})", lambda t, h: torch.cat([t.narrow(d, max(0, size - k), min(k, size)), t], d)
    if kind == "conj":
        return f"cat(x, x.conj(), {d})", lambda t, h: torch.cat([t, t.conj()], d)
    if kind == "other":
        at = next(i for i, t in enumerate(history) if t is other)
        return f"cat(x, history[{at}], {d})", lambda t, h: torch.cat([t, h[at]], d)
    if kind == "stack":
        return f"stack(x, -x, {d})", lambda t, h: torch.stack([t, -t], d)
    if kind in ("pad", "pad 1"):
        pads = [rng.choice([0, 1, 2, -1]) for _ in range(2 * rng.choice([1, 2]))]
        value = 0.0 if kind == "pad" else 1.0
        return f"pad({pads},{value})", lambda t, h: F.pad(t, pads, value=value)
    if kind == "middle":
        a = size // 2

        def middle(t: Tensor, h: list[Tensor]) -> Tensor:
            gap = torch.zeros(block, dtype=t.dtype)
            return torch.cat([t.narrow(d, 0, a), gap, t.narrow(d, a, size - a)], d)

        return f"zeros({k}) in the middle of {d}", middle
    into_zeros = rng.random() < 0.7
    low, high = sorted(rng.sample(range(size + 1), 2))

    def write(t: Tensor, h: list[Tensor]) -> Tensor:
        out = torch.zeros_like(t) if into_zeros else t.clone()
        out.narrow(d, low, high - low).copy_(t.narrow(d, low, high - low))
        return out

    def write_modes(t: Tensor, h: list[Tensor]) -> Tensor:
        """The first and the last modes along two dims, as a Fourier neural operator writes them."""
        out = torch.zeros_like(t)
        m, e = max(1, size // 3), (d + 1) % t.ndim
        n = max(1, t.shape[e] // 2)
        for at in (0, size - m):
            out.narrow(d, at, m).narrow(e, 0, n).copy_(2 * t.narrow(d, at, m).narrow(e, 0, n))
        return out

    return ("write block", write_modes) if kind == "write block" else (f"out[{low}:{high}] = x along {d}", write)


def _products(rng: random.Random, generator: torch.Generator, history: list[Tensor]) -> Operation:
    x = history[-1]
    at = rng.randrange(len(history))
    constant = _like(generator, [s if rng.random() < 0.7 else 1 for s in x.shape], x)
    kind = rng.choice(
        ["constant", "constant", "other", "conj", "quotient", "square", "phase", "mask", "matmul", "outer"]
    )
    if kind == "constant":
        return f"* constant{tuple(constant.shape)}", lambda t, h: t * constant.to(t.dtype)
    if kind == "other":
        return f"* history[{at}]", lambda t, h: t * h[at]
    if kind == "conj":
        return f"* history[{at}].conj()", lambda t, h: t * h[at].conj()
    if kind == "quotient":
        return f"/ (|history[{at}]| + 0.1)", lambda t, h: t / (h[at].abs() + 0.1)
    if kind == "square":
        return "square", lambda t, h: t**2 * 0.1
    if kind == "phase":
        return "sgn", lambda t, h: torch.sgn(t)
    if kind == "mask":
        mask = constant.abs() > 0.5
        chosen = rng.random() < 0.5
        return "masked", lambda t, h: torch.where(mask, t, 0 * t) if chosen else t.masked_fill(mask, 0.0)
    if kind == "matmul" and x.ndim >= 2:
        weight = _like(generator, [x.shape[-1], 3], x)
        return "@ constant", lambda t, h: t @ weight.to(t.dtype)
    return "x @ x.mT.conj()", lambda t, h: t @ t.mT.conj()


def _sums(rng: random.Random, generator: torch.Generator, history: list[Tensor]) -> Operation:
    x = history[-1]
    at = rng.randrange(len(history))
    constant = _like(generator, [s if rng.random() < 0.5 else 1 for s in x.shape], x)
    kind = rng.choice(["constant", "other", "minus", "own", "own", "zero"])
    if kind == "constant":
        return f"+ constant{tuple(constant.shape)}", lambda t, h: t + constant.to(t.dtype)
    if kind == "other":
        return f"+ history[{at}]", lambda t, h: t + h[at]
    if kind == "minus":
        return f"- history[{at}]", lambda t, h: t - 2 * h[at]
    if kind == "zero":
        return "+ 0", lambda t, h: t + 0
    d = rng.randrange(x.ndim)
    return f"+ x.mean({d})", lambda t, h: t + t.mean(d, keepdim=True)


def _reductions(rng: random.Random, generator: torch.Generator, history: list[Tensor]) -> Operation:
    d = rng.randrange(history[-1].ndim)
    keep = rng.random() < 0.5
    kind = rng.choice(["mean", "sum", "norm", "softmax"])
    if kind == "mean":
        return f"mean({d},{keep})", lambda t, h: t.mean(d, keepdim=keep)
    if kind == "sum":
        return f"sum({d},{keep})", lambda t, h: t.sum(d, keepdim=keep)
    if kind == "norm":
        return f"norm({d},{keep})", lambda t, h: torch.linalg.vector_norm(t, dim=d, keepdim=keep)
    return f"softmax of moduli ({d})", lambda t, h: t * t.abs().softmax(d)


def _others(rng: random.Random, generator: torch.Generator, history: list[Tensor]) -> Operation:
    kind = rng.choice(["relu of the real part", "view as real", "tanh", "cast", "neg"])
    if kind == "relu of the real part":
        return kind, lambda t, h: t.real.relu()
    if kind == "view as real":
        return kind, lambda t, h: torch.view_as_real(t)
    if kind == "cast":
        return kind, lambda t, h: t.to(torch.complex64)
    if kind == "neg":
        return kind, lambda t, h: -t
    return "tanh of moduli", lambda t, h: t.abs().tanh()
