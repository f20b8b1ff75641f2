"""What is known of a tensor as a function of the input: the subgroup whose action on it is known, and that action.

A tensor T(x) with state (K, dims) satisfies T(g·x) = ρ(g)·T(x) for every g in K = s1·Z × … × sr·Z, where ρ(g) is read off the dims. Each dim
is an ordered tuple of factors (mixed radix, outermost first, as in a reshape):

- :class:`Still`: the group does not touch the index.
- :class:`Uniform`: the values do not depend on the index, so that any action on it is true.
- :class:`Window`: ``size`` consecutive entries of an underlying signal U of ``period`` entries, on which a shift by k along ``axis`` acts as
  U[u] ↦ U[u − k/step]. Of size = period it *rolls*; longer it is a halo, shorter a crop.
- :class:`Digit`: one digit of the index u of a rolling signal, which a reshape has split; the digits of u move together and carry.
- :class:`Sum`: a concatenation of blocks, each with factors of its own; no digit lies inside one.
- :class:`Frequency`: every entry has a character of the group, a phase by which a shift multiplies it; the phases of the dims multiply.

Invariants, asserted: |step|·period = n of the axis (a shift by n is the identity), and s/step is an integer for s the stride of K. The digits of one
signal in a tensor form a chain (:func:`~equiconv.certification.digits.chained`).
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from equiconv.graph import has_values

Indices: TypeAlias = NDArray[np.int64]


@dataclass(frozen=True)
class Still:
    """An index that the group does not touch."""

    size: int

    def __str__(self) -> str:
        return str(self.size)


@dataclass(frozen=True)
class Uniform:
    """An index on which the values do not depend (an expand, the constant of a zero pad)."""

    size: int

    def __str__(self) -> str:
        return f"uniform({self.size})"


@dataclass(frozen=True)
class Window:
    """Consecutive entries of a periodic signal.

    ``origin`` names the signal it was cut from and ``offset`` where, so that neighbouring cuts can be joined again; an operation that makes a
    new signal forgets both.
    """

    size: int
    axis: int
    step: Fraction
    period: int
    origin: str | None = None
    offset: int = 0

    @property
    def rolls(self) -> bool:
        """True when the entries are exactly one period, so that the group permutes them."""
        return self.size == self.period

    def __str__(self) -> str:
        kind = "roll" if self.rolls else "halo" if self.size > self.period else "crop"
        return f"{kind}({self.size}, axis {self.axis}, step {self.step})" + ("" if self.rolls else f" of {self.period}")


@dataclass(frozen=True)
class Digit:
    """The digit (u // place) mod size of the index u of a rolling signal U with ``period`` entries: u ↦ u − k/step moves it, with the carry from below.

    ``node`` names the reshape that cut the digit off from those below it: it is to blame if the digit is ever touched alone.
    """

    size: int
    axis: int
    step: Fraction
    period: int
    place: int
    node: str | None = field(default=None, compare=False)

    @property
    def signal(self) -> tuple[int, Fraction, int]:
        """What the digit is a digit of: digits of one signal move together."""
        return (self.axis, self.step, self.period)

    def __str__(self) -> str:
        return f"digit({self.size}, axis {self.axis}, step {self.step}, place {self.place} of {self.period})"


@dataclass(frozen=True)
class Sum:
    """A concatenation; ``pad`` names the node whose padding made it."""

    parts: tuple[tuple[Factor, ...], ...]
    pad: str | None = None

    @property
    def size(self) -> int:
        return sum(size_of(part) for part in self.parts)

    def __str__(self) -> str:
        return " ++ ".join(describe(part) for part in self.parts)


Character: TypeAlias = tuple[int, ...]


@dataclass(frozen=True)
class Frequency:
    """Entries of a spectrum: a shift by k multiplies entry i by ∏_a exp(−2πi·f_a·k_a/n_a), where f = ``characters[i]`` has a number for each
    group axis and n = ``group`` holds their sizes. ``None`` marks an entry that is 0 and so fits every phase. One entry alone is a phase of all that
    the other factors index.
    """

    characters: tuple[Character | None, ...]
    group: tuple[int, ...]

    @property
    def size(self) -> int:
        return len(self.characters)

    @property
    def axes(self) -> set[int]:
        """Group axes that turn some entry."""
        return {axis for f in self.characters if f is not None for axis, number in enumerate(f) if number}

    def reduced(self, orders: Sequence[int]) -> Frequency:
        """The same phases on a subgroup: its elements along an axis are ``orders`` many, and frequencies that differ by so many agree there."""
        numbers = tuple(
            None if f is None else tuple(a % m for a, m in zip(f, orders, strict=True)) for f in self.characters
        )
        return Frequency(numbers, self.group)

    def __str__(self) -> str:
        shown = []
        for axis in sorted(self.axes):
            numbers = ["·" if f is None else str(f[axis]) for f in self.characters]
            text = " ".join(numbers if len(numbers) <= 8 else [*numbers[:4], "…", *numbers[-2:]])
            shown.append(f"axis {axis}: {text}")
        return f"frequencies({'; '.join(shown) or self.size})"


Factor: TypeAlias = Still | Uniform | Window | Digit | Sum | Frequency
Dim: TypeAlias = tuple[Factor, ...]


@dataclass(frozen=True)
class Signal:
    """State of a tensor that depends on the input. ``strides``: generator of K along each group axis; ``dims``: the action."""

    strides: tuple[int, ...]
    dims: tuple[Dim, ...]

    @property
    def shape(self) -> tuple[int, ...]:
        return tuple(size_of(dim) for dim in self.dims)

    def __str__(self) -> str:
        return "[" + ", ".join(describe(dim) for dim in self.dims) + "]"


@dataclass(frozen=True)
class Positions(Signal):
    """The places at which an operation found its values: one of its results, which costs nothing until it is read."""


@dataclass(frozen=True, eq=False)
class Constant:
    """A tensor that does not depend on the input. ``generic`` marks one made from weights whose values must not be used.

    A tensor on the meta device has no values: it is generic, whoever made it.
    """

    value: Any
    generic: bool = False
    label: str = "a constant"

    def __post_init__(self) -> None:
        if not has_values(self.value):
            object.__setattr__(self, "generic", True)

    @property
    def shape(self) -> tuple[int, ...]:
        return tuple(self.value.shape) if isinstance(self.value, Tensor) else ()


def size_of(dim: Sequence[Factor]) -> int:
    """Number of entries of a dim: the product of its factors."""
    return math.prod(factor.size for factor in dim)


def describe(dim: Sequence[Factor]) -> str:
    return " × ".join(str(f) for f in dim) or "1"


def axes_of(dim: Sequence[Factor]) -> set[int]:
    """Group axes that move something in the dim."""
    found: set[int] = set()
    for factor in dim:
        if isinstance(factor, (Window, Digit)):
            found.add(factor.axis)
        elif isinstance(factor, Sum):
            for part in factor.parts:
                found |= axes_of(part)
        elif isinstance(factor, Frequency):
            found |= factor.axes
    return found


def windows_of(dim: Sequence[Factor]) -> Iterator[Window]:
    """Every window in the dim, those inside concatenations included."""
    for factor in dim:
        if isinstance(factor, Window):
            yield factor
        elif isinstance(factor, Sum):
            for part in factor.parts:
                yield from windows_of(part)


def permutes(dim: Sequence[Factor], axis: int | None = None) -> bool:
    """True when the group permutes the dim's entries: no crop and no halo in it. With ``axis``: when shifts along that axis do."""
    return all(window.rolls for window in windows_of(dim) if axis in (None, window.axis))


def forget(dim: Dim) -> Dim:
    """The same action without the identity of the underlying signal."""
    return tuple(
        replace(f, origin=None, offset=0)
        if isinstance(f, Window)
        else replace(f, parts=tuple(forget(p) for p in f.parts))
        if isinstance(f, Sum)
        else f
        for f in dim
    )


def weaken(dim: Dim) -> Dim:
    """The same action without the claim that some blocks are constant: what another operand's values would break."""
    return tuple(
        Still(f.size)
        if isinstance(f, Uniform)
        else replace(f, parts=tuple(weaken(p) for p in f.parts))
        if isinstance(f, Sum)
        else f
        for f in dim
    )


def canonical(dim: Sequence[Factor], strides: Sequence[int], shape: Sequence[int]) -> Dim:
    """Canonical form under K: given-up axes are still, neighbours that act as one are merged.

    [roll of step s, still b] is a roll of step s/b, because index i1·b + i2 ↦ (i1 − k/s)·b + i2 = i − k·b/s.
    """
    out: list[Factor] = []
    for factor in dim:
        current: Factor = factor
        if isinstance(factor, Sum):
            parts: list[Dim] = []
            for part in factor.parts:
                part = canonical(part, strides, shape)
                if parts and not axes_of(part) and not axes_of(parts[-1]):
                    parts[-1] = (Still(size_of(parts[-1]) + size_of(part)),)
                elif size_of(part):
                    parts.append(part)
            if len(parts) == 1:
                for inner in parts[0]:
                    _append(out, inner)
                continue
            current = Sum(tuple(parts), factor.pad) if parts else Still(0)
        elif isinstance(factor, (Window, Digit)):
            n, s = shape[factor.axis], strides[factor.axis]
            if abs(factor.step) * factor.period != n or (s / factor.step).denominator != 1:
                raise AssertionError(f"broken {type(factor).__name__.lower()} {factor} under the stride {s} of Z_{n}")
            if s == n:
                current = Still(factor.size)  # only the zero shift is left
        elif isinstance(factor, Frequency):
            spectrum = factor.reduced([n // s for n, s in zip(shape, strides, strict=True)])
            unturned = not spectrum.axes and None not in spectrum.characters
            current = Still(factor.size) if unturned else spectrum
        _append(out, current)
    return tuple(out)


def _append(out: list[Factor], factor: Factor) -> None:
    if isinstance(factor, (Still, Uniform)) and factor.size == 1:
        return
    if out:
        last = out[-1]
        if isinstance(last, (Still, Uniform)) and isinstance(factor, (Still, Uniform)):
            both = isinstance(last, Uniform) and isinstance(factor, Uniform)
            out[-1] = (Uniform if both else Still)(last.size * factor.size)
            return
        if isinstance(last, Window) and last.rolls and isinstance(factor, (Still, Uniform)):
            b = factor.size
            out[-1] = Window(last.size * b, last.axis, last.step / b, last.period * b)
            return
        if isinstance(last, Uniform) and isinstance(factor, Window) and factor.rolls:
            out[-1] = replace(factor, size=last.size * factor.size)  # repeated whole periods: a halo
            return
    out.append(factor)


def source_indices(dim: Sequence[Factor], axis: int, shift: int) -> tuple[Indices, NDArray[np.bool_]]:
    """Where each entry comes from when the group shifts by ``shift`` along ``axis``: T(g·x)[i] = T(x)[source[i]].

    Returns the indices and a mask that is False where the source lies outside a crop (nothing is claimed there).
    """
    source: Indices = np.zeros(1, dtype=np.int64)
    valid: NDArray[np.bool_] = np.ones(1, dtype=bool)
    for factor in dim:
        inner, known = _factor_sources(factor, axis, shift)
        source = (source[:, None] * factor.size + inner[None, :]).reshape(-1)
        valid = (valid[:, None] & known[None, :]).reshape(-1)
    return source, valid


def _factor_sources(factor: Factor, axis: int, shift: int) -> tuple[Indices, NDArray[np.bool_]]:
    if isinstance(factor, Digit) and factor.axis == axis:
        raise AssertionError(f"{factor} does not move by itself")
    index: Indices = np.arange(factor.size, dtype=np.int64)
    everywhere = np.ones(factor.size, dtype=bool)
    if isinstance(factor, Window) and factor.axis == axis:
        moved = shift / factor.step
        if moved.denominator != 1:
            raise AssertionError(f"{factor} does not move by a whole number of entries under a shift by {shift}")
        source = (index - int(moved)) % factor.period
        return np.where(source < factor.size, source, 0), source < factor.size
    if isinstance(factor, Sum):
        sources, masks, start = [], [], 0
        for part in factor.parts:
            inner, known = source_indices(part, axis, shift)
            sources.append(inner + start)
            masks.append(known)
            start += size_of(part)
        return np.concatenate(sources), np.concatenate(masks)
    return index, everywhere


def first_alike(dim: Sequence[Factor]) -> Indices:
    """For each entry of a dim, the first that is equal to it by what the factors say: a uniform index, a halo that repeats its signal."""
    first: Indices = np.zeros(1, dtype=np.int64)
    for factor in dim:
        inner: Indices = np.arange(factor.size, dtype=np.int64)
        if isinstance(factor, Uniform):
            inner = np.zeros_like(inner)
        elif isinstance(factor, Window):
            inner = inner % factor.period
        elif isinstance(factor, Sum):
            starts = np.cumsum([0, *(size_of(part) for part in factor.parts)])
            inner = np.concatenate([first_alike(p) + s for p, s in zip(factor.parts, starts[:-1], strict=True)])
        first = (first[:, None] * factor.size + inner[None, :]).reshape(-1)
    return first


def fraction_lcm(a: Fraction | int, b: Fraction | int) -> Fraction:
    """Least common multiple of two positive rationals in lowest terms: lcm(numerators) / gcd(denominators)."""
    a, b = abs(Fraction(a)), abs(Fraction(b))
    return Fraction(math.lcm(a.numerator, b.numerator), math.gcd(a.denominator, b.denominator))


def divisors_from(stride: int, n: int) -> list[int]:
    """Multiples of ``stride`` that divide n, ascending: the subgroups that K may shrink to along an axis."""
    return [d for d in range(stride, n + 1, stride) if n % d == 0]
