"""Every law: proved for all n, true where it is evaluated, its twins refused and refuted, and the library computes the same numbers."""

from __future__ import annotations

import itertools

import pytest

from proofs.catalogue import laws
from proofs.crosscheck import cross_check
from proofs.evaluation import size_names
from proofs.kernel import KernelError
from proofs.language import assume
from proofs.laws import Claim, Solved, Tested, Twin, solve
from proofs.proving import Goal, StepFailed, prove

CLAIMS = [
    pytest.param(claim, id=f"{law.name}-{number}")
    for law in laws().values()
    for number, claim in enumerate(law.claims, 1)
    if isinstance(claim, Claim)
]
TWINS = [
    pytest.param(claim, twin, id=f"{law.name}-{number}-{place}")
    for law in laws().values()
    for number, claim in enumerate(law.claims, 1)
    if isinstance(claim, Claim)
    for place, twin in enumerate(claim.twins, 1)
]
TESTED = [
    pytest.param(claim, id=f"{law.name}-{number}")
    for law in laws().values()
    for number, claim in enumerate(law.claims, 1)
    if isinstance(claim, Tested)
]
SOLVED = [
    pytest.param(claim, id=f"{law.name}-{number}")
    for law in laws().values()
    for number, claim in enumerate(law.claims, 1)
    if isinstance(claim, Solved)
]
COMPARED = [p for p in CLAIMS if p.values[0].library is not None]


@pytest.mark.parametrize("claim", CLAIMS)
def test_a_claim_is_proved_and_has_no_counterexample(claim: Claim) -> None:
    goal = claim.goal()
    theorem = claim.theorem
    assert theorem.lhs == goal.lhs
    assert theorem.rhs == goal.rhs
    assert theorem.hypotheses <= goal.assumed
    assert claim.counterexample(goal) is None


@pytest.mark.parametrize(("claim", "twin"), TWINS)
def test_a_false_twin_is_refused_and_refuted(claim: Claim, twin: Twin) -> None:
    caught = claim.check_twin(twin)
    assert caught.step
    assert caught.reason
    assert "left" in caught.counterexample


@pytest.mark.parametrize("claim", CLAIMS)
def test_every_hypothesis_is_needed(claim: Claim) -> None:
    """With any hypothesis l = r weakened to l = l a claim is not proved by its own script; one without hypotheses uses none."""
    goal = claim.goal()
    assert claim.theorem.hypotheses == goal.assumed, "a hypothesis is never used: leave it out"
    for place, theorem in enumerate(goal.hypotheses):
        (h,) = theorem.hypotheses
        empty = assume(h.lhs, h.lhs, *h.over)
        weaker = (*goal.hypotheses[:place], empty, *goal.hypotheses[place + 1 :])
        with pytest.raises((StepFailed, KernelError)):
            prove(Goal(goal.lhs, goal.rhs, weaker), claim.script)


@pytest.mark.parametrize("library", ["numpy", "torch"])
@pytest.mark.parametrize("claim", COMPARED)
def test_the_library_computes_what_is_proved(claim: Claim, library: str) -> None:
    goal = claim.goal()
    names = size_names(goal.lhs, goal.rhs)
    chosen = [dict(w) for w in claim.worlds if all(isinstance(v, int) for v in w.values())]
    chosen = chosen or [{name: start + place for place, name in enumerate(names)} for start in (2, 3)]
    for seed, sizes in enumerate(chosen):
        for comparison in cross_check(claim, library, sizes, seed):
            assert comparison.error <= comparison.bound, (sizes, comparison)


@pytest.mark.parametrize("claim", TESTED)
def test_a_tested_claim_holds_and_its_twins_do_not(claim: Tested) -> None:
    assert claim.check() is True
    assert len(claim.twins) >= 2
    assert [says for says, twin in claim.twins.items() if twin() is not False] == []


@pytest.mark.parametrize("claim", SOLVED)
def test_z3_decides_what_is_graded_so(claim: Solved) -> None:
    pytest.importorskip("z3", reason="z3 is not installed")
    assert claim.check() is True
    assert len(claim.twins) >= 2
    assert [says for says, twin in claim.twins.items() if solve(twin) != "sat"] == []


def test_every_law_has_a_comparison_with_the_library_or_says_why() -> None:
    """What no operator of the library, of NumPy or of torch computes is listed here by name."""
    compared = {
        law.name
        for law in laws().values()
        if any(isinstance(c, Tested) or (isinstance(c, Claim) and c.library) for c in law.claims)
    }
    assert set(laws()) - compared == set()


def test_the_same_statement_twice_is_one_too_many() -> None:
    claims = [
        (f"{law.name}: {c.says}", c.goal()) for law in laws().values() for c in law.claims if isinstance(c, Claim)
    ]
    same = [
        (a, b)
        for (a, g), (b, h) in itertools.combinations(claims, 2)
        if (g.lhs, g.rhs, g.assumed) == (h.lhs, h.rhs, h.assumed) and a.split(":")[0] == b.split(":")[0]
    ]
    assert same == []


MISTAKES = [
    ("convolution_theorem", "the exponent on the left has the other sign"),
    ("stride", "a shift by any z moves y by z"),
    ("zero_padding", "zero padding is equivariant: at every output that stays in the image"),
    ("halo_and_crop", "the padding is zeros"),
    ("shift_action", "the other convention"),
]


@pytest.mark.parametrize(("name", "mistake"), MISTAKES, ids=[m for _, m in MISTAKES])
def test_a_mistake_that_people_make_is_refused(name: str, mistake: str) -> None:
    """A wrong sign, any shift through a stride, zero padding as if it wrapped, one convention for the other."""
    found = [(c, t) for c in laws()[name].claims if isinstance(c, Claim) for t in c.twins if mistake in t.says]
    assert found
    for claim, twin in found:
        assert claim.check_twin(twin).counterexample
