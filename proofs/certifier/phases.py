"""What a phase goes through: a linear map entry by entry, a product, a conjugate, a modulus, and, where it is a sign, a real part."""

from __future__ import annotations

from typing import Any

import equiconv as eq
from proofs.crosscheck import Given
from proofs.language import Cyclic, Fun, Range, Term, character, conjugate, size, sum_over, variables
from proofs.laws import Claim, Law, Twin
from proofs.proving import Goal, Proof

n, m = size("n"), size("m")
k, f, g = variables("k f g", Cyclic(n))
(i,) = variables("i", Range(m))
(o,) = variables("o", Range(m))
A, x, c = Fun("A", (Range(m), Range(m))), Fun("x", (Range(m),)), Fun("c", (Range(m),))
u, v = Fun("u", (Cyclic(n),)), Fun("v", (Cyclic(n),))


def phases(given: Given) -> Any:
    """ω^(k·f/n), the eigenvalues of the shifts: row f, column k"""
    xp, n = given.xp, given["n"]
    return xp.stack([xp.asarray(eq.Shift(k, n).eigvals()) for k in range(n)], 1)


# Σ_i A[o, i]·(ω^(k·f/n)·x[i]) = ω^(k·f/n)·Σ_i A[o, i]·x[i] -----------------------------------------------------------------------------


def linear(apart: Any = 0, bias: int = 0) -> Goal:
    """``apart``: entry i turns by that much more; ``bias``: a constant is added."""
    left = sum_over(i, A(o, i) * character(k * (f + apart) / n) * x(i)) + bias * c(o)
    return Goal(left, character(k * f / n) * (sum_over(i, A(o, i) * x(i)) + bias * c(o)))


def linear_script(p: Proof) -> None:
    """Both sides are the same: the phase does not depend on i, so it comes out of the sum."""


def linear_library(given: Given) -> dict[str, object]:
    turn = phases(given)
    left = ((turn[:, :, None] * given["x"])[:, :, None, :] * given["A"]).sum(3)
    return {"lhs": left, "rhs": turn[:, :, None] * (given["A"] * given["x"]).sum(1)}


# a product --------------------------------------------------------------------------------------------------------------------------


def product(together: Any = f + g) -> Goal:
    left = character(k * f / n) * u(f) * (character(k * g / n) * v(g))
    return Goal(left, character(k * together / n) * (u(f) * v(g)))


def product_script(p: Proof) -> None:
    """Both sides are the same: characters multiply by adding their exponents."""


def product_library(given: Given) -> dict[str, object]:
    """axes f, g, k"""
    xp, turn, count = given.xp, phases(given), given.index(given["n"])
    left = (turn * given["u"][:, None])[:, None, :] * (turn * given["v"][:, None])[None, :, :]
    both = turn[(count[:, None] + count[None, :]) % given["n"]]
    return {"lhs": left, "rhs": both * (given["u"][:, None] * given["v"][None, :])[:, :, None] + xp.zeros_like(left)}


# a conjugate, a modulus ------------------------------------------------------------------------------------------------------------------


def conjugated(sign: int = -1) -> Goal:
    return Goal(conjugate(character(k * f / n) * u(f)), character(sign * k * f / n) * conjugate(u(f)))


def conjugated_script(p: Proof) -> None:
    """Both sides are the same: the conjugate of a phase turns the other way."""


def conjugated_library(given: Given) -> dict[str, object]:
    turn = phases(given)
    return {"lhs": 1 * (turn * given["u"][:, None]).conj(), "rhs": turn.conj() * given["u"].conj()[:, None]}


def modulus(other: Any = f, conjugate_too: bool = True) -> Goal:
    def square(turn: Any, at: Any) -> Term:
        second: Term = turn(at) * u(at)
        found: Term = turn(f) * u(f) * (conjugate(second) if conjugate_too else second)
        return found

    return Goal(square(lambda h: character(k * h / n), other), square(lambda h: character(0 * h), other))


def modulus_script(p: Proof) -> None:
    """Both sides are the same: a phase times its conjugate is 1."""


def modulus_library(given: Given) -> dict[str, object]:
    """k is no variable of it any more: the last shift."""
    turned = phases(given)[:, -1] * given["u"]
    return {"lhs": turned * turned.conj(), "rhs": given["u"] * given["u"].conj()}


# a real part ------------------------------------------------------------------------------------------------------------------------------


(s,) = variables("s", Cyclic(2))
(quarter,) = variables("s", Cyclic(4))


def real(at: Any = s, order: int = 2, kept: bool = True) -> Goal:
    """z + conj(z) is twice the real part."""

    def twice(z: Term) -> Term:
        return z + conjugate(z)

    turn = character(at / order)
    return Goal(twice(turn * x(i)), (turn if kept else character(0 * at)) * twice(x(i)))


def real_script(p: Proof) -> None:
    """Both sides are the same: −s/2 and s/2 are one exponent, since s is a whole number."""


def real_library(given: Given) -> dict[str, object]:
    """axes i, s"""
    signs = 1 - 2 * given.index(2)
    parts = given["x"].real
    return {"lhs": 2 * (given["x"][:, None] * signs).real + 0j, "rhs": 2 * parts[:, None] * signs + 0j}


LAW = Law(
    name="phases",
    title="A linear map keeps a phase that all its terms share; a product adds the frequencies; a modulus forgets them",
    families=("pointwise", "contraction", "Fourier transform"),
    claims=(
        Claim(
            says="Σ_i A[o, i]·x[i] turns by ω^(k·f/n) where all its terms do",
            goal=linear,
            script=linear_script,
            twins=(
                Twin("the terms turn by different phases", {"apart": g}),
                Twin("a constant is added, which does not turn", {"bias": 1}),
            ),
            library=linear_library,
        ),
        Claim(
            says="A product turns with the sum of the frequencies",
            goal=product,
            script=product_script,
            twins=(
                Twin("it turns with the first one", {"together": f}),
                Twin("it turns with their difference, as a quotient does", {"together": f - g}),
            ),
            library=product_library,
        ),
        Claim(
            says="A conjugate turns the other way",
            goal=conjugated,
            script=conjugated_script,
            twins=(Twin("it turns as before", {"sign": 1}), Twin("it does not turn", {"sign": 0})),
            library=conjugated_library,
        ),
        Claim(
            says="u·conj(u) = |u|² does not turn",
            goal=modulus,
            script=modulus_script,
            twins=(
                Twin("nothing is conjugated: u²", {"conjugate_too": False}),
                Twin("two frequencies meet", {"other": g}),
            ),
            library=modulus_library,
        ),
        Claim(
            says="A real part keeps a phase that is a sign",
            goal=real,
            script=real_script,
            twins=(
                Twin("the phase is a quarter of a turn", {"at": quarter, "order": 4}),
                Twin("the sign is lost", {"kept": False}),
            ),
            library=real_library,
        ),
    ),
)
