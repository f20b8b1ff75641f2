"""ducc0's Fourier transforms: fast in float64, for planes and for lengths with large prime factors."""

from __future__ import annotations

from functools import cached_property

import ducc0
import numpy as np

from equiconv.convolution.engines.base import Block, Transform, part

__all__ = ["DuccTransform"]


class DuccTransform(Transform):
    """By ducc0, which reads and writes strided arrays where they lie."""

    @cached_property
    def _spectrum(self) -> Block:
        return np.empty(self.spectrum_shape, dtype=self.spectrum_dtype)

    def forward(self, x: Block) -> Block:
        spectrum = self._spectrum if x.shape == self.shape else self._spectrum[self._batch(x)]
        self.forward_into(x, spectrum)
        return spectrum

    def forward_into(self, x: Block, out: Block) -> None:
        x = self._filled(x)
        if self.is_real:
            ducc0.fft.r2c(x, axes=self.axes, nthreads=self.threads, out=out)
        else:
            ducc0.fft.c2c(x, axes=self.axes, nthreads=self.threads, out=out)

    def inverse(self, spectrum: Block, out: Block) -> None:
        whole = self._empty_like(out) if self._is_padded(out) else out
        if self.is_real:
            ducc0.fft.c2r(
                spectrum,
                axes=self.axes,
                lastsize=self.sizes[-1],
                forward=False,
                inorm=0,
                nthreads=self.threads,
                allow_overwriting_input=True,
                out=whole,
            )
        else:
            ducc0.fft.c2c(spectrum, axes=self.axes, forward=False, inorm=0, nthreads=self.threads, out=whole)
        if whole is not out:
            out[...] = whole[part(out.shape)]
