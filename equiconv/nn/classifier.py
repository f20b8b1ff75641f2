"""The lecture's classifier (L15 to L17), with each of its choices as an argument."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, TypeAlias, get_args

import torch
from torch import Tensor, nn

from equiconv.nn.layers import CircularConv2d

__all__ = ["Downsampling", "Head", "LectureClassifier", "Padding"]

Padding: TypeAlias = Literal["zeros", "circular", "valid"]
Downsampling: TypeAlias = Literal["stride", "max", "average"]
Head: TypeAlias = Literal["flatten", "global"]


class LectureClassifier(nn.Module):
    """Blocks of convolutions, nonlinearities and down-sampling; then flatten or pool globally; then a linear layer.

    (N, in_channels, h, w) to logits (N, num_classes). The network ends before the softmax, as losses want it;
    `probabilities` applies it (the lecture's block 3).

    Parameters
    ----------
    in_channels, num_classes : channels of the image, and classes.
    widths : the number of filters of each block; as many blocks as entries (L17, Fig. 8).
    depth : convolutions, each followed by a ReLU, in a block (L17, Fig. 9).
    kernel_size : of every convolution; odd where there is padding.
    padding : `"zeros"` keeps height and width by zeros ('SAME', L12), `"circular"` by wrapping, `"valid"` pads nothing.
    downsampling : what ends each block (L13, L14): `"stride"`, a stride of 2 in its last convolution; `"max"` or
        `"average"`, a pool over blocks of 2×2; or None.
    head : `"flatten"` (the lecture's block 2a) or `"global"`, the mean over all pixels (block 2b).
    input_size : height and width, or one number for both; needed by `"flatten"`, whose linear layer depends on it.

    Raises `ValueError` for an unknown choice, an even kernel size with padding, `"flatten"` without an `input_size`,
    and an `input_size` of which the blocks leave nothing.

    >>> network = LectureClassifier(1, 10, widths=(8, 16), padding="circular", downsampling="max")
    >>> network(torch.zeros(5, 1, 32, 32)).shape
    torch.Size([5, 10])
    """

    def __init__(
        self,
        in_channels: int = 1,
        num_classes: int = 10,
        *,
        widths: Sequence[int] = (16, 32, 64),
        depth: int = 1,
        kernel_size: int = 3,
        padding: Padding = "zeros",
        downsampling: Downsampling | None = "stride",
        head: Head = "global",
        input_size: int | tuple[int, int] | None = None,
    ) -> None:
        super().__init__()
        _require_choice("padding", padding, get_args(Padding))
        _require_choice("downsampling", downsampling, (*get_args(Downsampling), None))
        _require_choice("head", head, get_args(Head))
        if not widths or min(widths) < 1 or depth < 1 or kernel_size < 1:
            raise ValueError(
                f"widths, depth and kernel_size must be positive, and widths must name at least one block; got "
                f"widths={tuple(widths)}, depth={depth}, kernel_size={kernel_size}"
            )
        if padding != "valid" and kernel_size % 2 == 0:
            raise ValueError(f"kernel_size must be odd to keep height and width by padding, got {kernel_size}")

        conv = CircularConv2d if padding == "circular" else nn.Conv2d
        pad = 0 if padding == "valid" else (kernel_size - 1) // 2
        blocks: list[nn.Module] = []
        channels = in_channels
        for width in widths:
            block: list[nn.Module] = []
            for layer in range(depth):
                stride = 2 if downsampling == "stride" and layer == depth - 1 else 1
                block += [conv(channels, width, kernel_size, stride=stride, padding=pad), nn.ReLU()]
                channels = width
            if downsampling == "max":
                block.append(nn.MaxPool2d(2))
            elif downsampling == "average":
                block.append(nn.AvgPool2d(2))
            blocks.append(nn.Sequential(*block))
        self.features = nn.Sequential(*blocks)

        if head == "flatten":
            if input_size is None:
                raise ValueError("input_size must be given with head='flatten', whose linear layer depends on it")
            h, w = (input_size, input_size) if isinstance(input_size, int) else input_size
            pixels = 1
            for n in (h, w):
                pixels *= _size_after(n, len(widths), depth, kernel_size, pad, downsampling)
            if pixels == 0:
                raise ValueError(
                    f"input_size = {input_size!r} is too small: {len(widths)} blocks leave nothing of it; "
                    f"take fewer blocks, a smaller kernel or padding"
                )
            self.pool: nn.Module = nn.Flatten()
            channels *= pixels
        else:
            self.pool = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten())
        self.head = nn.Linear(channels, num_classes)

    def forward(self, input: Tensor) -> Tensor:
        """Logits, (N, num_classes)."""
        logits: Tensor = self.head(self.pool(self.features(input)))
        return logits

    def probabilities(self, input: Tensor) -> Tensor:
        """softmax of the logits, (N, num_classes)."""
        return torch.softmax(self(input), dim=-1)


def _require_choice(name: str, value: object, choices: Sequence[object]) -> None:
    if value not in choices:
        raise ValueError(f"{name} must be one of {', '.join(map(repr, choices))}, got {value!r}")


def _size_after(n: int, blocks: int, depth: int, kernel_size: int, pad: int, downsampling: str | None) -> int:
    """What the blocks leave of a height or width n; 0 where nothing is left."""
    for _ in range(blocks):
        for layer in range(depth):
            stride = 2 if downsampling == "stride" and layer == depth - 1 else 1
            n = max(0, (n + 2 * pad - kernel_size) // stride + 1)
        if downsampling in ("max", "average"):
            n //= 2
    return n
