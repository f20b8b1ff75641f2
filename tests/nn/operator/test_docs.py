"""The page on convolution operators shows what the library does."""

from __future__ import annotations

import doctest
from pathlib import Path

PAGE = Path(__file__).parents[3] / "docs" / "conv_operator.md"


def test_the_page_shows_what_happens() -> None:
    failures, tried = doctest.testfile(str(PAGE), module_relative=False, encoding="utf-8")
    assert tried >= 20
    assert failures == 0
