"""Cross-checks: both sides of a claim computed by the library's own operators, on NumPy and torch, beside the meaning of the statement that was proved.

A claim's ``library`` receives a :class:`Given` and returns ``{"lhs": array, "rhs": array}`` (one of the two is enough), with one axis for each
free variable of the claim, in alphabetical order. ``given["x"]`` is the array of the function x, one axis for each of its indices; ``given["n"]`` a size.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np

from proofs.evaluation import Floating, World
from proofs.kernel import Fun, Term
from proofs.laws import Claim, holds, variables
from proofs.proving import Goal

EPS = 2.0**-52


@dataclass
class Given:
    """Numbers for a claim: arrays of one library for its functions, integers for its sizes. ``xp`` is that library (``numpy`` or ``torch``)."""

    xp: Any
    arrays: Mapping[str, Any]
    sizes: Mapping[str, int]

    def __getitem__(self, name: str) -> Any:
        return self.arrays[name] if name in self.arrays else self.sizes[name]

    def index(self, sort_size: int) -> Any:
        """0, 1, …, sort_size − 1"""
        return self.xp.arange(sort_size)


@dataclass(frozen=True)
class Comparison:
    """Largest error of one side, and the bound it must not exceed."""

    side: str
    error: float
    bound: float


class Absolute(Floating):
    """Every root of unity is 1: with absolute values for functions, a term evaluates to the sum of its summands' magnitudes."""

    def root(self, theta: Fraction) -> complex:
        return super().root(theta * 0)


def cross_check(
    claim: Claim, library: str, sizes: Mapping[str, int], seed: int = 0, real: bool = False
) -> list[Comparison]:
    """Compare ``claim.library`` with the evaluated statement, at every value of the free variables.

    Bound per side: 64·eps·(1 + number of values)·(the side evaluated with absolute values), which covers a sum in any order and an FFT of that length.
    """
    assert claim.library is not None
    goal = claim.goal()
    world = World({name: (n,) for name, n in sizes.items()}, Floating(), groups=claim.groups, seed=seed)
    given_meanings = claim.meanings(world) if claim.meanings else {}
    arrays = {
        f.name: _array(f, world, given_meanings, seed, real) for f in sorted(_signals(goal), key=lambda f: f.name)
    }
    world.meanings = {**given_meanings, **{name: _lookup(a) for name, a in arrays.items()}}
    given = Given(_namespace(library), {name: _converted(a, library) for name, a in arrays.items()}, dict(sizes))
    results = claim.library(given)
    unknown = set(results) - {"lhs", "rhs"}
    if unknown or not results:
        raise ValueError(f"{claim.says}: library must return lhs or rhs, got {sorted(results)}")
    free = sorted(goal.lhs.free | goal.rhs.free, key=lambda v: v.name)
    fixed = [h for h in goal.assumed if variables(h.parameters) and variables(h.parameters) <= set(free)]
    magnitudes = World(
        world.sizes, Absolute(), {n: _absolute(m) for n, m in world.meanings.items()}, claim.groups, seed
    )
    out = []
    for side, found in sorted(results.items()):
        term: Term = getattr(goal, side)
        found = np.asarray(found.detach().cpu().numpy() if hasattr(found, "detach") else found)
        spaces = [world.values(v.sort) for v in free]
        shape = tuple(map(len, spaces))
        if found.shape != shape:
            raise ValueError(
                f"{claim.says}: library gave {side} of shape {found.shape}; its free variables {[v.name for v in free]} take {shape} values"
            )
        worst, bound = 0.0, 0.0
        for position, chosen in zip(np.ndindex(*shape), itertools.product(*spaces), strict=True):
            values = dict(zip(free, chosen, strict=True))
            if not all(holds(h, world, values) for h in fixed):
                continue
            error = abs(complex(found[position]) - world.evaluate(term, values))
            here = 64 * EPS * (1 + max([*sizes.values(), 1])) * max(1.0, abs(magnitudes.evaluate(term, values)))
            if error / here >= (worst / bound if bound else -1.0):
                worst, bound = float(error), float(here)
        out.append(Comparison(side, worst, bound))
    return out


def _signals(goal: Goal) -> set[Fun]:
    """Functions of indices, those that only the hypotheses speak of among them."""
    assumed = frozenset().union(*(h.parameters for h in goal.assumed))
    spoken_of = goal.lhs.functions | goal.rhs.functions | {f for f in assumed if isinstance(f, Fun)}
    return {f for f in spoken_of if not f.bodies}


def _array(fun: Fun, world: World, meanings: Mapping[str, Any], seed: int, real: bool) -> np.ndarray[Any, Any]:
    shape = tuple(len(world.values(s)) for s in fun.sorts)
    if fun.name in meanings:
        spaces = [world.values(s) for s in fun.sorts]
        return np.array([complex(meanings[fun.name](*args)) for args in itertools.product(*spaces)]).reshape(shape)
    rng = np.random.default_rng([seed, *fun.name.encode()])
    values = rng.integers(-4, 5, shape).astype(np.float64)
    return values if real else values + 1j * rng.integers(-4, 5, shape)


def _lookup(array: np.ndarray[Any, Any]) -> Callable[..., complex]:
    return lambda *args: complex(array[tuple(a if isinstance(a, int) else a[0] for a in args)])


def _absolute(meaning: Callable[..., Any]) -> Callable[..., Any]:
    return lambda *args: complex(abs(meaning(*args)))


def _namespace(library: str) -> Any:
    if library == "torch":
        import torch

        return torch
    return np


def _converted(array: np.ndarray[Any, Any], library: str) -> Any:
    if library == "torch":
        import torch

        return torch.from_numpy(np.ascontiguousarray(array))
    return array


__all__ = ["Comparison", "Given", "cross_check"]
