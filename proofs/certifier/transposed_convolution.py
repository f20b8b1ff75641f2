"""Windows laid out in steps of t and added up (transposed convolution, fold): a shift by k of a periodic signal moves the result by t·k."""

from __future__ import annotations

from typing import Any

import torch

from proofs.crosscheck import Given
from proofs.language import Cyclic, Fun, Range, Signal, Term, assume, delta, shifted, size, sum_over, variables
from proofs.laws import Claim, Law, Twin
from proofs.proving import Goal, Proof

n, t, d, width = size("n"), size("t"), size("d"), size("K")
i, k = variables("i k", Cyclic(n))
(p_,) = variables("p", Cyclic(t * n))
(j,) = variables("j", Range(width))
x, w = Fun("x", (Cyclic(n),)), Fun("w", (Range(width),))


# of a periodic signal --------------------------------------------------------------------------------------------------------


def laid_out(signal: Signal) -> Signal:
    """Y[p] = Σ_i Σ_j w[j]·x[i] over all i ∈ Z_n and j < K with p = t·i + d·j on the circle of t·n places"""
    return lambda p: sum_over((i, j), w(j) * signal(i) * delta(p - t * i - d * j, t * n))


def periodic(moved: Any = t * k) -> Goal:
    return Goal(laid_out(shifted(x, k))(p_), laid_out(x)(p_ - moved))


def periodic_script(p: Proof) -> None:
    p.reindex({i: i + k}, "count the windows from k on: window i + k begins at t·i + t·k")


def transposed(signal: torch.Tensor, given: Given) -> torch.Tensor:
    """torch's transposed convolution of enough periods, of which the last one whose windows are all there is kept."""
    n, t, d, width = (given[name] for name in ("n", "t", "d", "K"))
    periods = 2 + d * (width - 1) // (t * n)
    weight = torch.as_tensor(given["w"])[None, None]
    whole = torch.nn.functional.conv_transpose1d(signal.repeat(periods)[None, None], weight, stride=t, dilation=d)
    whole = torch.nn.functional.pad(
        whole, (0, t)
    )  # where windows are shorter than t, torch ends before the period does
    return whole[0, 0, (periods - 1) * t * n : periods * t * n]


def periodic_library(given: Given) -> dict[str, object]:
    """Axes k, p."""
    signal, shifts = torch.as_tensor(given["x"]), range(given["n"])
    left = [transposed(signal.roll(k), given) for k in shifts]
    right = [transposed(signal, given).roll(given["t"] * k) for k in shifts]
    return {"lhs": torch.stack(left), "rhs": torch.stack(right)}


# windows side by side --------------------------------------------------------------------------------------------------------

(q,) = variables("q", Cyclic(n))
(r,) = variables("r", Range(t))
block = Fun("w", (Range(t),))


def side_by_side(moved: Any = k) -> Goal:
    """Windows as long as the stride: y[t·q + r] = w[r]·x[q], the place r inside a window being an inner digit."""
    return Goal(block(r) * shifted(x, k)(q), block(r) * x(q - moved))


def side_by_side_script(p: Proof) -> None:
    """Both sides are the same as they stand: the window at q is that of x[q − k]."""


def side_by_side_library(given: Given) -> dict[str, object]:
    """torch's transposed convolution with the kernel as long as the stride, read as rows of t; axes k, q, r."""
    signal, weight = torch.as_tensor(given["x"]), torch.as_tensor(given["w"])[None, None]
    stride, length = given["t"], given["n"]

    def rows(x: torch.Tensor) -> torch.Tensor:
        return torch.nn.functional.conv_transpose1d(x[None, None], weight, stride=stride).reshape(length, stride)

    shifts = range(length)
    left = torch.stack([rows(signal.roll(k)) for k in shifts])
    right = torch.stack([rows(signal).roll(k, 0) for k in shifts])
    return {"lhs": left, "rhs": right}


# windows that overlap, without wrap-around -------------------------------------------------------------------------------------

N, m, s = size("N"), size("m"), size("s")
(entry,) = variables("i", Range(m + 1))
(tap,) = variables("j", Range(t + s))
kernel = Fun("w", (Range(t + s),))


