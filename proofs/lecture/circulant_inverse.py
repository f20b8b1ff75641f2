"""An inverse of a circulant is a circulant, in either convention, and its spectrum is 1/ŵ: behind lecture (14), L28.

The kernel of an inverse has no formula in w, so an inverse is what hypotheses say of a matrix A. That A is a circulant needs both C_w A = I and A C_w = I
in this proof; its spectrum needs one of them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from fractions import Fraction
from typing import Any

import equiconv as eq
from proofs.crosscheck import Given
from proofs.evaluation import Meaning, World, pseudorandom
from proofs.language import (
    Cyclic,
    Fun,
    Matrix,
    Signal,
    Theorem,
    as_term,
    assume,
    cardinality,
    character,
    circulant,
    delta,
    dft,
    product,
    size,
    sum_over,
    transposed_circulant,
    variables,
)
from proofs.laws import Claim, Law, Twin
from proofs.proving import Goal, Proof, Side

n = size("n")
i, j, k, l, m = variables("i j k l m", Cyclic(n))
w, a = Fun("w", (Cyclic(n),)), Fun("a", (Cyclic(n),))
A = Fun("A", (Cyclic(n), Cyclic(n)))


def right_inverse(matrix: Matrix) -> Theorem:
    """matrix·A = I"""
    return assume(product(matrix, A, j)(i, l), delta(i - l, n), i, l)


def left_inverse(matrix: Matrix) -> Theorem:
    """A·matrix = I"""
    return assume(product(A, matrix, m)(i, l), delta(i - l, n), i, l)


def inverse_of(matrix: Matrix) -> tuple[Theorem, Theorem]:
    return right_inverse(matrix), left_inverse(matrix)


def hankel(i: Any, j: Any) -> Any:
    return w(i + j)


# matrices to evaluate at ------------------------------------------------------------------------------------------------------


def inverse_meanings(world: World) -> Mapping[str, Meaning]:
    """C_w = S_1 + J, J the matrix of ones, whose inverse is S_{−1} − J/(1 + N), N the number of entries; a is that inverse's first column."""
    sizes = world.sizes["n"]
    one = tuple(1 % size for size in sizes)
    ones = Fraction(1, 1 + world.cardinality("n"))

    def kernel(k: Any) -> Any:
        return world.field.number(Fraction(1 + (k == one)))

    def inverse(i: Any, l: Any) -> Any:
        moved = tuple((p + 1 - q) % size == 0 for p, q, size in zip(i, l, sizes, strict=True))
        return world.field.number(all(moved) - ones)

    return {"w": kernel, "A": inverse, "a": lambda i: inverse(i, (0,) * len(sizes))}


def transposed_meanings(world: World) -> Mapping[str, Meaning]:
    """Transposed, for w[j − i]"""
    made = inverse_meanings(world)
    return {"w": made["w"], "A": lambda i, l: made["A"](l, i)}


def hankel_meanings(world: World) -> Mapping[str, Meaning]:
    """The reversal R makes a Hankel matrix of a circulant, w[i + j] = (C_w R)[i, j], and R C_w⁻¹ is its inverse."""
    made = inverse_meanings(world)

    def inverse(i: Any, l: Any) -> Any:
        return made["A"](tuple(-p % size for p, size in zip(i, world.sizes["n"], strict=True)), l)

    return {**made, "A": inverse}


def any_matrix(world: World) -> Mapping[str, Meaning]:
    return {"w": inverse_meanings(world)["w"], "A": lambda i, l: pseudorandom(world, "A", i, l)}


def _kernel(given: Given, convention: Any = "convolution") -> Any:
    """w, from A inverted as any matrix is"""
    matrix = given.xp.linalg.inv(given["A"])
    return matrix[:, 0] if convention == "convolution" else matrix[0]


def _circulant_inverse(given: Given, convention: Any = "convolution") -> Any:
    """The library's inverse of the circulant that A, inverted as any matrix is, gives."""
    return eq.Circulant(_kernel(given, convention), convention=convention).inv().dense()


# constant along the diagonals -------------------------------------------------------------------------------------------------


