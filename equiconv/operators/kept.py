"""What an operator keeps of its entries between calls: their spectrum, and what is prepared of it for products.

An operator does not copy its entries, and their owner may write to them. So at each call their contents are compared
with a copy, which costs one pass over them where a transform costs several, and what was kept of other contents is
dropped. The copy, the spectrum, and for products and for solutions a multiplier each are all that is kept, of
`LARGEST` entries at most.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import torch

from equiconv.arrays import Array
from equiconv.convolution.filtering import SpectralFilter, half_spectrum, is_fast
from equiconv.convolution.plain import host

__all__ = ["LARGEST", "Kept", "kept_of", "values_of"]

Host: TypeAlias = npt.NDArray[Any]

# Of more entries nothing is kept: they are transformed anew at each call.
LARGEST = 2**18


class Kept:
    """The spectrum of some entries as they were, and the filters made of it. Several threads may use one.

    `spectrum` is that of a column of `levels` levels, half of it for a real one (`half_spectrum`). It is not to be
    written to. `regular` is set once no eigenvalue was found to be zero to rounding.
    """

    def __init__(self, entries: tuple[Host, ...], column: Host, levels: int) -> None:
        self._entries = entries
        self.sizes = tuple(column.shape[column.ndim - levels :])
        self.spectrum: Host = half_spectrum(column, levels)
        self.regular = False
        self.dtype = column.dtype
        # Each is made at the first call that needs it; of two threads that make the same one, either's stays.
        self._product: SpectralFilter | None = None
        self._inverse: SpectralFilter | None = None

    def is_of(self, entries: tuple[Host, ...]) -> bool:
        """Whether the entries hold what they held when this was made."""
        return all(a.dtype == b.dtype and np.array_equal(a, b) for a, b in zip(self._entries, entries, strict=True))

    def product(self) -> SpectralFilter:
        """The product with the matrix."""
        if self._product is None:
            self._product = SpectralFilter(self.spectrum, self.sizes, self.dtype)
        return self._product

    def inverse(self) -> SpectralFilter:
        """The product with its inverse, for a regular matrix."""
        if self._inverse is None:
            self._inverse = SpectralFilter(1 / self.spectrum, self.sizes, self.dtype)
        return self._inverse


def values_of(*arrays: Array) -> tuple[Host, ...] | None:
    """NumPy's views of arrays that something may be kept of; None for others.

    These are empty or large, elsewhere than in memory of the CPU, recorded, or of a dtype that no engine has.

    >>> values_of(np.ones(2)), values_of(torch.ones(2, requires_grad=True))
    ((array([1., 1.]),), None)
    """
    count = 0
    for x in arrays:
        size = x.size if type(x) is np.ndarray else x.numel() if isinstance(x, torch.Tensor) else 0
        count += size
        if not size or count > LARGEST or not is_fast(x):
            return None
    return tuple(host(x) for x in arrays)


def kept_of(
    before: Kept | None, entries: tuple[Array, ...], column_of: Callable[..., Array], levels: int
) -> Kept | None:
    """`before` where it is of these entries, or made anew; None where nothing is kept of them.

    `column_of` makes the column that is transformed of the entries.
    """
    values = values_of(*entries)
    if values is None:
        return None
    if before is not None and before.is_of(values):
        return before
    # another thread may write to the entries meanwhile: what is compared and what is transformed are to be one
    own = tuple(np.array(value) for value in values)
    return Kept(own, column_of(*own), levels)
