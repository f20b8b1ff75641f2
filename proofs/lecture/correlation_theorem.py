"""The DFT turns circular cross-correlation into a product too, with the kernel's spectrum read backwards: lecture (10), L24 and L7.

The correlation is not conjugated, as in convolutional layers: y[i] = Σ_j w[j]·x[i + j].
"""

from __future__ import annotations

from collections.abc import Mapping

import equiconv as eq
from proofs.crosscheck import Given
from proofs.evaluation import Meaning, World, pseudorandom
from proofs.language import (
    Cyclic,
    Fun,
    Signal,
    Term,
    assume,
    character,
    conjugate,
    correlation,
    dft,
    inverse_dft,
    size,
    sum_over,
    variables,
)
from proofs.laws import Claim, Law, Twin
from proofs.proving import Goal, Proof

n = size("n")
i, j, k, a = variables("i j k a", Cyclic(n))
x, w = Fun("x", (Cyclic(n),)), Fun("w", (Cyclic(n),))
REAL = assume(conjugate(w(j)), w(j), j)


def conjugated(f: Signal) -> Signal:
    return lambda e: conjugate(f(e))


CONJUGATED = conjugated(w)


def spectrum_of_correlation(kernel: Signal) -> Term:
    """F(Σ_j kernel[j]·x[· + j]) at k"""
    return sum_over(i, correlation(x, kernel, j)(i) * character(k * i / n))


def script(p: Proof) -> None:
    p.reindex({i: i - j}, "count i from −j on: x no longer depends on j, and the exponent splits")


# any kernel ----------------------------------------------------------------------------------------------------------------


def plain(w_sign: int = -1, x_sign: int = 1, kernel: Signal = w) -> Goal:
    return Goal(spectrum_of_correlation(kernel), dft(w, j)(w_sign * k) * dft(x, i)(x_sign * k))


def plain_library(given: Given) -> dict[str, object]:
    fft = given.xp.fft.fft
    backwards = fft(given["w"])[-given.index(given["n"]) % given["n"]]
    return {"lhs": fft(eq.circular_correlate(given["x"], given["w"])), "rhs": backwards * fft(given["x"])}


# with the inverse transform, as (10) is printed ------------------------------------------------------------------------------


def inverse(w_sign: int = -1, x_sign: int = 1, kernel: Signal = w) -> Goal:
    spectra = inverse_dft(lambda k: dft(w, j)(w_sign * k) * dft(x, a)(x_sign * k), k)
    return Goal(spectra(i), correlation(x, kernel, j)(i))


def inverse_script(p: Proof) -> None:
    p.orthogonality(k, "the characters sum to n·δ: only a − j = i counts")
    p.sift(a, "only a = i + j counts")


def inverse_library(given: Given) -> dict[str, object]:
    return {
        "lhs": given.xp.fft.ifft(plain_library(given)["rhs"]),
        "rhs": eq.circular_correlate(given["x"], given["w"]),
    }


# a real kernel -------------------------------------------------------------------------------------------------------------


def real(hypothesis: bool = True, conjugate_spectrum: bool = True, x_sign: int = 1) -> Goal:
    spectrum = conjugate(dft(w, j)(k)) if conjugate_spectrum else dft(w, j)(k)
    return Goal(spectrum_of_correlation(w), spectrum * dft(x, i)(x_sign * k), (REAL,) if hypothesis else ())


def real_script(p: Proof) -> None:
    script(p)
    p.right.rewrite(REAL, {j: j}, says="w is real, so that conj(F w) is F w read backwards")


def real_kernel(world: World) -> Mapping[str, Meaning]:
    return {"w": lambda e: pseudorandom(world, "w", e, real=True)}


def any_kernel(_: World) -> Mapping[str, Meaning]:
    return {}


def real_library(given: Given) -> dict[str, object]:
    fft = given.xp.fft.fft
    x, w = given["x"], given["w"]
    return {"lhs": fft(eq.circular_correlate(x, w)), "rhs": fft(w).conj() * fft(x)}


# a conjugated kernel -------------------------------------------------------------------------------------------------------


def adjoint(kernel: Signal = CONJUGATED, conjugate_spectrum: bool = True) -> Goal:
    spectrum = conjugate(dft(w, j)(k)) if conjugate_spectrum else dft(w, j)(k)
    return Goal(spectrum_of_correlation(kernel), spectrum * dft(x, i)(k))


def adjoint_library(given: Given) -> dict[str, object]:
    fft = given.xp.fft.fft
    x, w = given["x"], given["w"]
    return {"lhs": fft(eq.Circulant(w).H @ x), "rhs": fft(w).conj() * fft(x)}


LAW = Law(
    name="correlation_theorem",
    title="The DFT turns circular cross-correlation into a product, the kernel's spectrum read backwards",
    items=("(10)", "L24", "L7"),
    claims=(
        Claim(
            says="F(Σ_j w[j]·x[· + j])(k) = (F w)(−k)·(F x)(k)",
            goal=plain,
            script=script,
            twins=(
                Twin("w's spectrum is read at k, as for a convolution", {"w_sign": 1}),
                Twin("x's spectrum is read backwards, not w's", {"w_sign": 1, "x_sign": -1}),
                Twin("the correlation conjugates w, as numpy.correlate does", {"kernel": CONJUGATED}),
            ),
            library=plain_library,
        ),
        Claim(
            says="with F⁻¹, as (10) is printed: Σ_j w[j]·x[i + j] = F⁻¹((F w)(−·) ⊙ F x)[i]",
            goal=inverse,
            script=inverse_script,
            twins=(
                Twin("w's spectrum is read at k, as for a convolution", {"w_sign": 1}),
                Twin("x's spectrum is read backwards, not w's", {"w_sign": 1, "x_sign": -1}),
                Twin("the correlation conjugates w, as numpy.correlate does", {"kernel": CONJUGATED}),
            ),
            library=inverse_library,
        ),
        Claim(
            says="for a real kernel, F(Σ_j w[j]·x[· + j])(k) = conj((F w)(k))·(F x)(k)",
            goal=real,
            script=real_script,
            twins=(
                Twin("w need not be real", {"hypothesis": False}, meanings=any_kernel),
                Twin("without the conjugate", {"conjugate_spectrum": False}),
                Twin("x's spectrum is read backwards too", {"x_sign": -1}),
            ),
            meanings=real_kernel,
            library=real_library,
        ),
        Claim(
            says="for any kernel, F(Σ_j conj(w[j])·x[· + j])(k) = conj((F w)(k))·(F x)(k): the spectrum of the adjoint C_wᴴ",
            goal=adjoint,
            script=script,
            twins=(
                Twin("the correlation is not conjugated", {"kernel": w}),
                Twin("the spectrum is not conjugated", {"conjugate_spectrum": False}),
            ),
            library=adjoint_library,
        ),
    ),
)
