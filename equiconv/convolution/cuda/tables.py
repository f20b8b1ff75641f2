"""The numbers that the fused kernel reads: twiddles, the order of the spectrum, and the spectrum itself in that order."""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from equiconv.arrays import Array, asarray_like, device, dtype_name, library, namespace
from equiconv.convolution.cuda.schedule import TWIDDLE_POWERS, Schedule, Stage

__all__ = ["digit_reversal", "mirror", "prepared_spectrum", "spectrum_order", "twiddles"]

Indices = npt.NDArray[np.int64]


def twiddles(stages: tuple[Stage, ...]) -> npt.NDArray[np.complex128]:
    """The twiddles of all stages, ω^(−j·q) with ω = exp(2πi / (radix·span)), one row of `span` for each stored power q.

    They are computed in float64, to about a unit in the last place; round them to the precision of the kernel.

    >>> twiddles((Stage(radix=2, span=4, inner=1, table=0), Stage(radix=4, span=1, inner=1, table=4))).round(3)
    array([ 1.   +0.j   ,  0.707-0.707j,  0.   -1.j   , -0.707-0.707j])
    """
    rows = [
        _roots(-q * np.arange(stage.span), stage.radix * stage.span)
        for stage in stages
        if stage.span > 1
        for q in TWIDDLE_POWERS
        if q < stage.radix
    ]
    return np.concatenate(rows) if rows else np.ones(1, np.complex128)  # one, so that no device is asked for 0 bytes


def _roots(k: Indices, n: int) -> npt.NDArray[np.complex128]:
    """exp(2πi·k/n), with the angle brought to at most π/4, exactly, before it is rounded."""
    quarters, rest = np.divmod(8 * (k % n) + n, 2 * n)  # the nearest multiple of π/2, and 8k − 2·quarters·n + n
    angle = 2 * np.pi * ((rest - n) / (8 * n))
    turned: npt.NDArray[np.complex128] = (np.cos(angle) + 1j * np.sin(angle)) * np.array([1, 1j, -1, -1j])[quarters % 4]
    return turned


def digit_reversal(stages: tuple[int, ...]) -> Indices:
    """The frequency that the forward stages of these radices leave at each position.

    >>> digit_reversal((2, 3))
    array([0, 2, 4, 1, 3, 5])
    """
    frequencies = np.zeros(1, np.int64)
    weight = 1
    for radix in stages:  # the first stage splits the frequencies by their residue modulo its radix
        frequencies = (frequencies[:, None] + weight * np.arange(radix)).reshape(-1)
        weight *= radix
    return frequencies


@lru_cache(maxsize=64)
def _reversals(schedule: Schedule) -> tuple[Indices, ...]:
    """The digit reversals of the three axes, as the stages of the schedule have them."""
    stages = [s for p in schedule.passes if p.kind != "rows_back" for s in p.stages]
    if schedule.passes[0].kind == "rows":  # the columns are the outer axis
        stages = [*schedule.passes[1].stages, *schedule.passes[0].stages]
    result = []
    for m in schedule.grid:
        of_axis: list[int] = []
        while math.prod(of_axis) < m:
            of_axis.append(stages.pop(0).radix)
        result.append(digit_reversal(tuple(of_axis)))
    return tuple(result)


def _interleaved(values: Indices, radix: int) -> Indices:
    """Element q of butterfly k, which lies at k·radix + q, moved to q·(n / radix) + k: neighbours for neighbouring threads."""
    return values.reshape(-1, radix).T.reshape(-1)


@lru_cache(maxsize=64)
def spectrum_order(schedule: Schedule) -> Indices:
    """The frequency (as a flat index into the grid) of each entry of the prepared spectrum; not for the mode "half".

    >>> from equiconv.convolution.cuda import find_schedule
    >>> spectrum_order(find_schedule((6,), "complex64"))
    array([0, 1, 2, 3, 4, 5])
    """
    first, second, third = _reversals(schedule)
    if schedule.passes[0].kind == "rows":  # the rows' last stage stores its butterflies interleaved
        third = _interleaved(third, schedule.passes[0].stages[-1].radix)
    _, m1, m2 = schedule.grid
    flat = ((first[:, None, None] * m1 + second[:, None]) * m2 + third).reshape(-1)
    return _interleaved(flat, schedule.passes[0].stages[-1].radix) if len(schedule.passes) == 1 else flat


