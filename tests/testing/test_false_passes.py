"""Wrong functions that once passed, tests that could not fail and did not say so, and right functions that failed: each beside its right twin."""

from __future__ import annotations

import math
import warnings

import numpy as np
import pytest
import torch
from hypothesis import strategies as st

import equiconv as eq
from equiconv.testing import (
    LawFailure,
    Symmetry,
    VacuousWarning,
    assert_adjoint,
    assert_commutes,
    assert_equivariant,
    equivariance_error,
    flips,
    verify_laws,
)

RNG = np.random.default_rng(0)


def noted(report, text: str) -> bool:
    return any(text in note for note in report.notes)


# NaN -----------------------------------------------------------------------------------------------------------------------


def sometimes_nan(x):
    return x if x[0, 0] <= 0 else x * np.nan


@pytest.mark.parametrize("f", [lambda x: np.where(np.arange(6) == 0, np.nan, x), sometimes_nan])
def test_nan_after_a_shift_is_a_failure(f) -> None:
    """It counted as an input on which f is not defined, and the seeded normals were such an input."""
    assert not equivariance_error(f, (6, 6)).passed
    with pytest.raises(LawFailure):
        assert_equivariant(f, (6, 6), search=False)
    with pytest.raises(LawFailure):
        assert_equivariant(f, RNG.standard_normal((6, 6)))
    assert assert_equivariant(lambda x: np.where(x > 0, np.nan, x), (6, 6)).verdict == "verified"  # which moves along


def test_nan_on_normals_beside_a_given_input_is_a_failure_and_elsewhere_a_note() -> None:
    assert not equivariance_error(lambda x: sometimes_nan(-x), RNG.random((6, 6)) + 1).passed
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = equivariance_error(lambda x: 1 / x[0, 0] * x[0, 0], np.ones((4, 4)))  # 1 but for zeros, where it is NaN
    assert ratio.passed
    assert noted(ratio, "f is not finite on one pixel")


# Adjoints ------------------------------------------------------------------------------------------------------------------


def test_a_bound_that_nothing_can_exceed_is_vacuous() -> None:
    x = torch.randn(8, generator=torch.Generator().manual_seed(0)).bfloat16()
    with pytest.warns(VacuousWarning, match="more than the two sides can differ by"):
        assert_adjoint(lambda x: -x, lambda y: y, x)
    with pytest.raises(LawFailure):
        assert_adjoint(lambda x: -x, lambda y: y, x.float())
    with pytest.raises(LawFailure):  # of thousands of entries the bound is smaller than the sum
        assert_adjoint(lambda x: -x, lambda y: y, torch.ones(4096, dtype=torch.bfloat16))


def test_one_wrong_entry_of_thousands_is_seen() -> None:
    """The floor was weighed by the sum of 4096 entries, which is more than the fault."""
    x = torch.randn(4096, generator=torch.Generator().manual_seed(0))
    assert assert_adjoint(lambda x: x * 2, lambda y: y * 2, x).verdict == "verified"
    with pytest.raises(LawFailure):
        assert_adjoint(lambda x: torch.where(torch.arange(4096) == 7, x * 1.5, x), lambda y: y, x)


def test_a_random_map_and_one_that_is_not_finite_are_refused() -> None:
    with pytest.raises(ValueError, match="a: is not deterministic"):
        assert_adjoint(lambda x: x * RNG.random(), lambda y: y, (400,))
    with pytest.raises(ValueError, match="adjoint: is not deterministic"):
        assert_adjoint(lambda x: x, lambda y: y * RNG.random(), (400,))
    with pytest.raises(ValueError, match="finite everywhere"):
        assert_adjoint(lambda x: x * np.nan, lambda y: y, (4,))
    with pytest.raises(ValueError, match="returns a number"):
        assert_adjoint(lambda x: x.sum(), lambda y: y, (4,))
    with pytest.raises(LawFailure):
        assert_adjoint(lambda x: np.where(x == 1, np.nan, x), lambda y: y, (4,))  # NaN on one pixel alone


