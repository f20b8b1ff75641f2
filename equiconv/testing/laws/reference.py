"""The sums that a circular convolution is, read off the definition by their indices. NumPy in double precision, on the host.

They share no code with `equiconv.convolution`, and need NumPy alone: a counterexample's script prints them as they stand here.
"""

from __future__ import annotations

from typing import Any

import numpy as np

__all__ = ["circular", "convolutional_layer", "kernel_gradient"]


def circular(x: Any, w: Any, origin: Any, correlate: bool = False) -> Any:
    """y[i] = Σ_t w[t]·x[i − t + origin], or x[i + t − origin] for a correlation, along the last axes of x; indices wrap (lecture L22, L23, L21).

    w has these axes alone, of any sizes.

    >>> circular(np.array([1.0, 2.0, 3.0]), np.array([0.0, 1.0]), (0,))
    array([3., 1., 2.])
    """
    sizes = x.shape[x.ndim - len(origin) :]
    y = np.zeros(x.shape, np.result_type(x, w, np.float64))
    for t in np.ndindex(*w.shape):
        steps = [s - o if correlate else o - s for s, o in zip(t, origin, strict=True)]
        places = [(np.arange(n) + k) % n for n, k in zip(sizes, steps, strict=True)]
        y += w[t] * x[(..., *np.ix_(*places))]
    return y


def kernel_gradient(g: Any, x: Any, shape: Any, origin: Any, correlate: bool = False) -> Any:
    """Σ_i g[i]·conj(x[i − t + origin]) for each tap t of a kernel of this shape: the adjoint of w ↦ `circular`(x, w).

    >>> kernel_gradient(np.array([1.0, 0.0, 0.0]), np.array([1.0, 2.0, 3.0]), (2,), (0,))
    array([1., 3.])
    """
    result = np.zeros(shape, np.result_type(x, g, np.float64))
    for t in np.ndindex(*shape):
        steps = [s - o if correlate else o - s for s, o in zip(t, origin, strict=True)]
        places = [(np.arange(n) + k) % n for n, k in zip(x.shape, steps, strict=True)]
        result[t] = np.sum(g * np.conj(x[np.ix_(*places)]))
    return result


def convolutional_layer(x: Any, weight: Any, bias: Any, stride: Any, padding: Any, dilation: Any, groups: Any) -> Any:
    """A layer's sum over its patches, indices modulo the image (lecture L6, L7, L13, L19).

    y[c', i] = b[c'] + Σ_c Σ_t w[c', c, t]·x[c, i·stride + t·dilation − padding], c over the channels of the group of c'.
    padding: a (left, right) pair for each axis, which wraps.

    >>> x, w = np.array([[[1.0, 2.0, 3.0, 4.0]]]), np.array([[[1.0, 10.0]]])
    >>> convolutional_layer(x, w, None, (1,), ((0, 1),), (1,), 1)
    array([[[21., 32., 43., 14.]]])
    """
    axes, sizes, kernel = weight.ndim - 2, x.shape[2:], weight.shape[2:]
    out = [
        (n + sum(p) - d * (k - 1) - 1) // s + 1
        for n, p, d, k, s in zip(sizes, padding, dilation, kernel, stride, strict=True)
    ]
    y = np.zeros((x.shape[0], weight.shape[0], *out))
    each, per = weight.shape[0] // groups, weight.shape[1]
    for t in np.ndindex(*kernel):
        places = [
            (np.arange(m) * s + j * d - p[0]) % n
            for m, s, j, d, p, n in zip(out, stride, t, dilation, padding, sizes, strict=True)
        ]
        patch = x[(slice(None), slice(None), *np.ix_(*places))]
        for group in range(groups):
            rows, channels = slice(group * each, (group + 1) * each), slice(group * per, (group + 1) * per)
            y[:, rows] += np.einsum("oc,nc...->no...", weight[(rows, slice(None), *t)], patch[:, channels])
    return y if bias is None else y + bias.reshape(-1, *(1,) * axes)
