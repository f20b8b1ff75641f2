"""The upper bound: refute every minimal larger subgroup by running the network.

A subgroup larger than K holds one of the minimal ones K + ⟨g⟩ of prime index. Each is refuted by an input on which no roll of the output explains
what the shift g did, by far more than rounding does.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from equiconv.certification.certificate import Refutation
from equiconv.certification.states import Signal, Window, axes_of
from equiconv.graph import Graph
from equiconv.graph.capture import largest_difference
from equiconv.groups import Translations

#: A difference counts as real when it is this many times the rounding floor of the run.
REAL = 1e3
_CANDIDATES = 3


def shifted(inputs: Sequence[Any], graph: Graph, moved: Mapping[str, tuple[int, ...]], shift: Sequence[int]) -> list[Any]:
    """The inputs after the group element with these shifts acted on them."""
    result = []
    for name, value in zip(graph.inputs, inputs, strict=True):
        if name in moved and isinstance(value, Tensor):
            value = torch.roll(value, tuple(int(k) for k in shift), moved[name])
        result.append(value)
    return result


def draws(inputs: Sequence[Any], count: int, seed: int) -> list[list[Any]]:
    """The example and random inputs of its shapes: normal entries with the example's mean and spread (1 where it is constant)."""
    found = [list(inputs)]
    for i in range(count):
        generator = torch.Generator().manual_seed(seed + i)
        drawn: list[Any] = []
        for value in inputs:
            if isinstance(value, Tensor) and value.is_floating_point():
                scale = float(value.double().std()) if value.numel() > 1 else 0.0
                scale = scale if np.isfinite(scale) and scale > 0 else 1.0
                noise = torch.randn(value.shape, generator=generator, dtype=torch.float64)
                drawn.append((noise * scale + float(value.double().mean())).to(value.dtype).to(value.device))
            else:
                drawn.append(value)
        found.append(drawn)
    return found[1:] + found[:1]


def refute(
    graph: Graph,
    inputs: Sequence[Any],
    moved: Mapping[str, tuple[int, ...]],
    shape: tuple[int, ...],
    strides: Sequence[int],
    layouts: Sequence[Signal | None],
    override: Mapping[str, Callable[..., Any]] | None = None,
    tries: int = 4,
    seed: int = 0,
    progress: Callable[[int, int], None] | None = None,
) -> tuple[tuple[Refutation, ...], bool]:
    """Try every minimal subgroup larger than K.

    layouts: for each output, a state that says of which digits its dims are made, or None where nothing is known.
    Returns the tries, and whether the outputs depended on the input at all.
    """
    pending = {element.shifts: prime for prime, element in Translations(shape).subgroup(tuple(strides)).minimal_overgroups()}
    total = len(pending)
    best: dict[tuple[int, ...], Refutation] = {g: Refutation(g, p, 0.0, 0.0, False) for g, p in pending.items()}
    first: list[Tensor] | None = None
    alive = not graph.outputs
    for drawn in draws(inputs, tries - 1, seed):
        if not pending and alive:
            break
        base = graph.run(drawn, dtype=torch.float64, override=override)
        floors = graph.rounding(drawn, torch.float64, override, seed=seed)
        limits = [floors.get(name, 0.0) for _, name in graph.outputs]
        if first is None:
            first = base
        else:
            alive = alive or any(largest_difference(a, b) > REAL * f for a, b, f in zip(base, first, limits, strict=True))
        for g in list(pending):
            got = graph.run(shifted(drawn, graph, moved, g), dtype=torch.float64, override=override)
            errors = [unexplained(a, b, layout) for a, b, layout in zip(got, base, layouts, strict=True)]
            worst = max(zip(errors, limits, strict=True), key=lambda e: e[0] / (e[1] or 1e-300), default=(0.0, 0.0))
            refuted = worst[0] > REAL * worst[1]
            if refuted or worst[0] > best[g].error:
                best[g] = Refutation(g, pending[g], worst[0], worst[1], refuted)
            if refuted:
                del pending[g]
                alive = True
                if progress:
                    progress(total - len(pending), total)
    return tuple(best.values()), alive


def unexplained(got: Tensor, base: Tensor, layout: Signal | None) -> float:
    """The smallest max |got − roll(base)| over rolls of the dims in which the output could roll; the identity among them."""
    if not (got.is_floating_point() or got.is_complex()):
        got, base = got.double(), base.double()
    error = largest_difference(got, base)
    dims, sizes = _digits(base, layout)
    if error == 0.0 or not dims:
        return error
    a, b = got.reshape(sizes), base.reshape(sizes)
    # ‖a − roll(b, j)‖² = ‖a‖² + ‖b‖² − 2⟨a, roll(b, j)⟩: the best rolls are the peaks of the circular correlation.
    fa, fb = torch.fft.fftn(torch.nan_to_num(a), dim=dims), torch.fft.fftn(torch.nan_to_num(b), dim=dims)
    score = torch.fft.ifftn(fa * fb.conj(), dim=dims).real
    rest = [d for d in range(score.ndim) if d not in dims]
    score = score.sum(rest) if rest else score
    for flat in score.flatten().topk(min(_CANDIDATES, score.numel())).indices.tolist():
        rolls = np.unravel_index(int(flat), tuple(score.shape))
        error = min(error, largest_difference(a, torch.roll(b, [int(r) for r in rolls], dims)))
    return error


def _digits(output: Tensor, layout: Signal | None) -> tuple[list[int], list[int]]:
    """Dims in which the output could roll, in a reshape that gives each factor that moves a dim of its own.

    Every dim counts, not only those that the derivation saw move: a subgroup is refuted only where no roll at all explains the output.
    """
    dims: list[int] = []
    sizes: list[int] = []
    states = layout.dims if layout is not None else [()] * output.ndim
    for size, dim in zip(output.shape, states, strict=True):
        whole = axes_of(dim) and all(isinstance(f, Window) or not axes_of((f,)) for f in dim)
        for factor_size in [f.size for f in dim] if whole else [size]:
            if factor_size > 1:
                dims.append(len(sizes))
            sizes.append(factor_size)
    return dims, sizes
