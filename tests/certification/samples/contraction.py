"""Calls of products summed over shared labels."""

from __future__ import annotations

import torch
from torch import fx

from equiconv.certification.validation import Draw, Unfit
from tests.certification.samples.registry import sample

aten = torch.ops.aten


def circulant(draw: Draw, n: int) -> torch.Tensor:
    """A matrix whose rows are rolls of one row."""
    row = draw.normal(n)
    return torch.stack([row.roll(i) for i in range(n)])


def matrix(draw: Draw, rows: int) -> fx.Node:
    """A constant matrix: of any values, periodic, or circulant."""
    kind = draw.rng.randrange(3)
    if kind == 0:
        return draw.constant(circulant(draw, rows))
    columns = draw.rng.choice((1, 3, rows))
    return draw.constant(draw.periodic([rows, columns]) if kind == 1 else draw.normal(rows, columns))


def turned(draw: Draw, x: fx.Node) -> fx.Node:
    """The operand with its last dims exchanged: what it can be multiplied with."""
    other = draw.call(aten.tanh.default, x) if draw.rng.random() < 0.5 else x
    return draw.call(aten.transpose.int, other, -2, -1)


@sample("aten.linear.default")
def linear(draw: Draw):
    x = draw.operand((1, 2, 3, 4))
    n = draw.sizes(x)[-1]
    if draw.rng.random() < 0.2 and draw.value(x).ndim == 3:
        return draw.constant(draw.periodic([2, draw.sizes(x)[-1]])), draw.call(aten.select.int, x, 0, 0)
    weight = draw.call(aten.t.default, matrix(draw, n))
    out = draw.sizes(weight)[0]
    return x, weight, draw.constant(draw.periodic([out])) if draw.rng.random() < 0.5 else None


@sample("aten.matmul.default")
def matmul(draw: Draw):
    x = draw.operand((1, 2, 3, 4))
    if draw.value(x).ndim > 1 and draw.rng.random() < 0.5:
        return x, turned(draw, x)
    if draw.rng.random() < 0.3:
        return x, draw.constant(draw.periodic([draw.sizes(x)[-1]]))
    return x, matrix(draw, draw.sizes(x)[-1])


@sample("aten.mm.default")
def mm(draw: Draw):
    x = draw.operand(2)
    return x, turned(draw, x) if draw.rng.random() < 0.5 else matrix(draw, draw.sizes(x)[-1])


@sample("aten.bmm.default")
def bmm(draw: Draw):
    x = draw.operand(3)
    return x, turned(draw, x)


@sample("aten.mv.default")
def mv(draw: Draw):
    x = draw.operand(2)
    y = (
        draw.call(aten.mean.dim, x, [0])
        if draw.rng.random() < 0.5
        else draw.constant(draw.periodic([draw.sizes(x)[1]]))
    )
    return x, y


@sample("aten.dot.default")
def dot(draw: Draw):
    x = draw.operand(1)
    return x, draw.beside(x) if draw.rng.random() < 0.5 else draw.constant(draw.periodic(draw.sizes(x)))


@sample("aten.addmm.default")
def addmm(draw: Draw):
    x = draw.operand(2)
    y = matrix(draw, draw.sizes(x)[-1])
    return draw.constant(draw.periodic([draw.sizes(y)[-1]])), x, y


@sample("aten.baddbmm.default")
def baddbmm(draw: Draw):
    x = draw.operand(3)
    b, m, _ = draw.sizes(x)
    return draw.constant(draw.periodic([b, m, m])), x, turned(draw, x)


@sample("aten.addmv.default")
def addmv(draw: Draw):
    x = draw.operand(2)
    rows, columns = draw.sizes(x)
    return draw.constant(draw.periodic([rows])), x, draw.constant(draw.periodic([columns]))


@sample("aten._trilinear.default")
def trilinear(draw: Draw):
    """Σ over two labels of a product of three, as a bilinear layer calls it."""
    x = draw.operand(2)
    width = draw.sizes(x)[1]
    weight = draw.constant(draw.periodic([3, width, width]))
    return x, weight, draw.call(aten.tanh.default, x), [1, 3], [0], [1, 2], draw.rng.choice(([2, 3], [3], [2]))


@sample("aten.diagonal.default", "aten.diagonal_copy.default")
def diagonal(draw: Draw):
    x = draw.operand((2, 3))
    a, b = draw.rng.sample(range(draw.value(x).ndim), 2)
    return x, draw.rng.choice((0, 0, 1, -1)), a, b


@sample("aten.cdist.default", "aten._cdist_forward.default")
def distances(draw: Draw):
    x = draw.operand((2, 3))
    y = draw.constant(draw.periodic(draw.sizes(x))) if draw.rng.random() < 0.4 else draw.call(aten.tanh.default, x)
    return x, y, 2.0, None


@sample("aten.addbmm.default")
def addbmm(draw: Draw):
    x = draw.operand(3)
    _, m, _ = draw.sizes(x)
    return draw.constant(draw.periodic([m, m])), x, turned(draw, x)


@sample("aten.dist.default")
def distance(draw: Draw):
    x = draw.operand((1, 2, 3))
    return x, draw.beside(x), 2.0


EQUATIONS = {
    2: ("ij->ji", "ij,ij->i", "ij,kj->ik", "ij,ij->", "ij,kj->", "...j,...j->...j"),
    3: ("bij,bkj->bik", "bij,bij->b", "bij,bij->ij", "bij,bik", "bij->jb", "...ij,...kj->...ik", "bij,bkj->bi"),
}


@sample("aten.einsum.default")
def einsum(draw: Draw):
    rank = draw.rng.choice((2, 3))
    x = draw.operand(rank)
    equation = draw.rng.choice(EQUATIONS[rank])
    second = (
        draw.call(aten.sigmoid.default, x) if draw.rng.random() < 0.6 else draw.constant(draw.periodic(draw.sizes(x)))
    )
    return equation, [x, second] if "," in equation else [x]


@sample("aten.scaled_dot_product_attention.default")
def attention(draw: Draw):
    x = draw.operand((3, 4))
    *_, length, width = draw.sizes(x)
    if length * width > 400:
        raise Unfit("long")
    others = []
    for _ in range(2):
        kind = draw.rng.randrange(4)
        if kind == 0:
            others.append(draw.constant(draw.periodic([*draw.sizes(x)[:-2], length, width])))
        else:
            others.append(x if kind == 1 else draw.call(aten.tanh.default, x))
    roles = [x, *others]
    draw.rng.shuffle(roles)
    mask = None
    causal = draw.rng.random() < 0.25
    if not causal and draw.rng.random() < 0.4:
        mask = draw.constant(circulant(draw, length) if draw.rng.random() < 0.5 else draw.periodic([length, length]))
    return *roles, mask, 0.0, causal
