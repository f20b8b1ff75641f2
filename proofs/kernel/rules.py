"""The rules: the only makers of theorems.

A theorem says: under its hypotheses, its two sides are equal for every value of its free variables and every choice of its uninterpreted functions (each
symmetric one symmetric), in every dimension and for all sizes. Free variables and functions of a hypothesis are parameters, fixed throughout; those that
it is ``over`` are quantified inside it. Nothing here calls ``simplify`` or ``doit``, and nothing is compared numerically.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from dataclasses import replace as altered
from typing import Any, ClassVar

from sympy import Expr, Integer, Matrix, expand

from proofs.kernel.indices import (
    Cyclic,
    Index,
    Integers,
    KernelError,
    Letter,
    Range,
    Sealed,
    Unit,
    Var,
    Variable,
    Word,
    as_index,
    check_index,
    extent_of,
    integral,
    nonnegative,
    period_of,
    require,
    variables_of,
)
from proofs.kernel.terms import (
    Apply,
    Delta,
    Fun,
    Lambda,
    Summand,
    Term,
    as_term,
    cardinality,
    delta,
    substituted,
    sum_over,
    with_function,
)


@dataclass(frozen=True)
class Hypothesis:
    """∀ over. lhs = rhs"""

    lhs: Term
    rhs: Term
    over: frozenset[Variable | Fun]

    @property
    def parameters(self) -> frozenset[Variable | Fun]:
        return (self.lhs.free | self.rhs.free | self.lhs.functions | self.rhs.functions) - self.over


class Theorem(Sealed):
    """hypotheses ⊢ lhs = rhs. Made by the functions of this module and in no other way."""

    __slots__ = ("_seal", "hypotheses", "lhs", "rhs")
    _seal: object
    hypotheses: frozenset[Hypothesis]
    lhs: Term
    rhs: Term
    _maker: ClassVar[object] = object()

    def __init__(self, maker: object, hypotheses: Iterable[Hypothesis], lhs: Term, rhs: Term) -> None:
        require(maker is Theorem._maker, "a theorem is made by the kernel's rules only")
        require(type(lhs) is Term and type(rhs) is Term, "a theorem equates terms")
        for name, value in (("_seal", maker), ("hypotheses", frozenset(hypotheses)), ("lhs", lhs), ("rhs", rhs)):
            object.__setattr__(self, name, value)

    def __setattr__(self, name: str, value: Any) -> None:
        raise KernelError("a theorem cannot be changed")

    def __delattr__(self, name: str) -> None:
        raise KernelError("a theorem cannot be changed")

    def __reduce__(self) -> Any:
        raise KernelError("a theorem cannot be copied or stored: prove it again")

    @property
    def parameters(self) -> frozenset[Variable | Fun]:
        """What its hypotheses speak of, and so is fixed."""
        return frozenset().union(*(h.parameters for h in self.hypotheses))


def _theorem(lhs: Term, rhs: Term, *premises: Theorem, hypotheses: frozenset[Hypothesis] | None = None) -> Theorem:
    """A theorem that follows from the premises, under their hypotheses where no others are given."""
    real = all(type(p) is Theorem and getattr(p, "_seal", None) is Theorem._maker for p in premises)
    require(real, "a premise is no theorem of this kernel")
    inherited = frozenset().union(*(p.hypotheses for p in premises))
    return Theorem(Theorem._maker, inherited if hypotheses is None else hypotheses, lhs, rhs)


def _require_free(theorem: Theorem, things: Iterable[Variable | Fun], what: str) -> None:
    fixed = [t.name for t in things if t in theorem.parameters]
    require(not fixed, f"{', '.join(fixed)} is a parameter of a hypothesis, and {what} asks for any value")


# --- equality and linearity ---------------------------------------------------------------------------------------------


def reflexivity(term: Term) -> Theorem:
    """t = t, and so whatever the normal form makes equal: sums reordered and exchanged, products expanded, indices reduced."""
    return _theorem(term, term)


def symmetry(theorem: Theorem) -> Theorem:
    return _theorem(theorem.rhs, theorem.lhs, theorem)


def transitivity(first: Theorem, second: Theorem) -> Theorem:
    require(first.rhs == second.lhs, "the first equation does not end where the second begins")
    return _theorem(first.lhs, second.rhs, first, second)


def plus(theorem: Theorem, term: Term) -> Theorem:
    """a = b ⊢ a + t = b + t"""
    added = as_term(term)
    return _theorem(theorem.lhs + added, theorem.rhs + added, theorem)


def times(theorem: Theorem, term: Term) -> Theorem:
    """a = b ⊢ a·t = b·t"""
    factor = as_term(term)
    return _theorem(theorem.lhs * factor, theorem.rhs * factor, theorem)


def summed(theorem: Theorem, variables: Sequence[Variable]) -> Theorem:
    """a = b for all v ⊢ Σ_v a = Σ_v b"""
    bound = tuple(variables)
    _require_free(theorem, bound, "a sum")
    return _theorem(sum_over(bound, theorem.lhs), sum_over(bound, theorem.rhs), theorem)


def inside(theorem: Theorem, atom: Apply, position: int) -> Theorem:
    """a = b for all v ⊢ F[…, λv.a, …] = F[…, λv.b, …]; v as in the body of ``atom`` at ``position``, all else as in ``atom``."""
    require(
        type(atom) is Apply and type(position) is int and 0 <= position < len(atom.bodies),
        f"there is no body {position}",
    )
    variables = atom.bodies[position].variables
    _require_free(theorem, variables, "the body of a function")

    def applied(side: Term) -> Term:
        bodies = (*atom.bodies[:position], Lambda(variables, side), *atom.bodies[position + 1 :])
        return Term((Summand(Integer(1), (), (altered(atom, bodies=bodies),), Integer(0)),))

    return _theorem(applied(theorem.lhs), applied(theorem.rhs), theorem)


# --- hypotheses, instances, composition -----------------------------------------------------------------------------------


def assume(lhs: Term, rhs: Term, over: Iterable[Variable | Fun] = ()) -> Theorem:
    """{∀ over. lhs = rhs} ⊢ lhs = rhs"""
    quantified = frozenset(over)
    require(all(type(v) in (Var, Letter, Fun) for v in quantified), "variables and functions are quantified")
    return _theorem(lhs, rhs, hypotheses=frozenset({Hypothesis(lhs, rhs, quantified)}))


def _indices(mapping: Mapping[Any, Any]) -> dict[Variable, Index]:
    pairs = tuple(mapping.items())
    require(all(type(v) in (Var, Letter) for v, _ in pairs), "only variables are replaced")
    return {v: as_index(e) for v, e in pairs}


def instance(theorem: Theorem, mapping: Mapping[Variable, Any]) -> Theorem:
    """Free variables take values, all at once; each value must be of its variable's sort."""
    values = _indices(mapping)
    _require_free(theorem, values, "an instance")
    for v, e in values.items():
        check_index(e, v.sort)
    return _theorem(substituted(theorem.lhs, values), substituted(theorem.rhs, values), theorem)


