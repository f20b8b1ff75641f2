"""Equivariance of derivatives: the gradient by an input moves as the input does, the gradient by a weight stays as it is.

Let f(ρ(g) x) = σ(g) f(x) with ρ and σ orthogonal, and let G(x, v) be the gradient of ⟨f(x), v⟩. By the chain rule G(ρx, σv) = ρ G(x, v) for an input and
G(ρx, σv) = G(x, v) for a weight, since ρᵀ = ρ⁻¹. The same holds of the gradient of ⟨G(x, v), u⟩, with u moved as x is: double backward. For complex
arrays ⟨a, b⟩ is the real part of Σ a·conj(b), as torch has it.

These laws are tried on generic inputs, never on small integers: at a tie (equal values under a max pooling, a zero under ReLU) a gradient is one of several,
and which of them a backward pass takes need not move with the input.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils import _pytree as pytree

from equiconv.arrays import Array, eps, to_numpy
from equiconv.measurement.outputs import Part, largest_difference
from equiconv.measurement.rounding import BEYOND, RandomRounding, Shaker, floats, own_roundoff
from equiconv.measurement.subject import Subject
from equiconv.testing.comparison import Start
from equiconv.testing.structures import arrays_in, replaced
from equiconv.testing.symmetries import Domain

__all__ = [
    "Base",
    "Gradient",
    "Labelled",
    "Pull",
    "Row",
    "SecondGradient",
    "inner",
    "length",
    "module_of",
    "normal_like",
    "require_tensors",
    "weights_of",
]

_SAMPLES = 2  # runs that a rounding floor takes


@dataclass(frozen=True, eq=False)
class Labelled(Part):
    """An array that is compared, and is no part of the output: its path is its name."""

    @property
    def label(self) -> str:
        """The name."""
        return self.path


class Pull:
    """One forward run with gradients, from which as many backward runs start as there are cotangents.

    Attributes
    ----------
    inputs: for each floating argument, the tensor that gradients are taken by. weights: a module's parameters, without the frozen ones.
    output: what f returned; values: the arrays in it. within: a context around the forward run and every backward run.
    """

    def __init__(
        self, subject: Subject, leaves: Sequence[Any], within: AbstractContextManager[Any] | None = None
    ) -> None:
        self.within = within
        self.inputs = {i: v.detach().clone().requires_grad_() for i, v in enumerate(leaves) if floats(v)}
        self.weights = weights_of(subject)
        # A copy, for f may write into its arguments, which autograd forbids for the tensors that it differentiates by.
        given = [self.inputs.get(i, v) for i, v in enumerate(leaves)]
        args, kwargs = pytree.tree_unflatten([v.clone() if isinstance(v, Tensor) else v for v in given], subject.spec)
        with torch.enable_grad(), within or nullcontext():
            self.output = subject.call(*args, **kwargs)
        self.values = arrays_in(self.output)

    @property
    def roots(self) -> list[int]:
        """Which of the arrays in the output have a gradient."""
        return [k for k, v in enumerate(self.values) if floats(v) and v.requires_grad]

    def back(
        self, roots: Sequence[Tensor], cotangents: Sequence[Tensor], sources: Sequence[Tensor], again: bool = False
    ) -> list[Tensor]:
        """The gradient of Σ ⟨root, cotangent⟩ by each source: zero where it has none. again: to be differentiated once more."""
        live = [(r, v) for r, v in zip(roots, cotangents, strict=True) if r.requires_grad]
        if not live:
            return [torch.zeros_like(s) for s in sources]
        with torch.enable_grad(), self.within or nullcontext():
            found = torch.autograd.grad(
                [r for r, _ in live],
                list(sources),
                [v for _, v in live],
                retain_graph=True,
                create_graph=again,
                allow_unused=True,
            )
        filled = [torch.zeros_like(s) if g is None else g for g, s in zip(found, sources, strict=True)]
        return filled if again else [g.detach() for g in filled]


@dataclass(frozen=True, eq=False)
class Row:
    """The derivatives that belong to one output: by each input, by each weight; of a second derivative, also what depends on the cotangent."""

    inputs: Mapping[int, Tensor]
    weights: Mapping[str, Tensor]
    dual: Dual | None = None

    def all(self) -> list[Tensor]:
        """The derivatives by inputs and weights, in order."""
        return [*self.inputs.values(), *self.weights.values()]

    def filled(self, values: Iterator[Tensor]) -> Row:
        """The row with the next of other arrays in their places."""
        return Row({i: next(values) for i in self.inputs}, {name: next(values) for name in self.weights})


@dataclass(frozen=True, eq=False)
class Dual:
    """The second derivative by the cotangent v, an array for each in the output; the two sides of Euler's identity, and what rounding does to them."""

    by: Sequence[Any]
    along: Tensor
    euler: Tensor
    floor: float


