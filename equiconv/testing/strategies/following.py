"""Kinds of layers that follow every circular shift of their grid."""

from __future__ import annotations

from typing import TYPE_CHECKING

from equiconv.testing.strategies.catalogue import Call, Site, channel_groups, kind, out_channels

if TYPE_CHECKING:
    from hypothesis.strategies import DrawFn

__all__ = ["ACTIVATIONS"]

#: Nonlinearities, the simplest first.
ACTIVATIONS = (
    *("ReLU", "Tanh", "Sigmoid", "GELU", "SiLU", "ELU", "LeakyReLU", "Softplus", "Softsign", "Hardswish"),
    *("Hardsigmoid", "Mish", "SELU", "CELU", "LogSigmoid", "PReLU", "Softmax"),
)
_DROPOUTS = ("nn.Dropout", "nn.AlphaDropout")
_MOST_POINTS = 512  # of a grid that is made larger


@kind("identity", follows=True, keeps=True)
def _identity(_draw: DrawFn, _site: Site) -> Call:
    return Call("nn.Identity")


@kind("pointwise convolution", follows=True, keeps=True, mixes=True)
def _pointwise(draw: DrawFn, site: Site) -> Call:
    out = out_channels(draw, site)
    return Call(site.name("Conv"), (site.channels, out, 1), {"groups": channel_groups(draw, site.channels, out)})


@kind("activation", follows=True, keeps=True)
def _activation(draw: DrawFn, site: Site) -> Call:
    from hypothesis import strategies as st

    name = draw(st.sampled_from(ACTIVATIONS))
    return Call(f"nn.{name}", (site.channels,) if name == "PReLU" else (), {"dim": 1} if name == "Softmax" else {})


@kind("dropout", follows=True, keeps=True)
def _dropout(draw: DrawFn, site: Site) -> Call:
    from hypothesis import strategies as st

    return Call(draw(st.sampled_from((*_DROPOUTS, site.name("Dropout")))), (0.5,))


@kind("batch normalisation", follows=True, keeps=True)
def _batch_norm(_draw: DrawFn, site: Site) -> Call:
    return Call(site.name("BatchNorm"), (site.channels,))


# torch refuses a single value to normalise.
@kind("group normalisation", follows=True, keeps=True, fits=lambda site: site.points > 1)
def _group_norm(draw: DrawFn, site: Site) -> Call:
    return Call("nn.GroupNorm", (channel_groups(draw, site.channels), site.channels))


@kind("instance normalisation", follows=True, keeps=True, fits=lambda site: site.points > 1)
def _instance_norm(draw: DrawFn, site: Site) -> Call:
    from hypothesis import strategies as st

    options = {"affine": draw(st.booleans()), "track_running_stats": draw(st.booleans())}
    return Call(site.name("InstanceNorm"), (site.channels,), options)


@kind("layer normalisation", follows=True, keeps=True, fits=lambda site: site.points > 1)
def _layer_norm(_draw: DrawFn, site: Site) -> Call:
    """Over all of the image, without parameters."""
    return Call("nn.LayerNorm", ((site.channels, *site.grid),), {"elementwise_affine": False})


@kind("circular convolution", follows=True, keeps=True, mixes=True)
def _circular(draw: DrawFn, site: Site) -> Call:
    """Of an odd size: torch pads an even one with a warning. Its padding wraps once at most."""
    from hypothesis import strategies as st

    out = out_channels(draw, site)
    reach = [draw(st.integers(0, min(2, n))) for n in site.grid]
    dilation = tuple(draw(st.integers(1, min(3, n // r) if r else 3)) for r, n in zip(reach, site.grid, strict=True))
    options = {
        "padding": tuple(r * d for r, d in zip(reach, dilation, strict=True)),
        "dilation": dilation,
        "groups": channel_groups(draw, site.channels, out),
        "padding_mode": "circular",
    }
    return Call(site.name("Conv"), (site.channels, out, tuple(2 * r + 1 for r in reach)), options)


@kind("equiconv's circular convolution", follows=True, keeps=True, mixes=True)
def _own_circular(draw: DrawFn, site: Site) -> Call:
    """Of any size, even or longer than the grid."""
    from hypothesis import strategies as st

    out = out_channels(draw, site)
    kernel = tuple(draw(st.integers(1, min(7, 2 * n + 1))) for n in site.grid)
    dilation = tuple(draw(st.integers(1, 3)) for _ in site.grid)
    options = {"padding": "same", "dilation": dilation, "groups": channel_groups(draw, site.channels, out)}
    return Call(site.name("CircularConv", "equiconv.nn"), (site.channels, out, kernel), options)


@kind("circular padding, then convolution", follows=True, keeps=True, mixes=True)
def _pad_then_convolve(draw: DrawFn, site: Site) -> Call:
    from hypothesis import strategies as st

    out, pad = out_channels(draw, site), draw(st.integers(1, max(1, min(2, min(site.grid)))))
    module = draw(st.sampled_from(("nn", "equiconv.nn")))
    convolution = Call(site.name("Conv"), (site.channels, out, 2 * pad + 1))
    return Call("nn.Sequential", (Call(site.name("CircularPad", module), (pad,)), convolution))


@kind("circular pooling", follows=True, keeps=True)
def _circular_pool(draw: DrawFn, site: Site) -> Call:
    from hypothesis import strategies as st

    name = draw(st.sampled_from(("CircularMaxPool", "CircularAvgPool")))
    reach = draw(st.integers(1, 2))
    return Call(site.name(name, "equiconv.nn"), (2 * reach + 1,), {"stride": 1, "padding": reach})


@kind("channel shuffle", follows=True, keeps=True, fits=lambda site: site.channels % 2 == 0)
def _channel_shuffle(_draw: DrawFn, _site: Site) -> Call:
    return Call("nn.ChannelShuffle", (2,))


@kind("global pooling", follows=True)
def _global_pool(draw: DrawFn, site: Site) -> Call:
    from hypothesis import strategies as st

    return Call(site.name(draw(st.sampled_from(("AdaptiveAvgPool", "AdaptiveMaxPool")))), (1,))


@kind("nearest upsampling", follows=True, fits=lambda site: site.points * 2**site.dims <= _MOST_POINTS)
def _nearest(draw: DrawFn, site: Site) -> Call:
    from hypothesis import strategies as st

    scale = draw(st.integers(2, 3 if site.points * 3**site.dims <= _MOST_POINTS else 2))
    return Call("nn.Upsample", (), {"scale_factor": scale, "mode": "nearest"})


@kind("pixel shuffle", follows=True, fits=lambda site: site.dims == 2 and site.channels % 4 == 0 and site.points <= 128)
def _pixel_shuffle(_draw: DrawFn, _site: Site) -> Call:
    return Call("nn.PixelShuffle", (2,))


@kind(
    "transposed convolution side by side",
    follows=True,
    mixes=True,
    fits=lambda site: site.points * 2**site.dims <= _MOST_POINTS,
)
def _side_by_side(draw: DrawFn, site: Site) -> Call:
    """The windows that are written touch and do not overlap."""
    return Call(site.name("ConvTranspose"), (site.channels, out_channels(draw, site), 2), {"stride": 2})
