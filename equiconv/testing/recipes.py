"""Inputs that a counterexample can be made of, each with the lines of Python that rebuild it exactly."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch

from equiconv.arrays import Array, device, dtype_name, library, namespace, to_numpy
from equiconv.testing.strategies import Pixels

__all__ = ["Dense", "Recipe", "Sparse", "build", "nonzero_pixels"]

#: An array with at most this many non-zero entries is written out, entry by entry.
LITERAL = 48
_LARGEST = 3  # of the integers that dense inputs are drawn from


@dataclass(frozen=True)
class Sparse:
    """Zeros, but for a few entries."""

    pixels: Pixels


@dataclass(frozen=True)
class Dense:
    """An array that is given (seed None), or of seeded random integers from −3 to 3; then rounded, cut to a box (zero outside it), and rolled.

    box: (start, stop) for each dim; None is all of it. offset: (dims, amounts) of the roll.
    """

    seed: int | None
    rounded: bool = False
    box: tuple[tuple[int, int], ...] | None = None
    offset: tuple[tuple[int, ...], tuple[int, ...]] | None = None


Recipe = Sparse | Dense


def build(recipe: Recipe, like: Array) -> Array:
    """The array of a recipe, in the shape, dtype, device and library of `like`, which is also what a given one starts from."""
    xp = namespace(like)
    zeros = xp.zeros(tuple(like.shape), dtype=like.dtype, device=device(like))
    if isinstance(recipe, Sparse):
        for index, value in recipe.pixels:
            zeros[index] = value
        return zeros
    if recipe.seed is None:
        values = xp.asarray(like.detach() if isinstance(like, torch.Tensor) else like, copy=True)
    elif library(like) == "torch":
        drawn = torch.randint(-_LARGEST, _LARGEST + 1, tuple(like.shape), generator=_generator(recipe.seed))
        values = drawn.to(like.device, like.dtype)
    else:
        drawn = np.random.default_rng(recipe.seed).integers(-_LARGEST, _LARGEST + 1, tuple(like.shape))
        values = xp.astype(xp.asarray(drawn, device=device(like)), like.dtype)
    if recipe.rounded:
        values = xp.round(values)
    if recipe.box is not None:
        inside = tuple(slice(*ends) for ends in recipe.box)
        zeros[inside] = values[inside]
        values = zeros
    if recipe.offset is not None:
        values = xp.roll(values, recipe.offset[1], axis=recipe.offset[0])
    return values


def rolled(recipe: Recipe, dims: Sequence[int], amounts: Sequence[int], shape: Sequence[int]) -> Recipe:
    """The recipe of the same array, rolled by `amounts` along `dims`."""
    if isinstance(recipe, Sparse):
        move = dict(zip(dims, amounts, strict=True))
        pixels = (
            (tuple((i + move.get(d, 0)) % n for d, (i, n) in enumerate(zip(index, shape, strict=True))), value)
            for index, value in recipe.pixels
        )
        return Sparse(tuple(sorted(pixels)))
    before = recipe.offset[1] if recipe.offset else (0,) * len(dims)
    total = tuple((a + b) % shape[d] for a, b, d in zip(before, amounts, dims, strict=True))
    return replace(recipe, offset=(tuple(dims), total) if any(total) else None)


def nonzero_pixels(value: Array, most: int) -> Pixels | None:
    """The non-zero entries of an array, or None where there are more than `most`."""
    host = to_numpy(value)
    if np.count_nonzero(host) > most:
        return None
    return tuple((tuple(int(i) for i in index), _plain(host[tuple(index)])) for index in np.argwhere(host))


def _plain(value: Any) -> Any:
    number = value.item()
    return int(number) if not isinstance(number, complex) and number == int(number) else number


def _generator(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


# Lines ------------------------------------------------------------------------------------------------------------------


def lines(recipe: Recipe, like: Array, name: str) -> list[str]:
    """Lines that bind `name` to the recipe's array, with torch or numpy (or cupy) imported under its own name."""
    lib = library(like)
    pixels = recipe.pixels if isinstance(recipe, Sparse) else nonzero_pixels(build(recipe, like), LITERAL)
    zeros = f"{lib}.zeros({tuple(like.shape)}, dtype={lib}.{dtype_name(like.dtype)}{_where(like)})"
    if pixels is not None:
        return [f"{name} = {zeros}", *(f"{name}[{', '.join(map(str, index))}] = {value!r}" for index, value in pixels)]
    assert isinstance(recipe, Dense)
    found = _source(recipe, like, name)
    if recipe.rounded:
        found.append(f"{name} = {lib}.round({name})")
    if recipe.box is not None:
        inside = ", ".join(f"{start}:{stop}" for start, stop in recipe.box)
        found += [f"whole, {name} = {name}, {lib}.zeros_like({name})", f"{name}[{inside}] = whole[{inside}]"]
    if recipe.offset is not None:
        found.append(f"{name} = {lib}.roll({name}, {recipe.offset[1]}, {recipe.offset[0]})")
    return found


def _source(recipe: Dense, like: Array, name: str) -> list[str]:
    lib, shape, dtype = library(like), tuple(like.shape), dtype_name(like.dtype)
    if recipe.seed is None:
        return [f"# bind {name} to the input that was given: {shape}, {dtype}; it cannot be written out in a few lines"]
    if lib == "torch":
        drawn = f"torch.randint({-_LARGEST}, {_LARGEST + 1}, {shape}, generator=torch.Generator().manual_seed({recipe.seed}))"
        home = f"{str(like.device)!r}, " if like.device.type != "cpu" else ""
        return [f"{name} = {drawn}.to({home}torch.{dtype})"]
    drawn = f"numpy.random.default_rng({recipe.seed}).integers({-_LARGEST}, {_LARGEST + 1}, {shape})"
    return [f"{name} = {lib}.asarray({drawn}).astype({lib}.{dtype})"]


def _where(like: Array) -> str:
    return f", device={str(like.device)!r}" if isinstance(like, torch.Tensor) and like.device.type != "cpu" else ""


def imports(like: Array) -> list[str]:
    """The imports that `lines` needs."""
    return ["import torch"] if library(like) == "torch" else list(dict.fromkeys([f"import {library(like)}", "import numpy"]))


def literal(value: Any) -> str | None:
    """A small array of any dtype as an expression, for arguments that do not move; None where it is too large to be one."""
    lib = library(value)
    if math.prod(value.shape) > LITERAL:
        return None
    host = to_numpy(value)
    if host.dtype.kind in "fc" and not np.isfinite(host).all():
        return None
    maker = "torch.tensor" if lib == "torch" else f"{lib}.array"
    return f"{maker}({host.tolist()!r}, dtype={lib}.{_dtype_word(value)}{_where(value)})"


def _dtype_word(value: Array) -> str:
    word = dtype_name(value.dtype)
    return "bool" if word in ("bool", "bool_") else word