# Options -------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("tolerance", [math.nan, math.inf, -1.0, "1", True])
def test_a_tolerance_that_decides_everything_is_refused(tolerance) -> None:
    calls = (
        lambda: assert_equivariant(np.cumsum, (6,), axes=-1, tolerance=tolerance),
        lambda: equivariance_error(np.cumsum, (6,), axes=-1, tolerance=tolerance),
        lambda: assert_commutes(np.cumsum, np.flip, (6,), tolerance=tolerance),
        lambda: assert_adjoint(np.cumsum, np.flip, (6,), tolerance=tolerance),
    )
    for call in calls:
        with pytest.raises((ValueError, TypeError), match="tolerance: got"):
            call()


REFUSED = [
    ({"samples": 2.5}, "samples"),
    ({"samples": -3}, "samples"),
    ({"seed": -1}, "seed"),
    ({"seed": 1.5}, "seed"),
    ({"axes": 1.5}, "axes"),
    ({"axes": None}, "axes"),
    ({"group": []}, "group: is empty"),
]


@pytest.mark.parametrize(("options", "match"), REFUSED)
def test_other_options_are_named_when_they_are_refused(options, match: str) -> None:
    with pytest.raises((ValueError, TypeError), match=match):
        equivariance_error(np.abs, (4, 4), **options)


def test_strategies_are_refused_where_they_mean_nothing() -> None:
    with pytest.raises(ValueError, match="samples: of inputs that Hypothesis draws"):
        assert_equivariant(np.abs, st.just((4, 4)), samples=10)
    with pytest.raises(TypeError, match="Hypothesis strategy"):
        equivariance_error(np.abs, st.just((4, 4)))
    with pytest.raises(ValueError, match="draws no example"):
        assert_equivariant(np.abs, st.nothing())


# Outputs -------------------------------------------------------------------------------------------------------------------


def test_other_outputs_after_a_shift_are_refused() -> None:
    x = RNG.standard_normal((6, 6))
    with pytest.raises(ValueError, match=r'returns output\["[ab]"\]'):
        assert_equivariant(lambda x: {"a": x} if x[0, 0] > 0 else {"b": x}, x)
    with pytest.raises(ValueError, match="returns output"):
        assert_equivariant(lambda x: (x, x) if x[0, 0] > 0 else (x,), x)


def test_what_is_not_compared_is_noted() -> None:
    assert noted(equivariance_error(lambda x: (x, x[:5, :5]), (6, 6)), "output[1] (5, 5) was not compared")
    assert noted(equivariance_error(lambda x: (x, object()), (6, 6)), "holds object besides arrays")
    assert not equivariance_error(lambda x: (x, None, "name"), (6, 6)).notes


def test_a_bound_that_a_fault_hides_in_is_noted() -> None:
    report = equivariance_error(lambda x: (x * 1e12 + x) - x * 1e12, torch.randn(6, 6, dtype=torch.float64))
    assert noted(report, "a smaller fault would not be seen")
    assert not equivariance_error(lambda x: x * 2, torch.randn(6, 6, dtype=torch.float64)).notes
    narrow = torch.randn(4096, dtype=torch.bfloat16, generator=torch.Generator().manual_seed(0))
    assert noted(assert_adjoint(lambda x: x * 2, lambda y: y * 2, narrow), "a smaller fault would not be seen")
    assert not assert_adjoint(lambda x: x * 2, lambda y: y * 2, narrow.float()).notes


def test_a_complex_number_is_an_output_as_any_other() -> None:
    assert assert_equivariant(lambda x: complex(x.sum()), (6, 6)).verdict == "verified"
    with pytest.raises(LawFailure):
        assert_equivariant(lambda x: complex(0, x[0, 0]), (6, 6))


# Maps that write, and groups -----------------------------------------------------------------------------------------------


def test_a_map_that_writes_into_what_it_is_given_gets_a_copy() -> None:
    with pytest.raises(LawFailure):
        assert_commutes(lambda x: 2 * x, lambda x: x.__iadd__(1), (4,))

    def negated(y):
        y *= -1
        return y

    signs = [Symmetry("minus", lambda x: -x, negated), Symmetry("minus again", lambda x: -x, negated)]
    assert assert_equivariant(lambda x: x**3, (4, 4), group=signs).verdict == "verified"
    with pytest.raises(LawFailure):
        assert_equivariant(lambda x: x**2, (4, 4), group=signs)
    assert (
        assert_equivariant(
            lambda x: x**3, (4, 4), output_action=lambda shift, y: np.roll(negated(negated(y)), shift, (0, 1))
        ).verdict
        == "verified"
    )


