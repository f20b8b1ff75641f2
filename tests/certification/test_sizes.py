"""Sweeps over sizes: networks whose dependence on the size is known, and what is made of rows that fail."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from math import gcd
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

import equiconv as eq
from equiconv.certification.size_patterns import explain
from equiconv.certification.sizes import SizeRow, SizeSweep, parse_sizes
from tests.certification.networks import Net

X = torch.zeros(1, 1, 8, 8)


def circular(stride: int = 1, kernel: int = 3) -> nn.Conv2d:
    return nn.Conv2d(1, 1, kernel, stride, kernel // 2, padding_mode="circular")


def net(*parts: nn.Module) -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(*parts).eval()


def texts(sweep: SizeSweep) -> list[str]:
    assert sweep.pattern is not None, sweep
    return [axis.describe("n") for axis in sweep.pattern.axes]


KNOWN: dict[str, tuple[nn.Module, str, str]] = {
    "two strides": (
        net(circular(2), nn.ReLU(), circular(2)),
        "6:12:2",
        "4 | n keeps 4Z (2 of 2 such sizes tried); every other n tried keeps nothing (2 of 2)",
    ),
    "every size": (net(circular(), nn.ReLU()), "3:4", "every n tried keeps Z (2 of 2)"),
    "zero padding": (net(nn.Conv2d(1, 1, 3, padding=1)), "4:5", "every n tried keeps nothing (2 of 2)"),
    "odd sizes keep nothing of a stride": (
        net(circular(2)),
        "5:9:2",
        "every n tried keeps nothing (3 of 3)",
    ),
    "a pool without overhang": (
        net(nn.MaxPool2d(3, 3, ceil_mode=True)),
        "6:9",
        "3 | n keeps 3Z (2 of 2 such sizes tried); every other n tried keeps nothing (2 of 2)",
    ),
    "an adaptive pool": (
        net(nn.AdaptiveAvgPool2d(7)),
        "13:17:4, 14:28:7",
        "7 | n keeps (n/7)Z (3 of 3 such sizes tried); every other n tried keeps nothing (2 of 2)",
    ),
    "an adaptive pool behind a stride": (
        net(circular(2), nn.AdaptiveAvgPool2d(3)),
        "9:24:3",
        "6 | n keeps (n/3)Z (3 of 3 such sizes tried); every other n tried keeps nothing (3 of 3)",
    ),
    "a mask of the period 4": (
        Net(lambda x: x * (torch.arange(x.shape[-1]) % 4 == 0) * (torch.arange(x.shape[-2]) % 4 == 0)[:, None]).eval(),
        "6:12:2",
        "4 | n keeps 4Z (2 of 2 such sizes tried); every other n tried keeps nothing (2 of 2)",
    ),
}


@pytest.mark.parametrize("name", KNOWN)
def test_known_patterns(name: str) -> None:
    model, sizes, text = KNOWN[name]
    sweep = eq.certify_sizes(model, sizes, X)
    assert [row.error for row in sweep.rows] == [None] * len(sweep.rows), sweep
    assert texts(sweep) == [text, text]
    assert sweep.pattern is not None
    assert all(sweep.pattern.strides(row.size) == row.strides for row in sweep.rows)
    assert all(eq.certify(model, torch.randn(1, 1, *r.size), refute=False).strides == r.strides for r in sweep.rows[:2])


def test_potential_and_blame() -> None:
    sweep = eq.certify_sizes(net(nn.Conv2d(1, 1, 3, 2, 1), nn.ReLU()), "6:9", X)
    assert texts(sweep) == ["every n tried keeps nothing (4 of 4)"] * 2
    assert sweep.potential_pattern is not None
    assert str(sweep.potential_pattern) == (
        "even H keeps 2Z (2 of 2 such sizes tried); every other H tried keeps nothing (2 of 2); "
        "even W keeps 2Z (2 of 2 such sizes tried); every other W tried keeps nothing (2 of 2)"
    )
    even, odd = sweep.rows[0], sweep.rows[1]
    assert (even.strides, even.potential, even.kind, even.potential_kind) == ((6, 6), (2, 2), "none", "equivariant")
    assert even.blame[0] is not None
    assert even.blame[0].startswith("padding at 0 (aten.conv2d.default")
    assert even.potential_blame == (None, None)
    assert odd.potential_blame[1] is not None
    assert odd.potential_blame[1].startswith("stride at 0 (aten.conv2d.default")
    text = str(sweep)
    assert "4 of 4 sizes certified (squares only)" in text
    assert "no proof for others" in text
    assert "because of padding at 0 (aten.conv2d.default" in text
    assert (
        text.index("as it stands:") < text.index("were every padding circular:") < text.index("because of stride at 0")
    )


def test_circular_padding_and_refutations() -> None:
    sweep = eq.certify_sizes(net(nn.Conv2d(1, 1, 3, 2, 1)), [8], X, padding="circular", refute=True)
    assert (sweep.rows[0].strides, sweep.rows[0].exact) == ((2, 2), True)
    assert "as it stands" not in str(sweep)
    assert not eq.certify_sizes(net(circular(2)), [8], X).rows[0].exact


def test_sizes_that_are_no_squares() -> None:
    model = net(nn.Conv2d(1, 1, (1, 3), (1, 2), (0, 1), padding_mode="circular"))
    sweep = eq.certify_sizes(model, "5:6x5:7", X)
    assert len(sweep.rows) == 6
    assert "squares only" not in str(sweep)
    assert sweep.rows[1].size == (5, 6)
    assert texts(sweep) == [
        "every n tried keeps Z (2 of 2)",
        "even n keeps 2Z (1 of 1 such sizes tried); every other n tried keeps nothing (2 of 2)",
    ]


def test_one_axis_and_other_dtypes() -> None:
    model = nn.Sequential(nn.Conv1d(2, 2, 4, 4)).eval().double()
    sweep = eq.certify_sizes(model, "8:12:2", torch.zeros(3, 2, 5, dtype=torch.float64), axes=-1)
    assert texts(sweep) == ["4 | n keeps 4Z (2 of 2 such sizes tried); every other n tried keeps nothing (1 of 1)"]
    looked_up = Net(lambda i, e: e(i).mean((1, 2)), nn.Embedding(5, 2)).eval()
    sweep = eq.certify_sizes(looked_up, "3:4", torch.tensor([[[0, 4], [3, 1]]]))
    assert [row.kind for row in sweep.rows] == ["invariant", "invariant"]


class Positions(nn.Module):
    """A position embedding for 4 × 4 patches of 2."""

    def __init__(self) -> None:
        super().__init__()
        self.patches = nn.Conv2d(1, 3, 2, 2)
        self.position = nn.Parameter(torch.ones(1, 3, 4, 4))

    def forward(self, x: Tensor) -> Tensor:
        return self.patches(x) + self.position


def test_a_size_that_fails_is_a_row_and_not_the_end() -> None:
    sweep = eq.certify_sizes(Positions().eval(), [6, 8, (8, 10), 9], X)
    assert [row.error is None for row in sweep.rows] == [False, True, False, True]
    assert sweep.rows[1].strides == (2, 2)
    assert "size of tensor a (3) must match" in (sweep.rows[0].error or "")
    text = str(sweep)
    assert "2 of 4 sizes certified" in text
    assert "no certificate at 6 × 6, 8 × 10: " in text
    assert text.count("does not run on it") == 1
    all_fail = eq.certify_sizes(Positions().eval(), [6], X)
    assert all_fail.pattern is None
    assert "0 of 1 sizes certified" in str(all_fail)


def test_the_undecided_is_said_and_is_in_no_pattern() -> None:
    sweep = eq.certify_sizes(Net(lambda x: torch.linalg.svdvals(x)).eval(), "3:4", X)
    assert [row.kind for row in sweep.rows] == ["undecided"] * 2
    assert sweep.pattern is None
    assert "undecided at 3 × 3, 4 × 4" in str(sweep)


def test_where_the_axes_depend_on_each_other_there_is_a_table() -> None:
    """x + xᵀ runs on squares only, and a mask of the other axis' size makes the strides of one depend on the other."""

    def masked(x: Tensor) -> Tensor:
        h, w = x.shape[-2:]
        return x * (torch.arange(w) % gcd(h, w) == 0)

    sweep = eq.certify_sizes(Net(masked).eval(), [(2, 12), (3, 12), (4, 12)], X)
    assert [row.strides for row in sweep.rows] == [(1, 2), (1, 3), (1, 4)]
    assert sweep.pattern is None
    text = str(sweep)
    assert "no rule in each size alone explains all of them; by verdict:" in text
    assert "Z × 2Z (equivariant): 1 size, 2 × 12" in text


