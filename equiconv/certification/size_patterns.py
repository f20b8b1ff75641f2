"""How a stride depends on the size: the shortest rule that explains every size tried along an axis.

A rule is a list of conditions on n, each with what is kept where it is the first that holds: "4 | n keeps 4Z, every other n nothing". It sums up what
was seen. It is no proof for other sizes, and says how many sizes it was seen on.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class Kept:
    """What is kept of Z_n: stride·Z, or (n/share)·Z, of which share 1 is only 0."""

    stride: int | None = None
    share: int | None = None

    def at(self, n: int) -> int | None:
        """The stride at the size n, or None where there is no such subgroup."""
        divisor = self.stride or self.share or 1
        return None if n % divisor else self.stride or n // divisor

    @property
    def nothing(self) -> bool:
        return self.share == 1

    def describe(self, letter: str) -> str:
        if self.nothing:
            return "nothing"
        if self.stride:
            return "Z" if self.stride == 1 else f"{self.stride}Z"
        return f"({letter}/{self.share})Z"


@dataclass(frozen=True)
class Branch:
    """n ≡ residue (mod divisor) keeps something; divisor 1 is every n that is left. sizes: those that it was seen on."""

    divisor: int
    residue: int
    kept: Kept
    sizes: tuple[int, ...]

    def holds(self, n: int) -> bool:
        return n % self.divisor == self.residue

    def condition(self, letter: str) -> str:
        if self.divisor == 2:
            return f"{'odd' if self.residue else 'even'} {letter}"
        return f"{letter} ≡ {self.residue} mod {self.divisor}" if self.residue else f"{self.divisor} | {letter}"


@dataclass(frozen=True)
class AxisPattern:
    """The rule for one axis; the first branch that holds says what is kept.

    >>> pattern = explain({n: 4 if n % 4 == 0 else n for n in range(5, 17)})
    >>> pattern.describe("H"), pattern.stride(20), pattern.stride(18)
    ('4 | H keeps 4Z (3 of 3 such sizes tried); every other H tried keeps nothing (9 of 9)', 4, 18)
    """

    branches: tuple[Branch, ...]

    def stride(self, n: int) -> int | None:
        """The stride that the rule gives at the size n; None where it says nothing of n."""
        return next((b.kept.at(n) for b in self.branches if b.holds(n)), None)

    def describe(self, letter: str = "n") -> str:
        parts = []
        for i, branch in enumerate(self.branches):
            kept, count = branch.kept.describe(letter), f"{len(branch.sizes)} of {len(branch.sizes)}"
            stride = branch.kept.stride
            zero = f"; at {stride} that is only 0" if stride in branch.sizes and stride != 1 else ""
            if branch.divisor > 1:
                parts.append(f"{branch.condition(letter)} keeps {kept} ({count} such sizes tried{zero})")
            else:
                parts.append(f"every {'other ' if i else ''}{letter} tried keeps {kept} ({count}{zero})")
        return "; ".join(parts)

    def as_dict(self) -> dict[str, Any]:
        """The rule as plain data: for each branch its condition, what it keeps, and the sizes that it was seen on."""
        return {"branches": [asdict(branch) for branch in self.branches]}


def explain(strides: Mapping[int, int]) -> AxisPattern | None:
    """The shortest rule that gives every stride, by size; None where none does that says less than the sizes themselves.

    >>> explain({7: 1, 14: 2, 21: 3, 8: 8, 9: 9}).describe("W")
    '7 | W keeps (W/7)Z (3 of 3 such sizes tried); every other W tried keeps nothing (2 of 2)'
    >>> explain({5: 1, 6: 6, 7: 1, 8: 8}).describe("W")
    'odd W keeps Z (2 of 2 such sizes tried); every other W tried keeps nothing (2 of 2)'
    >>> explain({5: 5, 6: 2, 7: 1, 8: 8}) is None
    True
    """
    sizes = sorted(strides)
    if not sizes:
        return None
    whole = (1 << len(sizes)) - 1
    fits = {kept: _mask(kept.at(n) == strides[n] for n in sizes) for kept in _kept(strides)}
    rule = _always(fits, whole) or _one(fits, sizes) or _several(fits, sizes, whole, 3)
    if rule is None:
        return None
    left, branches = whole, []
    for divisor, residue, kept in rule:
        seen = left & _mask(n % divisor == residue for n in sizes)
        left &= ~seen
        branches.append(Branch(divisor, residue, kept, tuple(n for i, n in enumerate(sizes) if seen >> i & 1)))
    return AxisPattern(tuple(branches))


_Rule = list[tuple[int, int, Kept]]


def _mask(flags: Iterable[bool]) -> int:
    """A set of sizes as the bits of a number."""
    return sum(1 << i for i, flag in enumerate(flags) if flag)


def _kept(strides: Mapping[int, int]) -> list[Kept]:
    """What may be kept, the plainest first: all of it, nothing, a fixed stride, a share of the size."""
    partial = {(n, s) for n, s in strides.items() if 1 < s < n}
    fixed = [Kept(stride=s) for s in sorted({s for _, s in partial})]
    shares = [Kept(share=q) for q in sorted({n // s for n, s in strides.items() if s < n and n % s == 0} - {1})]
    return [Kept(stride=1), Kept(share=1), *fixed, *shares]


def _natural(kept: Kept) -> int:
    """The divisor without which there is no such subgroup."""
    return kept.stride or kept.share or 1


def _always(fits: Mapping[Kept, int], whole: int) -> _Rule | None:
    """One answer for all sizes tried; where it needs a divisor, they all have it."""
    kept = next((k for k, mask in fits.items() if mask == whole), None)
    return None if kept is None else [(_natural(kept), 0, kept)]


def _one(fits: Mapping[Kept, int], sizes: list[int]) -> _Rule | None:
    """One condition. First the divisor that the subgroup itself asks for; any other has to be seen twice on either side."""
    whole, nothing = (1 << len(sizes)) - 1, Kept(share=1)
    rest = [nothing, *(k for k in fits if k != nothing)]
    for other in rest:
        for kept, mask in fits.items():
            divisor = _natural(kept)
            seen = _mask(n % divisor == 0 for n in sizes)
            if divisor > 1 and _told(seen, mask, whole, fits[other], 1):
                return [(divisor, 0, kept), (1, 0, other)]
    for other in rest:
        for divisor, residue, seen in _conditions(sizes):
            for kept, mask in fits.items():
                if kept != other and _exists(kept, divisor, residue) and _told(seen, mask, whole, fits[other], 2):
                    return [(divisor, residue, kept), (1, 0, other)]
    return None


def _exists(kept: Kept, divisor: int, residue: int) -> bool:
    """True where every n that meets the condition has such a subgroup, those that were not tried included."""
    return math.gcd(divisor, residue) % _natural(kept) == 0


def _told(seen: int, mask: int, whole: int, other: int, least: int) -> bool:
    """Sizes that meet a condition all keep the one thing, the others all the other, and there are enough of both."""
    left = whole & ~seen
    return not seen & ~mask and not left & ~other and min(seen.bit_count(), left.bit_count()) >= least


def _conditions(sizes: list[int], residues: bool = True) -> Iterator[tuple[int, int, int]]:
    """Conditions n ≡ r mod d and the sizes that meet them, small divisors first, divisibility before residues."""
    for divisor in range(2, max(sizes) + 1):
        for residue in range(divisor if residues else 1):
            if seen := _mask(n % divisor == residue for n in sizes):
                yield divisor, residue, seen


def _several(fits: Mapping[Kept, int], sizes: list[int], left: int, depth: int) -> _Rule | None:
    """Divisors in turn, the largest first: each keeps its own, and is seen on two sizes that no earlier one explains."""
    conditions = sorted(_conditions(sizes, residues=False), reverse=True)
    return next((r for most in range(2, depth + 1) if (r := _chain(fits, conditions, left, most)) is not None), None)


def _chain(fits: Mapping[Kept, int], conditions: list[tuple[int, int, int]], left: int, depth: int) -> _Rule | None:
    closing = next((k for k, mask in fits.items() if not left & ~mask), None)
    if closing is not None and left.bit_count() >= 2:
        return [(1, 0, closing)]
    if not depth:
        return None
    for i, (divisor, _, seen) in enumerate(conditions):
        now = seen & left
        if now.bit_count() < 2 or now == left:
            continue
        for kept, mask in fits.items():
            if now & ~mask or not _exists(kept, divisor, 0):
                continue
            if (rest := _chain(fits, conditions[i + 1 :], left & ~now, depth - 1)) is not None:
                return [(divisor, 0, kept), *rest]
    return None
