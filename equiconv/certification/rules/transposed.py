"""Windows that are laid out instead of read: transposed convolution and fold.

Y[j] = Σ_i w[j − t·i]·x[i] on a periodic signal x moves by t·k where x moves by k. What torch computes from the entries 0 … m − 1 is a cut of Y
wherever every window that reaches the output starts inside them; at a border where windows overlap it is not, because some are missing.
"""

from __future__ import annotations

from equiconv.certification.moves import regroup
from equiconv.certification.registry import rule
from equiconv.certification.rules.sliding import channels_mixed, convolve, kernel_of
from equiconv.certification.states import Dim, Signal, Window, axes_of, size_of
from equiconv.certification.step import Step, axis_names, still
from equiconv.graph.wrapping import per_dim

THEOREM = "transposed_convolution"


def lay_out(
    step: Step,
    dim: Dim,
    out: int,
    kernel: int,
    stride: int,
    padding: int,
    dilation: int = 1,
    what: str = "transposed convolution",
    inner: Dim | None = None,
) -> Dim:
    """Lay a window of ``kernel`` entries, ``dilation`` apart, at every ``stride``-th place, add them up, and cut ``padding`` off at the front.

    out: the true number of outputs. inner: how the place inside a window moves, where it does not come from a weight.
    """
    dim = step.canonical(dim)
    inner = still(kernel) if inner is None else step.canonical(inner)
    span = (kernel - 1) * dilation + 1
    moving = axes_of(dim) | axes_of(inner)
    if not moving:
        return still(out)
    window = dim[0] if len(dim) == 1 else None
    # Output j, counted before the cut, adds up the windows i with j − span < t·i ≤ j: they must all be among 0 … m − 1.
    complete = padding >= span - stride and padding + out <= size_of(dim) * stride
    if isinstance(window, Window) and complete and not axes_of(inner):
        if stride == 1:
            return (Window(out, window.axis, window.step, window.period),)
        return (Window(out, window.axis, window.step / stride, window.period * stride),)
    if kernel == stride and not padding and out == size_of(dim) * stride:
        return step.canonical((*dim, *inner))  # windows side by side: the place inside one is an inner digit
    more = -(-(span - stride) // stride)
    step.give_up(
        moving,
        what,
        f"a {what} lays windows of {span} every {stride}: those at the border of the {axis_names(moving, step.shape)} lack the neighbours that "
        "would wrap around",
        f"pad the input circularly by {max(more, 1)} on both sides and cut the outputs that are too many, or use a kernel as long as the stride",
        theorem=THEOREM,
    )
    return still(out)


@rule(
    "aten.conv_transpose1d.default",
    "aten.conv_transpose2d.input",
    "aten.conv_transpose3d.input",
    family="sliding window",
    theorem=THEOREM,
)
def transposed_convolution(step: Step) -> Signal:
    """torch's transposed convolution: channels are mixed, the windows are added up. The bias is one value a channel."""
    kernel = kernel_of(step)
    rank = len(kernel)
    x = step.signal("input")
    lead = len(x.dims) - rank
    channels_mixed(step, x.dims[lead - 1], "transposed convolution")
    stride, dilation = per_dim(step["stride"], rank, 1), per_dim(step["dilation"], rank, 1)
    padding = per_dim(step["padding"], rank)
    dims = [*x.dims[: lead - 1], still(step.out_shape[lead - 1])]
    for d in range(rank):
        out = step.out_shape[lead + d]
        dims.append(lay_out(step, x.dims[lead + d], out, kernel[d], stride[d], padding[d], dilation[d]))
    return step.result(dims)


@rule("aten.convolution.default", family="sliding window", theorem="sliding_window")
def either_convolution(step: Step) -> Signal:
    """The one convolution of core ATen, as a program that was decomposed to it has it."""
    if step["transposed"]:
        return transposed_convolution(step)  # type: ignore[no-any-return]
    before = [int(p) for p in step["padding"]]
    return convolve(step, before, before, wraps=False)


@rule("aten.col2im.default", family="sliding window", theorem=THEOREM)
def fold(step: Step) -> Signal:
    """Columns laid out as windows of an image and added up: (…, c·kh·kw, positions) → (…, c, h, w)."""
    x = step.signal("self")
    kernel, stride, padding, dilation = (
        per_dim(step[k], 2, 1 if k != "padding" else 0) for k in ("kernel_size", "stride", "padding", "dilation")
    )
    size = step.out_shape[-2:]
    spots = [(size[i] + 2 * padding[i] - dilation[i] * (kernel[i] - 1) - 1) // stride[i] + 1 for i in range(2)]
    *lead, columns, places = x.dims
    channels, *inner = regroup(step, [columns], [size_of(columns) // (kernel[0] * kernel[1]), *kernel])
    outer = regroup(step, [places], spots)
    dims: list[Dim] = [*lead, channels]
    for i in range(2):
        dims.append(lay_out(step, outer[i], size[i], kernel[i], stride[i], padding[i], dilation[i], "fold", inner[i]))
    return step.result(dims)


__all__ = ["lay_out"]
