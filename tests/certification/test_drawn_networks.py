"""Random networks drawn from all samples: several group axes in one dim, tokens beside images, branches that meet, several outputs."""

from __future__ import annotations

import os
from collections import Counter

import pytest

from equiconv.certification.registry import RULES, Rule
from equiconv.certification.states import Signal
from tests.certification.samples import network
from tests.certification.truth import attack, contradicted, looser

BLOCKS = 8
NETWORKS = int(os.environ.get("EQUICONV_DRAWN_NETWORKS", "320")) // BLOCKS
NIGHTLY = 10_000 // BLOCKS


def survive(first: int, count: int) -> tuple[int, int, Counter[str]]:
    """Attack networks ``first`` to ``first + count``: squares compared, networks whose stride is larger than the true one, and what made it so."""
    claims = loose = 0
    blamed: Counter[str] = Counter()
    for seed in range(first, first + count):
        draw, outputs = network(seed, length=1 + seed % 6)
        graph = draw.graph(outputs)
        for circular in (False, True):
            derivation, report = attack(draw, graph, circular)
            assert not report.violations, f"seed {seed}, {draw.shape}, circular={circular}: {report}\n{draw}"
            claims += report.claims
            if not circular:
                wrong = contradicted(draw, graph, derivation)
                assert not wrong, f"seed {seed}, {draw.shape}: {wrong[:3]}\n{draw}"
                if gaps := looser(draw, graph, derivation):
                    loose += 1
                    axes = {axis for axis, _, _ in gaps}
                    causes = {f"{graph[o.node].operation} ({o.cause})" for o in derivation.losses if o.axis in axes}
                    blamed.update(causes)
    return claims, loose, blamed


@pytest.mark.parametrize("block", range(BLOCKS))
def test_no_claim_is_contradicted(block: int, capsys: pytest.CaptureFixture[str]) -> None:
    claims, loose, _ = survive(block * NETWORKS, NETWORKS)
    assert claims > 5 * NETWORKS
    with capsys.disabled():
        print(f"\n{NETWORKS} networks, {claims} commuting squares, 0 unsound, {loose} looser than the truth")


@pytest.mark.nightly
@pytest.mark.parametrize("block", range(BLOCKS))
def test_no_claim_of_ten_thousand_is_contradicted(block: int, capsys: pytest.CaptureFixture[str]) -> None:
    claims, loose, blamed = survive(10**6 + block * NIGHTLY, NIGHTLY)
    assert claims > 5 * NIGHTLY
    with capsys.disabled():
        print(f"\n{NIGHTLY} networks, {claims} commuting squares, 0 unsound, {loose} looser; losses of those:")
        print("\n".join(f"  {count:4} {cause}" for cause, count in blamed.most_common(20)))


def test_a_false_rule_is_caught_in_networks(monkeypatch: pytest.MonkeyPatch) -> None:
    """A reduction that forgets to look at what it aggregates."""

    def careless(step) -> Signal:
        x = step.signal("self")
        gone = {int(d) % len(x.dims) for d in step["dim"]} if step["dim"] else set(range(len(x.dims)))
        return step.result([() if i in gone else d for i, d in enumerate(x.dims) if step["keepdim"] or i not in gone])

    monkeypatch.setitem(RULES, "aten.mean.dim", Rule("aten.mean.dim", "reduction", "reduction", careless))
    with pytest.raises(AssertionError, match="FAIL"):
        survive(0, 300)