def as_torch(signal: Signal, p: Any) -> Term:
    """y[p] = Σ_i Σ_j w[j]·x[i] over 0 ≤ i ≤ m and j < t + s with p = t·i + j, as integers"""
    return sum_over((entry, tap), kernel(tap) * signal(entry) * delta(p - t * entry - tap))


def overlap(read: Any = t, expected: Any = t, spot: Any = 0) -> Goal:
    """Entry t of y(x), less entry 0 of y(S_−1 x), for the spike x at 0 of N = m + 1 positions."""
    a, b = variables("a b", Range(m + 1))
    apart = assume(delta(a - b, N), delta(a - b), a, b)  # N ≥ m + 1
    wraps = assume(delta(a + 1, N), delta(a - m), a)  # N = m + 1

    def x(u: Any) -> Term:
        return delta(u - spot, N)

    return Goal(as_torch(x, read) - as_torch(shifted(x, -1), 0), kernel(expected), (apart, wraps))


def overlap_script(p: Proof) -> None:
    apart, wraps = p.hypotheses
    a, b = variables("a b", Range(m + 1))
    p.rewrite(apart, {a: entry, b: 0}, says="the spike is at 0 only")
    p.rewrite(wraps, {a: entry}, says="after the shift it is at m only")
    p.sift(entry, "each lays down one window")
    p.separate("the window at t·m, with m ≥ 1, does not reach 0")
    p.sift(tap, "and entry t of the window at 0 is w[t]")


def overlap_library(given: Given) -> dict[str, object]:
    weight = torch.as_tensor(given["w"])[None, None]
    signal = torch.zeros(given["m"] + 1, dtype=weight.dtype)
    signal[0] = 1

    def y(x: torch.Tensor) -> torch.Tensor:
        return torch.nn.functional.conv_transpose1d(x[None, None], weight, stride=given["t"])[0, 0]

    return {"lhs": y(signal)[given["t"]] - y(signal.roll(-1))[0]}


LAW = Law(
    name="transposed_convolution",
    title="A transposed convolution of stride t turns a shift by k of a periodic signal into one by t·k; where its windows overlap it must wrap",
    families=("sliding window",),
    note="torch's has the windows that begin at t·i, 0 ≤ i < m, of a cut of m entries. Entry p adds up those with p − d·(K − 1) − 1 < t·i ≤ p: where all "
    "of them are there, for d·(K − 1) + 1 − t ≤ p < t·m, it is the entry of the periodic one. In general no roll explains a shift where they are not: claim 3.",
    claims=(
        Claim(
            says="On the circle, any kernel and dilation: Y[p] = Σ_i Σ_j w[j]·x[i]·δ[p − t·i − d·j] moves by t·k when x moves by k",
            goal=periodic,
            script=periodic_script,
            twins=(
                Twin("Y moves by t²·k", {"moved": t * t * k}),
                Twin("Y moves the other way", {"moved": -t * k}),
            ),
            worlds=(
                {"K": 2, "d": 1, "n": 3, "t": 2},
                {"K": 3, "d": 2, "n": 3, "t": 2},
                {"K": 2, "d": 1, "n": 4, "t": 3},
            ),
            library=periodic_library,
        ),
        Claim(
            says="Windows as long as the stride lie side by side, y[t·q + r] = w[r]·x[q]: a shift by k moves q by k and leaves r, cut or not",
            goal=side_by_side,
            script=side_by_side_script,
            twins=(
                Twin("q stays", {"moved": 0}),
                Twin("q moves by t·k", {"moved": t * k}),
            ),
            worlds=({"n": 3, "t": 2}, {"n": 2, "t": 3}),
            library=side_by_side_library,
        ),
        Claim(
            says="Windows longer than the stride, not wrapped: for x = 1 at 0 entry t of y(x) is w[t], yet entry 0 of y(S_−1 x) is 0: a roll by t does not "
            "explain the shift",
            goal=overlap,
            script=overlap_script,
            twins=(
                Twin("entry 0 of y(x)", {"read": 0}),
                Twin("it is w[0]", {"expected": 0}),
                Twin("the spike stands at 1", {"spot": 1}),
            ),
            worlds=(
                {"N": 2, "m": 1, "s": 1, "t": 1},
                {"N": 3, "m": 2, "s": 1, "t": 2},
                {"N": 3, "m": 2, "s": 2, "t": 1},
            ),
            library=overlap_library,
        ),
    ),
)
