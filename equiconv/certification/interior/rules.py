"""Rules for everything that reads no window: entry by entry, contraction, reduction, normalisation, shape and slices."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor

from equiconv.certification.interior.grids import Dim, Grid, Local, embed, grids_of, size_of, still
from equiconv.certification.interior.scan import Operand, Scan, align, locals_in, regroup, whole
from equiconv.certification.interior.table import local
from equiconv.certification.interior.windows import read
from equiconv.certification.rules.contraction import _batch, _labels
from equiconv.certification.rules.reduction import positions
from equiconv.certification.states import Constant
from equiconv.certification.step import UnknownOperation, constants_in

# Entry by entry ----------------------------------------------------------------------------------------------------------


@local(
    "pointwise.pointwise",
    *(  # of tensors that are no spectra: where a Fourier transform ended the interior, nothing is left to say
        f"spectral.{name}"
        for name in (
            "same",
            "add",
            "where",
            "masked_fill",
            "part",
            "conjugate",
            "multiply",
            "divide",
            "power",
            "modulus",
        )
    ),
)
def pointwise(scan: Scan) -> Local:
    operands: list[Operand] = [*locals_in(scan.arguments), *constants_in(dict(scan.arguments))]
    return scan.result(align(scan, operands, scan.out_shape))


@local("spectral.cast")
def cast_like(scan: Scan) -> Local:
    return scan.result(scan.local("self").dims)


@local("pointwise.prelu")
def prelu(scan: Scan) -> Local:
    """One slope, or one a channel: the slopes lie along dim 1."""
    x = scan.local("self")
    weight = scan["weight"]
    if not isinstance(weight, Constant):
        raise UnknownOperation("has a slope that depends on the input")
    slopes = weight.value.reshape([1, -1] + [1] * (len(x.dims) - 2)) if weight.value.numel() > 1 else weight.value
    return scan.result(align(scan, [x, Constant(slopes, weight.generic, weight.label)], scan.out_shape))


@local("pointwise.getitem")
def getitem(scan: Scan) -> object:
    return scan["0"][scan["1"]]


@local("spectral.copy")
def copy(scan: Scan) -> Local:
    return scan.result(align(scan, [scan.local("src")], scan.out_shape))


# Contraction -------------------------------------------------------------------------------------------------------------


def contract(scan: Scan, operands: Sequence[tuple[Operand, Sequence[str]]], out: Sequence[str], what: str) -> list[Dim]:
    """Dims, in the order ``out``, of a product summed over the labels not in ``out``: what it sums over it sees whole."""
    sizes: dict[str, int] = {}
    for operand, labels in operands:
        for label, size in zip(labels, operand.shape, strict=True):
            sizes[label] = max(size, sizes.get(label, 1))
    union = list(sizes)
    for operand, labels in operands:
        if isinstance(operand, Local):
            summed = [dim for dim, label in zip(operand.dims, labels, strict=True) if label not in out]
            scan.end_along(summed, f"sums over the whole {{axes}} ({what})")
    # A label along which one operand lies on the image and another does not meet there as operands of a pointwise product do.
    dims = align(
        scan,
        [_lay_out(scan, operand, labels, union) for operand, labels in operands],
        [sizes[label] for label in union],
    )
    found = dict(zip(union, dims, strict=True))
    scan.end({g.axis for g in _twice(dims)}, f"lets every position along the {{axes}} see every other ({what})")
    return [scan.canonical(found[label]) for label in out]


def _twice(dims: Sequence[Dim]) -> list[Grid]:
    grids = grids_of(dims)
    return [g for g in grids if sum(g.axis == other.axis for other in grids) > 1]


def _lay_out(scan: Scan, operand: Operand, labels: Sequence[str], union: Sequence[str]) -> Operand:
    order = {label: position for position, label in enumerate(labels)}
    if isinstance(operand, Local):
        return Local(tuple(operand.dims[order[label]] if label in order else () for label in union), tuple(scan.ended))
    value = operand.value.permute([order[label] for label in union if label in order])
    for position, label in enumerate(union):
        if label not in order:
            value = value.unsqueeze(position)
    return Constant(value, operand.generic, operand.label)


def _tensor(scan: Scan, name: str) -> Operand:
    operand = scan[name]
    if isinstance(operand, (Local, Constant)):
        return operand
    raise UnknownOperation(f"has an argument {name} that is no tensor")


def _add(scan: Scan, dims: Sequence[Dim], bias: object) -> Local:
    operands: list[Operand] = [Local(tuple(dims), tuple(scan.ended))]
    if isinstance(bias, (Local, Constant)):
        operands.append(bias)
    return scan.result(align(scan, operands, scan.out_shape))


@local("contraction.linear")
def linear(scan: Scan) -> Local:
    x, weight = _tensor(scan, "input"), _tensor(scan, "weight")
    batch = _batch(len(x.shape) - 1)
    labels = ["o", "i"] if len(weight.shape) == 2 else ["i"]
    return _add(
        scan,
        contract(scan, [(x, [*batch, "i"]), (weight, labels)], [*batch, *labels[:-1]], "a linear layer"),
        scan["bias"],
    )


@local("contraction.matmul")
def matmul(scan: Scan) -> Local:
    a, b = (_tensor(scan, name) for name in list(scan.arguments)[:2])
    ra, rb = len(a.shape), len(b.shape)
    left = ["k"] if ra == 1 else [*_batch(ra - 2), "m", "k"]
    right = ["k"] if rb == 1 else [*_batch(rb - 2), "k", "n"]
    out = [*_batch(max(ra, rb, 2) - 2), *(["m"] if ra > 1 else []), *(["n"] if rb > 1 else [])]
    return scan.result(contract(scan, [(a, left), (b, right)], out, "a matrix product"))


@local("contraction.add_product")
def add_product(scan: Scan) -> Local:
    names = list(scan.arguments)
    a, b = _tensor(scan, names[1]), _tensor(scan, names[2])
    batch = _batch(len(a.shape) - 2)
    dims = contract(scan, [(a, [*batch, "m", "k"]), (b, [*batch, "k", "n"])], [*batch, "m", "n"], "a matrix product")
    return _add(scan, dims, scan[names[0]])


@local("contraction.einsum")
def einsum(scan: Scan) -> Local:
    equation = str(scan["equation"]).replace(" ", "")
    inputs, arrow, output = equation.partition("->")
    if not arrow:
        letters = [c for c in inputs.replace("...", "") if c != ","]
        output = "..." * ("..." in inputs) + "".join(sorted(c for c in set(letters) if letters.count(c) == 1))
    operands, widest = [], 0
    for term, operand in zip(inputs.split(","), scan["tensors"], strict=True):
        hidden = len(operand.shape) - len(term.replace("...", ""))
        widest = max(widest, hidden)
        labels = _labels(term, hidden)
        if len(set(labels)) != len(labels):
            raise UnknownOperation(f"takes a diagonal ({equation})")
        operands.append((operand, labels))
    return scan.result(contract(scan, operands, _labels(output, widest), "an einsum"))


@local("contraction.attention")
def attention(scan: Scan) -> Local:
    """softmax(q·kᵀ + mask)·v. Positions along the tokens see every other; windows cut into a dim of their own stay apart."""
    q, k, v = (_tensor(scan, name) for name in ("query", "key", "value"))
    if scan.arguments.get("enable_gqa"):
        raise UnknownOperation("shares keys between groups of heads (enable_gqa)")
    mask = scan["attn_mask"]
    batch = _batch(max(len(t.shape) for t in (q, k, v)) - 2)

    def label(t: Operand, *own: str) -> list[str]:
        return [*batch[len(batch) - (len(t.shape) - 2) :], *own]

    tokens = [t.dims[-2] for t in (q, k, v) if isinstance(t, Local)]
    scan.end_along(tokens, "lets every position along the {axes} see every other (attention)")
    scores = contract(scan, [(q, label(q, "m", "d")), (k, label(k, "n", "d"))], [*batch, "m", "n"], "attention")
    weights = Local(tuple(scores), tuple(scan.ended))
    if isinstance(mask, (Local, Constant)):
        weights = Local(tuple(align(scan, [weights, mask], weights.shape)), tuple(scan.ended))
    scan.end_along([weights.dims[-1]], "attends over the whole {axes}")
    return scan.result(
        contract(scan, [(weights, [*batch, "m", "n"]), (v, label(v, "n", "e"))], [*batch, "m", "e"], "attention")
    )


# Reduction and normalisation ---------------------------------------------------------------------------------------------


def _reduced(scan: Scan, name: str = "self") -> list[Dim]:
    """Dims that are left when some are aggregated, whose axes are seen whole."""
    x = scan.local(name)
    gone = positions(scan.arguments.get("dim"), len(x.dims))
    keep = bool(scan.arguments.get("keepdim", False))
    scan.end_along([x.dims[d] for d in gone], "aggregates over the whole {axes}")
    return [() if d in gone else dim for d, dim in enumerate(x.dims) if keep or d not in gone]


@local("reduction.aggregate", "reduction.index_of_extreme", "spectral.total", "spectral.norm")
def aggregate(scan: Scan) -> Local:
    return scan.result(_reduced(scan))


@local("reduction.aggregate_twice", "reduction.extreme")
def aggregate_twice(scan: Scan) -> tuple[Local, ...]:
    dims = _reduced(scan)
    return tuple(scan.result(dims, [int(s) for s in v.shape]) for v in scan.node.value)


@local("reduction.softmax", "reduction.cumulative")
def along_one_dim(scan: Scan) -> Local:
    """Every entry may depend on all entries along the dim."""
    x = scan.local("self")
    scan.end_along([x.dims[int(scan["dim"]) % len(x.dims)]], "mixes all positions along the {axes}")
    return scan.result(x.dims)


@local("reduction.ordered")
def ordered(scan: Scan) -> tuple[Local, Local]:
    x = scan.local("self")
    d = int(scan.arguments.get("dim", -1)) % len(x.dims)
    scan.end_along([x.dims[d]], "orders all positions along the {axes}")
    shape = [int(s) for s in scan.node.value[0].shape]
    found = scan.result([still(shape[d]) if i == d else dim for i, dim in enumerate(x.dims)], shape)
    return found, found


def _affine(scan: Scan, x: Local, shape: Sequence[int]) -> Any:
    """Combine with the constants, laid out as ``shape``; statistics that come with the result are claimed nothing of."""
    operands: list[Operand] = [x]
    for name in ("weight", "bias", "running_mean", "running_var"):
        constant = scan.arguments.get(name)
        if isinstance(constant, Local):
            raise UnknownOperation(f"has an argument {name} that depends on the input")
        if isinstance(constant, Constant):
            operands.append(Constant(constant.value.reshape(list(shape)), constant.generic, constant.label))
    value = scan.node.value
    first = scan.result(align(scan, operands, x.shape), x.shape)
    if isinstance(value, Tensor):
        return first
    apart = [Scan(scan.node, scan.arguments, scan.shape) for _ in value[1:]]
    return (
        first,
        *(s.nothing(v.shape, "returns statistics of the whole {axes}") for s, v in zip(apart, value[1:], strict=True)),
    )


@local("normalisation.batch_norm")
def batch_norm(scan: Scan) -> Any:
    if scan.arguments.get("training"):
        raise UnknownOperation("uses the statistics of the batch")
    x = scan.local("input" if "input" in scan.arguments else "self")
    return _affine(scan, x, [1, -1] + [1] * (len(x.dims) - 2))


@local("normalisation.layer_norm")
def layer_norm(scan: Scan) -> Any:
    x = scan.local("input")
    shape = [int(s) for s in scan["normalized_shape"]]
    scan.end_along(x.dims[len(x.dims) - len(shape) :], "takes statistics over the whole {axes}")
    return _affine(scan, x, shape)


@local("normalisation.group_norm")
def group_norm(scan: Scan) -> Any:
    x = scan.local("input")
    scan.end_along(x.dims[1:], "takes statistics over the whole {axes}")
    return _affine(scan, x, [1, -1] + [1] * (len(x.dims) - 2))


@local("normalisation.instance_norm")
def instance_norm(scan: Scan) -> Any:
    x = scan.local("input")
    if scan["use_input_stats"]:
        scan.end_along(x.dims[2:], "takes statistics over the whole {axes}")
    return _affine(scan, x, [1, -1] + [1] * (len(x.dims) - 2))


# Shape -------------------------------------------------------------------------------------------------------------------


@local("shape.reshape", "shape.squeeze")
def reshape(scan: Scan) -> Local:
    return scan.result(regroup(scan, scan.local("self").dims, scan.out_shape))


@local("shape.permute")
def permute(scan: Scan) -> Local:
    x = scan.local("self")
    return scan.result([x.dims[int(d) % len(x.dims)] for d in scan["dims"]])


@local("shape.transpose")
def transpose(scan: Scan) -> Local:
    dims = list(scan.local("self").dims)
    rank = len(dims)
    if "dim0" in scan.arguments:
        a, b = int(scan["dim0"]) % rank, int(scan["dim1"]) % rank
        dims[a], dims[b] = dims[b], dims[a]
    elif scan.node.operation == "aten.mT.default":
        dims[-2], dims[-1] = dims[-1], dims[-2]
    else:
        dims.reverse()
    return scan.result(dims)


@local("shape.movedim")
def movedim(scan: Scan) -> Local:
    """The order of the dims is read off torch itself, on dims that are told apart by their size."""
    x = scan.local("self")
    sizes = torch.movedim(
        torch.empty(tuple(range(2, 2 + len(x.dims))), device="meta"), scan["source"], scan["destination"]
    ).shape
    return scan.result([x.dims[size - 2] for size in sizes])


@local("shape.expand")
def expand(scan: Scan) -> Local:
    return scan.result(align(scan, [scan.local("self")], scan.out_shape))


@local("shape.repeat")
def repeat(scan: Scan) -> Local:
    """Copies one after another; the clean positions of the first are kept, because at a seam two borders meet."""
    x = scan.local("self")
    counts = [int(c) for c in scan["repeats" if "repeats" in scan.arguments else "dims"]]
    rank = max(len(counts), len(x.dims))
    counts = [1] * (rank - len(counts)) + counts
    dims: list[Dim] = [()] * (rank - len(x.dims)) + list(x.dims)
    return scan.result(
        [dim if count == 1 else _longer(scan, dim, count) for dim, count in zip(dims, counts, strict=True)]
    )


def _longer(scan: Scan, dim: Dim, count: int) -> Dim:
    size = size_of(dim) * count
    grid = whole(scan, dim, "repeats")
    return still(size) if grid is None else (embed(grid, size, 0),)


@local("shape.repeat_interleave")
def repeat_interleave(scan: Scan) -> Local:
    x = scan.local("self")
    if scan["dim"] is None:
        raise UnknownOperation("repeats the entries of a flattened tensor")
    d, count = int(scan["dim"]) % len(x.dims), int(scan["repeats"])
    dims = list(x.dims)
    dims[d] = read(scan, dims[d], scan.out_shape[d], [[0]] * count, 1, "repeats")
    return scan.result(dims)


@local("shape.concatenate", "shape.stack")
def concatenate(scan: Scan) -> Local:
    parts: list[Operand] = [t for t in scan["tensors"] if t.shape != (0,)]
    d = int(scan["dim"]) % len(scan.out_shape)
    if scan.node.operation.startswith("aten.stack"):
        parts = [
            Local((*t.dims[:d], (), *t.dims[d:]), t.ended)
            if isinstance(t, Local)
            else Constant(t.value.unsqueeze(d), t.generic, t.label)
            for t in parts
        ]
    return _side_by_side(scan, parts, d)


def _side_by_side(scan: Scan, parts: Sequence[Operand], d: int) -> Local:
    """Along the other dims the parts meet as operands do; along dim d the part with most clean positions keeps them, at its place."""
    shape = list(scan.out_shape)
    others: list[Operand] = [_without(part, d) for part in parts if isinstance(part, Local)]
    dims = align(scan, others, [1 if i == d else s for i, s in enumerate(shape)])
    for part in parts:
        if isinstance(part, Constant):  # its rows along d are read one by one, each at all positions of the others
            for row in part.value.split(1, d):
                dims = align(
                    scan,
                    [Local(tuple(dims), tuple(scan.ended)), Constant(row, part.generic, part.label)],
                    [1 if i == d else s for i, s in enumerate(shape)],
                )
    start, best = 0, None
    for part in parts:
        along = part.dims[d] if isinstance(part, Local) else still(part.shape[d])
        grid = whole(scan, along, "joins others to")
        if grid is not None:
            moved = embed(grid, shape[d], start)
            if best is None or moved.stop - moved.start > best.stop - best.start:
                best = moved
        start += size_of(along)
    if best is not None:
        axes = {g.axis for part in parts if isinstance(part, Local) for g in grids_of([part.dims[d]])}
        scan.end(axes - {best.axis}, "joins the {axes} to another axis")
    return scan.result(
        [(still(shape[d]) if best is None else (best,)) if i == d else dim for i, dim in enumerate(dims)]
    )


def _without(part: Local, d: int) -> Local:
    return Local(tuple(() if i == d else dim for i, dim in enumerate(part.dims)), part.ended)


@local("shape.flip")
def flip(scan: Scan) -> Local:
    x = scan.local("self")
    dims = list(x.dims)
    for d in {int(d) % len(dims) for d in scan["dims"]}:
        size = size_of(dims[d])
        dims[d] = read(scan, dims[d], size, [[size - 1]], -1, "reverses")
    return scan.result(dims)


@local("shape.roll")
def roll(scan: Scan) -> Local:
    """What leaves one end comes back at the other: of the two runs of clean positions the longer is kept."""
    x = scan.local("self")
    if not scan["dims"]:
        raise UnknownOperation("rolls a flattened tensor")
    dims = list(x.dims)
    shifts = scan["shifts"] if isinstance(scan["shifts"], (list, tuple)) else [scan["shifts"]]
    for shift, d in zip(shifts, scan["dims"], strict=True):
        position = int(d) % len(dims)
        size = size_of(dims[position])
        k = int(shift) % max(size, 1)
        grid = whole(scan, dims[position], "rolls") if k else None
        if grid is not None:
            moved = [embed(grid, size, k), embed(grid, size, k - size)]
            dims[position] = (max(moved, key=lambda g: g.stop - g.start),)
    return scan.result(dims)


@local("shape.pixel_shuffle")
def pixel_shuffle(scan: Scan) -> Local:
    x = scan.local("self")
    r = int(scan["upscale_factor"])
    *lead, channels, h, w = x.dims
    scan.end_along([channels], "spreads the {axes} over blocks of pixels")
    rows, columns = (read(scan, dim, size_of(dim) * r, [[0]] * r, 1, "spreads") for dim in (h, w))
    return scan.result([*lead, still(size_of(channels) // r**2), rows, columns])


@local("shape.pixel_unshuffle")
def pixel_unshuffle(scan: Scan) -> Local:
    x = scan.local("self")
    r = int(scan["downscale_factor"])
    *lead, c, h, w = x.dims
    rows, columns = (read(scan, dim, size_of(dim) // r, [range(r)], r, "cuts into blocks") for dim in (h, w))
    return scan.result([*lead, (*c, *still(r * r)), rows, columns])


@local("shape.channel_shuffle")
def channel_shuffle(scan: Scan) -> Local:
    x = scan.local("self")
    scan.end_along([x.dims[1]], "shuffles the {axes} as channels")
    return scan.result(x.dims)


# Slices and indices ------------------------------------------------------------------------------------------------------


def _cut(scan: Scan, dim: Dim, start: int, length: int, stride: int = 1) -> Dim:
    if not length:
        raise UnknownOperation("makes an empty tensor")
    return (
        dim if (start, length, stride) == (0, size_of(dim), 1) else read(scan, dim, length, [[start]], stride, "cuts")
    )


@local("indexing.slice_", "indexing.narrow_")
def slice_(scan: Scan) -> Local:
    dims = list(scan.local("self").dims)
    d = int(scan["dim"]) % len(dims)
    size = size_of(dims[d])
    if "length" in scan.arguments:
        start, length, stride = int(scan["start"]) % size, int(scan["length"]), 1
    else:
        start, stop, stride = slice(scan["start"], scan["end"], scan["step"]).indices(size)
        length = max(0, -(-(stop - start) // stride))
    dims[d] = _cut(scan, dims[d], start, length, stride)
    return scan.result(dims)


@local("indexing.split", "indexing.unbind", "indexing.select")
def pieces(scan: Scan) -> Any:
    """Consecutive cuts, each with claims of its own; the one entry that is picked from a dim is one fixed place."""
    values = scan.node.value if isinstance(scan.node.value, (list, tuple)) else [scan.node.value]
    d = int(scan["dim"]) % len(scan["self"].dims)
    found, start = [], 0
    for value in values:
        part = Scan(scan.node, scan.arguments, scan.shape)
        dims = list(part.local("self").dims)
        shape = [int(s) for s in value.shape]
        if len(shape) == len(dims):
            dims[d] = _cut(part, dims[d], start, shape[d])
            start += shape[d]
        else:
            part.end_along([dims.pop(d)], "picks one fixed position along the {axes}")
        found.append(part.result(dims, shape))
    return found if isinstance(scan.node.value, (list, tuple)) else found[0]


@local("indexing.index_select", "indexing.index")
def index(scan: Scan) -> Local:
    """One constant index, which reads the positions in a pattern that repeats or ends its axis."""
    x = scan.local("self")
    given = scan["indices"] if "indices" in scan.arguments else None
    chosen = (
        [(int(scan["dim"]) % len(x.dims), scan["index"])]
        if given is None
        else [(d, i) for d, i in enumerate(given) if i is not None]
    )
    if not all(isinstance(i, Constant) and not i.generic for _, i in chosen):
        raise UnknownOperation("has an index that depends on the input, or on weights that are not to be used")
    dims = list(x.dims)
    if len(chosen) != 1 or chosen[0][1].value.ndim != 1:
        return _indexed_jointly(scan, x, [d for d, _ in chosen])
    d, value = chosen[0][0], chosen[0][1].value
    if value.dtype in (torch.bool, torch.uint8):
        value = value.nonzero().reshape(-1)
    dims[d] = _gather(scan, dims[d], [i % size_of(dims[d]) for i in value.tolist()])
    return scan.result(dims)


def _indexed_jointly(scan: Scan, x: Local, over: Sequence[int]) -> Local:
    """Several dims at once, or an index with dims of its own: their axes are ended; the other dims keep theirs only where they keep their place."""
    scan.end_along([x.dims[d] for d in over], "indexes the {axes} by a table")
    if grids_of(scan.settle(x).dims):
        raise UnknownOperation("indexes several dims at once, or by a table with several dims, beside an image axis")
    return scan.result([still(s) for s in scan.out_shape])


def _gather(scan: Scan, dim: Dim, indices: Sequence[int]) -> Dim:
    if not indices:
        raise UnknownOperation("makes an empty tensor")
    steps = {b - a for a, b in pairwise(indices)}
    if len(steps) == 1 and (pace := steps.pop()):
        return read(scan, dim, len(indices), [[indices[0]]], pace, "indexes")
    size = size_of(dim)
    for f in range(
        2, 17
    ):  # every position f times over, or any pattern that moves on by whole positions every f entries
        moved = {b - a for a, b in zip(indices, indices[f:], strict=False)}
        if len(indices) >= 2 * f and len(moved) == 1 and (g := moved.pop()):
            return read(scan, dim, len(indices), [[i] for i in indices[:f]], g, "indexes")
    if len(indices) == size == 1:
        return dim
    scan.end_along([dim], "picks positions along the {axes} by a table that does not repeat")
    return still(len(indices))


@local("indexing.embedding")
def embedding(scan: Scan) -> Local:
    if not isinstance(scan["weight"], Constant):
        raise UnknownOperation("has a table that depends on the input")
    return scan.result([*scan.local("indices").dims, still(int(scan["weight"].shape[1]))])


@local("indexing.slice_scatter", "indexing.select_scatter")
def overwrite(scan: Scan) -> Local:
    """The entries before the written ones, the new ones, the entries after them, side by side."""
    x, source = (_tensor(scan, name) for name in ("self", "src"))
    shape = scan.out_shape
    d = int(scan["dim"]) % len(shape)
    if "index" in scan.arguments:
        start = int(scan["index"]) % shape[d]
        stop = start + 1
        source = (
            Local((*source.dims[:d], (), *source.dims[d:]), source.ended)
            if isinstance(source, Local)
            else Constant(source.value.unsqueeze(d), source.generic, source.label)
        )
    else:
        start, stop, stride = slice(scan["start"], scan["end"], scan["step"]).indices(shape[d])
        if stride != 1:
            raise UnknownOperation("writes every other entry")
        if stop <= start:
            return scan.result(align(scan, [x], shape))
    parts = [_part(scan, x, d, 0, start), source, _part(scan, x, d, stop, shape[d])]
    return _side_by_side(scan, [p for p in parts if p is not None], d)


def _part(scan: Scan, x: Operand, d: int, start: int, stop: int) -> Operand | None:
    if start >= stop:
        return None
    if isinstance(x, Constant):
        return Constant(x.value.narrow(d, start, stop - start), x.generic, x.label)
    dims = list(scan.settle(x).dims)
    dims[d] = _cut(scan, dims[d], start, stop - start)
    return Local(tuple(dims), tuple(scan.ended))
