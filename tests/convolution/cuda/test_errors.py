"""Bad input to the fused kernel: what came, what is accepted, what to do."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest
import torch

from equiconv.convolution.cuda import Epilogue, convolve, convolve_with_gradient, find_schedule, prepare_kernel
from equiconv.convolution.cuda.execution import Arguments
from equiconv.convolution.cuda.schedule import Pass, Schedule
from equiconv.convolution.cuda.source import Variant

SCHEDULE = find_schedule((8,), "float32")
COMPLEX = find_schedule((8,), "complex64")


class Refusing:
    """A runtime that must not be reached: everything is refused before a kernel is launched."""

    out_of_memory: tuple[type[BaseException], ...] = ()

    def check(self, schedule: Schedule, like: Any) -> None:
        pass

    def empty(self, shape: tuple[int, ...], dtype: Any, like: Any) -> Any:
        return np.empty(shape, dtype)

    def tables(self, schedule: Schedule, launched: Pass, like: Any) -> tuple[int, int]:
        raise AssertionError("a kernel was about to be launched")

    def launch(
        self, schedule: Schedule, launched: Pass, variant: Variant, blocks: int, arguments: Arguments, like: Any
    ) -> None:
        raise AssertionError("a kernel was launched")


def zeros(*shape: int, dtype: str = "float32") -> Any:
    return np.zeros(shape, dtype)


KERNEL = prepare_kernel(zeros(8), SCHEDULE)


@pytest.mark.parametrize(
    ("w", "error", "message"),
    [
        (zeros(8, dtype="float64"), TypeError, "w is float64 and the schedule was made for float32"),
        (zeros(9), ValueError, "w of shape (9,) does not end in the sizes (8,)"),
        (zeros(), ValueError, "w of shape () does not end"),
        ([1.0] * 8, TypeError, "must be a NumPy, CuPy or torch array"),
    ],
    ids=str,
)
def test_prepare_kernel(w: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=re.escape(message)):
        prepare_kernel(w, SCHEDULE)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"x": zeros(2, 8, dtype="float64")}, TypeError, "x is float64 and the schedule was made for float32"),
        ({"x": zeros(2, 8, dtype="complex64")}, TypeError, "x is complex64"),
        ({"x": zeros(8, 2)}, ValueError, "x of shape (8, 2) does not end in the sizes (8,)"),
        ({"x": torch.zeros(2, 8)}, TypeError, "different libraries (torch, numpy)"),
        ({"out": zeros(3, 8)}, ValueError, "out has shape (3, 8), and the result has (2, 8)"),
        ({"out": zeros(2, 8, dtype="float64")}, TypeError, "out is float64 and the result is float32"),
        ({"out": torch.zeros(2, 8)}, TypeError, "different libraries"),
        ({"out": zeros(8, 2).T}, ValueError, "out must be contiguous"),
        (
            {"kernel": prepare_kernel(zeros(3, 8), SCHEDULE)},
            ValueError,
            "(2,) and those of the kernel (3,) do not broad",
        ),
        ({"epilogue": Epilogue(activation="tanh")}, ValueError, "activation must be 'none', 'relu'"),  # type: ignore[arg-type]
        ({"epilogue": Epilogue(scale=1j)}, TypeError, "scale must be a real number, got 1j"),
        ({"epilogue": Epilogue(scale=zeros(2))}, TypeError, "scale must be a real number"),
        ({"epilogue": Epilogue(bias=zeros(3))}, ValueError, "do not broadcast"),
        ({"epilogue": Epilogue(bias=zeros(5, 2))}, ValueError, "a bias of shape (5, 2) does not broadcast"),
        ({"epilogue": Epilogue(bias=zeros(2, dtype="float64"))}, TypeError, "the bias is float64 and x is float32"),
        ({"epilogue": Epilogue(bias=torch.zeros(2))}, TypeError, "different libraries"),
        (
            {
                "x": zeros(2, 8, dtype="complex64"),
                "kernel": prepare_kernel(zeros(8, dtype="complex64"), COMPLEX),
                "epilogue": Epilogue(activation="relu"),
            },
            TypeError,
            "'relu' is not defined on complex numbers",
        ),
    ],
    ids=str,
)
def test_convolve(arguments: dict[str, Any], error: type[Exception], message: str) -> None:
    given = {"x": zeros(2, 8), "kernel": KERNEL, "runtime": Refusing()} | arguments
    with pytest.raises(error, match=re.escape(message)):
        convolve(**given)


def test_out_must_not_be_read() -> None:
    memory = zeros(40)
    x = memory[:16].reshape(2, 8)
    for start in (0, 8, 15):
        with pytest.raises(ValueError, match="out shares memory with x"):
            convolve(x, KERNEL, memory[start : start + 16].reshape(2, 8), runtime=Refusing())
    with pytest.raises(AssertionError, match="about to be launched"):
        convolve(x, KERNEL, memory[16:32].reshape(2, 8), runtime=Refusing())
    with pytest.raises(ValueError, match="out shares memory with the bias"):
        convolve(zeros(2, 8), KERNEL, x, Epilogue(bias=memory[3:5]), runtime=Refusing())
    spectrum = KERNEL.spectrum.view(np.float32).reshape(-1)
    with pytest.raises(ValueError, match="out shares memory with the kernel"):
        convolve(zeros(8), KERNEL, spectrum[:8], runtime=Refusing())


def test_a_tensor_that_keeps_a_gradient_is_no_out() -> None:
    kernel = prepare_kernel(torch.zeros(8), SCHEDULE)
    with pytest.raises(ValueError, match="out must be a plain tensor"):
        convolve(torch.zeros(8), kernel, torch.zeros(8, requires_grad=True), runtime=Refusing())


def test_out_of_memory_says_how_much() -> None:
    class Full(Refusing):
        out_of_memory = (MemoryError,)

        def empty(self, shape: tuple[int, ...], dtype: Any, like: Any) -> Any:
            raise MemoryError

    with pytest.raises(MemoryError, match="the result needs 64 bytes"):
        convolve(zeros(2, 8), KERNEL, runtime=Full())


@pytest.mark.parametrize("x", [zeros(2, 8), torch.zeros(2, 8)], ids=["numpy", "torch"])
def test_what_is_on_no_gpu(x: Any) -> None:
    kernel = prepare_kernel(x[0], SCHEDULE)
    with pytest.raises(TypeError, match=r"takes CuPy arrays and torch CUDA tensors.*cupy.asarray\(x\) or x.cuda\(\)"):
        convolve(x, kernel)


def test_only_torch_keeps_gradients() -> None:
    with pytest.raises(TypeError, match="w must be a torch tensor, got a numpy array"):
        convolve_with_gradient(torch.zeros(8), zeros(8), SCHEDULE)  # type: ignore[arg-type]
