"""A window slid in steps of t over a periodic signal (convolution, pooling, any aggregation): a shift by t·q moves the output by q. L13, L14."""

from __future__ import annotations

from typing import Any

import torch

import equiconv as eq
from proofs.crosscheck import Given
from proofs.evaluation import Exact, Meaning, World
from proofs.language import Cyclic, Fun, Integers, Range, Signal, body, shifted, size, sum_over, variables
from proofs.laws import Claim, Law, Twin
from proofs.proving import Goal, Proof

m, t, u = size("m"), size("t"), size("u")
o, q = variables("o q", Cyclic(m))
z, d, p, D, P = variables("z d p D P", Integers())
width, width2 = size("k"), size("K")
(j,) = variables("j", Range(width))
(J,) = variables("J", Range(width2))
x, X = Fun("x", (Cyclic(t * m),)), Fun("x", (Cyclic(t * u * m),))
SMALL = (
    {"c": 1, "d": 1, "k": 2, "m": 2, "p": 1, "t": 1},
    {"c": 2, "d": 2, "k": 2, "m": 3, "p": 1, "t": 2},
    {"c": 2, "d": 1, "k": 3, "m": 2, "p": 4, "t": 3},
)
ONE = (
    {"k": 1, "m": 2, "t": 1},
    {"k": 2, "m": 2, "t": 2},
    {"k": 2, "m": 3, "t": 2},
    {"k": (1, 2), "m": (2, 1), "t": (1, 2)},
)
TWO = (
    {"k": 1, "K": 1, "m": 2, "t": 2, "u": 1},
    {"k": 2, "K": 2, "m": 2, "t": 2, "u": 2},
    {"k": 2, "K": 1, "m": 3, "t": 1, "u": 2},
)
A, B = Fun("A", (), ((Range(width),),)), Fun("B", (), ((Range(width2),),))


def slid(signal: Signal, stride: Any = t, dilation: Any = d, padding: Any = p) -> Signal:
    """y[o] = A(x[t·o + d·j − p] for j = 0, …, k − 1)"""
    return lambda o: A(body(j, signal(stride * o + dilation * j - padding)))


# any aggregation ----------------------------------------------------------------------------------------------------------------


def anything(shift: Any = t * q, moved: Any = q) -> Goal:
    return Goal(slid(shifted(x, shift))(o), shifted(slid(x), moved)(o))


def anything_script(p: Proof) -> None:
    """Both sides are the same by index arithmetic: t·o + d·j − p − t·q = t·(o − q) + d·j − p, for every j."""


# convolution: channels, stride, dilation, circular padding --------------------------------------------------------------------------

channels, pad, apart = size("c"), size("p"), size("d")
a, b = variables("a b", Range(channels))
image = Fun("x", (Range(channels), Cyclic(t * m)))
weight = Fun("w", (Range(channels), Range(channels), Range(width)))


def convolved(shift: Any, at: Any) -> Any:
    """Σ_a Σ_j w[b, a, j]·(S_shift x)[a, t·at + d·j − p]"""
    return sum_over((a, j), weight(b, a, j) * image(a, t * at + apart * j - pad - shift))


def layer(shift: Any = t * q, moved: Any = q) -> Goal:
    return Goal(convolved(shift, o), convolved(0, o - moved))


def layer_script(p: Proof) -> None:
    """Both sides are the same by index arithmetic, whatever the weights: every output channel b reads the window at t·(o − q)."""


def layer_library(given: Given) -> dict[str, object]:
    """The layers' convolution, of which every window is kept but those that the padding adds at the end."""
    x, w = torch.as_tensor(given["x"]), torch.as_tensor(given["w"])
    outputs, step = given["m"], given["t"]
    padding = (0, given["d"] * (given["k"] - 1))

    def forward(signal: Any) -> Any:
        start = torch.roll(signal, given["p"], -1)  # so that the first window begins p before the signal
        return eq.nn.circular_conv(eq.nn.circular_pad(start, padding), w, stride=step, dilation=given["d"])[:, :outputs]

    left = [forward(torch.roll(x, step * q, -1)) for q in range(outputs)]
    right = [torch.roll(forward(x), q, -1) for q in range(outputs)]
    return {"lhs": torch.stack(left, 2), "rhs": torch.stack(right, 2)}


