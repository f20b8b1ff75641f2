"""What an assertion compares, by name: the value of a function, its derivatives, or its value when it runs in another way."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, Protocol, TypeAlias

import numpy as np

from equiconv.arrays import asarray_like, eps, to_numpy
from equiconv.measurement.subject import Subject
from equiconv.testing.comparison import Evaluation, Origin, Values, inputs_of, normals
from equiconv.testing.derivatives import Gradient, SecondGradient
from equiconv.testing.differences import Derivative, SecondDerivative
from equiconv.testing.generic import NORMALS
from equiconv.testing.running import Autocast, Compiled, Vmapped
from equiconv.testing.symmetries import Domain, Shifting

__all__ = ["EVALUATIONS", "Choice", "What", "chosen", "evaluation_of", "law_of", "trials_of"]


class Choice(Evaluation, Protocol):
    """An evaluation that `what` can name."""

    @property
    def notes(self) -> tuple[str, ...]:
        """What was noticed, once all has been compared."""

    def law(self, symbol: str) -> str | None:
        """The law in a line, the symbol standing for what moves x; None for that of the value."""


#: What `what` takes: a name, or a function of a subject, a domain and a seed.
What: TypeAlias = str | Callable[[Subject, Domain, int], Choice]

EVALUATIONS: dict[str, Callable[[Subject, Domain, int], Choice]] = {
    "value": Values,
    "gradient": Gradient,
    "second gradient": SecondGradient,
    "derivative": Derivative,
    "second derivative": SecondDerivative,
    "compiled": Compiled,
    "vmapped": Vmapped,
    "autocast": Autocast,
}


def chosen(what: What | Sequence[What]) -> tuple[What, ...]:
    """What to compare, as a tuple. Raises `ValueError` for an unknown name or none at all."""
    several = (what,) if isinstance(what, str) or callable(what) else tuple(what)
    unknown = [w for w in several if isinstance(w, str) and w not in EVALUATIONS]
    if not several or unknown:
        raise ValueError(
            f"what: got {what!r}; pass one or several of {tuple(EVALUATIONS)}, or a function that makes an evaluation"
        )
    return several


def evaluation_of(what: What, subject: Subject, domain: Domain, seed: int) -> Choice:
    """The evaluation that a name stands for."""
    return (EVALUATIONS[what] if isinstance(what, str) else what)(subject, domain, seed)


def law_of(evaluation: Choice, default: str) -> str:
    """The law in a line. default: that of the value."""
    return evaluation.law("S" if isinstance(evaluation.domain, Shifting) else "g") or default


def trials_of(evaluation: Choice, given: bool, seed: int) -> list[tuple[str, list[Any], Origin]]:
    """Inputs to try, as `inputs_of` has them. Derivatives are taken on generic inputs alone: on small integers and single pixels values coincide, and there
    a gradient is not unique. An input that was given gets noise added for the same reason."""
    subject = evaluation.subject
    if not isinstance(evaluation, Gradient):
        return list(inputs_of(subject, given, seed))
    fresh = [normals(v, seed + 101 + i) if i in subject.moved else v for i, v in enumerate(subject.leaves)]
    if not given:
        return [(NORMALS, list(subject.leaves), Origin.GIVEN), ("other normals", fresh, Origin.GENERIC)]
    noisy = [
        _noisy(v, n) if i in subject.moved else v for i, (v, n) in enumerate(zip(subject.leaves, fresh, strict=True))
    ]
    return [("the given input with a little noise", noisy, Origin.GIVEN), ("normals", fresh, Origin.GENERIC)]


def _noisy(value: Any, noise: Any) -> Any:
    """The value plus noise of a thousandth of its root mean square (0.001 for zeros), or of four roundoffs of a narrow dtype where that is more."""
    size = math.sqrt(float(np.mean(np.abs(to_numpy(value)) ** 2))) or 1.0
    return value + noise * asarray_like(max(0.001, 4 * eps(value.dtype)) * size, value)
