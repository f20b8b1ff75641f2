"""Circular convolution is multiplication by a circulant matrix, and it commutes: lecture (9), (13), L23, L25, L27.

(13) holds for C_w[i, j] = w[i − j]. With w[j − i], the matrix that the lecture's 5×5 example prints, the product is the correlation.
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
    convolution,
    correlation,
    shift_matrix,
    size,
    sum_over,
    transposed_circulant,
    variables,
)
from proofs.laws import Claim, Law, Twin
from proofs.proving import Goal, Proof

n = size("n")
i, j, k = variables("i j k", Cyclic(n))
x, w = Fun("x", (Cyclic(n),)), Fun("w", (Cyclic(n),))


def matrix(transposed: bool) -> Matrix:
    return transposed_circulant(w) if transposed else circulant(w)


def backwards(w: Signal) -> Signal:
    return lambda i: w(-i)


# C_w x = x ⋆ w --------------------------------------------------------------------------------------------------------------


def as_matrix(transposed: bool = False, correlate: bool = False) -> Goal:
    filtered = correlation(x, w, j) if correlate else convolution(x, w, j)
    return Goal(apply(matrix(transposed), x, j)(i), filtered(i))


def as_matrix_script(_: Proof) -> None:
    """Both sides are the same sum: C_w[i, j]·x[j] = w[i − j]·x[j], term by term."""


def as_matrix_library(given: Given) -> dict[str, object]:
    x, w = given["x"], given["w"]
    return {"lhs": eq.Circulant(w) @ x, "rhs": eq.circular_convolve(x, w)}


# x ⋆ w = w ⋆ x --------------------------------------------------------------------------------------------------------------


def commutative(correlate: bool = False, reverse: bool = False) -> Goal:
    if correlate:
        return Goal(correlation(x, w, j)(i), correlation(w, x, j)(i))
    return Goal(convolution(x, w, j)(i), convolution(w, backwards(x) if reverse else x, j)(i))


def commutative_script(p: Proof) -> None:
    p.reindex({j: i - j}, "let i − j be the new j: x and w change places")


def commutative_library(given: Given) -> dict[str, object]:
    x, w = given["x"], given["w"]
    return {"lhs": eq.circular_convolve(x, w), "rhs": eq.circular_convolve(w, x)}


# C_w = Σ_k w[k]·S_k ---------------------------------------------------------------------------------------------------------


def sum_of_shifts(sign: int = 1, transposed: bool = False) -> Goal:
    return Goal(matrix(transposed)(i, j), sum_over(k, w(k) * shift_matrix(sign * k, n)(i, j)))


def sum_of_shifts_script(p: Proof) -> None:
    p.right.sift(k, "of all shifts only one has a 1 in row i and column j: k = i − j")


def sum_of_shifts_library(given: Given) -> dict[str, object]:
    w, n = given["w"], given["n"]
    return {
        "lhs": eq.Circulant(w).dense(),
        "rhs": sum(w[k] * eq.Shift(k, n).dense(like=w) for k in range(n)),
    }


# the transpose correlates ---------------------------------------------------------------------------------------------------


def correlates(transposed: bool = True, convolve: bool = False, reverse: bool = False) -> Goal:
    kernel = backwards(w) if reverse else w
    filtered = convolution(x, kernel, j) if convolve else correlation(x, kernel, j)
    return Goal(apply(matrix(transposed), x, j)(i), filtered(i))


def correlates_script(p: Proof) -> None:
    p.reindex({j: i + j}, "count the columns from the diagonal on")


def correlates_library(given: Given) -> dict[str, object]:
    x, w = given["x"], given["w"]
    return {"lhs": eq.Circulant(w, convention="correlation") @ x, "rhs": eq.circular_correlate(x, w)}


LAW = Law(
    name="circulant_product",
    title="Circular convolution is multiplication by a circulant matrix, x ⋆ w = C_w x, and it commutes",
    items=("(9)", "(13)", "L23", "L25", "L27"),
    note="(13) holds for w[i − j], as L25 defines it, and not for w[j − i], which the lecture's example prints: that gives the correlation.",
    claims=(
        Claim(
            says="C_w x = x ⋆ w",
            goal=as_matrix,
            script=as_matrix_script,
            twins=(
                Twin("the matrix is w[j − i], as the lecture's example prints it", {"transposed": True}),
                Twin("x is correlated with w, not convolved", {"correlate": True}),
            ),
            library=as_matrix_library,
        ),
        Claim(
            says="x ⋆ w = w ⋆ x: Σ_j x[j]·w[i − j] = Σ_j w[j]·x[i − j]",
            goal=commutative,
            script=commutative_script,
            twins=(
                Twin("both are correlations, which do not commute", {"correlate": True}),
                Twin("x is reversed on the right: x[j − i]", {"reverse": True}),
            ),
            library=commutative_library,
        ),
        Claim(
            says="C_w = Σ_k w[k]·S_k: a circulant is a weighted sum of shifts",
            goal=sum_of_shifts,
            script=sum_of_shifts_script,
            twins=(
                Twin("the shifts go the other way", {"sign": -1}),
                Twin("the matrix is w[j − i], as the lecture's example prints it", {"transposed": True}),
            ),
            library=sum_of_shifts_library,
        ),
        Claim(
            says="the transposed circulant correlates: Σ_j w[j − i]·x[j] = Σ_j w[j]·x[i + j]",
            goal=correlates,
            script=correlates_script,
            twins=(
                Twin("w[j − i] makes (13) true", {"convolve": True}),
                Twin("the matrix is w[i − j]", {"transposed": False}),
                Twin("the kernel is reversed: w[−j]", {"reverse": True}),
            ),
            library=correlates_library,
        ),
    ),
)
