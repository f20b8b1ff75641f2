"""Tests of the tester: every seeded fault is killed, by the law that must kill it, and its correct twin follows every law."""

from __future__ import annotations

from collections import Counter
from functools import cache

import pytest

from equiconv.testing import LawTable, verify_laws
from tests.testing.faults import FAULTS, Fault

EXAMPLES = 8


@cache
def table(fault: Fault) -> LawTable:
    """Every law on a fault, which is made afresh: some keep state."""
    return verify_laws(fault.make(), fault.kind, name=fault.name, examples=EXAMPLES, shrink=False, **fault.options)


def killers(fault: Fault) -> set[str]:
    return {row.law.name for row in table(fault).rows if row.status == "failed"}


def label(fault: Fault) -> str:
    return fault.name.replace(" ", "-")


@pytest.mark.parametrize("fault", FAULTS, ids=label)
def test_a_fault_is_killed_by_the_laws_that_must_kill_it(fault: Fault) -> None:
    assert set(fault.killers) <= killers(fault), table(fault)
    assert not table(fault)


def twins() -> list[Fault]:
    """One fault for each twin and options."""
    found = {(f.kind, repr(f.twin()), str(f.options)): f for f in FAULTS}
    return list(found.values())


@pytest.mark.parametrize("fault", twins(), ids=label)
def test_the_correct_twin_survives_every_law(fault: Fault) -> None:
    survived = verify_laws(fault.twin(), fault.kind, examples=EXAMPLES, shrink=False, **fault.options)
    assert survived, survived
    assert survived.passed >= 10


def test_the_kill_rate_is_a_hundred_per_cent_and_every_law_of_weight_kills(capsys: pytest.CaptureFixture[str]) -> None:
    killed = {fault.name: killers(fault) for fault in FAULTS}
    counts = Counter(law for laws in killed.values() for law in laws)
    with capsys.disabled():
        print(
            f"\nkill rate {sum(map(bool, killed.values()))}/{len(FAULTS)}; kills by law: {dict(counts.most_common())}"
        )
    assert all(killed.values()), [name for name, laws in killed.items() if not laws]
    assert len(FAULTS) >= 25
    # A law that must kill at least one fault, and no other law kills that one, has a weight of its own.
    alone = {next(iter(laws)) for laws in killed.values() if len(laws) == 1}
    assert {
        "wraps",
        "batch",
        "unwritten",
        "strided",
        "extreme",
        "gradients_complex",
        "double_backward",
        "wide",
        "unchanged",
        "gradients",
    } <= alone
