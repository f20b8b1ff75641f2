"""What every engine supplies: a transform of one block of signals, forth and back, in memory of its own."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

__all__ = ["Block", "Transform", "is_regular", "part", "spectrum_shape"]

Block: TypeAlias = npt.NDArray[Any]


def spectrum_shape(shape: Sequence[int], axes: Sequence[int], is_real: bool) -> tuple[int, ...]:
    """The shape of the spectrum of a block: the last transformed axis of a real one keeps half its frequencies.

    >>> spectrum_shape((4, 6), (0, 1), True), spectrum_shape((4, 6), (1, 0), True)
    ((4, 4), (3, 6))
    """
    result = list(shape)
    if is_real:
        result[axes[-1]] = result[axes[-1]] // 2 + 1
    return tuple(result)


class Transform(ABC):
    """The Fourier transform of blocks of one shape along `axes`, and the way back, without normalisation.

    `shape` is that of the largest block, `axes` the transformed ones (the last of them is halved for real data), `dtype`
    the dtype of the signals. Signals may be shorter than the block along any axis: fewer signals in a batch, or signals
    that are continued by zeros up to the length of the transform.

    An instance owns its workspace. It serves one thread at a time, and what `forward` returns holds until the next call.
    """

    def __init__(self, shape: Sequence[int], axes: Sequence[int], dtype: npt.DTypeLike, threads: int = 1) -> None:
        self.shape = tuple(shape)
        self.axes = tuple(axes)
        self.dtype = np.dtype(dtype)
        self.threads = threads
        self.is_real = self.dtype.kind == "f"
        self.spectrum_dtype = np.result_type(self.dtype, np.complex64)
        self.spectrum_shape = spectrum_shape(self.shape, self.axes, self.is_real)
        self.sizes = tuple(self.shape[a] for a in self.axes)
        # bytes held between calls, at most
        self.workspace = (
            2 * math.prod(self.shape) * self.dtype.itemsize
            + math.prod(self.spectrum_shape) * self.spectrum_dtype.itemsize
        )

    @abstractmethod
    def forward(self, x: Block) -> Block:
        """F x of a block, in memory that belongs to the transform and that the caller may overwrite."""

    @abstractmethod
    def inverse(self, spectrum: Block, out: Block) -> None:
        """n·F⁻¹ of what `forward` returned (and the caller changed in place), written to `out`; the spectrum is lost."""

    def forward_into(self, x: Block, out: Block) -> None:
        """Write F x to `out`, which may lie in memory in any order."""
        out[...] = self.forward(x)

    def forward_product(self, x: Block, factors: Block) -> Block:
        """F (x ⊙ factors) as `forward` returns it, for signals that are not continued; x is lost."""
        np.multiply(x, factors, out=x)
        return self.forward(x)

    def inverse_product(self, spectrum: Block, factors: Block, out: Block) -> None:
        """n·F⁻¹(S) ⊙ factors of what `forward` returned, written to `out`; the spectrum is lost."""
        self.inverse(spectrum, out)
        np.multiply(out, factors, out=out)

    def filter(self, x: Block, multiplier: Block, out: Block) -> None:
        """Write n·F⁻¹(F x ⊙ M) to `out`: forth, the product, and back."""
        spectrum = self.forward(x)
        np.multiply(spectrum, multiplier, out=spectrum)
        self.inverse(spectrum, out)

    def filtered(self, multiplier: Block) -> Callable[[Block], Block]:
        """`filter` of a whole block as a function that returns a new array: the shortest way there is."""

        def run(x: Block) -> Block:
            out = np.empty(self.shape, dtype=self.dtype)
            self.filter(x, multiplier, out)
            return out

        return run

    def own_spectrum(self, spectrum: Block) -> Block:
        """A spectrum from elsewhere, as `inverse` takes it: copied into the transform's own memory where it must be."""
        return spectrum

    def _is_padded(self, x: Block) -> bool:
        return any(x.shape[a] != self.shape[a] for a in self.axes)

    def _batch(self, x: Block) -> tuple[slice, ...]:
        """The index, in a whole block, of as many signals as `x` holds."""
        return tuple(slice(None) if a in self.axes else slice(0, n) for a, n in enumerate(x.shape))

    def _filled(self, x: Block) -> Block:
        """x, continued by zeros to the length of the transform, in memory that libraries can read."""
        if not self._is_padded(x):
            return x if is_regular(x) else np.array(x)
        whole = self._empty_like(x)
        whole[...] = 0
        whole[part(x.shape)] = x
        return whole

    def _empty_like(self, x: Block) -> Block:
        """As many whole signals as `x` holds."""
        shape = [self.shape[a] if a in self.axes else n for a, n in enumerate(x.shape)]
        return np.empty(shape, dtype=self.dtype)


def is_regular(x: Block) -> bool:
    """Whether x is aligned and its strides are whole numbers of entries: a field of a packed record need not be.

    >>> is_regular(np.zeros(3)), is_regular(np.zeros(3, dtype="u1, f8")["f1"])
    (True, False)
    """
    size = x.itemsize
    return x.flags.aligned and all(stride % size == 0 for stride in x.strides)


def part(shape: Sequence[int]) -> tuple[slice, ...]:
    """The index of the first corner of this shape.

    >>> part((2, 3))
    (slice(0, 2, None), slice(0, 3, None))
    """
    return tuple(slice(0, n) for n in shape)
