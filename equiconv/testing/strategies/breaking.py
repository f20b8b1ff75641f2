"""Kinds of layers that, with generic parameters, do not follow some circular shift of their grid.

Each says on which sites that is sure: on a side of 1 there is no shift, on one of 2 a reflection is a shift, and a window over
a whole side sees them all alike.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from equiconv.testing.strategies.catalogue import Call, Site, channel_groups, kind, out_channels

if TYPE_CHECKING:
    from hypothesis.strategies import DrawFn

__all__: list[str] = []

_PADS = ("ZeroPad", "ConstantPad", "ReflectionPad", "ReplicationPad", "CircularPad")


def _moves(site: Site) -> bool:
    return site.longest >= 2


@kind("layer normalisation with a weight a place", follows=False, keeps=True, fits=_moves)
def _layer_norm(_draw: DrawFn, site: Site) -> Call:
    return Call("nn.LayerNorm", ((site.channels, *site.grid),))


def _padded(draw: DrawFn, site: Site, mode: str) -> Call:
    """A convolution that keeps the grid, with padding that is no circle's."""
    from hypothesis import strategies as st

    out = out_channels(draw, site)
    # A reflection needs an entry beyond the edge; a tap further away than the side is long meets zeros alone.
    reach = [
        draw(st.integers(1, 1 if mode == "reflect" else 2)) if n >= 3 or mode != "reflect" else 0 for n in site.grid
    ]
    dilation = draw(st.integers(1, 2 if mode == "zeros" and site.longest >= 3 else 1))
    options = {
        "padding": tuple(r * dilation for r in reach),
        "dilation": dilation,
        "groups": channel_groups(draw, site.channels, out),
        "padding_mode": mode,
    }
    return Call(site.name("Conv"), (site.channels, out, tuple(2 * r + 1 for r in reach)), options)


@kind("zero-padded convolution", follows=False, keeps=True, mixes=True, fits=_moves)
def _zeros(draw: DrawFn, site: Site) -> Call:
    return _padded(draw, site, "zeros")


@kind("reflecting convolution", follows=False, keeps=True, mixes=True, fits=lambda site: site.longest >= 3)
def _reflect(draw: DrawFn, site: Site) -> Call:
    return _padded(draw, site, "reflect")


@kind("replicating convolution", follows=False, keeps=True, mixes=True, fits=_moves)
def _replicate(draw: DrawFn, site: Site) -> Call:
    return _padded(draw, site, "replicate")


@kind("convolution without padding", follows=False, mixes=True, fits=_moves)
def _valid(draw: DrawFn, site: Site) -> Call:
    from hypothesis import strategies as st

    kernel = tuple(draw(st.integers(min(2, n), min(3, n))) for n in site.grid)
    return Call(site.name("Conv"), (site.channels, out_channels(draw, site), kernel))


@kind("strided convolution", follows=False, mixes=True, fits=_moves)
def _strided(draw: DrawFn, site: Site) -> Call:
    from hypothesis import strategies as st

    out, stride = out_channels(draw, site), tuple(draw(st.integers(2, 3)) for _ in site.grid)
    options = {"stride": stride, "padding": 1, "groups": channel_groups(draw, site.channels, out)}
    if draw(st.booleans()):
        return Call(site.name("CircularConv", "equiconv.nn"), (site.channels, out, 3), options)
    return Call(site.name("Conv"), (site.channels, out, 3), {**options, "padding_mode": "circular"})


