"""Which array library is this? The one place in equiconv that knows.

Arrays of NumPy, CuPy and torch are taken as they come, through `array-api-compat`: code above this room asks for a
`namespace` and writes to the Python array API standard. CuPy is never imported here: an array can only be a CuPy
array when somebody has imported CuPy already. (`array_api_strict` arrays are accepted too, so that portability can be
tested.)

The room also holds what every computation above it needs to say about rounding: in which dtype a narrow float is
computed (`promote`), and how far a direct sum or a Fourier convolution can be from the truth (`direct_bound`,
`fourier_bound`).
"""

from __future__ import annotations

import itertools
import math
import operator
from collections.abc import Iterable, Sequence
from functools import lru_cache
from types import ModuleType
from typing import Any, TypeAlias

import array_api_compat
import numpy as np
import numpy.typing as npt
import torch

__all__ = [
    "Array",
    "DType",
    "Device",
    "asarray_like",
    "axis_sizes",
    "compute_dtype",
    "device",
    "direct_bound",
    "dtype_name",
    "eps",
    "fast_length",
    "fourier_bound",
    "gamma",
    "is_complex",
    "library",
    "namespace",
    "normalize_axes",
    "promote",
    "require_floating",
    "to_numpy",
    "transform_bound",
]

# The standard has no nominal array, dtype or device type; these names say what an `Any` stands for.
Array: TypeAlias = Any
DType: TypeAlias = Any
Device: TypeAlias = Any

# Floats too narrow to accumulate in, and the dtype that they are computed in.
_WIDER = {"float16": "float32", "bfloat16": "float32", "complex32": "complex64"}
_FLOATING = {"float16", "bfloat16", "float32", "float64", "longdouble", "float96", "float128"}
_COMPLEX = {"complex32", "complex64", "complex128", "clongdouble", "complex192", "complex256"}

_NUMPY: ModuleType = array_api_compat.array_namespace(np.empty(0))
_TORCH: ModuleType = array_api_compat.array_namespace(torch.empty(0))
_TENSORS = (torch.Tensor, torch.nn.Parameter)

# Constants of `fourier_bound`, derived in its docstring.
_FOURIER_SMOOTH = 16.0
_FOURIER_LARGE_PRIME = 64.0


def library(x: Array) -> str:
    """The array library that `x` belongs to: `"numpy"`, `"cupy"` or `"torch"` (or `"array_api_strict"`, for tests).

    Raises `TypeError` for anything else, and for `numpy.matrix` and masked arrays, whose products and masks a Fourier
    transform would silently drop.

    >>> library(np.zeros(3)), library(torch.zeros(3))
    ('numpy', 'torch')
    """
    return _library(x, "an argument")


def _library(x: Array, name: str) -> str:
    kind = type(x)
    if kind is np.ndarray:
        return "numpy"
    if kind in _TENSORS:
        return "torch"
    if isinstance(x, (np.matrix, np.ma.MaskedArray)):
        raise TypeError(
            f"{name} is a {type(x).__module__}.{type(x).__name__}, whose mask or matrix rules would be lost; "
            f"pass a plain array, for instance numpy.asarray(x)"
        )
    if array_api_compat.is_torch_array(x):
        return "torch"
    if array_api_compat.is_numpy_array(x):
        return "numpy"
    if array_api_compat.is_cupy_array(x):
        return "cupy"
    if type(x).__module__.partition(".")[0] == "array_api_strict":
        return "array_api_strict"
    raise TypeError(
        f"{name} must be a NumPy, CuPy or torch array, got {type(x).__module__}.{type(x).__name__}; "
        f"convert it first, for instance with numpy.asarray(x, dtype=float) or torch.as_tensor(x)"
    )


