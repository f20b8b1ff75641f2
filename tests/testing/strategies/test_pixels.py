"""Sparse signals: few entries, at the edges often, that shrink in number, value and place."""

from __future__ import annotations

import pytest
from hypothesis import given, settings

from equiconv.testing.strategies import VALUES, indices, sparse_pixels
from tests.testing.strategies.finding import occurs, smallest


@settings(max_examples=60, deadline=None)
@given(sparse_pixels((2, 3, 4)))
def test_pixels_lie_in_the_array_at_different_places_with_small_values(pixels) -> None:
    assert 1 <= len(pixels) <= 4
    assert len({index for index, _ in pixels}) == len(pixels)
    for index, value in pixels:
        assert all(0 <= i < n for i, n in zip(index, (2, 3, 4), strict=True))
        assert value in VALUES


@pytest.mark.parametrize("seed", range(3))
def test_pixels_shrink_in_number_value_and_place(seed: int) -> None:
    pixels = sparse_pixels((4, 5))
    assert smallest(pixels, seed=seed) == (((0, 0), 1),)
    assert smallest(pixels, lambda p: any(i[1] >= 3 and v < 0 for i, v in p), seed) == (((0, 3), -1),)
    assert smallest(pixels, lambda p: any(v > 5 for _, v in p), seed) == (((0, 0), 10),)


def test_the_last_position_is_drawn_often() -> None:
    last = (10**6 - 1, 10**6 - 1)
    assert occurs(indices((10**6, 10**6)), lambda i: i == last)  # 1 in 36 draws is the last of both


def test_a_signal_of_one_entry_has_one_pixel() -> None:
    assert smallest(sparse_pixels((1,))) == (((0,), 1),)


def test_a_signal_without_entries_is_refused() -> None:
    with pytest.raises(ValueError, match=r"shape: \(3, 0\) has no entries"):
        sparse_pixels((3, 0))
