"""falsify: search for the smallest input and shift for which a function does not follow the shift."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from random import Random
from typing import Any

from torch.utils import _pytree as pytree

from equiconv.arrays import is_complex
from equiconv.groups import Translation, TranslationSubgroup
from equiconv.measurement.actions import OutputAction
from equiconv.measurement.outputs import largest_difference
from equiconv.measurement.subject import Subject
from equiconv.testing.counterexample import Counterexample
from equiconv.testing.recipes import LITERAL, Dense, Sparse, nonzero_pixels
from equiconv.testing.script import locate, write_script
from equiconv.testing.storage import hypothesis_storage, inside_hypothesis
from equiconv.testing.strategies import shifts, sparse_pixels
from equiconv.testing.symmetries import roll_of
from equiconv.testing.trials import Candidate, Trials, Violation

__all__ = ["RUNS", "falsify"]

#: How often f is run in all, where the caller does not say.
RUNS = 200
_KEPT = 16
_FEWEST = 20
_DRAWN = 3  # dense inputs of random integers


def falsify(
    f: Callable[..., Any],
    x: Any,
    axes: int | Sequence[int] = (-2, -1),
    subgroup: TranslationSubgroup | Sequence[int] | None = None,
    seed: int = 0,
    max_examples: int = RUNS,
    output_action: OutputAction = "natural",
    progress: Callable[[str], None] | None = None,
    name: str | None = None,
) -> Counterexample | None:
    """Search for an input x and a shift S with f(S x) ≠ f(x), or ≠ S f(x), beyond rounding, and shrink them.

    First Hypothesis draws inputs with a few non-zero entries, small integers, and shrinks what fails, towards a single
    1 at the origin and a generator of the subgroup. Where none fails, dense inputs follow: seeded random integers, then
    x itself, under the generators and then under every shift (or as many as the budget allows). A failure is traced to
    one step on the way from 0 to its shift (were the law to hold at every step, it would hold for the whole), and the
    input is cut down to the smallest box and the fewest entries that still fail.

    Parameters
    ----------
    f: a torch module in evaluation mode, a loaded exported program, or any function of arrays.
    x: an array, a tuple of arguments, or a dict of keyword arguments: it gives shapes and dtypes, and the last resort
        for values. Of a batch, where f treats dim 0 as one, only the first entry is used.
    axes: dims that carry the shifts.
    subgroup: the shifts in doubt, as a subgroup of translations or its strides (those of a certificate). None doubts
    all.
    seed: of everything random.
    max_examples: how often f may be run in all, at least 20.
    output_action: what a shift should do to the output, as in `equiconv.measure`.
    progress: called with a line of text as the work goes on, and with the outcome.
    name: what to write in the script to get f: ``"package.module:expression"``, or lines of Python that bind ``model``.
        None looks for it where it can be imported from.

    Returns
    -------
    The counterexample, or None where no failure was found within the budget, which proves nothing.

    Raises
    ------
    TypeError, ValueError: what `equiconv.measure` refuses; an f that is random; a subgroup that holds only the shift by
        0, or for none of whose shifts the action on the output is defined; too few runs; a name that is no Python.

    Examples
    --------
    >>> import torch, equiconv as eq
    >>> net = torch.nn.Sequential(torch.nn.Conv2d(1, 1, 3, padding=1, bias=False), torch.nn.AdaptiveAvgPool2d(1)).eval()
    >>> found = eq.falsify(net, torch.zeros(1, 1, 8, 8))
    >>> found.law, found.shift, found.pixels
    ('f(S x) = f(x)', (0, 1), (((0, 0, 0, 0), 1),))
    """
    if isinstance(max_examples, bool) or not isinstance(max_examples, int) or max_examples < _FEWEST:
        raise ValueError(f"max_examples: must be a number of runs of f, at least {_FEWEST}, got {max_examples!r}")
    say = progress or (lambda _text: None)
    subject = Subject.of(f, x, axes)
    locate(subject.f, name)  # a name that is no Python is refused before the work
    doubted = _subgroup(subject, subgroup)
    trials = Trials(subject, output_action, max_examples, seed, say)
    trials.one_entry()
    tested = _testable(trials, doubted)
    trials.require_steady(trials.given())
    # Under @given the test's own examples are drawn and shrunk, and Hypothesis refuses another search inside.
    found = (None if inside_hypothesis() else _sparse(trials, tested, seed)) or _dense(trials, tested, seed)
    if found is None:
        refused = f"; f did not accept {trials.refused} of the inputs" if trials.refused else ""
        say(f"no counterexample in {trials.used} runs{refused}")
        return None
    counterexample = _report(trials, found, name, output_action)
    say(f"counterexample found in {trials.used} runs")
    return counterexample


def _subgroup(subject: Subject, subgroup: TranslationSubgroup | Sequence[int] | None) -> TranslationSubgroup:
    group = subject.group
    if subgroup is None:
        found = group.full()
    elif isinstance(subgroup, TranslationSubgroup):
        if subgroup.group != group:
            raise ValueError(
                f"subgroup: is one of {subgroup.group}, but x is shifted by {group}; "
                f"make it with Translations({group.shape}).subgroup(strides)"
            )
        found = subgroup
    else:
        try:
            found = group.subgroup(subgroup)
        except (TypeError, ValueError) as error:
            raise type(error)(f"subgroup: {error}") from error
    if found.is_trivial:
        raise ValueError(
            f"subgroup: {found} holds only the shift by 0, under which nothing changes; name smaller strides"
        )
    return found


def _testable(trials: Trials, doubted: TranslationSubgroup) -> tuple[TranslationSubgroup, ...]:
    """For each output the shifts in doubt for which its action is defined; the most first, without repeats."""
    parts, action = trials.unshifted(trials.given())
    found = {doubted & doubted.group.subgroup(action.strides(i)): None for i in range(len(parts))}
    kept = sorted((k for k in found if not k.is_trivial), key=lambda k: -k.order)
    if not kept:
        raise ValueError(
            f"output_action: for no shift in {doubted} but 0 does the output's grid "
            f"({', '.join(str(tuple(p.value.shape)) for p in parts)}) move by whole points, so there is no law; "
            'pass output_action="invariant" or a function'
        )
    return tuple(kept)


# Sparse inputs -------------------------------------------------------------------------------------------------------


def _sparse(trials: Trials, tested: Sequence[TranslationSubgroup], seed: int) -> Violation | None:
    """The smallest failure on an input with a few entries. A third of the budget is for looking, all but a few runs for shrinking."""
    from hypothesis import Phase, find, settings
    from hypothesis import strategies as st
    from hypothesis.errors import NoSuchExample

    trials.limit = trials.total // 3
    strategy = st.tuples(st.one_of([shifts(k) for k in tested]), *(sparse_pixels(shape) for shape in trials.shapes()))

    def fails(drawn: tuple[Any, ...]) -> bool:
        shift, *signals = drawn
        wrong = trials.violation(_candidate(signals), shift) is not None
        if wrong:
            trials.limit = trials.total - kept
        return wrong

    kept = min(_KEPT, trials.total // 4)  # for what Hypothesis does not do: one step of the way, and single entries
    most, phases = max(1, trials.total // 4), (Phase.generate, Phase.shrink)
    options = settings(database=None, max_examples=most, deadline=None, phases=phases)
    try:
        with hypothesis_storage():
            shift, *signals = find(strategy, fails, settings=options, random=Random(seed))
        trials.cut_short = trials.spent
    except NoSuchExample:
        return None
    finally:
        trials.limit = trials.total
    found = trials.violation(_candidate(signals), shift)
    assert found is not None  # the verdict is remembered
    return _thin(trials, _one_step(trials, found, tested))


def _candidate(signals: Iterable[Any]) -> Candidate:
    return tuple(Sparse(tuple(sorted(pixels))) for pixels in signals)


# Dense inputs --------------------------------------------------------------------------------------------------------


def _dense(trials: Trials, tested: Sequence[TranslationSubgroup], seed: int) -> Violation | None:
    for candidate, shift in _dense_tries(trials, tested, seed):
        found = trials.violation(candidate, shift)
        if found is not None:
            found = _one_step(trials, found, tested)
            return _thin(trials, _cut(trials, _round(trials, found)))
        if trials.spent:
            break
    return None


def _dense_tries(
    trials: Trials, tested: Sequence[TranslationSubgroup], seed: int
) -> Iterator[tuple[Candidate, Translation]]:
    """Random integers, then x itself, under generators; then x, then the integers, under all shifts or uniform
    draws."""
    drawn = [trials.drawn(seed + i) for i in range(_DRAWN)]
    generators = sorted(
        dict.fromkeys(g for k in tested for g in k.generators()), key=lambda g: (sum(g.shifts), g.shifts)
    )
    for candidate in (*drawn, trials.given()):
        yield from ((candidate, shift) for shift in generators)
    room = trials.limit - trials.used
    rest = tested[0].elements() if tested[0].order <= room else tested[0].sample(room, seed)
    moving = [g for g in rest if any(g.shifts)]
    for candidate in (trials.given(), *drawn):
        yield from ((candidate, shift) for shift in moving)


def _one_step(trials: Trials, found: Violation, tested: Sequence[TranslationSubgroup]) -> Violation:
    """The failure of a single generator behind that of a longer shift.

    With y₀ = x, …, y_m = g·x one generator apart, f(y_m) ≠ ρ(g) f(y₀) means that some step fails, since ρ(gh) =
    ρ(g)ρ(h). Halving the way finds it, unless the error is spread so thinly over the steps that none stands out of the
    rounding.
    """
    best = found
    while (halves := _halves(best.shift, tested)) is not None:
        first, second = halves
        smaller = trials.violation(best.candidate, first)
        smaller = smaller or trials.violation(trials.moved_by(best.candidate, first), second)
        if smaller is None:
            break
        best = smaller
    return best


def _halves(shift: Translation, tested: Sequence[TranslationSubgroup]) -> tuple[Translation, Translation] | None:
    """Two shorter shifts whose product is this one, in the first subgroup that holds it; None for a generator."""
    home = next(k for k in tested if shift in k)
    steps = [k // s for k, s in zip(shift.shifts, home.strides, strict=True)]
    if sum(steps) < 2:
        return None
    last = max(a for a, c in enumerate(steps) if c)
    if sum(c > 0 for c in steps) > 1:
        part = tuple(k if a == last else 0 for a, k in enumerate(shift.shifts))
    else:
        part = tuple(c // 2 * s for c, s in zip(steps, home.strides, strict=True))
    first = shift.group.element(part)
    return first, shift * first.inverse()


def _round(trials: Trials, found: Violation) -> Violation:
    """Whole numbers in place of the given values."""
    like = [trials.subject.leaves[i] for i in trials.subject.moved]
    pairs = zip(found.candidate, like, strict=True)
    whole = tuple(
        replace(r, rounded=True) if isinstance(r, Dense) and r.seed is None and not is_complex(v) else r
        for r, v in pairs
    )
    return found if whole == found.candidate else trials.violation(whole, found.shift) or found


def _cut(trials: Trials, found: Violation) -> Violation:
    """The smallest box that still fails, zero outside it: each end is moved in by halving steps."""
    best = found
    for which, shape in enumerate(trials.shapes()):
        for dim, n in enumerate(shape):
            for end in (1, 0):
                step = n // 2
                while step:
                    inner = _inside(best.candidate, which, shape, dim, end, step)
                    smaller = inner and trials.violation(inner, best.shift)
                    if smaller:
                        best = smaller
                    else:
                        step //= 2
    return best


def _inside(candidate: Candidate, which: int, shape: Sequence[int], dim: int, end: int, step: int) -> Candidate | None:
    """The candidate with one end of one box moved in; None where nothing would be left in it."""
    recipe = candidate[which]
    assert isinstance(recipe, Dense)
    box = [list(ends) for ends in (recipe.box or [(0, n) for n in shape])]
    box[dim][end] += -step if end else step
    if box[dim][0] >= box[dim][1]:
        return None
    cut = replace(recipe, box=tuple((start, stop) for start, stop in box))
    return (*candidate[:which], cut, *candidate[which + 1 :])


def _thin(trials: Trials, found: Violation) -> Violation:
    """Where few entries are left: as few of them as still fail, each a 1 where that still fails."""
    leaves = trials.leaves(found.candidate)
    signals = []
    for index in trials.subject.moved:
        pixels = nonzero_pixels(leaves[index], LITERAL)
        if pixels is None:
            return found
        signals.append(pixels)
    literal = trials.violation(_candidate(signals), found.shift)
    if literal is None:
        return found
    best = literal
    for which in range(len(signals)):
        for pixel in reversed(_pixels(best, which)):
            best = _attempt(trials, best, which, [p for p in _pixels(best, which) if p != pixel])
        for place, _ in _pixels(best, which):
            best = _attempt(trials, best, which, [(i, 1 if i == place else v) for i, v in _pixels(best, which)])
    return best


def _pixels(found: Violation, which: int) -> list[tuple[tuple[int, ...], Any]]:
    recipe = found.candidate[which]
    assert isinstance(recipe, Sparse)
    return list(recipe.pixels)


def _attempt(trials: Trials, best: Violation, which: int, pixels: Sequence[Any]) -> Violation:
    """The failure with other entries in one argument, where it still fails; else the same as before."""
    changed = (*best.candidate[:which], Sparse(tuple(pixels)), *best.candidate[which + 1 :])
    return best if changed == best.candidate else trials.violation(changed, best.shift) or best


# Report --------------------------------------------------------------------------------------------------------------


def _report(trials: Trials, found: Violation, name: str | None, rule: OutputAction) -> Counterexample:
    subject, complete = trials.subject, not (trials.spent or trials.cut_short)
    trials.require_steady(found.candidate, found.shift)
    parts, action = trials.unshifted(found.candidate)
    part, expected = parts[found.index], action.expected(found.shift.shifts)[found.index]
    got = trials.shifted(found.candidate, found.shift)[found.index].value
    assert expected is not None  # the action is defined for a shift that was judged
    error = largest_difference(got, expected)
    roll = roll_of(action, found.index, subject.group.shape, found.shift.shifts)
    law = "f(S x) = ρ(S) f(x)" if callable(rule) else "f(S x) = S f(x)" if roll else "f(S x) = f(x)"
    leaves = trials.leaves(found.candidate)
    args, kwargs = pytree.tree_unflatten(leaves, subject.spec)
    moved = [leaves[i] for i in subject.moved]
    script = write_script(
        subject,
        dict(zip(subject.moved, found.candidate, strict=True)),
        found.shift.shifts,
        part,
        roll,
        rule if callable(rule) else None,
        law,
        f"found: {error:.6g}, rounding explains {found.floor:.2g}",
        name,
    )
    return Counterexample(
        name=subject.name,
        law=law,
        shift=found.shift.shifts,
        axes=subject.axes,
        x=kwargs or (args[0] if len(args) == 1 else args),
        pixels=nonzero_pixels(moved[0], LITERAL) if len(moved) == 1 else None,
        output=part.label,
        expected=expected,
        got=got,
        error=error,
        floor=found.floor,
        script=script,
        runs=trials.used,
        complete=complete,
    )
