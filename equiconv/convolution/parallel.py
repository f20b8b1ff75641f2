"""Blocks dealt out among threads: libraries and NumPy let go of the interpreter's lock while they compute."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextvars import copy_context
from typing import TypeVar

from equiconv.convolution.engines.forking import forks

__all__ = ["run_parallel"]

Task = TypeVar("Task")

_LOCK = threading.Lock()
_pool: tuple[int, ThreadPoolExecutor] | None = None


def _workers() -> ThreadPoolExecutor:
    """The threads of this process: those of its parent are not there after a fork."""
    global _pool
    with _LOCK:
        if _pool is None or _pool[0] != forks():
            _pool = forks(), ThreadPoolExecutor(max(4, os.cpu_count() or 1), thread_name_prefix="equiconv")
        return _pool[1]


def _after_fork() -> None:
    global _LOCK
    _LOCK = threading.Lock()  # another thread of the parent may have held it


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)


def run_parallel(run: Callable[[Iterable[Task]], None], tasks: Sequence[Task], threads: int) -> None:
    """`run` on all tasks, by the calling thread and at most `threads` − 1 others; an exception of any of them is raised.

    Each takes the next task when it is done with one, so that a thread that is held up keeps no others waiting. The
    others see the caller's context variables (such as NumPy's `errstate`). After an exception no further task is begun.
    Where no thread can be started, as while the interpreter closes down, the calling one does it all.

    >>> done = []
    >>> run_parallel(lambda some: done.extend(some), [1, 2, 3], 2)
    >>> sorted(done)
    [1, 2, 3]
    """
    threads = min(threads, len(tasks))
    if threads <= 1:
        run(tasks)
        return
    rest = _Dealt(tasks)
    others: list[Future[None]] = []
    try:
        for _ in range(threads - 1):
            other: Future[None] = Future()
            others.append(other)
            try:
                _workers().submit(copy_context().run, _take_part, other, run, rest)
            except RuntimeError:
                # The interpreter closes down, or there are too many threads. What was submitted may be begun all the
                # same, so that `other` counts as one of them.
                break
        _run_dealt(run, rest)
    finally:
        for other in others:
            # one that has not begun finds nothing left to do
            if not other.cancel():
                other.exception()
    for other in others:
        if not other.cancelled():
            other.result()


def _take_part(part: Future[None], run: Callable[[Iterable[Task]], None], rest: _Dealt[Task]) -> None:
    """`run` in another thread; its end, or its exception, is that of `part`."""
    if not part.set_running_or_notify_cancel():
        return
    try:
        _run_dealt(run, rest)
    except BaseException as error:  # noqa: BLE001 (the caller raises it)
        part.set_exception(error)
    else:
        part.set_result(None)


def _run_dealt(run: Callable[[Iterable[Task]], None], rest: _Dealt[Task]) -> None:
    try:
        run(rest)
    except BaseException:
        rest.end()
        raise


class _Dealt(Iterator[Task]):
    """The tasks, each for one of the threads that ask."""

    def __init__(self, tasks: Iterable[Task]) -> None:
        self._rest, self._lock = iter(tasks), threading.Lock()

    def __next__(self) -> Task:
        with self._lock:
            return next(self._rest)

    def end(self) -> None:
        """Deal no more."""
        with self._lock:
            self._rest = iter(())
