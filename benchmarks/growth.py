"""How the cost grows: with n, batch and taps of a circular convolution, with the plane, channels and kernel of a layer.

    OMP_NUM_THREADS=1 python -m benchmarks.growth

One variable at a time, the others fixed, in float32; ours takes turns with its peers, and every result is checked.
Written to `--out`: a CSV, a table in Markdown and a log-log figure of six panels with lines of known slope. The
panels of layers have torch's layer with `padding_mode="circular"`, and ours as it comes and inside
`equiconv.nn.prepared`.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import scipy.ndimage
import torch

import equiconv as eq
from benchmarks import convolution, layers
from benchmarks.contest import COPY, OURS, Result, contest, geometric_mean
from benchmarks.output import machine, markdown_table, microseconds, names_of, stem, write_csv, write_page
from benchmarks.peers import spectral_peers
from benchmarks.running import options_of, parser, run_cells
from benchmarks.truth import as_circular, exact
from equiconv.arrays import eps
from equiconv.nn import prepared

DTYPE = "float32"
PREPARED = f"{OURS}, prepared"
TORCH_LAYER = "torch, padding_mode=circular"
# of a panel of Fourier peers so many are drawn, the fastest; the CSV has all
DRAWN = 3


@dataclass(frozen=True)
class Panel:
    """What is varied, over which values, and the slopes to draw beside the curves, with their labels."""

    name: str
    title: str
    axis: str
    values: tuple[int, ...]
    guides: tuple[tuple[float, str], ...]
    run: Callable[[str, int, float], Result]


class Cell(NamedTuple):
    panel: Panel
    value: int


def by_length(case: str, n: int, seconds: float) -> Result:
    return _of_convolution(case, (64, n), seconds)


def by_batch(case: str, batch: int, seconds: float) -> Result:
    return _of_convolution(case, (batch, 1024), seconds)


def _of_convolution(case: str, shape: tuple[int, int], seconds: float) -> Result:
    return convolution.run_case(shape, 1, DTYPE, torch.get_num_threads(), seconds, case)


def by_taps(case: str, taps: int, seconds: float) -> Result:
    """A centred kernel on rows of 4096; the peers are transforms, a sum in C, and torch's sum over padded rows."""
    shape, half, threads = (64, 4096), taps // 2, torch.get_num_threads()
    rng = np.random.default_rng(0)
    inputs = [rng.standard_normal(shape).astype(DTYPE) for _ in range(4)]
    w = rng.standard_normal(taps).astype(DTYPE)
    plan = eq.plan(shape, w.shape, -1, DTYPE, origin=half, correlate=True, effort="measure", threads=threads)
    circular = as_circular(w, shape[1:])
    transforms = spectral_peers(circular, (1,), shape, threads)
    contenders: dict[str, Any] = {
        name: transforms[name] for name in ("pyFFTW", "ducc0", "mkl_fft") if name in transforms
    }
    contenders[OURS] = plan.prepare(w)
    if taps <= LONGEST_SUM:
        weight = torch.from_numpy(w)[None, None]
        contenders["scipy.ndimage wrap"] = lambda x: scipy.ndimage.correlate1d(x, w, mode="wrap")
        contenders["torch conv"] = lambda x: _padded_convolution(x, weight, half)
    return contest(
        case,
        contenders,
        inputs,
        exact(inputs[0], circular, (1,)),
        dict.fromkeys(contenders, 3000 * eps(DTYPE)),
        samples=inputs[0].size,
        seconds=seconds,
        chosen=plan.chosen.name,
    )


# sums over more taps take long, and show nothing more
LONGEST_SUM = 511


def _padded_convolution(x: Any, weight: torch.Tensor, half: int) -> Any:
    padded = torch.nn.functional.pad(torch.from_numpy(x)[:, None], (half, half), mode="circular")
    return torch.nn.functional.conv1d(padded, weight)[:, 0].numpy()


def by_plane(case: str, n: int, seconds: float) -> Result:
    return _of_layer(case, layers.Case(case, 32, 32, 7, (4, n, n)), seconds)


