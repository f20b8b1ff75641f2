"""The circulants are an algebra, that of the group Z_n: closed under linear combinations, products, transposes and adjoints; behind (14).

Sums, products and adjoints of circulants are circulants of kernels that can be written down, so everything about them is a statement about
kernels under ⋆, where e_j ⋆ e_k = e_{j+k}. C_w is w[i − j], and C′_w is w[j − i], the matrix that the lecture's example prints: the same holds for both.
Inverses are the law `circulant_inverse`.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import equiconv as eq
from proofs.crosscheck import Given
from proofs.language import (
    Cyclic,
    Fun,
    Matrix,
    Signal,
    circulant,
    conjugate,
    convolution,
    correlation,
    delta,
    product,
    size,
    transposed_circulant,
    variables,
)
from proofs.laws import Claim, Law, Twin
from proofs.proving import Goal, Proof

n = size("n")
i, j, k, l, a = variables("i j k l a", Cyclic(n))
w, v, u = (Fun(name, (Cyclic(n),)) for name in "wvu")
b, c = Fun("b"), Fun("c")


Convention = Callable[[Signal], Matrix]


def unit_vector(k: Any) -> Signal:
    return lambda i: delta(i - k, n)


def backwards(w: Signal, late: int = 0, conjugated: bool = False) -> Signal:
    """w[−i]"""
    return lambda i: conjugate(w(-i - late)) if conjugated else w(-i - late)


# C_w C_v = C_{w ⋆ v} --------------------------------------------------------------------------------------------------------


def products(correlate: bool = False, transposed: bool = False, made: Convention = circulant) -> Goal:
    kernel = correlation(v, w, j) if correlate else convolution(w, v, j)
    other = transposed_circulant if made is circulant else circulant
    return Goal(product(made(w), made(v), j)(i, l), (other if transposed else made)(kernel)(i, l))


def products_script(p: Proof) -> None:
    p.reindex({j: i - j}, "count j down from i: w[i − j] becomes w[j], and v's index i − l − j")


def products_library(given: Given, convention: Any = "convolution") -> dict[str, object]:
    w, v = given["w"], given["v"]
    return {
        "lhs": (eq.Circulant(w, convention=convention) @ eq.Circulant(v, convention=convention)).dense(),
        "rhs": eq.Circulant(eq.circular_convolve(w, v), convention=convention).dense(),
    }


# b·C_w + c·C_v = C_{b·w + c·v} ----------------------------------------------------------------------------------------------


def combinations(reverse: bool = False, shared: bool = False, made: Convention = circulant) -> Goal:
    right = backwards(v) if reverse else v
    factor = b if shared else c
    return Goal(
        b() * made(w)(i, j) + c() * made(v)(i, j),
        made(lambda i: b() * w(i) + factor() * right(i))(i, j),
    )


def combinations_script(_: Proof) -> None:
    """Both sides are the same: an entry of either is b·w[d] + c·v[d], d the distance from the diagonal."""


def combinations_library(given: Given, convention: Any = "convolution") -> dict[str, object]:
    w, v, b, c = given["w"], given["v"], given["b"], given["c"]
    W, V = (eq.Circulant(kernel, convention=convention).dense() for kernel in (w, v))
    return {"lhs": b * W + c * V, "rhs": eq.Circulant(b * w + c * v, convention=convention).dense()}


# C_wᵀ and C_wᴴ --------------------------------------------------------------------------------------------------------------


def transposes(reverse: bool = True, late: int = 0, made: Convention = circulant) -> Goal:
    return Goal(made(w)(j, i), made(backwards(w, late) if reverse else w)(i, j))


def transposes_script(_: Proof) -> None:
    """Both sides are the same by index arithmetic: j − i = −(i − j)."""


def transposes_library(given: Given, convention: Any = "convolution") -> dict[str, object]:
    xp, w = given.xp, given["w"]
    right = xp.roll(xp.flip(w, (0,)), 1)
    C, transposed = (eq.Circulant(kernel, convention=convention) for kernel in (w, right))
    return {"lhs": C.T.dense(), "rhs": transposed.dense()}


def adjoints(conjugated: bool = True, late: int = 0, made: Convention = circulant) -> Goal:
    return Goal(conjugate(made(w)(j, i)), made(backwards(w, late, conjugated))(i, j))


def adjoints_library(given: Given, convention: Any = "convolution") -> dict[str, object]:
    xp, w = given.xp, given["w"]
    right = xp.conj(xp.roll(xp.flip(w, (0,)), 1))
    C, adjoint = (eq.Circulant(kernel, convention=convention) for kernel in (w, right))
    return {"lhs": C.H.dense(), "rhs": adjoint.dense()}


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


# under w[j − i] ---------------------------------------------------------------------------------------------------------------


def printed_products_script(p: Proof) -> None:
    p.reindex({j: i + j}, "count j up from i: w[j − i] becomes w[j], and v's index l − i − j")


PRINTED = (
    Claim(
        says="under w[j − i]: C′_w C′_v = C′_{w ⋆ v}, with the same ⋆, the convolution",
        goal=partial(products, made=transposed_circulant),
        script=printed_products_script,
        twins=(
            Twin("the kernels are correlated, not convolved", {"correlate": True}),
            Twin("the product is read as w[i − j], that is transposed", {"transposed": True}),
        ),
        library=partial(products_library, convention="correlation"),
    ),
    Claim(
        says="under w[j − i]: b·C′_w + c·C′_v = C′_{b·w + c·v}",
        goal=partial(combinations, made=transposed_circulant),
        script=combinations_script,
        twins=(
            Twin("v is reversed on the right", {"reverse": True}),
            Twin("v has w's factor", {"shared": True}),
        ),
        library=partial(combinations_library, convention="correlation"),
    ),
    Claim(
        says="under w[j − i]: C′_wᵀ is the C′ of w[−i]",
        goal=partial(transposes, made=transposed_circulant),
        script=transposes_script,
        twins=(
            Twin("a circulant is its own transpose", {"reverse": False}),
            Twin("the array reversed, w[n − 1 − i], is not w[−i]", {"late": 1}),
        ),
        library=partial(transposes_library, convention="correlation"),
    ),
    Claim(
        says="under w[j − i]: C′_wᴴ is the C′ of conj(w[−i])",
        goal=partial(adjoints, made=transposed_circulant),
        script=transposes_script,
        twins=(
            Twin("the conjugate is forgotten", {"conjugated": False}),
            Twin("the array reversed, w[n − 1 − i], is not w[−i]", {"late": 1}),
        ),
        library=partial(adjoints_library, convention="correlation"),
    ),
)

LAW = Law(
    name="circulant_algebra",
    title="The circulants are closed under linear combinations, products, transposes and adjoints: the algebra of the group Z_n",
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
        *PRINTED,
    ),
)
