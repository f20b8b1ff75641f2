"""Networks as they are called: several inputs and outputs, outputs in dicts and dataclasses, half precision, one and three dimensions."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils import _pytree as pytree

from equiconv.certification import certify
from tests.certification.attack import attack
from tests.certification.networks import circular

X = torch.randn(1, 1, 12, 8, generator=torch.Generator().manual_seed(0))


@dataclass
class Maps:
    fine: Tensor
    coarse: Tensor


pytree.register_dataclass(Maps, serialized_type_name="equiconv_tests.Maps")


class Heads(nn.Module):
    """A backbone whose maps are returned in one of several ways."""

    def __init__(self, how: str) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.how, self.conv, self.down = how, circular(), nn.Conv2d(2, 2, 3, 2, 1, padding_mode="circular")

    def forward(self, x: Tensor) -> object:
        fine = self.conv(x).relu()
        coarse = self.down(fine).relu()
        logits = coarse.mean((2, 3))
        if self.how == "dict":
            return {"maps": [fine, coarse], "logits": logits, "size": x.shape[-1], "none": None}
        if self.how == "dataclass":
            return Maps(fine, coarse)
        return fine, (coarse, logits), fine


def outputs(certificate) -> dict[str, tuple[str, tuple[int, ...]]]:
    return {o.name: (o.kind, o.strides) for o in certificate.outputs}


def test_outputs_in_a_dict_are_named_by_their_path() -> None:
    net = Heads("dict").eval()
    certificate = certify(net, X)
    assert outputs(certificate) == {
        "output['maps'][0]": ("equivariant", (1, 1)),
        "output['maps'][1]": ("equivariant", (2, 2)),
        "output['logits']": ("invariant", (2, 2)),
    }
    assert (certificate.strides, certificate.kind, certificate.exact) == ((2, 2), "equivariant", True)
    assert certificate.check(net, X)


def test_outputs_in_a_dataclass() -> None:
    certificate = certify(Heads("dataclass").eval(), X)
    assert outputs(certificate) == {"output.fine": ("equivariant", (1, 1)), "output.coarse": ("equivariant", (2, 2))}
    assert certificate.exact


def test_one_tensor_returned_twice() -> None:
    certificate = certify(Heads("tuple").eval(), X)
    assert [o.strides for o in certificate.outputs] == [(1, 1), (2, 2), (2, 2), (1, 1)]
    assert certificate.exact


class Stereo(nn.Module):
    """Two images, which shift together, and a number for each member of the batch, which does not."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.conv = circular()

    def forward(self, left: Tensor, right: Tensor, gain: Tensor, mask: Tensor | None = None) -> Tensor:
        y = self.conv(left) * self.conv(right) * gain[:, None, None, None]
        return y if mask is None else y * mask


def test_several_inputs() -> None:
    net, gain = Stereo().eval(), torch.rand(1)
    certificate = certify(net, (X, X.flip(2), gain))
    assert certificate.moved == ("left", "right")
    assert any("gain" in note or "(1,)" in note for note in certificate.notes)
    assert (certificate.strides, certificate.kind, certificate.exact) == ((1, 1), "equivariant", True)
    assert certificate.check(net, (X, X.flip(2), gain))
    # a mask of the image's size shifts with it; one for each row is taken to stay where it is
    named = {"left": X, "right": X, "gain": gain, "mask": (X > 0).float()}
    assert certify(net, named, refute=False).strides == (1, 1)
    assert certify(net, {**named, "mask": torch.rand(12, 1)}, refute=False).strides == (12, 1)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float64])
def test_other_precisions(dtype: torch.dtype) -> None:
    net = (
        nn.Sequential(circular(stride=2), nn.ReLU(), nn.ConvTranspose2d(2, 1, 2, 2), nn.GroupNorm(1, 1))
        .eval()
        .to(dtype)
    )
    certificate = certify(net, X.to(dtype))
    assert (certificate.strides, certificate.kind, certificate.exact) == ((2, 2), "equivariant", True)
    assert certificate.check(net, X.to(dtype))


def _one(**options: object) -> nn.Conv1d:
    return nn.Conv1d(1, 2, 3, padding=1, padding_mode="circular", **options)  # type: ignore[arg-type]


def _three(**options: object) -> nn.Conv3d:
    return nn.Conv3d(1, 2, 3, padding=1, padding_mode="circular", **options)  # type: ignore[arg-type]


ONE = {
    "stride": (lambda: nn.Sequential(_one(stride=2), nn.ReLU()), (2,), "equivariant"),
    "transposed": (
        lambda: nn.Sequential(_one(stride=2), nn.ReLU(), nn.ConvTranspose1d(2, 1, 2, 2)),
        (2,),
        "equivariant",
    ),
    "transposed, overlapping": (lambda: nn.ConvTranspose1d(1, 1, 4, 2, 1), (12,), "none"),
    "pooled": (lambda: nn.Sequential(_one(), nn.ReLU(), nn.MaxPool1d(3), nn.AdaptiveAvgPool1d(1)), (3,), "invariant"),
}


@pytest.mark.parametrize("name", ONE)
def test_one_dimension(name: str) -> None:
    build, strides, kind = ONE[name]
    torch.manual_seed(0)
    net, x = build().eval(), torch.randn(1, 1, 12)
    certificate = certify(net, x, axes=-1)
    assert (certificate.strides, certificate.kind, certificate.exact) == (strides, kind, True)
    assert not certificate.check(net, x).violations


THREE = {
    "stride": (lambda: nn.Sequential(_three(stride=(1, 2, 2)), nn.ReLU()), (1, 2, 2), "equivariant"),
    "transposed": (
        lambda: nn.Sequential(_three(stride=2), nn.ReLU(), nn.ConvTranspose3d(2, 1, 2, 2)),
        (2, 2, 2),
        "equivariant",
    ),
    "transposed, overlapping in one": (
        lambda: nn.ConvTranspose3d(1, 1, (2, 2, 3), 2, (0, 0, 1)),
        (1, 1, 4),
        "equivariant",
    ),
    "batch statistics": (
        lambda: nn.Sequential(_three(), nn.BatchNorm3d(2, track_running_stats=False), nn.ReLU(), nn.AvgPool3d(2)),
        (2, 2, 2),
        "equivariant",
    ),
}


@pytest.mark.parametrize("name", THREE)
def test_three_dimensions(name: str) -> None:
    build, strides, kind = THREE[name]
    torch.manual_seed(0)
    net, x = build().eval(), torch.randn(1, 1, 4, 6, 4)
    certificate = certify(net, x, axes=(-3, -2, -1))
    assert (certificate.strides, certificate.kind, certificate.exact) == (strides, kind, True)
    assert not certificate.check(net, x).violations


def test_an_opened_operation_is_wrapped_like_any_other() -> None:
    """A local response norm is made of an average pool over the channels; the padding of the convolution before it still wraps."""

    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv = nn.Conv2d(1, 2, 3, padding=1)

        def forward(self, x: Tensor) -> Tensor:
            return F.cosine_similarity(F.local_response_norm(self.conv(x), 2), x, dim=1)

    net = Net().eval()
    certificate = certify(net, X)
    assert (certificate.strides, certificate.potential) == ((12, 8), (1, 1))
    _, found = attack(net, X)
    assert not any(report.violations for _, report in found.values())
    twin = certify(net, X, padding="circular")
    assert twin.exact
    assert twin.check(net, X)
