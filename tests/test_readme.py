"""The README's numbers are those of the library: its verdict, its obstacles, and the test by hand that passes wrongly."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path

import pytest
import torch

import equiconv as eq

README_FILE = Path(__file__).parent.parent / "README.md"
README = README_FILE.read_text(encoding="utf-8")
HAS_TIMM = importlib.util.find_spec("timm") is not None and importlib.util.find_spec("torchvision") is not None


def flat(text: str) -> str:
    """Text without its line breaks and indents: the README wraps what the library prints on one line."""
    return re.sub(r"\s+", " ", text)


@pytest.mark.skipif(
    not HAS_TIMM, reason="timm (and torchvision, which it needs) is not installed: it is in the extra models"
)
def test_what_the_readme_shows_of_resnet18() -> None:
    import timm

    torch.manual_seed(0)
    net = timm.create_model("resnet18").eval()
    x = torch.randn(1, 3, 224, 224)
    certificate = eq.certify(net, x)
    shown = re.search(r"```text\n(.*?)…", README, re.DOTALL)
    assert shown is not None
    printed = re.sub(r"(timm/\w+/\w+\.py):\d+", r"\1", flat(str(certificate)))
    assert re.sub(r"(timm/\w+/\w+\.py):\d+", r"\1", flat(shown[1]).strip()) in printed
    assert f"{224 * 224 - 1:,} non-trivial shifts" in flat(README)
    assert certificate.kind == "none"
    with torch.no_grad():  # "passes for the ResNet-18 above, which respects no shift at all"
        assert torch.allclose(net(torch.roll(x, (5, 9), (2, 3))), net(x), atol=0.1)
    report = eq.certify(net, x, padding="circular", refute=False).check(net, x)
    assert report
    assert f"{report.claims} comparisons" in README


@pytest.mark.parametrize("page", ["README.md", "docs/testing.md"])
def test_what_a_failing_test_is_shown_to_say(page: str) -> None:
    from equiconv.testing import LawFailure, assert_equivariant

    torch.manual_seed(0)
    with pytest.raises(LawFailure) as failure:
        assert_equivariant(torch.nn.Conv2d(3, 8, 3, padding=1).eval(), (1, 3, 32, 32))
    said = f"LawFailure: {failure.value}".splitlines()
    shown = re.search(
        r"```text\n(LawFailure: .*?)```", (README_FILE.parent / page).read_text(encoding="utf-8"), re.DOTALL
    )
    assert shown is not None
    lines = [line for line in shown[1].splitlines() if line.strip() != "…"]
    assert len(lines) >= 5
    assert [line for line in lines if line not in said] == []


def test_what_the_readme_says_of_the_atlas() -> None:
    findings = (Path(__file__).parent.parent / "docs" / "atlas" / "findings.md").read_text(encoding="utf-8")
    stands = re.search(r"As they stand, (\d+) of (\d+) ", findings)
    wraps = re.search(r"Were every padding circular, (\d+) of (\d+) ", findings)
    assert stands is not None
    assert wraps is not None
    assert stands.groups() == ("0", wraps[2])
    text = flat(README)
    assert f"timm's {wraps[2]} families. As they stand none respects" in text
    assert f"were every padding circular, {wraps[1]} would" in text
