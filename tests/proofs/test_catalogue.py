"""The two lists: every rule of the certifier rests on a law, every law is used by a rule or taught by the lecture, and each equation is found by its number."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

import equiconv.certification.rules  # noqa: F401  (fills the registry)
from equiconv.certification.registry import RULES
from proofs.catalogue import find, laws
from proofs.laws import Claim, Grade, Law

ROOT = Path(__file__).resolve().parents[2]
EQUATIONS = [f"({number})" for number in range(1, 15)]
# LECTURE.md's items that are laws or carry one; the others are objects, examples and pictures
ITEMS = [
    "L1",
    "L2",
    "L4",
    "L5",
    "L6",
    "L7",
    "L9",
    "L10",
    "L11",
    "L12",
    "L13",
    "L14",
    "L15",
    "L16",
    "L18",
    "L19",
    "L20",
    *(f"L{n}" for n in range(21, 32)),
]


def named_in_the_code() -> set[str]:
    """Every string that the certifier passes as a theorem: ``theorem="…"``, a constant THEOREM, and obstacles made by hand."""
    found: set[str] = set()
    for path in (ROOT / "equiconv" / "certification").rglob("*.py"):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        for node in ast.walk(tree):
            if isinstance(node, ast.keyword) and node.arg == "theorem" and isinstance(node.value, ast.Constant):
                found.add(node.value.value)
            if (
                isinstance(node, ast.Assign)
                and getattr(node.targets[0], "id", "") == "THEOREM"
                and isinstance(node.value, ast.Constant)
            ):
                found.add(node.value.value)
            if (
                isinstance(node, ast.Call)
                and getattr(node.func, "id", "") == "Obstacle"
                and isinstance(node.args[-1:], list)
            ):
                found |= {a.value for a in node.args[-1:] if isinstance(a, ast.Constant) and isinstance(a.value, str)}
    return found


def test_every_rule_rests_on_a_law() -> None:
    without = {r.target: r.theorem for r in RULES.values() if r.theorem not in laws()}
    assert without == {}
    assert named_in_the_code() <= set(laws())


def test_the_scan_finds_what_it_looks_for() -> None:
    """Not vacuous: names that stand in keywords, in a constant and in an obstacle made by hand."""
    assert {"stride", "concatenation", "resampling", "halo_and_crop"} <= named_in_the_code()


def test_every_law_is_used_or_taught() -> None:
    families = {r.family for r in RULES.values()}
    theory = set(re.findall(r"\w+", (ROOT / "docs" / "certifier.md").read_text(encoding="utf-8")))
    named = named_in_the_code() | {r.theorem for r in RULES.values()}
    for law in laws().values():
        assert law.items or law.name in named | theory, f"nobody uses or teaches {law.name}"
        assert law.items or law.families, law.name
        assert set(law.families) <= families, law.name
        used = {r.family for r in RULES.values() if r.theorem == law.name}
        assert used <= set(law.families), f"{law.name} does not say that {used - set(law.families)} rest on it"


@pytest.mark.parametrize("item", [*EQUATIONS, *ITEMS])
def test_each_equation_and_item_is_found_by_its_number(item: str) -> None:
    found = find([item])
    assert found
    if item.startswith("("):
        assert find([item[1:-1]]) == found


def test_the_theory_names_only_laws_that_are_there() -> None:
    table = (ROOT / "docs" / "certifier.md").read_text(encoding="utf-8").split("| family |")[1].split("\n\n")[0]
    named = {name for row in table.split("\n")[2:] for name in row.split("|")[3].replace(" ", "").split(",")}
    assert named <= set(laws())
    assert named_in_the_code() | {r.theorem for r in RULES.values()} <= named


def test_every_family_has_a_law_of_its_own() -> None:
    families = {r.family for r in RULES.values()}
    assert families <= {f for law in laws().values() for f in law.families}


def test_an_unknown_name_says_what_is_near() -> None:
    with pytest.raises(KeyError, match=r"did you mean .*convolution_theorem"):
        find(["convolution_theorm"])
    with pytest.raises(KeyError, match="no law 'L99'"):
        find(["L99"])


def test_a_law_is_graded_as_its_weakest_claim() -> None:
    for law in laws().values():
        assert all(claim.grade <= law.grade for claim in law.claims)
        assert law.grade in [claim.grade for claim in law.claims]
    claim = next(c for law in laws().values() for c in law.claims if isinstance(c, Claim))
    assert claim.grade is Grade.ALL
    weaker = next(c for law in laws().values() for c in law.claims if not isinstance(c, Claim))
    assert Law("both", "two grades", (claim, weaker)).grade == weaker.grade != Grade.ALL
