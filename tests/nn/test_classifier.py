"""The lecture's classifier: every combination of choices builds and runs, and has the symmetry that it should."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

from equiconv.nn import CircularConv2d, LectureClassifier

PADDINGS = ("zeros", "circular", "valid")
DOWNSAMPLINGS = ("stride", "max", "average", None)


@pytest.mark.parametrize("padding", PADDINGS)
@pytest.mark.parametrize("downsampling", DOWNSAMPLINGS)
@pytest.mark.parametrize("head", ["flatten", "global"])
@pytest.mark.parametrize("size", [(32, 32), (27, 30)])
def test_every_combination_gives_logits(padding: Any, downsampling: Any, head: Any, size: tuple[int, int]) -> None:
    network = LectureClassifier(
        3, 7, widths=(4, 5), depth=2, padding=padding, downsampling=downsampling, head=head, input_size=size
    )
    x = torch.randn(2, 3, *size)
    logits = network(x)
    assert logits.shape == (2, 7)
    probabilities = network.probabilities(x)
    torch.testing.assert_close(probabilities.sum(-1), torch.ones(2))
    assert torch.equal(probabilities, torch.softmax(logits, -1))


def test_the_choices_are_in_the_modules() -> None:
    def kinds(**choices: Any) -> list[type]:
        return [type(m) for m in LectureClassifier(1, 10, widths=(4, 8), **choices).modules() if not list(m.children())]

    assert kinds() == [nn.Conv2d, nn.ReLU, nn.Conv2d, nn.ReLU, nn.AdaptiveAvgPool2d, nn.Flatten, nn.Linear]
    assert kinds(padding="circular", downsampling="max").count(CircularConv2d) == 2
    assert kinds(downsampling="max").count(nn.MaxPool2d) == 2
    assert kinds(downsampling="average").count(nn.AvgPool2d) == 2
    assert kinds(depth=3).count(nn.Conv2d) == 6
    strides = [m.stride for m in LectureClassifier(depth=2).modules() if isinstance(m, nn.Conv2d)]
    assert strides == [(1, 1), (2, 2)] * 3


def test_parameters_are_counted_as_in_the_lecture() -> None:
    """c'·s·s·c weights and c' biases a convolution (L6), whatever the padding."""
    counts = {
        padding: sum(
            p.numel() for p in LectureClassifier(3, 10, widths=(8, 16), kernel_size=5, padding=padding).parameters()
        )
        for padding in PADDINGS
    }
    assert set(counts.values()) == {(8 * 25 * 3 + 8) + (16 * 25 * 8 + 16) + (16 * 10 + 10)}


def invariant_shifts(network: nn.Module, n: int) -> set[tuple[int, int]]:
    """The shifts of an n×n torus that leave the logits as they are, bitwise: with small integers nothing is rounded."""
    generator = torch.Generator().manual_seed(0)
    network = network.double().eval()
    with torch.no_grad():
        for p in network.parameters():
            p.copy_(torch.randint(-3, 4, p.shape, generator=generator))
        x = torch.randint(-9, 10, (1, 1, n, n), generator=generator).double()
        shifts = [(a, b) for a in range(n) for b in range(n)]
        moved = torch.cat([torch.roll(x, shift, (-2, -1)) for shift in shifts])
        logits = network(moved)
    return {shift for shift, row in zip(shifts, logits, strict=True) if torch.equal(row, logits[0])}


def multiples(stride: int, n: int = 8) -> set[tuple[int, int]]:
    return {(a, b) for a in range(0, n, stride) for b in range(0, n, stride)}


@pytest.mark.parametrize(
    ("padding", "downsampling", "head", "stride"),
    [
        ("circular", None, "global", 1),
        ("circular", "stride", "global", 4),
        ("circular", "max", "global", 4),
        # A mean of means over blocks is the mean: the last pool costs nothing.
        ("circular", "average", "global", 2),
        ("circular", "stride", "flatten", 8),
        ("zeros", None, "global", 8),
        ("zeros", "stride", "global", 8),
    ],
)
def test_which_shifts_leave_the_logits_alone(padding: Any, downsampling: Any, head: Any, stride: int) -> None:
    """Lecture L16, exactly: all shifts, those by multiples of the total stride, or (on 8×8) the zero shift only."""
    network = LectureClassifier(
        1, 3, widths=(3, 3), padding=padding, downsampling=downsampling, head=head, input_size=8
    )
    assert invariant_shifts(network, 8) == multiples(stride)


@pytest.mark.parametrize("padding", PADDINGS)
@pytest.mark.parametrize("downsampling", DOWNSAMPLINGS)
@pytest.mark.parametrize("head", ["flatten", "global"])
def test_it_exports(padding: Any, downsampling: Any, head: Any) -> None:
    network = LectureClassifier(
        1, 4, widths=(4, 5), padding=padding, downsampling=downsampling, head=head, input_size=16
    ).eval()
    x = torch.randn(2, 1, 16, 16)
    program = torch.export.export(network, (x,)).run_decompositions({})
    torch.testing.assert_close(program.module()(x), network(x))
    targets = [str(node.target) for node in program.graph.nodes if node.op == "call_function"]
    assert targets.count("equiconv.circular_conv.default") == (2 if padding == "circular" else 0)


def test_it_learns() -> None:
    """A few steps of gradient descent fit 16 random images, through the circular operation's gradients."""
    torch.manual_seed(0)
    network = LectureClassifier(1, 4, widths=(8, 8), padding="circular")
    x, labels = torch.randn(16, 1, 8, 8), torch.arange(16) % 4
    optimiser = torch.optim.Adam(network.parameters(), lr=0.02)
    losses = []
    for _ in range(60):
        optimiser.zero_grad()
        loss = nn.functional.cross_entropy(network(x), labels)
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    assert losses[-1] < 0.5 * losses[0]


@pytest.mark.parametrize(
    ("choices", "message"),
    [
        ({"padding": "reflect"}, "padding must be one of 'zeros', 'circular', 'valid', got 'reflect'"),
        ({"downsampling": "blur"}, "downsampling must be one of 'stride', 'max', 'average', None, got 'blur'"),
        ({"head": "linear"}, "head must be one of 'flatten', 'global', got 'linear'"),
        ({"kernel_size": 4}, "kernel_size must be odd.*got 4"),
        ({"widths": ()}, "at least one block"),
        ({"widths": (4, 0)}, "must be positive"),
        ({"depth": 0}, "must be positive"),
        ({"head": "flatten"}, "input_size must be given with head='flatten'"),
        ({"head": "flatten", "input_size": 12, "padding": "valid"}, "input_size = 12 is too small: 3 blocks"),
        ({"head": "flatten", "input_size": (64, 7), "downsampling": "max"}, "\\(64, 7\\) is too small"),
    ],
)
def test_bad_choices(choices: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        LectureClassifier(**choices)
