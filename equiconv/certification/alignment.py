"""Bring operands to one action: the meet of pointwise combination.

Signals agree where their dims act alike; a constant keeps the shifts that stabilise its values under the action of the signals beside it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from fractions import Fraction
from typing import Any

import numpy as np
import torch
from torch import Tensor

from equiconv.certification.action import act
from equiconv.certification.digits import chained, digits_of
from equiconv.certification.spectra import has_spectrum
from equiconv.certification.states import (
    Constant,
    Digit,
    Dim,
    Signal,
    Uniform,
    axes_of,
    forget,
    permutes,
    size_of,
    source_indices,
    weaken,
)
from equiconv.certification.step import Step, axis_names, still


def align(step: Step, operands: Sequence[Signal | Constant], shape: Sequence[int]) -> Signal:
    """The state of f(a, b, …) for any f that acts entry by entry on operands broadcast to ``shape``."""
    rank = len(shape)
    if any(isinstance(o, Signal) and has_spectrum(o) for o in operands):
        raise AssertionError("a spectrum reached an operation that is not known to be linear")
    signals = [o for o in operands if isinstance(o, Signal)]
    dims = agree_on_digits(step, [_spread(step, signal, shape) for signal in signals])
    agreed: list[Dim] = []
    for position in range(rank):
        agreed.append(_agree(step, dims, position))
    result = step.settle(Signal(tuple(step.strides), tuple(agreed)))
    for constant in operands:
        if isinstance(constant, Constant) and isinstance(constant.value, Tensor):
            result = stabilise(step, result, constant)
    return result


def _spread(step: Step, signal: Signal, shape: Sequence[int]) -> list[Dim]:
    """The dims of a signal broadcast to ``shape``."""
    missing = len(shape) - len(signal.dims)
    dims: list[Dim] = [(Uniform(size),) for size in shape[:missing]]
    for dim, size in zip(signal.dims, shape[missing:], strict=True):
        if size_of(dim) == size:
            dims.append(dim)
            continue
        # A single entry of a moving signal becomes another entry under a shift, and no action on the repeated dim says which.
        if moving := axes_of(step.canonical(dim)):
            step.give_up(
                moving,
                "crop",
                "repeats one entry of a signal that moves along the " + axis_names(moving, step.shape),
                theorem="part_of_a_period",
            )
        dims.append((Uniform(size),))
    return dims


def agree_on_digits(step: Step, operands: Sequence[Sequence[Dim]]) -> list[list[Dim]]:
    """The dims of each operand, after the digits that do not lie in all operands alike are paid for.

    An operand may lack the higher digits of a signal, for it is uniform along them; no two may have the same digit in different dims.
    """
    while True:
        laid = [list(step.normal(dims)) for dims in operands]
        torn = next(filter(None, (_torn(column) for column in zip(*laid, strict=True))), None)
        if torn is None:
            joint = [next((d for d in column if not _uniform(d)), ()) for column in zip(*laid, strict=True)]
            torn = next((signal for signal, digits in digits_of(joint).items() if not chained(digits)), None)
        if torn is None:
            return laid
        for dims in laid:
            if torn in (signals := digits_of(dims)):
                step.pay(signals[torn])


def _uniform(dim: Dim) -> bool:
    return all(isinstance(f, Uniform) for f in dim)  # () is uniform too


def _torn(column: Sequence[Dim]) -> tuple[int, Fraction, int] | None:
    """A signal of which one operand has a digit in this dim, where another one is of a different form."""
    distinct = {forget(dim) for dim in column if not _uniform(dim)}
    return next(iter(digits_of(distinct)), None) if len(distinct) > 1 else None


def _agree(step: Step, dims: list[list[Dim]], position: int) -> Dim:
    """One dim that is true of every signal, after K has shrunk to where they coincide."""

    def settle() -> list[Dim]:
        return [forget(step.canonical(d[position])) for d in dims]

    for _ in range(len(step.shape) + 1):
        candidates = [d for d in settle() if not _uniform(d)]
        distinct = list(dict.fromkeys(candidates))
        if not distinct:
            return settle()[0] if dims else ()
        first = distinct[0]
        moving = set().union(*(axes_of(d) for d in distinct))
        if len(distinct) == 1:
            return first
        if all(_coincide(first, other, axis, step.strides[axis]) for other in distinct[1:] for axis in moving):
            return weaken(next((d for d in distinct if axes_of(d)), first))
        for axis in sorted(moving):

            def holds(s: int, axis: int = axis, distinct: list[Dim] = distinct) -> bool:
                return all(_coincide(distinct[0], other, axis, s) for other in distinct[1:])

            stride = step.smallest(axis, holds)
            step.shrink(
                axis,
                stride,
                "mismatch",
                f"combines tensors that move differently along the {axis_names([axis], step.shape)}",
                "bring both operands to the same layout before combining them",
                theorem="pointwise",
            )
    raise AssertionError("operands did not come to agree")


def _coincide(a: Dim, b: Dim, axis: int, stride: int) -> bool:
    """True when a shift by ``stride`` along ``axis`` acts on both dims by one permutation; what is a crop or a halo along it must be the same."""
    if a == b:
        return True
    if not (permutes(a, axis) and permutes(b, axis)) or any(isinstance(f, Digit) for f in (*a, *b)):
        return axis not in axes_of(a) | axes_of(b)
    return bool(np.array_equal(source_indices(a, axis, stride)[0], source_indices(b, axis, stride)[0]))


def stabilise(step: Step, signal: Signal, constant: Constant) -> Signal:
    """The state of a signal combined entry by entry with a constant: K shrinks to the stabiliser of the constant's values."""
    value: Tensor = constant.value
    missing = len(signal.dims) - value.ndim
    if missing < 0:
        signal = Signal(signal.strides, ((),) * -missing + signal.dims)
    value = value[(None,) * missing] if missing > 0 else value
    dims = list(signal.dims)
    touched = [d for d in range(value.ndim) if value.shape[d] > 1 and axes_of(signal.dims[d])]
    moving = set().union(*(axes_of(signal.dims[d]) for d in touched)) if touched else set()
    for axis in sorted(moving):

        def holds(s: int, axis: int = axis) -> bool:
            return _fixed(value, signal.dims, touched, axis, s)

        fixed = not constant.generic
        stride = step.smallest(axis, holds) if fixed else step.shape[axis]
        values = "its values vary" if fixed else "its values may vary"
        step.shrink(
            axis,
            stride,
            "constant",
            f"combines the signal with {constant.label} of shape {constant.shape}: {values} along the "
            f"{axis_names([axis], step.shape)}, and they do not move with it",
            "make it the same at every position, or periodic with the stride you need",
            theorem="constant_stabiliser",
        )
    for d in range(value.ndim):
        if value.shape[d] > 1:
            # What was uniform takes the constant's values; where no signal was combined, the dims are those of the constant.
            dims[d] = weaken(dims[d]) if axes_of(dims[d]) else still(value.shape[d])
    return step.settle(Signal(tuple(step.strides), tuple(dims)))


