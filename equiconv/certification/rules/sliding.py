"""Windows that slide: convolution and pooling. A stride keeps the shifts that move its output by whole entries; padding that does not
wrap keeps none, because windows at the border see values that do not move with the image.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from equiconv.certification.moves import reduce, slide
from equiconv.certification.registry import rule
from equiconv.certification.states import Dim, Positions, Signal, axes_of, canonical, size_of, weaken
from equiconv.certification.step import Step, axis_names, still
from equiconv.graph.wrapping import paddings, per_dim

THEOREM = "sliding_window"


def channels_mixed(step: Step, dim: Dim, what: str) -> None:
    """A convolution mixes channels with different weights, so the group must not move them."""
    if moving := axes_of(step.canonical(dim)):
        step.give_up(
            moving,
            "channels",
            f"a {what} mixes the {axis_names(moving, step.shape)} as channels, each with a weight of its own",
            "keep the image axes out of the channel dim",
            theorem="constant_stabiliser",
        )


def kernel_of(step: Step) -> list[int]:
    """Kernel sizes. Weights that depend on the input are any other weights where the group leaves them alone."""
    weight = step["weight"]
    for operand in (weight, step["bias"]):
        moving = step.moving_axes(operand.dims) if isinstance(operand, Signal) else set()
        if moving:
            step.give_up(
                moving,
                "mismatch",
                f"convolves with weights that move along the {axis_names(moving, step.shape)} with the image",
                "compute the weights from an aggregate of the whole axis",
                theorem="pointwise",
            )
    return list(weight.shape[2:])


def convolve(step: Step, before: Sequence[int], after: Sequence[int], wraps: bool) -> Signal:
    kernel = kernel_of(step)
    rank = len(kernel)
    x = step.signal("input")
    lead = len(x.dims) - rank  # 2, or 1 without a batch
    stride, dilation = per_dim(step["stride"], rank, 1), per_dim(step["dilation"], rank, 1)
    slides = [d for d in range(rank) if kernel[d] > 1 or stride[d] > 1 or before[d] or after[d]]
    x = step.pay_for("input", [lead - 1, *(lead + d for d in slides)])
    channels_mixed(step, x.dims[lead - 1], "convolution")
    dims = [*x.dims[: lead - 1], still(step.out_shape[lead - 1])]
    for d in range(rank):
        dims.append(
            slide(
                step,
                x.dims[lead + d],
                step.out_shape[lead + d],
                kernel[d],
                stride[d],
                before[d],
                after[d],
                dilation[d],
                wraps=wraps,
                position=lead + d,
            )
        )
    # The bias is one value a channel, the same at every position: it commutes with everything that leaves channels alone.
    return step.result(dims)


@rule(
    *(f"aten.conv{d}d.{o}" for d in (1, 2, 3) for o in ("default", "padding")),
    family="sliding window",
    theorem=THEOREM,
    digits=True,
)
def convolution(step: Step) -> Signal:
    """torch's convolution, with zero padding."""
    kernel = kernel_of(step)
    before, after = paddings(step["padding"], kernel, per_dim(step["dilation"], len(kernel), 1))
    return convolve(step, before, after, wraps=False)


@rule("equiconv.circular_conv.default", family="sliding window", theorem=THEOREM, digits=True)
def circular_convolution(step: Step) -> Signal:
    """This library's circular convolution: its padding wraps."""
    padding = [int(p) for p in step["padding"]]
    return convolve(step, padding[0::2], padding[1::2], wraps=True)


def _pool(step: Step, rank: int, what: str) -> Signal:
    x = step.signal("self")
    lead = len(x.dims) - rank
    kernel = per_dim(step["kernel_size"], rank)
    stride = per_dim(step["stride"], rank) if step["stride"] else kernel
    padding = per_dim(step["padding"], rank)
    dilation = per_dim(step.arguments.get("dilation", 1), rank, 1)
    dims = list(x.dims[:lead])
    out = _first(step.node.value).shape
    for d in range(rank):
        dims.append(
            slide(
                step,
                x.dims[lead + d],
                int(out[lead + d]),
                kernel[d],
                stride[d],
                padding[d],
                padding[d],
                dilation[d],
                what=what,
                position=lead + d,
                symmetric=True,
            )
        )
    return step.result(dims, [int(s) for s in out])


def _first(value: Any) -> Any:
    return value[0] if isinstance(value, (list, tuple)) else value


