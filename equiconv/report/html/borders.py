"""The part of the page that leaves the torus: on the image as it is, with a border, what a position sees and where no border is seen."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from equiconv.certification import Certificate, Output
from equiconv.certification.interior import Extent
from equiconv.report.html import raster
from equiconv.report.html.markup import Child, Markup, breakable, el

_SHOWN = 3  # outputs that are drawn
_LINES = 64  # positions along an axis up to which each has a cell of its own


def interior(certificate: Certificate, picture: NDArray[np.float64] | None) -> Markup | None:
    """For every output its interior in words, and on the image what can be drawn of it; None where no output has positions on the image."""
    told = [
        o for o in certificate.outputs if o.interior is not None and (any(o.interior.last) or any(o.interior.ended))
    ]
    if not told:
        return None
    parts: list[Child] = []
    for o in told:
        parts.append(el("p", el("b", o.name), ": ", breakable(str(o.interior)), class_="small"))
    figures = [_figure(o, certificate.shape, picture) for o in told]
    drawn = [f for f in figures if f is not None][:_SHOWN]
    if drawn:
        parts += [_keys(), el("div", drawn, class_="pair")]
    return Markup("".join(str(p) for p in parts))


def _keys() -> Markup:
    keys = (
        ("inside", "where positions see no border: translations move them exactly"),
        ("outside", "pale: where positions see the border"),
        ("field", "what the position in the middle sees"),
    )
    return el("ul", [el("li", el("i", class_=css), words) for css, words in keys], class_="keys")


def _figure(output: Output, shape: Sequence[int], picture: NDArray[np.float64] | None) -> Markup | None:
    """The image, the cells of the positions on it, and the window of the middle one, in input pixels."""
    assert output.interior is not None
    rows_columns = output.interior.last
    if len(shape) != 2 or any(e is None for e in rows_columns):
        return None
    rows, columns = (e for e in rows_columns if e is not None)
    height, width = shape
    windows = [e.window(_middle(e)) for e in (rows, columns)]
    # What reaches beyond the image is shown, up to a whole image on either side.
    room = [max(2.0, min(n, max(-low, high + 1 - n, 0) + 2)) for n, (low, high) in zip(shape, windows, strict=True)]
    unit = max(height + 2 * room[0], width + 2 * room[1]) / 100  # a hundredth of the drawing
    parts: list[Markup] = [el("rect", x=0, y=0, width=width, height=height, class_="paper")]
    if picture is not None:
        small = "image-rendering:pixelated" if raster.is_small(height, width) else None
        href = raster.photograph(picture)
        parts.append(
            el("image", href=href, x=0, y=0, width=width, height=height, preserveAspectRatio="none", style=small)
        )
    whole, inside = (_edges(e, 0, e.size) for e in (rows, columns)), None
    top, left = whole
    if all(e.stop > e.start for e in (rows, columns)):
        inside = tuple(_edges(e, e.start, e.stop) for e in (rows, columns))
    outline = _path((0, height), (0, width)) + (_path(*inside) if inside else "")
    parts.append(el("path", d=outline, fill_rule="evenodd", class_="outside"))
    if inside:
        parts.append(el("path", d=_path(*inside), class_="inside", stroke_width=_r(unit * 0.7)))
    parts += _cells(rows, columns, top, left, unit)
    parts.append(el("rect", x=0, y=0, width=width, height=height, class_="edge", stroke_width=_r(unit * 0.3)))
    (y0, y1), (x0, x1) = windows
    parts.append(
        el("rect", x=x0, y=y0, width=x1 + 1 - x0, height=y1 + 1 - y0, class_="field", stroke_width=_r(unit * 0.9))
    )
    cy, cx = ((low + high + 1) / 2 for low, high in windows)
    parts.append(el("circle", cx=_r(cx), cy=_r(cy), r=_r(unit * 1.3), class_="field-centre"))
    field = " × ".join(str(e.receptive_field) for e in (rows, columns))
    share = rows.share * columns.share
    where = "" if not any(output.interior.ended) else ", the last tensor before its claims end"
    caption = (
        f"{output.name}{where}: {rows.size} × {columns.size} positions, {100 * share:.0f} % inside; receptive field "
        f"{field} on an image of {height} × {width}"
    )
    svg = el(
        "svg",
        parts,
        viewBox=f"{_r(-room[1])} {_r(-room[0])} {_r(width + 2 * room[1])} {_r(height + 2 * room[0])}",
        role="img",
        aria_label=caption,
        class_="chart borders",
    )
    return el("figure", svg, el("figcaption", caption))


def _middle(e: Extent) -> int:
    """The position in the middle, of those inside where there are any."""
    return (e.start + e.stop - 1) // 2 if e.stop > e.start else e.size // 2


def _edges(e: Extent, start: int, stop: int) -> tuple[float, float]:
    """Where the cells of the positions start … stop − 1 begin and end on the image: each is a step wide, about the middle of its window."""
    middle = sum(float(lo + hi) for lo, hi in e.windows) / (2 * len(e.windows))
    ends = [float(e.step) * u + middle + 0.5 for u in (start - 0.5, stop - 0.5)]
    return min(ends), max(ends)


def _cells(
    rows: Extent, columns: Extent, top: tuple[float, float], left: tuple[float, float], unit: float
) -> list[Markup]:
    if max(rows.size, columns.size) > _LINES:
        return []
    path = ""
    for i in range(1, rows.size):
        path += f"M{_r(left[0])} {_r(top[0] + i * abs(float(rows.step)))}H{_r(left[1])}"
    for j in range(1, columns.size):
        path += f"M{_r(left[0] + j * abs(float(columns.step)))} {_r(top[0])}V{_r(top[1])}"
    return [el("path", d=path, class_="cells", stroke_width=_r(unit * 0.15))] if path else []


def _path(vertical: tuple[float, float], horizontal: tuple[float, float]) -> str:
    (top, bottom), (left, right) = vertical, horizontal
    return f"M{_r(left)} {_r(top)}H{_r(right)}V{_r(bottom)}H{_r(left)}Z"


def _r(value: float) -> str:
    """A coordinate in input pixels."""
    return f"{value:.2f}".rstrip("0").rstrip(".")
