"""Where an array lies: its address, whether its elements are in a row. One adaptor a library, looked up once a call."""

from __future__ import annotations

from typing import Any, Protocol

from equiconv.arrays import Array, library

__all__ = ["Memory", "memory_of", "overlap"]


class Memory(Protocol):
    """What a library says about the memory of its arrays."""

    def address(self, a: Array) -> int:
        """Where the first element lies."""

    def size(self, a: Array) -> int:
        """Bytes of all elements together."""

    def is_contiguous(self, a: Array) -> bool:
        """Whether the elements lie one after the other, in C order."""

    def in_a_row(self, a: Array) -> Array:
        """`a`, or a copy whose elements lie one after the other as plain numbers."""

    def copy(self, a: Array) -> Array:
        """A copy, at an address that its dtype allows."""

    def is_plain(self, a: Array) -> bool:
        """Whether writing to the memory is the same as assigning to the array."""


class _Torch:
    def address(self, a: Array) -> int:
        return int(a.data_ptr())

    def size(self, a: Array) -> int:
        return int(a.element_size() * a.numel())

    def is_contiguous(self, a: Array) -> bool:
        return bool(a.is_contiguous())

    def in_a_row(self, a: Array) -> Array:
        return a.detach().resolve_conj().resolve_neg().contiguous()

    def copy(self, a: Array) -> Array:
        return a.clone()

    def is_plain(self, a: Array) -> bool:
        return not (a.requires_grad or a.is_conj() or a.is_neg())


class _Strided:
    """NumPy and CuPy, whose arrays look alike."""

    def address(self, a: Array) -> int:
        return int(a.ctypes.data)

    def size(self, a: Array) -> int:
        return int(a.nbytes)

    def is_contiguous(self, a: Array) -> bool:
        return bool(a.flags.c_contiguous)

    def in_a_row(self, a: Array) -> Array:
        if a.flags.c_contiguous and a.dtype.isnative:
            return a
        return a.astype(a.dtype.newbyteorder("="), order="C")

    def copy(self, a: Array) -> Array:
        return a.copy()

    def is_plain(self, a: Array) -> bool:
        return bool(a.dtype.isnative)


class _Cupy(_Strided):
    def address(self, a: Array) -> int:
        return int(a.data.ptr)


_MEMORIES: dict[str, Any] = {"torch": _Torch(), "numpy": _Strided(), "cupy": _Cupy()}


def memory_of(a: Array) -> Memory:
    """The adaptor of the library of an array. Raises `TypeError` for what is no array of NumPy, CuPy or torch."""
    lib = library(a)
    if lib not in _MEMORIES:
        raise TypeError(f"the fused kernel takes CuPy arrays and torch tensors, got an array of {lib}")
    memory: Memory = _MEMORIES[lib]
    return memory


def overlap(memory: Memory, a: Array, b: Array) -> bool:
    """Whether two arrays, each with its elements in a row, share memory."""
    start_a, start_b = memory.address(a), memory.address(b)
    return start_a < start_b + memory.size(b) and start_b < start_a + memory.size(a)
