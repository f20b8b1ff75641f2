"""The receptive field grows with depth: three layers see the sum of their radii, and one layer more adds its radius to any stack. Lecture L9.

The layers are those of `receptive_field`. A stack of unknown depth is an operator F, of which a hypothesis says that it is computed patch by patch.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from typing import Any

from sympy import Expr

from proofs.crosscheck import Given
from proofs.evaluation import Meaning, Vector, World
from proofs.language import Cyclic, Fun, Range, Term, Theorem, assume, body, size, variables
from proofs.laws import Claim, Law, Meanings, Twin
from proofs.lecture.receptive_field import (
    ONE,
    TWO_LAYERS,
    ZERO,
    A,
    B,
    from_patches,
    i,
    local_layer,
    meanings,
    n,
    patch,
    patches,
    patches_index,
    r,
    s,
    two_layers_library,
    u,
    v,
    x,
    y,
)
from proofs.proving import Goal, Proof

h = size("h")
(j,), (w,) = variables("j", Cyclic(n)), variables("w", Range(2 * h + 1))
C, F = Fun("C", (Cyclic(n),), ((w.sort,),)), Fun("F", (Cyclic(n),), ((j.sort,),))


# three layers ------------------------------------------------------------------------------------------------------------------


def three_layers(widened: bool = True, offset: Expr = ZERO) -> Goal:
    def second(at: Any) -> Term:
        return B(at, body(v, A(at + v - s, body(u, x(at + v - s + u - r)))))

    read = patch(i, r + s + h)
    inner = B(i + w - h, body(v, A(i + w - h + v - s, body(u, read(i, u + v + w if widened else u + v)))))
    right = C(i, body(w, inner))
    return Goal(C(i, body(w, second(i + w - h))), right, (patches(x, i, r + s + h, offset=offset),))


def three_layers_script(p: Proof) -> None:
    says = "u + v + w ≤ 2·(r + s + h): the patch holds what all three read"
    p.right.rewrite(p.hypotheses[0], {patches_index(p.hypotheses[0]): u + v + w}, says=says)


def three_layers_library(given: Given) -> dict[str, object]:
    out = given["x"]
    for radius in "rsh":
        out = local_layer(given, out, given[radius])
    return {"lhs": out, "rhs": from_patches(given, "r", "s", "h")}


# a stack of any depth, then one layer more ---------------------------------------------------------------------------------------


def looks(offset: Expr = ZERO) -> Theorem:
    """F's output at i is A_i of the patch of radius r around i, whatever the signal: F may be a stack of layers"""
    return assume(F(i, body(j, y(j))), A(i, body(u, y(i + u - r + offset))), i, y)


LOOKS = looks()


def one_more(hypothesis: Theorem | None = LOOKS, widened: bool = True) -> Goal:
    left = B(i, body(v, F(i + v - s, body(j, x(j)))))
    right = B(i, body(v, A(i + v - s, body(u, patch(i, r + s)(i, u + v if widened else u)))))
    assumed = (hypothesis,) if hypothesis else ()
    return Goal(left, right, (*assumed, patches(x, i, r + s)))


def one_more_script(p: Proof) -> None:
    *stack, window = p.hypotheses
    at, functions = {i: i + v - s}, {y: ((j,), x(j))}
    p.rewrite((*stack, LOOKS)[0], at, functions, says="the stack's output at i + v − s is seen in the patch around it")
    says = "u + v ≤ 2·(r + s): the patch holds what all of them read"
    p.right.rewrite(window, {patches_index(window): u + v}, says=says)


def stacked(moved: int = 0) -> Meanings:
    """F is a local layer of radius r; ``moved``: it looks around the next position"""

    def of_world(world: World) -> Mapping[str, Meaning]:
        made = meanings(n, r + s)(world)
        places = {at: k for k, at in enumerate(itertools.product(*map(range, world.sizes["n"])))}
        windows = list(itertools.product(*(range(2 * k + 1) for k in world.sizes["r"])))

        def stack(at: Vector, values: list[Any]) -> Any:
            axes = [list(zip(at, q, world.sizes["r"], world.sizes["n"], strict=True)) for q in windows]
            seen = [values[places[tuple((a + b - k + moved) % length for a, b, k, length in axis)]] for axis in axes]
            return made["A"](at, seen)

        return {**made, "F": stack}

    return of_world


LAW = Law(
    name="receptive_depth",
    title="Three layers see a patch of radius r + s + h, and a layer of radius s adds s to the radius of any stack before it",
    items=("L9",),
    note="The second claim is the step of an induction on depth, for its conclusion is its hypothesis with r + s for r: so L layers of radius r see a patch of "
    "radius L·r. The language has no depth to do the induction along; each depth is proved by using the claim that often.",
    claims=(
        Claim(
            says="if P_i is the patch of radius r + s + h, three layers of radii r, s and h compute their output at i from P_i alone",
            goal=three_layers,
            script=three_layers_script,
            twins=(
                Twin("the third layer does not widen the patch", {"widened": False}),
                Twin("the patch begins h entries later", {"offset": h}, meanings=meanings(n, r + s + h, offset=h)),
            ),
            meanings=meanings(n, r + s + h),
            worlds=(
                {"n": 1, "r": 1, "s": 1, "h": 1},
                {"n": 5, "r": 2, "s": 1, "h": 1},
                {"n": (1, 2), "r": (1, 1), "s": (1, 1), "h": (1, 1)},
            ),
            library=three_layers_library,
        ),
        Claim(
            says="if a stack F of any depth sees patches of radius r, F and then a layer of radius s compute their output at i from that of r + s",
            goal=one_more,
            script=one_more_script,
            twins=(
                Twin("F may be any operator", {"hypothesis": None}, meanings=meanings(n, r + s)),
                Twin("F looks around the next position", {"hypothesis": looks(ONE)}, meanings=stacked(1)),
                Twin("the last layer does not widen the patch", {"widened": False}),
            ),
            meanings=stacked(),
            worlds=TWO_LAYERS,
            library=two_layers_library,
        ),
    ),
)
