"""A user's own operation: unknown without a rule, decided with one of a few lines."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from equiconv.certification import RULES, certify, rule

X = torch.randn(1, 1, 6, 4, generator=torch.Generator().manual_seed(0))


@torch.library.custom_op("equiconv_tests::leaky", mutates_args=())
def leaky(x: Tensor) -> Tensor:
    return torch.where(x > 0, x, 0.1 * x)


@leaky.register_fake
def _(x: Tensor) -> Tensor:
    return torch.empty_like(x)


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(1, 2, 3, padding=1, padding_mode="circular")

    def forward(self, x: Tensor) -> Tensor:
        return leaky(self.conv(x)).mean((2, 3))


def test_a_rule_of_a_few_lines_decides_a_custom_operation() -> None:
    net = Net().eval()
    before = certify(net, X)
    assert before.kind == "undecided"
    assert [u.operation for u in before.unknown] == ["equiconv_tests.leaky.default"]
    assert before.unknown[0].source.code == "return leaky(self.conv(x)).mean((2, 3))"

    @rule("equiconv_tests.leaky.default", family="pointwise", theorem="pointwise")
    def entry_by_entry(step):
        return step.result(step.signal("x").dims)

    try:
        after = certify(net, X)
        assert (after.strides, after.kind, after.exact) == ((1, 1), "invariant", True)
        assert after.check(net, X)
    finally:
        del RULES["equiconv_tests.leaky.default"]
