"""Calls of operations that only move indices."""

from __future__ import annotations

import math

import torch

from equiconv.certification.validation import Draw, Unfit
from tests.certification.samples.registry import sample

aten = torch.ops.aten


def resized(draw: Draw, sizes: list[int]) -> list[int]:
    """Sizes of the same product: some neighbours merged, some split."""
    found = list(sizes)
    for _ in range(draw.rng.randrange(1, 4)):
        if len(found) > 1 and draw.rng.random() < 0.5:
            a = draw.rng.randrange(len(found) - 1)
            found[a : a + 2] = [found[a] * found[a + 1]]
        elif found and len(found) < 6:
            d = draw.rng.randrange(len(found))
            f = draw.rng.choice([f for f in range(1, found[d] + 1) if found[d] % f == 0])
            found[d : d + 1] = [found[d] // f, f]
    return found


@sample(
    "aten.view.default",
    "aten._unsafe_view.default",
    "aten.reshape.default",
    "aten.view_copy.default",
    "aten._reshape_copy.default",
)
def reshape(draw: Draw):
    x = draw.call(aten.contiguous.default, draw.operand())
    return x, resized(draw, draw.sizes(x))


@sample("aten.flatten.using_ints")
def flatten(draw: Draw):
    x = draw.operand((2, 3, 4))
    a, b = sorted(draw.rng.randrange(draw.value(x).ndim) for _ in range(2))
    return x, a, b


@sample("aten.unflatten.int")
def unflatten(draw: Draw):
    x = draw.operand((1, 2, 3))
    d = draw.dim(x)
    n = draw.sizes(x)[d]
    f = draw.rng.choice([f for f in range(1, n + 1) if n % f == 0])
    return x, d, [n // f, f]


@sample("aten.ravel.default")
def ravel(draw: Draw):
    return draw.operand()


@sample("aten.squeeze.default", "aten.numpy_T.default", "aten.mT.default", "aten.t.default")
def plain(draw: Draw):
    return draw.operand((1, 2, 3, 4))


@sample("aten.squeeze.dim", "aten.squeeze_copy.dim")
def squeeze(draw: Draw):
    x = draw.call(aten.unsqueeze.default, draw.operand((1, 2, 3)), 0) if draw.rng.random() < 0.3 else draw.operand()
    return x, draw.dim(x)


@sample("aten.squeeze.dims")
def squeeze_dims(draw: Draw):
    x = draw.operand((2, 3, 4))
    return x, draw.rng.sample(range(draw.value(x).ndim), 2)


@sample("aten.unsqueeze.default", "aten.unsqueeze_copy.default")
def unsqueeze(draw: Draw):
    x = draw.operand()
    rank = draw.value(x).ndim
    return x, draw.rng.randrange(-rank - 1, rank + 1)


@sample("aten.sym_size.int")
def size(draw: Draw):
    x = draw.operand()
    return x, draw.dim(x)


@sample("aten.permute.default", "aten.permute_copy.default")
def permute(draw: Draw):
    x = draw.operand()
    rank = draw.value(x).ndim
    order = list(range(rank))
    draw.rng.shuffle(order)
    return x, [d - rank if draw.rng.random() < 0.3 else d for d in order]


@sample("aten.transpose.int", "aten.movedim.int")
def transpose(draw: Draw):
    x = draw.operand()
    return x, draw.dim(x), draw.dim(x)


@sample("aten.movedim.intlist")
def movedim(draw: Draw):
    x = draw.operand((2, 3, 4))
    rank = draw.value(x).ndim
    count = draw.rng.randrange(1, rank + 1)
    return x, draw.rng.sample(range(rank), count), draw.rng.sample(range(rank), count)


@sample("aten.expand.default", "aten.broadcast_to.default", "aten.expand_copy.default")
def expand(draw: Draw):
    x = draw.operand((1, 2, 3))
    lead = [draw.rng.randrange(1, 4)] if draw.rng.random() < 0.4 else []
    return x, lead + [draw.rng.choice((1, 3, *draw.shape)) if s == 1 else s for s in draw.sizes(x)]


@sample("aten.expand_as.default")
def expand_as(draw: Draw):
    x = draw.operand()
    return draw.call(aten.mean.dim, x, [draw.dim(x)], True), x


@sample("aten.repeat.default")
def repeat(draw: Draw):
    x = draw.operand((1, 2, 3))
    counts = [draw.rng.choice((1, 1, 2, 3)) for _ in draw.sizes(x)]
    return x, ([2] if draw.rng.random() < 0.3 else []) + counts


@sample("aten.tile.default")
def tile(draw: Draw):
    x = draw.operand((1, 2, 3))
    return x, [draw.rng.choice((1, 1, 2, 3)) for _ in range(draw.rng.randrange(1, 4))]


@sample("aten.repeat_interleave.self_int")
def repeat_interleave(draw: Draw):
    x = draw.operand((1, 2, 3))
    return x, draw.rng.choice((1, 2, 3)), draw.dim(x) if draw.rng.random() < 0.8 else None


@sample("aten.cat.default", "aten.concat.default", "aten.concatenate.default")
def concatenate(draw: Draw):
    """Blocks of many kinds: the tensor, cuts of it, its function, a constant, another that moves otherwise."""
    x = draw.operand((1, 2, 3, 4))
    d = draw.dim(x)
    n = draw.sizes(x)[d]
    cut = draw.rng.randrange(n + 1)
    kind = draw.rng.randrange(6)
    if kind == 0 and 0 < cut < n:
        parts = [draw.call(aten.narrow.default, x, d, cut, n - cut), draw.call(aten.narrow.default, x, d, 0, cut)]
    elif kind == 1 and cut > 0:
        parts = [draw.call(aten.narrow.default, x, d, n - cut, cut), x, draw.call(aten.narrow.default, x, d, 0, cut)]
    elif kind == 2 and 0 < cut < n:
        parts = [draw.call(aten.narrow.default, x, d, 0, cut), draw.call(aten.narrow.default, x, d, n - cut, cut)]
    elif kind == 3:
        sizes = draw.sizes(x)
        sizes[d] = draw.rng.randrange(1, 3)
        parts = [x, draw.constant(draw.periodic(sizes))]
    else:
        parts = [x, draw.call(aten.tanh.default, x), draw.call(aten.add.Tensor, x, draw.beside(x))]
        draw.rng.shuffle(parts)
        parts = parts[:2]
    return parts, d


@sample("aten.stack.default")
def stack(draw: Draw):
    x = draw.operand((0, 1, 2, 3))
    y = draw.constant(draw.periodic(draw.sizes(x))) if draw.rng.random() < 0.3 else draw.call(aten.tanh.default, x)
    rank = draw.value(x).ndim
    return [x, y], draw.rng.randrange(-rank - 1, rank + 1)


@sample("aten.flip.default")
def flip(draw: Draw):
    x = draw.operand()
    rank = draw.value(x).ndim
    return x, draw.rng.sample(range(rank), draw.rng.randrange(min(rank, 2) + 1))


@sample("aten.roll.default")
def roll(draw: Draw):
    x = draw.operand()
    if draw.rng.random() < 0.2:
        return x, [draw.rng.randrange(-3, 4)]
    count = draw.rng.choice((1, 1, 2))
    return x, [draw.rng.randrange(-5, 6) for _ in range(count)], [draw.dim(x) for _ in range(count)]


@sample("aten.pixel_shuffle.default")
def pixel_shuffle(draw: Draw):
    x = draw.operand((3, 4))
    if draw.sizes(x)[-3] % 4:
        x = draw.call(aten.repeat_interleave.self_int, x, 4, -3)
    return x, 2


@sample("aten.pixel_unshuffle.default")
def pixel_unshuffle(draw: Draw):
    x = draw.operand((3, 4))
    return x, draw.rng.choice([r for r in (2, 3, 4) if not any(s % r for s in draw.sizes(x)[-2:])])


@sample("aten.channel_shuffle.default")
def channel_shuffle(draw: Draw):
    x = draw.operand((3, 4))
    channels = draw.sizes(x)[1]
    groups = [g for g in range(1, channels + 1) if channels % g == 0]
    if math.prod(draw.sizes(x)[2:]) == 0:
        raise Unfit("empty")
    return x, draw.rng.choice(groups)
