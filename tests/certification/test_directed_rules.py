"""The directed networks against brute force over all shifts of a 12 × 8 torus: what kills a perturbed rule must not accuse the true one."""

from __future__ import annotations

import pytest

from tests.certification.directed_rules import conditions, directed
from tests.certification.test_small_networks import agree

CASES = {**directed(), **conditions()}


@pytest.mark.parametrize("name", CASES)
def test_certificate_agrees_with_brute_force(name: str) -> None:
    agree(*CASES[name])
