"""The parts of the page that show what running the network gave: a picture and its twin, maps over shifts, layers."""

from __future__ import annotations

import math
import numpy as np
from numpy.typing import NDArray

from equiconv.certification import Certificate
from equiconv.measurement import BEYOND, LayerError, Measurement
from equiconv.report import figures, findings
from equiconv.report.figures import number, percent, percent_small, shift_text
from equiconv.report.html import charts, raster
from equiconv.report.html.markup import Child, Markup, breakable, el
from equiconv.report.html.sections import scroll
from equiconv.report.result import Audit, Side
from equiconv.report.scene import Scene

Floats = NDArray[np.float64]

# A picture and its twin ----------------------------------------------------------------------------------------------------


def scene(audit: Audit) -> Markup:
    """The picture and its twin under the worst shift that was measured, with both predictions or both outputs."""
    s = audit.scene
    words = [el("p", _shift_words(audit), class_="lead")]
    if "random" in audit.weights.lower():
        words.append(el("div", el("p", f"The weights are {audit.weights}. The classes below mean nothing; how much they change does."), class_="note"))
    elif audit.weights:
        words.append(el("p", f"Weights: {audit.weights}.", class_="soft small"))
    frames = []
    moved = f"shifted by {shift_text(s.shift)}"
    for after, pixels in ((False, s.picture), (True, s.shifted)):
        caption: list[Child] = [f"The input {moved}, what leaves one edge comes back at the other" if after else "The input as it is"]
        if s.classes:
            best = s.predicted(after)
            share = best.share_after if after else best.share_before
            caption = [el("span", f"{best.name}, {percent(share)}", class_="prediction"), *caption]
        frames.append(el("figure", _photograph(pixels, f"the input {moved}" if after else "the input") if pixels is not None else None, el("figcaption", caption)))
    parts: list[Child] = [*words, el("div", frames, class_="pair")]
    if s.picture is None:
        parts.append(el("p", "The input has not the shape of a picture, so none is shown.", class_="soft small"))
    elif s.rescaled:
        parts.append(el("p", "Shown: the input itself, rescaled to the range of a picture.", class_="soft small"))
    if s.classes:
        parts.append(_scores(s))
    if s.maps is not None:
        parts.append(_outputs(s))
    return Markup("".join(str(p) for p in parts))


def _shift_words(audit: Audit) -> str:
    s = audit.scene
    share = f", {percent_small(s.error / s.scale)} of its largest entry" if s.scale else ""
    by = shift_text(s.shift)
    if s.error <= BEYOND * audit.measurement.floor:
        head = f"No shift that was measured changes what the output should be for this input by more than rounding. Shown is the shift {by}."
    else:
        head = f"Of the shifts measured, {by} changes the output for this input the most: an entry changes by {number(s.error)}{share}."
    known = f" The right class is {s.label}." if s.label is not None else ""
    if s.flips is None:
        return head + known
    return head + (" The predicted class changes." if s.flips else " The predicted class stays.") + known


def _photograph(pixels: Floats, alt: str) -> Markup:
    small = raster.is_small(*pixels.shape[1:])
    return el("img", src=raster.photograph(pixels), alt=alt, class_="pixels" if small else None, width=pixels.shape[2], height=pixels.shape[1])


