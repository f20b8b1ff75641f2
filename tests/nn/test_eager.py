"""Computed at once, outside of graphs: the values and gradients of the operation, whichever way the sizes choose."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from equiconv.nn import CircularConv2d, Window, circular_conv, computation, direct, eager, use_algorithm
from tests.nn.problems import problems

OP = torch.ops.equiconv.circular_conv.default


def integers(shape: Any, generator: torch.Generator) -> torch.Tensor:
    return torch.randint(-5, 6, tuple(shape), generator=generator).double()


def by_operation(x: Any, w: Any, b: Any, window: Window) -> torch.Tensor:
    y: torch.Tensor = OP(x, w, b, window.stride, window.padding, window.dilation, window.groups)
    return y


@settings(max_examples=100, deadline=None)
@given(problem=problems(), wanted=st.tuples(st.booleans(), st.booleans(), st.booleans()), has_bias=st.booleans())
def test_values_and_gradients_are_those_of_the_operation(problem: Any, wanted: Any, has_bias: bool) -> None:
    """Exact lane: bitwise on small integers, for every combination of operands that gradients are recorded of."""
    window, x_shape, w_shape, seed = problem
    generator = torch.Generator().manual_seed(seed)
    x, w, b = (integers(shape, generator) for shape in (x_shape, w_shape, w_shape[:1]))
    bias = b if has_bias else None
    operands = [t.requires_grad_(r) for t, r in zip((x, w, b)[: 2 + has_bias], wanted, strict=False)]
    recorded = [t for t in operands if t.requires_grad]
    y, expected = eager.convolve(x, w, bias, window), by_operation(x, w, bias, window)
    assert torch.equal(y, expected)
    assert y.is_contiguous()
    assert y.requires_grad == expected.requires_grad == bool(recorded)
    if not recorded:
        return
    g = integers(y.shape, generator)
    found, want = (torch.autograd.grad(z, recorded, g) for z in (y, expected))
    for a, c in zip(found, want, strict=True):
        assert torch.equal(a, c)


# One for each way: by `torch.take`, by an index for each channel, by torch's padding, in parts, without any padding, and
# with a kernel that is longer than the signal. Batch, channels and sizes; taps; stride; groups.
WAYS = {
    "taken": ((1, 2, 6, 5), 3, 1, 1),
    "gathered": ((2, 4, 32, 31), 3, 1, 2),
    "padded": ((2, 8, 64, 65), 3, 2, 1),
    "in parts": ((9, 8, 128, 128), 3, 1, 1),
    "unpadded": ((2, 4, 8, 9), 1, 1, 1),
    "longer": ((2, 2, 3, 90), 9, 1, 1),
    "spectral": ((2, 32, 48, 48), 31, 1, 1),
    "depthwise": ((4, 64, 32, 32), 7, 1, 64),
}


def way(name: str) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, dict[str, Any]]:
    (batch, channels, *sizes), taps, stride, groups = WAYS[name]
    generator = torch.Generator().manual_seed(0)
    x = integers((batch, channels, *sizes), generator).float().requires_grad_()
    w = integers((channels, channels // groups, taps, taps), generator).float().requires_grad_()
    b = integers((channels,), generator).float().requires_grad_()
    return x, w, b, {"stride": stride, "padding": taps // 2, "groups": groups}


@pytest.mark.parametrize("name", WAYS)
def test_every_way_has_the_gradients_of_windows_in_float64(name: str) -> None:
    """Small integers in float32: exact by windows, and by spectra within a thousandth of one for sums below 2^24."""
    x, w, b, arguments = way(name)
    y = circular_conv(x, w, b, **arguments)
    g = integers(y.shape, torch.Generator().manual_seed(1)).float()
    found = torch.autograd.grad(y, (x, w, b), g)
    wide = [t.detach().double().requires_grad_() for t in (x, w, b)]
    with use_algorithm("direct"):
        expected = circular_conv(wide[0], wide[1], wide[2], **arguments)
        gradients = torch.autograd.grad(expected, wide, g.double())
    with torch.no_grad():
        assert torch.equal(circular_conv(x, w, b, **arguments), y)
    for a, c in zip((y, *found), (expected, *gradients), strict=True):
        largest = c.abs().max()
        assert (a.double() - c).abs().max() <= 1e-5 * largest
        if largest < 2**24 and name not in ("spectral", "depthwise"):
            assert torch.equal(a.double(), c)


def test_the_ways_are_those_that_are_meant() -> None:
    found = {}
    for name in WAYS:
        x, w, b, arguments = way(name)
        window = Window((arguments["stride"],) * 2, (arguments["padding"],) * 4, (1, 1), arguments["groups"])
        found[name] = computation.route_of(x, w, b, window)
    layouts = {name: route.layout for name, route in found.items()}
    assert layouts["taken"].indices.ndim == 4  # type: ignore[union-attr]
    assert layouts["gathered"].indices.ndim == 2  # type: ignore[union-attr]
    assert layouts["padded"] == direct.Layout(2, None, (1, 1, 1, 1))
    assert layouts["in parts"] == direct.Layout(3)
    assert layouts["unpadded"] == direct.Layout(2, None, ())
    assert layouts["longer"].indices is not None  # type: ignore[union-attr]
    assert found["spectral"].method == "spectral"
    recorded = {name for name, route in found.items() if route.recorded is not None}
    assert recorded == {"taken", "gathered", "padded", "unpadded", "longer"}
    assert found["padded"].recorded.indices is not None  # type: ignore[union-attr]


@pytest.mark.parametrize("name", ["taken", "gathered", "padded", "in parts", "spectral", "unpadded"])
def test_gradients_of_gradients(name: str) -> None:
    """Against torch's own layer, along one direction."""
    x, w, b, arguments = way(name)
    x, w, b = (t.detach().double().requires_grad_() for t in (x, w, b))
    theirs = torch.nn.Conv2d(
        w.shape[1] * arguments["groups"], len(w), w.shape[-1], **arguments, padding_mode="circular", dtype=torch.float64
    )

    def second(f: Any) -> tuple[torch.Tensor, ...]:
        first = torch.autograd.grad(f(x, w, b).sin().sum(), (x, w), create_graph=True)
        return torch.autograd.grad(sum(t.square().mean() for t in first), (x, w, b))

    ours = second(lambda x, w, b: circular_conv(x, w, b, **arguments))
    for a, c in zip(ours, second(lambda x, w, b: theirs._conv_forward(x, w, b)), strict=True):
        torch.testing.assert_close(a, c)


