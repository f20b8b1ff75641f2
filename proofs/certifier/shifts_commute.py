"""A roll by a fixed amount commutes with every roll of the same axis."""

from __future__ import annotations

from typing import Any

import numpy as np

import equiconv as eq
from proofs.crosscheck import Given
from proofs.language import Cyclic, Fun, product, shift_matrix, shifted, size, variables
from proofs.laws import Claim, Law, Twin
from proofs.proving import Goal, Proof

n = size("n")
a, i, j, k, l = variables("a i j k l", Cyclic(n))
x = Fun("x", (Cyclic(n),))


# S_a S_k x = S_k S_a x = S_{a+k} x ------------------------------------------------------------------------------------------


def rolls(total: Any = a + k) -> Goal:
    return Goal(shifted(shifted(x, k), a)(i), shifted(x, total)(i))


def rolls_script(p: Proof) -> None:
    """Both sides are the same by index arithmetic: (i − a) − k = i − (a + k), which is symmetric in a and k."""


def rolls_library(given: Given) -> dict[str, object]:
    xp, x, size = given.xp, given["x"], given["n"]
    left = [[xp.roll(eq.Shift(k, size) @ x, a, 0) for k in range(size)] for a in range(size)]
    right = [[eq.Shift(a + k, size) @ x for k in range(size)] for a in range(size)]

    def laid_out(lines: list[list[Any]]) -> Any:
        return xp.stack([xp.stack(line, 1) for line in lines])  # axes a, i, k

    return {"lhs": laid_out(left), "rhs": laid_out(right)}


# as matrices ---------------------------------------------------------------------------------------------------------------------


def matrices(total: Any = a + k) -> Goal:
    left = product(shift_matrix(a, n), shift_matrix(k, n), j)(i, l)
    return Goal(left, shift_matrix(total, n)(i, l))


def matrices_script(p: Proof) -> None:
    p.sift(j, "S_k puts a 1 at j = l + k only")


def matrices_library(given: Given) -> dict[str, object]:
    size = given["n"]
    shifts = [eq.Shift(s, size) for s in range(size)]
    left = [[(A @ K).dense() for K in shifts] for A in shifts]
    right = [[(K @ A).dense() for K in shifts] for A in shifts]

    def laid_out(matrices: list[list[Any]]) -> Any:
        return np.stack([np.stack(line, 1) for line in matrices])  # axes a, i, k, l

    return {"lhs": laid_out(left), "rhs": laid_out(right)}


LAW = Law(
    name="shifts_commute",
    title="Rolls of one axis commute: S_a S_k = S_{a+k} = S_k S_a",
    families=("shape",),
    claims=(
        Claim(
            says="A roll by a after a shift by k is the shift by a + k, and so the shift by k after the roll by a",
            goal=rolls,
            script=rolls_script,
            twins=(
                Twin("the shift by a − k: a roll reads in the other direction", {"total": a - k}),
                Twin("the shift by k: the roll changes nothing", {"total": k}),
            ),
            library=rolls_library,
        ),
        Claim(
            says="As matrices: S_a S_k = S_{a+k}",
            goal=matrices,
            script=matrices_script,
            twins=(
                Twin("S_a S_k = S_{a−k}", {"total": a - k}),
                Twin("S_a S_k = S_{a·k}", {"total": a * k}),
            ),
            library=matrices_library,
        ),
    ),
)
