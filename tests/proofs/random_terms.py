"""Random well-typed terms of a kernel, and the worlds in which they are evaluated exactly.

The kernel is a namespace (``tests.proofs.kernels.load``) of everything that its modules, and the readers beside them, define: the true kernel and a changed
one are treated alike.
"""

from __future__ import annotations

import itertools
import math
import random
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from typing import Any, TypeAlias, TypeVar

from sympy import Expr, Integer, Rational, expand, isprime, primefactors

Kernel: TypeAlias = Any
Pool: TypeAlias = list[Any]  # variables that may occur
T = TypeVar("T")

# --- what terms are made of -----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Vocabulary:
    """Sorts of bound and of free variables (often repeated, where more of them are wanted), functions, and names of variables."""

    bound: tuple[Any, ...]
    free: tuple[Any, ...]
    functions: tuple[Any, ...]
    names: tuple[str, ...]


def vocabularies(kernel: Kernel, mode: str) -> tuple[Vocabulary, ...]:
    """``wide``: every sort there is; ``narrow``: one sort and few names, so that names clash. Each also with groups in the place of integers."""
    cyclic, ranges, letters = _sorts(kernel)
    zn, zm, rm, group, points = cyclic[0], cyclic[1], ranges[1], letters[0], letters[1]
    fun = kernel.Fun
    aggregates = (
        fun("F", (), ((zn,),)),
        fun("S", (), ((zn,),), True),
        fun("T", (), ((zn, zn),), True),
        fun("P", (), ((),)),
    )
    if mode == "narrow":
        plain = (fun("f", (zn,)), fun("ff", (zn, zn)), fun("c"))
        words = (fun("fg", (group,)), fun("gg", (group, group)), fun("H", (), ((group,),)), fun("c"))
        primes = ("i", "j", "i′", "i′′")
        integers = Vocabulary((zn,), (zn,), (*plain, *aggregates), primes)
        return (integers, integers, Vocabulary((group,), (group,), words, primes))
    others = (kernel.Integers(), kernel.Unit())
    one_each = tuple(fun(f"f{p}", (sort,)) for p, sort in enumerate((*cyclic, *ranges, *others)))
    mixed = (
        fun("q", (zn, rm)),
        fun("ff", (zn, zn)),
        fun("R", (zn,), ((ranges[0],),), True),
        fun("F2", (), ((zn,), (zm,))),
    )
    words = tuple(fun(f"g{p}", (sort,)) for p, sort in enumerate((*letters, group, points)))
    families = (fun("gg", (group, points)), fun("H", (), ((group,),)), fun("K", (), ((points,),), True))
    sorts = (zn, zn, *cyclic, *ranges, *letters)
    everything = (fun("c"), *one_each, *mixed, *words, *families, *aggregates)
    names = ("i", "j", "k", "i′")
    wide = Vocabulary(sorts, (*sorts, *others), everything, names)
    worded = Vocabulary((*letters, group, points, zn), (*letters, group), (fun("f0", (zn,)), *words, *families), names)
    return (wide, wide, worded)


def _sorts(kernel: Kernel) -> tuple[tuple[Any, ...], tuple[Any, ...], tuple[Any, ...]]:
    """Cycles, ranges, and groups with points."""
    n, m = kernel.size("n"), kernel.size("m")
    cyclic = tuple(kernel.Cyclic(e) for e in (n, m, n * m, 2 * n, Integer(2)))
    ranges = tuple(kernel.Range(e) for e in (n, m, n * m, n + m - 1, 2 * n - 1, Integer(2)))
    group, other = kernel.Group("G"), kernel.Group("H")
    return cyclic, ranges, (group, kernel.Points("X", group), other, kernel.Points("Y", other))


