"""Layers that mix channels in another way: 1×1, depthwise, grouped, and several kernel sizes side by side. Lecture L18, L19, L20.

The layers are those of `convolutional_layer`: cross-correlations on the torus, with kernels of 2k + 1 entries around each position.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from sympy import expand

from equiconv.nn import circular_conv
from proofs.crosscheck import Given
from proofs.evaluation import Meaning, World
from proofs.kernel import Group, Letter, Points
from proofs.language import Fun, Range, Term, body, delta, size, sum_over, variables
from proofs.laws import Claim, Law, Twin
from proofs.lecture.convolutional_layer import (
    WORLDS,
    Image,
    b,
    c,
    channels,
    filters,
    g,
    i,
    index_arithmetic,
    j,
    k,
    moved,
    o,
    over_shifts,
    phi,
    square,
    tensor,
    x,
)
from proofs.proving import Goal, Proof

V, D = Fun("V", (o.sort, c.sort)), Fun("D", (c.sort, j.sort))

# 1×1 -----------------------------------------------------------------------------------------------------------------------------


G = Group("G")
POSITIONS = Points("X", G)
h, s = Letter("h", G), Letter("s", POSITIONS)
z = Fun("z", (c.sort, POSITIONS))
PERMUTATIONS = ((0, 1, 2), (0, 2, 1), (1, 0, 2), (1, 2, 0), (2, 0, 1), (2, 1, 0))


def pointwise(located: bool = False, inverse: bool = True) -> Goal:
    def mixed(image: Image, at: Any) -> Term:
        weight = Fun("V", (o.sort, c.sort, POSITIONS))(o, c, at) if located else V(o, c)
        return phi(body(sum_over(c, weight * image(c, at)) + b(o)))

    back = h.inverse
    return Goal(mixed(lambda channel, at: z(channel, back * at), s), mixed(z, back * s if inverse else h * s))


def pointwise_script(p: Proof) -> None:
    """Both sides are the same: each position is computed from itself alone."""


def pointwise_library(given: Given) -> dict[str, object]:
    image, weight, bias = tensor(given, "z"), tensor(given, "V")[..., None], tensor(given, "b")
    inverses = [[permutation.index(at) for at in range(3)] for permutation in PERMUTATIONS]
    mixed = circular_conv(image, weight, bias) ** 2
    return {
        "lhs": torch.stack([circular_conv(image[:, back], weight, bias) ** 2 for back in inverses]),
        "rhs": torch.stack([mixed[:, back] for back in inverses]),
    }


# depthwise -----------------------------------------------------------------------------------------------------------------------


def filtered(image: Image, channel: Any, at: Any, located: bool = False) -> Term:
    """Σ_j D[c, j]·x[c, at + j − k]"""
    weight = Fun("D", (c.sort, j.sort, i.sort))(channel, j, at) if located else D(channel, j)
    return sum_over(j, weight * image(channel, at + j - k))


def depthwise(located: bool = False, direction: int = 1) -> Goal:
    return Goal(filtered(moved(x), c, i, located), filtered(x, c, i - direction * g, located))


def depthwise_library(given: Given) -> dict[str, object]:
    weight = tensor(given, "D")[:, None]
    results = over_shifts(given, lambda x: circular_conv(x, weight, padding="same", groups=given["m"]))
    return {side: torch.movedim(torch.as_tensor(value), -1, 0) for side, value in results.items()}


def separable(shared: bool = False, reverse: bool = False) -> Goal:
    tap = D(0 if shared else c, 2 * k - j if reverse else j)
    right = sum_over((c, j), V(o, c) * tap * x(c, i + j - k))
    return Goal(sum_over(c, V(o, c) * filtered(x, c, i)), right)


def separable_script(p: Proof) -> None:
    """Both sides are the same: V[o, c] goes into the sum over j."""


def separable_library(given: Given) -> dict[str, object]:
    x, depth, point = tensor(given, "x"), tensor(given, "D")[:, None], tensor(given, "V")[..., None]
    stacked = circular_conv(circular_conv(x, depth, padding="same", groups=given["m"]), point)
    return {"lhs": stacked.T, "rhs": circular_conv(x, point * depth[:, 0], padding="same").T}


# grouped -------------------------------------------------------------------------------------------------------------------------


groups = size("b")
(group,) = variables("q", Range(groups))
(every,) = variables("a", Range(expand(groups * channels)))
whole = Fun("x", (every.sort, i.sort))
W = Fun("W", (Range(expand(groups * filters)), c.sort, j.sort))
GROUPED = (
    {"b": 1, "m": 1, "f": 1, "k": 1, "n": 3},
    {"b": 2, "m": 2, "f": 1, "k": 1, "n": 3},
    {"b": 2, "m": 1, "f": 2, "k": 1, "n": 4},
    {"b": (2, 1), "m": (1, 1), "f": (1, 1), "k": (1, 1), "n": (2, 2)},
)


def within_group(image: Image, at: Any, interleaved: bool = False) -> Term:
    """Filter o of group q: Σ_c Σ_j W[f·q + o, c, j]·x[m·q + c, at + j − k]; ``interleaved``: the group's channels are b apart"""
    read = groups * c + group if interleaved else channels * group + c
    return sum_over((c, j), W(filters * group + o, c, j) * image(read, at + j - k))


