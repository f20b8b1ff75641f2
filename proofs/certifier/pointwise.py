"""A map that acts entry by entry commutes with every permutation of the entries that its operands share; where they move differently, with
the shifts on which their index maps coincide."""

from __future__ import annotations

from typing import Any

import equiconv as eq
from proofs.crosscheck import Given
from proofs.evaluation import Meaning, World
from proofs.kernel import Group, Letter, Points
from proofs.language import Cyclic, Fun, Integers, Term, body, delta, size, sum_over, variables
from proofs.laws import Claim, Law, Twin
from proofs.proving import Goal, Proof

m, n = size("m"), size("n")
i, k, v = variables("i k v", Cyclic(n))
(r,) = variables("r", Cyclic(m))
a, b = variables("a b", Integers())
x, y, c = Fun("x", (Cyclic(n),)), Fun("y", (Cyclic(n),)), Fun("c", (Cyclic(m),))
φ = Fun("φ", (), ((), ()))


def combined(first: Term, second: Term) -> Term:
    """φ(first, second)"""
    return φ(body(first), body(second))


def product(_: World) -> dict[str, Meaning]:
    return {"φ": lambda first, second: first[0] * second[0]}


# φ(S_k x, S_k y) = S_k φ(x, y) --------------------------------------------------------------------------------------------


def alike(second: Any = k, moved: Any = k) -> Goal:
    return Goal(combined(x(i - k), y(i - second)), combined(x(i - moved), y(i - moved)))


def alike_script(p: Proof) -> None:
    """Both sides are the same by index arithmetic: φ at entry i reads both operands at i − k."""


def alike_library(given: Given) -> dict[str, object]:
    shifts = [eq.Shift(s, given["n"]) for s in range(given["n"])]
    left = [(S @ given["x"]) * (S @ given["y"]) for S in shifts]
    right = [S @ (given["x"] * given["y"]) for S in shifts]
    return {"lhs": given.xp.stack(left, 1), "rhs": given.xp.stack(right, 1)}


# broadcast: a signal along i, a constant along r ----------------------------------------------------------------------------


def broadcast(row: Any = r, moved: Any = k) -> Goal:
    return Goal(combined(x(i - k), c(row)), combined(x(i - moved), c(r)))


def broadcast_script(p: Proof) -> None:
    """Both sides are the same: entry (i, r) of the result reads x at i − k and c at r."""


def broadcast_library(given: Given) -> dict[str, object]:
    xp, size, x, c = given.xp, given["n"], given["x"][:, None], given["c"][None, :]
    left = [(eq.Shift(s, size) @ given["x"])[:, None] * c for s in range(size)]
    return {"lhs": xp.stack(left, 1), "rhs": xp.stack([xp.roll(x * c, s, 0) for s in range(size)], 1)}


# any permutation that all operands share ---------------------------------------------------------------------------------


G = Group("G")
P = Points("P", G)
g, h, pixel = Letter("g", G), Letter("h", G), Letter("p", P)
X, Y = Fun("x", (P,)), Fun("y", (P,))
PERMUTATIONS = {"G": [(0, 1, 2), (1, 2, 0), (2, 0, 1), (1, 0, 2), (0, 2, 1), (2, 1, 0)]}


def permuted(first: Any = g.inverse, second: Any = g.inverse) -> Goal:
    return Goal(combined(X(first * pixel), Y(second * pixel)), combined(X(g.inverse * pixel), Y(g.inverse * pixel)))


def permuted_script(p: Proof) -> None:
    """Both sides are the same: (g·x)[p] = x[g⁻¹·p], and φ reads both operands at g⁻¹·p."""


# operands that move by a·k and by b·k agree where (a − b)·k = 0 ------------------------------------------------------------


def coincide(condition: Term | None = None, moved: Any = a * k) -> Goal:
    where = delta((a - b) * k, n) if condition is None else condition
    return Goal(where * combined(x(i - a * k), y(i - b * k)), where * combined(x(i - moved), y(i - moved)))


