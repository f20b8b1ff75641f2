"""falsify: search for the smallest input and shift for which a function does not follow the shift."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from random import Random
from typing import Any

from torch.utils import _pytree as pytree

from equiconv.arrays import is_complex
from equiconv.groups import Translation, TranslationSubgroup
from equiconv.measurement.actions import OutputAction, roll_amounts
from equiconv.measurement.rounding import BEYOND, own_roundoff
from equiconv.measurement.subject import Subject
from equiconv.testing.counterexample import Counterexample
from equiconv.testing.recipes import LITERAL, Dense, Sparse, nonzero_pixels
from equiconv.testing.script import locate, write_script
from equiconv.testing.strategies import shifts, sparse_pixels
from equiconv.testing.trials import Candidate, SpentError, Trials, Violation

__all__ = ["falsify"]

#: How often f is run, by default, in all.
RUNS = 200
_SEEDS = 3  # dense inputs that are drawn


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
    """Search for an input x and a shift S with f(S x) ≠ f(x), or ≠ S f(x), beyond rounding, and shrink it to the smallest.

    First Hypothesis draws inputs with a few non-zero entries, small integers, and shrinks what fails: towards a single 1 at the origin and the subgroup's generator. Where
    none fails, dense inputs follow: seeded random integers, then x itself, under generators and then under all shifts of the subgroup (or as many as the budget allows);
    a failure is traced to one step of the way from 0 to the shift (if the law held at every step it would hold for the whole), and the input is cut down.

    Parameters
    ----------
    f: a torch module in evaluation mode, a loaded exported program, or any function of arrays.
    x: an array, a tuple of arguments, or a dict of keyword arguments: shapes, dtypes, and the last resort for values. Of a batch, where f treats it as one, only the first
        entry is used.
    axes: dims that carry the shifts.
    subgroup: the shifts for which the law is doubted, as a subgroup of translations or its strides (a certificate's); None doubts all.
    seed: of everything random.
    max_examples: how often f may be run, in all.
    output_action: what a shift should do to the output, as in `equiconv.measure`.
    progress: called with a line of text as the work goes on, and with the outcome.
    name: what to write in the script to get f: ``"package.module:expression"``, or lines of Python that bind ``model``. None finds what can be imported.

    Returns
    -------
    The counterexample, or None: no failure was found within the budget, which proves nothing.

    Raises
    ------
    TypeError, ValueError: what `equiconv.measure` refuses; a subgroup that holds only the shift by 0, or for none of whose shifts the action on the output is defined;
        max_examples below 10; a name that is no Python.

    Examples
    --------
    >>> import torch, equiconv as eq
    >>> net = torch.nn.Sequential(torch.nn.Conv2d(1, 1, 3, padding=1, bias=False), torch.nn.AdaptiveAvgPool2d(1)).eval()
    >>> found = eq.falsify(net, torch.zeros(1, 1, 8, 8))
    >>> found.law, found.shift, found.pixels
    ('f(S x) = f(x)', (0, 1), (((0, 0, 0, 0), 1),))
    """
    if isinstance(max_examples, bool) or not isinstance(max_examples, int) or max_examples < 10:
        raise ValueError(f"max_examples: must be a number of runs of f of at least 10, got {max_examples!r}")
    say = progress or (lambda _text: None)
    subject = Subject.of(f, x, axes)
    locate(subject.f, name)  # a name that is no Python is refused before the work
    doubted = _subgroup(subject, subgroup)
    trials = Trials(_single(subject), output_action, max_examples, seed, say)
    tested = _testable(trials, doubted)
    found = _sparse(trials, tested, seed) or _dense(trials, tested, seed)
    if found is None:
        refused = f"; f did not accept {trials.refused} of the inputs" if trials.refused else ""
        say(f"no counterexample in {trials.used} runs{refused}")
        return None
    say(f"counterexample found in {trials.used} runs")
    return _report(trials, found, name, output_action)


def _single(subject: Subject) -> Subject:
    """The function on one entry of the batch, where it treats dim 0 as one."""
    index = subject.sole()
    if index is None or subject.leaves[index].shape[0] < 2:
        return subject
    base = subject.run()
    whole = subject.batched(base, [own_roundoff(part) for part in base], BEYOND)
    return subject.first() if whole else subject


def _subgroup(subject: Subject, subgroup: TranslationSubgroup | Sequence[int] | None) -> TranslationSubgroup:
    group = subject.group
    if subgroup is None:
        found = group.full()
    elif isinstance(subgroup, TranslationSubgroup):
        if subgroup.group != group:
            raise ValueError(f"subgroup: is one of {subgroup.group}, but x is shifted by {group}; make it with Translations({group.shape}).subgroup(strides)")
        found = subgroup
    else:
        try:
            found = group.subgroup(subgroup)
        except (TypeError, ValueError) as error:
            raise type(error)(f"subgroup: {error}") from error
    if found.is_trivial:
        raise ValueError(f"subgroup: {found} holds only the shift by 0, under which nothing can change; name smaller strides")
    return found


def _testable(trials: Trials, doubted: TranslationSubgroup) -> tuple[TranslationSubgroup, ...]:
    """For each output, the shifts in doubt for which its action is defined; the largest first, without repeats."""
    action = trials.action(trials.given())
    group = doubted.group
    found = {doubted & group.subgroup(action.strides(i)): None for i in range(len(action.parts))}
    kept = sorted((k for k in found if not k.is_trivial), key=lambda k: -k.order)
    if not kept:
        sizes = [tuple(part.value.shape) for part in action.parts]
        raise ValueError(
            f"output_action: for no shift in {doubted} but 0 does a grid of the output ({sizes}) move by whole points, so there is no law to falsify; "
            'pass output_action="invariant" or a function'
        )
    return tuple(kept)


# Sparse inputs ----------------------------------------------------------------------------------------------------------


def _sparse(trials: Trials, tested: Sequence[TranslationSubgroup], seed: int) -> Violation | None:
    """The smallest failure on an input with a few entries, by Hypothesis; half of the budget goes into looking, all of it into shrinking."""
    from hypothesis import Phase, find, settings
    from hypothesis import strategies as st
    from hypothesis.errors import NoSuchExample

    subject, total = trials.subject, trials.limit
    trials.limit = total // 2
    shapes = [tuple(int(n) for n in subject.leaves[i].shape) for i in subject.moved]
    strategy = st.tuples(st.one_of([shifts(k) for k in tested]), *(sparse_pixels(shape) for shape in shapes))

    def fails(drawn: tuple[Any, ...]) -> bool:
        shift, *signals = drawn
        try:
            wrong = trials.violation(_candidate(signals), shift) is not None
        except SpentError:
            return False
        if wrong:
            trials.limit = total
        return wrong

    options = settings(database=None, max_examples=max(1, total // 4), deadline=None, phases=(Phase.generate, Phase.shrink))
    try:
        shift, *signals = find(strategy, fails, settings=options, random=Random(seed))
    except NoSuchExample:
        return None
    finally:
        trials.limit = total
    found = trials.violation(_candidate(signals), shift)
    assert found is not None  # remembered
    return _one_step(trials, found, tested)


def _candidate(signals: Iterable[Any]) -> Candidate:
    return tuple(Sparse(tuple(sorted(pixels))) for pixels in signals)


# Dense inputs -----------------------------------------------------------------------------------------------------------


def _dense(trials: Trials, tested: Sequence[TranslationSubgroup], seed: int) -> Violation | None:
    found = None
    try:
        for candidate, shift in _dense_tries(trials, tested, seed):
            found = trials.violation(candidate, shift)
            if found is not None:
                break
        if found is not None:
            found = _one_step(trials, found, tested)
            for simplify in (_round, _cut, _thin):
                found = simplify(trials, found)
    except SpentError:
        pass
    return found


def _dense_tries(trials: Trials, tested: Sequence[TranslationSubgroup], seed: int) -> Iterator[tuple[Candidate, Translation]]:
    """Random integers and x itself under generators; then all the shifts there are, or uniform draws of them, on each in turn."""
    drawn = [tuple(Dense(seed + i) for _ in trials.subject.moved) for i in range(_SEEDS)]
    candidates = [*drawn, trials.given()]
    generators = _generators(tested)
    for candidate in candidates:
        for shift in generators:
            yield candidate, shift
    largest = tested[0]
    room = trials.limit - trials.used
    if largest.order <= room:
        rest = [g for g in largest.elements() if any(g.shifts)]
    else:
        rest = largest.sample(room, seed)
    for candidate in (trials.given(), *drawn):
        for shift in rest:
            yield candidate, shift


def _generators(tested: Sequence[TranslationSubgroup]) -> list[Translation]:
    found = dict.fromkeys(g for k in tested for g in k.generators())
    return sorted(found, key=lambda g: (sum(g.shifts), g.shifts))


def _one_step(trials: Trials, found: Violation, tested: Sequence[TranslationSubgroup]) -> Violation:
    """The failure of a single generator behind that of a longer shift.

    With y₀ = x, …, y_m = g·x one generator apart, f(y_m) ≠ ρ(g) f(y₀) means that some step fails, since ρ(gh) = ρ(g)ρ(h). Halving the way finds it.
    """
    best = found
    try:
        while (halves := _halves(best.shift, tested)) is not None:
            first, second = halves
            smaller = trials.violation(best.recipe, first) or trials.violation(trials.moved_by(best.recipe, first), second)
            if smaller is None:
                break  # the error is spread so thinly over the steps that none of them stands out of the rounding
            best = smaller
    except SpentError:
        pass
    return best


def _halves(shift: Translation, tested: Sequence[TranslationSubgroup]) -> tuple[Translation, Translation] | None:
    """Two shorter shifts, of the first subgroup that holds this one, whose product it is; None for a generator."""
    home = next((k for k in tested if shift in k), None)
    if home is None:
        return None
    counts = [k // s for k, s in zip(shift.shifts, home.strides, strict=True)]
    if sum(counts) < 2:
        return None
    if sum(c > 0 for c in counts) > 1:
        last = max(a for a, c in enumerate(counts) if c)
        part = [k if a == last else 0 for a, k in enumerate(shift.shifts)]
    else:
        part = [c // 2 * s for c, s in zip(counts, home.strides, strict=True)]
    first = shift.group.element(tuple(part))
    return first, shift * first.inverse()


def _round(trials: Trials, found: Violation) -> Violation:
    """Whole numbers in place of the given ones."""
    if any(is_complex(trials.subject.leaves[i]) for i in trials.subject.moved):
        return found
    if not any(isinstance(r, Dense) and r.seed is None for r in found.recipe):
        return found
    candidate = tuple(replace(r, rounded=True) if isinstance(r, Dense) else r for r in found.recipe)
    return trials.violation(candidate, found.shift) or found


def _cut(trials: Trials, found: Violation) -> Violation:
    """The smallest box that still fails, zero outside it: each end is moved in by halving steps."""
    best = found
    shapes = [tuple(int(n) for n in trials.subject.leaves[i].shape) for i in trials.subject.moved]
    for which, shape in enumerate(shapes):
        recipe = best.recipe[which]
        if not isinstance(recipe, Dense):
            continue
        for dim, n in enumerate(shape):
            for end in (1, 0):
                step = n // 2
                while step:
                    inner = _inside(best, which, shape, dim, end, step)
                    smaller = inner and trials.violation(inner, found.shift)
                    best, step = (smaller, step) if smaller else (best, step // 2)
    return best


def _inside(best: Violation, which: int, shape: Sequence[int], dim: int, end: int, step: int) -> Candidate | None:
    """The candidate with one end of its box moved in; None where nothing would be left of it."""
    recipe = best.recipe[which]
    assert isinstance(recipe, Dense)
    box = [list(ends) for ends in (recipe.box or tuple((0, n) for n in shape))]
    box[dim][end] += -step if end else step
    if box[dim][0] >= box[dim][1]:
        return None
    smaller = replace(recipe, box=tuple((a, b) for a, b in box))
    return (*best.recipe[:which], smaller, *best.recipe[which + 1 :])


def _thin(trials: Trials, found: Violation) -> Violation:
    """Where few entries are left: as few of them as still fail, each a 1 where that still fails."""
    leaves = trials.leaves(found.recipe)
    pixels = [nonzero_pixels(leaves[i], LITERAL) for i in trials.subject.moved]
    if any(p is None for p in pixels):
        return found
    literal = tuple(Sparse(p) for p in pixels if p is not None)
    best = trials.violation(literal, found.shift)
    if best is None:
        return found
    try:
        for which in range(len(literal)):
            best = _thinned(trials, best, which)
    except SpentError:
        pass
    return best


def _thinned(trials: Trials, best: Violation, which: int) -> Violation:
    def attempt(pixels: Sequence[Any]) -> Violation | None:
        candidate = (*best.recipe[:which], Sparse(tuple(pixels)), *best.recipe[which + 1 :])
        return trials.violation(candidate, best.shift)

    def current() -> list[Any]:
        recipe = best.recipe[which]
        assert isinstance(recipe, Sparse)
        return list(recipe.pixels)

    for place in reversed(range(len(current()))):
        kept = current()
        best = attempt(kept[:place] + kept[place + 1 :]) or best
    for place, (index, value) in enumerate(current()):
        if value != 1:
            kept = current()
            best = attempt([*kept[:place], (index, 1), *kept[place + 1 :]]) or best
    return best


# Report -----------------------------------------------------------------------------------------------------------------


def _report(trials: Trials, found: Violation, name: str | None, rule: OutputAction) -> Counterexample:
    subject = trials.subject
    action = trials.action(found.recipe)
    moves = action.moves(found.index)
    law = "f(S x) = ρ(S) f(x)" if callable(rule) else "f(S x) = S f(x)" if moves else "f(S x) = f(x)"
    roll = None
    if moves:
        amounts = roll_amounts(action.sizes(found.index), subject.group.shape, found.shift.shifts)
        assert amounts is not None  # the action was defined for the shift
        roll = action.dims[found.index], amounts
    leaves = trials.leaves(found.recipe)
    pixels = [nonzero_pixels(leaves[i], LITERAL) for i in subject.moved]
    args, kwargs = pytree.tree_unflatten(leaves, subject.spec)
    return Counterexample(
        name=subject.name, law=law, shift=found.shift.shifts, axes=subject.axes, x=kwargs or (args[0] if len(args) == 1 else args),
        pixels=pixels[0] if len(pixels) == 1 else None, output=found.part.label, expected=found.expected, got=found.got,
        error=found.error, floor=found.floor,
        script=write_script(
            subject, dict(zip(subject.moved, found.recipe, strict=True)), found.shift.shifts, found.part, roll,
            rule if callable(rule) else None, law, found.error, found.floor, name,
        ),
        runs=trials.used, complete=not trials.spent,
    )  # fmt: skip
