"""falsify finds what is broken, shrinks it, and finds nothing in what is not."""

from __future__ import annotations

import itertools
import os
import re

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import equiconv as eq
from equiconv.groups import Translations
from equiconv.measurement import BEYOND
from tests.testing import networks

SHAPE = (1, 2, 8, 6)


def image(*shape: int, seed: int = 0, dtype: torch.dtype = torch.float32) -> Tensor:
    return torch.randn(*(shape or SHAPE), generator=torch.Generator().manual_seed(seed)).to(dtype)


def holds(found: eq.testing.Counterexample, f) -> float:
    """The error of a counterexample to invariance, found anew from its input and shift."""
    with torch.no_grad():
        return float((f(torch.roll(found.x, found.shift, found.axes)) - f(found.x)).abs().max())


# What is not broken --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16])
def test_a_circular_network_is_never_falsified(dtype: torch.dtype) -> None:
    model = networks.build("circular").to(dtype)
    for seed in range(3):
        assert eq.falsify(model, image(dtype=dtype, seed=seed), seed=seed, max_examples=80) is None


def test_rounding_of_a_float32_fourier_convolution_is_never_a_counterexample() -> None:
    w = image(8, 6, seed=1)
    for f, x in (
        (lambda x: eq.circular_convolve(x, w, axes=(-2, -1)), image()),
        (lambda x: eq.circular_convolve(x, w.numpy(), axes=(-2, -1)), image().numpy()),
    ):
        measured = eq.measure(f, x)
        assert measured.worst > 0  # there is rounding to be mistaken
        assert eq.falsify(f, x, max_examples=120) is None


def test_an_equivariant_stride_is_not_falsified_and_a_zero_padded_one_is() -> None:
    circular = nn.Conv2d(2, 3, 3, stride=2, padding=1, padding_mode="circular").eval()
    zeros = nn.Conv2d(2, 3, 3, stride=2, padding=1).eval()
    assert eq.falsify(circular, image(), max_examples=80) is None
    found = eq.falsify(zeros, image())
    assert found.law == "f(S x) = S f(x)"
    assert found.shift in ((0, 2), (2, 0))


# What is broken ------------------------------------------------------------------------------------------------------


def test_a_zero_padded_network_is_falsified_by_the_smallest_input_and_shift() -> None:
    model = networks.build()
    found = eq.falsify(model, image())
    assert (found.law, found.shift, found.output) == ("f(S x) = f(x)", (0, 1), 'output["logits"]')
    assert found.pixels == (((0, 0, 0, 0), 1),)
    assert found.error == pytest.approx(holds(found, lambda x: model(x)["logits"]), rel=1e-6)
    assert found.error > BEYOND * found.floor > 0
    assert found.complete
    assert found.runs <= 200
    assert float((found.got - found.expected).abs().max()) == pytest.approx(found.error)


def test_the_shift_shrinks_to_the_generator_of_the_doubted_subgroup() -> None:
    model, x = networks.build(), image()
    assert eq.falsify(model, x, subgroup=(4, 3)).shift == (0, 3)
    assert eq.falsify(model, x, subgroup=Translations((8, 6)).subgroup((4, 6))).shift == (4, 0)


def test_the_input_shrinks_to_the_entries_that_matter() -> None:
    def corner(x: Tensor) -> Tensor:
        """Nothing but the product of two entries far from the origin."""
        return x[0, 1, 5, 2] * x[0, 0, 3, 4]

    found = eq.falsify(corner, image(dtype=torch.float64), output_action="invariant", max_examples=400)
    assert found.complete
    assert len(found.pixels) == 2
    assert {value for _, value in found.pixels} == {1}
    assert holds(found, corner) == found.error == 1.0


def test_single_entries_are_left_out_where_hypothesis_used_its_runs_up() -> None:
    """Three entries were left of a strided layer's, and no run to leave any of them out."""
    torch.manual_seed(0)
    layers = [
        nn.Conv2d(3, 8, 3, padding=1, stride=2).eval() for _ in range(4)
    ]  # the last has the weights with which it was seen
    layer = layers[-1]
    found = eq.falsify(layer, torch.zeros(1, 3, 32, 32), max_examples=100)
    assert len(found.pixels) == 1
    assert found.runs <= 100