@dataclass(frozen=True, eq=False)
class Base:
    """What a comparison of derivatives starts from: for each output its cotangent (zero on all others), the direction u, and the derivatives."""

    output: Any
    paths: Sequence[str]
    cotangents: Mapping[int, list[Any]]
    direction: Sequence[Any]
    rows: Mapping[int, Row]


class Gradient:
    """The backward pass: gradients of ⟨f(x), v⟩ by every floating input and every weight, v a seeded normal for each floating output in turn."""

    what = "gradient"
    beyond = BEYOND
    notes: tuple[str, ...] = ()

    def __init__(self, subject: Subject, domain: Domain, seed: int = 0) -> None:
        require_tensors(subject, self.what)
        self.subject, self.domain, self._seed = subject, domain, seed

    def law(self, symbol: str) -> str:
        """The law in a line; that the gradient by a weight stays goes without saying."""
        return f"∇f({symbol} x) = {symbol} ∇f(x)"

    def start(self, leaves: Sequence[Any], floors: bool = True) -> Start:
        """The gradients at x, with the rounding floor of each: forward and backward run again under random rounding, the cotangents shaken too."""
        pull = self.pull(leaves)
        # Seeded by the input besides: else a linear function had the same gradient at all of them, and seemed dead.
        generator = torch.Generator().manual_seed(self._seed + _fingerprint(leaves))
        drawn = {k: normal_like(pull.values[k], generator) for k in pull.roots}
        outputs = self.subject.parts(pull.output)
        zeros = [torch.zeros_like(p.value) if isinstance(p.value, Tensor) else p.value * 0 for p in outputs]
        cotangents = {k: [drawn[k] if i == k else z for i, z in enumerate(zeros)] for k in drawn}
        direction = [
            normal_like(v, generator) * self._scale(v) if i in pull.inputs else v for i, v in enumerate(leaves)
        ]
        rows = {k: self._row(pull, k, v, direction) for k, v in cotangents.items()}
        base = Base(pull.output, [p.path for p in outputs], cotangents, direction, rows)
        parts = self._parts(base, rows, direction)
        found = self.floors_at(leaves, base, rows) if floors else [0.0] * len(parts)
        return Start(leaves, parts, base, found, lambda element: self._expected(base, leaves, element))

    def floors_at(self, leaves: Sequence[Any], base: Base, rows: Mapping[int, Row]) -> list[float]:
        """The largest change that random rounding makes to each part."""
        found, parts = self._least(rows), self._parts(base, rows, base.direction)
        for sample in range(_SAMPLES):
            shaker = Shaker(self._seed + 7_919 + sample)
            shaken = self.pull(leaves, RandomRounding(self._seed + sample, _kept(self.subject)))
            again = {k: self._row(shaken, k, _shaken(v, shaker), base.direction) for k, v in base.cotangents.items()}
            found = [
                max(floor, largest_difference(a.value, b.value))
                for floor, a, b in zip(found, self._parts(base, again, base.direction), parts, strict=True)
            ]
        return found

    def after(self, start: Start, element: Any) -> list[Part]:
        """The gradients at g x, with the cotangents σ(g) v."""
        base: Base = start.raw
        leaves = self.domain.move(element, start.leaves)
        pull = self.pull(leaves)
        direction = self._moved_inputs(element, start.leaves, base.direction)
        rows = {}
        for k, v in base.cotangents.items():
            acted = self._acted(base, v, element)
            # Where σ says nothing of an output, nothing is expected of its row: any cotangent will do.
            moved = v if acted[k] is None else [z if a is None else a for a, z in zip(acted, v, strict=True)]
            _require_orthogonal(v, moved, element, "output")
            rows[k] = self._row(pull, k, moved, direction)
        return self._parts(base, rows, direction)

    # What one evaluation is made of -----------------------------------------------------------------------------------

    def pull(self, leaves: Sequence[Any], within: AbstractContextManager[Any] | None = None) -> Pull:
        """A forward run. Raises `ValueError` where nothing in the output has a gradient."""
        pull = Pull(self.subject, leaves, within)
        if not pull.roots:
            raise ValueError(
                f"f: nothing that {self.subject.name} returns has a gradient (it is detached, computed under no_grad, or of integers), so its "
                f'{self.what} cannot be tested; pass what="value", or a function that torch can differentiate'
            )
        return pull

    def _scale(self, value: Tensor) -> float:  # noqa: ARG002
        """How long a direction should be beside an input."""
        return 1.0

    def _row(self, pull: Pull, k: int, cotangents: list[Any], direction: Sequence[Any]) -> Row:  # noqa: ARG002
        """The derivatives for one cotangent; k is the output that it belongs to."""
        return self.row(pull, cotangents)

    def row(self, pull: Pull, cotangents: Sequence[Any]) -> Row:
        """The gradients for one cotangent."""
        roots = pull.roots
        found = pull.back(
            [pull.values[r] for r in roots],
            [cotangents[r] for r in roots],
            [*pull.inputs.values(), *pull.weights.values()],
        )
        return _row_of(pull, found)

    def _parts(self, base: Base, rows: Mapping[int, Row], direction: Sequence[Any]) -> list[Part]:  # noqa: ARG002
        """All that is compared, named, in one order."""
        parts: list[Part] = []
        for k, row in rows.items():
            of = f" from output{base.paths[k]}" if len(rows) > 1 else ""
            named = [(f"by {self.subject.labels[i]}", g) for i, g in row.inputs.items()]
            named += [(f"by {name}", g) for name, g in row.weights.items()]
            if row.dual is not None:
                named += [("by the cotangent", row.dual.by[k]), ("by the cotangent, along it", row.dual.along)]
            parts += [Labelled(f"{self.what} {name}{of}", g.detach().clone()) for name, g in named]
        return parts

    def _expected(self, base: Base, leaves: Sequence[Any], element: Any) -> list[Array | None]:
        """What each of them should be after the element."""
        expected: list[Array | None] = []
        for k, row in base.rows.items():
            count = len(row.inputs) + len(row.weights) + 2 * (row.dual is not None)
            if self._acted(base, base.cotangents[k], element)[k] is None:
                expected += [None] * count
                continue
            moved = self._moved_inputs(element, leaves, [row.inputs.get(i, v) for i, v in enumerate(leaves)])
            expected += [*(moved[i] for i in row.inputs), *row.weights.values()]
            if row.dual is not None:
                expected += [self._acted(base, row.dual.by, element)[k], row.dual.euler]
        return expected

    def _acted(self, base: Base, values: Sequence[Any], element: Any) -> list[Array | None]:
        """σ(g) of arrays in the places of the output's."""
        parts = [Part(path, value) for path, value in zip(base.paths, values, strict=True)]
        return self.domain.expectation(parts, replaced(base.output, values))(element)

    def _moved_inputs(self, element: Any, leaves: Sequence[Any], values: Sequence[Any]) -> list[Any]:
        """ρ(g) of arrays in the places of the inputs."""
        floating = [i for i, v in enumerate(leaves) if floats(v)]
        moved = self.domain.move(element, values)
        _require_orthogonal([values[i] for i in floating], [moved[i] for i in floating], element, "input")
        return moved

    def _least(self, rows: Mapping[int, Row]) -> list[float]:
        """The least that rounding does to each part."""
        found: list[float] = []
        for k, row in rows.items():
            dual = [] if row.dual is None else [row.dual.by[k]]
            found += [own_roundoff(Part("", g)) for g in (*row.inputs.values(), *row.weights.values(), *dual)]
            found += [] if row.dual is None else [row.dual.floor]
        return found


