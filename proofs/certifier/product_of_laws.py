"""Steps compose: equivariant after equivariant is equivariant, strides multiply, an invariant step ends it, and branches may be added and multiplied."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from functools import reduce
from operator import add
from typing import Any

import equiconv as eq
from proofs.crosscheck import Given
from proofs.evaluation import Meaning, Vector, World, pseudorandom
from proofs.language import Cyclic, Fun, Integers, Term, Theorem, assume, body, size, variables
from proofs.laws import Claim, Law, Meanings, Twin
from proofs.proving import Goal, Proof

n, t, u, m = size("n"), size("t"), size("u"), size("m")
ROUND = Cyclic(n)
i, j, l, v, k = variables("i j l v k", ROUND)
x = Fun("x", (ROUND,))
F, G, H = (Fun(name, (ROUND,), ((ROUND,),)) for name in ("F", "G", "H"))


def moves(f: Fun, step: int = 1, out: int = 1) -> Theorem:
    """f(S_(step·k) x)[i] = f(x)[i − out·k] for all x, i, k: f is equivariant where both are 1."""
    return assume(f(i, body(j, x(j - step * k))), f(i - out * k, body(j, x(j))), i, k, x)


# maps that satisfy such hypotheses, to evaluate with -----------------------------------------------------------------------------


def reader(world: World, source: Cyclic, stride: str | None = None) -> Callable[..., Any]:
    """read(x, i, offset) is x[stride·i + offset] for a list x of values."""
    places, modulus = world.values(source), world.vector(source.modulus, {})
    steps = world.sizes[stride] if stride else (1,) * world.dimension

    def read(values: list[Any], index: Vector, offset: int = 0) -> Any:
        return values[places.index(tuple((s * p + offset) % q for s, p, q in zip(steps, index, modulus, strict=True)))]

    return read


def maps(**others: Callable[[World, Callable[..., Any]], Meaning]) -> Meanings:
    """F = C_w with w = (2, 1, 0, …), G x = x ⊙ S_1 x, H x = x ⊙ x, J the sum of squares, unless others are given."""

    def made(world: World) -> dict[str, Meaning]:
        read = reader(world, ROUND)
        usual: dict[str, Meaning] = {
            "F": lambda i, x: read(x, i) + read(x, i) + read(x, i, -1),
            "G": lambda i, x: read(x, i) * read(x, i, -1),
            "H": lambda i, x: read(x, i) * read(x, i),
            "J": lambda x: reduce(add, (one * one for one in x)),
        }
        return usual | {name: other(world, read) for name, other in others.items()}

    return made


def flipped(_: World, read: Callable[..., Any]) -> Meaning:
    return lambda i, x: read(x, tuple(-p for p in i))


def constant(world: World, _: Callable[..., Any]) -> Meaning:
    """The sum of x, times a weight that depends on the position."""
    return lambda i, x: reduce(add, x) * pseudorandom(world, "weight", i)


def alternating(world: World, read: Callable[..., Any]) -> Meaning:
    """x where the position is even, else 0."""
    return lambda i, x: read(x, i) * world.field.number(Fraction(1 - sum(i) % 2))


def even_squares(world: World, _: Callable[..., Any]) -> Meaning:
    """The sum of squares over even positions."""
    even = [world.field.number(Fraction(1 - sum(p) % 2)) for p in world.values(ROUND)]
    return lambda x: reduce(add, (one * one * e for one, e in zip(x, even, strict=True)))


# equivariant after equivariant ----------------------------------------------------------------------------------------------------


def after(outer: Callable[..., Term], inner: Fun, *at: Any, shift: Any = 0) -> Term:
    """outer(inner(S x)), read at ``at``."""
    return outer(*at, body(j, inner(j, body(l, x(l - shift)))))


def chain(step: int = 1, out: int = 1) -> Goal:
    return Goal(after(G, F, i, shift=k), after(G, F, i - k), (moves(F, step, out), moves(G)))


def chain_script(p: Proof) -> None:
    inner, outer = p.hypotheses
    p.rewrite(inner, {i: j}, says="F turns the shift of x into a shift of F(x)")
    p.rewrite(
        outer, functions={x: ((v,), F(v, body(l, x(l))))}, says="G, applied to F(x), turns that into a shift of its own"
    )


def of_library(given: Given) -> tuple[Any, Any, Any]:
    """F, G and the shifts S_k, from the library."""
    w = given.xp.zeros(given["n"], dtype=given["x"].dtype)
    w[0], w[1] = 2, 1
    filtered, one = eq.Circulant(w), eq.Shift(1, given["n"])
    shifts = [eq.Shift(k, given["n"]) for k in range(given["n"])]
    return lambda x: filtered @ x, lambda x: x * (one @ x), shifts


def chain_library(given: Given) -> dict[str, object]:
    f, g, shifts = of_library(given)
    left = [g(f(s @ given["x"])) for s in shifts]
    return {"lhs": given.xp.stack(left, 1), "rhs": given.xp.stack([s @ g(f(given["x"])) for s in shifts], 1)}


# strides ------------------------------------------------------------------------------------------------------------------------------


WHOLE, MIDDLE, LAST = Cyclic(u * t * m), Cyclic(u * m), Cyclic(m)
a, b = variables("a b", WHOLE)
c, d = variables("c d", MIDDLE)
(e,) = variables("e", LAST)
(z,) = variables("z", Integers())
signal, half = Fun("x", (WHOLE,)), Fun("y", (MIDDLE,))
P, Q = Fun("P", (MIDDLE,), ((WHOLE,),)), Fun("Q", (LAST,), ((MIDDLE,),))


def strides(shift: Any = u * t * z, out: Any = z) -> Goal:
    first = assume(P(c, body(a, signal(a - t * z))), P(c - z, body(a, signal(a))), c, z, signal)
    second = assume(Q(e, body(c, half(c - u * z))), Q(e - z, body(c, half(c))), e, z, half)

    def both(at: Any, moved: Any) -> Term:
        return Q(at, body(d, P(d, body(b, signal(b - moved)))))

    return Goal(both(e, shift), both(e - out, 0), (first, second))


def strides_script(p: Proof) -> None:
    first, second = p.hypotheses
    p.rewrite(first, {c: d, z: u * z}, says="P has stride t: a shift by t·(u·z) becomes one by u·z")
    values = {half: ((c,), P(c, body(b, signal(b))))}
    p.rewrite(second, functions=values, says="Q has stride u: a shift by u·z becomes one by z")


def strided_maps(world: World) -> dict[str, Meaning]:
    whole, middle = reader(world, WHOLE, "t"), reader(world, MIDDLE, "u")
    return {"P": lambda i, x: whole(x, i) * whole(x, i, 1), "Q": lambda i, y: middle(y, i) + middle(y, i, -1)}


def strides_library(given: Given) -> dict[str, object]:
    xp = given.xp

    def both(x: Any) -> Any:
        y = (x * xp.roll(x, -1))[:: given["t"]]
        return (y + xp.roll(y, 1))[:: given["u"]]

    left = [both(xp.roll(given["x"], given["u"] * given["t"] * z)) for z in range(-2, 4)]
    return {"lhs": xp.stack(left, 1), "rhs": xp.stack([xp.roll(both(given["x"]), z) for z in range(-2, 4)], 1)}


# invariant after equivariant ------------------------------------------------------------------------------------------------------------


J = Fun("J", (), ((ROUND,),))


def end(step: int = 1, invariant_step: int = 1) -> Goal:
    invariant = assume(J(body(j, x(j - invariant_step * k))), J(body(j, x(j))), k, x)
    return Goal(after(J, F, shift=k), after(J, F), (moves(F, step, step), invariant))


def end_script(p: Proof) -> None:
    inner, outer = p.hypotheses
    p.rewrite(inner, {i: j}, says="F turns the shift of x into a shift of F(x)")
    p.rewrite(outer, functions={x: ((v,), F(v, body(l, x(l))))}, says="J, applied to F(x), does not see a shift")


def end_library(given: Given) -> dict[str, object]:
    f, _, shifts = of_library(given)
    left = [(f(s @ given["x"]) ** 2).sum() for s in shifts]
    return {"lhs": given.xp.stack(left), "rhs": given.xp.stack([(f(given["x"]) ** 2).sum()] * given["n"])}


# branches ---------------------------------------------------------------------------------------------------------------------------------


def branches(out: int = 1, skip: int = 1) -> Goal:
    def output(at: Any, shift: Any, skipped: Any) -> Term:
        moved = body(j, x(j - shift))
        return F(at, moved) * H(at, moved) + F(at, moved) + x(skipped)

    return Goal(output(i, k, i - skip * k), output(i - k, 0, i - k), (moves(F), moves(H, out=out)))


def branches_script(p: Proof) -> None:
    first, second = p.hypotheses
    p.rewrite(first, says="the branch F moves with x")
    p.rewrite(second, says="and so does the branch H; the skip connection x moves anyway")


def branches_library(given: Given) -> dict[str, object]:
    f, _, shifts = of_library(given)

    def output(x: Any) -> Any:
        return f(x) * x**2 + f(x) + x

    left = [output(s @ given["x"]) for s in shifts]
    return {"lhs": given.xp.stack(left, 1), "rhs": given.xp.stack([s @ output(given["x"]) for s in shifts], 1)}


LAW = Law(
    name="product_of_laws",
    title="Equivariant steps compose, strides multiply, and branches of one action may be combined entry by entry",
    families=(
        "pointwise",
        "sliding window",
        "padding",
        "reduction",
        "normalisation",
        "shape",
        "slice, select, index",
        "contraction",
        "resampling",
    ),
    claims=(
        Claim(
            says="If F and G are equivariant, so is G∘F",
            goal=chain,
            script=chain_script,
            twins=(
                Twin("F turns shifts round (it flips)", {"out": -1}, maps(F=flipped)),
                Twin("F is invariant, and G∘F is claimed to be equivariant", {"out": 0}, maps(F=constant)),
                Twin("F is equivariant to even shifts only", {"step": 2, "out": 2}, maps(F=alternating)),
            ),
            meanings=maps(),
            library=chain_library,
        ),
        Claim(
            says="If P turns shifts by t·z into shifts by z, and Q those by u·z, then Q∘P turns shifts by u·t·z into shifts by z: strides multiply",
            goal=strides,
            script=strides_script,
            twins=(
                Twin("only the first stride counts: the signal shifts by t·z", {"shift": t * z}),
                Twin("only the second stride counts: the signal shifts by u·z", {"shift": u * z}),
                Twin("the output shifts by u·z", {"out": u * z}),
            ),
            meanings=strided_maps,
            library=strides_library,
            worlds=(
                {"m": 2, "t": 2, "u": 2},
                {"m": 2, "t": 3, "u": 1},
                {"m": 3, "t": 1, "u": 2},
                {"m": (1, 2), "t": (2, 1), "u": (1, 1)},
            ),
        ),
        Claim(
            says="If F is equivariant and J is invariant, J∘F is invariant",
            goal=end,
            script=end_script,
            twins=(
                Twin("J is invariant to even shifts only", {"invariant_step": 2}, maps(J=even_squares)),
                Twin("F is equivariant to even shifts only", {"step": 2}, maps(F=alternating)),
            ),
            meanings=maps(),
            library=end_library,
        ),
        Claim(
            says="Branches that move alike may be combined entry by entry: F(x)·H(x) + F(x) + x is equivariant",
            goal=branches,
            script=branches_script,
            twins=(
                Twin("one branch is flipped", {"out": -1}, maps(H=flipped)),
                Twin(
                    "one branch is invariant, and its values differ from position to position",
                    {"out": 0},
                    maps(H=constant),
                ),
                Twin("the skip connection does not move", {"skip": 0}),
            ),
            meanings=maps(),
            library=branches_library,
        ),
    ),
)
