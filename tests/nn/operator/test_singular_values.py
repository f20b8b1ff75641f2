"""Singular values of convolution operators against dense decompositions, with the stated bound; and false twins."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from equiconv.nn import ConvOperator
from equiconv.nn.operator import convolution, frequencies, values
from tests.nn.operator.drawn import deviation, integers, normal, operators, wide

ALL = (torch.float32, torch.float64, torch.complex64, torch.complex128)


@settings(max_examples=250, deadline=None)
@given(operator=operators(dtypes=ALL))
def test_they_are_those_of_the_dense_matrix(operator: ConvOperator) -> None:
    assert deviation(operator) <= 1


@settings(max_examples=100, deadline=None)
@given(operator=operators(dtypes=ALL))
def test_by_transform_as_by_phases(operator: ConvOperator) -> None:
    """Kernels of many taps are transformed; here all are."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(frequencies, "_MOST_TAPS", 0)
        assert deviation(operator) <= 1


@settings(max_examples=100, deadline=None)
@given(operator=operators(dtypes=ALL))
def test_norms_and_condition(operator: ConvOperator) -> None:
    matrix = wide(operator)
    exact = torch.linalg.svdvals(matrix)
    bound = operator.rounding_bound().double() + 1e-13 * exact[..., 0]
    assert ((operator.lipschitz().double() - exact[..., 0]).abs() <= bound).all()
    assert torch.equal(operator.norm(2), operator.lipschitz())
    # A sum of r values errs by r bounds, and by the rounding of r additions.
    count = exact.shape[-1]
    rounding = count * torch.finfo(operator.dtype).eps * exact.sum(-1)
    assert ((operator.norm("nuc").double() - exact.sum(-1)).abs() <= count * bound + rounding).all()
    # The Frobenius norm is a sum of squares of sums over taps that meet, two roundings each at most.
    frobenius = torch.linalg.matrix_norm(matrix)
    taps = operator.weight[(0,) * len(operator.batch)].numel()
    magnitude = torch.linalg.matrix_norm(wide(ConvOperator._of(operator.weight.abs(), operator._geometry)))
    allowed = (taps + 4) * torch.finfo(operator.dtype).eps * magnitude
    assert ((operator.norm().double() - frobenius).abs() <= allowed).all()
    condition, least = operator.cond().double(), exact[..., -1]
    regular = torch.isfinite(condition)
    assert (least[~regular] <= 2 * bound[~regular]).all()
    # σ₁/σ_r with both known to within the bound
    high, low = (exact[..., 0] + bound) / (least - bound), (exact[..., 0] - bound) / (least + bound)
    slack = 1 + 4 * torch.finfo(operator.dtype).eps
    known = regular & (least > 2 * bound)
    assert (condition[known] <= high[known] * slack).all()
    assert (condition[known] * slack >= low[known]).all()


@settings(max_examples=60, deadline=None)
@given(operator=operators())
def test_values_by_frequency_are_those_of_plane_waves(operator: ConvOperator) -> None:
    """On the outputs of frequency f, the adjoint is as large as the values at f say: their squares add up to it."""
    found = operator.singular_values(per_frequency=True)
    periods = operator._geometry.periods
    assert found.shape[len(operator.batch) : -1] == periods
    assert (found[..., :-1] >= found[..., 1:]).all()
    # Whichever end has no stride left: plane waves there are one frequency of the group.
    from_outputs = operator.H if not operator._transposed else operator
    channels = from_outputs.sizes_in[0]
    index = np.indices(periods).reshape(len(periods), -1)
    for f in np.ndindex(periods):
        phase = sum(k * i / n for k, i, n in zip(f, index, periods, strict=True))
        wave = torch.as_tensor(np.exp(2j * np.pi * np.asarray(phase))) / math.sqrt(math.prod(periods))
        total = 0.0
        for c in range(channels):
            signal = torch.zeros(channels, *periods, dtype=torch.complex128)
            signal[c] = wave.reshape(periods)
            image = from_outputs.apply(signal)
            total = total + torch.linalg.vector_norm(image.flatten(len(operator.batch)), dim=-1) ** 2
        assert torch.allclose(
            (found[(..., *f, slice(None))] ** 2).sum(-1), torch.as_tensor(total), rtol=1e-10, atol=1e-10
        )


