"""The circulants are an algebra, that of the group Z_n: closed under linear combinations, products, transposes and inverses; behind (14).

Sums, products and adjoints of circulants are circulants of kernels that can be written down, so everything about them is a statement about
kernels under ⋆, where e_j ⋆ e_k = e_{j+k}. An inverse is a circulant as well, although its kernel has no such formula.
"""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from typing import Any

import equiconv as eq
from proofs.crosscheck import Given
from proofs.evaluation import Meaning, World
from proofs.language import (
    Cyclic,
    Fun,
    Matrix,
    Signal,
    assume,
    circulant,
    conjugate,
    convolution,
    correlation,
    delta,
    product,
    size,
    sum_over,
    transposed_circulant,
    variables,
)
from proofs.laws import Claim, Law, Twin
from proofs.proving import Goal, Proof, Side

n = size("n")
i, j, k, l, m, a = variables("i j k l m a", Cyclic(n))
w, v, u = (Fun(name, (Cyclic(n),)) for name in "wvu")
b, c = Fun("b"), Fun("c")
A = Fun("A", (Cyclic(n), Cyclic(n)))


def unit_vector(k: Any) -> Signal:
    return lambda i: delta(i - k, n)


def backwards(w: Signal, late: int = 0, conjugated: bool = False) -> Signal:
    """w[−i]"""
    return lambda i: conjugate(w(-i - late)) if conjugated else w(-i - late)


# C_w C_v = C_{w ⋆ v} --------------------------------------------------------------------------------------------------------


def products(correlate: bool = False, transposed: bool = False) -> Goal:
    kernel = correlation(v, w, j) if correlate else convolution(w, v, j)
    made = transposed_circulant if transposed else circulant
    return Goal(product(circulant(w), circulant(v), j)(i, l), made(kernel)(i, l))


def products_script(p: Proof) -> None:
    p.reindex({j: i - j}, "count j down from i: w[i − j] becomes w[j], and v's index i − l − j")


def products_library(given: Given) -> dict[str, object]:
    w, v = given["w"], given["v"]
    return {
        "lhs": (eq.Circulant(w) @ eq.Circulant(v)).dense(),
        "rhs": eq.Circulant(eq.circular_convolve(w, v)).dense(),
    }


# b·C_w + c·C_v = C_{b·w + c·v} ----------------------------------------------------------------------------------------------


def combinations(reverse: bool = False, shared: bool = False) -> Goal:
    right = backwards(v) if reverse else v
    factor = b if shared else c
    return Goal(
        b() * circulant(w)(i, j) + c() * circulant(v)(i, j),
        circulant(lambda i: b() * w(i) + factor() * right(i))(i, j),
    )


def combinations_script(_: Proof) -> None:
    """Both sides are the same: the entry of either is b·w[i − j] + c·v[i − j]."""


def combinations_library(given: Given) -> dict[str, object]:
    w, v, b, c = given["w"], given["v"], given["b"], given["c"]
    return {
        "lhs": b * eq.Circulant(w).dense() + c * eq.Circulant(v).dense(),
        "rhs": eq.Circulant(b * w + c * v).dense(),
    }


# C_wᵀ and C_wᴴ --------------------------------------------------------------------------------------------------------------


def transposes(reverse: bool = True, late: int = 0) -> Goal:
    return Goal(circulant(w)(j, i), circulant(backwards(w, late) if reverse else w)(i, j))


def transposes_script(_: Proof) -> None:
    """Both sides are the same by index arithmetic: j − i = −(i − j)."""


def transposes_library(given: Given) -> dict[str, object]:
    xp, w = given.xp, given["w"]
    reversed_kernel = xp.roll(xp.flip(w, (0,)), 1)
    return {"lhs": eq.Circulant(w).T.dense(), "rhs": eq.Circulant(reversed_kernel).dense()}


def adjoints(conjugated: bool = True, late: int = 0) -> Goal:
    return Goal(conjugate(circulant(w)(j, i)), circulant(backwards(w, late, conjugated))(i, j))


