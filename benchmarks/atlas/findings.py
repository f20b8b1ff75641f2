"""What the rows say, in words and counts, computed from them alone."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from equiconv.certification.certificate import strides_text

Row = Mapping[str, Any]


@dataclass(frozen=True)
class Confirmation:
    """What running the models says.

    checked: models whose every claim was run. tried: those of them fast enough to try larger subgroups on. failed: names with an error. exact,
    exact_circular: names for which every larger subgroup was refuted, as it stands and as though every padding wrapped. claims: commuting squares run.
    contradictions: names with a claim that failed, which must be none. differ: names whose random weights gave another verdict than no weights did.
    """

    checked: list[str] = field(default_factory=list)
    tried: list[str] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)
    exact: list[str] = field(default_factory=list)
    exact_circular: list[str] = field(default_factory=list)
    claims: int = 0
    contradictions: list[str] = field(default_factory=list)
    differ: list[str] = field(default_factory=list)


def decided(row: Row) -> bool:
    """True for a row with a verdict."""
    return "error" not in row and row["kind"] != "undecided"


def respects(strides: Sequence[int], shape: Sequence[int]) -> bool:
    """True where some shift other than by 0 is respected.

    >>> respects((32, 32), (224, 224)), respects((224, 224), (224, 224))
    (True, False)
    """
    return any(s < n for s, n in zip(strides, shape, strict=True))


def confirmation(rows: Sequence[Row], confirmed: Mapping[str, Row]) -> Confirmation:
    """The confirmations of the rows' models, counted."""
    found = Confirmation()
    claims = 0
    for row in rows:
        record = confirmed.get(row["model"])
        if record is None or not decided(row):
            continue
        name = row["model"]
        if "error" in record:
            found.failed.append(name)
            continue
        found.checked.append(name)
        now, wrapped = record["as_is"], record["circular"]
        claims += now["claims"] + wrapped["claims"]
        if now["exact"] is not None:
            found.tried.append(name)
        if now["exact"]:
            found.exact.append(name)
        if wrapped["exact"]:
            found.exact_circular.append(name)
        if now["contradictions"] or wrapped["contradictions"]:
            found.contradictions.append(name)
        if (now["strides"], wrapped["strides"]) != (row["strides"], row["potential"]):
            found.differ.append(name)
    return Confirmation(**{**found.__dict__, "claims": claims})


def sentences(rows: Sequence[Row], confirmed: Mapping[str, Row], known: int, version: str) -> list[str]:
    """The findings, each a sentence or two. ``known``: architectures that the registry has in all."""
    families = {row["family"] for row in rows}
    good = [row for row in rows if decided(row)]
    failed = [row for row in rows if "error" in row]
    undecided = [row for row in rows if "error" not in row and not decided(row)]
    found = [
        f"{version}: {len(rows):,} of its {known:,} architectures, from {len(families)} families; {len(good)} are decided, {len(undecided)} undecided "
        f"(an operation without a rule), {len(failed)} could not be captured or ran over their limits."
    ]
    if not good:
        return found
    now = [row for row in good if respects(row["strides"], row["shape"])]
    best = [row for row in good if respects(row["potential"], row["shape"])]
    found.append(
        f"As they stand, {_share(now, good)} provably respect any circular shift but that by 0"
        + (f": {', '.join(row['model'] for row in now)}." if 0 < len(now) <= 12 else ".")
    )
    kinds = Counter(row["potential_kind"] for row in best)
    found.append(
        f"Were every padding circular, {_share(best, good)} would"
        + (f" ({', '.join(f'{n} {kind}' for kind, n in kinds.most_common())})." if kinds else ".")
    )
    spread = potentials(good)
    found.append(f"The shifts that would hold: {', '.join(f'{text} in {n}' for text, n in spread)}.")
    breaks, then = causes(good, "breaks"), causes(good, "then_breaks")
    found.append(f"What leaves nothing first, as they stand: {_counts(breaks)}.")
    if then:
        found.append(f"What leaves nothing once padding wraps: {_counts(then)}.")
    found.append(_one_change(good, now))
    c = confirmation(rows, confirmed)
    if c.checked:
        found.append(
            f"Run in float64 with random weights, as they stand and as though every padding wrapped: {c.claims:,} commuting squares of {len(c.checked)} "
            f"models, of which {len(c.contradictions)} contradict their certificate"
            + (f" ({', '.join(c.contradictions)})" if c.contradictions else "")
            + (f"; {len(c.failed)} failed to run ({', '.join(c.failed)})" if c.failed else "")
            + f". By brute force, every larger subgroup is refuted for {len(c.exact)} of {len(c.tried)} models as they stand, and for "
            f"{len(c.exact_circular)} of {len(c.tried)} as though every padding wrapped; the other {len(c.checked) - len(c.tried)} are too slow to try."
            + (f" With random weights the verdict differs for {', '.join(c.differ)}." if c.differ else "")
        )
    return found


def potentials(rows: Iterable[Row]) -> list[tuple[str, int]]:
    """How many models would respect which subgroup, were every padding circular; the most frequent first."""
    return Counter(strides_text(row["potential"], row["shape"]) for row in rows).most_common()


def causes(rows: Iterable[Row], run: str) -> list[tuple[str, int]]:
    """How many models a cause breaks: the first that leaves only the shift by 0 along an axis. run: ``breaks`` or ``then_breaks``."""
    return Counter(row[run]["cause"] for row in rows if row.get(run)).most_common()


def _one_change(good: Sequence[Row], now: Sequence[Row]) -> str:
    """The single change after which most models would respect something."""
    broken = [row for row in good if not respects(row["strides"], row["shape"])]
    if not broken:
        return "No change is needed: every model respects some shift."
    mended = [row for row in broken if respects(row["potential"], row["shape"])]
    text = (
        f"One change makes {len(mended)} of the {len(broken)} that respect nothing respect something: make every padding circular, weights kept "
        f"(then {len(now) + len(mended)} of {len(good)} do)."
    )
    rest = [row for row in broken if not respects(row["potential"], row["shape"])]
    if rest and (first := causes(rest, "then_breaks")):
        row = next(r for r in rest if r.get("then_breaks") and r["then_breaks"]["cause"] == first[0][0])
        text += (
            f" Of the other {len(rest)}, {first[0][1]} break first on the cause “{first[0][0]}”, as {row['model']} does: {row['then_breaks']['message']}"
            f" ({row['then_breaks']['line']})."
        )
    return text


def _share(part: Sequence[Row], whole: Sequence[Row]) -> str:
    return f"{len(part)} of {len(whole)} ({len(part) / len(whole):.0%})"


def _counts(pairs: Sequence[tuple[str, int]]) -> str:
    return ", ".join(f"{cause} in {n}" for cause, n in pairs)
