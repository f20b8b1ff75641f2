"""Operators of layers, two layers in one, and what neither takes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from equiconv.nn import CircularConv1d, CircularConv2d, CircularConv3d, ConvOperator, compose_layers, use_algorithm
from tests.nn.operator.drawn import integers, normal

CIRCULAR = {1: CircularConv1d, 2: CircularConv2d, 3: CircularConv3d}
TORCH = {1: nn.Conv1d, 2: nn.Conv2d, 3: nn.Conv3d}


def with_integers(layer: nn.Module, seed: int) -> nn.Module:
    with torch.no_grad():
        for k, parameter in enumerate(layer.parameters()):
            parameter.copy_(integers(parameter.shape, seed + k))
    return layer


@st.composite
def covering_layers(
    draw: st.DrawFn,
    axes: int,
    channels: int,
    periods: tuple[int, ...],
    filters: int | None = None,
    bias: bool = False,
    of_torch: bool = False,
) -> tuple[nn.Module, tuple[int, ...]]:
    """A layer whose outputs cover the torus that has these periods, and the sizes of its own torus."""
    groups = draw(st.sampled_from([g for g in (1, 2, 3) if channels % g == 0 and (filters or g) % g == 0]))
    stride, kernel_size, padding, dilation = [], [], [], []
    for _ in range(axes):
        s, d, k = draw(st.integers(1, 3)), draw(st.integers(1, 2)), draw(st.integers(1, 4))
        paddings = [p for p in range(8) if 1 - s <= 2 * p - d * (k - 1) <= 0]
        if not paddings:
            k, paddings = 3, [d]
        stride.append(s)
        dilation.append(d)
        kernel_size.append(k)
        padding.append(draw(st.sampled_from(paddings)))
    same = all(s == 1 for s in stride) and draw(st.booleans())
    sizes = tuple(p * s for p, s in zip(periods, stride, strict=True))
    if of_torch and any(p > n for p, n in zip(padding, sizes, strict=True)):
        of_torch = False  # torch wraps once
    kind = TORCH[axes] if of_torch and not same else CIRCULAR[axes]
    layer = kind(
        channels,
        filters or groups * draw(st.integers(1, 2)),
        tuple(kernel_size),  # type: ignore[arg-type]
        tuple(stride),  # type: ignore[arg-type]
        "same" if same else tuple(padding),  # type: ignore[arg-type]
        tuple(dilation),  # type: ignore[arg-type]
        groups,
        bias,
        padding_mode="circular",
        dtype=torch.float64,
    )
    return with_integers(layer, draw(st.integers(0, 1000))), sizes


@settings(max_examples=120, deadline=None)
@given(data=st.data(), axes=st.integers(1, 3), channels=st.integers(1, 3), of_torch=st.booleans())
def test_the_operator_of_a_layer_is_the_layer(data: st.DataObject, axes: int, channels: int, of_torch: bool) -> None:
    periods = tuple(data.draw(st.integers(1, 4 if axes < 3 else 2)) for _ in range(axes))
    layer, sizes = data.draw(covering_layers(axes, channels, periods, of_torch=of_torch))
    operator = ConvOperator.from_layer(layer, sizes)
    x = integers((2, channels, *sizes), 0)
    with use_algorithm("direct"):
        expected = layer(x)
        assert torch.equal(operator.apply(x), expected)
    assert torch.equal((operator.dense() @ x.flatten(1).mT).mT, expected.flatten(1))


@settings(max_examples=120, deadline=None)
@given(data=st.data(), axes=st.integers(1, 3), biases=st.tuples(st.booleans(), st.booleans()))
def test_two_layers_in_one(data: st.DataObject, axes: int, biases: tuple[bool, bool]) -> None:
    """Exactly, on small integers; on tori shorter and longer than the kernel; and as the product of operators says."""
    periods = tuple(data.draw(st.integers(1, 3 if axes < 3 else 1)) for _ in range(axes))
    middle = data.draw(st.integers(1, 3))
    second, sizes = data.draw(covering_layers(axes, middle, periods, bias=biases[1]))
    first, sizes = data.draw(covering_layers(axes, 2, sizes, filters=middle, bias=biases[0]))
    joint = compose_layers(first, second)
    assert type(joint) is CIRCULAR[axes]
    assert (joint.bias is None) == (not any(biases))
    for factor in (1, 2):
        torus = tuple(n * factor for n in sizes)
        x = integers((1, 2, *torus), 1)
        with use_algorithm("direct"):
            assert torch.equal(joint(x), second(first(x)))
    outputs = tuple(n // s for n, s in zip(sizes, first.stride, strict=True))
    product = ConvOperator.from_layer(second, outputs, bias="drop") @ ConvOperator.from_layer(first, sizes, bias="drop")
    whole = ConvOperator.from_layer(joint, sizes, bias="drop").dense()
    assert torch.allclose(product.dense(), whole, rtol=0, atol=1e-8)


def test_the_joint_layer_keeps_device_dtype_mode_and_complex_weights() -> None:
    first = CircularConv1d(2, 3, 2, padding="same", dtype=torch.complex128)
    second = CircularConv1d(3, 2, 4, padding="same", dtype=torch.complex128).eval()
    joint = compose_layers(first, second)
    assert joint.weight.dtype == torch.complex128
    assert not joint.training
    assert joint.weight.requires_grad
    x = normal((1, 2, 9), 0, torch.complex128)
    assert torch.allclose(joint(x), second(first(x)), rtol=1e-12)


def test_half_precision_layers_are_joined_in_single() -> None:
    first, second = (CircularConv1d(2, 2, 3, padding=1).half() for _ in range(2))
    joint = compose_layers(first, second)
    exact = compose_layers(first.float(), second.float())
    assert joint.weight.dtype == torch.half
    assert torch.equal(joint.weight, exact.weight.half())
    assert torch.equal(joint.bias, exact.bias.half())


def test_an_empty_batch_of_signals() -> None:
    operator = ConvOperator(torch.ones(2, 3, 3), 4)
    assert operator.apply(torch.ones(0, 3, 4)).shape == (0, 2, 4)
    assert (operator @ torch.ones(12, 0)).shape == (8, 0)


def test_weights_without_values() -> None:
    with pytest.raises(ValueError, match="meta device"):
        ConvOperator(torch.ones(1, 1, 3, device="meta"), 4).singular_values()


def test_a_layers_gradient_reaches_its_weight() -> None:
    layer = CircularConv2d(2, 3, 3, padding=1, bias=False)
    ConvOperator.from_layer(layer, (5, 4)).lipschitz().backward()
    assert layer.weight.grad is not None
    assert layer.weight.grad.abs().max() > 0


class Doubled(nn.Module):
    def forward(self, weight: torch.Tensor) -> torch.Tensor:
        return 2 * weight


def test_a_parametrised_layer_counts_with_what_it_computes() -> None:
    layer = CircularConv2d(3, 4, 3, padding=1, bias=False)
    plain = ConvOperator.from_layer(layer, (4, 4)).singular_values()
    torch.nn.utils.parametrize.register_parametrization(layer, "weight", Doubled())
    assert torch.allclose(ConvOperator.from_layer(layer, (4, 4)).singular_values(), 2 * plain)


def test_layers_that_need_no_padding() -> None:
    """A shortcut of a residual network and a patch embedding read each sample once, whatever they would pad with."""
    shortcut = nn.Conv2d(2, 4, 1, stride=2, bias=False)
    patches = nn.Conv2d(2, 8, 4, stride=4, bias=False)
    x = torch.randn(1, 2, 8, 8)
    for layer in (shortcut, patches):
        operator = ConvOperator.from_layer(layer, (8, 8))
        assert torch.allclose(operator.apply(x), layer(x), atol=1e-6)
    expected = torch.linalg.svdvals(patches.weight.flatten(1).double()).repeat_interleave(4)
    found = ConvOperator.from_layer(patches, (8, 8)).singular_values()
    assert torch.allclose(found.double(), expected, rtol=1e-5)


# ---------------------------------------------------------------------------------------------------------------------
# What is refused
# ---------------------------------------------------------------------------------------------------------------------


def test_a_bias_is_refused_or_dropped() -> None:
    layer = CircularConv2d(2, 3, 3, padding=1)
    with pytest.raises(ValueError, match=r"has a bias.*bias='drop'"):
        ConvOperator.from_layer(layer, (4, 4))
    operator = ConvOperator.from_layer(layer, (4, 4), bias="drop")
    x = torch.randn(1, 2, 4, 4)
    assert torch.allclose(operator.apply(x), layer(x) - layer.bias.reshape(-1, 1, 1), atol=1e-6)
    with pytest.raises(ValueError, match="'refuse' or 'drop'"):
        ConvOperator.from_layer(layer, (4, 4), bias="ignore")  # type: ignore[arg-type]


class Other(nn.Conv2d):
    pass


@pytest.mark.parametrize(
    ("layer", "sizes", "error", "message"),
    [
        (
            nn.Conv2d(1, 1, 3, padding=1, bias=False),
            (4, 4),
            ValueError,
            "padding_mode='zeros'.*CircularConv2d.from_torch",
        ),
        (nn.Conv2d(1, 1, 3, bias=False), (4, 4), ValueError, "has 2 outputs along axis 0 of a torus of 4.*add up to 2"),
        (CircularConv2d(1, 1, 3, padding=2, bias=False), (4, 4), ValueError, "do not cover"),
        (CircularConv2d(1, 1, 3, 2, 1, bias=False), (4, 5), ValueError, "stride 2 does not divide the size 5.*axis 1"),
        (CircularConv2d(1, 1, 3, padding=1, bias=False), (4,), ValueError, "one for each of the 2"),
        (nn.ConvTranspose2d(1, 1, 3), (4, 4), TypeError, "pass its weight to ConvOperator"),
        (Other(1, 1, 1), (4, 4), TypeError, "Other; for another"),
        (nn.ReLU(), (4, 4), TypeError, "torch.nn.modules.activation.ReLU"),
        ("layer", (4, 4), TypeError, "builtins.str"),
    ],
)
def test_layers_without_an_operator(layer: Any, sizes: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        ConvOperator.from_layer(layer, sizes)


def test_a_layer_with_hooks() -> None:
    layer = CircularConv2d(1, 1, 3, padding=1, bias=False)
    layer.register_forward_hook(lambda module, args, output: 2 * output)
    with pytest.raises(TypeError, match="hooks"):
        ConvOperator.from_layer(layer, (4, 4))
    with pytest.raises(TypeError, match="first has forward hooks"):
        compose_layers(layer, layer)


@pytest.mark.parametrize(
    ("first", "second", "error", "message"),
    [
        (
            CircularConv1d(1, 2, 3, padding=1),
            CircularConv2d(2, 1, 3, padding=1),
            ValueError,
            "1 spatial axes and second 2",
        ),
        (
            CircularConv1d(1, 2, 3, padding=1),
            CircularConv1d(3, 1, 3, padding=1),
            ValueError,
            "gives 2 channels.*takes 3",
        ),
        (CircularConv1d(1, 2, 3), CircularConv1d(2, 1, 3, padding=1), ValueError, "outputs of first do not cover"),
        (CircularConv1d(1, 2, 3, padding=1), CircularConv1d(2, 1, 3), ValueError, "outputs of second do not cover"),
        (CircularConv1d(1, 2, 1), CircularConv1d(2, 1, 1).double(), TypeError, "convert one"),
        (CircularConv1d(1, 2, 1), CircularConv1d(2, 1, 1, device="meta"), ValueError, "second on meta"),
        (CircularConv1d(1, 2, 1), nn.Identity(), TypeError, "second must be"),
    ],
)
def test_layers_that_do_not_join(first: Any, second: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        compose_layers(first, second)


@pytest.mark.parametrize(
    ("weight", "sizes", "arguments", "error", "message"),
    [
        (np.ones((1, 1, 3)), 4, {}, TypeError, r"torch.as_tensor\(weight\)"),
        (torch.ones(1, 1, 3, dtype=torch.int64), 4, {}, TypeError, "weight must be real or complex floating"),
        (torch.ones(1, 3), 4, {}, ValueError, r"weight must have shape \(\*batch, filters"),
        (torch.ones(0, 1, 3), 4, {}, ValueError, "no axis empty"),
        (torch.ones(1, 1, 3), (), {}, ValueError, "1 to 3 spatial axes"),
        (torch.ones(1, 1, 1, 1, 1, 1), (2, 2, 2, 2), {}, ValueError, "1 to 3 spatial axes"),
        (torch.ones(1, 1, 3), 0, {}, ValueError, "sizes must be at least 1"),
        (torch.ones(1, 1, 3), 4.0, {}, TypeError, "sizes must be an integer"),
        (torch.ones(1, 1, 3), 4, {"stride": 3}, ValueError, "stride 3 does not divide the size 4.*those of stride 1"),
        (torch.ones(1, 1, 3), 4, {"stride": 0}, ValueError, "stride must be at least 1"),
        (
            torch.ones(1, 1, 3),
            4,
            {"dilation": (1, 1)},
            ValueError,
            "dilation must be an integer or one for each of the 1",
        ),
        (torch.ones(1, 1, 3), 4, {"padding": "valid"}, ValueError, "padding must be 'same'"),
        (torch.ones(3, 1, 3), 4, {"groups": 2}, ValueError, "groups = 2 must divide the 3 filters"),
        (torch.ones(3, 1, 3), 4, {"groups": True}, TypeError, "groups must be an integer"),
    ],
)
def test_arguments_that_do_not_fit(weight: Any, sizes: Any, arguments: Any, error: Any, message: str) -> None:
    with pytest.raises(error, match=message):
        ConvOperator(weight, sizes, **arguments)


def test_a_stride_that_does_not_divide_gives_the_outputs_of_its_divisor_in_another_order() -> None:
    """What the refusal says: on a torus of 6, stride 4 reads 0, 4, 2, as stride 2 reads 0, 2, 4."""
    with pytest.raises(ValueError, match=r"All 3 outputs .* those of stride 2"):
        ConvOperator(torch.ones(1, 1, 3), 6, stride=4)
    weight, x = integers((1, 1, 3), 0), integers((1, 1, 6), 1)
    by_two = ConvOperator(weight, 6, stride=2, padding=0).apply(x)
    twice_round = nn.functional.conv1d(torch.cat([x, x, x], dim=-1), weight, stride=4)[..., :3]
    assert torch.equal(twice_round, by_two[..., [0, 2, 1]])


def test_signals_of_other_libraries_and_shapes() -> None:
    operator = ConvOperator(torch.ones(2, 3, 3), 4)
    with pytest.raises(TypeError, match=r"torch.as_tensor\(x\)"):
        operator @ np.ones(12)
    with pytest.raises(TypeError, match=r"torch.as_tensor\(b\)"):
        ConvOperator(torch.ones(1, 1, 1), 4).solve(np.ones(4))
    with pytest.raises(TypeError, match="real or complex floating"):
        operator.apply(torch.ones(3, 4, dtype=torch.int64))
    with pytest.raises(ValueError, match="the operator maps levels"):
        operator.apply(torch.ones(4, 3))
    with pytest.raises(ValueError, match="rows"):
        operator @ torch.ones(11)
    with pytest.raises(ValueError, match="different devices"):
        operator.apply(torch.ones(3, 4, device="meta"))


def test_how_it_prints() -> None:
    operator = ConvOperator(torch.ones(5, 4, 2, 3, 2), (4, 6), stride=2, dilation=3, groups=2)
    expected = "4 → 4 channels, kernel 3×2, torus 4×6, stride 2×2, dilation 3×3, groups 2, float32, batch=(5,)"
    assert repr(operator) == f"ConvOperator({expected})"
    assert "transposed" in repr(operator.T)
    assert "transposed" not in repr(operator.T.T)
