"""The drift monitor sees a law that is lost, keeps quiet about one that holds, and leaves the training as it was, to the bit."""

from __future__ import annotations

import csv
import json
import math
import random
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from equiconv.testing import DriftMonitor, DriftWarning


class Network(nn.Module):
    """A circular convolution, and a bias for each position that is zero at first; dropout, batch statistics, and counters in buffers."""

    steps: Tensor
    calls: Tensor

    def __init__(self, positional: bool) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.conv = nn.Conv2d(1, 4, 3, padding=1, padding_mode="circular")
        self.norm = nn.BatchNorm2d(4)
        self.drop = nn.Dropout(0.3)
        self.last = nn.Conv2d(4, 1, 1)
        self.bias = nn.Parameter(torch.zeros(6, 6), requires_grad=positional)
        self.register_buffer("steps", torch.zeros(()))
        self.register_buffer("calls", torch.zeros(()))

    def forward(self, x: Tensor) -> Tensor:
        self.steps += 1  # in evaluation mode too
        self.calls = self.calls + 1
        _ = torch.rand(()), np.random.rand(), random.random()  # noqa: NPY002  (draws that the training would miss)
        y: Tensor = self.last(self.drop(self.norm(self.conv(x)).relu()))
        return y + self.bias


def train(model: nn.Module, steps: int = 12, monitored: Any = None) -> dict[str, Tensor]:
    """A loop with noise from all three random states."""
    torch.manual_seed(1)
    np.random.seed(1)  # noqa: NPY002
    random.seed(1)
    monitor = monitored(model) if monitored else None
    optimizer = torch.optim.Adam(model.parameters(), lr=0.05)
    for _ in range(steps):
        x = torch.randn(4, 1, 6, 6)
        shift = np.random.randint(3) + random.random()  # noqa: NPY002
        optimizer.zero_grad()
        loss = (model(x) - x.flip(-1) - shift * torch.arange(6.0)).square().mean()
        loss.backward()
        if monitor is not None:
            monitor.step()  # between the backward pass and the step: gradients must survive it
        optimizer.step()
    return {**model.state_dict(), "rng": torch.get_rng_state()}


def test_a_positional_bias_that_grows_is_seen() -> None:
    model = Network(positional=True).train()
    monitors: list[DriftMonitor] = []

    def monitored(model: nn.Module) -> DriftMonitor:
        monitors.append(DriftMonitor(model, (2, 1, 6, 6), every=3))
        return monitors[0]

    with pytest.warns(DriftWarning, match="is not at step 3") as caught:
        train(model, monitored=monitored)
    assert len(caught) == 1  # once
    (monitor,) = monitors
    assert [p.step for p in monitor.history] == [0, 3, 6, 9, 12]
    assert monitor.history[0].holds
    assert not any(p.holds for p in monitor.history[1:])
    assert monitor.history[-1].error > monitor.history[1].error > 1000 * monitor.history[1].floor
    assert 0 < monitor.history[-1].relative < 2
    assert monitor.lost == 3
    assert "fails since step 3" in repr(monitor)


def test_a_circular_network_stays_at_rounding() -> None:
    monitors: list[DriftMonitor] = []

    def monitored(model: nn.Module) -> DriftMonitor:
        monitors.append(DriftMonitor(model, (2, 1, 6, 6), every=4))
        return monitors[0]

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        train(Network(positional=False).train(), monitored=monitored)
    assert all(p.holds and p.error <= 256 * p.floor for p in monitors[0].history)
    assert monitors[0].lost is None
    assert "the law holds" in repr(monitors[0])


def test_the_training_is_the_same_to_the_bit() -> None:
    alone = train(Network(positional=False).train())
    watched = train(Network(positional=False).train(), monitored=lambda m: DriftMonitor(m, (2, 1, 6, 6), every=1))
    assert alone.keys() == watched.keys()
    assert all(torch.equal(alone[name], watched[name]) for name in alone)
    other = Network(positional=False).train()
    other.drop.eval()
    assert not all(torch.equal(a, b) for a, b in zip(alone.values(), train(other).values(), strict=True))


def test_modes_gradients_and_buffers_are_left_alone() -> None:
    model = Network(positional=True).train()
    model.norm.eval()  # frozen statistics, as in fine-tuning
    model(torch.randn(2, 1, 6, 6)).sum().backward()
    modes = [m.training for m in model.modules()]
    gradients = [None if p.grad is None else p.grad.clone() for p in model.parameters()]
    steps = model.steps
    monitor = DriftMonitor(model, (1, 1, 6, 6), every=1)
    monitor()
    assert [m.training for m in model.modules()] == modes
    assert model.steps is steps
    assert model.steps == 1
    for before, p in zip(gradients, model.parameters(), strict=True):
        assert p.grad is not None
        assert before is not None
        assert torch.equal(before, p.grad)


