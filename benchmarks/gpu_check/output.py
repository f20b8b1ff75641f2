"""What is left of a check: a page and a table of numbers in `benchmarks/results`."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Mapping, Sequence
from itertools import groupby
from pathlib import Path

from benchmarks.gpu_check.measuring import COPY, OURS, Row

# The figures that the project set itself: the least fraction of a copy, by table, up to which size.
GOALS = {
    "one axis, float32": ((2048, 0.80), (8192, 0.60), (32768, 0.40)),
    "planes, float32": ((112, 0.60), (224, 0.35)),
}


def write(rows: Sequence[Row], machine: Mapping[str, str], tests: str, folder: Path) -> tuple[Path, Path]:
    """The page and the numbers, named after the device and the day."""
    folder.mkdir(parents=True, exist_ok=True)
    slug = re.sub(r"[^a-z0-9]+", "-", machine["device"].lower()).strip("-")
    name = f"gpu-{slug}-{machine['date'].split()[0]}"
    page, table = folder / f"{name}.md", folder / f"{name}.csv"
    page.write_text(markdown(rows, machine, tests), encoding="utf-8")
    table.write_text(numbers(rows, machine), encoding="utf-8")
    return page, table


def numbers(rows: Sequence[Row], machine: Mapping[str, str]) -> str:
    """CSV: one line for each method at each work."""
    text = io.StringIO()
    lines = [
        {
            "table": row.work.table,
            "sizes": str(row.work),
            "dtype": row.work.dtype,
            "kernels": row.work.channels,
            "signals": row.signals,
            "method": row.method,
            "milliseconds": f"{row.seconds * 1e3:.4f}",
            "spread": f"{row.spread:.3f}",
            "fraction_of_copy": f"{row.fraction_of_copy:.4f}",
            "error_over_bound": "" if row.error is None else f"{row.error:.3g}",
            **{key: machine[key] for key in ("device", "commit", "date")},
        }
        for row in rows
    ]
    writer = csv.DictWriter(text, list(lines[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(lines)
    return text.getvalue()


def markdown(rows: Sequence[Row], machine: Mapping[str, str], tests: str) -> str:
    """The page: the machine, the tests, and a table for each kind of work."""
    lines = ["# Circular convolution on a GPU", "", "| | |", "|---|---|"]
    lines += [f"| {key} | {value} |" for key, value in machine.items()]
    lines += ["", f"Tests: {tests}", ""]
    lines += [
        "Milliseconds are medians; the methods took turns on the same data, and each was held to float64 before it was timed.",
        "*of copy* is the time of a device copy over that of our kernel: 1 is one read and one write. *ratio* is the best "
        "other method's time over ours. *error* is the largest error over `equiconv.arrays.fourier_bound`, ours and the "
        "best other's.",
        "",
    ]
    for table, group in groupby(rows, key=lambda row: row.work.table):
        lines += _table(table, list(group))
    return "\n".join(lines)


def _table(table: str, rows: list[Row]) -> list[str]:
    methods = list(dict.fromkeys(row.method for row in rows))
    lines = [
        f"## {table}",
        "",
        f"| size | {' | '.join(methods)} | of copy | goal | ratio | error, ours | error, other |",
    ]
    lines.append("|---" * (len(methods) + 6) + "|")
    for work, group in groupby(rows, key=lambda row: row.work):
        found = {row.method: row for row in group}
        times = [f"{found[m].seconds * 1e3:.3f}" if m in found else "" for m in methods]
        peers = [row for name, row in found.items() if name != COPY and not name.startswith(OURS)]
        best = min(peers, key=lambda row: row.seconds)
        ours = found.get(OURS)
        goal = next((f"{least:.2f}" for size, least in GOALS.get(table, ()) if work.sizes[-1] <= size), "")
        mine = (
            ["none: left to cuFFT", goal, "", ""]
            if ours is None
            else [f"{ours.fraction_of_copy:.2f}", goal, f"{best.seconds / ours.seconds:.2f}", f"{ours.error:.3f}"]
        )
        lines.append(f"| {work} | {' | '.join([*times, *mine, f'{best.error:.3f}'])} |")
    layouts = list(dict.fromkeys(row.layout for row in rows if row.layout))
    return [*lines, "", "```", *layouts, "```", ""]
