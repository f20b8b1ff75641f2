"""A worker: reads one job a line, does it, answers with one line of JSON. Hung or killed, it costs one model and nothing else."""

from __future__ import annotations

import importlib
import json
import os
import sys
import warnings

from benchmarks.atlas import work


def main(source_name: str, memory_gb: float) -> None:
    """Serve jobs from standard input. memory_gb: the most private memory the process may take; 0, no limit."""
    warnings.simplefilter("ignore")
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    if memory_gb:
        import resource

        limit = int(memory_gb * 2**30)
        resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))
    answers = os.fdopen(os.dup(1), "w")  # what a model prints must not pass for an answer
    os.dup2(2, 1)
    source = importlib.import_module(source_name)
    answers.write("ready\n")
    answers.flush()
    for line in sys.stdin:
        job = json.loads(line)
        try:
            if job["task"] == "survey":
                answer = work.survey(source, job["model"])
            else:
                answer = work.confirm(source, job["model"], job["slowest"])
        except MemoryError as error:
            answer = {"error": f"MemoryError: {error or 'the memory limit was reached'}"}
        except Exception as error:  # noqa: BLE001  (a constructor may raise anything, and that too is a row)
            answer = {"error": f"{type(error).__name__}: {error}"[:600]}
        answers.write(json.dumps(answer) + "\n")
        answers.flush()


if __name__ == "__main__":
    main(sys.argv[1], float(sys.argv[2]))
