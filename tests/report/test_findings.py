"""The words that are made from a certificate."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor, nn

import equiconv as eq
from equiconv.certification import Certificate
from equiconv.report import findings
from equiconv.report.sampling import plan_shifts
from tests.report.networks import Classifier, Noisy, Segmenter, WithoutRule, noise


def certified(net: nn.Module, *shape: int, **options: object) -> Certificate:
    return eq.certify(net.eval(), noise(*shape), **options)  # type: ignore[arg-type]


class PadsAndSums(nn.Module):
    """Invariant as it stands, and not where its padding wraps."""

    def forward(self, x: Tensor) -> Tensor:
        return nn.functional.pad(x, (2, 2)).relu().sum((-2, -1))


class Overhangs(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return nn.functional.max_pool2d(x, 3, 2, ceil_mode=True).mean((2, 3))


class Repeats(nn.Module):
    """One line that runs four times."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.ModuleList(nn.Conv2d(2, 2, 3, padding=1) for _ in range(4))

    def forward(self, x: Tensor) -> Tensor:
        for layer in self.layers:
            x = layer(x)
        return x.mean((2, 3))


def flattening() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Flatten(), nn.Linear(64, 3))


def test_headlines() -> None:
    cases = [
        (certified(Classifier(), 1, 1, 8, 8), "respects no circular shift of its input: for each of the 63"),
        (certified(Classifier(), 1, 1, 8, 8, refute=False), "proved safe for net: larger subgroups were not tried."),
        (
            certified(Classifier("circular"), 1, 1, 8, 8),
            "does not change under 16 of the 64 circular shifts of its input",
        ),
        (certified(Segmenter(), 1, 3, 4, 6), "moves along under every one of the 24 circular shifts"),
        (certified(WithoutRule(), 1, 1, 4, 4), "Undecided: net uses aten._linalg_svd.default"),
        (certified(Noisy(), 1, 1, 4, 4), "Undecided: net draws random numbers"),
    ]
    for certificate, words in cases:
        assert words in findings.headline(certificate, "net")


def test_a_lower_bound_is_never_called_exact() -> None:
    tried, untried = (
        certified(Classifier("circular"), 1, 1, 8, 8),
        certified(Classifier("circular"), 1, 1, 8, 8, refute=False),
    )
    assert "no larger subgroup" in findings.headline(tried, "net")
    assert "This is exact" in findings.safe(tried)
    assert "no larger subgroup" not in findings.headline(untried, "net")
    assert "were not tried" in findings.safe(untried)


def test_what_breaks_and_what_to_change() -> None:
    c = certified(Overhangs(), 1, 1, 8, 8)
    assert any("overhanging window" in s for s in findings.breaks(c))
    assert any("ceil_mode=False" in s for s in findings.changes(c))
    c = certified(flattening(), 1, 1, 8, 8)
    assert any("does not move with the image" in s for s in findings.breaks(c))
    assert not any("circular" in s for s in findings.changes(c))
    c = certified(Segmenter(), 1, 3, 4, 4)
    assert findings.breaks(c) == ["Nothing: no operation of the network costs a shift."]
    assert findings.changes(c) == []


def test_mending_is_offered_only_where_it_helps() -> None:
    assert findings.mendable(certified(Classifier(), 1, 1, 8, 8))
    assert not findings.mendable(certified(Classifier("circular"), 1, 1, 8, 8))
    worse = certified(PadsAndSums(), 1, 1, 6, 6)
    assert worse.strides == (1, 1)
    assert not findings.mendable(worse)
    assert not findings.mendable(certified(WithoutRule(), 1, 1, 4, 4))


def test_groups_hold_every_obstacle_once() -> None:
    c = certified(Repeats(), 1, 2, 8, 8)
    groups = findings.group_obstacles(c.obstacles)
    assert [len(g.obstacles) for g in groups] == [4]
    assert groups[0].uniform
    assert groups[0].obstacles == c.obstacles
    c = certified(Classifier(), 1, 1, 8, 8)
    assert [o.cause for g in findings.group_obstacles(c.obstacles) for o in g.obstacles] == [
        o.cause for o in c.obstacles
    ]
    assert len(c.obstacles) == len(findings.group_obstacles(c.obstacles)) == 3


@pytest.mark.parametrize(
    ("strides", "shape"), [((1, 1), (5, 7)), ((2, 4), (8, 8)), ((6,), (6,)), ((3, 1, 2), (3, 4, 4))]
)
def test_order_counts_the_shifts(strides: tuple[int, ...], shape: tuple[int, ...]) -> None:
    grid = torch.cartesian_prod(*[torch.arange(n) for n in shape]).reshape(-1, len(shape))
    inside = (grid % torch.tensor(strides) == 0).all(1).sum()
    assert findings.order_of(strides, shape) == int(inside)


@pytest.mark.parametrize("shape", [(224, 224), (427, 640), (64, 64), (33, 40), (5000,), (1, 3000), (40, 40, 40)])
def test_plan_fits_the_group(shape: tuple[int, ...]) -> None:
    plan = plan_shifts(shape, tuple(math.gcd(n, 32) for n in shape))
    assert plan.draws is not None
    assert 32 <= plan.draws <= 128
    if len(shape) > 2:
        assert plan.grid is None
        return
    assert plan.grid is not None
    assert plan.near is not None
    assert math.prod(len(v) for v in plan.grid) <= 640
    for values, near, n in zip(plan.grid, plan.near, shape, strict=True):
        assert values[0] == 0
        assert max(values) < n
        assert len({k % n for k in near}) == len(near)


def test_small_groups_are_measured_whole() -> None:
    assert plan_shifts((32, 32), (4, 4)).draws is None
    assert plan_shifts((32, 32), (4, 4), draws=5).draws == 5


class Embedding(nn.Module):
    """Adds an embedding of positions that happens to be zero: without its values nothing is derived, and every shift holds."""

    def __init__(self) -> None:
        super().__init__()
        self.position = nn.Parameter(torch.zeros(4, 6))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return (x + self.position).relu().mean((-2, -1))


def test_what_is_derived_and_what_is_measured_are_told_apart() -> None:
    x = torch.randn(1, 1, 4, 6, generator=torch.Generator().manual_seed(0))
    open_ = eq.certify(Embedding().eval(), x, weights="generic")
    assert not open_.exact
    assert open_.measured is not None
    words = "measured: running the network did not refute Z × Z (not proved)"
    assert findings.headline(open_, "net").endswith(f"proved safe for net ({words}).")
    assert findings.safe(open_) == f"Only the shift by 0. Derived: {{0}} × {{0}}; {words}."
    exact = eq.certify(Embedding().eval(), x)
    assert exact.exact
    assert not findings.measured(exact)
    assert "measured" not in findings.headline(exact, "net") + findings.safe(exact)
