"""Which symmetries a test tries, and how each acts on the input and on the output: translations of a grid, or maps that the caller names.

A *domain* knows the elements to try (generators first, then all of a small group, or a uniform sample) and how an element moves the arguments and
what it should do to the result.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol, TypeAlias

import numpy as np
from torch.utils import _pytree as pytree

from equiconv.arrays import Array, namespace
from equiconv.groups import Translation, Translations, TranslationSubgroup
from equiconv.measurement.actions import Action, OutputAction, roll_amounts
from equiconv.measurement.outputs import Part, copied, parts_of
from equiconv.measurement.subject import Subject

__all__ = [
    "Coverage",
    "Domain",
    "GroupLike",
    "Named",
    "Shifting",
    "Symmetry",
    "axes_for",
    "domain_of",
    "flips",
    "roll_of",
    "rotations",
]

#: What the assertions take as a group; see `assert_equivariant`.
GroupLike = Any


@dataclass(frozen=True)
class Symmetry:
    """A map of the input, and the map of the output that should go with it: f(act(x)) = act_output(f(x)).

    Parameters
    ----------
    name: in reports. act: of the input as f takes it: an array, or the tuple or dict of arguments. act_output: of what f returns; None where the output
        should stay as it is (invariance).

    written: how lines to paste write `act` of one array ``{x}`` of the library ``{lib}``, where it acts on every array alike and `act_output` likewise;
        None where they name the functions.

    Both must be orthogonal maps (permutations, rotations, changes of sign) where a test follows gradients.

    >>> import numpy as np
    >>> mirror = Symmetry("mirror", lambda x: x[..., ::-1], lambda y: y[..., ::-1])
    >>> mirror.act(np.array([1, 2, 3]))
    array([3, 2, 1])
    """

    name: str
    act: Callable[[Any], Any]
    act_output: Callable[[Any], Any] | None = None
    written: str | None = None

    def __repr__(self) -> str:
        return self.name


def rotations(axes: tuple[int, int] = (-2, -1), output: str = "equivariant") -> tuple[Symmetry, ...]:
    """The three rotations of a square image by multiples of 90°, the generator first. output: ``"equivariant"`` or ``"invariant"``.

    Raises `ValueError` for another word.

    >>> import numpy as np
    >>> rotations()[0], rotations()[0].act(np.array([[1, 2], [3, 4]])).tolist()
    (rotation by 90°, [[2, 4], [1, 3]])
    """
    a, b = axes
    return tuple(
        _on_arrays(f"rotation by {90 * k}°", _turn(k, axes), output, f"{{lib}}.rot90({{x}}, {k}, ({a}, {b}))")
        for k in (1, 2, 3)
    )


def flips(axes: int | Sequence[int] = (-2, -1), output: str = "equivariant") -> tuple[Symmetry, ...]:
    """A reflection of an image along each axis. output: ``"equivariant"`` or ``"invariant"``.

    >>> import numpy as np
    >>> flips(-1)[0].act(np.array([1, 2, 3])).tolist()
    [3, 2, 1]
    """
    dims = (axes,) if isinstance(axes, int) else tuple(axes)
    return tuple(_on_arrays(f"flip of dim {d}", _flip(d), output, f"{{lib}}.flip({{x}}, ({d},))") for d in dims)


def _turn(k: int, axes: tuple[int, int]) -> Callable[[Array], Array]:
    a, b = axes

    def turn(x: Array) -> Array:
        xp = namespace(x)
        if x.shape[a] != x.shape[b] and k % 2:
            raise ValueError(
                f"axes: an image of {x.shape[a]}×{x.shape[b]} cannot be turned by {90 * k}° and fit; pass a square one"
            )
        for _ in range(k):  # rotation by 90° from a to b is a transposition, then a reflection of a
            dims = list(range(x.ndim))
            dims[a], dims[b] = dims[b], dims[a]
            x = xp.flip(xp.permute_dims(x, tuple(dims)), axis=a)
        return x

    return turn


def _flip(dim: int) -> Callable[[Array], Array]:
    return lambda x: namespace(x).flip(x, axis=dim)


def _on_arrays(name: str, act: Callable[[Array], Array], output: str, written: str) -> Symmetry:
    if output not in ("equivariant", "invariant"):
        raise ValueError(
            f"output: got {output!r}; the output is 'equivariant' (moves as the input does) or 'invariant'"
        )

    def everywhere(value: Any) -> Any:
        return pytree.tree_map(lambda v: act(v) if hasattr(v, "ndim") else v, value)

    return Symmetry(name, everywhere, everywhere if output == "equivariant" else None, written)


@dataclass(frozen=True, eq=False)
class Coverage:
    """The elements that a test tries, and how they were chosen.

    text: for a report. complete: they are the whole group. generators: how many of the first are generators.
    """

    elements: tuple[Any, ...]
    text: str
    complete: bool
    generators: int


class Domain(Protocol):
    """Symmetries of one function on its arguments."""

    text: str

    def coverage(self, most: int, exhaustive: int, seed: int) -> Coverage:
        """At most so many elements to try; all of a group of at most `exhaustive`."""

    def draws(self, count: int, seed: int) -> Sequence[Any]:
        """Independent uniform draws with replacement."""

    def move(self, element: Any, leaves: Sequence[Any]) -> list[Any]:
        """The arguments after the element acted on them."""

    def expectation(self, parts: Sequence[Part], raw: Any) -> Callable[[Any], list[Array | None]]:
        """What each part of the output should be after an element, given the output before; None where ρ says nothing."""

    def law(self, parts: Sequence[Part], raw: Any) -> str:
        """The law in a line."""


Roll: TypeAlias = tuple[tuple[int, ...], tuple[int, ...]]


def roll_of(action: Action, index: int, grid: Sequence[int], shifts: Sequence[int]) -> Roll | None:
    """The dims and amounts by which a shift of the grid rolls one part of the output; None where it stays. The action is defined for the shift."""
    if not action.dims[index]:
        return None
    amounts = roll_amounts(action.sizes(index), tuple(grid), tuple(shifts))
    assert amounts is not None  # it is defined
    return (action.dims[index], amounts) if any(amounts) else None


class Shifting:
    """Translations of the axes, those of one subgroup."""

    def __init__(
        self, subject: Subject, rule: OutputAction, subgroup: TranslationSubgroup, parts: Sequence[Part], raw: Any
    ) -> None:
        self.subject, self.rule, self.subgroup = subject, rule, subgroup
        action = self._action(parts, raw)
        defined = [subgroup & subgroup.group.subgroup(action.strides(i)) for i in range(len(parts))]
        #: The shifts for which ρ is defined on some output: of an output with half as many points, every second.
        self.tried = max(defined, key=lambda k: k.order)
        self.text = str(self.tried)
        if self.tried != subgroup:
            self.text += f" (of {subgroup}: the output's grid moves by whole points for these alone)"

    def _action(self, parts: Sequence[Part], raw: Any) -> Action:
        s = self.subject
        return Action(self.rule, s.example.ndim, s.axes, s.group.shape, parts, raw)

    def coverage(self, most: int, exhaustive: int, seed: int) -> Coverage:
        """Generators, then all other shifts of a small subgroup, or a uniform sample of a large one."""
        generators = self.tried.generators()
        order = self.tried.order
        if order - 1 <= min(most, exhaustive):
            rest = [g for g in self.tried.elements() if any(g.shifts) and g not in generators]
            elements = (*generators, *rest)
            return Coverage(elements, f"all {order:,} shifts" if order > 1 else "no shift but 0", True, len(generators))
        drawn = [g for g in self.draws(max(0, most - len(generators)), seed) if any(g.shifts)]
        text = f"{_count(len(generators), 'generator')} and {_count(len(drawn), 'uniform draw')} (seed {seed}) of {order:,} shifts"
        return Coverage((*generators, *drawn), text, False, len(generators))

    def draws(self, count: int, seed: int) -> Sequence[Translation]:
        """Independent uniform draws from the subgroup."""
        return self.tried.sample(count, seed) if count else []

    def move(self, element: Translation, leaves: Sequence[Any]) -> list[Any]:
        """The arguments that carry the axes, rolled."""
        return self.subject.shifted(element.shifts, leaves)

    def roll(self, parts: Sequence[Part], raw: Any, index: int, element: Translation) -> Roll | None:
        """The dims and amounts by which one part of the output rolls; None where it stays, or the caller's function acts on it."""
        return roll_of(self._action(parts, raw), index, self.subject.group.shape, element.shifts)

    def expectation(self, parts: Sequence[Part], raw: Any) -> Callable[[Translation], list[Array | None]]:
        """The output rolled as its grid says, or as the caller's function says."""
        action = self._action(parts, raw)
        return lambda element: action.expected(element.shifts)

    def law(self, parts: Sequence[Part], raw: Any) -> str:
        """f(S x) = f(x) where nothing that f returns moves, else f(S x) = S f(x)."""
        if callable(self.rule):
            return "f(S x) = ρ(S) f(x)"
        action = self._action(parts, raw)
        return "f(S x) = S f(x)" if any(action.moves(i) for i in range(len(parts))) else "f(S x) = f(x)"


