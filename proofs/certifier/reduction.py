"""A symmetric function (sum, mean, maximum, variance) of whole periods does not see a shift; so a network that pools globally at the end is as
invariant as what comes before is equivariant. L15, L16."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import equiconv as eq
from proofs.crosscheck import Given
from proofs.evaluation import Exact, Meaning, World
from proofs.language import Cyclic, Fun, Integers, Range, as_term, assume, body, cardinality, size, sum_over, variables
from proofs.laws import Claim, Law, Twin
from proofs.proving import Goal, Proof

m, n, t, count = size("m"), size("n"), size("t"), size("c")
SHIFTS = range(-2, 4)  # the integers at which statements are evaluated
(z,) = variables("z", Integers())


def largest(world: World) -> dict[str, Meaning]:
    """The largest real part; in the exact field, where numbers have no order, any symmetric function."""

    def value(values: Sequence[complex]) -> complex:
        return complex(max(v.real for v in values))

    return {} if isinstance(world.field, Exact) else {"R": value, "Q": value}


# whole periods -------------------------------------------------------------------------------------------------------------------

i, k = variables("i k", Cyclic(n))
(around,) = variables("i", Cyclic(count * n))
x = Fun("x", (Cyclic(n),))
R = Fun("R", (), ((Cyclic(count * n),),), symmetric=True)
ORDERED = Fun("R", (), ((Cyclic(count * n),),))


def periods(aggregate: Fun = R, stride: int = 1) -> Goal:
    return Goal(aggregate(body(around, x(stride * around - z))), aggregate(body(around, x(stride * around))))


def periods_script(p: Proof) -> None:
    p.reindex({around: around + z}, "count from z on: the same values in another order")


def periods_library(given: Given) -> dict[str, object]:
    whole = given.xp.concatenate([given["x"]] * given["c"])
    left = [(eq.Shift(z, len(whole)) @ whole).real.max() for z in SHIFTS]
    return {"lhs": given.xp.stack(left), "rhs": given.xp.stack([whole.real.max() for _ in SHIFTS])}


# the mean, and a part of a period --------------------------------------------------------------------------------------------------

(part,) = variables("i", Range(m))


def mean(over: Any = i, weights: Fun | None = None) -> Goal:
    weight = weights(over) if weights else as_term(1)
    scale = 1 / cardinality(over.sort)
    return Goal(sum_over(over, weight * x(over - k)) * scale, sum_over(over, weight * x(over)) * scale)


def mean_script(p: Proof) -> None:
    p.reindex({i: i + k}, "count from k on")


def mean_library(given: Given) -> dict[str, object]:
    left = [(eq.Shift(k, given["n"]) @ given["x"]).mean() for k in range(given["n"])]
    return {"lhs": given.xp.stack(left), "rhs": given.xp.stack([given["x"].mean() for _ in left])}


# one axis after another --------------------------------------------------------------------------------------------------------------

row, a = variables("i a", Cyclic(m))
column, b = variables("j b", Cyclic(n))
X = Fun("x", (Cyclic(m), Cyclic(n)))
Q, P = Fun("Q", (), ((Cyclic(n),),), symmetric=True), Fun("R", (), ((Cyclic(m),),), symmetric=True)
ROWS, COLUMNS = Fun("R", (), ((Cyclic(m),),)), Fun("Q", (), ((Cyclic(n),),))


def axes(outer: Fun = P, inner: Fun = Q) -> Goal:
    left = outer(body(row, inner(body(column, X(row - a, column - b)))))
    return Goal(left, outer(body(row, inner(body(column, X(row, column))))))


def axes_script(p: Proof) -> None:
    p.reindex({row: row + a}, "count the rows from a on")
    p.reindex({column: column + b}, "count the columns from b on, in every row")


def axes_library(given: Given) -> dict[str, object]:
    xp, x = given.xp, given["x"].real
    rolled = [[xp.roll(x, (a, b), (0, 1)) for b in range(given["n"])] for a in range(given["m"])]
    left = [xp.stack([xp.amax(xp.amax(y, 1), 0) for y in line]) for line in rolled]
    right = [xp.stack([xp.amax(x, (0, 1)) for _ in line]) for line in rolled]
    return {"lhs": xp.stack(left), "rhs": xp.stack(right)}


# global pooling after an equivariant map -------------------------------------------------------------------------------------------------

o, q = variables("o q", Cyclic(m))
(entry,) = variables("i", Cyclic(t * m))
signal, g = Fun("x", (Cyclic(t * m),)), Fun("g", (Cyclic(t * m),))
f = Fun("f", (Cyclic(m),), ((Cyclic(t * m),),))
EQUIVARIANT = assume(f(o, body(entry, g(entry - t * q))), f(o - q, body(entry, g(entry))), o, q, g)


def pooled(shift: Any = t * q, equivariant: bool = True, aggregate: Fun = P) -> Goal:
    left = aggregate(body(o, f(o, body(entry, signal(entry - shift)))))
    right = aggregate(body(o, f(o, body(entry, signal(entry)))))
    return Goal(left, right, (EQUIVARIANT,) if equivariant else ())


def pooled_script(p: Proof) -> None:
    p.rewrite(EQUIVARIANT, functions={g: ((entry,), signal(entry))}, says="f is equivariant: its output moves by q")
    p.reindex({o: o + q}, "the pool does not see where its entries stand")


def total(values: Sequence[Any]) -> Any:
    out = values[0]
    for v in values[1:]:
        out = out + v
    return out


def generic(_: World) -> dict[str, Meaning]:
    return {"R": total}


def pooled_meanings(world: World) -> dict[str, Meaning]:
    """f: the product of an entry and its right neighbour, at every t-th entry."""
    (step,) = world.sizes["t"]

    def product(o: tuple[int], values: Sequence[Any]) -> Any:
        return values[step * o[0]] * values[(step * o[0] + 1) % len(values)]

    return {"f": product, "R": total}


def uneven(world: World) -> dict[str, Meaning]:
    """The sum of the values, each times its place."""

    def weighted(values: Sequence[Any]) -> Any:
        return total([v for place, v in enumerate(values) for _ in range(place + 1)])

    return {**pooled_meanings(world), "R": weighted}


def pooled_library(given: Given) -> dict[str, object]:
    def network(signal: Any) -> Any:
        return (signal * (eq.Shift(-1, len(signal)) @ signal))[:: given["t"]].sum()

    x, size = given["x"], given["m"] * given["t"]
    left = [network(eq.Shift(given["t"] * q, size) @ x) for q in range(given["m"])]
    return {"lhs": given.xp.stack(left), "rhs": given.xp.stack([network(x) for _ in left])}


CHAINS = ({"m": 1, "t": 2}, {"m": 2, "t": 2}, {"m": 3, "t": 2}, {"m": 3, "t": 1})

LAW = Law(
    name="reduction",
    title="A symmetric function of whole periods is invariant to shifts",
    items=("L15", "L16"),
    families=("reduction",),
    claims=(
        Claim(
            says="A symmetric R of c whole periods: R(S_z x) = R(x) for every shift z",
            goal=periods,
            script=periods_script,
            twins=(
                Twin("R depends on the order of its values, as a weighted sum does", {"aggregate": ORDERED}),
                Twin("every other entry is enough", {"stride": 2}),
            ),
            meanings=largest,
            library=periods_library,
        ),
        Claim(
            says="The mean over the whole period is invariant",
            goal=mean,
            script=mean_script,
            twins=(
                Twin("the mean of the first m entries is: of a crop", {"over": part}),
                Twin("it is weighted, and the weights stay where they are", {"weights": Fun("w", (Cyclic(n),))}),
            ),
            library=mean_library,
        ),
        Claim(
            says="Axes of different sizes, one after the other: R over rows of Q over columns is invariant to shifts along both",
            goal=axes,
            script=axes_script,
            twins=(
                Twin("R depends on the order of the rows, as a flatten and a linear layer do", {"outer": ROWS}),
                Twin("Q depends on the order of the columns", {"inner": COLUMNS}),
            ),
            meanings=largest,
            library=axes_library,
        ),
        Claim(
            says="Global pooling after an equivariant f is invariant: if f(S_{t·q} x) = S_q f(x), then R(f(S_{t·q} x)) = R(f(x))",
            goal=pooled,
            script=pooled_script,
            twins=(
                Twin("to every shift, not only those that f respects", {"shift": z}),
                Twin("f is any map", {"equivariant": False}, generic),
                Twin("what follows f is not symmetric", {"aggregate": ROWS}, uneven),
            ),
            meanings=pooled_meanings,
            worlds=CHAINS,
            library=pooled_library,
        ),
    ),
)