def inverses(of_hankel: bool = False, along: int = 1) -> Goal:
    return Goal(A(i + k, l + along * k), A(i, l), inverse_of(hankel if of_hankel else circulant(w)))


def inverses_script(p: Proof) -> None:
    right, left = p.hypotheses

    def pick(side: Side) -> None:
        side.sift(j)

    p.right.become(sum_over(j, delta(i - j, n) * A(j, l)), pick, "A = I A: only j = i counts")
    p.right.rewrite(left, {i: i + k, l: j + k}, says="I = A C_w, in row i + k and column j + k", backwards=True)
    p.right.rewrite(right, {i: m - k}, says="C_w[m, j + k] = C_w[m − k, j], and C_w A = I, in row m − k and column l")
    p.right.sift(m, "only m = l + k counts")


def inverses_library(given: Given, convention: Any = "convolution") -> dict[str, object]:
    xp, n, dense = given.xp, given["n"], _circulant_inverse(given, convention)
    moved = [xp.roll(dense, (-k, -k), (0, 1)) for k in range(n)]
    return {"lhs": xp.stack(moved, 1), "rhs": xp.stack([dense] * n, 1)}


def first_column(sign: int = 1, column: int = 0) -> Goal:
    return Goal(A(i, l), A(i - sign * l, column), inverse_of(circulant(w)))


def first_column_script(p: Proof) -> None:
    says = "A is constant along its diagonals: go −l along this one, to the first column"
    p.rewrite(INVERSES.theorem, {k: -l}, says=says, backwards=True)


def first_column_library(given: Given) -> dict[str, object]:
    dense = _circulant_inverse(given)
    return {"lhs": dense, "rhs": eq.Circulant(dense[:, 0]).dense()}


# the same under w[j − i] --------------------------------------------------------------------------------------------------------


def printed(of_hankel: bool = False, along: int = 1) -> Goal:
    made = hankel if of_hankel else transposed_circulant(w)
    return Goal(A(i + k, l + along * k), A(i, l), inverse_of(made))


def printed_library(given: Given) -> dict[str, object]:
    return inverses_library(given, "correlation")


def first_row(sign: int = 1, row: int = 0) -> Goal:
    return Goal(A(i, l), A(row, l - sign * i), inverse_of(transposed_circulant(w)))


def first_row_script(p: Proof) -> None:
    says = "A is constant along its diagonals: go −i along this one, to the first row"
    p.rewrite(PRINTED.theorem, {k: -i}, says=says, backwards=True)


def first_row_library(given: Given) -> dict[str, object]:
    dense = _circulant_inverse(given, "correlation")
    return {"lhs": dense, "rhs": eq.Circulant(dense[0], convention="correlation").dense()}


# the spectrum ---------------------------------------------------------------------------------------------------------------------


def spectrum(hypothesis: bool = True, reverse: int = 1, of_row: bool = False, late: int = 0) -> Goal:
    kernel: Signal = (lambda j: A(0, j)) if of_row else (lambda j: A(j, late))
    assumed = (right_inverse(circulant(w)),) if hypothesis else ()
    return Goal(dft(w, i)(reverse * k) * dft(kernel, j)(k), as_term(1), assumed)


def spectrum_script(p: Proof) -> None:
    first = product(circulant(w), A, j)(i, 0)
    says = "the convolution theorem: the DFT of C_w A's first column, Σ_j w[i − j]·A[j, 0]"
    p.become(sum_over(i, first * character(k * i / n)), lambda s: s.reindex({i: i + j}), says)
    p.rewrite((*p.hypotheses, right_inverse(circulant(w)))[0], {l: 0}, says="C_w A = I: that column is e_0")
    p.sift(i, "whose DFT is 1")


def spectrum_library(given: Given) -> dict[str, object]:
    circulant = eq.Circulant(_kernel(given))
    return {"lhs": circulant.eigvals() * circulant.inv().eigvals(), "rhs": given.xp.ones(given["n"])}


# and back -------------------------------------------------------------------------------------------------------------------------


def reciprocal(made: Callable[[Signal], Matrix] = circulant, at: int = 0) -> Goal:
    hypothesis = assume(dft(w, i)(k) * dft(a, j)(k), as_term(1), k)
    return Goal(product(circulant(w), made(a), j)(i, l), delta(i - l - at, n), (hypothesis,))


