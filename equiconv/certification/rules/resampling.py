"""Resampling. Each is a linear map along every dim, so its law can be read off its matrix: B·S_k = S_{k·out/in}·B on the shifts it keeps."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import torch
from torch import Tensor

from equiconv.certification.registry import rule
from equiconv.certification.states import Dim, Signal, Window, axes_of, size_of
from equiconv.certification.step import Step, axis_names, still

THEOREM = "resampling"
_KINDS = {
    1: ("nearest1d", "linear1d", "_nearest_exact1d"),
    2: ("nearest2d", "bilinear2d", "bicubic2d", "_nearest_exact2d"),
    3: ("nearest3d", "trilinear3d", "_nearest_exact3d"),
}
_ANTIALIASED = ("bilinear2d", "bicubic2d")


def _matrix(step: Step, rank: int, d: int, size: int, out: int, dtype: torch.dtype = torch.float64) -> Tensor:
    """The map along the d-th spatial dim as a matrix (out, size): the operation itself, applied to unit vectors of ``dtype``."""
    operation = step.node.target
    # Two entries along the other dims, all alike: on one entry torch's antialiased operations give every row the weights of the first.
    shape = [2] * rank
    shape[d] = size
    column = [size if i == d else 1 for i in range(rank)]
    x = torch.eye(size, dtype=dtype).reshape([size, 1, *column]).expand(size, 1, *shape).contiguous()
    bound: dict[str, Any] = {k: v for k, v in step.arguments.items() if k not in ("self", "input")}
    for name in ("output_size",):
        if bound.get(name) is not None:
            bound[name] = [out if i == d else 2 for i in range(rank)]
    if bound.get("scale_factors") is not None:
        bound["scale_factors"] = [float(bound["scale_factors"][d]) if i == d else 1.0 for i in range(rank)]
    for i, letter in enumerate(("d", "h", "w")[-rank:]):
        for name in (f"scales_{letter}", "scales"):
            if name in bound and (name != "scales" or rank == 1):
                bound[name] = bound[name] if i == d else None
    first = "self" if "self" in step.arguments else "input"
    found = operation(**{first: x}, **bound)
    for i in reversed(range(rank)):
        if i != d:
            found = found.select(2 + i, 0)
    return found.reshape(size, out).T  # type: ignore[no-any-return]


def _resample(step: Step, rank: int) -> Signal:
    x = step.signal("self" if "self" in step.arguments else "input")
    lead = len(x.dims) - rank
    dims = list(x.dims[:lead])
    for d in range(rank):
        dims.append(_along(step, step.canonical(x.dims[lead + d]), rank, d, step.out_shape[lead + d]))
    return step.result(dims)


def _along(step: Step, dim: Dim, rank: int, d: int, out: int) -> Dim:
    size = size_of(dim)
    moving = axes_of(dim)
    if not moving:
        return still(out)
    window = dim[0] if len(dim) == 1 else None
    if not (isinstance(window, Window) and window.rolls):
        step.give_up(moving, "resampling", "resamples a dim that is not one whole image axis")
        return still(out)
    matrix = _matrix(step, rank, d, size, out)
    # Nearest takes whole entries, and torch rounds their positions in the image's own precision: in float32 it may take others (a factor of 41).
    single = _matrix(step, rank, d, size, out, torch.float32) if "nearest" in step.node.operation else matrix
    axis, n = window.axis, step.shape[window.axis]
    # Coefficients are computed in floating point: equal up to their own rounding, which grows with the coordinate.
    bound = 64 * size * torch.finfo(torch.float64).eps

    def holds(s: int) -> bool:
        moved = Fraction(s) / window.step
        landed = moved * out / size
        if landed.denominator != 1:
            return False
        return all(
            float((torch.roll(m, (int(landed), int(moved)), (0, 1)) - m).abs().max()) <= bound for m in (matrix, single)
        )

    stride = step.smallest(axis, holds)
    step.shrink(
        axis,
        stride,
        "resampling",
        f"resampling from {size} to {out} positions commutes only with shifts by multiples of {stride} along the {axis_names([axis], step.shape)}"
        if stride < n
        else f"interpolation from {size} to {out} positions clamps at the edge of the {axis_names([axis], step.shape)}, or does not divide",
        "resample by a whole factor without clamping (mode='nearest')",
    )
    if step.strides[axis] == n:
        return still(out)
    return (Window(out, axis, window.step * size / out, out),)


for _rank, _names in _KINDS.items():

    @rule(
        *(
            f"aten.upsample_{name.lstrip('_')}.vec" if not name.startswith("_") else f"aten._upsample{name}.vec"
            for name in _names
        ),
        *(
            f"aten.upsample_{name.lstrip('_')}.default" if not name.startswith("_") else f"aten._upsample{name}.default"
            for name in _names
        ),
        *((f"aten._upsample_{name}_aa.{o}" for name in _ANTIALIASED for o in ("vec", "default")) if _rank == 2 else ()),
        family="resampling",
        theorem=THEOREM,
    )
    def resample(step: Step, rank: int = _rank) -> Signal:
        """Nearest, linear or cubic resampling."""
        return _resample(step, rank)
