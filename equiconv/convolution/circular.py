"""`circular_convolve` and `circular_correlate`: the public faces of the definition and of its fast methods."""

from __future__ import annotations

import math
from collections.abc import Iterable
from functools import lru_cache
from typing import Any, cast

import numpy as np
import torch

from equiconv.arrays import Array, namespace, require_floating
from equiconv.convolution.operation import are_integers, convolve_planned, convolve_traced
from equiconv.convolution.plain import host, is_plain
from equiconv.convolution.planning import Method, Plan, plan
from equiconv.convolution.recorded import SHORT, is_recordable, record_short

__all__ = ["circular_convolve", "circular_correlate"]


def circular_convolve(
    x: Array,
    w: Array,
    axes: int | Iterable[int] = -1,
    origin: int | Iterable[int] = 0,
    *,
    method: Method = "auto",
) -> Array:
    """The circular convolution y[i] = Σ_j x[j]·w[(i − j + origin) mod n] along `axes` (lecture L23, equation (9)).

    Over several axes, indices are tuples and the sum runs over all of them. A kernel that is not as long as the signal
    is summed over its own taps, y[i] = Σ_t w[t]·x[(i − t + origin) mod n]: a shorter one is filled with zeros, a longer
    one wraps.

    Parameters
    ----------
    x : the signal, a NumPy, CuPy or torch array, real or complex floating.
    w : the kernel, an array of the same library and device. It has either the convolved axes alone (in increasing
        order), or these axes at the same places as x, counted from the end, and others that broadcast with those of x.
    axes : the axes of x to convolve, an int or several; negative ones count from the end. Their order matters to
        `origin` only.
    origin : the index of the kernel's centre, an int for all axes or one for each, in the order of `axes`. Any integer
        is accepted; 0 is the textbook's definition.
    method : `"definition"` (a sum of rolls), `"direct"` (the same sum, block by block), `"dense"` (a product with the
        circulant matrix), `"fourier"`, or `"auto"`, which is the fastest of them by `equiconv.plan`.

    Returns
    -------
    An array of the same library and device; its sizes are those of x along `axes`, and broadcast along the others. Its
    dtype is that to which the library promotes x and w. float16 and bfloat16 are computed in float32. torch inputs keep
    their gradients; compiled and exported programs keep the call whole, as `equiconv::circular_convolve`.

    Raises
    ------
    TypeError : integer or boolean arrays, arrays of different libraries, axes or origins that are no integers.
    ValueError : different devices, axes that are empty, missing, named twice or none at all, shapes that do not
        broadcast, one origin too few or too many, an unknown method.

    Examples
    --------
    >>> import numpy as np
    >>> x, w = np.array([1.0, 2.0, 3.0, 4.0]), np.array([1.0, 10.0])
    >>> circular_convolve(x, w)
    array([41., 12., 23., 34.])
    >>> circular_convolve(x, w, origin=1)
    array([12., 23., 34., 41.])
    """
    return _convolve(x, w, axes, origin, method, correlate=False)


def circular_correlate(
    x: Array,
    w: Array,
    axes: int | Iterable[int] = -1,
    origin: int | Iterable[int] = 0,
    *,
    method: Method = "auto",
) -> Array:
    """The circular cross-correlation y[i] = Σ_j w[j]·x[(i + j − origin) mod n] along `axes` (lecture L7, L21).

    It is the transpose of `circular_convolve` and what convolutional layers compute: a torch layer with an odd kernel
    size k, `padding=(k − 1) // 2` and `padding_mode="circular"` has `origin=(k − 1) // 2`. The kernel is *not*
    conjugated (as in deep learning, and unlike `numpy.correlate`). Parameters, result and errors are those of
    `circular_convolve`.

    >>> import numpy as np
    >>> x, w = np.array([1.0, 2.0, 3.0, 4.0]), np.array([1.0, 10.0])
    >>> circular_correlate(x, w)
    array([21., 32., 43., 14.])
    """
    return _convolve(x, w, axes, origin, method, correlate=True)


def _convolve(
    x: Array, w: Array, axes: int | Iterable[int], origin: int | Iterable[int], method: Method, *, correlate: bool
) -> Array:
    if torch.compiler.is_compiling():
        if isinstance(x, torch.Tensor) and isinstance(w, torch.Tensor):
            return convolve_traced(x, w, axes, origin, method, correlate=correlate)
    elif _are_usual(x, w) and isinstance(method, str) and are_integers(axes) and are_integers(origin):
        # where calls are what costs, nothing is looked at twice
        place = cast(Any, axes), cast(Any, origin)
        seen = _planned(x.shape, w.shape, x.dtype, *place, method, correlate, torch.get_num_threads())
        y = None if seen is None else _at_once(seen, x, w)
        if y is not None:
            return y
    require_floating(x, "x")
    require_floating(w, "w")
    xp = namespace(x, w)
    if x.dtype != w.dtype:
        dtype = xp.result_type(x.dtype, w.dtype)
        x, w = xp.astype(x, dtype, copy=False), xp.astype(w, dtype, copy=False)
    return convolve_planned(x, w, axes, origin, method, correlate=correlate)


def _are_usual(x: Array, w: Array) -> bool:
    """Whether the operands are of the kinds that `_planned` keeps plans for."""
    kinds = type(x), type(w)
    return x.dtype == w.dtype if kinds in _KINDS else False


_KINDS = {
    (np.ndarray, np.ndarray),
    *((a, b) for a in (torch.Tensor, torch.nn.Parameter) for b in (torch.Tensor, torch.nn.Parameter)),
}


def _at_once(seen: Plan, x: Array, w: Array) -> Array | None:
    """The convolution of small operands in memory by the shortest way, where there is one for them."""
    once = seen.once
    if isinstance(x, torch.Tensor):
        if not (x.is_cpu and w.is_cpu):
            return None
        if is_recordable(seen, x, w):
            return record_short(seen, x, w)
        if once is None or not (is_plain(x) and is_plain(w)):
            return None
        y = once(host(x), host(w))
        return None if y is None else torch.from_numpy(y)
    return None if once is None else once(x, w)


@lru_cache(maxsize=512)
def _planned(
    x_shape: tuple[int, ...],
    w_shape: tuple[int, ...],
    dtype: Any,
    axes: Any,
    origin: Any,
    method: Method,
    correlate: bool,
    threads: int,
) -> Plan | None:
    """The plan for small operands on the CPU of these shapes and this dtype; None for others, and for other dtypes."""
    of_numpy = isinstance(dtype, np.dtype)
    usual = dtype.kind in "fc" and dtype.isnative if of_numpy else dtype in _WIDE
    if not usual or math.prod(x_shape) > SHORT:
        return None
    library = "numpy" if of_numpy else "torch"
    return plan(
        x_shape,
        w_shape,
        axes,
        dtype,
        method,
        origin=origin,
        correlate=correlate,
        library=library,
        threads=threads,
        once=True,
    )


_WIDE = (torch.float32, torch.float64, torch.complex64, torch.complex128)
