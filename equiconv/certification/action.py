"""The action ρ that a state claims of a tensor, on the tensor itself: T(g·x) = ρ(g)·T(x)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from equiconv.certification.digits import chained
from equiconv.certification.spectra import modulated, spectral
from equiconv.certification.states import Digit, Dim, axes_of, source_indices


def act(dims: Sequence[Dim], tensor: Tensor, axis: int, k: int) -> tuple[Tensor, Tensor | None]:
    """ρ(g)·T for the shift g by ``k`` along a group axis.

    Returns the tensor, and a mask of its shape that is False where the action says nothing (the source lies outside a crop), or None where it says all.
    """
    if not any(isinstance(f, Digit) and f.axis == axis for dim in dims for f in dim):
        return _dim_by_dim(dims, tensor, axis, k)
    # One dim a factor: then the digits of a signal are dims, and all else moves dim by dim.
    factors = [f for dim in dims for f in dim]
    sizes = [f.size for f in factors]
    by_factor: list[Dim] = [() if isinstance(f, Digit) and f.axis == axis else (f,) for f in factors]
    moved, known = _dim_by_dim(by_factor, tensor.reshape(sizes), axis, k)
    places = [i for i, f in enumerate(factors) if isinstance(f, Digit) and f.axis == axis]
    sources: list[Tensor] = []
    for i in places:
        digit = factors[i]
        assert isinstance(digit, Digit)
        sources.append(_digit_source(digit, i, factors, k, tensor.device))
    moved = _gathered(moved, places, sources)
    return moved.reshape(tensor.shape), None if known is None else known.reshape(tensor.shape)


def _dim_by_dim(dims: Sequence[Dim], tensor: Tensor, axis: int, k: int) -> tuple[Tensor, Tensor | None]:
    known: Tensor | None = None
    for d, dim in enumerate(dims):
        if axis not in axes_of(dim):
            continue
        source, valid = source_indices(dim, axis, k)
        tensor = tensor.index_select(d, torch.from_numpy(source).to(tensor.device))
        if spectral(dim):
            tensor = modulated(tensor, dim, d, axis, k)
        if not valid.all():
            along = torch.from_numpy(valid).to(tensor.device).reshape([-1 if i == d else 1 for i in range(tensor.ndim)])
            known = along.expand(tensor.shape) if known is None else known & along
    return tensor, known


def _digit_source(digit: Digit, position: int, factors: Sequence[object], k: int, device: torch.device) -> Tensor:
    """Where each value of a digit comes from, for every value of those below it: ((u − m) // place) mod size."""
    signal = [(i, f) for i, f in enumerate(factors) if isinstance(f, Digit) and f.signal == digit.signal]
    moved = k / digit.step
    if moved.denominator != 1 or not chained(f for _, f in signal):
        raise AssertionError(f"{digit} does not move under a shift by {k}")
    index = torch.zeros([1] * len(factors), dtype=torch.int64, device=device)
    for i, f in signal:
        if i == position or f.place < digit.place:
            along = [-1 if j == i else 1 for j in range(len(factors))]
            index = index + f.place * torch.arange(f.size, device=device).reshape(along)
    return torch.div(index - int(moved), digit.place, rounding_mode="floor") % digit.size


def _gathered(tensor: Tensor, dims: Sequence[int], sources: Sequence[Tensor]) -> Tensor:
    """tensor[…, source, …] in the dims, each source given over all of them at once."""
    rest = [d for d in range(tensor.ndim) if d not in dims]
    order = [*dims, *rest]
    index = tuple(s.permute(order).reshape([s.shape[d] for d in dims]) for s in sources)
    back = sorted(range(tensor.ndim), key=order.__getitem__)
    return tensor.permute(order)[index].permute(back)


__all__ = ["act"]
