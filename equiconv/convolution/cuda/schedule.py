"""Which work each thread of the fused kernel does, decided from the sizes alone.

A `Schedule` says how signals of certain sizes are laid out for the kernel and in which stages they are transformed. It
is a pure function of the sizes, the dtype, whether signals share a kernel, and the limits of the device: nothing here
imports CuPy, and nothing needs a GPU. `source` turns it into the macros of `fused.cu`, `tables` into the numbers that
the kernel reads, `twin` runs it in NumPy.

**The transform.** A length n = r₁·…·r_k is transformed in k stages, in place. Stage s takes groups of r_s elements that
lie `span` apart, transforms each group in one thread's registers and multiplies by twiddles (decimation in frequency),
after which the order is digit-reversed. The inverse runs the stages backwards (decimation in time) and restores the
order, so nothing is ever reordered: the kernel's spectrum is stored in the order that the forward stages leave. Along
several axes, the stages of all axes form one list; those of an outer axis have the elements of the inner axes between
two of theirs (`inner`).

**The layout.** Complex data: one signal a transform. Real data: a signal of even length as x[2m] + i·x[2m + 1]
("half"), which after the transform takes one exchange between the frequencies k and −k; a signal of odd length with
zeros as its imaginary part ("single"), or on a longer grid as "half". Two signals that have one kernel may also make
one transform, x₁ + i·x₂ ("pair"). That is the least work, but each then errs by the rounding of both: a small signal
beside a large one loses digits, and a NaN in one is a NaN in both. So it is done only where `pairs=True` asks for it.

**Any size.** Sizes with a prime factor above 13 are continued with zeros to a length
M ≥ 2n − 1 and convolved there with the periodic continuation of the kernel, of which no entry falls on another: one
transform each way, where Bluestein's algorithm takes two.

**The passes.** What fits in the shared memory of a block is done in one pass ("whole"): read once, written once. Larger
planes take three: their rows forward, their columns forward, multiplied and back, their rows back.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal, TypeAlias

import numpy as np

from equiconv.arrays import DType, dtype_name, fast_length
from equiconv.convolution.costs import largest_prime_factor

__all__ = ["HOPPER", "Kind", "Limits", "Mode", "Pass", "Schedule", "Stage", "Unsupported", "find_schedule", "radices"]

Mode: TypeAlias = Literal["complex", "half", "single", "pair"]
Kind: TypeAlias = Literal["whole", "rows", "columns", "rows_back"]

LARGEST_PRIME = 13
_LARGEST_RADIX = 16
_REAL_BYTES = {"float32": 4, "float64": 8, "complex64": 4, "complex128": 8}

# The radix of two butterflies that one thread should hold at once, at most.
_LAST_OF_TWO = 10

# Samples that the first stage should find side by side: 32 bytes in float32, the unit in which memory is read.
_RUN = 8

# Registers of a thread besides the values of its butterfly, by the bytes of a real. From the compiler's report for
# sm_90: with these no schedule spills more than a few words.
_OTHER_REGISTERS = {4: 32, 8: 56}


@dataclass(frozen=True)
class Limits:
    """What a device offers to a block and to a multiprocessor.

    `block_bytes` and `multiprocessor_bytes` are of shared memory, of which every block costs `reserved_bytes` more;
    `threads`, `blocks` and `registers` are those of a multiprocessor.
    """

    block_bytes: int
    multiprocessor_bytes: int
    threads: int = 2048
    blocks: int = 32
    registers: int = 65536
    reserved_bytes: int = 1024


#: H100 and H200 (sm_90).
HOPPER = Limits(block_bytes=227 * 1024, multiprocessor_bytes=228 * 1024)


@dataclass(frozen=True)
class Stage:
    """One stage: groups of `radix` elements, `span`·`inner` apart, in blocks of radix·span·inner.

    `span` is the size of the transforms that are left along the axis, `inner` the number of elements of all axes
    further in, and `table` where the stage's twiddles begin.
    """

    radix: int
    span: int
    inner: int
    table: int


@dataclass(frozen=True)
class Pass:
    """One launch of the kernel. A block of `threads` takes `units` units of `length` elements through `stages`.

    A unit is a whole signal (or pair of signals), or one row, or `tile` neighbouring columns. The elements lie in
    shared memory with a gap after every `pad` (0: none); the descriptions of the units follow at byte `units_at`.
    `min_blocks` are asked to fit on one multiprocessor at once.
    """

    kind: Kind
    stages: tuple[Stage, ...]
    length: int
    tile: int
    units: int
    threads: int
    min_blocks: int
    pad: int
    units_at: int
    shared_bytes: int


@dataclass(frozen=True)
class Schedule:
    """How signals of `sizes` and `dtype` are convolved by the fused kernel. Made by `find_schedule`.

    `sizes` are those of the convolved axes, innermost last; `grid` those of the complex transform, in three axes, with 1
    for those that the signal lacks.
    """

    sizes: tuple[int, ...]
    dtype: str
    mode: Mode
    grid: tuple[int, int, int]
    passes: tuple[Pass, ...]
    limits: Limits

    @property
    def real_bytes(self) -> int:
        """Bytes of a real number of this precision."""
        return _REAL_BYTES[self.dtype]

    @property
    def item_bytes(self) -> int:
        """Bytes of a sample."""
        return self.real_bytes * (2 if self.mode == "complex" else 1)

    @property
    def padded_sizes(self) -> tuple[int, int, int]:
        """`sizes` in the three axes that the kernel has: those above 1, with 1 before them where they are fewer."""
        return _three_axes(self.sizes)

    @property
    def kernel_grid(self) -> tuple[int, int, int]:
        """Sizes of the grid in samples of the signal: `grid`, twice as long along the last axis in the mode "half"."""
        return (*self.grid[:2], self.grid[2] * (2 if self.mode == "half" else 1))

    @property
    def last_radix(self) -> int:
        """The radix of the last stage of the forward transform."""
        return self.passes[0].stages[-1].radix

    @property
    def pairs(self) -> int:
        """Pairs of butterflies of the last stage that hold the frequencies k and −k; some are their own partners."""
        last = self.passes[0].stages[-1]
        *outer, axis = (m for m in self.grid if m > 1) if max(self.grid) > 1 else (1,)
        rest = axis // last.radix  # of the last axis, the frequencies that a butterfly does not span
        fixed = math.prod(2 if m % 2 == 0 else 1 for m in (*outer, rest))
        return (math.prod(self.grid) // last.radix + fixed) // 2

    @property
    def spectrum_length(self) -> int:
        """Complex numbers of one kernel's prepared spectrum."""
        return 3 * self.last_radix * self.pairs if self.mode == "half" else math.prod(self.grid)

    def workspace_elements(self) -> int:
        """Complex numbers that one transform keeps in global memory between passes; 0 for one pass."""
        return 0 if len(self.passes) == 1 else self.padded_sizes[1] * self.grid[2]

    def passes_over_memory(self) -> int:
        """Reads and writes of global memory, each counted in complex elements of the grid; 2 is the least."""
        return 2 * len(self.passes)

    def explain(self) -> str:
        """The schedule in words.

        >>> print(find_schedule((4096,), "float32").explain())
        fused CUDA kernel for 4096 samples in float32: one real signal a transform of half its length
          whole: radices 16·16·8, 1 unit of 2048 a block of 128 threads, 17.5 kB shared, 8 blocks a multiprocessor
        """
        how = {
            "complex": "one complex signal a transform",
            "pair": "two real signals a transform",
            "single": "one real signal a transform",
            "half": "one real signal a transform of half its length",
        }[self.mode]
        sizes = "×".join(map(str, self.sizes))
        lines = [f"fused CUDA kernel for {sizes} samples in {self.dtype}: {how}"]
        if any(m != n for m, n in zip(self.kernel_grid, self.padded_sizes, strict=True)):
            lines[0] += f", continued with zeros to {'×'.join(str(m) for m in self.kernel_grid if m > 1)}"
        for p in self.passes:
            lines.append(
                f"  {p.kind}: radices {'·'.join(str(s.radix) for s in p.stages)}, {p.units} unit{'s' * (p.units > 1)} "
                f"of {p.length} a block of {p.threads} threads, {p.shared_bytes / 1000:.1f} kB shared, "
                f"{p.min_blocks} block{'s' * (p.min_blocks > 1)} a multiprocessor"
            )
        return "\n".join(lines)


