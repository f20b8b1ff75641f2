"""Whole layers, and networks put together from them so that shapes fit, with generic parameters."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, get_args

import torch
from torch import Tensor, nn

from equiconv.arrays import dtype_name
from equiconv.testing.strategies import breaking, following  # noqa: F401  (they fill the catalogue)
from equiconv.testing.strategies.backends import native_dtype
from equiconv.testing.strategies.catalogue import CATALOGUE, Call, LayerKind, Site, fitting, site_after
from equiconv.testing.strategies.drawing import checked_int, one_of, settled
from equiconv.testing.strategies.geometry import Grid, sized, with_dims
from equiconv.testing.strategies.parameters import seeded

if TYPE_CHECKING:
    from hypothesis.strategies import DrawFn, SearchStrategy

    from equiconv.testing.strategies.drawing import Drawable

__all__ = ["LAYER_KINDS", "DrawnNetwork", "Head", "layers", "networks"]

#: What a network ends in: nothing (it returns an image), a global pool and a linear layer, or a flattened image and one.
Head: TypeAlias = Literal["any", "none", "pool", "flatten"]

#: The kinds of layers, by name: those that follow every shift of the grid, then those that do not.
LAYER_KINDS: tuple[str, ...] = tuple(sorted(CATALOGUE, key=lambda name: not CATALOGUE[name].follows))

_SEEDS = 2**16 - 1
_SIDE = 6  # divisible by 2 and 3, and long enough for every kind
_CLASSES = 3
_IMPORTS = "import equiconv.nn\nfrom equiconv.testing import strategies\nfrom torch import nn"


def layers(
    dims: int = 2,
    channels: Drawable[int] = 2,
    grid: Drawable[Grid] | int | None = None,
    equivariant: bool | None = None,
    kinds: Sequence[str] | None = None,
    dtype: Drawable[Any] = "float64",
) -> SearchStrategy[nn.Module]:
    """torch layers in evaluation mode for inputs of shape (N, channels, *grid), with generic parameters.

    Convolutions (padded with zeros, reflections, replicas or circularly, or not at all; strided, dilated, in groups),
    transposed ones, pools (max, average, adaptive; ceil_mode), normalisations, activations, dropout, upsampling, pixel
    shuffles, pads, and the layers of `equiconv.nn`: all of `LAYER_KINDS` that fit. They shrink to what takes the
    fewest choices, the first in that list: `torch.nn.Identity`, or, where shifts must break, a layer normalisation with a
    weight for each place.

    Parameters
    ----------
    dims: how many axes the grid has, 1 to 3. channels: of the input. grid: its sides; None is 6 along each axis.
    equivariant: True: it follows every circular shift of the grid, by a roll along its axes or by staying as it is.
        False: there is a shift of the grid that it does not follow, with these parameters. None: either.
    kinds: names out of `LAYER_KINDS`, where not all of them are wanted.
    dtype: real, a name or a torch dtype.

    Raises
    ------
    TypeError, ValueError: dims that are not 1 to 3, an unknown kind or dtype, another number of axes, or nothing to draw,
        where no kind asked for fits. On a grid of one point no layer breaks a shift.

    Examples
    --------
    >>> from hypothesis import find, settings
    >>> find(layers(equivariant=True), lambda layer: True, settings=settings(database=None))
    Identity()
    >>> find(layers(equivariant=False), lambda layer: True, settings=settings(database=None))
    LayerNorm((2, 6, 6), eps=1e-05, elementwise_affine=True, bias=True)
    """
    from hypothesis import strategies as st

    _checked_dims(dims)
    if equivariant not in (None, True, False):
        raise ValueError(f"equivariant: must be True, False or None, got {equivariant!r}")
    wanted = LAYER_KINDS if kinds is None else tuple(one_of(name, "kinds", LAYER_KINDS) for name in kinds)

    @st.composite
    def layer(draw: DrawFn) -> nn.Module:
        sides = (_SIDE,) * dims if grid is None else sized(draw, grid, dims)
        site = Site(checked_int(settled(draw, channels), "channels"), sides)
        call = _layer(draw, site, equivariant, wanted)
        return seeded(call.build(), draw(st.integers(0, _SEEDS)), _real(settled(draw, dtype)))

    # What is given is refused here, and what is drawn, where it is drawn.
    if not isinstance(grid, st.SearchStrategy) and not isinstance(channels, st.SearchStrategy):
        sides = (_SIDE,) * dims if grid is None else with_dims(grid, dims)
        _choices(Site(checked_int(channels, "channels"), sides), equivariant, wanted)
    return layer()


@dataclass(frozen=True, eq=False, repr=False)
class DrawnNetwork:
    """A network with the shape of its input; its repr is an expression that makes it again, with the same parameters.

    Attributes
    ----------
    model: in evaluation mode. input_shape: (N, channels, *grid). dtype: of its parameters. text: the expression of the model.

    >>> from torch import nn
    >>> DrawnNetwork(nn.Identity(), (1, 2, 4, 4)).axes
    (-2, -1)
    """

    model: nn.Module
    input_shape: tuple[int, ...]
    dtype: str = "float64"
    text: str = ""

    @property
    def grid(self) -> tuple[int, ...]:
        """The sides of the input's grid."""
        return self.input_shape[2:]

    @property
    def axes(self) -> tuple[int, ...]:
        """The dims of the input that carry the grid, counted from the end."""
        return tuple(range(2 - len(self.input_shape), 0))

    def example(self, seed: int = 0) -> Tensor:
        """A seeded normal input."""
        generator = torch.Generator().manual_seed(seed)
        values = torch.randn(self.input_shape, generator=generator, dtype=torch.float64)
        return values.to(native_dtype(self.dtype, "torch"))

    def __repr__(self) -> str:
        model = (self.text or repr(self.model)).replace("\n", "\n    ")
        return f"strategies.DrawnNetwork(\n    {model},\n    {self.input_shape},\n    {self.dtype!r},\n)"

    def __str__(self) -> str:
        """Lines to paste: the imports, and the network."""
        return f"{_IMPORTS}\n\nnetwork = {self!r}"