@pytest.mark.parametrize("name", ["taken", "gathered", "padded", "in parts", "spectral"])
def test_a_weight_that_changes_before_the_backward_pass_is_noticed(name: str) -> None:
    x, w, b, arguments = way(name)
    y = circular_conv(x, w, b, **arguments)
    with torch.no_grad():
        w.mul_(2)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        y.sum().backward()  # type: ignore[no-untyped-call]


@pytest.mark.parametrize("name", WAYS)
def test_what_is_decided_in_inference_mode_serves_training(name: str) -> None:
    """What outlives a call must not be an inference tensor, which no gradient may be recorded with."""
    x, w, b, arguments = way(name)
    computation._ROUTES.clear()
    with torch.inference_mode():
        y = circular_conv(x, w, b, **arguments)
    recorded = circular_conv(x, w, b, **arguments)
    assert torch.equal(y, recorded)
    recorded.sum().backward()  # type: ignore[no-untyped-call]
    assert w.grad is not None


def test_a_default_device_does_not_decide_where_indices_lie() -> None:
    x, w, b, arguments = way("taken")
    expected = circular_conv(x, w, b, **arguments)
    computation._ROUTES.clear()
    with torch.device("meta"):
        assert torch.equal(circular_conv(x, w, b, **arguments), expected)
    assert torch.equal(circular_conv(x, w, b, **arguments), expected)


def test_deterministic_algorithms_are_no_hindrance() -> None:
    before = torch.are_deterministic_algorithms_enabled()
    torch.use_deterministic_algorithms(True)
    try:
        for name in WAYS:
            x, w, b, arguments = way(name)
            circular_conv(x, w, b, **arguments).sum().backward()  # type: ignore[no-untyped-call]
            assert x.grad is not None
    finally:
        torch.use_deterministic_algorithms(before)


def test_what_is_kept_of_shapes_is_bounded() -> None:
    w = torch.ones(1, 1, 3)
    for n in range(3, computation._MOST_ROUTES + 10):
        circular_conv(torch.ones(1, 1, n), w, padding="same")
    assert len(computation._ROUTES) <= computation._MOST_ROUTES


def test_the_arguments_of_a_layer_may_change() -> None:
    layer, x = CircularConv2d(1, 1, 3, padding=1, bias=False), torch.randn(1, 1, 6, 6)
    first = layer(x)
    layer.stride = (2, 2)
    torch.testing.assert_close(layer(x), first[..., ::2, ::2])
    assert torch.equal(circular_conv(x, layer.weight, stride=[2, 2], padding=[1, 1]), layer(x))


def test_a_float_is_refused_after_the_integer_that_equals_it() -> None:
    x, w = torch.ones(1, 1, 4), torch.ones(1, 1, 3)
    circular_conv(x, w, stride=2, padding=1)
    with pytest.raises(TypeError):
        circular_conv(x, w, stride=2.0, padding=1)  # type: ignore[arg-type]
