"""Circular convolution on the CPU, side by side with its peers: `python -m benchmarks.convolution`.

Every cell is one run: the contenders, and a plain copy, take turns on rotating inputs, and each result is held to a
wider floating type (float64, or 80 bits for float64 itself); ours to its stated bound. A ratio is the best installed
peer's median over ours. Written to `--out`: a CSV, tables in Markdown and a figure.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

import equiconv as eq
from benchmarks.contest import COPY, OURS, Result, contest
from benchmarks.output import names_of, stem, write_table
from benchmarks.peers import spectral_peers
from benchmarks.running import options_of, parser, run_cells, summary
from benchmarks.truth import eps_of_truth, exact
from equiconv.arrays import direct_bound, eps, fourier_bound
from equiconv.convolution.planning import Plan

Cell = tuple[tuple[int, ...], int, str]
MEGA = 2**20
_PEER_OF = {"fftw": "pyFFTW", "mkl": "mkl_fft"}
ROWS = [16, 32, 64, 128, 256, 512, 1024, 2048, 4096, 8192, 16384, 65536, 2**18, 2**20]
PRIMES = [101, 1009, 10007, 65537]
MORE_AXES = [
    (4096, 32, 32),
    (1024, 56, 56),
    (64, 101, 97),
    (64, 224, 224),
    (64, 256, 256),
    (8, 512, 512),
    (4, 1024, 1024),
    (64, 24, 24, 24),
    (16, 64, 64, 64),
]


def cases(quick: bool) -> Iterator[Cell]:
    """(shape, number of convolved axes, dtype)."""
    for dtype in ("float32", "float64"):
        for n in ROWS if not quick else ROWS[::4]:
            yield (1, n), 1, dtype
            if n < MEGA:
                yield (max(1, MEGA // n), n), 1, dtype
        for n in PRIMES if not quick else PRIMES[1:2]:
            yield (1, n), 1, dtype
            yield (max(1, MEGA // n), n), 1, dtype
        for shape in MORE_AXES if not quick else MORE_AXES[::4]:
            yield shape, len(shape) - 1, dtype
    if not quick:
        for shape, axes in (((1, 1024), 1), ((1024, 1024), 1), ((64, 256, 256), 2)):
            yield shape, axes, "complex64"


def name_of(cell: Cell) -> str:
    """
    >>> name_of(((64, 32, 32), 2, "float32"))
    '64×32×32 2-D float32'
    """
    shape, axes, dtype = cell
    return f"{'×'.join(map(str, shape))} {axes}-D {dtype}"


def run_case(shape: tuple[int, ...], axes: int, dtype: str, threads: int, seconds: float, case: str = "") -> Result:
    """One cell, by the name `case` or its own."""
    rng = np.random.default_rng(0)
    sizes, last = shape[-axes:], tuple(range(len(shape) - axes, len(shape)))
    # as many inputs as make the caches forget the first, at most four
    inputs = [_noise(rng, shape, dtype) for _ in range(4 if math.prod(shape) < MEGA // 4 else 2)]
    w = _noise(rng, sizes, dtype)
    contenders: dict[str, Any] = dict(spectral_peers(w, last, shape, threads))
    plan = eq.plan(shape, sizes, last, dtype, effort="measure", threads=threads)
    contenders[OURS] = plan.prepare(w)
    engine = _PEER_OF.get(plan.engine, plan.engine)
    truth = exact(inputs[0], w, last)
    largest = float(np.abs(truth).max())
    bound = stated_bound(plan, inputs[0], w) / largest
    norms = float(_norms(inputs[0], axes).max()), float(np.linalg.norm(w))
    theirs = 4 * float(fourier_bound(*norms, sizes, dtype)) / largest + 1000 * eps(dtype)
    # the truth is rounded as well, and no wider than float64 on processors that have nothing wider
    ours = bound * (1 + eps_of_truth(dtype) / eps(dtype))
    limits = {**dict.fromkeys(contenders, theirs), OURS: ours}
    return contest(
        case or name_of((shape, axes, dtype)),
        contenders,
        inputs,
        truth,
        limits,
        samples=math.prod(shape),
        seconds=seconds,
        chosen=plan.chosen.name,
        bound=bound,
        engine=engine if engine in contenders else "",  # an engine of ours alone has no peer
        beside_copy=True,
    )


def stated_bound(plan: Plan, x: npt.NDArray[Any], w: npt.NDArray[Any]) -> float:
    """What docs/convolution.md states of the error of any entry, by the chosen way: the largest of the signals'."""
    axes = len(plan.sizes)
    if plan.method != "fourier":
        magnitude = exact(np.abs(x), _on_grid(np.abs(w), plan.sizes), plan.axes)
        return float(direct_bound(float(magnitude.max()), w.size, plan.dtype))
    grid = plan.chosen.grid
    w_norm = float(np.linalg.norm(w))
    for longer, n in zip(grid, plan.sizes, strict=True):
        # along an axis with another grid the kernel is there twice, but for a sample
        w_norm *= math.sqrt(2) if longer != n else 1
    return float(fourier_bound(float(_norms(x, axes).max()), w_norm, grid, plan.dtype))


