"""Windows and spectra compute the same three maps; the choice between them, and its switch."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from equiconv.arrays import fourier_bound, gamma
from equiconv.nn import CircularConv2d, Window, choose_algorithm, circular_conv, direct, spectral, use_algorithm
from tests.nn.problems import problems

OPS = torch.ops.equiconv


def arguments(window: Window) -> tuple[Any, ...]:
    return window.stride, window.padding, window.dilation, window.groups


@settings(max_examples=120, deadline=None)
@given(problem=problems())
def test_all_three_operations_agree_and_are_adjoint(problem: Any) -> None:
    """Exact lane: on small integers windows are bitwise right, and spectra are after rounding to integers."""
    window, x_shape, w_shape, seed = problem
    generator = torch.Generator().manual_seed(seed)

    def integers(shape: Any) -> torch.Tensor:
        return torch.randint(-5, 6, tuple(shape), generator=generator).double()

    x, w = integers(x_shape), integers(w_shape)
    g = integers((x_shape[0], w_shape[0], *window.output_sizes(x_shape[2:], w_shape[2:])))

    def three() -> tuple[torch.Tensor, ...]:
        return (
            OPS.circular_conv(x, w, None, *arguments(window)),
            OPS.circular_conv_input_adjoint(g, w, x_shape[2:], *arguments(window)),
            OPS.circular_conv_weight_adjoint(g, x, w_shape[2:], *arguments(window)),
        )

    with use_algorithm("direct"):
        y, to_input, to_weight = three()
    # ⟨g, conv(x, w)⟩ is one trilinear form, whichever argument it is written for.
    assert (g * y).sum() == (x * to_input).sum() == (w * to_weight).sum()
    with use_algorithm("spectral"):
        for a, b in zip(three(), (y, to_input, to_weight), strict=True):
            assert a.shape == b.shape
            assert (a - b).abs().max() < 1e-9
            assert torch.equal(a.round(), b)


def spectral_bound(x: torch.Tensor, w: torch.Tensor, dtype: torch.dtype) -> float:
    """A bound on each entry of the spectral convolution.

    The transforms of the signals err as `fourier_bound` says, summed over channels by Cauchy–Schwarz. The kernel's
    spectrum is a sum of k products an axis and its phases are rounded, which adds γ·‖w‖₁ to each frequency and so
    γ·‖x‖₂·‖w‖₁ to each entry (Parseval); the sum over channels adds as many roundings as channels. ‖w‖₁ bounds every
    norm of the kernel.
    """
    sizes, axes = tuple(x.shape[2:]), x.ndim - 2
    x_norm = x.double().flatten(1).norm(dim=1).max().item()
    w_norm = w.double().flatten(1).abs().sum(dim=1).max().item()
    roundings = sum(w.shape[2:]) + w.shape[1] + 4 * axes
    return fourier_bound(x_norm, w_norm, sizes, dtype) + gamma(roundings, dtype) * x_norm * w_norm


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize(
    ("x_shape", "w_shape"),
    [
        ((2, 3, 64), (4, 3, 9)),
        ((1, 1, 1009), (1, 1, 400)),  # a large prime, and a kernel that is transformed itself
        ((2, 8, 32, 32), (8, 8, 5, 5)),
        ((2, 8, 31, 37), (8, 8, 31, 37)),
        ((1, 2, 6, 7, 8), (2, 2, 3, 3, 3)),
    ],
)
def test_the_spectral_error_stays_below_its_bound(dtype: torch.dtype, x_shape: Any, w_shape: Any) -> None:
    generator = torch.Generator().manual_seed(0)
    x, w = (torch.randn(shape, generator=generator, dtype=dtype) for shape in (x_shape, w_shape))
    with use_algorithm("spectral"):
        found = circular_conv(x, w, padding="same").double()
    # In float64 the truth is the direct sum, whose own error γ·(|w| ⋆ |x|) is added to the bound.
    with use_algorithm("direct"):
        truth = circular_conv(x.double(), w.double(), padding="same")
        magnitude = circular_conv(x.double().abs(), w.double().abs(), padding="same").max().item()
    bound = spectral_bound(x, w, dtype) + gamma(math.prod(w_shape[1:]), torch.float64) * magnitude
    error = (found - truth).abs().max().item()
    assert 0 < error <= bound


def test_the_spectral_bound_can_fail() -> None:
    torch.manual_seed(0)
    x, w = torch.randn(2, 8, 32, 32, dtype=torch.float64), torch.randn(8, 8, 5, 5, dtype=torch.float64)
    with use_algorithm("spectral"):
        narrow = circular_conv(x.float(), w.float(), padding="same")
    error = (narrow - circular_conv(x, w, padding="same")).abs().max().item()
    assert error > spectral_bound(x, w, torch.float64)


# ---------------------------------------------------------------------------------------------------------------------
# The choice
# ---------------------------------------------------------------------------------------------------------------------


def same(k: int, axes: int = 2, stride: int = 1, groups: int = 1) -> Window:
    return Window((stride,) * axes, (k // 2,) * (2 * axes), (1,) * axes, groups)


@pytest.mark.usefixtures("threads")
@pytest.mark.parametrize(
    ("x_shape", "w_shape", "window", "expected"),
    [
        ((8, 64, 56, 56), (64, 64, 3, 3), same(3), "direct"),
        ((8, 64, 56, 56), (64, 64, 21, 21), same(21), "spectral"),
        ((8, 128, 56, 56), (128, 1, 7, 7), same(7, groups=128), "direct"),
        ((8, 128, 56, 56), (128, 1, 31, 31), same(31, groups=128), "spectral"),
        ((2, 3, 224, 224), (64, 3, 7, 7), same(7, stride=2), "direct"),
        ((4, 32, 4096), (32, 32, 3), same(3, axes=1), "direct"),
        ((4, 32, 4096), (32, 32, 513), same(513, axes=1), "spectral"),
        ((2, 8, 24, 24, 24), (8, 8, 9, 9, 9), same(9, axes=3), "spectral"),
        ((1, 4, 8, 8), (4, 4, 3, 3), same(3), "direct"),
        ((8, 512, 7, 7), (512, 512, 1, 1), same(1), "direct"),
    ],
)
def test_the_choice_where_one_method_is_far_faster(x_shape: Any, w_shape: Any, window: Window, expected: str) -> None:
    """Cases in which the slower method was measured to take at least 1.5 times as long."""
    assert choose_algorithm(x_shape, w_shape, window) == expected


@pytest.mark.usefixtures("threads")
def test_once_spectral_the_choice_stays_spectral_for_larger_kernels() -> None:
    choices = [
        choose_algorithm((8, 64, 56, 56), (64, 64, k, k), same(k), dtype)
        for dtype in (torch.float32, torch.float64)
        for k in range(1, 57, 2)
    ]
    for half in (choices[:28], choices[28:]):
        assert half == sorted(half)
        assert set(half) == {"direct", "spectral"}


@pytest.mark.usefixtures("threads")
def test_float64_which_torch_convolves_slowly_turns_spectral_earlier() -> None:
    case = ((8, 64, 28, 28), (64, 64, 5, 5), same(5))
    assert choose_algorithm(*case, torch.float32) == "direct"
    assert choose_algorithm(*case, torch.float64) == "spectral"


@pytest.mark.usefixtures("threads")
def test_the_weight_gradient_of_a_depthwise_convolution_turns_spectral_earlier() -> None:
    """torch's is up to 30 times slower than its convolution there, but not for 3×3 kernels."""
    for k, expected in ((3, "direct"), (7, "spectral")):
        case = ((8, 128, 56, 56), (128, 1, k, k), same(k, groups=128))
        assert choose_algorithm(*case) == "direct"
        assert choose_algorithm(*case, of_weight=True) == expected


