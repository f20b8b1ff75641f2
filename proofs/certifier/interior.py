"""Away from the border, without wrap-around: two images that agree on a window, up to a translation by a multiple of the step, give it the same value."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from typing import Any

import torch

from proofs.evaluation import Exact, Meaning, World, pseudorandom
from proofs.language import Fun, Integers, Range, assume, body, size, variables
from proofs.laws import Claim, Law, Tested, Twin
from proofs.proving import Goal, Proof

m, s, t, d, k, K, p = (size(name) for name in "mstdkKp")
o, q = variables("o q", Range(m))
(j,) = variables("j", Range(k))
(J,) = variables("J", Range(K))
# x is the first image, with whatever pads it; X is a second one for each o and q, of which nothing is known but what a hypothesis says.
x, X = Fun("x", (Integers(),)), Fun("X", (Range(m), Range(m), Integers()))
A, B = Fun("A", (), ((Range(k),),)), Fun("B", (), ((Range(K),),))
WIDTH = d * k - d + 1
BOTH = s * K - s + WIDTH


def agree(step: Any, by: Any, width: Any) -> Any:
    """X[i + by] = x[i] on the window of position o, which begins at step·o − p; nothing is assumed elsewhere."""
    (i,) = variables("i", Range(width))
    return assume(X(o, q, step * o + by - p + i), x(step * o - p + i), o, q, i)


# one window ----------------------------------------------------------------------------------------------------------------


def window(by: Any = t * q, width: Any = WIDTH, moved: Any = q) -> Goal:
    left = A(body(j, X(o, q, t * (o + moved) + d * j - p)))
    return Goal(left, A(body(j, x(t * o + d * j - p))), (agree(t, by, width),))


def the_place(p: Proof) -> Any:
    """The place in the window over which the hypothesis speaks."""
    return next(v for h in p.hypotheses[0].hypotheses for v in h.over if v.name == "i")


def window_script(p: Proof) -> None:
    p.rewrite(p.hypotheses[0], {the_place(p): d * j}, says="d·j stays inside the window, where the images agree")


# a window over a window ------------------------------------------------------------------------------------------------------


def stacked(by: Any = s * t * q, width: Any = BOTH) -> Goal:
    def layers(image: Any, at: Any) -> Any:
        return B(body(J, A(body(j, image(s * (t * at + J) + d * j - p)))))

    left = layers(lambda i: X(o, q, i), o + q)
    return Goal(left, layers(x, o), (agree(s * t, by, width),))


def stacked_script(p: Proof) -> None:
    p.rewrite(p.hypotheses[0], {the_place(p): s * J + d * j}, says="s·J + d·j stays inside the window of both layers")


# evaluation -----------------------------------------------------------------------------------------------------------------


def images(step: str, by: str, width: Callable[[int, int, int, int], int]) -> Any:
    """Meanings in which the images agree on the window and differ elsewhere; ``step`` and ``by`` name the sizes whose product each is."""

    def meanings(world: World) -> dict[str, Meaning]:
        axes = range(len(world.sizes["p"]))

        def size_of(name: str, axis: int) -> int:
            return world.sizes[name][axis] if name in world.sizes else 1

        def product(names: str, axis: int) -> int:
            return math.prod(size_of(name, axis) for name in names)

        def second(o: tuple[int, ...], q: tuple[int, ...], i: tuple[int, ...]) -> Any:
            moved = tuple(product(by, a) * q[a] for a in axes)
            place = tuple(i[a] - product(step, a) * o[a] - moved[a] + size_of("p", a) for a in axes)
            long = (width(*(size_of(name, a) for name in "dksK")) for a in axes)
            if all(0 <= at < n for at, n in zip(place, long, strict=True)):
                return pseudorandom(world, "x", tuple(i[a] - moved[a] for a in axes))
            return pseudorandom(world, "X", (o, q, i))

        def weighted(values: list[complex]) -> complex:
            return sum((place + 1) * value for place, value in enumerate(values))

        named = {} if isinstance(world.field, Exact) else {"A": weighted, "B": weighted}
        return {"x": lambda i: pseudorandom(world, "x", i), "X": second, **named}

    return meanings


def crops(by: int | None = None, extra: int = 0) -> bool:
    """Two crops of one image of whole numbers, ``by`` (a step) apart, through two padded layers: equal where no window of either reaches the padding."""
    generator = torch.Generator().manual_seed(0)
    for length, first, second in itertools.product((17, 20), LAYERS, LAYERS):
        image = torch.randint(-9, 10, (1, 1, 2 * length), generator=generator).double()
        weights = [torch.randint(-9, 10, (1, 1, layer["k"]), generator=generator).double() for layer in (first, second)]
        step = first["t"] * second["t"]
        moved = step if by is None else by

        def network(x: torch.Tensor, layers: Any = (first, second), weights: Any = weights) -> torch.Tensor:
            for layer, w in zip(layers, weights, strict=True):
                x = torch.nn.functional.conv1d(x, w, stride=layer["t"], padding=layer["p"], dilation=layer["d"])
            return x[0, 0]

        reach = first["t"] * second["d"] * (second["k"] - 1) + first["d"] * (first["k"] - 1)
        begins = first["t"] * second["p"] + first["p"]  # the window of output o begins at step·o − begins
        y = [network(image[..., start : start + length]) for start in (0, moved)]
        inside = [o for o in range(len(y[0])) if begins <= step * o < begins + length - reach]
        inside = list(range(max(0, inside[0] - extra), inside[-1] + 1))
        if any(o + 1 in inside and y[0][o + 1] != y[1][o] for o in inside):
            return False
    return True


def whole(d: int, k: int, _s: int, _K: int) -> int:
    return d * k - d + 1


def both(d: int, k: int, s: int, K: int) -> int:
    return s * K - s + whole(d, k, s, K)


def kernel(_d: int, k: int, _s: int, _K: int) -> int:
    return k


def outer(_d: int, _k: int, s: int, K: int) -> int:
    return s * K - s + 1


LAYERS = ({"k": 3, "t": 1, "d": 1, "p": 1}, {"k": 3, "t": 2, "d": 1, "p": 1}, {"k": 4, "t": 1, "d": 2, "p": 3})
ONE = (
    {"m": 2, "t": 2, "d": 1, "k": 2, "p": 1},
    {"m": 2, "t": 1, "d": 2, "k": 2, "p": 2},
    {"m": (2, 1), "t": (2, 1), "d": (1, 1), "k": (2, 1), "p": (1, 1)},
)
TWO = (
    {"m": 2, "s": 2, "t": 2, "d": 1, "k": 2, "K": 2, "p": 1},
    {"m": 2, "s": 1, "t": 2, "d": 2, "k": 2, "K": 3, "p": 2},
)

LAW = Law(
    name="interior",
    title="Away from the border: images that agree on a window, up to a translation by whole steps, give it the same value",
    families=("sliding window",),
    note="x may be padded by anything: what lies outside the window of o in x, and of o + q in X, does not matter. In the interior no window reaches the "
    "padding, so that the images alone decide.",
    claims=(
        Claim(
            says="Any aggregation A of windows of step t and dilation d: if X[i + t·q] = x[i] on the window of o, then Y[o + q] = y[o]",
            goal=window,
            script=window_script,
            twins=(
                Twin("the window is k long, whatever the dilation", {"width": k}, images("t", "t", kernel)),
                Twin("the image has moved by q, not by t·q", {"by": q}, images("t", "", whole)),
                Twin("the value stays where it was", {"moved": 0}),
            ),
            meanings=images("t", "t", whole),
            worlds=ONE,
        ),
        Claim(
            says="A window B of step t over windows A of step s: the steps multiply, and the window is s·(K − 1) + d·(k − 1) + 1 long",
            goal=stacked,
            script=stacked_script,
            twins=(
                Twin(
                    "the window is that of the second layer alone", {"width": s * K - s + 1}, images("st", "st", outer)
                ),
                Twin(
                    "a translation by t·q is enough: the first step is forgotten",
                    {"by": t * q},
                    images("st", "t", both),
                ),
                Twin(
                    "the window is no longer than that of the first layer", {"width": WIDTH}, images("st", "st", whole)
                ),
            ),
            meanings=images("st", "st", both),
            worlds=TWO,
        ),
        Tested(
            says="Two zero-padded layers of torch's: on two crops of one image, a step apart, the outputs whose windows reach no padding are the same",
            check=crops,
            twins={
                "one output more, whose window reaches the padding": lambda: crops(extra=1),
                "the crops are one position apart, whatever the step": lambda: crops(by=1),
            },
            checked="whole numbers, exactly; images of 17 and 20 positions, all pairs of three layers: strides and dilations 1 and 2, kernels 3 and 4",
        ),
    ),
)
