"""The shifts are a group: S_0 = I, S_k S_m = S_{k+m}, and the inverse of S_k is S_{−k}, its transpose: lecture (12), L26.

Equalities of matrices, entry by entry. S_k is the circulant of e_k under the definition w[i − j], and S′_k under w[j − i], as the lecture prints (11).
"""

from __future__ import annotations

from typing import Any

import equiconv as eq
from proofs.crosscheck import Given
from proofs.language import (
    Cyclic,
    Fun,
    Integers,
    Matrix,
    Var,
    apply,
    delta,
    product,
    shift_matrix,
    size,
    variables,
)
from proofs.laws import Claim, Law, Twin
from proofs.proving import Goal, Proof

n = size("n")
i, j, a, k, m = variables("i j a k m", Cyclic(n))
whole = Var("k", Integers())
x = Fun("x", (Cyclic(n),))


def identity(i: Any, j: Any) -> Any:
    """I[i, j] = δ_n[i − j]"""
    return delta(i - j, n)


def transpose(matrix: Matrix) -> Matrix:
    return lambda i, j: matrix(j, i)


def printed_shift(k: Any) -> Matrix:
    """S′_k[i, j] = δ_n[j − i − k], so that (S′_k x)[i] = x[i + k]"""
    return transpose(shift_matrix(k, n))


def _unit(given: Given) -> Any:
    return given.xp.eye(given["n"], dtype=given.xp.float64)


# S_0 = I --------------------------------------------------------------------------------------------------------------------


def neutral(by: int = 0, column: int = 1) -> Goal:
    return Goal(shift_matrix(by, n)(i, column * j), identity(i, j))


def neutral_script(_: Proof) -> None:
    """Both sides are the same by index arithmetic: δ[i − 0 − j] = δ[i − j]."""


def neutral_library(given: Given) -> dict[str, object]:
    unit = _unit(given)
    return {"lhs": eq.Shift(0, given["n"]).dense(like=unit), "rhs": unit}


# S_k S_m = S_{k+m} ----------------------------------------------------------------------------------------------------------


def composition(sign: int = 1, transposed: bool = False) -> Goal:
    second = shift_matrix(m, n)
    left = product(shift_matrix(k, n), transpose(second) if transposed else second, a)
    return Goal(left(i, j), shift_matrix(k + sign * m, n)(i, j))


def composition_script(p: Proof) -> None:
    p.sift(a, "row i of S_k has its 1 in column a = i − k: there S_m has a 1 where i − k − m = j")


def composition_library(given: Given, convention: Any = "convolution") -> dict[str, object]:
    xp, n, unit = given.xp, given["n"], _unit(given)
    shifts = [eq.Shift(k, n, convention) for k in range(n)]

    def table(entry: Any) -> Any:
        return xp.stack([xp.stack([entry(k, m) for m in range(n)], -1) for k in range(n)], -2)

    return {
        "lhs": table(lambda k, m: (shifts[k] @ shifts[m]).dense(like=unit)),
        "rhs": table(lambda k, m: eq.Shift(k + m, n, convention).dense(like=unit)),
    }


# S_k S_{−k} = I = S_{−k} S_k ------------------------------------------------------------------------------------------------


def inverse(first: int = 1, second: int = -1, late: int = 0) -> Goal:
    return Goal(product(shift_matrix(first * k, n), shift_matrix(second * k + late, n), a)(i, j), identity(i, j))


def inverse_script(p: Proof) -> None:
    p.sift(a, "row i of the first shift has a single 1: the two shifts add up, to none")


def inverse_library(given: Given) -> dict[str, object]:
    xp, n, unit = given.xp, given["n"], _unit(given)
    shifts = [eq.Shift(k, n) for k in range(n)]
    return {
        "lhs": xp.stack([(s @ s.inv()).dense(like=unit) for s in shifts], -1),
        "rhs": xp.stack([unit] * n, -1),
    }


def left_inverse(first: int = -1, second: int = 1, late: int = 0) -> Goal:
    return inverse(first, second, late)


def left_inverse_library(given: Given) -> dict[str, object]:
    xp, n, unit = given.xp, given["n"], _unit(given)
    shifts = [eq.Shift(k, n) for k in range(n)]
    return {"lhs": xp.stack([(s.inv() @ s).dense(like=unit) for s in shifts], -1)}


# S_kᵀ = S_{−k} --------------------------------------------------------------------------------------------------------------


def transposition(sign: int = -1, late: int = 0) -> Goal:
    return Goal(transpose(shift_matrix(k, n))(i, j), shift_matrix(sign * k + late, n)(i, j))


def transposition_script(_: Proof) -> None:
    """Both sides are the same by index arithmetic: δ[j − k − i] = δ[i + k − j], a delta being even."""


def transposition_library(given: Given, convention: Any = "convolution") -> dict[str, object]:
    xp, n, unit = given.xp, given["n"], _unit(given)
    return {
        "lhs": xp.stack([eq.Shift(k, n, convention).T.dense(like=unit) for k in range(n)], -1),
        "rhs": xp.stack([eq.Shift(-k, n, convention).dense(like=unit) for k in range(n)], -1),
    }


# S_{k+n} = S_k --------------------------------------------------------------------------------------------------------------


