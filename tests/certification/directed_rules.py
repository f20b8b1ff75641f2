"""Small networks, each made for one line of the certifier: the smallest in which a loss or a weaker claim that the line makes is needed."""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, fft, nn

from tests.certification.networks import Net, periodic


def _circulant(first: Tensor) -> Tensor:
    """The matrix whose rows are rolls of ``first``: W[o + 1, i + 1] = W[o, i]."""
    return torch.stack([first.roll(o) for o in range(len(first))])


def _linear(weight: Tensor) -> nn.Linear:
    """A layer without a bias, which would not roll."""
    layer = nn.Linear(weight.shape[1], weight.shape[0], bias=False)
    with torch.no_grad():
        layer.weight.copy_(weight)
    return layer


def _rows(x: Tensor, phases: Tensor | None = None) -> Tensor:
    """Spectra of the rows, one after the other in one dim: a window and phases side by side."""
    return (fft.fft(x, dim=3) if phases is None else fft.fft(x, dim=3) * phases).flatten(2)


def _some_places(x: Tensor, places: Tensor) -> Tensor:
    return fft.fft2(x).flatten(2).index_select(2, places)


def _written(x: Tensor) -> Tensor:
    """One value, of the rows' means, wherever the image is positive."""
    return torch.index_put(x, (x > 0,), x.mean((0, 1, 3))[3:4])


def _every_other_row(x: Tensor) -> Tensor:
    spectrum = fft.fft(x, dim=3)
    spectrum[:, :, ::2] = 0
    return spectrum


def _positions(x: Tensor) -> Tensor:
    """Where pooling found its values, of rows that are even: zeros, so that no rounding tells equal values apart."""
    even = (x.mean(3, keepdim=True) * 0).expand(1, 1, 12, 8)
    return F.max_pool2d(even, (1, 2), return_indices=True)[1]


def _channels(x: Tensor) -> Tensor:
    return torch.cat([x, x.sin(), x.exp()], 1)


def _blocks(x: Tensor) -> Tensor:
    """Rows in two blocks of four: the digits of a position."""
    return x.reshape(1, 1, 12, 2, 4)


def _ratio(divisor: Callable[[Tensor], Tensor]) -> Net:
    """A spectrum divided by what is nowhere 0 keeps its phases."""
    return Net(lambda x: (lambda z: fft.ifft(z / divisor(z), dim=3).real)(fft.fft(x, dim=3)))


def _put(x: Tensor, *places: Tensor, value: float = 0.5) -> Tensor:
    return torch.ops.aten.index_put(x, [None, None, *places], torch.tensor(value).to(x))


def _every(x: Tensor, *numbers: int | None) -> Tensor:
    y = x.clone()
    y[:, :, slice(*numbers)] = 0
    return y.relu()


