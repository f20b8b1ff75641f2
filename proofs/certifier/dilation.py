"""A dilated window is a longer one with holes: dilation costs no shift, and keeps the phases modulo d apart."""

from __future__ import annotations

from typing import Any

import torch

import equiconv as eq
from proofs.crosscheck import Given
from proofs.language import Cyclic, Fun, Range, Term, delta, size, sum_over, variables
from proofs.laws import Claim, Law, Twin
from proofs.proving import Goal, Proof

n, k, d, m = size("n"), size("k"), size("d"), size("m")
(j,) = variables("j", Range(k))
w = Fun("w", (Range(k),))


def correlate(given: Given, w: Any, x: Any) -> Any:
    """Σ_j w[j]·x[i + d·j], by the layers' convolution."""
    signal = torch.as_tensor(x)
    periods = eq.nn.circular_pad(signal[None], (0, given["d"] * (given["k"] - 1)))
    return eq.nn.circular_conv(periods, torch.as_tensor(w)[None, None], dilation=given["d"])[0, : len(signal)]


# a dilated correlation is one with the kernel spread out -----------------------------------------------------------------------

i, s, u = variables("i s u", Cyclic(n))
x = Fun("x", (Cyclic(n),))


def dilated(shift: Any, at: Any) -> Term:
    """Σ_j w[j]·(S_shift x)[at + d·j]"""
    return sum_over(j, w(j) * x(at + d * j - shift))


def spread(apart: Any = d, sign: int = 1) -> Goal:
    kernel = sum_over(j, w(j) * delta(u - apart * j, n))
    return Goal(dilated(0, i), sum_over(u, kernel * x(i + sign * u)))


def spread_script(p: Proof) -> None:
    p.right.sift(u, "the spread kernel is w[j] at u = d·j, and 0 between")


def spread_library(given: Given) -> dict[str, object]:
    xp, size = given.xp, given["n"]
    kernel = xp.zeros(size, dtype=given["w"].dtype)
    for j in range(given["k"]):
        kernel[given["d"] * j % size] += given["w"][j]  # a kernel longer than the signal wraps
    return {"lhs": correlate(given, given["w"], given["x"]), "rhs": eq.circular_correlate(given["x"], kernel)}


# every shift survives --------------------------------------------------------------------------------------------------------------


def shifts(moved: Any = s) -> Goal:
    return Goal(dilated(s, i), dilated(0, i - moved))


def shifts_script(p: Proof) -> None:
    """Both sides are the same by index arithmetic: i + d·j − s = (i − s) + d·j."""


def shifts_library(given: Given) -> dict[str, object]:
    y, operators = correlate(given, given["w"], given["x"]), [eq.Shift(s, given["n"]) for s in range(given["n"])]
    left = torch.stack([correlate(given, given["w"], S @ given["x"]) for S in operators], 1)
    return {"lhs": left, "rhs": torch.stack([S @ y for S in operators], 1)}


# phases modulo d do not mix --------------------------------------------------------------------------------------------------------

o, v = variables("o v", Cyclic(m))
(a,) = variables("a", Range(d))
X = Fun("x", (Cyclic(d * m),))


def phases(step: Any = 1, phase: Any = a) -> Goal:
    left = sum_over(j, w(j) * X(d * o + a + d * j))
    kernel = sum_over(j, w(j) * delta(v - step * j, m))
    return Goal(left, sum_over(v, kernel * X(d * (o + v) + phase)))


def phases_script(p: Proof) -> None:
    p.right.sift(v, "the kernel as it was, undilated, reads entry o + j of the phase: x[d·(o + j) + a]")


def phases_library(given: Given) -> dict[str, object]:
    xp, outputs, apart = given.xp, given["m"], given["d"]
    kernel = xp.zeros(outputs, dtype=given["w"].dtype)
    for j in range(given["k"]):
        kernel[j % outputs] += given["w"][j]
    left = correlate(given, given["w"], given["x"]).reshape(outputs, apart).T
    right = [eq.circular_correlate(given["x"][a::apart], kernel) for a in range(apart)]
    return {"lhs": left, "rhs": xp.stack(right)}


LAW = Law(
    name="dilation",
    title="A dilated correlation is the correlation with a kernel spread out by d, and commutes with all shifts",
    families=("sliding window",),
    claims=(
        Claim(
            says="Σ_j w[j]·x[i + d·j] is the correlation of x with the kernel that is w[j] at d·j and 0 between",
            goal=spread,
            script=spread_script,
            twins=(
                Twin("the kernel is not spread out", {"apart": 1}),
                Twin("the right side reads x[i − u]: a convolution", {"sign": -1}),
            ),
            library=spread_library,
        ),
        Claim(
            says="Dilation costs no shift: shifting x by any s shifts Σ_j w[j]·x[i + d·j] by s",
            goal=shifts,
            script=shifts_script,
            twins=(
                Twin("the result moves by d·s", {"moved": d * s}),
                Twin("the result moves the other way", {"moved": -s}),
            ),
            library=shifts_library,
        ),
        Claim(
            says="For n = d·m each phase, the entries a, a + d, a + 2d, …, is correlated with w by itself, without dilation",
            goal=phases,
            script=phases_script,
            twins=(
                Twin("within a phase the kernel is still spread out by d", {"step": d}),
                Twin("every phase is the first one", {"phase": 0}),
            ),
            library=phases_library,
        ),
    ),
)
