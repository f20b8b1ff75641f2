"""Which shifts are measured, and what is said of them."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from equiconv.groups import Translations
from equiconv.measurement.sampling import ALL, SAMPLE, choose_shifts, rate_bound


def test_a_small_group_is_taken_whole_each_shift_once() -> None:
    found = choose_shifts(None, Translations((4, 6)), seed=0)
    assert {tuple(row) for row in found.values.tolist()} == set(itertools.product(range(4), range(6)))
    assert len(found.values) == 24
    assert (found.text, found.complete, found.uniform) == ("all 24 shifts", True, False)


def test_the_limit_is_where_it_is_said_to_be() -> None:
    assert choose_shifts(None, Translations(ALL), seed=0).complete
    beyond = choose_shifts(None, Translations(ALL + 1), seed=0)
    assert len(beyond.values) == SAMPLE
    assert beyond.uniform


def test_a_sample_is_seeded_and_uniform_over_the_group() -> None:
    group = Translations((8, 200))
    found = choose_shifts(4000, group, seed=3)
    assert np.array_equal(found.values, choose_shifts(4000, group, seed=3).values)
    assert not np.array_equal(found.values, choose_shifts(4000, group, seed=4).values)
    counts = np.bincount(found.values[:, 0], minlength=8)
    # 4000 draws in 8 cells: 500 expected, standard deviation 21
    assert counts.min() > 500 - 6 * 21
    assert counts.max() < 500 + 6 * 21
    assert found.text == "4,000 of 1,600 shifts, uniform, seed 3"


def test_a_subgroup_is_taken_whole_or_sampled_from() -> None:
    group = Translations((427, 640))
    small = choose_shifts(group.subgroup((61, 80)), group, seed=0)
    assert (len(small.values), small.complete) == (56, True)
    large = choose_shifts(group.subgroup((1, 2)), group, seed=0)
    assert (len(large.values), large.uniform) == (SAMPLE, True)
    assert (large.values[:, 1] % 2 == 0).all()


def test_named_shifts_are_reduced_and_kept_in_order() -> None:
    found = choose_shifts([(1, -1), (9, 0)], Translations((8, 6)), seed=0)
    assert found.values.tolist() == [[1, 5], [1, 0]]
    assert (found.text, found.complete, found.uniform) == ("2 given shifts of 48", False, False)
    assert choose_shifts([3], Translations(8), seed=0).values.tolist() == [[3]]
    assert choose_shifts(range(8), Translations(8), seed=0).complete


@pytest.mark.parametrize(
    ("shifts", "error", "match"),
    [
        ([], ValueError, "shifts: is empty"),
        (0, ValueError, "draw at least one"),
        (True, TypeError, "shifts: got True"),
        ("all", TypeError, "shifts: got 'all'"),
        (2.5, TypeError, "shifts: got float"),
        ([(1, 2, 3)], ValueError, r"shifts: \(1, 2, 3\) is no shift of Z_8 × Z_6"),
        ([(0.5, 1)], TypeError, r"shifts: \(0.5, 1\) is no shift"),
        (Translations((8, 8)).full(), ValueError, "is a subgroup of Z_8 × Z_8, but x is shifted by Z_8 × Z_6"),
    ],
)
def test_what_names_no_shift_is_refused(shifts, error, match) -> None:
    with pytest.raises(error, match=match):
        choose_shifts(shifts, Translations((8, 6)), seed=0)


def test_three_over_n_is_a_bound_at_95_percent() -> None:
    for draws in (3, 10, 256, 10**6):
        assert (1 - rate_bound(draws)) ** draws <= 0.05
    assert rate_bound(1) == 1.0