def _norms(x: npt.NDArray[Any], axes: int) -> npt.NDArray[Any]:
    norms: npt.NDArray[Any] = np.linalg.norm(x.reshape(-1, math.prod(x.shape[-axes:])), axis=1)
    return norms


def _on_grid(w: npt.NDArray[Any], sizes: tuple[int, ...]) -> npt.NDArray[Any]:
    whole = np.zeros(sizes, w.dtype)
    whole[tuple(slice(k) for k in w.shape)] = w
    return whole


def _noise(rng: np.random.Generator, shape: Sequence[int], dtype: str) -> npt.NDArray[Any]:
    x = rng.standard_normal(shape)
    return (x + 1j * rng.standard_normal(shape) if dtype.startswith("complex") else x).astype(dtype)


def main(arguments: Sequence[str] | None = None) -> None:
    options = options_of(parser(__doc__), arguments)
    warnings.filterwarnings("ignore", category=UserWarning, module="mkl_fft")
    found = run_cells(
        cases(options.quick), name_of, lambda cell: run_case(*cell, options.threads, options.seconds), options
    )
    results = [result for _, result in found]
    words = summary([r for r in results if r.samples > 1024], "of more than 1024 samples")
    print(words)
    title = "Circular convolution on the CPU; the kernel's spectrum is prepared for every contender"
    write_table(results, options.out, "convolution", title, options.threads, words)
    plot(found, options.out / f"{stem('convolution', options.threads)}.png")


def plot(found: Sequence[tuple[Cell, Result]], path: Path) -> None:
    """Time a sample and the fraction of a copy against n: a million samples and one row, in float32 and float64."""
    from matplotlib.lines import Line2D

    from benchmarks import drawing

    names = names_of([r for _, r in found])
    figure, panels = drawing.figure(4, 2, (11, 14.5), sharex=True)
    kinds = [(dtype, single) for dtype in ("float32", "float64") for single in (False, True)]
    for (time, fraction), (dtype, single) in zip(panels, kinds, strict=True):
        rows = [
            (cell[0][1], r)
            for cell, r in found
            if cell[1:] == (1, dtype) and (cell[0][0] == 1 if single else math.prod(cell[0]) > MEGA // 2)
        ]
        for name in names:
            for primes in (False, True) if name != COPY else (False,):
                # primes stand by themselves: a line through them and their neighbours would be all spikes
                some = [(n, r) for n, r in rows if (n in PRIMES) == primes and name in r.seconds]
                drawing.curve(time, [(n, r.seconds[name] / r.samples * 1e9) for n, r in some], name, joined=not primes)
                drawing.curve(fraction, [(n, r.of_copy(name) or 0) for n, r in some], name, joined=not primes)
        what = f"{dtype}, {'one row of n samples' if single else 'a million samples in rows of n'}"
        time.set_title(what, loc="left")
        time.set_ylabel("time a sample (ns)")
        fraction.set_title("as a fraction of a copy", loc="left")
        fraction.set_ylabel("time of a copy / time")
    for panel in panels.flat:
        drawing.sizes_on(panel, [2**e for e in range(4, 21, 2)])
    for panel in panels[-1]:
        panel.set_xlabel("n, samples in a row")
    hollow = Line2D([], [], linestyle="", marker="o", color="0.3", markerfacecolor="white", label="hollow: n is prime")
    drawing.legend_above(figure, panels, extra=[hollow], columns=9)
    drawing.save(figure, path)


if __name__ == "__main__":
    main()
