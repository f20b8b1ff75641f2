"""Convolutions that the tests of the layers draw."""

from __future__ import annotations

from hypothesis import strategies as st

from equiconv.nn import Window


@st.composite
def problems(draw: st.DrawFn) -> tuple[Window, tuple[int, ...], tuple[int, ...], int]:
    """(window, input shape, weight shape, seed) over everything the operation takes, wraps and asymmetry included."""
    axes = draw(st.integers(1, 3))
    groups = draw(st.integers(1, 3))
    sizes = tuple(draw(st.integers(1, 8 if axes < 3 else 4)) for _ in range(axes))
    kernel_size = tuple(draw(st.integers(1, 5)) for _ in range(axes))
    dilation = tuple(draw(st.integers(1, 3)) for _ in range(axes))
    padding: list[int] = []
    for n, k, d in zip(sizes, kernel_size, dilation, strict=True):
        left = draw(st.integers(0, 2 * n + 1))
        padding += [left, draw(st.integers(max(0, d * (k - 1) + 1 - n - left), 3 * n + d * k))]
    window = Window(tuple(draw(st.integers(1, 3)) for _ in range(axes)), tuple(padding), dilation, groups)
    channels, filters = draw(st.integers(1, 3)), groups * draw(st.integers(1, 3))
    shape = (draw(st.integers(1, 3)), groups * channels, *sizes)
    return window, shape, (filters, channels, *kernel_size), draw(st.integers(0, 2**31))