def adjoints_library(given: Given) -> dict[str, object]:
    xp, w = given.xp, given["w"]
    reversed_kernel = xp.roll(xp.flip(w, (0,)), 1)
    return {"lhs": eq.Circulant(w).H.dense(), "rhs": eq.Circulant(xp.conj(reversed_kernel)).dense()}


# the group algebra: e_0 is the unit, e_j ⋆ e_k = e_{j+k}, ⋆ is associative --------------------------------------------------


def unit(at: int = 0, correlate: bool = False) -> Goal:
    one = unit_vector(at)
    return Goal((correlation(one, w, j) if correlate else convolution(w, one, j))(i), w(i))


def unit_script(p: Proof) -> None:
    p.sift(j, "only j = i counts")


def unit_library(given: Given) -> dict[str, object]:
    xp, w = given.xp, given["w"]
    return {"lhs": eq.circular_convolve(w, xp.eye(given["n"], dtype=w.dtype)[0])}


def units(sign: int = 1, correlate: bool = False) -> Goal:
    first, second = unit_vector(j), unit_vector(k)
    left = correlation(second, first, a) if correlate else convolution(first, second, a)
    return Goal(left(i), unit_vector(j + sign * k)(i))


def units_script(p: Proof) -> None:
    p.sift(a, "only a = j counts")


def units_library(given: Given) -> dict[str, object]:
    xp, n = given.xp, given["n"]
    e = xp.eye(n, dtype=xp.float64)
    return {
        "lhs": xp.stack([xp.stack([eq.circular_convolve(e[j], e[k]) for k in range(n)], -1) for j in range(n)], -2),
        "rhs": xp.stack([xp.stack([e[(j + k) % n] for k in range(n)], -1) for j in range(n)], -2),
    }


def associative(inner: bool = True, outer: bool = True) -> Goal:
    """(w ⋆ v) ⋆ u = w ⋆ (v ⋆ u), with a correlation in the place of a ⋆ where ``inner`` or ``outer`` is false."""
    left = convolution(convolution(w, v, a), u, j) if outer else correlation(u, convolution(w, v, a), j)
    nested = convolution(v, u, a) if inner else correlation(u, v, a)
    right = convolution(w, nested, j) if outer else correlation(nested, w, j)
    return Goal(left(i), right(i))


def associative_script(p: Proof) -> None:
    p.reindex({j: j + a}, "count j from a on: w[a], v[j] and u[i − a − j] are left")


def associative_library(given: Given) -> dict[str, object]:
    star = eq.circular_convolve
    w, v, u = given["w"], given["v"], given["u"]
    return {"lhs": star(star(w, v), u), "rhs": star(w, star(v, u))}


# inverses -------------------------------------------------------------------------------------------------------------------


def inverse_of(matrix: Matrix) -> tuple[Any, Any]:
    """The hypotheses that A is a two-sided inverse."""
    right = assume(product(matrix, A, j)(i, l), delta(i - l, n), i, l)
    left = assume(product(A, matrix, m)(i, l), delta(i - l, n), i, l)
    return right, left


def hankel(i: Any, j: Any) -> Any:
    return w(i + j)


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


def first_column(sign: int = 1, column: int = 0) -> Goal:
    return Goal(A(i, l), A(i - sign * l, column), inverse_of(circulant(w)))


def first_column_script(p: Proof) -> None:
    p.rewrite(
        INVERSES.theorem,
        {k: -l},
        says="A is constant along its diagonals: go −l along this one, to the first column",
        backwards=True,
    )


def inverse_meanings(world: World) -> Mapping[str, Meaning]:
    """C_w = S_1 + J, J the matrix of ones, whose inverse is S_{−1} − J/(1 + N), N the number of entries."""
    sizes = world.sizes["n"]
    one = tuple(1 % size for size in sizes)
    ones = Fraction(1, 1 + world.cardinality("n"))

    def kernel(k: Any) -> Any:
        return world.field.number(Fraction(1 + (k == one)))

    def inverse(i: Any, l: Any) -> Any:
        moved = tuple((p + 1 - q) % size == 0 for p, q, size in zip(i, l, sizes, strict=True))
        return world.field.number(all(moved) - ones)

    return {"w": kernel, "A": inverse}


