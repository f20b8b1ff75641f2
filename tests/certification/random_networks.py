"""Random networks drawn from the certifier's operations, as programs that can be printed."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

Operation = tuple[str, Callable[[Tensor, list[Tensor]], Tensor]]
Draw = Callable[[random.Random, torch.Generator, list[Tensor]], Operation]

KINDS = [
    "conv",
    "conv",
    "conv",
    "pool",
    "pool",
    "pad",
    "constant",
    "look back",
    "reduce",
    "slice",
    "reshape",
    "permute",
    "flip",
    "roll",
    "cat",
    "resample",
    "softmax",
    "act",
    "matmul",
    "index",
    "repeat",
    "norm",
    "stack",
    "cumulative",
    "write",
]
# Operations that take dims apart and put them together again, and those that can be told to mind the digits.
DIGITS = [
    *["reshape", "permute", "digits"] * 3,
    "constant",
    "look back",
    "reduce",
    "softmax",
    "act",
    "matmul",
    "attend",
    "shuffle",
    "pointwise conv",
    "norm",
    "slice",
]


class Program(nn.Module):
    """A chain of operations, some of which look back at an earlier tensor of the same shape; ``text`` prints it."""

    def __init__(
        self,
        seed: int,
        shape: tuple[int, int],
        length: int = 5,
        kinds: Sequence[str] = KINDS,
        draw: Draw | None = None,
    ) -> None:
        super().__init__()
        self.text: list[str] = []
        self.steps: list[Callable[[Tensor, list[Tensor]], Tensor]] = []
        rng = random.Random(seed)
        generator = torch.Generator().manual_seed(seed)
        x = torch.randn(1, 2, *shape, generator=generator)
        history = [x]
        tries = 0
        while len(self.steps) < length and tries < 200:
            tries += 1
            text, step = draw(rng, generator, history) if draw else _draw(rng, generator, history, kinds)
            try:
                y = step(history[-1], history)
            except (RuntimeError, NotImplementedError, IndexError, ValueError, TypeError):
                continue  # the drawn operation does not take this shape
            if y.numel() == 0 or y.numel() > 4000 or not torch.isfinite(y).all():
                continue
            self.text.append(text)
            self.steps.append(step)
            history.append(y)

    def forward(self, x: Tensor) -> Tensor:
        history = [x]
        for step in self.steps:
            history.append(step(history[-1], history))
        return history[-1]


def _draw(
    rng: random.Random, generator: torch.Generator, history: list[Tensor], kinds: Sequence[str]
) -> tuple[str, Callable[[Tensor, list[Tensor]], Tensor]]:
    x = history[-1]
    rank = x.ndim
    rand = lambda *s: torch.randn(*s, generator=generator)  # noqa: E731

    def cast(t: Tensor, like: Tensor) -> Tensor:
        return t.to(like.dtype)

    kind = rng.choice(kinds)
    if kind == "conv" and rank == 4:
        k, s, d = (
            (rng.choice([1, 2, 3]), rng.choice([1, 2, 3])),
            (rng.choice([1, 1, 2, 3]), rng.choice([1, 1, 2])),
            rng.choice([1, 1, 2]),
        )
        mode = rng.choice(["circular", "circular", "zeros", "reflect", "replicate"])
        layer = nn.Conv2d(x.shape[1], 2, k, s, padding=rng.choice([0, 0, 1, (1, 0), 2]), dilation=d, padding_mode=mode)
        with torch.no_grad():
            layer.weight.copy_(rand(*layer.weight.shape))
        return f"{layer}", lambda t, h: F.conv2d(
            F.pad(t, layer._reversed_padding_repeated_twice, mode="constant" if mode == "zeros" else mode),
            cast(layer.weight.detach(), t),
            None,
            s,
            0,
            d,
        )
    if kind == "pool" and rank == 4:
        k, s, p = rng.choice([1, 2, 3]), rng.choice([1, 2, 3]), rng.choice([0, 0, 1])
        ceil, count = rng.random() < 0.4, rng.random() < 0.5
        if rng.random() < 0.5:
            return f"max_pool2d({k},{s},{p},ceil={ceil})", lambda t, h: F.max_pool2d(t, k, s, p, ceil_mode=ceil)
        if rng.random() < 0.7:
            return f"avg_pool2d({k},{s},{p},ceil={ceil},{count})", lambda t, h: F.avg_pool2d(t, k, s, p, ceil, count)
        o = (rng.choice([1, 2, 3, 5]), rng.choice([1, 2, 4]))
        return f"adaptive({o})", lambda t, h: F.adaptive_avg_pool2d(t, o)
    if kind == "pad" and rank >= 3:
        pads = [rng.choice([0, 1, 2, -1]) for _ in range(4)]
        mode = rng.choice(["constant", "circular", "reflect", "replicate"])
        return f"pad({pads},{mode})", lambda t, h: F.pad(t, pads, mode=mode)
    if kind == "constant":
        dims = [s if rng.random() < 0.6 else 1 for s in x.shape]
        c = rand(*dims)
        for d in range(len(dims)):
            periods = [p for p in range(1, dims[d] + 1) if dims[d] % p == 0]
            p = rng.choice(periods)
            c = c.narrow(d, 0, p).repeat([dims[d] // p if i == d else 1 for i in range(len(dims))])
        product = rng.random() < 0.5
        return (
            f"{'*' if product else '+'} constant{tuple(c.shape)}",
            lambda t, h: t * cast(c, t) if product else t + cast(c, t),
        )
    if kind == "look back":
        index = rng.randrange(len(history))
        how = rng.choice(["+", "*", "max"])
        f = {"+": torch.add, "*": torch.mul, "max": torch.maximum}[how]
        transposed = rng.random() < 0.2 and rank >= 2
        return f"{how} history[{index}]{'.mT' if transposed else ''}", lambda t, h: f(
            t, h[index].mT if transposed else h[index]
        )
    if kind == "reduce":
        d = rng.randrange(rank)
        keep = rng.random() < 0.6
        f = rng.choice([torch.mean, torch.sum, torch.amax, torch.logsumexp])
        return f"{f.__name__}({d},{keep})", lambda t, h: f(t, d, keepdim=keep)
    if kind == "slice":
        d = rng.randrange(rank)
        a, step = rng.randrange(0, 3), rng.choice([1, 1, 2, 3])
        b = x.shape[d] - rng.randrange(0, 3)
        index = tuple(slice(a, b, step) if i == d else slice(None) for i in range(rank))
        if rng.random() < 0.2:
            return f"select({d},{a})", lambda t, h: t.select(d, a)
        return f"slice({d},{a}:{b}:{step})", lambda t, h: t[index]
    if kind == "reshape":
        choice = rng.random()
        d = rng.randrange(rank)
        if choice < 0.4 and rank >= 2:
            a = rng.randrange(rank - 1)
            return f"flatten({a},{a + 1})", lambda t, h: t.flatten(a, a + 1)
        factors = [f for f in range(2, x.shape[d]) if x.shape[d] % f == 0]
        if not factors or rank > 5:
            return "unsqueeze", lambda t, h: t.unsqueeze(-1)
        f = rng.choice(factors)
        return f"unflatten({d},({x.shape[d] // f},{f}))", lambda t, h: t.unflatten(d, (t.shape[d] // f, f))
    if kind == "permute":
        order = list(range(rank))
        rng.shuffle(order)
        return f"permute({order})", lambda t, h: t.permute(order)
    if kind == "flip":
        d = rng.randrange(rank)
        return f"flip({d})", lambda t, h: t.flip(d)
    if kind == "roll":
        d, k = rng.randrange(rank), rng.randrange(1, 4)
        return f"roll({k},{d})", lambda t, h: torch.roll(t, k, d)
    if kind == "cat":
        d = rng.randrange(rank)
        how = rng.randrange(4)
        if how == 0:
            k = rng.randrange(1, 4)
            return f"cat(x[-{k}:], x, x[:{k}], {d})", lambda t, h: torch.cat(
                [t.narrow(d, t.shape[d] - k, k), t, t.narrow(d, 0, k)], d
            )
        if how == 1:
            k = rng.randrange(1, 4)
            return f"cat(x[{k}:], x[:{k}], {d})", lambda t, h: torch.cat(
                [t.narrow(d, k, t.shape[d] - k), t.narrow(d, 0, k)], d
            )
        if how == 2:
            c = rand(*(1 if i == d else s for i, s in enumerate(x.shape)))
            return f"cat(constant, x, {d})", lambda t, h: torch.cat([cast(c, t), t], d)
        return f"cat(x, relu(x), {d})", lambda t, h: torch.cat([t, t.relu()], d)
    if kind == "digits":
        # Back to an earlier tensor's shape, or every dim in two at once.
        target = rng.choice([h.shape for h in history if h.numel() == x.numel()])
        if rng.random() < 0.5 or rank > 3:
            return f"reshape({tuple(target)})", lambda t, h: t.reshape(target)
        cut = [rng.choice([f for f in range(1, s + 1) if s % f == 0]) for s in x.shape]
        split = [n for s, f in zip(x.shape, cut, strict=True) for n in (s // f, f)]
        return f"reshape({split})", lambda t, h: t.reshape(split)
    if kind == "attend" and rank >= 3:
        return "attention", lambda t, h: F.scaled_dot_product_attention(t, t.tanh(), t)
    if kind == "shuffle" and rank == 4:
        r = rng.choice([2, 3, 4])
        f = rng.choice([F.pixel_shuffle, F.pixel_unshuffle])
        return f"{f.__name__}({r})", lambda t, h: f(t, r)
    if kind == "pointwise conv" and rank == 4:
        w = rand(2, x.shape[1], 1, 1)
        return "conv 1 × 1", lambda t, h: F.conv2d(t, cast(w, t))
    if kind == "resample" and rank == 4:
        mode, scale = rng.choice(["nearest", "bilinear", "bicubic"]), rng.choice([0.5, 2, 1.5, 3])
        return f"interpolate({scale},{mode})", lambda t, h: F.interpolate(t, scale_factor=scale, mode=mode)
    if kind == "softmax":
        d = rng.randrange(rank)
        return f"softmax({d})", lambda t, h: t.softmax(d)
    if kind == "act":
        f = rng.choice([torch.relu, torch.tanh, torch.sigmoid, torch.square, F.gelu])
        return f.__name__, lambda t, h: f(t)
    if kind == "matmul" and rank >= 2:
        if rng.random() < 0.5:
            w = rand(x.shape[-1], 3) if rng.random() < 0.6 else rand(1, 3).expand(x.shape[-1], 3)
            return "linear", lambda t, h: t @ cast(w, t)
        return "x @ x.mT", lambda t, h: t @ t.mT
    if kind == "index":
        d = rng.randrange(rank)
        n = x.shape[d]
        index = rng.choice(
            [
                torch.randperm(n, generator=generator),
                (torch.arange(n) + 1) % n,
                torch.arange(0, n, 2),
                torch.arange(n - 1, -1, -1),
            ]
        )
        return f"index_select({d},{index.tolist()})", lambda t, h: t.index_select(d, index)
    if kind == "repeat":
        d = rng.randrange(rank)
        if rng.random() < 0.5:
            return f"repeat_interleave({d})", lambda t, h: t.repeat_interleave(2, d)
        return f"repeat({d})", lambda t, h: t.repeat([2 if i == d else 1 for i in range(t.ndim)])
    if kind == "norm" and rank >= 3:
        if rng.random() < 0.5:
            return "layer_norm", lambda t, h: F.layer_norm(t, t.shape[-1:])
        return "instance_norm", lambda t, h: F.instance_norm(t)
    if kind == "stack":
        d = rng.randrange(rank + 1)
        return f"stack({d})", lambda t, h: torch.stack([t, t.tanh()], d)
    if kind == "cumulative":
        d = rng.randrange(rank)
        return f"cumsum({d})", lambda t, h: t.cumsum(d)
    if kind == "write":
        d = rng.randrange(rank)
        a = rng.randrange(0, max(1, x.shape[d]))

        def write(t: Tensor, h: list[Tensor]) -> Tensor:
            t = t.clone()
            t.narrow(d, a, 1).mul_(2)
            return t

        return f"x.narrow({d},{a},1) *= 2", write
    return "tanh", lambda t, h: t.tanh()