def once_around(further: int = 0, sign: int = 1) -> Goal:
    return Goal(shift_matrix(sign * whole + n + further, n)(i, j), shift_matrix(whole, n)(i, j))


def once_around_script(_: Proof) -> None:
    """Both sides are the same by index arithmetic: δ_n[i − k − n − j] = δ_n[i − k − j]."""


# the same for S′ ------------------------------------------------------------------------------------------------------------


def printed_neutral(by: int = 0, column: int = 1) -> Goal:
    return Goal(apply(printed_shift(by), lambda j: x(column * j), j)(i), x(i))


def printed_neutral_script(p: Proof) -> None:
    p.sift(j, "row i of S′_0 has its 1 in column i")


def printed_neutral_library(given: Given) -> dict[str, object]:
    return {"lhs": eq.Shift(0, given["n"], "correlation") @ given["x"], "rhs": given["x"]}


def printed_composition(sign: int = 1, mixed: bool = False) -> Goal:
    left = product(printed_shift(k), shift_matrix(m, n) if mixed else printed_shift(m), a)
    return Goal(left(i, j), printed_shift(k + sign * m)(i, j))


def printed_composition_script(p: Proof) -> None:
    p.sift(a, "row i of S′_k has its 1 in column a = i + k: there S′_m has a 1 where j = i + k + m")


def printed_composition_library(given: Given) -> dict[str, object]:
    return composition_library(given, "correlation")


def printed_transposition(sign: int = -1, late: int = 0) -> Goal:
    return Goal(transpose(printed_shift(k))(i, j), printed_shift(sign * k + late)(i, j))


def printed_transposition_script(_: Proof) -> None:
    """Both sides are the same by index arithmetic: δ[i − j − k] = δ[j − i + k], a delta being even."""


def printed_transposition_library(given: Given) -> dict[str, object]:
    return transposition_library(given, "correlation")


LAW = Law(
    name="shift_group",
    title="The shifts are a group of matrices, in either convention: S_0 = I, S_k S_m = S_{k+m}, S_k⁻¹ = S_kᵀ = S_{−k}",
    items=("(12)", "L26"),
    claims=(
        Claim(
            says="S_0 = I",
            goal=neutral,
            script=neutral_script,
            twins=(
                Twin("the shift by one", {"by": 1}),
                Twin("the columns run backwards, which is the reversal", {"column": -1}),
            ),
            library=neutral_library,
        ),
        Claim(
            says="S_k S_m = S_{k+m}",
            goal=composition,
            script=composition_script,
            twins=(
                Twin("the shifts are subtracted", {"sign": -1}),
                Twin("the second factor is transposed", {"transposed": True}),
            ),
            library=composition_library,
        ),
        Claim(
            says="S_k S_{−k} = I",
            goal=inverse,
            script=inverse_script,
            twins=(
                Twin("the shift is its own inverse, S_k S_k = I", {"second": 1}),
                Twin("the shift back is one short, S_k S_{1−k} = I", {"late": 1}),
            ),
            library=inverse_library,
        ),
        Claim(
            says="S_{−k} S_k = I",
            goal=left_inverse,
            script=inverse_script,
            twins=(
                Twin("both shifts go back, S_{−k} S_{−k} = I", {"second": -1}),
                Twin("the shift forth is one too far, S_{−k} S_{k+1} = I", {"late": 1}),
            ),
            library=left_inverse_library,
        ),
        Claim(
            says="S_kᵀ = S_{−k}",
            goal=transposition,
            script=transposition_script,
            twins=(
                Twin("the transpose is taken for the shift itself", {"sign": 1}),
                Twin("index reversal off by one: S_kᵀ = S_{n−1−k}", {"late": -1}),
            ),
            library=transposition_library,
        ),
        Claim(
            says="S_{k+n} = S_k for every integer k",
            goal=once_around,
            script=once_around_script,
            twins=(
                Twin("once around is n − 1 steps", {"further": -1}),
                Twin("S_{n−k} = S_k", {"sign": -1}),
            ),
        ),
        Claim(
            says="under w[j − i], as (11) is printed: S′_0 x = x for every signal x, so S′_0 = I, which is (12)",
            goal=printed_neutral,
            script=printed_neutral_script,
            twins=(
                Twin("the shift by one", {"by": 1}),
                Twin("the columns run backwards, which is the reversal", {"column": -1}),
            ),
            library=printed_neutral_library,
        ),
        Claim(
            says="under w[j − i]: S′_k S′_m = S′_{k+m}",
            goal=printed_composition,
            script=printed_composition_script,
            twins=(
                Twin("the shifts are subtracted", {"sign": -1}),
                Twin("the second factor is S_m, of the other convention", {"mixed": True}),
            ),
            library=printed_composition_library,
        ),
        Claim(
            says="under w[j − i]: S′_kᵀ = S′_{−k}",
            goal=printed_transposition,
            script=printed_transposition_script,
            twins=(
                Twin("the transpose is taken for the shift itself", {"sign": 1}),
                Twin("index reversal off by one: S′_kᵀ = S′_{n−1−k}", {"late": -1}),
            ),
            library=printed_transposition_library,
        ),
    ),
)
