"""Bad input is refused, with the argument, what came, what is accepted and what to do."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from equiconv.convolution import circular_convolve, circular_correlate

X, W = np.zeros((2, 8)), np.zeros(3)


@pytest.mark.parametrize("function", [circular_convolve, circular_correlate])
@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ((X, torch.zeros(3)), TypeError, "different libraries \\(numpy, torch\\)"),
        ((torch.zeros(8), torch.zeros(3, device="meta")), ValueError, "different devices"),
        (([1.0, 2.0], W), TypeError, "x must be a NumPy, CuPy or torch array"),
        ((X.astype(int), W), TypeError, "x must be .*floating, got int64; write x.astype"),
        ((X, W.astype(bool)), TypeError, "w must be .*floating, got bool; write w.astype"),
        ((torch.zeros(8, dtype=torch.int32), torch.zeros(3)), TypeError, "x must be .*floating, got int32; write x.to"),
        ((np.zeros(()), W), ValueError, "the array has 0 axes"),
        ((X, np.zeros(())), ValueError, "w of shape \\(\\) has no axis -1"),
        ((X, W, (0, 1)), ValueError, "w of shape \\(3,\\) has no axis -2"),
        ((X, np.zeros((3, 3)), -1), ValueError, "do not broadcast along axis -2 \\(2 against 3\\)"),
        ((X, W, ()), ValueError, "axes must name at least one axis"),
        ((X, W, 2), ValueError, "axes = 2 names axis 2"),
        ((X, np.zeros((3, 3)), (-1, 1)), ValueError, "names an axis twice"),
        ((X, W, 1.0), TypeError, "axes must be an integer"),
        ((np.zeros((2, 0)), W), ValueError, "x of shape \\(2, 0\\) is empty"),
        ((X, np.zeros(0)), ValueError, "w of shape \\(0,\\) is empty"),
        ((X, W, -1, 0.5), TypeError, "origin must be an integer"),
        ((X, W, -1, True), TypeError, "origin must be an integer"),
        ((X, W, -1, (0, 1)), ValueError, "one for each of the 1 axes"),
        ((X, np.zeros((3, 3)), (0, 1), (0,)), ValueError, "one for each of the 2 axes"),
    ],
)
def test_bad_input(function: Any, arguments: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        function(*arguments)


def test_unknown_method() -> None:
    with pytest.raises(ValueError, match=r"method must be one of .*got 'fast'"):
        circular_convolve(X, W, method="fast")  # type: ignore[arg-type]


def test_inputs_are_left_as_they_were() -> None:
    x, w = np.arange(8.0), np.arange(3.0)
    for method in ("definition", "fourier"):
        circular_convolve(x, w, method=method)
        circular_correlate(x, w, method=method)
    np.testing.assert_array_equal(x, np.arange(8.0))
    np.testing.assert_array_equal(w, np.arange(3.0))
