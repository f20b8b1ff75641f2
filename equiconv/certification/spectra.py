"""Spectra: dims whose entries a shift multiplies by phases, and what becomes of the phases when entries are picked, summed or used up.

A phase is a number of modulus 1, so it goes through what is linear entry by entry. A nonlinear operation sees it: K then shrinks to the shifts that
turn no entry, which is exact for one entry and for all.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from equiconv.certification.states import Character, Dim, Factor, Frequency, Signal, Still, Sum, Uniform
from equiconv.certification.step import Step, axis_names, signals_in

Characters = tuple[Character | None, ...]
REMEDY = "transform back first, or take the modulus, which does not change"


def spectral(dim: Sequence[Factor]) -> bool:
    """True where a frequency factor is in the dim, blocks included."""
    return any(isinstance(f, Frequency) or (isinstance(f, Sum) and any(map(spectral, f.parts))) for f in dim)


def has_spectrum(signal: Signal) -> bool:
    return any(spectral(dim) for dim in signal.dims)


def plain(dim: Dim) -> Dim:
    """The dim without its phases: what its modulus is known to do."""
    return tuple(
        Still(f.size)
        if isinstance(f, Frequency)
        else Sum(tuple(plain(p) for p in f.parts), f.pad)
        if isinstance(f, Sum)
        else f
        for f in dim
    )


def combined(a: Character | None, b: Character | None, sign: int = 1) -> Character | None:
    """The character of a product (sign 1) or of a quotient (sign −1): frequencies add; a product with 0 is 0."""
    return None if a is None or b is None else tuple(x + sign * y for x, y in zip(a, b, strict=True))


def characters(dim: Sequence[Factor], group: Sequence[int]) -> Characters | None:
    """The character of every entry of a dim that no window moves; None where one does."""
    zero: Character = (0,) * len(group)
    found: Characters = (zero,)
    for factor in dim:
        inner: Characters | None = None  # what is not known to stay put may move
        if isinstance(factor, (Still, Uniform)):
            inner = (zero,) * factor.size
        elif isinstance(factor, Frequency):
            inner = factor.characters
        elif isinstance(factor, Sum):
            parts = [characters(part, group) for part in factor.parts]
            inner = None if any(p is None for p in parts) else tuple(c for p in parts if p is not None for c in p)
        if inner is None:
            return None
        found = tuple(combined(a, b) for a in found for b in inner)
    return found


def pull(step: Step, dim: Dim) -> tuple[Character, Dim]:
    """The phase that all entries of a dim share, and the dim without it."""
    shared: Character = (0,) * len(step.shape)
    rest: list[Factor] = []
    for factor in dim:
        if isinstance(factor, Frequency):
            known = [f for f in factor.characters if f is not None]
            common = tuple(
                found.pop() if len(found := set(numbers)) == 1 else 0 for numbers in zip(*known, strict=True)
            )
            if any(common):
                shared = tuple(a + b for a, b in zip(shared, common, strict=True))
                factor = Frequency(tuple(combined(f, common, -1) for f in factor.characters), factor.group)
        rest.append(factor)
    return shared, step.canonical(rest)


def turned(step: Step, shared: Character) -> Dim:
    """A phase on everything, as a factor of one entry."""
    return step.canonical((Frequency((shared,), step.shape),))


def carried(step: Step, dims: Sequence[Dim], loose: Dim, position: int = 0) -> list[Dim]:
    """The dims with one more phase on all entries; a tensor without dims has no place for it."""
    found = list(dims)
    if not spectral(loose):
        return found
    if not found:
        give_up_phases(step, [loose], "makes a scalar of one frequency, whose phase a shift turns")
        return found
    found[position] = (*loose, *found[position])
    return found


def picked(step: Step, dim: Dim, positions: Sequence[int]) -> Dim | None:
    """Some entries of a spectral dim, in any order and number: each brings its phase along. None where a window moves the dim."""
    found = characters(dim, step.shape)
    return None if found is None else step.canonical((Frequency(tuple(found[i] for i in positions), step.shape),))


def joined_spectra(step: Step, a: Dim, b: Dim) -> Dim | None:
    """Two spectral dims side by side as one, or None."""
    if not (spectral(a) or spectral(b)):
        return None
    first, second = characters(a, step.shape), characters(b, step.shape)
    return None if first is None or second is None else (Frequency((*first, *second), step.shape),)


def halves(factor: Frequency, outer: int) -> tuple[Factor, Factor] | None:
    """A spectrum as two digits, where the phase of entry (i, j) is one of i times one of j; None where it is not."""
    b = factor.size // outer
    f = factor.characters
    if None in f:
        return None
    first, second = f[::b], f[:b]
    zero = first[0]
    inner = tuple(combined(c, zero, -1) for c in second)
    if any(combined(a, c) != f[i * b + j] for i, a in enumerate(first) for j, c in enumerate(inner)):
        return None
    return Frequency(first, factor.group), Frequency(inner, factor.group)


# Giving up --------------------------------------------------------------------------------------------------------------------


def turning(dims: Iterable[Sequence[Factor]]) -> set[Character]:
    """All characters in some dims."""
    found: set[Character] = set()
    for dim in dims:
        for factor in dim:
            if isinstance(factor, Frequency):
                found |= {f for f in factor.characters if f is not None}
            elif isinstance(factor, Sum):
                found |= turning(factor.parts)
    return found


def unturning_stride(numbers: Iterable[int], n: int, power: int = 1) -> int:
    """The smallest shift of Z_n with phase 1 at all these frequencies; with ``power`` = 2 the phase −1 is let pass too."""
    return math.lcm(1, *(n // math.gcd(n, power * f) for f in numbers))


def quench(step: Step, found: set[Character], message: str, power: int = 1) -> None:
    """K shrinks to the shifts whose phases at these characters are 1 (or, with ``power`` = 2, ±1)."""
    for axis, n in enumerate(step.shape):
        order = n // step.strides[axis]
        numbers = {f[axis] % order for f in found}
        step.shrink(
            axis,
            math.lcm(step.strides[axis], unturning_stride(numbers, n, power)),
            "frequency",
            f"{message} (along the {axis_names([axis], step.shape)})",
            REMEDY,
            theorem="phases",
        )


def give_up_phases(step: Step, dims: Iterable[Sequence[Factor]], message: str, power: int = 1) -> None:
    """K shrinks to the shifts that turn no entry of these dims (or, with ``power`` = 2, change signs only)."""
    quench(step, turning(step.canonical(dim) for dim in dims), message, power)


def give_up_spectra(step: Step, message: str = "", power: int = 1) -> None:
    """All operands of a step without their phases, or, with ``power`` = 2, with no phase but ±1: what is safe before an operation that may see one.

    Each dim is treated by itself, though the phases of two might cancel.
    """
    operands = [s for s in signals_in(step.arguments) if has_spectrum(s)]
    if not operands:
        return
    message = message or (
        f"{step.node.operation} is not known to be linear, and a shift multiplies each entry of a spectrum by a phase"
    )
    give_up_phases(step, [dim for s in operands for dim in s.dims], message, power)

    def settled(value: Any) -> Any:
        if isinstance(value, Signal):
            dims = [step.canonical(dim) for dim in value.dims]
            return Signal(tuple(step.strides), tuple(dims if power > 1 else [plain(dim) for dim in dims]))
        if isinstance(value, (list, tuple)):
            return [settled(v) for v in value]
        return value

    step.arguments = {name: settled(value) for name, value in step.arguments.items()}


def give_up_by_cast(step: Step, dtype: torch.dtype) -> None:
    """What a result of this dtype keeps of its operands' phases: all of them, the signs (a real part), or none (a whole number)."""
    if not dtype.is_complex:
        give_up_spectra(step, f"casts a spectrum to {dtype}", power=2 if dtype.is_floating_point else 1)


