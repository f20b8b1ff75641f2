"""The tester tested: every perturbed rule must be noticed by the samples that the true rules survive."""

from __future__ import annotations

from collections import Counter

import pytest

from tests.certification.mutants import EQUIVALENT, Case, Mutant, Witness, case_of, corpus, mutants, planted, verdict
from tests.certification.witnesses import WITNESSES

#: What tells a mutant from the certifier: a claim that is false, a rule that trips over itself, a shift given up that holds.
NOTICED = ("contradicted", "undecided", "weaker")
#: The share that the witnesses notice, measured and rounded down.
LEAST = 0.97


def judged(chosen: list[Mutant], cases: tuple[Case, ...], budget: int) -> tuple[float, str, set[Witness | None]]:
    """The share of mutants that are noticed, a text that lists the others, and the networks that contradict one."""
    found = {mutant: verdict(mutant, cases, budget) for mutant in chosen if mutant.name not in EQUIVALENT}
    count = Counter(says for says, _, _ in found.values())
    rate = sum(count[says] for says in NOTICED) / len(found)
    left = [f"  {says} by {asked}: {mutant}" for mutant, (says, asked, _) in found.items() if says not in NOTICED]
    text = f"{len(found)} mutants, {dict(count)}, {rate:.0%} noticed; not noticed:\n" + "\n".join(left)
    return rate, text, {witness for says, _, witness in found.values() if says == "contradicted"}


def witnesses() -> tuple[Case, ...]:
    found = [case_of(witness) for witness in WITNESSES]
    assert None not in found, "a draw no longer suits its operation"
    return tuple(case for case in found if case is not None)


def test_there_are_enough_and_each_changes_the_code() -> None:
    assert len(mutants()) > 100
    assert sum(not m.about_conditions for m in mutants()) > 60


def test_equivalent_mutants_exist() -> None:
    """A name that is no mutant any more would excuse nothing, or something else."""
    assert set(EQUIVALENT) <= {m.name for m in mutants()}


def test_the_true_rules_are_not_accused() -> None:
    assert {case.judge() for case in witnesses()} == {"same"}


def test_a_planted_mutant_is_gone_afterwards() -> None:
    mutant = next(m for m in mutants() if m.module.endswith("reduction") and m.says == "without reduce")
    cases = witnesses()
    with planted(mutant):
        assert {case.judge() for case in cases} != {"same"}
    assert {case.judge() for case in cases} == {"same"}


def test_perturbed_rules_are_noticed(capsys: pytest.CaptureFixture[str]) -> None:
    """Every loss left out, every move that goes wrong, every claim that is too strong, before the few networks that notice most."""
    rate, text, _ = judged([m for m in mutants() if not m.about_conditions], witnesses(), budget=200)
    with capsys.disabled():
        print("\n" + text)
    assert rate >= LEAST


@pytest.mark.nightly
def test_all_perturbed_rules_are_noticed(capsys: pytest.CaptureFixture[str]) -> None:
    """The same before thousands of networks; and conditions with a part left out, which may be harmless. Prints new witnesses."""
    claims = [m for m in mutants() if not m.about_conditions]
    conditions = [m for m in mutants() if m.about_conditions]
    for chosen, least in ((claims, LEAST), (conditions, 0.4)):
        rate, text, found = judged(chosen, corpus(each=12, networks=600), budget=2000)
        with capsys.disabled():
            print("\n" + text)
            print("\n".join(map(str, sorted(found - set(WITNESSES), key=str))))
        assert rate >= least
