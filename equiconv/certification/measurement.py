"""What running the network did not refute: the largest such subgroup, found by climbing from the derived one.

A measurement, not a proof. Subgroups of Z_n1 × … × Z_nr need be no products (a checkerboard); each is held as a lattice of integer vectors, modulo the shape.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator, Sequence

from equiconv.certification.certificate import Measured, Refutation
from equiconv.groups.translations import prime_factors

Vector = tuple[int, ...]
#: Tries to refute shifts, each given with a prime index.
Try = Callable[[dict[Vector, int]], Sequence[Refutation]]


def climb(shape: Sequence[int], strides: Sequence[int], first: Sequence[Refutation], attempt: Try) -> Measured:
    """From K and what was tried of its minimal overgroups to the largest subgroup of which no generator was refuted.

    The shifts that a network respects are a group, so what two tries leave open is joined, and the overgroups of the join are tried next.
    """
    rank = len(shape)
    rows = basis([tuple(s if a == b else 0 for b in range(rank)) for a, s in enumerate(strides)])
    tried = first
    while left := [r.shift for r in tried if not r.refuted]:
        rows = basis([*rows, *left])
        tried = attempt(dict(overgroups(rows, shape)))
    along = tuple(
        next(t for t in range(1, n + 1) if contains(rows, tuple(t if b == a else 0 for b in range(rank))))
        for a, n in enumerate(shape)
    )
    slanted = () if math.prod(along) == _index(rows) else tuple(r for r in rows if sum(x != 0 for x in r) > 1)
    return Measured(along, slanted)


def basis(vectors: Sequence[Vector]) -> list[Vector]:
    """The upper triangular basis (Hermite normal form) of the lattice of full rank that the vectors span."""
    left = [list(v) for v in vectors]
    rows: list[list[int]] = []
    for column in range(len(vectors[0])):
        while sum(v[column] != 0 for v in left) > 1:
            pivot = min((v for v in left if v[column]), key=lambda v: abs(v[column]))
            for v in left:
                if v is not pivot and v[column]:
                    times = v[column] // pivot[column]
                    v[:] = [a - times * b for a, b in zip(v, pivot, strict=True)]
        pivot = next(v for v in left if v[column])
        left.remove(pivot)
        rows.append([-a for a in pivot] if pivot[column] < 0 else pivot)
    for i, row in enumerate(rows):
        for above in rows[:i]:
            times = above[i] // row[i]
            above[:] = [a - times * b for a, b in zip(above, row, strict=True)]
    return [tuple(row) for row in rows]


def contains(rows: Sequence[Vector], vector: Vector) -> bool:
    """True when the lattice with this triangular basis holds the vector."""
    left = list(vector)
    for i, row in enumerate(rows):
        times, rest = divmod(left[i], row[i])
        if rest:
            return False
        left = [a - times * b for a, b in zip(left, row, strict=True)]
    return True


def overgroups(rows: Sequence[Vector], shape: Sequence[int]) -> Iterator[tuple[Vector, int]]:
    """For each lattice of whole vectors in which this one has prime index p: a vector that makes it, modulo the shape, and p.

    Such a lattice is spanned by this one and a vector b·c/p, for c a point of the projective space over F_p.
    """
    rank = len(rows)
    for p in prime_factors(_index(rows)):
        for first in range(rank):
            for rest in itertools.product(range(p), repeat=rank - first - 1):
                weights = (0,) * first + (1, *rest)
                total = [sum(w * row[a] for w, row in zip(weights, rows, strict=True)) for a in range(rank)]
                if not any(x % p for x in total):
                    yield tuple(x // p % n for x, n in zip(total, shape, strict=True)), p


def _index(rows: Sequence[Vector]) -> int:
    """How many cosets the lattice has among the whole vectors: its determinant."""
    return math.prod(row[i] for i, row in enumerate(rows))


__all__ = ["basis", "climb", "contains", "overgroups"]
