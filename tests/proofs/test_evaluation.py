"""Exact evaluation: the field is a field of complex numbers, terms mean what they say, and hypotheses are seen to hold or not."""

from __future__ import annotations

import cmath
import itertools
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proofs.evaluation import Cyclotomic, Exact, Floating, World, assignments, size_names
from proofs.kernel import Cyclic, Fun, Group, Integers, Lambda, Letter, Points, Range, Term, Unit, Var, size
from proofs.kernel.terms import cardinality, character, conjugate, delta, sum_over
from proofs.language import assume, dft
from proofs.laws import Claim, Twin, holds
from proofs.proving import Goal

n, m = size("n"), size("m")
i, j, k = (Var(name, Cyclic(n)) for name in "ijk")
x = Fun("x", (Cyclic(n),))


def value(number: Cyclotomic) -> complex:
    return sum(float(c) * cmath.exp(-2j * cmath.pi * p / number.order) for p, c in enumerate(number.coefficients))


ORDERS = st.sampled_from([1, 2, 3, 4, 5, 6, 8, 12, 15, 30])


@st.composite
def pairs(draw) -> tuple[Cyclotomic, Cyclotomic]:
    order = draw(ORDERS)
    powers = st.dictionaries(st.integers(-40, 40), st.fractions(-5, 5, max_denominator=6), max_size=4)
    return Cyclotomic(order, draw(powers)), Cyclotomic(order, draw(powers))


@given(pairs())
def test_the_field_computes_with_complex_numbers(pair: tuple[Cyclotomic, Cyclotomic]) -> None:
    a, b = pair
    for exact, floating in (
        (a + b, value(a) + value(b)),
        (a * b, value(a) * value(b)),
        (a.conjugate(), value(a).conjugate()),
    ):
        assert abs(value(exact) - floating) < 1e-9 * (1 + abs(value(a))) * (1 + abs(value(b)))


@pytest.mark.parametrize("order", [2, 3, 4, 6, 12])
def test_roots_of_unity_sum_to_zero_exactly(order: int) -> None:
    field = Exact(order)
    total = field.number(Fraction(0))
    for power in range(order):
        total = total + field.root(Fraction(power, order))
    assert total == field.number(Fraction(0))
    assert order % 2 or field.root(Fraction(1, 2)) == field.number(Fraction(-1))
    with pytest.raises(ValueError, match="does not lie in the field"):
        field.root(Fraction(1, 7))


def test_a_transform_of_known_numbers() -> None:
    world = World({"n": (3,)}, Floating(), {"x": lambda a: complex(a[0] + 1)})
    term = dft(x, i)(k)
    w = cmath.exp(-2j * cmath.pi / 3)
    for f in range(3):
        assert abs(world.evaluate(term, {k: (f,)}) - (1 + 2 * w**f + 3 * w ** (2 * f))) < 1e-12


def test_two_axes_are_a_product() -> None:
    world = World({"n": (2, 3)}, Exact(12))
    assert len(world.values(Cyclic(n))) == 6
    assert world.evaluate(sum_over(i, delta(i - j, n)), {j: (1, 2)}) == world.field.number(Fraction(1))
    assert world.evaluate(Term(()) + cardinality(Cyclic(n))) == world.field.number(Fraction(6))
    turn = character(k * i / n)
    assert world.evaluate(turn, {k: (1, 1), i: (1, 1)}) == world.field.root(Fraction(1, 2) + Fraction(1, 3))
    assert world.values(Unit()) == [(1, 0), (0, 1)]


def test_ranges_bodies_and_conjugates() -> None:
    """A body is the list of its values, in row-major order; a symmetric function gets them sorted."""
    u = Var("u", Range(n + 1))
    seen = Fun("A", (), ((Range(n + 1),),))
    world = World(
        {"n": (2,)}, Floating(), {"A": lambda values: values[0] + 10 * values[2], "x": lambda a: complex(a[0], 1)}
    )
    term = seen(Lambda((u,), x(u)))
    assert world.evaluate(term) == 0 + 1j + 10 * (0 + 1j)
    assert world.evaluate(conjugate(term)) == 0 - 11j
    spread = Fun("R", (), ((Cyclic(n),),), symmetric=True)
    at = World({"n": (3,)}, Floating(), {"R": lambda values: values[0], "x": lambda a: complex(-a[0])})
    turned = [at.evaluate(spread(Lambda((i,), x(i + j))), {j: (s,)}) for s in range(3)]
    assert len(set(turned)) == 1


def test_groups_act_on_points() -> None:
    group = Group("G")
    g, h, p = Letter("g", group), Letter("h", group), Letter("p", Points("X", group))
    f, on = Fun("f", (p.sort,)), Fun("b", (group,))
    permutations = list(itertools.permutations(range(3)))
    world = World({}, Floating(), {"f": lambda a: complex(a), "b": lambda a: complex(a[0])}, {"G": permutations})
    for a, b in itertools.product(permutations, repeat=2):
        for point in range(3):
            assert world.evaluate(f(g * h * p), {g: a, h: b, p: point}) == a[b[point]]
            assert world.evaluate(f(g.inverse * g * p), {g: a, p: point}) == point
        assert world.evaluate(on(g * g.inverse * h), {g: a, h: b}) == b[0]
        assert world.evaluate(on(g * g.inverse), {g: a}) == 0
    assert world.evaluate(Term(()) + cardinality(group)) == 6
    assert world.evaluate(Term(()) + cardinality(p.sort)) == 3


def test_all_values_or_an_even_sample() -> None:
    world = World({"n": (4,)}, Floating())
    assert len(list(assignments(world, [i, j]))) == 16
    some = list(assignments(world, [i, j, k], most=10))
    assert 10 <= len(some) < 64
    assert {a[v] for a in some for v in (i, j, k)} == {(0,), (1,), (2,), (3,)}


def test_the_names_of_sizes_are_found_everywhere() -> None:
    z = Var("z", Integers())
    body = Fun("A", (), ((Range(size("c")),),))
    u = Var("u", Range(size("c")))
    term = x(i) * delta(z, size("b")) * character(z / size("a")) * body(Lambda((u,), x(size("d") * u)))
    assert size_names(term) == ["a", "b", "c", "d", "n"]


# --- hypotheses -------------------------------------------------------------------------------------------------------------------


def test_a_hypothesis_holds_for_what_it_quantifies_and_at_its_parameters() -> None:
    (quantified,) = assume(x(i), x(i + 1), i).hypotheses
    (fixed,) = assume(delta(j, n), Term(())).hypotheses
    world = World({"n": (3,)}, Exact(12), {"x": lambda _: Exact(12).number(Fraction(1))})
    assert holds(quantified, world)
    assert holds(fixed, world, {j: (1,)})
    assert not holds(fixed, world, {j: (0,)})
    world.meanings = {"x": lambda a: Exact(12).number(Fraction(a[0]))}
    assert not holds(quantified, world)


def test_nothing_evaluated_is_an_error_and_no_pass() -> None:
    """A hypothesis that no pseudo-random function satisfies: without meanings the claim was never tried."""
    made = Claim(
        "x is 0", lambda: Goal(x(i), Term(()), (assume(x(j), Term(()), j),)), lambda p: None, (Twin("none", {}),) * 2
    )
    with pytest.raises(ValueError, match="nothing was evaluated"):
        made.counterexample(made.goal())