class SecondGradient(Gradient):
    """Double backward: gradients of ⟨G(x, v), u⟩ by every input, every weight and the cotangent v, where G is the gradient by the inputs.

    G is linear in v, so that ⟨∂⟨G, u⟩/∂v, v⟩ = ⟨G, u⟩ (Euler): a double backward that is silently zero does not satisfy it.
    """

    what = "second gradient"

    def law(self, symbol: str) -> str:
        """The law in a line."""
        return f"∇²f({symbol} x) = {symbol} ∇²f(x)"

    def _row(self, pull: Pull, k: int, cotangents: list[Any], direction: Sequence[Any]) -> Row:  # noqa: ARG002
        roots = pull.roots
        values = [pull.values[r] for r in roots]
        v = [cotangents[r].detach().clone().requires_grad_() for r in roots]
        u = [direction[i] for i in pull.inputs]
        first = pull.back(values, v, list(pull.inputs.values()), again=True)
        sources = [*pull.inputs.values(), *pull.weights.values(), *v]
        try:
            found = pull.back(first, u, sources)
        except RuntimeError as error:
            error.add_note(f"raised by the double backward of {self.subject.name}")
            raise
        row = _row_of(pull, found[: len(found) - len(v)])
        by_v = dict(zip(roots, found[len(found) - len(v) :], strict=True))
        one, other = ([by_v[r] for r in roots], v), (first, u)
        floor = sum(length(a) * length(b) * max(eps(x.dtype) for x in a) for a, b in (one, other))
        dual = Dual([by_v.get(i, z) for i, z in enumerate(cotangents)], inner(*one), inner(*other), floor)
        return Row(row.inputs, row.weights, dual)


