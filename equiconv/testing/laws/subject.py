"""A circular convolution under test: how it is called, what it promises, and the examples it is run on."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import array_api_compat
import numpy as np
import torch

from equiconv.arrays import dtype_name, eps, fast_length, fourier_bound, gamma, library, to_numpy
from equiconv.testing.laws import reference
from equiconv.testing.laws.case import Case, source
from equiconv.testing.laws.draws import draw_floats, draw_grid, draw_integers, draw_kernel_sizes
from equiconv.testing.laws.record import Crashed, Draw, Refused, first_line
from equiconv.testing.script import locate

__all__ = ["DTYPES", "LENGTHS", "ORIGINS", "REFUSALS", "Convolution", "Origin", "host", "module_of"]

#: The index of the kernel's centre: a number, a function of the kernel's size along an axis, or one of `ORIGINS`.
Origin: TypeAlias = int | str | Callable[[int], int]

ORIGINS: dict[str, Callable[[int], int]] = {"m//2": lambda m: m // 2, "(m-1)//2": lambda m: (m - 1) // 2}

#: Kernels that a function is made for, by their length beside the signal's.
LENGTHS = ("any", "fit", "equal")

#: What a function raises on arguments that it does not take.
REFUSALS = (ValueError, TypeError, NotImplementedError, RuntimeError, AssertionError)

#: Dtypes by library, those that every function is first tried in first.
DTYPES: dict[str, tuple[str, ...]] = {
    "numpy": ("float64", "float32", "complex128", "complex64", "float16"),
    "torch": ("float64", "float32", "complex128", "complex64", "float16", "bfloat16"),
    "cupy": ("float64", "float32", "complex128", "complex64", "float16"),
}

_HOST = {
    "numpy": "def host(a):\n    return np.asarray(a)",
    "cupy": "def host(a):\n    return xp.asnumpy(a)",
    "torch": "def host(a):\n    if isinstance(a, xp.Tensor):\n        a = a.detach().cpu().resolve_conj()\n"
    "        a = (a if a.is_complex() else a.double()).numpy()\n    return np.asarray(a)",
}
_COPY = {
    "numpy": "def copy(a):\n    return a.copy()",
    "cupy": "def copy(a):\n    return a.copy()",
    "torch": "def copy(a):\n    return a.clone()",
}
_GRADIENTS = '''def gradients(f, g, *inputs):
    """Gradients of Re <f(inputs), g> by automatic differentiation."""
    leaves = [a.detach().clone().requires_grad_() for a in inputs]
    y = f(*leaves)
    if not y.requires_grad:  # cut off from them without a word, so that their gradients are 0
        return [xp.zeros_like(a) for a in leaves]
    return xp.autograd.grad(y, leaves, g, allow_unused=True, materialize_grads=True)'''
_TWICE = '''def twice(f, g, v, x, w, by=1):
    """Gradients of <h, v> with respect to g and w, where h is the gradient of <f(x, w), g> with respect to x; by=2: x and w change places."""
    leaves = [a.detach().clone().requires_grad_() for a in (g, x, w)]
    (h,) = xp.autograd.grad(f(leaves[1], leaves[2]), leaves[by], leaves[0], create_graph=True)
    if not h.requires_grad:  # cut off from g and w without a word, so that its gradients are 0
        h = h + 0 * leaves[0]
    return xp.autograd.grad(h, (leaves[0], leaves[3 - by]), v, allow_unused=True, materialize_grads=True)'''


def module_of(name: str) -> Any:
    """The array library of this name. Raises `ImportError` where it is not installed."""
    if name == "torch":
        return torch
    if name == "cupy":
        import cupy

        return cupy
    return np


@dataclass(eq=False)
class Convolution:
    """A function of a signal and a kernel, said to be their circular convolution.

    Attributes
    ----------
    f: called as f(x, w). name: in reports. library: of the arrays it is given. device: of torch or CuPy.
    dims: numbers of grid axes it is run on, the last ones of x. keyword: the name of its argument for those axes, None where it takes none.
    axes: where the grid lies in x, where that is not the last dims. correlate: it is a correlation. origin: the index of the kernel's centre.
    kernel: one of `LENGTHS`. dtypes: it is run in. batch: leading axes of x are one. place: ``"package.module:attribute"``, for scripts.
    case: the example at hand. cap: the largest size of a grid, for now. refusals: parts of it that f did not take.
    """

    f: Callable[..., Any]
    name: str
    library: str = "numpy"
    dims: tuple[int, ...] = (1,)
    keyword: str | None = None
    axes: tuple[int, ...] | None = None
    correlate: bool = False
    origin: Origin = 0
    kernel: str = "any"
    dtypes: tuple[str, ...] = ()
    batch: bool = True
    place: str | None = None
    device: Any = None
    case: Case | None = None
    cap: int | None = None
    refusals: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.dtypes = self.dtypes or DTYPES[self.library]
        self.xp = module_of(self.library)
        self._lines = self._preamble()

    # Calling it ------------------------------------------------------------------------------------------------------

    def call(self, x: Any, w: Any, copied: bool = True) -> Any:
        """f(x, w), on copies. Raises `Refused` or `Crashed`, the latter also for a result that is no array of the library."""
        if copied:
            x, w = self._copy(x), self._copy(w)
        dims = int(w.ndim)
        try:
            with np.errstate(all="ignore"):
                y = self._laid_out(x, w, dims)
        except REFUSALS as error:
            raise Refused(first_line(error)) from error
        except Exception as error:
            raise Crashed(first_line(error)) from error
        if not array_api_compat.is_array_api_obj(y):
            raise Crashed(f"nothing, but returned a {type(y).__name__}, where an array of {self.library} is expected")
        if library(y) != self.library:
            raise Crashed(f"nothing, but returned an array of {library(y)} for arrays of {self.library}")
        return y

    def _laid_out(self, x: Any, w: Any, dims: int) -> Any:
        arguments: dict[str, Any] = {}
        last = tuple(range(-dims, 0))
        if self.keyword is not None:
            arguments[self.keyword] = last[0] if dims == 1 else last
        if self.axes is None:
            return self.f(x, w, **arguments)
        # x gets as many axes as the places need, each new one of size 1, and its grid goes to them.
        more = (None,) * max(0, -min(self.axes) - x.ndim)
        y = self.f(self.xp.moveaxis(x[more], last, self.axes), w)
        if not array_api_compat.is_array_api_obj(y) or y.ndim != x.ndim + len(more):
            return y
        return self.xp.moveaxis(y, self.axes, last)[(0,) * len(more)]

    def _copy(self, a: Any) -> Any:
        return a.clone() if self.library == "torch" else a.copy()

    # Examples --------------------------------------------------------------------------------------------------------

    def array(self, host: Any, dtype: str) -> Any:
        """A host array as one of the library's, on the device."""
        if self.library == "torch":
            return torch.as_tensor(np.asarray(host)).to(getattr(torch, dtype)).to(self.device or "cpu")
        return self.xp.asarray(np.asarray(host).astype(dtype))

    def blank(self, copied: bool = True) -> Case:
        """A case with nothing drawn."""
        names = {
            "np": np,
            "xp": self.xp,
            "f": lambda x, w: self.call(x, w, copied),
            "circular": reference.circular,
            "kernel_gradient": reference.kernel_gradient,
        }
        helpers = {
            "host": _HOST[self.library],
            "copy": _COPY[self.library],
            "circular": source(reference.circular),
            "kernel_gradient": source(reference.kernel_gradient),
        }
        if self.library == "torch":
            helpers |= {"gradients": _GRADIENTS, "twice": _TWICE}
        case = Case(names, self._lines, {**helpers, "roll": "def roll(a, k):\n    return xp.roll(a, k, AXES)"})
        for text in (
            _HOST[self.library],
            _COPY[self.library],
            *([_GRADIENTS, _TWICE] if "gradients" in helpers else []),
        ):
            exec(text, case.names)
        case.names["roll"] = lambda a, k: self.xp.roll(a, k, case.names["AXES"])
        self.case = case
        return case

    def _preamble(self) -> list[str]:
        lines = ["import numpy as np", f"import {self.library} as xp"]
        lines += _located(self.f, self.place)
        if self.axes is not None:
            last = tuple(range(-len(self.axes), 0))
            lines += [
                "def f(x, w, g=f):",
                f"    more = (None,) * max(0, {-min(self.axes)} - x.ndim)",
                f"    y = g(xp.moveaxis(x[more], {last}, {self.axes}), w)",
                f"    return xp.moveaxis(y, {self.axes}, {last})[(0,) * len(more)]",
            ]
        elif self.keyword is not None:
            lines.append(
                f"f = lambda x, w, g=f: g(x, w, {self.keyword}=-1 if w.ndim == 1 else tuple(range(-w.ndim, 0)))"
            )
        return lines

    def draw(
        self,
        draw: Draw,
        length: str = "fit",
        dtype: str | None = None,
        values: str = "integers",
        copied: bool = True,
        more: Sequence[str] = (),
        kernels: Sequence[str] = (),
        least: int = 1,
        only: int | None = None,
    ) -> Case:
        """An example: x and w, and further signals and kernels by name, of the same sizes. Sets ``AXES`` and ``origin``.

        values: ``"integers"`` or ``"floats"``. least: of a size of the grid. only: the number of axes.
        """
        from hypothesis import strategies as st

        dtype = dtype or self.base
        dims = only or (draw(st.sampled_from(self.dims)) if len(self.dims) > 1 else self.dims[0])
        grid = draw_grid(draw, dims, least, self.cap)
        if length == "fit" and self.kernel == "equal":
            length = "equal"
        sizes = draw_kernel_sizes(draw, grid, length)
        case = self.blank(copied)
        make = draw_integers if values == "integers" else draw_floats
        complex_ = dtype.startswith("complex")
        for name in ("x", *more):
            case.bind(name, self.array(make(draw, grid, complex_), dtype))
        for name in ("w", *kernels):
            case.bind(name, self.array(make(draw, sizes, complex_), dtype))
        self.place_kernel(case, sizes)
        return case

    def place_kernel(self, case: Case, sizes: Sequence[int]) -> None:
        """Tell a case where the kernel's centre is and which axes are the grid's."""
        dims = len(sizes)
        axes = tuple(range(-dims, 0))
        case.setting(f"AXES, origin = {axes}, {self.origins(sizes)}", AXES=axes, origin=self.origins(sizes))

    def origins(self, sizes: Sequence[int]) -> tuple[int, ...]:
        """The index of the kernel's centre, for each axis."""
        origin = ORIGINS[self.origin] if isinstance(self.origin, str) else self.origin
        return tuple(origin(m) if callable(origin) else origin for m in sizes)

    # Rounding --------------------------------------------------------------------------------------------------------

    @property
    def base(self) -> str:
        """The dtype that laws are run in where they do not say: float64 where f is made for it, else the widest that it is."""
        order = ("float64", "complex128", "float32", "complex64", "bfloat16", "float16")
        return next(name for name in order if name in self.dtypes)

    def bound(self, x: Any, w: Any, dtype: str | None = None) -> float:
        """How far f(x, w) may be from the truth: by whatever algorithm it is computed, direct or Fourier, on the grid or on a longer one that is wrapped.

        x, w: host arrays. It includes the error of `reference.circular`, a direct sum in double precision.
        """
        dtype = dtype or self.base
        sizes, taps = x.shape[x.ndim - w.ndim :], w.size
        axes = tuple(range(x.ndim - w.ndim, x.ndim))
        magnitude_x, magnitude_w = np.abs(x).astype(float), np.abs(w).astype(float)
        norm_x = float(np.sqrt((magnitude_x**2).sum(axis=axes)).max())
        total = float(magnitude_w.sum())  # at least the 2-norm of the kernel, folded or not
        kind = getattr(torch, dtype) if dtype == "bfloat16" else np.dtype(dtype)
        largest = float(magnitude_x.max()) * total
        terms = max(taps, int(np.prod(sizes)))
        wide = np.float32 if dtype in ("float16", "bfloat16") else kind
        direct = largest * (gamma(terms + 1, wide) + (eps(kind) if wide is not kind else 0))
        padded = [n + m - 1 for n, m in zip(sizes, w.shape, strict=True)]
        grids = [sizes, padded, [fast_length(n) for n in padded], [1 << (n - 1).bit_length() for n in padded]]
        wraps = int(np.prod([-(-p // n) for p, n in zip(padded, sizes, strict=True)]))
        fourier = max(float(fourier_bound(norm_x, total, grid, kind)) for grid in grids) * wraps
        return max(direct, fourier) + largest * gamma(terms + 1, np.float64)


def _located(f: Any, place: str | None) -> list[str]:
    """Lines that bind ``f``."""
    if place is None:
        return locate(f, None, "f")
    return [*locate(f, place), "f = model"]


def host(value: Any) -> Any:
    """A value in NumPy, double precision."""
    result = to_numpy(value)
    return result.astype(np.complex128 if dtype_name(result.dtype).startswith("complex") else np.float64)