def test_an_example_made_by_a_function() -> None:
    class Two(nn.Module):
        def forward(self, image: Tensor, scale: Tensor) -> Tensor:
            return image * scale

    sweep = eq.certify_sizes(Two().eval(), [4, 5], lambda size: (torch.ones(1, 1, *size), torch.tensor([2.0])))
    assert [row.strides for row in sweep.rows] == [(1, 1)] * 2
    wrong = eq.certify_sizes(Two().eval(), [4], lambda _: (X, torch.tensor([2.0])))
    assert "have the sizes (8, 8), not (4, 4)" in (wrong.rows[0].error or "")


def test_saved(tmp_path: Path) -> None:
    said: list[str] = []
    sweep = eq.certify_sizes(net(circular(2)), "7:9x8", X, progress=said.append)
    assert said[-1] == "size 9 × 8, 3 of 3"
    data = json.loads(sweep.save(tmp_path / "s.json").read_text())
    assert [row["size"] for row in data["rows"]] == [[7, 8], [8, 8], [9, 8]]
    assert data["rows"][1]["strides"] == [2, 2]
    assert data["pattern"][0]["branches"][0] == {
        "divisor": 2,
        "residue": 0,
        "kept": {"stride": 2, "share": None},
        "sizes": [8],
    }
    assert data["text"] == str(sweep)


