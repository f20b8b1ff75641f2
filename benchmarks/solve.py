"""Solving circulant systems beside SciPy's `solve_circulant` and a dense solver: `python -m benchmarks.solve`.

A `Circulant` is made once, as its users do, and keeps its spectrum; *made anew* makes one at every call, as SciPy must.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import scipy.linalg
import torch
from rich.progress import track

import equiconv as eq
from benchmarks.contest import OURS, Result, contest, geometric_mean
from benchmarks.output import line, write_table
from equiconv.arrays import eps

LARGEST_DENSE = 1024


def run_case(n: int, batch: int, dtype: str, seconds: float) -> Result:
    """C y = b for `batch` right-hand sides; C is a decaying kernel, of condition number below 3."""
    rng = np.random.default_rng(0)
    c = rng.standard_normal(n) * np.exp(-np.arange(n) / 50)
    c[0] += 2 * np.abs(c).sum()
    c = c.astype(dtype)
    shape = (n,) if batch == 1 else (n, batch)
    inputs = [rng.standard_normal(shape).astype(dtype) for _ in range(2)]
    kept = eq.Circulant(c)
    contenders = {
        "scipy.linalg.solve_circulant": lambda b: scipy.linalg.solve_circulant(c, b),
        OURS: kept.solve,
        f"{OURS}, made anew": lambda b: eq.Circulant(c).solve(b),
    }
    truth = scipy.linalg.solve_circulant(c.astype(np.float64), inputs[0].astype(np.float64))
    limits = dict.fromkeys(contenders, 1000 * eps(dtype))
    name = f"{n} × {batch} {dtype}"
    result = contest(name, contenders, inputs, truth, limits, samples=n * batch, seconds=seconds)
    if n <= LARGEST_DENSE:  # by itself: it empties the caches for whoever comes next
        dense = {OURS: contenders[OURS], "dense": lambda b: np.linalg.solve(scipy.linalg.circulant(c), b)}
        found = contest(name, dense, inputs, truth, dict.fromkeys(dense, 1000 * eps(dtype)), samples=1, least=3)
        result.seconds["dense"], result.errors["dense"] = found.seconds["dense"], found.errors["dense"]
    return result


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results"))
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=0.7, help="for each cell")
    parser.add_argument("--quick", action="store_true", help="a few cells")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    exponents = range(10, 21, 5 if options.quick else 2)
    cells = [
        (2**e, batch, dtype)
        for dtype in ("float32", "float64")
        for e in exponents
        for batch in (1, 16, 2 ** (24 - e))
        if 2**e * batch <= (2**20 if options.quick else 2**24)
    ]
    results = []
    for n, batch, dtype in track(cells, "cells"):
        results.append(run_case(n, batch, dtype, options.seconds))
        print(line(results[-1]), flush=True)
    ratios = [r.ratio for r in results]
    summary = f"{len(ratios)} cells: geometric mean {geometric_mean(ratios):.2f}, least {min(ratios):.2f}"
    print(summary)
    write_table(results, options.out, "circulant-solve", "Circulant systems on the CPU", options.threads, summary)


if __name__ == "__main__":
    main()
