"""The plan is the one place that chooses, it says why, and `circular_convolve` follows it."""

from __future__ import annotations

import threading
from typing import Any

import array_api_strict
import numpy as np
import pytest
import torch

from equiconv import circular_convolve, circular_correlate
from equiconv.convolution import Plan, costs, plan
from equiconv.convolution.engines import available

METHODS = ("definition", "direct", "dense", "fourier")


@pytest.mark.parametrize(
    ("x_shape", "w_shape", "axes", "method"),
    [
        ((64, 1024), (3,), -1, "direct"),
        ((64, 1024), (200,), -1, "fourier"),
        ((4096, 16), (16,), -1, "dense"),
        ((700, 64, 64), (2, 2), (-2, -1), "direct"),
        ((7, 64, 64), (31, 31), (-2, -1), "fourier"),
        ((16, 1010), (12,), 0, "dense"),
    ],
)
def test_the_choice_depends_on_the_taps_and_the_sizes(x_shape: Any, w_shape: Any, axes: Any, method: str) -> None:
    assert plan(x_shape, w_shape, axes).method == method


def test_the_choice_does_not_depend_on_how_many_signals_there_are() -> None:
    for taps in (1, 2, 5, 9, 20, 60, 3000):
        for n in (60, 1000, 1009):
            many = {plan((batch, n), (taps,)).chosen.name for batch in (200, 201, 1000, 100000)}
            assert len(many) == 1


def test_a_row_of_a_large_prime_is_convolved_on_a_longer_grid() -> None:
    taken = plan((1000, 1009), (1009,), engine="torch").chosen
    assert taken.grid == (2048,)
    assert plan((1000, 1024), (1024,), engine="torch").chosen.grid == (1024,)


@pytest.mark.parametrize("taps", [4, 40])
@pytest.mark.parametrize("library", ["numpy", "torch"])
def test_circular_convolve_follows_the_plan(taps: int, library: str) -> None:
    rng = np.random.default_rng(taps)
    x, w = rng.standard_normal((300, 64)), rng.standard_normal(taps)
    if library == "torch":
        x, w = torch.as_tensor(x), torch.as_tensor(w)
    chosen = plan(x.shape, w.shape, library=library)
    other = "fourier" if chosen.method != "fourier" else "direct"
    np.testing.assert_array_equal(circular_convolve(x, w), circular_convolve(x, w, method=chosen.method))
    np.testing.assert_array_equal(circular_convolve(x, w), chosen(x, w))
    # The methods round differently, so that the equality above says which one ran.
    assert not np.array_equal(circular_convolve(x, w), circular_convolve(x, w, method=other))


def test_a_plan_describes_the_geometry() -> None:
    p = plan((5, 2, 6), (7, 3, 1, 8), (2, 0), dtype=torch.complex64)
    assert isinstance(p, Plan)
    assert (p.axes, p.sizes, p.kernel_sizes, p.shape) == ((-3, -1), (5, 6), (3, 8), (7, 5, 2, 6))
    assert p.dtype == "complex64"


def test_predicted_counts() -> None:
    def way(p: Plan, method: str) -> Any:
        return next(c for c in p.candidates if c.method == method)

    p = plan((10, 100), (3,), dtype="float32")
    assert way(p, "direct").flops == 2 * 3 * 1000
    assert way(p, "direct").bytes == 4 * 2 * 1000
    assert way(plan((10, 100), (3,), dtype="complex64"), "direct").flops == 8 * 3 * 1000
    # The definition's cost grows with the taps, that of Fourier transforms does not.
    more = plan((10, 100), (30,), dtype="float32")
    assert way(more, "direct").flops == 10 * way(p, "direct").flops
    assert way(more, "fourier") == way(p, "fourier")
    # A half of the work for real data.
    assert way(plan((10, 100), (3,), dtype="complex128"), "fourier").flops == 2 * way(p, "fourier").flops
    assert all(c.seconds > 0 for c in p.candidates)
    assert p.chosen == min(p.candidates, key=lambda c: c.score)


@pytest.mark.parametrize("dtype", [np.float16, "bfloat16", torch.bfloat16, np.dtype("float32")])
def test_narrow_dtypes_are_planned_in_the_dtype_they_are_computed_in(dtype: Any) -> None:
    assert plan((8,), (3,), dtype=dtype).dtype == "float32"


@pytest.mark.parametrize("method", METHODS)
def test_explain_names_the_shapes_the_method_and_the_reason(method: Any) -> None:
    p = plan((8, 64), (9,), method=method)
    text = p.explain()
    assert f"taken: {p.chosen.name}, because {p.reason}" in text
    assert p.method == method
    assert "(8, 64)" in text
    assert p.reason == "the caller asked for it"
    assert all(c.name in text for c in p.candidates)
    assert "expected to be the fastest" in plan((8, 64), (9,)).explain()


