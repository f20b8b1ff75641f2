"""Surgery on models: change a network so that it certifies."""

from equiconv.symmetrization.symmetrize import SymmetrizationError, symmetrize

__all__ = ["SymmetrizationError", "symmetrize"]
