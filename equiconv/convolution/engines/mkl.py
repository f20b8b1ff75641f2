"""MKL's Fourier transforms through their C interface: the fastest for rows in float32 where torch brings MKL along."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt

from equiconv.convolution.engines.base import Block, Transform, part
from equiconv.convolution.engines.dfti import Descriptor
from equiconv.convolution.engines.forking import forks
from equiconv.convolution.engines.numpy_fft import NumPyTransform

__all__ = ["MKLTransform"]

# Numbers of signals that one transform keeps descriptors for: a whole block, and what is left at the end.
_KEPT = 4


class MKLTransform(Transform):
    """By MKL, over the last axes of blocks. What does not lie in memory in order is copied while it is in the cache.

    MKL guards its memory by locks that no fork knows of: one that a thread of the parent held, if only while it ended,
    is waited for in the child for ever. A forked process leaves MKL alone, and NumPy transforms in its place.
    """

    def __init__(self, shape: Sequence[int], axes: Sequence[int], dtype: npt.DTypeLike, threads: int = 1) -> None:
        super().__init__(shape, axes, dtype, threads)
        first = len(self.shape) - len(self.axes)
        if self.axes != tuple(range(first, len(self.shape))):
            raise ValueError(f"engine 'mkl' transforms the last axes, in order, not axes {self.axes} of {self.shape}")
        self._first = first
        self._memory = np.empty(math.prod(self.spectrum_shape), dtype=self.spectrum_dtype)
        self._spectrum = self._memory.reshape(self.spectrum_shape)
        self._frequencies = self.spectrum_shape[first:]
        self._continued: Block | None = None  # the buffer of signals that are copied
        self._lengths: tuple[int, ...] = ()
        self._made: dict[int, tuple[Descriptor, Descriptor]] = {}
        self._instead: NumPyTransform | None = None  # in a forked process

    def forward(self, x: Block) -> Block:
        if forks():
            return self._in_child().forward(x)
        batch, lengths = x.shape[: self._first], x.shape[self._first :]
        if lengths != self.sizes or not (x.flags.c_contiguous and x.flags.aligned):
            x = self._copy(x, batch, lengths)
        spectrum = self._spectrum
        if x.shape != self.shape:
            spectrum = self._memory[: math.prod(batch) * math.prod(self._frequencies)]
            spectrum = spectrum.reshape(*batch, *self._frequencies)
        self._descriptors(math.prod(batch))[0].forward(_address(x), _address(spectrum))
        return spectrum

    def inverse(self, spectrum: Block, out: Block) -> None:
        if forks():
            self._in_child().inverse(spectrum, out)
            return
        batch, lengths = out.shape[: self._first], out.shape[self._first :]
        _, back = self._descriptors(math.prod(batch))
        if lengths == self.sizes and out.flags.c_contiguous and out.flags.aligned:
            back.backward(_address(spectrum), _address(out))
        else:
            whole = np.empty((*batch, *self.sizes), dtype=self.dtype)
            back.backward(_address(spectrum), _address(whole))
            out[...] = whole[part(out.shape)]

    def filtered(self, multiplier: Block) -> Callable[[Block], Block]:
        shape, dtype, spectrum, address = self.shape, self.dtype, self._spectrum, _address(self._spectrum)
        multiply, empty = np.multiply, np.empty
        if forks():
            return super().filtered(multiplier)
        forth, back = self._descriptors(math.prod(shape[: self._first]))

        def run(x: Block) -> Block:
            out: Block = empty(shape, dtype=dtype)
            if x.flags.c_contiguous and x.flags.aligned and not forks():
                forth.forward(_address(x), address)
                multiply(spectrum, multiplier, spectrum)
                back.backward(address, _address(out))
            else:
                self.filter(x, multiplier, out)
            return out

        return run

    def own_spectrum(self, spectrum: Block) -> Block:
        if spectrum.flags.c_contiguous and spectrum.flags.aligned:
            return spectrum
        own: Block = self._memory[: spectrum.size].reshape(spectrum.shape)
        own[...] = spectrum
        return own

    def _descriptors(self, count: int) -> tuple[Descriptor, Descriptor]:
        """Forth and back, for this many signals."""
        made = self._made.get(count)
        if made is None:
            if len(self._made) >= _KEPT:
                self._made.clear()
            forth = Descriptor(self.sizes, count, self.dtype, threads=self.threads)
            back = (
                Descriptor(self.sizes, count, self.dtype, inverse=True, threads=self.threads) if self.is_real else forth
            )
            made = self._made[count] = forth, back
        return made

    def _in_child(self) -> NumPyTransform:
        if self._instead is None:
            self._instead = NumPyTransform(self.shape, self.axes, self.dtype)
        return self._instead

    def _copy(self, x: Block, batch: tuple[int, ...], lengths: tuple[int, ...]) -> Block:
        """x in memory in order, continued by zeros to the length of the transform."""
        if self._continued is None:
            self._continued = np.zeros(math.prod(self.shape), dtype=self.dtype)
        whole: Block = self._continued[: math.prod(batch) * math.prod(self.sizes)].reshape(*batch, *self.sizes)
        if lengths != self._lengths:
            self._continued[:] = 0  # what lies beyond the signals stays zero from then on
            self._lengths = lengths
        whole[part(x.shape)] = x
        return whole


def _address(x: Block) -> int:
    address: int = x.__array_interface__["data"][0]
    return address
