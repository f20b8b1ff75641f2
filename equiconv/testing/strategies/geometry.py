"""Grids, the translations of a grid, and the geometry of a kernel on it: sizes, strides, dilations, origins."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal, TypeAlias, get_args

from equiconv.groups import Translation, Translations, TranslationSubgroup
from equiconv.testing.strategies.drawing import checked_grid, checked_int, one_of, settled

if TYPE_CHECKING:
    from hypothesis.strategies import DrawFn, SearchStrategy

    from equiconv.testing.strategies.drawing import Drawable

__all__ = [
    "Grid",
    "Length",
    "dilations",
    "divisors",
    "grids",
    "kernel_sizes",
    "origins",
    "shifts",
    "strides",
    "subgroups",
]

#: The sides of a grid, one for each axis.
Grid: TypeAlias = tuple[int, ...]

#: How long a kernel is, compared with the signal.
Length: TypeAlias = Literal["any", "shorter", "equal", "longer"]


def grids(
    min_dims: int = 1, max_dims: int = 3, max_side: int = 12, max_size: int = 512, divisible_by: int = 1
) -> SearchStrategy[Grid]:
    """Shapes of periodic grids: sides of 1, primes, odd, even, powers of two, square or not, with 1 to 3 axes.

    They shrink to fewer axes and shorter sides: to ``(1,)``, or the least that is allowed.

    Parameters
    ----------
    min_dims, max_dims: how many axes.
    max_side: the longest side. max_size: the most points in all.
    divisible_by: a divisor of every side.

    Raises
    ------
    TypeError, ValueError: bounds that are no positive integers, or that no grid meets.

    Examples
    --------
    >>> from hypothesis import find, settings
    >>> find(grids(), lambda grid: True, settings=settings(database=None))
    (1,)
    >>> find(grids(min_dims=2, divisible_by=4), lambda grid: grid[0] != grid[1], settings=settings(database=None))
    (4, 8)
    """
    from hypothesis import strategies as st

    fewest, most = checked_int(min_dims, "min_dims"), checked_int(max_dims, "max_dims")
    step, longest = checked_int(divisible_by, "divisible_by"), checked_int(max_side, "max_side")
    size = checked_int(max_size, "max_size")
    if most < fewest:
        raise ValueError(f"max_dims: is {most}, fewer than min_dims = {fewest}")
    if step > longest:
        raise ValueError(f"divisible_by: no side is divisible by {step} and at most max_side = {longest}")
    if step**fewest > size:
        raise ValueError(
            f"max_size: the smallest grid with {fewest} axes and sides divisible by {step} has {step**fewest} points, "
            f"more than {size}; raise it"
        )
    while step**most > size:
        most -= 1

    @st.composite
    def grid(draw: DrawFn) -> Grid:
        count = draw(st.integers(fewest, most))
        room, sides = size, []
        for axis in range(count):
            # the axes to come need `step` points each
            allowed = min(longest, room // step ** (count - 1 - axis))
            sides.append(step * draw(st.integers(1, allowed // step)))
            room //= sides[-1]
        # Where room runs out the last axis is the shortest: turned, so that it can be any of them.
        turn = draw(st.integers(0, count - 1)) if longest**count > size else 0
        return tuple(sides[turn:] + sides[:turn])

    return grid()


def divisors(n: int) -> SearchStrategy[int]:
    """The positive divisors of n; they shrink to 1.

    Raises `TypeError` or `ValueError` where n is no positive integer.

    >>> from hypothesis import find, settings
    >>> find(divisors(12), lambda d: d > 2, settings=settings(database=None))
    3
    """
    from hypothesis import strategies as st

    number = checked_int(n, "n")
    return st.sampled_from([d for d in range(1, number + 1) if number % d == 0])


def strides(grid: int | Sequence[int]) -> SearchStrategy[Grid]:
    """A stride for each axis that divides its side; they shrink to 1.

    Raises `TypeError` or `ValueError` for what is no grid.

    >>> from hypothesis import find, settings
    >>> find(strides((6, 4)), lambda s: s[1] > 1, settings=settings(database=None))
    (1, 2)
    """
    from hypothesis import strategies as st

    return st.tuples(*(divisors(n) for n in checked_grid(grid)))


def subgroups(
    group: Translations | int | Sequence[int], *, trivial: bool = True
) -> SearchStrategy[TranslationSubgroup]:
    """Product subgroups s1·Z × … × sr·Z of a group of translations, or of those of a grid; they shrink to all of it.

    Parameters
    ----------
    group: the group, or the sides of the grid.
    trivial: whether the subgroup that holds only the shift by 0 may come.

    Raises
    ------
    TypeError, ValueError: what is no grid; one point and ``trivial=False``, which leave no subgroup.

    Examples
    --------
    >>> from hypothesis import find, settings
    >>> find(subgroups((8, 6)), lambda K: True, settings=settings(database=None))
    Z × Z of Z_8 × Z_6
    """
    found = group if isinstance(group, Translations) else Translations(checked_grid(group))
    drawn = strides(found.shape).map(found.subgroup)
    if trivial:
        return drawn
    if found.order == 1:
        raise ValueError(f"group: {found} has only the trivial subgroup; pass a larger one, or trivial=True")
    return drawn.filter(lambda subgroup: not subgroup.is_trivial)


def shifts(subgroup: TranslationSubgroup | Translations | int | Sequence[int]) -> SearchStrategy[Translation]:
    """Shifts of a subgroup, a group or a grid other than 0; they shrink to its generator along the last axis.

    Raises `ValueError` for the trivial subgroup, which has none, and for what is no grid.

    >>> from equiconv.groups import Translations
    >>> K = Translations((8, 6)).subgroup((4, 2))
    >>> from hypothesis import find, settings
    >>> find(shifts(K), lambda g: True, settings=settings(database=None)).shifts
    (0, 2)
    >>> find(shifts((8, 6)), lambda g: g.shifts[0] > 2, settings=settings(database=None)).shifts
    (3, 0)
    """
    from hypothesis import strategies as st

    if not isinstance(subgroup, TranslationSubgroup):
        group = subgroup if isinstance(subgroup, Translations) else Translations(checked_grid(subgroup, "subgroup"))
        subgroup = group.full()
    generators = sorted(subgroup.generators(), key=lambda g: (sum(g.shifts), g.shifts))
    if not generators:
        raise ValueError(f"subgroup: {subgroup} holds only the shift by 0; there is no other to draw")
    group, steps = subgroup.group, subgroup.strides
    multiples = st.tuples(*(st.integers(0, n // s - 1) for n, s in zip(group.shape, steps, strict=True)))
    general = multiples.filter(any).map(
        lambda counts: group.element(tuple(c * s for c, s in zip(counts, steps, strict=True)))
    )
    return st.one_of(st.sampled_from(generators), general)


def kernel_sizes(grid: int | Sequence[int], length: Length = "any") -> SearchStrategy[Grid]:
    """Sizes of a kernel for signals on a grid, one for each axis; they shrink to 1, or to the least of their length.

    Parameters
    ----------
    grid: the sides.
    length: ``"shorter"``: nowhere longer than the grid, and shorter along one axis at least. ``"equal"``: the grid.
        ``"longer"``: up to 2·n + 1, and longer than the grid along one axis at least, so that it wraps. ``"any"``: each
        of them often.

    Raises
    ------
    TypeError, ValueError: what is no grid, an unknown length, a kernel shorter than a single point.

    Examples
    --------
    >>> from hypothesis import find, settings
    >>> find(kernel_sizes((5, 3), "longer"), lambda k: True, settings=settings(database=None))
    (1, 4)
    """
    from hypothesis import strategies as st

    sides = checked_grid(grid)
    one_of(length, "length", get_args(Length))
    if length == "equal":
        return st.just(sides)
    if length == "any":
        # One choice more rather than a union, which would shrink to the branch with the fewest choices, the grid.
        drawn = st.tuples(*(st.integers(1, 2 * n + 1) for n in sides), st.sampled_from(("as drawn", "cut", "equal")))
        return drawn.map(lambda values: _any_length(values[:-1], values[-1], sides))
    if length == "shorter" and max(sides) == 1:
        raise ValueError(
            f'length: no kernel is shorter than the grid {sides}, a single point; pass a larger grid or length="any"'
        )

    # At least half of these are as long as asked.
    if length == "shorter":
        return st.tuples(*(st.integers(1, n) for n in sides)).filter(lambda kernel: kernel != sides)
    longer = st.tuples(*(st.integers(1, 2 * n + 1) for n in sides))
    return longer.filter(lambda kernel: any(k > n for k, n in zip(kernel, sides, strict=True)))


def _any_length(sizes: Sequence[int], how: str, sides: Grid) -> Grid:
    if how == "equal":
        return sides
    return tuple(min(k, n) if how == "cut" else k for k, n in zip(sizes, sides, strict=True))


def dilations(
    kernel: int | Sequence[int], grid: int | Sequence[int] | None = None, most: int = 3
) -> SearchStrategy[Grid]:
    """A dilation of a kernel for each axis, from 1 to `most`; they shrink to 1.

    With a grid, the dilated kernel is no longer than the grid, (k − 1)·d + 1 ≤ n, wherever the kernel itself is not;
    where it is, the dilation is 1.

    Raises `TypeError` or `ValueError` for what is no kernel or no grid, or where their axes differ in number.

    >>> from hypothesis import find, settings
    >>> find(dilations((3, 1), (5, 5)), lambda d: min(d) > 1, settings=settings(database=None))
    (2, 2)
    """
    from hypothesis import strategies as st

    sizes, longest = checked_grid(kernel, "kernel"), checked_int(most, "most")
    limits = [longest] * len(sizes)
    if grid is not None:
        sides = checked_grid(grid)
        if len(sides) != len(sizes):
            raise ValueError(
                f"grid: {sides} has {len(sides)} axes and the kernel {sizes} has {len(sizes)}; name one each"
            )
        limits = [
            longest if k == 1 else max(1, min(longest, (n - 1) // (k - 1))) for k, n in zip(sizes, sides, strict=True)
        ]
    return st.tuples(*(st.integers(1, d) for d in limits))


def origins(kernel: int | Sequence[int]) -> SearchStrategy[Grid]:
    """Where a kernel's centre lies, one index for each axis: 0, the middle (k − 1)//2 of torch's layers (often), any
    other tap, or an index outside the kernel.

    They shrink to 0, the definition's, and what cannot, to the middle.

    Raises `TypeError` or `ValueError` for what is no kernel.

    >>> from hypothesis import find, settings
    >>> find(origins((3, 5)), lambda o: all(o), settings=settings(database=None))
    (1, 2)
    """
    from hypothesis import strategies as st

    def places(k: int) -> list[int]:
        middle = (k - 1) // 2
        return [0, *[middle] * (k + 1), *sorted(range(-k, 2 * k), key=lambda o: (not 0 <= o < k, abs(o), o))]

    return st.tuples(*(st.sampled_from(places(k)) for k in checked_grid(kernel, "kernel")))


def sized(draw: DrawFn, grid: Drawable[Grid] | int | None, dims: int, **limits: int) -> Grid:
    """The grid that was given or is drawn, with so many axes; without one, a grid drawn within the limits."""
    if grid is None:
        return draw(grids(min_dims=dims, max_dims=dims, **limits))
    return with_dims(settled(draw, grid), dims)


def with_dims(grid: int | Sequence[int], dims: int) -> Grid:
    """A grid with so many axes; refuses every other."""
    sides = checked_grid(grid)
    if len(sides) != dims:
        raise ValueError(f"grid: {sides} has {len(sides)} axes, but dims = {dims}")
    return sides
