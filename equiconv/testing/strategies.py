"""Hypothesis strategies for shifts and for signals with few non-zero entries. Hypothesis is imported when one is
made."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, TypeAlias

from equiconv.groups import Translation, TranslationSubgroup

if TYPE_CHECKING:
    from hypothesis.strategies import SearchStrategy

__all__ = ["VALUES", "Pixels", "indices", "shifts", "sparse_pixels"]

#: Entries of a sparse signal: ((index, value), …).
Pixels: TypeAlias = tuple[tuple[tuple[int, ...], float], ...]

#: Values of a sparse signal's entries, the simplest first: large ones reach through layers that barely see a small one.
VALUES = (1, -1, 2, -2, 3, -3, 10, -10, 100, -100)


def shifts(subgroup: TranslationSubgroup) -> SearchStrategy[Translation]:
    """Shifts of a subgroup other than 0; they shrink to its generator along the last axis.

    Raises `ValueError` for the trivial subgroup, which has none.

    >>> from equiconv.groups import Translations
    >>> K = Translations((8, 6)).subgroup((4, 2))
    >>> from hypothesis import find, settings
    >>> find(shifts(K), lambda g: True, settings=settings(database=None)).shifts
    (0, 2)
    """
    from hypothesis import strategies as st

    generators = sorted(subgroup.generators(), key=lambda g: (sum(g.shifts), g.shifts))
    if not generators:
        raise ValueError(f"subgroup: {subgroup} holds only the shift by 0; there is no other to draw")
    group, strides = subgroup.group, subgroup.strides
    steps = st.tuples(*(st.integers(0, n // s - 1) for n, s in zip(group.shape, strides, strict=True)))
    general = steps.filter(any).map(
        lambda counts: group.element(tuple(c * s for c, s in zip(counts, strides, strict=True)))
    )
    return st.one_of(st.sampled_from(generators), general)


def indices(shape: Sequence[int]) -> SearchStrategy[tuple[int, ...]]:
    """Positions in an array of this shape, the ends often, since edges are where symmetry breaks. They shrink to 0."""
    from hypothesis import strategies as st

    return st.tuples(*(_position(n) for n in shape))


def _position(n: int) -> SearchStrategy[int]:
    """A position along an axis of n: one integer drawn from a longer range, for Hypothesis shrinks a union badly."""
    from hypothesis import strategies as st

    beyond = n // 4
    return st.integers(-beyond, n - 1 + beyond).map(lambda k: min(max(k, 0), n - 1))


def sparse_pixels(shape: Sequence[int], most: int = 4) -> SearchStrategy[Pixels]:
    """The non-zero entries of a signal of this shape: 1 to `most` of them, small integers; they shrink to a 1 at the
    origin.

    Raises `ValueError` for a shape without entries.

    >>> from hypothesis import find, settings
    >>> find(sparse_pixels((3, 5)), lambda p: True, settings=settings(database=None))
    (((0, 0), 1),)
    """
    from hypothesis import strategies as st

    entries = math.prod(shape)
    if entries < 1:
        raise ValueError(f"shape: {tuple(shape)} has no entries; a signal needs at least one")
    pixel = st.tuples(indices(shape), st.sampled_from(VALUES))
    return st.lists(pixel, min_size=1, max_size=min(most, entries), unique_by=lambda p: p[0]).map(tuple)
