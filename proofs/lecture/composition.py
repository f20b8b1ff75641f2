"""Two stacked convolutions are one convolution, with the convolution of their kernels; kernels of a and b entries make one of a + b − 1: lecture L11."""

from __future__ import annotations

from typing import Any

from sympy import Expr

import equiconv as eq
from proofs.crosscheck import Given
from proofs.language import (
    Cyclic,
    Fun,
    Range,
    Term,
    Var,
    circulant,
    convolution,
    correlation,
    delta,
    product,
    size,
    sum_over,
    variables,
)
from proofs.laws import Claim, Law, Twin
from proofs.proving import Goal, Proof

n, a, b = size("n"), size("a"), size("b")
i, j, k, l = variables("i j k l", Cyclic(n))
(p,), (q,) = variables("p", Range(a)), variables("q", Range(b))
x, v, w = Fun("x", (Cyclic(n),)), Fun("v", (Cyclic(n),)), Fun("w", (Cyclic(n),))
f, g = Fun("f", (Range(a),)), Fun("g", (Range(b),))


# kernels as long as the signal -----------------------------------------------------------------------------------------------


def long(inner_correlates: bool = False, outer_correlates: bool = False) -> Goal:
    first = (correlation if outer_correlates else convolution)(x, w, j)
    kernels = (correlation if inner_correlates else convolution)(w, v, k)
    return Goal(convolution(first, v, k)(i), convolution(x, kernels, j)(i))


def long_script(proof: Proof) -> None:
    proof.reindex({k: k + j}, "count k from j on: x leaves the inner sum")


def long_library(given: Given) -> dict[str, object]:
    star = eq.circular_convolve
    x, v, w = given["x"], given["v"], given["w"]
    return {"lhs": star(star(x, w), v), "rhs": star(x, star(w, v))}


def matrices(inner_correlates: bool = False, transposed: bool = False) -> Goal:
    kernels = (correlation if inner_correlates else convolution)(w, v, k)
    left = circulant(v) if not transposed else (lambda r, c: v(c - r))
    return Goal(product(left, circulant(w), j)(i, l), circulant(kernels)(i, l))


def matrices_script(proof: Proof) -> None:
    proof.reindex({j: j + l}, "count j from l on: the product depends on i − l alone")


def matrices_library(given: Given) -> dict[str, object]:
    v, w = given["v"], given["w"]
    return {
        "lhs": (eq.Circulant(v) @ eq.Circulant(w)).dense(),
        "rhs": eq.Circulant(eq.circular_convolve(w, v)).dense(),
    }


# short kernels ---------------------------------------------------------------------------------------------------------------


def short(entries: Expr = a + b - 1, second: int = 1, outer: int = 1) -> Goal:
    """Correlations, as layers are. Changes: the composed kernel's size, and the sign of q in it and in the second layer."""
    (r,) = variables("r", Range(entries))

    def first(at: Any) -> Term:
        return sum_over(p, f(p) * x(at + p))

    kernel = sum_over((p, q), f(p) * g(q) * delta(r - p - second * q))
    return Goal(sum_over(q, g(q) * first(i + outer * q)), sum_over(r, kernel * x(i + r)))


def short_script(proof: Proof) -> None:
    (r,) = (u for u in proof.goal.rhs.summands[0].binders if isinstance(u, Var) and u.name == "r")
    proof.right.sift(r, "every p + q lies in {0, …, a + b − 2}: the composed kernel has room for it")


def short_library(given: Given) -> dict[str, object]:
    xp, layer = given.xp, eq.circular_correlate
    x, f, g = given["x"], given["f"], given["g"]
    zeros = xp.zeros(given["b"] - 1, dtype=x.dtype)
    stacked = eq.Toeplitz(xp.concatenate([f, zeros]), xp.concatenate([f[:1], zeros])) @ g
    return {"lhs": layer(layer(x, f), g), "rhs": layer(x, stacked)}


LAW = Law(
    name="composition",
    title="Two stacked convolutions are one convolution, whose kernel is the convolution of the two kernels",
    items=("L11",),
    note="Without a nonlinearity between them, any number of layers is one layer: apply it repeatedly.",
    claims=(
        Claim(
            says="(x ⋆ w) ⋆ v = x ⋆ (w ⋆ v)",
            goal=long,
            script=long_script,
            twins=(
                Twin("the kernels are correlated", {"inner_correlates": True}),
                Twin("the first layer is a correlation, the others convolutions", {"outer_correlates": True}),
            ),
            library=long_library,
        ),
        Claim(
            says="C_v C_w = C_(w ⋆ v)",
            goal=matrices,
            script=matrices_script,
            twins=(
                Twin("the kernels are correlated", {"inner_correlates": True}),
                Twin("the second layer is a correlation, C_vᵀ", {"transposed": True}),
            ),
            library=matrices_library,
        ),
        Claim(
            says="layers with kernels f of a and g of b entries make one of a + b − 1: u[r] = Σ_{p + q = r} f[p]·g[q]",
            goal=short,
            script=short_script,
            twins=(
                Twin("a kernel as long as the first", {"entries": a}),
                Twin("the kernels are correlated: r = p − q", {"second": -1}),
                Twin("the second layer is a convolution, the first a correlation", {"outer": -1}),
            ),
            library=short_library,
        ),
    ),
)
