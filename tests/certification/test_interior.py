"""Without wrap-around: every interior against brute force, every interior grown by one position caught, every window shrunk by one position caught."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from equiconv.certification import Certificate, certify
from equiconv.certification.interior import Extent, Interior
from equiconv.graph import capture
from tests.certification.networks import Net

SHAPE = (24, 20)


def conv(a: int = 1, b: int = 2, k: int = 3, **options: object) -> nn.Conv2d:
    return nn.Conv2d(a, b, k, **options)  # type: ignore[arg-type]


def interior_of(net: nn.Module, x: Tensor, **options: object) -> Interior:
    found = certify(net, x, refute=False, **options).outputs[0].interior  # type: ignore[arg-type]
    assert found is not None
    return found


# Brute force -------------------------------------------------------------------------------------------------------------


class Trial:
    """A network in float64 with images cut from one larger random image, and the rounding floor of its output."""

    def __init__(self, net: nn.Module, shape: Sequence[int] = SHAPE) -> None:
        torch.manual_seed(1)
        self.net = net.double().eval()
        self.shape = tuple(shape)
        self.big = torch.randn(1, 1, *(3 * n for n in shape), dtype=torch.float64)
        self.x = self.cut((0,) * len(shape))
        graph = capture(self.net, (self.x,))
        self.tolerance = 1000 * graph.rounding([self.x])[graph.outputs[0][1]]
        self.interior = interior_of(self.net, self.x)
        self.y = self.run(self.x)

    def run(self, x: Tensor) -> Tensor:
        with torch.no_grad():
            return self.net(x)  # type: ignore[no-any-return]

    def cut(self, shift: Sequence[int]) -> Tensor:
        """The image whose entry i + shift is the entry i of ``cut(0)``, wherever both have it."""
        x = self.big
        for axis, (n, k) in enumerate(zip(self.shape, shift, strict=True)):
            x = x.narrow(2 + axis, n - k, n)
        return x

    def translated(self, extents: Sequence[Extent]) -> float:
        """The largest |T(x′)[u + k/step] − T(x)[u]| over translations k, and u, u + k/step inside."""
        worst = 0.0
        counts = [range(-(abs(e.stop - e.start) // len(e.windows)), (e.stop - e.start) // len(e.windows) + 1) for e in extents]
        for moves in itertools.product(*counts):
            if sum(m != 0 for m in moves) > 1 and any(abs(m) > 2 for m in moves):
                continue
            shift = [0] * len(self.shape)
            a, b = self.y, None
            for e, m in zip(extents, moves, strict=True):
                shift[e.axis] = int(e.step * len(e.windows)) * m
            if any(abs(k) >= n for k, n in zip(shift, self.shape, strict=True)):
                continue
            b = self.run(self.cut(shift))
            for e, m in zip(extents, moves, strict=True):
                by = len(e.windows) * m
                first, last = max(e.start, e.start - by), min(e.stop, e.stop - by)
                if last <= first:
                    break
                a, b = a.narrow(e.dim, first, last - first), b.narrow(e.dim, first + by, last - first)
            else:
                worst = max(worst, float((a - b).abs().max()))
        return worst

    def outside(self, extent: Extent, less: tuple[int, int] = (0, 0)) -> list[float]:
        """For each u inside, the largest change of T[u] when all that its window, less some entries at either end, leaves out is changed."""
        found = []
        for u in range(extent.start, extent.stop):
            first, last = extent.window(u)
            rows = torch.arange(self.shape[extent.axis])
            seen = (rows >= first + less[0]) & (rows <= last - less[1])
            x = torch.where(seen.reshape([-1 if a == extent.axis else 1 for a in range(len(self.shape))]), self.x, self.x + 1 + torch.rand_like(self.x))
            found.append(float((self.run(x) - self.y).select(extent.dim, u).abs().max()))
        return found


def grown(e: Extent) -> list[Extent]:
    """The extent with one position more at either end, where there is one."""
    found = [replace(e, start=e.start - 1)] if e.start else []
    return found + ([replace(e, stop=e.stop + 1)] if e.stop < e.size else [])


# Networks ----------------------------------------------------------------------------------------------------------------


class Unet(nn.Module):
    """Two levels, with skip connections; what brings the small maps back up is given."""

    def __init__(self, up: str) -> None:
        super().__init__()
        self.down = nn.ModuleList([conv(1, 2, padding=1), conv(2, 3, padding=1), conv(3, 3, padding=1)])
        self.join = nn.ModuleList([conv(6, 3, padding=1), conv(5, 2, padding=1)])
        self.ups = nn.ModuleList([nn.ConvTranspose2d(3, 3, 2, 2) for _ in range(2)] if up == "transposed" else [])
        self.up = up

    def forward(self, x: Tensor) -> Tensor:
        skips = []
        for i, layer in enumerate(self.down):
            x = layer(x).tanh()
            if i < 2:
                skips.append(x)
                x = F.avg_pool2d(x, 2)
        for i, layer in enumerate(self.join):
            x = self.ups[i](x) if self.up == "transposed" else F.interpolate(x, scale_factor=2, mode=self.up)
            x = layer(torch.cat([x, skips.pop()], 1)).tanh()
        return x


class WindowAttention(nn.Module):
    """Attention inside windows of 4 × 4, as in Swin; shifted ones roll and mask what the roll brings together."""

    def __init__(self, shifted: bool) -> None:
        super().__init__()
        self.qkv, self.shifted = nn.Linear(4, 12), shifted
        self.embed = conv(1, 4, 1)
        region = torch.zeros(SHAPE)
        for i, rows in enumerate((slice(0, -4), slice(-4, -2), slice(-2, None))):
            for j, columns in enumerate((slice(0, -4), slice(-4, -2), slice(-2, None))):
                region[rows, columns] = 3 * i + j
        w = region.reshape(6, 4, 5, 4).permute(0, 2, 1, 3).reshape(30, 1, 16)
        self.register_buffer("mask", torch.zeros(30, 1, 16, 16).masked_fill(w.unsqueeze(2) != w.unsqueeze(3), -100.0))

    def forward(self, x: Tensor) -> Tensor:
        x = self.embed(x).permute(0, 2, 3, 1)
        x = x.roll((-2, -2), (1, 2)) if self.shifted else x
        windows = x.reshape(1, 6, 4, 5, 4, 4).permute(0, 1, 3, 2, 4, 5).reshape(30, 16, 4)
        q, k, v = self.qkv(windows).reshape(30, 16, 3, 1, 4).permute(2, 0, 3, 1, 4).unbind(0)
        y = F.scaled_dot_product_attention(q, k, v, attn_mask=self.mask if self.shifted else None)
        y = y.reshape(1, 6, 5, 4, 4, 4).permute(0, 1, 3, 2, 4, 5).reshape(1, 24, 20, 4)
        return y.roll((2, 2), (1, 2)) if self.shifted else y


def nets() -> dict[str, tuple[nn.Module, bool]]:
    """name: (network, whether its windows are the smallest)."""
    torch.manual_seed(0)
    mask = torch.full((1, 1, 24, 20), 0.7, dtype=torch.float64)
    mask[:, :, :3], mask[..., 18:] = 0.3, 0.2
    three = torch.arange(1.0, 4, dtype=torch.float64)
    border = torch.ones(1, 1, 2, 20, dtype=torch.float64)
    c13, c22 = conv(1, 3, padding=1), conv(2, 2, padding=1)

    def write(x: Tensor) -> Tensor:
        y = x.clone()
        y[:, :, :5] = x[:, :, :5] * x[:, :, 5:10]
        return y

    return {
        "zero padding": (Net(lambda x, c: c(x), conv(padding=1)), True),
        "no padding": (Net(lambda x, c: c(x).tanh(), conv()), True),
        "reflect": (conv(padding=2, padding_mode="reflect"), True),
        "replicate": (conv(padding=1, padding_mode="replicate"), True),
        "circular": (conv(padding=1, padding_mode="circular"), True),
        "even kernel, same": (conv(k=4, padding="same"), True),
        "stride": (Net(lambda x, c, d: d(c(x).tanh()), conv(stride=2, padding=1), c22), True),
        "stride 3 after 2": (Net(lambda x, c, d: d(c(x)), conv(stride=2, padding=1), conv(2, 2, stride=3, padding=2)), True),
        "dilation": (Net(lambda x, c, d: d(c(x).tanh()), conv(padding=2, dilation=2), conv(2, 2, dilation=3, padding=3)), True),
        "odd padding": (Net(lambda x, c: c(F.pad(x, (3, 0, 1, 2))), conv()), True),
        "crop by negative pad": (Net(lambda x, c: c(F.pad(x, (-3, 1, 1, -2))), conv(padding=1)), True),
        "max pool": (Net(lambda x, c: F.max_pool2d(c(x), 3, 2, 1), conv(padding=1)), False),
        "average pool": (Net(lambda x, c: F.avg_pool2d(c(x), 3, 2, 1), conv(padding=1)), True),
        "average pool that leaves the padding out": (
            Net(lambda x, c: F.avg_pool2d(c(x), 3, 2, 1, count_include_pad=False), conv(padding=1)),
            True,
        ),
        "ceil_mode": (Net(lambda x: F.avg_pool2d(x, 3, 2, ceil_mode=True)), True),
        "adaptive pool, whole blocks": (Net(lambda x, c: F.adaptive_avg_pool2d(c(x), (6, 5)), conv(padding=1)), True),
        "residual": (Net(lambda x, c, d: c(x) + d(c(x)).tanh(), conv(padding=1), c22), True),
        "crops of one map, joined": (Net(lambda x, c: torch.cat([c(x)[:, :, 1:-1], c(x)[:, :, 2:]], 1), conv(padding=1)), True),
        "transposed": (Net(lambda x, c, d: d(c(x)), conv(stride=2, padding=1), nn.ConvTranspose2d(2, 1, 4, 2, 1)), True),
        "transposed with gaps": (Net(lambda x, d: d(x), nn.ConvTranspose2d(1, 1, 3, 3, 1, 1, dilation=2)), False),
        "nearest": (Net(lambda x, c: F.interpolate(c(x), scale_factor=2), conv(padding=1)), True),
        "nearest, then a convolution": (
            Net(lambda x, c, d: d(F.interpolate(c(x).tanh(), scale_factor=3)), conv(stride=2, padding=1), c22),
            True,
        ),
        "bilinear": (Net(lambda x, c: F.interpolate(c(x), scale_factor=2, mode="bilinear"), conv(padding=1)), True),
        "bicubic": (Net(lambda x: F.interpolate(x, scale_factor=2, mode="bicubic")), True),
        "bilinear by 3/2": (Net(lambda x, c: c(F.interpolate(x, size=(36, 30), mode="bilinear")), conv(padding=1)), True),
        "antialiased, halved": (
            Net(lambda x: F.interpolate(x, size=(12, 10), mode="bilinear", antialias=True)),
            False,
        ),
        "pixel shuffle": (Net(lambda x, c, d: d(F.pixel_shuffle(c(x), 2)), conv(1, 4, padding=1), conv(1, 1, padding=1)), True),
        "pixel unshuffle": (Net(lambda x, c: c(F.pixel_unshuffle(x, 2)), conv(4, 2, padding=1)), True),
        "space to depth by reshape": (
            Net(lambda x, c: c(x.reshape(1, 12, 2, 10, 2).permute(0, 2, 4, 1, 3).reshape(1, 4, 12, 10)), conv(4, 2, padding=1)),
            True,
        ),
        "layer norm over channels": (
            Net(lambda x, c, n: n(c(x).permute(0, 2, 3, 1)), conv(1, 3, padding=1), nn.LayerNorm(3)),
            True,
        ),
        "batch norm": (Net(lambda x, c, n: n(c(x)), conv(padding=1), nn.BatchNorm2d(2)), True),
        "slices": (Net(lambda x, c: c(x)[:, :, 3::2, 1:-4], conv(padding=1)), True),
        "reversed": (Net(lambda x, c: c(x.flip(2)), conv(padding=1, stride=2)), True),
        "rolled": (Net(lambda x, c: c(x).roll((5, -3), (2, 3)), conv(padding=1)), True),
        "repeated": (Net(lambda x, c: c(x).repeat(1, 1, 2, 1), conv(padding=1)), True),
        "joined with a border": (Net(lambda x, c: c(torch.cat([border, x], 2)), conv()), True),
        "written to": (Net(write), False),
        "a constant that differs at the border": (Net(lambda x, c: c(x * mask), conv(padding=1)), True),
        "every third position by a table": (Net(lambda x, c: c(x)[:, :, torch.arange(1, 24, 3)], conv(padding=1)), True),
        "each position twice": (Net(lambda x, c: c(x).repeat_interleave(2, 3), conv(padding=1)), True),
        "windows": (Net(lambda x, c: c(x).unfold(2, 3, 2), conv(padding=1)), False),
        "dims exchanged": (Net(lambda x, c: c(x).transpose(2, 3), conv(padding=1, stride=(2, 1))), True),
        "windows of attention": (WindowAttention(False), True),
        "shifted windows of attention": (WindowAttention(True), False),
        "linear over channels": (Net(lambda x, c, n: n(c(x).movedim(1, -1)), c13, nn.Linear(3, 2)), True),
        "einsum over channels": (Net(lambda x, c: torch.einsum("bchw,c->bhw", c(x), three), c13), True),
        "U-Net, nearest": (Unet("nearest"), True),
        "U-Net, bilinear": (Unet("bilinear"), True),
        "U-Net, transposed": (Unet("transposed"), True),
    }


@pytest.mark.parametrize("name", nets())
def test_interior_is_exact_and_largest(name: str) -> None:
    net, tight = nets()[name]
    trial = Trial(net, (48, 40) if "U-Net" in name else SHAPE)
    extents = [e for e in trial.interior.extents if e is not None]
    assert len(extents) == 2, trial.interior
    assert trial.interior.exists, trial.interior
    assert trial.tolerance < 1e-9
    assert trial.translated(extents) <= trial.tolerance
    for e in extents:
        assert max(trial.outside(e)) <= trial.tolerance
        # the false twins: one position more is no interior, one entry less is no window
        for more in grown(e):
            if more.stop - more.start > len(e.windows):
                assert trial.translated([more]) > 1e6 * trial.tolerance, f"{name}: the interior could be larger: {e}"
        if tight:
            for less in ((1, 0), (0, 1)):
                assert min(trial.outside(e, less)) > 1e6 * trial.tolerance, f"{name}: the window could be smaller: {e}"
