"""A concatenation moves block by block: what rolls in a block of its own goes on rolling there, what is constant stays, and neighbouring cuts of one
signal are one cut again."""

from __future__ import annotations

from typing import Any

import equiconv as eq
from proofs.crosscheck import Given
from proofs.language import Cyclic, Fun, Integers, Range, Signal, delta, shifted, size, sum_over, variables
from proofs.laws import Claim, Law, Twin
from proofs.proving import Goal, Proof

m, n, h, s, q = size("m"), size("n"), size("h"), size("s"), size("q")
SHIFTS = range(-2, 4)  # the integers k at which statements are evaluated
u, a = variables("u a", Range(n))
v, b = variables("v b", Range(m))
(k,) = variables("k", Integers())
(p,) = variables("p", Range(n + m))
x, c, f = Fun("x", (Cyclic(n),)), Fun("c", (Cyclic(m),)), Fun("f", (Range(n + m),))


def joined(x: Signal, c: Signal, begins: Any = n) -> Signal:
    """z[p]: the n entries of x, then the m entries of c, from ``begins`` on"""
    return lambda p: sum_over(a, x(a) * delta(p - a)) + sum_over(b, c(b) * delta(p - begins - b))


def cat(given: Given, k: int) -> Any:
    """The library's own: z(S_k x, c)"""
    return given.xp.concatenate([eq.Shift(k, given["n"]) @ given["x"], given["c"]])


# z(S_k x, c) = S_k x, then c --------------------------------------------------------------------------------------------------


def moving(rolled: Any = k, begins: Any = n) -> Goal:
    return Goal(joined(shifted(x, k), c, begins)(u), x(u - rolled))


def moving_script(p: Proof) -> None:
    p.sift(a, "entry u of the first block")
    p.separate("no entry of c stands before n")


def moving_library(given: Given) -> dict[str, object]:
    left = [cat(given, k)[: given["n"]] for k in SHIFTS]
    return {"lhs": given.xp.stack(left), "rhs": given.xp.stack([eq.Shift(k, given["n"]) @ given["x"] for k in SHIFTS])}


def still(rolled: Any = 0, at: Any = n) -> Goal:
    return Goal(joined(shifted(x, k), c)(at + v), c(v - rolled))


def still_script(p: Proof) -> None:
    p.sift(b, "entry v of the second block")
    p.separate("no entry of x stands at n or after it")


def still_library(given: Given) -> dict[str, object]:
    left = [cat(given, k)[given["n"] :] for k in SHIFTS]
    return {"lhs": given.xp.stack(left), "rhs": given.xp.stack([given["c"] for _ in left])}


# no roll of the whole -----------------------------------------------------------------------------------------------------------

LONG = Range(h + s)
(e,) = variables("a", LONG)
X = Fun("x", (Cyclic(q),))


def inside(entries: Any = h, by: Any = s) -> Goal:
    (w,) = variables("w", Range(entries))

    def block(x: Signal, p: Any) -> Any:
        return sum_over(e, x(e) * delta(p - e)) + sum_over(b, c(b) * delta(p - h - s - b))

    return Goal(block(shifted(X, s), w + by), block(X, w))


def inside_script(p: Proof) -> None:
    p.sift(e, "w + s is still in the first block")
    p.separate("c stands behind it")
    p.right.sift(e, "and so is w")
    p.right.separate("c stands behind it")


# any linear reading of z, a sum among them ------------------------------------------------------------------------------------------


def read(offset: Any = n, second: int = 1) -> Goal:
    right = sum_over(a, x(a) * f(a)) + second * sum_over(b, c(b) * f(offset + b))
    return Goal(sum_over(p, joined(x, c)(p) * f(p)), right)


def read_script(proof: Proof) -> None:
    proof.sift(p, "every entry of z is one of x or one of c")


def read_library(given: Given) -> dict[str, object]:
    x, c, f, n = given["x"], given["c"], given["f"], given["n"]
    return {"lhs": (given.xp.concatenate([x, c]) * f).sum(), "rhs": (x * f[:n]).sum() + (c * f[n:]).sum()}


# neighbouring cuts ---------------------------------------------------------------------------------------------------------------------


def neighbours(gap: int = 0, second: Any = n) -> Goal:
    z = joined(lambda u: X(u + s), lambda v: X(v + s + second + gap))
    return Goal(z(n + v), X(n + v + s))


def neighbours_library(given: Given) -> dict[str, object]:
    xp, n, m, s = given.xp, given["n"], given["m"], given["s"]
    periods = xp.concatenate([given["x"]] * (n + m + s))
    left = xp.concatenate([periods[s : s + n], periods[s + n : s + n + m]])
    return {"lhs": left[n:], "rhs": periods[s : s + n + m][n:]}


LAW = Law(
    name="concatenation",
    title="A concatenation moves block by block",
    families=("shape", "slice, select, index", "padding", "sliding window"),
    note="z[p] = Σ_a x[a]·δ[p − a] + Σ_b c[b]·δ[p − n − b], p < n + m: class token beside image tokens, an image beside the zeros of a pad.",
    claims=(
        Claim(
            says="The block that rolls: z(S_k x, c)[u] = x[u − k] for u < n",
            goal=moving,
            script=moving_script,
            twins=(
                Twin("it stays", {"rolled": 0}),
                Twin("the blocks overlap: c begins at 0", {"begins": 0}),
            ),
            library=moving_library,
        ),
        Claim(
            says="The block that does not: z(S_k x, c)[n + v] = c[v] for v < m",
            goal=still,
            script=still_script,
            twins=(
                Twin("it rolls too", {"rolled": k}),
                Twin("it is found from n − 1 on", {"at": n - 1}),
            ),
            library=still_library,
        ),
        Claim(
            says="Inside the first block, of h + s entries, a shift by s is seen as one: z(S_s x, c)[w + s] = z(x, c)[w] for w < h",
            goal=inside,
            script=inside_script,
            twins=(
                Twin("the whole of z moves by s, across the seam", {"entries": h + m}),
                Twin("z stays", {"by": 0}),
            ),
        ),
        Claim(
            says="Part by part: Σ_p z[p]·f[p] = Σ_u x[u]·f[u] + Σ_v c[v]·f[n + v], so a sum over z is the sum of its blocks' sums",
            goal=read,
            script=read_script,
            twins=(
                Twin("c is read at its own indices", {"offset": 0}),
                Twin("c is forgotten", {"second": 0}),
            ),
            library=read_library,
        ),
        Claim(
            says="Neighbouring cuts of one signal, from s and from s + n on, are one cut: z[n + v] = x[n + v + s], as z[u] = x[u + s]",
            goal=neighbours,
            script=still_script,
            twins=(
                Twin("an entry is left out between them", {"gap": 1}),
                Twin("both begin at s", {"second": 0}),
            ),
            library=neighbours_library,
        ),
    ),
)
