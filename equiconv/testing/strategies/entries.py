"""Arrays of any library, by what their entries are: small integers, generic floats, a few non-zero ones, extreme magnitudes.

Entries are made in NumPy, in double precision, of numbers that the dtype asked for holds exactly (generic floats are
rounded to it), and handed to the library whole.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, get_args

import numpy as np
import numpy.typing as npt
import torch

from equiconv.arrays import Array, dtype_name
from equiconv.testing.strategies.backends import LIBRARIES, native_device, native_dtype, xp_of
from equiconv.testing.strategies.drawing import checked_int, one_of, settled
from equiconv.testing.strategies.pixels import sparse_pixels

if TYPE_CHECKING:
    from hypothesis.strategies import DrawFn, SearchStrategy

    from equiconv.testing.strategies.drawing import Drawable

__all__ = ["ENTRYWISE", "KINDS", "Kind", "arrays", "kinds"]

#: What the entries of an array are.
Kind: TypeAlias = Literal["integers", "sparse", "floats", "extreme"]
KINDS: tuple[Kind, ...] = get_args(Kind)

#: So many real numbers of a dense array are drawn, and shrink, one by one; those of a larger one follow from them.
ENTRYWISE = 64

_SEEDS = 2**16 - 1
_HALVES = ("float16", "bfloat16")
_Host: TypeAlias = npt.NDArray[Any]


def kinds() -> SearchStrategy[Kind]:
    """The kinds of entries that `arrays` knows; they shrink to ``"integers"``.

    >>> from hypothesis import find, settings
    >>> find(kinds(), lambda kind: kind != "integers", settings=settings(database=None))
    'sparse'
    """
    from hypothesis import strategies as st

    return st.sampled_from(KINDS)


def arrays(
    shape: Drawable[int | Sequence[int]],
    dtype: Drawable[Any] = "float64",
    library: Drawable[str] = "numpy",
    device: Drawable[str | None] = None,
    kind: Drawable[Kind] = "integers",
    *,
    nonfinite: bool = False,
) -> SearchStrategy[Array]:
    """Arrays of a shape, dtype and library. Every argument but `nonfinite` may be a strategy.

    Of dense arrays the first 64 real numbers (32 complex ones) are drawn, and shrink, one by one; the rest of a larger one
    follows from these by a pseudo-random generator, which is fast. Small arrays are simpler than large ones.

    Parameters
    ----------
    shape: of the array, an int or several; a size of 0 is allowed, except where a non-zero entry is promised.
    dtype: a name (``"float16"``, ``"bfloat16"``, ``"float32"``, ``"float64"``, ``"complex64"``, ``"complex128"``) or the library's
        own dtype.
    library: ``"numpy"``, ``"torch"`` or ``"cupy"``. device: where the array lives, by name, such as ``"cuda:0"``; None
        is the library's default.
    kind: what the entries are.
        ``"integers"``: from −9 to 9 (−3 to 3 in the 16-bit dtypes): sums of products are exact while they stay below 2/eps. They shrink to
        0, and *an array of zeros passes every linear law*: where that matters, say ``"sparse"``.
        ``"sparse"``: 1 to 4 non-zero small integers; they shrink to a single 1 at the origin.
        ``"floats"``: generic, no two alike where the dtype has enough of them, and at least 1/20 apart where they are few:
        multiples of 1/10, which round in every dtype, moved a little; where they are many, numbers in (−1, 1). They shrink to
        0, 0.1, 0.2, ….
        ``"extreme"``: powers of two, times 1 or 1.5, as large and as small as products allow: the circular convolution of two such arrays
        overflows in no method, and no product of two underflows. Among them denormal numbers (at which products do underflow) and zeros of both signs.
        They shrink to 1.
        The two parts of a complex entry are drawn alike; the entries of a sparse one are integers times 1 or i.
    nonfinite: with ``"extreme"``, infinities and NaN too.

    Raises
    ------
    TypeError, ValueError: a shape, dtype, library, device or kind that is none; sparse arrays without entries;
        ``nonfinite`` for another kind. Where the argument is a strategy, they are raised when it is drawn.

    Examples
    --------
    >>> from hypothesis import find, settings
    >>> find(arrays((2, 3), kind="sparse"), lambda x: True, settings=settings(database=None))
    array([[1., 0., 0.],
           [0., 0., 0.]])
    >>> find(arrays(3, "complex64", "torch"), lambda x: x[2].imag > 4, settings=settings(database=None))
    tensor([0.+0.j, 0.+0.j, 0.+5.j])
    """
    from hypothesis import strategies as st

    @st.composite
    def array(draw: DrawFn) -> Array:
        return draw_array(draw, shape, dtype, library, device, kind, nonfinite)

    # What is given is refused here, and what is drawn, where it is drawn.
    if not any(isinstance(v, st.SearchStrategy) for v in (shape, dtype, library, kind)):
        _checked(shape, dtype, library, kind, nonfinite)
    return array()


def draw_array(
    draw: DrawFn, shape: Any, dtype: Any, library: Any, device: Any, kind: Any, nonfinite: bool = False
) -> Array:
    """One array, within another strategy."""
    shape, dtype, library, kind = (settled(draw, v) for v in (shape, dtype, library, kind))
    sizes, name, lib, chosen = _checked(shape, dtype, library, kind, nonfinite)
    host = np.zeros(sizes, dtype=complex if name.startswith("complex") else float)
    if chosen == "sparse":
        _scatter(draw, host)
    elif host.dtype == complex:
        values = _dense(draw, 2 * host.size, name, chosen, nonfinite)
        # Part by part: 1j * inf would have a NaN for its real part.
        host.real, host.imag = values[: host.size].reshape(sizes), values[host.size :].reshape(sizes)
    else:
        host[...] = _dense(draw, host.size, name, chosen, nonfinite).reshape(sizes)
    where = native_device(settled(draw, device), lib)
    return xp_of(lib).asarray(
        host.astype(name) if lib == "numpy" else host, dtype=native_dtype(name, lib), device=where
    )


def _checked(
    shape: Any, dtype: Any, library: Any, kind: Any, nonfinite: bool
) -> tuple[tuple[int, ...], str, str, Kind]:
    one_of(library, "library", LIBRARIES)
    one_of(kind, "kind", KINDS)
    name = dtype_name(native_dtype(dtype, library))
    sizes = tuple(checked_int(n, "shape", 0) for n in (shape if isinstance(shape, Sequence) else (shape,)))
    if nonfinite and kind != "extreme":
        raise ValueError(f'nonfinite: infinities and NaN come with kind="extreme" only, got kind={kind!r}')
    if kind == "sparse" and math.prod(sizes) == 0:
        raise ValueError(f"shape: {sizes} has no entries; a sparse array needs at least one")
    return sizes, name, library, kind


def _scatter(draw: DrawFn, host: _Host) -> None:
    """A few non-zero entries."""
    from hypothesis import strategies as st

    for index, value in draw(sparse_pixels(host.shape)):
        host[index] = value * draw(st.sampled_from((1, 1j))) if host.dtype == complex else value


def _dense(draw: DrawFn, count: int, name: str, kind: Kind, nonfinite: bool) -> _Host:
    """So many real numbers: the first of them drawn one by one, and, where there are more, continued from these.

    Of two examples Hypothesis takes the one with fewer choices for the simpler: a large array drawn as one seed would
    be simpler than a small one, and counterexamples would shrink to large ones.
    """
    from hypothesis import strategies as st

    size = min(count, ENTRYWISE)
    if kind == "floats":
        salt = draw(st.integers(0, _SEEDS))
        # Up to 8 in magnitude, where bfloat16 still tells numbers apart that differ by 1/20.
        tenths = draw(st.lists(st.integers(-80, 80), min_size=size, max_size=size, unique=True))
        return _tenths(tenths, salt) if count <= size else _generic(_seeded_by([*tenths, salt]), count, name)
    choices = _extremes(count, name, nonfinite) if kind == "extreme" else _inside_out(3 if name in _HALVES else 9)
    first = np.asarray(draw(st.lists(st.sampled_from(choices), min_size=size, max_size=size)), dtype=float)
    if count == size:
        return first
    simplest = bool(np.all(first == choices[0]))
    rest = np.full(count - size, choices[0]) if simplest else _seeded_by(first).choice(choices, count - size)
    return np.concatenate([first, rest])


def _seeded_by(values: npt.ArrayLike) -> np.random.Generator:
    return np.random.default_rng(zlib.crc32(np.asarray(values, dtype=float).tobytes()))


def _tenths(tenths: list[int], salt: int) -> _Host:
    """Different multiples of 1/10, moved a little so that no sum of some is a sum of others; simplest where they are
    not."""
    moved = np.random.default_rng(salt).uniform(-0.025, 0.025, len(tenths)) if salt else 0.0
    return np.asarray(tenths, dtype=float) / 10 + moved


def _inside_out(most: int) -> list[float]:
    """0, 1, −1, 2, −2, …"""
    return [0.0, *(float(sign * k) for k in range(1, most + 1) for sign in (1, -1))]


def _generic(generator: np.random.Generator, count: int, name: str) -> _Host:
    """Numbers in (−1, 1), no two alike in the dtype where it has so many."""
    if name not in _HALVES:
        # One in each of `count` equal intervals, off its ends: at least 1/count apart, so distinct in float32 up to 2²² of them.
        return (generator.permutation(count) + generator.uniform(0.25, 0.75, count)) * (2 / max(1, count)) - 1
    spacing = float(torch.finfo(getattr(torch, name)).eps)
    magnitudes = np.concatenate([2.0**-e * np.arange(1, 2, spacing) for e in range(1, 7)])
    values = np.concatenate([magnitudes, -magnitudes])
    return generator.permutation(np.resize(generator.permutation(values), count))


def _extremes(count: int, name: str, nonfinite: bool) -> list[float]:
    """Magnitudes as far apart as products allow, the simplest first.

    The signal and the kernel may differ in size, so that each makes room for its own n: a product of two is below
    2^(2k + 2), and a sum of n of them below n times that, which float16 must hold (it is computed in float32). The others
    are transformed in their own range too, where an inverse not yet normalised reaches n√n times as much for each. 2^−2k must be normal.
    """
    limits = torch.finfo(getattr(torch, name))
    levels = math.ceil(math.log2(max(1, count))) * (2 if name == "float16" else 3)
    k = max(0, (math.frexp(limits.max)[1] - 3 - levels) // 2)
    k = min(k, (1 - math.frexp(limits.tiny)[1]) // 2)
    exponents = dict.fromkeys((0, min(1, k), -min(1, k), k // 2, -(k // 2), k, -k))
    scaled = [s * m * 2.0**e for e in exponents for m in (1.0, 1.5) for s in (1, -1)]
    least = limits.tiny * limits.eps
    special = [0.0, -0.0, least, -least, 0.75 * limits.tiny, -0.75 * limits.tiny]
    return [*scaled, *special, *([math.inf, -math.inf, math.nan] if nonfinite else [])]
