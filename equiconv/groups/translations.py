"""Translations of a periodic grid: the group Z_{n1} × … × Z_{nr}, its elements, and its product subgroups.

A signal on {0..n−1} is seen as periodic (lecture items L22, L26), so shifting it by k and by k + n is the same. The
convention is that a translation acts on the *signal*: (g·x)[i] = x[i − k], which is `roll(x, k)`.
"""

from __future__ import annotations

import itertools
import math
import operator
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from equiconv.arrays import Array, library, namespace, normalize_axes
from equiconv.groups.protocols import Element, Group, Subgroup

__all__ = ["Translation", "TranslationSubgroup", "Translations"]


def _integers(values: int | Iterable[int], name: str) -> tuple[int, ...]:
    """`values` as a non-empty tuple of Python ints; anything that is not an integer is refused."""
    given = tuple(values) if isinstance(values, Iterable) else (values,)
    for value in given:
        if isinstance(value, (bool, np.bool_)) or not hasattr(value, "__index__"):
            raise TypeError(f"{name} must be an integer or a tuple of integers, got {values!r}")
    if not given:
        raise ValueError(f"{name} must have at least one entry, one per axis of the grid, got {values!r}")
    return tuple(operator.index(value) for value in given)


def _times(parts: Iterable[str]) -> str:
    return " × ".join(parts)


@dataclass(frozen=True, slots=True, init=False, repr=False)
class Translations(Group):
    """The group of translations of a periodic grid of the given shape, Z_{n1} × … × Z_{nr}.

    `shape` is an int or a tuple of ints, each at least 1; anything else raises `TypeError` or `ValueError`.

    >>> G = Translations((4, 6))
    >>> G, G.order, G.element((5, -1))
    (Z_4 × Z_6, 24, shift by (1, 5) in Z_4 × Z_6)
    >>> [K.order for K in (G.trivial(), G.subgroup((2, 3)), G.full())]
    [1, 4, 24]
    """

    shape: tuple[int, ...]

    def __init__(self, shape: int | Iterable[int]) -> None:
        sizes = _integers(shape, "shape")
        if min(sizes) < 1:
            raise ValueError(f"shape must hold sizes of at least 1, got {shape!r}")
        object.__setattr__(self, "shape", sizes)

    def __repr__(self) -> str:
        return _times(f"Z_{n}" for n in self.shape)

    @property
    def rank(self) -> int:
        """The number of axes of the grid."""
        return len(self.shape)

    @property
    def order(self) -> int:
        """The number of translations, n1·…·nr."""
        return math.prod(self.shape)

    @property
    def identity(self) -> Translation:
        """The shift by 0."""
        return Translation(self, (0,) * self.rank)

    def element(self, shifts: int | Iterable[int]) -> Translation:
        """The shift by `shifts`, one int per axis, each reduced modulo the size of its axis.

        >>> Translations(5).element(-2).shifts
        (3,)
        """
        return Translation(self, shifts)

    def generators(self) -> tuple[Translation, ...]:
        """The unit shift along each axis of size 2 or more."""
        return self.full().generators()

    def elements(self) -> Iterator[Translation]:
        """Every translation once, in row-major order of the shifts."""
        return self.full().elements()

    def subgroup(self, strides: int | Iterable[int]) -> TranslationSubgroup:
        """s1·Z × … × sr·Z, for strides that divide the sizes of their axes."""
        return TranslationSubgroup(self, strides)

    def trivial(self) -> TranslationSubgroup:
        """The subgroup that holds only the shift by 0: the strides are the sizes."""
        return TranslationSubgroup(self, self.shape)

    def full(self) -> TranslationSubgroup:
        """The subgroup that holds every translation: the strides are 1."""
        return TranslationSubgroup(self, (1,) * self.rank)

    def sample(self, count: int, seed: int) -> list[Translation]:
        """`count` independent uniform draws with replacement, the same for the same `seed`.

        >>> Translations((4, 6)).sample(2, seed=0) == Translations((4, 6)).sample(2, seed=0)
        True
        """
        return self.full().sample(count, seed)


