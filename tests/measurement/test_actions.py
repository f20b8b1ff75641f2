"""How a shift should act on an output."""

from __future__ import annotations

import numpy as np
import pytest

from equiconv.measurement.actions import Action, roll_amounts
from equiconv.measurement.outputs import parts_of


def action(rule, output, rank: int = 4, axes=(-2, -1), shape=(8, 6)) -> Action:
    return Action(rule, rank, axes, shape, parts_of(output), output)


def test_a_coarser_grid_moves_by_its_share_and_only_where_that_is_whole() -> None:
    found = {k: roll_amounts((4,), (8,), (k,)) for k in range(8)}
    assert found == {0: (0,), 2: (1,), 4: (2,), 6: (3,), 1: None, 3: None, 5: None, 7: None}
    assert roll_amounts((16,), (8,), (3,)) == (6,)  # a finer grid
    assert roll_amounts((214,), (427,), (2,)) is None  # a stride of 2 on an odd size has no action but at 0
    assert roll_amounts((214,), (427,), (0,)) == (0,)


def test_natural_rolls_outputs_of_the_inputs_rank_and_leaves_the_others() -> None:
    grid, vector = np.arange(24.0).reshape(1, 1, 8, 3), np.arange(5.0).reshape(1, 5)
    found = action("natural", (grid, vector))
    rolled, stays = found.expected((3, 4))
    assert np.array_equal(rolled, np.roll(grid, (3, 2), (2, 3)))
    assert np.array_equal(stays, vector)
    assert found.expected((3, 1))[0] is None
    assert [found.describe(i) for i in (0, 1)] == ["rolls in the dims (-2, -1)", "stays"]
    assert found.strides(0) == (1, 2)
    assert found.strides(1) == (1, 1)


def test_a_single_point_stays_under_every_shift() -> None:
    pooled = np.ones((1, 3, 1, 1))
    found = action("natural", pooled)
    assert not found.moves(0)
    assert np.array_equal(found.expected((1, 5))[0], pooled)
    assert found.strides(0) == (1, 1)


def test_invariant_and_equivariant_override_the_rank() -> None:
    grid, plane = np.arange(48.0).reshape(1, 1, 8, 6), np.arange(48.0).reshape(8, 6)
    assert np.array_equal(action("invariant", grid).expected((1, 1))[0], grid)
    assert np.array_equal(action("equivariant", plane).expected((1, 2))[0], np.roll(plane, (1, 2), (0, 1)))
    assert np.array_equal(action("natural", plane).expected((1, 2))[0], plane)  # of another rank than the input


def test_a_function_is_given_the_shift_and_the_whole_output() -> None:
    output = {"a": np.arange(3.0), "b": np.arange(4.0)}

    def rule(shift, out):
        return None if shift[0] else {"a": -out["a"], "b": out["b"]}

    found = action(rule, output)
    assert np.array_equal(found.expected((0, 1))[0], -output["a"])
    assert found.expected((1, 0)) == [None, None]
    assert found.describe(0) == "acts by rule"


@pytest.mark.parametrize(
    ("rule", "output", "error", "match"),
    [
        ("natural ", np.ones(2), ValueError, "output_action: got 'natural '"),
        ("equivariant", np.ones(5), ValueError, r"needs the dims \(-2, -1\) in output, which has the shape \(5,\)"),
    ],
)
def test_unknown_words_and_impossible_actions_are_refused(rule, output, error, match) -> None:
    with pytest.raises(error, match=match):
        action(rule, output)


def test_a_function_that_returns_another_structure_is_refused() -> None:
    with pytest.raises(
        TypeError, match=r"returned \['output\[0\]'\] for the shift \(0, 0\), but f returns \['output'\]"
    ):
        action(lambda shift, out: [out], np.ones(2)).expected((0, 0))
