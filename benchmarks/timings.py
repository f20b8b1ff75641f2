"""Measure the engines on this machine, and write the table that the plan chooses by: `python -m benchmarks.timings`.

One core, signals that fill a megabyte or more, the fastest of several repetitions. FFTW appears twice: as it
estimates, and as it chooses after trying (`effort="measure"`).
"""

from __future__ import annotations

import argparse
import functools
import itertools
import json
import math
import platform
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from rich.progress import track

import equiconv
from equiconv.convolution.blocks import BlockedProduct
from equiconv.convolution.costs import FEW
from equiconv.convolution.dense import DenseProduct
from equiconv.convolution.engines import available
from equiconv.convolution.engines.base import spectrum_shape
from equiconv.convolution.stencil import Stencil
from equiconv.convolution.tiles import TiledProduct, factor_pair

TABLE = Path(equiconv.__file__).parent / "convolution" / "timings.json"
DTYPES = ("float32", "float64", "complex64", "complex128")
SMOOTH: dict[int, list[tuple[int, ...]]] = {
    1: [(2**k,) for k in (1, 3, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 18, 20, 22)],
    2: [(n, n) for n in (4, 8, 16, 32, 64, 128, 256, 384, 512, 768, 1024, 2048)],
    3: [(n, n, n) for n in (4, 8, 16, 24, 32, 48, 64, 96, 128)],
}
PRIME: dict[int, list[tuple[int, ...]]] = {
    1: [(11,), (31,), (101,), (307,), (1009,), (3001,), (10007,), (100003,), (1000003,)],
    2: [(11, 13), (31, 29), (61, 59), (101, 103), (251, 257), (509, 503), (1021, 1019)],
    3: [(11, 13, 11), (31, 29, 31), (61, 59, 67), (101, 103, 107)],
}
# single rows, which fill no vector registers: calls and all
KINDS = (
    ("smooth", SMOOTH),
    ("prime", PRIME),
    ("one smooth", {1: SMOOTH[1]}),
    ("one prime", {1: PRIME[1]}),
)
LAYOUTS: dict[str, Any] = {"blocks": BlockedProduct, "tiles": TiledProduct}
LARGEST_BLOCK = 2**18  # bytes of one signal from which tiles are tried


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=TABLE)
    parser.add_argument("--samples", type=int, default=2**19, help="samples of each problem, at least one signal")
    parser.add_argument("--repetitions", type=int, default=9)
    parser.add_argument(
        "--engines", nargs="+", choices=available(), help="only these anew; the others stay as they are"
    )
    parser.add_argument("--layouts", nargs="+", choices=LAYOUTS, default=LAYOUTS, help="only these anew")
    options = parser.parse_args()
    torch.set_num_threads(1)
    table = measure(options.samples, options.repetitions, options.engines, options.layouts)
    if options.engines or set(options.layouts) != set(LAYOUTS):
        before = json.loads(TABLE.read_text(encoding="utf-8"))
        for part in ("calls", "transforms"):
            table[part] = {**before[part], **table[part]}
    options.out.write_text(_compact(table) + "\n", encoding="utf-8")
    print(f"wrote {options.out}")


def measure(
    samples: int, repetitions: int, chosen: Sequence[str] | None = None, layouts: Sequence[str] = tuple(LAYOUTS)
) -> dict[str, Any]:
    """The whole table, or the part of these engines and layouts."""
    chosen = chosen or available()
    jobs = list(_transform_jobs(samples, chosen, layouts))
    transforms: dict[str, Any] = {}
    for key, dtype, axes, kind, n, run, count in track(jobs, "transforms"):
        points = transforms.setdefault(key, {}).setdefault(dtype, {}).setdefault(str(axes), {}).setdefault(kind, [])
        timed, inner = run()
        points.append([n, _significant(_time(timed, repetitions) / (count * inner) * 1e9)])
    engines = [*chosen, *(["fftw measured"] if "fftw" in chosen else [])]
    return {
        "about": "nanoseconds a sample on one core; calls in microseconds",
        "processor": platform.processor() or platform.machine(),
        "numpy": np.__version__,
        "torch": torch.__version__.partition("+")[0],
        "calls": {engine: _significant(_call(engine, repetitions)) for engine in engines},
        "stencil": {dtype: _stencil(dtype, repetitions) for dtype in DTYPES},
        "dense": {dtype: _dense(dtype, repetitions) for dtype in DTYPES},
        "transforms": transforms,
    }


