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
from typing import Any

#: Jobs after which a worker is replaced, so that what torch caches for one model is not held through all of them.
_JOBS_A_WORKER = 25


@dataclass(frozen=True)
class Limits:
    """jobs: workers at a time. seconds: for one job, the start of a worker included. memory_gb: private memory of a worker; 0, none."""

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

    def serve() -> None:
        worker = _Worker(source, limits)
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

    threads = [threading.Thread(target=serve) for _ in range(limits.jobs)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
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
        process = self.process
        self.served += 1
        late = threading.Event()

        def give_up() -> None:
            late.set()
            process.kill()

        timer = threading.Timer(self.limits.seconds, give_up)
        timer.start()
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            process.stdin.write(json.dumps(job) + "\n")
            process.stdin.flush()
            line = process.stdout.readline()
        except BrokenPipeError:
            line = ""
        finally:
            timer.cancel()
        if line:
            return dict(json.loads(line))
        self.stop()
        if late.is_set():
            return {"error": f"Timeout: no answer within {self.limits.seconds:g} s"}
        return {"error": f"Died: the worker ended with status {process.returncode} (out of memory, most often)"}

    def _start(self) -> subprocess.Popen[str]:
        environment = os.environ | {"OMP_NUM_THREADS": "1"}  # a worker a core
        command = [sys.executable, "-m", "benchmarks.atlas.worker", self.source, str(self.limits.memory_gb)]
        return subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            env=environment,
        )

    def stop(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            for pipe in (self.process.stdin, self.process.stdout):
                if pipe is not None:
                    pipe.close()
            self.process = None
