"""A concatenation of rows: beside a dim that moves, what is constant must have the step as a period; whole rows in one line stay whole rows."""

from __future__ import annotations

from typing import Any

from proofs.crosscheck import Given
from proofs.evaluation import Meaning, World, pseudorandom
from proofs.language import Cyclic, Fun, Range, Term, Unit, assume, delta, size, sum_over, variables
from proofs.laws import Claim, Law, Twin
from proofs.proving import Goal, Proof, Side

m, n, h, s, q = size("m"), size("n"), size("h"), size("s"), size("q")
u, a = variables("u a", Range(n))
v, b = variables("v b", Range(m))
(p,) = variables("p", Range(n + m))


# beside a dim that moves -----------------------------------------------------------------------------------------------------------

PLACES = Cyclic(s * q)
(i,) = variables("i", PLACES)
turns, wide = variables("l w", Cyclic(q))
(unit,) = variables("e", Unit())
rows, constant = Fun("x", (Range(n), PLACES)), Fun("c", (Range(m), PLACES))


def beside(shift: Any = s * turns, moved: Any = s * turns, period: Any = s) -> Goal:
    """z[p, i]: n rows that move along i, and m rows of constants with c[b, i + s] = c[b, i]."""
    same = assume(constant(b, i + period * unit), constant(b, i), b, i, unit)

    def z(rolled: Any, at: Any) -> Term:
        return sum_over(a, rows(a, at - rolled) * delta(p - a)) + sum_over(b, constant(b, at) * delta(p - n - b))

    return Goal(z(shift, i), z(0, i - moved), (same,))


def beside_script(proof: Proof) -> None:
    def step(side: Side) -> None:
        side.rewrite(
            proof.hypotheses[0], {i: i - s * wide - s * unit}, says="a constant is the same s on", backwards=True
        )

    proof.right.induct(constant(b, i - s * wide), wide, unit, turns, step, "the constants are the same l periods on")


def beside_meanings(world: World) -> dict[str, Meaning]:
    def c(row: Any, i: Any) -> Any:
        return pseudorandom(world, "c", row, tuple(a % s for a, s in zip(i, world.sizes["s"], strict=True)))

    return {"c": c}


def beside_library(given: Given) -> dict[str, object]:
    """Axes i, l, p."""
    xp, step = given.xp, given["s"]
    left = [xp.concatenate([xp.roll(given["x"], step * l, 1), given["c"]]) for l in range(given["q"])]
    right = [xp.roll(xp.concatenate([given["x"], given["c"]]), step * l, 1) for l in range(given["q"])]
    return {"lhs": xp.moveaxis(xp.stack(left), 2, 0), "rhs": xp.moveaxis(xp.stack(right), 2, 0)}


# whole blocks: a merge of a concatenation -----------------------------------------------------------------------------------------------

(r,) = variables("r", Range(h))
(A,) = variables("A", Range(h * n))
(B,) = variables("B", Range(h * m))
upper, lower = Fun("x", (Range(h * n),)), Fun("c", (Range(h * m),))


def merged(position: Any) -> Term:
    """n rows of h entries, laid out in one line, then m rows."""
    return sum_over(A, upper(A) * delta(position - A)) + sum_over(B, lower(B) * delta(position - h * n - B))


def stacked(row: Any, entry: Any) -> Term:
    """The n rows, then the m rows, as rows."""
    above = sum_over(a, upper(h * a + entry) * delta(row - a))
    return above + sum_over(b, lower(h * b + entry) * delta(row - n - b))


def first_rows(entry: Any = r, row: Any = u) -> Goal:
    return Goal(merged(h * u + r), stacked(row, entry))


def first_rows_script(p: Proof) -> None:
    p.sift(A, "entry r of row u")
    p.separate("the rows of c stand behind it")
    p.right.sift(a, "row u")
    p.right.separate("the rows of c stand behind it")


def last_rows(entry: Any = r, row: Any = n + v) -> Goal:
    return Goal(merged(h * (n + v) + r), stacked(row, entry))


def last_rows_script(p: Proof) -> None:
    p.sift(B, "entry r of row v of c")
    p.separate("the rows of x stand before it")
    p.right.sift(b, "row v of c")
    p.right.separate("the rows of x stand before it")


def rows_library(given: Given, last: bool) -> dict[str, object]:
    """Axes r, u (or r, v)."""
    xp, h, n, x, c = given.xp, given["h"], given["n"], given["x"], given["c"]
    keep = slice(n, None) if last else slice(n)
    left = xp.concatenate([x, c]).reshape(-1, h)[keep]
    right = xp.concatenate([x.reshape(-1, h), c.reshape(-1, h)])[keep]
    return {"lhs": left.T, "rhs": right.T}


LAW = Law(
    name="concatenated_rows",
    title="A concatenation moves along its other dims where all its parts do, and rows of a line are rows of its parts",
    families=("shape", "slice, select, index"),
    note="As in the law concatenation: z[p, …] = Σ_a x[a, …]·δ[p − a] + Σ_b c[b, …]·δ[p − n − b], p < n + m.",
    claims=(
        Claim(
            says="Beside a dim that moves: if x[a, i] moves by s·l along i and c[b, i + s] = c[b, i], the rows of x and c together move by s·l",
            goal=beside,
            script=beside_script,
            twins=(
                Twin("c has no period but that of the whole", {"period": s * q}, lambda _: {}),
                Twin("the result stays", {"moved": 0}),
            ),
            meanings=beside_meanings,
            library=beside_library,
            worlds=(
                {"m": 1, "n": 1, "q": 2, "s": 2},
                {"m": 2, "n": 1, "q": 3, "s": 2},
                {"m": (1, 1), "n": (1, 2), "q": (2, 1), "s": (1, 2)},
            ),
        ),
        Claim(
            says="Rows of h entries in one line: the n rows of x, then the m rows of c, are one block of n + m rows. Row u < n of it is that of x",
            goal=first_rows,
            script=first_rows_script,
            twins=(
                Twin("the entries of a row are reversed", {"entry": h - 1 - r}),
                Twin("it is a row of c", {"row": n}),
            ),
            library=lambda given: rows_library(given, False),
            worlds=({"h": 2, "m": 1, "n": 2}, {"h": 2, "m": 3, "n": 1}, {"h": (2, 1), "m": (1, 1), "n": (1, 2)}),
        ),
        Claim(
            says="And row n + v, v < m, is that of c: (n × h) beside (m × h) is (n + m) × h",
            goal=last_rows,
            script=last_rows_script,
            twins=(
                Twin("the entries of a row are reversed", {"entry": h - 1 - r}),
                Twin("the rows of c come last one first", {"row": n + m - 1 - v}),
            ),
            library=lambda given: rows_library(given, True),
            worlds=({"h": 2, "m": 1, "n": 2}, {"h": 2, "m": 3, "n": 1}, {"h": (2, 1), "m": (1, 2), "n": (1, 1)}),
        ),
    ),
)
