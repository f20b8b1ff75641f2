"""Computed at once, outside of graphs: the values and gradients of the operation, whichever way the sizes choose."""

from __future__ import annotations

from collections import deque
from contextlib import nullcontext
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.autograd import forward_ad

from equiconv.convolution.plain import is_bare, is_plain, is_watched
from equiconv.nn import (
    CircularConv1d,
    CircularConv2d,
    Window,
    circular_conv,
    computation,
    direct,
    eager,
    prepared,
    use_algorithm,
)
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


@pytest.mark.usefixtures("threads")
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


@pytest.mark.parametrize("padding", [1, (1,), [1], np.array([1])])
def test_what_only_equals_an_integer_is_refused_before_and_after_it(padding: Any) -> None:
    """What is kept of one call must not serve another, or spoil it, that hashes alike."""
    x, w = torch.ones(1, 1, 6), torch.ones(1, 1, 3)
    expected = OP(x, w, None, [3], [1, 1], [1], 1)
    for _ in range(2):
        for wrong in (3.0, (3.0,), [3.0]):
            with pytest.raises(TypeError):
                circular_conv(x, w, stride=wrong, padding=padding)  # type: ignore[arg-type]
            with pytest.raises(TypeError):
                circular_conv(x, w, stride=3, padding=wrong)  # type: ignore[arg-type]
        for stride in (3, (3,), [3], np.array([3]), deque([3]), (np.uint8(3),)):
            assert torch.equal(circular_conv(x, w, stride=stride, padding=padding), expected)  # type: ignore[arg-type]
        assert torch.equal(CircularConv1d(1, 1, 3, stride=3, padding=1, bias=False)._conv_forward(x, w, None), expected)


def test_lists_as_attributes_of_a_layer() -> None:
    layer, x = CircularConv2d(1, 1, 3, padding=1), torch.randn(1, 1, 6, 6)
    layer.stride = [2, 2]  # type: ignore[assignment]
    with torch.no_grad():
        expected = layer(x)
        with prepared(layer):
            torch.testing.assert_close(layer(x), expected)


@pytest.mark.parametrize("name", ["taken", "gathered", "padded", "spectral", "depthwise"])
def test_a_bad_call_right_after_a_good_one_is_refused(name: str) -> None:
    """What is kept of the good one must not let it pass: each of these differs from it in one thing."""
    x, w, b, arguments = (t.detach() if isinstance(t, torch.Tensor) else t for t in way(name))
    circular_conv(x, w, b, **arguments)
    for wrong, error in (
        ((x, w.double(), b), TypeError),
        ((x, w, b.double()), TypeError),
        ((x, w, b[:-1]), ValueError),
        ((x, w, b.reshape(1, -1)), ValueError),
        ((x[:, :-1], w, b), ValueError),
        ((x, torch.cat([w, w], 1), b), ValueError),
        ((x.int(), w.int(), b.int()), TypeError),
    ):
        with pytest.raises(error):
            circular_conv(*wrong, **arguments)


@pytest.mark.parametrize("algorithm", ["direct", "spectral", None])
@pytest.mark.parametrize(
    "wanted", [(True, True, True), (True, False, False), (False, True, False), (False, False, True)]
)
def test_complex_gradients(algorithm: Any, wanted: Any) -> None:
    """Conjugates and all: against the real layers that a complex one is made of."""
    generator = torch.Generator().manual_seed(0)

    def leaf(shape: Any, r: bool) -> torch.Tensor:
        return torch.randn(shape, dtype=torch.complex128, generator=generator).requires_grad_(r)

    x, w, b = (leaf(s, r) for s, r in zip(((2, 3, 7, 6), (4, 3, 3, 3), (4,)), wanted, strict=True))
    with use_algorithm(algorithm) if algorithm else nullcontext():
        y = circular_conv(x, w, b, padding=1)
        g = torch.randn(y.shape, dtype=y.dtype, generator=generator)
        leaves = [t for t in (x, w, b) if t.requires_grad]
        found = torch.autograd.grad(y, leaves, g)
    conv, pad = torch.nn.functional.conv2d, lambda t: torch.nn.functional.pad(t, (1, 1, 1, 1), mode="circular")
    real = conv(pad(x.real), w.real) - conv(pad(x.imag), w.imag)
    imaginary = conv(pad(x.real), w.imag) + conv(pad(x.imag), w.real)
    expected = torch.complex(real, imaginary) + b.reshape(-1, 1, 1)
    torch.testing.assert_close(y, expected)
    for a, c in zip(found, torch.autograd.grad(expected, leaves, g), strict=True):
        torch.testing.assert_close(a, c)


