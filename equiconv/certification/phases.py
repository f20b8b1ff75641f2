"""Bring operands that carry phases to one action: entry by entry, a sum needs equal phases and a product multiplies them."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from equiconv.certification.alignment import align
from equiconv.certification.spectra import (
    Characters,
    carried,
    characters,
    combined,
    give_up_phases,
    has_spectrum,
    plain,
    pull,
    quench,
    spectral,
    turned,
)
from equiconv.certification.states import Character, Constant, Dim, Frequency, Signal, Uniform, forget, weaken
from equiconv.certification.step import Step

Operand = Signal | Constant | complex


def combine(
    step: Step,
    operands: Sequence[Operand],
    shape: Sequence[int],
    product: bool = False,
    divisor: int | None = None,
    carrier: int = 0,
) -> Signal:
    """The state of the sum of the operands (each may have a factor), or of their product, broadcast to ``shape``.

    divisor: which operand of a product divides. carrier: the dim that takes a phase that all entries share. Without a spectrum among the operands
    this is :func:`~equiconv.certification.alignment.align`.
    """
    signals = [step.settle(o) for o in operands if isinstance(o, Signal)]
    constants = [o for o in operands if isinstance(o, Constant)]
    if not any(map(has_spectrum, signals)):
        return align(step, [*signals, *constants], shape)
    fits = all(_multiplies(o, i == divisor) if product else is_zero(o) for i, o in enumerate(operands))
    if not fits:
        what = "multiplies a spectrum by values that are infinite" if product else "adds values that do not turn"
        give_up_phases(step, [d for s in signals for d in s.dims], f"{what}, and a shift turns its entries")
        return align(step, [*(_plain(step.settle(s)) for s in signals), *constants], shape)
    if not product:
        signals = [s for s in signals if not vanishes(step, s)] or signals[:1]
    signs = [-1 if i == divisor and product else 1 for i, o in enumerate(operands) if isinstance(o, Signal)]
    shared, bodies = _apart(step, signals)
    # Without the phases: where do the entries go? Constants in a sum are 0 and say nothing.
    joint = align(step, [*map(_plain, bodies), *(constants if product else ())], shape)
    dims: list[Dim] = []
    for position in range(len(shape)):
        found = [_dim(step, body, position - len(shape)) for body in bodies]
        if any(map(spectral, found)):
            dims.append(_dim_of(step, found, signs, joint, position, product, bool(constants)))
        else:
            dims.append(joint.dims[position])
    loose = turned(step, _shared(step, shared, signs, product))
    return step.settle(Signal(tuple(step.strides), tuple(carried(step, dims, loose, carrier))))


def side_by_side(step: Step, parts: Sequence[Signal | Constant], d: int) -> list[Signal | Constant]:
    """Blocks to be laid along dim ``d``: where one is a spectrum, a block of zeros fits every phase, and another constant no phase but 1."""
    if not any(isinstance(p, Signal) and has_spectrum(p) for p in parts):
        return list(parts)
    signals = [step.settle(p) for p in parts if isinstance(p, Signal)]
    fits = all(map(is_zero, parts))
    if not fits:
        beside = [dim for s in signals for i, dim in enumerate(s.dims) if i != d]
        give_up_phases(step, beside, "puts a constant, which does not turn, beside a spectrum")
    found: list[Signal | Constant] = []
    for part in parts:
        if isinstance(part, Signal):
            signal = step.settle(part)
            if not fits:
                signal = Signal(signal.strides, tuple(x if i == d else plain(x) for i, x in enumerate(signal.dims)))
            (shared,), (body,) = _apart(step, [signal])  # each block keeps a phase of its own
            found.append(Signal(body.strides, tuple(carried(step, body.dims, turned(step, shared), d))))
        elif is_zero(part):
            nothing = Frequency((None,) * part.shape[d], step.shape)
            sizes = enumerate(part.shape)
            found.append(Signal(tuple(step.strides), tuple((nothing,) if i == d else (Uniform(s),) for i, s in sizes)))
        else:
            found.append(part)
    return found


def is_zero(operand: Operand) -> bool:
    """True for a signal, which is looked at elsewhere, and for a constant that is 0."""
    if isinstance(operand, Signal):
        return True
    if isinstance(operand, Constant):
        value = operand.value
        return not operand.generic and not bool(torch.count_nonzero(value) if isinstance(value, Tensor) else value)
    return operand == 0


def vanishes(step: Step, signal: Signal) -> bool:
    """True for a signal that is 0 everywhere: it fits every action."""
    found = (characters(dim, step.shape) if spectral(dim) else None for dim in signal.dims)
    return any(f is not None and not any(c is not None for c in f) for f in found)


def _multiplies(operand: Operand, divides: bool) -> bool:
    """False for a constant factor that makes numbers infinite: infinity times a phase is no number."""
    if isinstance(operand, Signal) or (isinstance(operand, Constant) and operand.generic):
        return True
    value = operand.value if isinstance(operand, Constant) else operand
    value = value if isinstance(value, Tensor) else torch.tensor(value)
    return bool(torch.isfinite(value).all()) and not (divides and bool((value == 0).any()))


def _plain(signal: Signal) -> Signal:
    return Signal(signal.strides, tuple(plain(dim) for dim in signal.dims))


def _apart(step: Step, signals: Sequence[Signal]) -> tuple[list[Character], list[Signal]]:
    """The phase that all entries of a signal share, for each, and the signal without it."""
    shared: list[Character] = []
    bodies = []
    for signal in signals:
        pulled = [pull(step, dim) for dim in signal.dims]
        shared.append(
            tuple(sum(column) for column in zip((0,) * len(step.shape), *(c for c, _ in pulled), strict=True))
        )
        bodies.append(Signal(signal.strides, tuple(body for _, body in pulled)))
    return shared, bodies


def _dim(step: Step, signal: Signal, position: int) -> Dim:
    """A dim counted from the last, empty where the signal is broadcast."""
    return step.canonical(signal.dims[position]) if -position <= len(signal.dims) else ()


def _dim_of(
    step: Step, found: Sequence[Dim], signs: Sequence[int], joint: Signal, position: int, product: bool, constants: bool
) -> Dim:
    """One dim with the phases of all operands."""
    size = joint.shape[position]
    lists = [characters(dim, step.shape) for dim in found]
    if not any(f is None for f in lists):
        spread = [f if len(f) == size else f * size for f in lists if f is not None]
        numbers = _product(spread, signs) if product else _sum(step, spread)
        return (Frequency(numbers, step.shape),)
    # A window and a spectrum in one dim: only what is the same in all operands, or in the only one that has the dim, is kept.
    telling = [dim for dim in found if any(not isinstance(f, Uniform) for f in dim)]
    if len(telling) == 1 if product else len({forget(d) for d in found}) == 1:
        return weaken(telling[0]) if product and constants else telling[0]
    give_up_phases(step, found, "combines a spectrum with a signal that moves in the same dim")
    return plain(step.canonical(joint.dims[position]))


def _product(lists: Sequence[Characters], signs: Sequence[int]) -> Characters:
    total: Characters = lists[0] if signs[0] > 0 else tuple(combined(_zero(c), c, -1) for c in lists[0])
    for entries, sign in zip(lists[1:], signs[1:], strict=True):
        total = tuple(combined(a, b, sign) for a, b in zip(total, entries, strict=True))
    return total


def _zero(c: Character | None) -> Character | None:
    return None if c is None else (0,) * len(c)


def _sum(step: Step, lists: Sequence[Characters]) -> Characters:
    """Entries that meet must have one phase; what is 0 takes that of the others."""
    agreed: list[Character | None] = []
    apart: set[Character] = set()
    for column in zip(*lists, strict=True):
        there = [c for c in column if c is not None]
        agreed.append(there[0] if there else None)
        apart |= {d for c in there[1:] if (d := combined(c, there[0], -1)) is not None}
    quench(step, apart, "adds entries that a shift turns by different phases")
    return tuple(agreed)


def _shared(step: Step, shared: Sequence[Character], signs: Sequence[int], product: bool) -> Character:
    if not product:
        found = _sum(step, [(c,) for c in shared])[0]
        assert found is not None
        return found
    return tuple(sum(s * f for s, f in zip(signs, column, strict=True)) for column in zip(*shared, strict=True))


__all__ = ["combine", "is_zero", "side_by_side", "vanishes"]
