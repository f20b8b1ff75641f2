"""An index on which the values do not depend: copies of a signal, by repeat, expand, interleaving or a halo of whole periods."""

from __future__ import annotations

from typing import Any

import torch

import equiconv as eq
from proofs.crosscheck import Given
from proofs.evaluation import Meaning, World, pseudorandom
from proofs.kernel.terms import substituted
from proofs.language import Cyclic, Fun, Integers, Range, assume, delta, shifted, size, sum_over, variables
from proofs.laws import Claim, Law, Twin
from proofs.proving import Goal, Proof, Side

n, c, b, start = size("n"), size("c"), size("b"), size("a")
i, k = variables("i k", Cyclic(n))
(turn,) = variables("j", Integers())
x = Fun("x", (Cyclic(n),))


def periodic(world: World, i: Any) -> Any:
    """x, at every integer."""
    return pseudorandom(world, "x", tuple(a % n for a, n in zip(i, world.sizes["n"], strict=True)))


# repeat: y[z] = x[z] for z ∈ Z_(c·n) --------------------------------------------------------------------------------------------

z, s = variables("z s", Cyclic(c * n))
repeated = Fun("y", (Cyclic(c * n), Cyclic(c * n)))


def repeat(moved: Any = s, whole: Any = n) -> Goal:
    """y_s[z] = (S_s x)[z], c copies of x shifted by s."""
    meant = assume(repeated(s, z), shifted(x, s)(z), s, z)
    return Goal(repeated(s, z), repeated(0, z - moved + whole * turn), (meant,))


def repeat_script(p: Proof) -> None:
    p.rewrite(p.hypotheses[0], says="entry z of the copies of S_s x is x[z − s]")
    p.right.rewrite(
        p.hypotheses[0],
        {s: 0, z: z - s + n * turn},
        says="so is any entry of the copies of x that is whole periods off",
    )


def repeat_meanings(world: World) -> dict[str, Meaning]:
    def y(s: Any, z: Any) -> Any:
        return periodic(world, tuple(a - k for a, k in zip(z, s, strict=True)))

    return {"x": lambda i: periodic(world, i), "y": y}


def repeat_library(given: Given) -> dict[str, object]:
    """Axes j, s, z."""
    xp, n, c = given.xp, given["n"], given["c"]
    left = [xp.concatenate([eq.Shift(s, n) @ given["x"]] * c) for s in range(c * n)]
    copies = xp.concatenate([given["x"]] * c)
    right = [[eq.Shift(s - n * j, n * c) @ copies for s in range(c * n)] for j in range(-2, 4)]
    return {"lhs": xp.stack([xp.stack(left)] * 6), "rhs": xp.stack([xp.stack(line) for line in right])}


# expand: an index that is not looked at ------------------------------------------------------------------------------------------

h = Cyclic(c)
(row,) = variables("q", h)
copies, each = Fun("y", (Cyclic(n), h, Cyclic(n))), Fun("x", (h, Cyclic(n)))


def expand(rolled: Any = turn, moved: Any = k, uniform: bool = True) -> Goal:
    """y_k[q, i] = (S_k x)[i] for every q."""
    meant = assume(copies(k, row, i), x(i - k) if uniform else each(row, i - k), k, row, i)
    return Goal(copies(k, row, i), copies(0, row - rolled, i - moved), (meant,))


def expand_script(p: Proof) -> None:
    p.rewrite(p.hypotheses[0], says="whatever q, the entry is x[i − k]")
    p.right.rewrite(p.hypotheses[0], {k: 0, row: row - turn, i: i - k}, says="so is the entry of any other copy")


def expand_meanings(world: World, uniform: bool = True) -> dict[str, Meaning]:
    def at(row: Any, i: Any) -> Any:
        return periodic(world, i) if uniform else pseudorandom(world, "x", row, i)

    def y(k: Any, row: Any, i: Any) -> Any:
        return at(row, tuple((a - s) % n for a, s, n in zip(i, k, world.sizes["n"], strict=True)))

    return {"y": y, "x": (lambda i: at((), i)) if uniform else at}


# interleaving: y[b·q + r] = x[q] ------------------------------------------------------------------------------------------------------

LONG = Cyclic(b * n)
(p_, P) = variables("p P", LONG)
(r,) = variables("r", Range(b))
interleaved = Fun("y", (Cyclic(n), LONG))


def interleave(moved: Any = b * k) -> Goal:
    """y_k[b·i + r] = (S_k x)[i]: each entry b times."""
    meant = assume(interleaved(k, b * i + r), x(i - k), k, i, r)
    return Goal(interleaved(k, p_), interleaved(0, p_ - moved), (meant,))


def interleave_script(p: Proof) -> None:
    (meant,) = p.hypotheses

    def digits(side: Side) -> None:
        entries = sum_over(P, delta(P - p_, b * n) * substituted(side.term, {p_: P}))
        side.become(entries, lambda s: s.sift(P), "write it as a sum of which one entry counts")
        side.divide(P, i, r, "every index is b·i + r for one i and one r")

    digits(p.left)
    p.rewrite(meant, says="each entry of block i is x[i − k]")
    digits(p.right)
    p.right.rewrite(meant, {k: 0, i: i - k}, says="so is each entry of block i − k of the copies of x")


