"""The one place that decides how a circular convolution is computed, and that can say why.

Shapes come in, a `Plan` comes out: how the kernel lines up with the signal, the method, and what each method would
cost. The choice rests on counts alone (taps and prime factors of the sizes), so that it is the same on every machine
and for every batch size.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal, TypeAlias, get_args

from equiconv.arrays import DType, compute_dtype, dtype_name, normalize_axes

__all__ = ["Cost", "Method", "Plan", "plan"]

Method: TypeAlias = Literal["auto", "definition", "fourier"]
Chosen: TypeAlias = Literal["definition", "fourier"]

# Up to this many taps the sum of rolls is chosen, along one axis and along several. Measured in float32, float64 and
# complex128, with NumPy and with torch, on 16 to 2²⁰ samples on one core, the methods cross between 3 and 9 taps along
# one axis (transforms cost a pass more for each further axis) and between 5 and 25 along two.
_FEW_TAPS_ONE_AXIS = 5
_FEW_TAPS_MORE_AXES = 9
# Where a size has a large prime factor the transforms become chirp convolutions, 3 to 5 times slower: the crossing is
# at 12 or more.
_FEW_TAPS_LARGE_PRIME = 12
_LARGE_PRIME = 11

_ITEM_SIZE = {"float32": 4, "float64": 8, "complex64": 8, "complex128": 16, "float128": 16, "complex256": 32}


@dataclass(frozen=True)
class Cost:
    """What one method costs: floating-point operations, and bytes read from or written to arrays."""

    flops: float
    bytes: float


@dataclass(frozen=True)
class Plan:
    """How `circular_convolve` and `circular_correlate` compute a product of these shapes. Made by `plan`.

    `axes` are the axes that are convolved, counted from the end, in increasing order; they are the same in the signal,
    in the kernel (unless the kernel has these axes only) and in the result. `sizes` and `kernel_sizes` are the sizes
    along them.
    """

    x_shape: tuple[int, ...]
    w_shape: tuple[int, ...]
    axes: tuple[int, ...]
    dtype: str
    shape: tuple[int, ...]
    sizes: tuple[int, ...]
    kernel_sizes: tuple[int, ...]
    method: Chosen
    reason: str
    definition: Cost
    fourier: Cost

    def explain(self) -> str:
        """The choice in words: the shapes, the method, why, and what each method would cost.

        >>> print(plan((8, 1024), (31,), dtype="float32").explain())
        circular convolution of x (8, 1024) with w (31,) along axes (-1,) in float32
        method: fourier, because the kernel has 31 taps, more than the 5 up to which a sum of rolls is cheaper
          definition  508 kflop, 7.11 MB
          fourier     460 kflop, 246 kB
        no timing table yet: these are counts, not times
        """
        lines = [
            f"circular convolution of x {self.x_shape} with w {self.w_shape} along axes {self.axes} in {self.dtype}",
            f"method: {self.method}, because {self.reason}",
        ]
        lines += [
            f"  {name:<11} {_with_prefix(cost.flops, 'flop')}, {_with_prefix(cost.bytes, 'B')}"
            for name, cost in (("definition", self.definition), ("fourier", self.fourier))
        ]
        return "\n".join([*lines, "no timing table yet: these are counts, not times"])


def plan(
    x_shape: Sequence[int],
    w_shape: Sequence[int],
    axes: int | Iterable[int] = -1,
    dtype: DType = "float64",
    method: Method = "auto",
) -> Plan:
    """The `Plan` by which arrays of these shapes are convolved; `circular_convolve` follows the same one.

    Parameters are those of `circular_convolve`, with shapes in place of arrays; `dtype` is a dtype of any library or
    its name. `method="auto"` chooses the sum of rolls for kernels of few taps, and Fourier transforms beyond: at most 5
    taps along one axis, 9 along several, and 12 where a size has a prime factor of 11 or more, whose transforms are
    slower.

    Raises `TypeError` for axes that are no integers or a dtype that is not floating, and `ValueError` for axes that are
    missing from x or w, named twice or none at all, for empty axes, batch shapes that do not broadcast, or an unknown
    method.

    >>> plan((8, 1024), (3,)).method, plan((8, 1024), (300,)).method, plan((8, 1009), (11,)).method
    ('definition', 'fourier', 'definition')
    """
    signal, kernel = tuple(int(n) for n in x_shape), tuple(int(m) for m in w_shape)
    return _plan(signal, kernel, normalize_axes(axes, len(signal)), dtype_name(compute_dtype(dtype)), method)


@lru_cache(maxsize=256)
def _plan(
    x_shape: tuple[int, ...], w_shape: tuple[int, ...], axes: tuple[int, ...], dtype: str, method: Method
) -> Plan:
    if dtype not in _ITEM_SIZE:
        raise TypeError(f"dtype must be real or complex floating, got {dtype}; for instance 'float32'")
    if method not in get_args(Method):
        raise ValueError(f"method must be one of {', '.join(map(repr, get_args(Method)))}, got {method!r}")
    ends = tuple(sorted(a - len(x_shape) for a in axes))
    alone = len(w_shape) == len(ends)  # a kernel with the convolved axes and no other
    if not alone and -ends[0] > len(w_shape):
        raise ValueError(
            f"w of shape {w_shape} has no axis {ends[0]}, along which x of shape {x_shape} is convolved; give w the "
            f"{len(ends)} convolved axes alone, or all axes that broadcast with x"
        )
    w_axes = tuple(range(-len(ends), 0)) if alone else ends
    sizes, kernel_sizes = tuple(x_shape[a] for a in ends), tuple(w_shape[a] for a in w_axes)
    for name, shape, along in (("x", x_shape, sizes), ("w", w_shape, kernel_sizes)):
        if any(n < 1 for n in along):
            raise ValueError(
                f"{name} of shape {shape} is empty along the axes {axes} of x, where at least one sample is needed"
            )
    shape = _result_shape(x_shape, w_shape, ends, w_axes)
    chosen, reason = _choose(sizes, math.prod(kernel_sizes), method)
    definition, fourier = _costs(x_shape, w_shape, shape, sizes, kernel_sizes, dtype)
    return Plan(
        x_shape,
        w_shape,
        ends,
        dtype,
        shape,
        sizes,
        kernel_sizes,
        chosen,
        reason,
        definition=definition,
        fourier=fourier,
    )


def _result_shape(
    x_shape: tuple[int, ...], w_shape: tuple[int, ...], ends: tuple[int, ...], w_axes: tuple[int, ...]
) -> tuple[int, ...]:
    """The sizes of x along the convolved axes, and the broadcast of x and w along the others."""
    if w_axes != ends or len(w_shape) == len(ends):
        return x_shape
    rank = max(len(x_shape), len(w_shape))
    shape = []
    for axis in range(-rank, 0):
        n = x_shape[axis] if -axis <= len(x_shape) else 1
        m = w_shape[axis] if -axis <= len(w_shape) else 1
        if axis not in ends and n != m and 1 not in (n, m):
            raise ValueError(
                f"x of shape {x_shape} and w of shape {w_shape} do not broadcast along axis {axis} ({n} against {m}); "
                f"the sizes of axes that are not convolved must be equal, or 1"
            )
        shape.append(n if axis in ends or m == 1 else m)
    return tuple(shape)


def _choose(sizes: tuple[int, ...], taps: int, method: Method) -> tuple[Chosen, str]:
    if method != "auto":
        return method, "the caller asked for it"
    few, setting = _FEW_TAPS_MORE_AXES if len(sizes) > 1 else _FEW_TAPS_ONE_AXIS, ""
    if any(_largest_prime_factor(n) >= _LARGE_PRIME for n in sizes):
        few, setting = _FEW_TAPS_LARGE_PRIME, " for sizes with a large prime factor"
    counted = f"the kernel has {taps} tap{'s' if taps > 1 else ''}"
    if taps <= few:
        return "definition", f"{counted}, at most the {few} up to which a sum of rolls is cheaper{setting}"
    return "fourier", f"{counted}, more than the {few} up to which a sum of rolls is cheaper{setting}"


def _costs(
    x_shape: tuple[int, ...],
    w_shape: tuple[int, ...],
    shape: tuple[int, ...],
    sizes: tuple[int, ...],
    kernel_sizes: tuple[int, ...],
    dtype: str,
) -> tuple[Cost, Cost]:
    """What the definition and Fourier transforms cost."""
    is_complex, item = dtype.startswith("complex"), _ITEM_SIZE[dtype]
    n, taps = math.prod(sizes), math.prod(kernel_sizes)
    x, y = math.prod(x_shape), math.prod(shape)
    embedded = math.prod(w_shape) // taps * n  # the kernels, each written on the grid of the signal

    # Per tap: a rolled copy of x, its product with the weight, and the sum.
    definition = Cost(flops=taps * y * (8 if is_complex else 2), bytes=item * taps * (3 * x + 4 * y))

    # 5·n·log2(n) flops a complex transform, half of it a real one; per axis one read and one write; 6 flops a complex
    # product.
    half = 1.0 if is_complex else 0.5
    transformed = x + embedded + y
    fourier = Cost(
        flops=half * (5 * math.log2(n) * transformed + 6 * y),
        bytes=item * (2 * len(sizes) * transformed + 2 * embedded + 3 * y),
    )
    return definition, fourier


def _largest_prime_factor(n: int) -> int:
    largest, p = 1, 2
    while p * p <= n:
        while n % p == 0:
            largest, n = p, n // p
        p += 1
    return max(largest, n)


def _with_prefix(value: float, unit: str) -> str:
    for prefix in ("", "k", "M", "G"):
        if value < 999.5:
            return f"{value:.3g} {prefix}{unit}"
        value /= 1000
    return f"{value:.4g} T{unit}"
