"""Without wrap-around: where a network is exactly equivariant to the translations of an image that has a border.

A separate pass over the graph, one image axis at a time. :mod:`grids` says what is known of a tensor, :mod:`scan` how operands meet, :mod:`rules` what each
operation does, :mod:`passing` walks the graph and :mod:`result` is the answer.
"""

from equiconv.certification.interior.passing import interior_of, localise
from equiconv.certification.interior.result import Ended, Extent, Interior

__all__ = ["Ended", "Extent", "Interior", "interior_of", "localise"]
