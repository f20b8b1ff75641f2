"""The fused kernel's own source, built for the host and run there: a `Runtime` whose device is the test's processor."""

from __future__ import annotations

import ctypes
import hashlib
import math
import mmap
import shutil
import subprocess
import tempfile
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from equiconv.arrays import namespace
from equiconv.convolution.cuda.execution import Arguments
from equiconv.convolution.cuda.schedule import Pass, Schedule
from equiconv.convolution.cuda.source import Variant, kernel_source
from equiconv.convolution.cuda.tables import mirror, twiddles

HERE = Path(__file__).parent


def compiler() -> str | None:
    """A C++ compiler, or None."""
    return next((found for name in ("g++", "clang++", "c++") if (found := shutil.which(name))), None)


@cache
def _folder() -> Path:
    return Path(tempfile.mkdtemp(prefix="fused-on-host-"))


@cache
def build(kernel: str) -> ctypes.CDLL:
    """The source of a kernel (`kernel_source`) as a shared library. The compiler's complaints are the test's."""
    shim, runner = ((HERE / name).read_text() for name in ("cuda_on_host.h", "run_on_host.inc"))
    text = f'{shim}\n#line 1 "fused.cu with macros"\n{kernel}\n#line 1 "run_on_host.inc"\n{runner}'
    name = hashlib.sha256(text.encode()).hexdigest()[:16]
    source, binary = _folder() / f"{name}.cpp", _folder() / f"{name}.so"
    source.write_text(text)
    path = compiler()
    assert path is not None
    command = [path, "-std=c++17", "-O1", "-ffp-contract=off", "-fPIC", "-shared", "-w", str(source), "-o", str(binary)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[:4000]
    built = ctypes.CDLL(str(binary))
    built.run.restype = ctypes.c_char_p
    return built


def run(kernel: str, values: tuple[Any, ...], blocks: int, shared_bytes: int, order: int = 0) -> None:
    """Run the kernel in so many blocks on the arguments of `fused`, in their order. A barrier that not all threads reach,
    or a write beyond the shared memory that was asked for, is an `AssertionError`."""
    said = build(kernel).run(
        *(ctypes.c_void_p(int(address)) for address in values[:7]),
        ctypes.c_double(values[7]),
        (ctypes.c_longlong * 7)(*(int(count) for count in values[8:])),
        ctypes.c_longlong(blocks),
        shared_bytes,
        order,
    )
    assert said is None, said.decode()


def guarded(a: npt.NDArray[Any], at_end: bool) -> npt.NDArray[Any]:
    """A copy of `a` whose last byte (or first) lies beside memory that may not be touched. Never given back."""
    page = mmap.PAGESIZE
    whole = -(-a.nbytes // page) * page
    area = mmap.mmap(-1, whole + 2 * page)
    start = ctypes.addressof(ctypes.c_char.from_buffer(area))
    libc = ctypes.CDLL(None, use_errno=True)
    for forbidden in (start, start + page + whole):
        assert libc.mprotect(ctypes.c_void_p(forbidden), ctypes.c_size_t(page), 0) == 0, ctypes.get_errno()
    offset = page + (whole - a.nbytes if at_end else 0)
    copy = np.frombuffer(area, a.dtype, a.size, offset).reshape(a.shape)
    copy[...] = a
    return copy


class Host:
    """A runtime that executes blocks one after the other, each thread a fiber.

    `order` is that in which threads run between barriers; `memory` the bytes that it has for results and workspaces;
    `guarded` puts what it allocates before (True) or behind (False) memory that may not be touched.
    `launches` counts what was run: the kind of pass and its blocks.
    """

    out_of_memory: tuple[type[BaseException], ...] = (MemoryError,)

    def __init__(self, order: int = 0, memory: float = math.inf, guarded: bool | None = None) -> None:
        self.order = order
        self.guarded = guarded
        self.memory = memory
        self.launches: list[tuple[str, int]] = []
        self._kept: dict[Any, Any] = {}

    def check(self, schedule: Schedule, like: Any) -> None:
        assert max(p.shared_bytes for p in schedule.passes) <= schedule.limits.block_bytes

    def empty(self, shape: tuple[int, ...], dtype: Any, like: Any) -> Any:
        xp = namespace(like)
        made = xp.empty(shape, dtype=dtype)
        size = made.nbytes if isinstance(made, np.ndarray) else made.numel() * made.element_size()
        if size > self.memory:
            raise MemoryError(f"{size} bytes asked for, {self.memory} left")
        # what a kernel does not write stays visible
        (made if isinstance(made, np.ndarray) else made.numpy())[...] = np.nan
        return made if self.guarded is None else guarded(made, self.guarded)

    def tables(self, schedule: Schedule, launched: Pass, like: Any) -> tuple[int, int]:
        key = (schedule, launched)
        if key not in self._kept:
            precision = np.complex64 if schedule.real_bytes == 4 else np.complex128
            positions = mirror(schedule)[0] if schedule.mode == "half" else np.zeros((1, 2))
            made = twiddles(launched.stages).astype(precision), positions.astype(np.int32, order="C")
            self._kept[key] = made if self.guarded is None else tuple(guarded(a, self.guarded) for a in made)
        turns, pairs = self._kept[key]
        return turns.ctypes.data, pairs.ctypes.data

    def launch(
        self, schedule: Schedule, launched: Pass, variant: Variant, blocks: int, arguments: Arguments, like: Any
    ) -> None:
        assert isinstance(like, (np.ndarray, torch.Tensor))
        source = kernel_source(schedule, launched, variant)
        run(source, arguments, blocks, launched.shared_bytes, self.order)
        self.launches.append((launched.kind, blocks))
