"""Sub-sampling by t keeps the shifts by multiples of t, and in general no other: lecture L13."""

from __future__ import annotations

from typing import Any

import equiconv as eq
from proofs.crosscheck import Given
from proofs.evaluation import Meaning, World, pseudorandom
from proofs.language import Cyclic, Fun, Integers, Range, Signal, Var, as_term, assume, delta, shifted, size, variables
from proofs.laws import Claim, Law, Solved, Twin
from proofs.proving import Goal, Proof

m, t, u = size("m"), size("t"), size("u")
o, q = variables("o q", Cyclic(m))
r, z = variables("r z", Integers())
x, X = Fun("x", (Cyclic(t * m),)), Fun("x", (Cyclic(t * u * m),))


def subsampled(signal: Signal, step: Any) -> Signal:
    """y[o] = x[t·o]"""
    return lambda o: signal(step * o)


# y(S_{t·q} x) = S_q y(x) ------------------------------------------------------------------------------------------------------


def kept(shift: Any = t * q, moved: Any = q) -> Goal:
    return Goal(subsampled(shifted(x, shift), t)(o), shifted(subsampled(x, t), moved)(o))


def kept_script(p: Proof) -> None:
    """Both sides are the same by index arithmetic: t·o − t·q = t·(o − q) in Z_(m·t)."""


def kept_library(given: Given) -> dict[str, object]:
    x, step, size = given["x"], given["t"], given["m"]
    left = [(eq.Shift(step * q, step * size) @ x)[::step] for q in range(size)]
    right = [eq.Shift(q, size) @ x[::step] for q in range(size)]
    return {"lhs": given.xp.stack(left, 1), "rhs": given.xp.stack(right, 1)}


# t, then u, is t·u ---------------------------------------------------------------------------------------------------------------


def twice(shift: Any = t * u * q, second: Any = u, moved: Any = q) -> Goal:
    left = subsampled(subsampled(shifted(X, shift), t), second)
    return Goal(left(o), shifted(subsampled(X, t * u), moved)(o))


def twice_script(p: Proof) -> None:
    """Both sides are the same by index arithmetic: t·(u·o) − t·u·q = t·u·(o − q)."""


def twice_library(given: Given) -> dict[str, object]:
    x, first, second, size = given["x"], given["t"], given["u"], given["m"]
    left = [(eq.Shift(first * second * q, len(x)) @ x)[::first][::second] for q in range(size)]
    right = [eq.Shift(q, size) @ x[:: first * second] for q in range(size)]
    return {"lhs": given.xp.stack(left, 1), "rhs": given.xp.stack(right, 1)}


# a shift that t does not divide ----------------------------------------------------------------------------------------------------


def lost(by: Var = r, back: Any = None) -> Goal:
    def spike(i: Any) -> Any:
        return delta(i + by, t * m)

    seen = subsampled(shifted(spike, by if back is None else back), t)(0)
    return Goal(seen - subsampled(spike, t)(o), delta(0, t * m), (assume(delta(r, t), as_term(0)),))


def lost_script(p: Proof) -> None:
    (not_a_multiple,) = p.hypotheses
    p.coarsen(t, "a sample sees the spike only where t divides t·o + r, and so r")
    p.rewrite(not_a_multiple, says="it does not: the spike lies between the samples")


def lost_library(given: Given) -> dict[str, object]:
    xp, step, size = given.xp, given["t"], given["m"]
    found = []
    for r in range(-2, 4):  # the r that are evaluated; those that t divides are not compared
        spike = xp.zeros(step * size)
        spike[-r % (step * size)] = 1.0
        found.append((eq.Shift(r, step * size) @ spike)[0] - spike[::step])
    return {"lhs": xp.stack(found, 1)}


# x[−t·o]: a negative step -------------------------------------------------------------------------------------------------------------


def backwards(shift: Any = t * q, moved: Any = -q) -> Goal:
    return Goal(subsampled(shifted(x, shift), -t)(o), shifted(subsampled(x, -t), moved)(o))


def backwards_script(p: Proof) -> None:
    """Both sides are the same by index arithmetic: −t·o − t·q = −t·(o + q)."""


def backwards_library(given: Given) -> dict[str, object]:
    xp, x, step, size = given.xp, given["x"], given["t"], given["m"]

    def read(signal: Any) -> Any:
        return signal[-step * given.index(size) % len(x)]

    left = [read(eq.Shift(step * q, len(x)) @ x) for q in range(size)]
    right = [eq.Shift(-q, size) @ read(x) for q in range(size)]
    return {"lhs": xp.stack(left, 1), "rhs": xp.stack(right, 1)}