class Named:
    """Maps that the caller names. They need not be a whole group, so every one of them is tried and nothing more is said."""

    def __init__(self, subject: Subject, symmetries: Sequence[Symmetry]) -> None:
        self.subject, self.symmetries = subject, tuple(symmetries)
        self.text = ", ".join(s.name for s in self.symmetries)

    def coverage(self, most: int, exhaustive: int, seed: int) -> Coverage:  # noqa: ARG002
        """All that were named."""
        count = len(self.symmetries)
        return Coverage(self.symmetries, f"all {count} named maps" if count > 1 else "the named map", True, count)

    def draws(self, count: int, seed: int) -> Sequence[Symmetry]:
        """Independent uniform draws from the maps that were named."""
        picks = np.random.default_rng(seed).integers(0, len(self.symmetries), count)
        return [self.symmetries[int(i)] for i in picks]

    def move(self, element: Symmetry, leaves: Sequence[Any]) -> list[Any]:
        """The arguments after the map, which is given them as f takes them."""
        args, kwargs = self.subject.arguments(leaves)
        given = kwargs if kwargs else args[0] if len(args) == 1 else args
        acted = element.act(given)
        pair = ((), acted) if kwargs else ((acted,), {}) if len(args) == 1 else (tuple(acted), {})
        flat, spec = pytree.tree_flatten(pair)
        if spec != self.subject.spec:
            raise TypeError(
                f"group: the map {element.name!r} returned {type(acted).__name__} with another structure than the arguments; return the same"
            )
        if lost := [i for i, v in enumerate(leaves) if hasattr(v, "ndim") and not hasattr(flat[i], "ndim")]:
            raise TypeError(
                f"group: the map {element.name!r} returned {type(flat[lost[0]]).__name__} in place of {self.subject.labels[lost[0]]}; return an array"
            )
        return list(flat)

    def expectation(self, parts: Sequence[Part], raw: Any) -> Callable[[Symmetry], list[Array | None]]:
        """The output after the map that goes with it."""

        def expected(element: Symmetry) -> list[Array | None]:
            if element.act_output is None:
                return [p.value for p in parts]
            value = parts[0].value if len(parts) == 1 and not parts[0].path else raw
            acted = parts_of(element.act_output(copied(value)))
            if [p.path for p in acted] != [p.path for p in parts]:
                raise TypeError(
                    f"group: act_output of {element.name!r} returned another structure than f does; return the same"
                )
            return [p.value for p in acted]

        return expected

    def law(self, parts: Sequence[Part], raw: Any) -> str:  # noqa: ARG002
        """f(g x) = f(x) where no map moves the output."""
        return "f(g x) = f(x)" if all(s.act_output is None for s in self.symmetries) else "f(g x) = ρ(g) f(x)"


