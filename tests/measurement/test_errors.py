"""Bad input is refused with the argument's name, what came and what to do."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import nn

import equiconv as eq
from equiconv.groups import Translations


def net() -> nn.Module:
    return nn.Sequential(nn.Conv2d(1, 2, 3, padding=1), nn.AdaptiveAvgPool2d(1), nn.Flatten()).eval()


def with_weight(value: float) -> nn.Module:
    model = net()
    with torch.no_grad():
        model[0].weight[0, 0, 0, 0] = value
    return model


def partly_training() -> nn.Module:
    model = nn.Sequential(nn.Sequential(nn.Dropout()), nn.ReLU()).eval()
    model[0][0].train()
    return model


X = torch.ones(2, 1, 4, 4)
BAD_X = X.clone()
BAD_X[0, 0, 0, 0] = math.nan

CASES = {
    "a class": (nn.ReLU, X, {}, TypeError, "f: got the class ReLU; pass an instance"),
    "no function": ("resnet18", X, {}, TypeError, "f: got str, which cannot be called"),
    "training": (net().train(), X, {}, ValueError, r"f: is in training mode.*call f.eval\(\) first"),
    "partly training": (partly_training(), X, {}, ValueError, r"f: its part 0\.0 is in training mode"),
    "NaN weight": (with_weight(math.nan), X, {}, ValueError, r"f: its weight 0\.weight holds 1 NaN or infinite values"),
    "infinite weight": (with_weight(math.inf), X, {}, ValueError, r"f: its weight 0\.weight holds 1 NaN or infinite"),
    "meta weight": (net().to("meta"), X, {}, ValueError, r"f: its weight 0\.weight is on the meta device"),
    "NaN input": (net(), BAD_X, {}, ValueError, "x: holds 1 NaN or infinite values of 32"),
    "meta input": (net(), X.to("meta"), {}, ValueError, "x: is on the meta device"),
    "integer input": (net(), X.long(), {}, TypeError, r"x must be real or complex floating, got int64; write x.to"),
    "numpy to a module": (net(), np.ones((1, 1, 4, 4)), {}, TypeError, r"x: is a numpy.ndarray.*torch.as_tensor\(x\)"),
    "no array": (net(), 3.0, {}, TypeError, "x: holds no array"),
    "empty tuple": (net(), (), {}, TypeError, "x: holds no array"),
    "two libraries": (max, (X, np.ones((4, 4))), {}, TypeError, "different libraries"),
    "axis out of range": (net(), X, {"axes": (-2, 7)}, ValueError, "axis 7, but the array has 4 axes"),
    "axis twice": (net(), X, {"axes": (-1, 3)}, ValueError, "names an axis twice"),
    "no axes": (net(), X, {"axes": ()}, ValueError, "axes must name at least one axis"),
    "empty axis": (net(), torch.ones(1, 1, 0, 4), {}, ValueError, r"axes: the dims \(-2, -1\) of x have the sizes"),
    "no argument with the axes": (max, (X[0, 0, 0], X[0, 0, 0]), {}, ValueError, "axes: no argument has the dims"),
    "no output": (lambda x: None, X, {}, ValueError, r"f: has no tensor in its output \(a NoneType\)"),
    "NaN output": (lambda x: x / 0 * 0, X, {}, ValueError, "f: its output holds NaN on the unshifted input"),
    "unknown action": (net(), X, {"output_action": "same"}, ValueError, "output_action: got 'same'"),
}
MEASURE_CASES = {
    "no shifts": (net(), X, {"shifts": []}, ValueError, "shifts: is empty"),
    "shift of another rank": (net(), X, {"shifts": [3]}, ValueError, "shifts: 3 is no shift of Z_4 × Z_4"),
    "another group": (net(), X, {"shifts": Translations(4).full()}, ValueError, "shifts: is a subgroup of Z_4"),
    "too few labels": (net(), X, {"labels": [1]}, ValueError, r"labels: must have the shape \(2,\).*got \(1,\)"),
    "labels out of range": (net(), X, {"labels": [0, 2]}, ValueError, "labels: must lie in 0 … 1"),
    "labels of floats": (net(), X, {"labels": [0.0, 1.0]}, TypeError, "labels: must be integers"),
    "labels without logits": (
        torch.relu,
        X,
        {"labels": [0, 1]},
        ValueError,
        "labels: were given, but the output holds",
    ),
    "no batch size": (net(), X, {"batch_size": 0}, ValueError, "batch_size: must be a number"),
}


@pytest.mark.parametrize("case", [*CASES, *MEASURE_CASES])
def test_measure_refuses(case: str) -> None:
    f, x, options, error, match = {**CASES, **MEASURE_CASES}[case]
    with pytest.raises(error, match=match):
        eq.measure(f, x, **options)


@pytest.mark.parametrize("case", [name for name in CASES if name != "NaN output"])
def test_falsify_refuses_the_same(case: str) -> None:
    f, x, options, error, match = CASES[case]
    with pytest.raises(error, match=match):
        eq.falsify(f, x, **options)


def test_an_output_that_changes_its_shape_is_refused() -> None:
    x = np.arange(4.0)
    with pytest.raises(ValueError, match="output: has shape"):
        eq.measure(lambda x: x[x > x[0]], x, axes=0, output_action="invariant")


def test_what_a_function_raises_comes_through_with_a_note() -> None:
    with pytest.raises(RuntimeError) as caught:
        eq.measure(net(), torch.ones(1, 3, 4, 4))
    assert caught.value.__notes__ == ["raised by Sequential when called on x (1, 3, 4, 4)"]