def _scores(s: Scene) -> Markup:
    kind = "probability" if s.probabilities else "logit"
    rows = []
    longest = max(max(c.share_before, c.share_after) for c in s.classes) or 1.0
    for c in s.classes:
        meters = [
            el("span", class_=f"meter {css}", style=f"width:{100 * max(0.0, share / longest):.1f}%") for css, share in (("before", c.share_before), ("after", c.share_after))
        ]
        shares = el("span", f"{100 * c.share_before:.2f} %", Markup("<br>"), f"{100 * c.share_after:.2f} %")
        rows.append(
            el("tr", el("th", c.name, scope="row"), el("td", meters), el("td", shares, class_="num"), el("td", f"{c.before:.4g}", class_="num"), el("td", f"{c.after:.4g}", class_="num"))
        )
    what = "Probability" if s.probabilities else "Softmax of the output"
    heads = [el("th", "Class", scope="col"), el("th", what, scope="col", colspan=2), *(el("th", f"{kind}, {when}", scope="col", class_="num") for when in ("as it is", "shifted"))]
    keys = el("ul", el("li", el("i", class_="mended", style="background:var(--series-good);border-radius:2px"), "as it is"), el("li", el("i", class_="error", style="border-radius:2px"), "shifted"), class_="keys")
    table = el("table", el("thead", el("tr", heads)), el("tbody", rows), class_="classes")
    return Markup(el("h3", f"The leading classes of both ({s.output})", style="margin-top:22px") + keys + scroll(table, "Class scores"))


def _outputs(s: Scene) -> Markup:
    assert s.maps is not None
    top = max(float(np.max(s.maps[0])), float(np.max(s.maps[1])))
    captions = ("the output of the input, moved along", "the output of the shifted input", "their difference: 0 were the network equivariant")
    frames = [
        el("figure", el("img", src=raster.heat(m, top), alt=caption, class_="pixels", width=m.shape[1], height=m.shape[0]), el("figcaption", caption))
        for m, caption in zip(s.maps, captions, strict=True)
    ]
    title = el("h3", f"The output is a grid ({s.output}): the norm over channels, on one colour scale from 0 to {number(top)}", style="margin-top:22px")
    return Markup(title + el("div", frames, class_="pair"))


# Errors over shifts --------------------------------------------------------------------------------------------------------


def colour_top(audit: Audit) -> float:
    """The end of the colour scale of all maps of an audit: the largest relative error on any of them."""
    sides = [audit.network] + ([audit.twin] if audit.twin else [])
    known = [_largest(m.relative) for side in sides for m in side.measurements]
    return max([v for v in known if v > 0], default=1.0)


def _largest(values: Floats) -> float:
    finite = values[np.isfinite(values)]
    return float(finite.max()) if finite.size else 0.0


def maps(side: Side, top: float, who: str) -> Markup:
    """The maps of one network's errors over shifts: all of them, or a grid and what lies around 0."""
    m, c = side.measurement, side.certificate
    rank = len(m.shape)
    if side.grid is None or side.near is None:
        if not m.complete or rank > 2:
            return el("p", f"No map is drawn for shifts along {rank} axes; the statistics stand in the table.", class_="soft")
        shown = [(m, f"All {math.prod(m.shape):,} shifts")]
    else:
        shown = [(side.grid, "A grid over all shifts"), (side.near, "Every shift around 0")]
    drawn = [el("figure", _map(found, c, top, f"{who}: {title.lower()}"), el("figcaption", title)) for found, title in shown]
    return el("div", drawn, class_="pair")