def coincide_script(p: Proof) -> None:
    at_a, at_b, value = delta(v - a * k, n), delta(v - b * k, n), combined(x(i - a * k), y(i - v))
    p.become(
        sum_over(v, at_b * at_a * value), lambda s: s.sift(v), "y is read at i − v for a v equal to both b·k and a·k"
    )
    p.right.become(sum_over(v, at_a * at_b * value), lambda s: s.sift(v), "the same sum, read at a·k")


# x + flip(x) ---------------------------------------------------------------------------------------------------------------


def mirrored(turns: int = 2, direction: int = 1) -> Goal:
    where = delta(turns * k, n)
    left, right = combined(x(i - k), x(-i - k)), combined(x(i - k), x(-(i - direction * k)))
    return Goal(where * left, where * right)


def mirrored_script(p: Proof) -> None:
    minus, plus, value = delta(v + k, n), delta(v - k, n), combined(x(i - k), x(-i + v))
    p.become(
        sum_over(v, minus * plus * value),
        lambda s: s.sift(v),
        "the flip is read at −i + v for a v equal to both −k and k",
    )
    p.right.become(sum_over(v, plus * minus * value), lambda s: s.sift(v), "the same sum, read at k")


def mirrored_library(given: Given) -> dict[str, object]:
    size, x = given["n"], given["x"]

    def combine(signal: Any) -> Any:
        return signal * (eq.Shift(1, size) @ given.xp.flip(signal, (0,)))  # roll(flip(x), 1)[i] = x[−i]

    kept = [1.0 if 2 * s % size == 0 else 0.0 for s in range(size)]
    left = [w * combine(eq.Shift(s, size) @ x) for s, w in enumerate(kept)]
    right = [w * (eq.Shift(s, size) @ combine(x)) for s, w in enumerate(kept)]
    return {"lhs": given.xp.stack(left, 1), "rhs": given.xp.stack(right, 1)}


LAW = Law(
    name="pointwise",
    title="An entry-by-entry map commutes with the shifts that move all its operands alike",
    families=("pointwise", "shape", "slice, select, index"),
    claims=(
        Claim(
            says="Operands that move alike: φ(S_k x, S_k y) = S_k φ(x, y) for any φ that acts entry by entry",
            goal=alike,
            script=alike_script,
            twins=(
                Twin("y stays where it is", {"second": 0}),
                Twin("y moves the other way, as after a flip", {"second": -k}),
                Twin("the result moves twice as far", {"moved": 2 * k}),
            ),
            meanings=product,
            library=alike_library,
        ),
        Claim(
            says="Broadcast against a constant of another dim: the result moves along i as x does, and stays along r",
            goal=broadcast,
            script=broadcast_script,
            twins=(
                Twin("the constant is read one row further", {"row": r + 1}),
                Twin("the result stays along i", {"moved": 0}),
            ),
            meanings=product,
            library=broadcast_library,
        ),
        Claim(
            says="Any action: φ(g·x, g·y) = g·φ(x, y) for every permutation g of the entries",
            goal=permuted,
            script=permuted_script,
            twins=(
                Twin("y is moved by g⁻¹", {"second": g}),
                Twin("y is moved by another element", {"second": h.inverse}),
            ),
            groups=PERMUTATIONS,
        ),
        Claim(
            says="Operands that move by a·k and by b·k: the result moves by a·k where (a − b)·k = 0 in Z_n",
            goal=coincide,
            script=coincide_script,
            twins=(
                Twin("for every k", {"condition": delta(0, n)}),
                Twin("where the sum of the two moves is 0, not their difference", {"condition": delta((a + b) * k, n)}),
                Twin("the result does not move", {"moved": 0}),
            ),
        ),
        Claim(
            says="φ(x[i], x[−i]), such as x + flip(x), keeps the shifts with 2k = 0: 0 and, where n is even, n/2",
            goal=mirrored,
            script=mirrored_script,
            twins=(
                Twin("it keeps the shifts with 3k = 0", {"turns": 3}),
                Twin("it keeps every shift", {"turns": 0}),
                Twin("the flipped half stays where it is", {"direction": 0}),
            ),
            meanings=product,
            library=mirrored_library,
        ),
    ),
)
