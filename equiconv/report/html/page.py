"""The page: its parts in the order in which a reader asks."""

from __future__ import annotations

import math
from importlib.resources import files

from equiconv.certification.certificate import strides_text
from equiconv.report import findings
from equiconv.report.figures import counterexample_rows, number, percent, percent_small, shift_text
from equiconv.report.html import borders, charts, evidence, layers, sections
from equiconv.report.html.markup import Child, Markup, el
from equiconv.report.result import Audit

_SCRIPT = """
for (const button of document.querySelectorAll("[data-copies]")) {
  button.hidden = !navigator.clipboard;
  button.addEventListener("click", async () => {
    await navigator.clipboard.writeText(document.getElementById(button.dataset.copies).textContent);
    button.textContent = "Copied";
    setTimeout(() => { button.textContent = "Copy"; }, 1600);
  });
}
addEventListener("beforeprint", () => { for (const d of document.querySelectorAll("details")) d.open = true; });
"""


def page(audit: Audit) -> str:
    """The whole page as text."""
    style = files("equiconv.report.html").joinpath("style.css").read_text(encoding="utf-8")
    head = el(
        "head",
        el("meta", charset="utf-8"),
        el("meta", name="viewport", content="width=device-width, initial-scale=1"),
        el("meta", name="generator", content=f"equiconv {audit.versions.get('equiconv', '')}".strip()),
        el("title", f"{audit.name}: which shifts are safe?"),
        el("style", Markup(style)),
    )
    parts = (
        _verdict(audit),
        _obstacles(audit),
        _scene(audit),
        _borders(audit),
        _maps(audit),
        _layers(audit),
        _counterexample(audit),
        _twin(audit),
        _exactness(audit),
        _record(audit),
    )
    body = el("body", _header(audit), el("main", parts), _footer(audit), el("script", Markup(_SCRIPT)))
    return "<!doctype html>\n" + el("html", head, body, lang="en") + "\n"


def _section(title: str, lead: Child, *children: Child) -> Markup:
    return el("section", el("h2", title), el("p", lead, class_="lead") if lead else None, children)


def _badge(words: str, css: str) -> Markup:
    return el("span", words, class_=f"badge {css}")


def _badges(audit: Audit) -> list[Markup]:
    """The verdict in a word, how firm it is, and whether it was checked."""
    c, check = audit.certificate, audit.network.check
    if c is None or c.kind == "undecided":
        return [_badge("undecided", "warn")]
    found = [
        _badge("no symmetry", "bad") if c.kind == "none" else _badge(c.kind, "good"),
        _badge("exact", "good")
        if c.exact
        else _badge("derived" if c.refutations is None else "derived, larger not refuted", "warn"),
    ]
    if check is not None and check.violations:
        found.append(_badge("a claim fails", "bad"))
    elif check is not None and check.claims:
        found.append(_badge(f"{check.claims} claims checked", "good"))
    return found


def _header(audit: Audit) -> Markup:
    m = audit.measurement
    facts = [
        "input " + ", ".join(" × ".join(map(str, s)) for s in m.input_shapes),
        f"shifted along the dims {', '.join(map(str, m.axes))}",
        ", ".join(m.environment[k] for k in ("library", "device", "dtype") if k in m.environment),
        *([f"weights: {audit.weights}"] if audit.weights else []),
        *audit.notes,
    ]
    return el(
        "header",
        el("p", "equiconv audit", class_="eyebrow"),
        el("h1", audit.headline),
        el("div", _badges(audit), class_="badges"),
        el("ul", [el("li", f) for f in facts], class_="facts"),
    )


def _notation(audit: Audit) -> Markup:
    shape = audit.measurement.shape
    example = " × ".join(["32Z"] * len(shape))
    both = " in each direction" if len(shape) > 1 else ""
    return el(
        "p",
        "A circular shift moves the input, and what leaves one edge comes back at the other. ",
        el("b", example, class_="nobreak"),
        f" stands for the shifts by multiples of 32{both}, Z for all of them, {{0}} for none but that by 0. A shift "
        "is safe where the output stays, or moves along with the input, whatever the input.",
        class_="soft small",
    )


