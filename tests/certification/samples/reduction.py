"""Calls of aggregates and normalisations."""

from __future__ import annotations

import torch

from equiconv.certification.validation import Draw
from tests.certification.samples.registry import sample

aten = torch.ops.aten


def some_dims(draw: Draw, rank: int) -> list[int]:
    return draw.rng.sample(range(rank), draw.rng.randrange(1, rank + 1)) if rank else []


@sample("aten.mean.dim", "aten.sum.dim_IntList", "aten.amax.default", "aten.amin.default", "aten.logsumexp.default")
def dims(draw: Draw):
    x = draw.operand()
    return x, some_dims(draw, draw.value(x).ndim), draw.rng.random() < 0.5


@sample("aten.var.dim", "aten.std.dim")
def spread(draw: Draw):
    x = draw.operand((1, 2, 3))
    return x, some_dims(draw, draw.value(x).ndim), False, draw.rng.random() < 0.5


@sample("aten.var.correction", "aten.std.correction", "aten.var_mean.correction", "aten.std_mean.correction")
def corrected(draw: Draw):
    x = draw.operand((1, 2, 3))
    return (x, some_dims(draw, draw.value(x).ndim)), {"correction": 0, "keepdim": draw.rng.random() < 0.5}


@sample(
    "aten.mean.default",
    "aten.sum.default",
    "aten.max.default",
    "aten.min.default",
    "aten.prod.default",
    "aten.nanmean.default",
    "aten.nansum.default",
    "aten.median.default",
    "aten.nanmedian.default",
)
def everything(draw: Draw):
    return draw.operand()


@sample("aten.var.default", "aten.std.default")
def spread_of_all(draw: Draw):
    return draw.operand(), False


@sample("aten.linalg_vector_norm.default")
def vector_norm(draw: Draw):
    x = draw.operand()
    return x, draw.rng.choice((1, 2, 3.0)), some_dims(draw, draw.value(x).ndim) or None, draw.rng.random() < 0.5


@sample("aten.norm.ScalarOpt_dim")
def norm_dims(draw: Draw):
    x = draw.operand()
    return x, 2, some_dims(draw, draw.value(x).ndim), draw.rng.random() < 0.5


@sample("aten.norm.Scalar")
def norm(draw: Draw):
    return draw.operand(), 2


@sample("aten.any.default", "aten.all.default")
def truth(draw: Draw):
    return draw.truth(draw.call(aten.sub.Scalar, draw.operand(), 1.0))


@sample("aten.any.dim", "aten.all.dim")
def truth_dim(draw: Draw):
    x = draw.operand((1, 2, 3))
    return draw.truth(x), draw.dim(x), draw.rng.random() < 0.5


@sample("aten.any.dims", "aten.all.dims")
def truth_dims(draw: Draw):
    x = draw.operand((1, 2, 3))
    return draw.truth(x), some_dims(draw, draw.value(x).ndim), draw.rng.random() < 0.5


@sample(
    "aten.prod.dim_int", "aten.max.dim", "aten.min.dim", "aten.median.dim", "aten.nanmedian.dim", "aten.mode.default"
)
def one_dim(draw: Draw):
    x = draw.operand((1, 2, 3, 4))
    return x, draw.dim(x), draw.rng.random() < 0.5


@sample("aten.argmax.default", "aten.argmin.default")
def position(draw: Draw):
    x = draw.operand((1, 2, 3))
    return x, draw.rng.choice((None, draw.dim(x))), draw.rng.random() < 0.5


@sample("aten.softmax.int", "aten.log_softmax.int", "aten._safe_softmax.default")
def softmax(draw: Draw):
    x = draw.operand()
    return x, draw.dim(x)


@sample("aten._softmax.default", "aten._log_softmax.default")
def softmax_plain(draw: Draw):
    x = draw.operand()
    return x, draw.dim(x), False


@sample(
    "aten.cumsum.default",
    "aten.cumprod.default",
    "aten.logcumsumexp.default",
    "aten.cummax.default",
    "aten.cummin.default",
)
def cumulative(draw: Draw):
    x = draw.operand((1, 2, 3))
    return x, draw.dim(x)


@sample("aten.sort.default")
def sort(draw: Draw):
    x = draw.operand((1, 2, 3))
    return x, draw.dim(x), draw.rng.random() < 0.5


@sample("aten.sort.stable")
def sort_stable(draw: Draw):
    x = draw.operand((1, 2, 3))
    return (x,), {"stable": True, "dim": draw.dim(x)}


