"""equiconv's own functions, matrices and layers as subjects: what `verify_laws()` runs without a target."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import torch
from torch import nn

import equiconv.nn as eqnn
from equiconv.convolution import circular_convolve, circular_correlate
from equiconv.testing.laws.module import Module
from equiconv.testing.laws.operators import Matrices
from equiconv.testing.laws.subject import Convolution
from equiconv.testing.strategies import LIBRARIES, absent

__all__ = ["subjects"]


def subjects() -> Iterator[tuple[str, Callable[[], Any] | str, str, float]]:
    """(name, a maker or the reason why there is none, kind, part of the examples) of each."""
    for library in LIBRARIES:
        why = absent(library)
        makers = _functions(library)
        for name, maker, share in makers:
            yield f"{name} ({library})", why or maker, "convolution", share
        yield f"Circulant, Shift, Toeplitz ({library})", why or partial(Matrices, library), "operator", 1.0
    for name, layer in _layers():
        yield name, partial(_layer, name, layer), "layer", 0.25
    yield "LectureClassifier", _classifier, "model", 0.25


def _functions(library: str) -> list[tuple[str, Callable[[], Convolution], float]]:
    found: list[tuple[str, Callable[[], Convolution], float]] = []
    for f, correlate in ((circular_convolve, False), (circular_correlate, True)):
        kept = {"library": library, "keyword": "axes", "correlate": correlate}
        name = f.__name__
        found.append((name, partial(_function, f, f"{name} ({library})", (1, 2, 3), **kept), 0.4 if correlate else 1.0))
        for method in ("definition", "fourier"):
            label = f"{name}, method={method!r}"
            chosen = partial(f, method=method)
            place = f"functools:partial(__import__('equiconv').{name}, method={method!r})"
            made = partial(_function, chosen, f"{label} ({library})", (1, 2), place=place, **kept)
            found.append((label, made, 0.2))
    return found


def _function(f: Callable[..., Any], name: str, dims: tuple[int, ...], **options: Any) -> Convolution:
    return Convolution(f, name, dims=dims, **options)


def _layers() -> list[tuple[str, Callable[[], nn.Module]]]:
    return [
        ("CircularConv1d(2, 3, 4, padding='same')", lambda: eqnn.CircularConv1d(2, 3, 4, padding="same")),
        ("CircularConv2d(2, 3, 3, padding=1)", lambda: eqnn.CircularConv2d(2, 3, 3, padding=1)),
        ("CircularConv2d(2, 3, 1), pointwise", lambda: eqnn.CircularConv2d(2, 3, 1)),
        (
            "CircularConv2d(2, 4, 3, padding=1, groups=2), depthwise",
            lambda: eqnn.CircularConv2d(2, 4, 3, padding=1, groups=2),
        ),
        ("CircularConv2d(1, 2, 5, stride=2, padding=2)", lambda: eqnn.CircularConv2d(1, 2, 5, stride=2, padding=2)),
        (
            "CircularConv2d(1, 2, 3, padding=2, dilation=2)",
            lambda: eqnn.CircularConv2d(1, 2, 3, padding=2, dilation=2),
        ),
        ("CircularConv3d(1, 2, 3, padding=1)", lambda: eqnn.CircularConv3d(1, 2, 3, padding=1)),
        ("CircularMaxPool2d(3, stride=2, padding=1)", lambda: eqnn.CircularMaxPool2d(3, stride=2, padding=1)),
        ("CircularAvgPool2d(2)", lambda: eqnn.CircularAvgPool2d(2)),
    ]


def _layer(name: str, make: Callable[[], nn.Module]) -> Module:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        layer = make().eval()
    dims = next(d for d in (1, 2, 3) if f"{d}d(" in name)
    channels = getattr(layer, "in_channels", 2)
    shape = (1, channels, *((8,) if dims == 1 else (6, 8) if dims == 2 else (3, 2, 4)))
    return Module(layer, name, shape, tuple(range(-dims, 0)))


def _classifier() -> Module:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = eqnn.LectureClassifier(1, 3, widths=(3, 4), padding="circular", downsampling="max").eval()
    # Two poolings over blocks of 2×2 and a global mean: invariant to the shifts by multiples of 4 (L16).
    return Module(model, "LectureClassifier", (1, 1, 8, 12), (-2, -1), (4, 4))
