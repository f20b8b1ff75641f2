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


@torch.library.custom_op("equiconv_tests::mix", mutates_args=())
def mix(x: Tensor, y: Tensor) -> Tensor:
    return x * y.mean()


@mix.register_fake
def _(x: Tensor, y: Tensor) -> Tensor:
    return torch.empty_like(x)


@torch.library.custom_op("equiconv_tests::halves", mutates_args=())
def halves(image: Tensor) -> tuple[Tensor, Tensor]:
    return image[..., :2].clone(), image[..., 2:].clone()


@halves.register_fake
def _(image: Tensor) -> tuple[Tensor, Tensor]:
    return torch.empty_like(image[..., :2]), torch.empty_like(image[..., 2:])


class Three(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        y = leaky(x)
        left, right = halves(x.mean(1))
        return mix(y, left + right)


def test_three_unknown_operations_are_named_at_once_with_what_a_rule_would_say() -> None:
    certificate = certify(Three().eval(), X)
    assert [u.operation for u in certificate.unknown] == [
        f"equiconv_tests.{n}.default" for n in ("leaky", "halves", "mix")
    ]
    first, second, third = (u.reason for u in certificate.unknown)
    assert "its result of shape [1, 1, 6, 4]" in first
    assert "x is [1, 1, roll(6, axis 0, step 1), roll(4, axis 1, step 1)]" in first
    assert "its results of shape [1, 6, 2], [1, 6, 2]" in second
    assert "not known either, for want of a rule before it" in third
    text = str(certificate)
    assert "verdict: undecided: no rule for equiconv_tests.leaky.default, equiconv_tests.halves.default" in text
    assert all(str(u.source) in text and u.source.code in text for u in certificate.unknown)
    # the advice is a program: it decides what it is for
    lines = text.split("at the same place:\n")[1].split("\nthen certificate.check")[0]
    program = "\n".join(line.removeprefix("    ") for line in lines.splitlines())
    assert (
        '@rule("equiconv_tests.leaky.default", "equiconv_tests.halves.default", "equiconv_tests.mix.default"' in program
    )
    try:
        exec(program)
        after = certify(Net().eval(), X)
        assert (after.strides, after.kind, after.exact) == ((1, 1), "invariant", True)
    finally:
        for name in ("leaky", "halves", "mix"):
            RULES.pop(f"equiconv_tests.{name}.default", None)


def test_a_users_operation_needs_a_rule_even_where_nothing_moves() -> None:
    """Of torch's functions it is known that they are functions; a user's may remember, or draw."""

    class Pooled(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return leaky(x.mean((2, 3)))

    assert certify(Pooled().eval(), X).kind == "undecided"


def test_a_function_of_what_does_not_move_needs_none() -> None:
    class Gram(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv = nn.Conv2d(1, 3, 3, padding=1, padding_mode="circular")

        def forward(self, x: Tensor) -> Tensor:
            y = self.conv(x).flatten(2)
            return torch.linalg.svdvals(y @ y.mT)

    net = Gram().eval()
    certificate = certify(net, X)
    assert (certificate.strides, certificate.kind, certificate.exact) == ((1, 1), "invariant", True)
    assert certificate.check(net, X)
    assert {c.theorem for c in certificate.claims if "svd" in c.operation} == {"partial_reduction"}


def test_behind_an_unknown_operation_nothing_passes_for_still() -> None:
    """After one nothing is claimed to move, which is no reason to let the next one through."""

    class Behind(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return torch.linalg.svdvals(leaky(x))

    first, second = (u.operation for u in certify(Behind().eval(), X).unknown)
    assert first == "equiconv_tests.leaky.default"
    assert "svd" in second
