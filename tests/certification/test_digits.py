"""Reshapes that cut a rolling dim: free until one digit is touched without those below it. Against brute force on a 12 × 8 torus, and attacked."""

from __future__ import annotations

import dataclasses
import os
from fractions import Fraction

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from equiconv.certification import Certificate, Digit, Still, Window, certify, registry
from equiconv.certification.action import act
from equiconv.certification.digits import chained, normal
from tests.certification.attack import attack
from tests.certification.networks import SHAPE, Net
from tests.certification.random_networks import DIGITS, Program
from tests.certification.test_small_networks import agree

H, W = SHAPE


def patches(x: Tensor, a: int, b: int) -> Tensor:
    """(1, C, H, W) → (pixels of a patch, patches, C), as MobileViT unfolds."""
    c = x.shape[1]
    x = x.reshape(c * (H // a), a, W // b, b).transpose(1, 2)
    return x.reshape(1, c, H * W // (a * b), a * b).transpose(1, 3).reshape(a * b, -1, c)


def folded(t: Tensor, a: int, b: int) -> Tensor:
    """Back to (1, C, H, W)."""
    c = t.shape[2]
    t = t.reshape(1, a * b, -1, c).transpose(1, 3).reshape(c * (H // a), W // b, a, b)
    return t.transpose(1, 2).reshape(1, c, H, W)


def attend(t: Tensor) -> Tensor:
    return F.scaled_dot_product_attention(t, t.tanh(), t)


def attend_by_hand(t: Tensor, bias: Tensor | float = 0.0) -> Tensor:
    return (t @ t.tanh().mT + bias).softmax(-1) @ t


def windows(x: Tensor, a: int, b: int) -> Tensor:
    """(1, 1, H, W) → (windows, pixels, 1), as Swin cuts."""
    x = x.reshape(1, H // a, a, W // b, b).permute(0, 1, 3, 2, 4)
    return x.reshape(-1, a * b, 1)


def unwindows(t: Tensor, a: int, b: int) -> Tensor:
    return t.reshape(1, H // a, W // b, a, b).permute(0, 1, 3, 2, 4).reshape(1, 1, H, W)


def grid(x: Tensor, a: int, b: int) -> Tensor:
    """(1, 1, H, W) → (offsets, a·b cells, 1), as MaxViT's grid attention cuts."""
    return x.reshape(1, a, H // a, b, W // b).permute(0, 2, 4, 1, 3).reshape(-1, a * b, 1)


def ungrid(t: Tensor, a: int, b: int) -> Tensor:
    return t.reshape(1, H // a, W // b, a, b).permute(0, 3, 1, 4, 2).reshape(1, 1, H, W)


def linear_attention(x: Tensor) -> Tensor:
    """MobileViTv2: a context summed over the patches of each pixel, broadcast back to them."""
    t = x.reshape(1, 1, H // 2, 2, W // 2, 2).permute(0, 1, 3, 5, 2, 4).reshape(1, 1, 4, -1)
    context = (t.tanh() * t.softmax(-1)).sum(-1, keepdim=True)
    t = t.relu() * context.expand_as(t)
    return t.reshape(1, 1, 2, 2, H // 2, W // 2).permute(0, 1, 4, 2, 5, 3).reshape(1, 1, H, W)


def circulant(n: int) -> Tensor:
    values = torch.randn(n)
    return torch.stack([torch.roll(values, k) for k in range(n)])


def cases() -> dict[str, tuple[nn.Module, tuple[int, int], str]]:
    torch.manual_seed(0)
    pixel, patch, table = torch.randn(4, 1, 1), torch.randn(1, 24, 1), torch.randn(24, 24)
    level, rows = torch.randn(1, 1, 1, 2, 1, 1), torch.randn(6, 6)
    toroidal, twelve = circulant(6), torch.randn(1, 1, 12)
    same = "equivariant"
    conv = lambda c: nn.Conv2d(c, c, 1)  # noqa: E731
    return {
        "attention over patches": (Net(lambda x: folded(attend(patches(x, 2, 2)), 2, 2)), (1, 1), same),
        "attention over patches, by hand": (
            Net(lambda x: folded(attend_by_hand(patches(x, 3, 4)), 3, 4)),
            (1, 1),
            same,
        ),
        "layers beside it": (
            Net(
                lambda x, c, l, n: folded(l(n(attend(patches(c(x), 2, 4)))), 2, 4),
                nn.Conv2d(1, 3, 3, padding=1, padding_mode="circular"),
                nn.Linear(3, 2),
                nn.LayerNorm(3),
            ),
            (1, 1),
            same,
        ),
        "a bias for each pixel of a patch": (
            Net(lambda x: folded(attend(patches(x, 2, 2) + pixel), 2, 2)),
            (2, 2),
            same,
        ),
        "a bias for each patch": (
            Net(lambda x: folded(attend(patches(x, 2, 2) + patch), 2, 2).relu()),
            (12, 8),
            "none",
        ),
        "linear attention": (Net(linear_attention), (1, 1), same),
        "windows": (Net(lambda x: unwindows(attend(windows(x, 3, 4)), 3, 4)), (3, 4), same),
        "grid": (Net(lambda x: ungrid(attend(grid(x, 3, 4)), 3, 4)), (1, 1), same),
        "grid with a table": (Net(lambda x: ungrid(attend_by_hand(grid(x, 6, 4), table), 6, 4)), (12, 8), "none"),
        "rows of a grid with a toroidal table": (
            Net(lambda x: attend_by_hand(x.reshape(6, 2, 8).transpose(0, 1), toroidal).transpose(0, 1).reshape(12, 8)),
            (1, 1),
            same,
        ),
        "rows of a grid with any table": (
            Net(lambda x: attend_by_hand(x.reshape(6, 2, 8).transpose(0, 1), rows).transpose(0, 1).reshape(12, 8)),
            (12, 1),
            same,
        ),
        "space to depth and back": (
            Net(lambda x: F.pixel_shuffle(F.pixel_unshuffle(x, 2).relu() * 2 + 1, 2)),
            (1, 1),
            same,
        ),
        "mixed in between": (
            Net(lambda x, c: F.pixel_shuffle(c(F.pixel_unshuffle(x, 2)), 2), conv(4)),
            (2, 2),
            same,
        ),
        "softmax over the blocks": (Net(lambda x: x.reshape(6, 2, 8).softmax(0).reshape(12, 8)), (1, 1), same),
        "softmax within a block": (Net(lambda x: x.reshape(6, 2, 8).softmax(1).reshape(12, 8)), (2, 1), same),
        "three levels": (
            Net(lambda x: x.reshape(1, 1, 3, 2, 2, 8).softmax(2).reshape(1, 1, 12, 8).relu()),
            (1, 1),
            same,
        ),
        "the middle of three": (
            Net(lambda x: x.reshape(1, 1, 3, 2, 2, 8).softmax(3).reshape(1, 1, 12, 8)),
            (4, 1),
            same,
        ),
        "the upper two of three": (
            Net(lambda x: x.reshape(1, 1, 3, 2, 2, 8).flatten(2, 3).softmax(2).reshape(1, 1, 12, 8)),
            (1, 1),
            same,
        ),
        "a constant on the lowest of three": (
            Net(lambda x: (x.reshape(1, 1, 3, 2, 2, 8) * level.transpose(3, 4)).tanh().reshape(1, 1, 12, 8)),
            (2, 1),
            same,
        ),
        "a constant on the middle of three": (
            Net(lambda x: (x.reshape(1, 1, 3, 2, 2, 8) * level).tanh().reshape(1, 1, 12, 8)),
            (4, 1),
            same,
        ),
        "cut, joined, cut elsewhere": (
            Net(lambda x: x.reshape(6, 2, 8).reshape(4, 3, 8).softmax(0).reshape(12, 8)),
            (1, 1),
            same,
        ),
        "both axes in one dim": (
            Net(lambda x: x.reshape(96).reshape(24, 4).softmax(0).reshape(1, 1, 12, 8)),
            (1, 1),
            same,
        ),
        "both axes in one dim, the inner digit": (
            Net(lambda x: x.reshape(24, 4).softmax(1).reshape(1, 1, 12, 8)),
            (1, 4),
            same,
        ),
        "a sum over blocks": (Net(lambda x: x.reshape(6, 2, 8).sum(0).relu().sum(0)), (1, 1), same),
        "the largest of each block": (Net(lambda x: x.reshape(6, 2, 8).amax(1)), (2, 1), same),
        "all digits in another order": (
            Net(lambda x: x.reshape(6, 2, 8).transpose(0, 1).flatten().sum(0)),
            (1, 1),
            "invariant",
        ),
        "digits in another order": (Net(lambda x: x.reshape(6, 2, 8).transpose(0, 1).reshape(12, 8)), (2, 1), same),
        "another order weighed": (
            Net(lambda x: (x.reshape(6, 2, 8).transpose(0, 1).reshape(1, 12, 8).mT * twelve).tanh().sum((1, 2))),
            (12, 1),
            "invariant",
        ),
        "two digits of two copies": (
            Net(lambda x: torch.einsum("oiw,pjw->ijop", x.reshape(6, 2, 8), x.reshape(6, 2, 8).tanh())),
            (2, 1),
            same,
        ),
        "blocks with their neighbours' shape": (
            Net(lambda x: (x.reshape(6, 2, 8) + x.reshape(6, 2, 8).sum(0)).reshape(12, 8)),
            (1, 1),
            same,
        ),
        "a product with the wrong digit": (
            Net(lambda x: (x.reshape(6, 2, 8) * x.reshape(6, 2, 8).sum(1, keepdim=True)).reshape(12, 8)),
            (2, 1),
            same,
        ),
        "patches are returned": (Net(lambda x: x.reshape(1, 6, 2, 8).relu()), (2, 1), same),
        "flipped, then cut": (Net(lambda x: x.flip(2).reshape(6, 2, 8).softmax(0).reshape(12, 8)), (1, 1), same),
        "cut after a stride": (
            Net(lambda x: F.max_pool2d(x, (2, 1)).reshape(3, 2, 8).softmax(0).reshape(6, 8)),
            (2, 1),
            same,
        ),
        "norms of pieces": (
            Net(lambda x: F.group_norm(x.reshape(1, 1, 6, 2, 8).transpose(2, 3), 1).transpose(2, 3).reshape(12, 8)),
            (1, 1),
            same,
        ),
        "cut in pieces and put together": (
            Net(lambda x: torch.cat(x.reshape(6, 2, 8).chunk(2, 1), 1).tanh().reshape(12, 8)),
            (2, 1),
            same,
        ),
        "queries and values in one": (
            Net(
                lambda x, l: (lambda q, v: folded(q.softmax(1) * v, 2, 2))(*l(patches(x, 2, 2)).chunk(2, -1)),
                nn.Linear(1, 2),
            ),
            (1, 1),
            same,
        ),
    }


CASES = cases()


@pytest.mark.parametrize("name", CASES)
def test_against_brute_force(name: str) -> None:
    agree(*CASES[name])


X = torch.randn(1, 1, *SHAPE, generator=torch.Generator().manual_seed(0))
HIGH, LOW = Digit(6, 0, Fraction(1), 12, 2), Digit(2, 0, Fraction(1), 12, 1)


@pytest.mark.parametrize("k", range(-3, 14))
def test_the_action_is_the_conjugated_roll(k: int) -> None:
    """Cut, permuted and with a copy of the highest digit: what ρ does is what the roll of the signal does."""
    for step in (1, -1):
        high, low = (dataclasses.replace(d, step=Fraction(step)) for d in (HIGH, LOW))
        x = X[0, 0]
        moved = torch.roll(x, step * k, 0)
        laid = [(low,), (Still(8),), (high,)]
        cut = lambda t: t.reshape(6, 2, 8).permute(1, 2, 0)  # noqa: E731
        found, known = act(laid, cut(x), 0, k)
        assert known is None
        assert torch.equal(found, cut(moved))
        pair = lambda t: torch.einsum("oiw,piw->iop", t.reshape(6, 2, 8), t.reshape(6, 2, 8).exp())  # noqa: E731
        assert torch.allclose(act([(low,), (high,), (high,)], pair(x), 0, k)[0], pair(moved))
        if k % 2:  # false twins: nothing is carried, or the wrong way
            alone = Window(6, 0, Fraction(2 * step), 6)
            with pytest.raises(AssertionError):
                act([(low,), (Still(8),), (alone,)], cut(x), 0, k)
            wrong = [(dataclasses.replace(d, step=-d.step),) for d in (low, high)]
            if k % 12 not in (0, 6):
                assert not torch.equal(act([wrong[0], (Still(8),), wrong[1]], cut(x), 0, k)[0], cut(moved))


def test_a_mask_beside_digits() -> None:
    crop = Window(3, 1, Fraction(1), 8)
    found, known = act([(HIGH,), (LOW,), (crop,)], X[0, 0, :, :3].reshape(6, 2, 3), 1, 1)
    assert known is not None
    assert known.sum() == 24
    assert torch.equal(found[known], torch.roll(X[0, 0], 1, 1)[:, :3].reshape(6, 2, 3)[known])


def test_chains() -> None:
    three = [Digit(3, 0, Fraction(1), 12, 4), Digit(2, 0, Fraction(1), 12, 2), Digit(2, 0, Fraction(1), 12, 1)]
    assert chained(three)
    assert chained(three[1:])
    assert chained([three[0], *three])
    assert chained([])
    assert not chained(three[:1])
    assert not chained([three[0], three[2]])
    assert not chained([*three, three[2]])
    assert not chained([HIGH, three[2], *three])


def test_what_k_does_not_move_is_still() -> None:
    """Under 2Z blocks of 2 move whole: of (3, 2, 2) the last digit is still, and of (6, 2) the first rolls."""
    three = [(Digit(3, 0, Fraction(1), 12, 4),), (Digit(2, 0, Fraction(1), 12, 2),), (Digit(2, 0, Fraction(1), 12, 1),)]
    assert normal(three, (2, 1), SHAPE) == (
        (Digit(3, 0, Fraction(2), 6, 2),),
        (Digit(2, 0, Fraction(2), 6, 1),),
        (Still(2),),
    )
    assert normal([(HIGH,), (LOW,)], (2, 1), SHAPE) == ((Window(6, 0, Fraction(2), 6),), (Still(2),))
    assert normal([(HIGH, LOW)], (1, 1), SHAPE) == ((Window(12, 0, Fraction(1), 12),),)
    # a copy of the highest digit still needs the lower one
    assert normal([(HIGH, LOW), (HIGH,)], (1, 1), SHAPE) == ((HIGH, LOW), (HIGH,))


def test_the_reshape_is_to_blame_once() -> None:
    """Two operations take the blocks apart; the obstacle is the line that cut them, as though it had been paid there."""

    def twice(x: Tensor) -> Tensor:
        blocks = x.reshape(1, 6, 2, 8)
        return blocks.softmax(2).sum((1, 2)) + blocks.cumsum(2).sum((1, 2))

    certificate = certify(Net(twice).eval(), X, refute=False)
    (obstacle,) = certificate.obstacles
    assert (obstacle.cause, obstacle.before, obstacle.after) == ("reshape", (1, 1), (2, 1))
    assert obstacle.operation in ("aten.view.default", "aten.reshape.default")
    assert "blocks = x.reshape(1, 6, 2, 8)" in str(obstacle)
    assert obstacle.message.startswith(
        "a reshape splits the height into blocks of 2: only shifts by multiples of 2 keep"
    )


def test_nobody_to_blame_where_nothing_is_lost() -> None:
    assert not certify(CASES["attention over patches"][0].eval(), X).obstacles


def test_saved_and_loaded(tmp_path) -> None:
    net = CASES["attention over patches"][0].eval()
    certificate = certify(net, X)
    assert any(isinstance(f, Digit) for c in certificate.claims for dim in c.state.dims for f in dim)
    loaded = Certificate.load(certificate.save(tmp_path / "c.json"))
    assert loaded == certificate
    assert loaded.check(net, X)


def test_a_rule_that_only_says_that_it_understands_digits_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    """The tester's test: a softmax within the blocks that keeps every digit."""
    net = CASES["softmax within a block"][0].eval()
    assert not any(report.violations for _, report in attack(net, X)[1].values())
    old = registry.RULES["aten.softmax.int"]
    careless = dataclasses.replace(old, transfer=lambda step: step.result(step.signal("self").dims))
    monkeypatch.setitem(registry.RULES, old.target, careless)
    assert any(report.violations for _, report in attack(net, X)[1].values())


SHAPES = [(12, 8), (8, 8), (4, 6), (16, 4), (12, 12), (8, 1)]
NETWORKS = int(os.environ.get("EQUICONV_RANDOM_NETWORKS", "96")) // 4


def test_no_claim_of_a_random_network_is_contradicted() -> None:
    checked = digits = 0
    for seed in range(NETWORKS):
        shape = SHAPES[seed % len(SHAPES)]
        net = Program(seed, shape, length=4 + seed % 7, kinds=DIGITS).eval()
        x = torch.randn(1, 2, *shape, generator=torch.Generator().manual_seed(seed))
        _, found = attack(net, x)
        for circular, (derivation, report) in found.items():
            assert not report.violations, f"seed {seed}, {shape}, circular={circular}: {report}\n  {net.text}"
            checked += report.claims
            states = [s for s in derivation.states.values() if hasattr(s, "dims")]
            digits += sum(any(isinstance(f, Digit) for dim in s.dims for f in dim) for s in states)
    assert checked > 10 * NETWORKS
    assert digits > NETWORKS  # the attack is no attack on digits where there are none


@pytest.mark.parametrize("name", ["attention over patches", "patches are returned", "windows"])
def test_verified_as_a_proof(name: str) -> None:
    """Digits are claimed, followed step by step, and paid for in the same places."""
    net = CASES[name][0].eval()
    certificate = certify(net, X)
    verification = certificate.verify(net, X, run=False)
    assert verification, str(verification)
    turned = tuple(
        dataclasses.replace(
            claim,
            state=dataclasses.replace(
                claim.state,
                dims=tuple(
                    tuple(dataclasses.replace(f, step=-f.step) if isinstance(f, Digit) else f for f in dim)
                    for dim in claim.state.dims
                ),
            ),
        )
        for claim in certificate.claims
    )
    assert turned != certificate.claims
    assert "steps" in dataclasses.replace(certificate, claims=turned).verify(net, X, run=False).failures
