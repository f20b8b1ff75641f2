"""Search for what contradicts a symmetry: Hypothesis strategies, and `falsify`, which finds the smallest
counterexample."""

from equiconv.testing.counterexample import Counterexample
from equiconv.testing.falsify import falsify

__all__ = ["Counterexample", "falsify"]
