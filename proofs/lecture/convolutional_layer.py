"""The convolutional layer applies one weight matrix to every patch, and so follows shifts: with channels, bias and activation.

Lecture (3), (4), L6, L7. On the torus, y[o, i] = φ(Σ_c Σ_j W[o, c, j]·x[c, i + j − k] + b[o]) with j = 0, …, 2k and channels c: a
cross-correlation. The lecture's sum runs over j − k, from −k to k.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from sympy import expand

from equiconv.nn import circular_conv
from proofs.crosscheck import Given
from proofs.evaluation import Meaning, Vector, World, pseudorandom
from proofs.language import Cyclic, Fun, Range, Term, Theorem, assume, body, size, sum_over, variables
from proofs.laws import Claim, Law, Twin
from proofs.proving import Goal, Proof

n, k, channels, filters = size("n"), size("k"), size("m"), size("f")
i, g, l = variables("i g l", Cyclic(n))
(c,), (o,), (j,) = variables("c", Range(channels)), variables("o", Range(filters)), variables("j", Range(2 * k + 1))
x, b = Fun("x", (c.sort, i.sort)), Fun("b", (o.sort,))
B_LOCATED = Fun("b", (o.sort, i.sort))
W, W_LOCATED = Fun("W", (o.sort, c.sort, j.sort)), Fun("W", (o.sort, c.sort, j.sort, i.sort))
phi = Fun("φ", (), ((),))
WORLDS: tuple[Mapping[str, Any], ...] = (
    {"m": 1, "f": 1, "k": 1, "n": 3},
    {"m": 2, "f": 2, "k": 1, "n": 4},
    {"m": (2, 1), "f": (1, 1), "k": (1, 1), "n": (2, 3)},
)
Image = Callable[[Any, Any], Term]


def moved(image: Image) -> Image:
    """S_g on every channel"""
    return lambda channel, at: image(channel, at - g)


def layer(image: Image, at: Any, step: int = 1, located: bool = False, bias: Fun = b) -> Term:
    """The layer's output in filter o. ``located``: with weights of its own at every position, a locally-connected layer"""
    weight = W_LOCATED(o, c, j, at) if located else W(o, c, j)
    correlated = sum_over((c, j), weight * image(c, step * at + j - k))
    return phi(body(correlated + (bias(o) if bias == b else bias(o, at))))


def square(_: World) -> Mapping[str, Meaning]:
    """φ(v) = v²"""
    return {"φ": lambda values: values[0] * values[0]}


def tensor(given: Given, name: str) -> torch.Tensor:
    return torch.as_tensor(given[name])


def over_shifts(given: Given, f: Callable[[torch.Tensor], torch.Tensor]) -> dict[str, object]:
    """f(S_g x) and S_g f(x), axes g, i, channel"""
    x, shifts = tensor(given, "x"), range(given["n"])
    return {
        "lhs": torch.stack([f(x.roll(shift, -1)).T for shift in shifts]),
        "rhs": torch.stack([f(x).roll(shift, -1).T for shift in shifts]),
    }


# the layer follows shifts ------------------------------------------------------------------------------------------------------


def equivariant(step: int = 1, located: bool = False, bias: Fun = b, direction: int = 1) -> Goal:
    return Goal(layer(moved(x), i, step, located, bias), layer(x, i - direction * g, step, located, bias))


def index_arithmetic(p: Proof) -> None:
    """Both sides are the same by index arithmetic: (i + j − k) − g = (i − g) + j − k."""


def equivariant_library(given: Given) -> dict[str, object]:
    weight, bias = tensor(given, "W"), tensor(given, "b")
    return over_shifts(given, lambda x: circular_conv(x, weight, bias, padding="same") ** 2)


# equal patches give equal outputs ------------------------------------------------------------------------------------------------


EQUAL_PATCHES = assume(x(c, i + j - k), x(c, l + j - k), c, j)


def weight_sharing(hypothesis: Theorem | None = EQUAL_PATCHES, located: bool = False, bias: Fun = b) -> Goal:
    assumed = (hypothesis,) if hypothesis else ()
    return Goal(layer(x, i, 1, located, bias), layer(x, l, 1, located, bias), assumed)


def weight_sharing_script(p: Proof) -> None:
    p.rewrite(EQUAL_PATCHES, {c: c, j: j}, says="the patches around i and l are equal")


