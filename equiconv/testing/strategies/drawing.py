"""What the strategies share: arguments that may be drawn themselves, and grids given as they come."""

from __future__ import annotations

import operator
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

if TYPE_CHECKING:
    from hypothesis.strategies import DrawFn, SearchStrategy

    _T = TypeVar("_T")
    #: A value, or a strategy that draws it.
    Drawable: TypeAlias = _T | SearchStrategy[_T]

__all__ = ["checked_grid", "checked_int", "one_of", "settled"]


def settled(draw: DrawFn, value: Any) -> Any:
    """The value itself, or what it draws where it is a strategy."""
    from hypothesis.strategies import SearchStrategy

    return draw(value) if isinstance(value, SearchStrategy) else value


def checked_int(value: Any, name: str, least: int = 1) -> int:
    """An integer of at least `least`; refuses everything else."""
    if isinstance(value, bool) or not hasattr(value, "__index__"):
        raise TypeError(f"{name}: must be an integer, at least {least}, got {value!r}")
    number = operator.index(value)
    if number < least:
        raise ValueError(f"{name}: must be an integer, at least {least}, got {number}")
    return number


def checked_grid(value: Any, name: str = "grid") -> tuple[int, ...]:
    """The sides of a grid, from one side or several, each at least 1."""
    sides = tuple(value) if isinstance(value, Iterable) and not isinstance(value, str) else (value,)
    if not sides:
        raise ValueError(f"{name}: is empty; name at least one side, such as (8,) or (6, 4)")
    return tuple(checked_int(n, name) for n in sides)


def one_of(value: Any, name: str, accepted: Iterable[str]) -> str:
    """One of the accepted words; refuses every other."""
    words = tuple(accepted)
    if value not in words:
        raise ValueError(f"{name}: got {value!r}; choose one of {', '.join(repr(w) for w in words)}")
    return str(value)
