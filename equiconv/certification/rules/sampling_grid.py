"""Sampling at coordinates: each place of the output names where in the image it reads."""

from __future__ import annotations

from equiconv.certification.registry import rule
from equiconv.certification.rules.contraction import fibres
from equiconv.certification.rules.gathering import tensor
from equiconv.certification.states import Signal
from equiconv.certification.step import Step, still


@rule(
    "aten.grid_sampler.default",
    "aten.grid_sampler_2d.default",
    "aten.grid_sampler_3d.default",
    family="resampling",
    theorem="pointwise",
)
def grid_sample(step: Step) -> Signal:
    """out[b, c, o] = a function of the image (b, c) and of the coordinates (b, o). Coordinates count from the border, which does not move."""
    image, grid = tensor(step, step["input"]), tensor(step, step["grid"])
    rank = len(grid.shape) - 2
    places = [f"o{d}" for d in range(rank)]
    operands = [(image, ["b", "c", *(f"i{d}" for d in range(rank))]), (grid, ["b", *places, "coordinate"])]
    dims = fibres(
        step,
        operands,
        ["b", "c", *places],
        "coordinates",
        "samples the {axes} at coordinates that count from the border: a shift brings other values there",
        "resample by a whole factor (interpolate, mode='nearest'), or index relative to each position (unfold)",
        theorem="resampling",
    )
    return step.result(dims)


@rule("aten.affine_grid_generator.default", family="resampling", theorem="pointwise")
def affine_grid(step: Step) -> Signal:
    """The coordinates that a matrix (b, ·, ·) sends the places of an image to: a function of that matrix for each member of the batch."""
    theta = tensor(step, step["theta"])
    (batch,) = fibres(
        step,
        [(theta, ["b", "row", "column"])],
        ["b"],
        "coordinates",
        "makes a grid of coordinates from a matrix in which the {axes} move",
        "compute the matrix from an aggregate of the whole axis",
    )
    return step.result([batch, *(still(size) for size in step.out_shape[1:])])
