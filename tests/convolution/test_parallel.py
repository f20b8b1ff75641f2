"""Tasks among threads: each is done once, none waits for a thread that is held up, and no exception is lost."""

from __future__ import annotations

import multiprocessing
import os
import threading
from collections.abc import Iterable
from typing import Any

import pytest

from equiconv.convolution.parallel import run_parallel


@pytest.mark.parametrize("threads", [1, 2, 7, 50])
@pytest.mark.parametrize("count", [0, 1, 6, 300])
def test_each_task_is_done_once(threads: int, count: int) -> None:
    done: list[int] = []
    run_parallel(done.extend, list(range(count)), threads)
    assert sorted(done) == list(range(count))


def test_as_many_threads_as_were_asked_for() -> None:
    barrier = threading.Barrier(3, timeout=60)
    seen: set[int] = set()

    def run(tasks: Iterable[int]) -> None:
        for _ in tasks:
            barrier.wait()  # passes only where three threads have a task each
            seen.add(threading.get_ident())

    run_parallel(run, list(range(3)), 3)
    assert len(seen) == 3
    assert threading.get_ident() in seen


def test_a_thread_that_is_held_up_keeps_no_others_waiting() -> None:
    free = threading.Event()
    done: list[int] = []

    def run(tasks: Iterable[int]) -> None:
        for task in tasks:
            if task == 0:
                assert free.wait(60), "nobody else went on"
            done.append(task)
            if len(done) == 9:
                free.set()

    run_parallel(run, list(range(10)), 2)
    assert sorted(done) == list(range(10))


@pytest.mark.parametrize("threads", [1, 4])
@pytest.mark.parametrize("where", ["this thread", "another", "any"])
def test_an_exception_in_a_thread_is_raised(threads: int, where: str) -> None:
    here = threading.get_ident()
    begun = threading.Barrier(threads, timeout=60)

    def run(tasks: Iterable[int]) -> None:
        begun.wait()
        for task in tasks:
            if where == "any" and task == 3:
                raise RuntimeError("three")
        if where != "any" and (threading.get_ident() == here) == (where == "this thread" or threads == 1):
            raise RuntimeError("three")

    with pytest.raises(RuntimeError, match="three"):
        run_parallel(run, list(range(8)), threads)


def test_calls_from_several_threads_at_once() -> None:
    results: list[list[int]] = [[] for _ in range(8)]

    def call(i: int) -> None:
        run_parallel(results[i].extend, list(range(100)), 3)

    callers = [threading.Thread(target=call, args=(i,)) for i in range(8)]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join()
    assert all(sorted(r) == list(range(100)) for r in results)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_forked_process_has_threads_of_its_own() -> None:
    run_parallel(lambda tasks: [None for _ in tasks], list(range(8)), 4)  # the parent's threads are there
    context = multiprocessing.get_context("fork")
    here, there = context.Pipe()

    def child() -> None:
        barrier = threading.Barrier(2, timeout=60)

        def run(tasks: Iterable[Any]) -> None:
            for _ in tasks:
                barrier.wait()

        run_parallel(run, [0, 1], 2)
        there.send("done")

    process = context.Process(target=child)
    process.start()
    try:
        assert here.poll(600), "the forked process hangs"
        assert here.recv() == "done"
    finally:
        process.kill()
        process.join()
