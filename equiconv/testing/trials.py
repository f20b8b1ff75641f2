"""Runs of a function on candidate inputs, counted against a budget and remembered."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

from equiconv.arrays import Array
from equiconv.groups import Translation, TranslationSubgroup
from equiconv.measurement.actions import Action, OutputAction
from equiconv.measurement.outputs import Part, largest_difference
from equiconv.measurement.rounding import BEYOND, own_roundoff, rounding_floors
from equiconv.measurement.subject import Subject
from equiconv.testing.recipes import Dense, Recipe, Sparse, build, rolled

__all__ = ["SpentError", "Trials", "Violation"]

_SAMPLES = 2  # runs that one rounding floor takes
_NEEDED = 2 + _SAMPLES  # runs that one verdict may take
_REFUSALS = (ArithmeticError, ValueError, RuntimeError, TypeError, IndexError)


class SpentError(Exception):
    """The budget of runs is used up."""


@dataclass(frozen=True, eq=False)
class Violation:
    """An input and a shift for which f(g·x) ≠ ρ(g)·f(x), beyond rounding.

    recipe: of every argument that moves. index: of the output that differs most, in rounding floors. error, floor: of that output.
    """

    recipe: Candidate
    shift: Translation
    index: int
    part: Part
    expected: Array
    got: Array
    error: float
    floor: float


#: A recipe for each argument that moves, in order.
Candidate = tuple[Recipe, ...]


class Trials:
    """Tries candidates on one function.

    limit: how many runs of f may be used; raise it to go on. used: how many were. refused: how many candidates of our own making f did not accept.
    """

    def __init__(
        self, subject: Subject, rule: OutputAction, limit: int, seed: int, progress: Callable[[str], None]
    ) -> None:
        self.subject = subject
        self.limit = limit
        self.used = 0
        self.refused = 0
        self._rule = rule
        self._seed = seed
        self._say = progress
        self._verdicts: dict[tuple[Candidate, tuple[int, ...]], Violation | None] = {}
        self._outputs: dict[Candidate, tuple[list[Part], Action] | None] = {}
        self._floors: dict[Candidate, list[float]] = {}

    @property
    def spent(self) -> bool:
        """Whether no further verdict fits the budget."""
        return self.limit - self.used < _NEEDED

    def given(self) -> Candidate:
        """The input that the search started from."""
        return tuple(Dense(None) for _ in self.subject.moved)

    def leaves(self, candidate: Candidate) -> list[Any]:
        """The arguments of a candidate."""
        result = list(self.subject.leaves)
        for index, recipe in zip(self.subject.moved, candidate, strict=True):
            result[index] = build(recipe, self.subject.leaves[index])
        return result

    def moved_by(self, candidate: Candidate, shift: Translation) -> Candidate:
        """The candidate for the same input after a shift."""
        return tuple(
            rolled(recipe, dims, shift.shifts, tuple(self.subject.leaves[index].shape))
            for recipe, (index, dims) in zip(candidate, self.subject.moved.items(), strict=True)
        )

    def action(self, candidate: Candidate) -> Action:
        """How shifts act on the outputs; raises what f raises on the candidate."""
        return self._unshifted(candidate)[1]

    def violation(self, candidate: Candidate, shift: Translation) -> Violation | None:
        """What is wrong with this input and shift; None where nothing is, or where f does not accept an input that we made.

        Raises `SpentError` where the budget does not allow the runs.
        """
        key = candidate, shift.shifts
        if key not in self._verdicts:
            if self.spent:
                raise SpentError
            try:
                self._verdicts[key] = self._judge(candidate, shift)
            except _REFUSALS:
                if all(isinstance(recipe, Dense) and recipe.seed is None and recipe.box is None for recipe in candidate):
                    raise
                self.refused += 1
                self._verdicts[key] = None
        return self._verdicts[key]

    def _judge(self, candidate: Candidate, shift: Translation) -> Violation | None:
        base, action = self._unshifted(candidate)
        wanted = action.expected(shift.shifts)
        if all(value is None for value in wanted):
            return None
        leaves = self.leaves(candidate)
        got = self._run(self.subject.shifted(shift.shifts, leaves))
        errors = [0.0 if w is None else largest_difference(g.value, w) for g, w in zip(got, wanted, strict=True)]
        # One roundoff of the result itself is a lower bound of the floor that needs no further run.
        if not any(error > BEYOND * own_roundoff(part) for error, part in zip(errors, base, strict=True)):
            return None
        if candidate not in self._floors:
            self._floors[candidate] = rounding_floors(self.subject, leaves, base, _SAMPLES, self._seed, self._run)
        floors = self._floors[candidate]
        worst = max(range(len(errors)), key=lambda i: errors[i] / floors[i] if floors[i] else errors[i] * math.inf if errors[i] else 0.0)
        error, floor, expected = errors[worst], floors[worst], wanted[worst]
        # Where f is not defined, on an input that we made, nothing is wrong with f.
        ours = any(isinstance(recipe, Sparse) or recipe.seed is not None for recipe in candidate)
        if error <= BEYOND * floor or expected is None or (ours and math.isinf(error)):
            return None
        return Violation(candidate, shift, worst, base[worst], expected, got[worst].value, error, floor)

    def _unshifted(self, candidate: Candidate) -> tuple[list[Part], Action]:
        known = self._outputs.get(candidate)
        if known is None:
            raw = self._counted(lambda: self.subject.output(self.leaves(candidate)))
            parts = self.subject.parts(raw)
            subject = self.subject
            known = parts, Action(self._rule, subject.example.ndim, subject.axes, subject.group.shape, parts, raw)
            self._outputs[candidate] = known
            while len(self._outputs) > _REMEMBERED:
                self._outputs.pop(next(iter(self._outputs)))
        return known

    def _run(self, leaves: Sequence[Any], within: AbstractContextManager[Any] | None = None) -> list[Part]:
        return self._counted(lambda: self.subject.run(leaves, within))

    def _counted(self, call: Callable[[], Any]) -> Any:
        self.used += 1
        self._say(f"falsifying: run {self.used} of at most {self.limit}")
        return call()


_REMEMBERED = 32  # unshifted outputs: they can be large
