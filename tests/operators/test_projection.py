"""The nearest circulant and the distance to it."""

import math

import numpy as np
import pytest
import torch

from equiconv.operators import Circulant, Shift


@pytest.mark.parametrize("sizes", [(4,), (2, 2), (2, 4), (2, 2, 2)])
@pytest.mark.parametrize("convention", ["convolution", "correlation"])
def test_projection_is_orthogonal(sizes, convention):
    """M − P(M) is orthogonal to every shift, which span the circulants: exact, in integers divisible by N."""
    N = math.prod(sizes)
    rng = np.random.default_rng(0)
    M = N * rng.integers(-9, 10, (3, N, N)).astype(float)
    P = Circulant.nearest(M, sizes=sizes, convention=convention)
    assert P.convention == convention
    assert P.batch == (3,)
    assert P.sizes == sizes
    rest = M - P.dense()
    for k in np.ndindex(sizes):
        assert np.array_equal(np.sum(rest * Shift(k, sizes).dense(), axis=(-2, -1)), np.zeros(3))
    expected = np.linalg.norm(rest, axis=(-2, -1)) / np.linalg.norm(M, axis=(-2, -1))
    np.testing.assert_allclose(Circulant.distance(M, sizes=sizes), expected, rtol=4 * N * N * 2.0**-52)
    if len(sizes) > 1:
        assert not np.array_equal(Circulant.nearest(M).dense(), P.dense()), "one level is another space"


def test_distance_at_the_extremes():
    assert Circulant.distance(np.zeros((3, 3))) == 0
    assert Circulant.distance(np.diag([1.0, -1.0])) == 1
    assert Circulant.distance(np.full((2, 2), 1e300)) == 0
    assert 0.5 < Circulant.distance(1e-200 * np.diag([1.0, -1.0, 0.5])) <= 1
    assert np.isnan(Circulant.distance(np.full((2, 2), np.nan)))
    values = Circulant.distance(torch.eye(4, dtype=torch.float16).expand(2, 4, 4))
    assert values.dtype == torch.float16
    assert values.tolist() == [0, 0]


@pytest.mark.parametrize("shape", [(4,), (3, 4), (0, 0)])
def test_nearest_refuses_what_is_not_square(shape):
    for function in (Circulant.nearest, Circulant.distance):
        with pytest.raises(ValueError, match="M must be a non-empty square matrix"):
            function(np.ones(shape))
    with pytest.raises(ValueError, match="with product 4"):
        Circulant.nearest(np.ones((4, 4)), sizes=(2, 3))
    with pytest.raises(TypeError, match="M must be real or complex floating"):
        Circulant.distance(np.ones((2, 2), dtype=int))


def test_gradients_of_projection():
    generator = torch.Generator().manual_seed(0)
    M = torch.randn(2, 4, 4, dtype=torch.float64, generator=generator, requires_grad=True)
    assert torch.autograd.gradcheck(lambda M: Circulant.nearest(M, (2, 2)).kernel, M)
    assert torch.autograd.gradcheck(lambda M: Circulant.distance(M, (2, 2)), M)
