"""Runs of a function on candidate inputs, counted against a budget and remembered."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, TypeAlias

from equiconv.groups import Translation
from equiconv.measurement.actions import Action, OutputAction
from equiconv.measurement.outputs import Part, largest_difference
from equiconv.measurement.rounding import limit_for, own_roundoff, rounding_floors
from equiconv.measurement.subject import Subject
from equiconv.testing.recipes import Dense, Recipe, Sparse, build, rolled

__all__ = ["Candidate", "Trials", "Violation"]

#: A recipe for each argument that moves, in order.
Candidate: TypeAlias = tuple[Recipe, ...]

_SAMPLES = 2  # runs that one rounding floor takes
_REPEATS = 3  # of a counterexample, before it is one
_NEEDED = 4 + _SAMPLES + 2 * _REPEATS  # runs that one verdict may take, and those for the report
_REMEMBERED = 32  # unshifted outputs, which can be large
# What a function raises on an input that it was not made for.
_REFUSALS = (ArithmeticError, ValueError, RuntimeError, TypeError, IndexError)


@dataclass(frozen=True)
class Violation:
    """An input and a shift for which f(g·x) ≠ ρ(g)·f(x), beyond rounding.

    index: of the output that differs most, counted in rounding floors. error, floor: of that output.
    """

    candidate: Candidate
    shift: Translation
    index: int
    error: float
    floor: float


class Trials:
    """Tries candidates on one function.

    total: how many runs of f may be used. limit: the same, for now. used: how many were. refused: how many candidates
    of our own making f did not accept. cut_short: a part of the search ended for lack of its runs.
    """

    def __init__(
        self, subject: Subject, rule: OutputAction, limit: int, seed: int, progress: Callable[[str], None]
    ) -> None:
        self.subject = subject
        self.limit = self.total = limit
        self.used = 0
        self.refused = 0
        self.cut_short = False
        self._rule = rule
        self._seed = seed
        self.beyond = limit_for(subject)
        self._say = progress
        self._verdicts: dict[tuple[Candidate, Translation], Violation | None] = {}
        self._outputs: dict[Candidate, tuple[list[Part], Action]] = {}
        self._floors: dict[Candidate, list[float]] = {}

    @property
    def spent(self) -> bool:
        """Whether no further verdict fits the budget."""
        return self.limit - self.used < _NEEDED

    def one_entry(self) -> None:
        """Go on with the first entry of the batch only, where f treats dim 0 as a batch."""
        index = self.subject.sole()
        if index is None or self.subject.leaves[index].shape[0] < 2:
            return
        base = self._run(self.subject.leaves)
        self.used += 1
        if self.subject.batched(base, [own_roundoff(part, self.beyond) for part in base], self.beyond):
            self.subject = self.subject.first()

    def given(self) -> Candidate:
        """The input that the search started from."""
        return tuple(Dense(None) for _ in self.subject.moved)

    def drawn(self, seed: int) -> Candidate:
        """Random integers in its place."""
        return tuple(Dense(seed + i) for i in range(len(self.subject.moved)))

    def shapes(self) -> list[tuple[int, ...]]:
        """Shapes of the arguments that move."""
        return [tuple(int(n) for n in self.subject.leaves[i].shape) for i in self.subject.moved]

    def leaves(self, candidate: Candidate) -> list[Any]:
        """The arguments of a candidate."""
        result = list(self.subject.leaves)
        for index, recipe in zip(self.subject.moved, candidate, strict=True):
            result[index] = build(recipe, self.subject.leaves[index])
        return result

    def moved_by(self, candidate: Candidate, shift: Translation) -> Candidate:
        """The candidate for the same input after a shift."""
        places = zip(candidate, self.subject.moved.values(), self.shapes(), strict=True)
        return tuple(rolled(recipe, dims, shift.shifts, shape) for recipe, dims, shape in places)

    def unshifted(self, candidate: Candidate) -> tuple[list[Part], Action]:
        """What f returns on a candidate, and how shifts should act on it; raises what f raises."""
        if candidate not in self._outputs:
            subject = self.subject
            raw = self._counted(lambda: subject.output(self.leaves(candidate)))
            parts = subject.parts(raw)
            action = Action(self._rule, subject.example.ndim, subject.axes, subject.group.shape, parts, raw)
            self._outputs[candidate] = parts, action
            if len(self._outputs) > _REMEMBERED:
                self._outputs.pop(next(iter(self._outputs)))
        return self._outputs[candidate]

    def require_steady(self, candidate: Candidate, shift: Translation | None = None) -> None:
        """Refuse a function that returns something else on the same input, beyond rounding: it follows no law.

        Tried once on the candidate, or, with a shift, several times on it and on the shifted one.

        Raises `ValueError`.
        """
        base, _ = self.unshifted(candidate)
        before, leaves = [base], [self.leaves(candidate)]
        if shift is not None:
            before.append(self.shifted(candidate, shift))
            leaves.append(self.subject.shifted(shift.shifts, leaves[0]))
        for _ in range(1 if shift is None else _REPEATS):
            for parts, arguments in zip(before, leaves, strict=True):
                for one, other in zip(parts, self._run(arguments), strict=True):
                    change = largest_difference(one.value, other.value)
                    if change > self.beyond * own_roundoff(one, self.beyond):
                        raise ValueError(
                            f"f: is not deterministic: its {one.label} differs by {change:.3g} between two calls on "
                            "the same input, so no example can refute a law of it; fix its random state first"
                        )

    def shifted(self, candidate: Candidate, shift: Translation) -> list[Part]:
        """What f returns on a candidate after a shift."""
        return self._run(self.subject.shifted(shift.shifts, self.leaves(candidate)))

    def violation(self, candidate: Candidate, shift: Translation) -> Violation | None:
        """What is wrong with this input and shift; None where nothing is, f does not accept the input, or the budget is
        spent."""
        key = candidate, shift
        if key not in self._verdicts:
            if self.spent:
                return None
            try:
                self._verdicts[key] = self._judge(candidate, shift)
            except _REFUSALS:
                if not _ours(candidate):
                    raise
                self.refused += 1
                self._verdicts[key] = None
        return self._verdicts[key]

    def _judge(self, candidate: Candidate, shift: Translation) -> Violation | None:
        base, action = self.unshifted(candidate)
        wanted = action.expected(shift.shifts)
        if all(value is None for value in wanted):
            return None
        got = self.shifted(candidate, shift)
        errors = [0.0 if w is None else largest_difference(g.value, w) for g, w in zip(got, wanted, strict=True)]
        # One roundoff of the result itself is a lower bound of the floor that needs no further run.
        least = [self.beyond * own_roundoff(part, self.beyond) for part in base]
        if not any(error > bound for error, bound in zip(errors, least, strict=True)):
            return None
        if candidate not in self._floors:
            leaves = self.leaves(candidate)
            self._floors[candidate] = rounding_floors(
                self.subject, leaves, base, _SAMPLES, self._seed, self._run, self.beyond
            )
        floors = self._floors[candidate]
        if _ours(candidate):  # zeros and equal values, where f may be undefined by chance: nothing is wrong with f
            errors = [error if math.isfinite(error) else 0.0 for error in errors]
        error, floor, index = max(zip(errors, floors, range(len(errors)), strict=True), key=_size)
        return None if error <= self.beyond * floor else Violation(candidate, shift, index, error, floor)

    def _run(self, leaves: Sequence[Any], within: AbstractContextManager[Any] | None = None) -> list[Part]:
        parts: list[Part] = self._counted(lambda: self.subject.run(leaves, within))
        return parts

    def _counted(self, call: Callable[[], Any]) -> Any:
        self.used += 1
        self._say(f"falsifying: run {self.used} of at most {self.total}")
        return call()


def _size(found: tuple[float, float, int]) -> float:
    """An error in rounding floors."""
    error, floor, _ = found
    return error / floor if floor else (math.inf if error else 0.0)


def _ours(candidate: Candidate) -> bool:
    """Whether the values are of our making, not only the given ones moved."""
    return any(isinstance(r, Sparse) or r.seed is not None or r.rounded or r.box is not None for r in candidate)
