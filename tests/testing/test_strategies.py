"""The strategies draw what they say, and shrink to what they say."""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import find, given, settings
from hypothesis import strategies as st

from equiconv.groups import Translations
from equiconv.testing.strategies import VALUES, indices, shifts, sparse_pixels

GROUP = Translations((12, 8))


@st.composite
def subgroups(draw):
    return GROUP.subgroup((draw(st.sampled_from((1, 2, 3, 4, 6, 12))), draw(st.sampled_from((1, 2, 4, 8)))))


@settings(max_examples=60, deadline=None)
@given(st.data(), subgroups().filter(lambda k: not k.is_trivial))
def test_shifts_are_elements_of_the_subgroup_other_than_zero(data, subgroup) -> None:
    shift = data.draw(shifts(subgroup))
    assert shift in subgroup
    assert any(shift.shifts)


def test_every_shift_can_be_drawn() -> None:
    subgroup = GROUP.subgroup((6, 2))
    often = settings(database=None, max_examples=500)
    for wanted in subgroup.elements():
        if any(wanted.shifts):
            assert find(shifts(subgroup), lambda g, w=wanted: g == w, settings=often, random=Random(0)) == wanted


def test_shifts_shrink_to_a_generator() -> None:
    quick = settings(database=None)
    assert find(shifts(GROUP.subgroup((3, 4))), lambda g: True, settings=quick).shifts == (3, 0)
    assert find(shifts(GROUP.subgroup((3, 4))), lambda g: g.shifts[1] > 0, settings=quick).shifts == (0, 4)


@settings(max_examples=60, deadline=None)
@given(sparse_pixels((2, 3, 4)))
def test_pixels_lie_in_the_array_at_different_places_with_small_values(pixels) -> None:
    assert 1 <= len(pixels) <= 4
    assert len({index for index, _ in pixels}) == len(pixels)
    for index, value in pixels:
        assert all(0 <= i < n for i, n in zip(index, (2, 3, 4), strict=True))
        assert value in VALUES


@pytest.mark.parametrize("seed", range(5))
def test_pixels_shrink_in_number_value_and_place(seed: int) -> None:
    def smallest(condition):
        return find(sparse_pixels((4, 5)), condition, settings=settings(database=None), random=Random(seed))

    assert smallest(lambda p: True) == (((0, 0), 1),)
    assert smallest(lambda p: any(i[1] >= 3 and v < 0 for i, v in p)) == (((0, 3), -1),)
    assert smallest(lambda p: any(v > 5 for _, v in p)) == (((0, 0), 10),)


def test_the_last_position_is_drawn_often() -> None:
    last = (10**6 - 1, 10**6 - 1)
    often = settings(database=None, max_examples=500)  # 1 in 36 draws is the last of both
    assert find(indices((10**6, 10**6)), lambda i: i == last, settings=often, random=Random(0)) == last


def test_a_signal_of_one_entry_has_one_pixel() -> None:
    assert find(sparse_pixels((1,)), lambda p: True, settings=settings(database=None)) == (((0,), 1),)


def test_what_has_nothing_to_draw_is_refused() -> None:
    with pytest.raises(ValueError, match="holds only the shift by 0"):
        shifts(GROUP.trivial())
    with pytest.raises(ValueError, match=r"shape: \(3, 0\) has no entries"):
        sparse_pixels((3, 0))
