"""What terms mean, by computing them: in a world of given sizes, exactly in a cyclotomic field Q(ζ), or in floating point.

Nothing here is part of a proof. It shows that a statement means what it should (the library computes the same numbers), that hypotheses can hold, and that a
false statement has a counterexample. An index is a tuple of d integers, one an axis, as in the kernel's reading.
"""

from __future__ import annotations

import dataclasses
import hashlib
import itertools
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from typing import Any, TypeAlias

from sympy import Add, Expr, Poly, Symbol, cyclotomic_poly

from proofs.kernel import (
    Apply,
    Cyclic,
    Delta,
    Fun,
    Group,
    Integers,
    Lambda,
    Points,
    Range,
    Summand,
    Term,
    Unit,
    Var,
    Word,
)
from proofs.kernel.indices import Index, Sort, Variable

Vector: TypeAlias = tuple[int, ...]
Environment: TypeAlias = Mapping[Variable, Any]
Meaning: TypeAlias = Callable[..., Any]
Rational: TypeAlias = int | Fraction


class Cyclotomic:
    """An element of Q(ζ), ζ = exp(−2πi/L), as a polynomial in ζ reduced modulo the L-th cyclotomic polynomial."""

    __slots__ = ("coefficients", "order")

    def __init__(self, order: int, powers: Mapping[int, Rational]) -> None:
        self.order = order
        full: list[Rational] = [0] * order
        for p, c in powers.items():
            full[p % order] += c
        modulus = _cyclotomic(order)
        degree = len(modulus) - 1
        for p in range(order - 1, degree - 1, -1):  # the modulus is monic
            if c := full[p]:
                for q, m in enumerate(modulus):
                    full[p - degree + q] -= c * m
        self.coefficients = tuple(full[:degree])

    def _powers(self) -> dict[int, Rational]:
        return {p: c for p, c in enumerate(self.coefficients) if c}

    def __add__(self, other: Cyclotomic) -> Cyclotomic:
        out = Cyclotomic.__new__(Cyclotomic)
        out.order, out.coefficients = (
            self.order,
            tuple(a + b for a, b in zip(self.coefficients, other.coefficients, strict=True)),
        )
        return out

    def __mul__(self, other: Cyclotomic | Fraction) -> Cyclotomic:
        if isinstance(other, Fraction):
            return Cyclotomic(self.order, {p: _plainest(c * other) for p, c in self._powers().items()})
        powers: dict[int, Rational] = {}
        theirs = other._powers()
        for p, c in self._powers().items():
            for q, d in theirs.items():
                powers[p + q] = powers.get(p + q, 0) + c * d
        return Cyclotomic(self.order, powers)

    def conjugate(self) -> Cyclotomic:
        return Cyclotomic(self.order, {-p: c for p, c in self._powers().items()})

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Cyclotomic) and self.coefficients == other.coefficients

    def __hash__(self) -> int:
        return hash(self.coefficients)

    def __str__(self) -> str:
        terms = [
            (str(c) if p == 0 else f"{'' if c == 1 else '−' if c == -1 else f'{c}·'}ζ{'' if p == 1 else f'^{p}'}")
            for p, c in self._powers().items()
        ]
        return " + ".join(terms).replace("+ -", "− ").replace("+ −", "− ") or "0"

    __repr__ = __str__


def _plainest(value: Fraction) -> Rational:
    """An int where it is one: sums of them are many times faster."""
    return value.numerator if value.denominator == 1 else value


@lru_cache(maxsize=64)
def _cyclotomic(order: int) -> tuple[int, ...]:
    """Coefficients of the cyclotomic polynomial, the constant first."""
    return tuple(int(c) for c in reversed(Poly(cyclotomic_poly(order, Symbol("x")), Symbol("x")).all_coeffs()))


@dataclass(frozen=True)
class Exact:
    """Arithmetic in Q(ζ_L)."""

    order: int

    def number(self, value: Fraction) -> Cyclotomic:
        return Cyclotomic(self.order, {0: _plainest(value)})

    def root(self, theta: Fraction) -> Cyclotomic:
        """exp(−2πi·θ)"""
        power = theta * self.order
        if power.denominator != 1:
            raise ValueError(f"ω^({theta}) does not lie in the field of {self.order}-th roots of unity")
        return Cyclotomic(self.order, {int(power): 1})


@dataclass(frozen=True)
class Floating:
    """Complex double precision."""

    def number(self, value: Fraction) -> complex:
        return complex(value)

    def root(self, theta: Fraction) -> complex:
        angle = -2 * math.pi * float(theta % 1)
        return complex(math.cos(angle), math.sin(angle))


