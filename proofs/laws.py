"""Laws: what a theorem file declares, and what is done with it: prove, evaluate, and run its false twins.

A law has claims, each with a grade of its own. A :class:`Claim` is a statement of the kernel's language with a script, *for all n*;
what that language cannot say is a :class:`Solved` (z3) or a :class:`Tested` claim, and is graded so. The law's grade is the lowest of
its claims' grades.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from functools import cached_property
from typing import Any, TypeAlias

from proofs.evaluation import Exact as Field
from proofs.evaluation import Meaning, World, assignments, size_names
from proofs.kernel import Fun, Hypothesis, KernelError, Theorem
from proofs.kernel.indices import Variable
from proofs.proving import Goal, Proof, Step, StepFailed, prove


class Grade(IntEnum):
    """How a claim is known, the strongest first."""

    ALL = 0
    ALL_Z3 = 1
    EXACT = 2
    TESTED = 3

    def __str__(self) -> str:
        return ("for all n", "for all n (z3)", "exact for the n listed", "tested")[self]


Meanings: TypeAlias = Callable[[World], Mapping[str, Meaning]]


@dataclass(frozen=True)
class Twin:
    """A near miss: the same goal with one thing wrong.

    says: what is wrong. change: keyword arguments for the claim's ``goal``. meanings: functions for the counterexample, where the claim's do not fit.
    """

    says: str
    change: Mapping[str, Any]
    meanings: Meanings | None = None


@dataclass(frozen=True)
class Caught:
    """What became of a twin: the step of the true script that failed on it, why, and a counterexample."""

    step: str
    reason: str
    counterexample: str


@dataclass(frozen=True)
class Claim:
    """A statement proved by the kernel.

    says: in words. goal: makes it; its keyword arguments make the twins. script: the proof. meanings: functions that satisfy the hypotheses, for evaluation
    (others are pseudo-random). worlds: sizes to evaluate at, a mapping from names to integers (one axis) or tuples of them; chosen where not given. library:
    the same two sides computed by equiconv (see ``crosscheck``). groups: permutations for each name of a group.
    """

    says: str
    goal: Callable[..., Goal]
    script: Callable[[Proof], None]
    twins: tuple[Twin, ...]
    meanings: Meanings | None = None
    worlds: tuple[Mapping[str, Any], ...] = ()
    library: Callable[[Any], Mapping[str, Any]] | None = None
    groups: Mapping[str, Sequence[tuple[int, ...]]] = field(default_factory=dict)
    grade: Grade = Grade.ALL

    @cached_property
    def proof(self) -> tuple[Theorem, list[Step]]:
        """The theorem and its steps. Raises :class:`StepFailed`."""
        return prove(self.goal(), self.script)

    @property
    def theorem(self) -> Theorem:
        return self.proof[0]

    # --- evaluation ----------------------------------------------------------------------------------------------------------

    def sized_worlds(self, goal: Goal, seed: int = 0) -> list[World]:
        """Small worlds, the smallest first, in one dimension and in two."""
        sides = [t for h in goal.assumed for t in (h.lhs, h.rhs)]
        names = size_names(goal.lhs, goal.rhs, *sides)
        chosen = self.worlds or default_worlds(names)
        return [self._world(sizes, seed) for sizes in chosen]

    def _world(self, sizes: Mapping[str, Any], seed: int) -> World:
        vectors = {name: v if isinstance(v, tuple) else (v,) for name, v in sizes.items()}
        rank = len(next(iter(vectors.values()), (1,)))
        order = math.lcm(*(math.prod(v[a] for v in vectors.values()) for a in range(rank)), 4)
        return World(vectors, Field(order), groups=self.groups, seed=seed)

    def counterexample(self, goal: Goal, meanings: Meanings | None = None, seeds: int = 3) -> str | None:
        """Where the sides of a goal differ while its hypotheses hold; None where they never did."""
        closed = [h for h in goal.assumed if not variables(h.parameters)]
        fixed = [h for h in goal.assumed if variables(h.parameters)]
        free = goal.lhs.free | goal.rhs.free | variables(p for h in fixed for p in h.parameters)
        tried = False
        for seed in range(seeds):
            for world in self.sized_worlds(goal, seed):
                meaning = meanings or self.meanings
                world.meanings = meaning(world) if meaning else {}
                if not all(holds(h, world) for h in closed):
                    continue
                for values in assignments(world, sorted(free, key=lambda v: v.name)):
                    if not all(holds(h, world, values) for h in fixed):
                        continue
                    tried = tried or not world.sizes or any(n > 1 for v in world.sizes.values() for n in v)
                    world.used.clear()
                    left, right = world.evaluate(goal.lhs, values), world.evaluate(goal.rhs, values)
                    if left != right:
                        return _describe(world, values, left, right)
        if not tried:
            raise ValueError(
                f"{self.says}: no world of more than one point satisfies the hypotheses, so nothing was evaluated"
            )
        return None

    def check_twin(self, twin: Twin) -> Caught:
        """Run the true script on a twin. Raises ``AssertionError`` where it passes, or where the twin has no counterexample."""
        try:
            goal = self.goal(**twin.change)
        except KernelError as error:
            raise AssertionError(
                f"the twin “{twin.says}” of “{self.says}” cannot be stated ({error}): a near miss must be a statement"
            ) from error
        try:
            prove(goal, self.script)
        except StepFailed as failed:
            found = self.counterexample(goal, twin.meanings)
            if found is None:
                raise AssertionError(
                    f"the twin “{twin.says}” of “{self.says}” was refused, yet no counterexample was found: is it false?"
                ) from failed
            return Caught(failed.step, failed.reason, found)
        raise AssertionError(f"the twin “{twin.says}” of “{self.says}” was proved")


def default_worlds(names: Sequence[str]) -> list[dict[str, Any]]:
    """One axis with every size from 1 to 3 and staggered; and two axes."""
    if not names:
        return [{}]
    staggered = [{name: (start + place) % 3 + 2 for place, name in enumerate(names)} for start in range(3)]
    square = {name: ((place + 1) % 2 + 1, place % 2 + 2) for place, name in enumerate(names)}
    return [*(dict.fromkeys(names, n) for n in (1, 2, 3)), *staggered, square]


def variables(things: Iterable[Variable | Fun]) -> frozenset[Variable]:
    """The variables among parameters of hypotheses."""
    return frozenset(p for p in things if not isinstance(p, Fun))


def holds(hypothesis: Hypothesis, world: World, values: Mapping[Variable, Any] | None = None) -> bool:
    """True where a hypothesis holds in a world, its parameters being ``values``, for every value of what it quantifies."""
    over = sorted(variables(hypothesis.over), key=lambda v: v.name)
    here = [{**(values or {}), **a} for a in assignments(world, over)]
    return all(world.evaluate(hypothesis.lhs, a) == world.evaluate(hypothesis.rhs, a) for a in here)


def _plain(value: Any) -> str:
    return str(value[0]) if isinstance(value, tuple) and len(value) == 1 else str(value)


def _describe(world: World, values: Mapping[Any, Any], left: Any, right: Any) -> str:
    where = [f"{name} = {_plain(v)}" for name, v in world.sizes.items()] + [
        f"{v.name} = {_plain(x)}" for v, x in values.items()
    ]
    functions = [
        f"{name}{'[' + ', '.join(map(_plain, args)) + ']' if args else ''} = {v}"
        for (name, args), v in sorted(world.used.items(), key=repr)
    ]
    shown = ", ".join(functions[:8]) + (", …" if len(functions) > 8 else "")
    root = (
        f", ζ = exp(−2πi/{world.field.order})"
        if isinstance(world.field, Field) and "ζ" in f"{left}{right}{shown}"
        else ""
    )
    return f"{', '.join(where)}: left {left}, right {right}" + (f"  ({shown}{root})" if shown or root else "")


@dataclass(frozen=True)
class Tested:
    """A claim that is computed, not proved: ``check`` returns True where it holds, and each of ``twins``, a near miss, returns False.

    ``checked`` says on what (the sizes listed, or the inputs drawn).
    """

    __test__ = False  # for pytest, which takes the name for a class of tests

    says: str
    check: Callable[[], bool]
    twins: Mapping[str, Callable[[], bool]]
    checked: str
    grade: Grade = Grade.TESTED


@dataclass(frozen=True)
class Solved:
    """A claim about integers for z3: ``constraints(z3)`` gives a list whose conjunction has no solution. ``twins`` have one. z3 is trusted; the kernel is not
    asked."""

    says: str
    constraints: Callable[[Any], list[Any]]
    twins: Mapping[str, Callable[[Any], list[Any]]]
    grade: Grade = Grade.ALL_Z3

    def check(self) -> bool | None:
        """True where z3 proves it, None where z3 is not installed or gives up."""
        answer = solve(self.constraints)
        return None if answer is None else answer == "unsat"


def solve(constraints: Callable[[Any], list[Any]], milliseconds: int = 20_000) -> str | None:
    """z3's answer, ``"sat"`` or ``"unsat"``; None where it has none."""
    try:
        import z3
    except ImportError:
        return None
    solver = z3.Solver()
    solver.set("timeout", milliseconds)
    solver.add(*constraints(z3))
    answer = str(solver.check())
    return None if answer == "unknown" else answer


