"""Solving circulant systems beside SciPy's `solve_circulant` and a dense solver: `python -m benchmarks.solve`.

A `Circulant` is made once, as its users do, and keeps its spectrum; *made anew* makes one at every call, as SciPy must.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import scipy.linalg

import equiconv as eq
from benchmarks.contest import OURS, Result, contest
from benchmarks.output import write_table
from benchmarks.running import options_of, parser, run_cells, summary
from benchmarks.truth import exact_solution
from equiconv.arrays import eps

Cell = tuple[int, int, str]

LARGEST_DENSE = 1024


def cases(quick: bool) -> Iterator[Cell]:
    """(n, number of right-hand sides, dtype)."""
    for dtype in ("float32", "float64"):
        for e in range(10, 21, 5 if quick else 2):
            for batch in (1, 16, 2 ** (24 - e)):
                if 2**e * batch <= (2**20 if quick else 2**24):
                    yield 2**e, batch, dtype


def name_of(cell: Cell) -> str:
    n, batch, dtype = cell
    return f"{n} × {batch} {dtype}"


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
    truth = exact_solution(c, inputs[0])
    limits = dict.fromkeys(contenders, 1000 * eps(dtype))
    name = name_of((n, batch, dtype))
    result = contest(name, contenders, inputs, truth, limits, samples=n * batch, seconds=seconds)
    if n <= LARGEST_DENSE:  # by itself: it empties the caches for whoever comes next
        dense = {OURS: contenders[OURS], "dense": lambda b: np.linalg.solve(scipy.linalg.circulant(c), b)}
        found = contest(name, dense, inputs, truth, dict.fromkeys(dense, 1000 * eps(dtype)), samples=1, least=3)
        for kept_of, new in (
            (result.seconds, found.seconds),
            (result.spread, found.spread),
            (result.errors, found.errors),
        ):
            kept_of["dense"] = new["dense"]
    return result


def main(arguments: Sequence[str] | None = None) -> None:
    options = options_of(parser(__doc__), arguments)
    found = run_cells(cases(options.quick), name_of, lambda cell: run_case(*cell, options.seconds), options)
    results = [result for _, result in found]
    words = summary(results)
    print(words)
    write_table(results, options.out, "circulant-solve", "Circulant systems on the CPU", options.threads, words)


if __name__ == "__main__":
    main()