def _window(draw: DrawFn, site: Site) -> tuple[tuple[int, ...], dict[str, object]]:
    """A pooling window that fits, and sees more than one place but not all of a side of 4 or more."""
    from hypothesis import strategies as st

    size = draw(st.integers(2, 3))
    kernel = tuple(min(size, n) for n in site.grid)
    stride = tuple(draw(st.integers(2, 3)) for _ in site.grid)
    padding = tuple(draw(st.integers(0, k // 2)) for k in kernel)
    return kernel, {"stride": stride, "padding": padding, "ceil_mode": draw(st.booleans())}


@kind("pooling", follows=False, fits=lambda site: site.longest >= 4)
def _pool(draw: DrawFn, site: Site) -> Call:
    from hypothesis import strategies as st

    kernel, options = _window(draw, site)
    if draw(st.booleans()):
        return Call(site.name("AvgPool"), (kernel,), {**options, "count_include_pad": draw(st.booleans())})
    return Call(site.name("MaxPool"), (kernel,), options)


@kind("overlapping pooling", follows=False, keeps=True, fits=lambda site: site.longest >= 4)
def _overlapping(draw: DrawFn, site: Site) -> Call:
    """Padded with nothing (max) or with zeros (average), stride 1."""
    from hypothesis import strategies as st

    # torch's average refuses a window longer than a side, whatever the padding.
    kernel = tuple(3 if n >= 3 else 1 for n in site.grid)
    options = {"stride": 1, "padding": tuple(k // 2 for k in kernel)}
    return Call(site.name(draw(st.sampled_from(("MaxPool", "AvgPool")))), (kernel,), options)


@kind("circular pooling with a stride", follows=False, fits=lambda site: site.longest >= 4)
def _circular_pool(draw: DrawFn, site: Site) -> Call:
    from hypothesis import strategies as st

    kernel, options = _window(draw, site)
    return Call(
        site.name(draw(st.sampled_from(("CircularMaxPool", "CircularAvgPool"))), "equiconv.nn"), (kernel,), options
    )


@kind("adaptive pooling", follows=False, fits=lambda site: site.longest >= 3)
def _adaptive(draw: DrawFn, site: Site) -> Call:
    from hypothesis import strategies as st

    name = draw(st.sampled_from(("AdaptiveAvgPool", "AdaptiveMaxPool")))
    sizes = tuple(draw(st.integers(2, n - 1)) if n >= 3 else 1 for n in site.grid)
    return Call(site.name(name), (sizes,))


@kind("padding", follows=False, fits=lambda site: site.longest >= 3)
def _pad(draw: DrawFn, site: Site) -> Call:
    from hypothesis import strategies as st

    name = draw(st.sampled_from(_PADS))
    before = draw(st.integers(0, 1))
    # torch counts from the last axis; nothing is added to short sides, which may have nothing to reflect.
    pads = tuple(p for n in reversed(site.grid) for p in ((before, 1) if n >= 3 else (0, 0)))
    return Call(site.name(name), (pads, 0.5) if name == "ConstantPad" else (pads,))


@kind(
    "pixel unshuffle",
    follows=False,
    fits=lambda site: site.dims == 2 and not any(n % 2 for n in site.grid) and site.channels <= 4,
)
def _pixel_unshuffle(_draw: DrawFn, _site: Site) -> Call:
    return Call("nn.PixelUnshuffle", (2,))


@kind("interpolation", follows=False, fits=lambda site: _moves(site) and site.points * 2**site.dims <= 512)
def _interpolation(draw: DrawFn, site: Site) -> Call:
    from hypothesis import strategies as st

    modes = {1: ("linear",), 2: ("bilinear", "bicubic"), 3: ("trilinear",)}[site.dims]
    options = {"scale_factor": 2, "mode": draw(st.sampled_from(modes)), "align_corners": draw(st.booleans())}
    return Call("nn.Upsample", (), options)


@kind(
    "overlapping transposed convolution",
    follows=False,
    mixes=True,
    fits=lambda site: _moves(site) and site.points * 2**site.dims <= 512,
)
def _transposed(draw: DrawFn, site: Site) -> Call:
    from hypothesis import strategies as st

    stride = draw(st.integers(1, 2))
    options = {"stride": stride, "padding": draw(st.integers(0, 1)), "output_padding": draw(st.integers(0, stride - 1))}
    return Call(site.name("ConvTranspose"), (site.channels, out_channels(draw, site), 3), options)


@kind("linear along the last axis", follows=False, fits=lambda site: site.grid[-1] >= 2)
def _linear(draw: DrawFn, site: Site) -> Call:
    from hypothesis import strategies as st

    return Call("nn.Linear", (site.grid[-1], draw(st.integers(1, 4))))
