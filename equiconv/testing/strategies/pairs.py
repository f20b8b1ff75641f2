"""A signal and a kernel that can be convolved: one library, one device, one dtype, one number of axes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, get_args

from equiconv.arrays import Array
from equiconv.testing.strategies.drawing import checked_int, one_of, settled
from equiconv.testing.strategies.entries import KINDS, Kind, draw_array
from equiconv.testing.strategies.geometry import Grid, Length, kernel_sizes, sized, with_dims

if TYPE_CHECKING:
    from hypothesis.strategies import DrawFn, SearchStrategy

    from equiconv.testing.strategies.drawing import Drawable

__all__ = ["signals_and_kernels"]

_LONGEST_BATCH = 3


def signals_and_kernels(
    dims: int = 1,
    grid: Drawable[Grid] | int | None = None,
    dtype: Drawable[Any] = "float64",
    library: Drawable[str] = "numpy",
    device: Drawable[str | None] = None,
    kind: Drawable[Kind] = "integers",
    kernel_kind: Drawable[Kind] | None = None,
    length: Drawable[Length] = "any",
    max_batch_dims: int = 2,
    *,
    max_side: int = 12,
    max_size: int = 128,
) -> SearchStrategy[tuple[Array, Array]]:
    """Pairs (x, w) of a signal and a kernel for a circular convolution along the last `dims` axes.

    Both have the library, device and dtype asked for; the kernel is shorter than the signal, as long, or longer. The
    axes before the last `dims` are a batch: those of x and w broadcast, each axis being of one size in both or of size 1
    in one of them; w may have none. They shrink to one point each without a batch (or to the least grid and length that
    are allowed), with the entries of `arrays`.

    Parameters
    ----------
    dims: how many axes are convolved. grid: their sizes; None draws them.
    dtype, library, device, kind: as in `arrays`, of x and w alike. kernel_kind: of w alone, where it differs.
    length: of the kernel, as in `kernel_sizes`. max_batch_dims: at most so many axes before them.
    max_side, max_size: of a drawn grid.

    Raises
    ------
    TypeError, ValueError: what `arrays`, `grids` and `kernel_sizes` refuse; a grid with another number of axes.

    Examples
    --------
    >>> from hypothesis import find, settings
    >>> from equiconv import circular_convolve
    >>> pairs = signals_and_kernels(dims=2, kind="sparse", length="longer")
    >>> x, w = find(pairs, lambda pair: pair[0].ndim > 2, settings=settings(database=None))
    >>> x.shape, w.shape, circular_convolve(x, w, axes=(-2, -1))
    ((1, 1, 1), (1, 2), array([[[1.]]]))
    """
    from hypothesis import strategies as st

    axes, most = checked_int(dims, "dims"), checked_int(max_batch_dims, "max_batch_dims", 0)

    @st.composite
    def pair(draw: DrawFn) -> tuple[Array, Array]:
        chosen = sized(draw, grid, axes, max_side=max_side, max_size=max_size)
        kernel = draw(kernel_sizes(chosen, settled(draw, length)))
        batches = draw(st.lists(st.integers(1, _LONGEST_BATCH), max_size=most))
        # Of an axis of the batch either has all, or x alone, or w alone.
        has = [draw(st.sampled_from(("both", "x", "w"))) for _ in batches]
        x_batch = [1 if who == "w" else n for who, n in zip(has, batches, strict=True)]
        w_batch = [1 if who == "x" else n for who, n in zip(has, batches, strict=True)]
        if batches and set(w_batch) == {1} and not draw(st.booleans()):
            w_batch = []
        common = settled(draw, library)
        options = settled(draw, dtype), common, settled(draw, device)
        x = draw_array(draw, (*x_batch, *chosen), *options, kind)
        w = draw_array(draw, (*w_batch, *kernel), *options, kind if kernel_kind is None else kernel_kind)
        return x, w

    if grid is not None and not isinstance(grid, st.SearchStrategy):
        with_dims(grid, axes)
    # What is given is refused here, and what is drawn, where it is drawn.
    for value, name, accepted in (
        (length, "length", get_args(Length)),
        (kind, "kind", KINDS),
        (kernel_kind, "kernel_kind", KINDS),
    ):
        if isinstance(value, str):
            one_of(value, name, accepted)
    return pair()
