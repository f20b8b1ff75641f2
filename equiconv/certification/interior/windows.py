"""Rules for what reads a window of positions: convolution, pooling, padding, resampling. A window that leaves the clean positions has seen the border."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import Any

import torch
from torch import Tensor

from equiconv.certification.interior.grids import Dim, Factor, Local, embed, longest_run, sample, size_of, still
from equiconv.certification.interior.scan import Scan, whole
from equiconv.certification.interior.table import local
from equiconv.certification.rules.resampling import _matrix
from equiconv.certification.states import Constant
from equiconv.certification.step import Step, UnknownOperation
from equiconv.graph.wrapping import paddings, per_dim


def slide(
    scan: Scan,
    dim: Dim,
    out: int,
    kernel: int,
    stride: int,
    before: int = 0,
    dilation: int = 1,
    doing: str = "convolves",
) -> Dim:
    """Output u reads the positions stride·u + dilation·j − before, j < kernel. What pads is outside the tensor, whatever it holds."""
    return read(scan, dim, out, [[dilation * j - before for j in range(kernel)]], stride, doing)


def read(
    scan: Scan,
    dim: Dim,
    out: int,
    reads: Sequence[Sequence[int]],
    advance: int,
    doing: str,
    good: tuple[int, int] | None = None,
) -> Dim:
    """A dim whose positions read others of one dim; see :func:`grids.sample`."""
    grid = whole(scan, dim, doing)
    if grid is None:
        return still(out)
    found = sample(grid, out, reads, advance, good)
    if found is None:
        scan.end([grid.axis], "reads the {axes} in a pattern that does not repeat")
        return still(out)
    return (found,)


def _channels(scan: Scan, dim: Dim) -> None:
    scan.end_along([dim], "mixes the {axes} as channels, each with a weight of its own")


def _weight(scan: Scan) -> tuple[int, ...]:
    if not isinstance(scan["weight"], Constant) or isinstance(scan["bias"], Local):
        raise UnknownOperation("has a weight that depends on the input")
    return tuple(int(s) for s in scan["weight"].shape)


def _convolve(scan: Scan, kernel: Sequence[int], before: Sequence[int]) -> Local:
    rank = len(kernel)
    x = scan.local("input")
    lead = len(x.dims) - rank
    _channels(scan, x.dims[lead - 1])
    stride, dilation = per_dim(scan["stride"], rank, 1), per_dim(scan["dilation"], rank, 1)
    dims = [*x.dims[: lead - 1], still(scan.out_shape[lead - 1])]
    for d in range(rank):
        dims.append(
            slide(scan, x.dims[lead + d], scan.out_shape[lead + d], kernel[d], stride[d], before[d], dilation[d])
        )
    return scan.result(dims)


@local("sliding.convolution")
def convolution(scan: Scan) -> Local:
    kernel = _weight(scan)[2:]
    return _convolve(scan, kernel, paddings(scan["padding"], kernel, per_dim(scan["dilation"], len(kernel), 1))[0])


@local("sliding.circular_convolution")
def circular_convolution(scan: Scan) -> Local:
    """What wraps around is no neighbour on an image that does not."""
    return _convolve(scan, _weight(scan)[2:], [int(p) for p in scan["padding"]][0::2])


@local("aten.conv_transpose1d.default", "aten.conv_transpose2d.input", "aten.conv_transpose3d.input")
def transposed_convolution(scan: Scan) -> Local:
    """Output u reads the positions v with stride·v + dilation·j − padding = u for some j < kernel: one set of them for each u mod stride."""
    kernel = _weight(scan)[2:]
    rank = len(kernel)
    x = scan.local("input")
    lead = len(x.dims) - rank
    _channels(scan, x.dims[lead - 1])
    stride, padding, dilation = (per_dim(scan[k], rank, int(k != "padding")) for k in ("stride", "padding", "dilation"))
    dims = [*x.dims[: lead - 1], still(scan.out_shape[lead - 1])]
    for d in range(rank):
        s, reads = stride[d], []
        for r in range(s):
            sums = [r + padding[d] - dilation[d] * j for j in range(kernel[d])]
            # A position that reads nothing holds the bias; to say that it reads its neighbour claims less.
            reads.append([t // s for t in sums if t % s == 0] or [0])
        dims.append(read(scan, x.dims[lead + d], scan.out_shape[lead + d], reads, 1, "convolves"))
    return scan.result(dims)


# Pools -------------------------------------------------------------------------------------------------------------------


def _first(value: Any) -> Tensor:
    return value[0] if isinstance(value, (list, tuple)) else value  # type: ignore[no-any-return]


def _rank(scan: Scan) -> int:
    return int(scan.node.operation.split("_pool")[1][0])


def _pool(scan: Scan) -> Local:
    rank = _rank(scan)
    x = scan.local("self")
    out = [int(s) for s in _first(scan.node.value).shape]
    lead = len(x.dims) - rank
    kernel = per_dim(scan["kernel_size"], rank)
    stride = per_dim(scan["stride"], rank) if scan["stride"] else kernel
    padding, dilation = per_dim(scan["padding"], rank), per_dim(scan.arguments.get("dilation", 1), rank, 1)
    dims = list(x.dims[:lead])
    for d in range(rank):  # a window that ceil_mode lets hang over the end reads outside, as one in the padding does
        dims.append(
            slide(scan, x.dims[lead + d], out[lead + d], kernel[d], stride[d], padding[d], dilation[d], "pools")
        )
    return scan.result(dims, out)


@local("sliding.max_pool", "sliding.average_pool")
def pool(scan: Scan) -> Local:
    return _pool(scan)


@local("sliding.max_pool_with_indices", "sliding.adaptive_max_pool")
def pool_with_indices(scan: Scan) -> tuple[Local, Local]:
    """The values as in pooling; the indices are positions counted from the border."""
    values = _adaptive(scan) if "adaptive" in scan.node.operation else _pool(scan)
    return values, _positions(scan, values.shape)


def _positions(scan: Scan, shape: Sequence[int]) -> Local:
    apart = Scan(scan.node, scan.arguments, scan.shape)
    return apart.nothing(shape, "returns positions along the {axes}, counted from the border")


@local("sliding.adaptive_average_pool")
def adaptive_pool(scan: Scan) -> Local:
    return _adaptive(scan)


def _adaptive(scan: Scan) -> Local:
    rank = _rank(scan)
    x = scan.local("self")
    out = [int(s) for s in _first(scan.node.value).shape]
    lead = len(x.dims) - rank
    scan.end_along([x.dims[d] for d in range(lead, lead + rank) if out[d] == 1], "pools the whole {axes}")
    dims = list(x.dims[:lead])
    for d in range(lead, lead + rank):
        size = size_of(x.dims[d])
        b, left = divmod(size, out[d])
        if out[d] == 1:
            dims.append(())
        elif left:
            reason = f"pools {size} positions along the {{axes}} into {out[d]}, with windows of different sizes"
            scan.end_along([x.dims[d]], reason)
            dims.append(still(out[d]))
        else:
            dims.append(slide(scan, x.dims[d], out[d], b, b, doing="pools"))
    return scan.result(dims, out)


@local("sliding.unfold")
def unfold(scan: Scan) -> Local:
    x = scan.local("self")
    d, size = int(scan["dimension"]) % len(x.dims), int(scan["size"])
    dims = list(x.dims)
    dims[d] = slide(scan, x.dims[d], scan.out_shape[d], size, int(scan["step"]), doing="slides a window over")
    return scan.result([*dims, still(size)])


@local("sliding.im2col")
def im2col(scan: Scan) -> Local:
    """Windows of an image as columns: (…, c·kh·kw, positions)."""
    x = scan.local("self")
    *lead, channels, h, w = x.dims
    kernel, stride, padding, dilation = (per_dim(scan[k], 2) for k in ("kernel_size", "stride", "padding", "dilation"))
    positions: list[Factor] = []
    for i, dim in enumerate((h, w)):
        out = (size_of(dim) + 2 * padding[i] - dilation[i] * (kernel[i] - 1) - 1) // stride[i] + 1
        positions += slide(scan, dim, out, kernel[i], stride[i], padding[i], dilation[i], "slides a window over")
    return scan.result([*lead, (*channels, *still(kernel[0] * kernel[1])), tuple(positions)])


# Padding -----------------------------------------------------------------------------------------------------------------


@local("padding.pad", "padding.edge_pad")
def pad(scan: Scan) -> Local:
    """Whatever is put beside the image, zeros or the image itself mirrored or wrapped, is no continuation of it. A negative pad crops."""
    x = scan.local("self")
    pads = [int(p) for p in scan["pad" if "pad" in scan.arguments else "padding"]]
    dims = list(x.dims)
    for i in range(len(pads) // 2):
        position, before, after = len(dims) - 1 - i, pads[2 * i], pads[2 * i + 1]
        if before or after:
            size = size_of(dims[position]) + before + after
            grid = whole(scan, dims[position], "pads")
            dims[position] = still(size) if grid is None else (embed(grid, size, before),)
    return scan.result(dims)


# Resampling --------------------------------------------------------------------------------------------------------------


@local("resampling.resample")
def resample(scan: Scan) -> Local:
    """Linear along every dim: the rows of the operation's own matrix that repeat are clean, those that clamp at the edge are not."""
    name = "self" if "self" in scan.arguments else "input"
    x = scan.local(name)
    rank = len(x.dims) - 2  # torch resamples every dim behind batch and channels
    lead = len(x.dims) - rank
    dims = list(x.dims[:lead])
    for d in range(rank):
        dims.append(_resample(scan, x.dims[lead + d], rank, d, scan.out_shape[lead + d]))
    return scan.result(dims)


