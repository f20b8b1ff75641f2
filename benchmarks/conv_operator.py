"""Singular values of convolution layers, side by side: this library, the published method, a dense decomposition.

    OMP_NUM_THREADS=1 python -m benchmarks.conv_operator [--repeats 9] [--out FOLDER] [--quick]

Written to `--out`: a CSV and a table in Markdown. The repetitions of all methods are interleaved, each on other
weights, after one warm-up each; the table has the medians. A ratio is a peer's time over that of
`ConvOperator.singular_values()`: above 1 the library is faster. Peers:

- *published*: `np.linalg.svd(np.fft.fft2(kernel, sizes, axes=[0, 1]), compute_uv=False)`, as printed in Sedghi, Gupta &
  Long 2019; for stride 1, without groups. *published, torch*: the same with `torch.fft.fft2` and `torch.linalg.svdvals`.
- *dense*: `torch.linalg.svdvals` of the matrix of the layer, where that has at most 2048 rows.

Correctness, in the same run: every result is held to a dense decomposition in float64 of the layer on a torus where its
matrix can be decomposed (the same one, or a smaller one with the same weights), by `rounding_bound()`; and on the torus
that is timed, to the published method in float64 where there is one.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from rich.console import Console
from rich.progress import track
from torch import Tensor

from benchmarks.output import machine, markdown_table, stem, write_csv, write_page
from benchmarks.running import options_of, parser
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


PEERS = ("published", "published, torch", "dense")
OURS = ("singular_values", "lipschitz")
METHODS = (*OURS, *PEERS)


def main(arguments: Sequence[str] | None = None) -> None:
    made = parser(__doc__, seconds=None)
    made.add_argument("--repeats", type=int, default=9, help="repetitions of each method (a dense one: 3 at most)")
    options = options_of(made, arguments)
    if options.repeats < 1:
        made.error(f"--repeats must be at least 1, got {options.repeats}")
    chosen = [case for case in (TARGETS if options.quick else CASES) if options.only in str(case)]
    if not chosen:
        raise SystemExit(f"no layer's name contains {options.only!r}")
    found = [
        (case, check(case), measure(case, options.repeats))
        for case in track(chosen, "layers", console=Console(stderr=True))
    ]
    print("\n".join(table(found)))
    write(found, options.out / stem("conv-operator", options.threads), options.threads)


Found = Sequence[tuple[Case, float, dict[str, float]]]


def table(found: Found) -> list[str]:
    """The lines of a table in Markdown: milliseconds, ratios, and the largest error over its bound."""
    header = ["layer", *(f"{m} ms" for m in METHODS), *(f"ratio to {p}" for p in PEERS), "largest error / bound"]
    rows = []
    for case, error, times in found:
        cells = [f"{1e3 * times[m]:.2f}" if m in times else "" for m in METHODS]
        cells += [f"{times[p] / times['singular_values']:.2f}" if p in times else "" for p in PEERS]
        rows.append([str(case), *cells, f"{error:.2g}"])
    return markdown_table(header, rows)


def write(found: Found, path: Path, threads: int) -> None:
    """`path.csv` and `path.md`."""
    write_csv(
        path.with_suffix(".csv"),
        ["layer", *(f"{m} s" for m in METHODS), "largest error / bound"],
        [[str(c), *(f"{t[m]:.4g}" if m in t else "" for m in METHODS), f"{e:.2g}"] for c, e, t in found],
    )
    write_page(
        path.with_suffix(".md"),
        "Singular values of convolution layers, on the CPU",
        f"Medians in milliseconds, {machine(threads)}",
        "A ratio is a peer's time over that of `singular_values()`. *published* is Sedghi, Gupta & Long's method in NumPy, "
        "*published, torch* the same in torch, *dense* `torch.linalg.svdvals` of the layer's matrix. Every result is held to "
        "float64; the error is that of ours, over `rounding_bound()`.",
        table(found),
    )


if __name__ == "__main__":
    main()
