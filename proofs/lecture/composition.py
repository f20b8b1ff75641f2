"""Two stacked convolutions are one convolution, with the convolution of their kernels; kernels of a and b entries make one of a + b − 1: lecture L11.

The same holds for two correlations, which layers are, with channels, and where nothing wraps; a convolution and a correlation do not compose so.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from sympy import Expr

import equiconv as eq
from equiconv.nn import circular_conv
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

n, a, b, m = size("n"), size("a"), size("b"), size("m")
c0, c1, c2 = size("c0"), size("c1"), size("c2")
i, j, k, l = variables("i j k l", Cyclic(n))
(p,), (q,) = variables("p", Range(a)), variables("q", Range(b))
x, v, w = Fun("x", (Cyclic(n),)), Fun("v", (Cyclic(n),)), Fun("w", (Cyclic(n),))
f, g = Fun("f", (Range(a),)), Fun("g", (Range(b),))
c, d, o = (*variables("c", Range(c0)), *variables("d", Range(c1)), *variables("o", Range(c2)))
image, F, G = Fun("x", (c.sort, i.sort)), Fun("f", (d.sort, c.sort, p.sort)), Fun("g", (o.sort, d.sort, q.sort))
(t,) = variables("t", Range(m))
line = Fun("x", (Range(m + a + b - 2),))
WORLDS: tuple[Mapping[str, Any], ...] = (
    {"n": 1, "a": 1, "b": 2},
    {"n": 2, "a": 2, "b": 2},
    {"n": 4, "a": 2, "b": 3},
    {"n": (2, 3), "a": (1, 2), "b": (2, 1)},
)
WITH_CHANNELS: tuple[Mapping[str, Any], ...] = (
    {"n": 1, "a": 1, "b": 1, "c0": 1, "c1": 1, "c2": 1},
    {"n": 2, "a": 2, "b": 2, "c0": 1, "c1": 2, "c2": 1},
    {"n": 4, "a": 1, "b": 2, "c0": 2, "c1": 1, "c2": 2},
    {"n": (2, 1), "a": (1, 1), "b": (2, 1), "c0": (1, 1), "c1": (2, 1), "c2": (1, 1)},
)


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


def correlations(inner_correlates: bool = False, outer_convolves: bool = False) -> Goal:
    first = (convolution if outer_convolves else correlation)(x, w, j)
    kernels = (correlation if inner_correlates else convolution)(w, v, j)
    return Goal(correlation(first, v, k)(i), correlation(x, kernels, k)(i))


def correlations_script(proof: Proof) -> None:
    proof.reindex({k: k - j}, "count k from −j on: x is read at i + k, whatever j")


def correlations_library(given: Given) -> dict[str, object]:
    layer = eq.circular_correlate
    x, v, w = given["x"], given["v"], given["w"]
    return {"lhs": layer(layer(x, w), v), "rhs": layer(x, eq.circular_convolve(w, v))}


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


# channels ----------------------------------------------------------------------------------------------------------------------


def channels(entries: Expr = a + b - 1, mixed: bool = True, second: int = 1) -> Goal:
    """``mixed``: the middle channel is summed over; else the composed kernel takes the first one only."""
    (r,) = variables("r", Range(entries))
    middle = (d,) if mixed else ()
    taps = F(d if mixed else 0, c, p) * G(o, d if mixed else 0, q) * delta(r - p - second * q)
    kernel = sum_over((*middle, p, q), taps)

    def first(channel: Any, at: Any) -> Term:
        return sum_over((c, p), F(channel, c, p) * image(c, at + p))

    return Goal(sum_over((d, q), G(o, d, q) * first(d, i + q)), sum_over((c, r), kernel * image(c, i + r)))


def channels_library(given: Given) -> dict[str, object]:
    x, f, g = (torch.as_tensor(given[name]) for name in ("x", "f", "g"))
    taps, other = given["a"], given["b"]
    full = torch.zeros(g.shape[0], f.shape[1], taps + other - 1, dtype=x.dtype)
    for q in range(other):
        full[..., q : q + taps] += torch.einsum("od,dcp->ocp", g[..., q], f)

    def layer(signal: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
        """Σ_c Σ_p weight[o, c, p]·signal[c, i + p]"""
        reach = weight.shape[-1] - 1
        return circular_conv(signal, weight, padding=reach)[:, reach:]

    return {"lhs": layer(layer(x, f), g).T, "rhs": layer(x, full).T}


# a signal that does not wrap -----------------------------------------------------------------------------------------------------


def unwrapped(reverse: bool = False, outer: bool = True) -> Goal:
    (r,) = variables("r", Range(a + b - 1))

    def first(at: Any) -> Term:
        return sum_over(p, f(p) * line(at + p))

    kernel = sum_over((p, q), f(p) * g(q) * delta(r - (a - 1 - p if reverse else p) - q))
    return Goal(sum_over(q, g(q) * first(t + (q if outer else b - 1 - q))), sum_over(r, kernel * line(t + r)))


def unwrapped_library(given: Given) -> dict[str, object]:
    xp, x, f, g = given.xp, given["x"], given["f"], given["g"]
    zeros = xp.zeros(given["b"] - 1, dtype=x.dtype)
    stacked = eq.Toeplitz(xp.concatenate([f, zeros]), xp.concatenate([f[:1], zeros])) @ g

    def layer(signal: Any, kernel: Any) -> Any:
        return eq.Toeplitz.valid(kernel, len(signal), convention="correlation") @ signal

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
            says="two correlations, too, and with the convolution of their kernels: Σ_k v[k]·(Σ_j w[j]·x[i + k + j]) = Σ_k (w ⋆ v)[k]·x[i + k]",
            goal=correlations,
            script=correlations_script,
            twins=(
                Twin("the kernels are correlated", {"inner_correlates": True}),
                Twin("the first layer is a convolution, the others correlations", {"outer_convolves": True}),
            ),
            library=correlations_library,
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
            worlds=WORLDS,
            library=short_library,
        ),
        Claim(
            says="with channels: the layers' kernel is u[o, c, r] = Σ_d Σ_{p + q = r} f[d, c, p]·g[o, d, q], d the channels between them",
            goal=channels,
            script=short_script,
            twins=(
                Twin("a kernel as long as the first", {"entries": a}),
                Twin("the channels between are not summed over: the first one alone", {"mixed": False}),
                Twin("the kernels are correlated: r = p − q", {"second": -1}),
            ),
            worlds=WITH_CHANNELS,
            library=channels_library,
        ),
        Claim(
            says="without wrapping: for a signal of m + a + b − 2 entries the two layers, and the one with u, give the same m outputs",
            goal=unwrapped,
            script=short_script,
            twins=(
                Twin("the first kernel is reversed in u: r = a − 1 − p + q", {"reverse": True}),
                Twin("the second layer is a convolution, the first a correlation", {"outer": False}),
            ),
            worlds=(
                {"m": 1, "a": 1, "b": 1},
                {"m": 2, "a": 2, "b": 2},
                {"m": 3, "a": 1, "b": 3},
                {"m": (2, 1), "a": (1, 2), "b": (2, 1)},
            ),
            library=unwrapped_library,
        ),
    ),
)
