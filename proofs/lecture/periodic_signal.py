"""A signal on {0, …, n − 1} is a periodic signal on the integers: [x]_k = [x]_(k mod n). Lecture (7), (8), L22.

Functions on Z_n are read at integers modulo n, so this law says what the other proofs presuppose, and that any n consecutive entries are a whole period.
"""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from typing import Any

from sympy import Expr, Integer

import equiconv as eq
from proofs.crosscheck import Given
from proofs.evaluation import Meaning, Vector, World, pseudorandom
from proofs.language import (
    Cyclic,
    Fun,
    Integers,
    Range,
    Theorem,
    Unit,
    Var,
    assume,
    convolution,
    size,
    sum_over,
    variables,
)
from proofs.laws import Claim, Law, Meanings, Twin
from proofs.proving import Goal, Proof, Side

n = size("n")
i, j, a = variables("i j a", Cyclic(n))
k, q, v = variables("k q v", Integers())
(e,) = variables("e", Unit())
x, w, y = Fun("x", (Cyclic(n),)), Fun("w", (Cyclic(n),)), Fun("y", (Integers(),))


def has_period(sign: int = 1) -> Theorem:
    """y[k + n·e] = y[k] for every integer k and unit vector e"""
    return assume(y(k + n * e), y(k) * sign, k, e)


PERIODIC = has_period()


# a signal on Z_n has period n ------------------------------------------------------------------------------------------------


def period(sign: int = 1, offset: int = 0) -> Goal:
    return Goal(x(i + (n + offset) * q), x(sign * i))


def period_script(p: Proof) -> None:
    """Both sides are the same by index arithmetic: n·q is 0 modulo n."""


def period_library(given: Given) -> dict[str, object]:
    n, x = given["n"], given["x"]
    return {"lhs": eq.Shift(-2 * n, n) @ x, "rhs": x}


# a signal of period n on the integers is one on Z_n ----------------------------------------------------------------------------


def folded(hypothesis: Theorem | None = PERIODIC, turn: Expr = n) -> Goal:
    return Goal(y(k + turn * q), y(k), (hypothesis,) if hypothesis else ())


def folded_script(p: Proof) -> None:
    def one_more(s: Side) -> None:
        s.rewrite((*p.hypotheses, PERIODIC)[0], {k: k + n * v}, says="y has period n")

    p.induct(y(k + n * v), v, e, q, one_more, "one period more changes nothing, so neither do q of them")


def repeated(sign: int) -> Meanings:
    """y[k] depends on k mod n; for −1 each period changes its sign"""

    def meanings(world: World) -> Mapping[str, Meaning]:
        def value(position: Vector) -> Any:
            parts = [divmod(p, m) for p, m in zip(position, world.sizes["n"], strict=True)]
            drawn = pseudorandom(world, "y", tuple(rest for _, rest in parts))
            return drawn * world.field.number(Fraction(sign ** (sum(turn for turn, _ in parts) % 2)))

        return {"y": value}

    return meanings


def any_signal(_: World) -> Mapping[str, Meaning]:
    return {}


def window_index(p: Proof) -> Var:
    """The variable over {0, …, n − 1} on the left"""
    (found,) = (u for u in p.goal.lhs.summands[0].binders if isinstance(u, Var))
    return found


# a sum over one period -------------------------------------------------------------------------------------------------------


def one_period(start: Expr = a, step: int = 1, length: Expr = n) -> Goal:
    (t,) = variables("t", Range(length))
    return Goal(sum_over(t, x(start + step * t)), sum_over(i, x(i)))


def one_period_script(p: Proof) -> None:
    p.wrap(window_index(p), i, "a function on Z_n takes the same values on {0, …, n − 1}")
    p.reindex({i: i - a}, "count from −a on")


def one_period_library(given: Given) -> dict[str, object]:
    n, x = given["n"], given["x"]
    windows = [(eq.Shift(-start, n) @ x).sum() for start in range(n)]
    return {"lhs": given.xp.stack(windows)}


# (9) over 0, …, n − 1 --------------------------------------------------------------------------------------------------------


def written_out(sign: int = -1, length: Expr = n) -> Goal:
    (t,) = variables("t", Range(length))
    return Goal(sum_over(t, x(t) * w(i + sign * t)), convolution(x, w, j)(i))


def written_out_script(p: Proof) -> None:
    p.wrap(window_index(p), j, "x[j]·w[i − j mod n] depends on j modulo n only")


def written_out_library(given: Given) -> dict[str, object]:
    n, x, w = given["n"], given["x"], given["w"]
    entries = [sum(x[t] * w[(i - t) % n] for t in range(n)) for i in range(n)]
    return {"lhs": given.xp.stack(entries), "rhs": eq.circular_convolve(x, w)}


LAW = Law(
    name="periodic_signal",
    title="A signal on {0, …, n − 1} is a periodic signal, and a sum over any n consecutive entries is one over a period",
    items=("(7)", "(8)", "L22"),
    claims=(
        Claim(
            says="a signal on Z_n is read modulo n by its type, so x[i + n·q] = x[i] for every integer q: nothing is left to prove",
            goal=period,
            script=period_script,
            twins=(
                Twin("the period is n + 1", {"offset": 1}),
                Twin("the signal is reversed", {"sign": -1}),
            ),
            library=period_library,
        ),
        Claim(
            says="if y[k + n·e] = y[k] for every integer k and unit vector e, then y[k + n·q] = y[k]: y is a signal on Z_n",
            goal=folded,
            script=folded_script,
            twins=(
                Twin("y need not be periodic", {"hypothesis": None}, meanings=any_signal),
                Twin("every step is a period", {"turn": Integer(1)}),
                Twin("a period changes the sign", {"hypothesis": has_period(-1)}, meanings=repeated(-1)),
            ),
            meanings=repeated(1),
        ),
        Claim(
            says="Σ_t x[a + t] over t = 0, …, n − 1 is the sum of x over Z_n, wherever the window starts",
            goal=one_period,
            script=one_period_script,
            twins=(
                Twin("every other entry, n of them", {"step": 2}),
                Twin("a window of n + 1 entries", {"length": n + 1}),
            ),
            library=one_period_library,
        ),
        Claim(
            says="(9) written out: Σ_{t=0…n−1} x[t]·w[i − t mod n] = (x ⋆ w)[i]",
            goal=written_out,
            script=written_out_script,
            twins=(
                Twin("w is read at i + t", {"sign": 1}),
                Twin("one entry too many", {"length": n + 1}),
            ),
            library=written_out_library,
        ),
    ),
)
