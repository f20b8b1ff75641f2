"""Circular convolution and correlation commute with every circular shift: (S_k x) ⋆ w = C_w S_k x = S_k C_w x = S_k (x ⋆ w). Lecture L29.

The lecture's equation (11) is the transposed shift, x[i + k]: that is S_{−k}, so it commutes too, and what is proved for all k covers it.
"""

from __future__ import annotations

from typing import Any

import equiconv as eq
from proofs.crosscheck import Given
from proofs.language import (
    Cyclic,
    Fun,
    Matrix,
    apply,
    circulant,
    convolution,
    correlation,
    product,
    shift_matrix,
    shifted,
    size,
    transposed_circulant,
    variables,
)
from proofs.laws import Claim, Law, Twin
from proofs.proving import Goal, Proof

n = size("n")
i, j, k, l, a = variables("i j k l a", Cyclic(n))
x, w = Fun("x", (Cyclic(n),)), Fun("w", (Cyclic(n),))
CONVOLUTION, CORRELATION = circulant(w), transposed_circulant(w)


def over_shifts(given: Given, value: Any, axis: int) -> Any:
    """``value(S_k)`` for k = 0, …, n − 1, stacked along ``axis``"""
    return given.xp.stack([value(eq.Shift(k, given["n"])) for k in range(given["n"])], axis)


# signals -------------------------------------------------------------------------------------------------------------------


def convolved(output_shift: int = 1, shift_both: bool = False) -> Goal:
    kernel = shifted(w, k) if shift_both else w
    return Goal(convolution(shifted(x, k), kernel, j)(i), shifted(convolution(x, w, j), output_shift * k)(i))


def convolved_script(p: Proof) -> None:
    p.reindex({j: j + k}, "count j from k on: the shift moves from x to the kernel's index, and so to the output")


def convolved_library(given: Given) -> dict[str, object]:
    x, w = given["x"], given["w"]
    return {
        "lhs": over_shifts(given, lambda s: eq.circular_convolve(s @ x, w), 1),
        "rhs": over_shifts(given, lambda s: s @ eq.circular_convolve(x, w), 1),
    }


def correlated(output_shift: int = 1, shift_both: bool = False) -> Goal:
    kernel = shifted(w, k) if shift_both else w
    return Goal(correlation(shifted(x, k), kernel, j)(i), shifted(correlation(x, w, j), output_shift * k)(i))


def correlated_script(p: Proof) -> None:
    """Both sides are the same by index arithmetic: (i + j) − k = (i − k) + j."""


def correlated_library(given: Given) -> dict[str, object]:
    x, w = given["x"], given["w"]
    return {
        "lhs": over_shifts(given, lambda s: eq.circular_correlate(s @ x, w), 1),
        "rhs": over_shifts(given, lambda s: s @ eq.circular_correlate(x, w), 1),
    }


# matrices ------------------------------------------------------------------------------------------------------------------


def chain(matrix: Matrix = CONVOLUTION, shift_sign: int = 1) -> Goal:
    left = apply(matrix, apply(shift_matrix(k, n), x, a), j)(i)
    return Goal(left, apply(shift_matrix(shift_sign * k, n), apply(matrix, x, j), a)(i))


def chain_script(p: Proof) -> None:
    p.sift(a, "(S_k x)[j] = x[j − k]")
    p.right.sift(a, "S_k reads C_w x at i − k")
    p.reindex({j: j + k}, "count j from k on: the shift moves from x to the row of C_w")


def chain_library(given: Given) -> dict[str, object]:
    c, x = eq.Circulant(given["w"]), given["x"]
    return {
        "lhs": over_shifts(given, lambda s: c @ (s @ x), 1),
        "rhs": over_shifts(given, lambda s: s @ (c @ x), 1),
    }


def matrices(matrix: Matrix = CONVOLUTION, shift_sign: int = 1) -> Goal:
    shift, other = shift_matrix(k, n), shift_matrix(shift_sign * k, n)
    return Goal(product(matrix, shift, j)(i, l), product(other, matrix, j)(i, l))


def transposes(matrix: Matrix = CORRELATION, shift_sign: int = 1) -> Goal:
    return matrices(matrix, shift_sign)


def matrices_script(p: Proof) -> None:
    p.sift(j, "S_k has its 1 of column l in row l + k")
    p.right.sift(j, "S_k has its 1 of row i in column i − k")


def commuting(given: Given, c: eq.Circulant) -> dict[str, object]:
    return {
        "lhs": over_shifts(given, lambda s: (c @ s).dense(), 1),
        "rhs": over_shifts(given, lambda s: (s @ c).dense(), 1),
    }


def matrices_library(given: Given) -> dict[str, object]:
    return commuting(given, eq.Circulant(given["w"]))


def transposes_library(given: Given) -> dict[str, object]:
    return commuting(given, eq.Circulant(given["w"], convention="correlation"))


def hankel(a: Any, b: Any) -> Any:
    """w[i + j], constant along the other diagonals"""
    return w(a + b)


TWINS = (
    Twin("the output moves the other way", {"output_shift": -1}),
    Twin("the output does not move: invariance", {"output_shift": 0}),
    Twin("the kernel is shifted as well", {"shift_both": True}),
)
MATRIX_TWINS = (
    Twin("the shift on the other side is transposed", {"shift_sign": -1}),
    Twin("a Hankel matrix, w[i + j]", {"matrix": hankel}),
)

LAW = Law(
    name="equivariance",
    title="Circular convolution and correlation commute with every circular shift",
    items=("L29",),
    claims=(
        Claim(
            says="(S_k x) ⋆ w = S_k (x ⋆ w)",
            goal=convolved,
            script=convolved_script,
            twins=TWINS,
            library=convolved_library,
        ),
        Claim(
            says="C_w (S_k x) = S_k (C_w x), as matrices applied to x",
            goal=chain,
            script=chain_script,
            twins=MATRIX_TWINS,
            library=chain_library,
        ),
        Claim(
            says="C_w S_k = S_k C_w",
            goal=matrices,
            script=matrices_script,
            twins=MATRIX_TWINS,
            library=matrices_library,
        ),
        Claim(
            says="the correlation of S_k x with w is S_k of the correlation of x with w",
            goal=correlated,
            script=correlated_script,
            twins=TWINS,
            library=correlated_library,
        ),
        Claim(
            says="C_wᵀ S_k = S_k C_wᵀ: the matrix w[j − i] of the correlation commutes too",
            goal=transposes,
            script=matrices_script,
            twins=MATRIX_TWINS,
            library=transposes_library,
        ),
    ),
)
