"""Circular convolution on the CPU, side by side with its peers: `python -m benchmarks.convolution`.

Every cell is one run: the contenders take turns on rotating inputs, and each result is held to float64. A ratio is the
best installed peer's median over ours. Written to `--out`: a CSV, a table in Markdown and a plot.
"""

from __future__ import annotations

import argparse
import math
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from rich.progress import track

import equiconv as eq
from benchmarks.contest import OURS, Result, contest, geometric_mean
from benchmarks.output import line, names_of, stem, write_table
from benchmarks.peers import spectral_peers
from equiconv.arrays import eps, fourier_bound

MEGA = 2**20
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


def cases(quick: bool) -> Iterator[tuple[tuple[int, ...], int, str]]:
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


def run_case(shape: tuple[int, ...], axes: int, dtype: str, threads: int, seconds: float) -> Result:
    """One cell."""
    rng = np.random.default_rng(0)
    sizes, last = shape[-axes:], tuple(range(len(shape) - axes, len(shape)))
    # as many inputs as make the caches forget the first, at most four
    inputs = [_noise(rng, shape, dtype) for _ in range(4 if math.prod(shape) < MEGA // 4 else 2)]
    w = _noise(rng, sizes, dtype)
    contenders: dict[str, Any] = dict(spectral_peers(w, last, shape, threads))
    plan = eq.plan(shape, sizes, last, dtype, effort="measure", threads=threads)
    contenders[OURS] = plan.prepare(w)
    wide = np.complex128 if dtype.startswith("complex") else np.float64
    truth = eq.circular_convolve(inputs[0].astype(wide), w.astype(wide), last, method="fourier")
    bound = fourier_bound(np.linalg.norm(inputs[0].reshape(-1, math.prod(sizes))[0]), np.linalg.norm(w), sizes, dtype)
    limit = 4 * bound / np.abs(truth).max() + 1000 * eps(dtype)
    name = f"{'×'.join(map(str, shape))} {axes}-D {dtype}"
    limits = dict.fromkeys(contenders, float(limit))
    return contest(
        name, contenders, inputs, truth, limits, samples=math.prod(shape), seconds=seconds, chosen=plan.chosen.name
    )


def _noise(rng: np.random.Generator, shape: Sequence[int], dtype: str) -> npt.NDArray[Any]:
    x = rng.standard_normal(shape)
    return (x + 1j * rng.standard_normal(shape) if dtype.startswith("complex") else x).astype(dtype)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results"))
    parser.add_argument("--threads", type=int, default=1, help="of every contender")
    parser.add_argument("--seconds", type=float, default=0.7, help="for each cell")
    parser.add_argument("--quick", action="store_true", help="a few cells")
    parser.add_argument("--only", default="", help="cells whose name contains this")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    warnings.filterwarnings("ignore", category=UserWarning, module="mkl_fft")

    results = []
    for shape, axes, dtype in track(list(cases(options.quick)), "cells"):
        if options.only in f"{'×'.join(map(str, shape))} {axes}-D {dtype}":
            results.append(run_case(shape, axes, dtype, options.threads, options.seconds))
            print(line(results[-1]), flush=True)
    counted = [r.ratio for r in results if r.samples > 1024]
    summary = (
        f"{len(counted)} cells of more than 1024 samples: geometric mean {geometric_mean(counted):.2f}, "
        f"least {min(counted):.2f}"
    )
    print(summary)
    title = "Circular convolution on the CPU; the kernel's spectrum is prepared for every contender"
    write_table(results, options.out, "convolution", title, options.threads, summary)
    _plot(results, names_of(results), options.out / f"{stem('convolution', options.threads)}.png")


def _plot(results: list[Result], names: list[str], path: Path) -> None:
    import matplotlib as mpl

    mpl.use("Agg")
    import matplotlib.pyplot as plt

    figure, panels = plt.subplots(2, 2, figsize=(11, 8), sharex="col", constrained_layout=True)
    for column, dtype in enumerate(("float32", "float64")):
        rows = [r for r in results if r.case.endswith(dtype) and "1-D" in r.case]
        for panel, chosen, title in (
            (panels[0][column], [r for r in rows if r.samples > 2**19], f"{dtype}, a million samples"),
            (panels[1][column], [r for r in rows if r.case.startswith("1×")], f"{dtype}, one row"),
        ):
            for name in names:
                points = sorted(
                    (int(r.case.split()[0].split("×")[1]), r.seconds[name] / r.samples * 1e9)
                    for r in chosen
                    if name in r.seconds
                )
                if points:
                    style: dict[str, Any] = {"linewidth": 2.5, "color": "black"} if name == OURS else {"linewidth": 1}
                    panel.loglog(*zip(*points, strict=True), marker=".", label=name, **style)
            panel.set_title(title)
            panel.set_ylabel("ns a sample")
            panel.grid(alpha=0.3)
        panels[1][column].set_xlabel("n")
    panels[0][0].legend()
    figure.savefig(path, dpi=110)


if __name__ == "__main__":
    main()
