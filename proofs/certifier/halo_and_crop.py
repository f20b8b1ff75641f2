"""Cuts of a periodic signal: a halo (circular padding) and a crop are windows of it, and go on being so when a window slides over them."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import torch

import equiconv as eq
from proofs.crosscheck import Given
from proofs.evaluation import Meaning, World, pseudorandom
from proofs.language import Cyclic, Fun, Range, assume, body, delta, shifted, size, sum_over, variables
from proofs.laws import Claim, Law, Twin
from proofs.proving import Goal, Proof

n, m, k, p, s, start = size("n"), size("m"), size("k"), size("p"), size("s"), size("a")
x = Fun("x", (Cyclic(n),))
(j,) = variables("j", Range(k))
A, w = Fun("A", (), ((Range(k),),)), Fun("w", (Range(k),))


def signal(world: World) -> Meaning:
    """x, defined at every integer by its period."""
    return lambda i: pseudorandom(world, "x", tuple(a % b for a, b in zip(i, world.sizes["n"], strict=True)))


def plus(world: World, i: tuple[int, ...], sign: int, name: str) -> tuple[int, ...]:
    return tuple(a + sign * b for a, b in zip(i, world.sizes[name], strict=True))


# a window over a cut ---------------------------------------------------------------------------------------------------------

cut = Fun("c", (Range(m + k - 1),))
(u,) = variables("u", Range(m + k - 1))
(o,) = variables("o", Range(m))
CUT = assume(cut(u), x(u + start), u)


def over_cut(begins: Any = start) -> Goal:
    return Goal(A(body(j, cut(o + j))), A(body(j, x(o + j + begins))), (CUT,))


def over_cut_script(p: Proof) -> None:
    p.rewrite(CUT, {u: o + j}, says="o + j stays inside the cut, where it is x[o + j + a]")


def cut_meanings(world: World) -> dict[str, Meaning]:
    x = signal(world)
    return {"x": x, "c": lambda u: x(plus(world, u, 1, "a"))}


# a cut of a cut ----------------------------------------------------------------------------------------------------------------

again = size("b")
whole, part = Fun("c", (Range(again + m),)), Fun("d", (Range(m),))
(U,) = variables("u", Range(again + m))
(v,) = variables("v", Range(m))
WHOLE, PART = assume(whole(U), x(U + start), U), assume(part(v), whole(v + again), v)


def cut_twice(begins: Any = start + again) -> Goal:
    return Goal(part(v), x(v + begins), (WHOLE, PART))


def cut_twice_script(p: Proof) -> None:
    p.rewrite(PART, says="the inner cut begins at b in the outer one")
    p.rewrite(WHOLE, {U: v + again}, says="the outer cut begins at a in x, and v + b lies inside it")


def cut_twice_meanings(world: World) -> dict[str, Meaning]:
    cut = cut_meanings(world)
    return {**cut, "d": lambda v: cut["c"](plus(world, v, 1, "b"))}


# how a shift acts on a cut ---------------------------------------------------------------------------------------------------------

before, after = Fun("c", (Range(m + s),)), Fun("C", (Range(m + s),))
(y,) = variables("u", Range(m + s))
BEFORE, AFTER = assume(before(y), x(y + start), y), assume(after(y), shifted(x, s)(y + start), y)


def acts(to: Any = v + s, origin: Any = v) -> Goal:
    return Goal(after(to), before(origin), (BEFORE, AFTER))


def acts_script(p: Proof) -> None:
    p.rewrite(AFTER, {y: v + s}, says="the cut of S_s x, read at v + s, is x[v + a]")
    p.right.rewrite(BEFORE, {y: v}, says="so is the cut of x, read at v")


def acts_meanings(world: World) -> dict[str, Meaning]:
    x = signal(world)
    return {"C": lambda u: x(plus(world, plus(world, u, 1, "a"), -1, "s")), **cut_meanings(world)}


# circular padding -------------------------------------------------------------------------------------------------------------------

halo = Fun("h", (Range(n + 2 * p),))
(h,) = variables("u", Range(n + 2 * p))
(odd,) = variables("j", Range(2 * p + 1))
(at,) = variables("i", Range(n))
kernel = Fun("w", (Range(2 * p + 1),))
CIRCULAR = assume(halo(h), x(h - p), h)
ZERO = assume(halo(h), sum_over(at, delta(h - p - at) * x(at)), h)


def same(begins: Any = p, circular: bool = True) -> Goal:
    right = sum_over(odd, kernel(odd) * x(at + odd - begins))
    return Goal(sum_over(odd, kernel(odd) * halo(at + odd)), right, (CIRCULAR if circular else ZERO,))


def same_script(p: Proof) -> None:
    p.rewrite(CIRCULAR, {h: at + odd}, says="the window stays inside the halo, which continues x")


def same_meanings(world: World) -> dict[str, Meaning]:
    x = signal(world)
    return {"x": x, "h": lambda u: x(plus(world, u, -1, "p"))}


def zero_meanings(world: World) -> dict[str, Meaning]:
    x, nothing = signal(world), world.field.number(Fraction(0))

    def padded(u: tuple[int, ...]) -> Any:
        at = plus(world, u, -1, "p")
        return x(at) if all(0 <= a < b for a, b in zip(at, world.sizes["n"], strict=True)) else nothing

    return {"x": x, "h": padded}


def convolve(signal: Any, w: Any) -> Any:
    """torch's convolution of one channel, without padding: Σ_j w[j]·x[i + j]"""
    return torch.nn.functional.conv1d(torch.as_tensor(signal)[None], torch.as_tensor(w)[None, None])[0]


