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
from equiconv.measurement.measurement import Floats, Measurement, OutputError
from equiconv.measurement.outputs import Part, holds_nan, largest_difference, largest_magnitude
from equiconv.measurement.rounding import BEYOND, rounding_floors
from equiconv.measurement.sampling import ShiftsLike, choose_shifts, rate_bound
from equiconv.measurement.subject import Subject

__all__ = ["measure"]

# Several shifts go into one call while their input stays below this many entries (16 MB in float32): more would only
# fill the memory.
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
    """Measure |f(g·x) − ρ(g)·f(x)| over circular shifts g, beside the rounding floor; a torch model also layer by layer.

    Parameters
    ----------
    f: a torch module in evaluation mode, a loaded exported program, or any function of NumPy, CuPy or torch arrays. It
        may return an array or any structure of arrays (mappings, dataclasses, tuples).
    x: an array, a tuple of arguments, or a dict of keyword arguments. Every array that has the `axes`, in the sizes of
        the first, is shifted; the others stay.
    axes: dims that carry the shifts, (-2, -1) for images.
    shifts: None measures all of them where there are at most 1024, and else 256 independent uniform draws; a number
        draws so many; a list of shifts, or a subgroup of translations, names them.
    labels: the right class of each image, for the accuracies.
    output_action: ρ. ``"natural"``: an output of the input's rank rolls at the input's positions (counted from the
        end), by k·m/n for a dim of size m under a shift by k of an axis of size n (not comparable where that is no
        integer); any other output stays. ``"invariant"``: every output stays. ``"equivariant"``: every output rolls. Or
        a function (shift, output) → what f should return, None where it has nothing to say.
    seed: of the draws and of the rounding floor.
    batch_size: how many shifts go into one call, stacked along dim 0, where f treats that dim as a batch (which is
        tried first). None chooses; 1 stacks none.
    progress: called with a line of text as the work goes on.
    layers: for a model, whether to measure it layer by layer too, in float64; or the shifts to do it for. By default,
        along each axis, the shift by 1 and the coarsest stride of a convolution or pool.

    Returns
    -------
    Measurement: `errors` over `shifts`, `worst`, `percentile99`, `median`, the rounding `floor`, a `heatmap` where the
        shifts are a grid, `classification` where the output holds logits, `layers`, `as_dict()`, `save(path)`.

    The rounding floor is found by itself, by random rounding (see `equiconv.measurement.rounding`); an error counts as
    beyond rounding above 256 floors.

    Raises
    ------
    TypeError: f cannot be called, x holds no array or integers. ValueError: f is in training mode or returns no array,
        NaN or infinite weights, inputs or outputs, axes that x lacks, no shifts, labels that do not fit, an action that
        the output cannot have.

    Examples
    --------
    >>> import numpy as np, equiconv as eq
    >>> x = np.random.default_rng(0).standard_normal((8, 8))
    >>> m = eq.measure(lambda x: x[::2, ::2], x)  # every second pixel: a shift by 2 is a roll by 1
    >>> m.worst, m.incomparable, m.chosen
    (0.0, 48, 'all 64 shifts')
    >>> m = eq.measure(lambda x: (x[1:] * x[:-1]).sum(), x)  # without the products across the seam
    >>> int(m.beyond_rounding.sum()), m.heatmap.shape  # the 8 shifts along the other axis are safe
    (56, (8, 8))
    """
    say = progress or (lambda _text: None)
    subject = Subject.of(f, x, axes)
    chosen = choose_shifts(shifts, subject.group, seed)
    if batch_size is not None and (isinstance(batch_size, bool) or not isinstance(batch_size, int) or batch_size < 1):
        raise ValueError(f"batch_size: must be a number of shifts of at least 1, or None, got {batch_size!r}")
    raw = subject.output()
    base = subject.parts(raw)
    for part in base:
        if holds_nan(part.value):
            raise ValueError(
                f"f: its {part.label} holds NaN on the unshifted input, with which nothing can be compared"
            )
    action = Action(output_action, subject.example.ndim, subject.axes, subject.group.shape, base, raw)
    images = _batch(subject)
    logits = find_logits(base, action, images)
    targets = None if labels is None else read_labels(labels, None if logits is None else base[logits], images)
    predictions = None if logits is None else Predictions(base[logits], targets)
    say("rounding floor")
    floors = rounding_floors(subject, subject.leaves, base, seed=seed)
    notes = [*subject.notes, *_steadiness(subject, base)]

    stack = min(_fitting(subject) if batch_size is None else batch_size, len(chosen.values))
    layered = subject.is_model and layers is not False
    several = images is not None and images > 1
    batched = (stack > 1 or (layered and several)) and subject.batched(base, floors, BEYOND)
    if not batched:
        if batch_size is not None and batch_size > 1:
            notes.append(f"batch_size {batch_size} was not used: f does not treat dim 0 of x as a batch")
        stack = 1

    errors = np.full((len(base), len(chosen.values)), np.nan)
    for position, (shift, parts) in enumerate(_runs(subject, chosen.values.tolist(), stack)):
        say(f"measuring shift {position + 1:,} of {len(chosen.values):,}")
        for i, expected in enumerate(action.expected(shift)):
            if expected is not None:
                errors[i, position] = largest_difference(parts[i].value, expected)
        if predictions is not None and logits is not None:
            predictions.add(parts[logits].value)

    classification = None
    if predictions is not None:
        bound = rate_bound(len(chosen.values)) if chosen.uniform else None
        classification = predictions.result(float(errors[logits].max()), bound)
    rows: tuple[LayerError, ...] = ()
    layer_shifts: tuple[tuple[int, ...], ...] = ()
    if layered:
        one = subject.first() if batched and several else subject
        rows, layer_shifts, said = _layers(one, layers, seed, say)
        notes += said
        if rows and one is not subject:
            notes.append(f"the layers were measured on the first of the {images} images")
    return Measurement(
        name=subject.name,
        environment=subject.environment(),
        input_shapes=tuple(tuple(int(s) for s in subject.leaves[i].shape) for i in subject.moved),
        axes=subject.axes,
        shape=subject.group.shape,
        shifts=chosen.values,
        chosen=chosen.text,
        complete=chosen.complete,
        uniform=chosen.uniform,
        seed=seed,
        outputs=tuple(_output(part, action.describe(i), floors[i], errors[i]) for i, part in enumerate(base)),
        classification=classification,
        layers=rows,
        layer_shifts=layer_shifts,
        layer_dtype="float64",
        notes=tuple(notes),
    )


def _output(part: Part, action: str, floor: float, errors: Floats) -> OutputError:
    value = part.value
    shape = tuple(int(s) for s in value.shape)
    return OutputError(part.label, shape, dtype_name(value.dtype), action, largest_magnitude(value), floor, errors)


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
    entries = math.prod(int(n) for n in subject.example.shape)
    return max(1, min(_STACK, _ENTRIES // entries))


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
    """The rows, the shifts they were measured under, and what to note where there are none."""
    shifts = None
    if not isinstance(layers, bool):
        shifts = tuple(tuple(int(k) for k in row) for row in choose_shifts(layers, subject.group, seed).values)
    say("layers: capturing the graph")
    args, kwargs = subject.arguments()
    try:
        graph = capture(subject.f, args, kwargs)
    except CaptureError as error:
        return (), (), [f"the layers were not measured: {error}"]
    shifts = shifts or default_layer_shifts(graph, subject)
    return measure_layers(graph, subject, shifts, seed, torch.float64, say), shifts, []
