"""Calls that read and write at places given by tensors, constant or not."""

from __future__ import annotations

import torch
from torch import fx

from equiconv.certification.validation import Draw
from tests.certification.samples.registry import sample

aten = torch.ops.aten


def chosen(draw: Draw, x: fx.Node, d: int, shape: list[int]) -> fx.Node:
    """Places along dim d of ``x``: constant, alike along some dims, or read off the image."""
    n = draw.sizes(x)[d]
    kind = draw.rng.randrange(4)
    if kind == 0:
        return draw.constant(torch.randint(0, n, shape, generator=draw.generator))
    if kind == 1:
        thin = [1 if draw.rng.random() < 0.6 else s for s in shape]
        return draw.constant(torch.randint(0, n, thin, generator=draw.generator).expand(shape).clone())
    if kind == 2 and shape == draw.sizes(x):
        return draw.call(aten.argsort.default, x, d)
    if shape == draw.sizes(x):
        return draw.call(aten.remainder.Scalar, draw.call(aten.abs.default, draw.integers(x)), n)
    arange = torch.arange(shape[d]).flip(0) % n
    return draw.constant(
        arange.reshape([-1 if i == d % len(shape) else 1 for i in range(len(shape))]).expand(shape).clone()
    )


def part(draw: Draw, x: fx.Node) -> tuple[int, list[int]]:
    d = draw.dim(x)
    shape = draw.sizes(x)
    if draw.rng.random() < 0.4:
        shape[d] = draw.rng.randrange(1, shape[d] + 1)
    return d, shape


@sample("aten.gather.default")
def gather(draw: Draw):
    x = draw.operand((1, 2, 3))
    d, shape = part(draw, x)
    return x, d, chosen(draw, x, d, shape)


def scattered(draw: Draw) -> tuple[fx.Node, int, fx.Node, fx.Node]:
    x = draw.operand((1, 2, 3))
    d, shape = part(draw, x)
    index = chosen(draw, x, d, shape)
    source = draw.constant(draw.periodic(shape))
    if draw.rng.random() < 0.6:
        source = draw.call(aten.narrow.default, draw.call(aten.tanh.default, x), d, 0, shape[d])
    if draw.rng.random() < 0.3:
        x = draw.constant(draw.periodic(draw.sizes(x)))
    return x, d, index, source


@sample("aten.scatter.src")
def scatter(draw: Draw):
    """Places that do not meet: where several values fall on one, torch does not say which stays."""
    x = draw.operand((1, 2, 3))
    d = draw.dim(x)
    order = draw.constant(torch.randperm(draw.sizes(x)[d], generator=draw.generator))
    sizes = draw.sizes(x)
    shaped = draw.call(aten.reshape.default, order, [-1 if i == d % len(sizes) else 1 for i in range(len(sizes))])
    index = (
        draw.call(aten.expand.default, shaped, sizes)
        if draw.rng.random() < 0.5
        else draw.call(aten.argsort.default, x, d)
    )
    return x, d, index, draw.call(aten.tanh.default, x)


@sample("aten.scatter_add.default")
def scatter_add(draw: Draw):
    return scattered(draw)


@sample("aten.scatter.value")
def scatter_value(draw: Draw):
    return (*scattered(draw)[:3], 1.5)


@sample("aten.scatter.reduce")
def scatter_reduce_old(draw: Draw):
    return (*scattered(draw),), {"reduce": draw.rng.choice(("add", "multiply"))}


@sample("aten.scatter.value_reduce")
def scatter_value_reduce(draw: Draw):
    return (*scattered(draw)[:3], 1.5), {"reduce": "add"}


@sample("aten.scatter_reduce.two")
def scatter_reduce(draw: Draw):
    how = draw.rng.choice(("sum", "amax", "amin", "mean"))
    return (*scattered(draw), how), {"include_self": draw.rng.random() < 0.5}


@sample("aten.searchsorted.Tensor")
def searchsorted(draw: Draw):
    if draw.rng.random() < 0.5:
        x = draw.operand((1, 2, 3))
        rows = draw.call(aten.cumsum.default, draw.call(aten.exp.default, x), -1)
        return rows, draw.call(aten.tanh.default, x)
    return draw.constant(draw.normal(5).sort()[0]), draw.operand((1, 2, 3))


@sample("aten.bucketize.Tensor")
def bucketize(draw: Draw):
    return draw.operand((0, 1, 2, 3)), draw.constant(draw.normal(draw.rng.choice((1, 4, draw.shape[-1]))).sort()[0])


@sample("aten.masked_scatter.default")
def masked_scatter(draw: Draw):
    x = draw.operand((1, 2, 3))
    source = draw.call(aten.tanh.default, x) if draw.rng.random() < 0.5 else draw.constant(draw.periodic(draw.sizes(x)))
    return x, draw.truth(draw.beside(x)), source


@sample("aten.index_put.default", "aten._unsafe_index_put.default")
def index_put(draw: Draw):
    """Writes at places: one dim or several, distinct places unless they add up, or a mask."""
    x = draw.operand((1, 2, 3))
    sizes = draw.sizes(x)
    value = draw.constant(torch.tensor(1.5, dtype=torch.float64))
    if draw.rng.random() < 0.3:
        return x, [draw.truth(draw.beside(x, constant=0.3) if draw.rng.random() < 0.3 else x)], value
    d = draw.rng.randrange(len(sizes))
    indices: list[fx.Node | None] = [None] * (d + 1)
    count = draw.rng.randrange(1, sizes[d] + 1)
    indices[d] = draw.constant(torch.randperm(sizes[d], generator=draw.generator)[:count])
    accumulate = draw.rng.random() < 0.5
    if draw.rng.random() < 0.5:
        value = draw.call(aten.narrow.default, draw.call(aten.tanh.default, x), d, 0, count)
    if d and draw.rng.random() < 0.3:
        other = draw.rng.randrange(d)
        indices[other] = draw.constant(torch.randint(0, sizes[other], (count,), generator=draw.generator))
        value = draw.constant(draw.normal(1)[0])
    return x, indices, value, accumulate


@sample("aten.grid_sampler.default", "aten.grid_sampler_2d.default")
def grid_sample(draw: Draw):
    x = draw.operand(4)
    batch, _, h, w = draw.sizes(x)
    if draw.rng.random() < 0.5:
        theta = torch.eye(2, 3, dtype=torch.float64).expand(batch, 2, 3)
        grid = draw.constant(torch.nn.functional.affine_grid(theta, [batch, 1, h, w], align_corners=False))
    else:
        grid = draw.call(aten.tanh.default, draw.call(aten.permute.default, draw.operand(4), [0, 2, 3, 1]))
    return x, grid, draw.rng.choice((0, 1)), draw.rng.choice((0, 1, 2)), draw.rng.random() < 0.5


@sample("aten.grid_sampler_3d.default")
def grid_sample_3d(draw: Draw):
    x = draw.operand(5)
    return x, draw.constant(draw.normal(draw.sizes(x)[0], 2, 2, 2, 3).tanh()), 0, 0, False


@sample("aten.affine_grid_generator.default")
def affine_grid(draw: Draw):
    x = draw.call(aten.mean.dim, draw.operand(4), [1]) if draw.rng.random() < 0.5 else draw.operand(3)
    rows = draw.call(aten.narrow.default, draw.call(aten.narrow.default, x, 1, 0, 2), 2, 0, 3)
    return rows, [draw.sizes(x)[0], 1, 4, 3], draw.rng.random() < 0.5