@pytest.mark.parametrize("name", ["taken", "padded", "in parts", "spectral", "depthwise"])
def test_gradients_that_autograd_maps(name: str) -> None:
    """`is_grads_batched` maps tensors that look like any other."""
    x, w, b, arguments = way(name)
    y = circular_conv(x, w, b, **arguments)
    rows = torch.randn(2, *y.shape, generator=torch.Generator().manual_seed(0))
    batched = torch.autograd.grad(y, (x, w, b), rows, is_grads_batched=True, retain_graph=True)
    for k, row in enumerate(rows):
        for a, c in zip(batched, torch.autograd.grad(y, (x, w, b), row, retain_graph=True), strict=True):
            assert (a[k] - c).abs().max() <= 1e-5 * c.abs().max()


def test_a_tensor_that_torch_maps_is_no_memory() -> None:
    seen: list[Any] = []

    class Probe(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: torch.Tensor) -> torch.Tensor:
            return x * 2

        @staticmethod
        def backward(ctx: Any, grad: torch.Tensor) -> torch.Tensor:  # type: ignore[override]
            seen.append((is_bare(grad), is_plain(grad)))
            return grad * 2

    x = torch.ones(3, requires_grad=True)
    y = Probe.apply(x)
    torch.autograd.grad(y, x, torch.eye(3), is_grads_batched=True, retain_graph=True)
    torch.autograd.grad(y, x, torch.ones(3))
    assert seen == [(False, False), (True, True)]


class Watched(torch.Tensor):
    """A subclass that nothing may be computed behind the back of."""


def test_what_is_not_bare_memory() -> None:
    z = torch.randn(4, dtype=torch.complex64)
    assert is_bare(z)
    assert is_bare(torch.nn.Parameter(z))
    assert not is_bare(z.conj())
    assert not is_bare(z.conj().imag)  # lazily negative
    assert not is_bare(z.as_subclass(Watched))  # type: ignore[no-untyped-call]
    assert not is_bare(torch.eye(3).to_sparse())
    assert not is_watched()
    with forward_ad.dual_level():  # type: ignore[no-untyped-call]
        assert is_watched()


@pytest.mark.parametrize("taps", [3, 25])
@pytest.mark.parametrize("algorithm", ["direct", "spectral"])
def test_lazy_operands(taps: int, algorithm: Any) -> None:
    """Conjugates and negatives that are only said to be, of which the memory is something else."""
    z, v = torch.randn(2, 2, 30, dtype=torch.complex128), torch.randn(3, 2, taps, dtype=torch.complex128)
    with use_algorithm(algorithm):
        for x, w in ((z.conj(), v), (z, v.conj()), (z.conj().imag, v.imag), (z.imag, v.conj().imag)):
            torch.testing.assert_close(
                circular_conv(x, w, padding="same"),
                circular_conv(
                    x.resolve_conj().resolve_neg().clone(), w.resolve_conj().resolve_neg().clone(), padding="same"
                ),
            )


@pytest.mark.parametrize("name", WAYS)
def test_an_activation_in_place_may_follow(name: str) -> None:
    x, w, b, arguments = way(name)
    y = torch.nn.functional.relu(circular_conv(x, w, b, **arguments), inplace=True)
    y.sum().backward()  # type: ignore[no-untyped-call]
    found = [t.grad for t in (x, w, b)]
    x, w, b, arguments = way(name)
    torch.nn.functional.relu(circular_conv(x, w, b, **arguments)).sum().backward()  # type: ignore[no-untyped-call]
    for a, t in zip(found, (x, w, b), strict=True):
        assert a is not None
        assert t.grad is not None
        assert torch.equal(a, t.grad)


