"""Terms: finite sums of products of functions, deltas and characters, in a normal form that makes addition and multiplication exact.

A term is Σ_t c_t · Σ_{binders} Π factors · ω^θ, with

- c_t a rational number times powers of cardinalities |n|, |G| (numbers, unlike the size n itself, which is an index);
- ``Apply``: an uninterpreted complex-valued function of indices, and of bodies λv.term (an aggregation, a nonlinearity, an operator);
- ``Delta``: δ_N(e) = 1 where e ≡ 0 modulo N (N = 0: where e = 0), else 0;
- ω^θ = exp(−2πi·θ), θ a polynomial over sizes (in d dimensions: the sum of its components).

Commutativity, distributivity and the exchange of finite sums are built into the form; equality is up to the names of bound variables.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from dataclasses import replace as altered
from functools import cached_property, lru_cache
from typing import Any, TypeAlias

from sympy import Add, Expr, Integer, Symbol, expand

from proofs.kernel.indices import (
    FINITE,
    Cyclic,
    Group,
    Index,
    Integers,
    Letter,
    Points,
    Range,
    Sealed,
    Sort,
    Unit,
    Var,
    Variable,
    Word,
    as_index,
    as_integer,
    check_index,
    fraction,
    is_name,
    is_size,
    periodic,
    plain,
    reduced,
    replace,
    require,
    spelled,
    variables_of,
)

SORTS = (Cyclic, Range, Integers, Unit, Group, Points)


@dataclass(frozen=True)
class Fun(Sealed):
    """An uninterpreted function. ``sorts``: of its indices. ``bodies``: for each argument that is itself a function, the sorts of that one's indices.
    ``symmetric``: its one body counts only as a family of values, whatever their order (a sum, a maximum, a variance)."""

    name: str
    sorts: tuple[Sort, ...] = ()
    bodies: tuple[tuple[Sort, ...], ...] = ()
    symmetric: bool = False

    def __post_init__(self) -> None:
        require(is_name(self.name) and type(self.symmetric) is bool, f"{self.name!r} is no function")
        object.__setattr__(self, "sorts", tuple(self.sorts))
        object.__setattr__(self, "bodies", tuple(map(tuple, self.bodies)))
        sorts = (*self.sorts, *(s for body in self.bodies for s in body))
        require(all(type(s) in SORTS for s in sorts), f"an index of {self.name} has no sort")
        require(not self.symmetric or len(self.bodies) == 1, "a symmetric function has one body")

    def __call__(self, *arguments: Any) -> Term:
        count = len(self.sorts)
        applied = Apply(self, tuple(arguments[:count]), tuple(arguments[count:]))
        return Term((Summand(Integer(1), (), (applied,), Integer(0)),))


@dataclass(frozen=True)
class Lambda(Sealed):
    """λ variables. term"""

    variables: tuple[Variable, ...]
    term: Term

    def __post_init__(self) -> None:
        object.__setattr__(self, "variables", tuple(self.variables))
        require(
            type(self.term) is Term and all(type(v) in (Var, Letter) for v in self.variables),
            "a λ is of variables, and of a term",
        )
        require(len({v.name for v in self.variables}) == len(self.variables), "λ binds two variables of one name")
        _require_readable(self.variables, self.term)

    @property
    def free(self) -> frozenset[Variable]:
        return self.term.free - set(self.variables)


@dataclass(frozen=True)
class Apply(Sealed):
    """A function applied; ``conjugate``: the complex conjugate of its value. ``written``: the indices before they were expanded and reduced, to print."""

    fun: Fun
    args: tuple[Index, ...]
    bodies: tuple[Lambda, ...] = ()
    conjugate: bool = False
    written: tuple[Index, ...] = field(init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        require(type(self.fun) is Fun and type(self.conjugate) is bool, f"{self.fun} is no function")
        given, bodies, name = tuple(self.args), tuple(self.bodies), self.fun.name
        args = tuple(map(as_index, given))
        counts = (len(args), len(bodies)) == (len(self.fun.sorts), len(self.fun.bodies))
        require(counts, f"{name} is applied to the wrong number of arguments")
        require(all(type(b) is Lambda for b in bodies), f"a body of {name} is no λ")
        for e, sort in zip(args, self.fun.sorts, strict=True):
            check_index(e, sort)
        least = (
            reduced(e, s.modulus) if isinstance(s, Cyclic) else e for e, s in zip(args, self.fun.sorts, strict=True)
        )
        object.__setattr__(self, "written", tuple(e if isinstance(e, Expr) else args[p] for p, e in enumerate(given)))
        object.__setattr__(self, "args", tuple(least))
        object.__setattr__(self, "bodies", bodies)
        for body, sorts in zip(self.bodies, self.fun.bodies, strict=True):
            require(
                tuple(v.sort for v in body.variables) == sorts,
                f"a body of {self.fun.name} has indices of the wrong sorts",
            )

    @cached_property
    def free(self) -> frozenset[Variable]:
        return frozenset().union(*map(variables_of, self.args), *(b.free for b in self.bodies))


@dataclass(frozen=True)
class Delta(Sealed):
    """δ_N(index); N = 0 over the integers. ``written``: the index as it was given, to print."""

    index: Expr
    modulus: Expr
    written: Expr = field(init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        index, modulus = as_integer(self.index), as_integer(self.modulus)
        check_index(index, Cyclic(modulus) if modulus != 0 else Integers())
        for name, value in (("written", self.index), ("index", reduced(index, modulus)), ("modulus", modulus)):
            object.__setattr__(self, name, value)

    @property
    def free(self) -> frozenset[Variable]:
        return variables_of(self.index)


Factor: TypeAlias = Apply | Delta


@dataclass(frozen=True)
class Summand(Sealed):
    """coefficient · Σ_{binders} Π factors · ω^phase"""

    coefficient: Expr
    binders: tuple[Variable, ...]
    factors: tuple[Factor, ...]
    phase: Expr

    def __post_init__(self) -> None:
        binders, factors = tuple(self.binders), tuple(self.factors)
        require(all(type(v) in (Var, Letter) for v in binders), "a sum is over variables")
        require(plain(self.coefficient) and plain(self.phase), f"{self.coefficient} or {self.phase} is no polynomial")
        phase = expand(self.phase)
        require(len({v.name for v in binders}) == len(binders), "one sum binds two variables of one name")
        require(all(isinstance(v.sort, FINITE) for v in binders), "a sum over an infinite or unknown set")
        require(all(type(f) in (Apply, Delta) for f in factors), "a factor is a function applied, or a delta")
        number = _is_polynomial(self.coefficient, _is_cardinality)
        require(number, f"{self.coefficient} is no coefficient: rational numbers and cardinalities are")
        polynomial = _is_polynomial(phase, lambda b, p: is_size(b) or (isinstance(b, Var) and bool(p > 0)))
        require(polynomial, f"{phase} is no phase: a polynomial divided by sizes is")
        require(periodic(phase), f"the phase {phase} depends on more than its variables' classes")
        inner = variables_of(phase).union(*(f.free for f in factors))
        clash = [v.name for v in inner if v not in binders and any(v.name == b.name for b in binders)]
        require(not clash, f"{', '.join(clash)} would read like the bound variable of that name, and has another sort")
        nontrivial = tuple(f for f in factors if not (isinstance(f, Delta) and f.index == 0))
        object.__setattr__(self, "coefficient", expand(self.coefficient))
        for name, value in (("binders", binders), ("factors", nontrivial), ("phase", fraction(phase))):
            object.__setattr__(self, name, value)

    @cached_property
    def free(self) -> frozenset[Variable]:
        return self.inner - set(self.binders)

    @cached_property
    def inner(self) -> frozenset[Variable]:
        """Variables of the body, those that the sum binds among them."""
        return frozenset().union(variables_of(self.phase), *(f.free for f in self.factors))

    @cached_property
    def names(self) -> frozenset[str]:
        return frozenset(v.name for v in (*self.inner, *self.binders))


@dataclass(frozen=True, eq=False)
class Term(Sealed):
    """A sum of summands, like ones collected. Equal terms are equal up to the names of bound variables."""

    summands: tuple[Summand, ...]

    def __post_init__(self) -> None:
        collected: dict[str, Summand] = {}
        for s in self.summands:
            require(type(s) is Summand, f"{s} is no summand")
            key = _summand_key(s, {}, 0)
            if key in collected:
                s = altered(collected[key], coefficient=expand(collected[key].coefficient + s.coefficient))
            collected[key] = s
        object.__setattr__(self, "summands", tuple(s for s in collected.values() if s.coefficient != 0))

    def __add__(self, other: Term | int | Expr) -> Term:
        return Term(self.summands + as_term(other).summands)

    def __sub__(self, other: Term | int | Expr) -> Term:
        return self + as_term(other) * -1

    def __neg__(self) -> Term:
        return self * -1

    def __mul__(self, other: Term | int | Expr) -> Term:
        return Term(tuple(_product(a, b) for a in self.summands for b in as_term(other).summands))

    __radd__, __rmul__ = __add__, __mul__

    def __rsub__(self, other: Term | int | Expr) -> Term:
        return as_term(other) - self

    @cached_property
    def key(self) -> str:
        return _term_key(self, {}, 0)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Term) and self.key == other.key

    def __hash__(self) -> int:
        return hash(self.key)

    @cached_property
    def free(self) -> frozenset[Variable]:
        return frozenset().union(*(s.free for s in self.summands))

    @cached_property
    def functions(self) -> frozenset[Fun]:
        found: set[Fun] = set()
        for s in self.summands:
            for f in s.factors:
                if isinstance(f, Apply):
                    found.add(f.fun)
                    for body in f.bodies:
                        found |= body.term.functions
        return frozenset(found)


# --- making terms ------------------------------------------------------------------------------------------------------


def as_term(value: Term | int | Expr) -> Term:
    """A term; a number is one without factors."""
    if type(value) is Term:
        return value
    require(plain(value), f"{value!r} is neither a term nor a number")
    return Term((Summand(expand(value), (), (), Integer(0)),))


def cardinality(sort: Sort) -> Expr:
    """|Z_N|, |G|, …, as a number: in d dimensions the product of the sizes along the axes."""
    if isinstance(sort, (Group, Points)):
        return Symbol(f"|{spelled(sort)}|")  # no size has such a name
    require(isinstance(sort, (Cyclic, Range)), f"{sort} is not finite")
    assert isinstance(sort, (Cyclic, Range))
    total = expand(sort.modulus if isinstance(sort, Cyclic) else sort.size)
    powers = total.as_powers_dict() if total != 1 else {}
    require(
        all(b.is_Symbol and p.is_Integer and p > 0 for b, p in powers.items()),
        f"the number of elements of {sort} is no product of sizes",
    )
    out = Integer(1)
    for b, p in powers.items():
        out = out * Symbol(f"|{b.name}|") ** p
    return out


def delta(e: Any, modulus: Any = 0) -> Term:
    """δ_N(e)"""
    return Term((Summand(Integer(1), (), (Delta(e, modulus),), Integer(0)),))


def character(theta: Any) -> Term:
    """ω^θ = exp(−2πi·θ), for example θ = k·i/n"""
    return Term((Summand(Integer(1), (), (), expand(theta)),))


def sum_over(variables: Variable | Sequence[Variable], term: Term) -> Term:
    """Σ over the variables, outermost first."""
    bound = (variables,) if isinstance(variables, (Var, Letter)) else tuple(variables)
    summands = [_renamed(s, {b.name for b in bound}) for s in term.summands]
    return Term(tuple(altered(s, binders=bound + s.binders) for s in summands))


def _require_readable(bound: Sequence[Variable], term: Term) -> None:
    clash = [v.name for v in term.free if any(v.name == b.name and v != b for b in bound)]
    require(not clash, f"{', '.join(clash)} would read like the bound variable of that name, and has another sort")


def _is_polynomial(e: Expr, allowed: Callable[[Any, Any], bool]) -> bool:
    """True for rational numbers times integer powers of symbols, for each of which ``allowed(symbol, power)``."""
    pairs = [t.as_coeff_Mul() for t in Add.make_args(expand(e))]
    powers = [(b, p) for _, rest in pairs if rest != 1 for b, p in rest.as_powers_dict().items()]
    return all(c.is_Rational for c, _ in pairs) and all(p.is_Integer and allowed(b, p) for b, p in powers)


def _is_cardinality(b: Any, _: Any) -> bool:
    return type(b) is Symbol and b == Symbol(b.name) and b.name[:1] == "|" == b.name[-1:] != b.name


def conjugate(term: Term) -> Term:
    """The complex conjugate."""
    return Term(
        tuple(
            altered(
                s,
                phase=-s.phase,
                factors=tuple(altered(f, conjugate=not f.conjugate) if isinstance(f, Apply) else f for f in s.factors),
            )
            for s in term.summands
        )
    )


def _fresh(v: Variable, taken: Iterable[str]) -> Variable:
    name = v.name
    while name in taken:
        name += "′"
    sort = v.sort
    return Letter(name, sort) if isinstance(sort, (Group, Points)) else Var(name, sort)


def _renamed(s: Summand, avoid: Iterable[str]) -> Summand:
    """The same summand with bound variables that have none of the names in ``avoid``."""
    avoid = set(avoid)
    mapping: dict[Variable, Index] = {}
    binders: list[Variable] = []
    for v in s.binders:
        new = _fresh(v, avoid | (s.names - {v.name}) | {b.name for b in binders}) if v.name in avoid else v
        binders.append(new)
        if new != v:
            mapping[v] = as_index(new)
    return _mapped(s, tuple(binders), mapping) if mapping else s


def _mapped(s: Summand, binders: tuple[Variable, ...], mapping: Mapping[Variable, Index]) -> Summand:
    phase = replace(s.phase, mapping)
    assert not isinstance(phase, Word)
    return Summand(s.coefficient, binders, tuple(_in_factor(f, mapping) for f in s.factors), phase)


def _product(a: Summand, b: Summand) -> Summand:
    b = _renamed(b, a.names)
    a = _renamed(a, b.names)
    return Summand(
        expand(a.coefficient * b.coefficient), a.binders + b.binders, a.factors + b.factors, a.phase + b.phase
    )


# --- substitution, without capture -------------------------------------------------------------------------------------


def substituted(term: Term, mapping: Mapping[Variable, Index]) -> Term:
    """Every free variable replaced, all at once; the sorts are checked anew wherever the new index stands."""
    return Term(tuple(_in_summand(s, mapping) for s in term.summands))


def _incoming(mapping: Mapping[Variable, Index]) -> set[str]:
    return {v.name for e in mapping.values() for v in variables_of(e)}


def _in_summand(s: Summand, mapping: Mapping[Variable, Index]) -> Summand:
    mapping = {v: e for v, e in mapping.items() if v in s.free}
    if not mapping:
        return s
    s = _renamed(s, _incoming(mapping))
    return _mapped(s, s.binders, mapping)


def _in_factor(f: Factor, mapping: Mapping[Variable, Index]) -> Factor:
    if isinstance(f, Delta):
        index = replace(f.index, mapping)
        assert not isinstance(index, Word)
        return Delta(index, f.modulus)
    return Apply(
        f.fun, tuple(replace(e, mapping) for e in f.args), tuple(_in_body(b, mapping) for b in f.bodies), f.conjugate
    )


def _in_body(body: Lambda, mapping: Mapping[Variable, Index]) -> Lambda:
    mapping = {v: e for v, e in mapping.items() if v in body.free}
    return _with_fresh_names(body, _incoming(mapping), lambda t: substituted(t, mapping))


def _with_fresh_names(body: Lambda, avoid: set[str], change: Any) -> Lambda:
    taken = avoid | {v.name for v in (*body.term.free, *body.variables)}
    new = tuple(_fresh(v, taken) if v.name in avoid else v for v in body.variables)
    renaming = {v: as_index(w) for v, w in zip(body.variables, new, strict=True) if v != w}
    return Lambda(new, change(substituted(body.term, renaming)))


def with_function(term: Term, fun: Fun, variables: Sequence[Variable], value: Term) -> Term:
    """Every application of ``fun`` replaced by ``value`` at its arguments."""
    outside = {v.name for v in value.free - set(variables)}
    total = Term(())
    for s in term.summands:
        s = _renamed(s, outside)
        product = Term((Summand(s.coefficient, (), (), s.phase),))
        for f in s.factors:
            product = product * _function_in_factor(f, fun, variables, value, outside)
        total = total + sum_over(s.binders, product)
    return total


def _function_in_factor(f: Factor, fun: Fun, variables: Sequence[Variable], value: Term, outside: set[str]) -> Term:
    if isinstance(f, Delta):
        return Term((Summand(Integer(1), (), (f,), Integer(0)),))
    if f.fun == fun:
        out = substituted(value, dict(zip(variables, f.args, strict=True)))
        return conjugate(out) if f.conjugate else out
    bodies = tuple(_with_fresh_names(b, outside, lambda t: with_function(t, fun, variables, value)) for b in f.bodies)
    return Term((Summand(Integer(1), (), (altered(f, bodies=bodies),), Integer(0)),))


# --- the key: one text for all terms that differ in the names of bound variables ----------------------------------------

Names: TypeAlias = Mapping[Variable, int]  # bound variables, numbered from the outside in


@lru_cache(maxsize=200_000)
def _monomials(e: Expr) -> tuple[tuple[str, tuple[tuple[Symbol, str], ...]], ...]:
    out = []
    for t in Add.make_args(e):
        coefficient, rest = t.as_coeff_Mul()
        out.append((str(coefficient), tuple((b, str(p)) for b, p in rest.as_powers_dict().items() if b != 1)))
    return tuple(out)


def _symbol_key(v: Any, names: Names) -> tuple[str, str, str]:
    if v in names:
        return "bound", str(names[v]), spelled(v.sort)
    return ("free", v.name, spelled(v.sort)) if isinstance(v, (Var, Letter)) else ("size", v.name, "")


def _index_key(e: Index, names: Names) -> str:
    if isinstance(e, Word):
        return repr([(_symbol_key(v, names), p) for v, p in e.letters])
    return repr(sorted((c, sorted((_symbol_key(b, names), p) for b, p in powers)) for c, powers in _monomials(e)))


def _factor_key(f: Factor, names: Names, depth: int) -> str:
    if isinstance(f, Delta):
        either = min(_index_key(f.index, names), _index_key(reduced(-f.index, f.modulus), names))  # δ(e) = δ(−e)
        return repr(("δ", str(f.modulus), either))
    signature = (list(map(spelled, f.fun.sorts)), [list(map(spelled, b)) for b in f.fun.bodies], f.fun.symmetric)
    bodies = []
    for body in f.bodies:
        inner = {**names, **{v: depth + i for i, v in enumerate(body.variables)}}
        bodies.append(_term_key(body.term, inner, depth + len(body.variables)))
    return repr((f.fun.name, signature, f.conjugate, [_index_key(e, names) for e in f.args], bodies))


def _summand_key(s: Summand, names: Names, depth: int) -> str:
    """The least text over all orders of the bound variables of each sort."""
    groups: dict[str, list[Variable]] = {}
    for v in s.binders:
        groups.setdefault(spelled(v.sort), []).append(v)
    sorts = sorted(groups)
    texts = []
    for order in itertools.product(*(itertools.permutations(groups[sort]) for sort in sorts)):
        inner = {**names, **{v: depth + i for i, v in enumerate(itertools.chain(*order))}}
        factors = sorted(_factor_key(f, inner, depth + len(s.binders)) for f in s.factors)
        texts.append(repr((factors, _index_key(s.phase, inner))))
    return repr((sorts, [len(groups[sort]) for sort in sorts], min(texts)))


def _term_key(t: Term, names: Names, depth: int) -> str:
    return repr(sorted((_summand_key(s, names, depth), _index_key(s.coefficient, {})) for s in t.summands))


__all__ = [
    "Apply",
    "Delta",
    "Factor",
    "Fun",
    "Lambda",
    "Summand",
    "Term",
    "as_term",
    "cardinality",
    "character",
    "conjugate",
    "delta",
    "substituted",
    "sum_over",
    "with_function",
]
