"""Reversing an axis turns a shift by k into a shift by −k, and the blocks of a concatenation change places."""

from __future__ import annotations

from typing import Any

import equiconv as eq
from proofs.crosscheck import Given
from proofs.language import Cyclic, Fun, Range, Signal, Term, delta, shifted, size, sum_over, variables
from proofs.laws import Claim, Law, Twin
from proofs.proving import Goal, Proof

n, m, length, start = size("n"), size("m"), size("l"), size("a")
i, k = variables("i k", Cyclic(n))
x = Fun("x", (Cyclic(n),))


def flipped(x: Signal) -> Signal:
    """torch's flip: y[i] = x[n − 1 − i]"""
    return lambda i: x(n - 1 - i)


def mirrored(x: Signal) -> Signal:
    """y[i] = x[−i]"""
    return lambda i: x(-i)


# y(S_k x) = S_{−k} y(x) --------------------------------------------------------------------------------------------------------


def flip(moved: Any = -k) -> Goal:
    return Goal(flipped(shifted(x, k))(i), shifted(flipped(x), moved)(i))


def flip_script(p: Proof) -> None:
    """Both sides are the same by index arithmetic: (n − 1 − i) − k = n − 1 − (i + k)."""


def flip_library(given: Given) -> dict[str, object]:
    xp, x, size = given.xp, given["x"], given["n"]
    left = [xp.flip(eq.Shift(k, size) @ x, (0,)) for k in range(size)]
    right = [eq.Shift(-k, size) @ xp.flip(x, (0,)) for k in range(size)]
    return {"lhs": xp.stack(left, 1), "rhs": xp.stack(right, 1)}


# x[−i] is the flip, rolled by 1 --------------------------------------------------------------------------------------------------


def mirror(roll: int = 1) -> Goal:
    return Goal(mirrored(shifted(x, k))(i), shifted(flipped(x), roll - k)(i))


def mirror_script(p: Proof) -> None:
    """Both sides are the same by index arithmetic: −i − k = n − 1 − (i − (1 − k)) in Z_n."""


def mirror_library(given: Given) -> dict[str, object]:
    xp, x, size = given.xp, given["x"], given["n"]
    at = -given.index(size) % size
    left = [(eq.Shift(k, size) @ x)[at] for k in range(size)]
    right = [eq.Shift(1 - k, size) @ xp.flip(x, (0,)) for k in range(size)]
    return {"lhs": xp.stack(left, 1), "rhs": xp.stack(right, 1)}


# a flipped cut ---------------------------------------------------------------------------------------------------------------------

(u,) = variables("u", Range(length))


def cut(begins: Any = n - start - length) -> Goal:
    return Goal(x(start + length - 1 - u), flipped(x)(begins + u))


def cut_script(p: Proof) -> None:
    """Both sides are the same by index arithmetic: n − 1 − (n − a − l + u) = a + l − 1 − u."""


def cut_library(given: Given) -> dict[str, object]:
    xp, n, a, l = given.xp, given["n"], given["a"], given["l"]
    index = given.index(l)
    left = xp.flip(given["x"][(a + index) % n], (0,))
    return {"lhs": left, "rhs": xp.flip(given["x"], (0,))[(n - a - l + index) % n]}


# a flipped concatenation -------------------------------------------------------------------------------------------------------------

v, a = variables("v a", Range(n))
w, b = variables("w b", Range(m))
y, c = Fun("y", (Range(n),)), Fun("c", (Range(m),))


def joined(p: Any) -> Term:
    """z[p]: the n entries of y, then the m entries of c"""
    return sum_over(a, y(a) * delta(p - a)) + sum_over(b, c(b) * delta(p - n - b))


def front(last: Any = n + m - 1, reversed_too: bool = True) -> Goal:
    return Goal(joined(last - w), c(m - 1 - w if reversed_too else w))


def front_script(p: Proof) -> None:
    p.sift(b, "the first m entries of the flip are those of c, the last one first")
    p.separate("y stands behind them")


