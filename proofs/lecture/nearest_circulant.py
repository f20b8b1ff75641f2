"""Averaging the wrapped diagonals of a matrix projects it orthogonally onto the circulants, so it gives the nearest one: lecture L30.

(P M)[i, j] = (1/n)·Σ_t M[i + t, j + t], the mean of the entries on the diagonal through (i, j), which wraps around. ‖·‖ is the Frobenius norm.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

import equiconv as eq
from proofs.crosscheck import Given
from proofs.language import (
    Cyclic,
    Fun,
    Matrix,
    Term,
    Var,
    as_term,
    cardinality,
    circulant,
    conjugate,
    size,
    sum_over,
    variables,
)
from proofs.laws import Claim, Law, Tested, Twin
from proofs.proving import Goal, Proof, prime

n = size("n")
i, j, s, t, a, b = variables("i j s t a b", Cyclic(n))
M, N, v = Fun("M", (Cyclic(n), Cyclic(n))), Fun("N", (Cyclic(n), Cyclic(n))), Fun("v", (Cyclic(n),))


def mean(matrix: Matrix, along: Var, slope: int = 1, divided: bool = True) -> Matrix:
    """P matrix; ``slope`` −1 averages the other diagonals"""

    def entry(a: Any, b: Any) -> Term:
        total = sum_over(along, matrix(a + along, b + slope * along))
        return total * (1 / cardinality(along.sort)) if divided else total

    return entry


def inner(a: Matrix, b: Matrix) -> Term:
    """⟨A, B⟩ = Σ_ij A[i, j]·conj(B[i, j])"""
    return sum_over((i, j), a(i, j) * conjugate(b(i, j)))


def minus(a: Matrix, b: Matrix) -> Matrix:
    return lambda p, q: a(p, q) - b(p, q)


def nearest(given: Given) -> Any:
    return eq.Circulant.nearest(given["M"]).dense()


C_V, P_M = circulant(v), mean(M, t)


# P M is a circulant ----------------------------------------------------------------------------------------------------------


def is_circulant(slope: int = 1, sign: int = 1) -> Goal:
    projected = mean(M, t, slope)
    return Goal(projected(i, j), projected(i - sign * j, 0))


def is_circulant_script(p: Proof) -> None:
    p.reindex({t: t - j}, "start the average j entries earlier: at column 0, in row i − j")


def is_circulant_library(given: Given) -> dict[str, object]:
    return {"lhs": nearest(given), "rhs": eq.Circulant(eq.Circulant.nearest(given["M"]).kernel).dense()}


# P C = C for a circulant -----------------------------------------------------------------------------------------------------


def fixes(slope: int = 1, divided: bool = True) -> Goal:
    return Goal(mean(C_V, t, slope, divided)(i, j), C_V(i, j))


def fixes_script(p: Proof) -> None:
    p.count(t, "a circulant is constant along the diagonal")


def fixes_library(given: Given) -> dict[str, object]:
    c = eq.Circulant(given["v"]).dense()
    return {"lhs": eq.Circulant.nearest(c).dense(), "rhs": c}


# P P M = P M -----------------------------------------------------------------------------------------------------------------


def idempotent(slope: int = 1, divided: bool = True) -> Goal:
    return Goal(mean(mean(M, t, slope), s, 1, divided)(i, j), mean(M, t, slope)(i, j))


def idempotent_script(p: Proof) -> None:
    p.reindex({t: t - s, s: s}, "the inner average may start anywhere")
    p.count(s, "so the outer one averages equal values")


def idempotent_library(given: Given) -> dict[str, object]:
    return {"lhs": eq.Circulant.nearest(nearest(given)).dense(), "rhs": nearest(given)}


# ⟨P M, N⟩ = ⟨M, P N⟩ ----------------------------------------------------------------------------------------------------------


def self_adjoint(slope: int = 1, both: bool = True) -> Goal:
    return Goal(inner(mean(M, t), N), inner(M, mean(N, t, slope) if both else N))


def self_adjoint_script(p: Proof) -> None:
    p.reindex({i: i - t, j: j - t, t: t}, "count rows and columns from −t on: the diagonal moves to N")
    p.reindex({t: -t}, "and is run through backwards")


def self_adjoint_library(given: Given) -> dict[str, object]:
    other = eq.Circulant.nearest(given["N"]).dense()
    return {"lhs": (nearest(given) * given["N"].conj()).sum(), "rhs": (given["M"] * other.conj()).sum()}


# ⟨M − P M, C_v⟩ = 0 -----------------------------------------------------------------------------------------------------------


def orthogonal(slope: int = 1, other: Matrix = C_V) -> Goal:
    return Goal(inner(minus(M, mean(M, t, slope)), other), as_term(0))


def orthogonal_script(p: Proof) -> None:
    p.reindex({i: i - t, j: j - t, t: t}, "count rows and columns from −t on: C_v does not change along a diagonal")
    p.count(t, "nothing depends on t, and the two sums cancel")


def orthogonal_library(given: Given) -> dict[str, object]:
    rest = given["M"] - nearest(given)
    return {"lhs": (rest * eq.Circulant(given["v"]).dense().conj()).sum()}


# ‖M − C_v‖² = ‖M − P M‖² + ‖P M − C_v‖² ----------------------------------------------------------------------------------------


def first_column(a: Any, b: Any) -> Term:
    """The circulant with M's first column"""
    return M(a - b, 0)