def networks(
    dims: int = 2,
    max_layers: int = 4,
    channels: Drawable[int] | None = None,
    grid: Drawable[Grid] | int | None = None,
    head: Head = "any",
    branches: bool = True,
    equivariant: Literal[True] | None = None,
    dtype: Drawable[Any] = "float64",
    *,
    batch: int = 1,
    max_side: int = 8,
    max_size: int = 144,
) -> SearchStrategy[DrawnNetwork]:
    """Convolutional networks: layers of `layers` one after another, residual blocks, blocks of several branches, and a head.

    Every operation in them is one that the certifier has a rule for. They shrink to fewer layers, to a single
    `torch.nn.Identity` without a head, on the smallest grid.

    Parameters
    ----------
    dims: how many axes the grid has, 1 to 3. max_layers: how many layers or blocks stand one after another, at most.
    channels: of the input; None draws 1 to 3. grid: its sides; None draws them, within max_side and max_size.
    head: what it ends in: ``"none"`` (it returns an image), ``"pool"`` (a global pool and a linear layer), ``"flatten"`` (the
        flattened image and a linear layer), or ``"any"`` of these.
    branches: whether residual blocks and blocks of branches may come.
    equivariant: True: every layer, and so the network, follows every circular shift; the head is then no flattened image.
        (Layers that break a shift can mend each other, so that there is no False.)
    dtype: real, a name or a torch dtype. batch: how many images the input holds.

    Raises
    ------
    TypeError, ValueError: what `layers` and `grids` refuse; an unknown head; ``"flatten"`` with ``equivariant=True``.

    Examples
    --------
    >>> from hypothesis import find, settings
    >>> find(networks(grid=(4, 4)), lambda network: True, settings=settings(database=None))
    strategies.DrawnNetwork(
        strategies.seeded(
            nn.Sequential(
                nn.Identity(),
            ),
            0,
            'float64',
        ),
        (1, 1, 4, 4),
        'float64',
    )
    """
    from hypothesis import strategies as st

    _checked_dims(dims)
    most, images = checked_int(max_layers, "max_layers"), checked_int(batch, "batch")
    one_of(head, "head", get_args(Head))
    if equivariant not in (None, True):
        raise ValueError(
            f"equivariant: must be True or None, got {equivariant!r}; layers(equivariant=False) breaks shifts"
        )
    if equivariant and head == "flatten":
        raise ValueError('head: a linear layer on a flattened image follows no shift; pass "none" or "pool"')
    if grid is not None and not isinstance(grid, st.SearchStrategy):
        with_dims(grid, dims)
    heads = [h for h in ("none", "pool", "flatten") if head in ("any", h) and not (equivariant and h == "flatten")]

    @st.composite
    def network(draw: DrawFn) -> DrawnNetwork:
        sides = sized(draw, grid, dims, max_side=max_side, max_size=max_size)
        count = draw(st.integers(1, 3)) if channels is None else checked_int(settled(draw, channels), "channels")
        site, calls = Site(count, sides), []
        for _ in range(draw(st.integers(1, most))):
            call = _block(draw, site, equivariant, branches)
            calls.append(call)
            site = site_after(call, site)
        calls += _head(draw(st.sampled_from(heads)), site)
        seed, name = draw(st.integers(0, _SEEDS)), _real(settled(draw, dtype))
        made = Call("strategies.seeded", (Call("nn.Sequential", tuple(calls)), seed, name))
        return DrawnNetwork(made.build(), (images, count, *sides), name, str(made))

    return network()


