"""The numbers that are told of a network and of its circular twin, in the same words everywhere."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from equiconv.certification.certificate import strides_text
from equiconv.report import findings
from equiconv.report.result import Side
from equiconv.testing import Counterexample

_SHOWN = 6  # entries of a counterexample's input that are listed


def number(value: float) -> str:
    """Three figures.

    >>> number(0.0), number(12.3456), number(1.5e-7), number(float("nan"))
    ('0', '12.3', '1.5e-07', 'none comparable')
    """
    return "none comparable" if math.isnan(value) else "0" if value == 0 else f"{value:.3g}"


def percent(share: float | None) -> str:
    """A share as a percentage; empty for None."""
    return "" if share is None else f"{100 * share:.1f} %"


def percent_small(share: float) -> str:
    """A share that may be far below a percent.

    >>> percent_small(3.3e-7), percent_small(0.25), percent_small(0.0)
    ('0.000033 %', '25.0 %', '0 %')
    """
    if not 0 < share < 1e-3:
        return "0 %" if share == 0 else percent(share)
    return f"{100 * share:.{1 - math.floor(math.log10(100 * share))}f} %"


def shift_text(shift: tuple[int, ...]) -> str:
    """A shift as people write it.

    >>> shift_text((4,)), shift_text((0, -1))
    ('4', '(0, -1)')
    """
    return str(shift[0]) if len(shift) == 1 else str(shift)


def _subgroup(side: Side) -> str:
    c = side.certificate
    return (
        "" if c is None else "undecided" if c.kind == "undecided" else f"{strides_text(c.strides, c.shape)} ({c.kind})"
    )


def _safe(side: Side) -> str:
    c = side.certificate
    return "" if c is None or c.kind == "undecided" else findings.share(c.strides, c.shape)


def _exact(side: Side) -> str:
    c = side.certificate
    if c is None or c.kind == "undecided":
        return ""
    if c.refutations is None:
        return "larger subgroups were not tried"
    refuted = sum(r.refuted for r in c.refutations)
    tried = f"{refuted} of {len(c.refutations)} larger subgroups refuted"
    return f"yes, {tried}" if c.exact else f"no, {tried}; {findings.measured(c)}"


def _check(side: Side) -> str:
    return "" if side.check is None else str(side.check)


def _errors(side: Side) -> str:
    m = side.measurement
    if math.isnan(m.worst):
        return number(m.worst)
    return f"{number(m.worst)}, {number(m.percentile99)}, {number(m.median)}"


def _relative(side: Side) -> str:
    m = side.measurement
    return "" if math.isnan(m.worst) or not m.scale else percent_small(m.worst / m.scale)


def _beyond(side: Side) -> str:
    m = side.measurement
    compared = len(m.errors) - m.incomparable
    text = f"{int(m.beyond_rounding.sum())} of {compared}"
    if m.incomparable:
        text += f" ({m.incomparable} more are not comparable)"
    return (
        text
        if m.rate_bound is None
        else f"{text}: at 95 %, fewer than {percent(m.rate_bound)} of all shifts are, on these inputs"
    )


def _classification(attribute: str) -> Callable[[Side], str]:
    def read(side: Side) -> str:
        c = side.measurement.classification
        return "" if c is None else percent(getattr(c, attribute))

    return read


def _logit_error(side: Side) -> str:
    c = side.measurement.classification
    return "" if c is None else number(c.largest_logit_error)


def counterexample_rows(found: Counterexample) -> list[tuple[str, str]]:
    """A counterexample as (name, text)."""
    if found.pixels is None:
        given = "dense: see the lines"
    else:
        listed = [f"{value} at {index}" for index, value in found.pixels[:_SHOWN]]
        more = f" and {len(found.pixels) - _SHOWN} more entries" if len(found.pixels) > _SHOWN else ""
        given = f"zero but for {', '.join(listed)}{more}" if listed else "zero throughout"
    smallest = "ended by itself" if found.complete else "was cut off, so a smaller one may exist"
    return [
        ("law", found.law),
        ("shift", f"{shift_text(found.shift)} along the dims {shift_text(found.axes)}"),
        ("input", given),
        ("difference", f"{number(found.error)} in {found.output}; rounding explains {number(found.floor)}"),
        ("search", f"{found.runs} runs; it {smallest}"),
    ]


def table(network: Side, twin: Side | None) -> list[tuple[str, list[str]]]:
    """What is told of the network, and of its twin where there is one: (name, a text for each), without the lines that
    say nothing."""
    sides = [network] if twin is None else [network, twin]
    rows = [(name, [value(side) for side in sides]) for name, value in _NUMBERS]
    best = sides[-1].certificate
    if (
        best is not None
        and best.kind in ("invariant", "equivariant")
        and findings.order_of(best.strides, best.shape) > 1
    ):
        name = f"worst error under the shifts in {strides_text(best.strides, best.shape)} / largest output"
        rows.insert(_AFTER, (name, [_within(side, best.strides) for side in sides]))
    return [(name, cells) for name, cells in rows if any(cells)]


def _within(side: Side, strides: tuple[int, ...]) -> str:
    """The largest relative error over the measured shifts (0 apart) that lie in a subgroup."""
    errors = []
    for m in side.measurements:
        inside = (m.shifts % np.asarray(strides) == 0).all(axis=1) & (m.shifts != 0).any(axis=1)
        errors += [float(e) for e in m.relative[inside] if not math.isnan(e)]
    return f"{percent_small(max(errors))} ({len(errors)} of them measured)" if errors else "none of them was measured"


#: (name, text); a text may be empty, where there is nothing to say.
_NUMBERS: tuple[tuple[str, Callable[[Side], str]], ...] = (
    ("certified subgroup", _subgroup),
    ("safe shifts", _safe),
    ("exact", _exact),
    ("claims checked by running", _check),
    ("shifts measured", lambda side: side.measurement.chosen),
    ("of these, beyond rounding", _beyond),
    ("error: worst, 99th percentile, median", _errors),
    ("worst error / largest output", _relative),
    ("rounding floor of the output", lambda side: number(side.measurement.floor)),
    ("predictions that stay (consistency)", _classification("consistency")),
    ("largest logit error", _logit_error),
    ("accuracy, unshifted", _classification("accuracy")),
    ("accuracy over the shifts", _classification("shifted_accuracy")),
    ("right under every shift measured", _classification("worst_shift_accuracy")),
)
_AFTER = 1 + [name for name, _ in _NUMBERS].index("worst error / largest output")
