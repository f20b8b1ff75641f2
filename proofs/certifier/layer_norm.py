"""Layer and group norms: statistics of groups of channels, or of the channels of each position; constants of each channel, or such as the shifts fix."""

from __future__ import annotations

from typing import Any

import torch

from proofs.certifier.normalisation import EPS, average, floating, scaled, spread, vector
from proofs.crosscheck import Given
from proofs.evaluation import Exact, Meaning, World, pseudorandom
from proofs.language import Cyclic, Fun, Range, Term, Unit, assume, body, size, variables
from proofs.laws import Claim, Law, Twin
from proofs.proving import Goal, Proof

n, groups, channels, s, m = size("n"), size("G"), size("c"), size("s"), size("m")
i, j, k = variables("i j k", Cyclic(n))
(g,) = variables("g", Range(groups))
a, b = variables("a b", Range(channels))
φ = Fun("φ", (), ((), (), (), (), ()))


# group norm: statistics of the channels and positions of each group ------------------------------------------------------------

BOTH = (Range(channels), Cyclic(n))
R, S = Fun("R", (), (BOTH,), symmetric=True), Fun("S", (), (BOTH,), symmetric=True)
x = Fun("x", (Range(groups), Range(channels), Cyclic(n)))
γ, β = Fun("γ", (Range(groups), Range(channels))), Fun("β", (Range(groups), Range(channels)))
position = Fun("γ", (Cyclic(n),))


def group(per_position: bool = False, moved: Any = k) -> Goal:
    def layer(shift: Any, at: Any) -> Term:
        mean, variance = (f(body(b, j, x(g, b, j - shift))) for f in (R, S))
        scale = position(at) if per_position else γ(g, a)
        return φ(body(x(g, a, at - shift)), body(mean), body(variance), body(scale), body(β(g, a)))

    return Goal(layer(k, i), layer(0, i - moved))


def group_script(p: Proof) -> None:
    p.reindex({j: j + k}, "the statistics of whole periods of all channels of a group do not see the shift")


def group_library(given: Given) -> dict[str, object]:
    """Axes a, g, i, k."""
    signal, length = torch.as_tensor(given["x"]).real, given["n"]
    scale, offset = (vector(given, name).reshape(-1) for name in "γβ")

    def layer(x: torch.Tensor) -> torch.Tensor:
        flat = x.reshape(1, -1, length)
        return torch.nn.functional.group_norm(flat, x.shape[0], scale, offset, EPS).reshape(x.shape).transpose(0, 1)

    left = [layer(signal.roll(k, -1)) for k in range(length)]
    right = [layer(signal).roll(k, -1) for k in range(length)]
    return {"lhs": torch.stack(left, 3), "rhs": torch.stack(right, 3)}


# layer norm of each position: statistics over the channels, which do not move -----------------------------------------------------

r, t = Fun("R", (), ((Range(channels),),), symmetric=True), Fun("S", (), ((Range(channels),),), symmetric=True)
pixels = Fun("x", (Range(channels), Cyclic(n)))
weight, offset = Fun("γ", (Range(channels),)), Fun("β", (Range(channels),))


def last(seen: Any = k, moved: Any = k) -> Goal:
    """The statistics at i are those of x[·, i]."""

    def layer(shift: Any, of_statistics: Any, at: Any) -> Term:
        statistics = (body(f(body(b, pixels(b, at - of_statistics)))) for f in (r, t))
        return φ(body(pixels(a, at - shift)), *statistics, body(weight(a)), body(offset(a)))

    return Goal(layer(k, seen, i), layer(0, 0, i - moved))


def last_script(p: Proof) -> None:
    """Both sides are the same by index arithmetic: the channels of position i are those of i − k before the shift."""


def last_library(given: Given) -> dict[str, object]:
    """Axes a, i, k."""
    signal, scale, offset = torch.as_tensor(given["x"]).real.T, vector(given, "γ"), vector(given, "β")

    def layer(x: torch.Tensor) -> torch.Tensor:
        return torch.nn.functional.layer_norm(x, x.shape[1:], scale, offset, EPS)

    left = [layer(signal.roll(k, 0)).T for k in range(given["n"])]
    right = [layer(signal).roll(k, 0).T for k in range(given["n"])]
    return {"lhs": torch.stack(left, 2), "rhs": torch.stack(right, 2)}


# a layer norm over the image, with constants of period s ---------------------------------------------------------------------------