def domain_of(subject: Subject, group: GroupLike, rule: OutputAction, parts: Sequence[Part], raw: Any) -> Domain:
    """The symmetries that the caller means.

    Raises `TypeError` or `ValueError` for what is no group.
    """
    named = [group] if isinstance(group, Symmetry) else list(group) if _is_list_of(group, Symmetry) else []
    if named:
        if rule not in ("natural", "invariant"):
            raise ValueError(
                "output_action: a Symmetry says itself what it does to the output; leave output_action out"
            )
        return Named(subject, [replace(s, act_output=None) for s in named] if rule == "invariant" else named)
    if isinstance(group, (set, frozenset, Iterator)):
        group = list(group)
    if _is_list_of(group, tuple):
        group = [_shift(subject, shift) for shift in group]
    if isinstance(group, (list, tuple)) and not group:
        raise ValueError("group: is empty; pass None for every shift, or name some")
    if _is_list_of(group, Translation):
        return _Listed(subject, rule, list(group), parts, raw)
    return Shifting(subject, rule, _subgroup(subject, group), parts, raw)


def _shift(subject: Subject, shift: tuple[Any, ...]) -> Translation:
    try:
        return subject.group.element(shift)
    except (TypeError, ValueError) as error:
        raise type(error)(f"group: {shift!r} is no shift of {subject.group} ({error})") from error