def hankel_meanings(world: World) -> Mapping[str, Meaning]:
    """The reversal R makes a Hankel matrix of a circulant, w[i + j] = (C_w R)[i, j], and R C_w⁻¹ is its inverse."""
    made = inverse_meanings(world)

    def inverse(i: Any, l: Any) -> Any:
        return made["A"](tuple(-p % size for p, size in zip(i, world.sizes["n"], strict=True)), l)

    return {**made, "A": inverse}


def _circulant_inverse(given: Given) -> Any:
    """The library's inverse of the circulant that A, inverted as any matrix is, gives."""
    w = given.xp.linalg.inv(given["A"])[:, 0]
    return eq.Circulant(w).inv().dense()


def inverses_library(given: Given) -> dict[str, object]:
    xp, n, dense = given.xp, given["n"], _circulant_inverse(given)
    moved = [xp.roll(dense, (-k, -k), (0, 1)) for k in range(n)]
    return {"lhs": xp.stack(moved, 1), "rhs": xp.stack([dense] * n, 1)}


def first_column_library(given: Given) -> dict[str, object]:
    dense = _circulant_inverse(given)
    return {"lhs": dense, "rhs": eq.Circulant(dense[:, 0]).dense()}


INVERSES = Claim(
    says="an inverse of C_w is constant along its diagonals: A[i + k, l + k] = A[i, l]",
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

LAW = Law(
    name="circulant_algebra",
    title="The circulants are closed under linear combinations, products, transposes and inverses: the algebra of the group Z_n",
    items=("(14)", "L28"),
    claims=(
        Claim(
            says="C_w C_v = C_{w ⋆ v}",
            goal=products,
            script=products_script,
            twins=(
                Twin("the kernels are correlated, not convolved", {"correlate": True}),
                Twin("the product is read as w[j − i], that is transposed", {"transposed": True}),
            ),
            library=products_library,
        ),
        Claim(
            says="b·C_w + c·C_v = C_{b·w + c·v}",
            goal=combinations,
            script=combinations_script,
            twins=(
                Twin("v is reversed on the right", {"reverse": True}),
                Twin("v has w's factor", {"shared": True}),
            ),
            library=combinations_library,
        ),
        Claim(
            says="C_wᵀ is the circulant of w[−i]",
            goal=transposes,
            script=transposes_script,
            twins=(
                Twin("a circulant is its own transpose", {"reverse": False}),
                Twin("the array reversed, w[n − 1 − i], is not w[−i]", {"late": 1}),
            ),
            library=transposes_library,
        ),
        Claim(
            says="C_wᴴ is the circulant of conj(w[−i])",
            goal=adjoints,
            script=transposes_script,
            twins=(
                Twin("the conjugate is forgotten", {"conjugated": False}),
                Twin("the array reversed, w[n − 1 − i], is not w[−i]", {"late": 1}),
            ),
            library=adjoints_library,
        ),
        Claim(
            says="w ⋆ e_0 = w: C_{e_0} = I is a circulant",
            goal=unit,
            script=unit_script,
            twins=(
                Twin("the unit vector is e_1, counted from one", {"at": 1}),
                Twin("w is slid over e_0, a correlation: that reverses it", {"correlate": True}),
            ),
            library=unit_library,
        ),
        Claim(
            says="e_j ⋆ e_k = e_{j+k}: ⋆ multiplies as the group Z_n adds",
            goal=units,
            script=units_script,
            twins=(
                Twin("e_{j−k}", {"sign": -1}),
                Twin("the unit vectors are correlated, not convolved", {"correlate": True}),
            ),
            library=units_library,
        ),
        Claim(
            says="(w ⋆ v) ⋆ u = w ⋆ (v ⋆ u)",
            goal=associative,
            script=associative_script,
            twins=(
                Twin("v is correlated with u on the right", {"inner": False}),
                Twin("w is correlated, on either side", {"outer": False}),
            ),
            library=associative_library,
        ),
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
    ),
)
