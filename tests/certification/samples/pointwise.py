"""Calls of operations that act entry by entry, and of those that make constants."""

from __future__ import annotations

import torch

from equiconv.certification.validation import Draw, Unfit
from tests.certification.samples.registry import sample

aten = torch.ops.aten

ANY = (
    "aten.abs.default",
    "aten.alias.default",
    "aten.clone.default",
    "aten.contiguous.default",
    "aten.detach.default",
    "aten.detach_copy.default",
    "aten.exp.default",
    "aten.gelu.default",
    "aten.hardswish.default",
    "aten.hardtanh.default",
    "aten.lift_fresh.default",
    "aten.lift_fresh_copy.default",
    "aten.log_sigmoid.default",
    "aten.neg.default",
    "aten.relu.default",
    "aten.resolve_conj.default",
    "aten.round.default",
    "aten.rrelu.default",
    "aten.sign.default",
    "aten.tanh.default",
    "aten.isnan.default",
)
BOTH = (
    "aten.add.Tensor",
    "aten.atan2.default",
    "aten.copysign.Tensor",
    "aten.eq.Tensor",
    "aten.ge.Tensor",
    "aten.hypot.default",
    "aten.maximum.default",
    "aten.min.other",
    "aten.mul.Tensor",
    "aten.sub.Tensor",
    "aten.xlogy.Tensor",
)


@sample(*ANY)
def one(draw: Draw):
    return draw.operand()


@sample(*BOTH)
def two(draw: Draw):
    x = draw.operand()
    pair = [x, draw.beside(x)]
    draw.rng.shuffle(pair)
    return tuple(pair)


@sample("aten.div.Tensor", "aten.floor_divide.default", "aten.remainder.Tensor", "aten.pow.Tensor_Tensor")
def quotient(draw: Draw):
    """The second operand is positive."""
    x = draw.call(aten.exp.default, draw.operand())
    return x, draw.call(aten.exp.default, draw.beside(x))


@sample("aten.mul.Scalar", "aten.add.Scalar", "aten.gt.Scalar", "aten.floor_divide.Scalar")
def number(draw: Draw):
    return draw.operand(), draw.rng.choice((0.5, 2.0, -1.0))


@sample("aten.bitwise_and.Tensor", "aten.bitwise_xor.Tensor", "aten.gcd.default", "aten.bitwise_or.Tensor")
def whole(draw: Draw):
    x = draw.operand()
    return draw.integers(x), draw.integers(draw.beside(x))


@sample("aten.logical_and.default", "aten.logical_xor.default")
def truths(draw: Draw):
    x = draw.operand()
    return draw.truth(x), draw.truth(draw.beside(x))


@sample("aten.where.self")
def where(draw: Draw):
    x = draw.operand()
    return draw.truth(draw.beside(x)), x, draw.beside(x)


@sample("aten.where.ScalarSelf")
def where_scalar(draw: Draw):
    x = draw.operand()
    return draw.truth(draw.beside(x)), 1.5, x


@sample("aten.where.ScalarOther")
def where_other(draw: Draw):
    x = draw.operand()
    return draw.truth(draw.beside(x)), x, 1.5


@sample("aten.where.Scalar")
def where_numbers(draw: Draw):
    return draw.truth(draw.operand()), 1.5, 0.5


@sample("aten.masked_fill.Scalar")
def masked(draw: Draw):
    x = draw.operand()
    return x, draw.truth(draw.beside(x)), 0.5


@sample("aten.masked_fill.Tensor")
def masked_by(draw: Draw):
    x = draw.operand()
    return x, draw.truth(draw.beside(x)), draw.constant(torch.tensor(0.5, dtype=torch.float64))


@sample("aten.addcmul.default", "aten.lerp.Tensor")
def three(draw: Draw):
    x = draw.operand()
    return x, draw.beside(x), draw.beside(x)


@sample("aten.clamp.default")
def clamp(draw: Draw):
    return draw.operand(), -0.5, 0.5


@sample("aten.clamp.Tensor")
def clamp_by(draw: Draw):
    x = draw.operand()
    return x, draw.beside(x), None


@sample("aten.dropout.default", "aten.feature_dropout.default", "aten.alpha_dropout.default")
def dropout(draw: Draw):
    return draw.operand(), 0.5, False


@sample("aten._to_copy.default")
def to_copy(draw: Draw):
    return (draw.operand(),), {"dtype": draw.rng.choice((torch.float32, torch.float64, torch.int64, torch.bool))}


@sample("aten.to.dtype")
def to_dtype(draw: Draw):
    return draw.operand(), draw.rng.choice((torch.float32, torch.int32, torch.bool))


@sample("aten.to.device")
def to_device(draw: Draw):
    return draw.operand(), torch.device("cpu"), torch.float32


@sample("aten.to.dtype_layout")
def to_layout(draw: Draw):
    return (draw.operand(),), {"dtype": torch.float64}


@sample("aten.to.prim_Device")
def to_prim(draw: Draw):
    return draw.operand(), torch.device("cpu")


@sample("aten.type_as.default", "aten.to.other")
def cast_like(draw: Draw):
    like = draw.integers(draw.operand()) if draw.rng.random() < 0.5 else draw.operand()
    return draw.operand(), like


@sample("aten.real.default", "aten.imag.default", "aten.conj.default", "aten._conj.default")
def complex_(draw: Draw):
    return draw.complex(draw.operand())


@sample("aten.prelu.default")
def prelu(draw: Draw):
    x = draw.operand((2, 3, 4))
    channels = draw.sizes(x)[1]
    return x, draw.constant(draw.periodic([channels if draw.rng.random() < 0.7 else 1]))


@sample("aten.fill.Scalar")
def fill(draw: Draw):
    return draw.operand(), 2.0


@sample("aten.fill.Tensor")
def fill_with(draw: Draw):
    return draw.operand(), draw.constant(torch.tensor(2.0, dtype=torch.float64))


@sample("aten.zeros_like.default", "aten.ones_like.default", "aten.zero.default")
def like(draw: Draw):
    return draw.operand()


@sample("aten.full_like.default")
def full_like(draw: Draw):
    return draw.operand(), 2.5


@sample("aten.new_zeros.default", "aten.new_ones.default")
def new(draw: Draw):
    return draw.operand(), [draw.rng.randrange(1, 4) for _ in range(draw.rng.randrange(3))]


@sample("aten.new_full.default")
def new_full(draw: Draw):
    return draw.operand(), [2, 3], 1.5


@sample("aten.copy.default")
def copy(draw: Draw):
    x = draw.operand()
    pair = [x, draw.beside(x)]
    if draw.rng.random() < 0.4:
        pair.reverse()
    return tuple(pair)


@sample("getitem")
def getitem(draw: Draw):
    x = draw.operand()
    if not draw.sizes(x):
        raise Unfit("no dim to split")
    d = draw.dim(x)
    return draw.call(aten.split.Tensor, x, draw.rng.randrange(1, 5), d), draw.rng.choice((0, -1))
