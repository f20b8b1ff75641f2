"""The assertions with a seed bound to them: what the pytest fixture `equivariance` hands out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from equiconv.testing import profiles
from equiconv.testing.assertions import assert_equivariant, assert_invariant, equivariance_error
from equiconv.testing.linear import assert_adjoint, assert_commutes
from equiconv.testing.report import EquivarianceReport

__all__ = ["Equivariance"]


@dataclass(frozen=True)
class Equivariance:
    """The assertions of `equiconv.testing`, with one seed for all; a call's own ``seed=`` goes before it.

    >>> import numpy as np
    >>> Equivariance(seed=3).assert_equivariant(np.abs, (4, 4)).verdict
    'verified'
    """

    seed: int = 0

    @property
    def profile(self) -> profiles.Profile:
        """How much is tried."""
        return profiles.current()

    def assert_equivariant(self, f: Any, input: Any, **options: Any) -> EquivarianceReport:
        """See `equiconv.testing.assert_equivariant`."""
        __tracebackhide__ = True
        return assert_equivariant(f, input, **{"seed": self.seed, **options})

    def assert_invariant(self, f: Any, input: Any, **options: Any) -> EquivarianceReport:
        """See `equiconv.testing.assert_invariant`."""
        __tracebackhide__ = True
        return assert_invariant(f, input, **{"seed": self.seed, **options})

    def assert_commutes(self, a: Any, b: Any, input: Any, **options: Any) -> EquivarianceReport:
        """See `equiconv.testing.assert_commutes`."""
        __tracebackhide__ = True
        return assert_commutes(a, b, input, **{"seed": self.seed, **options})

    def assert_adjoint(self, a: Any, adjoint: Any, input: Any, **options: Any) -> EquivarianceReport:
        """See `equiconv.testing.assert_adjoint`."""
        __tracebackhide__ = True
        return assert_adjoint(a, adjoint, input, **{"seed": self.seed, **options})

    def equivariance_error(self, f: Any, input: Any, **options: Any) -> EquivarianceReport:
        """See `equiconv.testing.equivariance_error`."""
        return equivariance_error(f, input, **{"seed": self.seed, **options})
