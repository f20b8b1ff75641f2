"""Constant matrices that carry a shift, against brute force on a 12 × 8 torus; near misses must be refused."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from equiconv.certification import certify
from tests.certification.networks import SHAPE, Net
from tests.certification.test_small_networks import agree

H, W = SHAPE


def circulant(n: int, step: int = 1) -> Tensor:
    """A matrix with M[i + step, j + step] = M[i, j], indices modulo n."""
    rows = torch.randn(step, n)
    return torch.stack([torch.roll(rows[i % step], i - i % step) for i in range(n)])


def toeplitz(n: int) -> Tensor:
    values = torch.randn(2 * n - 1)
    return torch.stack([values[n - 1 - i : 2 * n - 1 - i] for i in range(n)])


def changed(matrix: Tensor) -> Tensor:
    matrix = matrix.clone()
    matrix[2, 3] += 1e-3
    return matrix


def convolution(channels: int, out: int, dims: tuple[int, ...] = (-2, -1)) -> Tensor:
    """The matrix of a circular convolution of images that are flattened with their channels, wrapping along ``dims`` only."""
    kernel = torch.randn(out, channels, 3, 3)
    images = torch.eye(channels * H * W).reshape(-1, channels, H, W)
    for d in (-2, -1):
        pads = [1, 1, 0, 0] if d == -1 else [0, 0, 1, 1]
        images = F.pad(images, pads, mode="circular" if d in dims else "constant")
    return F.conv2d(images, kernel).flatten(1).T


def by(matrix: Tensor, before: Callable[[Tensor], Tensor] = lambda x: x) -> nn.Module:
    """x ↦ relu(M·x) along the last dim."""
    return Net(lambda x: (before(x) @ matrix.to(x).T).relu())


def cases() -> dict[str, tuple[nn.Module, tuple[int, int], str]]:
    torch.manual_seed(0)
    roll, rows, same = circulant(8), circulant(12), "equivariant"
    two = [circulant(8), circulant(8)]
    image, three = convolution(1, 1), convolution(1, 3)
    half, pair = convolution(1, 1, (-1,)), convolution(2, 1)
    bias, level = torch.randn(8), torch.full((8,), 0.3)
    mixed = torch.kron(torch.ones(12, 12), circulant(8))  # alike along the height, rolls along the width
    return {
        "a circulant": (Net(lambda x: x @ roll.to(x)), (1, 1), same),
        "a linear layer": (Net(lambda x: F.linear(x, roll.to(x), level.to(x)).relu()), (1, 1), same),
        "with a bias that varies": (Net(lambda x: F.linear(x, roll.to(x), bias.to(x)).relu()), (1, 8), same),
        "from the left": (Net(lambda x: rows.to(x) @ x), (1, 1), same),
        "an einsum": (Net(lambda x: torch.einsum("oh,bchw->bwoc", rows.to(x), x)), (1, 1), same),
        "by steps of 2": (by(circulant(8, 2)), (1, 2), same),
        "by steps of 4": (by(circulant(8, 4)), (1, 4), same),
        "two side by side": (by(torch.cat(two)), (1, 1), same),
        "two interleaved": (
            by(torch.stack(two, 1).reshape(16, 8)),
            (1, 1),
            same,
        ),
        "of two channels that lie first": (
            by(torch.cat(two, 1), lambda x: torch.cat([x, x * x], 1).transpose(1, 2).flatten(2)),
            (1, 1),
            same,
        ),
        "a Toeplitz matrix": (by(toeplitz(8)), (1, 8), same),
        "one entry changed": (by(changed(roll)), (1, 8), same),
        "rows in another order": (
            by(roll[torch.tensor([0, 2, 1, 3, 4, 5, 6, 7])]),
            (1, 8),
            same,
        ),
        "seven outputs of eight": (by(roll[:7]), (1, 8), same),
        "a convolution as a matrix": (Net(lambda x: (x.flatten(1) @ image.to(x).T).relu()), (1, 1), same),
        "of three channels": (Net(lambda x: (x.flatten(1) @ three.to(x).T).relu()), (1, 1), same),
        "of two input channels": (
            Net(lambda x: (torch.cat([x, x * x], 1).flatten(1) @ pair.to(x).T).relu()),
            (1, 1),
            same,
        ),
        "that wraps along one axis": (Net(lambda x: (x.flatten(1) @ half.to(x).T).relu()), (12, 1), same),
        "alike along one axis": (Net(lambda x: (x.flatten(1) @ mixed.to(x).T).relu()), (1, 1), same),
        "alike along one, one output a column": (
            Net(lambda x: (x.flatten(1) @ mixed[:8].to(x).T).relu()),
            (1, 1),
            same,
        ),
        "tokens mixed": (
            Net(lambda x, c: (image.to(x) @ c(x).flatten(2).mT).relu(), nn.Conv2d(1, 3, 1)),
            (1, 1),
            same,
        ),
        "grown, then shrunk": (
            by(torch.cat(two).T, by(torch.cat(two))),
            (1, 1),
            same,
        ),
    }


CASES = cases()


@pytest.mark.parametrize("name", CASES)
def test_against_brute_force(name: str) -> None:
    agree(*CASES[name])


def test_generic_weights_do_not_roll() -> None:
    layer = nn.Linear(8, 8, bias=False)
    with torch.no_grad():
        layer.weight.copy_(circulant(8))
    x = torch.randn(1, 1, *SHAPE)
    assert certify(layer.eval(), x, refute=False).strides == (1, 1)
    assert certify(layer.eval(), x, weights="generic", refute=False).strides == (1, 8)