@lru_cache(maxsize=64)
def mirror(schedule: Schedule) -> tuple[Indices, Indices]:
    """For the mode "half": which butterflies of the last stage hold the frequencies k and −k.

    The first array has shape (pairs, 2): the number b of one butterfly, and 2·b' + f for the other. If b holds k as its
    q-th value, b' holds −k as its (r − f − q)-th, counted modulo the radix r: f is 1 unless b spans the frequency 0 of the
    last axis. The second, of shape (r, pairs), has k itself as a flat index into the grid.

    >>> from equiconv.convolution.cuda import find_schedule
    >>> butterflies, k = mirror(find_schedule((32,), "float32"))  # 16 = 2·8: the first holds 0, 2, …, the second 1, 3, …
    >>> butterflies.tolist(), k.T.tolist()
    ([[0, 0], [1, 3]], [[0, 2, 4, 6, 8, 10, 12, 14], [1, 3, 5, 7, 9, 11, 13, 15]])
    """
    grid, radix = schedule.grid, schedule.last_radix
    frequencies = np.stack(np.meshgrid(*_reversals(schedule), indexing="ij"), axis=-1).reshape(-1, 3)
    flat = _flat(frequencies, grid)
    position = np.empty_like(flat)
    position[flat] = np.arange(flat.size)
    opposite = position[_flat(-frequencies % grid, grid)].reshape(-1, radix)[:, 0]  # of each butterfly's first value
    partner, turned = opposite // radix, (opposite % radix != 0).astype(np.int64)
    first = np.flatnonzero(np.arange(partner.size) <= partner)
    # Threads that follow each other should find their butterflies side by side, from a multiple of the stage before on:
    # first the runs that are whole, then the few that hold a frequency and its opposite.
    run = schedule.passes[0].stages[-2].radix if len(schedule.passes[0].stages) > 1 else 1
    whole = np.bincount(first // run, minlength=partner.size // run + 1) == run
    first = first[np.argsort(~whole[first // run], kind="stable")]
    return np.stack([first, 2 * partner[first] + turned[first]], axis=-1), flat.reshape(-1, radix)[first].T


def _flat(frequencies: Indices, grid: tuple[int, int, int]) -> Indices:
    """Frequencies of shape (count, 3) as flat indices into the grid."""
    return (frequencies[:, 0] * grid[1] + frequencies[:, 1]) * grid[2] + frequencies[:, 2]


def prepared_spectrum(w: Array, schedule: Schedule) -> Array:
    """The spectrum of each kernel as the kernel reads it, of shape (kernels, `schedule.spectrum_length`).

    `w` has shape (kernels, \\*sizes), the sizes being the schedule's and the origin at index 0
    (`equiconv.convolution.fourier.embed_kernel`), in the schedule's dtype. 1/n of the inverse transform is folded in.
    Its gradient, in torch, is kept.
    """
    xp = namespace(w)
    lanes = xp.reshape(w, (w.shape[0], *schedule.padded_sizes))
    for axis, m in zip((1, 2, 3), schedule.kernel_grid, strict=True):
        lanes = _continued(lanes, axis, m)
    count = math.prod(schedule.grid)

    def transformed(part: Array) -> Array:
        return xp.reshape(xp.fft.fftn(_complex(part), axes=(1, 2, 3)), (w.shape[0], -1))

    order, delay = _on_device(schedule, w)
    if schedule.mode != "half":
        return xp.take(transformed(lanes), order, axis=-1) / count

    # x = even + odd one sample later, and the same for w: the even samples of the product are E_x·E_w + τ·O_x·O_w and
    # the odd ones E_x·O_w + O_x·E_w, where τ(k) = exp(−2πi·k/m) is a delay by one of m pairs. With Z = E_x + i·O_x that
    # is A·Z(k) + B·conj(Z(−k)); A and B as below, from the real transforms' symmetry E(−k) = conj(E(k)).
    even = xp.take(transformed(lanes[..., 0::2]), order, axis=-1) / count
    turned = xp.take(transformed(lanes[..., 1::2]), order, axis=-1) * (0.5j / count)
    a, b = even + (1 - delay) * turned, (1 + delay) * turned
    opposite = xp.conj(even - (1 - delay) * turned)  # A(−k)
    return xp.concat([a, opposite, b], axis=-1)


# The order of the spectrum and the delays, on each device: by schedule, library, device and dtype.
_KEPT: dict[tuple[Schedule, str, str, str], tuple[Array, Array]] = {}
_KEPT_AT_MOST = 256


def _on_device(schedule: Schedule, w: Array) -> tuple[Array, Array]:
    """The frequency of each entry of the spectrum (in the mode "half", of each pair), and exp(−2πi·k/m) of each, where w is.

    They are kept: to bring them to a GPU anew for each kernel would take longer than the kernel's transform.
    """
    key = (schedule, library(w), str(device(w)), dtype_name(w.dtype))
    if key not in _KEPT:
        while len(_KEPT) >= _KEPT_AT_MOST:
            _KEPT.pop(next(iter(_KEPT)), None)  # the oldest; another thread may have taken it
        k = mirror(schedule)[1].reshape(-1) if schedule.mode == "half" else spectrum_order(schedule)
        m = schedule.grid[2]
        delay = asarray_like(_roots(-(k % m), m), _complex(w[:0]))
        order = k if library(w) == "numpy" else namespace(w).asarray(k, device=device(w))
        if library(w) == "cupy":
            import cupy  # the library of w, so that it is loaded

            cupy.cuda.get_current_stream().synchronize()  # other streams will read them too
        _KEPT[key] = order, delay
    return _KEPT[key]


def _continued(w: Array, axis: int, m: int) -> Array:
    """The kernel on a grid of m ≥ n along the axis: itself, or w[t mod n] for −n < t < n at index t mod m, else 0."""
    xp = namespace(w)
    n = int(w.shape[axis])
    if m == n:
        return w
    gap = (*w.shape[:axis], m - (2 * n - 1), *w.shape[axis + 1 :])
    tail = w[(slice(None),) * axis + (slice(1, None),)]
    return xp.concat([w, xp.zeros(gap, dtype=w.dtype, device=device(w)), tail], axis=axis)


def _complex(w: Array) -> Array:
    """`w` in the complex dtype of its precision."""
    xp = namespace(w)
    wide = {"float32": xp.complex64, "float64": xp.complex128}.get(dtype_name(w.dtype))
    return w if wide is None else xp.astype(w, wide)
