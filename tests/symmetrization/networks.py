"""Small networks that pad in every way that torch offers, each with the subgroup that wrapping should give it.

Weights and inputs are small integers in float64 and every mean is over a power of two, so that convolution, pooling,
ReLU and sums are bitwise: what holds, holds exactly.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from equiconv.nn import LectureClassifier


def integral(net: nn.Module, seed: int = 0) -> nn.Module:
    """The network in evaluation mode, in float64, with generic integer weights."""
    generator = torch.Generator().manual_seed(seed)
    net = net.double().eval()
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.copy_(torch.randint(-3, 4, parameter.shape, generator=generator))
    return net


def integers(shape: tuple[int, ...], seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(-4, 5, shape, generator=generator).double()


class Pooled(nn.Sequential):
    """Layers, then the mean over the image."""

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x).mean(tuple(range(2, x.ndim)))


class Block(nn.Module):
    """A residual block with a projection, as ResNets have."""

    def __init__(self, channels: int, out: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, out, 3, stride=2, padding=1, bias=False)
        self.conv2 = nn.Conv2d(out, out, 3, padding=1, bias=False)
        self.down = nn.Conv2d(channels, out, 1, stride=2, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(self.conv2(F.relu(self.conv1(x))) + self.down(x))


class Residual(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(1, 2, 7, stride=2, padding=3, bias=False)
        self.pool = nn.MaxPool2d(3, stride=2, padding=1)
        self.block = Block(2, 3)
        self.head = nn.Linear(3, 2)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.block(self.pool(F.relu(self.stem(x)))).mean((-2, -1)))


class Functional(nn.Module):
    """Nothing but functions: the network is its own only module."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Parameter(torch.zeros(2, 1, 3, 3))
        self.second = nn.Parameter(torch.zeros(2, 3, 3, 3))

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu(F.conv2d(x, self.first, padding=1))
        x = F.pad(x, (0, 0, 0, 0, 0, 1))  # channels: stays
        x = F.conv2d(F.pad(x, (2, 0, 1, 1)), self.second)
        x = F.max_pool2d(x, 3, 2, 1) + F.avg_pool2d(x, 2, 2)
        return x.mean((-2, -1))


class Spelled(nn.Module):
    """The same operations by their other names."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(2, 1, 3, 3))

    def forward(self, x: Tensor) -> Tensor:
        x = torch.conv2d(input=x, weight=self.weight, padding="same")
        x = torch.ops.aten.conv2d(x, self.weight, padding=[2, 2], dilation=[2, 2], groups=2)
        x = torch.constant_pad_nd(x, (1, 1, 1, 1), 2.0)
        x = torch.max_pool2d(x, kernel_size=3, stride=1)
        x, _ = F.max_pool2d(x, 3, stride=1, padding=1, return_indices=True)
        x = torch.ops.aten.reflection_pad2d.default(x, [1, 0, 1, 0])
        return F.avg_pool2d(x, 2, 1).mean((-2, -1))


class Same(nn.Conv2d):
    """Padding that depends on the size, as TensorFlow's "same": a subclass with a forward of its own."""

    def forward(self, x: Tensor) -> Tensor:
        needed = [
            max((-(-n // s) - 1) * s + k - n, 0)
            for n, s, k in zip(x.shape[-2:], self.stride, self.kernel_size, strict=True)
        ]
        x = F.pad(x, [needed[1] // 2, needed[1] - needed[1] // 2, needed[0] // 2, needed[0] - needed[0] // 2])
        return F.conv2d(x, self.weight, self.bias, self.stride, 0, self.dilation, self.groups)


class Shared(nn.Module):
    """One convolution, run twice and known by two names."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(2, 2, 3, padding=1)
        self.alias = self.conv

    def forward(self, x: Tensor) -> Tensor:
        return self.alias(F.relu(self.conv(x))).mean((-2, -1))


class ImageAndVector(nn.Module):
    """Pads the last dim of the image, and of a vector that does not move: only the first may wrap."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(1, 2, 3)
        self.mix = nn.Conv1d(1, 2, 3)

    def forward(self, x: Tensor) -> Tensor:
        x = F.pad(x, (1, 1, 1, 1))
        v = self.conv(x).mean((-2, -1))
        return self.mix(F.pad(v.unsqueeze(1), (1, 1), value=5.0))


class Columns(nn.Module):
    """Windows by unfold."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(3, 9))

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(self.weight @ F.unfold(x, 3, padding=1)).mean(-1)


Case = tuple[Callable[[], nn.Module], tuple[int, ...], tuple[int, ...]]

#: name → how it is made, the shape of its input, and the strides of what it keeps once every padding wraps.
CASES: dict[str, Case] = {
    "lecture's classifier": (lambda: LectureClassifier(1, 3, widths=(2, 3)), (1, 1, 8, 16), (4, 4)),
    "lecture's classifier, max pools": (
        lambda: LectureClassifier(1, 3, widths=(2, 3), downsampling="max"),
        (1, 1, 8, 8),
        (4, 4),
    ),
    "residual": (Residual, (1, 1, 16, 16), (8, 8)),
    "functional": (Functional, (1, 1, 8, 8), (2, 2)),
    "other spellings": (Spelled, (1, 1, 8, 8), (1, 1)),
    "reflect and replicate": (
        lambda: Pooled(
            nn.ReflectionPad2d(1),
            nn.Conv2d(1, 2, 3),
            nn.ReLU(),
            nn.ReplicationPad2d((1, 0, 0, 1)),
            nn.MaxPool2d(2, 1),
            nn.Conv2d(2, 2, 3, padding=1, padding_mode="reflect"),
            nn.ConstantPad2d((0, 1, 0, 1), 3.0),
            nn.AvgPool2d(2, 1),
            nn.AvgPool2d(2),
            nn.Conv2d(2, 2, 1),
            nn.ReLU(),
        ),
        (1, 1, 8, 8),
        (2, 2),
    ),
    "average pools that count their padding, and not": (
        lambda: Pooled(
            nn.AvgPool2d(4, 2, 1),
            nn.Conv2d(1, 2, 1),
            nn.ReLU(),
            nn.AvgPool2d(2, 1, 1, count_include_pad=False),
            nn.MaxPool2d(2, 1),
            nn.Conv2d(2, 2, 3, padding=1),
        ),
        (1, 1, 16, 8),
        (2, 2),
    ),
    "padding that exceeds the map": (
        lambda: Pooled(
            nn.Conv2d(1, 2, 5, padding=6, dilation=3),
            nn.ReLU(),
            nn.Conv2d(2, 2, (3, 1), padding=(20, 0), dilation=(20, 1)),
        ),
        (1, 1, 4, 8),
        (1, 1),
    ),
    "same, even kernel": (
        lambda: Pooled(nn.Conv2d(1, 2, (4, 2), padding="same"), nn.ReLU(), nn.Conv2d(2, 2, 3, padding="same")),
        (1, 1, 8, 8),
        (1, 1),
    ),
    "same, subclass": (
        lambda: Pooled(Same(1, 2, 3, stride=2), nn.ReLU(), Same(2, 2, 5, stride=2)),
        (1, 1, 16, 8),
        (4, 4),
    ),
    "shared": (Shared, (1, 2, 8, 8), (1, 1)),
    "image and vector": (ImageAndVector, (1, 1, 8, 8), (1, 1)),
    "unfold": (Columns, (1, 1, 4, 8), (1, 1)),
}
