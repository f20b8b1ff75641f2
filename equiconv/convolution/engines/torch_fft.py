"""torch's Fourier transforms: MKL on x86, and always there."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager

import numpy as np
import numpy.typing as npt
import torch
from torch._functorch.pyfunctorch import temporarily_clear_interpreter_stack
from torch.utils._python_dispatch import _disable_current_modes

from equiconv.convolution.engines.base import Block, Transform, part

__all__ = ["TorchTransform", "undisturbed"]


def undisturbed() -> AbstractContextManager[object]:
    """torch as a computer of NumPy's memory: nothing is recorded, and no mode of the caller's sees the operations.

    A mode that makes tensors fake, for instance, would leave the memory as it is, and `torch.func` would wrap tensors.

    >>> with undisturbed():
    ...     torch.is_grad_enabled()
    False
    """
    transformed = torch._C._functorch.peek_interpreter_stack() is not None
    if not (transformed or torch._C._len_torch_dispatch_stack() or torch._C._len_torch_function_stack()):
        return torch.inference_mode()
    return _without_modes()


@contextmanager
def _without_modes() -> Iterator[None]:
    with (
        temporarily_clear_interpreter_stack(),
        torch._C.DisableTorchFunction(),
        _disable_current_modes(),
        torch.inference_mode(),
    ):
        yield


class TorchTransform(Transform):
    """By torch, which reads and writes NumPy's memory without a copy. It runs on `torch.get_num_threads()` threads."""

    def __init__(self, shape: Sequence[int], axes: Sequence[int], dtype: npt.DTypeLike, threads: int = 1) -> None:
        super().__init__(shape, axes, dtype, threads)
        self._spectrum_array = np.empty(self.spectrum_shape, dtype=self.spectrum_dtype)
        with undisturbed():
            self._spectrum = torch.from_numpy(self._spectrum_array)

    def forward(self, x: Block) -> Block:
        x = self._filled(x)
        with undisturbed():
            source = _tensor(x)
            spectrum, array = self._spectrum, self._spectrum_array
            if x.shape != self.shape:
                index = self._batch(x)
                spectrum, array = spectrum[index], array[index]
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
        with undisturbed():
            source = torch.from_numpy(spectrum)
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
