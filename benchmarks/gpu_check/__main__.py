"""The command: the tests that need a GPU, then the measurements.

Exit status: 0 where everything passed, 1 where a test failed or a result was wrong, 3 where there is no GPU, 4 where a
package is missing.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from pathlib import Path

from benchmarks.gpu_check import machine

FAILED, NO_GPU, NO_PACKAGE = 1, 3, 4


def main(arguments: list[str] | None = None) -> int:
    """Test, measure, write; see the module for what it returns."""
    options = _parser().parse_args(arguments)
    if (reason := machine.no_gpu()) is not None:
        print(f"gpu-check: no NVIDIA GPU: {reason}. Nothing was tested or measured.", file=sys.stderr)
        return NO_GPU
    if absent := machine.missing():
        print(
            f"gpu-check: this Python ({sys.executable}) lacks {', '.join(absent)}. Install them with pip; or, where the "
            f"machine's own packages must be used, install what is missing into a folder (pip install --target FOLDER "
            f"…) and run again with PYTHONPATH=FOLDER.",
            file=sys.stderr,
        )
        return NO_PACKAGE
    tested = "not run (--skip-tests)"
    if not options.skip_tests:
        status, tested = run_tests()
        if status:
            print(f"gpu-check: the tests failed ({tested}); nothing was measured", file=sys.stderr)
            return FAILED

    # imported here: without a GPU or its packages, the lines above say so
    from benchmarks.gpu_check import lane, output, work
    from benchmarks.gpu_check.measuring import Row, measure

    where, rows = lane.gpu(), list[Row]()
    for item in work.WORK:
        rows += measure(item, 2**options.samples, options.repetitions, where)
        print(
            f"{item.table}: {item}: "
            + ", ".join(f"{r.method} {r.seconds * 1e3:.3f} ms" for r in rows if r.work is item)
        )
        where.free()
    for path in output.write(rows, machine.description(), tested, Path(options.output)):
        print(f"wrote {path}")
    return 0


def run_tests() -> tuple[int, str]:
    """The tests of the fused kernel and of convolution, on this interpreter; pytest's status and its last line."""
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests/convolution", "tests/arrays"]
    done = subprocess.run(command, cwd=machine.ROOT, stdout=subprocess.PIPE, text=True, check=False)
    print(done.stdout)
    return done.returncode, done.stdout.strip().splitlines()[-1] if done.stdout.strip() else "pytest said nothing"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("python -m benchmarks.gpu_check", description=__doc__)
    parser.add_argument("--samples", type=int, default=28, help="log2 of the samples of each batch (default: 28)")
    parser.add_argument("--repetitions", type=int, default=15, help="how often each method is timed (default: 15)")
    parser.add_argument("--skip-tests", action="store_true", help="measure only")
    parser.add_argument("--output", default=str(machine.ROOT / "benchmarks" / "results"), help="where the results go")
    return parser


if __name__ == "__main__":
    sys.exit(main())