@dataclass(frozen=True)
class Unsupported:
    """Why there is no schedule; another method, such as cuFFT, must take the product."""

    reason: str


def find_schedule(
    sizes: Sequence[int], dtype: DType, *, pairs: bool = False, limits: Limits = HOPPER
) -> Schedule | Unsupported:
    """The schedule by which the fused kernel convolves signals of these sizes, or why it cannot.

    Parameters
    ----------
    sizes : sizes of the convolved axes, the innermost last, each at least 1.
    dtype : float32, float64, complex64 or complex128, of any library; that of the signal and of the kernel.
    pairs : whether two real signals that have one kernel may be transformed as one complex signal. Faster where at
        least two signals have each kernel; but `equiconv.arrays.fourier_bound` then holds with the norm of the two
        signals together in place of that of either, and what is not finite in one spoils the other.
    limits : what the device offers (`Limits`); an H100's by default.

    Raises `ValueError` for no size, or one below 1.

    >>> find_schedule((100,), "complex64").passes[0].stages
    (Stage(radix=10, span=10, inner=1, table=0), Stage(radix=10, span=1, inner=1, table=50))
    >>> find_schedule((2**20,), "float32").reason
    '1048576 samples in float32 do not fit in the 227 KB of shared memory that a block has'
    """
    along = tuple(int(n) for n in sizes)
    if not along or min(along) < 1:
        raise ValueError(f"sizes must be at least one axis of at least 1 sample, got {along}")
    return _find(along, dtype_name(dtype), pairs, limits)


