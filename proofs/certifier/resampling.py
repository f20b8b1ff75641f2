"""Resampling by b/a: one stencil for each of b phases, repeated every a entries, turns a shift by a·k into one by b·k."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import interpolate

from proofs.crosscheck import Given
from proofs.evaluation import Meaning, Vector, World, pseudorandom
from proofs.kernel.indices import Variable
from proofs.language import Cyclic, Fun, Integers, Range, Unit, assume, delta, size, sum_over, variables
from proofs.laws import Claim, Law, Twin
from proofs.proving import Goal, Proof, Side

a, b, m = size("a"), size("b"), size("m")
source, target = Cyclic(a * m), Cyclic(b * m)
(u,) = variables("u", source)
(o,) = variables("o", target)
(q,) = variables("q", Cyclic(m))
(r,) = variables("r", Range(b))
(k,) = variables("k", Integers())
x = Fun("x", (source,))
SHIFTS = range(-2, 4)  # the integers k at which statements are evaluated


# a matrix that its own rolls fix -------------------------------------------------------------------------------------------------


M = Fun("M", (target, source))
(e,) = variables("e", Unit())
(v,) = variables("v", Cyclic(m))


def matrix(row: Any = b, shift: Any = a * q, landed: Any = b * q) -> Goal:
    fixed = assume(M(o - row * e, u - a * e), M(o, u), o, u, e)
    return Goal(sum_over(u, M(o, u) * x(u - shift)), sum_over(u, M(o - landed, u) * x(u)), (fixed,))


def matrix_script(p: Proof) -> None:
    p.reindex({u: u + a * q}, "count u from a·q on")

    def step(side: Side) -> None:
        at: dict[Variable, Any] = {o: o - b * q + b * v + b * e, u: u + a * v + a * e}
        side.rewrite(p.hypotheses[0], at, says="b rows and a columns back the matrix is the same", backwards=True)

    p.induct(M(o - b * q + b * v, u + a * v), v, e, q, step, "so it is b·q rows and a·q columns back")


def fixed_matrix(world: World, rows: bool = True) -> dict[str, Meaning]:
    """M[q·b + r, v] depends on r and v − q·a only (where not ``rows``: on v modulo a)."""

    def entry(output: Vector, entry: Vector) -> Any:
        key: list[int] = []
        for i, j, up, down, count in zip(output, entry, *(world.sizes[s] for s in "bam"), strict=True):
            key += [i % up, (j - i // up * down) % (down * count)] if rows else [i, j % down]
        return pseudorandom(world, "M", key)

    return {"M": entry}


def matrix_library(given: Given) -> dict[str, object]:
    """The certifier's own: M·S_(a·q) beside S_(b·q)·M; axes o, q."""
    xp, M, x = given.xp, given["M"], given["x"]
    left = [(M * xp.roll(x, given["a"] * q)).sum(1) for q in range(given["m"])]
    right = [(xp.roll(M, given["b"] * q, 0) * x).sum(1) for q in range(given["m"])]
    return {"lhs": xp.stack(left, 1), "rhs": xp.stack(right, 1)}


# one stencil a phase ---------------------------------------------------------------------------------------------------------------


B = Fun("B", (Range(b), source))
clamped_stencil = Fun("clamped", (Cyclic(m), Range(b), source))


def stencil(shift: Any = a * k, out: Any = k, clamped: bool = False) -> Goal:
    """y[b·q + r] = Σ_u B[r, u − a·q]·x[u], read at its digits q and r; a shift by b·k moves q by k."""

    def output(position: Any, moved: Any) -> Any:
        weight = clamped_stencil(position, r, u - a * position) if clamped else B(r, u - a * position)
        return sum_over(u, weight * x(u - moved))

    return Goal(output(q, shift), output(q - out, 0))


def stencil_script(p: Proof) -> None:
    p.reindex({u: u + a * k}, "count u from a·k on: the stencil of phase r sees what it saw k blocks before")


def linear_weights(down: int, up: int, count: int, phase: int, clamp_at: int | None = None) -> list[Fraction]:
    """Linear interpolation as torch has it (align_corners=False), by position relative to the block; clamped at the edges in block ``clamp_at``."""
    length = down * count
    place = Fraction(2 * phase + 1, 2 * up) * down - Fraction(1, 2)
    low = place.numerator // place.denominator
    weights = [Fraction(0)] * length
    for neighbour, weight in ((low, 1 - (place - low)), (low + 1, place - low)):
        if clamp_at is not None:
            neighbour = min(max(neighbour + down * clamp_at, 0), length - 1) - down * clamp_at
        weights[neighbour % length] += weight
    return weights


