"""Pictures as tensors: a user's folder, or the two photographs that ship inside scikit-learn.

One policy of size, said in every result: at its native size a picture is not touched; to another size it is scaled,
aspect kept, until it covers that size (bicubic, anti-aliased), and the middle is cut out.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from equiconv.cli.errors import BadInput, first_line

Size = tuple[int, int]

_WIDE_MODES = ("I", "F", "I;16", "I;16B", "I;16L", "I;16N")


@dataclass(frozen=True)
class Pictures:
    """Pictures of one size.

    Attributes:
        pixels: (N, 3, H, W), float32, in [0, 1].
        names: one a picture.
        note: where they come from and what was done about their size, in words.
    """

    pixels: torch.Tensor
    names: tuple[str, ...]
    note: str


def load_folder(path: Path, size: Size | None = None, limit: int = 16) -> Pictures:
    """Every picture in a folder, by name, or one picture; at most ``limit`` of them, which the note says.

    Hidden files and sub-folders are not looked into. Any other file must be a picture: none is skipped. EXIF rotation
    is applied, grey becomes RGB, and transparency is laid on black.

    Raises:
        BadInput: no such folder, one that cannot be listed or holds no file, a file that is no picture or is damaged,
            pictures with more than 8 bits a channel, or, without ``size``, pictures of different sizes.
    """
    files = _list(path)
    taken = files[:limit]
    images = [_open(file) for file in taken]
    native = {(image.height, image.width) for image in images}
    if size is None and len(native) > 1:
        shown = ", ".join(f"{h}x{w}" for h, w in sorted(native)[:4])
        raise BadInput(
            f"--images: the pictures in {str(path)!r} differ in size ({shown}); give the size to bring them to: --size "
            "224x224"
        )
    names = tuple(file.name for file in taken)
    some = (
        f"the first {limit} of {len(files)} pictures (--limit)" if len(files) > limit else _count(len(files), "picture")
    )
    return _collect(images, names, size, f"{some} from {path.name or path}")


def photographs(size: Size | None = None) -> Pictures:
    """The two photographs that scikit-learn ships, 427 by 640 pixels: a temple (china.jpg) and a flower (flower.jpg).

    Raises:
        BadInput: scikit-learn is not installed.
    """
    from PIL import Image

    try:
        from sklearn.datasets import load_sample_images
    except ImportError as error:
        raise BadInput(
            "The default photographs ship inside scikit-learn, which is not installed: pip install 'equiconv[demo]', "
            "or give your own: --images DIR"
        ) from error
    samples = load_sample_images()
    names = tuple(Path(name).name for name in samples.filenames)
    return _collect([Image.fromarray(image) for image in samples.images], names, size, "scikit-learn's two photographs")


def native_size(folder: Path | None) -> Size:
    """Height and width of the folder's pictures, or of the photographs where there is no folder.

    Raises:
        BadInput: as `load_folder` and `photographs`.
    """
    pictures = photographs() if folder is None else load_folder(folder)
    return pictures.pixels.shape[-2], pictures.pixels.shape[-1]


def normalize(
    pixels: torch.Tensor, channels: int, mean: Sequence[float] = (), std: Sequence[float] = ()
) -> torch.Tensor:
    """Pixels as the network expects them: (x − mean)/std a channel, one channel by luminance (ITU-R BT.601).

    Raises:
        BadInput: a number of channels that a picture does not have.
    """
    if channels not in (1, 3):
        raise BadInput(
            f"The network takes {channels} channels and a picture has 3 or 1; give noise instead: --shape "
            f"1x{channels}xHxW"
        )
    if channels == 1:
        luma = pixels.new_tensor([0.299, 0.587, 0.114]).view(1, 3, 1, 1)
        pixels = (pixels * luma).sum(1, keepdim=True)
    if not mean:
        return pixels
    return (pixels - pixels.new_tensor(mean).view(1, -1, 1, 1)) / pixels.new_tensor(std).view(1, -1, 1, 1)


def _list(path: Path) -> list[Path]:
    if path.is_file():
        return [path]
    if not path.exists():
        raise BadInput(f"--images: {str(path)!r} does not exist; give a folder of pictures, or one picture")
    try:
        entries = sorted(path.iterdir())
    except OSError as error:
        reason = (error.strerror or "unknown").lower()
        raise BadInput(f"--images: the folder {str(path)!r} cannot be read: {reason}") from error
    files = [entry for entry in entries if entry.is_file() and not entry.name.startswith(".")]
    if not files:
        folders = sum(entry.is_dir() for entry in entries)
        also = f" ({_count(folders, 'sub-folder')}, which are not looked into)" if folders else ""
        raise BadInput(
            f"--images: the folder {str(path)!r} holds no files{also}; give a folder of pictures (JPEG, PNG, …)"
        )
    return files


def _open(file: Path) -> Any:
    from PIL import Image, ImageOps, UnidentifiedImageError

    try:
        with Image.open(file) as image:
            if image.mode in _WIDE_MODES:
                raise BadInput(
                    f"--images: {file.name!r} has more than 8 bits a channel (mode {image.mode}), which a conversion "
                    "would clip; save it as an 8-bit picture first"
                )
            return _to_rgb(ImageOps.exif_transpose(image))
    except UnidentifiedImageError as error:
        raise BadInput(
            f"--images: {file.name!r} in {str(file.parent)!r} is no picture that Pillow can read; move it elsewhere, "
            "or give a folder that holds pictures only"
        ) from error
    except BadInput:
        raise
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise BadInput(f"--images: {str(file)!r} cannot be read: {first_line(error)}") from error


def _to_rgb(image: Any) -> Any:
    """Convert to RGB, what is transparent laid on black."""
    from PIL import Image

    if image.mode in ("RGBA", "LA", "PA") or "transparency" in image.info:
        image = image.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", image.size, (0, 0, 0, 255)), image).convert("RGB")
    return image.convert("RGB")


def _collect(images: Sequence[Any], names: tuple[str, ...], size: Size | None, origin: str) -> Pictures:
    native = {(image.height, image.width) for image in images}
    height, width = size or next(iter(native))
    pixels = np.stack([np.asarray(_cover(image, height, width), dtype=np.float32) / 255 for image in images])
    if native == {(height, width)}:
        done = f"{height}x{width}, their own size"
    else:
        done = f"scaled to cover {height}x{width} (bicubic, aspect kept) and the middle cut out"
    return Pictures(torch.from_numpy(pixels).permute(0, 3, 1, 2).contiguous(), names, f"{origin}, {done}")


def _cover(image: Any, height: int, width: int) -> Any:
    if (image.height, image.width) == (height, width):
        return image
    from PIL import Image

    scale = max(height / image.height, width / image.width)
    # rounding up, so that the scaled picture covers the size whatever the rounding
    scaled = image.resize(
        (math.ceil(image.width * scale - 1e-9), math.ceil(image.height * scale - 1e-9)), Image.Resampling.BICUBIC
    )
    left, top = (scaled.width - width) // 2, (scaled.height - height) // 2
    return scaled.crop((left, top, left + width, top + height))


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"