@lru_cache(maxsize=1024)
def _find(sizes: tuple[int, ...], dtype: str, pairs: bool, limits: Limits) -> Schedule | Unsupported:
    if dtype not in _REAL_BYTES:
        return Unsupported(f"the fused kernel computes in {', '.join(_REAL_BYTES)}, not in {dtype}")
    if sum(n > 1 for n in sizes) > 3:
        return Unsupported(f"the fused kernel convolves along at most 3 axes, not along those of {sizes}")
    signal = _three_axes(sizes)

    whole = [s for mode in _modes(dtype, pairs) if (s := _whole(sizes, signal, dtype, mode, limits)) is not None]
    if whole:
        return min(whole, key=_preference)
    described = f"{'×'.join(map(str, sizes))} samples in {dtype} do not fit"
    memory = f"the {limits.block_bytes // 1024} KB of shared memory that a block has"
    if signal[0] > 1 or signal[1] == 1:
        return Unsupported(f"{described} in {memory}")
    in_three = _three_passes(sizes, signal, dtype, pairs, limits)
    return in_three or Unsupported(f"{described}: neither a row nor a few columns fit in {memory}")


def _three_axes(sizes: tuple[int, ...]) -> tuple[int, int, int]:
    """Axes of size 1 are nothing to transform; they would only use up the axes that the kernel has."""
    first, second, third = (1, 1, 1, *(n for n in sizes if n > 1))[-3:]
    return first, second, third


def _modes(dtype: str, pairs: bool) -> tuple[Mode, ...]:
    if dtype.startswith("complex"):
        return ("complex",)
    return ("half", "single", "pair") if pairs else ("half", "single")


