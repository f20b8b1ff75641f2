"""The parts of the page that show what running the network gave: a picture and its twin, maps over shifts, layers."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from equiconv.certification import Certificate
from equiconv.measurement import BEYOND, Measurement
from equiconv.report import figures, findings
from equiconv.report.figures import number, percent, percent_small, shift_text
from equiconv.report.html import charts, raster
from equiconv.report.html.markup import Child, Markup, el
from equiconv.report.html.sections import scroll
from equiconv.report.result import Audit, Side
from equiconv.report.scene import Scene

Floats = NDArray[np.float64]

# A picture and its twin -----------------------------------------------------------------------------------------------


def scene(audit: Audit) -> Markup:
    """The picture and its twin under the worst shift that was measured, with both predictions or both outputs."""
    s = audit.scene
    words = [el("p", _shift_words(audit), class_="lead")]
    if "random" in audit.weights.lower():
        words.append(
            el(
                "div",
                el("p", f"The weights are {audit.weights}. The classes below mean nothing; how much they change does."),
                class_="note",
            )
        )
    elif audit.weights:
        words.append(el("p", f"Weights: {audit.weights}.", class_="soft small"))
    frames = []
    moved = f"shifted by {shift_text(s.shift)}"
    for after, pixels in ((False, s.picture), (True, s.shifted)):
        caption: list[Child] = [
            f"The input {moved}, what leaves one edge comes back at the other" if after else "The input as it is"
        ]
        if s.classes:
            best = s.predicted(after)
            share = best.share_after if after else best.share_before
            caption = [el("span", f"{best.name}, {percent(share)}", class_="prediction"), *caption]
        frames.append(
            el(
                "figure",
                _photograph(pixels, f"the input {moved}" if after else "the input") if pixels is not None else None,
                el("figcaption", caption),
            )
        )
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
        head = (
            "No shift that was measured changes what the output should be for this input by more than rounding. Shown "
            f"is the shift {by}."
        )
    else:
        head = (
            f"Of the shifts measured, {by} changes the output for this input the most: an entry changes by "
            f"{number(s.error)}{share}."
        )
    known = f" The right class is {s.label}." if s.label is not None else ""
    if s.flips is None:
        return head + known
    return head + (" The predicted class changes." if s.flips else " The predicted class stays.") + known


def _photograph(pixels: Floats, alt: str) -> Markup:
    small = raster.is_small(*pixels.shape[1:])
    return el(
        "img",
        src=raster.photograph(pixels),
        alt=alt,
        class_="pixels" if small else None,
        width=pixels.shape[2],
        height=pixels.shape[1],
    )


def _scores(s: Scene) -> Markup:
    kind = "probability" if s.probabilities else "logit"
    rows = []
    longest = max(max(c.share_before, c.share_after) for c in s.classes) or 1.0
    for c in s.classes:
        meters = [
            el("span", class_=f"meter {css}", style=f"width:{100 * max(0.0, share / longest):.1f}%")
            for css, share in (("before", c.share_before), ("after", c.share_after))
        ]
        shares = el("span", f"{100 * c.share_before:.2f} %", Markup("<br>"), f"{100 * c.share_after:.2f} %")
        rows.append(
            el(
                "tr",
                el("th", c.name, scope="row"),
                el("td", meters),
                el("td", shares, class_="num"),
                el("td", f"{c.before:.4g}", class_="num"),
                el("td", f"{c.after:.4g}", class_="num"),
            )
        )
    what = "Probability" if s.probabilities else "Softmax of the output"
    heads = [
        el("th", "Class", scope="col"),
        el("th", what, scope="col", colspan=2),
        *(el("th", f"{kind}, {when}", scope="col", class_="num") for when in ("as it is", "shifted")),
    ]
    keys = el(
        "ul",
        el("li", el("i", class_="mended", style="background:var(--series-good);border-radius:2px"), "as it is"),
        el("li", el("i", class_="error", style="border-radius:2px"), "shifted"),
        class_="keys",
    )
    table = el("table", el("thead", el("tr", heads)), el("tbody", rows), class_="classes")
    return Markup(
        el("h3", f"The leading classes of both ({s.output})", style="margin-top:22px")
        + keys
        + scroll(table, "Class scores")
    )


def _outputs(s: Scene) -> Markup:
    assert s.maps is not None
    top = max(float(np.max(s.maps[0])), float(np.max(s.maps[1])))
    captions = (
        "the output of the input, moved along",
        "the output of the shifted input",
        "their difference: 0 were the network equivariant",
    )
    frames = [
        el(
            "figure",
            el("img", src=raster.heat(m, top), alt=caption, class_="pixels", width=m.shape[1], height=m.shape[0]),
            el("figcaption", caption),
        )
        for m, caption in zip(s.maps, captions, strict=True)
    ]
    title = el(
        "h3",
        f"The output is a grid ({s.output}): the norm over channels, on one colour scale from 0 to {number(top)}",
        style="margin-top:22px",
    )
    return Markup(title + el("div", frames, class_="pair"))


# Errors over shifts ---------------------------------------------------------------------------------------------------


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
            return el(
                "p", f"No map is drawn for shifts along {rank} axes; the statistics stand in the table.", class_="soft"
            )
        shown = [(m, False, f"All {math.prod(m.shape):,} shifts")]
    else:
        shown = [(side.grid, False, "A grid over all shifts"), (side.near, True, "Every shift around 0")]
    drawn = [
        el("figure", _map(found, c, top, around, f"{who}: {title.lower()}"), el("figcaption", title))
        for found, around, title in shown
    ]
    return el("div", drawn, class_="pair")


def _map(m: Measurement, certificate: Certificate | None, top: float, around: bool, title: str) -> Markup:
    """One map; a single axis is drawn as one row. Around 0 the shifts are named −4 … 4, not modulo the sizes."""
    shape = m.shape if len(m.shape) == 2 else (1, *m.shape)
    shifts = m.shifts if len(m.shape) == 2 else np.concatenate([np.zeros_like(m.shifts), m.shifts], axis=1)
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
    words = (
        f"Heat map, {title}: relative errors of {grid.size} shifts, the largest {number(_largest(grid))}; "
        f"{int(safe.sum())} of the shifts are certified safe"
    )
    return charts.shift_map(grid, [int(v[0]) for v in axes], steps, top, safe, labels, words)


def map_keys(side: Side) -> Markup:
    """What the marks of a map mean."""
    known = side.certificate is not None and side.certificate.kind != "undecided"
    keys = [el("li", el("i", class_="safe"), "certified: safe for every input" if known else "the shift by 0")]
    if any(m.incomparable for m in side.measurements):
        keys.append(
            el("li", el("i", class_="missing"), "not comparable: the output's grid has no place for this shift")
        )
    return el("ul", keys, class_="keys")


# The numbers, as it stands and mended ---------------------------------------------------------------------------------


def comparison(network: Side, twin: Side | None) -> Markup:
    """Certificate and measurements of the network, beside those of its circular twin."""
    heads = ["", "As it stands"] + ([] if twin is None else ["Circular twin"])
    body = [
        el("tr", el("th", name[0].upper() + name[1:], scope="row"), [el("td", v) for v in cells])
        for name, cells in figures.table(network, twin)
    ]
    return scroll(
        el(
            "table",
            el("thead", el("tr", [el("th", h, scope="col") for h in heads])),
            el("tbody", body),
            class_="compare",
        ),
        "Numbers",
    )