@dataclass
class World:
    """Sizes, a field, and what the uninterpreted functions are.

    sizes: for each name of a size, d positive integers. meanings: for each name of a function, a callable of its indices
    (tuples, those of Z_N reduced) and of one list of values for each body; functions without one are pseudo-random functions of
    all that they are given. groups: for each name of a group, a list of permutations of the points 0, 1, …
    """

    sizes: Mapping[str, Vector]
    field: Exact | Floating
    meanings: Mapping[str, Meaning] = dataclasses.field(default_factory=dict)
    groups: Mapping[str, Sequence[tuple[int, ...]]] = dataclasses.field(default_factory=dict)
    seed: int = 0
    cache: dict[Any, Any] = dataclasses.field(default_factory=dict)
    used: dict[tuple[str, tuple[Any, ...]], Any] = dataclasses.field(
        default_factory=dict
    )  # values of functions, for the reader

    def __post_init__(self) -> None:
        self._vectors: dict[Expr, Vector] = {}
        self._values: dict[Sort, list[Any]] = {}

    @property
    def dimension(self) -> int:
        return len(next(iter(self.sizes.values()), (1,)))

    # --- sorts and indices -----------------------------------------------------------------------------------------------

    def vector(self, e: Expr, environment: Environment) -> Vector:
        """The value of an index expression."""
        if e in self._vectors:
            return self._vectors[e]
        out = [self._value(e, environment, axis) for axis in range(self.dimension)]
        if any(v.denominator != 1 for v in out):
            raise ValueError(f"{e} is no integer here")
        value = tuple(v.numerator for v in out)
        if not any(isinstance(b, Var) for b in e.free_symbols):
            self._vectors[e] = value  # a modulus, or a size: the same everywhere in this world
        return value

    def phase(self, e: Expr, environment: Environment) -> Fraction:
        """θ modulo 1, its components summed."""
        return Fraction(sum(self._value(e, environment, axis) for axis in range(self.dimension))) % 1

    def _value(self, e: Expr, environment: Environment, axis: int) -> Rational:
        total: Rational = 0
        for numerator, denominator, powers in _monomials(e):
            for symbol, power in powers:
                base = environment[symbol][axis] if isinstance(symbol, Var) else self.sizes[symbol.name][axis]
                if power > 0:
                    numerator *= base**power
                else:
                    denominator *= base**-power
            total += numerator if denominator == 1 else Fraction(numerator, denominator)
        return total

    def element(self, e: Index, sort: Sort, environment: Environment) -> Any:
        """The value of an index as an element of a sort: Z_N is 0, …, N − 1 along each axis."""
        if isinstance(e, Word):
            return self._word(e, sort, environment)
        value = self.vector(e, environment)
        if isinstance(sort, Cyclic):
            return tuple(v % m for v, m in zip(value, self.vector(sort.modulus, {}), strict=True))
        return value

    def _word(self, e: Word, sort: Sort, environment: Environment) -> Any:
        """A permutation, or the image of a point; the empty word is the identity."""
        group = sort.group if isinstance(sort, Points) else sort
        assert isinstance(group, Group)
        value: Any = tuple(range(len(self.groups[group.name][0])))
        for letter, power in reversed(e.letters):
            here = environment[letter]
            if isinstance(letter.sort, Points):
                value = here
                continue
            g = here if power > 0 else tuple(sorted(range(len(here)), key=here.__getitem__))
            value = tuple(g[p] for p in value) if isinstance(value, tuple) else g[value]
        return value

    def values(self, sort: Sort) -> list[Any]:
        """All values of a finite sort; a few of an infinite one."""
        if sort not in self._values:
            self._values[sort] = self._listed(sort)
        return self._values[sort]

    def _listed(self, sort: Sort) -> list[Any]:
        d = self.dimension
        if isinstance(sort, (Cyclic, Range)):
            return list(
                itertools.product(*map(range, self.vector(sort.modulus if isinstance(sort, Cyclic) else sort.size, {})))
            )
        if isinstance(sort, Group):
            return list(self.groups[sort.name])
        if isinstance(sort, Points):
            return list(range(len(self.groups[sort.group.name][0])))
        if isinstance(sort, Unit):
            return [tuple(int(a == b) for b in range(d)) for a in range(d)]
        around = list(itertools.product(range(-2, 4), repeat=d))
        assert isinstance(sort, Integers)
        return around

    def cardinality(self, name: str) -> int:
        """What |n|, or |G|, stands for."""
        if name in self.sizes:
            return math.prod(self.sizes[name])
        group = next(permutations for g, permutations in self.groups.items() if repr(Group(g)) in name)
        return len(group) if name.startswith("Group") else len(group[0])

    # --- terms ---------------------------------------------------------------------------------------------------------

    def evaluate(self, term: Term, environment: Environment | None = None) -> Any:
        """The value of a term, given the values of its free variables."""
        total = self.field.number(Fraction(0))
        for s in term.summands:
            total = total + self._summand(s, environment or {})
        return total

    def _summand(self, s: Summand, environment: Environment) -> Any:
        total = self.field.number(Fraction(0))
        for chosen in itertools.product(*(self.values(v.sort) for v in s.binders)):
            here = {**environment, **dict(zip(s.binders, chosen, strict=True))}
            value: Any = None
            for f in s.factors:
                if isinstance(f, Delta):
                    index = self.vector(f.index, here)
                    modulus = self.vector(f.modulus, {}) if f.modulus != 0 else (0,) * len(index)
                    if any(i % m if m else i for i, m in zip(index, modulus, strict=True)):
                        break
            else:
                value = self.field.root(self.phase(s.phase, here))
                for f in s.factors:
                    if isinstance(f, Apply):
                        value = value * self._applied(f, here)
                total = total + value
        return total * self._coefficient(s.coefficient)

    def _coefficient(self, e: Expr) -> Any:
        total = Fraction(0)
        for numerator, denominator, powers in _monomials(e):
            value = Fraction(numerator, denominator)
            for symbol, power in powers:
                value *= Fraction(self.cardinality(symbol.name.strip("|"))) ** power
            total += value
        return total if isinstance(self.field, Exact) else complex(total)

    def _applied(self, f: Apply, environment: Environment) -> Any:
        args = tuple(self.element(e, sort, environment) for e, sort in zip(f.args, f.fun.sorts, strict=True))
        bodies = [self._family(b, environment) for b in f.bodies]
        if f.fun.symmetric:
            bodies = [sorted(bodies[0], key=repr)]
        meaning = self.meanings.get(f.fun.name)
        value = meaning(*args, *bodies) if meaning else self._pseudorandom(f.fun, args, bodies)
        if not bodies:
            self.used[f.fun.name, args] = value
        return value.conjugate() if f.conjugate else value

    def _family(self, body: Lambda, environment: Environment) -> list[Any]:
        """The values of a body, its indices in row-major order."""
        spaces = [self.values(v.sort) for v in body.variables]
        return [
            self.evaluate(body.term, {**environment, **dict(zip(body.variables, chosen, strict=True))})
            for chosen in itertools.product(*spaces)
        ]

    def _pseudorandom(self, fun: Fun, args: tuple[Any, ...], bodies: list[Any]) -> Any:
        key = (fun.name, args, tuple(tuple(b) for b in bodies))
        if key not in self.cache:
            self.cache[key] = pseudorandom(self, *key)
        return self.cache[key]


