"""What the atlas is written as."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any


def write(rows: Sequence[Mapping[str, Any]], confirmed: Mapping[str, Any], known: int, version: str, out: Path) -> str:
    return ""
