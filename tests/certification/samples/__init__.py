"""Samples: for every rule of the certifier a generator of calls, from which rules are fuzzed and random networks are drawn."""

from tests.certification.samples import (  # noqa: F401  (each fills SAMPLES)
    contraction,
    gathering,
    indexing,
    pointwise,
    recurrent,
    reduction,
    shape,
    sliding,
    spectra,
    transposed,
)
from tests.certification.samples.registry import SAMPLES, network, sample

__all__ = ["SAMPLES", "network", "sample"]
