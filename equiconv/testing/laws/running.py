"""Hypothesis runs a law: seeded, without a database, and shrinks what fails."""

from __future__ import annotations

import zlib
from collections import Counter
from dataclasses import replace
from typing import Any, NoReturn

import numpy as np

from equiconv.testing.laws.record import Comparison, Crashed, Failure, Law, Refused, Row, Vacuous, first_line

__all__ = ["run_law"]


class _Broken(Exception):
    """An example breaks the law; Hypothesis tells failures apart by the type and the line that raised."""


class _Unwilling(Exception):
    """Nothing was accepted of a good many examples: it is no use to go on."""


_FEWEST = 3  # examples of a law: Hypothesis's first is all zeros, of which most laws hold trivially
_PATIENCE = 60  # examples that may be refused before one is accepted


class _Watch:
    """What was seen over the examples of one law."""

    def __init__(self, law: Law, subject: Any) -> None:
        self.law, self.subject = law, subject
        self.examples = 0
        self.reasons: Counter[str] = Counter()
        self.largest: float | None = None
        self.exact = True
        self.values: set[Any] = set()
        self.unwilling = False
        self.blind: str | None = None
        self.failure: Failure | None = None
        self.first: Failure | None = None

    def check(self, draw: Any) -> None:
        from hypothesis import reject
        from hypothesis.errors import HypothesisException

        if not self.examples and self.reasons.total() >= _PATIENCE:
            self.unwilling = True
            raise _Unwilling
        self.subject.case, self.subject.refusals = None, []
        try:
            comparisons = self.law.check(self.subject, draw)
        except Refused as refusal:
            self.reasons[str(refusal)] += 1
            reject()
        except Vacuous as vacuous:
            self.blind = str(vacuous)
            self.examples += 1
            return
        except Crashed as crash:
            self._crash(str(crash))
        except (HypothesisException, _Broken, _Unwilling):
            raise
        except Exception as error:  # noqa: BLE001 (a result of another shape or kind, of which the law's expressions can make nothing)
            self._crash(f"{first_line(error)}, where the law was evaluated on its results")
        self.examples += 1
        self.reasons.update(self.subject.refusals)
        for found in comparisons:
            if found.broken:
                self._fail(Failure(self.law, self.subject.name, found, None, found.shown, found.script()))
            self._note(found)

    def _crash(self, raised: str) -> NoReturn:
        case = self.subject.case
        shown, script = (tuple(case.shown), case.script()) if case else ((), "")
        self._fail(Failure(self.law, self.subject.name, None, raised, shown, script))

    def _note(self, found: Comparison) -> None:
        error = found.error
        self.exact &= error == 0
        ratio = error / found.bound if found.bound else 0.0
        self.largest = max(self.largest or 0.0, ratio)
        if len(self.values) < 2:
            self.values.update(np.asarray(found.got).reshape(-1)[:64].tolist())

    def _fail(self, failure: Failure) -> NoReturn:
        self.failure = failure
        self.first = self.first or failure
        raise _Broken


#: Largest sizes of a grid that a failure is looked for again on, to be read at a glance.
_CAPS = (1, 2, 3, 4, 6)


def run_law(law: Law, subject: Any, examples: int, seed: int, shrink: bool = True) -> Row:
    """Run a law on a subject, on this many examples that the subject accepts (or on fewer, where it refuses nine in ten).

    The row says what became of it. A failure is looked for again on the smallest grids first, and is what Hypothesis shrinks it to there; one that does not
    come again on the same example is a failure too, of a function whose result depends on what it was called on before.
    """
    reason = law.applies(subject)
    if reason is not None:
        return Row(law, subject.name, "skipped", reason=reason)
    row = _run(law, subject, examples, seed, shrink=False)
    if row.status != "failed" or not shrink:
        return row
    for cap in (*_CAPS, None):
        subject.cap = cap
        try:
            again = _run(law, subject, examples, seed, shrink=True)
        finally:
            subject.cap = None
        if again.status == "failed":
            return replace(again, examples=row.examples, refused=row.refused, reason=row.reason, largest=row.largest)
    return row  # it failed once, and does not any more


def _run(law: Law, subject: Any, examples: int, seed: int, shrink: bool) -> Row:
    from hypothesis import HealthCheck, Phase, given, settings
    from hypothesis import seed as seeded
    from hypothesis import strategies as st
    from hypothesis.errors import Flaky, Unsatisfiable

    watch = _Watch(law, subject)
    phases = (Phase.generate, Phase.shrink) if shrink else (Phase.generate,)
    options = settings(
        database=None,
        deadline=None,
        max_examples=max(_FEWEST, round(examples * law.share)) if law.share else 1,
        phases=phases,
        suppress_health_check=list(HealthCheck),
        report_multiple_bugs=False,
        print_blob=False,
    )

    @options
    @seeded(zlib.crc32(law.name.encode()) + seed)
    @given(st.data())
    def run(data: Any) -> None:
        watch.check(data.draw)

    notes: tuple[str, ...] = ()
    try:
        run()
    except (_Broken, _Unwilling, Unsatisfiable):
        pass
    except Flaky:
        # Hypothesis saw another course of events on the same example. Where it is not our own stop, f is random or keeps something of its calls.
        if not watch.unwilling:
            notes = (
                "called again on the same example it did something else: it is random, or keeps something of its calls",
            )
            watch.failure = watch.first or Failure(law, subject.name, None, "something else on the same example")
    refused = watch.reasons.total()
    said = _said(watch.reasons)
    if watch.failure is not None:
        found = watch.failure
        failure = Failure(
            law, subject.name, found.comparison, found.raised, found.shown, found.script, notes, shrink and not notes
        )
        return Row(law, subject.name, "failed", watch.examples, refused, said, watch.largest, False, failure)
    if not watch.examples:
        return Row(law, subject.name, "skipped", 0, refused, said or "no example could be made")
    status = "vacuous" if watch.blind or len(watch.values) < 2 else "passed"
    return Row(law, subject.name, status, watch.examples, refused, watch.blind or said, watch.largest, watch.exact)


def _said(reasons: Counter[str]) -> str | None:
    """The commonest refusals, with how often they came."""
    if not reasons:
        return None
    listed = [f"{text} ({count}×)" for text, count in reasons.most_common(2)]
    return "refused: " + "; ".join(listed) + ("; …" if len(reasons) > 2 else "")
