"""One shift is tested, a whole subgroup is claimed: what holds of the shifts that generate it holds of all that they generate."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import equiconv as eq
from proofs.crosscheck import Given
from proofs.evaluation import Meaning, Vector, World, pseudorandom
from proofs.language import Cyclic, Fun, Integers, Range, Theorem, Unit, assume, body, size, variables
from proofs.laws import Claim, Law, Meanings, Twin
from proofs.proving import Goal, Proof, Side

m, n, s, t, b, c, count = size("m"), size("n"), size("s"), size("t"), size("b"), size("c"), size("N")
q, v = variables("q v", Cyclic(m))
(e,) = variables("e", Unit())
(z,) = variables("z", Integers())


def place(world: World, *parts: tuple[Vector, str, str]) -> int:
    """Where an index stands among the values of a body, in row-major order; each part an index and the names of its modulus, a product of two sizes."""
    digits = [
        (i % (world.sizes[first][a] * world.sizes[second][a]), world.sizes[first][a] * world.sizes[second][a])
        for index, first, second in parts
        for a, i in enumerate(index)
    ]
    at = 0
    for digit, modulus in digits:
        at = at * modulus + digit
    return at


def blocks(world: World, p: Vector, outer: str, inner: str) -> tuple[Vector, Vector]:
    """p = inner·quotient + remainder, and the entry outer·quotient that block ``quotient`` reads."""
    quotient = tuple(a // d for a, d in zip(p, world.sizes[inner], strict=True))
    remainder = tuple(a % d for a, d in zip(p, world.sizes[inner], strict=True))
    return tuple(a * d for a, d in zip(quotient, world.sizes[outer], strict=True)), remainder


# one generator ----------------------------------------------------------------------------------------------------------------

F = Fun("F", (Cyclic(b * m),), ((Cyclic(s * m),),))
(p_,) = variables("p", Cyclic(b * m))
(j,) = variables("j", Cyclic(s * m))
x, y = Fun("x", (Cyclic(s * m),)), Fun("y", (Cyclic(s * m),))


def generator(tested: int = 1, shift: Any = s * q, out: Any = b * q) -> Goal:
    """``tested``: the multiple of s for which F is known to turn a shift into a shift."""
    step = tested * e
    known = assume(F(p_, body(j, y(j - s * step))), F(p_ - b * step, body(j, y(j))), p_, e, y)
    return Goal(F(p_, body(j, x(j - shift))), F(p_ - out, body(j, x(j))), (known,))


def generator_script(p: Proof) -> None:
    (known,) = p.hypotheses

    def step(side: Side) -> None:
        at: dict[Any, Any] = {p_: p_ - b * q + b * v + b * e}
        side.rewrite(known, at, {y: ((j,), x(j - s * v))}, says="one more step of s moves the output by b")

    family = F(p_ - b * q + b * v, body(j, x(j - s * v)))
    p.induct(family, v, e, q, step, "take the steps back one by one, along every axis")


def sampled(alternate: bool = False) -> Meanings:
    """F(y)[b·k + r] = y[s·k]: every s-th entry, b times over. ``alternate``: times a weight that differs in every other block."""

    def meanings(world: World) -> dict[str, Meaning]:
        def value(p: Vector, values: Sequence[Any]) -> Any:
            entry, _ = blocks(world, p, "s", "b")
            block = sum(a // d for a, d in zip(p, world.sizes["b"], strict=True))
            found = values[place(world, (entry, "s", "m"))]
            return found * pseudorandom(world, "w", block % 2) if alternate else found

        return {"F": value}

    return meanings


def generator_library(given: Given) -> dict[str, object]:
    """Every s-th entry, each b times over: sub-sampling, then nearest up-sampling."""
    size, step, copies = given["m"], given["s"], given["b"]
    chosen = [step * (p // copies) for p in range(copies * size)]
    shifts = [(eq.Shift(step * q, step * size), eq.Shift(copies * q, copies * size)) for q in range(size)]
    left = [(before @ given["x"])[chosen] for before, _ in shifts]
    right = [after @ given["x"][chosen] for _, after in shifts]
    return {"lhs": given.xp.stack(left, 1), "rhs": given.xp.stack(right, 1)}


# a generator for each axis -------------------------------------------------------------------------------------------------------

G = Fun("G", (Cyclic(b * m), Cyclic(c * n)), ((Cyclic(s * m), Cyclic(t * n)),))
(r_,) = variables("r", Cyclic(c * n))
(l,) = variables("l", Cyclic(t * n))
k, u = variables("k u", Cyclic(n))
X, Y = Fun("x", (Cyclic(s * m), Cyclic(t * n))), Fun("y", (Cyclic(s * m), Cyclic(t * n)))


def axes(first: tuple[int, int] = (1, 0), second: tuple[int, int] = (0, 1), out: Any = c * k) -> Goal:
    """``first``, ``second``: how many steps of s and of t each of the two shifts makes for which G is known to turn a shift into a shift."""

    def known(rows: int, columns: int) -> Theorem:
        moved = body(j, l, Y(j - rows * s * e, l - columns * t * e))
        return assume(G(p_, r_, moved), G(p_ - rows * b * e, r_ - columns * c * e, body(j, l, Y(j, l))), p_, r_, e, Y)

    left = G(p_, r_, body(j, l, X(j - s * q, l - t * k)))
    return Goal(left, G(p_ - b * q, r_ - out, body(j, l, X(j, l))), (known(*first), known(*second)))


def axes_script(p: Proof) -> None:
    rows, columns = p.hypotheses

    def row(side: Side) -> None:
        at: dict[Any, Any] = {p_: p_ - b * q + b * v + b * e}
        side.rewrite(rows, at, {Y: ((j, l), X(j - s * v, l - t * k))}, says="one more step of s along the first axis")

    def column(side: Side) -> None:
        at: dict[Any, Any] = {p_: p_ - b * q, r_: r_ - c * k + c * u + c * e}
        side.rewrite(columns, at, {Y: ((j, l), X(j, l - t * u))}, says="one more step of t along the second axis")

    p.induct(G(p_ - b * q + b * v, r_, body(j, l, X(j - s * v, l - t * k))), v, e, q, row, "back along the first axis")
    p.induct(
        G(p_ - b * q, r_ - c * k + c * u, body(j, l, X(j, l - t * u))), u, e, k, column, "back along the second axis"
    )


def sampled_image(of: str = "") -> Meanings:
    """G(y)[b·k + r, c·l + o] = y[s·k, t·l], times a weight for what is named: the block's column, or its column minus its row."""

    def meanings(world: World) -> dict[str, Meaning]:
        def value(p: Vector, r: Vector, values: Sequence[Any]) -> Any:
            (row, _), (column, _) = blocks(world, p, "s", "b"), blocks(world, r, "t", "c")
            found = values[place(world, (row, "s", "m"), (column, "t", "n"))]
            known = {"column": column, "difference": difference(world, p, r)}
            return found * pseudorandom(world, "w", known[of]) if of else found

        return {"G": value}

    return meanings


