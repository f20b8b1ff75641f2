"""What a measurement ran on: the device, the versions, the commit, the date. And whether there is a GPU at all."""

from __future__ import annotations

import datetime
import importlib
import importlib.util
import platform
import subprocess
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent.parent

# What the tests and the measurement import, by the name that pip knows it by.
NEEDED = {
    "array_api_compat": "array-api-compat",
    "hypothesis": "hypothesis",
    "numpy": "numpy",
    "pytest": "pytest",
    "torch": "torch",
    "cupy": "cupy-cuda12x or cupy-cuda13x",
}


def missing() -> list[str]:
    """The packages that this interpreter lacks, by the name that pip knows them by."""
    return [name for module, name in NEEDED.items() if importlib.util.find_spec(module) is None]


def no_gpu() -> str | None:
    """Why no GPU can be used, or None where one can. Nothing but torch or CuPy is needed to tell."""
    if importlib.util.find_spec("cupy") is not None:
        cupy: Any = importlib.import_module("cupy")
        try:
            count = cupy.cuda.runtime.getDeviceCount()
        except cupy.cuda.runtime.CUDARuntimeError as error:
            return f"CuPy {cupy.__version__} finds none: {error}"
        return None if count else f"CuPy {cupy.__version__} finds none"
    if importlib.util.find_spec("torch") is not None:
        torch: Any = importlib.import_module("torch")
        return None if torch.cuda.is_available() else f"torch {torch.__version__} finds none, and CuPy is not installed"
    return "neither CuPy nor torch is installed, which would look for one"


def description() -> dict[str, str]:
    """The machine, in the words of a page's head."""
    cupy: Any = importlib.import_module("cupy")
    properties = cupy.cuda.runtime.getDeviceProperties(0)
    name = properties["name"]
    return {
        "device": name.decode() if isinstance(name, bytes) else str(name),
        "compute capability": f"{properties['major']}.{properties['minor']}",
        "memory": f"{properties['totalGlobalMem'] / 2**30:.0f} GiB",
        "driver supports CUDA": _cuda(cupy.cuda.runtime.driverGetVersion()),
        "CUDA of CuPy": _cuda(cupy.cuda.runtime.runtimeGetVersion()),
        **versions(),
    }


def versions() -> dict[str, str]:
    """Python, the libraries, the commit and the date."""
    found = {"python": platform.python_version()}
    for module in ("numpy", "torch", "cupy", "equiconv"):
        if importlib.util.find_spec(module) is not None:
            found[module] = str(importlib.import_module(module).__version__)
    return found | {"commit": commit(), "date": datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%d %H:%M UTC")}


def commit() -> str:
    """The commit of the tree, with a mark where files differ from it; "unknown" outside a repository."""
    try:
        head = _git("rev-parse", "--short=12", "HEAD")
        return head + (" with changes" if _git("status", "--porcelain", "--untracked-files=no") else "")
    except (OSError, subprocess.CalledProcessError):
        return "unknown"


def _git(*arguments: str) -> str:
    return subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=True).stdout.strip()


def _cuda(number: int) -> str:
    return f"{number // 1000}.{number % 1000 // 10}"
