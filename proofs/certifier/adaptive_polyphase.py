"""Adaptive polyphase sampling keeps the component that its own norm selects: the choice moves with the image (lecture L16: what makes it exact)."""

from __future__ import annotations

from dataclasses import replace
from functools import reduce
from operator import add
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from proofs.certifier.polyphase import INTEGERS, component, strided
from proofs.crosscheck import Given
from proofs.evaluation import Meaning, World
from proofs.kernel.terms import substituted
from proofs.language import (
    Cyclic,
    Fun,
    Integers,
    Range,
    Signal,
    Term,
    body,
    cardinality,
    shifted,
    size,
    sum_over,
    variables,
)
from proofs.laws import Claim, Law, Tested, Twin
from proofs.proving import Goal, Proof, Side

t, m = size("t"), size("m")
WHOLE = Cyclic(t * m)
i, j = variables("i j", WHOLE)
q, c, u, v = variables("q c u v", Cyclic(m))
r, k, l = variables("r k l", Integers())
(s,) = variables("s", Range(t))
x = Fun("x", (WHOLE,))
ONE = (Cyclic(m),)
Array: TypeAlias = NDArray[np.int64]


# the selected component -----------------------------------------------------------------------------------------------------------


def selected(name: Any = r + k - t * l, places: Any = l) -> Goal:
    """r is selected in x; in S_k x it is r + k modulo t, so r + k − t·l for one l."""
    return Goal(component(shifted(x, k), name)(q), component(x, r)(q - places))


def selected_script(p: Proof) -> None:
    """Both sides are the same by index arithmetic: t·q + (r + k − t·l) − k = t·(q − l) + r."""


def selected_library(given: Given) -> dict[str, object]:
    """Axes l, q, r; k has cancelled, and is 2 here."""
    xp, stride = given.xp, given["t"]
    left = [xp.stack([strided(given, 2, r + 2 - stride * l) for r in INTEGERS], 1) for l in INTEGERS]
    right = [xp.stack([xp.roll(strided(given, 0, r), l) for r in INTEGERS], 1) for l in INTEGERS]
    return {"lhs": xp.stack(left), "rhs": xp.stack(right)}


# any choice made by comparing norms --------------------------------------------------------------------------------------------------


def choice(norm: bool = True, pool: bool = True, by_name: bool = False) -> Goal:
    """Σ_s σ(N_s; A(λj. N_j))·G(x_s), s = 0, …, t − 1, of S_k x and of x, with N_j = R(x_j): σ(N; A) chooses by comparing a norm with all."""
    R = Fun("R", (), (ONE,), symmetric=norm)
    G = Fun("G", (), (ONE,), symmetric=pool)
    A = Fun("A", (), ((WHOLE,),), symmetric=True)
    sigma = Fun("σ", (Cyclic(t),) if by_name else (), ((), ()))

    def value(signal: Signal, name: Any) -> Term:
        own = R(body(q, component(signal, name)(q)))
        every = A(body(j, R(body(v, component(signal, j)(v)))))
        weight = (sigma(name, body(own), body(every))) if by_name else sigma(body(own), body(every))
        return weight * G(body(u, component(signal, name)(u)))

    return Goal(sum_over(s, value(shifted(x, k), s)), sum_over(s, value(x, s)))


def choice_script(p: Proof) -> None:
    def once(side: Side) -> None:
        side.divide(i, c, s, "i = t·c + s names the component s, rolled by c")
        side.reindex({q: q - c}, "its norm does not see the roll")
        side.reindex({u: u - c}, "nor does what is kept of it")
        side.count(c, "so every component was counted m times")

    p.reindex({j: j + k}, "the family of all norms is renamed, and A does not see in what order they come")
    (one,) = p.left.term.summands
    renamed = substituted(Term((replace(one, binders=()),)), {s: i})
    every = sum_over(i, renamed) * (1 / cardinality(q.sort))
    p.become(every, once, "count every component m times, by its names i modulo t·m")
    p.reindex({i: i + k}, "count the names from k on: each name is a number modulo t·m, and all of them are counted")
    once(p.left)


def total(values: Any) -> Any:
    return reduce(add, values)


