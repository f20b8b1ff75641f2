"""A measurement in words and columns, for a terminal."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from equiconv.measurement.layers import LayerError
from equiconv.measurement.rounding import BEYOND

if TYPE_CHECKING:
    from equiconv.measurement.measurement import Measurement

_ROWS = 12  # rows of the layer table before it is cut


def describe(m: Measurement) -> str:
    """The measurement as text of several lines."""
    shapes = ", ".join(str(s) for s in m.input_shapes)
    place = ", ".join(v if k in ("library", "device", "dtype") else f"{k}: {v}" for k, v in m.environment.items())
    lines = [
        f"measurement of {m.name} on {shapes}, shifted along the dims {m.axes} of sizes {m.shape} ({place})",
        f"  {m.chosen}",
    ]
    if m.incomparable:
        lines.append(
            f"  {m.incomparable} of {len(m.errors)} are not comparable: the output's grid has no place for them (a grid of m points moves by k·m/n, which must be an integer)"
        )
    if m.incomparable < len(m.errors):
        lines += _errors(m)
    if m.classification:
        lines += _predictions(m)
    if m.layers:
        lines += _layers(m)
    return "\n".join(lines + [f"  note: {note}" for note in m.notes])


def _errors(m: Measurement) -> list[str]:
    lines = [
        f"  {'':24}{'worst':>10}{'99 %':>10}{'median':>10}",
        f"  {'largest error':24}{m.worst:>10.2e}{m.percentile99:>10.2e}{m.median:>10.2e}   rounding floor {m.floor:.2e}, largest entry {m.scale:.3g}",
    ]
    beyond, compared = int(m.beyond_rounding.sum()), len(m.errors) - m.incomparable
    lines.append(
        f"  {beyond} of {compared} beyond rounding (more than {BEYOND:.0f} rounding floors); worst at the shift {m.worst_shift}"
    )
    if m.rate_bound is not None:
        lines.append(
            f"  0 failures in {compared} uniform draws: at 95 %, fewer than {m.rate_bound:.2%} of all shifts fail on this input"
        )
    if len(m.outputs) > 1:
        for o in m.outputs:
            known = o.errors[~_isnan(o.errors)]
            worst = f"worst {known.max():.2e}" if len(known) else "not comparable"
            lines.append(f"    {o.name} {o.shape}, {o.action}: {worst}, floor {o.floor:.2e}")
    elif m.outputs[0].action != "stays":
        lines.append(f"  {m.outputs[0].name} {m.outputs[0].shape} {m.outputs[0].action}")
    return lines


def _isnan(values: object) -> object:
    import numpy as np

    return np.isnan(values)  # type: ignore[call-overload]


def _predictions(m: Measurement) -> list[str]:
    c = m.classification
    assert c is not None
    lines = [
        f"  predictions of {c.images} image{'s' if c.images > 1 else ''}: consistency {c.consistency:.2%}, largest logit error {c.largest_logit_error:.3g}, "
        f"{c.flipped_shifts} of {c.shifts} shifts flip one"
    ]
    if c.accuracy is not None:
        lines.append(
            f"    accuracy {c.accuracy:.2%} unshifted, {c.shifted_accuracy:.2%} over shifts, {c.worst_shift_accuracy:.2%} under every shift measured"
        )
    if c.flip_bound is not None:
        lines.append(
            f"    no flip in {c.shifts} uniform draws: at 95 %, fewer than {c.flip_bound:.2%} of all shifts flip a prediction"
        )
    return lines


def _layers(m: Measurement) -> list[str]:
    width = max(len(row.label) for row in m.layers)
    header = "".join(f"{str(s):>14}" for s in m.layer_shifts)
    lines = [f"  per layer, in {m.layer_dtype}, error under the shift", f"    {'':{width}}{header}{'floor':>10}"]
    marked = {id(row) for i in range(len(m.layer_shifts)) if (row := m.first_break(i))}
    shown = (
        m.layers
        if len(m.layers) <= _ROWS
        else [*(r for r in m.layers[:-2] if id(r) in marked or r in m.layers[: _ROWS - 4]), *m.layers[-2:]]
    )
    for row in shown:
        cells = "".join(f"{_cell(row, i):>14}" for i in range(len(m.layer_shifts)))
        lines.append(f"    {row.label:{width}}{cells}{row.floor:>10.1e}")
    if len(shown) < len(m.layers):
        lines.append(f"    … {len(m.layers) - len(shown)} more in .layers")
    for i, shift in enumerate(m.layer_shifts):
        broken = m.first_break(i)
        if broken is None:
            lines.append(f"    {shift}: every layer follows it")
            continue
        how = (
            "has no place for it (a stride)"
            if math.isnan(broken.errors[i])
            else f"is the first that does not follow it: error {broken.errors[i]:.2e}"
        )
        lines.append(f"    {shift}: {broken.label} {how}" + (f"\n      {broken.source}" if broken.source else ""))
    return lines


def _cell(row: LayerError, index: int) -> str:
    error = row.errors[index]
    mark = " " if not row.breaks(index) else "!"
    return ("—" if math.isnan(error) else f"{error:.1e}") + mark
