"""The rounding floor: found by itself, in the narrowest dtype inside, without touching the network."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from equiconv.measurement.outputs import largest_difference
from equiconv.measurement.rounding import BEYOND, BEYOND_NARROW, RandomRounding, limit_for, rounding_floors
from equiconv.measurement.subject import Subject

EPS32, EPS64 = 2.0**-23, 2.0**-52


def floor_of(f, x, axes=(-2, -1)) -> float:
    subject = Subject.of(f, x, axes)
    return max(rounding_floors(subject, subject.leaves, subject.run()))


def network(dtype: torch.dtype = torch.float32) -> nn.Module:
    torch.manual_seed(0)
    layers = [nn.Conv2d(1, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU(inplace=True), nn.Conv2d(8, 8, 3, padding=1)]
    return nn.Sequential(*layers, nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 5)).eval().to(dtype)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16])
def test_the_floor_of_a_network_is_that_of_its_dtype(dtype: torch.dtype) -> None:
    x = torch.randn(2, 1, 8, 8, generator=torch.Generator().manual_seed(1)).to(dtype)
    model = network(dtype)
    scale = float(model(x).abs().max().detach())
    assert torch.finfo(dtype).eps * scale <= floor_of(model, x) <= 100 * torch.finfo(dtype).eps * scale


def test_the_floor_covers_what_rounding_really_does_and_is_not_far_above_it() -> None:
    x = torch.randn(2, 1, 16, 16, generator=torch.Generator().manual_seed(1))
    single, double = network(), network(torch.float64)
    with torch.no_grad():
        real = largest_difference(single(x).double(), double(x.double()))
    assert real <= BEYOND * floor_of(single, x)
    assert floor_of(single, x) <= 100 * real


def test_a_narrow_dtype_hidden_inside_is_seen_in_torch() -> None:
    x = torch.randn(1, 1, 8, 8, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    single, double = network(), network(torch.float64)
    hidden = floor_of(lambda x: single(x.float()).double(), x)
    assert hidden > EPS32 * float(double(x).detach().abs().max()) / 4
    assert floor_of(lambda x: double(x), x) < 1e-6 * hidden


def test_a_narrow_dtype_hidden_inside_is_seen_in_numpy_where_the_output_shows_it() -> None:
    x = np.random.default_rng(0).standard_normal((8, 8))
    shown = floor_of(lambda x: np.sin(x.astype(np.float32)).astype(np.float64), x)
    assert 0.25 * EPS32 <= shown <= 4 * EPS32
    assert floor_of(np.sin, x) <= 4 * EPS64
    assert floor_of(lambda x: np.sin(x).astype(np.float32), x) >= 0.25 * EPS32


def test_numpy_floors_cover_a_fourier_transform() -> None:
    x = np.random.default_rng(0).standard_normal((32, 32)).astype(np.float32)
    w = np.random.default_rng(1).standard_normal((32, 32)).astype(np.float32)
    exact = np.fft.ifft2(np.fft.fft2(x.astype(np.float64)) * np.fft.fft2(w.astype(np.float64))).real
    fast = np.fft.ifft2(np.fft.fft2(x) * np.fft.fft2(w)).real
    assert fast.dtype == np.float32
    floor = floor_of(lambda x: np.fft.ifft2(np.fft.fft2(x) * np.fft.fft2(w)).real, x)
    assert np.abs(fast - exact).max() <= BEYOND * floor
    assert floor <= 1e-4 * np.abs(exact).max()


def test_weights_buffers_and_inputs_come_out_unchanged() -> None:
    model, x = network(), torch.randn(1, 1, 8, 8)
    state = {name: value.clone() for name, value in model.state_dict().items()}
    before = x.clone()
    floor_of(model, x)
    assert torch.equal(x, before)
    assert all(torch.equal(value, state[name]) for name, value in model.state_dict().items())


def test_a_function_that_writes_into_its_input_does_not_reach_the_callers() -> None:
    x = torch.randn(1, 1, 8, 8)
    before = x.clone()
    floor_of(lambda x: x.mul_(2).sum((-2, -1)), x)
    assert torch.equal(x, before)


def test_views_and_constants_are_not_rounded_and_everything_else_is() -> None:
    x = torch.ones(4, 4)
    with RandomRounding(0):
        view, constant, computed = x.t()[1:].reshape(-1), torch.arange(3.0), x + x
        written = torch.zeros(2, 2)
        written.view(4).add_(1.0)
    assert torch.equal(view, torch.ones(12))
    assert torch.equal(constant, torch.arange(3.0))
    assert set(computed.flatten().tolist()) == {2 * (1 - EPS32), 2 * (1 + EPS32)}
    assert set(written.flatten().tolist()) <= {1 - EPS32, 1 + EPS32}


def test_complex_results_are_rounded_as_well() -> None:
    x = torch.randn(16, dtype=torch.complex64)
    with RandomRounding(0):
        y = x * 1
    change = ((y - x).abs() / x.abs()).numpy()
    assert np.allclose(change, EPS32, rtol=0.5)


def test_tensors_longer_than_the_pool_of_signs_are_perturbed_throughout() -> None:
    x = torch.ones(3, 2**20)
    with RandomRounding(0):
        y = x + 0
    assert bool((y != 1).all())
    share = float((y > 1).double().mean())
    assert abs(share - 0.5) < 0.01


def test_functions_of_integers_have_no_floor_of_their_own() -> None:
    x = np.zeros((4, 4))
    assert floor_of(lambda x: np.zeros(3, dtype=np.int64), x) == 0.0


def test_the_terms_of_a_sum_are_rounded_where_no_operation_has_rounded_them_yet() -> None:
    x = torch.cat([torch.ones(50), -torch.ones(50)]).reshape(10, 10)
    assert float(x.sum()) == 0
    assert floor_of(lambda x: x.sum(), x) >= EPS32  # one roundoff of the sum is 0
    assert floor_of(lambda x: x.roll(3, 1).sum(), x) >= EPS32
    assert floor_of(lambda x: x.abs().amax((-2, -1)), x) == EPS32


def test_what_is_exact_stays_so_and_what_was_rounded_is_not_rounded_twice() -> None:
    x = torch.ones(4, 4, dtype=torch.float32)
    weight = nn.Parameter(torch.ones(4, 4))
    with RandomRounding(0):
        widened, negative, product = x.double(), -x, (x + x) @ weight
    assert torch.equal(negative, -torch.ones(4, 4))
    assert set(widened.flatten().tolist()) <= {1 - EPS64, 1 + EPS64}  # not float32's roundoff
    assert float((product.detach() - 8).abs().max()) <= 8 * 2.01 * EPS32
    assert torch.equal(x, torch.ones(4, 4))
    assert torch.equal(weight.detach(), torch.ones(4, 4))


def test_a_wide_roundoff_counts_more_often_beside_narrow_ones() -> None:
    x = torch.ones(8, 8, dtype=torch.bfloat16)
    subject = Subject.of(lambda x: (x * 1, x.float() * 1), x)
    assert limit_for(subject) == BEYOND_NARROW
    narrow, wide = rounding_floors(subject, [x], subject.run(), beyond=BEYOND_NARROW)
    assert narrow == 2.0**-7
    assert 31 * EPS32 <= wide <= 65 * EPS32
    assert BEYOND_NARROW * wide >= BEYOND * EPS32 * 0.99
    assert limit_for(Subject.of(lambda x: x, x.float())) == BEYOND
    assert limit_for(Subject.of(lambda x: x, np.ones((2, 2), dtype=np.float16))) == BEYOND  # NumPy adds in float16
