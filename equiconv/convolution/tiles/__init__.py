"""Products of spectra on the CPU for signals that are larger than the cache: three passes over memory, tile by tile.

Planes and volumes are transformed in slabs and columns (`grids`), long rows as if they were planes (`rows`).
"""

from equiconv.convolution.tiles.product import TiledProduct as TiledProduct
from equiconv.convolution.tiles.product import tiled_spectra as tiled_spectra
from equiconv.convolution.tiles.product import tiles_workspace as tiles_workspace
from equiconv.convolution.tiles.rows import factor_pair as factor_pair

__all__ = ["TiledProduct", "factor_pair", "tiled_spectra", "tiles_workspace"]