def test_several_threads_are_the_direct_method_s(threads: Callable[[int], None]) -> None:
    """With two, torch's convolution took 18 ms for 9×9 taps and the spectral method 32; for 31×31 taps 200 and 49."""
    cases = [((4, 64, 56, 56), (64, 64, k, k), same(k)) for k in (9, 31)]
    assert [choose_algorithm(*case) for case in cases] == ["spectral", "spectral"]
    threads(2)
    assert [choose_algorithm(*case) for case in cases] == ["direct", "spectral"]
    threads(1)
    assert choose_algorithm(*cases[0]) == "spectral"  # nothing of the other number is remembered


@pytest.mark.usefixtures("threads")
def test_a_device_without_measurements_must_promise_more() -> None:
    def first_spectral(device: str) -> int:
        return next(
            k
            for k in range(1, 57, 2)
            if choose_algorithm((8, 64, 56, 56), (64, 64, k, k), same(k), device=device) == "spectral"
        )

    assert first_spectral("cuda") > first_spectral("cpu")


@pytest.mark.usefixtures("threads")
def test_the_layer_follows_the_choice() -> None:
    """The two methods round differently, which says which one ran."""
    torch.manual_seed(0)
    for k, expected in ((3, "direct"), (21, "spectral")):
        layer = CircularConv2d(8, 8, k, padding=k // 2)
        x = torch.randn(2, 8, 40, 40)
        assert choose_algorithm(x.shape, layer.weight.shape, same(k)) == expected
        results = {}
        for algorithm in ("direct", "spectral"):
            with use_algorithm(algorithm):  # type: ignore[arg-type]
                results[algorithm] = layer(x)
        assert not torch.equal(results["direct"], results["spectral"])
        assert torch.equal(layer(x), results[expected])


def test_use_algorithm_ends_with_its_context_even_after_an_error() -> None:
    case = ((1, 4, 8, 8), (4, 4, 3, 3), same(3))
    with use_algorithm("spectral"):
        assert choose_algorithm(*case) == "spectral"
        with use_algorithm("direct"):
            assert choose_algorithm(*case) == "direct"
        assert choose_algorithm(*case) == "spectral"
    with pytest.raises(RuntimeError, match="inside"), use_algorithm("spectral"):
        raise RuntimeError("inside")
    assert choose_algorithm(*case) == "direct"


def test_unknown_algorithm() -> None:
    with pytest.raises(ValueError, match=r"'direct' or 'spectral', got 'fast'"):
        use_algorithm("fast").__enter__()  # type: ignore[arg-type]


# ---------------------------------------------------------------------------------------------------------------------
# Blocks
# ---------------------------------------------------------------------------------------------------------------------


@settings(max_examples=60, deadline=None)
@given(problem=problems(), block=st.integers(1, 4000), kernel=st.integers(1, 4000), longest=st.sampled_from([0, 150]))
def test_results_do_not_depend_on_the_blocks(problem: Any, block: int, kernel: int, longest: int) -> None:
    """However the frequencies, the filters and the signals are cut, and whether kernels are transformed or not."""
    window, x_shape, w_shape, seed = problem
    generator = torch.Generator().manual_seed(seed)
    x, w = (torch.randint(-5, 6, shape, generator=generator).double() for shape in (x_shape, w_shape))
    g = torch.randint(-5, 6, (x_shape[0], w_shape[0], *window.output_sizes(x_shape[2:], w_shape[2:]))).double()

    def three() -> tuple[torch.Tensor, ...]:
        return (
            OPS.circular_conv(x, w, None, *arguments(window)),
            OPS.circular_conv_input_adjoint(g, w, x_shape[2:], *arguments(window)),
            OPS.circular_conv_weight_adjoint(g, x, w_shape[2:], *arguments(window)),
        )

    with use_algorithm("direct"):
        whole = three()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(spectral, "_BLOCK_BYTES", block)
        patch.setattr(spectral, "_KERNEL_BYTES", kernel)
        patch.setattr(spectral, "_LEAST_FILTERS", 1)
        patch.setattr(spectral, "_LEAST_COLUMNS", 1)
        patch.setattr(spectral, "_LONGEST_PRODUCTS", longest)
        patch.setattr(direct, "_CACHED_BYTES", block)
        patch.setattr(direct, "_LEAST_SIGNALS", 1)
        spectral._products.cache_clear()
        try:
            with use_algorithm("direct"):
                assert all(torch.equal(a, b) for a, b in zip(three(), whole, strict=True))
            with use_algorithm("spectral"):
                cut = three()
                held = spectral.convolve(x, w, window, spectral.kernel_spectrum(w, x_shape[2:], window))
        finally:
            spectral._products.cache_clear()
    for a, b in zip((*cut, held), (*whole, whole[0]), strict=True):
        assert (a - b).abs().max() < 1e-9


@pytest.mark.parametrize("batch", [1, 3])
def test_many_channels_that_do_not_mix(batch: int) -> None:
    """More planes than a block of the engines holds."""
    generator = torch.Generator().manual_seed(0)
    x, w = torch.randn(batch, 96, 32, 31, generator=generator), torch.randn(96, 1, 5, 7, generator=generator)
    with use_algorithm("direct"):
        expected = circular_conv(x.double(), w.double(), padding="same", groups=96)
    with use_algorithm("spectral"):
        y = circular_conv(x, w, padding="same", groups=96)
    bound = fourier_bound(1.0, 1.0, (32, 31), torch.float32) + gamma(5 + 7 + 1 + 8, torch.float32)
    norms = x.double().flatten(2).norm(dim=2) * w.double().flatten(1).norm(p=1, dim=1)
    errors = (y - expected).abs().flatten(2).amax(2)
    assert (errors <= bound * norms).all()
    assert errors.max() > 0


@pytest.mark.usefixtures("threads")  # the parts of one
def test_windows_of_a_large_batch_are_computed_in_parts() -> None:
    """The parts of about the same size, none left out, and all at once where the weight is large or the signals few."""
    window, weight = same(3), torch.empty(8, 8, 3, 3)

    def at_once(batch: int) -> int:
        return direct.layout(torch.empty(batch, 8, 128, 128), weight, window).signals

    assert at_once(7) == 7
    assert at_once(9) == 3  # 3.9 signals of 1.07 MB fit
    assert at_once(8) == 3
    assert direct.layout(torch.empty(64, 8, 16, 16), torch.empty(512, 8, 31, 31), same(31)).signals == 64
    generator = torch.Generator().manual_seed(0)
    x = torch.randint(-5, 6, (8, 8, 128, 128), generator=generator).float()
    weight = torch.randint(-5, 6, weight.shape, generator=generator).float()
    bias = torch.randint(-5, 6, (8,), generator=generator).float()
    with use_algorithm("direct"):
        parts = circular_conv(x, weight, bias, padding=1)
    whole = direct.Layout(8, padding=(1, 1, 1, 1))
    assert torch.equal(parts, direct.convolve(x, weight, window, bias, whole))


def test_both_gradients_at_once_are_refused() -> None:
    with pytest.raises(ValueError, match="two computations"):
        choose_algorithm((1, 4, 8, 8), (4, 4, 3, 3), same(3), of_input=True, of_weight=True)


def test_a_prepared_spectrum_is_taken_earlier() -> None:
    case = ((8, 64, 56, 56), (64, 64, 5, 5), same(5))
    assert choose_algorithm(*case) == "direct"
    assert choose_algorithm((8, 128, 56, 56), (128, 1, 3, 3), same(3, groups=128), prepared=True) == "direct"
    for k in range(3, 51, 2):
        case = ((8, 64, 28, 28), (64, 64, k, k), same(k))
        assert choose_algorithm(*case, prepared=True) == "spectral" or choose_algorithm(*case) == "direct"
