"""Signals with few non-zero entries, the inputs at which a failure can be read."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from hypothesis.strategies import SearchStrategy

__all__ = ["VALUES", "Pixels", "indices", "sparse_pixels"]

#: Entries of a sparse signal: ((index, value), …).
Pixels: TypeAlias = tuple[tuple[tuple[int, ...], float], ...]

#: Values of a sparse signal's entries, the simplest first: large ones reach through layers that barely see a small one.
VALUES = (1, -1, 2, -2, 3, -3, 10, -10, 100, -100)


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
