"""From a spectrum whose entries turn back to a signal that rolls, whatever its length: filters, spectral pooling, truncated modes."""

from __future__ import annotations

from typing import Any

import equiconv as eq
from proofs.crosscheck import Given
from proofs.language import Cyclic, Fun, Range, Term, character, conjugate, size, sum_over, variables
from proofs.laws import Claim, Law, Twin
from proofs.proving import Goal, Proof

n, m, b, h = size("n"), size("m"), size("b"), size("h")
f, k, t = variables("f k t", Cyclic(n))
(j,) = variables("j", Cyclic(n))
X = Fun("X", (Cyclic(n),))


def phases(given: Given, k: int, n: int) -> Any:
    """ω^(j·k/n) for j = 0, …, n − 1: the eigenvalues of S_k"""
    return given.xp.asarray(eq.Shift(k, n).eigvals())


# entry j turns by (f + j)·k/n --------------------------------------------------------------------------------------------------------


def rolled(turn: Any = f, moved: Any = k) -> Goal:
    """Σ_j X[j]·ω^((f + j)·k/n)·ω^(−j·t/n), n times the inverse transform"""
    left = sum_over(j, X(j) * character((f + j) * k / n) * character(-j * t / n))
    return Goal(left, character(turn * k / n) * sum_over(j, X(j) * character(-j * (t - moved) / n)))


def rolled_script(p: Proof) -> None:
    """Both sides are the same by index arithmetic: (f + j)·k − j·t = f·k − j·(t − k)."""


def rolled_library(given: Given) -> dict[str, object]:
    """axes f, k, t"""
    xp, n, X = given.xp, given["n"], given["X"]
    turns = [phases(given, k, n) for k in range(n)]

    def table(entry: Any) -> Any:
        return xp.stack([xp.stack([entry(f, k) for k in range(n)]) for f in range(n)])

    left = table(lambda f, k: n * xp.fft.ifft(X * xp.roll(turns[k], -f)))
    right = table(lambda f, k: turns[k][f] * n * xp.roll(xp.fft.ifft(X), k))
    return {"lhs": left, "rhs": right}


# another length ------------------------------------------------------------------------------------------------------------------------

N = b * m
(p_,) = variables("p", Cyclic(N))
(l,) = variables("l", Cyclic(N))
(q,) = variables("q", Cyclic(m))
Y = Fun("Y", (Cyclic(N),))


def longer(moved: Any = b * q) -> Goal:
    """The shifts are those of Z_m; the signal has b·m entries."""
    left = sum_over(l, Y(l) * character(l * q / m) * character(-l * p_ / N))
    return Goal(left, sum_over(l, Y(l) * character(-l * (p_ - moved) / N)))


def longer_script(p: Proof) -> None:
    """Both sides are the same by index arithmetic: l·q/m = l·(b·q)/(b·m)."""


def longer_library(given: Given) -> dict[str, object]:
    """axes p, q"""
    xp, m, length = given.xp, given["m"], given["b"] * given["m"]
    at = given.index(length) % m
    turned = [given["Y"] * phases(given, q, m)[at] for q in range(m)]
    left = [length * xp.fft.ifft(y) for y in turned]
    right = [length * xp.roll(xp.fft.ifft(given["Y"]), given["b"] * q) for q in range(m)]
    return {"lhs": xp.stack(left, 1), "rhs": xp.stack(right, 1)}


# half of a spectrum --------------------------------------------------------------------------------------------------------------------

(d,) = variables("d", Range(h))
Z, w = Fun("Z", (Range(h),)), Fun("w", (Range(h),))


def half(moved: Any = k, first: Any = 0) -> Goal:
    """Σ_d w[d]·2·Re(Z[d]·ω^(−d·t/n)), where w is 1/2 at 0 and at n/2, which are real."""

    def signal(turn: Any, at: Any) -> Term:
        def term(sign: int, value: Term) -> Term:
            return w(d) * value * character(sign * turn) * character(-sign * d * at / n)

        return sum_over(d, term(1, Z(d))) + sum_over(d, term(-1, conjugate(Z(d))))

    return Goal(signal((first + d) * k / n, t), signal(0 * k, t - moved))


def half_script(p: Proof) -> None:
    """Both sides are the same by index arithmetic: d·k − d·t = −d·(t − k), and so with the other sign."""


def half_library(given: Given) -> dict[str, object]:
    """axes k, t; an irfft would take n // 2 + 1 entries, so the frequencies are laid out by hand here."""
    xp, n = given.xp, given["n"]
    at = given.index(given["h"]) % n

    def signal(spectrum: Any) -> Any:
        waves = xp.stack([phases(given, -t, n)[at] for t in range(n)], 1)
        both = given["w"][:, None] * spectrum[:, None] * waves
        return (both + given["w"][:, None] * spectrum.conj()[:, None] * waves.conj()).sum(0)

    turned = [given["Z"] * phases(given, k, n)[at] for k in range(n)]
    left = [signal(z) for z in turned]
    return {"lhs": xp.stack(left), "rhs": xp.stack([xp.roll(signal(given["Z"]), k) for k in range(n)])}


LAW = Law(
    name="spectral_resampling",
    title="A signal made of a spectrum rolls where entry j turns with frequency j, whatever its length",
    families=("Fourier transform",),
    claims=(
        Claim(
            says="Where entry j turns by ω^((f + j)·k/n), the inverse transform of length n rolls by k and turns by ω^(f·k/n)",
            goal=rolled,
            script=rolled_script,
            twins=(
                Twin("it does not turn: the shift of the spectrum need not be undone", {"turn": 0}),
                Twin("it rolls the other way", {"moved": -k}),
            ),
            library=rolled_library,
        ),
        Claim(
            says="Shifts of Z_m by q, which turn entry l by ω^(l·q/m), roll a signal of b·m entries by b·q",
            goal=longer,
            script=longer_script,
            twins=(
                Twin("they roll it the other way", {"moved": -b * q}),
                Twin("they do not move it", {"moved": 0}),
            ),
            library=longer_library,
        ),
        Claim(
            says="So does a real signal made of half of a spectrum, Σ_d w[d]·2·Re(Z[d]·ω^(−d·t/n))",
            goal=half,
            script=half_script,
            twins=(
                Twin("entry d turns with frequency d + 1", {"first": 1}),
                Twin("it rolls the other way", {"moved": -k}),
            ),
            library=half_library,
        ),
    ),
    note="A c2r transform ignores the imaginary parts at 0 and at n/2; there the phase of a roll is ±1, which goes through a real part (phases). "
    "What is trimmed, or filled up with zeros, turns with its own frequency or with any.",
)
