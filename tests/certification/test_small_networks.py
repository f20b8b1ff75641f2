"""Certificates of small networks against brute force over all shifts of a 12 × 8 torus."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import nn

from equiconv.certification import Window, certify
from equiconv.certification.digits import digits_of, normal
from tests.certification.directed_states import directed
from tests.certification.networks import SHAPE, cases, respected

CASES = {**cases(), **directed()}


def digits(certificate) -> tuple[list[int], list[int]]:
    """Dims in which the output rolls, each factor a dim of its own; every dim of size > 1 where nothing moves."""
    state = next(c.state for c in certificate.claims[::-1])
    dims, sizes = [], []
    # An output rolls dim by dim: its digits are paid for, though its claim holds of all of them together.
    paid = normal(state.dims, certificate.strides, certificate.shape) if digits_of(state.dims) else state.dims
    for dim in paid:
        factors = (
            [f.size for f in dim]
            if any(isinstance(f, Window) for f in dim)
            else [max(1, _product(f.size for f in dim))]
        )
        for size in factors:
            if size > 1:
                dims.append(len(sizes))
            sizes.append(size)
    return dims, sizes


def _product(sizes) -> int:
    total = 1
    for s in sizes:
        total *= s
    return total


@pytest.mark.parametrize("name", CASES)
def test_certificate_agrees_with_brute_force(name: str) -> None:
    agree(*CASES[name])


def agree(net: nn.Module, strides: tuple[int, int], kind: str) -> None:
    """The certificate has these strides and this kind, is exact where no shift more is respected, and never claims one that is not."""
    net = copy.deepcopy(net).eval()
    torch.manual_seed(1)
    x = torch.randn(1, 1, *SHAPE)
    certificate = certify(net, x)
    assert not certificate.unknown
    assert (certificate.strides, certificate.kind) == (strides, kind)
    held = {(a, b) for a in range(0, SHAPE[0], strides[0]) for b in range(0, SHAPE[1], strides[1])}
    dims, sizes = digits(certificate)
    true = respected(net.double(), x.double(), dims, sizes)
    assert held <= true, f"unsound: {sorted(held - true)[:3]} are certified and fail"
    # exact means that nothing larger holds; where more does hold, the certificate must not call itself exact
    assert certificate.exact == (held == true)
    report = certificate.check(net.float(), x)
    assert not report.violations, str(report)


@pytest.mark.parametrize(
    "name",
    [
        "zero padding, pooled",
        "stride 2, pooled",
        "max pool padded",
        "padded and convolved",
        "reflect",
        "average pool counts its padding",
    ],
)
def test_potential_agrees_with_brute_force_on_the_circular_run(name: str) -> None:
    net = copy.deepcopy(CASES[name][0]).eval()
    x = torch.randn(1, 1, *SHAPE, generator=torch.Generator().manual_seed(2))
    potential = certify(net, x, refute=False).potential
    twin = certify(net, x, padding="circular")
    assert twin.strides == potential
    assert twin.exact
    assert twin.check(net, x)


def test_linear_networks_may_respect_more_than_is_derived() -> None:
    """A mean of a zero-padded linear layer with a one-pixel kernel ... is still refuted or left open, never claimed."""
    net = nn.Sequential(nn.Conv2d(1, 1, 3, padding=1), nn.AdaptiveAvgPool2d(1)).eval()
    with torch.no_grad():
        net[0].weight.zero_()
        net[0].weight[0, 0, 1, 1] = 1.0  # the padding is multiplied by zero: the truth is full invariance
    certificate = certify(net, torch.randn(1, 1, 6, 6))
    assert certificate.strides == (6, 6)
    assert not certificate.exact
    assert "lower bound" in certificate.sentence


def test_a_constant_output_is_said() -> None:
    net = nn.Sequential(nn.Conv2d(1, 1, 3, padding=1), nn.AdaptiveAvgPool2d(1)).eval()
    with torch.no_grad():
        net[0].weight.zero_()
    certificate = certify(net, torch.randn(1, 1, 6, 6))
    assert any("constant" in note for note in certificate.notes)
    assert not certificate.exact


@pytest.mark.parametrize(
    ("size", "strides"), [((12, 8), (4, 4)), ((12, 6), (4, 6)), ((9, 8), (9, 4)), ((7, 5), (7, 5)), ((1, 8), (1, 4))]
)
def test_odd_sizes_lose_the_stride(size: tuple[int, int], strides: tuple[int, int]) -> None:
    net = nn.Sequential(
        nn.Conv2d(1, 2, 3, 2, 1, padding_mode="circular"),
        nn.ReLU(),
        nn.Conv2d(2, 2, 3, 2, 1, padding_mode="circular"),
        nn.ReLU(),
        nn.AdaptiveAvgPool2d(1),
    ).eval()
    x = torch.randn(1, 1, *size, generator=torch.Generator().manual_seed(0))
    certificate = certify(net, x)
    assert certificate.strides == strides
    assert certificate.exact


def test_axes_other_than_the_last() -> None:
    """A 1-D group on the time axis of (batch, time, features), and a channels-last image."""
    net = nn.Sequential(nn.Linear(5, 5), nn.ReLU()).eval()
    assert certify(net, torch.randn(2, 6, 5), axes=1).kind == "equivariant"
    lstm_free = nn.LayerNorm(5).eval()
    certificate = certify(lstm_free, torch.randn(1, 4, 6, 5), axes=(1, 2))
    assert certificate.strides == (1, 1)
    assert certificate.outputs[0].actions == ((0, 1, 1), (1, 2, 1))


def test_three_dimensional_group() -> None:
    net = nn.Sequential(nn.Conv3d(1, 2, 3, padding=1, padding_mode="circular", stride=(1, 2, 1)), nn.ReLU()).eval()
    certificate = certify(net, torch.randn(1, 1, 3, 4, 5), axes=(-3, -2, -1))
    assert certificate.strides == (1, 2, 1)
    assert certificate.exact
