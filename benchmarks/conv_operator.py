"""Singular values of convolution layers, side by side: this library, the published method, a dense decomposition.

    OMP_NUM_THREADS=1 python -m benchmarks.conv_operator [--repeats 9] [--csv FILE] [--quick]

The repetitions of all methods are interleaved, each on other weights, after one warm-up each; the table has the medians.
A ratio is a peer's time over that of `ConvOperator.singular_values()`: above 1 the library is faster. Peers:

- *published*: `np.linalg.svd(np.fft.fft2(kernel, sizes, axes=[0, 1]), compute_uv=False)`, as printed in Sedghi, Gupta &
  Long 2019; for stride 1, without groups. *published, torch*: the same with `torch.fft.fft2` and `torch.linalg.svdvals`.
- *dense*: `torch.linalg.svdvals` of the matrix of the layer, where that has at most 2048 rows.

Correctness, in the same run: every result is held to a dense decomposition in float64 of the layer on a torus where its
matrix can be decomposed (the same one, or a smaller one with the same weights), by `rounding_bound()`; and on the torus
that is timed, to the published method in float64 where there is one.
"""

from __future__ import annotations

import argparse
import csv
import platform
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from equiconv.nn import ConvOperator

LARGEST_DENSE = 2048


@dataclass(frozen=True)
class Case:
    """A layer and its torus, and a torus on which its dense matrix is small."""

    filters: int
    channels: int
    kernel: int
    n: int
    small: int
    stride: int = 1
    groups: int = 1
    dtype: torch.dtype = torch.float32

    def weight(self, seed: int) -> Tensor:
        generator = torch.Generator().manual_seed(seed)
        shape = (self.filters, self.channels // self.groups, self.kernel, self.kernel)
        return torch.randn(shape, generator=generator, dtype=torch.float64).to(self.dtype)

    def operator(self, weight: Tensor, n: int | None = None) -> ConvOperator:
        size = self.n if n is None else n
        return ConvOperator(weight, (size, size), stride=self.stride, groups=self.groups)

    @property
    def published(self) -> bool:
        return self.stride == self.groups == 1

    @property
    def dense(self) -> bool:
        return max(self.filters * (self.n // self.stride) ** 2, self.channels * self.n**2) <= LARGEST_DENSE

    def __str__(self) -> str:
        text = f"{self.channels}→{self.filters}, {self.kernel}×{self.kernel}, {self.n}×{self.n}"
        text += f", stride {self.stride}" * (self.stride > 1) + f", {self.groups} groups" * (self.groups > 1)
        return f"{text}, {str(self.dtype).rpartition('.')[2]}"


TARGETS = [
    Case(8, 8, 3, 16, small=16),
    Case(8, 8, 3, 16, small=16, dtype=torch.float64),
    Case(64, 64, 3, 32, small=5),
    Case(64, 64, 3, 32, small=5, dtype=torch.float64),
]
CASES = [
    *TARGETS,
    Case(16, 16, 3, 32, small=10),
    Case(64, 64, 7, 32, small=5),
    Case(64, 64, 13, 32, small=5),
    Case(128, 128, 3, 16, small=4),
    Case(128, 64, 3, 32, small=4),
    Case(64, 64, 3, 32, small=4, stride=2),
    Case(64, 3, 7, 64, small=16, stride=2),
    Case(64, 64, 3, 32, small=5, groups=8),
    Case(256, 256, 7, 56, small=2, groups=256),
]


def published(kernel: np.ndarray, n: int) -> np.ndarray:
    """Sedghi, Gupta & Long 2019, §3: kernel (k, k, channels, filters)."""
    transforms = np.fft.fft2(kernel, (n, n), axes=[0, 1])
    return np.linalg.svd(transforms, compute_uv=False)


def published_in_torch(weight: Tensor, n: int) -> Tensor:
    transforms = torch.fft.fft2(weight, (n, n)).permute(2, 3, 0, 1)
    values: Tensor = torch.linalg.svdvals(transforms)
    return values


def check(case: Case) -> float:
    """The largest error over its bound; raises `AssertionError` beyond 1."""
    weight = case.weight(0)
    ratios = []
    operator = case.operator(weight, case.small)
    exact = torch.linalg.svdvals(case.operator(weight.double(), case.small).dense())
    reference = max(operator.shape) * 2.0**-52 * exact[0]
    error = (operator.singular_values().double() - exact).abs().max()
    ratios.append(float(error / (operator.rounding_bound() + reference)))
    ratios.append(float((operator.lipschitz() - exact[0]).abs() / (operator.rounding_bound() + reference)))
    if case.published:
        operator = case.operator(weight)
        kernel = weight.double().permute(2, 3, 1, 0).contiguous().numpy()
        values = torch.as_tensor(np.sort(published(kernel, case.n).reshape(-1))[::-1].copy())
        error = (operator.singular_values().double() - values).abs().max()
        double = case.operator(weight.double()).rounding_bound()
        ratios.append(float(error / (operator.rounding_bound() + double)))
    assert max(ratios) <= 1, f"{case}: an error of {max(ratios):.3g} times its bound"
    return max(ratios)


def measure(case: Case, repeats: int) -> dict[str, float]:
    """The median seconds of each method."""
    weights = [case.weight(seed) for seed in range(1, repeats + 2)]
    kernels = [w.permute(2, 3, 1, 0).contiguous().numpy() for w in weights]
    methods: dict[str, Callable[[int], object]] = {
        "singular_values": lambda i: case.operator(weights[i]).singular_values(),
        "lipschitz": lambda i: case.operator(weights[i]).lipschitz(),
    }
    if case.published:
        methods["published"] = lambda i: published(kernels[i], case.n)
        methods["published, torch"] = lambda i: published_in_torch(weights[i], case.n)
    if case.dense:
        matrices = [case.operator(w).dense() for w in weights[:4]]
        methods["dense"] = lambda i: torch.linalg.svdvals(matrices[i])
    times: dict[str, list[float]] = {name: [] for name in methods}
    for i in range(repeats + 1):
        for name, method in methods.items():
            if name == "dense" and i > 3:
                continue
            start = time.perf_counter()
            method(i)
            if i:  # the first is a warm-up
                times[name].append(time.perf_counter() - start)
    return {name: statistics.median(values) for name, values in times.items()}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=9, help="repetitions of each method (a dense one: 3 at most)")
    parser.add_argument("--csv", help="write the table to this file, too")
    parser.add_argument("--quick", action="store_true", help="the layers of the stated targets alone")
    arguments = parser.parse_args()
    print(
        f"torch {torch.__version__}, NumPy {np.__version__}, Python {platform.python_version()}, "
        f"{platform.machine()}, {torch.backends.cpu.get_cpu_capability()}, threads: {torch.get_num_threads()}"
    )
    peers = ["published", "published, torch", "dense"]
    header = [
        "layer",
        "singular_values ms",
        "lipschitz ms",
        *(f"{p} ms" for p in peers),
        *(f"ratio to {p}" for p in peers),
    ]
    header.append("largest error / bound")
    rows = []
    for case in TARGETS if arguments.quick else CASES:
        ratio = check(case)
        times = measure(case, arguments.repeats)
        mine = times["singular_values"]
        cells = [f"{1e3 * times[m]:.2f}" if m in times else "" for m in ("singular_values", "lipschitz", *peers)]
        cells += [f"{times[p] / mine:.2f}" if p in times else "" for p in peers]
        rows.append([str(case), *cells, f"{ratio:.2g}"])
        print("done:", case, file=sys.stderr)
    widths = [max(len(row[c]) for row in [header, *rows]) for c in range(len(header))]
    for k, row in enumerate([header, *rows]):
        print("| " + " | ".join(cell.ljust(w) for cell, w in zip(row, widths, strict=True)) + " |")
        if k == 0:
            print("|" + "|".join("-" * (w + 2) for w in widths) + "|")
    if arguments.csv:
        with open(arguments.csv, "w", newline="", encoding="utf-8") as file:
            csv.writer(file).writerows([header, *rows])
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
