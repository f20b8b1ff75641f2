"""Any two circulant matrices commute, in either convention, and so each is normal: lecture (14), L28."""

from __future__ import annotations

from typing import Any

import equiconv as eq
from proofs.crosscheck import Given
from proofs.language import Cyclic, Fun, Matrix, circulant, conjugate, product, size, transposed_circulant, variables
from proofs.laws import Claim, Law, Twin
from proofs.proving import Goal, Proof

n = size("n")
i, j, l = variables("i j l", Cyclic(n))
w, v = Fun("w", (Cyclic(n),)), Fun("v", (Cyclic(n),))
M = Fun("M", (Cyclic(n), Cyclic(n)))


def adjoint(matrix: Matrix, conjugated: bool = True) -> Matrix:
    return lambda i, j: conjugate(matrix(j, i)) if conjugated else matrix(j, i)


def hankel(i: Any, j: Any) -> Any:
    """v[i + j]: constant along the other diagonals"""
    return v(i + j)


# C_w C_v = C_v C_w ----------------------------------------------------------------------------------------------------------


def commute(transposed: bool = False, other: str = "") -> Goal:
    made = transposed_circulant if transposed else circulant
    first = made(w)
    others: dict[str, Matrix] = {"any": M, "hankel": hankel}
    second = others.get(other, made(v))
    again = transposed_circulant(v) if other == "transposed" else second
    return Goal(product(first, second, j)(i, l), product(again, first, j)(i, l))


def commute_script(p: Proof) -> None:
    p.reindex({j: i + l - j}, "reflect j between i and l: i − j becomes j − l and j − l becomes i − j")


def commute_library(given: Given, convention: Any = "convolution") -> dict[str, object]:
    W, V = (eq.Circulant(given[name], convention=convention) for name in ("w", "v"))
    return {"lhs": (W @ V).dense(), "rhs": (V @ W).dense()}


# the same with w[j − i] -----------------------------------------------------------------------------------------------------


def transposed_commute(other: str = "", mixed: bool = False) -> Goal:
    if mixed:
        left = product(transposed_circulant(w), transposed_circulant(v), j)
        return Goal(left(i, l), product(transposed_circulant(v), circulant(w), j)(i, l))
    return commute(True, other)


def transposed_commute_library(given: Given) -> dict[str, object]:
    return commute_library(given, "correlation")


# C_w C_wᴴ = C_wᴴ C_w --------------------------------------------------------------------------------------------------------


def normal(conjugated: bool = True, twice: bool = False) -> Goal:
    C = circulant(w)
    left = product(C, adjoint(C), j)
    right = product(adjoint(C, conjugated), adjoint(C) if twice else C, j)
    return Goal(left(i, l), right(i, l))


def normal_library(given: Given) -> dict[str, object]:
    C = eq.Circulant(given["w"])
    return {"lhs": (C @ C.H).dense(), "rhs": (C.H @ C).dense()}


LAW = Law(
    name="circulants_commute",
    title="Any two circulant matrices commute: C_w C_v = C_v C_w",
    items=("(14)", "L28"),
    claims=(
        Claim(
            says="C_w C_v = C_v C_w",
            goal=commute,
            script=commute_script,
            twins=(
                Twin("the second matrix is any matrix", {"other": "any"}),
                Twin("the second matrix is a Hankel matrix, v[i + j]", {"other": "hankel"}),
                Twin("C_v is v[i − j] on the left and v[j − i] on the right", {"other": "transposed"}),
            ),
            library=commute_library,
        ),
        Claim(
            says="under w[j − i], too",
            goal=transposed_commute,
            script=commute_script,
            twins=(
                Twin("the second matrix is any matrix", {"other": "any"}),
                Twin("C_w is w[j − i] on the left and w[i − j] on the right", {"mixed": True}),
            ),
            library=transposed_commute_library,
        ),
        Claim(
            says="a circulant is normal: C_w C_wᴴ = C_wᴴ C_w",
            goal=normal,
            script=commute_script,
            twins=(
                Twin("the right side transposes without conjugating", {"conjugated": False}),
                Twin("the right side takes the adjoint of both factors", {"twice": True}),
            ),
            library=normal_library,
        ),
    ),
)