class Terms:
    """Random terms over a vocabulary. What the kernel refuses on the way is tried again, a few times."""

    def __init__(self, kernel: Kernel, rng: random.Random, vocabulary: Vocabulary) -> None:
        self.kernel, self.rng, self.vocabulary = kernel, rng, vocabulary
        self.n, self.m = kernel.size("n"), kernel.size("m")
        self._made: dict[Any, Any] = {}

    def tries(self, make: Callable[[], T], times: int = 12) -> T:
        for _ in range(times):
            try:
                return make()
            except self.kernel.KernelError:
                pass
        raise self.kernel.KernelError("gave up")

    def some(self, things: Iterable[T], most: int = 2) -> list[T]:
        """At least one of the things, where there are any, and at most ``most``."""
        chosen = list(things)
        self.rng.shuffle(chosen)
        return chosen[: self.rng.randint(1, most)]

    # --- variables and indices ---------------------------------------------------------------------------------------------

    def variable(self, sort: Any, name: str = "") -> Any:
        key = name or self.rng.choice(self.vocabulary.names), sort
        if key not in self._made:  # one object for each variable: comparing those that are identical costs nothing
            letter = isinstance(sort, (self.kernel.Group, self.kernel.Points))
            self._made[key] = (self.kernel.Letter if letter else self.kernel.Var)(*key)
        return self._made[key]

    def pool(self) -> Pool:
        """Free variables, no two of one name."""
        names = [name for name in self.vocabulary.names if self.rng.random() < 0.75]
        return [self.variable(self.rng.choice(self.vocabulary.free), name) for name in names]

    def variables(self, sorts: Sequence[Any]) -> Pool:
        """Variables of these sorts, no two of one name."""
        names = self.rng.sample(self.vocabulary.names, len(sorts))
        return [self.variable(s, name) for s, name in zip(sorts, names, strict=True)]

    def polynomial(self, pool: Pool) -> Expr:
        integers, e = [v for v in pool if isinstance(v, self.kernel.Var)], Integer(0)
        n, m, chance = self.n, self.m, self.rng.random
        for _ in range(self.rng.choice([0, 1, 1, 2, 2, 3])):
            t = Integer(1) * self.rng.choice([1, 1, 1, 1, -1, -1, 2, n, m, n * m, -n, m - 1])
            if integers and chance() < 0.9:
                t *= self.rng.choice(integers)
            if integers and chance() < 0.12:
                t *= self.rng.choice(integers)
            e += t
        return expand(e)

    def word(self, pool: Pool, sort: Any) -> Any:
        letters = [v for v in pool if isinstance(v, self.kernel.Letter)]
        acting = [v for v in letters if v.sort == getattr(sort, "group", sort)]
        if acting and self.rng.random() < 0.03:
            acting = letters  # which the kernel has to refuse, where they are of another group
        length = self.rng.choice([0, 1, 1, 2, 3]) if acting else 0
        w = self.kernel.Word((self.rng.choice(acting), self.rng.choice([1, 1, -1])) for _ in range(length))
        if isinstance(sort, self.kernel.Group):
            return w
        points = [v for v in letters if v.sort == sort]
        if not points:
            raise self.kernel.KernelError("no point")
        return w * self.rng.choice(points)

    def index(self, pool: Pool, sort: Any) -> Any:
        """An expression that may, or may not, be an index of this sort."""
        if isinstance(sort, (self.kernel.Group, self.kernel.Points)):
            return self.word(pool, sort)
        same = [v for v in pool if v.sort == sort]
        if same and (self.rng.random() < 0.35 or isinstance(sort, self.kernel.Unit)):
            return self.rng.choice(same)
        if isinstance(sort, self.kernel.Range) and self.rng.random() < 0.5:
            choices = [Integer(0), sort.size - 1, *(sort.size - 1 - v for v in same)]
            if inside := [v for v in pool if isinstance(v.sort, self.kernel.Range)]:
                v, w = self.rng.choice(inside), self.rng.choice(inside)
                choices += [v, v + w, self.m * v + w, v - w + self.n - 1]
            return expand(self.rng.choice(choices))
        if self.rng.random() < 0.8:  # without variables that would not be well defined here
            pool = [v for v in pool if v.sort == sort or not isinstance(v.sort, self.kernel.Cyclic)]
        return self.polynomial(pool)

    def good_index(self, pool: Pool, sort: Any, times: int = 6) -> Any:
        """An index of this sort."""

        def one() -> Any:
            e = self.kernel.as_index(self.index(pool, sort))
            self.kernel.check_index(e, sort)
            return e

        return self.tries(one, times)

    # --- terms -------------------------------------------------------------------------------------------------------------

    def term(self, pool: Pool, depth: int = 1, small: bool = False) -> Any:
        t = self.kernel.Term(())
        for _ in range(self.rng.choice([1, 1, 2] if small else [1, 1, 1, 2, 3])):
            with suppress(self.kernel.KernelError):
                t = t + self.tries(lambda: self.summand(pool, depth, small), 5)
        return t

    def summand(self, pool: Pool, depth: int, small: bool = False) -> Any:
        """A number times functions, perhaps a delta and a character, all under a sum."""
        kernel, choice = self.kernel, self.rng.choice
        bound: Pool = []
        for _ in range(choice([0, 1, 1] if small else [0, 1, 1, 2, 2, 3])):
            v = self.variable(choice(self.vocabulary.bound))
            if v.name not in [b.name for b in bound]:
                bound.append(v)
        inner = _shadowed(pool, bound)
        zn, zm = kernel.Cyclic(self.n), kernel.Cyclic(self.m)
        numbers = [1, 1, 1, kernel.cardinality(zn), 1 / kernel.cardinality(zm)]
        t = kernel.as_term(choice([1, 1, 1, 2, -1, Rational(1, 2)])) * choice(numbers)
        for _ in range(choice([0, 1, 1] if small else [0, 1, 1, 2])):
            t = t * self.application(inner, depth)
        for share, make in ((0.45, lambda: self.delta(bound, inner)), (0.5, lambda: self.character(inner))):
            if self.rng.random() < share:
                with suppress(kernel.KernelError):
                    t = t * self.tries(make)
        return kernel.sum_over(bound, t)

    def application(self, pool: Pool, depth: int, binding: bool = False) -> Any:
        """``binding``: of a function that has bodies, which hold more than usual."""

        def one() -> Any:
            fun = self.rng.choice([f for f in self.vocabulary.functions if f.bodies or not binding])
            if fun.bodies and depth <= 0:
                raise self.kernel.KernelError("too deep")
            bodies = []
            for sorts in fun.bodies:
                own = self.variables(sorts)
                term = self.term(_shadowed(pool, own), depth - 1, small=not binding)
                bodies.append(self.kernel.Lambda(tuple(own), term))
            t = fun(*(self.good_index(pool, s) for s in fun.sorts), *bodies)
            return self.kernel.conjugate(t) if self.rng.random() < 0.3 else t

        return self.tries(one)

    def delta(self, bound: Pool, pool: Pool) -> Any:
        """Often one that fixes a bound variable."""
        kernel = self.kernel
        integers = [v for v in bound if isinstance(v, kernel.Var)]
        if integers and self.rng.random() < 0.6:
            v = self.rng.choice(integers)
            modulus = v.sort.modulus if isinstance(v.sort, kernel.Cyclic) else 0
            e = self.index([p for p in pool if p != v], v.sort)
            return kernel.delta(self.rng.choice([1, -1]) * (v - e), modulus)
        modulus = self.rng.choice([self.n, self.n, self.m, self.n * self.m, 0, 0, 2 * self.n, Integer(2)])
        return kernel.delta(self.index(pool, kernel.Cyclic(modulus) if modulus else kernel.Integers()), modulus)

    def character(self, pool: Pool) -> Any:
        """Mostly one that goes around with a variable of the pool."""
        n, m, choice = self.n, self.m, self.rng.choice
        cyclic = [v for v in pool if isinstance(v.sort, self.kernel.Cyclic)]
        if cyclic and self.rng.random() < 0.7:
            v = choice(cyclic)
            e = self.index(pool, v.sort)
            return self.kernel.character(expand(choice([v, e, v * e]) / v.sort.modulus))
        divisor = choice([n, n, n, m, n * m, 2 * n, 2, 4, n**2])
        return self.kernel.character(expand(self.polynomial(pool) * choice([1, 1, -1, m, n]) / divisor))