def test_the_place_of_the_largest_difference_is_shown() -> None:
    f = lambda x: x * torch.where(torch.arange(30.0).reshape(5, 6) == 28, 0.0, 1.0)  # noqa: E731
    found = eq.falsify(f, image(5, 6, dtype=torch.float64))
    assert found.pixels is not None
    assert " at (4, 4); rounding" in str(found)
    shown = re.search(r"expected …, (\S+), .*\n    got      …, (\S+), ", str(found))
    assert shown is not None
    assert shown[1] != shown[2]


def test_what_only_dense_inputs_show_is_found_and_cut_down() -> None:
    found = eq.falsify(networks.dense_only, image(6, 6, dtype=torch.float64))
    assert found.shift == (1, 0)  # along the other axis the sum of a row stays
    assert holds(found, networks.dense_only) == found.error > 0
    kept = int((found.x != 0).sum())
    assert kept <= 22  # 19 of 36 entries is the least that counts as most
    assert found.pixels is not None


def test_a_failure_at_one_shift_of_one_input_is_traced_to_one_step() -> None:
    x0 = np.random.default_rng(0).standard_normal((8, 8))

    def at_one_place(x: np.ndarray) -> float:
        return float(np.array_equal(x, np.roll(x0, (3, 5), (0, 1))))

    found = eq.falsify(at_one_place, x0)
    assert sum(found.shift) == 1
    assert at_one_place(np.roll(found.x, found.shift, (0, 1))) != at_one_place(found.x)


def test_a_checkerboard_is_told_from_its_diagonal() -> None:
    i, j = np.indices((6, 6))
    sign = (-1.0) ** (i + j)

    def board(x: np.ndarray) -> float:
        return float((x * sign).sum() ** 3)

    x = np.random.default_rng(0).integers(-3, 4, (6, 6)).astype(float)
    assert eq.falsify(board, x).shift == (0, 1)
    assert eq.falsify(board, x, subgroup=(2, 2)) is None
    # Every product subgroup with an odd stride is falsified although the diagonal shift (1, 1) holds.
    assert board(np.roll(x, (1, 1), (0, 1))) == board(x)
    assert eq.falsify(board, x, subgroup=(1, 2)).shift == (1, 0)


def test_every_small_group_is_searched_whole_where_the_failure_hides() -> None:
    """A function that fails on the given input under one shift only, whichever it is."""
    x0 = np.random.default_rng(1).standard_normal((4, 3))
    for shift in itertools.product(range(4), range(3)):
        if any(shift):

            def hidden(x: np.ndarray, shift=shift) -> float:
                return float(np.array_equal(x, np.roll(x0, shift, (0, 1))))

            assert eq.falsify(hidden, x0, max_examples=120) is not None, shift


@pytest.mark.parametrize("strides", [(1, 6), (8, 1), (2, 3)])
def test_the_answer_agrees_with_measure(strides) -> None:
    """falsify finds something on those subgroups on which measure sees an error, for a network broken on one axis."""
    layer = nn.Conv2d(2, 3, (3, 1), padding=(1, 0)).double().eval()
    x, subgroup = image(dtype=torch.float64), Translations((8, 6)).subgroup(strides)
    broken = eq.measure(layer, x, shifts=subgroup, layers=False).beyond_rounding.any()
    assert (eq.falsify(layer, x, subgroup=subgroup) is not None) == broken
    assert broken == (strides[0] < 8)


def test_several_arguments_move_together_and_the_others_stay() -> None:
    x, y, weight = image(4, 4), image(4, 4, seed=1), torch.tensor([2.0])
    assert eq.falsify(lambda a, b, w: (a * b).sum() * w, (x, y, weight), max_examples=60) is None
    found = eq.falsify(lambda a, b, w: (a * b)[0].sum() * w, (x, y, weight))
    a, b, w = found.x
    assert torch.equal(w, weight)
    assert found.pixels is None
    moved = [torch.roll(v, found.shift, (-2, -1)) for v in (a, b)]
    assert abs(float((moved[0] * moved[1] - a * b)[0].sum() * w)) == found.error


def test_an_action_of_the_callers() -> None:
    x = image(4, 4, dtype=torch.float64)
    assert eq.falsify(lambda x: x.flip((0, 1)), x, output_action=networks.reflected, max_examples=60) is None
    found = eq.falsify(lambda x: x, x, output_action=networks.reflected)
    assert found.law == "f(S x) = ρ(S) f(x)"


def test_complex_signals() -> None:
    x = torch.randn(4, 4, dtype=torch.complex64, generator=torch.Generator().manual_seed(0))
    assert eq.falsify(lambda x: torch.fft.fft2(x).abs(), x, output_action="invariant", max_examples=80) is None
    assert eq.falsify(torch.fft.fft2, x, output_action="invariant").shift == (0, 1)


