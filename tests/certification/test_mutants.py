"""The tester tested: every perturbed rule must be noticed by the samples that the true rules survive."""

from __future__ import annotations

from collections import Counter

import pytest

from tests.certification.mutants import Mutant, corpus, mutants, planted, verdict

#: What tells a mutant from the certifier: a claim that is false, a rule that trips over itself, a shift given up that holds.
NOTICED = ("contradicted", "undecided", "weaker")


def judged(chosen: list[Mutant], each: int, networks: int, budget: int) -> tuple[float, str]:
    """The share of mutants that are noticed, and a text that lists the others."""
    cases = corpus(each, networks)
    found = {mutant: verdict(mutant, cases, budget) for mutant in chosen}
    count = Counter(says for says, _ in found.values())
    rate = sum(count[says] for says in NOTICED) / len(found)
    left = [f"  {says} by {asked}: {mutant}" for mutant, (says, asked) in found.items() if says not in NOTICED]
    return rate, f"{len(found)} mutants, {dict(count)}, {rate:.0%} noticed; not noticed:\n" + "\n".join(left)


def test_there_are_enough_and_each_changes_the_code() -> None:
    assert len(mutants()) > 100
    assert sum(not m.about_conditions for m in mutants()) > 60


def test_the_true_rules_are_not_accused() -> None:
    assert {case.judge() for case in corpus(1, 10)} == {"same"}


def test_a_planted_mutant_is_gone_afterwards() -> None:
    mutant = next(m for m in mutants() if m.module.endswith("reduction") and m.says == "without reduce")
    cases = corpus(1, 10)
    with planted(mutant):
        pass
    assert {case.judge() for case in cases} == {"same"}


def test_perturbed_rules_are_noticed(capsys: pytest.CaptureFixture[str]) -> None:
    """A loss left out, in every third place where the certifier gives symmetry up."""
    losses = [
        m for m in mutants() if m.says.startswith("without") and not m.about_conditions and "forget" not in m.says
    ]
    rate, text = judged(losses[::4], each=2, networks=40, budget=150)
    with capsys.disabled():
        print("\n" + text)
    assert rate >= 0.4  # few samples; make nightly asks thousands


@pytest.mark.nightly
def test_all_perturbed_rules_are_noticed(capsys: pytest.CaptureFixture[str]) -> None:
    """Losses left out, moves that go wrong, claims that are too strong; and conditions with a part left out, which may be harmless."""
    claims = [m for m in mutants() if not m.about_conditions]
    conditions = [m for m in mutants() if m.about_conditions]
    for chosen, least in ((claims, 0.8), (conditions, 0.5)):
        rate, text = judged(chosen, each=12, networks=600, budget=2000)
        with capsys.disabled():
            print("\n" + text)
        assert rate >= least
