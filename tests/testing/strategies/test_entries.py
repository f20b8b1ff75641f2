"""Arrays of every library, dtype and kind: values are what is promised, each variety occurs, and the simplest is what is promised."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from equiconv import circular_convolve
from equiconv.arrays import device, dtype_name, library, to_numpy
from equiconv.testing import strategies
from equiconv.testing.strategies import (
    ENTRYWISE,
    KINDS,
    absent,
    arrays,
    devices,
    dtypes,
    grids,
    kinds,
    libraries,
    present,
    signals_and_kernels,
)
from tests.testing.strategies.finding import every, occurs, smallest, some

DTYPES = {
    "numpy": ["float64", "float32", "complex128", "complex64", "float16"],
    "torch": ["float64", "float32", "complex128", "complex64", "float16", "bfloat16"],
}
EVERY = [(lib, name) for lib, names in DTYPES.items() for name in names]


def parts(x) -> np.ndarray:
    """Every real number of an array, as float64."""
    host = to_numpy(x).reshape(-1)
    return np.concatenate([host.real, host.imag]).astype(float) if np.iscomplexobj(host) else host.astype(float)


# Libraries, devices, dtypes ------------------------------------------------------------------------------------------


def test_every_library_that_is_present_occurs_and_the_others_say_why() -> None:
    assert present()[:2] == ("numpy", "torch")
    for name in strategies.LIBRARIES:
        assert (name in present()) == (absent(name) is None)
        if name in present():
            assert occurs(libraries(), lambda lib, n=name: lib == n)
        else:
            assert name in absent(name)
    assert smallest(libraries()) == "numpy"


def test_cupy_comes_where_a_device_answers() -> None:
    if reason := absent("cupy"):
        pytest.skip(reason)
    drawn = smallest(arrays((2, 2), "float32", "cupy", smallest(devices("cupy")), "sparse"))
    assert (library(drawn), dtype_name(drawn.dtype)) == ("cupy", "float32")
    assert to_numpy(drawn).tolist() == [[1, 0], [0, 0]]


def test_devices_are_those_of_the_library() -> None:
    assert smallest(devices("numpy")) == smallest(devices("torch")) == "cpu"
    for index in range(torch.cuda.device_count()):
        assert occurs(devices("torch"), lambda d, i=index: d == f"cuda:{i}")
    every(devices("torch"), lambda d: torch.zeros(1, device=d).device == torch.device(d), tries=5)


@pytest.mark.parametrize(("lib", "name"), EVERY)
def test_every_dtype_occurs_and_arrays_have_it(lib: str, name: str) -> None:
    assert occurs(dtypes(lib), lambda d: d == name)
    x = some(arrays((2, 3), name, lib, "cpu", kinds()))
    assert (library(x), dtype_name(x.dtype), tuple(x.shape), str(device(x))) == (lib, name, (2, 3), "cpu")
    native = getattr(torch if lib == "torch" else np, name)
    assert smallest(arrays(1, native, lib)).dtype == native


def test_dtypes_can_be_narrowed_and_shrink_to_double_precision() -> None:
    def names(**options) -> set[str]:
        found: set[str] = set()
        every(dtypes(**options), lambda d: found.add(d))
        return found

    assert names(library="numpy") == set(DTYPES["numpy"])
    assert names(library="torch") == set(DTYPES["torch"])
    assert names(library="torch", widths=16) == {"float16", "bfloat16"}
    assert names(kinds="complex") == {"complex64", "complex128"}
    assert names(kinds=("real",), widths=(32, 64)) == {"float32", "float64"}
    assert smallest(dtypes("torch")) == "float64"
    assert smallest(dtypes("torch", kinds="complex")) == "complex128"


# Kinds of entries ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_occurs(kind: str) -> None:
    assert occurs(kinds(), lambda k: k == kind)


@pytest.mark.parametrize(("lib", "name"), EVERY)
@pytest.mark.parametrize("shape", [(3, 4), (10, 20)])
def test_integers_are_small_and_whole(lib: str, name: str, shape) -> None:
    most = 3 if "float16" in name else 9

    def check(x) -> None:
        values = parts(x)
        assert np.array_equal(values, np.round(values))
        assert np.abs(values).max() <= most

    every(arrays(shape, name, lib), check, tries=10)
    for wanted in (most, -most, 0):
        assert occurs(arrays(shape, name, lib), lambda x, w=wanted: (parts(x) == w).any())


@pytest.mark.parametrize(("lib", "name"), EVERY)
def test_sparse_arrays_have_one_to_four_entries(lib: str, name: str) -> None:
    strategy = arrays((2, 3, 4), name, lib, kind="sparse")
    every(strategy, lambda x: 1 <= np.count_nonzero(to_numpy(x)) <= 4, tries=20)
    for count in (1, 4):
        assert occurs(strategy, lambda x, c=count: np.count_nonzero(to_numpy(x)) == c)
    if "complex" in name:
        assert occurs(strategy, lambda x: to_numpy(x).imag.any())


def test_sparse_arrays_shrink_to_a_single_one() -> None:
    x = smallest(arrays((2, 3, 4), kind="sparse"), lambda x: x[1].any())
    assert (x[1, 0, 0], np.count_nonzero(x)) == (1, 1)
    x = smallest(arrays((2, 3), "complex64", "torch", kind="sparse"), lambda x: to_numpy(x).imag.any())
    assert x.tolist() == [[1j, 0, 0], [0, 0, 0]]


@pytest.mark.parametrize(("lib", "name"), EVERY)
@pytest.mark.parametrize("shape", [(5, 5), (12, 17)])
def test_floats_are_all_different_and_apart(lib: str, name: str, shape) -> None:
    """No tie, and no near tie: the entries are farther apart than the dtype rounds."""

    def check(x) -> None:
        values = np.sort(parts(x))
        assert np.isfinite(values).all()
        gaps = np.diff(values)
        assert (gaps > 0).all()
        if "float16" not in name:
            assert gaps.min() > 1 / (2 * len(values))
        if len(values) <= ENTRYWISE:
            assert gaps.min() > 0.01
        else:
            assert values[0] < -0.5 < 0.5 < values[-1]

    every(arrays(shape, name, lib, kind="floats"), check, tries=15)


def test_floats_round() -> None:
    """They are no dyadic rationals of few digits, among which nothing would round."""

    def rounds(x) -> bool:
        wide = x.astype(np.longdouble)
        return bool(((x * x).astype(np.longdouble) != wide * wide).any())

    every(arrays((4, 5), kind="floats"), rounds, tries=20)
    assert some(arrays((4, 5), kind="floats"), lambda x: not np.array_equal(np.round(10 * x), 10 * x)).shape == (4, 5)
    assert not rounds(np.arange(20.0))


@pytest.mark.parametrize(("lib", "name"), EVERY)
@pytest.mark.parametrize("shape", [(2, 3), (9, 8)])
def test_extreme_arrays_hold_every_extreme(lib: str, name: str, shape) -> None:
    limits = torch.finfo(getattr(torch, name))
    strategy = arrays(shape, name, lib, kind="extreme")
    every(strategy, lambda x: np.isfinite(parts(x)).all(), tries=20)
    found = lambda condition: occurs(strategy, lambda x: condition(parts(x)))  # noqa: E731
    assert found(lambda v: ((v == 0) & np.signbit(v)).any())
    assert found(lambda v: ((v == 0) & ~np.signbit(v)).any())
    assert found(lambda v: (abs(v) == limits.tiny * limits.eps).any())  # the least denormal number
    assert found(lambda v: ((abs(v) < limits.tiny) & (abs(v) > limits.tiny / 2)).any())
    if name != "float16" or shape == (2, 3):
        reach = 2.0 ** {"float16": 2, "bfloat16": 40, "float32": 40, "complex64": 40}.get(name, 400)
        assert found(lambda v: (abs(v) > reach).any())
        assert found(lambda v: ((abs(v) < 1 / reach) & (abs(v) >= limits.tiny)).any())
        assert found(lambda v: (abs(v) > reach).any() and ((abs(v) < 1 / reach) & (abs(v) >= limits.tiny)).any())


@pytest.mark.parametrize(("lib", "name"), EVERY)
def test_products_of_extremes_do_not_overflow(lib: str, name: str) -> None:
    @settings(max_examples=25, deadline=None, database=None, derandomize=True)
    @given(signals_and_kernels(grid=grids(1, 1, max_side=40), dtype=name, library=lib, kind="extreme"))
    def check(pair) -> None:
        for method in ("definition", "fourier"):
            assert np.isfinite(parts(circular_convolve(*pair, method=method))).all(), method

    check()


@pytest.mark.parametrize("name", ["float64", "float32", "complex64", "float16"])
def test_the_largest_extremes_do_not_overflow_in_the_worst_case(name: str) -> None:
    """Every entry at the largest magnitude, of signals and kernels of very different sizes."""
    tops = {}
    for n in (1, 2, 25, 200):
        seen: list[float] = []
        every(arrays(n, name, kind="extreme"), lambda x, s=seen: s.append(np.abs(parts(x)).max()))
        tops[n] = np.full(n, max(seen) * (1 + 1j if "complex" in name else 1)).astype(name)
    for x in tops.values():
        for w in tops.values():
            for method in ("definition", "fourier"):
                assert np.isfinite(parts(circular_convolve(x, w, method=method))).all(), (len(x), len(w), method)


def test_infinities_and_nan_come_only_when_asked_for() -> None:
    strategy = arrays(6, "complex64", "torch", kind="extreme", nonfinite=True)
    for wanted in (math.inf, -math.inf):
        assert occurs(strategy, lambda x, w=wanted: (parts(x) == w).any())
    assert occurs(strategy, lambda x: np.isnan(parts(x)).any())
    # An infinite imaginary part leaves the real part alone.
    assert occurs(strategy, lambda x: (np.isinf(to_numpy(x).imag) & (to_numpy(x).real == 1)).any())


# Shrinking -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(2))
def test_small_dense_arrays_shrink_entry_by_entry(seed: int) -> None:
    assert smallest(arrays((2, 2)), seed=seed).tolist() == [[0, 0], [0, 0]]
    assert smallest(arrays((2, 2)), lambda x: x[1, 0] < -3, seed).tolist() == [[0, 0], [-4, 0]]
    assert smallest(arrays(3, kind="extreme"), seed=seed).tolist() == [1, 1, 1]
    assert sorted(smallest(arrays(3, kind="floats"), seed=seed).tolist()) == [0, 0.1, 0.2]
    entries = smallest(arrays(2, "complex128"), lambda x: x.imag.any(), seed).tolist()
    assert sorted(map(abs, entries)) == [0, 1]


def test_large_dense_arrays_follow_from_their_first_entries() -> None:
    """They are cheap whatever their size, and the same for the same draw."""
    size = (20, 30)
    assert not smallest(arrays(size)).any()
    assert (smallest(arrays(size, kind="extreme")) == 1).all()
    first, again = (some(arrays(size), lambda x: x[0, 1] > 3) for _ in range(2))
    assert np.array_equal(first, again)
    assert len(np.unique(first)) == 19
    other = some(arrays(size), lambda x: x[0, 1] < -3)
    assert not np.array_equal(first[1:], other[1:])
    assert len(np.unique(some(arrays(size, kind="floats")))) == 600


@pytest.mark.parametrize("seed", range(2))
def test_small_arrays_are_simpler_than_large_ones(seed: int) -> None:
    """What fails on a large array and on a small one shrinks to the small one."""
    strategy = grids(2, 2).flatmap(lambda grid: arrays(grid))
    assert smallest(strategy, lambda x: x.any(), seed).tolist() == [[1]]


# Arguments that are drawn --------------------------------------------------------------------------------------------


def test_every_argument_may_be_a_strategy() -> None:
    strategy = libraries().flatmap(lambda lib: arrays(grids(2, 2), dtypes(lib), st.just(lib), devices(lib), kinds()))
    seen = set()
    every(strategy, lambda x: seen.add((library(x), dtype_name(x.dtype), 7 in x.shape)), tries=400)
    assert {(lib, name) for lib, name, _ in seen} >= set(EVERY)
    assert any(seven for _, _, seven in seen)
    x = some(strategy)  # the first to be drawn is the simplest
    assert (library(x), dtype_name(x.dtype), x.shape) == ("numpy", "float64", (1, 1))


def test_empty_arrays_are_allowed_where_nothing_is_promised() -> None:
    for kind in ("integers", "floats", "extreme"):
        assert smallest(arrays((3, 0), "complex64", kind=kind)).shape == (3, 0)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: arrays(3, "float8"), "dtype: got 'float8'; the floating dtypes of numpy are float64, float32"),
        (lambda: arrays(3, "bfloat16"), "dtype: got 'bfloat16'; the floating dtypes of numpy"),
        (lambda: arrays(3, "int64", "torch"), "dtype: got 'int64'; the floating dtypes of torch are .*bfloat16"),
        (lambda: arrays(3, library="jax"), "library: got 'jax'; choose one of 'numpy', 'torch', 'cupy'"),
        (lambda: arrays(3, kind="dense"), "kind: got 'dense'; choose one of 'integers', 'sparse', 'floats', 'extreme'"),
        (lambda: arrays((3, -1)), "shape: must be an integer, at least 0, got -1"),
        (lambda: arrays(2.5), r"shape: must be an integer, at least 0, got 2\.5"),
        (lambda: arrays((3, 0), kind="sparse"), r"shape: \(3, 0\) has no entries"),
        (lambda: arrays(3, nonfinite=True), 'nonfinite: infinities and NaN come with kind="extreme" only'),
        (lambda: smallest(arrays(3, device="cuda:99")), "device: got 'cuda:99'; numpy has cpu here"),
        (lambda: smallest(arrays(3, kind=st.just("dense"))), "kind: got 'dense'"),
        (lambda: dtypes("numpy", kinds="complex", widths=16), "widths: numpy has no dtype of the kinds"),
        (lambda: dtypes(widths=(8,)), "widths: got 8; choose of 16, 32 and 64"),
        (lambda: dtypes(kinds="integer"), "kinds: got 'integer'"),
        (lambda: devices("jax"), "library: got 'jax'"),
        (lambda: signals_and_kernels(dims=2, length="short"), "length: got 'short'"),
        (lambda: signals_and_kernels(dims=2, grid=(3,)), r"grid: \(3,\) has 1 axes, but dims = 2"),
        (lambda: signals_and_kernels(dims=0), "dims: must be an integer, at least 1, got 0"),
        (lambda: signals_and_kernels(kind="dense"), "kind: got 'dense'"),
    ],
)
def test_what_cannot_be_drawn_is_refused(call, message: str) -> None:
    with pytest.raises((TypeError, ValueError), match=message):
        call()


# Signals and kernels -------------------------------------------------------------------------------------------------


def test_a_signal_and_a_kernel_can_be_convolved() -> None:
    @settings(max_examples=60, deadline=None, database=None, derandomize=True)
    @given(st.data())
    def check(data) -> None:
        dims = data.draw(st.integers(1, 3))
        lib = data.draw(libraries())
        x, w = data.draw(signals_and_kernels(dims, dtype=dtypes(lib), library=lib, kind=kinds()))
        assert (library(x), x.dtype) == (library(w), w.dtype)
        assert lib == library(x)
        y = circular_convolve(x, w, axes=tuple(range(-dims, 0)))
        assert y.shape[-dims:] == x.shape[-dims:]
        assert y.shape[:-dims] == np.broadcast_shapes(x.shape[:-dims], w.shape[:-dims])

    check()


@pytest.mark.parametrize(
    ("what", "condition"),
    {
        "shorter": lambda x, w: w.shape[-1] < x.shape[-1] and w.shape[-2] < x.shape[-2],
        "equal": lambda x, w: w.shape[-2:] == x.shape[-2:] and x.shape[-1] > 2,
        "longer": lambda x, w: w.shape[-1] > x.shape[-1],
        "no batch": lambda x, w: x.ndim == w.ndim == 2,
        "a batch of signals, one kernel without axes for it": lambda x, w: w.ndim == 2 and x.ndim == 4,
        "a batch of kernels": lambda x, w: w.ndim == 3 and x.shape[0] == 1 < w.shape[0],
        "the same batch": lambda x, w: w.ndim == x.ndim == 3 and x.shape[0] == w.shape[0] == 3,
        "batches across": lambda x, w: (
            w.ndim == 4 and x.shape[:2] == (1, x.shape[1]) != (1, 1) and w.shape[:2] == (w.shape[0], 1) != (1, 1)
        ),
    }.items(),
)
def test_pairs_of_every_kind_occur(what: str, condition) -> None:
    assert occurs(signals_and_kernels(2), lambda pair: condition(*pair), tries=2000), what


def test_pairs_shrink_and_lengths_and_grids_are_kept() -> None:
    x, w = smallest(signals_and_kernels(1, grid=(4,), length="longer", kind="sparse", kernel_kind="extreme"))
    assert (x.tolist(), w.tolist()) == ([1, 0, 0, 0], [1, 1, 1, 1, 1])
    x, w = smallest(signals_and_kernels(2, max_side=3), lambda pair: pair[0].any() and pair[1].ndim == 3)
    assert (x.tolist(), w.tolist()) == ([[[1]]], [[[0]]])
    every(signals_and_kernels(1, grid=5, length="longer"), lambda p: p[0].shape[-1] == 5 < p[1].shape[-1], tries=15)
    every(signals_and_kernels(1, max_batch_dims=0), lambda p: p[0].ndim == p[1].ndim == 1, tries=15)
