"""Schedules: every element once, within the device's limits, at every size; and what is refused, with the reason."""

from __future__ import annotations

import itertools
import math
import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from equiconv.arrays import fourier_bound
from equiconv.convolution.cuda import HOPPER, Limits, Schedule, Unsupported, find_schedule, tables
from equiconv.convolution.cuda.schedule import TWIDDLE_POWERS, radices, twiddle_rows, wavefronts
from equiconv.convolution.cuda.tables import digit_reversal, mirror, prepared_spectrum, spectrum_order, twiddles
from equiconv.convolution.cuda.twin import convolve_by_twin, elements_visited, forward
from tests.convolution.cuda import cases
from tests.convolution.cuda.cases import CASES, Case

AMPERE = Limits(block_bytes=99 * 1024, multiprocessor_bytes=100 * 1024, threads=1536, blocks=16)
DTYPES = ("float32", "float64", "complex64", "complex128")

lengths = st.one_of(st.integers(1, 300), st.integers(1, 40_000))
sizes = st.one_of(
    st.tuples(lengths), st.tuples(st.integers(1, 300), st.integers(1, 300)), st.tuples(*[st.integers(1, 20)] * 3)
)


def product_of_smooth(n: int) -> int:
    """n without its prime factors above 13."""
    result = 1
    for p in (2, 3, 5, 7, 11, 13):
        while n % p == 0:
            n, result = n // p, result * p
    return result


@given(st.integers(1, 10**6).map(product_of_smooth), st.sampled_from([1, 8]), st.sampled_from([10, 16]))
def test_radices(n: int, run: int, last: int) -> None:
    factors = radices(n, run, last)
    assert math.prod(factors) == n
    assert all(1 <= r <= 16 for r in factors)
    # as few as sixteens could make it, but for what primes and the two wishes cost
    assert len(factors) <= len(radices(n)) + 1
    if len(factors) > len(radices(n)):
        assert n // factors[0] >= run or factors[-1] <= last
    fewest = math.ceil(math.log(n, 16) - 1e-9) if n > 1 else 1
    assert len(radices(n)) >= fewest


@pytest.mark.parametrize("n", [0, -4, 17, 2 * 19])
def test_no_radices(n: int) -> None:
    with pytest.raises(ValueError, match="no prime factor above 13"):
        radices(n)


@settings(max_examples=200, deadline=None)
@given(sizes, st.sampled_from(DTYPES), st.booleans(), st.sampled_from([HOPPER, AMPERE, cases.SMALL]))
def test_a_schedule_covers_every_element_within_the_limits(
    n: tuple[int, ...], dtype: str, pairs: bool, limits: Limits
) -> None:
    schedule = find_schedule(n, dtype, pairs=pairs, limits=limits)
    if isinstance(schedule, Unsupported):
        assert "do not fit" in schedule.reason
        return
    assert (schedule.mode == "complex") == dtype.startswith("complex")
    assert schedule.mode != "pair" or pairs
    # the grid is the signal's, or long enough that nothing wraps onto it
    for size, length in zip(schedule.padded_sizes, schedule.kernel_grid, strict=True):
        assert length == size or length >= 2 * size - 1
    for launched in schedule.passes:
        assert launched.shared_bytes <= limits.block_bytes
        assert launched.threads % 32 == 0
        assert 32 <= launched.threads <= 1024
        assert launched.min_blocks * launched.threads <= limits.threads
        assert (
            launched.min_blocks * (launched.shared_bytes + limits.reserved_bytes) <= limits.multiprocessor_bytes
            or launched.min_blocks == 1
        )
        assert launched.units >= 1
        along = {"whole": schedule.grid, "columns": (schedule.grid[1],)}.get(launched.kind, (schedule.grid[2],))
        assert math.prod(s.radix for s in launched.stages) == math.prod(along)
        assert launched.length == math.prod(along) * launched.tile
        assert launched.units_at >= (launched.units * launched.length - 1) * 2 * schedule.real_bytes
        for stage in launched.stages:
            seen = np.sort(elements_visited(stage, launched.length), axis=None)
            np.testing.assert_array_equal(seen, np.arange(launched.length))
        tables = [(s.table, s.table + twiddle_rows(s.radix) * s.span) for s in launched.stages if s.span > 1]
        assert all(end == start for (_, end), (start, _) in itertools.pairwise(tables))
        assert len(twiddles(launched.stages)) == (tables[-1][1] if tables else 1)