def namespace(*arrays: Array) -> ModuleType:
    """The array-api-compat namespace that all of `arrays` belong to.

    Raises `TypeError` where there is no array, one is not an array, or the libraries differ, and `ValueError` where the
    devices differ: nothing is moved silently between libraries or devices.

    >>> namespace(np.zeros(3), np.ones(2)).__name__
    'array_api_compat.numpy'
    """
    if not arrays:
        raise TypeError("namespace() needs at least one array, got none")
    # the shortest ways, where calls are what costs
    if all(type(x) is np.ndarray for x in arrays):
        return _NUMPY
    if all(type(x) in _TENSORS for x in arrays) and all(x.device == arrays[0].device for x in arrays[1:]):
        return _TORCH
    libraries = [_library(x, "an argument") for x in arrays]
    if len(set(libraries)) > 1:
        raise TypeError(
            f"the arrays come from different libraries ({', '.join(libraries)}); convert them to one first, for "
            f"instance with torch.as_tensor(x), x.numpy() or cupy.asarray(x)"
        )
    devices = [device(x) for x in arrays]
    if any(d != devices[0] for d in devices[1:]):
        raise ValueError(
            f"the arrays are on different devices ({', '.join(str(d) for d in devices)}); move them to one first, for "
            f"instance with x.to(device)"
        )
    xp: ModuleType = array_api_compat.array_namespace(arrays[0])  # of the same library all
    return xp


def device(x: Array) -> Device:
    """The device `x` lives on, as its library names it.

    >>> device(torch.zeros(3))
    device(type='cpu')
    """
    return x.device if type(x) in _TENSORS else array_api_compat.device(x)


def dtype_name(dtype: DType) -> str:
    """The plain name of a dtype of any library, in native byte order.

    >>> dtype_name(torch.bfloat16), dtype_name(np.dtype(">f4"))
    ('bfloat16', 'float32')
    """
    return _dtype_name(type(dtype).__module__, dtype)


@lru_cache(maxsize=256)
def _dtype_name(library: str, dtype: DType) -> str:  # noqa: ARG001 (dtypes of two libraries are not to be compared)
    if isinstance(dtype, np.dtype):
        return dtype.name
    if isinstance(dtype, type) and issubclass(dtype, np.generic):
        return np.dtype(dtype).name
    return str(dtype).rpartition(".")[2]


def is_complex(x: Array) -> bool:
    """Whether the entries of `x` are complex numbers.

    >>> is_complex(np.zeros(2)), is_complex(np.zeros(2, dtype=complex))
    (False, True)
    """
    return dtype_name(x.dtype) in _COMPLEX


def require_floating(x: Array, name: str) -> None:
    """Refuse an array whose dtype is not real or complex floating: integers, booleans, objects, 8-bit floats.

    `name` is what the caller calls the argument. The `TypeError` says which conversion to write, since a silent cast
    would make integer signals come back as floats.

    >>> require_floating(np.arange(3), "x")
    Traceback (most recent call last):
        ...
    TypeError: x must be real or complex floating, got int64; write x.astype(numpy.float64)
    """
    lib = _library(x, name)
    kind = dtype_name(x.dtype)
    if kind in _FLOATING or kind in _COMPLEX:
        return
    conversion = {
        "numpy": f"{name}.astype(numpy.float64)",
        "cupy": f"{name}.astype(cupy.float64)",
        "torch": f"{name}.to(torch.get_default_dtype())",
        "array_api_strict": f"array_api_strict.astype({name}, array_api_strict.float64)",
    }[lib]
    raise TypeError(f"{name} must be real or complex floating, got {kind}; write {conversion}")


def compute_dtype(dtype: DType) -> DType:
    """The dtype that arrays of `dtype` are computed in: float32 for float16 and bfloat16, else `dtype` itself.

    >>> compute_dtype(torch.bfloat16), compute_dtype(torch.float64)
    (torch.float32, torch.float64)
    """
    wider = _WIDER.get(dtype_name(dtype))
    if wider is None:
        return dtype
    return getattr(torch, wider) if isinstance(dtype, torch.dtype) else np.dtype(wider)


