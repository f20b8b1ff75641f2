"""Convolution is the most general linear map that commutes with shifts: lecture L30, with L29 for the converse.

A linear map is a matrix: (M x)[i] = Σ_j M[i, j]·x[j]. If it commutes with the shifts (the unit shift is enough, on a grid one for each axis) then
M[i, j] depends on i − j alone: M is a circulant, and M x the convolution with its first column, or the correlation with its first row.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import equiconv as eq
from proofs.crosscheck import Given
from proofs.evaluation import Meaning, World, pseudorandom
from proofs.language import (
    Cyclic,
    Fun,
    Theorem,
    Unit,
    apply,
    assume,
    circulant,
    convolution,
    correlation,
    delta,
    product,
    shift_matrix,
    shifted,
    size,
    sum_over,
    variables,
)
from proofs.laws import Claim, Law, Meanings, Twin
from proofs.proving import Goal, Proof

n = size("n")
i, j, k, l, a, v = variables("i j k l a v", Cyclic(n))
(e,) = variables("e", Unit())
M, w = Fun("M", (Cyclic(n), Cyclic(n))), Fun("w", (Cyclic(n),))
x, y = Fun("x", (Cyclic(n),)), Fun("y", (Cyclic(n),))


def commutes(other: int = 1) -> Theorem:
    """M S_k = S_k M for every k"""
    left, right = product(M, shift_matrix(k, n), a), product(shift_matrix(other * k, n), M, a)
    return assume(left(i, l), right(i, l), i, k, l)


def follows(step: int = 1, other: int = 1) -> Theorem:
    """M (S_e y) = S_e (M y) for every signal y and unit vector e"""
    left, right = apply(M, shifted(y, step * e), a), shifted(apply(M, y, a), step * other * e)
    return assume(left(i), right(i), i, e, y)


COMMUTES, FOLLOWS = commutes(), follows()


# matrices to evaluate at -----------------------------------------------------------------------------------------------------


def constant_along(sign: int) -> Meanings:
    """M[i, j] = w[i − sign·j]: a circulant, or for −1 a Hankel matrix"""

    def meanings(world: World) -> Mapping[str, Meaning]:
        def entry(p: tuple[int, ...], q: tuple[int, ...]) -> Any:
            diagonal = tuple((b - sign * c) % m for b, c, m in zip(p, q, world.sizes["n"], strict=True))
            return pseudorandom(world, "w", diagonal)

        return {"M": entry}

    return meanings


def pseudorandom_matrix(_: World) -> Mapping[str, Meaning]:
    return {}


CIRCULANT, HANKEL, ANY = constant_along(1), constant_along(-1), pseudorandom_matrix


# a circulant commutes with all shifts ----------------------------------------------------------------------------------------


def converse(shift_sign: int = 1) -> Goal:
    left = apply(circulant(w), shifted(x, k), j)(i)
    return Goal(left, shifted(apply(circulant(w), x, j), shift_sign * k)(i))


def converse_script(p: Proof) -> None:
    p.reindex({j: j + k}, "count j from k on")


def converse_library(given: Given) -> dict[str, object]:
    c, x, n = eq.Circulant(given["w"]), given["x"], given["n"]
    shifts = [eq.Shift(k, n) for k in range(n)]
    return {
        "lhs": given.xp.stack([c @ (s @ x) for s in shifts], 1),
        "rhs": given.xp.stack([s @ (c @ x) for s in shifts], 1),
    }


# what commutes with all shifts is a circulant --------------------------------------------------------------------------------


def all_shifts(hypothesis: Theorem | None = COMMUTES, sign: int = 1) -> Goal:
    return Goal(M(i, j), M(i - sign * j, 0), (hypothesis,) if hypothesis else ())


def all_shifts_script(p: Proof) -> None:
    hypothesis = (*p.hypotheses, COMMUTES)[0]
    p.become(sum_over(a, M(i, a) * delta(a - j, n)), lambda s: s.sift(a), "an entry of M S_j: S_j e_0 = e_j")
    p.rewrite(hypothesis, {k: j, l: 0}, says="M S_j = S_j M")
    p.sift(a, "an entry of S_j M is one of M, j rows higher")


# what follows the unit shift is a circulant ----------------------------------------------------------------------------------


def one_step(hypothesis: Theorem | None = FOLLOWS, column_step: int = 1) -> Goal:
    return Goal(M(i + e, j + column_step * e), M(i, j), (hypothesis,) if hypothesis else ())


def one_step_script(p: Proof) -> None:
    hypothesis = (*p.hypotheses, FOLLOWS)[0]
    shifted_spike = sum_over(a, M(i + e, a) * delta(a - e - j, n))
    p.become(shifted_spike, lambda s: s.sift(a), "row i + e of M applied to a spike at j that is shifted by e")
    p.rewrite(
        hypothesis, {i: i + e}, {y: ((l,), delta(l - j, n))}, "M follows the shift: row i applied to the spike at j"
    )
    p.sift(a, "which picks column j")


def one_step_library(given: Given) -> dict[str, object]:
    up = eq.Shift(-1, given["n"])
    return {"lhs": (up @ (up @ given["M"]).T).T[None], "rhs": given["M"][None]}


def unit_shift(hypothesis: Theorem | None = FOLLOWS, sign: int = 1) -> Goal:
    return Goal(M(i, j), M(i - sign * j, 0), (hypothesis,) if hypothesis else ())


def unit_shift_script(p: Proof) -> None:
    diagonal = M(i - j + v, v)
    p.induct(
        diagonal,
        v,
        e,
        j,
        lambda s: s.rewrite(ONE_STEP.theorem, {i: i - j + v, j: v}),
        "a step down the diagonal changes nothing, so neither do j steps up to its top",
    )


def matrix_library(given: Given) -> dict[str, object]:
    return {"lhs": given["M"], "rhs": eq.Circulant(given["M"][:, 0]).dense()}


# and so it is a convolution --------------------------------------------------------------------------------------------------


def is_convolution(hypothesis: Theorem | None = FOLLOWS, transposed: bool = False) -> Goal:
    kernel = (lambda d: M(0, d)) if transposed else (lambda d: M(d, 0))
    return Goal(apply(M, x, j)(i), convolution(x, kernel, j)(i), (hypothesis,) if hypothesis else ())


def is_convolution_script(p: Proof) -> None:
    p.rewrite(BY_UNIT_SHIFT.theorem, says="M[i, j] = M[i − j, 0], as M follows the unit shifts")


def is_convolution_library(given: Given) -> dict[str, object]:
    return {"lhs": given["M"] @ given["x"], "rhs": eq.circular_convolve(given["x"], given["M"][:, 0])}


# and a correlation, as layers are --------------------------------------------------------------------------------------------


def is_correlation(hypothesis: Theorem | None = FOLLOWS, transposed: bool = False, convolve: bool = False) -> Goal:
    kernel = (lambda d: M(d, 0)) if transposed else (lambda d: M(0, d))
    filtered = convolution(x, kernel, j) if convolve else correlation(x, kernel, j)
    return Goal(apply(M, x, j)(i), filtered(i), (hypothesis,) if hypothesis else ())


def is_correlation_script(p: Proof) -> None:
    p.reindex({j: i + j}, "count the columns from the diagonal on")
    p.rewrite(BY_UNIT_SHIFT.theorem, {j: i + j}, says="M[i, i + j] = M[−j, 0], as M follows the unit shifts")
    p.right.rewrite(BY_UNIT_SHIFT.theorem, {i: 0}, says="and so is M[0, j]")


def is_correlation_library(given: Given) -> dict[str, object]:
    return {"lhs": given["M"] @ given["x"], "rhs": eq.circular_correlate(given["x"], given["M"][0])}


FALSE_HYPOTHESES = (
    Twin("M need not follow any shift", {"hypothesis": None}, meanings=ANY),
    Twin("M follows the shift by 2 only: enough for odd n, not for even n", {"hypothesis": follows(2)}, meanings=ANY),
    Twin("the output moves the other way", {"hypothesis": follows(1, -1)}, meanings=HANKEL),
)

ONE_STEP = Claim(
    says="if M (S_e y) = S_e (M y) for every y and unit vector e, then M[i + e, j + e] = M[i, j]",
    goal=one_step,
    script=one_step_script,
    twins=(*FALSE_HYPOTHESES, Twin("M is constant along the other diagonals", {"column_step": -1})),
    meanings=CIRCULANT,
    library=one_step_library,
)

BY_UNIT_SHIFT = Claim(
    says="if M (S_e y) = S_e (M y) for every y and unit vector e, then M[i, j] = M[i − j, 0]: the unit shifts are enough",
    goal=unit_shift,
    script=unit_shift_script,
    twins=(*FALSE_HYPOTHESES, Twin("M depends on i + j", {"sign": -1})),
    meanings=CIRCULANT,
    library=matrix_library,
)

LAW = Law(
    name="most_general",
    title="The linear maps that commute with circular shifts are the circulants, and no others",
    items=("L29", "L30"),
    claims=(
        Claim(
            says="every circulant commutes with every shift: C_w (S_k x) = S_k (C_w x)",
            goal=converse,
            script=converse_script,
            twins=(
                Twin("the output moves the other way", {"shift_sign": -1}),
                Twin("the output does not move", {"shift_sign": 0}),
            ),
            library=converse_library,
        ),
        Claim(
            says="if M S_k = S_k M for every k, then M[i, j] = M[i − j, 0]: M is a circulant",
            goal=all_shifts,
            script=all_shifts_script,
            twins=(
                Twin("M need not commute with any shift", {"hypothesis": None}, meanings=ANY),
                Twin(
                    "the shift on one side is transposed: M S_k = S_kᵀ M", {"hypothesis": commutes(-1)}, meanings=HANKEL
                ),
                Twin("M depends on i + j", {"sign": -1}),
            ),
            meanings=CIRCULANT,
            library=matrix_library,
        ),
        ONE_STEP,
        BY_UNIT_SHIFT,
        Claim(
            says="if M (S_e y) = S_e (M y) for every y and unit vector e, then M x = x ⋆ M[·, 0]: a convolution with M's first column",
            goal=is_convolution,
            script=is_convolution_script,
            twins=(
                Twin("M need not follow any shift", {"hypothesis": None}, meanings=ANY),
                Twin("with M's first row", {"transposed": True}),
            ),
            meanings=CIRCULANT,
            library=is_convolution_library,
        ),
        Claim(
            says="if M (S_e y) = S_e (M y) for every y and unit vector e, then (M x)[i] = Σ_j M[0, j]·x[i + j]: a correlation with M's first row",
            goal=is_correlation,
            script=is_correlation_script,
            twins=(
                Twin("M need not follow any shift", {"hypothesis": None}, meanings=ANY),
                Twin("with M's first column", {"transposed": True}),
                Twin("the convolution with M's first row", {"convolve": True}),
            ),
            meanings=CIRCULANT,
            library=is_correlation_library,
        ),
    ),
)
