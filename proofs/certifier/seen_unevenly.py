"""What counts some entries more than others keeps no shift by a permutation of its outputs: their total tells how often the moved entry is seen."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from typing import Any

import torch

import equiconv as eq
from proofs.certifier.part_of_a_period import at, period_of_at_least, spike
from proofs.crosscheck import Given
from proofs.evaluation import Meaning, Vector, World, pseudorandom
from proofs.language import (
    Cyclic,
    Fun,
    Range,
    Signal,
    Term,
    assume,
    cardinality,
    delta,
    shifted,
    size,
    sum_over,
    variables,
)
from proofs.laws import Claim, Law, Twin
from proofs.proving import Goal, Proof, Side

N, m, s, t, width, outputs = size("N"), size("m"), size("s"), size("t"), size("w"), size("outputs")
i, j, k = variables("i j k", Cyclic(N))
(a,) = variables("a", Range(s))
(r,) = variables("r", Range(t))


def drop(of: Callable[[Signal], Term], x: Signal, by: Any = 1) -> Term:
    """The total for x, less that for S_(r + 1) x"""
    return of(x) - of(shifted(x, r + by))


def measured(given: Given, position: int, total: Callable[[Any], Any], extent: str = "t") -> Any:
    """The same for each r, x being 1 at ``position``"""
    x = torch.as_tensor(at(given, position))
    return torch.stack([total(x) - total(eq.Shift(r + 1, given["N"]) @ x) for r in range(given[extent])])


# every entry must count alike ------------------------------------------------------------------------------------------------

L, y = Fun("L", (Range(outputs), Cyclic(N))), Fun("y", (Cyclic(N),))
(o,) = variables("o", Range(outputs))


def counted(every: bool = True, by: int = 1, each: bool = False) -> Goal:
    def total(shift: Any) -> Term:
        return sum_over((o, j), L(o, j) * y(j - shift))

    known = assume(total(by * k), total(0), *((y,) if every else ()))
    left, right = L(o, i + k), L(o, i)
    return Goal(left, right, (known,)) if each else Goal(sum_over(o, left), sum_over(o, right), (known,))


def counted_script(p: Proof) -> None:
    def back(side: Side) -> None:
        side.sift(j, "the spike lies at i + k")

    p.become(sum_over((o, j), L(o, j) * delta(j - k - i, N)), back, "the total for a spike at i, after the shift")
    p.rewrite(p.hypotheses[0], functions={y: ((j,), delta(j - i, N))}, says="it is the total for the spike itself")
    p.sift(j, "which lies at i")


def rotating(world: World, period: int = 1) -> dict[str, Meaning]:
    """L[o, i] = f[(o + i) mod outputs] · g[i mod ``period``], and y[i] = 1000^i, which tells all entries apart."""

    def power(i: Vector) -> Any:
        place = 0
        for a, b in zip(i, world.sizes["N"], strict=True):
            place = place * b + a
        return world.field.number(Fraction(1000**place))

    def value(o: Vector, i: Vector) -> Any:
        turned = [(a + b) % c for a, b, c in zip(o, i, world.sizes["outputs"], strict=True)]
        return pseudorandom(world, "f", turned) * pseudorandom(world, "g", [a % period for a in i])

    return {"L": value, "y": power}


def zero(world: World) -> dict[str, Meaning]:
    """Any L, and y = 0."""
    return {"y": lambda _: world.field.number(Fraction(0))}


def counted_library(given: Given) -> dict[str, object]:
    """Sums over the outputs of a linear layer, on every spike, shifted by every k."""
    xp, layer = given.xp, given["L"]
    spikes = xp.eye(given["N"], dtype=layer.dtype)
    left = [(layer @ xp.roll(spikes, k, 0)).sum(0) for k in range(given["N"])]
    return {"lhs": xp.stack(left, 1), "rhs": xp.stack([(layer @ spikes).sum(0) for _ in left], 1)}


# a halo, and the border repeated or mirrored --------------------------------------------------------------------------------------


def padded(place: Any) -> Callable[[Signal], Term]:
    """The total of the N entries, and of s more that are copies of those at ``place``, which depends on a"""
    return lambda x: sum_over(i, x(i)) + sum_over(a, x(place))


def halo(position: Any = s - 1, by: Any = 1, least: Any = s + t) -> Goal:
    return Goal(drop(padded(N + a), spike(position), by), delta(0), (period_of_at_least(least),))


def halo_script(p: Proof) -> None:
    (long,) = p.hypotheses
    one, other = variables("a b", Range(s + t))
    p.sift(i, "each spike is one of the N entries: that does not count")
    p.rewrite(long, {one: s + r, other: a}, says="after the shift the spike is at s + r")
    p.separate("outside the halo")
    p.rewrite(long, {one: s - 1, other: a}, says="before the shift it is at the end of the halo")
    p.sift(a, "where it is seen once more")


def halo_library(given: Given) -> dict[str, object]:
    return {"lhs": measured(given, given["s"] - 1, lambda x: eq.nn.circular_pad(x[None], (0, given["s"])).sum())}


def replicated(position: Any = -1, least: Any = t + 1) -> Goal:
    return Goal(drop(padded(N - 1), spike(position)), delta(0) * cardinality(a.sort), (period_of_at_least(least),))


def replicated_script(p: Proof) -> None:
    (long,) = p.hypotheses
    one, other = variables("a b", Range(t + 1))
    p.sift(i, "each spike is one of the N entries: that does not count")
    p.rewrite(
        long, {one: r + 1, other: 0}, says="after the shift the spike is r + 1 beyond the border, less than a period"
    )
    p.separate("and so none of the copies sees it")
    p.count(a, "before the shift all of them do")


def edge(given: Given, mode: str) -> Callable[[Any], Any]:
    return lambda x: torch.nn.functional.pad(x[None, None], (0, given["s"]), mode=mode).sum()


def replicated_library(given: Given) -> dict[str, object]:
    return {"lhs": measured(given, -1, edge(given, "replicate"))}


def reflected(position: Any = -2, least: Any = s + t) -> Goal:
    return Goal(drop(padded(N - 2 - a), spike(position)), delta(0), (period_of_at_least(least),))


def reflected_script(p: Proof) -> None:
    (long,) = p.hypotheses
    one, other = variables("a b", Range(s + t))
    p.sift(i, "each spike is one of the N entries: that does not count")
    p.rewrite(long, {one: a + r + 1, other: 0}, says="after the shift the spike is at the border, or beyond it")
    p.separate("which the mirror does not show")
    p.rewrite(long, {one: a, other: 0}, says="before the shift it is the neighbour of the border")
    p.sift(a, "which is seen again in the mirror")


def reflected_library(given: Given) -> dict[str, object]:
    return {"lhs": measured(given, -2, edge(given, "reflect"))}


# windows of different sizes -----------------------------------------------------------------------------------------------------

(window,) = variables("q", Range(m))
(inside,) = variables("b", Range(width))
(u,) = variables("u", Range(width * m))


def uneven(position: Any = width * m - 1, same: bool = False) -> Goal:
    """``same``: the last window divides by w, as the others do."""
    full, part = 1 / cardinality(inside.sort), 1 / cardinality((inside if same else a).sort)

    def averaged(x: Signal) -> Term:
        averages = sum_over((window, inside), x(width * window + inside)) * full
        total: Term = averages + sum_over(a, x(width * m + a)) * part
        return total

    (last,) = variables("r", Range(s))
    x = spike(position)
    right = delta(0) * (1 / cardinality(inside.sort)) - delta(0) * (1 / cardinality(a.sort))
    return Goal(averaged(x) - averaged(shifted(x, last + 1)), right, (period_of_at_least(width * m + s),))


def uneven_script(p: Proof) -> None:
    (long,) = p.hypotheses
    (last,) = variables("r", Range(s))
    one, other = variables("a b", Range(width * m + s))
    reads = width * window + inside
    p.rewrite(long, {one: width * m - 1, other: reads}, says="before the shift the spike ends the last full window")
    p.rewrite(long, {one: width * m + a, other: width * m - 1}, says="and is not in the window after it")
    p.rewrite(long, {one: width * m + last, other: reads}, says="after the shift it is in none of the full windows")
    p.separate("neither counts")
    p.rewrite(long, {one: a, other: last}, says="but in the window after them")
    p.sift(a, "once")
    scale, rest = 1 / cardinality(inside.sort), delta(0) * (1 / cardinality(a.sort))
    p.become(
        sum_over(u, delta(width * m - 1 - u)) * scale - rest,
        lambda side: side.divide(u, window, inside, "the full windows hold each of w·m entries once"),
        "the full windows together see w·m entries, each of them once",
    )
    p.sift(u, "the spike among them")


def uneven_library(given: Given) -> dict[str, object]:
    """Average pooling with ``ceil_mode``."""

    def total(x: Any) -> Any:
        return torch.nn.functional.avg_pool1d(x[None, None], given["w"], ceil_mode=True).sum()

    return {"lhs": measured(given, given["w"] * given["m"] - 1, total, "s")}


PADS = (
    {"N": 2, "s": 1, "t": 1},
    {"N": 2, "s": 1, "t": 2},
    {"N": 3, "s": 2, "t": 1},
    {"N": 4, "s": 2, "t": 2},
    {"N": 5, "s": 1, "t": 3},
    {"N": (4, 3), "s": (2, 1), "t": (1, 2)},
)
WINDOWS = (
    {"N": 3, "m": 1, "s": 1, "w": 2},
    {"N": 5, "m": 2, "s": 1, "w": 2},
    {"N": 8, "m": 2, "s": 2, "w": 3},
    {"N": (3, 5), "m": (1, 2), "s": (1, 1), "w": (2, 2)},
)
LAYERS = (
    {"N": 2, "outputs": 2},
    {"N": 4, "outputs": 2},
    {"N": 4, "outputs": 1},
    {"N": 3, "outputs": 3},
    {"N": (2, 2), "outputs": (2, 1)},
)

LAW = Law(
    name="seen_unevenly",
    title="What counts some entries more than others keeps no shift by a permutation of its outputs, in general",
    families=("padding", "sliding window", "slice, select, index", "resampling", "shape"),
    note="A permutation of the outputs, a roll among them, keeps their total. Read along one axis of N positions: halo, border and mirror at its end. "
    "Claim 1 says what the outputs of any linear map must do; the others are spikes for which the totals differ.",
    claims=(
        Claim(
            says="If a shift by k keeps the total of the outputs L·y for every y, then all of L counts entry i + k as much as entry i",
            goal=counted,
            script=counted_script,
            twins=(
                Twin("for one y", {"every": False}, zero),
                Twin("the total is known to be kept by 2·k", {"by": 2}, lambda world: rotating(world, 2)),
                Twin("then each output counts them alike", {"each": True}),
            ),
            meanings=rotating,
            worlds=LAYERS,
            library=counted_library,
        ),
        Claim(
            says="A halo of s < N is no roll: for x = 1 at s − 1, r < N − s, the total of x and its halo is larger by 1 than after a shift by r + 1",
            goal=halo,
            script=halo_script,
            twins=(
                Twin("for x = 1 at s, outside the halo", {"position": s}),
                Twin("the signal does not move", {"by": -r}),
            ),
            worlds=PADS,
            library=halo_library,
        ),
        Claim(
            says="Replicate padding by s: for x = 1 at the border N − 1, r < N − 1, the total with the padding is larger by s than after a shift by r + 1",
            goal=replicated,
            script=replicated_script,
            twins=(
                Twin("for x = 1 at 0", {"position": 0}),
                Twin("for r = N − 1 too", {"least": t}),
            ),
            worlds=PADS,
            library=replicated_library,
        ),
        Claim(
            says="Reflect padding by s < N: for x = 1 at N − 2, r < N − s, the total with the padding is larger by 1 than after a shift by r + 1",
            goal=reflected,
            script=reflected_script,
            twins=(
                Twin("for x = 1 at the border", {"position": -1}),
                Twin("for any r < N", {"least": t}),
            ),
            worlds=PADS,
            library=reflected_library,
        ),
        Claim(
            says="Averages over m windows of w, then one of s entries (ceil_mode), N ≥ w·m + s: for x = 1 at w·m − 1, r < s, the total is larger by 1/w − 1/s "
            "than after a shift by r + 1",
            goal=uneven,
            script=uneven_script,
            twins=(
                Twin("for x = 1 at 0", {"position": 0}),
                Twin("the last window divides by w too", {"same": True}),
            ),
            worlds=WINDOWS,
            library=uneven_library,
        ),
    ),
)
