"""Laws as text: a proof step by step, and the page of the documentation. Both are the same lines."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from proofs.laws import AnyClaim, Claim, Law, Solved, Tested
from proofs.printing import term_text, theorem_text
from proofs.proving import Step

NOTATION = """\
Z_n wraps, {0…k − 1} is a range, {1} the set of unit vectors, one an axis (in one dimension it is the number 1).
f[i] is a function of indices, F(λi. …)[p] one of a whole signal; a symmetric one ignores the order of the values.
δ_n[e] is 1 where n divides e and 0 elsewhere; δ[e] is 1 where e = 0; ω^θ is exp(−2πi·θ); f* is the complex conjugate of f.
|n| is n where it counts: in d dimensions the product of the sizes along the axes.
x ⋆ w is the circular convolution, C_w the circulant of w, S_k the shift by k, F or x̂ the DFT, ⊙ the product entry by entry.
What is graded *for all n* holds on grids of every dimension: every index may be a vector.
What is proved is the formula; the words beside it are ours."""


def where(law: Law) -> str:
    """What it is for: the lecture's equations and items, and the families of rules."""
    families = "rules: all" if len(law.families) > 6 else f"rules: {', '.join(law.families)}" if law.families else ""
    return "; ".join(part for part in (", ".join(law.items), families) if part)


def statement(claim: AnyClaim) -> list[str]:
    """What is claimed, in symbols where it is proved."""
    if isinstance(claim, Claim):
        made = claim.theorem
        alike = [
            "      both sides come to this, by the definitions that the words above name: nothing is left to prove"
        ]
        same = term_text(made.lhs) == term_text(made.rhs)
        return theorem_text(made).split("\n") + (alike if same else [])
    return [f"checked: {claim.checked}"] if isinstance(claim, Tested) else ["z3 finds no counterexample"]


@dataclass(frozen=True)
class Line:
    """A term that the proof reaches, and why; ``inner``: a proof within the proof, when the reason is one."""

    term: str
    reason: str
    inner: tuple[str, ...] = ()


def lines_of(claim: Claim) -> Iterator[Line]:
    """The proof: for each line the term reached and why. A step on the right side is read from there upwards."""
    goal = claim.goal()
    made = claim.proof[1]
    left = [s for s in made if s.side == "left"]
    right = [s for s in made if s.side == "right"]
    yield Line(term_text(goal.lhs), "the left side")
    for s in left:
        yield Line(term_text(s.result), f"{s.says}  [{s.rule}]", _inner(s))
    here = term_text(left[-1].result if left else goal.lhs)
    states = [goal.rhs, *(s.result for s in right)]
    there = term_text(states[-1])
    if not made:
        yield Line(there, "the right side: the same by integer arithmetic on the indices")
    elif there != here:
        yield Line(
            there, "the same, indices reduced; the order of factors and sums does not matter, nor bound names do"
        )
    for s, before in zip(reversed(right), reversed(states[:-1]), strict=True):
        yield Line(term_text(before), f"{s.says}  [{s.rule}, read backwards]", _inner(s))


def _inner(s: Step) -> tuple[str, ...]:
    if s.start is None or not s.inner:
        return ()
    out = [f"where  {term_text(s.start)}"]
    for one in s.inner:
        out += [
            f"     = {term_text(one.result)}",
            f"           {one.says}  [{one.rule}]",
            *(f"       {line}" for line in _inner(one)),
        ]
    return tuple(out)


def proof_text(claim: Claim) -> list[str]:
    """The proof as lines of text: a term, and below it the reason."""
    out = []
    for position, line in enumerate(lines_of(claim)):
        out += [
            f"{'  ' if position == 0 else '= '}{line.term}",
            f"      {line.reason}",
            *(f"      {text}" for text in line.inner),
        ]
    return out


def law_text(law: Law, twins: bool = True) -> str:
    """One law with its proofs, and what became of its false twins."""
    lines = [f"{law.name}: {law.title}", f"{where(law)}  ·  {law.grades}"]
    if law.note:
        lines += ["", law.note]
    for number, claim in enumerate(law.claims, 1):
        lines += ["", f"{number}. {claim.says}  ({claim.grade})"]
        lines += [f"     {line}" for line in statement(claim)]
        if isinstance(claim, Claim):
            lines.append("   proof")
            lines += [f"     {line}" for line in proof_text(claim)]
        if twins:
            lines += [f"   {line}" for line in twin_lines(claim)]
    return "\n".join(lines)


def twin_lines(claim: AnyClaim) -> list[str]:
    """The false twins, the step that fails on each, and a counterexample."""
    lines = []
    if isinstance(claim, Claim):
        for twin in claim.twins:
            caught = claim.check_twin(twin)
            lines += [
                f"false twin: {twin.says}",
                f"  fails at   {caught.step}",
                f"  because    {caught.reason}",
                f"  false at   {caught.counterexample}",
            ]
        return lines
    for says in claim.twins:
        lines.append(
            f"false twin: {says}: {'z3 finds a counterexample' if isinstance(claim, Solved) else 'it does not hold'}"
        )
    return lines


def page(laws: Iterable[Law]) -> str:
    """The documentation's page of theorems, in Markdown."""
    laws = list(laws)
    lines = [
        "# Theorems",
        "",
        "*Made by `python -m proofs --markdown docs/theorems.md`; a test holds it to the proofs. "
        "How a proof is made, and what is trusted: [proofs](proofs.md).*",
        "",
        NOTATION,
        "",
        "| theorem | lecture, and rules that rest on it | grade |",
        "|---|---|---|",
    ]
    lines += [f"| [{law.name}](#{law.name}) | {where(law)} | {law.grades} |" for law in laws]
    for law in laws:
        lines += ["", f"## {law.name}", "", f"{law.title}.", ""]
        lines += [f"*{where(law)}; {law.grades}*"]
        if law.note:
            lines += ["", law.note]
        for claim in law.claims:
            lines += ["", f"**{claim.says}** ({claim.grade})", "", "```text", *statement(claim)]
            if isinstance(claim, Claim):
                lines += ["", "proof", *proof_text(claim)]
                lines += [
                    "```",
                    "",
                    "False twins, each refused and each with a counterexample: "
                    + "; ".join(t.says for t in claim.twins)
                    + ".",
                ]
            else:
                lines += ["```", "", "False twins: " + "; ".join(claim.twins) + "."]
    return "\n".join(lines) + "\n"


__all__ = ["NOTATION", "Line", "law_text", "lines_of", "page", "proof_text", "statement", "twin_lines", "where"]