for _rank in (1, 2, 3):

    @rule(f"aten.max_pool{_rank}d.default", family="sliding window", theorem=THEOREM)
    def max_pool(step: Step, rank: int = _rank) -> Signal:
        """The largest entry of each window; padding counts as −∞."""
        return _pool(step, rank, "max pool")

    @rule(f"aten.avg_pool{_rank}d.default", family="sliding window", theorem=THEOREM)
    def average_pool(step: Step, rank: int = _rank) -> Signal:
        """The mean of each window; without padding and overhang every window divides by the same number."""
        return _pool(step, rank, "average pool")

    @rule(f"aten.max_pool{_rank}d_with_indices.default", family="sliding window", theorem=THEOREM)
    def max_pool_with_indices(step: Step, rank: int = _rank) -> tuple[Signal, Signal]:
        """Values as in max pooling; the indices are positions, which a shift renumbers."""
        values = _pool(step, rank, "max pool")
        return values, renumbered(step, step.moving_axes(step.signal("self").dims[-rank:]), values, rank)

    @rule(f"aten.adaptive_max_pool{_rank}d.default", family="sliding window", theorem="adaptive_windows")
    def adaptive_max_pool(step: Step, rank: int = _rank) -> tuple[Signal, Signal]:
        values = _adaptive(step, rank, "adaptive max pool")
        return values, renumbered(step, step.moving_axes(step.signal("self").dims[-rank:]), values, rank)

    @rule(
        f"aten.adaptive_avg_pool{_rank}d.default",
        *([f"aten._adaptive_avg_pool{_rank}d.default"] if _rank > 1 else []),
        family="sliding window",
        theorem="adaptive_windows",
    )
    def adaptive_average_pool(step: Step, rank: int = _rank) -> Signal:
        return _adaptive(step, rank, "adaptive average pool")


def _adaptive(step: Step, rank: int, what: str) -> Signal:
    """Windows chosen to give a fixed number of outputs: all alike only where that number divides the size."""
    x = step.signal("self")
    lead = len(x.dims) - rank
    out = [int(s) for s in _first(step.node.value).shape]
    dims = list(x.dims[:lead])
    for d in range(lead, lead + rank):
        dim, size = step.canonical(x.dims[d]), size_of(x.dims[d])
        if out[d] == 1:
            reduce(step, dim, what)
            dims.append(())
        elif size % out[d] == 0:
            dims.append(slide(step, dim, out[d], size // out[d], size // out[d], what=what, symmetric=True))
        else:
            if moving := axes_of(dim):
                step.give_up(
                    moving,
                    "uneven windows",
                    f"an {what} from {size} to {out[d]} positions uses windows of different sizes",
                    f"use a size that {out[d]} divides, or an output size of 1",
                    theorem="seen_unevenly",
                )
            dims.append(still(out[d]))
    return step.result(dims, out)


@rule("aten.unfold.default", family="sliding window", theorem=THEOREM)
def unfold(step: Step) -> Signal:
    """All windows of a dim; the place inside the window is a new, still dim."""
    x = step.signal("self")
    d, size, stride = int(step["dimension"]) % len(x.dims), int(step["size"]), int(step["step"])
    dims = list(x.dims)
    dims[d] = slide(step, x.dims[d], step.out_shape[d], size, stride, what="sliding window", position=d)
    return step.result([*dims, still(size)])


@rule("aten.im2col.default", family="sliding window", theorem=THEOREM)
def im2col(step: Step) -> Signal:
    """All windows of an image as columns: (…, c·kh·kw, positions)."""
    x = step.signal("self")
    *lead, channels, h, w = x.dims
    (kh, kw), stride, padding, dilation = (
        per_dim(step[k], 2, 1) for k in ("kernel_size", "stride", "padding", "dilation")
    )
    dims: list[Dim] = []
    for i, (dim, k) in enumerate(((h, kh), (w, kw))):
        out = (size_of(dim) + 2 * padding[i] - dilation[i] * (k - 1) - 1) // stride[i] + 1
        dims.append(
            slide(
                step,
                dim,
                out,
                k,
                stride[i],
                padding[i],
                padding[i],
                dilation[i],
                what="sliding window",
                position=len(lead) + 1 + i,
            )
        )
    return step.result([*lead, (*channels, *still(kh * kw)), (*dims[0], *dims[1])])


def renumbered(step: Step, moving: Iterable[int], values: Signal, windows: int = 0) -> Positions:
    """The claim of the positions where the values were found: along the axes that move there only the zero shift, along others as the values.

    windows: how many of the last dims index windows; equal values of two windows have positions that differ, so those are not uniform.
    No loss is recorded here, but where they are read (see the rule getitem).
    """
    strides = tuple(n if a in moving else s for a, (s, n) in enumerate(zip(values.strides, step.shape, strict=True)))
    first = len(values.dims) - windows
    dims = [weaken(dim) if i >= first else dim for i, dim in enumerate(values.dims)]
    return Positions(strides, tuple(canonical(dim, strides, step.shape) for dim in dims))


def unmoved(step: Step, shape: Sequence[int]) -> Signal:
    """The claim that holds of anything: only the zero shift."""
    return Signal(tuple(step.shape), tuple(still(int(d)) for d in shape))


__all__ = ["channels_mixed", "circular_convolution", "convolution", "convolve", "kernel_of", "renumbered", "unmoved"]
