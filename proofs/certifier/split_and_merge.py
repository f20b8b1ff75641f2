"""A reshape reads an index in mixed radix, i = b·q + r: rolling i by b·k rolls the outer digit q by k and leaves the inner digit r alone."""

from __future__ import annotations

from typing import Any

from proofs.crosscheck import Given
from proofs.evaluation import Meaning, World, pseudorandom
from proofs.kernel.terms import substituted
from proofs.language import Cyclic, Fun, Integers, Range, assume, body, delta, size, sum_over, variables
from proofs.laws import Claim, Law, Solved, Twin
from proofs.proving import Goal, Proof, Side

b, m = size("b"), size("m")
WHOLE = Cyclic(b * m)
i, j = variables("i j", WHOLE)
q, u = variables("q u", Cyclic(m))
r, v = variables("r v", Range(b))
(k,) = variables("k", Integers())
x = Fun("x", (WHOLE,))
SHIFTS = range(-2, 4)  # the integers k at which statements are evaluated


# split: (q, r) = digits of i ---------------------------------------------------------------------------------------------------


def split(shift: Any = b * k, roll: Any = k) -> Goal:
    return Goal(x(b * q + r - shift), x(b * (q - roll) + r))


def split_script(p: Proof) -> None:
    """Both sides are the same by index arithmetic: b·q + r − b·k = b·(q − k) + r."""


def split_library(given: Given) -> dict[str, object]:
    xp, digits = given.xp, (given["m"], given["b"])
    left = [xp.roll(given["x"], given["b"] * k).reshape(digits) for k in SHIFTS]
    right = [xp.roll(given["x"].reshape(digits), k, 0) for k in SHIFTS]
    return {"lhs": xp.stack(left), "rhs": xp.stack(right)}


# merge: y on digits becomes M(y), M(y)[b·q + r] = y[q, r] --------------------------------------------------------------------


M = Fun("M", (WHOLE,), ((Cyclic(m), Range(b)),))
f, y = Fun("f", (Cyclic(m), Range(b))), Fun("y", (Cyclic(m), Range(b)))


def merge(shift: Any = b * k, roll: Any = k) -> Goal:
    layout = assume(M(b * q + r, body(u, v, f(u, v))), f(q, r), q, r, f)
    return Goal(M(i, body(u, v, y(u - roll, v))), M(i - shift, body(u, v, y(u, v))), (layout,))


def merge_script(p: Proof) -> None:
    (layout,) = p.hypotheses

    def digits(side: Side) -> None:
        entries = sum_over(j, delta(j - i, b * m) * substituted(side.term, {i: j}))
        side.become(entries, lambda s: s.sift(j), "write it as a sum of which one entry counts")
        side.divide(j, q, r, "every index is b·q + r for one q and one r")

    digits(p.left)
    p.rewrite(layout, functions={f: ((u, v), y(u - k, v))}, says="M lays the entry (q, r) at b·q + r")
    digits(p.right)
    p.right.rewrite(layout, {q: q - k}, {f: ((u, v), y(u, v))}, "b·q + r − b·k has the digits q − k and r")


def row_major(world: World) -> dict[str, Meaning]:
    """A reshape's own layout: the entry (q, r) at b·q + r along each axis."""
    outer, inner = world.values(Cyclic(m)), world.values(Range(b))

    def merged(index: Any, values: list[Any]) -> Any:
        pairs = [divmod(one, block) for one, block in zip(index, world.sizes["b"], strict=True)]
        digits = outer.index(tuple(p for p, _ in pairs)), inner.index(tuple(p for _, p in pairs))
        return values[digits[0] * len(inner) + digits[1]]

    return {"M": merged}


def merge_library(given: Given) -> dict[str, object]:
    xp = given.xp
    left = [xp.roll(given["y"], k, 0).reshape(-1) for k in SHIFTS]
    right = [xp.roll(given["y"].reshape(-1), given["b"] * k) for k in SHIFTS]
    return {"lhs": xp.stack(left, 1), "rhs": xp.stack(right, 1)}


# split of a cut --------------------------------------------------------------------------------------------------------------------

start, period = size("a"), size("n")
long = Fun("x", (Cyclic(b * period),))
cut = Fun("c", (Cyclic(period), Range(b * m)))
(turn,) = variables("k", Cyclic(period))
(e,) = variables("e", Range(b * m))
(block,) = variables("q", Range(m))


def cut_split(moved: Any = turn, begins: Any = start) -> Goal:
    """c_k is the cut from a of x shifted by b·k."""
    meant = assume(cut(turn, e), long(e + start - b * turn), turn, e)
    return Goal(cut(turn, b * block + r), long(b * (block - moved) + r + begins), (meant,))


def cut_split_script(p: Proof) -> None:
    p.rewrite(
        p.hypotheses[0], {e: b * block + r}, says="b·q + r lies in the cut: x[b·q + r + a − b·k] = x[b·(q − k) + r + a]"
    )


def cut_meanings(world: World) -> dict[str, Meaning]:
    def x(i: Any) -> Any:
        sizes = zip(i, world.sizes["b"], world.sizes["n"], strict=True)
        return pseudorandom(world, "x", tuple(a % (b * n) for a, b, n in sizes))

    def c(k: Any, e: Any) -> Any:
        sizes = zip(e, k, world.sizes["a"], world.sizes["b"], strict=True)
        return x(tuple(i + a - b * k for i, k, a, b in sizes))

    return {"x": x, "c": c}


