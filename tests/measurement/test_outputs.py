"""Outputs as flat lists of arrays, and the distance between two of them."""

from __future__ import annotations

import dataclasses
import math
from typing import NamedTuple

import array_api_strict
import numpy as np
import pytest
import torch

from equiconv.measurement.outputs import holds_nan, largest_difference, largest_magnitude, parts_of


@dataclasses.dataclass
class Head:
    logits: torch.Tensor
    note: str = "text"


class Pair(NamedTuple):
    left: np.ndarray
    right: float


def test_every_kind_of_structure_is_walked_and_labelled() -> None:
    output = {"logits": torch.ones(2), "heads": [Head(torch.zeros(3)), None], 7: Pair(np.ones(1), 2.5)}
    labels = [part.label for part in parts_of(output)]
    assert labels == ['output["logits"]', 'output["heads"][0].logits', "output[7].left", "output[7].right"]


def test_a_label_is_the_expression_that_reaches_the_array() -> None:
    output = {"heads": [Head(torch.arange(3.0))]}
    (part,) = parts_of(output)
    assert torch.equal(eval(f"output{part.path}", {"output": output}), part.value)


def test_logits_are_recognised_by_their_last_name_only() -> None:
    parts = parts_of({"logits": torch.ones(1), "logits_aux": torch.ones(1), "a": Head(torch.ones(1))})
    assert [part.is_logits for part in parts] == [True, False, True]


def test_bare_arrays_and_numbers_are_outputs_and_other_objects_are_not() -> None:
    assert parts_of(np.float32(2.0))[0].value.shape == ()
    assert parts_of(3.5)[0].path == ""
    assert parts_of(None) == parts_of("text") == parts_of([]) == []


def test_values_are_copies_that_a_reused_buffer_does_not_reach() -> None:
    for buffer in (np.zeros(3), torch.zeros(3)):
        (part,) = parts_of(buffer)
        buffer += 1
        assert float(part.value.sum()) == 0.0


@pytest.mark.parametrize("make", [np.asarray, torch.asarray, array_api_strict.asarray])
def test_difference_is_the_largest_one_and_treats_non_finite_entries_as_stated(make) -> None:
    inf, nan = math.inf, math.nan
    assert largest_difference(make([1.0, -4.0]), make([1.5, -1.0])) == 3.0
    assert largest_difference(make([inf, -inf, nan]), make([inf, -inf, nan])) == 0.0
    assert largest_difference(make([0.0, nan]), make([0.0, 1.0])) == inf
    assert largest_difference(make([inf]), make([-inf])) == inf
    assert largest_magnitude(make([-3.0, inf, nan])) == 3.0
    assert holds_nan(make([1.0, nan]))
    assert not holds_nan(make([1.0, inf]))


def test_small_integers_and_booleans_do_not_wrap_around() -> None:
    assert largest_difference(np.array([0], np.uint8), np.array([255], np.uint8)) == 255.0
    assert largest_difference(torch.tensor([True, False]), torch.tensor([True, True])) == 1.0
    assert largest_difference(np.array([-128], np.int8), np.array([127], np.int8)) == 255.0


def test_half_precision_is_compared_in_single() -> None:
    a, b = torch.tensor([1000.0], dtype=torch.bfloat16), torch.tensor([3.0], dtype=torch.bfloat16)
    assert largest_difference(a, b) == 997.0  # bfloat16 would round it to 996


def test_complex_entries_are_compared_by_modulus() -> None:
    assert largest_difference(np.array([3 + 4j]), np.array([0j])) == 5.0


def test_empty_arrays_are_equal_and_other_shapes_are_refused() -> None:
    assert largest_difference(np.zeros((0, 2)), np.zeros((0, 2))) == 0.0
    assert largest_magnitude(torch.zeros(0)) == 0.0
    with pytest.raises(ValueError, match=r"shape \(2,\) in one run and \(3,\)"):
        largest_difference(np.zeros(2), np.zeros(3))
