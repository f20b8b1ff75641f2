"""What all structured matrices share: the meaning of `@`, of `apply`, and the refusals.

An operator is a matrix, or a batch of matrices, that is never written out: only `dense()` does that. It maps signals of
d axes (*levels*), flattened in row-major order where a matrix is meant, and knows how to map them when they lie on the
last axes of an array; everything else here moves axes there and back.
"""

from __future__ import annotations

import math
import operator
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from typing import Any, Generic, Literal, NoReturn, TypeAlias, TypeVar

import numpy as np

from equiconv.arrays import Array, is_complex, library, namespace, normalize_axes, promote, require_floating
from equiconv.operators.kept import Kept

__all__ = ["Convention", "Operator", "as_complex", "broadcast", "check_convention", "integer", "scale"]

Convention: TypeAlias = Literal["convolution", "correlation"]
Transform: TypeAlias = Callable[[Array, int], Array]
Structure = TypeVar("Structure", bound="Operator[Any]", covariant=True)


def check_convention(convention: str) -> None:
    """Raise `ValueError` for anything but the two conventions."""
    if convention not in ("convolution", "correlation"):
        raise ValueError(
            f'convention must be "convolution" (w[i − j], the definition) or "correlation" (w[j − i], as in deep '
            f"learning), got {convention!r}"
        )


def integer(value: int, name: str, least: int | None = None) -> int:
    """`value` as a Python int, at least `least`; anything that is not an integer is refused."""
    if isinstance(value, (bool, np.bool_)) or not hasattr(value, "__index__"):
        raise TypeError(f"{name} must be an integer, got {value!r}")
    result = operator.index(value)
    if least is not None and result < least:
        raise ValueError(f"{name} must be at least {least}, got {result}")
    return result


def broadcast(operator_batch: tuple[int, ...], other: tuple[int, ...], name: str) -> tuple[int, ...]:
    """The common batch shape, or a `ValueError` that names both."""
    if not operator_batch or not other:  # nothing to compare, and a batch that is traced stays symbolic
        return operator_batch or other
    try:
        return np.broadcast_shapes(operator_batch, other)
    except ValueError:
        raise ValueError(
            f"the operator's batch shape {operator_batch} does not broadcast with the batch shape {other} of {name}"
        ) from None