def pythagoras(projection: Matrix = P_M, sign: int = 1) -> Goal:
    far, rest, near = minus(M, C_V), minus(M, projection), minus(projection, C_V)
    return Goal(inner(far, far), inner(rest, rest) + inner(near, near) * sign)


def pythagoras_script(p: Proof) -> None:
    u = prime(t)  # the second average's index
    p.right.reindex({i: i - u, j: j - u, t: t + u, u: u}, "in ⟨P M, P M⟩ count from the second average's index on")
    p.right.count(u, "on which nothing depends any more: ⟨P M, P M⟩ = ⟨P M, M⟩")
    p.right.rewrite(SELF_ADJOINT.theorem, functions={N: ((a, b), M(a, b))}, says="⟨P M, M⟩ = ⟨M, P M⟩: these cancel")
    p.right.reindex({i: i - t, j: j - t, t: t}, "C_v does not change along a diagonal")
    p.right.count(t, "so ⟨P M, C_v⟩ = ⟨M, C_v⟩, and the same with the sides exchanged")


def pythagoras_library(given: Given) -> dict[str, object]:
    matrix, near, other = given["M"], nearest(given), eq.Circulant(given["v"]).dense()
    squares = [(abs(d) ** 2).sum() for d in (matrix - other, matrix - near, near - other)]
    return {"lhs": squares[0], "rhs": squares[1] + squares[2]}


# the minimum ------------------------------------------------------------------------------------------------------------------


def projected(matrix: Any) -> Any:
    return eq.Circulant.nearest(matrix).dense()


def is_minimum(candidate: Callable[[Any], Any]) -> bool:
    """No other circulant is nearer to M than ``candidate(M)``, among random ones and small changes of the candidate itself."""
    rng = np.random.default_rng(0)
    for order in range(1, 9):
        matrix = rng.normal(size=(order, order)) + 1j * rng.normal(size=(order, order))
        near = candidate(matrix)
        for scale in (1.0, 1e-2, 1e-4):
            for _ in range(20):
                other = eq.Circulant(rng.normal(size=order) + 1j * rng.normal(size=order)).dense()
                for rival in (other, near + scale * other):
                    if np.linalg.norm(matrix - rival) < np.linalg.norm(matrix - near):
                        return False
    return True


SELF_ADJOINT = Claim(
    says="⟨P M, N⟩ = ⟨M, P N⟩: P is self-adjoint",
    goal=self_adjoint,
    script=self_adjoint_script,
    twins=(
        Twin("N is averaged along the other diagonals", {"slope": -1}),
        Twin("N is not averaged", {"both": False}),
    ),
    library=self_adjoint_library,
)

LAW = Law(
    name="nearest_circulant",
    title="The mean of every wrapped diagonal is the orthogonal projection onto the circulants, and the nearest one",
    items=("L30",),
    note=(
        "A sum of squares is not negative, so the last identity says that no circulant is nearer to M than P M, and that only P M is as near. "
        "The kernel has no inequalities: that last step is the reader's, and the minimum itself is tested."
    ),
    claims=(
        Claim(
            says="P M is a circulant: (P M)[i, j] = (P M)[i − j, 0]",
            goal=is_circulant,
            script=is_circulant_script,
            twins=(
                Twin("the average runs along the other diagonals", {"slope": -1}),
                Twin("P M depends on i + j", {"sign": -1}),
            ),
            library=is_circulant_library,
        ),
        Claim(
            says="P C_v = C_v: a circulant is its own projection",
            goal=fixes,
            script=fixes_script,
            twins=(
                Twin("the average runs along the other diagonals", {"slope": -1}),
                Twin("the sum is not divided by n", {"divided": False}),
            ),
            library=fixes_library,
        ),
        Claim(
            says="P (P M) = P M: P is a projection",
            goal=idempotent,
            script=idempotent_script,
            twins=(
                Twin("the second sum is not divided by n", {"divided": False}),
                Twin("the first average runs along the other diagonals", {"slope": -1}),
            ),
            library=idempotent_library,
        ),
        SELF_ADJOINT,
        Claim(
            says="⟨M − P M, C_v⟩ = 0 for every circulant C_v: the projection is orthogonal",
            goal=orthogonal,
            script=orthogonal_script,
            twins=(
                Twin("the average runs along the other diagonals", {"slope": -1}),
                Twin("orthogonal to every matrix", {"other": N}),
            ),
            library=orthogonal_library,
        ),
        Claim(
            says="‖M − C_v‖² = ‖M − P M‖² + ‖P M − C_v‖²",
            goal=pythagoras,
            script=pythagoras_script,
            twins=(
                Twin("instead of P M, the circulant with M's first column", {"projection": first_column}),
                Twin("the other diagonals are averaged", {"projection": mean(M, t, -1)}),
                Twin("the second square is subtracted", {"sign": -1}),
            ),
            library=pythagoras_library,
        ),
        Tested(
            says="no circulant is nearer to M than P M",
            check=lambda: is_minimum(projected),
            twins={
                "the circulant with M's first column": lambda: is_minimum(lambda m: eq.Circulant(m[:, 0]).dense()),
                "twice the mean": lambda: is_minimum(lambda m: 2 * projected(m)),
            },
            checked="one random complex matrix of each size from 1 to 8, against 120 other circulants each",
        ),
    ),
)
