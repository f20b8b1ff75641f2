"""Calls whose padding wraps, against the law that defines them, and against the twin that the certifier runs."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from equiconv.graph import WRAPPABLE, Node, wrapped
from equiconv.symmetrization.calls import circularly, family_of, read
from tests.symmetrization.networks import integers

N = 8
WEIGHT = integers((3, 2, 3, 3), seed=5)
X = integers((1, 2, N, N), seed=6)

# Stride 1 or a divisor of N; each has outputs that see no padding, and those with the law determine every other output.
CALLS: dict[str, tuple[Any, tuple[Any, ...], dict[str, Any], int]] = {
    "conv": (F.conv2d, (X, WEIGHT), {"padding": 1}, 1),
    "conv, strided, dilated": (F.conv2d, (X, WEIGHT, None, 2, 2, 2), {}, 2),
    "conv, same": (F.conv2d, (X, integers((3, 2, 4, 2), seed=7)), {"padding": "same"}, 1),
    "conv, aten": (torch.ops.aten.conv2d.default, (X, WEIGHT, None, [1, 1], [1, 1]), {}, 1),
    "conv, aten by name": (torch.ops.aten.conv2d, (), {"input": X, "weight": WEIGHT, "padding": [1, 1]}, 1),
    "max pool": (F.max_pool2d, (X, 3), {"stride": 2, "padding": 1}, 2),
    "max pool, aten": (
        torch.ops.aten.max_pool2d.default,
        (),
        {"self": X, "kernel_size": [2], "padding": [1], "stride": [1]},
        1,
    ),
    "max pool, dilated": (F.max_pool2d, (X, 2, 1, 1, 2), {}, 1),
    "average pool": (F.avg_pool2d, (X, 4, 2, 1), {}, 2),
    "average pool, not counting": (F.avg_pool2d, (X, 2, 1, 1), {"count_include_pad": False}, 1),
    "average pool, own divisor": (F.avg_pool2d, (X, 3, 1, 1), {"divisor_override": 2}, 1),
}


@pytest.mark.parametrize("name", CALLS)
def test_wraps_all_around_and_changes_nothing_in_the_interior(name: str) -> None:
    function, args, kwargs, step = CALLS[name]

    def at(x: Tensor) -> tuple[Any, dict[str, Any]]:
        swap = lambda v: x if v is X else v  # noqa: E731
        return tuple(map(swap, args)), {k: swap(v) for k, v in kwargs.items()}

    plain = function(*at(X)[0], **at(X)[1])
    call = read(function, *at(X))
    assert set(call.padding) == {-2, -1}
    result = circularly(call, (-2, -1))
    assert result.shape == plain.shape
    for k in range(0, N, step):
        rolled = circularly(read(function, *at(torch.roll(X, (k, -k), (-2, -1)))), (-2, -1))
        # an output may be longer than a period (an even pool, padded): compare whole periods
        period = N // step
        a, b = rolled[..., :period, :period], result[..., :period, :period]
        assert torch.equal(a, torch.roll(b, (k // step, -k // step), (-2, -1)))
    low = -(-max(max(sides) for sides in call.padding.values()) // step)
    inside = (..., slice(low, -low), slice(low, -low))
    assert torch.equal(result[inside], plain[inside])
    assert not torch.equal(result, plain)  # the border did change


@pytest.mark.parametrize("mode", ["constant", "reflect", "replicate"])
def test_a_pad_wraps_along_the_chosen_dims_only(mode: str) -> None:
    pad = (2, 1, 1, 3)
    call = read(F.pad, (X, pad), {"mode": mode})
    rows = circularly(call, (-2,))
    expected = F.pad(F.pad(X, (2, 1, 0, 0), mode=mode), (0, 0, 1, 3), mode="circular")
    assert torch.equal(rows, expected)
    assert torch.equal(circularly(call, (-2, -1)), F.pad(X, pad, mode="circular"))


def test_channels_stay_zero_while_the_image_wraps() -> None:
    result = circularly(read(F.pad, (X, (1, 1, 0, 0, 0, 2)), {}), (-2, -1))
    assert torch.equal(result[:, :2], F.pad(X, (1, 1, 0, 0), mode="circular"))
    assert not result[:, 2:].any()


def test_the_value_of_a_pad_that_stays_is_kept() -> None:
    result = circularly(read(torch.constant_pad_nd, (X, (1, 1, 1, 1), 7.0), {}), (-1,))
    assert (result[..., 0, :] == 7).all()
    assert torch.equal(result[..., 1:-1, :], F.pad(X, (1, 1, 0, 0), mode="circular"))


def test_a_convolution_wraps_along_one_dim_and_pads_the_other_with_zeros() -> None:
    for padding in (1, (1, 1), "same"):
        result = circularly(read(F.conv2d, (X, WEIGHT), {"padding": padding}), (-1,))
        assert torch.equal(result, F.conv2d(F.pad(X, (1, 1, 0, 0), mode="circular"), WEIGHT, padding=(1, 0)))
    even = integers((1, 2, 2, 4), seed=8)
    result = circularly(read(F.conv2d, (X, even), {"padding": "same"}), (-1,))
    assert torch.equal(result, F.conv2d(F.pad(F.pad(X, (1, 2, 0, 0), mode="circular"), (0, 0, 0, 1)), even))


def test_padding_may_exceed_the_signal() -> None:
    """The definition, y[i] = Σ_t w[t]·x[(i + 9·t − 20) mod n]; torch itself refuses to wrap twice."""
    x, w = integers((1, 1, 5), seed=1), integers((1, 1, 3), seed=2)
    result = circularly(read(F.conv1d, (x, w), {"padding": 20, "dilation": 9}), (-1,))
    signal, kernel = x.flatten().numpy(), w.flatten().numpy()
    expected = [sum(kernel[t] * signal[(i + 9 * t - 20) % 5] for t in range(3)) for i in range(5 + 40 - 18)]
    assert np.array_equal(result.flatten().numpy(), expected)


@pytest.mark.parametrize("function", [F.max_pool2d, torch.ops.aten.max_pool2d_with_indices.default])
def test_positions_of_a_max_count_in_the_signal(function: Any) -> None:
    x = torch.randperm(2 * N * N, generator=torch.Generator().manual_seed(0)).double().reshape(1, 2, N, N)
    kwargs = {} if function is not F.max_pool2d else {"return_indices": True}
    values, positions = circularly(read(function, (x, [3, 3], [1, 1], [1, 1]), kwargs), (-2, -1))
    assert torch.equal(x.flatten(2).gather(2, positions.flatten(2)).reshape(values.shape), values)
    assert positions[0, 0, 0, 0].item() in {(r % N) * N + c % N for r in (-1, 0, 1) for c in (-1, 0, 1)}


def test_ceil_mode_keeps_the_shape_where_torch_drops_a_window_that_starts_in_the_padding() -> None:
    for n in range(3, 12):
        for k, s, p in [(3, 3, 1), (2, 3, 1), (3, 2, 1), (4, 3, 2), (2, 2, 1)]:
            x = torch.zeros(1, 1, n)
            plain = F.max_pool1d(x, k, s, p, ceil_mode=True)
            call = read(F.max_pool1d, (x, k, s, p), {"ceil_mode": True})
            assert circularly(call, (-1,)).shape == plain.shape, (n, k, s, p)


def test_no_batch_and_other_ranks() -> None:
    x, w = integers((2, 4, 4, 4), seed=3), integers((1, 2, 3, 3, 3), seed=4)
    dims = (-3, -2, -1)
    with_batch = circularly(read(F.conv3d, (x[None], w), {"padding": 1}), dims)
    assert torch.equal(circularly(read(F.conv3d, (x, w), {"padding": 1}), dims), with_batch[0])
    assert torch.equal(with_batch, F.conv3d(F.pad(x[None], (1,) * 6, mode="circular"), w))


def test_what_does_not_pad_or_wraps_already_has_no_padding_to_change() -> None:
    assert read(torch.relu, (X,), {}) is None
    assert read(torch.ops.aten.unfold.default, (X, 2, 2, 1), {}) is None  # windows of a dim, not F.unfold
    assert not read(F.pad, (X, (1, 1, 1, 1), "circular"), {}).padding
    assert not read(F.conv2d, (X, WEIGHT), {}).padding


@pytest.mark.parametrize("operation", sorted(WRAPPABLE))
def test_every_operation_that_the_certifier_wraps_can_be_wrapped_here_to_the_same_effect(operation: str) -> None:
    _, name, overload = operation.split(".")
    target = getattr(getattr(torch.ops.aten, name), overload)
    rank = 2 if name == "im2col" else next((d for d in (1, 2, 3) if f"{d}d" in name), 2)
    x = integers((1, 2, *(6, 5, 4)[:rank]), seed=9)
    dims = list(range(2, 2 + rank))
    args: tuple[Any, ...]
    if name.startswith("conv"):
        w = integers((3, 2, *(3,) * rank), seed=10)
        args = (x, w, None, [1], "same") if overload == "padding" else (x, w, None, [1] * rank, [2] * rank)
        args = (*args, [1] * rank, False, [0] * rank, 1) if name == "convolution" else args
    elif name == "im2col":
        args = (x, [3, 3], [1, 1], [1, 1], [1, 1])
    elif "pool" in name:
        args = (x, [3] * rank, [2] * rank, [1] * rank)
    else:
        args = (x, [1, 2] * rank)
    assert family_of(target) is not None
    ours = circularly(read(target, args, {}), [d - x.ndim for d in dims])
    theirs = wrapped(Node("n", "operation", target), dims)(*args)
    if isinstance(theirs, tuple):  # the certifier claims nothing of positions
        ours, theirs = ours[0], theirs[0]
    assert torch.equal(ours, theirs)