def cut_library(given: Given) -> dict[str, object]:
    """Crops of the repeated signal in blocks; axes k, q, r."""
    xp, x, block, count, start = given.xp, given["x"], given["b"], given["m"], given["a"]

    def blocks(signal: Any) -> Any:
        return xp.concatenate([signal] * (start + count + 1))[start : start + block * count].reshape(count, block)

    return {"lhs": xp.stack([blocks(xp.roll(x, block * k)) for k in range(given["n"])])}


# digits: Euclid, for z3 --------------------------------------------------------------------------------------------------------


def digits_of_a_shift(z3: Any, fits: bool = True, shift: int = 0) -> list[Any]:
    """i = b·q + r and i + b·k (+ shift) = b·q′ + r′, both in digits, yet not q′ = q + k and r′ = r."""
    base, k, q, r, q1, r1 = z3.Ints("b k q r q′ r′")
    return [
        base >= 1,
        *(r >= 0, r < base, r1 >= 0),
        *((r1 < base,) if fits else ()),
        base * q + r + base * k + shift == base * q1 + r1,
        z3.Or(q1 != q + k, r1 != r),
    ]


def next_digits(z3: Any, carry: int = 1, base_case: int = 0) -> list[Any]:
    """(0, ``base_case``) are not digits of 0; or (q, r) are digits of i, yet neither (q, r ± 1) nor what a carry gives are digits of i ± 1."""
    base, i, q, r = z3.Ints("b i q r")

    def digits(number: Any, outer: Any, inner: Any) -> Any:
        return z3.And(number == base * outer + inner, inner >= 0, inner < base)

    up = z3.Or(digits(i + 1, q, r + 1), digits(i + 1, q + carry, 0))
    down = z3.Or(digits(i - 1, q, r - 1), digits(i - 1, q - carry, base - 1))
    step = z3.And(digits(i, q, r), z3.Not(z3.And(up, down)))
    return [base >= 1, z3.Or(z3.Not(digits(0, 0, base_case)), step)]


LAW = Law(
    name="split_and_merge",
    title="A reshape in blocks of b: rolling by b·k rolls the blocks by k and leaves their insides alone",
    families=("shape",),
    claims=(
        Claim(
            says="Split: if y[q, r] = x[b·q + r], then shifting x by b·k rolls q by k and leaves r alone",
            goal=split,
            script=split_script,
            twins=(
                Twin("the signal shifts by k, not by a whole number of blocks", {"shift": k}),
                Twin("the blocks roll by b·k, as though they were pixels", {"roll": b * k}),
                Twin("the blocks roll the other way", {"roll": -k}),
            ),
            library=split_library,
        ),
        Claim(
            says="Merge: if M(y)[b·q + r] = y[q, r], then rolling q by k rolls M(y) by b·k: a roll of step s becomes one of step s/b",
            goal=merge,
            script=merge_script,
            twins=(
                Twin("the merged signal rolls by k only", {"shift": k}),
                Twin("the merged signal rolls the other way", {"shift": -b * k}),
                Twin("the blocks roll by b·k", {"roll": b * k}),
            ),
            meanings=row_major,
            library=merge_library,
            worlds=({"b": 2, "m": 2}, {"b": 3, "m": 2}, {"b": 2, "m": 3}, {"b": (1, 2), "m": (2, 1)}),
        ),
        Claim(
            says="On a cut c[e] = x[e + a] of whole blocks too: when x shifts by b·k, entry r of block q is x[b·(q − k) + r + a]",
            goal=cut_split,
            script=cut_split_script,
            twins=(
                Twin("the blocks move by b·k", {"moved": b * turn}),
                Twin("the cut begins at 0", {"begins": 0}),
            ),
            meanings=cut_meanings,
            library=cut_library,
            worlds=(
                {"a": 1, "b": 2, "m": 1, "n": 2},
                {"a": 2, "b": 3, "m": 3, "n": 2},
                {"a": (1, 2), "b": (2, 2), "m": (2, 1), "n": (2, 3)},
            ),
        ),
        Solved(
            says="Digits are unique: if i = b·q + r with 0 ≤ r < b, the digits of i + b·k are q + k and r, that is ⌊(i + b·k)/b⌋ = ⌊i/b⌋ + k",
            constraints=digits_of_a_shift,
            twins={
                "the inner digit may exceed b − 1": lambda z3: digits_of_a_shift(z3, fits=False),
                "a shift by b·k + 1 leaves the inner digit alone": lambda z3: digits_of_a_shift(z3, shift=1),
            },
        ),
        Solved(
            says="Digits exist, by induction both ways: (0, 0) is 0; if (q, r) is i, (q, r + 1) or (q + 1, 0) is i + 1, (q, r − 1) or (q − 1, b − 1) is i − 1",
            constraints=next_digits,
            twins={
                "nothing is ever carried": lambda z3: next_digits(z3, carry=0),
                "the carry adds 2 to the outer digit": lambda z3: next_digits(z3, carry=2),
                "0 has the digits (0, 1)": lambda z3: next_digits(z3, base_case=1),
            },
        ),
    ),
    note="The digits (q, r) of an index are trusted by the kernel's rule of division; z3 confirms that they are unique and exist.",
)
