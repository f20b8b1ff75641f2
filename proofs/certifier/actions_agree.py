"""Two actions that agree on the shifts which generate a subgroup agree on all of it: two operands are compared under one shift only."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import equiconv as eq
from proofs.crosscheck import Given
from proofs.evaluation import Meaning, Vector, World
from proofs.language import Cyclic, Fun, Range, Term, Theorem, Unit, assume, body, size, variables
from proofs.laws import Claim, Law, Meanings, Twin
from proofs.proving import Goal, Proof, Side

m, count = size("m"), size("N")
q, v = variables("q v", Cyclic(m))
(e,) = variables("e", Unit())
PLACES = Range(count)
A, B = (Fun(name, (Cyclic(m), PLACES), ((PLACES,),)) for name in ("A", "B"))
g, h = variables("g h", Cyclic(m))
d, i = variables("d i", PLACES)
f, signal = Fun("y", (PLACES,)), Fun("x", (PLACES,))


def acts(action: Fun) -> Theorem:
    """action(g + h) y = action(g) (action(h) y)"""
    twice = action(g, d, body(i, action(h, i, body(d, f(d)))))
    return assume(action(g + h, d, body(i, f(i))), twice, g, h, d, f)


def nothing(action: Fun) -> Theorem:
    """action(0) y = y"""
    return assume(action(0, d, body(i, f(i))), f(d), d, f)


def agree(tested: int = 1, at: Any = q) -> Goal:
    alike = assume(A(tested * e, d, body(i, f(i))), B(tested * e, d, body(i, f(i))), e, d, f)
    hypotheses = (acts(A), acts(B), nothing(A), nothing(B), alike)
    return Goal(A(q, d, body(i, signal(i))), B(at, d, body(i, signal(i))), hypotheses)


def agree_script(p: Proof) -> None:
    acts_a, acts_b, starts_a, starts_b, alike = p.hypotheses

    def by_b(at: Any, where: Any) -> Term:
        return B(at, where, body(i, signal(i)))

    def insert(side: Side) -> None:
        side.rewrite(starts_b, {d: i}, {f: ((i,), signal(i))}, says="B(0) changes nothing")

    def step(side: Side) -> None:
        rest = {f: ((i,), by_b(q - v - e, i))}
        side.rewrite(acts_a, {g: v, h: e}, rest, says="A(v + e) is A(e), then A(v)")
        side.rewrite(alike, {d: i}, rest, says="at a unit step A is B")
        side.rewrite(
            acts_b, {g: e, h: q - v - e, d: i}, {f: ((i,), signal(i))}, says="B(e) takes B up to q − v", backwards=True
        )

    p.become(A(q, d, body(i, by_b(0, i))), insert, "B(0) changes nothing")
    p.induct(A(v, d, body(i, by_b(q - v, i))), v, e, q, step, "hand the steps from A to B, one by one")
    p.rewrite(starts_a, functions={f: ((i,), by_b(q, i))}, says="A(0) changes nothing")


def permuting(odd: bool = False) -> Meanings:
    """A(k) y = B(k) y: y[i − k·N/m], N a multiple of m. ``odd``: B adds half a turn to each odd step, and so differs from A there."""

    def meanings(world: World) -> dict[str, Meaning]:
        def value(k: Vector, at: Vector, values: Sequence[Any], turn: int = 1) -> Any:
            found = 0
            for step, where, places, order in zip(k, at, world.sizes["N"], world.sizes["m"], strict=True):
                found = found * places + (where - turn * step * (places // order)) % places
            return values[found]

        return {"A": value, "B": (lambda k, at, values: value(k, at, values, -1)) if odd else value}

    return meanings


def agree_library(given: Given) -> dict[str, object]:
    """A roll, and the product with the matrix of a shift."""
    step, x = given["N"] // given["m"], given["x"]
    left = [given.xp.roll(x, step * q) for q in range(given["m"])]
    right = [eq.Shift(step * q, given["N"]) @ x for q in range(given["m"])]
    return {"lhs": given.xp.stack(left, 1), "rhs": given.xp.stack(right, 1)}


ACTING = ({"N": 1, "m": 1}, {"N": 4, "m": 2}, {"N": 4, "m": 4}, {"N": (2, 2), "m": (2, 1)})

LAW = Law(
    name="actions_agree",
    title="Two actions that agree on the shifts which generate a subgroup agree on the whole of it",
    families=("pointwise", "contraction", "shape"),
    note="The certifier compares how a shift by s acts on the dims of two operands; that is enough for its multiples. The N places may be laid out in any way.",
    claims=(
        Claim(
            says="Two actions of Z_m on signals that agree on unit steps agree: operands that move alike under s do so under every s·q",
            goal=agree,
            script=agree_script,
            twins=(
                Twin("they agree on steps by 2 only", {"tested": 2}, permuting(odd=True)),
                Twin("one of them takes a step more", {"at": q + 1}),
            ),
            meanings=permuting(),
            worlds=ACTING,
            library=agree_library,
        ),
    ),
)
