"""One rule an operation, grouped by family; importing this package fills the registry."""

from equiconv.certification.rules import (  # noqa: F401
    contraction,
    fourier,
    gathering,
    indexing,
    invariants,
    normalisation,
    padding,
    pointwise,
    recurrent,
    reduction,
    resampling,
    sampling_grid,
    shape,
    sliding,
    spectral,
    transposed,
)