def reciprocal_script(p: Proof) -> None:
    (hypothesis,) = p.hypotheses

    def back(side: Side) -> None:
        side.orthogonality(k)
        side.sift(m)
        side.reindex({j: j - l})

    spectra = dft(w, m)(k) * dft(a, j)(k) * character(-k * (i - l) / n)
    says = "(w ⋆ a)[i − l] by the convolution theorem: F⁻¹ of the product of the spectra"
    p.become(sum_over(k, spectra) * (1 / cardinality(k.sort)), back, says)
    p.rewrite(hypothesis, {k: k}, says="which is 1 at every k")
    p.orthogonality(k, "the characters sum to n·δ")


def reciprocal_library(given: Given) -> dict[str, object]:
    fft = given.xp.fft
    w = fft.ifft(1 / fft.fft(given["a"]))
    return {"lhs": (eq.Circulant(w) @ eq.Circulant(given["a"])).dense()}


INVERSES = Claim(
    says="an inverse of C_w is constant along its diagonals: if C_w A = I = A C_w, then A[i + k, l + k] = A[i, l]",
    goal=inverses,
    script=inverses_script,
    meanings=inverse_meanings,
    twins=(
        Twin("A is the inverse of a Hankel matrix, w[i + j]", {"of_hankel": True}, hankel_meanings),
        Twin("the other diagonals: A[i + k, l − k]", {"along": -1}),
        Twin("A is constant along its columns: A[i + k, l]", {"along": 0}),
    ),
    library=inverses_library,
)

PRINTED = Claim(
    says="under w[j − i], too: if C′_w A = I = A C′_w, then A[i + k, l + k] = A[i, l]",
    goal=printed,
    script=inverses_script,
    meanings=transposed_meanings,
    twins=(
        Twin("A is the inverse of a Hankel matrix, w[i + j]", {"of_hankel": True}, hankel_meanings),
        Twin("the other diagonals: A[i + k, l − k]", {"along": -1}),
    ),
    library=printed_library,
)

LAW = Law(
    name="circulant_inverse",
    title="An inverse of a circulant is a circulant, whose spectrum is the reciprocal",
    items=("(14)", "L28"),
    claims=(
        INVERSES,
        Claim(
            says="so it is the circulant of its first column: A[i, l] = A[i − l, 0]",
            goal=first_column,
            script=first_column_script,
            meanings=inverse_meanings,
            twins=(
                Twin("A[i + l, 0]", {"sign": -1}),
                Twin("it is read off the second column: A[i − l, 1]", {"column": 1}),
            ),
            library=first_column_library,
        ),
        PRINTED,
        Claim(
            says="so it is the C′ of its first row: A[i, l] = A[0, l − i]",
            goal=first_row,
            script=first_row_script,
            meanings=transposed_meanings,
            twins=(
                Twin("A[0, l + i]", {"sign": -1}),
                Twin("it is read off the second row: A[1, l − i]", {"row": 1}),
            ),
            library=first_row_library,
        ),
        Claim(
            says="if C_w A = I and a is A's first column, then ŵ(k)·â(k) = 1 for every k: no eigenvalue of C_w is 0",
            goal=spectrum,
            script=spectrum_script,
            meanings=inverse_meanings,
            twins=(
                Twin("A need not be an inverse", {"hypothesis": False}, any_matrix),
                Twin("ŵ is read at −k", {"reverse": -1}),
                Twin("A's first row, which is its first column read backwards", {"of_row": True}),
                Twin("A's second column", {"late": 1}),
            ),
            library=spectrum_library,
        ),
        Claim(
            says="and back: if ŵ(k)·â(k) = 1 for every k, then C_w C_a = I",
            goal=reciprocal,
            script=reciprocal_script,
            meanings=inverse_meanings,
            twins=(
                Twin("the second matrix is a[j − i]", {"made": transposed_circulant}),
                Twin("C_w C_a = S_1", {"at": 1}),
            ),
            library=reciprocal_library,
        ),
    ),
)
