"""Circulant operators on torch tensors pass whole through torch.compile and torch.export by `apply`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import torch
from torch import nn
from torch._dynamo.testing import CompileCounterWithBackend

from equiconv.operators import Circulant


@pytest.fixture(autouse=True)
def _fresh() -> Iterator[None]:
    torch._dynamo.reset()
    yield
    torch._dynamo.reset()


def noise(*shape: int, dtype: torch.dtype = torch.float64) -> torch.Tensor:
    return torch.randn(shape, dtype=dtype, generator=torch.Generator().manual_seed(len(shape)))


@pytest.mark.parametrize("dtype", [torch.float64, torch.complex128])
@pytest.mark.parametrize("what", ["apply", "transposed", "other axis"])
@pytest.mark.parametrize("recorded", [False, True])
def test_one_program_serves_every_batch(dtype: torch.dtype, what: str, recorded: bool) -> None:
    def f(x: torch.Tensor, w: torch.Tensor) -> Any:
        C = Circulant(w)
        return C.T.apply(x) if what == "transposed" else C.apply(x, 1 if what == "other axis" else None)

    counter = CompileCounterWithBackend("aot_eager")
    compiled = torch.compile(f, backend=counter, fullgraph=True, dynamic=True)
    w = noise(16, dtype=dtype).requires_grad_(recorded)
    for batch in (2, 3, 50):
        x = noise(batch, 16, 16, dtype=dtype).requires_grad_(recorded)
        y, expected = compiled(x, w), f(x, w)
        torch.testing.assert_close(y, expected, rtol=1e-12, atol=1e-12)
        if not recorded:
            continue
        found, known = (torch.autograd.grad(t.abs().square().sum(), (x, w)) for t in (y, expected))
        for a, b in zip(found, known, strict=True):
            torch.testing.assert_close(a, b, rtol=1e-9, atol=1e-9)
    assert counter.frame_count == 1


def test_export_takes_every_batch() -> None:
    class Model(nn.Module):
        def forward(self, x: torch.Tensor, w: torch.Tensor) -> Any:
            return Circulant(w).apply(x)

    w = noise(16)
    shapes = ({0: torch.export.Dim("batch")}, None)
    program = torch.export.export(Model(), (noise(3, 16), w), dynamic_shapes=shapes)
    for batch in (1, 7):
        x = noise(batch, 16)
        torch.testing.assert_close(program.module()(x, w), Circulant(w).apply(x), rtol=1e-12, atol=1e-12)
