"""The text that a CUDA compiler is given: `fused.cu` and the macros that make it the kernel of one pass."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Literal, TypeAlias

from equiconv.convolution.cuda.schedule import Pass, Schedule, unit_bytes

__all__ = ["Activation", "Variant", "kernel_source", "macros"]

Activation: TypeAlias = Literal["none", "relu", "gelu", "gelu_tanh", "silu"]

#: The function that fused.cu defines.
ENTRY = "fused"

#: The compiler's options, besides the architecture: lambdas and constexpr functions run on the device.
OPTIONS = ("--std=c++17", "--device-as-default-execution-space")

_ACTIVATIONS = {"none": "IDENTITY", "relu": "RELU", "gelu": "GELU", "gelu_tanh": "GELU_TANH", "silu": "SILU"}


@dataclass(frozen=True)
class Variant:
    """What a compiled kernel does to the result, and how it reads: the part of a call that the compiler must know.

    `aligned` says that two neighbouring reals may be read at once, which a signal at an odd address forbids.
    """

    scaled: bool = False
    biased: bool = False
    activation: Activation = "none"
    aligned: bool = True


def macros(schedule: Schedule, launched: Pass, variant: Variant) -> dict[str, str]:
    """The macros for one pass, by name; fused.cu says what each means.

    Only the pass that writes the result has an epilogue: others ignore the variant, and are compiled once for all.
    """
    last = launched is schedule.passes[-1]
    n, m = schedule.padded_sizes, schedule.grid
    double = schedule.real_bytes == 8
    complex_data = schedule.mode == "complex"
    values: dict[str, int | str] = {
        "REAL": "double" if double else "float",
        "IS_DOUBLE": int(double),
        "MODE": schedule.mode.upper(),
        "PASS": launched.kind.upper(),
        **{f"N{axis}": n[axis] for axis in range(3)},
        **{f"M{axis}": m[axis] for axis in range(3)},
        "STAGES": ", ".join(f"{{{s.radix}, {s.span}, {s.inner}, {s.table}}}" for s in launched.stages),
        "LENGTH": launched.length,
        "TILE": launched.tile,
        "UNITS": launched.units,
        "THREADS": launched.threads,
        "MIN_BLOCKS": launched.min_blocks,
        "PAD": launched.pad,
        "UNITS_AT": launched.units_at,
        "UNIT_BYTES": unit_bytes(schedule.real_bytes * (2 if complex_data else 1)),
        "PAIRS": schedule.pairs,
        "SPECTRUM": schedule.spectrum_length,
        "SCALED": int(last and variant.scaled),
        "BIASED": int(last and variant.biased),
        "ACTIVATION": _ACTIVATIONS[variant.activation if last else "none"],
        "ALIGNED": int(variant.aligned),
    }
    return {name: str(value) for name, value in values.items()}


def kernel_source(schedule: Schedule, launched: Pass, variant: Variant | None = None) -> str:
    """The whole source of the kernel of one pass, ready for NVRTC with C++17.

    >>> from equiconv.convolution.cuda import find_schedule
    >>> schedule = find_schedule((256,), "float32")
    >>> print(kernel_source(schedule, schedule.passes[0])[:39])
    #define REAL float
    #define IS_DOUBLE 0
    """
    defines = macros(schedule, launched, variant or Variant())
    return "".join(f"#define {name} {value}\n" for name, value in defines.items()) + template()


@cache
def template() -> str:
    """fused.cu as it lies in the package, without its comments: what is left is ASCII, which every compiler's files hold."""
    text = files("equiconv.convolution.cuda").joinpath("fused.cu").read_text(encoding="utf-8")
    return "".join(line.partition("//")[0].rstrip() + "\n" for line in text.splitlines())