def same_library(given: Given) -> dict[str, object]:
    padded = eq.nn.circular_pad(torch.as_tensor(given["x"])[None], (given["p"], given["p"]))[0]
    right = eq.Shift(given["p"], given["n"]) @ eq.circular_correlate(given["x"], given["w"])
    return {"lhs": convolve(padded, given["w"]), "rhs": right}


CUTS = (
    {"a": 1, "k": 2, "m": 2, "n": 3},
    {"a": 2, "k": 1, "m": 3, "n": 2},
    {"a": 2, "k": 2, "m": 2, "n": 3},
    {"a": (1, 2), "k": (1, 2), "m": (2, 1), "n": (2, 2)},
)
MOVES = (
    {"a": 1, "m": 1, "n": 3, "s": 1},
    {"a": 2, "m": 3, "n": 4, "s": 2},
    {"a": (1, 2), "m": (2, 3), "n": (2, 3), "s": (1, 1)},
)

LAW = Law(
    name="halo_and_crop",
    title="Halos and crops are cuts of one periodic signal, and move with it",
    families=("padding", "slice, select, index"),
    note="A cut is c[u] = x[u + a], u < l, of a signal of period n: a crop where l < n, a halo where l > n. It moves as x does: U[u] ↦ U[u − k].",
    claims=(
        Claim(
            says="A window slid over a cut, without padding, gives the same cut of what it gives on the periodic signal",
            goal=over_cut,
            script=over_cut_script,
            twins=(
                Twin("the result begins at 0, not at a", {"begins": 0}),
                Twin("the result begins where the window ends", {"begins": start + k}),
            ),
            meanings=cut_meanings,
            worlds=CUTS,
        ),
        Claim(
            says="A cut from b of a cut from a is the cut from a + b",
            goal=cut_twice,
            script=cut_twice_script,
            twins=(
                Twin("it is the cut from a", {"begins": start}),
                Twin("it is the cut from b", {"begins": again}),
            ),
            meanings=cut_twice_meanings,
        ),
        Claim(
            says="The cut C of S_s x is the cut c of x moved by s, as far as c reaches: C[v + s] = c[v] for v < m, both of m + s entries",
            goal=acts,
            script=acts_script,
            twins=(
                Twin("the cut stays", {"to": v}),
                Twin("the cut moves the other way", {"to": v, "origin": v + s}),
            ),
            meanings=acts_meanings,
            worlds=MOVES,
        ),
        Claim(
            says="Circular padding by p, then a kernel of 2p + 1 without padding, is the circular correlation: equivariant to every shift",
            goal=same,
            script=same_script,
            twins=(
                Twin("the padding is zeros", {"circular": False}, zero_meanings),
                Twin("the padding is all at the right", {"begins": 0}),
            ),
            meanings=same_meanings,
            library=same_library,
        ),
    ),
)
