"""Small networks whose symmetries are known, and the brute force that finds them."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

SHAPE = (12, 8)


class Net(nn.Module):
    """A function of the input and of some modules, as a module."""

    def __init__(self, function: Callable[..., Tensor], *parts: nn.Module) -> None:
        super().__init__()
        self.function = function
        self.parts = nn.ModuleList(parts)

    def forward(self, x: Tensor) -> Tensor:
        return self.function(x, *self.parts)


def conv(**options: object) -> nn.Conv2d:
    return nn.Conv2d(1, 2, 3, **options)  # type: ignore[arg-type]


def circular(**options: object) -> nn.Conv2d:
    return conv(padding=1, padding_mode="circular", **options)


def periodic(h: int, w: int) -> Tensor:
    """A constant of the image's size that repeats every (h, w)."""
    return torch.randn(1, 1, h, w).repeat(1, 1, SHAPE[0] // h, SHAPE[1] // w)


def linear(weight: Tensor) -> nn.Linear:
    layer = nn.Linear(weight.shape[1], weight.shape[0])
    with torch.no_grad():
        layer.weight.copy_(weight)
    return layer


def _write_row(x: Tensor) -> Tensor:
    y = x.clone()
    y[:, :, 0] = 0
    return y


def _write_through_view(x: Tensor) -> Tensor:
    y = x.clone()
    y.view(1, 1, -1)[..., :8].mul_(2)
    return y


def _tokens(x: Tensor) -> Tensor:
    return x.flatten(2).transpose(1, 2)


def _attend(x: Tensor, causal: bool = False) -> Tensor:
    t = _tokens(x)
    return F.scaled_dot_product_attention(t, t, t, is_causal=causal)


def cases() -> dict[str, tuple[nn.Module, tuple[int, int], str]]:
    """name: (network, strides that hold on a 12 × 8 torus, kind). Every entry is checked against brute force over all 96 shifts."""
    torch.manual_seed(0)
    gap = lambda y: y.mean((2, 3))  # noqa: E731
    p44, p34 = periodic(4, 4), periodic(3, 8)
    border = torch.cat([torch.ones(1), torch.full((8,), 2.0), torch.ones(1)])
    bumpy = torch.arange(10.0)
    class_token = torch.randn(1, 1, 1)
    ramp, keys = torch.arange(1.0, 9.0), torch.randn(1, 12, 1)
    return {
        "zero padding, pooled": (Net(lambda x, c: gap(c(x).relu()), conv(padding=1)), (12, 8), "none"),
        "zero padding of a linear net": (Net(lambda x, c: c(x), conv(padding=1)), (12, 8), "none"),
        "circular, pooled": (Net(lambda x, c: gap(c(x).relu()), circular()), (1, 1), "invariant"),
        "circular": (Net(lambda x, c: c(x).relu(), circular()), (1, 1), "equivariant"),
        "valid": (Net(lambda x, c: c(x), conv()), (12, 8), "none"),
        "valid, pooled": (Net(lambda x, c: gap(c(x).relu()), conv()), (12, 8), "none"),
        "stride 2, pooled": (Net(lambda x, c: gap(c(x).relu()), circular(stride=2)), (2, 2), "invariant"),
        "stride 2": (Net(lambda x, c: c(x).relu(), circular(stride=2)), (2, 2), "equivariant"),
        "stride (1, 4)": (Net(lambda x, c: gap(c(x).relu()), circular(stride=(1, 4))), (1, 4), "invariant"),
        "stride 3 does not divide 8": (Net(lambda x, c: gap(c(x).relu()), circular(stride=3)), (3, 8), "invariant"),
        "strides 2 and 3 meet in 6": (
            Net(lambda x, a, b: gap(a(x).relu()) + gap(b(x).relu()), circular(stride=(2, 1)), circular(stride=(3, 1))),
            (6, 1),
            "invariant",
        ),
        "dilated": (
            Net(lambda x, c: gap(c(x).relu()), conv(padding=2, dilation=2, padding_mode="circular")),
            (1, 1),
            "invariant",
        ),
        "max pool 2": (Net(lambda x: gap(F.max_pool2d(x, 2))), (2, 2), "invariant"),
        "max pool 3 step 2 overhangs": (Net(lambda x: gap(F.max_pool2d(x, 3, 2, ceil_mode=True))), (12, 8), "none"),
        "ceil_mode without overhang": (Net(lambda x: gap(F.max_pool2d(x, 2, 2, ceil_mode=True))), (2, 2), "invariant"),
        "max pool padded": (Net(lambda x: gap(F.max_pool2d(x, 3, 1, 1))), (12, 8), "none"),
        "average pool counts its padding": (Net(lambda x: gap(F.avg_pool2d(x, 3, 1, 1).relu())), (12, 8), "none"),
        "average pool does not count it": (
            Net(lambda x: gap(F.avg_pool2d(x, 3, 1, 1, count_include_pad=False).relu())),
            (12, 8),
            "none",
        ),
        "adaptive pool to 3 × 4": (Net(lambda x: F.adaptive_avg_pool2d(x, (3, 4)).relu()), (4, 2), "equivariant"),
        "adaptive pool to 5 × 4": (Net(lambda x: F.adaptive_avg_pool2d(x, (5, 4)).relu()), (12, 2), "equivariant"),
        "periodic constant": (Net(lambda x: gap((x * p44).relu())), (4, 4), "invariant"),
        "constants of two periods": (Net(lambda x: gap((x * p44 + p34).relu())), (12, 8), "none"),
        "flatten, generic weights": (Net(lambda x, l: l(x.flatten(1)), nn.Linear(96, 3)), (12, 8), "none"),
        "flatten, constant weights": (
            Net(lambda x, l: l(x.flatten(1)), linear(torch.randn(3, 1).expand(3, 96))),
            (1, 1),
            "invariant",
        ),
        "flatten, periodic weights": (
            Net(lambda x, l: l(x.flatten(1)), linear(torch.randn(3, 1, 4, 4).repeat(1, 1, 3, 2).reshape(3, 96))),
            (4, 4),
            "invariant",
        ),
        "x + flip(x)": (Net(lambda x: (x + x.flip(3)).relu()), (1, 4), "equivariant"),
        "flip(x) alone": (Net(lambda x: x.flip(2).relu()), (1, 1), "equivariant"),
        "bilinear up": (Net(lambda x: F.interpolate(x, scale_factor=2, mode="bilinear")), (12, 8), "none"),
        "bilinear up, aligned": (
            Net(lambda x: F.interpolate(x, size=(23, 15), mode="bilinear", align_corners=True)),
            (12, 8),
            "none",
        ),
        "bilinear down": (Net(lambda x: F.interpolate(x, scale_factor=0.5, mode="bilinear")), (2, 2), "equivariant"),
        "nearest up": (Net(lambda x: F.interpolate(x, scale_factor=2)), (1, 1), "equivariant"),
        "nearest by 3/2": (Net(lambda x: F.interpolate(x, scale_factor=1.5)), (2, 2), "equivariant"),
        "nearest up, then stride 3": (
            Net(lambda x: F.max_pool2d(F.interpolate(x, scale_factor=2), (3, 1)).relu()),
            (3, 1),
            "equivariant",
        ),
        "roll": (Net(lambda x: torch.roll(x, (1, 2), (2, 3)).relu() + x), (1, 1), "equivariant"),
        "circular padding by hand": (
            Net(lambda x, c: gap(c(torch.cat([x[..., -1:], x, x[..., :1]], -1)).relu()), nn.Conv2d(1, 2, (1, 3))),
            (1, 1),
            "invariant",
        ),
        "the wrong side by hand": (
            Net(lambda x, c: gap(c(torch.cat([x[..., :1], x, x[..., -1:]], -1)).relu()), nn.Conv2d(1, 2, (1, 3))),
            (1, 8),
            "invariant",
        ),
        "a roll by hand": (Net(lambda x: torch.cat([x[:, :, 5:], x[:, :, :5]], 2).relu() + x), (1, 1), "equivariant"),
        "halves in the wrong order twice": (
            Net(lambda x: torch.cat([x[:, :, :6], x[:, :, :6]], 2).relu()),
            (12, 1),
            "equivariant",
        ),
        "attention": (Net(_attend), (1, 1), "equivariant"),
        "causal attention": (Net(lambda x: _attend(x, True)), (12, 8), "none"),
        "patch tokens": (Net(lambda x, c: _tokens(c(x)).softmax(1), nn.Conv2d(1, 3, 4, 4)), (4, 4), "equivariant"),
        "class token": (
            Net(lambda x: torch.cat([class_token, _tokens(x)], 1)[:, 0] + _tokens(x).mean(1)),
            (1, 1),
            "invariant",
        ),
        "reads an image token": (Net(lambda x: torch.cat([class_token, _tokens(x)], 1)[:, 1].relu()), (12, 8), "none"),
        "padded sum": (Net(lambda x: F.pad(x, (2, 2, 2, 2)).relu().sum((2, 3))), (1, 1), "invariant"),
        "padded sum of a bias": (Net(lambda x: (F.pad(x, (2, 2, 2, 2)) + 1).relu().sum((2, 3))), (1, 1), "invariant"),
        "padded and convolved": (Net(lambda x, c: gap(c(F.pad(x, (1, 1, 1, 1))).relu()), conv()), (12, 8), "none"),
        "reflect": (Net(lambda x, c: gap(c(F.pad(x, (1, 1, 1, 1), mode="reflect")).relu()), conv()), (12, 8), "none"),
        "circular F.pad": (
            Net(lambda x, c: gap(c(F.pad(x, (1, 1, 1, 1), mode="circular")).relu()), conv()),
            (1, 1),
            "invariant",
        ),
        "mask on a border": (Net(lambda x: (F.pad(x, (1, 1)) * border).relu().sum((2, 3))), (1, 1), "invariant"),
        "mask that varies": (Net(lambda x: (F.pad(x, (1, 1)) * bumpy).relu().sum((2, 3))), (1, 8), "invariant"),
        "writes a row": (Net(lambda x: _write_row(x).relu()), (12, 1), "equivariant"),
        "writes through a view": (Net(lambda x: gap(_write_through_view(x).relu())), (12, 1), "invariant"),
        "cumsum": (Net(lambda x: x.cumsum(3)), (1, 8), "equivariant"),
        "selects a row": (Net(lambda x: x[:, :, 2].relu().mean(2)), (12, 1), "invariant"),
        "every other": (Net(lambda x: x[:, :, ::2, 1::2].relu()), (2, 2), "equivariant"),
        "pixel shuffle": (
            Net(lambda x, c: F.pixel_shuffle(c(F.pixel_unshuffle(x, 2)), 2), nn.Conv2d(4, 4, 1)),
            (2, 2),
            "equivariant",
        ),
        "unfold": (Net(lambda x: torch.cat([x, x[..., :2]], 3).unfold(3, 3, 1).amax(-1)), (1, 1), "equivariant"),
        "columns": (Net(lambda x: F.unfold(x, 2, stride=2).amax(1)), (2, 2), "equivariant"),
        "argmax": (Net(lambda x: x.flatten(2).argmax(-1).float()), (12, 8), "none"),
        "values of a sort": (Net(lambda x: x.flatten(2).sort(-1)[0]), (1, 1), "invariant"),
        "channel arg max": (Net(lambda x, c: c(x).argmax(1).float(), circular()), (1, 1), "equivariant"),
        "layer norm over the image": (Net(lambda x, c: F.layer_norm(c(x), (12, 8)), circular()), (1, 1), "equivariant"),
        "group norm": (Net(lambda x, c, g: g(c(x)), circular(), nn.GroupNorm(2, 2)), (1, 1), "equivariant"),
        "group norm of a crop": (Net(lambda x, c, g: g(c(x)), conv(), nn.GroupNorm(2, 2)), (12, 8), "none"),
        "instance norm": (Net(lambda x, c: F.instance_norm(c(x)), circular()), (1, 1), "equivariant"),
        "standard deviation": (Net(lambda x: x.std((2, 3))), (1, 1), "invariant"),
        "softmax over a row": (Net(lambda x: x.softmax(3)), (1, 1), "equivariant"),
        "one axis pooled": (Net(lambda x, c: c(x).relu().mean(3), circular()), (1, 1), "equivariant"),
        "gram matrix": (Net(lambda x: x.squeeze(1) @ x.squeeze(1).transpose(1, 2)), (1, 1), "equivariant"),
        "einsum": (Net(lambda x: torch.einsum("bchw,bchv->bcwv", x, x)), (1, 1), "equivariant"),
        "crop of one entry kept": (
            Net(lambda x: (x[:, :, 3:4] * x.mean(2, keepdim=True)).relu().sum(3)),
            (12, 1),
            "invariant",
        ),
        "position by arange": (Net(lambda x: (x + torch.arange(8.0)).relu().mean((2, 3))), (1, 8), "invariant"),
        "a convolution tells apart an inner axis": (
            Net(lambda x, c: c(x.flatten(2)).relu(), nn.Conv1d(1, 2, 8, 8)),
            (1, 8),
            "equivariant",
        ),
        "an average pool does not": (Net(lambda x: F.avg_pool1d(x.flatten(2), 8, 8).relu()), (1, 1), "equivariant"),
        "windows over an inner axis": (
            Net(lambda x: (x.flatten(2).unfold(2, 8, 8) * ramp).sum(-1).relu()),
            (1, 8),
            "equivariant",
        ),
        "columns over an inner axis": (
            Net(lambda x: (F.unfold(x.reshape(1, 1, 1, 96), (1, 8), stride=8) * ramp[:, None]).sum(1).relu()),
            (1, 8),
            "equivariant",
        ),
        "cumsum of equal entries": (
            Net(lambda x: x + x.mean(3, keepdim=True).expand(1, 1, 12, 8).cumsum(3)),
            (1, 8),
            "equivariant",
        ),
        "causal attention of equal queries": (
            Net(
                lambda x: (
                    F.scaled_dot_product_attention(
                        x.mean((1, 2, 3)).expand(1, 12, 1), keys.to(x), keys.to(x), is_causal=True
                    )[..., 0]
                    + x.mean((1, 3))
                )
            ),
            (12, 1),
            "invariant",
        ),
        "a fixed divisor over the edge": (
            Net(
                lambda x: (
                    F.avg_pool2d(
                        x.mean(3, keepdim=True).expand(1, 1, 12, 7), (1, 2), ceil_mode=True, divisor_override=2
                    )
                    + x[..., ::2]
                )
            ),
            (1, 8),
            "equivariant",
        ),
        "ceil_mode drops a window of padding": (
            Net(lambda x: F.max_pool2d(x, (1, 2), (1, 3), (0, 1), ceil_mode=True) * torch.arange(1, 4)),
            (1, 8),
            "equivariant",
        ),
        "every other, by a mask": (Net(lambda x: x[..., torch.arange(8) % 2 == 0].relu()), (1, 2), "equivariant"),
        "divided by the size of a masked tensor": (
            Net(lambda x: (lambda y: y / y.shape[-1])(x[..., torch.arange(8) % 2 == 0])),
            (1, 2),
            "equivariant",
        ),
        "a constant cast like the image": (
            Net(lambda x: (x + torch.arange(8).type_as(x)).relu()),
            (1, 8),
            "equivariant",
        ),
        "writes to its input": (Net(lambda x: x.clone().mul_(2).relu_() + torch.relu_(x)), (1, 1), "equivariant"),
        "checkerboard constant": (
            Net(lambda x: gap((x * ((torch.arange(12)[:, None] + torch.arange(8)) % 2)).relu())),
            (2, 2),
            "invariant",
        ),
    }


def explained(got: Tensor, base: Tensor, dims: Sequence[int], sizes: Sequence[int]) -> bool:
    """True when some roll of the given dims turns ``base`` into ``got``: tried one by one."""
    a, b = got.reshape(list(sizes)), base.reshape(list(sizes))
    for rolls in itertools.product(*(range(sizes[d]) for d in dims)):
        if torch.allclose(a, torch.roll(b, rolls, list(dims)) if dims else b, atol=1e-10, rtol=1e-9):
            return True
    return False


def respected(net: nn.Module, x: Tensor, dims: Sequence[int], sizes: Sequence[int]) -> set[tuple[int, int]]:
    """Every shift of a 2-D torus that the network respects, by trying them all: f(g·x) is some roll of f(x)."""
    base = net(x)
    h, w = x.shape[-2:]
    return {
        g
        for g in itertools.product(range(h), range(w))
        if explained(net(torch.roll(x, g, (-2, -1))), base, dims, sizes)
    }
