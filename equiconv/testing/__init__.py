"""Property-based verification of symmetries, for anyone's code: strategies, assertions, `falsify`, and the laws as a suite.

Each name is loaded on first use (PEP 562): the pytest plugin lives in this room, and must cost a test run that does not use it nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from equiconv.testing.counterexample import Counterexample as Counterexample
    from equiconv.testing.falsification import falsify as falsify
    from equiconv.testing.laws.record import Law as Law
    from equiconv.testing.laws.suite import assert_laws as assert_laws
    from equiconv.testing.laws.suite import verify_laws as verify_laws
    from equiconv.testing.laws.table import LawTable as LawTable

_FILES = {
    "Counterexample": "counterexample",
    "Law": "laws.record",
    "LawTable": "laws.table",
    "assert_laws": "laws.suite",
    "falsify": "falsification",
    "verify_laws": "laws.suite",
}

__all__ = ["Counterexample", "Law", "LawTable", "assert_laws", "falsify", "verify_laws"]


def __getattr__(name: str) -> Any:
    if name not in _FILES:
        raise AttributeError(f"module 'equiconv.testing' has no attribute {name!r}")
    value = getattr(import_module(f"equiconv.testing.{_FILES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
