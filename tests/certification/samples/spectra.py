"""Calls of Fourier transforms, and of what is linear in a spectrum."""

from __future__ import annotations

import torch
from torch import fx

from equiconv.certification.validation import Draw, Unfit
from tests.certification.samples.registry import sample

aten = torch.ops.aten
KINDS = ("", "2", "n")


def real(draw: Draw) -> fx.Node:
    """An operand with values in the real numbers, often the image itself."""
    x = draw.operand((1, 2, 3, 4), deep=draw.rng.choice((0, 0, 1, 3)))
    if draw.value(x).is_complex():
        return draw.call(draw.rng.choice((aten.abs.default, aten.real.default)), x)
    if not draw.value(x).is_floating_point():
        raise Unfit("whole numbers have no transform here")
    return x


def spectrum(draw: Draw) -> fx.Node:
    """A spectrum along the image axes or others, sometimes cut, padded, joined with another, or multiplied by a constant."""
    x = real(draw)
    if draw.rng.random() < 0.6 and draw.value(x).ndim > 1:
        made = draw.call(draw.rng.choice((aten.fft_fft2.default, aten.fft_rfft2.default)), x)
    else:
        made = draw.call(draw.rng.choice((aten.fft_fft.default, aten.fft_rfft.default)), x, None, draw.dim(x))
    if draw.rng.random() < 0.3:
        made = draw.call(aten.mul.Tensor, made, draw.beside(made, constant=0.7))
    return draw.disturb(made) if draw.rng.random() < 0.4 else made


def either(draw: Draw) -> fx.Node:
    """A spectrum, or a real signal."""
    return spectrum(draw) if draw.rng.random() < 0.6 else real(draw)


def lengths(draw: Draw, sizes: list[int]) -> list[int] | None:
    """Lengths of a transform: mostly those of the dims, at times less or more."""
    if draw.rng.random() < 0.6:
        return None
    return [max(1, s + draw.rng.choice((0, 0, -1, 1, 2, s))) for s in sizes]


def transformed(draw: Draw, x: fx.Node, kind: str, half: bool = False) -> tuple:
    """The arguments of a transform of ``kind`` (one dim, two, any). half: of a half spectrum, whose signal may be twice as long."""
    sizes = draw.sizes(x)
    rank = len(sizes)
    count = {"": 1, "2": 2}.get(kind, draw.rng.randrange(1, min(rank, 3) + 1))
    last = draw.rng.random() < 0.6
    dims = list(range(rank - count, rank)) if last else draw.rng.sample(range(rank), count)
    wanted = lengths(draw, [sizes[d] for d in dims])
    if half and draw.rng.random() < 0.5:
        wanted = [*(sizes[d] for d in dims[:-1]), 2 * sizes[dims[-1]] - draw.rng.choice((1, 2))]
    norm = draw.rng.choice((None, "ortho", "forward"))
    if kind == "":
        return x, wanted and wanted[0], dims[0], norm
    return x, wanted, dims, norm


for _kind in KINDS:

    @sample(f"aten.fft_fft{_kind}.default", f"aten.fft_ifft{_kind}.default")
    def whole(draw: Draw, kind: str = _kind):
        return transformed(draw, either(draw), kind)

    @sample(f"aten.fft_rfft{_kind}.default", f"aten.fft_ihfft{_kind}.default")
    def of_real(draw: Draw, kind: str = _kind):
        return transformed(draw, real(draw), kind)

    @sample(f"aten.fft_irfft{_kind}.default", f"aten.fft_hfft{_kind}.default")
    def to_real(draw: Draw, kind: str = _kind):
        return transformed(draw, either(draw), kind, half=True)


def some(draw: Draw, x: fx.Node) -> list[int]:
    rank = len(draw.sizes(x))
    return draw.rng.sample(range(rank), draw.rng.randrange(1, min(rank, 2) + 1))


@sample("aten.fft_fftshift.default", "aten.fft_ifftshift.default")
def centred(draw: Draw):
    x = either(draw)
    return x, some(draw, x) if draw.rng.random() < 0.8 else None


@sample("aten._fft_c2c.default")
def c2c(draw: Draw):
    x = spectrum(draw)
    return x, some(draw, x), draw.rng.randrange(3), draw.rng.random() < 0.5


@sample("aten._fft_r2c.default")
def r2c(draw: Draw):
    x = real(draw)
    return x, some(draw, x), draw.rng.randrange(3), draw.rng.random() < 0.5


@sample("aten._fft_c2r.default")
def c2r(draw: Draw):
    x = spectrum(draw)
    dims = some(draw, x)
    return x, dims, draw.rng.randrange(3), max(1, 2 * draw.sizes(x)[dims[-1]] - draw.rng.choice((1, 2, 2)))


@sample("aten._neg_view.default", "aten.conj_physical.default", "aten.resolve_neg.default", "aten.sgn.default")
def turning(draw: Draw):
    return either(draw)


@sample("aten.square.default")
def square(draw: Draw):
    return either(draw)


@sample("aten.pow.Tensor_Scalar")
def power(draw: Draw):
    return either(draw), draw.rng.choice((1, 2, 3, 5))


@sample("aten.sub.Scalar", "aten.div.Scalar")
def scalar(draw: Draw):
    return either(draw), draw.rng.choice((1.5, 2.0, -1.0))


@sample("aten.view_as_real.default")
def as_real(draw: Draw):
    return draw.call(aten.resolve_conj.default, spectrum(draw))


@sample("aten.view_as_complex.default")
def as_complex(draw: Draw):
    """Pairs of numbers: a new dim, one of the parts of a spectrum, or two columns of a signal."""
    if draw.rng.random() < 0.3:
        return draw.call(aten.view_as_real.default, draw.call(aten.resolve_conj.default, spectrum(draw)))
    x = real(draw)
    if draw.rng.random() < 0.5:
        return draw.call(aten.stack.default, [x, draw.call(aten.tanh.default, x)], -1)
    return draw.call(aten.contiguous.default, draw.call(aten.narrow.default, x, -1, 0, 2))
