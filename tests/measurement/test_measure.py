"""measure: errors over shifts against brute force, classification, structures, samples."""

from __future__ import annotations

import dataclasses
import json
import math
from typing import Any

import array_api_strict
import numpy as np
import pytest
import torch
from torch import Tensor, nn

import equiconv as eq
from equiconv.groups import Translations
from equiconv.measurement import BEYOND


def integers(*shape: int, seed: int = 0) -> Tensor:
    """Small integers in float64: convolutions and sums of them are exact."""
    return torch.randint(-3, 4, shape, generator=torch.Generator().manual_seed(seed)).double()


def conv(padding_mode: str, stride: int = 1) -> nn.Conv2d:
    layer = nn.Conv2d(1, 2, 3, padding=1, stride=stride, padding_mode=padding_mode).double().eval()
    with torch.no_grad():
        layer.weight.copy_(integers(2, 1, 3, 3, seed=1))
        layer.bias.copy_(integers(2, seed=2))
    return layer


class Classifier(nn.Module):
    """Convolution, ReLU, a sum over the image and a linear layer, all with small integers."""

    def __init__(self, padding_mode: str) -> None:
        super().__init__()
        self.conv = conv(padding_mode)
        self.head = nn.Linear(2, 3).double()
        with torch.no_grad():
            self.head.weight.copy_(integers(3, 2, seed=3))
            self.head.bias.copy_(integers(3, seed=4))

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.conv(x).relu().sum((-2, -1)))


def brute_force(f: Any, x: Tensor, shift: tuple[int, int], rolls: bool) -> float:
    with torch.no_grad():
        expected = f(x)
        if rolls:
            expected = torch.roll(expected, shift, (-2, -1))
        return float((f(torch.roll(x, shift, (-2, -1))) - expected).abs().max())


# Errors over shifts --------------------------------------------------------------------------------------------------


def test_a_circular_convolution_and_a_sum_are_exact_under_every_shift() -> None:
    x = integers(2, 1, 6, 5)
    for f in (conv("circular"), Classifier("circular").eval()):
        m = eq.measure(f, x, layers=False)
        assert m.chosen == "all 30 shifts"
        assert m.errors.shape == (30,)
        assert not m.errors.any()
        assert m.worst == m.median == 0.0
        assert not m.beyond_rounding.any()


@pytest.mark.parametrize("batch_size", [None, 1, 7])
def test_the_errors_of_a_zero_padded_network_are_those_of_brute_force(batch_size: int | None) -> None:
    x = integers(2, 1, 6, 5)
    for f, rolls in ((conv("zeros"), True), (Classifier("zeros").eval(), False)):
        m = eq.measure(f, x, layers=False, batch_size=batch_size)
        truth = [brute_force(f, x, tuple(shift), rolls) for shift in m.shifts.tolist()]
        assert m.errors.tolist() == truth
        assert m.worst == max(truth) > 0
        assert m.worst_shift == tuple(m.shifts[int(np.argmax(truth))])
        assert m.median == sorted(truth)[math.ceil(0.5 * 30) - 1]
        assert m.percentile99 == sorted(truth)[math.ceil(0.99 * 30) - 1]
        assert int(m.beyond_rounding.sum()) == sum(e > 0 for e in truth)
        assert m.relative.tolist() == [e / float(f(x).detach().abs().max()) for e in truth]


def test_shifts_that_a_stride_has_no_place_for_are_not_comparable_and_counted() -> None:
    m = eq.measure(conv("circular", stride=2), integers(1, 1, 8, 6), layers=False)
    even = (m.shifts % 2 == 0).all(axis=1)
    assert not m.errors[even].any()
    assert np.isnan(m.errors[~even]).all()
    assert m.incomparable == 48 - 12
    assert "36 of 48 are not comparable" in str(m)


