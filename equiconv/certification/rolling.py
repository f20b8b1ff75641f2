"""Constants that carry a shift: a circulant matrix turns a roll of what it sums over into a roll of what comes out.

The signal is the same at every value of a label that only the constant has, so any action on that label is true of it: its dim may be given the action of the
contracted dim. What the constant keeps is then its stabiliser under both at once, W[o + s, i + s] = W[o, i], in place of W[o, i + s] = W[o, i].
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import TypeVar

from equiconv.certification.spectra import has_spectrum
from equiconv.certification.states import Constant, Dim, Factor, Signal, Still, Uniform, Window, axes_of, size_of
from equiconv.certification.step import Step

Result = TypeVar("Result")


def candidates(
    step: Step, operands: Sequence[tuple[Signal | Constant, Sequence[str]]], out: Sequence[str]
) -> list[dict[str, Dim]]:
    """Actions that the free label of a constant may be given: that of the contracted dim, on some or all of the axes that move it."""
    signals = [(o, labels) for o, labels in operands if isinstance(o, Signal)]
    constants = [(o, labels) for o, labels in operands if isinstance(o, Constant)]
    if len(signals) != 1 or len(constants) != 1 or constants[0][0].generic:
        return []
    (signal, names), (constant, others) = signals[0], constants[0]
    if has_spectrum(signal):
        return []  # a phase is free along any constant already
    dims = dict(zip(names, step.settle(signal).dims, strict=True))
    free = {n: size for n, size in zip(others, constant.shape, strict=True) if n in out and n not in dims and size > 1}
    summed = [label for label in names if label in others and label not in out and axes_of(dims[label])]
    found: list[dict[str, Dim]] = []
    for (label, size), contracted in itertools.product(free.items(), summed):
        found.extend({label: dim} for dim in _actions(step, dims[contracted], size))
    return found


def _actions(step: Step, dim: Dim, size: int) -> list[Dim]:
    """Dims of ``size`` entries that move as the moving factors of ``dim`` do, beside one that does not move."""
    moving = _moving(step, dim)
    found: list[Dim] = []
    axes = sorted(axes_of(moving))
    for count in range(len(axes), 0, -1):
        for chosen in map(set, itertools.combinations(axes, count)):
            rolls = tuple(f for f in moving if axes_of((f,)) & chosen)
            beside = tuple(f if axes_of((f,)) <= chosen else Still(f.size) for f in moving)
            for kept in (beside, rolls):
                if size % size_of(kept) == 0:
                    rest = Still(size // size_of(kept))
                    found.extend(step.canonical(laid) for laid in ((rest, *kept), (*kept, rest)))
    return list(dict.fromkeys(found))


def _moving(step: Step, dim: Dim) -> Dim:
    """What of a dim moves, between its first and its last window, each as short as K allows; () where it is no tuple of rolls."""
    laid: list[Factor] = []
    for factor in dim:
        if isinstance(factor, Window) and factor.rolls:
            block = math.gcd(int(step.strides[factor.axis] / abs(factor.step)), factor.period)
            size = factor.size // block
            laid += [replace(factor, size=size, step=factor.step * block, period=size), Still(block)]
        elif isinstance(factor, (Still, Uniform)):
            laid.append(Still(factor.size))
        else:
            return ()
    while laid and isinstance(laid[0], Still):
        del laid[0]
    while laid and isinstance(laid[-1], Still):
        del laid[-1]
    return tuple(laid)


def best(
    step: Step, compute: Callable[[Step, Mapping[str, Dim]], Result], actions: Sequence[Mapping[str, Dim]]
) -> Result:
    """What ``compute`` finds when no free label moves, or for the first of the ``actions`` that keeps a larger K, its losses recorded in ``step``."""
    before, losses = list(step.strides), list(step.losses)
    chosen: tuple[Result, Step] | None = None
    for action in ({}, *actions):
        trial = replace(step)
        trial.strides, trial.losses = list(before), list(losses)
        result = compute(trial, action)
        if chosen is None or math.prod(trial.strides) < math.prod(chosen[1].strides):
            chosen = result, trial
        if chosen[1].strides == before:
            break
    assert chosen is not None
    step.strides, step.losses = chosen[1].strides, chosen[1].losses
    return chosen[0]


__all__ = ["best", "candidates"]
