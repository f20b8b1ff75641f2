"""Convolution on other domains: the matrices that commute with a group of permutations are those that it leaves alone, entry by entry (lecture L31)."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from typing import Any

from proofs.crosscheck import Given
from proofs.evaluation import Meaning, World, pseudorandom
from proofs.kernel import Group, Letter, Points
from proofs.language import Fun, Term, Theorem, assume, cardinality, sum_over
from proofs.laws import Claim, Law, Meanings, Twin
from proofs.proving import Goal, Proof

G = Group("G")
X = Points("X", G)
g, h = Letter("g", G), Letter("h", G)
a, b, i, j, l = (Letter(name, X) for name in "abijl")
M, D = Fun("M", (X, X)), Fun("D", (X, X))
x, f = Fun("x", (X,)), Fun("f", (X,))
#: The symmetries of a square, acting on its corners 0, 1, 2, 3.
SQUARE = tuple(tuple((turn + flip * p) % 4 for p in range(4)) for flip in (1, -1) for turn in range(4))


def fixed(row: Any = g * i, column: Any = g * j) -> Theorem:
    """M[g·i, g·j] = M[i, j]"""
    return assume(M(row, column), M(i, j), g, i, j)


def commutes(matrix: Any, by: Any, out: Any) -> Goal:
    """Σ_j M[i, j]·x[g·j] = Σ_j M[g·i, j]·x[j]: moving the signal moves the result."""
    return Goal(sum_over(j, matrix(i, j) * x(by * j)), sum_over(j, matrix(out * i, j) * x(j)))


def identity() -> Theorem:
    """D is the identity matrix: D f = f for all f."""
    return assume(sum_over(a, D(l, a) * f(a)), f(l), l, f)


def orbits(pair: Any) -> Meanings:
    """M is random, of pairs (i, j) that ``pair`` makes equal."""

    def meanings(world: World) -> dict[str, Meaning]:
        one, zero = world.field.number(Fraction(1)), world.field.number(Fraction(0))
        return {
            "M": lambda i, j: pseudorandom(world, "M", min(pair(g, i, j) for g in SQUARE)),
            "D": lambda i, j: one if i == j else zero,
        }

    return meanings


together = orbits(lambda g, i, j: (g[i], g[j]))
GROUPS = {"G": SQUARE}


def sides(given: Given, matrix: Any) -> dict[str, object]:
    """M (x∘g) and (M x)∘g, where (x∘g)[i] = x[g·i]; axes g, i."""
    orders = [list(one) for one in SQUARE]
    left = [(matrix * given["x"][order]).sum(1) for order in orders]
    return {
        "lhs": given.xp.stack(left),
        "rhs": given.xp.stack([(matrix * given["x"]).sum(1)[order] for order in orders]),
    }


# M[g·i, g·j] = M[i, j] is enough -------------------------------------------------------------------------------------------------


def enough(row: Any = g * i, column: Any = g * j, out: Any = g) -> Goal:
    goal = commutes(M, g, out)
    return Goal(goal.lhs, goal.rhs, (fixed(row, column),))


def enough_script(p: Proof) -> None:
    p.right.translate(j, g * j, "sum over the points in the order g·j")
    p.right.rewrite(p.hypotheses[0], says="row and column move together, and M does not see it")


def enough_library(given: Given) -> dict[str, object]:
    return sides(given, given["M"])


# and necessary --------------------------------------------------------------------------------------------------------------------


def necessary(rows: bool = True, column: Any = g * l) -> Goal:
    goal = commutes(M, g, g)
    seen = assume(goal.lhs, goal.rhs if rows else sum_over(j, M(i, j) * x(j)), g, i, x)
    return Goal(M(g * i, column), M(i, l), (seen, identity()))


def necessary_script(p: Proof) -> None:
    seen, same = p.hypotheses
    unit = sum_over(a, D(g * l, a) * M(g * i, a))
    p.become(
        unit,
        lambda s: s.rewrite(same, {l: g * l}, {f: ((b,), M(g * i, b))}),
        "M[g·i, g·l] is row g·i of M applied to the unit vector at g·l",
    )
    p.rewrite(seen, functions={x: ((b,), D(g * l, b))}, says="M commutes with g", backwards=True)
    p.translate(j, g.inverse * j, "sum over the points in the order g⁻¹·j")
    p.rewrite(same, {l: g * l}, {f: ((b,), M(i, g.inverse * b))}, "D is the identity, and g⁻¹·g·l = l")


def necessary_library(given: Given) -> dict[str, object]:
    """Axes g, i, l."""
    moved = [given["M"][list(one)][:, list(one)] for one in SQUARE]
    return {"lhs": given.xp.stack(moved), "rhs": given.xp.stack([given["M"]] * len(SQUARE))}


# averages over the group ------------------------------------------------------------------------------------------------------------


def averaged(entry: Callable[[Any, Any], Term], columns: bool = True) -> Callable[[Any, Any], Term]:
    """(1/|G|)·Σ_g entry[g·i, g·j]"""
    return lambda r, c: sum_over(g, entry(g * r, g * c if columns else c)) * (1 / cardinality(G))


def reynolds(columns: bool = True, average: bool = True, out: Any = h) -> Goal:
    return commutes(averaged(M, columns) if average else M, h, out)


def average_script(p: Proof) -> None:
    p.right.translate(j, h * j, "sum over the points in the order h·j")
    p.right.translate(g, g * h.inverse, "sum over the group in the order g·h⁻¹")


def mean(matrix: Any) -> Any:
    return sum(matrix[list(one)][:, list(one)] for one in SQUARE) / len(SQUARE)


def reynolds_library(given: Given) -> dict[str, object]:
    return sides(given, mean(given["M"]))


def orbit_matrix(first: Any = a, second: Any = b, columns: bool = True) -> Callable[[Any, Any], Term]:
    """The average of the matrix that is 1 at (a, b) and 0 elsewhere: constant on the orbit of (a, b)."""
    return averaged(lambda r, c: D(r, first) * D(c, second), columns)


def combination(row: Any = g * i, column: Any = g * j, columns: bool = True) -> Goal:
    right = sum_over((a, b), M(a, b) * orbit_matrix(columns=columns)(i, j))
    return Goal(M(i, j), right, (fixed(row, column), identity()))


def combination_script(p: Proof) -> None:
    invariant, same = p.hypotheses
    p.right.rewrite(same, {l: g * i}, {f: ((l,), M(l, b))}, "D is the identity: only a = g·i counts")
    p.right.rewrite(same, {l: g * j}, {f: ((l,), M(g * i, l))}, "and only b = g·j")
    p.right.rewrite(invariant, says="M is the same there as at (i, j)")
    p.right.count(g, "so the average is over equal numbers")


def combination_library(given: Given) -> dict[str, object]:
    unit, points = given["D"], range(4)
    parts = [given["M"][a, b] * mean(unit[:, a][:, None] * unit[:, b][None, :]) for a in points for b in points]
    return {"lhs": given["M"], "rhs": sum(parts)}


LAW = Law(
    name="permutation_commutant",
    title="The linear maps that commute with a group of permutations are the combinations of its orbit matrices",
    items=("L31",),
    families=("slice, select, index",),
    claims=(
        Claim(
            says="If M[g·i, g·j] = M[i, j], then M commutes with the permutation of the points by each g",
            goal=enough,
            script=enough_script,
            twins=(
                Twin("M is left alone by moving its rows only", {"column": j}, orbits(lambda g, i, j: (g[i], j))),
                Twin("M is left alone by moving its columns only", {"row": i}, orbits(lambda g, i, j: (i, g[j]))),
                Twin("the result moves by g⁻¹", {"out": g.inverse}),
            ),
            meanings=together,
            library=enough_library,
            groups=GROUPS,
        ),
        Claim(
            says="Conversely: if M commutes with every g, then M[g·i, g·l] = M[i, l] (weights are shared along orbits)",
            goal=necessary,
            script=necessary_script,
            twins=(
                Twin("M x does not change when x moves", {"rows": False}, orbits(lambda g, i, j: (i, g[j]))),
                Twin("the column moves by g⁻¹", {"column": g.inverse * l}),
                Twin("the column does not move", {"column": l}),
            ),
            meanings=together,
            library=necessary_library,
            groups=GROUPS,
        ),
        Claim(
            says="The average (1/|G|)·Σ_g M[g·i, g·j] of any matrix commutes with the group",
            goal=reynolds,
            script=average_script,
            twins=(
                Twin("M itself, not averaged", {"average": False}),
                Twin("the average moves the rows only", {"columns": False}),
                Twin("the result moves by h⁻¹", {"out": h.inverse}),
            ),
            library=reynolds_library,
            groups=GROUPS,
        ),
        Claim(
            says="M is then Σ_(a,b) M[a, b]·O_ab, O_ab[i, j] = (1/|G|)·Σ_g D[g·i, a]·D[g·j, b]: averages, which commute with the group as above",
            goal=combination,
            script=combination_script,
            twins=(
                Twin("M is left alone by moving its rows only", {"column": j}, orbits(lambda g, i, j: (g[i], j))),
                Twin("the orbit matrices move the rows only", {"columns": False}),
            ),
            meanings=together,
            library=combination_library,
            groups=GROUPS,
        ),
    ),
    note="D is the identity matrix, given by D f = f. For Z_n acting on itself the orbit matrices are the shifts: the circulants again.",
)
