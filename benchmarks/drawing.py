"""How figures look: ours black and thick, the others in colours (and marks) that colour-blind readers tell apart."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl

mpl.use("Agg")  # files only: no window

import matplotlib.pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, LogLocator, NullFormatter, NullLocator

from benchmarks.contest import COPY, OURS

__all__ = ["curve", "family", "figure", "figure_in_rows", "guide", "legend_above", "save", "sizes_on", "style"]

# the palette of Okabe and Ito
BLUE, ORANGE, GREEN, RED, PURPLE, SKY, YELLOW = (
    "#0072B2",
    "#E69F00",
    "#009E73",
    "#D55E00",
    "#CC79A7",
    "#56B4E9",
    "#C9B800",  # darker than theirs, which is faint on white
)
_LOOKS: Mapping[str, tuple[str, str]] = {
    "ducc0": (BLUE, "s"),
    "mkl_fft": (ORANGE, "^"),
    "pyFFTW": (GREEN, "D"),
    "torch": (RED, "v"),
    "scipy": (PURPLE, "P"),
    "numpy": (SKY, "X"),
    "torch conv": (YELLOW, ">"),
    "torch, padding_mode=circular": (RED, "v"),
    "scipy.ndimage wrap": (PURPLE, "P"),
}
_SIZE = 10


def style(name: str) -> dict[str, Any]:
    """The keywords of a contender's line.

    >>> style("equiconv")["color"], style("equiconv, prepared")["linestyle"], style("copy")["linestyle"]
    ('black', '--', ':')
    """
    if name == COPY:
        return {"color": "0.45", "linestyle": ":", "linewidth": 1.6, "marker": "", "zorder": 2}
    if name.startswith(OURS):
        line = "-" if name == OURS else "--"
        return {"color": "black", "linestyle": line, "linewidth": 2.8, "marker": "o", "markersize": 5, "zorder": 5}
    if name not in _LOOKS:
        raise KeyError(f"no colour is set for {name!r}: give it one in benchmarks/drawing.py")
    color, marker = _LOOKS[name]
    return {"color": color, "linestyle": "-", "linewidth": 1.3, "marker": marker, "markersize": 4.5, "zorder": 3}


def figure(rows: int, columns: int, size: tuple[float, float], **options: Any) -> tuple[Figure, Any]:
    """A figure of log-log panels, as an array of rows by columns."""
    with mpl.rc_context({"font.size": _SIZE}):
        made, panels = plt.subplots(rows, columns, figsize=size, squeeze=False, layout="constrained", **options)
    _dress(panels)
    return made, panels


def figure_in_rows(rows: int, columns: int, size: tuple[float, float]) -> tuple[Figure, list[tuple[Any, Any]]]:
    """The same, each row a part of the figure with a legend of its own: the parts, each with its array of panels."""
    with mpl.rc_context({"font.size": _SIZE}):
        made = plt.figure(figsize=size, layout="constrained")
        parts = [(part, part.subplots(1, columns, squeeze=False)) for part in made.subfigures(rows, 1, hspace=0.02)]
    for _, panels in parts:
        _dress(panels)
    return made, parts


def _dress(panels: Any) -> None:
    for panel in panels.flat:
        panel.set_xscale("log")
        panel.set_yscale("log")
        panel.yaxis.set_major_formatter("{x:g}")
        panel.yaxis.set_minor_formatter(NullFormatter())
        panel.grid(visible=True, which="major", color="0.88", linewidth=0.8)
        panel.set_axisbelow(True)
        panel.spines[["top", "right"]].set_visible(False)
        panel.title.set_fontsize(_SIZE + 1)


def family(index: int) -> dict[str, Any]:
    """The keywords of the line of one of several things that are no contenders, by its place among them.

    >>> family(0)["marker"], family(1)["marker"]
    ('o', 's')
    """
    looks = ((BLUE, "o"), (ORANGE, "s"), (GREEN, "D"), (RED, "v"), (PURPLE, "P"), (SKY, "X"))
    if not 0 <= index < len(looks):
        raise IndexError(f"there are {len(looks)} looks that can be told apart, and none for line {index}")
    color, marker = looks[index]
    return {"color": color, "marker": marker, "linewidth": 1.8, "markersize": 5.5}


def curve(
    panel: Axes,
    points: Sequence[tuple[float, float]],
    name: str,
    look: Mapping[str, Any] | None = None,
    *,
    joined: bool = True,
) -> None:
    """One contender's points, by x; unjoined ones are hollow and have no entry in the legend."""
    if not points:
        return
    look = {**(style(name) if look is None else look), "label": name}
    if not joined:
        look |= {"linestyle": "", "markerfacecolor": "white", "label": None, "markeredgewidth": 1.2}
    panel.plot(*zip(*sorted(points), strict=True), **look)


def guide(panel: Axes, xs: Sequence[float], y: float, power: float, label: str) -> None:
    """A grey line of slope `power` over the upper part of xs, which ends at the height y, with its label."""
    last = max(xs)
    first = (min(xs) * last**2) ** (1 / 3)
    panel.plot(
        [first, last], [y * (first / last) ** power, y], color="0.55", linewidth=1, linestyle=(0, (4, 2)), zorder=1
    )
    middle = math.sqrt(first * last)
    at = (middle, y * (middle / last) ** power)
    panel.annotate(label, at, xytext=(5, -1), textcoords="offset points", ha="left", va="top", color="0.35")


def sizes_on(panel: Axes, sizes: Sequence[int]) -> None:
    """Ticks at these sizes of the x axis, as numbers that are read, not as powers."""
    panel.xaxis.set_major_locator(FixedLocator(list(sizes)))
    panel.xaxis.set_minor_locator(NullLocator())
    panel.set_xticklabels([f"{n}" if n < 10000 else f"{n // 1024}k" for n in sizes])


def legend_above(made: Any, panels: Any, *, extra: Sequence[Any] = (), columns: int = 8) -> None:
    """One legend for all panels, ours first and the copy last, over the figure or this part of one."""
    found: dict[str, Any] = {}
    for panel in panels.flat:
        found |= {label: handle for handle, label in zip(*panel.get_legend_handles_labels(), strict=True)}
    if not found:
        return
    names = sorted(found, key=lambda n: (not n.startswith(OURS), n == COPY))
    handles = [*(found[n] for n in names), *extra]
    labels = [*names, *(h.get_label() for h in extra)]
    made.legend(handles, labels, loc="outside upper center", ncols=min(columns, len(labels)), frameon=False)


def save(made: Figure, path: Path) -> None:
    """Write the figure, with more numbers on axes of two decades or less."""
    for panel in made.get_axes():
        low, high = panel.get_ylim()
        if panel.get_yscale() == "log" and high / low < 100:
            panel.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    path.parent.mkdir(parents=True, exist_ok=True)
    made.savefig(path, dpi=130)
    plt.close(made)
