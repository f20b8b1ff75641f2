"""Each loss names the law that speaks of it: a padding, a stride, part of a period, …"""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from equiconv.certification import certify
from tests.certification.networks import Net

X = torch.randn(1, 2, 12, 8, generator=torch.Generator().manual_seed(0))


def conv(**options: object) -> nn.Module:
    torch.manual_seed(0)
    return nn.Conv2d(2, 2, 3, **options)  # type: ignore[arg-type]


LOSSES: dict[str, tuple[nn.Module, str, str]] = {
    "zero padding": (conv(padding=1), "padding", "zero_padding"),
    "pad, then a window": (Net(lambda x: F.avg_pool2d(F.pad(x, (1, 1, 1, 1)), 3, 1)), "padding", "zero_padding"),
    "reflect": (Net(lambda x: F.pad(x, (1, 1, 1, 1), mode="reflect")), "padding", "seen_unevenly"),
    "stride": (conv(stride=2, padding=1, padding_mode="circular"), "stride", "stride"),
    "ceil_mode": (Net(lambda x: F.max_pool2d(x, 5, 5, ceil_mode=True)), "ceil_mode", "seen_unevenly"),
    "uneven windows": (Net(lambda x: F.adaptive_avg_pool2d(x, 5)), "uneven windows", "seen_unevenly"),
    "one position": (Net(lambda x: x[..., 3]), "select", "part_of_a_period"),
    "positions": (Net(lambda x: x[..., [0, 3, 1]]), "index", "part_of_a_period"),
    "positions, one twice": (Net(lambda x: x[..., [0, 1, 2, 3, 4, 5, 6, 7, 7]]), "index", "seen_unevenly"),
    "positions in another order": (Net(lambda x: x[..., [1, 0, 2, 3, 4, 5, 6, 7]]), "index", "permutation_commutant"),
    "causal mask": (
        Net(lambda x: F.scaled_dot_product_attention(x, x, x, is_causal=True)),
        "constant",
        "constant_stabiliser",
    ),
    "part of a period": (Net(lambda x: x[..., :5].mean(-1)), "crop", "part_of_a_period"),
    "a crop": (Net(lambda x: x[..., :5]), "crop", "part_of_a_period"),
    "running sum": (Net(lambda x: x.cumsum(-1)), "order", "part_of_a_period"),
    "argmax": (Net(lambda x: x.argmax(-1)), "index", "positions_renumbered"),
    "a constant": (Net(lambda x: x * torch.arange(8.0)), "constant", "constant_stabiliser"),
    "flatten and linear": (nn.Sequential(nn.Flatten(), nn.Linear(192, 3)), "constant", "constant_stabiliser"),
    "image axes as channels": (
        Net(lambda x: F.conv1d(x[:, 0], torch.arange(24.0).view(2, 12, 1))),
        "channels",
        "constant_stabiliser",
    ),
    "unlike operands": (Net(lambda x: x * x.flip(-1)), "mismatch", "pointwise"),
    "blocks": (Net(lambda x: x.reshape(1, 2, 12, 2, 4)), "reshape", "split_and_merge"),
    "a seam": (
        Net(lambda x: F.avg_pool2d(torch.cat([x, torch.zeros(1, 2, 12, 4)], -1), 3, 1)),
        "join",
        "concatenation",
    ),
    "interpolation": (Net(lambda x: F.interpolate(x, scale_factor=2, mode="bilinear")), "resampling", "resampling"),
    "rolled as a part": (Net(lambda x: x.flatten(2).roll(3, -1)), "roll", "shifts_commute"),
}


@pytest.mark.parametrize(("net", "cause", "theorem"), LOSSES.values(), ids=LOSSES)
def test_a_loss_names_the_law_that_speaks_of_it(net: nn.Module, cause: str, theorem: str) -> None:
    found = {(o.cause, o.theorem) for o in certify(net.eval(), X, refute=False).obstacles}
    assert (cause, theorem) in found
