"""The one place that decides how a circular convolution is computed, and that can say why.

Shapes come in, a `Plan` comes out. The choice rests on a table of measurements (`costs`), on the sizes, and on which
libraries are installed: it is the same at every call, and does not depend on how many signals there are (only on whether
they are few).
"""

from __future__ import annotations

import math
import numbers
import operator
from collections.abc import Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache, partial
from typing import Any, Literal, TypeAlias, get_args

import numpy as np
import torch

from equiconv.arrays import Array, DType, compute_dtype, dtype_name, normalize_axes
from equiconv.convolution.candidates import ITEM_SIZE, Candidate, candidates, scored_rows
from equiconv.convolution.candidates import Method as Chosen
from equiconv.convolution.engines import ENGINES, available
from equiconv.convolution.geometry import Geometry, geometry
from equiconv.convolution.measuring import noise, seconds_of
from equiconv.convolution.once import OnceProduct, OnceSums, once_way
from equiconv.convolution.prepared import PreparedConvolution, execute

__all__ = ["Effort", "Method", "Plan", "normalize_origins", "plan", "plan_of"]

Method: TypeAlias = Literal["auto", "definition", "direct", "dense", "fourier"]
Effort: TypeAlias = Literal["estimate", "measure"]
_LIBRARIES = ("numpy", "torch", "cupy", "array_api_strict")
# With `effort="measure"`: the ways that are tried are expected to take at most so many times the least, and are so many.
_NEAR, _MOST_TRIED = 3.0, 6


@dataclass(frozen=True)
class Plan:
    """How a circular convolution of these shapes is computed. Made by `plan`.

    Call it with a signal and a kernel, or `prepare` a kernel once and call the result with many signals:

    >>> import numpy as np
    >>> p = plan((2, 8), (3,))
    >>> smooth = p.prepare(np.array([0.25, 0.5, 0.25]))
    >>> smooth(np.eye(2, 8))[1, :4]
    array([0.  , 0.25, 0.5 , 0.25])

    `candidates` holds every way that was considered, `chosen` the one that is taken, `reason` why. `axes`, `sizes`,
    `kernel_sizes` and `shape` (of the result) are those of the `geometry`; `dtype` is the one that is computed in,
    `result_dtype` that of the operands and the result. `threads` is the number of threads at most.
    """

    geometry: Geometry
    dtype: str
    result_dtype: str
    origin: tuple[int, ...]
    correlate: bool
    library: str
    device: str
    threads: int
    effort: Effort
    chosen: Candidate
    candidates: tuple[Candidate, ...]
    reason: str

    @property
    def method(self) -> Chosen:
        """The method: "definition", "direct", "dense" or "fourier"."""
        return self.chosen.method

    @property
    def engine(self) -> str:
        """The library of the transforms, "" for methods without any."""
        return self.chosen.engine

    @property
    def axes(self) -> tuple[int, ...]:
        return self.geometry.axes

    @property
    def sizes(self) -> tuple[int, ...]:
        return self.geometry.sizes

    @property
    def kernel_sizes(self) -> tuple[int, ...]:
        return self.geometry.kernel_sizes

    @property
    def shape(self) -> tuple[int, ...]:
        return self.geometry.shape

    @cached_property
    def once(self) -> OnceProduct | OnceSums | None:
        """The shortest way for a kernel that is met once, where there is one."""
        if self.dtype != self.result_dtype:
            return None
        measured, g, origin = self.effort == "measure", self.geometry, self.origin
        return once_way(g, self.chosen, self.dtype, origin, correlate=self.correlate, measured=measured)

    @cached_property
    def gradient_engine(self) -> str | None:
        """The library of the transforms of gradients: the plan's own, or the best that transforms signals as they are."""
        ways = [c for c in self.candidates if c.engine in ENGINES and c.layout and c.grid == self.sizes]
        if self.chosen in ways:
            return self.engine
        return min(ways, key=lambda c: c.score).engine if ways else None

    def prepare(self, w: Array) -> PreparedConvolution:
        """The convolution with this kernel: its spectrum (or what the method needs of it) is computed once, here.

        `w` must have the plan's shape, library, device and dtype, and must not require a gradient, which would be lost.
        It may be changed afterwards: nothing of it is kept.
        """
        return PreparedConvolution(self, w)

    def __call__(self, x: Array, w: Array, out: Array | None = None) -> Array:
        """The convolution of `x` with `w`, written to `out` where one is given. See `PreparedConvolution`."""
        return execute(self, x, w, out)

    def explain(self) -> str:
        """The choice in words: the shapes, the way that is taken, why, and what each way is expected to cost.

        >>> print(plan((8, 1024), (31,), dtype="float32", engine="torch", threads=1).explain())
        circular convolution of x (8, 1024) with w (31,) along axes (-1,) in float32
        on numpy arrays (cpu), at most 1 thread
        taken: fourier by torch in blocks, because the caller asked for this engine
        ...
        """
        g = self.geometry
        threads = f"{self.threads} thread{'s' if self.threads > 1 else ''}"
        lines = [
            f"circular {'correlation' if self.correlate else 'convolution'} of x {g.x_shape} with w {g.w_shape} along "
            f"axes {g.axes} in {self.dtype}",
            f"on {self.library} arrays ({self.device}), at most {threads}",
            f"taken: {self.chosen.name}, because {self.reason}",
        ]
        width = max(len(c.name) for c in self.candidates) + 2
        for c in sorted(self.candidates, key=lambda c: c.score):
            time = "not measured" if c.seconds is None else _with_prefix(c.seconds, "s")
            if self.effort == "measure":
                time += f"{'' if c.measured is None else _with_prefix(c.measured, 's'):>11}"
            grid = f", grid {c.grid}" if c.grid != g.sizes else ""
            lines.append(
                f"  {c.name:<{width}}{time:>9}  {_with_prefix(c.flops, 'flop')}, {_with_prefix(c.bytes, 'B')} moved, "
                f"{_with_prefix(c.workspace, 'B')} held{grid}"
            )
        if any(c.seconds is not None for c in self.candidates):
            lines.append("times are predicted, on one core, from measurements on another machine")
            if any(c.measured is not None for c in self.candidates):
                lines[-1] += "; the second ones were measured on this one"
        else:
            lines.append("nothing was measured for these arrays: the choice counts taps")
        return "\n".join(lines)


