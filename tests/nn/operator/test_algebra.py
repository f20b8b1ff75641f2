"""Convolution operators as matrices: applied, transposed, multiplied, inverted, against the dense matrix."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st

import equiconv as eq
from equiconv.arrays import transform_bound
from equiconv.nn import ConvOperator, SingularConvolutionError, circular_conv, use_algorithm
from equiconv.nn.operator import convolution, products
from equiconv.testing import assert_adjoint
from equiconv.testing.report import LawFailure
from tests.nn.operator.drawn import integers, normal, operators, wide


@settings(max_examples=150, deadline=None)
@given(operator=operators(make=integers), columns=st.integers(1, 2), extra=st.sampled_from([(), (2,), (3, 1)]))
def test_it_acts_as_its_matrix(operator: ConvOperator, columns: int, extra: tuple[int, ...]) -> None:
    """Exactly, on small integers."""
    matrix = operator.dense()
    assert matrix.shape == operator.shape
    lead = (*extra, *operator.batch) if extra != (3, 1) else (1,) * len(operator.batch)
    x = integers((*lead, operator.shape[-1], columns), 0, operator.dtype)
    with use_algorithm("direct"):
        assert torch.equal(operator @ x, matrix @ x)
        vector = x[(0,) * len(lead)][:, 0]
        assert torch.equal(operator @ vector, matrix @ vector)
        signals = x[..., 0].reshape(*lead, *operator.sizes_in)
        image = operator.apply(signals)
        assert torch.equal(image.flatten(-len(operator.sizes_out)), (matrix @ x[..., :1])[..., 0])


@settings(max_examples=80, deadline=None)
@given(operator=operators(make=integers))
def test_transpose_and_adjoint(operator: ConvOperator) -> None:
    matrix = operator.dense()
    assert torch.equal(operator.T.dense(), matrix.mT)
    assert torch.equal(operator.H.dense(), matrix.mH)
    assert torch.equal(operator.T.T.dense(), matrix)
    assert torch.equal((2 * operator).dense(), 2 * matrix)
    x = integers((*operator.batch, *operator.sizes_out), 1, operator.dtype)
    with use_algorithm("direct"):
        flat = x.flatten(-len(operator.sizes_out)).unsqueeze(-1)
        assert torch.equal(operator.H.apply(x).flatten(-len(operator.sizes_in)), (matrix.mH @ flat)[..., 0])


@pytest.mark.parametrize("stride", [1, 2])
def test_the_adjoint_is_one_and_the_transpose_is_not(stride: int) -> None:
    """The library's own assertion holds for `H`, and notices the conjugation that `T` forgets."""
    operator = ConvOperator(normal((3, 2, 3), 0, torch.complex128), 6, stride=stride)
    x = normal(operator.sizes_in, 1, torch.complex128)
    assert_adjoint(operator.apply, operator.H.apply, x)
    with pytest.raises(LawFailure):
        assert_adjoint(operator.apply, operator.T.apply, x)


def test_it_is_the_layers_convolution() -> None:
    weight, x = normal((4, 3, 3, 3), 0), normal((2, 3, 6, 8), 1)
    operator = ConvOperator(weight, (6, 8), stride=2, padding=1)
    assert torch.equal(operator.apply(x), circular_conv(x, weight, stride=2, padding=1))
    assert torch.allclose(ConvOperator(weight, (6, 8)).apply(x), circular_conv(x, weight, padding="same"))


def test_one_channel_is_a_circulant() -> None:
    weight = normal((1, 1, 5), 0)
    operator = ConvOperator(weight, 5, padding=0)
    circulant = eq.Circulant(weight[0, 0], convention="correlation")
    assert torch.equal(operator.dense(), circulant.dense())
    values = circulant.eigvals().abs().sort(descending=True).values
    assert torch.allclose(operator.singular_values(), values, rtol=1e-14)


# ---------------------------------------------------------------------------------------------------------------------
# Products
# ---------------------------------------------------------------------------------------------------------------------


