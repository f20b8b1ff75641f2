"""Reductions of some dims, or block by block: what is reduced does not see the shift, and what is left goes on rolling."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import Any

from proofs.crosscheck import Given
from proofs.evaluation import Exact, Meaning, Vector, World
from proofs.language import Cyclic, Fun, Integers, Range, Term, Theorem, Var, assume, body, size, variables
from proofs.laws import Claim, Law, Twin
from proofs.proving import Goal, Proof

m, n, c, outputs = size("m"), size("n"), size("c"), size("r")
SHIFTS = range(-2, 4)  # the integers at which statements are evaluated
row, u = variables("l u", Cyclic(m))
column, b = variables("j b", Cyclic(n))
i, k = variables("i k", Cyclic(n))
(z,) = variables("z", Integers())
image = Fun("x", (Cyclic(m), Cyclic(n)))


def largest(world: World) -> dict[str, Meaning]:
    """The largest real part; in the exact field, where numbers have no order, any symmetric function."""

    def value(values: Sequence[complex]) -> complex:
        return complex(max(v.real for v in values))

    return {} if isinstance(world.field, Exact) else dict.fromkeys(("R", "Q", "P"), value)


# while another dim goes on rolling --------------------------------------------------------------------------------------------

Q = Fun("Q", (), ((Cyclic(n),),), symmetric=True)
ORDERED = Fun("Q", (), ((Cyclic(n),),))


def beside(aggregate: Fun = Q, out: Any = u) -> Goal:
    left = aggregate(body(column, image(row - u, column - b)))
    return Goal(left, aggregate(body(column, image(row - out, column))))


def beside_script(p: Proof) -> None:
    p.reindex({column: column + b}, "count the columns from b on, in the row that has come to l")


def beside_library(given: Given) -> dict[str, object]:
    """The largest entry of each row of an image that moves by u along one axis and by b along the other."""
    xp, x = given.xp, given["x"].real
    rows, columns = range(given["m"]), range(given["n"])
    left = [xp.stack([xp.amax(xp.roll(x, (u, b), (0, 1)), 1) for u in rows], 1) for b in columns]
    right = [xp.stack([xp.roll(xp.amax(x, 1), u, 0) for u in rows], 1) for _ in columns]
    return {"lhs": xp.stack(left), "rhs": xp.stack(right)}


# two dims that one shift moves ------------------------------------------------------------------------------------------------

JOINT, JOINT_ORDERED = (Fun("R", (), ((Cyclic(n), Cyclic(n)),), symmetric=s) for s in (True, False))
first, second, kept = variables("i j l", Cyclic(n))
table = Fun("x", (Cyclic(n), Cyclic(n), Cyclic(n)))


def joint(aggregate: Fun = JOINT, out: Any = k, along: Any = second) -> Goal:
    left = aggregate(body(first, second, table(kept - k, first - k, second - k)))
    return Goal(left, aggregate(body(first, second, table(kept - out, first, along))))


def joint_script(p: Proof) -> None:
    p.reindex({first: first + k, second: second + k}, "count both dims from k on; the third goes on rolling")


def joint_library(given: Given) -> dict[str, object]:
    xp, x = given.xp, given["x"].real
    left = [xp.amax(xp.roll(x, (k, k, k), (0, 1, 2)), (1, 2)) for k in range(given["n"])]
    right = [xp.roll(xp.amax(x, (1, 2)), k, 0) for k in range(given["n"])]
    return {"lhs": xp.stack(left), "rhs": xp.stack(right)}


# two dims of different sizes --------------------------------------------------------------------------------------------------

BOTH, BOTH_ORDERED = (Fun("R", (), ((Cyclic(m), Cyclic(n)),), symmetric=s) for s in (True, False))


def sizes(aggregate: Fun = BOTH, along: Any = column) -> Goal:
    left = aggregate(body(row, column, image(row - u, column - b)))
    return Goal(left, aggregate(body(row, column, image(row, along))))


def sizes_script(p: Proof) -> None:
    p.reindex({row: row + u}, "count the rows from u on")
    p.reindex({column: column + b}, "count the columns from b on")


def sizes_library(given: Given) -> dict[str, object]:
    xp, x = given.xp, given["x"].real
    left = [
        xp.stack([xp.amax(xp.roll(x, (u, b), (0, 1)), (0, 1)) for u in range(given["m"])]) for b in range(given["n"])
    ]
    right = [xp.stack([xp.amax(x, (0, 1))] * given["m"]) for _ in range(given["n"])]
    return {"lhs": xp.stack(left), "rhs": xp.stack(right)}


# a concatenation, block by block ------------------------------------------------------------------------------------------------

x, block = Fun("x", (Cyclic(n),)), Fun("c", (Cyclic(m),))
P, P_ORDERED = (Fun("P", (), ((Cyclic(m),),), symmetric=s) for s in (True, False))
φ = Fun("φ", (), ((), ()))


def blocks(one: Fun = Q, other: Fun = P) -> Goal:
    def combined(shift: Any, turn: Any) -> Term:
        return φ(body(one(body(i, x(i - shift)))), body(other(body(row, block(row - turn)))))

    return Goal(combined(k, z), combined(0, 0))


def blocks_script(p: Proof) -> None:
    p.reindex({i: i + k}, "count the first block from k on")
    p.reindex({row: row + z}, "count the second from z on")


def blocks_meanings(world: World) -> dict[str, Meaning]:
    """φ is the larger of two."""
    usual = largest(world)
    return {**usual, "φ": lambda a, b: usual["R"]([a[0], b[0]])} if usual else {}


def blocks_library(given: Given) -> dict[str, object]:
    """The largest entry of a concatenation."""
    xp, x, block = given.xp, given["x"].real, given["c"].real

    def top(k: int, z: int) -> Any:
        return xp.amax(xp.concatenate([xp.roll(x, k, 0), xp.roll(block, z, 0)]), 0)

    left = [xp.stack([top(k, z) for z in SHIFTS]) for k in range(given["n"])]
    return {"lhs": xp.stack(left), "rhs": xp.stack([xp.stack([top(0, 0) for _ in SHIFTS]) for _ in left])}


# any function of two blocks that sees no shift of either ------------------------------------------------------------------------

R = Fun("R", (), ((Cyclic(n),), (Cyclic(m),)))
f, g = Fun("f", (Cyclic(n),)), Fun("g", (Cyclic(m),))


def whole(first: int = 1, second: int = 1) -> Goal:
    """``first``, ``second``: 0 where nothing is known of shifts of that block."""

    def value(shift: Any, turn: Any, a: Fun, b: Fun) -> Term:
        return R(body(i, a(i - shift)), body(row, b(row - turn)))

    def unseen(shift: Any, turn: Any, by: Var) -> Theorem:
        return assume(value(shift, turn, f, g), value(0, 0, f, g), by, f, g)

    return Goal(value(k, z, x, block), value(0, 0, x, block), (unseen(first * k, 0, k), unseen(0, second * z, z)))


def whole_script(p: Proof) -> None:
    one, other = p.hypotheses
    p.rewrite(one, functions={f: ((i,), x(i)), g: ((row,), block(row - z))}, says="a shift of the first block, unseen")
    p.rewrite(other, functions={f: ((i,), x(i)), g: ((row,), block(row))}, says="a shift of the second block, unseen")


def norm(world: World, weigh: int | None = None) -> dict[str, Meaning]:
    """The sum of squares of all entries; ``weigh``: in that block, each times its place."""

    def value(*both: Sequence[Any]) -> Any:
        total = world.field.number(Fraction(0))
        for number, values in enumerate(both):
            for place, v in enumerate(values):
                for _ in range(place + 1 if number == weigh else 1):
                    total = total + v * v
        return total

    return {"R": value}


def whole_library(given: Given) -> dict[str, object]:
    """The sum of squares of a concatenation."""
    xp, x, block = given.xp, given["x"], given["c"]

    def norm(k: int, z: int) -> Any:
        return (xp.concatenate([xp.roll(x, k, 0), xp.roll(block, z, 0)]) ** 2).sum()

    left = [xp.stack([norm(k, z) for z in SHIFTS]) for k in range(given["n"])]
    return {"lhs": xp.stack(left), "rhs": xp.stack([xp.stack([norm(0, 0) for _ in SHIFTS]) for _ in left])}


# along a still dim, in any order ------------------------------------------------------------------------------------------------

A, A_MOVING = Fun("A", (Range(outputs),), ((Range(c),),)), Fun("A", (Range(outputs), Cyclic(n)), ((Range(c),),))
(o,) = variables("o", Range(outputs))
(channel,) = variables("a", Range(c))
channels = Fun("x", (Range(c), Cyclic(n)))


def along_still(out: Any = k, placed: bool = False) -> Goal:
    def output(at: Any, signal: Any) -> Term:
        values = body(channel, channels(channel, signal))
        return A_MOVING(o, at, values) if placed else A(o, values)

    return Goal(output(i, i - k), output(i - out, i - out))


def along_still_script(p: Proof) -> None:
    """Both sides are the same as they stand: at each position A sees the channels, in their order, and not the position."""


def running(_: World) -> dict[str, Meaning]:
    """The sum of the channels up to o."""

    def value(o: Vector, values: Sequence[Any]) -> Any:
        total = values[0]
        for v in values[1 : o[0] + 1]:
            total = total + v
        return total

    return {"A": value}


def along_still_library(given: Given) -> dict[str, object]:
    """A cumulative sum along the channels."""
    xp, x = given.xp, given["x"]
    left = [xp.cumsum(xp.roll(x, k, 1), 0)[: given["r"]].T for k in range(given["n"])]
    right = [xp.roll(xp.cumsum(x, 0)[: given["r"]], k, 1).T for k in range(given["n"])]
    return {"lhs": xp.stack(left, 1), "rhs": xp.stack(right, 1)}


CHANNELS = ({"c": 2, "n": 2, "r": 1}, {"c": 2, "n": 3, "r": 2}, {"c": 3, "n": 2, "r": 3})

LAW = Law(
    name="partial_reduction",
    title="A reduction over some dims, or block by block, does not see how they move, and the other dims go on rolling",
    families=("reduction", "normalisation", "contraction"),
    note="A symmetric function of all entries of a concatenation (a maximum, a variance, a median) is, the other blocks fixed, a symmetric function of one "
    "block, and by reduction sees no shift of it: claim 5 then takes the blocks one by one.",
    claims=(
        Claim(
            says="One axis is reduced, the other rolls on: Q(x[l − u, j − b], j ∈ Z_n) = Q(x[l − u, j], j ∈ Z_n) for a symmetric Q",
            goal=beside,
            script=beside_script,
            twins=(
                Twin("Q depends on the order of the columns", {"aggregate": ORDERED}),
                Twin("what is left is still", {"out": 0}),
                Twin("what is left rolls the other way", {"out": -u}),
            ),
            meanings=largest,
            library=beside_library,
        ),
        Claim(
            says="Two dims that one shift moves, reduced at once while a third rolls on: R(x[l − k, i − k, j − k]) = R(x[l − k, i, j])",
            goal=joint,
            script=joint_script,
            twins=(
                Twin("R depends on the order of its values", {"aggregate": JOINT_ORDERED}),
                Twin("what is left is still", {"out": 0}),
                Twin("only the diagonal is reduced, beside itself", {"along": first}),
            ),
            meanings=largest,
            library=joint_library,
            worlds=({"n": 1}, {"n": 2}, {"n": 3}, {"n": (1, 2)}),
        ),
        Claim(
            says="Two dims of different sizes, reduced at once: a symmetric R sees no shift along either",
            goal=sizes,
            script=sizes_script,
            twins=(
                Twin("R depends on the order of its values", {"aggregate": BOTH_ORDERED}),
                Twin("every column is the column b", {"along": b}),
            ),
            meanings=largest,
            library=sizes_library,
        ),
        Claim(
            says="A function of a concatenation that is put together from a symmetric Q of one block and P of the other sees no shift of either",
            goal=blocks,
            script=blocks_script,
            twins=(
                Twin("Q depends on the order of its block", {"one": ORDERED}),
                Twin("P depends on the order of its block", {"other": P_ORDERED}),
            ),
            meanings=blocks_meanings,
            library=blocks_library,
        ),
        Claim(
            says="If R of two blocks sees no shift of the one, whatever the other, and no shift of the other, it sees no shift of both",
            goal=whole,
            script=whole_script,
            twins=(
                Twin("nothing is known of shifts of the first", {"first": 0}, lambda w: norm(w, 0)),
                Twin("nothing is known of shifts of the second", {"second": 0}, lambda w: norm(w, 1)),
            ),
            meanings=norm,
            library=whole_library,
        ),
        Claim(
            says="Any A along a still dim, order and all (a running sum, an argmax, a sort of the channels), moves with the other dims",
            goal=along_still,
            script=along_still_script,
            twins=(
                Twin("A knows the position too", {"placed": True}, lambda _: {}),
                Twin("the result rolls the other way", {"out": -k}),
                Twin("the result is still", {"out": 0}),
            ),
            meanings=running,
            library=along_still_library,
            worlds=CHANNELS,
        ),
    ),
)
