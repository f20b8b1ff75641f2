"""What torch.func maps is asked as a whole: singular matrices are found and named, regular ones are inverted."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch.func import grad, vmap

from equiconv.operators import Circulant, SingularCirculantError, Toeplitz
from equiconv.operators.mapping import unmapped


def regular(*shape: int, levels: int = 1, dtype: torch.dtype = torch.float64) -> torch.Tensor:
    w = torch.randn(shape, dtype=dtype, generator=torch.Generator().manual_seed(0))
    w.reshape(-1, math.prod(shape[-levels:]))[:, 0] += 4 * math.prod(shape[-levels:])
    return w


def test_axes_that_are_mapped_come_first_and_the_outermost_before_the_others() -> None:
    x = torch.arange(24.0).reshape(2, 3, 4)
    seen = []

    def look(row: torch.Tensor) -> torch.Tensor:
        seen.append(unmapped(row))
        return row.sum()

    vmap(vmap(look))(x)
    vmap(vmap(look, in_dims=1), in_dims=2)(x)
    vmap(grad(look))(x[0])
    look(x)
    expected = [x, x.permute(2, 1, 0), x[0], x]
    for values, truth in zip(seen, expected, strict=True):
        assert torch.equal(values, truth)
    assert unmapped(array := np.ones(2)) is array


@pytest.mark.parametrize("sizes", [(5,), (3, 4)], ids=str)
@pytest.mark.parametrize("dtype", [torch.float64, torch.complex128])
@pytest.mark.parametrize(
    "function",
    [lambda C, b: C.inv().kernel, lambda C, b: C.power(-2).kernel, lambda C, b: C.solve(b)],
    ids=["inv", "power", "solve"],
)
def test_inverses_are_mapped(function: Callable[..., torch.Tensor], dtype: torch.dtype, sizes: tuple[int, ...]) -> None:
    levels = len(sizes)
    w, b = regular(2, 3, *sizes, levels=levels, dtype=dtype), torch.ones(int(np.prod(sizes)), 2, dtype=dtype)

    def f(w: torch.Tensor) -> torch.Tensor:
        return function(Circulant(w, levels), b)

    expected = torch.stack([torch.stack([f(w[i, j]) for j in range(3)]) for i in range(2)])
    torch.testing.assert_close(vmap(vmap(f))(w), expected)
    torch.testing.assert_close(vmap(f)(w), expected)  # the other axis is a batch of the matrix

    def loss(w: torch.Tensor) -> torch.Tensor:
        return torch.view_as_real(f(w) + 0j).square().sum()

    gradients = torch.stack([grad(loss)(v) for v in w.flatten(0, 1)])
    torch.testing.assert_close(vmap(vmap(grad(loss)))(w).flatten(0, 1), gradients)


@pytest.mark.parametrize("in_dims", [0, 1])
def test_a_singular_one_among_those_that_are_mapped_is_named(in_dims: int) -> None:
    w = regular(3, 2, 6)
    w[2, 1] = torch.tensor([1.0, 1, 0, 0, 0, 0])
    for attempt in (lambda w: Circulant(w).inv().kernel, lambda w: Circulant(w).solve(torch.ones(6).double())):
        with pytest.raises(SingularCirculantError, match=r"eigenvalue 3 of batch entry \(2, 1\) is zero") as caught:
            vmap(attempt, in_dims=in_dims)(w.movedim(0, in_dims))
        assert caught.value.indices == ((2, 1, 3),)


def test_toeplitz_matrices_are_made_of_what_is_mapped() -> None:
    column, rest = regular(4, 3), regular(4, 2)
    row, x = torch.cat([column[:, :1], rest], dim=-1), torch.ones(3, 2, dtype=torch.float64)
    found = vmap(lambda c, r: Toeplitz(c, r) @ x)(column, row)
    torch.testing.assert_close(found, Toeplitz(column, row).dense() @ x)
    row[3, 0] += 1
    with pytest.raises(ValueError, match="must be equal"):
        vmap(lambda c, r: Toeplitz(c, r) @ x)(column, row)
