"""Outputs of any structure come apart and together again, in the order in which they are compared."""

from __future__ import annotations

from collections import OrderedDict, namedtuple
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np
import pytest

from equiconv.measurement.outputs import parts_of
from equiconv.testing.structures import arrays_in, replaced

Pair = namedtuple("Pair", ["first", "second"])


@dataclass(frozen=True)
class Record:
    value: np.ndarray
    name: str


class Attributes(OrderedDict):  # as a model's output in transformers
    @property
    def logits(self) -> Any:
        return self["logits"]


A, B = np.zeros(2), np.ones(3)


@pytest.mark.parametrize(
    "output",
    [
        A,
        3,
        (A, [B, "text"]),
        {"a": A, 1: (B,)},
        Pair(A, B),
        Record(A, "x"),
        Attributes(logits=A, rest=(B,)),
        [Record(A, "x"), None],
    ],
    ids=lambda o: type(o).__name__,
)
def test_arrays_come_out_in_the_order_of_the_parts_and_go_in_again(output: Any) -> None:
    arrays = arrays_in(output)
    assert [np.shape(a) for a in arrays] == [p.value.shape for p in parts_of(output)]
    other = replaced(output, [np.asarray(a) + 5 for a in arrays])
    assert type(other) is type(output) or isinstance(output, int)
    assert [p.path for p in parts_of(other)] == [p.path for p in parts_of(output)]
    for before, after in zip(parts_of(output), parts_of(other), strict=True):
        assert np.array_equal(before.value + 5, after.value)


def test_the_output_itself_is_left_alone_and_attributes_follow() -> None:
    output = Attributes(logits=A)
    other = replaced(output, [B])
    assert output.logits is A
    assert other.logits is B
    assert arrays_in(replaced(MappingProxyType({"a": A}), [B]))[0] is B
