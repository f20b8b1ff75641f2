"""Small networks for operations beyond convolution and pooling: transposed, recurrent, gathering, attention of all kinds, U-Nets."""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tests.certification.networks import Net, circular, conv

Case = tuple[nn.Module, tuple[int, int], str]


class Rows(nn.Module):
    """A recurrent layer along the rows of an image, or along its columns."""

    def __init__(self, layer: nn.Module, along: int) -> None:
        super().__init__()
        self.layer, self.along = layer, along

    def forward(self, x: Tensor) -> Tensor:
        lines = x[:, 0].movedim(self.along, -1).reshape(-1, x.shape[self.along + 1], 1)
        return self.layer(lines)[0]


class UNet(nn.Module):
    """One level down and up again, with a skip connection."""

    def __init__(self, up: nn.Module) -> None:
        super().__init__()
        self.down, self.up = circular(stride=2), up
        self.head = nn.Conv2d(3, 2, 3, padding=1, padding_mode="circular")

    def forward(self, x: Tensor) -> Tensor:
        return self.head(torch.cat([x, self.up(self.down(x).relu())], 1))


class WindowAttention(nn.Module):
    """Attention inside windows of 4 × 4 with a bias for each relative position; ``grid``: among the places 4 windows apart; ``roll``: shifted windows."""

    def __init__(self, grid: bool = False, roll: int = 0, mask: bool = False) -> None:
        super().__init__()
        self.grid, self.roll, self.mask = grid, roll, mask
        self.qkv = nn.Linear(1, 6)
        self.table = nn.Parameter(torch.randn(49))
        y, x = torch.meshgrid(torch.arange(4), torch.arange(4), indexing="ij")
        spots = torch.stack([y.flatten(), x.flatten()])
        apart = spots[:, :, None] - spots[:, None, :] + 3
        self.register_buffer("index", apart[0] * 7 + apart[1])

    def forward(self, x: Tensor) -> Tensor:
        b, _, h, w = x.shape
        x = torch.roll(x, (-self.roll, -self.roll), (2, 3)).permute(0, 2, 3, 1)
        if self.grid:
            t = x.view(b, 4, h // 4, 4, w // 4, 1).permute(0, 2, 4, 1, 3, 5)
        else:
            t = x.view(b, h // 4, 4, w // 4, 4, 1).permute(0, 1, 3, 2, 4, 5)
        q, k, v = self.qkv(t.reshape(-1, 16, 1)).chunk(3, -1)
        scores = q @ k.transpose(1, 2) + self.table[self.index.flatten()].view(16, 16)
        if self.mask:
            groups = torch.arange(6) // 2
            scores = scores + (groups[:, None, None] * (torch.arange(16) > 7)).to(scores.dtype)
        y = (scores.softmax(-1) @ v)[..., :1]
        if self.grid:
            y = y.view(b, h // 4, w // 4, 4, 4, 1).permute(0, 3, 1, 4, 2, 5)
        else:
            y = y.view(b, h // 4, w // 4, 4, 4, 1).permute(0, 1, 3, 2, 4, 5)
        y = y.reshape(b, h, w, 1).permute(0, 3, 1, 2)
        return torch.roll(y, (self.roll, self.roll), (2, 3))


def _linear_attention(x: Tensor, qkv: nn.Module) -> Tensor:
    q, k, v = qkv(x.flatten(2).transpose(1, 2)).chunk(3, -1)
    q, k = F.elu(q) + 1, F.elu(k) + 1
    return (q @ (k.transpose(1, 2) @ v)) / (q @ k.sum(1, keepdim=True).transpose(1, 2))


def _asymmetric(x: Tensor, q: nn.Module, kv: nn.Module) -> Tensor:
    """LeViT: queries from every other position, keys and values from all."""
    tokens = x.flatten(2).transpose(1, 2)
    fewer = x[:, :, ::2, ::2].flatten(2).transpose(1, 2)
    k, v = kv(tokens).chunk(2, -1)
    return F.scaled_dot_product_attention(q(fewer), k, v)


def _merge(x: Tensor, l: nn.Module) -> Tensor:
    """Swin: four neighbours side by side as channels."""
    t = x.permute(0, 2, 3, 1)
    return l(torch.cat([t[:, i::2, j::2] for i in (0, 1) for j in (0, 1)], -1)).relu()


def _written(x: Tensor, write: Callable[[Tensor], object]) -> Tensor:
    y = x.clone()
    write(y)
    return y


def _toroidal(h: int, w: int) -> Tensor:
    """A bias for each pair of positions of an h × w torus that depends on their difference only."""
    table = torch.randn(h, w)
    y, x = torch.meshgrid(torch.arange(h), torch.arange(w), indexing="ij")
    y, x = y.flatten(), x.flatten()
    return table[(y[:, None] - y) % h, (x[:, None] - x) % w]


def cases() -> dict[str, Case]:
    """name: (network, strides that hold on a 12 × 8 torus, kind), as in networks.py."""
    torch.manual_seed(0)
    gap = lambda y: y.mean((2, 3))  # noqa: E731
    three = nn.Conv2d(1, 3, 3, padding=1, padding_mode="circular")
    four = nn.Conv2d(1, 4, 3, padding=1, padding_mode="circular")
    grid = torch.rand(1, 5, 4, 2) * 2 - 1
    toroidal, plain = _toroidal(12, 8), torch.randn(96, 96)
    factor = torch.randn(2, 2)
    embedding = torch.randn(1, 1, 4, 4).repeat(1, 1, 3, 2).flatten(2).mT
    reverse = torch.arange(7, -1, -1).expand(1, 1, 12, 8)
    ramp = torch.arange(12.0)
    up = lambda **o: nn.ConvTranspose2d(2, 2, **o)  # noqa: E731
    every = lambda x, source: _written(x, lambda y: y[..., 1::2].copy_(source))  # noqa: E731
    return {
        # transposed convolution
        "transposed, side by side": (
            Net(lambda x, c: c(x).relu(), nn.ConvTranspose2d(1, 2, 2, 2)),
            (1, 1),
            "equivariant",
        ),
        "transposed with gaps": (
            Net(lambda x, c: c(x).relu(), nn.ConvTranspose2d(1, 2, 1, 2, output_padding=1)),
            (1, 1),
            "equivariant",
        ),
        "transposed of a halo, then valid": (
            Net(
                lambda x, a, c: c(a(F.pad(x, (1, 1, 1, 1), mode="circular")))[:, :, 1:-1, 1:-1].relu(),
                nn.ConvTranspose2d(1, 2, 2, 2),
                nn.Conv2d(2, 1, 3),
            ),
            (1, 1),
            "equivariant",
        ),
        "transposed, a concatenation": (
            Net(
                lambda x, a: a(torch.cat([x, torch.ones(1, 1, 3, 8).to(x)], 2)).relu().sum((2, 3)),
                nn.ConvTranspose2d(1, 2, 2, 2),
            ),
            (1, 1),
            "invariant",
        ),
        "transposed, a gap short": (Net(lambda x, c: c(x).relu(), nn.ConvTranspose2d(1, 2, 1, 2)), (12, 8), "none"),
        "transposed, overlapping": (Net(lambda x, c: c(x).relu(), nn.ConvTranspose2d(1, 2, 4, 2, 1)), (12, 8), "none"),
        "transposed, overlapping, pooled": (
            Net(lambda x, c: gap(c(x).relu()), nn.ConvTranspose2d(1, 2, 4, 2, 1)),
            (12, 8),
            "none",
        ),
        "transposed of stride 1": (Net(lambda x, c: c(x).relu(), nn.ConvTranspose2d(1, 2, 3, 1, 1)), (12, 8), "none"),
        "transposed, wrapped by hand": (
            Net(lambda x, c: c(F.pad(x, (1, 1, 1, 1), mode="circular")).relu(), nn.ConvTranspose2d(1, 2, 4, 2, 3)),
            (1, 1),
            "equivariant",
        ),
        "transposed, wrapped and cut one too few": (
            Net(lambda x, c: c(F.pad(x, (1, 1, 1, 1), mode="circular")).relu(), nn.ConvTranspose2d(1, 2, 4, 2, 1)),
            (12, 8),
            "none",
        ),
        "transposed and dilated, wrapped by hand": (
            Net(
                lambda x, c: c(F.pad(x, (2, 2, 2, 2), mode="circular")).relu(),
                nn.ConvTranspose2d(1, 2, 2, 2, 5, dilation=3, output_padding=1),
            ),
            (12, 8),
            "none",
        ),
        "down and up again": (
            Net(lambda x, a, c: c(a(x)).relu(), circular(stride=2), up(kernel_size=2, stride=2)),
            (2, 2),
            "equivariant",
        ),
        "up by 3 after down by 2": (
            Net(lambda x, a, c: c(a(x)).relu(), circular(stride=2), up(kernel_size=3, stride=3)),
            (2, 2),
            "equivariant",
        ),
        "fold of columns": (
            Net(
                lambda x: F.fold(
                    (F.unfold(x, 2, stride=2) * torch.arange(1.0, 5.0)[:, None]).relu(), (12, 8), 2, stride=2
                )
            ),
            (2, 2),
            "equivariant",
        ),
        "fold, overlapping": (
            Net(lambda x: F.fold(F.unfold(x, 3, padding=1).relu(), (12, 8), 3, padding=1)),
            (12, 8),
            "none",
        ),
        "max unpool": (
            Net(lambda x: F.max_unpool2d(*F.max_pool2d(x, 2, return_indices=True), 2)),
            (12, 8),
            "none",
        ),
        # U-Nets
        "U-Net, transposed": (UNet(up(kernel_size=2, stride=2)), (2, 2), "equivariant"),
        "U-Net, nearest": (UNet(nn.Upsample(scale_factor=2)), (2, 2), "equivariant"),
        "U-Net, bilinear": (UNet(nn.Upsample(scale_factor=2, mode="bilinear")), (12, 8), "none"),
        "U-Net, overlapping": (UNet(up(kernel_size=4, stride=2, padding=1)), (12, 8), "none"),
        "U-Net, pixel shuffle": (
            UNet(nn.Sequential(nn.Conv2d(2, 8, 1), nn.PixelShuffle(2))),
            (2, 2),
            "equivariant",
        ),
        # recurrent
        "LSTM along rows": (Rows(nn.LSTM(1, 3, 2, batch_first=True), 2), (1, 8), "equivariant"),
        "LSTM along columns, both ways": (
            Rows(nn.LSTM(1, 2, batch_first=True, bidirectional=True), 1),
            (12, 1),
            "equivariant",
        ),
        "GRU along rows": (Rows(nn.GRU(1, 3, batch_first=True), 2), (1, 8), "equivariant"),
        "RNN over channels": (
            Net(lambda x, c, r: r(c(x).permute(1, 2, 3, 0).reshape(3, 96, 1))[1], three, nn.RNN(1, 2)),
            (1, 1),
            "equivariant",
        ),
        "LSTM that starts from the image": (
            Net(
                lambda x, c, r: r(
                    c(x).flatten(2).permute(1, 2, 0), (x.flatten(2).expand(1, 2, 96).mT.reshape(1, 96, 2),) * 2
                )[0],
                three,
                nn.LSTM(1, 2),
            ),
            (1, 1),
            "equivariant",
        ),
        "LSTM that starts from one state a row": (
            Net(
                lambda x, r: r(x[0, 0].T[..., None], ramp.to(x).view(1, 12, 1) * torch.ones(1, 1, 2).to(x))[0],
                nn.GRU(1, 2),
            ),
            (12, 8),
            "none",
        ),
        # reading and writing at places
        "gather channels": (
            Net(lambda x, c: c(x).gather(1, c(x).argmax(1, keepdim=True)), three),
            (1, 1),
            "equivariant",
        ),
        "gather positions": (Net(lambda x: (x.gather(3, reverse) * 2 + x).relu()), (1, 8), "equivariant"),
        "sorted channels": (
            Net(lambda x, c: torch.take_along_dim(c(x), c(x).argsort(1), 1), three),
            (1, 1),
            "equivariant",
        ),
        "one hot": (
            Net(lambda x, c: F.one_hot(c(x).argmax(1), 3).float() + 0 * x[:, 0, ..., None], three),
            (1, 1),
            "equivariant",
        ),
        "a table read at places": (
            Net(lambda x, c: torch.arange(3.0).to(x)[c(x).argmax(1)] * x[:, 0], three),
            (1, 1),
            "equivariant",
        ),
        "channels read at places": (
            Net(lambda x, c: c(x)[:, c(x).mean((0, 2, 3)).argsort()], three),
            (1, 1),
            "equivariant",
        ),
        "rows read at places of the image": (
            Net(lambda x: x[:, :, x.mean((0, 1, 3)).argsort()]),
            (12, 1),
            "equivariant",
        ),
        "top channel kept": (
            Net(
                lambda x, c: torch.zeros(1, 3, 12, 8).to(x).scatter(1, c(x).topk(2, 1)[1], c(x).topk(2, 1)[0]),
                three,
            ),
            (1, 1),
            "equivariant",
        ),
        "added up by channel": (
            Net(lambda x, c: torch.zeros(1, 3, 12, 8).to(x).scatter_add(1, c(x).argmax(1, keepdim=True), x), three),
            (1, 1),
            "equivariant",
        ),
        "scattered positions": (
            Net(lambda x: torch.zeros_like(x).scatter(3, torch.arange(8).roll(1).expand(1, 1, 12, 8), x)),
            (1, 8),
            "equivariant",
        ),
        "scattered to a corner": (
            Net(lambda x: x.scatter(1, torch.zeros(1, 1, 5, 8, dtype=torch.int64), 1.0)),
            (12, 8),
            "none",
        ),
        "overwritten where positive": (
            Net(lambda x: _written(x, lambda y: y.__setitem__(y > 0, 2.0))),
            (1, 1),
            "equivariant",
        ),
        "overwritten channels": (
            Net(lambda x, c: _written(c(x), lambda y: y.__setitem__((slice(None), [2, 0]), y[:, :2] * 2)), three),
            (1, 1),
            "equivariant",
        ),
        "overwritten columns": (
            Net(lambda x: _written(x, lambda y: y.__setitem__((..., [2, 0]), 1.0))),
            (1, 8),
            "equivariant",
        ),
        "scattered under a mask": (Net(lambda x: x.masked_scatter(x > 0, x.abs() + 1)), (12, 8), "none"),
        "every other column overwritten": (Net(lambda x: every(x, x[..., ::2].relu())), (1, 2), "equivariant"),
        "every other column is one": (Net(lambda x: every(x, torch.ones(1))), (1, 2), "equivariant"),
        "every other column from the wrong ones": (
            Net(lambda x: every(x, x[..., :4].relu())),
            (1, 8),
            "equivariant",
        ),
        "two images interleaved": (
            Net(lambda x: every(torch.zeros(1, 1, 12, 16).to(x), x)),
            (1, 1),
            "equivariant",
        ),
        # products
        "gated": (Net(lambda x, c: F.glu(c(x), 1), four), (1, 1), "equivariant"),
        "gated by a half of the image": (Net(lambda x: F.glu(x, 3)), (1, 8), "equivariant"),
        "tensordot": (Net(lambda x: torch.tensordot(x, x, ([0, 1, 3], [0, 1, 3]))), (1, 1), "equivariant"),
        "outer product": (Net(lambda x: torch.outer(x.mean((0, 1, 2)), x.mean((0, 1, 3)))), (1, 1), "equivariant"),
        "Kronecker product": (Net(lambda x: torch.kron(x[0, 0], factor.to(x)).relu()), (1, 1), "equivariant"),
        "distances between rows": (Net(lambda x: torch.cdist(x, x)), (1, 1), "equivariant"),
        "diagonal of a Gram matrix": (
            Net(lambda x: torch.einsum("bcii->bci", x.mT @ x)),
            (1, 1),
            "equivariant",
        ),
        "trace of a Gram matrix": (Net(lambda x: torch.einsum("bcii->bc", x.mT @ x)), (1, 1), "invariant"),
        "diagonal of an image": (Net(lambda x: torch.diagonal(x[:, :, :8], 0, 2, 3)), (12, 8), "none"),
        "lower triangle of a Gram matrix": (Net(lambda x: (x.mT @ x).tril()), (1, 8), "invariant"),
        "bilinear layer": (
            Net(lambda x, l: l(x.permute(0, 2, 3, 1), x.permute(0, 2, 3, 1)), nn.Bilinear(1, 1, 2)),
            (1, 1),
            "equivariant",
        ),
        "kernel from the image": (
            Net(
                lambda x, l: F.conv2d(
                    F.pad(x, (1,) * 4, mode="circular"), l(x.mean((1, 2, 3))[:, None]).view(2, 1, 3, 3)
                ),
                nn.Linear(1, 18),
            ),
            (1, 1),
            "equivariant",
        ),
        "kernel cut from the image": (
            Net(lambda x: F.conv2d(F.pad(x, (1,) * 4, mode="circular"), x[:, :, :3, :3])),
            (12, 8),
            "none",
        ),
        # statistics
        "batch statistics": (
            Net(lambda x, c, b: b(c(x)), circular(), nn.BatchNorm2d(2, track_running_stats=False)),
            (1, 1),
            "equivariant",
        ),
        "batch statistics of a crop": (
            Net(lambda x, c, b: gap(b(c(x)).relu()), conv(), nn.BatchNorm2d(2, track_running_stats=False)),
            (12, 8),
            "none",
        ),
        "variance and mean": (Net(lambda x: torch.cat(torch.var_mean(x, (2, 3)), 1)), (1, 1), "invariant"),
        "median": (Net(lambda x: x.median() + x.kthvalue(3, 3)[0].median()), (1, 1), "invariant"),
        "largest channel so far": (Net(lambda x, c: c(x).cummax(1)[0], three), (1, 1), "equivariant"),
        # coordinates
        "sampled at coordinates": (
            Net(lambda x: F.grid_sample(x, grid.to(x), align_corners=False)),
            (12, 8),
            "none",
        ),
        "a pooled map sampled at coordinates": (
            Net(
                lambda x, l: F.grid_sample(
                    l(gap(x)).view(1, 1, 3, 3),
                    F.affine_grid(l(gap(x))[:, :6].view(1, 2, 3), (1, 1, 4, 4), align_corners=False),
                    align_corners=False,
                ),
                nn.Linear(1, 9),
            ),
            (1, 1),
            "invariant",
        ),
        # attention
        "linear attention": (Net(_linear_attention, nn.Linear(1, 6)), (1, 1), "equivariant"),
        "asymmetric attention": (Net(_asymmetric, nn.Linear(1, 2), nn.Linear(1, 4)), (2, 2), "equivariant"),
        "shared heads": (
            Net(lambda x, c: F.scaled_dot_product_attention(c(x), c(x)[:, :2], c(x)[:, :2], enable_gqa=True), four),
            (1, 1),
            "equivariant",
        ),
        "window attention": (WindowAttention(), (4, 4), "equivariant"),
        "shifted windows": (WindowAttention(roll=2), (4, 4), "equivariant"),
        "shifted windows with a mask": (WindowAttention(roll=2, mask=True), (12, 4), "equivariant"),
        "bias of relative positions on a torus": (
            Net(
                lambda x: F.scaled_dot_product_attention(
                    x.flatten(2).mT, x.flatten(2).mT, x.flatten(2).mT, attn_mask=toroidal.to(x)
                )
            ),
            (1, 1),
            "equivariant",
        ),
        "bias of pairs of positions": (
            Net(
                lambda x: F.scaled_dot_product_attention(
                    x.flatten(2).mT, x.flatten(2).mT, x.flatten(2).mT, attn_mask=plain.to(x)
                )
            ),
            (12, 8),
            "none",
        ),
        "multi-head attention": (
            Net(
                lambda x, c, m: m(*[c(x).flatten(2).mT] * 3)[0],
                four,
                nn.MultiheadAttention(4, 2, batch_first=True),
            ),
            (1, 1),
            "equivariant",
        ),
        "a transformer layer": (
            Net(lambda x, c, m: m(c(x).flatten(2).mT), four, nn.TransformerEncoderLayer(4, 2, 8, batch_first=True)),
            (1, 1),
            "equivariant",
        ),
        "patch merging": (Net(_merge, nn.Linear(4, 3)), (2, 2), "equivariant"),
        # positions
        "a transformer with a position embedding of period 4": (
            Net(
                lambda x, p, m: m(p(x).flatten(2).mT + embedding.to(x)).relu(),
                nn.Conv2d(1, 4, 1),
                nn.TransformerEncoderLayer(4, 2, 8, batch_first=True),
            ),
            (4, 4),
            "equivariant",
        ),
        "coordinates beside the image": (
            Net(
                lambda x, c: c(
                    torch.cat(
                        [
                            x,
                            *(
                                g[None, None].to(x)
                                for g in torch.meshgrid(torch.arange(12.0), torch.arange(8.0), indexing="ij")
                            ),
                        ],
                        1,
                    )
                ).relu(),
                nn.Conv2d(3, 2, 1),
            ),
            (12, 8),
            "none",
        ),
        "coordinates modulo 4": (
            Net(lambda x: (x + torch.arange(12).to(x)[:, None] % 4 * (torch.arange(8) % 2)).relu()),
            (4, 2),
            "equivariant",
        ),
    }
