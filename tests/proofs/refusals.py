"""What the kernel must refuse: one small false or meaningless step for every guard in it.

Each case receives a namespace with everything that the kernel's three modules define, so that the same cases run on a kernel with one guard taken out
(``test_mutants``). A case is refused when it raises the ``KernelError`` of that kernel.
"""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

from sympy import Float, Integer, Symbol

CASES: dict[str, Callable[[Any], object]] = {}


def case(function: Callable[[Any], object]) -> Callable[[Any], object]:
    CASES[function.__name__] = function
    return function


def world(k: Any) -> SimpleNamespace:
    """Sizes, variables and functions to misuse."""
    n, m, t = k.size("n"), k.size("m"), k.size("t")
    zn, zm, ztm = k.Cyclic(n), k.Cyclic(m), k.Cyclic(t * m)
    group = k.Group("G")
    points = k.Points("X", group)
    w = SimpleNamespace(n=n, m=m, t=t, zn=zn, zm=zm, ztm=ztm, group=group, points=points)
    w.i, w.j, w.l = (k.Var(name, zn) for name in "ijl")
    w.o = k.Var("o", zm)
    w.z = k.Var("z", k.Integers())
    w.u, w.v = k.Var("u", k.Range(n)), k.Var("v", k.Range(m))
    w.e = k.Var("e", k.Unit())
    w.g, w.h = k.Letter("g", group), k.Letter("h", group)
    w.p, w.q = k.Letter("p", points), k.Letter("q", points)
    w.x, w.y = k.Fun("x", (zn,)), k.Fun("y", (ztm,))
    w.a = k.Fun("a", (k.Range(n),))
    w.f = k.Fun("f", (points,))
    w.A = k.Fun("A", (), ((zn,),))
    w.R = k.Fun("R", (), ((zn,),), symmetric=True)
    return w


# --- indices -------------------------------------------------------------------------------------------------------------------


@case
def a_modulus_that_is_a_sum(k: Any) -> object:
    return k.Cyclic(k.size("n") + k.size("m"))


@case
def a_negative_modulus(k: Any) -> object:
    return k.Cyclic(-k.size("n"))


@case
def a_modulus_that_varies(k: Any) -> object:
    return k.Cyclic(world(k).i)


@case
def a_range_of_half_a_size(k: Any) -> object:
    return k.Range(k.size("n") / 2)


@case
def a_range_that_varies(k: Any) -> object:
    return k.Range(world(k).z)


@case
def a_range_that_may_be_empty(k: Any) -> object:
    """What holds of all its values holds of none, and says nothing once the variable is gone."""
    return k.Range(k.size("n") - k.size("m"))


@case
def a_size_named_like_a_cardinality(k: Any) -> object:
    return k.size("|n|")


@case
def a_variable_named_like_an_expression(k: Any) -> object:
    return k.Var("i + j", world(k).zn)


@case
def a_letter_named_like_a_word(k: Any) -> object:
    return k.Letter("g·h", k.Group("G"))


@case
def a_letter_over_the_integers(k: Any) -> object:
    return k.Letter("i", world(k).zn)


@case
def an_integer_variable_over_a_group(k: Any) -> object:
    return k.Var("g", k.Group("G"))


@case
def half_an_index(k: Any) -> object:
    w = world(k)
    return w.x(w.i / 2)


@case
def a_symbol_that_is_no_size(k: Any) -> object:
    return world(k).x(Symbol("i:Z_n"))


@case
def an_index_modulo_another_period(k: Any) -> object:
    w = world(k)
    return w.x(w.i + w.o)


@case
def a_class_where_an_integer_is_asked_for(k: Any) -> object:
    w = world(k)
    return k.Fun("b", (k.Integers(),))(w.i)


@case
def an_index_one_past_the_range(k: Any) -> object:
    w = world(k)
    return w.a(w.u + 1)


@case
def an_index_one_before_the_range(k: Any) -> object:
    w = world(k)
    return w.a(w.u - 1)


