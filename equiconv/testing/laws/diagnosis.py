"""What a wrong convolution looks like: a correlation, another origin, zeros in place of the wrap, a factor, swapped axes, a conjugate too few."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np

from equiconv.testing.laws.draws import SIZES
from equiconv.testing.laws.record import Crashed, Refused
from equiconv.testing.laws.reference import circular
from equiconv.testing.laws.subject import Convolution, host

__all__ = ["diagnose"]

#: Grids that f is looked at on, each with a kernel.
_PROBES: dict[int, tuple[tuple[tuple[int, ...], tuple[int, ...]], ...]] = {
    1: (((7,), (3,)), ((10,), (4,)), ((9,), (9,))),
    2: (((5, 4), (3, 2)), ((6, 3), (2, 3)), ((4, 7), (4, 7))),
    3: (((4, 3, 2), (2, 2, 1)), ((2, 3, 4), (1, 2, 3)), ((3, 2, 4), (3, 2, 4))),
}


def diagnose(s: Convolution) -> list[str]:
    """What f seems to compute, where it is not what was said. Nothing where no guess fits every probe."""
    for count in s.dims:
        found = _probe(s, _PROBES[count])
        if found:
            return [found]
    return [text for text in (_complex(s), _some_sizes(s)) if text][:1]


def _probe(s: Convolution, probes: Iterable[tuple[tuple[int, ...], tuple[int, ...]]]) -> str | None:
    """The first guess that fits what f makes of every probe that it takes, where it is wrong on all."""
    common: list[str] | None = None
    for grid, sizes in probes:
        if s.kernel == "equal" and grid != sizes:
            continue
        drawn = np.random.default_rng(5)
        x, w = drawn.standard_normal(grid), drawn.standard_normal(sizes)
        y = _run(s, x, w, "float64")
        if y is None:
            continue
        truth = circular(x, w, s.origins(sizes), s.correlate)
        if y.shape != grid:
            return f"the result has shape {y.shape} for a signal of shape {grid} and a kernel of {sizes}: it must have the signal's"
        if np.abs(y - truth).max() <= s.bound(x, w):
            return None
        fits = [text for text, guess in _guesses(s, x, w, y, truth) if _like(y, guess)]
        common = fits if common is None else [text for text in common if text in fits]
    return common[0] if common else None


def _run(s: Convolution, x: Any, w: Any, dtype: str) -> Any:
    try:
        return host(s.call(s.array(x, dtype), s.array(w, dtype)))
    except (Refused, Crashed):
        return None


def _like(y: Any, guess: Any) -> bool:
    return bool(y.shape == guess.shape and np.allclose(y, guess, rtol=1e-6, atol=1e-6))


def _guesses(s: Convolution, x: Any, w: Any, y: Any, truth: Any) -> Iterator[tuple[str, Any]]:
    """What people write instead, each with its name; the commonest first. y is f's, truth what it should be."""
    sizes, d, n = w.shape, w.ndim, x.size
    mine = s.origins(sizes)
    other = "convolution" if s.correlate else "correlation"
    fix = "leave out correlate" if s.correlate else "pass correlate=True (--correlate)"
    centres = {"0": (0,) * d, "m//2": tuple(m // 2 for m in sizes), "(m-1)//2": tuple((m - 1) // 2 for m in sizes)}
    if not np.any(y):
        yield "it returns zeros", y
    yield "it is right to the precision of float32 only: something inside is computed in it", _nearly(y, truth)
    yield f"this is a {other} with the same origin: {fix}", circular(x, w, mine, not s.correlate)
    for name, origin in centres.items():
        said = f"origin={name!r}" if name != "0" else "origin=0"
        yield f"its kernel's centre is at {name}: pass {said} (--origin '{name}')", circular(x, w, origin, s.correlate)
    for name, origin in centres.items():
        said = f"origin={name!r}" if name != "0" else "origin=0"
        yield f"this is a {other} with its centre at {name}: {fix} and {said}", circular(x, w, origin, not s.correlate)
    yield (
        "the kernel is reversed end for end, w[m − 1 − t] in place of w[t]",
        circular(x, np.flip(w), mine, s.correlate),
    )
    for step in (1, -1):
        yield (
            f"it is off by one: the result is that of the definition rolled by {step}",
            np.roll(truth, step, tuple(range(d))),
        )
        yield (
            f"it is off by one along the last axis: the result is that of the definition rolled by {step}",
            np.roll(truth, step, -1),
        )
    scale = "times what it should be, n the number of points: a transform is normalised twice, or not at all"
    for name, factor in (("n", n), ("1/n", 1 / n), ("√n", n**0.5), ("1/√n", n**-0.5), ("n²", n**2)):
        yield f"the result is {name} {scale}", truth * factor
    factor = float(np.real(y.flat[0] / truth.flat[0]))
    yield f"the result is {factor:.6g} times what it should be", truth * factor
    added = float(np.real(y.flat[0] - truth.flat[0]))
    yield f"a constant, {added:.6g}, is added to the result", truth + added
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


def _nearly(y: Any, truth: Any) -> Any:
    """The result itself where it errs by what float32 does, and nothing like it elsewhere."""
    size = np.abs(truth).max()
    return y if np.abs(y - truth).max() < 1e-4 * size else y + size


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


def _complex(s: Convolution) -> str | None:
    """What becomes of complex arguments, where real ones are right."""
    if "complex128" not in s.dtypes:
        return None
    grid = _PROBES[s.dims[0]][2][0]
    drawn = np.random.default_rng(7)
    x, w = (drawn.standard_normal(grid) + 1j * drawn.standard_normal(grid) for _ in range(2))
    y = _run(s, x, w, "complex128")
    truth = circular(x, w, s.origins(grid), s.correlate)
    if y is None or _like(y, truth):
        return None
    guesses = {
        "of complex arguments the imaginary part of the result is dropped": truth.real,
        "the kernel is conjugated": circular(x, w.conj(), s.origins(grid), s.correlate),
        "the signal is conjugated": circular(x.conj(), w, s.origins(grid), s.correlate),
        "the result is conjugated": truth.conj(),
        "the imaginary part of complex arguments is dropped": circular(x.real, w.real, s.origins(grid), s.correlate),
    }
    return next((text for text, guess in guesses.items() if _like(y, guess)), None)


def _some_sizes(s: Convolution) -> str | None:
    """Right on some sizes and wrong on others."""
    wrong: list[str] = []
    right: list[str] = []
    for grid in SIZES[s.dims[0]]:
        drawn = np.random.default_rng(8)
        x, w = drawn.standard_normal(grid), drawn.standard_normal(grid)
        y = _run(s, x, w, "float64")
        if y is not None:
            (right if _like(y, circular(x, w, s.origins(grid), s.correlate)) else wrong).append(
                "×".join(map(str, grid))
            )
    if not wrong or len(wrong) > len(right):
        return None
    return f"it is wrong on grids of {_some(wrong)} and right on {_some(right)}"


def _some(names: list[str]) -> str:
    return ", ".join(names[:8]) + (", …" if len(names) > 8 else "")
