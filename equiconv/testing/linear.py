"""Assertions about maps between arrays: two maps commute, and one is the adjoint of another."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import array_api_compat
import numpy as np

from equiconv.arrays import Array, asarray_like, device, eps, is_complex, namespace, to_numpy
from equiconv.measurement.outputs import Part, copied, is_finite, largest_magnitude
from equiconv.measurement.rounding import BEYOND, limit_for, rounding_floors
from equiconv.measurement.subject import Subject
from equiconv.testing.assertions import judged
from equiconv.testing.comparison import WIDE, Rows, Start, bound_text, compare, inputs_of, reported, require_same
from equiconv.testing.counterexample import Counterexample
from equiconv.testing.inputs import example_of, is_strategy, over_examples, require_options
from equiconv.testing.recipes import Sparse, imports, lines
from equiconv.testing.report import EquivarianceReport
from equiconv.testing.script import locate
from equiconv.testing.shrinking import smallest
from equiconv.testing.symmetries import Coverage, Domain

__all__ = ["assert_adjoint", "assert_commutes"]

_WHOLE = 256  # entries of an input up to which every column of a matrix is compared


def assert_commutes(
    a: Any,
    b: Any,
    input: Any,
    *,
    tolerance: float | None = None,
    vacuous: str = "warn",
    seed: int = 0,
    name: str | None = None,
) -> EquivarianceReport:
    """Assert that a(b(x)) = b(a(x)), beyond what rounding explains in either.

    Two circulants commute, and a convolution commutes with every shift (lecture items L28, L29).

    Parameters
    ----------
    a, b: functions of one array that return one array of the same shape; or operators and matrices that act by ``@`` on the last axis.
    input: an array, a shape (float64 in NumPy; a module's dtype where ``a`` is one), or a Hypothesis strategy for one. One pixel, small integers and
        standard normals of that shape are tried besides.
    tolerance, vacuous, seed, name: as in `assert_equivariant`.

    Returns
    -------
    The report. It is vacuous where b leaves every input alone, or the result does not depend on the input.

    Raises
    ------
    LawFailure: with the smallest input for which the two orders differ. TypeError, ValueError: as `assert_equivariant`; a map that changes the shape so
        that the other does not accept it raises what that one raises.

    Examples
    --------
    >>> import numpy as np, equiconv as eq
    >>> from equiconv.testing import assert_commutes
    >>> C, S = eq.Circulant(np.array([3.0, 1.0, 0.0, 2.0])), eq.Shift(1, 4)
    >>> assert_commutes(C, S, (4,)).verdict
    'verified'
    >>> assert_commutes(C, np.diag([1.0, 2.0, 3.0, 4.0]), (4,))
    Traceback (most recent call last):
    equiconv.testing.report.LawFailure: Circulant: a(b(x)) = b(a(x)) fails in ...
    """
    __tracebackhide__ = True
    require_options(tolerance, seed=seed)
    first, second = _as_map(a, "a"), _as_map(b, "b")
    law = "a(b(x)) = b(a(x))"

    def order(value: Any) -> tuple[_Commuting, bool]:
        x, given = example_of(a, value, seed)
        return _Commuting(first, second, a, f"b is {_name(b)}", x, seed), given

    def check(value: Any) -> EquivarianceReport:
        evaluation, given = order(value)
        rows = compare(
            evaluation,
            list(inputs_of(evaluation.subject, given, seed)),
            [f"b is {_name(b)}"],
            tolerance,
            lambda _text: None,
        )
        text = bound_text(tolerance, evaluation.beyond)
        return reported(
            evaluation.subject,
            rows,
            law=law,
            group=f"b is {_name(b)}",
            coverage=evaluation.coverage(1, 1, seed),
            bound=text,
        )

    report, example = over_examples(check, input, seed) if is_strategy(input) else (check(input), input)
    if not report.passed:
        report = replace(
            report, counterexample=smallest(order(example)[0], [f"b is {_name(b)}"], tolerance, law, name, seed)
        )
    return judged(report, vacuous)


class _Commuting:
    """b(a(x)), to be compared with a(b(x)): an evaluation with a single element, b."""

    what = "value"
    text = "b"

    def __init__(
        self, a: Callable[..., Any], b: Callable[..., Any], given: Any, name_b: str, x: Any, seed: int
    ) -> None:
        self.subject = replace(Subject.of(a, x, -1), f=given, name=_name(given))
        self.domain: Domain = self
        self._b, self._name_b, self._seed = b, name_b, seed
        self.beyond = limit_for(self.subject)
        self._orders = (Subject.of(lambda x: b(a(x)), x, -1), Subject.of(lambda x: a(b(x)), x, -1))

    def start(self, leaves: Sequence[Any], floors: bool = True) -> Start:
        """b(a(x)), with the rounding floor of the coarser of the two orders."""
        parts = self._orders[0].run(leaves)
        found = [0.0] * len(parts)
        if floors:
            for order in self._orders:
                of_order = rounding_floors(order, leaves, order.run(leaves), 2, self._seed, beyond=self.beyond)
                found = [max(f, g) for f, g in zip(found, of_order, strict=True)]
        return Start(leaves, parts, None, found, lambda _element: [p.value for p in parts])

    def after(self, start: Start, element: Any) -> list[Part]:  # noqa: ARG002
        """a(b(x))."""
        return self._orders[1].run(start.leaves)

    def move(self, element: Any, leaves: Sequence[Any]) -> list[Any]:  # noqa: ARG002
        """b(x), of a copy: b may write into what it is given."""
        return [self._b(copied(v)) if i in self.subject.moved else v for i, v in enumerate(leaves)]

    def expectation(self, parts: Sequence[Part], raw: Any) -> Callable[[Any], list[Array | None]]:  # noqa: ARG002
        return lambda _element: [p.value for p in parts]

    def coverage(self, most: int, exhaustive: int, seed: int) -> Coverage:  # noqa: ARG002
        return Coverage((self._name_b,), "the two orders", True, 1)

    def draws(self, count: int, seed: int) -> Sequence[Any]:  # noqa: ARG002
        return [self._name_b] * count

    def law(self, parts: Sequence[Part], raw: Any) -> str:  # noqa: ARG002
        return "a(b(x)) = b(a(x))"


def assert_adjoint(
    a: Any, adjoint: Any, input: Any, *, tolerance: float | None = None, vacuous: str = "warn", seed: int = 0
) -> EquivarianceReport:
    """Assert that ⟨a(x), y⟩ = ⟨x, adjoint(y)⟩ for all x and y, with ⟨u, v⟩ = Σ conj(u)·v, beyond what rounding explains.

    The adjoint of a convolution is a correlation with the conjugated kernel; that of a strided layer is the transposed layer. A backward pass is the adjoint of
    the forward pass. For up to 256 entries every pair of basis vectors is compared, which decides the law for linear maps; for more, random pairs are.

    Parameters
    ----------
    a, adjoint: functions of one array, or operators and matrices that act by ``@`` on the last axis.
    input: an array or the shape of x (float64 in NumPy; a module's dtype where ``a`` is one), or a Hypothesis strategy for one. y has the shape of a(x).
    tolerance, vacuous, seed: as in `assert_equivariant`.

    Returns
    -------
    The report. It is vacuous where a(x) is zero for every x that was tried.

    Raises
    ------
    LawFailure: with the entry of the matrix that differs, A[i, j] ≠ conj(A*[j, i]). ValueError: the adjoint does not return the shape of x.

    Examples
    --------
    >>> import numpy as np, equiconv as eq
    >>> from equiconv.testing import assert_adjoint
    >>> C = eq.Circulant(np.array([1.0, 2.0, 0.0]))
    >>> assert_adjoint(C, C.H, (3,)).verdict
    'verified'
    >>> assert_adjoint(C, C, (3,))
    Traceback (most recent call last):
    equiconv.testing.report.LawFailure: Circulant: ⟨a x, y⟩ = ⟨x, a* y⟩ fails in ...
    """
    __tracebackhide__ = True
    require_options(tolerance, seed=seed)
    forward, backward = _as_map(a, "a"), _as_map(adjoint, "adjoint")

    def check(value: Any) -> EquivarianceReport:
        return _Pairing(forward, backward, a, example_of(a, value, seed)[0], seed).report(tolerance)

    return judged(over_examples(check, input, seed)[0] if is_strategy(input) else check(input), vacuous)


@dataclass(frozen=True)
class _Pair:
    """A vector of the domain and one of the range, and what is known of ⟨a x, y⟩ − ⟨x, a* y⟩. most: how large it could be."""

    name: str
    error: float
    bound: float
    most: float


class _Pairing:
    def __init__(self, a: Callable[..., Any], adjoint: Callable[..., Any], given: Any, x: Array, seed: int) -> None:
        self.subject = replace(Subject.of(a, x, -1), f=given, name=_name(given))
        (part,) = self._steady(self.subject, "a")
        if not part.value.ndim:
            raise ValueError(
                "a: returns a number; an adjoint is one of a map from an array to an array with at least one axis"
            )
        if not is_finite(part.value):
            raise ValueError("a: returns NaN or infinite values on the input; a linear map is finite everywhere")
        self.back = Subject.of(adjoint, part.value, -1)
        (returned,) = self._steady(self.back, "adjoint")
        if tuple(returned.value.shape) != tuple(x.shape):
            raise ValueError(
                f"adjoint: returns the shape {tuple(returned.value.shape)} on an output of a; it must return that of x, {tuple(x.shape)}"
            )
        self.given, self.seed = given, seed
        self.x, self.y = x, part.value

    def _steady(self, subject: Subject, word: str) -> list[Part]:
        """What a map returns, twice the same."""
        parts = self._single(subject.run(), word)
        host = str(device(subject.example)) == "cpu"
        floors = [0.0] if host else rounding_floors(subject, subject.leaves, parts, 2)
        require_same(parts, subject.run(), floors, BEYOND, host, word)
        return parts

    @staticmethod
    def _single(parts: list[Part], word: str) -> list[Part]:
        if len(parts) != 1:
            raise ValueError(
                f"{word}: returns {len(parts)} arrays; an adjoint is one of a map from one array to one array"
            )
        return parts

    def report(self, tolerance: float | None) -> EquivarianceReport:
        names, pairs = [], []
        for (name, xs, _), (_, ys, _) in zip(
            inputs_of(self.subject, True, self.seed), inputs_of(self.back, True, self.seed + 1), strict=True
        ):
            names.append(name)
            pairs.append(self._pair(name, xs, ys, tolerance))
        counterexample = None
        columns = math.prod(self.x.shape) <= _WHOLE and math.prod(self.y.shape) <= _WHOLE
        if columns:
            names.append("every pair of basis vectors")
            worst, counterexample = self._entries(tolerance)
            pairs.append(worst)
        rows = Rows(
            tuple(names),
            np.asarray([[p.error] for p in pairs]),
            np.asarray([[p.bound] for p in pairs]),
            tuple(("⟨a x, y⟩",) for _ in pairs),
            (),
            self._vacuous(pairs),
        )
        tried = "all entries of the matrix, and pairs" if columns else "pairs"
        report = reported(
            self.subject,
            rows,
            law="⟨a x, y⟩ = ⟨x, a* y⟩",
            group="a and its adjoint",
            coverage=Coverage(("a and its adjoint",), tried, columns, 1),
            bound=bound_text(tolerance, BEYOND),
            notes=() if tolerance is not None or rows.vacuous else self._wide(pairs),
        )
        return replace(report, counterexample=counterexample)

    @staticmethod
    def _wide(pairs: Sequence[_Pair]) -> tuple[str, ...]:
        share = min((p.bound / p.most for p in pairs if p.most), default=0.0)
        if share <= WIDE:
            return ()
        return (
            f"rounding explains at least {share:.2g} of the two sides: a smaller fault would not be seen; compute in a wider dtype",
        )

    @staticmethod
    def _vacuous(pairs: Sequence[_Pair]) -> str | None:
        """Why nothing could have failed: a bound that is at least the sum of both sides is never exceeded."""
        if not any(p.most for p in pairs):
            return "a(x) is zero for every x that was tried"
        if all(p.bound >= p.most for p in pairs):
            return "the bound is more than the two sides can differ by; compute in a wider dtype, or pass a tolerance"
        return None

    def _pair(self, name: str, xs: list[Any], ys: list[Any], tolerance: float | None) -> _Pair:
        """One pairing. What rounding explains of it: the floor of each entry of a x and a* y, weighed by the other factor, and a roundoff of the sums.

        Errors of N entries add up as √N where their signs are independent, so the weights are 2-norms; a worst case of N would hide a wrong entry.
        """
        (ax,), (ay,) = self.subject.run(xs), self.back.run(ys)
        (fx,) = rounding_floors(self.subject, xs, [ax], 2, self.seed)
        (fy,) = rounding_floors(self.back, ys, [ay], 2, self.seed)
        x, y, u, v = (_wide(value) for value in (xs[0], ys[0], ax.value, ay.value))
        left, right = np.vdot(u, y), np.vdot(x, v)
        size = float(np.abs(u) @ np.abs(y) + np.abs(x) @ np.abs(v))
        bound = BEYOND * (
            fx * float(np.linalg.norm(y)) + fy * float(np.linalg.norm(x)) + float(np.finfo(float).eps) * size
        )
        error = float(abs(left - right))
        return _Pair(name, math.inf if math.isnan(error) else error, bound if tolerance is None else tolerance, size)

    def _entries(self, tolerance: float | None) -> tuple[_Pair, Counterexample | None]:
        """The entries of the two matrices, read off column by column."""
        matrix, other = _columns(self.subject, self.x), _columns(self.back, self.y)
        difference = np.abs(matrix - other.conj().T)
        difference[np.isnan(difference)] = math.inf
        j = int(np.argmax(difference.max(axis=0)))
        i = int(np.argmax(difference[:, j]))
        narrow = max(eps(self.x.dtype), eps(self.y.dtype))
        size = max(largest_magnitude(matrix), largest_magnitude(other))
        bound = tolerance if tolerance is not None else BEYOND * narrow * size
        pair = _Pair("every pair of basis vectors", float(difference[i, j]), bound, 2 * size)
        if pair.error <= bound:
            return pair, None
        wrong = np.argwhere(difference > bound)
        i, j = (int(k) for k in min(wrong.tolist(), key=lambda entry: (sum(entry), entry)))
        column, row = (
            tuple(int(k) for k in np.unravel_index(place, value.shape)) for place, value in ((j, self.x), (i, self.y))
        )
        got, expected = (asarray_like(np.asarray(value), self.y) for value in (matrix[i, j], other[j, i].conj()))
        text = [
            *imports(self.x),
            *locate(self.given, None),
            *lines(Sparse(((column, 1),)), self.x, "x"),
            f"# entry {row} of model(x)",
        ]
        found = Counterexample(
            self.subject.name,
            "⟨a x, y⟩ = ⟨x, a* y⟩",
            (),
            (),
            self.x,
            ((column, 1),),
            f"A{list(row + column)}",
            expected,
            got,
            float(difference[i, j]),
            bound if tolerance is not None else bound / BEYOND,
            "\n".join(dict.fromkeys(text)) + "\n",
            matrix.shape[0] + matrix.shape[1],
            True,
            f"x and y are the basis vectors e{list(column)} and e{list(row)}: expected is conj(A*{list(column + row)})",
        )
        return pair, found


def _columns(subject: Subject, like: Array) -> np.ndarray[Any, Any]:
    """The matrix of a linear map, a column for each entry of its argument."""
    xp, count = namespace(like), math.prod(like.shape)
    found = []
    for place in range(count):
        unit = xp.zeros(count, dtype=like.dtype, device=device(like))
        unit[place] = 1
        found.append(_wide(subject.run([xp.reshape(unit, tuple(like.shape))])[0].value))
    return np.stack(found, axis=1)


def _wide(value: Array) -> np.ndarray[Any, Any]:
    host = to_numpy(value).reshape(-1)
    return host.astype(np.complex128 if is_complex(value) else np.float64)


def _as_map(given: Any, word: str) -> Callable[..., Any]:
    """A function, or the map x → given @ x of an operator or matrix."""
    if callable(given):
        return given  # type: ignore[no-any-return]
    if array_api_compat.is_array_api_obj(given):
        if given.ndim == 2:
            return lambda x: x @ given.T
    elif hasattr(given, "__matmul__"):
        return lambda x: given @ x
    raise TypeError(
        f"{word}: got {type(given).__name__}; pass a function of an array, or an operator or matrix that acts by @"
    )


def _name(given: Any) -> str:
    return getattr(given, "__name__", type(given).__name__)
