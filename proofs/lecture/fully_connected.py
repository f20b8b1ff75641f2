"""A fully connected layer on the vectorised image sees no order of its pixels: lecture (1), L1, L2."""

from __future__ import annotations

import itertools
from typing import Any

from proofs.crosscheck import Given
from proofs.kernel import Group, Letter, Points
from proofs.kernel.indices import Word
from proofs.language import Fun, Range, Term, size, sum_over, variables
from proofs.laws import Claim, Law, Twin
from proofs.proving import Goal, Proof

m = size("m")
G = Group("G")
X = Points("X", G)
g, p = Letter("g", G), Letter("p", X)
(o,) = variables("o", Range(m))
W, x = Fun("W", (Range(m), X)), Fun("x", (X,))
PERMUTATIONS = list(itertools.permutations(range(3)))


def layer(weight: Any, signal: Any) -> Term:
    """Σ_p W[o, p]·x[p], before the bias and the nonlinearity, which do not see the pixels"""
    return sum_over(p, weight(p) * signal(p))


def order(signal: Word | Letter = g.inverse * p, weight: Word | Letter = g * p) -> Goal:
    return Goal(layer(lambda p: W(o, p), lambda _: x(signal)), layer(lambda _: W(o, weight), x))


def order_script(p_: Proof) -> None:
    p_.translate(p, g * p, "visit the pixels in the order in which they were before")


def order_library(given: Given) -> dict[str, object]:
    xp, w, signal = given.xp, given["W"], given["x"]
    inverse = [sorted(range(3), key=g.__getitem__) for g in PERMUTATIONS]
    left = [w @ signal[list(h)] for h in inverse]  # (S_g x)[p] = x[g⁻¹·p]
    right = [w[:, list(g)] @ signal for g in PERMUTATIONS]
    return {"lhs": xp.stack(left), "rhs": xp.stack(right)}


LAW = Law(
    name="fully_connected",
    title="To a fully connected layer the pixels have no order: permuting them is permuting its weights",
    items=("(1)", "L1", "L2"),
    claims=(
        Claim(
            says="W applied to the permuted image is the permuted W applied to the image",
            goal=order,
            script=order_script,
            twins=(
                Twin("the weights are permuted the other way", {"weight": g.inverse * p}),
                Twin("the weights stay: the layer is invariant", {"weight": p}),
                Twin("the image is permuted the other way", {"signal": g * p}),
            ),
            groups={"G": PERMUTATIONS},
            library=order_library,
        ),
    ),
    note="So what such layers can learn of an image they can learn of the image with its pixels shuffled: the spatial information is lost, and with it any "
    "reason for a shift to be respected (`most_general` says which weights respect one). Channels have no order in the same way.",
)
