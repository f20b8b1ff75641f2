"""A shift turns the phases of a spectrum and nothing else: what a frequency state rests on (lecture L24)."""

from __future__ import annotations

from typing import Any

import equiconv as eq
from proofs.crosscheck import Given
from proofs.language import Cyclic, Fun, Term, character, conjugate, dft, shifted, size, variables
from proofs.laws import Claim, Law, Twin
from proofs.proving import Goal, Proof, prime

n = size("n")
i, k, f, g = variables("i k f g", Cyclic(n))
x, y = Fun("x", (Cyclic(n),)), Fun("y", (Cyclic(n),))


def shifts(given: Given) -> list[Any]:
    """F(S_k x) for k = 0, …, n − 1"""
    return [given.xp.fft.fft(eq.Shift(k, given["n"]) @ given["x"]) for k in range(given["n"])]


# F(S_k x)[f] = ω^(k·f/n)·F x[f] ----------------------------------------------------------------------------------------------


def phase(sign: int = 1, frequency: Any = f) -> Goal:
    return Goal(dft(shifted(x, k), i)(f), character(sign * k * frequency / n) * dft(x, i)(f))


def phase_script(p: Proof) -> None:
    p.reindex({i: i + k}, "count i from k on: the character splits")


def phase_library(given: Given) -> dict[str, object]:
    xp = given.xp
    turns = [xp.asarray(eq.Shift(k, given["n"]).eigvals()) for k in range(given["n"])]
    return {"lhs": xp.stack(shifts(given), 1), "rhs": xp.stack([t * xp.fft.fft(given["x"]) for t in turns], 1)}


# the cross spectrum, and with y = x the power spectrum ----------------------------------------------------------------------------


def cross(second: Any = k, at: Any = f, conjugated: bool = True) -> Goal:
    def product(first: Any, other: Any) -> Term:
        spectrum = dft(shifted(y, other), i)(at)
        return dft(shifted(x, first), i)(f) * (conjugate(spectrum) if conjugated else spectrum)

    return Goal(product(k, second), product(0, 0))


def cross_script(p: Proof) -> None:
    p.reindex({i: i + k}, "count the first sum from k on")
    p.reindex({prime(i): prime(i) + k}, "and the second: their phases cancel")


def cross_library(given: Given) -> dict[str, object]:
    xp = given.xp
    fft, y_hat = xp.fft.fft, xp.fft.fft(given["y"])
    moved = [xp.fft.fft(eq.Shift(k, given["n"]) @ given["y"]) for k in range(given["n"])]
    left = [a * b.conj() for a, b in zip(shifts(given), moved, strict=True)]
    return {"lhs": xp.stack(left, 1), "rhs": xp.stack([fft(given["x"]) * y_hat.conj()] * given["n"], 1)}


# the bispectrum ------------------------------------------------------------------------------------------------------------------------


def bispectrum(conjugated: bool = True, third: Any = f + g) -> Goal:
    def product(shift: Any) -> Term:
        spectrum = dft(shifted(x, shift), i)
        last = spectrum(third)
        return spectrum(f) * spectrum(g) * (conjugate(last) if conjugated else last)

    return Goal(product(k), product(0))


def bispectrum_script(p: Proof) -> None:
    p.reindex({i: i + k}, "count each of the three sums from k on: the first turns by k·f/n")
    p.reindex({prime(i): prime(i) + k}, "the second by k·g/n")
    p.reindex({prime(i, 2): prime(i, 2) + k}, "the third, conjugated, by −k·(f + g)/n: nothing is left")


def bispectrum_library(given: Given) -> dict[str, object]:
    xp, count = given.xp, given.index(given["n"])
    total = (count[:, None] + count[None, :]) % given["n"]

    def product(s: Any) -> Any:
        return s[:, None] * s[None, :] * s[total].conj()

    whole = product(xp.fft.fft(given["x"]))
    return {"lhs": xp.stack([product(s) for s in shifts(given)], 2), "rhs": xp.stack([whole] * given["n"], 2)}


LAW = Law(
    name="modulation",
    title="A shift by k multiplies the spectrum by ω^(k·f/n); its modulus and its bispectrum do not change",
    items=("L24",),
    families=("Fourier transform",),
    claims=(
        Claim(
            says="F(S_k x)[f] = ω^(k·f/n)·F x[f]",
            goal=phase,
            script=phase_script,
            twins=(
                Twin("the phase turns the other way", {"sign": -1}),
                Twin("the phase does not depend on the frequency", {"frequency": 1}),
                Twin("the spectrum is invariant", {"sign": 0}),
            ),
            library=phase_library,
        ),
        Claim(
            says="F x[f]·conj(F y[f]) is invariant to a shift of both; with y = x, the power spectrum |F x[f]|²",
            goal=cross,
            script=cross_script,
            twins=(
                Twin("only x shifts", {"second": 0}),
                Twin("nothing is conjugated: F x[f]·F y[f]", {"conjugated": False}),
                Twin("two different frequencies meet", {"at": g}),
            ),
            library=cross_library,
        ),
        Claim(
            says="The bispectrum F x[f]·F x[g]·conj(F x[f + g]) is invariant",
            goal=bispectrum,
            script=bispectrum_script,
            twins=(
                Twin("nothing is conjugated", {"conjugated": False}),
                Twin("the third frequency is f − g", {"third": f - g}),
            ),
            library=bispectrum_library,
            worlds=({"n": 2}, {"n": 3}, {"n": (1, 2)}),
        ),
    ),
)
