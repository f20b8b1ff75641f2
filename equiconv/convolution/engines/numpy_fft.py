"""NumPy's Fourier transforms: no engine that a plan chooses, but there wherever another is not to be called."""

from __future__ import annotations

import numpy as np

from equiconv.convolution.engines.base import Block, Transform, part

__all__ = ["NumPyTransform"]


class NumPyTransform(Transform):
    """By NumPy, which returns new arrays, on one thread and without locks."""

    def forward(self, x: Block) -> Block:
        transform = np.fft.rfftn if self.is_real else np.fft.fftn
        spectrum: Block = transform(self._filled(x), axes=self.axes)
        return spectrum.astype(self.spectrum_dtype, copy=False)  # double before NumPy 2

    def inverse(self, spectrum: Block, out: Block) -> None:
        transform = np.fft.irfftn if self.is_real else np.fft.ifftn
        out[...] = transform(spectrum, s=self.sizes, axes=self.axes, norm="forward")[part(out.shape)]
