"""The DFT is inverted by its conjugate over n: F⁻¹F = F F⁻¹ = I and F Fᴴ = n·I. Lecture L24."""

from __future__ import annotations

from proofs.crosscheck import Given
from proofs.language import (
    Cyclic,
    Fun,
    cardinality,
    character,
    conjugate,
    delta,
    inverse_dft,
    size,
    sum_over,
    variables,
)
from proofs.laws import Claim, Law, Twin
from proofs.proving import Goal, Proof

n = size("n")
i, j, k, l = variables("i j k l", Cyclic(n))
x = Fun("x", (Cyclic(n),))


# F⁻¹ F x = x ---------------------------------------------------------------------------------------------------------------


def back(sign: int = -1, divided: bool = True) -> Goal:
    spectrum = sum_over(j, x(j) * character(k * j / n))
    again = sum_over(k, spectrum * character(sign * k * i / n))
    return Goal(again * (1 / cardinality(k.sort)) if divided else again, x(i))


def back_script(p: Proof) -> None:
    p.orthogonality(k, "the characters sum to n·δ")
    p.sift(j, "only j = i counts")


def back_library(given: Given) -> dict[str, object]:
    fft = given.xp.fft
    return {"lhs": fft.ifft(fft.fft(given["x"])), "rhs": given["x"]}


# F F⁻¹ x = x ---------------------------------------------------------------------------------------------------------------


def forth(sign: int = 1, sees: int = 1) -> Goal:
    signal = inverse_dft(x, l)
    return Goal(sum_over(i, signal(i) * character(sign * k * i / n)), x(sees * k))


def forth_script(p: Proof) -> None:
    p.orthogonality(i, "the characters sum to n·δ")
    p.sift(l, "only l = k counts")


def forth_library(given: Given) -> dict[str, object]:
    fft = given.xp.fft
    return {"lhs": fft.fft(fft.ifft(given["x"])), "rhs": given["x"]}


# F Fᴴ = n·I ----------------------------------------------------------------------------------------------------------------


def unitary(conjugated: bool = True, normalised: bool = False) -> Goal:
    other = character(l * i / n)
    left = sum_over(i, character(k * i / n) * (conjugate(other) if conjugated else other))
    return Goal(left, delta(k - l, n) if normalised else delta(k - l, n) * cardinality(i.sort))


def unitary_script(p: Proof) -> None:
    p.orthogonality(i, "the geometric sum of a character: n where it is 1 throughout, else 0")


def unitary_library(given: Given) -> dict[str, object]:
    identity = given.xp.eye(given["n"], dtype=given.xp.complex128)
    matrix = given.xp.fft.fft(identity)
    return {"lhs": matrix @ matrix.conj().T, "rhs": given["n"] * identity}


LAW = Law(
    name="dft_inversion",
    title="The DFT is invertible, and √n times a unitary map",
    items=("L24",),
    claims=(
        Claim(
            says="F⁻¹(F x) = x",
            goal=back,
            script=back_script,
            twins=(
                Twin("both transforms have the same sign: that reverses x", {"sign": 1}),
                Twin("the inverse is not divided by n", {"divided": False}),
            ),
            library=back_library,
        ),
        Claim(
            says="F(F⁻¹ x) = x",
            goal=forth,
            script=forth_script,
            twins=(
                Twin("both transforms have the same sign", {"sign": -1}),
                Twin("the result is reversed", {"sees": -1}),
            ),
            library=forth_library,
        ),
        Claim(
            says="F Fᴴ = n·I: Σ_i ω^(k·i/n)·conj(ω^(l·i/n)) = n·δ_n[k − l]",
            goal=unitary,
            script=unitary_script,
            twins=(
                Twin("the second character is not conjugated", {"conjugated": False}),
                Twin("F is taken for unitary without a factor", {"normalised": True}),
            ),
            library=unitary_library,
        ),
    ),
)
