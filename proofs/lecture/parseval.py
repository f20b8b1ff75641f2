"""The DFT keeps inner products up to the factor n: Parseval and Plancherel. Lecture L24."""

from __future__ import annotations

from proofs.crosscheck import Given
from proofs.language import Cyclic, Fun, cardinality, conjugate, dft, size, sum_over, variables
from proofs.laws import Claim, Law, Twin
from proofs.proving import Goal, Proof

n = size("n")
i, j, k = variables("i j k", Cyclic(n))
x, y = Fun("x", (Cyclic(n),)), Fun("y", (Cyclic(n),))


def inner_products(other: Fun = y, conjugated: bool = True, factor: int = 1, y_sign: int = 1) -> Goal:
    spectrum = dft(other, j)(y_sign * k)
    left = sum_over(k, dft(x, i)(k) * (conjugate(spectrum) if conjugated else spectrum))
    right = sum_over(i, x(i) * (conjugate(other(i)) if conjugated else other(i)))
    return Goal(left, right * cardinality(k.sort) ** factor)


def norms(conjugated: bool = True, factor: int = 1) -> Goal:
    return inner_products(x, conjugated, factor)


def script(p: Proof) -> None:
    p.orthogonality(k, "sum over the frequencies first: the characters sum to n·δ")
    p.sift(j, "only j = i counts")


def inner_products_library(given: Given) -> dict[str, object]:
    fft, vdot = given.xp.fft.fft, given.xp.vdot  # vdot conjugates its first argument
    x, y = given["x"], given["y"]
    return {"lhs": vdot(fft(y), fft(x)), "rhs": given["n"] * vdot(y, x)}


def norms_library(given: Given) -> dict[str, object]:
    x = given["x"]
    return {"lhs": (abs(given.xp.fft.fft(x)) ** 2).sum(), "rhs": given["n"] * (abs(x) ** 2).sum()}


TWINS = (
    Twin("the factor n is forgotten", {"factor": 0}),
    Twin("a factor n for each of the two transforms", {"factor": 2}),
    Twin("no conjugate: the second spectrum must then be read backwards", {"conjugated": False}),
)

LAW = Law(
    name="parseval",
    title="The DFT keeps inner products and norms, up to the factor n",
    items=("L24",),
    claims=(
        Claim(
            says="⟨F x, F y⟩ = n·⟨x, y⟩",
            goal=inner_products,
            script=script,
            twins=(*TWINS, Twin("the second spectrum is read backwards", {"y_sign": -1})),
            library=inner_products_library,
        ),
        Claim(
            says="Σ_k |F x|²[k] = n·Σ_i |x|²[i]",
            goal=norms,
            script=script,
            twins=TWINS,
            library=norms_library,
        ),
    ),
)
