"""Every rule is fuzzed: its operation on operands in random states, every claim against commuting squares."""

from __future__ import annotations

import os

import pytest

from equiconv.certification import RULES, Window, validate_rule
from equiconv.certification.registry import Rule, find
from equiconv.certification.states import Signal, Uniform
from equiconv.certification.step import still
from equiconv.certification.validation import Draw, overload
from tests.certification.samples import SAMPLES

NETWORKS = int(os.environ.get("EQUICONV_RULE_NETWORKS", "5"))
#: Operations that a CPU does not have; their rules are shared with a neighbour that has a sample.
ELSEWHERE = {
    "aten.cudnn_batch_norm.default": "aten.batch_norm.default",
}
#: Rules for many operations at once, which have samples under the names of those.
SHARED = {"pointwise", "of invariants"}
FAMILIES = sorted({rule.family for rule in RULES.values()})


def test_every_rule_has_a_sample() -> None:
    """A new rule without one fails here: add it to tests/certification/samples."""
    assert sorted(set(RULES) - set(SAMPLES) - set(ELSEWHERE) - SHARED) == []
    for target, neighbour in ELSEWHERE.items():
        assert RULES[target].transfer is RULES[neighbour].transfer


@pytest.mark.parametrize("family", FAMILIES)
def test_no_rule_is_contradicted(family: str, capsys: pytest.CaptureFixture[str]) -> None:
    targets = [t for t in SAMPLES if find(overload(t)).family == family]
    reports = [validate_rule(target, SAMPLES[target], networks=NETWORKS) for target in targets]
    for report in reports:
        assert not report.violations, str(report)
    silent = [r.target for r in reports if not r.kept]
    assert len(silent) * 10 <= len(reports), f"nothing is claimed of {silent}"
    with capsys.disabled():
        print(
            f"\n{family}: {len(reports)} rules, {sum(r.networks for r in reports)} networks, {sum(r.claims for r in reports)} commuting squares, "
            f"{sum(r.kept for r in reports)} keep a shift, {sum(r.undecided for r in reports)} undecided"
        )


# The tester -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("target", "careless"),
    [
        ("aten.flip.default", lambda step: step.result(step.signal("self").dims)),
        ("aten.relu.default", lambda step: step.result([(Uniform(s),) for s in step.out_shape])),
        ("aten.roll.default", lambda step: step.result(step.signal("self").dims)),
        ("aten.sigmoid.default", lambda step: step.result([_backwards(dim) for dim in step.signal("self").dims])),
    ],
    ids=["a flip keeps its sign", "everything is alike", "a roll of anything", "cuts move backwards"],
)
def test_a_false_rule_is_caught(monkeypatch: pytest.MonkeyPatch, target: str, careless) -> None:
    monkeypatch.setitem(RULES, target, Rule(target, "pointwise", "pointwise", careless))
    sample = SAMPLES.get(target, lambda draw: draw.operand())
    report = validate_rule(target, sample, networks=40)
    assert report.violations
    assert not report
    assert "FAIL" in str(report)


def _backwards(dim):
    """Cuts that move the other way."""
    return tuple(Window(f.size, f.axis, -f.step, f.period) if isinstance(f, Window) and not f.rolls else f for f in dim)


def test_a_rule_that_claims_nothing_is_no_success(monkeypatch: pytest.MonkeyPatch) -> None:
    def silent(step) -> Signal:
        step.give_up(range(len(step.shape)), "order", "claims nothing")
        return step.result([still(size) for size in step.out_shape])

    monkeypatch.setitem(RULES, "aten.relu.default", Rule("aten.relu.default", "pointwise", "pointwise", silent))
    report = validate_rule("aten.relu.default", lambda draw: draw.operand(), networks=4)
    assert not report.violations
    assert not report
    assert "nothing was claimed" in str(report)


def test_refusals() -> None:
    with pytest.raises(ValueError, match=r"no operation .aten\.no_such"):
        validate_rule("aten.no_such.default", lambda draw: draw.operand())
    with pytest.raises(ValueError, match="no rule to validate"):
        validate_rule("aten.linalg_inv.default", lambda draw: draw.operand())
    with pytest.raises(ValueError, match="none of 20 draws suits"):
        validate_rule("aten.flip.default", lambda draw: (draw.operand(), [99]), networks=1)


def test_a_draw_can_be_read() -> None:
    draw = Draw(3, (4, 4))
    draw.call(overload("aten.relu.default"), draw.image)
    assert "aten.relu.default" in str(draw)
    assert draw.sizes(draw.image)[-2:] == [4, 4]
