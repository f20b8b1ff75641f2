"""The laws of a model: the shifts that it is said, or certified, to follow or ignore (L15, L16), and good conduct."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any

import torch

from equiconv.testing.laws.layers import common, law, scaled, shifted
from equiconv.testing.laws.module import Module
from equiconv.testing.laws.record import Comparison, Draw, Law, Refused

__all__ = ["MODEL", "certified"]


@functools.lru_cache(maxsize=8)
def certified(s: Module) -> Any:
    """The certificate of the model on its example; None where it cannot be made."""
    from equiconv.certification.certify import certify

    x = s.blank().value(f"xp.randn({s.shape}, generator=xp.Generator().manual_seed(0))").to(s.device, s.dtype)
    return certify(s.model, x, s.axes, refute=False), x


def _shift(s: Module, draw: Draw) -> Sequence[Comparison]:
    case = s.draw(draw)
    scaled(s, draw, case)
    return shifted(s, draw, case, s.grid)


def _sizes(s: Module, draw: Draw) -> Sequence[Comparison]:
    """Other sizes of the input: multiples of the strides, near its own."""
    from hypothesis import strategies as st

    assert s.strides is not None
    grid = tuple(max(n - n % k, k) + k * draw(st.integers(-1, 2)) for n, k in zip(s.grid, s.strides, strict=True))
    if any(n < 1 for n in grid) or grid == s.grid:
        raise Refused("the size is its own, or empty")
    case = s.draw(draw, grid=grid)
    return shifted(s, draw, case, grid)


def _moves(s: Module) -> str | None:
    assert s.strides is not None
    if s.strides == s.grid:
        return s.why or "no shift but 0 is claimed: pass strides= to claim more"
    return None


def _certificate(s: Module, draw: Draw) -> Sequence[Comparison]:
    certificate, x = certified(s)
    del draw  # one example says it all
    case = s.blank()
    case.bind("x", x, f"xp.randn({s.shape}, generator=xp.Generator().manual_seed(0))", "normal numbers, seed 0")
    if certificate.kind == "undecided":
        raise Refused(certificate.sentence)
    report = certificate.check(s.model, x)
    fault = f"does not hold when run: {report}" if report.violations else None
    value = torch.arange(2.0).numpy()
    return [case.comparison(value, value, 0.0, ("every claim of its certificate", "what running it shows"), fault)]


MODEL: tuple[Law, ...] = (
    law(
        "shift",
        ["L15", "L16", "L29"],
        "f(S x) = f(x), or S' f(x), for every S that is claimed",
        _shift,
        "product_of_laws",
        kind="model",
        applies=_moves,
    ),
    law("sizes", ["L15", "L16"], "the same on inputs of other sizes", _sizes, kind="model", applies=_moves),
    law(
        "certificate",
        ["L16"],
        "every claim of its certificate holds when it is run",
        _certificate,
        kind="model",
        share=0.0,
    ),
    *common("model"),
)
