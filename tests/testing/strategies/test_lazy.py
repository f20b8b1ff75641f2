"""The strategies cost nothing until one is made, and nobody needs to know which file holds them."""

from __future__ import annotations

import subprocess
import sys

import pytest


def loaded_after(statement: str) -> set[str]:
    """The packages of every module that is loaded after the statement, in an interpreter of its own."""
    code = f"import sys\n{statement}\nprint(*{{name.split('.')[0] for name in sys.modules}})"
    return set(subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split())


def test_hypothesis_is_imported_when_a_strategy_is_made_and_not_before() -> None:
    load = "from equiconv.testing import strategies"
    assert "hypothesis" not in loaded_after(load)
    assert "hypothesis" in loaded_after(f"{load}\nstrategies.grids()")


def test_strategies_are_an_attribute_of_the_room_and_all_public_names_are_there() -> None:
    import equiconv.testing

    strategies = equiconv.testing.strategies
    assert "strategies" in dir(equiconv.testing)
    for name in strategies.__all__:
        value = getattr(strategies, name)
        assert value.__doc__ or not callable(value), name
    with pytest.raises(AttributeError, match="has no attribute 'strategie'"):
        equiconv.testing.strategie  # noqa: B018