def test_a_search_that_the_budget_ended_says_so() -> None:
    found = eq.falsify(networks.dense_only, image(6, 6, dtype=torch.float64), max_examples=60)
    assert not found.complete
    assert "before the runs were used up" in str(found)


# Budget, seeds, refusals ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("budget", [20, 25, 60, 200])
@pytest.mark.parametrize("padding_mode", ["zeros", "circular"])
def test_the_budget_is_kept_to(budget: int, padding_mode: str) -> None:
    model, calls = networks.build(padding_mode), []
    found = eq.falsify(lambda x: (calls.append(1), model(x))[1], image(3, *SHAPE[1:]), max_examples=budget)
    assert len(calls) <= budget
    if found is not None:
        assert found.runs == len(calls)


def test_of_a_batch_one_entry_is_used_and_a_function_of_the_whole_keeps_it() -> None:
    batch = image(3, 2, 8, 6)
    assert eq.falsify(networks.build(), batch).x.shape == SHAPE
    whole = eq.falsify(lambda x: (x - x.mean(0))[..., 0].square().sum(), batch)
    assert whole.x.shape == batch.shape


def test_the_same_seed_finds_the_same() -> None:
    scripts = {eq.falsify(networks.dense_only, image(6, 6), seed=4).script for _ in range(2)}
    assert len(scripts) == 1


def test_an_input_that_f_does_not_accept_is_passed_over_and_counted() -> None:
    def choosy(x: np.ndarray) -> np.ndarray:
        if not x.all():
            raise ValueError("zeros are not allowed")
        return x[0]

    said: list[str] = []
    found = eq.falsify(choosy, np.arange(1.0, 13.0).reshape(4, 3), output_action="invariant", progress=said.append)
    assert found is not None
    assert found.x.all()
    said.clear()
    assert eq.falsify(lambda x: choosy(x) * 0, np.ones((4, 3)), output_action="invariant", progress=said.append) is None
    assert "f did not accept" in said[-1]
    assert said[-1].startswith("no counterexample in")


def test_an_error_on_the_given_input_comes_through() -> None:
    with pytest.raises(RuntimeError, match="expected input"):
        eq.falsify(networks.build(), image(1, 5, 8, 6))


def test_where_f_is_not_defined_nothing_is_wrong_with_it() -> None:
    """On an input of zeros and a few entries the ratio is NaN under some shifts and not under others."""

    def ratio(x: Tensor) -> Tensor:
        return x[0, 0] / x[0, 0] * 0

    assert eq.falsify(ratio, torch.ones(4, 4), max_examples=80) is None


def test_a_random_function_is_refused() -> None:
    with pytest.raises(ValueError, match="f: is not deterministic"):
        eq.falsify(lambda x: torch.nn.functional.dropout(x, 0.5, True).sum(), image())
    torch.manual_seed(0)
    with pytest.raises(ValueError, match="f: is not deterministic"):  # and where the given input hides it
        eq.falsify(lambda x: torch.nn.functional.dropout(x, 0.5, True).sum(), torch.zeros(4, 4))


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"subgroup": (8, 6)}, "subgroup: 0 × 0 of Z_8 × Z_6 holds only the shift by 0"),
        ({"subgroup": (3, 6)}, "subgroup: strides must be positive divisors"),
        ({"subgroup": Translations((8, 8)).full()}, "subgroup: is one of Z_8 × Z_8, but x is shifted by Z_8 × Z_6"),
        ({"max_examples": 5}, "max_examples: must be a number of runs of f, at least 20, got 5"),
        ({"max_examples": 50.0}, "max_examples: must be a number"),
        ({"name": "import ("}, "name: 'import \\(' is no Python"),
    ],
)
def test_options_that_make_no_sense_are_refused(options, match) -> None:
    with pytest.raises(ValueError, match=match):
        eq.falsify(networks.build(), image(), **options)


def test_no_law_is_no_answer() -> None:
    layer = nn.Conv2d(2, 1, 3, stride=2, padding=1).eval()
    with pytest.raises(ValueError, match=r"output_action: for no shift .* whole points, so there is no law"):
        eq.falsify(layer, image(1, 2, 7, 5))


def test_nothing_is_written_where_the_caller_works(tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    eq.falsify(networks.build(), image())
    assert os.listdir(tmp_path) == []
