"""The audit as tables for a terminal (rich)."""

from __future__ import annotations

from rich import box
from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.panel import Panel
from rich.syntax import Syntax
from rich.table import Table
from rich.text import Text

from equiconv.report import figures, findings
from equiconv.report.result import Audit
from equiconv.report.text import answers, next_steps, obstacle_cells

_COLOURS = {"invariant": "green", "equivariant": "green", "none": "red", "undecided": "yellow"}


def render(audit: Audit) -> RenderableType:
    """The whole audit. All text is shown as it is: square brackets in names are no markup."""
    colour = _COLOURS[audit.kind]
    parts: list[RenderableType] = [
        Panel(Text(audit.headline, style="bold"), border_style=colour, title=Text(audit.name), title_align="left")
    ]
    for title, sentences in answers(audit):
        parts.append(_heading(title))
        parts += [Padding(Text(sentence), (0, 0, 0, 2)) for sentence in sentences]
    parts += [
        *_obstacles(audit),
        _heading("numbers"),
        _numbers(audit),
        _heading("the smallest counterexample"),
        *_counterexample(audit),
    ]
    parts.append(_heading("what was measured"))
    parts += [Padding(Text(sentence), (0, 0, 0, 2)) for sentence in audit.remarks]
    parts.append(_heading("next"))
    parts += [Padding(Text(step), (0, 0, 0, 2)) for step in next_steps(audit)]
    return Group(*parts)


def _heading(title: str) -> Text:
    return Text(f"\n{title}", style="bold cyan")


def _table(*columns: str) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False, padding=(0, 1))
    for name in columns:
        table.add_column(name, overflow="fold")
    return table


def _obstacles(audit: Audit) -> list[RenderableType]:
    c = audit.certificate
    if c is None:
        return []
    parts: list[RenderableType] = []
    if c.unknown:
        table = _table("operation", "where", "what is missing")
        for u in c.unknown:
            table.add_row(
                Text(u.operation, style="yellow"), _place(u.module or "the model itself", u.source), Text(u.reason)
            )
        parts += [_heading("operations without a rule"), Padding(table, (0, 0, 0, 2))]
    if c.obstacles:
        table = _table("cause", "before → after", "where")
        for group in findings.group_obstacles(c.obstacles):
            cause, place, step = obstacle_cells(group, c.shape)
            style = "yellow" if group.first.removable else "red"
            table.add_row(Text(cause, style=style), Text(step), _place(place, group.first.source))
        parts += [_heading(f"obstacles ({len(c.obstacles)})"), Padding(table, (0, 0, 0, 2))]
    return parts


def _place(module: str, source: object) -> Text:
    return Text.assemble((module, "bold"), *([("\n" + str(source), "dim")] if source is not None else []))


def _numbers(audit: Audit) -> RenderableType:
    table = _table("", "as it stands", *(["circular twin"] if audit.twin is not None else []))
    for name, cells in figures.table(audit.network, audit.twin):
        table.add_row(Text(name, style="dim"), *(Text(cell) for cell in cells))
    twin = (
        []
        if audit.twin is not None or not audit.twin_reason
        else [Text(f"no circular twin: {audit.twin_reason}", style="dim")]
    )
    return Padding(Group(table, *twin), (0, 0, 0, 2))


def _counterexample(audit: Audit) -> list[RenderableType]:
    found = audit.counterexample
    if found is None:
        return [Padding(Text(f"none: {audit.counterexample_note}"), (0, 0, 0, 2))]
    table = Table(box=None, show_header=False, pad_edge=False)
    for name, text in figures.counterexample_rows(found):
        table.add_row(Text(name, style="dim"), Text(text))
    script = Syntax(found.script, "python", theme="ansi_dark", background_color="default", word_wrap=True)
    return [Padding(table, (0, 0, 0, 2)), Padding(script, (1, 0, 0, 4))]
