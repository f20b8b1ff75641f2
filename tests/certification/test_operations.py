"""Certificates of networks with operations of every kind against brute force over all shifts, and false twins of their rules."""

from __future__ import annotations

import copy

import pytest
import torch

from equiconv.certification import Signal, Window, alignment, certify
from equiconv.certification.rules import (
    contraction,
    gathering,
    normalisation,
    recurrent,
    sampling_grid,
    sliding,
    transposed,
)
from tests.certification.attack import attack
from tests.certification.networks import SHAPE
from tests.certification.operations import cases
from tests.certification.test_small_networks import agree

CASES = cases()


@pytest.mark.parametrize("name", CASES)
def test_certificate_agrees_with_brute_force(name: str) -> None:
    agree(*CASES[name])


# False twins ------------------------------------------------------------------------------------------------------------


def _careless_fibres(step, operands, out, *args, **kwargs):
    """Reads along labels that move as though they were still."""
    found = contraction.combine(step, operands)
    return [step.canonical(found[label]) for label in out]


def _careless_lay_out(step, dim, out, kernel, stride, *args, **kwargs):
    """Takes every border for complete."""
    (window,) = step.canonical(dim)
    return (Window(out, window.axis, window.step / stride, window.period * stride),)


def _careless_obstruct(step, *args, **kwargs):
    """Takes an operation that reads in order for one that acts entry by entry."""
    return step.result(step.signal("self").dims)


def _careless_diagonal(step, x, i, j):
    """Looks at one of the two dims only."""
    rest = [dim for d, dim in enumerate(x.dims) if d not in (i, j)]
    return Signal(x.strides, (*rest, x.dims[i]))


def _careless_align(step, operands, shape):
    """Forgets the mask of the places that are written to."""
    return alignment.align(step, operands[:-1], shape)


def _careless_kernel(step):
    """Takes weights that move for weights that do not."""
    return list(step["weight"].shape[2:])


def _careless_positions(step, moving, values, *_):
    """Takes positions for values."""
    return values


TWINS = {
    "a gather from a moving dim": (gathering, "fibres", _careless_fibres, "gather positions"),
    "a write to moving places": (gathering, "fibres", _careless_fibres, "overwritten columns"),
    "a recurrent layer along a moving dim": (recurrent, "fibres", _careless_fibres, "LSTM along rows"),
    "coordinates in a moving image": (sampling_grid, "fibres", _careless_fibres, "sampled at coordinates"),
    "windows that do not wrap": (transposed, "lay_out", _careless_lay_out, "transposed, overlapping"),
    "a fold that does not wrap": (transposed, "lay_out", _careless_lay_out, "fold, overlapping"),
    "values given out in order": (gathering, "obstruct", _careless_obstruct, "scattered under a mask"),
    "a diagonal of dims that move apart": (contraction, "diagonal_of", _careless_diagonal, "diagonal of an image"),
    "every other entry, forgotten": (gathering, "align", _careless_align, "every other column is one"),
    "a kernel that moves": (sliding, "kernel_of", _careless_kernel, "kernel cut from the image"),
    "statistics of a crop": (
        normalisation,
        "reduce_dims",
        lambda step, dims, *_: list(dims),
        "batch statistics of a crop",
    ),
    "positions that are renumbered": (sliding, "renumbered", _careless_positions, "max unpool"),
}


@pytest.mark.parametrize("name", TWINS)
def test_a_careless_rule_is_caught(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Commuting squares contradict each false twin, and not the rule that it is a twin of."""
    module, function, twin, case = TWINS[name]
    net, x = copy.deepcopy(CASES[case][0]).eval(), torch.randn(1, 1, *SHAPE, generator=torch.Generator().manual_seed(0))
    assert not any(report.violations for _, report in attack(net, x)[1].values())
    monkeypatch.setattr(module, function, twin)
    assert any(report.violations for _, report in attack(net, x)[1].values())


def test_the_floor_of_a_constant_that_is_cut_in_pieces() -> None:
    """arange % 4 is no less exact for being a float: a floor of 4 would refute nothing, and hide any violation."""
    certificate = certify(CASES["coordinates modulo 4"][0].eval(), torch.randn(1, 1, *SHAPE))
    assert certificate.exact
    assert max(r.floor for r in certificate.refutations) < 1e-12


def test_positions_that_are_read_are_an_obstacle() -> None:
    certificate = certify(CASES["max unpool"][0].eval(), torch.randn(1, 1, *SHAPE), refute=False)
    assert [(o.cause, o.theorem) for o in certificate.obstacles if o.after == SHAPE] == [
        ("index", "positions_renumbered")
    ]
