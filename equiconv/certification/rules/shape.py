"""Operations that only move indices: reshape, permute, expand, repeat, concatenate, flip, roll."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from equiconv.certification.alignment import align
from equiconv.certification.moves import join, regroup
from equiconv.certification.phases import combine, side_by_side, vanishes
from equiconv.certification.registry import rule
from equiconv.certification.spectra import give_up_phases, picked, plain, pull, spectral, turned
from equiconv.certification.states import (
    Constant,
    Dim,
    Factor,
    Frequency,
    Signal,
    Sum,
    Uniform,
    Window,
    axes_of,
    size_of,
)
from equiconv.certification.step import Step, axis_names, still

THEOREM = "split_and_merge"


@rule(
    "aten.view.default",
    "aten._unsafe_view.default",
    "aten.reshape.default",
    "aten.flatten.using_ints",
    "aten.unflatten.int",
    "aten.view_copy.default",
    "aten._reshape_copy.default",
    "aten.ravel.default",
    family="shape",
    theorem=THEOREM,
    digits=True,
    spectral=True,
)
def reshape(step: Step) -> Signal:
    """Read the index as one mixed-radix number and cut it anew."""
    return step.result(regroup(step, step.signal("self").dims, step.out_shape, digits=True))


@rule(
    "aten.squeeze.default",
    "aten.squeeze.dim",
    "aten.squeeze.dims",
    "aten.unsqueeze.default",
    "aten.squeeze_copy.dim",
    "aten.unsqueeze_copy.default",
    family="shape",
    theorem="permuted_dims",
    digits=True,
    spectral=True,
)
def squeeze(step: Step) -> Signal:
    """Dims of one entry come and go; a crop of one entry that moves stays with its neighbour."""
    return step.result(regroup(step, step.signal("self").dims, step.out_shape, digits=True))


@rule("aten.sym_size.int", family="shape", theorem=THEOREM, digits=True, spectral=True)
def size(step: Step) -> int:
    """A size is a number: where it depended on the input, the operation that made the tensor has no rule."""
    return step.signal("self").shape[int(step["dim"])]


@rule(
    "aten.permute.default",
    "aten.permute_copy.default",
    family="shape",
    theorem="permuted_dims",
    digits=True,
    spectral=True,
)
def permute(step: Step) -> Signal:
    x = step.signal("self")
    return step.result([x.dims[int(d) % len(x.dims)] for d in step["dims"]])


@rule(
    "aten.transpose.int",
    "aten.t.default",
    "aten.numpy_T.default",
    "aten.mT.default",
    family="shape",
    theorem="permuted_dims",
    digits=True,
    spectral=True,
)
def transpose(step: Step) -> Signal:
    x = step.signal("self")
    dims = list(x.dims)
    rank = len(dims)
    if "dim0" in step.arguments:
        a, b = int(step["dim0"]) % rank, int(step["dim1"]) % rank
        dims[a], dims[b] = dims[b], dims[a]
    elif step.node.operation == "aten.mT.default":
        dims[-2], dims[-1] = dims[-1], dims[-2]
    else:
        dims.reverse()
    return step.result(dims)


@rule("aten.movedim.int", "aten.movedim.intlist", family="shape", theorem="permuted_dims", digits=True, spectral=True)
def movedim(step: Step) -> Signal:
    x = step.signal("self")
    rank = len(x.dims)

    def as_list(v: Any) -> list[int]:
        return [int(i) % rank for i in (v if isinstance(v, (list, tuple)) else [v])]

    source, destination = as_list(step["source"]), as_list(step["destination"])
    order: list[int | None] = [None] * rank
    for s, d in zip(source, destination, strict=True):
        order[d] = s
    rest = iter(i for i in range(rank) if i not in source)
    return step.result([x.dims[next(rest) if s is None else s] for s in order])


@rule(
    "aten.expand.default",
    "aten.expand_as.default",
    "aten.broadcast_to.default",
    "aten.expand_copy.default",
    family="shape",
    theorem="uniform",
    digits=True,
    spectral=True,
)
def expand(step: Step) -> Signal:
    """Repeats an entry: the new index does not matter."""
    return step.result(combine(step, [step.signal("self")], step.out_shape).dims)


@rule("aten.repeat.default", "aten.tile.default", family="shape", theorem="uniform", spectral=True)
def repeat(step: Step) -> Signal:
    """Whole copies one after another: an outer index that does not matter."""
    x = step.signal("self")
    counts = [int(c) for c in step["repeats" if "repeats" in step.arguments else "dims"]]
    rank = max(len(counts), len(x.dims))
    dims: list[Dim] = [()] * (rank - len(x.dims)) + list(x.dims)
    counts = [1] * (rank - len(counts)) + counts
    return step.result([(Uniform(c), *dim) for c, dim in zip(counts, dims, strict=True)])


@rule("aten.repeat_interleave.self_int", family="shape", theorem="uniform", spectral=True)
def repeat_interleave(step: Step) -> Signal:
    """Every entry several times over: an inner index that does not matter."""
    x = step.signal("self")
    dims = list(x.dims)
    if step["dim"] is None:
        dims = regroup(step, dims, (size_of([f for dim in dims for f in dim]),))
    d = int(step["dim"] or 0) % len(dims)
    dims[d] = (*dims[d], Uniform(int(step["repeats"])))
    return step.result(dims)


@rule(
    "aten.cat.default",
    "aten.concat.default",
    "aten.concatenate.default",
    family="shape",
    theorem="concatenation",
    spectral=True,
)
def concatenate(step: Step) -> Signal:
    """Blocks side by side along one dim; along the others the operands must move alike."""
    parts = [t for t in step["tensors"] if 0 not in t.shape]
    rank = len(step.out_shape)
    return blocks(step, parts, int(step["dim"]) % rank)


@rule("aten.stack.default", family="shape", theorem="concatenation", spectral=True)
def stack(step: Step) -> Signal:
    """Blocks of one entry each along a new dim."""
    rank = len(step.out_shape)
    d = int(step["dim"]) % rank
    parts: list[Signal | Constant] = []
    for t in step["tensors"]:
        if isinstance(t, Signal):
            parts.append(Signal(t.strides, (*t.dims[:d], (), *t.dims[d:])))
        else:
            parts.append(Constant(t.value.unsqueeze(d), t.generic, t.label))
    return blocks(step, parts, d, named=False)


def blocks(step: Step, parts: Sequence[Signal | Constant], d: int, named: bool = True) -> Signal:
    """Parts side by side along dim ``d``; ``named`` where they are the operation's own operands, which cuts may be joined with."""
    parts = side_by_side(step, parts, d)
    others: list[Signal | Constant] = []
    for part in parts:
        if isinstance(part, Signal) and not vanishes(step, part):
            others.append(Signal(part.strides, tuple(() if i == d else dim for i, dim in enumerate(part.dims))))
    shape = [1 if i == d else s for i, s in enumerate(step.out_shape)]
    agreed = combine(step, others or [Signal(tuple(step.strides), tuple((Uniform(s),) for s in shape))], shape)
    along: list[Dim] = []
    names = _names(step) if named else [None] * len(parts)
    for part, name in zip(parts, names, strict=True):
        if isinstance(part, Signal):
            along.append(tuple(_named(f, name) for f in step.canonical(part.dims[d])))
        else:
            # The constant must stay put under what the signals do along the other dims; its own block does not move.
            held = Signal(
                tuple(step.strides), tuple(still(part.shape[d]) if i == d else dim for i, dim in enumerate(agreed.dims))
            )
            held = align(step, [held, part], [part.shape[d] if i == d else s for i, s in enumerate(shape)])
            agreed = Signal(held.strides, tuple(() if i == d else dim for i, dim in enumerate(held.dims)))
            along.append(still(part.shape[d]))
    joined = join(step, along)
    return step.result([joined if i == d else dim for i, dim in enumerate(agreed.dims)])