# Rules ------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("law", "sizes", "text"),
    [
        (
            lambda n: 32 if n % 32 == 0 else n,
            range(32, 161, 4),
            "32 | n keeps 32Z (5 of 5 such sizes tried; at 32 that is only 0); other nothing 28",
        ),
        (lambda n: 32, range(64, 161, 32), "32 | n keeps 32Z 4"),
        (lambda n: 1 if n % 2 else n, range(5, 12), "odd n keeps Z 4; other nothing 3"),
        (lambda n: 1 if n % 3 == 2 else n, range(5, 15), "n ≡ 2 mod 3 keeps Z 4; other nothing 6"),
        (lambda n: 2 if n % 4 == 0 else n, range(8, 25), "4 | n keeps 2Z 5; other nothing 12"),
        (lambda n: gcd(n, 4), range(8, 25), "4 | n keeps 4Z 5; even n keeps 2Z 4; other Z 8"),
        (lambda n: n // 7 if n % 7 == 0 else n, range(7, 30), "7 | n keeps (n/7)Z 4; other nothing 19"),
    ],
)
def test_rules_are_found(law: Callable[[int], int], sizes: range, text: str) -> None:
    strides = {n: law(n) for n in sizes}
    pattern = explain(strides)
    assert pattern is not None
    plain = re.sub(r" \((\d+) of \1( such sizes tried)?\)", r" \1", pattern.describe())
    assert plain.replace("every other n tried keeps", "other") == text
    assert {n: pattern.stride(n) for n in sizes} == strides


def test_a_rule_explains_every_size_or_there_is_none() -> None:
    """The tester: one stride changed, and the rule is another one that is true of it too, or none."""
    law = {n: 4 if n % 4 == 0 else n for n in range(8, 25)}
    for n, stride in law.items():
        for other in {d for d in range(1, n + 1) if n % d == 0} - {stride}:
            changed = law | {n: other}
            pattern = explain(changed)
            assert pattern is None or {m: pattern.stride(m) for m in changed} == changed
            assert pattern != explain(law)
    assert explain({}) is None


def test_no_rule_is_made_of_single_sizes() -> None:
    """Four sizes, four answers: a list of them would be no pattern."""
    assert explain({6: 1, 7: 7, 8: 2, 9: 3}) is None
    assert explain({10: 5, 12: 12, 15: 1}) is None


def test_a_pattern_of_rows_that_failed_is_none() -> None:
    failed = SizeSweep("Net", (-2, -1), (SizeRow((4, 4), error="it raised"),))
    assert failed.pattern is None
    assert failed.potential_pattern is None


# Refusals ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text", ["", "big", "0", "8:4", "4:8:0", "4x5x6", "1:999999999", "4,,5", "-4", "4:8x1:999999999"]
)
def test_texts_that_name_no_sizes(text: str) -> None:
    with pytest.raises(ValueError, match="sizes: "):
        parse_sizes(text)


@pytest.mark.parametrize(
    ("sizes", "error", "words"),
    [
        ([], ValueError, "at least one size"),
        ([4, "x"], ValueError, "whole numbers from 1"),
        ([(4, 5, 6)], ValueError, "tuples of 2"),
        ([True], ValueError, "whole numbers from 1"),
        ([0], ValueError, "whole numbers from 1"),
        (4.5, TypeError, "got float"),
    ],
)
def test_sizes_that_are_refused(sizes: object, error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        eq.certify_sizes(net(circular()), sizes, X)


def test_what_no_size_could_be_certified_with_is_refused_at_once() -> None:
    model = net(circular())
    with pytest.raises(ValueError, match="training mode"):
        eq.certify_sizes(circular(), [4], X)
    with pytest.raises(ValueError, match="padding: got"):
        eq.certify_sizes(model, [4], X, padding="wrap")
    with pytest.raises(ValueError, match="axes: got"):
        eq.certify_sizes(model, [4], torch.zeros(4))
    with pytest.raises(TypeError, match="example: got int"):
        eq.certify_sizes(model, [4], 8)
