"""Property-based verification of symmetries, for anyone's code: strategies, assertions, `falsify`, and the laws as a suite.

Each name is loaded on first use (PEP 562): the pytest plugin lives in this room, and must cost a test run that does not use it nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from equiconv.testing import strategies as strategies
    from equiconv.testing.assertions import assert_equivariant as assert_equivariant
    from equiconv.testing.assertions import assert_invariant as assert_invariant
    from equiconv.testing.assertions import equivariance_error as equivariance_error
    from equiconv.testing.counterexample import Counterexample as Counterexample
    from equiconv.testing.drift import DriftMonitor as DriftMonitor
    from equiconv.testing.drift import DriftWarning as DriftWarning
    from equiconv.testing.falsification import falsify as falsify
    from equiconv.testing.laws.record import Law as Law
    from equiconv.testing.laws.suite import assert_laws as assert_laws
    from equiconv.testing.laws.suite import verify_laws as verify_laws
    from equiconv.testing.laws.table import LawTable as LawTable
    from equiconv.testing.linear import assert_adjoint as assert_adjoint
    from equiconv.testing.linear import assert_commutes as assert_commutes
    from equiconv.testing.report import EquivarianceReport as EquivarianceReport
    from equiconv.testing.report import LawFailure as LawFailure
    from equiconv.testing.report import VacuousWarning as VacuousWarning
    from equiconv.testing.running import Autocast as Autocast
    from equiconv.testing.running import Compiled as Compiled
    from equiconv.testing.running import Unavailable as Unavailable
    from equiconv.testing.symmetries import Symmetry as Symmetry
    from equiconv.testing.symmetries import flips as flips
    from equiconv.testing.symmetries import rotations as rotations

_FILES = {
    "Autocast": "running",
    "Compiled": "running",
    "Counterexample": "counterexample",
    "DriftMonitor": "drift",
    "DriftWarning": "drift",
    "EquivarianceReport": "report",
    "Law": "laws.record",
    "LawFailure": "report",
    "LawTable": "laws.table",
    "Symmetry": "symmetries",
    "Unavailable": "running",
    "VacuousWarning": "report",
    "assert_adjoint": "linear",
    "assert_commutes": "linear",
    "assert_equivariant": "assertions",
    "assert_invariant": "assertions",
    "assert_laws": "laws.suite",
    "equivariance_error": "assertions",
    "falsify": "falsification",
    "flips": "symmetries",
    "rotations": "symmetries",
    "verify_laws": "laws.suite",
}

#: What is a module of its own rather than a name in one.
_MODULES = {"strategies"}

__all__ = [
    "Autocast",
    "Compiled",
    "Counterexample",
    "DriftMonitor",
    "DriftWarning",
    "EquivarianceReport",
    "Law",
    "LawFailure",
    "LawTable",
    "Symmetry",
    "Unavailable",
    "VacuousWarning",
    "assert_adjoint",
    "assert_commutes",
    "assert_equivariant",
    "assert_invariant",
    "assert_laws",
    "equivariance_error",
    "falsify",
    "flips",
    "rotations",
    "strategies",
    "verify_laws",
]


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        return import_module(f"equiconv.testing.{name}")
    if name not in _FILES:
        raise AttributeError(f"module 'equiconv.testing' has no attribute {name!r}")
    value = getattr(import_module(f"equiconv.testing.{_FILES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
