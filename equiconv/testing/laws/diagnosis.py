"""What a wrong convolution looks like: a correlation, another origin, zeros in place of the wrap, a factor, swapped axes, a conjugate too few."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from equiconv.testing.laws.draws import SIZES
from equiconv.testing.laws.record import Crashed, Refused
from equiconv.testing.laws.reference import circular
from equiconv.testing.laws.subject import Convolution, host

__all__ = ["diagnose"]

_GRIDS = {1: ((7,), (3,), (4,)), 2: ((5, 4), (3, 2), (2, 3)), 3: ((4, 3, 2), (2, 2, 1), (2, 1, 2))}


def diagnose(s: Convolution) -> list[str]:
    """What f seems to compute, where it is not what was said. Nothing where no guess fits every probe."""
    found: list[str] = []
    for count in s.dims:
        for text in _probe(s, count):
            if text not in found:
                found.append(text)
        if found:
            break
    return found or _some_sizes(s)


def _probe(s: Convolution, count: int) -> list[str]:
    grids = _GRIDS.get(count)
    if grids is None:
        return []
    grid, kernels = grids[0], grids[1:]
    wrong: list[list[str]] = []
    for sizes in [grid] if s.kernel == "equal" else kernels:
        drawn = np.random.default_rng(5)
        x, w = drawn.integers(-4, 5, grid).astype(float), drawn.integers(1, 5, sizes).astype(float)
        y = _run(s, x, w, "float64")
        if y is None or _like(y, circular(x, w, s.origins(sizes), s.correlate)):
            continue
        if y.shape != grid:
            return [
                f"the result has shape {y.shape} for a signal of shape {grid} and a kernel of {sizes}: it must have the signal's"
            ]
        wrong.append([text for text, guess in _guesses(s, x, w) if _like(y, guess)])
    if not wrong:
        return _complex(s, grid)
    common = [text for text in wrong[0] if all(text in other for other in wrong)]
    return common[:1] or _factor(s, grid)


def _run(s: Convolution, x: Any, w: Any, dtype: str) -> Any:
    try:
        return host(s.call(s.array(x, dtype), s.array(w, dtype)))
    except (Refused, Crashed):
        return None


def _like(y: Any, guess: Any) -> bool:
    return bool(y.shape == guess.shape and np.allclose(y, guess, rtol=1e-6, atol=1e-6))


def _guesses(s: Convolution, x: Any, w: Any) -> Iterator[tuple[str, Any]]:
    """What people write instead, each with its name; the commonest first."""
    sizes, d = w.shape, w.ndim
    mine = s.origins(sizes)
    other = "convolution" if s.correlate else "correlation"
    fix = "leave out correlate" if s.correlate else "pass correlate=True (--correlate)"
    centres = {"0": (0,) * d, "m//2": tuple(m // 2 for m in sizes), "(m-1)//2": tuple((m - 1) // 2 for m in sizes)}
    yield f"this is a {other} with the same origin: {fix}", circular(x, w, mine, not s.correlate)
    for name, origin in centres.items():
        said = f"origin={name!r}" if name != "0" else "origin=0"
        yield f"its kernel's centre is at {name}: pass {said} (--origin '{name}')", circular(x, w, origin, s.correlate)
    for name, origin in centres.items():
        said = f"origin={name!r}" if name != "0" else "origin=0"
        yield f"this is a {other} with its centre at {name}: {fix} and {said}", circular(x, w, origin, not s.correlate)
    for step in (1, -1):
        yield (
            f"it is off by one: the result is that of the definition rolled by {step}",
            np.roll(circular(x, w, mine, s.correlate), step, tuple(range(d))),
        )
    for correlate in (s.correlate, not s.correlate):
        for name, origin in {"its own origin": mine, **centres}.items():
            kind = "" if correlate == s.correlate else f"a {other}, and "
            yield (
                f"it is {kind}zero-padded, with its centre at {name}: nothing wraps around the edge",
                _padded(x, w, origin, correlate),
            )
    if d > 1:
        turned = tuple(reversed(range(d)))
        if x.shape == x.T.shape or w.shape != w.T.shape:
            yield "the axes of the kernel are swapped", circular(x, w.transpose(turned), mine, s.correlate)
        yield "the axes of the result are swapped", circular(x, w, mine, s.correlate).transpose(turned)
        yield "only the last axis is convolved", _rows(x, w)


def _rows(x: Any, w: Any) -> Any:
    if x.ndim != 2 or w.shape[0] not in (1, x.shape[0]):
        return np.zeros(0)
    return np.stack(
        [
            circular(row, kernel, (0,))
            for row, kernel in zip(x, np.broadcast_to(w, (x.shape[0], w.shape[1])), strict=True)
        ]
    )


def _padded(x: Any, w: Any, origin: tuple[int, ...], correlate: bool) -> Any:
    """The definition with zeros outside the signal: on a grid so long that nothing comes around."""
    room = [n + 2 * m for n, m in zip(x.shape, w.shape, strict=True)]
    long = np.zeros(room)
    inside = tuple(slice(m, m + n) for n, m in zip(x.shape, w.shape, strict=True))
    long[inside] = x
    return circular(long, w, origin, correlate)[inside]


def _factor(s: Convolution, grid: tuple[int, ...]) -> list[str]:
    """A constant factor, told apart from one that depends on the size."""
    found = []
    for n in (grid, tuple(m + 1 for m in grid)):
        drawn = np.random.default_rng(6)
        x, w = drawn.integers(1, 5, n).astype(float), drawn.integers(1, 5, n).astype(float)
        y, truth = _run(s, x, w, "float64"), circular(x, w, s.origins(n), s.correlate)
        if y is None or y.shape != truth.shape or not np.all(truth):
            return []
        ratio = y / truth
        if not np.allclose(ratio, ratio.flat[0], rtol=1e-9) or np.isclose(ratio.flat[0], 1):
            return []
        found.append((float(np.real(ratio.flat[0])), float(np.prod(n))))
    (first, size), (second, larger) = found
    if np.isclose(first, second):
        return [f"the result is {first:.6g} times what it should be, on every grid"]
    for name, power in (("n", 1.0), ("1/n", -1.0), ("√n", 0.5), ("1/√n", -0.5), ("n²", 2.0)):
        if np.isclose(first, size**power) and np.isclose(second, larger**power):
            return [
                f"the result is {name} times what it should be, n the number of points: a transform is normalised twice, or not at all"
            ]
    return [
        f"the result is {first:.6g} times what it should be on a grid of {size:g} points, {second:.6g} times on one of {larger:g}"
    ]


def _complex(s: Convolution, grid: tuple[int, ...]) -> list[str]:
    if "complex128" not in s.dtypes:
        return []
    drawn = np.random.default_rng(7)
    x = drawn.integers(-3, 4, grid) + 1j * drawn.integers(-3, 4, grid)
    w = drawn.integers(-3, 4, grid) + 1j * drawn.integers(-3, 4, grid)
    y = _run(s, x, w, "complex128")
    if y is None or y.shape != grid:
        return []
    truth = circular(x, w, s.origins(grid), s.correlate)
    if _like(y, truth):
        return []
    guesses = {
        "of complex arguments the imaginary part of the result is dropped": truth.real,
        "the kernel is conjugated": circular(x, w.conj(), s.origins(grid), s.correlate),
        "the signal is conjugated": circular(x.conj(), w, s.origins(grid), s.correlate),
        "the result is conjugated": truth.conj(),
        "the imaginary part of complex arguments is dropped": circular(x.real, w.real, s.origins(grid), s.correlate),
    }
    return [text for text, guess in guesses.items() if _like(y, guess)][:1]


def _some_sizes(s: Convolution) -> list[str]:
    """Right on some sizes and wrong on others."""
    count = s.dims[0]
    wrong: list[str] = []
    right: list[str] = []
    for grid in SIZES.get(count, ()):
        drawn = np.random.default_rng(8)
        x, w = drawn.integers(-3, 4, grid).astype(float), drawn.integers(1, 4, grid).astype(float)
        y = _run(s, x, w, "float64")
        if y is not None:
            good = y.shape == grid and np.allclose(y, circular(x, w, s.origins(grid), s.correlate))
            (right if good else wrong).append("×".join(map(str, grid)))
    if wrong and right:
        more = ", …" if len(wrong) > 8 else ""
        return [
            f"it is wrong on grids of {', '.join(wrong[:8])}{more} and right on {', '.join(right[:8])}{', …' if len(right) > 8 else ''}"
        ]
    return []