def plan(
    x_shape: Sequence[int],
    w_shape: Sequence[int],
    axes: int | Iterable[int] = -1,
    dtype: DType = "float64",
    method: Method = "auto",
    *,
    origin: int | Iterable[int] = 0,
    correlate: bool = False,
    library: str = "numpy",
    device: Any = "cpu",
    engine: str = "auto",
    effort: Effort = "estimate",
    threads: int | None = None,
    workspace: float | None = None,
    once: bool = False,
) -> Plan:
    """The `Plan` by which arrays of these shapes are convolved; `circular_convolve` follows the one with `once=True`.

    Parameters
    ----------
    x_shape, w_shape, axes, origin : as in `circular_convolve`, with shapes in place of arrays.
    dtype : a dtype of any library or its name, of both operands.
    method : "definition" (a sum of rolls), "direct" (the same sum, block by block), "dense" (a product with the circulant
        matrix), "fourier", or "auto": the one that is expected to be the fastest.
    correlate : plan `circular_correlate` instead.
    library, device : what kind of arrays, "numpy", "torch" or "cupy", and where they live.
    engine : the library of the Fourier transforms: on the CPU "fftw" (pyFFTW), "ducc0", "scipy", as far as installed,
        "torch", and "mkl", the same MKL that torch brings along on x86, called directly; "fused", the fused CUDA kernel,
        for CuPy arrays and torch CUDA tensors; "library", the array library's own transforms; or "auto".
    effort : "measure" tries the ways that are expected to be fast, on noise of these sizes on this machine, and lets FFTW
        time its algorithms: about a second, once a shape class and process. The last bits of results may then differ
        from process to process.
    threads : at most so many threads; default `torch.get_num_threads()`. The engine "torch" and matrix products use the
        threads of their libraries.
    workspace : at most so many bytes beside the operands. Ways that need more are not taken.
    once : whether the kernel meets these signals and no others, so that what it takes to prepare it counts.

    Raises
    ------
    TypeError : shapes, axes, origins or threads that are no integers, a dtype that is not floating, a workspace that is
        no number.
    ValueError : negative sizes, axes that are missing from x or w, named twice or none at all, empty axes, batch shapes that do not
        broadcast, an unknown method, library, device, effort or engine, one that is not installed, no way within `workspace`.

    Examples
    --------
    >>> plan((64, 1024), (3,)).method, plan((8, 1024), (300,)).method, plan((800, 16), (16,)).method
    ('direct', 'fourier', 'dense')
    """
    signal, kernel = _sizes(x_shape, "x_shape"), _sizes(w_shape, "w_shape")
    along = tuple(axes) if isinstance(axes, Iterator) else axes  # which can be read only once
    shapes = geometry(signal, kernel, along)
    origins = normalize_origins(origin, normalize_axes(along, len(signal)))
    # libraries roll by 64-bit integers
    origins = tuple(o % n for o, n in zip(origins, shapes.sizes, strict=True))
    _require(method, get_args(Method), "method")
    _require(effort, get_args(Effort), "effort")
    _require(library, _LIBRARIES, "library")
    _require(engine, ("auto", "library", "fused", *ENGINES), "engine")
    if engine in ENGINES and engine not in available():
        remedy = "it needs a torch that brings MKL along" if engine == "mkl" else f"pip install {ENGINES[engine][0]}"
        raise ValueError(f"engine {engine!r} is not installed (there are {', '.join(available())}); {remedy}")
    return plan_of(
        shapes,
        _name_of(dtype),
        origins,
        bool(correlate),
        library,
        _place(library, device),
        method,
        engine,
        effort,
        torch.get_num_threads() if threads is None else _count(threads),
        _bytes(workspace),
        once=bool(once),
    )


