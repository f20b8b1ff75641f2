"""FFTW through pyFFTW: the fastest where it may try its algorithms first, and in small transforms in any case."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Sequence
from typing import TypeAlias

import numpy.typing as npt
import pyfftw
from numpy import multiply

from equiconv.convolution.engines.base import Block, Transform, part
from equiconv.convolution.engines.forking import forks

__all__ = ["FFTWTransform"]

Execute: TypeAlias = Callable[[], object]

# FFTW's planner is not thread-safe.
_PLANNING = threading.Lock()


def _after_fork() -> None:
    global _PLANNING
    _PLANNING = threading.Lock()  # another thread of the parent may have held it


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)

# Trying algorithms takes time that grows with the transform: some seconds for 2¹⁶ samples, a quarter of a minute for
# 2²⁰. Beyond this many, FFTW estimates.
_LARGEST_MEASURED = 2**16


class FFTWTransform(Transform):
    """By FFTW. Its plans belong to aligned buffers, into which blocks are copied while they are in the cache.

    With `measured=True` FFTW times its algorithms once a shape and process (about a second), and keeps the fastest; the
    choice, and so the last bits of results, may then differ from process to process.
    """

    def __init__(
        self,
        shape: Sequence[int],
        axes: Sequence[int],
        dtype: npt.DTypeLike,
        threads: int = 1,
        *,
        measured: bool = False,
    ) -> None:
        super().__init__(shape, axes, dtype, threads)
        samples = 1
        for n in self.sizes:
            samples *= n
        flag = "FFTW_MEASURE" if measured and samples <= _LARGEST_MEASURED else "FFTW_ESTIMATE"
        self._source: Block = pyfftw.empty_aligned(self.shape, dtype=self.dtype)
        self._spectrum: Block = pyfftw.empty_aligned(self.spectrum_shape, dtype=self.spectrum_dtype)
        self._result: Block = pyfftw.empty_aligned(self.shape, dtype=self.dtype)
        self._forth: Execute
        self._back: Execute
        self._plan(1 if forks() else threads, flag)
        self._lengths: tuple[int, ...] = ()

    def _plan(self, threads: int, flag: str) -> None:
        with _PLANNING:
            forth: Execute = pyfftw.FFTW(
                self._source, self._spectrum, axes=self.axes, threads=threads, flags=(flag,)
            ).execute
            back: Execute = pyfftw.FFTW(
                self._spectrum,
                self._result,
                axes=self.axes,
                direction="FFTW_BACKWARD",
                threads=threads,
                flags=(flag, "FFTW_DESTROY_INPUT"),
            ).execute
        self._made = made = forks()
        if threads > 1:
            self._forth = lambda: forth() if forks() == made else self._alone()[0]()
            self._back = lambda: back() if forks() == made else self._alone()[1]()
        else:
            self._forth, self._back = forth, back

    def _alone(self) -> tuple[Execute, Execute]:
        """The transforms planned for one thread, in a process that was forked since; estimating leaves the data alone."""
        if self._made != forks():
            self._plan(1, "FFTW_ESTIMATE")
        return self._forth, self._back

    def forward(self, x: Block) -> Block:
        if x.shape == self.shape:
            self._source[...] = x
            self._lengths = self.sizes
            self._forth()
            return self._spectrum
        lengths = tuple(x.shape[a] for a in self.axes)
        if lengths != self._lengths:
            self._source[...] = 0  # what lies beyond the signals stays zero from then on
            self._lengths = lengths
        self._source[part(x.shape)] = x
        self._forth()
        return self._spectrum[self._batch(x)]

    def forward_product(self, x: Block, factors: Block) -> Block:
        batch = self._batch(x)
        multiply(x, factors, self._source[batch])
        self._lengths = self.sizes
        self._forth()
        return self._spectrum[batch]

    def inverse_product(self, spectrum: Block, factors: Block, out: Block) -> None:  # noqa: ARG002 (as in `inverse`)
        self._back()
        multiply(self._result[self._batch(out)], factors, out)

    def filter(self, x: Block, multiplier: Block, out: Block) -> None:
        if x.shape != self.shape:
            super().filter(x, multiplier, out)
            return
        # The same without a call more than needed: for short signals, calls are what costs.
        self._source[...] = x
        self._lengths = self.sizes
        self._forth()
        multiply(self._spectrum, multiplier, self._spectrum)
        self._back()
        out[...] = self._result

    def filtered(self, multiplier: Block) -> Callable[[Block], Block]:
        source, spectrum, result, forth, back = self._source, self._spectrum, self._result, self._forth, self._back

        def run(x: Block) -> Block:
            source[...] = x
            forth()
            multiply(spectrum, multiplier, spectrum)
            back()
            return result.copy()

        self._lengths = self.sizes  # what `run` leaves in the source
        return run

    def own_spectrum(self, spectrum: Block) -> Block:
        own = self._spectrum[part(spectrum.shape)]
        own[...] = spectrum
        return own

    def inverse(self, spectrum: Block, out: Block) -> None:  # noqa: ARG002 (it is this transform's own)
        self._back()
        out[...] = self._result if out.shape == self.shape else self._result[part(out.shape)]
