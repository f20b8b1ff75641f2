"""A measurement in words and columns, for a terminal."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from equiconv.measurement.layers import LayerError
from equiconv.measurement.rounding import BEYOND

if TYPE_CHECKING:
    from equiconv.measurement.measurement import Measurement

_ROWS = 12  # rows of the layer table before it is cut


def describe(m: Measurement) -> str:
    """The measurement as text of several lines."""
    shapes = ", ".join(str(s) for s in m.input_shapes)
    plain = ("library", "device", "dtype")
    place = ", ".join(v if k in plain else f"{k} {v}" for k, v in m.environment.items())
    lines = [f"measurement of {m.name} on {shapes}, shifted along the dims {m.axes} of sizes {m.shape} ({place})"]
    lines.append(f"  {m.chosen}")
    if m.incomparable:
        lines.append(
            f"  {m.incomparable} of {len(m.errors)} are not comparable: the output's grid has no place for them"
        )
    if m.incomparable < len(m.errors):
        lines += _errors(m)
    if m.classification:
        lines += _predictions(m)
    if m.layers:
        lines += _layers(m)
    return "\n".join(lines + [f"  note: {note}" for note in m.notes])


def _errors(m: Measurement) -> list[str]:
    beyond, compared = int(m.beyond_rounding.sum()), len(m.errors) - m.incomparable
    lines = [
        f"  {'':16}{'worst':>10}{'99 %':>10}{'median':>10}{'rounding':>10}{'largest entry':>15}",
        f"  {'largest error':16}{m.worst:>10.2e}{m.percentile99:>10.2e}{m.median:>10.2e}{m.floor:>10.2e}"
        f"{m.scale:>15.3g}",
        f"  {beyond} of {compared} beyond rounding (above {BEYOND:.0f} × it); worst at the shift {m.worst_shift}",
    ]
    if m.rate_bound is not None and m.rate_bound < 1:
        lines.append(f"  0 failures in {compared} uniform draws: rate below {m.rate_bound:.2%} at 95 %, on this input")
    for o in m.outputs if len(m.outputs) > 1 or m.outputs[0].action != "stays" else ():
        known = o.errors[~np.isnan(o.errors)]
        worst = f"worst {known.max():.2e}" if len(known) else "not comparable"
        lines.append(f"    {o.name} {o.shape} {o.action}: {worst}, rounding {o.floor:.2e}")
    return lines


def _predictions(m: Measurement) -> list[str]:
    c = m.classification
    assert c is not None
    images = f"{c.images} image{'s' if c.images > 1 else ''}"
    lines = [
        f"  predictions of {images}: consistency {c.consistency:.2%}; {c.flipped_shifts} of {c.shifts} shifts flip one"
        f"; largest logit error {c.largest_logit_error:.3g}"
    ]
    if c.accuracy is not None:
        under = f"{c.shifted_accuracy:.2%} over shifts, {c.worst_shift_accuracy:.2%} under every shift measured"
        lines.append(f"    accuracy {c.accuracy:.2%} unshifted, {under}")
    if c.flip_bound is not None and c.flip_bound < 1:
        lines.append(f"    0 flips in {c.shifts} uniform draws: rate below {c.flip_bound:.2%} at 95 %, on these images")
    return lines


def _layers(m: Measurement) -> list[str]:
    width = max(len(row.label) for row in m.layers)
    header = "".join(f"{s!s:>14}" for s in m.layer_shifts)
    lines = [
        f"  per layer, in {m.layer_dtype}, largest error under a shift (! beyond rounding, — no place for the shift)",
        f"    {'':{width}}{header}{'rounding':>10}",
    ]
    shown = _shown(m)
    for row in shown:
        cells = "".join(f"{_cell(row, i):>14}" for i in range(len(m.layer_shifts)))
        lines.append(f"    {row.label:{width}}{cells}{row.floor:>10.1e}")
    if len(shown) < len(m.layers):
        lines.append(f"    … and {len(m.layers) - len(shown)} more rows, in .layers")
    for i, shift in enumerate(m.layer_shifts):
        lines += _where(m.first_break(i), i, shift)
    return lines


def _shown(m: Measurement) -> list[LayerError]:
    """All rows where they are few; else the first and last ones, and those where a shift is lost."""
    if len(m.layers) <= _ROWS:
        return list(m.layers)
    kept = {*m.layers[: _ROWS - 4], *m.layers[-2:]}
    lost = {m.first_break(i) for i in range(len(m.layer_shifts))}
    return [row for row in m.layers if row in kept or row in lost]


def _where(row: LayerError | None, index: int, shift: tuple[int, ...]) -> list[str]:
    if row is None:
        return [f"    {shift}: every layer follows it"]
    if math.isnan(row.errors[index]):
        how = "is the first without a place for it: a stride"
    else:
        how = f"is the first that does not follow it, by {row.errors[index]:.2e}"
    return [f"    {shift}: {row.label} {how}"] + ([f"      {row.source}"] if row.source else [])


def _cell(row: LayerError, index: int) -> str:
    error = row.errors[index]
    return "— " if math.isnan(error) else f"{error:.1e}{'!' if row.breaks(index) else ' '}"