@lru_cache(maxsize=100_000)
def _monomials(e: Expr) -> tuple[tuple[int, int, tuple[tuple[Any, int], ...]], ...]:
    """Numerator, denominator and powers of each term."""
    out = []
    for t in Add.make_args(e):
        coefficient, rest = t.as_coeff_Mul()
        powers = tuple((b, int(p)) for b, p in rest.as_powers_dict().items() if b != 1)
        out.append((int(coefficient.p), int(coefficient.q), powers))
    return tuple(out)


def pseudorandom(world: World, name: str, *key: Any, real: bool = False) -> Any:
    """A value that depends on ``name`` and ``key`` alone, for the meanings of a claim: an integer where ``real``, else an integer and a root of unity."""
    digest = hashlib.sha256(repr((world.seed, name, key)).encode()).digest()
    value: Any = world.field.number(Fraction(digest[0] % 7 - 3))
    if real or world.seed == 0:  # the first seed is for counterexamples that are easy to read
        return value
    turn = (
        Fraction(digest[2] % world.field.order, world.field.order)
        if isinstance(world.field, Exact)
        else Fraction(digest[2], 256)
    )
    root: Any = world.field.root(turn)
    return value + root * world.field.number(Fraction(digest[1] % 5 - 2))


def assignments(world: World, variables: Sequence[Variable], most: int = 200) -> Iterator[dict[Variable, Any]]:
    """Values of free variables: all of them, or ``most`` spread evenly where there are more."""
    spaces = [world.values(v.sort) for v in variables]
    total = math.prod(map(len, spaces))
    step = max(1, total // most)
    step += 1 - step % 2  # odd, so that no parity is missed
    for number in range(0, total, step):
        chosen, rest = {}, number
        for v, space in zip(variables, spaces, strict=True):
            rest, position = divmod(rest, len(space))
            chosen[v] = space[position]
        yield chosen


def size_names(*terms: Term) -> list[str]:
    """Names of the sizes that terms speak of, in alphabetical order."""
    found: set[str] = set()

    def sort(s: Sort) -> None:
        for e in (getattr(s, "modulus", None), getattr(s, "size", None)):
            if e is not None:
                found.update(b.name for b in e.free_symbols)

    def expression(e: Any) -> None:
        if not isinstance(e, Word):
            found.update(b.name for b in e.free_symbols if not isinstance(b, Var))

    def visit(term: Term) -> None:
        for v in term.free:
            sort(v.sort)
        for s in term.summands:
            expression(s.phase)
            for v in s.binders:
                sort(v.sort)
            for f in s.factors:
                if isinstance(f, Delta):
                    expression(f.index)
                    expression(f.modulus)
                    continue
                for e in f.args:
                    expression(e)
                for one in f.fun.sorts:
                    sort(one)
                for body in f.bodies:
                    for v in body.variables:
                        sort(v.sort)
                    visit(body.term)

    for term in terms:
        visit(term)
    return sorted(found)


__all__ = ["Cyclotomic", "Exact", "Floating", "World", "assignments", "pseudorandom", "size_names"]