@pytest.mark.parametrize("name", WAYS)
def test_inputs_of_inference_mode_may_be_trained_on(name: str) -> None:
    """As with torch's layer, which copies them by padding."""
    x, w, b, arguments = way(name)
    with torch.inference_mode():
        made = x.detach() * 1
    circular_conv(made, w, b, **arguments).sum().backward()  # type: ignore[no-untyped-call]
    assert w.grad is not None
    assert w.grad.abs().max() > 0


def test_without_a_batch_no_other_axis_is_lost() -> None:
    x, w = torch.randn(1, 1), torch.randn(1, 1, 1)
    assert circular_conv(x, w).shape == (1, 1)
    assert circular_conv(x.unsqueeze(0), w).shape == (1, 1, 1)


def test_the_gradient_of_the_bias_keeps_its_digits() -> None:
    """A sum over 147,456 entries of one sign: one after another in float32 they would lose four digits."""
    layer = CircularConv2d(8, 8, 3, padding=1)
    y = layer(torch.randn(9, 8, 128, 128, generator=torch.Generator().manual_seed(0)))
    y.backward(torch.full_like(y, 0.1))  # type: ignore[no-untyped-call]
    assert layer.bias is not None
    assert layer.bias.grad is not None
    exact = 9 * 128 * 128 * float(torch.tensor(0.1))
    assert (layer.bias.grad.double() / exact - 1).abs().max() < 1e-6


def test_layers_are_one_call_where_fx_traces_them() -> None:
    model = torch.nn.Sequential(CircularConv1d(1, 2, 3, padding=1), torch.nn.ReLU(), CircularConv1d(2, 1, 3))
    traced, x = torch.fx.symbolic_trace(model), torch.randn(1, 1, 8)
    assert [n.target for n in traced.graph.nodes].count(circular_conv) == 2
    assert torch.equal(traced(x), model(x))


def test_prepared_layers_record_the_gradient_of_a_bias_alone() -> None:
    layer = CircularConv2d(32, 32, 31, padding=15)
    layer.weight.requires_grad_(False)
    with prepared(layer) as spectra:
        y = layer(torch.randn(1, 32, 48, 48))
        assert y.requires_grad
        y.sum().backward()  # type: ignore[no-untyped-call]
        assert len(spectra) == 0
        with torch.no_grad():
            layer(torch.randn(1, 32, 48, 48))
        assert len(spectra) == 1  # the same layer is one of those whose spectra are kept
    assert layer.bias is not None
    assert layer.bias.grad is not None
    torch.testing.assert_close(layer.bias.grad, torch.full((32,), 48.0 * 48.0))


def test_a_layer_follows_its_arguments_and_its_weight() -> None:
    """What a layer keeps of its last call is that of other arguments as soon as one of them is another."""
    layer, x = torch.nn.Conv2d(2, 2, 3, padding=1, padding_mode="circular").double(), torch.randn(1, 2, 8, 8).double()
    ours = CircularConv2d.from_torch(layer, copy=True)
    torch.testing.assert_close(ours(x), layer(x))
    given: dict[str, Any] = {"stride": (1, 1), "padding": (1, 1), "dilation": (1, 1), "groups": 1}
    for name, value in (
        ("stride", (2, 2)),
        ("padding", (3, 3)),
        ("dilation", (2, 2)),
        ("padding", (0, 0)),
        ("groups", 2),
    ):
        given[name] = value  # one at a time
        setattr(ours, name, value)
        signal = x if name != "groups" else torch.cat([x, x], dim=1)
        torch.testing.assert_close(ours(signal), circular_conv(signal, layer.weight, layer.bias, **given))
    ours.stride, ours.padding, ours.dilation, ours.groups = (1, 1), "same", (1, 1), 1
    torch.testing.assert_close(ours(x), layer(x))
    ours.weight = torch.nn.Parameter(layer.weight.detach()[..., :1, :1].clone())  # "same" continues by less
    torch.testing.assert_close(ours(x), torch.nn.functional.conv2d(x, ours.weight, ours.bias))
    ours.padding = (0, 0)
    ours.stride = (1.0, 1.0)  # type: ignore[assignment]
    with pytest.raises(TypeError):
        ours(x)
