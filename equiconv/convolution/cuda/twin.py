"""The schedule of the fused kernel, run in NumPy: the same stages, the same tables, the same order, read as they are written.

It shows what the kernel does without the detail of threads and memory, and lets the tests hold a schedule to the
definition on a machine that has neither a GPU nor a compiler. It is no fast path.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from equiconv.convolution.cuda.schedule import TWIDDLE_POWERS, Schedule, Stage
from equiconv.convolution.cuda.tables import mirror, prepared_spectrum, twiddles

__all__ = ["convolve_by_twin", "forward", "inverse"]

Signals = npt.NDArray[Any]


def convolve_by_twin(x: Signals, w: Signals, schedule: Schedule) -> Signals:
    """The circular convolution of signals x of shape (count, \\*sizes) with one kernel w of shape sizes.

    >>> from equiconv.convolution.cuda import find_schedule
    >>> x, w = np.array([[1.0, 2.0, 3.0, 4.0]]), np.array([1.0, 10.0, 0.0, 0.0])
    >>> convolve_by_twin(x, w, find_schedule((4,), "float64")).round(12)
    array([[41., 12., 23., 34.]])
    """
    spectrum = prepared_spectrum(w[None], schedule)[0]
    z = _packed(x.reshape(len(x), *schedule.padded_sizes), schedule)
    if len(schedule.passes) == 1:
        y = _whole(z, spectrum, schedule)
    else:
        y = _three_passes(z, spectrum, schedule)
    return _unpacked(y.reshape(-1, *schedule.grid), len(x), schedule).reshape(x.shape)


def _whole(z: Signals, spectrum: Signals, schedule: Schedule) -> Signals:
    stages = schedule.passes[0].stages
    z = forward(z.reshape(len(z), -1), stages)
    if schedule.mode == "half":
        return inverse(_mirrored_product(z, spectrum, schedule), stages)
    radix = stages[-1].radix
    return inverse(z * spectrum.reshape(radix, -1).T.reshape(-1), stages)


def _mirrored_product(z: Signals, spectrum: Signals, schedule: Schedule) -> Signals:
    """A·Z(k) + B·conj(Z(−k)), one pair of butterflies after the other, as one thread takes them."""
    radix = schedule.last_radix
    a, opposite, b = spectrum.reshape(3, radix, -1)
    butterflies = z.reshape(len(z), -1, radix)
    product = np.empty_like(butterflies)
    for i, (first, code) in enumerate(mirror(schedule)[0]):
        here, there = butterflies[:, first], butterflies[:, code // 2]
        for q in range(radix):
            p = (radix - code % 2 - q) % radix
            product[:, first, q] = a[q, i] * here[:, q] + b[q, i] * np.conj(there[:, p])
            product[:, code // 2, p] = opposite[q, i] * there[:, p] - np.conj(b[q, i] * here[:, q])
    return product.reshape(z.shape)


def _three_passes(z: Signals, spectrum: Signals, schedule: Schedule) -> Signals:
    rows, columns, back = schedule.passes
    count, (_, m1, m2), radix = len(z), schedule.grid, rows.stages[-1].radix
    z = forward(z.reshape(count * m1, m2), rows.stages)
    z = z.reshape(-1, m2 // radix, radix).transpose(0, 2, 1).reshape(count, m1, m2)  # as the workspace has it

    # A tile of columns is `tile` transforms side by side; the last tile may reach beyond the plane.
    tiles = -(-m2 // columns.tile)
    tiled = np.zeros((count, m1, tiles * columns.tile), z.dtype)
    tiled[..., :m2] = z
    units = tiled.reshape(count, m1, tiles, columns.tile).transpose(0, 2, 1, 3).reshape(count * tiles, -1)
    by_column = np.zeros((m1, tiles * columns.tile), z.dtype)
    by_column[:, :m2] = spectrum.reshape(m1, m2)
    factors = by_column.reshape(m1, tiles, columns.tile).transpose(1, 0, 2).reshape(tiles, -1)
    units = inverse(forward(units, columns.stages) * np.tile(factors, (count, 1)), columns.stages)
    z = units.reshape(count, tiles, m1, columns.tile).transpose(0, 2, 1, 3).reshape(tiled.shape)[..., :m2]

    z = z.reshape(-1, radix, m2 // radix).transpose(0, 2, 1).reshape(count * m1, m2)
    return inverse(z, back.stages)


def forward(z: Signals, stages: tuple[Stage, ...]) -> Signals:
    """The stages in order, decimation in frequency: z of shape (count, length) comes back in digit-reversed order."""
    table = twiddles(stages)
    for stage in stages:
        grouped = np.fft.fft(_groups(z, stage), axis=2) * _turns(stage, table)[:, :, None]
        z = grouped.reshape(len(z), -1).astype(z.dtype)
    return z


def inverse(z: Signals, stages: tuple[Stage, ...]) -> Signals:
    """The stages backwards, decimation in time: from digit-reversed to natural order, not scaled by 1/n."""
    table = twiddles(stages)
    for stage in reversed(stages):
        grouped = np.fft.ifft(_groups(z, stage) * np.conj(_turns(stage, table))[:, :, None], axis=2) * stage.radix
        z = grouped.reshape(len(z), -1).astype(z.dtype)
    return z


def _groups(z: Signals, stage: Stage) -> Signals:
    """z with axes (count, block, radix, span, inner)."""
    return z.reshape(len(z), -1, stage.radix, stage.span, stage.inner)


def _turns(stage: Stage, table: Signals) -> Signals:
    """ω^(−j·q) of shape (radix, span), each entry from the table or as one product of two of it."""
    result = np.ones((stage.radix, stage.span), np.complex128)
    if stage.span == 1:
        return result
    rows = {q: table[stage.table + i * stage.span :][: stage.span] for i, q in enumerate(TWIDDLE_POWERS)}
    for q in range(1, stage.radix):
        high, low = q // 4 * 4, q % 4
        result[q] = (rows[high] if high else 1) * (rows[low] if low else 1)
    return result


def _packed(x: Signals, schedule: Schedule) -> Signals:
    """The signals as complex ones on the grid: shape (transforms, \\*grid)."""
    grown = np.zeros((len(x), *schedule.kernel_grid), x.dtype)
    n0, n1, n2 = schedule.padded_sizes
    grown[:, :n0, :n1, :n2] = x
    if schedule.mode in ("complex", "single"):
        return grown.astype(np.result_type(x.dtype, np.complex64))
    if schedule.mode == "half":
        packed = grown[..., 0::2] + 1j * grown[..., 1::2]
    else:
        seconds = grown[1::2]
        if len(grown) % 2:
            seconds = np.concatenate([seconds, np.zeros_like(grown[:1])])
        packed = grown[0::2] + 1j * seconds
    return packed.astype(np.result_type(x.dtype, np.complex64))


def _unpacked(y: Signals, count: int, schedule: Schedule) -> Signals:
    if schedule.mode == "half":
        result = np.stack([y.real, y.imag], axis=-1).reshape(count, *schedule.kernel_grid)
    elif schedule.mode == "pair":
        result = np.stack([y.real, y.imag], axis=1).reshape(-1, *schedule.grid)[:count]
    else:
        result = y.real if schedule.mode == "single" else y
    n0, n1, n2 = schedule.padded_sizes
    return result[:, :n0, :n1, :n2]


def elements_visited(stage: Stage, length: int) -> npt.NDArray[np.int64]:
    """The element that butterfly k of a stage reads as its q-th, at [k, q]: the arithmetic of `butterflies` in fused.cu."""
    k = np.arange(length // stage.radix)
    block, rest = np.divmod(k, stage.span * stage.inner)
    step = stage.span * stage.inner
    return np.asarray((block * stage.radix * step + rest)[:, None] + np.arange(stage.radix) * step)
