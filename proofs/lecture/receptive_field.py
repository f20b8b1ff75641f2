"""What an output of stacked local layers depends on: the receptive field grows by each layer's radius, times the strides before it. Lecture L5, L9.

A local layer of radius r computes y[i] = A_i(x[i − r], …, x[i + r]) with any aggregation A, which may differ from position to position. That an output
depends on a patch only is said by computing it from a function P_i of that patch, which holds nothing else.
"""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from typing import Any

from sympy import Expr, Integer

import equiconv as eq
from proofs.crosscheck import Given
from proofs.evaluation import Meaning, Vector, World, pseudorandom
from proofs.language import Cyclic, Fun, Range, Term, Theorem, Var, assume, body, size, variables
from proofs.laws import Claim, Law, Meanings, Twin
from proofs.proving import Goal, Proof

ZERO, ONE = Integer(0), Integer(1)
n, m, r, s, t = size("n"), size("m"), size("r"), size("s"), size("t")
(i,), (o,) = variables("i", Cyclic(n)), variables("o", Cyclic(m))
(u,), (v,) = variables("u", Range(2 * r + 1)), variables("v", Range(2 * s + 1))
x, y, long = Fun("x", (Cyclic(n),)), Fun("y", (Cyclic(n),)), Fun("x", (Cyclic(t * m),))
A, B = Fun("A", (Cyclic(n),), ((u.sort,),)), Fun("B", (Cyclic(n),), ((v.sort,),))
A_strided, B_strided = Fun("A", (Cyclic(m),), ((u.sort,),)), Fun("B", (Cyclic(m),), ((v.sort,),))


def patches(signal: Fun, at: Var, radius: Expr, stride: Expr = ONE, offset: Expr = ZERO) -> Theorem:
    """P_i[q] = x[stride·i + q − radius] for q = 0, …, 2·radius; ``offset`` moves the patches"""
    (q,) = variables("q", Range(2 * radius + 1))
    patch = Fun("P", (at.sort, q.sort))
    return assume(patch(at, q), signal(stride * at + q - radius + offset), at, q)


def patch(at: Var, radius: Expr) -> Fun:
    return Fun("P", (at.sort, Range(2 * radius + 1)))


# functions for evaluation ------------------------------------------------------------------------------------------------------


def aggregation(world: World) -> Meaning:
    """(position + 1)·(Σ_q (q + 1)·x_q)²: neither linear, nor symmetric, nor the same everywhere"""
    number: Any = world.field.number

    def value(at: Vector, entries: list[Any]) -> Any:
        total = number(Fraction(0))
        for place, entry in enumerate(entries):
            total = total + entry * number(Fraction(place + 1))
        return total * total * number(Fraction(at[0] + 1))

    return value


def meanings(modulus: Expr, radius: Expr, stride: Expr = ONE, offset: Expr = ZERO) -> Meanings:
    def of_world(world: World) -> Mapping[str, Meaning]:
        sizes, reach, step, moved = (world.vector(e, {}) for e in (modulus, radius, stride, offset))

        def signal(at: Vector) -> Any:
            return pseudorandom(world, "x", at)

        def entry(at: Vector, q: Vector) -> Any:
            axes = zip(step, at, q, reach, moved, sizes, strict=True)
            return signal(tuple((k * a + b - c + d) % length for k, a, b, c, d, length in axes))

        return {"x": signal, "P": entry, "A": aggregation(world), "B": aggregation(world), "C": aggregation(world)}

    return of_world


def aggregated(given: Given, windows: Any, positions: Any) -> Any:
    """The aggregation on arrays, the window on the last axis"""
    weights = given.index(windows.shape[-1]) + 1
    return (positions + 1) * (windows * weights).sum(-1) ** 2


def local_layer(given: Given, signal: Any, radius: int, stride: int = 1) -> Any:
    weights = (given.index(2 * radius + 1) + 1) * given.xp.ones(1, dtype=signal.dtype)
    summed = eq.circular_correlate(signal, weights, origin=radius)[::stride]
    return (given.index(len(summed)) + 1) * summed**2


def from_patches(given: Given, *radii: str, stride: int = 1) -> Any:
    """The last layer's output from the patches P alone; ``stride``: of the first layer"""

    def output(patches: Any, steps: tuple[int, ...], positions: Any) -> Any:
        if len(steps) == 1:
            return aggregated(given, patches, positions)
        *before, radius = steps
        width = patches.shape[1] - 2 * stride * radius
        inner = [
            output(patches[:, stride * v : stride * v + width], tuple(before), (positions + v - radius) % count)
            for v in range(2 * radius + 1)
        ]
        return aggregated(given, given.xp.stack(inner, -1), positions)

    count = len(given["P"])
    return output(given["P"], tuple(given[name] for name in radii), given.index(count))


def patches_index(theorem: Theorem) -> Var:
    """The variable q of a hypothesis"""
    (hypothesis,) = theorem.hypotheses
    (q,) = (w for w in hypothesis.over if isinstance(w, Var) and w.name == "q")
    return q


# two layers --------------------------------------------------------------------------------------------------------------------


def two_layers(widened: bool = True, offset: Expr = ZERO) -> Goal:
    left = B(i, body(v, A(i + v - s, body(u, x(i + v - s + u - r)))))
    read = patch(i, r + s)
    right = B(i, body(v, A(i + v - s, body(u, read(i, u + v if widened else u)))))
    return Goal(left, right, (patches(x, i, r + s, offset=offset),))


def two_layers_script(p: Proof) -> None:
    p.right.rewrite(
        p.hypotheses[0],
        {patches_index(p.hypotheses[0]): u + v},
        says="u + v ≤ 2·(r + s): the patch holds what both read",
    )


