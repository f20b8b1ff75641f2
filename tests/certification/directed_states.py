"""Small networks, each of which needs one loss or one weakened claim of the certifier: without it, something false would be claimed of them."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tests.certification.networks import Net, circular


def _copies_cut(x: Tensor) -> Tensor:
    blocks = x.reshape(1, 1, 12, 4, 2)
    return (blocks.unsqueeze(3) * blocks.unsqueeze(4)).reshape(1, 1, 12, 2, 2, 4, 2)


def _doubled_half(x: Tensor, token: Tensor) -> Tensor:
    half = torch.cat([token, x[..., :4]], 3) * 2
    return torch.cat([half[..., 2:], x[..., 4:]], 3)


def _circulant_on_crops(x: Tensor) -> Tensor:
    """A constant that one shift of two reversed crops leaves alone, and a multiple of that shift does not."""
    crop = F.max_pool2d(x, (1, 2)).mean(2).flip(2)[..., :3]
    places = torch.arange(3)
    table = crop.unsqueeze(3) * crop.unsqueeze(2) + (places[:, None] - places).remainder(3)
    return table + (x * torch.arange(8).remainder(4)).mean((2, 3), keepdim=True)


def directed() -> dict[str, tuple[nn.Module, tuple[int, int], str]]:
    """name: (network, strides that hold on a 12 × 8 torus, kind), as :func:`~tests.certification.networks.cases`."""
    token = torch.arange(1.0, 3.0).expand(1, 1, 12, 2)
    ends = torch.cat([token[0, 0, 0], torch.zeros(8), token[0, 0, 0]])
    draw = torch.Generator().manual_seed(3)
    queries, keys = torch.randn(1, 5, 3, generator=draw), torch.randn(1, 2, 3, generator=draw)
    return {
        # moves
        "an average pool over a crop inside": (
            Net(lambda x: F.avg_pool1d(x[..., :5].flatten(2), 5, 5)),
            (1, 8),
            "equivariant",
        ),
        "circular padding of a crop": (Net(lambda x, c: c(x[..., :6]).relu(), circular()), (1, 8), "equivariant"),
        "a slice of a spectrum of rows": (
            Net(lambda x: torch.fft.fft(x, dim=3).flatten(2)[..., 1::8].real),
            (1, 8),
            "equivariant",
        ),
        "a spectrum out of order, cut": (
            Net(lambda x: torch.fft.fft(x, dim=3)[..., [0, 1, 3, 2, 4, 5, 6, 7]].reshape(1, 1, 12, 4, 2).real),
            (1, 8),
            "equivariant",
        ),
        "softmax over a lower digit": (Net(lambda x: x.reshape(1, 1, 12, 4, 2).softmax(4)), (1, 2), "equivariant"),
        "a scalar of one position": (Net(lambda x: x[:, :, 3:4, 2:3].reshape(())), (12, 8), "none"),
        "a crop in blocks": (Net(lambda x: x[..., :4].reshape(1, 1, 12, 2, 2).relu()), (1, 8), "equivariant"),
        "two images side by side, taken apart": (
            Net(lambda x: torch.cat([x, x.relu()], 3).reshape(1, 1, 12, 2, 8)),
            (1, 1),
            "equivariant",
        ),
        # alignment
        "a column beside every column": (Net(lambda x: x[..., 3:4] + x), (1, 8), "equivariant"),
        "blocks of 3 beside blocks of 4": (
            Net(lambda x: x.reshape(1, 1, 4, 3, 8) + x.reshape(1, 1, 3, 4, 8).transpose(2, 3)),
            (12, 1),
            "equivariant",
        ),
        "crops of two signals": (Net(lambda x: x[..., :4] + x.relu()[..., :4]), (1, 8), "equivariant"),
        "zeros beside tokens": (
            Net(lambda x: (F.pad(x, (2, 2)) + torch.cat([token, x, token], 3)).relu().sum((2, 3))),
            (1, 1),
            "invariant",
        ),
        "zeros beside a constant": (Net(lambda x: (F.pad(x, (2, 2)) + ends).relu().sum((2, 3))), (1, 1), "invariant"),
        "one column beside the mean of columns": (
            Net(lambda x: x.mean(3) + x[..., 3:4].flatten(2)),
            (1, 8),
            "equivariant",
        ),
        "a constant along a crop inside": (
            Net(lambda x: (x[..., :5].flatten(2) + torch.arange(10).remainder(5).repeat(6)).relu()),
            (1, 8),
            "equivariant",
        ),
        "attention with constant scores": (
            Net(lambda x, c: F.scaled_dot_product_attention(queries.to(x), keys.to(x), c(x).mean(3)), circular()),
            (1, 1),
            "equivariant",
        ),
        "a circulant on two reversed crops": (Net(_circulant_on_crops), (1, 8), "invariant"),
        # step
        "two copies of a digit, one cut": (Net(_copies_cut), (1, 4), "equivariant"),
        "half of it convolved": (
            Net(lambda x, c: torch.cat([c(x[..., :4]), x[..., 4:]], 3), nn.Conv2d(1, 1, 1)),
            (1, 8),
            "equivariant",
        ),
        # states
        "half of it doubled inside a concatenation": (Net(lambda x: _doubled_half(x, token)), (1, 8), "equivariant"),
        "a row twice, aggregated": (
            Net(lambda x: x[:, :, 3:4].repeat_interleave(2, 2).reshape(1, 1, 1, 2, 8).amax(3)),
            (12, 1),
            "equivariant",
        ),
    }
