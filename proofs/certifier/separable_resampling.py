"""Resampling of an image, axis by axis: what moves along one axis does so whatever the other axis goes through."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import interpolate

from proofs.crosscheck import Given
from proofs.language import Cyclic, Fun, Integers, Range, size, sum_over, variables
from proofs.laws import Claim, Law, Tested, Twin
from proofs.proving import Goal, Proof

a, b, m, rows, columns = size("a"), size("b"), size("m"), size("c"), size("d")
source = Cyclic(a * m)
(u,) = variables("u", source)
(q,) = variables("q", Cyclic(m))
(r,) = variables("r", Range(b))
(k,) = variables("k", Integers())
B = Fun("B", (Range(b), source))
SHIFTS = range(-2, 4)  # the integers k at which statements are evaluated


# along one axis of several, by the law resampling -----------------------------------------------------------------------------------------------------------


(p_,) = variables("p", Range(rows))
(w,) = variables("v", Range(columns))
W, image = Fun("W", (Range(rows), Range(columns))), Fun("x", (source, Range(columns)))


def separable(shift: Any = a * k, out: Any = k) -> Goal:
    """y[b·q + r, p] = Σ_u Σ_v B[r, u − a·q]·W[p, v]·x[u, v]"""

    def output(position: Any, moved: Any) -> Any:
        return sum_over((u, w), B(r, u - a * position) * W(p_, w) * image(u - moved, w))

    return Goal(output(q, shift), output(q - out, 0))


def separable_script(p: Proof) -> None:
    p.reindex({u: u + a * k}, "count u from a·k on: the stencil of phase r sees what it saw k blocks before")


def separable_library(given: Given) -> dict[str, object]:
    """y = M·x·Wᵀ, where M has the rows B rolled by a·q; axes k, p, q, r."""
    xp, step, blocks = given.xp, given["a"], given["m"]
    M = xp.concatenate([xp.roll(given["B"], step * q, 1) for q in range(blocks)])

    def layer(x: Any) -> Any:
        y = (M[:, :, None, None] * x[None, :, None, :] * given["W"][None, None]).sum((1, 3))
        return xp.moveaxis(y.reshape(blocks, given["b"], -1), 2, 0)

    left = [layer(xp.roll(given["x"], step * k, 0)) for k in SHIFTS]
    right = [xp.roll(layer(given["x"]), k, 1) for k in SHIFTS]
    return {"lhs": xp.stack(left), "rhs": xp.stack(right)}


def matrix_of(mode: str, sizes: tuple[int, int], outs: tuple[int, int], **options: bool) -> Tensor:
    """torch's own resampling of an image as a matrix: the operation applied to unit vectors."""
    entries = sizes[0] * sizes[1]
    unit = torch.eye(entries, dtype=torch.float64).reshape(entries, 1, *sizes)
    out: Tensor = interpolate(unit, size=outs, mode=mode, **options).reshape(entries, -1).T
    return out


def matrix_along(mode: str, axis: int, size: int, out: int, **options: bool) -> Tensor:
    """The same along one axis, of an image that is alike along the other (two entries wide: torch 2.13 gets antialiased images one entry wide wrong)."""
    unit = torch.eye(size, dtype=torch.float64)
    image = unit.reshape(size, 1, size, 1).expand(-1, -1, -1, 2).contiguous()
    shapes = (out, 2), (2, out)
    if axis:
        image = image.mT.contiguous()
    y: Tensor = interpolate(image, size=shapes[axis], mode=mode, **options)
    return (y[:, 0, 0] if axis else y[:, 0, :, 0]).T


KINDS: tuple[tuple[str, dict[str, bool]], ...] = (
    ("nearest", {}),
    ("bilinear", {"align_corners": False}),
    ("bilinear", {"align_corners": True}),
    ("bicubic", {"align_corners": False}),
    ("bilinear", {"antialias": True}),
    ("bicubic", {"antialias": True}),
)


def kronecker(kinds: Any = KINDS, factor: str = "", swapped: bool = False) -> bool:
    """Is the matrix of the image that of the rows ⊗ that of the columns, up to rounding?"""
    for sizes, outs in (((5, 4), (7, 6)), ((6, 4), (3, 8))):
        for mode, options in kinds:
            whole = matrix_of(mode, sizes, outs, **options)
            options = {} if factor else options
            first = matrix_along(factor or mode, 0, sizes[0], outs[0], **options)
            second = matrix_along(factor or mode, 1, sizes[1], outs[1], **options)
            product = torch.kron(second, first) if swapped else torch.kron(first, second)
            if float((whole - product).abs().max()) > 64 * max(sizes) * torch.finfo(torch.float64).eps:
                return False
    return True


LAW = Law(
    name="separable_resampling",
    title="Resampling of an image is resampling along each axis: a shift along one moves the output along it, whatever the other goes through",
    families=("resampling",),
    claims=(
        Claim(
            says="Of an image, axis by axis, y[b·q + r, p] = Σ_u Σ_v B[r, u − a·q]·W[p, v]·x[u, v]: a shift by a·k moves q by k, whatever W does",
            goal=separable,
            script=separable_script,
            twins=(
                Twin("the image shifts by k, no multiple of a", {"shift": k}),
                Twin("the output moves the other way", {"out": -k}),
            ),
            library=separable_library,
            worlds=(
                {"a": 1, "b": 2, "c": 1, "d": 2, "m": 3},
                {"a": 2, "b": 1, "c": 2, "d": 2, "m": 2},
                {"a": (2, 1), "b": (1, 2), "c": (1, 1), "d": (1, 2), "m": (1, 2)},
            ),
        ),
        Tested(
            says="torch's resamplings of an image are of that form: their matrix is that of the rows ⊗ that of the columns, to rounding",
            check=kronecker,
            twins={
                "the columns come first": lambda: kronecker(swapped=True),
                "the factors are those of nearest resampling": lambda: kronecker(KINDS[1:2], factor="nearest-exact"),
            },
            checked="nearest, bilinear (both alignments), bicubic, and antialiased; 5 × 4 to 7 × 6, 6 × 4 to 3 × 8; every unit vector, float64, to 64·size·ε",
        ),
    ),
)