def test_a_map_may_change_the_shape_of_the_input() -> None:
    transposition = Symmetry("transposition", lambda x: x.T, lambda y: y.T)
    assert assert_equivariant(np.abs, (4, 6), group=transposition).verdict == "verified"
    with pytest.raises(LawFailure):
        assert_equivariant(lambda x: np.cumsum(x, 0), (4, 6), group=transposition)


def test_a_map_that_moves_nothing_is_noted_and_one_that_returns_nothing_is_refused() -> None:
    assert noted(
        assert_equivariant(np.abs, (4, 4), group=[Symmetry("id", lambda x: x, lambda y: y), *flips()]),
        "id moves none of the inputs",
    )
    with pytest.raises(TypeError, match="return an array"):
        assert_equivariant(np.abs, (4, 4), group=Symmetry("nothing", lambda x: None))


def test_groups_are_counted_and_fit_the_input() -> None:
    Z = eq.Translations(4)
    assert not equivariance_error(np.abs, (4,), axes=-1, group=[Z.element(1)] * 4).complete
    assert equivariance_error(np.abs, (4,), axes=-1, group=[(1,), (2,), (3,)]).complete
    assert equivariance_error(np.abs, (4,), axes=-1, group={(1,), (2,)}).compared
    net = torch.nn.Conv2d(1, 1, 3, padding=1, padding_mode="circular").eval()
    certificate = eq.certify(net, torch.randn(1, 1, 8, 8))
    with pytest.raises(ValueError, match="certify at that size"):
        assert_equivariant(net, (1, 1, 16, 16), group=certificate)


def test_what_no_input_is_accepted_by_raises_its_own_error() -> None:
    with pytest.raises(ValueError, match="matmul"):
        assert_commutes(np.eye(4), np.eye(3), (4,))
    with pytest.raises(ValueError, match="without entries"):
        assert_equivariant(np.abs, np.zeros((0, 3, 3)))
    assert assert_equivariant(np.abs, (np.int64(3), 3)).verdict == "verified"


# Right functions whose rounding was not seen -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "f", [lambda x: x.mean((-2, -1)), lambda x: x.roll(1, -1).sum(), lambda x: torch.fft.fft2(x)[0, 0].real]
)
def test_a_sum_whose_terms_cancel_is_no_failure(f) -> None:
    """One roundoff of a sum that is nearly 0 is nothing; its terms were rounded too, each shift in another order."""
    x = torch.randn(64, 64, generator=torch.Generator().manual_seed(0))
    x = x - x.double().mean().float()
    assert assert_equivariant(f, x, output_action="invariant").verdict == "verified"
    with pytest.raises(LawFailure):
        assert_equivariant(lambda x: f(x) + x[0, 0] / 16, x, output_action="invariant")


# What was refused in words of torch's, or not in words that help ------------------------------------------------------------


@pytest.mark.parametrize("layout", [torch.sparse_coo, torch.sparse_csr])
@pytest.mark.filterwarnings("ignore:Sparse CSR tensor support")
def test_sparse_and_nested_tensors_are_refused_by_name(layout) -> None:
    x = torch.eye(4).to_sparse(layout=layout)
    with pytest.raises(TypeError, match=r"x: is a sparse_c\w+ tensor.*write x.to_dense"):
        assert_equivariant(lambda x: x, x)
    with pytest.raises(TypeError, match="output: is a sparse_coo tensor"):
        assert_equivariant(lambda x: {"a": x.to_sparse()}["a"], torch.eye(4))
    nested = torch.nested.nested_tensor([torch.ones(3, 4), torch.ones(2, 4)], layout=torch.jagged)
    with pytest.raises(TypeError, match=r"nested tensor.*to_padded_tensor"):
        assert_equivariant(lambda x: x, nested)
    report = equivariance_error(lambda x, a: (a @ x.T).T, (torch.randn(6, 4), x), axes=0)  # it stays as it is
    assert report.verdict == "verified"