@dataclass(frozen=True, slots=True, init=False, repr=False)
class Translation(Element):
    """A translation of a periodic grid: (g·x)[i] = x[i − k], with the shift k reduced modulo the grid's shape.

    >>> g = Translations((4, 6)).element((1, -2))
    >>> g.shifts, g.order, (g * g).shifts, g.inverse().shifts, (g ** -2).shifts
    ((1, 4), 12, (2, 2), (3, 2), (2, 4))
    """

    group: Translations
    shifts: tuple[int, ...]

    def __init__(self, group: Translations, shifts: int | Iterable[int]) -> None:
        given = _integers(shifts, "shifts")
        if len(given) != group.rank:
            raise ValueError(
                f"shifts must have {group.rank} entries, one per axis of {group}, got {shifts!r}; write 0 for an axis "
                f"that does not move"
            )
        object.__setattr__(self, "group", group)
        object.__setattr__(self, "shifts", tuple(k % n for k, n in zip(given, group.shape, strict=True)))

    def __repr__(self) -> str:
        return f"shift by {self.shifts} in {self.group}"

    def __mul__(self, other: Translation) -> Translation:
        """The sum of the two shifts."""
        if not isinstance(other, Translation):
            return NotImplemented
        if other.group != self.group:
            raise ValueError(f"cannot multiply translations of different groups, {self.group} and {other.group}")
        return Translation(self.group, tuple(a + b for a, b in zip(self.shifts, other.shifts, strict=True)))

    def __pow__(self, exponent: int) -> Translation:
        """The shift by `exponent` times k."""
        (p,) = _integers(exponent, "exponent")
        return Translation(self.group, tuple(p * k for k in self.shifts))

    def inverse(self) -> Translation:
        """The shift by −k."""
        return self**-1

    @property
    def order(self) -> int:
        """The least p ≥ 1 with p·k = 0: the least common multiple of n / gcd(n, k) over the axes."""
        return math.lcm(*(n // math.gcd(n, k) for k, n in zip(self.shifts, self.group.shape, strict=True)))

    def act(self, x: Array, axes: int | Iterable[int] | None = None) -> Array:
        """g·x, the array `x` rolled by `shifts` along `axes` (one axis of `x` per axis of the grid; default: the last).

        Exact for every dtype, since entries only move. torch gradients are kept. Raises `ValueError` where `axes` does
        not name one axis per grid axis, or where the sizes differ from the grid's.

        >>> Translations(4).element(1).act(np.asarray([10, 20, 30, 40])).tolist()
        [40, 10, 20, 30]
        """
        library(x)
        rank = self.group.rank
        if axes is None and x.ndim < rank:
            raise ValueError(f"x must have at least {rank} axes to be shifted by {self.group}, got shape {x.shape}")
        positions = normalize_axes(range(-rank, 0) if axes is None else axes, x.ndim)
        if len(positions) != rank:
            raise ValueError(f"axes must name {rank} axes of x, one per axis of {self.group}, got {axes!r}")
        sizes = tuple(int(x.shape[a]) for a in positions)
        if sizes != self.group.shape:
            raise ValueError(
                f"x has sizes {sizes} along axes {positions}, but the translation moves a grid of shape "
                f"{self.group.shape}; make the element from Translations({sizes})"
            )
        return namespace(x).roll(x, self.shifts, axis=positions)


@dataclass(frozen=True, slots=True, init=False, repr=False)
class TranslationSubgroup(Subgroup):
    """The product subgroup K = s1·Z × … × sr·Z of a group of translations.

    Every subgroup of one cyclic axis Z_n is s·Z for one divisor s of n; the stride s = n means only the shift by 0.
    Other strides are refused, so that equal subgroups have equal strides. Products of such subgroups form a lattice: K
    & H is the intersection (least common multiple of the strides) and K | H the smallest product around both, which is
    also the subgroup that they generate (greatest common divisor). `<`, `<=`, `>` and `>=` compare by containment.

    >>> G = Translations((224, 224))
    >>> K = G.subgroup((32, 32)); H = G.subgroup((28, 32))
    >>> K, K.order, K.index()
    (32Z × 32Z of Z_224 × Z_224, 49, 1024)
    >>> K & H, K | H
    (0 × 32Z of Z_224 × Z_224, 4Z × 32Z of Z_224 × Z_224)
    >>> G.element((64, 0)) in K, K <= H, (K & H).index(K)
    (True, False, 7)
    """

    group: Translations
    strides: tuple[int, ...]

    def __init__(self, group: Translations, strides: int | Iterable[int]) -> None:
        given = _integers(strides, "strides")
        if len(given) != group.rank:
            raise ValueError(f"strides must have {group.rank} entries, one per axis of {group}, got {strides!r}")
        for s, n in zip(given, group.shape, strict=True):
            if s < 1 or n % s:
                raise ValueError(
                    f"strides must be positive divisors of the axis sizes {group.shape}, got {strides!r}: {s} does not "
                    f"divide {n}; the subgroup that {s} generates has stride gcd({n}, {s}) = {math.gcd(n, s)}"
                )
        object.__setattr__(self, "group", group)
        object.__setattr__(self, "strides", given)

    def __repr__(self) -> str:
        names = (
            "0" if s == n else "Z" if s == 1 else f"{s}Z" for s, n in zip(self.strides, self.group.shape, strict=True)
        )
        return f"{_times(names)} of {self.group}"

    @property
    def order(self) -> int:
        """The number of shifts in K, the product of n / s over the axes."""
        return math.prod(n // s for s, n in zip(self.strides, self.group.shape, strict=True))

    @property
    def is_trivial(self) -> bool:
        """Whether K holds only the shift by 0."""
        return self.strides == self.group.shape

    def generators(self) -> tuple[Translation, ...]:
        """The shift by s along each axis on which K is more than 0."""
        rank = self.group.rank
        return tuple(
            Translation(self.group, tuple(s if a == axis else 0 for a in range(rank)))
            for axis, (s, n) in enumerate(zip(self.strides, self.group.shape, strict=True))
            if s < n
        )

    def elements(self) -> Iterator[Translation]:
        """Every shift in K once, in row-major order."""
        ranges = (range(0, n, s) for s, n in zip(self.strides, self.group.shape, strict=True))
        return (Translation(self.group, shifts) for shifts in itertools.product(*ranges))

    def sample(self, count: int, seed: int) -> list[Translation]:
        """`count` independent uniform draws from K with replacement, the same for the same `seed`.

        >>> all(g in K for K in [Translations(12).subgroup(3)] for g in K.sample(5, seed=1))
        True
        """
        if count < 0:
            raise ValueError(f"count must be at least 0, got {count}")
        sizes = [n // s for s, n in zip(self.strides, self.group.shape, strict=True)]
        draws = np.random.default_rng(seed).integers(0, sizes, size=(count, len(sizes)))
        return [
            Translation(self.group, tuple(int(d) * s for d, s in zip(row, self.strides, strict=True))) for row in draws
        ]

    def __contains__(self, element: object) -> bool:
        return (
            isinstance(element, Translation)
            and element.group == self.group
            and all(k % s == 0 for k, s in zip(element.shifts, self.strides, strict=True))
        )

    def _require_same_group(self, other: TranslationSubgroup) -> None:
        if other.group != self.group:
            raise ValueError(f"cannot compare subgroups of different groups, {self.group} and {other.group}")

    def __le__(self, other: TranslationSubgroup) -> bool:
        if not isinstance(other, TranslationSubgroup):
            return NotImplemented
        self._require_same_group(other)
        return all(s % t == 0 for s, t in zip(self.strides, other.strides, strict=True))

    def __lt__(self, other: TranslationSubgroup) -> bool:
        if not isinstance(other, TranslationSubgroup):
            return NotImplemented
        return self <= other and self != other

    def __ge__(self, other: TranslationSubgroup) -> bool:
        return NotImplemented if not isinstance(other, TranslationSubgroup) else other <= self

    def __gt__(self, other: TranslationSubgroup) -> bool:
        return NotImplemented if not isinstance(other, TranslationSubgroup) else other < self

    def __and__(self, other: TranslationSubgroup) -> TranslationSubgroup:
        """The meet, K ∩ H."""
        if not isinstance(other, TranslationSubgroup):
            return NotImplemented
        self._require_same_group(other)
        return TranslationSubgroup(self.group, tuple(map(math.lcm, self.strides, other.strides)))

    def __or__(self, other: TranslationSubgroup) -> TranslationSubgroup:
        """The join, K + H."""
        if not isinstance(other, TranslationSubgroup):
            return NotImplemented
        self._require_same_group(other)
        return TranslationSubgroup(self.group, tuple(map(math.gcd, self.strides, other.strides)))

    def index(self, other: TranslationSubgroup | None = None) -> int:
        """[H : K], the number of cosets of K in `other`, or in the whole group where `other` is not given.

        Raises `ValueError` where K is not contained in `other`.
        """
        around = self.group.full() if other is None else other
        if not self <= around:
            raise ValueError(f"the index of K in other needs K inside it, but {self} is not inside {around}")
        return around.order // self.order

    def minimal_overgroups(self) -> Iterator[tuple[int, Translation]]:
        """For each subgroup H ⊃ K of prime index, products or not: the prime [H : K], and an h with H = ⟨K, h⟩.

        H / K is a subgroup of order p of Z_{s1} × … × Z_{sr}, hence a line in its p-torsion F_p^r', where r' counts
        the axes whose stride p divides. Every line has one generator whose first non-zero coordinate c is 1: h shifts
        axis a by c_a·s_a/p. That makes (p^r' − 1)/(p − 1) of them for each prime, diagonals (checkerboards) included.

        >>> [(p, h.shifts) for p, h in Translations((4, 6)).subgroup((2, 2)).minimal_overgroups()]
        [(2, (0, 1)), (2, (1, 0)), (2, (1, 1))]
        """
        for p in prime_factors(math.lcm(*self.strides)):
            divisible = [s % p == 0 for s in self.strides]
            for first in reversed(range(self.group.rank)):
                if divisible[first]:
                    free = [range(p) if d else range(1) for d in divisible[first + 1 :]]
                    for rest in itertools.product(*free):
                        line = zip((0,) * first + (1, *rest), self.strides, strict=True)
                        yield p, Translation(self.group, tuple(c * s // p for c, s in line))


def prime_factors(n: int) -> Iterator[int]:
    """The prime factors of n, ascending, each once."""
    p = 2
    while p * p <= n:
        if n % p == 0:
            yield p
            while n % p == 0:
                n //= p
        p += 1
    if n > 1:
        yield n
