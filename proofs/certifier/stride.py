"""Sub-sampling by t keeps the shifts by multiples of t, and in general no other: lecture L13."""

from __future__ import annotations

from typing import Any

import equiconv as eq
from proofs.crosscheck import Given
from proofs.language import Cyclic, Fun, Integers, Signal, Var, as_term, assume, delta, shifted, size, variables
from proofs.laws import Claim, Law, Twin
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


LAW = Law(
    name="stride",
    title="Sub-sampling by t keeps the shifts by multiples of t, and in general no other",
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
    ),
)
