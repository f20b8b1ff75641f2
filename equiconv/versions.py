"""What this machine has: the versions that a bug report needs, read without importing what they describe."""

from __future__ import annotations

import os
import platform
from importlib.metadata import PackageNotFoundError, distributions, version

_REQUIRED = ("numpy", "torch", "array-api-compat", "hypothesis", "sympy")
_OPTIONAL = ("scikit-learn", "timm", "torchvision", "transformers", "matplotlib")


def versions() -> dict[str, str]:
    """The versions and the hardware that decide what equiconv computes, as ordered name and value pairs.

    Packages are looked up in the installed metadata and are not imported, apart from torch, which alone knows its
    threads and its CUDA devices. A package that is missing has the value ``"not installed"``. CuPy is listed under the
    name it was installed by (``cupy-cuda12x``, ``cupy-cuda13x``, ``cupy``).

    >>> found = versions()
    >>> list(found)[:3], found["torch"] != "not installed"
    (['equiconv', 'python', 'platform'], True)
    """
    import torch

    import equiconv

    found = {
        "equiconv": equiconv.__version__,
        "python": f"{platform.python_version()} ({platform.python_implementation()})",
        "platform": platform.platform(),
    }
    found |= {name: _version(name) for name in _REQUIRED}
    found |= _cupy()
    found |= {name: _version(name) for name in _OPTIONAL}
    found["cpu threads"] = f"{torch.get_num_threads()} used by torch, {os.cpu_count()} on the machine"
    found["cuda"] = _cuda()
    return found


def show_versions() -> None:
    """Print `versions`, one a line, to paste into a bug report.

    >>> show_versions()  # doctest: +ELLIPSIS
    equiconv...
    python...
    """
    found = versions()
    width = max(map(len, found))
    for name, value in found.items():
        print(f"{name:<{width}}  {value}")


def _version(distribution: str) -> str:
    try:
        return version(distribution)
    except PackageNotFoundError:
        return "not installed"


def _cupy() -> dict[str, str]:
    """CuPy's wheels are named after the CUDA version they were built for, so that the name itself says something."""
    names = sorted({str(d.name).lower() for d in distributions() if str(d.name).lower().split("-")[0] == "cupy"})
    return {name: _version(name) for name in names} or {"cupy": "not installed"}


def _cuda() -> str:
    import torch

    if not torch.cuda.is_available():
        built = f"torch is built for CUDA {torch.version.cuda}" if torch.version.cuda else "torch is built without CUDA"
        return f"not available ({built})"
    names = ", ".join(torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count()))
    return f"{torch.version.cuda}: {names}"