def promote(*arrays: Array) -> tuple[tuple[Array, ...], DType]:
    """`arrays` cast to the dtype that they are computed in together, and the dtype to return the result in.

    The result dtype is the common one by the library's own promotion; it is computed in `compute_dtype` of that. Finish
    with `xp.astype(result, dtype, copy=False)`. The arrays must be floating (`require_floating`) and of one library.

    >>> (x,), dtype = promote(torch.zeros(3, dtype=torch.float16))
    >>> x.dtype, dtype
    (torch.float32, torch.float16)
    """
    xp = namespace(*arrays)
    dtype = arrays[0].dtype
    if any(x.dtype != dtype for x in arrays[1:]):
        dtype = xp.result_type(*(x.dtype for x in arrays))
    wide = compute_dtype(dtype)
    if wide is dtype:
        return tuple(x if x.dtype is wide else xp.astype(x, wide, copy=False) for x in arrays), dtype
    return tuple(xp.astype(x, wide, copy=False) for x in arrays), dtype


def asarray_like(values: Any, like: Array) -> Array:
    """`values` (numbers, or a nested sequence) as an array of the library, dtype and device of `like`.

    >>> asarray_like([1, 2], torch.zeros(1, dtype=torch.float64))
    tensor([1., 2.], dtype=torch.float64)
    """
    return namespace(like).asarray(values, dtype=like.dtype, device=device(like))


def to_numpy(x: Array) -> npt.NDArray[Any]:
    """A NumPy copy of `x` on the host, detached from any gradient; bfloat16, which NumPy lacks, comes as float32.

    >>> to_numpy(torch.ones(2, requires_grad=True))
    array([1., 1.], dtype=float32)
    """
    lib = library(x)
    if lib == "torch":
        host = x.detach().resolve_conj().resolve_neg().cpu()
        if dtype_name(host.dtype) in ("bfloat16", "complex32"):
            host = host.to(compute_dtype(host.dtype))
        return np.array(host.numpy())
    if lib == "cupy":
        return np.array(x.get())
    return np.array(x)


def normalize_axes(axes: int | Iterable[int], ndim: int, name: str = "axes") -> tuple[int, ...]:
    """`axes` (an int or several) as non-negative positions in an array of rank `ndim`, in the order given.

    Raises `TypeError` for what is not an integer and `ValueError` for no axis, an axis out of range or one named twice.

    >>> normalize_axes(-1, 3), normalize_axes((-1, 0), 3)
    ((2,), (2, 0))
    """
    given = axes if isinstance(axes, Iterable) else (axes,)
    result: list[int] = []
    for axis in given:
        if isinstance(axis, (bool, np.bool_)) or not hasattr(axis, "__index__"):
            raise TypeError(f"{name} must be an integer or a tuple of integers, got {axes!r}")
        position = operator.index(axis)
        if not -ndim <= position < ndim:
            raise ValueError(f"{name} = {axes!r} names axis {position}, but the array has {ndim} axes")
        result.append(position % ndim)
    if not result:
        raise ValueError(f"{name} must name at least one axis, got {axes!r}")
    if len(set(result)) != len(result):
        raise ValueError(f"{name} = {axes!r} names an axis twice in an array of rank {ndim}")
    return tuple(result)


def axis_sizes(x: Array, axes: int | Iterable[int], name: str = "x") -> tuple[int, ...]:
    """The sizes of `x` along `axes`, each at least 1. Raises `ValueError` where one is empty.

    >>> axis_sizes(np.zeros((2, 3, 4)), (-1, 0))
    (4, 2)
    """
    sizes = tuple(int(x.shape[a]) for a in normalize_axes(axes, x.ndim))
    if 0 in sizes:
        raise ValueError(
            f"{name} of shape {tuple(x.shape)} is empty along axes {axes!r}; a periodic signal has at least one sample"
        )
    return sizes