@case
def an_integer_in_a_range_for_want_of_a_bound(k: Any) -> object:
    w = world(k)
    return w.a(w.z)


@case
def any_integer_for_a_unit_vector(k: Any) -> object:
    w = world(k)
    return k.Fun("b", (k.Unit(),))(w.z)


@case
def a_number_for_a_group_element(k: Any) -> object:
    w = world(k)
    return k.Fun("b", (w.group,))(w.i)


@case
def a_group_element_for_an_integer(k: Any) -> object:
    w = world(k)
    return w.x(w.g)


@case
def a_point_for_a_group_element(k: Any) -> object:
    w = world(k)
    return k.Fun("b", (w.group,))(w.g * w.p)


@case
def an_element_after_a_point(k: Any) -> object:
    w = world(k)
    return w.f(k.word(w.p) * w.g)


@case
def two_points_multiplied(k: Any) -> object:
    w = world(k)
    return w.f(w.p * w.q)


@case
def a_point_of_another_group(k: Any) -> object:
    w = world(k)
    return w.f(k.Letter("g", k.Group("H")) * w.p)


@case
def a_number_as_a_word(k: Any) -> object:
    return k.word(3)


@case
def text_as_an_index(k: Any) -> object:
    return world(k).x("n + 1")


@case
def an_expression_that_does_as_it_likes(k: Any) -> object:
    class Sly(Symbol):
        def expand(self, **hints: object) -> Any:
            return Integer(0)

    return world(k).x(Sly("n"))


@case
def a_group_whose_name_is_no_text(k: Any) -> object:
    return k.Group(Symbol("G"))


@case
def points_of_no_group(k: Any) -> object:
    return k.Points("X", "G")


@case
def a_square_of_a_letter(k: Any) -> object:
    return k.Word(((world(k).g, 2),))


@case
def a_word_changed(k: Any) -> object:
    w = world(k)
    word = w.g * w.h
    word.letters = ()
    return word


@case
def the_turn_of_a_period_as_a_modulus(k: Any) -> object:
    """With it i ∈ Z_n would be well defined modulo something else."""
    return k.Cyclic(k.TURN)


@case
def a_range_that_skips_its_checks(k: Any) -> object:
    return type("Empty", (k.Range,), {"__post_init__": lambda self: None})(k.size("n") * 0)


@case
def a_class_with_two_bases(k: Any) -> object:
    return type("Empty", (k.Range, k.Sealed), {"__post_init__": lambda self: None})(k.size("n") * 0)


@case
def a_variable_of_a_kind_of_its_own(k: Any) -> object:
    return type("Sly", (k.Var,), {})("i", world(k).zn)


# --- terms ----------------------------------------------------------------------------------------------------------------------


@case
def a_symmetric_function_of_two_families(k: Any) -> object:
    w = world(k)
    return k.Fun("R", (), ((w.zn,), (w.zn,)), symmetric=True)


@case
def one_variable_bound_twice(k: Any) -> object:
    w = world(k)
    return k.Lambda((w.i, w.i), w.x(w.i))


@case
def an_argument_too_many(k: Any) -> object:
    w = world(k)
    return k.Apply(w.x, (w.i, w.j))


@case
def a_body_over_another_period(k: Any) -> object:
    w = world(k)
    return w.A(k.Lambda((w.o,), k.as_term(1)))


@case
def a_sum_over_two_variables_of_one_name(k: Any) -> object:
    w = world(k)
    return k.sum_over((w.i, k.Var("i", w.zm)), k.as_term(1))


@case
def a_sum_over_all_integers(k: Any) -> object:
    w = world(k)
    return k.sum_over(w.z, k.as_term(1))


@case
def a_phase_that_divides_by_a_variable(k: Any) -> object:
    w = world(k)
    return k.character(1 / w.z)


@case
def a_phase_of_another_period(k: Any) -> object:
    w = world(k)
    return k.character(w.i * w.o / w.n)


