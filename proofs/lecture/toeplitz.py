"""A convolution that does not wrap is multiplication by a Toeplitz matrix: lecture (5), L10.

A kernel of k entries slides over a signal x of m + k − 1 entries and gives m outputs, all that fit inside the signal. As the lecture prints it,
this is a correlation, Σ_j w[j]·x[i + j], and row i of the matrix holds w from column i on; the convolution proper has the kernel reversed.
"""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from typing import Any

import equiconv as eq
from proofs.crosscheck import Given
from proofs.evaluation import Meaning, World, pseudorandom
from proofs.language import (
    Fun,
    Matrix,
    Range,
    Signal,
    Theorem,
    apply,
    as_term,
    assume,
    delta,
    size,
    sum_over,
    variables,
)
from proofs.laws import Claim, Law, Meanings, Twin
from proofs.proving import Goal, Proof

m, k, r = size("m"), size("k"), size("r")
(i,) = variables("i", Range(m))
(u,) = variables("u", Range(m + k - 1))
a, j = variables("a j", Range(k))
s, last = *variables("s", Range(r)), *variables("s", Range(r + 1))
x, w = Fun("x", (Range(m + k - 1),)), Fun("w", (Range(k),))

# the matrix for m + r outputs: the first m rows and m + k − 1 columns, and r of each after them
(row,) = variables("i", Range(m + r))
(column,) = variables("u", Range(m + k + r - 1))
T = Fun("T", (Range(m + r), Range(m + k + r - 1)))


def backwards(w: Signal) -> Signal:
    return lambda j: w(k - 1 - j)


def sliding(w: Signal, stride: int = 1, late: int = 0, side: int = 1) -> Matrix:
    """T[i, u] = Σ_j w[j]·δ[u − i − j]: row i holds w from column i on. The signal does not wrap, so the delta is over the integers."""
    return lambda i, u: sum_over(a, w(a) * delta(side * (u - stride * i) - late - a))


def windows(w: Signal, x: Signal) -> Signal:
    """Σ_j w[j]·x[i + j]"""
    return lambda i: sum_over(j, w(j) * x(i + j))


def _matrix(given: Given, convention: Any = "correlation") -> Any:
    """The library's Toeplitz matrix for a signal of m + k − 1 entries."""
    return eq.Toeplitz.valid(given["w"], given["m"] + given["k"] - 1, convention=convention)


# T x slides the kernel ------------------------------------------------------------------------------------------------------


def as_matrix(late: int = 0, side: int = 1, reverse: bool = False) -> Goal:
    kernel = backwards(w) if reverse else w
    return Goal(apply(sliding(kernel, late=late, side=side), x, u)(i), windows(w, x)(i))


def as_matrix_script(p: Proof) -> None:
    p.sift(u, "the entry w[j] of row i stands in column u = i + j, which lies inside the signal")


def as_matrix_library(given: Given) -> dict[str, object]:
    x, w, m, k = given["x"], given["w"], given["m"], given["k"]
    return {"lhs": _matrix(given) @ x, "rhs": sum(w[j] * x[j : j + m] for j in range(k))}


# the convolution proper -----------------------------------------------------------------------------------------------------


def convolved(late: int = 0, matrix: bool = True, signal: bool = True) -> Goal:
    kernel = backwards(w) if matrix else w
    read = sum_over(j, w(j) * x(i + k - 1 - j)) if signal else windows(w, x)(i)
    return Goal(apply(sliding(kernel, late=late), x, u)(i), read)


def convolved_script(p: Proof) -> None:
    p.sift(u, "the entry w[k − 1 − j] of row i stands in column u = i + j, which lies inside the signal")
    p.reindex({a: k - 1 - a}, "read the kernel backwards")


def convolved_library(given: Given) -> dict[str, object]:
    x, w, m, k = given["x"], given["w"], given["m"], given["k"]
    return {
        "lhs": _matrix(given, convention="convolution") @ x,
        "rhs": sum(w[j] * x[k - 1 - j : k - 1 - j + m] for j in range(k)),
    }