# ---------------------------------------------------------------------------------------------------------------------
# Rounding
# ---------------------------------------------------------------------------------------------------------------------


@lru_cache(maxsize=64)
def _constants(name: str) -> tuple[float, float]:
    """eps and the smallest normal number of the dtype of this name."""
    if name in ("bfloat16", "complex32"):  # which NumPy lacks
        information: Any = torch.finfo(getattr(torch, name))
    elif name in _COMPLEX or name in _FLOATING:
        information = np.finfo(name)
    else:
        raise TypeError(f"dtype must be real or complex floating, got {name}; integers do not round")
    return float(information.eps), float(information.tiny)


def eps(dtype: DType) -> float:
    """The spacing of floats at 1 (twice the unit roundoff) of the real part of `dtype`, as a Python float.

    >>> eps(np.float64) == eps(torch.complex128) == 2.0**-52
    True
    """
    return _constants(dtype_name(dtype))[0]


def _tiny(dtype: DType) -> float:
    """The smallest normal number: the most that one operation loses to underflow, even where subnormals are flushed."""
    return _constants(dtype_name(dtype))[1]


def gamma(n: int, dtype: DType) -> float:
    """γₙ = n·eps / (1 − n·eps), the constant of a sum of n products (Higham, *Accuracy and Stability*, §3.1).

    Higham has the unit roundoff u where this has eps = 2u: the factor 2 covers the rounding of the bound itself and,
    with one more term, complex products. Raises `ValueError` where n·eps ≥ 1: no digit is then certain.

    >>> gamma(1, np.float64) >= 2.0**-52
    True
    """
    if n < 0:
        raise ValueError(f"n must be a number of terms, at least 0, got {n}")
    ne = n * eps(dtype)
    if ne >= 1:
        raise ValueError(f"a sum of n = {n} terms in {dtype_name(dtype)} has no certain digit; use a wider dtype")
    return ne / (1 - ne)


def direct_bound(magnitude: Array, terms: int, dtype: DType) -> Array:
    """A bound, per entry, on the rounding error of sums of `terms` products, in any order of summation.

    `magnitude` is the same sum over absolute values, |x| ⋆ |w| or |A| @ |x| (an array or a number); `dtype` is that
    of the result. The bound is γₜ·magnitude with t = `terms` for real data and `terms` + 1 for complex: a complex
    product errs by √2·γ₂(u) ≈ 2.83u of its modulus and the t − 1 additions by u each (Higham, Lemma 3.5), which is
    below (t + 1)·eps. float16 and bfloat16 are summed in float32 and rounded once, which adds eps·magnitude. Each
    product may also underflow, by one smallest normal number at most. It does not hold for TF32 or for Winograd
    convolutions, which are not direct sums.

    >>> direct_bound(1.0, terms=3, dtype=np.float64) < 7e-16
    True
    """
    wide = compute_dtype(dtype)
    effective = terms + 1 if dtype_name(wide) in _COMPLEX else terms
    bound = magnitude * gamma(effective, wide) + terms * _tiny(wide)
    return bound if wide == dtype else bound + magnitude * eps(dtype) + _tiny(dtype)


