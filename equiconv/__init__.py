"""Which symmetries does a neural network really have?

The public names, and nothing else. Each is loaded from its room on first use (PEP 562), so that ``import equiconv``
costs next to nothing and imports neither CuPy, SymPy, matplotlib, Hypothesis, timm nor rich.

>>> import equiconv as eq
>>> import numpy as np
>>> eq.circular_convolve(np.array([1.0, 2.0, 3.0]), np.array([0.0, 1.0]))
array([3., 1., 2.])
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from equiconv import nn as nn
    from equiconv.certification import Certificate as Certificate
    from equiconv.certification.certify import certify as certify
    from equiconv.certification.sizes import certify_sizes as certify_sizes
    from equiconv.convolution import circular_convolve as circular_convolve
    from equiconv.convolution import circular_correlate as circular_correlate
    from equiconv.convolution import plan as plan
    from equiconv.groups import Translations as Translations
    from equiconv.measurement import measure as measure
    from equiconv.operators import Circulant as Circulant
    from equiconv.operators import Shift as Shift
    from equiconv.operators import Toeplitz as Toeplitz
    from equiconv.report.audit import audit as audit
    from equiconv.symmetrization.symmetrize import symmetrize as symmetrize
    from equiconv.testing import falsify as falsify
    from equiconv.versions import show_versions as show_versions

__version__ = "0.1.0"

_ROOMS = {
    "Certificate": "certification",
    "Circulant": "operators",
    "Shift": "operators",
    "Toeplitz": "operators",
    "Translations": "groups",
    "audit": "report",
    "certify": "certification",
    "certify_sizes": "certification",
    "circular_convolve": "convolution",
    "circular_correlate": "convolution",
    "falsify": "testing",
    "measure": "measurement",
    "plan": "convolution",
    "show_versions": "versions",
    "symmetrize": "symmetrization",
}

__all__ = [
    "Certificate",
    "Circulant",
    "Shift",
    "Toeplitz",
    "Translations",
    "__version__",
    "audit",
    "certify",
    "certify_sizes",
    "circular_convolve",
    "circular_correlate",
    "falsify",
    "measure",
    "nn",
    "plan",
    "show_versions",
    "symmetrize",
]


def __getattr__(name: str) -> Any:
    """Load a public name from its room on first use; PEP 562."""
    if name == "nn":
        return import_module("equiconv.nn")
    if name not in _ROOMS:
        raise AttributeError(f"module 'equiconv' has no attribute {name!r}")
    value = getattr(import_module(f"equiconv.{_ROOMS[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
