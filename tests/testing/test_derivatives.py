"""Gradients and double backward: what is right passes, and each fault that a backward pass can have is caught by the evaluation that should."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

import equiconv as eq
from equiconv.testing import LawFailure, Symmetry, assert_equivariant, assert_invariant, equivariance_error, flips
from equiconv.testing.differences import central
from equiconv.testing.symmetries import rotations

DERIVATIVES = ("gradient", "second gradient", "derivative", "second derivative")


def circular(channels: int = 2) -> nn.Module:
    torch.manual_seed(0)
    return nn.Conv2d(channels, 3, 3, padding=1, padding_mode="circular").eval()


def small_network() -> nn.Module:
    torch.manual_seed(1)
    return nn.Sequential(
        eq.nn.CircularConv2d(1, 3, 3, padding=1),
        nn.BatchNorm2d(3),
        nn.ReLU(),
        eq.nn.CircularMaxPool2d(2),
        nn.Conv2d(3, 2, 3, padding=1, padding_mode="circular"),
        nn.Tanh(),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(2, 3),
    ).eval()


class Blur(torch.autograd.Function):
    """Half of x and half of its square, each from the next pixel; `fault` names what its backward pass does wrong."""

    fault = ""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        ctx.save_for_backward(x)
        return (x + x * x).roll(1, -1) / 2

    @classmethod
    def pulled(cls, x: Tensor, v: Tensor) -> Tensor:
        return (0.5 + x) * v.roll(-1, -1)

    @staticmethod
    def backward(ctx: Any, v: Tensor) -> Tensor:
        (x,) = ctx.saved_tensors
        return Blur.pulled(x, v)


def faulty(pulled: Callable[[Tensor, Tensor], Tensor]) -> Callable[[Tensor], Tensor]:
    """A function whose value is right, with this backward pass."""

    class Faulty(Blur):
        @staticmethod
        def backward(ctx: Any, v: Tensor) -> Tensor:
            (x,) = ctx.saved_tensors
            return pulled(x, v)

    return lambda x: Faulty.apply(x)  # type: ignore[no-untyped-call,no-any-return]


def image(*shape: int, dtype: torch.dtype = torch.float64, seed: int = 0) -> Tensor:
    return torch.randn(shape, dtype=dtype, generator=torch.Generator().manual_seed(seed))


def failing_part(report: Any) -> str:
    return str(report.worst.output)


# What is right --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("what", DERIVATIVES)
@pytest.mark.parametrize(
    "make",
    [
        circular,
        lambda: eq.nn.CircularConv2d(2, 3, 3, stride=2, padding=1).eval(),
        lambda: eq.nn.CircularConv2d(2, 2, 3, dilation=2, padding=2, groups=2).eval(),
    ],
    ids=["torch", "strided", "dilated"],
)
def test_layers_pass(make: Callable[[], nn.Module], what: str) -> None:
    report = assert_equivariant(make(), (2, 2, 6, 6), what=what)
    assert report.verdict == "verified"
    assert report.what == what
    assert report.inputs == ("normals", "other normals")


def test_a_network_with_pooling_and_a_head_passes() -> None:
    report = assert_invariant(small_network(), (2, 1, 4, 8), group=(2, 2), what=("value", *DERIVATIVES))
    assert [r.what for r in (report, *report.also)] == ["value", *DERIVATIVES]
    assert {r.verdict for r in (report, *report.also)} == {"verified"}


def test_a_complex_function_passes_and_its_conjugated_backward_fails() -> None:
    kernel = image(5, dtype=torch.complex128, seed=3)

    def spectral(x: Tensor) -> Tensor:
        return torch.fft.ifft(torch.fft.fft(x) * kernel)

    for what in DERIVATIVES:
        assert equivariance_error(spectral, image(2, 5, dtype=torch.complex128), axes=-1, what=what).passed

    class Conjugated(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: Tensor) -> Tensor:
            return spectral(x)

        @staticmethod
        def backward(ctx: Any, v: Tensor) -> Tensor:
            return torch.fft.ifft(torch.fft.fft(v) * kernel)  # the adjoint has conj(kernel)

    f = lambda x: Conjugated.apply(x)  # noqa: E731
    x = image(2, 5, dtype=torch.complex128)
    assert equivariance_error(
        f, x, axes=-1, what="gradient"
    ).passed  # it commutes with shifts: another law must find it
    assert not equivariance_error(f, x, axes=-1, what="derivative").passed


def test_several_inputs_and_outputs() -> None:
    def f(x: Tensor, y: Tensor, scale: Tensor) -> dict[str, Any]:
        return {"map": (x * y.roll(1, -1)).exp() * scale, "rest": (x.sum((-2, -1)), 3)}

    arguments = (image(1, 4, 4), image(1, 4, 4, seed=1), image(1, seed=2)[0])
    for what in DERIVATIVES:
        report = equivariance_error(f, arguments, what=what)
        assert report.verdict == "verified", str(report)
    wrong = equivariance_error(lambda x, y, s: (x * y[0, 0, 0] * s, x * y), arguments, what="gradient")
    assert not wrong.passed


def test_maps_that_the_caller_names() -> None:
    torch.manual_seed(0)
    layer = nn.Conv2d(1, 1, 3, padding=1, padding_mode="circular", bias=False).double().eval()
    with torch.no_grad():
        layer.weight.copy_((layer.weight + layer.weight.flip(-1)) / 2)
    mirror = flips(-1)
    report = equivariance_error(layer, (1, 1, 4, 4), group=mirror, what="gradient")
    # The gradient by the input is mirrored. The gradient by a weight is not the same but mirrored: the kernel is not free to break its symmetry.
    assert not report.passed
    assert failing_part(report) == "gradient by weight"
    layer.requires_grad_(False)
    assert equivariance_error(layer, (1, 1, 4, 4), group=mirror, what=DERIVATIVES).passed
    assert not equivariance_error(layer, (1, 1, 4, 4), group=rotations()[0], what="gradient").passed


def test_an_output_that_changes_places_under_the_map() -> None:
    swap = Symmetry("exchange", lambda x: x.flip(0), lambda y: (y[1], y[0]))
    report = equivariance_error(lambda x: (x[0] ** 2, x[1] ** 2), image(2, 3), group=swap, what=DERIVATIVES)
    assert report.passed, str(report)
    assert not equivariance_error(lambda x: (x[0] ** 2, x[1] ** 3), image(2, 3), group=swap, what="gradient").passed


# Faults ---------------------------------------------------------------------------------------------------------------

FAULTS: dict[str, tuple[Callable[[Tensor, Tensor], Tensor], str]] = {
    "zero padded": (lambda x, v: (0.5 + x) * F.pad(v[..., 1:], (0, 1)), "gradient"),
    "position": (lambda x, v: Blur.pulled(x, v) * torch.arange(1.0, 1.0 + x.shape[-1]), "gradient"),
    "off by one": (lambda x, v: (0.5 + x) * v, "derivative"),
    "forgets the batch": (lambda x, v: torch.cat([Blur.pulled(x, v)[:1], 0 * v[1:]]), "derivative"),
    "twice as much": (lambda x, v: 2 * Blur.pulled(x, v), "derivative"),
    "double backward is zero": (lambda x, v: Blur.pulled(x.detach(), v.detach()), "second gradient"),
    "double backward forgets x": (lambda x, v: Blur.pulled(x.detach(), v), "second derivative"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_each_fault_is_caught(fault: str) -> None:
    pulled, what = FAULTS[fault]
    f, x = faulty(pulled), image(2, 1, 1, 6)
    assert equivariance_error(f, x).passed  # the value is right
    with pytest.raises(LawFailure) as failure:
        assert_equivariant(f, x, what=what)
    assert failure.value.report.what == what
    found = failure.value.counterexample
    assert found is not None
    assert found.error > 100 * found.floor
    assert what in found.script


@pytest.mark.parametrize("what", DERIVATIVES)
def test_the_function_without_a_fault_passes(what: str) -> None:
    assert assert_equivariant(faulty(Blur.pulled), image(2, 1, 1, 6), what=what).verdict == "verified"


def test_a_backward_pass_that_is_differentiable_once_fails_the_second() -> None:
    class Once(Blur):
        @staticmethod
        @torch.autograd.function.once_differentiable
        def backward(ctx: Any, v: Tensor) -> Tensor:
            return Blur.pulled(*ctx.saved_tensors, v)

    report = equivariance_error(lambda x: Once.apply(x), image(2, 6), axes=-1, what=("gradient", "second gradient"))
    assert report.failures == 0
    assert failing_part(report.also[0]) == "second gradient by the cotangent, along it"


def test_weights_that_are_zero_at_first_put_no_relu_on_its_kink() -> None:
    class Residual(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            torch.manual_seed(0)
            self.conv = nn.Conv2d(1, 4, 3, padding=1, padding_mode="circular")
            self.gain = nn.Parameter(torch.zeros(4, 1, 1))

        def forward(self, x: Tensor) -> Tensor:
            y = self.conv(x)
            return (y.relu() + self.gain * y).relu().mean((-2, -1))

    for seed in range(20):
        report = equivariance_error(Residual().eval(), (1, 1, 6, 6), group=(6, 3), what=DERIVATIVES[2:], seed=seed)
        assert report.passed, str(report)


def test_a_weight_gradient_that_depends_on_the_position() -> None:
    class Weighted(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: Tensor, w: Tensor) -> Tensor:
            ctx.save_for_backward(x, w)
            return x * w

        @staticmethod
        def backward(ctx: Any, v: Tensor) -> tuple[Tensor, Tensor]:
            x, w = ctx.saved_tensors
            return v * w, (v * x)[..., 0].sum()

    class Layer(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.gain = nn.Parameter(torch.tensor(1.5, dtype=torch.float64))

        def forward(self, x: Tensor) -> Tensor:
            return Weighted.apply(x, self.gain)  # type: ignore[no-untyped-call,no-any-return]

    report = equivariance_error(Layer().eval(), (1, 6), axes=-1, what="gradient")
    assert failing_part(report) == "gradient by gain"


def test_zero_padding_shows_in_both_gradients() -> None:
    layer = nn.Conv2d(1, 1, 3, padding=1).eval()
    for what in DERIVATIVES[:2]:
        assert not equivariance_error(layer, (1, 1, 4, 4), what=what).passed
    for what in DERIVATIVES[2:]:  # its gradient is right, though not equivariant
        assert equivariance_error(layer, (1, 1, 4, 4), what=what).passed
    mixed = equivariance_error(faulty(FAULTS["twice as much"][0]), image(2, 1, 1, 6), what=("value", "derivative"))
    assert mixed.failures == 0
    assert not mixed  # what else was compared counts
    assert mixed.verdict == "failed"
    assert "derivative" in str(mixed)


# What is refused ------------------------------------------------------------------------------------------------------


def test_what_has_no_gradient_is_refused() -> None:
    with pytest.raises(TypeError, match="torch functions only"):
        equivariance_error(np.tanh, (4, 4), what="gradient")
    with pytest.raises(ValueError, match="has a gradient"):
        equivariance_error(lambda x: x.detach() * 2, image(4, 4), what="gradient")
    with pytest.raises(ValueError, match="has a gradient"):
        equivariance_error(lambda x: x.argmax(), image(4, 4), what="second gradient")
    with pytest.raises(ValueError, match="'gradients'"):
        equivariance_error(circular(), (1, 2, 4, 4), what="gradients")
    with pytest.raises(ValueError, match="what"):
        equivariance_error(circular(), (1, 2, 4, 4), what=())


def test_maps_that_are_not_orthogonal_are_refused() -> None:
    direction = lambda x: x / x.norm()  # noqa: E731
    double = Symmetry("doubling", lambda x: 2 * x)
    assert equivariance_error(
        direction, image(4, 4), group=double
    ).passed  # and its gradient at 2x is half of that at x
    with pytest.raises(ValueError, match="takes an input of length"):
        equivariance_error(direction, image(4, 4), group=double, what="gradient")
    stretched = Symmetry("mirror", lambda x: x.flip(-1), lambda y: 2 * y)
    with pytest.raises(ValueError, match="takes an output of length"):
        equivariance_error(torch.relu, image(4, 4), group=stretched, what="gradient")


@pytest.mark.parametrize("where", [0.0, 0.05, 0.3, 0.9, 1.5, 3.0, 5.0])
def test_the_bound_of_a_difference_holds_with_a_kink_within_the_step(where: float) -> None:
    step = 1e-6
    kinked = lambda t: [torch.tensor(max(t - where * step, 0.0) + (2 + t) ** 3, dtype=torch.float64)]  # noqa: E731
    (slope,), (bound,) = central(kinked, step, [1e-14])
    assert abs(float(slope) - 12) <= bound
    if where > 4:  # no step reaches it
        assert bound < 1e-3


def test_a_function_that_cannot_run_in_double_says_so() -> None:
    weight = torch.ones(1, 1, 3)
    f = lambda x: F.conv1d(F.pad(x, (1, 1), mode="circular"), weight)  # noqa: E731
    x = image(1, 1, 6, dtype=torch.float32)
    assert equivariance_error(f, x, axes=-1, what="gradient").passed
    with pytest.raises(ValueError, match="float64"):
        equivariance_error(f, x, axes=-1, what="derivative")


def test_a_gradient_that_is_zero_is_called_vacuous() -> None:
    report = equivariance_error(torch.floor, image(4, 4), what="gradient")
    assert report.verdict == "vacuous"
    assert "zero" in str(report.vacuous)


# What is left alone ---------------------------------------------------------------------------------------------------


def test_weights_buffers_and_gradients_are_left_alone() -> None:
    network = small_network()
    x = image(2, 1, 4, 4, dtype=torch.float32)
    network(x).sum().backward()
    before = [t.clone() for t in network.state_dict().values()]
    gradients = [p.grad.clone() for p in network.parameters() if p.grad is not None]
    state = torch.get_rng_state()
    equivariance_error(network, x, group=(2, 2), what=DERIVATIVES)
    assert all(torch.equal(a, b) for a, b in zip(before, network.state_dict().values(), strict=True))
    assert all(
        torch.equal(a, p.grad) for a, p in zip(gradients, network.parameters(), strict=True) if p.grad is not None
    )
    assert torch.equal(state, torch.get_rng_state())
    assert x.grad is None


def test_a_function_may_write_into_its_argument() -> None:
    def f(x: Tensor) -> Tensor:
        x.mul_(2)
        return x.relu_()

    assert equivariance_error(f, image(4, 4), what=("gradient", "second gradient")).passed


def test_a_given_input_with_ties_is_no_false_alarm() -> None:
    pool = nn.MaxPool2d(2).eval()
    report = equivariance_error(pool, torch.zeros(1, 1, 4, 4), group=(2, 2), what="gradient")
    assert report.verdict == "verified"
    assert report.inputs[0] == "the given input with a little noise"


# Options --------------------------------------------------------------------------------------------------------------


def test_tolerance_samples_and_strategies_work_as_for_values() -> None:
    import hypothesis.strategies as st

    layer = circular()
    for what in ("gradient", "derivative"):
        report = equivariance_error(layer, (1, 2, 4, 4), what=what, tolerance=1e-3, samples=5)
        assert report.passed
        assert report.bounds.max() == 1e-3
        assert report.rate is not None
        assert report.rate.failures == 0
    zeros = nn.Conv2d(2, 1, 3, padding=1).eval()
    assert equivariance_error(zeros, (1, 2, 4, 4), what="gradient", samples=5).rate.failures > 0  # type: ignore[union-attr]
    shapes = st.sampled_from([(1, 2, 3, 4), (2, 2, 4, 4)])
    assert assert_equivariant(layer, shapes, what="gradient").verdict == "verified"
    with pytest.raises(LawFailure, match="gradient"):
        assert_equivariant(zeros, shapes, what="gradient")


def test_the_lines_of_a_counterexample_show_the_failure_again() -> None:
    with pytest.raises(LawFailure) as failure:
        assert_equivariant(
            nn.Conv2d(1, 1, 3, padding=1).eval(),
            (1, 1, 4, 4),
            what="gradient",
            name="torch.nn:Conv2d(1, 1, 3, padding=1).eval()",
        )
    found = failure.value.counterexample
    assert found is not None
    assert sum(min(k, 4 - k) for k in found.shift) == 1  # the smallest shift
    with pytest.raises(LawFailure):
        exec(found.script, {})