def _cards(audit: Audit) -> Markup:
    """The key figures: safe shifts, safe shifts once mended, predictions, the largest error."""
    c, m = audit.certificate, audit.measurement
    cards: list[tuple[str, Child]] = []

    def count(strides: tuple[int, ...], shape: tuple[int, ...], words: str) -> None:
        subgroup = el("span", strides_text(strides, shape), class_="nobreak")
        cards.append((findings.share(strides, shape), [words, subgroup]))

    if c is not None and c.kind != "undecided":
        count(c.strides, c.shape, "circular shifts are safe: ")
        if findings.mendable(c):
            count(c.potential, c.shape, "would be with circular padding: ")
    if (k := m.classification) is not None:
        cards.append((percent(k.consistency), f"of predictions stay the same over the shifts measured ({m.chosen})"))
        if k.worst_shift_accuracy is not None:
            cards.append((percent(k.worst_shift_accuracy), "of images are right under every shift measured"))
    if not math.isnan(m.worst):
        worst, floor = ((percent_small(v / m.scale) if m.scale else number(v)) for v in (m.worst, m.floor))
        words = f"largest error measured, as a share of the largest output; rounding alone gives {floor}"
        cards.append((worst, words))
    return el(
        "div", [el("div", el("b", v), el("span", words), class_="figure") for v, words in cards], class_="figures"
    )


def _verdict(audit: Audit) -> Markup:
    c, check = audit.certificate, audit.network.check
    warning = None
    if check is not None and check.violations:
        words = (
            "A claim of the certificate fails on this input. That is an error of equiconv, and the verdict above "
            "cannot be trusted: "
        )
        warning = el("div", el("p", words + str(check)), class_="note", role="alert")
    if c is None:
        return el("section", _cards(audit), el("div", el("p", audit.refusal), class_="note"))
    notes = [el("div", el("p", note), class_="note") for note in c.notes]
    parts = (sections.answers(c), _notation(audit), notes, sections.staircase(c), sections.outputs(c))
    return el("section", _cards(audit), warning, parts)


def _obstacles(audit: Audit) -> Markup:
    c = audit.certificate
    if c is None:
        return Markup("")
    lines = {(o.source.file, o.source.line) for o in c.obstacles if o.source is not None}
    where = f", on {len(lines)} line{'s' if len(lines) > 1 else ''} of code" if lines else ""
    lead = f"{len(c.obstacles)} operations cost shifts{where}." if len(c.obstacles) > 1 else None
    if any(o.removable for o in c.obstacles):
        lead = (lead or "One operation costs shifts.") + (
            " Yellow ones are paddings, which can be made circular; each is shown with what would reach it were "
            "all others circular."
        )
    unknown: Child = None
    if c.unknown:
        unknown = [
            el("h3", "Operations without a rule"),
            sections.unknown(c.unknown),
            el("h3", "Obstacles found besides", style="margin-top:22px"),
        ]
    return _section("The obstacles", lead, unknown, sections.obstacles(c))


def _scene(audit: Audit) -> Markup:
    return _section("One input, and its shifted twin", None, evidence.scene(audit))


def _borders(audit: Audit) -> Markup:
    c = audit.certificate
    found = None if c is None else borders.interior(c, audit.scene.picture)
    if found is None:
        return Markup("")
    lead = (
        "An image has a border, and a translation brings in new pixels there. Where a position sees no border, it "
        "follows a translation by the stride exactly, as the network stands."
    )
    return _section("Without wrap-around", lead, found)


def _maps(audit: Audit) -> Markup:
    top = evidence.colour_top(audit)
    lead = "The largest change of an output under each shift, as a share of the largest output. Pale is small."
    legend = charts.legend(top, "error / largest output", "scale")
    return _section(
        "Errors over shifts",
        lead,
        legend,
        evidence.map_keys(audit.network),
        evidence.maps(audit.network, top, "as it stands"),
    )


