"""What was derived and what was measured: the climb finds the largest subgroup that running the network does not refute, and calls it measured."""

from __future__ import annotations

import itertools
import math

import pytest
import torch
from torch import nn

from equiconv.certification import Certificate, Measured, Refutation, certify
from equiconv.certification.measurement import basis, climb, contains, overgroups
from tests.certification.networks import Net

X = torch.randn(1, 1, 12, 8, generator=torch.Generator().manual_seed(0))


def conv_of_one_pixel() -> nn.Module:
    """Zero padding that is multiplied by zero: nothing is lost, and no rule looks at the values of a kernel."""
    net = nn.Sequential(nn.Conv2d(1, 1, 3, padding=1), nn.AdaptiveAvgPool2d(1)).eval()
    with torch.no_grad():
        net[0].weight.zero_()
        net[0].weight[0, 0, 1, 1] = 1.0
    return net


def checkerboard(x: torch.Tensor) -> torch.Tensor:
    """A sum over the black squares that lies in a stride of 2: (1, 1) is respected, (1, 0) and (0, 1) are not."""
    even, odd = x[..., ::2, ::2].square().mean((2, 3)), x[..., 1::2, 1::2].square().mean((2, 3))
    return even + odd


CASES = {
    "a kernel of one pixel": (conv_of_one_pixel(), (12, 8), Measured((1, 1))),
    "a mean of means": (
        Net(lambda x: x[..., ::2].mean((2, 3)) + x[..., 1::2].mean((2, 3))),
        (1, 2),
        Measured((1, 1)),
    ),
    "a branch times zero": (Net(lambda x: x.square().mean((2, 3)) + 0 * x[:, :, 0, 0]), (12, 8), Measured((1, 1))),
    "a checkerboard": (Net(checkerboard), (2, 2), Measured((2, 2), ((1, 1),))),
    "a constant": (Net(lambda x: 0 * x[:, :, 0, 0]), (12, 8), Measured((1, 1))),
    "by 3": (
        Net(lambda x: x[:, :, 0::3].square().mean((2, 3)) + 0 * x[:, :, 0, 0]),
        (12, 8),
        Measured((3, 1)),
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_derived_and_measured(name: str, tmp_path) -> None:
    net, derived, measured = CASES[name]
    certificate = certify(net.eval(), X)
    assert (certificate.strides, certificate.measured) == (derived, measured)
    assert not certificate.exact
    assert f"measured: running the network did not refute {measured.describe((12, 8))} either (not proved)" in str(
        certificate
    )
    assert Certificate.load(certificate.save(tmp_path / "c.json")) == certificate


def test_nothing_is_measured_beyond_an_exact_certificate() -> None:
    certificate = certify(Net(lambda x: x[..., ::2].square().mean((2, 3))).eval(), X)
    assert certificate.exact
    assert certificate.measured is None
    assert "measured" not in str(certificate)
    assert certify(conv_of_one_pixel(), X, refute=False).measured is None


def test_words() -> None:
    assert Measured((2, 2), ((1, 1),)).describe() == "2Z × 2Z with (1, 1)"
    assert Measured((1, 8)).describe((12, 8)) == "Z × {0}"
    text = str(certify(conv_of_one_pixel(), X))
    assert "derived {0} × {0}; measured: running the network did not refute Z × Z either (not proved)" in text


SHAPE = (4, 6)
GROUP = list(itertools.product(range(4), range(6)))


def spanned(generators: list[tuple[int, ...]]) -> frozenset[tuple[int, ...]]:
    """The subgroup of Z_4 × Z_6, by adding up."""
    found = {(0, 0)}
    while True:
        more = {
            tuple((a + b) % n for a, b, n in zip(g, h, SHAPE, strict=True)) for g in found for h in generators
        } - found
        if not more:
            return frozenset(found)
        found |= more


SUBGROUPS = sorted({spanned([g, h]) for g in GROUP for h in GROUP}, key=sorted)


@pytest.mark.parametrize("subgroup", SUBGROUPS, ids=len)
def test_every_subgroup_is_climbed_to_from_zero(subgroup: frozenset[tuple[int, ...]]) -> None:
    """A network that respects just these shifts, asked shift by shift."""

    def attempt(shifts: dict[tuple[int, ...], int]) -> list[Refutation]:
        return [Refutation(g, p, 1.0, 0.0, g not in subgroup) for g, p in shifts.items()]

    rows = basis([(4, 0), (0, 6)])
    found = climb(SHAPE, SHAPE, attempt(dict(overgroups(rows, SHAPE))), attempt)
    along = [(found.strides[0] % 4, 0), (0, found.strides[1] % 6)]
    assert spanned([*along, *found.generators]) == subgroup
    product = len(spanned(along)) == len(subgroup)
    assert product == (not found.generators)


@pytest.mark.parametrize("subgroup", SUBGROUPS, ids=len)
def test_overgroups_are_all_those_of_prime_index(subgroup: frozenset[tuple[int, ...]]) -> None:
    rows = basis([(4, 0), (0, 6), *subgroup])
    assert {g for g in GROUP if contains(rows, g)} == subgroup
    found = {spanned([*subgroup, g]): p for g, p in overgroups(rows, SHAPE)}
    assert all(len(larger) == p * len(subgroup) for larger, p in found.items())
    prime = {h for h in SUBGROUPS if subgroup < h and len(h) // len(subgroup) in (2, 3)}
    assert set(found) == prime
    assert math.prod(rows[i][i] for i in range(2)) == 24 // len(subgroup)
