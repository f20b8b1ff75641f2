"""What a benchmark leaves: lines as it goes, a CSV and a table in Markdown."""

from __future__ import annotations

import csv
from pathlib import Path

from benchmarks.contest import OURS, Result, described_machine

__all__ = ["line", "names_of", "stem", "write_table"]

PACKAGES = ("numpy", "scipy", "torch", "ducc0", "pyFFTW", "mkl-fft", "fft-conv-pytorch", "torchaudio")


def line(result: Result) -> str:
    """One result, fastest first."""
    times = "  ".join(f"{name} {microseconds(t)}" for name, t in sorted(result.seconds.items(), key=lambda p: p[1]))
    return f"{result.case:<28} ratio {result.ratio:5.2f}  {result.chosen:<28} {times}"


def microseconds(seconds: float) -> str:
    """Three digits, in microseconds.

    >>> microseconds(1.2345e-6), microseconds(0.5)
    ('1.23', '500000')
    """
    value = seconds * 1e6
    return f"{value:.3g}" if value < 1000 else f"{value:.0f}"


def names_of(results: list[Result]) -> list[str]:
    """The contenders, ours first."""
    return sorted({name for r in results for name in r.seconds}, key=lambda n: (n != OURS, n))


def stem(name: str, threads: int) -> str:
    return f"cpu-{name}-{threads}-thread{'s' if threads > 1 else ''}"


def write_table(results: list[Result], out: Path, name: str, title: str, threads: int, summary: str) -> None:
    """`out/cpu-NAME-1-thread.csv` and `.md`."""
    out.mkdir(parents=True, exist_ok=True)
    names = names_of(results)
    with (out / f"{stem(name, threads)}.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        header = ["case", "samples", "way", "ratio", "best peer"]
        writer.writerow([*header, *(f"{n} s" for n in names), *(f"{n} error" for n in names)])
        for r in results:
            times = [f"{r.seconds[n]:.4g}" if n in r.seconds else "" for n in names]
            errors = [f"{r.errors[n]:.2g}" if n in r.errors else "" for n in names]
            writer.writerow([r.case, r.samples, r.chosen, f"{r.ratio:.3f}", r.best_peer, *times, *errors])
    machine = ", ".join(f"{key} {value}" for key, value in described_machine(PACKAGES).items())
    lines = [
        f"# {title}",
        "",
        f"Medians in microseconds, {threads} thread{'s' if threads > 1 else ''}. {machine}.",
        "",
        f"{summary}. A ratio is the best peer's time over ours.",
        "",
        f"| case | way | ratio | {' | '.join(names)} |",
        f"|---|---|---|{'---|' * len(names)}",
    ]
    for r in results:
        cells = " | ".join(microseconds(r.seconds[n]) if n in r.seconds else "" for n in names)
        lines.append(f"| {r.case} | {r.chosen} | {r.ratio:.2f} | {cells} |")
    (out / f"{stem(name, threads)}.md").write_text("\n".join(lines) + "\n", encoding="utf-8")
