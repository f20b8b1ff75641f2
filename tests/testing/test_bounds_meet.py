"""The bounds meet: what is certified is not falsified, and what exceeds it is."""

from __future__ import annotations

import pytest
import torch
from torch import nn

import equiconv as eq
from equiconv.groups import Translations


def network(case: str) -> nn.Module:
    torch.manual_seed(0)
    circular = {"padding": 1, "padding_mode": "circular"}
    layers = {
        "circular": [nn.Conv2d(1, 3, 3, **circular), nn.ReLU(), nn.AdaptiveAvgPool2d(1)],
        "strided": [nn.Conv2d(1, 3, 3, stride=2, **circular), nn.ReLU(), nn.MaxPool2d(2), nn.AdaptiveAvgPool2d(1)],
        "zero-padded": [nn.Conv2d(1, 3, 3, padding=1), nn.ReLU(), nn.AdaptiveAvgPool2d(1)],
        "padded along one axis": [nn.Conv2d(1, 3, (3, 1), padding=(1, 0)), nn.ReLU(), nn.AdaptiveAvgPool2d(1)],
        "feature map": [nn.Conv2d(1, 3, 3, stride=2, **circular), nn.ReLU()],
    }
    return nn.Sequential(*layers[case]).double().eval()


@pytest.mark.parametrize("case", ["circular", "strided", "zero-padded", "padded along one axis", "feature map"])
def test_certified_shifts_are_not_falsified_and_every_larger_subgroup_is(case: str) -> None:
    model = network(case)
    x = torch.randn(1, 1, 8, 12, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    certificate = eq.certify(model, x)
    assert certificate.exact
    certified = Translations((8, 12)).subgroup(certificate.strides)
    if not certified.is_trivial:
        assert eq.falsify(model, x, subgroup=certified, max_examples=60) is None
        assert not eq.measure(model, x, shifts=certified, layers=False).beyond_rounding.any()
    for axis in range(2):
        stride = certified.strides[axis]
        if stride > 1 and case != "feature map":  # whose finer shifts no roll by whole points can answer
            finer = tuple(stride // 2 if a == axis else s for a, s in enumerate(certified.strides))
            found = eq.falsify(model, x, subgroup=finer)
            assert found is not None
            assert found.shift not in [g.shifts for g in certified.elements()]
