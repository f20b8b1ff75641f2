"""Spectra of kernels that are kept between calls, for as long as `equiconv.nn.prepared` says.

A layer's kernel changes behind its back: `weight.data.mul_(2)` leaves no trace in autograd's version counter. What is
kept is therefore never trusted. Every call compares the weight, entry by entry, with the copy that the spectrum was made
from, which takes one pass over the weight, far less than the spectrum would.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor, nn

from equiconv.nn import spectral
from equiconv.nn.eager import is_recorded
from equiconv.nn.window import Window

__all__ = ["Preparation", "activate", "convolve_prepared", "is_prepared"]


class _Key(NamedTuple):
    layer: int
    sizes: tuple[int, ...]
    window: Window


@dataclass(frozen=True)
class _Held:
    weight: Tensor
    spectrum: spectral.KernelSpectrum

    @property
    def nbytes(self) -> int:
        return self.weight.nbytes + self.spectrum.nbytes


class Preparation:
    """What `prepared` yields: the spectra that are held, and how many bytes they take."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self._held: dict[_Key, _Held] = {}
        self._lock = threading.Lock()

    def __len__(self) -> int:
        """How many spectra are held: one for each layer and size of its input that paid."""
        return len(self._held)

    def __repr__(self) -> str:
        return f"Preparation({len(self)} spectra, {self.nbytes} of at most {self.limit} bytes)"

    @property
    def nbytes(self) -> int:
        """The bytes of all spectra, and of the copies of the weights that they were made from."""
        with self._lock:
            return self._nbytes()

    def clear(self) -> None:
        """Forget everything; later calls make what they need again."""
        with self._lock:
            self._held.clear()

    def close(self) -> None:
        """Forget everything, and hold nothing from now on: calls that are under way may outlast the context."""
        with self._lock:
            self.limit = 0
            self._held.clear()

    def _nbytes(self) -> int:
        return sum(held.nbytes for held in self._held.values())

    def _spectrum(self, key: _Key, weight: Tensor) -> spectral.KernelSpectrum | None:
        """The spectrum of exactly this weight, or None where there is no room for it."""
        held = self._held.get(key)
        if held is not None and held.weight.dtype == weight.dtype and torch.equal(held.weight, weight):
            return held.spectrum
        size = weight.nbytes + spectral.kernel_spectrum_bytes(weight, key.sizes, key.window)
        with self._lock:
            self._held.pop(key, None)  # what it holds, if anything, is of another weight
            if self._nbytes() + size > self.limit:
                return None
        # The spectrum is made from the copy, so that they belong together even if the weight changes meanwhile.
        copy = weight.clone(memory_format=torch.contiguous_format)
        made = _Held(copy, spectral.kernel_spectrum(copy, key.sizes, key.window))
        with self._lock:
            if self._nbytes() + made.nbytes <= self.limit:  # other threads may have taken the room
                self._held[key] = made
        return made.spectrum


# The innermost preparation of a layer is the last; contexts of several threads may end in any order. A context holds its
# layers, so that their ids stay theirs.
_ACTIVE: dict[int, list[Preparation]] = {}
_CHANGING = threading.Lock()


@contextmanager
def activate(preparation: Preparation, layers: Sequence[nn.Module]) -> Iterator[None]:
    """Inside this context the layers use the preparation, which ends with it."""
    with _CHANGING:
        for layer in layers:
            _ACTIVE[id(layer)] = [*_ACTIVE.get(id(layer), []), preparation]
    try:
        yield
    finally:
        with _CHANGING:
            for layer in layers:
                rest = [other for other in _ACTIVE[id(layer)] if other is not preparation]
                if rest:
                    _ACTIVE[id(layer)] = rest
                else:
                    del _ACTIVE[id(layer)]
        preparation.close()


def is_prepared(layer: nn.Module) -> bool:
    """Whether the layer is in a context of `activate`."""
    return id(layer) in _ACTIVE


def convolve_prepared(
    layer: nn.Module, input: Tensor, weight: Tensor, bias: Tensor | None, window: Window
) -> Tensor | None:
    """The convolution of a layer by the spectrum of its kernel that is held, or will be; None where nothing is.

    The shapes are those of the operation, the operands are eager, and their route says that spectra pay.
    """
    active = _ACTIVE.get(id(layer))
    if not active or is_recorded(input, weight, bias):
        return None
    with torch.no_grad():
        weight = weight.detach()
        key = _Key(id(layer), tuple(input.shape[2:]), window)
        spectrum = active[-1]._spectrum(key, weight)
        if spectrum is None:
            return None
        y = spectral.convolve(input.detach(), weight, window, spectrum).contiguous()
        return y if bias is None else y.add_(bias.detach().reshape(-1, *(1,) * window.axes))
