"""Is the gradient the derivative of the value, and the second gradient that of the first? Central differences along a random direction say.

A backward pass that is written by hand can be equivariant and wrong: one that forgets half of the batch, or a double backward that is zero. Beside the law of
the gradient, ⟨∇⟨f(x), v⟩, u⟩ = d⟨f(x + t u), v⟩/dt is then what finds it. A function that means to have another gradient (a straight-through estimator, a
stopped gradient) does not satisfy it. The group plays no part: the law is tried at the inputs, on a copy of a module with slightly other weights.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from itertools import combinations
from typing import Any

import torch
from torch import Tensor, nn

from equiconv.arrays import Array, eps
from equiconv.measurement.outputs import Part, largest_difference, largest_magnitude
from equiconv.measurement.rounding import BEYOND, floats, rounding_floors
from equiconv.measurement.subject import Subject
from equiconv.testing.comparison import Start
from equiconv.testing.derivatives import (
    Base,
    Gradient,
    Labelled,
    Row,
    SecondGradient,
    inner,
    length,
    module_of,
    normal_like,
    require_tensors,
    weights_of,
)
from equiconv.testing.structures import arrays_in
from equiconv.testing.symmetries import Domain

__all__ = ["Derivative", "SecondDerivative"]


class Derivative(Gradient):
    """The gradients by the inputs, and those by the weights, along one random direction each, beside differences of the value; in double precision."""

    what = "derivative"

    def __init__(self, subject: Subject, domain: Domain, seed: int = 0) -> None:
        require_tensors(subject, self.what)
        super().__init__(in_double(subject, self.what, seed), domain, seed)

    def law(self, symbol: str) -> str:  # noqa: ARG002
        """The law in a line; it has nothing to do with the group."""
        return "⟨∇f(x), u⟩ = d f(x + t u)/dt"

    def after(self, start: Start, element: Any) -> list[Part]:  # noqa: ARG002
        """The derivatives at x: the weights of the copy need not be equivariant."""
        return list(start.parts)

    def start(self, leaves: Sequence[Any], floors: bool = True) -> Start:
        """The derivatives at x, with what the differences are good for as their floors."""
        start = super().start(leaves, False)
        base: Base = start.raw
        weights = {name: w.detach() for name, w in weights_of(self.subject).items()}
        along = self._along_weights()
        shaken = rounding_floors(self.subject, leaves, self.subject.parts(base.output), 2, self._seed)
        noise = {k: shaken[k] * length([v[k]]) for k, v in base.cotangents.items()}
        sides = [self._side("inputs", base, leaves, noise, lambda t: (_along(leaves, base.direction, t), None))]
        if weights:
            moved = lambda t: (leaves, {name: w + t * along[name] for name, w in weights.items()})  # noqa: E731
            sides.append(self._side("weights", base, list(weights.values()), noise, moved))
        rows = [pair for output in zip(*sides, strict=True) for pair in output]  # in the order of the parts

        def expected(element: Any) -> list[Array | None]:  # noqa: ARG001
            return [slope for slope, _ in rows]

        return Start(leaves, start.parts, base, [e / BEYOND if floors else 0.0 for _, e in rows], expected)

    def _side(
        self,
        side: str,
        base: Base,
        at: Sequence[Any],
        noise: Mapping[int, float],
        moved: Callable[[float], tuple[Sequence[Any], Mapping[str, Tensor] | None]],
    ) -> list[tuple[Tensor, float]]:
        """For each output, its derivative along the direction of the inputs, or that of the weights, by differences; and a bound on its error."""
        points = [v for v in at if floats(v)]
        # The points x ± t u are rounded as well: a roundoff of each entry, through the gradient.
        spoilt = {
            k: sum(
                eps(x.dtype) * largest_magnitude(x) * length([g])
                for x, g in zip(points, getattr(row, side).values(), strict=True)
            )
            for k, row in base.rows.items()
        }

        def paired(t: float) -> list[Tensor]:
            values = self._values(*moved(t))
            return [inner([values[k]], [v[k]]) for k, v in base.cotangents.items()]

        return list(zip(*central(paired, step_of(points), [noise[k] + spoilt[k] for k in base.rows]), strict=True))

    def _parts(self, base: Base, rows: Mapping[int, Row], direction: Sequence[Any]) -> list[Part]:
        parts: list[Part] = []
        for k, row in rows.items():
            of = f" from output{base.paths[k]}" if len(rows) > 1 else ""
            u = [direction[i] for i in row.inputs]
            parts.append(
                Labelled(f"gradient by the inputs, along a direction{of}", inner(list(row.inputs.values()), u))
            )
            if row.weights:
                along = self._along_weights()
                value = inner(list(row.weights.values()), [along[name] for name in row.weights])
                parts.append(Labelled(f"gradient by the weights, along a direction{of}", value))
        return parts

    def _least(self, rows: Mapping[int, Row]) -> list[float]:
        return [0.0] * sum(1 + bool(row.weights) for row in rows.values())

    def _scale(self, value: Tensor) -> float:
        return size_of(value)

    def _along_weights(self) -> dict[str, Tensor]:
        generator = torch.Generator().manual_seed(self._seed + 31)
        return {n: normal_like(w, generator) * size_of(w) for n, w in weights_of(self.subject).items()}

    def _values(self, leaves: Sequence[Any], weights: Mapping[str, Tensor] | None = None) -> list[Any]:
        """What f returns; with other weights."""
        args, kwargs = self.subject.arguments(leaves)
        if weights is None:
            return arrays_in(self.subject.output(leaves))
        with torch.no_grad():
            return arrays_in(torch.func.functional_call(module_of(self.subject), dict(weights), args, kwargs))


class SecondDerivative(SecondGradient):
    """The second gradient along a direction u of the inputs, beside differences of the gradients by inputs and weights along it; in double precision."""

    what = "second derivative"

    def __init__(self, subject: Subject, domain: Domain, seed: int = 0) -> None:
        require_tensors(subject, self.what)
        super().__init__(in_double(subject, self.what, seed), domain, seed)

    def law(self, symbol: str) -> str:  # noqa: ARG002
        """The law in a line; it has nothing to do with the group."""
        return "∇²f(x) u = d∇f(x + t u)/dt"

    def after(self, start: Start, element: Any) -> list[Part]:  # noqa: ARG002
        """The second derivatives at x: the weights of the copy need not be equivariant."""
        return list(start.parts)

    def start(self, leaves: Sequence[Any], floors: bool = True) -> Start:
        """The second gradients at x, with what the differences are good for as their floors."""
        start = super().start(leaves, False)
        base: Base = start.raw
        first = Gradient(self.subject, self.domain, self._seed)
        rows = {k: first.row(self.pull(leaves), v) for k, v in base.cotangents.items()}
        shaken = first.floors_at(leaves, base, rows)
        step = step_of([v for v in leaves if floats(v)])
        x = [v for v in leaves if floats(v)]
        points = max(eps(v.dtype) * largest_magnitude(v) for v in x)
        second = [p.value for p in start.parts]
        noise = [n + points * largest_magnitude(s) for n, s in zip(shaken, second, strict=True)]

        def gradients(t: float) -> list[Tensor]:
            pull = self.pull(_along(leaves, base.direction, t))
            return [g for v in base.cotangents.values() for g in first.row(pull, v).all()]

        slopes, errors = central(gradients, step, noise)

        def expected(element: Any) -> list[Array | None]:  # noqa: ARG001
            return list(slopes)

        return Start(leaves, start.parts, base, [e / BEYOND if floors else 0.0 for e in errors], expected)

    def _row(self, *given: Any) -> Row:
        return replace(super()._row(*given), dual=None)

    def _scale(self, value: Tensor) -> float:
        return size_of(value)


# Differences ----------------------------------------------------------------------------------------------------------


def central(
    at: Callable[[float], Sequence[Tensor]], step: float, noise: Sequence[float]
) -> tuple[list[Tensor], list[float]]:
    """The derivative of each array at 0, and a bound on its error.

    noise: how much rounding changes each array. The bound is the change that noise makes over the step, and four times the larger of two differences: between
    the slopes to the right and to the left, and between the results for the steps t, 2t and 4t. The first is twice the error that a kink within the step
    makes, and more than that of a smooth function; it takes two kinks that cancel to hide it, and then the second shows them.

    >>> slopes, bounds = central(lambda t: [torch.tensor(2.0 + t, dtype=torch.float64) ** 2], 1e-6, [1e-15])
    >>> abs(float(slopes[0]) - 4) < bounds[0] < 1e-4
    True
    """
    middle = at(0.0)
    found, kinks = [], [0.0] * len(middle)
    for factor in (1.0, 2.0, 4.0):
        t = factor * step
        right, left = at(t), at(-t)
        found.append([(a - b) / (2 * t) for a, b in zip(right, left, strict=True)])
        bends = [largest_difference(a - m, m - b) / t for a, m, b in zip(right, middle, left, strict=True)]
        kinks = [max(k, b) for k, b in zip(kinks, bends, strict=True)]
    spread = [max(largest_difference(a, b) for a, b in combinations(column, 2)) for column in zip(*found, strict=True)]
    return found[0], [n / step + 4 * max(s, k) for n, s, k in zip(noise, spread, kinks, strict=True)]


def step_of(at: Sequence[Tensor]) -> float:
    """The step for which rounding over it and the error that is linear in it are alike, for a direction of the size of x."""
    return math.sqrt(BEYOND * max(eps(v.dtype) for v in at))


def in_double(subject: Subject, what: str, seed: int) -> Subject:
    """A copy of the function in double precision, with a thousandth of noise on a module's weights.

    Over a step in single precision a ReLU has too many kinks for a bound that tells anything. And weights are often zero at first, such as the last ones of
    a residual branch: then many a ReLU is at its kink, and the function has no derivative there.

    Raises `ValueError` where it does not run so.
    """
    leaves = tuple(
        v.to(torch.complex128 if v.is_complex() else torch.float64) if floats(v) else v for v in subject.leaves
    )
    generator = torch.Generator().manual_seed(seed + 97)
    try:
        call = copy.deepcopy(subject.call).double() if isinstance(subject.call, nn.Module) else subject.call
        wide = replace(subject, call=call, leaves=leaves)
        with torch.no_grad():
            for weight in module_of(wide).parameters():
                if floats(weight):
                    weight.add_(normal_like(weight, generator) * (0.001 * size_of(weight)))
        wide.output()
    except Exception as error:
        raise ValueError(
            f"what: {what!r} is tested in float64, and {subject.name} does not run in it ({type(error).__name__}: {error}); pass a function that does"
        ) from error
    return wide


def size_of(value: Tensor) -> float:
    """The root mean square; 1 for zeros."""
    return length([value]) / value.numel() ** 0.5 or 1.0


def _along(leaves: Sequence[Any], direction: Sequence[Any], t: float) -> list[Any]:
    return [v + t * u if floats(v) else v for v, u in zip(leaves, direction, strict=True)]
