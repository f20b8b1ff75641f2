"""measure: how far a function is from following each shift of its input."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import numpy as np
import torch

from equiconv.arrays import dtype_name
from equiconv.graph import CaptureError, capture
from equiconv.measurement.actions import Action, OutputAction
from equiconv.measurement.classification import Predictions, find_logits, read_labels
from equiconv.measurement.layers import LayerError, default_layer_shifts, measure_layers
from equiconv.measurement.measurement import Measurement, OutputError
from equiconv.measurement.outputs import Part, largest_difference, largest_magnitude
from equiconv.measurement.rounding import BEYOND, rounding_floors
from equiconv.measurement.sampling import ShiftsLike, choose_shifts, rate_bound
from equiconv.measurement.subject import Subject

__all__ = ["measure"]

# Several shifts go into one call while their input stays below this many entries (16 MB in float32): more would only fill the memory.
_ENTRIES = 2**22
_STACK = 64


def measure(
    f: Callable[..., Any],
    x: Any,
    axes: int | Sequence[int] = (-2, -1),
    shifts: ShiftsLike = None,
    labels: Any = None,
    output_action: OutputAction = "natural",
    seed: int = 0,
    batch_size: int | None = None,
    progress: Callable[[str], None] | None = None,
    layers: bool | Iterable[Sequence[int]] = True,
) -> Measurement:
    """Measure |f(g·x) − ρ(g)·f(x)| over circular shifts g, beside the rounding floor, and for a torch model also layer by layer.

    Parameters
    ----------
    f: a torch module in evaluation mode, a loaded exported program, or any function of NumPy, CuPy or torch arrays. It may return an array or any structure of
        arrays (mappings, dataclasses, tuples).
    x: an array, a tuple of arguments, or a dict of keyword arguments. Every array that has the `axes`, in the sizes of the first, is shifted; the others stay.
    axes: dims that carry the shifts, (-2, -1) for images.
    shifts: None measures all of them where there are at most 1024, and else 256 independent uniform draws; a number draws so many; a list of shifts, or a
        subgroup of translations, names them.
    labels: the right class of each image, for the accuracies.
    output_action: ρ. ``"natural"``: an output of the input's rank rolls at the input's positions (counted from the end), by k·m/n for a dim of size m under a shift by k
        of an axis of size n (not comparable where that is no integer); any other output stays. ``"invariant"``: every output stays. ``"equivariant"``: every output
        rolls. Or a function (shift, output) → what f should return, None where it has nothing to say.
    seed: of the draws and of the rounding floor.
    batch_size: how many shifts go into one call, stacked along dim 0, where f treats that dim as a batch (which is tried first). None chooses; 1 stacks none.
    progress: called with a line of text as the work goes on.
    layers: for a model, whether to measure it layer by layer too, in float64; or the shifts to do it for. By default, along each axis, the shift by 1 and the
        coarsest stride that a tensor inside has.

    Returns
    -------
    Measurement: `errors` over `shifts`, `worst`, `percentile99`, `median`, the rounding `floor`, a `heatmap` where the shifts are a grid, `classification`
        where the output holds logits, `layers`, `as_dict()`, `save(path)`.

    The rounding floor is found by itself, by random rounding (see `equiconv.measurement.rounding`); an error counts as beyond rounding above 256 floors.

    Raises
    ------
    TypeError: f cannot be called, x holds no array or integers. ValueError: f is in training mode or returns no array, NaN or infinite weights, inputs or outputs, axes
        that x lacks, no shifts, labels that do not fit, an action that the output cannot have.

    Examples
    --------
    >>> import numpy as np, equiconv as eq
    >>> x = np.random.default_rng(0).standard_normal((8, 8))
    >>> m = eq.measure(lambda x: x[::2, ::2], x)         # every second pixel: a shift by 2 moves it by 1, a shift by 1 has no place there
    >>> m.worst, m.incomparable, m.chosen
    (0.0, 48, 'all 64 shifts')
    >>> eq.measure(lambda x: (x[1:] * x[:-1]).sum(), x).beyond_rounding.mean()   # products across the seam are missing: 1 in 8 shifts is safe
    np.float64(0.875)
    """
    say = progress or (lambda _text: None)
    subject = Subject.of(f, x, axes)
    chosen = choose_shifts(shifts, subject.group, seed)
    if batch_size is not None and (isinstance(batch_size, bool) or not isinstance(batch_size, int) or batch_size < 1):
        raise ValueError(f"batch_size: must be a number of shifts of at least 1, or None, got {batch_size!r}")
    raw = subject.output()
    base = subject.parts(raw)
    _require_finite(base)
    action = Action(output_action, subject.example.ndim, subject.axes, subject.group.shape, base, raw)
    say("rounding floor")
    floors = rounding_floors(subject, subject.leaves, base, seed=seed)
    notes = list(subject.notes) + _steadiness(subject, base)
    batch = _batch(subject)
    logits = find_logits(base, action, batch)
    targets = read_labels(labels, base[logits] if logits is not None else None, batch) if labels is not None else None
    predictions = Predictions(base[logits], targets) if logits is not None else None

    wanted = len(chosen.values) if batch_size is None else min(batch_size, len(chosen.values))
    batched = (wanted > 1 or (layers is not False and subject.is_model and (batch or 1) > 1)) and subject.batched(
        base, floors, BEYOND
    )
    if batch_size is not None and batch_size > 1 and not batched:
        notes.append(
            f"batch_size {batch_size} was not used: f does not treat dim 0 of x as a batch, so each shift is a call of its own"
        )
    stack = min(wanted, _fitting(subject) if batch_size is None else batch_size) if batched else 1

    errors = np.full((len(base), len(chosen.values)), np.nan)
    for position, (shift, parts) in enumerate(_runs(subject, chosen.values.tolist(), stack)):
        if position % max(1, len(chosen.values) // 64) == 0:
            say(f"measuring shift {position + 1:,} of {len(chosen.values):,}")
        for i, expected in enumerate(action.expected(shift)):
            if expected is not None:
                errors[i, position] = largest_difference(parts[i].value, expected)
        if predictions is not None and logits is not None:
            predictions.add(parts[logits].value)

    classification = None
    if predictions is not None and logits is not None:
        bound = rate_bound(len(chosen.values)) if chosen.uniform else None
        classification = predictions.result(float(np.nanmax(errors[logits])), bound)
    rows, layer_shifts, said = _layers(subject.first() if batched and (batch or 1) > 1 else subject, layers, seed, say)
    return Measurement(
        name=subject.name, environment=subject.environment(), input_shapes=tuple(tuple(int(s) for s in subject.leaves[i].shape) for i in subject.moved),
        axes=subject.axes, shape=subject.group.shape, shifts=chosen.values, chosen=chosen.text, complete=chosen.complete, uniform=chosen.uniform, seed=seed,
        outputs=tuple(
            OutputError(
                part.label, tuple(int(s) for s in part.value.shape), dtype_name(part.value.dtype), action.describe(i), largest_magnitude(part.value), floors[i], errors[i],
            )
            for i, part in enumerate(base)
        ),
        classification=classification, layers=rows, layer_shifts=layer_shifts, layer_dtype="float64", notes=(*notes, *said),
    )  # fmt: skip


def _require_finite(base: Sequence[Part]) -> None:
    for part in base:
        nan = largest_difference(part.value, part.value * 0) == math.inf and bool((part.value != part.value).any())
        if nan:
            raise ValueError(
                f"f: its {part.label} holds NaN on the unshifted input, with which nothing can be compared"
            )


def _steadiness(subject: Subject, base: Sequence[Part]) -> list[str]:
    """A note where two calls on the same input differ."""
    again = subject.run()
    change = max(largest_difference(a.value, b.value) for a, b in zip(again, base, strict=True))
    return [f"f is not deterministic: two calls on the same input differ by {change:.3g}"] if change else []


def _batch(subject: Subject) -> int | None:
    """The number of images: the size of dim 0 of the input, where no shift moves along it."""
    index = next(iter(subject.moved))
    return int(subject.example.shape[0]) if 0 not in subject.moved[index] else None


def _fitting(subject: Subject) -> int:
    return max(1, min(_STACK, _ENTRIES // max(1, math.prod(subject.example.shape))))


def _runs(
    subject: Subject, shifts: Sequence[Sequence[int]], stack: int
) -> Iterator[tuple[tuple[int, ...], list[Part]]]:
    """What f returns on each shifted input, several shifts a call where they are stacked."""
    for start in range(0, len(shifts), stack):
        several = [tuple(int(k) for k in shift) for shift in shifts[start : start + stack]]
        if stack == 1:
            yield several[0], subject.run(subject.shifted(several[0]))
            continue
        joined = subject.run(subject.stacked([subject.shifted(shift) for shift in several]))
        for j, shift in enumerate(several):
            rows = [p.value.shape[0] // len(several) for p in joined]
            yield shift, [Part(p.path, p.value[j * n : (j + 1) * n]) for p, n in zip(joined, rows, strict=True)]


def _layers(
    subject: Subject, layers: bool | Iterable[Sequence[int]], seed: int, say: Callable[[str], None]
) -> tuple[tuple[LayerError, ...], tuple[tuple[int, ...], ...], list[str]]:
    if layers is False or not subject.is_model:
        return (), (), []
    given = (
        None
        if layers is True
        else tuple(tuple(int(k) for k in row) for row in choose_shifts(layers, subject.group, seed).values)
    )
    say("layers: capturing the graph")
    args, kwargs = subject.arguments()
    try:
        graph = capture(subject.f, args, kwargs)
    except CaptureError as error:
        return (), (), [f"layers were not measured: {error}"]
    shifts = given if given is not None else default_layer_shifts(graph, subject)
    return measure_layers(graph, subject, shifts, seed, torch.float64, say), shifts, []
