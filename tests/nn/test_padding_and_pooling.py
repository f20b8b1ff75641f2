"""Circular padding and pooling against periodic indexing, and against torch where torch accepts the case."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

import equiconv.nn
from equiconv.nn import CircularAvgPool2d, CircularMaxPool1d, CircularMaxPool2d, CircularPad2d, circular_pad


def integers(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randint(-99, 100, shape, generator=torch.Generator().manual_seed(seed)).double()


# ---------------------------------------------------------------------------------------------------------------------
# Padding
# ---------------------------------------------------------------------------------------------------------------------


@settings(max_examples=80, deadline=None)
@given(
    sizes=st.lists(st.integers(1, 4), min_size=1, max_size=4),
    pads=st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), min_size=4, max_size=4),
    count=st.integers(1, 4),
)
def test_padding_is_numpys_wrap(sizes: Any, pads: Any, count: int) -> None:
    """Any number of wraps and of dims. The pairs are listed last dim first, as torch does."""
    pads = pads[: min(count, len(sizes))]
    x = integers(*sizes)
    width = [(0, 0)] * (len(sizes) - len(pads)) + pads[::-1]
    found = circular_pad(x, list(itertools.chain.from_iterable(pads)))
    np.testing.assert_array_equal(found.numpy(), np.pad(x.numpy(), width, mode="wrap"))


@pytest.mark.parametrize("padding", [(-1, 5), (4, -2), (-1, -1), (-4, 3)])
def test_a_negative_padding_crops(padding: tuple[int, int]) -> None:
    x = integers(1, 4)
    expected = x[:, (torch.arange(4 + sum(padding)) - padding[0]) % 4]
    assert torch.equal(circular_pad(x, padding), expected)


@pytest.mark.parametrize("axes", [1, 2, 3])
def test_pad_modules_are_torchs_and_wrap_twice(axes: int) -> None:
    ours, theirs = getattr(equiconv.nn, f"CircularPad{axes}d"), getattr(nn, f"CircularPad{axes}d")
    x = integers(2, 3, *(3, 4, 5)[:axes])
    assert isinstance(ours(2), theirs)
    assert torch.equal(ours(2)(x), theirs(2)(x))
    pads = tuple(range(2 * axes))[::-1]
    assert torch.equal(ours(pads)(x[0]), circular_pad(x[0], pads))
    assert ours(7)(x).shape[2:] == tuple(n + 14 for n in x.shape[2:])
    with pytest.raises(ValueError, match="expected"):
        ours(1)(torch.zeros(2, 2, 2, 2, 2, 2))


def test_padding_differentiates_twice() -> None:
    x = torch.randn(1, 1, 2, 3, dtype=torch.float64, requires_grad=True)
    for pads in ((1, 2, 1, 0), (7, 0, 3, 5)):
        assert torch.autograd.gradcheck(lambda x, pads=pads: circular_pad(x, pads) ** 2, (x,))
        assert torch.autograd.gradgradcheck(lambda x, pads=pads: circular_pad(x, pads) ** 2, (x,))


def test_no_padding_is_no_operation() -> None:
    x = integers(2, 3)
    assert circular_pad(x, (0, 0)) is x


@pytest.mark.parametrize(
    ("shape", "padding", "message"),
    [
        ((1, 3), (1,), "a left and a right entry.*got \\(1,\\)"),
        ((3,), (1, 1, 1, 1), "at most 1 pairs"),
        ((1, 0), (1, 1), "leaves nothing along dim -1"),
        ((1, 3), (-1, -2), "padding -1, -2 leaves nothing"),
    ],
)
def test_bad_padding(shape: Any, padding: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        circular_pad(torch.zeros(shape), padding)


@pytest.mark.parametrize(
    ("padding", "target"), [((1, 1, 2, 0), "aten.pad.default"), ((7, 1, 2, 0), "aten.index_select.default")]
)
def test_exported_padding_is_simple(padding: Any, target: str) -> None:
    program = torch.export.export(CircularPad2d(padding), (torch.randn(1, 2, 4, 4),)).run_decompositions({})
    targets = [str(node.target) for node in program.graph.nodes if node.op == "call_function"]
    assert target in targets
    assert set(targets) <= {target, "aten.arange.start_step", "aten.arange.start", "aten.remainder.Scalar"}


# ---------------------------------------------------------------------------------------------------------------------
# Pooling
# ---------------------------------------------------------------------------------------------------------------------


def pool_by_index(x: np.ndarray, counts: Any, k: Any, s: Any, p: Any, d: Any, aggregate: Any) -> np.ndarray:
    """aggregate over t of x[(i·s + t·d − p) mod n], window by window."""
    axes = len(counts)
    y = np.empty((*x.shape[:-axes], *counts))
    for i in np.ndindex(*counts):
        window = x
        for a in range(axes):
            index = (i[a] * s[a] + np.arange(k[a]) * d[a] - p[a]) % x.shape[-axes + a]
            window = window.take(index, axis=-axes + a)
        y[(..., *i)] = aggregate(window, axis=tuple(range(-axes, 0)))
    return y


@st.composite
def pools(draw: st.DrawFn) -> tuple[int, tuple[int, ...], dict[str, Any]]:
    axes = draw(st.integers(1, 3))

    def each(strategy: st.SearchStrategy[int]) -> tuple[int, ...]:
        return tuple(draw(strategy) for _ in range(axes))

    kernel = each(st.integers(1, 4))
    padding = tuple(draw(st.integers(0, k // 2)) for k in kernel)
    dilation = each(st.integers(1, 2))
    # Sizes into which the window fits; torch's 3-D average pool wants the window to fit without padding.
    reach = tuple(d * (k - 1) + 1 for k, d in zip(kernel, dilation, strict=True))
    least = reach if axes == 3 else tuple(max(1, r - 2 * p) for r, p in zip(reach, padding, strict=True))
    sizes = tuple(draw(st.integers(n, n + 5)) for n in least)
    arguments = {
        "kernel_size": kernel,
        "stride": each(st.integers(1, 4)),
        "padding": padding,
        "ceil_mode": draw(st.booleans()),
    }
    return axes, sizes, {**arguments, "dilation": dilation}


@settings(max_examples=100, deadline=None)
@given(pool=pools())
def test_max_pooling_is_periodic_and_has_torchs_size(pool: Any) -> None:
    axes, sizes, arguments = pool
    x = integers(2, 1, *sizes)
    counts = getattr(nn, f"MaxPool{axes}d")(**arguments)(x).shape[2:]
    found = getattr(equiconv.nn, f"CircularMaxPool{axes}d")(**arguments)(x)
    window = (arguments["kernel_size"], arguments["stride"], arguments["padding"], arguments["dilation"])
    np.testing.assert_array_equal(found.numpy(), pool_by_index(x.numpy(), counts, *window, np.max))


@settings(max_examples=100, deadline=None)
@given(pool=pools())
def test_average_pooling_is_periodic_and_has_torchs_size(pool: Any) -> None:
    axes, sizes, arguments = pool
    del arguments["dilation"]
    x = integers(2, 1, *sizes)
    counts = getattr(nn, f"AvgPool{axes}d")(**arguments)(x).shape[2:]
    found = getattr(equiconv.nn, f"CircularAvgPool{axes}d")(**arguments)(x)
    window = (arguments["kernel_size"], arguments["stride"], arguments["padding"], (1,) * axes)
    np.testing.assert_allclose(found.numpy(), pool_by_index(x.numpy(), counts, *window, np.mean), rtol=0, atol=1e-13)


@pytest.mark.parametrize("ceil_mode", [False, True])
def test_max_pooling_returns_indices_into_the_input(ceil_mode: bool) -> None:
    x = integers(2, 3, 5, 6)
    pool = CircularMaxPool2d((3, 4), stride=2, padding=(1, 2), ceil_mode=ceil_mode, return_indices=True)
    y, indices = pool(x)
    assert torch.equal(x.flatten(2).gather(2, indices.flatten(2)).reshape(y.shape), y)
    assert torch.equal(y, CircularMaxPool2d((3, 4), stride=2, padding=(1, 2), ceil_mode=ceil_mode)(x))
    # Without padding they are torch's.
    assert torch.equal(CircularMaxPool2d(2, return_indices=True)(x)[1], nn.MaxPool2d(2, return_indices=True)(x)[1])


def test_average_pooling_divides_by_the_window_or_by_the_override() -> None:
    x = torch.ones(1, 4, 4)
    for count_include_pad in (False, True):
        pool = CircularAvgPool2d(3, stride=1, padding=1, count_include_pad=count_include_pad)
        assert torch.equal(pool(x), x)
    assert torch.equal(CircularAvgPool2d(3, 1, 1, divisor_override=3)(x), 3 * x)


@pytest.mark.parametrize("kind", ["Max", "Avg"])
def test_pooling_commutes_with_shifts_by_its_stride_and_torchs_padding_does_not(kind: str) -> None:
    """Lecture L14 on an 8×6 torus, bitwise (windows of 4×4 ones: the mean of integers by a power of two is exact)."""
    arguments: Any = (4, 2, 2)
    x = integers(1, 2, 8, 6)
    ours = getattr(equiconv.nn, f"Circular{kind}Pool2d")(*arguments)
    theirs = getattr(nn, f"{kind}Pool2d")(*arguments)

    def held_by(pool: nn.Module, crop: int) -> list[tuple[int, int]]:
        y = pool(x)[..., : 4 + crop, : 3 + crop]
        return [
            (a, b)
            for a in range(8)
            for b in range(6)
            if torch.equal(
                pool(torch.roll(x, (a, b), (-2, -1)))[..., : 4 + crop, : 3 + crop],
                torch.roll(y, (a // 2, b // 2), (-2, -1)),
            )
        ]

    # Both have 5×4 outputs, of which the last ones repeat the first ones on the torus.
    assert torch.equal(ours(x)[..., 4:, :3], ours(x)[..., :1, :3])
    assert held_by(ours, 0) == [(a, b) for a in range(0, 8, 2) for b in range(0, 6, 2)]
    assert held_by(theirs, 0) == [(0, 0)]


def test_an_overhanging_window_wraps() -> None:
    x = torch.tensor([[5.0, 1.0, 2.0]])
    assert torch.equal(nn.MaxPool1d(2, ceil_mode=True)(x), torch.tensor([[5.0, 2.0]]))
    assert torch.equal(CircularMaxPool1d(2, ceil_mode=True)(x), torch.tensor([[5.0, 5.0]]))


@pytest.mark.parametrize(
    ("pool", "targets"),
    [
        (CircularMaxPool2d(3, 2, 1), ["aten.pad.default", "aten.max_pool2d.default"]),
        (CircularAvgPool2d(3, 2, 1), ["aten.pad.default", "aten.avg_pool2d.default"]),
        (CircularMaxPool2d(2), ["aten.max_pool2d.default"]),
    ],
)
def test_exported_pooling_is_a_circular_pad_and_a_pool_without_padding(pool: nn.Module, targets: list[str]) -> None:
    program = torch.export.export(pool, (torch.randn(1, 2, 8, 8),)).run_decompositions({})
    calls = [node for node in program.graph.nodes if node.op == "call_function"]
    assert [str(node.target) for node in calls if "getitem" not in str(node.target)] == targets


@pytest.mark.parametrize("pool", [CircularMaxPool2d(5), CircularAvgPool2d(5)])
def test_bad_pooling(pool: nn.Module) -> None:
    with pytest.raises(ValueError, match="the window of size 5 does not fit into input of shape \\(1, 1, 4, 4\\)"):
        pool(torch.zeros(1, 1, 4, 4))
    with pytest.raises(ValueError, match=r"input must have shape .*got \(4, 4\)"):
        pool(torch.zeros(4, 4))
