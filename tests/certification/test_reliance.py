"""What rests on the values of weights is said: zeros and patterns that an architecture does not promise."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor, nn

from equiconv.certification import Certificate, certify


class Vit(nn.Module):
    """Patches of 4 × 4, a position embedding, attention with a bias for every pair of patches, and a mean over the patches."""

    def __init__(self, positions: float = 0.0, biases: float = 0.0) -> None:
        super().__init__()
        self.patches = nn.Conv2d(1, 4, 4, 4)
        self.position = nn.Parameter(positions * torch.arange(24.0).reshape(1, 6, 4))
        self.table = nn.Parameter(biases * torch.arange(36.0))
        self.register_buffer("pairs", torch.arange(36).reshape(6, 6))

    def forward(self, x: Tensor) -> Tensor:
        tokens = self.patches(x).flatten(2).transpose(1, 2) + self.position
        scores = tokens @ tokens.transpose(1, 2) + self.table[self.pairs] * 2
        return (scores.softmax(-1) @ tokens).mean(1)


X = torch.randn(1, 1, 12, 8, generator=torch.Generator().manual_seed(0))


def rests(net: nn.Module, **options: str) -> Certificate:
    return certify(net.eval(), X, refute=False, **options)


def test_zeros_that_keep_a_symmetry_are_named() -> None:
    net = Vit()
    certificate = rests(net)
    assert certificate.strides == (4, 4)
    assert certificate.notes == (
        "4Z × 4Z rests on the values that some weights have, position first: with others {0} × {0} is all that is derived "
        "(weights='generic')",
    )
    assert certificate.notes[0] in str(certificate)
    assert rests(net, weights="generic").strides == X.shape[2:]


def test_weights_that_keep_nothing_and_architectures_that_keep_all_need_no_note() -> None:
    assert not rests(Vit(positions=1.0)).notes
    assert not rests(Vit(biases=1.0)).notes
    assert not rests(Vit(), weights="generic").notes
    assert not rests(nn.Sequential(nn.Conv2d(1, 2, 3, padding=1, padding_mode="circular"), nn.ReLU())).notes


def test_what_circular_padding_would_buy_may_rest_on_values_too() -> None:
    class Padded(Vit):
        def forward(self, x: Tensor) -> Tensor:
            return super().forward(nn.functional.avg_pool2d(x, 3, 1, 1))

    as_is, circular = rests(Padded()), rests(Padded(), padding="circular")
    assert as_is.strides == (12, 8)
    assert as_is.potential == circular.strides == (4, 4)
    assert as_is.notes == ("were every padding circular: " + circular.notes[0],)


def test_a_number_read_off_the_weights_makes_the_rest_undecided() -> None:
    class Reads(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.gain = nn.Parameter(torch.tensor(1.0))

        def forward(self, x: Tensor) -> Tensor:
            return torch.pow(x, self.gain.item())

    certificate = rests(Reads())
    assert certificate.strides == (1, 1)
    assert certificate.notes == (
        "Z × Z rests on the values that some weights have, gain first: with others it is undecided (weights='generic')",
    )


def test_the_note_is_part_of_the_proof() -> None:
    net = Vit()
    certificate = rests(net)
    assert certificate.verify(net, X)
    silent = replace(certificate, notes=())
    assert silent.verify(net, X).failures == ("verdict",)
