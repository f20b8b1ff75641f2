"""The shift matrix S_k is the circulant of a unit vector, and it moves a signal by k: lecture (11), L26.

Which way it moves is a matter of convention. The definition C_w[i, j] = w[i − j] gives (S_k x)[i] = x[i − k]; the lecture prints (11) as
x[i + k], which is what the transpose, w[j − i], gives. Both are proved, each with the other as a false twin.
"""

from __future__ import annotations

import equiconv as eq
from proofs.crosscheck import Given
from proofs.language import (
    Cyclic,
    Fun,
    Matrix,
    Signal,
    apply,
    circulant,
    delta,
    shift_matrix,
    shifted,
    size,
    transposed_circulant,
    variables,
)
from proofs.laws import Claim, Law, Twin
from proofs.proving import Goal, Proof

n = size("n")
i, j, k = variables("i j k", Cyclic(n))
x = Fun("x", (Cyclic(n),))


def unit_vector(sign: int = 1) -> Signal:
    """e_k[i] = δ_n[i − k]"""
    return lambda i: delta(i - sign * k, n)


def convention(name: str, sign: int = 1) -> Matrix:
    """The circulant of e_k, of e_−k for ``sign`` −1."""
    made = circulant if name == "convolution" else transposed_circulant
    return made(unit_vector(sign))


# S_k = C_{e_k} --------------------------------------------------------------------------------------------------------------


def definition(name: str = "convolution", sign: int = 1) -> Goal:
    return Goal(convention(name, sign)(i, j), shift_matrix(k, n)(i, j))


def definition_script(_: Proof) -> None:
    """Both sides are the same by index arithmetic: e_k[i − j] = δ[(i − j) − k] = δ[i − k − j]."""


def definition_library(given: Given) -> dict[str, object]:
    xp, n = given.xp, given["n"]
    unit = xp.eye(n, dtype=xp.float64)
    return {
        "lhs": xp.stack([eq.Circulant(unit[k]).dense() for k in range(n)], -1),
        "rhs": xp.stack([eq.Shift(k, n).dense(like=unit) for k in range(n)], -1),
    }


# under w[j − i], the transpose ----------------------------------------------------------------------------------------------


def transposed_definition(name: str = "correlation", sign: int = 1) -> Goal:
    return Goal(convention(name, sign)(i, j), shift_matrix(k, n)(j, i))


def transposed_definition_script(_: Proof) -> None:
    """Both sides are the same by index arithmetic: e_k[j − i] = δ[(j − i) − k] = δ[j − k − i]."""


def transposed_definition_library(given: Given) -> dict[str, object]:
    xp, n = given.xp, given["n"]
    unit = xp.eye(n, dtype=xp.float64)
    return {
        "lhs": xp.stack([eq.Circulant(unit[k], convention="correlation").dense() for k in range(n)], -1),
        "rhs": xp.stack([eq.Shift(k, n).T.dense(like=unit) for k in range(n)], -1),
    }


# (S_k x)[i] = x[i − k] ------------------------------------------------------------------------------------------------------


def action(name: str = "convolution", sign: int = 1, by: int = 1) -> Goal:
    return Goal(apply(convention(name, sign), x, j)(i), shifted(x, by * k)(i))


def action_script(p: Proof) -> None:
    p.sift(j, "row i of S_k has a single 1, in the column where its delta is 1: j = i − k, or i + k in the transpose")


def action_library(given: Given) -> dict[str, object]:
    xp, x, n = given.xp, given["x"], given["n"]
    return {
        "lhs": xp.stack([eq.Shift(k, n) @ x for k in range(n)], -1),
        "rhs": xp.stack([xp.roll(x, k) for k in range(n)], -1),
    }


# (S_k x)[i] = x[i + k], as (11) is printed ----------------------------------------------------------------------------------


def printed(name: str = "correlation", sign: int = 1, by: int = -1) -> Goal:
    return action(name, sign, by)


def printed_library(given: Given) -> dict[str, object]:
    xp, x, n = given.xp, given["x"], given["n"]
    return {
        "lhs": xp.stack([eq.Shift(k, n, convention="correlation") @ x for k in range(n)], -1),
        "rhs": xp.stack([xp.roll(x, -k) for k in range(n)], -1),
    }


LAW = Law(
    name="shift_action",
    title="The shift S_k = C_{e_k} moves a signal by k: x[i − k] under w[i − j], x[i + k] under w[j − i]",
    items=("(11)", "L26"),
    note="The lecture defines the circulant by w[i − j] and prints (11) as x[i + k]: each is right under one convention, and false under the other.",
    claims=(
        Claim(
            says="S_k = C_{e_k}: the shift matrix is the circulant of a unit vector",
            goal=definition,
            script=definition_script,
            twins=(
                Twin("the circulant is w[j − i], that of the correlation", {"name": "correlation"}),
                Twin("the 1 of the unit vector stands at −k", {"sign": -1}),
            ),
            library=definition_library,
        ),
        Claim(
            says="under w[j − i] the circulant of e_k is the transpose of S_k",
            goal=transposed_definition,
            script=transposed_definition_script,
            twins=(
                Twin("the circulant is w[i − j], that of the convolution", {"name": "convolution"}),
                Twin("the 1 of the unit vector stands at −k", {"sign": -1}),
            ),
            library=transposed_definition_library,
        ),
        Claim(
            says="under w[i − j]: (S_k x)[i] = x[i − k]",
            goal=action,
            script=action_script,
            twins=(
                Twin("the circulant is w[j − i], that of the correlation", {"name": "correlation"}),
                Twin("x[i + k], as the lecture prints (11)", {"by": -1}),
                Twin("the 1 of the unit vector stands at −k", {"sign": -1}),
            ),
            library=action_library,
        ),
        Claim(
            says="under w[j − i]: (S_k x)[i] = x[i + k], the lecture's (11) as printed",
            goal=printed,
            script=action_script,
            twins=(
                Twin("the circulant is w[i − j], as the lecture defines it", {"name": "convolution"}),
                Twin("x[i − k], as under the other convention", {"by": 1}),
                Twin("the 1 of the unit vector stands at −k", {"sign": -1}),
            ),
            library=printed_library,
        ),
    ),
)
