"""The audit as plain text, for ``str`` and for files."""

from __future__ import annotations

import textwrap

from equiconv.certification.certificate import strides_text
from equiconv.report import findings
from equiconv.report.figures import counterexample_rows, table
from equiconv.report.findings import ObstacleGroup
from equiconv.report.result import Audit

_WIDTH = 110


def describe(audit: Audit) -> str:
    """The whole audit in lines of at most 110 characters, but for code."""
    c = audit.certificate
    lines = [*_wrapped(audit.headline), ""]
    for title, sentences in answers(audit):
        lines.append(title)
        for sentence in sentences:
            lines += _wrapped(sentence, "  ")
    if c is not None and c.obstacles:
        lines += ["", f"obstacles ({len(c.obstacles)})"]
        for group in findings.group_obstacles(c.obstacles):
            cause, place, step = obstacle_cells(group, c.shape)
            lines.append(f"  {cause:<14}{step:<32}{place}")
            if group.first.source is not None:
                lines.append(f"  {'':14}{group.first.source}")
    twin = audit.twin
    lines += ["", "numbers" + (": as it stands | circular twin" if twin else "")]
    numbers = table(audit.network, twin)
    width = max(len(name) for name, _ in numbers) + 2
    for name, cells in numbers:
        short = " | ".join(cells)
        lines += (
            [f"  {name:<{width}}{short}"]
            if width + len(short) < _WIDTH
            else [f"  {n:<{width}}{cell}" for n, cell in zip((name, ""), cells, strict=False)]
        )
    if twin is None and audit.twin_reason:
        lines += _wrapped(f"no circular twin: {audit.twin_reason}", "  ")
    lines += ["", "counterexample"]
    if audit.counterexample is None:
        lines += _wrapped(f"none: {audit.counterexample_note}", "  ")
    else:
        lines += [f"  {name:<12}{text}" for name, text in counterexample_rows(audit.counterexample)]
        lines += [f"    {line}" for line in audit.counterexample.script.splitlines()]
    lines += ["", "what was measured"]
    for sentence in audit.remarks:
        lines += _wrapped(sentence, "  ")
    lines += ["", "next"]
    for step in next_steps(audit):
        lines += _wrapped(step, "  ")
    return "\n".join(lines)


def answers(audit: Audit) -> list[tuple[str, list[str]]]:
    """Which shifts are safe, what breaks the others, what to change: titles and sentences."""
    c = audit.certificate
    if c is None:
        return [("why it is undecided", [audit.refusal or ""])]
    found = [
        ("which shifts are safe", [findings.safe(c)]),
        ("what breaks the others", findings.breaks(c)),
        ("what to change", findings.changes(c)),
        ("without wrap-around", findings.interiors(c)),
    ]
    return [(title, sentences) for title, sentences in found if sentences] + (
        [("notes", list(c.notes))] if c.notes else []
    )


def obstacle_cells(group: ObstacleGroup, shape: tuple[int, ...]) -> tuple[str, str, str]:
    """Cause, modules and the subgroup before and after, of obstacles on one line."""
    o, count = group.first, len(group.obstacles)
    place = (o.module or "the model itself") + (f" and {count - 1} more" if count > 1 else "")
    step = f"{strides_text(o.before, shape)} → {strides_text(o.after, shape)}" + ("" if group.uniform else " …")
    return o.cause.replace("_", " ") + (f" × {count}" if count > 1 else ""), place, step


def next_steps(audit: Audit) -> list[str]:
    """What to do with the answer."""
    c, steps = audit.certificate, []
    if audit.network.check is not None and audit.network.check.violations:
        steps.append(
            "A claim of the certificate failed on the input: the verdict cannot be trusted. Please report it with the "
            "JSON."
        )
    if c is not None and findings.mendable(c):
        steps.append("equiconv.symmetrize(model, x) returns the circular twin; certify it, and check its accuracy.")
    if c is not None and c.kind != "undecided":
        steps.append("audit.certificate.check(model, x) runs every claim on an input of your own.")
    if audit.kind == "undecided":
        steps.append("Certify the parts of the network on either side of what stands in the way.")
    return [*steps, "audit.html(path) and audit.json(path) keep this report, with pictures and with all numbers."]


def _wrapped(text: str, indent: str = "") -> list[str]:
    return textwrap.wrap(
        text, _WIDTH, initial_indent=indent, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False
    ) or [indent]
