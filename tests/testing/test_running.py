"""The same function run in another way: compiled, mapped, under autocast. Code that does otherwise then is caught."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

import equiconv as eq
from equiconv.testing import LawFailure, assert_equivariant, assert_invariant, equivariance_error
from equiconv.testing.running import Autocast, Compiled, Unavailable

# Traces and decomposes as the default backend does, and generates no code, which takes half a minute.
EAGER = partial(Compiled, backend="aot_eager")
WAYS: dict[str, Any] = {"compiled": EAGER, "vmapped": "vmapped", "autocast": "autocast"}


def network() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(
        eq.nn.CircularConv2d(1, 4, 3, padding=1),
        nn.BatchNorm2d(4),
        nn.ReLU(),
        eq.nn.CircularMaxPool2d(2),
        nn.Conv2d(4, 2, 3, padding=1, padding_mode="circular"),
    ).eval()


class Otherwise(nn.Module):
    """A circular convolution, and where `asked` says so what `then` makes of it."""

    def __init__(self, asked: Callable[[Tensor], bool], then: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.conv = nn.Conv2d(1, 2, 3, padding=1, padding_mode="circular")
        self.asked, self.then = asked, then

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.conv(x)
        return self.then(y) if self.asked(x) else y


def is_mapped(x: Tensor) -> bool:
    return torch._C._functorch.is_batchedtensor(x)


def ramp(y: Tensor) -> Tensor:
    return y + torch.arange(y.shape[-1], dtype=y.dtype)


ASKED: dict[str, Callable[[Tensor], bool]] = {
    "compiled": lambda _: torch.compiler.is_compiling(),
    "vmapped": is_mapped,
    "autocast": lambda _: torch.is_autocast_enabled("cpu"),
}


@pytest.mark.parametrize("way", WAYS)
def test_a_network_passes(way: str) -> None:
    report = assert_equivariant(network(), (2, 1, 8, 4), group=(2, 2), what=WAYS[way])
    assert report.verdict == "verified"
    assert report.what == way


@pytest.mark.parametrize("way", WAYS)
def test_a_position_that_only_shows_in_that_way_is_caught(way: str) -> None:
    model = Otherwise(ASKED[way], ramp).eval()
    assert assert_equivariant(model, (1, 1, 4, 4)).verdict == "verified"
    with pytest.raises(LawFailure, match=way):
        assert_equivariant(model, (1, 1, 4, 4), what=WAYS[way])


@pytest.mark.parametrize("way", WAYS)
def test_another_value_in_that_way_is_caught_where_it_is_equivariant_as_well(way: str) -> None:
    model = Otherwise(ASKED[way], lambda y: y - 0.5).eval()
    report = equivariance_error(model, (1, 1, 4, 4), what=WAYS[way])
    assert not report.passed
    assert "beside the plain call" in str(report.worst and report.worst.output)


@pytest.mark.nightly  # half a minute of C++ compiler
def test_the_default_backend_generates_code_or_says_why_it_does_not() -> None:
    f = lambda x: x + x.roll(1, -1)  # noqa: E731
    report = assert_equivariant(f, torch.randn(1, 4), axes=-1, what="compiled", search=False)
    assert report.verdict == "verified"
    assert any("inductor" in note for note in report.notes)


def test_without_a_compiler_the_test_is_skipped_and_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    missing = torch._inductor.exc.InvalidCxxCompiler

    def backend(_graph: Any, _examples: Any) -> Any:
        raise missing

    monkeypatch.setattr(torch._dynamo, "lookup_backend", lambda _name: backend)
    with pytest.raises(Unavailable, match="aot_eager"):
        equivariance_error(network(), (1, 1, 4, 4), what="compiled")


def test_what_cannot_run_in_that_way_is_an_error_and_no_pass() -> None:
    with pytest.raises(TypeError, match="torch functions only"):
        equivariance_error(np.tanh, (4, 4), what="compiled")
    with pytest.raises(ValueError, match="nothing to compile"):
        equivariance_error(lambda x: x, torch.randn(4, 4), what=EAGER)
    with pytest.raises(ValueError, match="backend"):
        equivariance_error(torch.relu, torch.randn(4, 4), what=partial(Compiled, backend="none such"))
    with pytest.raises(RuntimeError) as error:
        equivariance_error(lambda x: x * float(x.sum()), torch.randn(4, 4), what="vmapped")
    assert "vmap" in error.value.__notes__[-1]


def test_vmap_with_several_arguments_and_a_structured_output() -> None:
    def f(x: Tensor, gain: Tensor) -> dict[str, Any]:
        return {"map": x * gain, "count": 3, "mean": (x.mean((-2, -1)),)}

    report = equivariance_error(f, (torch.randn(2, 4, 4), torch.tensor(2.0)), what="vmapped")
    assert report.verdict == "verified", str(report)

    def leaks(x: Tensor) -> Tensor:  # a batch rule that mixes the rows it is given
        return Mixing.apply(x)  # type: ignore[no-untyped-call,no-any-return]

    assert equivariance_error(leaks, torch.randn(3, 4), axes=-1).passed
    assert not equivariance_error(leaks, torch.randn(3, 4), axes=-1, what="vmapped").passed


class Mixing(torch.autograd.Function):
    @staticmethod
    def forward(x: Tensor) -> Tensor:
        return 2 * x

    @staticmethod
    def setup_context(ctx: Any, inputs: Any, output: Any) -> None:
        pass

    @staticmethod
    def vmap(info: Any, in_dims: tuple[int], x: Tensor) -> tuple[Tensor, int]:
        return 2 * x.roll(1, in_dims[0]), in_dims[0]


def test_autocast_loses_a_bias() -> None:
    model = Otherwise(ASKED["autocast"], lambda y: y).eval()
    assert assert_equivariant(model, (1, 1, 4, 4), what="autocast").verdict == "verified"
    model.then = lambda y: y - model.conv.bias.to(y.dtype)[:, None, None]  # type: ignore[union-attr,operator]
    assert not equivariance_error(model, (1, 1, 4, 4), what="autocast").passed


def test_zero_padding_shows_under_autocast_and_a_wide_function_is_noted() -> None:
    layer = nn.Conv2d(2, 3, 3, padding=1).eval()
    assert not equivariance_error(layer, (1, 2, 6, 6), what=partial(Autocast, dtype=torch.float16)).passed
    assert not equivariance_error(layer, (1, 2, 6, 6), what="autocast").passed
    report = equivariance_error(torch.relu, torch.randn(4, 4), what="autocast")
    assert "nothing of f runs in bfloat16" in report.notes[-1]


def test_a_bound_that_nothing_could_exceed_is_called_vacuous() -> None:
    torch.manual_seed(0)
    layer = nn.Sequential(*(nn.Conv2d(4, 4, 3, padding=1) for _ in range(3))).eval().to(torch.bfloat16)
    report = equivariance_error(lambda x: layer(x.bfloat16()).float(), torch.randn(1, 4, 6, 6))
    assert report.verdict == "vacuous"  # 256 roundoffs of bfloat16 are the value itself
    assert report.vacuous is not None
    assert "256 times the rounding floor" in report.vacuous


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_a_model_in_a_narrow_dtype_is_tested_in_it(dtype: torch.dtype) -> None:
    """The circular one was as vacuous as the other in bfloat16, whose 256 roundoffs are twice the value."""

    def model(padding: str) -> nn.Module:
        torch.manual_seed(0)
        convs = [nn.Conv2d(c, 8, 3, padding=1, padding_mode=padding) for c in (2, 8)]
        return nn.Sequential(convs[0], nn.GroupNorm(2, 8), nn.ReLU(), convs[1]).eval().to(dtype)

    assert assert_equivariant(model("circular"), (1, 2, 8, 8)).bound == "8 × the rounding floor"
    with pytest.raises(LawFailure) as failure:
        assert_equivariant(model("zeros"), (1, 2, 8, 8))
    assert failure.value.report.counterexample is not None


def added(x: Tensor, by: str) -> Tensor:
    """The sum of all entries of x in its own dtype, or what is wide on the way, rounded once."""
    zeros, index = torch.zeros(1, dtype=x.dtype), torch.zeros(x.numel(), dtype=torch.long)
    match by:
        case "sum":
            return x.sum()
        case "one after another":
            return sum(x.flatten(), torch.zeros((), dtype=x.dtype))
        case "scattered":
            return zeros.scatter_add(0, index, x.flatten())
        case "scattered in place":
            return zeros.index_add_(0, index, x.flatten())
        case _:
            return x.float().cumsum(0).cumsum(1)[-1, -1]


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
@pytest.mark.parametrize("by", ["sum", "one after another", "scattered", "scattered in place", "wide"])
def test_a_long_sum_in_a_narrow_dtype_is_no_failure_and_a_fault_in_it_is_one(by: str, dtype: torch.dtype) -> None:
    x = torch.randn(16, 16, generator=torch.Generator().manual_seed(0)).to(dtype)
    assert assert_invariant(partial(added, by=by), x, search=False, vacuous="ignore").passed
    faulty = lambda x: added(x, by) + 8 * x[0, 0] * x.square().sum()  # noqa: E731
    assert not equivariance_error(faulty, x, output_action="invariant").passed


def test_the_head_is_compared_and_integers_are_not_held_to_the_plain_call_under_autocast() -> None:
    def f(x: Tensor) -> tuple[Tensor, Tensor]:
        y = F.conv2d(F.pad(x, (1, 1, 1, 1), mode="circular"), torch.ones(2, 1, 3, 3))
        return y.mean((-2, -1)), y.argmax()

    assert assert_invariant(lambda x: f(x)[0], torch.randn(1, 1, 4, 4), what="autocast").passed