def _fixed(value: Tensor, dims: Sequence[Dim], touched: Sequence[int], axis: int, stride: int) -> bool:
    """True when a shift by ``stride`` along ``axis``, acting on all dims at once, leaves the constant's values as they are."""
    laid: list[Dim] = [still(size) for size in value.shape]
    moving: list[int] = []
    for d in touched:
        if axis not in axes_of(dims[d]):
            continue
        if permutes(dims[d], axis):
            moving.append(d)
        # On a crop or halo the constant must extend to the whole signal: only a constant one surely does.
        elif any(isinstance(f, Digit) for f in dims[d]) or not same(value, value.narrow(d, 0, 1).expand_as(value)):
            return False
    # A digit takes the carry of those below it, in whatever dims they are.
    while more := [d for d in range(len(dims)) if d not in moving and _share(dims[d], [dims[m] for m in moving])]:
        moving += more
    for d in moving:
        laid[d] = dims[d]
    value = value.expand([size_of(dims[d]) if d in moving else size for d, size in enumerate(value.shape)])
    return same(act(laid, value, axis, stride)[0], value)


def _share(dim: Dim, others: Sequence[Dim]) -> bool:
    """True when the dim has a digit of a signal of which the others have one."""
    return not digits_of([dim]).keys().isdisjoint(digits_of(others))


def same(a: Tensor, b: Tensor) -> bool:
    """True where two tensors hold the same values, a zero's sign included: copysign and a division tell 0 from −0."""
    if not torch.equal(a, b):
        return False
    parts = [(a.real, b.real), (a.imag, b.imag)] if a.is_complex() else [(a, b)]
    return all(torch.equal(torch.signbit(x), torch.signbit(y)) for x, y in parts)


Transfer = Callable[[Step], Any]
