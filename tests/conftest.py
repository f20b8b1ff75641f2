"""What no test may leave behind."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch


@pytest.fixture(autouse=True)
def _gradients_stay_on() -> Iterator[None]:
    """Lines to paste may switch gradients off; a test that runs them switches them on again, or the next one is vacuous."""
    yield
    enabled = torch.is_grad_enabled()
    torch.set_grad_enabled(True)
    assert enabled, "this test left gradients switched off"
