"""NVRTC compiles the kernels for real devices, on a machine that has none."""

from __future__ import annotations

import re
from importlib.resources import files

import pytest

from equiconv.convolution.cuda import Limits, Schedule, find_schedule
from equiconv.convolution.cuda.source import Variant, kernel_source
from tests.convolution.cuda import nvrtc

pytestmark = pytest.mark.skipif(nvrtc.library() is None, reason="no libnvrtc: pip install nvidia-cuda-nvrtc")

AMPERE = Limits(block_bytes=163 * 1024, multiprocessor_bytes=164 * 1024)
ALL = Variant(scaled=True, biased=True, activation="gelu")
COMPLEX = Variant(scaled=True, biased=True)


def compiled(schedule: object, architecture: str, variant: Variant) -> list[tuple[int, int]]:
    """Each pass compiled: the registers of a thread and the bytes that it spills."""
    assert isinstance(schedule, Schedule)
    found = []
    for launched in schedule.passes:
        binary, log = nvrtc.compile_for(kernel_source(schedule, launched, variant), architecture, "--ptxas-options=-v")
        assert binary[:4] == b"\x7fELF"
        assert "warning" not in log.replace("ptxas info", ""), log
        registers = re.search(r"Used (\d+) registers", log)
        spilled = re.search(r"(\d+) bytes spill stores", log)
        assert registers is not None, log
        assert spilled is not None, log
        # what was asked for: so many blocks at once on a multiprocessor of 65,536 registers
        warps = launched.threads // 32 * launched.min_blocks
        assert int(registers[1]) * 32 * -(-warps // 4) <= 16384
        found.append((int(registers[1]), int(spilled[1])))
    return found


@pytest.mark.parametrize(
    ("sizes", "dtype", "variant", "pairs"),
    [
        ((256,), "float32", ALL, False),
        ((4096,), "float32", Variant(activation="silu"), False),
        ((32768,), "float32", Variant(aligned=False), False),
        ((1009,), "float32", Variant(), False),
        ((143,), "float64", Variant(activation="gelu_tanh"), False),
        ((4096,), "float64", ALL, False),
        ((1024,), "float32", Variant(activation="relu"), True),
        ((16384,), "complex64", COMPLEX, False),
        ((1000,), "complex128", Variant(), False),
        ((112, 112), "float32", ALL, False),
        ((16, 12, 20), "float32", Variant(), False),
        ((512, 480), "float32", ALL, False),
    ],
    ids=str,
)
def test_kernels_compile_for_sm_90(sizes: tuple[int, ...], dtype: str, variant: Variant, pairs: bool) -> None:
    for _, spilled in compiled(find_schedule(sizes, dtype, pairs=pairs), "sm_90", variant):
        assert spilled <= 256  # bytes a thread: a few registers set aside once, not a stage's values


@pytest.mark.parametrize("architecture", ["sm_80", "sm_100"])
def test_kernels_compile_for_other_devices(architecture: str) -> None:
    compiled(find_schedule((2048,), "float32", limits=AMPERE), architecture, ALL)


def test_the_source_is_ascii() -> None:
    """A file in any encoding holds it; and its lines are those of fused.cu, so that a message's number is right."""
    schedule = find_schedule((64,), "float32")
    assert isinstance(schedule, Schedule)
    source = kernel_source(schedule, schedule.passes[0])
    assert source.isascii()
    lines = source.splitlines()
    assert lines.count("struct Arguments {") == 1
    text = files("equiconv.convolution.cuda").joinpath("fused.cu").read_text(encoding="utf-8").splitlines()
    assert len(lines) - lines.index("struct Arguments {") == len(text) - text.index("struct Arguments {")


def test_what_is_wrong_is_not_compiled() -> None:
    """The compiler is asked in earnest: a schedule whose description of a unit has another size is refused."""
    schedule = find_schedule((64,), "float32")
    assert isinstance(schedule, Schedule)
    source = kernel_source(schedule, schedule.passes[0]).replace("#define UNIT_BYTES 48", "#define UNIT_BYTES 40")
    with pytest.raises(nvrtc.CompileError, match="another size for a unit"):
        nvrtc.compile_for(source, "sm_90")
