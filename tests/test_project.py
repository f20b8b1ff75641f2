"""The project around the rooms: one version, the Makefile's targets, and how an environment is made."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tomllib
from pathlib import Path

import pytest

import equiconv

ROOT = Path(__file__).resolve().parent.parent
needs_make = pytest.mark.skipif(shutil.which("make") is None, reason="make is not installed")


def make(*arguments: str, cwd: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run make as from a fresh shell: the tests may themselves run under a make whose variables would be inherited."""
    inherited = {
        "MAKEFLAGS",
        "MFLAGS",
        "MAKEOVERRIDES",
        "MAKELEVEL",
        "TORCH",
        "TEST_EXTRAS",
        "WORKERS",
        "ARGS",
        "PYTHON",
        "PYTHON_ENV",
        "CUDA",
        "THREADS",
        "BENCHMARKS",
    }
    clean = {name: value for name, value in os.environ.items() if name not in inherited}
    return subprocess.run(
        ["make", *arguments], cwd=cwd, capture_output=True, text=True, env=clean | environment, check=False
    )


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """The two files that make needs, away from the tree."""
    for name in ("Makefile", "pyproject.toml"):
        shutil.copy(ROOT / name, tmp_path)
    return tmp_path


def test_there_is_one_version() -> None:
    citation = re.search(r"^version: (.+)$", (ROOT / "CITATION.cff").read_text(), re.MULTILINE)
    assert citation is not None
    assert citation[1] == equiconv.__version__
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    assert project["project"]["dynamic"] == ["version"]
    assert project["tool"]["hatch"]["version"]["path"] == "equiconv/__init__.py"


def test_extras() -> None:
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    assert {"bench", "cuda12", "cuda13", "demo", "docs", "fft", "lint", "models", "proofs", "test"} == set(extras)


def test_every_room_has_a_floor() -> None:
    """A new folder must be placed among the layers: import-linter's own exhaustiveness, without running it."""
    contract = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"][0]
    rooms = {p.stem for p in (ROOT / "equiconv").iterdir() if (p / "__init__.py").is_file() or p.suffix == ".py"}
    assert rooms - {"__init__"} == {*contract["layers"], *contract["exhaustive_ignores"]}


def test_continuous_integration_runs_the_two_commands() -> None:
    script = ROOT / ".ci" / "run"
    assert os.access(script, os.X_OK)
    assert {"make lint", "make test"} <= set(script.read_text().splitlines())


@needs_make
@pytest.mark.parametrize("target", ["audit", "test", "lint", "proofs", "atlas", "models", "gpu-check"])
def test_a_target_makes_its_environment_and_installs_into_it(copy: Path, target: str) -> None:
    """Dry: what would be run, in order, where there is no environment."""
    planned = make("--dry-run", target, cwd=copy).stdout
    steps = [planned.index(step) for step in ("-m venv .venv", "-m pip install --editable")]
    assert steps == sorted(steps)
    assert planned.count("pip install --editable") == 1  # one resolution, so that torch is fetched once


@needs_make
def test_the_choice_of_torch_and_of_extras_reaches_pip(copy: Path) -> None:
    planned = make("--dry-run", "test", "TORCH=torch==2.13.0", "TEST_EXTRAS=test", cwd=copy).stdout
    assert "pip install --editable '.[test]' 'torch==2.13.0'" in planned


@needs_make
def test_gpu_check_can_use_the_machine_s_own_packages(copy: Path) -> None:
    planned = make(
        "--dry-run", "gpu-check", "PYTHON_ENV=system", "PYTHON=/usr/bin/python3", "ARGS=--skip-tests", cwd=copy
    )
    assert planned.stdout.rstrip().endswith("/usr/bin/python3 -m benchmarks.gpu_check --skip-tests")
    assert "pip" not in planned.stdout


@needs_make
def test_bench_gives_every_library_its_threads(copy: Path) -> None:
    planned = make("--dry-run", "bench", "THREADS=3", "ARGS=--quick", cwd=copy).stdout
    loop = planned[planned.index("for benchmark in ") :]
    named = set(loop.partition(" in ")[2].partition(";")[0].split())
    assert named == {"convolution", "growth", "one_shot", "gradients", "solve", "conv_operator", "layers"}
    assert all((ROOT / "benchmarks" / f"{name}.py").is_file() for name in named)
    for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        assert f"{name}=3 " in loop
    assert "OMP_WAIT_POLICY=PASSIVE" in loop
    assert "-m benchmarks.$benchmark --threads 3 --quick" in loop


@needs_make
def test_pip_is_asked_again_only_when_a_choice_or_the_project_changes(copy: Path) -> None:
    """With a stand-in for the environment's Python, which writes down what it is asked."""
    python = copy / ".venv" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.write_text(f'#!/bin/sh\necho "$@" >> {copy}/asked\n')
    python.chmod(0o755)

    def installs(*arguments: str) -> int:
        (copy / "asked").unlink(missing_ok=True)
        assert make(".venv/stamps/lint", *arguments, cwd=copy).returncode == 0
        return (copy / "asked").read_text().count("pip install") if (copy / "asked").exists() else 0

    assert installs() == 1
    assert installs() == 0
    later = (copy / ".venv" / "stamps" / "lint").stat().st_mtime + 10
    os.utime(copy / "pyproject.toml", (later, later))
    assert installs() == 1
    os.utime(copy / "pyproject.toml", (0, 0))
    assert installs() == 0
    for stamp in (copy / ".venv" / "stamps").iterdir():  # so that the next change is seen whatever the clock's grain
        os.utime(stamp, (1, 1))
    assert installs("TORCH=torch==2.13.0") == 1
    assert installs("TORCH=torch==2.13.0") == 0


@needs_make
def test_an_old_python_is_refused_with_what_to_do(copy: Path) -> None:
    old = copy / "old"
    old.write_text("#!/bin/sh\necho Python 3.8.1\nexit 1\n")
    old.chmod(0o755)
    run = make("lint", f"PYTHON={old}", cwd=copy)
    assert run.returncode != 0
    assert "needs Python 3.11 or later, and found: Python 3.8.1" in run.stderr
    assert "PYTHON=/path/to" in run.stderr
    assert not (copy / ".venv").exists()


@needs_make
def test_a_newer_python_is_found_beside_an_old_python3(copy: Path) -> None:
    """python3 is too old; python3.12 stands beside it and is taken. The stand-in makes no environment and says who it
    is."""
    tools = copy / "tools"
    tools.mkdir()
    for name, body in {
        "python3": "exit 1",
        "python3.13": "exit 127",
        "python3.12": 'echo "I ran: $@"; [ "$1" != -m ]',
    }.items():
        (tools / name).write_text(f"#!/bin/sh\n{body}\n")
        (tools / name).chmod(0o755)
    run = make(".venv/stamps", cwd=copy, PATH=f"{tools}:/usr/bin:/bin", PYTHON="")
    assert "making .venv with python3.12" in run.stdout
    assert run.returncode != 0
    assert not (copy / ".venv").exists()  # a failed environment is not left behind


@needs_make
def test_help_lists_every_target(copy: Path) -> None:
    printed = make(cwd=copy).stdout
    assert all(
        re.search(rf"make {target}\b", printed) for target in ("audit", "test", "lint", "models", "clean", "help")
    )
