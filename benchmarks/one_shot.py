"""A kernel met once, beside other functions that convolve: `python -m benchmarks.one_shot`.

Nothing is prepared: each call is given the signal and the kernel. Functions that convolve on the line are given the
signal continued periodically, which is what their users do. In float64 torch's convolutions copy the signal once a
tap: they are left out where that takes more than 4 GiB. SciPy's ndimage is left out where it takes a minute.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import scipy.ndimage
import scipy.signal
import torch

import equiconv as eq
from benchmarks.contest import OURS, Result, contest
from benchmarks.output import write_table
from benchmarks.running import options_of, parser, run_cells, summary
from benchmarks.truth import as_circular, exact
from equiconv.arrays import eps

Cell = tuple[tuple[int, ...], tuple[int, ...], str]
CASES: list[tuple[tuple[int, ...], tuple[int, ...]]] = [((1, 4096), (k,)) for k in (3, 31, 511)]
CASES += [((256, 4096), (k,)) for k in (3, 31, 511)]
CASES += [((64, 224, 224), (k, k)) for k in (3, 7, 31)]
CASES += [((4, 1024, 1024), (k, k)) for k in (3, 15, 63)]
LARGEST_UNFOLDED = 2**32


def cases(quick: bool) -> Iterator[Cell]:
    """(shape of the signals, shape of the kernel, dtype)."""
    for dtype in ("float32", "float64"):
        for shape, kernel in CASES[:: 4 if quick else 1]:
            yield shape, kernel, dtype


def name_of(cell: Cell) -> str:
    shape, kernel, dtype = cell
    return f"{'×'.join(map(str, shape))}, kernel {'×'.join(map(str, kernel))} {dtype}"


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
    truth = exact(inputs[0], as_circular(w, shape[1:]), axes)
    found = contenders(w, axes)
    if dtype == "float64":
        found.pop("fft-conv-pytorch", None)  # it computes in complex64 whatever it is given
        if inputs[0].nbytes * w.size > LARGEST_UNFOLDED:
            del found["torch conv"]
    if w.size > 1000:  # the sums take a minute there
        del found["scipy.ndimage wrap"]
    limits = dict.fromkeys(found, 3000 * eps(dtype))
    return contest(
        name_of((shape, kernel, dtype)),
        found,
        inputs,
        truth,
        limits,
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
    write_table(results, options.out, "one-shot", "A kernel met once, on the CPU", options.threads, words)


if __name__ == "__main__":
    main()
