"""Real networks: full verdicts that agree with brute force in float64, with every parameter made generic."""

from __future__ import annotations

import importlib.util
from collections import Counter

import pytest
import torch
from torch import nn

from equiconv.certification import certify

HAS_TIMM = importlib.util.find_spec("timm") is not None and importlib.util.find_spec("torchvision") is not None
needs_timm = pytest.mark.skipif(
    not HAS_TIMM, reason="timm (and torchvision, which it needs) is not installed: pip install 'equiconv[models]'"
)


def generic(net: nn.Module) -> nn.Module:
    """The network in evaluation mode with every parameter and statistic made generic: some are zero or one at first."""
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for value in [*net.parameters(), *net.buffers()]:
            if value.is_floating_point() and value.ndim <= 1:
                value.add_(0.2 * torch.rand(value.shape, generator=generator))
    return net.eval()


def timm_model(name: str) -> nn.Module:
    import timm

    torch.manual_seed(0)
    return generic(timm.create_model(name))


def transformers_model(name: str) -> nn.Module:
    import transformers as tr

    torch.manual_seed(0)
    if name == "resnet":
        config = tr.ResNetConfig(layer_type="basic", depths=[2, 2, 2, 2], hidden_sizes=[64, 128, 256, 512])
        return generic(tr.ResNetForImageClassification(config))
    return generic(
        tr.ConvNextForImageClassification(tr.ConvNextConfig(depths=[1, 1, 2, 1], hidden_sizes=[16, 32, 48, 64]))
    )


@needs_timm
def test_resnet18_at_224() -> None:
    net = timm_model("resnet18")
    certificate = certify(net, torch.randn(1, 3, 224, 224, generator=torch.Generator().manual_seed(1)))
    assert certificate.strides == (224, 224)
    assert certificate.kind == "none"
    assert certificate.exact
    paddings = [o for o in certificate.obstacles if o.cause == "padding"]
    assert Counter("pool" in o.operation for o in paddings) == {False: 17, True: 1}
    assert all(o.removable and o.remedy and o.source and o.source.code for o in paddings)
    assert certificate.potential == (32, 32)
    assert certificate.potential_kind == "invariant"
    costs = [o for o in certificate.obstacles if o.cause == "stride"]
    assert [o.module for o in costs] == [
        "conv1",
        "maxpool",
        "layer2.0.conv1",
        "layer2.0.downsample.0",
        "layer3.0.conv1",
        "layer3.0.downsample.0",
        "layer4.0.conv1",
        "layer4.0.downsample.0",
    ]
    assert [o.after for o in costs[:3]] == [(2, 2), (4, 4), (8, 8)]
    first = paddings[0]
    assert (first.module, first.source.code) == ("conv1", "x = self.conv1(x)")
    assert first.source.file.endswith("timm/models/resnet.py")


# (name, size, strides, potential, its kind); sizes small enough for two cores, large enough that the last map has more than one position
CASES = [
    ("resnet50", 64, (64, 64), (32, 32), "invariant"),
    ("vgg11", 64, (64, 64), (64, 64), "none"),
    ("densenet121", 64, (64, 64), (32, 32), "invariant"),
    ("mobilenetv3_small_100", 64, (64, 64), (32, 32), "invariant"),
    ("efficientnet_b0", 64, (64, 64), (32, 32), "invariant"),
    ("convnext_atto", 64, (64, 64), (32, 32), "invariant"),
    ("vovnet39a", 64, (64, 64), (64, 64), "none"),
    # They cut their maps in patches of 2 × 2 and attend over the patches: an odometer that nobody takes apart.
    ("mobilevit_xxs", 64, (64, 64), (32, 32), "invariant"),
    ("mobilevitv2_050", 64, (64, 64), (32, 32), "invariant"),
]


@needs_timm
@pytest.mark.parametrize(("name", "size", "strides", "potential", "kind"), CASES, ids=[c[0] for c in CASES])
def test_timm(name: str, size: int, strides: tuple[int, int], potential: tuple[int, int], kind: str) -> None:
    decide(timm_model(name), size, strides, potential, kind)


@pytest.mark.parametrize(("name", "size"), [("resnet", 64), ("convnext", 64)])
def test_transformers(name: str, size: int) -> None:
    pytest.importorskip("transformers", reason="transformers is not installed: pip install 'equiconv[models]'")
    decide(transformers_model(name), size, (size, size), (32, 32), "invariant")


def decide(net: nn.Module, size: int, strides: tuple[int, int], potential: tuple[int, int], kind: str) -> None:
    """Certified shifts hold and every minimal larger subgroup fails, as it stands and with circular padding."""
    x = torch.randn(1, 3, size, size, generator=torch.Generator().manual_seed(1))
    certificate = certify(net, x)
    assert not certificate.unknown
    assert (certificate.strides, certificate.potential, certificate.potential_kind) == (strides, potential, kind)
    assert certificate.exact
    assert not certificate.check(net, x).violations
    twin = certify(net, x, padding="circular")
    assert (twin.strides, twin.kind) == (potential, kind)
    assert twin.exact
    report = twin.check(net, x)
    assert report, str(report)
    assert report.claims > 50


# (name, size, strides with circular padding, what costs the rest). Sizes are the smallest that show it.
HELD_OUT = [
    ("vovnet39a", 96, (96, 96), "ceil_mode"),
    ("selecsls42", 128, (64, 64), "stride"),
    ("convmixer_768_32", 56, (7, 7), "stride"),
    ("pvt_v2_b0", 64, (32, 32), "stride"),
    ("swin_tiny_patch4_window7_224", 224, (224, 224), "constant"),
    ("sequencer2d_s", 224, (224, 224), "order"),
    ("volo_d1_224", 224, (224, 224), "fold"),
]


@needs_timm
@pytest.mark.parametrize(("name", "size", "strides", "cause"), HELD_OUT, ids=[c[0] for c in HELD_OUT])
def test_circular_twins(name: str, size: int, strides: tuple[int, int], cause: str) -> None:
    """What is left were every padding circular, for networks that a rule of thumb gets wrong."""
    certificate = certify(timm_model(name), torch.randn(1, 3, size, size), padding="circular", refute=False)
    assert not certificate.unknown
    assert certificate.strides == strides
    assert cause in {o.cause for o in certificate.obstacles}
