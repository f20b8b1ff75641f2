"""The characters are eigenvectors of every circulant matrix, and its eigenvalues are the DFT of its first column: lecture L24, L25."""

from __future__ import annotations

from typing import Any

import equiconv as eq
from proofs.crosscheck import Given
from proofs.language import (
    Cyclic,
    Fun,
    Term,
    cardinality,
    character,
    circulant,
    delta,
    dft,
    size,
    sum_over,
    transposed_circulant,
    variables,
)
from proofs.laws import Claim, Law, Twin
from proofs.proving import Goal, Proof

n = size("n")
i, j, k, l, a = variables("i j k l a", Cyclic(n))
w = Fun("w", (Cyclic(n),))


def wave(frequency: Any, position: Any, sign: int = -1) -> Term:
    """f_k[i] = ω^(−k·i/n)"""
    return character(sign * frequency * position / n)


def waves(given: Given) -> Any:
    """The matrix with the columns f_k"""
    return given.xp.fft.fft(given.xp.eye(given["n"], dtype=given.xp.complex128)).conj()


# C_w f_k = ŵ(k) f_k --------------------------------------------------------------------------------------------------------


def eigenvector(sign: int = -1, shifted: int = 0) -> Goal:
    left = sum_over(j, circulant(w)(i, j) * wave(k, j, sign))
    return Goal(left, dft(w, a)(k + shifted) * wave(k, i, sign))


def eigenvector_script(p: Proof) -> None:
    p.reindex({j: i - j}, "count j backwards from i: the wave splits into its value at i and a conjugate wave")


def eigenvector_library(given: Given) -> dict[str, object]:
    matrix = eq.Circulant(given["w"])
    return {"lhs": matrix @ waves(given), "rhs": matrix.eigvals() * waves(given)}


# C_wᵀ f_k = ŵ(−k) f_k ------------------------------------------------------------------------------------------------------


def transposed(spectrum_sign: int = -1, wave_sign: int = -1) -> Goal:
    left = sum_over(j, transposed_circulant(w)(i, j) * wave(k, j, wave_sign))
    return Goal(left, dft(w, a)(spectrum_sign * k) * wave(k, i, wave_sign))


def transposed_script(p: Proof) -> None:
    p.reindex({j: i + j}, "count j from i on: the wave splits into its value at i and a wave")


def transposed_library(given: Given) -> dict[str, object]:
    matrix = eq.Circulant(given["w"], convention="correlation")
    return {"lhs": matrix @ waves(given), "rhs": matrix.eigvals() * waves(given)}


# F C_w F⁻¹ = diag(ŵ) -------------------------------------------------------------------------------------------------------


def diagonal(inverse_sign: int = -1, divided: bool = True) -> Goal:
    left = sum_over((i, j), character(k * i / n) * circulant(w)(i, j) * character(inverse_sign * j * l / n))
    return Goal(left * (1 / cardinality(i.sort)) if divided else left, delta(k - l, n) * dft(w, i)(k))


def diagonal_script(p: Proof) -> None:
    p.reindex({i: i + j}, "count i from j on: w depends on i alone")
    p.orthogonality(j, "the characters sum to n·δ: only k = l is left")


def diagonal_library(given: Given) -> dict[str, object]:
    fft = given.xp.fft
    matrix = eq.Circulant(given["w"])
    left = fft.ifft(fft.fft(matrix.dense().T).T)
    return {"lhs": left, "rhs": given.xp.diag(matrix.eigvals())}


# C_w = F⁻¹ diag(ŵ) F -------------------------------------------------------------------------------------------------------


def assembled(row_sign: int = -1, spectrum_sign: int = 1) -> Goal:
    terms = character(row_sign * k * i / n) * dft(w, a)(spectrum_sign * k) * character(k * j / n)
    return Goal(sum_over(k, terms) * (1 / cardinality(k.sort)), circulant(w)(i, j))


def assembled_script(p: Proof) -> None:
    p.orthogonality(k, "the characters sum to n·δ")
    p.sift(a, "only a = i − j counts")


def assembled_library(given: Given) -> dict[str, object]:
    fft = given.xp.fft
    matrix = eq.Circulant(given["w"])
    columns = fft.fft(given.xp.eye(given["n"], dtype=given.xp.complex128)).T * matrix.eigvals()
    return {"lhs": fft.ifft(columns).T, "rhs": matrix.dense()}


LAW = Law(
    name="dft_diagonalises",
    title="The DFT diagonalises every circulant matrix; its eigenvalues are the DFT of its first column",
    items=("L24", "L25"),
    claims=(
        Claim(
            says="C_w f_k = ŵ(k)·f_k with f_k[i] = ω^(−k·i/n)",
            goal=eigenvector,
            script=eigenvector_script,
            twins=(
                Twin("the wave turns the other way, and its eigenvalue is then ŵ(−k)", {"sign": 1}),
                Twin("the eigenvalue of the next frequency", {"shifted": 1}),
            ),
            library=eigenvector_library,
        ),
        Claim(
            says="C_wᵀ f_k = ŵ(−k)·f_k: the matrix of the correlation has the same eigenvectors",
            goal=transposed,
            script=transposed_script,
            twins=(
                Twin("the eigenvalue of the convolution", {"spectrum_sign": 1}),
                Twin("the wave turns the other way", {"wave_sign": 1}),
            ),
            library=transposed_library,
        ),
        Claim(
            says="F C_w F⁻¹ = diag(ŵ)",
            goal=diagonal,
            script=diagonal_script,
            twins=(
                Twin("F on both sides: then k = −l is left", {"inverse_sign": 1}),
                Twin("F⁻¹ without its factor 1/n", {"divided": False}),
            ),
            library=diagonal_library,
        ),
        Claim(
            says="C_w = F⁻¹ diag(ŵ) F",
            goal=assembled,
            script=assembled_script,
            twins=(
                Twin("F on both sides", {"row_sign": 1}),
                Twin("the eigenvalues of the transpose", {"spectrum_sign": -1}),
            ),
            library=assembled_library,
        ),
    ),
)
