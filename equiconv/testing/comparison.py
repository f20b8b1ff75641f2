"""Runs a function on inputs and on the moved inputs, and compares: the rows of an `EquivarianceReport`.

What is compared is an *evaluation*: the value of the function, or something made of it (a gradient, the compiled function), with the way in which each
element of the group should act on it.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

import numpy as np
import torch

from equiconv.arrays import Array, asarray_like, device, is_complex, namespace
from equiconv.measurement.outputs import Part, largest_difference, largest_magnitude
from equiconv.measurement.rounding import BEYOND, own_roundoff, rounding_floors
from equiconv.measurement.subject import Subject
from equiconv.testing.recipes import Dense, Recipe, Sparse, build
from equiconv.testing.report import Rate
from equiconv.testing.symmetries import Domain

__all__ = [
    "Evaluation",
    "Refused",
    "Rows",
    "Start",
    "Values",
    "accepted",
    "compare",
    "entry_of",
    "inputs_of",
    "normals",
    "rate",
]

T = TypeVar("T")

_FLOORS = 2  # runs that a rounding floor takes
# What a function raises on an input that it was not made for.
_REFUSALS = (ArithmeticError, ValueError, RuntimeError, TypeError, IndexError)


class Refused(Exception):
    """The function, and not what is ours around it, raised on an input; its error is the cause."""


def accepted(call: Callable[..., T], *arguments: Any) -> T:
    """What the function returns. Raises `Refused` where it does not take the input."""
    try:
        return call(*arguments)
    except _REFUSALS as error:
        raise Refused(
            f"{type(error).__name__}: {str(error).splitlines()[0][:120] if str(error) else 'no message'}"
        ) from error


@dataclass(frozen=True, eq=False)
class Start:
    """An input before it moves: the arguments, what is compared on them, how much of it rounding explains, and what each part should be after an
    element of the group."""

    leaves: Sequence[Any]
    parts: Sequence[Part]
    raw: Any
    floors: Sequence[float]
    expected: Callable[[Any], list[Array | None]]


class Evaluation(Protocol):
    """What is compared.

    beyond: an error is beyond rounding when it exceeds so many rounding floors.
    """

    subject: Subject
    domain: Domain
    what: str
    beyond: float

    def start(self, leaves: Sequence[Any], floors: bool = True) -> Start:
        """Evaluate an input. Without ``floors`` they are zeros."""

    def after(self, start: Start, element: Any) -> list[Part]:
        """Evaluate the moved input."""


class Values:
    """The value of the function itself."""

    what = "value"
    beyond = BEYOND
    notes: tuple[str, ...] = ()

    def __init__(self, subject: Subject, domain: Domain, seed: int = 0) -> None:
        self.subject, self.domain, self._seed = subject, domain, seed

    def law(self, symbol: str) -> None:  # noqa: ARG002
        """That of the value."""
        return

    def start(self, leaves: Sequence[Any], floors: bool = True) -> Start:
        """f(x), with the rounding floor of each part."""
        raw = self.subject.output(leaves)
        parts = self.subject.parts(raw)
        found = rounding_floors(self.subject, leaves, parts, _FLOORS, self._seed) if floors else [0.0] * len(parts)
        return Start(leaves, parts, raw, found, self.domain.expectation(parts, raw))

    def after(self, start: Start, element: Any) -> list[Part]:
        """f(g x)."""
        return self.subject.run(self.domain.move(element, start.leaves))


def inputs_of(subject: Subject, given: bool, seed: int) -> Iterator[tuple[str, list[Any], bool]]:
    """Inputs to try, each with its name and whether it is of our making: the given one; one pixel; small integers, on which ties and exact zeros
    are frequent; and standard normals, on which nothing coincides."""
    if given:
        yield "the given input", list(subject.leaves), False
    yield "one pixel", _made(subject, lambda _, v: _pixel(v)), True
    yield "integers", _made(subject, lambda i, _: Dense(seed + i)), True
    yield "normals", [normals(v, seed + i) if i in subject.moved else v for i, v in enumerate(subject.leaves)], True


def _pixel(value: Array) -> Recipe:
    """A single 1 off the edge where the array is large enough: an edge is tried by moving it there."""
    return Sparse(((tuple(min(int(n) // 2, 1) if n < 4 else int(n) // 3 for n in value.shape), 1),))


def _made(subject: Subject, recipe: Callable[[int, Array], Recipe]) -> list[Any]:
    return [build(recipe(i, v), v) if i in subject.moved else v for i, v in enumerate(subject.leaves)]


def normals(like: Array, seed: int) -> Array:
    """Standard normals in the shape, dtype, device and library of an array."""
    shape = tuple(int(n) for n in like.shape)
    generator = np.random.default_rng(seed)
    drawn: Any = generator.standard_normal(shape)
    if is_complex(like):
        drawn = drawn + 1j * generator.standard_normal(shape)
    if isinstance(like, torch.Tensor):
        return torch.from_numpy(np.asarray(drawn)).to(like.device, like.dtype)
    return namespace(like).astype(asarray_like(drawn, like), like.dtype)


@dataclass(frozen=True, eq=False)
class Rows:
    """Errors and bounds, a row an input and a column an element; which part of the output each entry is; and what was noticed."""

    inputs: tuple[str, ...]
    errors: np.ndarray[Any, np.dtype[np.float64]]
    bounds: np.ndarray[Any, np.dtype[np.float64]]
    outputs: tuple[tuple[str, ...], ...]
    notes: tuple[str, ...]
    vacuous: str | None


def compare(
    evaluation: Evaluation,
    inputs: Sequence[tuple[str, list[Any], bool]],
    elements: Sequence[Any],
    tolerance: float | None,
    progress: Callable[[str], None],
) -> Rows:
    """Compare on every input under every element.

    Raises what f raises on the given input; `ValueError` for a function that differs between two calls, or returns NaN on the given input.
    """
    names, errors, bounds, outputs = [], [], [], []
    notes: list[str] = []
    starts: list[Start] = []
    moved = False
    for name, leaves, ours in inputs:
        progress(f"{evaluation.what}: {name}")
        try:
            start = accepted(evaluation.start, leaves, tolerance is None)
            if not starts:
                require_steady(evaluation, start)
            row = [entry_of(evaluation, start, g, tolerance, ours) for g in elements]
        except Refused as error:
            if not ours and error.__cause__ is not None:
                raise error.__cause__ from None
            notes.append(f"f did not accept {name} ({error})")
            continue
        moved = moved or any(entry[2] for entry in row)
        names.append(name)
        errors.append([entry[0] for entry in row])
        bounds.append([entry[1] for entry in row])
        outputs.append(tuple(entry[3] for entry in row))
        starts.append(start)
    shape = (len(names), len(elements))
    found = np.asarray(errors, float).reshape(shape)
    return Rows(
        tuple(names),
        found,
        np.asarray(bounds, float).reshape(shape),
        tuple(outputs),
        tuple(notes),
        _vacuous(starts, found, moved, evaluation.beyond),
    )


def require_steady(evaluation: Evaluation, start: Start) -> None:
    """Refuse a function that returns something else on the same input: it follows no law. Raises `ValueError`.

    What random rounding does to a random function is its noise, so the floors would hide it. They count on a GPU only, whose kernels may add in another
    order each time, and only where no random state was used.
    """
    before = _random_states()
    again = evaluation.start(start.leaves, False)
    host = str(device(evaluation.subject.example)) == "cpu" or _random_states() != before
    for one, other, floor in zip(start.parts, again.parts, start.floors, strict=True):
        change = largest_difference(one.value, other.value)
        if change > evaluation.beyond * (own_roundoff(one) if host else floor):
            raise ValueError(
                f"f: is not deterministic: its {one.label} differs by {change:.3g} between two calls on the same input; call .eval() on a module, or "
                "fix its random state, before its symmetry can be tested"
            )


def _random_states() -> tuple[Any, ...]:
    numpy: Any = np.random.get_state()  # noqa: NPY002  (whether f uses it)
    gpus = torch.cuda.get_rng_state_all() if torch.cuda.is_initialized() else []  # type: ignore[no-untyped-call]
    return (
        random.getstate(),
        numpy[1].tobytes(),
        numpy[2],
        *(s.numpy().tobytes() for s in (torch.get_rng_state(), *gpus)),
    )


def entry_of(
    evaluation: Evaluation, start: Start, element: Any, tolerance: float | None, ours: bool
) -> tuple[float, float, bool, str]:
    """Error and bound of the part that differs most, counted in bounds; whether the input moved; the part's name.

    Raises `Refused` where the function does not take the moved input.
    """
    unmoved = math.nan, math.nan, False, ""
    leaves = evaluation.domain.move(element, start.leaves)
    moved = any(not _same(a, b) for a, b in zip(leaves, start.leaves, strict=True))
    wanted = start.expected(element)
    if not moved or all(w is None for w in wanted):
        return unmoved
    got = accepted(evaluation.after, start, element)
    best: tuple[float, float, bool, str] | None = None
    for part, expected, floor in zip(got, wanted, start.floors, strict=True):
        if expected is None:
            continue
        if tuple(part.value.shape) != tuple(expected.shape):
            raise ValueError(
                f"output_action: {part.label} should have the shape {tuple(expected.shape)} after {element}, but f returns {tuple(part.value.shape)}"
            )
        error = largest_difference(part.value, expected)
        bound = tolerance if tolerance is not None else evaluation.beyond * floor
        if math.isinf(error) and ours:
            continue  # f is not defined on an input that we made: nothing is wrong with f
        entry = error, bound, True, part.label
        if best is None or _ratio(entry) > _ratio(best):
            best = entry
    return best or unmoved


def _ratio(entry: tuple[float, float, bool, str]) -> float:
    error, bound = entry[:2]
    return error / bound if bound else (math.inf if error else 0.0)


def _same(a: Any, b: Any) -> bool:
    if a is b or not hasattr(a, "ndim"):
        return True
    return largest_difference(a, b) == 0.0


def _vacuous(starts: Sequence[Start], errors: np.ndarray[Any, Any], moved: bool, beyond: float) -> str | None:
    """Why nothing could have failed; None where something could."""
    if not moved or not np.any(~np.isnan(errors)):
        return "no element that was tried moves any of the inputs" if not moved else "nothing could be compared"
    first = starts[0]
    if len(starts) > 1:
        alike = [
            all(
                largest_difference(s.parts[i].value, p.value) <= floor
                for s, floor in ((s, max(s.floors[i], first.floors[i])) for s in starts[1:])
            )
            for i, p in enumerate(first.parts)
        ]
        if all(alike):
            dead = all(largest_difference(p.value, p.value * 0) == 0.0 for p in first.parts)
            return f"the output is {'zero' if dead else 'the same'} for all {len(starts)} inputs, so it does not depend on them"
    # Two outputs are at most twice the largest entry apart.
    if all(
        f and beyond * f >= 2 * largest_magnitude(p.value)
        for s in starts
        for p, f in zip(s.parts, s.floors, strict=True)
    ):
        return f"{beyond:.0f} times the rounding floor is more than any two outputs differ by; compute in a wider dtype, or pass a tolerance"
    return None


def rate(evaluation: Evaluation, draws: int, tolerance: float | None, seed: int) -> Rate:
    """Failures among independent draws: a uniform element, and a fresh standard normal input for each."""
    failures = 0
    for number, element in enumerate(evaluation.domain.draws(draws, seed)):
        leaves = [
            normals(v, seed + 7_919 * (number + 1) + i) if i in evaluation.subject.moved else v
            for i, v in enumerate(evaluation.subject.leaves)
        ]
        try:
            start = accepted(evaluation.start, leaves, tolerance is None)
            error, bound, _, _ = entry_of(evaluation, start, element, tolerance, ours=False)
        except Refused as refused:
            raise ValueError(
                f"samples: f did not accept a standard normal input ({refused}), so no rate can be claimed; pass samples=0"
            ) from refused
        failures += error > bound
    return Rate(draws, failures, seed)