def axes_for(group: GroupLike, axes: int | Iterable[int]) -> int | tuple[int, ...]:
    """A Symmetry acts by its own function: then any dim will do to tell arrays that move from those that do not.

    Raises `TypeError` for axes that are no integers.
    """
    given = (axes,) if isinstance(axes, int) else tuple(axes) if isinstance(axes, Iterable) else (axes,)
    if any(isinstance(a, bool) or not hasattr(a, "__index__") for a in given):
        raise TypeError(f"axes: got {axes!r}; pass the number of a dim, or several, such as (-2, -1)")
    named = isinstance(group, Symmetry) or _is_list_of(group, Symmetry)
    return -1 if named else axes if isinstance(axes, int) else given


def _is_list_of(group: Any, kind: type) -> bool:
    return isinstance(group, Sequence) and len(group) > 0 and all(isinstance(g, kind) for g in group)


class _Listed(Shifting):
    """Single shifts that the caller names."""

    def __init__(
        self, subject: Subject, rule: OutputAction, shifts: Sequence[Translation], parts: Sequence[Part], raw: Any
    ) -> None:
        if other := next((g for g in shifts if g.group != subject.group), None):
            raise ValueError(f"group: {other} is no shift of the input, which is shifted by {subject.group}")
        super().__init__(subject, rule, subject.group.full(), parts, raw)
        self.shifts = tuple(shifts)
        self.text = ", ".join(str(g.shifts) for g in self.shifts[:4]) + (", …" if len(self.shifts) > 4 else "")

    def coverage(self, most: int, exhaustive: int, seed: int) -> Coverage:  # noqa: ARG002
        count = len(self.shifts)
        whole = {self.subject.group.identity, *self.shifts}
        return Coverage(self.shifts, _count(count, "given shift"), len(whole) == self.subject.group.order, 0)

    def draws(self, count: int, seed: int) -> Sequence[Translation]:
        picks = np.random.default_rng(seed).integers(0, len(self.shifts), count)
        return [self.shifts[int(i)] for i in picks]


def _subgroup(subject: Subject, group: GroupLike) -> TranslationSubgroup:
    whole = subject.group
    if group is None:
        return whole.full()
    if isinstance(group, Translations):
        group = group.full()
    if isinstance(group, TranslationSubgroup):
        if group.group != whole:
            raise ValueError(
                f"group: {group} moves a grid of {group.group}, but the input is shifted by {whole}; make it with Translations({whole.shape})"
            )
        return group
    strides = getattr(group, "strides", group)  # a certificate has them
    if strides is not group and getattr(group, "shape", whole.shape) != whole.shape:
        raise ValueError(
            f"group: is a certificate for a grid of {group.shape}, but the input has one of {whole.shape}; certify at that size"
        )
    if not isinstance(strides, (int, Iterable)) or isinstance(strides, (str, bool)):
        raise TypeError(
            f"group: got {type(group).__name__}; pass None for every shift, a subgroup or its strides, a certificate, a list of shifts, or Symmetry objects"
        )
    try:
        return whole.subgroup(strides)
    except (TypeError, ValueError) as error:
        raise type(error)(f"group: {error}") from error


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
