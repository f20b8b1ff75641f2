"""What a function returns, as a flat list of named arrays, and how far two such arrays are apart."""

from __future__ import annotations

import dataclasses
import math
import numbers
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import array_api_compat
import numpy as np
import torch
from torch.utils import _pytree as pytree

from equiconv.arrays import Array, compute_dtype, dtype_name, is_complex, namespace

__all__ = [
    "Part",
    "copied",
    "holds_nan",
    "is_finite",
    "largest_difference",
    "largest_magnitude",
    "left_out",
    "parts_of",
    "require_dense",
]


@dataclass(frozen=True, eq=False)
class Part:
    """One array of an output.

    path: what to write after the output to get it: ``""`` for a bare array, ``[0]``, ``["logits"]``, ``.logits``.
    value: the array, a copy of its own.
    """

    path: str
    value: Array

    @property
    def label(self) -> str:
        """The part's name in a report, such as ``output["logits"]``."""
        return f"output{self.path}"

    @property
    def is_logits(self) -> bool:
        """Whether the last key or attribute on the path is ``logits``."""
        return self.path.endswith(('["logits"]', ".logits"))


def parts_of(output: Any) -> list[Part]:
    """The arrays in an output: an array, a number, or mappings, dataclasses, tuples and lists of them, however nested.

    Strings, None and other objects hold no array and are left out. Every value is a copy: a function may hand out a
    buffer that its next call overwrites.

    Raises `TypeError` for a sparse or nested tensor.

    >>> [part.label for part in parts_of({"logits": np.zeros(2), "aux": (np.ones(1), None)})]
    ['output["logits"]', 'output["aux"][0]']
    """
    found = []
    for path, value in _walk(output, ""):
        require_dense(value, f"output{path}")
        found.append(Part(path, _copy(value)))
    return found


def require_dense(value: Any, label: str) -> None:
    """Refuse a sparse or nested tensor, on whose entries torch does not do what it does on those of others.

    Raises `TypeError`.
    """
    if isinstance(value, torch.Tensor) and (value.layout != torch.strided or value.is_nested):
        if value.is_nested:
            word, way = "nested", f"{label}.to_padded_tensor(0.0)"
        else:
            word, way = str(value.layout).removeprefix("torch."), f"{label}.to_dense()"
        raise TypeError(f"{label}: is a {word} tensor, whose entries cannot be moved and compared; write {way}")


def left_out(output: Any) -> list[str]:
    """Names of the types in an output that hold neither an array nor None nor text, and that `parts_of` therefore leaves out.

    >>> left_out((np.zeros(2), None, object()))
    ['object']
    """
    if array_api_compat.is_array_api_obj(output) or isinstance(output, (numbers.Number, str, bytes, type(None))):
        return []
    if isinstance(output, Mapping):
        inner: list[Any] = list(output.values())
    elif dataclasses.is_dataclass(output) and not isinstance(output, type):
        inner = [getattr(output, field.name) for field in dataclasses.fields(output)]
    elif isinstance(output, (tuple, list)):
        inner = list(output)
    else:
        return [type(output).__name__]
    return [name for value in inner for name in left_out(value)]


def _walk(output: Any, path: str) -> Iterator[tuple[str, Any]]:
    if array_api_compat.is_array_api_obj(output) or isinstance(output, numbers.Number):
        yield path, output
    elif isinstance(output, Mapping):
        for key, value in output.items():
            yield from _walk(value, f'{path}["{key}"]' if isinstance(key, str) else f"{path}[{key!r}]")
    elif dataclasses.is_dataclass(output) and not isinstance(output, type):
        for field in dataclasses.fields(output):
            yield from _walk(getattr(output, field.name), f"{path}.{field.name}")
    elif isinstance(output, tuple) and hasattr(output, "_fields"):
        for name in output._fields:
            yield from _walk(getattr(output, name), f"{path}.{name}")
    elif isinstance(output, (tuple, list)):
        for index, value in enumerate(output):
            yield from _walk(value, f"{path}[{index}]")


def copied(output: Any) -> Any:
    """The output with its arrays copied, for a function that may write into them."""

    def copy(value: Any) -> Any:
        return _copy(value) if array_api_compat.is_array_api_obj(value) else value

    return pytree.tree_map(copy, output)


def _copy(value: Any) -> Array:
    if isinstance(value, (numbers.Number, np.generic)):
        return np.asarray(value)
    xp = namespace(value)
    return xp.asarray(value.detach() if hasattr(value, "detach") else value, copy=True)


def _comparable(value: Array) -> Array:
    """The array in a dtype in which differences do not wrap around (integers, booleans) and lose nothing (halves)."""
    if isinstance(value, torch.Tensor):
        value = value.detach()  # torch warns where a tensor with a gradient becomes a number
    xp = namespace(value)
    if is_complex(value) or dtype_name(value.dtype).startswith(("float", "bfloat", "longdouble")):
        return xp.astype(value, compute_dtype(value.dtype), copy=False)
    return xp.astype(value, xp.float64)


def largest_difference(a: Array, b: Array) -> float:
    """max |a − b|; equal infinities and two NaNs differ by 0, a NaN on one side only by infinity. 0 for empty arrays.

    Raises `ValueError` where the shapes differ.

    >>> largest_difference(np.array([1.0, np.inf]), np.array([0.5, np.inf]))
    0.5
    """
    if tuple(a.shape) != tuple(b.shape):
        raise ValueError(
            f"output: has shape {tuple(a.shape)} in one run and {tuple(b.shape)} in another; they cannot be compared"
        )
    if math.prod(a.shape) == 0:
        return 0.0
    xp = namespace(a, b)
    a, b = _comparable(a), _comparable(b)
    with np.errstate(invalid="ignore", over="ignore"):
        same = (a == b) | (xp.isnan(a) & xp.isnan(b))
        difference = xp.abs(xp.where(same, xp.zeros_like(a), a - b))
    largest = float(xp.max(difference))
    return math.inf if math.isnan(largest) else largest


def holds_nan(a: Array) -> bool:
    """Whether an entry is NaN.

    >>> holds_nan(np.array([1.0, np.nan])), holds_nan(np.arange(2))
    (True, False)
    """
    xp = namespace(a)
    return bool(xp.any(xp.isnan(_comparable(a))))


def is_finite(a: Array) -> bool:
    """Whether no entry is NaN or infinite.

    >>> is_finite(np.array([1.0, np.inf])), is_finite(np.arange(2))
    (False, True)
    """
    xp = namespace(a)
    return bool(xp.all(xp.isfinite(_comparable(a))))


def largest_magnitude(a: Array) -> float:
    """max |a| over the finite entries; 0 where there is none.

    >>> largest_magnitude(np.array([-3.0, np.inf]))
    3.0
    """
    if math.prod(a.shape) == 0:
        return 0.0
    xp = namespace(a)
    magnitude = xp.abs(_comparable(a))
    return float(xp.max(xp.where(xp.isfinite(magnitude), magnitude, xp.zeros_like(magnitude))))
