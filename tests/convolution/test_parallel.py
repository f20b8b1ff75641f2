"""Tasks among threads: each is done once, none waits for a thread that is held up, and no exception is lost."""

from __future__ import annotations

import multiprocessing
import os
import subprocess
import sys
import threading
from collections.abc import Iterable
from typing import Any

import numpy as np
import pytest

from equiconv.convolution import parallel
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
    parent: list[int] = []
    run_parallel(parent.extend, list(range(8)), 4)  # the parent's threads are there
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


@pytest.mark.parametrize("begun", [True, False])
def test_where_no_thread_is_started_the_caller_does_it_all(begun: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """`submit` may fail after it has queued the call, which a thread of an earlier call may begin."""
    started: list[threading.Thread] = []
    inside, go = threading.Event(), threading.Event()

    class Refusing:
        def submit(self, call: Any, *arguments: Any) -> None:
            if begun:
                started.append(threading.Thread(target=call, args=arguments))
                started[-1].start()
                inside.wait(60)
            raise RuntimeError("can't start new thread")

    monkeypatch.setattr(parallel, "_workers", Refusing)
    here, done = threading.get_ident(), []

    def run(tasks: Iterable[int]) -> None:
        for task in tasks:
            if threading.get_ident() != here:
                inside.set()
                assert go.wait(60)
            elif task == 9:
                go.set()
            done.append(task)

    run_parallel(run, list(range(10)), 3)
    assert sorted(done) == list(range(10))
    assert len(started) == begun
    for thread in started:
        thread.join()


@pytest.mark.parametrize("where", ["atexit.register(late)", "threading.Thread(target=late).start()"])
def test_while_the_interpreter_closes_down(where: str) -> None:
    program = f"""if True:
        import atexit, threading, time
        from equiconv.convolution.parallel import run_parallel

        def late():
            main = threading.main_thread()
            while threading.current_thread() is not main and main.is_alive():
                time.sleep(0.01)
            time.sleep(0.2)  # until no thread is started any more
            done = []
            run_parallel(done.extend, list(range(50)), 4)
            print(sorted(done) == list(range(50)))

        run_parallel(list, list(range(8)), 2)
        {where}
    """
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "True\n", "")


def test_after_an_exception_no_task_is_begun(monkeypatch: pytest.MonkeyPatch) -> None:
    here, failed = threading.get_ident(), threading.Event()
    both = threading.Barrier(2, timeout=60)
    done: list[int] = []

    def run(tasks: Iterable[int]) -> None:
        for task in tasks:
            if task < 2:
                both.wait()
            if threading.get_ident() == here:
                failed.set()
                raise KeyboardInterrupt
            assert failed.wait(60)
            done.append(task)
            ended.wait(60)

    ended = threading.Event()
    original = parallel._Dealt.end

    def end(self: Any) -> None:
        original(self)
        ended.set()

    monkeypatch.setattr(parallel._Dealt, "end", end)
    with pytest.raises(KeyboardInterrupt):
        run_parallel(run, list(range(1000)), 2)
    assert len(done) == 1


def test_other_threads_see_the_caller_s_error_state() -> None:
    both = threading.Barrier(2, timeout=60)
    seen: list[str] = []

    def run(tasks: Iterable[int]) -> None:
        for _ in tasks:
            both.wait()
            seen.append(np.geterr()["over"])

    with np.errstate(over="raise"):
        run_parallel(run, [0, 1], 2)
    assert seen == ["raise", "raise"]
