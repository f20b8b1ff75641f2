"""Random networks are certified as they stand and as though padding wrapped; every claim must survive its commuting squares."""

from __future__ import annotations

import os

import pytest
import torch

from equiconv.certification import registry, rule
from equiconv.certification.states import Signal, Still
from tests.certification.attack import attack
from tests.certification.random_networks import Program

SHAPES = [(12, 8), (6, 6), (9, 4), (8, 1), (5, 7), (16, 4), (4, 4)]
BLOCKS = 8
PER_BLOCK = int(os.environ.get("EQUICONV_RANDOM_NETWORKS", "96")) // BLOCKS


@pytest.mark.parametrize("block", range(BLOCKS))
def test_no_claim_is_contradicted(block: int) -> None:
    checked = 0
    for seed in range(block * PER_BLOCK, (block + 1) * PER_BLOCK):
        shape = SHAPES[seed % len(SHAPES)]
        net = Program(seed, shape, length=2 + seed % 6).eval()
        x = torch.randn(1, 2, *shape, generator=torch.Generator().manual_seed(seed))
        _, found = attack(net, x)
        for circular, (_, report) in found.items():
            assert not report.violations, f"seed {seed}, {shape}, circular={circular}: {report}\n  {net.text}"
            checked += report.claims
    assert checked > 10 * PER_BLOCK  # the attack is no attack when nothing is claimed


@pytest.fixture
def perturb(monkeypatch):
    """Replace the rule of an operation for one test."""

    def replace(target: str, transfer) -> None:
        old = registry.RULES[target]
        monkeypatch.setitem(registry.RULES, target, registry.Rule(target, old.family, old.theorem, transfer))

    return replace


def _caught(net, shape=(12, 8)) -> bool:
    x = torch.randn(1, 2, *shape, generator=torch.Generator().manual_seed(0))
    return any(report.violations for _, report in attack(net, x)[1].values())


class _Fn(torch.nn.Module):
    def __init__(self, f) -> None:
        super().__init__()
        self.f = f

    def forward(self, x):
        return self.f(x)


PERTURBED = {
    "a flip keeps its sign": ("aten.flip.default", lambda x: x.flip(3)),
    "a sort of one row is pointwise": ("aten.cumsum.default", lambda x: x.cumsum(3)),
    "a select keeps K": ("aten.select.int", lambda x: x.select(3, 1)),
    "a slice is no cut": ("aten.slice.Tensor", lambda x: x[..., 1:].mean(3)),
    "zero padding is harmless": (
        "aten.conv2d.default",
        lambda x: torch.nn.functional.conv2d(x, torch.ones(2, 2, 3, 3, dtype=x.dtype), padding=1),
    ),
}


@pytest.mark.parametrize("name", PERTURBED)
def test_a_perturbed_rule_is_caught(name: str, perturb) -> None:
    """False twins of rules: the attack must notice each of them, and must not complain of the true rule."""
    target, function = PERTURBED[name]
    assert not _caught(_Fn(function).eval())

    def careless(step) -> Signal:
        x = step.arguments.get("self", step.arguments.get("input"))
        if step.node.operation == "aten.select.int":
            return Signal(x.strides, x.dims[:-1])
        dims = list(x.dims)
        if step.out_shape != x.shape:  # pretend that what was cut off does not matter
            dims[3] = (Still(step.out_shape[3]),)
        return Signal(x.strides, tuple(dims))

    perturb(target, careless)
    assert _caught(_Fn(function).eval())


def test_a_second_rule_for_one_operation_is_refused() -> None:
    with pytest.raises(ValueError, match="has a rule already"):
        rule("aten.relu.default", "aten.cumsum.default", family="pointwise", theorem="pointwise")(lambda step: None)
    registry.RULES.pop("aten.relu.default", None)


def test_every_rule_names_an_operation_that_exists() -> None:
    import equiconv.nn  # noqa: F401  (registers the circular convolution)

    missing = []
    for target in registry.RULES:
        parts = target.split(".")
        if len(parts) != 3:
            assert target in ("pointwise", "getitem", "of invariants")
            continue
        packet = getattr(getattr(torch.ops, parts[0]), parts[1], None)
        if packet is None or not hasattr(packet, parts[2]):
            missing.append(target)
    assert not missing