@case
def an_index_as_a_coefficient(k: Any) -> object:
    w = world(k)
    return w.x(w.i) * w.n


@case
def a_cardinality_of_the_integers(k: Any) -> object:
    return k.cardinality(k.Integers())


@case
def a_cardinality_of_a_sum(k: Any) -> object:
    """In two dimensions a box of n + m has (n₁ + m₁)·(n₂ + m₂) points: not |n| + |m|."""
    return k.cardinality(k.Range(k.size("n") + k.size("m")))


@case
def a_cardinality_with_a_number_in_it(k: Any) -> object:
    """Z_{2n} has 2·|n| elements in one dimension and 4·|n| in two."""
    return k.cardinality(k.Cyclic(2 * k.size("n")))


@case
def a_free_variable_that_reads_like_the_bound_one(k: Any) -> object:
    w = world(k)
    return k.sum_over(k.Var("i", w.zm), w.x(w.i))


@case
def a_function_whose_name_is_no_text(k: Any) -> object:
    return k.Fun(Symbol("f"))


@case
def a_function_of_something_without_a_sort(k: Any) -> object:
    return k.Fun("f", ("Z_n",))


@case
def a_lambda_of_something_else(k: Any) -> object:
    return k.Lambda((SimpleNamespace(name="i", sort=world(k).zn),), k.as_term(1))


@case
def a_conjugate_that_is_neither_so_nor_not(k: Any) -> object:
    w = world(k)
    return k.Apply(w.x, (w.i,), (), 2)


@case
def a_sum_over_something_else(k: Any) -> object:
    """Its sort could be another one tomorrow."""
    return k.sum_over([SimpleNamespace(name="i", sort=world(k).zn)], k.as_term(1))


@case
def a_phase_out_of_text(k: Any) -> object:
    return k.Summand(Integer(1), (), (), "n")


@case
def a_summand_whose_bound_name_is_free_too(k: Any) -> object:
    """Σ_{v < n} g[v′] with v′ ∈ Z_n also called v: once around, the free one would be summed over."""
    w = world(k)
    free = k.Var("u", w.zn)
    term = k.Term((k.Summand(Integer(1), (w.u,), (k.Apply(w.x, (free,)),), Integer(0)),))
    return k.period(term, w.u, free)


@case
def a_body_that_is_no_function(k: Any) -> object:
    w = world(k)
    return k.Apply(w.A, (), (SimpleNamespace(variables=(w.i,), term=k.as_term(1), free=frozenset()),))


@case
def a_body_whose_variable_reads_like_a_free_one(k: Any) -> object:
    w = world(k)
    return k.Lambda((k.Var("i", w.zm),), w.x(w.i))


@case
def a_factor_that_is_none(k: Any) -> object:
    return k.Summand(Integer(1), (), (SimpleNamespace(free=frozenset()),), Integer(0))


@case
def a_coefficient_that_is_summed_over(k: Any) -> object:
    """Σ_i i would be counted as n·i."""
    w = world(k)
    return k.counting(k.Term((k.Summand(w.i, (w.i,), (), Integer(0)),)), w.i)


@case
def a_coefficient_in_floating_point(k: Any) -> object:
    """1e16 + 1 − 1e16 is 0 in floating point."""
    return k.as_term(Float(1e16))


@case
def a_phase_in_floating_point(k: Any) -> object:
    return k.character(Float(1e16))


@case
def a_summand_that_is_none(k: Any) -> object:
    return k.Term((SimpleNamespace(coefficient=1, binders=(), factors=(), phase=Integer(0)),))


@case
def a_term_out_of_text(k: Any) -> object:
    return k.as_term("1")


@case
def a_term_with_a_key_of_its_own(k: Any) -> object:
    return type("Evil", (k.Term,), {"key": k.as_term(0).key})(k.as_term(1).summands)


# --- theorems ---------------------------------------------------------------------------------------------------------------------


