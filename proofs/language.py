"""Words for theorem files: variables, signals, matrices and transforms, all of which unfold to the kernel's terms."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

from sympy import Expr

from proofs.kernel import Cyclic, Fun, Integers, Lambda, Range, Term, Theorem, Unit, Var, rules, size
from proofs.kernel.indices import Sort, Variable
from proofs.kernel.terms import as_term, cardinality, character, conjugate, delta, sum_over

Signal: TypeAlias = Callable[[Any], Term]
Matrix: TypeAlias = Callable[[Any, Any], Term]


def variables(names: str, sort: Sort) -> tuple[Var, ...]:
    """``i, j = variables("i j", Cyclic(n))``"""
    return tuple(Var(name, sort) for name in names.split())


def body(*arguments: Any) -> Lambda:
    """``body(j, term)`` is λj. term; ``body(term)`` is a plain value."""
    *bound, term = arguments
    return Lambda(tuple(bound), term)


def assume(lhs: Term | int, rhs: Term | int, *over: Variable | Fun) -> Theorem:
    """The hypothesis ∀ over. lhs = rhs; what it speaks of besides ``over`` is fixed."""
    return rules.assume(as_term(lhs), as_term(rhs), over)


def shifted(x: Signal, k: Any) -> Signal:
    """(S_k x)[i] = x[i − k]"""
    return lambda i: x(i - k)


def convolution(x: Signal, w: Signal, j: Var) -> Signal:
    """(x ⋆ w)[i] = Σ_j x[j]·w[i − j], lecture (9)"""
    return lambda i: sum_over(j, x(j) * w(i - j))


def correlation(x: Signal, w: Signal, j: Var) -> Signal:
    """Σ_j w[j]·x[i + j], not conjugated"""
    return lambda i: sum_over(j, w(j) * x(i + j))


def circulant(w: Signal) -> Matrix:
    """C_w[i, j] = w[i − j], lecture L25"""
    return lambda i, j: w(i - j)


def transposed_circulant(w: Signal) -> Matrix:
    """w[j − i]: the matrix of the correlation, which the lecture's 5×5 example prints"""
    return lambda i, j: w(j - i)


def apply(matrix: Matrix, x: Signal, j: Var) -> Signal:
    """(M x)[i] = Σ_j M[i, j]·x[j]"""
    return lambda i: sum_over(j, matrix(i, j) * x(j))


def product(a: Matrix, b: Matrix, j: Var) -> Matrix:
    """(A B)[i, l] = Σ_j A[i, j]·B[j, l]"""
    return lambda i, l: sum_over(j, a(i, j) * b(j, l))


def shift_matrix(k: Any, modulus: Expr) -> Matrix:
    """S_k[i, j] = δ_n[i − k − j], so that (S_k x)[i] = x[i − k]"""
    return lambda i, j: delta(i - k - j, modulus)


def dft(x: Signal, i: Var) -> Signal:
    """x̂[k] = Σ_i x[i]·ω^(k·i/n)"""
    assert isinstance(i.sort, Cyclic)
    modulus = i.sort.modulus
    return lambda k: sum_over(i, x(i) * character(k * i / modulus))


def inverse_dft(x: Signal, k: Var) -> Signal:
    """(1/n)·Σ_k x[k]·ω^(−k·i/n)"""
    assert isinstance(k.sort, Cyclic)
    modulus = k.sort.modulus
    return lambda i: sum_over(k, x(k) * character(-k * i / modulus)) * (1 / cardinality(k.sort))


__all__ = [
    "Cyclic",
    "Fun",
    "Integers",
    "Lambda",
    "Matrix",
    "Range",
    "Signal",
    "Term",
    "Theorem",
    "Unit",
    "Var",
    "apply",
    "as_term",
    "assume",
    "body",
    "cardinality",
    "character",
    "circulant",
    "conjugate",
    "convolution",
    "correlation",
    "delta",
    "dft",
    "inverse_dft",
    "product",
    "shift_matrix",
    "shifted",
    "size",
    "sum_over",
    "transposed_circulant",
    "variables",
]
