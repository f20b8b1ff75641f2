"""The parts of the page that come from the certificate: the verdict, the three answers, the obstacles, the
refutations."""

from __future__ import annotations

import math

from equiconv.certification import Certificate, Unknown
from equiconv.certification.certificate import strides_text
from equiconv.graph import SourceLine
from equiconv.report import findings
from equiconv.report.figures import number, shift_text
from equiconv.report.findings import ObstacleGroup
from equiconv.report.html import charts
from equiconv.report.html.markup import Markup, breakable, el

_TALL = 25  # rows beyond which a table scrolls in a box of its own


def answers(certificate: Certificate) -> Markup:
    """Which shifts are safe, what breaks the others, what to change: three columns of sentences."""
    change = findings.changes(certificate)
    if not change:
        unknown = certificate.kind == "undecided"
        change = [
            "Write a rule for each unknown operation, or certify the parts on either side of it."
            if unknown and certificate.unknown
            else "Make the network a function of its input alone."
            if unknown
            else "Nothing."
        ]
    columns = (
        ("is-safe", "Which shifts are safe", [findings.safe(certificate)]),
        ("is-broken", "What breaks the others", findings.breaks(certificate)),
        ("is-change", "What to change", change),
    )
    return el(
        "div",
        [
            el("div", el("h3", title), [el("p", breakable(s)) for s in sentences], class_=css)
            for css, title, sentences in columns
        ],
        class_="answers",
    )


def staircase(certificate: Certificate) -> Markup | None:
    """The subgroup's way through the network, where the obstacles make up the whole of it."""
    c = certificate
    level = [1] * len(c.shape)
    stages: list[tuple[str, tuple[int, ...]]] = []
    walls: list[tuple[int, str]] = []
    for o in c.obstacles:
        if o.removable:
            walls.append((len(stages), o.module or "model"))
            continue
        now = [math.lcm(a, b) for a, b in zip(level, o.after, strict=True)]
        if now != level:
            level = now
            stages.append((o.module or o.cause, tuple(level)))
    if not stages or tuple(level) != tuple(c.potential):
        return None
    steps = ", ".join(f"{strides_text(strides, c.shape)} after {module}" for module, strides in stages)
    title = (
        f"Strides left on the way through the network, were every padding circular: {steps}. {len(walls)} paddings "
        "stand in the way."
    )
    keys = [
        el("li", el("i", class_="steps"), "the shifts that survive so far, were every padding circular (lower is more)")
    ]
    if walls:
        keys.append(el("li", el("i", class_="wall"), "a padding: as it stands, it alone leaves only the shift by 0"))
    return Markup(
        el("h3", "Where the shifts are lost, from input to output")
        + el("ul", keys, class_="keys")
        + el(
            "div",
            charts.staircase(c.shape, stages, walls, findings.axis_labels(len(c.shape)), title),
            class_="chartbox",
        )
    )


def obstacles(certificate: Certificate) -> Markup:
    """Every obstacle, those of one source line in one row."""
    c = certificate
    if not c.obstacles:
        return el(
            "p",
            "None." if c.kind != "undecided" else "None are known: the derivation did not reach the output.",
            class_="soft",
        )
    groups = findings.group_obstacles(c.obstacles)
    heads = ("Where, and the line of code", "Cause", "Subgroup before → after", "Remedy", "Theorem")
    widths = el("colgroup", [el("col")] * len(heads))
    head = el("thead", el("tr", [el("th", h, scope="col") for h in heads]))
    table = el("table", widths, head, el("tbody", [_obstacle_row(g, c.shape) for g in groups]), class_="obstacles")
    return scroll(table, "Obstacles", tall=len(groups) > _TALL)


def _obstacle_row(group: ObstacleGroup, shape: tuple[int, ...]) -> Markup:
    o, several = group.first, len(group.obstacles) > 1
    where: list[object] = [el("strong", breakable(o.module or "the model itself"), class_="mono")]
    if several:
        where.append(el("span", f" and {len(group.obstacles) - 1} more", class_="soft"))
    messages = list(dict.fromkeys(x.message for x in group.obstacles))
    where += [source(o.source), el("span", messages[0] + ("" if len(messages) == 1 else " …"), class_="small soft")]
    if several:
        rows = [
            el(
                "tr",
                el("td", breakable(x.module or "the model itself"), class_="mono"),
                el("td", _step(x.before, x.after, shape), class_="nobreak"),
                el("td", x.message, class_="soft"),
            )
            for x in group.obstacles
        ]
        where.append(el("details", el("summary", f"all {len(rows)} modules"), el("table", el("tbody", rows))))
    badge = el("span", o.cause.replace("_", " "), class_=f"badge {'warn' if o.removable else 'bad'}")
    count = el("span", f" {len(group.obstacles)} times", class_="soft small nobreak") if several else None
    costs: list[object] = [_step(o.before, o.after, shape)]
    if not group.uniform:
        last = group.obstacles[-1]
        costs += [Markup("<br>"), el("span", "… ", class_="soft"), _step(last.before, last.after, shape)]
    remedy = breakable(o.remedy or "none known")
    cells = (
        (None, where),
        ("Cause", [badge, count]),
        ("Before → after", costs),
        ("Remedy", remedy),
        ("Theorem", el("code", breakable(o.theorem))),
    )
    return el("tr", [el("td", el("span", label, class_="label") if label else None, body) for label, body in cells])