def by_channels(case: str, channels: int, seconds: float) -> Result:
    return _of_layer(case, layers.Case(case, channels, channels, 7, (4, 56, 56)), seconds)


def by_kernel(case: str, k: int, seconds: float) -> Result:
    return _of_layer(case, layers.Case(case, 64, 64, k, (4, 56, 56)), seconds)


def _of_layer(case: str, layer: layers.Case, seconds: float) -> Result:
    theirs, ours = layer.layers(torch.float32)
    _, kept = layer.layers(torch.float32)
    _, wide = layer.layers(torch.float64)
    for other in (kept, wide):
        other.load_state_dict(theirs.state_dict())
    batch, *sizes = layer.shape
    generator = torch.Generator().manual_seed(1)
    inputs = [torch.randn(batch, layer.channels, *sizes, generator=generator) for _ in range(2)]
    contenders: dict[str, Any] = {OURS: ours, PREPARED: kept, TORCH_LAYER: theirs}
    with torch.no_grad(), prepared(kept):
        truth = wide(inputs[0].double()).numpy()
        limits = dict.fromkeys(contenders, 1000 * eps(DTYPE))
        return contest(case, contenders, inputs, truth, limits, samples=truth.size, seconds=seconds, least=5)


PANELS = (
    Panel(
        "n",
        "64 rows, kernel of n taps",
        "n, samples in a row",
        tuple(2**e for e in range(4, 19)),
        ((1, "∝ n"),),
        by_length,
    ),
    Panel(
        "batch",
        "rows of 1024, kernel of 1024 taps",
        "batch b, rows",
        tuple(2**e for e in range(15)),
        ((1, "∝ b"),),
        by_batch,
    ),
    Panel(
        "taps",
        "64 rows of 4096",
        "taps of the kernel",
        (1, 3, 5, 7, 11, 15, 31, 63, 127, 255, 511, 1023, 2047, 4095),
        ((1, "∝ taps"),),
        by_taps,
    ),
    Panel(
        "plane",
        "layer 32→32, kernel 7×7, batch 4",
        "n, of planes n×n",
        (14, 28, 56, 112, 224),
        ((2, "∝ n²"),),
        by_plane,
    ),
    Panel(
        "channels",
        "layer c→c, kernel 7×7, planes 56×56, batch 4",
        "channels in and out, c → c",
        (4, 8, 16, 32, 64, 128),
        ((2, "∝ c²"),),
        by_channels,
    ),
    Panel(
        "kernel",
        "layer 64→64, planes 56×56, batch 4",
        "k, of kernels k×k",
        (1, 3, 5, 7, 9, 11, 15, 21, 31, 51),
        ((2, "∝ k²"),),
        by_kernel,
    ),
)


def cases(quick: bool) -> Iterator[Cell]:
    """Every value of every panel; a few of the smaller ones where it is to be quick."""
    for panel in PANELS:
        for value in panel.values[1:-1:2] if quick else panel.values:
            yield Cell(panel, value)


def name_of(cell: Cell) -> str:
    """
    >>> name_of(Cell(PANELS[1], 64))
    'batch 64'
    """
    return f"{cell.panel.name} {cell.value}"


def slopes(values: Sequence[float], seconds: Sequence[float]) -> list[float]:
    """The exponent of the growth between each value and the one before, for values that increase.

    >>> [round(slope, 6) for slope in slopes([1, 2, 4], [1.0, 2.0, 8.0])]
    [1.0, 2.0]
    """
    found: list[float] = (np.diff(np.log(seconds)) / np.diff(np.log(values))).tolist()
    return found


def main(arguments: Sequence[str] | None = None) -> None:
    options = options_of(parser(__doc__), arguments)
    warnings.filterwarnings("ignore", category=UserWarning, module="mkl_fft")
    found = run_cells(
        cases(options.quick),
        name_of,
        lambda cell: cell.panel.run(name_of(cell), cell.value, options.seconds),
        options,
    )
    path = options.out / stem("growth", options.threads)
    write(found, path, options.threads)
    plot(found, path.with_suffix(".png"))


