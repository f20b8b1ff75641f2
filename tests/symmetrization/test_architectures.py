"""Networks as people use them, with every parameter generic: what the mended one keeps, by brute force."""

from __future__ import annotations

import itertools

import pytest
import torch
from torch import Tensor, nn

from equiconv.groups import Translations
from equiconv.symmetrization import symmetrize


def generic(net: nn.Module, seed: int = 0) -> nn.Module:
    """In float64, with no parameter or statistic left at zero or one (timm zero-initialises some branches)."""
    generator = torch.Generator().manual_seed(seed)
    net = net.double().eval()
    with torch.no_grad():
        for name, value in net.state_dict().items():
            if value.is_floating_point():
                noise = 0.1 * torch.randn(value.shape, generator=generator, dtype=torch.float64)
                value.add_(noise.abs() if name.endswith("running_var") else noise)
    return net


def change(net: nn.Module, x: Tensor, shift: tuple[int, ...]) -> float:
    """The largest change of the output under a circular shift, relative to the largest output."""
    with torch.no_grad():
        y, moved = (out if isinstance(out, Tensor) else out[0] for out in (net(x), net(torch.roll(x, shift, (-2, -1)))))
    return float((moved - y).abs().max() / y.abs().max())


def verify(net: nn.Module, strides: tuple[int, int]) -> nn.Module:
    x = torch.randn(1, 3, 64, 64, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    mended = symmetrize(net, x)
    assert all(torch.equal(v, net.state_dict()[k]) for k, v in mended.state_dict().items())
    # Rounding in float64 changes these outputs by some 1e-13 of their size, a broken symmetry by more than 1e-6.
    for shift in itertools.product(range(0, 64, strides[0]), range(0, 64, strides[1])):
        assert change(mended, x, shift) < 1e-10, shift
    for _, larger in Translations((64, 64)).subgroup(strides).minimal_overgroups():
        assert change(mended, x, larger.shifts) > 1e-6, larger
    assert change(net, x, strides) > 1e-6
    return mended


def timm_model(name: str) -> nn.Module:
    timm = pytest.importorskip("timm", reason="timm is an optional dependency; `make test` installs it")
    torch.manual_seed(0)
    return generic(timm.create_model(name))


def test_resnet18() -> None:
    mended = verify(timm_model("resnet18"), (32, 32))
    kinds = [type(m).__name__ for m in mended.modules()]
    assert (kinds.count("CircularConv2d"), kinds.count("CircularMaxPool2d")) == (17, 1)


def test_padding_that_depends_on_the_size() -> None:
    """Some convolutions are a subclass that pads by hand, as much as the size at hand needs."""
    mended = verify(timm_model("tf_mobilenetv3_small_minimal_100"), (32, 32))
    kinds = [type(m).__name__ for m in mended.modules()]
    assert (kinds.count("CircularConv2dSame"), kinds.count("CircularConv2d")) == (5, 7)
    x = torch.randn(2, 3, 96, 128, dtype=torch.float64)
    assert change(mended, x, (64, 32)) < 1e-10


def test_transformers_resnet() -> None:
    transformers = pytest.importorskip("transformers", reason="transformers is an optional dependency")
    config = transformers.ResNetConfig(
        embedding_size=4, hidden_sizes=[4, 8, 8, 8], depths=[1, 1, 1, 1], layer_type="basic", num_labels=3
    )
    torch.manual_seed(0)
    verify(generic(transformers.ResNetForImageClassification(config)), (32, 32))
