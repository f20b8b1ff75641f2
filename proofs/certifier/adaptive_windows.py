"""An adaptive pool of n = o·b entries to o takes the windows ⌊i·n/o⌋, …, ⌈(i + 1)·n/o⌉ − 1, which are the blocks of b: it is a sliding window of stride b."""

from __future__ import annotations

from typing import Any

import torch

from proofs.crosscheck import Given
from proofs.evaluation import Exact, Meaning, World
from proofs.language import Cyclic, Fun, Range, body, size, variables
from proofs.laws import Claim, Law, Solved, Tested, Twin
from proofs.proving import Goal, Proof

outputs, b = size("m"), size("b")
i, k = variables("i k", Cyclic(outputs))
(r,) = variables("r", Range(b))
x = Fun("x", (Cyclic(b * outputs),))
A = Fun("A", (), ((Range(b),),))


# the windows ------------------------------------------------------------------------------------------------------------------


def begins(z3: Any, divides: bool = True, offset: int = 0) -> list[Any]:
    """s = ⌊i·n/o⌋, that is o·s ≤ i·n < o·(s + 1), for n = o·b, yet s is not b·i."""
    o, b, i, n, s = z3.Ints("o b i n s")
    size = o * b if divides else n
    return [*(o >= 1, b >= 1, n >= 1, i >= 0, i < o), o * s <= i * size, i * size < o * s + o, s != b * i + offset]


def ends(z3: Any, divides: bool = True, offset: int = 0) -> list[Any]:
    """e = ⌈(i + 1)·n/o⌉, that is o·(e − 1) < (i + 1)·n ≤ o·e, for n = o·b, yet e is not b·(i + 1)."""
    o, b, i, n, e = z3.Ints("o b i n e")
    size = o * b if divides else n
    return [
        *(o >= 1, b >= 1, n >= 1, i >= 0, i < o),
        *(o * e - o < (i + 1) * size, (i + 1) * size <= o * e, e != b * (i + 1) + offset),
    ]


# and so a pool over blocks -------------------------------------------------------------------------------------------------------


def pool(shift: Any = b * k, moved: Any = k) -> Goal:
    """y[i] = A(x[b·i + r], r < b)"""

    def y(at: Any, rolled: Any) -> Any:
        return A(body(r, x(b * at + r - rolled)))

    return Goal(y(i, shift), y(i - moved, 0))


def pool_script(p: Proof) -> None:
    """Both sides are the same by index arithmetic: b·i + r − b·k = b·(i − k) + r."""


def mean(world: World) -> dict[str, Meaning]:
    """The average; in the exact field any function."""
    return {} if isinstance(world.field, Exact) else {"A": lambda values: sum(values) / len(values)}


def pool_library(given: Given) -> dict[str, object]:
    """torch's adaptive average; axes i, k."""
    x, outputs, block = torch.as_tensor(given["x"]), given["m"], given["b"]

    def pooled(signal: torch.Tensor) -> torch.Tensor:
        parts = torch.nn.functional.adaptive_avg_pool1d(torch.stack([signal.real, signal.imag]), outputs)
        return torch.complex(*parts)

    left = [pooled(x.roll(block * k)) for k in range(outputs)]
    return {"lhs": torch.stack(left, 1), "rhs": torch.stack([pooled(x).roll(k) for k in range(outputs)], 1)}


# torch takes those windows -----------------------------------------------------------------------------------------------------------


def windows(extra: int = 0, late: int = 0) -> bool:
    """Does torch's adaptive maximum of o·b (+ ``extra``) entries read the blocks of b (``late`` entries on)?"""
    for outputs in range(1, 6):
        for block in range(1, 6):
            x = torch.randn(
                outputs * block + extra, dtype=torch.float64, generator=torch.Generator().manual_seed(block)
            )
            pooled = torch.nn.functional.adaptive_max_pool1d(x[None], outputs)[0]
            blocks = x.roll(-late)[: outputs * block].reshape(outputs, block).amax(1)
            if not torch.equal(pooled, blocks):
                return False
    return True


LAW = Law(
    name="adaptive_windows",
    title="An adaptive pool to a number of outputs that divides the signal is a pool over blocks, and keeps the shifts by whole blocks",
    families=("sliding window",),
    claims=(
        Solved(
            says="For n = o·b window i begins at ⌊i·n/o⌋ = b·i",
            constraints=begins,
            twins={
                "o need not divide n": lambda z3: begins(z3, divides=False),
                "it begins one entry late": lambda z3: begins(z3, offset=1),
            },
        ),
        Solved(
            says="It ends before ⌈(i + 1)·n/o⌉ = b·(i + 1): window i is block i",
            constraints=ends,
            twins={
                "o need not divide n": lambda z3: ends(z3, divides=False),
                "it ends an entry late: the windows overlap": lambda z3: ends(z3, offset=1),
            },
        ),
        Claim(
            says="Any aggregation A of blocks of b: shifting x by b·k shifts y[i] = A(x[b·i], …, x[b·i + b − 1]) by k",
            goal=pool,
            script=pool_script,
            twins=(
                Twin("y moves by b·k, as x does", {"moved": b * k}),
                Twin("y is invariant", {"moved": 0}),
            ),
            meanings=mean,
            library=pool_library,
            worlds=({"b": 2, "m": 3}, {"b": 3, "m": 2}, {"b": (2, 1), "m": (2, 3)}),
        ),
        Tested(
            says="torch's adaptive maximum of o·b entries to o is the maximum of each block of b",
            check=windows,
            twins={
                "of o·b + 1 entries": lambda: windows(extra=1),
                "the blocks begin one entry late": lambda: windows(late=1),
            },
            checked="o and b from 1 to 5, a signal drawn from a normal distribution for each, float64, exactly",
        ),
    ),
)
