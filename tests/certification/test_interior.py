"""Without wrap-around: every interior against brute force, every interior grown by one position caught, every window shrunk by one position caught."""

from __future__ import annotations

import importlib.util
import itertools
import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from equiconv.certification import Certificate, certify
from equiconv.certification.interior import Extent, Interior, table, windows
from equiconv.certification.interior.grids import Grid, embed, sample
from equiconv.certification.registry import RULES, Rule
from equiconv.graph import capture
from tests.certification.inside import attack
from tests.certification.networks import Net
from tests.certification.random_networks import Program
from tests.certification.test_architectures import generic

SHAPE = (24, 20)


def conv(a: int = 1, b: int = 2, k: int = 3, **options: object) -> nn.Conv2d:
    return nn.Conv2d(a, b, k, **options)  # type: ignore[arg-type]


def interior_of(net: nn.Module, x: Tensor, **options: object) -> Interior:
    found = certify(net.eval(), x, refute=False, **options).outputs[0].interior  # type: ignore[arg-type]
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
        counts = [
            range(-(abs(e.stop - e.start) // len(e.windows)), (e.stop - e.start) // len(e.windows) + 1) for e in extents
        ]
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
            x = torch.where(
                seen.reshape([-1 if a == extent.axis else 1 for a in range(len(self.shape))]),
                self.x,
                self.x + 1 + torch.rand_like(self.x),
            )
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


class Pyramid(nn.Module):
    """A head as DeepLab's: dilated branches side by side, one of them pooled over the image where asked, brought back to the input's size."""

    def __init__(self, pooled: bool) -> None:
        super().__init__()
        self.stem = conv(stride=2, padding=1)
        self.branches = nn.ModuleList([conv(2, 2, padding=d, dilation=d) for d in (1, 2, 3)])
        self.last, self.pooled = conv(8 if pooled else 6, 1, 1), pooled

    def forward(self, x: Tensor) -> Tensor:
        y = self.stem(x).tanh()
        parts = [branch(y).tanh() for branch in self.branches]
        if self.pooled:
            parts.append(F.interpolate(F.adaptive_avg_pool2d(y, 1), size=y.shape[2:], mode="bilinear"))
        return F.interpolate(self.last(torch.cat(parts, 1)), size=x.shape[2:], mode="bilinear")


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
        "stride 3 after 2": (
            Net(lambda x, c, d: d(c(x)), conv(stride=2, padding=1), conv(2, 2, stride=3, padding=2)),
            True,
        ),
        "dilation": (
            Net(lambda x, c, d: d(c(x).tanh()), conv(padding=2, dilation=2), conv(2, 2, dilation=3, padding=3)),
            True,
        ),
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
        "crops of one map, joined": (
            Net(lambda x, c: torch.cat([c(x)[:, :, 1:-1], c(x)[:, :, 2:]], 1), conv(padding=1)),
            True,
        ),
        "transposed": (
            Net(lambda x, c, d: d(c(x)), conv(stride=2, padding=1), nn.ConvTranspose2d(2, 1, 4, 2, 1)),
            True,
        ),
        "transposed with gaps": (Net(lambda x, d: d(x), nn.ConvTranspose2d(1, 1, 3, 3, 1, 1, dilation=2)), False),
        "nearest": (Net(lambda x, c: F.interpolate(c(x), scale_factor=2), conv(padding=1)), True),
        "nearest, then a convolution": (
            Net(lambda x, c, d: d(F.interpolate(c(x).tanh(), scale_factor=3)), conv(stride=2, padding=1), c22),
            True,
        ),
        "bilinear": (Net(lambda x, c: F.interpolate(c(x), scale_factor=2, mode="bilinear"), conv(padding=1)), True),
        "pooled and brought back": (
            Net(lambda x, c: c(F.interpolate(F.avg_pool2d(x, 2), scale_factor=2)), conv(padding=1)),
            True,
        ),
        "bicubic": (Net(lambda x: F.interpolate(x, scale_factor=2, mode="bicubic")), True),
        "bilinear by 3/2": (
            Net(lambda x, c: c(F.interpolate(x, size=(36, 30), mode="bilinear")), conv(padding=1)),
            True,
        ),
        "antialiased, halved": (
            Net(lambda x: F.interpolate(x, size=(12, 10), mode="bilinear", antialias=True)),
            False,
        ),
        "pixel shuffle": (
            Net(lambda x, c, d: d(F.pixel_shuffle(c(x), 2)), conv(1, 4, padding=1), conv(1, 1, padding=1)),
            True,
        ),
        "pixel unshuffle": (Net(lambda x, c: c(F.pixel_unshuffle(x, 2)), conv(4, 2, padding=1)), True),
        "space to depth by reshape": (
            Net(
                lambda x, c: c(x.reshape(1, 12, 2, 10, 2).permute(0, 2, 4, 1, 3).reshape(1, 4, 12, 10)),
                conv(4, 2, padding=1),
            ),
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
        "every third position by a table": (
            Net(lambda x, c: c(x)[:, :, torch.arange(1, 24, 3)], conv(padding=1)),
            True,
        ),
        "each position twice": (Net(lambda x, c: c(x).repeat_interleave(2, 3), conv(padding=1)), True),
        "windows": (Net(lambda x, c: c(x).unfold(2, 3, 2), conv(padding=1)), False),
        "dims exchanged": (Net(lambda x, c: c(x).transpose(2, 3), conv(padding=1, stride=(2, 1))), True),
        "windows of attention": (WindowAttention(False), True),
        "shifted windows of attention": (WindowAttention(True), False),
        "linear over channels": (Net(lambda x, c, n: n(c(x).movedim(1, -1)), c13, nn.Linear(3, 2)), True),
        "einsum over channels": (Net(lambda x, c: torch.einsum("bchw,c->bhw", c(x), three), c13), True),
        "dilated branches": (Pyramid(False), True),
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


def ends() -> dict[str, tuple[nn.Module, str, str, tuple[bool, bool]]]:
    """name: (network, operation that ends it, what it says, for each axis whether it is ended)."""
    torch.manual_seed(0)
    both = (True, True)
    squeeze = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Conv2d(2, 2, 1), nn.Sigmoid())
    position = torch.randn(1, 2, 24, 20, dtype=torch.float64)
    rows = torch.randn(24, 1, dtype=torch.float64)
    token, shuffle = torch.randn(1, 1, 2, dtype=torch.float64), torch.randperm(24)

    def tokens(x: Tensor) -> Tensor:
        return x.flatten(2).transpose(1, 2)

    def attend(x: Tensor) -> Tensor:
        t = tokens(x)
        return F.scaled_dot_product_attention(t, t, t)

    def attend_by_hand(x: Tensor) -> Tensor:
        t = tokens(x)
        return (t @ t.mT).softmax(-1) @ t

    c = conv(padding=1)
    return {
        "global pooling": (Net(lambda x, c: c(x).mean((2, 3)), c), "mean", "the whole height and width", both),
        "pooling of one axis": (Net(lambda x, c: c(x).mean(2), c), "mean", "the whole height", (True, False)),
        "squeeze and excite": (
            Net(lambda x, c, s: c(x) * s(c(x)), c, squeeze),
            "adaptive_avg_pool2d",
            "the whole height and width",
            both,
        ),
        "dilated branches and a pooled one": (Pyramid(True), "adaptive_avg_pool2d", "the whole height and width", both),
        "attention": (Net(lambda x, c: attend(c(x)), c), "scaled_dot_product_attention", "see every other", both),
        "attention by hand": (Net(lambda x, c: attend_by_hand(c(x)), c), "matmul", "see every other", both),
        "class token": (
            Net(lambda x, c: torch.cat([token, tokens(c(x))], 1), c),
            "cat",
            "joins others to a dim",
            both,
        ),
        "position embedding": (
            Net(lambda x, c: c(x) + position, c),
            "add",
            "to the next along the height and width",
            both,
        ),
        "row embedding": (Net(lambda x, c: c(x) + rows, c), "add", "differs from one position", (True, False)),
        "flattened": (Net(lambda x, c, n: n(c(x).flatten(1)), c, nn.Linear(960, 3)), "linear", "sums over", both),
        "group norm": (Net(lambda x, c, n: n(c(x)), c, nn.GroupNorm(1, 2)), "group_norm", "statistics", both),
        "instance norm": (Net(lambda x, c, n: n(c(x)), c, nn.InstanceNorm2d(2)), "instance_norm", "statistics", both),
        "uneven windows": (
            Net(lambda x, c: F.adaptive_avg_pool2d(c(x), (5, 7)), c),
            "adaptive",
            "different sizes",
            both,
        ),
        "corners aligned": (
            Net(lambda x, c: F.interpolate(c(x), scale_factor=2, mode="bilinear", align_corners=True), c),
            "upsample_bilinear2d",
            "weights that differ",
            both,
        ),
        "two steps": (
            Net(lambda x, c: c(x)[:, :, ::2] + c(x)[:, :, :12], c),
            "add",
            "different steps",
            (True, False),
        ),
        "reversed and added": (Net(lambda x, c: c(x) + c(x).flip(3), c), "add", "different steps", (False, True)),
        "transposed and added": (
            Net(lambda x: x[..., :20, :] + x[..., :20, :].mT),
            "add",
            "different steps",
            both,
        ),
        "one row": (Net(lambda x, c: c(x)[:, :, 3], c), "select", "fixed position", (True, False)),
        "one row, everywhere": (
            Net(lambda x, c: c(x) * c(x)[:, :, 3:4], c),
            "mul",
            "repeats one position",
            (True, False),
        ),
        "accumulated": (Net(lambda x, c: c(x).cumsum(3), c), "cumsum", "mixes", (False, True)),
        "sorted": (Net(lambda x, c: c(x).sort(2)[0], c), "sort", "orders", (True, False)),
        "shuffled": (
            Net(lambda x, c: c(x)[:, :, shuffle], c),
            "index",
            "does not repeat",
            (True, False),
        ),
        "positions of maxima": (
            Net(lambda x, c: F.max_pool2d(c(x), 2, return_indices=True)[1].to(x), c),
            "max_pool2d_with_indices",
            "counted from the border",
            both,
        ),
    }


@pytest.mark.parametrize("name", ends())
def test_what_ends_it_is_named(name: str) -> None:
    net, operation, reason, which = ends()[name]
    found = interior_of(net.double().eval(), torch.randn(1, 1, *SHAPE, dtype=torch.float64))
    assert tuple(e is not None for e in found.ended) == which
    for axis, e in enumerate(found.ended):
        if e is None:
            extent = found.extents[axis]
            assert extent is not None
            assert extent.stop > extent.start
            continue
        assert e.known
        assert operation in e.operation
        assert reason in e.reason
        assert e.source is not None
        assert e.before is not None
        assert e.before.axis == axis
    assert found.fraction == 0.0
    assert not found.exists


@pytest.mark.parametrize(
    "name", ["pooling of one axis", "row embedding", "two steps", "one row", "accumulated", "sorted"]
)
def test_the_other_axis_keeps_its_interior(name: str) -> None:
    trial = Trial(ends()[name][0])
    (extent,) = (e for e in trial.interior.extents if e is not None)
    assert trial.translated([extent]) <= trial.tolerance
    assert max(trial.outside(extent)) <= trial.tolerance
    assert all(trial.translated([more]) > 1e6 * trial.tolerance for more in grown(extent))


def test_an_operation_without_a_rule_is_not_known() -> None:
    net = Net(lambda x, c: torch.fft.fft2(c(x)).real, conv(padding=1))
    found = interior_of(net, torch.randn(1, 1, *SHAPE))
    assert not found.known
    assert "fft" in str(found)
    assert str(found).startswith("not known")
    assert found.receptive_field == (3, 3)  # of the tensor before it


def test_an_interior_can_be_empty() -> None:
    net = nn.Sequential(*(conv(1, 1, 5, padding=2) for _ in range(6)))
    found = interior_of(net, torch.randn(1, 1, *SHAPE))
    assert not found.exists
    assert not any(found.ended)
    assert (found.fraction, found.receptive_field) == (0.0, (25, 25))
    assert str(found).startswith("empty")


def test_constants_and_unmoved_inputs() -> None:
    class Scaled(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.body = conv(padding=1)

        def forward(self, x: Tensor, scale: Tensor) -> tuple[Tensor, Tensor]:
            return self.body(x) * scale.reshape(1, 2, 1, 1), scale + 1

    outputs = certify(Scaled().eval(), (torch.randn(1, 1, *SHAPE), torch.randn(2)), refute=False).outputs
    assert outputs[0].interior is not None
    assert [(e.start, e.stop) for e in outputs[0].interior.extents if e] == [(1, 23), (1, 19)]
    assert outputs[1].interior is not None
    assert str(outputs[1].interior) == "does not depend on positions of the image"


def test_a_network_that_changes_itself_claims_nothing() -> None:
    class Counting(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.body = conv(padding=1)
            self.register_buffer("calls", torch.zeros(()))

        def forward(self, x: Tensor) -> Tensor:
            self.calls.add_(1)
            return self.body(x) * self.calls

    assert certify(Counting().eval(), torch.randn(1, 1, *SHAPE), refute=False).outputs[0].interior is None


def test_weights_that_are_not_to_be_used_end_it_where_they_may_differ() -> None:
    class Embedded(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.position = nn.Parameter(torch.ones(1, 1, *SHAPE))

        def forward(self, x: Tensor) -> Tensor:
            return x + self.position

    x = torch.randn(1, 1, *SHAPE)
    assert interior_of(Embedded().eval(), x).fraction == 1.0
    assert interior_of(Embedded().eval(), x, weights="generic").ended[0] is not None


@pytest.mark.parametrize("padding", ["as-is", "circular"])
def test_what_wraps_is_no_neighbour(padding: str) -> None:
    found = interior_of(conv(padding=1), torch.randn(1, 1, *SHAPE), padding=padding)
    assert [(e.start, e.stop) for e in found.extents if e] == [(1, 23), (1, 19)]


def test_one_axis_and_three() -> None:
    line = certify(nn.Conv1d(1, 2, 3, stride=2, padding=1).eval(), torch.randn(1, 1, 16), axes=-1, refute=False)
    assert "positions 1…7 of 8" in str(line.outputs[0].interior)
    cube = certify(nn.Conv3d(1, 2, 3, padding=1).eval(), torch.randn(1, 1, 6, 5, 4), axes=(-3, -2, -1), refute=False)
    assert cube.outputs[0].interior is not None
    assert cube.outputs[0].interior.fraction == pytest.approx(4 * 3 * 2 / (6 * 5 * 4))


def test_it_is_printed_saved_and_loaded(tmp_path: Path) -> None:
    x = torch.randn(1, 1, 48, 40)
    for net in (Unet("nearest"), ends()["squeeze and excite"][0]):
        certificate = certify(net.float().eval(), x, refute=False)
        loaded = Certificate.load(certificate.save(tmp_path / "c.json"))
        assert loaded.outputs == certificate.outputs
        assert str(loaded.outputs[0].interior) in str(certificate)


def test_a_forged_interior_is_refused(tmp_path: Path) -> None:
    net, x = conv(padding=1).eval(), torch.randn(1, 1, *SHAPE)
    certificate = certify(net, x, refute=False)
    assert certificate.verify(net, x)
    output = certificate.outputs[0]
    assert output.interior is not None
    extent = output.interior.extents[0]
    assert extent is not None
    forged = replace(output.interior, extents=(replace(extent, start=0), output.interior.extents[1]))
    report = replace(certificate, outputs=(replace(output, interior=forged),)).verify(net, x)
    assert report.failures == ("verdict",)
    assert "interior.extents[0].start: 0 in the certificate, 1 follows" in str(report)
    with pytest.raises(ValueError, match="an interval inside its positions"):
        replace(extent, stop=25)


# Random networks, and the tester -----------------------------------------------------------------------------------------

SHAPES = [(12, 8), (9, 4), (16, 6), (10, 10)]
NETWORKS = int(os.environ.get("EQUICONV_RANDOM_NETWORKS", "96")) // 3


def test_no_claim_of_a_random_network_is_contradicted() -> None:
    compared = 0
    for seed in range(NETWORKS):
        shape = SHAPES[seed % len(SHAPES)]
        net = Program(seed, shape, length=2 + seed % 6).eval()
        report = attack(net, shape, channels=2, seed=seed)
        assert not report.violations, f"seed {seed}, {shape}: {report.violations[:3]}\n  {net.text}"
        compared += report.compared
    assert compared > 20 * NETWORKS  # the attack is no attack when nothing is claimed


@pytest.mark.parametrize(
    "name", ["rolled", "joined with a border", "reversed", "nearest", "pixel unshuffle", "reflect"]
)
def test_the_attack_finds_nothing_of_true_claims(name: str) -> None:
    report = attack(nets()[name][0], SHAPE)
    assert report.compared > 50
    assert not report.violations


def _padding_forgotten(
    scan: object, dim: object, out: int, kernel: int, stride: int, before: int = 0, *rest: object
) -> object:
    return windows.read(scan, dim, out, [range(kernel)], stride, "convolves")  # type: ignore[arg-type]


def _wider(grid: Grid, size: int, reads: object, advance: int, good: object = None) -> Grid | None:
    found = sample(grid, size, reads, advance, good)  # type: ignore[arg-type]
    return found and replace(found, stop=min(found.size, found.stop + 1))


def _narrower(grid: Grid, size: int, reads: object, advance: int, good: object = None) -> Grid | None:
    found = sample(grid, size, reads, advance, good)  # type: ignore[arg-type]
    return found and replace(found, windows=tuple((lo, max(lo, hi - 1)) for lo, hi in found.windows))


def _one_phase(grid: Grid, size: int, reads: object, advance: int, good: object = None) -> Grid | None:
    found = sample(grid, size, reads, advance, good)  # type: ignore[arg-type]
    lows, highs = zip(*found.windows, strict=True) if found else ((), ())
    return found and replace(found, windows=((min(lows), max(highs)),))


FALSE: dict[str, tuple[str, object, str]] = {
    "padding is forgotten": ("slide", _padding_forgotten, "zero padding"),
    "an interior of one position more": ("sample", _wider, "zero padding"),
    "a window of one entry less": ("sample", _narrower, "stride"),
    "both phases of an upsampling are one function": ("sample", _one_phase, "pooled and brought back"),
    "what a pad brings is clean": (
        "embed",
        lambda g, size, offset: replace(embed(g, size, offset), start=0, stop=size),
        "reflect",
    ),
}


@pytest.mark.parametrize("name", FALSE)
def test_the_attack_catches_false_rules(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    function, wrong, network = FALSE[name]
    assert not attack(nets()[network][0], SHAPE).violations
    monkeypatch.setattr(windows, function, wrong)
    assert attack(nets()[network][0], SHAPE).violations


# Real networks -----------------------------------------------------------------------------------------------------------

HAS_TIMM = importlib.util.find_spec("timm") is not None and importlib.util.find_spec("torchvision") is not None
needs_timm = pytest.mark.skipif(not HAS_TIMM, reason="timm is not installed: pip install 'equiconv[models]'")


def seen(net: nn.Module, x: Tensor, output: int, dim: int, position: int, axis: int) -> tuple[int, int]:
    """First and last input position along an axis of which the gradient of a random sum of the outputs at a position is not zero."""
    x = x.clone().requires_grad_()
    y = net(x)
    y = (y[output] if isinstance(y, (list, tuple)) else y).select(dim, position)
    (gradient,) = torch.autograd.grad((y * torch.randn_like(y)).sum(), x)
    hit = gradient.abs().amax([d for d in range(x.ndim) if d != 2 + axis]) > 0
    at = hit.nonzero().reshape(-1)
    return int(at[0]), int(at[-1])


@needs_timm
@pytest.mark.parametrize(
    ("name", "size", "fields"),
    [
        # input positions from the first to the last that an output sees; with the strides of ResNet-50 in its 3 × 3 convolutions, not in the 1 × 1 before
        ("resnet18", 512, [7, 43, 99, 211, 435]),
        ("resnet50", 512, [7, 35, 91, 267, 427]),
        ("vgg16", 224, [5, 14, 40, 92, 196, 212]),
        ("convnext_atto", 288, [52, 152, 736, 1136]),
    ],
)
def test_receptive_fields_of_known_networks(name: str, size: int, fields: list[int]) -> None:
    import timm

    torch.manual_seed(0)
    net = generic(timm.create_model(name, features_only=True))  # a scale of zero at first would hide what a block sees
    x = torch.randn(1, 3, size, size)
    outputs = certify(net, x, refute=False).outputs
    assert [o.interior.receptive_field for o in outputs if o.interior] == [(f, f) for f in fields]
    for i, o in enumerate(outputs):
        assert o.interior is not None
        for e in o.interior.extents:
            assert e is not None
            if e.stop > e.start:
                position = (e.start + e.stop - 1) // 2
                assert seen(net, x, i, e.dim, position, e.axis) == e.window(position)


@needs_timm
def test_what_ends_real_networks() -> None:
    import timm

    found = {}
    for name in ("resnet18", "mobilenetv3_small_050", "vit_tiny_patch16_224"):
        found[name] = interior_of(timm.create_model(name).eval(), torch.randn(1, 3, 224, 224))
        assert found[name].known
        assert all(found[name].ended)
    first = {name: e.ended[0] for name, e in found.items()}
    assert first["resnet18"].module == "global_pool.pool"  # type: ignore[union-attr]
    assert found["resnet18"].receptive_field == (435, 435)
    assert first["mobilenetv3_small_050"].module == "blocks.0.0.se"  # type: ignore[union-attr]
    assert "vision_transformer.py" in first["vit_tiny_patch16_224"].source.file  # type: ignore[union-attr]


@needs_timm
def test_resnet18_is_exact_inside_and_not_beside_it() -> None:
    import timm

    torch.manual_seed(0)
    net = generic(timm.create_model("resnet18", features_only=True, out_indices=(2,))).double()
    big = torch.randn(1, 3, 288, 224, dtype=torch.float64)
    e = interior_of(net, big[:, :, :224]).extents[0]
    assert e is not None
    assert (e.stride, e.start, e.stop) == (8, 7, 22)
    with torch.no_grad():
        a, b = (net(big[:, :, k : k + 224])[0] for k in (0, 8))  # the second image is the first moved up by 8
    # Beside the interior the border is seen through the edge of a window, which weighs little.
    error = (a[:, :, 1:] - b[:, :, :-1]).abs().amax((0, 1, 3))  # rows u + 1 of the first, u of the second
    scale = float(a.abs().max())
    assert float(error[e.start : e.stop - 1].max()) < 1e-12 * scale
    assert float(error[e.start - 1]) > 1e-9 * scale
    assert float(error[e.stop - 1]) > 1e-9 * scale


# The table ---------------------------------------------------------------------------------------------------------------


def nameless(rules: dict[str, Rule]) -> list[str]:
    """Names in the table that are none of the certifier's rules: a rule that was renamed or moved takes the interior of its operations with it."""
    named = {name for operation, rule in rules.items() for name in (operation, table.name_of(rule))}
    return sorted(name for name in table.known() if name not in named)


def test_every_name_in_the_table_is_a_rule_of_the_certifier() -> None:
    assert not nameless(RULES)
    without = {name: r for name, r in RULES.items() if r.transfer.__name__ != "linear"}
    assert nameless(without) == ["contraction.linear"]


def test_every_operation_that_acts_entry_by_entry_has_a_rule() -> None:
    elsewhere = (
        "spectral.parts",
        "spectral.whole",
        "pointwise.fill",
        "pointwise.made_like",
    )  # other dims, or no operand that moves
    assert not {
        name
        for operation, rule in RULES.items()
        if (name := table.name_of(rule)).startswith(("pointwise.", "spectral."))
        and not name.startswith(elsewhere)
        and not table.known() & {name, operation}
    }
