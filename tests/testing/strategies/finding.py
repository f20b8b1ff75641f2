"""What a strategy draws and what it shrinks to, found with a fixed seed."""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import Any

from hypothesis import Phase, find, given, settings
from hypothesis import strategies as st
from hypothesis.errors import NoSuchExample


def smallest(strategy: Any, condition: Callable[[Any], Any] = lambda _value: True, seed: int = 0) -> Any:
    """The simplest value that meets the condition."""
    return find(strategy, lambda v: bool(condition(v)), settings=settings(database=None), random=Random(seed))


def some(strategy: Any, condition: Callable[[Any], Any] = lambda _value: True, tries: int = 500, seed: int = 0) -> Any:
    """A value that meets the condition, as it was drawn; raises `NoSuchExample` where none of so many does."""
    options = settings(database=None, max_examples=tries, phases=(Phase.generate,))
    return find(strategy, lambda v: bool(condition(v)), settings=options, random=Random(seed))


def occurs(strategy: Any, condition: Callable[[Any], Any], tries: int = 500) -> bool:
    """Whether one of so many values meets the condition."""
    try:
        some(strategy, condition, tries)
    except NoSuchExample:
        return False
    return True


def every(strategy: Any, check: Callable[[Any], Any], tries: int = 60) -> None:
    """Run a check on so many values: it asserts, or returns whether all is well."""

    @settings(max_examples=tries, deadline=None, database=None, derandomize=True)
    @given(st.data())
    def run(data: Any) -> None:
        outcome = check(data.draw(strategy))
        assert outcome is None or outcome

    run()