def stripes(world: World) -> Mapping[str, Meaning]:
    """An image with period 2, as far as it fits: positions an even distance apart have equal patches, others not"""
    return {"x": lambda channel, at: pseudorandom(world, "x", channel, tuple(a % 2 for a in at))}


def any_image(_: World) -> Mapping[str, Meaning]:
    return {}


# a matrix on the vectorised patch is a cross-correlation --------------------------------------------------------------------------


whole = Range(expand(channels * (2 * k + 1)))
(q,) = variables("q", whole)
M, P = Fun("M", (o.sort, whole)), Fun("P", (i.sort, whole))
PATCH = assume(P(i, (2 * k + 1) * c + j), x(c, i + j - k), i, c, j)


def on_patches(channels_last: bool = False, sign: int = 1) -> Goal:
    entry = channels * j + c if channels_last else (2 * k + 1) * c + j
    right = sum_over((c, j), M(o, entry) * x(c, i + sign * (j - k)))
    return Goal(sum_over(q, M(o, q) * P(i, q)), right, (PATCH,))


def on_patches_script(p: Proof) -> None:
    p.divide(q, c, j, "write the entry of the vectorised patch as q = (2k + 1)·c + j")
    p.rewrite(PATCH, {i: i, c: c, j: j}, says="that entry is the pixel of channel c at i + j − k")


def vectorised(world: World) -> Mapping[str, Meaning]:
    def pixel(channel: Vector, at: Vector) -> Any:
        return pseudorandom(world, "x", channel, at)

    def entry(at: Vector, place: Vector) -> Any:
        radius, sizes = world.sizes["k"], world.sizes["n"]
        parts = [divmod(e, 2 * r + 1) for e, r in zip(place, radius, strict=True)]
        seen = (a + tap - r for a, (_, tap), r in zip(at, parts, radius, strict=True))
        return pixel(tuple(part[0] for part in parts), tuple(s % m for s, m in zip(seen, sizes, strict=True)))

    return {"x": pixel, "P": entry}


def on_patches_library(given: Given) -> dict[str, object]:
    matrix, patches, x = tensor(given, "M"), tensor(given, "P"), tensor(given, "x")
    weight = matrix.reshape(given["f"], given["m"], 2 * given["k"] + 1)
    return {"lhs": patches @ matrix.T, "rhs": circular_conv(x, weight, padding="same").T}


LAW = Law(
    name="convolutional_layer",
    title="A convolutional layer with channels, bias and activation follows every circular shift",
    items=("(3)", "(4)", "L6", "L7"),
    note="1×1, depthwise and grouped layers are the law `grouped_convolution`. Positions i are indices of a grid of any dimension, so k is a radius along "
    "each axis; 2k + 1 is the lecture's kernel size s (2).",
    claims=(
        Claim(
            says="with bias and activation, the layer applied to S_g x is S_g of the layer applied to x",
            goal=equivariant,
            script=index_arithmetic,
            twins=(
                Twin("locally connected: weights of its own at every position", {"located": True}),
                Twin("a bias of its own at every position", {"bias": B_LOCATED}),
                Twin("stride 2: reads at 2i + j − k", {"step": 2}),
                Twin("the output moves the other way", {"direction": -1}),
            ),
            meanings=square,
            worlds=WORLDS,
            library=equivariant_library,
        ),
        Claim(
            says="equal patches give equal outputs: if x[c, i + j − k] = x[c, l + j − k] for all c and j, then y[o, i] = y[o, l]",
            goal=weight_sharing,
            script=weight_sharing_script,
            twins=(
                Twin("the patches need not be equal", {"hypothesis": None}, meanings=any_image),
                Twin("locally connected", {"located": True}),
                Twin("a bias of its own at every position", {"bias": B_LOCATED}),
            ),
            meanings=stripes,
            worlds=WORLDS,
        ),
        Claim(
            says="(3) is L7: a matrix M on the vectorised patch is the cross-correlation with W[o, c, j] = M[o, (2k + 1)·c + j]",
            goal=on_patches,
            script=on_patches_script,
            twins=(
                Twin("the weight is reshaped channels last, the patch channels first", {"channels_last": True}),
                Twin("a convolution: the kernel is reversed", {"sign": -1}),
            ),
            meanings=vectorised,
            worlds=WORLDS,
            library=on_patches_library,
        ),
    ),
)
