"""A counterexample on a generic input: of a derivative, which is not unique on inputs with a few small integers, where values coincide."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from torch.utils import _pytree as pytree

from equiconv.arrays import dtype_name
from equiconv.measurement.actions import OutputAction
from equiconv.measurement.outputs import largest_difference
from equiconv.testing.comparison import Evaluation, Origin, entry_of
from equiconv.testing.counterexample import Counterexample
from equiconv.testing.report import EquivarianceReport
from equiconv.testing.script import locate
from equiconv.testing.symmetries import Symmetry

__all__ = ["NORMALS", "on_generic_input"]

#: The name of the first generic input where none was given.
NORMALS = "normals"


def on_generic_input(
    evaluation: Evaluation,
    inputs: Sequence[tuple[str, list[Any], Origin]],
    report: EquivarianceReport,
    rule: OutputAction,
    seed: int,
    name: str | None,
) -> Counterexample | None:
    """The smallest element under which the law failed, on the input on which it did; None where only a separate sample failed."""
    places = [(i, j) for i, j in np.argwhere(report.failed)]
    if not places:
        return None
    row, column = min(places, key=lambda p: (_size(report.elements[p[1]]), p))
    element = report.elements[column]
    subject = evaluation.subject
    leaves = next(leaves for label, leaves, _ in inputs if label == report.inputs[row])
    own_bounds = report.bound.startswith("the given")
    start = evaluation.start(leaves, not own_bounds)
    entry = entry_of(
        evaluation, start, element, float(report.bounds[row, column]) if own_bounds else None, Origin.GIVEN
    )
    index = next(i for i, part in enumerate(start.parts) if part.label == entry.output)
    expected = start.expected(element)[index]
    assert expected is not None  # it was compared
    got = evaluation.after(start, element)[index].value
    args, kwargs = pytree.tree_unflatten(leaves, subject.spec)
    return Counterexample(
        name=subject.name,
        law=report.law,
        shift=tuple(getattr(element, "shifts", ())),
        axes=subject.axes,
        x=kwargs or (args[0] if len(args) == 1 else args),
        pixels=None,
        output=entry.output,
        expected=expected,
        got=got,
        error=largest_difference(got, expected),
        floor=entry.bound if own_bounds else entry.bound / evaluation.beyond,
        script=_script(evaluation, inputs[0][0] != NORMALS, element, rule, seed, name),
        runs=report.compared,
        complete=report.complete,
        element=f"g is the {element}" if isinstance(element, Symmetry) else None,
    )


def _size(element: Any) -> int:
    """How far a shift goes, the shorter way round."""
    shifts = getattr(element, "shifts", ())
    return sum(min(k, n - k) for k, n in zip(shifts, element.group.shape, strict=True)) if shifts else 0


def _script(evaluation: Evaluation, given: bool, element: Any, rule: OutputAction, seed: int, name: str | None) -> str:
    """Lines that make the function and repeat the comparison; an element that may be any function is named."""
    subject = evaluation.subject
    shape, dtype = tuple(subject.example.shape), dtype_name(subject.example.dtype)
    text = ["import torch", *locate(subject.f, name)]
    if len(subject.leaves) > 1:
        text.append("# bind `x` to the tuple or dict of arguments that was given")
    elif given:
        text.append(f"x = torch.randn({shape}, dtype=torch.{dtype}, generator=torch.Generator().manual_seed({seed}))")
    else:
        text.append(f"x = {shape}")
    options = [f"what={evaluation.what!r}", f"seed={seed}"]
    if isinstance(rule, str):
        options += [f"output_action={rule!r}"] if rule != "natural" else []
    else:
        text.append("# bind `output_action` to the function that was given")
        options.append("output_action=output_action")
    if isinstance(element, Symmetry):
        text.append(f"# bind `group` to the map that was given: {element}")
        options.insert(0, "group=group")
    else:
        text = ["from equiconv import Translations", *text]
        options.insert(0, f"group=[Translations({element.group.shape}).element({element.shifts})], axes={subject.axes}")
    imported = ["from equiconv.testing import assert_equivariant"]
    return "\n".join([*imported, *text, f"assert_equivariant(model, x, {', '.join(options)})"]) + "\n"