@sample("aten.kthvalue.default")
def kth(draw: Draw):
    x = draw.operand((1, 2, 3))
    d = draw.dim(x)
    return x, draw.rng.randrange(1, draw.sizes(x)[d] + 1), d


@sample("aten.count_nonzero.default")
def count(draw: Draw):
    return draw.truth(draw.operand())


@sample("aten.count_nonzero.dim_IntList")
def count_dims(draw: Draw):
    x = draw.operand((1, 2, 3))
    return draw.truth(x), some_dims(draw, draw.value(x).ndim)


@sample("aten.topk.default")
def topk(draw: Draw):
    x = draw.operand((1, 2, 3))
    d = draw.dim(x)
    k = draw.rng.randrange(1, draw.sizes(x)[d] + 1)
    return x, k, d, k % 2 == 0, k % 3 > 0  # the largest or the smallest, in order or as they are found


@sample("aten._native_batch_norm_legit_no_training.default")
def batch_norm(draw: Draw):
    x = draw.operand((2, 3, 4))
    return (x, *statistics(draw, draw.sizes(x)[1]), 0.1, 1e-5)


@sample("aten.batch_norm.default")
def batch_norm_whole(draw: Draw):
    x = draw.operand((2, 3, 4))
    return (x, *statistics(draw, draw.sizes(x)[1]), False, 0.1, 1e-5, False)


@sample("aten.native_batch_norm.default")
def batch_norm_native(draw: Draw):
    x = draw.operand((2, 3, 4))
    return (x, *statistics(draw, draw.sizes(x)[1]), False, 0.1, 1e-5)


@sample("aten._batch_norm_no_update.default")
def batch_norm_no_update(draw: Draw):
    x = draw.operand((2, 3, 4))
    return (x, *statistics(draw, draw.sizes(x)[1]), 0.1, 1e-5)


def statistics(draw: Draw, channels: int):
    """Weight, bias, mean and variance, one a channel; some periodic, so that channels that move may keep a shift."""
    return [
        draw.constant(draw.periodic([channels])),
        draw.constant(draw.periodic([channels])),
        draw.constant(draw.periodic([channels])),
        draw.constant(draw.periodic([channels]).abs() + 0.5),
    ]


@sample("aten.layer_norm.default", "aten.native_layer_norm.default")
def layer_norm(draw: Draw):
    x = draw.operand((1, 2, 3))
    sizes = draw.sizes(x)[-draw.rng.choice((1, 1, 2)) :]
    both = [draw.constant(draw.periodic(sizes)) if draw.rng.random() < 0.5 else None for _ in range(2)]
    return x, sizes, *both, 1e-5


@sample("aten._native_batch_norm_legit.no_stats")
def batch_statistics(draw: Draw):
    x = draw.operand((2, 3, 4))
    return (x, *statistics(draw, draw.sizes(x)[1])[:2], True, 0.1, 1e-5)


@sample("aten.rms_norm.default", "aten._fused_rms_norm.default")
def rms_norm(draw: Draw):
    x = draw.operand((1, 2, 3))
    sizes = draw.sizes(x)[-draw.rng.choice((1, 2)) :]
    return x, sizes, draw.rng.choice((None, draw.constant(draw.periodic(sizes)))), 1e-5


def groups_of(draw: Draw, channels: int) -> int:
    return draw.rng.choice([g for g in range(1, channels + 1) if channels % g == 0])


@sample("aten.group_norm.default")
def group_norm(draw: Draw):
    x = draw.operand((3, 4))
    channels = draw.sizes(x)[1]
    both = [draw.constant(draw.periodic([channels])) for _ in range(2)]
    return x, groups_of(draw, channels), *both, 1e-5, False


@sample("aten.native_group_norm.default")
def group_norm_native(draw: Draw):
    x = draw.call(aten.contiguous.default, draw.operand(4))
    batch, channels, h, w = draw.sizes(x)
    both = [draw.constant(draw.periodic([channels])) for _ in range(2)]
    return x, *both, batch, channels, h * w, groups_of(draw, channels), 1e-5


@sample("aten.instance_norm.default")
def instance_norm(draw: Draw):
    x = draw.operand((3, 4))
    channels = draw.sizes(x)[1]
    weight, bias, mean, var = statistics(draw, channels)
    if draw.rng.random() < 0.5:
        return x, weight, bias, None, None, True, 0.1, 1e-5, False
    return x, weight, bias, mean, var, False, 0.1, 1e-5, False