def function_instance(theorem: Theorem, fun: Fun, variables: Sequence[Variable], value: Term) -> Theorem:
    """The function f becomes λ variables. value"""
    variables = tuple(variables)
    known = type(fun) is Fun and type(value) is Term and all(type(v) in (Var, Letter) for v in variables)
    require(known, "a function becomes a λ of variables and a term")
    _require_free(theorem, (fun,), "an instance")
    require(not fun.bodies, f"{fun.name} takes functions as arguments: only functions of indices can be instantiated")
    require(tuple(v.sort for v in variables) == fun.sorts, f"{fun.name} has indices of other sorts")
    require(len(set(variables)) == len(variables), "one variable for two arguments")
    lhs, rhs = (with_function(side, fun, variables, value) for side in (theorem.lhs, theorem.rhs))
    return _theorem(lhs, rhs, theorem)


def discharge(theorem: Theorem, lemma: Theorem) -> Theorem:
    """A hypothesis that the lemma proves is no longer needed; the lemma's own hypotheses are."""
    proved = [
        h for h in theorem.hypotheses if h.lhs == lemma.lhs and h.rhs == lemma.rhs and not h.over & lemma.parameters
    ]
    kept = theorem.hypotheses - set(proved)
    require(bool(proved), "the lemma is none of the hypotheses, or fixes what the hypothesis quantifies")
    return _theorem(theorem.lhs, theorem.rhs, theorem, lemma, hypotheses=kept | lemma.hypotheses)


# --- sums -----------------------------------------------------------------------------------------------------------------


def _single(term: Term) -> Summand:
    require(len(term.summands) == 1, "the rule takes one summand")
    return term.summands[0]


def _bound(term: Term, v: Variable) -> Summand:
    s = _single(term)
    require(v in s.binders, f"{v.name} is not summed over")
    return s


def _body(s: Summand, without: Iterable[Variable]) -> tuple[Term, list[Variable]]:
    """Σ_{rest} body, as body and rest."""
    dropped = set(without)
    return Term((altered(s, binders=()),)), [v for v in s.binders if v not in dropped]


