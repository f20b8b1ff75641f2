"""Cuts of a periodic signal: a halo (circular padding) and a crop are windows of it, and go on being so when a window slides over them."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import torch

import equiconv as eq
from proofs.crosscheck import Given
from proofs.evaluation import Exact, Meaning, World, pseudorandom
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

t, d = size("t"), size("d")
LENGTH = t * m - t + d * k - d + 1  # t·(m − 1) + d·(k − 1) + 1
X, cut = Fun("x", (Cyclic(t * n),)), Fun("c", (Cyclic(n), Range(LENGTH)))
(q,) = variables("q", Cyclic(n))
(u,) = variables("u", Range(LENGTH))
(o,) = variables("o", Range(m))


def over_cut(begins: Any = start, moved: Any = q) -> Goal:
    """c_q is the cut of S_(t·q) x, just long enough for m windows."""
    meant = assume(cut(q, u), X(u + start - t * q), q, u)
    return Goal(A(body(j, cut(q, t * o + d * j))), A(body(j, X(t * (o - moved) + d * j + begins))), (meant,))


def over_cut_script(p: Proof) -> None:
    inside = "t·o + d·j stays inside the cut, where it is x[t·o + d·j + a − t·q]"
    p.rewrite(p.hypotheses[0], {u: t * o + d * j}, says=inside)


def over_cut_meanings(world: World) -> dict[str, Meaning]:
    def x(i: tuple[int, ...]) -> Any:
        sizes = zip(i, world.sizes["t"], world.sizes["n"], strict=True)
        return pseudorandom(world, "x", tuple(a % (t * n) for a, t, n in sizes))

    def c(q: tuple[int, ...], u: tuple[int, ...]) -> Any:
        return x(tuple(i + a - t * q for i, q, a, t in zip(u, q, world.sizes["a"], world.sizes["t"], strict=True)))

    def weighted(values: list[complex]) -> complex:
        return sum((j + 1) * value for j, value in enumerate(values))

    return {"x": x, "c": c, **({} if isinstance(world.field, Exact) else {"A": weighted})}


def over_cut_library(given: Given) -> dict[str, object]:
    """torch's convolution of a crop of the repeated signal with the kernel 1, 2, …, k, strided and dilated; axes o, q."""
    n, m, k, t, d, a = (given[name] for name in "nmktda")
    x, length = torch.as_tensor(given["x"]), t * (m - 1) + d * (k - 1) + 1
    kernel = torch.arange(1, k + 1).to(x)[None, None]
    crops = [x.roll(t * q).repeat(a + length)[None, a : a + length] for q in range(n)]
    return {"lhs": torch.stack([torch.nn.functional.conv1d(c, kernel, stride=t, dilation=d)[0] for c in crops], 1)}


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


# with a constant -------------------------------------------------------------------------------------------------------------------

φ = Fun("φ", (), ((), ()))
γ, each = Fun("γ"), Fun("γ", (Range(m + s),))


def with_constant(to: Any = v + s, alike: bool = True) -> Goal:
    def layer(cut: Fun, at: Any) -> Any:
        return φ(body(cut(at)), body(γ() if alike else each(at)))

    return Goal(layer(after, to), layer(before, v), (BEFORE, AFTER))


def with_constant_script(p: Proof) -> None:
    p.rewrite(AFTER, {y: v + s}, says="the cut of S_s x, read at v + s, is x[v + a], beside the same constant")
    p.right.rewrite(BEFORE, {y: v}, says="so is the cut of x, read at v")


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


def cut_of_none(world: World) -> dict[str, Meaning]:
    return dict.fromkeys("xh", signal(world))


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


padded = Fun("h", (Range(m + k - 1),))
(e,) = variables("u", Range(m + k - 1))


def uneven(begins: Any = p, continued: Any = -p) -> Goal:
    """p entries before the signal, m + k − 1 − n − p behind it."""
    meant = assume(padded(e), x(e + continued), e)
    return Goal(sum_over(j, w(j) * padded(o + j)), sum_over(j, w(j) * x(o - begins + j)), (meant,))


def uneven_script(proof: Proof) -> None:
    proof.rewrite(
        proof.hypotheses[0], {e: o + j}, says="the window stays inside the padded signal, which is x[o + j − p]"
    )


def uneven_library(given: Given) -> dict[str, object]:
    """Circular padding, then a convolution without; beside the circular correlation, of which m outputs from −p on are kept."""
    n, m, k, p = (given[name] for name in "nmkp")
    halo = eq.nn.circular_pad(torch.as_tensor(given["x"])[None], (p, m + k - 1 - n - p))[0]
    y = eq.circular_correlate(given["x"], given["w"])
    return {"lhs": convolve(halo, given["w"]), "rhs": y[(given.index(m) - p) % n]}


CUTS: tuple[dict[str, Any], ...] = (
    {"a": 1, "d": 1, "k": 2, "m": 2, "n": 3, "t": 1},
    {"a": 2, "d": 2, "k": 2, "m": 2, "n": 2, "t": 2},
    {"a": 2, "d": 1, "k": 1, "m": 3, "n": 2, "t": 2},
    {"a": (1, 2), "d": (1, 2), "k": (1, 2), "m": (2, 1), "n": (2, 2), "t": (2, 1)},
)
UNEVEN: tuple[dict[str, Any], ...] = (
    {"k": 2, "m": 4, "n": 3, "p": 1},
    {"k": 4, "m": 3, "n": 4, "p": 2},
    {"k": 3, "m": 6, "n": 4, "p": 1},
    {"k": (1, 2), "m": (2, 3), "n": (2, 2), "p": (1, 1)},
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
            says="A window of stride t and dilation d over a cut, without padding: where x has shifted by t·q, output o is that at o − q of x from a on",
            goal=over_cut,
            script=over_cut_script,
            twins=(
                Twin("the result begins at 0, not at a", {"begins": 0}),
                Twin("the result begins where the window ends", {"begins": start + d * k}),
                Twin("the result moves by t·q, as x does", {"moved": t * q}),
            ),
            meanings=over_cut_meanings,
            library=over_cut_library,
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
            says="A constant alike everywhere is harmless on a cut: φ(C[v + s], γ) = φ(c[v], γ) for any φ that acts entry by entry",
            goal=with_constant,
            script=with_constant_script,
            twins=(
                Twin("γ is one constant an entry", {"alike": False}),
                Twin("the result stays", {"to": v}),
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
        Claim(
            says="Circular padding of any amounts, p before, then any kernel without padding: output o is the circular correlation at o − p",
            goal=uneven,
            script=uneven_script,
            twins=(
                Twin("output o is the correlation at o", {"begins": 0}),
                Twin("the padding before the signal begins with its first entry", {"continued": 0}, cut_of_none),
            ),
            meanings=same_meanings,
            library=uneven_library,
            worlds=UNEVEN,
        ),
    ),
)