def _resample(scan: Scan, dim: Dim, rank: int, d: int, out: int) -> Dim:
    grid = whole(scan, dim, "resamples")
    if grid is None:
        return still(out)
    matrix = _matrix(Step(scan.node, dict(scan.arguments), scan.shape, False), rank, d, grid.size, out)
    ratio = Fraction(out, grid.size)
    f, g = ratio.numerator, ratio.denominator
    # Row u + f should be row u, moved by g. Each phase is compared with its row nearest to the middle, which sees least of the edges.
    middle = [min(range(r, out, f), key=lambda u: abs(2 * u + 1 - out)) for r in range(f)]
    bound = (
        64 * grid.size * torch.finfo(torch.float64).eps
    )  # as in the certifier: coefficients are computed in floating point
    held, reads = [], []
    for u in range(out):
        expected = torch.zeros_like(matrix[u])
        model = matrix[middle[u % f]]
        moved = g * (u // f) - g * (middle[u % f] // f)
        source = slice(max(0, -moved), min(grid.size, grid.size - moved))
        target = slice(max(0, moved), min(grid.size, grid.size + moved))
        expected[target] = model[source]
        cut = model.clone()
        cut[source] = 0
        held.append(not bool(cut.any()) and float((matrix[u] - expected).abs().max()) <= bound)
    for r in range(f):
        at = matrix[middle[r]].nonzero().reshape(-1).tolist() or [g * (middle[r] // f)]
        reads.append([v - g * (middle[r] // f) for v in at])
    good = longest_run(held)
    if good[1] - good[0] <= f:
        scan.end(
            [grid.axis],
            f"resamples {grid.size} positions along the {{axes}} to {out} with weights that differ from one position to the next",
        )
        return still(out)
    return read(scan, (grid,), out, reads, g, "resamples", good)
