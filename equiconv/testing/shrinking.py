"""The smallest example of a Hypothesis strategy that fails, and from it a counterexample to any law of an evaluation."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from random import Random
from typing import Any

from torch.utils import _pytree as pytree

from equiconv.measurement.outputs import largest_difference
from equiconv.testing import profiles
from equiconv.testing.comparison import Evaluation, Origin, Refused, Start, Values, accepted, entry_of
from equiconv.testing.counterexample import Counterexample
from equiconv.testing.recipes import LITERAL, Sparse, build, imports, lines, nonzero_pixels
from equiconv.testing.script import locate, write_named_script, write_script
from equiconv.testing.storage import hypothesis_storage, inside_hypothesis
from equiconv.testing.strategies import sparse_pixels
from equiconv.testing.symmetries import Shifting, Symmetry

__all__ = ["Failing", "first_failure", "smallest"]


@dataclass(frozen=True)
class Failing:
    """An example that fails."""

    value: Any


def first_failure(
    strategy: Any, wrong: Callable[[Any], bool], seed: int, examples: int | None = None
) -> tuple[Failing | None, int]:
    """The smallest example for which ``wrong`` is true, or None; and how many were tried before the first of them.

    examples: how many to draw; None, as many as the profile says. Raises `ValueError` for a strategy without examples.
    """
    from hypothesis import HealthCheck, Phase, find, settings
    from hypothesis.errors import NoSuchExample, Unsatisfiable

    count = 0
    seen = False

    def counted(example: Any) -> bool:
        nonlocal count, seen
        count += not seen
        failed = wrong(example)
        seen = seen or failed
        return failed

    options = settings(
        database=None,
        deadline=None,
        max_examples=examples or profiles.current().examples,
        phases=(Phase.generate, Phase.shrink),
        suppress_health_check=list(HealthCheck),
    )
    try:
        with hypothesis_storage():
            return Failing(find(strategy, counted, settings=options, random=Random(seed))), count
    except NoSuchExample:
        return None, count
    except Unsatisfiable as error:
        raise ValueError("input: the strategy draws no example; loosen its filters") from error


def smallest(
    evaluation: Evaluation, elements: Sequence[Any], tolerance: float | None, law: str, name: str | None, seed: int
) -> Counterexample | None:
    """A counterexample with few entries, small integers, under one of the elements; None where only denser inputs fail."""
    from hypothesis import strategies as st

    if inside_hypothesis():
        return None  # the test's own example is being shrunk
    subject = evaluation.subject
    runs = 0

    def leaves_of(drawn: Sequence[Any]) -> list[Any]:
        result = list(subject.leaves)
        for index, pixels in zip(subject.moved, drawn, strict=True):
            result[index] = build(Sparse(tuple(sorted(pixels))), subject.leaves[index])
        return result

    def wrong(drawn: tuple[Any, ...]) -> bool:
        nonlocal runs
        element, *signals = drawn
        runs += 1
        try:
            start = accepted(evaluation.start, leaves_of(signals), tolerance is None)
            entry = entry_of(evaluation, start, element, tolerance, Origin.DEGENERATE)
        except Refused:
            return False  # f does not take an input of our making
        return entry.error > entry.bound

    shapes = [tuple(int(n) for n in subject.leaves[i].shape) for i in subject.moved]
    found, _ = first_failure(st.tuples(st.sampled_from(list(elements)), *map(sparse_pixels, shapes)), wrong, seed)
    if found is None:
        return None
    element, *signals = found.value
    leaves = leaves_of(signals)
    start = evaluation.start(leaves)
    entry = entry_of(evaluation, start, element, tolerance, Origin.DEGENERATE)
    index = next(i for i, part in enumerate(start.parts) if part.label == entry.output)
    expected = start.expected(element)[index]
    assert expected is not None  # it was compared
    got = evaluation.after(start, element)[index].value
    args, kwargs = pytree.tree_unflatten(leaves, subject.spec)
    phrase = f"g is the {element}" if isinstance(element, Symmetry) else str(element)
    first = leaves[next(iter(subject.moved))]
    error = largest_difference(got, expected)
    floor = entry.bound if tolerance is not None else entry.bound / evaluation.beyond
    explained = f"the given tolerance is {tolerance:.2g}" if tolerance is not None else f"rounding explains {floor:.2g}"
    return Counterexample(
        name=subject.name,
        law=law,
        shift=tuple(getattr(element, "shifts", ())),
        axes=subject.axes,
        x=kwargs or (args[0] if len(args) == 1 else args),
        pixels=nonzero_pixels(first, LITERAL) if len(signals) == 1 else None,
        output=entry.output,
        expected=expected,
        got=got,
        error=error,
        floor=floor,
        script=_script(evaluation, start, signals, element, index, law, f"found: {error:.6g}, {explained}", name),
        runs=runs,
        complete=True,
        element=None if hasattr(element, "shifts") else phrase,
        tolerance=tolerance,
    )


def _script(
    evaluation: Evaluation,
    start: Start,
    signals: Sequence[Any],
    element: Any,
    index: int,
    law: str,
    found: str,
    name: str | None,
) -> str:
    """Lines that make the function, the input and the moved input, and compare; of a gradient or another way of running they say what is compared."""
    subject, domain = evaluation.subject, evaluation.domain
    recipes = {i: Sparse(tuple(sorted(pixels))) for i, pixels in zip(subject.moved, signals, strict=True)}
    if isinstance(evaluation, Values):
        part = start.parts[index]
        if isinstance(element, Symmetry):
            return write_named_script(subject, recipes, element, part, law, found, name)
        if isinstance(domain, Shifting):
            roll = None if callable(domain.rule) else domain.roll(start.parts, start.raw, index, element)
            rule = domain.rule if callable(domain.rule) else None
            return write_script(subject, recipes, element.shifts, part, roll, rule, law, found, name)
    text = list(dict.fromkeys([*imports(subject.example), *locate(subject.f, name)]))
    words = ["x"] if len(signals) == 1 else [f"x{i}" for i in range(len(signals))]
    for word, place in zip(words, recipes, strict=True):
        text += lines(recipes[place], subject.leaves[place], word)
    of = "" if evaluation.what == "value" else f", its {evaluation.what}"
    return "\n".join([*text, f"# compare model({', '.join(words)}){of} before and after: {element}"]) + "\n"
