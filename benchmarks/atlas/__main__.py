"""The command: which models, within which limits, and where the results go."""

from __future__ import annotations

import argparse
import importlib
import json
import os
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from benchmarks.atlas import pool
from benchmarks.atlas.output import write
from benchmarks.atlas.record import Record
from benchmarks.atlas.timm_models import Entry


def main(arguments: list[str] | None = None) -> int:
    """Certify, confirm, write; 1 where brute force contradicts a certificate."""
    options = _parser().parse_args(arguments)
    folder = Path(options.work)
    entries = catalogue(options.source, folder)
    if options.models:
        chosen = [e for e in entries if e.model in options.models]
        if absent := set(options.models) - {e.model for e in chosen}:
            raise SystemExit(f"--models: {options.source} has no {', '.join(sorted(absent))}")
    else:
        chosen = entries if options.all else smallest(entries)
    limits = pool.Limits(options.jobs, options.seconds, options.memory)
    rows = Record(folder / "rows.jsonl")
    by_name = {e.model: e for e in entries}
    console = Console(stderr=True)

    def add(record: Record) -> Any:
        return lambda job, answer: record.add(asdict(by_name[job["model"]]) | answer)

    if not options.write_only:
        todo = rows.missing([e.model for e in chosen], options.retry)
        _run(console, "certifying", options.source, [{"task": "survey", "model": m} for m in todo], limits, add(rows))
    confirmed = Record(folder / "confirmed.jsonl")
    if options.confirm and not options.write_only:
        names = [e.model for e in chosen if _settled(rows.rows.get(e.model))]
        names.sort(key=lambda name: rows.rows[name]["export_seconds"])  # cheap ones first: a run may be stopped
        todo = confirmed.missing(names, options.retry)
        jobs = [{"task": "confirm", "model": m, "slowest": options.slowest} for m in todo]
        _run(console, "confirming", options.source, jobs, limits, add(confirmed))
    source = importlib.import_module(options.source)
    known = [rows.rows[e.model] for e in chosen if e.model in rows.rows]
    findings = write(known, confirmed.rows, len(entries), source.version(), Path(options.out))
    print(findings)
    wrong = [m for m, c in confirmed.rows.items() for k in ("as_is", "circular") if c.get(k, {}).get("contradictions")]
    for name in wrong:
        console.print(f"CONTRADICTION: {name}: {confirmed.rows[name]}", style="red")
    return bool(wrong)


def catalogue(source: str, folder: Path) -> list[Entry]:
    """Every architecture of the source; kept in the folder, because counting parameters takes minutes."""
    module = importlib.import_module(source)
    path = folder / "catalogue.json"
    if path.exists():
        known = json.loads(path.read_text(encoding="utf-8"))
        if known["version"] == module.version():
            return [Entry(**e) for e in known["entries"]]
    found: list[Entry] = module.catalogue()
    folder.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"version": module.version(), "entries": [asdict(e) for e in found]}), encoding="utf-8")
    return found


def smallest(entries: list[Entry]) -> list[Entry]:
    """Of each family the architecture with the fewest parameters; of several, the first by name.

    timm's own test networks (``test_…``) stand for a family only where it has no other.
    """
    best: dict[str, Entry] = {}
    for entry in sorted(entries, key=lambda e: (e.model.startswith("test_"), e.parameters, e.model)):
        best.setdefault(entry.family, entry)
    return [best[family] for family in sorted(best)]


def _settled(row: dict[str, Any] | None) -> bool:
    return row is not None and row.get("kind") not in (None, "undecided")


def _run(console: Console, what: str, source: str, jobs: list[dict[str, Any]], limits: pool.Limits, done: Any) -> None:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console) as progress:
        bar = progress.add_task(what, total=len(jobs))

        def step(job: dict[str, Any], answer: dict[str, Any]) -> None:
            done(job, answer)
            progress.update(bar, advance=1, description=f"{what}: {job['model']}")

        pool.run(source, jobs, limits, step)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.atlas", description=__doc__)
    parser.add_argument("--all", action="store_true", help="every architecture, not one of each family")
    parser.add_argument("--models", nargs="*", default=[], metavar="NAME", help="these architectures only")
    parser.add_argument("--retry", action="store_true", help="do again what failed or is undecided")
    parser.add_argument(
        "--confirm",
        action="store_true",
        help="run the models: check every claim, and refute larger subgroups of the fast ones",
    )
    parser.add_argument(
        "--slowest",
        type=float,
        default=0.2,
        metavar="S",
        help="refute larger subgroups of models that run in at most S seconds",
    )
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="worker processes (default: one a core)")
    parser.add_argument("--seconds", type=float, default=300.0, help="time limit of one model")
    parser.add_argument("--memory", type=float, default=8.0, metavar="GB", help="memory limit of a worker; 0, none")
    parser.add_argument("--write-only", action="store_true", help="write the table and the page from what is known")
    parser.add_argument(
        "--source", default="benchmarks.atlas.timm_models", help="module with catalogue, build and version"
    )
    parser.add_argument("--work", default="build/atlas", help="folder of the rows as they come")
    parser.add_argument("--out", default="docs/atlas", help="folder of the table, the page and the findings")
    return parser


if __name__ == "__main__":
    raise SystemExit(main())
