"""The page that leads to the pages: every network of the demonstration, in the report's own style."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.resources import files

from equiconv.certification.certificate import strides_text
from equiconv.report.html.markup import Markup, el
from equiconv.report.result import Audit

_TITLE = "Which shifts do these networks ignore?"


def index_page(audits: Sequence[tuple[str, Audit]]) -> str:
    """One self-contained page: a part for each ``(stem, audit)``, with links to ``stem.html`` and ``stem.json`` beside
    it.
    """
    style = Markup(files("equiconv.report.html").joinpath("style.css").read_text(encoding="utf-8"))
    lead = "Each network's page shows what breaks the other shifts, in its own source lines, and what mends it."
    page = el(
        "html",
        el(
            "head",
            el("meta", charset="utf-8"),
            el("meta", name="viewport", content="width=device-width, initial-scale=1"),
            el("title", f"equiconv: {_TITLE}"),
            el("style", style),
        ),
        el(
            "body",
            el("header", el("p", "equiconv", class_="eyebrow"), el("h1", _TITLE), el("p", lead, class_="lead")),
            el("main", [_part(stem, audit) for stem, audit in audits]),
            el("footer", "All shifts are circular: what leaves at one edge comes back at the other."),
        ),
        lang="en",
    )
    return f"<!doctype html>\n{page}\n"


def _part(stem: str, audit: Audit) -> Markup:
    figures = [el("div", el("b", value), el("span", what), class_="figure") for value, what in _figures(audit)]
    links = [el("a", "the page", href=f"{stem}.html"), ", ", el("a", "its data", href=f"{stem}.json")]
    return el(
        "section",
        el("h2", el("a", audit.name, href=f"{stem}.html")),
        el("p", audit.headline),
        el("div", figures, class_="figures", style="margin-bottom: 12px"),
        el("p", links, class_="small"),
    )


def _figures(audit: Audit) -> list[tuple[str, str]]:
    """Numbers and what they are: the subgroups where something is certified, the accuracies where there are labels."""
    found: list[tuple[str, str]] = []
    certificate = audit.certificate
    if certificate is not None and certificate.kind != "undecided":
        found.append((strides_text(certificate.strides, certificate.shape), "the shifts that hold"))
        potential = strides_text(certificate.potential, certificate.shape)
        found.append((potential, "that would hold, were every padding circular"))
    predictions = audit.measurement.classification
    if predictions is not None:
        if predictions.accuracy is not None and predictions.worst_shift_accuracy is not None:
            found.append((f"{predictions.accuracy:.1%}", "accuracy on the images as they are"))
            found.append(
                (f"{predictions.worst_shift_accuracy:.1%}", "of the images are right under every shift measured")
            )
        else:
            found.append((f"{predictions.consistency:.1%}", "of the predictions stay, over the shifts measured"))
    return found
