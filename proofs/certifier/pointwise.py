"""A map that acts entry by entry commutes with every permutation of the entries that its operands share; where they move differently, with
the shifts on which their index maps coincide. Two cuts that move alike give a cut again."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import equiconv as eq
from proofs.crosscheck import Given
from proofs.evaluation import Meaning, World, pseudorandom
from proofs.kernel import Group, Letter, Points
from proofs.language import Cyclic, Fun, Integers, Range, Term, assume, body, delta, size, sum_over, variables
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


# operands moved by two permutations -----------------------------------------------------------------------------------------


def alike_there(given: Term | None = None, moved: Any = g.inverse) -> Goal:
    same = assume(Y(h.inverse * pixel) if given is None else given, Y(g.inverse * pixel), pixel)
    return Goal(
        combined(X(g.inverse * pixel), Y(h.inverse * pixel)), combined(X(moved * pixel), Y(moved * pixel)), (same,)
    )


def alike_there_script(p: Proof) -> None:
    p.rewrite(p.hypotheses[0], says="y is the same, moved by h or by g")


def two_values(world: World) -> dict[str, Meaning]:
    """y has two equal entries, so that several permutations move it alike."""
    return {"y": lambda p: world.field.number(Fraction(1 + (p == 2))), **product(world)}


def alike_there_library(given: Given) -> dict[str, object]:
    """Axes g, h, p."""

    def moved(signal: Any, by: tuple[int, ...]) -> Any:
        return signal[sorted(range(3), key=by.__getitem__)]  # (g·x)[p] = x[g⁻¹·p]

    x, y, stack = given["x"], given["y"], given.xp.stack
    left = [stack([moved(x, g) * moved(y, h) for h in PERMUTATIONS["G"]]) for g in PERMUTATIONS["G"]]
    right = [stack([moved(x * y, g) for _ in PERMUTATIONS["G"]]) for g in PERMUTATIONS["G"]]
    return {"lhs": stack(left), "rhs": stack(right)}


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


# two cuts ------------------------------------------------------------------------------------------------------------------

first, second = size("A"), size("B")
(u,) = variables("u", Range(m))
crop, other = Fun("c", (Cyclic(n), Range(m))), Fun("d", (Cyclic(n), Range(m)))


def cuts(begins: Any = second, moved: Any = k, moving: bool = True) -> Goal:
    """c_k is the cut of S_k x from A on, d_k that of S_k y from B on, and z[i] = φ(x[i + A], y[i + B])."""
    one = assume(crop(k, u), x(u + first - k), k, u)
    two = assume(other(k, u), y(u + second - k if moving else u + second), k, u)
    at = u - moved
    return Goal(combined(crop(k, u), other(k, u)), combined(x(at + first), y(at + begins)), (one, two))


def cuts_script(p: Proof) -> None:
    one, two = p.hypotheses
    p.rewrite(one, says="entry u of the one cut is x[u + A − k]")
    p.rewrite(two, says="entry u of the other is y[u + B − k]: both move by k")


def cut_values(world: World, moving: bool = True) -> dict[str, Meaning]:
    def cut(signal: str, start: str, moves: bool) -> Meaning:
        def entry(k: Any, u: Any) -> Any:
            sizes = zip(u, k, world.sizes[start], world.sizes["n"], strict=True)
            return pseudorandom(world, signal, tuple((u + a - k * moves) % n for u, k, a, n in sizes))

        return entry

    def periodic(signal: str) -> Meaning:
        return lambda i: pseudorandom(world, signal, i)

    cut_meanings = {"c": cut("x", "A", True), "d": cut("y", "B", moving)}
    return {"x": periodic("x"), "y": periodic("y"), **cut_meanings, **product(world)}


def cuts_library(given: Given) -> dict[str, object]:
    """Crops of repeated signals; axes k, u."""
    xp, period, count, a, b = given.xp, given["n"], given["m"], given["A"], given["B"]

    def crop(signal: Any, start: int) -> Any:
        return xp.concatenate([signal] * (start + count))[start : start + count]

    def moved(signal: Any, k: int) -> Any:
        return eq.Shift(k, period) @ signal

    x, y = given["x"], given["y"]
    z = moved(x, -a) * moved(y, -b)
    left = [crop(moved(x, k), a) * crop(moved(y, k), b) for k in range(period)]
    return {"lhs": xp.stack(left), "rhs": xp.stack([crop(moved(z, k), 0) for k in range(period)])}


LAW = Law(
    name="pointwise",
    title="An entry-by-entry map commutes with the shifts that move all its operands alike",
    families=("pointwise", "shape", "slice, select, index", "resampling"),
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
            says="Operands that move by two permutations: where h moves y as g does, φ(g·x, h·y) = g·φ(x, y)",
            goal=alike_there,
            script=alike_there_script,
            twins=(
                Twin("where h⁻¹ moves y as g does", {"given": Y(h * pixel)}),
                Twin("the result moves by h", {"moved": h.inverse}),
            ),
            meanings=two_values,
            library=alike_there_library,
            groups=PERMUTATIONS,
            worlds=({},),
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
            worlds=({"n": 2}, {"n": 3}, {"n": (1, 2)}),
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
        Claim(
            says="Two cuts of one length that move alike, c[u] = x[u + A] and d[u] = y[u + B]: φ(c, d) is a cut of one periodic signal, and moves with it",
            goal=cuts,
            script=cuts_script,
            twins=(
                Twin("both begin at A", {"begins": first}),
                Twin("the second cut stays", {"moving": False}, lambda world: cut_values(world, False)),
                Twin("the result moves the other way", {"moved": -k}),
            ),
            meanings=cut_values,
            library=cuts_library,
            worlds=(
                {"A": 1, "B": 2, "m": 2, "n": 3},
                {"A": 2, "B": 1, "m": 4, "n": 3},
                {"A": (1, 2), "B": (2, 1), "m": (2, 1), "n": (3, 2)},
            ),
        ),
    ),
)