# a stride on a cut ----------------------------------------------------------------------------------------------------------------------

n, s, start = size("n"), size("s"), size("a")
(k,) = variables("k", Cyclic(n))
(e,) = variables("e", Range(t * m + s))
(w,) = variables("w", Range(m + 1))
periodic, cut = Fun("x", (Cyclic(t * n),)), Fun("c", (Cyclic(n), Range(t * m + s)))


def of_a_cut(moved: Any = k, read: Any = t * w, begins: Any = start) -> Goal:
    """c_k is the cut from a of x shifted by t·k."""
    meant = assume(cut(k, e), periodic(e + start - t * k), k, e)
    return Goal(cut(k, read), periodic(t * (w - moved) + begins), (meant,))


def of_a_cut_script(p: Proof) -> None:
    p.rewrite(p.hypotheses[0], {e: t * w}, says="t·w lies in the cut, where it is x[t·w + a − t·k] = x[t·(w − k) + a]")


def cut_meanings(world: World) -> dict[str, Meaning]:
    sizes = list(zip(*(world.sizes[name] for name in "atn"), strict=True))

    def x(i: Any) -> Any:
        return pseudorandom(world, "x", tuple(a % (t * n) for a, (_, t, n) in zip(i, sizes, strict=True)))

    def c(k: Any, e: Any) -> Any:
        return x(tuple(j + a - t * q for j, q, (a, t, _) in zip(e, k, sizes, strict=True)))

    return {"x": x, "c": c}


