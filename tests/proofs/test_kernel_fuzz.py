"""Random steps of every rule, evaluated: nothing that the kernel proves is false, and the same attack finds out what a faulty kernel proves.

EQUICONV_KERNEL_ROUNDS=N does N times as many rounds on the kernel as it is.
"""

from __future__ import annotations

import os
from collections import Counter

import pytest

from tests.proofs.fuzz import CONTEXTS, OPERATIONS, STARTS, Attack, Contradiction
from tests.proofs.kernels import load, readers, sources, with_faults

ROUNDS = 90
FACTOR = int(os.environ.get("EQUICONV_KERNEL_ROUNDS", "1"))
BLOCKS = [(mode, seed) for seed in (0, 1) for mode in ("narrow", "wide")]
LEAST = 1  # theorems of each rule, whose two sides differ, and that were evaluated
KERNEL = load(sources() | readers())
FAULTS = dict(with_faults())

# False twins: each has to be contradicted by one of the blocks. (Faults of other kinds are for test_kernel.py, which knows what to ask.)
TWINS = (
    "any determinant will do",
    "bound variables are not renamed",
    "variables of bodies are not renamed",
    "a conjugate keeps its phase",
    "an instance forgets the conjugate",
    "conjugates look alike",
    "a delta with a slope sifts",
    "a character sums to a delta alone",
    "a count counts nothing",
    "a chain forgets hypotheses",
    "hypotheses have no parameters",
    "sizes may be anything",
)


@pytest.fixture(scope="module")
def made() -> dict[tuple[str, int], Counter[str]]:
    """For each block, how many theorems of each rule were evaluated."""
    return {}


@pytest.mark.parametrize(("mode", "seed"), BLOCKS)
def test_nothing_false_is_proved(mode: str, seed: int, made: dict[tuple[str, int], Counter[str]]) -> None:
    made[mode, seed] = Attack(KERNEL, seed, mode).run(ROUNDS * FACTOR)


def test_every_rule_was_attacked(made: dict[tuple[str, int], Counter[str]]) -> None:
    """The attack is none on a rule that makes no theorems of different sides."""
    for mode, seed in BLOCKS:
        if (mode, seed) not in made:  # where this test is run alone
            made[mode, seed] = Attack(KERNEL, seed, mode).run(ROUNDS * FACTOR)
    total = sum(made.values(), Counter())
    assert {what: total[what] for what in (*STARTS, *CONTEXTS, *OPERATIONS) if total[what] < LEAST * FACTOR} == {}


def test_the_attack_knows_every_rule() -> None:
    """What makes theorems in ``rules``, and nothing else, is a start, a context, or ``reflexivity``."""
    rules = load(sources())
    makers = {name for name, f in vars(rules).items() if getattr(f, "__annotations__", {}).get("return") == "Theorem"}
    assert makers - {"_theorem"} == {*STARTS, *CONTEXTS, "reflexivity"}


@pytest.mark.parametrize("name", TWINS)
def test_a_fault_is_contradicted(name: str) -> None:
    kernel = load(FAULTS[name] | readers())

    def attacked() -> None:
        for mode, seed in BLOCKS:
            Attack(kernel, seed, mode).run(ROUNDS)

    with pytest.raises(Contradiction):
        attacked()


def test_a_seed_means_the_same_again() -> None:
    assert Attack(KERNEL, 5, "wide").run(5) == Attack(KERNEL, 5, "wide").run(5)