def test_planes_with_a_large_prime_may_be_continued_along_it_alone() -> None:
    p = plan((16, 61, 256), (61, 256), (1, 2), "float32")
    assert {c.grid for c in p.candidates if c.method == "fourier"} == {(61, 256), (costs.padded_grid(61), 256)}
    assert {c.grid for c in plan((16, 64, 256), (5, 5), (1, 2)).candidates} == {(64, 256)}
    both = [costs.transform_seconds("torch", "blocks", "float32", grid, 16) for grid in ((61, 256), (61, 251))]
    assert both[0] < both[1] * 61 * 256 / (61 * 251)  # the work along the smooth axis costs what it costs


def test_without_measurements_the_taps_are_counted() -> None:
    few, many = (plan((101,), (taps,), library="cupy", device="<CUDA Device 0>") for taps in (8, 13))
    assert (few.method, many.method) == ("definition", "fourier")
    assert "large prime" in few.explain()
    assert "counts taps" in few.explain()
    assert "large prime" not in plan((100,), (8,), library="cupy").explain()


def test_a_workspace_caps_what_is_taken() -> None:
    free = plan((64, 2**16), (2**15,))
    assert free.method == "fourier"
    tight = plan((64, 2**16), (2**15,), workspace=free.chosen.workspace - 1)
    assert tight.chosen.workspace < free.chosen.workspace
    assert "within" in tight.reason
    with pytest.raises(ValueError, match=r"no way to convolve .* the least is \d+ bytes"):
        plan((64, 2**16), (2**15,), workspace=100)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"dtype": "int64"}, TypeError, "dtype must be real or complex floating, got int64"),
        ({"method": "fast"}, ValueError, "'auto', 'definition', 'direct', 'dense', 'fourier', got 'fast'"),
        ({"axes": ()}, ValueError, "at least one axis"),
        ({"axes": 2}, ValueError, "axis 2"),
        ({"x_shape": (3, 0)}, ValueError, "x of shape \\(3, 0\\) is empty"),
        ({"w_shape": (0,)}, ValueError, "w of shape \\(0,\\) is empty"),
        ({"library": "jax"}, ValueError, "library must be one of 'numpy'"),
        ({"effort": "most"}, ValueError, "effort must be one of 'estimate', 'measure', got 'most'"),
        ({"engine": "cufft"}, ValueError, "engine must be one of 'auto'"),
        ({"threads": 0}, ValueError, "threads must be at least 1, got 0"),
        ({"method": "direct", "w_shape": (9,)}, ValueError, "no longer than the signal"),
        ({"method": "dense", "x_shape": (3, 129)}, ValueError, "at most 128 samples, not 129"),
        ({"method": "dense", "library": "cupy"}, ValueError, "only for NumPy arrays and torch tensors on the CPU"),
        ({"engine": "torch", "library": "cupy"}, ValueError, "only for NumPy arrays and torch tensors on the CPU"),
    ],
)
def test_bad_input(arguments: dict[str, Any], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        plan(**{"x_shape": (3, 8), "w_shape": (3,), **arguments})


def test_an_engine_that_is_not_installed_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("equiconv.convolution.planning.available", lambda: ("torch",))
    with pytest.raises(ValueError, match=r"'ducc0' is not installed \(there are torch\); pip install ducc0"):
        plan((8,), (3,), engine="ducc0")


# ---------------------------------------------------------------------------------------------------------------------
# Prepared kernels
# ---------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("correlate", [False, True])
@pytest.mark.parametrize("axes", [-1, (0, 2)])
def test_a_prepared_kernel_serves_any_number_of_signals(method: Any, correlate: bool, axes: Any) -> None:
    rng = np.random.default_rng(0)
    w = rng.integers(-9, 10, (3,) if axes == -1 else (2, 3)).astype(np.float64)
    function = circular_correlate if correlate else circular_convolve
    prepared = plan((5, 4, 6), w.shape, axes, method=method, origin=1, correlate=correlate).prepare(w)
    for batch in (4, 1, 7, 4, 4, 0):
        x = rng.integers(-9, 10, (5, batch, 6)).astype(np.float64)
        expected = function(x, w, axes, 1, method="definition")
        np.testing.assert_allclose(prepared(x), expected, atol=1e-12)
        out = np.full(expected.shape, np.nan)
        assert prepared(x, out=out) is out
        np.testing.assert_allclose(out, expected, atol=1e-12)
        strided = np.full((5, batch, 12), np.nan)[..., ::-2]
        prepared(x, out=strided)
        np.testing.assert_allclose(strided, expected, atol=1e-12)
        prepared(x, out=x)
        np.testing.assert_allclose(x, expected, atol=1e-12)


def test_a_prepared_kernel_is_a_copy() -> None:
    for method in METHODS:
        w = np.ones((2, 3))
        prepared = plan((2, 8), w.shape, method=method).prepare(w)
        w[...] = 0
        np.testing.assert_allclose(prepared(np.ones((2, 8))), 3)


@pytest.mark.parametrize("method", METHODS)
def test_torch_out_and_gradients(method: Any) -> None:
    x, w = torch.randn(3, 8, dtype=torch.float64), torch.randn(5, dtype=torch.float64)
    p = plan(x.shape, w.shape, method=method, library="torch")
    expected, out = circular_convolve(x, w), torch.empty(3, 8, dtype=torch.float64)
    prepared = p.prepare(w)
    assert prepared(x, out=out) is out
    torch.testing.assert_close(out, expected)
    leaf = x.clone().requires_grad_()
    prepared(leaf).sum().backward()
    torch.testing.assert_close(leaf.grad, w.sum().expand(3, 8))
    with pytest.raises(ValueError, match=r"w requires a gradient.*w.detach\(\)"):
        p.prepare(w.clone().requires_grad_())
    with pytest.raises(ValueError, match="out= records no gradient"):
        prepared(leaf, out=out)
    with torch.no_grad():
        torch.testing.assert_close(prepared(leaf, out=out), expected)


@pytest.mark.parametrize("engine", available())
def test_two_threads_share_a_prepared_kernel(engine: str) -> None:
    rng = np.random.default_rng(1)
    x, w = rng.standard_normal((8, 40, 64)), rng.standard_normal(64)
    prepared = plan(x[0].shape, w.shape, engine=engine, threads=1).prepare(w)
    expected, results = [circular_convolve(part, w, method="definition") for part in x], [np.empty(0)] * 8

    def work(i: int) -> None:
        for _ in range(20):
            results[i] = prepared(x[i])

    workers = [threading.Thread(target=work, args=(i,)) for i in range(8)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    for result, truth in zip(results, expected, strict=True):
        np.testing.assert_allclose(result, truth, atol=1e-12)


def test_what_does_not_fit_a_plan_is_refused() -> None:
    p = plan((3, 8), (3,), dtype="float32")
    w, x = np.ones(3, np.float32), np.ones((3, 8), np.float32)
    prepared = p.prepare(w)
    with pytest.raises(ValueError, match=r"w must have the plan's shape \(3,\), got \(4,\)"):
        p.prepare(np.ones(4, np.float32))
    with pytest.raises(TypeError, match="x must be float32, as the plan was made for, got float64"):
        prepared(x.astype(np.float64))
    with pytest.raises(TypeError, match="x must be a numpy array, as the plan was made for, got one of torch"):
        prepared(torch.as_tensor(x))
    with pytest.raises(TypeError, match="w must be float32"):
        p(x, w.astype(np.float64))
    with pytest.raises(ValueError, match=r"sizes \(8,\) along axes \(-1,\).*got shape \(3, 9\)"):
        prepared(np.ones((3, 9), np.float32))
    with pytest.raises(ValueError, match="2 axes"):
        prepared(np.ones((2, 3, 8), np.float32))
    with pytest.raises(ValueError, match=r"out must have the shape of the result, \(3, 8\), got \(8, 3\)"):
        prepared(x, out=np.empty((8, 3), np.float32))
    with pytest.raises(TypeError, match="out must be float32"):
        prepared(x, out=np.empty((3, 8)))
    frozen = np.empty((3, 8), np.float32)
    frozen.flags.writeable = False
    with pytest.raises(ValueError, match="out is read-only"):
        prepared(x, out=frozen)
    memory = np.ones((4, 8), np.float32)
    with pytest.raises(ValueError, match="out overlaps x"):
        prepared(memory[:3], out=memory[1:])
    prepared(memory[:2], out=memory[2:])
    with pytest.raises(ValueError, match="out repeats memory"):
        plan((3, 8), (3,), dtype="float32", library="torch")(
            torch.as_tensor(x), torch.as_tensor(w), out=torch.empty(1, 8).expand(3, 8)
        )


def test_a_plan_of_another_library_computes_there() -> None:
    x, w = array_api_strict.asarray([1.0, 2.0, 3.0]), array_api_strict.asarray([0.0, 1.0])
    p = plan((3,), (2,), library="array_api_strict", device=array_api_strict.Device("CPU_DEVICE"))
    assert np.asarray(p(x, w)).tolist() == [3.0, 1.0, 2.0]
    assert np.asarray(p.prepare(w)(x)).tolist() == [3.0, 1.0, 2.0]