def grouped(interleaved: bool = False, elsewhere: bool = False) -> Goal:
    filter_ = filters * group + o
    place = channels * (groups - 1 - group) + c if elsewhere else channels * group + c
    weight = sum_over(c, delta(every - place) * W(filter_, c, j))
    return Goal(within_group(whole, i, interleaved), sum_over((every, j), weight * whole(every, i + j - k)))


def grouped_script(p: Proof) -> None:
    p.right.sift(every, "only the group's own channels m·q + c have a weight")


def grouped_layer(given: Given, image: torch.Tensor) -> torch.Tensor:
    """Axes o, q, i"""
    y = circular_conv(image, tensor(given, "W"), padding="same", groups=given["b"])
    return y.reshape(given["b"], given["f"], given["n"]).transpose(0, 1)


def grouped_library(given: Given) -> dict[str, object]:
    image, weight, count, m = tensor(given, "x"), tensor(given, "W"), given["b"], given["m"]
    full = torch.zeros(len(weight), count * m, weight.shape[-1], dtype=weight.dtype)
    for q in range(count):
        rows = slice(q * given["f"], (q + 1) * given["f"])
        full[rows, q * m : (q + 1) * m] = weight[rows]
    y = circular_conv(image, full, padding="same").reshape(count, given["f"], given["n"])
    return {"lhs": grouped_layer(given, image).permute(2, 0, 1), "rhs": y.permute(2, 1, 0)}


def grouped_equivariant(direction: int = 1, groups_moved: bool = True) -> Goal:
    image: Image = moved(whole) if groups_moved else (lambda channel, at: whole(channel, at - group * g))
    return Goal(within_group(image, i), within_group(whole, i - direction * g))


def grouped_equivariant_library(given: Given) -> dict[str, object]:
    image, shifts = tensor(given, "x"), range(given["n"])
    return {
        "lhs": torch.stack([grouped_layer(given, image.roll(s, -1)).permute(2, 0, 1) for s in shifts]),
        "rhs": torch.stack([grouped_layer(given, image).roll(s, -1).permute(2, 0, 1) for s in shifts]),
    }


# several kernel sizes side by side: the inception block --------------------------------------------------------------------------


wide, more = size("h"), size("e")
(tap,) = variables("t", Range(2 * wide + 1))
(filter_two,), (u,) = variables("r", Range(more)), variables("u", Range(filters + channels + more))
first, second = Fun("W", (o.sort, c.sort, j.sort)), Fun("U", (filter_two.sort, c.sort, tap.sort))
R = Fun("R", (), ((tap.sort,),), symmetric=True)
INCEPTION = (
    {"n": 3, "m": 1, "f": 1, "e": 1, "k": 1, "h": 1},
    {"n": 4, "m": 1, "f": 2, "e": 1, "k": 2, "h": 1},
    {"n": (1, 2), "m": (1, 1), "f": (1, 1), "e": (1, 1), "k": (1, 1), "h": (1, 1)},
)


