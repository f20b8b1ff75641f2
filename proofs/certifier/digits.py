"""The digits of an index are an odometer. What is aggregated over the highest digit sees no carry, and all copies of that digit take the same one."""

from __future__ import annotations

from typing import Any

from proofs.certifier.partial_reduction import largest
from proofs.crosscheck import Given
from proofs.language import Cyclic, Fun, Integers, Range, body, size, sum_over, variables
from proofs.laws import Claim, Law, Solved, Twin
from proofs.proving import Goal, Proof

b, m = size("b"), size("m")
(q,) = variables("q", Cyclic(m))
(r,) = variables("r", Range(b))
(c,) = variables("c", Integers())
x = Fun("x", (Cyclic(b * m),))
SHIFTS = range(-2, 4)  # the integers c at which statements are evaluated

# aggregates over the outer digit ------------------------------------------------------------------------------------------------

R = Fun("R", (), ((Cyclic(m),),), symmetric=True)
ORDERED = Fun("R", (), ((Cyclic(m),),))


def aggregate(over: Fun = R, carry: Any = b * c) -> Goal:
    return Goal(over(body(q, x(b * q + r + carry))), over(body(q, x(b * q + r))))


def aggregate_script(p: Proof) -> None:
    p.reindex({q: q - c}, "count the blocks from c on: b·(q − c) + r + b·c = b·q + r")


def aggregate_library(given: Given) -> dict[str, object]:
    """The largest entry at each place of the blocks."""
    xp, x, digits = given.xp, given["x"].real, (given["m"], given["b"])
    left = [xp.amax(xp.roll(x, -given["b"] * c).reshape(digits), 0) for c in SHIFTS]
    return {"lhs": xp.stack(left), "rhs": xp.stack([xp.amax(x.reshape(digits), 0) for _ in SHIFTS])}


def summed(carry: Any = b * c) -> Goal:
    return Goal(sum_over(q, x(b * q + r + carry)), sum_over(q, x(b * q + r)))


def summed_library(given: Given) -> dict[str, object]:
    xp, digits = given.xp, (given["m"], given["b"])
    left = [xp.roll(given["x"], -given["b"] * c).reshape(digits).sum(0) for c in SHIFTS]
    return {"lhs": xp.stack(left), "rhs": xp.stack([given["x"].reshape(digits).sum(0) for _ in SHIFTS])}


# digits, for z3 -------------------------------------------------------------------------------------------------------------------


def copies(z3: Any, shared: bool = True, fits: bool = True) -> list[Any]:
    """b·q + r − k = b·q₁ + r₁ and b·p + r′ − k = b·p₁ + r₂ in digits, yet not r₁ = r₂ and q₁ − q = p₁ − p; ``shared``: r′ is r."""
    base, k, q, r, q1, r1, p, other, p1, r2 = z3.Ints("b k q r q₁ r₁ p r′ p₁ r₂")
    return [
        base >= 1,
        *(r1 >= 0, r2 >= 0, r2 < base),
        *((r1 < base,) if fits else ()),
        *(r >= 0, r < base, other >= 0, other < base),
        *((other == r,) if shared else ()),
        base * q + r - k == base * q1 + r1,
        base * p + other - k == base * p1 + r2,
        z3.Or(r1 != r2, q1 - q != p1 - p),
    ]


def above(z3: Any, whole: bool = True, below: bool = True) -> list[Any]:
    """u = P·t + v with P = b·s: ⌊(u − k)/b⌋ = w and ⌊(v − k)/b⌋ = w′, yet not w = w′ + s·t. ``whole``: P is b·s; ``below``: v is u's rest, not v + 1."""
    base, s, t, v, k, w, rest, w1, rest1, period = z3.Ints("b s t v k w r w′ r′ P")
    return [
        base >= 1,
        s >= 1,
        period == base * s if whole else period == base * s + 1,
        *(rest >= 0, rest < base, rest1 >= 0, rest1 < base),
        period * t + v - k == base * w + rest,
        v - k + (0 if below else 1) == base * w1 + rest1,
        w != w1 + s * t,
    ]


LAW = Law(
    name="digits",
    title="The digits of an index are an odometer: together they always move, and what is aggregated over the highest one moves as the others do",
    families=("shape", "reduction", "contraction"),
    claims=(
        Claim(
            says="Aggregated over the outer digit in any order, R_q x[b·q + r + b·c] = R_q x[b·q + r]: no carry into q is seen, and r rolls modulo b",
            goal=aggregate,
            script=aggregate_script,
            twins=(
                Twin("the order of the blocks counts", {"over": ORDERED}),
                Twin("not whole blocks are carried", {"carry": c}),
            ),
            meanings=largest,
            library=aggregate_library,
        ),
        Claim(
            says="So for a sum, such as a contraction over the blocks: Σ_q x[b·q + r + b·c] = Σ_q x[b·q + r]",
            goal=summed,
            script=aggregate_script,
            twins=(
                Twin("not whole blocks are carried", {"carry": c}),
                Twin("and one entry more", {"carry": b * c + 1}),
            ),
            library=summed_library,
        ),
        Solved(
            says="Outer digits beside one inner digit take one carry: if b·q + r − k = b·q₁ + r₁ and b·p + r − k = b·p₁ + r₂, then r₁ = r₂ and q₁ − q = p₁ − p",
            constraints=copies,
            twins={
                "each has an inner digit of its own": lambda z3: copies(z3, shared=False),
                "the inner digit may exceed b − 1": lambda z3: copies(z3, fits=False),
            },
        ),
        Solved(
            says="A digit moves as those below it say: if u = b·s·t + v, then ⌊(u − k)/b⌋ = ⌊(v − k)/b⌋ + s·t, which is the same modulo s",
            constraints=above,
            twins={
                "the digit above stands at another place": lambda z3: above(z3, whole=False),
                "what is below is not all of it": lambda z3: above(z3, below=False),
            },
        ),
    ),
    note="A reshape conjugates the roll: the table y[q, r] = x[b·q + r] of a rolling x becomes that of x[b·q + r − k], whatever k. Cutting costs nothing; "
    "split_and_merge says what it costs when an operation touches one digit without those below it.",
)
