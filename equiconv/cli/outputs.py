"""Files that a command writes: looked at before the long work, and never left half-written."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from pathlib import Path

from equiconv.cli.errors import BadInput


def require_writable(path: Path, option: str) -> Path:
    """Make sure, before the work begins, that the file can be written; an existing one is replaced only at the end.

    Raises:
        BadInput: the path is a folder, its folder does not exist or cannot be written to.
    """
    if path.is_dir():
        raise BadInput(
            f"{option}: {str(path)!r} is a folder; give the name of a file in it: {path / ('report' + _suffix(option))}"
        )
    folder = path.parent
    if not folder.is_dir():
        raise BadInput(f"{option}: the folder {str(folder)!r} does not exist; make it first: mkdir -p {folder}")
    _probe(folder, option, str(path))
    return path


def require_folder(path: Path, option: str = "--out") -> Path:
    """Make sure, before the work begins, that files can be written under the folder; it is made at the end, by `write`.

    Raises:
        BadInput: the path or one above it is a file, or the folder it would be made in cannot be written to.
    """
    existing = next(parent for parent in (path, *path.absolute().parents) if parent.exists())
    if not existing.is_dir():
        raise BadInput(f"{option}: {str(existing)!r} is a file; give a folder, or a path where one can be made")
    _probe(existing, option, str(path))
    return path


def write(path: Path, produce: Callable[[Path], object]) -> Path:
    """Let ``produce`` write a file beside the path, then move it there in one step: it is there whole, or as it was
    before.

    ``produce`` is given a path with the same suffix, in the same folder (a move between file systems is no single
    step).
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(prefix=f".{path.stem}-", suffix=path.suffix, dir=path.parent)
    os.close(handle)
    temporary = Path(name)
    try:
        produce(temporary)
        temporary.chmod(0o666 & ~_umask())  # mkstemp makes files for their owner alone
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
    return path


def _probe(folder: Path, option: str, wanted: str) -> None:
    """Permissions alone do not tell (read-only file systems, quotas, access lists): write something."""
    try:
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise BadInput(
            f"{option}: {wanted!r} cannot be written: {(error.strerror or 'unknown').lower()}; give a path where you "
            "may write"
        ) from error


def _suffix(option: str) -> str:
    return {"--json": ".json", "--html": ".html"}.get(option, "")


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
