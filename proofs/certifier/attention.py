"""Attention without a mask treats all tokens alike: a roll of the tokens rolls its output, and a permutation permutes it where the summary is a sum."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any, TypeAlias

import torch
from torch import Tensor
from torch.nn.functional import scaled_dot_product_attention

from proofs.crosscheck import Given
from proofs.evaluation import Meaning, World
from proofs.kernel import Group, Letter, Points
from proofs.language import Cyclic, Fun, Range, Term, body, size, sum_over, variables
from proofs.laws import Claim, Law, Tested, Twin
from proofs.proving import Goal, Proof

n, inner, outer = size("n"), size("D"), size("E")
i, j, l, a = variables("i j l a", Cyclic(n))
(d,) = variables("d", Range(inner))
(e, c) = variables("e c", Range(outer))
Entries: TypeAlias = Callable[[Any, Any], Term]

phi = Fun("φ", (), ((), ()))  # the weight of a score, given a summary of all scores of its query
R = Fun("R", (), ((Cyclic(n),),), symmetric=True)  # that summary, for softmax Σ exp


def attention(score: Entries, value: Entries, query: Any) -> Term:
    """Σ_j φ(s[i, j]; R(λl. s[i, l]))·v[j, e]"""
    summary = R(body(l, score(query, l)))
    return sum_over(j, phi(body(score(query, j)), body(summary)) * value(j, e))


WORLDS = ({"n": 2, "D": 2, "E": 1}, {"n": 3, "D": 1, "E": 1}, {"n": (1, 2), "D": (1, 1), "E": (1, 2)})


# queries, keys and values roll ----------------------------------------------------------------------------------------------------


q, k = Fun("q", (Cyclic(n), Range(inner))), Fun("k", (Cyclic(n), Range(inner)))
v = Fun("v", (Cyclic(n), Range(outer)))


def rolled(queries: Any = a, keys: Any = a, values: Any = a, out: Any = a) -> Goal:
    def head(query: Any, of_queries: Any, of_keys: Any, of_values: Any) -> Term:
        return attention(
            lambda r, s: sum_over(d, q(r - of_queries, d) * k(s - of_keys, d)), lambda s, u: v(s - of_values, u), query
        )

    return Goal(head(i, queries, keys, values), head(i - out, 0, 0, 0))


def rolled_script(p: Proof) -> None:
    p.reindex({j: j + a}, "count the tokens from a on: keys and values move alike")
    p.reindex({l: l + a}, "the summary does not depend on the order of the keys")


def cross(queries: Any = 0, keys: Any = a, values: Any = a, out: Any = 0) -> Goal:
    return rolled(queries, keys, values, out)


def polynomial(_: World) -> dict[str, Meaning]:
    """φ(s; r) = s·r and R = Σ s²: a head that exact arithmetic can compute."""

    def squares(values: list[Any]) -> Any:
        total = values[0] * values[0]
        for one in values[1:]:
            total = total + one * one
        return total

    return {"φ": lambda score, summary: score[0] * summary[0], "R": squares}


def head(queries: Any, keys: Any, values: Any, bias: Any = 0) -> Any:
    """The same, on arrays."""
    scores = queries @ keys.T + bias
    return (scores * (scores * scores).sum(1)[:, None]) @ values


def _both(given: Given, moves: Callable[[Any, int], Any]) -> dict[str, object]:
    """Axes a, e, i: roll keys and values, queries by ``moves``, and the output likewise."""
    xp, length = given.xp, given["n"]
    left, right = [], []
    for shift in range(length):
        keys, values = xp.roll(given["k"], shift, 0), xp.roll(given["v"], shift, 0)
        left.append(head(moves(given["q"], shift), keys, values).T)
        right.append(moves(head(given["q"], given["k"], given["v"]), shift).T)
    return {"lhs": xp.stack(left), "rhs": xp.stack(right)}


def rolled_library(given: Given) -> dict[str, object]:
    return _both(given, lambda array, shift: given.xp.roll(array, shift, 0))


def cross_library(given: Given) -> dict[str, object]:
    return _both(given, lambda array, _: array)


# self-attention with a relative-position bias ---------------------------------------------------------------------------------------


x = Fun("x", (Cyclic(n), Range(outer)))
Wq, Wk, Wv = (
    Fun("Wq", (Range(inner), Range(outer))),
    Fun("Wk", (Range(inner), Range(outer))),
    Fun("Wv", (Range(outer), Range(outer))),
)
bias = Fun("B", (Cyclic(n),))
table = Fun("table", (Cyclic(n), Cyclic(n)))
BIASES: dict[str, Entries] = {
    "relative": lambda query, key: bias(query - key),
    "of the key": lambda _, key: bias(key),
    "of the pair": table,
}


def itself(kind: str = "relative", out: Any = a) -> Goal:
    """q, k and v are linear in the tokens x; the score has a bias."""

    def output(query: Any, shift: Any) -> Term:
        def linear(weight: Fun, token: Any, feature: Any) -> Term:
            return sum_over(c, weight(feature, c) * x(token - shift, c))

        def score(r: Any, s: Any) -> Term:
            return sum_over(d, linear(Wq, r, d) * linear(Wk, s, d)) + BIASES[kind](r, s)

        return attention(score, lambda s, u: linear(Wv, s, u), query)

    return Goal(output(i, a), output(i - out, 0))


def itself_library(given: Given) -> dict[str, object]:
    """Axes a, e, i."""
    xp, length = given.xp, given["n"]
    relative = given["B"][(given.index(length)[:, None] - given.index(length)[None, :]) % length]

    def block(tokens: Any) -> Any:
        queries, keys, values = (tokens @ given[name].T for name in ("Wq", "Wk", "Wv"))
        return head(queries, keys, values, relative)

    left = [block(xp.roll(given["x"], shift, 0)).T for shift in range(length)]
    right = [xp.roll(block(given["x"]), shift, 0).T for shift in range(length)]
    return {"lhs": xp.stack(left), "rhs": xp.stack(right)}


# any permutation of the tokens --------------------------------------------------------------------------------------------------------


G = Group("G")
X = Points("X", G)
g, (s, t, u) = Letter("g", G), (Letter(name, X) for name in "stu")
psi = Fun("ψ", (), ((),))  # exp, for softmax
Q, K, V = Fun("q", (X, Range(inner))), Fun("k", (X, Range(inner))), Fun("v", (X, Range(outer)))
seen = Fun("seen", (X,))


def permuted(keys: bool = True, values: bool = True, masked: bool = False) -> Goal:
    """With weights φ(s[i, j]; Σ_l ψ(s[i, l])), where the summary is a sum."""

    def output(query: Any, of_keys: Any, of_values: Any) -> Term:
        def score(token: Any) -> Term:
            return sum_over(d, Q(query, d) * K(of_keys(token), d)) + (seen(token) if masked else 0)

        total = sum_over(u, psi(body(score(u))))
        return sum_over(t, phi(body(score(t)), body(total)) * V(of_values(t), e))

    def moved(token: Letter) -> Any:
        return g * token

    def here(token: Letter) -> Any:
        return token

    return Goal(output(g * s, moved if keys else here, moved if values else here), output(g * s, here, here))


def permuted_script(p: Proof) -> None:
    p.translate(t, g.inverse * t, "sum over the tokens in the order g⁻¹·t")
    p.translate(u, g.inverse * u, "and in the summary likewise")


def permuted_meanings(world: World) -> dict[str, Meaning]:
    return {"ψ": lambda score: score[0] * score[0], "φ": polynomial(world)["φ"]}


def permuted_library(given: Given) -> dict[str, object]:
    """Axes e, g, s."""
    left, whole = [], head(given["q"], given["k"], given["v"])
    for order in map(list, S3):
        left.append(head(given["q"][order], given["k"][order], given["v"][order]).T)
    right = [whole[list(order)].T for order in S3]
    return {"lhs": given.xp.stack(left, 1), "rhs": given.xp.stack(right, 1)}


S3 = tuple(itertools.permutations(range(3)))


# softmax is of that form --------------------------------------------------------------------------------------------------------------


def tokens(seed: int = 0, length: int = 7) -> Tensor:
    return torch.randn((2, length, 5), dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def rolls_along(attend: Callable[[Tensor], Tensor]) -> bool:
    """Does attend(roll(x)) = roll(attend(x)) for each shift and five random inputs, up to 10⁻¹²?"""
    return all(
        bool((attend(x.roll(shift, 1)) - attend(x).roll(shift, 1)).abs().max() < 1e-12)
        for x in map(tokens, range(5))
        for shift in range(1, x.shape[1])
    )


def formula(x: Tensor) -> Tensor:
    """Σ_j φ(s[i, j]; R(λl. s[i, l]))·v[j] with φ(s; r) = exp(s)/r and R = Σ exp"""
    scores = (x @ x.mT / x.shape[2] ** 0.5).exp()
    mixed: Tensor = (scores / scores.sum(2, keepdim=True)) @ x
    return mixed


def plain(x: Tensor) -> Tensor:
    return scaled_dot_product_attention(x, x, x)


def softmax_attention() -> bool:
    same = all(bool((plain(x) - formula(x)).abs().max() < 1e-12) for x in map(tokens, range(5)))
    return same and rolls_along(plain)


def causal(x: Tensor) -> Tensor:
    return scaled_dot_product_attention(x, x, x, is_causal=True)


def positioned(x: Tensor) -> Tensor:
    places = torch.linspace(-1, 1, x.shape[1], dtype=x.dtype)
    return scaled_dot_product_attention(x, x, x, attn_mask=places.expand(x.shape[1], -1))


LAW = Law(
    name="attention",
    title="Unmasked attention commutes with every roll of its tokens, and, softmax or alike, with every permutation",
    families=("contraction",),
    items=("L31",),
    claims=(
        Claim(
            says="Queries, keys and values roll together: the output rolls with them, for any weights φ(s[i, j]; R(s[i, ·])) with symmetric R",
            goal=rolled,
            script=rolled_script,
            twins=(
                Twin("the keys do not roll with the values", {"keys": 0}),
                Twin("the queries do not roll, and the output is claimed to", {"queries": 0}),
                Twin("the output rolls the other way", {"out": -a}),
            ),
            meanings=polynomial,
            library=rolled_library,
            worlds=WORLDS,
        ),
        Claim(
            says="Keys and values roll, queries do not: the output stays, since the order of the keys does not matter",
            goal=cross,
            script=rolled_script,
            twins=(
                Twin("the values do not roll with their keys", {"values": 0}),
                Twin("the output is claimed to roll with the keys", {"out": a}),
            ),
            meanings=polynomial,
            library=cross_library,
            worlds=WORLDS,
        ),
        Claim(
            says="Self-attention, q, k and v linear in x, with a relative-position bias B[i − j] rolls with its tokens",
            goal=itself,
            script=rolled_script,
            twins=(
                Twin("the bias belongs to the key's absolute position", {"kind": "of the key"}),
                Twin(
                    "the bias, or mask, belongs to the pair of positions (a causal mask does)", {"kind": "of the pair"}
                ),
                Twin("the output rolls the other way", {"out": -a}),
            ),
            meanings=polynomial,
            library=itself_library,
            worlds=({"n": 2, "D": 1, "E": 1}, {"n": 3, "D": 1, "E": 1}, {"n": (1, 2), "D": (1, 1), "E": (1, 1)}),
        ),
        Claim(
            says="Any group permutes the tokens, and the output with them, for weights φ(s[i, j]; Σ_l ψ(s[i, l])) (softmax: ψ = exp, φ(s; r) = exp(s)/r)",
            goal=permuted,
            script=permuted_script,
            twins=(
                Twin("the keys are not permuted with the values", {"keys": False}),
                Twin("the values are not permuted with their keys", {"values": False}),
                Twin("some tokens are masked by their position", {"masked": True}),
            ),
            meanings=permuted_meanings,
            library=permuted_library,
            groups={"G": S3},
            worlds=({"D": 1, "E": 1}, {"D": 2, "E": 1}),
        ),
        Tested(
            says="torch's scaled_dot_product_attention is of that form, with φ(s; r) = exp(s)/r and R = Σ exp, and rolls with its tokens",
            check=softmax_attention,
            twins={
                "with a causal mask": lambda: rolls_along(causal),
                "with a bias that belongs to the key's absolute position": lambda: rolls_along(positioned),
            },
            checked="five inputs of 7 tokens drawn from a normal distribution, every shift, float64, to 10⁻¹²",
        ),
    ),
)
