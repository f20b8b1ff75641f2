"""Grids, subgroups, shifts and the geometry of kernels: each variety occurs, nothing else does, and the simplest is what is promised."""

from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from equiconv.groups import Translations
from equiconv.testing.strategies import dilations, divisors, grids, kernel_sizes, origins, shifts, strides, subgroups
from tests.testing.strategies.finding import every, occurs, smallest

GROUP = Translations((12, 8))

# Grids ---------------------------------------------------------------------------------------------------------------


def _prime(n: int) -> bool:
    return n > 1 and all(n % d for d in range(2, n))


@pytest.mark.parametrize(
    ("what", "condition"),
    {
        "1-D": lambda g: len(g) == 1 and g[0] > 1,
        "2-D": lambda g: len(g) == 2 and min(g) > 1,
        "3-D": lambda g: len(g) == 3 and min(g) > 1,
        "a side of 1": lambda g: 1 in g and max(g) > 1,
        "a prime": lambda g: any(_prime(n) and n > 3 for n in g),
        "odd and composite": lambda g: 9 in g,
        "even and no power of two": lambda g: any(n % 2 == 0 and n & (n - 1) for n in g),
        "a power of two": lambda g: 8 in g,
        "square": lambda g: len(g) == 2 and g[0] == g[1] > 1,
        "not square": lambda g: len(g) == 2 and 1 < g[0] != g[1] > 1,
        "the longest side": lambda g: 12 in g,
    }.items(),
)
def test_grids_of_every_kind_occur(what: str, condition) -> None:
    assert occurs(grids(), condition), what


@pytest.mark.parametrize("axis", range(3))
def test_where_room_runs_out_any_axis_can_be_the_longest(axis: int) -> None:
    assert occurs(grids(3, 3, max_side=12, max_size=100), lambda g: g[axis] >= 10)


def test_grids_keep_within_their_bounds() -> None:
    def check(grid) -> None:
        assert 2 <= len(grid) <= 3
        assert all(n % 3 == 0 and n <= 9 for n in grid)
        assert math.prod(grid) <= 60

    every(grids(2, 3, max_side=9, max_size=60, divisible_by=3), check)
    # No grid of 3 axes with sides of at least 4 has so few points.
    every(grids(1, 3, max_side=9, max_size=20, divisible_by=4), lambda grid: len(grid) <= 2)


@pytest.mark.parametrize("seed", range(3))
def test_grids_shrink_to_few_axes_and_short_sides(seed: int) -> None:
    assert smallest(grids(), seed=seed) == (1,)
    assert smallest(grids(min_dims=2, divisible_by=4), seed=seed) == (4, 4)
    assert smallest(grids(), lambda g: math.prod(g) >= 7, seed) == (7,)
    assert smallest(grids(min_dims=2), lambda g: g[0] >= 5, seed) == (5, 1)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"min_dims": 0}, "min_dims: must be an integer, at least 1, got 0"),
        ({"max_dims": 2.0}, r"max_dims: must be an integer, at least 1, got 2\.0"),
        ({"min_dims": 3, "max_dims": 2}, "max_dims: is 2, fewer than min_dims = 3"),
        ({"divisible_by": 13}, "divisible_by: no side is divisible by 13 and at most max_side = 12"),
        ({"min_dims": 3, "divisible_by": 4, "max_size": 60}, "has 64 points, more than 60"),
        ({"max_side": True}, "max_side: must be an integer"),
    ],
)
def test_grids_that_cannot_be_are_refused(options, message: str) -> None:
    with pytest.raises((TypeError, ValueError), match=message):
        grids(**options)


# Translations --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("divisor", [1, 2, 3, 4, 6, 12])
def test_every_divisor_occurs(divisor: int) -> None:
    assert occurs(divisors(12), lambda d: d == divisor)


def test_divisors_and_strides_divide_and_shrink_to_one() -> None:
    every(divisors(12), lambda d: 12 % d == 0)
    every(strides((6, 5)), lambda s: 6 % s[0] == 0 and 5 % s[1] == 0)
    assert smallest(divisors(12)) == 1
    assert smallest(strides((6, 5))) == (1, 1)
    assert smallest(strides((6, 5)), lambda s: s[0] % 3 == 0 and s[1] > 1) == (3, 5)


def test_every_subgroup_occurs_and_they_shrink_to_the_group() -> None:
    for a in (1, 2, 3, 6):
        for b in (1, 5):
            assert occurs(subgroups((6, 5)), lambda k, s=(a, b): k.strides == s)
    assert smallest(subgroups(GROUP)) == GROUP.full()
    assert smallest(subgroups(GROUP), lambda k: k.order < 10).order < 10
    every(subgroups((2, 3), trivial=False), lambda k: not k.is_trivial)
    assert occurs(subgroups((2, 3)), lambda k: k.is_trivial)


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_shifts_are_elements_of_the_subgroup_other_than_zero(data) -> None:
    subgroup = data.draw(subgroups(GROUP, trivial=False))
    shift = data.draw(shifts(subgroup))
    assert shift in subgroup
    assert any(shift.shifts)


