"""Calls of slices, selections, constant indices and of writes to part of a tensor."""

from __future__ import annotations

import torch
from torch import fx

from equiconv.certification.validation import Draw, Unfit
from tests.certification.samples.registry import sample

aten = torch.ops.aten


@sample("aten.slice.Tensor", "aten.slice_copy.Tensor")
def slice_(draw: Draw):
    x = draw.operand((1, 2, 3, 4))
    d = draw.dim(x)
    start = draw.rng.choice((None, 0, 1, 2, -3))
    stop = draw.rng.choice((None, -1, -2, draw.sizes(x)[d], 5, 2**40))
    return x, d, start, stop, draw.rng.choice((1, 1, 2, 3, 4))


@sample("aten.narrow.default", "aten.narrow_copy.default")
def narrow(draw: Draw):
    x = draw.operand((1, 2, 3, 4))
    d = draw.dim(x)
    n = draw.sizes(x)[d]
    start = draw.rng.randrange(n)
    return x, d, start if draw.rng.random() < 0.7 else start - n, draw.rng.randrange(1, n - start + 1)


@sample("aten.tensor_split.indices")
def split_at(draw: Draw):
    x = draw.operand((1, 2, 3))
    d = draw.dim(x)
    return x, sorted(draw.rng.randrange(draw.sizes(x)[d] + 1) for _ in range(2)), d


@sample(
    "aten.split.Tensor",
    "aten.split_copy.Tensor",
    "aten.chunk.default",
    "aten.tensor_split.sections",
    "aten.unsafe_split.Tensor",
    "aten.unsafe_chunk.default",
)
def split(draw: Draw):
    x = draw.operand((1, 2, 3))
    return x, draw.rng.randrange(1, 6), draw.dim(x)


@sample(
    "aten.split_with_sizes.default",
    "aten.split.sizes",
    "aten.unsafe_split_with_sizes.default",
    "aten.split_with_sizes_copy.default",
)
def split_sizes(draw: Draw):
    x = draw.operand((1, 2, 3))
    d = draw.dim(x)
    n = draw.sizes(x)[d]
    a = draw.rng.randrange(n + 1)
    return x, [a, n - a], d


@sample("aten.select.int", "aten.select_copy.int")
def select(draw: Draw):
    x = draw.operand((1, 2, 3, 4))
    d = draw.dim(x)
    n = draw.sizes(x)[d]
    return x, d, draw.rng.randrange(-n, n)


@sample("aten.unbind.int", "aten.unbind_copy.int")
def unbind(draw: Draw):
    x = draw.operand((1, 2, 3))
    return x, draw.dim(x)


def places(draw: Draw, n: int) -> torch.Tensor:
    """Positions of a dim: a roll, a reversal, every other, a permutation, some twice, from either end."""
    kind = draw.rng.randrange(7)
    pace = draw.rng.choice((1, 2, 3, n - 1))
    steps = torch.arange(draw.rng.randrange(1, n + 3))
    if kind < 3:
        return (draw.rng.randrange(n) + pace * steps) % n
    if kind == 3:
        return torch.arange(n - 1, -1, -1)
    if kind == 4:
        return torch.randperm(n, generator=draw.generator)
    if kind == 5:
        return torch.randint(0, n, (draw.rng.randrange(1, 2 * n),), generator=draw.generator)
    return torch.arange(n) - n


@sample("aten.index_select.default")
def index_select(draw: Draw):
    x = draw.operand((1, 2, 3, 4))
    d = draw.dim(x)
    return x, d, draw.constant(places(draw, draw.sizes(x)[d]) % draw.sizes(x)[d])


@sample("aten.index.Tensor", "aten._unsafe_index.Tensor")
def index(draw: Draw):
    x = draw.operand((1, 2, 3, 4))
    rank = draw.value(x).ndim
    sizes = draw.sizes(x)
    indices: list[fx.Node | None] = [None] * rank
    d = draw.rng.randrange(rank)
    value = places(draw, sizes[d])
    kind = draw.rng.random()
    if kind < 0.2:
        value = draw.normal(sizes[d]) > 0
    elif kind < 0.4 and value.numel() % 2 == 0:
        value = value.reshape(2, -1)
    elif kind < 0.6 and rank > 1:
        other = draw.rng.choice([i for i in range(rank) if i != d])
        value = value[:1] if draw.rng.random() < 0.5 else value
        indices[other] = draw.constant(torch.randint(0, sizes[other], value.shape, generator=draw.generator))
    indices[d] = draw.constant(value)
    return x, indices


