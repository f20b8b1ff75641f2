"""Models that call `circular_convolve`: one operation in what torch exports, opened for the certifier, and judged as what it is made of."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from equiconv.certification import certify
from equiconv.convolution import circular_convolve, circular_correlate
from equiconv.graph import capture
from tests.certification.attack import attack
from tests.certification.networks import Net


def noise(*shape: int, dtype: torch.dtype = torch.float32) -> Tensor:
    return torch.randn(shape, dtype=dtype, generator=torch.Generator().manual_seed(sum(shape)))


PLANE, LONG, ROWS, LINE, CHANNELS = noise(3, 5), noise(12, 20), noise(12, 3), noise(3), noise(2, 3, 3)
POSITIONS = torch.arange(8.0)
AXES = (-2, -1)

# What is certified (its strides on 12 × 8), and its kind. Where shifts are lost, every larger subgroup is refuted.
MODELS = {
    "a plane": (lambda x: circular_convolve(x, PLANE, AXES, (1, 2)).relu(), (1, 1), "equivariant"),
    "by definition": (lambda x: circular_correlate(x, PLANE, AXES, 1, method="definition"), (1, 1), "equivariant"),
    "a kernel that wraps": (lambda x: circular_convolve(x, LONG, AXES), (1, 1), "equivariant"),
    "a complex kernel": (lambda x: circular_convolve(x, PLANE * 1j, AXES).abs(), (1, 1), "equivariant"),
    "kernels for channels": (lambda x: circular_convolve(x, CHANNELS, AXES), (1, 1), "equivariant"),
    "along one axis": (lambda x: circular_convolve(x, LINE), (1, 1), "equivariant"),
    "a kernel for each row": (lambda x: circular_convolve(x, ROWS), (12, 1), "equivariant"),
    "a kernel for each row, by definition": (
        lambda x: circular_convolve(x, ROWS, method="definition"),
        (12, 1),
        "equivariant",
    ),
    "a kernel from the mean": (
        lambda x: circular_convolve(x, x.mean(AXES, keepdim=True) * PLANE, AXES),
        (1, 1),
        "equivariant",
    ),
    "a kernel cut from the image": (lambda x: circular_convolve(x, x[..., :3, :3], AXES), (12, 8), "none"),
    "correlated with itself": (lambda x: circular_correlate(x, x, AXES), (1, 1), "invariant"),
    "with a stride": (lambda x: circular_convolve(x, PLANE, AXES)[..., ::3, ::2], (3, 2), "equivariant"),
    "beside positions": (lambda x: circular_convolve(x * POSITIONS, LINE), (1, 8), "equivariant"),
    "of the spectrum": (lambda x: circular_convolve(torch.fft.fft(x), LINE + 0j).real, (1, 8), "equivariant"),
    "zero-padded": (
        lambda x: circular_convolve(nn.functional.pad(x, (2, 2)), LINE)[..., 2:-2],
        (1, 8),
        "equivariant",
    ),
    "along the channels": (lambda x: circular_convolve(x, LINE[:2], 1), (1, 1), "equivariant"),
}


@pytest.mark.parametrize("name", MODELS)
def test_verdicts(name: str) -> None:
    function, strides, kind = MODELS[name]
    x = noise(1, 2, 12, 8)
    net = Net(function).eval()
    certificate = certify(net, x)
    assert (certificate.strides, certificate.kind) == (strides, kind)
    assert certificate.exact
    assert not certificate.unknown
    _, found = attack(net, x)
    for _, report in found.values():
        assert not report.violations


class Smooth(nn.Module):
    def __init__(self, *, positions: bool) -> None:
        super().__init__()
        self.weight, self.positions = nn.Parameter(noise(5)), positions

    def forward(self, x: Tensor) -> Any:
        y = circular_convolve(x, self.weight, origin=2)
        return y * torch.arange(x.shape[-1]) if self.positions else y


@pytest.mark.parametrize("positions", [False, True])
@pytest.mark.parametrize("shape", [(3, 2, 16), (5, 2, 16), (5, 2, 24), (1, 2, 3)])
def test_exported_programs_of_any_size(positions: bool, shape: tuple[int, ...]) -> None:
    dims = {0: torch.export.Dim("batch"), 2: torch.export.Dim("length", min=2)}
    program = torch.export.export(Smooth(positions=positions).eval(), (noise(3, 2, 16),), dynamic_shapes=(dims,))
    certificate = certify(program, noise(*shape), axes=(-1,))
    assert certificate.strides == (shape[-1] if positions else 1,)
    assert certificate.exact


def test_a_captured_graph_holds_torchs_operations_and_the_users_line() -> None:
    graph = capture(Smooth(positions=False).eval(), (noise(3, 2, 16),))
    names = {node.operation for node in graph.nodes}
    assert not any("circular_convolve" in name for name in names)
    node = next(n for n in graph.nodes if "fft" in n.operation)
    assert node.source is not None
    assert node.source.code == "y = circular_convolve(x, self.weight, origin=2)"