def test_every_way_to_log(tmp_path: Path) -> None:
    model = Network(positional=False)
    rows: list[dict[str, Any]] = []
    monitor = DriftMonitor(model, torch.randn(1, 1, 6, 6), every=2, log=rows.append)
    for _ in range(4):
        monitor.step()
    assert [row["step"] for row in rows] == [0, 2, 4]
    assert set(rows[0]) == {"step", *(f"equivariance/{n}" for n in ("error", "floor", "relative", "holds", "exact"))}
    monitor.step(10)  # a loop that counts itself
    assert monitor.step(11) is None
    assert rows[-1]["step"] == 10

    path = tmp_path / "drift.jsonl"
    logged = DriftMonitor(model, (1, 1, 6, 6), log=path)
    logged.measure(7)
    assert [json.loads(line)["step"] for line in path.read_text().splitlines()] == [0, 7]

    monitor.save(tmp_path / "drift.csv")
    monitor.save(tmp_path / "drift.json")
    table = list(csv.DictReader((tmp_path / "drift.csv").open()))
    assert [row["step"] for row in table] == ["0", "2", "4", "10"]
    assert json.loads((tmp_path / "drift.json").read_text())[-1]["holds"] is True
    with pytest.raises(ValueError, match=r"\.csv or \.json"):
        monitor.save(tmp_path / "drift.txt")


def test_an_optimizer_counts_and_the_handle_ends_it() -> None:
    model = Network(positional=False).train()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    monitor = DriftMonitor(model, (1, 1, 6, 6), every=1)
    handle = monitor.attach(optimizer)
    for _ in range(2):
        model(torch.randn(2, 1, 6, 6)).sum().backward()
        optimizer.step()
    handle.remove()
    optimizer.step()
    assert [p.step for p in monitor.history] == [0, 1, 2]


def test_weights_that_are_no_numbers_do_not_hold() -> None:
    model = Network(positional=False).train()
    monitor = DriftMonitor(model, (1, 1, 6, 6))
    with torch.no_grad():
        model.last.weight.fill_(math.nan)
    with pytest.warns(DriftWarning):
        point = monitor.measure()
    assert not point.holds
    assert not point.exact
    assert math.isnan(point.error)


def test_a_model_that_never_held_is_reported_and_not_warned_of() -> None:
    model = nn.Conv2d(1, 1, 3, padding=1)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        monitor = DriftMonitor(model, (1, 1, 6, 6))
        monitor.measure(5)
    assert not monitor.history[0].holds
    assert monitor.lost is None
    assert "the law fails" in repr(monitor)


def test_a_compiled_model_is_measured_without_compiling() -> None:
    def backend(_graph: Any, _examples: Any) -> Any:
        raise AssertionError("compiled")

    model = torch.compile(Network(positional=False), backend=backend)
    assert DriftMonitor(model, (1, 1, 6, 6)).history[0].holds


def test_autocast_around_the_loop_is_not_measured() -> None:
    model = Network(positional=False)
    plain = DriftMonitor(model, (1, 1, 6, 6)).history[0]
    with torch.autocast("cpu", torch.bfloat16):
        assert DriftMonitor(model, (1, 1, 6, 6)).history[0] == plain


def test_wrong_arguments_are_refused() -> None:
    model = Network(positional=False).train()
    with pytest.raises(ValueError, match="every"):
        DriftMonitor(model, (1, 1, 6, 6), every=0)
    with pytest.raises(ValueError, match="shifts"):
        DriftMonitor(model, (1, 1, 6, 6), shifts=0)
    with pytest.raises(TypeError, match="model"):
        DriftMonitor(torch.relu, (1, 1, 6, 6))  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="identity"):
        DriftMonitor(model, (1, 1, 6, 6), group=(6, 6))
    with pytest.raises(ValueError, match="not constant"):
        DriftMonitor(model, torch.zeros(1, 1, 6, 6))
    assert model.training  # a refusal restores it as well
    noisy = nn.Sequential(nn.Conv2d(1, 1, 1), Noise())
    with pytest.raises(ValueError, match="not deterministic"):
        DriftMonitor(noisy, (1, 1, 6, 6))


class Noise(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x + torch.rand_like(x)