@case
def a_theorem_out_of_nothing(k: Any) -> object:
    return k.Theorem(object(), (), k.as_term(0), k.as_term(1))


@case
def a_theorem_changed(k: Any) -> object:
    theorem = k.reflexivity(k.as_term(0))
    theorem.rhs = k.as_term(1)
    return theorem


@case
def a_theorem_copied(k: Any) -> object:
    return k.reflexivity(k.as_term(0)).__reduce__()


@case
def a_theorem_of_numbers(k: Any) -> object:
    return k.reflexivity(1)


@case
def a_theorem_deprived(k: Any) -> object:
    theorem = k.reflexivity(k.as_term(0))
    del theorem.hypotheses
    return theorem


@case
def a_premise_that_only_looks_like_one(k: Any) -> object:
    return k.symmetry(
        SimpleNamespace(hypotheses=frozenset(), lhs=k.as_term(0), rhs=k.as_term(1), parameters=frozenset())
    )


@case
def a_premise_that_took_the_class(k: Any) -> object:
    fake = type("Fake", (k.Sealed,), {"__slots__": k.Theorem.__slots__})()
    fake.hypotheses, fake.lhs, fake.rhs = frozenset(), k.as_term(0), k.as_term(1)
    fake.__class__ = k.Theorem
    return k.symmetry(fake)


@case
def a_theorem_of_a_kind_of_its_own(k: Any) -> object:
    return type("Sly", (k.Theorem,), {})


@case
def a_body_that_is_not_there(k: Any) -> object:
    w = world(k)
    (atom,) = w.A(k.Lambda((w.i,), w.x(w.i))).summands[0].factors
    return k.inside(k.reflexivity(k.as_term(0)), atom, 1)


@case
def a_size_instantiated(k: Any) -> object:
    w = world(k)
    return k.instance(k.reflexivity(w.x(w.n)), {w.n: w.m})


@case
def a_substitution_by_a_word(k: Any) -> object:
    w = world(k)
    return k.substitution(k.sum_over(w.i, w.x(w.i)), {w.i: w.g})


@case
def a_chain_with_a_gap(k: Any) -> object:
    return k.transitivity(k.reflexivity(k.as_term(0)), k.reflexivity(k.as_term(1)))


@case
def a_parameter_summed_over(k: Any) -> object:
    w = world(k)
    return k.summed(k.assume(w.x(w.i), k.as_term(0)), (w.i,))


@case
def a_parameter_bound_in_a_body(k: Any) -> object:
    w = world(k)
    (atom,) = w.A(k.Lambda((w.i,), w.x(w.i))).summands[0].factors
    return k.inside(k.assume(w.x(w.i), k.as_term(0)), atom, 0)


@case
def a_hypothesis_over_something_else(k: Any) -> object:
    return k.assume(k.as_term(0), k.as_term(0), ((),))


@case
def a_parameter_instantiated(k: Any) -> object:
    w = world(k)
    return k.instance(k.assume(w.x(w.i), k.as_term(0)), {w.i: w.j})


@case
def an_instance_of_another_sort(k: Any) -> object:
    """x[i]·δ_n[z] read at a class instead of an integer."""
    w = world(k)
    return k.instance(k.reflexivity(k.delta(w.z)), {w.z: w.i})


@case
def an_instance_out_of_range(k: Any) -> object:
    w = world(k)
    return k.instance(k.reflexivity(w.x(w.u)), {w.u: w.u + 1})


@case
def a_parameter_function_instantiated(k: Any) -> object:
    w = world(k)
    return k.function_instance(k.assume(w.x(w.i), k.as_term(0), (w.i,)), w.x, (w.i,), k.as_term(1))


@case
def a_function_instantiated_by_what_is_no_term(k: Any) -> object:
    w = world(k)
    value = SimpleNamespace(free=frozenset(), summands=(), functions=frozenset())
    return k.function_instance(k.reflexivity(w.x(w.i)), w.x, (w.j,), value)


