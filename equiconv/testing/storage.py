"""Hypothesis at work for the library: where it keeps its caches, and whether a test of the caller's is being drawn for already."""

from __future__ import annotations

import contextlib
import sys
import tempfile
from collections.abc import Iterator
from typing import Any

__all__ = ["hypothesis_storage", "inside_hypothesis"]


def inside_hypothesis() -> bool:
    """Whether a test under ``@given`` runs: Hypothesis draws and shrinks there, and refuses a second search inside the first."""
    hypothesis = sys.modules.get("hypothesis")
    return hypothesis is not None and bool(hypothesis.currently_in_test_context())


@contextlib.contextmanager
def hypothesis_storage() -> Iterator[None]:
    """Have Hypothesis keep its caches in a temporary folder: by default it makes one where the caller happens to work."""
    from hypothesis import configuration

    before: Any = configuration.storage_directory(intent_to_write=False)
    with tempfile.TemporaryDirectory() as folder:
        configuration.set_hypothesis_home_dir(folder)
        try:
            yield
        finally:
            configuration.set_hypothesis_home_dir(getattr(before, "path", before))