def of_a_cut_library(given: Given) -> dict[str, object]:
    """Slices of the repeated signal; axes k, w."""
    xp, x, step = given.xp, given["x"], given["t"]
    first, stop, period = given["a"], given["a"] + step * given["m"] + given["s"], given["n"]

    def sliced(signal: Any, by: int) -> Any:
        periods = xp.concatenate([signal] * (stop // len(x) + 2))
        return periods[first:stop:by]

    left = [sliced(eq.Shift(step * k, len(x)) @ x, step) for k in range(period)]
    return {"lhs": xp.stack([line[: given["m"] + 1] for line in left])}


# a rational step ------------------------------------------------------------------------------------------------------------------------

g, b = size("g"), size("b")
U = Fun("U", (Cyclic(g * t * m),))


def rational(shift: Any = t * q, moved: Any = b * q) -> Goal:
    """Where the input shifts by k, U moves by g·b·k."""
    return Goal(subsampled(shifted(U, g * b * shift), g * t)(o), shifted(subsampled(U, g * t), moved)(o))


def rational_script(p: Proof) -> None:
    """Both sides are the same by index arithmetic: g·t·o − g·b·t·q = g·t·(o − b·q)."""


def rational_library(given: Given) -> dict[str, object]:
    U, size = given["U"], given["m"]
    step, moves = given["g"] * given["t"], given["g"] * given["b"] * given["t"]
    left = [(eq.Shift(moves * q, len(U)) @ U)[::step] for q in range(size)]
    right = [eq.Shift(given["b"] * q, size) @ U[::step] for q in range(size)]
    return {"lhs": given.xp.stack(left, 1), "rhs": given.xp.stack(right, 1)}


# which shifts those are: the rational lcm -------------------------------------------------------------------------------------------------


def whole_moves(z3: Any, lowest: bool = True, times: int = 1) -> list[Any]:
    """t and b have no common divisor (α·t + β·b = 1) and b·k = t·v, yet k is not t·(α·k + β·v)."""
    t, b, k, v, α, β = z3.Ints("t b k v α β")
    coprime = (α * t + β * b == 1,) if lowest else ()
    return [t >= 1, b >= 1, *coprime, b * k == t * v, k != times * t * (α * k + β * v)]


def meet(z3: Any, coprime: bool = True, common: int = 1) -> list[Any]:
    """k = g·s·a = g·t·c with s and t coprime (α·s + β·t = 1), yet k is not g·s·t·(α·c + β·a), a multiple of lcm(g·s, g·t)."""
    g, s, t, k, a, c, α, β = z3.Ints("g s t k a c α β")
    lowest = (α * s + β * t == 1,) if coprime else ()
    return [
        *(g >= 1, s >= 1, t >= 1, *lowest),
        *(k == g * s * a, k == g * t * c, k != common * g * s * t * (α * c + β * a)),
    ]


LAW = Law(
    name="stride",
    title="Sub-sampling by t keeps the shifts by multiples of t, and in general no other; steps may be negative, and rational",
    items=("L13",),
    families=("sliding window", "slice, select, index"),
    claims=(
        Claim(
            says="y[o] = x[t·o]: shifting x by t·q shifts y by q",
            goal=kept,
            script=kept_script,
            twins=(
                Twin("a shift by any z moves y by z", {"shift": z, "moved": z}),
                Twin("y moves by t·q, as x does", {"moved": t * q}),
                Twin("y moves the other way", {"moved": -q}),
            ),
            library=kept_library,
        ),
        Claim(
            says="Sub-sampling by t and then by u is sub-sampling by t·u: shifting x by t·u·q shifts the result by q",
            goal=twice,
            script=twice_script,
            twins=(
                Twin("the result moves by u·q: the second stride is forgotten", {"moved": u * q}),
                Twin("a shift by t·z is enough", {"shift": t * z, "moved": z}),
            ),
            library=twice_library,
        ),
        Claim(
            says="For t ∤ r let x be 1 at −r, else 0. Then y(x) = 0 and y(S_r x)[0] = 1, as y(0) = 0 too: no map of y explains the shift by r",
            goal=lost,
            script=lost_script,
            twins=(
                Twin("t may divide r", {"by": z}),
                Twin("x is shifted back, by −r", {"back": -r}),
            ),
            library=lost_library,
        ),
        Claim(
            says="A negative step, y[o] = x[−t·o]: shifting x by t·q shifts y by −q",
            goal=backwards,
            script=backwards_script,
            twins=(
                Twin("y moves by q: the sign of the step is forgotten", {"moved": q}),
                Twin("a shift by any z moves y by −z", {"shift": z, "moved": -z}),
            ),
            library=backwards_library,
        ),
        Claim(
            says="On a cut c[e] = x[e + a] of a signal of period t·n too (a strided slice): when x shifts by t·k, entry t·w of the cut is x[t·(w − k) + a]",
            goal=of_a_cut,
            script=of_a_cut_script,
            twins=(
                Twin("the samples move by t·k", {"moved": t * k}),
                Twin("every entry of the cut is read, not each t-th", {"read": w}),
                Twin("the cut begins at 0", {"begins": 0}),
            ),
            meanings=cut_meanings,
            library=of_a_cut_library,
            worlds=(
                {"a": 1, "m": 1, "n": 2, "s": 1, "t": 2},
                {"a": 2, "m": 2, "n": 3, "s": 2, "t": 2},
                {"a": 5, "m": 2, "n": 2, "s": 1, "t": 3},
                {"a": (1, 2), "m": (2, 1), "n": (2, 2), "s": (1, 1), "t": (2, 1)},
            ),
        ),
        Claim(
            says="A rational step: if U moves by g·b·k where x moves by k (step 1/(g·b)), U[g·t·o] has the step t/b: it moves by b·q where x moves by t·q",
            goal=rational,
            script=rational_script,
            twins=(
                Twin("a shift by any z is enough, and moves the result by b·z", {"shift": z, "moved": b * z}),
                Twin("the result moves by q", {"moved": q}),
            ),
            library=rational_library,
            worlds=(
                {"b": 2, "g": 1, "m": 3, "t": 3},
                {"b": 3, "g": 2, "m": 5, "t": 2},
                {"b": (2, 3), "g": (1, 2), "m": (3, 2), "t": (1, 2)},
            ),
        ),
        Solved(
            says="Those are the only whole moves: if t/b is in lowest terms and k is a multiple of it, b·k = t·v, then t divides k",
            constraints=whole_moves,
            twins={
                "t/b is not in lowest terms": lambda z3: whole_moves(z3, lowest=False),
                "2·t divides k": lambda z3: whole_moves(z3, times=2),
            },
        ),
        Solved(
            says="Two strides meet in their least common multiple: what is a multiple of g·s and of g·t, s and t coprime, is one of g·s·t",
            constraints=meet,
            twins={
                "s and t have a common divisor": lambda z3: meet(z3, coprime=False),
                "it is one of 2·g·s·t": lambda z3: meet(z3, common=2),
            },
        ),
    ),
)
