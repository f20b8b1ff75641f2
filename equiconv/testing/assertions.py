"""Assertions about symmetries of any callable: a network, a layer, a function of another package.

Each tries the generators of a group, all of a small one and a sample of a large one, on inputs of several kinds; compares with a bound that is found by
itself; searches for the smallest counterexample; and returns the report, so that a test can look further.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from equiconv.measurement.actions import OutputAction
from equiconv.measurement.outputs import left_out
from equiconv.measurement.subject import Subject
from equiconv.testing import ledger, profiles
from equiconv.testing.comparison import Origin, bound_text, compare, rate, reported
from equiconv.testing.derivatives import Gradient
from equiconv.testing.evaluations import Choice, What, chosen, evaluation_of, law_of, trials_of
from equiconv.testing.falsification import falsify
from equiconv.testing.generic import on_generic_input
from equiconv.testing.inputs import example_of, is_strategy, over_examples, require_options
from equiconv.testing.report import EquivarianceReport, LawFailure, VacuousWarning
from equiconv.testing.shrinking import smallest
from equiconv.testing.storage import inside_hypothesis
from equiconv.testing.symmetries import GroupLike, Shifting, axes_for, domain_of

__all__ = ["assert_equivariant", "assert_invariant", "equivariance_error"]

_LEAST_SEARCH = 40


def equivariance_error(
    f: Callable[..., Any],
    input: Any,
    *,
    group: GroupLike = None,
    axes: int | Iterable[int] = (-2, -1),
    output_action: OutputAction = "natural",
    what: What | Sequence[What] = "value",
    tolerance: float | None = None,
    samples: int = 0,
    seed: int = 0,
    progress: Callable[[str], None] | None = None,
) -> EquivarianceReport:
    """Compare f(g x) with ρ(g) f(x), and return what came out as data. Nothing is asserted; `assert_equivariant` does.

    Parameters
    ----------
    f: a torch module in evaluation mode, a loaded exported program, or any function of arrays (NumPy, CuPy, torch).
    input: an array; a tuple of arguments or a dict of keyword arguments; or a shape, for seeded values in the dtype of the module's weights (float64 in
        NumPy where f is no module). One pixel, small integers and standard normals of the same shape are tried besides.
    group: None for every circular shift along `axes`; a subgroup of `Translations`, or its strides; a certificate, for the shifts that it claims; a list
        of shifts; or `Symmetry` objects, such as `rotations()`.
    axes: dims that carry the shifts; an argument without them stays as it is. Symmetry objects do not use them.
    output_action: what a shift should do to the output: ``"natural"`` (an output with the input's rank rolls on its own grid, any other stays),
        ``"invariant"``, ``"equivariant"``, or a function of the shift and the output.
    what: what is compared. ``"value"``: what f returns. Of torch functions also: ``"gradient"``, of ⟨f(x), v⟩ by the inputs (it moves as they do) and by a
        module's weights (it stays); ``"second gradient"``, double backward; ``"derivative"`` and ``"second derivative"``, the same beside finite
        differences; ``"compiled"`` by torch.compile, ``"vmapped"`` by torch.func.vmap and ``"autocast"`` to bfloat16, each also beside the plain call. Or
        several of them: the report is that of the first, and holds the others in ``also``. Derivatives are taken on normals alone, and noise is added to a
        given input: at a tie (equal values under a max pooling) a gradient is not unique. Symmetries must then be orthogonal maps.
    tolerance: the largest difference allowed. None: 256 times the rounding floor, which is found by running f with random rounding (8 times under
        autocast, and for torch's 16-bit dtypes).
    samples: how many independent uniform draws, apart from the rest, to base a failure rate on; 0 for none.
    seed: of everything random. progress: called with a line of text as the work goes on.

    How much is tried is the profile's to say (`equiconv.testing.profiles`): generators first, then the whole of a small group, or a sample.

    Raises
    ------
    TypeError, ValueError: what `equiconv.measure` refuses; an f that is random; a group that is none of the above, or of another grid; an action that the
        output cannot have.

    Examples
    --------
    >>> import numpy as np
    >>> from equiconv.testing import equivariance_error
    >>> blur = lambda x: (x + np.roll(x, 1, -1) + np.roll(x, -1, -1)) / 3
    >>> report = equivariance_error(blur, (6, 6))
    >>> report.verdict, report.law, report.coverage
    ('verified', 'f(S x) = S f(x)', 'all 36 shifts')
    >>> crop = lambda x: x[1:-1]
    >>> equivariance_error(crop, (6, 6), output_action="invariant").verdict
    'failed'
    """
    say = progress or (lambda _text: None)
    require_options(tolerance, samples, seed)
    if is_strategy(input):
        raise TypeError(
            "input: is a Hypothesis strategy, which assert_equivariant draws from; pass an array, arguments or a shape"
        )
    reports = [
        _Setup.of(f, input, group, axes, output_action, seed, one).report(tolerance, samples, say)
        for one in chosen(what)
    ]
    return replace(reports[0], also=tuple(reports[1:]))


def assert_equivariant(
    f: Callable[..., Any],
    input: Any,
    *,
    group: GroupLike = None,
    axes: int | Iterable[int] = (-2, -1),
    output_action: OutputAction = "natural",
    what: What | Sequence[What] = "value",
    tolerance: float | None = None,
    samples: int = 0,
    vacuous: str = "warn",
    search: bool = True,
    seed: int = 0,
    name: str | None = None,
) -> EquivarianceReport:
    """Assert that f(g x) = ρ(g) f(x) for the elements g of a group, beyond what rounding explains.

    Where the comparison finds nothing, a search follows (`falsify`), on inputs with a few entries. Either way a failure is shrunk to the smallest input
    and shift, with lines to paste that reproduce it.

    Parameters
    ----------
    f, group, axes, output_action, what, tolerance, samples, seed: as in `equivariance_error`. Of several in `what` each is asserted, in order.
    input: as there; or a Hypothesis strategy for one of those, whose examples are tried and shrunk.
    vacuous: what to do where the law holds and could not have failed, for the output does not depend on the input, or nothing moves: ``"warn"``
        (`VacuousWarning`), ``"error"`` or ``"ignore"``.
    search: whether to search for a counterexample where the comparison found none. It is not searched for with a tolerance, nor for Symmetry objects, nor in a
        test under ``@given``, which Hypothesis shrinks itself.
    name: how a script gets f: see `equiconv.falsify`.

    Returns
    -------
    The report: what was tried, the largest error beside its bound, the failure rate where `samples` asked for one.

    Raises
    ------
    LawFailure: an AssertionError with ``report`` and ``counterexample``. TypeError, ValueError: as `equivariance_error`; a vacuous test, where that is
        an error, is a LawFailure too.

    Examples
    --------
    >>> import torch
    >>> from equiconv.testing import assert_equivariant
    >>> layer = torch.nn.Conv2d(3, 8, 3, padding=1, padding_mode="circular").eval()
    >>> assert_equivariant(layer, (1, 3, 8, 8)).verdict
    'verified'
    >>> layer.padding_mode = "zeros"
    >>> assert_equivariant(layer, (1, 3, 8, 8))
    Traceback (most recent call last):
    equiconv.testing.report.LawFailure: Conv2d: f(S x) = S f(x) fails in ...
    """
    __tracebackhide__ = True  # pytest then shows the caller's line and not ours
    if vacuous not in ("warn", "error", "ignore"):
        raise ValueError(f"vacuous: got {vacuous!r}; pass 'warn', 'error' or 'ignore'")
    require_options(tolerance, samples, seed)
    if samples and is_strategy(input):
        raise ValueError(
            "samples: of inputs that Hypothesis draws no rate can be claimed, for they are not independent; pass an array or a shape"
        )
    reports = []
    for one in chosen(what):
        report = _asserted(f, input, (group, axes, output_action, seed, one), tolerance, samples, search, name)
        reports.append(judged(report, vacuous))
    return replace(reports[0], also=tuple(reports[1:]))


def _asserted(
    f: Any,
    input: Any,
    options: tuple[Any, ...],
    tolerance: float | None,
    samples: int,
    search: bool,
    name: str | None,
) -> EquivarianceReport:
    """The report on one thing that is compared, with a counterexample where it fails. options: of `_Setup.of`."""

    def compared(value: Any) -> EquivarianceReport:
        return _Setup.of(f, value, *options).report(tolerance, 0, lambda _text: None)

    def searched(value: Any, report: EquivarianceReport) -> EquivarianceReport:
        wanted = report.compared and (search or not report.passed)
        return _Setup.of(f, value, *options).searched(report, tolerance, name) if wanted else report

    if is_strategy(input):
        report, example = over_examples(compared, input, options[3])
        return report if report.passed else searched(example, report)
    setup = _Setup.of(f, input, *options)
    return searched(input, setup.report(tolerance, samples, lambda _text: None))


def assert_invariant(
    f: Callable[..., Any], input: Any, *, group: GroupLike = None, **options: Any
) -> EquivarianceReport:
    """Assert that f(g x) = f(x): `assert_equivariant` with an output that stays as it is.

    Parameters and errors are those of `assert_equivariant`, without ``output_action``.

    >>> import torch
    >>> from equiconv.testing import assert_invariant
    >>> net = torch.nn.Sequential(torch.nn.Conv2d(1, 4, 3, padding=1, padding_mode="circular"), torch.nn.AdaptiveAvgPool2d(1)).eval()
    >>> assert_invariant(net, (1, 1, 6, 6)).law
    'f(S x) = f(x)'
    """
    __tracebackhide__ = True
    if "output_action" in options:
        raise TypeError(
            'output_action: assert_invariant is assert_equivariant with output_action="invariant"; call that one to pass another'
        )
    return assert_equivariant(f, input, group=group, output_action="invariant", **options)


def judged(report: EquivarianceReport, vacuous: str) -> EquivarianceReport:
    """Keep the report for the summary of a test run; raise it where the law fails, and say so where it could not have."""
    __tracebackhide__ = True
    ledger.add(report)
    if not report.passed or (report.vacuous and vacuous == "error"):
        raise LawFailure(report)
    if report.vacuous and vacuous == "warn":
        warnings.warn(
            f"{report.name}: {report.law} holds, and could not have failed: {report.vacuous}",
            VacuousWarning,
            stacklevel=3,
        )
    return report


@dataclass(frozen=True, eq=False)
class _Setup:
    """A function, the inputs it is tried on, the symmetries, and what is compared."""

    evaluation: Choice
    inputs: list[tuple[str, list[Any], Origin]]
    law: str
    rule: OutputAction
    seed: int
    notes: tuple[str, ...]

    @classmethod
    def of(
        cls,
        f: Any,
        input: Any,
        group: GroupLike,
        axes: int | Iterable[int],
        rule: OutputAction,
        seed: int,
        what: What,
    ) -> _Setup:
        value, given = example_of(f, input, seed)
        subject = Subject.of(f, value, axes_for(group, axes))
        try:
            raw = subject.output()
        except Exception as error:
            if not given and subject.library == "numpy":
                shape = subject.example.shape
                error.add_note(
                    f"input: the shape {shape} stands for a float64 array of NumPy, since f is no torch module; for a function of torch tensors pass "
                    f"torch.randn{shape}"
                )
            raise
        parts = subject.parts(raw)
        domain = domain_of(subject, group, rule, parts, raw)
        evaluation = evaluation_of(what, subject, domain, seed)
        if evaluation.what != "value":
            # What cannot be differentiated, compiled or mapped at all is no matter of the input: let its error out.
            evaluation.start(evaluation.subject.leaves, False)
        law = law_of(evaluation, domain.law(parts, raw))
        lost = dict.fromkeys(left_out(raw))
        notes = (
            (f"what f returns holds {', '.join(lost)} besides arrays, of which nothing is compared",) if lost else ()
        )
        return cls(evaluation, trials_of(evaluation, given, seed), law, rule, seed, notes)

    def report(self, tolerance: float | None, samples: int, say: Callable[[str], None]) -> EquivarianceReport:
        """Compare, and say what came out."""
        profile, evaluation, seed = profiles.current(), self.evaluation, self.seed
        subject, domain = evaluation.subject, evaluation.domain
        coverage = domain.coverage(max(4, profile.runs // len(self.inputs)), profile.exhaustive, seed)
        rows = compare(evaluation, self.inputs, coverage.elements, tolerance, say)
        return reported(
            subject,
            rows,
            law=self.law,
            group=domain.text,
            coverage=coverage,
            what=evaluation.what,
            bound=bound_text(tolerance, evaluation.beyond),
            rate=rate(evaluation, samples, tolerance, seed) if samples else None,
            notes=(*self.notes, *evaluation.notes),
        )

    def searched(self, report: EquivarianceReport, tolerance: float | None, name: str | None) -> EquivarianceReport:
        """The report with the smallest counterexample that a search finds. Under ``@given`` it is Hypothesis that searches and shrinks."""
        if inside_hypothesis():
            return report
        subject, domain = self.evaluation.subject, self.evaluation.domain
        if type(domain) is Shifting and tolerance is None and self.evaluation.what == "value":
            runs = max(_LEAST_SEARCH, profiles.current().runs // 2)
            args, kwargs = subject.arguments()
            found = falsify(
                subject.f,
                kwargs or args,
                subject.axes,
                domain.tried,
                self.seed,
                runs,
                output_action=self.rule,
                name=name,
            )
            return replace(
                report,
                counterexample=found,
                searched="" if found else f"no counterexample in {runs} runs on inputs with a few entries",
            )
        if report.passed:
            return report
        if isinstance(self.evaluation, Gradient):
            return replace(
                report,
                counterexample=on_generic_input(self.evaluation, self.inputs, report, self.rule, self.seed, name),
            )
        failing = [g for j, g in enumerate(report.elements) if report.failed[:, j].any()]
        return replace(report, counterexample=smallest(self.evaluation, failing, tolerance, self.law, name, self.seed))