@case
def an_operator_instantiated(k: Any) -> object:
    w = world(k)
    return k.function_instance(k.reflexivity(w.A(k.Lambda((w.i,), w.x(w.i)))), w.A, (), k.as_term(1))


@case
def a_function_instantiated_over_other_sorts(k: Any) -> object:
    w = world(k)
    return k.function_instance(k.reflexivity(k.as_term(1)), w.x, (w.o,), k.as_term(1))


@case
def a_function_instantiated_with_one_variable_twice(k: Any) -> object:
    w = world(k)
    two = k.Fun("b", (w.zn, w.zn))
    return k.function_instance(k.reflexivity(two(w.i, w.j)), two, (w.i, w.i), w.x(w.i))


@case
def a_hypothesis_discharged_by_another_lemma(k: Any) -> object:
    w = world(k)
    return k.discharge(k.assume(w.x(w.i), k.as_term(0), (w.i,)), k.reflexivity(k.as_term(0)))


@case
def a_hypothesis_for_all_discharged_by_a_lemma_for_one(k: Any) -> object:
    w = world(k)
    return k.discharge(k.assume(w.x(w.i), k.as_term(0), (w.i,)), k.assume(w.x(w.i), k.as_term(0)))


# --- substitutions ------------------------------------------------------------------------------------------------------------------


@case
def a_determinant_of_two(k: Any) -> object:
    w = world(k)
    return k.substitution(k.sum_over(w.i, w.x(w.i)), {w.i: 2 * w.i})


@case
def a_determinant_of_zero(k: Any) -> object:
    w = world(k)
    return k.substitution(k.sum_over((w.i, w.j), w.x(w.i) * w.x(w.j)), {w.i: w.i + w.j, w.j: w.i + w.j})


@case
def a_determinant_of_a_size(k: Any) -> object:
    w = world(k)
    return k.substitution(k.sum_over(w.i, w.x(w.i)), {w.i: w.t * w.i})


@case
def a_substitution_that_mixes_moduli(k: Any) -> object:
    w = world(k)
    i = k.Var("i", w.ztm)  # i modulo m is well defined, so the types alone would let it pass
    return k.substitution(k.sum_over((w.o, i), w.y(w.t * w.o)), {w.o: i, i: w.o})


@case
def a_substitution_by_an_index_of_another_period(k: Any) -> object:
    w = world(k)
    return k.substitution(k.sum_over(w.o, k.sum_over(w.i, k.as_term(1))), {w.i: w.i + w.o})


@case
def a_substitution_that_is_not_affine(k: Any) -> object:
    w = world(k)
    return k.substitution(k.sum_over(w.i, w.x(w.i)), {w.i: w.i + w.i**2})


@case
def a_substitution_whose_slope_is_a_variable(k: Any) -> object:
    w = world(k)
    both = k.sum_over((w.i, w.j), w.x(w.i) * w.x(w.j))
    return k.substitution(both, {w.i: w.i * (1 + w.j) - w.i * w.j, w.j: w.j + w.i * w.j})


@case
def a_substitution_of_nothing(k: Any) -> object:
    w = world(k)
    return k.substitution(k.sum_over(w.i, w.x(w.i)), {})


@case
def a_free_variable_substituted(k: Any) -> object:
    w = world(k)
    return k.substitution(w.x(w.i), {w.i: -w.i})


@case
def a_reindexing_outside_the_range(k: Any) -> object:
    w = world(k)
    return k.substitution(k.sum_over(w.u, w.x(w.u)), {w.u: w.u + 1})


@case
def a_reflection_about_the_wrong_end(k: Any) -> object:
    w = world(k)
    return k.substitution(k.sum_over(w.u, w.x(w.u)), {w.u: w.n - w.u})


