"""Calls of windows that are laid down: transposed convolution and fold."""

from __future__ import annotations

import torch

from equiconv.certification.validation import Draw
from tests.certification.samples.registry import sample
from tests.certification.samples.sliding import operand, options

aten = torch.ops.aten

for _rank, _name in ((1, "default"), (2, "input"), (3, "input")):

    @sample(f"aten.conv_transpose{_rank}d.{_name}")
    def transposed(draw: Draw, rank: int = _rank):
        x = operand(draw, rank)
        channels = draw.sizes(x)[-rank - 1]
        stride = options(draw, rank, 1, 2, 3)
        kernel = list(stride) if draw.rng.random() < 0.4 else options(draw, rank, 1, 2, 3)
        groups = draw.rng.choice([1, 1, channels])
        weight = draw.constant(draw.normal(channels, 2, *kernel))
        bias = draw.constant(draw.normal(2 * groups)) if draw.rng.random() < 0.5 else None
        extra = [draw.rng.choice((0, 0, max(0, s - 1))) for s in stride]
        return x, weight, bias, stride, options(draw, rank, 0, 0, 1), extra, groups, options(draw, rank, 1, 1, 2)


@sample("aten.col2im.default")
def fold(draw: Draw):
    """Columns of an image, and something done to them."""
    x = draw.operand(4)
    kernel = [min(k, s) for k, s in zip(options(draw, 2, 1, 2, 3), draw.sizes(x)[-2:], strict=True)]
    stride = draw.rng.choice((kernel, options(draw, 2, 1, 2)))
    padding = options(draw, 2, 0, 0, 1)
    columns = draw.call(aten.im2col.default, x, kernel, [1, 1], padding, stride)
    if draw.rng.random() < 0.5:
        columns = draw.call(aten.mul.Tensor, columns, draw.beside(columns))
    return columns, draw.sizes(x)[-2:], kernel, [1, 1], padding, stride


@sample("aten.convolution.default")
def either(draw: Draw):
    """A convolution of two dims, transposed or not."""
    x = draw.operand(4)
    channels = draw.sizes(x)[1]
    over = draw.rng.random() < 0.5
    stride, kernel = options(draw, 2, 1, 2), options(draw, 2, 1, 2, 3)
    weight = draw.constant(draw.normal(*((channels, 2) if over else (2, channels)), *kernel))
    return x, weight, None, stride, options(draw, 2, 0, 0, 1), [1, 1], over, [0, 0], 1