AnyClaim: TypeAlias = Claim | Tested | Solved


@dataclass(frozen=True)
class Law:
    """A named theorem.

    name: what certificates call it. title: in a sentence. items: the lecture's equations, ``(10)``, and items, ``L24``, that it states.
    families: families of the certifier's rules that rest on it. claims: its statements. note: what to know when reading it.
    """

    name: str
    title: str
    claims: tuple[AnyClaim, ...]
    items: tuple[str, ...] = ()
    families: tuple[str, ...] = ()
    note: str = ""

    @property
    def grade(self) -> Grade:
        """The lowest of its claims' grades."""
        return max(claim.grade for claim in self.claims)

    @property
    def grades(self) -> str:
        """The grade of its claims; where they differ, of how many which: ``for all n (6 of 7), tested (1)``."""
        counts = Counter(claim.grade for claim in self.claims)
        if len(counts) == 1:
            return str(self.grade)
        first, *rest = sorted(counts)
        return ", ".join(
            [f"{first} ({counts[first]} of {len(self.claims)})", *(f"{grade} ({counts[grade]})" for grade in rest)]
        )


__all__ = [
    "AnyClaim",
    "Caught",
    "Claim",
    "Grade",
    "Law",
    "Solved",
    "Tested",
    "Twin",
    "default_worlds",
    "holds",
    "solve",
    "variables",
]
