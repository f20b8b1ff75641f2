"""Errors layer by layer: a chart for each shift, what breaks first, and the numbers."""

from __future__ import annotations

import math
from itertools import pairwise

from equiconv.measurement import BEYOND, LayerError, Measurement
from equiconv.report.figures import number, shift_text
from equiconv.report.html import charts
from equiconv.report.html.markup import Child, Markup, breakable, el
from equiconv.report.html.sections import scroll
from equiconv.report.result import Side


def layer_sections(network: Side, twin: Side | None) -> Markup:
    """Error per layer beside the rounding floor, for the shift that most layers can be compared under; the others
    collapsed."""
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
    parts.append(
        el("details", el("summary", f"the numbers of all {len(m.layers)} layers"), _layer_table(m), class_="block")
    )
    return Markup("".join(parts))


def _layer_words(m: Measurement, index: int) -> Markup:
    shift, broken = m.layer_shifts[index], m.first_break(index)
    head = f"Under the shift {shift_text(shift)}, "
    if broken is None:
        return el("p", head + "every layer follows to within rounding.")
    how = (
        "is the first that has no place for it: a stride lets only coarser shifts through"
        if math.isnan(broken.errors[index])
        else (
            f"is the first that does not follow: its error is {number(broken.errors[index])}, rounding explains "
            f"{number(broken.floor)}"
        )
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
    keys = [
        el("li", el("i", class_="error"), "error as it stands"),
        el("li", el("i", class_="floor"), "what rounding alone does"),
    ]
    if any(v is not None for v in matched):
        series.append(charts.Points("error of the circular twin", "mended", matched))
        keys.insert(1, el("li", el("i", class_="mended"), "error of the circular twin"))
    tips = [
        f"{'—' if math.isnan(row.errors[index]) else row.actions[index]}; shape {row.shape}\n{row.source or ''}".strip()
        for row in rows
    ]
    names = [row.label for row in rows]
    groups = _parts([row.module for row in rows])
    missing, zero = sum(math.isnan(row.errors[index]) for row in rows), sum(row.scale == 0 for row in rows)
    gone = f" {missing} of {len(rows)} have no place for this shift, and no dot." if missing else ""
    gone += f" {zero} of {len(rows)} are zero throughout (weights that start at zero), and have no dot." if zero else ""
    title = (
        f"Error per layer under the shift {shift_text(m.layer_shifts[index])} on a logarithmic axis, {len(rows)} "
        "layers; numbers are in the table below."
    )
    chart = charts.layers(names, tips, groups, series, "error / largest entry of the layer", title)
    note = el(
        "p",
        f"Computed in {m.layer_dtype}. A dot is one line of one module; point at it to see which.{gone}",
        class_="soft small",
    )
    return Markup(el("ul", keys, class_="keys") + el("div", chart, class_="chartbox") + note)


def _parts(modules: list[str]) -> list[str]:
    """The part of the network that each layer belongs to: the shortest paths that tell at least four parts apart."""
    found = modules
    for depth in range(1, 5):
        found = [".".join(m.split(".")[:depth]) for m in modules]
        if sum(a != b for a, b in pairwise(found)) >= 3:
            break
    return found


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
            cells.append(
                el(
                    "td",
                    "—" if math.isnan(error) else number(error),
                    class_="num",
                    style="color:var(--bad);font-weight:600" if beyond else None,
                )
            )
        numbers = [el("td", number(v), class_="num") for v in (row.floor, row.scale)]
        rows.append(
            el(
                "tr",
                el("th", breakable(row.label), scope="row", class_="mono"),
                el("td", " × ".join(map(str, row.shape)), class_="num"),
                cells,
                numbers,
            )
        )
    note = el(
        "p",
        f"Red: beyond {BEYOND:.0f} rounding floors. —: the shift has no place on the layer's grid.",
        class_="soft small",
    )
    return Markup(
        note
        + scroll(el("table", el("thead", el("tr", heads)), el("tbody", rows)), "Errors per layer", tall=len(rows) > 15)
    )
