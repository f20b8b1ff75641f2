"""The upper bound: refute every minimal larger subgroup by running the network.

A subgroup larger than K holds one of the minimal ones K + ⟨g⟩ of prime index. Each is refuted by an input on which no roll of the output explains
what the shift g did, by far more than rounding does.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from equiconv.certification.certificate import Refutation
from equiconv.certification.spectra import has_spectrum, plain
from equiconv.certification.states import Factor, Signal, Sum, axes_of, size_of
from equiconv.certification.step import still
from equiconv.graph import Graph
from equiconv.graph.capture import largest_difference
from equiconv.groups import Translations


@dataclass(frozen=True)
class Tried:
    """What trying larger subgroups found. alive: the outputs depended on the input, by more than rounding explains, in some run.

    refused: what the network raised where it was run, on inputs that were drawn, or in float64.
    """

    refutations: tuple[Refutation, ...]
    alive: bool
    refused: tuple[str, ...]


#: A difference counts as real when it is this many times the rounding floor of the run.
REAL = 1e3
_CANDIDATES = 3


def shifted(
    inputs: Sequence[Any], graph: Graph, moved: Mapping[str, tuple[int, ...]], shift: Sequence[int]
) -> list[Any]:
    """The inputs after the group element with these shifts acted on them."""
    result = []
    for name, value in zip(graph.inputs, inputs, strict=True):
        if name in moved and isinstance(value, Tensor):
            value = torch.roll(value, tuple(int(k) for k in shift), moved[name])
        result.append(value)
    return result


def draws(inputs: Sequence[Any], count: int, seed: int) -> list[list[Any]]:
    """The example and random inputs of its shapes: normal entries with the example's mean and spread (1 where it is constant).

    Integers and truth values may be indices and masks, so theirs are the example's own entries in a random order.
    """
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
            elif isinstance(value, Tensor) and not value.is_complex():
                order = torch.randperm(value.numel(), generator=generator).to(value.device)
                drawn.append(value.flatten()[order].reshape(value.shape))
            elif isinstance(value, Tensor):
                parts = torch.randn((*value.shape, 2), generator=generator, dtype=torch.float64)
                drawn.append(torch.view_as_complex(parts).to(value.device, value.dtype))
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
) -> Tried:
    """Try every minimal subgroup larger than K.

    layouts: for each output, a state that says of which digits its dims are made, or None where nothing is known.
    """
    larger = Translations(shape).subgroup(tuple(strides)).minimal_overgroups()
    shifts = {element.shifts: prime for prime, element in larger}
    return try_shifts(graph, inputs, moved, shifts, layouts, override, tries, seed, progress)


def try_shifts(
    graph: Graph,
    inputs: Sequence[Any],
    moved: Mapping[str, tuple[int, ...]],
    shifts: Mapping[tuple[int, ...], int],
    layouts: Sequence[Signal | None],
    override: Mapping[str, Callable[..., Any]] | None = None,
    tries: int = 4,
    seed: int = 0,
    progress: Callable[[int, int], None] | None = None,
) -> Tried:
    """Try each of the shifts, given with the prime index of K in the subgroup that it makes of K; as :func:`refute`, whose results it returns."""
    pending = dict(shifts)
    total = len(pending)
    graph = graph.cast(torch.float64)
    best: dict[tuple[int, ...], Refutation] = {g: Refutation(g, p, 0.0, 0.0, False) for g, p in pending.items()}
    first: list[Tensor] | None = None
    alive = not graph.outputs
    refused: list[str] = []

    def compare(drawn: list[Any]) -> None:
        nonlocal first, alive
        base = graph.run(drawn, dtype=torch.float64, override=override)
        known = {name: value for (_, name), value in zip(graph.outputs, base, strict=True)}
        floors = graph.rounding(drawn, torch.float64, override, seed=seed, exact=known)
        limits = [floors.get(name, 0.0) for _, name in graph.outputs]
        if first is None:
            first = base
        else:
            alive = alive or any(
                largest_difference(a, b) > REAL * f for a, b, f in zip(base, first, limits, strict=True)
            )
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

    for drawn in draws(inputs, tries - 1, seed):
        if not pending and alive:
            break
        try:
            compare(drawn)
        except (RuntimeError, ValueError, IndexError, TypeError, NotImplementedError) as error:
            refused.append(
                f"{type(error).__name__}: {str(error).splitlines()[0]}" if str(error) else type(error).__name__
            )
    return Tried(tuple(best.values()), alive, tuple(dict.fromkeys(refused)))


def unexplained(got: Tensor, base: Tensor, layout: Signal | None) -> float:
    """The smallest max |got − roll(base)| over rolls of the dims in which the output could roll; the identity among them.

    Integers and truth values differ by 1 or not at all. Of numbers that phases could turn only the modulus counts: |a| = |φ·b| for every phase φ.
    """
    error = largest_difference(got, base)
    if got.is_complex() or (layout is not None and has_spectrum(layout)):
        moduli = Signal(layout.strides, tuple(plain(dim) for dim in layout.dims)) if layout is not None else None
        return min(error, unexplained(got.abs(), base.abs(), moduli))
    digits: list[Factor] = []
    for size, dim in zip(base.shape, layout.dims if layout is not None else [()] * base.ndim, strict=True):
        # Every dim counts, not only those that the derivation saw move: a subgroup is refuted only where no roll at all explains the output.
        digits.extend(dim if axes_of(dim) else still(int(size)))
    if error == 0.0 or not digits:
        return error
    sizes = [digit.size for digit in digits]
    return _closest(got.reshape(sizes), base.reshape(sizes), digits)


def _closest(got: Tensor, base: Tensor, digits: Sequence[Factor]) -> float:
    """The smallest difference over rolls of all digits, or of each block of a concatenation by itself."""
    error = largest_difference(got, base)
    if error == 0.0:
        return error
    # ‖a − roll(b, j)‖² = ‖a‖² + ‖b‖² − 2⟨a, roll(b, j)⟩: the best rolls are the peaks of the circular correlation.
    dims = list(range(got.ndim))
    a, b = _comparable(got, base)
    score = torch.fft.ifftn(torch.fft.fftn(a, dim=dims) * torch.fft.fftn(b, dim=dims).conj(), dim=dims).real
    for flat in score.flatten().topk(min(_CANDIDATES, score.numel())).indices.tolist():
        rolls = np.unravel_index(int(flat), tuple(score.shape))
        error = min(error, largest_difference(got, torch.roll(base, [int(r) for r in rolls], dims)))
    at = next((d for d, digit in enumerate(digits) if isinstance(digit, Sum)), None)
    if at is None or error == 0.0:
        return error
    blocks, start, concatenation = [], 0, digits[at]
    assert isinstance(concatenation, Sum)
    for part in concatenation.parts:
        size = size_of(part)
        inner = [*digits[:at], *part, *digits[at + 1 :]]
        cuts = [t.narrow(at, start, size).reshape([digit.size for digit in inner]) for t in (got, base)]
        blocks.append(_closest(cuts[0], cuts[1], inner))
        start += size
    return min(error, max(blocks))


def _comparable(got: Tensor, base: Tensor) -> tuple[Tensor, Tensor]:
    """Both in double precision, without their mean, which would drown the peak, and with finite values in place of infinities."""
    a, b = (t if t.is_complex() else t.double() for t in (got, base))
    finite = b[torch.isfinite(b)]
    mean = finite.mean() if finite.numel() else torch.zeros((), dtype=b.dtype, device=b.device)
    top = 2.0 * float((finite - mean).abs().max()) + 1.0 if finite.numel() else 1.0
    if a.is_complex():
        return torch.where(torch.isfinite(a), a - mean, top), torch.where(torch.isfinite(b), b - mean, top)
    return _finite(a - mean, top), _finite(b - mean, top)


def _finite(value: Tensor, top: float) -> Tensor:
    return torch.nan_to_num(value, nan=top, posinf=2 * top, neginf=-top)
