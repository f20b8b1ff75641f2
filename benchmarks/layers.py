"""Circular convolution layers against torch's, side by side: `python -m benchmarks.layers`.

Every case runs `torch.nn.Conv*d(padding_mode="circular")` and the layer of this library with the same parameters, in
turns, after a warm-up, on inputs that rotate. A row has the median and the lower quartile of both times, and the
ratio of torch's time to ours, from the lower quartiles (other work on the machine only adds to times) and from the
medians. Results are compared with float64 in the same run: the error relative to the largest entry, of both.

Three works: `forward` as it comes, `prepared` (evaluation inside `equiconv.nn.prepared`, the spectra made in the
warm-up), and `step`, forward and backward with gradients of the input and the parameters. Written to `--out`: a CSV,
a page in Markdown and a figure of the ratio against the kernel's size.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import nullcontext
from dataclasses import astuple, dataclass, fields
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from rich.console import Console
from rich.progress import track
from rich.table import Table
from torch import Tensor, nn

from benchmarks.output import machine, markdown_table, stem, write_csv, write_page
from benchmarks.running import options_of, parser
from equiconv.nn import CircularConv1d, CircularConv2d, CircularConv3d, prepared

THEIRS = {1: nn.Conv1d, 2: nn.Conv2d, 3: nn.Conv3d}
OURS = {1: CircularConv1d, 2: CircularConv2d, 3: CircularConv3d}
WORKS = ("forward", "prepared", "step")
KERNELS = (3, 5, 7, 9, 11, 15, 21, 31, 51)
QUICK = (3, 31)
INPUTS = 3
# A case stops after this many seconds, but not before three turns; one of microseconds goes on for so many.
LONGEST, SHORTEST = 12.0, 0.3
MOST_TURNS = 3000
# float64 by torch takes minutes for large kernels: the truth is then found for these many signals of the batch.
SIGNALS_CHECKED = 1


class Case(NamedTuple):
    """A layer and the shape of its input."""

    name: str
    channels: int
    filters: int
    kernel: int
    shape: tuple[int, ...]
    groups: int = 1
    stride: int = 1
    dilation: int = 1

    def layers(self, dtype: torch.dtype) -> tuple[nn.Module, nn.Module]:
        """torch's layer, and ours with its parameters."""
        axes = len(self.shape) - 1
        torch.manual_seed(0)
        theirs = THEIRS[axes](
            self.channels,
            self.filters,
            self.kernel,
            stride=self.stride,
            padding=self.dilation * (self.kernel // 2),
            dilation=self.dilation,
            groups=self.groups,
            padding_mode="circular",
            dtype=dtype,
        )
        return theirs, OURS[axes].from_torch(theirs)


@dataclass(frozen=True)
class Row:
    """What was measured of a case. Times are in milliseconds, errors relative to the largest entry."""

    case: str
    kernel: int
    work: str
    dtype: str
    turns: int
    torch_median: float
    ours_median: float
    torch_quartile: float
    ours_quartile: float
    ratio_of_quartiles: float
    ratio_of_medians: float
    torch_error: float
    ours_error: float
    held_bytes: int


def cases(kernels: tuple[int, ...]) -> Iterator[Case]:
    """The grid: dense and depthwise planes over all kernels, and others around where the choice turns."""
    for k in kernels:
        yield Case("64→64, 56²", 64, 64, k, (8, 56, 56))
    for k in kernels:
        yield Case("depthwise 128, 56²", 128, 128, k, (8, 56, 56), groups=128)
    for k in (k for k in kernels if k <= 21):
        yield Case("64→64, 56², stride 2", 64, 64, k, (8, 56, 56), stride=2)
    for k in (k for k in kernels if k <= 15):
        yield Case("64→64, 56², dilation 2", 64, 64, k, (8, 56, 56), dilation=2)
        yield Case("64→64, 56², 4 groups", 64, 64, k, (8, 56, 56), groups=4)
    for k in (3, 15, 65, 257):
        yield Case("32→32, 4096", 32, 32, k, (4, 4096))
    for k in (3, 5, 7):
        yield Case("8→8, 24³", 8, 8, k, (2, 24, 24, 24))
    # of microseconds, where calls count as much as what they do
    for k in (3, 7):
        yield Case("64→64, 14²", 64, 64, k, (8, 14, 14))
        yield Case("depthwise 32, 14²", 32, 32, k, (2, 14, 14), groups=32)
        yield Case("16→16, 16²", 16, 16, k, (8, 16, 16))
        yield Case("3→8, 8²", 3, 8, k, (1, 8, 8))
        yield Case("1→1, 1024", 1, 1, k, (1, 1024))


def measure(case: Case, work: str, dtype: torch.dtype, turns: int) -> Row:
    """One row."""
    theirs, ours = case.layers(dtype)
    batch, *sizes = case.shape
    generator = torch.Generator().manual_seed(1)
    inputs = [torch.randn(batch, case.channels, *sizes, dtype=dtype, generator=generator) for _ in range(INPUTS)]
    for x in inputs:
        x.requires_grad_(work == "step")
    with prepared(ours) if work == "prepared" else nullcontext() as spectra:
        run = {"torch": _runner(theirs, work, inputs), "ours": _runner(ours, work, inputs)}
        errors = _errors(case, work, inputs[0], theirs, ours)
        times: dict[str, list[float]] = {"torch": [], "ours": []}
        start = time.perf_counter()
        for turn in range(-1, MOST_TURNS):  # the first one warms up
            for name in ("torch", "ours") if turn % 2 else ("ours", "torch"):
                before = time.perf_counter()
                run[name]()
                if turn >= 0:
                    times[name].append(time.perf_counter() - before)
            passed = time.perf_counter() - start
            if (turn >= 2 and passed > LONGEST) or (turn + 1 >= turns and passed > SHORTEST):
                break
        held = 0 if spectra is None else spectra.nbytes
    median, quartile = ({k: float(np.quantile(v, q)) * 1e3 for k, v in times.items()} for q in (0.5, 0.25))
    return Row(
        case.name,
        case.kernel,
        work,
        str(dtype).removeprefix("torch."),
        len(times["ours"]),
        round(median["torch"], 3),
        round(median["ours"], 3),
        round(quartile["torch"], 3),
        round(quartile["ours"], 3),
        round(quartile["torch"] / quartile["ours"], 3),
        round(median["torch"] / median["ours"], 3),
        errors[0],
        errors[1],
        held,
    )


def _runner(layer: nn.Module, work: str, inputs: list[Tensor]) -> Callable[[], Any]:
    rotating = itertools.cycle(inputs)

    def step() -> None:
        x = next(rotating)
        x.grad = None
        layer.zero_grad()
        layer(x).sum().backward()

    def forward() -> None:
        with torch.no_grad():
            layer(next(rotating))

    return step if work == "step" else forward


def _errors(case: Case, work: str, x: Tensor, theirs: nn.Module, ours: nn.Module) -> tuple[float, float]:
    """The error of both against our layer in float64 (whose windows and spectra the tests hold to the definition)."""
    x = x.detach()[:SIGNALS_CHECKED]
    _, wide = case.layers(torch.float64)
    wide.load_state_dict(theirs.state_dict())

    def results(layer: nn.Module, x: Tensor) -> list[Tensor]:
        if work != "step":
            with torch.no_grad():
                return [layer(x).double()]
        x = x.clone().requires_grad_()
        y = layer(x)
        # not the sum, whose gradients are constant; nor what sums to nothing, as the gradient of a bias then is
        weights = torch.linspace(-1, 2, y.numel(), dtype=torch.float64).sin().reshape(y.shape).to(y.dtype)
        return [g.double() for g in torch.autograd.grad((y * weights).sum(), [x, *layer.parameters()])]

    truth = results(wide, x.double())

    def error(layer: nn.Module) -> float:
        found = results(layer, x)
        return max(((a - b).abs().max() / b.abs().max()).item() for a, b in zip(found, truth, strict=True))

    first, second = error(theirs), error(ours)
    if not second < 1e3 * torch.finfo(x.dtype).eps:
        raise AssertionError(f"{case}, {work}: wrong by {second:.2g} of the largest entry")
    return float(f"{first:.2g}"), float(f"{second:.2g}")


def main(arguments: Sequence[str] | None = None) -> None:
    made = parser(__doc__, seconds=None)
    made.add_argument(
        "--turns",
        type=int,
        help="repetitions of a case, fewer where they take long, more where they take microseconds (default: 15; quick: 3)",
    )
    made.add_argument("--kernels", type=int, nargs="+", help=f"of planes (default: {KERNELS}; quick: {QUICK})")
    made.add_argument("--works", nargs="+", choices=WORKS, default=list(WORKS))
    made.add_argument("--dtype", choices=("float32", "float64"), default="float32")
    options = options_of(made, arguments)
    turns = options.turns or (3 if options.quick else 15)
    kernels = tuple(options.kernels or (QUICK if options.quick else KERNELS))
    rows = [
        measure(case, work, getattr(torch, options.dtype), turns)
        for case, work in track(jobs(kernels, options.works, options.only), "layers", console=Console(stderr=True))
    ]
    Console(width=120).print(table(rows))
    name = "layers" if options.dtype == "float32" else f"layers-{options.dtype}"
    path = options.out / stem(name, options.threads)
    write(rows, path, options.threads)
    plot(rows, path.with_suffix(".png"))


def jobs(kernels: tuple[int, ...], works: Sequence[str], only: str = "") -> list[tuple[Case, str]]:
    """What is measured, in order. Raises `SystemExit` where no case's name contains `only`."""
    chosen = [(case, work) for case in cases(kernels) if only in case.name for work in works]
    if not chosen:
        raise SystemExit(f"no case's name contains {only!r}")
    return chosen


def write(rows: Sequence[Row], path: Path, threads: int) -> None:
    """`path.csv`, and `path.md`: the ratios by kernel, and every row."""
    write_csv(path.with_suffix(".csv"), [field.name for field in fields(Row)], [astuple(row) for row in rows])
    write_page(
        path.with_suffix(".md"),
        "Circular convolution layers beside torch's, on the CPU",
        f"{rows[0].dtype}, {machine(threads)}",
        'A ratio is the time of `torch.nn.Conv*d(padding_mode="circular")` over ours. *forward* is a call in evaluation as it '
        "comes, *prepared* one inside `equiconv.nn.prepared`, *step* a forward and a backward pass.",
        "## Ratios of medians, by kernel",
        _ratios(rows),
        "## Times",
        "Milliseconds, lower quartiles: other work on the machine only adds to times. Errors are over the largest entry of the "
        "result in float64.",
        markdown_table(HEADER, [_cells(row) for row in rows], words=3),
    )


def _ratios(rows: Sequence[Row]) -> list[str]:
    kernels = sorted({row.kernel for row in rows})
    found = {(row.case, row.work, row.kernel): f"{row.ratio_of_medians:.2f}" for row in rows}
    lines = dict.fromkeys((row.case, row.work) for row in rows)
    return markdown_table(
        ["layer", "work", *map(str, kernels)],
        [[*at, *(found.get((*at, k), "") for k in kernels)] for at in lines],
        words=2,
    )


def plot(rows: Sequence[Row], path: Path) -> None:
    """The ratio against the kernel's size: a panel for each work, a line for each layer of planes."""
    from benchmarks import drawing

    # planes of which more than a few kernels are measured; those of microseconds are in the table
    of_planes = {case.name for case in cases(KERNELS) if len(case.shape) == 3 and case.kernel == KERNELS[1]}
    names = [name for name in dict.fromkeys(row.case for row in rows) if name in of_planes]
    if not names:
        print(f"no layer of planes was measured: {path} is not drawn")
        return
    titles = {"forward": "evaluation", "prepared": "evaluation, spectra prepared", "step": "training step"}
    works = [work for work in WORKS if any(row.work == work for row in rows)]
    figure, panels = drawing.figure(1, len(works), (4.6 * len(works), 4.8), sharey=True)
    for panel, work in zip(panels.flat, works, strict=True):
        for index, name in enumerate(names):
            points = [(row.kernel, row.ratio_of_medians) for row in rows if (row.case, row.work) == (name, work)]
            drawing.curve(panel, points, name, drawing.family(index))
        panel.axhline(1, color="black", linewidth=1.2, zorder=1)
        panel.set_title(titles[work], loc="left")
        panel.set_xlabel("k, of kernels k×k")
        drawing.sizes_on(panel, sorted({row.kernel for row in rows if row.case in names}))
    panels[0][0].set_ylabel("torch's time / equiconv's")
    note = {"xytext": (-2, -3), "textcoords": "offset points", "ha": "right", "va": "top"}
    panels[0][0].annotate("as fast as torch", (1, 1), xycoords=("axes fraction", "data"), **note)
    drawing.legend_above(figure, panels)
    drawing.save(figure, path)


HEADER = ("case", "kernel", "work", "torch", "ours", "ratio", "of medians", "torch's error", "our error", "MB held")


def table(rows: Sequence[Row]) -> Table:
    """The rows as they are read: lower quartiles, and both ratios."""
    made = Table(
        title=f"milliseconds, torch {torch.__version__.partition('+')[0]}, {torch.get_num_threads()} thread(s)"
    )
    for name in HEADER:
        made.add_column(name, justify="left" if name in ("case", "work") else "right")
    for row in rows:
        made.add_row(*_cells(row))
    return made


def _cells(row: Row) -> list[str]:
    return [
        row.case,
        str(row.kernel),
        row.work,
        f"{row.torch_quartile:.3g}" if row.torch_quartile < 1 else f"{row.torch_quartile:.2f}",
        f"{row.ours_quartile:.3g}" if row.ours_quartile < 1 else f"{row.ours_quartile:.2f}",
        f"{row.ratio_of_quartiles:.2f}",
        f"{row.ratio_of_medians:.2f}",
        f"{row.torch_error:.1g}",
        f"{row.ours_error:.1g}",
        f"{row.held_bytes / 1e6:.1f}",
    ]


if __name__ == "__main__":
    main()
