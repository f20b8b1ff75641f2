"""Calls of windows that slide, of pads and of resampling."""

from __future__ import annotations

import torch
from torch import fx

import equiconv.nn  # noqa: F401  (registers the circular convolution)
from equiconv.certification.validation import Draw, Unfit
from tests.certification.samples.registry import sample

aten = torch.ops.aten


def operand(draw: Draw, rank: int) -> fx.Node:
    """A batch of images, or one without a batch."""
    return draw.operand(rank + draw.rng.choice((1, 2, 2)))


def options(draw: Draw, rank: int, *choices: int) -> list[int]:
    return [draw.rng.choice(choices) for _ in range(rank)]


def weights(draw: Draw, x: fx.Node, rank: int) -> tuple[fx.Node, fx.Node | None, list[int], int]:
    """Weight, bias, kernel sizes and groups for the channels of ``x``."""
    channels = draw.sizes(x)[-rank - 1]
    kernel = options(draw, rank, 1, 2, 3, 4)
    sizes = draw.sizes(x)[-rank:]
    kernel = [min(k, max(1, s)) for k, s in zip(kernel, sizes, strict=True)]
    groups = draw.rng.choice([1, 1, channels])
    weight = draw.constant(draw.normal(2 * groups, channels // groups, *kernel))
    bias = draw.constant(draw.normal(2 * groups)) if draw.rng.random() < 0.5 else None
    return weight, bias, kernel, groups


for _rank in (1, 2, 3):

    @sample(f"aten.conv{_rank}d.default")
    def conv(draw: Draw, rank: int = _rank):
        x = operand(draw, rank)
        weight, bias, kernel, groups = weights(draw, x, rank)
        dilation = options(draw, rank, 1, 1, 2)
        if draw.rng.random() < 0.3:  # kernel = stride: patches
            return x, weight, bias, kernel, [0] * rank, [1] * rank, groups
        return x, weight, bias, options(draw, rank, 1, 1, 2, 3), options(draw, rank, 0, 0, 1, 2), dilation, groups

    @sample(f"aten.conv{_rank}d.padding")
    def conv_string(draw: Draw, rank: int = _rank):
        x = operand(draw, rank)
        weight, bias, _, groups = weights(draw, x, rank)
        return x, weight, bias, [1] * rank, draw.rng.choice(("same", "valid")), options(draw, rank, 1, 2), groups

    def pool(draw: Draw, rank: int) -> tuple[fx.Node, list[int], list[int], list[int]]:
        x = operand(draw, rank)
        kernel = [min(k, s) for k, s in zip(options(draw, rank, 1, 2, 3, 4), draw.sizes(x)[-rank:], strict=True)]
        stride = draw.rng.choice(([], options(draw, rank, 1, 2, 3), list(kernel)))
        return x, kernel, stride, [draw.rng.choice((0, 0, k // 2)) for k in kernel]

    @sample(f"aten.max_pool{_rank}d.default", f"aten.max_pool{_rank}d_with_indices.default")
    def max_pool(draw: Draw, rank: int = _rank):
        x, kernel, stride, padding = pool(draw, rank)
        return x, kernel, stride, padding, options(draw, rank, 1, 1, 2), draw.rng.random() < 0.4

    @sample(f"aten.avg_pool{_rank}d.default")
    def average_pool(draw: Draw, rank: int = _rank):
        x, kernel, stride, padding = pool(draw, rank)
        rest = (draw.rng.random() < 0.4, draw.rng.random() < 0.5)
        return (x, kernel, stride, padding, *rest, *([draw.rng.choice((None, 3))] if rank > 1 else []))

    @sample(
        f"aten.adaptive_max_pool{_rank}d.default",
        f"aten.adaptive_avg_pool{_rank}d.default",
        *([f"aten._adaptive_avg_pool{_rank}d.default"] if _rank > 1 else []),
    )
    def adaptive(draw: Draw, rank: int = _rank):
        x = operand(draw, rank)
        return x, [
            draw.rng.choice([1, 2, 3, 5, *(o for o in range(1, s + 1) if s % o == 0)]) for s in draw.sizes(x)[-rank:]
        ]

    @sample(f"aten.reflection_pad{_rank}d.default", f"aten.replication_pad{_rank}d.default")
    def edge_pad(draw: Draw, rank: int = _rank):
        return operand(draw, rank), options(draw, 2 * rank, 0, 1, 2)

    def resampled(draw: Draw, x: fx.Node, rank: int) -> tuple[list[int] | None, list[float] | None]:
        """Output sizes, or scale factors."""
        sizes = draw.sizes(x)[-rank:]
        if draw.rng.random() < 0.5:
            return None, [draw.rng.choice((1.0, 2.0, 0.5, 1.5, 3.0, 1 / 3)) for _ in sizes]
        return [
            max(1, draw.rng.choice((s, 2 * s, s // 2, 3 * s // 2, s + 1, draw.rng.randrange(1, 20)))) for s in sizes
        ], None

    @sample(f"aten.upsample_nearest{_rank}d.vec", f"aten._upsample_nearest_exact{_rank}d.vec")
    def nearest(draw: Draw, rank: int = _rank):
        x = draw.operand(rank + 2)
        return (x, *resampled(draw, x, rank))

    @sample(f"aten.upsample_nearest{_rank}d.default", f"aten._upsample_nearest_exact{_rank}d.default")
    def nearest_to(draw: Draw, rank: int = _rank):
        x = draw.operand(rank + 2)
        size, _ = resampled(draw, x, rank)
        if size is None:
            raise Unfit("scales without sizes")
        return x, size

    @sample(
        *{
            1: ("aten.upsample_linear1d.vec",),
            2: (
                "aten.upsample_bilinear2d.vec",
                "aten.upsample_bicubic2d.vec",
                "aten._upsample_bilinear2d_aa.vec",
                "aten._upsample_bicubic2d_aa.vec",
            ),
            3: ("aten.upsample_trilinear3d.vec",),
        }[_rank]
    )
    def linear(draw: Draw, rank: int = _rank):
        x = draw.operand(rank + 2)
        size, scales = resampled(draw, x, rank)
        return x, size, draw.rng.random() < 0.3, scales

    @sample(
        *{
            1: ("aten.upsample_linear1d.default",),
            2: (
                "aten.upsample_bilinear2d.default",
                "aten.upsample_bicubic2d.default",
                "aten._upsample_bilinear2d_aa.default",
                "aten._upsample_bicubic2d_aa.default",
            ),
            3: ("aten.upsample_trilinear3d.default",),
        }[_rank]
    )
    def linear_to(draw: Draw, rank: int = _rank):
        x = draw.operand(rank + 2)
        size, _ = resampled(draw, x, rank)
        if size is None:
            raise Unfit("scales without sizes")
        return x, size, draw.rng.random() < 0.3


@sample("equiconv.circular_conv.default")
def circular(draw: Draw):
    x = draw.operand(4)
    weight, bias, kernel, groups = weights(draw, x, 2)
    padding = [p for k in kernel for p in ((k - 1) // 2, k // 2)]
    return x, weight, bias, options(draw, 2, 1, 1, 2), padding, options(draw, 2, 1, 1, 2), groups


@sample("aten.pad.default")
def pad(draw: Draw):
    mode = draw.rng.choice(("constant", "circular", "circular", "reflect", "replicate"))
    x = draw.operand((3, 4))
    return x, options(draw, 2 * draw.rng.choice((1, 2)), 0, 1, 2, -1), mode


@sample("aten.constant_pad_nd.default")
def constant_pad(draw: Draw):
    x = draw.operand((1, 2, 3, 4))
    return x, options(draw, 2 * draw.rng.randrange(1, draw.value(x).ndim + 1), 0, 1, 2, -1), draw.rng.choice((0.0, 1.5))


@sample("aten.unfold.default")
def unfold(draw: Draw):
    x = draw.operand((1, 2, 3))
    d = draw.dim(x)
    size = draw.rng.randrange(1, draw.sizes(x)[d] + 1)
    return x, d, size, draw.rng.choice((1, 2, 3, size))


@sample("aten.im2col.default")
def im2col(draw: Draw):
    x = draw.operand(4)
    kernel = [min(k, s) for k, s in zip(options(draw, 2, 1, 2, 3), draw.sizes(x)[-2:], strict=True)]
    stride = draw.rng.choice((kernel, options(draw, 2, 1, 2)))
    return x, kernel, options(draw, 2, 1, 1, 2), options(draw, 2, 0, 0, 1), stride
