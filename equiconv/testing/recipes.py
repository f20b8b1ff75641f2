"""Inputs that a counterexample can be made of, each with the lines of Python that rebuild it exactly."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

import numpy as np
import torch

from equiconv.arrays import Array, device, dtype_name, library, namespace, to_numpy
from equiconv.testing.strategies import Pixels

__all__ = ["LITERAL", "Dense", "Recipe", "Sparse", "build", "imports", "lines", "literal", "nonzero_pixels", "rolled"]

#: An array with at most this many non-zero entries is written out, entry by entry; one with at most `_WHOLE` as a
#: whole.
LITERAL = 48
_WHOLE = 256
#: The largest of the integers that dense inputs are drawn from.
_LARGEST = 3


@dataclass(frozen=True)
class Sparse:
    """Zeros, but for a few entries."""

    pixels: Pixels


@dataclass(frozen=True)
class Dense:
    """The given array (seed None) or seeded random integers from −3 to 3; rounded, cut to a box, then rolled.

    box: (start, stop) for each dim, zero outside; None is all of it. offset: (dims, amounts) of the roll.
    """

    seed: int | None
    rounded: bool = False
    box: tuple[tuple[int, int], ...] | None = None
    offset: tuple[tuple[int, ...], tuple[int, ...]] | None = None


Recipe: TypeAlias = Sparse | Dense


def build(recipe: Recipe, like: Array) -> Array:
    """The array of a recipe in the shape, dtype, device and library of `like`, which is also the given one.

    >>> build(Sparse((((1,), -2),)), np.zeros(3))
    array([ 0., -2.,  0.])
    """
    xp = namespace(like)
    zeros = xp.zeros(tuple(like.shape), dtype=like.dtype, device=device(like))
    if isinstance(recipe, Sparse):
        for index, value in recipe.pixels:
            zeros[index] = value
        return zeros
    values = _values(recipe.seed, like)
    if recipe.rounded:
        values = xp.round(values)
    if recipe.box is not None:
        inside = tuple(slice(*ends) for ends in recipe.box)
        zeros[inside] = values[inside]
        values = zeros
    if recipe.offset is not None:
        values = xp.roll(values, recipe.offset[1], axis=recipe.offset[0])
    return values


def _values(seed: int | None, like: Array) -> Array:
    xp, shape = namespace(like), tuple(like.shape)
    if seed is None:
        return xp.asarray(like.detach() if isinstance(like, torch.Tensor) else like, copy=True)
    if isinstance(like, torch.Tensor):
        generator = torch.Generator().manual_seed(seed)
        return torch.randint(-_LARGEST, _LARGEST + 1, shape, generator=generator).to(like.device, like.dtype)
    drawn = np.random.default_rng(seed).integers(-_LARGEST, _LARGEST + 1, shape)
    return xp.astype(xp.asarray(drawn, device=device(like)), like.dtype)


def rolled(recipe: Recipe, dims: Sequence[int], amounts: Sequence[int], shape: Sequence[int]) -> Recipe:
    """The recipe of the same array, of this shape, rolled by `amounts` along `dims`.

    >>> rolled(Sparse((((0, 2), 1),)), (1,), (2,), (3, 3))
    Sparse(pixels=(((0, 1), 1),))
    """
    if isinstance(recipe, Sparse):
        moves = dict(zip(dims, amounts, strict=True))
        moved = [
            (tuple((i + moves.get(d, 0)) % n for d, (i, n) in enumerate(zip(index, shape, strict=True))), value)
            for index, value in recipe.pixels
        ]
        return Sparse(tuple(sorted(moved, key=lambda pixel: pixel[0])))
    before = recipe.offset[1] if recipe.offset else (0,) * len(dims)
    total = tuple((a + b) % shape[d] for a, b, d in zip(before, amounts, dims, strict=True))
    return replace(recipe, offset=(tuple(dims), total) if any(total) else None)


def nonzero_pixels(value: Array, most: int) -> Pixels | None:
    """The non-zero entries of an array, or None where there are more than `most`."""
    host = to_numpy(value)
    if np.count_nonzero(host) > most:
        return None
    return tuple((tuple(int(i) for i in index), _number(host[tuple(index)])) for index in np.argwhere(host))


def _number(value: Any) -> Any:
    number = value.item()
    whole = not isinstance(number, complex) and math.isfinite(number) and number == int(number)
    return int(number) if whole else number


# Lines ---------------------------------------------------------------------------------------------------------------


def imports(like: Array) -> list[str]:
    """The imports that `lines` needs."""
    return [f"import {word}" for word in dict.fromkeys([library(like), *([] if _is_torch(like) else ["numpy"])])]


def lines(recipe: Recipe, like: Array, name: str) -> list[str]:
    """Lines that bind `name` to the recipe's array.

    >>> lines(Sparse((((1,), -2),)), np.zeros(3), "x")
    ['x = numpy.zeros((3,), dtype=numpy.float64)', 'x[1] = -2']
    """
    lib = library(like)
    pixels = recipe.pixels if isinstance(recipe, Sparse) else nonzero_pixels(build(recipe, like), LITERAL)
    if pixels is not None or isinstance(recipe, Sparse):
        zeros = f"{name} = {lib}.zeros({tuple(like.shape)}, dtype={lib}.{dtype_name(like.dtype)}{_where(like)})"
        return [zeros, *(f"{name}[{', '.join(map(str, index))}] = {value!r}" for index, value in pixels or ())]
    whole = literal(build(recipe, like), _WHOLE)
    if whole is not None:
        return [f"{name} = {whole}"]
    found = [_source(recipe, like, name)]
    if recipe.rounded:
        found.append(f"{name} = {lib}.round({name})")
    if recipe.box is not None:
        inside = ", ".join(f"{start}:{stop}" for start, stop in recipe.box)
        found += [f"whole, {name} = {name}, {lib}.zeros_like({name})", f"{name}[{inside}] = whole[{inside}]"]
    if recipe.offset is not None:
        found.append(f"{name} = {lib}.roll({name}, {recipe.offset[1]}, {recipe.offset[0]})")
    return found


def _source(recipe: Dense, like: Array, name: str) -> str:
    lib, shape, dtype = library(like), tuple(like.shape), dtype_name(like.dtype)
    if recipe.seed is None:
        return (
            f"# first bind {name} to the input that was given: {shape}, {dtype}, with values that are too many to list"
        )
    bounds = f"{-_LARGEST}, {_LARGEST + 1}, {shape}"
    if _is_torch(like):
        home = f"{str(like.device)!r}, " if like.device.type != "cpu" else ""
        drawn = f"torch.randint({bounds}, generator=torch.Generator().manual_seed({recipe.seed}))"
        return f"{name} = {drawn}.to({home}torch.{dtype})"
    return f"{name} = {lib}.asarray(numpy.random.default_rng({recipe.seed}).integers({bounds})).astype({lib}.{dtype})"


def literal(value: Array, most: int = LITERAL) -> str | None:
    """A small array as an expression; None where it has more than `most` entries, or is not finite."""
    if math.prod(value.shape) > most:
        return None
    host, lib = to_numpy(value), library(value)
    if host.dtype.kind in "fc" and not np.isfinite(host).all():
        return None
    word = "bool" if host.dtype.kind == "b" else dtype_name(value.dtype)
    dtype = f"{lib}.{word}" if lib == "torch" or word != "bool" else "bool"
    return f"{lib}.{'tensor' if lib == 'torch' else 'array'}({host.tolist()!r}, dtype={dtype}{_where(value)})"


def _is_torch(value: Array) -> bool:
    return isinstance(value, torch.Tensor)


def _where(like: Array) -> str:
    return f", device={str(like.device)!r}" if _is_torch(like) and like.device.type != "cpu" else ""