# T by its entries -----------------------------------------------------------------------------------------------------------


def entries(stride: int = 1, late: int = 0, side: int = 1, reverse: bool = False) -> Theorem:
    """The hypothesis that says what T is."""
    entry = sliding(backwards(w) if reverse else w, stride, late, side)
    return assume(T(row, column), entry(row, column), row, column)


def filled(stride: int = 1, late: int = 0, side: int = 1, reverse: bool = False) -> Meanings:
    """T as its hypothesis says, from a pseudo-random w."""

    def meanings(world: World) -> Mapping[str, Meaning]:
        ends = world.sizes["k"]

        def kernel(j: Any) -> Any:
            return pseudorandom(world, "taps", j)

        def matrix(row: Any, column: Any) -> Any:
            j = tuple(side * (c - stride * b) - late for b, c in zip(row, column, strict=True))
            if not all(0 <= c < end for c, end in zip(j, ends, strict=True)):
                return world.field.number(Fraction(0))
            return kernel(tuple(end - 1 - c for c, end in zip(j, ends, strict=True)) if reverse else j)

        return {"w": kernel, "T": matrix}

    return meanings


def _dense(given: Given, convention: Any = "correlation") -> Any:
    """The library's matrix for the kernel in T's first row."""
    T, k = given["T"], given["k"]
    kernel = given.xp.flip(T[0, :k], (0,)) if convention == "convolution" else T[0, :k]
    return eq.Toeplitz.valid(kernel, T.shape[1], convention=convention).dense()


# equal along every diagonal -------------------------------------------------------------------------------------------------


def diagonals(stride: int = 1, reverse: bool = False) -> Goal:
    return Goal(T(i + last, u + last), T(i, u), (entries(stride, reverse=reverse),))


def diagonals_script(p: Proof) -> None:
    p.rewrite(
        p.hypotheses[0], {row: i + last, column: u + last}, says="only u − i counts, and (u + s) − (i + s) = u − i"
    )
    p.right.rewrite(p.hypotheses[0], {row: i, column: u}, says="what T is")


def diagonals_library(given: Given, convention: Any = "correlation") -> dict[str, object]:
    xp, m, r, dense = given.xp, given["m"], given["r"], _dense(given, convention)
    columns = m + given["k"] - 1
    return {
        "lhs": xp.stack([dense[s : s + m, s : s + columns] for s in range(r + 1)], 1),
        "rhs": xp.stack([dense[:m, :columns]] * (r + 1), 1),
    }


def reversed_diagonals(stride: int = 1) -> Goal:
    return diagonals(stride, reverse=True)


def reversed_diagonals_library(given: Given) -> dict[str, object]:
    return diagonals_library(given, "convolution")


# the rows as printed: (w_1 w_2 0 0), (0 w_1 w_2 0), (0 0 w_1 w_2) -----------------------------------------------------------


def band(late: int = 0, reverse: bool = False) -> Goal:
    return Goal(T(row, row + j), w(j), (entries(late=late, reverse=reverse),))


def band_script(p: Proof) -> None:
    p.rewrite(p.hypotheses[0], {column: row + j}, says="what T is")
    p.sift(a, "the entry that belongs into column i + j is w[j]")


def band_library(given: Given) -> dict[str, object]:
    xp, k, dense = given.xp, given["k"], _dense(given)
    return {"lhs": xp.stack([dense[i, i : i + k] for i in range(len(dense))])}


def after(late: int = 0, stride: int = 1) -> Goal:
    return Goal(T(i, i + k + s), as_term(0), (entries(stride, late),))


def after_script(p: Proof) -> None:
    p.rewrite(p.hypotheses[0], {row: i, column: i + k + s}, says="what T is")
    p.separate("w ends before this column: k + s − j is at least 1")


def after_library(given: Given) -> dict[str, object]:
    xp, k, dense = given.xp, given["k"], _dense(given)
    return {"lhs": xp.stack([dense[i, i + k : i + k + given["r"]] for i in range(given["m"])])}


