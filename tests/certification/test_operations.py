"""Certificates of networks with operations of every kind against brute force over all shifts, and false twins of their rules."""

from __future__ import annotations

import pytest

from tests.certification.operations import cases
from tests.certification.test_small_networks import agree

CASES = cases()


@pytest.mark.parametrize("name", CASES)
def test_certificate_agrees_with_brute_force(name: str) -> None:
    agree(*CASES[name])