def _row_of(pull: Pull, found: Sequence[Tensor]) -> Row:
    count = len(pull.inputs)
    return Row(dict(zip(pull.inputs, found[:count], strict=True)), dict(zip(pull.weights, found[count:], strict=True)))


# Arrays ---------------------------------------------------------------------------------------------------------------


def normal_like(value: Tensor, generator: torch.Generator) -> Tensor:
    """Standard normals of the tensor's shape, dtype and device; drawn on the host, so that a seed means the same everywhere."""
    wide = torch.complex128 if value.is_complex() else torch.float64
    return torch.randn(value.shape, dtype=wide, generator=generator).to(value.device, value.dtype)


def inner(a: Sequence[Tensor], b: Sequence[Tensor]) -> Tensor:
    """Σ Re a·conj(b) over all of the pairs, in double precision: the summation adds no rounding of its own."""
    wide = [torch.complex128 if x.is_complex() else torch.float64 for x in a]
    return torch.stack(
        [(x.detach().to(w) * y.detach().to(w).conj()).real.sum() for x, y, w in zip(a, b, wide, strict=True)]
    ).sum()


def length(a: Sequence[Tensor]) -> float:
    """The Euclidean length of all of them together."""
    return math.sqrt(float(inner(a, a)))


def _shaken(values: Sequence[Any], shaker: Shaker) -> list[Any]:
    """Each entry changed by one roundoff: what a sum of them loses shows even where little of the sum is left."""
    copies = [v.clone() if isinstance(v, Tensor) else v for v in values]
    for value in copies:
        if floats(value):
            shaker.shake(value)
    return copies


def _require_orthogonal(before: Sequence[Any], after: Sequence[Any], element: Any, where: str) -> None:
    """Refuse an action that changes lengths: the gradient does not move by it. Raises `ValueError`."""
    pairs = [(a, b) for a, b in zip(before, after, strict=True) if floats(a)]
    was, now = (float(inner(list(side), list(side))) for side in zip(*pairs, strict=True))
    widest = max(eps(a.dtype) for a, _ in pairs)
    if abs(now - was) > BEYOND * widest * was:
        raise ValueError(
            f"group: {element} takes an {where} of length {was**0.5:.6g} to one of length {now**0.5:.6g}; gradients move as the {where} does "
            "under orthogonal maps only (permutations, rotations, changes of sign)"
        )


def require_tensors(subject: Subject, what: str) -> None:
    """Refuse a function of other arrays than torch's. Raises `TypeError`."""
    if subject.library != "torch":
        raise TypeError(
            f"what: {what!r} is of torch functions only, and x is of {subject.library}; pass torch.as_tensor(x) and a function of tensors"
        )


def _fingerprint(leaves: Sequence[Any]) -> int:
    return sum(zlib.crc32(np.ascontiguousarray(to_numpy(v)).tobytes()) for v in leaves if floats(v))


def module_of(subject: Subject) -> nn.Module:
    """The module that is run; an empty one for a function."""
    return subject.call if isinstance(subject.call, nn.Module) else nn.Module()


def weights_of(subject: Subject) -> Mapping[str, Tensor]:
    """A module's floating parameters, without the frozen ones."""
    return {name: p for name, p in module_of(subject).named_parameters() if p.requires_grad and floats(p)}


def _kept(subject: Subject) -> list[Tensor]:
    module = module_of(subject)
    return [*module.parameters(), *module.buffers()]