@case
def two_ranges_at_once(k: Any) -> object:
    w = world(k)
    u2 = k.Var("u2", k.Range(w.n))
    both = k.sum_over((w.u, u2), w.x(w.u) * w.x(u2))
    return k.substitution(both, {w.u: w.n - 1 - w.u, u2: w.n - 1 - w.u})


@case
def a_substitution_over_a_group(k: Any) -> object:
    w = world(k)
    return k.substitution(k.sum_over(w.g, k.Fun("b", (w.group,))(w.g)), {w.g: w.i})


@case
def a_substitution_in_two_summands(k: Any) -> object:
    w = world(k)
    return k.substitution(k.sum_over(w.i, w.x(w.i)) + w.x(w.j), {w.i: -w.i})


@case
def a_reordering_of_what_may_depend_on_the_order(k: Any) -> object:
    w = world(k)
    (atom,) = w.A(k.Lambda((w.i,), w.x(w.i))).summands[0].factors
    return k.reordering(atom, {w.i: w.i + 1})


@case
def a_reordering_that_drops_values(k: Any) -> object:
    w = world(k)
    (atom,) = w.R(k.Lambda((w.i,), w.x(w.i))).summands[0].factors
    return k.reordering(atom, {w.i: 2 * w.i})


@case
def a_reordering_of_a_free_variable(k: Any) -> object:
    w = world(k)
    (atom,) = w.R(k.Lambda((w.i,), w.x(w.i + w.j))).summands[0].factors
    return k.reordering(atom, {w.j: w.j + 1})


@case
def a_translation_that_is_no_bijection(k: Any) -> object:
    w = world(k)
    return k.translation(k.sum_over(w.g, k.Fun("b", (w.group,))(w.g)), w.g, w.g * w.g)


@case
def a_translation_to_one_element(k: Any) -> object:
    w = world(k)
    return k.translation(k.sum_over(w.g, k.Fun("b", (w.group,))(w.g)), w.g, w.h)


@case
def a_translation_to_another_set(k: Any) -> object:
    w = world(k)
    return k.translation(k.sum_over(w.p, k.as_term(1)), w.p, w.g)


# --- sums ---------------------------------------------------------------------------------------------------------------------------


@case
def a_sum_that_is_not_there(k: Any) -> object:
    w = world(k)
    return k.counting(w.x(w.i), w.j)


@case
def a_delta_of_another_modulus(k: Any) -> object:
    w = world(k)
    i = k.Var("i", w.ztm)
    return k.sifting(k.sum_over(i, k.delta(i, w.m) * w.y(i)), i)


@case
def a_delta_with_a_slope(k: Any) -> object:
    w = world(k)
    return k.sifting(k.sum_over(w.i, k.delta(2 * w.i - w.j, w.n) * w.x(w.i)), w.i)


@case
def a_delta_that_is_quadratic(k: Any) -> object:
    w = world(k)
    return k.sifting(k.sum_over(w.i, k.delta(w.i + w.i**2, w.n) * w.x(w.i)), w.i)


@case
def a_delta_that_points_outside_the_range(k: Any) -> object:
    w = world(k)
    return k.sifting(k.sum_over(w.u, k.delta(w.u - w.v) * w.x(w.u)), w.u)


@case
def a_delta_over_a_group(k: Any) -> object:
    w = world(k)
    return k.sifting(k.sum_over(w.g, k.as_term(1)), w.g)


@case
def a_character_over_a_part_of_a_period(k: Any) -> object:
    w = world(k)
    return k.orthogonality(k.sum_over(w.u, k.character(w.u * w.i / w.n)), w.u)


@case
def a_character_times_a_signal(k: Any) -> object:
    w = world(k)
    return k.orthogonality(k.sum_over(w.i, k.character(w.i * w.j / w.n) * w.x(w.i)), w.i)


@case
def a_character_with_a_square(k: Any) -> object:
    """A Gauss sum is not a delta."""
    w = world(k)
    return k.orthogonality(k.sum_over(w.i, k.character(w.i**2 / w.n)), w.i)


