"""What sees part of a period keeps no shift: a crop, one position, an aggregate of some entries, a running sum. Spikes show it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import equiconv as eq
from proofs.crosscheck import Given
from proofs.evaluation import Meaning, World
from proofs.language import Fun, Range, Signal, Theorem, assume, body, delta, shifted, size, sum_over, variables
from proofs.laws import Claim, Law, Twin
from proofs.proving import Goal, Proof

N, m, s = size("N"), size("m"), size("s")
(r,) = variables("r", Range(s))
v, w = variables("v w", Range(m))
(back,) = variables("r", Range(m))


def period_of_at_least(length: Any) -> Theorem:
    """N ≥ length: the positions 0, …, length − 1 are different modulo N."""
    a, b = variables("a b", Range(length))
    return assume(delta(a - b, N), delta(a - b), a, b)


def spike(at: Any) -> Signal:
    """1 at one position of an axis of N, else 0"""
    return lambda i: delta(i - at, N)


def at(given: Given, position: int) -> Any:
    """That spike, as an array"""
    made = given.xp.zeros(given["N"], dtype=given.xp.float64)
    made[position % given["N"]] = 1.0
    return made


# a crop, and one position -------------------------------------------------------------------------------------------------------


def crop(position: Any = -r - 1, least: Any = m + s, seen: Any = 0) -> Goal:
    x = spike(position)
    return Goal(shifted(x, r + 1)(w) - x(v), delta(w - seen), (period_of_at_least(least),))


def crop_script(p: Proof) -> None:
    (long,) = p.hypotheses
    a, b = variables("a b", Range(m + s))
    p.rewrite(
        long, {a: v + r + 1, b: 0}, says="before the shift the spike is at least 1, and less than a period, before v"
    )
    p.separate("and so it is not seen")
    p.rewrite(long, {a: w, b: 0}, says="after the shift it is seen at 0, and there only")


def crop_library(given: Given) -> dict[str, object]:
    """Axes r, v, w."""
    found = []
    for r in range(given["s"]):
        x, m = at(given, -r - 1), given["m"]
        found.append((eq.Shift(r + 1, given["N"]) @ x)[None, :m] - x[:m, None])
    return {"lhs": given.xp.stack(found)}


def crop_back(position: Any = m, seen: Any = m - 1 - back, least: Any = m + 1) -> Goal:
    x = spike(position)
    return Goal(shifted(x, -(back + 1))(w) - x(v), delta(w - seen), (period_of_at_least(least),))


def crop_back_script(p: Proof) -> None:
    (long,) = p.hypotheses
    a, b = variables("a b", Range(m + 1))
    p.rewrite(long, {a: m, b: v}, says="before the shift the spike is the first entry after the crop")
    p.separate("and so it is not seen")
    p.rewrite(long, {a: w, b: m - 1 - back}, says="after the shift it is seen at m − 1 − r, and there only")


def crop_back_library(given: Given) -> dict[str, object]:
    """Axes r, v, w."""
    x, m = at(given, given["m"]), given["m"]
    found = [(eq.Shift(-r - 1, given["N"]) @ x)[None, :m] - x[:m, None] for r in range(m)]
    return {"lhs": given.xp.stack(found)}


# any function of part of a period -----------------------------------------------------------------------------------------------


def aggregate(seen: Any = m, position: Any = -r - 1) -> Goal:
    (u,) = variables("v", Range(seen))
    R = Fun("R", (), ((Range(seen),),))
    x = spike(position)
    left = R(body(u, shifted(x, r + 1)(u))) - R(body(u, x(u)))
    first = R(body(u, delta(u)))
    return Goal(left, first - R(body(u, delta(0) * 0)), (period_of_at_least(m + s),))


def aggregate_script(p: Proof) -> None:
    (long,) = p.hypotheses
    a, b = variables("a b", Range(m + s))
    p.rewrite(long, {a: v + r + 1, b: 0}, says="before the shift the spike is less than a period before what R sees")
    p.separate("R sees nothing")
    p.rewrite(long, {a: v, b: 0}, says="after the shift it is the first entry that R sees")


def summed(_: World) -> dict[str, Meaning]:
    """The sum: as one value at most is 1 and the others are 0, the maximum too."""

    def value(values: Sequence[Any]) -> Any:
        total = values[0]
        for one in values[1:]:
            total = total + one
        return total

    return {"R": value}


def aggregate_library(given: Given) -> dict[str, object]:
    """The maximum of the first m entries."""
    found = []
    for r in range(given["s"]):
        x = at(given, -r - 1)
        found.append((eq.Shift(r + 1, given["N"]) @ x)[: given["m"]].max() - x[: given["m"]].max())
    return {"lhs": given.xp.stack(found), "rhs": given.xp.ones(given["s"])}


# a running sum --------------------------------------------------------------------------------------------------------------------


def running(position: Any = 0, least: Any = s + 1) -> Goal:
    """``least`` ≤ N, and m ≤ N"""
    x = spike(position)
    return Goal(sum_over(v, x(v)) - shifted(x, r + 1)(0), delta(0), (period_of_at_least(m), period_of_at_least(least)))


def running_script(p: Proof) -> None:
    prefix, whole = p.hypotheses
    a, b = variables("a b", Range(m))
    p.rewrite(prefix, {a: v, b: 0}, says="of the prefix only 0 is a multiple of N")
    p.sift(v, "a prefix of x, of any length m, sees the spike at 0 once")
    a, b = variables("a b", Range(s + 1))
    p.rewrite(whole, {a: r + 1, b: 0}, says="after the shift the spike stands at r + 1, and that is no multiple of N")
    p.separate("so that the first entry does not see it")


def running_library(given: Given) -> dict[str, object]:
    """Entry m − 1 of the running sum of x, less entry 0 of that of S_(r + 1) x."""
    xp, x = given.xp, at(given, 0)
    whole = xp.cumsum(x, 0)[given["m"] - 1]
    moved = [xp.cumsum(eq.Shift(r + 1, given["N"]) @ x, 0)[0] for r in range(given["s"])]
    return {"lhs": xp.stack([whole - one for one in moved])}


LONG = (
    {"N": 2, "m": 1, "s": 1},
    {"N": 2, "m": 1, "s": 2},
    {"N": 3, "m": 2, "s": 2},
    {"N": 4, "m": 2, "s": 2},
    {"N": 5, "m": 3, "s": 1},
    {"N": (3, 2), "m": (1, 1), "s": (2, 1)},
)
AFTER = ({"N": 2, "m": 1}, {"N": 2, "m": 2}, {"N": 4, "m": 3}, {"N": 5, "m": 3}, {"N": (3, 2), "m": (2, 1)})

LAW = Law(
    name="part_of_a_period",
    title="What sees part of a period keeps no shift in general: a shift brings in what it did not see",
    families=("reduction", "slice, select, index", "padding", "shape"),
    note="Read along one axis of N positions. The first claim with s = N − m has the shifts by 1, …, N − m, the second those by −1, …, −m: all but 0. "
    "With m = 1 they are about picking one position.",
    claims=(
        Claim(
            says="Of N ≥ m + s positions the first m are seen. For r < s and x = 1 at −r − 1 only, nothing is seen of x, as of 0, yet 1 at 0 of S_(r + 1) x: "
            "no map of what is seen explains the shift",
            goal=crop,
            script=crop_script,
            twins=(
                Twin("for N ≥ m only", {"least": m}),
                Twin("the spike stands at r + 1", {"position": r + 1}),
                Twin("it is seen at the last position", {"seen": m - 1}),
            ),
            worlds=LONG,
            library=crop_library,
        ),
        Claim(
            says="The same for shifts back, N ≥ m + 1 and r < m: for x = 1 at m only, nothing is seen of x, and 1 at m − 1 − r of S_(−r − 1) x",
            goal=crop_back,
            script=crop_back_script,
            twins=(
                Twin("for N ≥ m only", {"least": m}),
                Twin("the spike stands at m − 1", {"position": m - 1}),
                Twin("it is seen at 0", {"seen": 0}),
            ),
            worlds=AFTER,
            library=crop_back_library,
        ),
        Claim(
            says="Any R of the first m of N ≥ m + s entries: for that x, R(S_(r + 1) x) − R(x) = R(1, 0, …, 0) − R(0, …, 0), not 0 for a sum or a maximum",
            goal=aggregate,
            script=aggregate_script,
            twins=(
                Twin("R sees m + s entries, which may be all", {"seen": m + s}),
                Twin("x = 1 at r + 1", {"position": r + 1}),
            ),
            meanings=summed,
            worlds=LONG,
            library=aggregate_library,
        ),
        Claim(
            says="A running sum, N ≥ m, N > s > r: for x = 1 at 0 its entry m − 1 is 1, for every m, and entry 0 of that of S_(r + 1) x is 0: no permutation "
            "explains the shift",
            goal=running,
            script=running_script,
            twins=(
                Twin("for x = 1 at 1", {"position": 1}),
                Twin("for N ≥ s only: N may be r + 1", {"least": s}),
            ),
            worlds=LONG,
            library=running_library,
        ),
    ),
)