def linear(world: World) -> dict[str, Meaning]:
    def weight(block: Vector | None, phase: Vector, entry: Vector) -> Any:
        value = Fraction(1)
        sizes = zip(*(world.sizes[s] for s in "abm"), strict=True)
        for axis, (down, up, count) in enumerate(sizes):
            at = None if block is None else block[axis]
            value *= linear_weights(down, up, count, phase[axis], at)[entry[axis]]
        return world.field.number(value)

    return {"B": lambda phase, entry: weight(None, phase, entry), "clamped": weight}


def stencil_library(given: Given) -> dict[str, object]:
    """torch's linear interpolation of the periodic continuation; axes k, q, r."""
    pixels = torch.as_tensor(given["x"])

    def resample(signal: Tensor) -> Tensor:
        parts = torch.stack([signal.real, signal.imag]).repeat(1, 3)[:, None]  # interpolate takes no complex numbers
        y = interpolate(parts, size=3 * given["b"] * given["m"], mode="linear").reshape(2, 3, given["m"], given["b"])
        return torch.complex(y[0, 1], y[1, 1])

    left = [resample(pixels.roll(given["a"] * k)) for k in SHIFTS]
    right = [resample(pixels).roll(k, 0) for k in SHIFTS]
    return {"lhs": torch.stack(left), "rhs": torch.stack(right)}


# nearest, up by b ------------------------------------------------------------------------------------------------------------------


z = Fun("x", (Cyclic(m),))


def nearest(shift: Any = k, landed: Any = b * k) -> Goal:
    """y[o] = x[⌊o/b⌋] = Σ_q Σ_r δ[o − b·q − r]·x[q]"""

    def upsampled(position: Any, moved: Any) -> Any:
        return sum_over((q, r), delta(position - b * q - r, b * m) * z(q - moved))

    return Goal(upsampled(o, shift), upsampled(o - landed, 0))


def nearest_script(p: Proof) -> None:
    p.reindex({q: q + k}, "count the blocks from k on")


def nearest_library(given: Given) -> dict[str, object]:
    """torch's interpolate(mode="nearest"); axes k, o."""
    pixels = torch.as_tensor(given["x"])

    def up(signal: Tensor) -> Tensor:
        parts = interpolate(torch.stack([signal.real, signal.imag])[:, None], scale_factor=given["b"], mode="nearest")
        return torch.complex(parts[0, 0], parts[1, 0])

    left = [up(pixels.roll(k)) for k in SHIFTS]
    right = [up(pixels).roll(given["b"] * k) for k in SHIFTS]
    return {"lhs": torch.stack(left), "rhs": torch.stack(right)}


LAW = Law(
    name="resampling",
    title="Resampling by b/a with one stencil a phase turns shifts by a·k into shifts by b·k",
    families=("resampling",),
    claims=(
        Claim(
            says="A linear map M with M[o − b, u − a] = M[o, u] turns a shift by a·q into one by b·q: M·S_(a·q) = S_(b·q)·M",
            goal=matrix,
            script=matrix_script,
            twins=(
                Twin("the signal shifts by k, and M is known for shifts by a only", {"shift": k, "landed": b * k}),
                Twin("the output stays", {"landed": 0}),
                Twin("M is the same a columns further only", {"row": 0}, lambda world: fixed_matrix(world, rows=False)),
            ),
            meanings=fixed_matrix,
            library=matrix_library,
            worlds=(
                {"a": 1, "b": 2, "m": 2},
                {"a": 3, "b": 2, "m": 2},
                {"a": 2, "b": 3, "m": 3},
                {"a": (1, 2), "b": (2, 1), "m": (2, 1)},
            ),
        ),
        Claim(
            says="With one stencil a phase, y[b·q + r] = Σ_u B[r, u − a·q]·x[u], a shift by a·k moves q by k and y by b·k",
            goal=stencil,
            script=stencil_script,
            twins=(
                Twin("the signal shifts by k, no multiple of a", {"shift": k}),
                Twin("the output moves by a·k blocks", {"out": a * k}),
                Twin("linear interpolation that clamps at the edge", {"clamped": True}),
            ),
            meanings=linear,
            library=stencil_library,
            worlds=(
                {"a": 1, "b": 2, "m": 2},
                {"a": 3, "b": 2, "m": 2},
                {"a": 2, "b": 3, "m": 3},
                {"a": (1, 2), "b": (2, 1), "m": (1, 2)},
            ),
        ),
        Claim(
            says="Nearest up-sampling by b, y[o] = x[⌊o/b⌋], turns a shift by k into one by b·k",
            goal=nearest,
            script=nearest_script,
            twins=(
                Twin("the output shifts by k only", {"landed": k}),
                Twin("the output shifts the other way", {"landed": -b * k}),
            ),
            library=nearest_library,
        ),
    ),
    note="The certifier reads M off the operation and compares M·S with S′·M to 64·size·ε. Here B is linear interpolation that wraps.",
)
