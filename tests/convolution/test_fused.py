"""The plan's way to the fused kernel, with the kernel's own source run on this machine's processor."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from equiconv import circular_convolve, plan
from equiconv.convolution import cuda, fused
from tests.convolution.cuda import host

pytestmark = pytest.mark.skipif(
    host.compiler() is None, reason="no C++ compiler, with which the kernel runs on the CPU"
)


@pytest.fixture
def _on_host(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fused, "_runtime", host.Host())
    monkeypatch.setattr(cuda, "device_limits", lambda like: cuda.HOPPER)


def made(*args: Any, **options: Any) -> Any:
    return plan(*args, library="torch", device="cuda:0", engine="fused", **options)


@pytest.mark.usefixtures("_on_host")
@pytest.mark.parametrize("correlate", [False, True])
@pytest.mark.parametrize(
    ("x_shape", "w_shape", "axes", "dtype"),
    [
        ((3, 60), (7,), -1, "float32"),
        ((3, 60), (3, 90), -1, "float64"),
        ((6, 2, 5), (3, 1, 4), (0, 2), "complex64"),
        ((2, 16), (5,), -1, "float16"),
    ],
)
def test_it_computes_what_the_definition_says(
    correlate: bool, x_shape: Any, w_shape: Any, axes: Any, dtype: str
) -> None:
    generator = torch.Generator().manual_seed(0)
    x, w = (
        torch.randn(shape, generator=generator, dtype=torch.float64).to(getattr(torch, dtype))
        for shape in (x_shape, w_shape)
    )
    p = made(x_shape, w_shape, axes, dtype, origin=1, correlate=correlate)
    assert (p.engine, p.method) == ("fused", "fourier")
    wide = torch.complex128 if x.is_complex() else torch.float64
    cpu = plan(x_shape, w_shape, axes, wide, origin=1, correlate=correlate, method="definition", library="torch")
    truth = cpu(x.to(wide), w.to(wide))
    for y in (fused.convolve_fused(p, x, w), fused.convolve_fused(p, x, fused.prepare_fused(p, w))):
        assert y.dtype == x.dtype
        torch.testing.assert_close(y.to(wide), truth, atol=2e-2 if dtype == "float16" else 2e-5, rtol=1e-3)


@pytest.mark.usefixtures("_on_host")
def test_gradients_flow_to_both() -> None:
    generator = torch.Generator().manual_seed(0)
    x, w = (torch.randn(n, generator=generator, dtype=torch.float64).requires_grad_() for n in ((2, 12), (5,)))
    p = made((2, 12), (5,), dtype="float64")
    found = torch.autograd.grad(fused.convolve_fused(p, x, w).square().sum(), (x, w))
    expected = torch.autograd.grad(circular_convolve(x, w, method="definition").square().sum(), (x, w))
    for a, b in zip(found, expected, strict=True):
        torch.testing.assert_close(a, b)


@pytest.mark.usefixtures("_on_host")
def test_what_does_not_fit_says_why() -> None:
    p = made((2**20,), (3,), dtype="float32")
    with pytest.raises(ValueError, match=r"cannot convolve signals of \(1048576,\): .*shared memory.*engine='auto'"):
        fused.prepare_fused(p, torch.ones(3))


def test_it_is_taken_where_it_is_asked_for_only() -> None:
    assert plan((3, 60), (50,), library="cupy", device="<CUDA Device 0>").engine == "library"
    assert "fused" in plan((3, 60), (50,), library="cupy", device="<CUDA Device 0>").explain()
    with pytest.raises(ValueError, match="engine 'fused' is only for CuPy arrays and torch CUDA tensors"):
        plan((3, 60), (50,), engine="fused")
    with pytest.raises(ValueError, match="engine 'fused' is only for"):
        plan((3, 60), (50,), engine="fused", library="torch")


def test_numpy_is_no_gpu() -> None:
    kernel = cuda.prepare_kernel(np.ones(8, np.float32), cuda.find_schedule((8,), "float32"))  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="CuPy arrays and torch CUDA tensors"):
        cuda.convolve(np.ones(8, np.float32), kernel)
