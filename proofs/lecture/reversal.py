"""Convolution and cross-correlation differ by the reversal of the kernel: lecture (6), L21."""

from __future__ import annotations

from typing import Any

import equiconv as eq
from proofs.crosscheck import Given
from proofs.language import (
    Cyclic,
    Fun,
    Range,
    Term,
    circulant,
    convolution,
    correlation,
    size,
    sum_over,
    transposed_circulant,
    variables,
)
from proofs.laws import Claim, Law, Twin
from proofs.proving import Goal, Proof

n, k = size("n"), size("k")
i, j = variables("i j", Cyclic(n))
(t,) = variables("t", Range(k))
x, w, f = Fun("x", (Cyclic(n),)), Fun("w", (Cyclic(n),)), Fun("f", (Range(k),))


def reversed_kernel(e: Any, offset: int = 0, sign: int = -1) -> Term:
    """w[−e]"""
    return w(sign * e + offset)


def reversed_array(given: Given, name: str) -> Any:
    return given[name][-given.index(given["n"]) % given["n"]]


# on the torus ----------------------------------------------------------------------------------------------------------------


def torus(offset: int = 0, sign: int = -1) -> Goal:
    return Goal(correlation(x, w, j)(i), convolution(x, lambda e: reversed_kernel(e, offset, sign), j)(i))


def torus_script(p: Proof) -> None:
    p.reindex({j: j - i}, "count j from −i on: w is then read at j − i = −(i − j)")


def torus_library(given: Given) -> dict[str, object]:
    x = given["x"]
    return {
        "lhs": eq.circular_correlate(x, given["w"]),
        "rhs": eq.circular_convolve(x, reversed_array(given, "w")),
    }


def matrices(offset: int = 0, sign: int = -1) -> Goal:
    return Goal(transposed_circulant(w)(i, j), circulant(lambda e: reversed_kernel(e, offset, sign))(i, j))


def matrices_script(p: Proof) -> None:
    """Both sides are the same by index arithmetic: j − i = −(i − j)."""


def matrices_library(given: Given) -> dict[str, object]:
    return {"lhs": eq.Circulant(given["w"]).T.dense(), "rhs": eq.Circulant(reversed_array(given, "w")).dense()}


# a kernel of k entries -------------------------------------------------------------------------------------------------------


def window(last: int = -1, moved: bool = True, reverse: bool = True) -> Goal:
    """``last``: f's last index, less k. ``moved``: the convolution starts at the window's end, not at its beginning."""
    tap = f(k + last - t) if reverse else f(t)
    start = i + (k - 1) if moved else i
    return Goal(sum_over(t, f(t) * x(i + t)), sum_over(t, tap * x(start - t)))


def window_script(p: Proof) -> None:
    p.reindex({t: k - 1 - t}, "read the window from its other end")


def window_library(given: Given) -> dict[str, object]:
    x, f, k = given["x"], given["f"], given["k"]
    backwards = given.xp.flip(f, (0,))
    return {"lhs": eq.circular_correlate(x, f), "rhs": eq.circular_convolve(x, backwards, origin=k - 1)}


LAW = Law(
    name="reversal",
    title="Cross-correlation with a kernel is convolution with the reversed kernel",
    items=("(6)", "L21"),
    note="(6) is an integral over the line, of which these are the counterparts on every finite grid; the kernel has no integrals.",
    claims=(
        Claim(
            says="Σ_j w[j]·x[i + j] = (x ⋆ w̃)[i] with w̃[j] = w[−j]",
            goal=torus,
            script=torus_script,
            twins=(
                Twin("the array is flipped, w̃[j] = w[n − 1 − j], which puts its origin elsewhere", {"offset": -1}),
                Twin("the kernel is not reversed", {"sign": 1}),
            ),
            library=torus_library,
        ),
        Claim(
            says="the matrix of the correlation, w[j − i], is the transpose of C_w and the circulant of w̃",
            goal=matrices,
            script=matrices_script,
            twins=(
                Twin("the array is flipped, w̃[j] = w[n − 1 − j]", {"offset": -1}),
                Twin("the kernel is not reversed", {"sign": 1}),
            ),
            library=matrices_library,
        ),
        Claim(
            says="for a kernel of k entries, Σ_t f[t]·x[i + t] = Σ_t f[k − 1 − t]·x[i + k − 1 − t]",
            goal=window,
            script=window_script,
            twins=(
                Twin("the convolution starts where the window does", {"moved": False}),
                Twin("the kernel is not reversed", {"reverse": False}),
            ),
            library=window_library,
        ),
    ),
)
