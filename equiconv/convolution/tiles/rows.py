"""Long rows as planes, n = n₁·n₂: with i = i₁·n₂ + i₂ and k = k₁ + n₁·k₂ (Cooley & Tukey 1965),

    X[k₁ + n₁·k₂] = Σ_{i₂} ω_{n₂}^(i₂·k₂) · ω_n^(i₂·k₁) · Σ_{i₁} ω_{n₁}^(i₁·k₁) x[i₁·n₂ + i₂],

a transform of columns, a twiddle, and a transform of rows. A product of spectra may stand in any order of frequencies,
so that no transposition is needed: a row k₁ goes through its twiddle, the transform, the product, the transform back and
the twiddle back while it is in the cache. For real signals X[−k] = conj X[k] pairs the row k₁ with −k₁: the rows
0 … n₁/2, which a real transform of the columns leaves, are enough.

Many short transforms are what libraries are fastest at, one signal in each lane of a vector register, so that this is
faster than the one long transform even where that has the cache to itself.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

from equiconv.convolution.blocks import signals_in_block
from equiconv.convolution.engines.pool import TransformKey, borrow
from equiconv.convolution.parallel import run_parallel
from equiconv.convolution.tiles.columns import Columns

__all__ = ["RowPasses", "factor_pair"]

Array = npt.NDArray[Any]

# Rows that go through their transforms together: so many bytes, within these limits.
TOGETHER, _FEW, _MANY = 2**18, 8, 32
# From so many bytes of signal on, columns are copied, as measured.
_LARGE = 2**23
_LEAST = 64


class RowPasses:
    """The three passes over a row of n samples: columns, rows forth and back, columns back."""

    def __init__(
        self, grid: tuple[int, ...], dtype: np.dtype[Any], engine: str, threads: int, *, measured: bool
    ) -> None:
        (n,) = grid
        pair = factor_pair(n)
        if pair is None:
            raise ValueError(f"a row of {n} samples does not split into two factors")
        n1, n2 = self.view = pair
        self.is_real = dtype.kind == "f"
        self.spectrum_dtype = np.result_type(dtype, np.complex64)
        half = n1 // 2 + 1 if self.is_real else n1
        self.frequencies, self.rank = (half, n2), 2
        self._threads = threads

        self._columns = Columns(n1, n2, dtype, threads, copied=self.is_real and n * dtype.itemsize >= _LARGE)
        spectrum, item = self.spectrum_dtype.name, self.spectrum_dtype.itemsize
        most = max(_FEW, min(_MANY, TOGETHER // (n2 * item)))
        if engine == "ducc0":
            most = min(most, signals_in_block(engine, spectrum, (n2,), item))
        self._together = _even(half, most)
        self._lines = TransformKey(engine, (self._together, n2), (1,), spectrum, 1, measured)

    def empty(self) -> Array:
        """Memory for the spectrum of one signal."""
        return np.empty(self.frequencies, dtype=self.spectrum_dtype)

    def laid_out(self, multiplier: Array) -> Array:
        """M[k₁ + n₁·k₂] over (k₁, k₂), from the half spectrum of a real kernel or the whole one of a complex kernel."""
        n1, n2 = self.view
        if self.is_real:
            n = n1 * n2
            whole = np.empty((*multiplier.shape[:-1], n), dtype=multiplier.dtype)
            whole[..., : n // 2 + 1] = multiplier
            np.conjugate(multiplier[..., 1 : (n + 1) // 2][..., ::-1], out=whole[..., n // 2 + 1 :])
            multiplier = whole
        columns = multiplier.reshape(*multiplier.shape[:-1], n2, n1)[..., : self.frequencies[0]]
        return np.ascontiguousarray(np.moveaxis(columns, -1, -2))

    def spectra(self, u: Array) -> Array:
        """F u over the last axis, as `laid_out` has it."""
        batch = u.shape[:-1]
        result: Array = np.empty((*batch, *self.frequencies), dtype=self.spectrum_dtype)
        for index in np.ndindex(*batch):
            self._columns.forth(u[index].reshape(self.view), result[index])
            self._rows(result[index])
        return result

    def filter(self, x: Array, spectrum: Array, multiplier: Array, out: Array) -> None:
        """Write n·F⁻¹(F x ⊙ M) to `out`, of shape (n₁, n₂) as x is, by way of `spectrum`."""
        self._columns.forth(x, spectrum)
        self._rows(spectrum, multiplier)
        self._columns.back(spectrum, out)

    def _rows(self, spectrum: Array, multiplier: Array | None = None) -> None:
        """Each row to its transform; and with a multiplier to the product, and back."""
        together, half = self._together, self.frequencies[0]
        fine, coarse = _twiddles(*self.view, half, together, self.spectrum_dtype.name)

        def run(starts: Iterable[int]) -> None:
            twiddles = np.empty_like(fine)
            with borrow(self._lines) as transform:
                for i in starts:
                    part = spectrum[i : i + together]
                    factors = np.multiply(fine[: len(part)], coarse[i // together], out=twiddles[: len(part)])
                    line = transform.forward_product(part, factors)
                    if multiplier is None:
                        part[...] = line
                        continue
                    np.multiply(line, multiplier[i : i + together], out=line)
                    np.conjugate(factors, out=factors)
                    transform.inverse_product(line, factors, part)

        run_parallel(run, range(0, half, together), self._threads)


def factor_pair(n: int) -> tuple[int, int] | None:
    """n = n₁·n₂ with n₁ ≤ n₂, n₂ about 2·n₁ or 4·n₁ if it can be; None where one would be smaller than 64.

    >>> factor_pair(2**18), factor_pair(2**17), factor_pair(2 * 65537)
    ((256, 1024), (256, 512), None)
    """
    # columns cost more than rows: they are the shorter ones
    first = range(math.isqrt(n // 2), _LEAST - 1, -1)
    second = range(math.isqrt(n), max(math.isqrt(n // 2), _LEAST - 1), -1)
    return next(((n1, n // n1) for n1 in (*first, *second) if n % n1 == 0), None)


def _even(rows: int, most: int) -> int:
    """How many rows to take at a time, `most` or little less, so that the last time is nearly as full as the others.

    >>> _even(257, 32), _even(513, 32)
    (26, 27)
    """
    return min(range(most // 2 + 1, most + 1), key=lambda k: (-rows % k, -k))


@lru_cache(maxsize=4)
def _twiddles(n1: int, n2: int, half: int, together: int, dtype: str) -> tuple[Array, Array]:
    """ω_n^(−k₁·i₂) of row k₁ = together·a + b is fine[b]·coarse[a]: little memory, and read from the cache."""
    columns, tables = np.arange(n2), []
    for rows in (np.arange(together), np.arange(0, half, together)):
        # k₁·i₂ < n is an exact integer, so that each angle is accurate
        table = np.exp((rows[:, None] * columns) * (-2j * np.pi / (n1 * n2))).astype(dtype)
        table.flags.writeable = False
        tables.append(table)
    return tables[0], tables[1]
