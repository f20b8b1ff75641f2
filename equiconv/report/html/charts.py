"""Charts as inline SVG: scales, axes and marks, coloured by the page's style sheet so that they follow light and
dark."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from equiconv.report.figures import number
from equiconv.report.html import raster
from equiconv.report.html.markup import Markup, el

WIDTH = 1080  # user units of a chart as wide as the page


@dataclass(frozen=True)
class Points:
    """One series of a chart: a value for each position (None where it has none), its name and its class in the style
    sheet."""

    name: str
    css: str
    values: Sequence[float | None]


def power(exponent: int) -> Markup:
    """10 to an integer power as an SVG text body."""
    label = "1" if exponent == 0 else "10" if exponent == 1 else None
    return (
        Markup(label) if label else Markup(f'10<tspan dy="-5" font-size="9">{str(exponent).replace("-", "−")}</tspan>')
    )


# Errors per layer -----------------------------------------------------------------------------------------------------


def layers(
    names: Sequence[str], tips: Sequence[str], groups: Sequence[str], series: Sequence[Points], label: str, title: str
) -> Markup:
    """Errors on a logarithmic axis at every node of a network, in order.

    names: one a node. tips: what pointing at its mark shows. groups: the part of the network each node belongs to; runs
        of one name share a
    label. Exact zeros are drawn on a line of their own below the axis. title: the text alternative.
    """
    left, right, top, bottom = 62, 12, 14, 96
    height = 330
    inner_w, inner_h = WIDTH - left - right, height - top - bottom
    positive = [v for s in series for v in s.values if v is not None and v > 0 and math.isfinite(v)]
    low = math.floor(math.log10(min(positive))) if positive else -1
    high = max(math.ceil(math.log10(max(positive))), low + 1) if positive else 0
    count = max(len(names), 1)

    def x(i: float) -> float:
        return left + (i + 0.5) * inner_w / count

    def y(v: float) -> float:
        if v <= 0:
            return top + inner_h + 16
        return top + (high - min(max(math.log10(v), low), high)) / (high - low) * inner_h

    parts: list[Markup] = []
    every = max(1, math.ceil((high - low) / 8))
    for e in range(low, high + 1):
        if (e - low) % every == 0:
            at = y(10.0**e)
            parts += [
                _line(left, at, WIDTH - right, at, "grid"),
                el("text", power(e), x=left - 8, y=_r(at + 4), text_anchor="end", class_="tick"),
            ]
    zero = y(0.0)
    if any(v == 0 for s in series for v in s.values):
        parts += [
            _line(left, zero, WIDTH - right, zero, "grid dashed"),
            el("text", "0", x=left - 8, y=_r(zero + 4), text_anchor="end", class_="tick"),
        ]
    parts += _group_labels(groups, x, inner_w / count, top, zero + 8)
    radius = 3.4 if count <= 160 else 2.4 if count <= 400 else 1.6
    for s in series:
        drawn = [(i, v) for i, v in enumerate(s.values) if v is not None and math.isfinite(v)]
        path = " ".join(f"{'L' if j else 'M'}{_r(x(i))} {_r(y(v))}" for j, (i, v) in enumerate(drawn))
        parts.append(el("path", d=path, class_=f"line {s.css}"))
        for i, v in drawn:
            tip = el("title", f"{names[i]}\n{s.name}: {number(v)}\n{tips[i]}")
            parts.append(el("circle", tip, cx=_r(x(i)), cy=_r(y(v)), r=radius, class_=f"dot {s.css}"))
    middle = top + inner_h / 2
    parts.append(
        el("text", label, transform=f"translate(15 {_r(middle)}) rotate(-90)", text_anchor="middle", class_="axis")
    )
    return _figure(parts, WIDTH, height, title, "wide")


def _group_labels(groups: Sequence[str], x: object, step: float, top: float, base: float) -> list[Markup]:
    assert callable(x)
    parts: list[Markup] = []
    runs: list[tuple[str, int, int]] = []
    for i, name in enumerate(groups):
        if runs and runs[-1][0] == name:
            runs[-1] = (name, runs[-1][1], i)
        else:
            runs.append((name, i, i))
    free = -1e9
    for name, first, last in runs:
        edge = x(first) - step / 2
        parts.append(_line(edge, top, edge, base, "grid"))
        middle = (x(first) + x(last)) / 2
        if name and middle - free > 15:  # labels are slanted: they need room across only
            free = middle
            short = name if len(name) <= 16 else "…" + name[-15:]
            place = f"translate({_r(middle)} {_r(base + 10)}) rotate(-38)"
            parts.append(el("text", short, transform=place, text_anchor="end", class_="tick"))
    return parts


# Errors over shifts ---------------------------------------------------------------------------------------------------


def shift_map(
    errors: NDArray[np.float64],
    starts: Sequence[int],
    steps: Sequence[int],
    top: float,
    safe: NDArray[np.bool_],
    labels: Sequence[str],
    title: str,
) -> Markup:
    """Errors over a grid of shifts, the cell (i, j) standing for the shift by starts + steps·(i, j); safe cells are
    ringed.

    errors: (rows, columns), NaN where a shift was not measured. top: the value at the end of the colour scale. labels:
        of the two axes.
    """
    rows, columns = errors.shape
    left, above, below, right = 54, 8, 44, 10
    cell = min(360 / columns, 360 / rows)
    width, height = cell * columns, cell * rows
    cell_w, cell_h = cell, cell
    if min(width, height) < 40:  # a single row of shifts: taller cells, so that they can be seen
        cell_w, cell_h = 360 / columns, max(cell, 40 / rows)
        width, height = cell_w * columns, cell_h * rows
    parts: list[Markup] = [
        el(
            "image",
            href=raster.heat(errors, top),
            x=left,
            y=above,
            width=_r(width),
            height=_r(height),
            preserveAspectRatio="none",
            style="image-rendering:pixelated",
        )
    ]
    parts.append(el("rect", x=left, y=above, width=_r(width), height=_r(height), class_="frame"))
    ring = max(1.3, min(cell_w, cell_h) * 0.28)
    for i, j in zip(*np.nonzero(safe), strict=True):
        shift = tuple(start + step * int(k) for start, step, k in zip(starts, steps, (i, j), strict=True))
        tip = el("title", f"shift {shift}: safe")
        parts.append(
            el(
                "circle",
                tip,
                cx=_r(left + (j + 0.5) * cell_w),
                cy=_r(above + (i + 0.5) * cell_h),
                r=_r(min(ring, 6)),
                class_="safe",
            )
        )
    for axis, count, size in ((1, columns, cell_w), (0, rows, cell_h)):
        for i in _ticks(count):
            value = f"{starts[axis] + steps[axis] * i}".replace("-", "−")
            if axis == 1:
                parts.append(
                    el(
                        "text",
                        value,
                        x=_r(left + (i + 0.5) * size),
                        y=_r(above + height + 15),
                        text_anchor="middle",
                        class_="tick",
                    )
                )
            else:
                parts.append(
                    el("text", value, x=left - 6, y=_r(above + (i + 0.5) * size + 4), text_anchor="end", class_="tick")
                )
    parts.append(
        el("text", labels[1], x=_r(left + width / 2), y=_r(above + height + 34), text_anchor="middle", class_="axis")
    )
    place = f"translate(13 {_r(above + height / 2)}) rotate(-90)"
    parts.append(el("text", labels[0], transform=place, text_anchor="middle", class_="axis"))
    return _figure(parts, left + width + right, above + height + below, title, "map")


def legend(top: float, label: str, name: str) -> Markup:
    """The colour scale of :func:`shift_map`, from 0 to ``top``; ``name`` tells it from another scale on the page."""
    stops = [el("stop", offset=f"{offset:.3f}", stop_color=colour) for offset, colour in raster.gradient()]
    parts = [
        el("defs", el("linearGradient", stops, id=name)),
        el("rect", x=0, y=4, width=240, height=14, fill=f"url(#{name})", class_="scale"),
        el("text", "0", x=0, y=34, class_="tick"),
        el("text", number(top / 2), x=120, y=34, text_anchor="middle", class_="tick"),
        el("text", number(top), x=240, y=34, text_anchor="end", class_="tick"),
        el("text", label, x=252, y=16, class_="axis"),
    ]
    return _figure(parts, 560, 40, f"Colour scale: {label}, from 0 to {number(top)}", "legend")


def _ticks(count: int) -> list[int]:
    """At most six of the positions, at a round spacing."""
    every = next(
        (step for step in (1, 2, 4, 5, 8, 10, 16, 20, 25, 32, 50, 64, 100, 128, 200) if count <= 6 * step),
        math.ceil(count / 6),
    )
    return list(range(0, count, every))


# The subgroup on its way through the network --------------------------------------------------------------------------


def staircase(
    sizes: Sequence[int],
    stages: Sequence[tuple[str, tuple[int, ...]]],
    walls: Sequence[tuple[int, str]],
    labels: Sequence[str],
    title: str,
) -> Markup:
    """The strides that are left after each loss, one line an axis, on a logarithmic axis; walls are paddings, which
    leave nothing.

    sizes: of the group's axes. stages: ``(module, strides after it)`` in order, as though every padding wrapped. walls:
        ``(stage, module)`` of each
    padding, by the number of stages before it.
    """
    left, right, top, bottom, height = 62, 90, 26, 70, 250
    inner_w, inner_h = WIDTH - left - right, height - top - bottom
    high = math.log2(max([2, *(s for _, strides in stages for s in strides)]))
    slots = len(stages) + len(walls)
    step = inner_w / max(slots, 1)

    def y(stride: float) -> float:
        return top + inner_h * (1 - math.log2(stride) / high)

    def name_of(stride: int, axis: int) -> str:
        return "{0}" if stride == sizes[axis] > 1 else "Z" if stride == 1 else f"{stride}Z"

    parts: list[Markup] = []
    for e in range(0, math.floor(high) + 1, max(1, math.ceil(high / 6))):
        at = y(2.0**e)
        names = {name_of(2**e, axis) for axis in range(len(sizes))}
        name = names.pop() if len(names) == 1 else f"{2**e}Z"
        parts += [
            _line(left, at, left + inner_w, at, "grid"),
            el("text", name, x=left - 8, y=_r(at + 4), text_anchor="end", class_="tick"),
        ]
    order: list[tuple[str, int]] = []
    for i in range(len(stages) + 1):
        order += [("wall", w) for w, (at, _) in enumerate(walls) if at == i]
        if i < len(stages):
            order.append(("stage", i))
    for position, (kind, index) in enumerate(order):
        middle = left + (position + 0.5) * step
        if kind == "wall":
            tip = el("title", f"{walls[index][1]}: padding, which alone leaves only the shift by 0")
            parts.append(el("line", tip, x1=_r(middle), y1=top, x2=_r(middle), y2=_r(top + inner_h), class_="wall"))
    for axis, _ in enumerate(sizes):
        path, level = f"M{left} {_r(y(1))}", 1
        for position, (kind, index) in enumerate(order):
            if kind == "stage" and stages[index][1][axis] != level:
                middle = left + (position + 0.5) * step
                path += f" L{_r(middle)} {_r(y(level))} L{_r(middle)} {_r(y(stages[index][1][axis]))}"
                level = stages[index][1][axis]
        end = left + inner_w
        parts.append(el("path", d=f"{path} L{_r(end)} {_r(y(level))}", class_=f"stairs axis-{axis % 3}"))
        reached = stages[-1][1] if stages else (1,) * len(sizes)
        if axis == 0 or level != reached[0]:
            words = "" if len(set(reached)) == 1 else f" {labels[axis]}"
            parts.append(el("text", name_of(level, axis) + words, x=_r(end + 8), y=_r(y(level) + 4), class_="axis"))
    free = -1e9
    for position, (kind, index) in enumerate(order):
        middle = left + (position + 0.5) * step
        if kind == "stage" and middle - free > 15:
            free = middle
            name = stages[index][0]
            short = name if len(name) <= 18 else "…" + name[-17:]
            parts.append(
                el(
                    "text",
                    short,
                    transform=f"translate({_r(middle)} {_r(top + inner_h + 14)}) rotate(-30)",
                    text_anchor="end",
                    class_="tick",
                )
            )
    return _figure(parts, WIDTH, height, title, "wide")


def bars(rows: Sequence[tuple[str, float, float]], title: str) -> Markup:
    """Two values for each of a few names, as pairs of horizontal bars: ``(name, before, after)``, values from 0 to
    1."""
    parts: list[Markup] = []
    label_w, bar_w, line = 150, 210, 40
    for i, (name, before, after) in enumerate(rows):
        y = i * line
        short = name if len(name) <= 22 else name[:21] + "…"
        parts.append(el("text", el("title", name), short, x=label_w - 8, y=y + 20, text_anchor="end", class_="axis"))
        for k, (value, css) in enumerate(((before, "before"), (after, "after"))):
            top = y + 4 + k * 14
            parts.append(
                el("rect", x=label_w, y=top, width=_r(max(value, 0.0) * bar_w), height=11, class_=f"bar {css}")
            )
            parts.append(
                el("text", f"{100 * value:.1f} %", x=_r(label_w + value * bar_w + 5), y=top + 10, class_="tick")
            )
    return _figure(parts, label_w + bar_w + 52, max(line * len(rows), 1), title, "bars")


def _figure(parts: Sequence[Markup], width: float, height: float, title: str, css: str) -> Markup:
    return el(
        "svg",
        list(parts),
        viewBox=f"0 0 {_r(width)} {_r(height)}",
        role="img",
        aria_label=title,
        class_=f"chart {css}",
        style=f"max-width:{_r(width)}px",
    )


def _line(x1: float, y1: float, x2: float, y2: float, css: str) -> Markup:
    return el("line", x1=_r(x1), y1=_r(y1), x2=_r(x2), y2=_r(y2), class_=css)


def _r(value: float) -> str:
    """A coordinate: a tenth of a unit is enough, and keeps the page small."""
    return f"{value:.1f}".rstrip("0").rstrip(".")
