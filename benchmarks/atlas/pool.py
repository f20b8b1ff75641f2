"""Worker processes with a time limit for each job: one that hangs or dies is replaced, and its model's row says so."""

from __future__ import annotations

import json
import os
import queue
import subprocess
import sys
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

#: Jobs after which a worker is replaced, so that what torch caches for one model is not held through all of them.
_JOBS_A_WORKER = 25
#: Seconds that a worker may take to import torch, on a machine that does other things too.
_START = 300.0
_ROOT = str(Path(__file__).resolve().parents[2])


@dataclass(frozen=True)
class Limits:
    """jobs: workers at a time. seconds: for one job, once its worker has started. memory_gb: private memory of a worker; 0, none."""

    jobs: int
    seconds: float
    memory_gb: float


def run(
    source: str, jobs: Iterable[dict[str, Any]], limits: Limits, done: Callable[[dict[str, Any], dict[str, Any]], None]
) -> None:
    """Give every job to a worker and call ``done(job, answer)`` as answers come, one call at a time.

    An answer to a job that ran over its time, or whose worker died, is ``{"error": …}``.
    """
    waiting: queue.SimpleQueue[dict[str, Any]] = queue.SimpleQueue()
    for job in jobs:
        waiting.put(job)
    lock = threading.Lock()
    failures: list[BaseException] = []
    workers = [_Worker(source, limits) for _ in range(limits.jobs)]

    def serve(worker: _Worker) -> None:
        try:
            while not failures:
                job = waiting.get_nowait()
                answer = worker.ask(job)
                with lock:
                    done(job, answer)
        except queue.Empty:
            return
        except BaseException as error:  # noqa: BLE001  (raised again below, where the caller is)
            failures.append(error)
        finally:
            worker.stop()

    threads = [threading.Thread(target=serve, args=(worker,)) for worker in workers]
    for thread in threads:
        thread.start()
    try:
        for thread in threads:
            thread.join()
    except BaseException as error:  # the user's Ctrl-C: what is known is on disk, and what runs is worth nothing
        failures.append(error)
        for worker in workers:
            worker.stop()
        raise
    if failures:
        raise failures[0]


class _Worker:
    def __init__(self, source: str, limits: Limits) -> None:
        self.source, self.limits = source, limits
        self.process: subprocess.Popen[str] | None = None
        self.served = 0

    def ask(self, job: dict[str, Any]) -> dict[str, Any]:
        if self.process is None or self.served >= _JOBS_A_WORKER:
            self.stop()
            self.process, self.served = self._start(), 0
        self.served += 1
        assert self.process.stdin is not None
        try:
            self.process.stdin.write(json.dumps(job) + "\n")
            self.process.stdin.flush()
            line, late = self._answer(self.process, self.limits.seconds)
        except BrokenPipeError:
            line, late = "", False
        if line:
            return dict(json.loads(line))
        status = self.stop()
        if late:
            return {"error": f"Timeout: no answer within {self.limits.seconds:g} s"}
        return {"error": f"Died: the worker ended with status {status} (out of memory, most often)"}

    @staticmethod
    def _answer(process: subprocess.Popen[str], seconds: float) -> tuple[str, bool]:
        """The next line that the worker says, empty where it says none; and whether that was for want of time, when it is killed."""
        late = threading.Event()

        def give_up() -> None:
            late.set()
            process.kill()

        timer = threading.Timer(seconds, give_up)
        timer.start()
        assert process.stdout is not None
        try:
            return process.stdout.readline(), late.is_set()
        finally:
            timer.cancel()

    def _start(self) -> subprocess.Popen[str]:
        path = os.pathsep.join(filter(None, [_ROOT, os.environ.get("PYTHONPATH", "")]))
        environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": path}  # a worker a core
        command = [sys.executable, "-m", "benchmarks.atlas.worker", self.source, str(self.limits.memory_gb)]
        process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            env=environment,
        )
        if not self._answer(process, _START)[0]:
            process.kill()
            raise RuntimeError(f"a worker does not start: run {' '.join(command)} to see why")
        return process

    def stop(self) -> int | None:
        """End the worker; the status that it ended with by itself, or by being killed."""
        if self.process is None:
            return None
        process, self.process = self.process, None
        try:
            status = process.wait(timeout=0.2)  # one that died has a status of its own
        except subprocess.TimeoutExpired:
            process.kill()
            status = process.wait()
        for pipe in (process.stdin, process.stdout):
            if pipe is not None:
                pipe.close()
        return status
