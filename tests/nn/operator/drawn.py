"""Operators for the tests, and the comparison with a dense matrix that all of them share."""

from __future__ import annotations

import math
from typing import Any

import torch
from hypothesis import strategies as st

from equiconv.nn import ConvOperator


def normal(shape: Any, seed: int, dtype: torch.dtype = torch.float64) -> torch.Tensor:
    return torch.randn(*shape, dtype=dtype, generator=torch.Generator().manual_seed(seed))


def integers(shape: Any, seed: int, dtype: torch.dtype = torch.float64) -> torch.Tensor:
    """Small integers, on which sums of products are exact."""
    generator = torch.Generator().manual_seed(seed)
    values = torch.randint(-9, 10, tuple(shape), generator=generator).to(dtype)
    if dtype.is_complex:
        values = values + 1j * torch.randint(-9, 10, tuple(shape), generator=generator)
    return values


@st.composite
def operators(
    draw: st.DrawFn,
    dtypes: tuple[torch.dtype, ...] = (torch.float64, torch.complex128),
    square: bool = False,
    batches: tuple[tuple[int, ...], ...] = ((), (), (2,), (2, 1)),
    make: Any = normal,
) -> ConvOperator:
    """Any operator of at most some hundred samples: tori of odd, even and prime sizes, kernels longer than these."""
    axes = draw(st.integers(1, 3))
    stride = [draw(st.integers(1, 3)) for _ in range(axes)]
    periods = [draw(st.integers(1, {1: 7, 2: 4, 3: 2}[axes])) for _ in range(axes)]
    groups, channels, filters = draw(st.integers(1, 3)), draw(st.integers(1, 3)), draw(st.integers(1, 4))
    if square:
        filters = channels * math.prod(stride)
    kernel_size = [draw(st.integers(1, {1: 9, 2: 5, 3: 3}[axes])) for _ in range(axes)]
    padding = draw(st.just("same") | st.tuples(*(st.integers(-4, 9) for _ in range(axes))))
    shape = (*draw(st.sampled_from(batches)), groups * filters, channels, *kernel_size)
    operator = ConvOperator(
        make(shape, draw(st.integers(0, 10**6)), draw(st.sampled_from(dtypes))),
        [p * s for p, s in zip(periods, stride, strict=True)],
        stride=stride,
        padding=padding,
        dilation=[draw(st.integers(1, 3)) for _ in range(axes)],
        groups=groups,
    )
    return operator.T if draw(st.booleans()) else operator


def wide(operator: ConvOperator) -> torch.Tensor:
    """The matrix in double precision: that of the weights as they are, without another rounding."""
    double = torch.complex128 if operator.dtype.is_complex else torch.float64
    return ConvOperator._of(
        operator.weight.detach().to(double), operator._geometry, transposed=operator._transposed
    ).dense()


def deviation(operator: ConvOperator) -> torch.Tensor:
    """The largest error of a singular value over what is allowed, against a dense decomposition in double precision.

    Allowed are the operator's own bound, and what a dense decomposition may err by (LAPACK's max(M, N)·eps·σ₁).
    """
    exact = torch.linalg.svdvals(wide(operator))
    reference = max(operator.shape[-2:]) * torch.finfo(torch.float64).eps * exact[..., 0]
    values = operator.singular_values()
    assert values.shape == exact.shape
    error = (values.detach().double() - exact).abs().amax(-1)
    return (error / (operator.rounding_bound().double() + reference + 1e-300)).max()