@pytest.mark.parametrize("source", [GROUP.subgroup((6, 2)), Translations((2, 3)), (2, 3), 5])
def test_every_shift_of_a_subgroup_a_group_or_a_grid_occurs(source) -> None:
    elements = source.elements() if hasattr(source, "elements") else Translations(source).elements()
    for wanted in elements:
        if any(wanted.shifts):
            assert occurs(shifts(source), lambda g, w=wanted: g == w)


def test_shifts_shrink_to_a_generator() -> None:
    assert smallest(shifts(GROUP.subgroup((3, 4)))).shifts == (3, 0)
    assert smallest(shifts(GROUP.subgroup((3, 4))), lambda g: g.shifts[1] > 0).shifts == (0, 4)
    assert smallest(shifts((12, 8))).shifts == (0, 1)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: shifts(GROUP.trivial()), "holds only the shift by 0"),
        (lambda: shifts((1, 1)), "holds only the shift by 0"),
        (lambda: subgroups((1, 1), trivial=False), "group: Z_1 × Z_1 has only the trivial subgroup"),
        (lambda: subgroups(()), "grid: is empty"),
        (lambda: strides((4, 0)), "grid: must be an integer, at least 1, got 0"),
        (lambda: divisors(0), "n: must be an integer, at least 1"),
    ],
)
def test_what_has_nothing_to_draw_is_refused(call, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call()


# Kernels -------------------------------------------------------------------------------------------------------------


def _length(kernel, grid) -> str:
    if kernel == grid:
        return "equal"
    return "longer" if any(k > n for k, n in zip(kernel, grid, strict=True)) else "shorter"


@pytest.mark.parametrize("grid", [(5,), (4, 3), (1, 6), (3, 2, 4)])
@pytest.mark.parametrize("length", ["shorter", "equal", "longer"])
def test_kernels_are_as_long_as_asked_and_any_length_occurs(grid, length: str) -> None:
    every(kernel_sizes(grid, length), lambda k: _length(k, grid) == length)
    assert occurs(kernel_sizes(grid), lambda k: _length(k, grid) == length, tries=60)


def test_kernels_longer_along_each_axis_occur() -> None:
    for axis in range(2):
        assert occurs(kernel_sizes((4, 3), "longer"), lambda k, a=axis: k[a] > (4, 3)[a] and k[1 - a] <= (4, 3)[1 - a])
    assert occurs(kernel_sizes((4, 3), "longer"), lambda k: k == (9, 7), tries=2000)
    every(kernel_sizes((4, 3)), lambda k: k[0] <= 9 and k[1] <= 7)


def test_kernel_sizes_shrink() -> None:
    assert smallest(kernel_sizes((5, 4))) == (1, 1)
    assert smallest(kernel_sizes((5, 4), "shorter")) == (1, 1)
    assert smallest(kernel_sizes((5, 4), "equal")) == (5, 4)
    assert smallest(kernel_sizes((5, 4), "longer")) == (1, 5)
    assert smallest(kernel_sizes((5, 4), "longer"), lambda k: k[0] > 5) == (6, 1)


def test_dilated_kernels_fit_where_kernels_do() -> None:
    def check(dilation) -> None:
        assert (3 - 1) * dilation[0] + 1 <= 7
        assert dilation[1] == 1  # a kernel of 5 on a side of 4 is too long as it is
        assert 1 <= dilation[2] <= 3

    every(dilations((3, 5, 1), (7, 4, 2)), check)
    assert occurs(dilations((3, 5, 1), (7, 4, 2)), lambda d: d == (3, 1, 3))
    assert smallest(dilations((3, 3))) == (1, 1)
    assert occurs(dilations((3, 3), most=4), lambda d: d == (4, 4))


def test_origins_are_the_definitions_the_middle_any_tap_and_beyond() -> None:
    for wanted in ((0, 0), (1, 2), (2, 0), (-1, 4), (5, 0)):
        assert occurs(origins((3, 5)), lambda o, w=wanted: o == w, tries=5000)
    assert smallest(origins((3, 5))) == (0, 0)
    assert smallest(origins((3, 5)), lambda o: o[1]) == (0, 2)
    assert smallest(origins(5), lambda o: o[0] < 0) == (-1,)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: kernel_sizes((1, 1), "shorter"), r"length: no kernel is shorter than the grid \(1, 1\)"),
        (lambda: kernel_sizes((4, 4), "long"), "length: got 'long'; choose one of 'any', 'shorter', 'equal', 'longer'"),
        (lambda: kernel_sizes("44"), "grid: must be an integer"),
        (lambda: dilations((3, 3), (5,)), r"grid: \(5,\) has 1 axes and the kernel \(3, 3\) has 2"),
        (lambda: dilations(3, most=0), "most: must be an integer, at least 1, got 0"),
        (lambda: origins((0,)), "kernel: must be an integer, at least 1, got 0"),
    ],
)
def test_kernels_that_cannot_be_are_refused(call, message: str) -> None:
    with pytest.raises((TypeError, ValueError), match=message):
        call()
