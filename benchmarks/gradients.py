"""Convolutions that torch differentiates, forward and backward, beside others: `python -m benchmarks.gradients`.

A call convolves a tensor with a kernel, and takes the gradients of both for one cotangent. What peers save between the
passes is theirs to choose; ours saves nothing beside the operands.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor

import equiconv as eq
from benchmarks.contest import OURS, Result, contest
from benchmarks.output import write_table
from benchmarks.running import options_of, parser, run_cells, summary
from benchmarks.truth import as_circular, exact
from equiconv.arrays import eps

Cell = tuple[tuple[int, ...], tuple[int, ...], str]
# Shape of the signals, batch first, and of the kernel, of odd sizes.
CASES: list[tuple[tuple[int, ...], tuple[int, ...]]] = [((1, n), (n - 1,)) for n in (1024, 2**16, 2**20)]
CASES += [((2**20 // n, n), (n - 1,)) for n in (64, 256, 1024, 4096)]
CASES += [((256, 4096), (k,)) for k in (3, 31)]
CASES += [((64, 128, 128), (k, k)) for k in (3, 31)]
CASES += [((16, 256, 256), (255, 255)), ((8, 64, 64, 64), (9, 9, 9))]
# Taps up to which torch's convolution takes part: beyond, it takes seconds.
MOST_TAPS = 1000


def cases(quick: bool) -> Iterator[Cell]:
    """(shape of the signals, shape of the kernel, dtype)."""
    for dtype in ("float32", "float64"):
        for shape, kernel in CASES[:: 5 if quick else 1]:
            yield shape, kernel, dtype


def name_of(cell: Cell) -> str:
    shape, kernel, dtype = cell
    return f"{'×'.join(map(str, shape))}, kernel {'×'.join(map(str, kernel))} {dtype}"


def contenders(w: Tensor, g: Tensor, axes: tuple[int, ...]) -> dict[str, Callable[[Tensor, Tensor], Tensor]]:
    """Circular correlation with an odd kernel, centred, as functions of the signal and the kernel."""
    half = tuple(k // 2 for k in w.shape)
    sizes, levels = [g.shape[a] for a in axes], len(axes)
    conv = getattr(torch.nn.functional, f"conv{levels}d")
    pads = [h for h in reversed(half) for _ in range(2)]

    def by_transforms(x: Tensor, w: Tensor) -> Tensor:
        spectrum = torch.fft.rfftn(x, dim=axes) * torch.fft.rfftn(w, s=sizes).conj()
        return torch.fft.irfftn(spectrum, s=sizes, dim=axes).roll(half, axes)

    def by_windows(x: Tensor, w: Tensor) -> Tensor:
        padded = torch.nn.functional.pad(x[:, None], pads, mode="circular")
        y: Tensor = conv(padded, w[None, None])[:, 0]
        return y

    found: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
        OURS: lambda x, w: eq.circular_correlate(x, w, axes, half),
        "torch.fft": by_transforms,
    }
    if w.numel() <= MOST_TAPS and levels < 3:
        found["torch conv"] = by_windows
        try:
            from fft_conv_pytorch import fft_conv

            if w.dtype == torch.float32:  # it computes in complex64 whatever it is given
                found["fft-conv-pytorch"] = lambda x, w: fft_conv(
                    torch.nn.functional.pad(x[:, None], pads, mode="circular"), w[None, None]
                )[:, 0]
        except ImportError:
            print("fft-conv-pytorch is not installed")
    return found


def gradients(function: Callable[[Tensor, Tensor], Tensor], w: Tensor, g: Tensor, x: Any) -> tuple[Tensor, Tensor]:
    """Of x and w, for the cotangent g."""
    signal = torch.from_numpy(x).requires_grad_()
    of_x, of_w = torch.autograd.grad(function(signal, w), (signal, w), g)
    return of_x, of_w


def run_case(shape: tuple[int, ...], kernel: tuple[int, ...], dtype: str, seconds: float) -> Result:
    """One cell. Raises `AssertionError` where a gradient is wrong."""
    rng = np.random.default_rng(0)
    inputs = [rng.standard_normal(shape).astype(dtype) for _ in range(2)]
    w, g = (rng.standard_normal(s).astype(dtype) for s in (kernel, shape))
    if any(k % 2 == 0 for k in kernel):
        raise ValueError(f"kernels have odd sizes here, got {kernel}")
    axes = tuple(range(1, len(shape)))
    # the correlation's adjoint is the convolution with the same taps about the same centre
    truth = exact(g, as_circular(np.flip(w), shape[1:]), axes)
    kernels, cotangent = torch.from_numpy(w).requires_grad_(), torch.from_numpy(g)
    functions = contenders(kernels, cotangent, axes)
    limit = 3000 * eps(dtype)
    of_kernel = {n: gradients(f, kernels, cotangent, inputs[0])[1].double() for n, f in functions.items()}
    wide = [torch.from_numpy(a.astype(np.float64)) for a in (w, g)]
    expected = gradients(functions["torch.fft"], wide[0].requires_grad_(), wide[1], inputs[0].astype(np.float64))[1]
    for name, found in of_kernel.items():
        error = ((found - expected).abs().max() / expected.abs().max()).item()
        if not error < limit:
            raise AssertionError(f"{name}: the kernel's gradient is wrong by {error:.2g} of the largest entry")
    runs = {
        name: partial(lambda f, x: gradients(f, kernels, cotangent, x)[0].numpy(), f) for name, f in functions.items()
    }
    return contest(
        name_of((shape, kernel, dtype)),
        runs,
        inputs,
        truth,
        dict.fromkeys(runs, limit),
        samples=int(np.prod(shape)),
        seconds=seconds,
        least=5,
    )


def main(arguments: Sequence[str] | None = None) -> None:
    options = options_of(parser(__doc__), arguments)
    found = run_cells(cases(options.quick), name_of, lambda cell: run_case(*cell, options.seconds), options)
    results = [result for _, result in found]
    words = summary(results)
    print(words)
    title = "A convolution and both its gradients, on the CPU"
    write_table(results, options.out, "gradients", title, options.threads, words)


if __name__ == "__main__":
    main()
