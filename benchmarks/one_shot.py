"""A kernel met once, beside other functions that convolve: `python -m benchmarks.one_shot`.

Nothing is prepared: each call is given the signal and the kernel. Functions that convolve on the line are given the
signal continued periodically, which is what their users do.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import scipy.ndimage
import scipy.signal
import torch
from rich.progress import track

import equiconv as eq
from benchmarks.contest import OURS, Result, contest, geometric_mean
from benchmarks.output import line, write_table
from equiconv.arrays import eps

CASES = [((1, 4096), (k,)) for k in (3, 31, 511)]
CASES += [((256, 4096), (k,)) for k in (3, 31, 511)]
CASES += [((64, 224, 224), (k, k)) for k in (3, 7, 31)]
CASES += [((4, 1024, 1024), (k, k)) for k in (3, 15, 63)]


def contenders(w: Any, axes: tuple[int, ...]) -> dict[str, Callable[[Any], Any]]:
    """Circular correlation with an odd kernel, centred: torch's layers compute it."""
    half = tuple(k // 2 for k in w.shape)
    flipped = np.flip(w).copy()
    weight, conv = torch.from_numpy(w)[None, None], getattr(torch.nn.functional, f"conv{len(axes)}d")
    pads = [h for h in reversed(half) for _ in range(2)]

    def padded(x: Any) -> Any:
        return torch.nn.functional.pad(torch.from_numpy(x)[:, None], pads, mode="circular")

    def wrapped(x: Any) -> Any:
        return np.pad(x, [(0, 0), *((h, h) for h in half)], mode="wrap")

    found = {
        OURS: lambda x: eq.circular_correlate(x, w, axes, half),
        "scipy.ndimage wrap": lambda x: scipy.ndimage.correlate(x, w[None], mode="wrap"),
        "scipy.signal.fftconvolve": lambda x: scipy.signal.fftconvolve(wrapped(x), flipped[None], "valid", axes=axes),
        "torch conv": lambda x: conv(padded(x), weight)[:, 0].numpy(),
    }
    try:
        from fft_conv_pytorch import fft_conv

        found["fft-conv-pytorch"] = lambda x: fft_conv(padded(x), weight)[:, 0].numpy()
    except ImportError:
        print("fft-conv-pytorch is not installed")
    if len(axes) == 1:
        try:
            from torchaudio.functional import fftconvolve

            taps = torch.from_numpy(flipped)[None, None]
            found["torchaudio"] = lambda x: fftconvolve(padded(x), taps, mode="valid")[:, 0].numpy()
        except (ImportError, OSError) as reason:
            print(f"torchaudio cannot be used: {reason}")
    return found


def run_case(shape: tuple[int, ...], kernel: tuple[int, ...], dtype: str, seconds: float) -> Result:
    rng = np.random.default_rng(0)
    inputs = [rng.standard_normal(shape).astype(dtype) for _ in range(2)]
    w = rng.standard_normal(kernel).astype(dtype)
    axes = tuple(range(1, len(shape)))
    half = tuple(k // 2 for k in kernel)
    truth = eq.circular_correlate(inputs[0].astype(np.float64), w.astype(np.float64), axes, half, method="fourier")
    found = contenders(w, axes)
    if dtype == "float64":
        found.pop("fft-conv-pytorch", None)  # it computes in complex64 whatever it is given
    if w.size > 1000:  # the sums take a minute there
        del found["scipy.ndimage wrap"]
    name = f"{'×'.join(map(str, shape))}, kernel {'×'.join(map(str, kernel))} {dtype}"
    limits = dict.fromkeys(found, 3000 * eps(dtype))
    return contest(name, found, inputs, truth, limits, samples=int(np.prod(shape)), seconds=seconds, least=5)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results"))
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=0.7, help="for each cell")
    parser.add_argument("--quick", action="store_true", help="a few cells")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    cells = [(s, k, d) for d in ("float32", "float64") for s, k in CASES[:: 4 if options.quick else 1]]
    results = []
    for shape, kernel, dtype in track(cells, "cells"):
        results.append(run_case(shape, kernel, dtype, options.seconds))
        print(line(results[-1]), flush=True)
    ratios = [r.ratio for r in results]
    summary = f"{len(ratios)} cells: geometric mean {geometric_mean(ratios):.2f}, least {min(ratios):.2f}"
    print(summary)
    write_table(results, options.out, "one-shot", "A kernel met once, on the CPU", options.threads, summary)


if __name__ == "__main__":
    main()
