"""Structured matrices that are never written out: shifts, circulants and Toeplitz matrices."""

from equiconv.operators.base import Convention as Convention
from equiconv.operators.base import Operator as Operator
from equiconv.operators.circulant import Circulant as Circulant
from equiconv.operators.circulant import SingularCirculantError as SingularCirculantError
from equiconv.operators.circulant import Slogdet as Slogdet
from equiconv.operators.shift import Shift as Shift
from equiconv.operators.toeplitz import Toeplitz as Toeplitz

__all__ = ["Circulant", "Convention", "Operator", "Shift", "SingularCirculantError", "Slogdet", "Toeplitz"]