def _names(step: Step) -> list[str | None]:
    """Names of the concatenated tensors, so that a whole signal can be joined with cuts of itself."""
    tensors = step.node.args[0] if step.node.args else step.node.kwargs["tensors"]
    return [getattr(t, "name", None) for t, state in zip(tensors, step["tensors"], strict=True) if 0 not in state.shape]


def _named(factor: Factor, name: str | None) -> Factor:
    if isinstance(factor, Window) and factor.origin is None:
        return replace(factor, origin=name, offset=0)
    return factor


@rule("aten.flip.default", family="shape", theorem="flip", spectral=True)
def flip(step: Step) -> Signal:
    """Reversal turns a roll by k into a roll by −k."""
    x = step.signal("self")
    chosen = {int(d) % len(x.dims) for d in step["dims"]}
    return step.result([_reverse(dim) if i in chosen else dim for i, dim in enumerate(x.dims)])


def _reverse(dim: Dim) -> Dim:
    def one(factor: Factor) -> Factor:
        if isinstance(factor, Window):
            return replace(factor, step=-factor.step, origin=None, offset=0)
        if isinstance(factor, Sum):
            return Sum(tuple(_reverse(p) for p in reversed(factor.parts)), factor.pad)
        if isinstance(factor, Frequency):
            return replace(factor, characters=factor.characters[::-1])
        return factor

    return tuple(one(f) for f in dim)


