"""What a benchmark leaves: lines as it goes, a CSV and tables in Markdown."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Sequence
from pathlib import Path

from benchmarks.contest import COPY, OURS, Result, described_machine

__all__ = [
    "line",
    "machine",
    "markdown_table",
    "microseconds",
    "names_of",
    "stem",
    "write_csv",
    "write_page",
    "write_table",
]

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


def names_of(results: Sequence[Result]) -> list[str]:
    """The contenders, ours first and the copy last."""
    return sorted({name for r in results for name in r.seconds}, key=lambda n: (n != OURS, n == COPY, n))


def stem(name: str, threads: int) -> str:
    """
    >>> stem("convolution", 1), stem("convolution", 2)
    ('cpu-convolution-1-thread', 'cpu-convolution-2-threads')
    """
    return f"cpu-{name}-{described(threads)}".replace(" ", "-")


def described(threads: int) -> str:
    return f"{threads} thread{'s' if threads > 1 else ''}"


def machine(threads: int) -> str:
    """The threads, the processor and the versions, as a sentence."""
    return f"{described(threads)}. {', '.join(f'{k} {v}' for k, v in described_machine(PACKAGES).items())}."


def markdown_table(header: Sequence[str], rows: Iterable[Sequence[str]], words: int = 1) -> list[str]:
    """The lines of a table whose first `words` columns hold words, and the others numbers, which stand right.

    >>> print("\\n".join(markdown_table(["case", "ms"], [["a", "1.5"]])))
    | case | ms |
    |---|---:|
    | a | 1.5 |
    """
    rule = "|" + "---|" * words + "---:|" * (len(header) - words)
    return [_row(header), rule, *(_row(row) for row in rows)]


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def write_csv(path: Path, header: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """A table of numbers; the folder is made where it is missing."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file, lineterminator="\n").writerows([header, *rows])


def write_page(path: Path, title: str, *parts: str | Sequence[str]) -> None:
    """A page in Markdown: a title, and then paragraphs (strings) and tables (lists of lines)."""
    path.parent.mkdir(parents=True, exist_ok=True)
    blocks = [f"# {title}", *(part if isinstance(part, str) else "\n".join(part) for part in parts)]
    path.write_text("\n\n".join(blocks) + "\n", encoding="utf-8")


def write_table(results: Sequence[Result], out: Path, name: str, title: str, threads: int, summary: str) -> None:
    """`out/cpu-NAME-1-thread.csv` and `.md`: times and ratios, and the errors beside the bound."""
    path = out / stem(name, threads)
    write_csv(path.with_suffix(".csv"), *_numbers(results))
    parts: list[str | list[str]] = [
        f"Medians in microseconds, {machine(threads)}",
        f"{summary}. A ratio is the best peer's time over ours.{_copy_explained(results)}",
        _times(results),
        "## Errors",
        "The largest error over the largest entry of the result in a wider floating type: ours, and a peer's."
        f"{_engine_explained(results)}{_bound_explained(results)}",
        _errors(results),
    ]
    write_page(path.with_suffix(".md"), title, *parts)


def _copy_explained(results: Sequence[Result]) -> str:
    if not any(COPY in r.seconds for r in results):
        return ""
    return (
        " *of copy* is the time of a plain copy of the input (NumPy's `out[...] = x`, one thread) over ours: 1 is one read "
        "and one write."
    )


def _bound_explained(results: Sequence[Result]) -> str:
    if all(r.bound is None for r in results):
        return ""
    return (
        " *bound* is what the documentation states of ours (`equiconv.arrays.fourier_bound` or `direct_bound`) for the signal "
        "where it is largest; the run stops where our error exceeds it."
    )


def _numbers(results: Sequence[Result]) -> tuple[list[str], list[list[str]]]:
    names = names_of(results)
    measured = [n for n in names if n != COPY]
    header = ["case", "samples", "way", "ratio", "best peer", "fraction of copy", "engine", "bound"]
    header += [*(f"{n} s" for n in names), *(f"{n} spread" for n in names), *(f"{n} error" for n in measured)]
    rows = []
    for r in results:
        fraction = r.of_copy()
        rows.append(
            [
                r.case,
                str(r.samples),
                r.chosen,
                f"{r.ratio:.3f}",
                r.best_peer,
                "" if fraction is None else f"{fraction:.3f}",
                r.engine,
                "" if r.bound is None else f"{r.bound:.2g}",
                *(f"{r.seconds[n]:.4g}" if n in r.seconds else "" for n in names),
                *(f"{r.spread[n]:.2g}" if n in r.spread else "" for n in names),
                *(f"{r.errors[n]:.2g}" if n in r.errors else "" for n in measured),
            ]
        )
    return header, rows


def _times(results: Sequence[Result]) -> list[str]:
    names = names_of(results)
    copied, ways = any(COPY in r.seconds for r in results), any(r.chosen for r in results)
    header = ["case", *(["way"] * ways), "ratio", *(["of copy"] * copied), *names]
    rows = []
    for r in results:
        fraction = r.of_copy()
        rows.append(
            [
                r.case,
                *([r.chosen] * ways),
                f"{r.ratio:.2f}",
                *(["" if fraction is None else f"{fraction:.2f}"] * copied),
                *(microseconds(r.seconds[n]) if n in r.seconds else "" for n in names),
            ]
        )
    return markdown_table(header, rows, words=1 + ways)


def _errors(results: Sequence[Result]) -> list[str]:
    engines, bounded = any(r.engine for r in results), any(r.bound is not None for r in results)
    header = ["case", "ours", *(["engine's", "ours / engine's"] * engines), "most exact peer's", "ours / its"]
    rows = []
    for r in results:
        shared = [f"{r.errors[r.engine]:.1e} ({r.engine})", f"{r.error_over(r.engine):.2f}"] if r.engine else ["", ""]
        stated = ["", ""] if r.bound is None else [f"{r.bound:.1e}", f"{r.errors[OURS] / r.bound:.1e}"]
        rows.append(
            [
                r.case,
                f"{r.errors[OURS]:.1e}",
                *(shared * engines),
                f"{r.errors[r.most_exact_peer]:.1e} ({r.most_exact_peer})",
                f"{r.error_over(r.most_exact_peer):.2f}",
                *(stated * bounded),
            ]
        )
    return markdown_table([*header, *(["bound", "ours / bound"] * bounded)], rows)


def _engine_explained(results: Sequence[Result]) -> str:
    if not any(r.engine for r in results):
        return ""
    return " *engine* is the peer whose transforms ours are made of, where they are."
