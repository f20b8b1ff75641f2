"""torch's Fourier transforms: MKL on x86, and always there."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import torch

from equiconv.convolution.engines.base import Block, Transform, part

__all__ = ["TorchTransform"]


class TorchTransform(Transform):
    """By torch, which reads and writes NumPy's memory without a copy. It runs on `torch.get_num_threads()` threads."""

    def __init__(self, shape: Sequence[int], axes: Sequence[int], dtype: npt.DTypeLike, threads: int = 1) -> None:
        super().__init__(shape, axes, dtype, threads)
        self._spectrum = torch.from_numpy(np.empty(self.spectrum_shape, dtype=self.spectrum_dtype))
        self._spectrum_array = self._spectrum.numpy()

    def forward(self, x: Block) -> Block:
        x = self._filled(x)
        source = _tensor(x)
        spectrum, array = self._spectrum, self._spectrum_array
        if x.shape != self.shape:
            index = self._batch(x)
            spectrum, array = spectrum[index], array[index]
        with torch.inference_mode():
            if not spectrum.is_contiguous():
                spectrum.copy_(self._transform(source))
            elif self.is_real:
                torch.fft.rfftn(source, dim=self.axes, out=spectrum)
            else:
                torch.fft.fftn(source, dim=self.axes, out=spectrum)
        return array

    def _transform(self, source: torch.Tensor) -> torch.Tensor:
        transform = torch.fft.rfftn if self.is_real else torch.fft.fftn
        result: torch.Tensor = transform(source, dim=self.axes)
        return result

    def inverse(self, spectrum: Block, out: Block) -> None:
        source = torch.from_numpy(spectrum)
        with torch.inference_mode():
            if self._is_padded(out) or not out.flags.c_contiguous:
                out[...] = self._inverse(source).numpy()[part(out.shape)]
            elif self.is_real:
                torch.fft.irfftn(source, s=self.sizes, dim=self.axes, norm="forward", out=torch.from_numpy(out))
            else:
                torch.fft.ifftn(source, dim=self.axes, norm="forward", out=torch.from_numpy(out))

    def _inverse(self, source: torch.Tensor) -> torch.Tensor:
        result: torch.Tensor
        if self.is_real:
            result = torch.fft.irfftn(source, s=self.sizes, dim=self.axes, norm="forward")
        else:
            result = torch.fft.ifftn(source, dim=self.axes, norm="forward")
        return result


def _tensor(x: Block) -> torch.Tensor:
    # torch takes neither negative strides nor read-only memory without complaint
    if not x.flags.writeable or any(stride < 0 for stride in x.strides):
        x = np.array(x)
    return torch.from_numpy(x)
