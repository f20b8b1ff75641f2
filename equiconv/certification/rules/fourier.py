"""Discrete Fourier transforms. Of a signal that rolls: a spectrum whose entries turn. Of a spectrum: a signal that rolls."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import Any

from equiconv.certification.registry import rule
from equiconv.certification.rules.shape import rolled
from equiconv.certification.rules.spectral import conjugated
from equiconv.certification.spectra import characters, give_up_phases, plain, pull, quench, turned
from equiconv.certification.states import Character, Dim, Frequency, Signal, Window, axes_of, size_of
from equiconv.certification.step import Step, axis_names, still

FAMILY = "Fourier transform"
FORWARD, INVERSE = 1, -1
PLACES = ((0, 0), (1, 0), (-1, 0), (0, 1), (1, 1), (-1, 1))


# One dim ------------------------------------------------------------------------------------------------------------------------


def transform(step: Step, dim: Dim, length: int, out: int, sign: int) -> Dim:
    """Σ_i x[i]·exp(−2πi·sign·i·j/length) for j < ``out``; the dim is trimmed to ``length`` entries, or filled up with zeros."""
    dim = step.canonical(dim)
    if (found := characters(dim, step.shape)) is not None:
        return _rolling(step, found[:length], length, out, -sign)
    shared, body = pull(step, dim)
    loose = turned(step, shared)
    if len(body) == 1 and isinstance(window := body[0], Window) and window.rolls:
        if window.size == length:
            return (*loose, *_spectrum(step, window, out, sign))
        step.give_up(
            [window.axis],
            "crop",
            f"transforms {length} entries of a signal of {window.size} along the {axis_names([window.axis], step.shape)}",
            "transform whole periods, or crop the spectrum",
            theorem="part_of_a_period",
        )
    return (*loose, *_lost(step, body, out))


def half_inverse(step: Step, dim: Dim, length: int) -> Dim:
    """A real signal of ``length`` entries from the first half of its spectrum. Linear over the real numbers only: phases that are left must be signs."""
    dim = step.canonical(dim)
    if (found := characters(dim, step.shape)) is not None:
        return _rolling(step, found[: length // 2 + 1], length, length, 1, real=True)
    shared, body = pull(step, dim)
    give_up_phases(step, [turned(step, shared)], "takes the real part of a spectrum", power=2)
    return (*turned(step, shared), *_lost(step, body, length))


def _spectrum(step: Step, window: Window, out: int, sign: int) -> Dim:
    """A shift by k rolls by k/step, which turns frequency j by exp(−2πi·j·k/(step·period)), and |step|·period = n."""
    turn = sign if window.step > 0 else -sign
    at = window.axis
    numbers = [tuple(turn * j if a == at else 0 for a in range(len(step.shape))) for j in range(out)]
    return step.canonical((Frequency(tuple(numbers), step.shape),))


def _lost(step: Step, body: Dim, out: int) -> Dim:
    """The transform of a dim in which an image axis is only a part, a crop or a halo."""
    moving = axes_of(step.canonical(plain(body)))
    step.give_up(
        moving,
        "frequency",
        f"transforms a dim that is not one whole period along the {axis_names(moving, step.shape)}",
        "transform the image axis alone, over whole periods",
        theorem="part_of_a_period",
    )
    give_up_phases(step, [body], "transforms a dim in which a spectrum is only a part")
    return still(out)


def _rolling(
    step: Step, found: Sequence[Character | None], length: int, out: int, direction: int, real: bool = False
) -> Dim:
    """The signal that a spectrum (or what does not move) makes: it rolls where the phase of entry j is that of f + j or f − j, and f turns the whole.

    With phases exp(−2πi·k·(f ± j)/n), a shift by k rolls it by ±k·length/n, which must be a whole number.
    """
    shared = [0] * len(step.shape)
    moved: Window | None = None
    for axis, n in enumerate(step.shape):
        numbers = [(j, f[axis]) for j, f in enumerate(found) if f is not None]
        if moved is not None:
            alone = {tuple(number if a == axis else 0 for a in range(len(step.shape))) for _, number in numbers}
            quench(step, alone, "lays two image axes into one spectrum")
            continue

        def holds(s: int, numbers: Sequence[tuple[int, int]] = numbers, n: int = n) -> bool:
            return _place(numbers, n // s, length, real) is not None

        stride = step.smallest(axis, holds)
        step.shrink(
            axis,
            stride,
            "frequency",
            f"makes a signal of {length} entries along the {axis_names([axis], step.shape)} from a spectrum whose frequencies "
            "are in other places than a transform of that length has them",
            "undo every reordering of the spectrum, and give the inverse the length of the signal",
            theorem="spectral_resampling",
        )
        place = _place(numbers, n // step.strides[axis], length, real)
        assert place is not None
        pace, shared[axis] = place
        if pace:
            moved = Window(out, axis, Fraction(n, length) * pace * direction, length)
    return (*turned(step, tuple(shared)), *((moved,) if moved else still(out)))


def _place(numbers: Sequence[tuple[int, int]], order: int, length: int, real: bool) -> tuple[int, int] | None:
    """(pace, f) such that entry j has the frequency f + pace·j modulo ``order``; f = 0 and pace = 0 are tried first."""
    for pace, shifted in PLACES:
        f = (numbers[0][1] - pace * numbers[0][0]) % order if numbers else 0
        fits = all((number - pace * j - f) % order == 0 for j, number in numbers)
        whole = not pace or length % order == 0
        if fits and whole and (bool(f) == bool(shifted)) and not (real and 2 * f % order):
            return pace, f
    return None


# torch.fft ----------------------------------------------------------------------------------------------------------------------


def _sizes(step: Step, rank: int) -> tuple[list[int], list[int | None]]:
    """The dims that are transformed, and the length that is asked for in each."""
    given = step.arguments.get("s", step.arguments.get("n"))
    dim = step.arguments.get("dim")
    lengths = None if given is None else [int(v) for v in (given if isinstance(given, (list, tuple)) else [given])]
    if dim is None:
        dims = list(range(rank - len(lengths), rank) if lengths is not None else range(rank))
    else:
        dims = [int(d) % rank for d in (dim if isinstance(dim, (list, tuple)) else [dim])]
    return dims, [None if lengths is None or lengths[i] == -1 else lengths[i] for i in range(len(dims))]


def _names(*kinds: str) -> tuple[str, ...]:
    return tuple(f"aten.fft_{kind}{rank}.default" for kind in kinds for rank in ("", "2", "n"))


def _complex(step: Step, sign: int) -> Signal:
    x = step.signal("self")
    dims = list(x.dims)
    for d, n in zip(*_sizes(step, len(dims)), strict=True):
        dims[d] = transform(step, dims[d], n or size_of(dims[d]), n or size_of(dims[d]), sign)
    return step.result(dims)


@rule(*_names("fft"), family=FAMILY, theorem="modulation", spectral=True)
def forward(step: Step) -> Signal:
    """Linear in every dim; along one that rolls, entry j turns with frequency j."""
    return _complex(step, FORWARD)


@rule(*_names("ifft"), family=FAMILY, theorem="spectral_resampling", spectral=True)
def inverse(step: Step) -> Signal:
    """The other way around: what turns with frequency j at entry j rolls."""
    return _complex(step, INVERSE)


@rule(*_names("rfft", "ihfft"), family=FAMILY, theorem="modulation", spectral=True)
def half(step: Step) -> Signal:
    """Half of the spectrum of a real signal, or, from the inverse transform, its conjugate."""
    x = step.signal("self")
    dims = list(x.dims)
    chosen, lengths = _sizes(step, len(dims))
    sign = INVERSE if "ihfft" in step.node.operation else FORWARD
    for i, (d, n) in reversed(list(enumerate(zip(chosen, lengths, strict=True)))):
        length = n or size_of(dims[d])
        dims[d] = transform(step, dims[d], length, length // 2 + 1 if i == len(chosen) - 1 else length, sign)
    return step.result(dims)


@rule(*_names("irfft", "hfft"), family=FAMILY, theorem="spectral_resampling", spectral=True)
def real_inverse(step: Step) -> Signal:
    """A real signal from half of its spectrum; hfft takes the conjugate of it."""
    x = step.signal("self")
    chosen, lengths = _sizes(step, len(x.dims))
    last = chosen[-1]
    whole = [n or size_of(x.dims[d]) for d, n in zip(chosen[:-1], lengths[:-1], strict=True)]
    length = lengths[-1] or 2 * (size_of(x.dims[last]) - 1)
    dims = [conjugated(dim) for dim in x.dims] if ".fft_hfft" in step.node.operation else list(x.dims)
    return step.result(_to_real(step, dims, chosen[:-1], whole, last, length))


def _to_real(step: Step, dims: list[Dim], chosen: Sequence[int], whole: Sequence[int], last: int, length: int) -> Any:
    """Inverse transforms along ``chosen``, then the one along ``last`` that makes a real signal."""
    for d, n in zip(chosen, whole, strict=True):
        dims[d] = transform(step, dims[d], n, n, INVERSE)
    others = [dim for d, dim in enumerate(dims) if d != last]
    give_up_phases(step, others, "takes the real part along one dim of what is a spectrum along another", power=2)
    dims[last] = half_inverse(step, step.canonical(dims[last]), length)
    return dims


@rule(
    "aten.fft_fftshift.default", "aten.fft_ifftshift.default", family="shape", theorem="shifts_commute", spectral=True
)
def centred(step: Step) -> Signal:
    """A roll by half the size."""
    x = step.signal("self")
    dims = list(x.dims)
    chosen, _ = _sizes(step, len(dims))
    back = "ifftshift" in step.node.operation
    for d in chosen:
        size = size_of(dims[d])
        dims[d] = rolled(step, dims[d], (size + 1) // 2 if back else size // 2)
    return step.result(dims)


# What is left of them under other decompositions ----------------------------------------------------------------------------------


@rule("aten._fft_c2c.default", family=FAMILY, theorem="modulation", spectral=True)
def c2c(step: Step) -> Signal:
    return _complex(step, FORWARD if step["forward"] else INVERSE)


@rule("aten._fft_r2c.default", family=FAMILY, theorem="modulation", spectral=True)
def r2c(step: Step) -> Signal:
    dims = list(step.signal("self").dims)
    chosen = [int(d) % len(dims) for d in step["dim"]]
    for d in chosen:
        n = size_of(dims[d])
        dims[d] = transform(step, dims[d], n, step.out_shape[d], FORWARD)
    return step.result(dims)


@rule("aten._fft_c2r.default", family=FAMILY, theorem="spectral_resampling", spectral=True)
def c2r(step: Step) -> Signal:
    dims = list(step.signal("self").dims)
    chosen = [int(d) % len(dims) for d in step["dim"]]
    whole = [size_of(dims[d]) for d in chosen[:-1]]
    return step.result(_to_real(step, dims, chosen[:-1], whole, chosen[-1], int(step["last_dim_size"])))
