"""Transforms that are at rest, kept with their workspaces and plans for the next call that needs the same one."""

from __future__ import annotations

import os
import threading
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

from equiconv.convolution.engines.base import Transform
from equiconv.convolution.engines.registry import make_transform

__all__ = ["TransformKey", "borrow", "set_idle_limit"]


class TransformKey(NamedTuple):
    """What makes two transforms the same."""

    engine: str
    shape: tuple[int, ...]
    axes: tuple[int, ...]
    dtype: str
    threads: int = 1
    measured: bool = False


_LOCK = threading.Lock()
_IDLE: OrderedDict[TransformKey, list[Transform]] = OrderedDict()
_idle_bytes = 0
_idle_limit = 64 * 2**20


def _after_fork() -> None:
    global _LOCK
    _LOCK = threading.Lock()  # another thread of the parent may have held it


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)


@contextmanager
def borrow(key: TransformKey) -> Iterator[Transform]:
    """A transform for the time of the context: one at rest, or a new one.

    Two threads never hold the same one. One that was interrupted by an exception is not used again.

    >>> with borrow(TransformKey("torch", (8,), (0,), "float32")) as transform:
    ...     transform.shape
    (8,)
    """
    transform = take(key)
    yield transform
    give(key, transform)


def take(key: TransformKey) -> Transform:
    """The two halves of `borrow`, for the shortest way: every `take` is followed by a `give`, unless it failed."""
    global _idle_bytes
    with _LOCK:
        idle = _IDLE.get(key)
        if idle:
            transform = idle.pop()
            _idle_bytes -= transform.workspace
            if not idle:
                del _IDLE[key]
            return transform
    return make_transform(key.engine, key.shape, key.axes, key.dtype, key.threads, measured=key.measured)


def give(key: TransformKey, transform: Transform) -> None:
    global _idle_bytes
    with _LOCK:
        _IDLE.setdefault(key, []).append(transform)
        _IDLE.move_to_end(key)
        _idle_bytes += transform.workspace
        _shrink()


def set_idle_limit(limit: int) -> int:
    """At most this many bytes are kept by transforms at rest (64 MiB unless told); returns the limit before.

    >>> before = set_idle_limit(0)
    >>> set_idle_limit(before)
    0
    """
    global _idle_limit
    if limit < 0:
        raise ValueError(f"limit must be a number of bytes, at least 0, got {limit}")
    with _LOCK:
        before, _idle_limit = _idle_limit, limit
        _shrink()
    return before


def _shrink() -> None:
    """Forget the transforms that have rested longest, until the rest is within the limit."""
    global _idle_bytes
    while _idle_bytes > _idle_limit and _IDLE:
        key, idle = next(iter(_IDLE.items()))
        if idle:
            _idle_bytes -= idle.pop().workspace
        if not idle:
            del _IDLE[key]
