"""Audits that several tests read: each is made once."""

from __future__ import annotations

import pytest
import torch

import equiconv as eq
from equiconv.report import Audit
from tests.report.networks import Branches, Classifier, Segmenter, WithoutRule, hostile, noise


@pytest.fixture(scope="session")
def classifier() -> Audit:
    """Zero-padded, three inputs with labels and pixels, every shift measured."""
    x = noise(3, 1, 8, 8)
    return eq.audit(
        Classifier(),
        x,
        labels=torch.tensor([0, 1, 2]),
        images=torch.sigmoid(x),
        classes=["zero", "one", "two", "three"],
        weights="random (seed 0)",
        notes=("noise",),
    )


@pytest.fixture(scope="session")
def sampled() -> Audit:
    """So large that shifts are drawn, and a grid and the shifts around 0 are looked at besides."""
    return eq.audit(Classifier(), noise(1, 1, 40, 48), draws=40, cells=100, radius=1, counterexample=False)


@pytest.fixture(scope="session")
def segmenter() -> Audit:
    return eq.audit(Segmenter("zeros"), noise(1, 3, 12, 10), images=torch.sigmoid(noise(1, 3, 12, 10)))


@pytest.fixture(scope="session")
def undecided() -> Audit:
    return eq.audit(WithoutRule().eval(), noise(1, 2, 6, 6))


@pytest.fixture(scope="session")
def refused() -> Audit:
    return eq.audit(Branches().eval(), noise(1, 2, 6, 6))


@pytest.fixture(scope="session")
def dangerous() -> Audit:
    evil = "</style><script>alert(3)</script>[/bold]"
    return eq.audit(hostile(), noise(1, 1, 6, 6), name=evil, weights=evil, notes=(evil,), classes=[evil, evil])
