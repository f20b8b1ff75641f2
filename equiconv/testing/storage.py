"""Where Hypothesis keeps its caches while it works for the library."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Iterator
from typing import Any

__all__ = ["hypothesis_storage"]


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
