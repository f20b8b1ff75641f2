"""The demonstration's data and training: every offset occurs, nothing is lost over the edge, the seed decides all."""

from __future__ import annotations

import pytest
import torch

from equiconv.cli import digits

pytest.importorskip("sklearn", reason="scikit-learn is in the extra demo")


def test_the_split_is_a_partition_and_the_seed_decides_it() -> None:
    a, b, c = (digits.load_digits(seed) for seed in (0, 0, 1))
    assert len(a.train) + len(a.test) == 1797
    assert torch.equal(a.test, b.test)
    assert not torch.equal(a.test, c.test)
    assert set(a.test_labels.tolist()) == set(range(10))
    assert a.train.max() == digits.BRIGHTNESS


def test_placing_is_a_circular_shift_of_each_image() -> None:
    images = torch.rand(40, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    placed = digits.place(images, 12, torch.Generator().manual_seed(1))
    corner = torch.zeros(40, 1, 12, 12)
    corner[..., :8, :8] = images
    found = []
    for before, after in zip(corner, placed, strict=True):
        shifts = [(i, j) for i in range(12) for j in range(12) if torch.equal(before.roll((i, j), (1, 2)), after)]
        assert len(shifts) == 1
        found += shifts
    assert len({i for i, _ in found}) > 8  # the offsets are spread, and rows and columns are drawn apart
    assert any(i != j for i, j in found)


def test_training_learns_and_leaves_the_threads_and_the_generator_as_they_were() -> None:
    data = digits.load_digits()
    torch.manual_seed(3)
    state, threads = torch.get_rng_state(), torch.get_num_threads()
    model = digits.build("zeros", seed=0)
    calls: list[None] = []
    before = digits.accuracy(model, digits.place(data.train, 32, torch.Generator().manual_seed(0)), data.train_labels)
    digits.train(model, data, epochs=2, step=lambda: calls.append(None))
    after = digits.accuracy(model, digits.place(data.train, 32, torch.Generator().manual_seed(0)), data.train_labels)
    assert len(calls) == 2
    assert after > before + 0.1
    assert not model.training
    assert torch.get_num_threads() == threads
    assert torch.equal(torch.get_rng_state(), state)


def test_the_seed_decides_the_weights() -> None:
    a, b, c = (digits.build("circular", seed).state_dict() for seed in (0, 0, 1))
    assert all(torch.equal(a[k], b[k]) for k in a)
    assert not all(torch.equal(a[k], c[k]) for k in a)
