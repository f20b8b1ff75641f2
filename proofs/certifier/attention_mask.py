"""Attention of which only a part moves: queries beside still keys, a mask or bias with a period, and heads or windows that roll."""

from __future__ import annotations

from typing import Any, TypeAlias

from proofs.certifier.attention import Entries, head, phi, polynomial
from proofs.crosscheck import Given
from proofs.evaluation import Meaning, World, pseudorandom
from proofs.language import Cyclic, Fun, Range, Term, Unit, assume, body, size, sum_over, variables
from proofs.laws import Claim, Law, Twin
from proofs.proving import Goal, Proof, Side

inner, outer, n, heads, s, m = size("D"), size("E"), size("n"), size("h"), size("s"), size("m")
(d,) = variables("d", Range(inner))
(e,) = variables("e", Range(outer))
Value: TypeAlias = Entries


def attention(score: Entries, value: Value, query: Any, token: Any, other: Any) -> Term:
    """Σ_j φ(s[i, j]; R(λl. s[i, l]))·v[j, e], the sum over ``token`` and the summary over ``other``"""
    summary = Fun("R", (), ((token.sort,),), symmetric=True)(body(other, score(query, other)))
    return sum_over(token, phi(body(score(query, token)), body(summary)) * value(token, e))


# queries roll, keys and values do not ---------------------------------------------------------------------------------------------

i, a = variables("i a", Cyclic(n))
j, l = variables("j l", Range(m))
q = Fun("q", (Cyclic(n), Range(inner)))
k, v = Fun("k", (Range(m), Range(inner))), Fun("v", (Range(m), Range(outer)))


def queries(moved: Any = a, out: Any = a) -> Goal:
    """n queries that roll, and m keys with their values that stay."""

    def output(query: Any, shift: Any) -> Term:
        return attention(lambda r, t: sum_over(d, q(r - shift, d) * k(t, d)), v, query, j, l)

    return Goal(output(i, moved), output(i - out, 0))


def queries_script(p: Proof) -> None:
    """Both sides are the same by index arithmetic: output i is that of query i − a."""


def queries_library(given: Given) -> dict[str, object]:
    """Axes a, e, i."""
    xp, length = given.xp, given["n"]
    left = [head(xp.roll(given["q"], a, 0), given["k"], given["v"]).T for a in range(length)]
    right = [xp.roll(head(given["q"], given["k"], given["v"]), a, 0).T for a in range(length)]
    return {"lhs": xp.stack(left), "rhs": xp.stack(right)}


# a mask or bias with a period along the diagonal -------------------------------------------------------------------------------------

TOKENS = Cyclic(s * m)
I, J, L = variables("i j l", TOKENS)
t, u = variables("t u", Cyclic(m))
(unit,) = variables("ε", Unit())
tokens, bias = Fun("x", (TOKENS, Range(outer))), Fun("b", (TOKENS, TOKENS))
(c,) = variables("c", Range(outer))


def masked(row: Any = s, column: Any = s, out: Any = s * t) -> Goal:
    """Scores x[i]·x[j] + b[i, j] where b[i + s, j + s] = b[i, j]: the bias of a window of s tokens, or a mask with that period."""
    same = assume(bias(I + row * unit, J + column * unit), bias(I, J), I, J, unit)

    def output(query: Any, shift: Any) -> Term:
        def score(r: Any, z: Any) -> Term:
            return sum_over(c, tokens(r - shift, c) * tokens(z - shift, c)) + bias(r, z)

        return attention(score, lambda z, f: tokens(z - shift, f), query, J, L)

    return Goal(output(I, s * t), output(I - out, 0), (same,))


def masked_script(p: Proof) -> None:
    def step(side: Side) -> None:
        side.rewrite(
            p.hypotheses[0], {I: I - s * t + s * u, J: J + s * u}, says="s rows and s columns on, it is the same"
        )

    p.reindex({J: J + s * t}, "count the keys from s·t on")
    p.reindex({L: L + s * t}, "and in the summary, which does not depend on their order, likewise")
    p.induct(bias(I - s * t + s * u, J + s * u), u, unit, t, step, "the bias is the same s·t rows and columns back")

    def step_of_summary(side: Side) -> None:
        side.rewrite(
            p.hypotheses[0], {I: I - s * t + s * u, J: L + s * u}, says="s rows and s columns on, it is the same"
        )

    p.induct(bias(I - s * t + s * u, L + s * u), u, unit, t, step_of_summary, "and so in the summary")


