"""The DFT turns circular convolution into a product, entry by entry: lecture (10), L24."""

from __future__ import annotations

import equiconv as eq
from proofs.crosscheck import Given
from proofs.language import Cyclic, Fun, cardinality, character, convolution, dft, size, sum_over, variables
from proofs.laws import Claim, Law, Twin
from proofs.proving import Goal, Proof

n = size("n")
i, j, k, a = variables("i j k a", Cyclic(n))
x, w = Fun("x", (Cyclic(n),)), Fun("w", (Cyclic(n),))


# F(x ⋆ w) = F x ⊙ F w ------------------------------------------------------------------------------------------------------


def spectrum(sign: int = 1, reverse: int = 1) -> Goal:
    left = sum_over(i, convolution(x, w, j)(i) * character(sign * k * i / n))
    return Goal(left, dft(x, i)(k) * dft(w, i)(reverse * k))


def spectrum_script(p: Proof) -> None:
    p.reindex({i: i + j}, "count i from j on: the exponent splits, the sum with it")


def spectrum_library(given: Given) -> dict[str, object]:
    fft = given.xp.fft.fft
    return {"lhs": fft(eq.circular_convolve(given["x"], given["w"])), "rhs": fft(given["x"]) * fft(given["w"])}


# x ⋆ w = F⁻¹(F x ⊙ F w) ----------------------------------------------------------------------------------------------------


def inverse(sign: int = -1, w_sign: int = 1) -> Goal:
    spectra = sum_over(k, dft(x, j)(k) * dft(w, a)(w_sign * k) * character(sign * k * i / n)) * (
        1 / cardinality(k.sort)
    )
    return Goal(spectra, convolution(x, w, j)(i))


def inverse_script(p: Proof) -> None:
    p.orthogonality(k, "the characters sum to n·δ: only j + a = i counts")
    p.sift(a, "only a = i − j counts")


def inverse_library(given: Given) -> dict[str, object]:
    fft, ifft = given.xp.fft.fft, given.xp.fft.ifft
    return {"lhs": ifft(fft(given["x"]) * fft(given["w"])), "rhs": eq.circular_convolve(given["x"], given["w"])}


LAW = Law(
    name="convolution_theorem",
    title="The DFT turns circular convolution into a product: x ⋆ w = F⁻¹(F x ⊙ F w)",
    items=("(10)", "L24"),
    claims=(
        Claim(
            says="F(x ⋆ w) = F x ⊙ F w",
            goal=spectrum,
            script=spectrum_script,
            twins=(
                Twin("the exponent on the left has the other sign", {"sign": -1}),
                Twin("w's spectrum is read at −k, as for a correlation", {"reverse": -1}),
            ),
            library=spectrum_library,
        ),
        Claim(
            says="F⁻¹(F x ⊙ F w) = x ⋆ w",
            goal=inverse,
            script=inverse_script,
            twins=(
                Twin("the inverse transform has the sign of the forward one", {"sign": 1}),
                Twin("w's spectrum is read at −k, as for a correlation", {"w_sign": -1}),
            ),
            library=inverse_library,
        ),
    ),
)