def turns_real_numbers(claim: Any, value: Any, group: Sequence[int]) -> bool:
    """True where the claim of an operation's result turns entries of a real tensor by more than a sign, which no phase does."""
    if isinstance(value, (list, tuple)) and isinstance(claim, (list, tuple)):
        return any(turns_real_numbers(c, v, group) for c, v in zip(claim, value, strict=False))
    if not isinstance(claim, Signal) or not isinstance(value, Tensor) or value.is_complex():
        return False
    orders = [n // s for n, s in zip(group, claim.strides, strict=True)]
    return any(2 * f % order for found in turning(claim.dims) for f, order in zip(found, orders, strict=True))


# Checking ---------------------------------------------------------------------------------------------------------------------


def modulated(values: Tensor, dim: Dim, position: int, axis: int, shift: int) -> Tensor:
    """The values times the phases of one dim under a shift along ``axis``; entries that are claimed to be 0 become 0."""
    phases = _of_dim(dim, axis, shift)
    if not values.is_complex() and not phases.imag.any():
        phases = phases.real
    shape = [-1 if d == position else 1 for d in range(values.ndim)]
    return values * torch.from_numpy(np.ascontiguousarray(phases)).reshape(shape).to(values.device)


def _phases(factor: Factor, axis: int, shift: int) -> Any:
    if isinstance(factor, Frequency):
        n = factor.group[axis]
        return np.array([0.0 if f is None else _unit(f[axis] * shift, n) for f in factor.characters], dtype=complex)
    if isinstance(factor, Sum):
        return np.concatenate([_of_dim(part, axis, shift) for part in factor.parts])
    return np.ones(factor.size, dtype=complex)


def _of_dim(dim: Dim, axis: int, shift: int) -> Any:
    phases = np.ones(1, dtype=complex)
    for factor in dim:
        phases = (phases[:, None] * _phases(factor, axis, shift)[None, :]).reshape(-1)
    return phases


def _unit(number: int, n: int) -> complex:
    """exp(−2πi·number/n), exact at the quarters."""
    if 4 * number % n == 0:
        return (1, -1j, -1, 1j)[4 * number // n % 4]
    angle = 2 * math.pi * (number % n) / n
    return complex(math.cos(angle), -math.sin(angle))