def _step(before: tuple[int, ...], after: tuple[int, ...], shape: tuple[int, ...]) -> Markup:
    return el(
        "span",
        el("span", strides_text(before, shape), class_="nobreak"),
        " → ",
        el("span", strides_text(after, shape), class_="nobreak"),
    )


def source(line: SourceLine | None) -> Markup:
    """A source line with its code; says so where there is none."""
    if line is None:
        return el("div", "no line outside torch calls it", class_="soft small")
    place = el(
        "span",
        breakable(f"{line.short}:{line.line}"),
        class_="mono soft",
        title=f"in {line.function}" if line.function else None,
    )
    return el("div", place, el("code", line.code, class_="code") if line.code else None)


def unknown(operations: tuple[Unknown, ...]) -> Markup:
    """Operations without a rule, with the lines that call them."""
    rows = [
        el(
            "tr",
            el("td", el("code", breakable(u.operation))),
            el("td", el("strong", breakable(u.module or "the model itself"), class_="mono"), source(u.source)),
            el("td", u.reason),
        )
        for u in operations
    ]
    head = el("thead", el("tr", [el("th", h, scope="col") for h in ("Operation", "Where", "What is missing")]))
    return scroll(el("table", head, el("tbody", rows)), "Operations without a rule", tall=len(rows) > _TALL)


def outputs(certificate: Certificate) -> Markup | None:
    """What is known of each output, where there is more than one or it does more than stay."""
    c = certificate
    if len(c.outputs) < 2 and not any(o.actions for o in c.outputs):
        return None
    labels = findings.axis_labels(len(c.shape))
    rows = []
    for o in c.outputs:
        acts = [
            f"a shift by k in {labels[a]} rolls dim {d} by "
            f"{'k' if s == 1 else f'k/({s})' if s.denominator != 1 else f'k/{s}'}"
            for a, d, s in o.actions
        ]
        cells = (
            el("code", breakable(o.name)),
            " × ".join(map(str, o.shape)),
            o.kind,
            strides_text(o.strides, c.shape),
            "; ".join(acts) or "stays",
        )
        rows.append(el("tr", [el("td", cell) for cell in cells]))
    head = el("thead", el("tr", [el("th", h, scope="col") for h in ("Output", "Shape", "Kind", "Subgroup", "Action")]))
    return el(
        "div",
        el("h3", "Output by output"),
        scroll(el("table", head, el("tbody", rows)), "Outputs", tall=len(rows) > _TALL),
    )


def refutations(certificate: Certificate) -> Markup:
    """The tries behind "exact", collapsed."""
    c = certificate
    if c.refutations is None:
        return el("p", "Larger subgroups were not tried: the verdict is derived, and more may hold.", class_="soft")
    if not c.refutations:
        return el("p", "No larger subgroup exists: every circular shift is in it already.", class_="soft")
    refuted = sum(r.refuted for r in c.refutations)
    rows = []
    for r in c.refutations:
        ratio = "∞" if r.floor == 0 and r.error > 0 else "" if r.floor == 0 else number(r.error / r.floor)
        verdict = el(
            "span", "refuted" if r.refuted else "not refuted", class_=f"badge {'good' if r.refuted else 'warn'}"
        )
        cells = (shift_text(r.shift), str(r.prime), number(r.error), number(r.floor), ratio)
        rows.append(el("tr", [el("td", cell, class_="num") for cell in cells], el("td", verdict)))
    heads = ("Shift added", "Index", "Error", "Rounding floor", "Error / floor")
    head = el(
        "thead", el("tr", [el("th", h, scope="col", class_="num") for h in heads], el("th", "Outcome", scope="col"))
    )
    summary = el("summary", f"{refuted} of {len(rows)} minimal larger subgroups refuted{findings.measured(c, '; ')}")
    words = el(
        "p",
        "Any larger subgroup contains one of these: the subgroup above with one more shift added, of prime index. Each "
        "was run in float64; the error is "
        "what no roll of the output explains, beside what rounding alone does to the same run.",
        class_="soft small",
    )
    return el(
        "details",
        summary,
        words,
        scroll(el("table", head, el("tbody", rows)), "Refutations", tall=len(rows) > _TALL),
        class_="block",
    )


def scroll(table: Markup, label: str, tall: bool = False) -> Markup:
    """A table in a box that scrolls when it is too wide or too long; the keyboard can reach it."""
    return el("div", table, class_="scroll tall" if tall else "scroll", tabindex="0", role="region", aria_label=label)
