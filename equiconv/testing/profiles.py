"""How much a test tries: three profiles, from seconds to hours, the current one chosen for a whole run or for one block.

The pytest plugin sets it (``--equiconv-profile``), the environment does (``EQUICONV_PROFILE``), and so does `use`. What a call names itself, such as
``max_examples=``, goes before the profile.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass

__all__ = ["PROFILES", "Profile", "current", "use"]


@dataclass(frozen=True)
class Profile:
    """How much is tried.

    runs: how often an assertion may run the function, its search for a counterexample aside. exhaustive: the largest group that is walked element by
    element. samples: independent uniform draws behind a stated rate. examples: Hypothesis examples for one law.

    >>> PROFILES["dev"].examples < PROFILES["ci"].examples < PROFILES["nightly"].examples
    True
    """

    name: str
    runs: int
    exhaustive: int
    samples: int
    examples: int


PROFILES = {
    p.name: p
    for p in (
        Profile("dev", runs=200, exhaustive=64, samples=100, examples=30),
        Profile("ci", runs=600, exhaustive=256, samples=300, examples=150),
        Profile("nightly", runs=10_000, exhaustive=4096, samples=3000, examples=3000),
    )
}

_VARIABLE = "EQUICONV_PROFILE"
_chosen: ContextVar[Profile | None] = ContextVar("equiconv profile", default=None)


def current() -> Profile:
    """The profile in force: the innermost `use`, else that of the environment variable ``EQUICONV_PROFILE``, else ``dev``.

    Raises `ValueError` where the variable names no profile.

    >>> with use("nightly"):
    ...     current().name
    'nightly'
    """
    return _chosen.get() or _named(os.environ.get(_VARIABLE) or "dev", _VARIABLE)


@contextmanager
def use(profile: str | Profile) -> Iterator[Profile]:
    """Try as much as this profile says, within the block.

    Raises `ValueError` for a name that is none of `PROFILES`.
    """
    chosen = profile if isinstance(profile, Profile) else _named(profile, "profile")
    token = _chosen.set(chosen)
    try:
        yield chosen
    finally:
        _chosen.reset(token)


def _named(name: str, argument: str) -> Profile:
    if name not in PROFILES:
        raise ValueError(
            f"{argument}: got {name!r}; choose one of {', '.join(PROFILES)}, or pass a Profile of your own"
        )
    return PROFILES[name]
