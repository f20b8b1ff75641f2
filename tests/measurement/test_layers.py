"""Layer by layer: the row where a symmetry goes is the one that breaks it."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

import equiconv as eq
from equiconv.measurement import BEYOND


def circular(c_in: int, c_out: int, **options: int) -> nn.Conv2d:
    return nn.Conv2d(c_in, c_out, 3, padding=1, padding_mode="circular", **options)


def x(*shape: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(0))


def rows(model: nn.Module, value: Tensor, **options):
    torch.manual_seed(0)
    for p in model.parameters():
        torch.nn.init.normal_(p, std=0.5)
    return eq.measure(model.eval(), value, shifts=[(0, 1)], **options)


class Blocks(nn.Module):
    def __init__(self, middle: nn.Module) -> None:
        super().__init__()
        self.first, self.middle, self.last = circular(1, 4), middle, circular(4, 4)

    def forward(self, x: Tensor) -> Tensor:
        y = self.first(x).relu()
        y = self.middle(y)
        return self.last(y).relu()


def test_the_first_row_that_breaks_is_the_zero_padded_layer_and_its_line() -> None:
    m = rows(Blocks(nn.Conv2d(4, 4, 3, padding=1)), x(1, 1, 8, 8))
    assert m.layer_shifts == ((1, 0), (0, 1))
    assert [row.module for row in m.layers] == ["first", "", "middle", "last", ""]
    for i in range(2):
        broken = m.first_break(i)
        assert broken.module == "middle"
        assert broken.label == "middle (conv2d)"
        assert broken.source.code == "y = self.middle(y)"
        assert all(not row.breaks(i) for row in m.layers[:2])


def test_nothing_breaks_in_a_circular_network_and_rows_stay_below_their_floors() -> None:
    m = rows(Blocks(circular(4, 4)), x(1, 1, 8, 8))
    assert len(m.layers) == 5
    for row in m.layers:
        assert row.actions == ("rolls (2, 3)",) * 2
        assert row.error <= BEYOND * row.floor
        assert 0 < row.floor < 1e-12 * row.scale
    assert m.first_break(0) is m.first_break(1) is None
    assert "(1, 0): every layer follows it" in str(m)


class Leak(nn.Module):
    """A position leaks in with a weight far below float32."""

    def forward(self, x: Tensor) -> Tensor:
        return x + 1e-11 * torch.arange(8)


def test_a_leak_below_single_precision_is_seen_in_double() -> None:
    m = rows(Blocks(Leak()), x(1, 1, 8, 8))
    assert not m.beyond_rounding.any()
    assert m.layer_dtype == "float64"
    assert m.first_break(0) is None  # along the other axis nothing leaks
    assert m.first_break(1).module == "middle"
    assert m.first_break(1).errors[1] == pytest.approx(7e-11, rel=1e-3)


class Strided(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv, self.down, self.head = circular(1, 4), circular(4, 4, stride=4), nn.Linear(4, 3)

    def forward(self, x: Tensor) -> Tensor:
        y = self.down(self.conv(x).relu()).relu()
        y = F.adaptive_avg_pool2d(y, 1).flatten(1)
        return self.head(y)


def test_a_stride_has_no_place_for_small_shifts_and_follows_its_own() -> None:
    m = rows(Strided(), x(1, 1, 8, 12))
    assert m.layer_shifts == ((1, 0), (0, 1), (4, 0), (0, 4))
    for i in (0, 1):
        assert m.first_break(i).module == "down"
        assert math.isnan(m.first_break(i).errors[i])
        assert m.layers[-1].breaks(i)  # the logits change
    for i in (2, 3):
        assert m.first_break(i) is None
    assert m.layers[-1].actions[2] == "stays"
    assert "is the first without a place for it: a stride" in str(m)


def test_the_shifts_can_be_given() -> None:
    m = rows(Strided(), x(1, 1, 8, 8), layers=[(4, 4), (-4, 0)])
    assert m.layer_shifts == ((4, 4), (4, 0))
    assert all(not row.breaks(i) for row in m.layers for i in (0, 1))


class ChannelsLast(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv, self.norm, self.mix = circular(1, 6), nn.LayerNorm(6), nn.Linear(6, 5)

    def forward(self, x: Tensor) -> Tensor:
        y = self.norm(self.conv(x).permute(0, 2, 3, 1))
        return self.mix(y).mean((1, 2))


def test_channels_last_is_recognised() -> None:
    m = rows(ChannelsLast(), x(1, 1, 8, 10))
    assert [row.module for row in m.layers] == ["conv", "norm", "mix", ""]
    assert [row.actions[0] for row in m.layers] == ["rolls (2, 3)", "rolls (1, 2)", "rolls (1, 2)", "stays"]
    assert m.first_break(0) is m.first_break(1) is None


class Tokens(nn.Module):
    """Patches, tokens, a layer on each of them, and, where asked for, positions."""

    def __init__(self, positions: bool) -> None:
        super().__init__()
        self.patches, self.mix = nn.Conv2d(1, 6, 2, stride=2), nn.Linear(6, 6)
        self.positions = nn.Parameter(torch.zeros(1, 16, 6)) if positions else None

    def forward(self, x: Tensor) -> Tensor:
        y = self.patches(x).flatten(2).transpose(1, 2)
        if self.positions is not None:
            y = y + self.positions
        y = self.mix(y).relu()
        return y.mean(1)


def test_tokens_are_compared_up_to_their_order_and_positions_break_it() -> None:
    free = rows(Tokens(positions=False), x(1, 1, 8, 8))
    coarse = free.layer_shifts.index((2, 0))
    assert free.first_break(coarse) is None
    assert "rearranged" in [row.actions[coarse] for row in free.layers]
    bound = rows(Tokens(positions=True), x(1, 1, 8, 8))
    assert bound.first_break(coarse).source.code == "y = y + self.positions"


def test_a_flatten_breaks_nothing_and_the_layer_behind_it_does() -> None:
    m = rows(nn.Sequential(circular(1, 2), nn.Flatten(), nn.Linear(2 * 64, 3)), x(1, 1, 8, 8))
    assert [row.module for row in m.layers] == ["0", "2"]
    assert m.first_break(0).module == "2"


def test_the_layers_of_a_batch_are_those_of_its_first_image() -> None:
    model = Strided()
    batch = x(3, 1, 8, 8)
    several, one = rows(model, batch), rows(model, batch[:1])
    assert [row.as_dict() for row in several.layers] == [row.as_dict() for row in one.layers]
    assert "the layers were measured on the first of the 3 images" in several.notes


class Chosen(nn.Module):
    """Whole numbers inside: a position, and an entry that it picks."""

    def forward(self, x: Tensor) -> Tensor:
        place = x.flatten(1).argmax(1)
        y = torch.fft.fft2(x).abs() + x.flatten(1).gather(1, place[:, None])[..., None, None]
        return y.sum((-2, -1)) * (place > 3)


def test_whole_and_complex_numbers_inside_are_no_hindrance() -> None:
    m = eq.measure(Chosen().eval(), x(1, 1, 6, 4))
    operations = [row.operation.split(".")[1] for row in m.layers]
    assert "argmax" not in operations
    assert "_fft_c2c" in operations or "fft_fft2" in operations
    assert all(math.isfinite(row.error) for row in m.layers)


class Spectral(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        spectrum = torch.fft.fft2(x) * torch.arange(24.0).reshape(6, 4)
        return torch.fft.ifft2(spectrum).real


def test_a_spectrum_follows_a_shift_by_its_phases() -> None:
    m = eq.measure(Spectral().eval(), x(1, 1, 6, 4))
    actions = [row.actions[0] for row in m.layers]
    assert actions == ["phases", "phases", "rolls (2, 3)", "rolls (2, 3)"]
    assert m.first_break(0) is m.first_break(1) is None


class OneLine(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return F.pad(x.square(), (1, 1, 1, 1)).exp().mean((-2, -1)) + x.mean((-2, -1))


def test_each_operation_of_one_line_has_a_row_and_a_layer_of_torch_has_one() -> None:
    m = eq.measure(OneLine().eval(), x(1, 1, 4, 4))
    assert [row.operation.split(".")[1] for row in m.layers] == ["square", "pad", "exp", "mean", "mean", "add"]
    one = eq.measure(circular(1, 2).eval(), x(1, 1, 4, 4))
    assert [row.operation.split(".")[1] for row in one.layers] == ["conv2d"]


class Branching(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x.sum((-2, -1)) * (2 if x.sum() > 0 else 1)


def test_a_model_that_cannot_be_captured_is_measured_all_the_same_and_this_is_noted() -> None:
    m = eq.measure(Branching().eval(), x(1, 1, 4, 4))
    assert m.layers == ()
    assert not m.beyond_rounding.any()
    assert m.notes[0].startswith("the layers were not measured: model: cannot be captured")


def test_an_exported_program_is_measured_like_its_model() -> None:
    model, value = Strided().eval(), x(1, 1, 8, 8)
    program = torch.export.export(model, (value,))
    ours, theirs = eq.measure(model, value), eq.measure(program, value)
    assert ours.worst > 1e3 * ours.floor
    assert np.abs(ours.errors - theirs.errors).max() <= 256 * ours.floor  # only ours is called in batches
    assert [row.operation for row in ours.layers] == [row.operation for row in theirs.layers]


def test_only_models_have_layers_and_they_can_be_left_out() -> None:
    assert eq.measure(torch.relu, x(1, 1, 4, 4)).layers == ()
    assert eq.measure(nn.ReLU().eval(), x(1, 1, 4, 4), layers=False).layers == ()


def test_a_torus_of_one_point_has_no_shift_to_compare_layers_under() -> None:
    """The trivial group: every row is there, and none has an error."""
    net = torch.nn.Sequential(torch.nn.Conv2d(1, 2, 1), torch.nn.ReLU()).eval()
    found = eq.measure(net, torch.randn(1, 1, 1, 1))
    assert found.layer_shifts == ()
    assert [row.errors for row in found.layers] == [(), ()]
