"""Zero padding: right on the interior, equivariant to ordinary translations there, and in general to no circular shift: lecture L12."""

from __future__ import annotations

from typing import Any

import torch

import equiconv as eq
from proofs.crosscheck import Given
from proofs.language import Cyclic, Fun, Range, Signal, Term, delta, shifted, size, sum_over, variables
from proofs.laws import Claim, Law, Twin
from proofs.proving import Goal, Proof

n, m, k, p, s = size("n"), size("m"), size("k"), size("p"), size("s")
x, w = Fun("x", (Cyclic(n),)), Fun("w", (Range(k),))
(j,) = variables("j", Range(k))
(u,) = variables("u", Range(m + k - 1))


def convolve(signal: Any, w: Any) -> Any:
    """torch's convolution of one channel, without padding: Σ_j w[j]·x[i + j]"""
    return torch.nn.functional.conv1d(torch.as_tensor(signal)[None], torch.as_tensor(w)[None, None])[0]


# the interior -----------------------------------------------------------------------------------------------------------


def zero_padded(x: Signal, length: Any, i: Any) -> Term:
    """Σ_j w[j]·x[i + j − p] on the image x[0], …, x[length − 1], which is 0 outside"""
    (entry,) = variables("u", Range(length))
    return sum_over((entry, j), w(j) * delta(i + j - p - entry) * x(entry))


def interior(outputs: Any = m, begins: Any = p) -> Goal:
    (v,) = variables("v", Range(outputs))
    return Goal(zero_padded(x, m + k - 1, v + begins), sum_over(j, w(j) * x(v + j)))


def interior_script(p: Proof) -> None:
    p.sift(u, "v + j lies in the image: this window sees no padding")


def layer(given: Given, signal: Any, length: int) -> Any:
    """torch's convolution with zero padding of an image cut from a periodic signal."""
    image = torch.as_tensor(signal)[torch.arange(length) % len(signal)]
    return convolve(torch.nn.functional.pad(image, (given["p"], given["p"])), given["w"])


def interior_library(given: Given) -> dict[str, object]:
    first, m = given["p"], given["m"]
    padded = layer(given, given["x"], m + given["k"] - 1)
    circular = eq.circular_correlate(given["x"], given["w"])
    return {"lhs": padded[first : first + m], "rhs": circular[given.index(m) % given["n"]]}


# ordinary translations ---------------------------------------------------------------------------------------------------

(z,) = variables("u", Range(m + s + k - 1))


def translation(outputs: Any = m, by: Any = s) -> Goal:
    (v,) = variables("v", Range(outputs))
    image = m + s + k - 1
    return Goal(zero_padded(shifted(x, s), image, v + by + p), zero_padded(x, image, v + p))


def translation_script(p: Proof) -> None:
    p.sift(z, "after the shift the window lies in the image")
    p.right.sift(z, "before it the window does, s further to the left")


def translation_library(given: Given) -> dict[str, object]:
    p, s, m = given["p"], given["s"], given["m"]
    image = m + s + given["k"] - 1
    moved = layer(given, eq.Shift(s, given["n"]) @ given["x"], image)
    return {"lhs": moved[p + s : p + s + m], "rhs": layer(given, given["x"], image)[p : p + m]}


# no shift is kept ------------------------------------------------------------------------------------------------------------

(r,) = variables("r", Range(m))
(output,) = variables("i", Range(m + 1))
(entry,) = variables("u", Range(m + 1))


def right_neighbour(x: Signal, i: Any) -> Term:
    """Zero padding by 1 and the kernel (0, 1): y[i] = x[i + 1], and 0 for the last i"""
    return sum_over(entry, x(entry) * delta(i + 1 - entry))


def none_kept(reads: Any = r, spike: Any = 0) -> Goal:
    """The shift is circular, and as r + 1 ≤ m it carries the spike from 0 to r + 1 without wrapping: what it does here is what it does on integers."""

    def x(u: Any) -> Term:
        return delta(u - spike)

    return Goal(right_neighbour(shifted(x, r + 1), reads) - right_neighbour(x, output), delta(0))


def none_kept_script(p: Proof) -> None:
    p.sift(entry, "x is 1 at one entry: at 0, and at r + 1 after the shift")
    p.separate("no output reads entry 0, the neighbour of the padding")


def none_kept_library(given: Given) -> dict[str, object]:
    xp, size = given.xp, given["m"] + 1

    def reads(signal: Any) -> Any:
        return convolve(
            torch.nn.functional.pad(torch.as_tensor(signal), (0, 1)), torch.tensor([0.0, 1.0], dtype=torch.float64)
        )

    spike = xp.zeros(size, dtype=xp.float64)
    spike[0] = 1.0
    seen = [reads(eq.Shift(r + 1, size) @ spike)[r] for r in range(size - 1)]
    return {"lhs": torch.stack([value - reads(spike) for value in seen], 1)}


IMAGES = (
    {"k": 1, "m": 2, "n": 2, "p": 1},
    {"k": 2, "m": 2, "n": 3, "p": 1},
    {"k": 3, "m": 2, "n": 6, "p": 2},
    {"k": (1, 2), "m": (2, 2), "n": (2, 3), "p": (1, 1)},
)
LONGER = (
    {"k": 1, "m": 2, "n": 3, "p": 1, "s": 1},
    {"k": 2, "m": 2, "n": 4, "p": 1, "s": 1},
    {"k": 2, "m": 1, "n": 6, "p": 2, "s": 3},
)

LAW = Law(
    name="zero_padding",
    title="Zero padding agrees with the periodic signal on the interior, and keeps in general no shift",
    items=("L12",),
    families=("padding", "sliding window"),
    note="The image is the first entries of a signal x of any period n: of its own length, or a longer one, so that a shift brings in new entries. Some "
    "kernels keep shifts, (0, 1, 0) all of them; the kernel of the last claim keeps none of 1, …, m on an image of m + 1.",
    claims=(
        Claim(
            says="Zero padding of an image of m + k − 1: the m outputs that see no padding are those on its periodic continuation, of any period n",
            goal=interior,
            script=interior_script,
            twins=(
                Twin("every output is, up to the end of the image", {"outputs": m + k - 1}),
                Twin("the interior begins at output 0, not at p", {"begins": 0}),
            ),
            worlds=IMAGES,
            library=interior_library,
        ),
        Claim(
            says="Zero padding is equivariant to an ordinary translation by s on the interior: y(S_s x)[v + p + s] = y(x)[v + p], v < m",
            goal=translation,
            script=translation_script,
            twins=(
                Twin("zero padding is equivariant: at every output that stays in the image", {"outputs": m + k - 1}),
                Twin("the interior need not shrink by s", {"outputs": m + s}),
                Twin("the output does not move", {"by": 0}),
            ),
            worlds=LONGER,
            library=translation_library,
        ),
        Claim(
            says="It keeps in general no shift: for y[i] = x[i + 1], i ≤ m, r < m and x = 1 at 0 only, y(x) = 0, as y(0) is, yet y(S_(r + 1) x)[r] = 1",
            goal=none_kept,
            script=none_kept_script,
            twins=(
                Twin("for x = 1 at r + 1, not at the entry that no output reads", {"spike": r + 1}),
                Twin("the last output sees it", {"reads": m}),
            ),
            library=none_kept_library,
        ),
    ),
)
