"""A constant beside a signal keeps the shifts that leave its values alone, and, multiplied by any signal, no others."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import equiconv as eq
from proofs.crosscheck import Given
from proofs.evaluation import Meaning, World, pseudorandom
from proofs.language import Cyclic, Fun, Range, Term, Unit, as_term, assume, body, delta, size, sum_over, variables
from proofs.laws import Claim, Law, Twin
from proofs.proving import Goal, Proof, Side

m, s = size("m"), size("s")
n = s * m
i, j, k = variables("i j k", Cyclic(n))
q, v = variables("q v", Cyclic(m))
(e,) = variables("e", Unit())
x, c = Fun("x", (Cyclic(n),)), Fun("c", (Cyclic(n),))
φ = Fun("φ", (), ((), ()))


def combined(first: Term, second: Term) -> Term:
    """φ(first, second)"""
    return φ(body(first), body(second))


def wrapped(world: World, *values: tuple[int, ...]) -> tuple[tuple[int, ...], ...]:
    """Indices modulo s."""
    return tuple(tuple(a % p for a, p in zip(value, world.sizes["s"], strict=True)) for value in values)


# c[i + s] = c[i] ------------------------------------------------------------------------------------------------------------

PERIODIC = assume(c(i + s * e), c(i), i, e)


def stabiliser(shift: Any = s * q, periodic: bool = True) -> Goal:
    left = combined(x(i - shift), c(i))
    return Goal(left, combined(x(i - shift), c(i - shift)), (PERIODIC,) if periodic else ())


def stabiliser_script(p: Proof) -> None:
    def step(side: Side) -> None:
        side.rewrite(PERIODIC, {i: i - s * v - s * e}, says="c repeats after s", backwards=True)

    p.right.induct(c(i - s * v), v, e, q, step, "c repeats after s, hence after every multiple of s")


def stabiliser_meanings(world: World) -> dict[str, Meaning]:
    return {
        "c": lambda i: pseudorandom(world, "c", *wrapped(world, i)),
        "φ": lambda first, second: first[0] * second[0],
    }


def generic(_: World) -> dict[str, Meaning]:
    return {"φ": lambda first, second: first[0] * second[0]}


def stabiliser_library(given: Given) -> dict[str, object]:
    shifts = [eq.Shift(given["s"] * q, given["s"] * given["m"]) for q in range(given["m"])]
    left = [(S @ given["x"]) * given["c"] for S in shifts]
    right = [S @ (given["x"] * given["c"]) for S in shifts]
    return {"lhs": given.xp.stack(left, 1), "rhs": given.xp.stack(right, 1)}


# b[i + s, j + s] = b[i, j]: several dims that move together -------------------------------------------------------------------

X, B = Fun("X", (Cyclic(n), Cyclic(n))), Fun("b", (Cyclic(n), Cyclic(n)))
JOINT = assume(B(i + s * e, j + s * e), B(i, j), i, j, e)
SMALL = ({"m": 1, "s": 2}, {"m": 2, "s": 1}, {"m": 2, "s": 2}, {"m": 3, "s": 2}, {"m": (1, 2), "s": (2, 1)})


def together(rows: Any = s * q, columns: Any = s * q) -> Goal:
    left = combined(X(i - rows, j - columns), B(i, j))
    return Goal(left, combined(X(i - rows, j - columns), B(i - rows, j - columns)), (JOINT,))


def together_script(p: Proof) -> None:
    def step(side: Side) -> None:
        back = s * v + s * e
        side.rewrite(JOINT, {i: i - back, j: j - back}, says="b repeats after s in both dims at once", backwards=True)

    p.right.induct(B(i - s * v, j - s * v), v, e, q, step, "b repeats after every multiple of s in both dims at once")


def together_meanings(world: World) -> dict[str, Meaning]:
    """b[i, j] = f[i mod s]·g[(i − j) mod n]: what repeats when both indices move by s."""

    def value(i: tuple[int, ...], j: tuple[int, ...]) -> Any:
        period = [a * b for a, b in zip(world.sizes["s"], world.sizes["m"], strict=True)]
        difference = tuple((a - b) % p for a, b, p in zip(i, j, period, strict=True))
        return pseudorandom(world, "f", *wrapped(world, i)) * pseudorandom(world, "g", difference)

    return {"b": value, "W": value, **generic(world)}


def together_library(given: Given) -> dict[str, object]:
    rolls = [(given["s"] * q, given["s"] * q) for q in range(given["m"])]
    left = [given.xp.roll(given["X"], r, (0, 1)) * given["b"] for r in rolls]
    right = [given.xp.roll(given["X"] * given["b"], r, (0, 1)) for r in rolls]
    return {"lhs": given.xp.stack(left, 2), "rhs": given.xp.stack(right, 2)}


# a matrix with W[i + s, j + s] = W[i, j] rolls ---------------------------------------------------------------------------------

W = Fun("W", (Cyclic(n), Cyclic(n)))
ALIKE = assume(W(i + s * e, j + s * e), W(i, j), i, j, e)


def rolls(moved: Any = s * q, shift: Any = s * q, periodic: bool = True) -> Goal:
    left = sum_over(j, W(i, j) * x(j - shift))
    return Goal(left, sum_over(j, W(i - moved, j) * x(j)), (ALIKE,) if periodic else ())


def rolls_script(p: Proof) -> None:
    def step(side: Side) -> None:
        side.rewrite(ALIKE, {i: i - s * q + s * v, j: j + s * v}, says="W repeats after s in both dims at once")

    p.reindex({j: j + s * q}, "count j from s·q on")
    p.induct(W(i - s * q + s * v, j + s * v), v, e, q, step, "go back by s·q in both dims of W at once")


def rolls_library(given: Given) -> dict[str, object]:
    shifts = [eq.Shift(given["s"] * q, given["s"] * given["m"]) for q in range(given["m"])]
    left = [given["W"] @ (S @ given["x"]) for S in shifts]
    right = [S @ (given["W"] @ given["x"]) for S in shifts]
    return {"lhs": given.xp.stack(left, 1), "rhs": given.xp.stack(right, 1)}


# no other shift ------------------------------------------------------------------------------------------------------------------


y = Fun("y", (Cyclic(n),))
V = Fun("V", (Range(size("r")), Cyclic(n)))
(o,) = variables("o", Range(size("r")))


def only(every: bool = True, by: int = 1) -> Goal:
    known = assume(c(i) * y(i - by * k), c(i - by * k) * y(i - by * k), i, *((y,) if every else ()))
    return Goal(c(i), c(i - k), (known,))


def only_script(p: Proof) -> None:
    p.rewrite(p.hypotheses[0], functions={y: ((j,), as_term(1))}, says="y may be 1 everywhere")


def apart(world: World) -> dict[str, Meaning]:
    """c[i] and V[o, i] depend on i modulo s only; y[i] = 100^i, which tells all entries apart."""

    def power(i: tuple[int, ...]) -> Any:
        place = 0
        for a, s, m in zip(i, world.sizes["s"], world.sizes["m"], strict=True):
            place = place * s * m + a
        return world.field.number(Fraction(100**place))

    return {
        "c": lambda i: pseudorandom(world, "c", *wrapped(world, i)),
        "V": lambda o, i: pseudorandom(world, "V", o, *wrapped(world, i)),
        "y": power,
    }


def zero(world: World) -> dict[str, Meaning]:
    """Any c and V, and y = 0."""
    return {"y": lambda _: world.field.number(Fraction(0))}


def alternating(world: World) -> dict[str, Meaning]:
    """c[i] and V[o, i] depend on i modulo 2·s only."""

    def even(i: tuple[int, ...]) -> list[int]:
        return [a % (2 * s) for a, s in zip(i, world.sizes["s"], strict=True)]

    return {
        **apart(world),
        "c": lambda i: pseudorandom(world, "c", even(i)),
        "V": lambda o, i: pseudorandom(world, "V", o, even(i)),
    }


def only_library(given: Given) -> dict[str, object]:
    shifts = [eq.Shift(k, given["s"] * given["m"]) for k in range(given["s"] * given["m"])]
    return {"rhs": given.xp.stack([S @ given["c"] for S in shifts], 1)}


def only_summed(every: bool = True, by: int = 1) -> Goal:
    left, right = (sum_over(j, V(o, j) * y(j - shift)) for shift in (by * k, 0))
    return Goal(V(o, i + k), V(o, i), (assume(left, right, o, *((y,) if every else ())),))


def only_summed_script(p: Proof) -> None:
    def back(side: Side) -> None:
        side.sift(j, "the spike lies at i + k")

    p.become(sum_over(j, V(o, j) * delta(j - k - i, n)), back, "what the weights make of a spike at i, after the shift")
    p.rewrite(p.hypotheses[0], functions={y: ((j,), delta(j - i, n))}, says="it is what they make of the spike itself")
    p.sift(j, "which lies at i")


def only_summed_library(given: Given) -> dict[str, object]:
    """A linear layer, on every spike, shifted by every k."""
    xp, size = given.xp, given["s"] * given["m"]
    spikes = xp.eye(size, dtype=given["V"].dtype)
    left = [given["V"] @ xp.roll(spikes, k, 0) for k in range(size)]  # o, i for each k
    right = [given["V"] @ spikes for _ in range(size)]
    return {"lhs": xp.einsum("koi->iko", xp.stack(left)), "rhs": xp.einsum("koi->iko", xp.stack(right))}


EVERY = ({"m": 1, "s": 2}, {"m": 2, "s": 1}, {"m": 2, "s": 2}, {"m": 4, "s": 1}, {"m": (1, 2), "s": (2, 1)})

LAW = Law(
    name="constant_stabiliser",
    title="A constant keeps the shifts that leave its values where they are",
    families=("pointwise", "contraction", "sliding window"),
    note="A matrix that rolls, as in the third claim, carries the shift. The rules look for one among the weights at hand where weights that repeat along the "
    "contracted label alone (contraction, claim 4; the last claim here says that they must) would keep less.",
    claims=(
        Claim(
            says="If c[i + s] = c[i] along every axis, φ(S_k x, c) = S_k φ(x, c) for every multiple k = s·q of s",
            goal=stabiliser,
            script=stabiliser_script,
            twins=(
                Twin("c is any constant", {"periodic": False}, generic),
                Twin("k is no multiple of the period", {"shift": k}),
            ),
            meanings=stabiliser_meanings,
            library=stabiliser_library,
        ),
        Claim(
            says="Several dims that move together: what must repeat is b[i + s, j + s] = b[i, j], as a table of relative positions does",
            goal=together,
            script=together_script,
            twins=(
                Twin("only the first dim of the signal moves", {"columns": 0}),
                Twin("the second dim moves the other way", {"columns": -s * q}),
            ),
            meanings=together_meanings,
            worlds=SMALL,
            library=together_library,
        ),
        Claim(
            says="A linear map whose matrix has W[i + s, j + s] = W[i, j] rolls with its input by every multiple of s; with s = 1, circulant",
            goal=rolls,
            script=rolls_script,
            twins=(
                Twin("W is any matrix", {"periodic": False}, generic),
                Twin("the shift is no multiple of s", {"shift": k, "moved": k}),
                Twin("the output stays", {"moved": 0}),
            ),
            meanings=together_meanings,
            worlds=SMALL,
            library=rolls_library,
        ),
        Claim(
            says="Beside every signal, no other shift: if c[i]·y[i − k] = c[i − k]·y[i − k] for every y and i, then c[i] = c[i − k]",
            goal=only,
            script=only_script,
            twins=(
                Twin("for one y", {"every": False}, zero),
                Twin("the product is known to move with 2·k", {"by": 2}, alternating),
            ),
            meanings=apart,
            worlds=EVERY,
            library=only_library,
        ),
        Claim(
            says="Summed against every signal, no other shift: if Σ_j V[o, j]·y[j − k] = Σ_j V[o, j]·y[j] for every y and o, then V[o, i + k] = V[o, i]",
            goal=only_summed,
            script=only_summed_script,
            twins=(
                Twin("for one y", {"every": False}, zero),
                Twin("2·k is known to change no sum", {"by": 2}, alternating),
            ),
            meanings=apart,
            worlds=tuple({**world, "r": (1, 1) if isinstance(world["m"], tuple) else 1} for world in EVERY),
            library=only_summed_library,
        ),
    ),
)