def inception(image: Image, at: Any, other: Any, step: int = 1, pooled: int = 1) -> Term:
    """Channel u: the f filters of kernel size 2k + 1, then the e of 2h + 1 (which see ``other``), then a pool of each of the m channels."""
    small = sum_over((c, j), first(o, c, j) * image(c, step * at + j - k))
    large = sum_over((c, tap), second(filter_two, c, tap) * image(c, other + tap - wide))
    pool = R(body(tap, image(c, pooled * at + tap - wide)))
    return (
        sum_over(o, delta(u - o) * small)
        + sum_over(filter_two, delta(u - filters - filter_two) * large)
        + sum_over(c, delta(u - filters - more - c) * pool)
    )


def side_by_side(step: int = 1, direction: int = 1, late: int = 1, pooled: int = 1) -> Goal:
    there = i - direction * g
    return Goal(inception(moved(x), i, i, step, pooled), inception(x, there, i - late * g, step, pooled))


def squares(_: World) -> Mapping[str, Meaning]:
    """R is the sum of squares: it ignores the order of its values, and is not linear"""

    def total(values: Any) -> Any:
        made = [value * value for value in values]
        return sum(made[1:], made[0])

    return {"R": total}


def side_by_side_library(given: Given) -> dict[str, object]:
    weights = [tensor(given, name) for name in ("W", "U")]

    def block(x: torch.Tensor) -> torch.Tensor:
        width = 2 * given["h"] + 1
        ones = torch.ones(len(x), 1, width, dtype=x.dtype)
        pooled = circular_conv(x**2, ones, padding="same", groups=len(x))
        return torch.cat([*(circular_conv(x, weight, padding="same") for weight in weights), pooled])

    return over_shifts(given, block)


LAW = Law(
    name="grouped_convolution",
    title="1×1, depthwise and grouped convolutions, and several kernel sizes side by side, follow shifts as a layer does",
    items=("L18", "L19", "L20"),
    claims=(
        Claim(
            says="a 1×1 convolution, with bias and activation, follows every permutation of the positions",
            goal=pointwise,
            script=pointwise_script,
            twins=(
                Twin("weights of its own at every position", {"located": True}),
                Twin("the output is permuted by the inverse", {"inverse": False}),
            ),
            meanings=square,
            groups={"G": PERMUTATIONS},
            worlds=({"m": 1, "f": 1}, {"m": 2, "f": 2}),
            library=pointwise_library,
        ),
        Claim(
            says="a depthwise convolution follows shifts, each channel on its own",
            goal=depthwise,
            script=index_arithmetic,
            twins=(
                Twin("weights of its own at every position", {"located": True}),
                Twin("the output moves the other way", {"direction": -1}),
            ),
            worlds=WORLDS,
            library=depthwise_library,
        ),
        Claim(
            says="depthwise, then 1×1, is the layer with W[o, c, j] = V[o, c]·D[c, j]",
            goal=separable,
            script=separable_script,
            twins=(
                Twin("every channel has the first one's filter", {"shared": True}),
                Twin("the filter is reversed", {"reverse": True}),
            ),
            worlds=WORLDS,
            library=separable_library,
        ),
        Claim(
            says="a grouped convolution is the layer whose weight from channel a to filter o of group q is W[f·q + o, c, j] for a = m·q + c, else 0",
            goal=grouped,
            script=grouped_script,
            twins=(
                Twin("the channels of a group lie b apart", {"interleaved": True}),
                Twin("the weights of group q stand in the block of group b − 1 − q", {"elsewhere": True}),
            ),
            worlds=GROUPED,
            library=grouped_library,
        ),
        Claim(
            says="a grouped convolution follows shifts, each group on its own (m = 1 and f = 1 are the depthwise one)",
            goal=grouped_equivariant,
            script=index_arithmetic,
            twins=(
                Twin("the output moves the other way", {"direction": -1}),
                Twin("group q is moved by q·g", {"groups_moved": False}),
            ),
            worlds=GROUPED,
            library=grouped_equivariant_library,
        ),
        Claim(
            says="kernel sizes 2k + 1 and 2h + 1 and a pool side by side, their channels joined: all follow shifts together",
            goal=side_by_side,
            script=index_arithmetic,
            twins=(
                Twin("the filters of size 2k + 1 have stride 2", {"step": 2}),
                Twin("the pool has stride 2", {"pooled": 2}),
                Twin("the filters of size 2h + 1 do not move", {"late": 0}),
                Twin("the output moves the other way", {"direction": -1, "late": -1}),
            ),
            meanings=squares,
            worlds=INCEPTION,
            library=side_by_side_library,
        ),
    ),
)
