"""Where a node of a graph comes from: the line of the user's code that made it.

Export records a stack for every node, but in its fast mode keeps only the frames of functions called ``forward``, which
blames a caller for what a helper method did. :func:`full_stacks` keeps every frame outside torch while a model is captured.
"""

from __future__ import annotations

import contextlib
import linecache
import os
import re
import traceback
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch.fx.proxy import TracerBase

_TORCH = os.path.dirname(os.path.abspath(torch.__file__)) + os.sep
_OURS = str(Path(__file__).resolve().parent) + os.sep
# Frames of this library that stand between a user's line and torch: convolution, our layers, and what makes the padding of a mended module wrap.
_BETWEEN = tuple(
    str(Path(__file__).resolve().parent.parent / room) + os.sep for room in ("convolution", "nn", "symmetrization")
)
_CLASSIFIER = str(Path(__file__).resolve().parent.parent / "nn" / "classifier.py")
# Files of torch and of this library in any environment: a program may have been exported on another machine than this.
_INSTALLED = re.compile(r"[\\/](?:site|dist)-packages[\\/](?P<package>torch|equiconv)[\\/](?P<rest>.+)$")
_ROOTS = {"torch": _TORCH, "equiconv": str(Path(__file__).resolve().parent.parent) + os.sep}
_FRAME = re.compile(r'^\s*File "(?P<file>[^"]+)", line (?P<line>\d+), in (?P<function>.+)$')


@dataclass(frozen=True)
class SourceLine:
    """One line of source code.

    Attributes
    ----------
    file: path of the file, as Python knows it.
    line: line number, from 1.
    function: name of the function the line is in.
    code: the text of the line, stripped; empty where the source cannot be read.

    >>> print(SourceLine("model.py", 12, "forward", "x = self.conv(x)"))
    model.py:12  x = self.conv(x)
    """

    file: str
    line: int
    function: str = ""
    code: str = ""

    def __str__(self) -> str:
        return f"{self.short}:{self.line}" + (f"  {self.code}" if self.code else "")

    @property
    def short(self) -> str:
        """The path below ``site-packages`` or below the current folder; else the last three parts of a long one."""
        for mark in ("site-packages" + os.sep, "dist-packages" + os.sep):
            if mark in self.file:
                return self.file.split(mark, 1)[1]
        path = Path(self.file)
        if path.is_relative_to(Path.cwd()):
            return str(path.relative_to(Path.cwd()))
        return str(Path("…", *path.parts[-3:])) if len(path.parts) > 4 else self.file

    def as_dict(self) -> dict[str, Any]:
        """The line as plain data."""
        return {"file": self.file, "line": self.line, "function": self.function, "code": self.code}


def _here(file: str) -> str:
    """The file's path in this environment, where it is one of torch's or of this library's in another."""
    found = _INSTALLED.search(file)
    return _ROOTS[found["package"]] + re.sub(r"[\\/]", lambda _: os.sep, found["rest"]) if found else file


def _is_users(file: str) -> bool:
    file = _here(file)
    return not (file.startswith((_TORCH, _OURS, "<")) or f"{os.sep}importlib{os.sep}" in file)


def _keep_user_frames(_tracer: TracerBase, stack: traceback.StackSummary) -> traceback.StackSummary:
    start = 0
    for position, frame in enumerate(stack):
        if frame.filename.startswith(_OURS):
            start = position + 1  # what lies above our own call is the caller of the analysis, not the model
    return traceback.StackSummary.from_list([f for f in stack[start:] if _is_users(f.filename)])


@contextlib.contextmanager
def full_stacks() -> Iterator[None]:
    """While this is open, nodes made by torch's tracers keep every stack frame that lies outside torch.

    The filter is a method that torch lets tracers override; a torch without it loses helper lines, never a verdict.
    """
    name = "_filter_traceback_frames"
    original = getattr(TracerBase, name, None)
    if original is None:
        yield
        return
    setattr(TracerBase, name, _keep_user_frames)
    try:
        yield
    finally:
        setattr(TracerBase, name, original)


def source_of(stack_trace: str | None) -> SourceLine | None:
    """The innermost line outside torch (and outside this library's own layers) in a node's recorded stack.

    Returns None when nothing of the user's is on the stack.
    """
    if not stack_trace:
        return None
    frames = []
    for text in stack_trace.splitlines():
        match = _FRAME.match(text)
        if match and _is_users(match["file"]):
            frames.append(match)
    files = [_here(m["file"]) for m in frames]
    users = [m for m, f in zip(frames, files, strict=True) if f == _CLASSIFIER or not f.startswith(_BETWEEN)]
    chosen = users[-1:]
    if not chosen:
        return None
    match = chosen[0]
    file, line = match["file"], int(match["line"])
    return SourceLine(file, line, match["function"].strip(), linecache.getline(file, line).strip())