def front_library(given: Given) -> dict[str, object]:
    xp = given.xp
    z = xp.flip(xp.concatenate([given["y"], given["c"]]), (0,))
    return {"lhs": z[: given["m"]], "rhs": xp.flip(given["c"], (0,))}


def back(begins: Any = m, reversed_too: bool = True) -> Goal:
    return Goal(joined(n + m - 1 - (begins + v)), y(n - 1 - v if reversed_too else v))


def back_script(p: Proof) -> None:
    p.sift(a, "the entries of y follow, the last one first")
    p.separate("c stands before them")


def back_library(given: Given) -> dict[str, object]:
    xp = given.xp
    z = xp.flip(xp.concatenate([given["y"], given["c"]]), (0,))
    return {"lhs": z[given["m"] :], "rhs": xp.flip(given["y"], (0,))}


# digits --------------------------------------------------------------------------------------------------------------------------------

block = size("b")
line = Fun("x", (Range(block * m),))
(q,) = variables("q", Range(m))
(r,) = variables("r", Range(block))


def digits(inner: Any = block - 1 - r, outer: Any = m - 1 - q) -> Goal:
    return Goal(line(block * m - 1 - (block * q + r)), line(block * outer + inner))


def digits_script(p: Proof) -> None:
    """Both sides are the same by index arithmetic: b·m − 1 − (b·q + r) = b·(m − 1 − q) + (b − 1 − r)."""


def digits_library(given: Given) -> dict[str, object]:
    xp, shape = given.xp, (given["m"], given["b"])
    return {"lhs": xp.flip(given["x"], (0,)).reshape(shape), "rhs": xp.flip(given["x"].reshape(shape), (0, 1))}


LAW = Law(
    name="flip",
    title="Reversing an axis turns a shift by k into a shift by −k",
    families=("shape",),
    claims=(
        Claim(
            says="torch's flip, y[i] = x[n − 1 − i]: y(S_k x) = S_{−k} y(x)",
            goal=flip,
            script=flip_script,
            twins=(
                Twin("y moves by k, as x does", {"moved": k}),
                Twin("y is invariant", {"moved": 0}),
            ),
            library=flip_library,
        ),
        Claim(
            says="The reflection about 0, x[−i], is torch's flip rolled by 1, and turns S_k into S_{−k} too",
            goal=mirror,
            script=mirror_script,
            twins=(
                Twin("it is the flip as it stands", {"roll": 0}),
                Twin("it is the flip rolled back by 1", {"roll": -1}),
            ),
            library=mirror_library,
        ),
        Claim(
            says="The flip of a cut is a cut of the flip: of x[a], …, x[a + l − 1], the one that begins at n − a − l",
            goal=cut,
            script=cut_script,
            twins=(
                Twin("it begins at a, as before", {"begins": start}),
                Twin("it begins at n − a", {"begins": n - start}),
            ),
            library=cut_library,
        ),
        Claim(
            says="Flipping a concatenation of y and c, the flip of c comes first",
            goal=front,
            script=front_script,
            twins=(
                Twin("c comes first as it was", {"reversed_too": False}),
                Twin("it comes last, n entries on: the blocks keep their places", {"last": m - 1}),
            ),
            library=front_library,
        ),
        Claim(
            says="Then comes the flip of y",
            goal=back,
            script=back_script,
            twins=(
                Twin("it begins at 0: the blocks keep their places", {"begins": 0}),
                Twin("y comes as it was", {"reversed_too": False}),
            ),
            library=back_library,
        ),
        Claim(
            says="In blocks of b, a flip is one of the blocks and one inside each: entry (q, r) becomes (m − 1 − q, b − 1 − r)",
            goal=digits,
            script=digits_script,
            twins=(
                Twin("the insides of the blocks stay as they are", {"inner": r}),
                Twin("the blocks keep their places", {"outer": q}),
            ),
            library=digits_library,
        ),
    ),
)
