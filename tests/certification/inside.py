"""The attack on claims without wrap-around: of every tensor of a network, on images cut from one larger image, and on images changed outside a window."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from equiconv.certification.certify import carriers
from equiconv.certification.derivation import derive
from equiconv.certification.interior import localise
from equiconv.certification.interior.grids import Grid, Local
from equiconv.graph import capture


@dataclass
class Attack:
    """compared: comparisons of clean positions with their translates, or with themselves. violations: those that contradict a claim."""

    compared: int
    violations: list[str]


def attack(net: nn.Module, shape: Sequence[int], channels: int = 1, seed: int = 0) -> Attack:
    """Run the network in float64 on an image and on its translations, and on the image changed outside every interval of rows (columns)."""
    shape = tuple(shape)
    generator = torch.Generator().manual_seed(seed)
    big = torch.randn(1, channels, *(3 * n for n in shape), dtype=torch.float64, generator=generator)

    def cut(axis: int, k: int) -> Tensor:
        x = big
        for a, n in enumerate(shape):
            x = x.narrow(2 + a, n - (k if a == axis else 0), n)
        return x.contiguous()

    x = cut(0, 0)
    graph = capture(net.double(), (x,))
    size, moved, _ = carriers(graph, [x], tuple(range(2, 2 + len(shape))))
    states = localise(graph, derive(graph, size, moved), size, moved)
    floors = graph.rounding([x])
    found = Attack(0, [])

    def run(value: Tensor) -> dict[str, Tensor]:
        kept: dict[str, Tensor] = {}
        graph.run([value], lambda node, v: kept.__setitem__(node.name, v) if isinstance(v, Tensor) else None)
        return kept

    def compare(name: str, what: str, a: Tensor, b: Tensor) -> None:
        if not a.numel():
            return
        found.compared += 1
        if not torch.equal(torch.isfinite(a), torch.isfinite(b)):
            return  # an overflow, which rounding can move
        error = float((a.double() - b.double()).nan_to_num().abs().max())
        if error > 1000 * floors.get(name, 0.0) + 1e-300:
            found.violations.append(
                f"{name} ({graph[name].operation}): {what}: {error:.3g}, floor {floors.get(name, 0):.3g}"
            )

    base = run(x)
    for axis, n in enumerate(shape):
        grids = [(name, *g) for name in base for g in _grids(states[name], axis)]
        if not grids:
            continue
        for k in range(1 - n, n):
            steps = [(name, d, g, k / g.step) for name, d, g in grids]
            steps = [(name, d, g, int(m)) for name, d, g, m in steps if m.denominator == 1 and int(m) % g.period == 0]
            if k and any(g.stop - g.start > abs(m) for _, _, g, m in steps):
                moved_to = run(cut(axis, k))
                for name, d, g, m in steps:
                    first, stop = max(g.start, g.start - m), min(g.stop, g.stop - m)
                    if stop > first:
                        a, b = (_digit(v[name], states[name], d, g) for v in (base, moved_to))
                        what = f"a translation by {k} along axis {axis}, {g}"
                        compare(name, what, a.narrow(1, first, stop - first), b.narrow(1, first + m, stop - first))
        windows: dict[tuple[int, int], list[tuple[str, int, Grid, int]]] = {}
        for name, d, g in grids:
            for u in range(g.start, g.stop):
                low, high = (int(g.step * u + w) for w in g.windows[u % g.period])
                if not 0 <= low <= high < n:
                    found.violations.append(f"{name}: position {u} of {g} sees {low} … {high}, beyond the image")
                windows.setdefault((low, high), []).append((name, d, g, u))
        for (low, high), readers in windows.items():
            rows = torch.arange(n).reshape([-1 if a == axis else 1 for a in range(len(shape))])
            noise = torch.randn(x.shape, dtype=x.dtype, generator=generator)
            other = run(torch.where((rows >= low) & (rows <= high), x, noise))
            for name, d, g, u in readers:
                a, b = (_digit(v[name], states[name], d, g)[:, u] for v in (base, other))
                compare(name, f"position {u} sees more than {low} … {high} along axis {axis}, {g}", a, b)
    return found


def _grids(state: object, axis: int) -> Iterator[tuple[int, Grid]]:
    if isinstance(state, Local):
        for d, dim in enumerate(state.dims):
            for factor in dim:
                if isinstance(factor, Grid) and factor.axis == axis:
                    yield d, factor


def _digit(value: Tensor, state: Local, d: int, grid: Grid) -> Tensor:
    """The tensor as (all that stands before the grid's digit, the digit, all that stands behind it)."""
    i = state.dims[d].index(grid)
    sizes = [factor.size for factor in state.dims[d]]
    digits = value.reshape([*value.shape[:d], *sizes, *value.shape[d + 1 :]])
    return digits.reshape(-1, grid.size, *digits.shape[d + i + 1 :])
