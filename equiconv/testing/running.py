"""The value of a function when it runs in another way: compiled by `torch.compile`, mapped by `torch.func.vmap`, under autocast.

Each is compared twice: with itself, by the law; and with the plain call on the same input. Code that asks how it runs, and then computes something else, may
well be equivariant either way.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import Any
from unittest import SkipTest

import torch
from torch import Tensor
from torch.utils import _pytree as pytree

from equiconv.arrays import Array, device, dtype_name
from equiconv.measurement.outputs import Part, largest_difference
from equiconv.measurement.rounding import BEYOND, BEYOND_NARROW, floats, rounding_floors
from equiconv.measurement.subject import Subject
from equiconv.testing.comparison import Start
from equiconv.testing.derivatives import Labelled, require_tensors
from equiconv.testing.structures import arrays_in, replaced
from equiconv.testing.symmetries import Domain

__all__ = ["Autocast", "Compiled", "Unavailable", "Vmapped"]

_FLOORS = 2  # runs that a rounding floor takes


class Unavailable(SkipTest):
    """Something outside of this library is missing, such as a C++ compiler. A test runner reports the test as skipped, with the reason."""


class _Another(ABC):
    """Shared by the ways of running: the law between two runs of the same way, and each run beside the plain call."""

    what = ""
    beyond = BEYOND

    def __init__(self, subject: Subject, domain: Domain, seed: int = 0) -> None:
        require_tensors(subject, self.what)
        self.subject, self.domain, self._seed = subject, domain, seed

    @property
    def notes(self) -> tuple[str, ...]:
        """What was noticed."""
        return ()

    def law(self, symbol: str) -> None:  # noqa: ARG002
        """That of the value."""
        return

    def start(self, leaves: Sequence[Any], floors: bool = True) -> Start:
        """f(x), run the other way, with the rounding floor of each part."""
        raw = self._run(leaves)
        parts = self.subject.parts(raw)
        found = self._floors(leaves, parts) if floors else [0.0] * len(parts)
        law = self.domain.expectation(parts, raw)

        def expected(element: Any) -> list[Array | None]:
            plain = self.subject.run(self.domain.move(element, leaves))
            return [*law(element), *(p.value if self._comparable(p) else None for p in plain)]

        return Start(leaves, self._twice(parts), raw, [*found, *found], expected)

    def after(self, start: Start, element: Any) -> list[Part]:
        """f(g x), run the other way."""
        return self._twice(self.subject.parts(self._run(self.domain.move(element, start.leaves))))

    def _twice(self, parts: Sequence[Part]) -> list[Part]:
        return [*parts, *(Labelled(f"{p.label} ({self.what}, beside the plain call)", p.value) for p in parts)]

    def _comparable(self, part: Part) -> bool:  # noqa: ARG002
        """Whether a part of the plain output must come out the same, but for rounding."""
        return True

    def _floors(self, leaves: Sequence[Any], parts: Sequence[Part]) -> list[float]:  # noqa: ARG002
        return rounding_floors(self.subject, leaves, self.subject.run(leaves), _FLOORS, self._seed)

    @abstractmethod
    def _run(self, leaves: Sequence[Any]) -> Any:
        """What f returns when it runs the other way."""


class Compiled(_Another):
    """The function compiled by `torch.compile`.

    backend: ``"inductor"``, which needs a C++ compiler (on CUDA, Triton) and else raises `Unavailable`; or another that torch has: ``"aot_eager"``
    traces and differentiates as inductor does and generates no code. What torch compiled before in this process is forgotten first (and compiled again
    when it is called), for it stops compiling a function that it has compiled eight times.

    ``what="compiled"`` stands for the default backend. Raises `ValueError` for another that torch does not have, and where nothing of f is compiled.

    >>> from functools import partial
    >>> from equiconv.testing import Compiled, equivariance_error
    >>> eager = partial(Compiled, backend="aot_eager")
    >>> equivariance_error(lambda x: x + x.roll(1, -1), torch.ones(1, 3) / 3, axes=-1, what=eager).verdict
    'verified'
    """

    what = "compiled"

    def __init__(self, subject: Subject, domain: Domain, seed: int = 0, backend: str = "inductor") -> None:
        super().__init__(subject, domain, seed)
        self._graphs = 0
        self._backend = backend
        try:
            inner = torch._dynamo.lookup_backend(backend)
        except torch._dynamo.exc.InvalidBackend as error:
            raise ValueError(
                f"backend: torch has no {backend!r}; choose one of {torch.compiler.list_backends()}"
            ) from error

        def counted(graph: Any, examples: Any) -> Any:
            self._graphs += 1
            return inner(graph, examples)

        torch.compiler.reset()
        self._call: Callable[..., Any] = torch.compile(subject.call, backend=counted)

    @property
    def notes(self) -> tuple[str, ...]:
        """How much was compiled."""
        return (f"torch.compile made {self._graphs} graph{'' if self._graphs == 1 else 's'} with {self._backend}",)

    def _run(self, leaves: Sequence[Any]) -> Any:
        args, kwargs = self.subject.arguments(leaves)
        try:
            with torch.no_grad():
                output = self._call(*args, **kwargs)
        except Exception as error:
            if reason := _missing(error):
                raise Unavailable(
                    f"torch.compile cannot run here: {reason}; install a compiler, or try another backend: "
                    'what=partial(Compiled, backend="aot_eager")'
                ) from error
            error.add_note(f"raised by {self.subject.name} compiled with {self._backend}")
            raise
        if not self._graphs:
            raise ValueError(
                f"f: torch.compile found nothing to compile in {self.subject.name}, which ran as it is; it tests nothing here"
            )
        return output


def _missing(error: BaseException | None) -> str:
    """What is missing where an error of torch.compile says that something outside of torch is; else nothing."""
    while error is not None:
        if type(error).__name__ in ("InvalidCxxCompiler", "TritonMissing") or "is not supported on Python" in str(
            error
        ):
            return f"{type(error).__name__}: {str(error).splitlines()[0]}"
        error = getattr(error, "inner_exception", None) or error.__cause__
    return ""


class Vmapped(_Another):
    """The function mapped over a new first dim, in which the input and the moved input are stacked."""

    what = "vmapped"

    def after(self, start: Start, element: Any) -> list[Part]:
        """f(g x), as the second row of the map over x and g x."""
        moved = self.domain.move(element, start.leaves)
        return self._twice(self.subject.parts(self._rows(start.leaves, moved)[1]))

    def _run(self, leaves: Sequence[Any]) -> Any:
        return self._rows(leaves, leaves)[0]

    def _rows(self, *several: Sequence[Any]) -> list[Any]:
        """The output for each of several argument lists, from one call."""
        mapped = [i for i, v in enumerate(several[0]) if isinstance(v, Tensor)]
        seen: list[Any] = []

        def call(*tensors: Tensor) -> list[Tensor]:
            leaves = list(several[0])
            for i, tensor in zip(mapped, tensors, strict=True):
                leaves[i] = tensor.clone()
            args, kwargs = pytree.tree_unflatten(leaves, self.subject.spec)
            seen.append(self.subject.call(*args, **kwargs))
            return [v for v in arrays_in(seen[-1]) if isinstance(v, Tensor)]

        stacks = [torch.stack([leaves[i] for leaves in several]) for i in mapped]
        try:
            with torch.no_grad():
                found = torch.func.vmap(call)(*stacks)
        except Exception as error:
            error.add_note(f"raised by torch.func.vmap of {self.subject.name}")
            raise
        rows = []
        for number in range(len(several)):
            values = iter([stack[number] for stack in found])
            rows.append(replaced(seen[-1], [next(values) if isinstance(v, Tensor) else v for v in arrays_in(seen[-1])]))
        return rows


class Autocast(_Another):
    """The function under `torch.autocast`, within rounding of the narrow dtype; its outputs that are not floating are not compared with the plain ones.

    dtype: ``torch.bfloat16``, for which ``what="autocast"`` stands, or ``torch.float16``.

    >>> from functools import partial
    >>> from equiconv.testing import Autocast, equivariance_error
    >>> layer = torch.nn.Conv1d(1, 2, 3, padding=1, padding_mode="circular").eval()
    >>> equivariance_error(layer, (1, 1, 6), axes=-1, what=partial(Autocast, dtype=torch.float16)).verdict
    'verified'
    """

    what = "autocast"
    beyond = BEYOND_NARROW

    def __init__(self, subject: Subject, domain: Domain, seed: int = 0, dtype: torch.dtype = torch.bfloat16) -> None:
        super().__init__(subject, domain, seed)
        self._dtype, self._changed = dtype, False

    @property
    def notes(self) -> tuple[str, ...]:
        """Whether anything ran in the narrow dtype."""
        name = dtype_name(self._dtype)
        return (
            () if self._changed else (f"autocast to {name} changed no bit of the output: nothing of f runs in {name}",)
        )

    def _comparable(self, part: Part) -> bool:
        return floats(part.value)

    def _run(self, leaves: Sequence[Any], within: AbstractContextManager[Any] | None = None) -> Any:
        args, kwargs = self.subject.arguments(leaves)
        kind = str(device(self.subject.example)).split(":")[0]
        with torch.no_grad(), torch.autocast(kind, self._dtype):
            if within is None:
                return self.subject.call(*args, **kwargs)
            with within:
                return self.subject.call(*args, **kwargs)

    def _floors(self, leaves: Sequence[Any], parts: Sequence[Part]) -> list[float]:
        plain = self.subject.run(leaves)
        self._changed = self._changed or any(
            largest_difference(a.value, b.value) > 0 for a, b in zip(parts, plain, strict=True)
        )
        run = lambda given, within: self.subject.parts(self._run(given, within))  # noqa: E731
        return rounding_floors(self.subject, leaves, parts, _FLOORS, self._seed, run, self.beyond)