IMAGE = Cyclic(s * m)
P, Q = variables("p u", IMAGE)
q, v = variables("q v", Cyclic(m))
(e,) = variables("e", Unit())
ρ, σ = Fun("R", (), ((IMAGE,),), symmetric=True), Fun("S", (), ((IMAGE,),), symmetric=True)
signal, scale = Fun("x", (IMAGE,)), Fun("γ", (IMAGE,))
χ = Fun("χ", (), ((), (), (), ()))


def periodic(shift: Any = s * q, moved: Any = s * q, period: Any = s) -> Goal:
    """γ, one constant a position, has the period s."""
    same = assume(scale(P + period * e), scale(P), P, e)

    def layer(rolled: Any, at: Any) -> Term:
        mean, variance = (f(body(Q, signal(Q - rolled))) for f in (ρ, σ))
        return χ(body(signal(at - rolled)), body(mean), body(variance), body(scale(at)))

    return Goal(layer(shift, P), layer(0, P - moved), (same,))


def periodic_script(p: Proof) -> None:
    p.reindex({Q: Q + s * q}, "the statistics of whole periods do not see the shift")

    def step(side: Any) -> None:
        side.rewrite(p.hypotheses[0], {P: P - s * v - s * e}, says="γ is the same s entries on", backwards=True)

    p.right.induct(scale(P - s * v), v, e, q, step, "γ is the same q periods on")


def with_period(world: World) -> dict[str, Meaning]:
    def γ(p: Any) -> Any:
        return pseudorandom(world, "γ", tuple(a % s for a, s in zip(p, world.sizes["s"], strict=True)))

    def one(entry: list[complex], mean: list[complex], variance: list[complex], scale: list[complex]) -> complex:
        return scaled(entry[0], mean[0], variance[0], scale[0], 0j)

    return {"γ": γ, **({} if isinstance(world.field, Exact) else {"χ": one, "R": average, "S": spread})}


def any_constants(world: World) -> dict[str, Meaning]:
    return {name: meaning for name, meaning in with_period(world).items() if name != "γ"}


def periodic_library(given: Given) -> dict[str, object]:
    """Axes p, q."""
    x, scale, step = torch.as_tensor(given["x"]).real, vector(given, "γ"), given["s"]

    def layer(x: torch.Tensor) -> torch.Tensor:
        return torch.nn.functional.layer_norm(x, x.shape, scale, None, EPS)

    left = [layer(x.roll(step * q)) for q in range(given["m"])]
    right = [layer(x).roll(step * q) for q in range(given["m"])]
    return {"lhs": torch.stack(left, 1), "rhs": torch.stack(right, 1)}


LAW = Law(
    name="layer_norm",
    title="Layer and group norms commute with every shift that their constants respect",
    families=("normalisation",),
    note="φ and χ are any functions of an entry, its statistics and its constants; for the check against torch, (x − mean)/√(variance + ε)·γ + β.",
    claims=(
        Claim(
            says="Group norm, any number of groups: statistics of the channels and positions of each, constants of each channel: it moves with x",
            goal=group,
            script=group_script,
            twins=(
                Twin("γ is one constant a position, as in a layer norm over the image", {"per_position": True}),
                Twin("the result moves the other way", {"moved": -k}),
            ),
            meanings=floating,
            worlds=({"G": 2, "c": 1, "n": 3}, {"G": 1, "c": 2, "n": 3}, {"G": (1, 1), "c": (1, 1), "n": (2, 2)}),
            library=group_library,
        ),
        Claim(
            says="Layer norm of each position, φ(x[a, i], R(x[·, i]), S(x[·, i]), γ[a], β[a]): it moves with x, as the channels do not move",
            goal=last,
            script=last_script,
            twins=(
                Twin("the statistics stay where they are", {"seen": 0}),
                Twin("the result moves the other way", {"moved": -k}),
            ),
            meanings=floating,
            worlds=({"c": 2, "n": 3}, {"c": 1, "n": 4}, {"c": (1, 2), "n": (2, 2)}),
            library=last_library,
        ),
        Claim(
            says="Layer norm over the image, with one γ a position: where γ[p + s] = γ[p], it moves with x where x moves by multiples of s",
            goal=periodic,
            script=periodic_script,
            twins=(
                Twin("γ has no period but that of the signal", {"period": s * m}, any_constants),
                Twin("the result stays", {"moved": 0}),
            ),
            meanings=with_period,
            worlds=({"m": 2, "s": 2}, {"m": 3, "s": 2}, {"m": (2, 1), "s": (2, 2)}),
            library=periodic_library,
        ),
    ),
)
