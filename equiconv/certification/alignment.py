"""Bring operands to one action: the meet of pointwise combination.

Signals agree where their dims act alike; a constant keeps the shifts that stabilise its values under the action of the signals beside it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from equiconv.certification.spectra import has_spectrum
from equiconv.certification.states import (
    Constant,
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
    dims = [list(_spread(step, signal, shape)) for signal in signals]
    agreed: list[Dim] = []
    for position in range(rank):
        agreed.append(_agree(step, dims, position))
    result = Signal(tuple(step.strides), tuple(step.canonical(dim) for dim in agreed))
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


def _agree(step: Step, dims: list[list[Dim]], position: int) -> Dim:
    """One dim that is true of every signal, after K has shrunk to where they coincide."""

    def settle() -> list[Dim]:
        return [forget(step.canonical(d[position])) for d in dims]

    for _ in range(len(step.shape) + 1):
        candidates = [d for d in settle() if not all(isinstance(f, Uniform) for f in d)]  # () is uniform too
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
    """True when a shift by ``stride`` along ``axis`` acts on both dims by one permutation; crops and halos must be the same."""
    if a == b:
        return True
    if not (permutes(a) and permutes(b)):
        return axis not in axes_of(a) | axes_of(b)
    return bool(np.array_equal(source_indices(a, axis, stride)[0], source_indices(b, axis, stride)[0]))


def stabilise(step: Step, signal: Signal, constant: Constant) -> Signal:
    """The state of a signal combined entry by entry with a constant: K shrinks to the stabiliser of the constant's values."""
    value: Tensor = constant.value
    missing = len(signal.dims) - value.ndim
    if missing < 0:
        signal = Signal(signal.strides, ((),) * -missing + signal.dims)
        missing = 0
    dims = list(signal.dims)
    touched = [d for d in range(value.ndim) if value.shape[d] > 1 and axes_of(signal.dims[missing + d])]
    moving = set().union(*(axes_of(signal.dims[missing + d]) for d in touched)) if touched else set()
    for axis in sorted(moving):

        def holds(s: int, axis: int = axis) -> bool:
            return _fixed(value, signal.dims[missing:], touched, axis, s)

        fixed = not constant.generic
        stride = step.smallest(axis, holds) if fixed else step.shape[axis]
        values = "its values vary" if fixed else "its values may vary"
        step.shrink(
            axis,
            stride,
            "constant",
            f"combines the signal with {constant.label} of shape {tuple(value.shape)}: {values} along the "
            f"{axis_names([axis], step.shape)}, and they do not move with it",
            "make it the same at every position, or periodic with the stride you need",
            theorem="constant_stabiliser",
        )
    for d in range(value.ndim):
        position = missing + d
        size = size_of(dims[position])
        if value.shape[d] > 1 and size == 1:
            if left := axes_of(step.canonical(dims[position])):
                step.give_up(
                    left, "crop", "repeats one entry of a moving signal against a constant", theorem="part_of_a_period"
                )
            dims[position] = still(value.shape[d])
        elif value.shape[d] > 1 and not axes_of(dims[position]):
            dims[position] = still(size)  # what was uniform takes the constant's values
        elif value.shape[d] > 1:
            dims[position] = weaken(dims[position])
    return Signal(tuple(step.strides), tuple(step.canonical(dim) for dim in dims))


def _fixed(value: Tensor, dims: Sequence[Dim], touched: Sequence[int], axis: int, stride: int) -> bool:
    """True when a shift by ``stride`` along ``axis``, acting on all dims at once, leaves the constant's values as they are."""
    moved = value
    for d in touched:
        if axis not in axes_of(dims[d]):
            continue
        if not permutes(dims[d]):
            # On a crop or halo the constant must extend to the whole signal: only a constant one surely does.
            if not same(value, value.narrow(d, 0, 1).expand_as(value)):
                return False
            continue
        source = torch.from_numpy(source_indices(dims[d], axis, stride)[0]).to(value.device)
        moved = moved.index_select(d, source)
    return same(moved, value)


def same(a: Tensor, b: Tensor) -> bool:
    """True where two tensors hold the same values, a zero's sign included: copysign and a division tell 0 from −0."""
    if not torch.equal(a, b):
        return False
    parts = [(a.real, b.real), (a.imag, b.imag)] if a.is_complex() else [(a, b)]
    return all(torch.equal(torch.signbit(x), torch.signbit(y)) for x, y in parts)


Transfer = Callable[[Step], Any]