def _preference(s: Schedule) -> tuple[int, float, int]:
    """Two blocks a multiprocessor before one, so that one loads while the other computes; then the least work a signal,
    and the least spectrum to read.
    """
    work = math.prod(s.grid) * len(s.passes[0].stages)
    return -min(s.passes[0].min_blocks, 2), work / (2 if s.mode == "pair" else 1), s.spectrum_length


def _whole(
    sizes: tuple[int, ...], signal: tuple[int, int, int], dtype: str, mode: Mode, limits: Limits
) -> Schedule | None:
    """The schedule in one pass, or None where the signal does not fit."""
    if mode == "half" and signal[2] == 1:
        return None
    grid = (_grid(signal[0]), _grid(signal[1]), _half_grid(signal[2]) if mode == "half" else _grid(signal[2]))
    made = _make_pass("whole", grid, 1, dtype, mode, limits)
    return None if made is None else Schedule(sizes, dtype, mode, grid, (made,), limits)


def _three_passes(
    sizes: tuple[int, ...], signal: tuple[int, int, int], dtype: str, pairs: bool, limits: Limits
) -> Schedule | None:
    mode: Mode = "complex" if dtype.startswith("complex") else "pair" if pairs else "single"
    grid = (1, _grid(signal[1]), _grid(signal[2]))
    rows = _make_pass("rows", (1, 1, grid[2]), 1, dtype, mode, limits)
    back = _make_pass("rows_back", (1, 1, grid[2]), 1, dtype, mode, limits)
    # At least 32 bytes of a row at a time, the unit in which memory is read; 128 where two blocks still fit.
    least = 32 // (2 * _REAL_BYTES[dtype])
    columns = [
        made
        for k in (4, 2, 1)
        if (made := _make_pass("columns", (1, grid[1], 1), k * least, dtype, mode, limits)) is not None
    ]
    if rows is None or back is None or not columns:
        return None
    best = max(columns, key=lambda p: min(p.min_blocks, 2))
    return Schedule(sizes, dtype, mode, grid, (rows, best, back), limits)


def _grid(n: int) -> int:
    """The length that an axis of n samples is transformed at: n, or at least 2n − 1 where n has a large prime."""
    return n if largest_prime_factor(n) <= LARGEST_PRIME else fast_length(2 * n - 1)


