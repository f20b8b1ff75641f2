"""A patch is what lies within a pixel distance, a square of side 2k + 1, and the distances of stacked patches add up: lecture (2), L4, L9.

The pixel distance is d = max(|i − i′|, |j − j′|). These are statements about integers and inequalities, which the kernel does not speak: z3 decides them.
"""

from __future__ import annotations

from typing import Any

import torch

from equiconv.nn import circular_conv
from proofs.laws import Law, Solved, Tested


def magnitude(z3: Any, value: Any) -> Any:
    return z3.If(value >= 0, value, -value)


def within(z3: Any, p: tuple[Any, Any], q: tuple[Any, Any], radius: Any, *, city_block: bool = False) -> Any:
    """max(|i − i′|, |j − j′|) ≤ radius; ``city_block``: |i − i′| + |j − j′| ≤ radius"""
    rows, columns = magnitude(z3, p[0] - q[0]), magnitude(z3, p[1] - q[1])
    return rows + columns <= radius if city_block else z3.If(rows >= columns, rows, columns) <= radius


def pixels(z3: Any, *names: str) -> list[tuple[Any, Any]]:
    return [(z3.Int(f"{name}_row"), z3.Int(f"{name}_column")) for name in names]


# the patch is a square of side 2k + 1 ------------------------------------------------------------------------------------------


def square(z3: Any, side_less_2k: int = 1, *, city_block: bool = False) -> list[Any]:
    """A pixel p where "p within k of q" and "p = q − k + u with u in {0, …, 2k}², u in {0, …, side − 1}²" differ."""
    p, q = pixels(z3, "p", "q")
    k = z3.Int("k")
    offsets = [a - b + k for a, b in zip(p, q, strict=True)]
    inside = z3.And(*(z3.And(u >= 0, u < 2 * k + side_less_2k) for u in offsets))
    return [k >= 0, within(z3, p, q, k, city_block=city_block) != inside]


# patches of patches ----------------------------------------------------------------------------------------------------------


def contained(z3: Any, slack: int = 0, *, larger: bool = False) -> list[Any]:
    """Three pixels, r and s apart, whose ends are more than r + s apart."""
    p, q, o = pixels(z3, "p", "q", "o")
    r, s = z3.Ints("r s")
    bound = z3.If(r >= s, r, s) if larger else r + s + slack
    return [within(z3, p, q, r), within(z3, q, o, s), z3.Not(within(z3, p, o, bound))]


def reached(z3: Any, slack: int = 0, *, twice: bool = False) -> list[Any]:
    """A pixel within r + s of o, from which no step of r (the one towards o) comes within s of it."""
    p, o = pixels(z3, "p", "o")
    r, s = z3.Ints("r s")
    steps = [z3.If(b - a > r, r, z3.If(b - a < -r, -r, b - a)) for a, b in zip(p, o, strict=True)]
    q = (p[0] + steps[0], p[1] + steps[1])
    far = within(z3, p, o, r + s + slack + (r if twice else 0))
    return [r >= 0, s >= 0, far, z3.Not(z3.And(within(z3, p, q, r), within(z3, q, o, s)))]


# what layers really see ------------------------------------------------------------------------------------------------------


SIDE, CENTRE = 13, 6
RADII = ((1, 1), (1, 2), (3, 0), (2, 3))


def seen(*radii: int) -> set[tuple[int, int]]:
    """The pixels with a gradient at the centre of the output of layers of these radii"""
    generator = torch.Generator().manual_seed(0)
    image = torch.zeros(1, 1, SIDE, SIDE, dtype=torch.float64, requires_grad=True)
    out = image
    for radius in radii:
        weight = 1 + torch.rand(1, 1, 2 * radius + 1, 2 * radius + 1, generator=generator, dtype=torch.float64)
        out = circular_conv(out, weight, padding="same")
    (gradient,) = torch.autograd.grad(out[0, 0, CENTRE, CENTRE], image)
    return {(int(row), int(column)) for row, column in torch.nonzero(gradient[0, 0])}


def box(radius: int) -> set[tuple[int, int]]:
    """The pixels within ``radius`` of the centre"""
    span = range(CENTRE - radius, CENTRE + radius + 1)
    return {(row, column) for row in span for column in span}


LAW = Law(
    name="patches",
    title="The pixels within distance k form a square of side 2k + 1; a patch of patches is the patch of the added distances",
    items=("(2)", "L4", "L9"),
    note="Distances are measured on the plane; on the torus a patch that is larger than the image wraps around.",
    claims=(
        Solved(
            says="max(|i − i′|, |j − j′|) ≤ k if and only if (i′, j′) = (i − k + u, j − k + v) with u, v in {0, …, 2k}: s = 2k + 1",
            constraints=square,
            twins={
                "a square of side 2k": lambda z3: square(z3, 0),
                "a square of side 2k + 2": lambda z3: square(z3, 2),
                "the distance is |i − i′| + |j − j′|, whose patch is a diamond": lambda z3: square(z3, city_block=True),
            },
        ),
        Solved(
            says="a pixel within r of one that is within s of o is within r + s of o",
            constraints=contained,
            twins={
                "within r + s − 1": lambda z3: contained(z3, -1),
                "within the larger of r and s": lambda z3: contained(z3, larger=True),
            },
        ),
        Solved(
            says="every pixel within r + s of o is within r of one that is within s of o: two layers see no less",
            constraints=reached,
            twins={
                "every pixel within r + s + 1": lambda z3: reached(z3, 1),
                "every pixel within 2·r + s": lambda z3: reached(z3, twice=True),
            },
        ),
        Tested(
            says="what the centre of two layers' output depends on is the patch of side 2(r + s) + 1, all of it",
            check=lambda: all(seen(r, s) == box(r + s) for r, s in RADII),
            twins={
                "side 2r + 1, the first layer's": lambda: all(seen(r, s) == box(r) for r, s in RADII),
                "side 2(r + s) + 3": lambda: all(seen(r, s) == box(r + s + 1) for r, s in RADII),
            },
            checked="the gradient of two circular layers with random positive weights, on a 13×13 image, radii "
            + str(RADII)[1:-1],
        ),
    ),
)
