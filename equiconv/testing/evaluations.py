"""What an assertion compares, by name: the value of a function, its derivatives, or its value when it is run in another way."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, TypeAlias

from equiconv.arrays import asarray_like, is_complex, namespace, to_numpy
from equiconv.measurement.subject import Subject
from equiconv.testing.comparison import Evaluation, Values, inputs_of, normals
from equiconv.testing.derivatives import Gradient, SecondGradient
from equiconv.testing.running import Autocast, Compiled, Vmapped
from equiconv.testing.symmetries import Domain

__all__ = ["EVALUATIONS", "What", "evaluation_of", "names_of", "trials_of"]

#: What `what` takes: a name, or a function that makes an evaluation of a subject, a domain and a seed.
What: TypeAlias = "str | Callable[[Subject, Domain, int], Evaluation]"

EVALUATIONS: dict[str, Callable[[Subject, Domain, int], Evaluation]] = {
    "value": Values,
    "gradient": Gradient,
    "second gradient": SecondGradient,
    "compiled": Compiled,
    "vmapped": Vmapped,
    "autocast": Autocast,
}