@rule("aten.roll.default", family="shape", theorem="shifts_commute", spectral=True)
def roll(step: Step) -> Signal:
    """A roll commutes with rolls; on anything else that moves it is an obstacle."""
    x = step.signal("self")
    shifts = step["shifts"] if isinstance(step["shifts"], (list, tuple)) else [step["shifts"]]
    dims = list(x.dims)
    if not step["dims"]:
        dims = regroup(step, dims, (size_of([f for dim in dims for f in dim]),))
        return step.result(regroup(step, [rolled(step, dims[0], int(shifts[0]))], step.out_shape))
    for shift, d in zip(shifts, step["dims"], strict=True):
        position = int(d) % len(dims)
        dims[position] = rolled(step, dims[position], int(shift))
    return step.result(dims)


def rolled(step: Step, dim: Dim, shift: int) -> Dim:
    """A dim rolled by a constant number of entries; a spectrum's entries take their phases along."""
    if spectral(dim := step.canonical(dim)):
        size = size_of(dim)
        if (found := picked(step, dim, [(i - shift) % size for i in range(size)])) is not None:
            return found
        shared, body = pull(step, dim)
        if spectral(body):
            give_up_phases(step, [body], "rolls a dim in which a spectrum is only a part")
            body = plain(step.canonical(body))
        return (*turned(step, shared), *rolled(step, body, shift))
    _check_roll(step, dim, shift)
    return _rolled(step, dim, shift)


def _check_roll(step: Step, dim: Dim, shift: int) -> None:
    dim = step.canonical(dim)
    alone = len(dim) == 1 and isinstance(dim[0], Window) and dim[0].rolls
    if shift % max(size_of(dim), 1) and (moving := axes_of(dim)) and not alone:
        step.give_up(
            moving,
            "roll",
            f"rolls a dim in which the {axis_names(moving, step.shape)} is only a part",
            theorem="shifts_commute",
        )


def _rolled(step: Step, dim: Dim, shift: int) -> Dim:
    dim = step.canonical(dim)
    if axes_of(dim) or not shift % max(size_of(dim), 1):
        return dim
    return (Uniform(size_of(dim)),) if dim and all(isinstance(f, Uniform) for f in dim) else still(size_of(dim))


@rule("aten.pixel_shuffle.default", family="shape", theorem="pixel_shuffle", digits=True)
def pixel_shuffle(step: Step) -> Signal:
    """(…, c·r·r, h, w) → (…, c, h·r, w·r): channels become the inner digits of the image axes."""
    x = step.signal("self")
    r = int(step["upscale_factor"])
    *lead, channels, h, w = x.dims
    c, r1, r2 = regroup(step, [channels], (size_of(channels) // r**2, r, r), digits=True)
    return step.result([*lead, c, (*h, *r1), (*w, *r2)])


@rule("aten.pixel_unshuffle.default", family="shape", theorem="pixel_shuffle", digits=True)
def pixel_unshuffle(step: Step) -> Signal:
    """(…, c, h·r, w·r) → (…, c·r·r, h, w): the inner digits of the image axes become channels."""
    x = step.signal("self")
    r = int(step["downscale_factor"])
    *lead, c, h, w = x.dims
    h1, r1 = regroup(step, [h], (size_of(h) // r, r), digits=True)
    w1, r2 = regroup(step, [w], (size_of(w) // r, r), digits=True)
    return step.result([*lead, (*c, *r1, *r2), h1, w1])


@rule("aten.channel_shuffle.default", family="shape", theorem=THEOREM, digits=True)
def channel_shuffle(step: Step) -> Signal:
    x = step.signal("self")
    groups = int(step["groups"])
    a, b = regroup(step, [x.dims[1]], (groups, size_of(x.dims[1]) // groups), digits=True)
    return step.result([x.dims[0], (*b, *a), *x.dims[2:]])
