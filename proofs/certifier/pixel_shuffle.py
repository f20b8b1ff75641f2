"""Pixel unshuffle makes channels of the inner digits of both image axes, pixel shuffle undoes it: rolls by k and by b·k."""

from __future__ import annotations

from typing import Any

import torch

from proofs.crosscheck import Given
from proofs.evaluation import Meaning, World, pseudorandom
from proofs.kernel.terms import substituted
from proofs.language import Cyclic, Fun, Integers, Range, assume, delta, size, sum_over, variables
from proofs.laws import Claim, Law, Twin
from proofs.proving import Goal, Proof, Side

b, m, w = size("b"), size("m"), size("w")
WHOLE = Cyclic(b * m)
i, j = variables("i j", WHOLE)
(q,) = variables("q", Cyclic(m))
(r,) = variables("r", Range(b))
(k,) = variables("k", Integers())
SHIFTS = range(-2, 4)  # the integers k at which statements are evaluated

# unshuffle: the inner digits of both axes become channels ------------------------------------------------------------------------------------------------


image = Fun("image", (WHOLE, Cyclic(b * w)))
(h,) = variables("h", Cyclic(m))
(z,) = variables("z", Cyclic(w))
(s,) = variables("s", Range(b))


def unshuffle(shift: Any = b * k, roll: Any = k, other: Any = 0) -> Goal:
    """The channel of index (r, s) at (h, z) is image[b·h + r, b·z + s]."""
    return Goal(image(b * h + r - shift, b * z + s), image(b * (h - roll) + r, b * (z - other) + s))


def unshuffle_script(p: Proof) -> None:
    """Both sides are the same by index arithmetic: b·h + r − b·k = b·(h − k) + r."""


def unshuffle_library(given: Given) -> dict[str, object]:
    """torch's pixel_unshuffle, with axes in the order h, k, r, s, z."""
    block, shape = given["b"], (given["b"], given["b"], given["m"], given["w"])
    pixels = torch.as_tensor(given["image"])

    def channels(picture: torch.Tensor) -> torch.Tensor:
        return torch.nn.functional.pixel_unshuffle(picture[None], block).reshape(shape)

    left = torch.stack([channels(torch.roll(pixels, block * k, 0)) for k in SHIFTS])
    right = torch.stack([torch.roll(channels(pixels), k, 2) for k in SHIFTS])
    return {"lhs": left.permute(3, 0, 1, 2, 4), "rhs": right.permute(3, 0, 1, 2, 4)}


# shuffle: the channels (r, s) become the inner digits of both axes -----------------------------------------------------------

channels = Fun("y", (Cyclic(m), Cyclic(w), Range(b), Range(b)))
pixels = Fun("pixels", (Cyclic(m), WHOLE, Cyclic(b * w)))
(g,) = variables("g", Cyclic(m))
(n,) = variables("n", Cyclic(b * w))
(N,) = variables("N", Cyclic(b * w))


def shuffle(moved: Any = b * g, other: Any = 0) -> Goal:
    """pixels_g[b·h + r, b·z + s] = y[h − g, z, r, s]: the image made of the channels, which roll by g."""
    layout = assume(pixels(g, b * h + r, b * z + s), channels(h - g, z, r, s), g, h, z, r, s)
    return Goal(pixels(g, i, n), pixels(0, i - moved, n - other), (layout,))


def shuffle_script(p: Proof) -> None:
    (layout,) = p.hypotheses

    def sift(side: Side) -> None:
        side.sift(j)
        side.sift(N)

    def digits(side: Side) -> None:
        entries = sum_over((j, N), delta(j - i, b * m) * delta(N - n, b * w) * substituted(side.term, {i: j, n: N}))
        side.become(entries, sift, "write it as a sum of which one entry counts")
        side.divide(j, q, r, "every row is b·q + r for one q and one r")
        side.divide(N, z, s, "and every column is b·z + s")

    digits(p.left)
    p.rewrite(layout, {h: q}, says="the pixel at (b·q + r, b·z + s) is entry (q − g, z) of channel (r, s)")
    digits(p.right)
    p.right.rewrite(layout, {g: 0, h: q - g}, says="b·q + r − b·g has the digits q − g and r")


def shuffled(world: World) -> dict[str, Meaning]:
    def value(h: Any, z: Any, r: Any, s: Any) -> Any:
        return pseudorandom(world, "y", h, z, r, s)

    def entry(g: Any, i: Any, n: Any) -> Any:
        rows = [divmod(a, block) for a, block in zip(i, world.sizes["b"], strict=True)]
        columns = [divmod(a, block) for a, block in zip(n, world.sizes["b"], strict=True)]
        moved = tuple((q - k) % m for (q, _), k, m in zip(rows, g, world.sizes["m"], strict=True))
        return value(moved, *(tuple(c[d] for c in x) for x, d in ((columns, 0), (rows, 1), (columns, 1))))

    return {"y": value, "pixels": entry}


def shuffle_library(given: Given) -> dict[str, object]:
    """torch's pixel_shuffle; axes g, i, n. The channels are read off the image for g = 0."""
    block, m, w = given["b"], given["m"], given["w"]
    images = torch.as_tensor(given["pixels"])
    packed = images[0].reshape(m, block, w, block).permute(1, 3, 0, 2).reshape(block * block, m, w)

    def shuffled(channels: torch.Tensor) -> torch.Tensor:
        return torch.nn.functional.pixel_shuffle(channels[None], block)[0, 0]

    left = [shuffled(packed.roll(g, 1)) for g in range(m)]
    right = [shuffled(packed).roll(block * g, 0) for g in range(m)]
    return {"lhs": torch.stack(left), "rhs": torch.stack(right)}


LAW = Law(
    name="pixel_shuffle",
    title="Pixel shuffle by b turns a shift by k into one by b·k along each axis, and unshuffle turns one by b·k into one by k",
    families=("shape",),
    claims=(
        Claim(
            says="Pixel unshuffle: the inner digits of both image axes become channels, which a shift by b·k leaves alone",
            goal=unshuffle,
            script=unshuffle_script,
            twins=(
                Twin("the image shifts by k, and its pixels change channels", {"shift": k}),
                Twin("the other image axis rolls as well", {"other": k}),
            ),
            library=unshuffle_library,
            worlds=({"b": 2, "m": 3, "w": 2}, {"b": 3, "m": 2, "w": 3}, {"b": (2, 1), "m": (2, 3), "w": (1, 2)}),
        ),
        Claim(
            says="Pixel shuffle: where the channels (r, s) roll by g along the first axis, the image made of them, (b·h + r, b·z + s), rolls by b·g",
            goal=shuffle,
            script=shuffle_script,
            twins=(
                Twin("the image rolls by b²·g, b² being the number of channels", {"moved": b * b * g}),
                Twin("the image rolls the other way", {"moved": -b * g}),
                Twin("the image rolls by a block along its other axis", {"other": b}),
            ),
            meanings=shuffled,
            library=shuffle_library,
            worlds=({"b": 2, "m": 3, "w": 1}, {"b": 2, "m": 2, "w": 2}, {"b": (2, 1), "m": (2, 3), "w": (1, 1)}),
        ),
    ),
)
