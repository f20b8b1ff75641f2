"""Scripts: each tactic does its step wherever it applies, and one that cannot says which step and why."""

from __future__ import annotations

import pytest

from proofs.kernel import Apply, Cyclic, Fun, Group, Integers, Lambda, Letter, Points, Range, Term, Unit, Var, size
from proofs.kernel.terms import as_term, cardinality, character, delta, sum_over
from proofs.language import assume, body
from proofs.printing import term_text, theorem_text
from proofs.proving import Goal, Proof, Side, StepFailed, prime, prove

n, m, t = size("n"), size("m"), size("t")
i, j, k = (Var(name, Cyclic(n)) for name in "ijk")
o = Var("o", Cyclic(m))
x, w, y = Fun("x", (Cyclic(n),)), Fun("w", (Cyclic(n),)), Fun("y", (Cyclic(t * m),))
R = Fun("R", (), ((Cyclic(n),),), symmetric=True)
A = Fun("A", (), ((Cyclic(n),),))


def side(term: Term) -> Side:
    return Proof(Goal(term, term)).left


def test_a_step_is_taken_in_every_summand_and_inside_bodies() -> None:
    s = side(sum_over(i, x(i)) + sum_over(i, w(i)) + R(body(j, sum_over(i, x(i + j)))))
    s.reindex({i: i + k})
    assert s.term == sum_over(i, x(i + k)) + sum_over(i, w(i + k)) + R(body(j, sum_over(i, x(i + j + k))))
    s.reindex({j: j - k}, "inside R")
    assert s.theorem.lhs == sum_over(i, x(i)) + sum_over(i, w(i)) + R(body(j, sum_over(i, x(i + j))))


def test_tactics_one_by_one() -> None:
    s = side(sum_over((i, k), x(i) * character(k * i / n)))
    s.orthogonality(k)
    s.sift(i)
    assert s.term == x(0) * cardinality(Cyclic(n))
    u, v = Var("u", Range(n)), Var("v", Range(t))
    s = side(sum_over((u, o), x(u)))
    s.wrap(u, i)
    s.count(o)
    assert s.term == sum_over(i, x(i)) * cardinality(Cyclic(m))
    q = Var("q", Cyclic(t * m))
    s = side(sum_over(q, y(q)))
    s.divide(q, o, v)
    assert s.term == sum_over((o, v), y(t * o + v))
    z = Var("z", Integers())
    s = side(delta(z, t * m))
    s.coarsen(t)
    assert s.term == delta(z, t * m) * delta(z, t)
    s = side(delta(u + 1) + delta(u))
    s.separate()
    assert s.term == delta(u)
    g, p = Letter("g", Group("G")), Letter("p", Points("X", Group("G")))
    f = Fun("f", (p.sort,))
    s = side(sum_over(p, f(p)))
    s.translate(p, g * p)
    assert s.term == sum_over(p, f(g * p))


def test_rewriting_finds_products_under_sums() -> None:
    h = assume(sum_over(i, x(i) * w(i - j)), delta(j, n), j)
    s = Proof(Goal(sum_over((j, k), x(k) * w(k - j) * x(j)), as_term(0), (h,))).left
    s.rewrite(h, says="x and w are orthogonal")
    assert s.term == sum_over(j, delta(j, n) * x(j))
    assert [step.rule for step in s.steps] == ["hypothesis"]


def test_rewriting_does_not_take_what_the_rest_still_needs() -> None:
    """Σ_i x[i]·w[i]·w[i] is no Σ_i x[i]·w[i] times something."""
    h = assume(sum_over(i, x(i) * w(i)), as_term(1))
    s = Proof(Goal(sum_over(i, x(i) * w(i) * w(i)), as_term(0), (h,))).left
    with pytest.raises(StepFailed, match="does not occur in"):
        s.rewrite(h)


def test_a_failing_step_is_named() -> None:
    def script(p: Proof) -> None:
        p.reindex({i: i + 1}, "count from one on")
        p.reindex({i: 2 * i}, "take every second")

    with pytest.raises(StepFailed) as failed:
        prove(Goal(sum_over(i, x(i)), sum_over(i, x(i))), script)
    assert failed.value.step == "left side, step 2: take every second"
    assert "determinant 2" in failed.value.reason


def test_a_step_that_finds_nothing_shows_what_is_there() -> None:
    with pytest.raises(StepFailed, match=r"nothing that it applies to in x\[j\]"):
        side(x(j)).sift(i)


def test_sides_that_differ_are_shown() -> None:
    with pytest.raises(StepFailed, match=r"x\[i\] is not x\[j\]"):
        prove(Goal(x(i), x(j)), lambda p: None)


def test_a_proof_may_not_use_more_than_its_goal_says() -> None:
    h = assume(x(i), as_term(0), i)
    with pytest.raises(StepFailed, match="what was proved is not the goal"):
        prove(Goal(x(j), as_term(0)), lambda p: p.rewrite(h, {i: j}))
    theorem, _ = prove(Goal(x(j), as_term(0), (h,)), lambda p: p.rewrite(h, {i: j}))
    assert theorem.hypotheses == h.hypotheses


def test_both_sides_may_be_worked_on() -> None:
    def script(p: Proof) -> None:
        p.right.reindex({i: i + j})

    theorem, steps = prove(Goal(sum_over(i, x(i + j)), sum_over(i, x(i))), script)
    assert theorem.rhs == sum_over(i, x(i))
    assert [s.side for s in steps] == ["right"]


def test_induction_and_insertion_keep_their_inner_proofs() -> None:
    e, v = Var("e", Unit()), Var("v", Cyclic(n))
    h = assume(x(i + e), x(i), i, e)

    def script(p: Proof) -> None:
        p.induct(x(v), v, e, j, lambda s: s.rewrite(h, {i: v}))

    theorem, steps = prove(Goal(x(j), x(0), (h,)), script)
    assert theorem.rhs == x(0)
    assert [s.rule for s in steps[0].inner] == ["hypothesis"]
    s = side(x(j))
    s.become(sum_over(i, x(i) * delta(i - j, n)), lambda q: q.sift(i), "write x as a sum of spikes")
    assert s.term == sum_over(i, x(i) * delta(i - j, n))
    assert s.steps[0].rule == "sifting i, read backwards"


def test_names_that_were_taken_get_a_prime() -> None:
    square = sum_over(i, x(i)) * sum_over(i, w(i))
    assert [v.name for v in square.summands[0].binders] == ["i", "i′"]
    s = side(square)
    s.reindex({prime(i): prime(i) + i})
    assert s.term == sum_over((i, j), x(i) * w(j + i))


def test_theorems_print_as_mathematics() -> None:
    h = assume(w(i + 1), w(i), i)
    text = theorem_text((h.hypotheses, sum_over(i, x(i) * w(i)) * 2 - 1, A(body(i, x(-i))) * character(-j / n)))
    assert text.split("\n") == [
        "if    w[i + 1] = w[i]  for all i ∈ Z_n",
        "then  (2 Σ_{i∈Z_n} x[i]·w[i]) − 1 = A(λi ∈ Z_n. x[−i])·ω^(−j/n)",
        "for   j ∈ Z_n; A : (Z_n → C) → C; w : Z_n → C; x : Z_n → C",
    ]
    assert term_text(as_term(0)) == "0"
    assert term_text(x(i) * -1 + delta(i - j, n)) == "−x[i] + δ_n[i − j]"
    (atom,) = A(Lambda((i,), x(i))).summands[0].factors
    assert isinstance(atom, Apply)