def conditions() -> dict[str, tuple[nn.Module, tuple[int, int], str]]:
    """For parts of conditions: what a rule takes for granted when it asks for less."""
    torch.manual_seed(4)
    rows, columns = (torch.tensor(v) for v in ((0, 3), (1, 2)))
    few, others = (torch.arange(n) % 4 == 1 for n in (8, 8))
    square = torch.tensor([[0, 3], [5, 1]])
    return {
        "means of blocks": (Net(lambda x: _blocks(x).mean(4).relu()), (1, 4), "equivariant"),
        "products of pairs in blocks": (
            Net(lambda x: (lambda y: (y[..., :, None] * y[..., None, :]).relu())(_blocks(x))),
            (1, 4),
            "equivariant",
        ),
        "products of pairs of blocks": (
            Net(lambda x: (lambda y: (y[..., None, :, :] * y[..., :, None, :]).relu().mean((3, 4, 5)))(_blocks(x))),
            (1, 1),
            "equivariant",
        ),
        "an image beside its spectrum": (
            Net(lambda x: torch.cat([x + 0j, fft.fft(x, dim=3)], 3).sin().abs().mean(3)),
            (1, 8),
            "equivariant",
        ),
        "a spectrum beside its image": (
            Net(lambda x: torch.cat([fft.fft(x, dim=3), x + 0j], 3).sin().abs().mean(3)),
            (1, 8),
            "equivariant",
        ),
        "a padded spectrum times another": (
            Net(lambda x: (lambda z: (F.pad(z[..., 1:3], (1, 5)) * z).abs())(fft.fft(x, dim=3))),
            (1, 1),
            "equivariant",
        ),
        "a spectrum times a padded one": (
            Net(lambda x: (lambda z: (z * F.pad(z[..., 1:3], (1, 5))).abs())(fft.fft(x, dim=3))),
            (1, 1),
            "equivariant",
        ),
        "a sum of zeros beside a spectrum": (
            Net(lambda x: (lambda z: (z[..., 8:] + z[..., 8:] + z[..., 1:4]).abs())(F.pad(fft.fft(x, dim=3), (0, 3)))),
            (1, 1),
            "equivariant",
        ),
        "zeros of a spectrum side by side": (
            Net(lambda x: (lambda z: torch.cat([z[..., 8:], z[..., 8:]], 3).abs())(F.pad(fft.fft(x, dim=3), (0, 3)))),
            (1, 1),
            "invariant",
        ),
        "transforms a dim of rows": (
            Net(lambda x: fft.fft(x.flatten(2), n=12).abs()),
            (12, 8),
            "none",
        ),
        "transforms part of a period": (Net(lambda x: fft.fft(x, n=6).abs()), (1, 8), "equivariant"),
        "a signal of twice the length": (Net(lambda x: fft.ifft(fft.fft(x, dim=3), n=16).abs()), (1, 1), "equivariant"),
        "half a spectrum one place too low": (
            Net(lambda x: fft.irfft(fft.rfft(x)[..., 1:4], n=8).relu()),
            (1, 8),
            "equivariant",
        ),
        "writes to rows and columns": (Net(lambda x: _put(x, rows, columns)), (12, 8), "none"),
        "writes under two masks": (Net(lambda x: _put(x[:, :, :8], few, others).relu()), (12, 8), "none"),
        "writes to a square of rows": (Net(lambda x: _put(x, square)), (12, 8), "none"),
        "writes every fifth row": (Net(lambda x: _every(x, 2, None, 5)), (12, 1), "equivariant"),
        "writes every other of some rows": (Net(lambda x: _every(x, 0, 6, 2)), (12, 1), "equivariant"),
        "a window of an index over rows": (
            Net(lambda x: x.flatten(2)[..., torch.arange(5, 29)].relu()),
            (12, 8),
            "none",
        ),
        "one column three times": (Net(lambda x: x[..., torch.tensor([2, 2, 2])].relu()), (1, 8), "equivariant"),
        "overwrites the last rows": (
            Net(lambda x: torch.slice_scatter(x, x[:, :, :3].sin(), 2, 9, 12).relu()),
            (12, 1),
            "equivariant",
        ),
        "overwrites the first rows": (
            Net(lambda x: torch.slice_scatter(x, x[:, :, :3].sin(), 2, 0, 3).relu()),
            (12, 1),
            "equivariant",
        ),
        "digits of two axes in one dim": (
            Net(lambda x: x.reshape(1, 1, 3, 4, 2, 4).permute(0, 1, 2, 5, 3, 4).reshape(1, 1, 12, 4, 2).relu()),
            (4, 4),
            "equivariant",
        ),
        "products of pairs of blocks, laid in rows": (
            Net(
                lambda x: (
                    (lambda y: y[..., None, :, :] * y[..., :, None, :])(_blocks(x))
                    .reshape(1, 1, 12, 2, 8)
                    .relu()
                    .mean((3, 4))
                )
            ),
            (1, 1),
            "equivariant",
        ),
        "rolls by nothing": (Net(lambda x: x.flatten(2).roll(96, 2).relu()), (1, 1), "equivariant"),
        "a kernel of two within blocks": (
            Net(lambda x, c: c(x.reshape(1, 1, 24, 4)).relu(), nn.Conv2d(1, 2, (1, 2))),
            (1, 4),
            "equivariant",
        ),
        "every other place within blocks": (
            Net(lambda x, c: c(x.reshape(1, 1, 24, 4)).relu(), nn.Conv2d(1, 2, 1, (1, 2))),
            (1, 4),
            "equivariant",
        ),
        "divided by numbers": (
            Net(lambda x: fft.ifft(fft.fft(x, dim=3) / torch.arange(1, 9), dim=3).abs()),
            (1, 1),
            "equivariant",
        ),
        "divided by its modulus and a bit": (_ratio(lambda z: z.abs() + 1), (1, 1), "equivariant"),
        "divided by its power and a bit": (_ratio(lambda z: z.abs() ** 2 + 1), (1, 1), "equivariant"),
        "divided by its modulus": (_ratio(lambda z: z.abs()), (1, 1), "equivariant"),
        "divided by its modulus from below": (_ratio(lambda z: z.abs().clamp(min=0.5)), (1, 1), "equivariant"),
        "a root of a spectrum": (Net(lambda x: fft.fft(x, dim=3).pow(1.5).real), (1, 8), "equivariant"),
        "folds rows into columns": (
            Net(lambda x: F.fold(x.reshape(1, 12, 8), (1, 96), (1, 12), stride=(1, 12)).relu()),
            (1, 1),
            "equivariant",
        ),
        "laid out with holes": (
            Net(lambda x, c: c(x.flatten(2)), nn.ConvTranspose1d(1, 2, 1, 2, output_padding=1)),
            (12, 8),
            "none",
        ),
        "laid out and cut": (
            Net(lambda x, c: c(x.flatten(2)), nn.ConvTranspose1d(1, 2, 4, 4, padding=1, output_padding=2)),
            (12, 8),
            "none",
        ),
        "pads rows of a spectrum with themselves": (
            Net(lambda x: F.pad(fft.fft(x, dim=3)[0], (0, 0, 1, 1), mode="circular").abs().unfold(1, 3, 1).amax(3)),
            (1, 1),
            "equivariant",
        ),
    }


