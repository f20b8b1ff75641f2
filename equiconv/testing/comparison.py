"""Runs a function on inputs and on the moved inputs, and compares: the rows of an `EquivarianceReport`.

What is compared is an *evaluation*: the value of the function, or something made of it (a gradient, the compiled function), with the way in which each
element of the group should act on it.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from enum import Enum, auto
from typing import Any, NamedTuple, Protocol, TypeVar

import numpy as np
import torch

from equiconv.arrays import Array, asarray_like, device, dtype_name, is_complex, namespace
from equiconv.measurement.outputs import Part, holds_nan, is_finite, largest_difference, largest_magnitude
from equiconv.measurement.rounding import limit_for, own_roundoff, rounding_floors
from equiconv.measurement.subject import Subject
from equiconv.testing.recipes import Dense, Recipe, Sparse, build
from equiconv.testing.report import EquivarianceReport, Rate
from equiconv.testing.symmetries import Coverage, Domain

__all__ = [
    "WIDE",
    "Entry",
    "Evaluation",
    "Origin",
    "Refused",
    "Rows",
    "Start",
    "Values",
    "accepted",
    "bound_text",
    "compare",
    "entry_of",
    "inputs_of",
    "normals",
    "rate",
    "reported",
    "require_same",
    "require_steady",
]

T = TypeVar("T")

_FLOORS = 2  # runs that a rounding floor takes
#: A bound of so much of the output is noted.
WIDE = 0.01
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


class Origin(Enum):
    """Where an input comes from, and with it what f owes it.

    GIVEN: f must take it. GENERIC: random numbers of ours, which f may refuse as a whole; but a finite result that ends in NaN after a shift is wrong.
    DEGENERATE: of ours too, with zeros and equal values, where a quotient of f's may be undefined by chance: what is not finite there says nothing.
    """

    GIVEN = auto()
    GENERIC = auto()
    DEGENERATE = auto()


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
    notes: tuple[str, ...] = ()

    def __init__(self, subject: Subject, domain: Domain, seed: int = 0) -> None:
        self.subject, self.domain, self._seed = subject, domain, seed
        self.beyond = limit_for(subject)

    def law(self, symbol: str) -> None:  # noqa: ARG002
        """That of the value."""
        return

    def start(self, leaves: Sequence[Any], floors: bool = True) -> Start:
        """f(x), with the rounding floor of each part."""
        raw = self.subject.output(leaves)
        parts = self.subject.parts(raw)
        found = [0.0] * len(parts)
        if floors:
            found = rounding_floors(self.subject, leaves, parts, _FLOORS, self._seed, beyond=self.beyond)
        return Start(leaves, parts, raw, found, self.domain.expectation(parts, raw))

    def after(self, start: Start, element: Any) -> list[Part]:
        """f(g x)."""
        return self.subject.run(self.domain.move(element, start.leaves))


def inputs_of(subject: Subject, given: bool, seed: int) -> Iterator[tuple[str, list[Any], Origin]]:
    """Inputs to try, each with its name and origin: the given one; one pixel; small integers, on which ties and exact zeros are
    frequent; and standard normals, on which nothing coincides. Where none was given, the normals stand for it.

    Raises `ValueError` for an input without entries.
    """
    for index in subject.moved:
        if 0 in subject.leaves[index].shape:
            raise ValueError(
                f"input: {subject.labels[index]} has the shape {tuple(subject.leaves[index].shape)}, without entries; there is nothing to compare"
            )
    if given:
        yield "the given input", list(subject.leaves), Origin.GIVEN
    yield "one pixel", _made(subject, lambda _, v: _pixel(v)), Origin.DEGENERATE
    yield "integers", _made(subject, lambda i, _: Dense(seed + i)), Origin.DEGENERATE
    drawn = [normals(v, seed + i) if i in subject.moved else v for i, v in enumerate(subject.leaves)]
    yield "normals", drawn, Origin.GENERIC if given else Origin.GIVEN


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
    inputs: Sequence[tuple[str, list[Any], Origin]],
    elements: Sequence[Any],
    tolerance: float | None,
    progress: Callable[[str], None],
) -> Rows:
    """Compare on every input under every element.

    Raises what f raises on the given input, or on every other; `ValueError` for a function that differs between two calls, or returns other outputs.
    """
    names, rows, notes, starts = [], list[list[Entry]](), list[str](), list[Start]()
    refused: Refused | None = None
    for name, leaves, origin in inputs:
        progress(f"{evaluation.what}: {name}")
        try:
            start = accepted(evaluation.start, leaves, tolerance is None)
            if not starts:
                require_steady(evaluation, start)
            require_alike(start.parts, (starts or [start])[0].parts, f"on {name}")
            row = [entry_of(evaluation, start, g, tolerance, origin) for g in elements]
        except Refused as error:
            refused = refused or error
            if origin is Origin.GIVEN and error.__cause__ is not None:
                raise error.__cause__ from None
            notes.append(f"f did not accept {name} ({error})")
            continue
        if undefined := sum(entry.undefined for entry in row):
            notes.append(f"f is not finite on {name}: {undefined} of {len(row)} comparisons say nothing there")
        names.append(name)
        rows.append(row)
        starts.append(start)
    if not starts and refused is not None and refused.__cause__ is not None:
        raise refused.__cause__ from None
    shape = (len(names), len(elements))
    errors = np.asarray([[e.error for e in row] for row in rows], float).reshape(shape)
    moved = any(entry.moved for row in rows for entry in row)
    vacuous = _vacuous(starts, errors, moved, evaluation.beyond, tolerance)
    if vacuous is None:
        notes += _unseen(starts, rows, elements)
        notes += _undefined(names, starts)
        if tolerance is None:
            notes += _wide_bounds(starts, evaluation.beyond)
    return Rows(
        tuple(names),
        errors,
        np.asarray([[e.bound for e in row] for row in rows], float).reshape(shape),
        tuple(tuple(e.output for e in row) for row in rows),
        tuple(notes),
        vacuous,
    )


def _unseen(starts: Sequence[Start], rows: Sequence[Sequence[Entry]], elements: Sequence[Any]) -> list[str]:
    """What a caller would take to be tested and is not: outputs that were never compared, and elements that move no input."""
    seen = {label for row in rows for entry in row for label in entry.compared}
    found = [
        f"{part.label} {tuple(part.value.shape)} was not compared: for nothing that was tried is it said what becomes of it"
        for part in starts[0].parts
        if part.label not in seen
    ]
    idle = [element for j, element in enumerate(elements) if not any(row[j].moved for row in rows)]
    return found + [f"{element} moves none of the inputs" for element in idle[:3]]


def _undefined(names: Sequence[str], starts: Sequence[Start]) -> list[str]:
    """A note where part of an output is NaN: what is NaN before and after agrees, whatever it should have been."""
    found = []
    for name, start in zip(names, starts, strict=True):
        if labels := [part.label for part in start.parts if holds_nan(part.value)]:
            found.append(f"{', '.join(labels)} holds NaN on {name}; NaN that moves as it should is taken to agree")
    return found


def _wide_bounds(starts: Sequence[Start], beyond: float) -> list[str]:
    """A note for each output whose bound is so wide that a fault of a hundredth would hide in it."""
    found = []
    for i, part in enumerate(starts[0].parts):
        sizes = [(beyond * s.floors[i], largest_magnitude(s.parts[i].value)) for s in starts]
        share = max((bound / size for bound, size in sizes if size), default=0.0)
        if share > WIDE:
            found.append(
                f"rounding explains a change of {share:.2g} times the largest entry of {part.label}: a smaller fault would not be seen; compute in a "
                "wider dtype"
            )
    return found


def require_alike(parts: Sequence[Part], first: Sequence[Part], when: str) -> None:
    """Refuse an f that returns other arrays than before. Raises `ValueError`."""
    if [p.label for p in parts] != [p.label for p in first]:
        raise ValueError(
            f"f: returns {', '.join(p.label for p in parts) or 'no array'} {when}, and {', '.join(p.label for p in first)} before; a law needs the same "
            "outputs each time"
        )


def bound_text(tolerance: float | None, beyond: float) -> str:
    """What the bounds of a report are made of."""
    return f"{beyond:.0f} × the rounding floor" if tolerance is None else f"the given tolerance {tolerance:g}"


def reported(
    subject: Subject, rows: Rows, *, law: str, group: str, coverage: Coverage, notes: Sequence[str] = (), **more: Any
) -> EquivarianceReport:
    """The report on what was compared."""
    return EquivarianceReport(
        name=subject.name,
        law=law,
        group=group,
        coverage=coverage.text,
        complete=coverage.complete,
        elements=coverage.elements,
        inputs=rows.inputs,
        outputs=rows.outputs,
        errors=rows.errors,
        bounds=rows.bounds,
        library=subject.library,
        dtype=dtype_name(subject.example.dtype),
        device=str(device(subject.example)),
        vacuous=rows.vacuous,
        notes=(*subject.notes, *rows.notes, *notes),
        **more,
    )


def require_steady(evaluation: Evaluation, start: Start) -> None:
    """Refuse a function that returns something else on the same input: it follows no law. Raises `ValueError`."""
    before = _random_states()
    again = evaluation.start(start.leaves, False)
    host = str(device(evaluation.subject.example)) == "cpu" or _random_states() != before
    require_same(start.parts, again.parts, start.floors, evaluation.beyond, host)


def require_same(
    first: Sequence[Part], again: Sequence[Part], floors: Sequence[float], beyond: float, host: bool, word: str = "f"
) -> None:
    """Refuse two results of the same call that differ.

    What random rounding does to a random function is its noise, so the floors would hide it. They count on a GPU only (``host`` is False), whose kernels may
    add in another order each time, and only where no random state was used.
    """
    for one, other, floor in zip(first, again, floors, strict=True):
        change = largest_difference(one.value, other.value)
        if change > beyond * (own_roundoff(one, beyond) if host else floor):
            raise ValueError(
                f"{word}: is not deterministic: its {one.label} differs by {change:.3g} between two calls on the same input; call .eval() on a module, or "
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


class Entry(NamedTuple):
    """One comparison: error and bound of the part that differs most, counted in bounds, and its name.

    Both are NaN where nothing was compared: the input did not move, or ρ says nothing of the element, or (``undefined``) f is not finite there.
    compared: the parts that were.
    """

    error: float = math.nan
    bound: float = math.nan
    moved: bool = False
    output: str = ""
    undefined: bool = False
    compared: tuple[str, ...] = ()

    @property
    def ratio(self) -> float:
        """Error over bound; −1 where nothing was compared."""
        if math.isnan(self.error):
            return -1.0
        return self.error / self.bound if self.bound else (math.inf if self.error else 0.0)


def entry_of(evaluation: Evaluation, start: Start, element: Any, tolerance: float | None, origin: Origin) -> Entry:
    """Compare under one element.

    Raises `Refused` where the function does not take the moved input; `ValueError` where it returns other outputs or shapes there.
    """
    leaves = evaluation.domain.move(element, start.leaves)
    moved = any(not _same(a, b) for a, b in zip(leaves, start.leaves, strict=True))
    wanted = start.expected(element)
    if not moved or all(w is None for w in wanted):
        return Entry(moved=moved)
    got = accepted(evaluation.after, start, element)
    require_alike(got, start.parts, f"after {element}")
    best, compared = Entry(moved=True), []
    for part, base, expected, floor in zip(got, start.parts, wanted, start.floors, strict=True):
        if expected is None:
            continue
        if tuple(part.value.shape) != tuple(expected.shape):
            raise ValueError(
                f"output_action: {part.label} should have the shape {tuple(expected.shape)} after {element}, but f returns {tuple(part.value.shape)}"
            )
        error = largest_difference(part.value, expected)
        defined = is_finite(base.value) and math.isfinite(floor) and origin is not Origin.DEGENERATE
        if math.isinf(error) and origin is not Origin.GIVEN and not defined:
            best = best._replace(undefined=True)
            continue
        compared.append(part.label)
        entry = Entry(error, tolerance if tolerance is not None else evaluation.beyond * floor, True, part.label)
        if entry.ratio > best.ratio:
            best = entry._replace(undefined=best.undefined)
    return best._replace(compared=tuple(compared))


def _same(a: Any, b: Any) -> bool:
    if a is b or not hasattr(a, "ndim"):
        return True
    if tuple(a.shape) != tuple(b.shape):
        return False
    return largest_difference(a, b) == 0.0


def _has_finite(value: Array) -> bool:
    xp = namespace(value)
    return not xp.isdtype(value.dtype, ("real floating", "complex floating")) or bool(xp.any(xp.isfinite(value)))


def _vacuous(
    starts: Sequence[Start], errors: np.ndarray[Any, Any], moved: bool, beyond: float, tolerance: float | None
) -> str | None:
    """Why nothing could have failed; None where something could."""
    if not moved:
        return "no element that was tried moves any of the inputs"
    if np.all(np.isnan(errors)):
        return "nothing could be compared"
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
            if not any(_has_finite(p.value) for s in starts for p in s.parts):
                return f"no entry of the output is finite on any of the {len(starts)} inputs"
            dead = all(largest_difference(p.value, p.value * 0) == 0.0 for p in first.parts)
            return f"the output is {'zero' if dead else 'the same'} for all {len(starts)} inputs, so it does not depend on them"
    # Two outputs are at most twice the largest entry apart.
    sizes = [(f, 2 * largest_magnitude(p.value)) for s in starts for p, f in zip(s.parts, s.floors, strict=True)]
    if tolerance is not None:
        if tolerance > 0 and all(tolerance >= size for _, size in sizes):
            return f"the tolerance {tolerance:g} is more than any two outputs differ by; pass a smaller one, or None to have it found"
    elif all(f and beyond * f >= size for f, size in sizes):
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
            entry = entry_of(evaluation, start, element, tolerance, Origin.GIVEN)
        except Refused as refused:
            raise ValueError(
                f"samples: f did not accept a standard normal input ({refused}), so no rate can be claimed; pass samples=0"
            ) from refused
        failures += entry.error > entry.bound
    return Rate(draws, failures, seed)
