"""The circular layers against torch's own with `padding_mode="circular"`, and beyond where torch refuses."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from equiconv.nn import CircularConv1d, CircularConv2d, CircularConv3d, circular_conv, use_algorithm

LAYERS = {1: CircularConv1d, 2: CircularConv2d, 3: CircularConv3d}
TORCH_LAYERS = {1: nn.Conv1d, 2: nn.Conv2d, 3: nn.Conv3d}


def integers(shape: Any, seed: int, dtype: torch.dtype = torch.float64) -> torch.Tensor:
    """Small integers, on which sums of products are exact in float64 and complex128."""
    generator = torch.Generator().manual_seed(seed)
    values = torch.randint(-9, 10, tuple(shape), generator=generator).to(dtype)
    if dtype.is_complex:
        values = values + 1j * torch.randint(-9, 10, tuple(shape), generator=generator)
    return values


def with_integers(layer: nn.Module, seed: int) -> nn.Module:
    with torch.no_grad():
        for k, parameter in enumerate(layer.parameters()):
            parameter.copy_(integers(parameter.shape, seed + k))
    return layer


@st.composite
def problems(draw: st.DrawFn) -> tuple[int, dict[str, Any], tuple[int, ...]]:
    """(axes, arguments of a layer, input shape) such that torch's circular layer accepts them."""
    axes = draw(st.integers(1, 3))
    groups = draw(st.integers(1, 3))
    sizes = [draw(st.integers(1, 7 if axes < 3 else 4)) for _ in range(axes)]
    padding = [draw(st.integers(0, n)) for n in sizes]
    kernel_size = [draw(st.integers(1, min(5, n + 2 * p))) for n, p in zip(sizes, padding, strict=True)]
    dilation = [
        draw(st.integers(1, max(1, (n + 2 * p - 1) // max(1, k - 1))))
        for n, p, k in zip(sizes, padding, kernel_size, strict=True)
    ]
    arguments = {
        "in_channels": groups * draw(st.integers(1, 2)),
        "out_channels": groups * draw(st.integers(1, 2)),
        "kernel_size": tuple(kernel_size),
        "stride": tuple(draw(st.integers(1, 3)) for _ in range(axes)),
        "padding": tuple(padding),
        "dilation": tuple(min(d, 4) for d in dilation),
        "groups": groups,
        "bias": draw(st.booleans()),
    }
    return axes, arguments, (draw(st.integers(1, 3)), arguments["in_channels"], *sizes)


@settings(max_examples=150, deadline=None)
@given(problem=problems(), seed=st.integers(0, 1000))
def test_the_output_is_torchs_bitwise_on_small_integers(problem: Any, seed: int) -> None:
    axes, arguments, shape = problem
    reference = with_integers(TORCH_LAYERS[axes](**arguments, padding_mode="circular", dtype=torch.float64), seed)
    layer = LAYERS[axes](**arguments, dtype=torch.float64)
    layer.load_state_dict(reference.state_dict(), strict=True)
    x = integers(shape, seed)
    with use_algorithm("direct"):
        assert torch.equal(layer(x), reference(x))
    # By spectra it is the same up to rounding, which is far below the spacing of integers.
    with use_algorithm("spectral"):
        assert torch.equal(layer(x).round(), reference(x))


@pytest.mark.parametrize("axes", [1, 2, 3])
@pytest.mark.parametrize("kernel_size", [1, 2, 3, 4])
@pytest.mark.parametrize("dilation", [1, 2])
def test_same_padding_is_torchs(axes: int, kernel_size: int, dilation: int) -> None:
    """Even kernels with an odd total put the odd entry at the right, as torch does."""
    arguments: Any = (2, 3, kernel_size, 1, "same", dilation)
    reference = with_integers(TORCH_LAYERS[axes](*arguments, padding_mode="circular", dtype=torch.float64), 1)
    layer = LAYERS[axes](*arguments, dtype=torch.float64)
    layer.load_state_dict(reference.state_dict())
    x = integers((2, 2, *(7, 6, 8)[:axes]), 2)
    assert layer(x).shape[2:] == x.shape[2:]
    assert torch.equal(layer(x), reference(x))


@pytest.mark.parametrize("padding", [0, "valid"])
def test_without_padding_nothing_wraps(padding: Any) -> None:
    layer = with_integers(CircularConv2d(2, 3, 3, padding=padding, dtype=torch.float64), 0)
    x = integers((1, 2, 5, 6), 1)
    assert torch.equal(layer(x), nn.functional.conv2d(x, layer.weight, layer.bias))
    assert layer(x).shape == (1, 3, 3, 4)


@pytest.mark.parametrize("algorithm", ["direct", "spectral"])
@pytest.mark.parametrize(
    ("sizes", "kernel_size", "padding", "dilation", "stride"),
    [((3,), 9, 4, 1, 1), ((2, 5), 7, 11, 1, 2), ((1, 1), 3, 1, 1, 1), ((4, 3), 3, 9, 5, 3), ((2, 3, 1), 5, 4, 2, 2)],
)
def test_padding_may_wrap_more_than_once(
    algorithm: Any, sizes: Any, kernel_size: int, padding: int, dilation: int, stride: int
) -> None:
    axes = len(sizes)
    layer = LAYERS[axes](2, 3, kernel_size, stride, padding, dilation, dtype=torch.float64)
    x = integers((2, 2, *sizes), 0)
    with_integers(layer, 1)
    wrapped = np.pad(x.numpy(), [(0, 0), (0, 0), *((padding, padding),) * axes], mode="wrap")
    convolve: Any = (nn.functional.conv1d, nn.functional.conv2d, nn.functional.conv3d)[axes - 1]
    expected = convolve(torch.from_numpy(wrapped), layer.weight, layer.bias, stride, 0, dilation)
    with use_algorithm(algorithm):
        assert torch.equal(layer(x).round(), expected)


def test_torch_still_refuses_to_wrap_twice() -> None:
    """Should this fail, the claim that padding beyond the signal is more than torch does is out of date."""
    layer = nn.Conv1d(1, 1, 9, padding=4, padding_mode="circular")
    with pytest.raises(RuntimeError, match="wrapping around more than once"):
        layer(torch.zeros(1, 1, 3))


@pytest.mark.parametrize("axes", [1, 2, 3])
def test_an_input_without_a_batch_axis(axes: int) -> None:
    layer = LAYERS[axes](2, 4, 3, padding=1)
    x = torch.randn(1, 2, *(4, 5, 6)[:axes])
    assert torch.equal(layer(x[0]), layer(x)[0])


def test_an_empty_batch_and_its_gradient() -> None:
    layer = CircularConv2d(2, 4, 3, padding=1)
    for algorithm in ("direct", "spectral"):
        with use_algorithm(algorithm):  # type: ignore[arg-type]
            y = layer(torch.zeros(0, 2, 5, 6))
            assert y.shape == (0, 4, 5, 6)
            y.sum().backward()
    assert torch.equal(layer.weight.grad, torch.zeros_like(layer.weight))


def test_memory_format_does_not_matter() -> None:
    layer = with_integers(CircularConv2d(3, 4, 3, padding=1, dtype=torch.float64), 0)
    x = integers((2, 3, 5, 6), 1)
    assert torch.equal(layer(x.contiguous(memory_format=torch.channels_last)), layer(x))
    assert torch.equal(layer(x.transpose(2, 3)), layer(x.transpose(2, 3).contiguous()))


@pytest.mark.parametrize("dtype", [torch.float32, torch.complex64, torch.complex128])
@pytest.mark.parametrize("algorithm", ["direct", "spectral"])
def test_dtypes_are_kept(dtype: torch.dtype, algorithm: Any) -> None:
    layer = CircularConv2d(2, 3, 3, padding=1, dtype=dtype)
    with torch.no_grad():
        for k, parameter in enumerate(layer.parameters()):
            parameter.copy_(integers(parameter.shape, k, dtype))
    x = integers((2, 2, 5, 6), 9, dtype)
    reference = nn.Conv2d(2, 3, 3, padding=1, padding_mode="circular", dtype=dtype)
    reference.load_state_dict(layer.state_dict())
    with use_algorithm(algorithm):
        y = layer(x)
    assert y.dtype == dtype
    torch.testing.assert_close(y, reference(x), rtol=0, atol=2e-3 if dtype != torch.complex128 else 1e-11)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
@pytest.mark.parametrize("algorithm", ["direct", "spectral"])
def test_narrow_floats_are_computed_in_float32(dtype: torch.dtype, algorithm: Any) -> None:
    torch.manual_seed(0)
    layer = CircularConv2d(16, 3, 5, padding=2, bias=False, dtype=dtype)
    x = torch.randn(2, 16, 8, 9).to(dtype)
    with use_algorithm(algorithm):
        wide = circular_conv(x.float(), layer.weight.float(), padding=2)
        assert torch.equal(layer(x), wide.to(dtype))


# ---------------------------------------------------------------------------------------------------------------------
# The symmetry
# ---------------------------------------------------------------------------------------------------------------------


def commutes(layer: nn.Module, x: torch.Tensor, shift: tuple[int, int], stride: int = 1) -> bool:
    moved = layer(torch.roll(x, shift, (-2, -1)))
    return torch.equal(moved, torch.roll(layer(x), (shift[0] // stride, shift[1] // stride), (-2, -1)))


@pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel")  # of torch's own zero-padded layer
@pytest.mark.parametrize("kernel_size", [2, 3, 7])
def test_commutes_with_every_shift_bitwise_and_zero_padding_does_not(kernel_size: int) -> None:
    x = integers((2, 2, 5, 6), 0)
    circular = with_integers(CircularConv2d(2, 3, kernel_size, padding="same", dtype=torch.float64), 1)
    zeros = nn.Conv2d(2, 3, kernel_size, padding="same", dtype=torch.float64)
    zeros.load_state_dict(circular.state_dict())
    shifts = [(a, b) for a in range(5) for b in range(6)]
    with use_algorithm("direct"):
        assert all(commutes(circular, x, shift) for shift in shifts)
    assert [shift for shift in shifts if commutes(zeros, x, shift)] == [(0, 0)]


def test_a_stride_keeps_the_shifts_by_its_multiples() -> None:
    """Lecture L13: of the shifts of an 8×6 torus, a stride of 2 leaves those by even numbers."""
    x = integers((1, 2, 8, 6), 0)
    layer = with_integers(CircularConv2d(2, 3, 3, stride=2, padding=1, dtype=torch.float64), 1)
    shifts = [(a, b) for a in range(8) for b in range(6)]
    with use_algorithm("direct"):
        kept = [shift for shift in shifts if commutes(layer, x, shift, stride=2)]
    assert kept == [(a, b) for a, b in shifts if a % 2 == b % 2 == 0]


# ---------------------------------------------------------------------------------------------------------------------
# Drop-in for torch's layers
# ---------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("axes", [1, 2, 3])
def test_construction_is_torchs(axes: int) -> None:
    """The same seed gives the same weights, and every attribute is the same."""
    arguments: Any = (4, 6, 3, 2, 1, 2, 2, True, "circular")
    torch.manual_seed(0)
    reference = TORCH_LAYERS[axes](*arguments)
    torch.manual_seed(0)
    layer = LAYERS[axes](*arguments)
    assert isinstance(layer, TORCH_LAYERS[axes])
    for name in (
        "in_channels",
        "out_channels",
        "kernel_size",
        "stride",
        "padding",
        "dilation",
        "groups",
        "padding_mode",
    ):
        assert getattr(layer, name) == getattr(reference, name)
    assert list(layer.state_dict()) == list(reference.state_dict()) == ["weight", "bias"]
    assert all(torch.equal(a, b) for a, b in zip(layer.parameters(), reference.parameters(), strict=True))
    assert list(LAYERS[axes](4, 6, 3, bias=False).state_dict()) == ["weight"]


def test_state_dicts_load_in_both_directions() -> None:
    ours, theirs = CircularConv2d(2, 3, 3), nn.Conv2d(2, 3, 3, padding=1)
    ours.load_state_dict(theirs.state_dict(), strict=True)
    assert torch.equal(ours.weight, theirs.weight)
    other = nn.Conv2d(2, 3, 3)
    other.load_state_dict(ours.state_dict(), strict=True)
    assert torch.equal(other.weight, theirs.weight)


@pytest.mark.parametrize("axes", [1, 2, 3])
@pytest.mark.parametrize("padding", [2, "same"])
@pytest.mark.parametrize("bias", [True, False])
def test_from_torch_shares_or_copies(axes: int, padding: Any, bias: bool) -> None:
    theirs = TORCH_LAYERS[axes](
        4, 6, 3, padding=padding, dilation=2, groups=2, bias=bias, padding_mode="circular", dtype=torch.float64
    ).eval()
    theirs.weight.requires_grad_(False)
    shared, copied = LAYERS[axes].from_torch(theirs), LAYERS[axes].from_torch(theirs, copy=True)
    x = integers((2, 4, *(5, 6, 5)[:axes]), 0)
    for layer in (shared, copied):
        torch.testing.assert_close(layer(x), theirs(x), rtol=1e-12, atol=1e-12)
        assert not layer.training
        assert not layer.weight.requires_grad
    assert shared.weight is theirs.weight
    assert copied.weight is not theirs.weight
    assert shared.bias is theirs.bias
    with torch.no_grad():
        theirs.weight.zero_()
    assert copied.weight.abs().sum() > 0
    assert torch.equal(LAYERS[axes].from_torch(copied)(x), copied(x))


def test_from_torch_makes_zero_padding_wrap() -> None:
    theirs = nn.Conv2d(2, 3, 3, padding=1)
    x = torch.randn(1, 2, 5, 5)
    y = CircularConv2d.from_torch(theirs)(x)
    torch.testing.assert_close(y[..., 1:-1, 1:-1], theirs(x)[..., 1:-1, 1:-1])
    assert not torch.allclose(y, theirs(x))


class _Doubled(nn.Conv2d):
    def forward(self, input: torch.Tensor) -> torch.Tensor:
        return 2 * super().forward(input)


def _hooked() -> nn.Module:
    layer = nn.Conv2d(1, 1, 3)
    layer.register_forward_hook(lambda module, inputs, output: 2 * output)
    return layer


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: nn.Linear(3, 3), "got torch.nn.modules.linear.Linear"),
        (lambda: nn.Conv1d(1, 1, 3), "plain torch.nn.Conv2d or CircularConv2d"),
        (lambda: nn.ConvTranspose2d(1, 1, 3), "ConvTranspose2d"),
        (lambda: _Doubled(1, 1, 3), "_Doubled, which may compute something else"),
        (lambda: nn.utils.parametrizations.weight_norm(nn.Conv2d(1, 1, 3)), "remove_parametrizations"),
        (_hooked, "layer has hooks"),
    ],
)
def test_from_torch_refuses_what_it_would_lose(make: Any, message: str) -> None:
    with pytest.raises(TypeError, match=message):
        CircularConv2d.from_torch(make())


# ---------------------------------------------------------------------------------------------------------------------
# Errors
# ---------------------------------------------------------------------------------------------------------------------

X, W, B = torch.zeros(1, 4, 5, 6), torch.zeros(6, 4, 3, 3), torch.zeros(6)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"input": torch.zeros(1, 3, 5, 6)}, ValueError, "takes 4 channels.*got input of shape \\(1, 3, 5, 6\\)"),
        ({"input": torch.zeros(5, 6)}, ValueError, "input must have shape .*got \\(5, 6\\)"),
        ({"input": torch.zeros(1, 1, 4, 5, 6)}, ValueError, "input must have shape"),
        (
            {"input": torch.zeros(1, 4, 5, 6, dtype=torch.int32), "weight": W.int(), "bias": None},
            TypeError,
            "input.float",
        ),
        ({"input": X.double()}, TypeError, "one dtype, got torch.float64 and torch.float32"),
        ({"bias": B.double()}, TypeError, "input and bias must have one dtype"),
        ({"input": torch.zeros(1, 4, 0, 6)}, ValueError, "at least one sample"),
        ({"weight": torch.zeros(6, 4)}, ValueError, "weight must have shape"),
        ({"weight": torch.zeros(6, 4, 0, 3)}, ValueError, "at least one sample"),
        ({"weight": torch.zeros(6, 4, 7, 3)}, ValueError, "does not fit into input.*padding='same'"),
        ({"bias": torch.zeros(5)}, ValueError, "bias must have shape \\(6,\\)"),
        ({"groups": 4}, ValueError, "takes 16 channels"),
        ({"groups": 0}, ValueError, "groups must hold 1 integers of at least 1"),
        ({"stride": 0}, ValueError, "stride must hold 2 integers of at least 1, got \\(0, 0\\)"),
        ({"stride": (1, 1, 1)}, ValueError, "stride must hold 2 integers"),
        ({"dilation": (1, 0)}, ValueError, "dilation must hold 2 integers of at least 1"),
        ({"padding": -1}, ValueError, "padding must hold 4 integers of at least 0"),
        ({"padding": (1, 1, 1)}, ValueError, "padding must hold 4 integers"),
        ({"padding": "full"}, ValueError, "'same', 'valid', an integer.*got 'full'"),
        ({"padding": "same", "stride": 2}, ValueError, "needs stride 1, got \\(2, 2\\)"),
    ],
)
def test_bad_input(arguments: dict[str, Any], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        circular_conv(**{"input": X, "weight": W, "bias": B, **arguments})


def test_other_padding_modes_are_refused() -> None:
    with pytest.raises(ValueError, match="padding_mode must be 'circular', got 'zeros'"):
        CircularConv2d(1, 1, 3, padding_mode="zeros")  # type: ignore[arg-type]
