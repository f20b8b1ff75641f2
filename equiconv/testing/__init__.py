"""Property-based verification of symmetries, for anyone's code: strategies, assertions, `falsify`, and the laws as a suite.

Each name is loaded on first use (PEP 562): the pytest plugin lives in this room, and must cost a test run that does not use it nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from equiconv.testing.counterexample import Counterexample as Counterexample
    from equiconv.testing.falsification import falsify as falsify

_FILES = {
    "Counterexample": "counterexample",
    "falsify": "falsification",
}

__all__ = ["Counterexample", "falsify"]


def __getattr__(name: str) -> Any:
    if name not in _FILES:
        raise AttributeError(f"module 'equiconv.testing' has no attribute {name!r}")
    value = getattr(import_module(f"equiconv.testing.{_FILES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