def test_an_odd_size_under_a_stride_leaves_only_zero_and_says_so() -> None:
    m = eq.measure(conv("circular", stride=2), integers(1, 1, 7, 5), layers=False)
    assert m.incomparable == 34
    assert m.worst == 0.0
    nothing = eq.measure(conv("circular", stride=2), integers(1, 1, 7, 5), shifts=[(1, 1)], layers=False)
    assert math.isnan(nothing.worst)
    assert nothing.worst_shift is None
    assert "1 of 1 are not comparable" in str(nothing)


def test_the_heat_map_holds_each_error_at_its_shift() -> None:
    f, x = Classifier("zeros").eval(), integers(1, 1, 6, 5)
    m = eq.measure(f, x, layers=False)
    assert m.heatmap.shape == (6, 5)
    for i, j in ((0, 0), (2, 3), (5, 4)):
        assert m.heatmap[i, j] == brute_force(f, x, (i, j), False)
    part = eq.measure(f, x, layers=False, shifts=[(4, 1), (0, 1), (0, 3), (4, 3)])
    assert [a.tolist() for a in part.heatmap_axes] == [[0, 4], [1, 3]]
    assert part.heatmap[1, 0] == brute_force(f, x, (4, 1), False)
    assert eq.measure(f, x, layers=False, shifts=[(0, 1), (2, 3)]).heatmap is None
    subgroup = eq.measure(f, x, layers=False, shifts=Translations((6, 5)).subgroup((2, 5)))
    assert subgroup.heatmap.shape == (3, 1)


def test_rounding_is_not_taken_for_an_error_and_a_small_error_is_not_taken_for_rounding() -> None:
    torch.manual_seed(0)
    layers = [nn.Conv2d(1, 8, 5, padding=2, padding_mode="circular"), nn.GELU(), nn.Conv2d(8, 8, 3, padding=1)]
    layers[2].padding_mode, layers[2]._reversed_padding_repeated_twice = "circular", [1, 1, 1, 1]
    exact = nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 4)).eval()
    x = torch.randn(1, 1, 12, 10)
    m = eq.measure(exact, x, layers=False)
    assert 0 < m.worst <= BEYOND * m.floor
    assert not m.beyond_rounding.any()
    bump = torch.zeros(12, 10)
    bump[3, 4] = 1e-2
    broken = eq.measure(lambda x: exact(x) + (x * bump).sum(), x)
    assert broken.beyond_rounding[1:].all()
    assert not broken.beyond_rounding[0]


def test_a_float32_fourier_convolution_stays_below_the_floor_in_numpy_and_torch() -> None:
    w = np.random.default_rng(1).standard_normal((16, 15)).astype(np.float32)
    x = np.random.default_rng(0).standard_normal((16, 15)).astype(np.float32)
    for f, y in ((lambda x: eq.circular_convolve(x, w, axes=(-2, -1)), x), (None, None)):
        if f is None:
            f = lambda x: eq.circular_convolve(x, torch.as_tensor(w), axes=(-2, -1))  # noqa: E731
            y = torch.as_tensor(x)
        m = eq.measure(f, y, shifts=40)
        assert m.worst > 0
        assert not m.beyond_rounding.any()
        assert m.rate_bound == 3 / 40


# Functions, structures, libraries ------------------------------------------------------------------------------------


def test_functions_of_numpy_and_of_the_strict_array_api_are_measured() -> None:
    x = np.random.default_rng(0).integers(-3, 4, (6, 5)).astype(float)
    for array in (x, array_api_strict.asarray(x)):
        m = eq.measure(lambda x: x[:-1, :] * x[1:, :], array, output_action="invariant")
        truth = [
            float(np.abs(np.roll(x, s, (0, 1))[:-1] * np.roll(x, s, (0, 1))[1:] - x[:-1] * x[1:]).max())
            for s in m.shifts.tolist()
        ]
        assert m.errors.tolist() == truth


def test_one_axis_and_any_place_of_it() -> None:
    x = np.arange(12.0).reshape(4, 3)
    m = eq.measure(lambda x: np.cumsum(x, axis=0), x, axes=0)
    truth = [np.abs(np.cumsum(np.roll(x, k, 0), 0) - np.roll(np.cumsum(x, 0), k, 0)).max() for k in range(4)]
    assert m.errors.tolist() == truth
    assert m.shape == (4,)


