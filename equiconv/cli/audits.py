"""Audits on the terminal: a spinner while one runs, the report, and files that are there whole or not at all."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from equiconv.cli.outputs import write
from equiconv.cli.progress import status

if TYPE_CHECKING:
    from equiconv.cli.prepare import Prepared
    from equiconv.report.result import Audit


def audit_model(prepared: Prepared, axes: tuple[int, ...], seed: int, json: Path | None, html: Path | None) -> int:
    """Audit what was prepared, print the report, write the files that were asked for; the command's exit status."""
    from equiconv.cli.app import ANSWERED, UNDECIDED

    found = audited(
        prepared.loaded.name,
        prepared.model,
        prepared.inputs.x,
        images=prepared.inputs.pixels,
        axes=axes,
        weights=prepared.loaded.weights,
        notes=(f"Input: {prepared.inputs.note}.",),
        seed=seed,
        build=prepared.recipe,
    )
    show(found)
    if json is not None:
        save(found, json=json)
        print(f"data    {json.resolve()}")
    if html is not None:
        save(found, html=html)
        print(f"report  {html.resolve()}")
    return UNDECIDED if found.kind == "undecided" else ANSWERED


def audited(name: str, model: Any, x: Any, **options: Any) -> Audit:
    """`equiconv.audit` with what it is doing shown beside a spinner."""
    import equiconv

    with status(f"auditing {name}") as say:
        return equiconv.audit(model, x, name=name, progress=lambda text: say(f"{name}: {text}"), **options)


def show(audit: Audit) -> None:
    """The report as tables on a terminal, and as plain text in a file or a pipe, where their frames would be in the
    way."""
    from rich.console import Console

    console = Console()
    if console.is_terminal:
        console.print(audit)
    else:
        print(audit)


def save(audit: Audit, json: Path | None = None, html: Path | None = None) -> None:
    """Write the audit's files; their folder is made where it does not exist."""
    if json is not None:
        write(json, audit.json)
    if html is not None:
        write(html, audit.html)
