"""``python -m proofs``: check every theorem and print the table; ``python -m proofs NAME``: print one proof, step by step, each with its reason."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Optional

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from proofs.catalogue import find, laws
from proofs.checking import Verdict, check, check_all
from proofs.laws import Law
from proofs.reading import NOTATION, law_text, page, where

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
console = Console()
errors = Console(stderr=True)


def _default_workers() -> int:
    return min(8, len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1)


@app.command()
def main(
    names: Annotated[
        Optional[list[str]],  # noqa: UP045  (typer reads the annotation)
        typer.Argument(
            metavar="[NAME]...",
            help="A theorem, a lecture equation (10) or an item L24. None: check all and print the table.",
        ),
    ] = None,
    twins: Annotated[
        bool,
        typer.Option("--twins/--no-twins", help="Show the false twins of a printed proof, and their counterexamples."),
    ] = True,
    workers: Annotated[int, typer.Option(min=1, help="Processes that check.")] = _default_workers(),
    markdown: Annotated[
        Path | None, typer.Option(help="Write all theorems to this file as a page of the documentation, and stop.")
    ] = None,
) -> None:
    """Check every law and print the table, or check some and print their proofs.

    A check proves each claim, evaluates it exactly at small sizes, and sees each false twin refused and refuted. Exit status:
    0 where all is as graded, 1 where something failed, 2 for an unknown name, 3 where z3 is missing.
    """
    if markdown is not None:
        markdown.write_text(page(laws().values()), encoding="utf-8")
        console.print(f"wrote {markdown}")
        return
    if names:
        try:
            wanted = find(names)
        except KeyError as error:
            errors.print(str(error.args[0]), markup=False)
            raise typer.Exit(2) from None
        raise typer.Exit(_print_laws(wanted, twins))
    raise typer.Exit(_check_everything(workers))


def _print_laws(wanted: list[Law], twins: bool) -> int:
    """Print the laws that pass their check; of one that fails, what is wrong."""
    print(NOTATION)
    status = 0
    for law in wanted:
        verdict = check(law)
        print()
        for text in verdict.problems:
            print(f"FAILED  {law.name}: {text}")
        for text in verdict.skipped:
            print(f"not checked  {law.name}: {text}")
        status = max(status, 1 if verdict.problems else 0) or (3 if verdict.skipped else 0)
        if not verdict.problems:
            print(law_text(law, twins))
    return status


def _check_everything(workers: int) -> int:
    everything = laws()
    verdicts: dict[str, Verdict] = {}
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=errors, transient=True) as progress:
        task = progress.add_task("checking", total=len(everything))
        for verdict in check_all(everything, workers):
            verdicts[verdict.name] = verdict
            progress.update(task, advance=1, description=f"checked {verdict.name}")
    console.print(_table(everything, verdicts))
    problems = [(v.name, p) for v in verdicts.values() for p in v.problems]
    skipped = [(v.name, s) for v in verdicts.values() for s in v.skipped]
    for name, text in problems:
        console.print(f"FAILED  {name}: {text}", markup=False, soft_wrap=True)
    for name, text in skipped:
        console.print(f"not checked  {name}: {text}", markup=False, soft_wrap=True)
    claims = sum(v.claims for v in verdicts.values()) - len(skipped)
    twins = sum(v.twins for v in verdicts.values())
    console.print(
        f"{len(everything)} theorems, {claims} claims, {twins} false twins, each refused and refuted"
        if not problems
        else f"{len(problems)} problems in {', '.join(dict.fromkeys(name for name, _ in problems))}"
    )
    return 1 if problems else 3 if skipped else 0


def _table(everything: dict[str, Law], verdicts: dict[str, Verdict]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("theorem", no_wrap=True)
    table.add_column("lecture, and rules that rest on it")
    table.add_column("grade")
    for name in ("claims", "twins", "s"):
        table.add_column(name, justify="right", no_wrap=True)
    for name, law in everything.items():
        v = verdicts[name]
        grade = law.grades if v.grade is not None else "FAILED" if v.problems else "not checked"
        table.add_row(name, where(law), grade, str(v.claims), str(v.twins), f"{v.seconds:.1f}")
    return table


if __name__ == "__main__":
    app(prog_name="python -m proofs")
