"""Outputs of any structure: the arrays in them as they are, with their gradients, and the same structure around other arrays."""

from __future__ import annotations

import copy
import dataclasses
import numbers
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import array_api_compat

__all__ = ["arrays_in", "replaced"]


def arrays_in(output: Any) -> list[Any]:
    """The arrays and numbers in an output, in the order of `parts_of`, not copied: a torch tensor keeps its gradient.

    >>> arrays_in({"a": 1, "b": (2, "text")})
    [1, 2]
    """
    found: list[Any] = []

    def take(value: Any) -> Any:
        found.append(value)
        return value

    _mapped(output, take)
    return found


def replaced(output: Any, values: Sequence[Any]) -> Any:
    """The output with these arrays in the places of its own, in the order of `arrays_in`.

    >>> replaced({"a": 1, "b": (2, "text")}, [3, 4])
    {'a': 3, 'b': (4, 'text')}
    """
    remaining = iter(values)
    return _mapped(output, lambda _: next(remaining))


def _mapped(output: Any, change: Callable[[Any], Any]) -> Any:
    """The structures are those that `parts_of` walks."""
    if array_api_compat.is_array_api_obj(output) or isinstance(output, numbers.Number):
        return change(output)
    if isinstance(output, Mapping):
        changed = {key: _mapped(value, change) for key, value in output.items()}
        if type(output) is dict or not hasattr(output, "__setitem__"):
            return changed
        like: Any = copy.copy(output)  # a mapping of another kind, such as a model's output with attributes
        for key, value in changed.items():
            like[key] = value
        return like
    if dataclasses.is_dataclass(output) and not isinstance(output, type):
        like = copy.copy(output)
        for field in dataclasses.fields(output):
            object.__setattr__(like, field.name, _mapped(getattr(output, field.name), change))
        return like
    if isinstance(output, tuple) and hasattr(output, "_fields"):
        return type(output)(*(_mapped(value, change) for value in output))
    if isinstance(output, (tuple, list)):
        return type(output)(_mapped(value, change) for value in output)
    return output
