"""How often this process was forked: libraries that keep threads wait for them for ever in a child, where they are not."""

from __future__ import annotations

import os

__all__ = ["forks"]

_forks = 0


def _after_fork() -> None:
    global _forks
    _forks += 1


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)


def forks() -> int:
    """The number of forks between the process that imported this and the one that asks.

    >>> forks()
    0
    """
    return _forks