def difference(world: World, p: Vector, r: Vector) -> tuple[int, ...]:
    """The block's column minus its row, modulo what both repeat after."""
    found = []
    for a, (i, o) in enumerate(zip(p, r, strict=True)):
        common = math.gcd(world.sizes["m"][a], world.sizes["n"][a])
        found.append((o // world.sizes["c"][a] - i // world.sizes["b"][a]) % common)
    return tuple(found)


def axes_library(given: Given) -> dict[str, object]:
    """Every s-th row, b times over, and every t-th column, c times over."""
    xp, x = given.xp, given["x"]
    rows = [given["s"] * (p // given["b"]) for p in range(given["b"] * given["m"])]
    columns = [given["t"] * (r // given["c"]) for r in range(given["c"] * given["n"])]

    def sampled(image: Any) -> Any:
        return image[rows][:, columns]

    def laid(make: Callable[[int, int], Any]) -> Any:
        """k, p, q, r: an image for each k and q, whose rows stand between the two"""
        found = [xp.stack([make(q, k) for q in range(given["m"])], 1) for k in range(given["n"])]
        return xp.stack(found)

    def moved(image: Any, down: int, along: int) -> Any:
        return xp.roll(image, (down, along), (0, 1))

    left = laid(lambda q, k: sampled(moved(x, given["s"] * q, given["t"] * k)))
    return {"lhs": left, "rhs": laid(lambda q, k: moved(sampled(x), given["b"] * q, given["c"] * k))}


# what stays still, or is summed up --------------------------------------------------------------------------------------------------

H = Fun("H", (Range(count),), ((Cyclic(s * m),),))
(o,) = variables("o", Range(count))


def still(tested: int = 1, shift: Any = s * q) -> Goal:
    known = assume(H(o, body(j, y(j - s * tested * e))), H(o, body(j, y(j))), o, e, y)
    return Goal(H(o, body(j, x(j - shift))), H(o, body(j, x(j))), (known,))


def still_script(p: Proof) -> None:
    (known,) = p.hypotheses

    def step(side: Side) -> None:
        side.rewrite(known, functions={y: ((j,), x(j - s * v))}, says="one more step of s changes no output")

    p.induct(H(o, body(j, x(j - s * v))), v, e, q, step, "take the steps back one by one, along every axis")


def weighted(double: bool = False) -> Meanings:
    """H(y)[o] = Σ_i w[o, i]·y[i], w with a period that divides s (or 2·s, where ``double``)."""

    def meanings(world: World) -> dict[str, Meaning]:
        lengths = [a * (2 if double else 1) for a in world.sizes["s"]]
        space = world.values(Cyclic(s * m))

        def value(o: Vector, values: Sequence[Any]) -> Any:
            weights = [pseudorandom(world, "w", o, [a % d for a, d in zip(i, lengths, strict=True)]) for i in space]
            total = values[0] * weights[0]
            for one, weight in zip(values[1:], weights[1:], strict=True):
                total = total + one * weight
            return total

        return {"H": value}

    return meanings


ONE = (
    {"b": 1, "m": 2, "s": 2},
    {"b": 2, "m": 2, "s": 3},
    {"b": 3, "m": 4, "s": 1},
    {"b": (1, 2), "m": (2, 2), "s": (2, 1)},
)
TWO = (
    {"b": 1, "c": 1, "m": 2, "n": 2, "s": 1, "t": 1},
    {"b": 1, "c": 2, "m": 2, "n": 2, "s": 2, "t": 1},
    {"b": 2, "c": 1, "m": 2, "n": 3, "s": 1, "t": 2},
)
PERIODIC = (
    {"N": 1, "m": 2, "s": 1},
    {"N": 2, "m": 2, "s": 2},
    {"N": 1, "m": 4, "s": 1},
    {"N": (1, 1), "m": (2, 2), "s": (1, 2)},
)

LAW = Law(
    name="generated_subgroup",
    title="What holds of one shift along each axis holds of all shifts that these generate",
    families=("pointwise", "contraction", "normalisation", "resampling", "shape", "slice, select, index"),
    note="The certifier tests one stride an axis and claims K = s₁Z × … × s_rZ. In the reading in d dimensions e runs over the unit vectors of all axes.",
    claims=(
        Claim(
            says="If F turns a shift by s into a shift by b, for every signal, it turns every shift by s·q into one by b·q",
            goal=generator,
            script=generator_script,
            twins=(
                Twin("a shift by s·z moves the output by z", {"shift": s * z, "out": z}),
                Twin("F is known to do so for the shift by 2·s only", {"tested": 2}, sampled(alternate=True)),
                Twin("a shift by any z moves the output by b·z", {"shift": z, "out": b * z}),
            ),
            meanings=sampled(),
            worlds=ONE,
            library=generator_library,
        ),
        Claim(
            says="Each axis tested alone: if G follows a shift by s along one axis, and by t along another, it follows s·q and t·k along both at once",
            goal=axes,
            script=axes_script,
            twins=(
                Twin("only the first axis is tested", {"second": (1, 0)}, sampled_image("column")),
                Twin(
                    "only both axes at once are tested",
                    {"first": (1, 1), "second": (1, 1)},
                    sampled_image("difference"),
                ),
                Twin("the output moves along the first axis only", {"out": 0}),
            ),
            meanings=sampled_image(),
            worlds=TWO,
            library=axes_library,
        ),
        Claim(
            says="If a shift by s changes no output of H, whatever the signal, no shift by s·q does",
            goal=still,
            script=still_script,
            twins=(
                Twin("a shift by 2·s is known to change none", {"tested": 2}, weighted(double=True)),
                Twin("no shift by any z does", {"shift": z}),
            ),
            meanings=weighted(),
            worlds=PERIODIC,
        ),
    ),
)
