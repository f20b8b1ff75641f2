"""The page that leads to the pages: every network of the demonstration in a row, in the report's own style."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.resources import files
from typing import TYPE_CHECKING

from equiconv.certification.certificate import strides_text
from equiconv.report.html.markup import Markup, el
from equiconv.report.result import Audit

if TYPE_CHECKING:
    from equiconv.measurement.classification import Classification

_TITLE = "Which shifts do these networks ignore?"
_COLUMNS = (
    "Network",
    "Verdict",
    "Shifts that hold",
    "Were every padding circular",
    "Accuracy",
    "Right under every shift",
)


def index_page(audits: Sequence[tuple[str, Audit]]) -> str:
    """One self-contained page: a row for each ``(stem, audit)``, with links to ``stem.html`` and ``stem.json`` beside
    it."""
    style = Markup(files("equiconv.report.html").joinpath("style.css").read_text(encoding="utf-8"))
    body = el("tbody", [_row(stem, audit) for stem, audit in audits])
    table = el("table", el("thead", el("tr", [el("th", column) for column in _COLUMNS])), body)
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
            el("header", el("p", "equiconv", class_="eyebrow"), el("h1", _TITLE)),
            el(
                "main",
                el("p", "A row is a network; its page shows every obstacle in its own source line.", class_="lead"),
                el("section", el("div", table, class_="scroll", tabindex=0)),
            ),
            el("footer", "All shifts are circular: what leaves at one edge comes back at the other."),
        ),
        lang="en",
    )
    return f"<!doctype html>\n{page}\n"


def _row(stem: str, audit: Audit) -> Markup:
    certificate = audit.certificate
    known = certificate is not None and certificate.kind != "undecided"
    held = strides_text(certificate.strides, certificate.shape) if certificate is not None and known else "unknown"
    potential = (
        strides_text(certificate.potential, certificate.shape) if certificate is not None and known else "unknown"
    )
    accuracy, worst = _accuracies(audit.measurement.classification)
    return el(
        "tr",
        el(
            "th",
            el("a", audit.name, href=f"{stem}.html"),
            el("br"),
            el("a", "data", href=f"{stem}.json", class_="small"),
            scope="row",
        ),
        el("td", audit.headline),
        el("td", el("span", held, class_="mono nobreak")),
        el("td", el("span", potential, class_="mono nobreak")),
        el("td", accuracy, class_="num"),
        el("td", worst, class_="num"),
    )


def _accuracies(found: Classification | None) -> tuple[str, str]:
    """On the images as they are, and of images that are right under every shift measured; a dash where there are no
    labels."""
    if found is None or found.accuracy is None or found.worst_shift_accuracy is None:
        return "–", "–"
    return f"{found.accuracy:.1%}", f"{found.worst_shift_accuracy:.1%}"
