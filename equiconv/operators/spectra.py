"""Spectra of real columns: which frequencies their half holds, and the whole of it.

For a real column λ[−k] = conj λ[k], so that the last axis needs the frequencies 0 … n/2 only. Of these, the planes k = 0
and k = n/2 (where n is even) hold their own conjugates; a frequency between them stands for two.
"""

from __future__ import annotations

import numpy as np
import torch

from equiconv.arrays import Array, namespace

__all__ = ["between", "conjugate_pairs", "least_of_pairs", "mirrored", "negated", "self_conjugate"]


def negated(array: Array, axes: tuple[int, ...]) -> Array:
    """a[−k mod n] along each of the axes.

    >>> negated(np.asarray([0, 1, 2, 3]), (-1,)).tolist()
    [0, 3, 2, 1]
    """
    xp = namespace(array)
    return xp.roll(xp.flip(array, axis=axes), (1,) * len(axes), axis=axes)


def self_conjugate(sizes: tuple[int, ...]) -> tuple[slice, ...]:
    """Where −k = k modulo n on every axis: at 0, and for even n at n/2. It indexes half a spectrum and a whole one.

    >>> self_conjugate((4, 3))
    (slice(None, None, 2), slice(0, 1, None))
    """
    return tuple(slice(0, 1) if n % 2 else slice(None, None, n // 2) for n in sizes)


def between(n: int) -> slice:
    """The frequencies of half an axis that stand for two, 0 < k < n/2.

    >>> between(4), between(5)
    (slice(1, 2, None), slice(1, 3, None))
    """
    return slice(1, (n + 1) // 2)


def mirrored(half: Array, sizes: tuple[int, ...]) -> Array:
    """The whole spectrum, (*batch, *sizes), of which `half` is (*batch, …, n/2 + 1): λ[−k] = conj λ[k] filled in.

    >>> mirrored(np.asarray([6, 1 + 2j, -2]), (4,)).tolist()
    [(6+0j), (1+2j), (-2+0j), (1-2j)]
    """
    xp, rest = namespace(half), tuple(range(-len(sizes), -1))
    inner = xp.flip(half[..., between(sizes[-1])], axis=-1)
    if rest:
        inner = negated(inner, rest)
    if type(half) is not np.ndarray:
        return xp.concat([half, _conjugate(inner)], axis=-1)
    whole = np.empty((*half.shape[:-1], sizes[-1]), dtype=half.dtype)  # the same with a pass over memory less
    kept = half.shape[-1]
    whole[..., :kept] = half
    np.conj(inner, out=whole[..., kept:])
    return whole


def conjugate_pairs(half: Array, sizes: tuple[int, ...]) -> Array:
    """`half` with the planes that hold their own conjugates made exactly so, where transforms leave it to rounding.

    >>> conjugate_pairs(np.asarray([[1.0], [2 + 1j], [2 - 1.5j]]), (3, 1)).ravel().tolist()
    [(1+0j), (2+1.25j), (2-1.25j)]
    """
    if len(sizes) == 1:
        return half  # two single frequencies, which transforms of real data give as real numbers
    xp = namespace(half)
    planes = half[(..., *self_conjugate(sizes)[-1:])]
    # a sum of two halves does not overflow, and is the same in either order
    planes = 0.5 * planes + 0.5 * _conjugate(negated(planes, tuple(range(-len(sizes), -1))))
    return xp.concat([planes[..., :1], half[..., between(sizes[-1])], planes[..., 1:]], axis=-1)


def least_of_pairs(half: Array, sizes: tuple[int, ...]) -> Array:
    """Real numbers at the frequencies of `half`, of which both of a conjugate pair get the smaller one.

    The moduli of a pair are equal but for rounding. What is decided by them is to be decided alike for both.

    >>> least_of_pairs(np.asarray([[1.0], [2.0], [1.5]]), (3, 1)).ravel().tolist()
    [1.0, 1.5, 1.5]
    """
    if len(sizes) == 1:
        return half  # a frequency that is its own conjugate is no pair
    xp = namespace(half)
    planes = half[(..., *self_conjugate(sizes)[-1:])]
    planes = xp.minimum(planes, negated(planes, tuple(range(-len(sizes), -1))))
    return xp.concat([planes[..., :1], half[..., between(sizes[-1])], planes[..., 1:]], axis=-1)


def _conjugate(array: Array) -> Array:
    # that of array-api-compat has no rule for torch.func.vmap; this one is resolved in the sums and joins it goes to
    return torch.conj(array) if isinstance(array, torch.Tensor) else namespace(array).conj(array)