def _require_bijection(mapping: Mapping[Variable, Index]) -> None:
    """v ↦ A·v + b permutes Z_N^r, whatever N: det A = ±1 over the integers, b free of v and well defined modulo N."""
    variables = list(mapping)
    require(bool(variables), "a substitution of nothing")
    sort = variables[0].sort
    require(all(v.sort == sort for v in variables), "the substitution mixes variables of different sorts")
    require(not any(isinstance(e, Word) for e in mapping.values()), "a substitution is of integers")
    if isinstance(sort, Range):
        require(len(variables) == 1, "over a range one variable at a time")
        v = variables[0]
        require(
            expand(mapping[v] - (sort.size - 1 - v)) == 0,
            f"{v.name} ↦ {mapping[v]} does not map {sort} onto itself: only the reversal does",
        )
        return
    require(isinstance(sort, Cyclic), f"no substitution over {sort}")
    matrix = Matrix([[expand(mapping[v]).coeff(w, 1) for w in variables] for v in variables])
    for v, row in zip(variables, matrix.tolist(), strict=True):
        offset = expand(mapping[v] - sum((a * w for a, w in zip(row, variables, strict=True)), Integer(0)))
        entangled = variables_of(offset) | frozenset().union(*map(variables_of, row))
        require(not entangled & set(variables), f"{v.name} ↦ {mapping[v]} is not affine")
        check_index(mapping[v], sort)
    require(
        expand(matrix.det()) in (1, -1), f"the substitution has determinant {expand(matrix.det())}, and ±1 is needed"
    )


def substitution(term: Term, mapping: Mapping[Var, Any]) -> Theorem:
    """Σ_v f(v) = Σ_v f(A·v + b)"""
    values = _indices(mapping)
    s = _single(term)
    require(set(values) <= set(s.binders), "the substitution changes a variable that is not summed over")
    _require_bijection(values)
    body, rest = _body(s, values)
    return _theorem(term, sum_over(rest + list(values), substituted(body, values)))


def reordering(atom: Apply, mapping: Mapping[Var, Any]) -> Theorem:
    """R[λv.f(v)] = R[λv.f(A·v + b)] for a symmetric R"""
    values = _indices(mapping)
    require(type(atom) is Apply and atom.fun.symmetric, f"{atom} may depend on the order of its values")
    (old,) = atom.bodies
    require(set(values) <= set(old.variables), "the substitution changes a variable that is not the body's own")
    _require_bijection(values)
    new = Lambda(old.variables, substituted(old.term, values))
    one = Summand(Integer(1), (), (atom,), Integer(0))
    return _theorem(Term((one,)), Term((altered(one, factors=(altered(atom, bodies=(new,)),)),)))


def translation(term: Term, v: Variable, value: Any) -> Theorem:
    """Σ_g f(g) = Σ_g f(a·g·b) over a group, also with g⁻¹ for g, and Σ_p f(p) = Σ_p f(a·p) over the points it acts on."""
    s = _bound(term, v)
    image = as_index(value)
    check_index(image, v.sort)
    seen = sum(letter == v for letter, _ in image.letters) if isinstance(image, Word) else 0
    require(seen == 1, f"{v.name} ↦ {image} is not known to be a bijection: {v.name} must stand in it once")
    body, rest = _body(s, (v,))
    return _theorem(term, sum_over([*rest, v], substituted(body, {v: image})))


def sifting(term: Term, v: Var) -> Theorem:
    """Σ_v δ_N(v − e)·f(v) = f(e), for v ∈ Z_N, or for v in a range that e never leaves"""
    s = _bound(term, v)
    modulus = Integer(0) if isinstance(v.sort, Range) else period_of(v)
    for d in s.factors:
        if not isinstance(d, Delta) or d.modulus != modulus:
            continue
        value = expand(v - d.index.coeff(v, 1) * d.index)
        if v in variables_of(value):  # its coefficient is not ±1, or it stands in a power
            continue
        check_index(value, v.sort)
        others = list(s.factors)
        others.remove(d)
        body, rest = _body(altered(s, factors=tuple(others)), (v,))
        return _theorem(term, sum_over(rest, substituted(body, {v: value})))
    raise KernelError(f"no delta fixes {v.name}")