def fourier_bound(x_norm: Array, w_norm: Array, shape: int | Sequence[int], dtype: DType) -> Array:
    """A bound, per entry, on the error of the convolution theorem y = F⁻¹(F x ⊙ F w) in floating point.

    c·eps·(1 + log2 n)·‖x‖₂·‖w‖₂, where `shape` holds the sizes of the transformed axes and n is their product, `x_norm`
    and `w_norm` the 2-norms over those axes (arrays or numbers), and `dtype` that of the result.

    *c = 16 where every prime factor of n is at most 7.* A pass of radix r applies to each sample at most 1 twiddle
    and a small DFT. Counting the roundings on the path from an input to an output gives at most 11u for r ≤ 8, hence
    at most 5.6u for each factor of 2 in n, entrywise, and √r times that, 10.2u = 5.1·eps, in the 2-norm (Higham,
    Theorem 24.2, is the case r = 2). With Parseval and Cauchy–Schwarz, an error of F x reaches an entry of y as
    (1/n)·‖δX‖₂·‖W‖₂ ≤ 5.1·eps·log2 n·‖x‖₂·‖w‖₂, and the same for F w; the product adds 1.5·eps; the inverse adds
    2.8·eps·log2 n·(1/n)·Σ|X_k·W_k| ≤ 2.8·eps·log2 n·‖x‖₂·‖w‖₂. The sum is at most 13.0·eps·log2 n + 1.5·eps; a real
    transform adds a pass, and 16 leaves room for that and for second-order terms.

    *c = 64 for other n.* Libraries then use Bluestein's or Rader's algorithm: each transform becomes a convolution
    with a chirp of flat spectrum, that is transforms of length up to 4n, inside it. The factor 4 is not derived; it
    holds with wide margins in the tests.

    float16 and bfloat16 are computed in float32 and rounded once, which adds eps·‖x‖₂·‖w‖₂. Underflow adds at most a
    few smallest normal numbers.

    >>> fourier_bound(1.0, 1.0, 1024, np.float64) < 4e-14
    True
    """
    c, levels = _fourier_cost(shape if isinstance(shape, int) else tuple(shape))
    wide = compute_dtype(dtype)
    product = x_norm * w_norm
    bound = product * (c * eps(wide) * levels) + (x_norm + w_norm + 1) * (levels * _tiny(wide))
    return bound if wide == dtype else bound + product * eps(dtype) + _tiny(dtype)


def transform_bound(magnitude: Array, shape: int | Sequence[int], dtype: DType) -> Array:
    """A bound, per entry, on the rounding error of one Fourier transform F x: (c/4)·eps·(1 + log2 n)·‖x‖₁.

    `magnitude` is the 1-norm of x over the transformed axes, whose sizes are `shape`; c is that of `fourier_bound`.
    Where every prime factor of n is at most 7 the path count there gives 2.8·eps·log2 n, and c/4 = 4 leaves the same
    room. No rounding to a narrow dtype is included: a spectrum is kept in the dtype that it is computed in.

    This is how well the eigenvalues of a circulant are known: one below it cannot be told from zero.

    >>> transform_bound(1.0, 1024, np.float64) < 1e-14
    True
    """
    c, levels = _fourier_cost(shape if isinstance(shape, int) else tuple(shape))
    wide = compute_dtype(dtype)
    return magnitude * (c / 4 * eps(wide) * levels) + levels * _tiny(wide)


@lru_cache(maxsize=256)
def _fourier_cost(shape: int | tuple[int, ...]) -> tuple[float, float]:
    """The constant c of a transform of these sizes, and 1 + log2 n."""
    sizes = (shape,) if isinstance(shape, int) else shape
    n = math.prod(sizes)
    if n < 1:
        raise ValueError(f"shape must hold sizes of at least 1, got {shape!r}")
    smooth = all(_is_smooth(size) for size in sizes)
    return (_FOURIER_SMOOTH if smooth else _FOURIER_LARGE_PRIME), 1 + math.log2(n)


@lru_cache(maxsize=256)
def fast_length(least: int) -> int:
    """The smallest length ≥ `least` whose prime factors are at most 7: a Fourier transform of it is fast.

    >>> fast_length(11), fast_length(2**10)
    (12, 1024)
    """
    if least < 1:
        raise ValueError(f"least must be at least 1, got {least}")
    return next(n for n in itertools.count(least) if _is_smooth(n))


def _is_smooth(n: int) -> bool:
    """Whether every prime factor of n is small enough for a Fourier transform to need no chirp."""
    for p in (2, 3, 5, 7):
        while n % p == 0:
            n //= p
    return n == 1
