"""What a test takes for an input: an array, arguments, a shape, or a Hypothesis strategy for one of those."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import torch

from equiconv.testing.report import EquivarianceReport
from equiconv.testing.shrinking import first_failure
from equiconv.testing.storage import inside_hypothesis

__all__ = ["example_of", "is_strategy", "over_examples", "require_options"]


def require_options(tolerance: Any = None, samples: Any = 0, seed: Any = 0) -> None:
    """Refuse options under which a test would pass whatever happens, or that NumPy would refuse without naming them.

    Raises `TypeError` or `ValueError`.
    """
    if tolerance is not None:
        if isinstance(tolerance, bool) or not isinstance(tolerance, (int, float, np.integer, np.floating)):
            raise TypeError(
                f"tolerance: got {tolerance!r}; pass the largest difference allowed, or None to have it found"
            )
        if not 0 <= tolerance < math.inf:
            raise ValueError(
                f"tolerance: got {tolerance!r}; pass a finite number of at least 0, or None to have it found"
            )
    for name, value in (("samples", samples), ("seed", seed)):
        if isinstance(value, bool) or not isinstance(value, (int, np.integer)):
            raise TypeError(f"{name}: got {value!r}; pass a whole number of at least 0")
        if value < 0:
            raise ValueError(f"{name}: got {value!r}; pass a whole number of at least 0")


def example_of(f: Any, input: Any, seed: int) -> tuple[Any, bool]:
    """An input of f, and whether it was given; of a shape, seeded standard normals: torch's for a module, in the dtype and on the device of its weights,
    NumPy's in float64 for anything else.

    A tuple of integers is a shape: as arguments it would hold no array. Raises `ValueError` for an axis without entries, `TypeError` for several shapes.

    >>> example_of(abs, (2, 3), 0)[0].shape
    (2, 3)
    """
    if (
        not isinstance(input, (tuple, list))
        or not input
        or not all(isinstance(n, (int, np.integer)) and not isinstance(n, bool) for n in input)
    ):
        if _is_shapes(input):
            raise TypeError(
                f"input: {input!r} holds several shapes, and a shape stands for one array; pass the arrays, such as "
                f"(numpy.random.rand{tuple(input[0])}, …)"
            )
        return input, True
    if min(input) < 1:
        raise ValueError(f"input: the shape {tuple(input)} has an axis without entries")
    values = np.random.default_rng(seed).standard_normal(tuple(input))
    if not isinstance(f, (torch.nn.Module, torch.export.ExportedProgram)):
        return values, False
    tensors = f.parameters() if isinstance(f, torch.export.ExportedProgram) else [*f.parameters(), *f.buffers()]
    weight = next((p for p in tensors if p.is_floating_point() or p.is_complex()), None)
    dtype = torch.get_default_dtype() if weight is None else weight.dtype
    return torch.from_numpy(values).to("cpu" if weight is None else weight.device, dtype), False


def _is_shapes(input: Any) -> bool:
    """Whether it is several shapes, from which a newcomer expects several arrays."""
    return (
        isinstance(input, (tuple, list))
        and len(input) > 0
        and all(isinstance(s, tuple) and s and all(type(n) is int for n in s) for s in input)
    )


def is_strategy(input: Any) -> bool:
    """Whether an input is a Hypothesis strategy. Who passes one has imported Hypothesis; nobody else needs it here."""
    hypothesis = sys.modules.get("hypothesis.strategies")
    return hypothesis is not None and isinstance(input, hypothesis.SearchStrategy)


def over_examples(
    check: Callable[[Any], EquivarianceReport], strategy: Any, seed: int
) -> tuple[EquivarianceReport, Any]:
    """Reports on the examples of a strategy as one, and the example: the smallest that fails, else the one with the largest error in bounds.

    It is vacuous where each of them is. Raises `ValueError` inside a test under ``@given``.
    """
    if inside_hypothesis():
        raise ValueError(
            "input: is a strategy, in a test for which Hypothesis draws already; draw it there (@given or data.draw) and pass the value"
        )
    found: list[tuple[EquivarianceReport, Any]] = []

    def wrong(example: Any) -> bool:
        found.append((check(example), example))
        return not found[-1][0].passed

    failing, count = first_failure(strategy, wrong, seed)
    if failing is not None:
        report, example = check(failing.value), failing.value
    else:
        report, example = max(found, key=lambda pair: pair[0].worst.ratio if pair[0].worst else -1.0)
    drawn = [r for r, _ in found[:count]]
    idle = sum(r.vacuous is not None for r in drawn)
    notes = (*report.notes, f"drawn by Hypothesis: {count} examples, of which {idle} could not have failed")
    return replace(report, vacuous=report.vacuous if idle == count else None, notes=notes), example