def before(late: int = 0, side: int = 1) -> Goal:
    return Goal(T(i + 1 + s, i), as_term(0), (entries(late=late, side=side),))


def before_script(p: Proof) -> None:
    p.rewrite(p.hypotheses[0], {row: i + 1 + s, column: i}, says="what T is")
    p.separate("w begins after this column: −1 − s − j is at most −1")


def before_library(given: Given) -> dict[str, object]:
    xp, dense = given.xp, _dense(given)
    return {"lhs": xp.stack([dense[i + 1 : i + 1 + given["r"], i] for i in range(given["m"])])}


LAW = Law(
    name="toeplitz",
    title="A convolution that does not wrap is multiplication by a Toeplitz matrix",
    items=("(5)", "L10"),
    note="With m outputs the signal has m + k − 1 entries: in the lecture's example m = 3 and k = 2. What it prints is a correlation.",
    claims=(
        Claim(
            says="(T x)[i] = Σ_j w[j]·x[i + j], where T[i, u] = Σ_j w[j]·δ[u − i − j]",
            goal=as_matrix,
            script=as_matrix_script,
            twins=(
                Twin("every row begins one column late", {"late": 1}),
                Twin("the kernel runs to the left of the diagonal", {"side": -1}),
                Twin("the matrix holds the kernel reversed, as for a convolution proper", {"reverse": True}),
            ),
            library=as_matrix_library,
        ),
        Claim(
            says="T of the reversed kernel is the convolution proper, Σ_j w[j]·x[i + k − 1 − j]",
            goal=convolved,
            script=convolved_script,
            twins=(
                Twin("the matrix holds the kernel as it is", {"matrix": False}),
                Twin("the signal is read forwards, as by a correlation", {"signal": False}),
                Twin("every row begins one column late", {"late": 1}),
            ),
            library=convolved_library,
        ),
        Claim(
            says="T is Toeplitz: T[i + s, u + s] = T[i, u] for s = 0, …, r, as far as its last row and column",
            goal=diagonals,
            script=diagonals_script,
            meanings=filled(),
            twins=(
                Twin("a stride of 2: rows begin two columns apart", {"stride": 2}, filled(stride=2)),
                Twin("rows move to the left as i grows (a Hankel matrix)", {"stride": -1}, filled(stride=-1)),
            ),
            library=diagonals_library,
        ),
        Claim(
            says="so is the matrix of the convolution proper",
            goal=reversed_diagonals,
            script=diagonals_script,
            meanings=filled(reverse=True),
            twins=(
                Twin("a stride of 2: rows begin two columns apart", {"stride": 2}, filled(stride=2, reverse=True)),
                Twin(
                    "rows move to the left as i grows (a Hankel matrix)",
                    {"stride": -1},
                    filled(stride=-1, reverse=True),
                ),
            ),
            library=reversed_diagonals_library,
        ),
        Claim(
            says="row i holds w from column i on: T[i, i + j] = w[j]",
            goal=band,
            script=band_script,
            meanings=filled(),
            twins=(
                Twin("every row begins one column late", {"late": 1}, filled(late=1)),
                Twin("the kernel is reversed", {"reverse": True}, filled(reverse=True)),
            ),
            library=band_library,
        ),
        Claim(
            says="and 0 after it: T[i, i + k + s] = 0 for s ≥ 0",
            goal=after,
            script=after_script,
            meanings=filled(),
            twins=(
                Twin("every row begins one column late", {"late": 1}, filled(late=1)),
                Twin("a stride of 2: rows begin two columns apart", {"stride": 2}, filled(stride=2)),
            ),
            library=after_library,
        ),
        Claim(
            says="and 0 before it: T[i + 1 + s, i] = 0 for s ≥ 0",
            goal=before,
            script=before_script,
            meanings=filled(),
            twins=(
                Twin("every row begins one column early", {"late": -1}, filled(late=-1)),
                Twin("the kernel runs to the left of the diagonal", {"side": -1}, filled(side=-1)),
            ),
            library=before_library,
        ),
    ),
)