def _half_grid(n: int) -> int:
    """Half the length that an axis of n real samples is transformed at."""
    if n % 2 == 0 and largest_prime_factor(n // 2) <= LARGEST_PRIME:
        return n // 2
    return fast_length(n)  # twice that is at least 2n − 1


# ---------------------------------------------------------------------------------------------------------------------
# Stages
# ---------------------------------------------------------------------------------------------------------------------


@lru_cache(maxsize=4096)
def radices(n: int, run: int = 1, last: int = _LARGEST_RADIX) -> tuple[int, ...]:
    """Factors of n, each at most 16, in the order of the forward stages: as few as possible, and of these the most equal.

    n must have no prime factor above 13. `run` and `last` are wishes that may cost one stage more: the first stage
    reads and writes the signal in runs of n / r₁ samples, and `run` asks for so many at the least; the last radix
    should not be above `last`.

    >>> radices(4096), radices(512), radices(1000), radices(2048), radices(2048, last=10)
    ((16, 16, 16), (8, 8, 8), (10, 10, 10), (8, 16, 16), (16, 16, 8))
    >>> radices(16), radices(16, run=8), radices(1)
    ((16,), (2, 8), (1,))
    """
    if n < 1 or largest_prime_factor(n) > LARGEST_PRIME:
        raise ValueError(f"n must be at least 1 with no prime factor above {LARGEST_PRIME}, got {n}")
    if n == 1:
        return (1,)

    def cost(order: tuple[int, ...]) -> tuple[float, int, int, int]:
        wishes = (n // order[0] < run) + (order[-1] > last)
        return len(order) + 1.5 * wishes, max(order), sum(order), order[0]

    fewest = next(k for k in range(1, n.bit_length()) if any(_of_length(n, _LARGEST_RADIX, k)))
    factors = [f for k in (fewest, fewest + 1) for f in _of_length(n, _LARGEST_RADIX, k)]
    return min((order for f in factors for order in _orders(f)), key=cost)


def _orders(factors: tuple[int, ...]) -> Iterator[tuple[int, ...]]:
    """Any factor may be the last; the others come in increasing order."""
    for i, factor in enumerate(factors):
        yield (*factors[:i], *factors[i + 1 :], factor)


def _of_length(n: int, largest: int, length: int) -> Iterator[tuple[int, ...]]:
    if length == 1:
        if 1 < n <= largest:
            yield (n,)
        return
    for r in range(min(largest, n), 1, -1):
        if r**length < n:  # the largest factor comes last; smaller ones cannot make up for it
            return
        if n % r == 0:
            yield from ((*rest, r) for rest in _of_length(n // r, r, length - 1))


def _stages(grid: Sequence[int], tile: int, mode: Mode) -> tuple[Stage, ...]:
    """The stages of all axes, the outermost axis first; `tile` elements lie between two of the innermost."""
    stages: list[Stage] = []
    run = _RUN if math.prod(grid) * tile == grid[-1] else 1  # further axes make the runs long enough
    table, inner = 0, math.prod(grid) * tile
    for m in grid:
        inner //= m
        span = m
        # where signals are transformed at half their length, a thread takes two butterflies of the very last stage
        last = _LAST_OF_TWO if mode == "half" and inner == tile else _LARGEST_RADIX
        for radix in radices(m, run, last) if m > 1 else ():
            span //= radix
            stages.append(Stage(radix, span, inner, table))
            table += twiddle_rows(radix) * span if span > 1 else 0
    return tuple(stages) or (Stage(1, 1, 1, 0),)


def twiddle_rows(radix: int) -> int:
    """How many powers of each twiddle are stored: 1, 2, 3 and 4, 8, 12, as far as they are below the radix.

    Every power q = 4a + b is one of them or one product of two.
    """
    return sum(q < radix for q in TWIDDLE_POWERS)


TWIDDLE_POWERS = (1, 2, 3, 4, 8, 12)


# ---------------------------------------------------------------------------------------------------------------------
# Blocks
# ---------------------------------------------------------------------------------------------------------------------


def _make_pass(
    kind: Kind, grid: tuple[int, int, int], tile: int, dtype: str, mode: Mode, limits: Limits
) -> Pass | None:
    """The pass over units of this grid with the arrangement of blocks that is reckoned best, or None: too large."""
    stages, length = _stages(grid, tile, mode), math.prod(grid) * tile
    real = _REAL_BYTES[dtype]
    scalar = 2 * real if dtype.startswith("complex") else real
    for pad in (best_gap(stages, length, real), 0):
        fits = [
            (score, -units, Pass(kind, stages, length, tile, units, threads, blocks, pad, at, total))
            for units in _unit_counts(length)
            for at, total in [_shared_bytes(units, length, pad, real, scalar)]
            if total <= limits.block_bytes
            for threads, blocks, score in _thread_counts(units, length, stages, mode, total, real, limits)
        ]
        if fits:
            return min(fits, key=lambda item: item[:2])[2]
    return None


@lru_cache(maxsize=1024)
def best_gap(stages: tuple[Stage, ...], length: int, real: int) -> int:
    """After how many elements to leave a gap of one, so that the threads of a warp meet on different banks; 0 for none.

    Shared memory serves 128 bytes at once, each of 32 banks once. A butterfly whose elements lie a power of two apart
    would find them all on a few banks. Gaps cost memory, 1/16 in float32 for what is usual: a little less conflict is
    not worth much more.

    >>> best_gap(find_schedule((4096,), "complex64").passes[0].stages, 4096, 4)
    16
    """
    gaps = (0, *range(6, 34))
    costs: dict[int, float] = {
        gap: wavefronts(stages, length, real, gap) + (1 / (2 * gap) if gap else 0) for gap in gaps
    }
    return min(costs, key=costs.__getitem__)


def wavefronts(stages: tuple[Stage, ...], length: int, real: int, gap: int) -> float:
    """How often shared memory must serve an access of 128 bytes, on average over the stages: 1 is the least.

    >>> wavefronts((Stage(16, 1, 1, 0),), 16, 4, 0), wavefronts((Stage(16, 1, 1, 0),), 16, 4, 16)
    (16.0, 1.0)
    """
    lanes = 128 // (2 * real)  # threads that are served at once, if they can be
    total = 0.0
    for stage in stages:
        count, step = length // stage.radix, stage.span * stage.inner
        # consecutive threads take consecutive butterflies, of one unit after the other; a few groups stand for all
        first = np.arange(0, max(count, 8 * lanes), max(1, count // 8) // lanes * lanes or lanes)[:8]
        k = first[:, None] + np.arange(lanes)
        unit, butterfly = np.divmod(k, count)
        block, rest = np.divmod(butterfly, step)
        base = unit * length + block * stage.radix * step + rest
        element = base[:, None, :] + step * np.arange(stage.radix)[:, None]
        place = (element + element // gap if gap else element).reshape(-1, lanes) % lanes
        rows = np.arange(len(place))[:, None] * lanes
        served = np.bincount((rows + place).reshape(-1), minlength=place.size).reshape(place.shape)
        total += float(served.max(axis=1).mean())
    return total / len(stages)


def _unit_counts(length: int) -> Iterator[int]:
    """Units a block: up to 8192 elements in all, more are not better."""
    return (u for u in (1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64, 96, 128, 256) if u == 1 or u * length <= 8192)


def unit_bytes(scalar: int) -> int:
    """Bytes of the description of a unit: `Unit` in fused.cu, with two biases of `scalar` bytes."""
    align = max(8, scalar)
    return -(-(40 + 2 * scalar) // align) * align


def _shared_bytes(units: int, length: int, pad: int, real: int, scalar: int) -> tuple[int, int]:
    """Where the descriptions of the units begin, and bytes in all."""
    last = units * length - 1
    elements = last + (last // pad if pad else 0) + 1
    at = -(-elements * 2 * real // 16) * 16
    return at, at + units * unit_bytes(scalar)


def _thread_counts(
    units: int, length: int, stages: tuple[Stage, ...], mode: Mode, shared: int, real: int, limits: Limits
) -> Iterator[tuple[int, int, float]]:
    """Threads a block, the blocks that fit at once, and a score: the lower the better."""
    most = max(*(s.radix for s in stages), stages[-1].radix * (2 if mode == "half" else 1))
    registers = 2 * most * (real // 4) + _OTHER_REGISTERS[real]
    registers = -(-registers // 8) * 8
    warps = limits.registers // 4 // (32 * registers)  # on each of the four quarters that a multiprocessor consists of
    by_memory = limits.multiprocessor_bytes // (shared + limits.reserved_bytes)
    wanted = min(1024, limits.registers // registers)  # threads of a multiprocessor that hide the latency of memory
    for threads in range(32, 1025, 32):
        blocks = min(by_memory, limits.threads // threads, 4 * warps // (threads // 32), limits.blocks)
        if blocks < 1:
            continue
        # How much longer the threads are busy than a perfect share of the butterflies would keep them.
        idle = sum(-(-units * length // s.radix // threads) * threads * s.radix for s in stages)
        score = idle / (units * length * len(stages))
        score *= 1 + 0.5 * max(0.0, 1 - blocks * threads / wanted)
        score *= 1.2 if blocks == 1 else 1.0
        score *= 1 + 0.05 * max(0.0, 1 - threads / 128)  # tiny blocks come and go too often
        yield threads, blocks, score * (1 + threads / 16384)