# pooling over blocks ------------------------------------------------------------------------------------------------------------------

(r,) = variables("r", Range(t))
R = Fun("R", (), ((Range(t),),))


def pool(shift: Any = t * q, moved: Any = q) -> Goal:
    return Goal(R(body(r, x(t * o + r - shift))), R(body(r, x(t * (o - moved) + r))))


def pool_script(p: Proof) -> None:
    """Both sides are the same by index arithmetic: a shift by t·q carries block o − q to block o."""


def largest(world: World) -> dict[str, Meaning]:
    """The largest real part; in the exact field, where numbers have no order, any function."""
    return {} if isinstance(world.field, Exact) else {"R": lambda values: complex(max(v.real for v in values))}


def pool_library(given: Given) -> dict[str, object]:
    x, outputs, step = torch.as_tensor(given["x"]).real[None], given["m"], given["t"]
    pool = torch.nn.MaxPool1d(step)
    left = [pool(torch.roll(x, step * q, -1))[0] for q in range(outputs)]
    right = [torch.roll(pool(x)[0], q, -1) for q in range(outputs)]
    return {"lhs": torch.stack(left, 1), "rhs": torch.stack(right, 1)}


# two windows, one after the other -------------------------------------------------------------------------------------------------------


def stacked(shift: Any = t * u * q, moved: Any = q) -> Goal:
    def then(signal: Signal, o: Any) -> Any:
        return B(body(J, slid(signal)(u * o + D * J - P)))

    return Goal(then(shifted(X, shift), o), then(X, o - moved))


def stacked_script(p: Proof) -> None:
    """Both sides are the same by index arithmetic: the second window steps by u outputs of the first, which are t·u entries of x."""


LAW = Law(
    name="sliding_window",
    title="A sliding window of stride t turns a shift by t·q of a periodic signal into a shift by q, whatever it computes",
    items=("L13", "L14"),
    families=("sliding window",),
    note="All four are index arithmetic, a shift by t·q carries window o − q to window o, so that a window may compute anything, and every window the same. "
    "That other shifts are lost in general is the law stride, with a window of one entry.",
    claims=(
        Claim(
            says="Any aggregation A, dilation d and circular padding p: y[o] = A(x[t·o + d·j − p], j < k) moves by q when x moves by t·q",
            goal=anything,
            script=anything_script,
            twins=(
                Twin("every shift by z moves y by z, whatever the stride", {"shift": z, "moved": z}),
                Twin("y moves by t·q, as x does", {"moved": t * q}),
                Twin("y is invariant", {"moved": 0}),
            ),
            worlds=ONE,
        ),
        Claim(
            says="Convolution with channels, y[b, o] = Σ_a Σ_j w[b, a, j]·x[a, t·o + d·j − p]: moves by q when x moves by t·q",
            goal=layer,
            script=layer_script,
            twins=(
                Twin("every shift by z moves y by z, whatever the stride", {"shift": z, "moved": z}),
                Twin("y moves the other way", {"moved": -q}),
            ),
            worlds=SMALL,
            library=layer_library,
        ),
        Claim(
            says="Any function R of blocks of t, such as a maximum: y[o] = R(x[t·o], …, x[t·o + t − 1]) moves by q when x moves by t·q",
            goal=pool,
            script=pool_script,
            twins=(
                Twin("a shift by z inside a block leaves y as it is", {"shift": z, "moved": 0}),
                Twin("y moves by t·q, as x does", {"moved": t * q}),
            ),
            meanings=largest,
            library=pool_library,
        ),
        Claim(
            says="A window of stride t, then one of stride u: a shift by t·u·q moves the result by q",
            goal=stacked,
            script=stacked_script,
            twins=(
                Twin("a shift by t·z is enough: the second stride is forgotten", {"shift": t * z, "moved": z}),
                Twin("the result moves by u·q", {"moved": u * q}),
            ),
            worlds=TWO,
        ),
    ),
)
