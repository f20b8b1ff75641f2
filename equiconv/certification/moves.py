"""The few moves on a dim that most rules are made of: slide, narrow, regroup, reduce, join.

Each takes the step (to give up symmetry through it) and returns the dims of the result.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from equiconv.certification.digits import chained, copies_of, digits_of, merged
from equiconv.certification.spectra import (
    give_up_phases,
    halves,
    joined_spectra,
    picked,
    plain,
    pull,
    spectral,
    turned,
)
from equiconv.certification.states import (
    Digit,
    Dim,
    Factor,
    Frequency,
    Still,
    Sum,
    Uniform,
    Window,
    axes_of,
    forget,
    size_of,
)
from equiconv.certification.step import Step, axis_names, still

WRAP = "make the padding circular (equiconv.symmetrize does it for the whole model)"


def slide(
    step: Step,
    dim: Dim,
    out: int,
    kernel: int,
    stride: int = 1,
    before: int = 0,
    after: int = 0,
    dilation: int = 1,
    wraps: bool = False,
    what: str = "convolution",
    position: int = 0,
    symmetric: bool = False,
) -> Dim:
    """A window of ``kernel`` entries, ``dilation`` apart, applied every ``stride`` entries: convolution, pooling, unfold.

    before, after: padding on the two sides; wraps: that padding is circular by itself. ``out`` is the true number of outputs; ``position`` which
    dim of the operand this is. symmetric: the order of the entries in a window does not matter (pooling).
    """
    dim = step.canonical(dim)
    span = (kernel - 1) * dilation + 1
    if span == 1 and stride == 1 and not before and not after:
        return dim
    if (before or after) and axes_of(dim):
        dim = pad_moving(step, dim, before, after, wraps, what, position)
    elif before or after:
        return still(out)
    moving = axes_of(dim)
    fits = (size_of(dim) - span) // stride + 1
    if not moving:
        # A window that hangs over the edge sees fewer entries: a pool with a fixed divisor gives another value there.
        return (Uniform(out),) if all(isinstance(f, Uniform) for f in dim) and 1 < out <= fits else still(out)
    if len(dim) == 1 and isinstance(window := dim[0], Window):
        if out > fits:
            step.give_up(
                moving,
                "ceil_mode",
                f"the last window of the {what} hangs over the edge (ceil_mode), so it sees fewer entries than the others",
                "use ceil_mode=False, or a size that the windows cover",
                theorem="seen_unevenly",
            )
            return still(out)
        return strided(step, window, out, stride, what)
    if kernel == stride and dilation == 1 and size_of(dim) == out * kernel:
        outer, inner = regroup(step, [dim], (out, kernel))
        if symmetric:
            reduce(step, inner, what)
        elif inside := step.moving_axes([inner]):
            step.give_up(
                inside,
                "join",
                f"a {what} tells apart the positions along the {axis_names(inside, step.shape)}, which lie inside its windows",
                "keep the image axis in a dim of its own",
                theorem="constant_stabiliser",
            )
        return step.canonical(outer)
    pads = [f.pad for f in dim if isinstance(f, Sum) and f.pad]
    if pads:
        step.give_up(
            moving,
            "padding",
            f"pads the {axis_names(moving, step.shape)} with values that do not move with the image, and a {what} slides over them",
            WRAP,
            removable=True,
            theorem="zero_padding",
            node=pads[0],
        )
    else:
        joint = any(isinstance(f, Sum) for f in dim)
        step.give_up(
            moving,
            "join",
            f"a {what} slides over "
            + ("the seam of a concatenation" if joint else "several image axes laid out in one"),
            "keep the image axis in a dim of its own",
            theorem="concatenation" if joint else "split_and_merge",
        )
    return still(out)


def strided(step: Step, window: Window, out: int, stride: int, what: str) -> Dim:
    """Every ``stride``-th entry of a window signal: step ↦ step·stride, and K shrinks to the shifts that move it by whole entries."""
    new = window.step * stride
    if stride > 1:
        n = step.shape[window.axis]
        step.shrink_to_step(
            window.axis,
            new,
            "stride",
            f"{what} with stride {stride}: along the {axis_names([window.axis], step.shape)} only shifts by multiples of "
            f"{abs(new)} move its output by whole entries"
            + ("" if (n / new).denominator == 1 else f", and {abs(new)} does not divide {n}"),
            "down-sample by adaptive polyphase sampling, or not at all"
            if (n / new).denominator == 1
            else f"use a size that {abs(new)} divides",
            theorem="stride",
        )
        if step.strides[window.axis] == n:
            return still(out)
        period = n / abs(new)
        return (Window(out, window.axis, new, int(period)),)
    return (Window(out, window.axis, window.step, window.period),)


def pad_moving(
    step: Step,
    dim: Dim,
    before: int,
    after: int,
    wraps: bool,
    what: str,
    position: int,
    theorem: str = "zero_padding",
) -> Dim:
    """Pad a dim that moves. Circular padding of whole periods is a longer window of the same signal; any other is an obstacle.

    theorem: the law that says so of this padding.
    """
    dim = step.canonical(dim)
    moving = axes_of(dim)
    window = dim[0] if len(dim) == 1 else None
    # torch crops before it wraps where one side is negative: then it wraps what is no longer a whole period.
    whole = isinstance(window, Window) and window.rolls and not min(before, after) < 0 < max(before, after)
    if (wraps or step.circular) and whole:
        assert isinstance(window, Window)
        if not wraps:
            step.wrapped.add(position)
        return (replace(window, size=window.size + before + after, origin=None, offset=0),)
    sides = f"{before}" if before == after else f"{before} and {after}"
    if wraps or step.circular:
        step.give_up(
            moving,
            "padding" if not wraps else "crop",
            f"{what} pads by {sides} what is not a whole period along the {axis_names(moving, step.shape)}: it cannot wrap",
            "pad before the signal is cropped",
            theorem="seen_unevenly",
        )
    else:
        step.give_up(
            moving,
            "padding",
            f"{what} pads the {axis_names(moving, step.shape)} by {sides} with values that do not move with the image",
            WRAP,
            removable=True,
            theorem=theorem,
        )
    return still(size_of(dim) + before + after)


def narrow(step: Step, dim: Dim, start: int, length: int, stride: int = 1, origin: str | None = None) -> Dim:
    """Entries start, start + stride, … (``length`` of them). ``origin`` names the tensor, so that cuts of it can be joined again."""
    dim = step.canonical(dim)
    size = size_of(dim)
    if start == 0 and length == size and stride == 1:
        return dim
    if spectral(dim):
        return _cut_spectrum(step, dim, range(start, start + length * stride, stride))
    if not axes_of(dim):
        return (Uniform(length),) if dim and all(isinstance(f, Uniform) for f in dim) and length > 1 else still(length)
    head, rest = dim[0], dim[1:]
    block = size_of(rest)
    if rest and stride == 1:
        if start % block == 0 and length % block == 0:
            return (*narrow(step, (head,), start // block, length // block, 1, None), *rest)
        if start // block == (start + length - 1) // block and not axes_of((head,)):
            return narrow(step, rest, start % block, length, 1, None)
    if not rest and isinstance(head, Window):
        if stride > 1:
            return strided(step, replace(head, origin=None), length, stride, "slicing")
        if head.origin is not None:
            return (replace(head, size=length, offset=head.offset + start),)
        return (Window(length, head.axis, head.step, head.period, origin, start),)
    if not rest and isinstance(head, Sum) and stride == 1:
        kept: list[Dim] = []
        position = 0
        for part in head.parts:
            low, high = max(start, position), min(start + length, position + size_of(part))
            if low < high:
                kept.append(narrow(step, part, low - position, high - low, 1, None))
            position += size_of(part)
        return kept[0] if len(kept) == 1 else (Sum(tuple(kept), head.pad),)
    step.give_up(
        axes_of(dim),
        "slice",
        "takes a slice that cuts across several image axes laid out in one dim",
        theorem="part_of_a_period",
    )
    return still(length)


def _cut_spectrum(step: Step, dim: Dim, positions: range) -> Dim:
    """Some entries of a dim with phases: each keeps its own, and what they share stays as it is."""
    if (found := picked(step, dim, positions)) is not None:
        return found
    shared, body = pull(step, dim)
    if spectral(body):
        give_up_phases(step, [body], "slices a dim in which a spectrum is only a part")
        body = plain(step.canonical(body))
    return (*turned(step, shared), *narrow(step, body, positions.start, len(positions), positions.step))


def reduce(step: Step, dim: Dim, what: str) -> None:
    """Aggregate over a dim: a sum over whole periods does not see a roll; over part of one it does."""
    for factor in step.canonical(dim):
        if isinstance(factor, Window) and factor.size % factor.period:
            step.give_up(
                [factor.axis],
                "crop",
                f"{what} aggregates {factor.size} of the {factor.period} positions along the "
                f"{axis_names([factor.axis], step.shape)}: a shift changes which ones it sees",
                "aggregate over the whole axis (pad circularly instead of cropping)",
                theorem="part_of_a_period",
            )
        elif isinstance(factor, Sum):
            for part in factor.parts:
                reduce(step, part, what)
        elif isinstance(factor, Frequency):
            give_up_phases(step, [(factor,)], f"{what} aggregates entries that a shift turns by different phases")


def reduce_dims(step: Step, dims: Sequence[Dim], gone: Iterable[int], what: str) -> list[Dim]:
    """Aggregate over the dims ``gone`` of a whole tensor, and return all its dims: a caller may keep those that were aggregated.

    Digits whose higher ones are summed over move as they did, and the shift permutes what is summed; those without their lower ones do not.
    """
    gone = set(gone)
    signals = digits_of(dims)
    left = digits_of(dim for d, dim in enumerate(dims) if d not in gone)
    for signal in digits_of(dims[d] for d in sorted(gone)):
        if not chained(left.get(signal, [])):
            step.pay(signals[signal])
    found = list(step.normal(dims))
    for d in sorted(gone):
        reduce(step, found[d], what)
    return list(step.normal(found))


def regroup(step: Step, dims: Sequence[Dim], shape: Sequence[int], digits: bool = False) -> list[Dim]:
    """Reshape: read all factors as one mixed-radix number and cut it at the new boundaries.

    digits: a rolling dim that is cut becomes digits, which cost nothing yet; the caller must understand them.
    """
    pending: list[Factor] = [factor for dim in dims for factor in step.canonical(dim)]
    copies = copies_of([pending])
    out: list[Dim] = []
    for size in shape:
        need, taken = size, list[Factor]()
        while need > 1:
            factor = pending.pop(0)
            if need % factor.size == 0:
                taken.append(factor)
                need //= factor.size
            elif factor.size % need == 0 and factor.size > need:
                outer, inner = split(step, factor, need, digits)
                taken.extend(outer)
                pending[:0] = inner
                need = 1
            else:
                # The boundary falls inside two factors at once: neither keeps its action.
                other = pending.pop(0)
                if len(one := step.canonical(merged((factor, other), copies))) == 1:
                    pending.insert(0, one[0])
                    continue
                if (both := picked(step, (factor, other), range(factor.size * other.size))) and spectral(both):
                    pending[:0] = both
                    continue
                step.give_up(
                    axes_of((factor, other)),
                    "reshape",
                    f"a reshape cuts an image axis of {factor.size} positions across the new boundary",
                    theorem="split_and_merge",
                )
                pending.insert(0, Still(factor.size * other.size))
        while pending and pending[0].size == 1:
            taken.append(pending.pop(0))  # a crop of one entry still moves
        out.append(step.canonical(taken))
    if pending:
        if out:
            out[-1] = step.canonical((*out[-1], *pending))
        else:
            step.give_up(
                axes_of(tuple(pending)),
                "crop",
                "makes a scalar of one entry of a moving signal",
                theorem="part_of_a_period",
            )
    return [step.canonical(dim) for dim in out]


def split(step: Step, factor: Factor, outer: int, digits: bool = False) -> tuple[Dim, Dim]:
    """Cut one factor in two. A window becomes two ``digits``, or keeps the shifts that leave the inner one alone: K ∩ (step·b)·Z for b inner entries."""
    b = factor.size // outer
    if isinstance(factor, Digit):
        place = factor.place * b
        return (replace(factor, size=outer, place=place, node=step.node.name),), (replace(factor, size=b),)
    if isinstance(factor, Still):
        return (Still(outer),), (Still(b),)
    if isinstance(factor, Uniform):
        return (Uniform(outer),), (Uniform(b),)
    if isinstance(factor, Window):
        if b % factor.period == 0:
            return (Uniform(outer),), (replace(factor, size=b, origin=None, offset=0),)
        n = step.shape[factor.axis]
        new = factor.step * b
        if digits and factor.rolls and (step.strides[factor.axis] / new).denominator != 1:
            high = Digit(outer, factor.axis, factor.step, factor.period, b, step.node.name)
            return (high,), (replace(high, size=b, place=1, node=None),)
        step.shrink_to_step(
            factor.axis,
            new,
            "reshape",
            f"a reshape splits the {axis_names([factor.axis], step.shape)} into blocks of {b}: only shifts by multiples of {abs(new)} keep the blocks",
            theorem="split_and_merge",
        )
        if step.strides[factor.axis] == n:
            return (Still(outer),), (Still(b),)
        return (Window(outer, factor.axis, new, int(n / abs(new))),), (Still(b),)
    if isinstance(factor, Frequency):
        if (found := halves(factor, outer)) is not None:
            return (found[0],), (found[1],)
        give_up_phases(step, [(factor,)], "a reshape cuts a spectrum into blocks")
        return (Still(outer),), (Still(b),)
    step.give_up(axes_of((factor,)), "reshape", "a reshape cuts a concatenation into blocks", theorem="split_and_merge")
    return (Still(outer),), (Still(b),)


def join(step: Step, parts: Sequence[Dim], pad: str | None = None) -> Dim:
    """Concatenate dims; neighbouring cuts of one signal become one window again."""
    joined: list[Dim] = []
    for part in parts:
        part = step.canonical(part)
        if not size_of(part):
            continue
        last = joined[-1] if joined else ()
        if joined and (spectrum := joined_spectra(step, last, part)):
            joined[-1] = spectrum
            continue
        if len(last) == 1 and len(part) == 1 and isinstance(a := last[0], Window) and isinstance(b := part[0], Window):
            same = a.origin is not None and (a.origin, a.axis, a.step, a.period) == (b.origin, b.axis, b.step, b.period)
            if same and (a.offset + a.size - b.offset) % a.period == 0:
                joined[-1] = (replace(a, size=a.size + b.size),)
                continue
        joined.append(part)
    if len(joined) == 1:
        return joined[0]
    if not any(axes_of(p) for p in joined):
        return still(sum(size_of(p) for p in joined))
    # (A × R) ++ (B × R) = (A ++ B) × R: what all blocks end with stays a digit of its own.
    plain = [forget(p) for p in joined]
    shared = next((k for k in range(min(map(len, plain)), 0, -1) if len({p[-k:] for p in plain}) == 1), 0)
    if shared:
        return (*join(step, [p[:-shared] for p in plain], pad), *plain[0][-shared:])
    # A part without factors has one entry; write it out, so that a block is never empty.
    return (Sum(tuple(p or (Still(1),) for p in joined), pad),)


__all__ = ["join", "narrow", "pad_moving", "reduce", "reduce_dims", "regroup", "slide", "split", "strided"]
