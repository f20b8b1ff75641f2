"""Indices: what an index ranges over, and when a polynomial is a well-defined index.

*Reading.* Fix any dimension d ≥ 1. Every size and every integer variable stands for a vector of d integers, and +, − and · act componentwise; Z_N is
Z_{N1} × … × Z_{Nd}; a range {0, …, K−1} is a box. Nothing here or in the rules uses more of the integers than that they are a commutative ring, so
what is proved holds on grids of every dimension and of every size along each axis.

*Arithmetic.* SymPy's ``expand`` on polynomials with integer coefficients, divided at most by sizes. An expression counts as an integer when every one
of its terms has an integer coefficient and no denominator: enough for being one, whatever the variables are.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, TypeAlias

from sympy import Add, Basic, Dummy, Expr, Integer, Mul, Pow, Rational, Symbol, expand, preorder_traversal


class KernelError(Exception):
    """A step that the kernel refuses; the message says why."""


def require(condition: bool, reason: str) -> None:
    if not condition:
        raise KernelError(reason)


class Sealed:
    """A class that its own subclasses cannot bend: they have none."""

    __slots__ = ()

    def __init_subclass__(cls) -> None:
        require(
            cls.__bases__ == (Sealed,),
            f"{cls.__bases__[0].__name__} is what the kernel takes it for: it has no subclasses",
        )


# --- sorts ------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Cyclic(Sealed):
    """Z_N, the integers modulo a product of sizes."""

    modulus: Expr

    def __post_init__(self) -> None:
        modulus = as_integer(self.modulus)
        coefficient, rest = modulus.as_coeff_Mul()
        product = integral(modulus) and coefficient > 0 and not rest.is_Add
        require(product and not variables_of(modulus), f"{modulus} is no modulus: a product of sizes is")
        object.__setattr__(self, "modulus", modulus)

    def __str__(self) -> str:
        return f"Z_{self.modulus}" if self.modulus.is_Symbol else f"Z_({self.modulus})"


@dataclass(frozen=True)
class Range(Sealed):
    """The integers 0, …, size − 1: a window, or a signal that does not wrap. Never empty: else what holds of all its values could be vacuous, and
    outlive the variable."""

    size: Expr

    def __post_init__(self) -> None:
        size = as_integer(self.size)
        require(integral(size) and not variables_of(size), f"{size} is no size of a range")
        require(
            _nonnegative_over_sizes(size - 1),
            f"a range of {size} may be empty: choose sizes of which it is plainly at least 1 (p + k − 1 for m, then p for m − k + 1)",
        )
        object.__setattr__(self, "size", size)

    def __str__(self) -> str:
        return f"[0,{self.size})"


@dataclass(frozen=True)
class Integers(Sealed):
    """All integers."""

    def __str__(self) -> str:
        return "Z"


@dataclass(frozen=True)
class Unit(Sealed):
    """The unit vectors: 1 along one axis and 0 along the others (in one dimension, the number 1). They generate the integers."""

    def __str__(self) -> str:
        return "{1}"


@dataclass(frozen=True)
class Group(Sealed):
    """A finite group, of which nothing is known but that it is one."""

    name: str

    def __post_init__(self) -> None:
        require(is_name(self.name), f"{self.name!r} is no name of a group")

    def __str__(self) -> str:
        return self.name


@dataclass(frozen=True)
class Points(Sealed):
    """A finite set, not empty, on which a group acts by permutations."""

    name: str
    group: Group

    def __post_init__(self) -> None:
        require(is_name(self.name) and type(self.group) is Group, f"{self.name!r} is no set on which a group acts")

    def __str__(self) -> str:
        return self.name


Sort: TypeAlias = Cyclic | Range | Integers | Unit | Group | Points


@lru_cache(maxsize=10_000)
def spelled(sort: Sort) -> str:
    """A text for every sort, of which no two sorts have the same: where names could coincide, this is what is compared."""
    return repr(sort)


FINITE = (Cyclic, Range, Group, Points)

# --- variables and index expressions ----------------------------------------------------------------------------------


def is_name(name: str) -> bool:
    """True for a word, with primes perhaps, that cannot be read as an expression (Python takes the product dot for a letter)."""
    return type(name) is str and name.rstrip("′").isidentifier() and "·" not in name


def size(name: str) -> Symbol:
    """A size: a positive integer (in d dimensions, d of them)."""
    require(type(name) is str and name.isidentifier(), f"{name!r} is no name of a size")
    return Symbol(name)


def is_size(e: Any) -> bool:
    """True for what :func:`size` makes; a symbol with assumptions of its own is none."""
    return type(e) is Symbol and e.name.isidentifier() and e == Symbol(e.name)


class Var(Symbol):  # type: ignore[misc]
    """A variable of an integer sort. Two of one name and different sorts are different."""

    __slots__ = ("_sort", "_spelled")

    def __new__(cls, name: str, sort: Sort) -> Var:
        require(
            type(sort) in (Cyclic, Range, Integers, Unit),
            f"{name} ∈ {sort}: a Var is an integer, or a class of them",
        )
        require(is_name(name), f"{name!r} is no name of a variable")
        made = Symbol.__xnew__(cls, name)
        made._sort, made._spelled = sort, spelled(sort)
        return made  # type: ignore[no-any-return]

    def __init_subclass__(cls) -> None:
        raise KernelError("Var is what the kernel takes it for: it has no subclasses")

    @property
    def sort(self) -> Sort:
        """What it ranges over."""
        return self._sort  # type: ignore[no-any-return]

    def __getnewargs_ex__(self) -> Any:
        return (self.name, self.sort), {}

    def _hashable_content(self) -> tuple[Any, ...]:
        return (*Symbol._hashable_content(self), self._spelled)  # text, which SymPy can put in an order

    def sort_key(self, order: Any = None) -> Any:  # noqa: ARG002
        return self.class_key(), (2, (self.name, self._spelled)), Integer(1).sort_key(), Integer(1)


@dataclass(frozen=True)
class Letter(Sealed):
    """A variable over a group or over the points it acts on."""

    name: str
    sort: Group | Points

    def __post_init__(self) -> None:
        require(type(self.sort) in (Group, Points), f"{self.sort} is a sort of integers: {self.name} is a Var")
        require(is_name(self.name), f"{self.name!r} is no name of a variable")

    def __mul__(self, other: Letter | Word) -> Word:
        return Word(((self, 1),)) * other

    @property
    def inverse(self) -> Word:
        return Word(((self, 1),)).inverse

    def __str__(self) -> str:
        return self.name


class Word(Sealed):
    """A product of letters and inverses, freely reduced: a group element, or such an element applied to a point."""

    __slots__ = ("letters",)
    letters: tuple[tuple[Letter, int], ...]

    def __init__(self, letters: Iterable[tuple[Letter, int]]) -> None:
        reduced: list[tuple[Letter, int]] = []
        for letter, power in letters:
            require(
                type(letter) is Letter and type(power) is int and power in (1, -1),
                f"{letter} to the power {power}: a word is of letters and inverses",
            )
            if reduced and reduced[-1] == (letter, -power):
                reduced.pop()
            else:
                reduced.append((letter, power))
        object.__setattr__(self, "letters", tuple(reduced))

    def __setattr__(self, name: str, value: Any) -> None:
        raise KernelError("a word cannot be changed")

    def __mul__(self, other: Letter | Word) -> Word:
        return Word(self.letters + word(other).letters)

    @property
    def inverse(self) -> Word:
        return Word((letter, -power) for letter, power in reversed(self.letters))

    def __str__(self) -> str:
        return "·".join(letter.name + ("⁻¹" if power < 0 else "") for letter, power in self.letters) or "1"


Variable: TypeAlias = Var | Letter
Index: TypeAlias = Expr | Word


def word(value: Letter | Word) -> Word:
    if type(value) is Letter:
        return Word(((value, 1),))
    if type(value) is Word:
        return value
    raise KernelError(f"{value} is no word")


NODES = (
    Add,
    Mul,
    Pow,
    Symbol,
    Var,
    *(type(Rational(p, q)) for p, q in ((0, 1), (1, 1), (-1, 1), (2, 1), (1, 2), (2, 3))),
)


def plain(value: Any) -> bool:
    """True for a Python integer, and for sums, products and powers of symbols and rational numbers."""
    return type(value) is int or (
        isinstance(value, Basic) and all(type(node) in NODES for node in preorder_traversal(value))
    )


def as_integer(value: Any) -> Expr:
    """A polynomial, expanded. Text is refused, because SymPy would run it, and so are expressions of other classes, which could do as they like."""
    require(plain(value), f"{value!r} is no index: integers, variables and polynomials are")
    return expand(value)


def as_index(value: Any) -> Index:
    return word(value) if type(value) in (Letter, Word) else as_integer(value)


def variables_of(e: Index) -> frozenset[Variable]:
    if isinstance(e, Word):
        return frozenset(letter for letter, _ in e.letters)
    return frozenset(s for s in e.free_symbols if isinstance(s, Var))


def period_of(v: Variable) -> Expr:
    """N, for a variable of Z_N."""
    if isinstance(v.sort, Cyclic):
        return v.sort.modulus
    raise KernelError(f"{v.name} does not run around a period, but over {v.sort}")


def extent_of(v: Variable) -> Expr:
    """K, for a variable of {0, …, K − 1}."""
    if isinstance(v.sort, Range):
        return v.sort.size
    raise KernelError(f"{v.name} does not run over a range, but over {v.sort}")


def replace(e: Index, mapping: Mapping[Variable, Index]) -> Index:
    """All replacements at once."""
    if not any(v in mapping for v in variables_of(e)):
        return e
    if isinstance(e, Word):
        out = Word(())
        for letter, power in e.letters:
            image = word(mapping.get(letter, letter))
            out = out * (image if power > 0 else image.inverse)
        return out
    return expand(e.xreplace({v: x for v, x in mapping.items() if isinstance(v, Var)}))


# --- integers modulo N -------------------------------------------------------------------------------------------------


TURN = Dummy("turn")  # an integer that occurs in no index


@lru_cache(maxsize=100_000)
def integral(e: Expr, *, turned: bool = False) -> bool:
    """True when every term of e has an integer coefficient and no denominator. ``turned``: e may hold TURN."""
    for term in Add.make_args(expand(e)):
        coefficient, rest = term.as_coeff_Mul()
        if not coefficient.is_Integer:
            return False
        for b, p in rest.as_powers_dict().items() if rest != 1 else ():
            if not ((isinstance(b, Var) or is_size(b) or (turned and b is TURN)) and p.is_Integer and p > 0):
                return False
    return True


@lru_cache(maxsize=100_000)
def fraction(e: Expr) -> Expr:
    """e modulo the integers: its terms without the integers in them."""
    kept = []
    for term in Add.make_args(expand(e)):
        coefficient, rest = term.as_coeff_Mul()
        kept.append((coefficient % 1 if integral(rest) else coefficient) * rest)
    return Add(*kept)


def reduced(e: Expr, modulus: Expr) -> Expr:
    """A representative of e modulo N (as it stands where N = 0)."""
    return expand(modulus * fraction(e / modulus)) if modulus != 0 else expand(e)


@lru_cache(maxsize=100_000)
def periodic(theta: Expr) -> bool:
    """True when θ modulo 1 depends on each variable v ∈ Z_M only modulo M."""
    return all(
        integral(theta.xreplace({v: v + v.sort.modulus * TURN}) - theta, turned=True)
        for v in variables_of(theta)
        if isinstance(v, Var) and isinstance(v.sort, Cyclic)
    )


def nonnegative(e: Expr) -> bool:
    """True when e ≥ 0 is plain: every variable goes to the end of its range that makes e least, every size is at least 1."""
    e = expand(e)
    for v in sorted(variables_of(e), key=str):
        slope = expand(e.coeff(v, 1))
        rest = expand(e - slope * v)
        if not (isinstance(v, Var) and isinstance(v.sort, Range)) or v in rest.free_symbols or variables_of(slope):
            return False
        if _nonnegative_over_sizes(slope):
            e = rest
        elif _nonnegative_over_sizes(-slope):
            e = expand(rest + slope * (v.sort.size - 1))
        else:
            return False
    return _nonnegative_over_sizes(e)


def _nonnegative_over_sizes(e: Expr) -> bool:
    above_one = expand(e.xreplace({s: s + 1 for s in e.free_symbols}))
    return all(t.as_coeff_Mul()[0] >= 0 for t in Add.make_args(above_one))


def check_index(e: Index, sort: Sort) -> None:
    """Refuse e where it is not, for all values of its variables, an element of the sort (for Z_N: a class modulo N)."""
    if isinstance(sort, (Group, Points)):
        require(isinstance(e, Word), f"{e} is no element of {sort}")
        assert isinstance(e, Word)
        group = sort if isinstance(sort, Group) else sort.group
        points = [letter for letter, _ in e.letters if letter.sort != group]
        if isinstance(sort, Group):
            require(not points, f"{e} is no word in the group {sort}")
        else:
            require(
                len(points) == 1 and e.letters[-1] == (points[0], 1) and points[0].sort == sort,
                f"{e} is no point of {sort}",
            )
        return
    require(not isinstance(e, Word), f"{e} is no integer")
    assert not isinstance(e, Word)
    require(integral(e), f"{e} is no integer polynomial")
    if isinstance(sort, Cyclic):
        require(
            periodic(e / sort.modulus),
            f"{e} is not well defined modulo {sort.modulus}: it depends on more than its variables' classes",
        )
        return
    require(
        not any(isinstance(v.sort, Cyclic) for v in variables_of(e)),
        f"{e} holds a variable known only modulo its period, and {sort} asks for an integer",
    )
    if isinstance(sort, Range):
        inside = nonnegative(e) and nonnegative(sort.size - 1 - e)
        require(inside, f"{e} may leave the range {sort}")
    elif isinstance(sort, Unit):
        require(isinstance(e, Var) and e.sort == sort, f"{e} is not known to lie in {sort}")


__all__ = [
    "FINITE",
    "Cyclic",
    "Group",
    "Index",
    "Integers",
    "KernelError",
    "Letter",
    "Points",
    "Range",
    "Sealed",
    "Sort",
    "Unit",
    "Var",
    "Variable",
    "Word",
    "as_index",
    "as_integer",
    "check_index",
    "extent_of",
    "fraction",
    "integral",
    "is_size",
    "nonnegative",
    "period_of",
    "periodic",
    "plain",
    "reduced",
    "replace",
    "require",
    "size",
    "spelled",
    "variables_of",
    "word",
]