@case
def a_count_of_what_varies(k: Any) -> object:
    w = world(k)
    return k.counting(k.sum_over(w.i, w.x(w.i)), w.i)


@case
def a_division_that_leaves_some_out(k: Any) -> object:
    w = world(k)
    u = k.Var("u", k.Range(w.t * w.m + 1))
    return k.division(k.sum_over(u, k.as_term(1)), u, w.v, k.Var("s", k.Range(w.t)))


@case
def a_division_with_a_remainder_that_wraps(k: Any) -> object:
    w = world(k)
    i = k.Var("i", w.ztm)
    return k.division(k.sum_over(i, k.as_term(1)), i, w.o, k.Var("s", k.Cyclic(w.t)))


@case
def a_division_of_a_range_into_classes(k: Any) -> object:
    w = world(k)
    u = k.Var("u", k.Range(w.t * w.m))
    return k.division(k.sum_over(u, w.y(u)), u, w.o, k.Var("s", k.Range(w.t)))


@case
def a_division_into_names_that_are_taken(k: Any) -> object:
    w = world(k)
    i = k.Var("i", w.ztm)
    return k.division(k.sum_over(i, w.y(i) * w.y(w.t * w.o)), i, w.o, k.Var("s", k.Range(w.t)))


@case
def a_period_of_another_length(k: Any) -> object:
    w = world(k)
    return k.period(k.sum_over(w.u, k.as_term(1)), w.u, w.o)


@case
def a_period_under_a_name_that_is_taken(k: Any) -> object:
    w = world(k)
    return k.period(k.sum_over(w.u, w.x(w.u + w.i)), w.u, w.i)


@case
def a_period_of_what_does_not_wrap(k: Any) -> object:
    w = world(k)
    return k.period(k.sum_over(w.u, w.a(w.u)), w.u, w.i)


# --- deltas and induction -------------------------------------------------------------------------------------------------------------


@case
def a_coarser_delta_whose_modulus_does_not_divide(k: Any) -> object:
    w = world(k)
    return k.coarsening(k.Delta(w.z, w.m), w.t)


@case
def a_separation_modulo_n(k: Any) -> object:
    """1 ≡ 0 modulo 1."""
    return k.separation(k.Delta(1 + 0 * k.size("n"), k.size("n")))


@case
def a_separation_of_what_may_meet(k: Any) -> object:
    w = world(k)
    return k.separation(k.Delta(w.u - w.v, 0))


@case
def an_induction_in_steps_of_two(k: Any) -> object:
    w = world(k)
    b = k.Fun("b", (k.Integers(),))
    return k.induction(k.assume(b(w.z + 2 * w.e), b(w.z), (w.z, w.e)), w.z, w.e)


@case
def an_induction_along_a_range(k: Any) -> object:
    w = world(k)
    return k.induction(k.assume(w.x(w.u + w.e), w.x(w.u), (w.u, w.e)), w.u, w.e)


@case
def an_induction_by_a_step_that_is_no_unit(k: Any) -> object:
    w = world(k)
    return k.induction(k.assume(w.x(w.i + w.z), w.x(w.i), (w.i, w.z)), w.i, w.z)


@case
def an_induction_on_a_parameter(k: Any) -> object:
    w = world(k)
    return k.induction(k.assume(w.x(w.i + w.e), w.x(w.i), (w.e,)), w.i, w.e)


@case
def an_induction_by_one_unit_vector_alone(k: Any) -> object:
    """In two dimensions a step along one axis does not reach all."""
    w = world(k)
    return k.induction(k.assume(w.x(w.i + w.e), w.x(w.i), (w.i,)), w.i, w.e)


@case
def an_induction_whose_claim_holds_the_step(k: Any) -> object:
    w = world(k)
    two = k.Fun("b", (w.zn, k.Unit()))
    return k.induction(k.assume(two(w.i + w.e, w.e), two(w.i, w.e), (w.i, w.e)), w.i, w.e)