def test_a_shape_for_a_function_of_torch_tensors_says_what_to_pass() -> None:
    with pytest.raises(TypeError) as refused:
        assert_equivariant(lambda x: torch.nn.functional.relu(x), (1, 3, 8, 8))
    assert "pass torch.randn(1, 3, 8, 8)" in refused.value.__notes__[-1]
    with pytest.raises(TypeError, match="holds several shapes"):
        assert_equivariant(lambda x, y: x + y, ((8, 8), (8, 8)))
    with pytest.raises(TypeError, match=r"holds no array, only float; .*numpy.asarray of a list"):
        assert_equivariant(lambda x: x, [[1.0, 2.0], [3.0, 4.0]])


def test_nan_everywhere_is_called_by_its_name_and_nan_in_places_is_noted() -> None:
    nothing = equivariance_error(lambda x: x * np.nan, np.ones((4, 4)))
    assert nothing.vacuous is not None
    assert "no entry of the output is finite" in nothing.vacuous  # it said that the output is zero
    some = equivariance_error(lambda x: np.where(x > 0, x, np.nan), RNG.standard_normal((4, 4)))
    assert noted(some, "output holds NaN on the given input")
    assert not noted(equivariance_error(np.abs, (4, 4)), "NaN")


def test_a_signal_is_told_its_axes_and_an_input_with_a_gradient_warns_of_nothing() -> None:
    with pytest.raises(ValueError, match=r"x has the shape \(8,\), without .* pass axes=-1"):
        assert_equivariant(np.abs, np.ones(8))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        x = torch.randn(6, 6, generator=torch.Generator().manual_seed(0)).requires_grad_()
        assert assert_equivariant(lambda x: 2 * x, x).verdict == "verified"


# Bounds and tolerances that hide everything ------------------------------------------------------------------------------------


def test_a_tolerance_that_nothing_can_exceed_is_vacuous() -> None:
    """It was called verified."""
    ramp = np.arange(8.0)
    with pytest.warns(VacuousWarning, match="the tolerance 1e.09 is more than any two outputs differ by"):
        assert_equivariant(lambda x: x * ramp, RNG.standard_normal((2, 8, 8)), tolerance=1e9)
    with pytest.raises(LawFailure):
        assert_equivariant(lambda x: x * ramp, RNG.standard_normal((2, 8, 8)), tolerance=0.1)
    assert equivariance_error(lambda x: x, RNG.standard_normal((2, 8, 8)), tolerance=0.0).verdict == "verified"


def test_what_is_nowhere_finite_is_not_called_zero() -> None:
    with pytest.warns(VacuousWarning, match="no entry of the output is finite"):
        assert_equivariant(lambda x: x * np.nan, RNG.standard_normal((2, 8, 8)))


class Bfloat16Inside(torch.nn.Conv2d):
    def forward(self, x):
        x_ = torch.nn.functional.pad(x.bfloat16(), (1, 1, 1, 1), mode="circular")
        y = torch.nn.functional.conv2d(x_, self.weight.bfloat16(), self.bias.bfloat16()).to(x.dtype)
        return y + 1e-2 * torch.linspace(0, 1, x.shape[-1], dtype=x.dtype)


def test_a_model_whose_rounding_hides_a_bias_by_position_is_vacuous() -> None:
    """256 roundoffs of bfloat16 are the value itself; every law of a model held."""
    torch.manual_seed(0)
    model = Bfloat16Inside(2, 3, 3).eval()
    table = verify_laws(model, "model", shape=(1, 2, 6, 8), strides=(1, 1), laws=["shift_float64"], examples=8)
    (row,) = table.rows
    assert (row.status, bool(table)) == ("vacuous", False)
    assert "something is computed in a narrow dtype" in str(row.reason)
    own = torch.nn.Conv2d(2, 3, 3, padding=1, padding_mode="circular").bfloat16().eval()  # of this the copy is sharp
    assert verify_laws(own, "model", shape=(1, 2, 6, 8), strides=(1, 1), laws=["shift_float64"], examples=8)