@st.composite
def chains(draw: st.DrawFn, make: Any = integers) -> tuple[ConvOperator, ConvOperator]:
    """(second, first) that follow one another, neither transposed."""
    first = draw(operators(make=make, batches=((), (2,))))
    first = first.T if first._transposed else first
    channels, *sizes = first.sizes_out
    groups = draw(st.sampled_from([g for g in (1, 2, 3) if channels % g == 0]))
    kernel_size = [draw(st.integers(1, 4)) for _ in sizes]
    second = ConvOperator(
        make(
            (*draw(st.sampled_from([(), (2,), (3, 1)])), 2 * groups, channels // groups, *kernel_size), 5, first.dtype
        ),
        sizes,
        stride=[draw(st.sampled_from([s for s in (1, 2, 3) if n % s == 0])) for n in sizes],
        dilation=draw(st.integers(1, 3)),
        padding=draw(st.one_of(st.just("same"), st.integers(-2, 4))),
        groups=groups,
    )
    return second, first


@settings(max_examples=120, deadline=None)
@given(chain=chains(), spectral=st.booleans())
def test_products(chain: tuple[ConvOperator, ConvOperator], spectral: bool) -> None:
    """Exactly on integers where kernels are moved over each other; by spectra the integers come out after rounding."""
    second, first = chain
    with pytest.MonkeyPatch.context() as patch:
        if spectral:
            patch.setattr(products, "_MOST_TAPS", 0)
        product = second @ first
        found, expected = product.dense(), second.dense() @ first.dense()
        assert found.shape == expected.shape
        assert torch.allclose(found, expected, rtol=0, atol=1e-9)
        parts = torch.view_as_real(found) if found.is_complex() else found
        assert torch.allclose(parts, parts.round(), rtol=0, atol=1e-9)
        if product._geometry.kernel_size != first._geometry.sizes:  # not folded on the torus
            assert torch.equal(found, expected)
        assert torch.allclose((first.T @ second.T).dense(), expected.mT, rtol=1e-12, atol=1e-9)


@settings(max_examples=80, deadline=None)
@given(chain=chains(make=normal))
def test_products_with_transposes(chain: tuple[ConvOperator, ConvOperator]) -> None:
    second, first = chain
    matrix = first.dense()
    gram = first @ first.H
    assert torch.allclose(gram.dense(), matrix @ matrix.mH, rtol=1e-10, atol=1e-10)
    assert gram.sizes_in == gram.sizes_out == first.sizes_out
    if first._geometry.phases == 1:
        assert torch.allclose((first.H @ first).dense(), matrix.mH @ matrix, rtol=1e-10, atol=1e-10)
    if second._geometry.phases == 1:
        both = first.H @ second.H @ second
        assert torch.allclose(both.dense(), matrix.mH @ second.dense().mH @ second.dense(), rtol=1e-10, atol=1e-10)


def test_what_has_no_kernel() -> None:
    operator = ConvOperator(normal((2, 1, 3), 0), 6, stride=2)
    with pytest.raises(TypeError, match="apply one after the other"):
        operator.H @ operator
    with pytest.raises(TypeError, match="apply one after the other"):
        operator @ eq.Shift(1, 6)
    with pytest.raises(TypeError, match="takes a ConvOperator"):
        operator.compose(eq.Shift(1, 6))  # type: ignore[arg-type]


def test_products_that_do_not_fit() -> None:
    operator = ConvOperator(normal((2, 3, 3), 0), 6)
    with pytest.raises(ValueError, match="they must be equal"):
        operator @ operator
    with pytest.raises(TypeError, match="one dtype"):
        operator.T @ ConvOperator(operator.weight.float(), 6)
    two, three = (ConvOperator(normal((k, 2, 2, 3), 0), 6) for k in (2, 3))
    with pytest.raises(ValueError, match="does not broadcast"):
        two @ three


def test_half_precision_products_are_joined_in_single() -> None:
    operator = ConvOperator(normal((2, 2, 3), 0).half(), 8)
    product = operator @ operator
    single = ConvOperator(operator.weight.float(), 8)
    assert torch.equal(product.weight, (single @ single).weight.half())


# ---------------------------------------------------------------------------------------------------------------------
# Inverses
# ---------------------------------------------------------------------------------------------------------------------


def inverse_bound(operator: ConvOperator, singular: torch.Tensor) -> torch.Tensor:
    """How far an inverse may be from the exact one in the 2-norm, (*batch,), for its exact singular values.

    A block known to within δ has an inverse known to within δ/(σ·(σ − δ)), σ the smallest singular value; an inverse
    by elimination errs by as much again, times a growth that stays below 8 here. Back on the torus an entry errs by
    `transform_bound`, N of which make a norm.
    """
    delta, least = operator.rounding_bound().double(), singular[..., -1]
    samples = max(operator.shape[-2:])
    back = transform_bound(1 / least, operator._geometry.periods, operator.dtype) * samples**0.5
    return 16 * delta / (least * (least - delta)) + back


@settings(max_examples=150, deadline=None)
@given(operator=operators(square=True, dtypes=(torch.float32, torch.float64, torch.complex64, torch.complex128)))
def test_inverse_solution_and_determinant(operator: ConvOperator) -> None:
    matrix = wide(operator)
    singular = torch.linalg.svdvals(matrix)
    least, delta = singular[..., -1], operator.rounding_bound().double()
    assume(bool((least > 8 * delta).all()))
    bound = inverse_bound(operator, singular)
    inverse = torch.linalg.inv(matrix)
    found = operator.inv()
    assert found.dtype == operator.dtype
    assert found.sizes_in == operator.sizes_out
    assert (torch.linalg.matrix_norm(wide(found) - inverse, 2) <= bound).all()
    b = normal((2, *operator.batch, operator.shape[-2], 2), 7, operator.dtype)
    x = operator.solve(b)
    assert x.dtype == operator.dtype
    exact = torch.linalg.solve(matrix, b.to(matrix.dtype))
    size = torch.linalg.matrix_norm(b.to(matrix.dtype))
    assert (torch.linalg.matrix_norm(x.to(matrix.dtype) - exact) <= bound * size).all()
    vector = normal((operator.shape[-2],), 8, operator.dtype)
    exact_vector = (inverse @ vector.to(matrix.dtype).unsqueeze(-1))[..., 0]
    error = torch.linalg.vector_norm(operator.solve(vector).to(matrix.dtype) - exact_vector, dim=-1)
    assert (error <= bound * torch.linalg.vector_norm(vector)).all()
    sign, logarithm = torch.linalg.slogdet(matrix)
    result = operator.slogdet()
    # d log|det A| = tr(A⁻¹ dA): each of N values moves by its relative error; the phase by no more.
    relative = 4 * (delta.unsqueeze(-1) / (singular - delta.unsqueeze(-1))).sum(-1)
    rounding = 8 * torch.finfo(operator.dtype).eps * (1 + singular.log().abs().sum(-1))
    assert ((result.logabsdet.double() - logarithm).abs() <= relative + rounding).all()
    if operator.dtype.is_complex:
        assert ((result.sign.to(sign.dtype) - sign).abs() <= relative + rounding).all()
    else:
        assert torch.equal(result.sign.double(), sign)


@settings(max_examples=120, deadline=None)
@given(operator=operators())
def test_pseudo_inverse(operator: ConvOperator) -> None:
    """The four conditions of Penrose, which decide it; and against the dense one where no value is near the limit."""
    matrix, found = operator.dense(), operator.pinv().dense()
    singular = torch.linalg.svdvals(matrix)
    bound = operator.rounding_bound().unsqueeze(-1)
    kept = singular > 100 * bound
    assume(bool((kept | (singular <= bound / 2)).all()))
    least = torch.where(kept, singular, torch.inf).amin()
    tolerance = 1e-12 * float(1 + singular.max() / least) * float(1 + singular.max()) * float(1 + 1 / least)
    assert torch.allclose(matrix @ found @ matrix, matrix, rtol=0, atol=tolerance)
    assert torch.allclose(found @ matrix @ found, found, rtol=0, atol=tolerance)
    for product in (matrix @ found, found @ matrix):
        assert torch.allclose(product, product.mH, rtol=0, atol=tolerance)


def test_singular_operators_name_the_frequency() -> None:
    difference = torch.tensor([[[1.0, -1.0]]], dtype=torch.float64)
    with pytest.raises(SingularConvolutionError, match=r"solve\(\) needs a regular operator, but at frequency 0 ") as e:
        ConvOperator(difference, 6).solve(torch.ones(6, dtype=torch.float64))
    assert e.value.indices == ((0, 0),)
    # Of two operators, the second; of its two groups, the second; at both frequencies where its sum vanishes.
    weight = torch.zeros(2, 2, 1, 2, 1, dtype=torch.float64)
    weight[:, :, 0, 0] = 1
    weight[1, 1, 0, 1] = 1
    with pytest.raises(
        SingularConvolutionError, match=r"frequency \(2, 0\) of batch entry \(1,\) in channel group 1"
    ) as e:
        ConvOperator(weight, (4, 3), groups=2).inv()
    assert e.value.indices == ((1, 2, 0, 1), (1, 2, 1, 1))
    assert isinstance(e.value, np.linalg.LinAlgError)
    determinant = ConvOperator(weight, (4, 3), groups=2).slogdet()
    assert determinant.logabsdet.isneginf().tolist() == [False, True]
    assert determinant.sign.tolist() == [1.0, 0.0]
    assert ConvOperator(weight, (4, 3), groups=2).cond().isinf().tolist() == [False, True]


def test_what_is_not_square_has_no_inverse() -> None:
    operator = ConvOperator(normal((3, 2, 3), 0), 6)
    for call in (operator.inv, operator.slogdet, lambda: operator.solve(torch.zeros(18))):
        with pytest.raises(ValueError, match=r"as many filters as channels·∏stride.*use pinv\(\)"):
            call()


def test_a_solution_keeps_dtypes_and_promotes() -> None:
    operator = ConvOperator(torch.tensor([[[4.0, 1.0]]]), 5)
    assert operator.solve(torch.ones(5, dtype=torch.float64)).dtype == torch.float64
    assert operator.solve(torch.ones(5, dtype=torch.complex64)).dtype == torch.complex64
    assert ConvOperator(operator.weight.half(), 5).solve(torch.ones(5, dtype=torch.half)).dtype == torch.half


@settings(max_examples=80, deadline=None)
@given(operator=operators(), quantile=st.floats(0.05, 1.5))
def test_clipping_is_the_dense_projection(operator: ConvOperator, quantile: float) -> None:
    matrix = operator.dense()
    u, s, v = torch.linalg.svd(matrix, full_matrices=False)
    limit = quantile * float(s.max()) + 1e-6
    clipped = operator.clip(limit)
    assert torch.allclose(
        clipped.dense(), (u * s.clamp(max=limit).unsqueeze(-2)) @ v, rtol=0, atol=1e-10 * limit + 1e-10
    )
    assert (clipped.lipschitz() <= limit * (1 + 1e-10)).all()


@pytest.mark.parametrize("limit", [0.0, -1.0, float("nan"), float("inf")])
def test_limits_that_clip_nothing(limit: float) -> None:
    with pytest.raises(ValueError, match="positive finite"):
        ConvOperator(normal((1, 1, 3), 0), 4).clip(limit)


# ---------------------------------------------------------------------------------------------------------------------
# Gradients
# ---------------------------------------------------------------------------------------------------------------------

SQUARE: list[tuple[tuple[int, ...], tuple[int, ...], dict[str, Any]]] = [
    ((2, 2, 3), (5,), {}),
    ((4, 1, 2, 2), (4, 2), {"stride": 2}),
    ((4, 2, 3), (4,), {"groups": 2, "dilation": 2}),
]


@pytest.mark.parametrize(("shape", "sizes", "arguments"), SQUARE)
@pytest.mark.parametrize("dtype", [torch.float64, torch.complex128])
def test_gradients(shape: Any, sizes: Any, arguments: Any, dtype: torch.dtype) -> None:
    weight = normal(shape, 1, dtype).requires_grad_()
    length = ConvOperator(weight, sizes, **arguments).shape[-1]
    b = normal((length,), 2, dtype).requires_grad_()

    def operator(w: torch.Tensor) -> ConvOperator:
        return ConvOperator(w, sizes, **arguments)

    for function in (
        lambda w: operator(w).inv().weight,
        lambda w: operator(w).pinv().weight,
        lambda w: operator(w).slogdet().logabsdet,
        lambda w: operator(w).dense(),
        lambda w: (operator(w) @ operator(w).H).dense(),
        lambda w: operator(w).clip(1.0).weight,
    ):
        assert torch.autograd.gradcheck(function, weight)
    for function in (
        lambda w, x: operator(w) @ x,
        lambda w, x: operator(w).H @ x,
        lambda w, x: operator(w).solve(x),
        lambda w, x: operator(w).T.solve(x),
    ):
        assert torch.autograd.gradcheck(function, (weight, b))


# ---------------------------------------------------------------------------------------------------------------------
# False twins
# ---------------------------------------------------------------------------------------------------------------------


def test_a_solution_with_the_wrong_conjugation_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    operator = ConvOperator(normal((2, 2, 3), 0), 7)
    b = normal((14,), 1)
    exact = torch.linalg.solve(operator.dense(), b)
    assert torch.allclose(operator.solve(b), exact)
    monkeypatch.setattr("equiconv.nn.operator.application.blocks", lambda *a: convolution.blocks(*a).conj())
    assert not torch.allclose(operator.solve(b), exact, atol=1e-3)


def test_the_permutation_of_a_stride_has_a_sign(monkeypatch: pytest.MonkeyPatch) -> None:
    operator = ConvOperator(normal((2, 1, 3), 0), 4, stride=2)
    exact = torch.linalg.slogdet(operator.dense()).sign
    assert operator.slogdet().sign == exact
    monkeypatch.setattr(convolution, "components_sign", lambda *a: 1)
    assert operator.slogdet().sign == -exact