@lru_cache(maxsize=512)
def plan_of(
    shapes: Geometry,
    dtype: str,
    origin: tuple[int, ...],
    correlate: bool,
    library: str,
    device: str,
    method: Method = "auto",
    engine: str = "auto",
    effort: Effort = "estimate",
    threads: int = 1,
    workspace: float | None = None,
    *,
    once: bool = False,
) -> Plan:
    """`plan` on checked arguments; with `once` the choice counts that the kernel is prepared for one call."""
    wide = dtype_name(compute_dtype(_dtype_of(dtype)))
    if wide not in ITEM_SIZE:
        raise TypeError(f"dtype must be real or complex floating, got {dtype}; for instance 'float32'")
    on_cpu = library in ("numpy", "torch") and device.partition(":")[0] == "cpu" and engine != "library"
    on_gpu = library == "cupy" or (library == "torch" and device.partition(":")[0] == "cuda")
    ways = tuple(
        candidates(shapes, wide, measured=effort == "measure", threads=threads, on_cpu=on_cpu, on_gpu=on_gpu, once=once)
    )
    chosen, reason = _choose(ways, shapes, method, engine, workspace, on_cpu)
    if chosen not in ways:
        ways = (*ways, chosen)
    made = Plan(shapes, wide, dtype, origin, correlate, library, device, threads, effort, chosen, ways, reason)
    if effort == "measure" and on_cpu and chosen.seconds is not None:
        return _measured(made, _fitting(ways, method, engine, workspace))
    return made


def _measured(plan: Plan, allowed: Sequence[Candidate]) -> Plan:
    """The plan with the way that is the fastest on this machine, of those that are allowed and expected to be fast."""
    g = plan.geometry
    rows = math.prod(g.shape) // g.samples
    tried = scored_rows(g.samples, rows)
    best = min(c.score for c in allowed)
    near = sorted((c for c in allowed if c.score <= _NEAR * best), key=lambda c: c.score)[:_MOST_TRIED]
    if len(near) < 2:
        return plan
    found = _times((tried, *g.sizes), g.kernel_sizes, plan.dtype, plan.threads, tuple(map(_bare, near)))
    ways = tuple(
        # a call more or less does not matter here
        replace(c, measured=found[_bare(c)] * rows / tried) if c in near else c
        for c in plan.candidates
    )
    chosen = min((c for c in ways if c.measured is not None), key=lambda c: c.measured or 0.0)
    return replace(plan, chosen=chosen, candidates=ways, reason="it was the fastest of those that were tried")


