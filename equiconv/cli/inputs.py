"""The input that a command gives to a network: pictures or noise, of the size that was asked for or that the network is
made for."""

from __future__ import annotations

import importlib.util
import re
from dataclasses import dataclass
from pathlib import Path

import torch

from equiconv.cli import images
from equiconv.cli.errors import BadInput
from equiconv.cli.models import LoadedModel

DTYPES = {
    "float32": torch.float32,
    "float64": torch.float64,
    "float16": torch.float16,
    "bfloat16": torch.bfloat16,
}
_DEFAULT_SIZE = (224, 224)


@dataclass(frozen=True)
class Inputs:
    """A batch for the network.

    Attributes:
        x: what the network is given.
        pixels: (N, 3, H, W) in [0, 1] where x shows pictures, to print; else None.
        names: one a picture; empty for noise.
        note: what it is, in words.
    """

    x: torch.Tensor
    pixels: torch.Tensor | None
    names: tuple[str, ...]
    note: str


def parse_size(text: str | None) -> tuple[int, int] | None:
    """``"224x320"`` is height 224 and width 320; ``"224"`` is a square.

    The word ``native`` (the pictures' own size) is for the caller to look up.

    >>> parse_size("224x320"), parse_size("64"), parse_size(None)
    ((224, 320), (64, 64), None)
    """
    if text is None:
        return None
    match = re.fullmatch(r"([1-9]\d*)(?:[xX×]([1-9]\d*))?", text.strip())
    if match is None:
        raise BadInput(
            f"--size: {text!r} came; give HEIGHTxWIDTH in pixels, as in 224x320, one number for a square, or native "
            "for the pictures' own size"
        )
    return int(match[1]), int(match[2] or match[1])


def parse_shape(text: str | None) -> tuple[int, ...] | None:
    """``"1x16x100"`` is the shape (1, 16, 100).

    >>> parse_shape("1x16x100")
    (1, 16, 100)
    """
    if text is None:
        return None
    if not re.fullmatch(r"[1-9]\d*(?:[xX×][1-9]\d*)+", text.strip()):
        raise BadInput(
            f"--shape: {text!r} came; give the whole shape of the input, batch first, as in 1x3x224x224 or 1x16x100"
        )
    return tuple(int(part) for part in re.split("[xX×]", text.strip()))


def parse_axes(text: str) -> tuple[int, ...]:
    """``"-2,-1"`` is (-2, -1): the axes of the input that carry the shifts.

    >>> parse_axes("-2,-1")
    (-2, -1)
    """
    try:
        return tuple(int(part) for part in text.split(","))
    except ValueError as error:
        raise BadInput(f"--axes: {text!r} came; give whole numbers with commas between, as in -2,-1 or -1") from error


def parse_dtype(text: str | None) -> torch.dtype | None:
    """``"float64"`` is torch.float64; None leaves the network as it is."""
    if text is not None and text not in DTYPES:
        raise BadInput(f"--dtype: {text!r} came; accepted: {', '.join(DTYPES)}")
    return None if text is None else DTYPES[text]


def build_inputs(
    loaded: LoadedModel,
    *,
    size: tuple[int, int] | None = None,
    shape: tuple[int, ...] | None = None,
    folder: Path | None = None,
    photographs: bool = False,
    limit: int = 16,
    seed: int = 0,
) -> Inputs:
    """A batch that fits the network: a folder's pictures, scikit-learn's photographs, or standard normal noise.

    With ``photographs``, a network that does not take pictures, or a machine without scikit-learn, gets noise, and the
    note says so.

    Raises:
        BadInput: options that contradict each other or the network.
    """
    if shape is not None and (size is not None or folder is not None):
        raise BadInput(
            "--shape gives the whole shape of a noise input; leave out --size and --images, or leave out --shape"
        )
    if loaded.shape is not None:
        _require_program_shape(loaded, size, shape)
        shape = loaded.shape if folder is None and not (photographs and len(loaded.shape) == 4) else None
        size = loaded.size
    channels = 3 if loaded.channels is None else loaded.channels
    size = size or loaded.size or _DEFAULT_SIZE
    if folder is not None:
        pictures = images.load_folder(folder, size, limit)
        return _from_pictures(loaded, pictures, channels)
    why = ""
    if photographs and shape is None:
        if channels not in (1, 3):
            why = f", because the network takes {channels} channels, which no picture has"
        elif importlib.util.find_spec("sklearn") is None:
            why = ", because scikit-learn, which ships photographs, is not installed (pip install 'equiconv[demo]')"
        else:
            return _from_pictures(loaded, images.photographs(size), channels)
    return _noise(loaded, shape or loaded.shape or (1, channels, *size), seed, why)


def _require_program_shape(loaded: LoadedModel, size: tuple[int, int] | None, shape: tuple[int, ...] | None) -> None:
    accepted = "x".join(map(str, loaded.shape or ()))
    if size is not None and size != loaded.size:
        raise BadInput(
            f"--size: {size[0]}x{size[1]} came, and {loaded.name} was exported for inputs of {accepted}; leave --size "
            "out"
        )
    if shape is not None and shape != loaded.shape:
        raise BadInput(
            f"--shape: {'x'.join(map(str, shape))} came, and {loaded.name} was exported for inputs of {accepted}; "
            "leave --shape out"
        )


def _from_pictures(loaded: LoadedModel, pictures: images.Pictures, channels: int) -> Inputs:
    pixels, names, note = pictures.pixels, pictures.names, pictures.note
    if loaded.shape is not None and loaded.shape[0] != len(pixels):
        batch = loaded.shape[0]
        if batch > len(pixels):
            raise BadInput(
                f"--images: {len(pixels)} pictures came, and {loaded.name} was exported for batches of {batch}; give "
                "at least as many"
            )
        pixels, names = pixels[:batch], names[:batch]
        note += f"; the first {batch}, the batch that the program was exported for"
    scaled = (
        f"less the mean {loaded.mean}, over {loaded.std}"
        if loaded.mean
        else "in [0, 1], as no normalisation is known for the network"
    )
    x = images.normalize(pixels, channels, loaded.mean, loaded.std)
    return Inputs(_like(loaded, x), pixels, names, f"{note}, {scaled}")


def _noise(loaded: LoadedModel, shape: tuple[int, ...], seed: int, why: str) -> Inputs:
    x = torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    return Inputs(
        _like(loaded, x), None, (), f"standard normal noise of shape {'x'.join(map(str, shape))} (seed {seed}){why}"
    )


def _like(loaded: LoadedModel, x: torch.Tensor) -> torch.Tensor:
    """The dtype and device of the network's parameters, or float32 on the CPU where it has none."""
    tensors = (*loaded.model.parameters(), *loaded.model.buffers())
    floating = next((t for t in tensors if t.is_floating_point()), None)
    return x.float() if floating is None else x.to(device=floating.device, dtype=floating.dtype)