@settings(max_examples=100, deadline=None)
@given(sizes, st.sampled_from(DTYPES), st.booleans(), st.sampled_from([HOPPER, cases.SMALL]))
def test_the_spectrum_holds_every_frequency_once(n: tuple[int, ...], dtype: str, pairs: bool, limits: Limits) -> None:
    schedule = find_schedule(n, dtype, pairs=pairs, limits=limits)
    if isinstance(schedule, Unsupported):
        return
    count = math.prod(schedule.grid)
    if schedule.mode != "half":
        np.testing.assert_array_equal(np.sort(spectrum_order(schedule)), np.arange(count))
        return
    butterflies, k = mirror(schedule)
    radix = schedule.last_radix
    assert butterflies.shape == (schedule.pairs, 2)
    assert schedule.spectrum_length == 3 * k.size
    # every butterfly once, or as its own partner; and partners hold opposite frequencies where the kernel expects them
    first, partner, turned = butterflies[:, 0], butterflies[:, 1] // 2, butterflies[:, 1] % 2
    np.testing.assert_array_equal(np.union1d(first, partner), np.arange(count // radix))
    assert len(first) + np.count_nonzero(partner != first) == count // radix
    frequency = {(int(b), q): int(k[q, i]) for i, b in enumerate(first) for q in range(radix)}
    for i, b in enumerate(first):
        for q in range(radix):
            p = (radix - turned[i] - q) % radix
            there = np.array(np.unravel_index(frequency[int(b), q], schedule.grid))
            opposite = int(np.ravel_multi_index(tuple(-there % schedule.grid), schedule.grid))
            assert frequency.setdefault((int(partner[i]), int(p)), opposite) == opposite
    assert sorted(frequency.values()) == list(range(count))


@given(st.lists(st.integers(2, 6), max_size=4))
def test_digit_reversal(factors: list[int]) -> None:
    order = digit_reversal(tuple(factors))
    np.testing.assert_array_equal(np.sort(order), np.arange(math.prod(factors)))


def test_digit_reversal_is_what_the_stages_leave() -> None:
    schedule = find_schedule((8 * 9 * 10,), "complex128")
    assert isinstance(schedule, Schedule)
    stages = schedule.passes[0].stages
    z = np.random.default_rng(0).standard_normal((2, 720)) + 0j
    np.testing.assert_allclose(
        forward(z, stages), np.fft.fft(z)[:, digit_reversal(tuple(s.radix for s in stages))], atol=1e-12
    )


@pytest.mark.parametrize("n", [(256,), (1000,), (2025,), (4096,), (2730,), (112, 112)])
def test_gaps_keep_threads_on_different_banks(n: tuple[int, ...]) -> None:
    """Counted anew here, over every warp: with the gap that was chosen, no access takes twice as long on average."""
    schedule = find_schedule(n, "complex64")
    assert isinstance(schedule, Schedule)
    (launched,) = schedule.passes
    each = []
    for stage in launched.stages:
        elements = elements_visited(stage, launched.length).T  # one row an access, consecutive threads side by side
        elements = elements[:, : elements.shape[1] // 16 * 16].reshape(-1, 16)  # 16 threads move 128 bytes
        places = elements + (elements // launched.pad if launched.pad else 0)
        each.append(np.mean([np.bincount(row % 16).max() for row in places]))
    assert np.mean(each) <= 2
    assert wavefronts(launched.stages, launched.length, 4, launched.pad) == pytest.approx(np.mean(each), abs=0.35)


def test_twiddles_are_right_to_the_last_place() -> None:
    """Against extended precision: each part within 2⁻⁵², and exact where it is 0 or ±1."""
    for n in ((4096,), (1000,), (15015,), (28, 26)):
        schedule = find_schedule(n, "complex64")
        assert isinstance(schedule, Schedule)
        table, wide = twiddles(schedule.passes[0].stages), []
        for stage in schedule.passes[0].stages:
            if stage.span > 1:
                j, length = np.arange(stage.span, dtype=np.longdouble), stage.radix * stage.span
                wide += [(j * q % length) / length for q in TWIDDLE_POWERS if q < stage.radix]
        turns = np.concatenate(wide)
        pi = np.arctan2(np.longdouble(0), np.longdouble(-1))
        assert np.abs(table.real - np.cos(2 * pi * turns)).max() <= 2.0**-52
        assert np.abs(table.imag + np.sin(2 * pi * turns)).max() <= 2.0**-52
        assert (table[turns == 0.25] == -1j).all()
        assert (table[turns == 0.5] == -1).all()


@pytest.mark.parametrize("case", CASES, ids=str)
def test_the_twin_meets_the_definition(case: Case) -> None:
    x, w = cases.draw(case)
    x = x.reshape(-1, *case.sizes)
    w = w.reshape(-1, *case.sizes)[0]
    y = convolve_by_twin(x, w, case.schedule())
    error = np.abs(y - cases.truth(x, w, len(case.sizes)))
    assert (error <= cases.bound(case, x, w)).all()


@pytest.mark.parametrize("n", [16, 17, 100, 243])
def test_an_impulse_is_the_kernel(n: int) -> None:
    """By the twin, at every place of the impulse."""
    schedule = find_schedule((n,), "float64")
    assert isinstance(schedule, Schedule)
    w = np.random.default_rng(0).standard_normal(n)
    y = convolve_by_twin(np.eye(n), w, schedule)
    expected = np.stack([np.roll(w, k) for k in range(n)])
    assert np.abs(y - expected).max() <= fourier_bound(1.0, float(np.linalg.norm(w)), n, np.float64)


def test_the_spectrum_of_an_impulse_is_flat() -> None:
    """1/n is folded in, and the order does not matter to what is everywhere the same."""
    schedule = find_schedule((9, 25), "float32")
    assert isinstance(schedule, Schedule)
    assert schedule.mode == "single"
    impulse = np.zeros((1, 9, 25), np.float32)
    impulse[0, 0, 0] = 1
    np.testing.assert_allclose(prepared_spectrum(impulse, schedule), 1 / 225, rtol=1e-6)


def test_what_a_spectrum_needs_is_kept_within_bounds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tables, "_KEPT", {})
    monkeypatch.setattr(tables, "_KEPT_AT_MOST", 2)
    for n in (8, 9, 10, 8):
        schedule = find_schedule((n,), "float64")
        assert isinstance(schedule, Schedule)
        w = np.random.default_rng(0).standard_normal((1, n))
        first, again = prepared_spectrum(w, schedule), prepared_spectrum(w, schedule)
        np.testing.assert_array_equal(first, again)
        assert 1 <= len(tables._KEPT) <= 2
        assert any(key[0] is schedule for key in tables._KEPT)


@pytest.mark.parametrize(
    ("n", "dtype", "mode", "passes"),
    [
        ((256,), "float32", "half", 1),
        ((16384,), "float32", "half", 1),
        ((32768,), "float32", "half", 1),
        ((16384,), "complex64", "complex", 1),
        ((8192,), "complex128", "complex", 1),
        ((16384,), "float64", "half", 1),
        ((112, 112), "float32", "half", 1),
        ((224, 224), "float32", "half", 1),
        ((240, 240), "float32", "half", 1),
        ((256, 256), "float32", "single", 3),
        ((1024, 1024), "float64", "single", 3),
        ((1009,), "float32", "half", 1),
        ((10007,), "float32", "half", 1),
        ((1, 1, 1, 1, 12), "float32", "half", 1),
    ],
)
def test_what_an_h100_takes(n: tuple[int, ...], dtype: str, mode: str, passes: int) -> None:
    schedule = find_schedule(n, dtype)
    assert isinstance(schedule, Schedule)
    assert (schedule.mode, len(schedule.passes)) == (mode, passes)
    assert schedule.explain().startswith(f"fused CUDA kernel for {'×'.join(map(str, n))} samples in {dtype}")


@pytest.mark.parametrize(
    ("n", "dtype", "reason"),
    [
        ((2**17,), "float32", "131072 samples in float32 do not fit in the 227 KB"),
        ((40_009,), "complex64", "do not fit in the 227 KB"),
        ((64, 64, 64), "float32", "64×64×64 samples"),
        ((2, 2, 2, 2), "float32", "at most 3 axes"),
        ((100_000, 64), "float32", "neither a row nor a few columns"),
        ((64,), "float16", "not in float16"),
        ((64,), "longdouble", "not in longdouble|not in float128"),
        ((64,), "int64", "not in int64"),
    ],
)
def test_what_is_left_to_others(n: tuple[int, ...], dtype: str, reason: str) -> None:
    found = find_schedule(n, np.dtype(dtype) if dtype == "longdouble" else dtype)
    assert isinstance(found, Unsupported)
    assert re.search(reason, found.reason)


@pytest.mark.parametrize("n", [(), (0,), (4, -1)])
def test_no_sizes(n: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="at least one axis of at least 1 sample"):
        find_schedule(n, "float32")
