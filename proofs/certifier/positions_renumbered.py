"""What returns a position (the index of a maximum, of a sort) is not invariant: a shift renumbers the positions."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from fractions import Fraction
from typing import Any

import numpy as np
import torch

import equiconv as eq
from proofs.evaluation import Meaning, Vector, World, pseudorandom
from proofs.language import Cyclic, Fun, assume, body, delta, size, variables
from proofs.laws import Claim, Grade, Law, Meanings, Tested, Twin
from proofs.proving import Goal, Proof

n = size("n")
j, k, p_ = variables("j k p", Cyclic(n))
A, c, y = Fun("A", (), ((Cyclic(n),),)), Fun("c", (Cyclic(n),)), Fun("y", (Cyclic(n),))


def told(by: int = 1, every: bool = True) -> Goal:
    """A returns c[p] for a spike at p, and a shift by k changes none of its values."""
    returns = assume(A(body(j, delta(j - p_, n))), c(p_), p_)
    ignores = assume(A(body(j, y(j - by * k))), A(body(j, y(j))), *((y,) if every else ()))
    return Goal(c(p_ + k), c(p_), (returns, ignores))


def told_script(p: Proof) -> None:
    returns, ignores = p.hypotheses
    p.rewrite(returns, {p_: p_ + k}, says="c[p + k] is what A returns for a spike at p + k", backwards=True)
    p.rewrite(ignores, functions={y: ((j,), delta(j - p_, n))}, says="which is a spike at p, shifted by k")
    p.rewrite(returns, says="for which A returns c[p]")


def weighing(period: int = 2, silent: bool = False) -> Meanings:
    """A(y) = Σ_i c[i]·y[i], where c[i] depends on i modulo ``period``; ``silent``: for y = 0 as well."""

    def meanings(world: World) -> dict[str, Meaning]:
        def weight(i: Vector) -> Any:
            return pseudorandom(world, "c", [a % period for a in i])

        def value(values: Sequence[Any]) -> Any:
            total = world.field.number(Fraction(0))
            for i, one in zip(world.values(Cyclic(n)), values, strict=True):
                total = total + one * weight(i)
            return total

        quiet = {"y": lambda _: world.field.number(Fraction(0))}
        return {
            "A": value,
            "c": weight,
            **(quiet if silent else {"y": lambda i: world.field.number(Fraction(7 ** sum(i)))}),
        }

    return meanings


# torch's and NumPy's -----------------------------------------------------------------------------------------------------------------

SIZES = range(2, 7)


def moved(index: Callable[[Any], Any], by: Callable[[int], int]) -> bool:
    """Whether the index that is returned moves by ``by(k)`` when the signal moves by k: all sizes, positions and shifts."""
    for length in SIZES:
        for position, k in itertools.product(range(length), repeat=2):
            x = np.zeros(length)
            x[position] = 1.0
            if int(index(eq.Shift(k, length) @ x)) != (int(index(x)) + by(k)) % length:
                return False
    return True


INDICES: tuple[Callable[[Any], Any], ...] = (
    np.argmax,
    lambda x: torch.from_numpy(x).argmax(),
    lambda x: torch.from_numpy(x).max(0).indices,
    lambda x: torch.from_numpy(x).sort(descending=True).indices[0],
    lambda x: torch.from_numpy(x).topk(1).indices[0],
    lambda x: torch.nn.functional.max_pool1d(torch.from_numpy(x)[None], len(x), return_indices=True)[1][0, 0],
)


def all_move(by: Callable[[int], int]) -> bool:
    return all(moved(index, by) for index in INDICES)


LAW = Law(
    name="positions_renumbered",
    title="What returns a position is not invariant: a shift renumbers positions",
    families=("reduction", "sliding window"),
    note="The position of a lone maximum at p is p, and p + k is never p modulo n but where n divides k: so by claim 1 only the zero shift is kept.",
    claims=(
        Claim(
            says="If A returns c[p] for a spike at p, for every p, and A(S_k y) = A(y) for every y, then c[p + k] = c[p]",
            goal=told,
            script=told_script,
            twins=(
                Twin("A(S_k y) = A(y) for one y", {"every": False}, weighing(period=7, silent=True)),
                Twin("A is known to ignore a shift by 2·k", {"by": 2}),
            ),
            meanings=weighing(),
            worlds=({"n": 1}, {"n": 2}, {"n": 4}, {"n": (2, 2)}),
        ),
        Tested(
            says="The index that argmax, max, sort, topk and max_pool return for a lone maximum moves with it: by k, modulo n",
            check=lambda: all_move(lambda k: k),
            twins={
                "it is invariant": lambda: all_move(lambda _: 0),
                "it moves the other way": lambda: all_move(lambda k: -k),
            },
            checked="NumPy's and torch's, a spike at every position of n = 2, …, 6, and every shift",
            grade=Grade.EXACT,
        ),
    ),
)