def _of(panel: Panel, found: Sequence[tuple[Cell, Result]]) -> list[tuple[int, Result]]:
    return [(cell.value, result) for cell, result in found if cell.panel == panel]


def write(found: Sequence[tuple[Cell, Result]], path: Path, threads: int) -> None:
    """`path.csv`, a line for each time, and `path.md`, a table for each panel."""
    header = ["panel", "value", "contender", "seconds", "spread", "error", "way"]
    write_csv(
        path.with_suffix(".csv"),
        header,
        [
            [
                cell.panel.name,
                cell.value,
                name,
                f"{r.seconds[name]:.4g}",
                f"{r.spread[name]:.2g}",
                f"{r.errors[name]:.2g}" if name in r.errors else "",
                r.chosen if name == OURS else "",
            ]
            for cell, r in found
            for name in names_of([r])
        ],
    )
    parts: list[str | list[str]] = [
        f"Medians in microseconds a call, {DTYPE}, {machine(threads)}",
        "A ratio is the best peer's time over ours. The slope is that of our time between this value and the one above it, on "
        "logarithmic axes: 1 is proportional. *copy* is a plain copy of the input.",
    ]
    for panel in PANELS:
        rows = _of(panel, found)
        if rows:
            parts += [f"## {panel.axis}: {panel.title}", _table(panel, rows)]
    write_page(path.with_suffix(".md"), "How the cost of circular convolution grows, on the CPU", *parts)


def _table(panel: Panel, rows: Sequence[tuple[int, Result]]) -> list[str]:
    results = [r for _, r in rows]
    names, ways = names_of(results), any(r.chosen for r in results)
    grown = ["", *(f"{s:.2f}" for s in slopes([v for v, _ in rows], [r.seconds[OURS] for r in results]))]
    lines = [
        [
            str(value),
            *([r.chosen] * ways),
            slope,
            f"{r.ratio:.2f}",
            *(microseconds(r.seconds[n]) if n in r.seconds else "" for n in names),
        ]
        for (value, r), slope in zip(rows, grown, strict=True)
    ]
    return markdown_table([panel.name, *(["way"] * ways), "slope", "ratio", *names], lines, words=1 + ways)


def drawn(results: Sequence[Result]) -> list[str]:
    """The contenders that a panel shows: ours, the copy, and the fastest peers of those that are there at every value.

    A peer that takes part in some values only is shown too, so that the reader sees where it would be taken.
    """
    names = names_of(results)
    everywhere = [n for n in results[0].peers if all(n in r.seconds for r in results)]
    fastest = sorted(everywhere, key=lambda n: geometric_mean([r.seconds[n] for r in results]))[:DRAWN]
    return [n for n in names if n.startswith(OURS) or n == COPY or n in fastest or n not in everywhere]


def plot(found: Sequence[tuple[Cell, Result]], path: Path) -> None:
    """Time a call against what is varied: two rows of three panels."""
    from benchmarks import drawing

    figure, parts = drawing.figure_in_rows(2, 3, (14, 9))
    for axes, panel in zip((axes for _, panels in parts for axes in panels.flat), PANELS, strict=True):
        rows = _of(panel, found)
        axes.set_title(panel.title, loc="left")
        axes.set_xlabel(panel.axis)
        axes.set_ylabel("time a call (ms)")
        if not rows:  # --only left it out
            axes.set_axis_off()
            continue
        results = [r for _, r in rows]
        for name in drawn(results):
            drawing.curve(axes, [(value, r.seconds[name] * 1e3) for value, r in rows if name in r.seconds], name)
        for power, label in panel.guides:
            ours = min(seconds for name, seconds in results[-1].seconds.items() if name.startswith(OURS))
            drawing.guide(axes, [value for value, _ in rows], ours * 1e3 / 3, power, label)
        drawing.sizes_on(axes, [value for value, _ in rows][:: 1 if len(rows) < 9 else 2])
    for part, panels in parts:
        drawing.legend_above(part, panels, columns=9)
    drawing.save(figure, path)


if __name__ == "__main__":
    main()
