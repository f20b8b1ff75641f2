"""What the kernel's operations must give: for each a small equation, or inequality, worked out by hand.

Like ``refusals``, the cases run on a kernel with one thing changed: each returns True on the real one.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tests.proofs.refusals import world

MEANINGS: dict[str, Callable[[Any], bool]] = {}


def meaning(function: Callable[[Any], bool]) -> Callable[[Any], bool]:
    MEANINGS[function.__name__] = function
    return function


# --- equality: what must differ, and what must not -----------------------------------------------------------------------------


@meaning
def different_terms_differ(k: Any) -> bool:
    w = world(k)
    c, two = k.Fun("c", (w.zm,)), k.Fun("f", (w.zn, w.zn))
    cb = k.Fun("x", (w.zm,))
    table = [
        w.x(w.i),
        w.x(w.j),
        w.x(-w.i),
        w.x(w.i + 1),
        k.conjugate(w.x(w.i)),
        w.x(w.i) * 2,
        w.x(w.i) * k.cardinality(w.zn),
        w.x(w.i) * k.cardinality(w.zm),
        w.x(w.i) * w.x(w.i),
        w.x(w.i) * k.character(w.i / w.n),
        w.x(w.i) * k.character(-w.i / w.n),
        w.x(w.i) * k.delta(w.i, w.n),
        w.x(w.i) * k.delta(w.i + w.j, w.n),
        k.delta(w.z, w.n),
        k.delta(w.z, w.m),
        k.delta(w.z),
        c(w.o),
        cb(w.o),
        k.sum_over(w.i, w.x(w.i)),
        k.sum_over(w.u, w.x(w.u)),
        k.sum_over(w.o, k.as_term(1)),
        k.sum_over(w.i, k.as_term(1)),
        k.sum_over((w.i, w.j), two(w.i, w.j) * w.x(w.i)),
        k.sum_over((w.i, w.j), two(w.i, w.j) * w.x(w.j)),
        k.as_term(0),
        k.as_term(1),
    ]
    at_zero = [k.Fun("x", sorts)(0) for sorts in ((w.zn,), (w.zm,), (k.Integers(),))]
    at_zero += [k.Fun("x", (), ((sort,),))(k.Lambda((v,), k.as_term(1))) for v, sort in ((w.i, w.zn), (w.o, w.zm))]
    return len({t.key for t in table}) == len(table) and len({t.key for t in at_zero}) == len(at_zero)


@meaning
def bodies_know_their_own_variables(k: Any) -> bool:
    w = world(k)
    two = k.Fun("f", (w.zn, w.zn))

    def nested(a: Any, b: Any) -> Any:
        inner = w.A(k.Lambda((w.j,), two(a, b)))
        return w.A(k.Lambda((w.i,), inner))

    shadowed = w.A(k.Lambda((w.i,), w.A(k.Lambda((w.i,), two(w.i, w.i)))))
    terms = [nested(w.i, w.j), nested(w.j, w.i), nested(w.i, w.i), nested(w.j, w.j)]
    return len({t.key for t in terms}) == 4 and shadowed == nested(w.j, w.j)


@meaning
def a_sum_in_a_body_and_a_body_in_a_body(k: Any) -> bool:
    """Three levels deep, every pair of variables told apart: bound numbers may not be used twice."""
    w = world(k)
    two = k.Fun("f", (w.zn, w.zn))
    names = {"i": w.i, "j": w.j, "l": w.l}

    def deep(a: str, b: str) -> Any:
        innermost = w.A(k.Lambda((w.l,), two(names[a], names[b])))
        return w.A(k.Lambda((w.i,), k.sum_over(w.j, innermost)))

    keys = {deep(a, b).key for a in names for b in names}
    return len(keys) == 9


@meaning
def bound_names_do_not_matter(k: Any) -> bool:
    w = world(k)
    two = k.Fun("f", (w.zn, w.zn))
    a = k.sum_over((w.i, w.j), two(w.i, w.j) * w.x(w.j))
    b = k.sum_over((w.l, w.i), two(w.i, w.l) * w.x(w.l))
    return bool(a == b and w.A(k.Lambda((w.i,), w.x(w.i))) == w.A(k.Lambda((w.l,), w.x(w.l))))


@meaning
def sorts_of_one_spelling_are_told_apart(k: Any) -> bool:
    w = world(k)
    group, cycle = k.Group("Z_n"), w.zn
    g = k.Letter("i", group)
    points = k.Points("G", k.Group("G"))
    return bool(
        k.sum_over(g, k.as_term(1)) != k.sum_over(w.i, k.as_term(1))
        and k.cardinality(k.Group("n")) != k.cardinality(cycle)
        and k.cardinality(points) != k.cardinality(k.Group("G"))
    )


@meaning
def like_terms_add_up(k: Any) -> bool:
    w = world(k)
    x = w.x(w.i)
    return bool(x + x == x * 2 and x - x == k.as_term(0) and (x - x).summands == () and x + 1 != x)


# --- substitution and capture -----------------------------------------------------------------------------------------------------


@meaning
def a_sum_does_not_capture(k: Any) -> bool:
    """(x ⋆ w)[i] at i = j is Σ_{j′} x[j′]·w[j − j′], not Σ_j x[j]·w[0]."""
    w = world(k)
    term = k.sum_over(w.j, w.x(w.j) * w.x(w.i - w.j))
    right = k.sum_over(w.l, w.x(w.l) * w.x(w.j - w.l))
    return bool(k.instance(k.reflexivity(term), {w.i: w.j}).rhs == right)


@meaning
def a_body_does_not_capture(k: Any) -> bool:
    w = world(k)
    term = w.A(k.Lambda((w.j,), w.x(w.i - w.j)))
    right = w.A(k.Lambda((w.l,), w.x(w.j - w.l)))
    return bool(k.instance(k.reflexivity(term), {w.i: w.j}).rhs == right)


@meaning
def a_product_of_sums_keeps_both_variables(k: Any) -> bool:
    w = world(k)
    total = k.sum_over(w.i, w.x(w.i))
    free = w.x(w.i) * total
    return bool(
        total * total == k.sum_over((w.i, w.j), w.x(w.i) * w.x(w.j))
        and free == k.sum_over(w.j, w.x(w.i) * w.x(w.j))
        and total * w.x(w.i) == free
    )


@meaning
def a_sum_over_a_name_that_is_bound_inside(k: Any) -> bool:
    w = world(k)
    inner = k.sum_over(w.i, w.x(w.i))
    return bool(k.sum_over(w.i, inner * w.x(w.i)) == inner * inner)


@meaning
def a_function_does_not_capture(k: Any) -> bool:
    """Σ_i x[i] with x := λl. x[l + i] is Σ_j x[j + i]; in a body likewise."""
    w = world(k)
    term = k.sum_over(w.i, w.x(w.i)) + w.A(k.Lambda((w.i,), w.x(w.i)))
    got = k.function_instance(k.reflexivity(term), w.x, (w.l,), w.x(w.l + w.i)).rhs
    return bool(got == k.sum_over(w.j, w.x(w.j + w.i)) + w.A(k.Lambda((w.j,), w.x(w.j + w.i))))


@meaning
def a_conjugated_function_gets_a_conjugated_value(k: Any) -> bool:
    w = world(k)
    value = w.x(-w.l) * k.character(w.l / w.n) * 3
    got = k.function_instance(k.reflexivity(k.conjugate(w.x(w.i))), w.x, (w.l,), value).rhs
    return bool(got == k.conjugate(w.x(-w.i)) * k.character(-w.i / w.n) * 3)


@meaning
def replacements_happen_at_once(k: Any) -> bool:
    w = world(k)
    got = k.instance(k.reflexivity(w.x(w.i) * w.x(w.j + 1)), {w.i: w.j, w.j: w.i}).rhs
    return bool(got == w.x(w.j) * w.x(w.i + 1))


@meaning
def inverses_are_reversed(k: Any) -> bool:
    w = world(k)
    f = k.Fun("f", (w.group,))
    got = k.instance(k.reflexivity(f(w.g.inverse)), {w.g: w.g * w.h}).rhs
    word = k.word(w.h).inverse * k.word(w.g).inverse
    other = k.word(w.g).inverse * k.word(w.h).inverse
    cancels = (w.g * w.g.inverse).letters == () and len((w.g * w.g).letters) == 2
    return bool(got == f(word) and f(word) != f(other) and cancels)


# --- the rules' results -------------------------------------------------------------------------------------------------------------


@meaning
def a_substitution_goes_through_the_whole_body(k: Any) -> bool:
    w = world(k)
    term = k.sum_over(
        w.i, w.x(w.i) * k.character(w.i * w.j / w.n) * k.delta(w.i - w.l, w.n) * w.A(k.Lambda((w.l,), w.x(w.l + w.i)))
    )
    right = k.sum_over(
        w.i,
        w.x(-w.i) * k.character(-w.i * w.j / w.n) * k.delta(-w.i - w.l, w.n) * w.A(k.Lambda((w.l,), w.x(w.l - w.i))),
    )
    return bool(k.substitution(term, {w.i: -w.i}).rhs == right)


@meaning
def a_sifted_sum(k: Any) -> bool:
    w = world(k)
    term = k.sum_over((w.i, w.l), k.delta(w.j - w.i, w.n) * w.x(w.i) * w.x(w.l))
    return bool(k.sifting(term, w.i).rhs == k.sum_over(w.l, w.x(w.j) * w.x(w.l)))


@meaning
def a_summed_character(k: Any) -> bool:
    w = world(k)
    term = k.sum_over(w.i, k.character(w.i * w.j / w.n + w.l / w.n)) * 2
    return bool(k.orthogonality(term, w.i).rhs == k.delta(w.j, w.n) * k.character(w.l / w.n) * 2 * k.cardinality(w.zn))


@meaning
def a_counted_sum(k: Any) -> bool:
    w = world(k)
    return bool(
        k.counting(k.sum_over((w.o, w.i), w.x(w.i)), w.o).rhs == k.sum_over(w.i, w.x(w.i)) * k.cardinality(w.zm)
    )


@meaning
def a_divided_sum(k: Any) -> bool:
    w = world(k)
    i, s = k.Var("i", w.ztm), k.Var("s", k.Range(w.t))
    got = k.division(k.sum_over(i, w.y(i)), i, w.o, s).rhs
    return bool(got == k.sum_over((w.o, s), w.y(w.t * w.o + s)))


@meaning
def a_translated_sum(k: Any) -> bool:
    w = world(k)
    term = k.sum_over(w.g, w.f(w.g * w.p))
    return bool(k.translation(term, w.g, w.g * w.h).rhs == k.sum_over(w.g, w.f(w.g * w.h * w.p)) != term)


@meaning
def hypotheses_are_kept(k: Any) -> bool:
    w = world(k)
    a = k.assume(w.x(w.i), w.x(w.j))
    b = k.assume(w.x(w.j), w.x(w.l))
    both = a.hypotheses | b.hypotheses
    chain = k.transitivity(a, b)
    (atom,) = w.A(k.Lambda((k.Var("s", w.zn),), w.x(w.i))).summands[0].factors
    kept = [
        k.symmetry(a),
        k.plus(a, w.x(w.l)),
        k.times(a, w.x(w.l)),
        k.summed(a, (k.Var("s", w.zm),)),
        k.inside(a, atom, 0),
    ]
    kept.append(k.instance(a, {w.l: w.l + 1}))
    kept.append(k.function_instance(a, k.Fun("b", (w.zn,)), (w.l,), k.as_term(1)))
    return bool(len(both) == 2 and chain.hypotheses == both and all(t.hypotheses == a.hypotheses for t in kept))


@meaning
def a_lemma_brings_its_own_hypotheses(k: Any) -> bool:
    w = world(k)
    wanted = k.assume(w.x(w.i), k.as_term(0))
    lemma = k.transitivity(k.assume(w.x(w.i), w.x(w.j)), k.assume(w.x(w.j), k.as_term(0)))
    return bool(k.discharge(wanted, lemma).hypotheses == lemma.hypotheses)


@meaning
def induction_ends_at_zero(k: Any) -> bool:
    w = world(k)
    b = k.Fun("b", (k.Integers(),))
    step = k.assume(b(w.z + w.e), b(w.z), (w.z, w.e))
    got = k.induction(step, w.z, w.e)
    return bool(got.lhs == b(w.z) and got.rhs == b(0) and got.hypotheses == step.hypotheses)


@meaning
def a_finer_delta_stays_beside_the_coarser(k: Any) -> bool:
    w = world(k)
    made = k.coarsening(k.Delta(w.z, w.t * w.m), w.t)
    return bool(made.rhs == k.delta(w.z, w.t * w.m) * k.delta(w.z, w.t) and made.lhs == k.delta(w.z, w.t * w.m))