class Operator(ABC, Generic[Structure]):
    """A structured matrix of shape (*batch, M, N), as a map of signals: `C @ x`, `C.apply(x, axes)`, `C.dense()`.

    `Structure` is the class that its multiples belong to.
    """

    # NumPy, CuPy and torch then leave `array @ C` and `array * C` to the reflected methods below.
    __array_ufunc__ = None

    # what is kept of the entries between calls, by the operators that keep anything
    _kept: Kept | None = None

    @property
    @abstractmethod
    def batch(self) -> tuple[int, ...]:
        """The shape of the batch of matrices, () for one."""

    @property
    @abstractmethod
    def sizes_in(self) -> tuple[int, ...]:
        """The sizes of the levels that the operator maps from."""

    @property
    @abstractmethod
    def sizes_out(self) -> tuple[int, ...]:
        """The sizes of the levels that it maps to."""

    @abstractmethod
    def _transform(self, x: Array, gap: int) -> Array:
        """The operator applied to the last axes of `x`, whose `gap` axes before these are not part of the batch."""

    @abstractmethod
    def dense(self) -> Array:
        """The matrix itself, (*batch, M, N)."""

    @abstractmethod
    def _scaled(self, scalar: Any) -> Structure:
        """The operator times a number."""

    @property
    def ndim(self) -> int:
        """The number of levels d."""
        return len(self.sizes_in)

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of `dense()`, (*batch, M, N) with M and N the numbers of samples after and before."""
        return (*self.batch, math.prod(self.sizes_out), math.prod(self.sizes_in))

    def _check_signal(self, x: Array, name: str) -> None:
        """Refuse what the operator cannot be applied to."""
        require_floating(x, name)

    def __matmul__(self, x: Any) -> Any:
        """The product with a vector (N,), or with a stack of matrices (..., N, m), by `numpy.matmul`'s rule.

        A signal of several levels is flattened in row-major order. Only a 1-D `x` is a vector; a batch of vectors goes
        through `apply`. Batch axes broadcast. The product with an operator of the same structure is one, too.

        Raises `TypeError` for integer arrays and mixed libraries, `ValueError` for sizes that do not fit.
        """
        if isinstance(x, Operator):
            return self._compose(x)
        return self._multiply(x, "x", self._transform)

    def _multiply(self, x: Array, name: str, transform: Transform) -> Array:
        """`transform`, a map of the last axes, under matmul's rule; `name` is what the caller calls `x`."""
        self._check_signal(x, name)
        if x.ndim == 0:
            raise ValueError(f"{name} must be a vector (N,) or a stack of matrices (..., N, m), got a 0-d array")
        xp = namespace(x)
        sizes = self.sizes_in
        N, levels = math.prod(sizes), len(sizes)
        length = int(x.shape[0] if x.ndim == 1 else x.shape[-2])
        if length != N:
            hint = ""
            if x.ndim > 1 and int(x.shape[-1]) == N:
                hint = "; a batch of vectors along the last axis goes through C.apply(x)"
            raise ValueError(
                f"{name} of shape {tuple(x.shape)} has {length} rows, but the operator of shape {self.shape} has {N} "
                f"columns (levels {sizes}, flattened){hint}"
            )
        # A stack of matrices is a batch of their columns, laid out as rows so that the signal comes last.
        gap = 0 if x.ndim == 1 else 1
        rows = xp.matrix_transpose(x) if gap else x
        broadcast(self.batch, tuple(x.shape[:-2]), name)
        if levels > 1:
            rows = xp.reshape(rows, (*rows.shape[:-1], *sizes))
        y = transform(rows, gap)
        if levels > 1:
            y = xp.reshape(y, (*y.shape[: y.ndim - levels], math.prod(self.sizes_out)))
        return xp.matrix_transpose(y) if gap else y

    def apply(self, x: Array, axes: int | Iterable[int] | None = None) -> Array:
        """The same map along named axes of `x`, one per level (default: the last ones); they stay where they are.

        The batch of the operator broadcasts against the other axes of `x`, aligned at the last of them.

        Raises `TypeError` for integer arrays and mixed libraries, `ValueError` for axes or sizes that do not fit.
        """
        self._check_signal(x, "x")
        levels = self.ndim
        if axes is None and x.ndim < levels:
            raise ValueError(f"x must have at least {levels} axes, one per level, got shape {tuple(x.shape)}")
        positions = normalize_axes(range(-levels, 0) if axes is None else axes, x.ndim)
        if len(positions) != levels:
            raise ValueError(f"axes must name {levels} axes of x, one per level of the operator, got {axes!r}")
        sizes = tuple(int(x.shape[a]) for a in positions)
        if sizes != self.sizes_in:
            raise ValueError(
                f"x of shape {tuple(x.shape)} has sizes {sizes} along axes {positions}, but the operator maps levels "
                f"{self.sizes_in}"
            )
        xp = namespace(x)
        last = tuple(range(-levels, 0))
        moved = xp.moveaxis(x, positions, last)
        broadcast(self.batch, tuple(moved.shape[: moved.ndim - levels]), "x")
        y = self._transform(moved, 0)
        extra = y.ndim - x.ndim
        return xp.moveaxis(y, last, tuple(a + extra for a in positions))

    def __getstate__(self) -> dict[str, Any]:
        # Copies and pickles keep nothing: what is kept holds plans and buffers.
        return {name: value for name, value in self.__dict__.items() if name != "_kept"}

    def _compose(self, other: Operator[Any]) -> Any:
        raise TypeError(
            f"{type(self).__name__} @ {type(other).__name__} has no structure that equiconv keeps; write "
            f"A @ B.dense() for the dense product, or apply one after the other"
        )

    # Reflected products: the reason is in the message.
    def __rmatmul__(self, other: Any) -> NoReturn:
        raise TypeError(
            f"{type(other).__name__} @ {type(self).__name__} is not defined: an operator acts on the signal to its "
            f"right. A matrix times it is (C.T @ x.T).T; write C.T @ x for a vector x"
        )

    def __mul__(self, scalar: Any) -> Structure:
        if isinstance(scalar, Operator):
            raise TypeError("operators have no elementwise product; write A @ B for the product of two operators")
        return self._scaled(_number(scalar))

    __rmul__ = __mul__

    def __truediv__(self, scalar: Any) -> Structure:
        if isinstance(scalar, Operator):
            raise TypeError("operators cannot be divided; write A @ B.inv()")
        return self._scaled(1 / _number(scalar))

    def __neg__(self) -> Structure:
        return self._scaled(-1)

    def __array__(self, *args: Any, **kwargs: Any) -> NoReturn:
        raise TypeError(f"a {type(self).__name__} is never written out by itself; call .dense() for the matrix")


def _number(scalar: Any) -> Any:
    """`scalar` if it is a number or a 0-d array; anything else is refused."""
    if isinstance(scalar, (int, float, complex)):
        return scalar
    library(scalar)
    if scalar.ndim:
        raise ValueError(
            f"an operator is multiplied by a number or a 0-d array, got an array of shape {tuple(scalar.shape)}; write "
            f"C @ x for a product with a signal"
        )
    return scalar


def scale(array: Array, scalar: Any) -> Array:
    """`array` times a number, in the dtype of the array, or in complex where the number is complex and it is not."""
    if isinstance(scalar, np.generic) and library(array) not in ("numpy", "cupy"):
        scalar = scalar.item()
    return (as_complex(array) if isinstance(scalar, complex) else array) * scalar


def as_complex(array: Array) -> Array:
    """`array` in the complex dtype that it is computed in."""
    (wide,), _ = promote(array)
    if is_complex(wide):
        return wide
    xp = namespace(wide)
    return xp.astype(wide, xp.result_type(wide.dtype, xp.complex64))