def two_layers_library(given: Given) -> dict[str, object]:
    first = local_layer(given, given["x"], given["r"])
    return {"lhs": local_layer(given, first, given["s"]), "rhs": from_patches(given, "r", "s")}


# signals that agree on a patch -----------------------------------------------------------------------------------------------


def agree(radius: Expr) -> Theorem:
    """x and y agree on the patch of that radius around i; i is a parameter, not any position"""
    (q,) = variables("q", Range(2 * radius + 1))
    return assume(x(i + q - radius), y(i + q - radius), q)


def agreement(radius: Expr | None = r + s) -> Goal:
    def output(signal: Fun) -> Term:
        return B(i, body(v, A(i + v - s, body(u, signal(i + v - s + u - r)))))

    return Goal(output(x), output(y), () if radius is None else (agree(radius),))


def agreement_script(p: Proof) -> None:
    hypothesis = (*p.hypotheses, agree(r + s))[0]
    p.rewrite(hypothesis, {patches_index(hypothesis): u + v}, says="u + v ≤ 2·(r + s): what both layers read is equal")


def agreement_library(given: Given) -> dict[str, object]:
    x, y = (local_layer(given, given[name], given["r"]) for name in "xy")
    return {"lhs": local_layer(given, x, given["s"]), "rhs": local_layer(given, y, given["s"])}


def equal_near_zero(radius: Expr) -> Meanings:
    """x and y are equal within ``radius`` of 0 and drawn independently elsewhere"""

    def of_world(world: World) -> Mapping[str, Meaning]:
        reach, sizes = world.vector(radius, {}), world.sizes["n"]

        def other(at: Vector) -> Any:
            near = all(min(a, length - a) <= k for a, length, k in zip(at, sizes, reach, strict=True))
            return pseudorandom(world, "x" if near else "y", at)

        signals = {"x": lambda at: pseudorandom(world, "x", at), "y": other}
        return {**signals, "A": aggregation(world), "B": aggregation(world)}

    return of_world


# a stride in the first layer ---------------------------------------------------------------------------------------------------


def strided(factor: Expr = t, radius: Expr = r + t * s) -> Goal:
    left = B_strided(o, body(v, A_strided(o + v - s, body(u, long(t * (o + v - s) + u - r)))))
    read = patch(o, radius)
    right = B_strided(o, body(v, A_strided(o + v - s, body(u, read(o, u + factor * v)))))
    return Goal(left, right, (patches(long, o, radius, t),))


def strided_script(p: Proof) -> None:
    says = "u + t·v ≤ 2·(r + t·s): the second layer's neighbours are t entries apart"
    p.right.rewrite(p.hypotheses[0], {patches_index(p.hypotheses[0]): u + t * v}, says=says)


def strided_library(given: Given) -> dict[str, object]:
    first = local_layer(given, given["x"], given["r"], given["t"])
    return {"lhs": local_layer(given, first, given["s"]), "rhs": from_patches(given, "r", "s", stride=given["t"])}


TWO_LAYERS: tuple[Mapping[str, Any], ...] = (
    {"n": 1, "r": 1, "s": 1},
    {"n": 5, "r": 1, "s": 2},
    {"n": 4, "r": 2, "s": 1},
    {"n": (2, 3), "r": (1, 1), "s": (1, 1)},
)

LAW = Law(
    name="receptive_field",
    title="Local layers of radii r and s see a patch of radius r + s; of radius r + t·s where the first has stride t",
    items=("(2)", "L5", "L9"),
    note="More layers are the law `receptive_depth`. A patch has 2·radius + 1 entries along each axis (2); channels ride along inside A.",
    claims=(
        Claim(
            says="if P_i is the patch of radius r + s around i, two layers, A then B, compute their output at i from P_i alone",
            goal=two_layers,
            script=two_layers_script,
            twins=(
                Twin("the second layer does not widen the patch", {"widened": False}),
                Twin("the patch begins s entries later", {"offset": s}, meanings=meanings(n, r + s, offset=s)),
            ),
            meanings=meanings(n, r + s),
            worlds=TWO_LAYERS,
            library=two_layers_library,
        ),
        Claim(
            says="if x and y agree on the patch of radius r + s around i, then two layers give them the same output at i",
            goal=agreement,
            script=agreement_script,
            twins=(
                Twin("a patch of radius r + s − 1", {"radius": r + s - 1}, meanings=equal_near_zero(r + s - 1)),
                Twin("a patch of the first layer's radius r", {"radius": r}, meanings=equal_near_zero(r)),
                Twin("x and y need not agree", {"radius": None}),
            ),
            meanings=equal_near_zero(r + s),
            worlds=({"n": 1, "r": 1, "s": 1}, {"n": 7, "r": 1, "s": 1}, {"n": (6, 2), "r": (1, 1), "s": (1, 1)}),
            library=agreement_library,
        ),
        Claim(
            says="if the first layer has stride t, P_o is the patch of radius r + t·s around t·o",
            goal=strided,
            script=strided_script,
            twins=(
                Twin("the second layer's neighbours are 1 entry apart", {"factor": ONE}),
                Twin(
                    "the stride is forgotten: a patch of radius r + s",
                    {"factor": ONE, "radius": r + s},
                    meanings=meanings(t * m, r + s, t),
                ),
            ),
            meanings=meanings(t * m, r + t * s, t),
            worlds=(
                {"m": 1, "r": 1, "s": 1, "t": 1},
                {"m": 3, "r": 1, "s": 1, "t": 2},
                {"m": 2, "r": 2, "s": 1, "t": 3},
                {"m": (2, 1), "r": (1, 1), "s": (1, 1), "t": (1, 2)},
            ),
            library=strided_library,
        ),
    ),
)