def directed() -> dict[str, tuple[nn.Module, tuple[int, int], str]]:
    """As :func:`tests.certification.networks.cases`: name: (network, strides that hold on a 12 × 8 torus, kind)."""
    torch.manual_seed(3)
    uneven = torch.tensor([j * 8 + f for j, f in enumerate((0, 1, 1, 0, 2, 3, 1, 5, 0, 1, 4, 2))])
    pair = periodic(1, 2)
    sixteen, token = torch.randn(16).repeat(12), torch.randn(1, 1, 1)
    return {
        "a constant over the lowest digit": (
            Net(lambda x: (x.reshape(1, 1, 12, 2, 2, 2) * torch.arange(1, 3)).relu().reshape(1, 1, 12, 8)),
            (1, 2),
            "equivariant",
        ),
        "a circulant over every other": (
            Net(lambda x, l: l(x[..., ::2]).relu(), _linear(_circulant(torch.randn(4)))),
            (1, 2),
            "equivariant",
        ),
        "a circulant of blocks": (
            Net(
                lambda x, l: l(x * pair.to(x)).relu(),
                _linear(torch.kron(_circulant(torch.randn(4)), torch.randn(2, 2))),
            ),
            (1, 2),
            "equivariant",
        ),
        "a scalar of one frequency": (Net(lambda x: fft.fft(x.mean((0, 1, 2)))[1].real), (1, 8), "invariant"),
        "a spectrum and a number": (Net(lambda x: (fft.fft(x, dim=3) + 1.5).abs()), (1, 8), "equivariant"),
        "a spectrum and a mean in one dim with rows": (
            Net(lambda x: (_rows(x) + x.mean(3, keepdim=True).expand(1, 1, 12, 8).flatten(2)).abs()),
            (1, 8),
            "equivariant",
        ),
        "copies, phases and rows in one dim": (
            Net(lambda x: (_rows(x).repeat_interleave(2, 2) * sixteen).abs()),
            (1, 1),
            "equivariant",
        ),
        "a spectrum and its conjugate": (
            Net(lambda x: (lambda z: (z + z.conj()).abs())(fft.fft(x, dim=3))),
            (1, 4),
            "equivariant",
        ),
        "half a spectrum of rows that share a phase": (
            Net(lambda x: fft.irfft(fft.fft(x, dim=3)[..., 1].reshape(12), n=22).abs()),
            (12, 4),
            "invariant",
        ),
        "two axes in one spectrum": (
            Net(lambda x: fft.ifft(_some_places(x, uneven)).abs()),
            (1, 8),
            "equivariant",
        ),
        "the diagonal of a spectrum": (
            Net(lambda x: fft.ifft(torch.diagonal(fft.fft2(x)[0, 0])).abs()),
            (3, 8),
            "equivariant",
        ),
        "rolls rows of spectra by part of one": (Net(lambda x: _rows(x).roll(3, 2).real), (1, 8), "equivariant"),
        "writes one moving value": (Net(_written), (12, 1), "equivariant"),
        "writes every other row of a spectrum": (Net(lambda x: _every_other_row(x).real), (2, 8), "equivariant"),
        "instance norm of a crop": (Net(lambda x: F.instance_norm(x[..., :6]).sum(3)), (1, 8), "equivariant"),
        "a global pool of a crop": (Net(lambda x: F.adaptive_avg_pool2d(x[..., :6], 1)), (1, 8), "invariant"),
        "nearest by 3/2 of every other": (
            Net(lambda x: F.interpolate(x[..., ::2], scale_factor=(1.0, 1.5))),
            (1, 4),
            "equivariant",
        ),
        "moving weights": (
            Net(lambda x: F.conv2d(F.pad(x, (0, 0, 1, 1), mode="circular"), x.mean(3, keepdim=True)[:, :, :3])),
            (12, 1),
            "equivariant",
        ),
        "positions of even windows": (Net(lambda x: _positions(x) + x[..., ::2]), (12, 8), "none"),
        "fills a spectrum with a number": (
            Net(lambda x: fft.fft(x, dim=3).masked_fill(torch.arange(8) % 3 == 0, 1.5).real),
            (1, 8),
            "equivariant",
        ),
        "sums a spectrum into real numbers": (
            Net(lambda x: fft.fft(x, dim=3).sum(1, dtype=x.dtype).abs()),
            (1, 4),
            "equivariant",
        ),
        "copies a spectrum into a real tensor": (
            Net(lambda x: torch.zeros_like(x).copy_(fft.fft(x, dim=3)).abs()),
            (1, 4),
            "equivariant",
        ),
        "overwrites a real tensor with a spectrum": (
            Net(lambda x: torch.slice_scatter(x, fft.fft(x, dim=3), 2, 0, 12).abs()),
            (1, 4),
            "equivariant",
        ),
        "writes a row of a spectrum into zeros": (
            Net(lambda x: torch.select_scatter(x.new_zeros(1, 1, 12, 8), fft.fft(x, dim=3).mean(2), 2, 0).abs()),
            (1, 4),
            "invariant",
        ),
        "the largest in no order": (
            Net(lambda x: x.topk(5, sorted=False)[0]),
            (1, 8),
            "equivariant",
        ),
        "casts a spectrum": (Net(lambda x: fft.fft(x, dim=3).to(x.dtype).abs()), (1, 4), "equivariant"),
        "windows laid out beside a token": (
            Net(
                lambda x, c: c(torch.cat([token.to(x), x.flatten(2)], 2)).relu().sum(2),
                nn.ConvTranspose1d(1, 2, 2, 2),
            ),
            (1, 1),
            "invariant",
        ),
        "pads a crop beside a whole axis": (
            Net(lambda x: F.pad(x[..., :6], (1, 1, 1, 1)).relu().sum((2, 3))),
            (1, 8),
            "invariant",
        ),
        "picks channels of a spectrum by the image": (
            Net(lambda x: fft.fft(_channels(x), dim=3)[:, (x.mean((2, 3)) > 0).long()[0]].abs()),
            (1, 1),
            "equivariant",
        ),
        "picks a channel of a spectrum by the image": (
            Net(lambda x: fft.fft(_channels(x), dim=3).index_select(1, (x.mean((2, 3)) > 0).long()[0]).abs()),
            (1, 1),
            "equivariant",
        ),
    }