def energies(_: World) -> dict[str, Meaning]:
    """R and A sum squares, σ multiplies and G adds up."""
    return {
        "R": lambda values: total(one * one for one in values),
        "A": lambda values: total(one * one for one in values),
        "G": total,
        "σ": lambda own, every: own[0] * every[0],
    }


def choice_library(given: Given) -> dict[str, object]:
    def value(shift: int) -> Any:
        parts = [strided(given, shift, s) for s in range(given["t"])]
        norms = [(part**2).sum() for part in parts]
        every = given["m"] * total(norm**2 for norm in norms)
        return total(norm * every * part.sum() for norm, part in zip(norms, parts, strict=True))

    return {"lhs": given.xp.stack([value(k) for k in INTEGERS]), "rhs": given.xp.stack([value(0)] * len(INTEGERS))}


# the largest norm ------------------------------------------------------------------------------------------------------------------------


def kept(signal: Array, stride: int, name: int | None = None) -> Array:
    """The component of the largest Euclidean norm, the first of them where they tie; or the component ``name``."""
    components = signal.reshape(-1, stride).T
    number = int(np.argmax((components**2).sum(1))) if name is None else name
    return np.array(components[number])


def same_up_to_a_roll(signal: Array, stride: int, name: int | None = None) -> bool:
    """Is what is kept of every shift of the signal what is kept of the signal itself, rolled?"""
    here = kept(signal, stride, name)
    rolls = [np.roll(here, places) for places in range(len(here))]
    return all(
        any(np.array_equal(kept(np.roll(signal, shift), stride, name), one) for one in rolls)
        for shift in range(len(signal))
    )


def largest(name: int | None = None, tie: bool = False) -> bool:
    rng = np.random.default_rng(0)
    for stride, places in ((2, 3), (2, 6), (3, 4), (4, 5)):
        for _ in range(20):
            parts = rng.permutation(stride * places).reshape(stride, places) + 1
            parts[:, 0] += 1000 * rng.permutation(stride)  # no two norms tie
            if tie:
                parts[:] = 0
                parts[0, 0], parts[1, :2] = 5, (3, 4)  # two norms of 5
            if not same_up_to_a_roll(parts.T.reshape(-1), stride, name):
                return False
    return True


LAW = Law(
    name="adaptive_polyphase",
    title="Adaptive polyphase sampling: the component selected by comparing norms follows every shift, where norms do not tie",
    items=("L16",),
    claims=(
        Claim(
            says="If component r of x is selected, component r + k − t·l of S_k x is the same one, rolled by l",
            goal=selected,
            script=selected_script,
            twins=(
                Twin("the selection does not move: component r of S_k x", {"name": r}),
                Twin("the selection moves the other way", {"name": r - k - t * l}),
                Twin("wrapping round the names does not roll the component", {"places": 0}),
            ),
            library=selected_library,
        ),
        Claim(
            says="What is pooled by G from a component chosen by its norm among all norms is invariant to every shift: Σ_s σ(N_s; A(N))·G(x_s)",
            goal=choice,
            script=choice_script,
            twins=(
                Twin("the norm R depends on the order of its entries", {"norm": False}, lambda _: {}),
                Twin(
                    "the component is kept as it stands, G depends on the order of its entries",
                    {"pool": False},
                    lambda _: {},
                ),
                Twin(
                    "the choice looks at the component's name, as a stride of t does", {"by_name": True}, lambda _: {}
                ),
            ),
            meanings=energies,
            library=choice_library,
            worlds=({"t": 1, "m": 2}, {"t": 2, "m": 2}, {"t": 3, "m": 2}, {"t": (1, 2), "m": (2, 1)}),
        ),
        Tested(
            says="The component of the largest norm is the same for every shift, up to a roll, where no two norms tie",
            check=largest,
            twins={
                "two components tie, and the first of them is kept": lambda: largest(tie=True),
                "the component 0 is kept, as by a stride": lambda: largest(name=0),
            },
            checked="20 random integer signals each of t·m = 2·3, 2·6, 3·4 and 4·5 entries, every shift, exactly",
        ),
    ),
    note="A sees every norm m times, which a maximum does not mind. With σ(N; A) = 1 where N is the largest norm and 0 elsewhere, the second claim is about "
    "the selected component, off ties.",
)