def _layers(audit: Audit) -> Markup:
    lead = (
        "How far each tensor inside the network is from following a shift. Where the dots leave the dashed line, the "
        "symmetry is lost."
    )
    return _section("Errors layer by layer", lead, layers.layer_sections(audit.network, audit.twin))


def _counterexample(audit: Audit) -> Markup:
    found = audit.counterexample
    if found is None:
        return _section("The smallest counterexample", None, el("p", f"None: {audit.counterexample_note}."))
    rows = [el("tr", el("th", name, scope="row"), el("td", text)) for name, text in counterexample_rows(found)]
    return _section(
        "The smallest counterexample",
        f"The smallest input and shift found to fail, S being the shift by {shift_text(found.shift)}. The lines below "
        "show it in a fresh interpreter.",
        sections.scroll(el("table", el("tbody", rows), class_="compare"), "Counterexample"),
        el("h3", "Lines to paste", style="margin-top:22px"),
        el(
            "div",
            el("button", "Copy", type="button", data_copies="script"),
            el("pre", el("code", found.script, id="script"), tabindex="0", aria_label="Script of the counterexample"),
            class_="script",
        ),
    )


def _twin(audit: Audit) -> Markup:
    if audit.twin is None:
        table = evidence.comparison(audit.network, None)
        return _section(
            "The numbers",
            None,
            table,
            el("p", f"No circular twin: {audit.twin_reason}.", class_="soft", style="margin-top:14px"),
        )
    lead = (
        "The same network with every padding made circular, weights kept: equiconv.symmetrize(model, x). Accuracy must "
        "be looked at again, for the weights were made for the old padding."
    )
    top = evidence.colour_top(audit)
    c = audit.twin.certificate
    sentence = el("p", findings.headline(c, f"the circular twin of {audit.name}")) if c is not None else None
    return _section(
        "The circular twin",
        lead,
        sentence,
        evidence.comparison(audit.network, audit.twin),
        el("h3", "Its errors over the same shifts, on the same colour scale", style="margin-top:26px"),
        charts.legend(top, "error / largest output", "twin-scale"),
        evidence.map_keys(audit.twin),
        evidence.maps(audit.twin, top, "the circular twin"),
    )


def _exactness(audit: Audit) -> Markup:
    parts: list[Child] = []
    for title, side in (("As it stands", audit.network), ("The circular twin", audit.twin)):
        if side is None or side.certificate is None or side.certificate.kind == "undecided":
            continue
        parts += [el("h3", title) if audit.twin is not None else None, sections.refutations(side.certificate)]
        if side.check is not None:
            parts.append(el("p", f"Every claim, run on the input: {side.check}.", class_="soft small"))
    if not parts:
        return Markup("")
    lead = "What holds is derived from the graph; what is larger is tried by running the network."
    return _section("Why to believe it", lead, parts)


def _record(audit: Audit) -> Markup:
    m = audit.measurement
    what = el("ul", [el("li", s) for s in audit.remarks])
    rows = [*audit.versions.items(), *((k, v) for k, v in m.environment.items()), ("seed", str(audit.seed))]
    rows += [(f"seconds to {k}", f"{v:g}") for k, v in audit.seconds.items()]
    table = el("table", el("tbody", [el("tr", el("th", k, scope="row"), el("td", v)) for k, v in rows]))
    block = el(
        "details", el("summary", "versions, environment and times"), sections.scroll(table, "Versions"), class_="block"
    )
    return _section("What was sampled, and with what", None, what, block)


def _footer(audit: Audit) -> Markup:
    words = (
        "certify: derived from the graph, for every input. falsify: a concrete input and shift that fail. measure: how "
        "large the failure is, beside rounding. symmetrize: mend it."
    )
    return el("footer", el("p", f"Made by equiconv {audit.versions.get('equiconv', '')}. {words}"))