@pytest.mark.parametrize("sizes", [(7,), (8,), (4, 6), (5, 3), (2, 3, 4), (1, 1)])
def test_each_pair_of_frequencies_is_decomposed_once(sizes: tuple[int, ...], monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []

    def counted(matrices: torch.Tensor) -> torch.Tensor:
        seen.append(len(matrices))
        return torch.linalg.svdvals(matrices)

    monkeypatch.setattr(convolution, "singular_values", counted)
    ConvOperator(normal((3, 3, *(2,) * len(sizes)), 0), sizes).singular_values()
    own = sum(all(-k % n == k for k, n in zip(f, sizes, strict=True)) for f in np.ndindex(sizes))
    assert seen == [(math.prod(sizes) + own) // 2]


def test_depthwise_layers_are_not_decomposed(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(matrices: torch.Tensor) -> torch.Tensor:
        raise AssertionError("a decomposition")

    monkeypatch.setattr(torch.linalg, "svdvals", refuse)
    weight = normal((6, 1, 3, 3), 0)
    found = ConvOperator(weight, (5, 8), groups=6).singular_values()
    by_channel = torch.cat([ConvOperator(w[None], (5, 8)).singular_values() for w in weight])
    assert torch.allclose(found, by_channel.sort(descending=True).values, rtol=1e-14)
    torus = torch.zeros(6, 5, 8, dtype=torch.float64)
    torus[:, :3, :3] = weight[:, 0]
    spectrum = torch.fft.fft2(torus).abs().flatten().sort(descending=True).values
    assert torch.allclose(found, spectrum, rtol=1e-13, atol=1e-13)


def test_groups_hold_no_zeros() -> None:
    operator = ConvOperator(normal((8, 2, 3), 0), 6, groups=4)
    assert operator._blocks(operator._grid()).shape == (4, 4, 2, 2)


def test_a_shift_has_singular_values_one_and_a_sum_one_alone() -> None:
    shift = ConvOperator(torch.eye(3, dtype=torch.float64).reshape(3, 3, 1, 1), (4, 5), padding=(2, 1))
    assert torch.allclose(shift.singular_values(), torch.ones(60, dtype=torch.float64), rtol=0, atol=1e-14)
    mean = ConvOperator(torch.ones(1, 1, 6, dtype=torch.float64), 6).singular_values()
    assert torch.allclose(mean, torch.tensor([6.0, 0, 0, 0, 0, 0], dtype=torch.float64), rtol=0, atol=1e-13)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_is_computed_in_single(dtype: torch.dtype) -> None:
    half = ConvOperator(normal((4, 3, 3), 0).to(dtype), 8)
    single = ConvOperator(half.weight.float(), 8)
    assert half.singular_values().dtype == torch.float32
    assert torch.equal(half.singular_values(), single.singular_values())
    assert half.inv().dtype == dtype if half.shape[-1] == half.shape[-2] else half.pinv().dtype == dtype


# ---------------------------------------------------------------------------------------------------------------------
# The largest one alone
# ---------------------------------------------------------------------------------------------------------------------


@settings(max_examples=60, deadline=None)
@given(
    shape=st.tuples(st.integers(2, 40), st.integers(1, 2), st.integers(12, 18), st.integers(12, 30)),
    wide_first=st.booleans(),
    spread=st.sampled_from([0.0, 0.1, 1.0, 4.0]),
    exponent=st.sampled_from([-25, -15, 0, 15]),
    dtype=st.sampled_from([torch.complex64, torch.complex128]),
    seed=st.integers(0, 1000),
)
def test_candidates_include_the_largest(
    shape: Any, wide_first: bool, spread: float, exponent: int, dtype: torch.dtype, seed: int
) -> None:
    matrices = normal(shape, seed, dtype)
    if wide_first:
        matrices = matrices.mT
    scale = normal(shape[:2], seed + 1).abs()[..., None, None] ** spread
    matrices = matrices * scale.to(dtype) * 10.0**exponent
    expected = values.singular_values(matrices)[..., 0].amax(0)
    found = values.largest_singular_values(matrices)
    bound = values.decomposition_bound(*matrices.shape[-2:], dtype) * expected
    assert ((found - expected).abs() <= bound).all()


def test_few_blocks_are_decomposed_where_one_stands_out(monkeypatch: pytest.MonkeyPatch) -> None:
    weight = normal((16, 16, 3, 3), 0) + 1  # its mean makes frequency 0 the largest
    operator = ConvOperator(weight, (16, 16))
    expected = operator.singular_values()[0]
    decomposed = 0

    def counted(matrices: torch.Tensor) -> torch.Tensor:
        nonlocal decomposed
        decomposed += math.prod(matrices.shape[:-2])
        return torch.linalg.svdvals(matrices)

    monkeypatch.setattr(values, "singular_values", counted)
    assert torch.allclose(operator.lipschitz(), expected, rtol=1e-14)
    assert 1 <= decomposed <= 10  # of 130


def test_the_largest_of_zeros_and_of_equals() -> None:
    zero = ConvOperator(torch.zeros(16, 16, 3), 9)
    assert zero.lipschitz() == 0
    orthogonal, _ = torch.linalg.qr(normal((16, 16), 0))
    operator = ConvOperator(orthogonal[..., None], 9)
    assert torch.allclose(operator.lipschitz(), torch.ones((), dtype=torch.float64), rtol=1e-14)


# ---------------------------------------------------------------------------------------------------------------------
# Gradients
# ---------------------------------------------------------------------------------------------------------------------

GEOMETRIES: list[tuple[tuple[int, ...], tuple[int, ...], dict[str, Any]]] = [
    ((2, 3, 3), (5,), {}),
    ((3, 2, 2, 3), (4, 3), {"dilation": 2}),
    ((3, 1, 2, 2), (4, 4), {"stride": 2}),
    ((4, 2, 5), (3,), {"groups": 2, "padding": 7}),
    ((2, 2, 2, 2), (3,), {}),
]


@pytest.mark.parametrize(("shape", "sizes", "arguments"), GEOMETRIES)
@pytest.mark.parametrize("dtype", [torch.float64, torch.complex128])
def test_gradients(shape: Any, sizes: Any, arguments: Any, dtype: torch.dtype) -> None:
    weight = normal(shape, 3, dtype).requires_grad_()
    for function in (
        lambda op: op.singular_values(),
        lambda op: op.singular_values(per_frequency=True),
        lambda op: op.lipschitz(),
        lambda op: op.norm("nuc"),
        lambda op: op.norm(),
        lambda op: op.cond(),
    ):
        assert torch.autograd.gradcheck(lambda w, f=function: f(ConvOperator(w, sizes, **arguments)), weight)


def test_the_gradient_of_the_largest_where_candidates_are_looked_for() -> None:
    weight = normal((2, 14, 13, 3, 3), 0).requires_grad_()
    operator = ConvOperator(weight, (6, 7))
    (one,) = torch.autograd.grad(operator.lipschitz().sum(), weight)
    (two,) = torch.autograd.grad(operator.singular_values(per_frequency=True).amax((1, 2, 3)).sum(), weight)
    assert torch.allclose(one, two, rtol=1e-10, atol=1e-12)
    assert one.abs().max() > 0.01


def test_gradients_where_values_vanish_are_finite() -> None:
    weight = torch.zeros(3, 3, 3, dtype=torch.float64, requires_grad=True)
    operator = ConvOperator(weight, 4)
    for value in (operator.lipschitz(), operator.norm("nuc"), operator.norm(), operator.singular_values().sum()):
        (grad,) = torch.autograd.grad(value, weight)
        assert torch.isfinite(grad).all()


# ---------------------------------------------------------------------------------------------------------------------
# False twins: what is wrong on purpose must be noticed by the comparison that the tests above make
# ---------------------------------------------------------------------------------------------------------------------


def _every_frequency_twice(periods: tuple[int, ...]) -> Any:
    """As many values as there must be, but those that are their own negatives counted as the others are."""
    kept, _, _ = frequencies.unique_frequencies(periods)
    inverse = np.resize(np.arange(len(kept)), math.prod(periods))
    return kept, inverse, np.bincount(inverse)


def _without_aliases(weight: Any, geometry: Any, chosen: Any) -> torch.Tensor:
    """A stride's first component alone: the aliased frequencies forgotten."""
    blocks = frequencies.blocks(weight, geometry, chosen)
    kept = blocks.clone()
    kept.unflatten(-1, (-1, geometry.phases))[..., 1:] = 0
    return kept


def _of_the_wrong_period(weight: Any, geometry: Any, chosen: Any) -> torch.Tensor:
    """Frequencies of the inputs instead of those of the outputs."""
    return frequencies.blocks(weight, geometry, chosen // 2)


@pytest.mark.parametrize(
    ("name", "twin", "stride"),
    [
        ("unique_frequencies", _every_frequency_twice, 1),
        ("blocks", _without_aliases, 2),
        ("blocks", _of_the_wrong_period, 2),
    ],
)
def test_false_twins_are_noticed(name: str, twin: Any, stride: int, monkeypatch: pytest.MonkeyPatch) -> None:
    operator = ConvOperator(normal((3, 2, 3, 3), 0), (8, 6), stride=stride)
    assert deviation(operator) <= 1
    monkeypatch.setattr(convolution, name, twin)
    assert deviation(operator) > 1e6


def test_a_forgotten_tap_position_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    """A dilation that the blocks do not see."""
    operator = ConvOperator(normal((3, 2, 3), 0), 7, dilation=2)
    right = frequencies._turns

    def undilated(geometry: Any, chosen: Any) -> Any:
        from dataclasses import replace

        return right(replace(geometry, dilation=(1,)), chosen)

    # On a torus of 7 a dilation permutes the frequencies and leaves the values as they are: only by frequency is it seen.
    by_frequency = operator.singular_values(per_frequency=True)
    monkeypatch.setattr(frequencies, "_turns", undilated)
    assert deviation(operator) <= 1
    assert not torch.allclose(operator.singular_values(per_frequency=True), by_frequency)
    assert deviation(ConvOperator(normal((3, 2, 3), 0), 8, dilation=2)) > 1e6


def test_the_bound_is_not_idle() -> None:
    """Single precision values are not within the bound of double precision, nor far below their own."""
    operator = ConvOperator(normal((8, 8, 3, 3), 0, torch.float32), (8, 8))
    double = ConvOperator(operator.weight.double(), (8, 8))
    error = (operator.singular_values().double() - double.singular_values()).abs().max()
    assert double.rounding_bound() < error <= operator.rounding_bound()
    assert operator.rounding_bound() < 1e-3 * double.lipschitz()


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_weights_that_are_not_finite(value: float) -> None:
    weight = torch.ones(1, 1, 3)
    weight[0, 0, 1] = value
    for read in (ConvOperator.singular_values, ConvOperator.lipschitz, ConvOperator.cond, ConvOperator.pinv):
        with pytest.raises(ValueError, match="NaN or infinite"):
            read(ConvOperator(weight, 4))


def test_norm_of_another_order() -> None:
    with pytest.raises(ValueError, match="ord must be"):
        ConvOperator(integers((1, 1, 3), 0), 4).norm("max")  # type: ignore[arg-type]


def test_matrices_on_which_lapack_fails() -> None:
    """torch.linalg.svdvals returns NaN for a finite block of this layer (torch 2.14, single precision)."""
    operator = ConvOperator(
        torch.tensor([0.3923, -0.2236]).reshape(2, 1, 1, 1, 1), (1, 1, 6), stride=(1, 1, 3), padding=(0, 0, 1)
    )
    assert deviation(operator) <= 1
    weak = torch.tensor([[0, 0, -0.3923 + 4.8e-20j], [0, 0, 0.2236 - 2.7e-20j]], dtype=torch.complex64)
    matrices = torch.stack([weak, torch.eye(2, 3, dtype=torch.complex64)])
    if not torch.linalg.svdvals(matrices).isnan().any():
        pytest.skip("this torch decomposes them")
    matrices.requires_grad_()
    found = values.singular_values(matrices)
    torch.testing.assert_close(found.detach(), torch.tensor([[0.4515, 0.0], [1.0, 1.0]]), atol=1e-4, rtol=0)
    (gradient,) = torch.autograd.grad(found[..., 0].sum(), matrices)
    assert gradient.isfinite().all()