def _shadowed(pool: Pool, own: Pool) -> Pool:
    """The pool under a binder of ``own``."""
    return [v for v in pool if v.name not in {b.name for b in own}] + own


def in_order(things: Iterable[T]) -> list[T]:
    """Variables or functions of a set in one order, which depends on no hash: a seed means the same in every process."""
    return sorted(things, key=lambda v: (v.name, repr(getattr(v, "sort", ""))))  # type: ignore[attr-defined]


# --- worlds -----------------------------------------------------------------------------------------------------------------


@lru_cache(maxsize=64)
def prime_and_root(order: int) -> tuple[int, int]:
    """A prime p ≡ 1 modulo the order, and an element of that order in the field of p elements."""
    p = (2**61 // order) * order + 1
    while not isprime(p):
        p += order
    roots = (pow(x, (p - 1) // order, p) for x in itertools.count(2))
    return p, next(z for z in roots if all(pow(z, order // q, p) != 1 for q in primefactors(order)))


class Image:
    """An element of Q(ζ), seen through two homomorphisms to the field of p elements: ζ ↦ z and ζ ↦ 1/z.

    All numbers here lie in R = Z[ζ, 1/d], d with prime factors below p only. As p ≡ 1 modulo the order L of ζ, there is z of order L, a root of the L-th
    cyclotomic polynomial modulo p, and so is 1/z; hence both maps are homomorphisms of the ring R, and conjugation, which is ζ ↦ 1/ζ, exchanges the two
    images. A homomorphism takes equal elements to equal images: two that differ here differ in Q(ζ), and what they contradict is false. (Different
    elements may share an image, with a chance of about 2⁻⁶¹: something false could be overlooked, and nothing true is accused.) A function of values is
    here a function of their images: as a function on R it takes values of R, so that it is one of the functions that a theorem speaks of.
    """

    __slots__ = ("first", "p", "second")

    def __init__(self, first: int, second: int, p: int) -> None:
        self.first, self.second, self.p = first % p, second % p, p

    def __add__(self, other: Image) -> Image:
        return Image(self.first + other.first, self.second + other.second, self.p)

    def __mul__(self, other: Image | Fraction) -> Image:
        if isinstance(other, Fraction):
            c = other.numerator * pow(other.denominator, -1, self.p)
            return Image(self.first * c, self.second * c, self.p)
        return Image(self.first * other.first, self.second * other.second, self.p)

    def conjugate(self) -> Image:
        return Image(self.second, self.first, self.p)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Image) and (self.first, self.second) == (other.first, other.second)

    def __hash__(self) -> int:
        return hash((self.first, self.second))

    def __repr__(self) -> str:
        return f"⟨{self.first}, {self.second}⟩"


class _Images:
    """The field of a world whose numbers are images."""

    order: int

    def number(self, value: Fraction) -> Image:
        return Image(1, 1, prime_and_root(self.order)[0]) * Fraction(value)

    def root(self, theta: Fraction) -> Image:
        power = theta * self.order
        if power.denominator != 1:
            raise ValueError(f"ω^({theta}): no term here has such a phase")
        p, z = prime_and_root(self.order)
        return Image(pow(z, int(power), p), pow(z, -int(power), p), p)


SIZES = (
    {"n": (1,), "m": (2,)},
    {"n": (2,), "m": (1,)},
    {"n": (2,), "m": (2,)},
    {"n": (3,), "m": (2,)},
    {"n": (1, 2), "m": (2, 1)},
    {"n": (2, 2), "m": (1, 1)},
    {"n": (2, 1), "m": (2, 2)},
)
GROUPS = {"G": list(itertools.permutations(range(3))), "H": [(0, 1), (1, 0)]}


def worlds(kernel: Kernel, seed: int) -> list[Any]:
    """Small worlds of one and of two dimensions. An index that is no integer, or leaves its range, has no value in them (``ValueError``)."""

    class Field(_Images, kernel.Exact):
        pass

    class World(kernel.World):
        def values(self, sort: Any) -> list[Any]:
            if ("values", sort) not in self.cache:
                self.cache["values", sort] = super().values(sort)
            return self.cache["values", sort]

        def element(self, e: Any, sort: Any, environment: Any) -> Any:
            value = super().element(e, sort, environment)
            if isinstance(sort, kernel.Range) and value not in self.values(sort):
                raise ValueError(f"{e} leaves {sort}")
            return value

    def order(sizes: dict[str, tuple[int, ...]]) -> int:  # the phases' denominators divide 4·n²·m
        return math.lcm(4, *(2 * n**2 * m for n, m in zip(sizes["n"], sizes["m"], strict=True)))

    return [World(sizes, Field(order(sizes)), groups=GROUPS, seed=seed) for sizes in SIZES]


class Costs:
    """About how many values an evaluation computes, in a world of many."""

    def __init__(self, kernel: Kernel, world: Any) -> None:
        self.kernel, self.world = kernel, world

    def _count(self, variables: Iterable[Any]) -> int:
        return math.prod(len(self.world.values(v.sort)) for v in variables)

    def __call__(self, *terms: Any) -> int:
        return sum(self._summand(s) for t in terms for s in t.summands)

    def _summand(self, s: Any) -> int:
        bodies = [b for f in s.factors if isinstance(f, self.kernel.Apply) for b in f.bodies]
        return self._count(s.binders) * (1 + sum(self._count(b.variables) * (self(b.term) + 1) for b in bodies))
