"""The atlas as one self-contained page: the findings, and a table that sorts and filters."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib.resources import files
from typing import Any

from benchmarks.atlas.findings import causes, decided, potentials, respects
from equiconv.certification.certificate import strides_text
from equiconv.report.html.markup import Markup, breakable, el

_TITLE = "Which shifts do the world’s vision models respect?"
_STYLE = """
main, header, footer { max-width: 1480px; }
.controls { display: flex; flex-wrap: wrap; gap: 10px 16px; align-items: center; margin: 0 0 12px; }
.controls input, .controls select { font: inherit; font-size: 14px; padding: 5px 9px; border: 1px solid var(--rule); border-radius: 6px; }
.controls input, .controls select { background: var(--card); color: var(--ink); }
.controls label { flex: 1 1 280px; max-width: 420px; display: flex; gap: 8px; align-items: center; } .controls input { flex: 1; min-width: 0; }
#atlas { font-size: 13px; min-width: 1260px; } #atlas td { overflow-wrap: break-word; } #atlas .badge { white-space: nowrap; }
#atlas td:nth-child(6), #atlas td:nth-child(8) { min-width: 172px; } #atlas td > .soft { display: block; }
#atlas thead button { all: unset; cursor: pointer; } #atlas thead button:focus-visible { outline: 2px solid var(--link); }
#atlas thead [aria-sort=ascending] button::after { content: " ▲"; } #atlas thead [aria-sort=descending] button::after { content: " ▼"; }
.scroll.tall { max-height: 80vh; }
.bars { display: grid; grid-template-columns: max-content 1fr; gap: 4px 12px; align-items: center; font-size: 13.5px; }
.bars i { display: inline-block; height: 11px; border-radius: 2px; background: var(--series-good); vertical-align: -1px; margin-right: 8px; }
.bars.lost i, .bars i.lost { background: var(--series-bad); }
"""
_SCRIPT = """
const table = document.getElementById("atlas"), body = table.tBodies[0], all = [...body.rows];
const words = document.getElementById("words"), verdict = document.getElementById("verdict"), count = document.getElementById("count");
function filter() {
  const wanted = words.value.toLowerCase().split(/\\s+/).filter(Boolean);
  let shown = 0;
  for (const row of all) {
    const text = row.textContent.toLowerCase();
    const keep = wanted.every(w => text.includes(w)) && (!verdict.value || row.dataset.verdict.split(" ").includes(verdict.value));
    row.hidden = !keep;
    shown += keep;
  }
  count.textContent = `${shown} of ${all.length} models`;
}
words.addEventListener("input", filter);
verdict.addEventListener("change", filter);
for (const head of table.tHead.rows[0].cells) head.firstChild.addEventListener("click", () => {
  const up = head.getAttribute("aria-sort") !== "ascending", column = head.cellIndex;
  for (const other of head.parentNode.cells) other.removeAttribute("aria-sort");
  head.setAttribute("aria-sort", up ? "ascending" : "descending");
  const key = row => row.cells[column].dataset.v ?? row.cells[column].textContent;
  const order = (a, b) => a !== "" && b !== "" && !isNaN(a) && !isNaN(b) ? a - b : String(a).localeCompare(String(b));
  body.append(...all.sort((a, b) => (up ? 1 : -1) * order(key(a), key(b))));
});
filter();
"""
#: The letters of a subgroup that holds the shift by 0 alone.
_NOTHING = frozenset("{0} ×")
_HEADS = (
    "Family", "Model", "Parameters", "Input", "As it stands", "Broken by", "Were padding circular", "Then broken by", "Confirmed", "Seconds", "MB",
)  # fmt: skip


def page(lines: Sequence[Mapping[str, Any]], rows: Sequence[Mapping[str, Any]], findings: Sequence[str]) -> str:
    """The whole page as text. lines: the rows as in the table; rows: as they were recorded, in the same order."""
    style = files("equiconv.report.html").joinpath("style.css").read_text(encoding="utf-8") + _STYLE
    good = [row for row in rows if decided(row)]
    head = el(
        "head",
        el("meta", charset="utf-8"),
        el("meta", name="viewport", content="width=device-width, initial-scale=1"),
        el("title", f"equiconv atlas: {_TITLE}"),
        el("style", Markup(style)),
    )
    lead = (
        "Each row is certified from the network’s own graph: 32Z × 32Z stands for the circular shifts by multiples of 32 in each direction, Z for all, {0} for "
        "none but that by 0."
    )
    body = el(
        "body",
        el("header", el("p", "equiconv atlas", class_="eyebrow"), el("h1", _TITLE), el("p", lead, class_="lead")),
        el(
            "main",
            _figures(rows, good),
            el("section", el("h2", "Findings"), el("ul", [el("li", breakable(text)) for text in findings])),
            _charts(good),
            el("section", el("h2", "Every model"), _controls(), _table(lines, rows)),
        ),
        el(
            "footer", "Written by make atlas. All shifts are circular: what leaves at one edge comes back at the other."
        ),
        el("script", Markup(_SCRIPT)),
    )
    return f"<!doctype html>\n{el('html', head, body, lang='en')}\n"


def _figures(rows: Sequence[Mapping[str, Any]], good: Sequence[Mapping[str, Any]]) -> Markup:
    now = sum(respects(row["strides"], row["shape"]) for row in good)
    best = sum(respects(row["potential"], row["shape"]) for row in good)
    cards = [
        (f"{now} of {len(good)}", "decided models respect some shift as they stand"),
        (f"{best} of {len(good)}", "would, were every padding circular"),
        (f"{len(good)} of {len(rows)}", "models are decided; the others wait for a rule, or could not be captured"),
    ]
    return el(
        "div",
        [el("div", el("b", value), el("span", words), class_="figure") for value, words in cards],
        class_="figures",
    )


def _charts(good: Sequence[Mapping[str, Any]]) -> Markup:
    parts = (
        ("Shifts that would hold, were every padding circular", potentials(good), ""),
        ("What leaves nothing first, as they stand", causes(good, "breaks"), " lost"),
        ("What leaves nothing once padding wraps", causes(good, "then_breaks"), " lost"),
    )
    return el("section", [el("div", el("h3", title), _bars(pairs, css)) for title, pairs, css in parts], class_="two")


def _bars(pairs: Sequence[tuple[str, int]], css: str) -> Markup:
    most = max((n for _, n in pairs), default=1)
    bars = [
        (
            el("span", name, class_="nobreak"),
            el(
                "span",
                el("i", style=f"width: {70 * n / most:.1f}%", class_="lost" if set(name) <= _NOTHING else None),
                n,
            ),
        )
        for name, n in pairs
    ]
    return el("div", list(bars), class_=f"bars{css}")


def _controls() -> Markup:
    options = (
        ("", "all verdicts"),
        ("respects", "respects some shift"),
        ("none", "respects none"),
        ("mendable", "would respect some, were padding circular"),
        ("hopeless", "would not even then"),
        ("undecided", "undecided"),
        ("error", "not captured"),
    )
    return el(
        "div",
        el(
            "label", "Filter ", el("input", id="words", type="search", placeholder="family, model, cause, module, line")
        ),
        el(
            "select", [el("option", words, value=value) for value, words in options], id="verdict", aria_label="Verdict"
        ),
        el("span", "", id="count", class_="soft small", role="status"),
        class_="controls",
    )


def _table(lines: Sequence[Mapping[str, Any]], rows: Sequence[Mapping[str, Any]]) -> Markup:
    head = el("tr", [el("th", el("button", title, type="button"), scope="col") for title in _HEADS])
    body = [_row(line, row) for line, row in zip(lines, rows, strict=True)]
    table = el("table", el("thead", head), el("tbody", body), id="atlas")
    return el("div", table, class_="scroll tall", tabindex=0)


def _row(line: Mapping[str, Any], row: Mapping[str, Any]) -> Markup:
    good = decided(row)
    now, best = (_verdict(row, "strides", "kind"), _verdict(row, "potential", "potential_kind"))
    seconds = (row.get("export_seconds") or 0) + (row.get("derive_seconds") or 0)
    trouble = row.get("error") or ("no rule: " + line["unknown"] if line["unknown"] else "")
    cells = [
        el("td", breakable(line["family"])),
        el("td", breakable(line["model"])),
        el("td", f"{line['parameters'] / 1e6:,.1f} M", class_="num", data_v=line["parameters"]),
        el("td", line["input"].removeprefix("1×"), class_="nobreak"),
        el("td", now, data_v=_order(row, "strides")),
        el("td", _place(row.get("breaks")) if good else breakable(trouble)),
        el("td", best, data_v=_order(row, "potential")),
        el("td", _place(row.get("then_breaks")) if good else ""),
        el("td", _confirmed(line)),
        el("td", f"{seconds:.1f}" if seconds else "", class_="num", data_v=seconds),
        el("td", line["peak_mb"], class_="num"),
    ]
    return el("tr", cells, data_verdict=_tags(row))


def _tags(row: Mapping[str, Any]) -> str:
    if not decided(row):
        return "error" if "error" in row else "undecided"
    found = ["respects" if respects(row["strides"], row["shape"]) else "none"]
    found.append("mendable" if respects(row["potential"], row["shape"]) else "hopeless")
    return " ".join(found)


def _verdict(row: Mapping[str, Any], which: str, kind: str) -> Markup | list[Any]:
    if "error" in row:
        return el("span", "not captured", class_="badge plain")
    if row[kind] == "undecided":
        return el("span", "undecided", class_="badge warn")
    held = respects(row[which], row["shape"])
    badge = el("span", row[kind] if held else "nothing", class_=f"badge {'good' if held else 'bad'}")
    return [badge, " ", el("span", strides_text(row[which], row["shape"]), class_="nobreak")]


def _order(row: Mapping[str, Any], which: str) -> float:
    """Sort key: the share of all shifts that hold."""
    if not decided(row):
        return -1.0
    share = 1.0
    for s, n in zip(row[which], row["shape"], strict=True):
        share *= 1 / s if s < n else 1 / n
    return share


def _place(obstacle: Mapping[str, Any] | None) -> list[Any] | str:
    if not obstacle:
        return ""
    where = el("span", breakable(obstacle["line"]), class_="soft", title=f"{obstacle['message']}\n{obstacle['code']}")
    return [el("b", obstacle["cause"]), " ", breakable(obstacle["module"] or "the model"), " ", where]


def _confirmed(line: Mapping[str, Any]) -> list[str] | str:
    if line["exact"] == "":
        return ""
    words = {True: "exact", False: "lower bound"}
    return f"{words[line['exact']]}; circular: {words[line['potential_exact']]}"
