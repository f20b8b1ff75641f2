"""Products summed over shared labels: a label that all operands roll along is still once it is summed, and a free label rolls on."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import equiconv as eq
from proofs.crosscheck import Given
from proofs.evaluation import Meaning, Vector, World, pseudorandom
from proofs.language import Cyclic, Fun, Integers, Range, Unit, assume, size, sum_over, variables
from proofs.laws import Claim, Law, Meanings, Twin
from proofs.proving import Goal, Proof, Side

n, m, t, channels, outputs = size("n"), size("m"), size("t"), size("channels"), size("outputs")
i, j, k = variables("i j k", Cyclic(n))
(c,) = variables("c", Range(channels))
(o,) = variables("o", Range(outputs))


def rolls(given: Given, array: Any, *axes: int) -> Any:
    """The array rolled by k along all ``axes``, for k = 0, …, n − 1 along a new first axis."""
    return given.xp.stack([given.xp.roll(array, (k,) * len(axes), axes) for k in range(given["n"])])


# a contracted label -----------------------------------------------------------------------------------------------------------


x, y = Fun("x", (Cyclic(n),)), Fun("y", (Cyclic(n),))


def contracted(second: Any = k) -> Goal:
    return Goal(sum_over(i, x(i - k) * y(i - second)), sum_over(i, x(i) * y(i)))


def contracted_script(p: Proof) -> None:
    p.reindex({i: i + k}, "count i from k on: both operands move alike")


def contracted_library(given: Given) -> dict[str, object]:
    shifts = [eq.Shift(k, given["n"]) for k in range(given["n"])]
    left = [((shift @ given["x"]) * (shift @ given["y"])).sum() for shift in shifts]
    return {"lhs": given.xp.stack(left), "rhs": given.xp.stack([given["x"] @ given["y"]] * given["n"])}


# several operands, contracted labels and free ones ------------------------------------------------------------------------------


A, B = Fun("A", (Cyclic(n), Cyclic(n))), Fun("B", (Range(channels), Cyclic(n)))
W = Fun("W", (Range(outputs), Range(channels)))


def einsum(row: Any = k, column: Any = k, out: Any = k) -> Goal:
    left = sum_over((j, c), A(i - row, j - column) * B(c, j - k) * W(o, c))
    return Goal(left, sum_over((j, c), A(i - out, j) * B(c, j) * W(o, c)))


def einsum_script(p: Proof) -> None:
    p.reindex({j: j + k}, "the contracted label j is counted from k on; the free label i keeps its roll")


def einsum_library(given: Given) -> dict[str, object]:
    def product(a: Any, b: Any) -> Any:
        return given.xp.einsum("ij,cj,oc->io", a, b, given["W"])

    moved = zip(rolls(given, given["A"], 0, 1), rolls(given, given["B"], 1), strict=True)
    left = given.xp.stack([product(a, b) for a, b in moved], 1)
    right = given.xp.stack(list(rolls(given, product(given["A"], given["B"]), 0)), 1)
    return {"lhs": left, "rhs": right}


# a linear layer along the channels ------------------------------------------------------------------------------------------------


image = Fun("x", (Range(channels), Cyclic(n)))
V = Fun("V", (Range(outputs), Range(channels), Cyclic(n)))


def linear(untied: bool = False, out: Any = k) -> Goal:
    def layer(position: Any, signal: Any) -> Any:
        return sum_over(c, (V(o, c, position) if untied else W(o, c)) * image(c, signal))

    return Goal(layer(i, i - k), layer(i - out, i - out))


def linear_script(p: Proof) -> None:
    """Both sides are the same as they stand: the weights do not move, and the contracted label c is still."""


def linear_library(given: Given) -> dict[str, object]:
    left = [(given["W"] @ moved).T for moved in rolls(given, given["x"], 1)]
    right = [moved.T for moved in rolls(given, given["W"] @ given["x"], 1)]
    return {"lhs": given.xp.stack(left, 1), "rhs": given.xp.stack(right, 1)}


# a linear layer along the positions ------------------------------------------------------------------------------------------------


whole = Cyclic(t * m)
a, b = variables("a b", whole)
z, U = Fun("z", (whole,)), Fun("U", (whole, whole))


def positions(row: Any = t, column: Any = t, out: Any = t) -> Goal:
    stable = assume(U(a - row, b - column), U(a, b), a, b)
    return Goal(sum_over(b, U(a, b) * z(b - t)), sum_over(b, U(a - out, b) * z(b)), (stable,))


def positions_script(p: Proof) -> None:
    p.reindex({b: b + t}, "count b from t on")
    p.rewrite(p.hypotheses[0], {b: b + t}, says="the weights are the same t rows and t columns further", backwards=True)


def fixed(what: Callable[[int, int, int], tuple[int, ...]]) -> Meanings:
    """Random weights that depend on the indices a and b only through ``what``, which a shift leaves alone (modulo t·m)."""

    def meanings(world: World) -> dict[str, Meaning]:
        def weights(first: Vector, second: Vector) -> Any:
            axes = zip(first, second, world.sizes["t"], world.sizes["m"], strict=True)
            key = [[v % (block * count) for v in what(p, q, block)] for p, q, block, count in axes]
            return pseudorandom(world, "U", key)

        return {"U": weights}

    return meanings


def positions_library(given: Given) -> dict[str, object]:
    def layer(signal: Any) -> Any:
        return (given["U"] * signal).sum(1)

    return {"lhs": layer(given.xp.roll(given["z"], given["t"])), "rhs": given.xp.roll(layer(given["z"]), given["t"])}


# constant weights that repeat along the contracted label -----------------------------------------------------------------------------


q, v = variables("q v", Cyclic(m))
(e,) = variables("e", Unit())
(r,) = variables("r", Integers())
C = Fun("C", (Range(outputs), whole))


def repeating(repeats: Any = t, shift: Any = t * q) -> Goal:
    known = assume(C(o, b + repeats * e), C(o, b), o, b, e)
    return Goal(sum_over(b, C(o, b) * z(b - shift)), sum_over(b, C(o, b) * z(b)), (known,))


def repeating_script(p: Proof) -> None:
    (known,) = p.hypotheses

    def step(side: Side) -> None:
        side.rewrite(known, {b: b + t * v}, says="the weights repeat after t")

    p.reindex({b: b + t * q}, "count b from t·q on: now the weights moved, and the signal did not")
    p.induct(C(o, b + t * v), v, e, q, step, "the weights repeat after t, hence after every multiple of t")


def periodic(world: World) -> dict[str, Meaning]:
    """C[o, i] depends on i modulo t only."""

    def value(o: Vector, i: Vector) -> Any:
        return pseudorandom(world, "C", o, [a % b for a, b in zip(i, world.sizes["t"], strict=True)])

    return {"C": value}


def any_weights(world: World) -> dict[str, Meaning]:
    """C[o, i] depends on i modulo t·m, as any weights do."""
    return {"C": lambda o, i: pseudorandom(world, "C", o, i)}


def repeating_library(given: Given) -> dict[str, object]:
    """The product with a matrix, as a linear layer computes it."""
    size = given["t"] * given["m"]
    left = [given["C"] @ (eq.Shift(given["t"] * q, size) @ given["z"]) for q in range(given["m"])]
    right = [given["C"] @ given["z"]] * given["m"]
    return {"lhs": given.xp.stack(left, 1), "rhs": given.xp.stack(right, 1)}


LAW = Law(
    name="contraction",
    title="A sum over a label that all operands roll along does not see the roll; a free label rolls on",
    families=("contraction",),
    claims=(
        Claim(
            says="Σ_i x[i − k]·y[i − k] = Σ_i x[i]·y[i]: a contracted label that both operands roll along is still",
            goal=contracted,
            script=contracted_script,
            twins=(
                Twin("only one operand rolls", {"second": 0 * k}),
                Twin("the operands roll opposite ways", {"second": -k}),
            ),
            library=contracted_library,
        ),
        Claim(
            says="Several operands: a free label rolls on, a contracted one is still, constant weights on still labels change nothing",
            goal=einsum,
            script=einsum_script,
            twins=(
                Twin("A does not roll along the contracted label", {"column": 0 * k}),
                Twin("A does not roll along the free label, and the result is claimed to", {"row": 0 * k}),
                Twin("the result rolls the other way", {"out": -k}),
            ),
            library=einsum_library,
            worlds=(
                {"n": 2, "channels": 2, "outputs": 1},
                {"n": 3, "channels": 2, "outputs": 2},
                {"n": (1, 3), "channels": (1, 2), "outputs": (1, 1)},
            ),
        ),
        Claim(
            says="A linear layer along channels commutes with the roll of the positions: Σ_c W[o, c]·x[c, i − k]",
            goal=linear,
            script=linear_script,
            twins=(
                Twin("the weights differ from position to position", {"untied": True}),
                Twin("the result rolls the other way", {"out": -k}),
            ),
            library=linear_library,
        ),
        Claim(
            says="Weights that repeat along the contracted label, C[o, b + t] = C[o, b]: a shift of z by t·q does not change Σ_b C[o, b]·z[b]",
            goal=repeating,
            script=repeating_script,
            twins=(
                Twin("the weights are any (they repeat after t·m, as all do)", {"repeats": t * m}, any_weights),
                Twin("no shift by any r changes it", {"shift": r}),
            ),
            meanings=periodic,
            library=repeating_library,
            worlds=(
                {"m": 2, "outputs": 1, "t": 1},
                {"m": 2, "outputs": 2, "t": 2},
                {"m": 3, "outputs": 1, "t": 2},
                {"m": (2, 1), "outputs": (1, 1), "t": (1, 2)},
            ),
        ),
        Claim(
            says="A linear layer along positions whose weights have U[a − t, b − t] = U[a, b] rolls by t with its input",
            goal=positions,
            script=positions_script,
            twins=(
                Twin(
                    "the weights are the same t columns further only",
                    {"row": 0},
                    fixed(lambda a, b, t: (a, b % t)),
                ),
                Twin(
                    "the weights are the same t rows further only",
                    {"column": 0},
                    fixed(lambda a, b, t: (a % t, b)),
                ),
                Twin(
                    "the weights are those of a correlation: U[a + t, b − t] = U[a, b]",
                    {"row": -t},
                    fixed(lambda a, b, t: (a % t, a + b)),
                ),
            ),
            meanings=fixed(lambda a, b, t: (a % t, a - b)),
            library=positions_library,
        ),
    ),
    note="What the rules look for in constant weights is the fourth claim: weights that repeat along the contracted label, after which the output is still. "
    "Weights that roll, as in the last claim, would carry the shift; the rules do not look for them today, and give it up.",
)
