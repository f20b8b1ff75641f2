"""What a group must supply so that the rest of equiconv can work with it.

Translations of a grid are the group of the first layers; rotations and flips of a grid, or permutations of channels
and nodes, come by supplying these three protocols (Bronstein et al., arXiv 2104.13478, derive a convolution from
each). Code that only needs to move a signal, to walk a group or to compare two subgroups is written against the
protocols.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Protocol, Self, runtime_checkable

from equiconv.arrays import Array

__all__ = ["Element", "Group", "Subgroup"]


@runtime_checkable
class Element(Protocol):
    """An element g of a finite group, which acts on signals: act(gh, x) = act(g, act(h, x))."""

    @property
    def order(self) -> int:
        """The least p ≥ 1 with g ** p = identity."""

    def __mul__(self, other: Self) -> Self:
        """The product gh: first h, then g."""

    def __pow__(self, exponent: int) -> Self:
        """The product of `exponent` copies of g; of its inverse where negative."""

    def inverse(self) -> Self:
        """The element with g · g.inverse() = identity."""

    def act(self, x: Array, axes: int | Iterable[int] | None = None) -> Array:
        """g · x, the group acting along `axes` of `x`."""


@runtime_checkable
class Group(Protocol):
    """A finite group."""

    @property
    def order(self) -> int:
        """The number of elements."""

    @property
    def identity(self) -> Element:
        """The element that moves nothing."""

    def generators(self) -> tuple[Element, ...]:
        """Elements whose products are the whole group; none for the trivial group."""

    def elements(self) -> Iterator[Element]:
        """Every element once, the identity first."""

    def trivial(self) -> Subgroup:
        """The subgroup that holds only the identity."""

    def full(self) -> Subgroup:
        """The subgroup that holds every element."""

    def sample(self, count: int, seed: int) -> Sequence[Element]:
        """Independent uniform draws, with replacement: the same for the same seed."""


@runtime_checkable
class Subgroup(Protocol):
    """A subgroup K of a finite group, as an element of the lattice of those subgroups that its class can state."""

    @property
    def order(self) -> int:
        """The number of elements."""

    def generators(self) -> tuple[Element, ...]:
        """Elements whose products are K; none for the trivial subgroup."""

    def elements(self) -> Iterator[Element]:
        """Every element once, the identity first."""

    def __contains__(self, element: object) -> bool:
        """Whether an element of the group lies in K."""

    def __le__(self, other: Self) -> bool:
        """Whether K is contained in the other subgroup."""

    def __and__(self, other: Self) -> Self:
        """The meet: the largest subgroup inside both."""

    def __or__(self, other: Self) -> Self:
        """The join: the smallest subgroup around both."""

    def index(self, other: Self | None = None) -> int:
        """The number of cosets of K in the other subgroup, or in the whole group."""

    def minimal_overgroups(self) -> Iterator[tuple[int, Element]]:
        """For each subgroup H ⊃ K with nothing in between: its index [H : K], and an h with H = ⟨K, h⟩.

        To show that K is the whole of a symmetry group it is enough to refute these.
        """
