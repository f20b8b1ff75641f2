"""The numbers that are told of a network and of its circular twin, in the same words everywhere."""

from __future__ import annotations

import math
from collections.abc import Callable

from equiconv.certification.certificate import strides_text
from equiconv.report import findings
from equiconv.report.result import Side


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

    >>> percent_small(3.3e-7), percent_small(0.25)
    ('0.000033 %', '25 %')
    """
    return "0 %" if share == 0 else f"{100 * share:.2g} %" if share >= 1e-4 else f"{100 * share:.{1 - math.floor(math.log10(100 * share))}f} %"


def _subgroup(side: Side) -> str:
    c = side.certificate
    return "" if c is None else "undecided" if c.kind == "undecided" else f"{strides_text(c.strides, c.shape)} ({c.kind})"


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
    return ("yes" if c.exact else "no: a lower bound") + f", {refuted} of {len(c.refutations)} larger subgroups refuted"


def _check(side: Side) -> str:
    return "" if side.check is None else str(side.check)


def _errors(side: Side) -> str:
    m = side.measurement
    if math.isnan(m.worst):
        return number(m.worst)
    return f"{number(m.worst)}, {number(m.percentile99)}, {number(m.median)}"


def _relative(side: Side) -> str:
    m = side.measurement
    return "" if math.isnan(m.worst) or not m.scale else percent(m.worst / m.scale)


def _beyond(side: Side) -> str:
    m = side.measurement
    compared = len(m.errors) - m.incomparable
    text = f"{int(m.beyond_rounding.sum())} of {compared}"
    if m.incomparable:
        text += f" ({m.incomparable} more are not comparable)"
    return text if m.rate_bound is None else f"{text}: at 95 %, fewer than {percent(m.rate_bound)} of all shifts are, on these inputs"


def _classification(attribute: str) -> Callable[[Side], str]:
    def read(side: Side) -> str:
        c = side.measurement.classification
        return "" if c is None else percent(getattr(c, attribute))

    return read


def _logit_error(side: Side) -> str:
    c = side.measurement.classification
    return "" if c is None else number(c.largest_logit_error)


#: (name, text); a text may be empty, where there is nothing to say.
NUMBERS: tuple[tuple[str, Callable[[Side], str]], ...] = (
    ("certified subgroup", _subgroup),
    ("safe shifts", _safe),
    ("exact", _exact),
    ("claims checked by running", _check),
    ("shifts measured", lambda side: side.measurement.chosen),
    ("of these, beyond rounding", _beyond),
    ("error: worst, 99th percentile, median", _errors),
    ("worst error / largest output", _relative),
    ("rounding floor", lambda side: number(side.measurement.floor)),
    ("predictions that stay (consistency)", _classification("consistency")),
    ("largest logit error", _logit_error),
    ("accuracy, unshifted", _classification("accuracy")),
    ("accuracy over the shifts", _classification("shifted_accuracy")),
    ("right under every shift measured", _classification("worst_shift_accuracy")),
)
