"""SciPy's Fourier transforms."""

from __future__ import annotations

import numpy as np
from scipy import fft

from equiconv.convolution.engines.base import Block, Transform, part

__all__ = ["SciPyTransform"]


class SciPyTransform(Transform):
    """By SciPy, which returns new arrays."""

    def forward(self, x: Block) -> Block:
        x = self._filled(x)
        transform = fft.rfftn if self.is_real else fft.fftn
        spectrum: Block = transform(x, axes=self.axes, workers=self.threads)
        return spectrum

    def inverse(self, spectrum: Block, out: Block) -> None:
        if self.is_real:
            y = fft.irfftn(
                spectrum, s=self.sizes, axes=self.axes, norm="forward", overwrite_x=True, workers=self.threads
            )
        else:
            y = fft.ifftn(spectrum, axes=self.axes, norm="forward", overwrite_x=True, workers=self.threads)
        np.copyto(out, y[part(out.shape)])