def _block(draw: DrawFn, site: Site, equivariant: bool | None, branches: bool) -> Call:
    """One layer, or, at times, a residual block or several branches."""
    from hypothesis import strategies as st

    if not branches:
        return _layer(draw, site, equivariant)
    # Drawn for a single layer too, which has no use for it: a residual block shrinks to its layer by one smaller choice.
    shape, deep = draw(st.sampled_from(("layer", "layer", "residual", "branches"))), draw(st.booleans())
    if shape == "residual":
        return Call("strategies.Residual", (_chain(draw, site, equivariant, deep, site.channels),))
    if shape == "branches":
        several = range(draw(st.integers(2, 3)))
        return Call("strategies.Branches", tuple(_chain(draw, site, equivariant, deep) for _ in several))
    return _layer(draw, site, equivariant)


def _chain(draw: DrawFn, site: Site, equivariant: bool | None, deep: bool, out: int | None = None) -> Call:
    """One layer or two that keep the grid, the last of which returns `out` channels."""
    if not deep:
        return _layer(draw, replace(site, out=out), equivariant, keeps=True)
    first = _layer(draw, site, equivariant, keeps=True)
    second = _layer(draw, replace(site_after(first, site), out=out), equivariant, keeps=True)
    return Call("nn.Sequential", (first, second))


def _layer(
    draw: DrawFn, site: Site, equivariant: bool | None, wanted: Sequence[str] = LAYER_KINDS, *, keeps: bool = False
) -> Call:
    from hypothesis import strategies as st

    return draw(st.sampled_from(_choices(site, equivariant, wanted, keeps=keeps))).make(draw, site)


def _choices(site: Site, equivariant: bool | None, wanted: Sequence[str], *, keeps: bool = False) -> list[LayerKind]:
    found = {k.name: k for k in fitting(site, equivariant, keeps=keeps)}
    # Those that keep the grid first, so that a choice among them alone is the same choice.
    chosen = sorted((found[name] for name in wanted if name in found), key=lambda k: not k.keeps)
    if not chosen:
        which = {None: "no layer", True: "no layer that follows every shift", False: "no layer that breaks a shift"}
        raise ValueError(
            f"grid: {which[equivariant]} of the kinds asked for fits {site.channels} channels on the grid {site.grid}; "
            f"pass another grid, other channels or other kinds"
        )
    return chosen


def _head(head: str, site: Site) -> list[Call]:
    if head == "none":
        return []
    pool = [Call(site.name("AdaptiveAvgPool"), (1,))] if head == "pool" else []
    width = site.channels * (1 if pool else site.points)
    return [*pool, Call("nn.Flatten"), Call("nn.Linear", (width, _CLASSES))]


def _checked_dims(dims: Any) -> None:
    if checked_int(dims, "dims") > 3:
        raise ValueError(f"dims: torch has layers of 1, 2 and 3 axes, got {dims}")


def _real(dtype: Any) -> str:
    name = dtype_name(native_dtype(dtype, "torch"))
    if name.startswith("complex"):
        raise ValueError(f"dtype: torch has few layers of complex numbers, got {name}; pass a real one")
    return name
