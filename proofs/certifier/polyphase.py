"""Polyphase components x_r[q] = x[t·q + r]: a shift by k renames them, r to r − k, and renaming by t rolls them (lecture L13, L16)."""

from __future__ import annotations

from collections.abc import Callable
from functools import reduce
from operator import add
from typing import Any

from proofs.crosscheck import Given
from proofs.evaluation import Meaning, World
from proofs.language import Cyclic, Fun, Integers, Range, Signal, Term, body, shifted, size, sum_over, variables
from proofs.laws import Claim, Law, Twin
from proofs.proving import Goal, Proof

t, m = size("t"), size("m")
WHOLE = Cyclic(t * m)
(i,) = variables("i", WHOLE)
(q,) = variables("q", Cyclic(m))
r, k = variables("r k", Integers())
(s,) = variables("s", Range(t))
x = Fun("x", (WHOLE,))
R = Fun("R", (), ((Cyclic(m),),), symmetric=True)  # a norm, a maximum, a sum
unsymmetric = Fun("R", (), ((Cyclic(m),),))
INTEGERS = range(-2, 4)  # the integers at which statements are evaluated


def component(signal: Signal, name: Any) -> Signal:
    """x_r[q] = x[t·q + r]"""
    return lambda place: signal(t * place + name)


def strided(given: Given, shift: int, name: int) -> Any:
    """(S_k x)_r, by NumPy's or torch's own roll and slice."""
    stride = given["t"]
    here = given.xp.roll(given["x"], shift)[name % stride :: stride]
    return given.xp.roll(here, -(name // stride))


def table(given: Given, entry: Callable[[int, int], Any], axis: int = 0) -> Any:
    """entry(k, r) for all k and r, along two new axes."""
    return given.xp.stack([given.xp.stack([entry(k, r) for r in INTEGERS], axis) for k in INTEGERS])


# (S_k x)_r = x_(r−k) ----------------------------------------------------------------------------------------------------------------


def renamed(sign: int = 1, step: Any = 1) -> Goal:
    return Goal(component(shifted(x, k), r)(q), component(x, r - sign * step * k)(q))


def renamed_script(p: Proof) -> None:
    """Both sides are the same by index arithmetic: (t·q + r) − k = t·q + (r − k)."""


def renamed_library(given: Given) -> dict[str, object]:
    left = table(given, lambda k, r: strided(given, k, r), 1)
    return {"lhs": left, "rhs": table(given, lambda k, r: strided(given, 0, r - k), 1)}


# x_(r+t) rolls x_r back by one -------------------------------------------------------------------------------------------------------


def around(names: Any = t, places: Any = 1) -> Goal:
    return Goal(component(x, r + names)(q), component(x, r)(q + places))


def around_script(p: Proof) -> None:
    """Both sides are the same by index arithmetic: t·q + (r + t) = t·(q + 1) + r."""


def around_library(given: Given) -> dict[str, object]:
    xp = given.xp
    left = [strided(given, 0, r + given["t"]) for r in INTEGERS]
    return {"lhs": xp.stack(left, 1), "rhs": xp.stack([xp.roll(strided(given, 0, r), -1) for r in INTEGERS], 1)}


# a symmetric function of a component ------------------------------------------------------------------------------------------------


def norm(symmetric: bool = True, names: Any = t, shift: int = 1) -> Goal:
    def value(signal: Signal, name: Any) -> Term:
        return (R if symmetric else unsymmetric)(body(q, component(signal, name)(q)))

    return Goal(value(shifted(x, k), r + names), value(x, r - shift * k))


def norm_script(p: Proof) -> None:
    p.reindex({q: q - 1}, "the component r + t is the component r rolled by one, and R does not see a roll")


def energy(_: World) -> dict[str, Meaning]:
    return {"R": lambda values: reduce(add, (one * one for one in values))}


def norm_library(given: Given) -> dict[str, object]:
    def square(k: int, r: int) -> Any:
        return (strided(given, k, r) ** 2).sum()

    left = table(given, lambda k, r: square(k, r + given["t"]))
    return {"lhs": left, "rhs": table(given, lambda k, r: square(0, r - k))}


# the whole from its components ----------------------------------------------------------------------------------------------------------


def whole(scale: int = 1, components: Any = t) -> Goal:
    (name,) = variables("s", Range(components))
    return Goal(sum_over(i, x(i)), sum_over((name, q), component(x, scale * name)(q)))


def whole_script(p: Proof) -> None:
    p.divide(i, q, s, "every index is t·q + s for one q and one s")


def whole_library(given: Given) -> dict[str, object]:
    parts = [strided(given, 0, r).sum() for r in range(given["t"])]
    return {"lhs": given["x"].sum(), "rhs": given.xp.stack(parts).sum()}


LAW = Law(
    name="polyphase",
    title="A shift permutes the polyphase components x_r[q] = x[t·q + r] cyclically",
    items=("L13", "L16"),
    claims=(
        Claim(
            says="(S_k x)_r = x_(r−k): a shift renames the components",
            goal=renamed,
            script=renamed_script,
            twins=(
                Twin("the component r becomes r + k", {"sign": -1}),
                Twin("components are renamed by t·k", {"step": t}),
            ),
            library=renamed_library,
        ),
        Claim(
            says="x_(r+t)[q] = x_r[q + 1]: there are t components, and renaming by t rolls one of them",
            goal=around,
            script=around_script,
            twins=(
                Twin("renaming by t changes nothing", {"places": 0}),
                Twin("the component rolls the other way", {"places": -1}),
                Twin("renaming by 1 rolls the component", {"names": 1}),
            ),
            library=around_library,
        ),
        Claim(
            says="N_(r+t)(S_k x) = N_(r−k)(x), where N_r = R(x_r) with a symmetric R (a norm): the t norms permute cyclically",
            goal=norm,
            script=norm_script,
            twins=(
                Twin("R may depend on the order of its entries", {"symmetric": False}, lambda _: {}),
                Twin("the norms are renamed the other way", {"shift": -1}),
                Twin("all norms are equal: renaming by 1 changes nothing", {"names": 1}),
            ),
            meanings=energy,
            library=norm_library,
        ),
        Claim(
            says="Σ_i x[i] = Σ_s Σ_q x_s[q] over s = 0, …, t − 1: the components make up the whole",
            goal=whole,
            script=whole_script,
            twins=(
                Twin("one component too many is counted", {"components": t + 1}),
                Twin("the components are taken two apart", {"scale": 2}),
            ),
            library=whole_library,
        ),
    ),
)