def _transform_jobs(
    samples: int, engines: Sequence[str], layouts: Sequence[str]
) -> Iterator[tuple[str, str, int, str, int, Callable[[], tuple[Callable[[], None], int]], int]]:
    for engine in engines:
        for measured in (False, True) if engine == "fftw" else (False,):
            name = "fftw measured" if measured else engine
            for dtype in DTYPES:
                for kind, grids in KINDS:
                    for axes, sizes in ((a, g) for a, some in grids.items() for g in some):
                        n = math.prod(sizes)
                        rows = 1 if kind.startswith("one") else max(FEW, samples // n)
                        for layout, product in ((name, LAYOUTS[name]) for name in layouts):
                            if layout == "tiles" and (
                                n * np.dtype(dtype).itemsize < LARGEST_BLOCK or (axes == 1 and factor_pair(n) is None)
                            ):
                                continue

                            def run(
                                product: Any = product,
                                sizes: tuple[int, ...] = sizes,
                                dtype: str = dtype,
                                engine: str = engine,
                                rows: int = rows,
                                measured: bool = measured,
                            ) -> tuple[Callable[[], None], int]:
                                x = _noise((rows, *sizes), dtype)
                                spectrum = spectrum_shape(sizes, range(len(sizes)), np.dtype(dtype).kind == "f")
                                multiplier = _noise(spectrum, str(np.result_type(dtype, np.complex64)))
                                made = product(multiplier, sizes, sizes, dtype, engine, 1, measured=measured)
                                # some of each in turn, so that large ones are not found in the cache
                                pairs = [(x.copy(), np.empty_like(x)) for _ in range(4)]
                                inner = max(1, 2**14 // x.size)
                                turn = itertools.cycle(pairs)

                                def several() -> None:
                                    for _ in range(inner):
                                        made(*next(turn))

                                return several, inner

                            yield f"{name}/{layout}", dtype, axes, kind, n, run, rows * n


def _call(engine: str, repetitions: int) -> float:
    """Microseconds of a product of eight samples."""
    multiplier, x = _noise((5,), "complex64"), _noise((1, 8), "float32")
    name, measured = engine.partition(" ")[::2]
    product, out = BlockedProduct(multiplier, (8,), (8,), "float32", name, 1, measured=bool(measured)), np.empty_like(x)

    def many() -> None:
        for _ in range(200):
            product(x, out)

    return _time(many, repetitions) / 200 * 1e6


def _stencil(dtype: str, repetitions: int) -> dict[str, Any]:
    taps = []
    once = call = 0.0
    for axes, sizes in ((1, (1024,)), (2, (64, 64)), (3, (16, 16, 16))):
        x = _noise((2**18 // math.prod(sizes), *sizes), dtype)
        few, more = (_stencil_time(x, sizes, count, repetitions) for count in (1, 3))
        extra = (more - few) / (3**axes - 1)
        taps.append(_significant(extra / x.size * 1e9))
        if axes == 1:
            once = max(0.0, few - extra) / x.size * 1e9
            tiny = _noise((1, 8), dtype)
            call = _stencil_time(tiny, (8,), 3, repetitions, inner=200) / 3 * 1e6
    return {"call": _significant(call), "once": _significant(once), "tap": taps}


def _stencil_time(x: npt.NDArray[Any], sizes: tuple[int, ...], count: int, repetitions: int, inner: int = 1) -> float:
    stencil = Stencil(_noise((count,) * len(sizes), x.dtype.name), sizes, (0,) * len(sizes))
    out = np.empty_like(x)

    def run() -> None:
        for _ in range(inner):
            stencil(x, out)

    return _time(run, repetitions) / inner


def _dense(dtype: str, repetitions: int) -> dict[str, Any]:
    points = []
    for n in (2, 4, 8, 16, 32, 64, 128, 256):
        x = _noise((2**18 // n, n), dtype)
        product, out = DenseProduct(_noise((n,), dtype), (n,)), np.empty_like(x)
        seconds = _time(functools.partial(product, x, out), repetitions)
        points.append([n, _significant(seconds / x.size * 1e9)])
    x = _noise((1, 8), dtype)
    product, out = DenseProduct(_noise((8,), dtype), (8,)), np.empty_like(x)

    def many() -> None:
        for _ in range(200):
            product(x, out)

    return {"call": _significant(_time(many, repetitions) / 200 * 1e6), "points": points}


def _noise(shape: tuple[int, ...], dtype: str) -> npt.NDArray[Any]:
    rng = np.random.default_rng(0)
    x = rng.standard_normal(shape)
    return (x + 1j * rng.standard_normal(shape) if dtype.startswith("complex") else x).astype(dtype)


def _time(run: Callable[[], None], repetitions: int) -> float:
    run()
    times = []
    for _ in range(repetitions):
        start = time.perf_counter()
        run()
        times.append(time.perf_counter() - start)
    return min(times)  # what disturbs a run makes it longer


def _significant(value: float) -> float:
    return float(f"{value:.3g}")


def _compact(value: Any, depth: int = 0) -> str:
    """JSON with each list of points on a line."""
    if not isinstance(value, dict):
        return json.dumps(value)
    inner = ",\n".join(f"{' ' * (depth + 1)}{json.dumps(k)}: {_compact(v, depth + 1)}" for k, v in value.items())
    return "{\n" + inner + "\n" + " " * depth + "}"


if __name__ == "__main__":
    main()
