"""Maps that commute and adjoints: true ones pass, false ones are shown by the entry that differs."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import strategies as st

import equiconv as eq
from equiconv.testing import LawFailure, VacuousWarning, assert_adjoint, assert_commutes

RNG = np.random.default_rng(0)


def circulant(n: int, seed: int = 0, complex_: bool = False) -> eq.Circulant:
    rng = np.random.default_rng(seed)
    w = rng.standard_normal(n)
    return eq.Circulant(w + 1j * rng.standard_normal(n) if complex_ else w)


@pytest.mark.parametrize("n", [1, 2, 5, 12])
def test_circulants_commute_with_each_other_and_with_shifts(n: int) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", VacuousWarning)  # on one point everything is a multiple
        assert assert_commutes(circulant(n, 1), circulant(n, 2), (n,)).passed
    if n > 1:
        report = assert_commutes(circulant(n, 1), eq.Shift(1, n), (n,))
        assert (report.verdict, report.law) == ("verified", "a(b(x)) = b(a(x))")


def test_a_map_that_does_not_commute_is_shown_by_one_entry() -> None:
    with pytest.raises(LawFailure) as failure:
        assert_commutes(circulant(5), np.diag(np.arange(5.0)), (5,))
    found = failure.value.counterexample
    assert found is not None
    assert len(found.pixels) == 1
    assert "b is ndarray" in str(failure.value)


def test_functions_and_batches_and_torch() -> None:
    def blur(x):
        return F.conv1d(F.pad(x, (1, 1), mode="circular"), torch.tensor([[[1.0, 2, 3]]]))

    def pool(x):
        return F.max_pool1d(F.pad(x, (1, 1), mode="circular"), 3, 1)

    assert assert_commutes(blur, lambda x: x.roll(2, -1), torch.randn(2, 1, 6)).verdict == "verified"
    with pytest.raises(LawFailure):
        assert_commutes(blur, pool, torch.randn(2, 1, 6))


def test_sizes_may_be_drawn() -> None:
    def average(x):
        return (x + np.roll(x, 1, -1)) / 2

    report = assert_commutes(
        average,
        lambda x: x[..., ::-1] * 1.0 if x.shape[-1] < 3 else np.roll(x, 2, -1),
        st.integers(2, 6).map(lambda n: (n,)),
    )
    assert report.passed
    with pytest.raises(LawFailure) as failure:
        assert_commutes(average, lambda x: x[..., ::-1], st.integers(1, 9).map(lambda n: (n,)))
    assert failure.value.counterexample.x.shape == (3,)  # of one or two entries every average is symmetric


def test_the_identity_commutes_with_all_and_tests_nothing() -> None:
    with pytest.warns(VacuousWarning, match="moves"):
        assert_commutes(circulant(4), lambda x: x, (4,))


@pytest.mark.parametrize("complex_", [False, True])
def test_the_adjoint_of_a_circulant(complex_: bool) -> None:
    C = circulant(6, complex_=complex_)
    x = RNG.standard_normal(6) + (1j if complex_ else 0)
    report = assert_adjoint(C, C.H, x)
    assert report.verdict == "verified"
    assert report.complete
    if complex_:
        with pytest.raises(LawFailure):
            assert_adjoint(C, C.T, x)


def test_the_adjoint_of_a_strided_layer_is_the_transposed_layer() -> None:
    weight = torch.randn(3, 2, 3, 3, generator=torch.Generator().manual_seed(0))

    def layer(x):
        return F.conv2d(x, weight, stride=2, padding=1)

    def transposed(y, weight=weight):
        return F.conv_transpose2d(y, weight, stride=2, padding=1, output_padding=1)

    assert assert_adjoint(layer, transposed, torch.randn(1, 2, 8, 8)).verdict == "verified"
    with pytest.raises(LawFailure) as failure:
        assert_adjoint(layer, lambda y: transposed(y, weight.flip(-1)), torch.randn(1, 2, 8, 8))
    assert failure.value.counterexample is not None
    large = torch.randn(1, 2, 32, 32)
    assert not assert_adjoint(layer, transposed, large).complete
    with pytest.raises(LawFailure):
        assert_adjoint(layer, lambda y: transposed(y, weight.flip(-1)), large)


def test_a_single_wrong_entry_is_found() -> None:
    matrix = RNG.standard_normal((4, 5))
    wrong = matrix.T.copy()
    wrong[2, 1] += 1e-9
    assert assert_adjoint(matrix, matrix.T, (5,)).verdict == "verified"
    with pytest.raises(LawFailure) as failure:
        assert_adjoint(matrix, wrong, (5,))
    assert failure.value.counterexample.output == "A[1, 2]"
    assert failure.value.counterexample.pixels == (((2,), 1),)


def test_zero_is_the_adjoint_of_zero_and_tests_nothing() -> None:
    with pytest.warns(VacuousWarning, match="zero for every x"):
        assert_adjoint(lambda x: x * 0, lambda y: y * 0, (4,))


def test_refusals() -> None:
    with pytest.raises(ValueError, match="adjoint: returns the shape"):
        assert_adjoint(lambda x: x[..., :2], lambda y: y, (4,))
    with pytest.raises(TypeError, match="a: got str"):
        assert_commutes("fft", np.abs, (4,))
    with pytest.raises(ValueError, match="an adjoint is one of a map"):
        assert_adjoint(lambda x: (x, x), lambda y: y, (4,))