def interleave_meanings(world: World) -> dict[str, Meaning]:
    def y(k: Any, p: Any) -> Any:
        return periodic(world, tuple(a // b - s for a, s, b in zip(p, k, world.sizes["b"], strict=True)))

    return {"x": lambda i: periodic(world, i), "y": y}


def interleave_library(given: Given) -> dict[str, object]:
    """torch's repeat_interleave; axes k, p."""
    x, times, n = torch.as_tensor(given["x"]), given["b"], given["n"]
    left = [x.roll(k).repeat_interleave(times) for k in range(n)]
    return {
        "lhs": torch.stack(left),
        "rhs": torch.stack([x.repeat_interleave(times).roll(times * k) for k in range(n)]),
    }


# a halo of whole periods, split --------------------------------------------------------------------------------------------------------

halo = Fun("h", (Cyclic(n), Range(c * b * n)))
(u,) = variables("u", Range(c * b * n))
(v,) = variables("r", Range(b * n))
(first,) = variables("q", Range(c))


def split(moved: Any = k, begins: Any = start) -> Goal:
    """h_k is the cut from a of S_k x, c·b periods long, read as c rows of b periods."""
    meant = assume(halo(k, u), x(u + start - k), k, u)
    return Goal(halo(k, b * n * first + v), x(v + begins - moved), (meant,))


def split_script(p: Proof) -> None:
    p.rewrite(p.hypotheses[0], {u: b * n * first + v}, says="a row is b periods: x[b·n·q + r + a − k] = x[r + a − k]")


def split_meanings(world: World) -> dict[str, Meaning]:
    def h(k: Any, u: Any) -> Any:
        return periodic(world, tuple(i + a - s for i, s, a in zip(u, k, world.sizes["a"], strict=True)))

    return {"x": lambda i: periodic(world, i), "h": h}


def split_library(given: Given) -> dict[str, object]:
    """Rows of the repeated signal; axes k, q, r."""
    xp, n, b, c, a = (given.xp, *(given[name] for name in "nbca"))

    def rows(signal: Any) -> Any:
        return xp.concatenate([signal] * (c * b + a))[a : a + c * b * n].reshape(c, b * n)

    return {"lhs": xp.stack([rows(eq.Shift(k, n) @ given["x"]) for k in range(n)])}


LAW = Law(
    name="uniform",
    title="On an index of copies every action is true; the copies move as what they are copies of",
    families=("shape",),
    claims=(
        Claim(
            says="Repeat: where x shifts by s, c copies of x side by side move by s, or as well by s plus whole periods, around c·n",
            goal=repeat,
            script=repeat_script,
            twins=(
                Twin("they move by c·s", {"moved": c * s}),
                Twin("they move by s plus whole numbers of entries", {"whole": 1}),
            ),
            meanings=repeat_meanings,
            library=repeat_library,
            worlds=({"c": 2, "n": 2}, {"c": 2, "n": 3}, {"c": (1, 2), "n": (2, 1)}),
        ),
        Claim(
            says="Expand: if y[q, i] = x[i] for every q, a shift of x by k moves y by k along i and, just as well, by any j along q",
            goal=expand,
            script=expand_script,
            twins=(
                Twin("the values depend on q", {"uniform": False}, lambda world: expand_meanings(world, False)),
                Twin("y stays along i", {"moved": 0}),
            ),
            meanings=expand_meanings,
            worlds=({"c": 2, "n": 2}, {"c": 2, "n": 3}, {"c": (1, 2), "n": (2, 1)}),
        ),
        Claim(
            says="Interleaved copies, y[b·i + r] = x[i] for r < b (repeat_interleave): shifting x by k shifts y by b·k; r is the index of copies",
            goal=interleave,
            script=interleave_script,
            twins=(
                Twin("y moves the other way", {"moved": -b * k}),
                Twin("y moves by b²·k", {"moved": b * b * k}),
            ),
            meanings=interleave_meanings,
            library=interleave_library,
            worlds=({"b": 2, "n": 2}, {"b": 2, "n": 3}, {"b": (1, 2), "n": (3, 2)}),
        ),
        Claim(
            says="A cut of c·b whole periods from a, in c rows of b periods: every row is the cut of b periods from a, and moves with x",
            goal=split,
            script=split_script,
            twins=(
                Twin("the rows begin at 0", {"begins": 0}),
                Twin("the rows stay", {"moved": 0}),
            ),
            meanings=split_meanings,
            library=split_library,
            worlds=(
                {"a": 1, "b": 1, "c": 2, "n": 2},
                {"a": 2, "b": 2, "c": 2, "n": 3},
                {"a": (1, 1), "b": (1, 1), "c": (2, 1), "n": (2, 3)},
            ),
        ),
    ),
)
