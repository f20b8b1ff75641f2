"""One rule an operation, grouped by family; importing this package fills the registry."""

from equiconv.certification.rules import (  # noqa: F401
    contraction,
    indexing,
    normalisation,
    padding,
    pointwise,
    reduction,
    resampling,
    shape,
    sliding,
)
