"""Arrays as pictures inside a page: photographs and heat maps as data URIs."""

from __future__ import annotations

import base64
import io

import numpy as np
from numpy.typing import NDArray

#: A sequential map, lightness falling evenly from pale to dark (anchors in sRGB, after Crameri's "lajolla" and
#: ColorBrewer's YlOrRd).
_ANCHORS = np.array(
    [
        [255, 250, 226],
        [254, 228, 161],
        [252, 193, 99],
        [245, 147, 64],
        [228, 97, 52],
        [193, 55, 59],
        [141, 32, 63],
        [86, 20, 54],
        [38, 12, 35],
    ],
    dtype=np.float64,
)
#: What was not measured.
_MISSING = np.array([148, 148, 148], dtype=np.uint8)

_SMALL = 96  # pictures up to this size are kept without loss


def colours(values: NDArray[np.float64], top: float) -> NDArray[np.uint8]:
    """Values in 0 … ``top`` as RGB, NaN as grey; shape (…, 3)."""
    position = np.clip(np.nan_to_num(values, nan=0.0, posinf=top) / (top or 1.0), 0, 1) * (len(_ANCHORS) - 1)
    index = np.arange(len(_ANCHORS))
    rgb = np.stack([np.interp(position, index, _ANCHORS[:, c]) for c in range(3)], -1).round().astype(np.uint8)
    rgb[np.isnan(values)] = _MISSING
    return rgb


def heat(values: NDArray[np.float64], top: float) -> str:
    """A two-dimensional array as a PNG, one pixel an entry."""
    return _uri(colours(values, top), "PNG")


def photograph(pixels: NDArray[np.float64]) -> str:
    """Pixels (channels, height, width) in 0 … 1, of 1 or 3 channels, as a data URI: small ones as PNG, large ones as
    JPEG."""
    image = (np.clip(pixels, 0, 1) * 255).round().astype(np.uint8).transpose(1, 2, 0)
    image = np.repeat(image, 3, axis=2) if image.shape[2] == 1 else image
    return _uri(image, "PNG" if max(image.shape[:2]) <= _SMALL else "JPEG")


def is_small(height: int, width: int) -> bool:
    """True for pictures that should be enlarged without smoothing."""
    return max(height, width) <= _SMALL


def gradient(stops: int = 12) -> list[tuple[float, str]]:
    """The colour scale as (offset, CSS colour) pairs, for a legend."""
    scale = colours(np.linspace(0, 1, stops), 1.0)
    return [(i / (stops - 1), f"rgb({r},{g},{b})") for i, (r, g, b) in enumerate(scale.tolist())]


def _uri(rgb: NDArray[np.uint8], kind: str) -> str:
    from PIL import Image

    buffer = io.BytesIO()
    options = {"optimize": True} if kind == "PNG" else {"quality": 88, "subsampling": 0}
    Image.fromarray(rgb).save(buffer, kind, **options)
    return f"data:image/{kind.lower()};base64,{base64.b64encode(buffer.getvalue()).decode('ascii')}"
