"""The assertions: what holds passes, every false twin is caught, and a test that could not have failed says so."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

import equiconv as eq
from equiconv.testing import (
    LawFailure,
    Symmetry,
    VacuousWarning,
    assert_equivariant,
    assert_invariant,
    equivariance_error,
    flips,
    profiles,
    rotations,
)
from equiconv.testing.report import Rate

RNG = np.random.default_rng(0)
W = RNG.standard_normal((3, 3))


def blur(x):
    return eq.circular_convolve(x, np.asarray(W), axes=(-2, -1))


def conv(padding_mode: str = "circular", **options) -> nn.Module:
    torch.manual_seed(0)
    return nn.Conv2d(2, 3, 3, padding=1, padding_mode=padding_mode, **options).eval()


# What holds ------------------------------------------------------------------------------------------------------------


def test_a_convolution_follows_every_shift() -> None:
    report = assert_equivariant(blur, (5, 6))
    assert (report.verdict, report.law, report.coverage, report.complete) == (
        "verified",
        "f(S x) = S f(x)",
        "all 30 shifts",
        True,
    )
    assert report.compared == 3 * 29  # three inputs, every shift but 0
    assert report.worst is not None
    assert report.worst.ratio < 1 < 1e20 * report.worst.bound
    assert (report.library, report.dtype, report.device) == ("numpy", "float64", "cpu")


def test_a_module_is_tried_in_the_dtype_of_its_weights() -> None:
    assert assert_equivariant(conv(), (1, 2, 6, 4)).dtype == "float32"
    assert assert_equivariant(conv().double(), (1, 2, 6, 4)).dtype == "float64"
    assert assert_equivariant(conv().bfloat16(), (1, 2, 6, 4), vacuous="ignore").dtype == "bfloat16"


def test_a_strided_layer_follows_the_shifts_for_which_its_grid_moves_and_says_so() -> None:
    report = assert_equivariant(conv(stride=2), (1, 2, 8, 8))
    assert report.group.startswith("2Z × 2Z of Z_8 × Z_8")
    assert "moves by whole points" in report.group


def test_a_head_is_invariant_under_the_shifts_of_its_certificate() -> None:
    net = nn.Sequential(conv(stride=2), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(3, 2)).eval()
    x = torch.randn(1, 2, 8, 8)
    certificate = eq.certify(net, x)
    assert assert_invariant(net, x, group=certificate).group == "2Z × 2Z of Z_8 × Z_8"
    with pytest.raises(LawFailure, match="fails in"):
        assert_invariant(net, x)


@pytest.mark.parametrize(
    "group", [2, (2, 1), eq.Translations((6, 4)).subgroup((2, 2)), [eq.Translations((6, 4)).element((2, 0))]]
)
def test_groups_are_taken_as_strides_subgroups_and_lists_of_shifts(group) -> None:
    def every_second(x):
        return x * (np.arange(6) % 2)[:, None]

    if group == 2:
        assert assert_equivariant(lambda x: x * (np.arange(6) % 2), (6,), axes=-1, group=2).verdict == "verified"
        return
    assert assert_equivariant(every_second, (6, 4), group=group).verdict == "verified"
    with pytest.raises(LawFailure):
        assert_equivariant(every_second, (6, 4))


def test_rotations_and_flips_and_maps_of_ones_own() -> None:
    symmetric = nn.Conv2d(1, 1, 3, padding=1, bias=False).double().eval()
    kernel = torch.tensor([[1.0, 2, 1], [2, 5, 2], [1, 2, 1]], dtype=torch.float64)
    symmetric.weight.data[:] = kernel
    assert assert_equivariant(symmetric, (1, 1, 5, 5), group=[*rotations(), *flips()]).law == "f(g x) = ρ(g) f(x)"
    assert (
        assert_invariant(lambda x: x.sum(), (4, 4), group=[Symmetry("transposition", lambda x: x.T)]).verdict
        == "verified"
    )
    symmetric.weight.data[0, 0, 0, 0] = 7
    with pytest.raises(LawFailure, match="rotation by 90") as failure:
        assert_equivariant(symmetric, (1, 1, 5, 5), group=rotations())
    assert failure.value.counterexample is not None
    assert len(failure.value.counterexample.pixels) == 1


def test_several_arguments_and_a_symmetry_of_them_all() -> None:
    def pairing(x, y):
        return (x * y).sum(-1)

    swap = Symmetry("swap", lambda arguments: (arguments[1], arguments[0]))
    arguments = RNG.standard_normal((2, 4)), RNG.standard_normal((2, 4))
    assert assert_equivariant(pairing, arguments, group=swap).verdict == "verified"
    with pytest.raises(LawFailure, match="swap"):
        assert_equivariant(lambda x, y: (x * y * y).sum(-1), arguments, group=swap)
    assert assert_invariant(pairing, arguments, axes=-1).verdict == "verified"


# What fails ------------------------------------------------------------------------------------------------------------

FAULTS = {
    "zero padding": lambda x: np.pad(x, 1)[:-2, 1:-1] + np.pad(x, 1)[1:-1, 1:-1],
    "a bias of the position": lambda x: x + np.arange(x.shape[-1]) * 1e-6,
    "a crop": lambda x: x * (np.arange(x.shape[0]) < x.shape[0] - 1)[:, None],
    "a flip": lambda x: x[::-1],
    "one pixel": lambda x: x * np.where(np.arange(x.size).reshape(x.shape) == 0, 1 + 1e-9, 1),
    "float32 inside, and a position": lambda x: (
        x.astype(np.float32) + np.eye(*x.shape, dtype=np.float32) * 1e-3
    ).astype(x.dtype),
    "only where all are large": lambda x: np.where(np.abs(x).min() > 1e-3, np.cumsum(x, 0), x),
}


@pytest.mark.parametrize("name", FAULTS)
def test_every_fault_is_caught(name: str) -> None:
    with pytest.raises(LawFailure) as failure:
        assert_equivariant(FAULTS[name], (6, 5))
    assert not failure.value.report.passed
    assert "fails" in str(failure.value)


def test_the_failure_says_the_smallest_counterexample_and_how_to_reproduce_it() -> None:
    with pytest.raises(LawFailure) as failure:
        assert_equivariant(conv("zeros"), (1, 2, 6, 6), name="torch.nn:Conv2d(2, 3, 3, padding=1).eval()")
    found = failure.value.counterexample
    assert found is not None
    assert found.shift in ((0, 1), (1, 0))
    assert len(found.pixels) == 1
    text = str(failure.value)
    assert "tried" in text
    assert "bound" in text
    printed: dict[str, object] = {}
    exec(found.script, printed)
    assert printed["error"] > 1e-3


def test_what_only_a_search_finds_is_found() -> None:
    """Correct on the values that the comparison tries: wrong on a few pixels of large size, as an overflow or a clamp would be."""

    def clamps(x):
        return np.where(np.abs(x) >= 90, x * np.arange(x.shape[-1]), x)

    assert equivariance_error(clamps, (4, 6)).passed
    with pytest.raises(LawFailure) as failure:
        assert_equivariant(clamps, (4, 6))
    assert failure.value.counterexample is not None
    assert assert_equivariant(clamps, (4, 6), search=False).passed


def test_a_tolerance_is_the_callers() -> None:
    def nearly(x):
        return x + 1e-3 * np.sin(np.arange(x.shape[-1]))

    with pytest.raises(LawFailure):
        assert_equivariant(nearly, (4, 4))
    report = assert_equivariant(nearly, (4, 4), tolerance=1e-2)
    assert report.bound == "the given tolerance 0.01"
    with pytest.raises(LawFailure):
        assert_equivariant(nearly, (4, 4), tolerance=1e-4)


def test_a_strategy_for_an_input_is_drawn_from_and_shrunk() -> None:
    sizes = st.tuples(st.integers(1, 9), st.integers(1, 9))
    report = assert_equivariant(blur, sizes)
    assert "drawn by Hypothesis: " in " ".join(report.notes)

    def odd_ones_fail(x):
        return x if x.shape[0] % 2 == 0 or x.shape[0] < 5 else np.cumsum(x, 0)

    with pytest.raises(LawFailure) as failure:
        assert_equivariant(odd_ones_fail, sizes)
    assert "of Z_5 × Z_1" in failure.value.report.group


def test_under_given_it_is_hypothesis_that_searches_and_shrinks() -> None:
    from equiconv.testing import falsify, strategies

    found: list[tuple[np.ndarray, np.ndarray]] = []

    @settings(max_examples=40, deadline=None, database=None, derandomize=True)
    @given(strategies.signals_and_kernels(kind="sparse"))
    def holds(pair) -> None:
        x, w = pair
        assert assert_equivariant(lambda x: eq.circular_convolve(x, w), x, axes=-1, vacuous="ignore").passed

    @settings(max_examples=60, deadline=None, database=None, derandomize=True, report_multiple_bugs=False)
    @given(strategies.signals_and_kernels(kind="sparse", max_batch_dims=0))
    def fails(pair) -> None:
        x, w = pair
        try:
            assert_equivariant(lambda x: np.convolve(x, w)[: len(x)], x, axes=-1, vacuous="ignore")
        except LawFailure:
            found.append(pair)
            raise

    holds()
    with pytest.raises(LawFailure):
        fails()
    x, w = found[-1]
    assert (len(x), np.count_nonzero(w)) == (2, 1)

    @settings(max_examples=3, deadline=None, database=None)
    @given(st.just(0))
    def searches(_zero) -> None:
        assert falsify(lambda x: np.cumsum(x), np.arange(4.0), axes=-1) is not None
        with pytest.raises(ValueError, match="Hypothesis draws already"):
            assert_equivariant(blur, st.just((4, 4)))

    searches()


# What could not have failed ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("f", "why"),
    [
        (lambda x: x * 0, "the output is zero for all"),
        (lambda x: np.ones_like(x), "the output is the same for all"),
        (lambda x: np.sign(np.maximum(x - 1e6, 0)).sum(), "the output is zero for all"),
    ],
)
def test_a_constant_passes_and_is_reported(f, why: str) -> None:
    with pytest.warns(VacuousWarning, match=why):
        report = assert_equivariant(f, (4, 4))
    assert (report.verdict, report.passed) == ("vacuous", True)
    assert why in report.vacuous
    with pytest.raises(LawFailure, match="could not have failed"):
        assert_equivariant(f, (4, 4), vacuous="error")
    assert assert_equivariant(f, (4, 4), vacuous="ignore").vacuous


def test_a_group_without_shifts_tests_nothing_and_says_so() -> None:
    with pytest.warns(VacuousWarning, match="no element that was tried moves"):
        assert_equivariant(blur, (1, 1))
    with pytest.warns(VacuousWarning, match="no element that was tried moves"):
        assert_equivariant(blur, (4, 4), group=(4, 4))


def test_a_dead_network_is_vacuous() -> None:
    net = nn.Sequential(conv(), nn.ReLU()).eval()
    net[0].bias.data[:] = -100
    with pytest.warns(VacuousWarning, match="zero for all"):
        assert_equivariant(net, (1, 2, 4, 4))


# Coverage and rates -------------------------------------------------------------------------------------------------------


def test_a_small_group_is_walked_whole_and_of_a_large_one_the_generators_come_first() -> None:
    small = equivariance_error(blur, (4, 4))
    assert small.complete
    assert len(small.elements) == 15
    large = equivariance_error(blur, (40, 40))
    assert not large.complete
    assert [g.shifts for g in large.elements[:2]] == [(1, 0), (0, 1)]
    assert large.coverage.startswith("2 generators and ")
    with profiles.use("nightly"):
        assert equivariance_error(blur, (40, 40)).complete


def test_a_rate_is_claimed_for_a_sample_of_its_own() -> None:
    report = equivariance_error(blur, (8, 8), samples=60, seed=3)
    assert report.rate is not None
    assert (report.rate.draws, report.rate.failures, report.rate.below) == (60, 0, 0.05)
    assert "below 0.05 at 95 %" in str(report)
    assert equivariance_error(blur, (8, 8)).rate is None
    wrong = equivariance_error(FAULTS["a crop"], (8, 8), samples=60, seed=3)
    assert wrong.rate is not None
    assert wrong.rate.failures > 40
    assert wrong.rate.below is None


def test_a_failure_of_the_sample_alone_fails_the_report() -> None:
    report = equivariance_error(blur, (8, 8))
    assert report.passed
    assert not replace(report, rate=Rate(10, 1, 0)).passed


# Refusals -----------------------------------------------------------------------------------------------------------------


def test_a_random_function_follows_no_law() -> None:
    with pytest.raises(ValueError, match="not deterministic"):
        assert_equivariant(lambda x: x + RNG.standard_normal(x.shape), (4, 4))
    with pytest.raises(ValueError, match=r"training mode|eval"):
        assert_equivariant(nn.Dropout(0.5).train(), (1, 1, 4, 4))


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"group": "all"}, TypeError, "group: got str"),
        ({"group": (3, 1)}, ValueError, "group: "),
        ({"group": eq.Translations((5, 5)).full()}, ValueError, "moves a grid of"),
        ({"vacuous": "maybe"}, ValueError, "vacuous: got 'maybe'"),
        ({"output_action": "sideways"}, ValueError, "output_action"),
        ({"axes": (-5, -1)}, ValueError, "axes"),
        ({"group": rotations(), "output_action": "equivariant"}, ValueError, "leave output_action out"),
    ],
)
def test_bad_options_are_refused(options, error, message: str) -> None:
    with pytest.raises(error, match=message):
        assert_equivariant(blur, (4, 4), **options)


def test_bad_inputs_are_refused() -> None:
    with pytest.raises(ValueError, match="axis without entries"):
        assert_equivariant(blur, (0, 4))
    with pytest.raises(TypeError, match="must be real or complex floating"):
        assert_equivariant(blur, np.ones((4, 4), int))
    with pytest.raises(ValueError, match="cannot be turned"):
        assert_equivariant(blur, (4, 6), group=rotations())
    with pytest.raises(TypeError, match="another structure"):
        assert_equivariant(blur, (4, 4), group=Symmetry("pair", lambda x: (x, x)))
    with pytest.raises(ValueError, match="should have the shape"):
        assert_equivariant(blur, (4, 4), group=Symmetry("cut", lambda x: x[::-1], lambda y: y[1:]))


def test_an_input_that_f_does_not_accept_is_noted_and_not_a_pass() -> None:
    def positive(x):
        if (x <= 0).any():
            raise ValueError("needs positive values")
        return np.log(x)

    report = assert_equivariant(positive, np.exp(RNG.standard_normal((3, 4))), search=False)
    assert report.inputs == ("the given input",)
    assert sum("did not accept" in note for note in report.notes) == 3


def test_the_report_is_data() -> None:
    import json

    report = equivariance_error(FAULTS["a crop"], (4, 4), samples=10)
    data = json.loads(json.dumps(report.as_dict()))
    assert (data["verdict"], data["failures"]) == ("failed", report.failures)
    assert data["worst"]["error"] == report.worst.error
    assert "failed" in repr(report)


def test_torch_and_numpy_say_the_same() -> None:
    x = RNG.standard_normal((1, 1, 5, 5))

    def torch_pool(x):
        return F.max_pool2d(F.pad(x, (1, 1, 1, 1), mode="circular"), 3, 1)

    assert assert_equivariant(torch_pool, torch.from_numpy(x)).verdict == "verified"
    with pytest.raises(LawFailure):
        assert_equivariant(lambda x: F.max_pool2d(x, 3, 1, 1), torch.from_numpy(x))
