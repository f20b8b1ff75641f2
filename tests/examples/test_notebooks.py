"""The notebooks in examples/: each runs in a fresh kernel, its claims (asserts in its cells) hold, and it shows what it
stores.

Cells tagged "compared" print verdicts, strides and counts, which must not depend on the machine: their stored text must
equal that of the fresh run. Other cells may print rounding errors and line numbers of dependencies, which do.
"""

from __future__ import annotations

import importlib.util
import json
import os
import re
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
NEEDS = {
    "01_from_a_shift_to_a_convolution.ipynb": ("matplotlib", "sklearn"),
    "02_audit_your_own_network.ipynb": ("matplotlib", "sklearn", "transformers"),
}
LARGEST = 1_500_000  # bytes: a notebook that is pleasant to open, and to keep in a repository
HANGS = 900  # seconds for a cell: not a bound on speed, but an end to a kernel that hangs
MACHINE = re.compile(r"(?<![\w.])/(?:home|root|tmp|usr|opt|Users|private|mnt)/|[A-Za-z]:\\\\|(?:site|dist)-packages")


def stored(name: str) -> dict[str, Any]:
    return json.loads((ROOT / "examples" / name).read_text(encoding="utf-8"))


def code_cells(notebook: Any) -> list[Any]:
    return [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]


def printed(cell: Any) -> str:
    """What a cell wrote to its standard output, however it was cut into messages."""
    return "".join("".join(out["text"]) for out in cell["outputs"] if out.get("name") == "stdout")


def pictures(cell: Any) -> int:
    return sum("image/png" in out.get("data", {}) for out in cell["outputs"])


def compared(notebook: Any) -> list[str]:
    return [printed(cell) for cell in code_cells(notebook) if "compared" in cell["metadata"].get("tags", ())]


def require(*packages: str) -> None:
    """Skip where a package is missing: they are in the extra `test`, and equiconv itself needs none of them."""
    for package in ("ipykernel", "nbclient", "nbformat", *packages):
        if importlib.util.find_spec(package) is None:
            pytest.skip(f"{package} is not installed; it comes with the extras demo and docs")


def execute(notebook: Any, folder: Path) -> Any:
    """Run a notebook in a fresh kernel of *this* interpreter, whatever kernels are registered, in an empty folder."""
    from jupyter_client.kernelspec import KernelSpecManager
    from jupyter_client.manager import AsyncKernelManager
    from nbclient import NotebookClient

    spec = {
        "argv": [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"],
        "display_name": "the interpreter that runs the tests",
        "language": "python",
        "env": {
            "PYTHONPATH": os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")])),
            "IPYTHONDIR": str(folder / "ipython"),  # no one's own start-up files
            "MPLBACKEND": "module://matplotlib_inline.backend_inline",
        },
    }
    kernels, work = folder / "kernels", folder / "work"
    (kernels / "fresh").mkdir(parents=True)
    (kernels / "fresh" / "kernel.json").write_text(json.dumps(spec), encoding="utf-8")
    work.mkdir()
    manager = AsyncKernelManager(
        kernel_name="fresh",
        kernel_spec_manager=KernelSpecManager(kernel_dirs=[str(kernels)], ensure_native_kernel=False),
        connection_file=str(folder / "connection.json"),
    )
    NotebookClient(notebook, km=manager, timeout=HANGS, resources={"metadata": {"path": str(work)}}).execute()
    assert not any(work.iterdir()), f"the notebook left {sorted(p.name for p in work.iterdir())} in its folder"
    return notebook


def as_notebook(content: Any) -> Any:
    import nbformat

    return nbformat.reads(json.dumps(content), as_version=4)


def test_every_notebook_is_tested() -> None:
    assert sorted(path.name for path in (ROOT / "examples").glob("*.ipynb")) == sorted(NEEDS)


@pytest.mark.parametrize("name", NEEDS)
def test_what_is_stored_is_a_whole_run_and_tells_nothing_of_a_machine(name: str) -> None:
    notebook = stored(name)
    cells = code_cells(notebook)
    assert [cell["execution_count"] for cell in cells] == list(range(1, len(cells) + 1))
    outputs = [out for cell in cells for out in cell["outputs"]]
    assert not [out for out in outputs if out["output_type"] == "error" or out.get("name") == "stderr"]
    assert sum(map(pictures, cells)) >= 3
    assert all(compared(notebook)), "a cell is tagged to be compared and prints nothing"
    assert len(compared(notebook)) >= 3
    shown = [out.get("text", out.get("data", {}).get("text/plain", "")) for out in outputs]
    text = json.dumps([notebook["metadata"], [cell["source"] for cell in notebook["cells"]], shown])
    assert not MACHINE.findall(text)
    assert not [place for place in map(str, (ROOT, sys.prefix, Path.home())) if len(place) > 1 and place in text]
    assert set(notebook["metadata"]) == {"kernelspec", "language_info"}
    assert {key for cell in notebook["cells"] for key in cell["metadata"]} <= {"tags"}
    assert (ROOT / "examples" / name).stat().st_size < LARGEST


@pytest.mark.parametrize("name", NEEDS)
def test_the_notebook_runs_and_shows_what_it_stores(name: str, tmp_path: Path) -> None:
    require(*NEEDS[name])
    before = stored(name)
    after = execute(as_notebook(before), tmp_path)
    assert compared(after) == compared(before)
    assert [pictures(cell) for cell in code_cells(after)] == [pictures(cell) for cell in code_cells(before)]


def small_notebook(source: str, output: str) -> dict[str, Any]:
    cell = {
        "id": "cell-01",
        "cell_type": "code",
        "execution_count": 1,
        "metadata": {"tags": ["compared"]},
        "source": source,
        "outputs": [{"output_type": "stream", "name": "stdout", "text": output}],
    }
    return {"cells": [cell], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}


def test_a_verdict_that_changed_and_a_claim_that_fails_are_caught(tmp_path: Path) -> None:
    require()
    from nbclient.exceptions import CellExecutionError

    source = "import sys, equiconv\nprint('strides', (32, 32), sys.executable)"
    kept = small_notebook(source, f"strides (32, 32) {sys.executable}\n")
    assert compared(execute(as_notebook(kept), tmp_path / "kept")) == compared(kept)
    changed = small_notebook("print('strides', (16, 16))", "strides (32, 32)\n")
    assert compared(execute(as_notebook(changed), tmp_path / "changed")) != compared(changed)
    with pytest.raises(CellExecutionError, match="AssertionError"):
        execute(as_notebook(small_notebook("assert False", "")), tmp_path / "fails")