def orthogonality(term: Term, v: Var) -> Theorem:
    """Σ_{v ∈ Z_N} ω^{v·e/N} = |N|·δ_N(e), the geometric sum of a character"""
    s = _bound(term, v)
    modulus = period_of(v)
    require(not any(v in f.free for f in s.factors), f"{v.name} stands outside the character")
    slope = expand(s.phase).coeff(v, 1)
    rest_phase = expand(s.phase - slope * v)
    require(v not in variables_of(rest_phase) | variables_of(slope), f"the exponent is not linear in {v.name}")
    e = expand(slope * modulus)
    body, rest = _body(altered(s, phase=rest_phase), (v,))
    return _theorem(term, sum_over(rest, body * delta(e, modulus) * cardinality(v.sort)))


def counting(term: Term, v: Variable) -> Theorem:
    """Σ_v c = (number of values of v)·c where v does not occur in c"""
    s = _bound(term, v)
    require(v not in s.inner, f"{v.name} occurs in the sum")
    body, rest = _body(s, (v,))
    return _theorem(term, sum_over(rest, body * cardinality(v.sort)))


def division(term: Term, v: Var, quotient: Var, remainder: Var) -> Theorem:
    """Σ_i f(i) = Σ_q Σ_r f(t·q + r), for i ∈ Z_{tm}, q ∈ Z_m and r ∈ {0, …, t−1}; likewise for i in a range of t·m"""
    s = _bound(term, v)
    t = extent_of(remainder)
    whole, count = (
        (extent_of(v), extent_of(quotient)) if isinstance(v.sort, Range) else (period_of(v), period_of(quotient))
    )
    require(expand(whole - t * count) == 0, f"{t}·{count} is not {whole}")
    require(
        not {quotient.name, remainder.name} & s.names and quotient.name != remainder.name,
        "the new variables occur already",
    )
    body, rest = _body(s, (v,))
    return _theorem(
        term, sum_over([*rest, quotient, remainder], substituted(body, {v: expand(t * quotient + remainder)}))
    )


def period(term: Term, v: Var, around: Var) -> Theorem:
    """Σ over 0, …, N−1 = Σ over Z_N, where the body depends on the index modulo N only"""
    s = _bound(term, v)
    require(expand(extent_of(v) - period_of(around)) == 0, "a range of N and Z_N are needed")
    others = {u.name for u in (*s.inner, *s.binders) if u != v}
    require(around.name not in others, "the new variable occurs already")
    body, rest = _body(s, (v,))
    return _theorem(term, sum_over([*rest, around], substituted(body, {v: as_index(around)})))


# --- values of deltas, and induction ----------------------------------------------------------------------------------------


def coarsening(factor: Delta, t: Expr) -> Theorem:
    """δ_N(e) = δ_N(e)·δ_t(e) where t divides N"""
    require(type(factor) is Delta and integral(factor.modulus / t), f"{t} does not divide the modulus of {factor}")
    one = delta(factor.index, factor.modulus)
    return _theorem(one, one * delta(factor.index, t))


def separation(factor: Delta) -> Theorem:
    """δ(e) = 0 over the integers, where e ≥ 1 or e ≤ −1 throughout the ranges of its variables"""
    require(type(factor) is Delta and factor.modulus == 0, f"{factor}: only over the integers is what is not 0 never 0")
    require(nonnegative(factor.index - 1) or nonnegative(-factor.index - 1), f"{factor.index} may be 0")
    return _theorem(delta(factor.index), as_term(0))


def induction(theorem: Theorem, v: Var, step: Var) -> Theorem:
    """f(v + e) = f(v) for every unit vector e ⊢ f(v) = f(0): the unit vectors generate the integers"""
    require(
        isinstance(v.sort, (Integers, Cyclic)) and isinstance(step.sort, Unit),
        "induction along the integers, or a cycle, by unit steps",
    )
    _require_free(theorem, (v, step), "induction")
    require(step not in theorem.rhs.free, f"{step.name} stands in the claim")
    require(
        substituted(theorem.rhs, {v: expand(v + step)}) == theorem.lhs,
        f"the left side is not the right side with {v.name} + {step.name} for {v.name}",
    )
    return _theorem(theorem.rhs, substituted(theorem.rhs, {v: Integer(0)}), theorem)


__all__ = [
    "Hypothesis",
    "Theorem",
    "assume",
    "coarsening",
    "counting",
    "discharge",
    "division",
    "function_instance",
    "induction",
    "inside",
    "instance",
    "orthogonality",
    "period",
    "plus",
    "reflexivity",
    "reordering",
    "separation",
    "sifting",
    "substitution",
    "summed",
    "symmetry",
    "times",
    "transitivity",
    "translation",
]