@dataclasses.dataclass
class Answer:
    logits: Tensor
    feature_map: Tensor


class Structured(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.net = Classifier("zeros")

    def forward(self, x: Tensor, scale: float = 1.0) -> Answer:
        return Answer(self.net(x) * scale, self.net.conv(x))


def test_each_output_of_a_structure_has_its_own_errors() -> None:
    f, x = Structured().eval(), integers(1, 1, 6, 5)
    m = eq.measure(f, {"x": x, "scale": 2.0}, layers=False)
    assert [o.name for o in m.outputs] == ["output.logits", "output.feature_map"]
    assert [o.action for o in m.outputs] == ["stays", "rolls in the dims (-2, -1)"]
    for i, shift in enumerate(m.shifts.tolist()):
        logits = 2 * brute_force(f.net, x, tuple(shift), False)
        feature_map = brute_force(f.net.conv, x, tuple(shift), True)
        assert (m.outputs[0].errors[i], m.outputs[1].errors[i]) == (logits, feature_map)
        assert m.errors[i] == max(logits, feature_map)
    assert m.classification is not None
    assert m.classification.output == "output.logits"


def test_every_argument_with_the_axes_moves_and_others_are_named() -> None:
    x, y, bias = integers(1, 1, 4, 4), integers(1, 1, 4, 4, seed=5), integers(3)
    together = eq.measure(lambda a, b, c: (a * b).sum((-2, -1)) + c.sum(), (x, y, bias))
    assert not together.errors.any()
    assert len(together.notes) == 1
    assert together.notes[0].startswith("argument 2 (3,) has no dims (-2, -1)")
    apart = eq.measure(lambda a: (a * y).sum((-2, -1)), x)
    assert apart.worst > 0


def test_a_function_that_is_no_batch_function_is_called_shift_by_shift() -> None:
    x = integers(3, 1, 4, 4)
    f = lambda x: (x - x.mean(0)).square().sum((-2, -1))  # noqa: E731
    m = eq.measure(f, x, batch_size=4)
    assert m.errors.max() <= BEYOND * m.floor  # stacked, the mean would be over other images
    assert "does not treat dim 0 of x as a batch" in m.notes[0]


def test_the_callers_input_and_a_reused_output_buffer_are_left_alone() -> None:
    x, buffer = np.arange(6.0), np.zeros(1)

    def first(x: np.ndarray) -> np.ndarray:
        buffer[0] = x[0]
        x[:] = -1
        return buffer

    m = eq.measure(first, x, axes=0)
    assert x.tolist() == list(range(6))
    assert m.errors.tolist() == [0, 5, 4, 3, 2, 1]


def test_a_random_function_is_noted() -> None:
    generator = np.random.default_rng(0)
    m = eq.measure(lambda x: x.sum() + generator.standard_normal(), np.ones(4), axes=0)
    assert "not deterministic" in m.notes[0]
    assert not m.beyond_rounding.any()


def test_the_other_actions() -> None:
    x = np.random.default_rng(0).standard_normal((4, 4))
    assert eq.measure(lambda x: x, x, output_action="invariant").beyond_rounding.sum() == 15
    transposed = eq.measure(lambda x: x.T, x, output_action=lambda shift, y: np.roll(y, shift[::-1], (0, 1)))
    assert not transposed.errors.any()
    partly = eq.measure(lambda x: x, x, output_action=lambda shift, y: None if shift[0] else np.roll(y, shift, (0, 1)))
    assert partly.incomparable == 12


# Predictions ---------------------------------------------------------------------------------------------------------


def test_the_metrics_of_a_classifier_are_those_of_brute_force() -> None:
    f, x = Classifier("zeros").eval(), integers(40, 1, 4, 5)
    labels = torch.randint(0, 3, (40,), generator=torch.Generator().manual_seed(6))
    m = eq.measure(f, x, labels=labels, layers=False)
    c = m.classification
    with torch.no_grad():
        unshifted = f(x).argmax(1)
        shifted = torch.stack([f(torch.roll(x, tuple(s), (-2, -1))).argmax(1) for s in m.shifts.tolist()])
    agree, right = shifted == unshifted, shifted == labels
    assert 0 < agree.double().mean() < 1
    assert c.consistency == float(agree.double().mean())
    assert c.flipped_shifts == int((~agree).any(1).sum())
    assert c.accuracy == float((unshifted == labels).double().mean())
    assert c.shifted_accuracy == float(right.double().mean())
    assert c.worst_shift_accuracy == float(right.all(0).double().mean()) < c.shifted_accuracy
    assert c.largest_logit_error == m.worst
    assert (c.images, c.classes, c.shifts, c.flip_bound) == (40, 3, 20, None)


def test_an_invariant_classifier_is_consistent_and_only_a_sample_gives_a_rate() -> None:
    f, x = Classifier("circular").eval(), integers(5, 1, 6, 6)
    whole = eq.measure(f, x, layers=False)
    assert (whole.classification.consistency, whole.classification.flipped_shifts) == (1.0, 0)
    assert whole.classification.accuracy is None
    assert whole.rate_bound is whole.classification.flip_bound is None
    sample = eq.measure(f, x, shifts=30, layers=False)
    assert sample.rate_bound == sample.classification.flip_bound == 0.1
    assert "0 failures in 30 uniform draws: rate below 10.00% at 95 %" in str(sample)
    named = eq.measure(f, x, shifts=[(1, 1)] * 30, layers=False)
    assert named.rate_bound is None
    broken = eq.measure(Classifier("zeros").eval(), x, shifts=30, layers=False)
    assert broken.rate_bound is None


def test_logits_are_told_from_other_outputs() -> None:
    x = integers(2, 1, 4, 4)
    f = Classifier("circular").eval()
    named = eq.measure(lambda x: {"pooled": x.sum((-2, -1)).repeat(1, 3), "logits": f(x)}, x)
    assert named.classification.output == 'output["logits"]'
    assert eq.measure(lambda x: (f(x), f(x)), x).classification is None
    assert eq.measure(lambda x: f(x).argmax(1), x).classification is None
    grid = np.ones((5, 8))
    assert eq.measure(lambda x: x[:, ::2], grid, axes=-1).classification is None  # a signal that rolls, not classes


# Out -----------------------------------------------------------------------------------------------------------------


def test_the_data_survives_json_and_saving(tmp_path) -> None:
    m = eq.measure(conv("zeros", stride=2), integers(1, 1, 4, 6))
    data = json.loads(m.save(tmp_path / "m.json").read_text(encoding="utf-8"))
    assert data == m.as_dict()
    assert data["errors"].count(None) == m.incomparable == 18
    assert data["heatmap"]["errors"][2][2] == m.heatmap[2, 2]
    assert len(data["layers"]) == len(m.layers)
    assert data["environment"] == {"library": "torch", "device": "cpu", "dtype": "float64"}


def test_the_text_says_what_was_measured() -> None:
    m = eq.measure(Classifier("zeros").eval(), integers(2, 1, 4, 4), labels=[0, 1])
    text = str(m)
    for fact in ("Classifier", "(2, 1, 4, 4)", "torch, cpu, float64", "all 16 shifts", "rounding", "consistency"):
        assert fact in text
    assert "per layer, in float64" in text
    assert "x.conv" in text or "self.conv(x)" in text
    assert "\n" not in repr(m)


def test_progress_is_told() -> None:
    said: list[str] = []
    eq.measure(Classifier("zeros").eval(), integers(1, 1, 4, 4), progress=said.append)
    assert "measuring shift 16 of 16" in said
    assert any(line.startswith("layers") for line in said)


def test_the_same_seed_gives_the_same_measurement() -> None:
    x = torch.randn(1, 1, 40, 40, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    f = Classifier("zeros").eval()
    first, again, other = (eq.measure(f, x, seed=s, shifts=5, layers=False).as_dict() for s in (1, 1, 2))
    assert first == again
    assert first["shifts"] != other["shifts"]