@sample("aten.embedding.default")
def embedding(draw: Draw):
    x = draw.call(aten.abs.default, draw.integers(draw.operand((1, 2, 3))))
    return draw.constant(draw.normal(int(draw.value(x).max()) + 20, 3)), x


def written(draw: Draw, x: fx.Node, shape: list[int]) -> fx.Node:
    """What is written over part of a tensor: a constant, or a tensor of that shape that moves with the image, or against it."""
    value = draw.value(x)
    for candidate in reversed(draw.pool):
        if draw.sizes(candidate) == shape and draw.rng.random() < 0.4:
            return candidate
    if draw.rng.random() < 0.5 or value.ndim != len(shape):
        return draw.constant(draw.periodic(shape))
    for d, (have, want) in enumerate(zip(draw.sizes(x), shape, strict=True)):
        if have != want:
            x = draw.call(aten.narrow.default, x, d, draw.rng.randrange(have - want + 1), want)
    return draw.call(aten.mul.Scalar, x, 2.0)


@sample("aten.select_scatter.default")
def select_scatter(draw: Draw):
    x = draw.operand((1, 2, 3, 4))
    d = draw.dim(x)
    i = draw.rng.randrange(draw.sizes(x)[d])
    shape = draw.sizes(x)
    del shape[d]
    part = draw.call(aten.select.int, x, d, draw.rng.randrange(draw.sizes(x)[d]))
    source = written(draw, part, shape)
    if draw.rng.random() < 0.2:
        x = draw.constant(draw.periodic(draw.sizes(x)))
    return x, source, d, i


@sample("aten.slice_scatter.default")
def slice_scatter(draw: Draw):
    x = draw.operand((1, 2, 3, 4))
    d = draw.dim(x)
    n = draw.sizes(x)[d]
    start = draw.rng.randrange(n)
    stop = draw.rng.randrange(start + 1, n + 1)
    if draw.rng.random() < 0.2:
        start, stop = 0, n
    shape = draw.sizes(x)
    shape[d] = stop - start
    source = written(draw, x, shape)
    if draw.rng.random() < 0.2:
        x = draw.constant(draw.periodic(draw.sizes(x)))
    if not any(draw.value(v).ndim for v in (x, source)):
        raise Unfit("scalars")
    return x, source, d, start, stop if stop < n or draw.rng.random() < 0.5 else None, 1


@sample("aten.as_strided.default", "aten.as_strided_copy.default")
def as_strided(draw: Draw):
    """Places in memory: every other row, a window, a diagonal, of a tensor that lies there in order or not."""
    x = draw.call(aten.contiguous.default, draw.operand((1, 2, 3))) if draw.rng.random() < 0.7 else draw.operand((2, 3))
    value = draw.value(x)
    sizes, strides = list(value.shape), list(value.stride())
    d = draw.rng.randrange(len(sizes))
    kind = draw.rng.randrange(4)
    if kind == 0:
        sizes[d], strides[d] = max(1, sizes[d] // 2), 2 * strides[d]
    elif kind == 1:
        sizes[d] = max(1, sizes[d] - 1)
    elif kind == 2:
        sizes, strides = [value.numel()], [1]
    return x, sizes, strides, 0


@sample("aten.as_strided_scatter.default")
def as_strided_scatter(draw: Draw):
    x = draw.call(aten.contiguous.default, draw.operand((1, 2, 3)))
    value = draw.value(x)
    sizes = list(value.shape)
    d = draw.rng.randrange(len(sizes))
    sizes[d] = max(1, sizes[d] - draw.rng.randrange(2))
    source = draw.call(aten.narrow.default, draw.call(aten.tanh.default, x), d, 0, sizes[d])
    return x, source, sizes, list(value.stride()), 0
