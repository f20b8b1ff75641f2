"""What the benchmarks on the CPU share: options, the number of threads, the walk through the cells, and the summary."""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TypeVar

import scipy.fft
import torch
from rich.progress import track

from benchmarks.contest import Result, geometric_mean
from benchmarks.output import line

__all__ = ["options_of", "parser", "run_cells", "summary", "use_threads"]

Cell = TypeVar("Cell")
RESULTS = Path("benchmarks/results")
# read by OpenMP, MKL and OpenBLAS when they are loaded, before a program can say anything
_VARIABLES = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")


def parser(description: str | None, *, seconds: float | None = 0.7) -> argparse.ArgumentParser:
    """--out, --threads, --quick, --only and, unless it is None, --seconds; a docstring's first line describes it."""
    made = argparse.ArgumentParser(description=(description or "").partition("\n")[0])
    made.add_argument("--out", type=Path, default=RESULTS, help="folder to write to (default: %(default)s)")
    made.add_argument("--threads", type=int, default=1, help="of every contender that has threads (default: 1)")
    if seconds is not None:
        made.add_argument("--seconds", type=float, default=seconds, help="for each cell (default: %(default)s)")
    made.add_argument("--quick", action="store_true", help="a few cells, to see that everything works")
    made.add_argument("--only", default="", help="cells whose name contains this")
    return made


def options_of(made: argparse.ArgumentParser, arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """The parsed options, with the threads in force."""
    options = made.parse_args(arguments)
    if options.threads < 1:
        made.error(f"--threads must be at least 1, got {options.threads}")
    try:
        use_threads(options.threads)
    except ValueError as reason:
        made.error(str(reason))
    return options


def use_threads(threads: int) -> None:
    """Give torch so many threads, and see that the libraries which read the environment were given as many.

    Several threads must also rest between their tasks (OMP_WAIT_POLICY=PASSIVE): those of OpenMP otherwise spin for
    milliseconds, on the cores of whichever contender has the next turn. Raises `ValueError` where the environment says
    otherwise: the table would not be of what its title says.
    """
    given = {name: os.environ[name] for name in _VARIABLES if name in os.environ}
    wanted = {name: str(threads) for name in _VARIABLES if name in given or name == "OMP_NUM_THREADS"}
    if threads > 1:
        given["OMP_WAIT_POLICY"] = os.environ.get("OMP_WAIT_POLICY", "").upper()
        wanted["OMP_WAIT_POLICY"] = "PASSIVE"
    if given != wanted:
        raise ValueError(
            f"libraries read how they use threads from the environment, when they are loaded: for {threads} of them run "
            f"{' '.join(f'{k}={v}' for k, v in wanted.items())} python -m … --threads {threads}, or make bench THREADS={threads}"
        )
    torch.set_num_threads(threads)


def run_cells(
    cells: Iterable[Cell],
    name_of: Callable[[Cell], str],
    run_case: Callable[[Cell], Result],
    options: argparse.Namespace,
) -> list[tuple[Cell, Result]]:
    """Every cell whose name contains `options.only` and its result; each is printed as it comes.

    Raises `SystemExit` where no name does.
    """
    chosen = [cell for cell in cells if options.only in name_of(cell)]
    if not chosen:
        raise SystemExit(f"no cell's name contains {options.only!r}")
    found = []
    with scipy.fft.set_workers(options.threads):  # for functions that call SciPy's transforms, and take no number
        for cell in track(chosen, "cells"):
            result = run_case(cell)
            print(line(result), flush=True)
            found.append((cell, result))
    return found


def summary(results: Sequence[Result], of: str = "") -> str:
    """How many cells, and the mean and the least of their ratios.

    >>> times, errors = {"equiconv": 1.0, "theirs": 2.0, "copy": 0.5}, {"equiconv": 3e-8, "theirs": 2e-8}
    >>> print(summary([Result("a", 8, times, dict.fromkeys(times, 0.01), errors)], "of eight samples"))
    1 cell of eight samples: geometric mean 2.00, least 2.00, none behind by more than noise; errors at most 1.50 times the most exact peer's
    """
    if not results:
        return f"No cells {of}".strip()
    ratios = [r.ratio for r in results]
    cells = f"{len(ratios)} cell{'s' if len(ratios) > 1 else ''} {of}".strip()
    worst = [f"{max(r.error_over(r.most_exact_peer) for r in results):.2f} times the most exact peer's"]
    shared = [r.error_over(r.engine) for r in results if r.engine]
    if shared:
        worst.insert(0, f"{max(shared):.2f} times those of the engine whose transforms are taken")
    mean = geometric_mean(ratios)
    behind = sum(r.is_behind for r in results) or "none"
    return f"{cells}: geometric mean {mean:.2f}, least {min(ratios):.2f}, {behind} behind by more than noise; errors at most {', '.join(worst)}"
