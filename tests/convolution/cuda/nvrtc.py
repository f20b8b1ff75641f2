"""NVRTC, the CUDA compiler as a library, which needs no GPU: found where pip or a toolkit has put it."""

from __future__ import annotations

import ctypes
import ctypes.util
import importlib.util
from functools import cache
from pathlib import Path

from equiconv.convolution.cuda.source import OPTIONS


class CompileError(Exception):
    """The compiler's own words."""


@cache
def library() -> ctypes.CDLL | None:
    """libnvrtc, from the packages that torch or CuPy bring or from the system; None where there is none."""
    spec = importlib.util.find_spec("nvidia")
    folders = [Path(p) for p in (spec.submodule_search_locations or ())] if spec else []
    candidates = [str(p) for folder in folders for p in sorted(folder.glob("*/lib/libnvrtc.so.*"))]
    candidates += [str(p) for p in sorted(Path("/usr/local").glob("cuda*/lib64/libnvrtc.so"), reverse=True)]
    if system := ctypes.util.find_library("nvrtc"):
        candidates.append(system)
    for candidate in candidates:
        try:
            return ctypes.CDLL(candidate)
        except OSError:  # built for another machine: the next may not be
            continue
    return None


def compile_for(source: str, architecture: str, *options: str) -> tuple[bytes, str]:
    """The binary for a device of `architecture` ("sm_90"), and the compiler's log. Raises `CompileError`."""
    nvrtc = library()
    assert nvrtc is not None
    program = ctypes.c_void_p()
    text = source.encode()
    _check(nvrtc, nvrtc.nvrtcCreateProgram(ctypes.byref(program), text, b"fused.cu", 0, None, None))
    try:
        given = [f"--gpu-architecture={architecture}", *OPTIONS, *options]
        array = (ctypes.c_char_p * len(given))(*(o.encode() for o in given))
        status = nvrtc.nvrtcCompileProgram(program, len(given), array)
        size = ctypes.c_size_t()
        _check(nvrtc, nvrtc.nvrtcGetProgramLogSize(program, ctypes.byref(size)))
        log = ctypes.create_string_buffer(size.value)
        _check(nvrtc, nvrtc.nvrtcGetProgramLog(program, log))
        said = log.value.decode()
        if status:
            raise CompileError(said)
        _check(nvrtc, nvrtc.nvrtcGetCUBINSize(program, ctypes.byref(size)))
        binary = ctypes.create_string_buffer(size.value)
        _check(nvrtc, nvrtc.nvrtcGetCUBIN(program, binary))
        return binary.raw, said
    finally:
        nvrtc.nvrtcDestroyProgram(ctypes.byref(program))


def _check(nvrtc: ctypes.CDLL, status: int) -> None:
    if status:
        nvrtc.nvrtcGetErrorString.restype = ctypes.c_char_p
        raise CompileError(nvrtc.nvrtcGetErrorString(status).decode())
