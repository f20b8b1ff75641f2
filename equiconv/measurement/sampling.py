"""Which shifts are measured: all of them, a seeded uniform sample, or those that were named; and what may be said of
the rest."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from equiconv.groups import Translations, TranslationSubgroup

__all__ = ["ALL", "SAMPLE", "Shifts", "ShiftsLike", "choose_shifts", "rate_bound"]

#: A group of at most this many shifts is measured whole.
ALL = 1024
#: Of a larger one, so many independent uniform draws are measured.
SAMPLE = 256

ShiftsLike: TypeAlias = "int | Iterable[Any] | TranslationSubgroup | None"


@dataclass(frozen=True, eq=False)
class Shifts:
    """Shifts, one a row, and how they were chosen.

    complete: they are all of the group (or subgroup). uniform: they are independent uniform draws from it.
    """

    values: npt.NDArray[np.int64]
    text: str
    complete: bool
    uniform: bool


def choose_shifts(shifts: ShiftsLike, group: Translations, seed: int) -> Shifts:
    """The shifts to measure.

    None: all of the group where it has at most 1024, else 256 uniform draws. A number: so many uniform draws. A
    subgroup: all or a sample of it, in the same way. A list: its shifts, one integer per axis each (plain integers for
    one axis), reduced modulo the sizes.

    Raises `ValueError` for an empty list, a wrong number of entries, or a subgroup of another group.

    >>> choose_shifts(None, Translations((427, 640)), seed=0).text
    '256 of 273,280 shifts, uniform, seed 0'
    """
    if shifts is None:
        return _of_subgroup(group.full(), "shifts", seed)
    if isinstance(shifts, (bool, np.bool_, str)):
        raise TypeError(f"shifts: got {shifts!r}; pass None, a number of draws, a list of shifts, or a subgroup")
    if isinstance(shifts, TranslationSubgroup):
        if shifts.group != group:
            raise ValueError(
                f"shifts: is a subgroup of {shifts.group}, but x is shifted by {group}; "
                f"make it with Translations({group.shape}).subgroup(strides)"
            )
        return _of_subgroup(shifts, f"shifts in {shifts}", seed)
    if hasattr(shifts, "__index__"):
        count = int(shifts.__index__())
        if count < 1:
            raise ValueError(f"shifts: got {count}; draw at least one")
        return _draws(group.full(), count, "shifts", seed)
    if not isinstance(shifts, Iterable):
        raise TypeError(
            f"shifts: got {type(shifts).__name__}; pass None, a number of draws, a list of shifts, or a subgroup"
        )
    rows = []
    for shift in shifts:
        entries = shift.shifts if hasattr(shift, "shifts") else shift
        try:
            rows.append(group.element(entries).shifts)
        except (TypeError, ValueError) as error:
            raise type(error)(f"shifts: {shift!r} is no shift of {group} ({error})") from error
    if not rows:
        raise ValueError("shifts: is empty; name at least one shift, or pass None for all of them or a sample")
    values = np.asarray(rows, dtype=np.int64)
    distinct = len({tuple(row) for row in rows})
    complete = distinct == group.order
    text = (
        f"all {group.order:,} shifts"
        if complete
        else f"{len(rows):,} given shift{'s' if len(rows) > 1 else ''} of {group.order:,}"
    )
    return Shifts(values, text, complete, False)


def _of_subgroup(subgroup: TranslationSubgroup, noun: str, seed: int) -> Shifts:
    if subgroup.order > ALL:
        return _draws(subgroup, SAMPLE, noun, seed)
    values = np.asarray([g.shifts for g in subgroup.elements()], dtype=np.int64)
    return Shifts(
        values, f"all {subgroup.order:,} {noun}" if subgroup.order > 1 else f"the only one of the {noun}", True, False
    )


def _draws(subgroup: TranslationSubgroup, count: int, noun: str, seed: int) -> Shifts:
    values = np.asarray([g.shifts for g in subgroup.sample(count, seed)], dtype=np.int64)
    return Shifts(values, f"{count:,} of {subgroup.order:,} {noun}, uniform, seed {seed}", False, True)


def rate_bound(draws: int) -> float:
    """The failure rate that no failure in so many independent uniform draws excludes at 95 %: 3/N, since (1 − 3/N)^N <
    e⁻³ < 0.05.

    >>> rate_bound(300)
    0.01
    """
    return min(1.0, 3 / draws)