def _bare(way: Candidate) -> Candidate:
    """What a way is, without what it costs."""
    return replace(way, seconds=None, score=0.0, flops=0.0, bytes=0.0, workspace=0.0)


@lru_cache(maxsize=512)
def _times(
    x_shape: tuple[int, ...], w_shape: tuple[int, ...], dtype: str, threads: int, ways: tuple[Candidate, ...]
) -> dict[Candidate, float]:
    """Seconds of each way, on signals along the last axes."""
    shapes = geometry(x_shape, w_shape, tuple(range(1, len(x_shape))))
    inputs, w = [noise(x_shape, dtype, seed) for seed in (0, 1)], noise(w_shape, dtype, 2)
    none = (0,) * len(w_shape)
    trial = Plan(shapes, dtype, dtype, none, False, "numpy", "cpu", threads, "measure", ways[0], ways, "")
    out = np.empty(shapes.shape, dtype=dtype)
    runs = [partial(replace(trial, chosen=way).prepare(w), out=out) for way in ways]
    return dict(zip(ways, seconds_of(runs, inputs), strict=True))


def _fitting(ways: tuple[Candidate, ...], method: Method, engine: str, workspace: float | None) -> list[Candidate]:
    """The ways that the caller allows."""
    return [
        c
        for c in ways
        if engine in ("auto", "library", c.engine)
        and method in ("auto", c.method)
        and (workspace is None or c.workspace <= workspace)
    ]


def _choose(
    ways: tuple[Candidate, ...], shapes: Geometry, method: Method, engine: str, workspace: float | None, on_cpu: bool
) -> tuple[Candidate, str]:
    asked = _fitting(ways, "auto", engine, None)
    if method == "definition":
        flops = 2.0 * shapes.taps
        return Candidate("definition", "", "", shapes.sizes, None, flops, flops, flops, 0.0), "the caller asked for it"
    if method != "auto":
        asked = _fitting(ways, method, engine, None)
        if not asked:
            why = (
                "is only for NumPy arrays and torch tensors on the CPU"
                if not on_cpu
                else "is for kernels that are no longer than the signal"
                if method == "direct"
                else f"is for signals of at most 128 samples, not {shapes.samples}"
                if method == "dense"
                else f"has no engine {engine!r}"
            )
            raise ValueError(f"method {method!r} {why}; use method='fourier'")
    if not asked:
        where = (
            "CuPy arrays and torch CUDA tensors, in float32, float64, complex64 and complex128"
            if engine == "fused"
            else "NumPy arrays and torch tensors on the CPU"
        )
        raise ValueError(f"engine {engine!r} is only for {where}; use engine='auto'")
    fitting = _fitting(ways, method, engine, workspace)
    if not fitting:
        least = min(asked, key=lambda c: c.workspace)
        raise ValueError(
            f"no way to convolve x {shapes.x_shape} with w {shapes.w_shape} within a workspace of {workspace} bytes; "
            f"the least is {least.workspace:.0f} bytes ({least.name})"
        )
    chosen = min(fitting, key=lambda c: c.score)
    if method != "auto":
        return chosen, "the caller asked for it"
    if engine not in ("auto", "library"):
        return chosen, "the caller asked for this engine"
    if len(fitting) < len(ways):
        return chosen, f"it is expected to be the fastest within {workspace} bytes"
    if chosen.seconds is None:
        few = next(c for c in ways if c.engine == "library").score
        taps = f"the kernel has {shapes.taps} tap{'s' if shapes.taps > 1 else ''}"
        setting = "" if all(_is_smooth(n) for n in shapes.sizes) else " for sizes with a large prime factor"
        sense = "at most" if chosen.method == "definition" else "more than"
        return chosen, f"{taps}, {sense} the {few:.0f} up to which a sum of rolls is cheaper{setting}"
    return chosen, "it is expected to be the fastest"


def _is_smooth(n: int) -> bool:
    from equiconv.convolution.costs import is_smooth

    return is_smooth((n,))


