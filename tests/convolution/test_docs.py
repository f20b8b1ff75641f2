"""The page on circular convolution runs as it stands."""

from __future__ import annotations

import doctest
from pathlib import Path

PAGE = Path(__file__).parents[2] / "docs" / "convolution.md"


def test_the_page_shows_what_happens() -> None:
    failures, tried = doctest.testfile(str(PAGE), module_relative=False, encoding="utf-8")
    assert tried >= 8
    assert failures == 0
