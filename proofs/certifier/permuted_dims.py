"""Dims that change places (transpose, permute, movedim), and dims of size 1 that come and go (squeeze, unsqueeze): each dim keeps its action."""

from __future__ import annotations

from typing import Any

from proofs.crosscheck import Given
from proofs.language import Cyclic, Fun, Integers, Range, Term, size, variables
from proofs.laws import Claim, Law, Twin
from proofs.proving import Goal, Proof

m, n, c = size("m"), size("n"), size("c")
(h,) = variables("h", Cyclic(m))
(i,) = variables("i", Cyclic(n))
(r,) = variables("r", Range(c))
k, l = variables("k l", Integers())
SHIFTS = range(-2, 4)  # the integers at which statements are evaluated


# y[i, r, h] = x[h, i, r] --------------------------------------------------------------------------------------------------------

x = Fun("x", (Cyclic(m), Cyclic(n), Range(c)))


def permuted(by: Any = k, other: Any = l) -> Goal:
    def y(place: Any, channel: Any, row: Any, rolled: tuple[Any, Any] = (0, 0)) -> Term:
        return x(row - rolled[0], place - rolled[1], channel)

    return Goal(y(i, r, h, (k, l)), y(i - other, r, h - by))


def permuted_script(p: Proof) -> None:
    """Both sides are the same by index arithmetic: x[h − k, i − l, r], whatever the order in which y names the dims."""


def permuted_library(given: Given) -> dict[str, object]:
    """Axes h, i, k, l, r."""
    xp, x = given.xp, given["x"]

    def permute(array: Any) -> Any:
        return xp.moveaxis(array, 0, 2)  # y[i, r, h]

    pairs = [[(k, l) for l in SHIFTS] for k in SHIFTS]
    left = [[permute(xp.roll(xp.roll(x, k, 0), l, 1)) for k, l in line] for line in pairs]
    right = [[xp.roll(xp.roll(permute(x), k, 2), l, 0) for k, l in line] for line in pairs]

    def laid_out(lines: list[list[Any]]) -> Any:
        return xp.moveaxis(xp.stack([xp.stack(line) for line in lines]), (4, 2, 0, 1, 3), (0, 1, 2, 3, 4))

    return {"lhs": laid_out(left), "rhs": laid_out(right)}


# a dim of size 1 -----------------------------------------------------------------------------------------------------------------

image = Fun("x", (Cyclic(m), Range(1), Cyclic(n)))


def squeezed(by: Any = k, other: Any = l) -> Goal:
    def y(row: Any, place: Any, rolled: tuple[Any, Any] = (0, 0)) -> Term:
        return image(row - rolled[0], 0, place - rolled[1])

    return Goal(y(h, i, (k, l)), y(h - by, i - other))


def squeezed_script(p: Proof) -> None:
    """Both sides are the same by index arithmetic: x[h − k, 0, i − l]; the only index of the dim of size 1 is 0."""


def squeezed_library(given: Given) -> dict[str, object]:
    """Axes h, i, k, l."""
    xp, x = given.xp, given["x"]
    pairs = [[(k, l) for l in SHIFTS] for k in SHIFTS]
    left = [[xp.roll(xp.roll(x, k, 0), l, 2).squeeze(1) for k, l in line] for line in pairs]
    right = [[xp.roll(xp.roll(x.squeeze(1), k, 0), l, 1) for k, l in line] for line in pairs]

    def laid_out(lines: list[list[Any]]) -> Any:
        return xp.moveaxis(xp.stack([xp.stack(line) for line in lines]), (2, 3, 0, 1), (0, 1, 2, 3))

    return {"lhs": laid_out(left), "rhs": laid_out(right)}


LAW = Law(
    name="permuted_dims",
    title="Where dims change places, and dims of size 1 come or go, each dim keeps its action",
    families=("shape",),
    note="The statements are index arithmetic: an entry is named by all its indices, in whatever order.",
    claims=(
        Claim(
            says="Permuting dims, y[i, r, h] = x[h, i, r]: rolling h by k and i by l rolls those dims of y, which are now its last and its first, and leaves r",
            goal=permuted,
            script=permuted_script,
            twins=(
                Twin("the rolls stay where they were: i by k and h by l", {"by": l, "other": k}),
                Twin("only one of the dims goes on rolling", {"other": 0}),
            ),
            library=permuted_library,
            worlds=({"c": 2, "m": 2, "n": 3}, {"c": 1, "m": 3, "n": 3}, {"c": (1, 1), "m": (2, 1), "n": (1, 2)}),
        ),
        Claim(
            says="Leaving out a dim of size 1, y[h, i] = x[h, 0, i]: the others roll as they did",
            goal=squeezed,
            script=squeezed_script,
            twins=(
                Twin("the rolls change places", {"by": l, "other": k}),
                Twin("the first dim stays", {"by": 0}),
            ),
            library=squeezed_library,
            worlds=({"m": 2, "n": 3}, {"m": 3, "n": 3}, {"m": (2, 1), "n": (1, 2)}),
        ),
    ),
)