def normalize_origins(origin: int | Iterable[int], axes: tuple[int, ...]) -> tuple[int, ...]:
    """One origin for each axis, in increasing order of the axes, which are given as `origin` names them.

    >>> normalize_origins((1, 2), (3, 0))
    (2, 1)
    """
    given = tuple(origin) if isinstance(origin, Iterable) else (origin,) * len(axes)
    if any(isinstance(o, bool) or not hasattr(o, "__index__") for o in given):
        raise TypeError(f"origin must be an integer, or one for each axis, got {origin!r}")
    if len(given) != len(axes):
        raise ValueError(f"origin must be one integer, or one for each of the {len(axes)} axes, got {origin!r}")
    # an int, or a symbolic size that is being traced, stays what it is
    return tuple(
        o if isinstance(o, (int, torch.SymInt)) else operator.index(o)
        for _, o in sorted(zip(axes, given, strict=True), key=lambda pair: pair[0])
    )


def _dtype_of(name: str) -> Any:
    return torch.bfloat16 if name == "bfloat16" else torch.float16 if name == "float16" else name


def _sizes(shape: Any, name: str) -> tuple[int, ...]:
    sizes = tuple(shape) if isinstance(shape, Iterable) else (shape,)
    if isinstance(shape, str) or any(isinstance(n, bool) or not hasattr(n, "__index__") for n in sizes):
        raise TypeError(f"{name} must be a shape, a tuple of integers such as x.shape, got {shape!r}")
    if any(n < 0 for n in sizes):
        raise ValueError(f"{name} must hold sizes of at least 0, got {shape!r}")
    return tuple(operator.index(n) for n in sizes)


def _name_of(dtype: DType) -> str:
    """The name of a dtype, which may be any library's own, its name, or whatever NumPy takes for one."""
    if isinstance(dtype, (str, type)):
        try:
            return np.dtype(dtype).name
        except TypeError:
            named = getattr(torch, str(dtype).removeprefix("torch."), None)
            if isinstance(named, torch.dtype):
                return dtype_name(named)
    elif isinstance(dtype, Hashable):
        return dtype_name(dtype)
    raise TypeError(f"dtype must be real or complex floating, got {dtype!r}; for instance 'float32'")


def _place(library: str, device: Any) -> str:
    """The device as arrays name theirs. A torch device without an index is whichever there is of its kind."""
    if library == "numpy" and str(device) != "cpu":
        raise ValueError(f"device must be 'cpu' for numpy arrays, got {device!r}; set library= for arrays of another")
    if library != "torch":
        return str(device)
    try:
        place = torch.device(device)
    except (RuntimeError, TypeError) as error:
        raise ValueError(f"device must be one of torch's, such as 'cpu' or 'cuda:0', got {device!r}") from error
    return "cpu" if place.type == "cpu" else str(place)


def _count(threads: Any) -> int:
    if isinstance(threads, bool) or not hasattr(threads, "__index__"):
        raise TypeError(f"threads must be an integer, at least 1, or None, got {threads!r}")
    if threads < 1:
        raise ValueError(f"threads must be at least 1, got {threads}")
    return operator.index(threads)


def _bytes(workspace: Any) -> float | None:
    if workspace is None:
        return None
    if isinstance(workspace, bool) or not isinstance(workspace, numbers.Real):
        raise TypeError(f"workspace must be a number of bytes, or None for no limit, got {workspace!r}")
    limit: float = int(workspace) if isinstance(workspace, numbers.Integral) else float(workspace)
    if not limit >= 0:
        raise ValueError(f"workspace must be a number of bytes, at least 0, got {workspace!r}")
    return limit


def _require(value: Any, accepted: Sequence[str], name: str) -> None:
    if not isinstance(value, str) or value not in accepted:
        raise ValueError(f"{name} must be one of {', '.join(map(repr, accepted))}, got {value!r}")


def _with_prefix(value: float, unit: str) -> str:
    if unit == "s":
        for factor, prefix in ((1e6, "µs"), (1e3, "ms")):
            if value * factor < 999.5:
                return f"{value * factor:.3g} {prefix}"
        return f"{value:.3g} s"
    for prefix in ("", "k", "M", "G"):
        if value < 999.5:
            return f"{value:.3g} {prefix}{unit}"
        value /= 1000
    return f"{value:.4g} T{unit}"