def _map(m: Measurement, certificate: Certificate | None, top: float, title: str) -> Markup:
    shape = m.shape if len(m.shape) == 2 else (1, *m.shape)
    shifts = m.shifts if len(m.shape) == 2 else np.concatenate([np.zeros_like(m.shifts), m.shifts], axis=1)
    # Around 0 the shifts are named as −4 … 4; the measurement reduces them modulo the sizes.
    around = max(len(np.unique(shifts[:, a])) for a in range(2)) < 10 and bool(((shifts == 1).any(axis=0) | (np.array(shape) < 3)).all())
    named = np.where(around & (shifts > np.array(shape) // 2), shifts - np.array(shape), shifts)
    axes = [np.unique(named[:, a]) for a in range(2)]
    grid = np.full([len(v) for v in axes], np.nan)
    safe = np.zeros(grid.shape, dtype=bool)
    strides = certificate.strides if certificate is not None else m.shape
    strides = strides if len(m.shape) == 2 else (1, *strides)
    for shift, where, error in zip(shifts, named, m.relative, strict=True):
        cell = tuple(int(np.searchsorted(v, w)) for v, w in zip(axes, where, strict=True))
        grid[cell] = error
        safe[cell] = all(int(k) % s == 0 for k, s in zip(shift, strides, strict=True))
    steps = [int(v[1] - v[0]) if len(v) > 1 else 1 for v in axes]
    unit = "pixels" if len(m.shape) == 2 else "positions"
    labels = [f"shift of the {n}, {unit}" for n in findings.axis_labels(len(m.shape))]
    labels = labels if len(labels) == 2 else ["", labels[0]]
    words = f"Heat map, {title}: relative error of {grid.size} shifts, from {number(float(np.nanmin(grid)) if grid.size else 0)} to {number(_largest(grid))}; {int(safe.sum())} certified safe"
    return charts.shift_map(grid, [int(v[0]) for v in axes], steps, top, safe, labels, words)


def map_keys(side: Side) -> Markup:
    """What the marks of a map mean."""
    known = side.certificate is not None and side.certificate.kind != "undecided"
    keys = [el("li", el("i", class_="safe"), "certified: safe for every input" if known else "the shift by 0")]
    if any(m.incomparable for m in side.measurements):
        keys.append(el("li", el("i", class_="missing"), "not comparable: the output's grid has no place for this shift"))
    return el("ul", keys, class_="keys")


# Layers --------------------------------------------------------------------------------------------------------------------


def layer_sections(network: Side, twin: Side | None) -> Markup:
    """Error per layer beside the rounding floor, for the shift that most layers can be compared under; the others collapsed."""
    m = network.measurement
    if not m.layers:
        reason = next((n for n in m.notes if n.startswith("layers")), "the network could not be looked into")
        return el("p", f"Not measured: {reason}", class_="soft")
    counts = [sum(not math.isnan(row.errors[i]) for row in m.layers) for i in range(len(m.layer_shifts))]
    coarse = [sum(shift) for shift in m.layer_shifts]
    main = max(range(len(counts)), key=lambda i: (counts[i], coarse[i]))
    other = twin.measurement if twin is not None and twin.measurement.layer_shifts == m.layer_shifts else None
    parts = [_layer_words(m, main), _layer_chart(m, other, main)]
    rest = [i for i in range(len(counts)) if i != main]
    if rest:
        more = [Markup(_layer_words(m, i) + _layer_chart(m, other, i)) for i in rest]
        shifts = ", ".join(shift_text(m.layer_shifts[i]) for i in rest)
        parts.append(el("details", el("summary", f"the same under the shifts {shifts}"), more, class_="block"))
    parts.append(el("details", el("summary", f"the numbers of all {len(m.layers)} layers"), _layer_table(m), class_="block"))
    return Markup("".join(parts))


def _layer_words(m: Measurement, index: int) -> Markup:
    shift, broken = m.layer_shifts[index], m.first_break(index)
    head = f"Under the shift {shift_text(shift)}, "
    if broken is None:
        return el("p", head + "every layer follows to within rounding.")
    how = (
        "is the first that has no place for it: a stride lets only coarser shifts through"
        if math.isnan(broken.errors[index])
        else f"is the first that does not follow: its error is {number(broken.errors[index])}, rounding explains {number(broken.floor)}"
    )
    where: list[Child] = [head, el("strong", breakable(broken.label), class_="mono"), f" {how}."]
    if broken.source:
        where += [" ", el("code", breakable(str(broken.source)))]
    return el("p", where)


def _layer_chart(m: Measurement, other: Measurement | None, index: int) -> Markup:
    rows = m.layers
    twins = {row.node: row for row in other.layers} if other is not None else {}
    series = [
        charts.Points("rounding floor", "floor", [_share(row.floor, row) for row in rows]),
        charts.Points("error", "error", [_share(row.errors[index], row) for row in rows]),
    ]
    matched: list[float | None] = [_share(t.errors[index], t) if (t := _twin_row(row, twins)) else None for row in rows]
    keys = [el("li", el("i", class_="error"), "error as it stands"), el("li", el("i", class_="floor"), "what rounding alone does")]
    if any(v is not None for v in matched):
        series.append(charts.Points("error of the circular twin", "mended", matched))
        keys.insert(1, el("li", el("i", class_="mended"), "error of the circular twin"))
    tips = [f"{'—' if math.isnan(row.errors[index]) else row.actions[index]}; shape {row.shape}\n{row.source or ''}".strip() for row in rows]
    names = [row.label for row in rows]
    groups = [row.module.split(".")[0] if row.module else "" for row in rows]
    missing, zero = sum(math.isnan(row.errors[index]) for row in rows), sum(row.scale == 0 for row in rows)
    gone = f" {missing} of {len(rows)} have no place for this shift, and no dot." if missing else ""
    gone += f" {zero} of {len(rows)} are zero throughout (weights that start at zero), and have no dot." if zero else ""
    title = f"Error per layer under the shift {shift_text(m.layer_shifts[index])} on a logarithmic axis, {len(rows)} layers; numbers are in the table below."
    chart = charts.layers(names, tips, groups, series, "error / largest entry of the layer", title)
    note = el("p", f"Computed in {m.layer_dtype}. A dot is one line of one module; point at it to see which.{gone}", class_="soft small")
    return Markup(el("ul", keys, class_="keys") + el("div", chart, class_="chartbox") + note)


def _twin_row(row: LayerError, twins: dict[str, LayerError]) -> LayerError | None:
    """The twin's row of the same node: wrapping adds nodes, and names may be reused, so module and shape must agree."""
    found = twins.get(row.node)
    return found if found is not None and found.module == row.module and found.shape == row.shape else None


def _share(value: float, row: LayerError) -> float | None:
    return value / row.scale if math.isfinite(value) and row.scale else None


def _layer_table(m: Measurement) -> Markup:
    heads = [el("th", "Layer", scope="col"), el("th", "Shape", scope="col")]
    heads += [el("th", f"Error under {shift_text(shift)}", scope="col", class_="num") for shift in m.layer_shifts]
    heads += [el("th", t, scope="col", class_="num") for t in ("Rounding floor", "Largest entry")]
    rows = []
    for row in m.layers:
        cells = []
        for i, error in enumerate(row.errors):
            beyond = not math.isnan(error) and row.breaks(i)
            cells.append(el("td", "—" if math.isnan(error) else number(error), class_="num", style="color:var(--bad);font-weight:600" if beyond else None))
        numbers = [el("td", number(v), class_="num") for v in (row.floor, row.scale)]
        rows.append(el("tr", el("th", breakable(row.label), scope="row", class_="mono"), el("td", " × ".join(map(str, row.shape)), class_="num"), cells, numbers))
    note = el("p", f"Red: beyond {BEYOND:.0f} rounding floors. —: the shift has no place on the layer's grid.", class_="soft small")
    return Markup(note + scroll(el("table", el("thead", el("tr", heads)), el("tbody", rows)), "Errors per layer", tall=len(rows) > 15))


# The numbers, as it stands and mended --------------------------------------------------------------------------------------


def comparison(network: Side, twin: Side | None) -> Markup:
    """Certificate and measurements of the network, beside those of its circular twin."""
    heads = ["", "As it stands"] + ([] if twin is None else ["Circular twin"])
    body = [el("tr", el("th", name[0].upper() + name[1:], scope="row"), [el("td", v) for v in cells]) for name, cells in figures.table(network, twin)]
    return scroll(el("table", el("thead", el("tr", [el("th", h, scope="col") for h in heads])), el("tbody", body), class_="compare"), "Numbers")