def diagonal(world: World) -> dict[str, Meaning]:
    def b(row: Any, column: Any) -> Any:
        sizes = list(zip(row, column, world.sizes["s"], world.sizes["m"], strict=True))
        return pseudorandom(world, "b", [(r % s, (j - r // s * s) % (s * m)) for r, j, s, m in sizes])

    return {"b": b, **polynomial(world)}


def rows_only(world: World) -> dict[str, Meaning]:
    """b[i + s, j] = b[i, j], whatever the column."""

    def b(row: Any, column: Any) -> Any:
        return pseudorandom(world, "b", tuple(r % s for r, s in zip(row, world.sizes["s"], strict=True)), column)

    return {"b": b, **polynomial(world)}


def masked_library(given: Given) -> dict[str, object]:
    """Axes e, i, t."""
    xp, x, step = given.xp, given["x"], given["s"]

    def block(tokens: Any) -> Any:
        return head(tokens, tokens, tokens, given["b"]).T

    left = [block(xp.roll(x, step * t, 0)) for t in range(given["m"])]
    right = [xp.roll(block(x), step * t, 1) for t in range(given["m"])]
    return {"lhs": xp.stack(left, 2), "rhs": xp.stack(right, 2)}


# a label of batches, heads or windows that rolls ------------------------------------------------------------------------------------------

w, z = variables("w z", Cyclic(heads))
(o,) = variables("o", Range(n))
f, g = variables("f g", Range(n))
Q, K = Fun("q", (Cyclic(heads), Range(n), Range(inner))), Fun("k", (Cyclic(heads), Range(n), Range(inner)))
V = Fun("v", (Cyclic(heads), Range(n), Range(outer)))


def label(of_keys: Any = z, of_values: Any = z, out: Any = z) -> Goal:
    """Each w, a head or a window, attends within itself."""

    def output(at: Any, shift: Any, keys: Any, values: Any) -> Term:
        return attention(
            lambda r, y: sum_over(d, Q(at - shift, r, d) * K(at - keys, y, d)),
            lambda y, feature: V(at - values, y, feature),
            *(o, f, g),
        )

    return Goal(output(w, z, of_keys, of_values), output(w - out, 0, 0, 0))


def label_script(p: Proof) -> None:
    """Both sides are the same by index arithmetic: q, k and v are all read at w − z."""


def label_library(given: Given) -> dict[str, object]:
    """Axes e, o, w, z."""
    xp, count = given.xp, given["h"]

    def every(q: Any, k: Any, v: Any) -> Any:
        return xp.stack([head(q[w], k[w], v[w]) for w in range(count)])

    q, k, v = given["q"], given["k"], given["v"]
    left = [every(*(xp.roll(array, z, 0) for array in (q, k, v))) for z in range(count)]
    right = [xp.roll(every(q, k, v), z, 0) for z in range(count)]
    return {
        "lhs": xp.moveaxis(xp.stack(left), (3, 2, 1, 0), (0, 1, 2, 3)),
        "rhs": xp.moveaxis(xp.stack(right), (3, 2, 1, 0), (0, 1, 2, 3)),
    }


LAW = Law(
    name="attention_mask",
    title="Attention with a mask, a bias or keys of its own keeps the rolls that those respect",
    families=("contraction",),
    note="Weights are φ(s[i, j]; R(s[i, ·])) as in the law attention; that softmax is of that form is tested there.",
    claims=(
        Claim(
            says="Queries roll beside keys and values that stay: the output rolls with the queries, for any weights φ(s[i, j]; R(s[i, ·]))",
            goal=queries,
            script=queries_script,
            twins=(
                Twin("the output stays", {"out": 0}),
                Twin("the output rolls the other way", {"out": -a}),
            ),
            meanings=polynomial,
            library=queries_library,
            worlds=(
                {"D": 1, "E": 1, "m": 2, "n": 3},
                {"D": 2, "E": 2, "m": 1, "n": 3},
                {"D": (1, 1), "E": (1, 1), "m": (1, 2), "n": (2, 1)},
            ),
        ),
        Claim(
            says="A mask or bias with b[i + s, j + s] = b[i, j]: self-attention rolls by s·t with its tokens",
            goal=masked,
            script=masked_script,
            twins=(
                Twin("b has the period along its rows only", {"column": 0}, rows_only),
                Twin("the output stays", {"out": 0}),
            ),
            meanings=diagonal,
            library=masked_library,
            worlds=({"E": 1, "m": 2, "s": 1}, {"E": 1, "m": 2, "s": 2}, {"E": (1, 1), "m": (2, 1), "s": (1, 2)}),
        ),
        Claim(
            says="A label of q, k and v, such as a head, a batch entry or a window, that rolls in all three: the output rolls along it",
            goal=label,
            script=label_script,
            twins=(
                Twin("the keys stay", {"of_keys": 0}),
                Twin("the values stay", {"of_values": 0}),
                Twin("the output rolls the other way", {"out": -z}),
            ),
            meanings=polynomial,
            library=label_library,
            worlds=(
                {"D": 1, "E": 1, "h": 3, "n": 2},
                {"D": 2, "E": 1, "h": 3, "n": 1},
                {"D": (1, 1), "E": (1, 1), "h": (2, 1), "n": (1, 2)},
            ),
        ),
    ),
)
