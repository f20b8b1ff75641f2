"""The lecture's classifier on scikit-learn's digits, placed anywhere on a larger torus: data and training for the
demonstration, in seconds.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from equiconv.cli.errors import BadInput

SIDE = 32
EPOCHS = 16
TEST_SHARE = 5
BRIGHTNESS = 8.0  # about 1/(standard deviation) of a digit on its torus, so that training starts at the right scale


@dataclass(frozen=True)
class Digits:
    """Images (N, 1, 8, 8) in [0, BRIGHTNESS] and labels (N,), a fifth of them kept for testing."""

    train: Tensor
    train_labels: Tensor
    test: Tensor
    test_labels: Tensor


def load_digits(seed: int = 0) -> Digits:
    """The 1797 handwritten digits that ship inside scikit-learn, shuffled with the seed.

    Raises:
        BadInput: scikit-learn is not installed.
    """
    try:
        from sklearn import datasets
    except ImportError as error:
        raise BadInput(
            "The demonstration's digits ship inside scikit-learn, which is not installed: pip install 'equiconv[demo]'"
        ) from error
    data = datasets.load_digits()
    images = torch.from_numpy(data.images).float().unsqueeze(1) * (BRIGHTNESS / 16)
    labels = torch.from_numpy(data.target).long()
    order = torch.randperm(len(images), generator=torch.Generator().manual_seed(seed))
    split = len(order) // TEST_SHARE
    test, train = order[:split], order[split:]
    return Digits(images[train], labels[train], images[test], labels[test])


def place(images: Tensor, side: int, generator: torch.Generator) -> Tensor:
    """Each image on a torus of side × side, shifted by an offset of its own; what leaves on one side enters on the
    other.

    >>> x = place(torch.ones(2, 1, 8, 8), 32, torch.Generator().manual_seed(0))
    >>> x.shape, x.sum((1, 2, 3)).tolist()
    (torch.Size([2, 1, 32, 32]), [64.0, 64.0])
    """
    count = len(images)
    offsets = torch.randint(side, (2, count, 1), generator=generator)
    rows, columns = (torch.arange(side) - offsets) % side
    torus = functional.pad(images, (0, side - images.shape[-1], 0, side - images.shape[-2]))
    return torus[torch.arange(count)[:, None, None], :, rows[:, :, None], columns[:, None, :]].permute(0, 3, 1, 2)


def build(padding: Literal["zeros", "circular"], seed: int) -> nn.Module:
    """The lecture's classifier with global pooling, drawn after He et al. 2015 (arXiv 1502.01852): without it and
    without normalisation, a digit that covers a sixteenth of the torus hardly reaches the mean over all pixels.
    """
    from equiconv.nn.classifier import LectureClassifier

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = LectureClassifier(1, 10, padding=padding, downsampling="max", head="global")
        for name, parameter in model.named_parameters():
            if name.endswith("weight"):
                nn.init.kaiming_normal_(parameter, nonlinearity="relu")
            else:
                nn.init.zeros_(parameter)
    return model


def train(
    model: nn.Module,
    digits: Digits,
    *,
    epochs: int,
    seed: int = 0,
    batch: int = 32,
    rate: float = 1e-2,
    step: Callable[[], None] = lambda: None,
) -> None:
    """Train in place with Adam on a one-cycle schedule, every digit at a new offset in every epoch.

    ``step`` is called after each epoch. The model is left in evaluation mode. One thread: the layers are too small to
    share, and on a busy machine threads that wait for each other cost ten times the work.
    """
    generator = torch.Generator().manual_seed(seed)
    optimizer = torch.optim.Adam(model.parameters(), rate)
    batches = -(-len(digits.train) // batch)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, rate, total_steps=epochs * batches)
    model.train()
    with _one_thread():
        for _ in range(epochs):
            order = torch.randperm(len(digits.train), generator=generator)
            images = place(digits.train[order], SIDE, generator)
            for start in range(0, len(order), batch):
                part = slice(start, start + batch)
                optimizer.zero_grad()
                torch.autograd.backward(functional.cross_entropy(model(images[part]), digits.train_labels[order[part]]))
                optimizer.step()
                schedule.step()
            step()
    model.eval()


@contextmanager
def _one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def accuracy(model: nn.Module, images: Tensor, labels: Tensor) -> float:
    """Share of the images whose largest logit is the label's."""
    with torch.no_grad():
        return float((model(images).argmax(-1) == labels).float().mean())
