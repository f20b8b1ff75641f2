"""``python -m proofs``: the table, one proof, the page of the documentation, and what it says where something is missing or false."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from proofs import checking
from proofs.catalogue import find, laws
from proofs.checking import check, check_all
from proofs.language import assume
from proofs.laws import Claim, Grade, Law, Solved, Tested, Twin
from proofs.proving import Goal
from proofs.reading import law_text, page

ROOT = Path(__file__).resolve().parents[2]


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"COLUMNS": "200", "NO_COLOR": "1", "PYTHONIOENCODING": "utf-8"}
    return subprocess.run(
        [sys.executable, "-m", "proofs", *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        env=environment,
    )


def test_one_proof_is_printed_step_by_step() -> None:
    done = run("convolution_theorem")
    assert done.returncode == 0, done.stderr
    for text in (
        "F(x ⋆ w) = F x ⊙ F w  (for all n)",
        "= Σ_{j∈Z_n} Σ_{i∈Z_n} x[j]·w[i]·ω^(i·k/n + j·k/n)",
        "[substitution i → i + j]",
        "false twin: the exponent on the left has the other sign",
        "fails at",
        "false at   n = 3",
    ):
        assert text in done.stdout


def test_a_proof_is_found_by_the_number_of_the_equation() -> None:
    done = run("--no-twins", "10")
    assert done.returncode == 0
    assert "convolution_theorem: " in done.stdout
    assert "correlation_theorem: " in done.stdout
    assert "false twin" not in done.stdout


def test_an_unknown_name_is_refused_with_what_is_near() -> None:
    done = run("convolution_theorm")
    assert done.returncode == 2
    assert "did you mean convolution_theorem" in done.stderr
    assert done.stdout == ""


def test_what_is_true_by_arithmetic_alone_says_so() -> None:
    text = law_text(laws()["stride"], twins=False)
    assert "x[t·o − t·q] = x[t·(o − q)]" in text  # as it was written
    assert "the same by integer arithmetic on the indices" in text
    assert "nothing is left to prove" not in text
    assert "nothing is left to prove" in law_text(laws()["circulant_algebra"], twins=False)


def test_the_page_of_the_documentation_is_what_is_proved() -> None:
    written = (ROOT / "docs" / "theorems.md").read_text(encoding="utf-8")
    assert written == page(laws().values()), "run: python -m proofs --markdown docs/theorems.md"


def test_the_readme_shows_a_real_proof() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    shown = re.search(r"python -m proofs 10 .*?```text\n(.*?)```", readme, re.DOTALL)
    assert shown is not None
    assert shown[1].strip() in "\n".join(law_text(law) for law in find(["10"]))


# --- the check itself must be able to fail --------------------------------------------------------------------------------------


def law(*claims: Claim | Tested | Solved) -> Law:
    return Law("made", "made here", claims, items=("L24",))


@pytest.fixture
def claim() -> Claim:
    found = laws()["convolution_theorem"].claims[0]
    assert isinstance(found, Claim)
    return found


def test_a_true_law_passes(claim: Claim) -> None:
    verdict = check(law(claim))
    assert (verdict.grade, verdict.problems, verdict.claims, verdict.twins) == (Grade.ALL, (), 1, 2)


def test_a_false_claim_fails_at_its_step(claim: Claim) -> None:
    wrong = replace(claim, goal=lambda **change: claim.goal(**{"sign": -1, **change}))
    verdict = check(law(wrong))
    assert verdict.grade is None
    assert "close" in verdict.problems[0]


def test_a_true_twin_fails(claim: Claim) -> None:
    verdict = check(law(replace(claim, twins=(Twin("nothing is wrong", {}), claim.twins[0]))))
    assert "was proved" in verdict.problems[0]


def test_a_twin_that_only_breaks_the_script_fails(claim: Claim) -> None:
    """Its sides are swapped: the script does not fit it, yet it is true."""

    def goal(swap: bool = False) -> Goal:
        made = claim.goal()
        return Goal(made.rhs, made.lhs) if swap else made

    verdict = check(law(replace(claim, goal=goal, twins=(Twin("the sides are swapped", {"swap": True}),) * 2)))
    assert "no counterexample was found: is it false?" in verdict.problems[0]


def test_a_mistake_in_a_file_is_a_failure_with_its_place(claim: Claim) -> None:
    """A misspelt argument, or a meaning that is no number of the field: the other laws are checked all the same."""
    misspelt = check(law(replace(claim, twins=(Twin("a typo", {"sgn": 1}), claim.twins[0]))))
    assert "TypeError" in misspelt.problems[0]
    plain = check(law(replace(claim, meanings=lambda world: {"x": lambda i: 1})))
    assert plain.problems
    assert ".py:" in plain.problems[0]


def test_a_hypothesis_that_nothing_satisfies_proves_nothing(claim: Claim) -> None:
    def goal(**change: object) -> Goal:
        made = claim.goal(**change)
        return Goal(made.lhs, made.rhs, (assume(1, 0),))

    assert "no world of more than one point satisfies" in check(law(replace(claim, goal=goal))).problems[0]


def test_one_twin_is_too_few(claim: Claim) -> None:
    assert "fewer than two" in check(law(replace(claim, twins=claim.twins[:1]))).problems[0]


def test_a_tested_claim_that_fails_and_twins_that_hold() -> None:
    def no() -> bool:
        return False

    def yes() -> bool:
        return True

    twins = {"one": no, "two": no}
    assert check(law(Tested("it holds", yes, twins, "nothing"))).grade is Grade.TESTED
    assert "does not hold" in check(law(Tested("it fails", no, twins, "nothing"))).problems[0]
    assert "“two” holds" in check(law(Tested("it holds", yes, {"one": no, "two": yes}, "nothing"))).problems[0]


def test_z3_is_asked_and_believed_only_where_it_decides(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("z3", reason="z3 is not installed")

    def even(z3):
        a, b = z3.Ints("a b")
        return [2 * a == 2 * b + 1]

    def odd(z3):
        a, b = z3.Ints("a b")
        return [2 * a == 2 * b]

    assert check(law(Solved("2a is not 2b + 1", even, {"one": odd, "two": odd}))).grade is Grade.ALL_Z3
    assert "does not hold" in check(law(Solved("2a is not 2b", odd, {"one": odd, "two": odd}))).problems[0]
    assert "no near miss" in check(law(Solved("2a is not 2b + 1", even, {"one": even, "two": odd}))).problems[0]
    monkeypatch.setattr(checking, "solve", lambda _: None)
    verdict = check(law(Solved("2a is not 2b + 1", even, {"one": odd, "two": odd})))
    assert (verdict.grade, verdict.problems) == (None, ())
    assert "z3 is not installed" in verdict.skipped[0]


def test_verdicts_come_from_processes_too() -> None:
    names = ["convolution_theorem", "parseval"]
    assert {v.name for v in check_all(names, workers=2) if not v.problems} == set(names)
