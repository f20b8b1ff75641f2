"""What layers are drawn from: kinds of layers, each with where it fits and whether it follows every shift.

A layer is drawn as the call that makes it, so that it can be printed, pasted and made again.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from importlib import import_module
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

if TYPE_CHECKING:
    from hypothesis.strategies import DrawFn

__all__ = ["CATALOGUE", "Call", "LayerKind", "Site", "channel_groups", "fitting", "kind", "out_channels", "site_after"]

_MOST_CHANNELS = 4
# The names that a call may start with, as the imports of a pasted network bind them.
_MODULES = {"nn": "torch.nn", "equiconv.nn": "equiconv.nn", "strategies": "equiconv.testing.strategies"}


@dataclass(frozen=True)
class Call:
    """A call of a module's constructor; arguments may be calls themselves."""

    name: str
    args: tuple[Any, ...] = ()
    options: dict[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        given = [*map(_text, self.args), *(f"{k}={_text(v)}" for k, v in self.options.items())]
        if not any(isinstance(a, Call) for a in self.args):
            return f"{self.name}({', '.join(given)})"
        inner = ",\n".join(given).replace("\n", "\n    ")
        return f"{self.name}(\n    {inner},\n)"

    def build(self) -> nn.Module:
        """The module."""
        module, _, attribute = self.name.rpartition(".")
        made: nn.Module = getattr(import_module(_MODULES[module]), attribute)(
            *map(_built, self.args), **{k: _built(v) for k, v in self.options.items()}
        )
        return made


def _text(value: Any) -> str:
    return str(value) if isinstance(value, Call) else repr(value)


def _built(value: Any) -> Any:
    return value.build() if isinstance(value, Call) else value


@dataclass(frozen=True)
class Site:
    """Where a layer stands: the shape of its input, and what its output must be.

    out: how many channels it must return; None leaves them free.
    """

    channels: int
    grid: tuple[int, ...]
    out: int | None = None

    @property
    def dims(self) -> int:
        """How many axes the grid has."""
        return len(self.grid)

    @property
    def points(self) -> int:
        """How many points the grid has."""
        return math.prod(self.grid)

    @property
    def longest(self) -> int:
        """The longest side."""
        return max(self.grid)

    def name(self, layer: str, module: str = "nn") -> str:
        """The layer of this many axes: ``nn.Conv2d`` for ``"Conv"``."""
        return f"{module}.{layer}{self.dims}d"


Make = Callable[["DrawFn", Site], Call]


@dataclass(frozen=True)
class LayerKind:
    """A kind of layer.

    follows: whether it follows every shift of its grid, by a roll or by staying as it is, or, with generic parameters,
    fails to for some. keeps: its output has the same grid. mixes: it can return any number of channels; other kinds
    return as many as they get, unless they do not keep the grid. fits: the sites where all this holds.
    """

    name: str
    follows: bool
    keeps: bool
    mixes: bool
    fits: Callable[[Site], bool]
    make: Make


#: Every kind by name; of those that follow every shift, and of those that do not, the simplest first.
CATALOGUE: dict[str, LayerKind] = {}


def kind(
    name: str,
    *,
    follows: bool,
    keeps: bool = False,
    mixes: bool = False,
    fits: Callable[[Site], bool] = lambda _site: True,
) -> Callable[[Make], Make]:
    """Enter a kind of layer in the catalogue."""

    def entered(make: Make) -> Make:
        if name in CATALOGUE:
            raise ValueError(f"the catalogue has a kind {name!r} already")
        CATALOGUE[name] = LayerKind(name, follows, keeps, mixes, fits, make)
        return make

    return entered


def fitting(site: Site, follows: bool | None = None, *, keeps: bool = False) -> list[LayerKind]:
    """The kinds that fit a site: all of them, or those that keep the grid, that follow every shift, or that do not."""
    return [
        k
        for k in CATALOGUE.values()
        if k.fits(site)
        and (follows is None or k.follows == follows)
        and (k.keeps or not keeps)
        and (k.mixes or site.out in (None, site.channels))
    ]


def site_after(call: Call, site: Site) -> Site:
    """Where the next layer stands."""
    with torch.no_grad():
        shape = call.build().eval()(torch.zeros(1, site.channels, *site.grid)).shape
    return replace(site, channels=int(shape[1]), grid=tuple(int(n) for n in shape[2:]))


def out_channels(draw: DrawFn, site: Site) -> int:
    """How many channels a layer returns that may return any number."""
    from hypothesis import strategies as st

    return site.out or draw(st.integers(1, _MOST_CHANNELS))


def channel_groups(draw: DrawFn, *channels: int) -> int:
    """Into how many groups channels are cut."""
    from hypothesis import strategies as st

    return draw(st.sampled_from([g for g in range(1, min(channels) + 1) if not any(c % g for c in channels)]))
